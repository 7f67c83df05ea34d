//! `sweep`: open loops at rising rates until a bound breaks, then a search for the knee in between.

use std::str::FromStr;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::cli::SweepArgs;
use crate::plan::Plan;
use crate::report::{Latency, Report};
use crate::run::{self, Around};
use crate::units::{parse_duration, show_count, show_us};

/// A bound on latency: all its parts must hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slo {
    pub text: String,
    parts: Vec<(String, u64)>,
}

/// One rate that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub rate_per_s: f64,
    pub rps: f64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub p99_9_us: u64,
    pub max_us: u64,
    pub server_cpu_us: Option<f64>,
    pub holds: bool,
    /// Why it does not hold.
    pub why: String,
}

/// A whole sweep.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    pub schema: String,
    pub target: String,
    pub slo: String,
    /// In the order of the rates.
    pub steps: Vec<Step>,
    /// The highest rate at which the bound held.
    pub knee_per_s: Option<f64>,
    pub complete: bool,
}

impl FromStr for Slo {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for part in text.split(',') {
            let (figure, bound) = part
                .split_once('<')
                .ok_or_else(|| format!("`{part}` is no bound (try p99<1ms)"))?;
            let figure = figure.trim().to_string();
            if figure_of(&Latency::default(), &figure).is_none() {
                return Err(format!(
                    "`{figure}` is no figure (p50 p75 p90 p95 p99 p99.9 p99.99 max mean)"
                ));
            }
            parts.push((figure, parse_duration(bound)?.as_micros() as u64));
        }
        Ok(Slo {
            text: text.to_string(),
            parts,
        })
    }
}

impl Slo {
    /// The first part that does not hold.
    pub fn broken_by(&self, latency: &Latency) -> Option<String> {
        self.parts.iter().find_map(|(figure, bound_us)| {
            let us = figure_of(latency, figure)?;
            (us >= *bound_us).then(|| format!("{figure} is {}", show_us(us as f64)))
        })
    }
}

fn figure_of(l: &Latency, name: &str) -> Option<u64> {
    Some(match name {
        "p50" => l.p50_us,
        "p75" => l.p75_us,
        "p90" => l.p90_us,
        "p95" => l.p95_us,
        "p99" => l.p99_us,
        "p99.9" => l.p99_9_us,
        "p99.99" => l.p99_99_us,
        "max" => l.max_us,
        "mean" => l.mean_us as u64,
        _ => return None,
    })
}

/// Runs a sweep. The last report is that of the knee, or of the first step if there is none.
pub fn sweep(args: &SweepArgs, around: &Around) -> Result<(Sweep, Option<Report>), String> {
    let mut base = args.run.plan()?;
    if args.factor <= 1.01 || args.factor > 1000.0 {
        return Err("--factor must be above 1.01".to_string());
    }
    if args.from.0 == 0 || args.from.0 > args.to.0 {
        return Err("--from must be above 0 and not above --to".to_string());
    }
    (base.duration, base.requests) = (Some(args.step.0), None);
    let mut sweep = Sweep {
        schema: "pentad-load-sweep/1".to_string(),
        target: base
            .loads
            .iter()
            .map(|l| l.target.to_string())
            .collect::<Vec<_>>()
            .join(", "),
        slo: args.slo.text.clone(),
        steps: Vec::new(),
        knee_per_s: None,
        complete: true,
    };
    let mut best: Option<Report> = None;
    let mut first = true;
    let inner = Around {
        quiet: true,
        ..around.clone()
    };
    let mut attempt = |rate: f64, sweep: &mut Sweep| -> Result<bool, String> {
        let plan = at_rate(&base, rate, std::mem::take(&mut first));
        let report = run::run(&plan, &inner)?;
        let step = judge(&args.slo, rate, &report);
        if !around.quiet {
            eprintln!("{}", step_line(&step));
        }
        let holds = step.holds;
        sweep.steps.push(step);
        if holds || best.is_none() {
            best = Some(report);
        }
        if around.interrupted.load(Relaxed) {
            sweep.complete = false;
        }
        Ok(holds)
    };
    let (mut good, mut bad) = (None, None);
    let mut rate = args.from.0 as f64;
    while bad.is_none() && sweep.complete && rate <= args.to.0 as f64 * 1.0001 {
        if attempt(rate, &mut sweep)? {
            good = Some(rate)
        } else {
            bad = Some(rate)
        }
        rate *= args.factor;
    }
    if let (Some(mut low), Some(mut high)) = (good, bad) {
        for _ in 0..args.refine {
            if !sweep.complete {
                break;
            }
            let middle = (low * high).sqrt();
            if attempt(middle, &mut sweep)? {
                low = middle
            } else {
                high = middle
            }
        }
        good = Some(low);
    }
    sweep.knee_per_s = good;
    sweep
        .steps
        .sort_by(|a, b| a.rate_per_s.total_cmp(&b.rate_per_s));
    Ok((sweep, best))
}

/// The plan at a rate, shared by its loads as their own rates would be, or evenly.
fn at_rate(base: &Plan, rate: f64, first: bool) -> Plan {
    let mut plan = base.clone();
    let total: f64 = plan.loads.iter().filter_map(|l| l.rate).sum();
    let count = plan.loads.len() as f64;
    for load in &mut plan.loads {
        let part = load
            .rate
            .filter(|_| total > 0.0)
            .map_or(1.0 / count, |r| r / total);
        load.rate = Some(rate * part);
        // The keys are there from the first step on; only lab+digit cannot be read without knowing so.
        if !first
            && load.target.protocol != crate::target::Protocol::Lab(crate::target::Framing::Digit)
        {
            load.preload = None;
        }
    }
    plan
}

fn judge(slo: &Slo, rate: f64, report: &Report) -> Step {
    let l = &report.total.latency;
    let due = report.total.requests + report.generator.unsent;
    let why = if !report.valid {
        "the generator could not keep its schedule".to_string()
    } else if report.failures_total > 0 {
        format!("{} requests failed", report.failures_total)
    } else if !report.complete {
        "the run was cut short".to_string()
    } else if report.generator.unsent * 100 > due {
        "the target did not keep up with the rate".to_string()
    } else {
        slo.broken_by(l).unwrap_or_default()
    };
    Step {
        rate_per_s: rate,
        rps: report.total.rps,
        p50_us: l.p50_us,
        p99_us: l.p99_us,
        p99_9_us: l.p99_9_us,
        max_us: l.max_us,
        server_cpu_us: report
            .loads
            .first()
            .and_then(|l| l.server.cpu_us_per_request),
        holds: why.is_empty(),
        why,
    }
}

fn step_line(s: &Step) -> String {
    format!(
        "{:>12} {:>12} {:>9} {:>9} {:>9} {:>9}  {}",
        show_count(s.rate_per_s.round() as u64),
        show_count(s.rps.round() as u64),
        show_us(s.p50_us as f64),
        show_us(s.p99_us as f64),
        show_us(s.p99_9_us as f64),
        show_us(s.max_us as f64),
        if s.holds { "holds" } else { &s.why }
    )
}

/// The sweep as text.
pub fn render(sweep: &Sweep) -> String {
    let mut out = format!(
        "{} under {}\n\n{:>12} {:>12} {:>9} {:>9} {:>9} {:>9}\n",
        sweep.target, sweep.slo, "rate", "achieved", "p50", "p99", "p99.9", "max"
    );
    for step in &sweep.steps {
        out.push_str(&step_line(step));
        out.push('\n');
    }
    match sweep.knee_per_s {
        Some(rate) if sweep.steps.iter().all(|s| s.holds) => {
            out.push_str(&format!(
                "\nno knee up to {} requests per second: the bound held at every rate tried\n",
                show_count(rate.round() as u64)
            ));
        }
        Some(rate) => out.push_str(&format!(
            "\nknee: {} requests per second is the highest rate at which {} holds\n",
            show_count(rate.round() as u64),
            sweep.slo
        )),
        None => out.push_str("\nno knee: the bound does not hold at the lowest rate\n"),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_parse_and_judge() {
        let slo: Slo = "p99<1ms, max<1s".parse().expect("parses");
        let latency = |p99_us, max_us| Latency {
            p99_us,
            max_us,
            ..Latency::default()
        };
        assert_eq!(slo.broken_by(&latency(999, 999_999)), None);
        assert_eq!(
            slo.broken_by(&latency(1000, 0)),
            Some("p99 is 1.00 ms".into())
        );
        assert!(
            slo.broken_by(&latency(1, 2_000_000))
                .is_some_and(|w| w.contains("max"))
        );
        for bad in ["p99", "p98<1ms", "p99<x", ""] {
            assert!(bad.parse::<Slo>().is_err(), "{bad}");
        }
    }
}
