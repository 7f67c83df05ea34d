//! x87's 80-bit floating point in software: what INCRBYFLOAT and HINCRBYFLOAT compute with, since
//! Redis computes them in C's `long double`.
//!
//! Only what those commands need: read a text, add, print. Values of ordinary length (up to 38 digits,
//! decimal exponents within ±27, results below 2^128) stay within 128-bit integers; the rest takes
//! exact big-integer arithmetic. It knows no keys and no error texts.

use crate::binary_float::{
    EXTENDED, Unsigned, parse_exponent, parse_hexadecimal, round, split_sign,
};

/// A `long double` of x86: a sign and 64 bits of significand, with a range of 10^±4932; or an
/// infinity. Never NaN.
///
/// ```
/// # use pentad::extended_float::ExtendedFloat;
/// let sum = ExtendedFloat::parse(b"10.5").unwrap()
///     .checked_add(ExtendedFloat::parse(b"0.1").unwrap())
///     .unwrap();
/// let mut text = Vec::new();
/// sum.push(&mut text);
/// assert_eq!(text, b"10.6");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedFloat {
    negative: bool,
    magnitude: Magnitude,
}

/// A sum that is infinite or no number: Redis's `increment would produce NaN or Infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite;

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the result is NaN or Infinity")
    }
}

impl std::error::Error for NotFinite {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    /// `significand * 2^exponent`. Either the significand's top bit is set or the exponent is the
    /// smallest there is, as [`round`] leaves them.
    Finite {
        significand: u64,
        exponent: i32,
    },
    Infinite,
}

/// Longer texts are refused: Redis copies a number into a buffer of 5 KiB, with a terminator.
const TEXT_LEN_MAX: usize = 5 * 1024 - 1;

/// Decimals in the printed form, before trailing zeros go.
const FRACTION_DIGITS: usize = 17;

impl ExtendedFloat {
    /// Parses what Redis's `string2ld` accepts, C's `strtold` over the whole text, correctly rounded:
    /// decimal or hexadecimal, `inf` and `infinity` in any case, either sign.
    ///
    /// `None` for anything else: blanks, an empty text or one of 5120 bytes or more, bytes left over,
    /// NaN, a finite number out of range, one that is not zero but rounds to zero.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        let (negative, kind) = split_sign(text);
        let (significand, exponent) = match kind {
            Unsigned::Infinity => {
                return Some(ExtendedFloat {
                    negative,
                    magnitude: Magnitude::Infinite,
                });
            }
            Unsigned::Hexadecimal(digits) => parse_hexadecimal(digits, &EXTENDED)?,
            Unsigned::Other(decimal) => parse_decimal(decimal)?,
        };
        Some(Self::finite(negative, significand, exponent))
    }

    /// `value`, exactly.
    pub fn from_i64(value: i64) -> Self {
        Self::exact(value < 0, value.unsigned_abs(), 0)
    }

    /// `value`, exactly; `None` for NaN. (GEOPOS prints its doubles as `long double`s.)
    pub fn from_f64(value: f64) -> Option<Self> {
        const FRACTION_BITS: u32 = 52;
        let negative = value.is_sign_negative();
        if value.is_nan() {
            return None;
        }
        if value.is_infinite() {
            return Some(ExtendedFloat {
                negative,
                magnitude: Magnitude::Infinite,
            });
        }
        let bits = value.to_bits();
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        let biased = (bits >> FRACTION_BITS & 0x7ff) as i64;
        Some(if biased == 0 {
            Self::exact(negative, fraction, -1074)
        } else {
            Self::exact(negative, fraction | 1 << FRACTION_BITS, biased - 1075)
        })
    }

    /// Whether this is a number and not an infinity.
    pub fn is_finite(self) -> bool {
        matches!(self.magnitude, Magnitude::Finite { .. })
    }

    /// The sum, rounded to nearest, ties to even.
    pub fn checked_add(self, other: Self) -> Result<Self, NotFinite> {
        let (
            Magnitude::Finite {
                significand: m1,
                exponent: e1,
            },
            Magnitude::Finite {
                significand: m2,
                exponent: e2,
            },
        ) = (self.magnitude, other.magnitude)
        else {
            return Err(NotFinite);
        };
        let (large, large_exponent, large_negative, small, small_exponent, small_negative) =
            if (e1, m1) >= (e2, m2) {
                (m1, e1, self.negative, m2, e2, other.negative)
            } else {
                (m2, e2, other.negative, m1, e1, self.negative)
            };

        // 63 bits below the larger operand and one above: a distance of up to 63 is exact, and beyond
        // that whatever falls off the smaller one lies far below the result's last bit.
        const GUARD_BITS: u32 = 63;
        let large = u128::from(large) << GUARD_BITS;
        let exact_small = u128::from(small) << GUARD_BITS;
        let distance = large_exponent.abs_diff(small_exponent);
        let small = exact_small.checked_shr(distance).unwrap_or(0);
        let sticky = small.checked_shl(distance).unwrap_or(0) != exact_small;
        let sum = if large_negative == small_negative {
            large + small
        } else {
            // With something fallen off, the true difference is short of the whole one, by less than 1.
            large - small - u128::from(sticky)
        };
        let negative = if sum == 0 {
            self.negative && other.negative
        } else {
            large_negative
        };
        let exponent = i64::from(large_exponent) - i64::from(GUARD_BITS);
        let (significand, exponent) = round(sum, exponent, sticky, &EXTENDED).ok_or(NotFinite)?;
        Ok(Self::finite(negative, significand, exponent))
    }

    /// Appends the value as INCRBYFLOAT replies (`ld2string` in `LD_STR_HUMAN` mode): `%.17Lf` without
    /// trailing zeros, never in scientific notation, so up to 4933 digits; zero without a sign.
    pub fn push(self, out: &mut Vec<u8>) {
        let Magnitude::Finite {
            significand,
            exponent,
        } = self.magnitude
        else {
            out.extend_from_slice(if self.negative { b"-inf" } else { b"inf" });
            return;
        };
        let start = out.len();
        if self.negative {
            out.push(b'-');
        }
        if exponent > 64 {
            let mut integer = BigUint::from_u128(u128::from(significand));
            integer.shift_left(exponent.unsigned_abs());
            integer.push_decimal(out);
        } else if exponent >= 0 {
            out.extend_from_slice(u128_digits(
                u128::from(significand) << exponent,
                &mut [0; 39],
            ));
        } else {
            push_with_fraction(out, significand, exponent.unsigned_abs());
        }
        if out[start..] == *b"-0" {
            out.remove(start);
        }
    }

    fn finite(negative: bool, significand: u64, exponent: i32) -> Self {
        ExtendedFloat {
            negative,
            magnitude: Magnitude::Finite {
                significand,
                exponent,
            },
        }
    }

    /// `significand * 2^exponent`, which must be far inside the range.
    fn exact(negative: bool, significand: u64, exponent: i64) -> Self {
        if significand == 0 {
            return Self::finite(negative, 0, EXTENDED.exponent_min);
        }
        let shift = significand.leading_zeros();
        let exponent = (exponent - i64::from(shift)) as i32;
        Self::finite(negative, significand << shift, exponent)
    }
}

/// Appends `significand / 2^fraction_bits` with its decimals, trailing zeros removed.
fn push_with_fraction(out: &mut Vec<u8>, significand: u64, fraction_bits: u32) {
    const SCALE: u128 = 10u128.pow(FRACTION_DIGITS as u32);
    let integer = significand.checked_shr(fraction_bits).unwrap_or(0);
    let fraction = significand - integer.checked_shl(fraction_bits).unwrap_or(0);
    // Below 2^121, so with more bits than that to drop there is nothing left.
    let scaled = u128::from(fraction) * SCALE;
    let decimals = round_shift(scaled, fraction_bits);
    let integer = u128::from(integer) + decimals / SCALE;
    let mut decimals = decimals % SCALE;

    out.extend_from_slice(u128_digits(integer, &mut [0; 39]));
    if decimals == 0 {
        return;
    }
    let mut digits = [0; FRACTION_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (decimals % 10) as u8;
        decimals /= 10;
    }
    let kept = digits
        .iter()
        .rposition(|&d| d != b'0')
        .map_or(0, |at| at + 1);
    out.push(b'.');
    out.extend_from_slice(&digits[..kept]);
}

/// `value / 2^bits` for at least one bit, rounded to nearest, ties to even.
fn round_shift(value: u128, bits: u32) -> u128 {
    if bits > 127 {
        return 0;
    }
    let kept = value >> bits;
    let rest = value - (kept << bits);
    let half = 1u128 << (bits - 1);
    kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
}

/// `value` in decimal, in the part of `buffer` that it takes.
fn u128_digits(value: u128, buffer: &mut [u8; 39]) -> &[u8] {
    let mut start = buffer.len();
    let mut rest = value;
    // 64-bit division is many times faster than 128-bit: take 19 digits off at a time.
    while rest > u128::from(u64::MAX) {
        let mut chunk = (rest % CHUNK as u128) as u64;
        rest /= CHUNK as u128;
        for _ in 0..CHUNK_DIGITS {
            start -= 1;
            buffer[start] = b'0' + (chunk % 10) as u8;
            chunk /= 10;
        }
    }
    let mut rest = rest as u64;
    loop {
        start -= 1;
        buffer[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &buffer[start..];
        }
    }
}

/// Parses an unsigned decimal float; returns significand and exponent as [`round`] does. `None` for
/// anything malformed or out of range.
fn parse_decimal(text: &[u8]) -> Option<(u64, i32)> {
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (integer, fraction) = match mantissa.iter().position(|&b| b == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    let is_number = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    if integer.len() + fraction.len() == 0 || !is_number(integer) || !is_number(fraction) {
        return None;
    }
    let fraction = match fraction.iter().rposition(|&d| d != b'0') {
        Some(last) => &fraction[..=last],
        None => &[],
    };
    let exponent = exponent - fraction.len() as i64;
    let zeros = integer
        .iter()
        .chain(fraction)
        .take_while(|&&d| d == b'0')
        .count();
    let digits = integer.iter().chain(fraction).skip(zeros).map(|d| d - b'0');
    let digit_count = integer.len() + fraction.len() - zeros;
    if digit_count == 0 {
        return Some((0, EXTENDED.exponent_min));
    }
    // The value is in 10^(position - 1) .. 10^position. The largest finite one has position 4933, and
    // what has a position below -4950 rounds to zero.
    let position = digit_count as i64 + exponent;
    if !(-4950..=4933).contains(&position) {
        return None;
    }
    let exponent = exponent as i32;
    let rounded = if digit_count <= 38 {
        let value = digits.fold(0u128, |value, d| value * 10 + u128::from(d));
        scale_small(value, exponent).or_else(|| {
            let value = BigUint::from_u128(value);
            Some(scale_big(value, exponent))
        })
    } else {
        Some(scale_big(BigUint::from_digits(digits), exponent))
    };
    let (mantissa, exponent, sticky) = rounded?;
    let (significand, exponent) = round(mantissa, exponent, sticky, &EXTENDED)?;
    (significand != 0).then_some((significand, exponent))
}

/// A positive value as [`round`] takes it: mantissa, binary exponent, sticky.
type Unrounded = (u128, i64, bool);

/// `value * 10^exponent` where 128 bits are enough for it, else `None`.
fn scale_small(value: u128, exponent: i32) -> Option<Unrounded> {
    // 10^n is 5^n * 2^n, and the power of two only moves the exponent.
    let power = *POWERS_OF_5.get(exponent.unsigned_abs() as usize)?;
    if exponent >= 0 {
        let product = value.checked_mul(u128::from(power))?;
        return Some((product, i64::from(exponent), false));
    }
    // The dividend has its top bit set and the divisor fewer than 64 bits: the quotient has 65 or more.
    let shift = value.leading_zeros();
    let dividend = value << shift;
    let (quotient, rest) = divide(dividend, power);
    let binary_exponent = i64::from(exponent) - i64::from(shift);
    Some((quotient, binary_exponent, rest != 0))
}

/// Quotient and remainder.
fn divide(dividend: u128, divisor: u64) -> (u128, u64) {
    let divisor = u128::from(divisor);
    (dividend / divisor, (dividend % divisor) as u64)
}

/// `value * 10^exponent` for any value but zero. O(n²) in the number of digits.
fn scale_big(mut value: BigUint, exponent: i32) -> Unrounded {
    if exponent >= 0 {
        value.multiply_by_power_of_5(exponent.unsigned_abs());
        let (mantissa, shift, sticky) = value.top_128_bits();
        return (mantissa, i64::from(exponent) + shift, sticky);
    }
    let mut divisor = BigUint::from_u128(1);
    divisor.multiply_by_power_of_5(exponent.unsigned_abs());
    let (mantissa, shift, sticky) = value.divide_to_66_bits(divisor);
    (mantissa, i64::from(exponent) + shift, sticky)
}

/// 5^0 ..= 5^27, all that fit 64 bits.
const POWERS_OF_5: [u64; 28] = {
    let mut powers = [1; 28];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 5;
        i += 1;
    }
    powers
};

/// The largest power of ten in 64 bits, and its number of zeros.
const CHUNK: u64 = 10u64.pow(CHUNK_DIGITS as u32);
const CHUNK_DIGITS: usize = 19;

/// An unsigned integer of any size; least significant limb first, the last limb not zero.
struct BigUint {
    limbs: Vec<u64>,
}

impl BigUint {
    fn from_u128(value: u128) -> Self {
        let mut big = BigUint {
            limbs: vec![value as u64, (value >> 64) as u64],
        };
        big.trim();
        big
    }

    fn from_digits(digits: impl Iterator<Item = u8>) -> Self {
        let mut big = BigUint { limbs: Vec::new() };
        let (mut chunk, mut scale) = (0, 1);
        for digit in digits {
            chunk = chunk * 10 + u64::from(digit);
            scale *= 10;
            if scale == CHUNK {
                big.multiply_add(scale, chunk);
                (chunk, scale) = (0, 1);
            }
        }
        big.multiply_add(scale, chunk);
        big
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    fn width(&self) -> i64 {
        let last = self.limbs.last().map_or(64, |limb| limb.leading_zeros());
        self.limbs.len() as i64 * 64 - i64::from(last)
    }

    fn multiply_add(&mut self, factor: u64, summand: u64) {
        let mut carry = summand;
        for limb in &mut self.limbs {
            let product = u128::from(*limb) * u128::from(factor) + u128::from(carry);
            *limb = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            self.limbs.push(carry);
        }
    }

    fn multiply_by_power_of_5(&mut self, power: u32) {
        const STEP: u32 = POWERS_OF_5.len() as u32 - 1;
        for _ in 0..power / STEP {
            self.multiply_add(POWERS_OF_5[STEP as usize], 0);
        }
        self.multiply_add(POWERS_OF_5[(power % STEP) as usize], 0);
    }

    fn shift_left(&mut self, bits: u32) {
        let (limb_shift, bit_shift) = ((bits / 64) as usize, bits % 64);
        if bit_shift > 0 {
            let mut carry = 0;
            for limb in &mut self.limbs {
                let shifted = u128::from(*limb) << bit_shift;
                *limb = shifted as u64 | carry;
                carry = (shifted >> 64) as u64;
            }
            if carry != 0 {
                self.limbs.push(carry);
            }
        }
        self.limbs.splice(0..0, std::iter::repeat_n(0, limb_shift));
    }

    fn is_at_least(&self, other: &Self) -> bool {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        let order = by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()));
        order.is_ge()
    }

    /// Takes off `other`, which must not be larger.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (at, limb) in self.limbs.iter_mut().enumerate() {
            let summand = other.limbs.get(at).copied().unwrap_or(0);
            let (difference, under_1) = limb.overflowing_sub(summand);
            let (difference, under_2) = difference.overflowing_sub(u64::from(borrow));
            *limb = difference;
            borrow = under_1 || under_2;
        }
        self.trim();
    }

    /// The leading bits, how far they are shifted, and whether any bit below them is set.
    fn top_128_bits(&self) -> (u128, i64, bool) {
        let limb = |at: usize| {
            self.limbs
                .len()
                .checked_sub(at)
                .map_or(0, |i| self.limbs[i])
        };
        let wide = u128::from(limb(1)) << 64 | u128::from(limb(2));
        let zeros = wide.leading_zeros();
        if zeros == 0 {
            let below = &self.limbs[..self.limbs.len().saturating_sub(2)];
            return (wide, self.width() - 128, below.iter().any(|&l| l != 0));
        }
        let third = limb(3);
        let mantissa = wide << zeros | u128::from(third >> (64 - zeros));
        let below = &self.limbs[..self.limbs.len().saturating_sub(3)];
        let sticky = third << zeros != 0 || below.iter().any(|&l| l != 0);
        (mantissa, self.width() - 128, sticky)
    }

    /// `self / divisor`: 66 leading bits of the quotient, how far they are shifted, and whether
    /// anything is left over. Neither may be zero.
    fn divide_to_66_bits(mut self, mut divisor: Self) -> (u128, i64, bool) {
        const BITS: i64 = 66;
        // First make 1 <= self / divisor < 2, so that every turn below finds one bit, the first a one.
        let shift = self.width() - divisor.width();
        if shift < 0 {
            self.shift_left(shift.unsigned_abs() as u32);
        } else {
            divisor.shift_left(shift as u32);
        }
        let mut exponent = shift;
        if !self.is_at_least(&divisor) {
            self.shift_left(1);
            exponent -= 1;
        }
        let mut quotient = 0u128;
        for _ in 0..BITS {
            quotient <<= 1;
            if self.is_at_least(&divisor) {
                self.subtract(&divisor);
                quotient |= 1;
            }
            self.shift_left(1);
        }
        (quotient, exponent - (BITS - 1), !self.limbs.is_empty())
    }

    fn push_decimal(mut self, out: &mut Vec<u8>) {
        let start = out.len();
        while !self.limbs.is_empty() {
            let mut rest = 0;
            for limb in self.limbs.iter_mut().rev() {
                let dividend = u128::from(rest) << 64 | u128::from(*limb);
                let (quotient, remainder) = divide(dividend, CHUNK);
                *limb = quotient as u64;
                rest = remainder;
            }
            self.trim();
            for _ in 0..CHUNK_DIGITS {
                out.push(b'0' + (rest % 10) as u8);
                rest /= 10;
            }
        }
        while out.len() > start + 1 && out.last() == Some(&b'0') {
            out.pop();
        }
        out[start..].reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Sum {
        Text(&'static str),
        NotFinite,
        Refused,
    }

    /// `SET key a`, `INCRBYFLOAT key b` and what Redis replied (7.0.15 and 7.4.1 alike).
    #[rustfmt::skip]
    const SUMS: &[(&str, &str, Sum)] = &[
        ("0", "0", Sum::Text("0")),
        ("10.5", "0.1", Sum::Text("10.6")),
        ("3.0e3", "200", Sum::Text("3200")),
        ("5.0e3", "1", Sum::Text("5001")),
        ("0.1", "0.2", Sum::Text("0.3")),
        ("1", "-1", Sum::Text("0")),
        ("-0", "-0", Sum::Text("0")),
        ("-1", "0.99999999999999999", Sum::Text("-0.00000000000000001")),
        ("1", "1e-17", Sum::Text("1.00000000000000001")),
        ("1", "5e-18", Sum::Text("1")),
        ("1", "4e-18", Sum::Text("1")),
        ("0", "5e-18", Sum::Text("0")),
        ("0", "5.0000000000000000001e-18", Sum::Text("0")),
        ("0", "-4e-18", Sum::Text("0")),
        ("-1e-18", "0", Sum::Text("0")),
        ("0.000000000000000015", "0", Sum::Text("0.00000000000000002")),
        ("0.000000000000000025", "0", Sum::Text("0.00000000000000002")),
        ("9223372036854775807", "1", Sum::Text("9223372036854775808")),
        ("-9223372036854775808", "-1", Sum::Text("-9223372036854775809")),
        ("18446744073709551615", "0.5", Sum::Text("18446744073709551616")),
        ("18446744073709551615", "1", Sum::Text("18446744073709551616")),
        ("18446744073709551616", "1", Sum::Text("18446744073709551616")),
        ("18446744073709551617", "0", Sum::Text("18446744073709551616")),
        ("18446744073709551619", "0", Sum::Text("18446744073709551620")),
        ("36893488147419103233", "0", Sum::Text("36893488147419103232")),
        ("36893488147419103235", "1e-30", Sum::Text("36893488147419103236")),
        ("123456789012345678901234567890", "1", Sum::Text("123456789012345678899921813504")),
        ("1e30", "-1", Sum::Text("1000000000000000000024696061952")),
        ("1e30", "1e-20", Sum::Text("1000000000000000000024696061952")),
        ("1e40", "1", Sum::Text("9999999999999999999783686092270256259072")),
        ("1e100", "0", Sum::Text("9999999999999999999669353532207342619498699019828496079271391541752018669482644324418977840117055488")),
        ("-2.5e60", "1e60", Sum::Text("-1499999999999999999955503992174203129654883983226063827238912")),
        ("99999999999999999999", "1e-1", Sum::Text("100000000000000000000")),
        ("0.30000000000000000004", "-0.3", Sum::Text("0")),
        ("3.14159265358979323846264338327950288", "0", Sum::Text("3.14159265358979324")),
        ("2.7182818284590452353602874713526624977572470937", "-1", Sum::Text("1.71828182845904524")),
        ("1000.123", "0.000000000000001", Sum::Text("1000.123000000000001")),
        ("1234567.12345678901234567", "7654321.76543210987654321", Sum::Text("8888888.88888889888949052")),
        ("0x1p3", "0x.8", Sum::Text("8.5")),
        ("0X1.8P1", "1", Sum::Text("4")),
        ("0xffffffffffffffff.8", "0", Sum::Text("18446744073709551616")),
        ("0x10000000000000001", "0x1p-70", Sum::Text("18446744073709551616")),
        ("0x8000000000000000p1", "-0x1p-3", Sum::Text("18446744073709551616")),
        ("0x1p64", "-0x1p-1", Sum::Text("18446744073709551616")),
        ("0x1p64", "-0x1.8p-1", Sum::Text("18446744073709551615")),
        ("0x1p63", "-0x1p-2", Sum::Text("9223372036854775808")),
        ("+5", "+.5", Sum::Text("5.5")),
        ("5.", "-.25", Sum::Text("4.75")),
        ("1e4932", "-1e4932", Sum::Text("0")),
        ("1.18e4932", "1.18e4932", Sum::NotFinite),
        ("inf", "1", Sum::NotFinite),
        ("1", "-infinity", Sum::NotFinite),
        ("inf", "-inf", Sum::NotFinite),
        ("1e-4940", "1e-4940", Sum::Text("0")),
        ("3.6e-4951", "-3.6e-4951", Sum::Text("0")),
        ("nan", "1", Sum::Refused),
        ("1", "1e4933", Sum::Refused),
        ("1", "1e-4951", Sum::Refused),
        ("1 ", "1", Sum::Refused),
        ("", "1", Sum::Refused),
        ("1", "abc", Sum::Refused),
        ("1e", "1", Sum::Refused),
        ("0x", "1", Sum::Refused),
        ("1", " 1", Sum::Refused),
        ("0e999999999999999999999", "2", Sum::Text("2")),
        ("0.0000001", "1e-7", Sum::Text("0.0000002")),
        ("17179869184.5", "0.25", Sum::Text("17179869184.75")),
        ("100", "-99.99", Sum::Text("0.01")),
        ("-273.15", "273.15", Sum::Text("0")),
        ("5432319487574.91E-11", "97971147104974650752", Sum::Text("97971147104974650808")),
        ("66.712768", "-632.122330792440268599528907866", Sum::Text("-565.40956279244026861")),
        ("-798682828807", "-18058887180334018780", Sum::Text("-18058887979016847587")),
        ("-783848372.616751361", "+73167.", Sum::Text("-783775205.6167513609980233")),
        ("+72492086828890931002", "0xB2FA2f828767Eefc2fF91DEE62D4a8E9D.8", Sum::Text("3806425937266677680383814626031014248448")),
        ("137484777", "-047.", Sum::Text("137484730")),
        ("84529", "0x9p-70", Sum::Text("84529")),
        ("-1564041042346853560", "-79247082276.544", Sum::Text("-1564041121593935836.5")),
        ("+79701687731322", "-.02", Sum::Text("79701687731321.98000335693359375")),
        ("4", "+1836236107885.2611491", Sum::Text("1836236107889.26114904880523682")),
        ("-79.381444945443e-2", "7.010", Sum::Text("6.21618555054557")),
        ("39", "7940199530552034093056529413078716168281E6", Sum::Text("7940199530552034092853904755165397841313005568")),
        ("366306261169", "-1995822.542821", Sum::Text("366304265346.45717900991439819")),
        ("-75.e19", "068.2651e-11", Sum::Text("-750000000000000000000")),
        ("+6657872.0", "0X02D364f95p3", Sum::Text("6074930168")),
        ("+42594724873949835503.2", "41805788.91", Sum::Text("42594724873991641292")),
        ("9255173290.48", "3.", Sum::Text("9255173293.48000000044703484")),
        ("0xc801EBbDECeDAf7501", "+0.10983", Sum::Text("3689487227780772885760")),
        ("407E34", "15", Sum::Text("4070000000000000000140349377930592256")),
        ("68443180243325365.9", "94369919e-14", Sum::Text("68443180243325365.8984375")),
        ("10.", "3.100147", Sum::Text("13.100147")),
        ("0XdA.", "+8931942608340057172795849.24337211781551", Sum::Text("8931942608340057173000192")),
        ("4688263728", "2785.2774932573834", Sum::Text("4688266513.27749325754120946")),
        ("+53.412136", "-436.7", Sum::Text("-383.28786400000000001")),
    ];

    fn parse(text: &str) -> Option<ExtendedFloat> {
        ExtendedFloat::parse(text.as_bytes())
    }

    fn text_of(value: ExtendedFloat) -> String {
        let mut out = b"before".to_vec();
        value.push(&mut out);
        let text = out.strip_prefix(b"before").unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn sums_are_those_of_redis() {
        for (a, b, expected) in SUMS {
            let Some((x, y)) = parse(a).zip(parse(b)) else {
                assert!(matches!(expected, Sum::Refused), "{a} + {b}");
                continue;
            };
            for sum in [x.checked_add(y), y.checked_add(x)] {
                match (sum, expected) {
                    (Ok(sum), Sum::Text(text)) => assert_eq!(text_of(sum), *text, "{a} + {b}"),
                    (Err(NotFinite), Sum::NotFinite) => {}
                    (sum, _) => panic!("{a} + {b} = {sum:?}"),
                }
            }
        }
    }

    #[test]
    fn texts_are_limited_as_in_redis() {
        let nines = "9".repeat(TEXT_LEN_MAX);
        assert_eq!(parse(&nines), None, "beyond the largest value");
        let zeros = "0".repeat(TEXT_LEN_MAX - 1) + "7";
        assert_eq!(parse(&zeros), parse("7"));
        assert_eq!(parse(&("0".to_owned() + &zeros)), None);
        let long_fraction = format!("0.{}1e5000", "0".repeat(4999));
        assert_eq!(parse(&long_fraction), parse("1"));
        let long_integer = format!("1{}e-5000", "0".repeat(5000));
        assert_eq!(parse(&long_integer), parse("1"));
    }

    #[test]
    fn the_ends_of_the_range() {
        let largest = parse("0xffffffffffffffffp16320").unwrap();
        assert_eq!(text_of(largest).len(), 4933);
        assert!(
            text_of(largest).starts_with("118973149535723176502126385303097020516906332229462420")
        );
        assert!(text_of(largest).ends_with("2086811989770240"));
        assert_eq!(parse("1.189731495357231765e4932"), Some(largest));
        assert_eq!(
            parse("1.18973149535723176e4932").map(|v| v == largest),
            Some(false)
        );
        assert_eq!(parse("1.1898e4932"), None);
        assert_eq!(largest.checked_add(largest), Err(NotFinite));
        // Half a unit in the last place goes to the even neighbour, which is out of range.
        let half_unit = parse("0x1p16319").unwrap();
        assert_eq!(largest.checked_add(half_unit), Err(NotFinite));
        let less = parse("0xffffffffffffffffp16255").unwrap();
        assert_eq!(largest.checked_add(less), Ok(largest));

        let smallest = parse("0x1p-16445").unwrap();
        assert_eq!(parse("3.6e-4951"), Some(smallest));
        assert_eq!(parse("1.9e-4951"), Some(smallest));
        assert_eq!(parse("1.8e-4951"), None);
        assert_eq!(
            smallest.checked_add(smallest),
            Ok(parse("0x1p-16444").unwrap())
        );
        assert_eq!(text_of(smallest), "0");
        assert_eq!(text_of(parse("-0x1p-16445").unwrap()), "0");
    }

    #[test]
    fn whole_numbers_and_doubles_are_taken_exactly() {
        for value in [0, 1, -1, 10, i64::MAX, i64::MIN, i64::MIN + 1] {
            let exact = ExtendedFloat::from_i64(value);
            assert_eq!(text_of(exact), value.to_string());
            assert_eq!(parse(&value.to_string()), Some(exact));
        }
        for value in [
            0.0,
            -0.0,
            1.5,
            -0.1,
            1e300,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
        ] {
            let exact = ExtendedFloat::from_f64(value).unwrap();
            // A double's exact decimal expansion has up to 1074 decimals.
            assert_eq!(parse(&format!("{value:.1074}")), Some(exact), "{value}");
        }
        // GEOPOS of Redis 7.4.
        let longitude = ExtendedFloat::from_f64(-131.628_873_646_259_3).unwrap();
        assert_eq!(text_of(longitude), "-131.62887364625930786");
        assert_eq!(ExtendedFloat::from_f64(f64::NAN), None);
        assert!(!ExtendedFloat::from_f64(f64::INFINITY).unwrap().is_finite());
        assert_eq!(text_of(parse("-INF").unwrap()), "-inf");
    }

    /// The short ways against big integers, on values where both can go.
    #[test]
    fn short_ways_and_big_integers_agree() {
        let mut state = 1u128;
        let mut random = || {
            state = state
                .wrapping_mul(0xda94_2042_e4dd_58b5_da94_2042_e4dd_58b5)
                .wrapping_add(3);
            state
        };
        let significand = |(mantissa, exponent, sticky): Unrounded| {
            round(mantissa, exponent, sticky, &EXTENDED).unwrap()
        };
        for _ in 0..400 {
            let value = (random() >> (random() >> 121)).max(1);
            for exponent in -27..=27 {
                let big = significand(scale_big(BigUint::from_u128(value), exponent));
                if let Some(small) = scale_small(value, exponent) {
                    assert_eq!(significand(small), big, "{value} * 10^{exponent}");
                }
            }
            let mut printed = Vec::new();
            BigUint::from_u128(value).push_decimal(&mut printed);
            assert_eq!(printed, value.to_string().as_bytes());
            assert_eq!(u128_digits(value, &mut [0; 39]), printed);
            let digits = printed.iter().map(|d| d - b'0');
            assert_eq!(
                BigUint::from_digits(digits).top_128_bits().0,
                value << value.leading_zeros()
            );
        }
    }
}
