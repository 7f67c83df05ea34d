//! Properties of the engine, over random input: cut anywhere, it answers the same; a naive model agrees; its changes
//! rebuild it; hostile bytes hurt nobody else.

mod common;

use common::grammar::{Generator, Rule, rules};
use common::resp::encode_into;
use common::rng::for_each_seed;
use common::{Driven, Rng};
use pentad::config::Scheme;
use pentad::protocol::resp::command::Command;

// ---- cut anywhere ---------------------------------------------------------------------------------

#[test]
fn input_cut_anywhere_gives_the_same_output() {
    let rules: Vec<Rule> = rules();
    for_each_seed(150, |seed| {
        let mut rng = Rng::seeded(seed);
        for scheme in common::drive::SCHEMES {
            let bytes = match scheme {
                Scheme::Resp => resp_bytes(&mut rng, &rules),
                _ => other_bytes(&mut rng, scheme),
            };
            let whole = output(&bytes, &[], scheme);
            let every_byte: Vec<usize> = (1..bytes.len()).collect();
            let mut cuts: Vec<usize> = (0..rng.below(12)).map(|_| rng.below(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.dedup();
            cuts.retain(|cut| *cut > 0);
            for cuts in [every_byte, cuts] {
                let cut = output(&bytes, &cuts, scheme);
                assert!(
                    whole == cut,
                    "{scheme}, input {}\nwhole {}\ncut at {cuts:?}: {}",
                    bytes.escape_ascii(),
                    whole.escape_ascii(),
                    cut.escape_ascii(),
                );
            }
        }
    });
}

/// What a fresh engine answers to bytes that come in these pieces.
fn output(bytes: &[u8], cuts: &[usize], scheme: Scheme) -> Vec<u8> {
    let mut driven = Driven::new();
    let id = driven.open(scheme);
    let mut output = Vec::new();
    let mut from = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        output.extend(driven.send(id, &bytes[from..cut]));
        from = cut;
    }
    driven.engine.receive_eof(id);
    output.extend(driven.read(id));
    output
}

/// Requests of any commands, most as clients send them and some typed by hand. What INFO says depends on how the
/// input was cut, so it is left out.
fn resp_bytes(rng: &mut Rng, rules: &[Rule]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + rng.below(25) {
        let rule = &rules[rng.below(rules.len())];
        if cannot_be_repeated(rule.command) {
            continue;
        }
        let request = Generator::new(rng, 1_750_000_000).request(rule);
        if rng.chance(15) {
            let words: Vec<String> = request
                .iter()
                .map(|word| common::resp::typed(&[word]))
                .collect();
            bytes.extend_from_slice(words.join(rng.pick(&[" ", "  "])).as_bytes());
            bytes.extend_from_slice(rng.pick(&[&b"\n"[..], b"\r\n", b" \r\n", b"\r\n\r\n"]));
        } else {
            encode_into(&mut bytes, &request);
        }
    }
    if bytes.is_empty() || rng.chance(5) {
        let noise = 1 + rng.below(30);
        bytes.extend(rng.bytes(noise));
    }
    bytes
}

/// Whether its answer depends on how many bytes have come in one piece.
fn cannot_be_repeated(command: &Command) -> bool {
    matches!(command.name, "info" | "client|list" | "client|info")
}

fn other_bytes(rng: &mut Rng, scheme: Scheme) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + rng.below(20) {
        push_request(rng, scheme, &mut bytes);
    }
    bytes
}

/// Appends a request of a protocol other than RESP.
fn push_request(rng: &mut Rng, scheme: Scheme, bytes: &mut Vec<u8>) {
    let key = rng.pick(&["a", "b", "c", "key", "*", "k:y", ""]);
    let number = rng.pick(&[
        "1",
        "-2",
        "3.5",
        "1e3",
        "abc",
        "9223372036854775807",
        "",
        "nan",
    ]);
    match scheme {
        Scheme::Resp => unreachable!("RESP has its own generator"),
        Scheme::Metrics => {
            let line = match rng.below(4) {
                0 => format!("get {key}"),
                1 => format!("put {key} {number} {number}"),
                2 => format!("put {key} {number} {}", rng.below(5)),
                _ => format!("{key} {number}"),
            };
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(rng.pick(&[&b"\n"[..], b"\r\n", b" \n"]));
        }
        Scheme::Counter => {
            let line = match rng.below(12) {
                0..=2 => "get".to_owned(),
                3..=5 => "INCR".to_owned(),
                6 | 7 => "decr".to_owned(),
                8 | 9 => format!("add {number}"),
                10 => "nonsense".to_owned(),
                _ => rng.pick(&["quit", "get", "get", "get"]).to_string(),
            };
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(rng.pick(&[&b"\n"[..], b"\r\n", b" \n"]));
        }
        Scheme::Lab | Scheme::LabByte | Scheme::LabDigit => {
            let key = if scheme == Scheme::LabDigit { "k" } else { key };
            let mut message = match rng.below(3) {
                0 => format!("r{key}"),
                _ => format!("s{key}:{number}"),
            };
            match scheme {
                Scheme::Lab => bytes.extend_from_slice(format!("{message}\r\n").as_bytes()),
                Scheme::LabByte => {
                    bytes.push(message.len() as u8);
                    bytes.extend_from_slice(message.as_bytes());
                }
                _ => {
                    message.truncate(9);
                    bytes.extend_from_slice(format!("{}{message}", message.len()).as_bytes());
                }
            }
        }
        Scheme::Speicher => {
            let value = rng.pick(&[
                "1",
                "1.0",
                "\"text\"",
                "null",
                "[1, {\"a\": 2}]",
                "{}",
                "nope",
                "\"\\u00e9\"",
            ]);
            let json = match rng.below(6) {
                0 => format!("{{\"command\":\"GET\",\"key\":\"{key}\"}}"),
                1..=3 => format!("{{\"command\":\"SET\",\"key\":\"{key}\",\"value\":{value}}}"),
                4 => format!("{{\"command\":\"DEL\",\"key\":\"{key}\"}}"),
                _ => format!("{{\"command\":\"{key}\"}}"),
            };
            let length = match rng.below(20) {
                0 => -1,
                1 => 0,
                _ => json.len() as i32,
            };
            bytes.extend_from_slice(&length.to_be_bytes());
            if length > 0 {
                bytes.extend_from_slice(json.as_bytes());
            }
        }
    }
}
