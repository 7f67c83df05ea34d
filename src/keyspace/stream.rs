//! The stream: a log of entries with ids that go up, and consumer groups that share the work of reading it.
//!
//! ```text
//! Stream
//!   log ------- Block Block Block            by first id; up to 100 entries or about 4 KiB each
//!                 `- entry entry entry
//!   groups ---- Group                        by name
//!                 |- pending                 by id: what was delivered and not acknowledged
//!                 `- consumer consumer       by name, each with its pending ids
//! ```
//!
//! It behaves as Redis 7.2's does. It knows no keys, no protocol and no clock: the time is handed in, in milliseconds
//! of Unix time.

mod block;
mod builder;
mod group;
mod id;
mod log;

pub(crate) use block::Block;
pub use block::{Entry, Fields};
pub use builder::{BuildError, LogBuilder};
pub use group::{
    AutoClaim, Claim, Claimed, ConsumerInfo, Delivered, DeliveredAt, Group, GroupExists,
    HistoryRead, NewRead, NoGroup, Pending, PendingEntries, PendingQuery,
};
pub use id::{BoundError, IdText, InvalidId, NewId, StreamId};
pub use log::{
    AppendError, ENTRY_BYTES_MAX, Keep, Log, Range, SetIdError, TRIM_LIMIT_DEFAULT, Trim,
};

use std::collections::BTreeMap;

/// A stream. It may be empty, and is then still a stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Its entries.
    pub log: Log,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// What the groups and their names have on the heap, beside the tree.
    group_heap_bytes: usize,
}

/// What `XINFO STREAM` says, beside what it says of groups.
#[derive(Clone, Copy, Debug)]
pub struct StreamInfo<'a> {
    /// The number of entries.
    pub length: u64,
    /// The number of blocks.
    pub radix_tree_keys: usize,
    /// About what Redis would say; there is no radix tree here.
    pub radix_tree_nodes: usize,
    /// The last id that was given to an entry or set.
    pub last_generated_id: StreamId,
    /// The largest id that was deleted; `0-0` for none.
    pub max_deleted_entry_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    /// The first entry's id; `0-0` for none.
    pub recorded_first_entry_id: StreamId,
    /// The number of groups.
    pub groups: usize,
    /// The first entry.
    pub first_entry: Option<Entry<'a>>,
    /// The last entry.
    pub last_entry: Option<Entry<'a>>,
}

/// What `XINFO GROUPS` says of one.
#[derive(Clone, Copy, Debug)]
pub struct GroupInfo<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// How many entries it has not read, where that is known.
    pub lag: Option<i64>,
    /// All the rest.
    pub group: &'a Group,
}

impl Stream {
    /// A stream without entries and groups.
    pub fn new() -> Stream {
        Stream::default()
    }

    /// A stream of these entries, without groups.
    pub fn from_log(log: Log) -> Stream {
        Stream {
            log,
            ..Stream::default()
        }
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// The bytes on the heap; those of the trees' nodes are an estimate. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.log.heap_bytes()
            + self.group_heap_bytes
            + tree_bytes::<Box<[u8]>, Group>(self.groups.len())
    }

    /// Frees a bounded part, at most `budget` pending entries or an eighth as many blocks, so that a huge stream can be
    /// dropped over many turns; returns whether all is free.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        if !self.log.drop_some(budget) {
            return false;
        }
        if let Some(mut last) = self.groups.last_entry() {
            self.group_heap_bytes -= last.get().heap_bytes();
            if last.get_mut().drop_some(budget) {
                self.group_heap_bytes -= last.key().len();
                last.remove();
            } else {
                self.group_heap_bytes += last.get().heap_bytes();
            }
        }
        self.groups.is_empty()
    }

    /// What `XINFO STREAM` says. For `FULL` there is [`Log::range`], [`groups`](Stream::groups) and
    /// [`Group::pending`].
    pub fn info(&self) -> StreamInfo<'_> {
        let log = &self.log;
        let mut entries = log.range(StreamId::MIN, StreamId::MAX);
        StreamInfo {
            length: log.len(),
            radix_tree_keys: log.blocks(),
            radix_tree_nodes: log.blocks() + 1,
            last_generated_id: log.last_id(),
            max_deleted_entry_id: log.max_deleted_id(),
            entries_added: log.entries_added(),
            recorded_first_entry_id: log.first_id(),
            groups: self.groups.len(),
            first_entry: entries.clone().next(),
            last_entry: entries.next_back(),
        }
    }

    /// How many groups there are.
    pub fn groups_len(&self) -> usize {
        self.groups.len()
    }

    /// The groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = GroupInfo<'_>> {
        self.groups.iter().map(|(name, group)| GroupInfo {
            name,
            lag: group.lag(&self.log),
            group,
        })
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Result<&Group, NoGroup> {
        self.groups.get(name).ok_or(NoGroup)
    }

    /// Makes a group that has read up to `last_delivered_id` (for `$`: the log's last id).
    pub fn create_group(
        &mut self,
        name: &[u8],
        last_delivered_id: StreamId,
        entries_read: Option<u64>,
    ) -> Result<(), GroupExists> {
        self.add_group(name, Group::new(last_delivered_id, entries_read))
    }

    /// Takes a group in, as it was [built](Group::new).
    pub fn add_group(&mut self, name: &[u8], group: Group) -> Result<(), GroupExists> {
        if self.groups.contains_key(name) {
            return Err(GroupExists);
        }
        self.group_heap_bytes += group.heap_bytes() + name.len();
        self.groups.insert(name.into(), group);
        Ok(())
    }

    /// Takes a group out, as a stream that holds nothing else: a big one is to be [freed](Stream::drop_some) at leisure.
    pub fn destroy_group(&mut self, name: &[u8]) -> Option<Stream> {
        let (name, group) = self.groups.remove_entry(name)?;
        let group_heap_bytes = group.heap_bytes() + name.len();
        self.group_heap_bytes -= group_heap_bytes;
        Some(Stream {
            groups: BTreeMap::from([(name, group)]),
            group_heap_bytes,
            ..Stream::default()
        })
    }

    /// Sets how far a group has read.
    pub fn set_group_id(
        &mut self,
        name: &[u8],
        id: StreamId,
        entries_read: Option<u64>,
    ) -> Result<(), NoGroup> {
        self.with_group(name, |group, _| group.set_position(id, entries_read))
    }

    /// Makes a consumer; returns whether there was none of this name.
    pub fn create_consumer(
        &mut self,
        group: &[u8],
        consumer: &[u8],
        now_ms: i64,
    ) -> Result<bool, NoGroup> {
        self.with_group(group, |group, _| group.create_consumer(consumer, now_ms))
    }

    /// Puts a consumer in as it was.
    pub fn restore_consumer(
        &mut self,
        group: &[u8],
        consumer: &[u8],
        seen_ms: i64,
        active_ms: Option<i64>,
    ) -> Result<(), NoGroup> {
        self.with_group(group, |group, _| {
            group.restore_consumer(consumer, seen_ms, active_ms)
        })
    }

    /// Puts a pending entry in as it was; its consumer must be there, or nothing is done.
    pub fn restore_pending(&mut self, group: &[u8], pending: Pending<'_>) -> Result<(), NoGroup> {
        self.with_group(group, |group, _| group.restore_pending(pending))
    }

    /// Removes a consumer with its pending entries; returns how many those were, or `None` if there is no such
    /// consumer. O(its pending entries).
    pub fn delete_consumer(
        &mut self,
        group: &[u8],
        consumer: &[u8],
    ) -> Result<Option<usize>, NoGroup> {
        self.with_group(group, |group, _| group.delete_consumer(consumer))
    }

    /// Delivers up to `count` entries that the group has not read yet (`XREADGROUP` with `>`). They become pending
    /// unless `no_ack`. The consumer is made if there is none of this name.
    pub fn read_new(
        &mut self,
        group: &[u8],
        consumer: &[u8],
        count: usize,
        no_ack: bool,
        now_ms: i64,
    ) -> Result<NewRead, NoGroup> {
        self.with_group(group, |group, log| {
            group.read_new(log, consumer, count, no_ack, now_ms)
        })
    }

    /// Delivers again up to `count` entries behind `after` that are pending for the consumer (`XREADGROUP` with an id).
    /// The consumer is made if there is none of this name.
    pub fn read_history(
        &mut self,
        group: &[u8],
        consumer: &[u8],
        after: StreamId,
        count: usize,
        now_ms: i64,
    ) -> Result<HistoryRead, NoGroup> {
        self.with_group(group, |group, log| {
            group.read_history(log, consumer, after, count, now_ms)
        })
    }

    /// Takes entries off the pending ones; returns how many were.
    pub fn acknowledge(&mut self, group: &[u8], ids: &[StreamId]) -> Result<usize, NoGroup> {
        self.with_group(group, |group, _| {
            ids.iter().filter(|id| group.acknowledge(**id)).count()
        })
    }

    /// Gives pending entries to a consumer, which is made if there is none of this name.
    pub fn claim(
        &mut self,
        group: &[u8],
        consumer: &[u8],
        claim: &Claim,
        ids: &[StreamId],
        now_ms: i64,
    ) -> Result<Claimed, NoGroup> {
        self.with_group(group, |group, log| {
            group.claim(log, consumer, claim, ids, now_ms)
        })
    }

    /// Gives the pending entries of a range to a consumer, which is made if there is none of this name.
    pub fn autoclaim(
        &mut self,
        group: &[u8],
        consumer: &[u8],
        claim: &AutoClaim,
        now_ms: i64,
    ) -> Result<Claimed, NoGroup> {
        self.with_group(group, |group, log| {
            group.autoclaim(log, consumer, claim, now_ms)
        })
    }

    /// Does something to a group, and keeps the account of its memory.
    fn with_group<R>(
        &mut self,
        name: &[u8],
        act: impl FnOnce(&mut Group, &Log) -> R,
    ) -> Result<R, NoGroup> {
        let group = self.groups.get_mut(name).ok_or(NoGroup)?;
        self.group_heap_bytes -= group.heap_bytes();
        let result = act(group, &self.log);
        self.group_heap_bytes += group.heap_bytes();
        Ok(result)
    }
}

/// About what a tree of this many entries takes. Its nodes have room for 11, and are half full when the keys were added
/// in order.
fn tree_bytes<K, V>(entries: usize) -> usize {
    let slots = if entries == 0 {
        0
    } else {
        (2 * entries).max(11)
    };
    slots * (size_of::<K>() + size_of::<V>())
}

#[cfg(test)]
mod tests;
