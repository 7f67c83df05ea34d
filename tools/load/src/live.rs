//! What one sees while a run goes on: a bar with the current rate and latency on a terminal, plain lines
//! otherwise. On standard error, so that reports can be piped.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::record::Row;
use crate::units::{show_rate, show_us};

/// The live line of one stage.
pub struct Live {
    bar: Option<ProgressBar>,
    quiet: bool,
    name: String,
    failed: u64,
}

impl Live {
    /// Begins a line. `length` is in the unit given to [`Live::position`].
    pub fn new(name: &str, length: u64, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(length);
            if let Ok(style) = ProgressStyle::with_template("{prefix:8} {wide_bar} {elapsed} {msg}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_string());
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Live {
            bar,
            quiet,
            name: name.to_string(),
            failed: 0,
        }
    }

    /// How far the stage is.
    pub fn position(&self, position: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        }
    }

    /// A second is over.
    pub fn row(&mut self, row: &Row) {
        self.failed += row.failed;
        let text = format!(
            "{}  p50 {}  p99 {}  errors {}",
            show_rate(row.requests as f64 / row.period_s),
            show_us(row.p50_us as f64),
            show_us(row.p99_us as f64),
            self.failed
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if !self.quiet => {
                self.line(&format!("{:>5.0}s  {text}", row.start_s + row.period_s))
            }
            None => {}
        }
    }

    /// Something the user should read now.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if !self.quiet => self.line(text),
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        // Standard error may be closed; that is no reason to stop measuring.
        let _ = writeln!(std::io::stderr(), "{}: {text}", self.name);
    }
}
