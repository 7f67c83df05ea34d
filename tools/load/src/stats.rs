//! A few statistics over rounds: medians, spread, and whether two sets of rounds differ beyond the noise.

/// The middle value; the mean of the two middle ones for an even count. 0 for none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n.is_multiple_of(2) => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
        n => sorted[n / 2],
    }
}

/// Half the distance from smallest to largest, as a fraction of the median: `±3 %` is 0.03.
pub fn spread(values: &[f64]) -> f64 {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match median(values) {
        m if m > 0.0 => (high - low) / 2.0 / m,
        _ => 0.0,
    }
}

/// How likely two sets this far apart are if nothing differs: the exact two-sided Mann-Whitney test.
/// Ties count half and are rounded towards "no difference".
pub fn p_value(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len(), b.len());
    if n == 0 || m == 0 {
        return 1.0;
    }
    let mut twice_u = 0;
    for x in a {
        for y in b {
            twice_u += match x.total_cmp(y) {
                std::cmp::Ordering::Greater => 2,
                std::cmp::Ordering::Equal => 1,
                std::cmp::Ordering::Less => 0,
            };
        }
    }
    let extreme = twice_u.min(2 * n * m - twice_u).div_ceil(2);
    // ways[i][u]: how many arrangements of i values of `a` and the first j of `b` have u pairs in which a is larger.
    let mut ways = vec![vec![0.0f64; n * m + 1]; n + 1];
    for row in &mut ways {
        row[0] = 1.0;
    }
    for j in 1..=m {
        for i in 1..=n {
            for u in j..=n * m {
                ways[i][u] += ways[i - 1][u - j];
            }
        }
    }
    let total: f64 = ways[n].iter().sum();
    let tail: f64 = ways[n][..=extreme.min(n * m)].iter().sum();
    (2.0 * tail / total).min(1.0)
}

/// The word on two sets of rounds.
pub fn verdict(a: &[f64], b: &[f64]) -> String {
    let smallest = p_value(&vec![0.0; a.len()], &vec![1.0; b.len()]);
    let p = p_value(a, b);
    match p {
        _ if smallest > 0.05 => "too few rounds to tell (take at least 4)".to_string(),
        p if p <= 0.05 => format!("beyond the noise (p = {p:.3})"),
        p => format!("within the noise (p = {p:.2})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spread() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
        assert_eq!(spread(&[90.0, 100.0, 110.0]), 0.1);
    }

    /// Against the published table of the exact test.
    #[test]
    fn mann_whitney_is_exact() {
        let low = [1.0, 2.0, 3.0, 4.0, 5.0];
        let high = [6.0, 7.0, 8.0, 9.0, 10.0];
        assert!((p_value(&low, &high) - 2.0 / 252.0).abs() < 1e-12);
        assert!((p_value(&high, &low) - 2.0 / 252.0).abs() < 1e-12);
        assert!((p_value(&low[..3], &high[..3]) - 0.1).abs() < 1e-12);
        // U = 1 of 4 and 4: two arrangements of 70 are as extreme on each side.
        assert!((p_value(&[1.0, 2.0, 3.0, 5.0], &[4.0, 6.0, 7.0, 8.0]) - 4.0 / 70.0).abs() < 1e-12);
        assert_eq!(p_value(&low, &low), 1.0);
    }

    #[test]
    fn the_word_needs_enough_rounds() {
        assert!(verdict(&[1.0, 2.0, 3.0], &[7.0, 8.0, 9.0]).contains("too few"));
        assert!(verdict(&[1.0, 2.0, 3.0, 4.0], &[7.0, 8.0, 9.0, 10.0]).contains("beyond"));
        assert!(verdict(&[1.0, 9.0, 3.0, 8.0], &[7.0, 2.0, 9.0, 1.0]).contains("within"));
    }
}
