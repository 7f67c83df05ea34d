//! Integers and doubles to and from text, as Redis 7.2 reads and prints them.
//!
//! Byte for byte: what Redis refuses is refused here, and a reply looks as Redis's would. Nothing
//! here knows what the numbers mean. `long double` arithmetic is in [`crate::extended_float`].

use std::io::Write as _;

use crate::binary_float::{DOUBLE, Unsigned, parse_exponent, parse_hexadecimal, split_sign};

/// Room for the text of an i64.
pub type IntText = [u8; 20];

/// Room for the text of an i64, blank.
pub const INT_TEXT: IntText = [0; 20];

/// The number of bytes of the text of an integer, its sign included.
pub fn text_len(value: i64) -> usize {
    usize::from(value < 0) + decimal_len(value.unsigned_abs())
}

/// Parses a decimal `i64` in its one canonical spelling, Redis's `string2ll`: no blanks, no `+`, no
/// leading zeros, no `-0`. So `push_i64` of the result gives `text` back. O(length), at most 20 bytes
/// are looked at.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // 19 digits always fit a u64, so one comparison at the end finds every overflow.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    if digits[0] == b'0' {
        return (text.len() == 1).then_some(0);
    }
    let mut magnitude = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Parses a number of bytes, with a unit or without, in any case: `1048576`, `1mb`, `1m` (a million).
pub fn parse_bytes(text: &[u8]) -> Option<i64> {
    const UNITS: [(&[u8], i64); 7] = [
        (b"kb", 1 << 10),
        (b"mb", 1 << 20),
        (b"gb", 1 << 30),
        (b"k", 1000),
        (b"m", 1_000_000),
        (b"g", 1_000_000_000),
        (b"b", 1),
    ];
    let lower = text.to_ascii_lowercase();
    let unit = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((lower.strip_suffix(*unit)?, *factor)));
    let (digits, factor) = unit.unwrap_or((&lower, 1));
    parse_i64(digits)?.checked_mul(factor)
}

/// Appends `value` in decimal.
#[inline]
pub fn push_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(format_i64(value, &mut [0; 20]));
}

/// Writes `value` in decimal into `buffer` and returns the part of it that was written.
#[inline]
pub fn format_i64(value: i64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut start = buffer.len();
    let mut rest = value.unsigned_abs();
    while rest >= 10 {
        let pair = (rest % 100) as usize * 2;
        rest /= 100;
        start -= 2;
        buffer[start..start + 2].copy_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
    }
    // What is left is one digit, or nothing after the last pair.
    if rest > 0 || start == buffer.len() {
        start -= 1;
        buffer[start] = b'0' + rest as u8;
    }
    if value < 0 {
        start -= 1;
        buffer[start] = b'-';
    }
    &buffer[start..]
}

/// The number of decimal digits of `value`; 1 for 0.
#[inline]
pub fn decimal_len(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Parses a double as Redis's `string2d` does, which is C's `strtod` over the whole text: decimal or
/// hexadecimal (`0x1p3`), with or without fraction and exponent, `inf` and `infinity` in any case,
/// either sign.
///
/// `None` for anything else: blanks anywhere, an empty text, bytes left over, NaN, a finite number
/// too large for a double, one that is not zero but rounds to zero. Subnormals are accepted.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    match split_sign(text) {
        (negative, Unsigned::Infinity) => Some(with_sign(f64::INFINITY, negative)),
        (negative, Unsigned::Hexadecimal(digits)) => {
            let (significand, exponent) = parse_hexadecimal(digits, &DOUBLE)?;
            Some(with_sign(assemble_f64(significand, exponent), negative))
        }
        (negative, Unsigned::Other(decimal)) => {
            // Rust's grammar is strtod's decimal one, plus a sign of its own and the words we have
            // dealt with (or, for NaN, refuse): a digit or a point in front excludes them all.
            if !matches!(decimal, [b'0'..=b'9' | b'.', ..]) {
                return None;
            }
            let value: f64 = std::str::from_utf8(decimal).ok()?.parse().ok()?;
            let vanished = value == 0.0 && has_nonzero_mantissa(decimal);
            (value.is_finite() && !vanished).then(|| with_sign(value, negative))
        }
    }
}

/// Parses a double as Redis does where it does not look whether it all fitted, as for the bounds of a
/// range of scores: as [`parse_f64`], but blanks may stand in front, a NUL ends the text, no text at
/// all is 0, and what is too large or too small becomes infinite or 0.
pub fn parse_f64_loosely(text: &[u8]) -> Option<f64> {
    let text = memchr::memchr(0, text).map_or(text, |nul| &text[..nul]);
    if text.is_empty() {
        return Some(0.0);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let text = &text[text.iter().take_while(|byte| is_blank(byte)).count()..];
    parse_f64(text).or_else(|| match split_sign(text) {
        (negative, Unsigned::Other(decimal @ [b'0'..=b'9' | b'.', ..])) => {
            let value: f64 = std::str::from_utf8(decimal).ok()?.parse().ok()?;
            Some(with_sign(value, negative))
        }
        _ => None,
    })
}

/// Appends `value` as Redis 7.2 puts it into a reply (`addReplyDouble`, `d2string`), RESP2 and RESP3
/// alike: `inf`, `-inf`, `nan`, `-0`; a whole number of magnitude up to 2^62 in plain digits;
/// anything else with the fewest digits that read back as the same double.
///
/// Those digits stand in plain notation when they are a whole number with at most 7 zeros appended,
/// or when there are at most 6 decimals, or when the decimal exponent is within -3..=3; else in
/// scientific notation with a signed exponent that is not padded. So `0.000001`, `1e-7`,
/// `12345.123456`, but `1.23451234567e+4`, and `1e+20`.
///
/// One difference is left on purpose: Redis takes the digits from Grisu2, which for about one in a
/// thousand doubles of many digits is a digit longer than need be, or not the closest (69.977252 becomes
/// `69.97725199999999`). This always prints the shortest, closest digits.
pub fn push_f64(out: &mut Vec<u8>, value: f64) {
    const PLAIN_INTEGER_MAX: f64 = (1u64 << 62) as f64;
    if value.abs() <= PLAIN_INTEGER_MAX && value == value.trunc() && !is_negative_zero(value) {
        return push_i64(out, value as i64);
    }
    let Some(decimal) = Decimal::new(value, format_args!("{:e}", value.abs())) else {
        return push_non_finite(out, value);
    };
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let digits = decimal.digits();
    let zeros_appended = decimal.exponent - (digits.len() as i32 - 1);
    if (0..=7).contains(&zeros_appended)
        || (-6..0).contains(&zeros_appended)
        || (zeros_appended < 0 && decimal.exponent.abs() < 4)
    {
        decimal.push_plain(out);
    } else {
        decimal.push_scientific(out, 1);
    }
}

/// Appends `value` as C's `printf("%.17g")` does, with `inf`, `-inf` and `nan` for the rest.
///
/// Redis up to 7.0 printed every double so. Since 7.2 it is left in ZSCAN of a sorted set kept as a
/// skiplist (`%.17Lg` of the same double); a listpack's scores come as [`push_f64`] prints them.
pub fn push_f64_g17(out: &mut Vec<u8>, value: f64) {
    push_f64_g(out, value, 17);
}

/// The same with `digits` significant digits, 1 to 17: `printf("%.<digits>g")`.
pub fn push_f64_g(out: &mut Vec<u8>, value: f64, digits: usize) {
    let decimals = digits.clamp(1, 17) - 1;
    let Some(mut decimal) = Decimal::new(value, format_args!("{:.decimals$e}", value.abs())) else {
        return push_non_finite(out, value);
    };
    if value.is_sign_negative() {
        out.push(b'-');
    }
    decimal.trim_zeros();
    if (-4..=decimals as i32).contains(&decimal.exponent) {
        decimal.push_plain(out);
    } else {
        decimal.push_scientific(out, 2);
    }
}

/// Reads the double that `text` begins with, as C's `strtod` does where no blank is in front: the number, and how
/// many bytes of `text` it takes; `None` when there is none.
pub fn parse_f64_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let sign_len = usize::from(matches!(text, [b'+' | b'-', ..]));
    let negative = text.first() == Some(&b'-');
    let unsigned = &text[sign_len..];
    let begins = |word: &[u8]| {
        let begin = unsigned.get(..word.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    };
    let digits_from = |at: usize, is_digit: fn(&u8) -> bool| {
        let rest = unsigned.get(at..).unwrap_or_default();
        rest.iter().take_while(|byte| is_digit(byte)).count()
    };
    // Digits, perhaps a point and more digits, perhaps an exponent: its length; 0 if there is no digit.
    let number_len = |start: usize, is_digit: fn(&u8) -> bool, marks: [u8; 2]| {
        let whole = digits_from(start, is_digit);
        let mut at = start + whole;
        let mut fraction = 0;
        if unsigned.get(at) == Some(&b'.') {
            fraction = digits_from(at + 1, is_digit);
            if whole + fraction > 0 {
                at += 1 + fraction;
            }
        }
        if whole + fraction == 0 {
            return 0;
        }
        if unsigned.get(at).is_some_and(|byte| marks.contains(byte)) {
            let sign = usize::from(matches!(unsigned.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits_from(at + 1 + sign, u8::is_ascii_digit);
            if exponent > 0 {
                at += 1 + sign + exponent;
            }
        }
        at
    };
    if begins(b"inf") {
        let len = if begins(b"infinity") { 8 } else { 3 };
        return Some((with_sign(f64::INFINITY, negative), sign_len + len));
    }
    if begins(b"nan") {
        // `nan(chars)` is one too.
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let mut len = 3;
        if unsigned.get(3) == Some(&b'(') {
            let word = unsigned[4..]
                .iter()
                .take_while(|byte| is_word(byte))
                .count();
            if unsigned.get(4 + word) == Some(&b')') {
                len = 5 + word;
            }
        }
        return Some((with_sign(f64::NAN, negative), sign_len + len));
    }
    if begins(b"0x") {
        let len = number_len(2, u8::is_ascii_hexdigit, [b'p', b'P']);
        if len > 0 {
            let value = parse_f64(&unsigned[..len]).unwrap_or(f64::INFINITY);
            return Some((with_sign(value, negative), sign_len + len));
        }
        return Some((with_sign(0.0, negative), sign_len + 1));
    }
    let len = number_len(0, u8::is_ascii_digit, [b'e', b'E']);
    let value: f64 = std::str::from_utf8(&unsigned[..len]).ok()?.parse().ok()?;
    Some((with_sign(value, negative), sign_len + len))
}

const DIGIT_PAIRS: [u8; 200] = {
    let mut table = [0; 200];
    let mut value = 0;
    while value < 100 {
        table[value * 2] = b'0' + (value / 10) as u8;
        table[value * 2 + 1] = b'0' + (value % 10) as u8;
        value += 1;
    }
    table
};

fn is_negative_zero(value: f64) -> bool {
    value == 0.0 && value.is_sign_negative()
}

fn with_sign(value: f64, negative: bool) -> f64 {
    if negative { -value } else { value }
}

/// `significand * 2^exponent`, which [`crate::binary_float::round`] has already made fit.
fn assemble_f64(significand: u64, exponent: i32) -> f64 {
    const LEADING_BIT: u64 = 1 << 52;
    if significand < LEADING_BIT {
        return f64::from_bits(significand);
    }
    let biased = (exponent - DOUBLE.exponent_min + 1) as u64;
    f64::from_bits((biased << 52) + (significand - LEADING_BIT))
}

fn has_nonzero_mantissa(decimal: &[u8]) -> bool {
    decimal
        .iter()
        .take_while(|b| !matches!(b, b'e' | b'E'))
        .any(|b| matches!(b, b'1'..=b'9'))
}

fn push_non_finite(out: &mut Vec<u8>, value: f64) {
    let text: &[u8] = if value.is_nan() {
        b"nan"
    } else if value < 0.0 {
        b"-inf"
    } else {
        b"inf"
    };
    out.extend_from_slice(text);
}

/// The decimal digits of a finite double's magnitude: `d.ddd * 10^exponent`.
struct Decimal {
    digits: [u8; 17],
    len: usize,
    exponent: i32,
}

impl Decimal {
    /// Takes the digits out of `scientific`, Rust's notation of `value` with at most 17 of them; `None`
    /// if `value` is not finite.
    fn new(value: f64, scientific: std::fmt::Arguments<'_>) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let mut text = [0; 24];
        let mut unwritten = &mut text[..];
        unwritten.write_fmt(scientific).ok()?;
        let text_len = 24 - unwritten.len();
        let text = &text[..text_len];
        let (mantissa, exponent) = text.split_at(text.iter().position(|&b| b == b'e')?);
        let mut decimal = Decimal {
            digits: [0; 17],
            len: 0,
            exponent: parse_exponent(&exponent[1..])? as i32,
        };
        for &digit in mantissa.iter().filter(|&&b| b != b'.') {
            decimal.digits[decimal.len] = digit;
            decimal.len += 1;
        }
        Some(decimal)
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    fn trim_zeros(&mut self) {
        while self.len > 1 && self.digits[self.len - 1] == b'0' {
            self.len -= 1;
        }
    }

    fn push_plain(&self, out: &mut Vec<u8>) {
        let digits = self.digits();
        let point = self.exponent + 1;
        if point <= 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + point.unsigned_abs() as usize, b'0');
            out.extend_from_slice(digits);
        } else if point as usize >= digits.len() {
            out.extend_from_slice(digits);
            out.resize(out.len() + point as usize - digits.len(), b'0');
        } else {
            let (integer, fraction) = digits.split_at(point as usize);
            out.extend_from_slice(integer);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    }

    fn push_scientific(&self, out: &mut Vec<u8>, exponent_len_min: usize) {
        let (integer, fraction) = self.digits().split_at(1);
        out.extend_from_slice(integer);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        out.push(b'e');
        out.push(if self.exponent < 0 { b'-' } else { b'+' });
        let magnitude = self.exponent.unsigned_abs();
        if decimal_len(u64::from(magnitude)) < exponent_len_min {
            out.push(b'0');
        }
        push_i64(out, i64::from(magnitude));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// SplitMix64.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        }
    }

    #[test]
    fn the_number_in_front_is_read_as_strtod_does() {
        let cases: [(&str, Option<(f64, usize)>); 16] = [
            ("1", Some((1.0, 1))),
            ("-1.5e3x", Some((-1500.0, 6))),
            ("1e", Some((1.0, 1))),
            ("1e+", Some((1.0, 1))),
            ("1.", Some((1.0, 2))),
            (".5", Some((0.5, 2))),
            (".", None),
            ("-", None),
            ("e1", None),
            ("0x1p3", Some((8.0, 5))),
            ("0x", Some((0.0, 1))),
            ("0x.8", Some((0.5, 4))),
            ("+infinit", Some((f64::INFINITY, 4))),
            ("-INFINITY1", Some((f64::NEG_INFINITY, 9))),
            ("1e999", Some((f64::INFINITY, 5))),
            ("007", Some((7.0, 3))),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_f64_prefix(text.as_bytes()), expected, "{text}");
        }
        for (text, len) in [("nan", 3), ("-nan(x1)", 8), ("nan(x", 3)] {
            let (value, read) = parse_f64_prefix(text.as_bytes()).unwrap();
            assert!(value.is_nan() && read == len, "{text}");
        }
    }

    #[test]
    fn fewer_digits_are_printed_as_printf_does() {
        for (value, digits, text) in [
            (0.1 + 0.2, 14, "0.3"),
            (1e14, 14, "1e+14"),
            (99_999_999_999_999.0, 14, "99999999999999"),
            (123_456.0, 3, "1.23e+05"),
            (0.000_123_456, 3, "0.000123"),
            (-0.0, 14, "-0"),
            (9.99, 1, "1e+01"),
        ] {
            let mut out = Vec::new();
            push_f64_g(&mut out, value, digits);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn loose_doubles_are_what_strtod_gives() {
        for (text, value) in [
            (&b""[..], 0.0),
            (b"\0abc", 0.0),
            (b"1.5", 1.5),
            (b" \t\r1.5", 1.5),
            (b"2\0x", 2.0),
            (b"-inf", f64::NEG_INFINITY),
            (b"0x1p1", 2.0),
            (b"1e400", f64::INFINITY),
            (b"-1e400", f64::NEG_INFINITY),
            (b"1e-400", 0.0),
        ] {
            assert_eq!(
                parse_f64_loosely(text),
                Some(value),
                "{}",
                text.escape_ascii()
            );
        }
        for text in [&b" "[..], b"1 ", b"nan", b"x", b"1.5x", b"--1", b"0x", b"."] {
            assert_eq!(parse_f64_loosely(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn integers_parse_in_their_canonical_spelling_only() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("10", 10),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            "+",
            "-0",
            "00",
            "01",
            "-01",
            "+1",
            " 1",
            "1 ",
            "1\n",
            "1\0",
            "--1",
            "1-",
            "1.0",
            "1e3",
            "0x1",
            "a",
            "1a",
            "/",
            ":",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999",
            "-99999999999999999999",
            "100000000000000000000",
            "\u{0661}",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn integers_print_as_std_does_and_parse_back() {
        let mut random = Random(1);
        let random_values = (0..20_000).map(|_| (random.next() >> (random.next() % 64)) as i64);
        let near_powers = (0..19).flat_map(|n| {
            let power = 10i64.pow(n);
            [power - 1, power, power + 1]
        });
        for value in random_values.chain(near_powers).chain([i64::MIN, i64::MAX]) {
            for value in [value, value.wrapping_neg()] {
                let text = text_of(|out| push_i64(out, value));
                assert_eq!(text, value.to_string());
                assert_eq!(parse_i64(text.as_bytes()), Some(value));
            }
        }
    }

    #[test]
    fn any_accepted_text_is_what_would_be_printed() {
        let mut random = Random(2);
        let mut accepted = 0;
        for _ in 0..200_000 {
            let len = random.next() % 5;
            let text: Vec<u8> = (0..len)
                .map(|_| b"-+0019 "[(random.next() % 7) as usize])
                .collect();
            if let Some(value) = parse_i64(&text) {
                accepted += 1;
                assert_eq!(value.to_string().as_bytes(), text);
            }
        }
        assert!(accepted > 10_000);
    }

    #[test]
    fn decimal_len_counts_digits() {
        assert_eq!(decimal_len(0), 1);
        assert_eq!(decimal_len(u64::MAX), 20);
        for n in 1..20 {
            assert_eq!(decimal_len(10u64.pow(n) - 1), n as usize);
            assert_eq!(decimal_len(10u64.pow(n)), n as usize + 1);
        }
    }

    #[test]
    fn doubles_parse_as_strtod_does() {
        for (text, value) in [
            ("1", 1.0),
            ("+1", 1.0),
            ("-1.", -1.0),
            (".5", 0.5),
            ("-.5e1", -5.0),
            ("1E+2", 100.0),
            ("007.50", 7.5),
            ("0e99999999999999999999", 0.0),
            ("inf", f64::INFINITY),
            ("+INF", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x1p3", 8.0),
            ("0X.8", 0.5),
            ("-0x1.8p+1", -3.0),
            ("0x1.P0", 1.0),
            ("0x0p99999999999999999999", 0.0),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1.fffffffffffff7ffp1023", f64::MAX),
            ("0x1p-1022", f64::MIN_POSITIVE),
            ("0x0.8p-1022", f64::MIN_POSITIVE / 2.0),
            ("0x1.8p-1075", f64::from_bits(1)),
            ("3e-324", f64::from_bits(1)),
            ("4.9e-324", f64::from_bits(1)),
            ("0x100000000000008", 72_057_594_037_927_936.0),
            ("0x100000000000018", 72_057_594_037_927_968.0),
            (
                "0x10000000000000800000000000000000000000000000001p-124",
                1_152_921_504_606_847_232.0,
            ),
            ("1.7976931348623157e308", f64::MAX),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        let negative_zero = parse_f64(b"-0").unwrap();
        assert!(is_negative_zero(negative_zero));
        assert!(is_negative_zero(parse_f64(b"-0x0").unwrap()));
    }

    #[test]
    fn what_string2d_refuses_is_refused() {
        for text in [
            "",
            ".",
            "-",
            "+",
            "e5",
            "1e",
            "1e+",
            "1e1.5",
            " 1",
            "1 ",
            "\t1",
            "1\n",
            "1\0",
            "++1",
            "+-1",
            "-+1",
            "1_0",
            "1,5",
            "1.5.2",
            "1f",
            "abc",
            "nan",
            "-NaN",
            "nan(1)",
            "infi",
            "+-inf",
            "-+inf",
            "infinity ",
            "0x",
            "0x.",
            "0x1p",
            "0x1p+",
            "0x1g",
            "0x1.2.3",
            "0xinf",
            "0b1",
            "x1",
            "1e309",
            "-1e99999999999999999999",
            "1e-400",
            "2e-324",
            "-1e-99999999999999999999",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "0x1p-1075",
            "0x1p99999999999999999999",
            "\u{0661}",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_f64(b"\xff"), None);
        assert_eq!(parse_f64(b"1\xff"), None);
    }

    /// Score, the reply of Redis 7.4 (like 7.2's), the reply of Redis 7.0 (`%.17g`). Taken from the servers
    /// with `ZADD key INCR score member`.
    const REPLIES: &[(&str, &str, &str)] = &[
        ("0", "0", "0"),
        ("-0", "-0", "-0"),
        ("1", "1", "1"),
        ("-1", "-1", "-1"),
        ("100", "100", "100"),
        ("1e15", "1000000000000000", "1000000000000000"),
        ("1e17", "100000000000000000", "1e+17"),
        (
            "4611686018427387904",
            "4611686018427387904",
            "4.6116860184273879e+18",
        ),
        (
            "4611686018427388928",
            "4611686018427389000",
            "4.6116860184273889e+18",
        ),
        (
            "-4611686018427387904",
            "-4611686018427387904",
            "-4.6116860184273879e+18",
        ),
        (
            "-4611686018427388928",
            "-4611686018427389000",
            "-4.6116860184273889e+18",
        ),
        (
            "9223372036854775807",
            "9223372036854776000",
            "9.2233720368547758e+18",
        ),
        ("1e19", "1e+19", "1e+19"),
        ("1e20", "1e+20", "1e+20"),
        ("1e21", "1e+21", "1e+21"),
        ("1e22", "1e+22", "1e+22"),
        ("1.5e20", "1.5e+20", "1.5e+20"),
        (
            "12345678901234567890",
            "12345678901234567000",
            "1.2345678901234567e+19",
        ),
        (
            "-12345678901234567890",
            "-12345678901234567000",
            "-1.2345678901234567e+19",
        ),
        (
            "1234567890123456789012",
            "1234567890123456800000",
            "1.2345678901234568e+21",
        ),
        (
            "12345678901234567890123",
            "12345678901234568000000",
            "1.2345678901234568e+22",
        ),
        (
            "123456789012345678901234",
            "123456789012345690000000",
            "1.2345678901234569e+23",
        ),
        (
            "1234567890123456789012345",
            "1.2345678901234568e+24",
            "1.2345678901234568e+24",
        ),
        ("0.1", "0.1", "0.10000000000000001"),
        ("0.2", "0.2", "0.20000000000000001"),
        (
            "0.30000000000000004",
            "0.30000000000000004",
            "0.30000000000000004",
        ),
        (
            "3.3333333333333335",
            "3.3333333333333335",
            "3.3333333333333335",
        ),
        ("0.5", "0.5", "0.5"),
        ("1.5", "1.5", "1.5"),
        ("0.001", "0.001", "0.001"),
        ("0.0001", "0.0001", "0.0001"),
        ("0.00001", "0.00001", "1.0000000000000001e-05"),
        ("0.000001", "0.000001", "9.9999999999999995e-07"),
        ("0.0000001", "1e-7", "9.9999999999999995e-08"),
        ("0.0000015", "1.5e-6", "1.5e-06"),
        ("0.00015", "0.00015", "0.00014999999999999999"),
        ("0.000123456", "1.23456e-4", "0.00012345600000000001"),
        ("0.0001234567", "1.234567e-4", "0.0001234567"),
        ("0.00123456789", "0.00123456789", "0.0012345678899999999"),
        ("0.0123456789", "0.0123456789", "0.0123456789"),
        ("12.3456789", "12.3456789", "12.345678899999999"),
        ("1234.5678901", "1234.5678901", "1234.5678901000001"),
        ("9999.1234567", "9999.1234567", "9999.1234566999992"),
        ("12345.123456", "12345.123456", "12345.123455999999"),
        ("12345.1234567", "1.23451234567e+4", "12345.123456699999"),
        ("12345.12345678", "1.234512345678e+4", "12345.12345678"),
        (
            "1700000000.123456",
            "1700000000.123456",
            "1700000000.123456",
        ),
        (
            "1700000000.1234567",
            "1.7000000001234567e+9",
            "1700000000.1234567",
        ),
        ("123456789.123", "123456789.123", "123456789.123"),
        ("1e-5", "0.00001", "1.0000000000000001e-05"),
        ("1e-6", "0.000001", "9.9999999999999995e-07"),
        ("1e-7", "1e-7", "9.9999999999999995e-08"),
        ("1e-10", "1e-10", "1e-10"),
        ("1.25e-10", "1.25e-10", "1.2500000000000001e-10"),
        ("-1.25e-10", "-1.25e-10", "-1.2500000000000001e-10"),
        ("5e-324", "5e-324", "4.9406564584124654e-324"),
        (
            "2.2250738585072014e-308",
            "2.2250738585072014e-308",
            "2.2250738585072014e-308",
        ),
        (
            "1.7976931348623157e308",
            "1.7976931348623157e+308",
            "1.7976931348623157e+308",
        ),
        (
            "-1.7976931348623157e308",
            "-1.7976931348623157e+308",
            "-1.7976931348623157e+308",
        ),
        ("1e100", "1e+100", "1e+100"),
        ("-1e100", "-1e+100", "-1e+100"),
        ("1e-100", "1e-100", "1e-100"),
        ("1.5e-100", "1.5e-100", "1.5e-100"),
        ("inf", "inf", "inf"),
        ("-inf", "-inf", "-inf"),
        ("123456.7", "123456.7", "123456.7"),
        ("9007199254740993", "9007199254740992", "9007199254740992"),
        (
            "123456789012345.125",
            "123456789012345.13",
            "123456789012345.12",
        ),
        (
            "123456789012345.375",
            "123456789012345.38",
            "123456789012345.38",
        ),
        ("0.1e-3", "0.0001", "0.0001"),
        ("1e16", "10000000000000000", "10000000000000000"),
        ("12345678.9", "12345678.9", "12345678.9"),
    ];

    #[test]
    fn doubles_print_as_redis_replies() {
        for (text, shortest, g17) in REPLIES {
            let value = parse_f64(text.as_bytes()).unwrap();
            assert_eq!(text_of(|out| push_f64(out, value)), *shortest, "{text}");
            assert_eq!(text_of(|out| push_f64_g17(out, value)), *g17, "{text}");
        }
        for push in [push_f64, push_f64_g17] {
            assert_eq!(text_of(|out| push(out, f64::NAN)), "nan");
            assert_eq!(text_of(|out| push(out, -f64::NAN)), "nan");
        }
    }

    #[test]
    fn printed_doubles_read_back() {
        let mut random = Random(3);
        for _ in 0..50_000 {
            let bits = f64::from_bits(random.next());
            let decimal = (random.next() >> (random.next() % 64)) as f64 / 1000.0;
            for value in [bits, decimal, -decimal] {
                if value.is_nan() {
                    continue;
                }
                for push in [push_f64, push_f64_g17] {
                    let text = text_of(|out| push(out, value));
                    let back = parse_f64(text.as_bytes());
                    assert_eq!(back.map(f64::to_bits), Some(value.to_bits()), "{text}");
                }
            }
        }
    }
}
