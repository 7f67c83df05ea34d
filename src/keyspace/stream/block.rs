//! A run of up to 100 entries in one piece of memory. It must not know its neighbours.
//!
//! ```text
//! bytes    count name name ... | flags ms seq value value ... | flags ms seq count name value ... |
//!          the first entry's     an entry with the same names   an entry with other ones
//! offsets                        ^                              ^
//! ```
//!
//! Numbers and lengths are of 7 bits a byte, low ones first; ids are relative to the first one's. A deleted entry is
//! flagged and stays until its block is freed. When a block is full decides what approximate trimming removes, and so
//! is Redis's own rule: it counts the bytes that Redis's encoding (a listpack) would take.

use super::id::StreamId;

/// `stream-node-max-entries`: the entries of a full block, deleted ones included.
pub const ENTRIES_MAX: usize = 100;
/// `stream-node-max-bytes`: the bytes at which a block is full, counted as Redis would.
const LISTPACK_BYTES_MAX: usize = 4096;

const DELETED: u8 = 1;
const SAME_NAMES: u8 = 2;

/// Entries with ids that go up; at least one is not deleted.
#[derive(Clone, Debug)]
pub struct Block {
    base: StreamId,
    last: StreamId,
    bytes: Vec<u8>,
    /// Where each entry begins, from `entries_at` on.
    offsets: Vec<u16>,
    entries_at: usize,
    listpack_bytes: usize,
    live: usize,
}

/// An entry as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What identifies it.
    pub id: StreamId,
    fields: Fields<'a>,
    deleted: bool,
}

impl<'a> Entry<'a> {
    /// Its names and values, in the order in which they were added.
    pub fn fields(&self) -> Fields<'a> {
        self.fields
    }

    /// Whether it is only a mark that there was one.
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }
}

/// The names and values of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// The block's names, if the entry has the same ones.
    names: Option<&'a [u8]>,
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = take_bytes(self.names.as_mut().unwrap_or(&mut self.rest));
        Some((name, take_bytes(&mut self.rest)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// How many fields a new entry has, and the bytes of all names and values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    pub fields: usize,
    pub bytes: usize,
}

impl Size {
    pub fn of<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Size {
        fields.fold(Size::default(), |size, (name, value)| Size {
            fields: size.fields + 1,
            bytes: size.bytes + name.len() + value.len(),
        })
    }
}

impl Block {
    /// A block of one entry, of `size`.
    pub fn new<'f, F>(id: StreamId, size: Size, fields: F) -> Block
    where
        F: Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
    {
        let mut bytes = Vec::with_capacity(size.bytes + 8 + 2 * size.fields);
        put_number(&mut bytes, size.fields as u64);
        // A header, an end, and the numbers of entries, of deleted ones, of fields, and a zero.
        let mut listpack_bytes = 7 + 2 + 2 + listpack::integer(size.fields as i64) + 2;
        for (name, _) in fields.clone() {
            put_bytes(&mut bytes, name);
            listpack_bytes += listpack::element(name);
        }
        let mut block = Block {
            base: id,
            last: id,
            entries_at: bytes.len(),
            bytes,
            offsets: Vec::new(),
            listpack_bytes,
            live: 0,
        };
        block.push(id, size, fields);
        block
    }

    /// The id of the first entry that it ever had.
    pub fn base(&self) -> StreamId {
        self.base
    }

    /// The id of its last entry, deleted or not.
    pub fn last(&self) -> StreamId {
        self.last
    }

    /// Its entries, deleted ones included.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Its entries that are not deleted.
    pub fn live(&self) -> usize {
        self.live
    }

    /// The bytes on the heap. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.offsets.capacity() * size_of::<u16>()
    }

    /// Whether an entry of `size` may be added.
    pub fn has_room(&self, size: Size) -> bool {
        self.len() < ENTRIES_MAX
            && self.listpack_bytes + size.bytes < LISTPACK_BYTES_MAX
            && self.can_grow()
    }

    /// Whether there may be another entry at all, be the block full or not.
    pub fn can_grow(&self) -> bool {
        u16::try_from(self.bytes.len() - self.entries_at).is_ok()
    }

    /// The block's entries, deleted ones included.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        (0..self.len()).map(|index| self.entry(index))
    }

    /// The names that the first entry has, and most others.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.entry(0).fields().map(|(name, _)| name)
    }

    /// Gives back the memory that was kept for further entries.
    pub fn close(&mut self) {
        self.bytes.shrink_to_fit();
        self.offsets.shrink_to_fit();
    }

    /// Adds an entry, for which there [is room](Block::has_room), with an id above the last one.
    pub fn push<'f, F>(&mut self, id: StreamId, size: Size, fields: F)
    where
        F: Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
    {
        let same = self.has_names(size, fields.clone());
        let ms = id.ms - self.base.ms;
        let seq = if ms == 0 {
            id.seq - self.base.seq
        } else {
            id.seq
        };
        self.offsets
            .push((self.bytes.len() - self.entries_at) as u16);
        self.bytes.push(if same { SAME_NAMES } else { 0 });
        put_number(&mut self.bytes, ms);
        put_number(&mut self.bytes, seq);
        // The flags, the two halves of the id, and how many elements the entry takes.
        let seq_apart = id.seq.wrapping_sub(self.base.seq) as i64;
        let mut listpack_bytes = 2 + listpack::integer(ms as i64) + listpack::integer(seq_apart);
        if same {
            listpack_bytes += listpack::integer(size.fields as i64 + 3);
        } else {
            put_number(&mut self.bytes, size.fields as u64);
            listpack_bytes += listpack::integer(size.fields as i64)
                + listpack::integer(size.fields as i64 * 2 + 4);
        }
        for (name, value) in fields {
            if !same {
                put_bytes(&mut self.bytes, name);
                listpack_bytes += listpack::element(name);
            }
            put_bytes(&mut self.bytes, value);
            listpack_bytes += listpack::element(value);
        }
        self.listpack_bytes += listpack_bytes;
        self.last = id;
        self.live += 1;
    }

    /// The entry at an index below [`len`](Block::len).
    #[inline]
    pub fn entry(&self, index: usize) -> Entry<'_> {
        let (flags, id, mut rest) = self.head(index);
        let names = (flags & SAME_NAMES != 0).then_some(&self.bytes[..self.entries_at]);
        let fields = match names {
            Some(mut names) => Fields {
                left: take_number(&mut names) as usize,
                names: Some(names),
                rest,
            },
            None => Fields {
                left: take_number(&mut rest) as usize,
                names: None,
                rest,
            },
        };
        Entry {
            id,
            fields,
            deleted: flags & DELETED != 0,
        }
    }

    /// The index of the first entry, deleted or not, whose id is not below `id`; [`len`](Block::len) if there is none.
    pub fn lower_bound(&self, id: StreamId) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.head(middle).1 < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The index of the entry with this id, if there is one that is not deleted.
    pub fn find(&self, id: StreamId) -> Option<usize> {
        let index = self.lower_bound(id);
        if index == self.len() {
            return None;
        }
        let (flags, found, _) = self.head(index);
        (found == id && flags & DELETED == 0).then_some(index)
    }

    /// Deletes the entry at an index below [`len`](Block::len); returns whether it was not deleted before.
    pub fn delete(&mut self, index: usize) -> bool {
        let at = self.entries_at + usize::from(self.offsets[index]);
        let live = self.bytes[at] & DELETED == 0;
        self.bytes[at] |= DELETED;
        self.live -= usize::from(live);
        live
    }

    /// The flags and the id of the entry at `index`, and what follows them.
    #[inline]
    fn head(&self, index: usize) -> (u8, StreamId, &[u8]) {
        let at = self.entries_at + usize::from(self.offsets[index]);
        let flags = self.bytes[at];
        let mut rest = &self.bytes[at + 1..];
        let ms = take_number(&mut rest);
        let seq = take_number(&mut rest);
        let id = if ms == 0 {
            StreamId::new(self.base.ms, self.base.seq + seq)
        } else {
            StreamId::new(self.base.ms + ms, seq)
        };
        (flags, id, rest)
    }

    fn has_names<'f>(
        &self,
        size: Size,
        mut fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) -> bool {
        let mut names = &self.bytes[..self.entries_at];
        take_number(&mut names) == size.fields as u64
            && fields.all(|(name, _)| take_bytes(&mut names) == name)
    }
}

fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_number(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

#[inline]
fn take_number(from: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let Some((byte, rest)) = from.split_first() {
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    number
}

#[inline]
fn take_bytes<'a>(from: &mut &'a [u8]) -> &'a [u8] {
    let len = take_number(from) as usize;
    let (taken, rest) = from.split_at(len);
    *from = rest;
    taken
}

/// What things would take in Redis's encoding, in bytes.
mod listpack {
    /// A number.
    pub fn integer(number: i64) -> usize {
        // The number with its type, and one byte for how long that is.
        1 + match number {
            0..=127 => 1,
            -4096..=4095 => 2,
            -0x8000..=0x7fff => 3,
            -0x80_0000..=0x7f_ffff => 4,
            -0x8000_0000..=0x7fff_ffff => 5,
            _ => 9,
        }
    }

    /// A string, which is kept as a number if it is the usual text of one.
    pub fn element(bytes: &[u8]) -> usize {
        if let Some(number) = parse_integer(bytes) {
            return integer(number);
        }
        let len = bytes.len();
        let encoded = len
            + match len {
                0..=63 => 1,
                64..=4095 => 2,
                _ => 5,
            };
        encoded
            + match encoded {
                0..=127 => 1,
                128..=16_382 => 2,
                16_383..=2_097_150 => 3,
                2_097_151..=268_435_454 => 4,
                _ => 5,
            }
    }

    /// The number that is written as `bytes`, without a plus or zeros at its front.
    pub fn parse_integer(bytes: &[u8]) -> Option<i64> {
        let (negative, digits) = match bytes {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        match digits {
            b"0" if !negative => return Some(0),
            [b'1'..=b'9', ..] if digits.len() <= 19 => {}
            _ => return None,
        }
        let mut magnitude = 0u64;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            // 19 digits fit.
            magnitude = magnitude * 10 + u64::from(digit);
        }
        if negative {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair<'a> = (&'a [u8], &'a [u8]);

    fn block(entries: &[(StreamId, &[Pair<'_>])]) -> Block {
        let mut block: Option<Block> = None;
        for (id, pairs) in entries {
            let fields = pairs.iter().copied();
            let size = Size::of(fields.clone());
            match &mut block {
                None => block = Some(Block::new(*id, size, fields)),
                Some(block) => block.push(*id, size, fields),
            }
        }
        block.unwrap()
    }

    #[test]
    fn entries_come_back() {
        let entries: &[(StreamId, &[Pair<'_>])] = &[
            (StreamId::new(5, 7), &[(b"a", b"1"), (b"b", b"")]),
            (StreamId::new(5, 9), &[(b"a", b"2"), (b"b", b"\0\xff")]),
            (StreamId::new(6, 0), &[(b"a", b"3")]),
            (
                StreamId::new(6, u64::MAX),
                &[(b"a", b"4"), (b"c", &[7; 300])],
            ),
            (StreamId::MAX, &[(b"a", b"5"), (b"b", b"6")]),
        ];
        let block = block(entries);
        assert_eq!(block.len(), entries.len());
        assert_eq!(
            (block.base(), block.last()),
            (StreamId::new(5, 7), StreamId::MAX)
        );
        for (index, (id, pairs)) in entries.iter().enumerate() {
            let entry = block.entry(index);
            assert_eq!(entry.id, *id);
            assert_eq!(entry.fields().len(), pairs.len());
            assert_eq!(entry.fields().collect::<Vec<_>>(), *pairs);
            assert_eq!(block.find(*id), Some(index));
            assert_eq!(block.lower_bound(*id), index);
        }
        assert_eq!(block.lower_bound(StreamId::MIN), 0);
        assert_eq!(block.lower_bound(StreamId::new(5, 8)), 1);
        assert_eq!(block.find(StreamId::new(5, 8)), None);
    }

    #[test]
    fn same_names_are_kept_once() {
        let name = [b'n'; 50];
        let one: &[Pair<'_>] = &[(&name, b"v")];
        let block = block(&[
            (StreamId::new(1, 0), one),
            (StreamId::new(1, 1), one),
            (StreamId::new(1, 2), one),
        ]);
        assert_eq!(block.bytes.len(), 1 + 51 + 3 * 5);
    }

    #[test]
    fn deleted_entries_are_not_found() {
        let one: &[Pair<'_>] = &[(b"a", b"v")];
        let mut block = block(&[(StreamId::new(1, 0), one), (StreamId::new(2, 0), one)]);
        assert!(block.delete(0));
        assert!(!block.delete(0));
        assert_eq!((block.live(), block.len()), (1, 2));
        assert_eq!(block.find(StreamId::new(1, 0)), None);
        assert!(block.entry(0).is_deleted());
    }

    #[test]
    fn numbers_are_told_from_text() {
        for number in [0, 7, -7, 128, i64::MAX, i64::MIN] {
            let text = number.to_string();
            assert_eq!(listpack::parse_integer(text.as_bytes()), Some(number));
        }
        for text in [
            "",
            "-",
            "-0",
            "+1",
            "01",
            "1a",
            " 1",
            "9223372036854775808",
            "-9223372036854775809",
        ] {
            assert_eq!(listpack::parse_integer(text.as_bytes()), None, "{text}");
        }
    }
}
