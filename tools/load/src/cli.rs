//! The command line: flags, subcommands, and how they become plans.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::plan::Plan;
use crate::spec::{Count, LoadSpec, MixFile, RunSpec, Span};
use crate::sweep::Slo;
use crate::target::Target;

/// A load generator that tells the truth: latency from the intended send time, every reply checked.
///
/// Targets: resp://, metrics://, counter://, lab://, lab+byte://, lab+digit://, speicher://, each as host:port
/// or, with +unix (resp+unix:///run/redis.sock), as a path.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Raise the rate until latency breaks a bound, and say where the knee is
    Sweep(SweepArgs),
    /// Run against several targets in turn and compare them
    Compare(CompareArgs),
    /// Make one page out of several earlier --json files
    Report(ReportArgs),
    /// List the named mixes
    Mixes,
    /// Print the JSON schema of --json
    Schema,
}

/// A run.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Where to send requests; repeatable [default: resp://127.0.0.1:6379]
    #[arg(long = "target", value_name = "URL")]
    pub targets: Vec<String>,
    /// A TOML file with a mix of loads; flags go before what it says
    #[arg(long, value_name = "FILE")]
    pub mix_file: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Load")]
    pub load: LoadSpec,
    #[command(flatten, next_help_heading = "Run")]
    pub spec: RunSpec,
    #[command(flatten, next_help_heading = "Reports")]
    pub output: OutputArgs,
}

#[derive(Args, Clone, Debug, Default)]
pub struct OutputArgs {
    /// Write everything as JSON (`pentad-load schema` describes it)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write one page with charts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write one line per second
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the percentile distribution as HdrHistogram's plotter reads it
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
    /// What to call this run beside others
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Nothing but the result
    #[arg(short = 'q', long)]
    pub quiet: bool,
}

#[derive(Args, Clone, Debug)]
pub struct SweepArgs {
    /// The bound, such as `p99<1ms`; several with commas. Figures: p50 p75 p90 p95 p99 p99.9 p99.99 max mean
    #[arg(long, value_name = "BOUND", default_value = "p99<1ms")]
    pub slo: Slo,
    /// The first rate
    #[arg(long, value_name = "N", default_value = "1000")]
    pub from: Count,
    /// The last rate to try
    #[arg(long, value_name = "N", default_value = "10M")]
    pub to: Count,
    /// Each rate is so many times the one before
    #[arg(long, value_name = "X", default_value_t = 2.0)]
    pub factor: f64,
    /// How often the interval between the last good and the first bad rate is halved
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub refine: u32,
    /// How long to measure each rate
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub step: Span,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Args, Clone, Debug)]
pub struct CompareArgs {
    /// What to compare: NAME=URL, two or more; the first is what the others are compared to
    #[arg(value_name = "NAME=URL", required = true, num_args = 2..)]
    pub sides: Vec<String>,
    /// Start that side's server before each of its rounds and stop it afterwards; repeatable
    #[arg(long = "start", value_name = "NAME=COMMAND")]
    pub starts: Vec<String>,
    /// How many rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: u32,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Files written with --json
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The page to write
    #[arg(long, value_name = "FILE")]
    pub html: PathBuf,
}

impl RunArgs {
    /// The plan these flags, and the mix file if there is one, ask for.
    pub fn plan(&self) -> Result<Plan, String> {
        let Some(path) = &self.mix_file else {
            let loads = self
                .target_urls()
                .iter()
                .map(|url| Ok((Target::parse(url)?, self.load.clone())))
                .collect::<Result<Vec<_>, String>>()?;
            return Plan::new(&self.spec, &loads);
        };
        let fail = |why: String| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        let (run, rows) = MixFile::parse(&text).map_err(fail)?;
        let mut loads = Vec::new();
        for (target, spec) in rows {
            // A load without a target of its own goes to those on the command line.
            let urls = target.map_or_else(|| self.target_urls(), |url| vec![url]);
            for url in urls {
                loads.push((Target::parse(&url)?, spec.clone().or(&self.load)));
            }
        }
        Plan::new(&self.spec.clone().or(&run), &loads)
    }

    fn target_urls(&self) -> Vec<String> {
        if self.targets.is_empty() {
            vec!["resp://127.0.0.1:6379".to_string()]
        } else {
            self.targets.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_a_plan() {
        let cli = Cli::parse_from([
            "pentad-load",
            "--target",
            "resp://127.0.0.1:1",
            "-c",
            "4",
            "-n",
            "1k",
            "--ratio",
            "1:0",
        ]);
        let plan = cli.run.plan().expect("plan");
        assert_eq!(
            (plan.loads[0].connections, plan.requests, plan.duration),
            (4, Some(1000), None)
        );
        assert_eq!(plan.loads[0].work(), "read 100%");
    }
}
