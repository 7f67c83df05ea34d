//! The reports that are plain files: JSON, CSV per second, and the percentile format of HdrHistogram.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::{Report, SCHEMA};

/// Writes a file, or says why not in one line.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// Reads a report written with `--json`.
pub fn read(path: &Path) -> Result<Report, String> {
    let fail = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
    let report: Report =
        serde_json::from_str(&text).map_err(|e| fail(format!("no report: {e}")))?;
    if report.schema != SCHEMA {
        return Err(fail(format!("schema {} is not {SCHEMA}", report.schema)));
    }
    Ok(report)
}

/// The report as JSON.
pub fn json(report: &Report) -> String {
    // A report holds nothing that JSON cannot.
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

/// One row per second.
pub fn csv(report: &Report) -> String {
    let mut out = String::from("start_s,period_s,requests,rps,failed,p50_us,p99_us,max_us\n");
    for r in &report.timeline {
        let _ = writeln!(
            out,
            "{},{},{},{:.1},{},{},{},{}",
            r.start_s, r.period_s, r.requests, r.rps, r.failed, r.p50_us, r.p99_us, r.max_us
        );
    }
    out
}

/// The percentile distribution in milliseconds, as HdrHistogram's plotter reads it.
pub fn hgrm(report: &Report) -> String {
    let latency = &report.total.latency;
    let total = report.total.requests;
    let mut out = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    for &(quantile, us) in &latency.curve {
        let count = (quantile * total as f64).round() as u64;
        let _ = write!(out, "{:12.3} {quantile:2.12} {count:10}", us as f64 / 1e3);
        let _ = if quantile < 1.0 {
            writeln!(out, " {:14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(out)
        };
    }
    let _ = writeln!(
        out,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    = {total:12}]",
        latency.mean_us / 1e3,
        latency.stdev_us / 1e3,
        latency.max_us as f64 / 1e3
    );
    out
}
