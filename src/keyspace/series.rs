//! The time series behind the metrics protocol and the `TS.*` commands: samples in order of their
//! timestamps, with a retention, a duplicate policy and labels. It knows no keys, no protocol and
//! no clock; [`query`](Series::query) reads it back, plain or aggregated into time buckets.
//!
//! ```text
//! chunks (VecDeque)  [s s s s] [s s s s s] [s s]     s = timestamp + value, 16 bytes
//!                     oldest                newest   every chunk holds at least one sample
//! ```
//!
//! Timestamps are any `i64`: the metrics protocol allows negative ones, and it is for the `TS.*`
//! commands to refuse them.

mod aggregate;
mod label;
mod text;

pub use aggregate::{
    Aggregate, Aggregator, BucketTimestamp, Query, Reducer, Rows, SampleFilter, reduce,
};
pub use label::{LabelError, LabelFilter, LabelFilterError, LabelPair};
pub use text::{format_metric_value, push_ts_value};

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// The chunk size a series has unless told, in bytes: 256 samples.
pub const CHUNK_SIZE_BYTES_DEFAULT: u32 = 4096;

/// A chunk never holds more samples than this, however large its configured size: an insert out of
/// order, and a trim by retention, move up to one chunk of memory.
const CHUNK_SAMPLES_MAX: usize = 1024;

/// A chunk has room for at least this many samples, however small its configured size.
const CHUNK_SAMPLES_MIN: usize = 4;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, in milliseconds since the Unix epoch by convention; any `i64`.
    pub timestamp: i64,
    /// What.
    pub value: f64,
}

/// What to do with a value for a timestamp that already has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicatePolicy {
    /// Refuse it.
    Block,
    /// Keep the old value.
    First,
    /// Take the new value.
    Last,
    /// Take the lower one.
    Min,
    /// Take the higher one.
    Max,
    /// Take the sum of both.
    Sum,
}

impl DuplicatePolicy {
    const ALL: [Self; 6] = [
        Self::Block,
        Self::First,
        Self::Last,
        Self::Min,
        Self::Max,
        Self::Sum,
    ];

    /// The policy of this name in any case, or `None` if there is no such policy.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The name in lower case, as `TS.INFO` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::First => "first",
            Self::Last => "last",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
        }
    }
}

/// What [`Series::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddOutcome {
    /// The timestamp is new.
    Inserted,
    /// The timestamp was there; its value was set, perhaps to what it was before.
    Updated,
    /// The timestamp was there, and [`DuplicatePolicy::First`] kept its value.
    Kept,
}

/// Why [`Series::add`] refused a sample. The series is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// The sample is further behind the newest one than the retention.
    OlderThanRetention,
    /// The timestamp is there, and the policy is [`DuplicatePolicy::Block`], or one that cannot
    /// combine the values because one is NaN (Min, Max, Sum).
    Duplicate,
}

/// A time series: samples with strictly rising timestamps, and their settings.
#[derive(Debug)]
pub struct Series {
    /// In order of time; no chunk is empty.
    chunks: VecDeque<Chunk>,
    len: usize,
    /// What the chunks have room for, together.
    capacity_samples: usize,
    retention_ms: u64,
    labels: Box<[LabelPair]>,
    labels_bytes: usize,
    chunk_size_bytes: u32,
    duplicate_policy: Option<DuplicatePolicy>,
}

type Chunk = Vec<Sample>;

/// Where a sample is, or one past the last: `index` is below the chunk's length, or `chunk` is the
/// number of chunks and `index` 0. So two equal places compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    chunk: usize,
    index: usize,
}

impl Default for Series {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Series {
    /// A copy whose chunks have no spare room.
    fn clone(&self) -> Self {
        let chunks = self.chunks.clone();
        Self {
            capacity_samples: chunks.iter().map(Vec::capacity).sum(),
            chunks,
            len: self.len,
            retention_ms: self.retention_ms,
            labels: self.labels.clone(),
            labels_bytes: self.labels_bytes,
            chunk_size_bytes: self.chunk_size_bytes,
            duplicate_policy: self.duplicate_policy,
        }
    }
}

impl Series {
    /// An empty series: no retention, no policy of its own, no labels. Allocates nothing.
    pub fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            len: 0,
            capacity_samples: 0,
            retention_ms: 0,
            labels: Box::new([]),
            labels_bytes: 0,
            chunk_size_bytes: CHUNK_SIZE_BYTES_DEFAULT,
            duplicate_policy: None,
        }
    }

    /// Adds a sample. For a timestamp that is there, `policy_override` decides, else the series'
    /// own policy, else [`DuplicatePolicy::Block`]. A sample newer than all others drops those
    /// that are further behind it than the retention.
    ///
    /// O(1) amortised at the end, else O(log n + chunk).
    pub fn add(
        &mut self,
        timestamp: i64,
        value: f64,
        policy_override: Option<DuplicatePolicy>,
    ) -> Result<AddOutcome, AddError> {
        let sample = Sample { timestamp, value };
        let Some(last) = self.last() else {
            self.append(sample);
            return Ok(AddOutcome::Inserted);
        };
        if timestamp > last.timestamp {
            self.append(sample);
            self.trim();
            return Ok(AddOutcome::Inserted);
        }
        if self.retention_ms > 0 && last.timestamp.abs_diff(timestamp) > self.retention_ms {
            return Err(AddError::OlderThanRetention);
        }
        let policy = policy_override.or(self.duplicate_policy);
        let position = self.lower_bound(timestamp);
        if let Some(old) = self.sample_mut(position)
            && old.timestamp == timestamp
        {
            return combine(policy.unwrap_or(DuplicatePolicy::Block), old, value);
        }
        self.insert(position, sample);
        Ok(AddOutcome::Inserted)
    }

    /// Removes the samples in `from..=to` and says how many there were. O(log n + chunks).
    pub fn delete_range(&mut self, from: i64, to: i64) -> u64 {
        let start = self.lower_bound(from);
        let end = self.upper_bound(to);
        if start >= end {
            return 0;
        }
        // Both places are of samples, or the end: a chunk that is drained below keeps one.
        let len_before = self.len;
        if start.chunk == end.chunk {
            self.drain_chunk(start.chunk, start.index..end.index);
        } else {
            if end.index > 0 {
                self.drain_chunk(end.chunk, 0..end.index);
            }
            // The first chunk goes with the ones between, unless it keeps its head.
            let whole = if start.index == 0 {
                start.chunk
            } else {
                self.drain_chunk(start.chunk, start.index..self.chunks[start.chunk].len());
                start.chunk + 1
            };
            for chunk in self.chunks.drain(whole..end.chunk) {
                self.len -= chunk.len();
                self.capacity_samples -= chunk.capacity();
            }
        }
        self.tidy(start.chunk);
        (len_before - self.len) as u64
    }

    /// The sample at exactly this timestamp. O(log n).
    pub fn get(&self, timestamp: i64) -> Option<Sample> {
        let position = self.lower_bound(timestamp);
        let sample = *self.chunks.get(position.chunk)?.get(position.index)?;
        (sample.timestamp == timestamp).then_some(sample)
    }

    /// The oldest sample. O(1).
    pub fn first(&self) -> Option<Sample> {
        self.chunks.front()?.first().copied()
    }

    /// The newest sample. O(1).
    pub fn last(&self) -> Option<Sample> {
        self.chunks.back()?.last().copied()
    }

    /// The number of samples. O(1).
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The samples in the range, oldest first; `rev()` for newest first. O(log n), then O(1) each.
    pub fn range(&self, range: RangeInclusive<i64>) -> Range<'_> {
        let front = self.lower_bound(*range.start());
        let back = self.upper_bound(*range.end());
        Range {
            chunks: &self.chunks,
            front,
            // A range that ends before it starts is empty.
            back: back.max(front),
        }
    }

    /// Answers a query: samples, or time buckets of them, in the order it asks for. Rows are made
    /// as they are taken, so a caller may stop at any limit.
    pub fn query<'a>(&'a self, query: &'a Query) -> Rows<'a> {
        Rows::new(self, query)
    }

    /// How long a sample is kept after the newest one, in milliseconds; 0 = for ever.
    pub fn retention_ms(&self) -> u64 {
        self.retention_ms
    }

    /// Sets the retention, and drops what it no longer covers.
    pub fn set_retention_ms(&mut self, retention_ms: u64) {
        self.retention_ms = retention_ms;
        self.trim();
    }

    /// What happens to a value for a timestamp that is there, if the series has a say in it.
    pub fn duplicate_policy(&self) -> Option<DuplicatePolicy> {
        self.duplicate_policy
    }

    /// Sets the duplicate policy; `None` for the one of whoever adds.
    pub fn set_duplicate_policy(&mut self, policy: Option<DuplicatePolicy>) {
        self.duplicate_policy = policy;
    }

    /// The configured size of a chunk in bytes.
    pub fn chunk_size_bytes(&self) -> u32 {
        self.chunk_size_bytes
    }

    /// Sets the size of the chunks from now on. A chunk holds at least 4 and at most 1024 samples
    /// (16 bytes each), whatever this says.
    pub fn set_chunk_size_bytes(&mut self, chunk_size_bytes: u32) {
        self.chunk_size_bytes = chunk_size_bytes;
    }

    /// The number of chunks.
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// The labels, in the order they were given.
    pub fn labels(&self) -> &[LabelPair] {
        &self.labels
    }

    /// The value of the first label of this name.
    pub fn label(&self, name: &[u8]) -> Option<&[u8]> {
        self.labels
            .iter()
            .find(|label| label.name() == name)
            .map(LabelPair::value)
    }

    /// Replaces all labels.
    pub fn set_labels(&mut self, labels: Vec<LabelPair>) {
        self.labels = labels.into_boxed_slice();
        self.labels_bytes = size_of_val(&*self.labels)
            + self.labels.iter().map(LabelPair::heap_bytes).sum::<usize>();
    }

    /// The memory this series owns outside of itself, in bytes, spare room included. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
            + self.capacity_samples * size_of::<Sample>()
            + self.labels_bytes
    }

    fn chunk_samples(&self) -> usize {
        let samples = self.chunk_size_bytes as usize / size_of::<Sample>();
        samples.clamp(CHUNK_SAMPLES_MIN, CHUNK_SAMPLES_MAX)
    }

    /// Drops what is further behind the newest sample than the retention.
    fn trim(&mut self) {
        if self.retention_ms == 0 {
            return;
        }
        let (Some(first), Some(last)) = (self.first(), self.last()) else {
            return;
        };
        if let Some(oldest) = last.timestamp.checked_sub_unsigned(self.retention_ms)
            && first.timestamp < oldest
        {
            self.delete_range(i64::MIN, oldest - 1);
        }
    }

    fn append(&mut self, sample: Sample) {
        let full = self.chunk_samples();
        if self.chunks.back().is_none_or(|chunk| chunk.len() >= full) {
            self.insert_chunk(self.chunks.len(), Vec::new());
        }
        let chunk = self.chunks.len() - 1;
        self.insert_into(chunk, self.chunks[chunk].len(), sample);
    }

    /// Inserts before `position`, which is not the end of the series.
    fn insert(&mut self, position: Position, sample: Sample) {
        let Position { chunk, index } = position;
        let full = self.chunk_samples();
        if self.chunks[chunk].len() < full {
            return self.insert_into(chunk, index, sample);
        }
        if index == 0 {
            // Between two chunks, or before the first: no chunk has to be split.
            if chunk == 0 || self.chunks[chunk - 1].len() >= full {
                self.insert_chunk(chunk, Vec::new());
                return self.insert_into(chunk, 0, sample);
            }
            let end = self.chunks[chunk - 1].len();
            return self.insert_into(chunk - 1, end, sample);
        }
        let half = self.chunks[chunk].len() / 2;
        let upper = self.chunks[chunk].split_off(half);
        self.insert_chunk(chunk + 1, upper);
        if index <= half {
            self.insert_into(chunk, index, sample);
        } else {
            self.insert_into(chunk + 1, index - half, sample);
        }
    }

    fn insert_into(&mut self, chunk: usize, index: usize, sample: Sample) {
        let full = self.chunk_samples();
        let chunk = &mut self.chunks[chunk];
        if chunk.len() == chunk.capacity() {
            // Doubled from one, not from Vec's four: most series hold little, and a chunk never
            // needs more than its size.
            let more = chunk
                .len()
                .clamp(1, full.saturating_sub(chunk.len()).max(1));
            let before = chunk.capacity();
            chunk.reserve_exact(more);
            self.capacity_samples += chunk.capacity() - before;
        }
        chunk.insert(index, sample);
        self.len += 1;
    }

    /// Puts a chunk into the list; the samples in it are counted already.
    fn insert_chunk(&mut self, at: usize, chunk: Chunk) {
        if self.chunks.capacity() == 0 {
            self.chunks.reserve_exact(1);
        }
        self.capacity_samples += chunk.capacity();
        self.chunks.insert(at, chunk);
    }

    fn drain_chunk(&mut self, chunk: usize, range: std::ops::Range<usize>) {
        let chunk = &mut self.chunks[chunk];
        self.len -= range.len();
        chunk.drain(range);
        if chunk.len() < chunk.capacity() / 2 {
            let before = chunk.capacity();
            chunk.shrink_to_fit();
            self.capacity_samples -= before - chunk.capacity();
        }
    }

    /// Repairs the list around `chunk` after a removal: no row of nearly empty chunks, no memory
    /// for many chunks where there are few.
    fn tidy(&mut self, chunk: usize) {
        for left in [chunk, chunk.saturating_sub(1)] {
            self.merge(left);
        }
        if self.chunks.len() < self.chunks.capacity() / 4 {
            self.chunks.shrink_to(self.chunks.len() * 2);
        }
    }

    /// Joins a chunk with the one after it if both fit into half a chunk.
    fn merge(&mut self, left: usize) {
        let fits = self.chunk_samples() / 2;
        let (Some(a), Some(b)) = (self.chunks.get(left), self.chunks.get(left + 1)) else {
            return;
        };
        if a.len() + b.len() > fits {
            return;
        }
        if let Some(right) = self.chunks.remove(left + 1) {
            let left = &mut self.chunks[left];
            let before = left.capacity() + right.capacity();
            left.extend_from_slice(&right);
            self.capacity_samples = self.capacity_samples - before + left.capacity();
        }
    }

    fn sample_mut(&mut self, position: Position) -> Option<&mut Sample> {
        self.chunks.get_mut(position.chunk)?.get_mut(position.index)
    }

    /// Where the first sample at or after `timestamp` is.
    fn lower_bound(&self, timestamp: i64) -> Position {
        self.position(|sample| sample.timestamp < timestamp)
    }

    /// Where the first sample after `timestamp` is.
    fn upper_bound(&self, timestamp: i64) -> Position {
        self.position(|sample| sample.timestamp <= timestamp)
    }

    /// Where the first sample is that is not `before`.
    fn position(&self, before: impl Fn(&Sample) -> bool) -> Position {
        let chunk = self
            .chunks
            .partition_point(|chunk| chunk.last().is_some_and(&before));
        let index = self
            .chunks
            .get(chunk)
            .map_or(0, |samples| samples.partition_point(&before));
        Position { chunk, index }
    }
}

/// Lets `policy` decide between the sample that is there and a new value for its timestamp.
fn combine(policy: DuplicatePolicy, old: &mut Sample, new: f64) -> Result<AddOutcome, AddError> {
    let unordered = old.value.is_nan() || new.is_nan();
    old.value = match policy {
        DuplicatePolicy::Block => return Err(AddError::Duplicate),
        DuplicatePolicy::First => return Ok(AddOutcome::Kept),
        DuplicatePolicy::Last => new,
        _ if unordered => return Err(AddError::Duplicate),
        DuplicatePolicy::Min => {
            if old.value < new {
                old.value
            } else {
                new
            }
        }
        DuplicatePolicy::Max => {
            if old.value > new {
                old.value
            } else {
                new
            }
        }
        DuplicatePolicy::Sum => new + old.value,
    };
    Ok(AddOutcome::Updated)
}

/// The samples of a range; see [`Series::range`].
#[derive(Clone, Debug)]
pub struct Range<'a> {
    chunks: &'a VecDeque<Chunk>,
    front: Position,
    /// One past the last sample.
    back: Position,
}

impl Iterator for Range<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.front == self.back {
            return None;
        }
        let chunk = self.chunks.get(self.front.chunk)?;
        let sample = *chunk.get(self.front.index)?;
        self.front.index += 1;
        if self.front.index == chunk.len() {
            self.front = Position {
                chunk: self.front.chunk + 1,
                index: 0,
            };
        }
        Some(sample)
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Sample> {
        if self.front == self.back {
            return None;
        }
        if self.back.index == 0 {
            self.back.chunk -= 1;
            self.back.index = self.chunks[self.back.chunk].len();
        }
        self.back.index -= 1;
        self.chunks[self.back.chunk].get(self.back.index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// xorshift64*: numbers that are the same in every run.
    pub(super) struct Random(u64);

    impl Random {
        pub(super) fn new(seed: u64) -> Self {
            Self(seed)
        }

        pub(super) fn next(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }

        pub(super) fn below(&mut self, limit: u64) -> u64 {
            ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
        }
    }

    fn pairs(samples: impl Iterator<Item = Sample>) -> Vec<(i64, f64)> {
        samples.map(|s| (s.timestamp, s.value)).collect()
    }

    fn all(series: &Series) -> Vec<(i64, f64)> {
        pairs(series.range(i64::MIN..=i64::MAX))
    }

    fn check(series: &Series) {
        let samples = all(series);
        assert_eq!(series.len(), samples.len());
        assert!(samples.is_sorted_by(|a, b| a.0 < b.0));
        assert!(series.chunks.iter().all(|chunk| !chunk.is_empty()));
        let capacity: usize = series.chunks.iter().map(Vec::capacity).sum();
        assert_eq!(series.capacity_samples, capacity);
        let mut reversed = pairs(series.range(i64::MIN..=i64::MAX).rev());
        reversed.reverse();
        assert_eq!(reversed, samples);
    }

    fn filled(timestamps: impl Iterator<Item = i64>) -> Series {
        let mut series = Series::new();
        for timestamp in timestamps {
            let added = series.add(timestamp, timestamp as f64, None);
            assert_eq!(added, Ok(AddOutcome::Inserted));
        }
        series
    }

    #[test]
    fn a_small_series_is_small() {
        let series = Series::new();
        assert_eq!(series.heap_bytes(), 0);
        assert!(size_of::<Series>() <= 96);
        let mut series = filled(0..1);
        assert_eq!(series.heap_bytes(), size_of::<Chunk>() + 16);
        series.set_labels(vec![LabelPair::new(b"site", b"a").unwrap()]);
        let labelled = size_of::<Chunk>() + 16 + size_of::<LabelPair>() + 5;
        assert_eq!(series.heap_bytes(), labelled);
        assert_eq!(series.label(b"site"), Some(&b"a"[..]));
        assert_eq!(series.label(b"kind"), None);
        series.set_labels(Vec::new());
        series.delete_range(0, 0);
        assert!(series.is_empty() && series.chunk_count() == 0);
        check(&series);
    }

    #[test]
    fn chunks_are_filled_in_either_order() {
        let up = filled(0..2560);
        assert_eq!(up.chunk_count(), 10);
        assert!(up.heap_bytes() <= 2560 * 16 + 16 * size_of::<Chunk>());
        let down = filled((0..2560).rev());
        assert_eq!(down.chunk_count(), 10);
        assert_eq!(all(&up), all(&down));
        check(&up);
        check(&down);
        // Every other one, then the rest: chunks are split.
        let mixed = filled((0..2560).step_by(2).chain((1..2560).step_by(2)));
        assert_eq!(all(&mixed), all(&up));
        assert!((10..=20).contains(&mixed.chunk_count()));
        check(&mixed);
    }

    #[test]
    fn the_chunk_size_has_bounds() {
        for (bytes, samples) in [(0, 4), (48, 4), (4096, 256), (16384, 1024), (1 << 20, 1024)] {
            let mut series = Series::new();
            series.set_chunk_size_bytes(bytes);
            for timestamp in 0..4096 {
                series.add(timestamp, 0.0, None).unwrap();
            }
            assert_eq!(series.chunk_count(), 4096 / samples);
            check(&series);
        }
    }

    #[test]
    fn ranges_at_chunk_borders() {
        let series = filled((0..1024).map(|i| i * 2));
        for from in [
            -5, 0, 1, 508, 509, 510, 511, 512, 513, 514, 1022, 1024, 2046, 2047, 2050,
        ] {
            for to in [
                -5, 0, 1, 509, 510, 511, 512, 513, 1023, 1024, 2046, 2047, 2050,
            ] {
                let expected: Vec<_> = (0..1024)
                    .map(|i| i * 2)
                    .filter(|t| (from..=to).contains(t))
                    .map(|t| (t, t as f64))
                    .collect();
                assert_eq!(pairs(series.range(from..=to)), expected);
                let both: Vec<_> = {
                    let mut range = series.range(from..=to);
                    let mut front = Vec::new();
                    let mut back = Vec::new();
                    while let Some(sample) = range.next() {
                        front.push(sample);
                        back.extend(range.next_back());
                    }
                    front.into_iter().chain(back.into_iter().rev()).collect()
                };
                assert_eq!(pairs(both.into_iter()), expected);
            }
        }
        assert_eq!(series.get(512).map(|s| s.value), Some(512.0));
        assert_eq!(series.get(513), None);
    }

    #[test]
    fn deletes_at_chunk_borders() {
        for from in [-1, 0, 1, 254, 255, 256, 257, 511, 512, 767, 1023, 1024] {
            for to in [-1, 0, 1, 254, 255, 256, 257, 511, 512, 767, 1023, 1024] {
                let mut series = filled(0..1024);
                let deleted = series.delete_range(from, to);
                let expected: Vec<_> = (0..1024)
                    .filter(|t| !(from..=to).contains(t))
                    .map(|t| (t, t as f64))
                    .collect();
                assert_eq!(deleted as usize, 1024 - expected.len());
                assert_eq!(all(&series), expected);
                check(&series);
            }
        }
    }

    #[test]
    fn deleting_one_by_one_gives_memory_back() {
        let mut series = filled(0..10_000);
        for timestamp in 0..10_000 {
            if timestamp % 100 != 0 {
                assert_eq!(series.delete_range(timestamp, timestamp), 1);
            }
        }
        check(&series);
        assert_eq!((series.len(), series.chunk_count()), (100, 1));
        assert!(series.heap_bytes() < 10_000, "{}", series.heap_bytes());
    }

    #[test]
    fn duplicates() {
        use DuplicatePolicy::*;
        let nan = f64::NAN;
        // Policy, old value, new value, outcome, value then.
        let updated = Ok(AddOutcome::Updated);
        let refused = Err(AddError::Duplicate);
        for (policy, old, new, outcome, value) in [
            (Block, 1.0, 2.0, refused, 1.0),
            (First, 1.0, 2.0, Ok(AddOutcome::Kept), 1.0),
            (Last, 1.0, 2.0, updated, 2.0),
            (Last, 1.0, nan, updated, nan),
            (Min, 1.0, 2.0, updated, 1.0),
            (Min, 2.0, 1.0, updated, 1.0),
            (Max, 1.0, 2.0, updated, 2.0),
            (Max, 2.0, -1.0, updated, 2.0),
            (Sum, 1.0, 2.0, updated, 3.0),
            (Sum, f64::MAX, f64::MAX, updated, f64::INFINITY),
            (Min, nan, 1.0, refused, nan),
            (Max, 1.0, nan, refused, 1.0),
            (Sum, 1.0, nan, refused, 1.0),
        ] {
            assert_eq!(
                DuplicatePolicy::parse(policy.name().as_bytes()),
                Some(policy)
            );
            let mut series = filled(0..3);
            series.add(1, old, Some(Last)).unwrap();
            // By override, and by the series' own policy.
            let mut own = series.clone();
            own.set_duplicate_policy(Some(policy));
            assert_eq!(series.add(1, new, Some(policy)), outcome);
            assert_eq!(own.add(1, new, None), outcome);
            for series in [series, own] {
                let found = series.get(1).unwrap().value;
                assert!(
                    found == value || found.is_nan() && value.is_nan(),
                    "{policy:?}"
                );
                assert_eq!(series.len(), 3);
            }
        }
        let mut series = filled(0..1);
        assert_eq!(series.add(0, 5.0, None), refused);
        series.set_duplicate_policy(Some(First));
        assert_eq!(series.add(0, 5.0, Some(Last)), updated);
        assert_eq!(DuplicatePolicy::parse(b"LAST"), Some(Last));
        assert_eq!(DuplicatePolicy::parse(b"newest"), None);
    }

    #[test]
    fn retention() {
        let mut series = Series::new();
        series.set_retention_ms(100);
        for timestamp in [0, 50, 100] {
            series.add(timestamp, 1.0, None).unwrap();
        }
        // The sample exactly as old as the retention stays.
        assert_eq!(series.len(), 3);
        series.add(101, 1.0, None).unwrap();
        assert_eq!(series.first().map(|s| s.timestamp), Some(50));
        let old = Err(AddError::OlderThanRetention);
        assert_eq!(series.add(0, 1.0, Some(DuplicatePolicy::Last)), old);
        assert_eq!(series.add(1, 1.0, None), Ok(AddOutcome::Inserted));
        assert_eq!(series.len(), 4);
        series.set_retention_ms(51);
        assert_eq!(all(&series), [(50, 1.0), (100, 1.0), (101, 1.0)]);
        series.add(10_000, 1.0, None).unwrap();
        assert_eq!(all(&series), [(10_000, 1.0)]);
        check(&series);
    }

    #[test]
    fn the_ends_of_time() {
        let mut series = filled([i64::MIN, -1, 0, i64::MAX].into_iter());
        assert_eq!(series.first().map(|s| s.timestamp), Some(i64::MIN));
        assert_eq!(series.last().map(|s| s.timestamp), Some(i64::MAX));
        assert_eq!(series.range(i64::MIN..=i64::MIN).count(), 1);
        assert_eq!(series.range(i64::MAX..=i64::MAX).count(), 1);
        let backwards = RangeInclusive::new(i64::MAX, i64::MIN);
        assert_eq!(series.range(backwards).count(), 0);
        series.set_retention_ms(u64::MAX);
        assert_eq!(series.len(), 4);
        series.set_retention_ms(u64::MAX - 1);
        assert_eq!(series.len(), 3);
        assert_eq!(
            series.add(i64::MIN, 0.0, None),
            Err(AddError::OlderThanRetention)
        );
        assert_eq!(series.delete_range(i64::MIN, i64::MAX), 3);
        // Below the oldest timestamp there is nothing to drop.
        series.add(i64::MIN, 0.0, None).unwrap();
        series.add(i64::MIN + 5, 0.0, None).unwrap();
        series.set_retention_ms(7);
        assert_eq!(series.len(), 2);
        check(&series);
    }

    #[test]
    fn random_operations_agree_with_a_model() {
        for seed in 1..=30 {
            let mut random = Random::new(seed);
            let mut series = Series::new();
            let mut model: BTreeMap<i64, f64> = BTreeMap::new();
            series.set_chunk_size_bytes([64, 256, 4096][random.below(3) as usize]);
            let retention = [0, 0, 700][random.below(3) as usize];
            series.set_retention_ms(retention);
            let spread = [300, 3_000][random.below(2) as usize];
            for step in 0..4_000i64 {
                match random.below(20) {
                    0 => {
                        let from = random.below(spread) as i64 + step / 4 - 100;
                        let to = from + random.below(spread / 8) as i64 - 2;
                        let before = model.len();
                        model.retain(|t, _| !(from..=to).contains(t));
                        let deleted = series.delete_range(from, to);
                        assert_eq!(deleted as usize, before - model.len());
                    }
                    1..=3 => {
                        let at = random.below(spread) as i64 + step / 4;
                        let found = series.get(at).map(|s| s.value);
                        assert_eq!(found, model.get(&at).copied());
                    }
                    _ => {
                        let at = random.below(spread) as i64 + step / 4 - 100;
                        let value = random.below(1000) as f64;
                        let last = model.last_key_value().map(|(&t, _)| t);
                        let retention = retention as i64;
                        let too_old = retention > 0 && last.is_some_and(|l| l - at > retention);
                        let expected = if too_old {
                            Err(AddError::OlderThanRetention)
                        } else if model.insert(at, value).is_some() {
                            Ok(AddOutcome::Updated)
                        } else {
                            Ok(AddOutcome::Inserted)
                        };
                        let added = series.add(at, value, Some(DuplicatePolicy::Last));
                        assert_eq!(added, expected);
                        if retention > 0
                            && let Some((&last, _)) = model.last_key_value()
                        {
                            model = model.split_off(&(last - retention));
                        }
                    }
                }
                if step % 101 == 0 {
                    check(&series);
                    let expected: Vec<_> = model.iter().map(|(&t, &v)| (t, v)).collect();
                    assert_eq!(all(&series), expected);
                    let first = series.first().map(|s| s.timestamp);
                    assert_eq!(first, model.first_key_value().map(|(&t, _)| t));
                    let last = series.last().map(|s| s.timestamp);
                    assert_eq!(last, model.last_key_value().map(|(&t, _)| t));
                    check(&series.clone());
                }
            }
        }
    }
}
