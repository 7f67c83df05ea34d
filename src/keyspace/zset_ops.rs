//! Sorted sets as keys: what the commands on one of them do. What a sorted set *is* stands in `collections/zset.rs`,
//! how its members are chosen in `zset_range.rs`, what several of them make in `zset_algebra.rs`.

use super::collections::zset::{NotANumber, Update};
use super::{Entry, Key, Keyspace, Settings, WrongType, ZRange, ZRangeBy, ZSet};
use crate::change::Class;
use crate::number::{INT_TEXT, format_i64, push_f64};

/// The conditions of ZADD, all of which must hold, and whether it adds to scores instead of setting them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZAddOptions {
    /// NX: only members that are not there yet.
    pub if_absent: bool,
    /// XX: only members that are there already.
    pub if_present: bool,
    /// GT: no score becomes smaller, or stays; new members are added.
    pub if_greater: bool,
    /// LT: no score becomes greater, or stays; new members are added.
    pub if_less: bool,
    /// INCR: the numbers are added to the scores.
    pub increment: bool,
}

impl ZAddOptions {
    /// The new score of a member, if it is to get one.
    fn decide(&self, old: Option<f64>, score: f64) -> Option<f64> {
        let Some(old) = old else {
            return (!self.if_present).then_some(score);
        };
        let new = if self.increment { old + score } else { score };
        let is_kept = self.if_absent || self.if_greater && new <= old || self.if_less && new >= old;
        (!is_kept).then_some(new)
    }
}

/// What ZADD did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ZAdded {
    /// Members that are new.
    pub added: usize,
    /// Members that have another score than before.
    pub changed: usize,
    /// The score of the last member, if no condition kept it from getting one.
    pub score: Option<f64>,
}

/// Why ZADD was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZAddError {
    /// The key holds another type.
    WrongType(WrongType),
    /// A score, or a sum of two, is not a number.
    NotANumber,
}

impl From<WrongType> for ZAddError {
    fn from(error: WrongType) -> Self {
        ZAddError::WrongType(error)
    }
}

impl From<NotANumber> for ZAddError {
    fn from(_: NotANumber) -> Self {
        ZAddError::NotANumber
    }
}

/// The side of a sorted set that members are popped from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The lowest scores.
    Min,
    /// The highest scores.
    Max,
}

impl Keyspace {
    /// ZADD and ZINCRBY: gives members scores. A sum that is not a number ends it, and those before it stay. O(log n)
    /// for each member.
    pub fn zset_add(
        &mut self,
        key: &Key<'_>,
        members: &[(f64, &[u8])],
        options: ZAddOptions,
    ) -> Result<ZAdded, ZAddError> {
        let mut done = ZAdded::default();
        if members.is_empty() || options.if_present && self.open::<ZSet>(key)?.is_none() {
            return Ok(done);
        }
        if members.iter().any(|(score, _)| score.is_nan()) {
            return Err(ZAddError::NotANumber);
        }
        let wants_commands = self.changes.wants_commands();
        let open = self.open_or_create(key, |_| ZSet::new())?;
        open.value.expect(members.len(), open.settings);
        let mut written: Vec<(Vec<u8>, &[u8])> = Vec::new();
        let mut outcome = Ok(());
        for &(score, member) in members {
            let mut new = None;
            let update = open.value.update(member, open.settings, |old| {
                new = options.decide(old, score);
                new
            });
            match update {
                Ok(Update::Added) => done.added += 1,
                Ok(Update::Changed) => done.changed += 1,
                Ok(Update::Unchanged | Update::Declined) => {}
                Err(NotANumber) => {
                    outcome = Err(ZAddError::NotANumber);
                    break;
                }
            }
            done.score = new;
            if wants_commands
                && let (Ok(Update::Added | Update::Changed), Some(new)) = (update, new)
            {
                let mut text = Vec::new();
                push_f64(&mut text, new);
                written.push((text, member));
            }
        }
        if done.added + done.changed > 0 {
            let event = if options.increment { "zincr" } else { "zadd" };
            self.changed_by(key, Class::SortedSet, event, |args| {
                args.extend([b"ZADD", key.bytes]);
                args.extend(written.iter().flat_map(|(score, member)| [score, *member]));
            });
        }
        outcome.map(|()| done)
    }

    /// ZREM: gives how many of the members there were. O(log n) for each.
    pub fn zset_remove<'a>(
        &mut self,
        key: &Key<'a>,
        members: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, WrongType> {
        let Some(open) = self.open::<ZSet>(key)? else {
            return Ok(0);
        };
        let removed = members
            .clone()
            .filter(|member| open.value.remove(member).is_some())
            .count();
        if removed > 0 {
            self.changed_by(key, Class::SortedSet, "zrem", |args| {
                args.extend([b"ZREM", key.bytes]);
                args.extend(members);
            });
            self.remove_if_empty::<ZSet>(key);
        }
        Ok(removed)
    }

    /// ZREMRANGEBYRANK, -BYSCORE and -BYLEX: gives how many members there were. O(log n) for each.
    pub fn zset_remove_range(
        &mut self,
        key: &Key<'_>,
        by: ZRangeBy<'_>,
    ) -> Result<usize, WrongType> {
        let Some(open) = self.open::<ZSet>(key)? else {
            return Ok(0);
        };
        let ranks = ZRange::all(by).ranks(open.value);
        let removed = open.value.remove_range(ranks.clone(), |_, _| {});
        if removed > 0 {
            let event = match by {
                ZRangeBy::Rank { .. } => "zremrangebyrank",
                ZRangeBy::Score { .. } => "zremrangebyscore",
                ZRangeBy::Lex { .. } => "zremrangebylex",
            };
            let (mut start, mut stop) = (INT_TEXT, INT_TEXT);
            let start = format_i64(ranks.start as i64, &mut start);
            let stop = format_i64(ranks.end as i64 - 1, &mut stop);
            let command = &[b"ZREMRANGEBYRANK", key.bytes, start, stop];
            self.changed(key, Class::SortedSet, event, command);
            self.remove_if_empty::<ZSet>(key);
        }
        Ok(removed)
    }

    /// ZPOPMIN and ZPOPMAX: shows up to `count` members from one side and removes them; gives how many there were.
    /// O(log n) for each.
    pub fn zset_pop(
        &mut self,
        key: &Key<'_>,
        side: Extreme,
        count: usize,
        mut take: impl FnMut(Entry<'_>, f64),
    ) -> Result<usize, WrongType> {
        let Some(open) = self.open::<ZSet>(key)? else {
            return Ok(0);
        };
        let len = open.value.len();
        let count = count.min(len);
        let (ranks, event, name): (_, _, &[u8]) = match side {
            Extreme::Min => (0..count, "zpopmin", b"ZPOPMIN"),
            Extreme::Max => (len - count..len, "zpopmax", b"ZPOPMAX"),
        };
        let popped = open.value.range(ranks.clone());
        match side {
            Extreme::Min => popped.for_each(|(member, score)| take(member, score)),
            Extreme::Max => popped.rev().for_each(|(member, score)| take(member, score)),
        }
        open.value.remove_range(ranks, |_, _| {});
        if count > 0 {
            let mut digits = INT_TEXT;
            let count = format_i64(count as i64, &mut digits);
            self.changed(key, Class::SortedSet, event, &[name, key.bytes, count]);
            self.remove_if_empty::<ZSet>(key);
        }
        Ok(count)
    }

    /// ZRANGESTORE: puts some members of one sorted set under another key (or the same), in place of whatever it
    /// holds; gives how many. O(log n) for each.
    pub fn zset_store_range(
        &mut self,
        to: &Key<'_>,
        from: &Key<'_>,
        range: &ZRange<'_>,
    ) -> Result<usize, WrongType> {
        let (mut ranks, mut part) = (0..0, ZSet::new());
        if let Some(open) = self.open::<ZSet>(from)? {
            ranks = range.ranks(open.value);
            let members = open.value.range(ranks.clone());
            part = collect(members.len(), members, open.settings);
        }
        let len = part.len();
        let (mut start, mut stop) = (INT_TEXT, INT_TEXT);
        let start = format_i64(ranks.start as i64, &mut start);
        let stop = format_i64(ranks.end as i64 - 1, &mut stop);
        self.zset_put(to, part, "zrangestore", |args| {
            args.extend([b"ZRANGESTORE", to.bytes, from.bytes, start, stop]);
        });
        Ok(len)
    }

    /// Puts a sorted set that was made by the command `command` under a key, in place of whatever it holds; an empty one
    /// removes the key.
    pub(super) fn zset_put<'a>(
        &mut self,
        key: &Key<'a>,
        set: ZSet,
        event: &'static str,
        command: impl FnOnce(&mut Vec<&'a [u8]>),
    ) {
        let is_empty = set.is_empty();
        let was_there = self.put_collection(key, set);
        if !is_empty {
            self.changed_by(key, Class::SortedSet, event, command);
        } else if was_there {
            self.changed(key, Class::Generic, "del", &[b"DEL", key.bytes]);
        }
    }
}

/// A sorted set of these members, `len` of them, which have scores that are numbers.
pub(super) fn collect<'a>(
    len: usize,
    members: impl Iterator<Item = (Entry<'a>, f64)>,
    settings: &Settings,
) -> ZSet {
    let mut set = ZSet::new();
    set.expect(len, settings);
    for (member, score) in members {
        // Scores of sorted sets are numbers, so this is never refused.
        let _ = set.insert(member.text(&mut INT_TEXT.clone()), score, settings);
    }
    set
}
