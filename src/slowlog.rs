//! What took long: the slow log and latency events.
//!
//! This module must not know how a duration was measured, nor what commands do.

use std::collections::{BTreeMap, VecDeque};

/// The requests that took longest to run, the newest first.
#[derive(Debug)]
pub struct SlowLog {
    /// Requests that take at least as long are kept, in us; negative: none.
    pub threshold_us: i64,
    /// How many are kept.
    pub entries_max: usize,
    entries: VecDeque<SlowEntry>,
    next_id: u64,
}

/// A request that took long.
#[derive(Clone, Debug)]
pub struct SlowEntry {
    /// Its number; they go up.
    pub id: u64,
    /// When it was run, Unix time in s.
    pub unix_s: i64,
    /// How long it took, in us.
    pub duration_us: u64,
    /// Its arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// Whose it was.
    pub address: String,
    /// And that client's name.
    pub name: Vec<u8>,
}

impl Default for SlowLog {
    fn default() -> Self {
        SlowLog {
            threshold_us: 10_000,
            entries_max: 128,
            entries: VecDeque::new(),
            next_id: 0,
        }
    }
}

impl SlowLog {
    /// Whether a request of this duration is kept.
    pub fn wants(&self, duration_us: u64) -> bool {
        u64::try_from(self.threshold_us).is_ok_and(|threshold_us| duration_us >= threshold_us)
    }

    /// Keeps a request, in place of the oldest if there are too many.
    pub fn add(&mut self, mut entry: SlowEntry) {
        entry.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(entry);
        self.entries.truncate(self.entries_max);
    }

    /// The entries, the newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &SlowEntry> {
        self.entries.iter()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

/// Latency events, as LATENCY shows them.
#[derive(Debug, Default)]
pub struct Latency {
    /// Events at least as long are kept, in ms; 0: none.
    pub threshold_ms: u64,
    events: BTreeMap<&'static str, Event>,
}

/// The latest occurrences of an event, one a second, the oldest first.
#[derive(Debug, Default)]
pub struct Event {
    /// When (Unix time in s), and how long in ms.
    pub samples: VecDeque<(i64, u64)>,
    /// The longest there ever was, in ms.
    pub longest_ms: u64,
}

impl Latency {
    /// Remembers an event, if it was long enough.
    pub fn add(&mut self, event: &'static str, unix_s: i64, duration_us: u64) {
        const SAMPLES_MAX: usize = 160;
        let duration_ms = duration_us / 1000;
        if self.threshold_ms == 0 || duration_ms < self.threshold_ms {
            return;
        }
        let event = self.events.entry(event).or_default();
        event.longest_ms = event.longest_ms.max(duration_ms);
        match event.samples.back_mut() {
            Some((at, longest)) if *at == unix_s => *longest = (*longest).max(duration_ms),
            _ => event.samples.push_back((unix_s, duration_ms)),
        }
        if event.samples.len() > SAMPLES_MAX {
            event.samples.pop_front();
        }
    }

    /// The events, by name.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (&'static str, &Event)> {
        self.events.iter().map(|(name, event)| (*name, event))
    }

    /// One event.
    pub fn event(&self, name: &[u8]) -> Option<&Event> {
        self.events
            .iter()
            .find(|(known, _)| known.as_bytes() == name)
            .map(|(_, event)| event)
    }

    /// Forgets an event; whether it was known.
    pub fn forget(&mut self, name: &[u8]) -> bool {
        let before = self.events.len();
        self.events.retain(|known, _| known.as_bytes() != name);
        self.events.len() < before
    }

    /// Forgets all events; how many there were.
    pub fn clear(&mut self) -> usize {
        std::mem::take(&mut self.events).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slow_log_keeps_the_newest() {
        let mut log = SlowLog {
            entries_max: 2,
            ..SlowLog::default()
        };
        assert!(log.wants(10_000) && !log.wants(9_999));
        for _ in 0..3 {
            log.add(SlowEntry {
                id: 0,
                unix_s: 0,
                duration_us: 1,
                args: Vec::new(),
                address: String::new(),
                name: Vec::new(),
            });
        }
        assert_eq!(
            log.entries().map(|entry| entry.id).collect::<Vec<_>>(),
            [2, 1]
        );
        log.threshold_us = -1;
        assert!(!log.wants(u64::MAX));
    }

    #[test]
    fn events_keep_the_longest_of_each_second() {
        let mut latency = Latency {
            threshold_ms: 5,
            ..Latency::default()
        };
        for (at, duration_us) in [(1, 4_999), (1, 6_000), (1, 9_000), (1, 7_000), (2, 5_000)] {
            latency.add("command", at, duration_us);
        }
        let event = latency.event(b"command").unwrap();
        assert_eq!(
            (event.longest_ms, &event.samples),
            (9, &VecDeque::from([(1, 9), (2, 5)]))
        );
        assert!(latency.forget(b"command") && !latency.forget(b"command"));
    }
}
