//! The log: lines on standard error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};
use simple_logger::SimpleLogger;

/// Starts logging from this level on.
pub fn start(level: LevelFilter) -> Result<(), SetLoggerError> {
    let logger = SimpleLogger::new().with_level(level).with_utc_timestamps();
    log::set_max_level(level);
    log::set_boxed_logger(Box::new(Forgiving(logger)))
}

/// Lives on when standard error cannot be written (its reader has gone, the disk is full): `SimpleLogger` panics then,
/// and a server must not end because nobody reads its log.
struct Forgiving(SimpleLogger);

impl Log for Forgiving {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        // The line is lost, and there is nowhere to say so.
        let _ = catch_unwind(AssertUnwindSafe(|| self.0.log(record)));
    }

    fn flush(&self) {
        self.0.flush();
    }
}
