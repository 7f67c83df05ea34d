//! Operations on keys of any type: existence, names, expiry, walks.
//!
//! This module must not know what a value holds, beyond its type and encoding.

use super::databases::Counts;
use super::table::{NewData, Record, Table};
use super::{Data, Db, Expiry, Key, Keyspace, Type, Value};
use crate::change::{Change, Class, Target};
use crate::number::format_i64;

/// How long a key has to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// The key does not exist.
    Missing,
    /// It has no expiry.
    Forever,
    /// It expires at this Unix time in ms.
    At(i64),
}

/// The conditions of EXPIRE: all that are set must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpireCondition {
    /// NX: only when the key has no expiry.
    pub if_none: bool,
    /// XX: only when it has one.
    pub if_any: bool,
    /// GT: only when the new one is later (having none counts as the latest).
    pub if_later: bool,
    /// LT: only when it is earlier.
    pub if_earlier: bool,
}

/// Why a rename was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameError {
    /// There is no such key.
    NoSuchKey,
}

/// Why a copy or a move was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyError {
    /// Source and destination are the same key of the same database.
    SameKey,
}

impl Keyspace {
    /// EXISTS for one key. O(1). Counts as a read.
    pub fn exists(&mut self, key: &Key<'_>) -> bool {
        self.find_for_read(key).is_some()
    }

    /// The same, without counting as a read.
    pub fn exists_quietly(&mut self, key: &Key<'_>) -> bool {
        self.find(key).is_some()
    }

    /// TYPE; `None` when the key does not exist. O(1).
    pub fn type_of(&mut self, key: &Key<'_>) -> Option<Type> {
        let at = self.find(key)?;
        Some(self.type_at(at))
    }

    /// DEL for one key: whether it was there. O(1): a big value is freed later, over many turns.
    pub fn delete(&mut self, key: &Key<'_>) -> bool {
        let Some(at) = self.find(key) else {
            return false;
        };
        self.remove_at(key, at);
        self.changed(key, Class::Generic, "del", &[b"DEL", key.bytes]);
        true
    }

    /// How long the key has to live. O(1).
    pub fn ttl(&mut self, key: &Key<'_>) -> Ttl {
        match self.find(key) {
            None => Ttl::Missing,
            Some(at) => self.table.expires_ms(at).map_or(Ttl::Forever, Ttl::At),
        }
    }

    /// Makes the key expire at this Unix time in ms; at once, when that is past. False when it does not exist or the
    /// condition does not hold. O(1).
    pub fn expire_at(&mut self, key: &Key<'_>, at_ms: i64, condition: ExpireCondition) -> bool {
        let Some(mut at) = self.find(key) else {
            return false;
        };
        let now = self.table.expires_ms(at);
        let refused = condition.if_none && now.is_some()
            || condition.if_any && now.is_none()
            || condition.if_later && now.is_none_or(|now| at_ms <= now)
            || condition.if_earlier && now.is_some_and(|now| at_ms >= now);
        if refused {
            return false;
        }
        if at_ms <= self.expired_by_ms {
            self.remove_at(key, at);
            self.changed(key, Class::Generic, "del", &[b"DEL", key.bytes]);
        } else {
            self.set_expires_at(key, &mut at, Some(at_ms));
            let mut digits = [0; 20];
            let at = format_i64(at_ms, &mut digits);
            self.changed(
                key,
                Class::Generic,
                "expire",
                &[b"PEXPIREAT", key.bytes, at],
            );
        }
        true
    }

    /// PERSIST: whether there was an expiry to remove. O(1).
    pub fn persist(&mut self, key: &Key<'_>) -> bool {
        let Some(mut at) = self.find(key) else {
            return false;
        };
        if self.table.expires_ms(at).is_none() {
            return false;
        }
        self.set_expires_at(key, &mut at, None);
        self.changed(key, Class::Generic, "persist", &[b"PERSIST", key.bytes]);
        true
    }

    /// RENAME within a database: value and expiry go to the new name, in place of what is there. With `if_missing`
    /// (RENAMENX) only when nothing is there; gives whether it was done. O(1).
    pub fn rename(
        &mut self,
        from: &Key<'_>,
        to: &Key<'_>,
        if_missing: bool,
    ) -> Result<bool, RenameError> {
        if self.find(from).is_none() {
            return Err(RenameError::NoSuchKey);
        }
        if from.bytes == to.bytes {
            return Ok(!if_missing);
        }
        if let Some(old) = self.find(to) {
            if if_missing {
                return Ok(false);
            }
            self.remove_at(to, old);
        }
        self.relocate(from, to);
        self.changed(
            from,
            Class::Generic,
            "rename_from",
            &[b"RENAME", from.bytes, to.bytes],
        );
        self.changed(to, Class::Generic, "rename_to", &[]);
        Ok(true)
    }

    /// MOVE to another database: false when the key does not exist here or does there. O(1).
    pub fn move_to(&mut self, from: &Key<'_>, db: Db) -> Result<bool, CopyError> {
        let to = self.key(db, from.bytes);
        if to.space == from.space {
            return Err(CopyError::SameKey);
        }
        if self.find(from).is_none() || self.find(&to).is_some() {
            return Ok(false);
        }
        self.relocate(from, &to);
        let db = db.to_string();
        self.changed(
            from,
            Class::Generic,
            "move_from",
            &[b"MOVE", from.bytes, db.as_bytes()],
        );
        self.changed(&to, Class::Generic, "move_to", &[]);
        Ok(true)
    }

    /// COPY, expiry included; `to` may be in another database. False when there is nothing to copy, or something is
    /// in the way and `replace` is not set. O(size of the value).
    pub fn copy(&mut self, from: &Key<'_>, to: &Key<'_>, replace: bool) -> Result<bool, CopyError> {
        if from.space == to.space && from.bytes == to.bytes {
            return Err(CopyError::SameKey);
        }
        let Some(at) = self.find_for_read(from) else {
            return Ok(false);
        };
        let record = self.table.record(at);
        let expires_ms = record.expires_ms;
        let copied = Owned::of(&record);
        let found = self.find(to);
        if found.is_some() && !replace {
            return Ok(false);
        }
        let expiry = expires_ms.map_or(Expiry::Clear, Expiry::At);
        copied.hand_to(|data| self.store(to, found, data, expiry));
        let db = self.databases.number(to.space).to_string();
        let command: [&[u8]; 6] = [
            b"COPY",
            from.bytes,
            to.bytes,
            b"DB",
            db.as_bytes(),
            b"REPLACE",
        ];
        // Told of the source's database, where the command has to be run; the key that is different is the copy.
        let source_db = self.databases.number(from.space);
        self.changes.push(Change {
            db: source_db,
            class: Class::Generic,
            event: "",
            target: Target::Nothing,
            command: &command,
        });
        self.changed(to, Class::Generic, "copy_to", &[]);
        Ok(true)
    }

    /// DBSIZE and how many keys have an expiry. O(1).
    pub fn counts(&self, db: Db) -> Counts {
        self.databases.counts(db)
    }

    /// Keys in all databases. O(databases).
    pub fn len(&self) -> usize {
        self.databases.total_keys()
    }

    /// Whether there is no key in any database.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// FLUSHDB: constant time; the memory comes back over the next turns.
    pub fn flush(&mut self, db: Db) {
        self.snapshot_end();
        let others = self.table.len() - self.databases.counts(db).keys;
        if others == 0 {
            self.discard_table();
        } else {
            self.series.clear_space(self.databases.space(db));
            while !self.databases.retire(db) {
                self.sweep_all();
            }
        }
        self.changes.push(Change {
            db,
            class: Class::Generic,
            event: "",
            target: Target::Database,
            command: &[b"FLUSHDB"],
        });
    }

    /// FLUSHALL: constant time, as [`Keyspace::flush`].
    pub fn flush_all(&mut self) {
        self.snapshot_end();
        self.discard_table();
        self.changes.push(Change {
            db: 0,
            class: Class::Generic,
            event: "",
            target: Target::Everything,
            command: &[b"FLUSHALL"],
        });
    }

    /// SWAPDB: constant time.
    pub fn swap_databases(&mut self, a: Db, b: Db) {
        self.databases.swap(a, b);
        let (a_text, b_text) = (a.to_string(), b.to_string());
        let command: [&[u8]; 3] = [b"SWAPDB", a_text.as_bytes(), b_text.as_bytes()];
        self.changes.push(Change {
            db: a,
            class: Class::Generic,
            event: "",
            target: Target::Database,
            command: &command,
        });
        self.changes.push(Change {
            db: b,
            class: Class::Generic,
            event: "",
            target: Target::Database,
            command: &[],
        });
    }

    /// RANDOMKEY: any live key of the database, all as likely. O(1) when the database has its share of the keys.
    pub fn random_key(&mut self, db: Db) -> Option<Vec<u8>> {
        let space = self.databases.space(db);
        let Counts { keys, .. } = self.databases.counts(db);
        if keys == 0 {
            return None;
        }
        // Few of many keys are of this database (or live): after as many tries as would find one, look at all.
        let tries = 16 * self.table.len() / keys + 16;
        for _ in 0..tries.min(1000) {
            let at = self.table.random(|below| self.rng.below(below))?;
            let record = self.table.record(at);
            if record.space == space && record.expires_ms.is_none_or(|ms| ms > self.expired_by_ms) {
                return Some(record.key.to_vec());
            }
        }
        let mut found = None;
        let mut seen = 0;
        let (rng, now_ms) = (&mut self.rng, self.expired_by_ms);
        let mut consider = |record: Record<'_>| {
            if record.space == space && record.expires_ms.is_none_or(|ms| ms > now_ms) {
                seen += 1;
                if rng.below(seen) == 0 {
                    found = Some(record.key.to_vec());
                }
            }
        };
        for index in 0..self.table.segments() {
            self.table.visit_segment(index, &mut consider);
        }
        found
    }

    /// One step of a walk over the live keys of a database; every key that is there all the time is visited. About `count` keys
    /// are looked at, more where few of them are of this database. Gives the cursor to go on with, 0 at the end.
    pub fn scan(
        &self,
        db: Db,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(&[u8], Type),
    ) -> u64 {
        let space = self.databases.space(db);
        let now_ms = self.expired_by_ms;
        let mut cursor = cursor;
        let mut found = 0;
        let mut looked = 0;
        loop {
            cursor = self.table.scan(cursor, count, |record| {
                looked += 1;
                if record.space == space && record.expires_ms.is_none_or(|ms| ms > now_ms) {
                    found += 1;
                    visit(record.key, record.data.type_of());
                }
            });
            // A small database among millions of other keys would answer with thousands of empty steps.
            if cursor == 0 || found > 0 || looked >= count.saturating_mul(10).clamp(1000, 10_000) {
                return cursor;
            }
        }
    }

    /// Visits all live keys of a database. O(all keys).
    pub fn for_each_key(&self, db: Db, mut visit: impl FnMut(&[u8], Type)) {
        let space = self.databases.space(db);
        for index in 0..self.table.segments() {
            self.table.visit_segment(index, |record| {
                if record.space == space
                    && record.expires_ms.is_none_or(|ms| ms > self.expired_by_ms)
                {
                    visit(record.key, record.data.type_of());
                }
            });
        }
    }

    /// OBJECT ENCODING: how the value is kept, in Redis's words. O(1).
    pub fn encoding(&mut self, key: &Key<'_>) -> Option<&'static str> {
        const EMBEDDED_STRING_BYTES_MAX: usize = 44;
        let at = self.find(key)?;
        Some(match self.table.record(at).data {
            Data::Int(_) => "int",
            Data::Bytes { bytes, raw: false } if bytes.len() <= EMBEDDED_STRING_BYTES_MAX => {
                "embstr"
            }
            Data::Bytes { .. } => "raw",
            Data::Value(value) => value.encoding(),
        })
    }

    /// OBJECT IDLETIME: seconds since the key was used last. O(1).
    pub fn idle_seconds(&mut self, key: &Key<'_>) -> Option<u32> {
        let at = self.find(key)?;
        Some(
            self.access_clock()
                .wrapping_sub(self.table.record(at).access_clock)
                & 0xff_ffff,
        )
    }

    /// Bytes of memory that the key, its value and its place in the table take. O(1).
    pub fn memory_usage_bytes(&mut self, key: &Key<'_>) -> Option<usize> {
        let at = self.find(key)?;
        let behind = match self.table.record(at).data {
            Data::Value(value) => value.heap_bytes(),
            Data::Bytes { .. } | Data::Int(_) => 0,
        };
        Some(self.table.record_bytes(at) + behind)
    }

    /// Puts the record of one key under another, which is free.
    fn relocate(&mut self, from: &Key<'_>, to: &Key<'_>) {
        let Some(at) = self.table.find(from) else {
            return;
        };
        let record = self.table.record(at);
        let expires_ms = record.expires_ms;
        // What is behind a pointer moves; what is in the record is copied.
        let inline = match record.data {
            Data::Value(_) => None,
            Data::Bytes { .. } | Data::Int(_) => Some(Owned::of(&record)),
        };
        let value = self.take_at(from, at).map(Owned::Value);
        if let Some(owned) = value.or(inline) {
            owned.hand_to(|data| self.insert(to, data, expires_ms));
        }
    }

    fn discard_table(&mut self) {
        let old = std::mem::replace(&mut self.table, Table::new(self.seed.hash));
        self.garbage.throw_table(old);
        self.databases.clear();
        self.series.clear();
    }

    fn sweep_all(&mut self) {
        while self.databases.has_retired() {
            self.maintain();
        }
    }
}

/// A record's data on its way to another record.
enum Owned {
    Bytes(Vec<u8>, bool),
    Int(i64),
    Value(Value),
}

impl Owned {
    fn of(record: &Record<'_>) -> Self {
        match record.data {
            Data::Bytes { bytes, raw } => Owned::Bytes(bytes.to_vec(), raw),
            Data::Int(int) => Owned::Int(int),
            Data::Value(value) => Owned::Value(value.clone()),
        }
    }

    fn hand_to<R>(self, store: impl FnOnce(NewData<'_>) -> R) -> R {
        match self {
            Owned::Bytes(bytes, raw) => store(NewData::Bytes { bytes: &bytes, raw }),
            Owned::Int(int) => store(NewData::Int(int)),
            Owned::Value(value) => store(NewData::Value(value)),
        }
    }
}
