//! Client-side caching: which connections have to be told when a key changes.
//!
//! A connection either has the keys remembered that it reads, or names prefixes of keys (broadcasting). This module
//! must not know how it is told.

use std::collections::{HashMap, HashSet, VecDeque};

/// A connection's settings of CLIENT TRACKING.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackingOptions {
    /// BCAST: told of all keys with the prefixes, not of those it read.
    pub broadcast: bool,
    /// OPTIN: reads are remembered only after CLIENT CACHING YES.
    pub opt_in: bool,
    /// OPTOUT: reads are remembered unless after CLIENT CACHING NO.
    pub opt_out: bool,
    /// NOLOOP: not told of its own changes.
    pub no_loop: bool,
    /// REDIRECT: the id of the client that is told in its place.
    pub redirect: Option<u64>,
    /// PREFIX, with BCAST.
    pub prefixes: Vec<Box<[u8]>>,
    /// CLIENT CACHING was said, for the next command.
    pub caching: Option<bool>,
}

/// Who is told of what.
#[derive(Debug, Default)]
pub struct Tracking {
    /// Connections that have tracking on.
    pub clients: usize,
    /// By key: the slots and ids of those who have read it. A client may be gone by the time it is to be told.
    readers: HashMap<Box<[u8]>, HashSet<(u32, u64)>>,
    /// What was read after changes that nobody has been told of yet, in order.
    fresh: VecDeque<Read>,
    prefixes: HashMap<Box<[u8]>, Vec<u32>>,
}

#[derive(Debug)]
struct Read {
    /// How many of the group's changes came before.
    after: usize,
    key: Box<[u8]>,
    reader: (u32, u64),
}

impl Tracking {
    /// Whether nobody has to be told of anything.
    pub fn is_idle(&self) -> bool {
        self.clients == 0
    }

    /// Remembers that a client has read a key.
    pub fn remember(&mut self, key: &[u8], reader: (u32, u64)) {
        match self.readers.get_mut(key) {
            Some(ids) => {
                ids.insert(reader);
            }
            None => {
                self.readers.insert(key.into(), HashSet::from([reader]));
            }
        }
    }

    /// Remembers that a client has read a key after the first `changes` of a group that is still to be reacted to: it has
    /// seen what they did, and is told only of later ones.
    pub fn remember_after(&mut self, changes: usize, key: &[u8], reader: (u32, u64)) {
        if changes == 0 {
            self.remember(key, reader);
        } else {
            self.fresh.push_back(Read {
                after: changes,
                key: key.into(),
                reader,
            });
        }
    }

    /// Says that so many changes of the group have been reacted to.
    pub fn reacted_to(&mut self, changes: usize) {
        while self.fresh.front().is_some_and(|read| read.after <= changes)
            && let Some(read) = self.fresh.pop_front()
        {
            self.remember(&read.key, read.reader);
        }
    }

    /// Takes those who have read a key: they are told once.
    pub fn take_readers(&mut self, key: &[u8]) -> HashSet<(u32, u64)> {
        self.readers.remove(key).unwrap_or_default()
    }

    /// Forgets all keys that were read.
    pub fn forget_readers(&mut self) {
        self.readers.clear();
    }

    /// A key that is to be forgotten, since more than `max` are remembered.
    pub fn excess(&self, max: usize) -> Option<Box<[u8]>> {
        if self.readers.len() <= max {
            None
        } else {
            self.readers.keys().next().cloned()
        }
    }

    /// Adds a connection to those who are told of a prefix.
    pub fn add_prefix(&mut self, prefix: &[u8], slot: u32) {
        self.prefixes.entry(prefix.into()).or_default().push(slot);
    }

    /// Removes a connection from those who are told of prefixes.
    pub fn remove_prefixes(&mut self, slot: u32) {
        self.prefixes.retain(|_, slots| {
            slots.retain(|known| *known != slot);
            !slots.is_empty()
        });
    }

    /// Who is told of this key because of a prefix. O(number of prefixes).
    pub fn of_prefixes(&self, key: &[u8]) -> Vec<u32> {
        let matching = self
            .prefixes
            .iter()
            .filter(|(prefix, _)| key.starts_with(prefix));
        let mut slots: Vec<u32> = matching
            .flat_map(|(_, slots)| slots.iter().copied())
            .collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Number of keys that are remembered, of readers of them, and of prefixes.
    pub fn counts(&self) -> (usize, usize, usize) {
        (
            self.readers.len(),
            self.readers.values().map(HashSet::len).sum(),
            self.prefixes.len(),
        )
    }
}
