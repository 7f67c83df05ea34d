//! A consumer group: how far it has read, and what it delivered that nobody has acknowledged yet.
//!
//! Pending entries are known by their ids alone: an entry may be gone from the stream and still be pending. This
//! module must not know the time, nor how entries are kept.

use std::collections::{BTreeMap, BTreeSet, btree_map, btree_set};
use std::fmt;
use std::sync::Arc;

use super::id::StreamId;
use super::log::Log;
use super::tree_bytes;

/// A consumer group.
#[derive(Clone, Debug)]
pub struct Group {
    last_delivered_id: StreamId,
    entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Delivery>,
    consumers: BTreeMap<Arc<[u8]>, Consumer>,
    name_bytes: usize,
}

/// The last time that a pending entry was delivered.
#[derive(Clone, Debug)]
struct Delivery {
    consumer: Arc<[u8]>,
    time_ms: i64,
    count: u64,
}

#[derive(Clone, Debug, Default)]
struct Consumer {
    pending: BTreeSet<StreamId>,
    seen_ms: i64,
    active_ms: Option<i64>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending<'a> {
    /// The entry, which need not be in the stream any more.
    pub id: StreamId,
    /// To whom it was delivered.
    pub consumer: &'a [u8],
    /// When, in milliseconds of Unix time.
    pub delivery_ms: i64,
    /// How many times.
    pub delivery_count: u64,
}

impl Pending<'_> {
    /// How long ago that was, in milliseconds; 0 if the clock went back.
    pub fn idle_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.delivery_ms).max(0)
    }
}

/// Which pending entries are asked for.
#[derive(Clone, Copy, Debug)]
pub struct PendingQuery<'a> {
    /// The first id.
    pub start: StreamId,
    /// The last id.
    pub end: StreamId,
    /// Only those of this consumer.
    pub consumer: Option<&'a [u8]>,
    /// Only those that were delivered at least this long ago; 0 for all.
    pub min_idle_ms: i64,
    /// Unix time.
    pub now_ms: i64,
}

impl PendingQuery<'_> {
    /// All of a group.
    pub const ALL: PendingQuery<'static> = PendingQuery {
        start: StreamId::MIN,
        end: StreamId::MAX,
        consumer: None,
        min_idle_ms: 0,
        now_ms: 0,
    };
}

/// What `XINFO CONSUMERS` says of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerInfo<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// How many entries it has not acknowledged.
    pub pending: usize,
    /// When it last asked for something, in milliseconds of Unix time.
    pub seen_ms: i64,
    /// When it last got something; `None` if it never did.
    pub active_ms: Option<i64>,
}

impl ConsumerInfo<'_> {
    /// `idle`: milliseconds since it asked for something; 0 if the clock went back.
    pub fn idle_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.seen_ms).max(0)
    }

    /// `inactive`: milliseconds since it got something, -1 if it never did.
    pub fn inactive_ms(&self, now_ms: i64) -> i64 {
        self.active_ms
            .map_or(-1, |active_ms| now_ms.saturating_sub(active_ms))
    }
}

/// How a claim changes what it moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Only entries that were delivered at least this long ago; 0 for all.
    pub min_idle_ms: i64,
    /// When they count as delivered.
    pub delivered: DeliveredAt,
    /// How many times they count as delivered; one more than before, or as before for `just_id`, if `None`.
    pub delivery_count: Option<u64>,
    /// Entries that are not pending become so, if they are in the stream.
    pub force: bool,
    /// Only ids are asked for, so that this is no delivery.
    pub just_id: bool,
    /// The group has read at least up to here.
    pub last_id: Option<StreamId>,
}

/// When a claimed entry counts as delivered. A time in the future, or before 1970, is taken for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveredAt {
    /// Now.
    #[default]
    Now,
    /// So many milliseconds ago (`IDLE`).
    Ago(i64),
    /// At this Unix time in milliseconds (`TIME`).
    Time(i64),
}

impl DeliveredAt {
    fn time_ms(self, now_ms: i64) -> i64 {
        let time_ms = match self {
            DeliveredAt::Now => now_ms,
            DeliveredAt::Ago(idle_ms) => now_ms.saturating_sub(idle_ms),
            DeliveredAt::Time(time_ms) => time_ms,
        };
        if (0..=now_ms).contains(&time_ms) {
            time_ms
        } else {
            now_ms
        }
    }
}

/// Which entries an [automatic claim](super::Stream::autoclaim) looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoClaim {
    /// Only entries that were delivered at least this long ago; 0 for all.
    pub min_idle_ms: i64,
    /// The first id.
    pub start: StreamId,
    /// How many entries it takes at most (100 unless the client says); it looks at ten times as many.
    pub count: u64,
    /// Only ids are asked for, so that this is no delivery.
    pub just_id: bool,
}

/// What `>` delivered: the entries from `first` to `last`, all that are in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The first one's id.
    pub first: StreamId,
    /// The last one's id.
    pub last: StreamId,
    /// How many there are.
    pub count: usize,
}

/// What a read of new entries did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewRead {
    /// What was delivered, if anything.
    pub delivered: Option<Delivered>,
    /// Whether the consumer is new.
    pub consumer_created: bool,
}

/// What a read of a consumer's own pending entries found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRead {
    /// The ids; the entries of some may be gone from the stream.
    pub ids: Vec<StreamId>,
    /// Whether the consumer is new.
    pub consumer_created: bool,
}

/// What a claim did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The entries that are the consumer's now; all are in the stream.
    pub ids: Vec<StreamId>,
    /// Those that were pending and are gone from the stream; they are not pending any more.
    pub deleted: Vec<StreamId>,
    /// Whether the consumer is new.
    pub consumer_created: bool,
    /// Whether the group's last delivered id was moved.
    pub last_id_moved: bool,
    /// Where an automatic claim goes on; `0-0` when it is through.
    pub cursor: StreamId,
}

/// There is no such group. The text that a client gets names the key too: it is for the caller to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGroup;

impl fmt::Display for NoGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such consumer group")
    }
}

impl std::error::Error for NoGroup {}

/// There is a group of this name. The text is Redis's; `BUSYGROUP` stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupExists;

impl fmt::Display for GroupExists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Consumer Group name already exists")
    }
}

impl std::error::Error for GroupExists {}

impl Group {
    /// A group without consumers, which has read up to this entry.
    pub fn new(last_delivered_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            last_delivered_id,
            entries_read,
            pending: BTreeMap::new(),
            consumers: BTreeMap::new(),
            name_bytes: 0,
        }
    }

    /// The last id that was delivered as new, or that was set.
    pub fn last_delivered_id(&self) -> StreamId {
        self.last_delivered_id
    }

    /// How many of the entries that were ever added the group has read, where that is known.
    pub fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The smallest and the largest id that is pending.
    pub fn pending_bounds(&self) -> Option<(StreamId, StreamId)> {
        let (first, _) = self.pending.first_key_value()?;
        let (last, _) = self.pending.last_key_value()?;
        Some((*first, *last))
    }

    /// What is known of the delivery of one entry, if it is pending.
    pub fn pending_entry(&self, id: StreamId) -> Option<Pending<'_>> {
        self.pending.get(&id).map(|delivery| delivery.pending(id))
    }

    /// The pending entries that are asked for, by id. O(log n), and the entries it passes over.
    pub fn pending<'a>(&'a self, query: &PendingQuery<'_>) -> PendingEntries<'a> {
        let range = query.start..=query.end;
        let ids = match query.consumer {
            // A tree takes no range that ends before it begins.
            _ if query.start > query.end => Ids::None,
            None => Ids::All(self.pending.range(range)),
            Some(name) => match self.consumers.get(name) {
                Some(consumer) => Ids::Of(consumer.pending.range(range)),
                None => Ids::None,
            },
        };
        PendingEntries {
            group: self,
            ids,
            delivered_by_ms: (query.min_idle_ms > 0)
                .then(|| query.now_ms.saturating_sub(query.min_idle_ms)),
        }
    }

    /// How many consumers there are.
    pub fn consumers_len(&self) -> usize {
        self.consumers.len()
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = ConsumerInfo<'_>> {
        self.consumers.iter().map(|(name, consumer)| ConsumerInfo {
            name,
            pending: consumer.pending.len(),
            seen_ms: consumer.seen_ms,
            active_ms: consumer.active_ms,
        })
    }

    /// How many entries of `log` the group has not read yet, where that is known. Less than none if it is said to have
    /// read more than were added.
    pub fn lag(&self, log: &Log) -> Option<i64> {
        let read = match self.entries_read {
            _ if log.entries_added() == 0 => return Some(0),
            Some(read) if !log.has_deleted_from(self.last_delivered_id) => read,
            _ => log.entries_up_to(self.last_delivered_id)?,
        };
        Some(log.entries_added().wrapping_sub(read).cast_signed())
    }

    /// The bytes on the heap; those of the trees' nodes are an estimate. O(1).
    pub fn heap_bytes(&self) -> usize {
        /// The two counters of an `Arc`.
        const ARC_BYTES: usize = 2 * size_of::<usize>();
        tree_bytes::<StreamId, Delivery>(self.pending.len())
            + tree_bytes::<StreamId, ()>(self.pending.len())
            + tree_bytes::<Arc<[u8]>, Consumer>(self.consumers.len())
            + self.consumers.len() * ARC_BYTES
            + self.name_bytes
    }

    /// Frees about `budget` pending entries or consumers; returns whether none is left.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            let Some(mut last) = self.consumers.last_entry() else {
                break;
            };
            if let Some(id) = last.get_mut().pending.pop_last() {
                self.pending.remove(&id);
            } else {
                self.name_bytes -= last.key().len();
                last.remove();
            }
        }
        self.consumers.is_empty()
    }

    pub(super) fn set_position(&mut self, id: StreamId, entries_read: Option<u64>) {
        self.last_delivered_id = id;
        self.entries_read = entries_read;
    }

    /// Puts a consumer in as it was.
    pub(super) fn restore_consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: Option<i64>) {
        self.create_consumer(name, seen_ms);
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.seen_ms = seen_ms;
            consumer.active_ms = active_ms;
        }
    }

    /// Puts a pending entry in as it was; its consumer must be there, or nothing is done.
    pub(super) fn restore_pending(&mut self, pending: Pending<'_>) {
        let Some((name, _)) = self.consumers.get_key_value(pending.consumer) else {
            return;
        };
        let name = Arc::clone(name);
        if let Some(consumer) = self.consumers.get_mut(&name) {
            consumer.pending.insert(pending.id);
        }
        let delivery = Delivery {
            consumer: name,
            time_ms: pending.delivery_ms,
            count: pending.delivery_count,
        };
        self.pending.insert(pending.id, delivery);
    }

    /// Makes a consumer; returns whether there was none of this name.
    pub(super) fn create_consumer(&mut self, name: &[u8], now_ms: i64) -> bool {
        let created = !self.consumers.contains_key(name);
        if created {
            self.add_consumer(name, now_ms);
        }
        created
    }

    /// Makes a consumer out of what was saved of it, with its pending entries: id, time and number of the deliveries.
    /// False when there is one of this name, or an entry is pending already.
    pub fn add_consumer_with(
        &mut self,
        name: &[u8],
        seen_ms: i64,
        active_ms: Option<i64>,
        pending: impl Iterator<Item = (StreamId, i64, u64)>,
    ) -> bool {
        if !self.create_consumer(name, seen_ms) {
            return false;
        }
        let (owner, _) = self.see_consumer(name, seen_ms);
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.active_ms = active_ms;
        }
        for (id, time_ms, count) in pending {
            if self.pending.contains_key(&id) {
                return false;
            }
            self.deliver(id, &owner, time_ms, counted(count, 0));
        }
        true
    }

    /// Removes a consumer, and returns how many pending entries went with it.
    pub(super) fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        self.name_bytes -= name.len();
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    pub(super) fn read_new(
        &mut self,
        log: &Log,
        name: &[u8],
        count: usize,
        no_ack: bool,
        now_ms: i64,
    ) -> NewRead {
        let (owner, consumer_created) = self.see_consumer(name, now_ms);
        let mut delivered: Option<Delivered> = None;
        let entries = self
            .last_delivered_id
            .next()
            .into_iter()
            .flat_map(|start| log.range(start, StreamId::MAX))
            .take(count);
        for entry in entries {
            self.advance(log, entry.id);
            if !no_ack {
                self.deliver(entry.id, &owner, now_ms, 1);
            }
            match &mut delivered {
                Some(delivered) => {
                    delivered.last = entry.id;
                    delivered.count += 1;
                }
                None => {
                    delivered = Some(Delivered {
                        first: entry.id,
                        last: entry.id,
                        count: 1,
                    });
                }
            }
        }
        if delivered.is_some() && !no_ack {
            self.activate(&owner, now_ms);
        }
        NewRead {
            delivered,
            consumer_created,
        }
    }

    pub(super) fn read_history(
        &mut self,
        log: &Log,
        name: &[u8],
        after: StreamId,
        count: usize,
        now_ms: i64,
    ) -> HistoryRead {
        let (owner, consumer_created) = self.see_consumer(name, now_ms);
        let ids: Vec<StreamId> = match (self.consumers.get(&owner), after.next()) {
            (Some(consumer), Some(start)) => consumer
                .pending
                .range(start..)
                .copied()
                .take(count)
                .collect(),
            _ => Vec::new(),
        };
        for id in &ids {
            if log.contains(*id)
                && let Some(delivery) = self.pending.get_mut(id)
            {
                delivery.time_ms = now_ms;
                delivery.count = counted(delivery.count, 1);
            }
        }
        HistoryRead {
            ids,
            consumer_created,
        }
    }

    /// Takes an entry off the pending ones; returns whether it was one.
    pub(super) fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(delivery) = self.pending.remove(&id) else {
            return false;
        };
        if let Some(consumer) = self.consumers.get_mut(&delivery.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }

    pub(super) fn claim(
        &mut self,
        log: &Log,
        name: &[u8],
        claim: &Claim,
        ids: &[StreamId],
        now_ms: i64,
    ) -> Claimed {
        let last_id = claim.last_id.filter(|id| *id > self.last_delivered_id);
        if let Some(id) = last_id {
            self.last_delivered_id = id;
        }
        let (owner, consumer_created) = self.see_consumer(name, now_ms);
        let mut claimed = Claimed {
            consumer_created,
            last_id_moved: last_id.is_some(),
            ..Claimed::default()
        };
        let time_ms = claim.delivered.time_ms(now_ms);
        for id in ids {
            let count = match self.pending.get(id) {
                _ if !log.contains(*id) => {
                    if self.acknowledge(*id) {
                        claimed.deleted.push(*id);
                    }
                    continue;
                }
                Some(delivery) if !delivery.is_idle(claim.min_idle_ms, now_ms) => continue,
                Some(delivery) => delivery.count,
                // As in Redis, where a forced entry counts as delivered before it is claimed.
                None if claim.force => 1,
                None => continue,
            };
            let count = claim
                .delivery_count
                .unwrap_or(counted(count, u64::from(!claim.just_id)));
            self.deliver(*id, &owner, time_ms, count);
            claimed.ids.push(*id);
        }
        if !claimed.ids.is_empty() {
            self.activate(&owner, now_ms);
        }
        claimed
    }

    pub(super) fn autoclaim(
        &mut self,
        log: &Log,
        name: &[u8],
        claim: &AutoClaim,
        now_ms: i64,
    ) -> Claimed {
        /// How many entries are looked at for each one that may be taken.
        const ATTEMPTS_PER_ENTRY: u64 = 10;
        let (owner, consumer_created) = self.see_consumer(name, now_ms);
        let mut claimed = Claimed {
            consumer_created,
            ..Claimed::default()
        };
        let mut count = claim.count;
        let mut attempts = claim.count.saturating_mul(ATTEMPTS_PER_ENTRY);
        let mut from = Some(claim.start);
        while attempts > 0 && count > 0 {
            attempts -= 1;
            let Some((id, delivery)) = from.and_then(|from| self.pending.range(from..).next())
            else {
                break;
            };
            let id = *id;
            from = id.next();
            if !log.contains(id) {
                self.acknowledge(id);
                claimed.deleted.push(id);
                count -= 1;
            } else if delivery.is_idle(claim.min_idle_ms, now_ms) {
                let deliveries = counted(delivery.count, u64::from(!claim.just_id));
                self.deliver(id, &owner, now_ms, deliveries);
                claimed.ids.push(id);
                count -= 1;
            }
        }
        if let Some((next, _)) = from.and_then(|from| self.pending.range(from..).next()) {
            claimed.cursor = *next;
        }
        if !claimed.ids.is_empty() {
            self.activate(&owner, now_ms);
        }
        claimed
    }

    /// Notes that a consumer asks for something, and makes it if there is none of this name; returns its shared name,
    /// and whether it is new.
    fn see_consumer(&mut self, name: &[u8], now_ms: i64) -> (Arc<[u8]>, bool) {
        if let Some((owner, _)) = self.consumers.get_key_value(name) {
            let owner = Arc::clone(owner);
            if let Some(consumer) = self.consumers.get_mut(name) {
                consumer.seen_ms = now_ms;
            }
            return (owner, false);
        }
        (self.add_consumer(name, now_ms), true)
    }

    fn add_consumer(&mut self, name: &[u8], now_ms: i64) -> Arc<[u8]> {
        let owner: Arc<[u8]> = name.into();
        let consumer = Consumer {
            seen_ms: now_ms,
            ..Consumer::default()
        };
        self.consumers.insert(Arc::clone(&owner), consumer);
        self.name_bytes += name.len();
        owner
    }

    fn activate(&mut self, name: &[u8], now_ms: i64) {
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.active_ms = Some(now_ms);
        }
    }

    /// Makes an entry pending for a consumer, whoever had it before.
    fn deliver(&mut self, id: StreamId, owner: &Arc<[u8]>, time_ms: i64, count: u64) {
        let delivery = Delivery {
            consumer: Arc::clone(owner),
            time_ms,
            count,
        };
        if let Some(before) = self.pending.insert(id, delivery)
            && before.consumer != *owner
            && let Some(consumer) = self.consumers.get_mut(&before.consumer)
        {
            consumer.pending.remove(&id);
        }
        if let Some(consumer) = self.consumers.get_mut(owner) {
            consumer.pending.insert(id);
        }
    }

    /// Notes that the group has read up to an entry, the one after the last it had read.
    fn advance(&mut self, log: &Log, id: StreamId) {
        self.entries_read = match self.entries_read {
            Some(read) if !log.has_deleted_from(id) => Some(counted(read, 1)),
            _ => log.entries_up_to(id).map(|read| counted(read, 0)),
        };
        self.last_delivered_id = id;
    }
}

/// A counter that goes up, and no further than commands can carry it.
fn counted(count: u64, more: u64) -> u64 {
    count.saturating_add(more).min(i64::MAX.cast_unsigned())
}

impl Delivery {
    fn is_idle(&self, min_idle_ms: i64, now_ms: i64) -> bool {
        min_idle_ms <= 0 || now_ms.saturating_sub(self.time_ms) >= min_idle_ms
    }

    fn pending(&self, id: StreamId) -> Pending<'_> {
        Pending {
            id,
            consumer: &self.consumer,
            delivery_ms: self.time_ms,
            delivery_count: self.count,
        }
    }
}

/// Pending entries, by id.
#[derive(Clone, Debug)]
pub struct PendingEntries<'a> {
    group: &'a Group,
    ids: Ids<'a>,
    /// Later deliveries are passed over.
    delivered_by_ms: Option<i64>,
}

#[derive(Clone, Debug)]
enum Ids<'a> {
    None,
    All(btree_map::Range<'a, StreamId, Delivery>),
    Of(btree_set::Range<'a, StreamId>),
}

impl<'a> Iterator for PendingEntries<'a> {
    type Item = Pending<'a>;

    fn next(&mut self) -> Option<Pending<'a>> {
        loop {
            let pending = match &mut self.ids {
                Ids::None => return None,
                Ids::All(range) => {
                    let (id, delivery) = range.next()?;
                    delivery.pending(*id)
                }
                Ids::Of(range) => self.group.pending_entry(*range.next()?)?,
            };
            if self
                .delivered_by_ms
                .is_none_or(|by_ms| pending.delivery_ms <= by_ms)
            {
                return Some(pending);
            }
        }
    }
}
