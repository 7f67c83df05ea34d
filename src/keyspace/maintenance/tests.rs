//! What is left to do after FLUSHDB, SWAPDB and expiry, and that it is done.

use std::collections::HashMap;

use super::super::{Db, ExpireCondition, Rng, Seed, Ttl};
use super::*;
use crate::change::Detail;

fn keyspace() -> Keyspace {
    let mut keyspace = Keyspace::new(Seed::fixed(1), 16);
    keyspace.set_now(1_000_000);
    keyspace
}

fn fill(keyspace: &mut Keyspace, db: Db, keys: usize) {
    for number in 0..keys {
        let name = format!("key:{number}");
        let key = keyspace.key(db, name.as_bytes());
        keyspace.put(&key, format!("{db}:{number}").as_bytes());
    }
}

fn expect(keyspace: &mut Keyspace, db: Db, of: Db, keys: usize) {
    assert_eq!(keyspace.counts(db).keys, keys);
    for number in 0..keys {
        let name = format!("key:{number}");
        let key = keyspace.key(db, name.as_bytes());
        let value = keyspace.get(&key).unwrap().map(|value| value.to_vec());
        assert_eq!(value, Some(format!("{of}:{number}").into_bytes()));
    }
}

/// Maintains until nothing is left to do, and gives the number of steps.
fn settle(keyspace: &mut Keyspace) -> usize {
    let mut steps = 0;
    while keyspace.maintain() {
        steps += 1;
        assert!(steps < 100_000, "it ends");
    }
    steps
}

#[test]
fn flushing_one_database_leaves_the_others() {
    let mut keyspace = keyspace();
    for db in 0..3 {
        fill(&mut keyspace, db, 30_000);
    }
    let peak = keyspace.table_bytes();
    keyspace.flush(1);
    expect(&mut keyspace, 1, 1, 0);
    assert_eq!(keyspace.table.len(), 90_000, "they are swept later");
    assert!(keyspace.needs_maintenance());
    // The database is used again while its old keys are swept.
    fill(&mut keyspace, 1, 100);
    assert!(settle(&mut keyspace) > 10, "in many steps");
    assert_eq!(keyspace.table.len(), 60_100);
    assert!(!keyspace.needs_maintenance());
    for (db, keys) in [(0, 30_000), (1, 100), (2, 30_000)] {
        expect(&mut keyspace, db, db, keys);
    }
    keyspace.flush(0);
    keyspace.flush(2);
    settle(&mut keyspace);
    assert_eq!(keyspace.table.len(), 100);
    assert!(keyspace.table_bytes() * 5 < peak, "memory comes back");
}

#[test]
fn flushing_the_only_database_in_use_discards_the_table() {
    let mut keyspace = keyspace();
    fill(&mut keyspace, 4, 3000);
    keyspace.flush(4);
    assert_eq!(keyspace.table.len(), 0);
    fill(&mut keyspace, 4, 10);
    settle(&mut keyspace);
    expect(&mut keyspace, 4, 4, 10);
    fill(&mut keyspace, 5, 10);
    keyspace.flush_all();
    assert!(keyspace.is_empty());
    settle(&mut keyspace);
    assert!(!keyspace.needs_maintenance());
}

#[test]
fn a_database_can_be_flushed_more_often_than_there_are_spaces() {
    let mut keyspace = keyspace();
    fill(&mut keyspace, 0, 50);
    for _ in 0..600 {
        fill(&mut keyspace, 1, 3);
        expect(&mut keyspace, 1, 1, 3);
        keyspace.flush(1);
        expect(&mut keyspace, 1, 1, 0);
    }
    expect(&mut keyspace, 0, 0, 50);
    settle(&mut keyspace);
    assert_eq!(keyspace.table.len(), 50);
}

#[test]
fn swapped_databases_are_flushed_and_swept_under_their_new_numbers() {
    let mut keyspace = keyspace();
    fill(&mut keyspace, 0, 300);
    fill(&mut keyspace, 1, 200);
    keyspace.swap_databases(0, 1);
    expect(&mut keyspace, 0, 1, 200);
    keyspace.flush(0);
    keyspace.swap_databases(0, 1);
    expect(&mut keyspace, 0, 0, 300);
    expect(&mut keyspace, 1, 1, 0);
    fill(&mut keyspace, 1, 20);
    settle(&mut keyspace);
    expect(&mut keyspace, 0, 0, 300);
    expect(&mut keyspace, 1, 1, 20);
    assert_eq!(keyspace.table.len(), 320);
}

#[test]
fn keys_expire_without_being_asked_for() {
    let mut keyspace = keyspace();
    fill(&mut keyspace, 0, 3000);
    keyspace.changes.listen(Detail::Commands);
    for number in 0..2000 {
        let name = format!("key:{number}");
        let key = keyspace.key(0, name.as_bytes());
        assert!(keyspace.expire_at(&key, 1_000_001 + number, ExpireCondition::default()));
    }
    keyspace.changes.drain(|_| {});
    settle(&mut keyspace);
    assert_eq!(keyspace.counts(0).expires, 2000, "not before their time");
    keyspace.set_now(1_001_000);
    let before = keyspace.table.len();
    keyspace.maintain();
    let removed = before - keyspace.table.len();
    assert!((1..1000).contains(&removed), "a bounded step: {removed}");
    // A step may find nothing in its share of the table: go round it some times.
    for _ in 0..100 {
        keyspace.maintain();
    }
    assert_eq!(
        (keyspace.counts(0).keys, keyspace.counts(0).expires),
        (2000, 1000)
    );
    let mut told = 0;
    keyspace.changes.drain(|change| {
        assert_eq!((change.event, change.command[0]), ("expired", &b"DEL"[..]));
        told += 1;
    });
    assert_eq!((told, keyspace.stats().expired), (1000, 1000));
}

#[test]
fn keys_of_a_flushed_database_expire_unseen() {
    let mut keyspace = keyspace();
    fill(&mut keyspace, 0, 10);
    fill(&mut keyspace, 1, 500);
    for number in 0..500 {
        let name = format!("key:{number}");
        let key = keyspace.key(1, name.as_bytes());
        keyspace.expire_at(&key, 1_000_001, ExpireCondition::default());
    }
    keyspace.flush(1);
    keyspace.set_now(1_000_002);
    keyspace.changes.listen(Detail::Commands);
    settle(&mut keyspace);
    assert!(
        keyspace.changes.is_empty(),
        "clients saw them go with FLUSHDB"
    );
    assert_eq!((keyspace.table.len(), keyspace.stats().expired), (10, 0));
}

#[test]
fn databases_agree_with_a_map_of_maps() {
    const DATABASES: usize = 4;
    for seed in 1..=20 {
        let mut rng = Rng::seeded(seed);
        let mut keyspace = keyspace();
        let mut now_ms = 1_000_000;
        // Value and expiry of each key of each database.
        let mut model: Vec<HashMap<String, (String, Option<i64>)>> =
            vec![HashMap::new(); DATABASES];
        for step in 0..3000 {
            let db = rng.below(DATABASES as u64) as usize;
            let name = rng.below(600).to_string();
            let key = keyspace.key(db as Db, name.as_bytes());
            match rng.below(100) {
                0 => {
                    keyspace.flush(db as Db);
                    model[db].clear();
                }
                1 => {
                    let other = rng.below(DATABASES as u64) as usize;
                    keyspace.swap_databases(db as Db, other as Db);
                    model.swap(db, other);
                }
                2..=9 => {
                    keyspace.maintain();
                }
                10..=14 => {
                    now_ms += rng.below(20) as i64;
                    keyspace.set_now(now_ms);
                    for keys in &mut model {
                        keys.retain(|_, (_, at)| at.is_none_or(|at| at > now_ms));
                    }
                }
                15..=29 => assert_eq!(keyspace.delete(&key), model[db].remove(&name).is_some()),
                30..=44 => {
                    let at_ms = now_ms + 1 + rng.below(300) as i64;
                    let done = keyspace.expire_at(&key, at_ms, ExpireCondition::default());
                    let row = model[db].get_mut(&name);
                    assert_eq!(done, row.is_some());
                    if let Some(row) = row {
                        row.1 = Some(at_ms);
                    }
                }
                _ => {
                    keyspace.put(&key, step.to_string().as_bytes());
                    model[db].insert(name, (step.to_string(), None));
                }
            }
        }
        for (db, keys) in model.iter().enumerate() {
            for (name, (value, at_ms)) in keys {
                let key = keyspace.key(db as Db, name.as_bytes());
                let found = keyspace.get(&key).unwrap().map(|value| value.to_vec());
                assert_eq!(found, Some(value.clone().into_bytes()), "seed {seed}");
                assert_eq!(keyspace.ttl(&key), at_ms.map_or(Ttl::Forever, Ttl::At));
            }
            let mut listed = 0;
            keyspace.for_each_key(db as Db, |name, _| {
                assert!(keys.contains_key(std::str::from_utf8(name).unwrap()));
                listed += 1;
            });
            assert_eq!(listed, keys.len());
        }
        // Whatever is gone is gone from the table too, when all that is due has been done.
        for _ in 0..200 {
            keyspace.maintain();
        }
        let held: usize = model.iter().map(HashMap::len).sum();
        assert_eq!(
            (keyspace.table.len(), keyspace.len()),
            (held, held),
            "seed {seed}"
        );
        for (db, keys) in model.iter().enumerate() {
            let expires = keys.values().filter(|row| row.1.is_some()).count();
            let counts = keyspace.counts(db as Db);
            assert_eq!((counts.keys, counts.expires), (keys.len(), expires));
        }
    }
}

#[test]
fn a_big_value_is_freed_later() {
    let mut keyspace = keyspace();
    let key = keyspace.key(0, b"big");
    keyspace.put(&key, &vec![b'x'; 2 * BIG_VALUE_BYTES]);
    assert!(keyspace.delete(&key));
    assert!(keyspace.needs_maintenance());
    settle(&mut keyspace);
    assert!(!keyspace.needs_maintenance());
}
