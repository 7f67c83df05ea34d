//! A point-in-time picture of all databases, taken a little every turn, without a copy of anything.
//!
//! From [`Keyspace::snapshot_begin`] on, each record is *untaken* until its image has been written: by a step of the walk,
//! or, if that comes first, just before it is changed. New records are none of it. So the images are those of the moment
//! of the beginning, each once, whatever happens meanwhile, and the memory it takes is that of the images that nobody
//! has fetched yet.
//!
//! This module must not know where the images go.

use super::image::{Image, ImageValue, push_image, read_image};
use super::table::NewData;
use super::{Db, Key, Keyspace, Position, Record, Saved, Settings, Value};
use crate::varint::{Malformed, Reader};

/// The state of the picture that is being taken.
#[derive(Debug, Default)]
pub struct Snapshot {
    phase: Phase,
    /// The segment that the walk comes to next.
    at: usize,
    /// Which database each space was when it began; `None`: it had been flushed before.
    databases: Vec<Option<Db>>,
    /// Images that have not been fetched.
    images: Vec<u8>,
    /// How many have been written.
    records: u64,
    /// How many of them because a change came first.
    records_before_change: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    Taking,
    /// It was given up; what is left untaken is only marked.
    Discarding,
}

/// How far a snapshot has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotProgress {
    /// No snapshot is being taken: none was begun, or it was given up.
    Idle,
    /// There are records left.
    Going,
    /// All records have been taken; the rest of the images is ready to be fetched.
    Complete,
}

impl Keyspace {
    /// Begins a snapshot of what is there now. False when the one before, which was given up, is not cleared away yet:
    /// [`Keyspace::snapshot_step`] does that.
    pub fn snapshot_begin(&mut self) -> bool {
        if self.table.untaken() > 0 {
            return false;
        }
        self.table.begin_taking();
        self.snapshot = Snapshot {
            phase: Phase::Taking,
            databases: self.databases.all_spaces(),
            ..Snapshot::default()
        };
        true
    }

    /// Takes some more records, until `bytes` of images have been written; the last one may be larger, for a record is
    /// written in one piece.
    pub fn snapshot_step(&mut self, bytes: usize) -> SnapshotProgress {
        const SEGMENTS_MAX: usize = 64;
        let enough = self.snapshot.images.len().saturating_add(bytes);
        for _ in 0..SEGMENTS_MAX {
            if self.table.untaken() == 0 || self.snapshot.images.len() >= enough {
                break;
            }
            let index = self.snapshot.at % self.table.segments();
            let (snapshot, series) = (&mut self.snapshot, &self.series);
            let whole = self.table.take_segment(index, |record| {
                snapshot.write(&record, series);
                snapshot.images.len() < enough
            });
            self.snapshot.at = if whole { index + 1 } else { index };
        }
        let complete = self.table.untaken() == 0;
        match self.snapshot.phase {
            Phase::Idle => SnapshotProgress::Idle,
            Phase::Taking if complete => SnapshotProgress::Complete,
            Phase::Taking => SnapshotProgress::Going,
            Phase::Discarding => {
                if complete {
                    self.snapshot.phase = Phase::Idle;
                }
                SnapshotProgress::Idle
            }
        }
    }

    /// The images written since the last call, in exchange for memory for the next ones; and how many records have been
    /// written since the beginning.
    pub fn snapshot_fetch(&mut self, images: &mut Vec<u8>) -> u64 {
        images.clear();
        std::mem::swap(images, &mut self.snapshot.images);
        self.snapshot.records
    }

    /// Bytes of images that wait to be fetched.
    pub fn snapshot_waiting_bytes(&self) -> usize {
        self.snapshot.images.len()
    }

    /// How many records of the current or last snapshot were written because a change was about to come.
    pub fn snapshot_records_before_change(&self) -> u64 {
        self.snapshot.records_before_change
    }

    /// Ends a snapshot that is complete, or gives it up.
    pub fn snapshot_end(&mut self) {
        self.snapshot.images = Vec::new();
        self.snapshot.phase = if self.table.untaken() > 0 {
            Phase::Discarding
        } else {
            Phase::Idle
        };
    }

    /// Whether a snapshot is being taken, or one that was given up cleared away.
    pub fn snapshot_is_active(&self) -> bool {
        self.snapshot.phase != Phase::Idle
    }

    /// Appends the image of what a key of a database holds; false when it is missing. Counts as nothing.
    /// O(size of the value).
    pub fn push_image_of(&self, key: &Key<'_>, out: &mut Vec<u8>) -> bool {
        let Some(at) = self.table.find(key) else {
            return false;
        };
        let record = self.table.record(at);
        let order = self.series.order_of(&record);
        push_image(out, self.databases.number(key.space), &record, order);
        true
    }

    /// What a key of a database holds, also when its time has come and nobody has noticed yet. Counts as nothing. O(1).
    pub fn saved(&self, key: &Key<'_>) -> Option<Saved<'_>> {
        let record = self.table.record(self.table.find(key)?);
        Some(Saved {
            db: self.databases.number(key.space),
            key: record.key,
            expires_ms: record.expires_ms,
            data: record.data,
        })
    }

    /// Says that an empty keyspace is about to get so many records, so that it need not grow step by step.
    pub fn expect(&mut self, records: usize) {
        self.table.expect(records);
    }

    /// Puts records in as they were, from their images. Their keys must not be there. Nobody is told.
    pub fn restore_images(&mut self, images: &[u8]) -> Result<u64, Malformed> {
        /// So many places in the table are asked for at once, so that the memory's answers arrive together.
        const BATCH: usize = 64;
        let mut reader = Reader::new(images);
        let mut batch = Vec::with_capacity(BATCH);
        let mut count = 0;
        while !reader.is_empty() {
            while batch.len() < BATCH && !reader.is_empty() {
                let image = read_image(&mut reader, &self.settings)?;
                let key = self.key_to_restore(image.db, image.key)?;
                self.table.prefetch_room(key.hash());
                batch.push((key, image));
            }
            count += batch.len() as u64;
            for (key, image) in batch.drain(..) {
                self.restore_one(&key, image);
            }
        }
        Ok(count)
    }

    /// Puts one record in as it was, from its image, but in this database.
    pub fn restore_image_in(&mut self, db: Db, image: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(image);
        let image = read_image(&mut reader, &self.settings)?;
        if !reader.is_empty() {
            return Err(Malformed);
        }
        let key = self.key_to_restore(db, image.key)?;
        self.restore_one(&key, image);
        Ok(())
    }

    /// Looks whether images make sense, and says how many there are.
    pub fn count_images(images: &[u8]) -> Result<u64, Malformed> {
        let settings = Settings::new(super::KeyedState { k0: 0, k1: 0 });
        let mut reader = Reader::new(images);
        let mut count = 0;
        while !reader.is_empty() {
            read_image(&mut reader, &settings)?;
            count += 1;
        }
        Ok(count)
    }

    fn key_to_restore<'a>(&self, db: Db, bytes: &'a [u8]) -> Result<Key<'a>, Malformed> {
        if db >= self.databases.count() {
            return Err(Malformed);
        }
        Ok(self.key(db, bytes))
    }

    fn restore_one(&mut self, key: &Key<'_>, image: Image<'_>) {
        let data = match image.value {
            ImageValue::Bytes { bytes, raw } => NewData::Bytes { bytes, raw },
            ImageValue::Int(int) => NewData::Int(int),
            ImageValue::Value(value, order) => {
                if let Value::Series(_) = value {
                    self.series.come_to(order);
                }
                NewData::Value(value)
            }
        };
        self.insert(key, data, image.expires_ms);
    }

    /// To be called before a record is changed or removed.
    #[inline]
    pub(super) fn before_change(&mut self, at: Position) {
        if self.table.is_untaken(at) {
            self.take_first(at);
        }
    }

    #[cold]
    fn take_first(&mut self, at: Position) {
        if self.snapshot.phase == Phase::Taking {
            self.snapshot.write(&self.table.record(at), &self.series);
            self.snapshot.records_before_change += 1;
        }
        self.table.take(at);
    }
}

impl Snapshot {
    fn write(&mut self, record: &Record<'_>, series: &super::SeriesIndex) {
        if self.phase != Phase::Taking {
            return;
        }
        let db = self
            .databases
            .get(usize::from(record.space))
            .copied()
            .flatten();
        if let Some(db) = db {
            push_image(&mut self.images, db, record, series.order_of(record));
            self.records += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::collections::list::End;
    use super::super::{Expiry, List, Rng, Seed, SeriesOptions, SetOptions};
    use super::*;

    type Contents = BTreeMap<(Db, Vec<u8>), Vec<u8>>;

    fn contents(keyspace: &Keyspace) -> Contents {
        let mut all = Contents::new();
        for db in 0..keyspace.databases() {
            keyspace.for_each_key(db, |key, _| {
                let mut image = Vec::new();
                assert!(keyspace.push_image_of(&keyspace.key(db, key), &mut image));
                all.insert((db, key.to_vec()), image);
            });
        }
        all
    }

    /// What images give, whatever was expected.
    fn restored(images: &[u8], records: u64) -> Contents {
        let [exact, none, many] = [records, 0, records * 5 + 1000].map(|expected| {
            let mut copy = Keyspace::new(Seed::fixed(99), 4);
            copy.expect(expected as usize);
            assert_eq!(copy.restore_images(images), Ok(records));
            contents(&copy)
        });
        assert!(exact == none && exact == many);
        exact
    }

    fn change(keyspace: &mut Keyspace, rng: &mut Rng) {
        let name = format!("key-{}", rng.below(2000));
        let other = format!("key-{}", rng.below(2000));
        let db = rng.below(3) as Db;
        let key = keyspace.key(db, name.as_bytes());
        let other = keyspace.key(db, other.as_bytes());
        let long = vec![b'x'; 600 + rng.below(9) as usize];
        match rng.below(14) {
            0..=3 => keyspace.put(&key, format!("{}", rng.below(99)).as_bytes()),
            4 => keyspace.put(&key, &long),
            5 => drop(keyspace.append(&key, b"more", 1 << 20)),
            6 => drop(keyspace.delete(&key)),
            7 => drop(keyspace.expire_at(&key, 1 << 40, Default::default())),
            8 => drop(keyspace.rename(&key, &other, false)),
            9 => drop(keyspace.copy(&key, &other, true)),
            10 => {
                let options = SetOptions {
                    expiry: Expiry::At(1 << 41),
                    ..SetOptions::default()
                };
                drop(keyspace.set(&key, b"expires", options));
            }
            11 => {
                if let Ok(open) = keyspace.open_or_create(&key, |_| List::new()) {
                    open.value.push(End::Back, b"element", open.settings);
                }
            }
            12 => drop(keyspace.series_create(&key, SeriesOptions::default())),
            _ => drop(keyspace.series_add(&key, rng.below(1000) as i64, 1.5, None)),
        }
    }

    #[test]
    fn a_snapshot_is_of_the_moment_of_its_beginning_whatever_changes_meanwhile() {
        for seed in 0..40 {
            let mut rng = Rng::seeded(seed);
            let mut keyspace = Keyspace::new(Seed::fixed(seed), 4);
            for _ in 0..rng.below(6000) {
                change(&mut keyspace, &mut rng);
            }
            for _ in 0..3 {
                let before = contents(&keyspace);
                assert!(keyspace.snapshot_begin());
                let (mut images, mut part, mut records) = (Vec::new(), Vec::new(), 0);
                loop {
                    let progress = keyspace.snapshot_step(rng.below(2000) as usize);
                    for _ in 0..rng.below(200) {
                        change(&mut keyspace, &mut rng);
                    }
                    if rng.below(20) == 0 {
                        keyspace.swap_databases(0, 1);
                    }
                    records = keyspace.snapshot_fetch(&mut part).max(records);
                    images.extend_from_slice(&part);
                    if progress == SnapshotProgress::Complete {
                        break;
                    }
                }
                keyspace.snapshot_end();
                assert!(!keyspace.snapshot_is_active());
                assert_eq!(records, before.len() as u64, "seed {seed}");
                assert!(restored(&images, records) == before, "seed {seed}");
            }
        }
    }

    #[test]
    fn a_step_writes_no_more_than_it_may_and_one_record() {
        let mut keyspace = Keyspace::new(Seed::fixed(1), 4);
        for number in 0..1000 {
            let name = format!("key-{number}");
            keyspace.put(&keyspace.key(0, name.as_bytes()), &[b'x'; 5000]);
        }
        let before = contents(&keyspace);
        assert!(keyspace.snapshot_begin());
        let (mut images, mut part, mut records) = (Vec::new(), Vec::new(), 0);
        while records < 1000 {
            keyspace.snapshot_step(20_000);
            records = keyspace.snapshot_fetch(&mut part);
            assert!(part.len() < 26_000, "{}", part.len());
            images.extend_from_slice(&part);
        }
        keyspace.snapshot_end();
        assert!(restored(&images, records) == before);
    }

    #[test]
    fn a_snapshot_that_was_given_up_is_cleared_away_and_a_flush_gives_it_up() {
        let mut rng = Rng::seeded(1);
        let mut keyspace = Keyspace::new(Seed::fixed(1), 4);
        for _ in 0..5000 {
            change(&mut keyspace, &mut rng);
        }
        assert!(keyspace.snapshot_begin());
        assert_eq!(keyspace.snapshot_step(100), SnapshotProgress::Going);
        keyspace.flush(1);
        assert!(!keyspace.snapshot_begin(), "it is not cleared away yet");
        while keyspace.snapshot_is_active() {
            assert_eq!(keyspace.snapshot_step(100), SnapshotProgress::Idle);
        }
        assert!(keyspace.snapshot_begin());
        keyspace.flush_all();
        assert_eq!(keyspace.snapshot_step(100), SnapshotProgress::Idle);
        assert!(!keyspace.snapshot_is_active());
        keyspace.put(&keyspace.key(0, b"k"), b"v");
        assert!(keyspace.snapshot_begin());
        assert_eq!(keyspace.snapshot_step(100), SnapshotProgress::Complete);
    }
}
