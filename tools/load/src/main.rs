//! pentad-load: a load generator that tells the truth.
//!
//! ```text
//! cli ── spec ── plan        what was asked for, checked
//!          │
//!         run                 the main thread: stages, seconds, the report
//!          │ one thread each
//!        worker               poll loop: schedule → draw → request → client … codec → check → record
//! ```
//!
//! Down: `keys`, `value` and `template` say what to send; `ledger` and `check` what must come back; `codec` reads
//! it; `record` keeps the figures; `report` shows them. It shares no code with the server it measures.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod client;
mod codec;
mod compare;
mod keys;
mod ledger;
mod live;
mod mixes;
mod plan;
mod probe;
mod random;
mod record;
mod report;
mod request;
mod run;
mod schedule;
mod sizes;
mod spec;
mod stats;
mod sweep;
mod target;
mod template;
mod units;
mod value;
mod worker;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use clap::Parser;

use crate::cli::{Cli, Command, OutputArgs};
use crate::report::{Report, files};
use crate::run::Around;

/// Some reply was wrong, an error, or never came.
const EXIT_FAILED: u8 = 1;
/// The flags, a file or the workload make no sense.
const EXIT_USAGE: u8 = 2;
/// The target is not there, or was lost on the way.
const EXIT_TARGET: u8 = 3;
/// The generator could not keep its own schedule.
const EXIT_INVALID: u8 = 4;
/// Interrupted.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let interrupted = Arc::new(AtomicBool::new(false));
    // The second Ctrl-C ends the program at once; the first one only sets the flag.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let flag = Arc::clone(&interrupted);
        let set = signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(EXIT_INTERRUPTED),
            Arc::clone(&flag),
        )
        .and_then(|_| signal_hook::flag::register(signal, flag));
        if let Err(e) = set {
            return fail(EXIT_USAGE, &format!("cannot catch signals: {e}"));
        }
    }
    let output = match &cli.command {
        Some(Command::Sweep(args)) => args.run.output.clone(),
        Some(Command::Compare(args)) => args.run.output.clone(),
        _ => cli.run.output.clone(),
    };
    let around = Around {
        label: output.label.clone().unwrap_or_default(),
        command: std::env::args().collect(),
        quiet: output.quiet,
        interrupted,
    };
    match cli.command {
        None => single(&cli.run, &output, &around),
        Some(Command::Sweep(args)) => sweep(&args, &output, &around),
        Some(Command::Compare(args)) => compared(&args, &output, &around),
        Some(Command::Report(args)) => {
            let reports: Result<Vec<Report>, String> =
                args.files.iter().map(|f| files::read(f)).collect();
            match reports.and_then(|r| files::write(&args.html, &report::html::render(&r, None))) {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => fail(EXIT_USAGE, &why),
            }
        }
        Some(Command::Mixes) => {
            let lines: Vec<String> = mixes::MIXES
                .iter()
                .map(|m| format!("{:8} {}", m.name, m.about))
                .collect();
            show(&(lines.join("\n") + "\n"))
        }
        Some(Command::Schema) => show(report::SCHEMA_TEXT),
    }
}

fn single(args: &cli::RunArgs, output: &OutputArgs, around: &Around) -> ExitCode {
    let plan = match args.plan() {
        Ok(plan) => plan,
        Err(why) => return fail(EXIT_USAGE, &why),
    };
    let report = match run::run(&plan, around) {
        Ok(report) => report,
        Err(why) => return fail(EXIT_TARGET, &why),
    };
    let shown = show(&report::table::render(&report));
    if let Err(why) = write_all(output, &report, std::slice::from_ref(&report), None) {
        return fail(EXIT_USAGE, &why);
    }
    if shown == ExitCode::SUCCESS {
        verdict(&report, around)
    } else {
        shown
    }
}

fn sweep(args: &cli::SweepArgs, output: &OutputArgs, around: &Around) -> ExitCode {
    // The plan is made again inside; here it tells a mistake of the user's from one of the target's.
    if let Err(why) = args.run.plan() {
        return fail(EXIT_USAGE, &why);
    }
    let (sweep, best) = match sweep::sweep(args, around) {
        Ok(done) => done,
        Err(why) => return fail(EXIT_TARGET, &why),
    };
    show(&sweep::render(&sweep));
    let reports: Vec<Report> = best.into_iter().collect();
    let written = match &output.json {
        Some(path) => files::write(
            path,
            &(serde_json::to_string_pretty(&sweep).unwrap_or_default() + "\n"),
        ),
        None => Ok(()),
    };
    let page = output.html.as_ref().map_or(Ok(()), |path| {
        files::write(path, &report::html::render(&reports, Some(&sweep)))
    });
    match written.and(page) {
        Err(why) => fail(EXIT_USAGE, &why),
        Ok(()) if around.interrupted.load(Relaxed) => ExitCode::from(EXIT_INTERRUPTED),
        Ok(()) if sweep.knee_per_s.is_none() => ExitCode::from(EXIT_FAILED),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn compared(args: &cli::CompareArgs, output: &OutputArgs, around: &Around) -> ExitCode {
    let (comparison, reports) = match compare::compare(args, around) {
        Ok(done) => done,
        Err(why) => return fail(EXIT_TARGET, &why),
    };
    show(&compare::render(&comparison));
    let written = match &output.json {
        Some(path) => files::write(
            path,
            &(serde_json::to_string_pretty(&comparison).unwrap_or_default() + "\n"),
        ),
        None => Ok(()),
    };
    let page = output.html.as_ref().map_or(Ok(()), |path| {
        files::write(path, &report::html::render(&reports, None))
    });
    match written.and(page) {
        Err(why) => fail(EXIT_USAGE, &why),
        Ok(()) if around.interrupted.load(Relaxed) => ExitCode::from(EXIT_INTERRUPTED),
        Ok(()) if !comparison.complete => ExitCode::from(EXIT_FAILED),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn write_all(
    output: &OutputArgs,
    report: &Report,
    all: &[Report],
    sweep: Option<&sweep::Sweep>,
) -> Result<(), String> {
    let write = |path: &Option<std::path::PathBuf>, text: &dyn Fn() -> String| match path {
        Some(path) => files::write(Path::new(path), &text()),
        None => Ok(()),
    };
    write(&output.json, &|| files::json(report))?;
    write(&output.csv, &|| files::csv(report))?;
    write(&output.hgrm, &|| files::hgrm(report))?;
    write(&output.html, &|| report::html::render(all, sweep))
}

fn verdict(report: &Report, around: &Around) -> ExitCode {
    if around.interrupted.load(Relaxed) {
        ExitCode::from(EXIT_INTERRUPTED)
    } else if !report.complete {
        ExitCode::from(EXIT_TARGET)
    } else if report.failures_total > 0 {
        ExitCode::from(EXIT_FAILED)
    } else if !report.valid {
        ExitCode::from(EXIT_INVALID)
    } else {
        ExitCode::SUCCESS
    }
}

fn show(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(_) => ExitCode::from(EXIT_USAGE),
    }
}

fn fail(code: u8, why: &str) -> ExitCode {
    eprintln!("pentad-load: {why}");
    ExitCode::from(code)
}
