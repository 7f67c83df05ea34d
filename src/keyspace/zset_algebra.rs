//! Unions, intersections and differences of sorted sets; sets take part, their members with a score of 1.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::zset_ops::collect;
use super::{Entry, Key, Keyspace, Set, Type, WrongType, ZSet};
use crate::number::{INT_TEXT, format_i64, push_f64};

/// What is made of several sorted sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZSetOp {
    /// The members that any of them has.
    Union,
    /// The members that all of them have.
    Inter,
    /// The members of the first that no other has, with their scores; there are no weights.
    Diff,
}

/// What becomes of the scores that a member has in several sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// They are added; what is not a number then is 0.
    #[default]
    Sum,
    /// The least of them.
    Min,
    /// The greatest of them.
    Max,
}

impl Aggregate {
    fn of(self, score: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(score + other),
            Aggregate::Min if other < score => other,
            Aggregate::Max if other > score => other,
            Aggregate::Min | Aggregate::Max => score,
        }
    }
}

/// Several sorted sets, and what is made of them.
#[derive(Clone, Debug)]
pub struct ZCombination<'a> {
    /// What is made.
    pub op: ZSetOp,
    /// Where they are.
    pub keys: Vec<Key<'a>>,
    /// What each one's scores are multiplied by: one for each key, or none, which means 1.
    pub weights: Vec<f64>,
    /// What becomes of the scores.
    pub aggregate: Aggregate,
}

/// Members and their scores, in order.
pub type Scored<'a> = Vec<(Cow<'a, [u8]>, f64)>;

impl Keyspace {
    /// Whether all these keys hold sorted sets, sets or nothing. Counts as reading them.
    pub fn zset_check_sources(&mut self, keys: &[Key<'_>]) -> Result<(), WrongType> {
        for key in keys {
            if let Some(at) = self.find_for_read(key) {
                match self.type_at(at) {
                    Type::SortedSet | Type::Set => {}
                    found => return Err(WrongType { found }),
                }
            }
        }
        Ok(())
    }

    /// ZUNION, ZINTER and ZDIFF: the members. O(N log N) with N members in all sets for a union, O(n k + m log m) with n
    /// members in the smallest (or first) of k sets, and m that come out, for the others.
    pub fn zset_combine(&mut self, what: &ZCombination<'_>) -> Result<Scored<'_>, WrongType> {
        self.zset_check_sources(&what.keys)?;
        let mut sources = self.sources(what);
        // As Redis does: how sums of scores are rounded depends on the order.
        if what.op != ZSetOp::Diff {
            sources.sort_by_key(|source| source.members.len());
        }
        let mut members = match what.op {
            ZSetOp::Union => union(&sources, what.aggregate),
            ZSetOp::Inter => inter(&sources, what.aggregate),
            ZSetOp::Diff => diff(&sources),
        };
        members.sort_by(|(a, a_score), (b, b_score)| {
            let by_score = a_score.partial_cmp(b_score).unwrap_or(Ordering::Equal);
            by_score.then_with(|| a.cmp(b))
        });
        Ok(members)
    }

    /// ZUNIONSTORE, ZINTERSTORE and ZDIFFSTORE: puts the result under a key, in place of whatever it holds; gives its
    /// number of members. As [`Keyspace::zset_combine`].
    pub fn zset_store_combined(
        &mut self,
        to: &Key<'_>,
        what: &ZCombination<'_>,
    ) -> Result<usize, WrongType> {
        let settings = self.settings.clone();
        let members = self.zset_combine(what)?;
        let len = members.len();
        let entries = members
            .iter()
            .map(|(name, score)| (Entry::Bytes(name), *score));
        let set = collect(len, entries, &settings);
        let (event, name): (_, &[u8]) = match what.op {
            ZSetOp::Union => ("zunionstore", b"ZUNIONSTORE"),
            ZSetOp::Inter => ("zinterstore", b"ZINTERSTORE"),
            ZSetOp::Diff => ("zdiffstore", b"ZDIFFSTORE"),
        };
        let mut digits = INT_TEXT;
        let numkeys = format_i64(what.keys.len() as i64, &mut digits);
        let weights: Vec<Vec<u8>> = what.weights.iter().map(|&weight| text_of(weight)).collect();
        self.zset_put(to, set, event, |args| {
            args.extend([name, to.bytes, numkeys]);
            args.extend(what.keys.iter().map(|key| key.bytes));
            if !weights.is_empty() {
                args.push(b"WEIGHTS");
                args.extend(weights.iter().map(Vec::as_slice));
            }
            match what.aggregate {
                Aggregate::Sum => {}
                Aggregate::Min => args.extend([&b"AGGREGATE"[..], b"MIN"]),
                Aggregate::Max => args.extend([&b"AGGREGATE"[..], b"MAX"]),
            }
        });
        Ok(len)
    }

    /// ZINTERCARD: how many members all these sets have, counted up to `limit`. O(n k) with n members in the smallest of
    /// k sets.
    pub fn zset_inter_len(&mut self, keys: &[Key<'_>], limit: usize) -> Result<usize, WrongType> {
        self.zset_check_sources(keys)?;
        let mut members: Vec<Members<'_>> = keys.iter().map(|key| self.members(key)).collect();
        members.sort_by_key(Members::len);
        let Some((smallest, others)) = members.split_first() else {
            return Ok(0);
        };
        let is_common =
            |member: Entry<'_>| others.iter().all(|other| other.score(member).is_some());
        let common = smallest.iter().filter(|&(member, _)| is_common(member));
        Ok(common.take(limit).count())
    }

    fn sources(&self, what: &ZCombination<'_>) -> Vec<Source<'_>> {
        let weights = what.weights.iter().copied().chain(std::iter::repeat(1.0));
        let sources = what.keys.iter().zip(weights);
        sources
            .map(|(key, weight)| Source {
                members: self.members(key),
                weight,
            })
            .collect()
    }

    fn members(&self, key: &Key<'_>) -> Members<'_> {
        let set = || self.peek::<Set>(key).map(Members::Set);
        let zset = self.peek::<ZSet>(key).map(Members::Sorted);
        zset.or_else(set).unwrap_or(Members::None)
    }
}

/// One of the sets, and what its scores count.
struct Source<'a> {
    members: Members<'a>,
    weight: f64,
}

/// The members of a key.
enum Members<'a> {
    None,
    Set(&'a Set),
    Sorted(&'a ZSet),
}

impl<'a> Members<'a> {
    fn len(&self) -> usize {
        match self {
            Members::None => 0,
            Members::Set(set) => set.len(),
            Members::Sorted(set) => set.len(),
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = (Entry<'a>, f64)> + 'a> {
        match *self {
            Members::None => Box::new(std::iter::empty()),
            Members::Set(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Members::Sorted(set) => Box::new(set.iter()),
        }
    }

    fn score(&self, member: Entry<'_>) -> Option<f64> {
        match self {
            Members::None => None,
            Members::Set(set) => set.contains_entry(member).then_some(1.0),
            Members::Sorted(set) => set.score(member.text(&mut INT_TEXT.clone())),
        }
    }
}

fn union<'a>(sources: &[Source<'a>], aggregate: Aggregate) -> Scored<'a> {
    let len = sources.iter().map(|source| source.members.len()).sum();
    let mut all = Vec::with_capacity(len);
    for source in sources {
        let weighted = |score: f64| number_or_zero(score * source.weight);
        let members = source.members.iter();
        all.extend(members.map(|(member, score)| (member.to_cow(), weighted(score))));
    }
    // A stable sort, so that equal members stay in the order of their sources.
    all.sort_by(|(a, _): &(Cow<'_, [u8]>, f64), (b, _)| a.cmp(b));
    all.dedup_by(|(member, score), (first, sum)| {
        let is_same = member == first;
        if is_same {
            *sum = aggregate.of(*sum, *score);
        }
        is_same
    });
    all
}

fn inter<'a>(sources: &[Source<'a>], aggregate: Aggregate) -> Scored<'a> {
    let Some((smallest, others)) = sources.split_first() else {
        return Vec::new();
    };
    let common = |(member, score): (Entry<'a>, f64)| {
        let mut sum = number_or_zero(score * smallest.weight);
        for other in others {
            // What is not a number here is neither least nor greatest, though 0 in the smallest set: so it is in Redis.
            sum = aggregate.of(sum, other.members.score(member)? * other.weight);
        }
        Some((member.to_cow(), sum))
    };
    smallest.members.iter().filter_map(common).collect()
}

fn diff<'a>(sources: &[Source<'a>]) -> Scored<'a> {
    let Some((first, others)) = sources.split_first() else {
        return Vec::new();
    };
    let is_alone = |member| {
        others
            .iter()
            .all(|other| other.members.score(member).is_none())
    };
    let members = first.members.iter().filter(|&(member, _)| is_alone(member));
    members
        .map(|(member, score)| (member.to_cow(), score))
        .collect()
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

fn text_of(number: f64) -> Vec<u8> {
    let mut text = Vec::new();
    push_f64(&mut text, number);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::keyspace::{Rng, Seed, ZAddOptions};

    type Model = BTreeMap<Vec<u8>, f64>;

    /// A keyspace with sorted sets of random members under `names`, some of them plain sets and some missing, and
    /// what they hold.
    fn filled(rng: &mut Rng, names: &[&'static [u8]]) -> (Keyspace, Vec<Model>) {
        let mut keyspace = Keyspace::new(Seed::fixed(rng.next_u64()), 1);
        let mut models = Vec::new();
        for name in names {
            let mut model = Model::new();
            let is_plain = rng.below(4) == 0;
            for _ in 0..rng.below(5) * rng.below(60) {
                // The members of every second one are integers.
                let member = match rng.below(2) {
                    0 => rng.below(90).to_string(),
                    _ => format!("m{}", rng.below(90)),
                };
                let score = if is_plain { 1.0 } else { score(rng) };
                model.insert(member.into_bytes(), score);
            }
            let key = keyspace.key(0, name);
            if is_plain {
                let mut set = Set::for_members(b"m", model.len(), &keyspace.settings);
                for member in model.keys() {
                    set.insert(member, &keyspace.settings);
                }
                keyspace.put_collection(&key, set);
            } else {
                let members: Vec<(f64, &[u8])> = model
                    .iter()
                    .map(|(name, score)| (*score, &name[..]))
                    .collect();
                let added = keyspace.zset_add(&key, &members, ZAddOptions::default());
                assert_eq!(added.map(|done| done.added), Ok(model.len()));
            }
            models.push(model);
        }
        (keyspace, models)
    }

    /// A score whose sums do not depend on their order, or an infinity.
    fn score(rng: &mut Rng) -> f64 {
        match rng.below(12) {
            0 => f64::INFINITY,
            1 => f64::NEG_INFINITY,
            _ => rng.below(40) as f64 / 4.0 - 5.0,
        }
    }

    fn naive(op: ZSetOp, models: &[Model], weights: &[f64], aggregate: Aggregate) -> Model {
        let mut result = Model::new();
        for member in models.iter().flat_map(Model::keys) {
            let scores = models.iter().map(|model| model.get(member)).zip(weights);
            let has: Vec<f64> = scores
                .filter_map(|(score, weight)| Some(number_or_zero(score? * weight)))
                .collect();
            let is_in = match op {
                ZSetOp::Union => true,
                ZSetOp::Inter => has.len() == models.len(),
                ZSetOp::Diff => has.len() == 1 && models[0].contains_key(member),
            };
            if is_in {
                let fold = |pick: fn(f64, f64) -> f64| has.iter().copied().reduce(pick);
                let score = match aggregate {
                    Aggregate::Sum => fold(|a, b| number_or_zero(a + b)),
                    Aggregate::Min => fold(f64::min),
                    Aggregate::Max => fold(f64::max),
                };
                result.extend(score.map(|score| (member.clone(), score)));
            }
        }
        result
    }

    #[test]
    fn combinations_are_those_of_maps() {
        const NAMES: [&[u8]; 3] = [b"a", b"b", b"c"];
        let mut rng = Rng::seeded(31);
        let mut results = 0;
        for _ in 0..300 {
            let count = 1 + rng.index(3);
            let (mut keyspace, models) = filled(&mut rng, &NAMES[..count]);
            let op = [ZSetOp::Union, ZSetOp::Inter, ZSetOp::Diff][rng.index(3)];
            let aggregate = [Aggregate::Sum, Aggregate::Min, Aggregate::Max][rng.index(3)];
            let mut weights = vec![1.0; count];
            if op != ZSetOp::Diff && rng.below(2) == 0 {
                // An infinity times 0 is no number: see `inter`.
                let least = u64::from(op == ZSetOp::Inter);
                weights.fill_with(|| (least + rng.below(3)) as f64);
            }
            let expected = naive(op, &models, &weights, aggregate);
            let what = ZCombination {
                op,
                keys: NAMES[..count]
                    .iter()
                    .map(|name| keyspace.key(0, name))
                    .collect(),
                weights,
                aggregate,
            };
            // Three infinities of two signs come out as the order has it.
            let depends_on_order = aggregate == Aggregate::Sum && count == 3;
            let members = keyspace.zset_combine(&what).expect("no other types");
            assert!(members.is_sorted_by(|(a, a_score), (b, b_score)| {
                a_score < b_score || a_score == b_score && a < b
            }));
            let found: Model = members
                .into_iter()
                .map(|(name, score)| (name.into_owned(), score))
                .collect();
            assert!(found.keys().eq(expected.keys()), "{op:?}");
            if !depends_on_order {
                assert_eq!(found, expected, "{op:?} {aggregate:?} {:?}", what.weights);
            }
            let to = keyspace.key(0, NAMES[rng.index(3)]);
            assert_eq!(keyspace.zset_store_combined(&to, &what), Ok(expected.len()));
            let stored = keyspace.read::<ZSet>(&to).expect("it is a sorted set");
            let stored: Model = stored
                .into_iter()
                .flat_map(|set| set.iter().map(|(name, score)| (name.to_vec(), score)))
                .collect();
            assert_eq!(stored, found);
            results += usize::from(!found.is_empty());
        }
        assert!(results > 100, "{results}");
    }

    #[test]
    fn intersections_are_counted_up_to_a_limit() {
        const NAMES: [&[u8]; 2] = [b"a", b"b"];
        let mut rng = Rng::seeded(32);
        for _ in 0..50 {
            let (mut keyspace, models) = filled(&mut rng, &NAMES);
            let keys = NAMES.map(|name| keyspace.key(0, name));
            let common = models[0]
                .keys()
                .filter(|name| models[1].contains_key(*name));
            let common = common.count();
            for limit in [1, 5, usize::MAX] {
                assert_eq!(keyspace.zset_inter_len(&keys, limit), Ok(common.min(limit)));
            }
        }
    }
}
