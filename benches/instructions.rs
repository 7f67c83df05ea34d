//! How many instructions a request takes, as callgrind counts them: figures that do not depend on the machine's mood.
//!
//! `cargo bench --bench instructions [-- FILTER]` compares with `benches/instructions.txt` and fails where a request takes over
//! 5 % more than is recorded there; with `PENTAD_BLESS=1` it writes what it counted. It needs valgrind, and says so. Another compiler makes
//! other code: then it shows the figures and judges nothing.

#[path = "common/workload.rs"]
mod workload;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use workload::{Driver, WORKLOADS, Workload};

/// Keys that are filled in: counting is slow, and more keys take longer but not more instructions.
const KEYS_MAX: u64 = 10_000;
const REQUESTS: usize = 6_400;
const GROWTH_MAX: f64 = 1.05;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    match (args.next(), args.next()) {
        (Some(flag), Some(name)) if flag == "--run" => {
            run(&name);
            ExitCode::SUCCESS
        }
        (filter, _) => judge(filter.unwrap_or_default().as_str()),
    }
}

/// What runs below valgrind.
fn run(name: &str) {
    let workload = WORKLOADS.iter().find(|workload| workload.name == name);
    let workload = workload.expect("the name of a workload");
    let mut driver = Driver::new(&Workload {
        keys: workload.keys.min(KEYS_MAX),
        ..*workload
    });
    driver.run(workload.requests.min(REQUESTS));
}

fn judge(filter: &str) -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIPPED: no valgrind here (apt-get install valgrind), so nothing is counted");
        return ExitCode::SUCCESS;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let compiler = compiler();
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    let (recorded_with, recorded) = parse(&recorded);
    let judged = recorded_with == compiler;

    let mut counted = format!("compiler\t{compiler}\n");
    let mut grown = Vec::new();
    println!(
        "{:24} {:>12} {:>9} {:>7}",
        "workload", "instructions", "recorded", "ratio"
    );
    for workload in WORKLOADS {
        if !workload.name.starts_with(filter) {
            continue;
        }
        let count = count(workload);
        let _ = writeln!(counted, "{}\t{count:.0}", workload.name);
        let before = recorded.get(workload.name).copied().unwrap_or(f64::NAN);
        println!(
            "{:24} {count:12.0} {before:9.0} {:7.3}",
            workload.name,
            count / before
        );
        if count > before * GROWTH_MAX || before.is_nan() {
            grown.push(workload.name);
        }
    }
    if std::env::var_os("PENTAD_BLESS").is_some() && filter.is_empty() {
        std::fs::write(&file, counted).expect("benches/instructions.txt can be written");
        println!("recorded");
    } else if !judged {
        println!("NOT JUDGED: recorded with {recorded_with:?}, this is {compiler:?}");
    } else if !grown.is_empty() {
        println!(
            "FAILED: over 5 % more instructions than recorded, or not recorded: {}",
            grown.join(", ")
        );
        println!("PENTAD_BLESS=1 cargo bench --bench instructions records what is meant");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The compiler that the record is from, and instructions per request by the workload's name.
fn parse(text: &str) -> (&str, BTreeMap<&str, f64>) {
    let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
    let compiler = lines.next().map_or("", |(_, compiler)| compiler);
    let counts = lines.filter_map(|(name, count)| Some((name, count.parse().ok()?)));
    (compiler, counts.collect())
}

/// Instructions per request, of [`Driver::exchange`] alone.
fn count(workload: &Workload) -> f64 {
    let this = std::env::current_exe().expect("the path of this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*exchange*"])
        .arg(this)
        .args(["--run", workload.name])
        .output()
        .expect("valgrind can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse::<f64>().ok())
        .filter(|count| *count > 0.0);
    match collected {
        Some(count) => count / workload.requests.min(REQUESTS) as f64,
        None => panic!("valgrind counted nothing:\n{said}"),
    }
}

fn compiler() -> String {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .arg("--version")
        .output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
