//! Streams and time series: a key that has been looked up once, and what can be done to it.

use std::ops::RangeInclusive;

use super::Store;
use crate::keyspace::series::{DuplicatePolicy, Sample, Series};
use crate::keyspace::stream::{Keep, NewId, StreamId, Trim};
use crate::keyspace::{Key, SeriesError, Stream, StreamAdd, StreamError, WrongType};

/// The stream under a key; of a missing one, an empty one.
#[derive(Debug)]
pub struct StreamKey<'s> {
    store: Store<'s>,
    key: Key<'s>,
}

/// An entry of a stream: its id, and its fields with their values.
pub type StreamEntry = (StreamId, Vec<(Vec<u8>, Vec<u8>)>);

/// The time series under a key; of a missing one, an empty one.
#[derive(Debug)]
pub struct SeriesKey<'s> {
    store: Store<'s>,
    key: Key<'s>,
}

impl Store<'_> {
    /// The stream under a key, that may be empty yet. An error when the key holds another type. O(1).
    pub fn stream<'s, K: AsRef<[u8]> + ?Sized>(
        &'s mut self,
        key: &'s K,
    ) -> Result<StreamKey<'s>, WrongType> {
        let key = self.key(key);
        self.keyspace.read::<Stream>(&key)?;
        self.settle();
        Ok(StreamKey {
            store: self.lend(),
            key,
        })
    }

    /// The time series under a key, that may be empty yet: what the metrics protocol puts, and TS.ADD. An error when the
    /// key holds another type. O(1).
    pub fn series<'s, K: AsRef<[u8]> + ?Sized>(
        &'s mut self,
        key: &'s K,
    ) -> Result<SeriesKey<'s>, WrongType> {
        let key = self.key(key);
        self.keyspace.series(&key)?;
        self.settle();
        Ok(SeriesKey {
            store: self.lend(),
            key,
        })
    }

    /// The names of all series of the database, in the order in which they were created. O(series).
    pub fn series_keys(&mut self) -> Vec<Vec<u8>> {
        let keys = self.keyspace.series_keys(self.db);
        self.settle();
        keys
    }
}

impl StreamKey<'_> {
    /// XADD with an id that the stream gives by the clock: the new entry's id. O(1).
    pub fn add<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        fields: &[(F, V)],
    ) -> Result<StreamId, StreamError> {
        let add = StreamAdd {
            id: NewId::Auto,
            trim: None,
            if_exists: false,
        };
        let fields = fields
            .iter()
            .map(|(field, value)| (field.as_ref(), value.as_ref()));
        let added = self.store.keyspace.stream_add(&self.key, add, fields);
        self.store.settle();
        added.map(|id| id.unwrap_or(StreamId::MIN))
    }

    /// XLEN. O(1).
    pub fn len(&self) -> u64 {
        self.peek().map_or(0, |stream| stream.log.len())
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole, to be read; `None` when there is no such key. O(1), no copy.
    pub fn peek(&self) -> Option<&Stream> {
        self.store.keyspace.peek(&self.key)
    }

    /// The id that was given last; `0-0` before the first. O(1).
    pub fn last_id(&self) -> StreamId {
        self.peek()
            .map_or(StreamId::MIN, |stream| stream.log.last_id())
    }

    /// XRANGE: at most `count` of the entries with ids from the first to the last of these. O(log n + entries).
    pub fn range(&self, ids: RangeInclusive<StreamId>, count: usize) -> Vec<StreamEntry> {
        self.peek().map_or_else(Vec::new, |stream| {
            stream
                .log
                .range(*ids.start(), *ids.end())
                .take(count)
                .map(|entry| {
                    let own = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
                    (entry.id, entry.fields().map(own).collect())
                })
                .collect()
        })
    }

    /// XREAD without waiting: at most `count` of the entries behind this id. O(log n + entries).
    pub fn after(&self, id: StreamId, count: usize) -> Vec<StreamEntry> {
        id.next()
            .map_or_else(Vec::new, |next| self.range(next..=StreamId::MAX, count))
    }

    /// XDEL of one entry: whether it was there. O(log n).
    pub fn remove(&mut self, id: StreamId) -> bool {
        let deleted = self.store.keyspace.stream_delete(&self.key, &[id]);
        self.store.settle();
        deleted.is_ok_and(|deleted| deleted > 0)
    }

    /// XTRIM MAXLEN: removes the oldest entries until so many are left; gives how many were removed.
    pub fn trim(&mut self, len: u64) -> u64 {
        let trim = Trim {
            keep: Keep::Last(len),
            approximate: None,
        };
        let trimmed = self.store.keyspace.stream_trim(&self.key, trim);
        self.store.settle();
        trimmed.unwrap_or(0)
    }
}

impl SeriesKey<'_> {
    /// TS.ADD: adds a sample, or replaces the one that has this timestamp. O(log samples).
    pub fn add(&mut self, timestamp: i64, value: f64) -> Result<(), SeriesError> {
        let policy = Some(DuplicatePolicy::Last);
        let added = self
            .store
            .keyspace
            .series_add(&self.key, timestamp, value, policy);
        self.store.settle();
        added.map(drop)
    }

    /// Number of samples. O(1).
    pub fn len(&mut self) -> usize {
        self.read().map_or(0, Series::len)
    }

    /// Whether there is none.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// The sample with the highest timestamp. O(1).
    pub fn last(&mut self) -> Option<Sample> {
        self.read()?.last()
    }

    /// TS.RANGE: the samples with timestamps from the first to the last of these. O(log samples + samples).
    pub fn range(&mut self, timestamps: RangeInclusive<i64>) -> Vec<Sample> {
        self.read()
            .map_or_else(Vec::new, |series| series.range(timestamps).collect())
    }

    /// TS.DEL: deletes the samples with timestamps from the first to the last of these; gives how many there were.
    pub fn remove(&mut self, timestamps: RangeInclusive<i64>) -> u64 {
        let (from, to) = (*timestamps.start(), *timestamps.end());
        let deleted = self.store.keyspace.series_delete_range(&self.key, from, to);
        self.store.settle();
        deleted.ok().flatten().unwrap_or(0)
    }

    fn read(&mut self) -> Option<&Series> {
        self.store.keyspace.series(&self.key).ok().flatten()
    }
}
