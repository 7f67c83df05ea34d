//! What the parts of a request cost each by itself: parsing, replying, the keyspace. Prints nanoseconds and throughput.
//!
//! `cargo bench --bench parts [-- FILTER]`; whole requests are in `benches/requests.rs`.

#[path = "common/cpu_clock.rs"]
mod cpu_clock;
#[path = "common/rounds.rs"]
mod rounds;

use std::hint::black_box;

use pentad::buffer::Output;
use pentad::keyspace::{ExpireCondition, Keyspace, Seed};
use pentad::protocol::resp::Reply;
use pentad::protocol::resp::parse::{ParseLimits, Parsed, Parser};
use rounds::least_ns;

/// As in the daemon.
#[cfg(feature = "daemon")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LIMITS: ParseLimits = ParseLimits {
    request_bytes_max: 512 << 20,
    line_bytes_max: 64 << 10,
    stranger: false,
};

fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let measure = |name: &str, bytes: usize, operation: &mut dyn FnMut(u64)| {
        if filter
            .as_ref()
            .is_none_or(|filter| name.starts_with(filter.as_str()))
        {
            report(name, bytes, operation);
        }
    };
    println!(
        "{:36} {:>9} {:>13} {:>9}",
        "part", "ns", "operations/s", "MB/s"
    );
    parsing(&measure);
    replies(&measure);
    keyspace(&measure);
}

/// Gets the name, the bytes that one operation reads or writes, and the operation, which gets a random number each time.
type Measure<'a> = &'a dyn Fn(&str, usize, &mut dyn FnMut(u64));

fn parsing(measure: Measure<'_>) {
    let value = "x".repeat(32);
    let get = request(&["GET", "key:000000012345"]);
    let set = request(&["SET", "key:000000012345", &value]);
    let mset: Vec<&str> = ["MSET"]
        .into_iter()
        .chain((0..10).flat_map(|_| ["key:000000012345", value.as_str()]))
        .collect();
    let mset = request(&mset);
    let long = request(&["SET", "key:000000012345", &"x".repeat(4096)]);
    for (name, bytes) in [
        ("parse GET", &get),
        ("parse SET", &set),
        ("parse MSET of 10", &mset),
        ("parse SET of 4 KiB", &long),
    ] {
        let mut spans = Vec::new();
        measure(name, bytes.len(), &mut |_| {
            spans.clear();
            let parsed = Parser::default().parse(black_box(bytes), &mut spans, LIMITS);
            assert!(matches!(parsed, Parsed::Ready { .. }));
            black_box(&spans);
        });
    }
    let mut spans = Vec::new();
    let (cut, whole) = (set.len() / 2, set.len());
    measure("parse SET, in two parts", whole, &mut |_| {
        spans.clear();
        let mut parser = Parser::default();
        let first = parser.parse(black_box(&set[..cut]), &mut spans, LIMITS);
        assert!(matches!(first, Parsed::NeedMore));
        let parsed = parser.parse(black_box(&set), &mut spans, LIMITS);
        assert!(matches!(parsed, Parsed::Ready { .. }));
        black_box(&spans);
    });
}

fn request(words: &[&str]) -> Vec<u8> {
    let bulks = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), bulks.collect::<String>()).into_bytes()
}

fn replies(measure: Measure<'_>) {
    let value = [b'x'; 32];
    let written = |name: &str, write: &dyn Fn(&mut Reply<'_>)| {
        let mut out = Output::default();
        write(&mut Reply::new(&mut out, false));
        let bytes = out.tail().len();
        measure(name, bytes, &mut |_| {
            out.tail().clear();
            write(black_box(&mut Reply::new(&mut out, false)));
        });
    };
    written("reply OK", &|reply| reply.ok());
    written("reply integer", &|reply| {
        reply.integer(black_box(1_234_567))
    });
    written("reply bulk of 32", &|reply| reply.bulk(black_box(&value)));
    written("reply array of 100 bulks of 32", &|reply| {
        reply.array(100);
        (0..100).for_each(|_| reply.bulk(black_box(&value)));
    });
    written("reply double", &|reply| reply.double(black_box(1.1)));
}

fn keyspace(measure: Measure<'_>) {
    const START_MS: i64 = 1_700_000_000_000;
    for keys in [1_000_u64, 1_000_000] {
        let names: Vec<String> = (0..keys).map(|key| format!("key:{key:012}")).collect();
        let name = |random: u64| names[(random % keys) as usize].as_bytes();
        let value = [b'x'; 32];
        let mut keyspace = Keyspace::new(Seed::fixed(1), 1);
        keyspace.set_now(START_MS);
        for name in &names {
            let key = keyspace.key(0, name.as_bytes());
            keyspace.put(&key, &value);
        }
        measure(&format!("keyspace get, {keys} keys"), 48, &mut |random| {
            let key = keyspace.key(0, name(random));
            black_box(keyspace.get(&key).expect("a string"));
        });
        measure(&format!("keyspace set, {keys} keys"), 48, &mut |random| {
            let key = keyspace.key(0, name(random));
            keyspace.put(&key, black_box(&value));
        });
        measure(
            &format!("keyspace expire, {keys} keys"),
            16,
            &mut |random| {
                let key = keyspace.key(0, name(random));
                let at_ms = START_MS + 1_000_000 + (random % 1_000_000) as i64;
                black_box(keyspace.expire_at(&key, at_ms, ExpireCondition::default()));
            },
        );
        measure(
            &format!("keyspace delete and set, {keys} keys"),
            48,
            &mut |random| {
                let key = keyspace.key(0, name(random));
                black_box(keyspace.delete(&key));
                keyspace.put(&key, black_box(&value));
            },
        );
    }
}

/// Prints what an operation takes that goes through so many bytes.
fn report(name: &str, bytes: usize, operation: &mut dyn FnMut(u64)) {
    let ns = least_ns(operation);
    println!(
        "{name:36} {:9.1} {:13.0} {:9.0}",
        ns,
        1e9 / ns,
        bytes as f64 * 1e3 / ns
    );
}
