//! The journal on a disk that fails: after any crash, what was acknowledged is there, and nothing is there by half.
//! `PENTAD_CASES` is the number of cases of each property, `PENTAD_SEED` runs one.

mod common;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/frame.rs"]
mod frame;

use common::grammar::{Generator, Rule, rules};
use common::resp::{Value, encode_into, request};
use common::rng::{for_each_seed, number_from_env};
use common::{Driven, Rng};
use disk::SimDisk;
use frame::frame;
use pentad::ConnId;
use pentad::config::Scheme;
use pentad::hub::Gate;
use pentad::storage::journal::{self, Journal, JournalOptions};
use pentad::storage::{Fsync, StorageError};

type Contents = Vec<(u8, Vec<u8>, Value, Value, Value)>;

fn cases(usual: u64) -> u64 {
    number_from_env("PENTAD_CASES").unwrap_or(usual)
}

fn options(fsync: Fsync) -> JournalOptions {
    JournalOptions {
        fsync,
        segment_bytes: 1500,
    }
}

/// An engine with what is on the disk.
fn start(disk: &SimDisk, fsync: Fsync, now: Option<pentad::Now>) -> Result<Driven, StorageError> {
    let mut driven = Driven::new();
    if let Some(now) = now {
        driven.set_now(now);
    }
    let storage = Journal::open(disk.clone(), options(fsync))?;
    driven.engine.set_storage(Box::new(storage));
    while driven.engine.is_loading() {
        driven.engine.load_some()?;
    }
    Ok(driven)
}

/// What a running server does to its disk, and what is known of it.
struct Run {
    driven: Driven,
    clients: Vec<(Scheme, ConnId)>,
    /// What there was after each request that is not known to be on the disk, and before them.
    states: Vec<Contents>,
}

impl Run {
    fn new(disk: &SimDisk, fsync: Fsync, now: Option<pentad::Now>) -> Self {
        let mut driven = start(disk, fsync, now).expect("what is on the disk can be loaded");
        let contents = driven.contents();
        Run {
            driven,
            clients: Vec::new(),
            states: vec![contents],
        }
    }

    fn client(&mut self, scheme: Scheme) -> ConnId {
        self.clients.retain(|(_, id)| {
            let finished = self.driven.engine.is_finished(*id);
            if finished {
                self.driven.engine.close(*id);
            }
            !finished
        });
        let known = self.clients.iter().find(|client| client.0 == scheme);
        known.map(|client| client.1).unwrap_or_else(|| {
            let id = self.driven.open(scheme);
            self.clients.push((scheme, id));
            id
        })
    }

    /// Lets a client ask for something.
    fn ask(&mut self, scheme: Scheme, bytes: &[u8]) {
        let id = self.client(scheme);
        self.driven.engine.receive(id, bytes);
        while self.driven.engine.flow(id) == Some(pentad::Flow::Turn) {
            self.driven.engine.resume(id);
        }
        let contents = self.driven.contents();
        if self.states.last() != Some(&contents) {
            self.states.push(contents);
        }
    }

    /// The end of a turn. Whether everything is acknowledged.
    fn end_turn(&mut self) -> bool {
        self.driven.engine.tend_storage();
        let mut touched = Vec::new();
        self.driven.engine.take_touched(&mut touched);
        for (_, id) in &self.clients {
            if !self.driven.engine.is_finished(*id) {
                self.driven.read(*id);
            }
        }
        self.driven.engine.hub.gate == Gate::Open
    }
}

/// What is left of a state of the past when keys have expired since.
fn unexpired(
    state: &Contents,
    now_ms: i64,
) -> impl Iterator<Item = &<Contents as IntoIterator>::Item> {
    state
        .iter()
        .filter(move |row| !matches!(row.4, Value::Integer(ms) if (0..=now_ms).contains(&ms)))
}

/// Requests of one turn, in any protocol; some of RESP are in a transaction.
fn some_requests(rng: &mut Rng, rules: &[&Rule], now_s: i64) -> Vec<(Scheme, Vec<u8>)> {
    let mut requests = Vec::new();
    for _ in 0..1 + rng.below(3) {
        let number = rng.below(100);
        let text = match rng.below(14) {
            4 => {
                let mut bytes = Vec::new();
                encode_into(&mut bytes, &request(&["BGSAVE"]));
                requests.push((Scheme::Resp, bytes));
                continue;
            }
            0 => (
                Scheme::Metrics,
                format!("put m{} {number} {number}\n", number % 3),
            ),
            1 => (Scheme::Counter, "incr\n".to_owned()),
            2 => (Scheme::Lab, format!("sl{}:{number}\r\n", number % 3)),
            3 => {
                let json = format!("{{\"command\":\"SET\",\"key\":\"j\",\"value\":[{number}]}}");
                let mut bytes = (json.len() as i32).to_be_bytes().to_vec();
                bytes.extend_from_slice(json.as_bytes());
                requests.push((Scheme::Speicher, bytes));
                continue;
            }
            _ => {
                let mut bytes = Vec::new();
                let transaction = rng.chance(20);
                if transaction {
                    encode_into(&mut bytes, &request(&["MULTI"]));
                }
                for _ in 0..if transaction { 1 + rng.below(4) } else { 1 } {
                    let rule = rules[rng.below(rules.len())];
                    let request = Generator::new(rng, now_s).request(rule);
                    encode_into(&mut bytes, &request);
                }
                if transaction {
                    encode_into(&mut bytes, &request(&["EXEC"]));
                }
                requests.push((Scheme::Resp, bytes));
                continue;
            }
        };
        requests.push((text.0, text.1.into_bytes()));
    }
    requests
}

/// Commands that change keys, or ask for snapshots.
fn writing(rules: &[Rule]) -> Vec<&Rule> {
    let is_wanted = |rule: &&Rule| {
        let command = rule.command;
        let writes = command.has(pentad::protocol::resp::command::flag::WRITE);
        writes && !command.has(pentad::protocol::resp::command::flag::BLOCKING)
            || matches!(command.name, "bgsave" | "save")
    };
    rules.iter().filter(is_wanted).collect()
}

fn crashes(fsync: Fsync, usual: u64) {
    let rules = rules();
    let rules = writing(&rules);
    for_each_seed(cases(usual), |seed| {
        let mut rng = Rng::seeded(seed);
        let disk = SimDisk::new(seed);
        let mut now = None;
        // What there may be; with `everysec` all states since the last start, for its syncs are nobody's business.
        let mut possible: Option<Vec<Contents>> = None;
        for _ in 0..4 {
            let mut run = Run::new(&disk, fsync, now);
            if let Some(possible) = &possible {
                let now_ms = run.driven.now().unix_ms();
                let is_there = |state: &Contents| unexpired(state, now_ms).eq(&run.states[0]);
                assert!(
                    possible.iter().any(is_there),
                    "after the crash there is\n{:#?}\nwhich never was, but the last was\n{:#?}",
                    run.states[0],
                    possible.last(),
                );
            }
            {
                let mut state = disk.state();
                state.ops_left = Some(1 + rng.below(60) as u64);
                state.slowness = rng.below(4) as u32;
                state.short_writes = 20;
                if rng.chance(30) {
                    state.sync_failures = 10;
                    state.write_failures = 5;
                }
                if rng.chance(20) {
                    state.room = Some(rng.below(3000) as u64);
                }
            }
            for turn in 0.. {
                let now_s = run.driven.now().unix_ms() / 1000;
                for (scheme, bytes) in some_requests(&mut rng, &rules, now_s) {
                    run.ask(scheme, &bytes);
                }
                let acknowledged = run.end_turn();
                if disk.is_off() || turn > 60 {
                    break;
                }
                if acknowledged && fsync == Fsync::Always {
                    let last = run.states.len() - 1;
                    run.states.drain(..last);
                }
                if !acknowledged && rng.chance(30) {
                    disk.state().room = None;
                }
                let ms = rng.pick(&[0, 0, 1, 400, 1100]);
                run.driven.advance_ms(ms);
            }
            now = Some(run.driven.now());
            if rng.chance(20) && run.driven.engine.close_storage().is_ok() {
                let last = run.states.len() - 1;
                run.states.drain(..last);
            }
            possible = Some(std::mem::take(&mut run.states));
            if rng.chance(70) {
                disk.crash();
            } else {
                disk.kill();
            }
        }
    });
}

#[test]
fn whatever_was_acknowledged_is_there_after_a_crash_and_nothing_by_half() {
    crashes(Fsync::Always, 40);
}

#[test]
fn without_a_sync_per_turn_a_crash_goes_back_to_some_moment_of_the_past() {
    crashes(Fsync::EverySecond, 20);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_table_has_whatever_was_done() {
    use pentad::storage::sqlite::Sqlite;
    let folder = std::env::temp_dir().join(format!("pentad-faults-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let rules = rules();
    let rules = writing(&rules);
    for_each_seed(cases(20), |seed| {
        let mut rng = Rng::seeded(seed);
        let path = folder.join(format!("{seed}.db"));
        let mut now = Driven::new().now();
        let mut before = Contents::new();
        for _ in 0..4 {
            let fsync = rng.pick(&[Fsync::Always, Fsync::EverySecond]);
            let mut driven = Driven::new();
            driven.set_now(now);
            let storage = Sqlite::open(&path, fsync).expect("it can be opened");
            driven.engine.set_storage(Box::new(storage));
            while driven.engine.is_loading() {
                driven.engine.load_some().expect("it can be loaded");
            }
            let mut run = Run {
                states: vec![driven.contents()],
                driven,
                clients: Vec::new(),
            };
            let now_ms = run.driven.now().unix_ms();
            let expected: Vec<_> = unexpired(&before, now_ms).cloned().collect();
            assert_eq!(run.states[0], expected);
            for _ in 0..rng.below(40) {
                let now_s = run.driven.now().unix_ms() / 1000;
                for (scheme, bytes) in some_requests(&mut rng, &rules, now_s) {
                    run.ask(scheme, &bytes);
                }
                assert!(run.end_turn());
                run.driven.advance_ms(rng.pick(&[0, 1, 400]));
            }
            if fsync == Fsync::EverySecond {
                run.driven
                    .engine
                    .close_storage()
                    .expect("it can be written");
            }
            now = run.driven.now();
            before = run.states.pop().expect("there is always one");
        }
    });
    std::fs::remove_dir_all(&folder).expect("it was ours");
}

#[test]
fn what_a_failed_sync_has_lost_is_written_anew_by_the_next_start() {
    let disk = SimDisk::new(3);
    let mut run = Run::new(&disk, Fsync::EverySecond, None);
    run.ask(Scheme::Resp, b"SET first 1\r\n");
    assert!(run.end_turn());
    run.driven.advance_ms(1100);
    disk.state().sync_failures = 100;
    run.ask(Scheme::Resp, b"SET second 2\r\n");
    assert!(
        !run.end_turn(),
        "the sync fails, and so does the start of another segment"
    );
    drop(run);
    disk.kill();
    // The disk shows what it does not have.
    assert_eq!(keys(&disk).expect("all can be read"), 2);
    disk.crash();
    assert_eq!(keys(&disk).expect("nothing is missing"), 2);
}

// ---- what is no key ---------------------------------------------------------------------------------

#[cfg(feature = "lua")]
#[test]
fn libraries_of_functions_are_kept_in_the_journal_and_in_snapshots() {
    let libraries = |driven: &mut Driven| {
        let id = driven.open(Scheme::Resp);
        let list = driven.ask(id, &request(&["FUNCTION", "LIST", "WITHCODE"]));
        let called = driven.ask(id, &request(&["FCALL", "f1", "0"]));
        driven.engine.close(id);
        (list, called)
    };
    for_each_seed(cases(20), |seed| {
        let mut rng = Rng::seeded(seed);
        let disk = SimDisk::new(seed);
        let mut before = None;
        for _ in 0..5 {
            let mut run = Run::new(&disk, Fsync::Always, None);
            let after = libraries(&mut run.driven);
            assert_eq!(before.get_or_insert(after.clone()), &after);
            for _ in 0..rng.below(12) {
                let (name, answer) = (rng.below(4), rng.below(100));
                let code = format!(
                    "#!lua name=lib{name}\nredis.register_function('f{name}', function() return {answer} end)"
                );
                let library = format!("lib{name}");
                let asked = match rng.below(8) {
                    0..4 => request(&["FUNCTION", "LOAD", "REPLACE", &code]),
                    4 => request(&["FUNCTION", "DELETE", &library]),
                    5 if rng.chance(20) => request(&["FUNCTION", "FLUSH"]),
                    5 => request(&["FLUSHALL"]),
                    6 => request(&["SAVE"]),
                    _ => request(&["BGSAVE"]),
                };
                let mut bytes = Vec::new();
                encode_into(&mut bytes, &asked);
                run.ask(Scheme::Resp, &bytes);
                assert!(run.end_turn());
            }
            before = Some(libraries(&mut run.driven));
            if rng.chance(50) {
                run.driven.engine.close_storage().expect("the disk works");
            }
            disk.crash();
        }
    });
}

// ---- damage -----------------------------------------------------------------------------------------

/// A disk with a journal of some changes, one frame for each.
fn written(count: usize) -> SimDisk {
    let disk = SimDisk::new(1);
    let mut run = Run::new(&disk, Fsync::Always, None);
    for number in 0..count {
        run.ask(
            Scheme::Resp,
            format!("SET key-{number} value\r\n").as_bytes(),
        );
        assert!(run.end_turn());
    }
    disk.kill();
    disk
}

fn keys(disk: &SimDisk) -> Result<usize, StorageError> {
    start(disk, Fsync::Always, None).map(|mut driven| driven.contents().len())
}

/// The file that has the most in it.
fn largest(disk: &SimDisk) -> (String, usize) {
    let files = disk.contents().into_iter();
    let sizes = files.map(|(name, bytes)| (name, bytes.len()));
    sizes.max_by_key(|file| file.1).expect("there are files")
}

#[test]
fn an_unfinished_end_is_cut_and_damage_in_the_middle_is_not_passed_over() {
    let mut disk = written(20);
    let (name, size) = largest(&disk);
    for garbage in [&b"\0\0\0\0\0\0\0\0"[..], b"half a frame", b"\xff"] {
        disk.damage(&name, |bytes| bytes.extend_from_slice(garbage));
        let found = journal::check(&mut disk).expect("what is only unfinished is no damage");
        assert_eq!(found.cuts, [(name.clone(), garbage.len() as u64)]);
        assert_eq!(keys(&disk).unwrap(), 20);
        disk.kill();
        assert_eq!(disk.contents()[&name].len(), size, "it has been cut");
    }
    for place in [30, size / 2, size - 60] {
        let mut disk = written(20);
        disk.damage(&name, |bytes| bytes[place] ^= 0x10);
        let refused = keys(&disk).err().map(|error| error.to_string());
        let refused = refused.expect("something is missing");
        for word in [&*name, "is damaged at byte", "pentad repair"] {
            assert!(refused.contains(word), "{refused}");
        }
        disk.kill();
        assert!(journal::check(&mut disk).is_err());
        let repaired = journal::repair(&mut disk).expect("it can be repaired");
        assert!(repaired.iter().any(|file| file.name == name));
        let left = keys(&disk).expect("the rest can be loaded");
        assert!(left < 20, "{left} keys are left");
        disk.kill();
        assert_eq!(journal::repair(&mut disk).expect("it is whole"), []);
    }
}

#[test]
fn a_frame_that_has_older_groups_once_more_takes_the_place_of_no_file() {
    let disk = written(3);
    let (name, _) = largest(&disk);
    // The groups from 1 to 9, all empty; and after it those from 7 to 10, before which all are on the disk.
    let again = frame(&[&[1, 0][..], &[0; 9]].concat());
    let synced = frame(&[7, 0, 0, 0, 0, 0]);
    disk.damage(&name, |bytes| {
        bytes.extend_from_slice(&again);
        bytes.extend_from_slice(&synced);
    });
    for _ in 0..3 {
        assert_eq!(keys(&disk).expect("all can be read"), 3);
        disk.kill();
    }
}

// ---- failures ---------------------------------------------------------------------------------------

#[test]
fn when_nothing_can_be_kept_writes_are_refused_and_reads_go_on_until_there_is_room() {
    let disk = SimDisk::new(2);
    let mut run = Run::new(&disk, Fsync::Always, None);
    run.ask(Scheme::Resp, b"SET k before\r\n");
    assert!(run.end_turn());
    disk.state().room = Some(10);
    let writer = run.client(Scheme::Resp);
    let reader = run.driven.open(Scheme::Resp);
    run.driven.engine.receive(writer, b"SET k after\r\n");
    run.driven.engine.receive(reader, b"PING\r\n");
    assert!(!run.end_turn());
    assert!(run.driven.engine.is_finished(writer), "it gets no answer");
    assert_eq!(run.driven.read(reader), b"+PONG\r\n");
    let resp = |run: &mut Run, request: &str| {
        let answer = run.driven.send(reader, request.as_bytes());
        String::from_utf8_lossy(&answer).into_owned()
    };
    let refused = resp(&mut run, "SET k again\r\n");
    assert!(refused.starts_with("-MISCONF Errors writing"), "{refused}");
    assert_eq!(resp(&mut run, "GET k\r\n"), "$5\r\nafter\r\n");
    let refused = resp(&mut run, "MULTI\r\nSET k again\r\nEXEC\r\n");
    assert!(refused.contains("-EXECABORT"), "{refused}");
    let speicher = b"\0\0\0\x27{\"command\":\"SET\",\"key\":\"j\",\"value\":[1]}";
    for (scheme, request, answer) in [
        (Scheme::Counter, &b"incr\n"[..], &b"err\n"[..]),
        (Scheme::Counter, b"get\n", b"val 0\n"),
        (Scheme::Metrics, b"put m 1 1\n", b"error\nwrong command\n\n"),
        (Scheme::Metrics, b"get m\n", b"ok\n\n"),
        (
            Scheme::Speicher,
            speicher,
            b"\0\0\0\x13{\"status_code\":503}",
        ),
        (Scheme::Lab, b"rk\r\n", b"after\r\n"),
    ] {
        let id = run.driven.open(scheme);
        let got = run.driven.send(id, request);
        assert_eq!(got, answer, "{scheme}: {}", got.escape_ascii());
    }
    let id = run.driven.open(Scheme::Lab);
    run.driven.send(id, b"sk:again\r\n");
    assert!(run.driven.engine.is_finished(id), "there is no word for it");
    run.driven.advance_ms(1100);
    assert!(!run.end_turn(), "there is no room yet");
    disk.state().heal();
    run.driven.advance_ms(1100);
    assert!(run.end_turn());
    assert_eq!(resp(&mut run, "SET other 1\r\n"), "+OK\r\n");
    assert!(run.end_turn());
    disk.crash();
    let mut again = start(&disk, Fsync::Always, None).expect("it can be loaded");
    let id = again.open(Scheme::Resp);
    let kept = again.send(id, b"MGET k other\r\n");
    assert_eq!(kept, b"*2\r\n$5\r\nafter\r\n$1\r\n1\r\n");
}

#[test]
fn while_it_loads_every_protocol_says_that_it_cannot_answer_yet() {
    let disk = written(3);
    let mut driven = Driven::new();
    let storage = Journal::open(disk, options(Fsync::Always)).expect("it can be read");
    driven.engine.set_storage(Box::new(storage));
    let loading = b"-LOADING Redis is loading the dataset in memory\r\n";
    for (scheme, request, answer) in [
        (Scheme::Resp, &b"GET key-1\r\n"[..], &loading[..]),
        (Scheme::Resp, b"PING\r\n", loading),
        (Scheme::Resp, b"CLIENT ID\r\n", b""),
        (Scheme::Counter, b"get\n", b"err\n"),
        (Scheme::Metrics, b"get *\n", b"error\nwrong command\n\n"),
        (
            Scheme::Speicher,
            b"\0\0\0\x1b{\"command\":\"GET\",\"key\":\"j\"}",
            b"\0\0\0\x13{\"status_code\":503}",
        ),
        (Scheme::Lab, b"rkey-1\r\n", b""),
    ] {
        let id = driven.open(scheme);
        let got = driven.send(id, request);
        if request == b"CLIENT ID\r\n" {
            assert_eq!(got.first(), Some(&b':'), "{}", got.escape_ascii());
        } else {
            assert_eq!(got, answer, "{scheme}: {}", got.escape_ascii());
        }
    }
    while driven.engine.is_loading() {
        driven.engine.load_some().expect("it can be loaded");
    }
    let id = driven.open(Scheme::Resp);
    assert_eq!(driven.send(id, b"GET key-1\r\n"), b"$5\r\nvalue\r\n");
}
