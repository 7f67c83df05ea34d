//! The ziplist: what the listpack was before Redis 7. It is only read.
//!
//! ```text
//! | bytes, 4 | where the last element is, 4 | elements, 2 | element | element | ... | 0xff |   numbers little-endian
//!
//! element: | size of the one before | how it is kept, with its length | content |
//! ```

use super::RdbError;
use crate::keyspace::Entry;

const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
/// So many elements, or more.
const COUNTLESS: u16 = u16::MAX;
/// The size of the element before has four bytes of its own.
const LONG_SIZE: u8 = 0xfe;

const TOO_SHORT: RdbError = RdbError::Corrupt("a ziplist is shorter than its header");
const WRONG_SIZE: RdbError = RdbError::Corrupt("a ziplist has another size than it says");
const WRONG_COUNT: RdbError =
    RdbError::Corrupt("a ziplist has another number of elements than it says");
const WRONG_LAST: RdbError = RdbError::Corrupt("a ziplist has its last element elsewhere");
const WRONG_BACK_LEN: RdbError =
    RdbError::Corrupt("an element of a ziplist has another size than the next one says");
const UNKNOWN_FORM: RdbError = RdbError::Corrupt("an element of a ziplist has an unknown form");
const NO_END: RdbError = RdbError::Corrupt("a ziplist has no end");

/// The elements of a ziplist. Every one is checked as it is read, and the end is; after an error comes nothing.
#[derive(Clone, Debug)]
pub struct Ziplist<'a> {
    bytes: &'a [u8],
    at: usize,
    last_at: usize,
    previous_bytes: usize,
    announced: Option<u16>,
    seen: usize,
    is_over: bool,
}

impl<'a> Ziplist<'a> {
    /// Looks at the header.
    pub fn new(bytes: &'a [u8]) -> Result<Self, RdbError> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(TOO_SHORT)?;
        let [a, b, c, d, e, f, g, h, i, j] = *header;
        if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
            return Err(WRONG_SIZE);
        }
        let count = u16::from_le_bytes([i, j]);
        Ok(Ziplist {
            bytes,
            at: HEADER_BYTES,
            last_at: u32::from_le_bytes([e, f, g, h]) as usize,
            previous_bytes: 0,
            announced: (count != COUNTLESS).then_some(count),
            seen: 0,
            is_over: false,
        })
    }

    fn read(&mut self) -> Result<Option<Entry<'a>>, RdbError> {
        let rest = self.bytes.get(self.at..).ok_or(NO_END)?;
        let (&first, behind) = rest.split_first().ok_or(NO_END)?;
        if first == END {
            let is_counted = self
                .announced
                .is_none_or(|announced| usize::from(announced) == self.seen);
            return match behind {
                [] if !is_counted => Err(WRONG_COUNT),
                [] if self.last_at != self.at - self.previous_bytes => Err(WRONG_LAST),
                [] => Ok(None),
                _ => Err(WRONG_SIZE),
            };
        }
        let (previous_bytes, element) = if first == LONG_SIZE {
            let (size, element) = behind.split_first_chunk().ok_or(NO_END)?;
            (u32::from_le_bytes(*size) as usize, element)
        } else {
            (usize::from(first), behind)
        };
        if previous_bytes != self.previous_bytes {
            return Err(WRONG_BACK_LEN);
        }
        let (entry, element_bytes) = read_element(element)?;
        self.previous_bytes = rest.len() - element.len() + element_bytes;
        self.at += self.previous_bytes;
        self.seen += 1;
        Ok(Some(entry))
    }
}

impl<'a> Iterator for Ziplist<'a> {
    type Item = Result<Entry<'a>, RdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read();
        self.is_over = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}

/// The element at the beginning of `bytes`, and how many bytes it takes.
fn read_element(bytes: &[u8]) -> Result<(Entry<'_>, usize), RdbError> {
    let first = *bytes.first().ok_or(NO_END)?;
    let string = |from: usize, len: usize| {
        let end = from.checked_add(len).ok_or(NO_END)?;
        let content = bytes.get(from..end).ok_or(NO_END)?;
        Ok((Entry::Bytes(content), end))
    };
    let int = |len: usize| {
        let content = bytes.get(1..1 + len).ok_or(NO_END)?;
        let mut wide = [0; 8];
        wide[8 - len..].copy_from_slice(content);
        // In the highest bytes: the shift brings the sign along.
        Ok((
            Entry::Int(i64::from_le_bytes(wide) >> (64 - 8 * len)),
            1 + len,
        ))
    };
    match first {
        0x00..=0x3f => string(1, usize::from(first)),
        0x40..=0x7f => {
            let second = *bytes.get(1).ok_or(NO_END)?;
            string(2, usize::from(first & 0x3f) << 8 | usize::from(second))
        }
        0x80 => {
            let len = bytes[1..].first_chunk().ok_or(NO_END)?;
            string(5, u32::from_be_bytes(*len) as usize)
        }
        0xc0 => int(2),
        0xd0 => int(4),
        0xe0 => int(8),
        0xf0 => int(3),
        0xfe => int(1),
        0xf1..=0xfd => Ok((Entry::Int(i64::from(first & 0x0f) - 1), 1)),
        _ => Err(UNKNOWN_FORM),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A ziplist of these elements, written in the most obvious way.
    pub fn ziplist(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        let (mut last_at, mut previous) = (HEADER_BYTES, 0);
        for entry in entries {
            last_at = bytes.len();
            if previous < 254 {
                bytes.push(previous as u8);
            } else {
                bytes.push(LONG_SIZE);
                bytes.extend((previous as u32).to_le_bytes());
            }
            match entry {
                Entry::Int(int @ 0..=12) => bytes.push(0xf1 + *int as u8),
                Entry::Int(int) => {
                    let wide = int.to_le_bytes();
                    let (form, len) = match int {
                        -0x80..=0x7f => (0xfe, 1),
                        -0x8000..=0x7fff => (0xc0, 2),
                        -0x80_0000..=0x7f_ffff => (0xf0, 3),
                        -0x8000_0000..=0x7fff_ffff => (0xd0, 4),
                        _ => (0xe0, 8),
                    };
                    bytes.push(form);
                    bytes.extend(&wide[..len]);
                }
                Entry::Bytes(content) => {
                    match content.len() {
                        len @ 0..=0x3f => bytes.push(len as u8),
                        len @ 0x40..=0x3fff => bytes.extend([0x40 | (len >> 8) as u8, len as u8]),
                        len => {
                            bytes.push(0x80);
                            bytes.extend((len as u32).to_be_bytes());
                        }
                    }
                    bytes.extend_from_slice(content);
                }
            }
            previous = bytes.len() - last_at;
        }
        bytes.push(END);
        let size = bytes.len() as u32;
        bytes[..4].copy_from_slice(&size.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last_at as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, RdbError> {
        Ziplist::new(bytes)?.collect()
    }

    #[test]
    fn elements_of_every_form_come_back() {
        let strings: Vec<Vec<u8>> = [0, 1, 63, 64, 250, 252, 253, 254, 16_383, 16_384]
            .iter()
            .map(|&len| vec![b'x'; len])
            .collect();
        let mut entries: Vec<Entry<'_>> = strings.iter().map(|bytes| Entry::Bytes(bytes)).collect();
        entries.extend((-3..16).map(Entry::Int));
        for bits in [7, 8, 15, 16, 23, 24, 31, 32, 62] {
            let power = 1i64 << bits;
            for int in [power - 1, power, -power, -power - 1] {
                entries.push(Entry::Int(int));
            }
        }
        assert_eq!(read(&ziplist(&entries)), Ok(entries));
        assert_eq!(read(&ziplist(&[])), Ok(Vec::new()));
    }

    /// The example in the documentation of Redis 6: the strings "2" and "5".
    #[test]
    fn is_read_as_redis_writes_it() {
        let theirs = b"\x0f\0\0\0\x0c\0\0\0\x02\0\x00\xf3\x02\xf6\xff";
        assert_eq!(read(theirs), Ok(vec![Entry::Int(2), Entry::Int(5)]));
    }

    #[test]
    fn what_is_damaged_is_refused_or_another_ziplist() {
        let good = ziplist(&[
            Entry::Int(1),
            Entry::Bytes(b"hello"),
            Entry::Bytes(&[b'y'; 300]),
            Entry::Int(-70_000),
        ]);
        for end in 0..good.len() {
            assert!(read(&good[..end]).is_err());
        }
        let mut refused = 0;
        for at in 0..good.len() {
            for byte in 0..=255 {
                let mut bad = good.clone();
                bad[at] = byte;
                refused += usize::from(read(&bad).is_err());
            }
        }
        assert!(refused > 1000, "{refused}");
    }
}
