//! Which key a request names: the popularity of keys, and how a key's number becomes bytes.

use crate::random::{Rng, mix64};
use crate::sizes::Sizes;

/// How requests are spread over the keys `0..n`. Key 0 is the most popular where popularity differs.
#[derive(Clone, Debug, PartialEq)]
pub enum Popularity {
    /// Every key is as likely as any other.
    Uniform,
    /// Key after key, round and round.
    Sequential,
    /// The key of rank `k` has weight `1 / k^exponent`.
    Zipf(f64),
    /// `hot_keys` (a fraction) of the keys get `hot_requests` (a fraction) of the requests.
    HotSet { hot_keys: f64, hot_requests: f64 },
    /// Zipf over the age of a key: the one inserted last is the most popular (YCSB D).
    Latest(f64),
}

impl Popularity {
    /// Parses `uniform`, `sequential`, `zipf`, `zipf:1.2`, `hot:0.1:0.9`, `latest`, `latest:0.99`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is no key distribution (try uniform, sequential, zipf:0.99, hot:0.1:0.9, latest)"
            )
        };
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let numbers = words
            .map(|w| w.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(bad)?;
        match (name, numbers.as_slice()) {
            ("uniform", []) => Ok(Popularity::Uniform),
            ("sequential", []) => Ok(Popularity::Sequential),
            ("zipf", []) => Ok(Popularity::Zipf(0.99)),
            ("zipf", [s]) => Ok(Popularity::Zipf(*s)),
            ("latest", []) => Ok(Popularity::Latest(0.99)),
            ("latest", [s]) => Ok(Popularity::Latest(*s)),
            ("hot", [keys, requests]) if *keys > 0.0 && *keys <= 1.0 && *requests <= 1.0 => {
                Ok(Popularity::HotSet {
                    hot_keys: *keys,
                    hot_requests: *requests,
                })
            }
            _ => Err(bad()),
        }
    }
}

/// Draws keys by a popularity. One per thread: it holds the position of the sequential order.
#[derive(Clone, Debug)]
pub struct KeyChooser {
    popularity: Popularity,
    zipf: Option<Zipf>,
    next: u64,
}

impl KeyChooser {
    /// A chooser over `count` keys; `offset` is where a sequential order begins.
    pub fn new(popularity: &Popularity, count: u64, offset: u64) -> Self {
        let zipf = match popularity {
            Popularity::Zipf(s) | Popularity::Latest(s) => Some(Zipf::new(count, *s)),
            _ => None,
        };
        KeyChooser {
            popularity: popularity.clone(),
            zipf,
            next: offset,
        }
    }

    /// A key in `0..count`. `newest` is the number of keys inserted so far, which only `Latest` asks for.
    #[inline]
    pub fn choose(&mut self, rng: &mut Rng, count: u64, newest: u64) -> u64 {
        match (&self.popularity, &self.zipf) {
            (Popularity::Sequential, _) => {
                let key = self.next % count;
                self.next = self.next.wrapping_add(1);
                key
            }
            (Popularity::Zipf(_), Some(zipf)) => zipf.sample(rng) - 1,
            (Popularity::Latest(_), Some(zipf)) => {
                newest.saturating_sub(zipf.sample(rng).min(newest.max(1)))
            }
            (
                Popularity::HotSet {
                    hot_keys,
                    hot_requests,
                },
                _,
            ) => {
                let hot = ((count as f64 * hot_keys) as u64).clamp(1, count);
                if hot == count || rng.unit() < *hot_requests {
                    rng.below(hot)
                } else {
                    hot + rng.below(count - hot)
                }
            }
            _ => rng.below(count),
        }
    }
}

/// Zipf ranks `1..=n` in constant time and memory for any exponent: rejection-inversion
/// (Hörmann and Derflinger, 1996). On average it needs fewer than 1.2 tries.
#[derive(Clone, Debug)]
pub struct Zipf {
    exponent: f64,
    n: f64,
    h_first: f64,
    h_last: f64,
    accept: f64,
}

impl Zipf {
    /// A sampler of ranks `1..=n` (at least 1) with weights `1 / k^exponent`.
    pub fn new(n: u64, exponent: f64) -> Self {
        let n = n.max(1) as f64;
        let mut zipf = Zipf {
            exponent,
            n,
            h_first: 0.0,
            h_last: 0.0,
            accept: 0.0,
        };
        zipf.h_first = zipf.integral(1.5) - 1.0;
        zipf.h_last = zipf.integral(n + 0.5);
        zipf.accept = 2.0 - zipf.integral_inverse(zipf.integral(2.5) - zipf.density(2.0));
        zipf
    }

    /// A rank in `1..=n`.
    #[inline]
    pub fn sample(&self, rng: &mut Rng) -> u64 {
        loop {
            let u = self.h_last + rng.unit() * (self.h_first - self.h_last);
            let x = self.integral_inverse(u);
            let k = x.round().clamp(1.0, self.n);
            if k - x <= self.accept || u >= self.integral(k + 0.5) - self.density(k) {
                return k as u64;
            }
        }
    }

    fn density(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// The integral of the density from 1 to `x`, also where the exponent is 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        expm1_over((1.0 - self.exponent) * log) * log
    }

    fn integral_inverse(&self, x: f64) -> f64 {
        let t = (x * (1.0 - self.exponent)).max(-1.0);
        (ln1p_over(t) * x).exp()
    }
}

/// `(e^x - 1) / x`, exact around 0.
fn expm1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.exp_m1() / x
    } else {
        1.0 + x * 0.5
    }
}

/// `ln(1 + x) / x`, exact around 0.
fn ln1p_over(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.ln_1p() / x
    } else {
        1.0 - x * 0.5
    }
}

/// How key numbers become key bytes: a prefix and the number, padded with zeros to the key's size.
#[derive(Clone, Debug)]
pub struct KeyNames {
    prefix: Vec<u8>,
    sizes: Sizes,
    radix: u64,
}

impl KeyNames {
    /// Names for the keys `0..count`. Fails where a key of the smallest size could not hold prefix and number.
    pub fn new(prefix: &str, sizes: Sizes, radix: u64, count: u64) -> Result<Self, String> {
        let mut digits = 1;
        let mut rest = count.saturating_sub(1) / radix;
        while rest > 0 {
            digits += 1;
            rest /= radix;
        }
        if sizes.min() < prefix.len() + digits {
            return Err(format!(
                "a key of {} bytes cannot hold the prefix `{prefix}` and a number below {count}; it takes {}",
                sizes.min(),
                prefix.len() + digits
            ));
        }
        Ok(KeyNames {
            prefix: prefix.as_bytes().to_vec(),
            sizes,
            radix,
        })
    }

    /// The length of every key, where all have the same.
    pub fn fixed_len(&self) -> Option<usize> {
        self.sizes.fixed()
    }

    /// The length of a key's name in bytes.
    #[inline]
    pub fn len_of(&self, key: u64) -> usize {
        self.sizes
            .fixed()
            .unwrap_or_else(|| self.sizes.pick(mix64(key ^ 0x6b65_7973)))
    }

    /// Appends the key's name.
    #[inline]
    pub fn write(&self, key: u64, out: &mut Vec<u8>) {
        let len = self.len_of(key);
        out.extend_from_slice(&self.prefix);
        let start = out.len();
        out.resize(start + len - self.prefix.len(), b'0');
        self.number(key, &mut out[start..]);
    }

    /// Writes the key's number over the zeros at the end of `room`.
    #[inline]
    pub fn number(&self, mut key: u64, room: &mut [u8]) {
        if self.radix == 10 {
            for digit in room.iter_mut().rev() {
                if key == 0 {
                    break;
                }
                *digit = b'0' + (key % 10) as u8;
                key /= 10;
            }
        } else {
            for digit in room.iter_mut().rev() {
                *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[(key % self.radix) as usize];
                key /= self.radix;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sampled frequencies of the first ranks against the exact Zipf weights, for exponents below, at and above 1.
    #[test]
    fn zipf_matches_its_definition() {
        for exponent in [0.0, 0.5, 0.99, 1.0, 1.01, 1.5, 3.0] {
            for n in [1u64, 2, 10, 1000] {
                let zipf = Zipf::new(n, exponent);
                let mut rng = Rng::new(11);
                let mut seen = vec![0u32; n as usize + 1];
                let draws = 200_000;
                for _ in 0..draws {
                    seen[zipf.sample(&mut rng) as usize] += 1;
                }
                let total: f64 = (1..=n).map(|k| (k as f64).powf(-exponent)).sum();
                for k in 1..=n.min(5) {
                    let want = (k as f64).powf(-exponent) / total;
                    let got = f64::from(seen[k as usize]) / f64::from(draws);
                    let sigma = (want * (1.0 - want) / f64::from(draws)).sqrt();
                    assert!(
                        (got - want).abs() <= 5.0 * sigma + 1e-9,
                        "s={exponent} n={n} k={k}: {got} {want}"
                    );
                }
                assert_eq!(seen[0], 0);
            }
        }
    }

    #[test]
    fn sequential_and_hot_set() {
        let mut rng = Rng::new(5);
        let mut chooser = KeyChooser::new(&Popularity::Sequential, 3, 2);
        let got: Vec<u64> = (0..5).map(|_| chooser.choose(&mut rng, 3, 3)).collect();
        assert_eq!(got, [2, 0, 1, 2, 0]);

        let hot = Popularity::parse("hot:0.1:0.9").expect("parses");
        let mut chooser = KeyChooser::new(&hot, 1000, 0);
        let in_hot = (0..100_000)
            .filter(|_| chooser.choose(&mut rng, 1000, 1000) < 100)
            .count();
        assert!((89_000..91_000).contains(&in_hot), "{in_hot}");
    }

    #[test]
    fn latest_prefers_the_newest_and_stays_below_it() {
        let mut rng = Rng::new(5);
        let mut chooser = KeyChooser::new(&Popularity::Latest(0.99), 1000, 0);
        let mut newest = 0;
        for _ in 0..10_000 {
            let key = chooser.choose(&mut rng, 1000, 50);
            assert!(key < 50);
            newest += u32::from(key == 49);
        }
        assert!(newest > 1000);
    }

    #[test]
    fn distributions_that_make_no_sense_are_refused() {
        for bad in [
            "zipf:-1",
            "zipf:x",
            "hot",
            "hot:2:0.5",
            "uniform:1",
            "",
            "zipf:inf",
        ] {
            assert!(Popularity::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_padded_and_checked() {
        let names = KeyNames::new("key:", Sizes::Fixed(16), 10, 100_000).expect("fits");
        let mut out = Vec::new();
        names.write(99_999, &mut out);
        assert_eq!(out, b"key:000000099999");
        out.clear();
        let short = KeyNames::new("", Sizes::Fixed(3), 36, 46_656).expect("fits");
        short.write(46_655, &mut out);
        assert_eq!(out, b"zzz");
        assert!(KeyNames::new("key:", Sizes::Fixed(8), 10, 10_001).is_err());
    }
}
