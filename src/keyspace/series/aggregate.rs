//! Reading a series back: filters, time buckets and what is computed over each, and the reducers
//! that join several series. The rules are RedisTimeSeries's; this module knows no argument names.
//!
//! ```text
//! align 0, bucket 10:   [0 ........ 10)[10 ....... 20)[20 ....... 30)
//! samples                 3    7                         21
//! buckets               ^ 0             empty          ^ 20
//! ```
//!
//! A bucket is computed from its own samples in order of time, wherever the reading comes from, so
//! a reverse query is the forward one read backwards.

use super::{Range, Sample, Series};
use std::num::NonZeroU64;

/// What is computed over the samples of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregator {
    /// Arithmetic mean.
    Avg,
    /// Sum.
    Sum,
    /// Lowest value.
    Min,
    /// Highest value.
    Max,
    /// Highest value minus lowest.
    Range,
    /// Number of samples.
    Count,
    /// Value of the oldest sample.
    First,
    /// Value of the newest sample.
    Last,
    /// Population standard deviation.
    StdP,
    /// Sample standard deviation.
    StdS,
    /// Population variance.
    VarP,
    /// Sample variance.
    VarS,
    /// Time-weighted average: the mean height of the line through the samples, which reaches from
    /// the last sample before the bucket to the first one after it.
    Twa,
}

impl Aggregator {
    const ALL: [Self; 13] = [
        Self::Avg,
        Self::Sum,
        Self::Min,
        Self::Max,
        Self::Range,
        Self::Count,
        Self::First,
        Self::Last,
        Self::StdP,
        Self::StdS,
        Self::VarP,
        Self::VarS,
        Self::Twa,
    ];

    /// The aggregator of this name in any case, or `None` if there is no such aggregator.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|aggregator| aggregator.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Range => "range",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
            Self::StdP => "std.p",
            Self::StdS => "std.s",
            Self::VarP => "var.p",
            Self::VarS => "var.s",
            Self::Twa => "twa",
        }
    }
}

/// An aggregator that needs no order among its values: all but first, last and twa.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reducer(Aggregator);

impl Reducer {
    /// The reducer of this name in any case, or `None` if there is no such reducer.
    pub fn parse(name: &[u8]) -> Option<Self> {
        match Aggregator::parse(name)? {
            Aggregator::First | Aggregator::Last | Aggregator::Twa => None,
            aggregator => Some(Self(aggregator)),
        }
    }

    /// The name in lower case.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

/// Which timestamp a bucket is reported with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BucketTimestamp {
    /// The first one in it.
    #[default]
    Start,
    /// The start plus half the bucket's length, rounded down.
    Mid,
    /// The first one after it.
    End,
}

/// How samples become buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// What to compute.
    pub aggregator: Aggregator,
    /// The length of a bucket.
    pub bucket_ms: NonZeroU64,
    /// A timestamp at which a bucket starts: 0 unless told, the query's `from` for `ALIGN start`,
    /// its `to` for `ALIGN end`.
    pub align: i64,
    /// The timestamp to report.
    pub bucket_timestamp: BucketTimestamp,
    /// Whether to report the buckets without a sample between the first and the last that have
    /// one: sum and count as 0, last as the value before the gap, twa on the line across the gap,
    /// the others as NaN. For twa, also those at the edges of the range, if the series goes on
    /// there. There can be any number of such buckets: whoever collects rows needs a limit.
    pub empty: bool,
}

/// Which samples count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleFilter {
    /// Rising.
    timestamps: Option<Box<[i64]>>,
    values: Option<(f64, f64)>,
}

impl SampleFilter {
    /// Lets only samples at one of these timestamps pass.
    pub fn by_timestamps(mut self, mut timestamps: Vec<i64>) -> Self {
        timestamps.sort_unstable();
        timestamps.dedup();
        self.timestamps = Some(timestamps.into_boxed_slice());
        self
    }

    /// Lets only samples with a value of at least `min` and at most `max` pass.
    pub fn by_value(mut self, min: f64, max: f64) -> Self {
        self.values = Some((min, max));
        self
    }
}

/// What to read of a series, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The first timestamp of the range.
    pub from: i64,
    /// The last timestamp of the range.
    pub to: i64,
    /// Which samples of the range count, before anything is computed from them.
    pub filter: SampleFilter,
    /// Buckets instead of samples.
    pub aggregate: Option<Aggregate>,
    /// Newest first.
    pub reverse: bool,
    /// At most this many rows.
    pub count: Option<u64>,
}

impl Query {
    /// All samples of a range, oldest first.
    pub fn new(from: i64, to: i64) -> Self {
        Self {
            from,
            to,
            filter: SampleFilter::default(),
            aggregate: None,
            reverse: false,
            count: None,
        }
    }
}

/// The answer to a query; see [`Series::query`]. A bucket costs O(log n + its samples).
#[derive(Debug)]
pub struct Rows<'a> {
    kind: RowsKind<'a>,
    remaining: u64,
}

#[derive(Debug)]
enum RowsKind<'a> {
    Forward(Samples<'a>),
    Reverse(Samples<'a>),
    Buckets(Buckets<'a>),
}

impl<'a> Rows<'a> {
    pub(super) fn new(series: &'a Series, query: &'a Query) -> Self {
        let kind = match &query.aggregate {
            Some(aggregate) => RowsKind::Buckets(Buckets::new(series, query, aggregate)),
            None => {
                let samples = Samples::new(series, query.from, query.to, &query.filter);
                if query.reverse {
                    RowsKind::Reverse(samples)
                } else {
                    RowsKind::Forward(samples)
                }
            }
        };
        let remaining = query.count.unwrap_or(u64::MAX);
        Self { kind, remaining }
    }
}

impl Iterator for Rows<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        self.remaining = self.remaining.checked_sub(1)?;
        match &mut self.kind {
            RowsKind::Forward(samples) => samples.next(),
            RowsKind::Reverse(samples) => samples.next_back(),
            RowsKind::Buckets(buckets) => buckets.next(),
        }
    }
}

/// Joins series: one row for each timestamp that any of them has, with what `reducer` makes of
/// their values there, in order of time. NaN values do not count; where there are only those, the
/// row is NaN. Each series comes in order of time. O(n log k) for n samples of k series.
pub fn reduce<S>(series: impl IntoIterator<Item = S>, reducer: Reducer) -> Vec<Sample>
where
    S: IntoIterator<Item = Sample>,
{
    let mut rows: Vec<Sample> = series.into_iter().flatten().collect();
    // A stable sort merges sorted runs, and leaves the values of a timestamp in series order.
    rows.sort_by_key(|sample| sample.timestamp);
    rows.chunk_by(|a, b| a.timestamp == b.timestamp)
        .map(|row| {
            let mut accumulator = Accumulator::default();
            row.iter()
                .filter(|sample| !sample.value.is_nan())
                .for_each(|sample| accumulator.push(sample.value));
            Sample {
                timestamp: row[0].timestamp,
                value: accumulator.finish(reducer.0).unwrap_or(f64::NAN),
            }
        })
        .collect()
}

/// The samples of a range that pass a filter.
#[derive(Debug)]
struct Samples<'a> {
    source: Source<'a>,
    values: Option<(f64, f64)>,
}

#[derive(Debug)]
enum Source<'a> {
    Scan(Range<'a>),
    /// With few timestamps asked for, looking each up beats reading the range.
    Lookup(&'a Series, std::slice::Iter<'a, i64>),
}

impl<'a> Samples<'a> {
    fn new(series: &'a Series, from: i64, to: i64, filter: &'a SampleFilter) -> Self {
        let source = match &filter.timestamps {
            None => Source::Scan(series.range(from..=to)),
            Some(timestamps) => {
                let start = timestamps.partition_point(|&timestamp| timestamp < from);
                let end = timestamps.partition_point(|&timestamp| timestamp <= to);
                Source::Lookup(series, timestamps[start..end.max(start)].iter())
            }
        };
        let values = filter.values;
        Self { source, values }
    }

    fn passes(&self, sample: &Sample) -> bool {
        self.values
            .is_none_or(|(min, max)| min <= sample.value && sample.value <= max)
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        loop {
            let found = match &mut self.source {
                Source::Scan(range) => Some(range.next()?),
                Source::Lookup(series, timestamps) => series.get(*timestamps.next()?),
            };
            if let Some(sample) = found.filter(|sample| self.passes(sample)) {
                return Some(sample);
            }
        }
    }
}

impl DoubleEndedIterator for Samples<'_> {
    fn next_back(&mut self) -> Option<Sample> {
        loop {
            let found = match &mut self.source {
                Source::Scan(range) => Some(range.next_back()?),
                Source::Lookup(series, timestamps) => series.get(*timestamps.next_back()?),
            };
            if let Some(sample) = found.filter(|sample| self.passes(sample)) {
                return Some(sample);
            }
        }
    }
}

/// The buckets of a range, in either direction. Bucket starts are `i128`: they may lie outside of
/// what a timestamp can be, by up to a bucket.
#[derive(Debug)]
struct Buckets<'a> {
    series: &'a Series,
    query: &'a Query,
    aggregate: &'a Aggregate,
    bucket: i128,
    /// No bucket is reported to start before this.
    floor: i128,
    /// The part of the range whose buckets are still to come.
    unread: Option<(i64, i64)>,
    /// Where the last bucket that was read starts; what lies between it and the next is empty.
    edge: Option<i128>,
    gap: Option<Gap>,
    /// A bucket that was read, and comes after the gap.
    ready: Option<Sample>,
}

/// Empty buckets still to come.
#[derive(Debug)]
struct Gap {
    next: i128,
    last: i128,
    value: GapValue,
}

#[derive(Debug)]
enum GapValue {
    Constant(f64),
    /// On the line through these samples.
    Line(Sample, Sample),
}

impl<'a> Buckets<'a> {
    fn new(series: &'a Series, query: &'a Query, aggregate: &'a Aggregate) -> Self {
        let Query { from, to, .. } = *query;
        let first = series.first().map_or(0, |sample| sample.timestamp);
        let mut buckets = Self {
            series,
            query,
            aggregate,
            bucket: aggregate.bucket_ms.get().into(),
            // Like RedisTimeSeries, which has no negative timestamps, but only where none can be
            // among the samples.
            floor: if first.max(from) >= 0 { 0 } else { i128::MIN },
            unread: (from <= to).then_some((from, to)),
            edge: None,
            gap: None,
            ready: None,
        };
        // As if the bucket just outside of the range had been read.
        if buckets.unread.is_some() && buckets.fills_edges() {
            if !query.reverse && buckets.goes_on_before() {
                buckets.edge = Some(buckets.start_of(from) - buckets.bucket);
            } else if query.reverse && buckets.goes_on_after() {
                buckets.edge = Some(buckets.start_of(to) + buckets.bucket);
            }
        }
        buckets
    }

    fn next(&mut self) -> Option<Sample> {
        loop {
            if let Some(row) = self.next_in_gap().or_else(|| self.ready.take()) {
                return Some(row);
            }
            match self.read_bucket() {
                Some((start, value)) => {
                    self.open_gap(start);
                    self.edge = Some(start);
                    self.ready = value.map(|value| self.row(start, value));
                }
                None => {
                    let beyond = self.start_beyond_range();
                    self.open_gap(beyond?);
                    self.edge = None;
                    self.gap.as_ref()?;
                }
            }
        }
    }

    /// Reads the next bucket that has samples: its start, and its value if there is one to report.
    fn read_bucket(&mut self) -> Option<(i128, Option<f64>)> {
        let (from, to) = self.unread?;
        let mut samples = self.samples(from, to);
        let sample = if self.query.reverse {
            samples.next_back()
        } else {
            samples.next()
        };
        let Some(sample) = sample else {
            self.unread = None;
            return None;
        };
        let start = self.start_of(sample.timestamp);
        let first = timestamp(start.max(from.into()));
        let last = timestamp((start + self.bucket - 1).min(to.into()));
        self.unread = if self.query.reverse {
            (from < first).then(|| (from, first - 1))
        } else {
            (last < to).then(|| (last + 1, to))
        };

        let valid = self.samples(first, last).filter(|s| !s.value.is_nan());
        let value = if self.aggregate.aggregator == Aggregator::Twa {
            self.time_weighted_average(start, valid)
        } else {
            let mut accumulator = Accumulator::default();
            valid.for_each(|sample| accumulator.push(sample.value));
            accumulator.finish(self.aggregate.aggregator)
        };
        // NaN samples make a bucket, but an empty one.
        let value = value.or_else(|| {
            let filling = self.aggregate.empty.then(|| self.gap_value(start, start));
            filling.map(|filling| self.value_in_gap(&filling, start))
        });
        Some((start, value))
    }

    /// Opens the gap between the last bucket and the one at `start`, if there is one to report.
    fn open_gap(&mut self, start: i128) {
        let Some(edge) = self.edge.filter(|_| self.aggregate.empty) else {
            return;
        };
        let low = edge.min(start) + self.bucket;
        let high = edge.max(start) - self.bucket;
        if low <= high {
            let value = self.gap_value(low, high);
            let (next, last) = if self.query.reverse {
                (high, low)
            } else {
                (low, high)
            };
            self.gap = Some(Gap { next, last, value });
        }
    }

    fn next_in_gap(&mut self) -> Option<Sample> {
        let gap = self.gap.as_ref()?;
        let row = self.row(gap.next, self.value_in_gap(&gap.value, gap.next));
        let step = if self.query.reverse {
            -self.bucket
        } else {
            self.bucket
        };
        self.gap = self
            .gap
            .take()
            .filter(|gap| gap.next != gap.last)
            .map(|gap| Gap {
                next: gap.next + step,
                ..gap
            });
        Some(row)
    }

    /// What the empty buckets that start in `low..=high` report.
    fn gap_value(&self, low: i128, high: i128) -> GapValue {
        let before = timestamp(low.max(self.query.from.into()));
        match self.aggregate.aggregator {
            Aggregator::Sum | Aggregator::Count => GapValue::Constant(0.0),
            Aggregator::Last => {
                let mut older = before
                    .checked_sub(1)
                    .into_iter()
                    .flat_map(|last| self.samples(self.query.from, last).rev());
                let last = older.find(|sample| !sample.value.is_nan());
                GapValue::Constant(last.map_or(f64::NAN, |sample| sample.value))
            }
            Aggregator::Twa => {
                let after = timestamp((high + self.bucket).min(self.query.to.into()));
                match (self.last_before(before), self.first_from(after)) {
                    (Some(left), Some(right)) => GapValue::Line(left, right),
                    _ => GapValue::Constant(f64::NAN),
                }
            }
            _ => GapValue::Constant(f64::NAN),
        }
    }

    fn value_in_gap(&self, value: &GapValue, start: i128) -> f64 {
        match value {
            GapValue::Constant(value) => *value,
            GapValue::Line(left, right) => {
                let (from, to) = self.clipped(start);
                (height(left, right, from) + height(left, right, to)) / 2.0
            }
        }
    }

    /// The area under the line through the samples of the bucket and their neighbours, divided by
    /// its width. Without a neighbour on a side, the line ends at the sample.
    fn time_weighted_average(
        &self,
        start: i128,
        samples: impl Iterator<Item = Sample>,
    ) -> Option<f64> {
        let (from, to) = self.clipped(start);
        let mut area = 0.0;
        let mut line_start = from;
        let mut last: Option<Sample> = None;
        for sample in samples {
            match last {
                Some(last) => {
                    let width = span(last.timestamp.into(), sample.timestamp.into());
                    area += (last.value + sample.value) * width / 2.0;
                }
                None => match self.last_before(sample.timestamp) {
                    Some(left) => {
                        let width = span(from, sample.timestamp.into());
                        area += (height(&left, &sample, from) + sample.value) * width / 2.0;
                    }
                    None => line_start = sample.timestamp.into(),
                },
            }
            last = Some(sample);
        }
        let last = last?;
        let mut line_end = last.timestamp.into();
        // Nothing is newer than the newest timestamp there can be.
        let next = last.timestamp.checked_add(1);
        if let Some(right) = next.and_then(|next| self.first_from(next)) {
            let width = span(line_end, to);
            area += (height(&last, &right, to) + last.value) * width / 2.0;
            line_end = to;
        }
        Some(if line_end == line_start {
            last.value
        } else {
            area / span(line_start, line_end)
        })
    }

    /// The last sample before `limit` the line may start from. In the range the filter counts;
    /// outside, the series is taken as it is.
    fn last_before(&self, limit: i64) -> Option<Sample> {
        let from = self.query.from;
        let inside = limit.checked_sub(1).map(|last| self.samples(from, last));
        let outside = from
            .checked_sub(1)
            .map(|last| self.series.range(i64::MIN..=last));
        inside
            .into_iter()
            .flat_map(Iterator::rev)
            .chain(outside.into_iter().flat_map(Iterator::rev))
            .find(|sample| !sample.value.is_nan())
    }

    /// The first sample at or after `limit` the line may go to; see [`Self::last_before`].
    fn first_from(&self, limit: i64) -> Option<Sample> {
        let to = self.query.to;
        let outside = to
            .checked_add(1)
            .map(|first| self.series.range(first..=i64::MAX));
        self.samples(limit, to)
            .chain(outside.into_iter().flatten())
            .find(|sample| !sample.value.is_nan())
    }

    /// The bucket after the last one of the range, in the order of reading, if the empty buckets
    /// before it are to be reported.
    fn start_beyond_range(&self) -> Option<i128> {
        if !self.fills_edges() {
            None
        } else if self.query.reverse {
            let start = self.start_of(self.query.from);
            self.goes_on_before().then(|| start - self.bucket)
        } else {
            let start = self.start_of(self.query.to);
            self.goes_on_after().then(|| start + self.bucket)
        }
    }

    fn fills_edges(&self) -> bool {
        self.aggregate.empty && self.aggregate.aggregator == Aggregator::Twa
    }

    fn goes_on_before(&self) -> bool {
        let first = self.series.first();
        first.is_some_and(|sample| sample.timestamp < self.query.from)
    }

    fn goes_on_after(&self) -> bool {
        let last = self.series.last();
        last.is_some_and(|sample| sample.timestamp > self.query.to)
    }

    fn samples(&self, from: i64, to: i64) -> Samples<'a> {
        Samples::new(self.series, from, to, &self.query.filter)
    }

    /// Where the bucket of this timestamp starts.
    fn start_of(&self, timestamp: i64) -> i128 {
        let timestamp = i128::from(timestamp);
        timestamp - (timestamp - i128::from(self.aggregate.align)).rem_euclid(self.bucket)
    }

    /// The part of a bucket that is in the range: where it starts, and where it has ended.
    fn clipped(&self, start: i128) -> (i128, i128) {
        let from = start.max(self.query.from.into());
        let to = (start + self.bucket).min(self.query.to.into());
        (from, to)
    }

    fn row(&self, start: i128, value: f64) -> Sample {
        let offset = match self.aggregate.bucket_timestamp {
            BucketTimestamp::Start => 0,
            BucketTimestamp::Mid => self.bucket / 2,
            BucketTimestamp::End => self.bucket,
        };
        let timestamp = timestamp(start.max(self.floor) + offset);
        Sample { timestamp, value }
    }
}

/// The nearest timestamp there can be.
fn timestamp(at: i128) -> i64 {
    at.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn span(from: i128, to: i128) -> f64 {
    (to - from) as f64
}

/// How high the line through two samples is at a time.
fn height(left: &Sample, right: &Sample, at: i128) -> f64 {
    let rise = right.value - left.value;
    let run = span(left.timestamp.into(), right.timestamp.into());
    left.value + span(left.timestamp.into(), at) * rise / run
}

/// All that is needed to compute any aggregator but twa over values in their order.
#[derive(Debug, Default)]
struct Accumulator {
    count: u64,
    sum: f64,
    sum_of_squares: f64,
    /// The mean, once the sum has become too large for a double.
    mean: Option<f64>,
    first: f64,
    last: f64,
    min: f64,
    max: f64,
}

impl Accumulator {
    fn push(&mut self, value: f64) {
        self.count += 1;
        if self.count == 1 {
            self.first = value;
            self.min = value;
            self.max = value;
        }
        let count = self.count as f64;
        let sum = self.sum + value;
        let overflows = sum.is_infinite() && self.sum.is_finite() && value.is_finite();
        if let Some(mean) = self.mean {
            self.mean = Some(mean * ((count - 1.0) / count) + value / count);
        } else if overflows {
            self.mean = Some(self.sum / count + value / count);
        }
        self.sum = sum;
        self.sum_of_squares += value * value;
        self.last = value;
        self.min = if value < self.min { value } else { self.min };
        self.max = if value > self.max { value } else { self.max };
    }

    /// The result, or `None` if there was no value.
    fn finish(&self, aggregator: Aggregator) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let count = self.count as f64;
        Some(match aggregator {
            // Without times, every value has the same weight.
            Aggregator::Avg | Aggregator::Twa => self.mean.unwrap_or(self.sum / count),
            Aggregator::Sum => self.sum,
            Aggregator::Min => self.min,
            Aggregator::Max => self.max,
            Aggregator::Range => self.max - self.min,
            Aggregator::Count => count,
            Aggregator::First => self.first,
            Aggregator::Last => self.last,
            Aggregator::VarP => self.variance(),
            Aggregator::StdP => self.variance().sqrt(),
            Aggregator::VarS => self.sample_variance(),
            Aggregator::StdS => self.sample_variance().sqrt(),
        })
    }

    /// By sums of values and squares, as RedisTimeSeries does, so that the digits agree; except
    /// that rounding does not take it below zero.
    fn variance(&self) -> f64 {
        let count = self.count as f64;
        let mean = self.sum / count;
        let of_squares = self.sum_of_squares - 2.0 * self.sum * self.sum / count;
        let variance = (of_squares + mean * mean * count) / count;
        if variance < 0.0 { 0.0 } else { variance }
    }

    fn sample_variance(&self) -> f64 {
        if self.count == 1 {
            return 0.0;
        }
        let count = self.count as f64;
        self.variance() * count / (count - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Random;
    use super::super::{DuplicatePolicy, Series};
    use super::*;
    use std::collections::BTreeMap;

    fn series(samples: &[(i64, f64)]) -> Series {
        let mut series = Series::new();
        for &(timestamp, value) in samples {
            let added = series.add(timestamp, value, Some(DuplicatePolicy::Last));
            added.unwrap();
        }
        series
    }

    fn aggregate(aggregator: Aggregator, bucket_ms: u64) -> Aggregate {
        Aggregate {
            aggregator,
            bucket_ms: NonZeroU64::new(bucket_ms).unwrap(),
            align: 0,
            bucket_timestamp: BucketTimestamp::Start,
            empty: false,
        }
    }

    fn rows(series: &Series, query: &Query) -> Vec<(i64, f64)> {
        let rows = series.query(query);
        rows.map(|row| (row.timestamp, row.value)).collect()
    }

    fn buckets(series: &Series, from: i64, to: i64, aggregate: Aggregate) -> Vec<(i64, f64)> {
        let mut query = Query::new(from, to);
        query.aggregate = Some(aggregate);
        rows(series, &query)
    }

    /// Equal, with NaN equal to itself, and to 12 digits.
    fn same(a: &[(i64, f64)], b: &[(i64, f64)]) -> bool {
        let same_value = |x: f64, y: f64| {
            x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= 1e-12 * x.abs().max(1.0)
        };
        a.len() == b.len()
            && a.iter()
                .zip(b)
                .all(|(a, b)| a.0 == b.0 && same_value(a.1, b.1))
    }

    #[test]
    fn names_are_parsed_in_any_case() {
        for aggregator in Aggregator::ALL {
            let upper = aggregator.name().to_uppercase();
            assert_eq!(Aggregator::parse(upper.as_bytes()), Some(aggregator));
            let order_matters = matches!(aggregator.name(), "first" | "last" | "twa");
            assert_eq!(Reducer::parse(upper.as_bytes()).is_none(), order_matters);
        }
        assert_eq!(Aggregator::parse(b"median"), None);
        assert_eq!(Reducer::parse(b"STD.S").unwrap().name(), "std.s");
    }

    #[test]
    fn one_bucket_each() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        let samples: Vec<_> = (0..).zip(values).collect();
        let series = series(&samples);
        for (aggregator, value) in [
            (Aggregator::Avg, 5.0),
            (Aggregator::Sum, 40.0),
            (Aggregator::Min, 2.0),
            (Aggregator::Max, 9.0),
            (Aggregator::Range, 7.0),
            (Aggregator::Count, 8.0),
            (Aggregator::First, 2.0),
            (Aggregator::Last, 9.0),
            (Aggregator::StdP, 2.0),
            (Aggregator::StdS, (32.0f64 / 7.0).sqrt()),
            (Aggregator::VarP, 4.0),
            (Aggregator::VarS, 32.0 / 7.0),
            (Aggregator::Twa, 34.5 / 7.0),
        ] {
            let found = buckets(&series, 0, 9, aggregate(aggregator, 100));
            assert!(same(&found, &[(0, value)]), "{aggregator:?}: {found:?}");
        }
    }

    #[test]
    fn one_sample_has_no_deviation() {
        let series = series(&[(5, 3.0)]);
        for aggregator in [Aggregator::StdS, Aggregator::VarS, Aggregator::VarP] {
            let found = buckets(&series, 0, 9, aggregate(aggregator, 10));
            assert_eq!(found, [(0, 0.0)]);
        }
        let found = buckets(&series, 0, 9, aggregate(Aggregator::Twa, 10));
        assert_eq!(found, [(0, 3.0)]);
    }

    #[test]
    fn variance_is_not_negative() {
        let series = series(&[(0, 0.3), (1, 0.3), (2, 0.3), (3, 0.3), (4, 0.3)]);
        let found = buckets(&series, 0, 9, aggregate(Aggregator::StdP, 10));
        assert!((0.0..1e-8).contains(&found[0].1), "{found:?}");
    }

    #[test]
    fn the_average_of_huge_values_is_no_infinity() {
        let series = series(&[
            (0, f64::MAX),
            (1, f64::MAX),
            (2, f64::MAX),
            (3, f64::MAX / 2.0),
        ]);
        let found = buckets(&series, 0, 9, aggregate(Aggregator::Avg, 10));
        let expected = f64::MAX / 8.0 * 7.0;
        assert!((found[0].1 / expected - 1.0).abs() < 1e-12, "{found:?}");
    }

    /// The examples of RedisTimeSeries's documentation of `TS.RANGE`, as its `ALIGN` works.
    #[test]
    fn buckets_are_aligned() {
        let samples: Vec<_> = [1000, 1010, 1020, 2000, 2010, 2020, 3000, 3010, 3020]
            .into_iter()
            .map(|timestamp| (timestamp, timestamp as f64 / 10.0))
            .collect();
        let series = series(&samples);
        let min = aggregate(Aggregator::Min, 20);
        let starts = |from, to, aggregate| -> Vec<i64> {
            let found = buckets(&series, from, to, aggregate);
            found.into_iter().map(|(start, _)| start).collect()
        };
        assert_eq!(starts(0, 4000, min), [1000, 1020, 2000, 2020, 3000, 3020]);
        let aligned = Aggregate { align: 10, ..min };
        assert_eq!(
            starts(0, 4000, aligned),
            [990, 1010, 1990, 2010, 2990, 3010]
        );
        let aligned = Aggregate { align: 5, ..min };
        assert_eq!(
            starts(5, 4000, aligned),
            [985, 1005, 1985, 2005, 2985, 3005]
        );
        // An alignment after the samples: the difference is negative, the remainder is not.
        let aligned = Aggregate { align: 3010, ..min };
        assert_eq!(
            starts(0, 3010, aligned),
            [990, 1010, 1990, 2010, 2990, 3010]
        );
        for (bucket_timestamp, start) in
            [(BucketTimestamp::Mid, 1000), (BucketTimestamp::End, 1010)]
        {
            let aligned = Aggregate {
                align: 10,
                bucket_timestamp,
                ..min
            };
            assert_eq!(starts(0, 1005, aligned), [start]);
        }
    }

    #[test]
    fn no_bucket_starts_before_zero_where_no_sample_is() {
        let late = series(&[(3, 1.0), (12, 2.0)]);
        let mut sum = aggregate(Aggregator::Sum, 10);
        sum.align = 5;
        assert_eq!(buckets(&late, i64::MIN, 99, sum), [(0, 1.0), (5, 2.0)]);
        sum.bucket_timestamp = BucketTimestamp::End;
        assert_eq!(buckets(&late, i64::MIN, 99, sum), [(10, 1.0), (15, 2.0)]);
        let early = series(&[(-13, 4.0), (-3, 1.0), (2, 2.0)]);
        sum.bucket_timestamp = BucketTimestamp::Start;
        let all = [(-15, 4.0), (-5, 3.0)];
        assert_eq!(buckets(&early, i64::MIN, i64::MAX, sum), all);
        assert_eq!(buckets(&early, 0, i64::MAX, sum), [(0, 2.0)]);
    }

    #[test]
    fn empty_buckets() {
        let series = series(&[(3, 1.0), (7, 3.0), (41, 5.0)]);
        for (aggregator, expected) in [
            (Aggregator::Sum, [4.0, 0.0, 0.0, 0.0, 5.0]),
            (Aggregator::Count, [2.0, 0.0, 0.0, 0.0, 1.0]),
            (Aggregator::Last, [3.0, 3.0, 3.0, 3.0, 5.0]),
            (Aggregator::Min, [1.0, f64::NAN, f64::NAN, f64::NAN, 5.0]),
            (Aggregator::VarS, [2.0, f64::NAN, f64::NAN, f64::NAN, 0.0]),
        ] {
            let expected: Vec<_> = (0..).step_by(10).zip(expected).collect();
            let mut aggregate = aggregate(aggregator, 10);
            aggregate.empty = true;
            let mut query = Query::new(0, i64::MAX);
            query.aggregate = Some(aggregate);
            let found = rows(&series, &query);
            assert!(same(&found, &expected), "{aggregator:?}: {found:?}");

            query.reverse = true;
            query.count = Some(3);
            let reversed: Vec<_> = expected.into_iter().rev().take(3).collect();
            let found = rows(&series, &query);
            assert!(same(&found, &reversed), "{aggregator:?}: {found:?}");
        }
    }

    #[test]
    fn the_time_weighted_average_follows_the_line() {
        // A line of slope 1 through every sample: each bucket's mean is its middle.
        let slope = series(&[(5, 5.0), (8, 8.0), (37, 37.0), (60, 60.0)]);
        let mut twa = aggregate(Aggregator::Twa, 10);
        assert_eq!(
            buckets(&slope, 6, 45, twa),
            // The first bucket begins where the range does; the line goes on at both ends.
            [(0, 8.0), (30, 35.0)]
        );
        twa.empty = true;
        assert_eq!(
            buckets(&slope, 6, 55, twa),
            [
                (0, 8.0),
                (10, 15.0),
                (20, 25.0),
                (30, 35.0),
                (40, 45.0),
                (50, 52.5)
            ]
        );
        // Nothing before 5 and after 60 to draw a line to.
        assert_eq!(buckets(&slope, -30, 9, twa), [(0, 7.0)]);
        assert_eq!(buckets(&slope, 60, 99, twa), [(60, 60.0)]);
        assert_eq!(buckets(&slope, 61, 99, twa), []);
        // All in a gap.
        assert_eq!(buckets(&slope, 12, 28, twa), [(10, 16.0), (20, 24.0)]);
        assert_eq!(buckets(&slope, 28, 12, twa), []);
    }

    #[test]
    fn nan_samples_do_not_count() {
        let series = series(&[(1, 1.0), (2, f64::NAN), (11, f64::NAN), (21, 3.0)]);
        let mut query = Query::new(0, 99);
        query.aggregate = Some(aggregate(Aggregator::Avg, 10));
        assert_eq!(rows(&series, &query), [(0, 1.0), (20, 3.0)]);
        for (aggregator, filling) in [
            (Aggregator::Avg, f64::NAN),
            (Aggregator::Last, 1.0),
            (Aggregator::Twa, 2.4),
        ] {
            let mut aggregate = aggregate(aggregator, 10);
            aggregate.empty = true;
            let found = buckets(&series, 0, 99, aggregate);
            assert_eq!(found.len(), 3);
            assert!(same(&found[1..2], &[(10, filling)]), "{found:?}");
        }
    }

    #[test]
    fn filters_come_before_buckets() {
        let samples: Vec<_> = (0..30).map(|i| (i, i as f64)).collect();
        let series = series(&samples);
        let mut query = Query::new(3, 27);
        query.filter = SampleFilter::default()
            .by_timestamps(vec![40, 25, 7, 25, 12, 1, 4, 13])
            .by_value(5.0, 25.0);
        assert_eq!(
            rows(&series, &query),
            [(7, 7.0), (12, 12.0), (13, 13.0), (25, 25.0)]
        );
        query.count = Some(2);
        query.reverse = true;
        assert_eq!(rows(&series, &query), [(25, 25.0), (13, 13.0)]);
        query.aggregate = Some(aggregate(Aggregator::Sum, 10));
        assert_eq!(rows(&series, &query), [(20, 25.0), (10, 25.0)]);
        query.count = Some(0);
        assert_eq!(rows(&series, &query), []);
    }

    #[test]
    fn the_ends_of_time() {
        let ends = [(i64::MIN, 1.0), (0, 2.0), (i64::MAX, 3.0)];
        let series = series(&ends);
        for aggregator in Aggregator::ALL {
            for bucket_ms in [1, 1 << 62, u64::MAX] {
                for bucket_timestamp in [BucketTimestamp::Start, BucketTimestamp::End] {
                    let mut query = Query::new(i64::MIN, i64::MAX);
                    query.aggregate = Some(Aggregate {
                        align: i64::MIN,
                        bucket_timestamp,
                        empty: true,
                        ..aggregate(aggregator, bucket_ms)
                    });
                    query.count = Some(5);
                    let forward = rows(&series, &query);
                    query.reverse = true;
                    let reverse = rows(&series, &query);
                    assert!(!forward.is_empty() && forward.len() == reverse.len());
                }
            }
        }
        let mut count = aggregate(Aggregator::Count, u64::MAX);
        count.align = i64::MIN;
        assert_eq!(
            buckets(&series, i64::MIN, i64::MAX, count),
            [(i64::MIN, 2.0), (i64::MAX, 1.0)]
        );
    }

    #[test]
    fn reducers_join_series() {
        let sample = |(timestamp, value)| Sample { timestamp, value };
        let lists = [
            vec![(1, 1.0), (2, f64::NAN), (5, 2.0)],
            vec![],
            vec![(2, f64::NAN), (3, 7.0), (5, 6.0)],
            vec![(1, f64::NAN), (5, 4.0)],
        ];
        for (name, at_five) in [
            ("sum", 12.0),
            ("min", 2.0),
            ("max", 6.0),
            ("avg", 4.0),
            ("range", 4.0),
            ("count", 3.0),
            ("var.s", 4.0),
            ("std.s", 2.0),
            ("var.p", 8.0 / 3.0),
            ("std.p", (8.0f64 / 3.0).sqrt()),
        ] {
            let reducer = Reducer::parse(name.as_bytes()).unwrap();
            let lists = lists.iter().map(|list| list.iter().copied().map(sample));
            let rows = reduce(lists, reducer);
            let timestamps: Vec<_> = rows.iter().map(|row| row.timestamp).collect();
            assert_eq!(timestamps, [1, 2, 3, 5]);
            assert!(rows[1].value.is_nan());
            assert!((rows[3].value - at_five).abs() < 1e-12, "{name}");
        }
    }

    /// What a query should answer, worked out from all samples for every bucket of the range.
    fn model(samples: &BTreeMap<i64, f64>, query: &Query) -> Vec<(i64, f64)> {
        let kept: Vec<(i64, f64)> = samples
            .iter()
            .filter(|sample| (query.from..=query.to).contains(sample.0))
            .filter(|(timestamp, value)| {
                let asked = query.filter.timestamps.as_ref();
                let range = query.filter.values;
                asked.is_none_or(|asked| asked.contains(timestamp))
                    && range.is_none_or(|(min, max)| (min..=max).contains(value))
            })
            .map(|(&timestamp, &value)| (timestamp, value))
            .collect();
        let mut rows = match query.aggregate {
            None => kept,
            Some(aggregate) => model_buckets(samples, &kept, query, aggregate),
        };
        if query.reverse {
            rows.reverse();
        }
        rows.truncate(query.count.map_or(usize::MAX, |count| count as usize));
        rows
    }

    fn model_buckets(
        samples: &BTreeMap<i64, f64>,
        kept: &[(i64, f64)],
        query: &Query,
        aggregate: Aggregate,
    ) -> Vec<(i64, f64)> {
        let length = aggregate.bucket_ms.get() as i64;
        let start_of = |t: i64| t - (t - aggregate.align).rem_euclid(length);
        let twa = aggregate.aggregator == Aggregator::Twa;
        let mut line: Vec<(i64, f64)> = Vec::new();
        line.extend(samples.range(..query.from).map(|(&t, &v)| (t, v)));
        let goes_on_before = !line.is_empty();
        line.extend(kept);
        let in_range = line.len();
        if let Some(after) = query.to.checked_add(1) {
            line.extend(samples.range(after..).map(|(&t, &v)| (t, v)));
        }
        let goes_on_after = line.len() > in_range;
        let edges = twa && aggregate.empty && query.from <= query.to;
        let mut first = kept.first().map(|sample| start_of(sample.0));
        let mut last = kept.last().map(|sample| start_of(sample.0));
        if edges && goes_on_before && (first.is_some() || goes_on_after) {
            first = Some(start_of(query.from));
        }
        if edges && goes_on_after && (last.is_some() || goes_on_before) {
            last = Some(start_of(query.to));
        }
        let (Some(first), Some(last)) = (first, last) else {
            return Vec::new();
        };
        let oldest = samples.first_key_value().map_or(0, |(&t, _)| t);
        let mut rows = Vec::new();
        for start in (first..=last).step_by(length as usize) {
            let inside = |t: i64| (start..start + length).contains(&t);
            let values: Vec<f64> = kept.iter().filter(|s| inside(s.0)).map(|s| s.1).collect();
            if values.is_empty() && !aggregate.empty {
                continue;
            }
            let n = values.len() as f64;
            let sum: f64 = values.iter().sum();
            let squares: f64 = values.iter().map(|v| (v - sum / n).powi(2)).sum();
            let min = values.iter().copied().fold(f64::NAN, f64::min);
            let max = values.iter().copied().fold(f64::NAN, f64::max);
            let sample_variance = if n == 1.0 { 0.0 } else { squares / (n - 1.0) };
            let older = kept.iter().rev().find(|sample| sample.0 < start + length);
            let value = match aggregate.aggregator {
                Aggregator::Avg => sum / n,
                Aggregator::Sum => sum,
                Aggregator::Min => min,
                Aggregator::Max => max,
                Aggregator::Range => max - min,
                Aggregator::Count => n,
                Aggregator::First => values.first().copied().unwrap_or(f64::NAN),
                Aggregator::Last => older.map_or(f64::NAN, |sample| sample.1),
                Aggregator::StdP => (squares / n).sqrt(),
                Aggregator::StdS if n == 0.0 => f64::NAN,
                Aggregator::StdS => sample_variance.sqrt(),
                Aggregator::VarP => squares / n,
                Aggregator::VarS if n == 0.0 => f64::NAN,
                Aggregator::VarS => sample_variance,
                Aggregator::Twa => {
                    model_mean(&line, start.max(query.from), (start + length).min(query.to))
                }
            };
            let floor = if oldest.max(query.from) >= 0 {
                0
            } else {
                i64::MIN
            };
            let offset = match aggregate.bucket_timestamp {
                BucketTimestamp::Start => 0,
                BucketTimestamp::Mid => length / 2,
                BucketTimestamp::End => length,
            };
            rows.push((start.max(floor) + offset, value));
        }
        rows
    }

    /// The mean height of a line between two times, as far as the line goes.
    fn model_mean(line: &[(i64, f64)], from: i64, to: i64) -> f64 {
        let (Some(first), Some(last)) = (line.first(), line.last()) else {
            return f64::NAN;
        };
        let (from, to) = (from.max(first.0), to.min(last.0));
        let at = |t: f64| {
            let right = line.partition_point(|sample| (sample.0 as f64) < t);
            let (b, a) = (line[right], line[right.saturating_sub(1)]);
            if a.0 == b.0 {
                return b.1;
            }
            a.1 + (t - a.0 as f64) * (b.1 - a.1) / (b.0 - a.0) as f64
        };
        if from >= to {
            return at(from as f64);
        }
        let area: f64 = (from..to).map(|t| at(t as f64 + 0.5)).sum();
        area / (to - from) as f64
    }

    #[test]
    fn random_queries_agree_with_a_model() {
        let mut random = Random::new(0x5eed);
        for round in 0..3_000 {
            let mut samples = BTreeMap::new();
            let offset = random.below(60) as i64 - 40;
            for _ in 0..random.below(40) {
                let value = random.below(50) as f64 - 20.0;
                samples.insert(random.below(120) as i64 + offset, value);
            }
            let list: Vec<_> = samples.iter().map(|(&t, &v)| (t, v)).collect();
            let series = series(&list);
            let mut query = Query::new(
                random.below(100) as i64 + offset - 20,
                random.below(140) as i64 + offset,
            );
            query.reverse = random.below(2) == 0;
            query.count = (random.below(4) == 0).then(|| random.below(10));
            let aggregator = Aggregator::ALL[random.below(13) as usize];
            if random.below(8) > 0 {
                query.aggregate = Some(Aggregate {
                    aggregator,
                    bucket_ms: NonZeroU64::new(1 + random.below(25)).unwrap(),
                    align: random.below(200) as i64 - 100,
                    bucket_timestamp: match random.below(3) {
                        0 => BucketTimestamp::Start,
                        1 => BucketTimestamp::Mid,
                        _ => BucketTimestamp::End,
                    },
                    empty: random.below(2) == 0,
                });
            }
            if random.below(3) == 0 {
                query.filter = query.filter.by_value(-12.0, 15.0);
            }
            if random.below(5) == 0 {
                let asked = (0..30).map(|_| random.below(120) as i64 + offset).collect();
                query.filter = query.filter.by_timestamps(asked);
            }
            let (found, expected) = (rows(&series, &query), model(&samples, &query));
            let agree = same(&found, &expected)
                // The model's squares are exact where the sums of squares are not.
                || found.len() == expected.len()
                    && found.iter().zip(&expected).all(|(a, b)| {
                        a.0 == b.0 && (a.1 - b.1).abs() < 1e-5 || a.1.is_nan() && b.1.is_nan()
                    });
            assert!(
                agree,
                "{round}: {query:?}\n{list:?}\n{found:?}\n{expected:?}"
            );
        }
    }
}
