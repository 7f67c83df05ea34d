//! Which database has which space, and what becomes of spaces that were given up.

use super::*;

#[test]
fn swapping_exchanges_keys_and_counts() {
    let mut databases = Databases::new(4);
    databases.added(databases.space(1), true);
    databases.swap(1, 3);
    assert_eq!(databases.counts(1), Counts::default());
    assert_eq!(
        databases.counts(3),
        Counts {
            keys: 1,
            expires: 1
        }
    );
    for db in 0..4 {
        assert_eq!(databases.number(databases.space(db)), db);
    }
    databases.swap(2, 2);
    assert_eq!(databases.number(databases.space(2)), 2);
}

#[test]
fn a_retired_space_comes_back_when_it_is_swept() {
    let mut databases = Databases::new(2);
    assert!(databases.retire(0) && !databases.has_retired(), "empty");
    let old = databases.space(0);
    databases.added(old, false);
    assert!(databases.retire(0));
    let new = databases.space(0);
    assert_ne!(new, old);
    assert!(new != databases.space(1) && databases.is_retired(old) && !databases.is_retired(new));
    assert_eq!(databases.number(new), 0);
    assert_eq!((databases.counts(0).keys, databases.total_keys()), (0, 0));
    databases.release_swept();
    assert!(databases.is_retired(old), "it holds a key");
    databases.removed(old, false);
    databases.release_swept();
    assert!(!databases.has_retired());
}

#[test]
fn every_space_is_used_before_none_is_left() {
    let mut databases = Databases::new(128);
    for round in 0..128 {
        databases.added(databases.space(5), false);
        assert!(databases.retire(5), "round {round}");
    }
    databases.added(databases.space(5), false);
    assert!(!databases.retire(5), "128 are in use and 128 wait");
    assert_eq!(databases.counts(5).keys, 1, "nothing has changed");
    let spaces: std::collections::BTreeSet<u8> = (0..128).map(|db| databases.space(db)).collect();
    assert_eq!(spaces.len(), 128);
}

#[test]
fn expiries_are_counted() {
    let mut databases = Databases::new(1);
    let space = databases.space(0);
    databases.added(space, false);
    assert!(!databases.any_expires());
    databases.expiry_changed(space, false, true);
    assert!(databases.any_expires());
    databases.expiry_changed(space, true, true);
    databases.expiry_changed(space, true, false);
    assert_eq!(
        databases.counts(0),
        Counts {
            keys: 1,
            expires: 0
        }
    );
    databases.clear();
    assert_eq!(databases.total_keys(), 0);
}
