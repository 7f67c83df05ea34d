//! The table against a naive model, and its inner order after every few steps.

use std::collections::{BTreeSet, HashMap};

use super::*;
use crate::keyspace::Rng;

/// What a record should hold.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    Bytes(Vec<u8>, bool),
    Int(i64),
    /// A string behind a pointer.
    Boxed(Vec<u8>),
}

impl Held {
    fn of(data: Data<'_>) -> Held {
        match data {
            Data::Bytes { bytes, raw } => Held::Bytes(bytes.to_vec(), raw),
            Data::Int(int) => Held::Int(int),
            Data::Value(Value::String(bytes)) => Held::Boxed(bytes.to_vec()),
            Data::Value(other) => panic!("nobody stored {other:?}"),
        }
    }

    fn random(rng: &mut Rng) -> Held {
        let len = match rng.below(8) {
            0 => 0,
            1 => 511 + rng.below(2),
            2 => rng.below(512),
            _ => rng.below(40),
        };
        let bytes = vec![rng.next_u64() as u8; len as usize];
        match rng.below(5) {
            0 => Held::Int(rng.next_u64() as i64),
            1 => Held::Boxed(bytes),
            2 => Held::Bytes(bytes, true),
            _ => Held::Bytes(bytes, false),
        }
    }

    fn hand_to<R>(&self, store: impl FnOnce(NewData<'_>) -> R) -> R {
        match self {
            Held::Bytes(bytes, raw) => store(NewData::Bytes { bytes, raw: *raw }),
            Held::Int(int) => store(NewData::Int(*int)),
            Held::Boxed(bytes) => store(NewData::Value(Value::string(bytes.clone()))),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    held: Held,
    expires_ms: Option<i64>,
    clock: u32,
}

/// The table and the model, changed together.
struct Pair {
    table: Table,
    model: HashMap<(u8, Vec<u8>), Row>,
    /// The model's keys, to choose from.
    keys: Vec<(u8, Vec<u8>)>,
    rng: Rng,
}

impl Pair {
    fn new(seed: u64) -> Self {
        Pair {
            table: Table::new((seed, !seed)),
            model: HashMap::new(),
            keys: Vec::new(),
            rng: Rng::seeded(seed),
        }
    }

    /// A key that is probably not there: short, long, or empty, in one of some spaces.
    fn new_key(&mut self) -> (u8, Vec<u8>) {
        let space = [0, 1, 7, 255][self.rng.below(4) as usize];
        let number = self.rng.next_u64();
        let key = match self.rng.below(40) {
            0 => Vec::new(),
            1 => number.to_string().into_bytes().repeat(14),
            2 => [&[b'k'; 246][..], &number.to_le_bytes()].concat(),
            3 => [&[b'k'; 247][..], &number.to_le_bytes()].concat(),
            _ => number.to_le_bytes()[..3 + self.rng.below(5) as usize].to_vec(),
        };
        (space, key)
    }

    /// A key that is there, taken out of the list (the caller puts it back or removes the record).
    fn known_key(&mut self) -> Option<(u8, Vec<u8>)> {
        if self.keys.is_empty() {
            return None;
        }
        let at = self.rng.below(self.keys.len() as u64) as usize;
        Some(self.keys.swap_remove(at))
    }

    fn insert(&mut self) {
        let name = self.new_key();
        let key = self.table.key(name.0, &name.1);
        let found = self.table.find(&key).is_some();
        assert_eq!(found, self.model.contains_key(&name), "{name:?}");
        if found {
            return;
        }
        let row = Row {
            held: Held::random(&mut self.rng),
            expires_ms: (self.rng.below(3) == 0).then(|| self.rng.next_u64() as i64 >> 1),
            clock: self.rng.below(1 << 24) as u32,
        };
        let table = &mut self.table;
        let at = row
            .held
            .hand_to(|data| table.insert(&key, data, row.expires_ms, row.clock));
        assert_eq!(self.table.record(at).key, &name.1[..]);
        self.model.insert(name.clone(), row);
        self.keys.push(name);
    }

    fn remove(&mut self) {
        let Some(name) = self.known_key() else { return };
        let key = self.table.key(name.0, &name.1);
        let at = self.table.find(&key).expect("a key of the model");
        let removed = self.table.remove(at);
        let row = self.model.remove(&name).expect("a row");
        let boxed = match row.held {
            Held::Boxed(bytes) => Some(bytes),
            Held::Bytes(..) | Held::Int(_) => None,
        };
        assert_eq!(removed.map(text_of), boxed);
        assert!(self.table.find(&key).is_none());
    }

    /// Replaces, expires, persists, touches or edits a record.
    fn change(&mut self) {
        let Some(name) = self.known_key() else { return };
        let key = self.table.key(name.0, &name.1);
        let mut at = self.table.find(&key).expect("a key of the model");
        let row = self.model.get_mut(&name).expect("a row");
        match self.rng.below(6) {
            0 | 1 => {
                let new = Held::random(&mut self.rng);
                let old = new.hand_to(|data| self.table.replace(&mut at, data));
                let boxed = match &row.held {
                    Held::Boxed(bytes) => Some(bytes.clone()),
                    Held::Bytes(..) | Held::Int(_) => None,
                };
                assert_eq!(old.map(text_of), boxed);
                row.held = new;
            }
            2 => {
                row.expires_ms = Some(self.rng.next_u64() as i64);
                self.table.set_expires_ms(&mut at, row.expires_ms);
            }
            3 => {
                row.expires_ms = None;
                self.table.set_expires_ms(&mut at, None);
            }
            4 => {
                row.clock = self.rng.below(1 << 24) as u32;
                self.table.touch(at, row.clock);
            }
            _ => match (self.table.boxed_mut(at), &mut row.held) {
                (Some(Value::String(bytes)), Held::Boxed(model)) => {
                    std::sync::Arc::make_mut(bytes).push(b'!');
                    model.push(b'!');
                }
                (None, Held::Bytes(..) | Held::Int(_)) => {}
                (value, row) => panic!("{value:?} is not {row:?}"),
            },
        }
        let record = self.table.record(at);
        assert_eq!(Held::of(record.data), row.held, "right after the change");
        self.keys.push(name);
    }

    /// Drops about a third of the records of any segment.
    fn retain(&mut self) {
        let index = self.rng.below(self.table.segments() as u64) as usize;
        let (rng, model) = (&mut self.rng, &mut self.model);
        let (mut dropped, mut expected, mut seen) = (Vec::new(), Vec::new(), 0);
        let mut before = 0;
        self.table.visit_segment(index, |_| before += 1);
        self.table.retain_segment(
            index,
            |record| {
                seen += 1;
                if rng.below(3) > 0 {
                    return true;
                }
                let row = model.remove(&(record.space, record.key.to_vec()));
                if let Held::Boxed(bytes) = row.expect("a row").held {
                    expected.push(bytes);
                }
                false
            },
            |value| dropped.push(text_of(value)),
        );
        assert_eq!(seen, before, "each record is asked about once");
        assert_eq!(dropped, expected);
        self.keys.retain(|name| model.contains_key(name));
    }

    fn check(&self) {
        assert_eq!(self.table.len(), self.model.len());
        for (name, row) in &self.model {
            let key = self.table.key(name.0, &name.1);
            let at = self.table.find(&key).expect("a key of the model");
            let record = self.table.record(at);
            let seen = Row {
                held: Held::of(record.data),
                expires_ms: record.expires_ms,
                clock: record.access_clock,
            };
            assert_eq!((record.space, record.key), (name.0, &name.1[..]));
            assert_eq!(&seen, row);
            assert_eq!(self.table.expires_ms(at), row.expires_ms);
        }
        check_table(&self.table);
    }
}

fn text_of(value: Value) -> Vec<u8> {
    match value {
        Value::String(bytes) => bytes.to_vec(),
        other => panic!("nobody stored {other:?}"),
    }
}

/// What must hold of every table, whatever is in it.
fn check_table(table: &Table) {
    assert_eq!(table.segments, (1 << table.level) + table.split);
    assert!(table.split < 1 << table.level);
    let held: usize = table.chunks.iter().map(Vec::len).sum();
    assert_eq!(held, table.segments);
    let mut contents = Contents::default();
    let mut slot_bytes = 0;
    for index in 0..table.segments {
        let segment = table.segment(index);
        check_segment(table, index, segment, &mut contents);
        slot_bytes += segment.heap_bytes();
    }
    assert_eq!(table.len, contents.addresses.len());
    assert_eq!(table.slot_bytes, slot_bytes);
    assert_eq!(
        table.boxes.len(),
        contents.boxes.len(),
        "what is boxed is used"
    );
    table.records.check(contents.addresses);
}

fn check_segment(table: &Table, index: usize, segment: &Segment, held: &mut Contents) {
    let (mut len, mut last_tag, mut next_expiry_ms) = (0, 0, i64::MAX);
    for (at, slot) in segment.slots().iter().enumerate() {
        let Some(address) = slot.address() else {
            continue;
        };
        assert!(
            slot.tag() >= last_tag,
            "slots are in the order of their tags"
        );
        last_tag = slot.tag();
        let record = table.record_at(address);
        let key = table.key(record.space, record.key);
        assert_eq!(
            table.segment_of(key.hash),
            index,
            "a record is in its segment"
        );
        assert_eq!(tag_of(key.hash), slot.tag());
        let found = table
            .find(&key)
            .map(|at| (at.segment as usize, at.slot as usize));
        assert_eq!(found, Some((index, at)), "each record can be found");
        let head = table.records.head(address);
        if let Some(number) = table.boxed_value(address) {
            assert!(matches!(table.boxes.get(number), Some(Boxed::Value(_))));
            assert!(held.boxes.insert(number), "a boxed value is of one record");
        }
        if head.flags & FLAG_LONG_KEY != 0 {
            let number = read_u32(table.records.key(address, &head), 0);
            assert!(matches!(table.boxes.get(number), Some(Boxed::Key(_))));
            assert!(held.boxes.insert(number), "a boxed key is of one record");
        }
        held.addresses.push(address);
        next_expiry_ms = next_expiry_ms.min(record.expires_ms.unwrap_or(i64::MAX));
        len += 1;
    }
    assert_eq!(segment.len(), len);
    assert!(segment.next_expiry_ms <= next_expiry_ms);
}

/// What the slots of a table lead to.
#[derive(Default)]
struct Contents {
    addresses: Vec<u64>,
    boxes: BTreeSet<u32>,
}

#[test]
fn a_table_agrees_with_a_hash_map_while_it_grows_and_shrinks() {
    for seed in 1..=2 {
        let mut pair = Pair::new(seed);
        // How many of 100 steps insert, remove, change: growing, level, shrinking.
        for (inserts, removals, steps) in [(75, 5, 40_000), (20, 20, 10_000), (5, 80, 45_000)] {
            for step in 0..steps {
                match pair.rng.below(100) {
                    share if share < inserts => pair.insert(),
                    share if share < inserts + removals => pair.remove(),
                    _ => pair.change(),
                }
                if pair.rng.below(2000) == 0 {
                    pair.retain();
                }
                if pair.rng.below(50) == 0 {
                    let count = pair.rng.below(20) as usize;
                    pair.table.tidy(count);
                }
                if step % 20_000 == 0 {
                    pair.check();
                }
            }
            pair.check();
        }
        while !pair.model.is_empty() {
            pair.remove();
        }
        pair.check();
        assert_eq!(pair.table.segments(), 1);
    }
}

#[test]
fn small_tables_are_right_after_every_step() {
    for seed in 1..=40 {
        let mut pair = Pair::new(seed);
        for _ in 0..300 {
            match pair.rng.below(12) {
                0..=4 => pair.insert(),
                5..=7 => pair.remove(),
                8 => pair.retain(),
                _ => pair.change(),
            }
            pair.check();
        }
    }
}

#[test]
fn an_expiry_bound_can_be_made_exact() {
    let mut pair = Pair::new(5);
    for _ in 0..2000 {
        pair.insert();
        pair.change();
    }
    for index in 0..pair.table.segments() {
        let mut expected = i64::MAX;
        pair.table.visit_segment(index, |record| {
            expected = expected.min(record.expires_ms.unwrap_or(i64::MAX));
        });
        pair.table.refresh_next_expiry(index);
        assert_eq!(pair.table.next_expiry_ms(index), expected);
    }
}

#[test]
fn a_scan_visits_whatever_is_there_all_the_time() {
    for seed in 1..=30 {
        let mut rng = Rng::seeded(seed);
        let mut table = Table::new((seed, 1));
        let name = |number: u64| number.to_le_bytes();
        let insert = |table: &mut Table, number: u64| {
            let name = name(number);
            let key = table.key(0, &name);
            table.insert(&key, NewData::Int(0), None, 0);
        };
        let remove = |table: &mut Table, number: u64| {
            let name = name(number);
            let key = table.key(0, &name);
            let at = table.find(&key).expect("a key that was put there");
            table.remove(at);
        };
        let staying = 1 + rng.below(3000);
        (0..staying).for_each(|number| insert(&mut table, number));
        // Others come and go between the steps, from none to many and back.
        let mut others = Vec::new();
        let mut next = 1 << 32;
        let mut seen = BTreeSet::new();
        let (mut cursor, mut steps) = (0, 0);
        loop {
            let count = 1 + rng.below(100) as usize;
            cursor = table.scan(cursor, count, |record| {
                seen.insert(record.key.to_vec());
            });
            steps += 1;
            if cursor == 0 {
                break;
            }
            assert!(steps < 100_000, "a scan ends");
            let amount = rng.below(2000);
            let grows = match seed % 3 {
                0 => steps % 20 < 10,
                1 => rng.below(2) == 0,
                _ => steps % 6 < 3,
            };
            if grows && others.len() < 40_000 {
                for _ in 0..amount {
                    insert(&mut table, next);
                    others.push(next);
                    next += 1;
                }
            } else {
                for _ in 0..amount.min(others.len() as u64) {
                    let at = rng.below(others.len() as u64) as usize;
                    remove(&mut table, others.swap_remove(at));
                }
            }
        }
        for number in 0..staying {
            assert!(
                seen.contains(&name(number)[..]),
                "seed {seed}: missed {number}"
            );
        }
    }
}

#[test]
fn a_scan_of_a_table_at_rest_visits_each_record_once() {
    let mut pair = Pair::new(9);
    for _ in 0..20_000 {
        pair.insert();
    }
    for count in [1, 7, 1000, usize::MAX] {
        let (mut cursor, mut seen) = (0, 0);
        let mut names = BTreeSet::new();
        loop {
            cursor = pair.table.scan(cursor, count, |record| {
                seen += 1;
                names.insert((record.space, record.key.to_vec()));
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!((seen, names.len()), (pair.model.len(), pair.model.len()));
    }
}

#[test]
fn any_number_is_a_cursor() {
    let mut pair = Pair::new(11);
    for _ in 0..3000 {
        pair.insert();
    }
    for _ in 0..3000 {
        let mut cursor = pair.rng.next_u64() >> pair.rng.below(64);
        for _ in 0..3 {
            cursor = pair.table.scan(cursor, 10, |_| {});
        }
    }
    assert!(pair.table.scan(u64::MAX, 10, |_| {}) <= i64::MAX as u64);
}

#[test]
fn a_random_record_is_any_record_as_likely() {
    // Sizes at which some segments are split and others are not.
    for keys in [10, 200, 1000, 1500] {
        let mut table = Table::new((3, 4));
        for number in 0..keys as u64 {
            let name = number.to_le_bytes();
            let key = table.key(0, &name);
            table.insert(&key, NewData::Int(number as i64), None, 0);
        }
        let mut rng = Rng::seeded(12);
        let mut counts = vec![0.0_f64; keys];
        let expected = 60.0;
        for _ in 0..keys * expected as usize {
            let at = table.random(|below| rng.below(below)).expect("a record");
            let Data::Int(number) = table.record(at).data else {
                panic!("an integer")
            };
            counts[number as usize] += 1.0;
        }
        // Chi-square with `keys - 1` degrees of freedom: five standard deviations above its mean.
        let chi_square: f64 = counts
            .iter()
            .map(|count| (count - expected).powi(2) / expected)
            .sum();
        let freedom = (keys - 1) as f64;
        let bound = freedom + 5.0 * (2.0 * freedom).sqrt();
        assert!(
            chi_square < bound,
            "{keys} keys: {chi_square} is above {bound}"
        );
    }
    assert!(Table::new((3, 4)).random(|_| 0).is_none());
}

#[test]
fn memory_comes_back_when_records_are_removed() {
    let mut table = Table::new((5, 6));
    let value = [b'v'; 32];
    let name = |number: u64| format!("key:{number}").into_bytes();
    for number in 0..200_000 {
        let name = name(number);
        let key = table.key(0, &name);
        let data = NewData::Bytes {
            bytes: &value,
            raw: false,
        };
        table.insert(&key, data, None, 0);
    }
    let peak = table.heap_bytes();
    assert!(peak < 200_000 * 96, "{} bytes a record", peak / 200_000);
    for number in (0..200_000).filter(|number| number % 10 != 0) {
        let name = name(number);
        let key = table.key(0, &name);
        let at = table.find(&key).expect("a key that was put there");
        table.remove(at);
    }
    check_table(&table);
    assert!(table.is_untidy());
    while table.tidy(100) {}
    check_table(&table);
    let after = table.heap_bytes();
    assert!(after < peak * 3 / 10, "{after} of {peak} bytes are left");
}

#[test]
fn a_table_that_is_dropped_step_by_step_gives_all_its_boxed_values() {
    let mut pair = Pair::new(13);
    for _ in 0..5000 {
        pair.insert();
    }
    let boxed = |row: &&Row| matches!(row.held, Held::Boxed(_));
    let expected = pair.model.values().filter(boxed).count();
    let (mut dropped, mut steps) = (0, 0);
    while pair.table.drop_some(|_| dropped += 1) {
        steps += 1;
    }
    assert_eq!(dropped, expected);
    assert!(steps > 5, "it is done in steps");
    assert!(
        pair.table.heap_bytes() < 10_000,
        "{}",
        pair.table.heap_bytes()
    );
}
