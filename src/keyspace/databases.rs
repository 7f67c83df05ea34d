//! Numbered databases within the one table: each has a *space*, a number that is part of its keys.
//!
//! So selecting another database costs nothing, SWAPDB exchanges two numbers, and FLUSHDB gives the database a new space,
//! whose keys are none; the old space's records are swept out later (see `maintenance.rs`).
//! This module must not know records or values.

use super::Db;

/// Which space each database has, and how many keys are in each space.
#[derive(Clone, Debug)]
pub struct Databases {
    spaces: Vec<u8>,
    numbers: [u8; 256],
    counts: Vec<Counts>,
    retired: Vec<u8>,
}

/// Keys in one database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All keys.
    pub keys: usize,
    /// Keys with an expiry.
    pub expires: usize,
}

impl Databases {
    /// `count` databases, at least one and at most 128: the other spaces are for what was flushed and not yet swept.
    pub fn new(count: u8) -> Self {
        let count = count.clamp(1, 128);
        let mut numbers = [0; 256];
        for db in 0..count {
            numbers[usize::from(db)] = db;
        }
        Databases {
            spaces: (0..count).collect(),
            numbers,
            counts: vec![Counts::default(); 256],
            retired: Vec::new(),
        }
    }

    pub fn count(&self) -> u8 {
        self.spaces.len() as u8
    }

    /// The space of a database; one that does not exist has the first one's (callers check with [`Databases::count`]).
    #[inline]
    pub fn space(&self, db: Db) -> u8 {
        self.spaces
            .get(usize::from(db))
            .copied()
            .unwrap_or(self.spaces[0])
    }

    /// The database that has this space now.
    #[inline]
    pub fn number(&self, space: u8) -> Db {
        self.numbers[usize::from(space)]
    }

    pub fn counts(&self, db: Db) -> Counts {
        self.counts[usize::from(self.space(db))]
    }

    /// Keys in all databases, without those that are only waiting to be swept.
    pub fn total_keys(&self) -> usize {
        self.spaces
            .iter()
            .map(|space| self.counts[usize::from(*space)].keys)
            .sum()
    }

    /// Whether any key has an expiry.
    pub fn any_expires(&self) -> bool {
        self.spaces
            .iter()
            .any(|space| self.counts[usize::from(*space)].expires > 0)
    }

    pub fn added(&mut self, space: u8, expires: bool) {
        let counts = &mut self.counts[usize::from(space)];
        counts.keys += 1;
        counts.expires += usize::from(expires);
    }

    pub fn removed(&mut self, space: u8, expires: bool) {
        let counts = &mut self.counts[usize::from(space)];
        counts.keys -= 1;
        counts.expires -= usize::from(expires);
    }

    pub fn expiry_changed(&mut self, space: u8, had: bool, has: bool) {
        let counts = &mut self.counts[usize::from(space)];
        counts.expires = counts.expires + usize::from(has) - usize::from(had);
    }

    pub fn swap(&mut self, a: Db, b: Db) {
        self.spaces.swap(usize::from(a), usize::from(b));
        for db in [a, b] {
            self.numbers[usize::from(self.spaces[usize::from(db)])] = db;
        }
    }

    /// Gives the database an empty space. False when none is free: too many flushed ones wait to be swept.
    pub fn retire(&mut self, db: Db) -> bool {
        let old = self.space(db);
        if self.counts[usize::from(old)].keys == 0 {
            return true;
        }
        let in_use = |space: &u8| self.spaces.contains(space) || self.retired.contains(space);
        let Some(new) = (0..=u8::MAX).find(|space| !in_use(space)) else {
            return false;
        };
        self.spaces[usize::from(db)] = new;
        self.numbers[usize::from(new)] = db;
        self.retired.push(old);
        true
    }

    /// Which database each space is, if it is one.
    pub fn all_spaces(&self) -> Vec<Option<Db>> {
        let mut databases = vec![None; 256];
        for (db, space) in self.spaces.iter().enumerate() {
            databases[usize::from(*space)] = Some(db as Db);
        }
        databases
    }

    /// Whether the space belongs to no database any more.
    pub fn is_retired(&self, space: u8) -> bool {
        self.retired.contains(&space)
    }

    pub fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Frees the retired spaces that have been swept empty.
    pub fn release_swept(&mut self) {
        let counts = &self.counts;
        self.retired
            .retain(|space| counts[usize::from(*space)].keys > 0);
    }

    /// Forgets all keys of all spaces: the table was emptied.
    pub fn clear(&mut self) {
        self.counts.fill(Counts::default());
        self.retired.clear();
    }
}

#[cfg(test)]
mod tests;
