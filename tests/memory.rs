//! Memory: what `--maxmemory` does in each protocol, how good the choice of what goes is beside redis-server, and that
//! absurd sizes are refused even where the system gives no memory.
#![cfg(unix)]

mod common;
mod process;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use common::Rng;
use common::redis::Redis;
use common::resp::{Value, encode};
use process::{Daemon, all_listeners};

/// A RESP client that asks one thing after another.
struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    fn new(daemon: &Daemon) -> Client {
        Client {
            stream: daemon.connect("resp"),
            input: Vec::new(),
        }
    }

    fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Value {
        self.ask_all(&[encode(words)]).remove(0)
    }

    fn ask_all(&mut self, requests: &[Vec<u8>]) -> Vec<Value> {
        self.stream.write_all(&requests.concat()).unwrap();
        let mut replies = Vec::new();
        let mut buffer = [0; 64 * 1024];
        while replies.len() < requests.len() {
            match Value::read(&self.input) {
                Some((value, len)) => {
                    self.input.drain(..len);
                    replies.push(value);
                }
                None => {
                    let count = self.stream.read(&mut buffer).unwrap();
                    assert!(count > 0, "the daemon closed the connection");
                    self.input.extend_from_slice(&buffer[..count]);
                }
            }
        }
        replies
    }

    fn info(&mut self, field: &str) -> u64 {
        let Value::Bulk(text) = self.ask(&["INFO"]) else {
            panic!("INFO is a text");
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap().trim().parse().unwrap()
    }
}

fn exchange(daemon: &Daemon, scheme: &str, sent: &[u8], expected: &[u8]) {
    let mut client = daemon.connect(scheme);
    client.write_all(sent).unwrap();
    let mut got = vec![0; expected.len()];
    client.read_exact(&mut got).unwrap();
    assert_eq!(got, expected, "{scheme}: {}", got.escape_ascii());
}

#[test]
fn without_room_every_protocol_says_so_and_reads_on() {
    let mut flags = all_listeners();
    flags.extend(["--maxmemory".to_owned(), "8mb".into()]);
    let daemon = Daemon::start(&flags);
    let mut client = Client::new(&daemon);
    let value = "x".repeat(10_000);
    let mut stored = 0;
    while client.ask(&["SET", &format!("key:{stored}"), &value]) == Value::Simple("OK".into()) {
        stored += 1;
        assert!(stored < 2000, "nothing is refused");
    }
    let oom = "OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(client.ask(&["LPUSH", "l", "x"]), Value::Error(oom.into()));
    assert_eq!(client.ask(&["STRLEN", "key:0"]), Value::Integer(10_000));
    exchange(
        &daemon,
        "metrics",
        b"put m 1 1\n",
        b"error\nwrong command\n\n",
    );
    exchange(&daemon, "counter", b"incr\nget\n", b"err\nval 0\n");
    let set = br#"{"command":"SET","key":"k","value":1}"#;
    let framed = [&(set.len() as u32).to_be_bytes(), &set[..]].concat();
    exchange(
        &daemon,
        "speicher",
        &framed,
        b"\0\0\0\x13{\"status_code\":503}",
    );
    // Deleting makes room again.
    assert_eq!(
        client.ask(&["DEL", "key:0", "key:1", "key:2"]),
        Value::Integer(3)
    );
    assert_eq!(client.ask(&["LPUSH", "l", "x"]), Value::Integer(1));
}

#[test]
fn what_goes_is_chosen_as_well_as_redis_chooses() {
    let Some(redis) = Redis::start() else { return };
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let daemon = Daemon::start(["--listen", "resp://127.0.0.1:0"]);
        let mut ours = Client::new(&daemon);
        let mut theirs = redis.connect();
        // Both begin with what they need for themselves, and get the same for keys.
        theirs.ask(&["FLUSHALL"]);
        let Value::Bulk(info) = theirs.ask(&["INFO", "memory"]) else {
            panic!("INFO is a text");
        };
        let info = String::from_utf8_lossy(&info).into_owned();
        let used = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        let base: u64 = used.unwrap().trim().parse().unwrap();
        for (name, value) in [
            ("maxmemory-policy", policy.to_owned()),
            ("maxmemory", (base + 3_000_000).to_string()),
        ] {
            theirs.ask(&["CONFIG", "SET", name, &value]);
        }
        let base = ours.info("used_memory");
        ours.ask(&["CONFIG", "SET", "maxmemory-policy", policy]);
        ours.ask(&[
            "CONFIG",
            "SET",
            "maxmemory",
            &(base + 3_000_000).to_string(),
        ]);
        let ours_ratio = hit_ratio(|requests| ours.ask_all(requests));
        let theirs_ratio = hit_ratio(|requests| theirs.ask_all(requests));
        let (evicted, keys) = (ours.info("evicted_keys"), ours.ask(&["DBSIZE"]));
        println!(
            "{policy}: pentad {ours_ratio:.4} ({evicted} evicted, {keys:?} kept), redis {theirs_ratio:.4}"
        );
        assert!(
            evicted > 0 && ours_ratio > theirs_ratio - 0.01,
            "{policy}: {ours_ratio} < {theirs_ratio}"
        );
        let used = ours.info("used_memory");
        assert!(used <= base + 3_000_000 + 100_000, "{used} are in use");
    }
}

/// Uses a server as a cache, always in the same way, and gives the share of requests that found their key.
fn hit_ratio(mut ask_all: impl FnMut(&[Vec<u8>]) -> Vec<Value>) -> f64 {
    const KEYS: usize = 20_000;
    const REQUESTS: usize = 120_000;
    const AT_ONCE: usize = 100;
    let value = "v".repeat(400);
    let mut rng = Rng::seeded(1);
    // Zipf with exponent 1: the logarithm of the rank is uniform.
    let mut draw = || {
        let uniform = rng.below(1 << 30) as f64 / f64::from(1 << 30);
        ((KEYS as f64).powf(uniform)) as usize
    };
    let mut hits = 0;
    for _ in 0..REQUESTS / AT_ONCE {
        let names: Vec<String> = (0..AT_ONCE).map(|_| format!("key:{}", draw())).collect();
        let gets: Vec<Vec<u8>> = names.iter().map(|name| encode(&["GET", name])).collect();
        let replies = ask_all(&gets);
        let missing = names.iter().zip(&replies);
        let missing = missing.filter(|(_, reply)| **reply == Value::NullBulk);
        let sets: Vec<Vec<u8>> = missing
            .map(|(name, _)| encode(&["SET", name, &value]))
            .collect();
        hits += AT_ONCE - sets.len();
        ask_all(&sets);
    }
    hits as f64 / REQUESTS as f64
}

#[test]
fn absurd_sizes_are_refused_where_memory_is_short() {
    // The address space is limited by the shell that becomes the daemon.
    let mut command = Command::new("sh");
    let script = format!(
        "ulimit -v 700000; exec {} --listen resp://127.0.0.1:0 --listen speicher://127.0.0.1:0",
        env!("CARGO_BIN_EXE_pentad")
    );
    command
        .args(["-c", &script, "--listen", "--listen"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut daemon = Daemon::spawn(command);
    let mut client = Client::new(&daemon);
    let far = (512 * 1024 * 1024 - 1).to_string();
    let bit = (4_294_967_295_u64).to_string();
    let requests: [&[&str]; 13] = [
        &["SETRANGE", "a", &far, "x"],
        &["SETRANGE", "b", &far, "x"],
        &["SETBIT", "c", &bit, "1"],
        &["SETBIT", "d", &bit, "1"],
        &["APPEND", "a", "more than there may be"],
        &["BITFIELD", "e", "SET", "u8", &bit, "1"],
        &["BITOP", "NOT", "f", "a"],
        &["BITOP", "NOT", "g", "a"],
        &["LCS", "text", "text"],
        &["LPOS", "none", "x", "COUNT", "9223372036854775807"],
        &["LPOP", "none", "9223372036854775807"],
        &["XRANGE", "none", "-", "+", "COUNT", "9223372036854775807"],
        &["SRANDMEMBER", "none", "-9223372036854775807"],
    ];
    client.ask(&["SET", "text", &"text ".repeat(2200)]);
    let mut refused = 0;
    for request in requests {
        let reply = client.ask(request);
        refused += usize::from(matches!(&reply, Value::Error(text) if text.starts_with(b"OOM")));
        println!(
            "{request:?} -> {}",
            format!("{reply:?}").chars().take(100).collect::<String>()
        );
        assert!(daemon.is_running(), "{request:?} ended the daemon");
    }
    assert!(refused > 0, "there was memory for all of it");
    // Many clients announce much and send little.
    let mut announcing = Vec::new();
    for _ in 0..100 {
        let mut stream = daemon.connect("resp");
        stream
            .write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870000\r\nx")
            .unwrap();
        announcing.push(stream);
    }
    assert_eq!(client.ask(&["PING"]), Value::Simple("PONG".into()));
    assert!(daemon.is_running());
}
