//! HyperLogLogs as keys: what the PF commands do to strings. What a HyperLogLog *is* stands in `hyperloglog.rs`.

use super::hyperloglog::{self, HllError, Union};
use super::{Key, Keyspace, WrongType};
use crate::change::{Change, Class, Target};

/// Why an operation on HyperLogLogs was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HllOpError {
    /// A key holds another type than a string.
    WrongType(WrongType),
    /// A string is no HyperLogLog.
    Hll(HllError),
}

impl From<WrongType> for HllOpError {
    fn from(error: WrongType) -> Self {
        HllOpError::WrongType(error)
    }
}

impl From<HllError> for HllOpError {
    fn from(error: HllError) -> Self {
        HllOpError::Hll(error)
    }
}

impl Keyspace {
    /// PFADD: whether a register was changed, or a new HyperLogLog made. O(number of elements) if it is dense.
    pub fn hll_add<'a>(
        &mut self,
        key: &Key<'a>,
        elements: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<bool, HllOpError> {
        let exists = self.check_hll(key)?;
        let added = self.edit_string(key, |bytes| {
            if !exists {
                *bytes = hyperloglog::create();
            }
            let mut is_different = !exists;
            for element in elements.clone() {
                match hyperloglog::add(bytes, element) {
                    Ok(changed) => is_different |= changed,
                    Err(error) => return (is_different, Err(error)),
                }
            }
            (is_different, Ok(()))
        })?;
        let (is_different, outcome) = added.result;
        if is_different {
            self.changed_by(key, Class::String, "pfadd", |args| {
                args.extend([b"PFADD", key.bytes]);
                args.extend(elements);
            });
        }
        outcome?;
        Ok(is_different)
    }

    /// PFCOUNT of one key; 0 when there is none. What is computed is kept in the string: a change without an event.
    /// O(1) while nothing is added, else O(registers).
    pub fn hll_count(&mut self, key: &Key<'_>) -> Result<u64, HllOpError> {
        let Some(string) = self.string(key)? else {
            return Ok(0);
        };
        if let Some(count) = hyperloglog::cached_count(string.as_bytes(&mut [0; 20]))? {
            return Ok(count);
        }
        let count = self
            .edit_string(key, |bytes| hyperloglog::count(bytes))?
            .result?;
        self.changed(key, Class::String, "", &[b"PFCOUNT", key.bytes]);
        Ok(count)
    }

    /// PFCOUNT of several keys: how many different elements they have together. O(number of keys × registers).
    pub fn hll_count_union<'a>(
        &mut self,
        keys: impl Iterator<Item = Key<'a>>,
    ) -> Result<u64, HllOpError> {
        Ok(self.hll_union(keys)?.count())
    }

    /// PFMERGE: adds to the first key all that the others have; it is made if there is none.
    /// O(number of keys × registers).
    pub fn hll_merge(&mut self, to: &Key<'_>, sources: &[Key<'_>]) -> Result<(), HllOpError> {
        let union = self.hll_union([to].into_iter().chain(sources).copied())?;
        let stored = self.edit_string(to, |bytes| {
            if bytes.is_empty() {
                *bytes = hyperloglog::create();
            }
            union.store(bytes)
        })?;
        stored.result?;
        // The command itself: it makes the same bytes of the same sources, and is short.
        self.changed_by(to, Class::String, "pfadd", |args| {
            args.extend([b"PFMERGE", to.bytes]);
            args.extend(sources.iter().map(|source| source.bytes));
        });
        Ok(())
    }

    /// PFDEBUG TODENSE: whether it was sparse; `None` when there is no such key. O(registers).
    pub fn hll_to_dense(&mut self, key: &Key<'_>) -> Result<Option<bool>, HllOpError> {
        if !self.check_hll(key)? {
            return Ok(None);
        }
        let converted = self.edit_string(key, hyperloglog::to_dense)?.result?;
        if converted {
            // It counts the same: as in Redis, this is nothing to those who watch the key or cache it.
            let db = self.databases.number(key.space);
            self.changes.push(Change {
                db,
                target: Target::Beside(key.bytes),
                class: Class::String,
                event: "",
                command: &[b"PFDEBUG", b"TODENSE", key.bytes],
            });
        }
        Ok(Some(converted))
    }

    /// Whether the key exists; an error when it is no HyperLogLog.
    fn check_hll(&mut self, key: &Key<'_>) -> Result<bool, HllOpError> {
        match self.string(key)? {
            Some(string) => {
                hyperloglog::encoding(string.as_bytes(&mut [0; 20]))?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn hll_union<'a>(&mut self, keys: impl Iterator<Item = Key<'a>>) -> Result<Union, HllOpError> {
        let mut union = Union::default();
        for key in keys {
            if let Some(string) = self.string(&key)? {
                union.absorb(string.as_bytes(&mut [0; 20]))?;
            }
        }
        Ok(union)
    }
}
