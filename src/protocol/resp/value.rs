//! Replies as values, for programs that run commands in process: borrowed from the bytes, or as an owned tree.
//!
//! What is read here was written by [`super::Reply`] in RESP3. This module must not know commands.

use std::fmt;

/// A reply, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum RespValue {
    /// Nothing, where there could be a value.
    Null,
    /// A short text, such as `OK`.
    Simple(String),
    /// An error within a larger reply. One that is the whole reply is an `Err` instead.
    Error(ErrorReply),
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// A byte string.
    Bulk(Vec<u8>),
    /// Text for people.
    Verbatim(String),
    /// An integer of any size, as its decimal.
    BigNumber(String),
    /// Values in order.
    Array(Vec<RespValue>),
    /// Values whose order means nothing.
    Set(Vec<RespValue>),
    /// Pairs, in the order in which they came.
    Map(Vec<(RespValue, RespValue)>),
    /// A message that is no reply.
    Push(Vec<RespValue>),
}

impl RespValue {
    /// The bytes of a byte string or a text; `None` of anything else.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            RespValue::Bulk(bytes) => Some(bytes),
            RespValue::Simple(text) | RespValue::Verbatim(text) | RespValue::BigNumber(text) => {
                Some(text.as_bytes())
            }
            _ => None,
        }
    }

    /// The same as text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The integer that it is.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            RespValue::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The floating-point number that it is.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            RespValue::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        *self == RespValue::Null
    }

    /// The values of an array, a set or a message; empty for anything else.
    pub fn items(&self) -> &[RespValue] {
        match self {
            RespValue::Array(items) | RespValue::Set(items) | RespValue::Push(items) => items,
            _ => &[],
        }
    }

    /// What stands behind the key `key` in a map.
    pub fn field(&self, key: &str) -> Option<&RespValue> {
        match self {
            RespValue::Map(pairs) => pairs
                .iter()
                .find(|(name, _)| name.as_bytes() == Some(key.as_bytes()))
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

/// An error reply: `WRONGTYPE Operation against ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    text: Box<str>,
}

impl ErrorReply {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        ErrorReply { text: text.into() }
    }

    /// The whole text, code included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its first word: `ERR`, `WRONGTYPE` ...
    pub fn code(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ErrorReply {}

/// A reply, borrowed from the bytes it was written as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReplyRef<'a> {
    /// Nothing, where there could be a value.
    Null,
    /// A short text.
    Simple(&'a [u8]),
    /// An error, its code in front.
    Error(&'a [u8]),
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// A byte string.
    Bulk(&'a [u8]),
    /// Text for people.
    Verbatim(&'a [u8]),
    /// An integer of any size, as its decimal.
    BigNumber(&'a [u8]),
    /// Values in order.
    Array(Items<'a>),
    /// Values whose order means nothing.
    Set(Items<'a>),
    /// Pairs: key, value, key, value ...
    Map(Items<'a>),
    /// A message that is no reply.
    Push(Items<'a>),
}

/// The values of an array, a set, a map or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Items<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = ReplyRef<'a>;

    fn next(&mut self) -> Option<ReplyRef<'a>> {
        if self.left == 0 {
            return None;
        }
        let (item, rest) = ReplyRef::read(self.bytes)?;
        self.left -= 1;
        self.bytes = rest;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl<'a> ReplyRef<'a> {
    /// Reads one reply in RESP2 or RESP3, and gives it with what is behind it; `None` when `bytes` does not begin with
    /// a whole one. O(1), or O(bytes) of one with parts.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&kind, rest) = bytes.split_first()?;
        // What most replies are, found without a search for the end of the line.
        if kind == b'$'
            && let Some((len, rest)) = short_length(rest)
        {
            let (bytes, rest) = body(rest, len)?;
            return Some((ReplyRef::Bulk(bytes), rest));
        }
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest[..end].strip_suffix(b"\r")?;
        let rest = &rest[end + 1..];
        Some(match kind {
            b'$' => match length(line)? {
                Some(len) => {
                    let (bytes, rest) = body(rest, len)?;
                    (ReplyRef::Bulk(bytes), rest)
                }
                None => (ReplyRef::Null, rest),
            },
            b':' => (ReplyRef::Integer(crate::number::parse_i64(line)?), rest),
            b'+' => (ReplyRef::Simple(line), rest),
            b'-' => (ReplyRef::Error(line), rest),
            b'_' => (ReplyRef::Null, rest),
            b'#' => (ReplyRef::Boolean(line == b"t"), rest),
            b'(' => (ReplyRef::BigNumber(line), rest),
            b',' => (
                ReplyRef::Double(std::str::from_utf8(line).ok()?.parse().ok()?),
                rest,
            ),
            b'=' => {
                let (bytes, rest) = body(rest, length(line)??)?;
                (ReplyRef::Verbatim(bytes.get(4..)?), rest)
            }
            b'*' | b'~' | b'>' | b'%' => {
                let Some(len) = length(line)? else {
                    return Some((ReplyRef::Null, rest));
                };
                let left = if kind == b'%' {
                    len.checked_mul(2)?
                } else {
                    len
                };
                let items = Items { bytes: rest, left };
                let rest = skip(rest, left)?;
                let item = match kind {
                    b'*' => ReplyRef::Array(items),
                    b'~' => ReplyRef::Set(items),
                    b'>' => ReplyRef::Push(items),
                    _ => ReplyRef::Map(items),
                };
                (item, rest)
            }
            _ => return None,
        })
    }

    /// A copy that owns all it says.
    pub fn to_value(self) -> RespValue {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self {
            ReplyRef::Null => RespValue::Null,
            ReplyRef::Simple(bytes) => RespValue::Simple(text(bytes)),
            ReplyRef::Error(bytes) => RespValue::Error(ErrorReply::new(text(bytes))),
            ReplyRef::Integer(value) => RespValue::Integer(value),
            ReplyRef::Double(value) => RespValue::Double(value),
            ReplyRef::Boolean(value) => RespValue::Boolean(value),
            ReplyRef::Bulk(bytes) => RespValue::Bulk(bytes.to_vec()),
            ReplyRef::Verbatim(bytes) => RespValue::Verbatim(text(bytes)),
            ReplyRef::BigNumber(bytes) => RespValue::BigNumber(text(bytes)),
            ReplyRef::Array(items) => RespValue::Array(items.map(ReplyRef::to_value).collect()),
            ReplyRef::Set(items) => RespValue::Set(items.map(ReplyRef::to_value).collect()),
            ReplyRef::Push(items) => RespValue::Push(items.map(ReplyRef::to_value).collect()),
            ReplyRef::Map(mut items) => {
                let mut pairs = Vec::with_capacity(items.len() / 2);
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key.to_value(), value.to_value()));
                }
                RespValue::Map(pairs)
            }
        }
    }
}

/// Where `execute_into` writes a reply: its memory is used again by the next one.
#[derive(Debug, Default)]
pub struct ReplyBuffer {
    pub(crate) bytes: Vec<u8>,
}

impl ReplyBuffer {
    /// The reply that was written last; `Null` before the first.
    pub fn reply(&self) -> ReplyRef<'_> {
        ReplyRef::read(&self.bytes).map_or(ReplyRef::Null, |(reply, _)| reply)
    }

    /// The same as it goes over the wire, in RESP3.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A length: `Some(None)` is the -1 of what is not there.
#[inline]
fn length(line: &[u8]) -> Option<Option<usize>> {
    if line == b"-1" {
        return Some(None);
    }
    let mut len = 0_usize;
    for byte in line {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        len = len.checked_mul(10)?.checked_add(usize::from(digit))?;
    }
    (!line.is_empty()).then_some(Some(len))
}

/// A length of up to eight digits, and what is behind its line; `None` of any other.
#[inline]
fn short_length(rest: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0;
    for (index, byte) in rest.iter().take(9).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let rest = rest[index..].strip_prefix(b"\r\n")?;
            return (index > 0).then_some((len, rest));
        }
        len = 10 * len + usize::from(digit);
    }
    None
}

#[inline]
fn body(rest: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let (bytes, rest) = rest.split_at_checked(len)?;
    Some((bytes, rest.strip_prefix(b"\r\n")?))
}

/// What is behind the next `count` values; without recursion, however deep they are.
fn skip(mut bytes: &[u8], count: usize) -> Option<&[u8]> {
    let mut left = count;
    while left > 0 {
        left -= 1;
        let kind = *bytes.first()?;
        if matches!(kind, b'*' | b'~' | b'>' | b'%') {
            let end = memchr::memchr(b'\n', bytes)?;
            let len = length(bytes[1..end].strip_suffix(b"\r")?)?.unwrap_or(0);
            let items = if kind == b'%' {
                len.checked_mul(2)?
            } else {
                len
            };
            left = left.checked_add(items)?;
            bytes = &bytes[end + 1..];
        } else {
            bytes = ReplyRef::read(bytes)?.1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_and_only_whole() {
        let text = b"*12\r\n+OK\r\n-ERR no\r\n:-5\r\n$3\r\na\r\n\r\n$-1\r\n_\r\n,1.5\r\n#t\r\n=6\r\ntxt:hi\r\n(123\r\n\
                     %1\r\n+k\r\n~1\r\n:1\r\n>1\r\n*-1\r\nrest";
        let (reply, rest) = ReplyRef::read(text).unwrap();
        assert_eq!(rest, b"rest");
        let bulk = |bytes: &[u8]| RespValue::Bulk(bytes.to_vec());
        assert_eq!(
            reply.to_value(),
            RespValue::Array(vec![
                RespValue::Simple("OK".into()),
                RespValue::Error(ErrorReply::new("ERR no")),
                RespValue::Integer(-5),
                bulk(b"a\r\n"),
                RespValue::Null,
                RespValue::Null,
                RespValue::Double(1.5),
                RespValue::Boolean(true),
                RespValue::Verbatim("hi".into()),
                RespValue::BigNumber("123".into()),
                RespValue::Map(vec![(
                    RespValue::Simple("k".into()),
                    RespValue::Set(vec![RespValue::Integer(1)])
                )]),
                RespValue::Push(vec![RespValue::Null]),
            ])
        );
        for len in 0..text.len() - 4 {
            assert!(ReplyRef::read(&text[..len]).is_none(), "{len}");
        }
    }

    #[test]
    fn hostile_lengths_are_no_reply() {
        for text in [
            "$x\r\n",
            "*99999999999999999999\r\n",
            "%18446744073709551615\r\n",
            "?\r\n",
            "=2\r\nab\r\n",
            "$\r\n\r\n",
            "$999999999\r\n",
            "$1\n1\r\n",
        ] {
            assert!(ReplyRef::read(text.as_bytes()).is_none(), "{text}");
        }
        let deep = [b"*1\r\n".repeat(100_000), b":1\r\n".to_vec()].concat();
        assert!(ReplyRef::read(&deep).is_some());
    }
}
