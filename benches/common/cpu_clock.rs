//! What a thread has had of the CPU.

use rustix::time::{ClockId, clock_gettime};

/// The time of this thread on the CPU, in ns.
pub fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
