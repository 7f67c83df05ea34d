//! The hash table of hash, set and sorted set: from bytes to entries that hold their own key. It
//! grows and shrinks by one bucket at a time (linear hashing), so no insertion ever waits for a
//! rehash, and its scan cursor walks hash space, which no growth or shrinking reorders.
//!
//! ```text
//!   buckets, a cache line each                              entries (dense, in no order)
//!   | 7 hashes | 7 places | more -+-> overflow page         0: | entry |
//!   | 7 hashes | 7 places |   -   |                         1: | entry |
//!   | ...                                                   ...
//! ```
//!
//! With n buckets, a hash belongs to the bucket that its low k bits name, 2^k being n rounded up to
//! a power of two; where there is no such bucket yet, its low k-1 bits name it. The bucket added
//! next thus takes its places from exactly one other, and the last one gives them back to the same.
//! Whole hashes in the buckets mean that neither touches an entry: a lookup costs two cache misses,
//! an insertion little more than one.
//!
//! Entries are dense: removing one moves the last one into its place. That makes a uniform random
//! entry one draw, and iteration a walk through memory.
//!
//! Cost per entry: itself and some 15 bytes of buckets; tables of less than
//! [`SEGMENT_LEN`](segments::SEGMENT_LEN) entries have up to half again unused, larger ones next to
//! nothing. Holds at most 2^32 - 1 entries.

use super::hasher::KeyedState;
use super::segments::{self, Segments};
use crate::memory::prefetch;

/// What a [`Dict`] holds: something that has its key in it.
pub trait Keyed {
    /// The key; may not change while the entry is in a table.
    fn key(&self) -> &[u8];

    /// All the bytes that the key is among.
    fn bytes(&self) -> &[u8];

    /// What the entry holds outside of itself, in bytes.
    fn heap_bytes(&self) -> usize;
}

/// The place of an entry: an index below [`Dict::len`], until the next removal.
pub type Id = u32;

/// Proof that a key was looked up and is not there; [`Dict::fill`] takes it instead of hashing
/// again. It is void as soon as the table changes.
#[derive(Debug)]
pub struct Absent {
    hash: u32,
}

/// Lookups that are about to come, a step at a time: what a step reads is where the next one begins, so that many lookups
/// which each wait for the memory three times can wait together. Nothing is changed, and nothing is found out.
pub trait Lookahead {
    /// Asks for the bucket of a key; gives the key's hash.
    fn seek(&self, key: &[u8]) -> u32;

    /// Asks for the entry that the bucket of this hash leads to, if there is one.
    fn place(&self, hash: u32) -> Option<Id>;

    /// Asks for the key of the entry at a place.
    fn fetch(&self, id: Id);
}

impl<E: Keyed> Lookahead for Dict<E> {
    fn seek(&self, key: &[u8]) -> u32 {
        let hash = self.hash(key);
        if !self.buckets.is_empty() {
            prefetch(&self.buckets[self.span(hash).bucket]);
        }
        hash
    }

    fn place(&self, hash: u32) -> Option<Id> {
        if self.buckets.is_empty() {
            return None;
        }
        let page = &self.buckets[self.span(hash).bucket];
        let at = page.hashes.iter().position(|&there| there == hash)?;
        let id = page.ids[at];
        if id == NIL {
            return None;
        }
        prefetch(&self.entries[id]);
        Some(id)
    }

    fn fetch(&self, id: Id) {
        if let Some(byte) = self.entries[id].bytes().first() {
            prefetch(byte);
        }
    }
}

/// The table.
#[derive(Clone, Debug)]
pub struct Dict<E> {
    buckets: Segments<Bucket>,
    /// Overflow pages of all buckets.
    pages: usize,
    entries: Segments<E>,
    /// What all entries hold outside of themselves.
    entry_bytes: usize,
    state: KeyedState,
}

/// The mean number of entries of a bucket. Buckets of a round that are still to be split have up to
/// twice as many.
const LOAD: usize = 5;

impl<E: Keyed> Dict<E> {
    /// An empty table hashed with this key; allocates nothing.
    pub fn new(state: KeyedState) -> Dict<E> {
        Dict {
            buckets: Segments::new(),
            pages: 0,
            entries: Segments::new(),
            entry_bytes: 0,
            state,
        }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All that it holds on the heap, in bytes. O(1).
    pub fn heap_bytes(&self) -> usize {
        let index_bytes = self.buckets.heap_bytes() + self.pages * size_of::<Bucket>();
        index_bytes + self.entries.heap_bytes() + self.entry_bytes
    }

    /// The entry of `key`. O(1).
    pub fn get(&self, key: &[u8]) -> Option<&E> {
        self.find(key).ok().map(|id| self.at(id))
    }

    /// Where the entry of `key` is, or the means to [`fill`](Self::fill) it in. O(1).
    pub fn find(&self, key: &[u8]) -> Result<Id, Absent> {
        let hash = self.hash(key);
        if self.buckets.is_empty() {
            return Err(Absent { hash });
        }
        let mut page = &self.buckets[self.span(hash).bucket];
        loop {
            for (at, &there) in page.hashes.iter().enumerate() {
                let id = page.ids[at];
                if there == hash && id != NIL && self.entries[id].key() == key {
                    return Ok(id);
                }
            }
            match &page.more {
                Some(more) => page = more,
                None => return Err(Absent { hash }),
            }
        }
    }

    /// The entry at a place.
    ///
    /// # Panics
    /// If `id` is not below the length.
    pub fn at(&self, id: Id) -> &E {
        &self.entries[id]
    }

    /// Adds the entry whose key was just found absent; its place is the last. O(1): splits at most
    /// one bucket.
    pub fn fill(&mut self, absent: Absent, entry: E) -> Id {
        self.grow();
        let id = self.entries.len() as Id;
        self.hang(absent.hash, id);
        self.entry_bytes += entry.heap_bytes();
        self.entries.push(entry);
        id
    }

    /// Changes the entry at a place, but not its key.
    pub fn edit<R>(&mut self, id: Id, change: impl FnOnce(&mut E) -> R) -> R {
        let entry = &mut self.entries[id];
        let before = entry.heap_bytes();
        let result = change(entry);
        self.entry_bytes = self.entry_bytes - before + entry.heap_bytes();
        result
    }

    /// Takes out the entry of `key`. O(1).
    pub fn remove(&mut self, key: &[u8]) -> Option<E> {
        self.find(key).ok().map(|id| self.swap_remove(id))
    }

    /// Takes out the entry at a place. The last entry, if it is another, moves there. O(1): merges
    /// at most two buckets.
    pub fn swap_remove(&mut self, id: Id) -> E {
        let bucket = self.bucket_of(id);
        self.pages -= usize::from(bucket.remove(id));
        let last = self.entries.len() as Id - 1;
        if last != id {
            self.bucket_of(last).rename(last, id);
        }
        let entry = self.entries.swap_remove(id);
        self.entry_bytes -= entry.heap_bytes();
        self.shrink();
        entry
    }

    /// All entries, by place.
    pub fn iter(&self) -> segments::Iter<'_, E> {
        self.entries.iter()
    }

    /// Visits the buckets from `cursor` on until `count` entries were visited (or ten times as many
    /// buckets), and returns where to go on; 0 starts, and 0 says that it is done. What is in the
    /// table from the first call to the last is visited, at least once, whatever else comes and
    /// goes in between.
    ///
    /// A cursor is a hash with its bits reversed, and each call goes up in that order. As a bucket
    /// is the hashes that share some low bits, it is an interval in that order; splitting and
    /// merging buckets cuts and joins intervals and moves nothing past the cursor.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&E)) -> u64 {
        if self.buckets.is_empty() {
            return 0;
        }
        let mut position = (cursor as u32).reverse_bits();
        let (mut visited, mut walked) = (0, 0);
        loop {
            let Span { bucket, bits } = self.span(position.reverse_bits());
            self.buckets[bucket].for_each(|_, id| {
                visit(&self.entries[id]);
                visited += 1;
            });
            walked += 1;
            let width = 1u64 << (u32::BITS - bits);
            match u32::try_from((u64::from(position) & !(width - 1)) + width) {
                Ok(next) => position = next,
                Err(_) => return 0,
            }
            if visited >= count || walked >= count.saturating_mul(10) {
                return position.reverse_bits().into();
            }
        }
    }

    /// Frees about `budget` entries; returns whether all is free. After the first call the table is
    /// good for nothing but this and dropping it: lookups miss what is still there.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        /// What freeing a segment of buckets costs, measured in entries.
        const SEGMENT_COST: usize = 500;
        let mut spent = 0;
        while spent < budget && !self.buckets.is_empty() {
            self.buckets.drop_segment();
            spent += SEGMENT_COST;
        }
        if self.buckets.is_empty() {
            self.pages = 0;
        }
        while spent < budget
            && let Some(entry) = self.entries.pop()
        {
            self.entry_bytes -= entry.heap_bytes();
            spent += 1;
        }
        self.is_empty()
    }

    fn hash(&self, key: &[u8]) -> u32 {
        self.state.hash_bytes(key) as u32
    }

    /// The bucket a hash belongs to. There must be one.
    fn span(&self, hash: u32) -> Span {
        let buckets = self.buckets.len() as u64;
        let bits = buckets.next_power_of_two().ilog2();
        let top = (1u64 << bits) >> 1;
        let index = u64::from(hash) & ((1 << bits) - 1);
        if index | top < buckets {
            let bucket = index as u32;
            Span { bucket, bits }
        } else {
            let bucket = (index & !top) as u32;
            Span {
                bucket,
                bits: bits - 1,
            }
        }
    }

    /// The bucket in which the entry at this place is.
    fn bucket_of(&mut self, id: Id) -> &mut Bucket {
        let bucket = self.span(self.hash(self.entries[id].key())).bucket;
        &mut self.buckets[bucket]
    }

    /// Puts a place into the bucket of its hash.
    fn hang(&mut self, hash: u32, id: Id) {
        let bucket = self.span(hash).bucket;
        self.pages += usize::from(self.buckets[bucket].push(hash, id));
    }

    /// One bucket more, if there are enough entries for it.
    fn grow(&mut self) {
        let buckets = self.buckets.len();
        if buckets == 0 {
            self.buckets.push(Bucket::default());
        } else if self.entries.len() >= buckets * LOAD {
            let source = buckets as u32 & !(1 << buckets.ilog2());
            self.buckets.push(Bucket::default());
            let mixed = std::mem::take(&mut self.buckets[source]);
            self.rehang(&mixed);
        }
    }

    /// One bucket less, if there are twice as many as growing would have made: which is fast enough
    /// to keep up with removals, and far enough from where growth begins.
    fn shrink(&mut self) {
        let buckets = self.buckets.len();
        if buckets > 1
            && self.entries.len() < (buckets - 1) * LOAD / 2
            && let Some(last) = self.buckets.pop()
        {
            self.rehang(&last);
        }
    }

    /// Puts all places of a bucket that is no longer in the table where they belong now.
    fn rehang(&mut self, bucket: &Bucket) {
        self.pages -= bucket.pages();
        bucket.for_each(|hash, id| self.hang(hash, id));
    }
}

/// A bucket, and how many low bits the hashes that belong to it share.
struct Span {
    bucket: u32,
    bits: u32,
}

const NIL: Id = Id::MAX;
const PAGE_LEN: usize = 7;

/// Hashes and places: a page of up to seven, and further pages if that is not enough. All pages but
/// the last are full.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket {
    hashes: [u32; PAGE_LEN],
    /// `NIL` from the first free position on.
    ids: [Id; PAGE_LEN],
    more: Option<Box<Bucket>>,
}

impl Default for Bucket {
    fn default() -> Bucket {
        Bucket {
            hashes: [0; PAGE_LEN],
            ids: [NIL; PAGE_LEN],
            more: None,
        }
    }
}

impl Bucket {
    /// The number of entries on this page.
    fn page_len(&self) -> usize {
        self.ids
            .iter()
            .position(|&id| id == NIL)
            .unwrap_or(PAGE_LEN)
    }

    /// The number of overflow pages.
    fn pages(&self) -> usize {
        std::iter::successors(self.more.as_deref(), |page| page.more.as_deref()).count()
    }

    fn for_each(&self, mut visit: impl FnMut(u32, Id)) {
        let mut page = Some(self);
        while let Some(Bucket { hashes, ids, more }) = page {
            let taken = hashes.iter().zip(ids).take_while(|&(_, &id)| id != NIL);
            taken.for_each(|(&hash, &id)| visit(hash, id));
            page = more.as_deref();
        }
    }

    /// Returns whether that took a new page.
    fn push(&mut self, hash: u32, id: Id) -> bool {
        let mut page = self;
        let mut is_new = false;
        loop {
            let at = page.page_len();
            if at < PAGE_LEN {
                (page.hashes[at], page.ids[at]) = (hash, id);
                return is_new;
            }
            is_new = page.more.is_none();
            page = page.more.get_or_insert_default();
        }
    }

    /// Takes a place out; the last one fills the gap. Returns whether that freed a page.
    fn remove(&mut self, id: Id) -> bool {
        let (hash, last, freed) = self.pop();
        if last != id
            && let Some((page, at)) = self.locate(id)
        {
            (page.hashes[at], page.ids[at]) = (hash, last);
        }
        freed
    }

    /// Gives an entry another place.
    fn rename(&mut self, from: Id, to: Id) {
        if let Some((page, at)) = self.locate(from) {
            page.ids[at] = to;
        }
    }

    /// The last hash and place, and whether taking them freed a page. There must be one.
    fn pop(&mut self) -> (u32, Id, bool) {
        if let Some(more) = &mut self.more {
            let (hash, id, freed) = more.pop();
            let is_empty = more.ids[0] == NIL;
            if is_empty {
                self.more = None;
            }
            return (hash, id, freed || is_empty);
        }
        let last = self.page_len() - 1;
        (
            self.hashes[last],
            std::mem::replace(&mut self.ids[last], NIL),
            false,
        )
    }

    /// The page a place is on, and where.
    fn locate(&mut self, id: Id) -> Option<(&mut Bucket, usize)> {
        let mut page = self;
        loop {
            if let Some(at) = page.ids.iter().position(|&there| there == id) {
                return Some((page, at));
            }
            page = page.more.as_deref_mut()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::small::SmallBytes;
    use super::*;
    use crate::keyspace::rng::Rng;

    impl Keyed for (SmallBytes, u64) {
        fn key(&self) -> &[u8] {
            self.0.as_slice()
        }

        fn bytes(&self) -> &[u8] {
            self.0.as_slice()
        }

        fn heap_bytes(&self) -> usize {
            self.0.heap_bytes()
        }
    }

    type Table = Dict<(SmallBytes, u64)>;

    fn table() -> Table {
        Dict::new(KeyedState { k0: 1, k1: 2 })
    }

    fn put(dict: &mut Table, key: &[u8], value: u64) {
        match dict.find(key) {
            Ok(id) => dict.edit(id, |entry| entry.1 = value),
            Err(absent) => {
                let id = dict.fill(absent, (SmallBytes::new(key), value));
                assert_eq!(id as usize, dict.len() - 1);
            }
        }
    }

    fn key(n: u64) -> Vec<u8> {
        let long = if n.is_multiple_of(3) {
            "with a tail that takes it to the heap"
        } else {
            ""
        };
        format!("{n}{long}").into_bytes()
    }

    fn check(dict: &Table) {
        let (mut reachable, mut pages) = (0, 0);
        for (index, bucket) in dict.buckets.iter().enumerate() {
            bucket.for_each(|hash, id| {
                assert_eq!(dict.hash(dict.at(id).key()), hash);
                assert_eq!(dict.span(hash).bucket as usize, index);
                reachable += 1;
            });
            pages += bucket.pages();
        }
        assert_eq!((reachable, pages), (dict.len(), dict.pages));
        let bytes: usize = dict.iter().map(Keyed::heap_bytes).sum();
        assert_eq!(dict.entry_bytes, bytes);
        assert!(dict.len() <= dict.buckets.len() * LOAD);
    }

    #[test]
    fn a_bucket_is_a_cache_line() {
        assert_eq!(size_of::<Bucket>(), 64);
    }

    #[test]
    fn behaves_as_a_map() {
        let mut rng = Rng::seeded(9);
        let (mut dict, mut model) = (table(), BTreeMap::new());
        for round in 0..60_000u64 {
            let key = key(rng.below(3000));
            let growing = round % 20_000 < 10_000;
            if rng.below(10) < if growing { 7 } else { 2 } {
                put(&mut dict, &key, round);
                model.insert(key, round);
            } else {
                assert_eq!(dict.remove(&key).map(|entry| entry.1), model.remove(&key));
            }
            let probe = self::key(rng.below(3000));
            assert_eq!(
                dict.get(&probe).map(|entry| entry.1),
                model.get(&probe).copied()
            );
            assert_eq!(dict.len(), model.len());
            if round % 1000 == 0 {
                check(&dict);
            }
        }
        let copy = dict.clone();
        let all: BTreeMap<Vec<u8>, u64> = copy.iter().map(|e| (e.key().to_vec(), e.1)).collect();
        assert_eq!(all, model);
    }

    #[test]
    fn buckets_keep_up_both_ways() {
        let mut dict = table();
        (0..5000).for_each(|n| put(&mut dict, &key(n), n));
        let full = dict.heap_bytes();
        assert_eq!(dict.buckets.len(), 1000);
        (0..4990).for_each(|n| assert!(dict.remove(&key(n)).is_some()));
        assert!(dict.buckets.len() <= 6);
        assert!(dict.heap_bytes() < full / 40);
        check(&dict);
    }

    #[test]
    fn the_last_entry_moves_into_a_removed_place() {
        let mut dict = table();
        (0..100).for_each(|n| put(&mut dict, &key(n), n));
        assert_eq!(dict.swap_remove(10).1, 10);
        assert_eq!(dict.find(&key(99)).ok(), Some(10));
        assert_eq!(dict.at(10).1, 99);
    }

    #[test]
    fn scan_of_a_still_table_visits_each_entry_once() {
        for len in [0, 1, 3, 4, 5, 100, 1023, 1024, 1500] {
            let mut dict = table();
            (0..len).for_each(|n| put(&mut dict, &key(n), n));
            let (mut seen, mut cursor) = (Vec::new(), 0);
            loop {
                cursor = dict.scan(cursor, 7, |entry| seen.push(entry.1));
                if cursor == 0 {
                    break;
                }
            }
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..len), "{len}");
        }
    }

    #[test]
    fn scan_misses_nothing_that_stays_while_the_table_grows_and_shrinks() {
        let mut rng = Rng::seeded(10);
        for round in 0..60 {
            let mut dict = table();
            let stays = rng.below(200);
            let passing = rng.below(2000);
            (0..stays).for_each(|n| put(&mut dict, &key(n), n));
            let mut others: Vec<u64> = (stays..stays + passing).collect();
            others.iter().for_each(|&n| put(&mut dict, &key(n), n));
            let (mut next, mut cursor, mut seen) = (stays + passing, 0, BTreeSet::new());
            loop {
                cursor = dict.scan(cursor, 1 + rng.index(20), |entry| {
                    seen.insert(entry.1);
                });
                if cursor == 0 {
                    break;
                }
                for _ in 0..rng.below(60) {
                    if next < 20_000 && rng.below(100) < round % 2 * 60 + 20 {
                        put(&mut dict, &key(next), next);
                        others.push(next);
                        next += 1;
                    } else if !others.is_empty() {
                        let gone = others.swap_remove(rng.index(others.len()));
                        assert!(dict.remove(&key(gone)).is_some());
                    }
                }
            }
            assert!((0..stays).all(|n| seen.contains(&n)), "round {round}");
        }
    }

    #[test]
    fn scan_survives_any_cursor() {
        let mut dict = table();
        (0..300).for_each(|n| put(&mut dict, &key(n), n));
        let mut rng = Rng::seeded(11);
        for _ in 0..1000 {
            let mut calls = 0;
            let mut cursor = rng.next_u64();
            while calls == 0 || cursor != 0 {
                cursor = dict.scan(cursor, 1, |_| {});
                calls += 1;
                assert!(calls <= 400);
            }
        }
    }

    #[test]
    fn a_few_buckets_are_all_that_one_call_walks() {
        let mut dict = table();
        (0..3000).for_each(|n| put(&mut dict, &key(n), n));
        let mut most = 0;
        let mut cursor = 0;
        loop {
            let mut visited = 0;
            cursor = dict.scan(cursor, 10, |_| visited += 1);
            most = most.max(visited);
            if cursor == 0 {
                break;
            }
        }
        assert!((10..40).contains(&most), "{most}");
    }

    #[test]
    fn drops_in_slices() {
        let mut dict = table();
        (0..10_000).for_each(|n| put(&mut dict, &key(n), n));
        let mut turns = 1;
        while !dict.drop_some(500) {
            assert_eq!(dict.get(b"no such key").map(|entry| entry.1), None);
            turns += 1;
        }
        assert!((20..=23).contains(&turns), "{turns}");
        assert_eq!((dict.len(), dict.entry_bytes), (0, 0));
        assert!(dict.drop_some(1));
    }
}
