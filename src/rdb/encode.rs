//! Writes a value of any type, in the form that keeps most of how it is kept here.

use super::intset::write_intset;
use super::listpack::ListpackWriter;
use super::{Sink, Version, kind, module, node, stream};
use crate::keyspace::collections::compact;
use crate::keyspace::{Data, Entry, Hash, List, Set, Value, ZSet};
use crate::number::push_f64;

/// A larger element of a list is a node of its own, without a listpack around it.
const PLAIN_NODE_BYTES_MIN: usize = 1 << 20;
/// A collection that takes more in its compact form is not written as one listpack, whose size has 32 bits.
const LISTPACK_HEAP_BYTES_MAX: usize = 256 << 20;

/// Writes the type and the value. O(size).
pub fn encode(data: Data<'_>, version: Version, sink: &mut impl Sink) {
    encode_behind(Head { key: None }, data, version, sink);
}

/// What stands before a value: its type, and in a file its key.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The key, if it is to be written.
    pub key: Option<&'a [u8]>,
}

impl Head<'_> {
    /// Writes it.
    pub fn put(self, kind: u8, sink: &mut impl Sink) {
        sink.put(&[kind]);
        if let Some(key) = self.key {
            sink.put_string(key);
        }
    }
}

/// Writes the head and the value.
pub fn encode_behind(head: Head<'_>, data: Data<'_>, version: Version, sink: &mut impl Sink) {
    match data {
        Data::Bytes { bytes, .. } => encode_string(head, bytes, sink),
        Data::Int(int) => {
            head.put(kind::STRING, sink);
            sink.put_int(int);
        }
        Data::Value(value) => match value {
            Value::String(bytes) => encode_string(head, bytes, sink),
            Value::List(list) => encode_list(head, list, sink),
            Value::Set(set) => encode_set(head, set, version, sink),
            Value::SortedSet(zset) => encode_zset(head, zset, sink),
            Value::Hash(hash) => encode_hash(head, hash, sink),
            Value::Stream(stream) => stream::encode_stream(head, stream, version, sink),
            Value::Json(json) => module::encode_json(head, json, sink),
            Value::Series(series) => module::encode_series(head, series, sink),
        },
    }
}

fn encode_string(head: Head<'_>, bytes: &[u8], sink: &mut impl Sink) {
    head.put(kind::STRING, sink);
    sink.put_string(bytes);
}

fn encode_list(head: Head<'_>, list: &List, sink: &mut impl Sink) {
    head.put(kind::LIST_QUICKLIST_2, sink);
    let nodes = list.nodes();
    sink.put_length(nodes.len() as u64);
    let mut listpack = ListpackWriter::new();
    for elements in nodes {
        match single(&elements) {
            Some(Entry::Bytes(bytes)) if bytes.len() >= PLAIN_NODE_BYTES_MIN => {
                sink.put_length(node::PLAIN);
                sink.put_string(bytes);
            }
            _ => {
                sink.put_length(node::PACKED);
                listpack.clear();
                elements.for_each(|element| listpack.push(element));
                sink.put_string(listpack.finish());
            }
        }
    }
}

/// The one element of a node that has no others.
fn single<'a>(elements: &compact::Iter<'a>) -> Option<Entry<'a>> {
    (elements.len() == 1).then(|| elements.clone().next())?
}

fn encode_set(head: Head<'_>, set: &Set, version: Version, sink: &mut impl Sink) {
    if set.is_intset() {
        let ints = set.iter().filter_map(|member| match member {
            Entry::Int(int) => Some(int),
            Entry::Bytes(_) => None,
        });
        head.put(kind::SET_INTSET, sink);
        return sink.put_string(&write_intset(ints, set.len()));
    }
    let is_listpack = set.encoding() == "listpack" && set.heap_bytes() <= LISTPACK_HEAP_BYTES_MAX;
    if is_listpack && version >= Version::V11 {
        head.put(kind::SET_LISTPACK, sink);
        let mut listpack = ListpackWriter::new();
        set.iter().for_each(|member| listpack.push(member));
        return sink.put_string(listpack.finish());
    }
    head.put(kind::SET, sink);
    sink.put_length(set.len() as u64);
    set.iter().for_each(|member| sink.put_entry(member));
}

fn encode_hash(head: Head<'_>, hash: &Hash, sink: &mut impl Sink) {
    if hash.encoding() == "listpack" && hash.heap_bytes() <= LISTPACK_HEAP_BYTES_MAX {
        head.put(kind::HASH_LISTPACK, sink);
        let mut listpack = ListpackWriter::new();
        for (field, value) in hash.iter() {
            listpack.push(field);
            listpack.push(value);
        }
        return sink.put_string(listpack.finish());
    }
    head.put(kind::HASH, sink);
    sink.put_length(hash.len() as u64);
    for (field, value) in hash.iter() {
        sink.put_entry(field);
        sink.put_entry(value);
    }
}

fn encode_zset(head: Head<'_>, zset: &ZSet, sink: &mut impl Sink) {
    if zset.encoding() == "listpack" && zset.heap_bytes() <= LISTPACK_HEAP_BYTES_MAX {
        head.put(kind::ZSET_LISTPACK, sink);
        let mut listpack = ListpackWriter::new();
        let mut text = Vec::new();
        for (member, score) in zset.iter() {
            listpack.push(member);
            match whole_number(score) {
                Some(int) => listpack.push_int(int),
                None => {
                    text.clear();
                    push_f64(&mut text, score);
                    listpack.push(Entry::Bytes(&text));
                }
            }
        }
        return sink.put_string(listpack.finish());
    }
    head.put(kind::ZSET_2, sink);
    sink.put_length(zset.len() as u64);
    // From the end, as Redis does: whoever reads it inserts each before the others.
    for (member, score) in zset.iter().rev() {
        sink.put_entry(member);
        sink.put(&score.to_le_bytes());
    }
}

/// A score that Redis keeps as an integer in a listpack.
fn whole_number(score: f64) -> Option<i64> {
    const MAX: f64 = (1u64 << 62) as f64;
    (score.abs() <= MAX && score == score.trunc()).then_some(score as i64)
}
