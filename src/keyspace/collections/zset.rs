//! The sorted set: members with a score, in the order of score and then member bytes.
//!
//! ```text
//!   compact:   | member | score | member | score | ...      in order
//!
//!   large:     Dict   id -> (member, score)                 by member
//!              CountedTree   rank -> (score, id)            by order
//! ```
//!
//! The large form has each member once, in the dictionary; the tree names it by its place there,
//! which is four bytes, and goes to see it only between equal scores. The price: when a removal
//! moves the last entry of the dictionary to another place, its element of the tree is found by
//! rank and renamed.
//!
//! Everything that selects a part of the set answers with a range of ranks. Counting is that
//! range's length, and [`ZSet::range`] walks it from either side.
//!
//! Memory of the large form, per member of up to 22 bytes: 32 for the entry in the dictionary, 15 for
//! its index, and 17 (filled in order) to 25 (at random) in the tree: 64 to 72 bytes. Longer members
//! add their allocation.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use super::compact::{self, Compact, Entry};
use super::dict::{Absent, Dict, Id, Keyed, Lookahead};
use super::hasher::KeyedState;
use super::settings::Settings;
use super::small::SmallBytes;
use super::tree::{self, CountedTree};
use crate::keyspace::rng::Rng;

/// The sorted set. Scores may be infinite, but are never NaN. `-0.0` and `0.0` are one score; which
/// of the two an element keeps is as in Redis: compact sets keep whole numbers as integers, and so
/// forget the sign of zero.
#[derive(Clone, Debug, Default)]
pub struct ZSet {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Compact(Compact),
    Table(Box<Table>),
}

/// The two forms of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Few and short members, in one sequence.
    Compact,
    /// A dictionary and a tree.
    Large,
}

/// What [`ZSet::update`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// The member is new.
    Added,
    /// The member has another score than before.
    Changed,
    /// The member had this score already.
    Unchanged,
    /// The caller wanted no score; nothing was touched.
    Declined,
}

/// A score was not a number. The set is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("score is not a number (NaN)")
    }
}

impl Error for NotANumber {}

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreBound {
    /// The score at the end; may be infinite.
    pub value: f64,
    /// Whether that score is outside of the range.
    pub exclusive: bool,
}

impl ScoreBound {
    /// Whether, as the lower end, it leaves `score` out.
    fn is_above(&self, score: f64) -> bool {
        score < self.value || (self.exclusive && score == self.value)
    }

    /// Whether, as the upper end, it lets `score` in.
    fn admits(&self, score: f64) -> bool {
        score < self.value || (!self.exclusive && score == self.value)
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before every member (`-`).
    Min,
    /// After every member (`+`).
    Max,
    /// This member, and it is in the range (`[`).
    Inclusive(&'a [u8]),
    /// This member, and it is outside of the range (`(`).
    Exclusive(&'a [u8]),
}

impl LexBound<'_> {
    /// Whether nothing can be between this, as the lower end, and `upper`.
    fn is_beyond(&self, upper: LexBound<'_>) -> bool {
        match *self {
            LexBound::Min => upper == LexBound::Min,
            LexBound::Max => true,
            LexBound::Inclusive(lower) => !upper.admits(lower),
            LexBound::Exclusive(lower) => match upper {
                LexBound::Min => true,
                LexBound::Max => false,
                LexBound::Inclusive(upper) | LexBound::Exclusive(upper) => upper <= lower,
            },
        }
    }

    /// Whether, as the lower end, it leaves `member` out.
    fn is_above(&self, member: &[u8]) -> bool {
        match *self {
            LexBound::Min => false,
            LexBound::Max => true,
            LexBound::Inclusive(bound) => member < bound,
            LexBound::Exclusive(bound) => member <= bound,
        }
    }

    /// Whether, as the upper end, it lets `member` in.
    fn admits(&self, member: &[u8]) -> bool {
        match *self {
            LexBound::Min => false,
            LexBound::Max => true,
            LexBound::Inclusive(bound) => member <= bound,
            LexBound::Exclusive(bound) => member < bound,
        }
    }
}

impl ZSet {
    /// An empty set, compact.
    pub fn new() -> ZSet {
        ZSet::default()
    }

    /// The table of its members, if it has one.
    pub fn lookahead(&self) -> Option<&dyn Lookahead> {
        match &self.repr {
            Repr::Compact(_) => None,
            Repr::Table(table) => Some(&table.dict),
        }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Compact(pairs) => pairs.len() / 2,
            Repr::Table(table) => table.dict.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The form it has.
    pub fn form(&self) -> Form {
        match &self.repr {
            Repr::Compact(_) => Form::Compact,
            Repr::Table(_) => Form::Large,
        }
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match self.form() {
            Form::Compact => "listpack",
            Form::Large => "skiplist",
        }
    }

    /// The bytes on the heap. O(1).
    pub fn heap_bytes(&self) -> usize {
        match &self.repr {
            Repr::Compact(pairs) => pairs.heap_bytes(),
            Repr::Table(table) => {
                size_of::<Table>() + table.dict.heap_bytes() + table.order.heap_bytes()
            }
        }
    }

    /// Upgrades ahead of a command that names `members` members, if those are too many for the
    /// compact form.
    pub fn expect(&mut self, members: usize, settings: &Settings) {
        if let Repr::Compact(pairs) = &self.repr
            && members > settings.zset_max_listpack_entries
        {
            self.repr = Repr::Table(Box::new(Table::from_pairs(pairs, settings.hash_state)));
        }
    }

    /// The score of a member. O(1) in the large form.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.repr {
            Repr::Compact(pairs) => pairs
                .find(Entry::parse(member), 2)
                .map(|at| score_of(pairs, at)),
            Repr::Table(table) => table.dict.get(member).map(|member| member.score),
        }
    }

    /// Gives a member this score, new or not. O(log n).
    pub fn insert(
        &mut self,
        member: &[u8],
        score: f64,
        settings: &Settings,
    ) -> Result<Update, NotANumber> {
        self.update(member, settings, |_| Some(score))
    }

    /// Gives a member the score that `decide` makes of the one it has, in one lookup; with `None`
    /// nothing changes. All of ZADD's conditions and its increment are such decisions. O(log n).
    pub fn update(
        &mut self,
        member: &[u8],
        settings: &Settings,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Result<Update, NotANumber> {
        match &mut self.repr {
            Repr::Compact(pairs) => {
                let at = pairs.find(Entry::parse(member), 2);
                let old = at.map(|at| score_of(pairs, at));
                let new = match verdict(old, decide(old))? {
                    Verdict::Done(update) => return Ok(update),
                    Verdict::Store(score) => score,
                };
                if let Some(at) = at {
                    pairs.remove(at, 2);
                    insert_pair(pairs, member, new);
                    return Ok(Update::Changed);
                }
                let fits = pairs.len() / 2 < settings.zset_max_listpack_entries
                    && member.len() <= settings.zset_max_listpack_value;
                if fits {
                    insert_pair(pairs, member, new);
                } else {
                    let mut table = Table::from_pairs(pairs, settings.hash_state);
                    table.insert(member, new);
                    self.repr = Repr::Table(Box::new(table));
                }
                Ok(Update::Added)
            }
            Repr::Table(table) => {
                let place = table.dict.find(member);
                let old = place.as_ref().ok().map(|&id| table.dict.at(id).score);
                match (verdict(old, decide(old))?, place) {
                    (Verdict::Done(update), _) => Ok(update),
                    (Verdict::Store(score), Ok(id)) => {
                        table.set_score(id, score);
                        Ok(Update::Changed)
                    }
                    (Verdict::Store(score), Err(absent)) => {
                        table.add(absent, member, score);
                        Ok(Update::Added)
                    }
                }
            }
        }
    }

    /// Takes a member out and returns its score. O(log n).
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.repr {
            Repr::Compact(pairs) => {
                let at = pairs.find(Entry::parse(member), 2)?;
                let score = score_of(pairs, at);
                pairs.remove(at, 2);
                Some(score)
            }
            Repr::Table(table) => {
                let id = table.dict.find(member).ok()?;
                let rank = table.rank(id);
                table.order.remove(rank);
                Some(table.forget(id).score)
            }
        }
    }

    /// Takes out all members of these ranks (as far as there are), showing each to `visit` before,
    /// in order. Returns how many there were. O(m log n).
    pub fn remove_range(
        &mut self,
        ranks: Range<usize>,
        mut visit: impl FnMut(Entry<'_>, f64),
    ) -> usize {
        let removed = ranks.start.min(self.len())..ranks.end.min(self.len());
        match &mut self.repr {
            Repr::Compact(pairs) => {
                let pairs_range = removed.start * 2..removed.end * 2;
                Pairs(pairs.range(pairs_range)).for_each(|(member, score)| visit(member, score));
                if !removed.is_empty() {
                    pairs.remove(pairs.seek(removed.start * 2), removed.len() * 2);
                }
            }
            Repr::Table(table) => {
                for _ in removed.clone() {
                    let Placed { score, id } = table.order.remove(removed.start);
                    visit(Entry::Bytes(table.name(id)), score);
                    table.forget(id);
                }
            }
        }
        removed.len()
    }

    /// The number of members before this one. O(log n).
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.repr {
            Repr::Compact(pairs) => {
                let wanted = Entry::parse(member);
                Pairs(pairs.iter()).position(|(member, _)| member == wanted)
            }
            Repr::Table(table) => table.dict.find(member).ok().map(|id| table.rank(id)),
        }
    }

    /// The member with this rank, and its score. O(log n).
    pub fn get(&self, rank: usize) -> Option<(Entry<'_>, f64)> {
        match &self.repr {
            Repr::Compact(pairs) => {
                let at = rank.saturating_mul(2);
                Pairs(pairs.range(at..at.saturating_add(2))).next()
            }
            Repr::Table(table) => table.order.get(rank).map(|placed| table.element(placed)),
        }
    }

    /// The ranks of the members with scores from `min` to `max`; an empty range if none. O(log n).
    pub fn ranks_by_score(&self, min: ScoreBound, max: ScoreBound) -> Range<usize> {
        let (start, end) = match &self.repr {
            Repr::Compact(pairs) => (
                border(pairs, |_, score| min.is_above(score)),
                border(pairs, |_, score| max.admits(score)),
            ),
            Repr::Table(table) => (
                table
                    .order
                    .partition_point(|placed| min.is_above(placed.score)),
                table
                    .order
                    .partition_point(|placed| max.admits(placed.score)),
            ),
        };
        start..end.max(start)
    }

    /// The ranks of the members from `min` to `max`, in a set in which all scores are equal; an
    /// empty range if none. O(log n).
    ///
    /// Where scores differ, no order leads to the members between the bounds, and what comes out is
    /// not specified. Of a compact set it is what Redis finds, which depends on the side it comes from.
    pub fn ranks_by_lex(
        &self,
        min: LexBound<'_>,
        max: LexBound<'_>,
        from_end: bool,
    ) -> Range<usize> {
        match &self.repr {
            Repr::Compact(pairs) => lex_range(&Pairs(pairs.iter()), min, max, from_end),
            Repr::Table(table) => {
                let border = |before: &dyn Fn(&[u8]) -> bool| {
                    table
                        .order
                        .partition_point(|placed| before(table.name(placed.id)))
                };
                let start = border(&|name| min.is_above(name));
                start..border(&|name| max.admits(name)).max(start)
            }
        }
    }

    /// The members of these ranks (as far as there are) with their scores, from either side. O(log
    /// n) to start.
    pub fn range(&self, ranks: Range<usize>) -> Iter<'_> {
        match &self.repr {
            Repr::Compact(pairs) => {
                let entries = ranks.start.saturating_mul(2)..ranks.end.saturating_mul(2);
                Iter(IterRepr::Compact(Pairs(pairs.range(entries))))
            }
            Repr::Table(table) => Iter(IterRepr::Table(table, table.order.range(ranks))),
        }
    }

    /// All members with their scores, in order.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0..self.len())
    }

    /// Visits about `count` members from `cursor` on, in no order, and returns where to go on: 0
    /// starts, and 0 says that it is done. A compact set is visited whole. See [`Dict::scan`] for
    /// what it guarantees.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Entry<'_>, f64)) -> u64 {
        match &self.repr {
            Repr::Compact(_) => {
                self.iter().for_each(|(member, score)| visit(member, score));
                0
            }
            Repr::Table(table) => table.dict.scan(cursor, count, |member| {
                visit(Entry::Bytes(member.key()), member.score);
            }),
        }
    }

    /// Visits `count` different members (all, if there are not that many), every choice equally
    /// likely.
    pub fn random_distinct(
        &self,
        count: usize,
        rng: &mut Rng,
        mut visit: impl FnMut(Entry<'_>, f64),
    ) {
        rng.distinct_below(self.len(), count, |index| {
            if let Some((member, score)) = self.any(index) {
                visit(member, score);
            }
        });
    }

    /// Visits `count` members, each drawn from all of them; none if the set is empty.
    pub fn random_repeated(
        &self,
        count: usize,
        rng: &mut Rng,
        mut visit: impl FnMut(Entry<'_>, f64),
    ) {
        if self.is_empty() {
            return;
        }
        match &self.repr {
            Repr::Compact(_) => {
                // Many draws would each walk there: index the few members once.
                let all: Vec<_> = self.iter().collect();
                (0..count).for_each(|_| {
                    let (member, score) = all[rng.index(all.len())];
                    visit(member, score);
                });
            }
            Repr::Table(table) => (0..count).for_each(|_| {
                let member = table.dict.at(rng.index(table.dict.len()) as Id);
                visit(Entry::Bytes(member.key()), member.score);
            }),
        }
    }

    /// Frees about `budget` members; returns whether all is free. After the first call the set is
    /// good for nothing but this and dropping it.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        match &mut self.repr {
            Repr::Compact(pairs) => {
                pairs.clear();
                true
            }
            // The tree is cheap to free, 64 at a time; the dictionary is what takes the time.
            Repr::Table(table) => {
                table.order.drop_some(budget.saturating_mul(8)) && table.dict.drop_some(budget)
            }
        }
    }

    /// The member with this index in an order that means nothing, but is quick to index.
    fn any(&self, index: usize) -> Option<(Entry<'_>, f64)> {
        match &self.repr {
            Repr::Compact(_) => self.get(index),
            Repr::Table(table) => (index < table.dict.len()).then(|| {
                let member = table.dict.at(index as Id);
                (Entry::Bytes(member.key()), member.score)
            }),
        }
    }
}

impl Default for Repr {
    fn default() -> Repr {
        Repr::Compact(Compact::new())
    }
}

/// Members and scores of a [`ZSet`] in order, from either side.
#[derive(Clone)]
pub struct Iter<'a>(IterRepr<'a>);

#[derive(Clone)]
enum IterRepr<'a> {
    Compact(Pairs<'a>),
    Table(&'a Table, tree::Iter<'a, Placed>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Entry<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Compact(pairs) => pairs.next(),
            IterRepr::Table(table, walk) => walk.next().map(|placed| table.element(placed)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match &self.0 {
            IterRepr::Compact(pairs) => pairs.0.len() / 2,
            IterRepr::Table(_, walk) => walk.len(),
        };
        (len, Some(len))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Compact(pairs) => pairs.next_back(),
            IterRepr::Table(table, walk) => walk.next_back().map(|placed| table.element(placed)),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// What to do with a member, once its old and its new score are known.
enum Verdict {
    Done(Update),
    Store(f64),
}

fn verdict(old: Option<f64>, new: Option<f64>) -> Result<Verdict, NotANumber> {
    match new {
        None => Ok(Verdict::Done(Update::Declined)),
        Some(score) if score.is_nan() => Err(NotANumber),
        Some(_) if new == old => Ok(Verdict::Done(Update::Unchanged)),
        Some(score) => Ok(Verdict::Store(score)),
    }
}

/// The large form.
#[derive(Clone, Debug)]
struct Table {
    dict: Dict<Member>,
    order: CountedTree<Placed>,
}

/// A member, as the dictionary has it.
#[derive(Clone, Debug)]
struct Member {
    name: SmallBytes,
    score: f64,
}

impl Keyed for Member {
    fn key(&self) -> &[u8] {
        self.name.as_slice()
    }

    fn bytes(&self) -> &[u8] {
        self.name.as_slice()
    }

    fn heap_bytes(&self) -> usize {
        self.name.heap_bytes()
    }
}

/// A member, as the tree has it: with its place in the dictionary.
#[derive(Clone, Copy, Debug)]
struct Placed {
    score: f64,
    id: Id,
}

impl Table {
    fn from_pairs(pairs: &Compact, state: KeyedState) -> Table {
        let mut table = Table {
            dict: Dict::new(state),
            order: CountedTree::new(),
        };
        Pairs(pairs.iter()).for_each(|(member, score)| table.insert(&member.to_cow(), score));
        table
    }

    /// Adds a member that is not there yet.
    fn insert(&mut self, member: &[u8], score: f64) {
        if let Err(absent) = self.dict.find(member) {
            self.add(absent, member, score);
        }
    }

    fn add(&mut self, absent: Absent, member: &[u8], score: f64) {
        let rank = self.border(score, member);
        let name = SmallBytes::new(member);
        let id = self.dict.fill(absent, Member { name, score });
        self.order.insert(rank, Placed { score, id });
    }

    fn set_score(&mut self, id: Id, score: f64) {
        self.order.remove(self.rank(id));
        self.dict.edit(id, |member| member.score = score);
        // The member is not in the order now, so this is where it belongs.
        self.order.insert(self.rank(id), Placed { score, id });
    }

    /// Takes a member that is no longer in the order out of the dictionary.
    fn forget(&mut self, id: Id) -> Member {
        let last = self.dict.len() as Id - 1;
        if last != id {
            let score = self.dict.at(last).score;
            self.order.replace(self.rank(last), Placed { score, id });
        }
        self.dict.swap_remove(id)
    }

    /// The number of members before that of the dictionary's place `id`.
    fn rank(&self, id: Id) -> usize {
        let member = self.dict.at(id);
        self.border(member.score, member.key())
    }

    /// The number of members before this score and name.
    fn border(&self, score: f64, name: &[u8]) -> usize {
        self.order.partition_point(|placed| {
            placed.score < score || (placed.score == score && self.name(placed.id) < name)
        })
    }

    fn name(&self, id: Id) -> &[u8] {
        self.dict.at(id).key()
    }

    fn element(&self, placed: Placed) -> (Entry<'_>, f64) {
        (Entry::Bytes(self.name(placed.id)), placed.score)
    }
}

/// The pairs of the compact form, from either side.
#[derive(Clone)]
struct Pairs<'a>(compact::Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (Entry<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, decode_score(self.0.next()?)))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let score = decode_score(self.0.next_back()?);
        Some((self.0.next_back()?, score))
    }
}

/// The score of the member at this position.
fn score_of(pairs: &Compact, at: usize) -> f64 {
    decode_score(pairs.read(pairs.next(at)))
}

/// The number of pairs for which `before` holds; they are the first ones.
fn border(pairs: &Compact, mut before: impl FnMut(Entry<'_>, f64) -> bool) -> usize {
    Pairs(pairs.iter())
        .take_while(|&(member, score)| before(member, score))
        .count()
}

/// The members of a compact set between two bounds, as Redis looks for them: if the last one is not below and the first
/// one not above the range, from the first that is not below it to the one before the next that is above it (or the
/// same from the end).
fn lex_range(
    pairs: &Pairs<'_>,
    min: LexBound<'_>,
    max: LexBound<'_>,
    from_end: bool,
) -> Range<usize> {
    let is_above = |(member, _): &(Entry<'_>, f64)| min.is_above(&member.to_cow());
    let admits = |(member, _): &(Entry<'_>, f64)| max.admits(&member.to_cow());
    let ends = (pairs.clone().next_back(), pairs.clone().next());
    let (Some(last), Some(first)) = ends else {
        return 0..0;
    };
    if min.is_beyond(max) || is_above(&last) || !admits(&first) {
        return 0..0;
    }
    if from_end {
        let above = pairs.clone().rev().take_while(|pair| !admits(pair)).count();
        let inside = pairs.clone().rev().skip(above);
        let end = pairs.clone().count() - above;
        end - inside.take_while(|pair| !is_above(pair)).count()..end
    } else {
        let start = pairs.clone().take_while(is_above).count();
        start..start + pairs.clone().skip(start).take_while(admits).count()
    }
}

/// Puts a pair where it belongs in the order.
fn insert_pair(pairs: &mut Compact, member: &[u8], score: f64) {
    let mut at = 0;
    while at < pairs.encoded_bytes() {
        let there = score_of(pairs, at);
        if there > score || (there == score && *pairs.read(at).to_cow() > *member) {
            break;
        }
        at = pairs.next(pairs.next(at));
    }
    pairs.insert(at, encode_score(score, &mut [0; 8]));
    pairs.insert(at, Entry::parse(member));
}

/// A score as an entry: an integer where it is one, else the eight bytes of the float.
fn encode_score(score: f64, room: &mut [u8; 8]) -> Entry<'_> {
    /// Floats up to here convert to i64 and back; Redis draws the same line.
    const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;
    if score.abs() <= WHOLE_MAX && score.trunc() == score {
        return Entry::Int(score as i64);
    }
    *room = score.to_le_bytes();
    Entry::Bytes(room)
}

fn decode_score(entry: Entry<'_>) -> f64 {
    match entry {
        Entry::Int(whole) => whole as f64,
        Entry::Bytes(bytes) => f64::from_le_bytes(std::array::from_fn(|at| bytes[at])),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Members by score and bytes, as a sorted `Vec`; scores by member, as a map.
    #[derive(Default)]
    struct Model {
        scores: BTreeMap<Vec<u8>, f64>,
    }

    impl Model {
        fn order(&self) -> Vec<(Vec<u8>, f64)> {
            let mut all: Vec<_> = self.scores.iter().map(|(m, &s)| (m.clone(), s)).collect();
            all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
            all
        }
    }

    fn settings() -> Settings {
        Settings::new(KeyedState { k0: 3, k1: 4 })
    }

    fn all(set: &ZSet) -> Vec<(Vec<u8>, f64)> {
        set.iter()
            .map(|(member, score)| (member.to_vec(), score))
            .collect()
    }

    fn random_member(rng: &mut Rng, range: u64) -> Vec<u8> {
        let n = rng.below(range);
        match n % 5 {
            0 => n.to_string().into_bytes(),
            1 => format!("a longer member that lives on the heap {n}").into_bytes(),
            2 => [0xFF, n as u8, 0, (n >> 8) as u8].to_vec(),
            _ => format!("m{n}").into_bytes(),
        }
    }

    fn random_score(rng: &mut Rng) -> f64 {
        match rng.below(10) {
            0 => f64::INFINITY,
            1 => f64::NEG_INFINITY,
            2..6 => rng.below(8) as f64 - 4.0,
            6 => 1e300 * rng.f64(),
            _ => rng.f64() * 100.0 - 50.0,
        }
    }

    #[test]
    fn behaves_as_a_sorted_map() {
        let (mut rng, settings) = (Rng::seeded(20), settings());
        for members in [20, 140, 1500] {
            let (mut set, mut model) = (ZSet::new(), Model::default());
            for round in 0..6000 {
                let member = random_member(&mut rng, members);
                let old = model.scores.get(&member).copied();
                match rng.below(if round % 2000 < 1200 { 6 } else { 16 }) {
                    0..5 => {
                        let score = random_score(&mut rng);
                        let expected = match old {
                            None => Update::Added,
                            Some(old) if old == score => Update::Unchanged,
                            Some(_) => Update::Changed,
                        };
                        assert_eq!(set.insert(&member, score, &settings), Ok(expected));
                        model.scores.insert(member.clone(), score);
                    }
                    5 => {
                        let by = rng.below(9) as f64 - 4.5;
                        let update = set.update(&member, &settings, |old| old.map(|old| old + by));
                        let expected = match old {
                            None => Update::Declined,
                            Some(old) if old.is_infinite() => Update::Unchanged,
                            Some(old) if old + by == old => Update::Unchanged,
                            Some(_) => Update::Changed,
                        };
                        assert_eq!(update, Ok(expected));
                        model
                            .scores
                            .entry(member.clone())
                            .and_modify(|score| *score += by);
                    }
                    _ => {
                        assert_eq!(set.remove(&member), old);
                        model.scores.remove(&member);
                    }
                }
                assert_eq!(set.score(&member), model.scores.get(&member).copied());
                assert_eq!(set.len(), model.scores.len());
                if round % 100 == 0 {
                    let order = model.order();
                    assert_eq!(all(&set), order);
                    check_ranges(&set, &order, &mut rng);
                }
            }
            let mut copy = set.clone();
            copy.remove_range(0..usize::MAX, |_, _| {});
            assert!(copy.is_empty() && all(&set) == model.order());
        }
    }

    fn check_ranges(set: &ZSet, order: &[(Vec<u8>, f64)], rng: &mut Rng) {
        for (rank, (member, score)) in order.iter().enumerate() {
            assert_eq!(set.rank(member), Some(rank));
            let (at_rank, its_score) = set.get(rank).unwrap();
            assert!(at_rank.is(member) && its_score == *score);
        }
        assert_eq!(set.rank(b"not a member"), None);
        assert!(set.get(order.len()).is_none());
        for _ in 0..20 {
            let mut bound = || ScoreBound {
                value: random_score(rng),
                exclusive: rng.below(2) == 0,
            };
            let (min, max) = (bound(), bound());
            let expected: Vec<_> = order
                .iter()
                .filter(|(_, score)| !min.is_above(*score) && max.admits(*score))
                .cloned()
                .collect();
            let ranks = set.ranks_by_score(min, max);
            assert_eq!(ranks.len(), expected.len());
            let mut back: Vec<_> = set
                .range(ranks)
                .rev()
                .map(|(m, s)| (m.to_vec(), s))
                .collect();
            back.reverse();
            assert_eq!(back, expected);
        }
    }

    #[test]
    fn score_bounds() {
        let bound = |value, exclusive| ScoreBound { value, exclusive };
        for members in [10, 500] {
            let mut set = ZSet::new();
            for n in 0..members {
                set.insert(format!("m{n}").as_bytes(), n.into(), &settings())
                    .unwrap();
            }
            assert_eq!(
                set.ranks_by_score(bound(2.0, false), bound(5.0, false)),
                2..6
            );
            assert_eq!(set.ranks_by_score(bound(2.0, true), bound(5.0, true)), 3..5);
            assert!(
                set.ranks_by_score(bound(2.0, true), bound(2.0, false))
                    .is_empty()
            );
            assert!(
                set.ranks_by_score(bound(5.0, false), bound(2.0, false))
                    .is_empty()
            );
            let everything =
                set.ranks_by_score(bound(f64::NEG_INFINITY, false), bound(f64::INFINITY, false));
            assert_eq!(everything, 0..members as usize);
        }
    }

    #[test]
    fn lex_ranges_agree_with_the_sorted_members() {
        let (mut rng, settings) = (Rng::seeded(21), settings());
        for members in [40, 3000] {
            let (mut set, mut model) = (ZSet::new(), BTreeSet::new());
            for _ in 0..members {
                let member = random_member(&mut rng, members * 2);
                set.insert(&member, 0.0, &settings).unwrap();
                model.insert(member);
            }
            for _ in 0..200 {
                let (a, b) = (
                    random_member(&mut rng, members * 2),
                    random_member(&mut rng, members * 2),
                );
                let mut pick = |bytes| match rng.below(4) {
                    0 => LexBound::Inclusive(bytes),
                    1 => LexBound::Exclusive(bytes),
                    2 => LexBound::Min,
                    _ => LexBound::Max,
                };
                let (min, max) = (pick(&a), pick(&b));
                let expected = model.iter().filter(|m| !min.is_above(m) && max.admits(m));
                let ranks = set.ranks_by_lex(min, max, rng.below(2) == 0);
                assert!(
                    set.range(ranks)
                        .map(|(m, _)| m.to_vec())
                        .eq(expected.cloned())
                );
            }
        }
    }

    #[test]
    fn lex_ranges_among_different_scores_are_those_redis_finds() {
        let mut set = ZSet::new();
        for (score, member) in [(1.0, b"a"), (2.0, b"z"), (3.0, b"b"), (4.0, b"c")] {
            set.insert(member, score, &settings()).unwrap();
        }
        let range = |min, max, from_end| set.ranks_by_lex(min, max, from_end);
        let (inclusive, exclusive) = (LexBound::Inclusive, LexBound::Exclusive);
        assert_eq!(range(LexBound::Min, inclusive(b"b"), false), 0..1);
        assert_eq!(range(LexBound::Min, inclusive(b"b"), true), 0..3);
        assert_eq!(range(exclusive(b"a"), LexBound::Max, false), 1..4);
        assert_eq!(range(inclusive(b"b"), inclusive(b"c"), true), 1..4);
        // The last member is below, the first one above, or the bounds are the wrong way round.
        for (min, max) in [
            (inclusive(b"d"), LexBound::Max),
            (LexBound::Min, exclusive(b"a")),
            (inclusive(b"c"), inclusive(b"b")),
            (exclusive(b"b"), inclusive(b"b")),
            (LexBound::Max, LexBound::Max),
            (LexBound::Min, LexBound::Min),
        ] {
            assert!(range(min, max, false).is_empty() && range(min, max, true).is_empty());
        }
    }

    #[test]
    fn ranges_of_ranks_are_removed() {
        let (mut rng, settings) = (Rng::seeded(22), settings());
        for members in [60, 2000] {
            let (mut set, mut model) = (ZSet::new(), Model::default());
            for _ in 0..members {
                let (member, score) = (random_member(&mut rng, members), random_score(&mut rng));
                set.insert(&member, score, &settings).unwrap();
                model.scores.insert(member, score);
            }
            let mut order = model.order();
            while !order.is_empty() {
                let start = rng.index(order.len() + 2);
                let end = start + rng.index(40);
                let mut shown = Vec::new();
                let removed = set.remove_range(start..end, |m, s| shown.push((m.to_vec(), s)));
                let start = start.min(order.len());
                let expected: Vec<_> = order.drain(start..end.min(order.len())).collect();
                assert_eq!((removed, shown), (expected.len(), expected));
                assert_eq!(all(&set), order);
            }
            assert!(set.is_empty());
        }
    }

    #[test]
    fn ranks_out_of_range_are_nobody() {
        let mut settings = settings();
        for _ in 0..2 {
            let mut set = ZSet::new();
            set.insert(b"m", 1.0, &settings).unwrap();
            assert!(set.get(1).is_none() && set.get(usize::MAX).is_none());
            assert_eq!(set.range(usize::MAX..usize::MAX).count(), 0);
            assert_eq!(set.remove_range(usize::MAX - 1..usize::MAX, |_, _| {}), 0);
            assert_eq!(set.range(0..usize::MAX).len(), 1);
            settings.zset_max_listpack_entries = 0;
        }
    }

    #[test]
    fn upgrades_where_redis_does() {
        let settings = settings();
        let mut set = ZSet::new();
        for n in 0..128 {
            set.insert(format!("{n}").as_bytes(), 1.5, &settings)
                .unwrap();
        }
        assert_eq!(set.encoding(), "listpack");
        set.insert(b"5", 2.5, &settings).unwrap();
        assert_eq!(set.encoding(), "listpack");
        let before = all(&set);
        set.insert(b"one more", f64::INFINITY, &settings).unwrap();
        assert_eq!(set.encoding(), "skiplist");
        assert_eq!(all(&set)[..128], before);

        let mut set = ZSet::new();
        set.insert(&[b'x'; 64], 0.0, &settings).unwrap();
        assert_eq!(set.encoding(), "listpack");
        set.insert(&[b'x'; 65], 0.0, &settings).unwrap();
        assert_eq!(set.encoding(), "skiplist");

        let mut set = ZSet::new();
        set.expect(128, &settings);
        assert_eq!(set.encoding(), "listpack");
        set.expect(129, &settings);
        assert_eq!(set.encoding(), "skiplist");
    }

    #[test]
    fn not_a_number_gets_in_nowhere() {
        let (mut set, mut settings) = (ZSet::new(), settings());
        for _ in 0..2 {
            assert_eq!(set.insert(b"m", f64::NAN, &settings), Err(NotANumber));
            assert!(set.is_empty());
            set.insert(b"m", f64::INFINITY, &settings).unwrap();
            let sum = set.update(b"m", &settings, |old| {
                old.map(|old| old + f64::NEG_INFINITY)
            });
            assert_eq!(
                (sum, set.score(b"m")),
                (Err(NotANumber), Some(f64::INFINITY))
            );
            set = ZSet::new();
            settings.zset_max_listpack_entries = 0;
        }
    }

    #[test]
    fn zeros_of_either_sign_are_one_score() {
        let (mut set, mut settings) = (ZSet::new(), settings());
        for sign_is_kept in [false, true] {
            set.insert(b"b", -0.0, &settings).unwrap();
            set.insert(b"a", 0.0, &settings).unwrap();
            assert_eq!(set.insert(b"b", 0.0, &settings), Ok(Update::Unchanged));
            assert_eq!(set.rank(b"b"), Some(1));
            assert_eq!(
                set.score(b"b").map(f64::is_sign_negative),
                Some(sign_is_kept)
            );
            set = ZSet::new();
            settings.zset_max_listpack_entries = 0;
        }
    }

    #[test]
    fn scores_survive_the_compact_form() {
        let settings = settings();
        let mut scores = vec![
            0.0,
            1.0,
            -1.0,
            0.1,
            -2.5,
            1e17,
            4.7e18,
            1e19,
            -1e300,
            f64::MIN_POSITIVE,
            f64::INFINITY,
        ];
        scores.extend([
            f64::from_le_bytes(*b"12345678"),
            4611686018427387904.0,
            9007199254740993.0,
        ]);
        for score in scores {
            let mut set = ZSet::new();
            set.insert(b"m", score, &settings).unwrap();
            assert_eq!((set.score(b"m"), set.encoding()), (Some(score), "listpack"));
        }
    }

    #[test]
    fn scan_and_random_draws_see_every_member() {
        let (mut rng, settings) = (Rng::seeded(23), settings());
        for members in [0, 50, 700] {
            let mut set = ZSet::new();
            for n in 0..members {
                set.insert(format!("{n}").as_bytes(), n as f64, &settings)
                    .unwrap();
            }
            let (mut cursor, mut seen) = (0, BTreeSet::new());
            loop {
                cursor = set.scan(cursor, 10, |m, s| {
                    assert!(m.is(s.to_string().as_bytes()) && seen.insert(m.to_vec()))
                });
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen.len(), members);
            for count in [0, 1, 7, 60, 1000] {
                let (mut distinct, mut drawn) = (BTreeSet::new(), 0);
                set.random_distinct(count, &mut rng, |m, _| assert!(distinct.insert(m.to_vec())));
                assert_eq!(distinct.len(), count.min(members));
                set.random_repeated(count, &mut rng, |m, s| {
                    assert!(m.is(s.to_string().as_bytes()));
                    drawn += 1;
                });
                assert_eq!(drawn, if members == 0 { 0 } else { count });
            }
        }
    }

    #[test]
    fn drops_in_slices() {
        let settings = settings();
        let mut set = ZSet::new();
        for n in 0..50_000 {
            set.insert(format!("member {n}").as_bytes(), n as f64, &settings)
                .unwrap();
        }
        let mut turns = 1;
        while !set.drop_some(1000) {
            turns += 1;
        }
        assert!((50..=65).contains(&turns), "{turns}");
        assert!(set.heap_bytes() < 4096);
    }
}
