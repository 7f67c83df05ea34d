//! Sets as keys: what the set commands do to them. What a set *is* stands in `collections/set.rs`,
//! how sets are combined in `collections/set_algebra.rs`.

use super::collections::set_algebra::{
    Members, difference, difference_set, intersection, intersection_set, union, union_set,
};
use super::{Entry, Key, Keyspace, Set, WrongType};
use crate::change::Class;
use crate::number::INT_TEXT;

/// How sets are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// What is in any of them.
    Union,
    /// What is in all of them.
    Intersection,
    /// What is in the first and in none of the others.
    Difference,
}

impl Keyspace {
    /// SADD: gives how many of the members are new. O(number of members).
    pub fn set_add<'a>(
        &mut self,
        key: &Key<'a>,
        members: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, WrongType> {
        let Some(first) = members.clone().next() else {
            return Ok(0);
        };
        let count = members.clone().count();
        let open = self.open_or_create(key, |settings| Set::for_members(first, count, settings))?;
        open.value.expect(count, open.settings);
        let mut added = 0;
        for member in members.clone() {
            added += usize::from(open.value.insert(member, open.settings));
        }
        if added > 0 {
            self.changed_by(key, Class::Set, "sadd", |args| {
                args.extend([b"SADD", key.bytes]);
                args.extend(members);
            });
        }
        Ok(added)
    }

    /// SREM: gives how many of the members there were. O(number of members).
    pub fn set_remove<'a>(
        &mut self,
        key: &Key<'a>,
        members: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, WrongType> {
        let Some(open) = self.open::<Set>(key)? else {
            return Ok(0);
        };
        let mut removed = 0;
        for member in members.clone() {
            removed += usize::from(open.value.remove(member));
        }
        if removed > 0 {
            self.changed_by(key, Class::Set, "srem", |args| {
                args.extend([b"SREM", key.bytes]);
                args.extend(members);
            });
            self.remove_if_empty::<Set>(key);
        }
        Ok(removed)
    }

    /// SPOP: shows up to `count` members, drawn from all, and removes them; gives how many.
    /// O(count).
    pub fn set_pop(
        &mut self,
        key: &Key<'_>,
        count: usize,
        mut take: impl FnMut(Entry<'_>),
    ) -> Result<usize, WrongType> {
        let wants_members = self.changes.wants_commands();
        let Some(open) = self.open::<Set>(key)? else {
            return Ok(0);
        };
        let len = open.value.len();
        if count >= len {
            open.value.iter().for_each(take);
            if let Some(at) = self.find(key) {
                self.remove_at(key, at);
            }
            self.changed(key, Class::Set, "spop", &[b"DEL", key.bytes]);
            self.changed(key, Class::Generic, "del", &[]);
            return Ok(len);
        }
        if count == 0 {
            return Ok(0);
        }
        let mut popped = Vec::new();
        for _ in 0..count {
            open.value.pop_with(open.rng, |member| {
                take(member);
                if wants_members {
                    popped.push(member.text(&mut INT_TEXT.clone()).to_vec());
                }
            });
        }
        // So few are left of so many that Redis makes a new set of them.
        if (len - count).saturating_mul(5) <= count {
            open.value.shrink(open.settings);
        }
        let members = popped.iter().map(Vec::as_slice);
        let command: Vec<&[u8]> = [b"SREM", key.bytes].into_iter().chain(members).collect();
        self.changed(key, Class::Set, "spop", &command);
        Ok(count)
    }

    /// SMOVE: takes a member out of one set and puts it into another; gives whether it was there.
    /// O(1).
    pub fn set_move(
        &mut self,
        from: &Key<'_>,
        to: &Key<'_>,
        member: &[u8],
    ) -> Result<bool, WrongType> {
        if self.open::<Set>(from)?.is_none() {
            return Ok(false);
        }
        self.open::<Set>(to)?;
        if from.space == to.space && from.bytes == to.bytes {
            let set = self.peek::<Set>(from);
            return Ok(set.is_some_and(|set| set.contains(member)));
        }
        let is_moved = self.set_remove(from, std::iter::once(member))? > 0;
        if is_moved {
            self.set_add(to, std::iter::once(member))?;
        }
        Ok(is_moved)
    }

    /// SUNION, SINTER and SDIFF: the members of a combination, borrowed from the sets. A missing
    /// key is an empty set.
    pub fn set_combine(&mut self, op: SetOp, keys: &[Key<'_>]) -> Result<Members<'_>, WrongType> {
        self.read_sets(keys)?;
        let sets = self.combinable(op, keys);
        Ok(match (op, &sets[..]) {
            (_, []) => Members::These(Vec::new()),
            (_, [set]) => Members::All(set),
            (SetOp::Union, sets) => union(sets, &self.settings),
            (SetOp::Intersection, sets) => Members::These(intersection(sets).collect()),
            (SetOp::Difference, [first, others @ ..]) => difference(first, others),
        })
    }

    /// SINTERCARD: the number of members that are in all of the sets, as far as `limit`. O(the
    /// smallest set * sets).
    pub fn set_intersection_len(
        &mut self,
        keys: &[Key<'_>],
        limit: usize,
    ) -> Result<usize, WrongType> {
        self.read_sets(keys)?;
        let sets = self.combinable(SetOp::Intersection, keys);
        Ok(match &sets[..] {
            [set] => set.len().min(limit),
            sets => intersection(sets).take(limit).count(),
        })
    }

    /// SUNIONSTORE, SINTERSTORE and SDIFFSTORE: puts a combination in place of what a key holds, or
    /// removes the key when the combination is empty; gives its length.
    pub fn set_combine_into<'a>(
        &mut self,
        op: SetOp,
        to: &Key<'a>,
        keys: &[Key<'a>],
    ) -> Result<usize, WrongType> {
        self.read_sets(keys)?;
        let sets = self.combinable(op, keys);
        let result = match (op, &sets[..]) {
            (_, []) => Set::intset(),
            (SetOp::Union, sets) => union_set(sets, &self.settings),
            (SetOp::Intersection, sets) => intersection_set(sets, &self.settings),
            (SetOp::Difference, [first, others @ ..]) => {
                difference_set(first, others, &self.settings)
            }
        };
        let len = result.len();
        let replaced = self.put_collection(to, result);
        if len > 0 {
            let (event, name): (_, &[u8]) = match op {
                SetOp::Union => ("sunionstore", b"SUNIONSTORE"),
                SetOp::Intersection => ("sinterstore", b"SINTERSTORE"),
                SetOp::Difference => ("sdiffstore", b"SDIFFSTORE"),
            };
            self.changed_by(to, Class::Set, event, |args| {
                args.extend([name, to.bytes]);
                args.extend(keys.iter().map(|key| key.bytes));
            });
        } else if replaced {
            self.changed(to, Class::Generic, "del", &[b"DEL", to.bytes]);
        }
        Ok(len)
    }

    /// Reads the keys, so that they can be looked at together.
    fn read_sets(&mut self, keys: &[Key<'_>]) -> Result<(), WrongType> {
        keys.iter()
            .try_for_each(|key| self.read::<Set>(key).map(drop))
    }

    /// The sets of which a combination is made: those that are there, and none where a missing one
    /// decides.
    fn combinable(&self, op: SetOp, keys: &[Key<'_>]) -> Vec<&Set> {
        let sets: Vec<Option<&Set>> = keys.iter().map(|key| self.peek(key)).collect();
        let decided = match op {
            SetOp::Union => false,
            SetOp::Intersection => sets.iter().any(Option::is_none),
            SetOp::Difference => sets.first().is_none_or(Option::is_none),
        };
        if decided {
            return Vec::new();
        }
        sets.into_iter().flatten().collect()
    }
}
