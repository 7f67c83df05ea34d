//! What time it is, as it is handed down: read once a turn, by whoever turns the loop.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::handle::Handle;

/// One reading of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Unix time in microseconds: keys expire by it.
    pub unix_us: i64,
    /// Microseconds since some moment in the past; never goes back. Timeouts are measured by it.
    pub monotonic_us: u64,
}

impl Now {
    /// Unix time in milliseconds.
    pub fn unix_ms(self) -> i64 {
        self.unix_us.div_euclid(1000)
    }

    /// Monotonic time in milliseconds.
    pub fn monotonic_ms(self) -> u64 {
        self.monotonic_us / 1000
    }
}

/// Where a server reads the time.
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> Now;

    /// A server goes by this clock from now on. A clock that can be set wakes it then, so that it looks again.
    fn attach(&self, server: &Handle) {
        let _ = server;
    }
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock {
            start: Instant::now(),
        }
    }
}

impl std::fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            // A clock set before 1970 counts as 1970.
            unix_us: unix.map_or(0, |since| {
                i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
            }),
            monotonic_us: u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX),
        }
    }
}
