//! Writes and reads streams, entries and groups.
//!
//! ```text
//! blocks { first id, listpack } | length | ids and counts | groups { name, position, pending entries, consumers }
//!
//! listpack: entries, deleted ones, names, name ..., 0, then of each entry
//!           flags, id (less the first one's), (names, unless they are those above) values, how many elements that was
//! ```

use std::collections::BTreeMap;

use super::encode::Head;
use super::listpack::{Listpack, ListpackWriter};
use super::{RdbError, Sink, Source, Version, kind};
use crate::keyspace::Entry;
use crate::keyspace::Stream;
use crate::keyspace::stream::{Block, Group, Log, LogBuilder, PendingQuery, StreamId};
use crate::number::INT_TEXT;

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;
/// How Redis writes "not known" where a number of entries should be.
const UNKNOWN: u64 = u64::MAX;
/// How Redis writes that a consumer was never active.
const NEVER_MS: i64 = -1;

const BAD_COUNTS: RdbError =
    RdbError::Corrupt("a stream has another number of entries than it says");
const BAD_ENTRY: RdbError = RdbError::Corrupt("an entry of a stream is not as it should be");
const BAD_ID: RdbError = RdbError::Corrupt("an id of a stream has not 16 bytes");
const BAD_GROUP: RdbError = RdbError::Corrupt("a group of a stream is not as it should be");

/// Writes type and value.
pub fn encode_stream(head: Head<'_>, stream: &Stream, version: Version, sink: &mut impl Sink) {
    let kind = match version {
        Version::V10 => kind::STREAM_LISTPACKS_2,
        Version::V11 => kind::STREAM_LISTPACKS_3,
    };
    head.put(kind, sink);
    let log = &stream.log;
    sink.put_length(log.blocks() as u64);
    let mut listpack = ListpackWriter::new();
    for block in log.iter_blocks() {
        sink.put_string(&id_bytes(block.base()));
        listpack.clear();
        write_block(block, &mut listpack);
        sink.put_string(listpack.finish());
    }
    sink.put_length(log.len());
    for id in [log.last_id(), log.first_id(), log.max_deleted_id()] {
        put_id(id, sink);
    }
    sink.put_length(log.entries_added());
    sink.put_length(stream.groups_len() as u64);
    for info in stream.groups() {
        sink.put_string(info.name);
        encode_group(info.group, version, sink);
    }
}

fn write_block(block: &Block, listpack: &mut ListpackWriter) {
    listpack.push_int(block.live() as i64);
    listpack.push_int((block.len() - block.live()) as i64);
    listpack.push_int(block.names().len() as i64);
    for name in block.names() {
        listpack.push(Entry::parse(name));
    }
    listpack.push_int(0);
    let base = block.base();
    for entry in block.entries() {
        let fields = entry.fields();
        let same_names =
            fields.len() == block.names().len() && fields.map(|(name, _)| name).eq(block.names());
        let mut flags = if entry.is_deleted() { DELETED } else { 0 };
        if same_names {
            flags |= SAME_NAMES;
        }
        listpack.push_int(flags);
        listpack.push_int(entry.id.ms.wrapping_sub(base.ms).cast_signed());
        listpack.push_int(entry.id.seq.wrapping_sub(base.seq).cast_signed());
        let count = fields.len() as i64;
        if !same_names {
            listpack.push_int(count);
        }
        for (name, value) in fields {
            if !same_names {
                listpack.push(Entry::parse(name));
            }
            listpack.push(Entry::parse(value));
        }
        listpack.push_int(elements_of(count, same_names));
    }
}

/// How many elements of the listpack an entry takes, this number not included.
fn elements_of(fields: i64, same_names: bool) -> i64 {
    if same_names {
        fields + 3
    } else {
        2 * fields + 4
    }
}

fn encode_group(group: &Group, version: Version, sink: &mut impl Sink) {
    put_id(group.last_delivered_id(), sink);
    sink.put_length(group.entries_read().unwrap_or(UNKNOWN));
    sink.put_length(group.pending_len() as u64);
    for pending in group.pending(&PendingQuery::ALL) {
        sink.put(&id_bytes(pending.id));
        sink.put(&pending.delivery_ms.to_le_bytes());
        sink.put_length(pending.delivery_count);
    }
    sink.put_length(group.consumers_len() as u64);
    for consumer in group.consumers() {
        sink.put_string(consumer.name);
        sink.put(&consumer.seen_ms.to_le_bytes());
        if version >= Version::V11 {
            let active_ms = consumer.active_ms.unwrap_or(NEVER_MS);
            sink.put(&active_ms.to_le_bytes());
        }
        sink.put_length(consumer.pending as u64);
        let query = PendingQuery {
            consumer: Some(consumer.name),
            ..PendingQuery::ALL
        };
        for pending in group.pending(&query) {
            sink.put(&id_bytes(pending.id));
        }
    }
}

/// An id of which the order of bytes is the order of ids.
fn id_bytes(id: StreamId) -> [u8; 16] {
    let whole = u128::from(id.ms) << 64 | u128::from(id.seq);
    whole.to_be_bytes()
}

fn id_from_bytes(bytes: [u8; 16]) -> StreamId {
    let whole = u128::from_be_bytes(bytes);
    StreamId::new((whole >> 64) as u64, whole as u64)
}

fn put_id(id: StreamId, sink: &mut impl Sink) {
    sink.put_length(id.ms);
    sink.put_length(id.seq);
}

fn take_id(source: &mut impl Source) -> Result<StreamId, RdbError> {
    Ok(StreamId::new(source.length()?, source.length()?))
}

/// Reads a value of one of the three kinds of streams.
pub fn decode_stream(kind: u8, source: &mut impl Source) -> Result<Stream, RdbError> {
    let mut builder = LogBuilder::new();
    let mut room = Room::default();
    for _ in 0..source.length()? {
        let base = <[u8; 16]>::try_from(&*source.blob()?).map_err(|_| BAD_ID)?;
        read_block(
            id_from_bytes(base),
            Listpack::new(&source.blob()?)?,
            &mut builder,
            &mut room,
        )?;
        builder.end_block();
    }
    let len = source.length()?;
    let last_id = take_id(source)?;
    let (mut max_deleted_id, mut entries_added) = (StreamId::MIN, len);
    if kind != kind::STREAM_LISTPACKS {
        // The first entry's: we know.
        take_id(source)?;
        max_deleted_id = take_id(source)?;
        entries_added = source.length()?;
    }
    let log = builder.finish(last_id, max_deleted_id, entries_added)?;
    if log.len() != len {
        return Err(BAD_COUNTS);
    }
    let mut stream = Stream::from_log(log);
    for _ in 0..source.length()? {
        let name = source.string()?.to_vec();
        let group = decode_group(kind, source, &stream.log)?;
        stream.add_group(&name, group).map_err(|_| BAD_GROUP)?;
    }
    Ok(stream)
}

/// Texts of the names and values of an entry, one behind the other.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, entry: Entry<'_>) {
        self.bytes
            .extend_from_slice(entry.text(&mut INT_TEXT.clone()));
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.ends.len()).map(|index| {
            let from = index.checked_sub(1).map_or(0, |before| self.ends[before]);
            &self.bytes[from..self.ends[index]]
        })
    }
}

/// Memory for the entry that is being read.
#[derive(Default)]
struct Room {
    block_names: Texts,
    names: Texts,
    values: Texts,
}

fn read_block(
    base: StreamId,
    mut listpack: Listpack<'_>,
    builder: &mut LogBuilder,
    room: &mut Room,
) -> Result<(), RdbError> {
    let (mut live, mut deleted) = (listpack.expect_int()?, listpack.expect_int()?);
    let names = listpack.expect_int()?;
    room.block_names.clear();
    for _ in 0..names {
        room.block_names.push(listpack.expect()?);
    }
    if live < 0 || deleted < 0 || names < 1 || listpack.expect_int()? != 0 {
        return Err(BAD_ENTRY);
    }
    while live > 0 || deleted > 0 {
        let flags = listpack.expect_int()?;
        let ms = listpack.expect_int()?.cast_unsigned();
        let seq = listpack.expect_int()?.cast_unsigned();
        let id = StreamId::new(base.ms.wrapping_add(ms), base.seq.wrapping_add(seq));
        let same_names = flags & SAME_NAMES != 0;
        let count = if same_names {
            names
        } else {
            listpack.expect_int()?
        };
        if count < 1 {
            return Err(BAD_ENTRY);
        }
        room.names.clear();
        room.values.clear();
        for _ in 0..count {
            if !same_names {
                room.names.push(listpack.expect()?);
            }
            room.values.push(listpack.expect()?);
        }
        if listpack.expect_int()? != elements_of(count, same_names) {
            return Err(BAD_ENTRY);
        }
        let is_deleted = flags & DELETED != 0;
        *(if is_deleted { &mut deleted } else { &mut live }) -= 1;
        if live < 0 || deleted < 0 {
            return Err(BAD_COUNTS);
        }
        let names = if same_names {
            &room.block_names
        } else {
            &room.names
        };
        builder.push(id, is_deleted, names.iter().zip(room.values.iter()))?;
    }
    match listpack.next() {
        None => Ok(()),
        Some(Ok(_)) => Err(BAD_COUNTS),
        Some(Err(error)) => Err(error),
    }
}

fn decode_group(kind: u8, source: &mut impl Source, log: &Log) -> Result<Group, RdbError> {
    let last_delivered_id = take_id(source)?;
    let entries_read = match kind {
        kind::STREAM_LISTPACKS => log.entries_up_to(last_delivered_id),
        _ => Some(source.length()?).filter(|read| *read != UNKNOWN),
    };
    if entries_read.is_some_and(|read| i64::try_from(read).is_err()) {
        return Err(BAD_GROUP);
    }
    let mut group = Group::new(last_delivered_id, entries_read);
    // Delivered to somebody whom we have not read yet: time and number of deliveries.
    let mut pending: BTreeMap<StreamId, (i64, u64)> = BTreeMap::new();
    for _ in 0..source.length()? {
        let id = id_from_bytes(source.array()?);
        let delivery = (i64::from_le_bytes(source.array()?), source.length()?);
        if pending.insert(id, delivery).is_some() {
            return Err(BAD_GROUP);
        }
    }
    for _ in 0..source.length()? {
        let name = source.string()?.to_vec();
        let seen_ms = i64::from_le_bytes(source.array()?);
        let active_ms = match kind {
            kind::STREAM_LISTPACKS_3 => i64::from_le_bytes(source.array()?),
            // The best guess there is.
            _ => seen_ms,
        };
        let mut own = Vec::new();
        for _ in 0..source.length()? {
            let id = id_from_bytes(source.array()?);
            let (time_ms, count) = pending.remove(&id).ok_or(BAD_GROUP)?;
            own.push((id, time_ms, count));
        }
        let active_ms = Some(active_ms).filter(|ms| *ms != NEVER_MS);
        if !group.add_consumer_with(&name, seen_ms, active_ms, own.into_iter()) {
            return Err(BAD_GROUP);
        }
    }
    if pending.is_empty() {
        Ok(group)
    } else {
        Err(BAD_GROUP)
    }
}
