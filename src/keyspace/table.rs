//! The one hash map: keyed, open to growth and shrinking without a stall, and with each entry in a few bytes.
//!
//! It is a *linear hash table* of small segments, whose slots lead to records in blocks that all segments share:
//!
//! ```text
//!  hash ──low bits──▶ segment ──tag: top and low bits──▶ slot ──address──▶ record
//!
//!  segment.rs  slots    [ ·  tag|address  tag|address  ·  tag|address … ]   u64 each, sorted by tag, gaps between runs
//!  records.rs  records  [ record | dead | record | record … ]               header, expiry, key, value: in one piece
//!  boxes.rs    boxed    [ Value, Value, … ]                                  what does not fit a record
//! ```
//!
//! * **Growth**: when the average segment is full, the next segment in line is split in two (and merged again when
//!   the table empties), so no operation ever moves more than one segment's slots; records stay where they are.
//! * **Lookup**: slots are in the order of their tags, so that a probe ends at the first greater tag, hit or miss.
//!   Two places in memory are read: the slot and the record.
//! * **Memory**: a record is no allocation of its own. Blocks that are mostly dead are emptied ([`Table::tidy`]) and
//!   given back whole, whatever the allocator.
//! * **Scan**: a cursor walks segments in bit-reversed order and, within one, tags upwards. Splits and merges do
//!   not make it miss a key that was there all the time (see [`Table::scan`]).
//!
//! This module must not know databases (beyond that their number is part of a key), what values hold, time or
//! commands.

mod boxes;
mod records;
mod segment;

use std::ops::Range;

use siphasher::sip::SipHasher13;

use self::boxes::Boxes;
use self::records::{Head, KIND_MASK, NewRecord, Records, read_u32, read_u64};
use self::segment::{LEVEL_MAX, Segment, Slot, TAG_BITS, tag_of};
use super::value::{Type, Value};
use crate::memory::prefetch;

/// Records per segment, on average, above which the next segment is split.
const SPLIT_ABOVE: usize = 128;
/// Records per segment, on average, below which the last segment is merged into its buddy.
const MERGE_BELOW: usize = 56;
/// Segments are kept in chunks of this many, so that adding one never moves the others.
const CHUNK: usize = 256;
/// Keys longer than this are kept outside the record.
const INLINE_KEY_BYTES_MAX: usize = records::KEY_BYTES_MAX;
/// Byte strings longer than this are kept outside the record, as [`Value::String`].
pub const INLINE_VALUE_BYTES_MAX: usize = records::VALUE_BYTES_MAX;

const KIND_BYTES: u8 = 1;
const KIND_INT: u8 = 2;
const KIND_BOXED: u8 = 3;
const FLAG_RAW: u8 = 0b0000_1000;
/// Of all records the same, but while a snapshot is taken: then it tells those that are in it from those that are not.
const FLAG_EPOCH: u8 = 0b0001_0000;
const FLAG_LONG_KEY: u8 = 0b0100_0000;

/// A key in a database, with its hash: computed once per request and carried down.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The database's number in the table (not the one clients select).
    pub space: u8,
    /// The key's bytes.
    pub bytes: &'a [u8],
    hash: u64,
}

impl<'a> Key<'a> {
    /// A key whose hash is known: the one that [`Table::key`] once gave for the same space and bytes.
    #[inline]
    pub(crate) fn with_hash(space: u8, bytes: &'a [u8], hash: u64) -> Self {
        Key { space, bytes, hash }
    }

    /// Its hash.
    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether both are the same key.
    #[inline]
    pub(crate) fn is_same(&self, other: &Key<'_>) -> bool {
        (self.hash, self.space, self.bytes) == (other.hash, other.space, other.bytes)
    }
}

/// Where a record is. Good until a record is added or removed, or this one is written anew: whatever does that keeps the
/// position it was given true.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    segment: u32,
    slot: u32,
    /// What the slot says, so that the slot need not be asked again.
    address: u64,
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

#[derive(Clone, Debug)]
enum Boxed {
    Value(Value),
    Key(Box<[u8]>),
}

/// The table; see the module's head.
#[derive(Clone)]
pub struct Table {
    chunks: Vec<Vec<Segment>>,
    /// Number of segments: `2^level + split`.
    segments: usize,
    level: u32,
    split: usize,
    len: usize,
    slot_bytes: usize,
    records: Records,
    boxes: Boxes<Boxed>,
    keys: (u64, u64),
    /// `FLAG_EPOCH` or nothing: the flag of the records that a snapshot need not take (any more).
    epoch: u8,
    /// Records of the other epoch: those that the snapshot still has to take.
    untaken: usize,
    /// How many records segments that are made room in should have room for together.
    expected: usize,
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
            slot_bytes: 0,
            records: Records::default(),
            boxes: Boxes::default(),
            keys: seed,
            epoch: 0,
            untaken: 0,
            expected: 0,
        };
        table.push_segment(Segment::default());
        table
    }

    /// Whether keys have the same hashes in both.
    pub fn is_akin(&self, other: &Table) -> bool {
        self.keys == other.keys
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
        SipHasher13::new_with_keys(self.keys.0 ^ u64::from(space), self.keys.1).hash(bytes)
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

    /// Changes a segment, and counts its bytes anew.
    #[inline]
    fn change_segment<R>(&mut self, index: usize, change: impl FnOnce(&mut Segment) -> R) -> R {
        let segment = &mut self.chunks[index / CHUNK][index % CHUNK];
        let before = segment.heap_bytes();
        let result = change(segment);
        self.slot_bytes = self.slot_bytes + segment.heap_bytes() - before;
        result
    }

    #[inline]
    fn address(&self, at: Position) -> u64 {
        debug_assert_eq!(
            self.segment(at.segment as usize).slots()[at.slot as usize].address(),
            Some(at.address)
        );
        at.address
    }

    /// Asks the memory for the slot that a key of this hash would be found by: a lookup of many keys would otherwise wait
    /// for one after the other.
    #[inline]
    pub fn prefetch_slot(&self, hash: u64) {
        let segment = self.segment(self.segment_of(hash));
        if let Some(home) = segment.slots().get(segment.home(tag_of(hash))) {
            prefetch(home);
        }
    }

    /// As [`Table::prefetch_slot`], for the record itself; call it when all slots have been asked for.
    #[inline]
    pub fn prefetch_record(&self, hash: u64) {
        let segment = self.segment(self.segment_of(hash));
        if let Some((_, address)) = segment.find(tag_of(hash), |_| true) {
            self.records.prefetch(address);
        }
    }

    /// Says that an empty table is about to get so many records, so that it need not grow step by step meanwhile. A table
    /// that holds something takes no notice. O(number of segments).
    pub fn expect(&mut self, len: usize) {
        if self.len > 0 {
            return;
        }
        self.expected = len;
        while self.segments * SPLIT_ABOVE < len && self.level < LEVEL_MAX {
            self.split_next();
        }
    }

    /// As [`Table::prefetch_slot`], for a record that is to be added: if this is the first one of its segment, it makes
    /// room for all that are expected there.
    #[inline]
    pub fn prefetch_room(&mut self, hash: u64) {
        let index = self.segment_of(hash);
        if self.expected > 0 && self.segment(index).slots().is_empty() {
            let depth = self.depth_of(index);
            let expected = self.expected >> depth;
            self.change_segment(index, |segment| segment.make_room(expected));
        }
        self.prefetch_slot(hash);
    }

    /// How many low bits of the hash the records of a segment have in common.
    fn depth_of(&self, index: usize) -> u32 {
        if index < self.split || index >= 1 << self.level {
            self.level + 1
        } else {
            self.level
        }
    }

    /// Finds the record of `key`. O(1).
    #[inline]
    pub fn find(&self, key: &Key<'_>) -> Option<Position> {
        let index = self.segment_of(key.hash);
        let (slot, address) = self
            .segment(index)
            .find(tag_of(key.hash), |address| self.is_key(address, key))?;
        Some(Position {
            segment: index as u32,
            slot: slot as u32,
            address,
        })
    }

    #[inline]
    fn is_key(&self, address: u64, key: &Key<'_>) -> bool {
        let head = self.records.head(address);
        head.space == key.space && self.key_at(address, &head) == key.bytes
    }

    #[inline]
    fn key_at(&self, address: u64, head: &Head) -> &[u8] {
        let inline = self.records.key(address, head);
        if head.flags & FLAG_LONG_KEY == 0 {
            return inline;
        }
        match self.boxes.get(read_u32(inline, 0)) {
            Some(Boxed::Key(key)) => key,
            _ => &[],
        }
    }

    /// The record at `at`.
    #[inline]
    pub fn record(&self, at: Position) -> Record<'_> {
        self.record_at(self.address(at))
    }

    #[inline]
    fn record_at(&self, address: u64) -> Record<'_> {
        let head = self.records.head(address);
        let value = self.records.value(address, &head);
        let data = match head.kind() {
            KIND_INT => Data::Int(read_u64(value, 0) as i64),
            KIND_BOXED => match self.boxes.get(read_u32(value, 0)) {
                Some(Boxed::Value(value)) => Data::Value(value),
                _ => Data::Bytes {
                    bytes: &[],
                    raw: false,
                },
            },
            _ => Data::Bytes {
                bytes: value,
                raw: head.flags & FLAG_RAW != 0,
            },
        };
        Record {
            space: head.space,
            key: self.key_at(address, &head),
            expires_ms: self.records.expires_ms(address, &head),
            access_clock: head.access_clock,
            data,
        }
    }

    /// When the record at `at` expires, without looking at the rest of it.
    #[inline]
    pub fn expires_ms(&self, at: Position) -> Option<i64> {
        let address = self.address(at);
        self.records
            .expires_ms(address, &self.records.head(address))
    }

    /// The value at `at`, to be changed in place; `None` when it is a short string or an integer. A snapshot must have
    /// taken the record before.
    pub fn boxed_mut(&mut self, at: Position) -> Option<&mut Value> {
        let boxed = self.boxed_value(self.address(at))?;
        match self.boxes.get_mut(boxed) {
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
        if self.len >= self.segments * SPLIT_ABOVE && self.level < LEVEL_MAX {
            self.split_next();
        }
        self.len += 1;
        let key_number: [u8; 4];
        let (long_key, key_part) = if key.bytes.len() > INLINE_KEY_BYTES_MAX {
            let number = self.boxes.insert(Boxed::Key(key.bytes.into()));
            key_number = number.to_le_bytes();
            (FLAG_LONG_KEY, &key_number[..])
        } else {
            (0, key.bytes)
        };
        let mut number = [0; 8];
        let (kind, value) = self.encode(data, &mut number);
        let address = self.records.insert(NewRecord {
            flags: kind | long_key | self.epoch,
            space: key.space,
            access_clock: clock,
            expires_ms,
            key: key_part,
            value,
        });
        let index = self.segment_of(key.hash);
        let slot = self.change_segment(index, |segment| {
            if let Some(ms) = expires_ms {
                segment.next_expiry_ms = segment.next_expiry_ms.min(ms);
            }
            segment.insert(tag_of(key.hash), address)
        });
        Position {
            segment: index as u32,
            slot: slot as u32,
            address,
        }
    }

    /// The kind and the bytes that stand for `data` in a record; what does not fit is boxed on the way.
    #[inline]
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
        let boxed = self.boxes.insert(Boxed::Value(value));
        number[..4].copy_from_slice(&boxed.to_le_bytes());
        (KIND_BOXED, &number[..4])
    }

    /// Puts other data in place of the record's, keeping key, expiry and access clock. Returns the old value if it was
    /// a boxed one (so that the caller can free it at leisure).
    pub fn replace(&mut self, at: &mut Position, data: NewData<'_>) -> Option<Value> {
        let address = self.address(*at);
        let old = self.take_value(address);
        let mut number = [0; 8];
        let (kind, value) = self.encode(data, &mut number);
        let head = self.records.head(address);
        let flags = kind | head.flags & !(KIND_MASK | FLAG_RAW);
        if !self.records.replace_value(address, flags, value) {
            let expires_ms = self.records.expires_ms(address, &head);
            self.rewrite(at, flags, expires_ms, Some(value));
        }
        old
    }

    /// Sets or clears the record's expiry.
    pub fn set_expires_ms(&mut self, at: &mut Position, expires_ms: Option<i64>) {
        let address = self.address(*at);
        let head = self.records.head(address);
        if let Some(ms) = expires_ms {
            let segment = self.segment_mut(at.segment as usize);
            segment.next_expiry_ms = segment.next_expiry_ms.min(ms);
            if self.records.set_expires_ms(address, ms) {
                return;
            }
        } else if self.records.expires_ms(address, &head).is_none() {
            return;
        }
        self.rewrite(at, head.flags, expires_ms, None);
    }

    /// Writes a record anew, with other flags and expiry and, if given, another value.
    fn rewrite(
        &mut self,
        at: &mut Position,
        flags: u8,
        expires_ms: Option<i64>,
        value: Option<&[u8]>,
    ) {
        let old = at.address;
        let head = self.records.head(old);
        let mut key = [0; records::KEY_BYTES_MAX];
        let mut same_value = [0; records::VALUE_BYTES_MAX];
        let key = copy_to(&mut key, self.records.key(old, &head));
        let value =
            value.unwrap_or_else(|| copy_to(&mut same_value, self.records.value(old, &head)));
        self.records.remove(old);
        let new = self.records.insert(NewRecord {
            flags,
            space: head.space,
            access_clock: head.access_clock,
            expires_ms,
            key,
            value,
        });
        self.segment_mut(at.segment as usize)
            .set_address(at.slot as usize, new);
        at.address = new;
    }

    /// Stores the 24-bit access clock, of which this table only knows that it is kept.
    #[inline]
    pub fn touch(&mut self, at: Position, clock: u32) {
        self.records.touch_clock(self.address(at), clock);
    }

    /// Removes the record, and returns its value if it was a boxed one. At most one pair of segments is merged.
    pub fn remove(&mut self, at: Position) -> Option<Value> {
        self.untaken -= usize::from(self.is_untaken(at));
        let value = self.forget(self.address(at));
        self.change_segment(at.segment as usize, |segment| {
            segment.remove(at.slot as usize);
            segment.shrink_if_sparse();
        });
        self.len -= 1;
        self.merge_if_sparse();
        if self.records.is_very_wasteful() {
            // Whoever never calls `tidy` has it done bit by bit here.
            self.tidy(2);
        }
        value
    }

    /// Removes a record, but not its slot; gives its value if it was a boxed one.
    fn forget(&mut self, address: u64) -> Option<Value> {
        let value = self.take_value(address);
        let head = self.records.head(address);
        if head.flags & FLAG_LONG_KEY != 0 {
            self.boxes
                .remove(read_u32(self.records.key(address, &head), 0));
        }
        self.records.remove(address);
        value
    }

    /// The number of the value of the record at `address`, if it is a boxed one.
    #[inline]
    fn boxed_value(&self, address: u64) -> Option<u32> {
        let head = self.records.head(address);
        (head.kind() == KIND_BOXED).then(|| read_u32(self.records.value(address, &head), 0))
    }

    #[inline]
    fn take_value(&mut self, address: u64) -> Option<Value> {
        match self.boxes.remove(self.boxed_value(address)?) {
            Some(Boxed::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Moves up to `count` records out of blocks that are mostly dead; true when there are more to be moved.
    pub fn tidy(&mut self, count: usize) -> bool {
        if !self.records.is_wasteful() {
            return false;
        }
        for _ in 0..count {
            let Some(address) = self.records.next_leaving() else {
                return false;
            };
            let head = self.records.head(address);
            let hash = self.hash(head.space, self.key_at(address, &head));
            let index = self.segment_of(hash);
            let slot = self
                .segment(index)
                .find(tag_of(hash), |candidate| candidate == address);
            let new = self.records.copy(address);
            if let Some((slot, _)) = slot {
                self.segment_mut(index).set_address(slot, new);
            }
            self.records.remove(address);
        }
        self.records.is_wasteful()
    }

    /// Whether [`Table::tidy`] has something to do.
    pub fn is_untidy(&self) -> bool {
        self.records.is_wasteful()
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
            let depth = self.depth_of(index);
            let base = (index as u32).reverse_bits();
            if depth < place.depth || base != place.prefix {
                place.tag = 0;
            }
            let segment = self.segment(index);
            let mut last_tag = None;
            let home = segment.home(place.tag);
            for slot in segment.slots().get(home..).unwrap_or_default() {
                let tag = slot.tag();
                let Some(address) = slot.address().filter(|_| tag >= place.tag) else {
                    continue;
                };
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
                visit(self.record_at(address));
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
            let slots = self.segment(segment).slots();
            let slot = random(widest.max(slots.len() as u64)) as usize;
            if let Some(address) = slots.get(slot).and_then(|slot| slot.address()) {
                return Some(Position {
                    segment: segment as u32,
                    slot: slot as u32,
                    address,
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

    /// Number of slots of one segment.
    pub fn slots(&self, index: usize) -> usize {
        self.segment(index).slots().len()
    }

    /// Visits the records of one segment.
    pub fn visit_segment(&self, index: usize, visit: impl FnMut(Record<'_>)) {
        self.visit_slots(index, 0..self.slots(index), visit);
    }

    /// Visits the records of some slots of one segment.
    pub fn visit_slots(
        &self,
        index: usize,
        slots: Range<usize>,
        mut visit: impl FnMut(Record<'_>),
    ) {
        let slots = &self.segment(index).slots()[slots];
        self.prefetch_records(slots);
        for address in slots.iter().copied().filter_map(Slot::address) {
            visit(self.record_at(address));
        }
    }

    /// Asks the memory for the records of some slots, before a look at the first, so that its answers arrive together.
    fn prefetch_records(&self, slots: &[Slot]) {
        for address in slots.iter().copied().filter_map(Slot::address) {
            self.records.prefetch(address);
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
        let mut slot = 0;
        while let Some(place) = self.segment(index).slots().get(slot) {
            match place.address() {
                Some(address) if !keep(self.record_at(address)) => {
                    self.untaken -= usize::from(self.is_other_epoch(address));
                    if let Some(value) = self.forget(address) {
                        dropped(value);
                    }
                    self.segment_mut(index).remove(slot);
                    self.len -= 1;
                    // The run behind it has moved up: look at this place again.
                }
                _ => slot += 1,
            }
        }
        self.change_segment(index, Segment::shrink_if_sparse);
        self.merge_if_sparse();
    }

    /// Begins a snapshot: all records that are there now are *untaken*, until they are taken or removed; those that are
    /// added from now on are not. No record may be untaken when it is called. O(1).
    pub fn begin_taking(&mut self) {
        self.epoch ^= FLAG_EPOCH;
        self.untaken = self.len;
    }

    /// How many records are untaken.
    pub fn untaken(&self) -> usize {
        self.untaken
    }

    /// Whether the record at `at` is untaken.
    #[inline]
    pub fn is_untaken(&self, at: Position) -> bool {
        self.untaken > 0 && self.is_other_epoch(self.address(at))
    }

    #[inline]
    fn is_other_epoch(&self, address: u64) -> bool {
        self.records.head(address).flags & FLAG_EPOCH != self.epoch
    }

    /// Takes the record at `at`: it is untaken no more.
    pub fn take(&mut self, at: Position) {
        if self.is_untaken(at) {
            let address = self.address(at);
            self.records.flip(address, FLAG_EPOCH);
            self.untaken -= 1;
        }
    }

    /// Takes the untaken records of one segment, showing each to `visit`, until that says that it is enough. Gives whether
    /// none is left.
    pub fn take_segment(
        &mut self,
        index: usize,
        mut visit: impl FnMut(Record<'_>) -> bool,
    ) -> bool {
        self.prefetch_records(self.segment(index).slots());
        for slot in 0..self.segment(index).slots().len() {
            let Some(address) = self.segment(index).slots()[slot].address() else {
                continue;
            };
            if self.is_other_epoch(address) {
                let more = visit(self.record_at(address));
                self.records.flip(address, FLAG_EPOCH);
                self.untaken -= 1;
                if !more {
                    return false;
                }
            }
        }
        true
    }

    /// Frees some memory of a table that is no longer used; its boxed values go to `dropped`. False when nothing is
    /// left.
    pub fn drop_some(&mut self, mut dropped: impl FnMut(Value)) -> bool {
        self.len = 0;
        let drop_boxed = |boxed| {
            if let Boxed::Value(value) = boxed {
                dropped(value);
            }
        };
        if self.boxes.drop_some(drop_boxed) || self.records.drop_some() {
            return true;
        }
        let chunk = self.chunks.pop();
        let slots = chunk.iter().flatten().map(Segment::heap_bytes);
        self.slot_bytes -= slots.sum::<usize>();
        chunk.is_some()
    }

    /// Bytes of memory that the table holds, what is behind boxed values not counted. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.slot_bytes
            + self.records.heap_bytes()
            + self.boxes.heap_bytes()
            + self.chunks.len() * (CHUNK * size_of::<Segment>() + size_of::<Vec<Segment>>())
    }

    /// Bytes of that memory which come from the system and not from the allocator. O(1).
    pub fn mapped_bytes(&self) -> usize {
        self.records.mapped_bytes()
    }

    /// Bytes of that memory which hold nothing, and will be used for what is added next. O(1).
    pub fn dead_bytes(&self) -> usize {
        self.records.dead_bytes()
    }

    /// Bytes that the record at `at` takes in the table, its slot included and a boxed value not.
    pub fn record_bytes(&self, at: Position) -> usize {
        let head = self.records.head(self.address(at));
        self.records.bytes_of(&head) + size_of::<Slot>()
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
        let (index, level) = (self.split, self.level);
        let high = self.change_segment(index, |segment| {
            let (low, high) = std::mem::take(segment).split(level);
            *segment = low;
            high
        });
        self.slot_bytes += high.heap_bytes();
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
            self.slot_bytes -= last.heap_bytes();
            self.change_segment(index, |segment| {
                *segment = Segment::merge(std::mem::take(segment), last);
            });
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
    // it can be. A prefix has 20 bits, a depth is below 32, a tag below 2^28: 53 bits, which even a float can hold.
    const DEPTH_BITS: u32 = 5;

    fn pack(&self) -> u64 {
        u64::from(self.prefix.reverse_bits()) << (TAG_BITS + Self::DEPTH_BITS)
            | u64::from(self.depth) << TAG_BITS
            | u64::from(self.tag)
    }

    fn unpack(cursor: u64) -> Self {
        let prefix = (cursor >> (TAG_BITS + Self::DEPTH_BITS)) as u32;
        Cursor {
            prefix: (prefix & ((1 << LEVEL_MAX) - 1)).reverse_bits(),
            depth: (cursor >> TAG_BITS) as u32 & ((1 << Self::DEPTH_BITS) - 1),
            tag: cursor as u32 & ((1 << TAG_BITS) - 1),
        }
    }
}

/// The beginning of `to`, which is a copy of `from` afterwards.
fn copy_to<'a>(to: &'a mut [u8], from: &[u8]) -> &'a [u8] {
    let to = &mut to[..from.len()];
    to.copy_from_slice(from);
    to
}

#[cfg(test)]
mod tests;
