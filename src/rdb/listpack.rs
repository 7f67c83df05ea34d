//! The listpack: Redis's sequence of strings and integers in one string, since 5 for streams, since 7 for all.
//!
//! ```text
//! | bytes, 4 | elements, 2 | element | element | ... | 0xff |      numbers little-endian
//!
//! element: | how it is kept, with its length or its first bits | content | size of both, readable backwards |
//! ```

use super::RdbError;
use crate::keyspace::Entry;

const HEADER_BYTES: usize = 6;
const END: u8 = 0xff;
/// So many elements, or more.
const COUNTLESS: u16 = u16::MAX;

const TOO_SHORT: RdbError = RdbError::Corrupt("a listpack is shorter than its header");
const WRONG_SIZE: RdbError = RdbError::Corrupt("a listpack has another size than it says");
const WRONG_COUNT: RdbError =
    RdbError::Corrupt("a listpack has another number of elements than it says");
const WRONG_BACK_LEN: RdbError =
    RdbError::Corrupt("an element of a listpack has another size than it says");
const UNKNOWN_FORM: RdbError = RdbError::Corrupt("an element of a listpack has an unknown form");
const NO_END: RdbError = RdbError::Corrupt("a listpack has no end");

/// The elements of a listpack. Every one is checked as it is read, and the end is; after an error comes nothing.
#[derive(Clone, Debug)]
pub struct Listpack<'a> {
    rest: &'a [u8],
    /// How many there should be, unless it is not known.
    announced: Option<u16>,
    seen: usize,
    is_over: bool,
}

impl<'a> Listpack<'a> {
    /// Looks at the header.
    pub fn new(bytes: &'a [u8]) -> Result<Self, RdbError> {
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES).ok_or(TOO_SHORT)?;
        let [a, b, c, d, e, f] = *header else {
            return Err(TOO_SHORT);
        };
        if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
            return Err(WRONG_SIZE);
        }
        let count = u16::from_le_bytes([e, f]);
        Ok(Listpack {
            rest,
            announced: (count != COUNTLESS).then_some(count),
            seen: 0,
            is_over: false,
        })
    }

    /// The next element; an error if there is none.
    pub fn expect(&mut self) -> Result<Entry<'a>, RdbError> {
        self.next().unwrap_or(Err(WRONG_COUNT))
    }

    /// The next element, which must be an integer.
    pub fn expect_int(&mut self) -> Result<i64, RdbError> {
        match self.expect()? {
            Entry::Int(int) => Ok(int),
            Entry::Bytes(bytes) => crate::number::parse_i64(bytes).ok_or(RdbError::Corrupt(
                "an element of a listpack should be an integer",
            )),
        }
    }

    fn read(&mut self) -> Result<Option<Entry<'a>>, RdbError> {
        let (&first, _) = self.rest.split_first().ok_or(NO_END)?;
        if first == END {
            let is_counted = self
                .announced
                .is_none_or(|announced| usize::from(announced) == self.seen);
            return match self.rest {
                [END] if is_counted => Ok(None),
                [END] => Err(WRONG_COUNT),
                _ => Err(WRONG_SIZE),
            };
        }
        let (entry, size) = read_element(self.rest, first)?;
        let (back_len, from) = back_len(size);
        let rest = self.rest[size..]
            .strip_prefix(&back_len[from..])
            .ok_or(WRONG_BACK_LEN)?;
        self.rest = rest;
        self.seen += 1;
        Ok(Some(entry))
    }
}

impl<'a> Iterator for Listpack<'a> {
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

/// The element at the beginning of `bytes`, and how many bytes it takes without its size behind it.
fn read_element(bytes: &[u8], first: u8) -> Result<(Entry<'_>, usize), RdbError> {
    let byte = |at: usize| bytes.get(at).map(|&byte| usize::from(byte)).ok_or(NO_END);
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
        0x00..=0x7f => Ok((Entry::Int(i64::from(first)), 1)),
        0x80..=0xbf => string(1, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let bits = usize::from(first & 0x1f) << 8 | byte(1)?;
            // 13 bits with a sign.
            let value = bits as i64 - if bits >= 1 << 12 { 1 << 13 } else { 0 };
            Ok((Entry::Int(value), 2))
        }
        0xe0..=0xef => string(2, usize::from(first & 0x0f) << 8 | byte(1)?),
        0xf0 => {
            let len = bytes.get(1..5).ok_or(NO_END)?;
            string(
                5,
                u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize,
            )
        }
        0xf1 => int(2),
        0xf2 => int(3),
        0xf3 => int(4),
        0xf4 => int(8),
        _ => Err(UNKNOWN_FORM),
    }
}

/// The size of an element, as it stands behind it: seven bits a byte, of which all but the first are marked. In the last
/// bytes of what is given, from the index on. The limits are Redis's own, which are not those of the bits.
fn back_len(size: usize) -> ([u8; 5], usize) {
    let count = match size {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    let mut bytes = [0; 5];
    for (place, byte) in bytes.iter_mut().rev().take(count).enumerate() {
        *byte = (size >> (7 * place)) as u8 & 0x7f | if place + 1 < count { 0x80 } else { 0 };
    }
    (bytes, 5 - count)
}

/// A listpack that is being written.
#[derive(Debug)]
pub struct ListpackWriter {
    bytes: Vec<u8>,
    len: usize,
}

impl ListpackWriter {
    /// An empty one.
    pub fn new() -> Self {
        ListpackWriter {
            bytes: vec![0; HEADER_BYTES],
            len: 0,
        }
    }

    /// Starts again, with the memory it has.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER_BYTES);
        self.len = 0;
    }

    /// Adds an element.
    pub fn push(&mut self, entry: Entry<'_>) {
        let from = self.bytes.len();
        match entry {
            Entry::Int(int) => self.put_int(int),
            Entry::Bytes(bytes) => {
                match bytes.len() {
                    len @ 0..=0x3f => self.bytes.push(0x80 | len as u8),
                    len @ 0x40..=0xfff => {
                        self.bytes.extend([0xe0 | (len >> 8) as u8, len as u8]);
                    }
                    len => {
                        self.bytes.push(0xf0);
                        self.bytes.extend((len as u32).to_le_bytes());
                    }
                }
                self.bytes.extend_from_slice(bytes);
            }
        }
        let (back_len, from) = back_len(self.bytes.len() - from);
        self.bytes.extend_from_slice(&back_len[from..]);
        self.len += 1;
    }

    /// Adds an integer.
    pub fn push_int(&mut self, int: i64) {
        self.push(Entry::Int(int));
    }

    /// The listpack, complete.
    pub fn finish(&mut self) -> &[u8] {
        self.bytes.push(END);
        let (size, count) = (
            self.bytes.len() as u32,
            u16::try_from(self.len).unwrap_or(COUNTLESS),
        );
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        self.bytes[4..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
        &self.bytes
    }

    fn put_int(&mut self, int: i64) {
        let wide = int.to_le_bytes();
        match int {
            0..=127 => self.bytes.push(int as u8),
            -4096..=4095 => {
                let bits = int as u16 & 0x1fff;
                self.bytes.extend([0xc0 | (bits >> 8) as u8, bits as u8]);
            }
            -0x8000..=0x7fff => {
                self.bytes.push(0xf1);
                self.bytes.extend_from_slice(&wide[..2]);
            }
            -0x80_0000..=0x7f_ffff => {
                self.bytes.push(0xf2);
                self.bytes.extend_from_slice(&wide[..3]);
            }
            -0x8000_0000..=0x7fff_ffff => {
                self.bytes.push(0xf3);
                self.bytes.extend_from_slice(&wide[..4]);
            }
            _ => {
                self.bytes.push(0xf4);
                self.bytes.extend_from_slice(&wide);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, RdbError> {
        Listpack::new(bytes)?.collect()
    }

    fn written(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut writer = ListpackWriter::new();
        entries.iter().for_each(|entry| writer.push(*entry));
        writer.finish().to_vec()
    }

    #[test]
    fn elements_of_every_form_come_back() {
        let strings: Vec<Vec<u8>> = [0, 1, 63, 64, 125, 126, 127, 4095, 4096, 16_378, 16_380]
            .iter()
            .chain(&[2_097_145, 2_097_147])
            .map(|&len| vec![b'x'; len])
            .collect();
        let mut entries: Vec<Entry<'_>> = strings.iter().map(|bytes| Entry::Bytes(bytes)).collect();
        for bits in [0, 6, 7, 11, 12, 13, 15, 16, 23, 24, 31, 32, 62] {
            let power = 1i64 << bits;
            for int in [power - 1, power, -power, -power - 1] {
                entries.push(Entry::Int(int));
            }
        }
        entries.extend([i64::MIN, i64::MAX].map(Entry::Int));
        assert_eq!(read(&written(&entries)), Ok(entries));
    }

    #[test]
    fn more_elements_than_the_header_can_say() {
        let entries = vec![Entry::Int(7); 70_000];
        assert_eq!(read(&written(&entries)).map(|read| read.len()), Ok(70_000));
    }

    /// RPUSH l 1 -1 hello 300 (in a node of a quicklist) on Redis 7.0.15.
    #[test]
    fn is_as_redis_writes_it() {
        let theirs = b"\x16\x00\x00\x00\x04\x00\x01\x01\xdf\xff\x02\x85hello\x06\xc1\x2c\x02\xff";
        let entries = [
            Entry::Int(1),
            Entry::Int(-1),
            Entry::Bytes(b"hello"),
            Entry::Int(300),
        ];
        assert_eq!(written(&entries), theirs);
    }

    #[test]
    fn what_is_damaged_is_refused_or_another_listpack() {
        let good = written(&[
            Entry::Int(1),
            Entry::Bytes(b"hello"),
            Entry::Bytes(&[b'y'; 200]),
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
