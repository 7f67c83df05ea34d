//! How sample values are written: one way for the metrics protocol, another for RESP2. It does not
//! know about reply framing.

use std::io::Write;

/// Appends a finite value as the metrics protocol writes it: the shortest decimal that reads back,
/// always with a fraction or an exponent (`10.0`, `0.1`, `1e300`, `1e-7`).
pub fn format_metric_value(value: f64, out: &mut Vec<u8>) {
    append(out, format_args!("{value:?}"));
}

/// Appends a value as RedisTimeSeries 1.6 and later put it into a RESP2 simple string. The digits
/// are the shortest that read back. Zero and everything from 1 up is written plain while it fits
/// in 17 digits (`10`, `1.5`, `1000000000000000`); the rest has an exponent with neither a plus
/// sign nor leading zeros (`1E-1`, `1.5E-7`, `1E16`), and there are `NaN`, `Infinity`, `-0`.
///
/// Source: `deps/dragonbox/dragonbox.cpp` there, a changed Dragonbox. (RESP3 has a double of the
/// core's own instead, `,0.1`, and the first versions printed `%.15g`.)
pub fn push_ts_value(value: f64, out: &mut Vec<u8>) {
    /// Below 2^52 a double's shortest digits end at the ones place or after it.
    const PLAIN_BELOW: f64 = 4_503_599_627_370_496.0;
    /// From 2^56 on they end before the ones place.
    const PLAIN_NEVER: f64 = 72_057_594_037_927_936.0;

    let size = value.abs();
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if size.is_infinite() {
        let name: &[u8] = if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        };
        out.extend_from_slice(name);
    } else if size == 0.0 || (1.0..PLAIN_BELOW).contains(&size) {
        append(out, format_args!("{value}"));
    } else if (PLAIN_BELOW..PLAIN_NEVER).contains(&size) {
        // In between, the last digit tells: a zero there is not one of the shortest digits.
        let start = out.len();
        append(out, format_args!("{value}"));
        if out.ends_with(b"0") {
            out.truncate(start);
            append(out, format_args!("{value:E}"));
        }
    } else {
        append(out, format_args!("{value:E}"));
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(f64, &mut Vec<u8>), value: f64) -> String {
        let mut out = b">".to_vec();
        write(value, &mut out);
        String::from_utf8(out).unwrap().split_off(1)
    }

    #[test]
    fn metric_values_have_a_fraction_or_an_exponent() {
        for (value, text) in [
            (10.0, "10.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (-0.0, "-0.0"),
            (1e300, "1e300"),
            (1e16, "1e16"),
            (123456789012.5, "123456789012.5"),
            (1e-7, "1e-7"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::from_bits(1), "5e-324"),
        ] {
            assert_eq!(written(format_metric_value, value), text);
        }
    }

    #[test]
    fn ts_values_are_those_of_redis_time_series() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (10.0, "10"),
            (-100.0, "-100"),
            (1.5, "1.5"),
            (156.5, "156.5"),
            (1234567.0625, "1234567.0625"),
            (0.1, "1E-1"),
            (0.5, "5E-1"),
            (-0.015, "-1.5E-2"),
            (1e-300, "1E-300"),
            (1e15, "1000000000000000"),
            (4e15, "4000000000000000"),
            (5e15, "5E15"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (9_007_199_254_741_000.0, "9.007199254741E15"),
            (36_028_797_018_963_968.0, "3.602879701896397E16"),
            (1e16, "1E16"),
            (1e100, "1E100"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(written(push_ts_value, value), text);
        }
    }

    #[test]
    fn both_read_back() {
        let mut random = super::super::tests::Random::new(7);
        for _ in 0..20_000 {
            let value = f64::from_bits(random.next());
            if value.is_finite() {
                let metric = written(format_metric_value, value);
                assert_eq!(metric.parse::<f64>().unwrap().to_bits(), value.to_bits());
                assert!(metric.contains(['.', 'e']), "{metric}");
                let ts = written(push_ts_value, value);
                assert_eq!(ts.parse::<f64>().unwrap().to_bits(), value.to_bits());
                assert!(ts.len() <= 24, "{ts}");
            }
        }
    }
}
