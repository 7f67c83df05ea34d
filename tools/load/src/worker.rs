//! One thread: one poll loop over its share of the connections of all loads. It decides what to send and when,
//! has every reply judged, and hands what it measured to the main thread once a second.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use mio::event::Event as Readiness;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use crate::check::{LoadState, Pending, Verdict, show_reply};
use crate::client::{Client, Phase};
use crate::codec::{Bad, Reply};
use crate::keys::KeyChooser;
use crate::random::Rng;
use crate::record::{Failure, Tally};
use crate::request::show_bytes;
use crate::schedule::Schedule;

/// What the requests of a stage are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// The plan's operations, measured.
    Measure,
    /// Every key stored once.
    Preload,
    /// Every key read once.
    Audit,
}

/// What all workers of a stage share.
#[derive(Clone, Debug)]
pub struct Orders {
    pub stage: Stage,
    pub loads: Vec<Arc<LoadState>>,
    pub seed: u64,
    pub warmup: Duration,
    pub duration: Option<Duration>,
    pub timeout: Duration,
    pub faults: bool,
    /// Set to end the stage early.
    pub stop: Arc<AtomicBool>,
}

/// What one worker has of it.
#[derive(Clone, Debug)]
pub struct Share {
    pub thread: usize,
    /// Per load: its connections here, its requests (where they are counted), the part of its rate.
    pub loads: Vec<LoadShare>,
}

#[derive(Clone, Copy, Debug)]
pub struct LoadShare {
    pub connections: usize,
    pub quota: Option<u64>,
    pub rate: Option<f64>,
    /// Where in the gap between two requests this thread's first one lies, from 0 to 1.
    pub phase: f64,
}

/// What a worker tells the main thread.
#[derive(Debug)]
pub enum Report {
    /// All connections are open.
    Ready,
    /// What was measured in the last second.
    Second(usize, Box<Tally>),
    /// A request that went wrong. Only the first few of each worker come one by one.
    Failure(Failure),
    /// The target cannot be used any more: one line for the user.
    Fatal(String),
    /// The worker is done.
    Done(Summary),
}

/// What a worker knows at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// CPU time and wall time from the start of measuring to its end.
    pub cpu_ns: u64,
    pub wall_ns: u64,
    /// The time of the last reply, in ns of the run.
    pub last_reply_ns: u64,
    /// Requests of an open loop that were due and never sent.
    pub unsent: u64,
}

/// How many failures a worker reports one by one.
const FAILURES_MAX: usize = 10;
/// One batch in so many suffers a fault, with `--faults`.
const FAULT_EVERY: u64 = 100;
/// How long a lost write may still reach the target.
const DOUBT_NS: u64 = 1_000_000_000;
const RETRY_NS: u64 = 100_000_000;
const BUFFER_LEN: usize = 256 << 10;
const INBOX_LEN: usize = 512 << 10;
/// The room a socket is offered at least.
const ROOM_MIN: usize = 64 << 10;
const PRELOAD_PIPELINE: usize = 64;
const SECOND_NS: u64 = 1_000_000_000;
const TIMER: Token = Token(usize::MAX);

/// One thread's state.
pub struct Worker {
    thread: usize,
    orders: Orders,
    loads: Vec<WorkerLoad>,
    clients: Vec<Client>,
    poll: Poll,
    timer: OwnedFd,
    timer_armed_ns: u64,
    buffer: Vec<u8>,
    /// What the sockets of this wakeup have given, one piece after the other, and not been looked at.
    inbox: Vec<u8>,
    inbox_len: usize,
    received: Vec<Received>,
    /// Connections whose next batch is made and not yet sent.
    made: Vec<usize>,
    /// Requests drawn and not yet written: operation, key and the key's floor.
    batch: Vec<(usize, u64, u32)>,
    /// Output buffers of connections that have nothing to send; the one used last is in the cache.
    spare: Vec<Vec<u8>>,
    scratch: Vec<u8>,
    rng: Rng,
    origin: Instant,
    tally: Box<Tally>,
    recycled: Receiver<Box<Tally>>,
    reports: Sender<Report>,
    failures: usize,
    /// Lost writes that may still be applied: when that ends, load and request.
    doubtful: Vec<(u64, usize, Pending)>,
    /// Some connection is down and to be opened again.
    some_down: bool,
    started: bool,
    draining: bool,
    measure_ns: u64,
    end_ns: u64,
    last_reply_ns: u64,
}

/// What one read gave: a piece of the inbox, with what the connection had kept of an earlier one before it.
struct Received {
    index: usize,
    piece: std::ops::Range<usize>,
    at_ns: u64,
}

/// One load as this thread sees it.
struct WorkerLoad {
    state: Arc<LoadState>,
    /// Where this load's operations begin in the tally.
    first_op: usize,
    chooser: KeyChooser,
    /// Operations by the share of draws up to and including them.
    picks: Vec<(f64, usize)>,
    quota: Option<u64>,
    schedule: Option<Schedule>,
    /// Its connections: a range of the worker's clients.
    clients: std::ops::Range<usize>,
    turn: usize,
    pipeline: usize,
    /// All connections are at their limit; requests wait for a reply.
    full: bool,
    /// When the last wait for room ended.
    room_ns: u64,
    last_reply_ns: u64,
    last_error: String,
}

impl Worker {
    /// A worker with its connections not yet opened.
    pub fn new(
        orders: Orders,
        share: &Share,
        tally: Box<Tally>,
        recycled: Receiver<Box<Tally>>,
        reports: Sender<Report>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        poll.registry()
            .register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        let mut rng = Rng::new(orders.seed.wrapping_add((share.thread as u64) << 32));
        let (mut loads, mut clients, mut first_op) = (Vec::new(), Vec::new(), 0);
        for (index, (state, part)) in orders.loads.iter().zip(&share.loads).enumerate() {
            let load = &state.load;
            let pipeline = match orders.stage {
                Stage::Measure => load.pipeline,
                _ => load.pipeline.max(PRELOAD_PIPELINE),
            };
            let start = clients.len();
            for _ in 0..part.connections {
                clients.push(Client::new(
                    index,
                    Token(clients.len()),
                    load.target.protocol,
                    pipeline,
                ));
            }
            let total: f64 = load.ops.iter().map(|op| op.weight).sum();
            let mut sum = 0.0;
            let mut picks = Vec::new();
            for (op, row) in load
                .ops
                .iter()
                .enumerate()
                .filter(|(_, op)| op.weight > 0.0)
            {
                sum += row.weight / total;
                picks.push((sum, op));
            }
            loads.push(WorkerLoad {
                first_op,
                chooser: KeyChooser::new(
                    &load.popularity,
                    load.keys,
                    share.thread as u64 * load.keys / 7,
                ),
                picks,
                quota: part.quota,
                schedule: part
                    .rate
                    .filter(|_| orders.stage == Stage::Measure && part.connections > 0)
                    .map(|rate| {
                        Schedule::new(rate, load.arrivals, part.phase, Rng::new(rng.next()))
                    }),
                clients: start..clients.len(),
                turn: 0,
                pipeline,
                full: false,
                room_ns: 0,
                last_reply_ns: 0,
                last_error: String::new(),
                state: Arc::clone(state),
            });
            first_op += load.ops.len();
        }
        Ok(Worker {
            thread: share.thread,
            measure_ns: orders.warmup.as_nanos() as u64,
            end_ns: orders
                .duration
                .map_or(u64::MAX, |d| (orders.warmup + d).as_nanos() as u64),
            orders,
            loads,
            clients,
            poll,
            timer,
            timer_armed_ns: 0,
            buffer: vec![0; BUFFER_LEN],
            inbox: vec![0; INBOX_LEN],
            inbox_len: 0,
            received: Vec::new(),
            made: Vec::new(),
            batch: Vec::new(),
            spare: Vec::new(),
            scratch: Vec::new(),
            rng,
            origin: Instant::now(),
            tally,
            recycled,
            reports,
            failures: 0,
            doubtful: Vec::new(),
            some_down: false,
            started: false,
            draining: false,
            last_reply_ns: 0,
        })
    }

    /// Opens the connections, waits for the start, runs to the end. Reports everything; returns nothing.
    pub fn run(mut self, start: &Receiver<Instant>) {
        let outcome = match self.open() {
            Ok(()) => {
                self.tell(Report::Ready);
                match start.recv() {
                    Ok(origin) => {
                        self.origin = origin;
                        self.turn_until_done()
                    }
                    // Another worker could not open its connections.
                    Err(_) => Ok(Summary::default()),
                }
            }
            Err(why) => Err(why),
        };
        match outcome {
            Ok(summary) => self.tell(Report::Done(summary)),
            Err(why) => {
                self.tell(Report::Fatal(why));
                self.tell(Report::Done(Summary::default()));
            }
        }
    }

    fn tell(&self, report: Report) {
        // The main thread outlives its workers; if it does not, there is nobody to tell.
        let _ = self.reports.send(report);
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// Opens all connections. Any that fails ends the stage before it has begun.
    fn open(&mut self) -> Result<(), String> {
        let deadline = self.now() + self.orders.timeout.as_nanos() as u64;
        let mut events = Events::with_capacity(1024);
        for index in 0..self.clients.len() {
            self.connect(index, 0)
                .map_err(|e| self.cannot_connect(index, &e))?;
        }
        loop {
            let waiting = self.clients.iter().position(|c| c.phase != Phase::Ready);
            let Some(waiting) = waiting else {
                return Ok(());
            };
            let now = self.now();
            if let Phase::Down { .. } = self.clients[waiting].phase {
                let why = self.loads[self.clients[waiting].load].last_error.clone();
                return Err(format!("cannot connect to {}: {why}", self.target(waiting)));
            }
            if now >= deadline {
                let what = match self.clients[waiting].phase {
                    Phase::Connecting { .. } => "no connection",
                    _ => "no answer to the greeting",
                };
                return Err(format!(
                    "cannot connect to {}: {what} within {:?}",
                    self.target(waiting),
                    self.orders.timeout
                ));
            }
            if self.orders.stop.load(Relaxed) {
                return Err("stopped before all connections were open".to_string());
            }
            self.poll_once(&mut events, Some(Duration::from_millis(50)))?;
        }
    }

    fn cannot_connect(&self, index: usize, error: &io::Error) -> String {
        format!("cannot connect to {}: {}", self.target(index), plain(error))
    }

    fn target(&self, index: usize) -> String {
        self.loads[self.clients[index].load]
            .state
            .load
            .target
            .to_string()
    }

    fn connect(&mut self, index: usize, now_ns: u64) -> io::Result<()> {
        let client = &mut self.clients[index];
        let state = &self.loads[client.load].state;
        client.connect(&state.load.target, self.poll.registry(), now_ns)
    }

    fn turn_until_done(&mut self) -> Result<Summary, String> {
        self.started = true;
        let mut events = Events::with_capacity(1024);
        let mut cpu_at_measure = thread_cpu_ns();
        let (mut measuring, mut next_tick) = (false, self.measure_ns + SECOND_NS);
        let (mut cpu_ns, mut wall_ns, mut unsent) = (0, 0, 0);
        let mut next_care = 0;
        let mut drain_until = u64::MAX;
        for load in &mut self.loads {
            // Each load begins its silence now.
            load.last_reply_ns = 0;
        }
        for index in 0..self.clients.len() {
            self.fill(index);
        }
        loop {
            let now = self.now();
            if !measuring && now >= self.measure_ns {
                measuring = true;
                cpu_at_measure = thread_cpu_ns();
            }
            // What comes in while the last replies are waited for belongs to the last second.
            if now >= next_tick && now < self.end_ns {
                self.hand_over((next_tick - self.measure_ns) / SECOND_NS - 1);
                next_tick += SECOND_NS * ((now - next_tick) / SECOND_NS + 1);
            }
            let stop = self.orders.stop.load(Relaxed);
            if !self.draining && (stop || now >= self.end_ns || self.nothing_left()) {
                self.draining = true;
                let end = now.min(self.end_ns);
                cpu_ns = thread_cpu_ns() - cpu_at_measure;
                wall_ns = now.saturating_sub(self.measure_ns);
                unsent = self
                    .loads
                    .iter()
                    .filter_map(|l| l.schedule.as_ref())
                    .map(|s| s.left_before(end))
                    .sum();
                let patience = if stop {
                    self.orders.timeout.min(Duration::from_secs(1))
                } else {
                    self.orders.timeout
                };
                drain_until = now + patience.as_nanos() as u64;
            }
            if self.draining
                && (self.clients.iter().all(|c| c.pending.is_empty()) || now >= drain_until)
            {
                break;
            }
            if !self.draining {
                self.send_what_is_due(now);
            }
            if now >= next_care {
                self.take_care(now)?;
                next_care = now + 10_000_000;
            }
            let timeout = self.timeout(now, next_tick, drain_until);
            self.poll_once(&mut events, timeout)?;
        }
        let now = self.now();
        for index in 0..self.clients.len() {
            let unanswered = self.clients[index].pending.len();
            if unanswered > 0 {
                self.lose(index, now, "not answered by the end of the run");
            }
        }
        for (_, load, pending) in std::mem::take(&mut self.doubtful) {
            self.loads[load].state.abandon(&pending);
        }
        let end = now.min(self.end_ns.saturating_sub(1));
        self.hand_over(end.saturating_sub(self.measure_ns) / SECOND_NS);
        Ok(Summary {
            cpu_ns,
            wall_ns,
            last_reply_ns: self.last_reply_ns,
            unsent,
        })
    }

    /// Whether counted requests, or the keys of preload and audit, are used up.
    fn nothing_left(&self) -> bool {
        match self.orders.stage {
            Stage::Measure => {
                self.loads
                    .iter()
                    .all(|l| l.quota == Some(0) || l.clients.is_empty())
                    && !self.clients.iter().any(|c| !c.follow.is_empty())
            }
            _ => self.loads.iter().all(|l| {
                l.clients.is_empty()
                    || l.sweep_op(self.orders.stage).is_none()
                    || l.state.sweep.load(Relaxed) >= l.state.load.keys
            }),
        }
    }

    /// The longest the next poll may wait.
    fn timeout(&mut self, now: u64, next_tick: u64, drain_until: u64) -> Option<Duration> {
        let mut until = drain_until.min(now + 100_000_000);
        if now < self.end_ns {
            until = until.min(next_tick);
        }
        if !self.draining {
            until = until.min(self.end_ns);
        }
        // A held write, or a connection to be opened again, is looked after by the clock.
        if self.orders.faults {
            until = until.min(now + 1_000_000);
        } else if self.some_down {
            until = until.min(now + 10_000_000);
        }
        if !self.draining {
            let due = self
                .loads
                .iter()
                .filter(|l| !l.full && l.quota != Some(0))
                .filter_map(|l| l.schedule.as_ref())
                .map(Schedule::due_ns)
                .min();
            if let Some(due) = due {
                if due <= now + 15_000 {
                    // Arming a timer takes about as long as this wait.
                    return Some(Duration::ZERO);
                }
                if due < until {
                    self.arm(due, now);
                    return Some(Duration::from_nanos(until - now));
                }
            }
        }
        Some(Duration::from_nanos(until.saturating_sub(now)))
    }

    /// Wakes the poll at that time, to the microsecond: its own timeout is in milliseconds.
    fn arm(&mut self, due: u64, now: u64) {
        if self.timer_armed_ns == due {
            return;
        }
        self.timer_armed_ns = due;
        let wait = due - now;
        let spec = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: (wait / 1_000_000_000) as i64,
                tv_nsec: (wait % 1_000_000_000) as _,
            },
        };
        // If it cannot be armed the poll's own timeout, at most 100 ms, shows up as lateness.
        let _ = rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec);
    }

    fn poll_once(&mut self, events: &mut Events, timeout: Option<Duration>) -> Result<(), String> {
        match self.poll.poll(events, timeout) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(e) => return Err(format!("the system's poll failed: {e}")),
        }
        for event in events.iter() {
            if event.token() != TIMER {
                self.on_event(event.token().0, event);
            }
        }
        self.work_off();
        Ok(())
    }

    fn on_event(&mut self, index: usize, event: &Readiness) {
        if let Phase::Connecting { .. } = self.clients[index].phase {
            match self.clients[index].connected() {
                Ok(false) => return,
                Ok(true) => self.greet(index),
                Err(e) => return self.went_down(index, &plain(&e)),
            }
        }
        if event.is_read_closed() || event.is_error() {
            self.on_readable(index, true);
        } else if event.is_readable() {
            self.receive(index);
        }
        if event.is_writable() && !self.clients[index].flushed() {
            self.flush(index);
        }
    }

    /// Sends what a connection begins with, if anything.
    fn greet(&mut self, index: usize) {
        let now = self.now();
        let client = &mut self.clients[index];
        let load = &self.loads[client.load].state.load;
        let mut left = 0;
        let mut command = |words: &[&str]| {
            left += 1;
            client
                .out
                .extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            for word in words {
                client
                    .out
                    .extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
            }
        };
        match &load.target.login {
            Some((user, password)) if user.is_empty() => command(&["AUTH", password]),
            Some((user, password)) => command(&["AUTH", user, password]),
            None => {}
        }
        if load.resp3 {
            command(&["HELLO", "3"]);
        }
        if load.target.database > 0 {
            command(&["SELECT", &load.target.database.to_string()]);
        }
        if left > 0 {
            client.phase = Phase::Greeting {
                left,
                since_ns: now,
            };
            self.flush(index);
        } else {
            self.ready(index);
        }
    }

    fn ready(&mut self, index: usize) {
        self.clients[index].phase = Phase::Ready;
        let load = &mut self.loads[self.clients[index].load];
        load.full = false;
        if self.started {
            self.fill(index);
        }
    }

    /// Takes what is there off a socket, for [`Worker::work_off`] to look at.
    fn receive(&mut self, index: usize) {
        let kept = self.clients[index].rest.len();
        if self.inbox.len() - self.inbox_len < ROOM_MIN + kept {
            self.work_off();
        }
        if kept > ROOM_MIN {
            return self.on_readable(index, false);
        }
        let room = &mut self.inbox[self.inbox_len..];
        room[..kept].copy_from_slice(&self.clients[index].rest);
        let outcome = loop {
            match self.clients[index].read(&mut room[kept..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        let now = self.now();
        match outcome {
            Ok(0) => self.at_end(index, now),
            Ok(n) => {
                self.tally.bytes_in += n as u64;
                let start = self.inbox_len;
                self.inbox_len += kept + n;
                self.received.push(Received {
                    index,
                    piece: start..self.inbox_len,
                    at_ns: now,
                });
                // A short read has emptied the socket, and epoll will tell of more.
                if self.inbox_len == self.inbox.len() {
                    self.work_off();
                    self.on_readable(index, false);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => self.went_down(index, &plain(&e)),
        }
    }

    /// Judges all that has been received, makes the next batches, then sends them. One kind of work at a time: the
    /// processor's caches serve it better than sixteen requests' worth of each in turn, and no reply waits to be
    /// read, and get its time, until a send on another connection is through.
    fn work_off(&mut self) {
        let inbox = std::mem::take(&mut self.inbox);
        let mut received = std::mem::take(&mut self.received);
        self.inbox_len = 0;
        for Received {
            index,
            piece,
            at_ns,
        } in received.drain(..)
        {
            self.take_replies(index, &inbox[piece], at_ns);
            if !self.clients[index].follow.is_empty()
                && self.loads[self.clients[index].load].schedule.is_some()
            {
                self.send_followers(index);
            }
            if self.make(index, at_ns) {
                self.made.push(index);
            }
        }
        self.inbox = inbox;
        self.received = received;
        let mut made = std::mem::take(&mut self.made);
        for index in made.drain(..) {
            self.send_made(index);
        }
        self.made = made;
    }

    /// Closed loop: when everything has been answered, sends the next batch.
    fn fill(&mut self, index: usize) {
        if self.make(index, self.now()) {
            self.send_made(index);
        }
    }

    /// Sends a batch made before, and times it from now.
    fn send_made(&mut self, index: usize) {
        let now = self.now();
        for pending in &mut self.clients[index].pending {
            // One made before the measurement is not in it, whatever its time: it was not counted as one.
            if pending.intended_ns >= self.measure_ns {
                (pending.intended_ns, pending.sent_ns) = (now, now);
            }
        }
        self.send(index, now);
    }

    /// Closed loop: when everything has been answered, makes the next batch. Whether there is one to send.
    fn make(&mut self, index: usize, now: u64) -> bool {
        let client = &self.clients[index];
        if client.phase != Phase::Ready || !client.pending.is_empty() {
            return false;
        }
        let load = client.load;
        if self.draining || self.loads[load].schedule.is_some() {
            return false;
        }
        let mut batch = std::mem::take(&mut self.batch);
        for _ in 0..self.loads[load].pipeline {
            let next = self.clients[index].follow.pop_front();
            let Some((op, key)) = next.or_else(|| self.draw(load, now)) else {
                break;
            };
            batch.push((op, key, 0));
        }
        // In a loop of its own: the processor waits for the memory of all of them at once.
        let state = &self.loads[load].state;
        for (op, key, foreseen) in &mut batch {
            *foreseen = state.foresee(*op, *key);
        }
        self.lend(index);
        for request in batch.drain(..) {
            self.put(index, request, now, now);
        }
        self.batch = batch;
        !self.clients[index].flushed()
    }

    /// Open loop: sends every request whose time has come, as long as a connection has room.
    fn send_what_is_due(&mut self, now: u64) {
        for load in 0..self.loads.len() {
            let mut current = None;
            loop {
                let row = &mut self.loads[load];
                let Some(schedule) = &mut row.schedule else {
                    break;
                };
                let due = schedule.due_ns();
                if row.full || due > now || due >= self.end_ns || row.quota == Some(0) {
                    break;
                }
                let room = |clients: &[Client], i: usize| {
                    clients[i].phase == Phase::Ready && clients[i].pending.len() < row.pipeline
                };
                let index = match current.filter(|&i| room(&self.clients, i)) {
                    Some(index) => index,
                    None => {
                        let (start, count) = (row.clients.start, row.clients.len());
                        let found = (0..count)
                            .map(|step| (row.turn + step) % count)
                            .find(|&i| room(&self.clients, start + i));
                        if let Some(last) = current.take() {
                            self.send(last, now);
                        }
                        let row = &mut self.loads[load];
                        let Some(offset) = found else {
                            row.full = true;
                            break;
                        };
                        row.turn = (offset + 1) % count;
                        row.clients.start + offset
                    }
                };
                current = Some(index);
                let row = &mut self.loads[load];
                let late_us = now.saturating_sub(due.max(row.room_ns)) / 1000;
                if due >= self.measure_ns {
                    self.tally.lateness.saturating_record(late_us.max(1));
                }
                if let Some(schedule) = &mut row.schedule {
                    schedule.advance();
                }
                match self.draw(load, due) {
                    Some((op, key)) => {
                        let floor = self.loads[load].state.foresee(op, key);
                        self.put(index, (op, key, floor), due, now);
                    }
                    None => break,
                }
            }
            if let Some(last) = current {
                self.send(last, now);
            }
        }
    }

    /// The next operation and key of a load; `None` when there is no more to do.
    #[inline]
    fn draw(&mut self, load: usize, now: u64) -> Option<(usize, u64)> {
        let row = &mut self.loads[load];
        if self.orders.stage != Stage::Measure {
            let op = row.sweep_op(self.orders.stage)?;
            let key = row.state.sweep.fetch_add(1, Relaxed);
            return (key < row.state.load.keys).then_some((op, key));
        }
        if let Some(left) = &mut row.quota {
            if *left == 0 {
                return None;
            }
            if now >= self.measure_ns {
                *left -= 1;
            }
        }
        let op = match row.picks.as_slice() {
            [(_, op)] => *op,
            picks => {
                let at = self.rng.unit();
                picks
                    .iter()
                    .find(|pick| at < pick.0)
                    .or(picks.last())
                    .map_or(0, |pick| pick.1)
            }
        };
        let state = &row.state;
        let key = if state.load.ops[op].insert {
            state.ledger.insert()
        } else {
            row.chooser
                .choose(&mut self.rng, state.load.keys, state.ledger.inserted())
        };
        Some((op, key))
    }

    /// Writes one request into a connection's output.
    #[inline]
    fn put(
        &mut self,
        index: usize,
        (op, key, floor): (usize, u64, u32),
        intended_ns: u64,
        now: u64,
    ) {
        let client = &mut self.clients[index];
        let state = &self.loads[client.load].state;
        let pending = state.issue(op, key, floor, intended_ns, now);
        state.load.renderer.write(
            &state.load.ops[op],
            key,
            pending.ticket.version,
            &mut self.rng,
            &mut self.scratch,
            &mut client.out,
        );
        client.pending.push_back(pending);
        self.tally.sent += u64::from(intended_ns >= self.measure_ns);
    }

    /// Sends a batch, with a fault now and then if the user wants that.
    fn send(&mut self, index: usize, now: u64) {
        if !self.orders.faults
            || self.orders.stage != Stage::Measure
            || self.rng.below(FAULT_EVERY) > 0
        {
            return self.flush(index);
        }
        let kind = self.rng.below(3) as usize;
        self.tally.faults[kind] += 1;
        match kind {
            0 => {
                let bytes = self.rng.below(self.clients[index].out.len() as u64) as usize;
                self.clients[index].hold(bytes, now + 1_000_000);
                self.flush(index);
            }
            1 => {
                self.flush(index);
                if self.clients[index].flushed() && self.clients[index].phase == Phase::Ready {
                    self.clients[index].half_close(now);
                }
            }
            _ => {
                self.flush(index);
                let client = &mut self.clients[index];
                client.make_abortive();
                for pending in client.pending.drain(..) {
                    self.doubtful.push((now + DOUBT_NS, client.load, pending));
                }
                client.close(now, self.loads[client.load].state.load.target.protocol);
            }
        }
    }

    /// Gives a connection with nothing to send a buffer that others have used before it.
    fn lend(&mut self, index: usize) {
        if self.clients[index].out.capacity() == 0
            && let Some(buffer) = self.spare.pop()
        {
            self.clients[index].out = buffer;
        }
    }

    fn flush(&mut self, index: usize) {
        let now = if self.orders.faults { self.now() } else { 0 };
        let client = &mut self.clients[index];
        let outcome = client
            .flush(now)
            .and_then(|bytes| client.watch(self.poll.registry()).map(|()| bytes));
        match outcome {
            Ok(bytes) => {
                self.tally.bytes_out += bytes as u64;
                let client = &mut self.clients[index];
                if client.flushed() && client.out.capacity() > 0 {
                    self.spare.push(std::mem::take(&mut client.out));
                }
            }
            // What the target sent before it closed is still to be read, and the end of it.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                self.on_readable(index, true);
            }
            Err(e) => self.went_down(index, &plain(&e)),
        }
    }

    fn on_readable(&mut self, index: usize, to_the_end: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let kept = self.clients[index].rest.len();
            if kept * 2 > buffer.len() {
                buffer.resize(kept * 4, 0);
            }
            buffer[..kept].copy_from_slice(&self.clients[index].rest);
            let outcome = self.clients[index].read(&mut buffer[kept..]);
            let now = self.now();
            match outcome {
                Ok(0) => {
                    self.at_end(index, now);
                    break;
                }
                Ok(n) => {
                    self.tally.bytes_in += n as u64;
                    let end = kept + n;
                    if !self.take_replies(index, &buffer[..end], now) {
                        break;
                    }
                    // A short read has emptied the socket, and epoll will tell of more.
                    if end < buffer.len() && !to_the_end {
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.went_down(index, &plain(&e));
                    break;
                }
            }
        }
        self.buffer = buffer;
        if !self.clients[index].follow.is_empty()
            && self.loads[self.clients[index].load].schedule.is_some()
        {
            self.send_followers(index);
        }
        self.fill(index);
    }

    /// Takes all whole replies out of `input` and keeps the rest. `false` if the connection had to be dropped.
    fn take_replies(&mut self, index: usize, input: &[u8], now: u64) -> bool {
        let load_index = self.clients[index].load;
        let mut at = 0;
        // Replies of one batch often have one latency: they enter the histogram together.
        let mut run = Run::default();
        let mut trouble = None;
        let client = &mut self.clients[index];
        let load = &mut self.loads[load_index];
        // How many of the pending requests have been answered; they are taken off together.
        let mut done = 0;
        while at < input.len() {
            let expected_len = load.state.expected_len(client.pending.get(done));
            let (used, reply) = match client.reader.next(&input[at..], expected_len) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(Bad(why)) => {
                    trouble = Some((why, show_bytes(&input[at..], 64)));
                    break;
                }
            };
            at += used;
            if let Phase::Greeting { left, since_ns } = client.phase {
                if let Reply::Error(text) = reply {
                    trouble = Some(("the greeting was refused", show_bytes(text, 120)));
                    break;
                }
                client.phase = Phase::Greeting {
                    left: left - 1,
                    since_ns,
                };
                continue;
            }
            let Some(pending) = client.pending.get(done) else {
                trouble = Some(("a reply nobody asked for", show_reply(&reply)));
                break;
            };
            done += 1;
            let verdict = load.state.judge(pending, &reply, now);
            let op = usize::from(pending.op);
            let measured = pending.intended_ns >= self.measure_ns;
            if measured {
                let latency_us = to_us(now, pending.intended_ns);
                let slot = load.first_op + op;
                if let Some(service) = &mut self.tally.ops[slot].service {
                    service.saturating_record(to_us(now, pending.sent_ns));
                }
                if run.slot == slot && run.latency_us == latency_us {
                    run.count += 1;
                } else {
                    run.record(&mut self.tally);
                    run = Run {
                        slot,
                        latency_us,
                        count: 1,
                    };
                }
            }
            match verdict {
                Verdict::Right => {
                    if let Some(then) = load.state.load.ops[op].then {
                        client.follow.push_back((then, pending.key));
                    }
                }
                Verdict::Miss => {
                    self.tally.ops[load.first_op + op].misses += u64::from(measured);
                    let row = &load.state.load.ops[op];
                    if let Some(next) = row.on_miss.or(row.then) {
                        client.follow.push_back((next, pending.key));
                    }
                }
                Verdict::Unknown => {
                    self.tally.ops[load.first_op + op].unknown += u64::from(measured)
                }
                Verdict::Refused | Verdict::Wrong(_) => {
                    let why = match verdict {
                        Verdict::Wrong(why) => {
                            self.tally.ops[load.first_op + op].wrong += 1;
                            {
                                let before = done
                                    .checked_sub(2)
                                    .map_or(client.last.as_ref(), |i| client.pending.get(i));
                                diagnose(
                                    &load.state,
                                    before,
                                    client.pending.iter().skip(done),
                                    &reply,
                                )
                                .unwrap_or(why)
                            }
                        }
                        _ => {
                            self.tally.ops[load.first_op + op].refused += 1;
                            "the target answered with an error".to_string()
                        }
                    };
                    self.failures += 1;
                    if self.failures <= FAILURES_MAX {
                        let failure = Failure {
                            at_s: seconds(now, self.measure_ns),
                            target: load.state.load.target.to_string(),
                            connection: index,
                            request: load.state.load.renderer.describe(
                                &load.state.load.ops[op],
                                pending.key,
                                pending.ticket.version,
                            ),
                            reply: show_reply(&reply),
                            why,
                        };
                        let _ = self.reports.send(Report::Failure(failure));
                    }
                }
            }
        }
        if done > 0 {
            client.last = client.pending.get(done - 1).copied();
            client.pending.drain(..done);
        }
        run.record(&mut self.tally);
        client.rest.clear();
        if at < input.len() {
            client.rest.extend_from_slice(&input[at..]);
        }
        if done > 0 {
            self.last_reply_ns = now;
            load.last_reply_ns = now;
            load.last_error.clear();
            if load.full {
                load.full = false;
                load.room_ns = now;
            }
        }
        if let Some((why, bytes)) = trouble {
            let client = &mut self.clients[index];
            let in_greeting = matches!(client.phase, Phase::Greeting { .. });
            if in_greeting {
                self.went_down(index, &format!("{why}: {bytes}"));
            } else {
                self.garbage(index, now, why, bytes);
            }
            return false;
        }
        if let Phase::Greeting { left: 0, .. } = self.clients[index].phase {
            self.ready(index);
        }
        true
    }

    fn send_followers(&mut self, index: usize) {
        let now = self.now();
        while let Some((op, key)) = self.clients[index].follow.pop_front() {
            let floor = self.loads[self.clients[index].load].state.foresee(op, key);
            self.put(index, (op, key, floor), now, now);
        }
        self.flush(index);
    }

    /// A reply that cannot be one, or that belongs to no request: the connection is out of step for good.
    fn garbage(&mut self, index: usize, now: u64, why: &str, bytes: String) {
        let load = self.clients[index].load;
        let first = self.clients[index]
            .pending
            .front()
            .or(self.clients[index].last.as_ref())
            .copied();
        let op = first.map_or(0, |p| usize::from(p.op));
        self.tally.ops[self.loads[load].first_op + op].wrong += 1;
        self.report(index, now, first, bytes, why);
        if !self.clients[index].pending.is_empty() {
            self.lose(
                index,
                now,
                "the connection was given up after a reply that is none",
            );
        }
        self.drop_client(index, now + RETRY_NS, why);
    }

    fn at_end(&mut self, index: usize, now: u64) {
        if matches!(self.clients[index].phase, Phase::HalfClosed { .. })
            && self.clients[index].pending.is_empty()
        {
            let protocol = self.loads[self.clients[index].load]
                .state
                .load
                .target
                .protocol;
            self.clients[index].close(now, protocol);
            return;
        }
        self.went_down(index, "the target closed the connection");
    }

    /// The connection is gone, and not because we wanted it.
    fn went_down(&mut self, index: usize, why: &str) {
        let now = self.now();
        if !self.clients[index].pending.is_empty() {
            self.lose(index, now, why);
        }
        self.drop_client(index, now + RETRY_NS, why);
    }

    fn drop_client(&mut self, index: usize, retry_ns: u64, why: &str) {
        let client = &mut self.clients[index];
        let load = &mut self.loads[client.load];
        load.last_error = why.to_string();
        if matches!(client.phase, Phase::Ready | Phase::HalfClosed { .. }) && self.started {
            self.tally.reconnects += 1;
        }
        client.close(retry_ns, load.state.load.target.protocol);
        self.some_down = true;
    }

    /// Counts everything unanswered on a connection as lost, and reports the first.
    fn lose(&mut self, index: usize, now: u64, why: &str) {
        let first = self.clients[index].pending.front().copied();
        let count = self.clients[index].pending.len();
        self.report(
            index,
            now,
            first,
            "(none)".to_string(),
            &format!("{why}, with {count} unanswered"),
        );
        let load = self.clients[index].load;
        while let Some(pending) = self.clients[index].pending.pop_front() {
            self.tally.ops[self.loads[load].first_op + usize::from(pending.op)].lost += 1;
            self.doubtful.push((now + DOUBT_NS, load, pending));
        }
    }

    fn report(
        &mut self,
        index: usize,
        now: u64,
        request: Option<Pending>,
        reply: String,
        why: &str,
    ) {
        self.failures += 1;
        if self.failures > FAILURES_MAX {
            return;
        }
        let load = &self.loads[self.clients[index].load].state.load;
        let request = request.map_or("(none)".to_string(), |p| {
            load.renderer
                .describe(&load.ops[usize::from(p.op)], p.key, p.ticket.version)
        });
        self.tell(Report::Failure(Failure {
            at_s: seconds(now, self.measure_ns),
            target: load.target.to_string(),
            connection: index,
            request,
            reply,
            why: why.to_string(),
        }));
    }

    /// Timeouts, connections to open again, held writes, writes no longer in doubt; and whether a load is still alive.
    fn take_care(&mut self, now: u64) -> Result<(), String> {
        let timeout_ns = self.orders.timeout.as_nanos() as u64;
        self.some_down = false;
        for index in 0..self.clients.len() {
            match self.clients[index].phase {
                Phase::Down { retry_ns } if now >= retry_ns && !self.draining => {
                    if let Err(e) = self.connect(index, now) {
                        self.went_down(index, &plain(&e));
                    }
                }
                Phase::Connecting { since_ns } | Phase::Greeting { since_ns, .. }
                    if now >= since_ns + timeout_ns =>
                {
                    self.went_down(index, "no connection within the timeout");
                }
                Phase::HalfClosed { since_ns }
                    if now >= since_ns + timeout_ns && self.clients[index].pending.is_empty() =>
                {
                    let why = "the target did not close its side of a half-closed connection";
                    self.report(index, now, None, "(none)".to_string(), why);
                    self.drop_client(index, now, why);
                }
                _ => {}
            }
            self.some_down |= matches!(self.clients[index].phase, Phase::Down { .. });
            let oldest = self.clients[index].pending.front().map(|p| p.sent_ns);
            if oldest.is_some_and(|sent_ns| now >= sent_ns + timeout_ns) {
                self.went_down(index, "no answer within the timeout");
                self.loads[self.clients[index].load].last_error = "it does not answer".to_string();
            }
            if self.clients[index].held_until().is_some() {
                self.flush(index);
            }
        }
        if !self.doubtful.is_empty() {
            let loads = &self.loads;
            self.doubtful.retain(|(until_ns, load, pending)| {
                let over = now >= *until_ns;
                if over {
                    loads[*load].state.abandon(pending);
                }
                !over
            });
        }
        for load in &self.loads {
            let silent = now >= load.last_reply_ns + timeout_ns;
            if silent && !load.last_error.is_empty() && !self.draining {
                return self.give_up(load, now);
            }
        }
        Ok(())
    }

    fn give_up(&self, load: &WorkerLoad, now: u64) -> Result<(), String> {
        let silence = Duration::from_nanos(now - load.last_reply_ns);
        self.tell(Report::Fatal(format!(
            "{} gave no reply for {:.1} s: {}",
            load.state.load.target,
            silence.as_secs_f64(),
            load.last_error
        )));
        // The stop ends this stage in order, so that what was measured is kept.
        self.orders.stop.store(true, Relaxed);
        Ok(())
    }

    fn hand_over(&mut self, second: u64) {
        // The main thread hands tallies back; should none have come yet, a new one is made.
        let mut next = match self.recycled.try_recv() {
            Ok(tally) => tally,
            Err(_) => {
                let mut fresh = self.tally.clone();
                fresh.clear();
                fresh
            }
        };
        next.second = second + 1;
        let mut full = std::mem::replace(&mut self.tally, next);
        full.second = second;
        self.tell(Report::Second(self.thread, full));
    }
}

impl WorkerLoad {
    /// The operation of preload or audit.
    fn sweep_op(&self, stage: Stage) -> Option<usize> {
        match stage {
            Stage::Preload => self.state.load.preload,
            Stage::Audit => self.state.load.audit,
            Stage::Measure => None,
        }
    }
}

/// Replies in a row with the same operation and latency.
#[derive(Default)]
struct Run {
    slot: usize,
    latency_us: u64,
    count: u64,
}

impl Run {
    fn record(&self, tally: &mut Tally) {
        if self.count > 0 {
            tally.ops[self.slot]
                .latency
                .saturating_record_n(self.latency_us, self.count);
        }
    }
}

/// Whether a wrong reply is the right one for another request of the connection.
#[cold]
fn diagnose<'a>(
    state: &LoadState,
    last: Option<&Pending>,
    mut later: impl Iterator<Item = &'a Pending>,
    reply: &Reply<'_>,
) -> Option<String> {
    let name = |p: &Pending| {
        state
            .load
            .renderer
            .describe(&state.load.ops[usize::from(p.op)], p.key, p.ticket.version)
    };
    if let Some(last) = last.filter(|last| state.belongs_to(last, reply)) {
        return Some(format!(
            "duplicated: this is the reply to the request before, {}",
            name(last)
        ));
    }
    let owner = later.find(|p| state.belongs_to(p, reply))?;
    Some(format!(
        "reordered: this is the reply to a later request, {}",
        name(owner)
    ))
}

/// Nanoseconds between two times as microseconds, at least one.
#[inline]
fn to_us(now_ns: u64, then_ns: u64) -> u64 {
    ((now_ns.saturating_sub(then_ns) + 500) / 1000).max(1)
}

fn seconds(now_ns: u64, from_ns: u64) -> f64 {
    (now_ns as f64 - from_ns as f64) / 1e9
}

fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// An error in a few words, without the number the system gives it.
pub fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_string(),
        io::ErrorKind::ConnectionReset => "the target reset the connection".to_string(),
        io::ErrorKind::NotFound => "no such socket file".to_string(),
        _ => error.to_string(),
    }
}
