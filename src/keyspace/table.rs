//! The one hash map: keyed, open to growth and shrinking without a stall, and with each entry in a few bytes.
//!
//! It is a *linear hash table* of small segments:
//!
//! ```text
//!  hash ──low bits──▶ segment ──top 14 bits (tag)──▶ slot ──18-bit offset──▶ record in the segment's arena
//!
//!  segment:  slots  [ ·  tag|off  tag|off  ·  tag|off … ]   u32 each, sorted by tag, gaps between runs
//!            arena  [ record | record | dead | record … ]   bytes, 8-aligned
//!            boxed  [ Value, Value, … ]                      what does not fit a record
//!  record:   kind u8 · db u8 · key length u8 · access clock u24 · value length u16 │ expiry i64? │ key │ value
//! ```
//!
//! * **Growth**: when the average segment is full, the next segment in line is split in two (and merged again when
//!   the table empties), so no operation ever moves more than one segment: a few hundred records.
//! * **Lookup**: slots are in the order of their tags, so that a probe ends at the first greater tag, hit or miss.
//! * **Memory**: a record lies in its segment's arena, not in an allocation of its own. Freed records are dead bytes
//!   until the arena is compacted, which gives memory back to the system in whole arenas.
//! * **Scan**: a cursor walks segments in bit-reversed order and, within one, tags upwards. Splits and merges do
//!   not make it miss a key that was there all the time (see [`Table::scan`]).
//!
//! This module must not know databases (beyond that their number is part of a key), what values hold, time or
//! commands.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::value::{Type, Value};

/// Records per segment, on average, above which the next segment is split.
const SPLIT_ABOVE: usize = 128;
/// Records per segment, on average, below which the last segment is merged into its buddy.
const MERGE_BELOW: usize = 56;
/// Segments are kept in chunks of this many, so that adding one never moves the others.
const CHUNK: usize = 256;
/// Bits of a slot that hold the record's offset, in units of 8 bytes, plus one (an empty slot is 0).
const OFFSET_BITS: u32 = 18;
const OFFSET_MASK: u32 = (1 << OFFSET_BITS) - 1;
const TAG_BITS: u32 = 32 - OFFSET_BITS;
/// An arena never grows past what a slot can address.
const ARENA_BYTES_MAX: usize = (OFFSET_MASK as usize - 1) * 8;
/// Keys longer than this are kept outside the arena.
const INLINE_KEY_BYTES_MAX: usize = 254;
/// Byte strings longer than this are kept outside the arena, as [`Value::String`].
pub const INLINE_VALUE_BYTES_MAX: usize = 512;

const KIND_MASK: u8 = 0b0000_0111;
const KIND_BYTES: u8 = 1;
const KIND_INT: u8 = 2;
const KIND_BOXED: u8 = 3;
const FLAG_RAW: u8 = 0b0000_1000;
const FLAG_LONG_KEY: u8 = 0b0100_0000;
const FLAG_EXPIRES: u8 = 0b1000_0000;
const HEADER_BYTES: usize = 8;

/// A key in a database, with its hash: computed once per request and carried down.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The database's number in the table (not the one clients select).
    pub space: u8,
    /// The key's bytes.
    pub bytes: &'a [u8],
    hash: u64,
}

/// Where a record is. Good until the table is changed.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    segment: u32,
    slot: u32,
}

/// What a record holds.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// A short byte string. `raw` remembers that it was edited in place (Redis calls its encoding `raw` then).
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether it was built by an edit such as APPEND.
        raw: bool,
    },
    /// A string that is the canonical decimal of this integer.
    Int(i64),
    /// Anything else.
    Value(&'a Value),
}

impl Data<'_> {
    /// The type it is of.
    pub fn type_of(&self) -> Type {
        match self {
            Data::Bytes { .. } | Data::Int(_) => Type::String,
            Data::Value(value) => value.type_of(),
        }
    }
}

/// What is to be stored in a record.
#[derive(Debug)]
pub enum NewData<'a> {
    /// A byte string; a long one becomes a [`Value::String`] by itself.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether it was built by an edit such as APPEND.
        raw: bool,
    },
    /// An integer.
    Int(i64),
    /// Anything else.
    Value(Value),
}

/// One record, seen.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The database's number in the table.
    pub space: u8,
    /// The key's bytes.
    pub key: &'a [u8],
    /// Unix time in ms at which it ceases to be.
    pub expires_ms: Option<i64>,
    /// The 24-bit access clock.
    pub access_clock: u32,
    /// Its value.
    pub data: Data<'a>,
}

/// The table; see the module's head.
pub struct Table {
    chunks: Vec<Vec<Segment>>,
    /// Number of segments: `2^level + split`.
    segments: usize,
    level: u32,
    split: usize,
    len: usize,
    keys: (u64, u64),
}

impl Table {
    /// An empty table whose hash is keyed by `seed`.
    pub fn new(seed: (u64, u64)) -> Self {
        let mut table = Table {
            chunks: Vec::new(),
            segments: 0,
            level: 0,
            split: 0,
            len: 0,
            keys: seed,
        };
        table.push_segment(Segment::default());
        table
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A key ready for lookups. O(length of the key).
    #[inline]
    pub fn key<'a>(&self, space: u8, bytes: &'a [u8]) -> Key<'a> {
        Key {
            space,
            bytes,
            hash: self.hash(space, bytes),
        }
    }

    #[inline]
    fn hash(&self, space: u8, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.keys.0 ^ u64::from(space), self.keys.1);
        hasher.write(bytes);
        hasher.finish()
    }

    #[inline]
    fn segment_of(&self, hash: u64) -> usize {
        let low = hash as usize & ((1 << self.level) - 1);
        if low < self.split {
            hash as usize & ((2 << self.level) - 1)
        } else {
            low
        }
    }

    #[inline]
    fn segment(&self, index: usize) -> &Segment {
        &self.chunks[index / CHUNK][index % CHUNK]
    }

    #[inline]
    fn segment_mut(&mut self, index: usize) -> &mut Segment {
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }

    /// Reads the slot that `key` would be found by, and returns something of it: the load that a lookup of many keys
    /// would otherwise wait for one after another. The answer is only good for keeping the load alive.
    #[inline]
    pub fn touch_slot(&self, key: &Key<'_>) -> u32 {
        let segment = self.segment(self.segment_of(key.hash));
        segment
            .slots
            .get(segment.home(tag_of(key.hash)))
            .copied()
            .unwrap_or(0)
    }

    /// As [`Table::touch_slot`], for the record itself; call it when the slots have been touched.
    #[inline]
    pub fn touch_record(&self, key: &Key<'_>) -> u8 {
        let segment = self.segment(self.segment_of(key.hash));
        let tag = tag_of(key.hash);
        let mut index = segment.home(tag);
        while let Some(&slot) = segment.slots.get(index) {
            if slot == 0 || slot >> OFFSET_BITS > tag {
                break;
            }
            if slot >> OFFSET_BITS == tag {
                return segment.arena.get(offset_of(slot)).copied().unwrap_or(0);
            }
            index += 1;
        }
        0
    }

    /// Finds the record of `key`. O(1).
    #[inline]
    pub fn find(&self, key: &Key<'_>) -> Option<Position> {
        let index = self.segment_of(key.hash);
        let slot = self.segment(index).find(tag_of(key.hash), key)?;
        Some(Position {
            segment: index as u32,
            slot: slot as u32,
        })
    }

    /// The record at `at`.
    #[inline]
    pub fn record(&self, at: Position) -> Record<'_> {
        let segment = self.segment(at.segment as usize);
        segment.record(segment.offset(at.slot as usize))
    }

    /// When the record at `at` expires, without looking at the rest of it.
    #[inline]
    pub fn expires_ms(&self, at: Position) -> Option<i64> {
        let segment = self.segment(at.segment as usize);
        segment
            .header(segment.offset(at.slot as usize))
            .expires_ms(&segment.arena)
    }

    /// The value at `at`, to be changed in place; `None` when it is a short string or an integer.
    pub fn value_mut(&mut self, at: Position) -> Option<&mut Value> {
        let segment = self.segment_mut(at.segment as usize);
        let header = segment.header(segment.offset(at.slot as usize));
        if header.kind() != KIND_BOXED {
            return None;
        }
        let index = read_u32(&segment.arena, header.value_at);
        match segment.boxed.get_mut(index as usize) {
            Some(Boxed::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Adds a record. The caller has made sure that the key is not there. O(1) amortised; at most one segment is split.
    pub fn insert(
        &mut self,
        key: &Key<'_>,
        data: NewData<'_>,
        expires_ms: Option<i64>,
        clock: u32,
    ) -> Position {
        if self.len >= self.segments * SPLIT_ABOVE {
            self.split_next();
        }
        self.len += 1;
        let index = self.segment_of(key.hash);
        let slot = self
            .segment_mut(index)
            .insert(tag_of(key.hash), key, data, expires_ms, clock);
        Position {
            segment: index as u32,
            slot: slot as u32,
        }
    }

    /// Puts other data in place of the record's, keeping key, expiry and access clock. Returns the old value if it was
    /// a boxed one (so that the caller can free it at leisure).
    pub fn replace(&mut self, at: Position, data: NewData<'_>) -> Option<Value> {
        self.segment_mut(at.segment as usize)
            .replace(at.slot as usize, data)
    }

    /// Sets or clears the record's expiry.
    pub fn set_expires_ms(&mut self, at: Position, expires_ms: Option<i64>) {
        self.segment_mut(at.segment as usize)
            .set_expires_ms(at.slot as usize, expires_ms);
    }

    /// Stores the 24-bit access clock, of which this table only knows that it is kept.
    #[inline]
    pub fn touch(&mut self, at: Position, clock: u32) {
        let segment = self.segment_mut(at.segment as usize);
        let offset = segment.offset(at.slot as usize);
        let bytes = &mut segment.arena[offset + 3..offset + 6];
        let new = &clock.to_le_bytes()[..3];
        // Most reads of a hot key come within one tick of the clock: leave its cache line clean then.
        if bytes != new {
            bytes.copy_from_slice(new);
        }
    }

    /// Removes the record, and returns its value if it was a boxed one. At most one pair of segments is merged.
    pub fn remove(&mut self, at: Position) -> Option<Value> {
        let segment = self.segment_mut(at.segment as usize);
        let value = segment.remove(at.slot as usize);
        segment.shrink_if_sparse();
        self.len -= 1;
        self.merge_if_sparse();
        value
    }

    /// Visits records, some `count` of them, and returns the cursor to go on with; 0 when the round is complete.
    ///
    /// Every record that is in the table from the call with cursor 0 to the call that returns 0 is visited at least
    /// once, whatever else is added or removed meanwhile. The cursor is the bit-reversed number of a segment, the
    /// segment's depth and the first tag to visit in it. A segment that was split since is continued in its
    /// first half, and its second half is visited whole; one that was merged since is visited whole again.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Record<'_>)) -> u64 {
        let mut place = Cursor::unpack(cursor);
        let mut left = count.max(1);
        loop {
            let index = self.segment_of(u64::from(place.prefix.reverse_bits()));
            let depth = if index < self.split || index >= 1 << self.level {
                self.level + 1
            } else {
                self.level
            };
            let base = (index as u32).reverse_bits();
            if depth < place.depth || base != place.prefix {
                place.tag = 0;
            }
            let segment = self.segment(index);
            let mut last_tag = None;
            for at in segment.home(place.tag)..segment.slots.len() {
                let slot = segment.slots[at];
                let tag = slot >> OFFSET_BITS;
                if slot == 0 || tag < place.tag {
                    continue;
                }
                // Records of one tag go together: the cursor cannot point between them.
                if left == 0 && last_tag != Some(tag) {
                    return Cursor {
                        prefix: base,
                        depth,
                        tag,
                    }
                    .pack();
                }
                last_tag = Some(tag);
                left = left.saturating_sub(1);
                visit(segment.record(offset_of(slot)));
            }
            // The next segment in bit-reversed order begins where this one's share of hash space ends.
            let Some(next) = (if depth == 0 {
                None
            } else {
                base.checked_add(1 << (32 - depth))
            }) else {
                return 0;
            };
            place = Cursor {
                prefix: next,
                depth,
                tag: 0,
            };
            if left == 0 {
                return place.pack();
            }
        }
    }

    /// A record chosen uniformly; `random(n)` must give a uniform number below `n`. `None` in an empty table.
    pub fn random(&self, mut random: impl FnMut(u64) -> u64) -> Option<Position> {
        if self.len == 0 {
            return None;
        }
        // Rejection keeps it uniform: every (segment, place) pair is as likely, and a quarter of them hold a record.
        // The segments that wait for their split have up to twice the average, and half as many slots again.
        let widest = SPLIT_ABOVE as u64 * 4;
        loop {
            let segment = random(self.segments as u64) as usize;
            let slots = &self.segment(segment).slots;
            let slot = random(widest.max(slots.len() as u64)) as usize;
            if slots.get(slot).is_some_and(|&slot| slot != 0) {
                return Some(Position {
                    segment: segment as u32,
                    slot: slot as u32,
                });
            }
        }
    }

    /// Number of segments, for walks that do one at a time.
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// No record of segment `index` expires before this Unix time in ms.
    #[inline]
    pub fn next_expiry_ms(&self, index: usize) -> i64 {
        self.segment(index).next_expiry_ms
    }

    /// Visits the records of one segment.
    pub fn visit_segment(&self, index: usize, mut visit: impl FnMut(Record<'_>)) {
        let segment = self.segment(index);
        for &slot in segment.slots.iter().filter(|slot| **slot != 0) {
            visit(segment.record(offset_of(slot)));
        }
    }

    /// Recomputes the bound that [`Table::next_expiry_ms`] gives, after expired records were removed.
    pub fn refresh_next_expiry(&mut self, index: usize) {
        let mut next = i64::MAX;
        self.visit_segment(index, |record| {
            next = next.min(record.expires_ms.unwrap_or(i64::MAX))
        });
        self.segment_mut(index).next_expiry_ms = next;
    }

    /// Removes the records of one segment for which `keep` is false, giving their boxed values to `dropped`; each is
    /// asked about once. The last segments may be merged into others of lower numbers then, as by [`Table::remove`].
    pub fn retain_segment(
        &mut self,
        index: usize,
        mut keep: impl FnMut(Record<'_>) -> bool,
        mut dropped: impl FnMut(Value),
    ) {
        let segment = self.segment_mut(index);
        let mut removed = 0;
        let mut slot = 0;
        while slot < segment.slots.len() {
            if segment.slots[slot] != 0 && !keep(segment.record(segment.offset(slot))) {
                if let Some(value) = segment.remove(slot) {
                    dropped(value);
                }
                removed += 1;
                // The run behind it has moved up: look at this place again.
            } else {
                slot += 1;
            }
        }
        segment.shrink_if_sparse();
        self.len -= removed;
        self.merge_if_sparse();
    }

    /// Frees one segment's worth of memory of a table that is no longer used; its boxed values go to `dropped`.
    /// False when nothing is left.
    pub fn drop_some(&mut self, mut dropped: impl FnMut(Value)) -> bool {
        let Some(chunk) = self.chunks.last_mut() else {
            return false;
        };
        match chunk.pop() {
            Some(segment) => {
                self.len -= (segment.len as usize).min(self.len);
                for boxed in segment.boxed {
                    if let Boxed::Value(value) = boxed {
                        dropped(value);
                    }
                }
            }
            None => {
                self.chunks.pop();
            }
        }
        true
    }

    /// Bytes of memory that the table holds, boxed values not counted. O(segments).
    pub fn heap_bytes(&self) -> usize {
        let segments = self
            .chunks
            .iter()
            .flatten()
            .map(Segment::heap_bytes)
            .sum::<usize>();
        segments + self.chunks.len() * (CHUNK * size_of::<Segment>() + size_of::<Vec<Segment>>())
    }

    /// Bytes that the record at `at` takes in the table, its slot included and a boxed value not.
    pub fn record_bytes(&self, at: Position) -> usize {
        let segment = self.segment(at.segment as usize);
        segment
            .header(segment.offset(at.slot as usize))
            .record_bytes()
            + size_of::<u32>()
    }

    fn push_segment(&mut self, segment: Segment) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => {
                // The first chunk grows as a Vec does: a small server has a few segments, not 256.
                chunk.push(segment);
            }
            _ => {
                let mut chunk = Vec::with_capacity(if self.chunks.is_empty() { 1 } else { CHUNK });
                chunk.push(segment);
                self.chunks.push(chunk);
            }
        }
        self.segments += 1;
    }

    fn pop_segment(&mut self) -> Option<Segment> {
        let chunk = self.chunks.last_mut()?;
        let segment = chunk.pop();
        if chunk.is_empty() {
            self.chunks.pop();
        }
        self.segments -= 1;
        segment
    }

    fn split_next(&mut self) {
        let index = self.split;
        let bit = 1u64 << self.level;
        let old = std::mem::take(self.segment_mut(index));
        let (low, high) = old.split_by(|space, key| self.hash(space, key) & bit != 0);
        *self.segment_mut(index) = low;
        self.push_segment(high);
        self.split += 1;
        if self.split == 1 << self.level {
            self.level += 1;
            self.split = 0;
        }
    }

    /// Merges as many pairs of segments as are too many: at most one for each 56 records that were removed.
    fn merge_if_sparse(&mut self) {
        while self.segments > 1 && self.len < self.segments * MERGE_BELOW {
            self.merge_last();
        }
    }

    fn merge_last(&mut self) {
        if self.split == 0 {
            self.level -= 1;
            self.split = 1 << self.level;
        }
        self.split -= 1;
        let index = self.split;
        if let Some(last) = self.pop_segment() {
            let first = std::mem::take(self.segment_mut(index));
            *self.segment_mut(index) = Segment::merge(first, last);
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("len", &self.len)
            .field("segments", &self.segments)
            .finish()
    }
}

/// A scan's place: the segment that covers `prefix` (its number bit-reversed), and the tag to go on from.
struct Cursor {
    prefix: u32,
    depth: u32,
    tag: u32,
}

impl Cursor {
    // Clients keep cursors in signed 64-bit integers and print them: keep the number positive, and small where
    // it can be. Depth is below 33, a tag below 2^14: 32 + 6 + 14 bits.
    fn pack(&self) -> u64 {
        (u64::from(self.prefix.reverse_bits()) << 20)
            | u64::from(self.depth << TAG_BITS)
            | u64::from(self.tag)
    }

    fn unpack(cursor: u64) -> Self {
        Cursor {
            prefix: ((cursor >> 20) as u32).reverse_bits(),
            depth: (cursor >> TAG_BITS) as u32 & 63,
            tag: cursor as u32 & ((1 << TAG_BITS) - 1),
        }
    }
}

#[derive(Debug)]
enum Boxed {
    Value(Value),
    Key(Box<[u8]>),
    /// A hole; the next one, or `u32::MAX`.
    Free(u32),
}

struct Segment {
    slots: Vec<u32>,
    arena: Vec<u8>,
    boxed: Vec<Boxed>,
    free_boxed: u32,
    len: u32,
    dead_bytes: u32,
    /// Homes of tags are spread over this many slots; the few behind them take the overflow of the last run.
    homes: u32,
    next_expiry_ms: i64,
}

impl Default for Segment {
    fn default() -> Self {
        Segment {
            slots: Vec::new(),
            arena: Vec::new(),
            boxed: Vec::new(),
            free_boxed: u32::MAX,
            len: 0,
            dead_bytes: 0,
            homes: 0,
            next_expiry_ms: i64::MAX,
        }
    }
}

/// A record's fixed part, decoded, with the places of its variable ones.
struct Header {
    flags: u8,
    space: u8,
    value_len: usize,
    key_len: usize,
    offset: usize,
    key_at: usize,
    value_at: usize,
}

impl Header {
    fn kind(&self) -> u8 {
        self.flags & KIND_MASK
    }

    fn expires_ms(&self, arena: &[u8]) -> Option<i64> {
        (self.flags & FLAG_EXPIRES != 0).then(|| read_u64(arena, self.offset + HEADER_BYTES) as i64)
    }

    fn record_bytes(&self) -> usize {
        padded(self.value_at + self.value_len - self.offset)
    }
}

impl Segment {
    #[inline]
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * u64::from(self.homes)) >> TAG_BITS) as usize
    }

    #[inline]
    fn offset(&self, slot: usize) -> usize {
        offset_of(self.slots[slot])
    }

    #[inline]
    fn find(&self, tag: u32, key: &Key<'_>) -> Option<usize> {
        let mut index = self.home(tag);
        while let Some(&slot) = self.slots.get(index) {
            let slot_tag = slot >> OFFSET_BITS;
            if slot == 0 || slot_tag > tag {
                return None;
            }
            if slot_tag == tag && self.is_key(offset_of(slot), key) {
                return Some(index);
            }
            index += 1;
        }
        None
    }

    #[inline]
    fn is_key(&self, offset: usize, key: &Key<'_>) -> bool {
        let header = self.header(offset);
        header.space == key.space && self.key_bytes(&header) == key.bytes
    }

    #[inline]
    fn header(&self, offset: usize) -> Header {
        let head = read_u64(&self.arena, offset).to_le_bytes();
        let flags = head[0];
        let key_at = offset + HEADER_BYTES + if flags & FLAG_EXPIRES != 0 { 8 } else { 0 };
        let key_len = usize::from(head[2]);
        Header {
            flags,
            space: head[1],
            key_len,
            value_len: usize::from(u16::from_le_bytes([head[6], head[7]])),
            offset,
            key_at,
            value_at: key_at + key_len,
        }
    }

    #[inline]
    fn key_bytes(&self, header: &Header) -> &[u8] {
        let inline = &self.arena[header.key_at..header.key_at + header.key_len];
        if header.flags & FLAG_LONG_KEY == 0 {
            return inline;
        }
        match self.boxed.get(read_u32(inline, 0) as usize) {
            Some(Boxed::Key(key)) => key,
            _ => &[],
        }
    }

    #[inline]
    fn record(&self, offset: usize) -> Record<'_> {
        let header = self.header(offset);
        let value = &self.arena[header.value_at..header.value_at + header.value_len];
        let data = match header.kind() {
            KIND_INT => Data::Int(read_u64(value, 0) as i64),
            KIND_BOXED => match self.boxed.get(read_u32(value, 0) as usize) {
                Some(Boxed::Value(value)) => Data::Value(value),
                _ => Data::Bytes {
                    bytes: &[],
                    raw: false,
                },
            },
            _ => Data::Bytes {
                bytes: value,
                raw: header.flags & FLAG_RAW != 0,
            },
        };
        let clock = &self.arena[offset + 3..offset + 6];
        Record {
            space: header.space,
            key: self.key_bytes(&header),
            expires_ms: header.expires_ms(&self.arena),
            access_clock: u32::from_le_bytes([clock[0], clock[1], clock[2], 0]),
            data,
        }
    }

    fn insert(
        &mut self,
        tag: u32,
        key: &Key<'_>,
        data: NewData<'_>,
        expires_ms: Option<i64>,
        clock: u32,
    ) -> usize {
        let key_index: [u8; 4];
        let (long_key, key_part) = if key.bytes.len() > INLINE_KEY_BYTES_MAX {
            key_index = self.add_boxed(Boxed::Key(key.bytes.into())).to_le_bytes();
            (FLAG_LONG_KEY, &key_index[..])
        } else {
            (0, key.bytes)
        };
        let mut number = [0; 8];
        let (kind, value) = self.encode(data, &mut number);
        let offset = self.append(
            kind | long_key,
            key.space,
            &clock.to_le_bytes()[..3],
            expires_ms,
            key_part.len(),
            value.len(),
            |arena| {
                arena.extend_from_slice(key_part);
                arena.extend_from_slice(value);
            },
        );
        self.len += 1;
        self.insert_slot(tag, offset)
    }

    /// The flags and the bytes that stand for `data` in a record; what does not fit is boxed on the way.
    fn encode<'a>(&mut self, data: NewData<'a>, number: &'a mut [u8; 8]) -> (u8, &'a [u8]) {
        let value = match data {
            NewData::Int(int) => {
                *number = int.to_le_bytes();
                return (KIND_INT, number);
            }
            NewData::Bytes { bytes, raw } if bytes.len() <= INLINE_VALUE_BYTES_MAX => {
                return (KIND_BYTES | if raw { FLAG_RAW } else { 0 }, bytes);
            }
            NewData::Bytes { bytes, .. } => Value::string(bytes.to_vec()),
            NewData::Value(value) => value,
        };
        number[..4].copy_from_slice(&self.add_boxed(Boxed::Value(value)).to_le_bytes());
        (KIND_BOXED, &number[..4])
    }

    /// Appends a record with the given parts, whose key and value `write` adds; returns its offset. May compact.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a record, in the order in which it has them"
    )]
    fn append(
        &mut self,
        flags: u8,
        space: u8,
        clock: &[u8],
        expires_ms: Option<i64>,
        key_len: usize,
        value_len: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let expiry_len = if expires_ms.is_some() { 8 } else { 0 };
        let bytes = padded(HEADER_BYTES + expiry_len + key_len + value_len);
        self.make_room(bytes);
        let offset = self.arena.len();
        let flags = flags
            | if expires_ms.is_some() {
                FLAG_EXPIRES
            } else {
                0
            };
        let value_len = (value_len as u16).to_le_bytes();
        let head = [
            flags,
            space,
            key_len as u8,
            clock[0],
            clock[1],
            clock[2],
            value_len[0],
            value_len[1],
        ];
        self.arena.extend_from_slice(&head);
        if let Some(ms) = expires_ms {
            self.arena.extend_from_slice(&ms.to_le_bytes());
            self.next_expiry_ms = self.next_expiry_ms.min(ms);
        }
        write(&mut self.arena);
        self.arena.resize(offset + bytes, 0);
        offset
    }

    /// Makes sure that `bytes` can be appended: by compacting when an eighth is dead, by growing an eighth otherwise.
    fn make_room(&mut self, bytes: usize) {
        let needed = self.arena.len() + bytes;
        if needed <= self.arena.capacity() {
            return;
        }
        let dead = self.dead_bytes as usize;
        if dead * 8 > self.arena.len() || needed > ARENA_BYTES_MAX {
            let live = self.arena.len() - dead;
            self.compact(live + bytes + live / 8);
        } else {
            // An eighth, and no less than a few records: growing costs a copy, slack costs memory.
            let grown = needed + (self.arena.len() / 8).min(4096);
            self.arena.reserve_exact(rounded(grown) - self.arena.len());
        }
    }

    /// Writes the live records into a new arena of the given capacity, in the order of their slots.
    fn compact(&mut self, capacity: usize) {
        let old = std::mem::replace(&mut self.arena, Vec::with_capacity(rounded(capacity)));
        for index in 0..self.slots.len() {
            let slot = self.slots[index];
            if slot == 0 {
                continue;
            }
            let from = offset_of(slot);
            let bytes = record_bytes_at(&old, from);
            let to = self.arena.len();
            self.arena.extend_from_slice(&old[from..from + bytes]);
            self.slots[index] = slot_of(slot >> OFFSET_BITS, to);
        }
        self.dead_bytes = 0;
    }

    /// Puts a slot in its place in the order of tags, and returns where that is.
    fn insert_slot(&mut self, tag: u32, offset: usize) -> usize {
        if self.len as usize * 5 > self.homes as usize * 4 {
            self.resize_slots(self.len as usize * 10 / 7);
        }
        loop {
            let mut index = self.home(tag);
            while self
                .slots
                .get(index)
                .is_some_and(|&slot| slot != 0 && slot >> OFFSET_BITS <= tag)
            {
                index += 1;
            }
            let gap = self
                .slots
                .get(index..)
                .and_then(|rest| rest.iter().position(|&slot| slot == 0));
            let Some(gap) = gap else {
                self.resize_slots(self.homes as usize + self.homes as usize / 8 + 8);
                continue;
            };
            self.slots.copy_within(index..index + gap, index + 1);
            self.slots[index] = slot_of(tag, offset);
            return index;
        }
    }

    /// Spreads the slots over about `homes` homes.
    fn resize_slots(&mut self, homes: usize) {
        let mut homes = (homes.max(6) + 9).next_multiple_of(16) - 4;
        let old = std::mem::take(&mut self.slots);
        'retry: loop {
            self.homes = homes as u32;
            self.slots = Vec::with_capacity(homes + 4);
            self.slots.resize(homes + 4, 0);
            let mut next = 0;
            for &slot in old.iter().filter(|slot| **slot != 0) {
                let index = self.home(slot >> OFFSET_BITS).max(next);
                let Some(place) = self.slots.get_mut(index) else {
                    homes += 16;
                    continue 'retry;
                };
                *place = slot;
                next = index + 1;
            }
            return;
        }
    }

    fn remove_slot(&mut self, index: usize) {
        let mut end = index + 1;
        // The run behind moves up by one, as far as its slots are not at home already.
        while self
            .slots
            .get(end)
            .is_some_and(|&slot| slot != 0 && self.home(slot >> OFFSET_BITS) < end)
        {
            end += 1;
        }
        self.slots.copy_within(index + 1..end, index);
        self.slots[end - 1] = 0;
    }

    /// Removes a record; the caller sees to it that the segment shrinks, which moves the others.
    fn remove(&mut self, slot: usize) -> Option<Value> {
        let header = self.header(self.offset(slot));
        let value = self.free_value(&header);
        if header.flags & FLAG_LONG_KEY != 0 {
            self.free_boxed(read_u32(&self.arena, header.key_at));
        }
        self.dead_bytes += header.record_bytes() as u32;
        self.remove_slot(slot);
        self.len -= 1;
        value
    }

    fn shrink_if_sparse(&mut self) {
        if self.len == 0 {
            *self = Segment::default();
        } else if self.dead_bytes as usize * 2 > self.arena.len() {
            let live = self.arena.len() - self.dead_bytes as usize;
            self.compact(live + live / 8);
            if (self.len as usize) * 3 < self.homes as usize {
                self.resize_slots(self.len as usize * 10 / 7);
            }
        }
    }

    fn replace(&mut self, slot: usize, data: NewData<'_>) -> Option<Value> {
        let header = self.header(self.offset(slot));
        let old = self.free_value(&header);
        let mut number = [0; 8];
        let (kind, value) = self.encode(data, &mut number);
        let flags = kind | header.flags & !(KIND_MASK | FLAG_RAW);
        if padded(header.value_at - header.offset + value.len()) == header.record_bytes() {
            self.arena[header.offset] = flags;
            self.arena[header.offset + 6..header.offset + 8]
                .copy_from_slice(&(value.len() as u16).to_le_bytes());
            self.arena[header.value_at..header.value_at + value.len()].copy_from_slice(value);
        } else {
            let expires_ms = header.expires_ms(&self.arena);
            self.rewrite(slot, flags & !FLAG_EXPIRES, expires_ms, Some(value));
        }
        old
    }

    fn set_expires_ms(&mut self, slot: usize, expires_ms: Option<i64>) {
        let header = self.header(self.offset(slot));
        match expires_ms {
            Some(ms) if header.flags & FLAG_EXPIRES != 0 => {
                let at = header.offset + HEADER_BYTES;
                self.arena[at..at + 8].copy_from_slice(&ms.to_le_bytes());
                self.next_expiry_ms = self.next_expiry_ms.min(ms);
            }
            None if header.flags & FLAG_EXPIRES == 0 => {}
            _ => self.rewrite(slot, header.flags & !FLAG_EXPIRES, expires_ms, None),
        }
    }

    /// Appends the slot's record anew, with other flags and expiry and, if given, another value.
    fn rewrite(&mut self, slot: usize, flags: u8, expires_ms: Option<i64>, value: Option<&[u8]>) {
        let old_bytes = self.header(self.offset(slot)).record_bytes();
        // Room is made first, since that may move the record that is copied from.
        self.make_room(old_bytes + 8 + padded(value.map_or(0, <[u8]>::len)));
        let header = self.header(self.offset(slot));
        let (key_at, value_at, end) = (
            header.key_at,
            header.value_at,
            header.value_at + header.value_len,
        );
        let clock = [
            self.arena[header.offset + 3],
            self.arena[header.offset + 4],
            self.arena[header.offset + 5],
        ];
        let value_len = value.map_or(header.value_len, <[u8]>::len);
        let to = self.append(
            flags,
            header.space,
            &clock,
            expires_ms,
            header.key_len,
            value_len,
            |arena| match value {
                Some(value) => {
                    arena.extend_from_within(key_at..value_at);
                    arena.extend_from_slice(value);
                }
                None => arena.extend_from_within(key_at..end),
            },
        );
        self.slots[slot] = slot_of(self.slots[slot] >> OFFSET_BITS, to);
        self.dead_bytes += old_bytes as u32;
    }

    fn add_boxed(&mut self, item: Boxed) -> u32 {
        let index = self.free_boxed;
        match self.boxed.get_mut(index as usize) {
            Some(hole) => {
                if let Boxed::Free(next) = *hole {
                    self.free_boxed = next;
                }
                *hole = item;
                index
            }
            None => {
                self.boxed.push(item);
                self.boxed.len() as u32 - 1
            }
        }
    }

    fn free_boxed(&mut self, index: u32) -> Option<Boxed> {
        let place = self.boxed.get_mut(index as usize)?;
        let item = std::mem::replace(place, Boxed::Free(self.free_boxed));
        self.free_boxed = index;
        Some(item)
    }

    fn free_value(&mut self, header: &Header) -> Option<Value> {
        if header.kind() != KIND_BOXED {
            return None;
        }
        match self.free_boxed(read_u32(&self.arena, header.value_at)) {
            Some(Boxed::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Takes over a record of another segment, whose tag is no smaller than any that is here.
    fn take_over(&mut self, from: &mut Segment, slot: u32, next: &mut usize) {
        let header = from.header(offset_of(slot));
        let bytes = header.record_bytes();
        let to = self.arena.len();
        self.arena
            .extend_from_slice(&from.arena[header.offset..header.offset + bytes]);
        let moved = |this: &mut Segment, at: usize| {
            let index = read_u32(&from.arena, at);
            if let Some(place) = from.boxed.get_mut(index as usize) {
                let new = this.add_boxed(std::mem::replace(place, Boxed::Free(u32::MAX)));
                let at = at - header.offset + to;
                this.arena[at..at + 4].copy_from_slice(&new.to_le_bytes());
            }
        };
        let mut moved = moved;
        if header.flags & FLAG_LONG_KEY != 0 {
            moved(self, header.key_at);
        }
        if header.kind() == KIND_BOXED {
            moved(self, header.value_at);
        }
        if let Some(ms) = header.expires_ms(&from.arena) {
            self.next_expiry_ms = self.next_expiry_ms.min(ms);
        }
        self.len += 1;
        let tag = slot >> OFFSET_BITS;
        let index = self.home(tag).max(*next);
        *next = index + 1;
        if index < self.slots.len() {
            self.slots[index] = slot_of(tag, to);
        } else {
            *next = self.insert_slot(tag, to) + 1;
        }
    }

    fn with_capacity(records: usize, bytes: usize) -> Self {
        let mut segment = Segment {
            arena: Vec::with_capacity(rounded(bytes)),
            ..Segment::default()
        };
        if records > 0 {
            segment.resize_slots(records * 10 / 7);
        }
        segment
    }

    /// Splits into the records for which `is_high` is false and those for which it is true.
    fn split_by(mut self, is_high: impl Fn(u8, &[u8]) -> bool) -> (Segment, Segment) {
        let live: Vec<(u32, bool)> = (self.slots.iter().filter(|slot| **slot != 0))
            .map(|&slot| {
                let header = self.header(offset_of(slot));
                (slot, is_high(header.space, self.key_bytes(&header)))
            })
            .collect();
        let mut sizes = [(0, 0); 2];
        for &(slot, high) in &live {
            let size = &mut sizes[usize::from(high)];
            size.0 += 1;
            size.1 += record_bytes_at(&self.arena, offset_of(slot));
        }
        // The halves will fill up again: a little more than what is there saves the first growths.
        let mut halves =
            sizes.map(|(records, bytes)| Segment::with_capacity(records, bytes + bytes / 8));
        let mut next = [0, 0];
        for (slot, high) in live {
            let half = usize::from(high);
            halves[half].take_over(&mut self, slot, &mut next[half]);
        }
        let [low, high] = halves;
        (low, high)
    }

    fn merge(mut first: Segment, mut last: Segment) -> Segment {
        let live = |segment: &Segment| segment.arena.len() - segment.dead_bytes as usize;
        let bytes = live(&first) + live(&last);
        let mut merged = Segment::with_capacity((first.len + last.len) as usize, bytes + bytes / 8);
        let slots = |segment: &Segment| {
            segment
                .slots
                .iter()
                .copied()
                .filter(|slot| *slot != 0)
                .collect::<Vec<_>>()
        };
        let (left, right) = (slots(&first), slots(&last));
        let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
        let mut next = 0;
        loop {
            let from_left = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a >> OFFSET_BITS <= b >> OFFSET_BITS,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return merged,
            };
            let (segment, slot) = if from_left {
                (&mut first, left.next())
            } else {
                (&mut last, right.next())
            };
            if let Some(slot) = slot {
                merged.take_over(segment, slot, &mut next);
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
            + self.arena.capacity()
            + self.boxed.capacity() * size_of::<Boxed>()
    }
}

#[inline]
fn tag_of(hash: u64) -> u32 {
    (hash >> (64 - TAG_BITS)) as u32
}

#[inline]
fn slot_of(tag: u32, offset: usize) -> u32 {
    tag << OFFSET_BITS | (offset / 8 + 1) as u32
}

#[inline]
fn offset_of(slot: u32) -> usize {
    ((slot & OFFSET_MASK) as usize - 1) * 8
}

#[inline]
fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(8)
}

/// Rounds an arena's capacity to what allocators hand out anyway.
fn rounded(bytes: usize) -> usize {
    let step = (bytes.next_power_of_two() / 8).max(64);
    bytes.next_multiple_of(step)
}

fn record_bytes_at(arena: &[u8], offset: usize) -> usize {
    let head = read_u64(arena, offset).to_le_bytes();
    let expiry = if head[0] & FLAG_EXPIRES != 0 { 8 } else { 0 };
    padded(
        HEADER_BYTES
            + expiry
            + usize::from(head[2])
            + usize::from(u16::from_le_bytes([head[6], head[7]])),
    )
}

#[inline]
fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[inline]
fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests;
