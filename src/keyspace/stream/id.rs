//! The ids of a stream's entries, and the ways in which a client writes one.
//!
//! This module must not know streams.

use std::fmt;

/// What identifies an entry: milliseconds, and a number within the millisecond. Ids are ordered by both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix time in milliseconds, by convention.
    pub ms: u64,
    /// The number within the millisecond.
    pub seq: u64,
}

/// The text is no stream id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invalid stream ID specified as stream command argument")
    }
}

impl std::error::Error for InvalidId {}

/// The text is no end of a range of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundError {
    /// It holds no id.
    Invalid(InvalidId),
    /// It begins the range after the last possible id.
    StartTooLarge,
    /// It ends the range before the first possible id.
    EndTooSmall,
}

impl fmt::Display for BoundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoundError::Invalid(error) => error.fmt(f),
            BoundError::StartTooLarge => f.write_str("invalid start ID for the interval"),
            BoundError::EndTooSmall => f.write_str("invalid end ID for the interval"),
        }
    }
}

impl std::error::Error for BoundError {}

/// The longest text that is read as an id, as in Redis.
const TEXT_LEN_MAX: usize = 127;

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last possible id.
    pub const MAX: StreamId = StreamId {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// The id `ms-seq`.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The id that follows, or `None` after the last possible one.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId::new(self.ms.checked_add(1)?, 0)),
        }
    }

    /// The id that comes before, or `None` before `0-0`.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId::new(self.ms.checked_sub(1)?, u64::MAX)),
        }
    }

    /// Reads `ms-seq`, or `ms` alone, which stands for `ms-missing_seq`. Neither `-` nor `+` is an id here.
    pub fn parse(text: &[u8], missing_seq: u64) -> Result<StreamId, InvalidId> {
        let (ms, seq) = split(text)?;
        Ok(StreamId {
            ms: parse_number(ms)?,
            seq: seq.map_or(Ok(missing_seq), parse_number)?,
        })
    }

    /// Reads an id that may also be `-` (the first possible one) or `+` (the last), as `XGROUP SETID` takes it.
    pub fn parse_or_extreme(text: &[u8], missing_seq: u64) -> Result<StreamId, InvalidId> {
        match text {
            b"-" => Ok(StreamId::MIN),
            b"+" => Ok(StreamId::MAX),
            _ => StreamId::parse(text, missing_seq),
        }
    }

    /// Reads the lower end of a range: an id (`ms` alone: from its first on), `-`, `+`, or `(` and an id, which is then
    /// itself outside. Returns the first id inside.
    pub fn parse_range_start(text: &[u8]) -> Result<StreamId, BoundError> {
        match text {
            [b'(', id @ ..] if !id.is_empty() => StreamId::parse(id, 0)
                .map_err(BoundError::Invalid)?
                .next()
                .ok_or(BoundError::StartTooLarge),
            _ => StreamId::parse_or_extreme(text, 0).map_err(BoundError::Invalid),
        }
    }

    /// Reads the upper end of a range: an id (`ms` alone: up to its last), `-`, `+`, or `(` and an id, which is then
    /// itself outside. Returns the last id inside.
    pub fn parse_range_end(text: &[u8]) -> Result<StreamId, BoundError> {
        match text {
            [b'(', id @ ..] if !id.is_empty() => StreamId::parse(id, u64::MAX)
                .map_err(BoundError::Invalid)?
                .previous()
                .ok_or(BoundError::EndTooSmall),
            _ => StreamId::parse_or_extreme(text, u64::MAX).map_err(BoundError::Invalid),
        }
    }

    /// The id as Redis writes it, without an allocation.
    pub fn text(self) -> IdText {
        let mut text = IdText {
            bytes: [0; IdText::LEN_MAX],
            start: IdText::LEN_MAX,
        };
        text.push_front_number(self.seq);
        text.push_front(b'-');
        text.push_front_number(self.ms);
        text
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// The text of an id.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; IdText::LEN_MAX],
    start: usize,
}

impl IdText {
    /// Two numbers of 20 digits and a dash.
    const LEN_MAX: usize = 41;

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn push_front(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    fn push_front_number(&mut self, mut number: u64) {
        loop {
            self.push_front(b'0' + (number % 10) as u8);
            number /= 10;
            if number == 0 {
                return;
            }
        }
    }
}

/// The id that `XADD` is to give to a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// `*`: the current time, or what follows the last id if that is not in the past.
    Auto,
    /// `ms-*`: the next number in this millisecond.
    AutoSeq(u64),
    /// This one.
    Exact(StreamId),
}

impl NewId {
    /// Reads `*`, `ms-*`, `ms-seq`, or `ms`, which stands for `ms-0`.
    pub fn parse(text: &[u8]) -> Result<NewId, InvalidId> {
        if text == b"*" {
            return Ok(NewId::Auto);
        }
        match split(text)? {
            (ms, Some(b"*")) => Ok(NewId::AutoSeq(parse_number(ms)?)),
            _ => StreamId::parse(text, 0).map(NewId::Exact),
        }
    }
}

/// What stands before the first dash, and what behind it if there is one.
fn split(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), InvalidId> {
    if text.len() > TEXT_LEN_MAX {
        return Err(InvalidId);
    }
    Ok(match text.iter().position(|byte| *byte == b'-') {
        Some(dash) => (&text[..dash], Some(&text[dash + 1..])),
        None => (text, None),
    })
}

/// Reads a number as C's `strtoull` does, because Redis falls back to it: blanks, a plus and zeros may lead. Unlike
/// there, a minus never makes a number.
fn parse_number(text: &[u8]) -> Result<u64, InvalidId> {
    let blanks = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
        .count();
    let digits = match &text[blanks..] {
        [b'+', digits @ ..] => digits,
        digits => digits,
    };
    if digits.is_empty() {
        return Err(InvalidId);
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(InvalidId);
        }
        number
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(digit)))
            .ok_or(InvalidId)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(ms: u64, seq: u64) -> StreamId {
        StreamId::new(ms, seq)
    }

    #[test]
    fn ids_are_read() {
        assert_eq!(StreamId::parse(b"5", 7), Ok(id(5, 7)));
        assert_eq!(StreamId::parse(b"5-3", 7), Ok(id(5, 3)));
        assert_eq!(StreamId::parse(b"007-01", 0), Ok(id(7, 1)));
        assert_eq!(StreamId::parse(b" 8- 5", 0), Ok(id(8, 5)));
        assert_eq!(StreamId::parse(b"+9-+5", 0), Ok(id(9, 5)));
        let largest = b"18446744073709551615-18446744073709551615";
        assert_eq!(StreamId::parse(largest, 0), Ok(StreamId::MAX));
        for invalid in [
            &b""[..],
            b"-",
            b"+",
            b"-5",
            b"5-",
            b"5--5",
            b"5-5-5",
            b"5-*",
            b"a",
            b"5-a",
            b"5 -1",
            b"18446744073709551616",
            b"\x005",
            &[b'0'; 128],
        ] {
            assert_eq!(StreamId::parse(invalid, 0), Err(InvalidId), "{invalid:?}");
        }
    }

    #[test]
    fn new_ids_are_read() {
        assert_eq!(NewId::parse(b"*"), Ok(NewId::Auto));
        assert_eq!(NewId::parse(b"12-*"), Ok(NewId::AutoSeq(12)));
        assert_eq!(NewId::parse(b"12"), Ok(NewId::Exact(id(12, 0))));
        assert_eq!(NewId::parse(b"-*"), Err(InvalidId));
        assert_eq!(NewId::parse(b"**"), Err(InvalidId));
        assert_eq!(NewId::parse(b"1-**"), Err(InvalidId));
    }

    #[test]
    fn ends_of_ranges_are_read() {
        type Ends = (Result<StreamId, BoundError>, Result<StreamId, BoundError>);
        fn ends(text: &[u8]) -> Ends {
            (
                StreamId::parse_range_start(text),
                StreamId::parse_range_end(text),
            )
        }
        let invalid = BoundError::Invalid(InvalidId);
        assert_eq!(ends(b"-"), (Ok(StreamId::MIN), Ok(StreamId::MIN)));
        assert_eq!(ends(b"+"), (Ok(StreamId::MAX), Ok(StreamId::MAX)));
        assert_eq!(ends(b"4"), (Ok(id(4, 0)), Ok(id(4, u64::MAX))));
        assert_eq!(ends(b"(4"), (Ok(id(4, 1)), Ok(id(4, u64::MAX - 1))));
        assert_eq!(ends(b"(4-0"), (Ok(id(4, 1)), Ok(id(3, u64::MAX))));
        assert_eq!(ends(b"("), (Err(invalid), Err(invalid)));
        assert_eq!(ends(b"(+"), (Err(invalid), Err(invalid)));
        assert_eq!(
            StreamId::parse_range_end(b"(0-0"),
            Err(BoundError::EndTooSmall)
        );
        let largest = b"(18446744073709551615-18446744073709551615";
        assert_eq!(
            StreamId::parse_range_start(largest),
            Err(BoundError::StartTooLarge)
        );
    }

    #[test]
    fn neighbours_carry_and_end() {
        assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
        assert_eq!(id(2, 0).previous(), Some(id(1, u64::MAX)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
    }

    #[test]
    fn ids_are_written() {
        for sample in [StreamId::MIN, StreamId::MAX, id(1_700_000_000_123, 10)] {
            assert_eq!(sample.text().as_bytes(), sample.to_string().as_bytes());
        }
    }
}
