//! What the process uses of memory and CPU, as Linux tells it in /proc.

use pentad::hub::Usage;

/// Reads it; zeros where the system does not tell.
pub fn read() -> Usage {
    read_proc().unwrap_or_default()
}

#[cfg(target_os = "linux")]
fn read_proc() -> Option<Usage> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold anything; what follows are numbers.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    Some(Usage {
        user_cpu_us: number(11)? * tick_us,
        system_cpu_us: number(12)? * tick_us,
        rss_bytes: number(21)? * rustix::param::page_size() as u64,
    })
}

#[cfg(not(target_os = "linux"))]
fn read_proc() -> Option<Usage> {
    None
}
