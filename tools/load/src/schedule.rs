//! When the requests of an open loop are due. Knows no clock: times are in ns of the run.

use crate::random::Rng;
use crate::spec::Arrivals;

/// An endless list of due times, at a fixed rate or as a Poisson process.
#[derive(Clone, Debug)]
pub struct Schedule {
    next_ns: f64,
    gap_ns: f64,
    arrivals: Arrivals,
    rng: Rng,
}

impl Schedule {
    /// `rate` per second; `phase` (0 to 1) shifts the first due time by that part of a gap.
    pub fn new(rate: f64, arrivals: Arrivals, phase: f64, rng: Rng) -> Self {
        let gap_ns = 1e9 / rate;
        let mut schedule = Schedule {
            next_ns: phase * gap_ns,
            gap_ns,
            arrivals,
            rng,
        };
        if arrivals == Arrivals::Poisson {
            schedule.next_ns = schedule.rng.exponential() * gap_ns;
        }
        schedule
    }

    /// When the next request is due.
    pub fn due_ns(&self) -> u64 {
        self.next_ns as u64
    }

    /// Takes that request off the list.
    pub fn advance(&mut self) {
        self.next_ns += match self.arrivals {
            Arrivals::Fixed => self.gap_ns,
            Arrivals::Poisson => self.rng.exponential() * self.gap_ns,
        };
    }

    /// How many requests are due before `end_ns` and still on the list.
    pub fn left_before(&self, end_ns: u64) -> u64 {
        ((end_ns as f64 - self.next_ns) / self.gap_ns)
            .ceil()
            .max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_arrivals_keep_the_rate_without_drift() {
        let mut s = Schedule::new(3000.0, Arrivals::Fixed, 0.0, Rng::new(1));
        for _ in 0..3_000_000 {
            s.advance();
        }
        assert!(
            s.due_ns().abs_diff(1_000_000_000_000) < 1_000_000,
            "{}",
            s.due_ns()
        );
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_its_spread() {
        let mut s = Schedule::new(1000.0, Arrivals::Poisson, 0.0, Rng::new(1));
        let (mut last, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for _ in 0..100_000 {
            let gap = s.next_ns - last;
            last = s.next_ns;
            sum += gap;
            squares += gap * gap;
            s.advance();
        }
        let mean = sum / 1e5;
        let deviation = (squares / 1e5 - mean * mean).sqrt();
        assert!(
            (mean / 1e6 - 1.0).abs() < 0.02 && (deviation / mean - 1.0).abs() < 0.03,
            "{mean} {deviation}"
        );
    }

    #[test]
    fn what_is_left_counts_due_times() {
        let s = Schedule::new(1000.0, Arrivals::Fixed, 0.0, Rng::new(1));
        assert_eq!(s.left_before(10_000_000), 10);
        assert_eq!(s.left_before(0), 0);
    }
}
