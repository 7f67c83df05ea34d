//! A sequence of short entries in one contiguous blob: the form every collection starts in, and the
//! node of a list. It knows nothing of pairs, order or uniqueness; that is its owners' business.
//!
//! ```text
//! | gap | entry | entry | ... |        an entry:  | tag | payload | size |
//! ```
//!
//! * The tag says what follows: `00..7F` that many bytes; `80..EF` the integer 0..111; then
//!   integers of 1, 2, 4 or 8 bytes, and bytes with a length of 2 or 8 bytes.
//! * The size is that of tag and payload, seven bits a byte, readable from its end backwards: so
//!   the sequence is walked in both directions. An entry of up to 126 bytes costs two bytes more
//!   than its content.
//! * The gap makes taking from the front and adding to it cheap: a list used as a queue does not
//!   move its remaining content on every pop.
//!
//! A position (`at`) is the offset of an entry behind the gap. It is good until the next change
//! before it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::number::{INT_TEXT, IntText, format_i64, parse_i64, text_len};

/// One element as it is stored. `Int` stands for the bytes it prints as; what comes through
/// [`parse`](Self::parse) has only one spelling.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The decimal text of this integer.
    Int(i64),
    /// These bytes.
    Bytes(&'a [u8]),
}

impl<'a> Entry<'a> {
    /// The entry for `bytes`: an integer where they are exactly what one prints.
    pub fn parse(bytes: &'a [u8]) -> Entry<'a> {
        match parse_i64(bytes) {
            Some(value) => Entry::Int(value),
            None => Entry::Bytes(bytes),
        }
    }

    /// The bytes it stands for; `room` holds them where they have to be printed.
    pub fn text<'r>(self, room: &'r mut IntText) -> &'r [u8]
    where
        'a: 'r,
    {
        match self {
            Entry::Int(value) => format_i64(value, room),
            Entry::Bytes(bytes) => bytes,
        }
    }

    /// The number of bytes it stands for.
    pub fn len(self) -> usize {
        match self {
            Entry::Int(value) => text_len(value),
            Entry::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether it stands for no bytes at all.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether it stands for `bytes`.
    pub fn is(self, bytes: &[u8]) -> bool {
        self.text(&mut INT_TEXT.clone()) == bytes
    }

    /// The bytes it stands for, owned only where they had to be printed.
    pub fn to_cow(self) -> Cow<'a, [u8]> {
        match self {
            Entry::Int(_) => Cow::Owned(self.to_vec()),
            Entry::Bytes(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// The bytes it stands for, owned.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut INT_TEXT.clone()).to_vec()
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Int(value) => write!(f, "{value}"),
            Entry::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// The sequence. Walking is O(1) a step, seeking and changing O(bytes).
#[derive(Clone, Default)]
pub struct Compact {
    buffer: Vec<u8>,
    gap: u32,
    len: u32,
}

/// The gap never outgrows this.
const GAP_BYTES_MAX: usize = 16 << 10;

impl Compact {
    /// An empty sequence; allocates nothing.
    pub fn new() -> Compact {
        Compact::default()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of all entries, encoded. Also the position behind the last one.
    pub fn encoded_bytes(&self) -> usize {
        self.buffer.len() - self.gap as usize
    }

    /// The bytes on the heap, unused capacity included.
    pub fn heap_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// The entry at a position.
    ///
    /// # Panics
    /// If `at` is the end.
    pub fn read(&self, at: usize) -> Entry<'_> {
        decode(&self.content()[at..]).0
    }

    /// The position behind the entry at `at`: that of the next one, or the end.
    pub fn next(&self, at: usize) -> usize {
        at + entry_bytes(decode(&self.content()[at..]).1)
    }

    /// The position of the entry before `at`.
    ///
    /// # Panics
    /// If `at` is 0.
    pub fn previous(&self, at: usize) -> usize {
        at - last_entry_bytes(&self.content()[..at])
    }

    /// The position of the entry with this index, or the end where there are not that many. Walks
    /// from the nearer side.
    pub fn seek(&self, index: usize) -> usize {
        if index <= self.len() / 2 {
            (0..index).fold(0, |at, _| self.next(at))
        } else {
            let back = self.len().saturating_sub(index);
            (0..back).fold(self.encoded_bytes(), |at, _| self.previous(at))
        }
    }

    /// All entries, from either side.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            rest: self.content(),
            len: self.len(),
        }
    }

    /// The entries with these indexes (as far as there are), from either side.
    pub fn range(&self, indexes: Range<usize>) -> Iter<'_> {
        let indexes = indexes.start.min(self.len())..indexes.end.min(self.len());
        let (start, end) = (self.seek(indexes.start), self.seek(indexes.end));
        Iter {
            rest: self.content().get(start..end).unwrap_or(&[]),
            len: indexes.len(),
        }
    }

    /// The first position of an entry equal to `wanted`, looking at every `stride`-th from the
    /// first. Where entries were made by [`Entry::parse`], `wanted` must be as well.
    pub fn find(&self, wanted: Entry<'_>, stride: usize) -> Option<usize> {
        let content = self.content();
        let mut at = 0;
        while at < content.len() {
            let (entry, front) = decode(&content[at..]);
            if entry == wanted {
                return Some(at);
            }
            at += entry_bytes(front);
            for _ in 1..stride {
                at = self.next(at);
            }
        }
        None
    }

    /// Adds an entry at the end.
    pub fn push_back(&mut self, entry: Entry<'_>) {
        self.insert(self.encoded_bytes(), entry);
    }

    /// Adds an entry at the start.
    pub fn push_front(&mut self, entry: Entry<'_>) {
        self.insert(0, entry);
    }

    /// Adds an entry before the one at `at` (or behind all, where `at` is the end).
    pub fn insert(&mut self, at: usize, entry: Entry<'_>) {
        let encoded = Encoded::new(entry);
        encoded.write(self.open(at, encoded.total_bytes()));
        self.len += 1;
    }

    /// Removes `count` entries from `at` on, or as many as there are.
    pub fn remove(&mut self, at: usize, count: usize) {
        let (mut end, mut removed) = (at, 0);
        while removed < count && end < self.encoded_bytes() {
            end = self.next(end);
            removed += 1;
        }
        self.close(at, end);
        self.len -= removed as u32;
        self.settle();
    }

    /// Puts `entry` in the place of the one at `at`.
    pub fn replace(&mut self, at: usize, entry: Entry<'_>) {
        let encoded = Encoded::new(entry);
        let (old, new) = (self.next(at) - at, encoded.total_bytes());
        if new > old {
            self.open(at, new - old);
        } else {
            self.close(at, at + (old - new));
        }
        let from = self.gap as usize + at;
        encoded.write(&mut self.buffer[from..from + new]);
        self.settle();
    }

    /// Keeps the entries of which `keep` says so, which sees each once and in order.
    pub fn retain(&mut self, mut keep: impl FnMut(Entry<'_>) -> bool) {
        let (mut from, mut to) = (self.gap as usize, self.gap as usize);
        while from < self.buffer.len() {
            let (entry, front) = decode(&self.buffer[from..]);
            let total = entry_bytes(front);
            if keep(entry) {
                self.buffer.copy_within(from..from + total, to);
                to += total;
            } else {
                self.len -= 1;
            }
            from += total;
        }
        self.buffer.truncate(to);
        self.settle();
    }

    /// Cuts off and returns what is from `at` on.
    pub fn split_off(&mut self, at: usize) -> Compact {
        let mut tail = Compact {
            buffer: self.content()[at..].to_vec(),
            gap: 0,
            len: 0,
        };
        let mut from = 0;
        while from < tail.encoded_bytes() {
            from = tail.next(from);
            tail.len += 1;
        }
        self.buffer.truncate(self.gap as usize + at);
        self.len -= tail.len;
        self.settle();
        tail
    }

    /// Adds all entries of `other` at the end.
    pub fn append(&mut self, other: &Compact) {
        self.make_room(other.encoded_bytes());
        self.buffer.extend_from_slice(other.content());
        self.len += other.len;
    }

    /// Removes all entries and frees the memory.
    pub fn clear(&mut self) {
        *self = Compact::new();
    }

    fn content(&self) -> &[u8] {
        &self.buffer[self.gap as usize..]
    }

    /// Makes a hole of `size` bytes at `at` and returns it.
    fn open(&mut self, at: usize, size: usize) -> &mut [u8] {
        if at == 0 && !self.is_empty() && size <= GAP_BYTES_MAX / 2 {
            if (self.gap as usize) < size {
                self.widen_gap(size);
            }
            self.gap -= size as u32;
        } else {
            self.make_room(size);
            let (from, end) = (self.gap as usize + at, self.buffer.len());
            self.buffer.resize(end + size, 0);
            self.buffer.copy_within(from..end, from + size);
        }
        let from = self.gap as usize + at;
        &mut self.buffer[from..from + size]
    }

    /// Takes the bytes from `at` to `end` out.
    fn close(&mut self, at: usize, end: usize) {
        let gap = self.gap as usize;
        if at == 0 && gap + end <= GAP_BYTES_MAX {
            self.gap += end as u32;
        } else {
            self.buffer.drain(gap + at..gap + end);
        }
    }

    /// Makes the gap `size` bytes and more: so much that the next pushes to the front find theirs.
    fn widen_gap(&mut self, size: usize) {
        let (gap, end) = (self.gap as usize, self.buffer.len());
        let more = size - gap + (self.encoded_bytes() / 4).min(1024);
        self.buffer.reserve_exact(more);
        self.buffer.resize(end + more, 0);
        self.buffer.copy_within(gap..end, gap + more);
        self.gap += more as u32;
    }

    /// Makes sure of capacity for `size` more bytes at the end. An eighth to spare, not double:
    /// there are many small collections, and their slack is most of what they would waste.
    fn make_room(&mut self, size: usize) {
        let spare = |buffer: &Vec<u8>| buffer.capacity() - buffer.len();
        if spare(&self.buffer) < size && self.gap as usize >= size {
            self.reclaim_gap();
        }
        if spare(&self.buffer) < size {
            let slack = self.buffer.len() / 8;
            self.buffer.reserve_exact(size + slack);
        }
    }

    fn reclaim_gap(&mut self) {
        self.buffer.drain(..self.gap as usize);
        self.gap = 0;
    }

    /// After a removal: no gap wider than the content, no capacity of more than twice the content.
    fn settle(&mut self) {
        if self.is_empty() {
            self.clear();
            return;
        }
        if self.gap as usize > self.encoded_bytes() {
            self.reclaim_gap();
        }
        let used = self.buffer.len();
        if self.buffer.capacity() > 64 && self.buffer.capacity() / 2 > used {
            self.buffer.shrink_to(used + used / 8);
        }
    }
}

impl fmt::Debug for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The entries of a [`Compact`], from either side.
#[derive(Clone, Default)]
pub struct Iter<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (entry, front) = decode(self.rest);
        self.rest = &self.rest[entry_bytes(front)..];
        self.len -= 1;
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    fn next_back(&mut self) -> Option<Entry<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, last) = self
            .rest
            .split_at(self.rest.len() - last_entry_bytes(self.rest));
        self.rest = rest;
        self.len -= 1;
        Some(decode(last).0)
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The bytes `entry` takes in a [`Compact`].
pub fn encoded_bytes(entry: Entry<'_>) -> usize {
    Encoded::new(entry).total_bytes()
}

const SMALL_INT: u8 = 0x80;
const SMALL_INT_MAX: i64 = 111;
const INT_8: u8 = 0xF0;
const INT_16: u8 = 0xF1;
const INT_32: u8 = 0xF2;
const INT_64: u8 = 0xF3;
const BYTES_16: u8 = 0xF4;
const BYTES_64: u8 = 0xF5;

/// An entry on its way into the blob: what stands before the bytes, and the bytes.
struct Encoded<'a> {
    head: [u8; 9],
    head_bytes: usize,
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    fn new(entry: Entry<'a>) -> Encoded<'a> {
        match entry {
            Entry::Int(value) => Encoded::int(value),
            Entry::Bytes(body) => match body.len() {
                len @ ..SMALL_LEN => Encoded::with_head(len as u8, &[], body),
                len => match u16::try_from(len) {
                    Ok(len) => Encoded::with_head(BYTES_16, &len.to_le_bytes(), body),
                    Err(_) => Encoded::with_head(BYTES_64, &(len as u64).to_le_bytes(), body),
                },
            },
        }
    }

    fn int(value: i64) -> Encoded<'a> {
        if let 0..=SMALL_INT_MAX = value {
            Encoded::with_head(SMALL_INT + value as u8, &[], &[])
        } else if let Ok(value) = i8::try_from(value) {
            Encoded::with_head(INT_8, &value.to_le_bytes(), &[])
        } else if let Ok(value) = i16::try_from(value) {
            Encoded::with_head(INT_16, &value.to_le_bytes(), &[])
        } else if let Ok(value) = i32::try_from(value) {
            Encoded::with_head(INT_32, &value.to_le_bytes(), &[])
        } else {
            Encoded::with_head(INT_64, &value.to_le_bytes(), &[])
        }
    }

    fn with_head(tag: u8, number: &[u8], body: &'a [u8]) -> Encoded<'a> {
        let mut head = [tag; 9];
        head[1..=number.len()].copy_from_slice(number);
        Encoded {
            head,
            head_bytes: 1 + number.len(),
            body,
        }
    }

    fn total_bytes(&self) -> usize {
        entry_bytes(self.head_bytes + self.body.len())
    }

    /// Fills `room`, which is as long as the whole entry.
    fn write(&self, room: &mut [u8]) {
        let front = self.head_bytes + self.body.len();
        room[..self.head_bytes].copy_from_slice(&self.head[..self.head_bytes]);
        room[self.head_bytes..front].copy_from_slice(self.body);
        let mut rest = front;
        for byte in room[front..].iter_mut().rev() {
            *byte = (rest & 0x7F) as u8;
            rest >>= 7;
            if rest > 0 {
                *byte |= 0x80; // read backwards: more to come
            }
        }
    }
}

const SMALL_LEN: usize = SMALL_INT as usize;

/// The first entry of `bytes`, and the bytes of its tag and payload.
#[inline]
fn decode(bytes: &[u8]) -> (Entry<'_>, usize) {
    // Nearly all are like this.
    if let len @ ..SMALL_INT = bytes[0] {
        let front = 1 + usize::from(len);
        return (Entry::Bytes(&bytes[1..front]), front);
    }
    decode_other(bytes)
}

/// [`decode`] for all but the short bytes.
fn decode_other(bytes: &[u8]) -> (Entry<'_>, usize) {
    fn number<const N: usize>(bytes: &[u8]) -> [u8; N] {
        std::array::from_fn(|i| bytes[1 + i])
    }
    match bytes[0] {
        INT_8 => (Entry::Int(i8::from_le_bytes(number(bytes)).into()), 2),
        INT_16 => (Entry::Int(i16::from_le_bytes(number(bytes)).into()), 3),
        INT_32 => (Entry::Int(i32::from_le_bytes(number(bytes)).into()), 5),
        INT_64 => (Entry::Int(i64::from_le_bytes(number(bytes))), 9),
        BYTES_16 => {
            let front = 3 + usize::from(u16::from_le_bytes(number(bytes)));
            (Entry::Bytes(&bytes[3..front]), front)
        }
        BYTES_64 => {
            let front = 9 + u64::from_le_bytes(number(bytes)) as usize;
            (Entry::Bytes(&bytes[9..front]), front)
        }
        tag => (Entry::Int(i64::from(tag) - i64::from(SMALL_INT)), 1),
    }
}

/// The bytes of an entry whose tag and payload have `front` bytes: with the size behind them.
#[inline]
fn entry_bytes(front: usize) -> usize {
    match front {
        ..0x80 => front + 1,
        0x80..0x4000 => front + 2,
        _ => front + (front.ilog2() / 7 + 1) as usize,
    }
}

/// The bytes of the last entry of `bytes`, as the size at its end tells.
fn last_entry_bytes(bytes: &[u8]) -> usize {
    let mut front = 0;
    for (group, &byte) in bytes.iter().rev().enumerate() {
        front |= usize::from(byte & 0x7F) << (7 * group);
        if byte & 0x80 == 0 {
            break;
        }
    }
    entry_bytes(front)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::rng::Rng;

    #[test]
    fn every_kind_of_entry_reads_back_both_ways() {
        let texts = [
            0, 1, 63, 126, 127, 128, 129, 16_380, 16_384, 65_535, 65_536, 70_000,
        ]
        .map(|n| vec![b'x'; n]);
        let ints = [
            0,
            111,
            112,
            -1,
            127,
            -128,
            128,
            32_767,
            -32_769,
            1 << 31,
            i64::MAX,
            i64::MIN,
        ];
        let mut entries: Vec<Entry> = texts.iter().map(|text| Entry::Bytes(text)).collect();
        entries.extend(ints.map(Entry::Int));
        let mut compact = Compact::new();
        for &entry in &entries {
            let before = compact.encoded_bytes();
            compact.push_back(entry);
            assert_eq!(compact.encoded_bytes() - before, encoded_bytes(entry));
        }
        assert!(compact.iter().eq(entries.iter().copied()));
        assert!(compact.iter().rev().eq(entries.iter().rev().copied()));
        for (index, &entry) in entries.iter().enumerate() {
            assert_eq!(compact.read(compact.seek(index)), entry);
            assert_eq!(compact.find(entry, 1), Some(compact.seek(index)));
        }
        assert_eq!(compact.seek(entries.len()), compact.encoded_bytes());
        for (start, end) in [(0, 0), (3, 9), (9, 24), (20, 99), (50, 60), (9, 3)] {
            let range = compact.range(start..end);
            let model = entries.get(start..end.min(entries.len())).unwrap_or(&[]);
            assert_eq!(range.len(), model.len());
            assert!(range.clone().eq(model.iter().copied()));
            assert!(range.rev().eq(model.iter().rev().copied()));
        }
    }

    #[test]
    fn integers_have_one_spelling() {
        assert_eq!(Entry::parse(b"12"), Entry::Int(12));
        assert_eq!(Entry::parse(b"012"), Entry::Bytes(b"012"));
        assert_eq!(Entry::parse(b"-0"), Entry::Bytes(b"-0"));
        assert!(Entry::Int(-7).is(b"-7") && !Entry::Int(-7).is(b"7"));
        assert_eq!(Entry::Int(-70).len(), 3);
        assert_eq!(Entry::Int(5).to_cow(), Cow::<[u8]>::Owned(b"5".to_vec()));
        assert!(Entry::Bytes(b"").is_empty());
    }

    #[test]
    fn short_entries_cost_two_bytes_over_their_content() {
        assert_eq!(encoded_bytes(Entry::Bytes(b"member")), 8);
        assert_eq!(encoded_bytes(Entry::Int(7)), 2);
        assert_eq!(encoded_bytes(Entry::Int(-1000)), 4);
    }

    #[test]
    fn find_looks_at_every_nth() {
        let mut compact = Compact::new();
        for text in ["a", "b", "b", "a"] {
            compact.push_back(Entry::Bytes(text.as_bytes()));
        }
        assert_eq!(compact.find(Entry::Bytes(b"b"), 2), Some(compact.seek(2)));
        assert_eq!(compact.find(Entry::Bytes(b"c"), 1), None);
    }

    #[test]
    fn behaves_as_a_vec() {
        let mut rng = Rng::seeded(8);
        let mut compact = Compact::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for round in 0..12_000 {
            let bytes = random_bytes(&mut rng);
            let entry = Entry::parse(&bytes);
            let index = rng.index(model.len() + 1);
            let at = compact.seek(index);
            match rng.below(if round % 1000 < 400 { 9 } else { 16 }) {
                0..3 => {
                    compact.push_back(entry);
                    model.push(bytes);
                }
                3..5 => {
                    compact.push_front(entry);
                    model.insert(0, bytes);
                }
                5..7 => {
                    compact.insert(at, entry);
                    model.insert(index, bytes);
                }
                7 if index < model.len() => {
                    compact.replace(at, entry);
                    model[index] = bytes;
                }
                8 if rng.below(20) == 0 => {
                    let tail = compact.split_off(at);
                    assert!(same(&tail, &model[index..]));
                    compact.append(&tail);
                }
                9 if rng.below(20) == 0 => {
                    compact.retain(|entry| entry.len() % 3 != 0);
                    model.retain(|bytes| bytes.len() % 3 != 0);
                }
                10..14 => {
                    let count = rng.index(3).min(model.len());
                    compact.remove(0, count);
                    model.drain(..count);
                }
                _ => {
                    let count = rng.index(3);
                    compact.remove(at, count);
                    model.drain(index..(index + count).min(model.len()));
                }
            }
            assert!(same(&compact, &model), "{compact:?}");
            let slack = compact.heap_bytes() - compact.encoded_bytes();
            assert!(slack <= 64 + 1100 + compact.encoded_bytes() * 2, "{slack}");
        }
    }

    fn same(compact: &Compact, model: &[Vec<u8>]) -> bool {
        compact.len() == model.len()
            && compact
                .iter()
                .zip(model)
                .all(|(entry, bytes)| entry.is(bytes))
    }

    fn random_bytes(rng: &mut Rng) -> Vec<u8> {
        match rng.below(40) {
            0 => vec![b'L'; rng.index(400)],
            1 if rng.below(50) == 0 => vec![b'H'; 9000 + rng.index(60_000)],
            2..20 => (rng.next_u64() as i64 >> rng.index(64))
                .to_string()
                .into_bytes(),
            _ => (0..rng.index(12)).map(|_| rng.next_u64() as u8).collect(),
        }
    }
}
