//! Streams as keys: what the stream commands do to them. What a stream *is* stands in `stream.rs`.
//!
//! What is told of a consumer group is told *beside* the key (see [`Target::Beside`]): who watches a stream for its
//! entries hears nothing of its readers, as in Redis.

use super::stream::{
    AppendError, AutoClaim, Claim, Claimed, Delivered, GroupExists, NewId, NoGroup, SetIdError,
    Stream, StreamId, Trim,
};
use super::table::NewData;
use super::{Key, Keyspace, Value, WrongType};
use crate::change::{Change, Class, Target};
use crate::number::{INT_TEXT, format_i64};

/// Why an operation on a stream was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// The key holds another type.
    WrongType(WrongType),
    /// There is no such key.
    NoSuchKey,
    /// The stream has no such group.
    NoSuchGroup,
    /// The stream has a group of this name.
    GroupExists(GroupExists),
    /// The entry cannot be added.
    Append(AppendError),
    /// The last id cannot be set.
    SetId(SetIdError),
}

macro_rules! from {
    ($($error:ty => $make:expr;)+) => {
        $(impl From<$error> for StreamError {
            fn from(error: $error) -> Self {
                $make(error)
            }
        })+
    };
}

from! {
    WrongType => StreamError::WrongType;
    NoGroup => |_| StreamError::NoSuchGroup;
    GroupExists => StreamError::GroupExists;
    AppendError => StreamError::Append;
    SetIdError => StreamError::SetId;
}

/// How an entry is added.
#[derive(Clone, Copy, Debug)]
pub struct StreamAdd {
    /// The id it is to get.
    pub id: NewId,
    /// What is trimmed afterwards.
    pub trim: Option<Trim>,
    /// Only to a stream that is there (NOMKSTREAM).
    pub if_exists: bool,
}

/// A consumer's wish to read from a stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamRequest<'a> {
    /// The group it belongs to.
    pub group: &'a [u8],
    /// Its name.
    pub consumer: &'a [u8],
    /// `None`: entries that the group has not read yet (`>`); otherwise its own pending ones behind this id.
    pub after: Option<StreamId>,
    /// How many at most.
    pub count: usize,
    /// New entries do not become pending.
    pub no_ack: bool,
}

/// What a consumer got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamRead {
    /// New entries, if there are some.
    New(Option<Delivered>),
    /// The ids of its own pending entries, of which some may be gone from the stream.
    History(Vec<StreamId>),
}

impl Keyspace {
    /// XADD: gives the new entry's id, `None` when there is no stream and none shall be made. O(1), and what is trimmed.
    pub fn stream_add<'a>(
        &mut self,
        key: &Key<'a>,
        add: StreamAdd,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Result<Option<StreamId>, StreamError> {
        let now_ms = u64::try_from(self.now_ms).unwrap_or(0);
        let id = match self.open::<Stream>(key)? {
            Some(open) => open.value.log.append(add.id, now_ms, fields.clone())?,
            None if add.if_exists => return Ok(None),
            None => {
                let mut stream = Stream::new();
                let id = stream.log.append(add.id, now_ms, fields.clone())?;
                self.insert(key, NewData::Value(Value::Stream(Box::new(stream))), None);
                id
            }
        };
        let text = id.text();
        self.changed_by(key, Class::Stream, "xadd", |args| {
            args.extend([b"XADD", key.bytes, text.as_bytes()]);
            args.extend(fields.flat_map(|(name, value)| [name, value]));
        });
        if let Some(trim) = add.trim {
            self.stream_trim(key, trim)?;
        }
        Ok(Some(id))
    }

    /// XTRIM: gives how many entries were removed. O(blocks removed), plus one block if it is exact.
    pub fn stream_trim(&mut self, key: &Key<'_>, trim: Trim) -> Result<u64, StreamError> {
        let Some(open) = self.open::<Stream>(key)? else {
            return Ok(0);
        };
        let trimmed = open.value.log.trim(trim);
        if trimmed > 0 {
            // Whatever the trim was, and whatever blocks a copy has: these are the entries that are left.
            let mut digits = INT_TEXT;
            let len = format_i64(to_i64(open.value.log.len()), &mut digits);
            self.changed(
                key,
                Class::Stream,
                "xtrim",
                &[b"XTRIM", key.bytes, b"MAXLEN", b"=", len],
            );
        }
        Ok(trimmed)
    }

    /// XDEL: gives how many of the entries were there. O(log n) each.
    pub fn stream_delete(&mut self, key: &Key<'_>, ids: &[StreamId]) -> Result<usize, StreamError> {
        let Some(open) = self.open::<Stream>(key)? else {
            return Ok(0);
        };
        let log = &mut open.value.log;
        let deleted: Vec<StreamId> = ids.iter().copied().filter(|id| log.delete(*id)).collect();
        if !deleted.is_empty() {
            let texts: Vec<_> = deleted.iter().map(|id| id.text()).collect();
            self.changed_by(key, Class::Stream, "xdel", |args| {
                args.extend([b"XDEL", key.bytes]);
                args.extend(texts.iter().map(|text| text.as_bytes()));
            });
        }
        Ok(deleted.len())
    }

    /// XSETID: sets the last id, and the count of all entries ever added and the largest deleted id where given.
    pub fn stream_set_last_id(
        &mut self,
        key: &Key<'_>,
        id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) -> Result<(), StreamError> {
        let log = &mut self.open_stream(key)?.log;
        log.set_last_id(id, entries_added, max_deleted_id)?;
        let (id, max_deleted_id) = (id.text(), max_deleted_id.map(|id| id.text()));
        let mut digits = INT_TEXT;
        let mut command = vec![&b"XSETID"[..], key.bytes, id.as_bytes()];
        if let Some(entries_added) = entries_added {
            command.extend([
                b"ENTRIESADDED",
                format_i64(to_i64(entries_added), &mut digits),
            ]);
        }
        if let Some(max_deleted_id) = &max_deleted_id {
            command.extend([b"MAXDELETEDID", max_deleted_id.as_bytes()]);
        }
        self.changed_beside(key, "xsetid", &command);
        Ok(())
    }

    /// XGROUP CREATE: makes a group that has read up to `id`; with `create`, on an empty stream if there is none.
    pub fn stream_create_group(
        &mut self,
        key: &Key<'_>,
        group: &[u8],
        id: StreamId,
        entries_read: Option<u64>,
        create: bool,
    ) -> Result<(), StreamError> {
        let is_new = match self.open::<Stream>(key)? {
            Some(open) => {
                open.value.create_group(group, id, entries_read)?;
                false
            }
            None if create => {
                let mut stream = Stream::new();
                stream.create_group(group, id, entries_read)?;
                self.insert(key, NewData::Value(Value::Stream(Box::new(stream))), None);
                true
            }
            None => return Err(StreamError::NoSuchKey),
        };
        let mut digits = INT_TEXT;
        let text = id.text();
        let mut command: Vec<&[u8]> = vec![b"XGROUP", b"CREATE", key.bytes, group, text.as_bytes()];
        command.extend([b"ENTRIESREAD", read_text(entries_read, &mut digits)]);
        if is_new {
            command.push(b"MKSTREAM");
            self.changed(key, Class::Stream, "xgroup-create", &command);
        } else {
            self.changed_beside(key, "xgroup-create", &command);
        }
        Ok(())
    }

    /// XGROUP SETID: sets how far a group has read.
    pub fn stream_set_group_id(
        &mut self,
        key: &Key<'_>,
        group: &[u8],
        id: StreamId,
        entries_read: Option<u64>,
    ) -> Result<(), StreamError> {
        self.open_stream(key)?
            .set_group_id(group, id, entries_read)?;
        self.tell_group_id(key, group, id, entries_read, "xgroup-setid");
        Ok(())
    }

    /// XGROUP DESTROY: gives whether there was such a group. What it held is freed at leisure.
    pub fn stream_destroy_group(
        &mut self,
        key: &Key<'_>,
        group: &[u8],
    ) -> Result<bool, StreamError> {
        let Some(destroyed) = self.open_stream(key)?.destroy_group(group) else {
            return Ok(false);
        };
        self.garbage.throw(Value::Stream(Box::new(destroyed)));
        self.changed_beside(
            key,
            "xgroup-destroy",
            &[b"XGROUP", b"DESTROY", key.bytes, group],
        );
        Ok(true)
    }

    /// XGROUP CREATECONSUMER: gives whether there was none of this name.
    pub fn stream_create_consumer(
        &mut self,
        key: &Key<'_>,
        group: &[u8],
        consumer: &[u8],
    ) -> Result<bool, StreamError> {
        let now_ms = self.now_ms;
        let created = self
            .open_stream(key)?
            .create_consumer(group, consumer, now_ms)?;
        self.tell_consumer(key, group, consumer, created);
        Ok(created)
    }

    /// XGROUP DELCONSUMER: gives how many entries were pending for the consumer. O(their number).
    pub fn stream_delete_consumer(
        &mut self,
        key: &Key<'_>,
        group: &[u8],
        consumer: &[u8],
    ) -> Result<usize, StreamError> {
        let Some(pending) = self.open_stream(key)?.delete_consumer(group, consumer)? else {
            return Ok(0);
        };
        self.changed_beside(
            key,
            "xgroup-delconsumer",
            &[b"XGROUP", b"DELCONSUMER", key.bytes, group, consumer],
        );
        Ok(pending)
    }

    /// XREADGROUP, from one stream: what the consumer gets, for which it is made if there is none of this name.
    pub fn stream_read_group(
        &mut self,
        key: &Key<'_>,
        request: StreamRequest<'_>,
    ) -> Result<StreamRead, StreamError> {
        let now_ms = self.now_ms;
        let StreamRequest {
            group,
            consumer,
            count,
            no_ack,
            ..
        } = request;
        let stream = self.open_stream(key)?;
        let Some(after) = request.after else {
            let read = stream.read_new(group, consumer, count, no_ack, now_ms)?;
            let state = stream.group(group)?;
            let (last_id, entries_read) = (state.last_delivered_id(), state.entries_read());
            self.tell_consumer(key, group, consumer, read.consumer_created);
            if let Some(delivered) = read.delivered {
                if !no_ack {
                    let ids = self.ids_between(key, delivered);
                    self.tell_deliveries(key, group, consumer, &ids);
                }
                self.tell_group_id(key, group, last_id, entries_read, "");
            }
            return Ok(StreamRead::New(read.delivered));
        };
        let read = stream.read_history(group, consumer, after, count, now_ms)?;
        self.tell_consumer(key, group, consumer, read.consumer_created);
        self.tell_deliveries(key, group, consumer, &read.ids);
        Ok(StreamRead::History(read.ids))
    }

    /// XACK: gives how many of the entries were pending; none when there is no such stream or group.
    pub fn stream_acknowledge(
        &mut self,
        key: &Key<'_>,
        group: &[u8],
        ids: &[StreamId],
    ) -> Result<usize, StreamError> {
        let Some(open) = self.open::<Stream>(key)? else {
            return Ok(0);
        };
        let acknowledged = open.value.acknowledge(group, ids).unwrap_or(0);
        if acknowledged > 0 {
            self.tell_acknowledged(key, group, ids);
        }
        Ok(acknowledged)
    }

    /// XCLAIM: gives pending entries to a consumer, which is made if there is none of this name.
    pub fn stream_claim(
        &mut self,
        key: &Key<'_>,
        group: &[u8],
        consumer: &[u8],
        claim: &Claim,
        ids: &[StreamId],
    ) -> Result<Claimed, StreamError> {
        let now_ms = self.now_ms;
        let stream = self.open_stream(key)?;
        let claimed = stream.claim(group, consumer, claim, ids, now_ms)?;
        let state = stream.group(group)?;
        let (last_id, entries_read) = (state.last_delivered_id(), state.entries_read());
        self.tell_claimed(key, group, consumer, &claimed);
        if claimed.last_id_moved {
            self.tell_group_id(key, group, last_id, entries_read, "");
        }
        Ok(claimed)
    }

    /// XAUTOCLAIM: gives the pending entries of a range to a consumer, which is made if there is none of this name.
    pub fn stream_autoclaim(
        &mut self,
        key: &Key<'_>,
        group: &[u8],
        consumer: &[u8],
        claim: &AutoClaim,
    ) -> Result<Claimed, StreamError> {
        let now_ms = self.now_ms;
        let claimed = self
            .open_stream(key)?
            .autoclaim(group, consumer, claim, now_ms)?;
        self.tell_claimed(key, group, consumer, &claimed);
        Ok(claimed)
    }

    fn open_stream(&mut self, key: &Key<'_>) -> Result<&mut Stream, StreamError> {
        match self.open::<Stream>(key)? {
            Some(open) => Ok(open.value),
            None => Err(StreamError::NoSuchKey),
        }
    }

    /// The ids that were delivered, if anybody wants to know.
    fn ids_between(&mut self, key: &Key<'_>, delivered: Delivered) -> Vec<StreamId> {
        if !self.changes.wants_commands() {
            return Vec::new();
        }
        self.open_stream(key).map_or_else(
            |_| Vec::new(),
            |stream| {
                let entries = stream.log.range(delivered.first, delivered.last);
                entries.map(|entry| entry.id).collect()
            },
        )
    }

    fn tell_consumer(&mut self, key: &Key<'_>, group: &[u8], consumer: &[u8], created: bool) {
        if created {
            self.changed_beside(
                key,
                "xgroup-createconsumer",
                &[b"XGROUP", b"CREATECONSUMER", key.bytes, group, consumer],
            );
        }
    }

    fn tell_claimed(&mut self, key: &Key<'_>, group: &[u8], consumer: &[u8], claimed: &Claimed) {
        self.tell_consumer(key, group, consumer, claimed.consumer_created);
        if !claimed.deleted.is_empty() {
            self.tell_acknowledged(key, group, &claimed.deleted);
        }
        self.tell_deliveries(key, group, consumer, &claimed.ids);
    }

    fn tell_acknowledged(&mut self, key: &Key<'_>, group: &[u8], ids: &[StreamId]) {
        let texts: Vec<_> = ids.iter().map(|id| id.text()).collect();
        let mut command = vec![&b"XACK"[..], key.bytes, group];
        command.extend(texts.iter().map(|text| text.as_bytes()));
        self.changed_beside(key, "", &command);
    }

    /// Tells that these entries are pending for the consumer as the group has it now.
    fn tell_deliveries(&mut self, key: &Key<'_>, group: &[u8], consumer: &[u8], ids: &[StreamId]) {
        if !self.changes.wants_commands() {
            return;
        }
        let Ok(stream) = self.open_stream(key) else {
            return;
        };
        let Ok(state) = stream.group(group) else {
            return;
        };
        let last_id = state.last_delivered_id().text();
        let deliveries: Vec<(StreamId, i64, u64)> = ids
            .iter()
            // A claim would take one that is gone from the stream off the pending ones.
            .filter(|id| stream.log.contains(**id))
            .filter_map(|id| state.pending_entry(*id))
            .map(|pending| (pending.id, pending.delivery_ms, pending.delivery_count))
            .collect();
        for (id, time_ms, count) in deliveries {
            let (mut time_digits, mut count_digits) = (INT_TEXT, INT_TEXT);
            self.changed_beside(
                key,
                "",
                &[
                    b"XCLAIM",
                    key.bytes,
                    group,
                    consumer,
                    b"0",
                    id.text().as_bytes(),
                    b"TIME",
                    format_i64(time_ms, &mut time_digits),
                    b"RETRYCOUNT",
                    format_i64(to_i64(count), &mut count_digits),
                    b"FORCE",
                    b"JUSTID",
                    b"LASTID",
                    last_id.as_bytes(),
                ],
            );
        }
    }

    fn tell_group_id(
        &mut self,
        key: &Key<'_>,
        group: &[u8],
        id: StreamId,
        entries_read: Option<u64>,
        event: &'static str,
    ) {
        let mut digits = INT_TEXT;
        self.changed_beside(
            key,
            event,
            &[
                b"XGROUP",
                b"SETID",
                key.bytes,
                group,
                id.text().as_bytes(),
                b"ENTRIESREAD",
                read_text(entries_read, &mut digits),
            ],
        );
    }

    /// Tells a change of the groups or the counters, of which those who watch the entries need not hear.
    fn changed_beside(&mut self, key: &Key<'_>, event: &'static str, command: &[&[u8]]) {
        let db = self.databases.number(key.space);
        self.changes.push(Change {
            db,
            target: Target::Beside(key.bytes),
            class: Class::Stream,
            event,
            command,
        });
    }
}

/// How many entries a group has read, as ENTRIESREAD takes it.
fn read_text(entries_read: Option<u64>, digits: &mut [u8; 20]) -> &[u8] {
    format_i64(entries_read.map_or(-1, to_i64), digits)
}

/// A counter as a command carries it; it has come from one, or been counted up no further.
fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
