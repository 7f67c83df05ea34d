//! The longest turns: what a client waits at most for the table, for expiry and for freeing, in milliseconds on the CPU.
//!
//! `cargo bench --bench turns [-- KEYS]`, 20 million keys unless told. Every turn runs one batch of requests and then what the
//! server does of itself; the clock that the server sees goes on by a millisecond every ten turns. Time on the CPU, since on a busy machine
//! the longest turn by the wall is the one in which something else ran.

#[cfg(unix)]
#[path = "common/cpu_clock.rs"]
mod cpu_clock;

/// As in the daemon.
#[cfg(feature = "daemon")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(not(unix))]
fn main() {
    println!("SKIPPED: no clock of a thread's time here");
}

#[cfg(unix)]
fn main() {
    let keys = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(20_000_000);
    unix::run(keys);
}

#[cfg(unix)]
mod unix {
    use std::hint::black_box;
    use std::time::Duration;

    use pentad::client::Peer;
    use pentad::testing::ManualClock;
    use pentad::{Clock, ConnId, Listen, Server};

    use super::cpu_clock::cpu_ns;

    const START_MS: i64 = 1_700_000_000_000;
    const PIPELINE: u64 = 16;

    pub fn run(keys: u64) {
        println!(
            "{:44} {:>9} {:>9} {:>9} {:>9}",
            "turns, in ms on the CPU", "turns", "p50", "p99.99", "longest"
        );
        let mut host = Host::new();
        host.scene(&format!("filling from 0 to {keys} keys"), |host| {
            for first in (0..keys).step_by(PIPELINE as usize) {
                host.batch(|number| format!("SET key:{:012} {}", first + number, "x".repeat(32)));
            }
        });
        host.scene(&format!("FLUSHALL of {keys} keys, then GETs"), |host| {
            host.batch_of(1, |_| "FLUSHALL".to_owned());
            host.gets(200_000);
        });
        let soon = keys.min(1_000_000);
        for first in (0..soon).step_by(PIPELINE as usize) {
            let at_ms = host.unix_ms() + 100_000;
            host.batch(|number| format!("SET key:{:012} x PXAT {at_ms}", first + number));
        }
        host.clock.advance(Duration::from_secs(200));
        host.scene(&format!("{soon} keys expiring, and GETs"), |host| {
            host.gets(200_000);
        });
        for (what, command, words) in [
            ("a string of 100 MB", "SETRANGE big 99999999 x", 1_u64),
            ("a list of 100 MB", "RPUSH big", 1_000_000),
            ("a hash of 100 MB", "HSET big", 1_000_000),
            ("a sorted set of 100 MB", "ZADD big", 1_000_000),
        ] {
            for first in (0..words).step_by(100) {
                host.batch_of(1, |_| match command.split_whitespace().next() {
                    Some("SETRANGE") => command.to_owned(),
                    Some("ZADD") => (first..first + 100).fold(command.to_owned(), |text, n| {
                        format!("{text} {n} {}", format_args!("member:{n:070}"))
                    }),
                    Some("HSET") => (first..first + 100).fold(command.to_owned(), |text, n| {
                        format!("{text} field:{n:030} {}", "x".repeat(50))
                    }),
                    _ => (first..first + 100).fold(command.to_owned(), |text, n| {
                        format!("{text} element:{n:090}")
                    }),
                });
            }
            host.scene(&format!("DEL of {what}, then GETs"), |host| {
                host.batch_of(1, |_| "DEL big".to_owned());
                host.gets(50_000);
            });
        }
    }

    struct Host {
        server: Server,
        conn: ConnId,
        clock: ManualClock,
        turns: Vec<u32>,
        request: Vec<u8>,
    }

    impl Host {
        fn new() -> Self {
            let clock = ManualClock::at_unix_ms(START_MS);
            let mut server = Server::builder()
                .clock(clock.clone())
                .build()
                .expect("a server without listeners");
            let listen: Listen = "resp://127.0.0.1:0".parse().expect("a URL of a listener");
            let engine = server.engine_mut();
            let listener = engine.add_listener(listen, String::new());
            let conn = engine
                .open(listener, Peer::InProcess)
                .expect("room for a connection");
            Host {
                server,
                conn,
                clock,
                turns: Vec::new(),
                request: Vec::new(),
            }
        }

        fn unix_ms(&self) -> i64 {
            self.clock.now().unix_ms()
        }

        fn scene(&mut self, name: &str, play: impl FnOnce(&mut Self)) {
            self.turns.clear();
            play(self);
            self.turns.sort_unstable();
            let count = self.turns.len();
            let ms = |at: usize| f64::from(self.turns[at.min(count - 1)]) / 1e6;
            println!(
                "{name:44} {count:9} {:9.4} {:9.4} {:9.3}",
                ms(count / 2),
                ms(count - count / 10_000 - 1),
                ms(count - 1)
            );
        }

        fn gets(&mut self, turns: u64) {
            for turn in 0..turns {
                self.batch(|number| format!("GET key:{:012}", turn * PIPELINE + number));
            }
        }

        fn batch(&mut self, request: impl Fn(u64) -> String) {
            self.batch_of(PIPELINE, request);
        }

        /// One turn: so many requests, and what the server does besides.
        fn batch_of(&mut self, count: u64, request: impl Fn(u64) -> String) {
            self.request.clear();
            for number in 0..count {
                let text = request(number);
                let words = text.split(' ');
                self.request
                    .extend(format!("*{}\r\n", words.clone().count()).into_bytes());
                for word in words {
                    self.request
                        .extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
                }
            }
            let start = cpu_ns();
            let engine = self.server.engine_mut();
            engine.receive(self.conn, &self.request);
            while !engine.output(self.conn).is_empty() {
                let count = black_box(engine.output(self.conn)).len();
                engine.sent(self.conn, count);
            }
            self.server
                .turn(Some(Duration::ZERO))
                .expect("a turn without sockets");
            let took = cpu_ns() - start;
            self.turns.push(u32::try_from(took).unwrap_or(u32::MAX));
            if self.turns.len().is_multiple_of(10) {
                self.clock.advance(Duration::from_millis(1));
            }
        }
    }
}
