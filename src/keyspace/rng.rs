//! A small seeded generator (SplitMix64) and the sampling built on it. It is for fair draws, not for secrets.

use std::collections::BTreeSet;

/// A generator whose whole future follows from its seed.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator that always gives the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Rng {
        Rng { state: seed }
    }

    /// The next 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A uniform number in `0..n`, and 0 for `n == 0`. Without bias: the few products that would favour small
    /// numbers are drawn again (Lemire's method).
    pub fn below(&mut self, n: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let unfair = n.wrapping_neg() % n;
            while (product as u64) < unfair {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// A uniform index into something of length `len`.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A uniform number in `[0, 1)`, of 53 bits.
    pub fn f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Visits `count` distinct numbers of `0..n` (all of them where `count >= n`), every subset equally likely.
    /// The order is not random. O(count log count), or O(n) where `count` is a good part of `n`.
    pub fn distinct_below(&mut self, n: usize, count: usize, mut visit: impl FnMut(usize)) {
        if count >= n / 3 {
            self.distinct_ascending(n, count, visit);
        } else {
            let mut seen = BTreeSet::new();
            while seen.len() < count {
                let index = self.index(n);
                if seen.insert(index) {
                    visit(index);
                }
            }
        }
    }

    /// As [`distinct_below`](Self::distinct_below), in ascending order, in O(n), without memory: each number is
    /// taken with the probability (still wanted / still to come).
    pub fn distinct_ascending(&mut self, n: usize, count: usize, mut visit: impl FnMut(usize)) {
        let mut wanted = count.min(n);
        for index in 0..n {
            if wanted == 0 {
                break;
            }
            if self.index(n - index) < wanted {
                visit(index);
                wanted -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers() {
        let (mut a, mut b) = (Rng::seeded(5), Rng::seeded(5));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_ne!(Rng::seeded(5).next_u64(), Rng::seeded(6).next_u64());
    }

    #[test]
    fn below_is_even_and_in_range() {
        let mut rng = Rng::seeded(1);
        let mut seen = [0u32; 7];
        for _ in 0..70_000 {
            seen[rng.index(7)] += 1;
        }
        assert!(
            seen.iter().all(|&n| (9_500..10_500).contains(&n)),
            "{seen:?}"
        );
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn f64_fills_the_unit_interval() {
        let mut rng = Rng::seeded(2);
        let mean = (0..10_000).map(|_| rng.f64()).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }

    #[test]
    fn distinct_draws_are_distinct_and_fair() {
        let mut rng = Rng::seeded(3);
        for (n, count) in [
            (0, 4),
            (10, 0),
            (10, 2),
            (10, 7),
            (10, 10),
            (10, 99),
            (1000, 5),
        ] {
            let mut seen = BTreeSet::new();
            rng.distinct_below(n, count, |i| assert!(i < n && seen.insert(i)));
            assert_eq!(seen.len(), count.min(n));
        }
        for count in [2, 6] {
            let mut hits = [0u32; 12];
            for _ in 0..12_000 {
                rng.distinct_below(12, count, |i| hits[i] += 1);
            }
            let expected = 1000 * count as u32;
            assert!(
                hits.iter().all(|&n| n.abs_diff(expected) < expected / 8),
                "{hits:?}"
            );
        }
    }
}
