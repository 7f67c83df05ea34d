//! Bit strings: what SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP and BITFIELD compute.
//!
//! A bit string is a byte string whose bit 0 is the most significant bit of its first byte. Beyond the
//! end, every bit reads as 0. Nothing here knows of keys; a missing key is the empty string to all of
//! this but [`position`].

use std::fmt;

use crate::number::parse_i64;

/// The bit at `offset`. O(1).
pub fn get(bytes: &[u8], offset: u64) -> bool {
    let byte = bytes.get(byte_of(offset)).copied().unwrap_or(0);
    byte & mask_of(offset) != 0
}

/// Sets the bit at `offset` to `on` and returns what it was. `bytes` grows with zeros to reach it, even
/// to clear a bit; take `offset` from [`parse_offset`], which bounds it. O(1) but for the growth.
pub fn set(bytes: &mut Vec<u8>, offset: u64, on: bool) -> bool {
    let (at, mask) = (byte_of(offset), mask_of(offset));
    grow(bytes, at + 1);
    let old = bytes[at] & mask != 0;
    if on {
        bytes[at] |= mask;
    } else {
        bytes[at] &= !mask;
    }
    old
}

/// Makes `bytes` long enough, with zeros, to hold the bit at `offset`. O(growth).
pub fn reach(bytes: &mut Vec<u8>, offset: u64) {
    grow(bytes, byte_of(offset) + 1);
}

/// Parses the offset of a bit, which must be a canonical integer, not negative, and in a byte below
/// `string_len_max` (`proto-max-bulk-len`, 512 MiB unless told).
pub fn parse_offset(text: &[u8], string_len_max: u64) -> Result<u64, InvalidOffset> {
    let offset = parse_i64(text).ok_or(InvalidOffset)?;
    bound_offset(offset, string_len_max)
}

/// An offset that is no integer, negative, or beyond the longest string there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidOffset;

impl fmt::Display for InvalidOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bit offset is not an integer or out of range")
    }
}

impl std::error::Error for InvalidOffset {}

/// What the ends of a range count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeUnit {
    /// Bytes.
    Byte,
    /// Bits.
    Bit,
}

impl RangeUnit {
    /// Parses `BYTE` or `BIT`, in any case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.eq_ignore_ascii_case(b"byte") {
            Some(Self::Byte)
        } else if text.eq_ignore_ascii_case(b"bit") {
            Some(Self::Bit)
        } else {
            None
        }
    }
}

/// The number of bits set. O(length).
pub fn count(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 = words
        .iter()
        .map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()))
        .sum();
    let in_rest: u64 = rest.iter().map(|byte| u64::from(byte.count_ones())).sum();
    in_words + in_rest
}

/// The number of bits set from `start` to `end`, both included; negative ones count from the end, -1
/// being the last. An empty range has none. O(length of the range).
pub fn count_range(bytes: &[u8], start: i64, end: i64, unit: RangeUnit) -> u64 {
    // Both ends before the first byte would be drawn to the first byte below, which then counts; Redis
    // calls that range empty where it is written backwards, and so BITCOUNT differs from BITPOS here.
    if start < 0 && end < 0 && start > end {
        return 0;
    }
    let Some((first, last)) = resolve(bytes, start, end, unit) else {
        return 0;
    };
    let covered = &bytes[byte_of(first)..=byte_of(last)];
    let before = covered[0] & !keep_from(first);
    let after = covered[covered.len() - 1] & !keep_to(last);
    count(covered) - u64::from(before.count_ones()) - u64::from(after.count_ones())
}

/// The first bit that is `bit`, from `start` to `end`, both included, as an offset into all of `bytes`.
///
/// Without an `end` the range has no end either, so that a clear bit is found at the first offset past
/// the last byte where all are set. Redis passes `start` 0 where BITPOS has none; an empty range, such
/// as any range of an existing empty string, is `None`, its reply -1. BITPOS of a missing key is another
/// matter and no business of this: 0 for a clear bit, -1 for a set one, whatever the range.
/// O(length of the range).
pub fn position(
    bytes: &[u8],
    bit: bool,
    start: i64,
    end: Option<i64>,
    unit: RangeUnit,
) -> Option<u64> {
    let (first, last) = resolve(bytes, start, end.unwrap_or(-1), unit)?;
    let found = first_match(&bytes[..=byte_of(last)], bit, first).filter(|at| *at <= last);
    if found.is_none() && !bit && end.is_none() {
        return Some(bit_len(bytes));
    }
    found
}

/// What BITOP does with its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bits set in all sources.
    And,
    /// Bits set in any source.
    Or,
    /// Bits set in an odd number of sources.
    Xor,
    /// The opposite of the one source.
    Not,
}

impl Operation {
    /// Parses `AND`, `OR`, `XOR` or `NOT`, in any case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        [Self::And, Self::Or, Self::Xor, Self::Not]
            .into_iter()
            .find(|operation| text.eq_ignore_ascii_case(operation.name().as_bytes()))
    }

    /// Its name in BITOP.
    pub fn name(self) -> &'static str {
        match self {
            Self::And => "AND",
            Self::Or => "OR",
            Self::Xor => "XOR",
            Self::Not => "NOT",
        }
    }
}

/// Combines `sources`, the shorter ones taken as ending in zeros; the result is as long as the longest.
/// `Not` looks at the first source alone. O(sources × length).
pub fn operate(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    match operation {
        Operation::And => combine(sources, |a, b| a & b),
        Operation::Or => combine(sources, |a, b| a | b),
        Operation::Xor => combine(sources, |a, b| a ^ b),
        Operation::Not => sources
            .first()
            .map(|source| source.iter().map(|byte| !byte).collect())
            .unwrap_or_default(),
    }
}

/// The compiler makes vector instructions of these plain loops.
fn combine(sources: &[&[u8]], both: impl Fn(u8, u8) -> u8) -> Vec<u8> {
    let Some((first, others)) = sources.split_first() else {
        return Vec::new();
    };
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(first);
    out.resize(len, 0);
    for source in others {
        let (covered, beyond) = out.split_at_mut(source.len());
        for (out, byte) in covered.iter_mut().zip(*source) {
            *out = both(*out, *byte);
        }
        for out in beyond {
            *out = both(*out, 0);
        }
    }
    out
}

/// The type of an integer within a bit string: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    signed: bool,
    bits: u32,
}

impl FieldType {
    /// Parses `i` or `u` (lower case only) and a canonical number of bits.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidFieldType> {
        let (signed, bits_max, bits) = match text {
            [b'i', bits @ ..] => (true, 64, bits),
            [b'u', bits @ ..] => (false, 63, bits),
            _ => return Err(InvalidFieldType),
        };
        match parse_i64(bits) {
            Some(bits) if (1..=bits_max).contains(&bits) => Ok(Self {
                signed,
                bits: bits as u32,
            }),
            _ => Err(InvalidFieldType),
        }
    }

    /// The smallest and the largest value.
    fn limits(self) -> (i128, i128) {
        if self.signed {
            let half = 1i128 << (self.bits - 1);
            (-half, half - 1)
        } else {
            (0, (1i128 << self.bits) - 1)
        }
    }

    /// `value` if it fits, else what `overflow` makes of it.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = self.limits();
        let fitting = if (min..=max).contains(&value) {
            value
        } else {
            match overflow {
                Overflow::Wrap => self.extend(value << (128 - self.bits)),
                Overflow::Saturate => value.clamp(min, max),
                Overflow::Fail => return None,
            }
        };
        Some(fitting as i64)
    }

    /// The value of the field in the topmost bits of `window`.
    fn extend(self, window: i128) -> i128 {
        let shift = 128 - self.bits;
        if self.signed {
            window >> shift
        } else {
            (window as u128 >> shift) as i128
        }
    }
}

/// As BITFIELD spells it.
impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.signed { 'i' } else { 'u' };
        write!(f, "{sign}{}", self.bits)
    }
}

/// A type of an integer that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidFieldType;

impl fmt::Display for InvalidFieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "Invalid bitfield type. Use something like i16 u8. \
             Note that u64 is not supported but i64 is.",
        )
    }
}

impl std::error::Error for InvalidFieldType {}

/// What becomes of a value that does not fit its field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Its low bits are taken. This is where BITFIELD starts.
    #[default]
    Wrap,
    /// The nearest value that fits is taken.
    Saturate,
    /// Nothing is written.
    Fail,
}

impl Overflow {
    /// Parses `WRAP`, `SAT` or `FAIL`, in any case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        [
            (&b"wrap"[..], Self::Wrap),
            (b"sat", Self::Saturate),
            (b"fail", Self::Fail),
        ]
        .into_iter()
        .find_map(|(name, overflow)| text.eq_ignore_ascii_case(name).then_some(overflow))
    }
}

/// An integer somewhere within a bit string, its most significant bit first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    kind: FieldType,
    offset: u64,
}

/// What a write to a field did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The value before.
    pub old: i64,
    /// The value now.
    pub new: i64,
}

impl Field {
    /// Parses where the field begins: the offset of a bit, or after `#` the number of fields of this
    /// type before it. The offset, not the field's end, must be in a byte below `string_len_max`.
    pub fn parse(
        kind: FieldType,
        offset: &[u8],
        string_len_max: u64,
    ) -> Result<Self, InvalidOffset> {
        let offset = match offset {
            [b'#', index @ ..] => {
                let index = parse_i64(index).ok_or(InvalidOffset)?;
                let offset = index.checked_mul(i64::from(kind.bits));
                bound_offset(offset.ok_or(InvalidOffset)?, string_len_max)?
            }
            offset => parse_offset(offset, string_len_max)?,
        };
        Ok(Self { kind, offset })
    }

    /// Its type.
    pub fn kind(self) -> FieldType {
        self.kind
    }

    /// The offset of its first bit.
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// The offset of its last bit.
    pub fn last_bit(self) -> u64 {
        self.offset + u64::from(self.kind.bits) - 1
    }

    /// The field's value. O(1).
    pub fn get(self, bytes: &[u8]) -> i64 {
        let rest = bytes.get(byte_of(self.offset)..).unwrap_or_default();
        self.value_in(load(rest)) as i64
    }

    /// Sets the field. `None`, and nothing written, if `value` does not fit and `overflow` is `Fail`.
    /// A negative value for an unsigned field is taken as the `u64` of the same bits, hence too large.
    ///
    /// `bytes` grows with zeros to hold the field, even where nothing is written. O(1) otherwise.
    pub fn set(self, bytes: &mut Vec<u8>, value: i64, overflow: Overflow) -> Option<Written> {
        let value = if self.kind.signed {
            i128::from(value)
        } else {
            i128::from(value as u64)
        };
        self.update(bytes, overflow, |_| value)
    }

    /// Adds `increment`, which may be negative, to the field; otherwise as [`Field::set`].
    pub fn increment(
        self,
        bytes: &mut Vec<u8>,
        increment: i64,
        overflow: Overflow,
    ) -> Option<Written> {
        self.update(bytes, overflow, |old| old + i128::from(increment))
    }

    fn update(
        self,
        bytes: &mut Vec<u8>,
        overflow: Overflow,
        change: impl FnOnce(i128) -> i128,
    ) -> Option<Written> {
        let at = byte_of(self.offset);
        reach(bytes, self.last_bit());
        let rest = &mut bytes[at..];
        let window = load(rest);
        let old = self.value_in(window);
        let new = self.kind.fit(change(old), overflow)?;

        let shift = 128 - self.kind.bits - self.bit();
        let ones = (1u128 << self.kind.bits) - 1;
        let window = window & !(ones << shift) | (new as u128 & ones) << shift;
        let len = rest.len().min(WINDOW_LEN);
        rest[..len].copy_from_slice(&window.to_be_bytes()[..len]);
        Some(Written {
            old: old as i64,
            new,
        })
    }

    fn value_in(self, window: u128) -> i128 {
        self.kind.extend((window << self.bit()) as i128)
    }

    /// Where in its first byte the field begins.
    fn bit(self) -> u32 {
        (self.offset & 7) as u32
    }
}

/// The bytes a field of 64 bits may lie in.
const WINDOW_LEN: usize = 9;

/// The first bytes of `rest` as the topmost bytes of a number, zeros where there are none.
fn load(rest: &[u8]) -> u128 {
    let mut window = [0; 16];
    let len = rest.len().min(WINDOW_LEN);
    window[..len].copy_from_slice(&rest[..len]);
    u128::from_be_bytes(window)
}

fn grow(bytes: &mut Vec<u8>, len: usize) {
    if bytes.len() < len {
        bytes.resize(len, 0);
    }
}

fn bound_offset(offset: i64, string_len_max: u64) -> Result<u64, InvalidOffset> {
    match u64::try_from(offset) {
        Ok(offset) if offset >> 3 < string_len_max => Ok(offset),
        _ => Err(InvalidOffset),
    }
}

/// The first and the last bit of a range, both included; `None` if it is empty.
fn resolve(bytes: &[u8], start: i64, end: i64, unit: RangeUnit) -> Option<(u64, u64)> {
    let len = match unit {
        RangeUnit::Byte => bytes.len() as i64,
        RangeUnit::Bit => bit_len(bytes) as i64,
    };
    let from_start = |index: i64| {
        if index < 0 {
            (len + index).max(0)
        } else {
            index
        }
    };
    let start = from_start(start);
    let end = from_start(end).min(len - 1);
    if start > end {
        return None;
    }
    let (start, end) = (start as u64, end as u64);
    Some(match unit {
        RangeUnit::Byte => (start * 8, end * 8 + 7),
        RangeUnit::Bit => (start, end),
    })
}

/// The first bit from `first` on that is `bit`. `first` is within `bytes`.
fn first_match(bytes: &[u8], bit: bool, first: u64) -> Option<u64> {
    // Bytes without a match are all equal to `skipped`; in the others, `byte ^ skipped` has the match
    // as its first bit set.
    let skipped = if bit { 0x00 } else { 0xff };
    let at = byte_of(first);
    let head = (bytes[at] ^ skipped) & keep_from(first);
    if head != 0 {
        return Some(offset_of(at, head));
    }
    let rest = &bytes[at + 1..];
    let skipped_words = rest
        .as_chunks::<8>()
        .0
        .iter()
        .take_while(|word| **word == [skipped; 8])
        .count();
    let behind = &rest[skipped_words * 8..];
    let index = behind.iter().position(|byte| *byte != skipped)?;
    let at = at + 1 + skipped_words * 8 + index;
    Some(offset_of(at, bytes[at] ^ skipped))
}

/// The offset of the first bit set in `byte`, the byte at `at`.
fn offset_of(at: usize, byte: u8) -> u64 {
    at as u64 * 8 + u64::from(byte.leading_zeros())
}

/// The bits of its byte from `offset` on.
fn keep_from(offset: u64) -> u8 {
    0xff >> (offset & 7)
}

/// The bits of its byte up to `offset`.
fn keep_to(offset: u64) -> u8 {
    0xff << (7 - (offset & 7))
}

fn mask_of(offset: u64) -> u8 {
    0x80 >> (offset & 7)
}

fn byte_of(offset: u64) -> usize {
    (offset >> 3) as usize
}

fn bit_len(bytes: &[u8]) -> u64 {
    bytes.len() as u64 * 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64, so that a failure can be repeated.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        }

        fn below(&mut self, bound: u64) -> u64 {
            self.next() % bound
        }

        /// Bytes with long runs of ones and of zeros.
        fn bytes(&mut self, len_max: u64) -> Vec<u8> {
            let len = self.below(len_max + 1) as usize;
            let mut bytes = Vec::new();
            while bytes.len() < len {
                let byte = match self.below(3) {
                    0 => 0x00,
                    1 => 0xff,
                    _ => self.next() as u8,
                };
                let run = self.below(20) as usize;
                bytes.resize((bytes.len() + run).min(len), byte);
            }
            bytes
        }

        /// An index around the ends of `len`.
        fn index(&mut self, len: usize) -> i64 {
            match self.below(20) {
                0 => i64::MIN,
                1 => i64::MAX,
                _ => self.below(2 * len as u64 + 5) as i64 - len as i64 - 2,
            }
        }
    }

    fn bools(bytes: &[u8]) -> Vec<bool> {
        bytes
            .iter()
            .flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1))
            .collect()
    }

    /// The offsets in a range as Redis's documentation has it: negative ones count from the end, and
    /// what lies outside is drawn to the nearest.
    fn range(bytes: &[u8], start: i64, end: i64, unit: RangeUnit) -> Vec<u64> {
        let scale = match unit {
            RangeUnit::Byte => 8,
            RangeUnit::Bit => 1,
        };
        let len = bytes.len() as i128 * 8 / scale;
        let from_start = |index: i64| {
            let index = i128::from(index);
            (if index < 0 { index + len } else { index }).max(0)
        };
        let (start, end) = (from_start(start), from_start(end).min(len - 1));
        (0..bytes.len() as u64 * 8)
            .filter(|offset| (start..=end).contains(&(i128::from(*offset) / scale)))
            .collect()
    }

    #[test]
    fn set_and_get() {
        let mut bytes = Vec::new();
        assert!(!set(&mut bytes, 7, true));
        assert_eq!(bytes, [0x01]);
        assert!(set(&mut bytes, 7, false));
        assert!(!set(&mut bytes, 16, false));
        assert_eq!(bytes, [0, 0, 0]);
        assert!(!set(&mut bytes, 17, true));
        assert_eq!(bytes, [0, 0, 0x40]);
        assert!(get(&bytes, 17) && !get(&bytes, 16) && !get(&bytes, 24));
        assert!(!get(&bytes, u64::MAX));
    }

    #[test]
    fn offsets() {
        let max = 512 << 20;
        assert_eq!(parse_offset(b"0", max), Ok(0));
        assert_eq!(parse_offset(b"4294967295", max), Ok(4_294_967_295));
        for bad in [&b"4294967296"[..], b"-1", b"", b"1.5", b"#1", b" 1", b"01"] {
            assert_eq!(parse_offset(bad, max), Err(InvalidOffset));
        }
    }

    #[test]
    fn counts_and_positions_of_ranges_against_one_bit_at_a_time() {
        let mut random = Random(1);
        for _ in 0..20_000 {
            let bytes = random.bytes(60);
            let bools = bools(&bytes);
            assert_eq!(
                count(&bytes),
                bools.iter().filter(|bit| **bit).count() as u64
            );
            let unit = [RangeUnit::Byte, RangeUnit::Bit][random.below(2) as usize];
            let len = match unit {
                RangeUnit::Byte => bytes.len(),
                RangeUnit::Bit => bools.len(),
            };
            let (start, end) = (random.index(len), random.index(len));
            let context = (&bytes, start, end, unit);

            let offsets = range(&bytes, start, end, unit);
            let is = |bit: bool| {
                let bools = &bools;
                move |offset: &&u64| bools[**offset as usize] == bit
            };
            if !(start < 0 && end < 0 && start > end) {
                let expected = offsets.iter().filter(is(true)).count() as u64;
                assert_eq!(
                    count_range(&bytes, start, end, unit),
                    expected,
                    "{context:?}"
                );
            }
            for bit in [false, true] {
                let expected = offsets.iter().find(is(bit)).copied();
                assert_eq!(
                    position(&bytes, bit, start, Some(end), unit),
                    expected,
                    "{bit} {context:?}"
                );
                let offsets = range(&bytes, start, -1, unit);
                let past_the_end = (!bit && !offsets.is_empty()).then_some(bools.len() as u64);
                let expected = offsets.iter().find(is(bit)).copied().or(past_the_end);
                assert_eq!(
                    position(&bytes, bit, start, None, unit),
                    expected,
                    "{bit} {context:?}"
                );
            }
        }
    }

    #[test]
    fn a_range_written_backwards_before_the_first_byte_has_no_count_but_a_position() {
        assert_eq!(count_range(b"abc", -4, -5, RangeUnit::Byte), 0);
        assert_eq!(count_range(b"abc", -5, -4, RangeUnit::Byte), 3);
        assert_eq!(
            position(b"abc", true, -4, Some(-5), RangeUnit::Byte),
            Some(1)
        );
    }

    #[test]
    fn operations_against_one_byte_at_a_time() {
        let mut random = Random(2);
        for _ in 0..2_000 {
            let sources: Vec<Vec<u8>> = (0..=random.below(4)).map(|_| random.bytes(70)).collect();
            let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let len = sources.iter().map(Vec::len).max().unwrap();
            let folded = |both: fn(u8, u8) -> u8| -> Vec<u8> {
                let byte = |at: usize| {
                    let bytes = sources.iter().map(|s| s.get(at).copied().unwrap_or(0));
                    bytes.reduce(both).unwrap()
                };
                (0..len).map(byte).collect()
            };
            assert_eq!(operate(Operation::And, &slices), folded(|a, b| a & b));
            assert_eq!(operate(Operation::Or, &slices), folded(|a, b| a | b));
            assert_eq!(operate(Operation::Xor, &slices), folded(|a, b| a ^ b));
        }
        assert_eq!(operate(Operation::Not, &[b"\x00\x0f\xff"]), b"\xff\xf0\x00");
        assert_eq!(operate(Operation::And, &[]), b"");
        assert_eq!(Operation::parse(b"xOr"), Some(Operation::Xor));
        assert_eq!(Operation::parse(b"diff"), None);
    }

    fn kind(text: &str) -> FieldType {
        FieldType::parse(text.as_bytes()).unwrap()
    }

    fn field(text: &str, offset: u64) -> Field {
        Field {
            kind: kind(text),
            offset,
        }
    }

    #[test]
    fn field_types_and_offsets() {
        for bad in [
            "", "i", "u0", "i0", "i65", "u64", "U8", "I8", "i-1", "i08", "i8 ", "x8",
        ] {
            assert_eq!(
                FieldType::parse(bad.as_bytes()),
                Err(InvalidFieldType),
                "{bad}"
            );
        }
        let max = 512 << 20;
        assert_eq!(Field::parse(kind("u8"), b"#3", max), Ok(field("u8", 24)));
        assert_eq!(Field::parse(kind("i64"), b"3", max), Ok(field("i64", 3)));
        let last = Field::parse(kind("i64"), b"#67108863", max);
        assert_eq!(last, Ok(field("i64", 4_294_967_232)));
        for bad in [
            &b"#67108864"[..],
            b"#",
            b"##1",
            b"#-1",
            b"#9223372036854775807",
            b"x",
        ] {
            assert_eq!(Field::parse(kind("i64"), bad, max), Err(InvalidOffset));
        }
    }

    #[test]
    fn fields_against_one_bit_at_a_time() {
        let mut random = Random(3);
        for _ in 0..50_000 {
            let before = random.bytes(20);
            let signed = random.below(2) == 0;
            let bits = 1 + random.below(if signed { 64 } else { 63 }) as u32;
            let kind = FieldType { signed, bits };
            let offset = random.below(200);
            let field = Field { kind, offset };

            let mut old = 0i128;
            for at in offset..offset + u64::from(bits) {
                old = old << 1 | i128::from(get(&before, at));
            }
            let modulus = 1i128 << bits;
            let (min, max) = if signed {
                (-modulus / 2, modulus / 2 - 1)
            } else {
                (0, modulus - 1)
            };
            if old > max {
                old -= modulus;
            }
            assert_eq!(i128::from(field.get(&before)), old, "{field:?}");

            let argument = (random.next() as i64) >> random.below(64);
            let increments = random.below(2) == 0;
            let overflow =
                [Overflow::Wrap, Overflow::Saturate, Overflow::Fail][random.below(3) as usize];
            let wanted = if increments {
                old + i128::from(argument)
            } else if !signed && argument < 0 {
                i128::from(argument) + (1 << 64)
            } else {
                i128::from(argument)
            };
            let new = if (min..=max).contains(&wanted) {
                Some(wanted)
            } else {
                match overflow {
                    Overflow::Wrap => Some((wanted - min).rem_euclid(modulus) + min),
                    Overflow::Saturate => Some(if wanted > max { max } else { min }),
                    Overflow::Fail => None,
                }
            };
            let mut expected = before.clone();
            grow(&mut expected, (offset as usize + bits as usize).div_ceil(8));
            for bit in 0..u64::from(bits).min(new.map_or(0, |_| 64)) {
                let on = new.unwrap() >> (u64::from(bits) - 1 - bit) & 1 == 1;
                set(&mut expected, offset + bit, on);
            }

            let mut after = before.clone();
            let written = if increments {
                field.increment(&mut after, argument, overflow)
            } else {
                field.set(&mut after, argument, overflow)
            };
            let context = (field, argument, increments, overflow);
            let written = written.map(|w| (i128::from(w.old), i128::from(w.new)));
            assert_eq!(written, new.map(|new| (old, new)), "{context:?}");
            assert_eq!(after, expected, "{context:?}");
        }
    }
}
