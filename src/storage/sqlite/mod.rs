//! Keys in a table of a SQLite database, which a person can query with SQL.
//!
//! ```sql
//! SELECT key, value FROM keys WHERE db = 0 AND type = 'hash' AND value ->> 'city' = 'Turku';
//! ```
//!
//! | column | |
//! |---|---|
//! | `db`, `key` | the primary key; a key that is no UTF-8 is a BLOB |
//! | `type` | as TYPE names it |
//! | `value` | text, JSON where it is not a string (see [`readable`](super::readable)); NULL when longer than a megabyte |
//! | `expires_ms` | Unix time in ms, or NULL |
//! | `image` | the whole value, from which it is loaded |
//!
//! Libraries of functions are no keys: the table `functions` has the commands that made them what they are.
//!
//! A row is a whole key: whoever changes one field of a hash writes all of it, once per transaction. A transaction holds what
//! has changed since the one before, so requests are there whole or not at all. With [`Fsync::Always`] there is one for every
//! turn that changes anything, before its replies leave; otherwise one about every second, and a crash of the process
//! alone costs as much as one of the system.
//!
//! What is written is taken from the keyspace when it is written; the table itself is in `table.rs`, the thread that
//! may do the writing in `writer.rs`.

mod table;
mod writer;

use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use log::warn;

use super::readable::readable;
use super::{Fsync, Load, Status, Storage, StorageError};
use crate::change::{Group, Target};
use crate::clock::Now;
use crate::keyspace::{Data, Db, Keyspace};
use crate::persistence::Loader;
use table::{Batch, Content, FunctionChange, Row, Sweep, Table};
use writer::Writer;

/// So many keys are written at once, even before their time has come.
const KEYS_MAX: usize = 1000;
/// How long changes wait, unless each turn's are written.
const INTERVAL_MS: u64 = 1000;
/// With so many bytes on their way to the disk, the loop waits.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A value that is longer as text has none.
const READABLE_BYTES_MAX: usize = 1024 * 1024;
/// How often the writer is asked for its result.
const POLL_INTERVAL_MS: u64 = 5;
/// Rows that are read in one step.
const LOAD_ROWS: usize = 2000;

/// See the module's head.
#[derive(Debug)]
pub struct Sqlite {
    path: String,
    fsync: Fsync,
    /// The table while it is read; then the writer has it.
    table: Option<Table>,
    writer: Option<Writer>,
    with_helper: bool,
    load_bytes: (u64, u64),
    pending: Changed,
    /// What is on its way: the number of each batch, what it changes, and its bytes.
    under_way: VecDeque<(u64, Changed, usize)>,
    batches: u64,
    written_ms: u64,
    /// The next commit makes everything durable.
    flush: bool,
    broken: Option<String>,
    now_ms: u64,
    #[expect(dead_code, reason = "its lock is held as long as it is open")]
    lock: File,
}

/// What is not in the tables yet: first the sweeps, in their order, then the keys; and commands on functions.
#[derive(Clone, Debug, Default)]
struct Changed {
    sweeps: Vec<Sweep>,
    keys: BTreeSet<(Db, Vec<u8>)>,
    functions: Vec<FunctionChange>,
}

impl Changed {
    fn is_empty(&self) -> bool {
        self.sweeps.is_empty() && self.keys.is_empty() && self.functions.is_empty()
    }

    /// A whole database changes: what is known of its keys does too.
    fn sweep(&mut self, sweep: Sweep) {
        let keys = std::mem::take(&mut self.keys);
        self.keys = keys
            .into_iter()
            .filter_map(|(db, key)| Some((sweep.new_number(db)?, key)))
            .collect();
        self.sweeps.push(sweep);
    }

    /// What `later` changes as well.
    fn then(&mut self, later: Changed) {
        for sweep in later.sweeps {
            self.sweep(sweep);
        }
        self.keys.extend(later.keys);
        self.functions.extend(later.functions);
    }
}

impl Sqlite {
    /// A table in the database at `path`, which is made if it is missing. It is read by [`Storage::load`]. Writing is done
    /// on the spot.
    pub fn open(path: &Path, fsync: Fsync) -> Result<Self, StorageError> {
        let name = path.display().to_string();
        let lock = lock(path)?;
        let table = Table::open(path)?;
        Ok(Sqlite {
            load_bytes: (table.bytes(), 0),
            path: name,
            fsync,
            table: Some(table),
            writer: None,
            with_helper: false,
            pending: Changed::default(),
            under_way: VecDeque::new(),
            batches: 0,
            written_ms: 0,
            flush: false,
            broken: None,
            now_ms: 0,
            lock,
        })
    }

    /// Has the writing done by a thread, which knows nothing but the rows that it is to write. The loop waits for it with
    /// [`Fsync::Always`] only.
    pub fn with_helper(mut self) -> Self {
        self.with_helper = true;
        self
    }

    fn io_error(&self, what: &'static str, error: io::Error) -> StorageError {
        StorageError::Io {
            what,
            file: self.path.clone(),
            error,
        }
    }

    /// Hands what has changed to the writer.
    fn send(&mut self, keyspace: &Keyspace) -> io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let changed = std::mem::take(&mut self.pending);
        let batch = batch(keyspace, &changed, self.fsync);
        self.batches += 1;
        self.written_ms = self.now_ms;
        let bytes = batch.bytes();
        self.under_way.push_back((self.batches, changed, bytes));
        writer.send(self.batches, batch)
    }

    /// Takes the writer's results; with `wait`, all of them.
    fn receive(&mut self, wait: bool) -> io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        while !self.under_way.is_empty() {
            let Some((last, result)) = writer.result(wait) else {
                break;
            };
            result?;
            while self.under_way.front().is_some_and(|(id, ..)| *id <= last) {
                self.under_way.pop_front();
            }
        }
        Ok(())
    }

    fn write(&mut self, keyspace: &Keyspace) -> io::Result<()> {
        let flush = std::mem::take(&mut self.flush);
        self.receive(false)?;
        let due = self.fsync == Fsync::Always
            || flush
            || self.pending.keys.len() >= KEYS_MAX
            || self.now_ms >= self.written_ms + INTERVAL_MS;
        if due && !self.pending.is_empty() {
            self.send(keyspace)?;
        }
        let unwritten: usize = self.under_way.iter().map(|(.., bytes)| bytes).sum();
        let wait = self.fsync == Fsync::Always || flush || unwritten > UNWRITTEN_BYTES_MAX;
        self.receive(wait)
    }

    /// Everything that is not known to be written is to be written again.
    fn fail(&mut self, error: io::Error) -> StorageError {
        self.broken = Some(error.to_string());
        let mut all = Changed::default();
        for (_, changed, _) in std::mem::take(&mut self.under_way) {
            all.then(changed);
        }
        all.then(std::mem::take(&mut self.pending));
        self.pending = all;
        self.io_error("write to", error)
    }

    fn write_all(&mut self, keyspace: &Keyspace) -> Result<(), StorageError> {
        if self.broken.take().is_some()
            && let Some(writer) = &mut self.writer
        {
            writer.forget_failure();
        }
        self.flush = true;
        self.write(keyspace).map_err(|error| self.fail(error))
    }
}

/// Keeps others away from the database; whoever only reads it is welcome.
fn lock(path: &Path) -> Result<File, StorageError> {
    let place = path.display().to_string();
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut options = OpenOptions::new();
    let opened = options.create(true).truncate(false).write(true).open(&name);
    let error = match opened {
        Ok(file) => match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => return Err(StorageError::Locked { place }),
            Err(std::fs::TryLockError::Error(error)) => error,
        },
        Err(error) => error,
    };
    Err(StorageError::Io {
        what: "lock",
        file: Path::new(&name).display().to_string(),
        error,
    })
}

/// The rows of what has changed, as the keyspace has them now.
fn batch(keyspace: &Keyspace, changed: &Changed, fsync: Fsync) -> Batch {
    let row = |(db, key): &(Db, Vec<u8>)| {
        let place = keyspace.key(*db, key);
        let content = keyspace.saved(&place).map(|saved| {
            let mut image = Vec::new();
            keyspace.push_image_of(&place, &mut image);
            Content {
                kind: match saved.data {
                    Data::Value(value) => value.type_of().name(),
                    Data::Bytes { .. } | Data::Int(_) => "string",
                },
                value: readable(saved.data, READABLE_BYTES_MAX),
                expires_ms: saved.expires_ms,
                image,
            }
        });
        Row {
            db: *db,
            key: key.clone(),
            content,
        }
    };
    Batch {
        sweeps: changed.sweeps.clone(),
        rows: changed.keys.iter().map(row).collect(),
        functions: changed.functions.clone(),
        synced: fsync != Fsync::No,
    }
}

impl Storage for Sqlite {
    fn load(&mut self, into: &mut Loader<'_>) -> Result<Load, StorageError> {
        let Some(mut table) = self.table.take() else {
            return Ok(Load::Done);
        };
        let read = table.read(LOAD_ROWS, |db, image| into.restore_in(db, image))?;
        self.load_bytes.1 += read;
        if read > 0 {
            self.table = Some(table);
            return Ok(Load::More);
        }
        for change in table.functions()? {
            if into.complete(&change)?.is_err() {
                return Err(StorageError::Damaged {
                    file: self.path.clone(),
                    offset: 0,
                    why: "a change in the table functions makes no sense".to_owned(),
                    advice: "DELETE FROM functions lets the rest be loaded".to_owned(),
                });
            }
        }
        let writer = if self.with_helper {
            Writer::thread(table).map_err(|error| self.io_error("start a thread for", error))?
        } else {
            Writer::here(table)
        };
        self.writer = Some(writer);
        Ok(Load::Done)
    }

    fn append(&mut self, group: &Group) {
        let pending = &mut self.pending;
        group.for_each(|change| match change.target {
            Target::Key(key) | Target::Beside(key) => {
                pending.keys.insert((change.db, key.to_vec()));
            }
            Target::Database | Target::Everything => {
                if let Some(sweep) = Sweep::of(&change) {
                    pending.sweep(sweep);
                }
            }
            Target::Nothing => pending.functions.extend(FunctionChange::of(&change)),
        });
    }

    fn commit(&mut self, keyspace: &Keyspace, now: Now) -> Result<(), StorageError> {
        self.now_ms = now.monotonic_ms();
        if self.pending.is_empty() && self.under_way.is_empty() {
            self.flush = false;
            return Ok(());
        }
        if let Some(reason) = self.broken.clone() {
            return Err(self.io_error("write to", io::Error::other(reason)));
        }
        self.write(keyspace).map_err(|error| self.fail(error))
    }

    fn retry(&mut self, keyspace: &Keyspace, now: Now) -> Result<(), StorageError> {
        self.now_ms = now.monotonic_ms();
        self.write_all(keyspace)
    }

    fn tend(&mut self, now: Now) -> Result<(), StorageError> {
        self.now_ms = now.monotonic_ms();
        if self.broken.is_some() {
            return Ok(());
        }
        self.receive(false).map_err(|error| self.fail(error))
    }

    fn snapshot_begin(&mut self, _: &Keyspace, _: &Group) -> Result<bool, StorageError> {
        self.flush = true;
        Ok(false)
    }

    fn status(&self) -> Status {
        let wake_ms = if !self.under_way.is_empty() {
            Some(self.now_ms + POLL_INTERVAL_MS)
        } else if !self.pending.is_empty() && self.broken.is_none() {
            Some(self.written_ms + INTERVAL_MS)
        } else {
            None
        };
        let waiting = self.pending.keys.iter().map(|(_, key)| key.len());
        let under_way = self.under_way.iter().map(|(.., bytes)| *bytes);
        Status {
            kind: "sqlite",
            fsync: self.fsync,
            wake_ms,
            journal_bytes: 0,
            snapshot_bytes: 0,
            pending_bytes: waiting.chain(under_way).sum::<usize>() as u64,
            load_bytes: self.load_bytes,
        }
    }

    fn set_fsync(&mut self, fsync: Fsync) {
        self.fsync = fsync;
    }

    fn close(&mut self, keyspace: &Keyspace, now: Now) -> Result<(), StorageError> {
        self.now_ms = now.monotonic_ms();
        if self.table.is_some() {
            return Ok(());
        }
        self.write_all(keyspace)?;
        if let Some(Err(error)) = self.writer.take().map(Writer::finish) {
            // Everything is there; it is only not in one file.
            warn!("{}: {error}", self.path);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
