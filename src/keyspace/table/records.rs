//! Records as bytes, in blocks: written one after another, their room reused, and blocks that are mostly dead emptied.
//!
//! ```text
//!  block   [ record | dead | record | record … │ not used yet ]      1 MiB each, from the system (memory.rs)
//!  record  kind u8 · space u8 · key length u8 · access clock u24 · value length u16 │ expiry i64? │ key │ value
//!  dead    0 · – · units u16 · next dead record of this size in the block u32
//! ```
//!
//! * Room of a dead record is given to the next one of the same size: churn moves nothing.
//! * When a third is dead all the same, the deadest block is emptied: its records are given out one by one
//!   ([`Records::next_leaving`]) for the table to move, and then its memory goes back, whole.
//!
//! Sizes and addresses are in units of 8 bytes. This module must not know hashes or slots, nor what a value means.

use crate::memory::{Pages, prefetch};

/// Bytes of a unit.
pub const UNIT: usize = 8;
const BLOCK_BYTES: usize = 1024 * 1024;
const BLOCK_UNITS: u64 = (BLOCK_BYTES / UNIT) as u64;
const HEAD_BYTES: usize = 8;
/// Keys and values that are longer do not fit a record.
pub const KEY_BYTES_MAX: usize = 254;
/// See [`KEY_BYTES_MAX`].
pub const VALUE_BYTES_MAX: usize = 512;
/// Sizes of records, in units: from 1 up to this, not included.
const SIZES: usize = (HEAD_BYTES + 8 + KEY_BYTES_MAX + VALUE_BYTES_MAX).div_ceil(UNIT) + 1;
const NONE: u32 = u32::MAX;
/// The kind of a dead record.
const DEAD: u8 = 0;
/// The bits of the first byte that are the kind; the others are the table's, but for this one.
pub const KIND_MASK: u8 = 0b0000_0111;
const FLAG_EXPIRES: u8 = 0b1000_0000;

/// The fixed part of a record, with the places of the variable ones in its block.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Kind (not 0) and flags.
    pub flags: u8,
    /// The database's number in the table.
    pub space: u8,
    /// The 24-bit access clock.
    pub access_clock: u32,
    key_at: u32,
    key_len: u16,
    value_len: u16,
}

impl Head {
    #[inline]
    fn read(bytes: &[u8], at: usize) -> Head {
        let head = read_u64(bytes, at);
        let flags = head as u8;
        let expiry = if flags & FLAG_EXPIRES != 0 { 8 } else { 0 };
        Head {
            flags,
            space: (head >> 8) as u8,
            key_len: (head >> 16) as u16 & 0xff,
            access_clock: (head >> 24) as u32 & 0xff_ffff,
            value_len: (head >> 48) as u16,
            key_at: (at + HEAD_BYTES) as u32 + expiry,
        }
    }

    /// Kind: what the table has stored in it.
    #[inline]
    pub fn kind(&self) -> u8 {
        self.flags & KIND_MASK
    }

    #[inline]
    fn expires(&self) -> bool {
        self.flags & FLAG_EXPIRES != 0
    }

    fn units(&self) -> usize {
        units(self.expires(), self.key_len.into(), self.value_len.into())
    }

    fn key(&self) -> std::ops::Range<usize> {
        let at = self.key_at as usize;
        at..at + usize::from(self.key_len)
    }

    fn value(&self) -> std::ops::Range<usize> {
        let at = self.key().end;
        at..at + usize::from(self.value_len)
    }
}

/// A record that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// Kind (not 0) and flags.
    pub flags: u8,
    /// The database's number in the table.
    pub space: u8,
    /// The 24-bit access clock.
    pub access_clock: u32,
    /// Unix time in ms.
    pub expires_ms: Option<i64>,
    /// At most [`KEY_BYTES_MAX`].
    pub key: &'a [u8],
    /// At most [`VALUE_BYTES_MAX`].
    pub value: &'a [u8],
}

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Records {
    blocks: Vec<Block>,
    /// The block whose end new records are appended to.
    open: u32,
    /// Blocks without memory.
    unused: Vec<u32>,
    /// The block that is being emptied, and how far that has come.
    leaving: Option<(u32, usize)>,
    /// For each size, the blocks that have had a dead record of it. The last one has, or has been emptied since.
    roomy: Vec<Vec<u32>>,
    dead_bytes: usize,
    used_bytes: usize,
}

#[derive(Debug, Default)]
struct Block {
    bytes: Pages,
    /// How many of them hold records, live or dead.
    end: u32,
    /// For each size, the first dead record; made when there is one.
    dead: Option<Box<[u32; SIZES]>>,
    dead_bytes: u32,
}

impl Clone for Block {
    fn clone(&self) -> Self {
        let mut bytes = Pages::default();
        if !self.bytes.is_empty() {
            bytes = Pages::new(BLOCK_BYTES);
            let end = self.end as usize;
            bytes[..end].copy_from_slice(&self.bytes[..end]);
        }
        Block {
            bytes,
            dead: self.dead.clone(),
            ..*self
        }
    }
}

impl Default for Records {
    fn default() -> Self {
        Records {
            blocks: vec![Block::default()],
            open: 0,
            unused: Vec::new(),
            leaving: None,
            roomy: Vec::new(),
            dead_bytes: 0,
            used_bytes: 0,
        }
    }
}

impl Records {
    #[inline]
    fn place(&self, address: u64) -> (&[u8], usize) {
        let block = &self.blocks[(address / BLOCK_UNITS) as usize];
        (&block.bytes, (address % BLOCK_UNITS) as usize * UNIT)
    }

    #[inline]
    fn place_mut(&mut self, address: u64) -> (&mut [u8], usize) {
        let block = &mut self.blocks[(address / BLOCK_UNITS) as usize];
        (&mut block.bytes, (address % BLOCK_UNITS) as usize * UNIT)
    }

    /// Asks the memory for both ends of where a record of usual length lies.
    #[inline]
    pub fn prefetch(&self, address: u64) {
        const USUAL_BYTES: usize = 56;
        let (bytes, at) = self.place(address);
        for place in [at, at + USUAL_BYTES] {
            if let Some(byte) = bytes.get(place) {
                prefetch(byte);
            }
        }
    }

    /// The fixed part of the record at `address`.
    #[inline]
    pub fn head(&self, address: u64) -> Head {
        let (bytes, at) = self.place(address);
        Head::read(bytes, at)
    }

    /// The key of the record at `address`, as it lies there.
    #[inline]
    pub fn key(&self, address: u64, head: &Head) -> &[u8] {
        &self.place(address).0[head.key()]
    }

    /// The value of the record at `address`, as it lies there.
    #[inline]
    pub fn value(&self, address: u64, head: &Head) -> &[u8] {
        &self.place(address).0[head.value()]
    }

    /// When the record at `address` expires, Unix time in ms.
    #[inline]
    pub fn expires_ms(&self, address: u64, head: &Head) -> Option<i64> {
        let (bytes, at) = self.place(address);
        (head.expires()).then(|| read_u64(bytes, at + HEAD_BYTES) as i64)
    }

    /// Writes a record, and gives its address. O(its length).
    pub fn insert(&mut self, record: NewRecord<'_>) -> u64 {
        let expires = record.expires_ms.is_some();
        let address = self.allocate(units(expires, record.key.len(), record.value.len()));
        let (bytes, at) = self.place_mut(address);
        let flags = record.flags & !FLAG_EXPIRES | if expires { FLAG_EXPIRES } else { 0 };
        let head = u64::from(flags)
            | u64::from(record.space) << 8
            | (record.key.len() as u64) << 16
            | u64::from(record.access_clock & 0xff_ffff) << 24
            | (record.value.len() as u64) << 48;
        bytes[at..at + 8].copy_from_slice(&head.to_le_bytes());
        if let Some(ms) = record.expires_ms {
            bytes[at + 8..at + 16].copy_from_slice(&ms.to_le_bytes());
        }
        let head = Head::read(bytes, at);
        bytes[head.key()].copy_from_slice(record.key);
        bytes[head.value()].copy_from_slice(record.value);
        address
    }

    /// Puts another value in the record's place, if one of that length fits; false when it does not.
    #[inline]
    pub fn replace_value(&mut self, address: u64, flags: u8, value: &[u8]) -> bool {
        let (bytes, at) = self.place_mut(address);
        let head = Head::read(bytes, at);
        if units(head.expires(), head.key_len.into(), value.len()) != head.units() {
            return false;
        }
        bytes[at] = flags & !FLAG_EXPIRES | head.flags & FLAG_EXPIRES;
        bytes[at + 6..at + 8].copy_from_slice(&(value.len() as u16).to_le_bytes());
        let start = head.value().start;
        bytes[start..start + value.len()].copy_from_slice(value);
        true
    }

    /// Writes over a number that is (part of) the record's value.
    pub fn set_expires_ms(&mut self, address: u64, ms: i64) -> bool {
        let (bytes, at) = self.place_mut(address);
        let expires = bytes[at] & FLAG_EXPIRES != 0;
        if expires {
            bytes[at + 8..at + 16].copy_from_slice(&ms.to_le_bytes());
        }
        expires
    }

    /// Stores the 24-bit access clock.
    #[inline]
    pub fn touch_clock(&mut self, address: u64, clock: u32) {
        let (bytes, at) = self.place_mut(address);
        let bytes = &mut bytes[at + 3..at + 6];
        let new = &clock.to_le_bytes()[..3];
        // Most reads of a hot key come within one tick of the clock: leave its cache line clean then.
        if bytes != new {
            bytes.copy_from_slice(new);
        }
    }

    /// Turns a flag of the record.
    pub fn flip(&mut self, address: u64, flag: u8) {
        let (bytes, at) = self.place_mut(address);
        bytes[at] ^= flag;
    }

    /// Bytes that the record takes.
    pub fn bytes_of(&self, head: &Head) -> usize {
        head.units() * UNIT
    }

    /// A copy of the record elsewhere. The old one is still to be removed.
    pub fn copy(&mut self, address: u64) -> u64 {
        let units = self.head(address).units();
        let to = self.allocate(units);
        let (bytes, at) = self.place(address);
        let mut record = [0; SIZES * UNIT];
        let len = units * UNIT;
        record[..len].copy_from_slice(&bytes[at..at + len]);
        let (bytes, at) = self.place_mut(to);
        bytes[at..at + len].copy_from_slice(&record[..len]);
        to
    }

    /// Forgets a record. O(1).
    pub fn remove(&mut self, address: u64) {
        let number = (address / BLOCK_UNITS) as u32;
        let at = (address % BLOCK_UNITS) as usize * UNIT;
        let units = Head::read(&self.blocks[number as usize].bytes, at).units();
        self.dead_bytes += units * UNIT;
        self.bury(number, at, units);
        let block = &self.blocks[number as usize];
        if block.dead_bytes == block.end {
            self.empty(number);
        }
    }

    /// Makes a dead record of a place.
    fn bury(&mut self, number: u32, at: usize, units: usize) {
        let is_leaving = self.leaving.is_some_and(|(leaving, _)| leaving == number);
        let block = &mut self.blocks[number as usize];
        block.dead_bytes += (units * UNIT) as u32;
        let mut next = NONE;
        if !is_leaving {
            let dead = block.dead.get_or_insert_with(|| Box::new([NONE; SIZES]));
            next = std::mem::replace(&mut dead[units], at as u32);
            if next == NONE {
                if self.roomy.is_empty() {
                    self.roomy = vec![Vec::new(); SIZES];
                }
                self.roomy[units].push(number);
            }
        }
        let head = u64::from(DEAD) | (units as u64) << 16 | u64::from(next) << 32;
        block.bytes[at..at + 8].copy_from_slice(&head.to_le_bytes());
    }

    /// Gives back the memory of a block in which all is dead.
    fn empty(&mut self, number: u32) {
        let block = &mut self.blocks[number as usize];
        self.dead_bytes -= block.end as usize;
        self.used_bytes -= block.end as usize;
        let bytes = std::mem::take(&mut block.bytes);
        *block = Block::default();
        if number == self.open {
            // It is about to be filled again.
            block.bytes = bytes;
        } else {
            self.unused.push(number);
        }
        if self.leaving.is_some_and(|(leaving, _)| leaving == number) {
            self.leaving = None;
        }
    }

    fn allocate(&mut self, units: usize) -> u64 {
        match self.reuse(units) {
            Some(address) => address,
            None => self.extend(units),
        }
    }

    /// The place of a dead record of just this size.
    fn reuse(&mut self, units: usize) -> Option<u64> {
        let roomy = self.roomy.get_mut(units)?;
        loop {
            let number = *roomy.last()?;
            let block = &mut self.blocks[number as usize];
            let first = block.dead.as_mut().map(|dead| &mut dead[units]);
            let Some(first) = first.filter(|first| **first != NONE) else {
                // The block was emptied since.
                roomy.pop();
                continue;
            };
            let at = *first as usize;
            *first = (read_u64(&block.bytes, at) >> 32) as u32;
            if *first == NONE {
                roomy.pop();
            }
            block.dead_bytes -= (units * UNIT) as u32;
            self.dead_bytes -= units * UNIT;
            return Some(u64::from(number) * BLOCK_UNITS + (at / UNIT) as u64);
        }
    }

    /// A place at the end of the open block, or of a new one.
    fn extend(&mut self, units: usize) -> u64 {
        let len = units * UNIT;
        let end = self.blocks[self.open as usize].end as usize;
        if end + len > BLOCK_BYTES {
            self.close();
            return self.extend(units);
        }
        let block = &mut self.blocks[self.open as usize];
        if block.bytes.is_empty() {
            block.bytes = Pages::new(BLOCK_BYTES);
        }
        block.end += len as u32;
        self.used_bytes += len;
        u64::from(self.open) * BLOCK_UNITS + (end / UNIT) as u64
    }

    /// Opens another block. What is left of the open one, too little for a large record, is kept for small ones.
    fn close(&mut self) {
        let number = self.open;
        let block = &mut self.blocks[number as usize];
        let end = block.end as usize;
        let rest = BLOCK_BYTES - end;
        if rest > 0 {
            block.end = BLOCK_BYTES as u32;
            self.used_bytes += rest;
            self.dead_bytes += rest;
            self.bury(number, end, rest / UNIT);
        }
        self.open = self.unused.pop().unwrap_or_else(|| {
            self.blocks.push(Block::default());
            self.blocks.len() as u32 - 1
        });
    }

    /// Bytes that are dead.
    pub fn dead_bytes(&self) -> usize {
        self.dead_bytes
    }

    /// Whether so much is dead that records should be moved: [`Records::next_leaving`] has one then.
    pub fn is_wasteful(&self) -> bool {
        self.leaving.is_some() || self.dead_bytes * 3 > self.used_bytes + BLOCK_BYTES
    }

    /// Whether half of the memory is dead.
    pub fn is_very_wasteful(&self) -> bool {
        self.dead_bytes * 2 > self.used_bytes + 2 * BLOCK_BYTES
    }

    /// The next record of the block that is being emptied, to be copied elsewhere and removed. `None` when there is
    /// none to be emptied.
    pub fn next_leaving(&mut self) -> Option<u64> {
        let (number, mut at) = match self.leaving {
            Some(leaving) => leaving,
            None => (self.choose_leaving()?, 0),
        };
        let Block { bytes, end, .. } = &self.blocks[number as usize];
        while at < *end as usize {
            let head = Head::read(bytes, at);
            if head.kind() != DEAD {
                self.leaving = Some((number, at + head.units() * UNIT));
                return Some(u64::from(number) * BLOCK_UNITS + (at / UNIT) as u64);
            }
            at += dead_units(bytes, at) * UNIT;
        }
        // Its last record was removed before it was this one's turn, which has emptied it already.
        self.leaving = None;
        None
    }

    /// Chooses the block in which most is dead, if that is worth while.
    fn choose_leaving(&mut self) -> Option<u32> {
        if self.dead_bytes * 4 <= self.used_bytes + BLOCK_BYTES {
            return None;
        }
        let candidates = (0u32..).zip(&self.blocks);
        let (number, block) = candidates
            .filter(|(number, _)| *number != self.open)
            .max_by_key(|(_, block)| block.dead_bytes)?;
        if block.dead_bytes as usize * 8 < BLOCK_BYTES {
            return None;
        }
        // Nothing new is to be put there.
        self.blocks[number as usize].dead = None;
        self.leaving = Some((number, 0));
        Some(number)
    }

    /// Gives back the memory of one block; false when there was none. Only for records that are no longer used.
    pub fn drop_some(&mut self) -> bool {
        let block = self.blocks.pop();
        self.used_bytes -= block.as_ref().map_or(0, |block| block.end as usize);
        block.is_some()
    }

    /// Bytes of memory in use that come from the system and not from the allocator. O(1).
    pub fn mapped_bytes(&self) -> usize {
        match Pages::COME_FROM_THE_SYSTEM {
            true => self.used_bytes,
            false => 0,
        }
    }

    /// Bytes of memory; what was never used of the open block is none. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.used_bytes + self.blocks.capacity() * size_of::<Block>()
    }

    /// Checks what must hold whatever is in it, given the addresses of all records.
    #[cfg(test)]
    pub fn check(&self, mut addresses: Vec<u64>) {
        addresses.sort_unstable();
        let mut addresses = addresses.into_iter().peekable();
        let (mut dead_bytes, mut used_bytes) = (0, 0);
        for (number, block) in (0u32..).zip(&self.blocks) {
            let (mut at, mut dead) = (0, 0);
            let mut dead_at = std::collections::BTreeSet::new();
            while at < block.end as usize {
                let head = Head::read(&block.bytes, at);
                let address = u64::from(number) * BLOCK_UNITS + (at / UNIT) as u64;
                let units = if head.kind() == DEAD {
                    dead += dead_units(&block.bytes, at) * UNIT;
                    dead_at.insert(at as u32);
                    dead_units(&block.bytes, at)
                } else {
                    assert_eq!(addresses.next(), Some(address), "a record has a slot");
                    head.units()
                };
                at += units * UNIT;
            }
            assert_eq!(at, block.end as usize, "records fill their block");
            assert_eq!(dead, block.dead_bytes as usize);
            let is_leaving = self.leaving.is_some_and(|(leaving, _)| leaving == number);
            for (units, first) in block.dead.iter().flat_map(|dead| dead.iter().enumerate()) {
                let mut next = *first;
                assert!(next == NONE || self.roomy[units].contains(&number));
                while next != NONE {
                    assert!(dead_at.remove(&next), "a dead record is listed once");
                    assert_eq!(dead_units(&block.bytes, next as usize), units);
                    next = (read_u64(&block.bytes, next as usize) >> 32) as u32;
                }
            }
            assert!(is_leaving || dead_at.is_empty(), "a dead record is listed");
            assert!(!self.unused.contains(&number) || block.bytes.is_empty());
            dead_bytes += dead;
            used_bytes += block.end as usize;
        }
        assert_eq!(addresses.next(), None, "a slot has a record");
        let counted = (self.dead_bytes, self.used_bytes);
        assert_eq!(counted, (dead_bytes, used_bytes));
    }
}

#[inline]
fn units(expires: bool, key_len: usize, value_len: usize) -> usize {
    (HEAD_BYTES + if expires { 8 } else { 0 } + key_len + value_len).div_ceil(UNIT)
}

fn dead_units(bytes: &[u8], at: usize) -> usize {
    (read_u64(bytes, at) >> 16) as usize & 0xffff
}

/// A number that lies in a record.
#[inline]
pub fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// The same, of half the length.
#[inline]
pub fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |chunk| u32::from_le_bytes(*chunk))
}
