//! How long something short takes.

use super::cpu_clock::cpu_ns;

/// Operations that are timed together, and how often.
const OPERATIONS: usize = 200_000;
const ROUNDS: usize = 7;

/// Nanoseconds on the CPU that an operation takes, which gets a random number: the least of several rounds, since all above
/// it is what else the machine did.
pub fn least_ns(mut operation: impl FnMut(u64)) -> f64 {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let started_ns = cpu_ns();
        for _ in 0..OPERATIONS {
            // Xorshift: what is measured is not this.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            operation(random);
        }
        least = least.min((cpu_ns() - started_ns) as f64 / OPERATIONS as f64);
    }
    least
}
