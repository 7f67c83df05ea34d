//! How often each RESP command was called, how often in vain, and how long it took: what INFO commandstats and latencystats
//! and LATENCY HISTOGRAM show.
//!
//! Every call is counted; only those are timed that may take long (the caller decides). This module must not know how a
//! duration was measured, nor what commands do.

use crate::protocol::resp::command::Command;
use crate::protocol::resp::{COMMANDS, Table};

/// See the module's head.
#[derive(Debug)]
pub struct CommandStats {
    /// By the commands' numbers.
    calls: Vec<u64>,
    /// What most commands have nothing of.
    details: Vec<Option<Box<Details>>>,
}

/// What is known of a command besides the number of calls.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Calls that were refused before they were run: too few arguments, not in this state.
    pub rejected: u64,
    /// Calls that ran and answered an error.
    pub failed: u64,
    /// How long those calls took that were timed.
    pub histogram: Histogram,
}

/// Counters at zero for the commands that every server has and their subcommands.
impl Default for CommandStats {
    fn default() -> Self {
        CommandStats {
            calls: vec![0; COMMANDS.len()],
            details: vec![None; COMMANDS.len()],
        }
    }
}

impl CommandStats {
    /// Counters at zero for what was added to this table.
    pub fn command_added(&mut self, table: &Table) {
        self.calls.resize(table.count(), 0);
        self.details.resize(table.count(), None);
    }

    /// Counts a call.
    #[inline]
    pub fn count(&mut self, number: usize) {
        if let Some(calls) = self.calls.get_mut(number) {
            *calls += 1;
        }
    }

    /// Counts a call that was refused before it was run.
    #[cold]
    pub fn count_rejected(&mut self, number: usize) {
        if let Some(details) = self.details_mut(number) {
            details.rejected += 1;
        }
    }

    /// Counts a call that ran and answered an error.
    #[cold]
    pub fn count_failed(&mut self, number: usize) {
        if let Some(details) = self.details_mut(number) {
            details.failed += 1;
        }
    }

    /// Counts how long a call took.
    pub fn count_duration(&mut self, number: usize, duration_us: u64) {
        if let Some(details) = self.details_mut(number) {
            details.histogram.add(duration_us);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.calls.fill(0);
        self.details.fill(None);
    }

    /// The commands of this table that were called, be it in vain: how often, and what else is known.
    pub fn called<'t>(
        &self,
        table: &'t Table,
    ) -> impl Iterator<Item = (&'t Command, u64, Details)> {
        table.commands().filter_map(|command| {
            let calls = self.calls[command.number];
            let details = self.details[command.number].as_deref();
            let is_called = calls > 0 || details.is_some();
            is_called.then(|| (command, calls, details.cloned().unwrap_or_default()))
        })
    }

    fn details_mut(&mut self, number: usize) -> Option<&mut Details> {
        let details = self.details.get_mut(number)?;
        Some(details.get_or_insert_default())
    }
}

/// How many of some durations lay between which bounds: in steps of a microsecond up to 32, then of a sixteenth of the
/// power of two below.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    calls: u64,
    total_us: u64,
    /// As many as the longest duration needs.
    buckets: Vec<u64>,
}

/// Steps from one power of two to the next.
const STEP_BITS: u32 = 4;

impl Histogram {
    fn add(&mut self, duration_us: u64) {
        self.calls += 1;
        self.total_us = self.total_us.saturating_add(duration_us);
        let bucket = Self::bucket_of(duration_us);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
    }

    /// Number of durations.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Their sum, in us.
    pub fn total_us(&self) -> u64 {
        self.total_us
    }

    /// A bound in us that so many percent of the durations did not pass. O(buckets).
    pub fn percentile_us(&self, percent: f64) -> u64 {
        let wanted = (self.calls as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut total = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            total += count;
            if total >= wanted {
                return Self::last_us_of(bucket);
            }
        }
        0
    }

    /// Powers of two in us, and how many durations were at or below them: those that add something.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut rows: Vec<(u64, u64)> = Vec::new();
        let mut total = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            if count == 0 {
                continue;
            }
            total += count;
            let bound = Self::last_us_of(bucket)
                .checked_next_power_of_two()
                .unwrap_or(u64::MAX);
            match rows.last_mut() {
                Some((last, count)) if *last == bound => *count = total,
                _ => rows.push((bound, total)),
            }
        }
        rows
    }

    fn bucket_of(duration_us: u64) -> usize {
        // Bounds are inclusive, so that powers of two end a bucket.
        let below = duration_us.saturating_sub(1);
        let exponent = below.checked_ilog2().unwrap_or(0);
        let shift = exponent.saturating_sub(STEP_BITS);
        let step = below >> shift;
        ((u64::from(shift) << STEP_BITS) + step) as usize
    }

    /// The longest duration that falls into a bucket.
    fn last_us_of(bucket: usize) -> u64 {
        let bucket = bucket as u64;
        let shift = (bucket >> STEP_BITS).saturating_sub(1);
        let step = bucket - (shift << STEP_BITS);
        let end = u128::from(step + 1) << shift;
        u64::try_from(end).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_counted_for_itself() {
        let table = Table::default();
        let mut stats = CommandStats::default();
        for command in &COMMANDS {
            stats.count(command.number);
        }
        assert_eq!(stats.called(&table).count(), COMMANDS.len());
        assert!(stats.called(&table).all(|(_, calls, _)| calls == 1));
        stats.clear();
        assert_eq!(stats.called(&table).count(), 0);
        let get = table.find(b"get").unwrap().number;
        stats.count_rejected(get);
        stats.count_failed(get);
        stats.count_duration(get, 5);
        let (command, calls, details) = stats.called(&table).next().unwrap();
        assert_eq!(
            (command.name, calls, details.rejected, details.failed),
            ("get", 0, 1, 1)
        );
        assert_eq!(
            (details.histogram.calls, details.histogram.total_us),
            (1, 5)
        );
    }

    #[test]
    fn durations_are_counted_below_powers_of_two() {
        let mut histogram = Histogram::default();
        for duration_us in [0, 1, 2, 3, 4, 5, 1000, 1024, 1025, u64::MAX] {
            histogram.add(duration_us);
        }
        assert_eq!(
            histogram.cumulative(),
            [
                (1, 2),
                (2, 3),
                (4, 5),
                (8, 6),
                (1024, 8),
                (2048, 9),
                (u64::MAX, 10)
            ]
        );
    }

    #[test]
    fn buckets_are_exact_at_first_and_then_a_sixteenth_wide() {
        let mut last = 0;
        for bucket in 0..600 {
            let end_us = Histogram::last_us_of(bucket);
            assert_eq!(Histogram::bucket_of(end_us), bucket);
            assert_eq!(Histogram::bucket_of(last + 1), bucket);
            assert!(end_us <= 32 || end_us - last <= last / 16);
            last = end_us;
        }
    }

    #[test]
    fn percentiles_are_bounds_of_as_many() {
        let mut histogram = Histogram::default();
        for duration_us in 1..=1000 {
            histogram.add(duration_us);
        }
        assert_eq!(histogram.percentile_us(0.1), 1);
        assert_eq!(histogram.percentile_us(1.0), 10);
        assert_eq!(histogram.percentile_us(50.0), 512);
        assert_eq!(histogram.percentile_us(100.0), 1024);
        assert_eq!(Histogram::default().percentile_us(50.0), 0);
    }
}
