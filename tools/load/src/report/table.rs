//! The report for people: what was asked, what came of it, and whether to believe it.

use std::fmt::Write;

use super::{LoadReport, Report, Stats};
use crate::units::{show_count, show_us};

/// The whole report as text.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    for load in &report.loads {
        describe(report, load, &mut out);
    }
    let several = report.loads.len() > 1;
    let mut rows = Vec::new();
    for load in &report.loads {
        let prefix = if several {
            format!("{} ", load.protocol)
        } else {
            String::new()
        };
        for op in load
            .operations
            .iter()
            .filter(|op| op.stats.requests + op.stats.failed() > 0)
        {
            rows.push((format!("{prefix}{}", op.name), &op.stats));
        }
        if several {
            rows.push((format!("{prefix}total"), &load.total));
        }
    }
    rows.push(("total".to_string(), &report.total));
    table(&rows, &mut out);
    footer(report, &mut out);
    out
}

fn describe(report: &Report, load: &LoadReport, out: &mut String) {
    let server = load
        .server
        .version
        .as_deref()
        .map(|v| format!(" ({v})"))
        .unwrap_or_default();
    let pace = match load.rate_per_s {
        Some(rate) => format!(
            "open loop, {} requests/s {}",
            show_count(rate as u64),
            load.arrivals.as_deref().unwrap_or("")
        ),
        None => "closed loop".to_string(),
    };
    let _ = writeln!(
        out,
        "{}{server}\n  {}; {} keys; {pace}, {} connections, pipeline {}, {} thread{}",
        load.target,
        load.work,
        show_count(load.keys),
        load.connections,
        load.pipeline,
        report.threads,
        if report.threads == 1 { "" } else { "s" },
    );
    for note in &load.notes {
        let _ = writeln!(out, "  note: {note}");
    }
}

fn table(rows: &[(String, &Stats)], out: &mut String) {
    let width = rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0)
        .max(9);
    let _ = writeln!(
        out,
        "\n{:width$} {:>12} {:>11} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "operation",
        "requests",
        "per second",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "p99.99",
        "max",
        "miss",
        "errors"
    );
    for (name, stats) in rows {
        line(name, width, stats, &stats.latency, true, out);
        if let Some(service) = &stats.service {
            line("  service", width, stats, service, false, out);
        }
    }
}

fn line(
    name: &str,
    width: usize,
    stats: &Stats,
    l: &super::Latency,
    counts: bool,
    out: &mut String,
) {
    let us = |us: u64| {
        if stats.requests > 0 {
            show_us(us as f64)
        } else {
            "-".to_string()
        }
    };
    let count = |n: u64| if counts { show_count(n) } else { String::new() };
    let _ = writeln!(
        out,
        "{name:width$} {:>12} {:>11} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        count(stats.requests),
        if counts {
            show_count(stats.rps.round() as u64)
        } else {
            String::new()
        },
        us(l.p50_us),
        us(l.p90_us),
        us(l.p99_us),
        us(l.p99_9_us),
        us(l.p99_99_us),
        us(l.max_us),
        count(stats.misses),
        count(stats.failed()),
    );
}

fn footer(report: &Report, out: &mut String) {
    let _ = writeln!(out);
    for load in &report.loads {
        if let Some(us) = load.server.cpu_us_per_request {
            let _ = writeln!(
                out,
                "server     {us:.3} µs CPU per request (from {}){}",
                load.server.cpu_source.as_deref().unwrap_or("?"),
                if report.loads.len() > 1 {
                    format!(", {}", load.target)
                } else {
                    String::new()
                },
            );
        }
    }
    let g = &report.generator;
    let _ = write!(
        out,
        "generator  {:.3} µs CPU per request, busiest thread {:.0} % of a core",
        g.cpu_us_per_request,
        100.0 * g.busiest_thread
    );
    if let Some(late) = &g.lateness {
        let _ = write!(
            out,
            "; sent late by p50 {}, p99 {}, max {}",
            show_us(late.p50_us as f64),
            show_us(late.p99_us as f64),
            show_us(late.max_us as f64)
        );
    }
    let _ = writeln!(out);
    let s = &report.total;
    let _ = write!(out, "replies    ");
    let _ = match (report.verified, s.failed()) {
        (false, 0) => writeln!(
            out,
            "not checked against what was stored (--no-verify); no errors"
        ),
        (true, 0) if s.unverified > 0 => writeln!(
            out,
            "all as they must be; {} could not be checked, because this run had not written the key",
            show_count(s.unverified)
        ),
        (true, 0) => writeln!(out, "all checked, all as they must be"),
        _ => writeln!(
            out,
            "{} wrong, {} errors, {} never came",
            show_count(s.wrong),
            show_count(s.refused),
            show_count(s.lost)
        ),
    };
    let f = &report.faults;
    if f.split_writes + f.half_closes + f.resets > 0 {
        let _ = writeln!(
            out,
            "faults     {} writes split, {} connections half-closed, {} reset, on purpose",
            f.split_writes, f.half_closes, f.resets
        );
    }
    if report.reconnects > 0 {
        let _ = writeln!(out, "reconnects {}", report.reconnects);
    }
    for f in &report.failures {
        let _ = writeln!(
            out,
            "\nat {:.3} s, connection {} of {}\n  request  {}\n  reply    {}\n  problem  {}",
            f.at_s, f.connection, f.target, f.request, f.reply, f.why
        );
    }
    let shown = report.failures.len() as u64;
    if report.failures_total > shown {
        let _ = writeln!(
            out,
            "\n... and {} more",
            show_count(report.failures_total - shown)
        );
    }
    for problem in &report.problems {
        let _ = writeln!(out, "\n{problem}");
    }
}
