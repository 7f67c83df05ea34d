//! Transcripts: what a client sends and what must come back, as files that people like to read (`tests/wire/*.txt`).
//!
//! Each is replayed whole, byte by byte, and cut in two at every place; against an `Engine` without sockets, with a
//! budget of one request a turn too, and over sockets against a `Server` in a thread; messages with the usual line end
//! and the other one, RESP commands also as arrays. What comes back must be the same in all these ways. Clock and seed are
//! fixed. The format is described in `tests/wire/README.md`. In short:
//!
//! ```text
//! # A comment.
//! listen resp://                   a listener, and a connection to it
//! listen metrics://?db=1 as M      another one, whose connection is called M
//! limit max-line-bytes 64          a limit, named as its flag
//!
//! > SET greeting "hello\n"         a message, framed as its protocol frames it; more of them are sent together
//! < +OK                            a line that must come back, and nothing else
//! >| GET greeting\r\n              bytes: escapes are resolved, nothing is added
//! <| $6\r\nhello\n\r\n
//! M> get *                         on the connection M
//! M< ok
//! M<
//! clock +1500ms                    time passes
//! open B                           another connection (open B like M: to M's listener)
//! half-close B                     it sends no more
//! B< (closed)                      the server must have closed it
//! close M                          it is gone
//! ```
//!
//! `cargo test --test wire` replays them all, `cargo test --test wire lab` those whose name has `lab` in it.

#[path = "wire/engine.rs"]
mod engine;
#[path = "wire/pattern.rs"]
mod pattern;
#[path = "wire/replay.rs"]
mod replay;
#[path = "wire/script.rs"]
mod script;
#[path = "wire/socket.rs"]
mod socket;

use std::path::Path;

use pentad::Config;
use pentad::keyspace::Seed;
use pentad::protocol::resp::COMMANDS;
use pentad::protocol::resp::command::Command;

use engine::EngineTransport;
use replay::{Cut, Over, Way, replay};
use script::{Form, Script};
use socket::SocketTransport;

/// One test for each file, and one that there is no other file.
macro_rules! transcripts {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            let path = concat!("tests/wire/", stringify!($name), ".txt");
            check(path, 1, &read(path), concat!("cargo test --test wire ", stringify!($name)));
        })+

        #[test]
        fn every_file_is_listed() {
            let mut listed = [$(concat!(stringify!($name), ".txt")),+];
            listed.sort_unstable();
            let mut found: Vec<String> = std::fs::read_dir(directory().join("tests/wire"))
                .expect("the directory of this test's files can be read")
                .map(|entry| entry.expect("it can be read on").file_name().to_string_lossy().into_owned())
                .filter(|name| name.ends_with(".txt"))
                .collect();
            found.sort_unstable();
            assert_eq!(found, listed, "the list in tests/wire.rs is not that of the files");
        }
    };
}

transcripts! {
    acl
    acl_listeners
    acl_scripts
    bitmap
    counter
    counter_limits
    cross
    cross_databases
    draw_limits
    functions
    geo
    hash
    hyperloglog
    idle
    json_edit
    json_paths
    json_resp3
    lab
    lab_byte
    lab_digit
    lab_limits
    memory
    metrics
    metrics_bad
    refused
    resp_admin
    resp_bits
    resp_blocking
    resp_client
    resp_client_more
    resp_command
    resp_command_all
    resp_commandstats
    resp_connection
    resp_databases
    resp_dump
    resp_expiry
    resp_geo
    resp_hash
    resp_hello
    resp_inline
    resp_json
    resp_keys
    resp_limits
    resp_list
    resp_object
    resp_pipeline
    resp_protocol
    resp_pubsub
    resp_resetstat
    resp_selftest
    resp_saving
    resp_server
    resp_set
    resp_sort
    resp_stream
    resp_stream_blocking
    resp_string
    resp_string_many
    resp_string_number
    resp_string_range
    resp_tracking
    resp_transaction
    resp_ts
    resp_types
    resp_unknown
    resp_zset
    resp_zset_blocking
    scripting
    set
    sort
    sorted_set
    slow_requests
    speicher
    speicher_bad
    stream
    stream_groups
    timeseries_query
}

/// No RESP command without a transcript that sends it.
#[test]
fn every_command_is_sent() {
    let mut sent = String::new();
    for entry in std::fs::read_dir(directory().join("tests/wire"))
        .expect("the directory of this test's files can be read")
    {
        let path = entry.expect("it can be read on").path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path).expect("its files can be read");
            // Behind the first blank stands the command.
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                sent.push_str(line.split_once("> ").map_or("", |(_, command)| command));
                sent.push_str(" \n");
            }
        }
    }
    let sent = format!("\n{}", sent.to_ascii_lowercase());
    let is_missing = |command: &&Command| {
        command.subcommands.is_empty()
            && !sent.contains(&format!("\n{} ", command.name.replace('|', " ")))
    };
    let missing: Vec<&str> = COMMANDS
        .iter()
        .filter(is_missing)
        .map(|command| command.name)
        .collect();
    assert!(missing.is_empty(), "no transcript sends {missing:?}");
}

/// The examples of README.md are transcripts too: its blocks that are marked with the word `transcript`.
#[test]
fn readme() {
    let text = read("README.md");
    let mut spoken = Vec::new();
    for (first_line, block) in transcript_blocks(&text) {
        let script = check(
            "README.md",
            first_line,
            &block,
            "cargo test --test wire readme",
        );
        spoken.extend(script.listeners.iter().map(|listen| listen.scheme));
    }
    for protocol in ["resp", "metrics", "counter", "lab", "speicher"] {
        assert!(
            spoken.iter().any(|scheme| scheme.name() == protocol),
            "README.md has no example of {protocol}: no block marked ```transcript with a listener of it"
        );
    }
}

/// The blocks of a Markdown text that are marked as transcripts, each with its first line's number.
fn transcript_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        match &mut open {
            Some(_) if line.starts_with("```") => blocks.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            // Lines are counted from 1, and the block begins behind this one.
            None if line == "```transcript" => open = Some((index + 2, String::new())),
            None => {}
        }
    }
    blocks
}

/// Replays a transcript in all ways; the first that differs fails the test, and says how to repeat it.
fn check(path: &str, first_line: usize, text: &str, repeat: &str) -> Script {
    let script = Script::parse(path, first_line, text).unwrap_or_else(|error| panic!("{error}"));
    for way in ways(&script) {
        if let Err(difference) = replay_in(&script, way) {
            panic!("{difference}\n  repeat with: {repeat}");
        }
    }
    script
}

fn replay_in(script: &Script, way: Way) -> Result<(), String> {
    let mut config = Config {
        listen: script.listeners.clone(),
        limits: script.limits.clone(),
        tls: Default::default(),
        access: script.access.clone(),
        seed: Some(Seed::fixed(1)),
    };
    match way.over {
        Over::Socket => replay(script, way, &mut SocketTransport::new(script, &config)?),
        Over::EngineOneRequestATurn => {
            config.limits.requests_per_turn = 1;
            replay(script, way, &mut EngineTransport::new(script, &config, 1))
        }
        Over::Engine => replay(
            script,
            way,
            &mut EngineTransport::new(script, &config, usize::MAX),
        ),
    }
}

fn ways(script: &Script) -> Vec<Way> {
    let mut ways = Vec::new();
    for over in [Over::Engine, Over::EngineOneRequestATurn, Over::Socket] {
        if script.no_sockets && over == Over::Socket {
            continue;
        }
        for &form in script.forms() {
            let mut cuts = vec![Cut::Whole, Cut::ByteByByte];
            cuts.extend(positions(script, form, over).into_iter().map(Cut::At));
            ways.extend(cuts.into_iter().map(|cut| Way { form, cut, over }));
        }
    }
    ways
}

/// Where chunks are cut in two: everywhere, but at a choice of places, the ends among them, where a file is so long that
/// this would take too long.
fn positions(script: &Script, form: Form, over: Over) -> Vec<usize> {
    let budget_bytes = match over {
        Over::Engine => 3_000_000,
        Over::EngineOneRequestATurn => 300_000,
        Over::Socket => 60_000,
    };
    let lens = script.chunk_lens(form);
    let most = (budget_bytes / lens.iter().sum::<usize>().max(1)).max(20);
    let all = lens
        .iter()
        .max()
        .map_or(0, |longest| longest.saturating_sub(1));
    if all <= most {
        return (1..=all).collect();
    }
    let near = most / 4;
    let far = (near..all - near).step_by((all - 2 * near).div_ceil(most / 2));
    (1..near).chain(far).chain(all - near..=all).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(directory().join(path))
        .unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
