//! RESP2 and RESP3 replies. Scalars are taken apart; aggregates are walked to their end, with a cursor that
//! survives *more*, and handed over whole. Push messages belong to no request and are passed over.

use super::{Bad, Found, REPLY_LEN_MAX, Reply};

/// The walk through an aggregate that is not complete yet.
#[derive(Debug, Default)]
pub struct RespReader {
    /// Bytes of pushes passed over, before the reply that is being read.
    passed: usize,
    at: usize,
    left: u64,
}

impl RespReader {
    #[inline]
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Found<'a> {
        // The answer to nearly every write.
        if input.starts_with(b"+OK\r\n") {
            return Ok(Some((5, Reply::Ok)));
        }
        loop {
            let rest = &input[self.passed..];
            let Some(&kind) = rest.first() else {
                return Ok(None);
            };
            let (used, reply) = match kind {
                b'$' | b'=' | b'!' => match bulk(rest)? {
                    None => return Ok(None),
                    Some((used, None)) => (used, Reply::Missing),
                    Some((used, Some(body))) => match kind {
                        b'!' => (used, Reply::Error(body)),
                        // A verbatim string begins with its format and a colon.
                        b'=' => (used, Reply::Value(body.get(4..).unwrap_or_default())),
                        _ => (used, Reply::Value(body)),
                    },
                },
                b'*' | b'~' | b'%' | b'|' | b'>' => match self.walk(rest)? {
                    None => return Ok(None),
                    Some(used) if kind == b'>' => {
                        self.passed += used;
                        continue;
                    }
                    Some(used) if rest.starts_with(b"*-1\r") => (used, Reply::Missing),
                    Some(used) => (used, Reply::Other(&rest[..used])),
                },
                _ => match line(rest)? {
                    None => return Ok(None),
                    Some((used, text)) => (used, scalar(kind, text)?),
                },
            };
            return Ok(Some((std::mem::take(&mut self.passed) + used, reply)));
        }
    }

    /// The length of the aggregate at the start of `input`, once all of it is there.
    fn walk(&mut self, input: &[u8]) -> Result<Option<usize>, Bad> {
        if self.at == 0 {
            self.left = 1;
        }
        while self.left > 0 {
            let rest = &input[self.at..];
            let Some(&kind) = rest.first() else {
                return Ok(None);
            };
            let used = match kind {
                b'$' | b'=' | b'!' => match bulk(rest)? {
                    None => return Ok(None),
                    Some((used, _)) => used,
                },
                b'*' | b'~' | b'%' | b'|' | b'>' => match line(rest)? {
                    None => return Ok(None),
                    Some((used, text)) => {
                        let count = number(text)?;
                        if !(-1..=1 << 32).contains(&count) {
                            return Err(Bad("an aggregate of impossible size"));
                        }
                        let count = count.max(0) as u64;
                        self.left += match kind {
                            b'%' => 2 * count,
                            // An attribute comes before the value it describes.
                            b'|' => 2 * count + 1,
                            _ => count,
                        };
                        used
                    }
                },
                _ => match line(rest)? {
                    None => return Ok(None),
                    Some((used, text)) => {
                        scalar(kind, text)?;
                        used
                    }
                },
            };
            self.at += used;
            self.left -= 1;
        }
        Ok(Some(std::mem::take(&mut self.at)))
    }
}

fn scalar(kind: u8, text: &[u8]) -> Result<Reply<'_>, Bad> {
    match kind {
        b'+' if text == b"OK" => Ok(Reply::Ok),
        b'+' => Ok(Reply::Other(text)),
        b'-' => Ok(Reply::Error(text)),
        b':' => Ok(Reply::Int(number(text)?)),
        b'_' if text.is_empty() => Ok(Reply::Missing),
        b'#' if text == b"t" || text == b"f" => Ok(Reply::Other(text)),
        b',' | b'(' if !text.is_empty() => Ok(Reply::Other(text)),
        _ => Err(Bad("a byte that begins no RESP reply")),
    }
}

/// The line after the type byte, and the bytes used with its end.
#[inline]
fn line(input: &[u8]) -> Result<Option<(usize, &[u8])>, Bad> {
    match memchr::memchr(b'\n', input) {
        Some(end) if end >= 2 && input[end - 1] == b'\r' => Ok(Some((end + 1, &input[1..end - 1]))),
        Some(_) => Err(Bad("a line that does not end in \\r\\n")),
        None if input.len() > 64 << 10 => Err(Bad("a line without end")),
        None => Ok(None),
    }
}

/// What [`bulk`] found: bytes used and the body, `None` for the null bulk.
type Bulk<'a> = Option<(usize, Option<&'a [u8]>)>;

#[inline]
fn bulk(input: &[u8]) -> Result<Bulk<'_>, Bad> {
    // The length is a few digits: a loop over them beats a search for the end of the line.
    let mut len = 0usize;
    let mut at = 1;
    loop {
        match input.get(at) {
            Some(digit @ b'0'..=b'9') => len = len * 10 + usize::from(digit - b'0'),
            Some(b'\r') if at > 1 => break,
            Some(b'-') if at == 1 => {
                return match input.get(..5) {
                    Some(b"$-1\r\n") => Ok(Some((5, None))),
                    Some(_) => Err(Bad("a negative length")),
                    None => Ok(None),
                };
            }
            Some(_) => Err(Bad("a length that is no number"))?,
            None => return Ok(None),
        }
        if len > REPLY_LEN_MAX {
            return Err(Bad("a bulk string above 512 MB"));
        }
        at += 1;
    }
    let start = at + 2;
    match input.get(start..start + len + 2) {
        Some(body) if body[len] == b'\r' && body[len + 1] == b'\n' && input[at + 1] == b'\n' => {
            Ok(Some((start + len + 2, Some(&body[..len]))))
        }
        Some(_) => Err(Bad("a bulk string that does not end where it says")),
        None => Ok(None),
    }
}

fn number(text: &[u8]) -> Result<i64, Bad> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|t| t.parse().ok())
        .ok_or(Bad("a number that is none"))
}

#[cfg(test)]
mod tests {
    use super::super::split_everywhere;
    use crate::target::Protocol::Resp;

    #[test]
    fn every_type_of_both_versions_survives_every_split() {
        let bytes = b"+OK\r\n-ERR no\r\n:42\r\n$5\r\nhe\r\no\r\n$-1\r\n$0\r\n\r\n_\r\n*-1\r\n#t\r\n,3.5\r\n(123\r\n=7\r\ntxt:abc\r\n!5\r\nERR x\r\n+PONG\r\n";
        let replies = split_everywhere(Resp, bytes, 0);
        assert_eq!(replies[0], "Ok");
        assert_eq!(replies[2], "Int(42)");
        assert_eq!(replies[3], format!("Value({:?})", b"he\r\no"));
        assert_eq!(
            &replies[4..8],
            [
                "Missing".to_string(),
                "Value([])".into(),
                "Missing".into(),
                "Missing".into()
            ]
        );
        assert_eq!(replies.len(), 14);
        assert_eq!(replies[11], format!("Value({:?})", b"abc"));
    }

    #[test]
    fn aggregates_nest_and_pushes_are_passed_over() {
        let bytes = b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n%1\r\n+k\r\n~1\r\n_\r\n>2\r\n+invalidate\r\n:1\r\n:7\r\n|1\r\n+ttl\r\n:3600\r\n$1\r\nx\r\n";
        let replies = split_everywhere(Resp, bytes, 0);
        assert_eq!(replies.len(), 3);
        assert!(replies[0].starts_with("Other"));
        assert_eq!(replies[1], "Int(7)");
        assert!(replies[2].starts_with("Other"));
    }

    /// Found by the daemon's transcripts: the cursor of the second push was taken for one of the first.
    #[test]
    fn several_pushes_survive_every_split() {
        let bytes = b">2\r\n+invalidate\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n*2\r\n:1\r\n:2\r\n:7\r\n";
        let replies = split_everywhere(Resp, bytes, 0);
        assert_eq!(replies.len(), 2);
        assert_eq!(replies[1], "Int(7)");
    }

    #[test]
    fn garbage_is_bad_and_never_waited_for() {
        for bytes in [
            &b"HTTP/1.1 400\r\n"[..],
            b"$x\r\n",
            b"$-2\r\n",
            b"$3\r\nabcd\r\n",
            b":12x\r\n",
            b"*99999999999999\r\n",
            b"+OK\n",
            b"\n",
            b"$99999999999\r\n",
        ] {
            let replies = split_everywhere(Resp, bytes, 0);
            assert!(
                replies.last().is_some_and(|r| r.starts_with("Bad")),
                "{bytes:?}: {replies:?}"
            );
        }
    }
}
