//! The keyspace: the one table, and what all types share - lookup, expiry, databases, changes, accounting.
//!
//! Operations are typed: they take keys and values and give typed results. This module and those below it must not
//! know protocols, connections, sockets or the clock: time comes in by [`Keyspace::set_now`], randomness by the seed.
//!
//! | file | idea |
//! |---|---|
//! | `table.rs` | the hash map itself |
//! | `value.rs` | the types that do not fit a record |
//! | `string.rs`, `series.rs`, `json.rs` … | one type each |
//! | `bits.rs`, `hyperloglog.rs`, `geo.rs` | what a string or a score stands for |
//! | `generic.rs` | operations on keys of any type |
//! | `eviction.rs` | which keys go when memory is short |
//! | `databases.rs` | numbered databases within the one table |
//! | `maintenance.rs` | work that is done a little every turn: active expiry, freeing |
//! | `snapshot.rs`, `image.rs` | a picture of everything, taken a little every turn |

mod bitmap_ops;
pub mod bits;
mod collection;
pub mod collections;
mod copy;
mod databases;
mod errors;
mod eviction;
mod generic;
pub mod geo;
mod geo_ops;
mod hash_ops;
pub mod hyperloglog;
mod hyperloglog_ops;
pub mod image;
mod json_ops;
mod list_ops;
mod maintenance;
mod restore_ops;
mod rng;
mod series_ops;
mod set_ops;
mod snapshot;
mod stream_ops;
mod string;
mod table;
mod zset_algebra;
mod zset_ops;
mod zset_range;

pub mod json;
pub mod series;
pub mod sort;
pub mod stream;
mod value;

pub use bitmap_ops::FieldStep;
pub use collection::{Collection, Open};
pub(crate) use collections::dict::Lookahead;
pub use collections::{Entry, Hash, KeyedState, List, Set, Settings, ZSet};
pub use copy::Snapshot;
pub use databases::Counts;
pub use eviction::{Eviction, Policy};
pub use generic::{CopyError, ExpireCondition, RenameError, Ttl};
pub use geo_ops::Found;
pub use hyperloglog_ops::HllOpError;
pub use json::{InvalidJson, Json, JsonKind, Parsed};
pub use json_ops::{EditValue, Edited, Growth, JsonError, NewValue, Telling};
pub use list_ops::ListSetError;
pub(crate) use list_ops::{absolute as list_absolute, range_of as list_range};
pub use restore_ops::{BusyKey, Content, RestoreOptions, Saved};
pub use rng::Rng;
pub use series_ops::{SeriesError, SeriesOptions};
pub use set_ops::SetOp;
pub use snapshot::SnapshotProgress;
pub use stream::Stream;
pub use stream_ops::{StreamAdd, StreamError, StreamRead, StreamRequest};
pub use string::{Condition, Expiry, IncrError, SetOptions, SetOutcome, Str, StringError, View};
pub use table::{Data, Key, Record};
pub use value::{Type, Value, WrongType};
pub use zset_algebra::{Aggregate, Scored, ZCombination, ZSetOp};
pub use zset_ops::{Extreme, ZAddError, ZAddOptions, ZAdded};
pub use zset_range::{ZRange, ZRangeBy};

use crate::change::{Change, Changes, Class, Target};
use databases::Databases;
use maintenance::Garbage;
use series_ops::SeriesIndex;
use table::{NewData, Position, Table};

/// A database, as clients number it: 0 unless they selected another.
pub type Db = u8;

/// What a keyspace must be told at its start.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    /// Keys of the hash. An attacker who knew them could make lookups slow.
    pub hash: (u64, u64),
    /// Where random choices (RANDOMKEY, SPOP, eviction samples) start.
    pub random: u64,
}

impl Seed {
    /// Everything from one number, so that a run can be repeated.
    pub fn fixed(seed: u64) -> Self {
        let mut rng = Rng::seeded(seed);
        Seed {
            hash: (rng.next_u64(), rng.next_u64()),
            random: rng.next_u64(),
        }
    }

    /// From the system's own randomness.
    pub fn from_system() -> Self {
        use std::hash::{BuildHasher, Hasher};
        // Each RandomState has keys from the system: what it makes of nothing is as good as random.
        let random = || std::hash::RandomState::new().build_hasher().finish();
        Seed {
            hash: (random(), random()),
            random: random(),
        }
    }
}

/// Counters since the start (or since CONFIG RESETSTAT).
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyspaceStats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys that were removed because their time had come.
    pub expired: u64,
    /// Keys that were removed to make room.
    pub evicted: u64,
}

/// All keys and values, whatever protocol they came by.
#[derive(Debug)]
pub struct Keyspace {
    table: Table,
    databases: Databases,
    series: SeriesIndex,
    garbage: Garbage,
    snapshot: snapshot::Snapshot,
    rng: Rng,
    now_ms: i64,
    /// What expires by this time has expired: now, or never.
    expired_by_ms: i64,
    seed: Seed,
    stats: KeyspaceStats,
    /// Cleared while a client reads that asked not to disturb the order of eviction (CLIENT NO-TOUCH).
    pub(crate) reads_count_as_use: bool,
    /// When collections change their form.
    pub settings: Settings,
    /// Which keys go when memory is short.
    pub eviction: Eviction,
    /// Where every mutation is told.
    pub changes: Changes,
}

impl Keyspace {
    /// An empty keyspace with `databases` numbered databases (1 to 128).
    pub fn new(seed: Seed, databases: u8) -> Self {
        Keyspace {
            table: Table::new(seed.hash),
            databases: Databases::new(databases),
            series: SeriesIndex::default(),
            garbage: Garbage::default(),
            snapshot: snapshot::Snapshot::default(),
            rng: Rng::seeded(seed.random),
            now_ms: 0,
            expired_by_ms: 0,
            seed,
            stats: KeyspaceStats::default(),
            reads_count_as_use: true,
            settings: Settings::new(KeyedState {
                k0: seed.hash.0,
                k1: seed.hash.1,
            }),
            eviction: Eviction::default(),
            changes: Changes::default(),
        }
    }

    /// Says what time it is: Unix time in ms. Everything that expires does so by this clock.
    pub fn set_now(&mut self, unix_ms: i64) {
        self.now_ms = unix_ms;
        self.expired_by_ms = unix_ms;
    }

    /// Says what time it is, and lets nothing expire until it is told again by [`Keyspace::set_now`]: changes of the past
    /// are repeated, and what expired then is among them.
    pub fn suspend_expiry(&mut self, unix_ms: i64) {
        self.now_ms = unix_ms;
        self.expired_by_ms = i64::MIN;
    }

    /// The time it was told last, Unix time in ms.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// A key of a database, hashed once for all operations on it.
    #[inline]
    pub fn key<'a>(&self, db: Db, bytes: &'a [u8]) -> Key<'a> {
        self.table.key(self.databases.space(db), bytes)
    }

    /// Asks the memory for what lookups of keys with these hashes will read, so that its answers arrive together instead of
    /// one after another. A hint: nothing changes.
    #[inline]
    pub fn prefetch(&self, hashes: impl Iterator<Item = u64> + Clone) {
        for hash in hashes.clone() {
            self.table.prefetch_slot(hash);
        }
        for hash in hashes {
            self.table.prefetch_record(hash);
        }
    }

    /// Where members of the key's collection can be looked up ahead, if it is one that is so large that this pays.
    pub(crate) fn lookahead(&self, key: &Key<'_>) -> Option<&dyn Lookahead> {
        /// Those with fewer members are in the processor's cache, or soon will be.
        const MEMBERS_MIN: usize = 1000;
        let Data::Value(value) = self.table.record(self.table.find(key)?).data else {
            return None;
        };
        let (members, table) = match value {
            Value::Hash(hash) => (hash.len(), hash.lookahead()),
            Value::Set(set) => (set.len(), set.lookahead()),
            Value::SortedSet(zset) => (zset.len(), zset.lookahead()),
            _ => return None,
        };
        table.filter(|_| members >= MEMBERS_MIN)
    }

    /// The number that stands for a database within keys.
    #[inline]
    pub(crate) fn space(&self, db: Db) -> u8 {
        self.databases.space(db)
    }

    /// Number of databases.
    pub fn databases(&self) -> u8 {
        self.databases.count()
    }

    /// Counters.
    pub fn stats(&self) -> KeyspaceStats {
        self.stats
    }

    /// Sets the counters back to zero.
    pub fn reset_stats(&mut self) {
        self.stats = KeyspaceStats::default();
    }

    /// Bytes of memory that keys and values in the table hold, without the values behind pointers. O(segments).
    pub fn table_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// Random choices of commands come from here.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Finds a live record; an expired one is removed on the way.
    #[inline]
    fn find(&mut self, key: &Key<'_>) -> Option<Position> {
        let at = self.table.find(key)?;
        match self.table.expires_ms(at) {
            Some(ms) if ms <= self.expired_by_ms => {
                self.expire_now(key, at);
                None
            }
            _ => Some(at),
        }
    }

    /// As [`Keyspace::find`], for an operation that reads the value: counts hits and misses, and marks the access.
    #[inline]
    fn find_for_read(&mut self, key: &Key<'_>) -> Option<Position> {
        let found = self.find(key);
        match found {
            Some(at) => {
                self.stats.hits += 1;
                if self.reads_count_as_use {
                    self.mark_used(at);
                }
            }
            None => self.stats.misses += 1,
        }
        found
    }

    /// Seconds, in 24 bits, as Redis keeps it for OBJECT IDLETIME.
    #[inline]
    fn access_clock(&self) -> u32 {
        (self.now_ms / 1000) as u32 & 0xff_ffff
    }

    #[cold]
    fn expire_now(&mut self, key: &Key<'_>, at: Position) {
        self.remove_at(key, at);
        self.stats.expired += 1;
        self.changed(key, Class::Expired, "expired", &[b"DEL", key.bytes]);
    }

    /// Adds a record that is not there.
    fn insert(&mut self, key: &Key<'_>, data: NewData<'_>, expires_ms: Option<i64>) -> Position {
        if let NewData::Value(Value::Series(_)) = data {
            self.series.add(key);
        }
        self.databases.added(key.space, expires_ms.is_some());
        let clock = self.new_clock();
        self.table.insert(key, data, expires_ms, clock)
    }

    /// Removes a record; its value is freed at leisure. Tells no change.
    fn remove_at(&mut self, key: &Key<'_>, at: Position) {
        if let Some(value) = self.take_at(key, at) {
            self.garbage.throw(value);
        }
    }

    /// Removes a record and returns its value, if it was one behind a pointer.
    fn take_at(&mut self, key: &Key<'_>, at: Position) -> Option<Value> {
        self.before_change(at);
        self.databases
            .removed(key.space, self.table.expires_ms(at).is_some());
        let value = self.table.remove(at);
        if let Some(Value::Series(_)) = value {
            self.series.remove(key);
        }
        value
    }

    /// Puts other data in a record's place; the old value is freed at leisure.
    fn replace_at(&mut self, key: &Key<'_>, at: &mut Position, data: NewData<'_>) {
        self.before_change(*at);
        let is_series = matches!(data, NewData::Value(Value::Series(_)));
        if let Some(old) = self.table.replace(at, data) {
            if let Value::Series(_) = old {
                self.series.remove(key);
            }
            self.garbage.throw(old);
        }
        if is_series {
            self.series.add(key);
        }
    }

    fn set_expires_at(&mut self, key: &Key<'_>, at: &mut Position, expires_ms: Option<i64>) {
        self.before_change(*at);
        let had = self.table.expires_ms(*at).is_some();
        self.databases
            .expiry_changed(key.space, had, expires_ms.is_some());
        self.table.set_expires_ms(at, expires_ms);
    }

    /// As [`Keyspace::changed`], for a command whose arguments are only worth collecting if somebody wants them.
    fn changed_by<'a>(
        &mut self,
        key: &Key<'_>,
        class: Class,
        event: &'static str,
        command: impl FnOnce(&mut Vec<&'a [u8]>),
    ) {
        let mut args = Vec::new();
        if self.changes.wants_commands() {
            command(&mut args);
        }
        self.changed(key, class, event, &args);
    }

    /// Tells the one place that every write ends in.
    #[inline]
    fn changed(&mut self, key: &Key<'_>, class: Class, event: &'static str, command: &[&[u8]]) {
        let db = self.databases.number(key.space);
        self.changes.push(Change {
            db,
            target: Target::Key(key.bytes),
            class,
            event,
            command,
        });
    }

    /// The value at `at`, to be changed in place; `None` when it is a short string or an integer.
    #[inline]
    fn value_mut_at(&mut self, at: Position) -> Option<&mut Value> {
        self.before_change(at);
        self.table.boxed_mut(at)
    }

    fn type_at(&self, at: Position) -> Type {
        self.table.record(at).data.type_of()
    }
}
