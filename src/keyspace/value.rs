//! The values that do not fit a record of the table, and what each type is called.
//!
//! This module must not know keys, databases or protocols. How each protocol sees each type is in `DESIGN`'s table:
//! every protocol asks for the type it speaks and gets [`WrongType`] otherwise.

use std::sync::Arc;

use super::collections::{Hash, List, Set, ZSet};
use super::json::Json;
use super::series::Series;
use super::stream::Stream;

/// A value behind a pointer. Short strings and integers never become one: they live in the table itself.
#[derive(Clone, Debug)]
pub enum Value {
    /// A long byte string. Shared while a reply that quotes it is being sent, and copied before a write then.
    String(Arc<Vec<u8>>),
    /// A list.
    List(Box<List>),
    /// A set.
    Set(Box<Set>),
    /// A sorted set.
    SortedSet(Box<ZSet>),
    /// A hash.
    Hash(Box<Hash>),
    /// A stream.
    Stream(Box<Stream>),
    /// A JSON document (any JSON value but a string).
    Json(Box<Json>),
    /// A time series.
    Series(Box<Series>),
}

/// The type of a key, in Redis's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Bytes, or an integer.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
    /// A JSON document.
    Json,
    /// A time series.
    Series,
}

impl Type {
    /// What TYPE answers; the names of the two module types are the ones RedisJSON and RedisTimeSeries use.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::SortedSet => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
            Type::Json => "ReJSON-RL",
            Type::Series => "TSDB-TYPE",
        }
    }
}

/// The key holds another type than the operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType {
    /// The type that is there.
    pub found: Type,
}

impl std::fmt::Display for WrongType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the key holds a value of type {}", self.found.name())
    }
}

impl std::error::Error for WrongType {}

impl Value {
    /// A string value.
    pub fn string(bytes: Vec<u8>) -> Self {
        Value::String(Arc::new(bytes))
    }

    /// Its type.
    pub fn type_of(&self) -> Type {
        match self {
            Value::String(_) => Type::String,
            Value::List(_) => Type::List,
            Value::Set(_) => Type::Set,
            Value::SortedSet(_) => Type::SortedSet,
            Value::Hash(_) => Type::Hash,
            Value::Stream(_) => Type::Stream,
            Value::Json(_) => Type::Json,
            Value::Series(_) => Type::Series,
        }
    }

    /// Bytes of memory behind the pointer. O(1).
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String(bytes) => size_of::<Vec<u8>>() + 16 + bytes.capacity(),
            Value::List(list) => size_of::<List>() + list.heap_bytes(),
            Value::Set(set) => size_of::<Set>() + set.heap_bytes(),
            Value::SortedSet(zset) => size_of::<ZSet>() + zset.heap_bytes(),
            Value::Hash(hash) => size_of::<Hash>() + hash.heap_bytes(),
            Value::Stream(stream) => size_of::<Stream>() + stream.heap_bytes(),
            Value::Json(json) => size_of::<Json>() + json.heap_bytes(),
            Value::Series(series) => size_of::<Series>() + series.heap_bytes(),
        }
    }

    /// Frees about `budget` elements, so that a huge value can be dropped over many turns; true when what is left is
    /// small enough to be dropped at once.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        match self {
            Value::List(list) => list.drop_some(budget),
            Value::Set(set) => set.drop_some(budget),
            Value::SortedSet(zset) => zset.drop_some(budget),
            Value::Hash(hash) => hash.drop_some(budget),
            Value::Stream(stream) => stream.drop_some(budget),
            Value::String(_) | Value::Json(_) | Value::Series(_) => true,
        }
    }

    /// How the value is kept, in the words of OBJECT ENCODING. O(1).
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::List(list) => list.encoding(),
            Value::Set(set) => set.encoding(),
            Value::SortedSet(zset) => zset.encoding(),
            Value::Hash(hash) => hash.encoding(),
            Value::Stream(stream) => stream.encoding(),
            Value::String(_) | Value::Json(_) | Value::Series(_) => "raw",
        }
    }
}
