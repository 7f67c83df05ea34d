//! Time series as keys: what TS.* and the metrics protocol do to them, and the order in which they were created.
//!
//! What a series *is* stands in `series.rs`; this file must not know protocols.

use std::collections::{BTreeMap, HashMap};

use super::series::{AddError, AddOutcome, DuplicatePolicy, LabelPair, Series};
use super::table::NewData;
use super::{Data, Db, Key, Keyspace, Record, Value, WrongType};
use crate::change::Class;
use crate::number::{format_i64, push_f64};

/// Why an operation on a series was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesError {
    /// The key holds another type.
    WrongType(WrongType),
    /// The sample was refused by the series.
    Add(AddError),
}

impl From<WrongType> for SeriesError {
    fn from(error: WrongType) -> Self {
        SeriesError::WrongType(error)
    }
}

/// What TS.CREATE and TS.ALTER can say of a series; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesOptions {
    /// Samples older than the newest by more than this go, in ms; 0: none do.
    pub retention_ms: Option<u64>,
    /// Bytes of a chunk of samples.
    pub chunk_size_bytes: Option<u32>,
    /// What is done about a sample whose timestamp is there already.
    pub duplicate_policy: Option<DuplicatePolicy>,
    /// Names and values to find it by.
    pub labels: Option<Vec<LabelPair>>,
}

impl SeriesOptions {
    fn apply(self, series: &mut Series) {
        if let Some(retention_ms) = self.retention_ms {
            series.set_retention_ms(retention_ms);
        }
        if let Some(chunk_size_bytes) = self.chunk_size_bytes {
            series.set_chunk_size_bytes(chunk_size_bytes);
        }
        if let Some(policy) = self.duplicate_policy {
            series.set_duplicate_policy(Some(policy));
        }
        if let Some(labels) = self.labels {
            series.set_labels(labels);
        }
    }

    /// The words that say the same in TS.CREATE and TS.ALTER.
    fn words(&self) -> Vec<Vec<u8>> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        if let Some(retention_ms) = self.retention_ms {
            words.extend([b"RETENTION".to_vec(), retention_ms.to_string().into_bytes()]);
        }
        if let Some(chunk_size_bytes) = self.chunk_size_bytes {
            words.extend([
                b"CHUNK_SIZE".to_vec(),
                chunk_size_bytes.to_string().into_bytes(),
            ]);
        }
        if let Some(policy) = self.duplicate_policy {
            words.extend([
                b"DUPLICATE_POLICY".to_vec(),
                policy.name().as_bytes().to_vec(),
            ]);
        }
        if let Some(labels) = &self.labels {
            words.push(b"LABELS".to_vec());
            words.extend(
                labels
                    .iter()
                    .flat_map(|label| [label.name().to_vec(), label.value().to_vec()]),
            );
        }
        words
    }
}

/// All series' keys, in the order in which they were created.
#[derive(Clone, Debug, Default)]
pub struct SeriesIndex {
    created: u64,
    /// The place of the next one; 0: behind all others.
    next: u64,
    by_order: BTreeMap<(u8, u64), Box<[u8]>>,
    by_key: HashMap<(u8, Box<[u8]>), u64>,
}

impl SeriesIndex {
    pub fn add(&mut self, key: &Key<'_>) {
        let order = match std::mem::take(&mut self.next) {
            0 => self.created + 1,
            order => order,
        };
        self.created = self.created.max(order);
        self.by_order.insert((key.space, order), key.bytes.into());
        self.by_key.insert((key.space, key.bytes.into()), order);
    }

    /// The next one that is added has this place in the order, as it had before.
    pub fn come_to(&mut self, order: u64) {
        self.next = order;
    }

    /// The place in the order of a series' record; of any other, nothing that matters.
    pub fn order_of(&self, record: &Record<'_>) -> u64 {
        match record.data {
            Data::Value(Value::Series(_)) => self
                .by_key
                .get(&(record.space, Box::from(record.key)))
                .copied()
                .unwrap_or(0),
            _ => 0,
        }
    }

    pub fn remove(&mut self, key: &Key<'_>) {
        if let Some(order) = self.by_key.remove(&(key.space, Box::from(key.bytes))) {
            self.by_order.remove(&(key.space, order));
        }
    }

    pub fn clear_space(&mut self, space: u8) {
        self.by_order.retain(|(of, _), _| *of != space);
        self.by_key.retain(|(of, _), _| *of != space);
    }

    pub fn clear(&mut self) {
        self.by_order.clear();
        self.by_key.clear();
    }
}

impl Keyspace {
    /// The series at the key, if there is one. O(1). Counts as a read.
    pub fn series(&mut self, key: &Key<'_>) -> Result<Option<&Series>, WrongType> {
        let Some(at) = self.find_for_read(key) else {
            return Ok(None);
        };
        match self.table.record(at).data {
            Data::Value(Value::Series(series)) => Ok(Some(series)),
            other => Err(WrongType {
                found: other.type_of(),
            }),
        }
    }

    /// The keys of a database's series, in the order in which they were created; expired ones are removed first.
    /// O(number of series).
    pub fn series_keys(&mut self, db: Db) -> Vec<Vec<u8>> {
        let space = self.databases.space(db);
        let keys: Vec<Vec<u8>> = self
            .series
            .by_order
            .range((space, 0)..=(space, u64::MAX))
            .map(|(_, key)| key.to_vec())
            .collect();
        keys.into_iter()
            .filter(|bytes| {
                let key = self.key(db, bytes);
                self.find(&key).is_some()
            })
            .collect()
    }

    /// TS.CREATE: an empty series; false when the key exists, whatever it holds. O(1).
    pub fn series_create(&mut self, key: &Key<'_>, options: SeriesOptions) -> bool {
        if self.find(key).is_some() {
            return false;
        }
        let words = options.words();
        let mut series = Box::<Series>::default();
        options.apply(&mut series);
        self.insert(key, NewData::Value(Value::Series(series)), None);
        self.changed_by(key, Class::Module, "ts.create", |args| {
            args.extend([b"TS.CREATE", key.bytes]);
            args.extend(words.iter().map(Vec::as_slice));
        });
        true
    }

    /// TS.ALTER; false when there is no such series. O(1), or O(samples that a shorter retention removes).
    pub fn series_alter(
        &mut self,
        key: &Key<'_>,
        options: SeriesOptions,
    ) -> Result<bool, WrongType> {
        let Some(at) = self.find(key) else {
            return Ok(false);
        };
        let Some(Value::Series(series)) = self.value_mut_at(at) else {
            return Err(WrongType {
                found: self.type_at(at),
            });
        };
        let words = options.words();
        options.apply(series);
        self.changed_by(key, Class::Module, "ts.alter", |args| {
            args.extend([b"TS.ALTER", key.bytes]);
            args.extend(words.iter().map(Vec::as_slice));
        });
        Ok(true)
    }

    /// Adds a sample, to a new series if there is none. What is done about a sample that has this timestamp already
    /// is up to `policy`, or to the series' own, or it is refused. O(log samples).
    pub fn series_add(
        &mut self,
        key: &Key<'_>,
        timestamp: i64,
        value: f64,
        policy: Option<DuplicatePolicy>,
    ) -> Result<AddOutcome, SeriesError> {
        let at = match self.find(key) {
            Some(at) => at,
            None => self.insert(key, NewData::Value(Value::Series(Box::default())), None),
        };
        let series = match self.value_mut_at(at) {
            Some(Value::Series(series)) => series,
            _ => {
                return Err(WrongType {
                    found: self.type_at(at),
                }
                .into());
            }
        };
        let outcome = series
            .add(timestamp, value, policy)
            .map_err(SeriesError::Add)?;
        if self.changes.wants_commands() {
            let mut digits = [0; 20];
            let mut number = Vec::new();
            push_f64(&mut number, value);
            let timestamp = format_i64(timestamp, &mut digits);
            let policy = policy.map_or("", DuplicatePolicy::name);
            let command: [&[u8]; 6] = [
                b"TS.ADD",
                key.bytes,
                timestamp,
                &number,
                b"ON_DUPLICATE",
                policy.as_bytes(),
            ];
            let command = if policy.is_empty() {
                &command[..4]
            } else {
                &command[..]
            };
            self.changed(key, Class::Module, "ts.add", command);
        } else {
            self.changed(key, Class::Module, "ts.add", &[]);
        }
        Ok(outcome)
    }

    /// Deletes the samples of a range of timestamps, both ends included; gives how many there were, `None` when there
    /// is no such series. O(log samples + deleted).
    pub fn series_delete_range(
        &mut self,
        key: &Key<'_>,
        from: i64,
        to: i64,
    ) -> Result<Option<u64>, WrongType> {
        let Some(at) = self.find(key) else {
            return Ok(None);
        };
        let Some(Value::Series(series)) = self.value_mut_at(at) else {
            return Err(WrongType {
                found: self.type_at(at),
            });
        };
        let deleted = series.delete_range(from, to);
        if deleted > 0 {
            let (mut from_digits, mut to_digits) = ([0; 20], [0; 20]);
            let (from, to) = (
                format_i64(from, &mut from_digits),
                format_i64(to, &mut to_digits),
            );
            self.changed(
                key,
                Class::Module,
                "ts.del",
                &[b"TS.DEL", key.bytes, from, to],
            );
        }
        Ok(Some(deleted))
    }
}
