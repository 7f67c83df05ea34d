//! Which members of a sorted set a command means, as a value: by rank, score or member bytes, from either side, and
//! perhaps only a window of them.
//!
//! Everything comes down to a range of ranks. This module must not know keys.

use std::ops::Range;

use super::ZSet;
use super::collections::zset::{LexBound, ScoreBound};
use super::list_ops::range_of;

/// What members are chosen by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ZRangeBy<'a> {
    /// The ranks from `start` to `stop`, both included, negative ones counted from the end.
    Rank {
        /// The first one.
        start: i64,
        /// The last one.
        stop: i64,
    },
    /// Scores between two bounds.
    Score {
        /// The lower end.
        min: ScoreBound,
        /// The upper end.
        max: ScoreBound,
    },
    /// Members between two bounds, where all scores are equal.
    Lex {
        /// The lower end.
        min: LexBound<'a>,
        /// The upper end.
        max: LexBound<'a>,
    },
}

/// Members of a sorted set, and from which side they are counted and shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZRange<'a> {
    /// What they are chosen by.
    pub by: ZRangeBy<'a>,
    /// From the highest to the lowest: ranks and the window count from there.
    pub reverse: bool,
    /// How many of them are left out at the beginning; a negative number leaves out all.
    pub offset: i64,
    /// How many there may be then; negative: all.
    pub count: i64,
}

impl<'a> ZRange<'a> {
    /// All members that are chosen, in ascending order.
    pub fn all(by: ZRangeBy<'a>) -> Self {
        ZRange {
            by,
            reverse: false,
            offset: 0,
            count: -1,
        }
    }

    /// The ranks of these members, counted from the lowest as ever; an empty range if there is none. O(log n).
    pub fn ranks(&self, set: &ZSet) -> Range<usize> {
        let chosen = match self.by {
            ZRangeBy::Rank { start, stop } => {
                let ranks = range_of(start, stop, set.len());
                if self.reverse {
                    set.len() - ranks.end..set.len() - ranks.start
                } else {
                    ranks
                }
            }
            ZRangeBy::Score { min, max } => set.ranks_by_score(min, max),
            ZRangeBy::Lex { min, max } => set.ranks_by_lex(min, max, self.reverse),
        };
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let skipped = offset.min(chosen.len());
        let shown = usize::try_from(self.count)
            .unwrap_or(usize::MAX)
            .min(chosen.len() - skipped);
        if self.reverse {
            let end = chosen.end - skipped;
            end - shown..end
        } else {
            let start = chosen.start + skipped;
            start..start + shown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::{KeyedState, Settings};

    fn set(members: i64) -> ZSet {
        let settings = Settings::new(KeyedState { k0: 1, k1: 2 });
        let mut set = ZSet::new();
        for n in 0..members {
            let added = set.insert(format!("m{n:03}").as_bytes(), n as f64, &settings);
            assert!(added.is_ok());
        }
        set
    }

    fn window(by: ZRangeBy<'_>, reverse: bool, offset: i64, count: i64) -> ZRange<'_> {
        ZRange {
            by,
            reverse,
            offset,
            count,
        }
    }

    #[test]
    fn ranks_are_counted_from_the_side_it_starts_at() {
        for (start, stop, forward, backward) in [
            (0, -1, 0..10, 0..10),
            (0, 2, 0..3, 7..10),
            (-2, -1, 8..10, 0..2),
            (2, 1, 0..0, 10..10),
            (5, 99, 5..10, 0..5),
            (-99, 0, 0..1, 9..10),
            (10, 12, 0..0, 10..10),
        ] {
            let by = ZRangeBy::Rank { start, stop };
            assert_eq!(ZRange::all(by).ranks(&set(10)), forward, "{start} {stop}");
            let reverse = window(by, true, 0, -1).ranks(&set(10));
            assert_eq!(reverse, backward, "{start} {stop}");
        }
    }

    #[test]
    fn windows_are_counted_from_the_side_it_starts_at() {
        let bound = |value| ScoreBound {
            value,
            exclusive: false,
        };
        let by = ZRangeBy::Score {
            min: bound(3.0),
            max: bound(7.0),
        };
        for members in [10, 500] {
            let set = set(members);
            for (offset, count, forward, backward) in [
                (0, -1, 3..8, 3..8),
                (1, 2, 4..6, 5..7),
                (1, -5, 4..8, 3..7),
                (0, 0, 3..3, 8..8),
                (4, 9, 7..8, 3..4),
                (5, 1, 8..8, 3..3),
                (-1, -1, 8..8, 3..3),
                (i64::MAX, i64::MAX, 8..8, 3..3),
            ] {
                let forward_ranks = window(by, false, offset, count).ranks(&set);
                assert_eq!(forward_ranks, forward, "{offset} {count}");
                let backward_ranks = window(by, true, offset, count).ranks(&set);
                assert_eq!(backward_ranks, backward, "{offset} {count}");
            }
        }
    }
}
