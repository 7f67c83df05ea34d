//! The data, for the program around the server: typed, at the cost of a function call.
//!
//! A [`Store`] is a short loan of the server's keyspace. Whatever is written through it has the same consequences as if
//! a client had written it: watchers are told, blocked clients served, caches invalidated, events published, the journal
//! written. That happens before the call returns; bytes for clients leave with the next turn.
//!
//! This module must not know how commands are parsed, nor sockets.

mod collections;
mod commands;
mod keys;
mod values;

pub use collections::{HashKey, ListKey, SetKey, ZSetKey};
pub use commands::RestoreError;
pub use values::{SeriesKey, StreamKey};

use std::time::Duration;

use mio::Waker;

use crate::clock::Now;
use crate::hub::Hub;
use crate::keyspace::{Db, Expiry, Key, Keyspace};
use crate::protocol::Cx;
use crate::reactions::{Me, Scene};

/// The data of one database; see the module's head.
///
/// ```
/// use pentad::Server;
///
/// let mut server = Server::builder().build()?;
/// let mut store = server.store();
/// store.set("greeting", "hello");
/// store.incr_by("hits", 2)?;
/// store.zset("board")?.add("ada", 36.0)?;
/// assert_eq!(store.get("hits")?.and_then(|hits| hits.to_i64()), Some(2));
/// assert_eq!(store.execute(["GET", "greeting"])?.as_str(), Some("hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Store<'a> {
    keyspace: &'a mut Keyspace,
    hub: &'a mut Hub,
    db: Db,
    /// The client on whose behalf a command of the host's own runs.
    me: Option<Me<'a>>,
    /// What follows from changes is left to whoever lent this.
    deferred: bool,
    /// Ends the poll of a server that has something to send.
    waker: Option<&'a Waker>,
}

/// There is no database of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchDatabase {
    /// The number.
    pub db: Db,
}

impl std::fmt::Display for NoSuchDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no database {}", self.db)
    }
}

impl std::error::Error for NoSuchDatabase {}

impl<'a> Store<'a> {
    pub(crate) fn new(
        keyspace: &'a mut Keyspace,
        hub: &'a mut Hub,
        waker: Option<&'a Waker>,
    ) -> Self {
        Store {
            keyspace,
            hub,
            db: 0,
            me: None,
            deferred: false,
            waker,
        }
    }

    /// For a request that is being run: what follows from its changes is left to those who run it.
    pub(crate) fn inside(cx: &'a mut Cx<'_>) -> Self {
        Store {
            db: cx.client.db,
            keyspace: cx.keyspace,
            hub: cx.hub,
            me: Some(Me {
                client: cx.client,
                out: cx.out,
            }),
            deferred: true,
            waker: None,
        }
    }

    /// The same for less long.
    fn lend(&mut self) -> Store<'_> {
        Store {
            keyspace: self.keyspace,
            hub: self.hub,
            db: self.db,
            me: self.me.as_mut().map(|me| Me {
                client: me.client,
                out: me.out,
            }),
            deferred: self.deferred,
            waker: self.waker,
        }
    }

    /// Lets follow what follows from the changes that were made.
    #[inline]
    fn settle(&mut self) {
        if !self.deferred && !self.keyspace.changes.is_empty() {
            self.react();
        }
    }

    #[cold]
    fn react(&mut self) {
        self.speak(|scene| scene.react());
    }

    /// Does something that clients may be told of; a server that is being waited for in a poll, its own or its host's,
    /// must send it then.
    fn speak<R>(&mut self, run: impl FnOnce(&mut Scene<'_>) -> R) -> R {
        let before = self.hub.touched.len();
        let result = run(&mut Scene {
            keyspace: self.keyspace,
            hub: self.hub,
            me: self.me.as_mut().map(|me| Me {
                client: me.client,
                out: me.out,
            }),
        });
        self.wake_if_more(before);
        result
    }

    fn wake_if_more(&self, touched_before: usize) {
        if self.hub.touched.len() > touched_before
            && let Some(waker) = self.waker
        {
            // If it fails there is nobody in the poll either.
            let _ = waker.wake();
        }
    }

    #[inline]
    fn key<'k, K: AsRef<[u8]> + ?Sized>(&self, key: &'k K) -> Key<'k> {
        self.keyspace.key(self.db, key.as_ref())
    }
}

impl std::fmt::Debug for Store<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("db", &self.db)
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}

/// Databases, time, groups.
impl Store<'_> {
    /// The same data, another database. O(1).
    pub fn database(&mut self, db: Db) -> Result<Store<'_>, NoSuchDatabase> {
        if db >= self.keyspace.databases() {
            return Err(NoSuchDatabase { db });
        }
        let mut other = self.lend();
        other.db = db;
        Ok(other)
    }

    /// The number of its database.
    pub fn db(&self) -> Db {
        self.db
    }

    /// What time it is for this store: the server read it when it lent the store, or at the beginning of the turn.
    pub fn now(&self) -> Now {
        self.hub.now
    }

    /// The expiry of a key that is to live for so long from now.
    pub fn expiry_in(&self, life: Duration) -> Expiry {
        Expiry::At(self.unix_ms_in(life))
    }

    fn unix_ms_in(&self, life: Duration) -> i64 {
        let life_ms = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        self.keyspace.now_ms().saturating_add(life_ms)
    }

    /// Makes all changes in `run` one group: others learn of them together, after it has returned, and a journal keeps
    /// all of them or none. What was changed stays if `run` panics.
    pub fn group<R>(&mut self, run: impl FnOnce(&mut Store<'_>) -> R) -> R {
        let mut group = self.lend();
        group.deferred = true;
        let result = run(&mut group);
        self.settle();
        result
    }
}
