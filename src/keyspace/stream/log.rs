//! The entries of a stream: appended at the end, deleted anywhere, trimmed at the front, read in both directions.
//!
//! Blocks of entries are kept in a tree by the id they begin with, so that finding one is O(log n) and no growth
//! copies more than one block. This module must not know consumer groups.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use super::block::{Block, ENTRIES_MAX, Entry, Size};
use super::id::{NewId, StreamId};
use super::tree_bytes;

/// The names and values of one entry may together have this many bytes.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;

/// How many entries an approximate trim removes at most unless told: those of 100 full blocks.
pub const TRIM_LIMIT_DEFAULT: u64 = 100 * ENTRIES_MAX as u64;

/// The entries, and what is remembered of those that are gone.
#[derive(Debug, Default)]
pub struct Log {
    blocks: BTreeMap<StreamId, Block>,
    block_heap_bytes: usize,
    len: u64,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
}

/// Why an entry was not added. The text is Redis's, without `ERR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The id is `0-0`.
    IdZero,
    /// The id is not above the last one.
    IdTooSmall,
    /// The last id is the last possible one.
    IdsExhausted,
    /// The names and values have more than [`ENTRY_BYTES_MAX`] bytes.
    TooLarge,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AppendError::IdZero => "The ID specified in XADD must be greater than 0-0",
            AppendError::IdTooSmall => {
                "The ID specified in XADD is equal or smaller than the target stream top item"
            }
            AppendError::IdsExhausted => {
                "The stream has exhausted the last possible ID, unable to add more items"
            }
            AppendError::TooLarge => "Elements are too large to be stored",
        })
    }
}

impl std::error::Error for AppendError {}

/// Why the last id was not set. The text is Redis's, without `ERR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetIdError {
    /// It is below the largest deleted id that is to be set with it.
    BelowNewMaxDeleted,
    /// It is below the largest deleted id.
    BelowMaxDeleted,
    /// It is below the last entry's.
    BelowTop,
    /// There are more entries than are said to have been added.
    AddedBelowLength,
}

impl fmt::Display for SetIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetIdError::BelowNewMaxDeleted => {
                "The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
            }
            SetIdError::BelowMaxDeleted => {
                "The ID specified in XSETID is smaller than current max_deleted_entry_id"
            }
            SetIdError::BelowTop => {
                "The ID specified in XSETID is smaller than the target stream top item"
            }
            SetIdError::AddedBelowLength => {
                "The entries_added specified in XSETID is smaller than the target stream length"
            }
        })
    }
}

impl std::error::Error for SetIdError {}

/// What is to be trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What shall be left.
    pub keep: Keep,
    /// `None`: exactly that. `Some(limit)`: only whole blocks are removed, and stops before more than `limit` entries
    /// are (0: no limit; [`TRIM_LIMIT_DEFAULT`] unless the client says).
    pub approximate: Option<u64>,
}

/// Which entries a trim leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The last so many (`MAXLEN`).
    Last(u64),
    /// Those from this id on (`MINID`).
    From(StreamId),
}

impl Clone for Log {
    fn clone(&self) -> Log {
        let blocks = self.blocks.clone();
        Log {
            // The copies keep no memory for further entries.
            block_heap_bytes: blocks.values().map(Block::heap_bytes).sum(),
            blocks,
            ..*self
        }
    }
}

impl Log {
    /// The number of entries.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The id of the first entry; `0-0` if there is none. O(1).
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The last id that was given to an entry or [set](Log::set_last_id).
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The id of the last entry that is still there; what `XREAD` and `XREADGROUP` compare with.
    pub fn top_id(&self) -> Option<StreamId> {
        self.range(StreamId::MIN, StreamId::MAX)
            .next_back()
            .map(|entry| entry.id)
    }

    /// The largest id that [`delete`](Log::delete) deleted; `0-0` if it deleted none.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// The number of blocks: Redis's `radix-tree-keys`.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The blocks, in order.
    pub(crate) fn iter_blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.values()
    }

    /// A log of these blocks, each under its first id and with ids above those of the one before.
    pub(super) fn from_blocks(
        blocks: BTreeMap<StreamId, Block>,
        last_id: StreamId,
        max_deleted_id: StreamId,
        entries_added: u64,
    ) -> Log {
        let mut log = Log {
            block_heap_bytes: blocks.values().map(Block::heap_bytes).sum(),
            len: blocks.values().map(|block| block.live() as u64).sum(),
            blocks,
            first_id: StreamId::MIN,
            last_id,
            max_deleted_id,
            entries_added,
        };
        log.find_first_id();
        log
    }

    /// The bytes on the heap; those of the tree's nodes are an estimate. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.block_heap_bytes + tree_bytes::<StreamId, Block>(self.blocks.len())
    }

    /// The id that an entry would get at `now_ms`, or why it would get none. A caller asks before it makes a new key.
    pub fn next_id(&self, id: NewId, now_ms: u64) -> Result<StreamId, AppendError> {
        if id == NewId::Exact(StreamId::MIN) {
            return Err(AppendError::IdZero);
        }
        let following = self.last_id.next().ok_or(AppendError::IdsExhausted)?;
        let id = match id {
            NewId::Auto if now_ms > self.last_id.ms => StreamId::new(now_ms, 0),
            NewId::Auto => following,
            // The number does not carry over into the next millisecond.
            NewId::AutoSeq(ms) if ms == self.last_id.ms && ms == following.ms => following,
            NewId::AutoSeq(ms) => StreamId::new(ms, 0),
            NewId::Exact(id) => id,
        };
        if id > self.last_id {
            Ok(id)
        } else {
            Err(AppendError::IdTooSmall)
        }
    }

    /// Adds an entry with these names and values, and returns its id. O(1) amortized but for the tree's depth.
    pub fn append<'f, F>(
        &mut self,
        id: NewId,
        now_ms: u64,
        fields: F,
    ) -> Result<StreamId, AppendError>
    where
        F: Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
    {
        let id = self.next_id(id, now_ms)?;
        let size = Size::of(fields.clone());
        if size.bytes > ENTRY_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        match self.blocks.last_entry() {
            // After XSETID has lowered the last id, a deleted entry may have a larger id than the new one.
            Some(mut last) if last.get().has_room(size) && last.get().last() < id => {
                let block = last.get_mut();
                self.block_heap_bytes -= block.heap_bytes();
                block.push(id, size, fields);
                self.block_heap_bytes += block.heap_bytes();
            }
            last => {
                if let Some(mut last) = last {
                    let block = last.get_mut();
                    self.block_heap_bytes -= block.heap_bytes();
                    block.close();
                    self.block_heap_bytes += block.heap_bytes();
                }
                let block = Block::new(id, size, fields);
                self.block_heap_bytes += block.heap_bytes();
                self.blocks.insert(id, block);
            }
        }
        if self.len == 0 {
            self.first_id = id;
        }
        self.len += 1;
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        Ok(id)
    }

    /// The entry with this id. O(log n).
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let block = self.block_of(id)?;
        block.find(id).map(|index| block.entry(index))
    }

    /// Whether there is an entry with this id. O(log n).
    pub fn contains(&self, id: StreamId) -> bool {
        self.block_of(id)
            .is_some_and(|block| block.find(id).is_some())
    }

    /// The entries from `start` to `end`, both included, from either side. O(log n) to begin.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        Range {
            log: self,
            start,
            end,
            front: None,
            back: None,
            done: start > end,
        }
    }

    /// Deletes the entry with this id; returns whether there was one. O(log n).
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((base, block)) = self.blocks.range_mut(..=id).next_back() else {
            return false;
        };
        let Some(index) = block.find(id) else {
            return false;
        };
        block.delete(index);
        if block.live() == 0 {
            let base = *base;
            self.remove_block(base);
        }
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.find_first_id();
        }
        true
    }

    /// Removes entries from the front; returns how many. O(blocks removed), plus one block if it is exact.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let limit = trim.approximate.filter(|limit| *limit > 0);
        let mut trimmed = 0;
        while let Some(mut first) = self.blocks.first_entry() {
            let block = first.get_mut();
            let live = block.live() as u64;
            if matches!(trim.keep, Keep::Last(len) if self.len <= len)
                || limit.is_some_and(|limit| trimmed + live > limit)
            {
                break;
            }
            let remove = match trim.keep {
                Keep::Last(len) => self.len - live >= len,
                Keep::From(id) => block.last() < id,
            };
            if !remove && trim.approximate.is_some() {
                break;
            }
            if !remove {
                let end = match trim.keep {
                    Keep::Last(_) => block.len(),
                    Keep::From(id) => block.lower_bound(id),
                };
                for index in 0..end {
                    if matches!(trim.keep, Keep::Last(len) if self.len == len) {
                        break;
                    }
                    let deleted = u64::from(block.delete(index));
                    self.len -= deleted;
                    trimmed += deleted;
                }
                // Only deleted entries from the id on.
                if block.live() == 0 {
                    let base = *first.key();
                    self.remove_block(base);
                }
                break;
            }
            self.len -= live;
            trimmed += live;
            let base = *first.key();
            self.remove_block(base);
        }
        if trimmed > 0 {
            self.find_first_id();
        }
        trimmed
    }

    /// Sets the last id (`XSETID`), and how many entries were added and the largest deleted id where they are given.
    pub fn set_last_id(
        &mut self,
        id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) -> Result<(), SetIdError> {
        if max_deleted_id.is_some_and(|max| id < max) {
            return Err(SetIdError::BelowNewMaxDeleted);
        }
        if id < self.max_deleted_id {
            return Err(SetIdError::BelowMaxDeleted);
        }
        if self.top_id().is_some_and(|top| id < top) {
            return Err(SetIdError::BelowTop);
        }
        if entries_added.is_some_and(|added| added < self.len) {
            return Err(SetIdError::AddedBelowLength);
        }
        self.last_id = id;
        if let Some(added) = entries_added {
            self.entries_added = added;
        }
        // Redis takes 0-0 for "not given".
        if let Some(max) = max_deleted_id.filter(|max| *max != StreamId::MIN) {
            self.max_deleted_id = max;
        }
        Ok(())
    }

    /// Whether an entry was deleted at `start` or behind it, as far as is known without a search.
    pub(super) fn has_deleted_from(&self, start: StreamId) -> bool {
        self.len > 0
            && self.max_deleted_id != StreamId::MIN
            && self.first_id <= self.max_deleted_id
            && start <= self.max_deleted_id
    }

    /// How many entries were added up to and with `id`, where that is known without a search.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.len == 0 && id < self.last_id) {
            return Some(self.entries_added);
        }
        let gaps = self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= self.first_id;
        if gaps || id > self.first_id || id > self.last_id {
            return None;
        }
        // An id before the first entry counts none of those that are left, the first entry's own counts one.
        let before = self.entries_added.wrapping_sub(self.len);
        Some(before.wrapping_add(u64::from(id == self.first_id)))
    }

    /// Frees a bounded part, a block for every 8 of `budget`; returns whether none is left.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        for _ in 0..budget.div_ceil(8) {
            let Some((_, block)) = self.blocks.pop_first() else {
                break;
            };
            self.len -= block.live() as u64;
            self.block_heap_bytes -= block.heap_bytes();
        }
        self.blocks.is_empty()
    }

    fn remove_block(&mut self, base: StreamId) {
        if let Some(block) = self.blocks.remove(&base) {
            self.block_heap_bytes -= block.heap_bytes();
        }
    }

    fn find_first_id(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next();
        self.first_id = first.map_or(StreamId::MIN, |entry| entry.id);
    }

    fn block_of(&self, id: StreamId) -> Option<&Block> {
        self.blocks.range(..=id).next_back().map(|(_, block)| block)
    }
}

/// Entries in the order of their ids, or from the back in the opposite one.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    log: &'a Log,
    /// What is left, both included, unless all is done.
    start: StreamId,
    end: StreamId,
    done: bool,
    /// The block and the index of the entry to look at next.
    front: Option<(&'a Block, usize)>,
    /// The block and the index behind the entry to look at next.
    back: Option<(&'a Block, usize)>,
}

impl<'a> Range<'a> {
    /// Where the first entry of the range is, or would be.
    fn seek_front(&self) -> Option<(&'a Block, usize)> {
        match self.log.block_of(self.start) {
            Some(block) => Some((block, block.lower_bound(self.start))),
            None => {
                let (_, block) = self.log.blocks.first_key_value()?;
                Some((block, 0))
            }
        }
    }

    /// Where the last entry of the range is, or would be, plus one.
    fn seek_back(&self) -> Option<(&'a Block, usize)> {
        let block = self.log.block_of(self.end)?;
        let index = match self.end.next() {
            Some(behind) => block.lower_bound(behind),
            None => block.len(),
        };
        Some((block, index))
    }

    fn block_behind(&self, block: &Block) -> Option<&'a Block> {
        let behind = (Bound::Excluded(block.base()), Bound::Unbounded);
        self.log.blocks.range(behind).next().map(|(_, block)| block)
    }

    fn block_before(&self, block: &Block) -> Option<&'a Block> {
        self.log
            .blocks
            .range(..block.base())
            .next_back()
            .map(|(_, block)| block)
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        while !self.done {
            let Some((block, index)) = self.front.or_else(|| self.seek_front()) else {
                break;
            };
            if index == block.len() {
                let Some(behind) = self.block_behind(block) else {
                    break;
                };
                self.front = Some((behind, 0));
                continue;
            }
            self.front = Some((block, index + 1));
            let entry = block.entry(index);
            if entry.is_deleted() {
                continue;
            }
            if entry.id > self.end {
                break;
            }
            match entry.id.next() {
                Some(start) => self.start = start,
                None => self.done = true,
            }
            return Some(entry);
        }
        self.done = true;
        None
    }
}

impl<'a> DoubleEndedIterator for Range<'a> {
    fn next_back(&mut self) -> Option<Entry<'a>> {
        while !self.done {
            let Some((block, index)) = self.back.or_else(|| self.seek_back()) else {
                break;
            };
            let Some(index) = index.checked_sub(1) else {
                let Some(before) = self.block_before(block) else {
                    break;
                };
                self.back = Some((before, before.len()));
                continue;
            };
            self.back = Some((block, index));
            let entry = block.entry(index);
            if entry.is_deleted() {
                continue;
            }
            if entry.id < self.start {
                break;
            }
            match entry.id.previous() {
                Some(end) => self.end = end,
                None => self.done = true,
            }
            return Some(entry);
        }
        self.done = true;
        None
    }
}
