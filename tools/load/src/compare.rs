//! `compare`: the same load against several targets in interleaved rounds (A B C, A B C, ...), so that whatever
//! drifts on the machine hits all alike; then medians, ratios, spread, and whether a difference is more than noise.

use std::fmt::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::CompareArgs;
use crate::report::Report;
use crate::run::{self, Around};
use crate::stats::{median, spread, verdict};
use crate::target::{Address, Target};
use crate::units::{show_count, show_us};

/// One side of a comparison.
#[derive(Clone, Debug)]
struct Side {
    name: String,
    url: String,
    start: Option<String>,
}

/// The result: per figure, each side's rounds.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub schema: String,
    pub rounds: u32,
    pub sides: Vec<String>,
    pub figures: Vec<Figure>,
    pub complete: bool,
}

/// One figure of all sides.
#[derive(Debug, Serialize)]
pub struct Figure {
    pub name: String,
    pub sides: Vec<FigureSide>,
}

#[derive(Debug, Serialize)]
pub struct FigureSide {
    pub values: Vec<f64>,
    pub median: f64,
    /// Half the distance from smallest to largest over the median.
    pub spread: f64,
    /// Median over the first side's median.
    pub ratio: f64,
    /// Whether it differs from the first side beyond the noise, in words.
    pub verdict: String,
}

/// Runs the rounds. Also gives the report of each side's round of median throughput, to be shown as a picture.
pub fn compare(args: &CompareArgs, around: &Around) -> Result<(Comparison, Vec<Report>), String> {
    let sides = sides(args)?;
    if args.rounds == 0 {
        return Err("--rounds must be above 0".to_string());
    }
    let mut reports: Vec<Vec<Report>> = sides.iter().map(|_| Vec::new()).collect();
    let mut complete = true;
    'rounds: for round in 1..=args.rounds {
        for (side, got) in sides.iter().zip(&mut reports) {
            let mut run = args.run.clone();
            run.targets = vec![side.url.clone()];
            let target = Target::parse(&side.url)?;
            let server = side
                .start
                .as_ref()
                .map(|command| Started::new(command, &target))
                .transpose()?;
            let around = Around {
                label: side.name.clone(),
                quiet: true,
                ..around.clone()
            };
            let report =
                run::run(&run.plan()?, &around).map_err(|e| format!("{}: {e}", side.name))?;
            drop(server);
            if !args.run.output.quiet {
                eprintln!(
                    "round {round} {:12} {:>12} per second  p99 {}{}",
                    side.name,
                    show_count(report.total.rps.round() as u64),
                    show_us(report.total.latency.p99_us as f64),
                    if report.failures_total > 0 {
                        "  FAILED"
                    } else {
                        ""
                    }
                );
            }
            let (failed, valid) = (report.failures_total, report.valid);
            got.push(report);
            if around.interrupted.load(Relaxed) {
                complete = false;
                break 'rounds;
            }
            if failed > 0 || !valid {
                complete = false;
            }
        }
    }
    // A round that not every side has finished says nothing.
    let whole = reports.iter().map(Vec::len).min().unwrap_or(0);
    for side in &mut reports {
        side.truncate(whole);
    }
    let names: Vec<String> = sides.into_iter().map(|s| s.name).collect();
    let comparison = Comparison {
        schema: "pentad-load-compare/1".to_string(),
        rounds: whole as u32,
        figures: figures(&reports),
        sides: names,
        complete,
    };
    Ok((
        comparison,
        reports.into_iter().filter_map(typical).collect(),
    ))
}

fn sides(args: &CompareArgs) -> Result<Vec<Side>, String> {
    let pair = |text: &str| {
        let (name, rest) = text
            .split_once('=')
            .filter(|(n, r)| !n.is_empty() && !r.is_empty())?;
        Some((name.to_string(), rest.to_string()))
    };
    if args.run.mix_file.is_some() || !args.run.targets.is_empty() {
        return Err(
            "compare takes its targets as NAME=URL, not from --target or --mix-file".to_string(),
        );
    }
    let mut sides = Vec::new();
    for text in &args.sides {
        let (name, url) = pair(text).ok_or_else(|| format!("`{text}` is not NAME=URL"))?;
        Target::parse(&url)?;
        if sides.iter().any(|s: &Side| s.name == name) {
            return Err(format!("two sides are called `{name}`"));
        }
        sides.push(Side {
            name,
            url,
            start: None,
        });
    }
    for text in &args.starts {
        let (name, command) = pair(text).ok_or_else(|| format!("`{text}` is not NAME=COMMAND"))?;
        let side = sides
            .iter_mut()
            .find(|s| s.name == name)
            .ok_or_else(|| format!("no side is called `{name}`"))?;
        side.start = Some(command);
    }
    Ok(sides)
}

/// A server started for one round; stopped when dropped.
struct Started(Child);

impl Started {
    fn new(command: &str, target: &Target) -> Result<Self, String> {
        let connects = || match &target.address {
            Address::Tcp(a) => {
                std::net::TcpStream::connect_timeout(a, Duration::from_millis(200)).is_ok()
            }
            Address::Unix(p) => std::os::unix::net::UnixStream::connect(p).is_ok(),
        };
        if connects() {
            return Err(format!(
                "something else listens on {target} already, so `{command}` was not started"
            ));
        }
        // `exec` makes the shell become the server, so that the signal reaches it.
        let child = Command::new("/bin/sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("cannot start `{command}`: {e}"))?;
        let mut started = Started(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if connects() {
                return Ok(started);
            }
            if let Ok(Some(status)) = started.0.try_wait() {
                return Err(format!(
                    "`{command}` ended before it listened on {target}: {status}"
                ));
            }
            if Instant::now() >= deadline {
                return Err(format!(
                    "`{command}` did not listen on {target} within 10 s"
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        // Asked to end first, so that a server with data to save can; made to after two seconds.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            if matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The report of median throughput: a last round would be one by chance.
fn typical(mut reports: Vec<Report>) -> Option<Report> {
    reports.sort_by(|a, b| a.total.rps.total_cmp(&b.total.rps));
    let middle = reports.len().checked_sub(1)? / 2;
    Some(reports.swap_remove(middle))
}

fn figures(reports: &[Vec<Report>]) -> Vec<Figure> {
    type Read = fn(&Report) -> Option<f64>;
    let rows: [(&str, Read); 6] = [
        ("requests per second", |r| Some(r.total.rps)),
        ("p50 µs", |r| Some(r.total.latency.p50_us as f64)),
        ("p99 µs", |r| Some(r.total.latency.p99_us as f64)),
        ("p99.9 µs", |r| Some(r.total.latency.p99_9_us as f64)),
        ("max µs", |r| Some(r.total.latency.max_us as f64)),
        ("server CPU µs per request", |r| {
            r.loads.first()?.server.cpu_us_per_request
        }),
    ];
    let mut figures = Vec::new();
    for (name, read) in rows {
        let values: Vec<Vec<f64>> = reports
            .iter()
            .map(|side| side.iter().filter_map(read).collect())
            .collect();
        if values.iter().any(Vec::is_empty) {
            continue;
        }
        let base = median(&values[0]);
        let side = |(i, v): (usize, &Vec<f64>)| FigureSide {
            median: median(v),
            spread: spread(v),
            ratio: if base > 0.0 { median(v) / base } else { 0.0 },
            verdict: if i == 0 {
                String::new()
            } else {
                verdict(&values[0], v)
            },
            values: v.clone(),
        };
        figures.push(Figure {
            name: name.to_string(),
            sides: values.iter().enumerate().map(side).collect(),
        });
    }
    figures
}

/// The comparison as text.
pub fn render(c: &Comparison) -> String {
    let width = c.sides.iter().map(String::len).max().unwrap_or(0).max(8);
    let mut out = format!(
        "medians of {} interleaved rounds; ratios to {}\n",
        c.rounds,
        c.sides.first().map_or("", String::as_str)
    );
    for figure in &c.figures {
        let _ = writeln!(out, "\n{}", figure.name);
        for (name, side) in c.sides.iter().zip(&figure.sides) {
            let digits = if side.median < 100.0 { 3 } else { 0 };
            let _ = writeln!(
                out,
                "  {name:width$} {:>14.digits$}  ±{:>4.1} %  x{:<6.3} {}",
                side.median,
                100.0 * side.spread,
                side.ratio,
                side.verdict
            );
        }
    }
    if !c.complete {
        let _ = writeln!(out, "\nNot every round ended as it should: see above.");
    }
    out
}
