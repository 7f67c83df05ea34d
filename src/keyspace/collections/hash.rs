//! The hash type: fields with a value each.
//!
//! Compact, it is `field, value, field, value, ...` in the order of their first setting. Large, it
//! is a [`Dict`] whose entries hold field and value in one string of bytes: a pair of up to 21
//! bytes needs no allocation, and any other needs one. That is some 39 bytes per pair, and the
//! allocation of larger ones.

use super::compact::{self, Compact, Entry};
use super::dict::{Dict, Id, Keyed, Lookahead};
use super::hasher::KeyedState;
use super::segments;
use super::settings::Settings;
use super::small::SmallBytes;
use crate::keyspace::rng::Rng;

/// The hash.
#[derive(Clone, Debug, Default)]
pub struct Hash {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Compact(Compact),
    Table(Box<Dict<Pair>>),
}

impl Hash {
    /// An empty hash, compact.
    pub fn new() -> Hash {
        Hash::default()
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Compact(pairs) => pairs.len() / 2,
            Repr::Table(dict) => dict.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its table, if it has one.
    pub fn lookahead(&self) -> Option<&dyn Lookahead> {
        match &self.repr {
            Repr::Compact(_) => None,
            Repr::Table(dict) => Some(&**dict),
        }
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match &self.repr {
            Repr::Compact(_) => "listpack",
            Repr::Table(_) => "hashtable",
        }
    }

    /// The bytes on the heap. O(1).
    pub fn heap_bytes(&self) -> usize {
        match &self.repr {
            Repr::Compact(pairs) => pairs.heap_bytes(),
            Repr::Table(dict) => size_of::<Dict<Pair>>() + dict.heap_bytes(),
        }
    }

    /// Upgrades ahead of a command that names `fields` fields, if those are too many for the
    /// compact form.
    pub fn expect(&mut self, fields: usize, settings: &Settings) {
        if let Repr::Compact(pairs) = &self.repr
            && fields > settings.hash_max_listpack_entries
        {
            self.repr = Repr::Table(Box::new(table_from_pairs(pairs, settings.hash_state)));
        }
    }

    /// The value of a field. O(1) in the large form.
    pub fn get(&self, field: &[u8]) -> Option<Entry<'_>> {
        match &self.repr {
            Repr::Compact(pairs) => pairs
                .find(Entry::parse(field), 2)
                .map(|at| pairs.read(pairs.next(at))),
            Repr::Table(dict) => dict.get(field).map(|pair| Entry::Bytes(pair.value())),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// The length of a field's value in bytes, 0 where there is none.
    pub fn value_len(&self, field: &[u8]) -> usize {
        self.get(field).map_or(0, Entry::len)
    }

    /// Gives a field this value; returns whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], settings: &Settings) -> bool {
        match &mut self.repr {
            Repr::Compact(pairs) => {
                let longest = field.len().max(value.len());
                let at = pairs.find(Entry::parse(field), 2);
                let len = pairs.len() / 2 + usize::from(at.is_none());
                if longest > settings.hash_max_listpack_value
                    || len > settings.hash_max_listpack_entries
                {
                    let mut dict = table_from_pairs(pairs, settings.hash_state);
                    let is_new = set_in_table(&mut dict, field, value);
                    self.repr = Repr::Table(Box::new(dict));
                    return is_new;
                }
                match at {
                    Some(at) => pairs.replace(pairs.next(at), Entry::parse(value)),
                    None => {
                        pairs.push_back(Entry::parse(field));
                        pairs.push_back(Entry::parse(value));
                    }
                }
                at.is_none()
            }
            Repr::Table(dict) => set_in_table(dict, field, value),
        }
    }

    /// Takes a field out; returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.repr {
            Repr::Compact(pairs) => {
                let at = pairs.find(Entry::parse(field), 2);
                if let Some(at) = at {
                    pairs.remove(at, 2);
                }
                at.is_some()
            }
            Repr::Table(dict) => dict.remove(field).is_some(),
        }
    }

    /// All fields with their values; compact, in the order in which they came.
    pub fn iter(&self) -> Iter<'_> {
        Iter(match &self.repr {
            Repr::Compact(pairs) => IterRepr::Compact(Pairs(pairs.iter())),
            Repr::Table(dict) => IterRepr::Table(dict.iter()),
        })
    }

    /// Visits about `count` fields from `cursor` on, and returns where to go on: 0 starts, and 0
    /// says that it is done. A compact hash is visited whole. See [`Dict::scan`] for what it
    /// guarantees.
    pub fn scan(
        &self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(Entry<'_>, Entry<'_>),
    ) -> u64 {
        match &self.repr {
            Repr::Compact(pairs) => {
                Pairs(pairs.iter()).for_each(|(field, value)| visit(field, value));
                0
            }
            Repr::Table(dict) => dict.scan(cursor, count, |pair| {
                let (field, value) = pair.entries();
                visit(field, value);
            }),
        }
    }

    /// Visits `count` different fields (all, if there are not that many), every choice equally
    /// likely.
    pub fn random_distinct(
        &self,
        count: usize,
        rng: &mut Rng,
        mut visit: impl FnMut(Entry<'_>, Entry<'_>),
    ) {
        rng.distinct_below(self.len(), count, |index| {
            let pair = match &self.repr {
                Repr::Compact(pairs) => Pairs(pairs.range(index * 2..index * 2 + 2)).next(),
                Repr::Table(dict) => Some(dict.at(index as Id).entries()),
            };
            if let Some((field, value)) = pair {
                visit(field, value);
            }
        });
    }

    /// Visits `count` fields, each drawn from all of them; none if the hash is empty.
    pub fn random_repeated(
        &self,
        count: usize,
        rng: &mut Rng,
        mut visit: impl FnMut(Entry<'_>, Entry<'_>),
    ) {
        if self.is_empty() {
            return;
        }
        match &self.repr {
            Repr::Compact(pairs) => {
                // Many draws would each walk there: index the few fields once.
                let all: Vec<_> = Pairs(pairs.iter()).collect();
                (0..count).for_each(|_| {
                    let (field, value) = all[rng.index(all.len())];
                    visit(field, value);
                });
            }
            Repr::Table(dict) => (0..count).for_each(|_| {
                let (field, value) = dict.at(rng.index(dict.len()) as Id).entries();
                visit(field, value);
            }),
        }
    }

    /// Frees about `budget` fields; returns whether all is free. After the first call the hash is
    /// good for nothing but this and dropping it.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        match &mut self.repr {
            Repr::Compact(pairs) => {
                pairs.clear();
                true
            }
            Repr::Table(dict) => dict.drop_some(budget),
        }
    }
}

impl Default for Repr {
    fn default() -> Repr {
        Repr::Compact(Compact::new())
    }
}

/// The fields and values of a [`struct@Hash`].
#[derive(Clone)]
pub struct Iter<'a>(IterRepr<'a>);

#[derive(Clone)]
enum IterRepr<'a> {
    Compact(Pairs<'a>),
    Table(segments::Iter<'a, Pair>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Entry<'a>, Entry<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Compact(pairs) => pairs.next(),
            IterRepr::Table(pairs) => pairs.next().map(Pair::entries),
        }
    }
}

/// Field and value of the large form: `| field length | field | value |`, the length in one byte,
/// or, from 255 on, in nine, of which the first is 255.
#[derive(Clone, Debug)]
struct Pair(SmallBytes);

const LONG: u8 = u8::MAX;

impl Pair {
    fn new(field: &[u8], value: &[u8]) -> Pair {
        let mut head = [LONG; 9];
        let head = if field.len() < usize::from(LONG) {
            head[0] = field.len() as u8;
            &head[..1]
        } else {
            head[1..].copy_from_slice(&(field.len() as u64).to_le_bytes());
            &head[..]
        };
        Pair(SmallBytes::concat(&[head, field, value]))
    }

    /// Where the field is, which is also where the value begins.
    fn field_range(&self) -> std::ops::Range<usize> {
        let bytes = self.0.as_slice();
        match bytes[0] {
            LONG => 9..9 + u64::from_le_bytes(std::array::from_fn(|at| bytes[1 + at])) as usize,
            len => 1..1 + usize::from(len),
        }
    }

    fn value(&self) -> &[u8] {
        &self.0.as_slice()[self.field_range().end..]
    }

    /// In place where the length stays, as that of a counter mostly does.
    fn set_value(&mut self, value: &[u8]) {
        let start = self.field_range().end;
        let room = &mut self.0.as_mut_slice()[start..];
        if room.len() == value.len() {
            room.copy_from_slice(value);
        } else {
            self.0 = SmallBytes::concat(&[&self.0.as_slice()[..start], value]);
        }
    }

    fn entries(&self) -> (Entry<'_>, Entry<'_>) {
        (Entry::Bytes(self.key()), Entry::Bytes(self.value()))
    }
}

impl Keyed for Pair {
    fn key(&self) -> &[u8] {
        &self.0.as_slice()[self.field_range()]
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

fn table_from_pairs(pairs: &Compact, state: KeyedState) -> Dict<Pair> {
    let mut dict = Dict::new(state);
    for (field, value) in Pairs(pairs.iter()) {
        set_in_table(&mut dict, &field.to_cow(), &value.to_cow());
    }
    dict
}

/// Returns whether the field is new.
fn set_in_table(dict: &mut Dict<Pair>, field: &[u8], value: &[u8]) -> bool {
    match dict.find(field) {
        Ok(id) => {
            dict.edit(id, |pair| pair.set_value(value));
            false
        }
        Err(absent) => {
            dict.fill(absent, Pair::new(field, value));
            true
        }
    }
}

/// The pairs of the compact form.
#[derive(Clone)]
struct Pairs<'a>(compact::Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (Entry<'a>, Entry<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn settings() -> Settings {
        Settings::new(KeyedState { k0: 5, k1: 6 })
    }

    fn bytes(rng: &mut Rng, range: u64, longest: usize) -> Vec<u8> {
        let n = rng.below(range);
        match n % 4 {
            0 => n.to_string().into_bytes(),
            1 => vec![n as u8; longest.min(n as usize)],
            _ => format!("f{n}\0\r\n").into_bytes(),
        }
    }

    #[test]
    fn behaves_as_a_map() {
        let (mut rng, settings) = (Rng::seeded(40), settings());
        for (fields, longest) in [(30, 64), (100, 300), (2000, 64)] {
            let (mut hash, mut model) = (Hash::new(), BTreeMap::new());
            for round in 0..8000 {
                let field = bytes(&mut rng, fields, longest);
                if rng.below(10) < if round % 2000 < 1200 { 7 } else { 2 } {
                    let value = bytes(&mut rng, 500, longest);
                    let is_new = model.insert(field.clone(), value.clone()).is_none();
                    assert_eq!(hash.set(&field, &value, &settings), is_new);
                } else {
                    assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                }
                let field = bytes(&mut rng, fields, longest);
                let value = model.get(&field);
                assert_eq!(hash.get(&field).map(Entry::to_vec).as_ref(), value);
                assert_eq!(hash.value_len(&field), value.map_or(0, Vec::len));
                assert_eq!(
                    (hash.contains(&field), hash.len()),
                    (value.is_some(), model.len())
                );
            }
            let copy = hash.clone();
            let all: BTreeMap<_, _> = copy.iter().map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
            assert_eq!(all, model);
            assert_eq!(copy.iter().count(), model.len());
        }
    }

    #[test]
    fn upgrades_where_redis_does() {
        let settings = settings();
        let mut hash = Hash::new();
        for n in 0..128 {
            hash.set(format!("{n}").as_bytes(), &[b'v'; 64], &settings);
        }
        hash.set(b"5", b"other", &settings);
        assert_eq!(hash.encoding(), "listpack");
        hash.set(b"128", b"v", &settings);
        assert_eq!((hash.encoding(), hash.len()), ("hashtable", 129));
        assert!(hash.get(b"5").is_some_and(|value| value.is(b"other")));

        for (field, value) in [(65, 1), (1, 65)] {
            let mut hash = Hash::new();
            hash.set(b"f", b"v", &settings);
            hash.set(&vec![b'f'; field], &vec![b'v'; value], &settings);
            assert_eq!(hash.encoding(), "hashtable");
        }

        let mut hash = Hash::new();
        hash.expect(128, &settings);
        assert_eq!(hash.encoding(), "listpack");
        hash.expect(129, &settings);
        assert_eq!(hash.encoding(), "hashtable");
    }

    #[test]
    fn compact_keeps_the_order_of_first_setting() {
        let (mut hash, settings) = (Hash::new(), settings());
        for (field, value) in [("b", "1"), ("a", "2"), ("c", "3"), ("b", "4")] {
            hash.set(field.as_bytes(), value.as_bytes(), &settings);
        }
        let fields: Vec<_> = hash.iter().map(|(field, _)| field.to_vec()).collect();
        assert_eq!(fields, [b"b", b"a", b"c"]);
    }

    #[test]
    fn pairs_of_any_length_read_back() {
        for field in [0, 1, 20, 21, 22, 254, 255, 256, 70_000] {
            for value in [0, 1, 21, 300] {
                let (field, value) = (vec![b'f'; field], vec![b'v'; value]);
                let mut pair = Pair::new(&field, &value);
                assert_eq!((pair.key(), pair.value()), (&field[..], &value[..]));
                pair.set_value(b"new");
                assert_eq!((pair.key(), pair.value()), (&field[..], &b"new"[..]));
            }
        }
    }

    #[test]
    fn memory_is_accounted_through_changes_of_size() {
        let (mut hash, settings) = (Hash::new(), settings());
        hash.expect(1000, &settings);
        (0..50).for_each(|n| assert!(hash.set(&[n], b"short", &settings)));
        let before = hash.heap_bytes();
        (0..50).for_each(|n| assert!(!hash.set(&[n], &[b'v'; 500], &settings)));
        assert_eq!(hash.heap_bytes() - before, 50 * 512);
        (0..50).for_each(|n| assert!(!hash.set(&[n], b"short", &settings)));
        assert_eq!(hash.heap_bytes(), before);
    }

    #[test]
    fn scan_and_random_draws_see_every_field() {
        let (mut rng, settings) = (Rng::seeded(41), settings());
        for fields in [0, 60, 900] {
            let mut hash = Hash::new();
            (0..fields).for_each(|n| {
                assert!(hash.set(
                    format!("f{n}").as_bytes(),
                    format!("{n}").as_bytes(),
                    &settings
                ))
            });
            let matches = |f: Entry, v: Entry| f.to_vec() == [b"f", &*v.to_vec()].concat();
            let (mut cursor, mut seen) = (0, BTreeSet::new());
            loop {
                cursor = hash.scan(cursor, 10, |f, v| {
                    assert!(matches(f, v) && seen.insert(f.to_vec()))
                });
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen.len(), fields);
            for count in [0, 1, 10, 70, 2000] {
                let (mut distinct, mut drawn) = (BTreeSet::new(), 0);
                hash.random_distinct(count, &mut rng, |f, v| {
                    assert!(matches(f, v) && distinct.insert(f.to_vec()))
                });
                assert_eq!(distinct.len(), count.min(fields));
                hash.random_repeated(count, &mut rng, |f, v| {
                    assert!(matches(f, v));
                    drawn += 1;
                });
                assert_eq!(drawn, if fields == 0 { 0 } else { count });
            }
        }
    }

    #[test]
    fn drops_in_slices() {
        let (mut hash, settings) = (Hash::new(), settings());
        (0..20_000)
            .for_each(|n| assert!(hash.set(format!("{n}").as_bytes(), &[b'v'; 40], &settings)));
        let mut turns = 1;
        while !hash.drop_some(1000) {
            turns += 1;
        }
        assert!((20..=22).contains(&turns), "{turns}");
        assert!(hash.heap_bytes() < 2048);
    }
}
