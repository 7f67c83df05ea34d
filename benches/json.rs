//! What commands on JSON documents cost without sockets, beside GET of a string of the same length. Prints nanoseconds per
//! request.
//!
//! `cargo bench --bench json`

use std::hint::black_box;
use std::time::Instant;

use pentad::client::Peer;
use pentad::keyspace::Seed;
use pentad::{Config, ConnId, Engine, Listen, Now};

const ROUNDS: usize = 9;

fn main() {
    let config = Config {
        seed: Some(Seed::fixed(1)),
        ..Config::default()
    };
    let now = Now {
        unix_us: 1_700_000_000_000_000,
        monotonic_us: 1,
    };
    let mut engine = Engine::new(&config, now);
    let listen: Listen = "resp://127.0.0.1:0".parse().expect("a URL of a listener");
    let listener = engine.add_listener(listen, String::new());
    let conn = engine.open(listener, Peer::InProcess).expect("room");
    let mut send = |words: &[&str]| run(&mut engine, conn, &encode(words), 1);

    let small = document(4);
    let kilobyte = document(60);
    let spaced = kilobyte.replace(':', ": ").replace(',', ", ");
    let large = document(60_000);
    send(&["SET", "string", &small]);
    send(&["SET", "string1k", &kilobyte]);
    send(&["JSON.SET", "small", "$", &small]);
    send(&["JSON.SET", "1k", "$", &kilobyte]);
    send(&["JSON.SET", "spaced", "$", &spaced]);
    send(&["JSON.SET", "large", "$", &large]);
    println!(
        "documents of {}, {}, {} (with blanks) and {} bytes",
        small.len(),
        kilobyte.len(),
        spaced.len(),
        large.len()
    );

    let requests: [(&[&str], usize); 18] = [
        (&["GET", "string"], 100_000),
        (&["GET", "small"], 100_000),
        (&["JSON.GET", "small"], 100_000),
        (&["JSON.GET", "small", "$"], 100_000),
        (&["GET", "string1k"], 100_000),
        (&["JSON.GET", "1k"], 100_000),
        (&["JSON.GET", "spaced"], 20_000),
        (&["JSON.GET", "1k", "$.first.b"], 100_000),
        (&["JSON.GET", "1k", "$.last.b"], 100_000),
        (&["JSON.GET", "spaced", "$.last.b"], 20_000),
        (&["JSON.GET", "1k", "$.l[?(@.i>57)].n"], 20_000),
        (&["JSON.NUMINCRBY", "1k", "$.first.b", "1"], 50_000),
        (&["JSON.NUMINCRBY", "1k", "$.last.b", "1"], 50_000),
        (&["JSON.SET", "1k", "$.last.b", "7"], 50_000),
        (&["JSON.SET", "1k", "$", &kilobyte], 20_000),
        (&["JSON.NUMINCRBY", "large", "$.first.b", "1"], 100),
        (&["JSON.NUMINCRBY", "large", "$.last.b", "1"], 100),
        (&["JSON.GET", "large", "$..i"], 20),
    ];
    for (words, times) in requests {
        let bytes = encode(words);
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                run(&mut engine, conn, &bytes, times);
                start.elapsed().as_secs_f64() / times as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        let mut shown = words.join(" ");
        shown.truncate(40);
        println!("{shown:40} {:12.1} ns", rounds[0] * 1e9);
    }
}

/// An object whose first and last members are objects with a `b`, with `count` short elements between them.
fn document(count: usize) -> String {
    let elements: Vec<String> = (0..count)
        .map(|at| format!(r#"{{"i":{at},"n":"x{at}"}}"#))
        .collect();
    format!(
        r#"{{"first":{{"b":1}},"l":[{}],"last":{{"a":true,"b":2}}}}"#,
        elements.join(",")
    )
}

fn encode(words: &[&str]) -> Vec<u8> {
    let bulks = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), bulks.collect::<String>()).into_bytes()
}

fn run(engine: &mut Engine, conn: ConnId, bytes: &[u8], times: usize) {
    for _ in 0..times {
        engine.receive(conn, bytes);
        while !engine.output(conn).is_empty() {
            let count = black_box(engine.output(conn)).len();
            engine.sent(conn, count);
        }
    }
}
