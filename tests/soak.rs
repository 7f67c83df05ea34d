//! Many clients at once, and many that come and go: all get right answers, and nothing of them is left behind.
//!
//! `PENTAD_SOAK_S` says how many seconds the coming and going lasts (5 unless told), `PENTAD_SEED` which it is.
#![cfg(unix)]

mod common;
mod process;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use common::Rng;
use common::resp::encode;
use common::rng::number_from_env;
use process::{
    Daemon, PATIENCE, SCHEMES, all_listeners, ask, connect, expect, info, read_to_end, until,
};
use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A message of the speicher protocol.
fn frame(json: &str) -> Vec<u8> {
    [&(json.len() as i32).to_be_bytes(), json.as_bytes()].concat()
}

// ---- many at once -------------------------------------------------------------------------------

#[test]
fn ten_thousand_clients_are_held_and_answered() {
    const WANTED: usize = 10_000;
    let count = raise_open_files(WANTED + 100) - 100;
    if count < WANTED {
        println!(
            "only {} files may be open: {count} clients instead of {WANTED}",
            count + 100
        );
    }
    let mut args = all_listeners();
    args.extend(["--max-clients".to_owned(), (count + 2).to_string()]);
    let daemon = Daemon::start(args);
    let mut observer = daemon.connect("resp");
    let rss_bytes = info(&mut observer, "used_memory_rss");

    let started = Instant::now();
    let mut clients: Vec<(&str, TcpStream)> = (0..count)
        .map(|number| {
            let scheme = SCHEMES[number % SCHEMES.len()];
            (scheme, daemon.connect(scheme))
        })
        .collect();
    until(PATIENCE, "all to be let in", || {
        (info(&mut observer, "connected_clients") == count as u64 + 1).then_some(())
    });
    println!("{count} clients connected in {:.1?}", started.elapsed());
    let idle_bytes =
        info(&mut observer, "used_memory_rss").saturating_sub(rss_bytes) / count as u64;
    println!("{idle_bytes} bytes of the daemon's memory for each, idle");
    assert_eq!(
        info(&mut observer, "mem_clients_normal"),
        0,
        "idle clients hold buffers"
    );

    // All ask before any reads; then one after the other, the last first.
    let started = Instant::now();
    for (number, (scheme, client)) in clients.iter_mut().enumerate() {
        client.write_all(&write_and_read(scheme, number).0).unwrap();
    }
    for (number, (scheme, client)) in clients.iter_mut().enumerate() {
        expect(client, &write_and_read(scheme, number).1, scheme);
    }
    for (number, (scheme, client)) in clients.iter_mut().enumerate().rev() {
        let (request, reply) = write_and_read(scheme, number);
        ask(client, &request, &reply);
    }
    println!("all answered twice in {:.1?}", started.elapsed());
    let of_counter = (0..count).filter(|number| SCHEMES[number % SCHEMES.len()] == "counter");
    let total = format!("val {}\n", 2 * of_counter.count());
    ask(&mut daemon.connect("counter"), b"get\n", total.as_bytes());

    drop(clients);
    until(PATIENCE, "all to be gone", || {
        (info(&mut observer, "connected_clients") == 1).then_some(())
    });
    assert_eq!(info(&mut observer, "mem_clients_normal"), 0);
}

/// Raises the number of files this process may open to `wanted`, or as far as it goes; gives how many it is.
fn raise_open_files(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = limit
        .maximum
        .map_or(wanted as u64, |most| most.min(wanted as u64));
    if limit.current.is_none_or(|current| current >= most) {
        return most as usize;
    }
    let raised = Rlimit {
        current: Some(most),
        ..limit
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most as usize,
        Err(_) => limit.current.map_or(wanted, |current| current as usize),
    }
}

/// Requests that write and read what only the client of this number does, and the replies to them.
fn write_and_read(scheme: &str, number: usize) -> (Vec<u8>, Vec<u8>) {
    match scheme {
        "resp" => {
            let key = format!("r{number}");
            let requests = [encode(&["SET", &key, &key]), encode(&["GET", &key])];
            (
                requests.concat(),
                format!("+OK\r\n${}\r\n{key}\r\n", key.len()).into_bytes(),
            )
        }
        "metrics" => (
            format!("put m{number} {number} 1\nget m{number}\n").into_bytes(),
            format!("ok\n\nok\nm{number} {number}.0 1\n\n").into_bytes(),
        ),
        "counter" => (b"incr\n".to_vec(), b"ok\n".to_vec()),
        "lab" => (
            format!("sl{number}:{number}\r\nrl{number}\r\n").into_bytes(),
            format!("{number}\r\n").into_bytes(),
        ),
        "lab+byte" => {
            let message = |text: String| [&[text.len() as u8], text.as_bytes()].concat();
            let requests = [
                message(format!("sb{number}:{number}")),
                message(format!("rb{number}")),
            ];
            (requests.concat(), message(number.to_string()))
        }
        "lab+digit" => {
            // There is room for nine bytes.
            let (key, value) = (format!("{number:04x}"), number % 97);
            (
                format!("8s{key}:{value:02}5r{key}").into_bytes(),
                format!("{value:02}").into_bytes(),
            )
        }
        _ => {
            let requests = [
                frame(&format!(
                    r#"{{"command":"SET","key":"s{number}","value":[{number}]}}"#
                )),
                frame(&format!(r#"{{"command":"GET","key":"s{number}"}}"#)),
            ];
            let replies = [
                frame(r#"{"status_code":200}"#),
                frame(&format!(r#"{{"status_code":200,"value":[{number}]}}"#)),
            ];
            (requests.concat(), replies.concat())
        }
    }
}

// ---- many that come and go ----------------------------------------------------------------------

const WORKERS: usize = 4;
const CLIENTS_PER_WORKER: usize = 40;

#[test]
fn coming_and_going_leaves_nothing_behind() {
    let seconds = number_from_env("PENTAD_SOAK_S").unwrap_or(5);
    let seed = number_from_env("PENTAD_SEED").unwrap_or(1);
    let daemon = Daemon::start(all_listeners());
    let mut observer = daemon.connect("resp");
    // Memory is compared with what it is after the same work, done for a while: an allocator keeps what it is likely to need.
    come_and_go(
        &daemon,
        &mut observer,
        Duration::from_secs(seconds) / 5,
        seed,
    );
    let begun = leftovers(&mut observer);
    come_and_go(
        &daemon,
        &mut observer,
        Duration::from_secs(seconds),
        seed + 1,
    );
    let ended = leftovers(&mut observer);
    println!(
        "resident memory: {} bytes, then {}",
        begun.rss_bytes, ended.rss_bytes
    );
    assert_eq!(ended.buffer_bytes, begun.buffer_bytes);
    // Buffers are kept for the next clients, up to a fixed number; how many were by the first measurement is by chance.
    // A leak would grow with all clients.
    const SPARE_BYTES_MAX: u64 = 2 * 1024 * 1024;
    assert!(
        ended.used_bytes <= begun.used_bytes + begun.used_bytes / 4 + SPARE_BYTES_MAX,
        "memory in use grew from {} to {} bytes",
        begun.used_bytes,
        ended.used_bytes
    );
    assert!(
        ended.rss_bytes <= begun.rss_bytes + begun.rss_bytes / 4 + 8 * 1024 * 1024,
        "resident memory grew from {} to {} bytes",
        begun.rss_bytes,
        ended.rss_bytes
    );
}

/// What the server holds when all clients but the observer have gone and all data is deleted.
#[derive(Debug)]
struct Leftovers {
    buffer_bytes: u64,
    used_bytes: u64,
    rss_bytes: u64,
}

fn leftovers(observer: &mut TcpStream) -> Leftovers {
    until(PATIENCE, "all to be gone", || {
        (info(observer, "connected_clients") == 1).then_some(())
    });
    ask(observer, b"FLUSHALL\r\n", b"+OK\r\n");
    Leftovers {
        buffer_bytes: info(observer, "mem_clients_normal"),
        // The memory of deleted keys is given back bit by bit.
        used_bytes: until(PATIENCE, "the keyspace to be emptied", || {
            let used = info(observer, "used_memory");
            std::thread::sleep(Duration::from_millis(150));
            (info(observer, "used_memory") == used).then_some(used)
        }),
        rss_bytes: info(observer, "used_memory_rss"),
    }
}

/// Has clients come, ask, and go, in all ways there are, for so long.
fn come_and_go(daemon: &Daemon, observer: &mut TcpStream, time: Duration, seed: u64) {
    let deadline = Instant::now() + time;
    let listening = &daemon.listening[..];
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| scope.spawn(move || Worker::new(listening, number, seed).work(deadline)))
            .collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Tally>| worker.join();
        workers
            .into_iter()
            .map(|worker| join(worker).unwrap_or_else(|error| std::panic::resume_unwind(error)))
            .collect()
    });
    let sum = |field: fn(&Tally) -> i64| tallies.iter().map(field).sum::<i64>();
    println!(
        "seed {seed}: {} connections, {} requests in {time:.1?}",
        sum(|tally| tally.connections),
        sum(|tally| tally.requests)
    );
    assert!(sum(|tally| tally.requests) > 0);
    let total = sum(|tally| tally.added).to_string();
    let expected = format!("${}\r\n{total}\r\n", total.len());
    ask(observer, b"GET counter\r\n", expected.as_bytes());
}

#[derive(Debug, Default)]
struct Tally {
    connections: i64,
    requests: i64,
    /// The sum of all `add` that were acknowledged.
    added: i64,
}

/// A thread with some clients. Nobody else writes its keys, so it knows what every answer must be.
struct Worker<'a> {
    listening: &'a [(String, String)],
    rng: Rng,
    /// The first byte of its keys.
    mark: char,
    clients: Vec<(&'static str, TcpStream)>,
    /// Strings, which RESP, lab and speicher see alike.
    strings: HashMap<String, String>,
    samples: BTreeMap<i64, i64>,
    tally: Tally,
}

impl<'a> Worker<'a> {
    fn new(listening: &'a [(String, String)], number: usize, seed: u64) -> Self {
        Worker {
            listening,
            rng: Rng::seeded(seed * 1000 + number as u64),
            mark: char::from(b'a' + number as u8),
            clients: Vec::new(),
            strings: HashMap::new(),
            samples: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    fn work(mut self, deadline: Instant) -> Tally {
        while Instant::now() < deadline {
            if self.clients.len() < CLIENTS_PER_WORKER {
                let at = self.rng.below(SCHEMES.len());
                self.clients
                    .push((SCHEMES[at], connect(&self.listening[at].1)));
                self.tally.connections += 1;
            } else if self.rng.below(50) == 0 {
                let at = self.rng.below(self.clients.len());
                let (scheme, client) = self.clients.swap_remove(at);
                self.part(scheme, client);
            } else {
                let at = self.rng.below(self.clients.len());
                let (request, reply) = self.requests(self.clients[at].0);
                ask(&mut self.clients[at].1, &request, &reply);
            }
        }
        self.tally
    }

    /// Ends a connection, one way or another.
    fn part(&mut self, scheme: &'static str, mut client: TcpStream) {
        let cut = |client: &TcpStream| set_socket_linger(client, Some(Duration::ZERO)).unwrap();
        match self.rng.below(5) {
            0 => {}
            1 => cut(&client),
            2 => {
                // In the middle of a request that changes nothing.
                let half: &[u8] = match scheme {
                    "resp" => b"*2\r\n$4\r\nECHO\r\n$1000000\r\nhalf",
                    "lab+digit" => b"9r",
                    "lab+byte" => b"\xffr",
                    "speicher" => b"\0\0\x0f\xff{",
                    _ => b"ge",
                };
                client.write_all(half).unwrap();
                cut(&client);
            }
            3 => {
                // Much is asked for, and nothing is read.
                if scheme == "resp" {
                    client.write_all(&b"COMMAND\r\n".repeat(20)).unwrap();
                }
                cut(&client);
            }
            _ => {
                let (request, reply) = self.requests(scheme);
                client.write_all(&request).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                assert_eq!(read_to_end(&mut client), String::from_utf8_lossy(&reply));
            }
        }
    }

    /// Some requests, and the replies that they must get.
    fn requests(&mut self, scheme: &str) -> (Vec<u8>, Vec<u8>) {
        let (mut requests, mut replies) = (Vec::new(), Vec::new());
        for left in (0..1 + self.rng.below(10)).rev() {
            // Writing is not answered in the lab's protocol: only an answer at the end shows that all is done.
            let must_answer = left == 0 && scheme.starts_with("lab");
            let (request, reply) = self.request(scheme, must_answer);
            requests.extend(request);
            replies.extend(reply);
            self.tally.requests += 1;
        }
        (requests, replies)
    }

    fn request(&mut self, scheme: &str, must_answer: bool) -> (Vec<u8>, Vec<u8>) {
        if scheme == "resp" && self.rng.chance(5) {
            let length = self.rng.below(200_000);
            let long = "x".repeat(length);
            let reply = format!("${length}\r\n{long}\r\n");
            return (encode(&["ECHO", &long]), reply.into_bytes());
        }
        let key = format!("{}{:02}", self.mark, self.rng.below(100));
        let new =
            (!must_answer && self.rng.chance(50)).then(|| format!("{:04}", self.rng.below(10_000)));
        if let (Some(value), "resp" | "lab" | "lab+byte" | "lab+digit" | "speicher") =
            (&new, scheme)
        {
            self.strings.insert(key.clone(), value.clone());
        }
        let old = self.strings.get(&key).cloned();
        let lab = |text: String| match scheme {
            "lab" => format!("{text}\r\n").into_bytes(),
            "lab+byte" => [&[text.len() as u8], text.as_bytes()].concat(),
            _ => text.into_bytes(),
        };
        match (scheme, new) {
            ("resp", Some(value)) => (encode(&["SET", &key, &value]), b"+OK\r\n".to_vec()),
            ("resp", None) => {
                let reply = old.map_or("$-1\r\n".to_owned(), |value| {
                    format!("${}\r\n{value}\r\n", value.len())
                });
                (encode(&["GET", &key]), reply.into_bytes())
            }
            ("metrics", Some(value)) => {
                let (value, timestamp) = (value.parse().unwrap(), self.rng.range(0, 20));
                self.samples.insert(timestamp, value);
                (
                    format!("put {}m {value} {timestamp}\n", self.mark).into_bytes(),
                    b"ok\n\n".to_vec(),
                )
            }
            ("metrics", None) => {
                let rows = self.samples.iter();
                let rows: String = rows
                    .map(|(at, value)| format!("{}m {value}.0 {at}\n", self.mark))
                    .collect();
                (
                    format!("get {}m\n", self.mark).into_bytes(),
                    format!("ok\n{rows}\n").into_bytes(),
                )
            }
            ("counter", _) => {
                let by = self.rng.range(-100, 100);
                self.tally.added += by;
                (format!("add {by}\n").into_bytes(), b"ok\n".to_vec())
            }
            ("lab+digit", Some(value)) => (format!("9s{key}:{value}").into_bytes(), Vec::new()),
            // A missing value is no bytes at all here, which is no answer.
            ("lab+digit", None) if must_answer && old.is_none() => {
                self.strings.insert(key.clone(), "new".to_owned());
                (format!("8s{key}:new4r{key}").into_bytes(), b"new".to_vec())
            }
            ("lab+digit", None) => (
                format!("4r{key}").into_bytes(),
                old.unwrap_or_default().into_bytes(),
            ),
            ("speicher", Some(value)) => (
                frame(&format!(
                    r#"{{"command":"SET","key":"{key}","value":"{value}"}}"#
                )),
                frame(r#"{"status_code":200}"#),
            ),
            ("speicher", None) => (
                frame(&format!(r#"{{"command":"GET","key":"{key}"}}"#)),
                match old {
                    Some(value) => frame(&format!(r#"{{"status_code":200,"value":"{value}"}}"#)),
                    None => frame(r#"{"status_code":404}"#),
                },
            ),
            (_, Some(value)) => (lab(format!("s{key}:{value}")), Vec::new()),
            (_, None) => (lab(format!("r{key}")), lab(old.unwrap_or_default())),
        }
    }
}
