//! What this run must have stored: per key, which versions a read may see. Shared by all threads, without locks.
//!
//! A write takes the next version when it is sent. Two writes of one key in flight at once may be applied in
//! either order, so one exact version is not always known; a window always is:
//! - nothing above `issued` was ever sent;
//! - a write that was sent when every earlier one had been answered overwrites them all, so once it is answered
//!   itself, nothing below it can be read any more: it becomes the `floor`.
//!
//! Where writes of a key do not overlap the window is exactly one version.

use std::sync::atomic::{
    AtomicU8, AtomicU32, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release,
};

/// What only writes of a key touch.
#[derive(Debug, Default)]
struct Writes {
    issued: AtomicU32,
    done: AtomicU32,
}

/// The windows of all keys, and which versions were deletions. Version 0 is "whatever was there before the run".
/// 13 bytes a key, and 4 more each with deletions and with times to live. The floors, the one thing every read
/// needs, lie together, and once more in a byte each as long as that holds them: those of a hundred thousand keys
/// stay in the processor's cache.
#[derive(Debug)]
pub struct Ledger {
    /// Each floor, or [`u8::MAX`] where it is that or more.
    low_floors: Vec<AtomicU8>,
    floors: Vec<AtomicU32>,
    writes: Vec<Writes>,
    /// When the floor was sent, in ms of the run: what a time to live counts from.
    floor_ms: Vec<AtomicU32>,
    /// Several threads write to it; a single one is spared the locked instructions.
    shared: bool,
    deleted: Vec<AtomicU32>,
    inserted: AtomicU64,
}

/// A write's place: its version, and whether every earlier write of the key had been answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ticket {
    pub version: u32,
    pub alone: bool,
}

/// What a ledger has to keep beyond the versions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// Keys will be deleted.
    pub deletions: bool,
    /// Keys will expire.
    pub expiry: bool,
    /// Several threads use it.
    pub shared: bool,
}

impl Ledger {
    /// A ledger for the keys `0..count`, of which the first `inserted` count as there.
    pub fn new(count: u64, inserted: u64, needs: Needs) -> Self {
        let numbers = |wanted: bool| {
            (0..if wanted { count } else { 0 })
                .map(|_| AtomicU32::new(0))
                .collect()
        };
        Ledger {
            low_floors: (0..count).map(|_| AtomicU8::new(0)).collect(),
            floors: numbers(true),
            writes: (0..count).map(|_| Writes::default()).collect(),
            floor_ms: numbers(needs.expiry),
            shared: needs.shared,
            deleted: numbers(needs.deletions),
            inserted: AtomicU64::new(inserted),
        }
    }

    /// The number of keys.
    pub fn len(&self) -> u64 {
        self.floors.len() as u64
    }

    /// How many keys have been inserted so far, never more than there are.
    #[inline]
    pub fn inserted(&self) -> u64 {
        self.inserted.load(Relaxed).min(self.len())
    }

    /// The next key to insert. When the room for keys is used up it begins again at 0, so memory stays constant.
    pub fn insert(&self) -> u64 {
        self.inserted.fetch_add(1, Relaxed) % self.len()
    }

    /// Takes the next version of a key for a write about to be sent.
    #[inline]
    pub fn issue(&self, key: u64) -> Ticket {
        let cell = &self.writes[key as usize];
        // `done` before `issued`: if they agree, all of those writes had been answered at the first load.
        let done = cell.done.load(Acquire);
        let before = self.add_one(&cell.issued);
        Ticket {
            version: before.wrapping_add(1),
            alone: before == done,
        }
    }

    /// Takes the next version of a key for a deletion about to be sent.
    pub fn issue_delete(&self, key: u64) -> Ticket {
        let ticket = self.issue(key);
        if let Some(deleted) = self.deleted.get(key as usize) {
            deleted.fetch_max(ticket.version, AcqRel);
        }
        ticket
    }

    /// A write was answered; `sent_ms` is when it had been sent.
    #[inline]
    pub fn answered(&self, key: u64, ticket: Ticket, sent_ms: u32) {
        if ticket.alone {
            if let Some(floor_ms) = self.floor_ms.get(key as usize) {
                floor_ms.store(sent_ms, Relaxed);
            }
            // Of two such writes the later one was sent after the earlier had been answered: it only goes up.
            self.floors[key as usize].store(ticket.version, Release);
            self.lower(key, ticket.version);
        }
        self.add_one(&self.writes[key as usize].done);
    }

    /// A write whose answer never came can no longer reach the server.
    pub fn lost(&self, key: u64) {
        self.add_one(&self.writes[key as usize].done);
    }

    /// The lowest version a read sent now may see.
    #[inline]
    pub fn floor(&self, key: u64) -> u32 {
        match self.low_floors[key as usize].load(Acquire) {
            u8::MAX => self.floors[key as usize].load(Acquire),
            low => u32::from(low),
        }
    }

    /// The highest version a read answered now may see.
    #[inline]
    pub fn issued(&self, key: u64) -> u32 {
        self.writes[key as usize].issued.load(Acquire)
    }

    /// When the floor had been sent, in ms of the run.
    pub fn floor_ms(&self, key: u64) -> u32 {
        self.floor_ms
            .get(key as usize)
            .map_or(0, |ms| ms.load(Relaxed))
    }

    /// Whether a read whose window began at `floor` may find the key deleted.
    pub fn may_be_deleted(&self, key: u64, floor: u32) -> bool {
        self.deleted
            .get(key as usize)
            .is_some_and(|deleted| deleted.load(Acquire) >= floor.max(1))
    }

    /// Raises the highest counter value any reply has shown (the floor of an `INCR` key).
    pub fn saw_count(&self, key: u64, count: u32) {
        self.floors[key as usize].fetch_max(count, AcqRel);
        self.lower(key, count);
    }

    /// Raises the small copy of a floor, after the floor itself.
    #[inline]
    fn lower(&self, key: u64, floor: u32) {
        let low = u8::try_from(floor).unwrap_or(u8::MAX);
        let copy = &self.low_floors[key as usize];
        if self.shared {
            copy.fetch_max(low, AcqRel);
        } else if copy.load(Relaxed) < low {
            copy.store(low, Release);
        }
    }

    /// Adds one and gives what was there before.
    #[inline]
    fn add_one(&self, number: &AtomicU32) -> u32 {
        if self.shared {
            return number.fetch_add(1, AcqRel);
        }
        let before = number.load(Relaxed);
        number.store(before.wrapping_add(1), Relaxed);
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs = Needs {
        deletions: true,
        expiry: true,
        shared: true,
    };

    #[test]
    fn writes_one_after_the_other_leave_one_version() {
        let ledger = Ledger::new(2, 2, NEEDS);
        for version in 1..=5 {
            let ticket = ledger.issue(1);
            assert_eq!(
                ticket,
                Ticket {
                    version,
                    alone: true
                }
            );
            ledger.answered(1, ticket, 10 * version);
            assert_eq!((ledger.floor(1), ledger.issued(1)), (version, version));
            assert_eq!(ledger.floor_ms(1), 10 * version);
        }
        assert_eq!(ledger.floor(0), 0);
    }

    #[test]
    fn overlapping_writes_keep_the_window_open_until_one_stands_alone() {
        let ledger = Ledger::new(1, 1, NEEDS);
        let a = ledger.issue(0);
        let b = ledger.issue(0);
        assert!(a.alone && !b.alone);
        ledger.answered(0, b, 0);
        assert_eq!((ledger.floor(0), ledger.issued(0)), (0, 2));
        ledger.answered(0, a, 0);
        assert_eq!((ledger.floor(0), ledger.issued(0)), (1, 2));
        let c = ledger.issue(0);
        assert!(c.alone);
        ledger.answered(0, c, 0);
        assert_eq!((ledger.floor(0), ledger.issued(0)), (3, 3));
    }

    #[test]
    fn a_lost_write_stays_possible_until_a_later_one_is_answered() {
        let ledger = Ledger::new(1, 1, NEEDS);
        let first = ledger.issue(0);
        ledger.answered(0, first, 0);
        ledger.issue(0);
        ledger.lost(0);
        assert_eq!((ledger.floor(0), ledger.issued(0)), (1, 2));
        let third = ledger.issue(0);
        ledger.answered(0, third, 0);
        assert_eq!(ledger.floor(0), 3);
    }

    #[test]
    fn deletions_explain_a_missing_key_only_while_they_are_in_the_window() {
        let ledger = Ledger::new(1, 1, NEEDS);
        let write = ledger.issue(0);
        ledger.answered(0, write, 0);
        assert!(!ledger.may_be_deleted(0, ledger.floor(0)));
        let delete = ledger.issue_delete(0);
        assert!(ledger.may_be_deleted(0, 1));
        ledger.answered(0, delete, 0);
        assert!(ledger.may_be_deleted(0, ledger.floor(0)));
        let again = ledger.issue(0);
        ledger.answered(0, again, 0);
        assert!(!ledger.may_be_deleted(0, ledger.floor(0)));
    }

    #[test]
    fn a_single_thread_gets_the_same_answers_without_locked_instructions() {
        for shared in [false, true] {
            let ledger = Ledger::new(
                1,
                1,
                Needs {
                    shared,
                    ..Needs::default()
                },
            );
            let (a, b) = (ledger.issue(0), ledger.issue(0));
            ledger.answered(0, a, 5);
            ledger.answered(0, b, 5);
            assert_eq!(
                (
                    a.version,
                    b.version,
                    ledger.floor(0),
                    ledger.issued(0),
                    ledger.floor_ms(0)
                ),
                (1, 2, 1, 2, 0)
            );
            ledger.saw_count(0, 9);
            ledger.saw_count(0, 8);
            assert_eq!(ledger.floor(0), 9);
        }
    }

    #[test]
    fn floors_go_on_where_their_small_copies_end() {
        for shared in [false, true] {
            let needs = Needs { shared, ..NEEDS };
            let ledger = Ledger::new(2, 2, needs);
            for version in 1..=600 {
                let ticket = ledger.issue(1);
                ledger.answered(1, ticket, 0);
                assert_eq!(ledger.floor(1), version);
            }
            assert_eq!(ledger.floor(0), 0);
            ledger.saw_count(0, 100_000);
            assert_eq!(ledger.floor(0), 100_000);
        }
    }

    #[test]
    fn inserts_wrap_when_the_room_is_used_up() {
        let ledger = Ledger::new(4, 3, NEEDS);
        assert_eq!(
            (ledger.insert(), ledger.insert(), ledger.inserted()),
            (3, 0, 4)
        );
    }
}
