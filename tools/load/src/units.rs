//! Reading and printing quantities: durations, counts, sizes, rates. Knows nothing of flags or files.

use std::time::Duration;

/// Parses `250us`, `10ms`, `1.5s`, `2m`, `1h`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(format!(
                "`{text}` is no duration (try 500us, 10ms, 30s, 2m)"
            ));
        }
    };
    match number.parse::<f64>() {
        Ok(n) if n >= 0.0 && (n * seconds) < 1e9 => Ok(Duration::from_secs_f64(n * seconds)),
        _ => Err(format!(
            "`{text}` is no duration (try 500us, 10ms, 30s, 2m)"
        )),
    }
}

/// Parses `1000`, `1_000`, `10k`, `1.5M`, `2G` (powers of ten).
pub fn parse_count(text: &str) -> Result<u64, String> {
    scaled(text, 1000.0).ok_or_else(|| format!("`{text}` is no count (try 1000, 10k, 1M)"))
}

/// Parses `32`, `4k`, `1M` in bytes (powers of two).
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    scaled(text.trim_end_matches('B').trim_end_matches('i'), 1024.0)
        .map(|n| n as usize)
        .ok_or_else(|| format!("`{text}` is no size in bytes (try 32, 4k, 1M)"))
}

fn scaled(text: &str, step: f64) -> Option<u64> {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    let (number, unit) = split_unit(&plain);
    let factor = match unit {
        "" => 1.0,
        "k" | "K" => step,
        "m" | "M" => step * step,
        "g" | "G" => step * step * step,
        _ => return None,
    };
    let n = number.parse::<f64>().ok()? * factor;
    ((0.0..1e18).contains(&n) && n.fract() == 0.0).then_some(n as u64)
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Microseconds in the unit a reader wants: `87 µs`, `1.25 ms`, `3.1 s`.
pub fn show_us(us: f64) -> String {
    match us {
        us if us < 10.0 && us.fract() != 0.0 => format!("{us:.1} µs"),
        us if us < 1_000.0 => format!("{us:.0} µs"),
        us if us < 10_000.0 => format!("{:.2} ms", us / 1e3),
        us if us < 100_000.0 => format!("{:.1} ms", us / 1e3),
        us if us < 1_000_000.0 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// A count with thousands separated: `1,234,567`.
pub fn show_count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate: `812k/s`, `1.25M/s`, `950/s`.
pub fn show_rate(per_second: f64) -> String {
    match per_second {
        r if r >= 1e6 => format!("{:.2}M/s", r / 1e6),
        r if r >= 1e4 => format!("{:.0}k/s", r / 1e3),
        r if r >= 1e3 => format!("{:.2}k/s", r / 1e3),
        r => format!("{r:.0}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("3"), Ok(Duration::from_secs(3)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "-1s", "1y", "1e9h", "1..2s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts_are_decimal_and_sizes_binary() {
        assert_eq!(parse_count("10k"), Ok(10_000));
        assert_eq!(parse_count("1_500"), Ok(1500));
        assert_eq!(parse_count("1.5M"), Ok(1_500_000));
        assert!(parse_count("1.5").is_err());
        assert_eq!(parse_bytes("4k"), Ok(4096));
        assert_eq!(parse_bytes("1KiB").ok(), Some(1024));
        assert!(parse_bytes("x").is_err());
    }

    #[test]
    fn printing() {
        assert_eq!(show_count(0), "0");
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(show_us(87.0), "87 µs");
        assert_eq!(show_us(1250.0), "1.25 ms");
        assert_eq!(show_us(3_100_000.0), "3.10 s");
        assert_eq!(show_rate(812_345.0), "812k/s");
    }
}
