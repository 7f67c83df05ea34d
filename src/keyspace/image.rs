//! A record as bytes: key, value and expiry, such that the same record can be made of them.
//!
//! ```text
//! head    bits 0-3: what the value is · bit 4: there is an expiry · bit 5: the database is not 0
//! db      u8, if it is not 0
//! expiry  Unix time in ms, if there is one
//! key     byte string
//! value   by its kind
//! ```
//!
//! Numbers are those of `varint.rs`. Images follow each other without anything in between. This module must not know
//! where they are kept.

use super::collections::list::End;
use super::series::{DuplicatePolicy, LabelPair, Series};
use super::stream::{NewId, Pending, PendingQuery, Stream, StreamId};
use super::{Data, Db, Hash, Json, List, Parsed, Record, Set, Settings, Value, ZSet};
use crate::varint::{Malformed, Reader, push_bytes, push_i64, push_u64};

const KIND_MASK: u8 = 0x0f;
const HAS_EXPIRY: u8 = 0x10;
const HAS_DB: u8 = 0x20;

const BYTES: u8 = 0;
const RAW_BYTES: u8 = 1;
const INT: u8 = 2;
const LIST: u8 = 3;
const SET: u8 = 4;
const ZSET: u8 = 5;
const HASH: u8 = 6;
const STREAM: u8 = 7;
const JSON: u8 = 8;
const SERIES: u8 = 9;

/// A record that was read.
#[derive(Debug)]
pub struct Image<'a> {
    /// Its database, as clients number it.
    pub db: Db,
    /// Its key.
    pub key: &'a [u8],
    /// Unix time in ms.
    pub expires_ms: Option<i64>,
    /// Its value.
    pub value: ImageValue<'a>,
}

/// The value of a record that was read.
#[derive(Debug)]
pub enum ImageValue<'a> {
    /// A string; `raw` as in [`Data`].
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether it was built by an edit.
        raw: bool,
    },
    /// An integer.
    Int(i64),
    /// Anything else, and, of a series, its place in the order in which series were created.
    Value(Value, u64),
}

/// Appends a record's image. `order` is the place of a series among all, in the order in which they were created.
/// O(size of the value).
pub fn push_image(out: &mut Vec<u8>, db: Db, record: &Record<'_>, order: u64) {
    let kind = match record.data {
        Data::Bytes { raw: false, .. } | Data::Value(Value::String(_)) => BYTES,
        Data::Bytes { raw: true, .. } => RAW_BYTES,
        Data::Int(_) => INT,
        Data::Value(Value::List(_)) => LIST,
        Data::Value(Value::Set(_)) => SET,
        Data::Value(Value::SortedSet(_)) => ZSET,
        Data::Value(Value::Hash(_)) => HASH,
        Data::Value(Value::Stream(_)) => STREAM,
        Data::Value(Value::Json(_)) => JSON,
        Data::Value(Value::Series(_)) => SERIES,
    };
    let has_expiry = if record.expires_ms.is_some() {
        HAS_EXPIRY
    } else {
        0
    };
    out.push(kind | has_expiry | if db != 0 { HAS_DB } else { 0 });
    if db != 0 {
        out.push(db);
    }
    if let Some(ms) = record.expires_ms {
        push_i64(out, ms);
    }
    push_bytes(out, record.key);
    match record.data {
        Data::Bytes { bytes, .. } => push_bytes(out, bytes),
        Data::Int(int) => push_i64(out, int),
        Data::Value(value) => push_value(out, value, order),
    }
}

fn push_value(out: &mut Vec<u8>, value: &Value, order: u64) {
    let mut room = [0; 20];
    match value {
        Value::String(bytes) => push_bytes(out, bytes),
        Value::Json(json) => push_bytes(out, json.text()),
        Value::List(list) => {
            push_u64(out, list.len() as u64);
            for entry in list.iter() {
                push_bytes(out, entry.text(&mut room));
            }
        }
        Value::Set(set) => {
            push_u64(out, set.len() as u64);
            for entry in set.iter() {
                push_bytes(out, entry.text(&mut room));
            }
        }
        Value::SortedSet(zset) => {
            push_u64(out, zset.len() as u64);
            for (member, score) in zset.iter() {
                push_bytes(out, member.text(&mut room));
                out.extend_from_slice(&score.to_le_bytes());
            }
        }
        Value::Hash(hash) => {
            push_u64(out, hash.len() as u64);
            for (field, value) in hash.iter() {
                push_bytes(out, field.text(&mut room));
                push_bytes(out, value.text(&mut room));
            }
        }
        Value::Stream(stream) => push_stream(out, stream),
        Value::Series(series) => push_series(out, series, order),
    }
}

fn push_stream(out: &mut Vec<u8>, stream: &Stream) {
    let log = &stream.log;
    push_u64(out, log.len());
    for entry in log.range(StreamId::MIN, StreamId::MAX) {
        push_id(out, entry.id);
        push_u64(out, entry.fields().count() as u64);
        for (name, value) in entry.fields() {
            push_bytes(out, name);
            push_bytes(out, value);
        }
    }
    push_id(out, log.last_id());
    push_id(out, log.max_deleted_id());
    push_u64(out, log.entries_added());
    push_u64(out, stream.groups_len() as u64);
    for info in stream.groups() {
        push_bytes(out, info.name);
        push_id(out, info.group.last_delivered_id());
        push_option(out, info.group.entries_read(), push_u64);
        push_u64(out, info.group.consumers_len() as u64);
        for consumer in info.group.consumers() {
            push_bytes(out, consumer.name);
            push_i64(out, consumer.seen_ms);
            push_option(out, consumer.active_ms, push_i64);
        }
        push_u64(out, info.group.pending_len() as u64);
        for pending in info.group.pending(&PendingQuery::ALL) {
            push_id(out, pending.id);
            push_bytes(out, pending.consumer);
            push_i64(out, pending.delivery_ms);
            push_u64(out, pending.delivery_count);
        }
    }
}

fn push_series(out: &mut Vec<u8>, series: &Series, order: u64) {
    push_u64(out, order);
    push_u64(out, series.retention_ms());
    push_u64(out, u64::from(series.chunk_size_bytes()));
    push_bytes(
        out,
        series
            .duplicate_policy()
            .map_or(&b""[..], |policy| policy.name().as_bytes()),
    );
    push_u64(out, series.labels().len() as u64);
    for label in series.labels() {
        push_bytes(out, label.name());
        push_bytes(out, label.value());
    }
    push_u64(out, series.len() as u64);
    let mut last = 0i64;
    for sample in series.range(i64::MIN..=i64::MAX) {
        push_i64(out, sample.timestamp.wrapping_sub(last));
        last = sample.timestamp;
        out.extend_from_slice(&sample.value.to_le_bytes());
    }
}

fn push_id(out: &mut Vec<u8>, id: StreamId) {
    push_u64(out, id.ms);
    push_u64(out, id.seq);
}

fn push_option<T>(out: &mut Vec<u8>, value: Option<T>, push: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        push(out, value);
    }
}

/// Reads the next image. O(size of the value).
pub fn read_image<'a>(
    reader: &mut Reader<'a>,
    settings: &Settings,
) -> Result<Image<'a>, Malformed> {
    let head = reader.u8()?;
    let db = if head & HAS_DB != 0 { reader.u8()? } else { 0 };
    let expires_ms = if head & HAS_EXPIRY != 0 {
        Some(reader.i64()?)
    } else {
        None
    };
    let key = reader.bytes()?;
    let value = match head & KIND_MASK {
        kind @ (BYTES | RAW_BYTES) => ImageValue::Bytes {
            bytes: reader.bytes()?,
            raw: kind == RAW_BYTES,
        },
        INT => ImageValue::Int(reader.i64()?),
        kind => {
            let (value, order) = read_value(kind, reader, settings)?;
            ImageValue::Value(value, order)
        }
    };
    Ok(Image {
        db,
        key,
        expires_ms,
        value,
    })
}

fn read_value(
    kind: u8,
    reader: &mut Reader<'_>,
    settings: &Settings,
) -> Result<(Value, u64), Malformed> {
    let value = match kind {
        LIST => {
            let count = reader.usize()?;
            let mut list = List::new();
            for _ in 0..count {
                list.push(End::Back, reader.bytes()?, settings);
            }
            Value::List(Box::new(list))
        }
        SET => {
            let count = reader.usize()?;
            let mut set: Option<Set> = None;
            for _ in 0..count {
                let member = reader.bytes()?;
                set.get_or_insert_with(|| Set::for_members(member, count, settings))
                    .insert(member, settings);
            }
            Value::Set(Box::new(set.ok_or(Malformed)?))
        }
        ZSET => {
            let count = reader.usize()?;
            let mut zset = ZSet::new();
            zset.expect(count, settings);
            for _ in 0..count {
                let member = reader.bytes()?;
                zset.insert(member, reader.f64()?, settings)
                    .map_err(|_| Malformed)?;
            }
            Value::SortedSet(Box::new(zset))
        }
        HASH => {
            let count = reader.usize()?;
            let mut hash = Hash::new();
            hash.expect(count, settings);
            for _ in 0..count {
                let field = reader.bytes()?;
                hash.set(field, reader.bytes()?, settings);
            }
            Value::Hash(Box::new(hash))
        }
        STREAM => Value::Stream(Box::new(read_stream(reader)?)),
        JSON => match Json::parse(reader.bytes()?) {
            Ok(Parsed::Document(json)) => Value::Json(Box::new(json)),
            Ok(Parsed::String(_)) | Err(_) => return Err(Malformed),
        },
        SERIES => {
            let order = reader.u64()?;
            return Ok((Value::Series(Box::new(read_series(reader)?)), order));
        }
        _ => return Err(Malformed),
    };
    Ok((value, 0))
}

fn read_stream(reader: &mut Reader<'_>) -> Result<Stream, Malformed> {
    let mut stream = Stream::new();
    for _ in 0..reader.u64()? {
        let id = read_id(reader)?;
        let mut fields = Vec::new();
        for _ in 0..reader.usize()? {
            let name = reader.bytes()?;
            fields.push((name, reader.bytes()?));
        }
        stream
            .log
            .append(NewId::Exact(id), 0, fields.iter().copied())
            .map_err(|_| Malformed)?;
    }
    let last_id = read_id(reader)?;
    let max_deleted = read_id(reader)?;
    let added = reader.u64()?;
    stream
        .log
        .set_last_id(last_id, Some(added), Some(max_deleted))
        .map_err(|_| Malformed)?;
    for _ in 0..reader.u64()? {
        let name = reader.bytes()?;
        let last_delivered = read_id(reader)?;
        let entries_read = read_option(reader, Reader::u64)?;
        stream
            .create_group(name, last_delivered, entries_read)
            .map_err(|_| Malformed)?;
        for _ in 0..reader.u64()? {
            let consumer = reader.bytes()?;
            let seen_ms = reader.i64()?;
            let active_ms = read_option(reader, Reader::i64)?;
            stream
                .restore_consumer(name, consumer, seen_ms, active_ms)
                .map_err(|_| Malformed)?;
        }
        for _ in 0..reader.u64()? {
            let pending = Pending {
                id: read_id(reader)?,
                consumer: reader.bytes()?,
                delivery_ms: reader.i64()?,
                delivery_count: reader.u64()?,
            };
            stream
                .restore_pending(name, pending)
                .map_err(|_| Malformed)?;
        }
    }
    Ok(stream)
}

fn read_series(reader: &mut Reader<'_>) -> Result<Series, Malformed> {
    let mut series = Series::new();
    let retention_ms = reader.u64()?;
    series.set_chunk_size_bytes(u32::try_from(reader.u64()?).map_err(|_| Malformed)?);
    series.set_duplicate_policy(match reader.bytes()? {
        b"" => None,
        name => Some(DuplicatePolicy::parse(name).ok_or(Malformed)?),
    });
    let mut labels = Vec::new();
    for _ in 0..reader.u64()? {
        let name = reader.bytes()?;
        labels.push(LabelPair::new(name, reader.bytes()?).map_err(|_| Malformed)?);
    }
    series.set_labels(labels);
    let mut timestamp = 0i64;
    for _ in 0..reader.u64()? {
        timestamp = timestamp.wrapping_add(reader.i64()?);
        series
            .add(timestamp, reader.f64()?, None)
            .map_err(|_| Malformed)?;
    }
    series.set_retention_ms(retention_ms);
    Ok(series)
}

fn read_id(reader: &mut Reader<'_>) -> Result<StreamId, Malformed> {
    let ms = reader.u64()?;
    Ok(StreamId::new(ms, reader.u64()?))
}

fn read_option<'a, T>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    match reader.u8()? {
        0 => Ok(None),
        1 => read(reader).map(Some),
        _ => Err(Malformed),
    }
}
