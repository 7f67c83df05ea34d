//! Keys that connections watch (WATCH), and keys that they wait for (BLPOP, XREAD ...).
//!
//! Connections are named by their slots. This module must not know commands: it only finds out whom a change concerns.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::keyspace::Db;

type KeyName = (Db, Box<[u8]>);

/// The watchers of keys.
#[derive(Debug, Default)]
pub struct Watchers {
    by_key: HashMap<KeyName, Vec<u32>>,
}

impl Watchers {
    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Adds a watcher of a key.
    pub fn add(&mut self, db: Db, key: &[u8], slot: u32) {
        self.by_key.entry((db, key.into())).or_default().push(slot);
    }

    /// Removes a watcher of a key.
    pub fn remove(&mut self, db: Db, key: &[u8], slot: u32) {
        let name = (db, Box::from(key));
        if let Some(slots) = self.by_key.get_mut(&name) {
            slots.retain(|known| *known != slot);
            if slots.is_empty() {
                self.by_key.remove(&name);
            }
        }
    }

    /// Who watches this key.
    pub fn of(&self, db: Db, key: &[u8]) -> &[u32] {
        self.by_key
            .get(&(db, Box::from(key)))
            .map_or(&[], Vec::as_slice)
    }

    /// Who watches any key of this database.
    pub fn of_database(&self, db: Db) -> impl Iterator<Item = (&[u8], &[u32])> {
        self.by_key
            .iter()
            .filter(move |((of, _), _)| *of == db)
            .map(|((_, key), slots)| (&**key, &slots[..]))
    }
}

/// Connections that wait for keys, first come first served, and until when.
#[derive(Debug, Default)]
pub struct Waiting {
    by_key: HashMap<KeyName, VecDeque<u32>>,
    /// Keys that have changed and have waiters, in the order in which they changed.
    ready: VecDeque<KeyName>,
    /// The same keys, to find out whether one is among them.
    is_ready: HashSet<KeyName>,
    deadlines: BTreeSet<(u64, u32)>,
    count: usize,
}

impl Waiting {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many connections wait.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Lets a connection wait for keys of a database.
    pub fn add(&mut self, db: Db, keys: &[Box<[u8]>], deadline_ms: Option<u64>, slot: u32) {
        for key in keys {
            let queue = self.by_key.entry((db, key.clone())).or_default();
            if !queue.contains(&slot) {
                queue.push_back(slot);
            }
        }
        if let Some(deadline_ms) = deadline_ms {
            self.deadlines.insert((deadline_ms, slot));
        }
        self.count += 1;
    }

    /// Lets it wait no longer. The arguments are those that it was added with.
    pub fn remove(&mut self, db: Db, keys: &[Box<[u8]>], deadline_ms: Option<u64>, slot: u32) {
        for key in keys {
            let name = (db, key.clone());
            if let Some(queue) = self.by_key.get_mut(&name) {
                queue.retain(|known| *known != slot);
                if queue.is_empty() {
                    self.by_key.remove(&name);
                }
            }
        }
        if let Some(deadline_ms) = deadline_ms {
            self.deadlines.remove(&(deadline_ms, slot));
        }
        self.count -= 1;
    }

    /// Says that a key has changed.
    pub fn signal(&mut self, db: Db, key: &[u8]) {
        let name = (db, Box::from(key));
        if self.by_key.contains_key(&name) && self.is_ready.insert(name.clone()) {
            self.ready.push_back(name);
        }
    }

    /// Says that all keys of a database may have changed.
    pub fn signal_database(&mut self, db: Db) {
        for name in self.by_key.keys().filter(|(of, _)| *of == db) {
            if self.is_ready.insert(name.clone()) {
                self.ready.push_back(name.clone());
            }
        }
    }

    /// Takes the first of the keys that have changed.
    pub fn take_ready(&mut self) -> Option<(Db, Box<[u8]>)> {
        let name = self.ready.pop_front()?;
        self.is_ready.remove(&name);
        Some(name)
    }

    /// Who waits for this key, the longest waiting first.
    pub fn of(&self, db: Db, key: &[u8]) -> Vec<u32> {
        self.by_key
            .get(&(db, Box::from(key)))
            .map_or_else(Vec::new, |queue| queue.iter().copied().collect())
    }

    /// When the first of them gives up, monotonic ms.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    /// A connection whose time is up; it must be removed before this is asked again.
    pub fn overdue(&self, now_ms: u64) -> Option<u32> {
        self.deadlines
            .first()
            .filter(|(deadline_ms, _)| *deadline_ms <= now_ms)
            .map(|(_, slot)| *slot)
    }
}
