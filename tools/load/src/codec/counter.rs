//! Replies of the counter protocol: one line each.

use super::{Bad, Found, Reply};

pub fn next(input: &[u8]) -> Found<'_> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        return if input.len() > 64 {
            Err(Bad("a line without end"))
        } else {
            Ok(None)
        };
    };
    let line = input[..end].trim_ascii_end();
    let reply = match line {
        b"ok" => Reply::Ok,
        b"err" => Reply::Error(line),
        b"quit" => Reply::Other(line),
        [b'v', b'a', b'l', b' ', digits @ ..] => std::str::from_utf8(digits)
            .ok()
            .and_then(|d| d.parse().ok())
            .map(Reply::Int)
            .ok_or(Bad("`val` without a number"))?,
        _ => return Err(Bad("a line that is neither val, ok, err nor quit")),
    };
    Ok(Some((end + 1, reply)))
}

#[cfg(test)]
mod tests {
    use super::super::split_everywhere;
    use crate::target::Protocol::Counter;

    #[test]
    fn replies_survive_every_split() {
        let replies = split_everywhere(Counter, b"ok\nval -12\r\nerr\nquit\n", 0);
        assert_eq!(replies[..2], ["Ok", "Int(-12)"]);
        assert_eq!(replies.len(), 4);
        assert!(split_everywhere(Counter, b"val x\n", 0)[0].starts_with("Bad"));
        assert!(split_everywhere(Counter, b"+OK\r\n", 0)[0].starts_with("Bad"));
    }
}
