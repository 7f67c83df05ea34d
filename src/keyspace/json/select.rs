//! What a path selects in a document, and what that may cost.
//!
//! A path is evaluated on the text: nothing is parsed but what lies on the way. `..` before `[*]` before `..` can select
//! more than there is memory for, so the bytes that are looked at, or selected, are counted, and there is a limit to them.
//!
//! This module must not know what is done with the values.

use std::cmp::Ordering;

use super::JsonKind;
use super::path::{Filter, Op, Path, Select, Step, Term};
use super::text::{Number, Span, end_of, equal, first_item, inner, next_item};

/// Bytes that the evaluation of a path may look at and select, besides a few times the document's own.
const COST_BYTES_MAX: usize = 256 << 20;

/// A value that was selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Where its element or member begins: at its name, if it has one.
    pub start: usize,
    /// The value.
    pub value: Span,
}

/// The evaluation of a path was given up, since it would have cost too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch;

/// What `path` selects in a canonical text, in order. Values within each other may be selected together, and some more
/// than once. O(length) for each `..` and for what is selected, within a limit.
pub fn select(text: &[u8], path: &Path) -> Result<Vec<Match>, TooMuch> {
    select_within(text, path, cost_bytes_max(text))
}

/// What evaluating a path on this text may cost.
fn cost_bytes_max(text: &[u8]) -> usize {
    text.len().saturating_mul(8).saturating_add(COST_BYTES_MAX)
}

/// As [`select`], with another limit.
pub(super) fn select_within(
    text: &[u8],
    path: &Path,
    cost_bytes_max: usize,
) -> Result<Vec<Match>, TooMuch> {
    Selection::new(text, cost_bytes_max).run(&path.steps)
}

/// The first value that `path` selects. Cost as [`select`].
pub fn select_first(text: &[u8], path: &Path) -> Result<Option<Match>, TooMuch> {
    Ok(select(text, path)?.into_iter().next())
}

/// What the steps before a path's last one select: where it would put what is not there.
pub fn select_parent(text: &[u8], path: &Path) -> Result<Option<Match>, TooMuch> {
    let Some((_, before)) = path.steps.split_last() else {
        return Ok(None);
    };
    let selection = Selection::new(text, cost_bytes_max(text));
    Ok(selection.run(before)?.into_iter().next())
}

/// The evaluation of a path and of those in its filters.
struct Selection<'a> {
    text: &'a [u8],
    cost_bytes: usize,
    cost_bytes_max: usize,
    found: Vec<Match>,
}

impl<'a> Selection<'a> {
    fn new(text: &'a [u8], cost_bytes_max: usize) -> Self {
        Selection {
            text,
            cost_bytes: 0,
            cost_bytes_max,
            found: Vec::new(),
        }
    }

    fn run(mut self, steps: &[Step]) -> Result<Vec<Match>, TooMuch> {
        if steps.is_empty() {
            return Ok(vec![Match {
                start: 0,
                value: 0..self.text.len(),
            }]);
        }
        self.walk(0, 0, steps)?;
        Ok(self.found)
    }

    fn pay(&mut self, bytes: usize) -> Result<(), TooMuch> {
        self.cost_bytes = self.cost_bytes.saturating_add(bytes);
        if self.cost_bytes > self.cost_bytes_max {
            return Err(TooMuch);
        }
        Ok(())
    }

    fn end_of(&mut self, at: usize) -> Result<usize, TooMuch> {
        let end = end_of(self.text, at);
        self.pay(end - at)?;
        Ok(end)
    }

    /// Follows the steps from the value at `value`, whose element or member begins at `start`.
    fn walk(&mut self, start: usize, value: usize, steps: &[Step]) -> Result<(), TooMuch> {
        let Some((step, rest)) = steps.split_first() else {
            let end = self.end_of(value)?;
            self.found.push(Match {
                start,
                value: value..end,
            });
            return self.pay(size_of::<Match>());
        };
        self.pay(1)?;
        self.step(start, value, &step.select, rest)?;
        if step.descends {
            self.each(value, |this, start, inner, _| {
                this.walk(start, inner, steps)
            })?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        start: usize,
        value: usize,
        select: &Select,
        rest: &[Step],
    ) -> Result<(), TooMuch> {
        let kind = self.text.get(value);
        match select {
            Select::Names(names) if kind == Some(&b'{') => {
                for name in names {
                    if let Some((start, value)) = self.member(value, name)? {
                        self.walk(start, value, rest)?;
                    }
                }
                Ok(())
            }
            Select::Indices(indices) if kind == Some(&b'[') => {
                for index in indices {
                    if let Some(element) = self.element(value, *index)? {
                        self.walk(element, element, rest)?;
                    }
                }
                Ok(())
            }
            Select::Slice { start, end, step } if kind == Some(&b'[') => {
                self.slice(value, *start, *end, *step, rest)
            }
            Select::All => self.each(value, |this, start, inner, _| this.walk(start, inner, rest)),
            Select::Filter(filter) if matches!(kind, Some(b'{' | b'[')) => {
                self.each(value, |this, start, inner, end| {
                    if this.is_true(filter, inner..end)? {
                        this.walk(start, inner, rest)?;
                    }
                    Ok(())
                })
            }
            Select::Filter(filter) => {
                let end = self.end_of(value)?;
                if self.is_true(filter, value..end)? {
                    self.walk(start, value, rest)?;
                }
                Ok(())
            }
            Select::Names(_) | Select::Indices(_) | Select::Slice { .. } => Ok(()),
        }
    }

    /// Visits what is in the array or object at `at`: where it begins, where its value begins and ends.
    fn each(
        &mut self,
        at: usize,
        mut visit: impl FnMut(&mut Self, usize, usize, usize) -> Result<(), TooMuch>,
    ) -> Result<(), TooMuch> {
        let is_object = self.text.get(at) == Some(&b'{');
        let mut next = first_item(self.text, at);
        while let Some(item) = next {
            let end = self.end_of(item.value)?;
            self.pay(item.value - item.start + 1)?;
            visit(self, item.start, item.value, end)?;
            next = next_item(self.text, end, is_object);
        }
        Ok(())
    }

    /// Where the member of this name begins in the object at `at`, and its value.
    fn member(&mut self, at: usize, name: &[u8]) -> Result<Option<(usize, usize)>, TooMuch> {
        let mut next = first_item(self.text, at);
        while let Some(item) = next {
            self.pay(item.value - item.start)?;
            if self.text.get(item.name) == Some(name) {
                return Ok(Some((item.start, item.value)));
            }
            let end = self.end_of(item.value)?;
            next = next_item(self.text, end, true);
        }
        Ok(None)
    }

    /// Where the element of this index begins in the array at `at`.
    fn element(&mut self, at: usize, index: i64) -> Result<Option<usize>, TooMuch> {
        let index = if index < 0 {
            let len = self.len(at)?;
            match usize::try_from(index.unsigned_abs()) {
                Ok(back) if back <= len => len - back,
                _ => return Ok(None),
            }
        } else {
            usize::try_from(index).unwrap_or(usize::MAX)
        };
        let mut next = first_item(self.text, at);
        for _ in 0..index {
            let Some(item) = next else { break };
            let end = self.end_of(item.value)?;
            self.pay(1)?;
            next = next_item(self.text, end, false);
        }
        Ok(next.map(|item| item.value))
    }

    fn len(&mut self, at: usize) -> Result<usize, TooMuch> {
        let mut len = 0;
        self.each(at, |_, _, _, _| {
            len += 1;
            Ok(())
        })?;
        Ok(len)
    }

    fn slice(
        &mut self,
        at: usize,
        start: Option<i64>,
        end: Option<i64>,
        step: usize,
        rest: &[Step],
    ) -> Result<(), TooMuch> {
        let len = self.len(at)?;
        let absolute = |index: i64| {
            let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
            if index < 0 {
                len.saturating_sub(distance)
            } else {
                distance.min(len)
            }
        };
        let (start, end) = (start.map_or(0, absolute), end.map_or(len, absolute));
        let mut index = 0;
        self.each(at, |this, item, value, _| {
            let is_in = (start..end).contains(&index) && (index - start).is_multiple_of(step);
            index += 1;
            if is_in {
                this.walk(item, value, rest)?;
            }
            Ok(())
        })
    }

    fn is_true(&mut self, filter: &Filter, current: Span) -> Result<bool, TooMuch> {
        self.pay(1)?;
        match filter {
            Filter::Any(filters) => {
                for filter in filters {
                    if self.is_true(filter, current.clone())? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::All(filters) => {
                for filter in filters {
                    if !self.is_true(filter, current.clone())? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Exists(term) => Ok(self.value_of(term, &current)?.is_some()),
            Filter::Compare(left, op, right) => {
                let left = self.value_of(left, &current)?;
                let right = self.value_of(right, &current)?;
                self.pay(left.map_or(0, <[u8]>::len) + right.map_or(0, <[u8]>::len))?;
                Ok(holds(left, *op, right))
            }
        }
    }

    /// The value of a term; `None` where its path selects none, or several.
    fn value_of<'t>(&mut self, term: &'t Term, current: &Span) -> Result<Option<&'t [u8]>, TooMuch>
    where
        'a: 't,
    {
        let (from_root, steps) = match term {
            Term::Literal(text) => return Ok(Some(text)),
            Term::Path { from_root, steps } => (*from_root, steps),
        };
        let text = self.text;
        let from = if from_root {
            0..text.len()
        } else {
            current.clone()
        };
        if steps.is_empty() {
            return Ok(text.get(from));
        }
        let outer = std::mem::take(&mut self.found);
        self.walk(from.start, from.start, steps)?;
        let found = std::mem::replace(&mut self.found, outer);
        Ok(match &found[..] {
            [one] => text.get(one.value.clone()),
            _ => None,
        })
    }
}

/// Whether a comparison is true. Values that cannot be compared are not equal, and none is less.
fn holds(left: Option<&[u8]>, op: Op, right: Option<&[u8]>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return op == Op::NotEqual;
    };
    let order = order(left, right);
    match op {
        Op::Equal => order == Some(Ordering::Equal),
        Op::NotEqual => order != Some(Ordering::Equal),
        Op::Less => order == Some(Ordering::Less),
        Op::Greater => order == Some(Ordering::Greater),
        Op::LessOrEqual => order.is_some_and(Ordering::is_le),
        Op::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

fn order(left: &[u8], right: &[u8]) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return left.compare(right);
    }
    let kind = JsonKind::of(left);
    if kind != JsonKind::of(right) {
        return None;
    }
    match kind {
        JsonKind::String => {
            Some(super::text::meaning(inner(left)).cmp(&super::text::meaning(inner(right))))
        }
        // false, with its first letter, comes before true.
        JsonKind::Boolean | JsonKind::Null => Some(left.cmp(right)),
        JsonKind::Array | JsonKind::Object => equal(left, right).then_some(Ordering::Equal),
        JsonKind::Integer | JsonKind::Number => None,
    }
}
