//! The catalogue of hostile input (`tests/hostile/*.txt`): what a client sends that is wrong, absurd or malicious, what it
//! is answered, and the proof that nobody else notices.
//!
//! A file is a list of cases, each of which is a transcript (see `tests/wire/README.md`) behind a line with its name:
//!
//! ```text
//! case a length that is none
//! resp>| *1\r\n$-2\r\n
//! resp< -ERR Protocol error: invalid bulk length
//! resp< (closed)
//! ```
//!
//! The attacker's connections are called `resp`, `metrics`, `counter`, `lab`, `byte`, `digit` and `speicher`; a case finds
//! those open that it names. All cases of all files run in one server, one after the other, in which neighbours
//! (`tests/hostile/neighbours.txt`) have stored data in every protocol, and wait for a key, a message, the end of a
//! transaction. Behind each case they must find everything as it was.
//!
//! RESP cases are told to a redis-server too, which must answer the same, unless a line `redis: REASON` below the name says
//! why not.

mod common;
#[path = "wire/engine.rs"]
mod engine;
#[path = "wire/pattern.rs"]
mod pattern;
// Some of this is only for the transcripts of `tests/wire`.
#[path = "wire/replay.rs"]
#[allow(dead_code)]
mod replay;
#[path = "wire/script.rs"]
#[allow(dead_code)]
mod script;
#[path = "wire/socket.rs"]
mod socket;

use std::path::{Path, PathBuf};

use common::redis::Redis;
use common::resp::{Value, encode, request};
use pentad::config::{Config, Scheme};
use pentad::keyspace::Seed;

use engine::EngineTransport;
use replay::{Cut, Over, Transport, Way, replay};
use script::{Action, Form, Script};
use socket::SocketTransport;

/// The fewest cases that the catalogue may have.
const CASES_LEAST: usize = 300;

#[test]
fn an_engine_answers_and_nobody_else_notices() {
    let catalogue = Catalogue::read();
    let config = catalogue.config();
    catalogue.run(
        &mut EngineTransport::new(&catalogue.listeners, &config, usize::MAX),
        Over::Engine,
    );
}

#[test]
fn an_engine_of_one_request_a_turn_answers_and_nobody_else_notices() {
    let catalogue = Catalogue::read();
    let mut config = catalogue.config();
    config.limits.requests_per_turn = 1;
    catalogue.run(
        &mut EngineTransport::new(&catalogue.listeners, &config, 4096),
        Over::EngineOneRequestATurn,
    );
}

#[test]
fn a_server_answers_over_sockets_and_nobody_else_notices() {
    let catalogue = Catalogue::read();
    let config = catalogue.config();
    let mut transport =
        SocketTransport::new(&catalogue.listeners, &config).expect("a server can be started");
    catalogue.run(&mut transport, Over::Socket);
}

#[test]
fn redis_server_answers_the_same() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let catalogue = Catalogue::read();
    let mut control = redis.connect();
    let mut compared = 0;
    for case in catalogue.cases.iter().filter(|case| case.is_for_redis) {
        compared += 1;
        let mut attacker = Some(redis.connect());
        for step in &case.script.steps {
            let chunk = match &step.action {
                Action::Send { chunk, .. } => chunk.bytes(Form::Typed),
                Action::Open { .. } => {
                    attacker = Some(redis.connect());
                    continue;
                }
                _ => panic!("{}: a case for redis-server only sends", case.place()),
            };
            let connection = attacker.as_mut().expect("a connection");
            let (received, closed) = connection.exchange(&chunk, &mut control);
            let expected = step.expected.first();
            let fits = expected.map_or(received.is_empty() && !closed, |expected| {
                expected.pattern.matches(&received) && expected.closed == closed
            });
            assert!(
                fits,
                "{}:{}: redis-server answers {:?} with {}{}",
                step.line,
                case.place(),
                chunk.escape_ascii().to_string(),
                received.escape_ascii(),
                if closed { " (closed)" } else { "" },
            );
        }
        control.ask(&request(&["FLUSHALL"]));
    }
    assert!(compared >= 100, "only {compared} cases were compared");
}

#[test]
fn the_catalogue_has_hundreds_of_cases_of_every_protocol() {
    let catalogue = Catalogue::read();
    let count = catalogue.cases.len();
    assert!(count >= CASES_LEAST, "{count} cases");
    for attacker in catalogue.attackers() {
        let has_it = |case: &&Case| case.attackers.contains(&attacker);
        let count = catalogue.cases.iter().filter(has_it).count();
        let name = &catalogue.listeners.connections[attacker];
        assert!(count >= 10, "{name}: {count} cases");
    }
}

struct Catalogue {
    /// Listeners and connections; its steps open them.
    listeners: Script,
    before: Script,
    behind_each: Script,
    behind_last: Script,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    path: String,
    line: usize,
    /// Its connections, by their places.
    attackers: Vec<usize>,
    script: Script,
    is_for_redis: bool,
}

impl Catalogue {
    fn read() -> Self {
        const NEIGHBOURS: &str = "neighbours.txt";
        let text = read(&directory().join(NEIGHBOURS));
        let parts: Vec<&str> = text.split("\n====").collect();
        let [header, before, behind_each, behind_last] = parts[..] else {
            panic!("{NEIGHBOURS} has {} parts, not 4", parts.len());
        };
        let part = |part: &str| {
            let (_, lines) = part.split_once('\n').expect("a part has lines");
            let start = text.find(lines).expect("it is a part of the text");
            parse(header, NEIGHBOURS, 1 + text[..start].lines().count(), lines)
        };
        let mut catalogue = Catalogue {
            listeners: parse("", NEIGHBOURS, 1, header),
            before: part(before),
            behind_each: part(behind_each),
            behind_last: part(behind_last),
            cases: Vec::new(),
        };
        let mut files: Vec<PathBuf> = std::fs::read_dir(directory())
            .expect("the catalogue's directory can be read")
            .map(|entry| entry.expect("it can be read on").path())
            .filter(|path| !path.ends_with(NEIGHBOURS))
            .collect();
        files.sort();
        for file in files {
            catalogue.read_cases(header, &file);
        }
        catalogue
    }

    fn read_cases(&mut self, header: &str, file: &Path) {
        let text = read(file);
        let path = file.file_name().expect("a file").to_string_lossy();
        let mut cases: Vec<(usize, &str, String)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if let Some(name) = line.strip_prefix("case ") {
                cases.push((index + 1, name, String::new()));
            } else if let Some((.., text)) = cases.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        }
        for (line, name, text) in cases {
            let differs = text.starts_with("redis: ");
            let text = if differs { format!("#{text}") } else { text };
            let script = parse(header, &path, line + 1, &text);
            let mut attackers = Vec::new();
            for step in &script.steps {
                if let Action::Send { connection, .. } = step.action
                    && !attackers.contains(&connection)
                {
                    attackers.push(connection);
                }
            }
            assert!(!attackers.is_empty(), "{path}:{line}: nothing is sent");
            let is_resp = |place: &usize| {
                let listen = self.listeners.listeners.get(*place);
                listen.is_some_and(|listen| listen.scheme == Scheme::Resp)
            };
            self.cases.push(Case {
                name: name.to_owned(),
                path: path.to_string(),
                line,
                is_for_redis: !differs && attackers.iter().all(is_resp),
                attackers,
                script,
            });
        }
    }

    /// The connections that cases may use, each of a listener of the same place.
    fn attackers(&self) -> std::ops::Range<usize> {
        let names = &self.listeners.connections;
        let others = names.iter().position(|name| name.starts_with('N'));
        0..others.expect("there are neighbours")
    }

    fn config(&self) -> Config {
        Config {
            listen: self.listeners.listeners.clone(),
            limits: self.listeners.limits.clone(),
            seed: Some(Seed::fixed(1)),
            ..Config::default()
        }
    }

    /// Runs all cases in one server.
    fn run(&self, transport: &mut dyn Transport, over: Over) {
        let whole = Way {
            form: Form::Typed,
            cut: Cut::Whole,
            over,
        };
        let run = |script: &Script, way: Way, transport: &mut dyn Transport| {
            replay(script, way, transport)
        };
        run(&self.listeners, whole, transport).expect("all connections open");
        for attacker in self.attackers() {
            transport.close(attacker).expect("it was open");
        }
        run(&self.before, whole, transport).expect("neighbours can do what they want");
        for case in &self.cases {
            for way in case.ways(over) {
                let told = |what: &str, result: Result<(), String>| {
                    result.unwrap_or_else(|error| {
                        panic!(
                            "{}: {what}: {error}\n  ({way:?}; repeat with: cargo test --test hostile)",
                            case.place()
                        )
                    });
                };
                for &attacker in &case.attackers {
                    told("opening", transport.open(attacker, attacker));
                }
                told("the case", run(&case.script, way, transport));
                for &attacker in &case.attackers {
                    if !transport.is_closed(attacker) {
                        told("closing", transport.close(attacker));
                    }
                }
                told("clearing up", self.clear(transport));
                told(
                    "a neighbour was disturbed",
                    run(&self.behind_each, whole, transport),
                );
            }
        }
        run(&self.behind_last, whole, transport).expect("neighbours find what they waited for");
    }

    /// Deletes what a case has stored.
    fn clear(&self, transport: &mut dyn Transport) -> Result<(), String> {
        let is_janitor = |name: &String| name == "janitor";
        let janitor = self.listeners.connections.iter().position(is_janitor);
        let janitor = janitor.ok_or("nobody clears up")?;
        let mut ask = |words: Vec<Vec<u8>>| -> Result<Value, String> {
            transport.send(janitor, &encode(&words))?;
            let answer = transport.take_received(janitor);
            let value = Value::read(&answer).map(|(value, _)| value);
            value.ok_or_else(|| format!("an answer cut off: {}", answer.escape_ascii()))
        };
        let keys = ask(request(&["KEYS", "*"]))?;
        let mut delete = request(&["DEL"]);
        for key in keys.items().iter().filter_map(Value::text) {
            if !key.starts_with(b"n:") && key != b"n.word" && key != b"counter" {
                delete.push(key.to_vec());
            }
        }
        if delete.len() > 1 {
            ask(delete)?;
        }
        Ok(())
    }
}

impl Case {
    fn place(&self) -> String {
        format!("{}:{}: {}", self.path, self.line, self.name)
    }

    /// In which ways it is sent: so many that it does not take too long.
    fn ways(&self, over: Over) -> Vec<Way> {
        const CUTS_MAX: usize = 16;
        const BYTE_BY_BYTE_MAX: usize = 4096;
        let mut seen: Vec<Vec<usize>> = Vec::new();
        let mut ways = Vec::new();
        for form in [Form::Typed, Form::Array, Form::OtherLineEnd] {
            let lens = self.script.chunk_lens(form);
            if seen.contains(&lens) {
                continue;
            }
            let longest = lens.iter().copied().max().unwrap_or(0);
            let mut cuts = vec![Cut::Whole];
            if longest <= BYTE_BY_BYTE_MAX && over != Over::Socket {
                cuts.push(Cut::ByteByByte);
            }
            let step = match over {
                Over::Engine => longest.div_ceil(CUTS_MAX),
                Over::EngineOneRequestATurn | Over::Socket => longest.div_ceil(2),
            };
            cuts.extend((1..longest).step_by(step.max(1)).map(Cut::At));
            ways.extend(cuts.into_iter().map(|cut| Way { form, cut, over }));
            seen.push(lens);
        }
        ways
    }
}

/// A transcript whose connections are those of a header. Its steps are those behind the header.
fn parse(header: &str, path: &str, first_line: usize, text: &str) -> Script {
    let path = format!("tests/hostile/{path}");
    let opened = match header {
        "" => 0,
        header => parse("", &path, 1, header).steps.len(),
    };
    let header_lines = header.lines().count();
    let whole = format!("{header}\n{text}");
    let whole = if header.is_empty() { text } else { &whole };
    let mut script =
        Script::parse(&path, first_line, whole).unwrap_or_else(|error| panic!("{error}"));
    script.steps.drain(..opened);
    for step in &mut script.steps {
        step.line -= header_lines;
        for expected in &mut step.expected {
            expected.line -= header_lines;
        }
    }
    script
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
