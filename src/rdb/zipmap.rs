//! The zipmap: how Redis before 2.6 kept small hashes. It is only read.
//!
//! ```text
//! | pairs, 1 | length | field | length | unused, 1 | value | (unused bytes) | ... | 0xff |
//! ```

use super::RdbError;

const END: u8 = 0xff;
/// The length has four bytes of its own.
const LONG: u8 = 0xfe;

const NO_END: RdbError = RdbError::Corrupt("a zipmap has no end");
const WRONG_SIZE: RdbError = RdbError::Corrupt("a zipmap goes on behind its end");
const WRONG_COUNT: RdbError =
    RdbError::Corrupt("a zipmap has another number of pairs than it says");

/// A field and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// Fields and values of a zipmap. Every one is checked as it is read, and the end is; after an error comes nothing.
#[derive(Clone, Debug)]
pub struct Zipmap<'a> {
    rest: &'a [u8],
    /// How many pairs there should be, unless it is not known.
    announced: Option<u8>,
    seen: usize,
    is_over: bool,
}

impl<'a> Zipmap<'a> {
    /// Looks at the header.
    pub fn new(bytes: &'a [u8]) -> Result<Self, RdbError> {
        let (&count, rest) = bytes.split_first().ok_or(NO_END)?;
        Ok(Zipmap {
            rest,
            announced: (count < LONG).then_some(count),
            seen: 0,
            is_over: false,
        })
    }

    fn read(&mut self) -> Result<Option<Pair<'a>>, RdbError> {
        if let [END, behind @ ..] = self.rest {
            let is_counted = self
                .announced
                .is_none_or(|announced| usize::from(announced) == self.seen);
            return match behind {
                [] if is_counted => Ok(None),
                [] => Err(WRONG_COUNT),
                _ => Err(WRONG_SIZE),
            };
        }
        let field_len = self.take_length()?;
        let field = self.take(field_len)?;
        let value_len = self.take_length()?;
        let unused = usize::from(self.take(1)?[0]);
        let value = self.take(value_len)?;
        self.take(unused)?;
        self.seen += 1;
        Ok(Some((field, value)))
    }

    fn take_length(&mut self) -> Result<usize, RdbError> {
        match self.take(1)? {
            [END] => Err(NO_END),
            [LONG] => {
                let (len, rest) = self.rest.split_first_chunk().ok_or(NO_END)?;
                self.rest = rest;
                Ok(u32::from_le_bytes(*len) as usize)
            }
            len => Ok(usize::from(len[0])),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], RdbError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(NO_END)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Zipmap<'a> {
    type Item = Result<Pair<'a>, RdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read();
        self.is_over = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Pair<'_>>, RdbError> {
        Zipmap::new(bytes)?.collect()
    }

    #[test]
    fn pairs_come_back() {
        // The example in Redis's own comment, with an unused byte.
        let pairs = read(b"\x02\x03foo\x03\x00bar\x05hello\x05\x01world!\xff");
        let expected: Vec<Pair<'_>> = vec![(b"foo", b"bar"), (b"hello", b"world")];
        assert_eq!(pairs, Ok(expected));
        let long = [&b"\xfe\xfe\x2c\x01\0\0"[..], &[7; 300], b"\x00\x00\xff"].concat();
        assert_eq!(read(&long), Ok(vec![(&[7; 300][..], &b""[..])]));
        assert_eq!(read(b"\x00\xff"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let good = b"\x02\x03foo\x03\x00bar\x05hello\x05\x01world!\xff";
        for end in 0..good.len() {
            assert!(read(&good[..end]).is_err(), "{end}");
        }
        assert_eq!(read(&[good, &b"x"[..]].concat()), Err(WRONG_SIZE));
        let mut other = good.to_vec();
        other[0] = 3;
        assert_eq!(read(&other), Err(WRONG_COUNT));
    }
}
