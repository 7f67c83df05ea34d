//! An array in segments: a `Vec` that never moves more than one segment to grow. A table of ten
//! million slots in one `Vec` would stall for as long as copying hundreds of megabytes takes; here
//! the worst push copies the list of segments, which is a thousandth of that.

use std::iter::Flatten;
use std::ops::{Index, IndexMut};
use std::slice;

const SEGMENT_BITS: u32 = 10;

/// The elements of a full segment.
pub const SEGMENT_LEN: usize = 1 << SEGMENT_BITS;

/// A sequence with push and pop at its end and access by `u32` index.
#[derive(Debug)]
pub struct Segments<T> {
    /// All are full but the last; only the first starts smaller than full size and grows.
    segments: Vec<Vec<T>>,
    len: usize,
    capacity: usize,
}

/// All elements of a [`Segments`], by index.
pub type Iter<'a, T> = Flatten<slice::Iter<'a, Vec<T>>>;

impl<T> Segments<T> {
    /// An empty sequence; allocates nothing.
    pub fn new() -> Segments<T> {
        Segments {
            segments: Vec::new(),
            len: 0,
            capacity: 0,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes on the heap, unused capacity included. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.capacity * size_of::<T>() + self.segments.capacity() * size_of::<Vec<T>>()
    }

    /// Adds an element at the end.
    pub fn push(&mut self, value: T) {
        if self.len == self.capacity {
            self.grow();
        }
        if let Some(segment) = self.segments.get_mut(self.len >> SEGMENT_BITS) {
            segment.push(value);
            self.len += 1;
        }
    }

    /// Takes the last element.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        let value = self.segments[last >> SEGMENT_BITS].pop()?;
        self.len = last;
        self.shrink();
        Some(value)
    }

    /// Takes the element at `index`; the last one takes its place.
    ///
    /// # Panics
    /// If there is no element at `index`.
    pub fn swap_remove(&mut self, index: u32) -> T {
        let last = self.pop().expect("an index of an element");
        if index as usize == self.len {
            last
        } else {
            std::mem::replace(&mut self[index], last)
        }
    }

    /// Drops the last segment, full or not, and returns how many elements it held.
    pub fn drop_segment(&mut self) -> usize {
        let Some(segment) = self.segments.pop() else {
            return 0;
        };
        self.len -= segment.len();
        self.capacity -= segment.capacity();
        segment.len()
    }

    /// All elements, by index.
    pub fn iter(&self) -> Iter<'_, T> {
        self.segments.iter().flatten()
    }

    fn grow(&mut self) {
        match self.segments.as_mut_slice() {
            [first] if first.capacity() < SEGMENT_LEN => {
                let room = (self.capacity / 2).max(4).min(SEGMENT_LEN - self.capacity);
                first.reserve_exact(room);
                self.capacity = first.capacity();
            }
            segments => {
                let capacity = if segments.is_empty() { 4 } else { SEGMENT_LEN };
                let segment = Vec::with_capacity(capacity);
                self.capacity += capacity;
                self.segments.push(segment);
            }
        }
    }

    /// Frees an empty last segment once the one before it has room to spare, so that a push and a
    /// pop at the border do not allocate and free each time.
    fn shrink(&mut self) {
        match self.segments.as_mut_slice() {
            [only] if only.capacity() > 16 && self.len < only.capacity() / 4 => {
                only.shrink_to(self.len * 2);
                self.capacity = only.capacity();
            }
            [.., before, last] if last.is_empty() && before.len() < SEGMENT_LEN / 2 => {
                self.drop_segment();
            }
            _ => {}
        }
    }
}

/// With the same capacities: a derived clone would have none to spare, and grow its last segment by
/// moving it.
impl<T: Clone> Clone for Segments<T> {
    fn clone(&self) -> Segments<T> {
        let copy = |segment: &Vec<T>| {
            let mut copy = Vec::with_capacity(segment.capacity());
            copy.extend_from_slice(segment);
            copy
        };
        Segments {
            segments: self.segments.iter().map(copy).collect(),
            len: self.len,
            capacity: self.capacity,
        }
    }
}

impl<T> Default for Segments<T> {
    fn default() -> Segments<T> {
        Segments::new()
    }
}

impl<T> Index<u32> for Segments<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.segments[(index >> SEGMENT_BITS) as usize][index as usize % SEGMENT_LEN]
    }
}

impl<T> IndexMut<u32> for Segments<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.segments[(index >> SEGMENT_BITS) as usize][index as usize % SEGMENT_LEN]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::rng::Rng;

    #[test]
    fn behaves_as_a_vec() {
        let mut rng = Rng::seeded(6);
        let mut segments = Segments::new();
        let mut model = Vec::new();
        for round in 0..40_000u64 {
            let growing = round % 20_000 < 12_000;
            match rng.below(10) {
                0..6 if growing => {
                    segments.push(round);
                    model.push(round);
                }
                0..8 => assert_eq!(segments.pop(), model.pop()),
                8 if !model.is_empty() => {
                    let index = rng.index(model.len());
                    assert_eq!(segments.swap_remove(index as u32), model.swap_remove(index));
                }
                _ if !model.is_empty() => {
                    let index = rng.index(model.len());
                    segments[index as u32] += 1;
                    model[index] += 1;
                    assert_eq!(segments[index as u32], model[index]);
                }
                _ => {}
            }
            assert_eq!(segments.len(), model.len());
            if round % 1000 == 0 {
                segments = segments.clone();
            }
            let held: usize = segments.segments.iter().map(Vec::capacity).sum();
            assert_eq!(segments.capacity, held);
        }
        assert!(segments.iter().eq(model.iter()));
    }

    #[test]
    fn gives_memory_back() {
        let mut segments: Segments<u32> = (0..5000).fold(Segments::new(), |mut all, n| {
            all.push(n);
            all
        });
        let full = segments.heap_bytes();
        assert!((5000 * 4..6200 * 4).contains(&full), "{full}");
        while segments.pop().is_some() {}
        assert!(segments.heap_bytes() < 400, "{}", segments.heap_bytes());
    }

    #[test]
    fn drops_segment_by_segment() {
        let mut segments = Segments::new();
        (0..2500).for_each(|n| segments.push(n));
        assert_eq!(segments.drop_segment(), 2500 - 2 * SEGMENT_LEN);
        assert_eq!(segments.drop_segment(), SEGMENT_LEN);
        assert_eq!(segments.len(), SEGMENT_LEN);
        assert_eq!(segments.drop_segment(), SEGMENT_LEN);
        assert_eq!((segments.drop_segment(), segments.len()), (0, 0));
    }
}
