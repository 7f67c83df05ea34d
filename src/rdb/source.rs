//! Where bytes come from, and how lengths, strings and numbers are read. Nothing here knows types of values.

use std::borrow::Cow;

use super::lzf;
use super::{RdbError, form};
use crate::number::{IntText, format_i64};

/// Gives the bytes of values, front to back.
pub trait Source {
    /// The next `len` bytes, or [`RdbError::Truncated`] where there are not that many: nothing is allocated for bytes
    /// that are only promised.
    fn take(&mut self, len: usize) -> Result<&[u8], RdbError>;

    /// The most bytes that one string may have.
    fn string_bytes_max(&self) -> u64;

    /// The next byte.
    #[inline]
    fn byte(&mut self) -> Result<u8, RdbError> {
        Ok(self.take(1)?[0])
    }

    /// The next `N` bytes.
    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        let bytes = self.take(N)?;
        Ok(std::array::from_fn(|at| bytes[at]))
    }

    /// A length, or how a string is written instead.
    #[inline]
    fn length_or_form(&mut self) -> Result<LengthOrForm, RdbError> {
        let first = self.byte()?;
        let len = match (first >> 6, first) {
            (form::LEN_6, _) => u64::from(first),
            (form::LEN_14, _) => u64::from(first & 0x3f) << 8 | u64::from(self.byte()?),
            (form::SPECIAL, _) => return Ok(LengthOrForm::Form(first & 0x3f)),
            (_, form::LEN_32) => u64::from(u32::from_be_bytes(self.array()?)),
            (_, form::LEN_64) => u64::from_be_bytes(self.array()?),
            _ => return Err(RdbError::Corrupt("a length has an unknown form")),
        };
        Ok(LengthOrForm::Length(len))
    }

    /// A length, or any other number without sign.
    #[inline]
    fn length(&mut self) -> Result<u64, RdbError> {
        match self.length_or_form()? {
            LengthOrForm::Length(len) => Ok(len),
            LengthOrForm::Form(_) => {
                Err(RdbError::Corrupt("a string stands where a length should"))
            }
        }
    }

    /// A string in any form.
    #[inline]
    fn string(&mut self) -> Result<Text<'_>, RdbError> {
        let int = match self.length_or_form()? {
            LengthOrForm::Length(len) => {
                let len = self.allowed(len)?;
                return Ok(Text::Bytes(Cow::Borrowed(self.take(len)?)));
            }
            LengthOrForm::Form(form::INT_8) => i64::from(self.byte()?.cast_signed()),
            LengthOrForm::Form(form::INT_16) => i64::from(i16::from_le_bytes(self.array()?)),
            LengthOrForm::Form(form::INT_32) => i64::from(i32::from_le_bytes(self.array()?)),
            LengthOrForm::Form(form::LZF) => {
                let compressed_len = self.length()?;
                let len = self.length()?;
                let (compressed_len, len) = (self.allowed(compressed_len)?, self.allowed(len)?);
                let bytes = lzf::decompress(self.take(compressed_len)?, len)?;
                return Ok(Text::Bytes(Cow::Owned(bytes)));
            }
            LengthOrForm::Form(_) => {
                return Err(RdbError::Corrupt("a string has an unknown form"));
            }
        };
        Ok(Text::Int(int))
    }

    /// A string that is a sequence in one of the compact forms.
    fn blob(&mut self) -> Result<Cow<'_, [u8]>, RdbError> {
        match self.string()? {
            Text::Bytes(bytes) => Ok(bytes),
            Text::Int(_) => Err(RdbError::Corrupt(
                "an integer stands where a sequence should",
            )),
        }
    }

    /// The length of a string, if a string may be that long.
    #[inline]
    fn allowed(&self, len: u64) -> Result<usize, RdbError> {
        let max = self.string_bytes_max();
        match usize::try_from(len) {
            Ok(allowed) if len <= max => Ok(allowed),
            _ => Err(RdbError::StringTooLong { len, max }),
        }
    }
}

/// How a string begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthOrForm {
    /// So many bytes follow.
    Length(u64),
    /// It is written in this special form.
    Form(u8),
}

/// A string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// Its bytes.
    Bytes(Cow<'a, [u8]>),
    /// The integer of which it is the decimal.
    Int(i64),
}

impl Text<'_> {
    /// Its bytes; `room` is where an integer is written out.
    #[inline]
    pub fn as_bytes<'r>(&'r self, room: &'r mut IntText) -> &'r [u8] {
        match self {
            Text::Bytes(bytes) => bytes,
            Text::Int(int) => format_i64(*int, room),
        }
    }

    /// A copy of its bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.as_bytes(&mut [0; 20]).to_vec()
    }
}

/// The bytes of one value.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    rest: &'a [u8],
    string_bytes_max: u64,
}

impl<'a> Slice<'a> {
    /// These bytes, whose strings may have `string_bytes_max` bytes each, compressed or not.
    pub fn new(bytes: &'a [u8], string_bytes_max: u64) -> Self {
        Slice {
            rest: bytes,
            string_bytes_max,
        }
    }

    /// What has not been taken.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Source for Slice<'_> {
    #[inline]
    fn take(&mut self, len: usize) -> Result<&[u8], RdbError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(RdbError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn string_bytes_max(&self) -> u64 {
        self.string_bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sink;
    use super::*;

    fn source(bytes: &[u8]) -> Slice<'_> {
        Slice::new(bytes, 1 << 20)
    }

    #[test]
    fn lengths_come_back_in_their_shortest_form() {
        for (len, bytes) in [
            (0, 1),
            (63, 1),
            (64, 2),
            (16_383, 2),
            (16_384, 5),
            (u64::from(u32::MAX), 5),
            (1 << 32, 9),
            (u64::MAX, 9),
        ] {
            let mut written = Vec::new();
            written.put_length(len);
            assert_eq!(written.len(), bytes);
            let mut read = source(&written);
            assert_eq!((read.length(), read.rest()), (Ok(len), &b""[..]));
            let mut short = source(&written[1..]);
            assert!(bytes == 1 || short.length() != Ok(len));
        }
    }

    #[test]
    fn strings_come_back() {
        let long = b"to be or not to be ".repeat(20);
        let noise: Vec<u8> = (0..100u32).map(|i| (i * i * 7 + i / 3) as u8).collect();
        let texts: [&[u8]; 12] = [
            b"",
            b"a",
            b"0",
            b"-1",
            b"127",
            b"-32768",
            b"2147483647",
            b"2147483648",
            b"-0",
            b"007",
            &long,
            &noise,
        ];
        for text in texts {
            let mut written = Vec::new();
            written.put_string(text);
            let mut read = source(&written);
            assert_eq!(read.string().map(|text| text.to_vec()), Ok(text.to_vec()));
            assert_eq!(read.rest(), b"");
            for end in 0..written.len() {
                assert_eq!(
                    source(&written[..end]).string(),
                    Err(RdbError::Truncated),
                    "{end} of {written:?}"
                );
            }
        }
        let mut written = Vec::new();
        written.put_string(&long);
        assert!(written.len() < 40);
    }

    #[test]
    fn strings_are_as_short_as_those_of_redis() {
        for (text, expected) in [
            ("10", &b"\xc0\x0a"[..]),
            ("-129", b"\xc1\x7f\xff"),
            ("70000", b"\xc2\x70\x11\x01\x00"),
            ("2147483648", b"\x0a2147483648"),
            ("abc", b"\x03abc"),
        ] {
            let mut written = Vec::new();
            written.put_string(text.as_bytes());
            assert_eq!(written, expected, "{text}");
        }
        let mut written = Vec::new();
        written.put_int(i64::MIN);
        assert_eq!(written, b"\x14-9223372036854775808");
    }

    #[test]
    fn strings_longer_than_allowed_are_refused() {
        let mut small = Slice::new(b"\x05hello", 4);
        assert_eq!(
            small.string(),
            Err(RdbError::StringTooLong { len: 5, max: 4 })
        );
        // A few bytes that promise a terabyte.
        let bomb = b"\xc3\x04\x81\0\0\x01\0\0\0\0\0\0a\xe0\xff\0";
        assert!(matches!(
            source(bomb).string(),
            Err(RdbError::StringTooLong { .. })
        ));
        assert_eq!(
            Slice::new(b"\x81\0\0\x01\0\0\0\0\0ab", u64::MAX).string(),
            Err(RdbError::Truncated)
        );
    }
}
