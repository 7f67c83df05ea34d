//! New canonical texts from old ones.
//!
//! An edit of a value is a function from its text to its new text; [`rewrite`] does one to several values at once. This
//! module must not know keys or paths.

use std::collections::BTreeMap;
use std::ops::Range;

use super::JsonKind;
use super::select::Match;
use super::text::{Number, Span, inner, item_spans, items, meaning};

/// Why an edit was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The new text would be longer than the limit handed in.
    TooLong,
    /// An integer would not fit 64 bits.
    Overflow,
    /// The result is infinite, or no number at all.
    NotANumber,
    /// There is no such place in an array.
    OutOfBounds,
}

/// An edit of one of several values: it is told the number of the value and its text, and writes the new one.
pub type EditOne<'a> = dyn FnMut(usize, &[u8], &mut Vec<u8>) -> Result<(), EditError> + 'a;

/// The text with the values of `matches` edited, those within others first. O(length), for each level of matches within each other.
pub fn rewrite(
    text: &[u8],
    matches: &[Match],
    len_max: usize,
    edit: &mut EditOne<'_>,
) -> Result<Vec<u8>, EditError> {
    let mut order: Vec<usize> = (0..matches.len()).collect();
    // Outer values stand before inner ones.
    order.sort_by_key(|&at| {
        let value = &matches[at].value;
        (value.start, usize::MAX - value.end, at)
    });
    let mut rewriter = Rewriter {
        text,
        matches,
        order: &order,
        len_max,
        edit,
    };
    let mut out = Vec::with_capacity(text.len() + 16);
    rewriter.part(0..text.len(), &mut out)?;
    Ok(out)
}

struct Rewriter<'a, 'e> {
    text: &'a [u8],
    matches: &'a [Match],
    /// Those that are still to be done.
    order: &'a [usize],
    len_max: usize,
    edit: &'a mut EditOne<'e>,
}

impl Rewriter<'_, '_> {
    /// Writes a part of the text, with the matches in it edited. Matches are values, so that they are in each other as
    /// deeply as values are at most.
    fn part(&mut self, part: Span, out: &mut Vec<u8>) -> Result<(), EditError> {
        let mut from = part.start;
        while let Some((&first, _)) = self.order.split_first() {
            let value = self.matches[first].value.clone();
            if value.start >= part.end {
                break;
            }
            out.extend_from_slice(&self.text[from..value.start]);
            from = value.end;
            // One value may have been selected several times.
            let same = |at: &&usize| self.matches[**at].value == value;
            let times = self.order.iter().take_while(same).count();
            let (same, rest) = self.order.split_at(times);
            self.order = rest;
            let has_inner = rest
                .first()
                .is_some_and(|at| self.matches[*at].value.start < value.end);
            if let ([only], false) = (same, has_inner) {
                (self.edit)(*only, &self.text[value], out)?;
                self.check(out)?;
                continue;
            }
            let mut new = None;
            if has_inner {
                let mut edited = Vec::new();
                self.part(value.clone(), &mut edited)?;
                new = Some(edited);
            }
            for &at in same {
                let old = new.as_deref().unwrap_or(&self.text[value.clone()]);
                let mut edited = Vec::new();
                (self.edit)(at, old, &mut edited)?;
                new = Some(edited);
            }
            out.extend_from_slice(new.as_deref().unwrap_or_default());
            self.check(out)?;
        }
        out.extend_from_slice(&self.text[from..part.end]);
        self.check(out)
    }

    fn check(&self, out: &[u8]) -> Result<(), EditError> {
        if out.len() > self.len_max {
            return Err(EditError::TooLong);
        }
        Ok(())
    }
}

/// The matches that are within no other, each once, in the order of the text.
pub fn outermost(mut matches: Vec<Match>) -> Vec<Match> {
    matches.sort_by_key(|one| (one.value.start, usize::MAX - one.value.end));
    let mut end = 0;
    matches.retain(|one| {
        let is_outer = one.value.end > end;
        end = end.max(one.value.end);
        is_outer
    });
    matches
}

/// The text without the elements and members of `matches`, which must be outermost and not the root. O(length).
pub fn remove(text: &[u8], matches: &[Match]) -> Vec<u8> {
    let spans = matches.iter().map(|one| one.start..one.value.end);
    remove_spans(text, spans)
}

fn remove_spans(text: &[u8], spans: impl Iterator<Item = Span>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for span in spans {
        out.extend_from_slice(&text[from..span.start]);
        from = span.end;
        // With each goes the comma behind it; with the last of an array or object, the one before it.
        if text.get(from) == Some(&b',') {
            from += 1;
        } else if out.last() == Some(&b',') {
            out.pop();
        }
    }
    out.extend_from_slice(&text[from..]);
    out
}

/// Appends a member to an object that has no such name, which is written as in canonical text, without quotes.
pub fn add_member(object: &[u8], name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(object.strip_suffix(b"}").unwrap_or(object));
    if object.len() > 2 {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name);
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value);
    out.push(b'}');
}

/// Merges a patch into a value, as RFC 7396 has it. O(length of both), times the logarithm of the number of names.
pub fn merge(value: Option<&[u8]>, patch: &[u8], out: &mut Vec<u8>) {
    if JsonKind::of(patch) != JsonKind::Object {
        return out.extend_from_slice(patch);
    }
    // What the patch says of each name, and whether that has been done.
    let mut patches: BTreeMap<&[u8], (&[u8], bool)> = items(patch)
        .map(|(name, value)| (name, (value, false)))
        .collect();
    let mut writer = MemberWriter::begin(out);
    for (name, old) in value.into_iter().flat_map(items_of_object) {
        match patches.get_mut(name) {
            None => writer.name(name).extend_from_slice(old),
            Some((new, done)) => {
                *done = true;
                if *new != b"null" {
                    merge(Some(old), new, writer.name(name));
                }
            }
        }
    }
    for (name, new) in items(patch) {
        let is_done = patches.get(name).is_some_and(|(_, done)| *done);
        if !is_done && new != b"null" {
            merge(None, new, writer.name(name));
        }
    }
    writer.end();
}

fn items_of_object(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let object = if JsonKind::of(value) == JsonKind::Object {
        value
    } else {
        b"{}"
    };
    items(object)
}

struct MemberWriter<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> MemberWriter<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        MemberWriter {
            out,
            is_first: true,
        }
    }

    /// Writes a name, and gives where its value is to be written.
    fn name(&mut self, name: &[u8]) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

/// Inserts values, which are written with commas between them, into an array; a negative index counts from the end.
/// O(length).
pub fn array_insert(
    array: &[u8],
    index: i64,
    values: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EditError> {
    let spans = item_spans(array);
    let index = absolute(index, spans.len());
    let index = usize::try_from(index).map_err(|_| EditError::OutOfBounds)?;
    let at = match spans.get(index) {
        Some(span) => span.start,
        None if index == spans.len() => array.len().saturating_sub(1),
        None => return Err(EditError::OutOfBounds),
    };
    out.extend_from_slice(&array[..at]);
    if index > 0 && index == spans.len() {
        out.push(b',');
    }
    out.extend_from_slice(values);
    if index < spans.len() {
        out.push(b',');
    }
    out.extend_from_slice(&array[at..]);
    Ok(())
}

/// Appends values, which are written with commas between them, to an array. O(length), without looking at it.
pub fn array_append(array: &[u8], values: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(array.strip_suffix(b"]").unwrap_or(array));
    if array.len() > 2 {
        out.push(b',');
    }
    out.extend_from_slice(values);
    out.push(b']');
}

/// Takes an element out of an array; an index beyond an end means the one at that end. Gives the element, none of an
/// empty array. O(length).
pub fn array_pop(array: &[u8], index: i64, out: &mut Vec<u8>) -> Option<Vec<u8>> {
    let spans = item_spans(array);
    let last = i64::try_from(spans.len()).unwrap_or(i64::MAX) - 1;
    let index = absolute(index, spans.len()).clamp(0, last.max(0));
    let span = spans.get(usize::try_from(index).unwrap_or(0));
    out.extend(remove_spans(array, span.into_iter().cloned()));
    span.map(|span| array[span.clone()].to_vec())
}

/// Keeps the elements from `start` to `stop`, that one included; gives how many. An index beyond an end means the element
/// at that end, but a start behind the last one leaves nothing. O(length).
pub fn array_trim(array: &[u8], start: i64, stop: i64, out: &mut Vec<u8>) -> usize {
    let spans = item_spans(array);
    let kept = trimmed(start, stop, spans.len());
    let kept = spans.get(kept).unwrap_or_default();
    out.push(b'[');
    if let [first, .., last] | [first @ last] = kept {
        out.extend_from_slice(&array[first.start..last.end]);
    }
    out.push(b']');
    kept.len()
}

fn trimmed(start: i64, stop: i64, len: usize) -> Range<usize> {
    let inside = |index: i64| {
        let index = usize::try_from(absolute(index, len)).unwrap_or(0);
        index.min(len.saturating_sub(1))
    };
    let is_behind = usize::try_from(start).is_ok_and(|start| start >= len);
    if is_behind || inside(start) > inside(stop) {
        return 0..0;
    }
    inside(start)..inside(stop) + 1
}

/// An index from the beginning, where a negative one counts from the end.
fn absolute(index: i64, len: usize) -> i64 {
    if index < 0 {
        index.saturating_add(i64::try_from(len).unwrap_or(i64::MAX))
    } else {
        index
    }
}

/// Appends to a string the text of another, its quotes left away; gives how many bytes the new one means. O(length).
pub fn string_append(string: &[u8], suffix: &[u8], out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(string.strip_suffix(b"\"").unwrap_or(string));
    out.extend_from_slice(suffix);
    out.push(b'"');
    meaning(inner(&out[start..])).len()
}

/// What arithmetic is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Adds.
    Add,
    /// Multiplies.
    Multiply,
    /// Raises to a power.
    Power,
}

/// The result of arithmetic on two numbers: an integer, if both are (and no negative power is asked for).
pub fn calculate(left: Number, arithmetic: Arithmetic, right: Number) -> Result<Number, EditError> {
    if let (Number::Integer(left), Number::Integer(right)) = (left, right) {
        let result = match arithmetic {
            Arithmetic::Add => Some(left.checked_add(right)),
            Arithmetic::Multiply => Some(left.checked_mul(right)),
            Arithmetic::Power => power(left, right),
        };
        if let Some(result) = result {
            return result.map(Number::Integer).ok_or(EditError::Overflow);
        }
    }
    let (left, right) = (left.to_f64(), right.to_f64());
    let result = match arithmetic {
        Arithmetic::Add => left + right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Power => left.powf(right),
    };
    if result.is_finite() {
        Ok(Number::Float(result))
    } else {
        Err(EditError::NotANumber)
    }
}

/// `None`: the result is no integer; `Some(None)`: it does not fit.
fn power(left: i64, right: i64) -> Option<Option<i64>> {
    if right < 0 {
        return None;
    }
    // Whatever else has an exponent this large does not fit.
    Some(match (left, u32::try_from(right)) {
        (0 | 1, Err(_)) => Some(left),
        (-1, Err(_)) => Some(if right % 2 == 0 { 1 } else { -1 }),
        (_, Err(_)) => None,
        (_, Ok(exponent)) => left.checked_pow(exponent),
    })
}

/// Appends a number's text. A float always has a fraction or an exponent.
pub fn push_number(out: &mut Vec<u8>, number: Number) {
    match number {
        Number::Integer(integer) => crate::number::push_i64(out, integer),
        // What is not finite has been refused. A positive exponent has no sign, as RedisJSON prints it.
        Number::Float(float) => out.extend(
            serde_json::to_vec(&float)
                .unwrap_or_default()
                .into_iter()
                .filter(|byte| *byte != b'+'),
        ),
    }
}
