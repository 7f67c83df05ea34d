//! Deadlines, earliest first.
//!
//! Entries are never removed or moved: when one comes up, its owner says whether it still holds, and until when. So a
//! connection that is busy costs nothing here. This module must not know what the deadlines are for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU64;

/// A monotonic time in ms that takes no more room where there may be none. There is no time 0: that is 1.
pub(crate) fn moment(ms: u64) -> NonZeroU64 {
    NonZeroU64::new(ms).unwrap_or(NonZeroU64::MIN)
}

/// Deadlines of things named by numbers.
#[derive(Debug, Default)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<(u64, u64)>>,
}

impl Deadlines {
    /// Adds a deadline. O(log n).
    pub fn add(&mut self, deadline_ms: u64, id: u64) {
        self.heap.push(Reverse((deadline_ms, id)));
    }

    /// The earliest deadline.
    pub fn next_ms(&self) -> Option<u64> {
        self.heap
            .peek()
            .map(|Reverse((deadline_ms, _))| *deadline_ms)
    }

    /// Takes one that has come: when it was due, and whose it is. O(log n).
    pub fn pop_due(&mut self, now_ms: u64) -> Option<(u64, u64)> {
        let Reverse(due) = *self.heap.peek()?;
        if due.0 > now_ms {
            return None;
        }
        self.heap.pop();
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_not_before_their_time() {
        let mut deadlines = Deadlines::default();
        for (at, id) in [(30, 3), (10, 1), (20, 2)] {
            deadlines.add(at, id);
        }
        assert_eq!(deadlines.next_ms(), Some(10));
        assert_eq!(deadlines.pop_due(9), None);
        assert_eq!(deadlines.pop_due(20), Some((10, 1)));
        assert_eq!(deadlines.pop_due(20), Some((20, 2)));
        assert_eq!(deadlines.pop_due(20), None);
        assert_eq!(deadlines.next_ms(), Some(30));
    }
}
