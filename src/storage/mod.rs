//! Where changes are kept, so that they are there after a crash.
//!
//! ```text
//!  request ─▶ Change ─▶ Storage::append      memory only
//!  end of the turn ───▶ Storage::commit      one write, one sync for all requests of the turn
//!                       replies leave
//!  now and then ──────▶ snapshot_begin / _write / _end     so that the journal need not grow for ever
//!  at the start ──────▶ Storage::load        until it is done, requests are answered `LOADING`
//! ```
//!
//! Without a [`Storage`] everything is in memory only. [`journal::Journal`] keeps files in a directory, `sqlite::Sqlite` (with
//! the feature of that name) a table that can be queried; whoever has another place (an appliance's flash, a store of objects) writes a `Storage` of his own and hands it to
//! [`Engine::set_storage`](crate::Engine::set_storage). The engine decides when what is called; a storage must not know
//! connections or protocols.

pub mod disk;
pub mod group;
pub mod journal;
pub mod readable;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::io;

use crate::change::Group;
use crate::clock::Now;
use crate::keyspace::Keyspace;
use crate::persistence::Loader;
use crate::system_error::in_c;

/// A place where changes are kept. Whoever writes one of his own has two ways: to keep the changes, as
/// [`group::push_group`] writes them, and to repeat them with [`Loader::replay`]; or to note which keys have changed, and keep
/// what [`Keyspace::push_image_of`] makes of them for [`Loader::restore`]. `examples/own_storage.rs` goes the first way,
/// [`journal`] both, `sqlite` the second.
///
/// All calls come from the thread that turns the engine, and each should be short: everybody waits for it.
pub trait Storage: Send {
    /// Hands some of what is kept to `into`: a bounded part, so that others can be told meanwhile that this takes time.
    /// It is called until it gives [`Load::Done`], before anything else is.
    fn load(&mut self, into: &mut Loader<'_>) -> Result<Load, StorageError>;

    /// Takes the changes of one request: after a crash either all of them are there or none. Nothing need be durable yet.
    fn append(&mut self, group: &Group);

    /// Makes durable what was appended, as far as the policy asks for it. No reply to a request whose changes were
    /// appended leaves before. After an error the engine refuses writes, and calls [`Storage::retry`] until it succeeds.
    fn commit(&mut self, keyspace: &Keyspace, now: Now) -> Result<(), StorageError>;

    /// Tries again to keep what could not be kept, nothing of which has been lost in memory.
    fn retry(&mut self, keyspace: &Keyspace, now: Now) -> Result<(), StorageError>;

    /// Does what is due: it is called every turn, and no later than [`Status::wake_ms`] says.
    fn tend(&mut self, now: Now) -> Result<(), StorageError> {
        let _ = now;
        Ok(())
    }

    /// Begins a snapshot of what the keyspace holds now; everything that was appended has been committed. `beside` is
    /// what else there is, as changes that make it: they belong to the snapshot ([`Loader::complete`]). False when this
    /// storage has no use for a snapshot: then the next [`Storage::commit`], which follows at once, makes everything
    /// durable, whatever the policy.
    fn snapshot_begin(
        &mut self,
        keyspace: &Keyspace,
        beside: &Group,
    ) -> Result<bool, StorageError> {
        let _ = (keyspace, beside);
        Ok(false)
    }

    /// Takes some of the snapshot: images of records, as [`Keyspace::restore`] wants them.
    fn snapshot_write(&mut self, images: &[u8]) -> Result<(), StorageError> {
        let _ = images;
        Ok(())
    }

    /// Whether it would rather take no more of the snapshot in this turn: what it has is not on the disk yet.
    fn snapshot_is_busy(&mut self) -> bool {
        false
    }

    /// The snapshot is complete, with so many records. It is called every turn until it gives true: from then on the
    /// snapshot counts, and what it makes superfluous may go. With `wait` it does not return before.
    fn snapshot_end(&mut self, records: u64, wait: bool) -> Result<bool, StorageError> {
        let _ = (records, wait);
        Ok(true)
    }

    /// Gives up the snapshot that was begun.
    fn snapshot_abort(&mut self) {}

    /// How it is.
    fn status(&self) -> Status;

    /// Says when what was committed has to be durable.
    fn set_fsync(&mut self, fsync: Fsync) {
        let _ = fsync;
    }

    /// Makes everything durable: the end.
    fn close(&mut self, keyspace: &Keyspace, now: Now) -> Result<(), StorageError> {
        self.commit(keyspace, now)
    }
}

impl std::fmt::Debug for dyn Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Storage({})", self.status().kind)
    }
}

/// How far loading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// There is more.
    More,
    /// That was all.
    Done,
}

/// When what was committed is durable: beyond a crash of the process, that is, one of the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before the replies leave.
    Always,
    /// A second later at most.
    #[default]
    EverySecond,
    /// When the system likes.
    No,
}

impl Fsync {
    /// The name that Redis has for it.
    pub fn name(self) -> &'static str {
        match self {
            Fsync::Always => "always",
            Fsync::EverySecond => "everysec",
            Fsync::No => "no",
        }
    }

    /// The inverse of [`Fsync::name`], in any case.
    pub fn parse(name: &str) -> Option<Self> {
        [Fsync::Always, Fsync::EverySecond, Fsync::No]
            .into_iter()
            .find(|fsync| fsync.name().eq_ignore_ascii_case(name))
    }
}

/// How a storage is.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// What it is, in a word.
    pub kind: &'static str,
    /// Its policy.
    pub fsync: Fsync,
    /// Monotonic ms at which [`Storage::tend`] has something to do.
    pub wake_ms: Option<u64>,
    /// Bytes of changes since the last snapshot.
    pub journal_bytes: u64,
    /// Bytes of the last snapshot.
    pub snapshot_bytes: u64,
    /// Bytes that wait to be written or synced.
    pub pending_bytes: u64,
    /// While loading: bytes to be read in all, and read so far.
    pub load_bytes: (u64, u64),
}

/// What went wrong with a storage.
#[derive(Debug)]
pub enum StorageError {
    /// The system refused something: what, on which file.
    Io {
        /// What was tried, as in "cannot write".
        what: &'static str,
        /// On what.
        file: String,
        /// Why not.
        error: io::Error,
    },
    /// A file holds something else than was written to it.
    Damaged {
        /// The file.
        file: String,
        /// From this byte on.
        offset: u64,
        /// What is wrong.
        why: String,
        /// What to do about it.
        advice: String,
    },
    /// A file of a version that this program does not read.
    Version {
        /// The file.
        file: String,
        /// Its version.
        found: String,
        /// The one that is read.
        known: &'static str,
    },
    /// Another process uses the directory.
    Locked {
        /// The directory.
        place: String,
    },
    /// What is kept cannot be applied.
    Replay {
        /// The change, as a command.
        command: String,
        /// What it was answered.
        answer: String,
    },
}

impl StorageError {
    /// The reason alone, for replies to clients.
    pub fn reason(&self) -> String {
        match self {
            StorageError::Io { error, .. } => in_c(error),
            other => other.to_string(),
        }
    }
}

impl std::fmt::Display for StorageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StorageError::Io { what, file, error } => write!(f, "cannot {what} {file}: {error}"),
            StorageError::Damaged {
                file,
                offset,
                why,
                advice,
            } => write!(f, "{file} is damaged at byte {offset}: {why} ({advice})"),
            StorageError::Version { file, found, known } => write!(
                f,
                "{file} is of version {found}, but this pentad reads version {known} only"
            ),
            StorageError::Locked { place } => {
                write!(f, "{place} is in use by another process")
            }
            StorageError::Replay { command, answer } => {
                write!(
                    f,
                    "a change that was kept cannot be repeated: {command}: {answer}"
                )
            }
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StorageError::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
