//! Replies of the metrics protocol: `ok\n`, rows, an empty line; or `error\n`, a text, an empty line.

use super::{Bad, Found, REPLY_LEN_MAX, Reply};

/// How far the bytes so far have been searched for the empty line.
#[derive(Debug, Default)]
pub struct MetricsReader {
    searched: usize,
}

impl MetricsReader {
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Found<'a> {
        let from = self.searched.saturating_sub(1);
        let Some(found) = memchr::memmem::find(&input[from..], b"\n\n") else {
            self.searched = input.len();
            let known = input.len().min(6);
            return if input.len() > REPLY_LEN_MAX {
                Err(Bad("a reply without end"))
            } else if !b"error\n".starts_with(&input[..known])
                && !b"ok\n".starts_with(&input[..known.min(3)])
            {
                Err(Bad("a reply that begins with neither `ok` nor `error`"))
            } else {
                Ok(None)
            };
        };
        self.searched = 0;
        let end = from + found + 2;
        let reply = match &input[..end - 1] {
            b"ok\n" => Reply::Ok,
            [b'o', b'k', b'\n', rows @ ..] => Reply::Rows(rows),
            [b'e', b'r', b'r', b'o', b'r', b'\n', text @ ..] => Reply::Error(text.trim_ascii_end()),
            _ => return Err(Bad("a reply that begins with neither `ok` nor `error`")),
        };
        Ok(Some((end, reply)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::split_everywhere;
    use crate::target::Protocol::Metrics;

    #[test]
    fn replies_survive_every_split() {
        let replies = split_everywhere(
            Metrics,
            b"ok\n\nok\na 1.0 5\nb 2.5 6\n\nerror\nwrong command\n\n",
            0,
        );
        assert_eq!(
            replies,
            [
                "Ok".to_string(),
                format!("Rows({:?})", b"a 1.0 5\nb 2.5 6\n"),
                format!("Error({:?})", b"wrong command")
            ]
        );
    }

    #[test]
    fn garbage_is_bad_at_once() {
        assert_eq!(split_everywhere(Metrics, b"+OK\r\n", 0).len(), 1);
        assert!(split_everywhere(Metrics, b"no\n\n", 0)[0].starts_with("Bad"));
    }
}
