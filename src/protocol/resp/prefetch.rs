//! The keys of requests that are about to be run: hashed once, and the memory asked for them, all at once.
//!
//! A lookup waits for memory twice; those of a whole batch can wait together. What was hashed for that is kept until the
//! batch is done, so that running a request need not hash its keys again. This module must not know what commands
//! do with keys.

use super::Args;
use super::command::{Begin, Command, Find, Group, flag};
use crate::keyspace::{Db, Key, Keyspace, Lookahead};

/// Keys that are looked at ahead, of one request.
const KEYS_PER_REQUEST: usize = 16;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct KnownKeys {
    keys: Vec<Known>,
    /// Those of the request that is being run.
    from: usize,
    to: usize,
}

/// A key, by where its bytes lie: the input does not change while a batch is run.
#[derive(Debug)]
struct Known {
    address: usize,
    len: usize,
    hash: u64,
    space: u8,
}

impl KnownKeys {
    /// Adds the keys that a request names, as far as they can be seen from its shape.
    #[inline]
    pub(crate) fn add(&mut self, command: &Command, args: Args<'_>, db: Db, keyspace: &Keyspace) {
        let Some(spec) = command.keys.first() else {
            return;
        };
        let (Begin::Index(first), Find::Range { last, step, .. }) = (&spec.begin, &spec.find)
        else {
            return;
        };
        let (first, step) = (*first as usize, (*step).max(1) as usize);
        let last = match *last {
            0.. => first + *last as usize,
            _ => args.len().saturating_sub(last.unsigned_abs() as usize),
        };
        for index in (first..=last).step_by(step).take(KEYS_PER_REQUEST) {
            let Some(bytes) = args.get(index) else {
                return;
            };
            let key = keyspace.key(db, bytes);
            self.keys.push(Known {
                address: bytes.as_ptr().addr(),
                len: bytes.len(),
                hash: key.hash(),
                space: key.space,
            });
        }
    }

    /// The key at an index, which these bytes must be.
    pub(crate) fn at<'k>(&self, index: usize, bytes: &'k [u8]) -> Option<Key<'k>> {
        let known = self.keys.get(index)?;
        Some(Key::with_hash(known.space, bytes, known.hash))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The hashes of all of them.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = u64> + Clone {
        self.keys.iter().map(|key| key.hash)
    }

    /// Says whose turn it is: the request that has added these.
    #[inline]
    pub(crate) fn turn_to(&mut self, keys: std::ops::Range<usize>) {
        (self.from, self.to) = (keys.start, keys.end);
    }

    /// The key that these bytes are in a space, if the request that is being run has added them.
    #[inline]
    pub(crate) fn find<'k>(&self, space: u8, bytes: &'k [u8]) -> Option<Key<'k>> {
        let address = bytes.as_ptr().addr();
        self.keys[self.from..self.to]
            .iter()
            .find(|key| key.address == address && key.len == bytes.len() && key.space == space)
            .map(|key| Key::with_hash(space, bytes, key.hash))
    }

    /// Forgets all: the input is about to change.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.turn_to(0..0);
    }
}

/// The field or member that a request is about, if it is one that looks for one.
#[inline]
pub(super) fn member_of<'a>(command: &Command, args: Args<'a>) -> Option<&'a [u8]> {
    let at = match command.group {
        Group::Hash | Group::Set => 2,
        // It stands behind options and a score.
        Group::SortedSet => args.len().max(3) - 1,
        _ => return None,
    };
    args.get(at).filter(|_| command.has(flag::FAST))
}

/// Has the memory fetch what looking for members will need, where the collections are large.
pub(super) fn fetch_members<'a>(
    wanted: impl Iterator<Item = (Key<'a>, &'a [u8])>,
    keyspace: &'a Keyspace,
) {
    let mut last: Option<(Key<'_>, Option<&'a dyn Lookahead>)> = None;
    let mut sought = Vec::new();
    for (key, member) in wanted {
        // Mostly it is one collection after the other.
        let table = match last {
            Some((known, table)) if known.is_same(&key) => table,
            _ => keyspace.lookahead(&key),
        };
        last = Some((key, table));
        if let Some(table) = table {
            sought.push((table, table.seek(member)));
        }
    }
    let place = |(table, hash): (&'a dyn Lookahead, u32)| Some((table, table.place(hash)?));
    let placed: Vec<_> = sought.into_iter().filter_map(place).collect();
    for (table, id) in placed {
        table.fetch(id);
    }
}
