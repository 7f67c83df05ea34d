//! Every limit, and every kind of bad client: what happens to it, and that nothing happens to its neighbours.
//!
//! The server is turned by the test itself, over real sockets and with a clock that only the test moves: nothing here
//! waits for time to pass, and what one turn does can be counted.
#![cfg(unix)]

mod common;
mod process;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::rng::for_each_seed;
use common::{Driven, Rng};
use pentad::config::Limits;
use pentad::{Clock, Config, Flow, Now, Server};
use process::{Daemon, PATIENCE, SCHEMES, until};
use rustix::net::sockopt::set_socket_linger;

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PONG: &[u8] = b"+PONG\r\n";

// ---- a server that the test turns ---------------------------------------------------------------

#[derive(Clone, Debug)]
struct TestClock(Arc<AtomicU64>);

impl Clock for TestClock {
    fn now(&self) -> Now {
        let monotonic_us = self.0.load(Ordering::Relaxed);
        Now {
            unix_us: common::drive::START_US + monotonic_us as i64,
            monotonic_us,
        }
    }
}

struct Host {
    server: Server,
    clock: TestClock,
}

/// A client that never waits: it sends and receives between the server's turns.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    /// What has come and was not asked for yet.
    received: Vec<u8>,
    /// The other end has closed, or cut, the connection.
    ended: bool,
}

impl Client {
    /// Sends what goes without waiting. An error counts as the end.
    fn write(&mut self, bytes: &[u8]) -> usize {
        match self.stream.write(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => {
                self.ended = true;
                0
            }
        }
    }

    /// Receives what is there; gives how much that was.
    fn read(&mut self) -> usize {
        let mut buffer = [0; 64 * 1024];
        let before = self.received.len();
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.received.extend_from_slice(&buffer[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.ended = true,
            }
            return self.received.len() - before;
        }
    }

    /// Has the connection cut, not closed, when it is dropped.
    fn cut(self) {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }
}

impl Host {
    fn new(limits: Limits) -> Host {
        let clock = TestClock(Arc::new(AtomicU64::new(1_000_000)));
        let listen = SCHEMES.map(|scheme| format!("{scheme}://127.0.0.1:0").parse().unwrap());
        let config = Config {
            listen: listen.into(),
            limits,
            ..Config::default()
        };
        let server = Server::bind_with_clock(config, Box::new(clock.clone())).unwrap();
        Host { server, clock }
    }

    fn advance_s(&mut self, seconds: u64) {
        self.clock
            .0
            .fetch_add(seconds * 1_000_000, Ordering::Relaxed);
        self.settle();
    }

    /// Turns until there is nothing left to do.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.server.turn(Some(Duration::ZERO)).unwrap();
    }

    /// Turns until it is so.
    #[track_caller]
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            self.server.turn(Some(Duration::from_millis(1))).unwrap();
        }
    }

    fn connections(&self) -> usize {
        self.server.engine().connections()
    }

    /// A client that the server has not seen yet.
    fn knock(&self, scheme: &str) -> Client {
        let mut addresses = self.server.addresses();
        let (_, address) = addresses.find(|(known, _)| known.name() == scheme).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            received: Vec::new(),
            ended: false,
        }
    }

    /// A client that the server has let in.
    #[track_caller]
    fn connect(&mut self, scheme: &str) -> Client {
        let received = |host: &Host| host.server.engine().hub.stats.connections_received;
        let before = received(self);
        let client = self.knock(scheme);
        self.until("a connection", |host| received(host) > before);
        client
    }

    #[track_caller]
    fn send(&mut self, client: &mut Client, bytes: &[u8]) {
        let mut at = 0;
        self.until("room to send", |_| {
            at += client.write(&bytes[at..]);
            assert!(!client.ended, "the connection was closed");
            at == bytes.len()
        });
    }

    /// Sends as much of `bytes` as is taken by a server whose client does not read; gives how much that is.
    fn offer(&mut self, client: &mut Client, bytes: &[u8]) -> usize {
        let (mut at, mut idle_turns) = (0, 0);
        while at < bytes.len() && idle_turns < 100 && !client.ended {
            let count = client.write(&bytes[at..]);
            let received = self.server.engine().hub.stats.input_bytes;
            self.server.turn(Some(Duration::from_millis(1))).unwrap();
            let is_idle = count == 0 && received == self.server.engine().hub.stats.input_bytes;
            idle_turns = if is_idle { idle_turns + 1 } else { 0 };
            at += count;
        }
        at
    }

    #[track_caller]
    fn expect(&mut self, client: &mut Client, expected: &[u8]) {
        self.until("a reply", |_| {
            client.read();
            client.received.len() >= expected.len() || client.ended
        });
        let got = &client.received[..client.received.len().min(expected.len())];
        assert_eq!(
            got.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
        client.received.drain(..expected.len());
    }

    #[track_caller]
    fn ask(&mut self, client: &mut Client, request: &[u8], expected: &[u8]) {
        self.send(client, request);
        self.expect(client, expected);
    }

    /// All that comes until the connection ends.
    #[track_caller]
    fn read_to_end(&mut self, client: &mut Client) -> Vec<u8> {
        self.until("the end of the connection", |_| {
            client.read();
            client.ended
        });
        std::mem::take(&mut client.received)
    }

    #[track_caller]
    fn expect_end(&mut self, client: &mut Client, last_words: &[u8]) {
        let got = self.read_to_end(client);
        assert_eq!(
            got.escape_ascii().to_string(),
            last_words.escape_ascii().to_string()
        );
    }

    /// A numeric field of INFO, as `client` is told it.
    #[track_caller]
    fn info(&mut self, client: &mut Client, field: &str) -> u64 {
        assert!(client.received.is_empty());
        self.send(client, b"INFO\r\n");
        self.until("INFO", |_| {
            client.read();
            client.received.ends_with(b"\r\n\r\n")
                || client.received.ends_with(b"\r\n") && {
                    let text = String::from_utf8_lossy(&client.received);
                    let (head, body) = text.split_once("\r\n").unwrap();
                    body.len() == head[1..].parse::<usize>().unwrap() + 2
                }
        });
        let text = String::from_utf8(std::mem::take(&mut client.received)).unwrap();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap().parse().unwrap()
    }
}

/// For each scheme a request and its reply that no other client's requests change.
fn exchange(scheme: &str) -> (Vec<u8>, Vec<u8>) {
    let (request, reply): (&[u8], &[u8]) = match scheme {
        "resp" => (b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n", b"$5\r\nhello\r\n"),
        "metrics" => (b"put m 1.5 7\nget m\n", b"ok\n\nok\nm 1.5 7\n\n"),
        "counter" => (b"add 0\nget\n", b"ok\nval 0\n"),
        "lab" => (b"sl:v\r\nrl\r\n", b"v\r\n"),
        "lab+byte" => (b"\x04sb:v\x02rb", b"\x01v"),
        "lab+digit" => (b"4sd:v2rd", b"v"),
        _ => {
            let request = [
                frame(r#"{"command":"SET","key":"p","value":[1]}"#),
                frame(r#"{"command":"GET","key":"p"}"#),
            ];
            let reply = [
                frame(r#"{"status_code":200}"#),
                frame(r#"{"status_code":200,"value":[1]}"#),
            ];
            return (request.concat(), reply.concat());
        }
    };
    (request.to_vec(), reply.to_vec())
}

/// A message of the speicher protocol.
fn frame(json: &str) -> Vec<u8> {
    [&(json.len() as i32).to_be_bytes(), json.as_bytes()].concat()
}

/// One client of each protocol, who want nothing but answers.
struct Neighbours(Vec<Client>);

impl Neighbours {
    fn new(host: &mut Host) -> Neighbours {
        Neighbours(SCHEMES.map(|scheme| host.connect(scheme)).into())
    }

    #[track_caller]
    fn are_served(&mut self, host: &mut Host) {
        for (scheme, client) in SCHEMES.iter().zip(&mut self.0) {
            let (request, reply) = exchange(scheme);
            host.ask(client, &request, &reply);
        }
    }

    /// The one that speaks RESP.
    fn resp(&mut self) -> &mut Client {
        &mut self.0[0]
    }
}

// ---- slow clients -------------------------------------------------------------------------------

#[test]
fn a_byte_a_second_is_served() {
    let mut host = Host::new(Limits {
        idle_timeout_s: 10,
        ..Limits::default()
    });
    let mut neighbours = Neighbours::new(&mut host);
    for scheme in SCHEMES {
        let mut client = host.connect(scheme);
        let (request, reply) = exchange(scheme);
        for byte in request {
            host.send(&mut client, &[byte]);
            host.advance_s(1);
            neighbours.are_served(&mut host);
        }
        host.expect(&mut client, &reply);
    }
}

#[test]
fn who_sends_nothing_for_too_long_is_closed() {
    let mut host = Host::new(Limits {
        idle_timeout_s: 30,
        ..Limits::default()
    });
    let mut active = host.connect("resp");
    let mut idle: Vec<Client> = SCHEMES.map(|scheme| host.connect(scheme)).into();
    // Half a request is nothing, once it has come.
    host.send(&mut idle[0], b"*2\r\n$4\r\nEC");
    let mut subscriber = host.connect("resp");
    host.ask(
        &mut subscriber,
        b"SUBSCRIBE c\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
    );
    let mut waiter = host.connect("resp");
    host.send(&mut waiter, b"BLPOP list 0\r\n");
    host.settle();

    host.advance_s(29);
    assert_eq!(host.connections(), 10);
    host.ask(&mut active, PING, PONG);
    host.advance_s(1);
    for client in &mut idle {
        host.expect_end(client, b"");
    }
    assert_eq!(host.connections(), 3);
    assert_eq!(
        host.info(&mut active, "client_idle_timeout_disconnections"),
        7
    );

    // Who waits to be told something is not idle, until it does not wait any more.
    for _ in 0..10 {
        host.advance_s(29);
        host.ask(&mut active, PING, PONG);
    }
    host.ask(&mut active, b"RPUSH list x\r\n", b":1\r\n");
    host.expect(&mut waiter, b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
    host.ask(&mut active, b"PUBLISH c m\r\n", b":1\r\n");
    host.expect(
        &mut subscriber,
        b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n",
    );
    host.advance_s(60);
    host.expect_end(&mut waiter, b"");
    assert_eq!(host.connections(), 1, "only the subscriber is left");
}

// ---- clients that do not read -------------------------------------------------------------------

/// A client whose socket is full and whose output waits, because it has asked for much and reads nothing.
fn stuck(host: &mut Host) -> Client {
    let mut client = host.connect("resp");
    host.ask(&mut client, b"SETRANGE big 99999 x\r\n", b":100000\r\n");
    let requests = b"GET big\r\n".repeat(1_000_000);
    let taken = host.offer(&mut client, &requests);
    assert!(
        taken < requests.len(),
        "the server reads on though nobody reads it"
    );
    client
}

#[test]
fn who_never_reads_is_not_read_and_then_dropped() {
    // A longer limit on idling does not put off the shorter one on stalling.
    for idle_timeout_s in [0, 3600] {
        let output_bytes_max = 1024 * 1024;
        let mut host = Host::new(Limits {
            output_bytes_max,
            output_stall_timeout_s: 60,
            idle_timeout_s,
            ..Limits::default()
        });
        let mut neighbours = Neighbours::new(&mut host);
        let mut stuck = stuck(&mut host);
        let output = host.info(neighbours.resp(), "client_recent_max_output_buffer");
        assert!(output > 0, "its output waits");
        assert!(output < output_bytes_max as u64, "but is capped: {output}");
        host.advance_s(59);
        neighbours.are_served(&mut host);
        assert_eq!(host.connections(), 8);
        host.advance_s(1);
        neighbours.are_served(&mut host);
        assert_eq!(host.connections(), 7);
        let dropped = host.info(
            neighbours.resp(),
            "client_output_buffer_limit_disconnections",
        );
        assert_eq!(dropped, 1);
        assert_eq!(
            host.info(neighbours.resp(), "client_recent_max_output_buffer"),
            0
        );
        host.read_to_end(&mut stuck);
    }
}

#[test]
fn who_reads_a_little_now_and_then_is_not_dropped() {
    let mut host = Host::new(Limits {
        output_bytes_max: 1024 * 1024,
        output_stall_timeout_s: 60,
        idle_timeout_s: 50,
        ..Limits::default()
    });
    let mut slow = stuck(&mut host);
    for _ in 0..10 {
        host.advance_s(40);
        let sent = host.server.engine().hub.stats.output_bytes;
        host.until("progress", |host| {
            slow.read();
            host.server.engine().hub.stats.output_bytes > sent
        });
        assert_eq!(host.connections(), 1);
    }
}

#[test]
fn one_answer_above_the_limit_drops_its_client() {
    let mut host = Host::new(Limits {
        output_bytes_max: 1024 * 1024,
        ..Limits::default()
    });
    let mut neighbours = Neighbours::new(&mut host);
    let mut greedy = host.connect("resp");
    host.ask(&mut greedy, b"SETRANGE big 99999 x\r\n", b":100000\r\n");
    let request = [b"MGET".to_vec(), b" big".repeat(20), b"\r\n".to_vec()].concat();
    host.send(&mut greedy, &request);
    host.until("its end", |host| host.connections() == 7);
    host.expect_end(&mut greedy, b"");
    neighbours.are_served(&mut host);
    let dropped = host.info(
        neighbours.resp(),
        "client_output_buffer_limit_disconnections",
    );
    assert_eq!(dropped, 1);
    assert_eq!(host.info(neighbours.resp(), "mem_clients_normal"), 0);
}

#[test]
fn a_subscriber_that_never_reads_is_dropped_and_the_publisher_is_not() {
    let mut host = Host::new(Limits {
        output_bytes_max: 1024 * 1024,
        ..Limits::default()
    });
    let mut subscriber = host.connect("resp");
    let mut publisher = host.connect("resp");
    host.send(&mut subscriber, b"SUBSCRIBE c\r\n");
    host.settle();
    let message = [
        b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$100000\r\n",
        &b"m".repeat(100_000)[..],
        b"\r\n",
    ]
    .concat();
    for _ in 0..1000 {
        host.send(&mut publisher, &message);
        host.until("a reply", |_| publisher.read() > 0);
        let got = std::mem::take(&mut publisher.received);
        if got == b":0\r\n" {
            break;
        }
        assert_eq!(got, b":1\r\n");
    }
    assert_eq!(host.connections(), 1);
    let dropped = host.info(&mut publisher, "client_output_buffer_limit_disconnections");
    assert_eq!(dropped, 1);
    host.read_to_end(&mut subscriber);
}

#[test]
fn input_stops_above_the_high_water_mark_and_goes_on_below_the_low_one() {
    const OUTPUT_MAX: usize = 64 * 1024;
    let mut driven = Driven::with(Config {
        limits: Limits {
            output_bytes_max: OUTPUT_MAX,
            ..Limits::default()
        },
        ..Config::default()
    });
    let engine = &mut driven.engine;
    let id = engine.open(0, pentad::client::Peer::InProcess).unwrap();
    let requests = PING.repeat(20_000);
    engine.receive(id, &requests);
    while engine.flow(id) == Some(Flow::Turn) {
        engine.resume(id);
    }
    assert_eq!(engine.flow(id), Some(Flow::Output));
    assert!(!engine.takes_input(id));
    let mut waiting = engine.output(id).len();
    // One batch of requests may go beyond the mark, not more.
    assert!(
        (OUTPUT_MAX / 2..OUTPUT_MAX / 2 + 16 * PONG.len()).contains(&waiting),
        "{waiting}"
    );
    let mut answered = waiting;
    while waiting > OUTPUT_MAX / 4 {
        assert_eq!(engine.flow(id), Some(Flow::Output), "{waiting} bytes wait");
        let count = waiting.min(1000);
        engine.sent(id, count);
        waiting -= count;
        assert_eq!(engine.output(id).len(), waiting);
    }
    assert_eq!(engine.flow(id), Some(Flow::Turn));
    // Nothing is lost in all of this.
    while answered < 20_000 * PONG.len() {
        engine.sent(id, waiting);
        engine.resume(id);
        waiting = engine.output(id).len();
        assert!(waiting > 0);
        answered += waiting;
    }
    assert_eq!(answered, 20_000 * PONG.len());
}

#[test]
fn answers_come_in_order_however_late_they_are_read() {
    const REQUESTS: usize = 30_000;
    let mut host = Host::new(Limits {
        output_bytes_max: 256 * 1024,
        ..Limits::default()
    });
    let mut neighbours = Neighbours::new(&mut host);
    let mut client = host.connect("resp");
    let payload = "x".repeat(1000);
    let mut requests = Vec::new();
    let mut replies = Vec::new();
    for number in 0..REQUESTS {
        let text = format!("{number:05}{payload}");
        requests.extend(format!("*2\r\n$4\r\nECHO\r\n$1005\r\n{text}\r\n").into_bytes());
        replies.extend(format!("$1005\r\n{text}\r\n").into_bytes());
    }
    let mut sent = host.offer(&mut client, &requests);
    assert!(
        sent < requests.len(),
        "the server reads on though nobody reads it"
    );
    neighbours.are_served(&mut host);
    host.until("all replies", |_| {
        client.read();
        sent += client.write(&requests[sent..]);
        client.received.len() >= replies.len()
    });
    assert!(
        client.received == replies,
        "the replies are not those to the requests"
    );
}

// ---- fairness -----------------------------------------------------------------------------------

#[test]
fn a_hog_does_not_keep_its_neighbour_waiting() {
    let limits = Limits::default();
    let share = limits.requests_per_turn as u64;
    let mut host = Host::new(limits);
    let mut hog = host.connect("resp");
    let mut neighbour = host.connect("resp");
    let requests = PING.repeat(200_000);
    let mut sent = 0;
    for _ in 0..100 {
        sent += hog.write(&requests[sent..]);
        neighbour.write(PING);
        let before = host.server.engine().hub.stats.requests;
        // In the first turn its request may come too late to be seen.
        for _ in 0..2 {
            host.turn();
        }
        neighbour.read();
        assert_eq!(neighbour.received, PONG, "the neighbour had to wait");
        neighbour.received.clear();
        let run = host.server.engine().hub.stats.requests - before;
        assert!(run <= 2 * share + 1, "{run} requests in two turns");
        assert!(run >= share, "the hog was to have as much as it can get");
        hog.read();
    }
}

// ---- the end of a conversation ------------------------------------------------------------------

#[test]
fn what_was_sent_before_half_closing_is_answered() {
    for scheme in SCHEMES {
        let mut host = Host::new(Limits {
            requests_per_turn: 7,
            ..Limits::default()
        });
        let mut client = host.connect(scheme);
        let (request, reply) = exchange(scheme);
        // With half a request at the end, which is none.
        let requests = [request.repeat(500), request[..request.len() / 3].to_vec()].concat();
        host.send(&mut client, &requests);
        client.stream.shutdown(Shutdown::Write).unwrap();
        let mut expected = reply.repeat(500);
        let got = host.read_to_end(&mut client);
        if scheme == "metrics" || scheme == "counter" {
            // A third of these is a whole line or more.
            let rest = got.len() - expected.len();
            assert!(rest < reply.len(), "{scheme}");
            expected.extend_from_slice(&reply[..rest]);
        }
        assert!(got == expected, "{scheme}: {}", got.escape_ascii());
        assert_eq!(host.connections(), 0, "{scheme}");
    }
}

#[test]
fn who_comes_and_goes_without_a_word_leaves_nothing() {
    let mut host = Host::new(Limits::default());
    let mut neighbours = Neighbours::new(&mut host);
    for scheme in SCHEMES {
        host.connect(scheme).cut();
        drop(host.knock(scheme));
        host.knock(scheme).cut();
        let mut client = host.connect(scheme);
        host.send(&mut client, &exchange(scheme).0);
        client.cut();
        let mut client = host.knock(scheme);
        client.write(&exchange(scheme).0[..3]);
        client.cut();
    }
    host.until("their end", |host| host.connections() == 7);
    neighbours.are_served(&mut host);
    assert_eq!(host.info(neighbours.resp(), "mem_clients_normal"), 0);
}

#[test]
fn a_client_cut_while_its_answers_wait_is_noticed() {
    let mut host = Host::new(Limits {
        output_bytes_max: 1024 * 1024,
        ..Limits::default()
    });
    let mut neighbours = Neighbours::new(&mut host);
    stuck(&mut host).cut();
    host.until("its end", |host| host.connections() == 7);
    neighbours.are_served(&mut host);
    assert_eq!(
        host.info(
            neighbours.resp(),
            "client_output_buffer_limit_disconnections"
        ),
        0
    );
}

// ---- too many clients ---------------------------------------------------------------------------

#[test]
fn one_client_too_many_is_told_so_in_its_protocol() {
    for (scheme, refusal) in SCHEMES.iter().zip([
        &b"-ERR max number of clients reached\r\n"[..],
        b"error\nwrong command\n\n",
        b"err\n",
        b"",
        b"",
        b"",
        b"\0\0\0\x13{\"status_code\":503}",
    ]) {
        let mut host = Host::new(Limits {
            clients_max: 1,
            ..Limits::default()
        });
        let mut first = host.connect("resp");
        let mut refused = host.knock(scheme);
        host.expect_end(&mut refused, refusal);
        assert_eq!(host.info(&mut first, "rejected_connections"), 1);
        assert_eq!(host.info(&mut first, "connected_clients"), 1);
    }
}

#[test]
fn after_too_many_clients_none_is_let_in_until_a_tenth_has_gone() {
    let mut host = Host::new(Limits {
        clients_max: 20,
        ..Limits::default()
    });
    let mut inside: Vec<Client> = (0..20).map(|_| host.connect("resp")).collect();
    let mut refused = host.knock("resp");
    host.read_to_end(&mut refused);
    // Whoever comes now waits at the door: to be let in, not to be refused.
    let mut waiting: Vec<Client> = (0..3).map(|_| host.knock("resp")).collect();
    for client in &mut waiting {
        client.write(PING);
    }
    host.settle();
    inside.pop();
    host.until("one to go", |host| host.connections() == 19);
    host.settle();
    assert_eq!(host.connections(), 19, "a tenth has not gone yet");
    host.ask(&mut inside[0], PING, PONG);
    inside.pop();
    for client in &mut waiting[..2] {
        host.expect(client, PONG);
    }
    host.read_to_end(&mut waiting[2]);
    assert_eq!(host.connections(), 20);
    assert_eq!(host.info(&mut inside[0], "rejected_connections"), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_system_without_room_for_clients_is_waited_for() {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

    let mut daemon = Daemon::start(["--listen", "resp://127.0.0.1:0"]);
    let mut inside = daemon.connect("resp");
    process::ask(&mut inside, PING, PONG);
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid().as_raw_nonzero())).unwrap();
    let open: Vec<u64> = open
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    // The limit is on the numbers of descriptors: the second that is free is the last one below it.
    let second_free = (0..)
        .filter(|number| !open.contains(number))
        .nth(1)
        .unwrap();
    let room_for_two = Rlimit {
        current: Some(second_free + 1),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    prlimit(Some(daemon.pid()), Resource::Nofile, room_for_two).unwrap();
    let started = Instant::now();
    let mut clients: Vec<TcpStream> = (0..10).map(|_| daemon.connect("resp")).collect();
    for client in &mut clients {
        client.write_all(PING).unwrap();
    }
    daemon.expect_log("cannot accept a client");
    process::ask(&mut inside, PING, PONG);
    assert_eq!(process::info(&mut inside, "connected_clients"), 3);
    // As clients go, others come in: all are served in the end.
    for mut client in clients {
        process::expect(&mut client, PONG, "a client that had to wait");
    }
    let took = started.elapsed();
    process::ask(&mut inside, PING, PONG);
    assert!(daemon.is_running());
    // It tried again in intervals, not all the time.
    daemon.signal(rustix::process::Signal::TERM);
    let log = daemon.wait(PATIENCE).stderr;
    let tries = log.matches("cannot accept a client").count() as u128;
    assert!(
        tries <= took.as_millis() / 100 + 1,
        "{tries} tries in {took:?}"
    );
}

// ---- input that is too long, or wrong -----------------------------------------------------------

const GIANT_BYTES: usize = 8 * 1024 * 1024;

fn small_limits() -> Limits {
    Limits {
        request_bytes_max: 64 * 1024,
        line_bytes_max: 1024,
        ..Limits::default()
    }
}

/// Sends all of it, or what is taken before the connection ends, and sees to it that no memory is filled with it.
#[track_caller]
fn send_giant(host: &mut Host, client: &mut Client, observer: &mut Client, bytes: &[u8]) {
    for piece in bytes.chunks(GIANT_BYTES / 16) {
        let mut at = 0;
        host.until("room to send", |_| {
            at += client.write(&piece[at..]);
            at == piece.len() || client.ended
        });
        let held = host.info(observer, "mem_clients_normal");
        assert!(held < 512 * 1024, "{held} bytes are held");
    }
}

#[test]
fn giant_input_is_refused_in_resp_and_held_nowhere() {
    let giant = |head: &str, byte: u8| [head.as_bytes(), &[byte].repeat(GIANT_BYTES)[..]].concat();
    let argument = format!("$60000\r\n{}\r\n", "x".repeat(60_000));
    for (input, error) in [
        (giant("", b'x'), "too big inline request"),
        (giant("", b'\0'), "too big inline request"),
        (giant("*", b'1'), "too big mbulk count string"),
        (giant("*2\r\n$", b'1'), "too big bulk count string"),
        (
            giant("*2\r\n$4\r\nECHO\r\n$65537\r\n", b'x'),
            "invalid bulk length",
        ),
        (giant("*3\r\n$65536\r\n", b'x'), "too big request"),
        (
            format!("*3\r\n{}", argument.repeat(3)).into_bytes(),
            "too big request",
        ),
        (giant("*2147483648\r\n", b'x'), "invalid multibulk length"),
        (
            giant("*99999999999999999999\r\n", b'x'),
            "invalid multibulk length",
        ),
        (giant("*x\r\n", b'x'), "invalid multibulk length"),
        (giant("*1\r\n$-1\r\n", b'x'), "invalid bulk length"),
        (
            giant("*1\r\n$99999999999999999999\r\n", b'x'),
            "invalid bulk length",
        ),
        (giant("*1\r\n!", b'x'), "expected '$', got '!'"),
    ] {
        let mut host = Host::new(small_limits());
        let mut neighbours = Neighbours::new(&mut host);
        let mut client = host.connect("resp");
        send_giant(&mut host, &mut client, neighbours.resp(), &input);
        host.expect_end(
            &mut client,
            format!("-ERR Protocol error: {error}\r\n").as_bytes(),
        );
        neighbours.are_served(&mut host);
        assert_eq!(host.connections(), 7);
    }
}

#[test]
fn giant_input_is_skipped_where_its_end_can_be_found() {
    let line = [&b"x".repeat(GIANT_BYTES)[..], b"\n"].concat();
    let nuls = [&b"\0".repeat(GIANT_BYTES)[..], b"\r\n"].concat();
    let length = |bytes: i32| bytes.to_be_bytes().to_vec();
    let json = [length(GIANT_BYTES as i32), b"[".repeat(GIANT_BYTES)].concat();
    let bad_json = frame(r#"{"status_code":400}"#);
    for (scheme, input, reply) in [
        ("metrics", &line, &b"error\nwrong command\n\n"[..]),
        ("metrics", &nuls, b"error\nwrong command\n\n"),
        ("counter", &line, b"err\n"),
        ("counter", &nuls, b"err\n"),
        ("speicher", &json, &bad_json),
        ("speicher", &length(0), &bad_json),
        ("speicher", &length(-1), &bad_json),
        ("speicher", &length(i32::MIN), &bad_json),
    ] {
        let mut host = Host::new(small_limits());
        let mut neighbours = Neighbours::new(&mut host);
        let mut client = host.connect(scheme);
        send_giant(&mut host, &mut client, neighbours.resp(), input);
        let (next_request, next_reply) = exchange(scheme);
        host.send(&mut client, &next_request);
        host.expect(&mut client, &[reply, &next_reply].concat());
        neighbours.are_served(&mut host);
    }
}

#[test]
fn giant_input_ends_the_conversation_where_it_cannot() {
    for (scheme, head) in [("lab", &b"sk:"[..]), ("lab", b""), ("lab+digit", b"x")] {
        let mut host = Host::new(small_limits());
        let mut neighbours = Neighbours::new(&mut host);
        let mut client = host.connect(scheme);
        let input = [head, &b"x".repeat(GIANT_BYTES)[..]].concat();
        send_giant(&mut host, &mut client, neighbours.resp(), &input);
        host.expect_end(&mut client, b"");
        neighbours.are_served(&mut host);
    }
    // One byte cannot announce anything too long; what it announces and is no message ends the conversation.
    let mut host = Host::new(small_limits());
    let mut client = host.connect("lab+byte");
    host.send(&mut client, &b"\xffx".repeat(1000));
    host.expect_end(&mut client, b"");
}

#[test]
fn what_is_only_announced_takes_no_memory() {
    let mut host = Host::new(Limits::default());
    let mut observer = host.connect("resp");
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = host.connect("resp");
        host.send(&mut client, b"*2\r\n$4\r\nECHO\r\n$536870000\r\nx");
        clients.push(client);
        let mut client = host.connect("speicher");
        host.send(&mut client, b"\x1f\xff\xff\xffx");
        clients.push(client);
    }
    host.settle();
    for client in &mut clients {
        host.send(client, b"y");
    }
    host.settle();
    let held = host.info(&mut observer, "mem_clients_normal");
    assert!(held > 0, "they are counted");
    assert!(held < 100 * 256 * 1024, "{held} bytes are held");
    drop(clients);
    host.until("their end", |host| host.connections() == 1);
    assert_eq!(host.info(&mut observer, "mem_clients_normal"), 0);
}

#[test]
fn requests_as_long_as_they_may_be_are_served() {
    let mut host = Host::new(small_limits());
    // The whole request counts, its head and the end of its last argument not.
    let head = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$65508\r\n";
    let value = "v".repeat(65_508);
    assert_eq!(head.len() + value.len(), 64 * 1024);
    let mut client = host.connect("resp");
    host.ask(
        &mut client,
        format!("{head}{value}\r\n").as_bytes(),
        b"+OK\r\n",
    );
    let mut client = host.connect("counter");
    host.ask(
        &mut client,
        &[b"get", &b" ".repeat(1021)[..], b"\r\n"].concat(),
        b"val 0\n",
    );
    host.ask(
        &mut client,
        &[b"get", &b" ".repeat(1022)[..], b"\r\n"].concat(),
        b"err\n",
    );
    let mut client = host.connect("speicher");
    let json = r#"{"command":"SET","key":"k","value":""}"#;
    let padded = json.replace(
        "\"\"}",
        &format!("\"{}\"}}", "v".repeat(64 * 1024 - json.len())),
    );
    host.ask(
        &mut client,
        &frame(&padded),
        &frame(r#"{"status_code":200}"#),
    );
    host.ask(
        &mut client,
        &frame(&(padded + " ")),
        &frame(r#"{"status_code":400}"#),
    );
}

#[test]
fn noise_disturbs_nobody() {
    for_each_seed(20, |seed| {
        let mut rng = Rng::seeded(seed);
        let mut host = Host::new(small_limits());
        let mut neighbours = Neighbours::new(&mut host);
        for round in 0..100 {
            let scheme = rng.pick(&SCHEMES);
            let mut client = host.connect(scheme);
            for _ in 0..rng.below(8) {
                let noise = noise(scheme, &mut rng);
                let mut at = 0;
                host.until("room to send", |_| {
                    client.read();
                    at += client.write(&noise[at..]);
                    at == noise.len() || client.ended
                });
            }
            match rng.below(3) {
                0 => client.cut(),
                1 => drop(client),
                _ => {
                    // What fails is a connection that has ended already.
                    let _ = client.stream.shutdown(Shutdown::Write);
                    host.read_to_end(&mut client);
                }
            }
            if round % 10 == 0 {
                // The noise may have been requests: whatever they did, they are undone.
                host.ask(neighbours.resp(), b"FLUSHALL\r\n", b"+OK\r\n");
                neighbours.are_served(&mut host);
            }
        }
        host.until("their end", |host| host.connections() == 7);
        assert_eq!(host.info(neighbours.resp(), "mem_clients_normal"), 0);
    });
}

/// Bytes that look more or less like requests.
fn noise(scheme: &str, rng: &mut Rng) -> Vec<u8> {
    let (mut bytes, _) = exchange(scheme);
    match rng.below(5) {
        0 => {
            let count = rng.below(3000);
            return rng.bytes(count);
        }
        1 => {
            let count = rng.below(3000);
            return (0..count)
                .map(|_| rng.pick(b"*$+-:\r\n 0123456789\"'\\{}\0\xff"))
                .collect();
        }
        2 => bytes.truncate(rng.below(bytes.len())),
        3 => {
            for _ in 0..rng.below(4) {
                let at = rng.below(bytes.len());
                bytes[at] = rng.next() as u8;
            }
        }
        _ => {
            let at = rng.below(bytes.len());
            let count = rng.below(20);
            let more = rng.bytes(count);
            bytes.splice(at..at, more);
        }
    }
    bytes
}

// ---- slots that are used again ------------------------------------------------------------------

/// A client of the test below.
struct Guest {
    client: Client,
    id: u64,
    /// What it has asked for and not got yet.
    due: Vec<u8>,
    /// Another has asked for its end.
    is_killed: bool,
}

#[test]
fn events_of_those_who_went_never_reach_those_who_came() {
    for_each_seed(10, |seed| {
        let mut rng = Rng::seeded(seed);
        let mut host = Host::new(Limits::default());
        let mut guests: Vec<Guest> = Vec::new();
        let mut token = 0;
        for _ in 0..150 {
            // Much happens between two turns, so that events of one slot's old and new clients meet in one poll.
            for _ in 0..10 {
                let at = rng.below(guests.len().max(1));
                match rng.below(10) {
                    0..=2 if guests.len() < 40 => {
                        let mut client = host.connect("resp");
                        host.send(&mut client, b"CLIENT ID\r\n");
                        host.until("an id", |_| client.read() > 0);
                        let reply = std::mem::take(&mut client.received);
                        let id = String::from_utf8_lossy(&reply[1..])
                            .trim_end()
                            .parse()
                            .unwrap();
                        guests.push(Guest {
                            client,
                            id,
                            due: Vec::new(),
                            is_killed: false,
                        });
                    }
                    _ if guests.is_empty() => {}
                    3 => guests.swap_remove(at).client.cut(),
                    4 => drop(guests.swap_remove(at)),
                    5 => {
                        guests[at]
                            .client
                            .write(b"*2\r\n$4\r\nECHO\r\n$9\r\nhalf a re");
                        guests.swap_remove(at).client.cut();
                    }
                    6 => {
                        let victim = rng.below(guests.len());
                        if victim != at && !guests[at].is_killed && !guests[victim].is_killed {
                            let kill = format!("CLIENT KILL ID {}\r\n", guests[victim].id);
                            guests[at].client.write(kill.as_bytes());
                            guests[at].due.extend_from_slice(b":1\r\n");
                            guests[victim].is_killed = true;
                        }
                    }
                    _ => {
                        token += 1;
                        let guest = &mut guests[at];
                        guest
                            .client
                            .write(format!("ECHO {token:06}\r\n").as_bytes());
                        guest
                            .due
                            .extend(format!("$6\r\n{token:06}\r\n").into_bytes());
                    }
                }
            }
            host.turn();
        }
        // A kill may have been asked for by one who was cut before it was read: no telling.
        let open = host.connections();
        for guest in &mut guests {
            let is_killed = guest.is_killed;
            host.until("answers", |_| {
                guest.client.read();
                guest.client.ended || guest.client.received.len() >= guest.due.len()
            });
            if is_killed {
                assert!(guest.due.starts_with(&guest.client.received));
            } else if guest.due.windows(4).any(|window| window == b":1\r\n") {
                // Its victim may have gone by itself before.
                let got = String::from_utf8_lossy(&guest.client.received).replace(":0", ":1");
                assert_eq!(got.as_bytes(), guest.due);
            } else {
                assert_eq!(
                    guest.client.received.escape_ascii().to_string(),
                    guest.due.escape_ascii().to_string()
                );
            }
        }
        assert!(open >= guests.iter().filter(|guest| !guest.is_killed).count());
        drop(guests);
        host.until("their end", |host| host.connections() == 0);
    });
}

// ---- Unix sockets -------------------------------------------------------------------------------

#[test]
fn a_unix_socket_has_the_same_limits() {
    let folder = process::Folder::new("limits");
    let path = folder.path("p.sock");
    let listen = format!("resp+unix://{}", path.display());
    let args = [
        "--listen",
        &listen,
        "--max-clients",
        "2",
        "--max-line-bytes",
        "100",
    ];
    let daemon = Daemon::start(args);
    let connect = || std::os::unix::net::UnixStream::connect(&path).unwrap();
    let (mut first, mut second) = (connect(), connect());
    process::ask(&mut first, PING, PONG);
    process::ask(&mut second, PING, PONG);
    assert_eq!(
        process::read_to_end(&mut connect()),
        "-ERR max number of clients reached\r\n"
    );
    second.write_all(&b"x".repeat(1000)).unwrap();
    process::expect(
        &mut second,
        b"-ERR Protocol error: too big inline request\r\n",
        "a long line",
    );
    drop(second);
    // One in, one out: there is room again.
    let mut third = until(PATIENCE, "room", || {
        let mut client = connect();
        client.write_all(PING).ok()?;
        let mut reply = [0; 7];
        (client.read_exact(&mut reply).is_ok() && reply == PONG).then_some(client)
    });
    process::ask(&mut third, PING, PONG);
    drop(daemon);
}

// ---- the last word ------------------------------------------------------------------------------

#[test]
fn the_last_answer_arrives_whatever_was_sent_behind_it() {
    let mut host = Host::new(Limits::default());
    let mut client = TcpStream::connect(host.server.addresses().next().unwrap().1).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    // What follows QUIT is never looked at; a plain close would answer it with a reset, which eats the +OK.
    let unread = vec![b'x'; 256 * 1024];
    client.write_all(b"QUIT\r\n").unwrap();
    client.set_nonblocking(true).unwrap();
    let _ = client.write(&unread);
    host.until("the end", |host| {
        host.server.engine().connections() == 0 && host.server.engine().hub.stats.requests > 0
    });
    let _ = client.write(&unread);
    host.settle();
    let _ = client.write(b"more");
    host.settle();
    client.set_nonblocking(false).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"+OK\r\n");
}

#[test]
fn a_request_that_dribbles_in_has_a_deadline() {
    let mut host = Host::new(Limits {
        request_timeout_s: 10,
        ..Limits::default()
    });
    let address = host.server.addresses().next().unwrap().1.to_owned();
    let mut slow = TcpStream::connect(&address).unwrap();
    let mut good = TcpStream::connect(&address).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"*2\r\n$4\r\nECHO\r\n$100\r\n").unwrap();
    good.write_all(PING).unwrap();
    host.until("both", |host| host.server.engine().hub.stats.requests == 1);
    for _ in 0..9 {
        slow.write_all(b"x").unwrap();
        host.settle();
        host.advance_s(1);
    }
    assert_eq!(host.server.engine().connections(), 2);
    host.advance_s(2);
    host.until("the slow one's end", |host| {
        host.server.engine().connections() == 1
    });
    assert_eq!(
        host.server.engine().hub.stats.slow_request_disconnections,
        1
    );
    // One that has sent whole requests only has no deadline.
    host.advance_s(1000);
    assert_eq!(host.server.engine().connections(), 1);
}

#[test]
fn one_address_gets_no_more_than_its_share() {
    let mut host = Host::new(Limits {
        clients_per_address_max: 2,
        ..Limits::default()
    });
    let address = host.server.addresses().next().unwrap().1.to_owned();
    let first = TcpStream::connect(&address).unwrap();
    let _second = TcpStream::connect(&address).unwrap();
    host.until("both", |host| host.server.engine().connections() == 2);
    let mut third = TcpStream::connect(&address).unwrap();
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    host.until("the refusal", |host| {
        host.server.engine().hub.stats.connections_rejected == 1
    });
    let mut told = Vec::new();
    third.read_to_end(&mut told).unwrap();
    assert_eq!(
        told,
        b"-ERR max number of clients from this address reached\r\n"
    );
    drop(first);
    host.until("its end", |host| host.server.engine().connections() == 1);
    let _third = TcpStream::connect(&address).unwrap();
    host.until("the next", |host| host.server.engine().connections() == 2);
}

// ---- who asks for much --------------------------------------------------------------------------

#[test]
fn a_turn_sends_a_bounded_number_of_bytes() {
    const EACH: usize = 8 * 1024 * 1024;
    let mut host = Host::new(Limits::default());
    let mut first = host.connect("resp");
    let value = "v".repeat(EACH);
    let set = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${EACH}\r\n{value}\r\n");
    host.ask(&mut first, set.as_bytes(), b"+OK\r\n");
    let mut greedy: Vec<Client> = (0..16).map(|_| host.connect("resp")).collect();
    for client in &mut greedy {
        assert_eq!(client.write(b"GET k\r\n"), 7);
    }
    let sent = |host: &Host| host.server.engine().hub.stats.output_bytes;
    let (mut most, mut turns) = (0, 0);
    let mut received = 0;
    while received < greedy.len() * EACH {
        let before = sent(&host);
        host.server.turn(Some(Duration::from_millis(1))).unwrap();
        most = most.max(sent(&host) - before);
        turns += 1;
        received = 0;
        for client in &mut greedy {
            client.read();
            received += client.received.len();
        }
        assert!(turns < 100_000, "only {received} bytes have come");
    }
    // Output is looked at twice in a turn, for those who are new and for those who wait.
    assert!(most <= 5 * 1024 * 1024, "{most} bytes in one turn");
}
