//! Strings, documents, and what can be done to keys of any type.

use std::time::Duration;

use super::Store;
use crate::extended_float::ExtendedFloat;
use crate::keyspace::{
    Condition, CopyError, ExpireCondition, Expiry, IncrError, InvalidJson, Json, RenameError,
    SetOptions, SetOutcome, Str, StringError, Ttl, Type, WrongType,
};

/// Strings and JSON documents.
impl Store<'_> {
    /// GET: the string, or the text of a JSON document. O(1), no copy.
    #[inline]
    pub fn get(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Str<'_>>, WrongType> {
        self.settle();
        let key = self.keyspace.key(self.db, key.as_ref());
        self.keyspace.get(&key)
    }

    /// The same as a copy.
    pub fn get_vec(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, WrongType> {
        Ok(self.get(key)?.map(|string| string.to_vec()))
    }

    /// SET: stores a string in place of whatever the key holds, without an expiry. O(length).
    pub fn set(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let key = self.key(&key);
        self.keyspace.put(&key, value.as_ref());
        self.settle();
    }

    /// SET with a life: as [`Store::set`], and the key expires after it.
    pub fn set_for(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, life: Duration) {
        let options = SetOptions {
            expiry: self.expiry_in(life),
            ..SetOptions::default()
        };
        // It is only refused where the old value is asked for.
        let _ = self.set_with(key, value, options);
    }

    /// SET with all its options. [`Store::expiry_in`] makes a life an expiry.
    pub fn set_with(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: SetOptions,
    ) -> Result<SetOutcome, WrongType> {
        let key = self.key(&key);
        let outcome = self.keyspace.set(&key, value.as_ref(), options);
        self.settle();
        outcome
    }

    /// INCRBY: adds to the integer that the key holds, 0 when it does not exist; gives the sum. O(1).
    pub fn incr_by(&mut self, key: impl AsRef<[u8]>, by: i64) -> Result<i64, IncrError> {
        let key = self.key(&key);
        let sum = self.keyspace.incr_by(&key, by);
        self.settle();
        sum
    }

    /// INCRBYFLOAT: the same with a fraction; gives the sum's text. O(1).
    pub fn incr_by_float(&mut self, key: impl AsRef<[u8]>, by: f64) -> Result<Vec<u8>, IncrError> {
        let by = ExtendedFloat::from_f64(by).ok_or(IncrError::NotFinite)?;
        let key = self.key(&key);
        let sum = self.keyspace.incr_by_float(&key, by);
        self.settle();
        sum
    }

    /// APPEND: gives the new length. O(length of what is appended), amortised.
    pub fn append(
        &mut self,
        key: impl AsRef<[u8]>,
        suffix: impl AsRef<[u8]>,
    ) -> Result<usize, StringError> {
        let len_max = self.hub.limits.request_bytes_max;
        let key = self.key(&key);
        let len = self.keyspace.append(&key, suffix.as_ref(), len_max);
        self.settle();
        len
    }

    /// Stores a JSON value in place of whatever the key holds; a JSON string is stored as a plain one. O(length).
    pub fn set_json(
        &mut self,
        key: impl AsRef<[u8]>,
        text: impl AsRef<[u8]>,
    ) -> Result<(), InvalidJson> {
        let value = Json::parse(text.as_ref())?;
        let key = self.key(&key);
        self.keyspace
            .set_json(&key, value, Condition::Always, Expiry::Clear);
        self.settle();
        Ok(())
    }
}

/// Keys of any type.
impl Store<'_> {
    /// DEL: whether the key was there. O(1): a big value is freed later, over many turns.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> bool {
        let key = self.key(&key);
        let existed = self.keyspace.delete(&key);
        self.settle();
        existed
    }

    /// EXISTS. O(1).
    pub fn exists(&mut self, key: impl AsRef<[u8]>) -> bool {
        let key = self.key(&key);
        let exists = self.keyspace.exists(&key);
        self.settle();
        exists
    }

    /// TYPE; `None` when the key does not exist. O(1).
    pub fn type_of(&mut self, key: impl AsRef<[u8]>) -> Option<Type> {
        let key = self.key(&key);
        let found = self.keyspace.type_of(&key);
        self.settle();
        found
    }

    /// How long the key has to live. O(1).
    pub fn ttl(&mut self, key: impl AsRef<[u8]>) -> Ttl {
        let key = self.key(&key);
        let ttl = self.keyspace.ttl(&key);
        self.settle();
        ttl
    }

    /// Lets the key expire after this time; false when it does not exist. O(1).
    pub fn expire_in(&mut self, key: impl AsRef<[u8]>, life: Duration) -> bool {
        let at_ms = self.unix_ms_in(life);
        self.expire_at(key, at_ms)
    }

    /// Lets the key expire at this Unix time in ms, at once when that is past; false when it does not exist. O(1).
    pub fn expire_at(&mut self, key: impl AsRef<[u8]>, unix_ms: i64) -> bool {
        let key = self.key(&key);
        let done = self
            .keyspace
            .expire_at(&key, unix_ms, ExpireCondition::default());
        self.settle();
        done
    }

    /// PERSIST: whether there was an expiry to remove. O(1).
    pub fn persist(&mut self, key: impl AsRef<[u8]>) -> bool {
        let key = self.key(&key);
        let done = self.keyspace.persist(&key);
        self.settle();
        done
    }

    /// RENAME: value and expiry go to the new name, in place of what is there. O(1).
    pub fn rename(
        &mut self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
    ) -> Result<(), RenameError> {
        let (from, to) = (self.key(&from), self.key(&to));
        let done = self.keyspace.rename(&from, &to, false);
        self.settle();
        done.map(drop)
    }

    /// COPY within the database, expiry included; false when there is nothing to copy, or something is in the way and
    /// `replace` is not set. O(size of the value).
    pub fn copy(
        &mut self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
        replace: bool,
    ) -> Result<bool, CopyError> {
        let (from, to) = (self.key(&from), self.key(&to));
        let done = self.keyspace.copy(&from, &to, replace);
        self.settle();
        done
    }

    /// Number of keys in the database. O(1). One whose time has come counts until it is looked at.
    pub fn len(&self) -> usize {
        self.keyspace.counts(self.db).keys
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// FLUSHDB: constant time; the memory comes back over the next turns.
    pub fn flush(&mut self) {
        self.keyspace.flush(self.db);
        self.settle();
    }

    /// FLUSHALL: constant time, as [`Store::flush`].
    pub fn flush_all(&mut self) {
        self.keyspace.flush_all();
        self.settle();
    }

    /// SCAN: one step of a walk over all keys. Shows about `count` of them, and gives the cursor to go on with, 0 at the
    /// end. A key that is there all the time is shown, whatever happens between the steps.
    pub fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(&[u8], Type)) -> u64 {
        self.keyspace.scan(self.db, cursor, count, visit)
    }

    /// Shows all keys of the database, in no particular order. O(keys of all databases).
    pub fn for_each_key(&self, visit: impl FnMut(&[u8], Type)) {
        self.keyspace.for_each_key(self.db, visit);
    }

    /// A copy of all names of keys, in order. O(keys of all databases).
    pub fn keys(&self) -> Vec<Vec<u8>> {
        let mut keys = Vec::with_capacity(self.len());
        self.for_each_key(|key, _| keys.push(key.to_vec()));
        keys.sort_unstable();
        keys
    }
}
