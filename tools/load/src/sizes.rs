//! Sizes of keys and values: fixed, a range, or a weighted choice of both.

use crate::units::parse_bytes;

/// A distribution of sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Sizes {
    /// Always the same.
    Fixed(usize),
    /// Any size from the first to the second, both included, evenly.
    Range(usize, usize),
    /// Ranges, each with its share of the whole counted up to and including it (the last is 1).
    Weighted(Vec<(f64, usize, usize)>),
}

impl Sizes {
    /// Parses `32`, `16-64`, or `64:50,256:30,1k-4k:20` (size or range, colon, weight).
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.contains(':') && !text.contains(',') {
            let (low, high) = parse_range(text)?;
            return Ok(if low == high {
                Sizes::Fixed(low)
            } else {
                Sizes::Range(low, high)
            });
        }
        let mut rows = Vec::new();
        let mut total = 0.0;
        for part in text.split(',') {
            let (range, weight) = part
                .split_once(':')
                .ok_or_else(|| format!("`{part}` has no weight (try 64:50,256:30)"))?;
            let (low, high) = parse_range(range)?;
            let weight: f64 = weight
                .parse()
                .ok()
                .filter(|w: &f64| w.is_finite() && *w > 0.0)
                .ok_or_else(|| format!("`{weight}` is no weight"))?;
            total += weight;
            rows.push((total, low, high));
        }
        for row in &mut rows {
            row.0 /= total;
        }
        Ok(Sizes::Weighted(rows))
    }

    /// The size a hash chooses: the same hash always gives the same size.
    #[inline]
    pub fn pick(&self, hash: u64) -> usize {
        match self {
            Sizes::Fixed(size) => *size,
            Sizes::Range(low, high) => within(hash, *low, *high),
            Sizes::Weighted(rows) => {
                let at = (hash >> 40) as f64 / (1u64 << 24) as f64;
                let row = rows.iter().find(|row| at < row.0).or(rows.last());
                row.map_or(0, |&(_, low, high)| within(hash, low, high))
            }
        }
    }

    /// The one size, where there is only one.
    #[inline]
    pub fn fixed(&self) -> Option<usize> {
        match self {
            Sizes::Fixed(size) => Some(*size),
            _ => None,
        }
    }

    /// The smallest size that can be drawn.
    pub fn min(&self) -> usize {
        match self {
            Sizes::Fixed(size) => *size,
            Sizes::Range(low, _) => *low,
            Sizes::Weighted(rows) => rows.iter().map(|row| row.1).min().unwrap_or(0),
        }
    }

    /// The largest size that can be drawn.
    pub fn max(&self) -> usize {
        match self {
            Sizes::Fixed(size) => *size,
            Sizes::Range(_, high) => *high,
            Sizes::Weighted(rows) => rows.iter().map(|row| row.2).max().unwrap_or(0),
        }
    }
}

fn within(hash: u64, low: usize, high: usize) -> usize {
    low + (((hash & 0xffff_ffff) * (high - low + 1) as u64) >> 32) as usize
}

fn parse_range(text: &str) -> Result<(usize, usize), String> {
    let (low, high) = match text.split_once('-') {
        Some((low, high)) => (parse_bytes(low)?, parse_bytes(high)?),
        None => {
            let size = parse_bytes(text)?;
            (size, size)
        }
    };
    if low == 0 || low > high || high > 512 << 20 {
        return Err(format!("`{text}` is no size from 1 byte to 512M"));
    }
    Ok((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mix64;

    #[test]
    fn parses_and_draws_what_was_asked() {
        assert_eq!(Sizes::parse("32"), Ok(Sizes::Fixed(32)));
        assert_eq!(Sizes::parse("1k-2k"), Ok(Sizes::Range(1024, 2048)));
        let range = Sizes::parse("3-5").expect("parses");
        let drawn: std::collections::BTreeSet<usize> =
            (0..200).map(|i| range.pick(mix64(i))).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        let weighted = Sizes::parse("10:75,1k:25").expect("parses");
        let small = (0..100_000)
            .filter(|i| weighted.pick(mix64(*i)) == 10)
            .count();
        assert!((74_000..76_000).contains(&small), "{small}");
        assert_eq!((weighted.min(), weighted.max()), (10, 1024));
    }

    #[test]
    fn refuses_what_is_no_size() {
        for bad in ["", "0", "5-3", "10,20", "10:x", "10:-1", "1T"] {
            assert!(Sizes::parse(bad).is_err(), "{bad}");
        }
    }
}
