//! Union, intersection and difference of sets: as members borrowed from them, for a reply, and as a
//! new set.
//!
//! For a reply nothing is copied. A new set has the form that Redis would give it: it starts as an
//! array of integers (an intersection in the form of its smallest set) and is upgraded by what is
//! put in.

use std::cmp::Reverse;
use std::ptr;

use super::compact::Entry;
use super::set::Set;
use super::settings::Settings;

/// The members of a combination of sets, each once.
#[derive(Debug)]
pub enum Members<'a> {
    /// All of this set.
    All(&'a Set),
    /// These.
    These(Vec<Entry<'a>>),
}

impl<'a> Members<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Members::All(set) => set.len(),
            Members::These(members) => members.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows each.
    pub fn for_each(self, visit: impl FnMut(Entry<'a>)) {
        match self {
            Members::All(set) => set.iter().for_each(visit),
            Members::These(members) => members.into_iter().for_each(visit),
        }
    }
}

/// What is in any of the sets. O(members of all sets), without looking into the largest one's.
pub fn union<'a>(sets: &[&'a Set], settings: &Settings) -> Members<'a> {
    let Some(&largest) = sets.iter().max_by_key(|set| set.len()) else {
        return Members::These(Vec::new());
    };
    let mut others: Vec<&Set> = sets.to_vec();
    others.retain(|set| !ptr::eq(*set, largest));
    if others.is_empty() {
        return Members::All(largest);
    }
    let mut members: Vec<Entry<'a>> = largest.iter().collect();
    // What the largest set lacks may be in several of the others.
    let mut added = Set::for_members(b"", usize::MAX, settings);
    for other in &others {
        members.extend(other.iter().filter(|member| {
            !largest.contains_entry(*member)
                && (others.len() == 1 || added.insert_entry(*member, settings))
        }));
    }
    if sets.iter().all(|set| set.is_intset()) {
        // So it would be if they had been put into one array.
        members.sort_unstable_by_key(|member| match member {
            Entry::Int(value) => *value,
            Entry::Bytes(_) => 0,
        });
    }
    Members::These(members)
}

/// What is in all of the sets, of which there is at least one; looked up as it is asked for.
/// O(members of the smallest set * sets).
pub fn intersection<'a>(sets: &[&'a Set]) -> impl Iterator<Item = Entry<'a>> + use<'a> {
    let mut sets = sets.to_vec();
    sets.sort_by_key(|set| set.len());
    sets.dedup_by(|a, b| ptr::eq(*a, *b));
    let mut sets = sets.into_iter();
    let smallest = sets.next();
    let others: Vec<&Set> = sets.collect();
    let candidates = smallest.into_iter().flat_map(Set::iter);
    candidates.filter(move |member| others.iter().all(|other| other.contains_entry(*member)))
}

/// What is in the first set and in none of the others. By the cheaper of two ways: looking each
/// member up in the others, or looking up the others' members in the first.
pub fn difference<'a>(first: &'a Set, others: &[&'a Set]) -> Members<'a> {
    if others.is_empty() {
        return Members::All(first);
    }
    if others.iter().any(|other| ptr::eq(*other, first)) {
        return Members::These(Vec::new());
    }
    if lookups_are_cheaper(first, others) {
        return Members::These(not_in(first, others).collect());
    }
    let mut is_gone = vec![false; first.len()];
    for member in others.iter().flat_map(|other| other.iter()) {
        if let Some(index) = first.index_of(member) {
            is_gone[index] = true;
        }
    }
    let left = first.iter().zip(is_gone).filter(|(_, is_gone)| !is_gone);
    Members::These(left.map(|(member, _)| member).collect())
}

/// A new set of what is in any of the sets.
pub fn union_set(sets: &[&Set], settings: &Settings) -> Set {
    let small_max = settings
        .set_max_intset_entries
        .max(settings.set_max_listpack_entries);
    let mut sets = sets.to_vec();
    let largest = (0..sets.len()).max_by_key(|&at| sets[at].len());
    let mut union = match largest {
        // The union will be a table in any case: copying one costs less than filling it.
        Some(at) if sets[at].len() > small_max => sets.swap_remove(at).clone(),
        _ => Set::intset(),
    };
    union.expect(union.len(), settings);
    for member in sets.iter().flat_map(|set| set.iter()) {
        union.insert_entry(member, settings);
    }
    union
}

/// A new set of what is in all of the sets.
pub fn intersection_set(sets: &[&Set], settings: &Settings) -> Set {
    let smallest = sets.iter().min_by_key(|set| set.len());
    let mut result = match smallest {
        Some(smallest) if smallest.is_intset() => Set::intset(),
        _ => Set::listpack(),
    };
    for member in intersection(sets) {
        result.insert_entry(member, settings);
    }
    result.narrow(settings);
    result
}

/// A new set of what is in the first set and in none of the others.
pub fn difference_set(first: &Set, others: &[&Set], settings: &Settings) -> Set {
    if others.iter().any(|other| ptr::eq(*other, first)) {
        return Set::intset();
    }
    if lookups_are_cheaper(first, others) {
        let mut result = Set::intset();
        for member in not_in(first, others) {
            result.insert_entry(member, settings);
        }
        return result;
    }
    let mut result = union_set(&[first], settings);
    for other in others {
        for member in other.iter() {
            result.remove_entry(member);
        }
        if result.is_empty() {
            break;
        }
    }
    result
}

/// Redis's rule, since the way shows in the form of the result: a lookup that may find its member
/// in the first of the others counts half.
fn lookups_are_cheaper(first: &Set, others: &[&Set]) -> bool {
    let lookups = first.len().saturating_mul(others.len() + 1);
    let all: usize = others.iter().map(|other| other.len()).sum();
    lookups / 2 <= first.len() + all
}

fn not_in<'a>(first: &'a Set, others: &[&'a Set]) -> impl Iterator<Item = Entry<'a>> + use<'a> {
    // A large set is more likely to have the member.
    let mut others = others.to_vec();
    others.sort_by_key(|other| Reverse(other.len()));
    first
        .iter()
        .filter(move |member| !others.iter().any(|other| other.contains_entry(*member)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::keyspace::collections::KeyedState;
    use crate::keyspace::rng::Rng;

    type Model = BTreeSet<Vec<u8>>;

    fn settings() -> Settings {
        Settings::new(KeyedState { k0: 9, k1: 10 })
    }

    fn filled(members: impl IntoIterator<Item = String>, settings: &Settings) -> Set {
        let mut set = Set::intset();
        for member in members {
            set.insert(member.as_bytes(), settings);
        }
        set
    }

    fn texts<'a>(members: impl Iterator<Item = Entry<'a>>) -> Vec<Vec<u8>> {
        members.map(Entry::to_vec).collect()
    }

    fn shown(members: Members<'_>) -> Vec<Vec<u8>> {
        let (len, mut shown) = (members.len(), Vec::new());
        members.for_each(|member| shown.push(member.to_vec()));
        assert_eq!(len, shown.len());
        shown
    }

    /// Each member once, and no other.
    fn check(got: Vec<Vec<u8>>, expected: &Model) {
        assert_eq!(got.len(), expected.len());
        assert_eq!(&got.into_iter().collect::<Model>(), expected);
    }

    #[test]
    fn combinations_are_those_of_sets() {
        let (mut rng, settings) = (Rng::seeded(60), settings());
        let mut ways = [0; 2];
        for _ in 0..300 {
            let sets: Vec<Set> = (0..1 + rng.index(5))
                .map(|_| {
                    let range = [8, 60, 900][rng.index(3)];
                    let (len, letters) = (rng.index(range), rng.index(3));
                    let members = (0..len).map(|_| match rng.index(3) {
                        n if n < letters => format!("m{}", rng.index(range)),
                        _ => rng.index(range).to_string(),
                    });
                    filled(members.collect::<Vec<_>>(), &settings)
                })
                .collect();
            // The same set more than once, sometimes.
            let refs: Vec<&Set> = (0..1 + rng.index(6))
                .map(|_| &sets[rng.index(sets.len())])
                .collect();
            let models: Vec<Model> = refs
                .iter()
                .map(|set| texts(set.iter()).into_iter().collect())
                .collect();
            let fold = |combine: fn(&Model, &Model) -> Model| {
                let (first, others) = models.split_first().unwrap();
                others
                    .iter()
                    .fold(first.clone(), |so_far, other| combine(&so_far, other))
            };

            let expected = fold(|a, b| a | b);
            check(shown(union(&refs, &settings)), &expected);
            check(texts(union_set(&refs, &settings).iter()), &expected);

            let expected = fold(|a, b| a & b);
            check(texts(intersection(&refs)), &expected);
            check(texts(intersection_set(&refs, &settings).iter()), &expected);

            let expected = fold(|a, b| a - b);
            let (first, others) = refs.split_first().unwrap();
            ways[usize::from(lookups_are_cheaper(first, others))] += 1;
            check(shown(difference(first, others)), &expected);
            let stored = difference_set(first, others, &settings);
            check(texts(stored.iter()), &expected);
        }
        assert!(ways.iter().all(|&count| count > 10), "{ways:?}");
    }

    #[test]
    fn new_sets_have_the_forms_that_redis_gives_them() {
        let settings = settings();
        let ints = |range: std::ops::Range<i32>| filled(range.map(|n| n.to_string()), &settings);
        let words = |range: std::ops::Range<i32>| filled(range.map(|n| format!("m{n}")), &settings);
        let with_word = |range, word: &str| {
            let mut set = ints(range);
            set.insert(word.as_bytes(), &settings);
            set
        };

        let union_of = |sets: &[&Set]| union_set(sets, &settings).encoding();
        assert_eq!(union_of(&[&ints(0..9), &ints(5..20)]), "intset");
        assert_eq!(union_of(&[&ints(0..300), &ints(212..512)]), "intset");
        assert_eq!(union_of(&[&ints(0..300), &ints(212..513)]), "hashtable");
        assert_eq!(union_of(&[&ints(0..9), &words(0..9)]), "listpack");
        assert_eq!(union_of(&[&ints(0..100), &words(0..29)]), "hashtable");
        assert_eq!(union_of(&[&ints(0..9), &words(0..900)]), "hashtable");

        // The smallest set's form, unless only integers are left.
        let inter_of = |sets: &[&Set]| intersection_set(sets, &settings).encoding();
        assert_eq!(inter_of(&[&ints(0..9), &ints(0..900)]), "intset");
        assert_eq!(inter_of(&[&words(0..9), &words(0..900)]), "listpack");
        assert_eq!(
            inter_of(&[&with_word(0..9, "a"), &with_word(0..9, "b")]),
            "intset"
        );
        assert_eq!(
            inter_of(&[&ints(0..513), &with_word(0..512, "a")]),
            "intset"
        );
        assert_eq!(inter_of(&[&words(0..200), &words(0..900)]), "hashtable");

        let diff_of =
            |first: &Set, others: &[&Set]| difference_set(first, others, &settings).encoding();
        let (word, none) = (words(0..1), Set::intset());
        assert_eq!(diff_of(&with_word(0..9, "m0"), &[&word]), "intset");
        // By removing from a copy, what is left keeps the copy's form.
        assert_eq!(
            diff_of(&with_word(0..9, "m0"), &[&word, &none, &none]),
            "listpack"
        );
        assert_eq!(
            diff_of(&with_word(0..600, "m0"), &[&word, &none, &none]),
            "hashtable"
        );
    }

    #[test]
    fn a_union_of_arrays_is_in_order() {
        let settings = settings();
        let (a, b) = (
            filled(["5", "1", "9"].map(String::from), &settings),
            filled(["-3", "5"].map(String::from), &settings),
        );
        assert_eq!(
            shown(union(&[&a, &b], &settings)),
            [&b"-3"[..], b"1", b"5", b"9"]
        );
    }
}
