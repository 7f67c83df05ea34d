//! Replies of the lab protocol in its three framings. An empty message means there is no such key.

use super::{Bad, Found, REPLY_LEN_MAX, Reply};
use crate::target::Framing;

#[derive(Debug)]
pub struct LabReader {
    framing: Framing,
    searched: usize,
}

impl LabReader {
    pub fn new(framing: Framing) -> Self {
        LabReader {
            framing,
            searched: 0,
        }
    }

    pub fn next<'a>(&mut self, input: &'a [u8], expected_len: usize) -> Found<'a> {
        let (used, body) = match self.framing {
            Framing::Line => match memchr::memchr(b'\n', &input[self.searched..]) {
                Some(found) => {
                    let end = self.searched + found;
                    self.searched = 0;
                    let line = &input[..end];
                    (end + 1, line.strip_suffix(b"\r").unwrap_or(line))
                }
                None if input.len() > REPLY_LEN_MAX => return Err(Bad("a line without end")),
                None => {
                    self.searched = input.len();
                    return Ok(None);
                }
            },
            Framing::Byte => {
                let len = input.first().map_or(0, |&b| usize::from(b));
                match input.get(1..1 + len) {
                    Some(body) => (1 + len, body),
                    None => return Ok(None),
                }
            }
            Framing::Digit => match input.get(..expected_len) {
                Some(body) => (expected_len, body),
                None => return Ok(None),
            },
        };
        let reply = if body.is_empty() {
            Reply::Missing
        } else {
            Reply::Value(body)
        };
        Ok(Some((used, reply)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::split_everywhere;
    use crate::target::{Framing, Protocol::Lab};

    #[test]
    fn three_framings_survive_every_split() {
        let value = |v: &[u8]| format!("Value({v:?})");
        assert_eq!(
            split_everywhere(Lab(Framing::Line), b"ab\r\n\r\nc\n", 0),
            [value(b"ab"), "Missing".into(), value(b"c")]
        );
        assert_eq!(
            split_everywhere(Lab(Framing::Byte), b"\x02ab\x00\x01\n", 0),
            [value(b"ab"), "Missing".into(), value(b"\n")]
        );
        assert_eq!(
            split_everywhere(Lab(Framing::Digit), b"abcdef", 3),
            [value(b"abc"), value(b"def")]
        );
    }
}
