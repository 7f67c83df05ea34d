//! What a program pays that links the server: calls on the store, commands in process, starting and stopping, snapshots.
//!
//! `cargo bench --bench embedded [keys]`. The calls are measured in time on the CPU (where the system tells it), so that a
//! busy machine falsifies less: the median of several rounds, keys in random order.

#[path = "common/cpu_clock.rs"]
mod cpu_clock;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cpu_clock::cpu_ns;
use pentad::{CommandSpec, ReplyBuffer, ReplyRef, Seed, Server, testing};

const ROUNDS: usize = 7;
const CALLS: usize = 1_000_000;
const KEY_BYTES: usize = 16;

fn main() {
    // Cargo passes flags of its own.
    let keys = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(1_000_000);
    let mut server = Server::builder()
        .seed(Seed::fixed(1))
        .command("MY.GET", CommandSpec::new(2).reads_key(), |cx, args| {
            let value = cx.store().get_vec(&args[1])?;
            cx.reply().bulk(&value.unwrap_or_default());
            Ok(())
        })
        .build()
        .expect("a server without listeners");
    let mut random = 1_u64;
    let order: Vec<u32> = (0..CALLS)
        .map(|_| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((random >> 33) % keys as u64) as u32
        })
        .collect();
    {
        let mut store = server.store();
        for n in 0..keys {
            store.set(name(n), b"a value of 32 bytes, more or less");
        }
    }
    println!("{keys} keys of {KEY_BYTES} bytes, values of 33 bytes; ns a call\n");

    let (floor, near) = (chased(8 << 20), chased(1 << 10));
    println!(
        "(one load at random that the next one waits for: {floor:.1} in 64 MiB, {near:.1} in 8 KiB)"
    );
    let map: HashMap<Vec<u8>, [u8; 33]> = (0..keys).map(|n| (name(n).to_vec(), [7; 33])).collect();
    each(
        "(std's HashMap, to compare this machine's memory)",
        &order,
        |n| {
            black_box(map.get(&name(n)[..]));
        },
    );
    drop(map);
    let mut store = server.store();
    each("store.get(key), store held", &order, |n| {
        black_box(store.get(name(n)).expect("a string"));
    });
    each("store.get_vec(key), a copy", &order, |n| {
        black_box(store.get_vec(name(n)).expect("a string"));
    });
    each(
        "server.store().get(key), clock read each time",
        &order,
        |n| {
            black_box(server.store().get(name(n)).expect("a string"));
        },
    );
    let mut store = server.store();
    let mut buffer = ReplyBuffer::default();
    each("execute_into([\"GET\", key])", &order, |n| {
        let reply = store.execute_into([&b"GET"[..], &name(n)], &mut buffer);
        assert!(matches!(black_box(reply), ReplyRef::Bulk(_)));
    });
    each("execute([\"GET\", key]), an owned reply", &order, |n| {
        black_box(store.execute([&b"GET"[..], &name(n)]).expect("a string"));
    });
    each(
        "execute([\"MY.GET\", key]), a command of its own",
        &order,
        |n| {
            black_box(store.execute([&b"MY.GET"[..], &name(n)]).expect("a string"));
        },
    );
    each("store.set(key, value)", &order, |n| {
        store.set(name(n), b"another value of about 32 bytes..");
    });
    each("store.incr_by(key, 1), one key", &order, |_| {
        black_box(store.incr_by("counter", 1).expect("an integer"));
    });
    each("zset(key)?.incr_by(member, 1), 1000 members", &order, |n| {
        let member = &name(n % 1000);
        let score = store
            .zset("board")
            .map(|mut board| board.incr_by(member, 1.0));
        black_box(score.expect("a sorted set")).expect("a number");
    });

    println!("\nmicroseconds");
    let running = testing::server();
    let handle = running.running().handle().clone();
    once("submit a job to a spawned server, and wait", 2000, || {
        handle.submit(|store| store.len()).wait().expect("a server")
    });
    running.with(|store| {
        for n in 0..100 {
            store.set(name(n), b"value");
        }
    });
    let mut small = Server::builder().build().expect("a server");
    let mut store = small.store();
    for n in 0..100 {
        store.set(name(n), b"value");
    }
    let snapshot = store.snapshot();
    once("snapshot of 100 keys", 2000, || store.snapshot());
    once("restore of 100 keys", 2000, || store.restore(&snapshot));
    once("build and drop a server with a RESP listener", 200, || {
        Server::builder()
            .listen("resp://127.0.0.1:0")
            .build()
            .expect("a port")
    });
    once(
        "testing::server(): build, spawn, stop, join",
        200,
        testing::server,
    );
}

/// What one load costs whose address the load before has given, in an array of so many words in random order, in ns.
fn chased(words: usize) -> f64 {
    const LOADS: usize = 4_000_000;
    let mut next: Vec<u64> = (0..words as u64).collect();
    // One cycle through all of them (Sattolo's shuffle).
    let mut random = 1_u64;
    for index in (1..words).rev() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        next.swap(index, (random >> 33) as usize % index);
    }
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let started_ns = cpu_ns();
            let mut at = 0_u64;
            for _ in 0..LOADS {
                at = next[at as usize];
            }
            black_box(at);
            Duration::from_nanos(cpu_ns() - started_ns)
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2].as_nanos() as f64 / LOADS as f64
}

/// A key, made without reading memory: a caller has its key at hand.
fn name(n: usize) -> [u8; KEY_BYTES] {
    let mut name = *b"key:00000000:key";
    for (index, byte) in name[4..12].iter_mut().enumerate() {
        *byte = b'a' + (n >> (4 * index) & 15) as u8;
    }
    name
}

/// The median over rounds of the mean time of a call.
fn each(what: &str, order: &[u32], mut call: impl FnMut(usize)) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let started_ns = cpu_ns();
            for n in order {
                call(*n as usize);
            }
            Duration::from_nanos(cpu_ns() - started_ns)
        })
        .collect();
    times.sort_unstable();
    let median_ns = times[ROUNDS / 2].as_nanos() as f64 / order.len() as f64;
    let least_ns = times[0].as_nanos() as f64 / order.len() as f64;
    println!("{what:<50} {median_ns:>8.1}   least {least_ns:>8.1}");
}

/// The median of single calls, what they give dropped within.
fn once<R>(what: &str, calls: usize, mut call: impl FnMut() -> R) {
    let mut times: Vec<Duration> = (0..calls)
        .map(|_| {
            let started = Instant::now();
            drop(black_box(call()));
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    let us = |time: Duration| time.as_nanos() as f64 / 1000.0;
    println!(
        "{what:<50} {:>8.1}   99 % {:>8.1}",
        us(times[calls / 2]),
        us(times[calls * 99 / 100])
    );
}
