//! The result of a run as data: the schema of `--json`, from which every other report is made.
//!
//! The schema is versioned: within `pentad-load/1` fields may be added, none changes its meaning or goes away.
//! `report.schema.json` beside this file describes it; `pentad-load schema` prints that.

pub mod files;
pub mod html;
pub mod table;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::record::{Failure, OpTally, Row, merge};

/// The name and version of the schema.
pub const SCHEMA: &str = "pentad-load/1";
/// The schema itself.
pub const SCHEMA_TEXT: &str = include_str!("report.schema.json");

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub schema: String,
    pub tool_version: String,
    /// What to call this run beside others.
    pub label: String,
    pub started_unix_s: u64,
    pub command: Vec<String>,
    pub seed: u64,
    pub threads: usize,
    pub verified: bool,
    /// False where the generator itself could not do what was asked: the numbers say nothing about the target.
    pub valid: bool,
    /// False where the run ended before its time.
    pub complete: bool,
    /// What made the run invalid, incomplete or unsuccessful, one sentence each.
    pub problems: Vec<String>,
    pub warmup_s: f64,
    pub measured_s: f64,
    pub total: Stats,
    pub loads: Vec<LoadReport>,
    pub generator: Generator,
    pub reconnects: u64,
    pub faults: Faults,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// The first failures, and how many there were.
    pub failures: Vec<FailureReport>,
    pub failures_total: u64,
    pub timeline: Vec<RowReport>,
}

/// One target and what was asked of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadReport {
    pub target: String,
    pub protocol: String,
    pub work: String,
    /// `closed` or `open`.
    #[serde(rename = "loop")]
    pub kind: String,
    pub rate_per_s: Option<f64>,
    pub arrivals: Option<String>,
    pub connections: usize,
    pub pipeline: usize,
    pub keys: u64,
    pub server: ServerReport,
    pub total: Stats,
    pub operations: Vec<OpReport>,
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpReport {
    pub name: String,
    #[serde(flatten)]
    pub stats: Stats,
}

/// The server behind a target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerReport {
    pub version: Option<String>,
    pub pid: Option<u32>,
    pub cpu_us_per_request: Option<f64>,
    /// `/proc` or `INFO`.
    pub cpu_source: Option<String>,
}

/// Counts and latencies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stats {
    /// Replies received.
    pub requests: u64,
    pub rps: f64,
    /// Answered with an error.
    pub refused: u64,
    /// Answered wrongly.
    pub wrong: u64,
    /// Not answered.
    pub lost: u64,
    /// Reads of keys that were not there.
    pub misses: u64,
    /// Replies that could not be checked, because this run had not written the key.
    pub unverified: u64,
    pub latency: Latency,
    /// From the actual send time; in an open loop only.
    pub service: Option<Latency>,
}

/// Latencies in µs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    pub min_us: u64,
    pub mean_us: f64,
    pub stdev_us: f64,
    pub p50_us: u64,
    pub p75_us: u64,
    pub p90_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
    pub p99_9_us: u64,
    pub p99_99_us: u64,
    pub max_us: u64,
    /// The curve: pairs of quantile (0 to 1) and µs. Only for totals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(f64, u64)>,
}

/// The generator about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Generator {
    pub cpu_us_per_request: f64,
    /// CPU time over wall time of its busiest thread: near 1 it was the bottleneck itself.
    pub busiest_thread: f64,
    /// How late requests of an open loop left by the generator's own fault.
    pub lateness: Option<Latency>,
    /// Requests of an open loop that were due and never sent, because all connections waited for replies.
    pub unsent: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Faults {
    pub split_writes: u64,
    pub half_closes: u64,
    pub resets: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailureReport {
    pub at_s: f64,
    pub target: String,
    pub connection: usize,
    pub request: String,
    pub reply: String,
    pub why: String,
}

/// One second of the run (or more, in one of more than an hour).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowReport {
    pub start_s: f64,
    pub period_s: f64,
    pub requests: u64,
    pub rps: f64,
    pub failed: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

impl Latency {
    /// The figures of a histogram, with its curve if asked for.
    pub fn of(h: &Histogram<u64>, curve: bool) -> Self {
        if h.is_empty() {
            return Latency::default();
        }
        let at = |q: f64| h.value_at_quantile(q);
        Latency {
            min_us: h.min(),
            mean_us: h.mean(),
            stdev_us: h.stdev(),
            p50_us: at(0.5),
            p75_us: at(0.75),
            p90_us: at(0.9),
            p95_us: at(0.95),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            p99_99_us: at(0.9999),
            max_us: h.max(),
            curve: if curve { curve_of(h) } else { Vec::new() },
        }
    }
}

fn curve_of(h: &Histogram<u64>) -> Vec<(f64, u64)> {
    let mut points: Vec<(f64, u64)> = h
        .iter_quantiles(5)
        .map(|step| {
            (
                step.quantile_iterated_to(),
                h.highest_equivalent(step.value_iterated_to()).min(h.max()),
            )
        })
        .collect();
    points.dedup();
    points
}

impl Stats {
    /// The sum of some operations over `seconds`.
    pub fn of<'a>(ops: impl Iterator<Item = &'a OpTally>, seconds: f64, curve: bool) -> Self {
        let mut latency = crate::record::histogram();
        let mut service: Option<Histogram<u64>> = None;
        let mut stats = Stats {
            requests: 0,
            rps: 0.0,
            refused: 0,
            wrong: 0,
            lost: 0,
            misses: 0,
            unverified: 0,
            latency: Latency::default(),
            service: None,
        };
        for op in ops {
            merge(&mut latency, &op.latency);
            if let Some(more) = &op.service {
                merge(service.get_or_insert_with(crate::record::histogram), more);
            }
            stats.refused += op.refused;
            stats.wrong += op.wrong;
            stats.lost += op.lost;
            stats.misses += op.misses;
            stats.unverified += op.unknown;
        }
        stats.requests = latency.len();
        stats.rps = if seconds > 0.0 {
            latency.len() as f64 / seconds
        } else {
            0.0
        };
        stats.latency = Latency::of(&latency, curve);
        stats.service = service.map(|h| Latency::of(&h, curve));
        stats
    }

    /// Errors of every kind.
    pub fn failed(&self) -> u64 {
        self.refused + self.wrong + self.lost
    }
}

impl From<&Row> for RowReport {
    fn from(row: &Row) -> Self {
        RowReport {
            start_s: row.start_s,
            period_s: row.period_s,
            requests: row.requests,
            rps: row.requests as f64 / row.period_s.max(1e-9),
            failed: row.failed,
            p50_us: row.p50_us,
            p99_us: row.p99_us,
            max_us: row.max_us,
        }
    }
}

impl From<&Failure> for FailureReport {
    fn from(f: &Failure) -> Self {
        FailureReport {
            at_s: f.at_s,
            target: f.target.clone(),
            connection: f.connection,
            request: f.request.clone(),
            reply: f.reply.clone(),
            why: f.why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 990 replies of 1 ms, 10 of 1 s: the figures that arithmetic says.
    #[test]
    fn percentiles_against_arithmetic() {
        let mut h = crate::record::histogram();
        h.saturating_record_n(1_000, 990);
        h.saturating_record_n(1_000_000, 10);
        let l = Latency::of(&h, true);
        assert_eq!((l.p50_us, l.p99_us), (1_000, 1_000));
        assert!(
            (999_000..=1_001_000).contains(&l.p99_9_us)
                && (999_000..=1_001_000).contains(&l.max_us)
        );
        assert!((l.mean_us - 10_990.0).abs() < 20.0, "{}", l.mean_us);
        assert!(
            l.curve
                .windows(2)
                .all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1)
        );
        assert_eq!(l.curve.last().map(|p| p.0), Some(1.0));
    }
}
