//! The journal on a disk that fails: after any crash, what was acknowledged is there, and nothing is there by half.
//! `PENTAD_CASES` is the number of cases of each property, `PENTAD_SEED` runs one.

mod common;
#[path = "faults/disk.rs"]
mod disk;

use common::grammar::{Generator, Rule, rules};
use common::resp::{Value, encode_into, request};
use common::rng::{for_each_seed, number_from_env};
use common::{Driven, Rng};
use disk::SimDisk;
use pentad::ConnId;
use pentad::config::Scheme;
use pentad::hub::Gate;
use pentad::storage::journal::{Journal, JournalOptions};
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

/// Requests of one turn, in any protocol; some of RESP are in a transaction.
fn some_requests(rng: &mut Rng, rules: &[&Rule], now_s: i64) -> Vec<(Scheme, Vec<u8>)> {
    let mut requests = Vec::new();
    for _ in 0..1 + rng.below(3) {
        let number = rng.below(100);
        let text = match rng.below(12) {
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
        for _ in 0..3 {
            let mut run = Run::new(&disk, fsync, now);
            if let Some(possible) = &possible {
                assert!(
                    possible.contains(&run.states[0]),
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
            possible = Some(std::mem::take(&mut run.states));
            if fsync == Fsync::No || rng.chance(80) {
                disk.crash();
            } else {
                disk.kill();
            }
        }
    });
}

#[test]
fn whatever_was_acknowledged_is_there_after_a_crash_and_nothing_by_half() {
    crashes(Fsync::Always, 400);
}

#[test]
fn without_a_sync_per_turn_a_crash_goes_back_to_some_moment_of_the_past() {
    crashes(Fsync::EverySecond, 200);
}
