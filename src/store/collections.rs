//! Lists, hashes, sets and sorted sets: a key that has been looked up once, and what can be done to it.
//!
//! A handle may be of a key that does not exist: reading it finds nothing, and the first element makes it.

use std::ops::RangeInclusive;

use super::Store;
use crate::keyspace::collections::list::{End, Side};
use crate::keyspace::collections::zset::ScoreBound;
use crate::keyspace::{
    Entry, Extreme, Hash, IncrError, Key, List, ListSetError, Set, WrongType, ZAddError,
    ZAddOptions, ZAdded, ZRange, ZRangeBy, ZSet, list_absolute, list_range,
};

macro_rules! handles {
    ($($name:ident of $of:ty, by $method:ident, $what:literal;)+) => {
        $(
            #[doc = concat!($what, " under a key; of a missing one, an empty one.")]
            #[derive(Debug)]
            pub struct $name<'s> {
                store: Store<'s>,
                key: Key<'s>,
            }

            impl Store<'_> {
                #[doc = concat!($what, " under a key, that may be empty yet. An error when the key holds another type. O(1).")]
                pub fn $method<'s, K: AsRef<[u8]> + ?Sized>(
                    &'s mut self,
                    key: &'s K,
                ) -> Result<$name<'s>, WrongType> {
                    let key = self.key(key);
                    self.keyspace.read::<$of>(&key)?;
                    self.settle();
                    Ok($name { store: self.lend(), key })
                }
            }

            impl $name<'_> {
                /// How many elements there are. O(1).
                pub fn len(&self) -> usize {
                    self.peek().map_or(0, <$of>::len)
                }

                /// Whether there is none, and no such key.
                pub fn is_empty(&self) -> bool {
                    self.len() == 0
                }

                /// The whole, to be read; `None` when it is empty. O(1), no copy.
                pub fn peek(&self) -> Option<&$of> {
                    self.store.keyspace.peek(&self.key)
                }

                /// Deletes the key: whether it was there. O(1).
                pub fn delete(&mut self) -> bool {
                    let existed = self.store.keyspace.delete(&self.key);
                    self.store.settle();
                    existed
                }
            }
        )+
    };
}

handles! {
    ListKey of List, by list, "The list";
    HashKey of Hash, by hash, "The hash";
    SetKey of Set, by set_of, "The set";
    ZSetKey of ZSet, by zset, "The sorted set";
}

/// What went wrong in a handle's operation can only be another type, which making the handle has ruled out.
fn whole<T: Default>(result: Result<T, WrongType>) -> T {
    result.unwrap_or_default()
}

fn one(bytes: &[u8]) -> std::iter::Once<&[u8]> {
    std::iter::once(bytes)
}

impl ListKey<'_> {
    /// RPUSH of one element; gives the new length. O(1).
    pub fn push_back(&mut self, element: impl AsRef<[u8]>) -> usize {
        self.push(End::Back, element.as_ref())
    }

    /// LPUSH of one element; gives the new length. O(1).
    pub fn push_front(&mut self, element: impl AsRef<[u8]>) -> usize {
        self.push(End::Front, element.as_ref())
    }

    fn push(&mut self, end: End, element: &[u8]) -> usize {
        let len = self
            .store
            .keyspace
            .list_push(&self.key, end, one(element), false);
        self.store.settle();
        whole(len)
    }

    /// RPOP. O(1).
    pub fn pop_back(&mut self) -> Option<Vec<u8>> {
        self.pop(End::Back)
    }

    /// LPOP. O(1).
    pub fn pop_front(&mut self) -> Option<Vec<u8>> {
        self.pop(End::Front)
    }

    fn pop(&mut self, end: End) -> Option<Vec<u8>> {
        let mut popped = None;
        let take = |element: Entry<'_>| popped = Some(element.to_vec());
        whole(self.store.keyspace.list_pop(&self.key, end, 1, take));
        self.store.settle();
        popped
    }

    /// LINDEX: the element at an index, negative ones counted from the end. O(nodes to the nearer end).
    pub fn get(&self, index: i64) -> Option<Vec<u8>> {
        let list = self.peek()?;
        let index = list_absolute(index, list.len())?;
        Some(list.get(index)?.to_vec())
    }

    /// LRANGE: the elements from `start` to `stop`, both included, negative ones counted from the end. O(elements).
    pub fn range(&self, start: i64, stop: i64) -> Vec<Vec<u8>> {
        self.peek().map_or_else(Vec::new, |list| {
            let range = list_range(start, stop, list.len());
            list.range(range).map(Entry::to_vec).collect()
        })
    }

    /// LSET. O(nodes to the nearer end).
    pub fn set(&mut self, index: i64, element: impl AsRef<[u8]>) -> Result<(), ListSetError> {
        let done = self
            .store
            .keyspace
            .list_set(&self.key, index, element.as_ref());
        self.store.settle();
        done
    }

    /// LINSERT before the first element that equals `pivot`; false when there is none. O(length).
    pub fn insert_before(&mut self, pivot: impl AsRef<[u8]>, element: impl AsRef<[u8]>) -> bool {
        let (pivot, element) = (pivot.as_ref(), element.as_ref());
        let len = self
            .store
            .keyspace
            .list_insert(&self.key, Side::Before, pivot, element);
        self.store.settle();
        whole(len) > 0
    }

    /// LREM: removes up to `count` elements that equal this one (0: all), from the end if it is negative; gives how
    /// many. O(length).
    pub fn remove(&mut self, count: i64, element: impl AsRef<[u8]>) -> usize {
        let removed = self
            .store
            .keyspace
            .list_remove(&self.key, count, element.as_ref());
        self.store.settle();
        whole(removed)
    }

    /// LTRIM: keeps the elements from `start` to `stop`, both included. O(what is removed).
    pub fn trim(&mut self, start: i64, stop: i64) {
        whole(self.store.keyspace.list_trim(&self.key, start, stop));
        self.store.settle();
    }
}

impl HashKey<'_> {
    /// HSET of one field: whether it is new. O(1).
    pub fn set(&mut self, field: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> bool {
        let pair = std::iter::once((field.as_ref(), value.as_ref()));
        let added = self.store.keyspace.hash_set(&self.key, pair);
        self.store.settle();
        whole(added) > 0
    }

    /// HGET. O(1).
    pub fn get(&self, field: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        Some(self.peek()?.get(field.as_ref())?.to_vec())
    }

    /// HEXISTS. O(1).
    pub fn contains(&self, field: impl AsRef<[u8]>) -> bool {
        self.peek()
            .is_some_and(|hash| hash.contains(field.as_ref()))
    }

    /// HDEL of one field: whether it was there. O(1).
    pub fn remove(&mut self, field: impl AsRef<[u8]>) -> bool {
        let removed = self
            .store
            .keyspace
            .hash_remove(&self.key, one(field.as_ref()));
        self.store.settle();
        whole(removed) > 0
    }

    /// HINCRBY: adds to the integer that a field has, 0 where there is none; gives the sum. O(1).
    pub fn incr_by(&mut self, field: impl AsRef<[u8]>, by: i64) -> Result<i64, IncrError> {
        let sum = self
            .store
            .keyspace
            .hash_incr_by(&self.key, field.as_ref(), by);
        self.store.settle();
        sum
    }

    /// HGETALL: all fields and values, in no particular order. O(fields).
    pub fn entries(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.peek().map_or_else(Vec::new, |hash| {
            hash.iter()
                .map(|(field, value)| (field.to_vec(), value.to_vec()))
                .collect()
        })
    }
}

impl SetKey<'_> {
    /// SADD of one member: whether it is new. O(1).
    pub fn add(&mut self, member: impl AsRef<[u8]>) -> bool {
        let added = self.store.keyspace.set_add(&self.key, one(member.as_ref()));
        self.store.settle();
        whole(added) > 0
    }

    /// SREM of one member: whether it was there. O(1).
    pub fn remove(&mut self, member: impl AsRef<[u8]>) -> bool {
        let removed = self
            .store
            .keyspace
            .set_remove(&self.key, one(member.as_ref()));
        self.store.settle();
        whole(removed) > 0
    }

    /// SISMEMBER. O(1).
    pub fn contains(&self, member: impl AsRef<[u8]>) -> bool {
        self.peek().is_some_and(|set| set.contains(member.as_ref()))
    }

    /// SPOP: takes out a member, drawn from all. O(1).
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let mut popped = None;
        let take = |member: Entry<'_>| popped = Some(member.to_vec());
        whole(self.store.keyspace.set_pop(&self.key, 1, take));
        self.store.settle();
        popped
    }

    /// SMEMBERS, in no particular order. O(members).
    pub fn members(&self) -> Vec<Vec<u8>> {
        self.peek()
            .map_or_else(Vec::new, |set| set.iter().map(Entry::to_vec).collect())
    }
}

impl ZSetKey<'_> {
    /// ZADD of one member: whether it is new. Refused where the score is no number. O(log n).
    pub fn add(&mut self, member: impl AsRef<[u8]>, score: f64) -> Result<bool, ZAddError> {
        let members = [(score, member.as_ref())];
        Ok(self.add_with(&members, ZAddOptions::default())?.added > 0)
    }

    /// ZADD with all its options. O(log n) for each member.
    pub fn add_with(
        &mut self,
        members: &[(f64, &[u8])],
        options: ZAddOptions,
    ) -> Result<ZAdded, ZAddError> {
        let added = self.store.keyspace.zset_add(&self.key, members, options);
        self.store.settle();
        added
    }

    /// ZINCRBY: adds to a member's score, 0 where there is none; gives the sum. O(log n).
    pub fn incr_by(&mut self, member: impl AsRef<[u8]>, by: f64) -> Result<f64, ZAddError> {
        let options = ZAddOptions {
            increment: true,
            ..ZAddOptions::default()
        };
        let added = self.add_with(&[(by, member.as_ref())], options)?;
        added.score.ok_or(ZAddError::NotANumber)
    }

    /// ZSCORE. O(1).
    pub fn score(&self, member: impl AsRef<[u8]>) -> Option<f64> {
        self.peek()?.score(member.as_ref())
    }

    /// ZRANK: how many members have lower scores. O(log n).
    pub fn rank(&self, member: impl AsRef<[u8]>) -> Option<usize> {
        self.peek()?.rank(member.as_ref())
    }

    /// ZREVRANK: how many members have higher scores. O(log n).
    pub fn reverse_rank(&self, member: impl AsRef<[u8]>) -> Option<usize> {
        let set = self.peek()?;
        Some(set.len() - 1 - set.rank(member.as_ref())?)
    }

    /// ZRANGE: the members from rank `start` to rank `stop`, both included, negative ones counted from the end, with
    /// their scores. O(log n + members).
    pub fn range(&self, start: i64, stop: i64) -> Vec<(Vec<u8>, f64)> {
        self.select(&ZRange::all(ZRangeBy::Rank { start, stop }))
    }

    /// ZRANGEBYSCORE: the members with scores from the first to the last of these, both included. O(log n + members).
    pub fn range_by_score(&self, scores: RangeInclusive<f64>) -> Vec<(Vec<u8>, f64)> {
        let bound = |value: &f64| ScoreBound {
            value: *value,
            exclusive: false,
        };
        self.select(&ZRange::all(ZRangeBy::Score {
            min: bound(scores.start()),
            max: bound(scores.end()),
        }))
    }

    /// Any choice of members, in order; from the highest to the lowest if it is a reverse one. O(log n + members).
    pub fn select(&self, range: &ZRange<'_>) -> Vec<(Vec<u8>, f64)> {
        let Some(set) = self.peek() else {
            return Vec::new();
        };
        let members = set.range(range.ranks(set));
        let own = |(member, score): (Entry<'_>, f64)| (member.to_vec(), score);
        if range.reverse {
            members.rev().map(own).collect()
        } else {
            members.map(own).collect()
        }
    }

    /// ZREM of one member: whether it was there. O(log n).
    pub fn remove(&mut self, member: impl AsRef<[u8]>) -> bool {
        let removed = self
            .store
            .keyspace
            .zset_remove(&self.key, one(member.as_ref()));
        self.store.settle();
        whole(removed) > 0
    }

    /// ZPOPMIN: takes out the member with the lowest score. O(log n).
    pub fn pop_min(&mut self) -> Option<(Vec<u8>, f64)> {
        self.pop(Extreme::Min)
    }

    /// ZPOPMAX: takes out the member with the highest score. O(log n).
    pub fn pop_max(&mut self) -> Option<(Vec<u8>, f64)> {
        self.pop(Extreme::Max)
    }

    fn pop(&mut self, side: Extreme) -> Option<(Vec<u8>, f64)> {
        let mut popped = None;
        let take = |member: Entry<'_>, score: f64| popped = Some((member.to_vec(), score));
        whole(self.store.keyspace.zset_pop(&self.key, side, 1, take));
        self.store.settle();
        popped
    }
}
