//! What SORT compares: weights, their order, the patterns of BY and GET, and LIMIT.
//!
//! Nothing here looks anything up; a pattern says which key to look up.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use crate::number::parse_f64;

/// Parses the weight of an element, or what BY found for it, for SORT without ALPHA: C's `strtod` over
/// the text up to its first NUL. So blanks in front are skipped, and the empty text is 0; blanks behind,
/// NaN, and what is too large or too small for a normal double are refused. (A missing key's weight
/// is 0 too.)
pub fn parse_weight(text: &[u8]) -> Result<f64, NotADouble> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Ok(0.0);
    }
    let blanks = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
        .count();
    parse_f64(&text[blanks..])
        .filter(|weight| !weight.is_subnormal())
        .ok_or(NotADouble)
}

/// A weight that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADouble;

impl fmt::Display for NotADouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("One or more scores can't be converted into double")
    }
}

impl std::error::Error for NotADouble {}

/// What an element of the collection is sorted by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weight<'a> {
    /// Its number, without ALPHA. Never NaN.
    Number(f64),
    /// With ALPHA the element itself, or what BY found for it, if anything.
    Text(Option<&'a [u8]>),
}

/// The order of SORT, ascending, of (weight, element) pairs whose weights are of one kind. Equal numbers
/// fall back on the elements' bytes. Equal texts do not: what BY finds for two elements may be equal,
/// and they are then equal to SORT, whose own sort need not be stable; use a stable one. What BY did
/// not find comes first. For DESC, reverse each outcome, so that equal ones keep their order. Text compares by bytes, as in the C locale.
pub fn compare(a: (Weight<'_>, &[u8]), b: (Weight<'_>, &[u8])) -> Ordering {
    match (a.0, b.0) {
        (Weight::Number(x), Weight::Number(y)) => x
            .partial_cmp(&y)
            .unwrap_or(Ordering::Equal)
            .then_with(|| a.1.cmp(b.1)),
        (Weight::Text(x), Weight::Text(y)) => x.cmp(&y),
        (Weight::Number(_), Weight::Text(_)) => Ordering::Less,
        (Weight::Text(_), Weight::Number(_)) => Ordering::Greater,
    }
}

/// A pattern of BY or GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern<'a> {
    /// `#`: the element itself. (GET only: BY `#` is a pattern without `*`.)
    Element,
    /// No `*`: BY does not sort at all, GET finds nothing.
    Constant,
    /// A key's name around the element, and a field if it is a hash that is meant.
    Key {
        /// What stands in front of the element.
        prefix: &'a [u8],
        /// What stands behind the element.
        suffix: &'a [u8],
        /// The field of a hash; without one the key is a string.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    /// Reads a pattern: the first `*` stands for the element, and what follows the first `->` behind it,
    /// if anything does, is a hash's field.
    pub fn new(pattern: &'a [u8]) -> Self {
        if pattern == b"#" {
            return Self::Element;
        }
        let Some(star) = pattern.iter().position(|byte| *byte == b'*') else {
            return Self::Constant;
        };
        let (prefix, behind) = (&pattern[..star], &pattern[star + 1..]);
        let arrow = behind.windows(2).position(|pair| pair == b"->");
        match arrow {
            Some(at) if at + 2 < behind.len() => Self::Key {
                prefix,
                suffix: &behind[..at],
                field: Some(&behind[at + 2..]),
            },
            _ => Self::Key {
                prefix,
                suffix: behind,
                field: None,
            },
        }
    }
}

/// The elements that LIMIT `start` `count` leaves of `len`: a negative `start` is 0, a negative `count`
/// is all.
pub fn limit(start: i64, count: i64, len: usize) -> Range<usize> {
    let start = usize::try_from(start.max(0)).map_or(len, |start| start.min(len));
    let count = usize::try_from(count).unwrap_or(len);
    start..start.saturating_add(count).min(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        for (text, weight) in [
            (&b""[..], 0.0),
            (b"\0abc", 0.0),
            (b"12", 12.0),
            (b" \t\n\x0b\x0c\r-1.5", -1.5),
            (b"+3e2", 300.0),
            (b"0x10", 16.0),
            (b"-inf", f64::NEG_INFINITY),
            (b"1\0abc", 1.0),
        ] {
            assert_eq!(parse_weight(text), Ok(weight), "{text:?}");
        }
        for bad in [
            &b"a"[..],
            b" ",
            b"1 ",
            b"1a",
            b"nan",
            b"1e400",
            b"1e-400",
            b"1e-310",
            b"- 1",
            b" \0",
        ] {
            assert_eq!(parse_weight(bad), Err(NotADouble), "{bad:?}");
        }
    }

    #[test]
    fn order() {
        let number = |weight, element| (Weight::Number(weight), element);
        let text = |weight, element| (Weight::Text(weight), element);
        let (a, b): (&[u8], &[u8]) = (b"a", b"b");
        assert_eq!(compare(number(1.0, b), number(2.0, a)), Ordering::Less);
        assert_eq!(compare(number(0.0, b), number(-0.0, a)), Ordering::Greater);
        assert_eq!(
            compare(text(Some(b"10"), a), text(Some(b"9"), b)),
            Ordering::Less
        );
        assert_eq!(
            compare(text(Some(b""), a), text(None, b)),
            Ordering::Greater
        );
        assert_eq!(compare(text(None, a), text(None, b)), Ordering::Equal);
        assert_eq!(compare(text(Some(a), a), text(Some(a), b)), Ordering::Equal);
    }

    #[test]
    fn patterns() {
        let key = |prefix, suffix, field| Pattern::Key {
            prefix,
            suffix,
            field,
        };
        for (text, pattern) in [
            (&b"#"[..], Pattern::Element),
            (b"nosort", Pattern::Constant),
            (b"", Pattern::Constant),
            (b"a->b", Pattern::Constant),
            (b"w_*", key(b"w_", b"", None)),
            (b"*", key(b"", b"", None)),
            (b"a*b*c", key(b"a", b"b*c", None)),
            (b"w_*_x->f", key(b"w_", b"_x", Some(b"f"))),
            (b"w_*->f->g", key(b"w_", b"", Some(b"f->g"))),
            (b"w_*->", key(b"w_", b"->", None)),
            (b"a->*b", key(b"a->", b"b", None)),
        ] {
            assert_eq!(Pattern::new(text), pattern, "{text:?}");
        }
    }

    #[test]
    fn limits() {
        assert_eq!(limit(0, -1, 5), 0..5);
        assert_eq!(limit(-3, 2, 5), 0..2);
        assert_eq!(limit(1, 2, 5), 1..3);
        assert_eq!(limit(4, 10, 5), 4..5);
        assert_eq!(limit(9, 1, 5), 5..5);
        assert_eq!(limit(1, 0, 5), 1..1);
        assert_eq!(limit(i64::MAX, i64::MAX, 5), 5..5);
    }
}
