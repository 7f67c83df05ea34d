//! Is this the reply this request must get? Everything a run knows about what it has stored, and the verdict
//! on one reply. Knows no sockets and no histograms.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::codec::Reply;
use crate::ledger::{Ledger, Ticket};
use crate::plan::{Action, Load, Op};
use crate::request::{SERIES_ROWS, SERIES_START, show_bytes};
use crate::target::{Framing, Protocol};

/// A request that has been sent and not been answered.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    pub op: u16,
    pub key: u64,
    pub ticket: Ticket,
    /// The lowest version a read may see.
    pub floor: u32,
    /// The bounds of a counter that were certain when it was sent.
    pub sums: (i64, i64),
    /// When it should have been sent, and when it was, in ns of the run.
    pub intended_ns: u64,
    pub sent_ns: u64,
}

/// What a reply turned out to be.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// As it must be.
    Right,
    /// As it must be, and the key is not there.
    Miss,
    /// Well-formed; what it should contain is not known (the key was not written by this run).
    Unknown,
    /// The target said no.
    Refused,
    /// Not what was stored. The text says what is wrong.
    Wrong(String),
}

/// Elements a queue may hold before a second delivery of the same one can go unnoticed.
const QUEUE_WINDOW: u32 = 1 << 16;

/// A load and all that the run knows about its data. Shared by the threads.
#[derive(Debug)]
pub struct LoadState {
    pub load: Load,
    pub ledger: Ledger,
    verify: bool,
    /// Writes are answered by a read (lab), which is checked as one.
    answers_by_reading: bool,
    /// How far preload and audit have come.
    pub sweep: AtomicU64,
    /// Some write was lost, so a series may lack rows.
    lossy: AtomicBool,
    /// Last popped version per place, one window per queue.
    popped: Vec<AtomicU32>,
    counter: Counter,
}

/// The counter protocol's one number: what was there, and what was added and taken, sent and answered.
#[derive(Debug, Default)]
struct Counter {
    start: AtomicI64,
    up_sent: AtomicI64,
    up_done: AtomicI64,
    down_sent: AtomicI64,
    down_done: AtomicI64,
}

impl LoadState {
    /// The state before anything has been sent.
    pub fn new(load: Load, verify: bool, shared: bool) -> Self {
        let queues = if load.ops.iter().any(|op| op.action == Action::Pop) && load.keys <= 256 {
            load.keys
        } else {
            0
        };
        LoadState {
            ledger: load.ledger(shared),
            verify,
            answers_by_reading: matches!(load.target.protocol, Protocol::Lab(_)),
            sweep: AtomicU64::new(0),
            lossy: AtomicBool::new(false),
            popped: (0..queues * u64::from(QUEUE_WINDOW))
                .map(|_| AtomicU32::new(0))
                .collect(),
            counter: Counter::default(),
            load,
        }
    }

    /// The value the counter had before the run.
    pub fn counter_was(&self, value: i64) {
        self.counter.start.store(value, Relaxed);
    }

    /// The value the counter must have when everything has been answered; `None` if something was lost.
    pub fn counter_must_be(&self) -> Option<i64> {
        let c = &self.counter;
        let sum = c.start.load(Relaxed) + c.up_done.load(Relaxed) - c.down_done.load(Relaxed);
        let certain = c.up_done.load(Relaxed) == c.up_sent.load(Relaxed)
            && c.down_done.load(Relaxed) == c.down_sent.load(Relaxed);
        (self.verify && certain).then_some(sum)
    }

    /// The part of the ledger that a request will need: for a read the floor, the lowest version it may see. Asked
    /// for a whole batch in a row, so that the processor waits for its memory once and not once a request. A floor
    /// read early is at worst a lower one, which is never wrong.
    #[inline]
    pub fn foresee(&self, op_index: usize, key: u64) -> u32 {
        match self.load.ops[op_index].action {
            Action::Write | Action::Push if !self.answers_by_reading => self.ledger.issued(key),
            _ => self.ledger.floor(key),
        }
    }

    /// Enters a request about to be sent.
    /// `foreseen` is what [`LoadState::foresee`] said shortly before.
    #[inline]
    pub fn issue(
        &self,
        op_index: usize,
        key: u64,
        foreseen: u32,
        intended_ns: u64,
        sent_ns: u64,
    ) -> Pending {
        let op = &self.load.ops[op_index];
        let mut pending = Pending {
            op: op_index as u16,
            key,
            ticket: Ticket {
                version: 0,
                alone: false,
            },
            floor: foreseen,
            sums: (0, 0),
            intended_ns,
            sent_ns,
        };
        // Versions also make values differ from write to write, so they are taken even when nothing is checked.
        match op.action {
            Action::Write | Action::Push => pending.ticket = self.ledger.issue(key),
            Action::Delete => pending.ticket = self.ledger.issue_delete(key),
            Action::Bump(n) if n >= 0 => {
                self.counter.up_sent.fetch_add(n, Relaxed);
            }
            Action::Bump(n) => {
                self.counter.down_sent.fetch_add(-n, Relaxed);
            }
            Action::Total => {
                pending.sums = (
                    self.counter.up_done.load(Relaxed),
                    self.counter.down_done.load(Relaxed),
                )
            }
            _ => {}
        }
        pending
    }

    /// Judges a reply and enters what it proves.
    #[inline]
    pub fn judge(&self, pending: &Pending, reply: &Reply<'_>, now_ns: u64) -> Verdict {
        let op = &self.load.ops[usize::from(pending.op)];
        if let Reply::Error(_) = reply {
            self.abandon(pending);
            return Verdict::Refused;
        }
        let verdict = match op.action {
            Action::Read => self.read(pending, reply, now_ns),
            Action::Write => self.written(op, pending, reply, now_ns),
            Action::Delete => match reply {
                Reply::Int(0) | Reply::Missing => Verdict::Miss,
                Reply::Int(1) | Reply::Ok => Verdict::Right,
                _ => wrong_kind("1 or 0", reply),
            },
            Action::Push => match reply {
                Reply::Int(n) if *n > 0 => Verdict::Right,
                _ => wrong_kind("the length of the list", reply),
            },
            Action::Pop => self.popped(pending, reply),
            Action::Increment => self.incremented(pending, reply),
            Action::Bump(n) => match reply {
                Reply::Ok => {
                    let done = if n >= 0 {
                        &self.counter.up_done
                    } else {
                        &self.counter.down_done
                    };
                    done.fetch_add(n.abs(), Relaxed);
                    Verdict::Right
                }
                _ => wrong_kind("ok", reply),
            },
            Action::Total => self.total(pending, reply),
            Action::Other => match reply {
                Reply::Missing => Verdict::Miss,
                _ => Verdict::Right,
            },
        };
        if matches!(op.action, Action::Write | Action::Delete | Action::Push) {
            self.ledger
                .answered(pending.key, pending.ticket, ms(pending.sent_ns));
        }
        verdict
    }

    /// A request that will not be answered any more, and can no longer reach the target.
    pub fn abandon(&self, pending: &Pending) {
        let op = &self.load.ops[usize::from(pending.op)];
        if matches!(op.action, Action::Write | Action::Delete | Action::Push) {
            self.lossy.store(true, Relaxed);
            self.ledger.lost(pending.key);
        }
    }

    /// The length of the value a reply must have, for replies that do not say it.
    #[inline]
    pub fn expected_len(&self, pending: Option<&Pending>) -> usize {
        match (self.load.renderer.protocol, pending) {
            (Protocol::Lab(Framing::Digit), Some(pending)) => {
                self.load.renderer.values.len_of(pending.key, 1)
            }
            _ => 0,
        }
    }

    /// Whether `reply` is what another request would have got: tells a reordered or repeated reply from a wrong one.
    pub fn belongs_to(&self, other: &Pending, reply: &Reply<'_>) -> bool {
        let op = &self.load.ops[usize::from(other.op)];
        let values = &self.load.renderer.values;
        match (op.action, reply) {
            (Action::Read, Reply::Value(bytes)) => values
                .claimed_version(bytes)
                .is_some_and(|v| values.matches(other.key, v, bytes)),
            _ => false,
        }
    }

    #[inline]
    fn written(&self, op: &Op, pending: &Pending, reply: &Reply<'_>, now_ns: u64) -> Verdict {
        match (self.load.renderer.protocol, reply) {
            // The read that follows each write on the same connection sees it, or one that overlapped with it.
            (Protocol::Lab(_), _) => self.read(pending, reply, now_ns),
            (_, Reply::Ok) => Verdict::Right,
            (Protocol::Resp, Reply::Int(_)) if op.template.is_some() => Verdict::Right,
            _ => wrong_kind("ok", reply),
        }
    }

    #[inline]
    fn read(&self, pending: &Pending, reply: &Reply<'_>, now_ns: u64) -> Verdict {
        if !self.verify {
            return if *reply == Reply::Missing {
                Verdict::Miss
            } else {
                Verdict::Right
            };
        }
        let values = &self.load.renderer.values;
        match reply {
            Reply::Value(bytes) => {
                // The floor needs no look at the ledger, and is what a key that is not being written holds.
                if pending.floor > 0 && values.matches(pending.key, pending.floor, bytes) {
                    return Verdict::Right;
                }
                self.read_of_another_version(pending, bytes)
            }
            Reply::Missing => self.missing(pending, now_ns),
            Reply::Rows(rows) if self.load.renderer.protocol == Protocol::Metrics => {
                self.series(pending, rows)
            }
            Reply::Ok if self.load.renderer.protocol == Protocol::Metrics => {
                self.series(pending, b"")
            }
            _ => wrong_kind("a value", reply),
        }
    }

    fn read_of_another_version(&self, pending: &Pending, bytes: &[u8]) -> Verdict {
        const TRIES: u32 = 64;
        let (key, floor) = (pending.key, pending.floor);
        let values = &self.load.renderer.values;
        let issued = self.ledger.issued(key);
        let lowest = floor.max(1);
        if let Some(version) = values.claimed_version(bytes) {
            let genuine = values.matches(key, version, bytes);
            return match () {
                () if genuine && (lowest..=issued).contains(&version) => Verdict::Right,
                () if floor == 0 => Verdict::Unknown,
                () if genuine => Verdict::Wrong(format!(
                    "stale: version {version}, but {floor} was acknowledged before the read was sent"
                )),
                () => Verdict::Wrong(format!(
                    "not a value of this key (versions {lowest} to {issued})"
                )),
            };
        }
        if (lowest..=issued)
            .rev()
            .take(TRIES as usize)
            .any(|v| values.matches(key, v, bytes))
        {
            Verdict::Right
        } else if floor == 0 || issued - lowest >= TRIES {
            Verdict::Unknown
        } else {
            Verdict::Wrong(format!(
                "not a value of this key (versions {lowest} to {issued})"
            ))
        }
    }

    #[cold]
    fn missing(&self, pending: &Pending, now_ns: u64) -> Verdict {
        let expired = || {
            let age_ms = ms(now_ns).saturating_sub(self.ledger.floor_ms(pending.key));
            self.load.ttl_ms.is_some_and(|ttl| age_ms >= ttl)
        };
        if pending.floor == 0 || self.ledger.may_be_deleted(pending.key, pending.floor) || expired()
        {
            Verdict::Miss
        } else {
            Verdict::Wrong(format!(
                "missing, but version {} was acknowledged before the read was sent",
                pending.floor
            ))
        }
    }

    fn incremented(&self, pending: &Pending, reply: &Reply<'_>) -> Verdict {
        let Reply::Int(n) = reply else {
            return wrong_kind("a number", reply);
        };
        let Ok(count) = u32::try_from(*n) else {
            return Verdict::Unknown;
        };
        self.ledger.saw_count(pending.key, count);
        if !self.verify || count > pending.floor {
            Verdict::Right
        } else {
            Verdict::Wrong(format!(
                "{n}, but {} had been reached before it was sent",
                pending.floor
            ))
        }
    }

    fn popped(&self, pending: &Pending, reply: &Reply<'_>) -> Verdict {
        let bytes = match reply {
            Reply::Missing => return Verdict::Miss,
            Reply::Value(bytes) => *bytes,
            _ => return wrong_kind("an element", reply),
        };
        if !self.verify {
            return Verdict::Right;
        }
        let values = &self.load.renderer.values;
        let Some(version) = values.claimed_version(bytes) else {
            return if bytes.len() < 16 {
                Verdict::Unknown
            } else {
                Verdict::Wrong("an element that was never pushed".into())
            };
        };
        if version == 0
            || version > self.ledger.issued(pending.key)
            || !values.matches(pending.key, version, bytes)
        {
            return Verdict::Wrong("an element that was never pushed".into());
        }
        let place = pending.key * u64::from(QUEUE_WINDOW) + u64::from(version % QUEUE_WINDOW);
        match self.popped.get(place as usize) {
            Some(last) if last.swap(version, Relaxed) == version => Verdict::Wrong(format!(
                "duplicated: element {version} of the queue was delivered before"
            )),
            _ => Verdict::Right,
        }
    }

    fn total(&self, pending: &Pending, reply: &Reply<'_>) -> Verdict {
        let Reply::Int(n) = *reply else {
            return wrong_kind("val N", reply);
        };
        let c = &self.counter;
        let (up_before, down_before) = pending.sums;
        let low = c.start.load(Relaxed) + up_before - c.down_sent.load(Relaxed);
        let high = c.start.load(Relaxed) + c.up_sent.load(Relaxed) - down_before;
        if !self.verify || (low..=high).contains(&n) {
            Verdict::Right
        } else {
            Verdict::Wrong(format!("{n}, but it must be from {low} to {high}"))
        }
    }

    fn series(&self, pending: &Pending, rows: &[u8]) -> Verdict {
        let (key, floor) = (pending.key, pending.floor);
        let renderer = &self.load.renderer;
        let issued = self.ledger.issued(key);
        let mut name = Vec::new();
        renderer.names.write(key, &mut name);
        let (mut last, mut count) = (i64::MIN, 0);
        for row in rows.split_inclusive(|b| *b == b'\n') {
            let mut words = row.trim_ascii_end().split(|b| *b == b' ');
            let text = |word: Option<&'_ [u8]>| {
                word.and_then(|w| std::str::from_utf8(w).ok().map(str::to_owned))
            };
            let (row_name, value, timestamp) =
                (words.next(), text(words.next()), text(words.next()));
            let value = value.and_then(|v| v.parse::<f64>().ok());
            let timestamp = timestamp.and_then(|t| t.parse::<i64>().ok());
            let (Some(value), Some(timestamp), None) = (value, timestamp, words.next()) else {
                return Verdict::Wrong(format!("a row that is none: {}", show_bytes(row, 60)));
            };
            if row_name != Some(name.as_slice()) {
                return Verdict::Wrong(format!("a row of another key: {}", show_bytes(row, 60)));
            }
            if timestamp <= last {
                return Verdict::Wrong("rows that do not go up by timestamp".to_string());
            }
            last = timestamp;
            let Some(place) = u32::try_from(timestamp - SERIES_START)
                .ok()
                .filter(|p| *p < SERIES_ROWS)
            else {
                continue;
            };
            // The newest version up to the floor that was written to this timestamp: 0 if there is none.
            let lowest =
                floor.saturating_sub((floor % SERIES_ROWS + SERIES_ROWS - place) % SERIES_ROWS);
            if floor == 0 || lowest == 0 {
                continue;
            }
            count += 1;
            let version = value as u32;
            let genuine = version % SERIES_ROWS == place
                && value == renderer.metric(key, version)
                && version <= issued;
            if !genuine || (version < lowest && !self.lossy.load(Relaxed)) {
                return Verdict::Wrong(format!(
                    "a row that was not stored: {}",
                    show_bytes(row, 60)
                ));
            }
        }
        if count < floor.min(SERIES_ROWS) && !self.lossy.load(Relaxed) {
            return Verdict::Wrong(format!(
                "missing rows: {count} of {}",
                floor.min(SERIES_ROWS)
            ));
        }
        match (floor, rows) {
            (0, b"") => Verdict::Miss,
            (0, _) => Verdict::Unknown,
            _ => Verdict::Right,
        }
    }
}

/// A reply on one line, for a report.
pub fn show_reply(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Ok => "ok".to_string(),
        Reply::Missing => "(nothing)".to_string(),
        Reply::Int(n) => n.to_string(),
        Reply::Value(bytes) | Reply::Error(bytes) | Reply::Rows(bytes) | Reply::Other(bytes) => {
            show_bytes(bytes, 64)
        }
    }
}

#[cold]
fn wrong_kind(want: &str, reply: &Reply<'_>) -> Verdict {
    Verdict::Wrong(format!(
        "a reply of another kind: {want} was due, {} came",
        kind(reply)
    ))
}

fn kind(reply: &Reply<'_>) -> &'static str {
    match reply {
        Reply::Ok => "ok",
        Reply::Value(_) => "a value",
        Reply::Missing => "nothing",
        Reply::Int(_) => "a number",
        Reply::Error(_) => "an error",
        Reply::Rows(_) => "rows",
        Reply::Other(_) => "something else",
    }
}

fn ms(ns: u64) -> u32 {
    (ns / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::spec::{LoadSpec, RunSpec};
    use crate::target::Target;

    fn state(target: &str, commands: &[&str]) -> LoadState {
        let spec = LoadSpec {
            commands: commands.iter().map(|t| t.to_string()).collect(),
            ..LoadSpec::default()
        };
        let target = Target::parse(target).expect("target");
        let plan = Plan::new(&RunSpec::default(), &[(target, spec)]).expect("plan");
        LoadState::new(plan.loads[0].clone(), true, false)
    }

    fn value(state: &LoadState, key: u64, version: u32) -> Vec<u8> {
        let mut out = Vec::new();
        state.load.renderer.values.write(key, version, &mut out);
        out
    }

    const READ: usize = 0;
    const WRITE: usize = 1;
    const DELETE: usize = 2;

    fn cells() -> LoadState {
        state(
            "resp://127.0.0.1:1",
            &["GET __key__", "SET __key__ __value__", "DEL __key__"],
        )
    }

    fn write(state: &LoadState, key: u64) {
        let w = state.issue(WRITE, key, state.foresee(WRITE, key), 0, 0);
        assert_eq!(state.judge(&w, &Reply::Ok, 1), Verdict::Right);
    }

    #[test]
    fn a_read_sees_the_last_write_and_nothing_else() {
        let s = cells();
        write(&s, 5);
        write(&s, 5);
        let r = s.issue(READ, 5, s.foresee(READ, 5), 0, 0);
        assert_eq!(
            s.judge(&r, &Reply::Value(&value(&s, 5, 2)), 1),
            Verdict::Right
        );
        let told = |reply: Reply<'_>| match s.judge(&r, &reply, 1) {
            Verdict::Wrong(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(told(Reply::Value(&value(&s, 5, 1))).contains("stale"));
        assert!(told(Reply::Value(&value(&s, 6, 2))).contains("not a value of this key"));
        assert!(told(Reply::Missing).contains("missing"));
        assert!(told(Reply::Ok).contains("another kind"));
        assert_eq!(s.judge(&r, &Reply::Error(b"ERR"), 1), Verdict::Refused);
    }

    #[test]
    fn overlapping_writes_allow_either_value() {
        let s = cells();
        write(&s, 1);
        let r = s.issue(READ, 1, s.foresee(READ, 1), 0, 0);
        let w = s.issue(WRITE, 1, s.foresee(WRITE, 1), 0, 0);
        assert_eq!(
            s.judge(&r, &Reply::Value(&value(&s, 1, 1)), 1),
            Verdict::Right
        );
        assert_eq!(
            s.judge(&r, &Reply::Value(&value(&s, 1, 2)), 1),
            Verdict::Right
        );
        assert!(matches!(
            s.judge(&r, &Reply::Value(&value(&s, 1, 3)), 1),
            Verdict::Wrong(_)
        ));
        assert_eq!(s.judge(&w, &Reply::Ok, 1), Verdict::Right);
    }

    #[test]
    fn keys_of_others_are_unknown_and_deleted_ones_missing() {
        let s = cells();
        let r = s.issue(READ, 9, s.foresee(READ, 9), 0, 0);
        assert_eq!(
            s.judge(&r, &Reply::Value(b"whatever was there before"), 1),
            Verdict::Unknown
        );
        assert_eq!(s.judge(&r, &Reply::Missing, 1), Verdict::Miss);
        write(&s, 9);
        let d = s.issue(DELETE, 9, s.foresee(DELETE, 9), 0, 0);
        assert_eq!(s.judge(&d, &Reply::Int(1), 1), Verdict::Right);
        let r = s.issue(READ, 9, s.foresee(READ, 9), 0, 0);
        assert_eq!(s.judge(&r, &Reply::Missing, 1), Verdict::Miss);
        assert!(matches!(
            s.judge(&r, &Reply::Value(&value(&s, 9, 1)), 1),
            Verdict::Wrong(_)
        ));
    }

    #[test]
    fn a_ttl_explains_a_missing_key_only_once_it_has_passed() {
        let s = state(
            "resp://127.0.0.1:1",
            &["GET __key__", "SET __key__ __value__ PX 50"],
        );
        let w = s.issue(WRITE, 1, s.foresee(WRITE, 1), 0, 10_000_000);
        assert_eq!(s.judge(&w, &Reply::Ok, 11_000_000), Verdict::Right);
        let r = s.issue(READ, 1, s.foresee(READ, 1), 0, 20_000_000);
        assert!(matches!(
            s.judge(&r, &Reply::Missing, 30_000_000),
            Verdict::Wrong(_)
        ));
        assert_eq!(s.judge(&r, &Reply::Missing, 60_000_000), Verdict::Miss);
    }

    #[test]
    fn a_queue_delivers_each_element_once() {
        let s = state(
            "resp://127.0.0.1:1",
            &["LPUSH __key__ __value__", "RPOP __key__"],
        );
        // Too many keys for windows: this load has the default 100k, so only a small one remembers.
        assert!(s.popped.is_empty());
        let spec = LoadSpec {
            mix: Some("queue".into()),
            ..LoadSpec::default()
        };
        let target = Target::parse("resp://127.0.0.1:1").expect("target");
        let plan = Plan::new(&RunSpec::default(), &[(target, spec)]).expect("plan");
        let s = LoadState::new(plan.loads[0].clone(), true, false);
        let push = s.issue(0, 3, s.foresee(0, 3), 0, 0);
        assert_eq!(s.judge(&push, &Reply::Int(1), 1), Verdict::Right);
        let pop = s.issue(1, 3, s.foresee(1, 3), 0, 0);
        let element = value(&s, 3, 1);
        assert_eq!(s.judge(&pop, &Reply::Value(&element), 1), Verdict::Right);
        assert!(
            matches!(s.judge(&pop, &Reply::Value(&element), 1), Verdict::Wrong(why) if why.contains("duplicated"))
        );
        assert!(matches!(
            s.judge(&pop, &Reply::Value(&value(&s, 3, 2)), 1),
            Verdict::Wrong(_)
        ));
        assert_eq!(s.judge(&pop, &Reply::Missing, 1), Verdict::Miss);
    }

    #[test]
    fn a_counter_stays_within_what_was_sent_and_answered() {
        let s = state("counter://127.0.0.1:1", &["get", "add 5", "decr"]);
        s.counter_was(100);
        let up = s.issue(1, 0, s.foresee(1, 0), 0, 0);
        let get = s.issue(0, 0, s.foresee(0, 0), 0, 0);
        for n in [100, 105] {
            assert_eq!(s.judge(&get, &Reply::Int(n), 1), Verdict::Right);
        }
        assert!(matches!(
            s.judge(&get, &Reply::Int(106), 1),
            Verdict::Wrong(_)
        ));
        assert_eq!(s.counter_must_be(), None);
        assert_eq!(s.judge(&up, &Reply::Ok, 1), Verdict::Right);
        let get = s.issue(0, 0, s.foresee(0, 0), 0, 0);
        assert!(matches!(
            s.judge(&get, &Reply::Int(100), 1),
            Verdict::Wrong(_)
        ));
        assert_eq!(s.counter_must_be(), Some(105));
    }

    #[test]
    fn increments_only_go_up() {
        let s = state("resp://127.0.0.1:1", &["INCR __key__"]);
        let a = s.issue(0, 1, s.foresee(0, 1), 0, 0);
        assert_eq!(s.judge(&a, &Reply::Int(41), 1), Verdict::Right);
        let b = s.issue(0, 1, s.foresee(0, 1), 0, 0);
        assert!(matches!(s.judge(&b, &Reply::Int(41), 1), Verdict::Wrong(_)));
        assert_eq!(s.judge(&b, &Reply::Int(42), 1), Verdict::Right);
    }

    #[test]
    fn a_series_must_hold_what_was_put() {
        let s = state("metrics://127.0.0.1:1", &["get", "put"]);
        for _ in 0..3 {
            let put = s.issue(1, 2, s.foresee(1, 2), 0, 0);
            assert_eq!(s.judge(&put, &Reply::Ok, 1), Verdict::Right);
        }
        let row = |version: u32| {
            let mut name = Vec::new();
            s.load.renderer.names.write(2, &mut name);
            format!(
                "{} {:?} {}\n",
                String::from_utf8_lossy(&name),
                s.load.renderer.metric(2, version),
                SERIES_START + i64::from(version % SERIES_ROWS)
            )
        };
        let get = s.issue(0, 2, s.foresee(0, 2), 0, 0);
        let all = row(1) + &row(2) + &row(3);
        assert_eq!(
            s.judge(&get, &Reply::Rows(all.as_bytes()), 1),
            Verdict::Right
        );
        for wrong in [
            row(1) + &row(2),
            row(2) + &row(1) + &row(3),
            all.replace("series", "serief"),
            all.replacen(' ', " 9", 1),
        ] {
            assert!(
                matches!(
                    s.judge(&get, &Reply::Rows(wrong.as_bytes()), 1),
                    Verdict::Wrong(_)
                ),
                "{wrong}"
            );
        }
        assert!(matches!(s.judge(&get, &Reply::Ok, 1), Verdict::Wrong(_)));
    }
}
