//! Which keys go when memory is short: the policies of `maxmemory-policy`.
//!
//! Nothing is kept sorted. A few records are drawn by lot, and the best candidates seen so far wait in a small pool; the best
//! of them goes, unless it has been used since it was drawn. This module must not know how much memory there is.

use super::{Key, Keyspace, Position, Record};
use crate::change::Class;

/// Candidates that are remembered.
const POOL: usize = 16;
/// Draws for a key with an expiry before the segments are walked through for one.
const DRAWS: usize = 20;
/// What a new key's counter of uses begins with, so that it has a chance.
const NEW_COUNTER: u32 = 5;
const COUNTER_MAX: u32 = 255;
const CLOCK_MASK: u32 = 0xff_ffff;

/// `maxmemory-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // Each is what Redis calls so.
pub enum Policy {
    #[default]
    NoEviction,
    AllKeysLru,
    AllKeysLfu,
    AllKeysRandom,
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
}

impl Policy {
    /// All, with the names that CONFIG knows.
    pub const NAMES: [(Policy, &'static str); 8] = [
        (Policy::VolatileLru, "volatile-lru"),
        (Policy::VolatileLfu, "volatile-lfu"),
        (Policy::VolatileRandom, "volatile-random"),
        (Policy::VolatileTtl, "volatile-ttl"),
        (Policy::AllKeysLru, "allkeys-lru"),
        (Policy::AllKeysLfu, "allkeys-lfu"),
        (Policy::AllKeysRandom, "allkeys-random"),
        (Policy::NoEviction, "noeviction"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let row = Self::NAMES.iter().find(|(policy, _)| *policy == self);
        row.map_or("noeviction", |(_, name)| name)
    }

    /// The policy called `name`, in any case.
    pub fn by_name(name: &[u8]) -> Option<Self> {
        let is = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        let row = Self::NAMES.iter().find(|(_, known)| is(known))?;
        Some(row.0)
    }

    /// Whether the access clock of records counts uses instead of telling the last one.
    pub fn counts_uses(self) -> bool {
        matches!(self, Policy::AllKeysLfu | Policy::VolatileLfu)
    }

    fn is_volatile(self) -> bool {
        matches!(
            self,
            Policy::VolatileLru
                | Policy::VolatileLfu
                | Policy::VolatileRandom
                | Policy::VolatileTtl
        )
    }

    fn is_random(self) -> bool {
        matches!(self, Policy::AllKeysRandom | Policy::VolatileRandom)
    }
}

/// How keys are chosen, and who is next.
#[derive(Debug)]
pub struct Eviction {
    /// Which keys go.
    pub policy: Policy,
    /// Keys drawn for each that goes.
    pub samples: usize,
    /// The greater, the more uses it takes for a counter to grow.
    pub lfu_log_factor: u32,
    /// Minutes without use in which a counter loses one; 0: it never does.
    pub lfu_decay_minutes: u32,
    /// The best last.
    pool: Vec<Candidate>,
    segment: usize,
}

#[derive(Debug)]
struct Candidate {
    score: u64,
    space: u8,
    key: Box<[u8]>,
}

impl Default for Eviction {
    fn default() -> Self {
        Eviction {
            policy: Policy::NoEviction,
            samples: 5,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            pool: Vec::new(),
            segment: 0,
        }
    }
}

impl Eviction {
    /// Changes the policy. Candidates of the old one mean nothing to the new one.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.pool.clear();
    }
}

impl Keyspace {
    /// Removes one key as the policy says, and tells it; false when there is none that may go. O(samples).
    pub fn evict_one(&mut self) -> bool {
        let policy = self.eviction.policy;
        if policy == Policy::NoEviction || policy.is_volatile() && !self.databases.any_expires() {
            return false;
        }
        if policy.is_random() {
            let Some(at) = self.draw() else { return false };
            let record = self.table.record(at);
            let (space, bytes) = (record.space, record.key.to_vec());
            self.evict(&self.table.key(space, &bytes), at);
            return true;
        }
        for _ in 0..self.eviction.samples.max(1) {
            if let Some(at) = self.draw() {
                self.consider(at);
            }
        }
        while let Some(candidate) = self.eviction.pool.pop() {
            let key = self.table.key(candidate.space, &candidate.key);
            let found = self.table.find(&key);
            let scored = found.and_then(|at| Some((at, self.score(at)?)));
            match scored {
                // It is gone, or may stay.
                None => {}
                // It has been used since it was drawn: others may be better now.
                Some((_, score)) if score < candidate.score && !self.eviction.pool.is_empty() => {
                    self.remember(Candidate { score, ..candidate });
                }
                Some((at, _)) => {
                    self.evict(&key, at);
                    return true;
                }
            }
        }
        false
    }

    fn evict(&mut self, key: &Key<'_>, at: Position) {
        self.remove_at(key, at);
        self.stats.evicted += 1;
        self.changed(key, Class::Evicted, "evicted", &[b"DEL", key.bytes]);
    }

    /// Whether the policy lets a record go.
    fn may_go(&self, record: &Record<'_>) -> bool {
        !self.databases.is_retired(record.space)
            && (record.expires_ms.is_some() || !self.eviction.policy.is_volatile())
    }

    /// A record by lot, of those that may go.
    fn draw(&mut self) -> Option<Position> {
        for _ in 0..DRAWS {
            let rng = &mut self.rng;
            let at = self.table.random(|below| rng.below(below))?;
            if self.may_go(&self.table.record(at)) {
                return Some(at);
            }
        }
        if self.eviction.policy.is_volatile() {
            self.draw_in_turn()
        } else {
            None
        }
    }

    /// A record with an expiry, where these are rare: of the next segment that has one.
    fn draw_in_turn(&mut self) -> Option<Position> {
        for _ in 0..self.table.segments() {
            self.eviction.segment = (self.eviction.segment + 1) % self.table.segments();
            let segment = self.eviction.segment;
            if self.table.next_expiry_ms(segment) == i64::MAX {
                continue;
            }
            let mut found: Option<(u8, Vec<u8>)> = None;
            let mut count = 0;
            let (databases, rng) = (&self.databases, &mut self.rng);
            self.table.visit_segment(segment, |record| {
                if record.expires_ms.is_some() && !databases.is_retired(record.space) {
                    count += 1;
                    if rng.below(count) == 0 {
                        found = Some((record.space, record.key.to_vec()));
                    }
                }
            });
            if let Some((space, key)) = found {
                return self.table.find(&self.table.key(space, &key));
            }
        }
        None
    }

    /// How much better it is that this record goes than another; `None`: it may not.
    fn score(&self, at: Position) -> Option<u64> {
        let record = self.table.record(at);
        if !self.may_go(&record) {
            return None;
        }
        let policy = self.eviction.policy;
        Some(match (policy, record.expires_ms) {
            (Policy::VolatileTtl, Some(ms)) => u64::MAX - ms.max(0) as u64,
            _ if policy.counts_uses() => {
                u64::from(COUNTER_MAX - self.decayed_counter(record.access_clock))
            }
            _ => u64::from(self.access_clock().wrapping_sub(record.access_clock) & CLOCK_MASK),
        })
    }

    fn consider(&mut self, at: Position) {
        let Some(score) = self.score(at) else { return };
        let record = self.table.record(at);
        let pool = &self.eviction.pool;
        let is_known = |known: &Candidate| known.space == record.space && *known.key == *record.key;
        let is_too_good =
            pool.len() >= POOL && pool.first().is_some_and(|worst| score <= worst.score);
        if is_too_good || pool.iter().any(is_known) {
            return;
        }
        let (space, key) = (record.space, record.key.into());
        self.remember(Candidate { score, space, key });
    }

    fn remember(&mut self, candidate: Candidate) {
        let pool = &mut self.eviction.pool;
        let place = pool.partition_point(|known| known.score < candidate.score);
        pool.insert(place, candidate);
        if pool.len() > POOL {
            pool.remove(0);
        }
    }

    /// What a new record's access clock is.
    #[inline]
    pub(super) fn new_clock(&self) -> u32 {
        match self.eviction.policy.counts_uses() {
            false => self.access_clock(),
            true => self.minutes() << 8 | NEW_COUNTER,
        }
    }

    /// Marks that a record has been used.
    #[inline]
    pub(super) fn mark_used(&mut self, at: Position) {
        let clock = match self.eviction.policy.counts_uses() {
            false => self.access_clock(),
            true => self.counted_once_more(at),
        };
        self.table.touch(at, clock);
    }

    /// The clock of a record that has been used once more. The greater its counter, the less likely it grows.
    fn counted_once_more(&mut self, at: Position) -> u32 {
        let mut counter = self.decayed_counter(self.table.record(at).access_clock);
        let chances = u64::from(counter.saturating_sub(NEW_COUNTER))
            * u64::from(self.eviction.lfu_log_factor)
            + 1;
        if counter < COUNTER_MAX && self.rng.below(chances) == 0 {
            counter += 1;
        }
        self.minutes() << 8 | counter
    }

    fn decayed_counter(&self, clock: u32) -> u32 {
        let idle_minutes = self.minutes().wrapping_sub(clock >> 8) & 0xffff;
        let lost = idle_minutes.checked_div(self.eviction.lfu_decay_minutes);
        (clock & 0xff).saturating_sub(lost.unwrap_or(0))
    }

    fn minutes(&self) -> u32 {
        (self.now_ms / 60_000) as u32 & 0xffff
    }

    /// OBJECT FREQ: the counter of uses; `None` when there is no such key. Only meaningful under a policy that counts them.
    pub fn use_counter(&mut self, key: &Key<'_>) -> Option<u32> {
        let at = self.find(key)?;
        Some(self.decayed_counter(self.table.record(at).access_clock))
    }

    /// Bytes of the table's memory that no allocator counts. O(1).
    pub fn mapped_bytes(&self) -> usize {
        self.table.mapped_bytes()
    }

    /// Bytes of the table's memory that hold nothing now and will be used for what comes next.
    pub fn reusable_bytes(&self) -> usize {
        self.table.dead_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Seed;
    use super::*;

    fn keyspace(policy: Policy) -> Keyspace {
        let mut keyspace = Keyspace::new(Seed::fixed(1), 1);
        keyspace.eviction.set_policy(policy);
        keyspace.set_now(1_750_000_000_000);
        keyspace
    }

    fn put(keyspace: &mut Keyspace, name: usize) {
        let name = format!("key:{name}");
        let key = keyspace.key(0, name.as_bytes());
        keyspace.put(&key, b"value");
    }

    fn exists(keyspace: &mut Keyspace, name: usize) -> bool {
        let name = format!("key:{name}");
        let key = keyspace.key(0, name.as_bytes());
        keyspace.exists_quietly(&key)
    }

    #[test]
    fn the_least_recently_used_go() {
        let mut keyspace = keyspace(Policy::AllKeysLru);
        for name in 0..1000 {
            put(&mut keyspace, name);
            keyspace.set_now(keyspace.now_ms() + 1000);
        }
        for _ in 0..500 {
            assert!(keyspace.evict_one());
        }
        let kept = (500..1000)
            .filter(|name| exists(&mut keyspace, *name))
            .count();
        assert!(kept > 430, "{kept} of the younger half are left");
        assert_eq!(keyspace.stats().evicted, 500);
    }

    #[test]
    fn the_least_used_go() {
        let mut keyspace = keyspace(Policy::AllKeysLfu);
        for name in 0..1000 {
            put(&mut keyspace, name);
        }
        for _ in 0..50 {
            for name in 0..500 {
                let name = format!("key:{name}");
                let key = keyspace.key(0, name.as_bytes());
                let _ = keyspace.get(&key);
            }
        }
        for _ in 0..500 {
            assert!(keyspace.evict_one());
        }
        let kept = (0..500).filter(|name| exists(&mut keyspace, *name)).count();
        assert!(kept > 450, "{kept} of those in use are left");
    }

    #[test]
    fn only_keys_with_an_expiry_go_where_the_policy_says_so() {
        for policy in [
            Policy::VolatileLru,
            Policy::VolatileLfu,
            Policy::VolatileRandom,
            Policy::VolatileTtl,
        ] {
            let mut keyspace = keyspace(policy);
            for name in 0..5000 {
                put(&mut keyspace, name);
            }
            assert!(!keyspace.evict_one());
            for name in [7, 1234, 4321] {
                let bytes = format!("key:{name}");
                let key = keyspace.key(0, bytes.as_bytes());
                let at = keyspace.now_ms() + 1_000_000 + name;
                keyspace.expire_at(&key, at, Default::default());
            }
            for _ in 0..3 {
                assert!(keyspace.evict_one(), "{policy:?}");
            }
            assert!(!keyspace.evict_one());
            assert_eq!(keyspace.counts(0).keys, 4997);
        }
    }
}
