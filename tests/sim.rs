//! A simulation of the whole core: clients of all protocols, time and a disk around an `Engine`, everything that can go
//! wrong going wrong, and all of it decided by one seed. A naive model checks every reply, and what is left after each
//! crash.
//!
//! What goes wrong: requests come in pieces, answers are taken in pieces or not at all, clients reset and half-close and
//! send rubbish, clocks jump (the wall clock backwards too), the disk writes short, is full, fails to write and to sync,
//! and loses power in the middle of anything. What is not here is what has no place without sockets: that the system has
//! no room for another connection (EMFILE, ENOMEM) is in `tests/limits.rs`, with a real limit.
//!
//! `PENTAD_CASES` is the number of seeds, `PENTAD_SEED` runs one.

mod common;
#[path = "faults/disk.rs"]
#[allow(dead_code)]
mod disk;
#[path = "sim/model.rs"]
mod model;
#[path = "sim/requests.rs"]
mod requests;

use std::collections::VecDeque;

use common::drive::SCHEMES;
use common::resp::Value;
use common::rng::{for_each_seed, number_from_env};
use common::{Driven, Rng};
use disk::SimDisk;
use model::{Answer, Model, Op, Row, Transaction};
use pentad::config::{Config, Limits, Scheme};
use pentad::hub::Gate;
use pentad::storage::Fsync;
use pentad::storage::journal::{Journal, JournalOptions};
use pentad::{ConnId, Flow, Now};
use requests::Dice;

const STEPS: usize = 250;
const CLIENTS: usize = 9;

#[test]
fn every_reply_is_what_the_model_says_whatever_goes_wrong() {
    let cases = number_from_env("PENTAD_CASES").unwrap_or(200);
    let mut seen = Seen::default();
    for_each_seed(cases, |seed| {
        let mut simulation = Simulation::new(seed, seen);
        for _ in 0..STEPS {
            simulation.step();
        }
        simulation.end();
        seen = simulation.seen;
    });
    eprintln!("{cases} seeds: {seen:?}");
    if cases >= 200 && number_from_env("PENTAD_SEED").is_none() {
        let Seen {
            requests,
            replies,
            resets,
            half_closes,
            stalls,
            jumps_back,
            failed_commits,
            crashes,
            rubbish,
        } = seen;
        let all = [
            requests,
            replies,
            resets,
            half_closes,
            stalls,
            jumps_back,
            failed_commits,
            crashes,
            rubbish,
        ];
        assert!(
            all.iter().all(|count| *count > 50),
            "something never happened"
        );
    }
}

/// How often things have happened.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    requests: u64,
    replies: u64,
    resets: u64,
    half_closes: u64,
    stalls: u64,
    jumps_back: u64,
    failed_commits: u64,
    crashes: u64,
    rubbish: u64,
}

impl Dice for Rng {
    fn below(&mut self, bound: usize) -> usize {
        Rng::below(self, bound)
    }
}

struct Simulation {
    seed: u64,
    rng: Rng,
    driven: Driven,
    disk: Option<SimDisk>,
    clients: Vec<Client>,
    model: Model,
    /// What may be found after a crash: the data as it was when all was acknowledged, and after each change since.
    possible: Vec<Model>,
    /// Whether the last commit failed, so that clients may be closed unanswered.
    in_trouble: bool,
    log: Vec<String>,
    seen: Seen,
}

struct Client {
    scheme: Scheme,
    id: Option<ConnId>,
    /// Bytes that it has written and that have not come.
    under_way: Vec<u8>,
    /// Requests that have not been run.
    waiting: VecDeque<Op>,
    /// What it has still to be answered.
    expected: VecDeque<(Op, Answer)>,
    received: Vec<u8>,
    transaction: Transaction,
    half_closed: bool,
    /// It takes no answers.
    stalled: bool,
}

impl Client {
    fn new(scheme: Scheme) -> Self {
        Client {
            scheme,
            id: None,
            under_way: Vec::new(),
            waiting: VecDeque::new(),
            expected: VecDeque::new(),
            received: Vec::new(),
            transaction: Transaction::default(),
            half_closed: false,
            stalled: false,
        }
    }
}

impl Simulation {
    fn new(seed: u64, seen: Seen) -> Self {
        let mut rng = Rng::seeded(seed);
        let requests_per_turn = rng.pick(&[1, 3, 100]);
        let disk = rng.chance(70).then(|| SimDisk::new(seed));
        let clients = (0..CLIENTS).map(|at| {
            Client::new(if at < 3 {
                Scheme::Resp
            } else {
                SCHEMES[at - 2]
            })
        });
        let mut simulation = Simulation {
            seed,
            driven: start(requests_per_turn),
            disk,
            clients: clients.collect(),
            model: Model::default(),
            possible: vec![Model::default()],
            in_trouble: false,
            log: Vec::new(),
            seen,
            rng,
        };
        simulation.load();
        simulation
    }

    fn step(&mut self) {
        let who = self.rng.below(CLIENTS);
        match self.rng.below(100) {
            0..=39 => self.write(who),
            40..=74 => self.deliver(who),
            75..=77 => self.set_stalled(who),
            78 => self.reset(who),
            79 | 80 => self.half_close(who),
            81 => self.send_rubbish(),
            82..=84 => self.pass_time(),
            85 => self.jump(),
            86..=88 => self.break_disk(),
            89 => self.heal_disk(),
            90 => {
                self.driven.engine.maintain();
            }
            _ => {}
        }
        if self.rng.chance(60) {
            self.end_turn();
        }
    }

    /// Everything comes to its end: all that was asked is answered, and the data is what the model says.
    fn end(&mut self) {
        for who in 0..CLIENTS {
            self.clients[who].stalled = false;
        }
        self.heal_disk();
        // A failed disk is tried again after a while.
        for _ in 0..4 {
            self.advance_ms(1100);
            self.end_turn();
        }
        for _ in 0..2000 {
            for who in 0..CLIENTS {
                self.deliver(who);
            }
            self.end_turn();
            let is_idle = |client: &Client| {
                client.under_way.is_empty()
                    && client.waiting.is_empty()
                    && client.expected.is_empty()
            };
            if self.clients.iter().all(is_idle) {
                break;
            }
        }
        for who in 0..CLIENTS {
            let client = &self.clients[who];
            if !client.expected.is_empty() || !client.waiting.is_empty() {
                let flow = client.id.and_then(|id| self.driven.engine.flow(id));
                self.fail(&format!(
                    "client {who} waits for {:?}, {flow:?}",
                    client.expected.front()
                ));
            }
        }
        let model = self.model.clone();
        self.compare(std::slice::from_ref(&model), "in the end");
    }

    // ---- clients --------------------------------------------------------------------------------------

    fn write(&mut self, who: usize) {
        if self.clients[who].half_closed {
            return;
        }
        if self.clients[who].id.is_none() {
            let id = self.driven.open(self.clients[who].scheme);
            self.clients[who].id = Some(id);
        }
        for _ in 0..1 + self.rng.below(4) {
            let now_ms = self.driven.now().unix_ms();
            let client = &mut self.clients[who];
            let op = match client.scheme {
                Scheme::Resp if self.rng.chance(12) => Op::new(
                    Scheme::Resp,
                    &[self.rng.pick(&["MULTI", "EXEC", "EXEC", "DISCARD"])],
                ),
                scheme => requests::request(&mut self.rng, scheme, now_ms),
            };
            client.under_way.extend(op.bytes());
            client.waiting.push_back(op);
        }
    }

    /// Some of what a client has written comes.
    fn deliver(&mut self, who: usize) {
        let client = &mut self.clients[who];
        let Some(id) = client.id.filter(|id| self.driven.engine.takes_input(*id)) else {
            return;
        };
        if client.under_way.is_empty() {
            return;
        }
        let count = match self.rng.below(3) {
            0 => client.under_way.len(),
            1 => 1,
            _ => 1 + self.rng.below(client.under_way.len()),
        };
        let bytes: Vec<u8> = client.under_way.drain(..count).collect();
        self.note(|| format!("client {who} {}", bytes.escape_ascii()));
        self.let_run(who, |engine| engine.receive(id, &bytes));
    }

    /// Lets the engine run requests of a client, and has the model run the same.
    fn let_run(&mut self, who: usize, run: impl FnOnce(&mut pentad::Engine)) {
        let read_only = self.driven.engine.hub.gate == Gate::ReadOnly;
        let before = self.driven.engine.hub.stats.requests;
        run(&mut self.driven.engine);
        let count = self.driven.engine.hub.stats.requests - before;
        let now_ms = self.driven.now().unix_ms();
        for _ in 0..count {
            self.seen.requests += 1;
            let client = &mut self.clients[who];
            let Some(op) = client.waiting.pop_front() else {
                self.fail(&format!(
                    "client {who} has not asked for this many requests"
                ));
            };
            let answer = self
                .model
                .run(&op, now_ms, read_only, &mut client.transaction);
            if !matches!(&answer, Answer::Bytes(bytes) if bytes.is_empty()) {
                client.expected.push_back((op, answer));
            }
            if self.possible.last() != Some(&self.model) {
                self.possible.push(self.model.clone());
            }
        }
    }

    /// A client takes some of what it is answered.
    fn take_answers(&mut self, who: usize) {
        let Some(id) = self.clients[who].id else {
            return;
        };
        while !self.clients[who].stalled {
            let output = self.driven.engine.output(id);
            if output.is_empty() || self.driven.engine.is_finished(id) {
                break;
            }
            let count = 1 + self.rng.below(output.len());
            self.clients[who]
                .received
                .extend_from_slice(&output[..count]);
            self.driven.engine.sent(id, count);
            if self.rng.chance(20) {
                break;
            }
        }
        self.check_answers(who);
        if self.driven.engine.is_finished(id) {
            self.finish(who, id);
        }
    }

    fn check_answers(&mut self, who: usize) {
        let client = &mut self.clients[who];
        while let Some((op, answer)) = client.expected.front() {
            let (fits, len) = match answer {
                Answer::Close => break,
                Answer::Bytes(bytes) => {
                    let len = bytes.len().min(client.received.len());
                    if client.received[..len] == bytes[..len] && len < bytes.len() {
                        return;
                    }
                    (client.received.starts_with(bytes), bytes.len())
                }
                _ => match Value::read(&client.received) {
                    Some((reply, len)) => (answer.fits(&reply), len),
                    None => return,
                },
            };
            if !fits {
                let text = format!(
                    "client {who} asked {op:?}\nand must get {answer:?}\nbut got {}",
                    client.received.escape_ascii()
                );
                self.fail(&text);
            }
            client.received.drain(..len);
            client.expected.pop_front();
            self.seen.replies += 1;
        }
        if !client.received.is_empty() && client.expected.is_empty() {
            let text = format!(
                "client {who} has not asked for {}",
                client.received.escape_ascii()
            );
            self.fail(&text);
        }
    }

    /// The server has closed a connection: because it was asked to, or could not keep what it had done.
    fn finish(&mut self, who: usize, id: ConnId) {
        let client = &self.clients[who];
        let refused = matches!(client.expected.front(), Some((_, Answer::Close)));
        let done = client.half_closed && client.expected.is_empty() && client.waiting.is_empty();
        if !refused && !done && !self.in_trouble {
            let text = format!(
                "client {who} was closed and waits for {:?}",
                client.expected.front()
            );
            self.fail(&text);
        }
        self.note(|| format!("client {who} was closed"));
        self.driven.engine.close(id);
        self.clients[who] = Client::new(self.clients[who].scheme);
    }

    fn reset(&mut self, who: usize) {
        if let Some(id) = self.clients[who].id {
            self.seen.resets += 1;
            self.note(|| format!("client {who} resets"));
            self.driven.engine.close(id);
            self.clients[who] = Client::new(self.clients[who].scheme);
        }
    }

    fn half_close(&mut self, who: usize) {
        let client = &mut self.clients[who];
        if let Some(id) = client.id
            && client.under_way.is_empty()
            && !client.half_closed
        {
            client.half_closed = true;
            self.seen.half_closes += 1;
            self.note(|| format!("client {who} half-closes"));
            self.driven.engine.receive_eof(id);
        }
    }

    fn set_stalled(&mut self, who: usize) {
        let stalled = !self.clients[who].stalled;
        self.clients[who].stalled = stalled;
        self.seen.stalls += u64::from(stalled);
    }

    /// Somebody comes, says what is no request, and goes.
    fn send_rubbish(&mut self) {
        self.seen.rubbish += 1;
        let scheme = [
            Scheme::Resp,
            Scheme::Metrics,
            Scheme::Counter,
            Scheme::Speicher,
        ][self.rng.below(4)];
        let id = self.driven.open(scheme);
        let count = 1 + self.rng.below(200);
        let bytes = self.rng.bytes(count);
        self.driven.engine.receive(id, &bytes);
        self.driven.engine.close(id);
    }

    // ---- turns ----------------------------------------------------------------------------------------

    fn end_turn(&mut self) {
        for who in 0..CLIENTS {
            if let Some(id) = self.clients[who].id
                && self.driven.engine.flow(id) == Some(Flow::Turn)
            {
                self.let_run(who, |engine| engine.resume(id));
            }
        }
        let was_open = self.driven.engine.hub.gate == Gate::Open;
        self.driven.engine.tend_storage();
        self.driven.engine.take_touched(&mut Vec::new());
        let is_open = self.driven.engine.hub.gate == Gate::Open;
        self.in_trouble = !was_open || !is_open;
        self.seen.failed_commits += u64::from(was_open && !is_open);
        if self.disk.as_ref().is_some_and(SimDisk::is_off) {
            return self.restart();
        }
        if is_open {
            self.possible.clear();
            self.possible.push(self.model.clone());
        }
        for who in 0..CLIENTS {
            self.take_answers(who);
        }
    }

    // ---- time -----------------------------------------------------------------------------------------

    fn advance_ms(&mut self, ms: u64) {
        self.note(|| format!("{ms} ms pass"));
        self.driven.advance_ms(ms);
    }

    fn pass_time(&mut self) {
        let ms = [0, 1, 7, 100, 1100, 60_000][self.rng.below(6)];
        self.advance_ms(ms);
    }

    /// The wall clock jumps.
    fn jump(&mut self) {
        let by_ms = [-3_600_000, -500, -1, 500, 3_600_000][self.rng.below(5)];
        if by_ms < 0 {
            // What has expired must be gone for good: whether somebody has looked at it since is nobody's business.
            while self.driven.engine.maintain() {}
            self.end_turn();
            if self.driven.engine.hub.gate != Gate::Open {
                return;
            }
            self.seen.jumps_back += 1;
            self.model.expire(self.driven.now().unix_ms());
            self.possible = vec![self.model.clone()];
        }
        self.note(|| format!("the wall clock jumps by {by_ms} ms"));
        let now = self.driven.now();
        self.driven.set_now(Now {
            unix_us: now.unix_us + by_ms * 1000,
            ..now
        });
    }

    // ---- the disk -------------------------------------------------------------------------------------

    fn break_disk(&mut self) {
        let Some(disk) = &self.disk else {
            return;
        };
        let mut state = disk.state();
        match self.rng.below(7) {
            0 | 6 => state.ops_left = Some(1 + self.rng.below(20) as u64),
            1 => state.sync_failures = 30,
            2 => state.write_failures = 20,
            3 => state.short_writes = 50,
            4 => state.room = Some(self.rng.below(500) as u64),
            _ => state.slowness = 3,
        }
    }

    fn heal_disk(&mut self) {
        if let Some(disk) = &self.disk {
            disk.state().heal();
        }
    }

    /// The power went: what comes back is some state since the last that was acknowledged.
    fn restart(&mut self) {
        self.seen.crashes += 1;
        self.note(|| "the power goes".to_owned());
        for who in 0..CLIENTS {
            self.clients[who] = Client::new(self.clients[who].scheme);
        }
        if let Some(disk) = &self.disk {
            disk.crash();
        }
        let now = self.driven.now();
        self.driven = start(self.driven.engine.limits().requests_per_turn);
        self.driven.set_now(now);
        self.load();
        self.in_trouble = false;
        let possible = std::mem::take(&mut self.possible);
        self.model = self.compare(&possible, "after a crash");
        self.possible = vec![self.model.clone()];
    }

    /// Gives the engine what is on the disk.
    fn load(&mut self) {
        let Some(disk) = self.disk.clone() else {
            return;
        };
        let options = JournalOptions {
            fsync: Fsync::Always,
            segment_bytes: 4000,
        };
        let result = Journal::open(disk, options).and_then(|storage| {
            self.driven.engine.set_storage(Box::new(storage));
            while self.driven.engine.is_loading() {
                self.driven.engine.load_some()?;
            }
            Ok(())
        });
        if let Err(error) = result {
            self.fail(&format!("what is on the disk cannot be loaded: {error}"));
        }
    }

    /// That the data is one of these; gives which.
    fn compare(&mut self, possible: &[Model], when: &str) -> Model {
        let now_ms = self.driven.now().unix_ms();
        let contents = self.driven.contents().into_iter();
        let rows: Vec<Row> = contents
            .map(|(_, key, kind, value, expiry)| (key, kind, value, expiry))
            .collect();
        let mut nearest = Vec::new();
        for model in possible.iter().rev() {
            let mut model = model.clone();
            model.expire(now_ms);
            let expected = model.rows();
            if expected == rows {
                return model;
            }
            if nearest.is_empty() {
                nearest = expected;
            }
        }
        self.fail(&format!(
            "{when} there is\n{rows:#?}\nand not\n{nearest:#?}"
        ));
    }

    // ---- what is told ---------------------------------------------------------------------------------

    fn note(&mut self, line: impl FnOnce() -> String) {
        let at_ms = self.driven.now().unix_ms();
        self.log.push(format!("{at_ms} {}", line()));
    }

    fn fail(&self, what: &str) -> ! {
        let last = &self.log[self.log.len().saturating_sub(60)..];
        panic!(
            "{}\n{what}\nrepeat with: PENTAD_SEED={} cargo test --test sim",
            last.join("\n"),
            self.seed
        );
    }
}

/// A server without data whose buffers are soon full.
fn start(requests_per_turn: usize) -> Driven {
    Driven::with(Config {
        limits: Limits {
            output_bytes_max: 64 * 1024,
            requests_per_turn,
            databases: 1,
            ..Limits::default()
        },
        ..Config::default()
    })
}
