//! The values that do not fit a record of the table, and what each type is called.
//!
//! This module must not know keys, databases or protocols. How each protocol sees each type is in `DESIGN`'s table:
//! every protocol asks for the type it speaks and gets [`WrongType`] otherwise.

use std::sync::Arc;

use super::json::Json;
use super::series::Series;

/// A value behind a pointer. Short strings and integers never become one: they live in the table itself.
#[derive(Clone, Debug)]
pub enum Value {
    /// A long byte string. Shared while a reply that quotes it is being sent, and copied before a write then.
    String(Arc<Vec<u8>>),
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
            Value::Json(_) => Type::Json,
            Value::Series(_) => Type::Series,
        }
    }

    /// Bytes of memory behind the pointer. O(1).
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String(bytes) => size_of::<Vec<u8>>() + 16 + bytes.capacity(),
            Value::Json(json) => size_of::<Json>() + json.heap_bytes(),
            Value::Series(series) => size_of::<Series>() + series.heap_bytes(),
        }
    }

    /// Frees about `budget` elements, so that a huge value can be dropped over many turns; true when what is left is
    /// small enough to be dropped at once.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        let _ = budget;
        match self {
            Value::String(_) | Value::Json(_) | Value::Series(_) => true,
        }
    }
}
