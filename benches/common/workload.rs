//! The requests that the benches run, and an engine without sockets to run them.

use std::hint::black_box;

use pentad::client::Peer;
use pentad::{Config, ConnId, Engine, Listen, Now};

/// Requests of one kind.
#[derive(Clone, Copy)]
pub struct Workload {
    pub name: &'static str,
    /// Where they are sent.
    pub url: &'static str,
    /// Requests that are sent together.
    pub pipeline: usize,
    /// How many different keys there are.
    pub keys: u64,
    /// Whether all keys are stored first.
    pub filled: bool,
    /// How many are run to be measured.
    pub requests: usize,
    /// One request; each run of `#` stands for the digits of a number below `keys`, chosen anew each time.
    pub request: Request,
}

#[derive(Clone, Copy)]
pub enum Request {
    /// Words of RESP.
    Words(&'static str),
    /// Bytes as they are.
    Bytes(&'static str),
    /// Text with its length in front.
    Framed(&'static str),
}
use Request::{Bytes, Framed, Words};

const RESP: &str = "resp://127.0.0.1:0";
const SET: Request = Words("SET key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
const GET: Request = Words("GET key:############");

/// The workloads of `redis-benchmark`, and the like for the other protocols.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "ping P16",
        url: RESP,
        pipeline: 16,
        keys: 1,
        filled: false,
        requests: 800000,
        request: Words("PING"),
    },
    Workload {
        name: "get P1",
        url: RESP,
        pipeline: 1,
        keys: 100000,
        filled: true,
        requests: 400000,
        request: GET,
    },
    Workload {
        name: "set P1",
        url: RESP,
        pipeline: 1,
        keys: 100000,
        filled: true,
        requests: 400000,
        request: SET,
    },
    Workload {
        name: "get P16",
        url: RESP,
        pipeline: 16,
        keys: 100000,
        filled: true,
        requests: 800000,
        request: GET,
    },
    Workload {
        name: "set P16",
        url: RESP,
        pipeline: 16,
        keys: 100000,
        filled: true,
        requests: 800000,
        request: SET,
    },
    Workload {
        name: "get P64, 1 M keys",
        url: RESP,
        pipeline: 64,
        keys: 1000000,
        filled: true,
        requests: 800000,
        request: GET,
    },
    Workload {
        name: "set P64, 1 M keys",
        url: RESP,
        pipeline: 64,
        keys: 1000000,
        filled: true,
        requests: 800000,
        request: SET,
    },
    Workload {
        name: "incr P16",
        url: RESP,
        pipeline: 16,
        keys: 100000,
        filled: false,
        requests: 800000,
        request: Words("INCR counter:############"),
    },
    Workload {
        name: "lpush P16",
        url: RESP,
        pipeline: 16,
        keys: 1,
        filled: false,
        requests: 400000,
        request: Words("LPUSH mylist xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    },
    Workload {
        name: "hset P16",
        url: RESP,
        pipeline: 16,
        keys: 100000,
        filled: false,
        requests: 400000,
        request: Words("HSET myhash element:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    },
    Workload {
        name: "zadd P16",
        url: RESP,
        pipeline: 16,
        keys: 100000,
        filled: false,
        requests: 400000,
        request: Words("ZADD myzset ############ element:############"),
    },
    Workload {
        name: "mset of 10, P16",
        url: RESP,
        pipeline: 16,
        keys: 100000,
        filled: false,
        requests: 80000,
        request: Words(
            "MSET key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx key:############ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
    },
    Workload {
        name: "lrange of 100, P16",
        url: RESP,
        pipeline: 16,
        keys: 1,
        filled: false,
        requests: 80000,
        request: Words("LRANGE mylist 0 99"),
    },
    Workload {
        name: "metrics put P16",
        url: "metrics://127.0.0.1:0",
        pipeline: 16,
        keys: 1000,
        filled: false,
        requests: 400000,
        request: Bytes("put m:############ 1.5 ####\n"),
    },
    Workload {
        name: "counter incr P16",
        url: "counter://127.0.0.1:0",
        pipeline: 16,
        keys: 1,
        filled: false,
        requests: 800000,
        request: Bytes("INCR\n"),
    },
    Workload {
        name: "lab set P16",
        url: "lab://127.0.0.1:0",
        pipeline: 16,
        keys: 100000,
        filled: true,
        requests: 800000,
        request: Bytes("skey:############:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"),
    },
    Workload {
        name: "lab get P16",
        url: "lab://127.0.0.1:0",
        pipeline: 16,
        keys: 100000,
        filled: true,
        requests: 800000,
        request: Bytes("rkey:############\r\n"),
    },
    Workload {
        name: "speicher set P16",
        url: "speicher://127.0.0.1:0",
        pipeline: 16,
        keys: 100000,
        filled: true,
        requests: 400000,
        request: Framed(
            r#"{"command":"SET","key":"key:############","value":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#,
        ),
    },
    Workload {
        name: "speicher get P16",
        url: "speicher://127.0.0.1:0",
        pipeline: 16,
        keys: 100000,
        filled: true,
        requests: 400000,
        request: Framed(r#"{"command":"GET","key":"key:############"}"#),
    },
];

/// An engine with one connection, and the requests that are sent to it.
pub struct Driver {
    engine: Engine,
    conn: ConnId,
    batch: Batch,
    pipeline: usize,
}

/// Requests that are sent together, and where the numbers stand in them.
struct Batch {
    bytes: Vec<u8>,
    numbers: Vec<std::ops::Range<usize>>,
    keys: u64,
    random: u64,
}

impl Driver {
    pub fn new(workload: &Workload) -> Self {
        let config = Config {
            seed: Some(pentad::keyspace::Seed::fixed(1)),
            ..Config::default()
        };
        let now = Now {
            unix_us: 1_700_000_000_000_000,
            monotonic_us: 1,
        };
        let mut engine = Engine::new(&config, now);
        let filler = open(&mut engine, RESP);
        if workload.filled {
            let mut set = Batch::new(&SET, 1, workload.keys);
            for key in 0..workload.keys {
                set.fill(|_| key);
                send(&mut engine, filler, &set.bytes);
            }
        }
        let push = Batch::new(
            &Words("LPUSH mylist xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
            1,
            1,
        );
        for _ in 0..200 {
            send(&mut engine, filler, &push.bytes);
        }
        let conn = open(&mut engine, workload.url);
        Driver {
            engine,
            conn,
            batch: Batch::new(&workload.request, workload.pipeline, workload.keys),
            pipeline: workload.pipeline,
        }
    }

    /// Runs so many requests, in whole batches.
    pub fn run(&mut self, requests: usize) {
        for _ in 0..requests.div_ceil(self.pipeline) {
            self.batch.fill(|random| random);
            self.exchange();
        }
    }

    /// Sends the batch and takes the replies: what `benches/instructions.rs` counts, by this name.
    #[inline(never)]
    fn exchange(&mut self) {
        send(&mut self.engine, self.conn, &self.batch.bytes);
    }
}

fn open(engine: &mut Engine, url: &str) -> ConnId {
    let listen: Listen = url.parse().expect("a URL of a listener");
    let listener = engine.add_listener(listen, String::new());
    engine
        .open(listener, Peer::InProcess)
        .expect("room for a connection")
}

fn send(engine: &mut Engine, conn: ConnId, bytes: &[u8]) {
    engine.receive(conn, bytes);
    while !engine.output(conn).is_empty() {
        let count = black_box(engine.output(conn)).len();
        engine.sent(conn, count);
    }
}

impl Batch {
    fn new(request: &Request, pipeline: usize, keys: u64) -> Self {
        let one = match request {
            Words(text) => {
                let words: Vec<&str> = text.split(' ').collect();
                let bulks = words
                    .iter()
                    .map(|word| format!("${}\r\n{word}\r\n", word.len()));
                format!("*{}\r\n{}", words.len(), bulks.collect::<String>()).into_bytes()
            }
            Bytes(text) => text.as_bytes().to_vec(),
            Framed(text) => [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat(),
        };
        let bytes = one.repeat(pipeline);
        let mut numbers = Vec::new();
        let mut at = 0;
        while let Some(start) = bytes[at..].iter().position(|byte| *byte == b'#') {
            let start = at + start;
            at = start
                + bytes[start..]
                    .iter()
                    .take_while(|byte| **byte == b'#')
                    .count();
            numbers.push(start..at);
        }
        Batch {
            bytes,
            numbers,
            keys,
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }

    /// Writes new numbers; `choose` makes one of a random one.
    fn fill(&mut self, choose: impl Fn(u64) -> u64) {
        for place in &self.numbers {
            // Xorshift: what is measured is not this.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let mut number = choose(((self.random >> 32) * self.keys) >> 32) as u32;
            for digit in self.bytes[place.clone()].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
    }
}
