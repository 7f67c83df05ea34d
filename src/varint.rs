//! Numbers and byte strings as few bytes as they need: what journal and snapshots are written in.
//!
//! A number is written in groups of seven bits, lowest first; a signed one alternates with its negatives (0, -1, 1,
//! -2 ...). A byte string is its length and itself. This module must not know what is written.

/// Appends a number: 1 to 10 bytes.
#[inline]
pub fn push_u64(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a signed number; those near zero are short.
#[inline]
pub fn push_i64(out: &mut Vec<u8>, number: i64) {
    push_u64(out, (number << 1 ^ number >> 63) as u64);
}

/// Appends a byte string and its length.
#[inline]
pub fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What was to be read is not there, or makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bytes are not what they should be")
    }
}

impl std::error::Error for Malformed {}

/// Reads from the front of some bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether all has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let (&byte, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(byte)
    }

    /// The next number.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                return Err(Malformed);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    /// The next number, as a length or count.
    #[inline]
    pub fn usize(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.u64()?).map_err(|_| Malformed)
    }

    /// The next signed number.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        let number = self.u64()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The next byte string.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.usize()?;
        self.take(len)
    }

    /// The next float, as its eight bytes.
    pub fn f64(&mut self) -> Result<f64, Malformed> {
        let bytes = self.take(8)?.first_chunk().ok_or(Malformed)?;
        Ok(f64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut bytes = Vec::new();
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::MAX];
        let signed = [0, -1, 1, 63, -64, 64, i64::MIN, i64::MAX];
        for number in numbers {
            push_u64(&mut bytes, number);
        }
        for number in signed {
            push_i64(&mut bytes, number);
        }
        push_bytes(&mut bytes, b"text");
        let mut reader = Reader::new(&bytes);
        for number in numbers {
            assert_eq!(reader.u64(), Ok(number));
        }
        for number in signed {
            assert_eq!(reader.i64(), Ok(number));
        }
        assert_eq!(reader.bytes(), Ok(&b"text"[..]));
        assert!(reader.is_empty());
    }

    #[test]
    fn what_is_cut_or_too_long_is_malformed() {
        assert_eq!(Reader::new(b"\x80").u64(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff; 11]).u64(), Err(Malformed));
        assert_eq!(Reader::new(b"\x05abc").bytes(), Err(Malformed));
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(Reader::new(&max).u64(), Err(Malformed), "65 bits");
    }
}
