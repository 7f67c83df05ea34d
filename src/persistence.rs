//! When which part of a [`Storage`] is called: loading, committing, snapshots, failures.
//!
//! ```text
//!  Loading ──▶ Ready ◀──▶ Failed      writes are refused until a retry succeeds; reads go on
//! ```
//!
//! After a failed commit, whoever asked for the changes that could not be kept is not answered: its connection ends. The
//! changes themselves stay in memory, where all can read them, and are kept as soon as the storage works again; if the
//! process ends before, they are gone, and nobody was told that they were done.
//!
//! This module must not know how anything is kept, nor sockets.

use log::{error, info, warn};

use crate::buffer::Output;
use crate::change::{Detail, Group};
use crate::client::Client;
use crate::clock::Now;
use crate::engine::Engine;
use crate::hub::Gate;
use crate::keyspace::{Db, Expiry, Keyspace, SetOptions, SnapshotProgress};
use crate::protocol::Cx;
use crate::protocol::resp::{self, Scripting};
use crate::storage::group::{Kept, KeptExpiry, read_change};
use crate::storage::{Fsync, Load, Status, Storage, StorageError};
use crate::varint::{Malformed, Reader};

/// Bytes of images that are written in one step of a snapshot: some 100 us of work.
const SNAPSHOT_STEP_BYTES: usize = 64 * 1024;
/// How long after a failure it is tried again.
const RETRY_INTERVAL_MS: u64 = 1000;
/// How often a long load says how far it is.
const PROGRESS_INTERVAL_MS: u64 = 2000;

/// See the module's head.
#[derive(Debug)]
pub struct Persistence {
    storage: Option<Box<dyn Storage>>,
    phase: Phase,
    /// Who asked for the changes that are not committed: place and id.
    writers: Vec<(u32, u64)>,
    job: Job,
    /// A snapshot is wanted as soon as one can be begun.
    wanted: bool,
    retry_ms: u64,
    /// What the last failure was.
    failure: String,
    images: Vec<u8>,
    load_started_ms: u64,
    load_told_ms: u64,
    /// Whether a snapshot is taken at the end, if there is anything new.
    pub(crate) save_at_end: bool,
    /// Unix time in seconds of the last snapshot; at first, of the start.
    pub(crate) last_save_s: i64,
    pub(crate) last_save_ok: bool,
    pub(crate) last_save_took_ms: Option<u64>,
    job_started_ms: u64,
    changes_at_save: u64,
    changes_at_begin: u64,
    /// A snapshot is taken when the journal has grown by this much of the last one, in percent; 0: never.
    pub(crate) growth_percent: u64,
    /// And when it has this many bytes at least.
    pub(crate) growth_bytes_min: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is no storage, or it is ready.
    Ready,
    Loading,
    Failed,
}

/// The snapshot that is being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Idle,
    Walking,
    /// All so many records have been written.
    Ending(u64),
}

impl Persistence {
    pub(crate) fn new(now: Now) -> Self {
        Persistence {
            storage: None,
            phase: Phase::Ready,
            writers: Vec::new(),
            job: Job::Idle,
            wanted: false,
            retry_ms: 0,
            failure: String::new(),
            images: Vec::new(),
            load_started_ms: 0,
            load_told_ms: 0,
            save_at_end: true,
            last_save_s: now.unix_us.div_euclid(1_000_000),
            last_save_ok: true,
            last_save_took_ms: None,
            job_started_ms: 0,
            changes_at_save: 0,
            changes_at_begin: 0,
            growth_percent: 100,
            growth_bytes_min: 64 * 1024 * 1024,
        }
    }

    /// How the storage is; `None` when there is none.
    pub fn status(&self) -> Option<Status> {
        self.storage.as_ref().map(|storage| storage.status())
    }

    /// Whether it failed, and what it said.
    pub fn failure(&self) -> Option<&str> {
        (self.phase == Phase::Failed).then_some(&*self.failure)
    }

    /// Whether a snapshot is being taken.
    pub fn is_saving(&self) -> bool {
        self.job != Job::Idle
    }

    /// Whether a snapshot will be begun as soon as that is possible.
    pub fn is_save_wanted(&self) -> bool {
        self.wanted
    }

    /// Changes since the last snapshot.
    pub fn changes_since_save(&self, keyspace: &Keyspace) -> u64 {
        keyspace.changes.count() - self.changes_at_save
    }

    /// Wants a snapshot to be taken.
    pub(crate) fn want_snapshot(&mut self) {
        self.wanted = true;
    }

    pub(crate) fn set_fsync(&mut self, fsync: Fsync) {
        if let Some(storage) = &mut self.storage {
            storage.set_fsync(fsync);
        }
    }

    /// Whether the commands of changes are wanted.
    pub(crate) fn listens(&self) -> bool {
        self.storage.is_some() && self.phase != Phase::Loading
    }

    /// Takes the changes of one request.
    #[inline]
    pub(crate) fn append(&mut self, group: &Group, writer: Option<(u32, u64)>) {
        if let Some(storage) = &mut self.storage {
            storage.append(group);
            if let Some(writer) = writer {
                self.note_writer(writer);
            }
        }
    }

    /// Somebody will be answered because of changes that are not committed.
    #[inline]
    pub(crate) fn note_writer(&mut self, writer: (u32, u64)) {
        if self.storage.is_some()
            && self.phase == Phase::Ready
            && self.writers.last() != Some(&writer)
        {
            self.writers.push(writer);
        }
    }

    /// Takes a whole snapshot, and waits for it (SAVE). False when the storage has no use for one; everything that it was
    /// told is durable all the same.
    pub(crate) fn save(
        &mut self,
        keyspace: &mut Keyspace,
        scripting: &Scripting,
        now: Now,
    ) -> Result<bool, StorageError> {
        self.give_up(keyspace);
        while keyspace.snapshot_is_active() {
            keyspace.snapshot_step(usize::MAX);
        }
        if let Some(storage) = &mut self.storage {
            // The snapshot's groups end where the journal's go on.
            storage.commit(keyspace, now)?;
        }
        let result = self.begin(keyspace, scripting, now).and_then(|begun| {
            while begun && self.job == Job::Walking {
                self.walk(keyspace, usize::MAX)?;
            }
            if let (Some(storage), Job::Ending(records)) = (&mut self.storage, self.job) {
                storage.snapshot_end(records, true)?;
            }
            Ok(begun)
        });
        self.saved(keyspace, now, result.is_ok());
        if result.is_err() {
            self.give_up(keyspace);
        }
        self.job = Job::Idle;
        result
    }

    /// Begins a snapshot of what there is now; everything has been committed. False when the storage wants none.
    fn begin(
        &mut self,
        keyspace: &mut Keyspace,
        scripting: &Scripting,
        now: Now,
    ) -> Result<bool, StorageError> {
        let Some(storage) = &mut self.storage else {
            return Ok(false);
        };
        self.wanted = false;
        if !storage.snapshot_begin(keyspace, &scripting.changes())? {
            storage.commit(keyspace, now)?;
            self.job_started_ms = now.monotonic_ms();
            self.changes_at_begin = keyspace.changes.count();
            return Ok(false);
        }
        keyspace.snapshot_begin();
        self.job = Job::Walking;
        self.job_started_ms = now.monotonic_ms();
        self.changes_at_begin = keyspace.changes.count();
        Ok(true)
    }

    /// One step of the snapshot.
    fn walk(&mut self, keyspace: &mut Keyspace, bytes: usize) -> Result<(), StorageError> {
        let Some(storage) = &mut self.storage else {
            return Ok(());
        };
        let progress = keyspace.snapshot_step(bytes.min(8 * 1024 * 1024));
        let records = keyspace.snapshot_fetch(&mut self.images);
        match progress {
            SnapshotProgress::Idle => {
                // A flush has made it pointless: what there is now is quickly written.
                storage.snapshot_abort();
                self.job = Job::Idle;
                self.wanted = true;
                return Ok(());
            }
            SnapshotProgress::Going => {}
            SnapshotProgress::Complete => {
                self.job = Job::Ending(records);
                keyspace.snapshot_end();
            }
        }
        storage.snapshot_write(&self.images)?;
        if self.images.capacity() > 4 * SNAPSHOT_STEP_BYTES {
            self.images = Vec::new();
        }
        Ok(())
    }

    fn give_up(&mut self, keyspace: &mut Keyspace) {
        if let Some(storage) = &mut self.storage
            && self.job != Job::Idle
        {
            storage.snapshot_abort();
            keyspace.snapshot_end();
            self.job = Job::Idle;
        }
    }

    fn saved(&mut self, keyspace: &Keyspace, now: Now, ok: bool) {
        self.last_save_ok = ok;
        if ok {
            let took_ms = now.monotonic_ms().saturating_sub(self.job_started_ms);
            self.last_save_took_ms = Some(took_ms);
            self.last_save_s = now.unix_us.div_euclid(1_000_000);
            self.changes_at_save = self.changes_at_begin;
            let bytes = self.status().map_or(0, |status| status.snapshot_bytes);
            let early = keyspace.snapshot_records_before_change();
            info!(
                "snapshot: {bytes} bytes in {took_ms} ms, {early} keys of it before their turn because they changed"
            );
        }
    }

    /// A step of the snapshot that is being taken, and the beginning of one that is due.
    fn tend_snapshot(
        &mut self,
        keyspace: &mut Keyspace,
        scripting: &Scripting,
        now: Now,
    ) -> Result<(), StorageError> {
        let Some(storage) = &mut self.storage else {
            return Ok(());
        };
        match self.job {
            Job::Walking => {
                if !storage.snapshot_is_busy() {
                    self.walk(keyspace, SNAPSHOT_STEP_BYTES)?;
                }
            }
            Job::Ending(records) => {
                if storage.snapshot_end(records, false)? {
                    self.job = Job::Idle;
                    self.saved(keyspace, now, true);
                }
            }
            Job::Idle => {
                let status = storage.status();
                let grown = self.growth_percent > 0
                    && status.journal_bytes >= self.growth_bytes_min
                    && status.journal_bytes
                        >= status.snapshot_bytes.saturating_mul(self.growth_percent) / 100;
                // One that was given up has to be cleared away first.
                if keyspace.snapshot_is_active() {
                    keyspace.snapshot_step(SNAPSHOT_STEP_BYTES);
                } else if (self.wanted || grown) && !self.begin(keyspace, scripting, now)? {
                    self.saved(keyspace, now, true);
                }
            }
        }
        Ok(())
    }
}

impl Engine {
    /// Keeps all changes in `storage` from now on. What is kept there already is to be loaded first, by
    /// [`Engine::load_some`]; until that is done, clients are told so. The keyspace must be empty.
    pub fn set_storage(&mut self, storage: Box<dyn Storage>) {
        let persistence = &mut self.hub.persistence;
        persistence.storage = Some(storage);
        persistence.phase = Phase::Loading;
        persistence.load_started_ms = self.hub.now.monotonic_ms();
        persistence.load_told_ms = persistence.load_started_ms;
        self.hub.gate = Gate::Loading;
        self.keyspace.suspend_expiry(self.hub.now.unix_ms());
    }

    /// Whether [`Engine::load_some`] has something to do.
    pub fn is_loading(&self) -> bool {
        self.hub.persistence.phase == Phase::Loading
    }

    /// Loads a bounded part (about a megabyte) of what the storage has. An error is final: what is kept cannot be
    /// loaded, and this engine should not be used.
    pub fn load_some(&mut self) -> Result<(), StorageError> {
        if !self.is_loading() {
            return Ok(());
        }
        let Some(mut storage) = self.hub.persistence.storage.take() else {
            return Ok(());
        };
        // Nobody is told of changes of the past.
        self.keyspace.changes.listen(Detail::Nothing);
        let result = storage.load(&mut Loader::into(self));
        let status = storage.status();
        let now = self.hub.now;
        let persistence = &mut self.hub.persistence;
        persistence.storage = Some(storage);
        match result? {
            Load::More => {
                let (total, read) = status.load_bytes;
                if now.monotonic_ms() >= persistence.load_told_ms + PROGRESS_INTERVAL_MS {
                    persistence.load_told_ms = now.monotonic_ms();
                    info!(
                        "loading: {}% of {total} bytes, {} keys",
                        read * 100 / total.max(1),
                        self.keyspace.len()
                    );
                }
            }
            Load::Done => {
                persistence.phase = Phase::Ready;
                persistence.changes_at_save = self.keyspace.changes.count();
                info!(
                    "loaded {} keys in {} ms",
                    self.keyspace.len(),
                    now.monotonic_ms() - persistence.load_started_ms
                );
                self.hub.gate = Gate::Open;
                self.keyspace.set_now(now.unix_ms());
            }
        }
        self.keyspace.changes.listen(self.hub.wanted_detail());
        Ok(())
    }

    /// Loads all that the storage has, at once.
    pub fn load_all(&mut self) -> Result<(), StorageError> {
        while self.is_loading() {
            self.load_some()?;
        }
        Ok(())
    }

    /// Makes durable what the requests since the last call have changed, as far as the storage's policy asks for it. To
    /// be called before replies are sent ([`Engine::take_touched`] does it too). When it fails, the connections that
    /// asked for the changes are finished without an answer, and writes are refused until the storage works again.
    pub fn commit(&mut self) {
        let persistence = &mut self.hub.persistence;
        if persistence.phase != Phase::Ready {
            return;
        }
        let Some(storage) = &mut persistence.storage else {
            return;
        };
        match storage.commit(&self.keyspace, self.hub.now) {
            Ok(()) => persistence.writers.clear(),
            Err(error) => self.storage_failed(&error),
        }
    }

    #[cold]
    fn storage_failed(&mut self, failure: &StorageError) {
        let persistence = &mut self.hub.persistence;
        if persistence.phase == Phase::Ready {
            error!("{failure}: no more writes are accepted until this works again");
        }
        persistence.give_up(&mut self.keyspace);
        persistence.phase = Phase::Failed;
        persistence.failure = failure.reason();
        persistence.retry_ms = self.hub.now.monotonic_ms() + RETRY_INTERVAL_MS;
        self.hub.gate = Gate::ReadOnly;
        for (slot, id) in std::mem::take(&mut persistence.writers) {
            if let Some(Some(conn)) = self.hub.conns.get_mut(slot as usize)
                && conn.client.id == id
            {
                conn.client.doomed = true;
                self.hub.touch(slot);
            }
        }
    }

    /// Lets the storage do what is due, and takes a step of a snapshot. To be called every turn, and no later than
    /// [`Engine::storage_wake_ms`] says.
    pub fn tend_storage(&mut self) {
        let now = self.hub.now;
        let persistence = &mut self.hub.persistence;
        let Some(storage) = &mut persistence.storage else {
            return;
        };
        match persistence.phase {
            Phase::Loading => return,
            Phase::Failed => {
                if now.monotonic_ms() < persistence.retry_ms {
                    return;
                }
                match storage.retry(&self.keyspace, now) {
                    Ok(()) => {
                        info!("the storage works again, and has all changes: writes are accepted");
                        persistence.phase = Phase::Ready;
                        persistence.writers.clear();
                        self.hub.gate = Gate::Open;
                    }
                    Err(failure) => return self.storage_failed(&failure),
                }
            }
            Phase::Ready => {}
        }
        self.commit();
        let persistence = &mut self.hub.persistence;
        if persistence.phase != Phase::Ready {
            return;
        }
        let Some(storage) = &mut persistence.storage else {
            return;
        };
        if let Err(failure) = storage.tend(now) {
            return self.storage_failed(&failure);
        }
        if let Err(failure) =
            persistence.tend_snapshot(&mut self.keyspace, &self.hub.scripting, now)
        {
            warn!("snapshot: {failure}");
            persistence.give_up(&mut self.keyspace);
            persistence.saved(&self.keyspace, now, false);
            // Not at once again, if it is because of growth.
            persistence.growth_bytes_min = persistence.growth_bytes_min.max(
                persistence
                    .status()
                    .map_or(0, |status| status.journal_bytes)
                    * 2,
            );
        }
    }

    /// The monotonic time in ms at which [`Engine::tend_storage`] or [`Engine::load_some`] has something to do.
    pub fn storage_wake_ms(&self) -> Option<u64> {
        let persistence = &self.hub.persistence;
        let storage = persistence.storage.as_ref()?;
        match persistence.phase {
            Phase::Loading => Some(0),
            Phase::Failed => Some(persistence.retry_ms),
            Phase::Ready => {
                let walking = persistence.job == Job::Walking
                    || persistence.wanted
                    || self.keyspace.snapshot_is_active();
                let status = storage.status();
                match (walking, status.wake_ms) {
                    // While the disk is behind, its word is waited for.
                    (true, Some(_)) if persistence.job == Job::Walking => Some(0),
                    (true, _) => Some(0),
                    (false, wake_ms) => wake_ms,
                }
            }
        }
    }

    /// From now on no change is told to anybody, so that an empty keyspace can be filled from elsewhere at no cost; until
    /// [`Engine::keep_all`].
    pub fn tell_no_changes(&mut self) {
        self.keyspace.changes.listen(Detail::Nothing);
    }

    /// Makes durable all that there is, whether the storage was told of it or not, and waits for it. Changes are told
    /// again. If the process ends before it is done, a [`Journal`](crate::storage::journal::Journal) has nothing of it.
    /// O(all).
    pub fn keep_all(&mut self) -> Result<(), StorageError> {
        self.keyspace.changes.listen(self.hub.wanted_detail());
        let now = self.hub.now;
        let (persistence, scripting) = (&mut self.hub.persistence, &self.hub.scripting);
        if persistence.storage.is_none() || persistence.save(&mut self.keyspace, scripting, now)? {
            return Ok(());
        }
        if let Some(storage) = &mut persistence.storage {
            storage.append(&scripting.changes());
            for part in 0..self.keyspace.parts() {
                storage.append(&self.keyspace.part_as_changes(part));
                storage.commit(&self.keyspace, now)?;
            }
        }
        persistence.save(&mut self.keyspace, scripting, now)?;
        Ok(())
    }

    /// The end: makes everything durable, with a snapshot if there is anything new since the last one and nobody said
    /// NOSAVE.
    pub fn close_storage(&mut self) -> Result<(), StorageError> {
        let now = self.hub.now;
        let persistence = &mut self.hub.persistence;
        if persistence.storage.is_none() {
            return Ok(());
        }
        let grown = persistence.changes_since_save(&self.keyspace) > 0;
        let mut result = Ok(());
        if persistence.save_at_end && grown && persistence.phase == Phase::Ready {
            let saved = persistence.save(&mut self.keyspace, &self.hub.scripting, now);
            result = saved.map(|_| ());
        }
        persistence.give_up(&mut self.keyspace);
        match &mut persistence.storage {
            Some(storage) => storage.close(&self.keyspace, now).and(result),
            None => result,
        }
    }
}

/// Takes what a storage has kept.
#[derive(Debug)]
pub struct Loader<'a> {
    engine: Option<&'a mut Engine>,
    client: Client,
    out: Output,
    spans: Vec<(u32, u32)>,
    /// Records restored so far, by this loader; of one that takes nothing, all.
    pub records: u64,
    /// Groups of changes so far.
    pub groups: u64,
}

impl<'a> Loader<'a> {
    /// Into an engine.
    pub fn into(engine: &'a mut Engine) -> Self {
        let mut loader = Loader::dry();
        (loader.records, loader.groups) = engine.hub.loaded;
        loader.engine = Some(engine);
        loader
    }

    /// Into nothing: only looks whether what comes makes sense.
    pub fn dry() -> Self {
        Loader {
            engine: None,
            client: Client::host(),
            out: Output::default(),
            spans: Vec::new(),
            records: 0,
            groups: 0,
        }
    }

    /// Says how many records are to come, as far as that is known: room is made for them at once.
    pub fn expect(&mut self, records: u64) {
        if let Some(engine) = &mut self.engine {
            engine
                .keyspace
                .expect(usize::try_from(records).unwrap_or(usize::MAX));
        }
    }

    /// Puts records in, from their images. Their keys must not be there.
    pub fn restore(&mut self, images: &[u8]) -> Result<(), Malformed> {
        self.records += match &mut self.engine {
            Some(engine) => engine.keyspace.restore_images(images)?,
            None => Keyspace::count_images(images)?,
        };
        Ok(())
    }

    /// Puts one record in, from its image, but in this database. Its key must not be there.
    pub fn restore_in(&mut self, db: Db, image: &[u8]) -> Result<(), Malformed> {
        self.records += match &mut self.engine {
            Some(engine) => {
                engine.keyspace.restore_image_in(db, image)?;
                1
            }
            None => Keyspace::count_images(image)?,
        };
        Ok(())
    }

    /// Repeats the changes of a group, from the bytes that [`push_group`](crate::storage::group::push_group) made.
    pub fn replay(&mut self, group: &[u8]) -> Result<Result<(), Malformed>, StorageError> {
        self.groups += 1;
        self.complete(group)
    }

    /// The same for the changes that make what is in a snapshot, but in none of its records: these count as no group.
    pub fn complete(&mut self, group: &[u8]) -> Result<Result<(), Malformed>, StorageError> {
        let mut reader = Reader::new(group);
        while !reader.is_empty() {
            match read_change(&mut reader, &mut self.spans) {
                Ok((db, kept)) => self.repeat(db, kept)?,
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    fn repeat(&mut self, db: u8, kept: Kept<'_>) -> Result<(), StorageError> {
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        let keyspace = &mut engine.keyspace;
        match kept {
            Kept::Set(key, value, KeptExpiry::Clear) => {
                keyspace.put(&keyspace.key(db, key), value);
            }
            Kept::Set(key, value, expiry) => {
                let expiry = match expiry {
                    KeptExpiry::At(ms) => Expiry::At(ms),
                    KeptExpiry::Keep | KeptExpiry::Clear => Expiry::Keep,
                };
                let options = SetOptions {
                    expiry,
                    ..SetOptions::default()
                };
                // Only with GET can it fail.
                let _ = keyspace.set(&keyspace.key(db, key), value, options);
            }
            Kept::Delete(key) => {
                keyspace.delete(&keyspace.key(db, key));
            }
            Kept::ExpireAt(key, ms) => {
                keyspace.expire_at(&keyspace.key(db, key), ms, Default::default());
            }
            Kept::Persist(key) => {
                keyspace.persist(&keyspace.key(db, key));
            }
            Kept::IncrBy(key, by) => {
                if let Err(failure) = keyspace.incr_by(&keyspace.key(db, key), by) {
                    return Err(StorageError::Replay {
                        command: format!("INCRBY {} {by}", key.escape_ascii()),
                        answer: format!("{failure:?}"),
                    });
                }
            }
            Kept::Command(bytes) => {
                self.client.db = db;
                let mut cx = Cx {
                    keyspace,
                    hub: &mut engine.hub,
                    client: &mut self.client,
                    out: &mut self.out,
                };
                let args = resp::Args::new(bytes, &self.spans);
                resp::repeat(args, &mut cx);
                let answer = self.out.next();
                if answer.first() == Some(&b'-') {
                    let words: Vec<String> = args
                        .iter_from(0)
                        .take(8)
                        .map(|word| word[..word.len().min(64)].escape_ascii().to_string())
                        .collect();
                    return Err(StorageError::Replay {
                        command: words.join(" "),
                        answer: answer[1..].trim_ascii_end().escape_ascii().to_string(),
                    });
                }
                self.out.clear();
            }
        }
        Ok(())
    }
}

impl Drop for Loader<'_> {
    fn drop(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.hub.loaded = (self.records, self.groups);
        }
    }
}
