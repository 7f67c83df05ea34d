//! Lists as keys: what the list commands do to them. What a list *is* stands in `collections/list.rs`.

use super::collections::list::{End, Side};
use super::{Entry, Key, Keyspace, List, WrongType};
use crate::change::Class;
use crate::number::{INT_TEXT, format_i64};

/// Why LSET was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSetError {
    /// The key holds another type.
    WrongType(WrongType),
    /// There is no such key.
    NoSuchKey,
    /// There is no element at this index.
    OutOfRange,
}

impl From<WrongType> for ListSetError {
    fn from(error: WrongType) -> Self {
        ListSetError::WrongType(error)
    }
}

impl Keyspace {
    /// LPUSH and RPUSH, and with `if_exists` LPUSHX and RPUSHX: gives the new length, 0 when nothing was pushed.
    /// O(number of values).
    pub fn list_push<'a>(
        &mut self,
        key: &Key<'a>,
        end: End,
        values: impl Iterator<Item = &'a [u8]> + Clone,
        if_exists: bool,
    ) -> Result<usize, WrongType> {
        if if_exists && self.open::<List>(key)?.is_none() {
            return Ok(0);
        }
        let open = self.open_or_create(key, |_| List::new())?;
        let (count, bytes) = values.clone().fold((0, 0), |(count, bytes), value| {
            (count + 1, bytes + value.len())
        });
        open.value.expect(count, bytes, open.settings);
        for value in values.clone() {
            open.value.push(end, value, open.settings);
        }
        let len = open.value.len();
        let (event, name): (_, &[u8]) = match end {
            End::Front => ("lpush", b"LPUSH"),
            End::Back => ("rpush", b"RPUSH"),
        };
        self.changed_by(key, Class::List, event, |args| {
            args.extend([name, key.bytes]);
            args.extend(values);
        });
        Ok(len)
    }

    /// LPOP and RPOP: shows up to `count` elements from an end and removes them; gives how many there were, `None`
    /// when there is no such key. O(count).
    pub fn list_pop(
        &mut self,
        key: &Key<'_>,
        end: End,
        count: usize,
        mut take: impl FnMut(Entry<'_>),
    ) -> Result<Option<usize>, WrongType> {
        let Some(open) = self.open::<List>(key)? else {
            return Ok(None);
        };
        let mut popped = 0;
        while popped < count && open.value.pop_with(end, open.settings, &mut take).is_some() {
            popped += 1;
        }
        if popped > 0 {
            let (event, name): (_, &[u8]) = match end {
                End::Front => ("lpop", b"LPOP"),
                End::Back => ("rpop", b"RPOP"),
            };
            let mut digits = INT_TEXT;
            let popped = format_i64(popped as i64, &mut digits);
            self.changed(key, Class::List, event, &[name, key.bytes, popped]);
            self.remove_if_empty::<List>(key);
        }
        Ok(Some(popped))
    }

    /// LMOVE: takes an element from an end of one list, and puts it at an end of another (or of the same); gives it,
    /// or `None` when there is none. O(1).
    pub fn list_move(
        &mut self,
        from: &Key<'_>,
        from_end: End,
        to: &Key<'_>,
        to_end: End,
    ) -> Result<Option<Vec<u8>>, WrongType> {
        if self.open::<List>(from)?.is_none() {
            return Ok(None);
        }
        self.open::<List>(to)?;
        let mut element = None;
        if let Some(open) = self.open::<List>(from)? {
            open.value.pop_with(from_end, open.settings, |entry| {
                element = Some(entry.to_vec())
            });
        }
        let Some(element) = element else {
            return Ok(None);
        };
        let open = self.open_or_create(to, |_| List::new())?;
        open.value.push(to_end, &element, open.settings);
        let word = |end| {
            if end == End::Front {
                b"LEFT".as_slice()
            } else {
                b"RIGHT"
            }
        };
        let (push, pop) = (
            if to_end == End::Front {
                "lpush"
            } else {
                "rpush"
            },
            if from_end == End::Front {
                "lpop"
            } else {
                "rpop"
            },
        );
        self.changed(
            to,
            Class::List,
            push,
            &[b"LMOVE", from.bytes, to.bytes, word(from_end), word(to_end)],
        );
        self.changed(from, Class::List, pop, &[]);
        self.remove_if_empty::<List>(from);
        Ok(Some(element))
    }

    /// LSET: replaces the element at an index, negative ones counted from the end. O(nodes to the nearer end).
    pub fn list_set(
        &mut self,
        key: &Key<'_>,
        index: i64,
        value: &[u8],
    ) -> Result<(), ListSetError> {
        let Some(open) = self.open::<List>(key)? else {
            return Err(ListSetError::NoSuchKey);
        };
        let place = absolute(index, open.value.len()).ok_or(ListSetError::OutOfRange)?;
        if !open.value.set(place, value, open.settings) {
            return Err(ListSetError::OutOfRange);
        }
        let mut digits = INT_TEXT;
        let index = format_i64(index, &mut digits);
        self.changed(
            key,
            Class::List,
            "lset",
            &[b"LSET", key.bytes, index, value],
        );
        Ok(())
    }

    /// LINSERT: gives the new length, -1 when the pivot is not there, 0 when the key is not. O(length).
    pub fn list_insert(
        &mut self,
        key: &Key<'_>,
        side: Side,
        pivot: &[u8],
        value: &[u8],
    ) -> Result<i64, WrongType> {
        let Some(open) = self.open::<List>(key)? else {
            return Ok(0);
        };
        if !open.value.insert(side, pivot, value, open.settings) {
            return Ok(-1);
        }
        let len = open.value.len() as i64;
        let word: &[u8] = if side == Side::Before {
            b"BEFORE"
        } else {
            b"AFTER"
        };
        self.changed(
            key,
            Class::List,
            "linsert",
            &[b"LINSERT", key.bytes, word, pivot, value],
        );
        Ok(len)
    }

    /// LREM: removes up to `count` elements equal to `value` (0: all), from the end if it is negative; gives how many.
    /// O(length).
    pub fn list_remove(
        &mut self,
        key: &Key<'_>,
        count: i64,
        value: &[u8],
    ) -> Result<usize, WrongType> {
        let Some(open) = self.open::<List>(key)? else {
            return Ok(0);
        };
        let from = if count < 0 { End::Back } else { End::Front };
        let limit = if count == 0 {
            usize::MAX
        } else {
            usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)
        };
        let removed = open.value.remove_value(value, limit, from, open.settings);
        if removed > 0 {
            let mut digits = INT_TEXT;
            let count = format_i64(count, &mut digits);
            self.changed(
                key,
                Class::List,
                "lrem",
                &[b"LREM", key.bytes, count, value],
            );
            self.remove_if_empty::<List>(key);
        }
        Ok(removed)
    }

    /// SORT's STORE: puts a list of these elements under a key, in place of whatever it holds and without an expiry;
    /// without elements the key is removed. O(number of elements).
    pub fn list_put(&mut self, key: &Key<'_>, elements: &[Vec<u8>], event: &'static str) {
        let bytes = elements.iter().map(Vec::len).sum();
        let mut list = List::new();
        list.expect(elements.len(), bytes, &self.settings);
        for element in elements {
            list.push(End::Back, element, &self.settings);
        }
        let was_there = self.put_collection(key, list);
        let del: &[&[u8]] = &[b"DEL", key.bytes];
        match (elements, was_there) {
            ([], true) => self.changed(key, Class::Generic, "del", del),
            ([], false) => {}
            _ => {
                if was_there {
                    self.changed(key, Class::Generic, "", del);
                }
                // The elements, and not how they were found: which of two equal ones comes first may be chance.
                self.changed_by(key, Class::List, event, |args| {
                    args.extend([b"RPUSH", key.bytes]);
                    args.extend(elements.iter().map(Vec::as_slice));
                });
            }
        }
    }

    /// LTRIM: keeps the elements from `start` to `stop`, both included, negative ones counted from the end.
    /// O(what is removed).
    pub fn list_trim(&mut self, key: &Key<'_>, start: i64, stop: i64) -> Result<(), WrongType> {
        let Some(open) = self.open::<List>(key)? else {
            return Ok(());
        };
        let keep = range_of(start, stop, open.value.len());
        open.value.trim(keep, open.settings);
        let (mut start_digits, mut stop_digits) = (INT_TEXT, INT_TEXT);
        let (start, stop) = (
            format_i64(start, &mut start_digits),
            format_i64(stop, &mut stop_digits),
        );
        self.changed(
            key,
            Class::List,
            "ltrim",
            &[b"LTRIM", key.bytes, start, stop],
        );
        self.remove_if_empty::<List>(key);
        Ok(())
    }
}

/// An index that may be counted from the end, counted from the front; `None` when that is before it.
pub(crate) fn absolute(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 {
        index.checked_add(i64::try_from(len).ok()?)?
    } else {
        index
    };
    usize::try_from(index).ok()
}

/// The indexes from `start` to `stop`, both included, negative ones counted from the end, as far as there are such.
pub(crate) fn range_of(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let start = absolute(start, len).unwrap_or(0);
    let end = absolute(stop, len)
        .map_or(0, |stop| stop.saturating_add(1))
        .min(len);
    if start >= end { 0..0 } else { start..end }
}
