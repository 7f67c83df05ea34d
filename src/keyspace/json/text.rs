//! Finding one's way in canonical JSON text: where values end, what is in them, whether two are the same.
//!
//! All functions take canonical text (see [`super`]); of other text they say something that makes no sense, but they
//! do end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::JsonKind;

/// A part of a text.
pub type Span = Range<usize>;

/// An element of an array, or a member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The name without its quotes; empty, in front of the value, in an array.
    pub name: Span,
    /// Where the whole of it begins: the name's quote, or the value.
    pub start: usize,
    /// Where its value begins.
    pub value: usize,
}

/// Where the value that begins at `at` ends. O(length of the value).
pub fn end_of(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(b'"') => string_end(text, at),
        Some(b'{' | b'[') => {
            let (mut depth, mut at) = (0_usize, at);
            loop {
                at = find(text, at, structure, |byte| {
                    matches!(byte, b'{' | b'[' | b'}' | b']' | b'"')
                });
                match text.get(at) {
                    Some(b'"') => {
                        at = string_end(text, at);
                        continue;
                    }
                    Some(b'{' | b'[') => depth += 1,
                    Some(b'}' | b']') if depth <= 1 => return at + 1,
                    Some(b'}' | b']') => depth -= 1,
                    // What only looks like one in a word, which valid text does not have outside of strings.
                    Some(_) => {}
                    None => return text.len(),
                }
                at += 1;
            }
        }
        Some(_) => text[at..]
            .iter()
            .position(|byte| matches!(byte, b',' | b']' | b'}'))
            .map_or(text.len(), |len| at + len),
        None => text.len(),
    }
}

/// Where the string whose quote is at `at` ends, in valid text.
#[inline]
pub fn string_end(text: &[u8], at: usize) -> usize {
    string_end_and_escapes(text, at).0
}

/// The same, and whether there are escapes in it.
#[inline]
pub fn string_end_and_escapes(text: &[u8], at: usize) -> (usize, bool) {
    let (mut at, mut has_escapes) = (at + 1, false);
    loop {
        at = find(text, at, quoting, |byte| matches!(byte, b'"' | b'\\'));
        match text.get(at) {
            Some(b'"') => return (at + 1, has_escapes),
            Some(_) => {
                has_escapes = true;
                at += 2;
            }
            None => return (text.len(), has_escapes),
        }
    }
}

/// Where, from `at` on, the first byte is of some kind: eight bytes are looked at together, since what is searched for is
/// often near, where `memchr` takes longer to begin. Of a word, `in_word` says which bytes are, each by its highest bit;
/// only the first of them counts.
#[inline]
fn find(
    text: &[u8],
    mut at: usize,
    in_word: impl Fn(u64) -> u64,
    is_it: impl Fn(u8) -> bool,
) -> usize {
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let found = in_word(u64::from_le_bytes(*word));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    rest.iter()
        .position(|byte| is_it(*byte))
        .map_or(text.len(), |found| at + found)
}

/// Quotes and backslashes.
fn quoting(word: u64) -> u64 {
    bytes_equal(word, b'"') | bytes_equal(word, b'\\')
}

/// Quotes, brackets and braces: brackets differ from braces in a bit that quotes have.
fn structure(word: u64) -> u64 {
    let word = word | (EACH * 0x20);
    bytes_equal(word, b'"') | bytes_equal(word, b'{') | bytes_equal(word, b'}')
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each byte that is `byte`; of those behind the first, maybe of others too.
fn bytes_equal(word: u64, byte: u8) -> u64 {
    let different = word ^ (EACH * u64::from(byte));
    different.wrapping_sub(EACH) & !different & (EACH << 7)
}

/// The first item of the array or object that begins at `at`; `None` if it is empty, or something else.
#[inline]
pub fn first_item(text: &[u8], at: usize) -> Option<Item> {
    match text.get(at..at + 2)? {
        [b'{', b'"'] => Some(member(text, at + 1)),
        [b'[', byte] if *byte != b']' => Some(element(at + 1)),
        _ => None,
    }
}

/// The item behind the one whose value ends at `end`.
#[inline]
pub fn next_item(text: &[u8], end: usize, is_object: bool) -> Option<Item> {
    if text.get(end) != Some(&b',') {
        return None;
    }
    Some(if is_object {
        member(text, end + 1)
    } else {
        element(end + 1)
    })
}

#[inline]
fn member(text: &[u8], start: usize) -> Item {
    let end = string_end(text, start);
    Item {
        name: start + 1..end.saturating_sub(1).max(start + 1),
        start,
        value: end + 1,
    }
}

#[inline]
fn element(start: usize) -> Item {
    Item {
        name: start..start,
        start,
        value: start,
    }
}

/// The items of an array or object, each with its value's text. O(length) for all.
pub fn items(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let is_object = value.first() == Some(&b'{');
    let mut next = first_item(value, 0);
    std::iter::from_fn(move || {
        let item = next.take()?;
        let end = end_of(value, item.value);
        next = next_item(value, end, is_object);
        Some((value.get(item.name)?, value.get(item.value..end)?))
    })
}

/// The spans of the items of an array or object, names included. O(length).
pub fn item_spans(value: &[u8]) -> Vec<Span> {
    let is_object = value.first() == Some(&b'{');
    let mut spans = Vec::new();
    let mut next = first_item(value, 0);
    while let Some(item) = next {
        let end = end_of(value, item.value);
        next = next_item(value, end, is_object);
        spans.push(item.start..end);
    }
    spans
}

/// How many elements or members a value has. O(length).
pub fn len(value: &[u8]) -> usize {
    items(value).count()
}

/// What a string means, its quotes left away. O(length).
pub fn meaning(inner: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let quoted = [b"\"", inner, b"\""].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(meaning) => Cow::Owned(meaning.into_bytes()),
        // Half of a surrogate pair has no meaning: it is shown as it is written.
        Err(_) => Cow::Borrowed(inner),
    }
}

/// A string's text without its quotes; other values are empty.
pub fn inner(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(b"")
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Without fraction and exponent, and within 64 bits.
    Integer(i64),
    /// Any other.
    Float(f64),
}

impl Number {
    /// The number with this text.
    pub fn of(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        match JsonKind::of(value) {
            JsonKind::Integer => Some(match text.parse() {
                Ok(integer) => Number::Integer(integer),
                Err(_) => Number::Float(text.parse().ok()?),
            }),
            JsonKind::Number => text.parse().ok().map(Number::Float),
            _ => None,
        }
    }

    /// Its value, rounded if need be.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Float(float) => float,
        }
    }

    /// How two of them compare; `None` with something that is no number.
    pub fn compare(self, other: Number) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
            (a, b) => a.to_f64().partial_cmp(&b.to_f64()),
        }
    }
}

/// Whether two values are the same: objects in any order, numbers by value, but an integer is no float. O(length), times
/// the logarithm of the number of names.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let kind = JsonKind::of(a);
    if kind != JsonKind::of(b) {
        return false;
    }
    match kind {
        JsonKind::Integer | JsonKind::Number => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.compare(b).is_some_and(std::cmp::Ordering::is_eq),
            _ => false,
        },
        JsonKind::Array => {
            let (mut a, mut b) = (items(a), items(b));
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return true,
                    (Some((_, a)), Some((_, b))) if equal(a, b) => {}
                    _ => return false,
                }
            }
        }
        JsonKind::Object => {
            let b: BTreeMap<&[u8], &[u8]> = items(b).collect();
            let mut count = 0;
            items(a).all(|(name, value)| {
                count += 1;
                b.get(name).is_some_and(|other| equal(value, other))
            }) && count == b.len()
        }
        JsonKind::Null | JsonKind::Boolean | JsonKind::String => false,
    }
}

/// How many arrays and objects are within each other. O(length).
pub fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                at = string_end(text, at);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    deepest
}
