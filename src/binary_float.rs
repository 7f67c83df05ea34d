//! Rounding to a binary floating-point format, and the text forms C's `strtod` family shares.
//!
//! `number` (f64) and `extended_float` (x87's 80 bits) both build on this. It knows no decimal
//! mantissas: those need more than 128 bits and are `extended_float`'s own affair.

/// A binary format. Its finite values are `significand * 2^exponent` with a significand of at most
/// `precision_bits` bits.
pub(crate) struct Format {
    /// Bits of the significand, the leading one included; at most 64.
    pub(crate) precision_bits: u32,
    /// Exponent of the lowest bit of the smallest subnormal.
    pub(crate) exponent_min: i32,
    /// Exponent of the lowest bit of the largest finite value.
    pub(crate) exponent_max: i32,
}

/// IEEE 754 binary64, Rust's `f64`.
pub(crate) const DOUBLE: Format = Format {
    precision_bits: 53,
    exponent_min: -1074,
    exponent_max: 971,
};

/// x87's 80-bit format, C's `long double` on x86.
pub(crate) const EXTENDED: Format = Format {
    precision_bits: 64,
    exponent_min: -16445,
    exponent_max: 16320,
};

/// Rounds `(mantissa + rest) * 2^exponent` to `format`, nearest and ties to even, where `rest` is
/// zero, or, if `sticky`, somewhere strictly between 0 and 1. `sticky` demands a mantissa of more
/// bits than the format's precision.
///
/// Returns significand and exponent, the significand as wide as the exponent's range allows, or
/// `None` on overflow. What is too small becomes the significand 0.
pub(crate) fn round(
    mantissa: u128,
    exponent: i64,
    sticky: bool,
    format: &Format,
) -> Option<(u64, i32)> {
    if mantissa == 0 {
        return Some((0, format.exponent_min));
    }
    let width = i64::from(128 - mantissa.leading_zeros());
    let mut kept_exponent =
        (exponent + width - i64::from(format.precision_bits)).max(i64::from(format.exponent_min));
    let dropped_bits = kept_exponent - exponent;
    let mut kept = if dropped_bits <= 0 {
        debug_assert!(!sticky, "sticky needs bits below the precision");
        mantissa << -dropped_bits
    } else if dropped_bits > 128 {
        0
    } else {
        let dropped_bits = dropped_bits as u32;
        let kept = mantissa.checked_shr(dropped_bits).unwrap_or(0);
        let rest = mantissa - kept.checked_shl(dropped_bits).unwrap_or(0);
        let half = 1u128 << (dropped_bits - 1);
        let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
        kept + u128::from(up)
    };
    if kept >> format.precision_bits != 0 {
        kept >>= 1;
        kept_exponent += 1;
    }
    if kept_exponent > i64::from(format.exponent_max) {
        return None;
    }
    Some((kept as u64, kept_exponent as i32))
}

/// A number's text without its sign, told apart by kind.
pub(crate) enum Unsigned<'a> {
    /// `inf` or `infinity`, in any case.
    Infinity,
    /// What follows `0x`.
    Hexadecimal(&'a [u8]),
    /// Anything else, decimal numbers and nonsense alike.
    Other(&'a [u8]),
}

/// Takes the sign off `text` and names the kind of what follows: (is negative, kind).
pub(crate) fn split_sign(text: &[u8]) -> (bool, Unsigned<'_>) {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let kind = match rest {
        [b'0', b'x' | b'X', digits @ ..] => Unsigned::Hexadecimal(digits),
        _ if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") => {
            Unsigned::Infinity
        }
        _ => Unsigned::Other(rest),
    };
    (negative, kind)
}

/// Parses what follows `0x` in a hexadecimal float: digits with at most one point, then perhaps
/// `p` and a decimal exponent of two. Returns significand and exponent as [`round`] does, or `None`
/// for anything malformed and for a value that overflows, or that is not zero but rounds to it.
pub(crate) fn parse_hexadecimal(text: &[u8], format: &Format) -> Option<(u64, i32)> {
    let (digits, exponent) = match text.iter().position(|b| matches!(b, b'p' | b'P')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let mut exponent = exponent;
    let mut mantissa = 0u128;
    let mut sticky = false;
    let mut seen_point = false;
    let mut seen_digit = false;
    for &byte in digits {
        if byte == b'.' && !seen_point {
            seen_point = true;
            continue;
        }
        let digit = (byte as char).to_digit(16)?;
        seen_digit = true;
        if mantissa >> 124 == 0 {
            mantissa = mantissa << 4 | u128::from(digit);
            exponent -= if seen_point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if seen_point { 0 } else { 4 };
        }
    }
    if !seen_digit {
        return None;
    }
    let rounded = round(mantissa, exponent, sticky, format)?;
    (mantissa == 0 || rounded.0 != 0).then_some(rounded)
}

/// Parses an exponent: perhaps a sign, then one digit or more. Saturates far beyond every format's
/// range, so that adding a text's length to the result cannot overflow.
pub(crate) fn parse_exponent(text: &[u8]) -> Option<i64> {
    const FAR: i64 = 1 << 48;
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0i64, |sum, &d| (sum * 10 + i64::from(d - b'0')).min(FAR));
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_even_and_sticky_breaks_the_tie() {
        let one = 1u128 << 53;
        assert_eq!(round(one + 1, 0, false, &DOUBLE), Some((1 << 52, 1)));
        assert_eq!(round(one + 1, 0, true, &DOUBLE), Some(((1 << 52) + 1, 1)));
        assert_eq!(round(one + 3, 0, false, &DOUBLE), Some(((1 << 52) + 2, 1)));
        // All ones: the carry widens the significand, and the exponent takes it back.
        assert_eq!(round((1 << 54) - 1, 0, false, &DOUBLE), Some((1 << 52, 2)));
    }

    #[test]
    fn rounds_at_the_ends_of_the_range() {
        assert_eq!(round(1, -1074, false, &DOUBLE), Some((1, -1074)));
        assert_eq!(round(1, -1075, false, &DOUBLE), Some((0, -1074)));
        assert_eq!(round(3, -1075, false, &DOUBLE), Some((2, -1074)));
        assert_eq!(
            round(u128::MAX, -1074 - 128, false, &DOUBLE),
            Some((1, -1074))
        );
        assert_eq!(
            round(u128::MAX, -1074 - 129, false, &DOUBLE),
            Some((0, -1074))
        );
        assert_eq!(round(1, 1023, false, &DOUBLE), Some((1 << 52, 971)));
        assert_eq!(round(1, 1024, false, &DOUBLE), None);
        assert_eq!(round((1 << 54) - 1, 970, false, &DOUBLE), None);
        assert_eq!(round(1, 16383, false, &EXTENDED), Some((1 << 63, 16320)));
        assert_eq!(round(1, 16384, false, &EXTENDED), None);
    }

    #[test]
    fn exponents_saturate() {
        assert_eq!(parse_exponent(b"-12"), Some(-12));
        assert_eq!(parse_exponent(b"+007"), Some(7));
        assert_eq!(parse_exponent(b"99999999999999999999999"), Some(1 << 48));
        for bad in [&b""[..], b"-", b"+-1", b"1 ", b"1.0"] {
            assert_eq!(parse_exponent(bad), None);
        }
    }
}
