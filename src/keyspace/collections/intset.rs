//! A sorted array of integers, as wide as the widest of them needs: the first form of a set of
//! integers.

use super::compact::Entry;

/// The set. Lookups are O(log n), changes O(n). It widens when it has to and never narrows again.
#[derive(Clone, Debug)]
pub struct IntSet(Width);

#[derive(Clone, Debug)]
enum Width {
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

/// Runs the same code on the array of whichever width.
macro_rules! on_array {
    ($width:expr, $array:ident => $code:expr) => {
        match $width {
            Width::I16($array) => $code,
            Width::I32($array) => $code,
            Width::I64($array) => $code,
        }
    };
}

impl IntSet {
    /// An empty set; allocates nothing.
    pub fn new() -> IntSet {
        IntSet(Width::I16(Vec::new()))
    }

    /// The number of integers.
    pub fn len(&self) -> usize {
        on_array!(&self.0, array => array.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes on the heap, unused capacity included.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Width::I16(array) => array.capacity() * 2,
            Width::I32(array) => array.capacity() * 4,
            Width::I64(array) => array.capacity() * 8,
        }
    }

    /// The integer at this index, counted from the smallest.
    #[expect(clippy::useless_conversion, reason = "one of the widths is i64")]
    pub fn get(&self, index: usize) -> Option<i64> {
        on_array!(&self.0, array => array.get(index).map(|&value| value.into()))
    }

    /// Whether `value` is in the set.
    pub fn contains(&self, value: i64) -> bool {
        self.find(value).is_ok()
    }

    /// Where `value` is, counted from the smallest.
    pub fn index_of(&self, value: i64) -> Option<usize> {
        self.find(value).ok()
    }

    /// Adds `value`; returns whether it is new.
    pub fn insert(&mut self, value: i64) -> bool {
        let Err(at) = self.find(value) else {
            return false;
        };
        self.widen_for(value);
        match &mut self.0 {
            Width::I16(array) => insert(array, at, value as i16),
            Width::I32(array) => insert(array, at, value as i32),
            Width::I64(array) => insert(array, at, value),
        }
        true
    }

    /// Takes `value` out; returns whether it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let found = self.find(value);
        if let Ok(at) = found {
            on_array!(&mut self.0, array => {
                array.remove(at);
                if array.capacity() > 16 && array.len() < array.capacity() / 4 {
                    array.shrink_to(array.len() * 2);
                }
            });
        }
        found.is_ok()
    }

    /// All integers, ascending.
    pub fn iter(&self) -> Iter<'_> {
        Iter { set: self, next: 0 }
    }

    #[expect(clippy::useless_conversion, reason = "one of the widths is i64")]
    fn find(&self, value: i64) -> Result<usize, usize> {
        on_array!(&self.0, array => array.binary_search_by(|&there| i64::from(there).cmp(&value)))
    }

    fn widen_for(&mut self, value: i64) {
        let needed = match value {
            _ if i16::try_from(value).is_ok() => 2,
            _ if i32::try_from(value).is_ok() => 4,
            _ => 8,
        };
        match &self.0 {
            Width::I16(array) if needed == 4 => {
                self.0 = Width::I32(array.iter().map(|&v| v.into()).collect())
            }
            Width::I16(array) if needed == 8 => {
                self.0 = Width::I64(array.iter().map(|&v| v.into()).collect())
            }
            Width::I32(array) if needed == 8 => {
                self.0 = Width::I64(array.iter().map(|&v| v.into()).collect())
            }
            _ => {}
        }
    }
}

impl Default for IntSet {
    fn default() -> IntSet {
        IntSet::new()
    }
}

/// The integers of an [`IntSet`], ascending.
#[derive(Clone)]
pub struct Iter<'a> {
    set: &'a IntSet,
    next: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let value = self.set.get(self.next)?;
        self.next += 1;
        Some(Entry::Int(value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.set.len() - self.next;
        (len, Some(len))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Grows by a quarter: there are many small sets, and their slack is most of what they would waste.
fn insert<T>(array: &mut Vec<T>, at: usize, value: T) {
    if array.len() == array.capacity() {
        array.reserve_exact((array.len() / 4).max(4));
    }
    array.insert(at, value);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::keyspace::rng::Rng;

    #[test]
    fn behaves_as_a_sorted_set() {
        let mut rng = Rng::seeded(30);
        let (mut set, mut model) = (IntSet::new(), BTreeSet::new());
        for round in 0..12_000 {
            // Wider and wider, so that each width is seen with content.
            let narrow = [56, 52, 36, 4][round / 3000];
            let value = (rng.next_u64() as i64) >> (narrow + rng.index(4));
            if rng.below(3) > 0 {
                assert_eq!(set.insert(value), model.insert(value));
            } else {
                let value = set.get(rng.index(set.len())).unwrap_or(value);
                assert_eq!(set.remove(value), model.remove(&value));
            }
            assert_eq!(set.contains(value), model.contains(&value));
            assert_eq!(set.len(), model.len());
        }
        assert!(set.iter().eq(model.iter().map(|&value| Entry::Int(value))));
        assert_eq!(set.iter().len(), model.len());
        let first = model.iter().next().copied();
        assert_eq!((set.get(0), set.get(model.len())), (first, None));
        for value in model {
            assert!(set.remove(value));
        }
        assert!(set.heap_bytes() <= 16 * 8);
    }

    #[test]
    fn takes_the_bytes_that_its_widest_needs() {
        let mut set = IntSet::new();
        for (value, bytes) in [
            (1, 2),
            (i64::from(i16::MIN), 2),
            (40_000, 4),
            (i64::from(i32::MAX), 4),
            (1 << 40, 8),
        ] {
            assert!(set.insert(value) && set.contains(value) && set.contains(1));
            let per_value = set.heap_bytes() / on_array!(&set.0, array => array.capacity());
            assert_eq!(per_value, bytes);
        }
    }
}
