//! Properties of the engine, over random input: cut anywhere, it answers the same; a naive model agrees; its changes
//! rebuild it; hostile bytes hurt nobody else. `PENTAD_CASES` is the number of cases of each, `PENTAD_SEED` runs one.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use common::grammar::{Generator, Rule, rules};
use common::resp::{Request, Value, encode, encode_into, request, typed};
use common::rng::{for_each_seed, number_from_env};
use common::{Driven, Rng};
use pentad::change::Group;
use pentad::config::{Config, Limits, Scheme};
use pentad::hub::ChangeSink;
use pentad::protocol::resp::command::{Command, Group as CommandGroup, flag};

/// Cases of a property, unless the environment says another number.
fn cases(usual: u64) -> u64 {
    number_from_env("PENTAD_CASES").unwrap_or(usual)
}

// ---- cut anywhere ---------------------------------------------------------------------------------

#[test]
fn input_cut_anywhere_gives_the_same_output() {
    let rules: Vec<Rule> = rules();
    for_each_seed(cases(400), |seed| {
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
    matches!(
        command.name,
        "info" | "client|list" | "client|info" | "acl|log" | "acl|genpass"
    )
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
        Scheme::Resp | Scheme::Custom(_) => unreachable!("it has its own generator"),
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

// ---- changes ----------------------------------------------------------------------------------------

/// What the journal will rely on: the commands that a keyspace tells of its changes make a copy of it.
#[test]
fn changes_rebuild_the_keyspace() {
    let rules = rules();
    for_each_seed(cases(1000), |seed| {
        let mut rng = Rng::seeded(seed);
        let (mut original, mut copy) = (Driven::new(), Driven::new());
        let told = Told::default();
        original
            .engine
            .set_change_sink(Some(Box::new(told.clone())));
        let clients = common::drive::SCHEMES.map(|scheme| (scheme, original.open(scheme)));
        let mut clients: HashMap<Scheme, _> = clients.into_iter().collect();
        let journal = copy.open(Scheme::Resp);
        let mut history = Vec::new();
        // In some cases only streams, for what their groups know comes of many commands, or only documents.
        let only = match seed % 5 {
            4 => Some(CommandGroup::Stream),
            3 => Some(CommandGroup::Json),
            _ => None,
        };
        let rules: Vec<&Rule> = rules
            .iter()
            .filter(|rule| only.is_none_or(|only| rule.command.group == only))
            .collect();
        for _ in 0..60 {
            if rng.chance(10) {
                let ms = rng.pick(&[1, 10, 1000, 100_000, 1_000_000]);
                original.advance_ms(ms);
                copy.set_now(original.now());
                original.engine.maintain();
            }
            let scheme = if rng.chance(75) {
                Scheme::Resp
            } else {
                rng.pick(&common::drive::SCHEMES)
            };
            let mut bytes = Vec::new();
            if scheme == Scheme::Resp {
                let rule = rules[rng.below(rules.len())];
                let now_s = original.now().unix_ms() / 1000;
                // A pause would hold up those who read the contents in the end.
                if rule.command.name != "client|pause" {
                    let request = Generator::new(&mut rng, now_s).request(rule);
                    encode_into(&mut bytes, &request);
                }
            } else {
                push_request(&mut rng, scheme, &mut bytes);
            }
            if original.engine.is_finished(clients[&scheme]) {
                original.engine.close(clients[&scheme]);
                clients.insert(scheme, original.open(scheme));
            }
            original.send(clients[&scheme], &bytes);
            history.push(format!("{scheme} {}", bytes.escape_ascii()));
            replay(&told, &mut copy, journal, &mut history);
        }
        let (ours, copied) = (original.contents(), copy.contents());
        for (row, copied) in ours.iter().zip(&copied) {
            assert_eq!(row, copied, "original, copy, after\n{}", history.join("\n"));
        }
        assert_eq!(
            ours.len(),
            copied.len(),
            "keys after\n{}",
            history.join("\n")
        );
    });
}

/// The commands of the changes that an engine has told, with their databases.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(u8, Request)>>>);

impl ChangeSink for Told {
    fn take(&mut self, group: &Group) {
        group.for_each(|change| {
            if !change.command.is_empty() {
                let command = (change.db, request(change.command));
                self.0.lock().unwrap().push(command);
            }
        });
    }
}

/// Runs the changes that were made to one engine in another.
fn replay(told: &Told, copy: &mut Driven, journal: pentad::ConnId, history: &mut Vec<String>) {
    let commands = std::mem::take(&mut *told.0.lock().unwrap());
    for (db, command) in commands {
        history.push(format!("    db {db}: {}", typed(&command)));
        copy.ask(journal, &request(&["SELECT", &db.to_string()]));
        let reply = copy.ask(journal, &command);
        assert!(!reply.is_error(), "{reply:?} after\n{}", history.join("\n"));
    }
}

// ---- a naive model ----------------------------------------------------------------------------------

/// What a key holds, as simply as it can be said.
#[derive(Clone, Debug)]
enum Held {
    Text(Vec<u8>),
    Samples(BTreeMap<i64, f64>),
}

/// The keys of one database.
#[derive(Default)]
struct Model {
    keys: HashMap<&'static str, (Held, Option<i64>)>,
    now_ms: i64,
}

const NIL: Value = Value::NullBulk;
const OK: &[u8] = b"OK";

impl Model {
    fn text(&self, key: &str) -> Result<Option<&Vec<u8>>, ()> {
        match self.keys.get(key) {
            None => Ok(None),
            Some((Held::Text(text), _)) => Ok(Some(text)),
            Some((Held::Samples(_), _)) => Err(()),
        }
    }

    fn put(&mut self, key: &'static str, text: Vec<u8>) {
        let expiry = self.keys.get(key).and_then(|(_, expiry)| *expiry);
        self.keys.insert(key, (Held::Text(text), expiry));
    }

    /// Makes up a request and says what must be answered; `None`: some error.
    fn step(&mut self, rng: &mut Rng) -> (Request, Option<Value>) {
        const KEYS: [&str; 4] = ["a", "b", "c", "d"];
        let (key, other) = (rng.pick(&KEYS), rng.pick(&KEYS));
        let value = rng.pick(&[
            "1",
            "-7",
            "text",
            "",
            "9223372036854775807",
            "007",
            "longer text",
        ]);
        let value = if rng.chance(5) {
            "x".repeat(rng.pick(&[44, 45, 511, 512, 513, 2000]))
        } else {
            value.to_owned()
        };
        let number = rng.range(-20, 20);
        let int = |int: usize| Some(Value::Integer(int as i64));
        let bulk =
            |text: Option<&Vec<u8>>| Some(text.map_or(NIL, |text| Value::Bulk(text.clone())));
        let done = Some(Value::Simple(OK.to_vec()));
        match rng.below(22) {
            0 | 1 => {
                self.keys
                    .insert(key, (Held::Text(value.clone().into()), None));
                (request(&["SET", key, &value]), done)
            }
            2 => {
                let at_ms = self.now_ms + rng.range(1, 200);
                self.keys
                    .insert(key, (Held::Text(value.clone().into()), Some(at_ms)));
                (
                    request(&["SET", key, &value, "PXAT", &at_ms.to_string()]),
                    done,
                )
            }
            3 => {
                let exists = self.keys.contains_key(key);
                if exists {
                    self.put(key, value.clone().into());
                }
                let reply = if exists { done } else { Some(NIL) };
                (request(&["SET", key, &value, "XX", "KEEPTTL"]), reply)
            }
            4 => {
                let old = self.text(key).map(|text| text.cloned());
                if old.is_ok() {
                    self.keys
                        .insert(key, (Held::Text(value.clone().into()), None));
                }
                let reply = old.map_or(None, |old| bulk(old.as_ref()));
                (request(&["GETSET", key, &value]), reply)
            }
            5 => (request(&["GET", key]), self.text(key).map_or(None, bulk)),
            6 => {
                let reply = self.text(key).map_or(None, bulk);
                if reply.is_some() {
                    self.keys.remove(key);
                }
                (request(&["GETDEL", key]), reply)
            }
            7 => {
                let new = self
                    .text(key)
                    .map(|old| [old.map_or(&b""[..], |old| old), value.as_bytes()].concat());
                let reply = new.as_ref().map_or(None, |new| int(new.len()));
                if let Ok(new) = new {
                    self.put(key, new);
                }
                (request(&["APPEND", key, &value]), reply)
            }
            8 => {
                let len = self.text(key).map(|text| text.map_or(0, Vec::len));
                (request(&["STRLEN", key]), len.map_or(None, int))
            }
            9 | 10 => {
                let old = self
                    .text(key)
                    .map(|text| text.map_or(Some(0), |text| integer(text)));
                let new = old
                    .ok()
                    .flatten()
                    .and_then(|old: i64| old.checked_add(number));
                if let Some(new) = new {
                    self.put(key, new.to_string().into());
                }
                (
                    request(&["INCRBY", key, &number.to_string()]),
                    new.map(Value::Integer),
                )
            }
            11 => {
                let offset = rng.pick(&[0, 1, 5, 40, 510]);
                let old = self.text(key).map(|text| text.cloned().unwrap_or_default());
                let reply = old.map_or(None, |mut text| {
                    if !value.is_empty() {
                        let end = offset + value.len();
                        text.resize(text.len().max(end), 0);
                        text[offset..end].copy_from_slice(value.as_bytes());
                        self.put(key, text.clone());
                    }
                    int(text.len())
                });
                (
                    request(&["SETRANGE", key, &offset.to_string(), &value]),
                    reply,
                )
            }
            12 => {
                let removed = self.keys.remove(key).is_some();
                (request(&["DEL", key]), int(usize::from(removed)))
            }
            13 => {
                let at_ms = self.now_ms + rng.range(-5, 200);
                let exists = self.keys.contains_key(key);
                if at_ms <= self.now_ms {
                    self.keys.remove(key);
                } else if let Some(row) = self.keys.get_mut(key) {
                    row.1 = Some(at_ms);
                }
                (
                    request(&["PEXPIREAT", key, &at_ms.to_string()]),
                    int(usize::from(exists)),
                )
            }
            14 => {
                let had = self.keys.get_mut(key).and_then(|row| row.1.take());
                (request(&["PERSIST", key]), int(usize::from(had.is_some())))
            }
            15 => {
                let left = match self.keys.get(key) {
                    None => -2,
                    Some((_, None)) => -1,
                    Some((_, Some(at_ms))) => at_ms - self.now_ms,
                };
                (request(&["PTTL", key]), Some(Value::Integer(left)))
            }
            16 => {
                let row = self.keys.remove(key);
                let reply = row.map(|row| {
                    self.keys.insert(other, row);
                    Value::Simple(OK.to_vec())
                });
                (request(&["RENAME", key, other]), reply)
            }
            17 => {
                let reply = (key != other).then(|| {
                    let row = self.keys.get(key).cloned();
                    let copied = row.map(|row| self.keys.insert(other, row)).is_some();
                    Value::Integer(i64::from(copied))
                });
                (request(&["COPY", key, other, "REPLACE"]), reply)
            }
            18 | 19 => self.add_sample(rng, key, number),
            20 => {
                let samples = match self.keys.get_mut(key) {
                    Some((Held::Samples(samples), _)) => Some(samples),
                    _ => None,
                };
                let reply = samples.and_then(|samples| {
                    let before = samples.len();
                    samples.retain(|at, _| !(5..=8).contains(at));
                    int(before - samples.len())
                });
                (request(&["TS.DEL", key, "5", "8"]), reply)
            }
            _ => {
                let reply = match self.keys.get(key) {
                    Some((Held::Samples(samples), _)) => Some(Value::Array(
                        samples
                            .iter()
                            .map(|(at, value)| sample(*at, *value))
                            .collect(),
                    )),
                    _ => None,
                };
                (request(&["TS.RANGE", key, "-", "+"]), reply)
            }
        }
    }

    fn add_sample(
        &mut self,
        rng: &mut Rng,
        key: &'static str,
        number: i64,
    ) -> (Request, Option<Value>) {
        let at = rng.range(0, 12);
        let policy = rng.pick(&["LAST", "FIRST", "MIN", "MAX", "SUM", "BLOCK"]);
        let row = self
            .keys
            .entry(key)
            .or_insert((Held::Samples(BTreeMap::new()), None));
        let new = number as f64;
        let reply = match &mut row.0 {
            Held::Text(_) => None,
            Held::Samples(samples) => {
                let old = samples.get(&at).copied();
                let value = match (policy, old) {
                    (_, None) | ("LAST", _) => Some(new),
                    ("FIRST", old) => old,
                    ("MIN", Some(old)) => Some(old.min(new)),
                    ("MAX", Some(old)) => Some(old.max(new)),
                    ("SUM", Some(old)) => Some(old + new),
                    _ => None,
                };
                value.map(|value| {
                    samples.insert(at, value);
                    Value::Integer(at)
                })
            }
        };
        let (at, number) = (at.to_string(), number.to_string());
        (
            request(&["TS.ADD", key, &at, &number, "ON_DUPLICATE", policy]),
            reply,
        )
    }
}

/// The integer that a text is, in the one way of writing it.
fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse()
        .ok()
        .filter(|int: &i64| int.to_string() == text)
}

fn sample(at: i64, value: f64) -> Value {
    Value::Array(vec![
        Value::Integer(at),
        Value::Simple(value.to_string().into()),
    ])
}

#[test]
fn a_naive_model_agrees() {
    for_each_seed(cases(300), |seed| {
        let mut rng = Rng::seeded(seed);
        let mut driven = Driven::new();
        let id = driven.open(Scheme::Resp);
        let mut model = Model::default();
        for _ in 0..400 {
            if rng.chance(20) {
                driven.advance_ms(rng.below(40) as u64);
            }
            if rng.chance(10) {
                driven.engine.maintain();
            }
            model.now_ms = driven.now().unix_ms();
            let now_ms = model.now_ms;
            model
                .keys
                .retain(|_, (_, at_ms)| at_ms.is_none_or(|at_ms| at_ms > now_ms));
            let (request, expected) = model.step(&mut rng);
            let reply = driven.ask(id, &request);
            let seen = Some(reply).filter(|reply| !reply.is_error());
            assert_eq!(seen, expected, "{} at {now_ms}", typed(&request));
        }
        // DBSIZE counts keys that have expired and that nobody has looked at since.
        let reply = driven.ask(id, &request(&["KEYS", "*"]));
        assert_eq!(reply.items().len(), model.keys.len());
    });
}

// ---- hostile input ----------------------------------------------------------------------------------

#[test]
fn hostile_bytes_hurt_nobody_else() {
    const OUTPUT_BYTES_MAX: usize = 32 * 1024;
    let rules = rules();
    for_each_seed(cases(600), |seed| {
        let mut rng = Rng::seeded(seed);
        let mut driven = Driven::with(Config {
            limits: Limits {
                request_bytes_max: 8192,
                line_bytes_max: 1024,
                output_bytes_max: OUTPUT_BYTES_MAX,
                requests_per_turn: 7,
                ..Limits::default()
            },
            ..Config::default()
        });
        let witness = driven.open(Scheme::Resp);
        for scheme in common::drive::SCHEMES {
            let id = driven.open(scheme);
            let bytes = hostile_bytes(&mut rng, scheme, &rules);
            let reads = rng.chance(70);
            let mut rest = &bytes[..];
            while !rest.is_empty() && !driven.engine.is_finished(id) {
                let (piece, after) = rest.split_at(1 + rng.below(rest.len().min(3000)));
                rest = after;
                driven.engine.receive(id, piece);
                for _ in 0..rng.below(5) {
                    driven.engine.resume(id);
                }
                if reads {
                    driven.read(id);
                }
                driven.engine.maintain();
                let waiting = if driven.engine.is_finished(id) {
                    0
                } else {
                    waiting_bytes(&mut driven, witness)
                };
                assert!(
                    waiting <= OUTPUT_BYTES_MAX,
                    "{scheme}: {waiting} bytes of output"
                );
            }
            driven.engine.receive_eof(id);
            driven.read(id);
            driven.engine.close(id);
            let answer = driven.send(
                witness,
                &[encode(&["SET", "w", "1"]), encode(&["GET", "w"])].concat(),
            );
            assert_eq!(
                answer.escape_ascii().to_string(),
                "+OK\\r\\n$1\\r\\n1\\r\\n",
                "after {scheme} {}",
                bytes.escape_ascii()
            );
        }
        assert_eq!(driven.engine.connections(), 1);
    });
}

/// A payload whose checksum is right and whose content is not is refused, or is a value that can be read, changed and
/// dumped like any other.
#[test]
fn damaged_payloads_are_refused_or_whole() {
    let mut driven = Driven::new();
    let id = driven.open(Scheme::Resp);
    let mut rng = Rng::seeded(1);
    let good = payloads(&mut driven, id, &mut rng);
    let mut restored = 0;
    let cases = cases(4000);
    for_each_seed(cases, |seed| {
        let mut rng = Rng::seeded(seed);
        let mut payload = good[rng.below(good.len())].clone();
        payload.truncate(payload.len() - 10);
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(payload.len().max(1));
            match rng.below(5) {
                _ if payload.is_empty() => {}
                0 => payload[at] ^= 1 << rng.below(8),
                1 => payload[at] = rng.pick(&[0, 1, 0x7f, 0x80, 0x81, 0xc3, 0xfe, 0xff]),
                2 => drop(payload.remove(at)),
                3 => payload.insert(at, rng.next() as u8),
                _ => payload.truncate(payload.len().saturating_sub(rng.below(3))),
            }
        }
        pentad::rdb::payload::seal(&mut payload, 11);
        let restore = request(&[&b"RESTORE"[..], b"k", b"0", &payload[..], b"REPLACE"]);
        let reply = driven.ask(id, &restore);
        if reply.is_error() {
            assert_eq!(reply.text(), Some(&b"ERR Bad data format"[..]));
            return;
        }
        restored += 1;
        let dump = driven.ask(id, &request(&["DUMP", "k"]));
        let dump = dump.text().expect("a dump").to_vec();
        let again = request(&[&b"RESTORE"[..], b"k2", b"0", &dump[..], b"REPLACE"]);
        assert_eq!(driven.ask(id, &again).text(), Some(&b"OK"[..]));
        let contents = driven.contents();
        let [first, second] = &contents[..] else {
            panic!("two keys: {contents:?}");
        };
        assert_eq!((&first.2, &first.3), (&second.2, &second.3));
        for words in [
            &["LPOP", "k", "2"][..],
            &["LINSERT", "k", "BEFORE", "1", "2"],
            &["LTRIM", "k", "1", "-2"],
            &["SPOP", "k", "2"],
            &["SADD", "k", "1", "x"],
            &["ZPOPMIN", "k", "2"],
            &["ZADD", "k", "1", "new", "-1", "1"],
            &["ZRANK", "k", "new"],
            &["HSET", "k", "1", "2", "new", "x"],
            &["HDEL", "k", "f", "1"],
            &["XADD", "k", "*", "a", "b"],
            &["XTRIM", "k", "MAXLEN", "~", "1"],
            &["XAUTOCLAIM", "k", "g", "c", "0", "0"],
            &["XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">"],
            &["XGROUP", "DESTROY", "k", "g"],
            &["TS.ADD", "k", "*", "1"],
            &["TS.INFO", "k"],
            &["MEMORY", "USAGE", "k"],
            &["APPEND", "k", "x"],
            &["FLUSHALL"],
        ] {
            driven.ask(id, &request(words));
        }
        while driven.engine.maintain() {}
    });
    assert!(cases < 4000 || restored > 300, "{restored} were whole");
}

/// Dumps of values of all types, small and large.
fn payloads(driven: &mut Driven, id: pentad::ConnId, rng: &mut Rng) -> Vec<Vec<u8>> {
    let rules: Vec<Rule> = rules()
        .into_iter()
        .filter(|rule| rule.command.has(flag::WRITE) && !rule.command.has(flag::BLOCKING))
        .collect();
    let mut payloads = Vec::new();
    for round in 0..60 {
        for _ in 0..60 {
            let rule = &rules[rng.below(rules.len())];
            let request = Generator::new(rng, 1_750_000_000).request(rule);
            driven.ask(id, &request);
        }
        for (command, len) in [("RPUSH", 150), ("SADD", 150), ("HSET", 300), ("ZADD", 300)] {
            let key = format!("{command}{round}");
            let mut words = request(&[command, &key]);
            words.extend((0..len).map(|_| rng.below(1000).to_string().into_bytes()));
            driven.ask(id, &words);
        }
        for index in 0..12 {
            let at = (index * 10).to_string();
            driven.ask(
                id,
                &request(&["TS.ADD", "series", &at, "1.5", "LABELS", "a", "b"]),
            );
            driven.ask(id, &request(&["XADD", "x", "*", "a", "1", "b", &at]));
        }
        let keys = driven.ask(id, &request(&["KEYS", "*"]));
        for key in keys.items().iter().filter_map(Value::text) {
            let dump = driven.ask(id, &request(&[b"DUMP", key]));
            payloads.extend(dump.text().map(<[u8]>::to_vec));
        }
        driven.ask(id, &request(&["FLUSHALL"]));
    }
    payloads.retain(|payload| payload.len() < 4000);
    payloads
}

/// Bytes of output that wait in the connection that has the most, as INFO tells another.
fn waiting_bytes(driven: &mut Driven, witness: pentad::ConnId) -> usize {
    let info = driven.ask(witness, &request(&["INFO", "clients"]));
    let info = String::from_utf8_lossy(info.text().expect("a text")).into_owned();
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix("client_recent_max_output_buffer:"));
    value
        .and_then(|value| value.parse().ok())
        .expect("a number of bytes")
}

/// Noise, or requests with some bytes changed, or both.
fn hostile_bytes(rng: &mut Rng, scheme: Scheme, rules: &[Rule]) -> Vec<u8> {
    if rng.chance(15) {
        let count = 1 + rng.below(4000);
        return rng.bytes(count);
    }
    let mut bytes = Vec::new();
    for _ in 0..1 + rng.below(60) {
        if scheme == Scheme::Resp {
            let rule = &rules[rng.below(rules.len())];
            // They may end or stop the witness: that is what they are for.
            if !matches!(rule.command.name, "client|kill" | "client|pause") {
                let request = Generator::new(rng, 1_750_000_000).request(rule);
                encode_into(&mut bytes, &request);
            }
        } else {
            push_request(rng, scheme, &mut bytes);
        }
    }
    if bytes.is_empty() {
        bytes.push(0);
    }
    for _ in 0..rng.below(8) {
        let at = rng.below(bytes.len());
        match rng.below(6) {
            0 => bytes[at] = rng.next() as u8,
            1 => bytes[at] ^= 1 << rng.below(8),
            2 => {
                let end = (at + rng.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => bytes.insert(at, rng.pick(b"\r\n\0*$-:{}\"9 ")),
            4 => {
                let end = (at + rng.below(200)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = rng.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let number = rng.pick(&["99999999999", "-1", "2147483648", "1048577", "0"]);
                bytes.splice(at..at, number.bytes());
            }
        }
        if bytes.is_empty() {
            return vec![0];
        }
    }
    bytes
}
