//! The set type: a sorted array while it is a few integers, a compact sequence while it is small, a
//! hash table then.
//!
//! The large form takes some 39 bytes per member of up to 22 bytes, and the allocation of longer
//! ones.

use super::compact::{self, Compact, Entry};
use super::dict::{Dict, Id, Keyed, Lookahead};
use super::hasher::KeyedState;
use super::intset::{self, IntSet};
use super::segments;
use super::settings::Settings;
use super::small::SmallBytes;
use crate::keyspace::rng::Rng;
use crate::number::{INT_TEXT, parse_i64, text_len};

/// The set.
#[derive(Clone, Debug)]
pub struct Set {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Ints(IntSet),
    Compact(Compact),
    Table(Box<Dict<SmallBytes>>),
}

impl Keyed for SmallBytes {
    fn key(&self) -> &[u8] {
        self.as_slice()
    }

    fn bytes(&self) -> &[u8] {
        self.as_slice()
    }

    fn heap_bytes(&self) -> usize {
        SmallBytes::heap_bytes(self)
    }
}

impl Set {
    /// An empty set in the form that suits a command which will add `members` members, of which
    /// this is the first.
    pub fn for_members(first: &[u8], members: usize, settings: &Settings) -> Set {
        let repr = if members <= settings.set_max_intset_entries && parse_i64(first).is_some() {
            Repr::Ints(IntSet::new())
        } else if members <= settings.set_max_listpack_entries {
            Repr::Compact(Compact::new())
        } else {
            Repr::Table(Box::new(Dict::new(settings.hash_state)))
        };
        Set { repr }
    }

    /// Its table, if it has one.
    pub fn lookahead(&self) -> Option<&dyn Lookahead> {
        match &self.repr {
            Repr::Ints(_) | Repr::Compact(_) => None,
            Repr::Table(dict) => Some(&**dict),
        }
    }

    /// An empty set in the form of a sorted array of integers.
    pub fn intset() -> Set {
        Set {
            repr: Repr::Ints(IntSet::new()),
        }
    }

    /// An empty set in the compact form.
    pub fn listpack() -> Set {
        Set {
            repr: Repr::Compact(Compact::new()),
        }
    }

    /// Upgrades ahead of a command that names `members` members, if those are too many for the form
    /// it has.
    pub fn expect(&mut self, members: usize, settings: &Settings) {
        let limit = match &self.repr {
            Repr::Ints(_) => settings.set_max_intset_entries,
            Repr::Compact(_) => settings.set_max_listpack_entries,
            Repr::Table(_) => return,
        };
        if members > limit {
            self.repr = Repr::Table(Box::new(self.to_table(settings.hash_state)));
        }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Ints(ints) => ints.len(),
            Repr::Compact(members) => members.len(),
            Repr::Table(dict) => dict.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is in the form of a sorted array of integers.
    pub fn is_intset(&self) -> bool {
        matches!(self.repr, Repr::Ints(_))
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match &self.repr {
            Repr::Ints(_) => "intset",
            Repr::Compact(_) => "listpack",
            Repr::Table(_) => "hashtable",
        }
    }

    /// The bytes on the heap. O(1).
    pub fn heap_bytes(&self) -> usize {
        match &self.repr {
            Repr::Ints(ints) => ints.heap_bytes(),
            Repr::Compact(members) => members.heap_bytes(),
            Repr::Table(dict) => size_of::<Dict<SmallBytes>>() + dict.heap_bytes(),
        }
    }

    /// Whether this is a member. O(1) in the large form.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.repr {
            Repr::Ints(ints) => parse_i64(member).is_some_and(|value| ints.contains(value)),
            Repr::Compact(members) => members.find(Entry::parse(member), 1).is_some(),
            Repr::Table(dict) => dict.find(member).is_ok(),
        }
    }

    /// As [`contains`](Self::contains), for a member of another collection: integers are neither
    /// printed nor parsed where both sides have them as such.
    pub fn contains_entry(&self, member: Entry<'_>) -> bool {
        match (&self.repr, member) {
            (_, Entry::Bytes(bytes)) => self.contains(bytes),
            (Repr::Ints(ints), Entry::Int(value)) => ints.contains(value),
            (Repr::Compact(members), Entry::Int(_)) => members.find(member, 1).is_some(),
            (Repr::Table(dict), Entry::Int(_)) => {
                dict.find(member.text(&mut INT_TEXT.clone())).is_ok()
            }
        }
    }

    /// Adds a member; returns whether it is new.
    pub fn insert(&mut self, member: &[u8], settings: &Settings) -> bool {
        match &mut self.repr {
            Repr::Ints(ints) => {
                if let Some(value) = parse_i64(member) {
                    let is_new = ints.insert(value);
                    if ints.len() > settings.set_max_intset_entries {
                        self.repr = Repr::Table(Box::new(self.to_table(settings.hash_state)));
                    }
                    return is_new;
                }
                if compact_may_take(ints.len(), longest_text(ints), member, settings) {
                    let mut members = Compact::new();
                    ints.iter().for_each(|value| members.push_back(value));
                    members.push_back(Entry::Bytes(member));
                    self.repr = Repr::Compact(members);
                } else {
                    let mut dict = self.to_table(settings.hash_state);
                    insert_in_table(&mut dict, member);
                    self.repr = Repr::Table(Box::new(dict));
                }
                true
            }
            Repr::Compact(members) => {
                if members.find(Entry::parse(member), 1).is_some() {
                    return false;
                }
                if compact_may_take(members.len(), 0, member, settings) {
                    members.push_back(Entry::parse(member));
                } else {
                    let mut dict = self.to_table(settings.hash_state);
                    insert_in_table(&mut dict, member);
                    self.repr = Repr::Table(Box::new(dict));
                }
                true
            }
            Repr::Table(dict) => insert_in_table(dict, member),
        }
    }

    /// As [`insert`](Self::insert), for a member of another collection.
    pub fn insert_entry(&mut self, member: Entry<'_>, settings: &Settings) -> bool {
        self.insert(member.text(&mut INT_TEXT.clone()), settings)
    }

    /// Takes a member out; returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.repr {
            Repr::Ints(ints) => parse_i64(member).is_some_and(|value| ints.remove(value)),
            Repr::Compact(members) => {
                let at = members.find(Entry::parse(member), 1);
                if let Some(at) = at {
                    members.remove(at, 1);
                }
                at.is_some()
            }
            Repr::Table(dict) => dict.remove(member).is_some(),
        }
    }

    /// As [`remove`](Self::remove), for a member of another collection.
    pub fn remove_entry(&mut self, member: Entry<'_>) -> bool {
        self.remove(member.text(&mut INT_TEXT.clone()))
    }

    /// Where a member is in the order of [`iter`](Self::iter), until the next change. O(1) in the
    /// large form.
    pub fn index_of(&self, member: Entry<'_>) -> Option<usize> {
        let mut room = INT_TEXT;
        let text = member.text(&mut room);
        match &self.repr {
            Repr::Ints(ints) => ints.index_of(parse_i64(text)?),
            Repr::Compact(members) => {
                let wanted = Entry::parse(text);
                members.iter().position(|there| there == wanted)
            }
            Repr::Table(dict) => dict.find(text).ok().map(|id| id as usize),
        }
    }

    /// Goes back from any form to that of a sorted array of integers, if it may have it: if all
    /// members are integers, and few enough.
    pub fn narrow(&mut self, settings: &Settings) {
        if self.is_intset() || self.len() > settings.set_max_intset_entries {
            return;
        }
        let mut ints = IntSet::new();
        for member in self.iter() {
            let value = match member {
                Entry::Int(value) => value,
                Entry::Bytes(bytes) => match parse_i64(bytes) {
                    Some(value) => value,
                    None => return,
                },
            };
            ints.insert(value);
        }
        self.repr = Repr::Ints(ints);
    }

    /// Goes back from the large form to the compact one, as far as the members allow that.
    pub fn shrink(&mut self, settings: &Settings) {
        if let Repr::Table(dict) = &self.repr
            && dict.len() <= settings.set_max_listpack_entries
        {
            let mut small = Set::listpack();
            self.iter().for_each(|member| {
                small.insert_entry(member, settings);
            });
            *self = small;
        }
    }

    /// All members: ascending in an intset, in the order in which they came in a listpack, else in
    /// none.
    pub fn iter(&self) -> Iter<'_> {
        Iter(match &self.repr {
            Repr::Ints(ints) => IterRepr::Ints(ints.iter()),
            Repr::Compact(members) => IterRepr::Compact(members.iter()),
            Repr::Table(dict) => IterRepr::Table(dict.iter()),
        })
    }

    /// Visits about `count` members from `cursor` on, and returns where to go on: 0 starts, and 0
    /// says that it is done. Only the large form is visited in parts. See [`Dict::scan`] for what
    /// it guarantees.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Entry<'_>)) -> u64 {
        match &self.repr {
            Repr::Table(dict) => dict.scan(cursor, count, |member| {
                visit(Entry::Bytes(member.as_slice()))
            }),
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// A member drawn from all of them; none if the set is empty.
    pub fn random(&self, rng: &mut Rng) -> Option<Entry<'_>> {
        self.any(rng.index(self.len()))
    }

    /// Visits `count` different members (all, if there are not that many), every choice equally
    /// likely.
    pub fn random_distinct(&self, count: usize, rng: &mut Rng, mut visit: impl FnMut(Entry<'_>)) {
        rng.distinct_below(self.len(), count, |index| {
            self.any(index).into_iter().for_each(&mut visit);
        });
    }

    /// Visits `count` members, each drawn from all of them; none if the set is empty.
    pub fn random_repeated(&self, count: usize, rng: &mut Rng, mut visit: impl FnMut(Entry<'_>)) {
        match &self.repr {
            Repr::Compact(members) if !members.is_empty() => {
                // Many draws would each walk there: index the few members once.
                let all: Vec<_> = members.iter().collect();
                (0..count).for_each(|_| visit(all[rng.index(all.len())]));
            }
            _ => (0..count).for_each(|_| {
                self.random(rng).into_iter().for_each(&mut visit);
            }),
        }
    }

    /// Takes out a member drawn from all of them, and shows it to `take`; none if the set is empty.
    pub fn pop_with<R>(&mut self, rng: &mut Rng, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let index = rng.index(self.len());
        let result = self.any(index).map(take)?;
        match &mut self.repr {
            Repr::Ints(ints) => {
                if let Some(value) = ints.get(index) {
                    ints.remove(value);
                }
            }
            Repr::Compact(members) => members.remove(members.seek(index), 1),
            Repr::Table(dict) => drop(dict.swap_remove(index as Id)),
        }
        Some(result)
    }

    /// Frees about `budget` members; returns whether all is free. After the first call the set is
    /// good for nothing but this and dropping it.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        match &mut self.repr {
            Repr::Ints(ints) => *ints = IntSet::new(),
            Repr::Compact(members) => members.clear(),
            Repr::Table(dict) => return dict.drop_some(budget),
        }
        true
    }

    /// The member with this index in the order of [`iter`](Self::iter).
    fn any(&self, index: usize) -> Option<Entry<'_>> {
        match &self.repr {
            Repr::Ints(ints) => ints.get(index).map(Entry::Int),
            Repr::Compact(members) => members.range(index..index + 1).next(),
            Repr::Table(dict) => {
                (index < dict.len()).then(|| Entry::Bytes(dict.at(index as Id).as_slice()))
            }
        }
    }

    /// The same members, as a table.
    fn to_table(&self, state: KeyedState) -> Dict<SmallBytes> {
        let mut dict = Dict::new(state);
        self.iter().for_each(|member| {
            insert_in_table(&mut dict, &member.to_cow());
        });
        dict
    }
}

/// The members of a [`Set`].
#[derive(Clone)]
pub struct Iter<'a>(IterRepr<'a>);

#[derive(Clone)]
enum IterRepr<'a> {
    Ints(intset::Iter<'a>),
    Compact(compact::Iter<'a>),
    Table(segments::Iter<'a, SmallBytes>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        match &mut self.0 {
            IterRepr::Ints(ints) => ints.next(),
            IterRepr::Compact(members) => members.next(),
            IterRepr::Table(members) => {
                members.next().map(|member| Entry::Bytes(member.as_slice()))
            }
        }
    }
}

/// Returns whether the member is new.
fn insert_in_table(dict: &mut Dict<SmallBytes>, member: &[u8]) -> bool {
    match dict.find(member) {
        Ok(_) => false,
        Err(absent) => {
            dict.fill(absent, SmallBytes::new(member));
            true
        }
    }
}

/// Whether `member` and the `len` that are there, of up to `longest` bytes, may be a compact set.
fn compact_may_take(len: usize, longest: usize, member: &[u8], settings: &Settings) -> bool {
    len < settings.set_max_listpack_entries
        && longest.max(member.len()) <= settings.set_max_listpack_value
}

/// The bytes of the longest integer of the set when printed: that is the smallest or the largest.
fn longest_text(ints: &IntSet) -> usize {
    let ends = [
        ints.get(0),
        ints.len().checked_sub(1).and_then(|last| ints.get(last)),
    ];
    ends.into_iter().flatten().map(text_len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn settings() -> Settings {
        Settings::new(KeyedState { k0: 7, k1: 8 })
    }

    fn ints(range: std::ops::Range<i64>, settings: &Settings) -> Set {
        let mut set = Set::for_members(b"0", 1, settings);
        range.for_each(|n| assert!(set.insert(n.to_string().as_bytes(), settings)));
        set
    }

    #[test]
    fn behaves_as_a_set() {
        let (mut rng, settings) = (Rng::seeded(50), settings());
        // Integers, then short and long members beside them; few and many.
        for (range, kinds) in [(300, 1), (2000, 1), (100, 2), (100, 3), (2000, 3)] {
            let member = |rng: &mut Rng| {
                let n = rng.below(range);
                match n % kinds {
                    0 => (n as i64 * 99_991 - 5000).to_string().into_bytes(),
                    1 => format!("{n:05}").into_bytes(),
                    _ => vec![n as u8; 60 + n as usize % 9],
                }
            };
            let (mut set, mut model) = (Set::for_members(b"1", 1, &settings), BTreeSet::new());
            for round in 0..6000 {
                let one = member(&mut rng);
                if rng.below(10) < if round % 2000 < 1200 { 7 } else { 2 } {
                    assert_eq!(set.insert(&one, &settings), model.insert(one));
                } else {
                    assert_eq!(set.remove(&one), model.remove(&one));
                }
                let one = member(&mut rng);
                assert_eq!(set.contains(&one), model.contains(&one));
                assert_eq!(set.contains_entry(Entry::parse(&one)), model.contains(&one));
                assert_eq!(set.contains_entry(Entry::Bytes(&one)), model.contains(&one));
                assert_eq!(set.len(), model.len());
                if rng.below(10) == 0 {
                    let popped = set.pop_with(&mut rng, |member| member.to_vec());
                    assert_eq!(popped.is_none(), model.is_empty());
                    assert!(popped.is_none_or(|popped| model.remove(&popped)));
                }
            }
            let all: BTreeSet<_> = set.clone().iter().map(Entry::to_vec).collect();
            assert_eq!((all, set.iter().count()), (model.clone(), model.len()));
        }
    }

    #[test]
    fn starts_and_upgrades_where_redis_does() {
        let settings = settings();
        let start = |first: &str, members| {
            Set::for_members(first.as_bytes(), members, &settings).encoding()
        };
        assert_eq!(
            [
                start("1", 512),
                start("1", 513),
                start("a", 128),
                start("a", 129)
            ],
            ["intset", "hashtable", "listpack", "hashtable"]
        );

        let mut set = ints(0..512, &settings);
        assert!(set.is_intset() && !set.insert(b"7", &settings) && set.is_intset());
        set.insert(b"512", &settings);
        assert_eq!((set.encoding(), set.len()), ("hashtable", 513));

        let mut set = ints(0..127, &settings);
        set.insert(b"x", &settings);
        assert_eq!((set.encoding(), set.len()), ("listpack", 128));
        assert!(!set.insert(b"5", &settings) && set.encoding() == "listpack");
        set.insert(b"y", &settings);
        assert_eq!((set.encoding(), set.len()), ("hashtable", 129));

        let mut set = ints(0..128, &settings);
        set.insert(b"x", &settings);
        assert_eq!(set.encoding(), "hashtable");

        let mut set = ints(0..3, &settings);
        set.insert(&[b'x'; 65], &settings);
        assert_eq!(set.encoding(), "hashtable");

        for (members, encoding) in [(512, "intset"), (513, "hashtable")] {
            let mut set = ints(0..3, &settings);
            set.expect(members, &settings);
            assert_eq!(set.encoding(), encoding);
        }
    }

    #[test]
    fn goes_back_to_smaller_forms_where_it_may() {
        let mut settings = settings();
        let mut set = ints(0..513, &settings);
        set.narrow(&settings);
        set.shrink(&settings);
        assert_eq!(set.encoding(), "hashtable");
        set.remove(b"512");
        set.narrow(&settings);
        assert_eq!((set.encoding(), set.len()), ("intset", 512));

        let mut set = ints(0..600, &settings);
        (128..600).for_each(|n| assert!(set.remove_entry(Entry::Int(n))));
        set.shrink(&settings);
        assert_eq!((set.encoding(), set.len()), ("listpack", 128));
        set.remove(b"0");
        set.insert(b"x", &settings);
        set.narrow(&settings);
        assert_eq!((set.encoding(), set.len()), ("listpack", 128));

        settings.set_max_listpack_value = 3;
        let mut set = ints(997..1600, &settings);
        (1010..1600).for_each(|n| assert!(set.remove_entry(Entry::Int(n))));
        set.shrink(&settings);
        assert_eq!((set.encoding(), set.len()), ("hashtable", 13));
    }

    #[test]
    fn index_is_that_of_iteration() {
        let settings = settings();
        let mut compact = ints(0..5, &settings);
        compact.insert(b"x", &settings);
        for set in [ints(0..5, &settings), compact, ints(0..600, &settings)] {
            for (index, member) in set.iter().enumerate() {
                assert_eq!(set.index_of(member), Some(index));
                assert_eq!(set.index_of(Entry::parse(&member.to_vec())), Some(index));
            }
            assert_eq!(set.index_of(Entry::Int(-1)), None);
        }
    }

    #[test]
    fn integers_as_long_as_members_may_not_be_stay_out_of_a_listpack() {
        let mut settings = settings();
        settings.set_max_listpack_value = 3;
        for (int, encoding) in [("-12", "listpack"), ("-123", "hashtable")] {
            let mut set = Set::for_members(b"0", 1, &settings);
            set.insert(int.as_bytes(), &settings);
            set.insert(b"x", &settings);
            assert_eq!(set.encoding(), encoding);
        }
    }

    #[test]
    fn small_forms_iterate_in_their_order() {
        let settings = settings();
        let mut set = Set::for_members(b"3", 1, &settings);
        for member in ["3", "1", "2"] {
            set.insert(member.as_bytes(), &settings);
        }
        assert!(set.iter().eq([1, 2, 3].map(Entry::Int)));
        set.insert(b"b", &settings);
        set.insert(b"a", &settings);
        let all: Vec<_> = set.iter().map(Entry::to_vec).collect();
        assert_eq!(all, [b"1", b"2", b"3", b"b", b"a"]);
    }

    #[test]
    fn scan_and_random_draws_see_every_member() {
        let (mut rng, settings) = (Rng::seeded(51), settings());
        let strings = |n: i64| {
            let mut set = Set::for_members(b"x", 1, &settings);
            (0..n).for_each(|n| assert!(set.insert(format!("m{n}").as_bytes(), &settings)));
            set
        };
        for set in [
            ints(0..0, &settings),
            ints(0..90, &settings),
            strings(80),
            strings(700),
        ] {
            let (mut cursor, mut seen) = (0, BTreeSet::new());
            loop {
                cursor = set.scan(cursor, 10, |m| assert!(seen.insert(m.to_vec())));
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen.len(), set.len());
            for count in [0, 1, 9, 60, 1000] {
                let (mut distinct, mut drawn) = (BTreeSet::new(), 0);
                set.random_distinct(count, &mut rng, |m| {
                    assert!(seen.contains(&m.to_vec()) && distinct.insert(m.to_vec()))
                });
                assert_eq!(distinct.len(), count.min(set.len()));
                set.random_repeated(count, &mut rng, |m| {
                    assert!(seen.contains(&m.to_vec()));
                    drawn += 1;
                });
                assert_eq!(drawn, if set.is_empty() { 0 } else { count });
            }
            assert_eq!(set.random(&mut rng).is_none(), set.is_empty());
        }
    }

    #[test]
    fn draws_are_even() {
        let (mut rng, settings) = (Rng::seeded(52), settings());
        let set = ints(0..600, &settings);
        let mut hits = [0u32; 600];
        set.random_repeated(600_000, &mut rng, |m| {
            let index = parse_i64(&m.to_vec()).unwrap();
            hits[index as usize] += 1;
        });
        assert!(hits.iter().all(|&n| (800..1200).contains(&n)), "{hits:?}");
    }

    #[test]
    fn drops_in_slices() {
        let settings = settings();
        let mut set = ints(0..20_000, &settings);
        let mut turns = 1;
        while !set.drop_some(1000) {
            turns += 1;
        }
        assert!((20..=22).contains(&turns), "{turns}");
        assert!(ints(0..100, &settings).drop_some(1));
    }
}
