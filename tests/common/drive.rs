//! An engine without sockets: bytes in, bytes out, and a clock that only the test moves.

use pentad::client::Peer;
use pentad::config::{Address, Config, Limits, Listen, Scheme};
use pentad::keyspace::Seed;
use pentad::{ConnId, Engine, Flow, Now};

use super::resp::{Request, Value, encode, read_whole, request};

/// All protocols that a listener can speak.
pub const SCHEMES: [Scheme; 7] = [
    Scheme::Resp,
    Scheme::Metrics,
    Scheme::Counter,
    Scheme::Lab,
    Scheme::LabByte,
    Scheme::LabDigit,
    Scheme::Speicher,
];

/// When the tests' clocks start: a day in 2025, in microseconds.
pub const START_US: i64 = 1_750_000_000_000_000;

/// An engine with a listener for each of [`SCHEMES`], in that order.
pub struct Driven {
    /// The engine.
    pub engine: Engine,
    now: Now,
}

impl Driven {
    /// An engine with a fixed seed and default limits, but for bounds on output and requests that are soon reached.
    pub fn new() -> Self {
        Self::with(Config {
            limits: Limits {
                output_bytes_max: 4 * 1024 * 1024,
                // Strings that SETRANGE and BITFIELD make long must fit the output.
                request_bytes_max: 1024 * 1024,
                ..Limits::default()
            },
            ..Config::default()
        })
    }

    /// An engine with these limits. Unless the configuration has a seed it gets a fixed one.
    pub fn with(mut config: Config) -> Self {
        config.seed.get_or_insert(Seed::fixed(7));
        let now = Now {
            unix_us: START_US,
            monotonic_us: 1_000_000,
        };
        let mut engine = Engine::new(&config, now);
        for scheme in SCHEMES {
            let listen = Listen::new(scheme, Address::Tcp("127.0.0.1".to_owned(), 0));
            engine.add_listener(listen, "nowhere".to_owned());
        }
        Driven { engine, now }
    }

    /// What time the engine was told last.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Lets time pass.
    pub fn advance_ms(&mut self, ms: u64) {
        self.now.unix_us += ms as i64 * 1000;
        self.now.monotonic_us += ms * 1000;
        self.engine.set_now(self.now);
        self.engine.check_waits();
    }

    /// Sets the clocks.
    pub fn set_now(&mut self, now: Now) {
        self.now = now;
        self.engine.set_now(now);
    }

    /// A new connection.
    pub fn open(&mut self, scheme: Scheme) -> ConnId {
        let listener = SCHEMES.iter().position(|known| *known == scheme);
        let opened = self
            .engine
            .open(listener.expect("a listener for each"), Peer::InProcess);
        opened.expect("room for a connection")
    }

    /// Hands bytes to a connection, lets it run all that is complete in them, and gives what it answered.
    pub fn send(&mut self, id: ConnId, bytes: &[u8]) -> Vec<u8> {
        self.engine.receive(id, bytes);
        self.resume(id)
    }

    /// Lets a connection run on, as far as it can, and gives what it answered.
    pub fn resume(&mut self, id: ConnId) -> Vec<u8> {
        let mut answer = self.read(id);
        while self.engine.flow(id) == Some(Flow::Turn) {
            self.engine.resume(id);
            answer.extend_from_slice(&self.read(id));
        }
        answer
    }

    /// Takes what a connection has to say.
    pub fn read(&mut self, id: ConnId) -> Vec<u8> {
        let mut answer = Vec::new();
        loop {
            let next = self.engine.output(id);
            let count = next.len();
            if count == 0 {
                return answer;
            }
            answer.extend_from_slice(next);
            self.engine.sent(id, count);
        }
    }

    /// Runs one RESP request and gives its reply.
    pub fn ask(&mut self, id: ConnId, request: &Request) -> Value {
        let answer = self.send(id, &encode(request));
        match Value::read(&answer) {
            Some((value, len)) if len == answer.len() => value,
            _ => panic!("not one reply to {request:?}: {}", answer.escape_ascii()),
        }
    }

    /// Everything the keyspace holds: database, key, type, value and expiry of each key, in order, read as a client
    /// would.
    pub fn contents(&mut self) -> Vec<(u8, Vec<u8>, Value, Value, Value)> {
        let id = self.open(Scheme::Resp);
        // Some client may have asked for a pause, and the clock stands still.
        self.ask(id, &request(&["CLIENT", "UNPAUSE"]));
        let mut contents = Vec::new();
        for db in 0..self.engine.limits().databases {
            self.ask(id, &request(&["SELECT", &db.to_string()]));
            let mut keys = self.ask(id, &request(&["KEYS", "*"]));
            keys.sort();
            for key in keys.items().iter().filter_map(Value::text) {
                let kind = self.ask(id, &request(&[b"TYPE", key]));
                let read = read_whole(kind.text().unwrap_or_default(), key);
                let mut value = self.ask(id, &read.expect("a key that exists"));
                if matches!(kind.text(), Some(b"set" | b"hash")) {
                    value.sort();
                }
                if kind.text() == Some(b"stream") {
                    // When a consumer was last heard of is nobody's business but the server's.
                    value.leave_out(&["seen-time", "active-time"]);
                }
                let expiry = self.ask(id, &request(&[b"PEXPIRETIME", key]));
                contents.push((db, key.to_vec(), kind, value, expiry));
            }
        }
        self.engine.close(id);
        contents
    }
}
