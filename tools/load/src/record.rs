//! What was measured: histograms and counts per operation, collected by each thread for a second at a time and
//! added up by the main thread. The size of all of it is fixed before the run begins.

use hdrhistogram::Histogram;

/// The longest latency told apart from a longer one.
pub const LATENCY_MAX_US: u64 = 60_000_000;

/// A histogram from 1 µs to 1 minute with three significant digits.
pub fn histogram() -> Histogram<u64> {
    match Histogram::new_with_bounds(1, LATENCY_MAX_US, 3) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("constant bounds that the crate accepts"),
    }
}

/// One operation's results.
#[derive(Clone, Debug)]
pub struct OpTally {
    /// From the time the request was due (open loop) or sent (closed loop) to its reply, in µs.
    pub latency: Histogram<u64>,
    /// From the time it was sent; kept only where that differs.
    pub service: Option<Histogram<u64>>,
    pub misses: u64,
    /// Well-formed, but written by someone else, so not to be checked.
    pub unknown: u64,
    /// The target answered with an error.
    pub refused: u64,
    pub wrong: u64,
    /// Never answered.
    pub lost: u64,
}

/// The results of all operations over some time.
#[derive(Clone, Debug)]
pub struct Tally {
    pub ops: Vec<OpTally>,
    pub sent: u64,
    pub bytes_out: u64,
    pub bytes_in: u64,
    pub reconnects: u64,
    /// Writes split, connections half-closed, connections reset: on purpose.
    pub faults: [u64; 3],
    /// How late requests of an open loop left, by the generator's fault, in µs.
    pub lateness: Histogram<u64>,
    /// Which second of the measurement this is.
    pub second: u64,
}

impl Tally {
    /// Nothing yet. One `true` per operation whose service time differs from its latency.
    pub fn new(service: &[bool]) -> Self {
        let op = |&service: &bool| OpTally {
            latency: histogram(),
            service: service.then(histogram),
            misses: 0,
            unknown: 0,
            refused: 0,
            wrong: 0,
            lost: 0,
        };
        Tally {
            ops: service.iter().map(op).collect(),
            sent: 0,
            bytes_out: 0,
            bytes_in: 0,
            reconnects: 0,
            faults: [0; 3],
            lateness: histogram(),
            second: 0,
        }
    }

    /// Back to nothing, keeping the memory.
    pub fn clear(&mut self) {
        for op in &mut self.ops {
            op.latency.reset();
            if let Some(service) = &mut op.service {
                service.reset();
            }
            (op.misses, op.unknown, op.refused, op.wrong, op.lost) = (0, 0, 0, 0, 0);
        }
        (
            self.sent,
            self.bytes_out,
            self.bytes_in,
            self.reconnects,
            self.faults,
        ) = (0, 0, 0, 0, [0; 3]);
        self.lateness.reset();
    }

    /// Adds what another thread, or another second, measured.
    pub fn add(&mut self, other: &Tally) {
        for (op, more) in self.ops.iter_mut().zip(&other.ops) {
            merge(&mut op.latency, &more.latency);
            if let (Some(service), Some(more)) = (&mut op.service, &more.service) {
                merge(service, more);
            }
            op.misses += more.misses;
            op.unknown += more.unknown;
            op.refused += more.refused;
            op.wrong += more.wrong;
            op.lost += more.lost;
        }
        self.sent += other.sent;
        self.bytes_out += other.bytes_out;
        self.bytes_in += other.bytes_in;
        self.reconnects += other.reconnects;
        for (fault, more) in self.faults.iter_mut().zip(other.faults) {
            *fault += more;
        }
        merge(&mut self.lateness, &other.lateness);
    }

    /// Replies that were errors or wrong, and requests never answered.
    pub fn failed(&self) -> u64 {
        self.ops
            .iter()
            .map(|op| op.refused + op.wrong + op.lost)
            .sum()
    }

    /// The latency of all operations together.
    pub fn latency(&self) -> Histogram<u64> {
        let mut all = histogram();
        for op in &self.ops {
            merge(&mut all, &op.latency);
        }
        all
    }
}

/// Adds one histogram to another of the same bounds.
pub fn merge(into: &mut Histogram<u64>, from: &Histogram<u64>) {
    if !from.is_empty() {
        // Histograms made by `histogram` all have the same bounds, the one thing this could fail by.
        let _ = into.add(from);
    }
}

/// A second (or more, in a very long run) of the measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub start_s: f64,
    pub period_s: f64,
    pub requests: u64,
    pub failed: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

/// The rows of a run. At most [`ROWS_MAX`]: then two become one, with the larger of their percentiles.
#[derive(Clone, Debug)]
pub struct Timeline {
    rows: Vec<Row>,
    per_row: u64,
    held: u64,
}

const ROWS_MAX: usize = 4096;

impl Default for Timeline {
    fn default() -> Self {
        Timeline {
            rows: Vec::with_capacity(ROWS_MAX),
            per_row: 1,
            held: 0,
        }
    }
}

impl Timeline {
    /// Appends the next second.
    pub fn push(&mut self, row: Row) {
        if self.held > 0 {
            if let Some(last) = self.rows.last_mut() {
                *last = joined(*last, row);
            }
        } else {
            if self.rows.len() == ROWS_MAX {
                for i in 0..ROWS_MAX / 2 {
                    self.rows[i] = joined(self.rows[2 * i], self.rows[2 * i + 1]);
                }
                self.rows.truncate(ROWS_MAX / 2);
                self.per_row *= 2;
            }
            self.rows.push(row);
        }
        self.held = (self.held + 1) % self.per_row;
    }

    /// The rows so far, oldest first.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

fn joined(a: Row, b: Row) -> Row {
    Row {
        start_s: a.start_s,
        period_s: a.period_s + b.period_s,
        requests: a.requests + b.requests,
        failed: a.failed + b.failed,
        p50_us: a.p50_us.max(b.p50_us),
        p99_us: a.p99_us.max(b.p99_us),
        max_us: a.max_us.max(b.max_us),
    }
}

/// A request that went wrong, as reported.
#[derive(Clone, Debug)]
pub struct Failure {
    pub at_s: f64,
    pub target: String,
    pub connection: usize,
    pub request: String,
    pub reply: String,
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolution_is_a_microsecond_at_the_bottom_and_three_digits_at_the_top() {
        let mut h = histogram();
        for us in [1, 2, 999, 1_000, 59_999_999] {
            h.record(us).expect("in bounds");
            assert!(h.equivalent_range(us) <= us.div_ceil(1000).max(1), "{us}");
        }
        h.saturating_record(10 * LATENCY_MAX_US);
        assert!(h.max() >= LATENCY_MAX_US);
    }

    #[test]
    fn adding_tallies_adds_everything() {
        let mut a = Tally::new(&[false, true]);
        let mut b = a.clone();
        b.ops[1].latency.saturating_record(5);
        b.ops[1].wrong = 2;
        b.sent = 7;
        b.faults = [1, 2, 3];
        a.add(&b);
        a.add(&b);
        assert_eq!(
            (a.latency().len(), a.failed(), a.sent, a.faults),
            (2, 4, 14, [2, 4, 6])
        );
        a.clear();
        assert_eq!((a.latency().len(), a.failed(), a.sent), (0, 0, 0));
    }

    #[test]
    fn an_hour_takes_no_more_memory_than_a_second() {
        let slots = |t: &Tally| {
            let own = |h: &Histogram<u64>| h.distinct_values();
            let ops = t
                .ops
                .iter()
                .map(|op| own(&op.latency) + op.service.as_ref().map_or(0, own));
            ops.sum::<usize>() + own(&t.lateness)
        };
        let (mut second, mut total) = (Tally::new(&[true, false]), Tally::new(&[true, false]));
        let mut timeline = Timeline::default();
        let (before, rows) = (slots(&total), timeline.rows.capacity());
        let mut us = 1u64;
        for at in 0..3600 {
            for _ in 0..50 {
                // All magnitudes, up to beyond the longest.
                us = us.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(at);
                let value = us >> (us >> 58);
                second.ops[0].latency.saturating_record(value);
                second.ops[1].latency.saturating_record(value);
                second.lateness.saturating_record(value);
            }
            total.add(&second);
            second.clear();
            timeline.push(Row {
                start_s: at as f64,
                period_s: 1.0,
                requests: 50,
                failed: 0,
                p50_us: 1,
                p99_us: 1,
                max_us: 1,
            });
        }
        assert_eq!(total.ops[0].latency.len(), 50 * 3600);
        assert_eq!((slots(&total), slots(&second)), (before, before));
        assert_eq!(timeline.rows.capacity(), rows);
        // Four histograms of 8 bytes a slot.
        assert!(before * 8 < 1 << 20, "{before}");
    }

    #[test]
    fn a_timeline_of_days_stays_bounded_and_loses_no_request() {
        let mut line = Timeline::default();
        for second in 0..100_000u64 {
            line.push(Row {
                start_s: second as f64,
                period_s: 1.0,
                requests: 10,
                failed: 0,
                p50_us: 1,
                p99_us: second,
                max_us: second,
            });
        }
        assert!(line.rows().len() <= ROWS_MAX);
        assert_eq!(
            line.rows().iter().map(|r| r.requests).sum::<u64>(),
            1_000_000
        );
        assert_eq!(line.rows().last().map(|r| r.max_us), Some(99_999));
        assert_eq!(
            line.rows().iter().map(|r| r.period_s).sum::<f64>(),
            100_000.0
        );
    }
}
