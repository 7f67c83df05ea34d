//! One run from start to report: preload, warm-up, measurement, audit. The main thread's side of the workers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::check::LoadState;
use crate::live::Live;
use crate::plan::{Action, Load, Plan};
use crate::probe::{self, Server};
use crate::record::{Failure, Row, Tally, Timeline};
use crate::report::{
    FailureReport, Faults, Generator, Latency, LoadReport, OpReport, Report, RowReport, SCHEMA,
    ServerReport, Stats,
};
use crate::target::Protocol;
use crate::units::show_us;
use crate::worker::Report as Told;
use crate::worker::{LoadShare, Orders, Share, Stage, Summary, Worker};

/// What belongs to a run but not to its plan.
#[derive(Clone, Debug)]
pub struct Around {
    /// What to call the run beside others.
    pub label: String,
    pub command: Vec<String>,
    pub quiet: bool,
    /// Set by Ctrl-C.
    pub interrupted: Arc<AtomicBool>,
}

/// How many failures a report shows.
const FAILURES_MAX: usize = 10;

/// Runs a plan. `Err` is one line: nothing could be measured at all.
pub fn run(plan: &Plan, around: &Around) -> Result<Report, String> {
    let started_unix_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let states: Vec<Arc<LoadState>> = plan
        .loads
        .iter()
        .map(|load| Arc::new(LoadState::new(load.clone(), plan.verify, plan.threads > 1)))
        .collect();
    let servers: Vec<Server> = plan
        .loads
        .iter()
        .map(|load| Server::find(&load.target, plan.timeout))
        .collect();
    for state in &states {
        if state.load.target.protocol == Protocol::Counter {
            let value = probe::counter(&state.load.target, plan.timeout).map_err(|e| {
                format!(
                    "cannot read the counter of {}: {}",
                    state.load.target,
                    crate::worker::plain(&e)
                )
            })?;
            state.counter_was(value);
        }
    }
    let mut extra = Extra::default();
    if plan.loads.iter().any(|load| load.preload.is_some()) {
        extra.sweep(plan, around, &states, Stage::Preload)?;
    }
    let outcome = stage(plan, around, &states, Stage::Measure, &servers)?;
    let over = outcome.fatal.is_some() || around.interrupted.load(Relaxed);
    if plan.audit && !over && plan.loads.iter().any(|load| load.audit.is_some()) {
        for state in &states {
            state.sweep.store(0, Relaxed);
        }
        extra.sweep(plan, around, &states, Stage::Audit)?;
    }
    for state in states
        .iter()
        .filter(|s| s.load.target.protocol == Protocol::Counter && !over)
    {
        extra.check_counter(state, plan.timeout);
    }
    Ok(report(
        plan,
        around,
        &states,
        &servers,
        outcome,
        extra,
        started_unix_s,
    ))
}

/// What went wrong before and after the measurement.
#[derive(Default)]
struct Extra {
    failures: Vec<Failure>,
    failed: u64,
    problems: Vec<String>,
}

impl Extra {
    /// Preload or audit: every key once.
    fn sweep(
        &mut self,
        plan: &Plan,
        around: &Around,
        states: &[Arc<LoadState>],
        what: Stage,
    ) -> Result<(), String> {
        let outcome = stage(plan, around, states, what, &[])?;
        if let Some(why) = outcome.fatal {
            return Err(why);
        }
        let name = if what == Stage::Preload {
            "preload"
        } else {
            "audit"
        };
        let failed = outcome.tally.failed();
        if failed > 0 {
            self.problems
                .push(format!("{failed} requests of the {name} failed"));
        }
        self.failed += failed;
        self.failures.extend(outcome.failures);
        Ok(())
    }

    fn check_counter(&mut self, state: &LoadState, timeout: Duration) {
        let Some(want) = state.counter_must_be() else {
            return;
        };
        match probe::counter(&state.load.target, timeout) {
            Ok(got) if got == want => {}
            Ok(got) => {
                self.failed += 1;
                self.problems.push(format!(
                    "the counter of {} is {got}, but must be {want}",
                    state.load.target
                ));
            }
            Err(e) => {
                self.failed += 1;
                self.problems.push(format!(
                    "the counter of {} cannot be read: {e}",
                    state.load.target
                ));
            }
        }
    }
}

/// What a stage gave.
struct Outcome {
    tally: Tally,
    timeline: Timeline,
    failures: Vec<Failure>,
    fatal: Option<String>,
    summaries: Vec<Summary>,
    measured_s: f64,
    /// CPU seconds each server used while it was measured.
    server_cpu_s: Vec<Option<f64>>,
}

/// One thread as the main thread sees it.
struct Handle {
    start: Sender<Instant>,
    recycle: Sender<Box<Tally>>,
    thread: thread::JoinHandle<()>,
}

fn stage(
    plan: &Plan,
    around: &Around,
    states: &[Arc<LoadState>],
    what: Stage,
    servers: &[Server],
) -> Result<Outcome, String> {
    let measure = what == Stage::Measure;
    let stop = Arc::new(AtomicBool::new(false));
    let orders = Orders {
        stage: what,
        loads: states.to_vec(),
        seed: plan.seed,
        warmup: if measure { plan.warmup } else { Duration::ZERO },
        duration: plan.duration.filter(|_| measure),
        timeout: plan.timeout,
        faults: plan.faults,
        stop: Arc::clone(&stop),
    };
    let service: Vec<bool> = plan
        .loads
        .iter()
        .flat_map(|load| load.ops.iter().map(|_| load.rate.is_some() && measure))
        .collect();
    let (tell, told) = mpsc::channel();
    let mut handles = Vec::new();
    for share in shares(plan, measure) {
        let (start, started) = mpsc::channel();
        let (recycle, recycled) = mpsc::channel();
        let tally = Box::new(Tally::new(&service));
        let worker = Worker::new(orders.clone(), &share, tally, recycled, tell.clone())
            .map_err(|e| format!("cannot set up a thread: {e}"))?;
        let thread = thread::Builder::new()
            .name(format!("load-{}", share.thread))
            .spawn(move || worker.run(&started))
            .map_err(|e| format!("cannot start a thread: {e}"))?;
        handles.push(Handle {
            start,
            recycle,
            thread,
        });
    }
    drop(tell);
    let name = match what {
        Stage::Measure => "run",
        Stage::Preload => "preload",
        Stage::Audit => "audit",
    };
    let length = match (what, orders.duration, plan.requests) {
        (Stage::Measure, Some(duration), _) => (orders.warmup + duration).as_millis() as u64,
        (Stage::Measure, None, requests) => requests.unwrap_or(0),
        _ => plan.loads.iter().map(|load| load.keys).sum(),
    };
    let mut main = Main {
        handles: handles.len(),
        around,
        orders: &orders,
        servers,
        live: Live::new(
            name,
            length,
            around.quiet || (!measure && length < 1_000_000),
        ),
        seconds: Seconds::new(&service, handles.len()),
        failures: Vec::new(),
        fatal: None,
        summaries: Vec::new(),
        ready: 0,
        origin: None,
        cpu_before: None,
        cpu_after: None,
    };
    main.collect(&told, &handles);
    let Main {
        live,
        mut seconds,
        failures,
        fatal,
        summaries,
        cpu_before,
        cpu_after,
        origin,
        ..
    } = main;
    live.finish();
    for handle in handles {
        if handle.thread.join().is_err() {
            return Err("a thread of the generator died; this is a bug".to_string());
        }
    }
    if let (None, Some(why)) = (origin, &fatal) {
        return Err(why.clone());
    }
    let warmup_ns = orders.warmup.as_nanos() as u64;
    let end_ns = summaries
        .iter()
        .map(|s| s.last_reply_ns.saturating_sub(warmup_ns))
        .max()
        .unwrap_or(0);
    let wall_ns = summaries.iter().map(|s| s.wall_ns).max().unwrap_or(0);
    let measured_s = if orders.duration.is_some() {
        wall_ns.max(end_ns)
    } else {
        end_ns
    } as f64
        / 1e9;
    seconds.finish(measured_s);
    let used = |i: usize| {
        Some(cpu_after.as_ref()?.get(i).copied()?? - cpu_before.as_ref()?.get(i).copied()??)
    };
    Ok(Outcome {
        tally: seconds.total,
        timeline: seconds.timeline,
        failures,
        fatal,
        summaries,
        measured_s,
        server_cpu_s: (0..states.len()).map(used).collect(),
    })
}

/// The main thread while the workers work.
struct Main<'a> {
    handles: usize,
    around: &'a Around,
    orders: &'a Orders,
    servers: &'a [Server],
    live: Live,
    seconds: Seconds,
    failures: Vec<Failure>,
    fatal: Option<String>,
    summaries: Vec<Summary>,
    ready: usize,
    origin: Option<Instant>,
    cpu_before: Option<Vec<Option<f64>>>,
    cpu_after: Option<Vec<Option<f64>>>,
}

impl Main<'_> {
    /// Listens to the workers until all are done.
    fn collect(&mut self, told: &mpsc::Receiver<Told>, handles: &[Handle]) {
        while self.summaries.len() < self.handles {
            match told.recv_timeout(self.wait()) {
                Ok(Told::Ready) => {
                    self.ready += 1;
                    if self.ready == self.handles {
                        let origin = Instant::now();
                        self.origin = Some(origin);
                        for handle in handles {
                            // A worker that is gone has said why, or its join will.
                            let _ = handle.start.send(origin);
                        }
                    }
                }
                Ok(Told::Second(thread, tally)) => {
                    for row in self.seconds.take(thread, &tally) {
                        self.live.row(&row);
                    }
                    let mut tally = tally;
                    tally.clear();
                    let _ = handles[thread].recycle.send(tally);
                }
                Ok(Told::Failure(failure)) => {
                    if self.failures.len() < FAILURES_MAX {
                        self.live
                            .say(&format!("{}: {}", failure.request, failure.why));
                        self.failures.push(failure);
                    }
                }
                Ok(Told::Fatal(why)) => {
                    self.fatal.get_or_insert(why);
                    self.orders.stop.store(true, Relaxed);
                }
                Ok(Told::Done(summary)) => self.summaries.push(summary),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.around.interrupted.load(Relaxed) {
                self.orders.stop.store(true, Relaxed);
            }
            // Workers wait for the start of all, which never comes once one has failed before it.
            if self.fatal.is_some() && self.origin.is_none() {
                return;
            }
            self.watch_the_clock();
        }
    }

    fn wait(&self) -> Duration {
        let mut wait = Duration::from_millis(100);
        if let Some(origin) = self.origin {
            let now = origin.elapsed();
            for (time, done) in [
                (Some(self.orders.warmup), self.cpu_before.is_some()),
                (
                    self.orders.duration.map(|d| self.orders.warmup + d),
                    self.cpu_after.is_some(),
                ),
            ] {
                if let (Some(time), false) = (time, done) {
                    wait = wait.min(time.saturating_sub(now));
                }
            }
        }
        wait
    }

    fn watch_the_clock(&mut self) {
        let Some(origin) = self.origin else {
            return;
        };
        let now = origin.elapsed();
        let sample = |servers: &[Server]| {
            servers
                .iter()
                .map(|s| s.cpu_s(Duration::from_secs(1)))
                .collect::<Vec<_>>()
        };
        if self.cpu_before.is_none() && now >= self.orders.warmup {
            self.cpu_before = Some(sample(self.servers));
        }
        let over = self
            .orders
            .duration
            .is_some_and(|d| now >= self.orders.warmup + d)
            || !self.summaries.is_empty();
        if self.cpu_after.is_none() && over {
            self.cpu_after = Some(sample(self.servers));
        }
        match (self.orders.stage, self.orders.duration) {
            (Stage::Measure, Some(_)) => self.live.position(now.as_millis() as u64),
            _ => self.live.position(self.seconds.total.sent),
        }
    }
}

/// Adds up what the threads measured, second by second.
struct Seconds {
    total: Tally,
    timeline: Timeline,
    /// Seconds not all threads have told of, oldest first.
    open: VecDeque<Tally>,
    spare: Vec<Tally>,
    blank: Tally,
    /// Per thread: the first second it has not told of.
    told: Vec<u64>,
    next: u64,
}

impl Seconds {
    fn new(service: &[bool], threads: usize) -> Self {
        Seconds {
            total: Tally::new(service),
            timeline: Timeline::default(),
            open: VecDeque::new(),
            spare: Vec::new(),
            blank: Tally::new(service),
            told: vec![0; threads],
            next: 0,
        }
    }

    /// Enters one thread's second. Gives the rows that are complete now.
    fn take(&mut self, thread: usize, tally: &Tally) -> Vec<Row> {
        self.total.add(tally);
        self.told[thread] = tally.second + 1;
        let place = tally.second.saturating_sub(self.next) as usize;
        while self.open.len() <= place {
            let fresh = self.spare.pop().unwrap_or_else(|| self.blank.clone());
            self.open.push_back(fresh);
        }
        self.open[place].add(tally);
        let complete = self.told.iter().copied().min().unwrap_or(0);
        let mut rows = Vec::new();
        while self.next < complete {
            rows.extend(self.close_one(1.0));
        }
        rows
    }

    /// Enters what is left at the end; the last row may be shorter than a second.
    fn finish(&mut self, measured_s: f64) {
        while !self.open.is_empty() {
            let period = (measured_s - self.next as f64).clamp(0.0, 1.0);
            self.close_one(period);
        }
    }

    fn close_one(&mut self, period_s: f64) -> Option<Row> {
        let mut second = self.open.pop_front()?;
        let latency = second.latency();
        let row = Row {
            start_s: self.next as f64,
            period_s,
            requests: latency.len(),
            failed: second.failed(),
            p50_us: latency.value_at_quantile(0.5),
            p99_us: latency.value_at_quantile(0.99),
            max_us: latency.max(),
        };
        second.clear();
        self.spare.push(second);
        self.next += 1;
        // What arrives while the last replies are waited for is no second of its own.
        if period_s < 0.05 && row.requests == 0 {
            return None;
        }
        self.timeline.push(Row {
            period_s: period_s.max(0.001),
            ..row
        });
        Some(row)
    }
}

/// Shares connections, requests and rates out over the threads.
fn shares(plan: &Plan, measure: bool) -> Vec<Share> {
    let quotas = plan
        .requests
        .filter(|_| measure)
        .map(|total| split(total, plan.loads.len() as u64));
    (0..plan.threads)
        .map(|thread| {
            let loads = plan.loads.iter().enumerate().map(|(i, load)| {
                let per_thread = split(load.connections as u64, plan.threads as u64);
                let connections = per_thread[thread];
                let part = connections as f64 / load.connections as f64;
                // Only threads with a connection can send; the first of them take what does not divide.
                let sending = per_thread.iter().filter(|c| **c > 0).count() as u64;
                let quota = quotas
                    .as_ref()
                    .map(|q| split(q[i], sending).get(thread).copied().unwrap_or(0));
                LoadShare {
                    connections: connections as usize,
                    quota,
                    rate: load.rate.map(|rate| rate * part),
                    phase: thread as f64 / plan.threads as f64,
                }
            });
            Share {
                thread,
                loads: loads.collect(),
            }
        })
        .collect()
}

/// Splits `total` into `parts` that differ by at most one, larger ones first.
fn split(total: u64, parts: u64) -> Vec<u64> {
    (0..parts)
        .map(|i| total / parts + u64::from(i < total % parts))
        .collect()
}

fn report(
    plan: &Plan,
    around: &Around,
    states: &[Arc<LoadState>],
    servers: &[Server],
    outcome: Outcome,
    extra: Extra,
    started_unix_s: u64,
) -> Report {
    let seconds = outcome.measured_s;
    let tally = &outcome.tally;
    let total = Stats::of(tally.ops.iter(), seconds, true);
    let mut loads = Vec::new();
    let mut first = 0;
    for (i, state) in states.iter().enumerate() {
        let load = &state.load;
        let ops = &tally.ops[first..first + load.ops.len()];
        first += load.ops.len();
        let mut report = load_report(load, ops, seconds);
        report.server = ServerReport {
            version: servers[i].version.clone(),
            pid: servers[i].pid,
            // Put in below, when all that a process has answered is known.
            cpu_us_per_request: None,
            cpu_source: outcome.server_cpu_s[i].map(|_| servers[i].cpu_source().to_string()),
        };
        loads.push(report);
    }
    for i in 0..loads.len() {
        // Two loads may have one process for a target, whose CPU time is then for the requests of both.
        let same =
            |j: &usize| *j == i || (servers[i].pid.is_some() && servers[*j].pid == servers[i].pid);
        let requests: u64 = (0..loads.len())
            .filter(same)
            .map(|j| loads[j].total.requests)
            .sum();
        loads[i].server.cpu_us_per_request = outcome.server_cpu_s[i]
            .map(|cpu| cpu * 1e6 / requests as f64)
            .filter(|us| us.is_finite());
    }
    let busiest_thread = outcome
        .summaries
        .iter()
        .filter(|s| s.wall_ns > 0)
        .map(|s| s.cpu_ns as f64 / s.wall_ns as f64)
        .fold(0.0, f64::max);
    let cpu_ns: u64 = outcome.summaries.iter().map(|s| s.cpu_ns).sum();
    let unsent = outcome.summaries.iter().map(|s| s.unsent).sum();
    let open = plan.loads.iter().any(|load| load.rate.is_some());
    let generator = Generator {
        cpu_us_per_request: if total.requests > 0 {
            cpu_ns as f64 / 1e3 / total.requests as f64
        } else {
            0.0
        },
        busiest_thread,
        lateness: open.then(|| Latency::of(&tally.lateness, false)),
        unsent,
    };
    let mut failures = extra.failures;
    failures.extend(outcome.failures);
    failures.truncate(FAILURES_MAX);
    let failures_total = total.failed() + extra.failed;
    let mut problems = extra.problems;
    let valid = validity(plan, &generator, &total, &mut problems);
    if let Some(why) = &outcome.fatal {
        problems.push(format!(
            "INCOMPLETE: {why}. What was measured until then is above."
        ));
    }
    let interrupted = around.interrupted.load(Relaxed);
    if interrupted {
        problems
            .push("INCOMPLETE: interrupted. What was measured until then is above.".to_string());
    }
    if failures_total > 0 {
        problems.push(format!(
            "FAILED: {failures_total} requests were answered wrongly, with an error, or not at all."
        ));
    }
    Report {
        schema: SCHEMA.to_string(),
        tool_version: env!("CARGO_PKG_VERSION").to_string(),
        label: if around.label.is_empty() {
            servers
                .iter()
                .find_map(|s| s.version.clone())
                .unwrap_or_else(|| "run".to_string())
        } else {
            around.label.clone()
        },
        started_unix_s,
        command: around.command.clone(),
        seed: plan.seed,
        threads: plan.threads,
        verified: plan.verify,
        valid,
        complete: outcome.fatal.is_none() && !interrupted,
        problems,
        warmup_s: plan.warmup.as_secs_f64(),
        measured_s: seconds,
        total,
        loads,
        generator,
        reconnects: tally.reconnects,
        faults: Faults {
            split_writes: tally.faults[0],
            half_closes: tally.faults[1],
            resets: tally.faults[2],
        },
        bytes_sent: tally.bytes_out,
        bytes_received: tally.bytes_in,
        failures: failures.iter().map(FailureReport::from).collect(),
        failures_total,
        timeline: outcome
            .timeline
            .rows()
            .iter()
            .map(RowReport::from)
            .collect(),
    }
}

fn load_report(load: &Load, ops: &[crate::record::OpTally], seconds: f64) -> LoadReport {
    let operations = load
        .ops
        .iter()
        .zip(ops)
        .filter(|(op, tally)| op.weight > 0.0 || !tally.latency.is_empty());
    LoadReport {
        target: load.target.to_string(),
        protocol: load.target.protocol.name().to_string(),
        work: load.work(),
        kind: if load.rate.is_some() {
            "open"
        } else {
            "closed"
        }
        .to_string(),
        rate_per_s: load.rate,
        arrivals: load
            .rate
            .map(|_| format!("{:?}", load.arrivals).to_lowercase()),
        connections: load.connections,
        pipeline: load.pipeline,
        keys: load.keys,
        server: ServerReport {
            version: None,
            pid: None,
            cpu_us_per_request: None,
            cpu_source: None,
        },
        total: Stats::of(ops.iter(), seconds, true),
        operations: operations
            .map(|(op, tally)| OpReport {
                name: op.name.clone(),
                stats: Stats::of(std::iter::once(tally), seconds, false),
            })
            .collect(),
        notes: notes(load),
    }
}

fn notes(load: &Load) -> Vec<String> {
    let mut notes = load.notes.clone();
    if matches!(load.target.protocol, Protocol::Lab(_))
        && load.ops.iter().any(|op| op.action == Action::Write)
    {
        notes.push("`s` has no reply: each write is sent with an `r` of its key, whose reply answers for both".to_string());
    }
    notes
}

/// Whether an open loop was what it claims to be.
fn validity(plan: &Plan, generator: &Generator, total: &Stats, problems: &mut Vec<String>) -> bool {
    let mut valid = true;
    if let Some(late) = &generator.lateness {
        let bound_us = plan.lateness_max.as_micros() as u64;
        if late.p99_us > bound_us {
            valid = false;
            problems.push(format!(
                "INVALID: the generator could not keep its own schedule: 1 % of the requests left {} late or more \
                 (allowed: {}). Take more --threads, or a lower --rate.",
                show_us(late.p99_us as f64),
                show_us(bound_us as f64)
            ));
        }
        let due = total.requests + total.lost + generator.unsent;
        if generator.unsent * 100 > due {
            if generator.busiest_thread > 0.95 {
                valid = false;
                problems.push(format!(
                    "INVALID: the generator was busy all the time and left {} requests of its schedule unsent. \
                     Take more --threads, or a lower --rate.",
                    generator.unsent
                ));
            } else {
                problems.push(format!(
                    "SATURATED: the target did not keep up with the rate: {} of {due} requests waited for a free \
                     connection until the end and were never sent; their latency is not in the figures.",
                    generator.unsent
                ));
            }
        }
    }
    valid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_loses_nothing() {
        assert_eq!(split(10, 3), [4, 3, 3]);
        assert_eq!(split(2, 3), [1, 1, 0]);
    }

    #[test]
    fn a_second_is_complete_when_every_thread_has_told_of_it() {
        let mut seconds = Seconds::new(&[false], 2);
        let mut tally = Tally::new(&[false]);
        tally.ops[0].latency.saturating_record_n(100, 5);
        assert!(seconds.take(0, &tally).is_empty());
        tally.second = 2;
        assert!(seconds.take(0, &tally).is_empty());
        tally.second = 0;
        let rows = seconds.take(1, &tally);
        assert_eq!((rows.len(), rows[0].requests), (1, 10));
        tally.second = 2;
        let rows = seconds.take(1, &tally);
        // Nothing was told of second 1: both threads were held up, and the row says so.
        assert_eq!(rows.iter().map(|r| r.requests).collect::<Vec<_>>(), [0, 10]);
    }
}
