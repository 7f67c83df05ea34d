//! The command table against the real thing: whatever `COMMAND` answers for the commands that both have is compared
//! with a redis-server 7.0 that runs beside the test. Without one on the PATH these tests say so and pass; what the
//! rows must hold in themselves is checked in any case.

mod common;

use std::collections::BTreeSet;

use common::redis::{Connection, Redis};
use common::resp::{Request, Value, request, typed};
use common::{Driven, Rng};
use pentad::ConnId;
use pentad::config::Scheme;
use pentad::protocol::resp::COMMANDS;
use pentad::protocol::resp::arguments::{Argument, Kind, parse};
use pentad::protocol::resp::command::{Command, Find, KeySpec, access, category, flag};

// ---- without a server -----------------------------------------------------------------------------

#[test]
fn every_row_is_whole() {
    for command in &COMMANDS {
        let name = command.name;
        let arguments = parse(command.arguments).unwrap_or_else(|error| panic!("{name}: {error}"));
        check_arguments(command, &arguments);
        assert!(
            !command.summary.is_empty() && !command.since.is_empty(),
            "{name}"
        );
        assert_eq!(name, name.to_lowercase());
        assert_ne!(command.arity, 0, "{name}");
        let words = 1 + i16::from(name.contains('|'));
        assert!(command.arity.abs() >= words, "{name}");
        assert_eq!(command.flags & flag::MOVABLEKEYS, 0, "{name}");
    }
}

fn check_arguments(command: &Command, arguments: &[Argument]) {
    let name = command.name;
    for argument in arguments {
        let is_nested = matches!(argument.kind, Kind::OneOf | Kind::Block);
        assert_eq!(
            is_nested,
            !argument.inner.is_empty(),
            "{name}: {argument:?}"
        );
        let lacks_token = argument.kind == Kind::PureToken && argument.token.is_none();
        assert!(!lacks_token, "{name}: {argument:?}");
        if let Some(number) = argument.key_spec {
            assert!(
                usize::from(number) < command.keys.len(),
                "{name}: no such keys: {argument:?}"
            );
        }
        check_arguments(command, &argument.inner);
    }
}

#[test]
fn every_command_that_specifications_cannot_describe_finds_its_keys() {
    let unclear = access::VARIABLE_FLAGS | access::INCOMPLETE;
    let is_unclear =
        |spec: &KeySpec| spec.access & unclear != 0 || matches!(spec.find, Find::Unknown);
    let mut ours = Ours::new();
    for command in COMMANDS
        .iter()
        .filter(|command| command.keys.iter().any(is_unclear))
    {
        let mut asked = request(&["COMMAND", "GETKEYS"]);
        asked.extend(command.name.split('|').map(|word| word.as_bytes().to_vec()));
        while asked.len() < 2 + usize::from(command.arity.unsigned_abs()) {
            asked.push(b"x".to_vec());
        }
        let keys = ours.ask(&asked);
        assert!(!keys.items().is_empty(), "{}: {keys:?}", command.name);
    }
}

// ---- beside a server ------------------------------------------------------------------------------

#[test]
fn info_is_as_in_redis() {
    // The subcommands are the tenth field.
    let subcommands = |reply: &mut Value| -> Option<Vec<Value>> {
        let fields = reply.items_mut()?.first_mut()?.items_mut()?;
        fields.get_mut(9)?.items_mut().map(std::mem::take)
    };
    compare("INFO", subcommands, 1);
}

#[test]
fn docs_are_as_in_redis() {
    let subcommands = |reply: &mut Value| -> Option<Vec<Value>> {
        let fields = reply.items_mut()?.get_mut(1)?.items_mut()?;
        let is_label = |field: &Value| field.text() == Some(b"subcommands");
        let label = fields.iter().position(is_label)?;
        fields.get_mut(label + 1)?.items_mut().map(std::mem::take)
    };
    compare("DOCS", subcommands, 2);
}

/// Compares the answers of a subcommand of `COMMAND` for every command that both servers have. `subcommands` takes the
/// subcommands out of an answer, each of which has `size` values.
fn compare(subcommand: &str, subcommands: fn(&mut Value) -> Option<Vec<Value>>, size: usize) {
    let Some(mut both) = Both::start() else {
        return;
    };
    for resp3 in [false, true] {
        both.speak(resp3);
        for name in both.names.clone() {
            let (mut ours, mut theirs) = both.ask(&request(&["COMMAND", subcommand, &name]));
            let our_own = settled(subcommands(&mut ours), size, &both.names);
            let their_own = settled(subcommands(&mut theirs), size, &both.names);
            assert_eq!((ours, our_own), (theirs, their_own), "{name}");
        }
    }
}

/// Subcommands, `size` values each, in the order of their names (Redis has them in that of a hash table), without the
/// ones that only one of the two servers has.
fn settled(
    subcommands: Option<Vec<Value>>,
    size: usize,
    names: &BTreeSet<String>,
) -> Vec<Vec<Value>> {
    let name = |subcommand: &[Value]| {
        let name = subcommand[0].items().first().unwrap_or(&subcommand[0]);
        String::from_utf8_lossy(name.text().expect("a name")).into_owned()
    };
    let subcommands = subcommands.unwrap_or_default();
    let mut kept: Vec<Vec<Value>> = subcommands.chunks(size).map(<[Value]>::to_vec).collect();
    kept.retain(|subcommand| names.contains(&name(subcommand)));
    kept.sort_by_key(|subcommand| name(subcommand));
    kept
}

#[test]
fn names_that_do_not_exist_are_answered_as_in_redis() {
    let Some(mut both) = Both::start() else {
        return;
    };
    const NAMES: [&str; 8] = [
        "GET",
        "nosuch",
        "",
        "client|",
        "client|nosuch",
        "CLIENT|ID",
        "get|x",
        "object|freq|x",
    ];
    for resp3 in [false, true] {
        both.speak(resp3);
        for subcommand in ["INFO", "DOCS"] {
            let asked = request(&[&["COMMAND", subcommand], &NAMES[..]].concat());
            let (ours, theirs) = both.ask(&asked);
            assert_eq!(ours, theirs, "{}", typed(&asked));
        }
    }
}

#[test]
fn lists_are_as_in_redis() {
    let Some(mut both) = Both::start() else {
        return;
    };
    let mut filters: Vec<Vec<&str>> = vec![
        vec![],
        vec!["x"],
        vec!["filterby", "x", "y"],
        vec!["FILTERBY"],
        vec!["filterBY", "Module", "timeseries"],
        vec!["filterBY", "AclCat", "nosuch"],
        vec!["filterBY", "AclCat", "@read"],
    ];
    for (_, category) in category::NAMES {
        filters.push(vec!["FILTERBY", "ACLCAT", &category[1..]]);
    }
    for pattern in [
        "*",
        "",
        "XA*",
        "client|s*",
        "*|[g-i]*",
        "?et",
        "[^a-y]*",
        "*\\|help",
        "[Z-X]",
        "*range[",
        "*e*e*",
    ] {
        filters.push(vec!["FILTERBY", "PATTERN", pattern]);
    }
    for filter in filters {
        let asked = request(&[&["COMMAND", "LIST"], &filter[..]].concat());
        let (mut ours, mut theirs) = both.ask(&asked);
        for reply in [&mut ours, &mut theirs] {
            let names = &both.names;
            let is_shared = |name: &Value| {
                let name = String::from_utf8_lossy(name.text().expect("a name"));
                names.contains(&*name)
            };
            if let Some(items) = reply.items_mut() {
                items.retain(is_shared);
            }
            reply.sort();
        }
        assert_eq!(ours, theirs, "{}", typed(&asked));
    }
}

/// Requests of every command that has keys, made of the words that matter for finding them.
#[test]
fn keys_are_found_as_in_redis() {
    const WORDS: &[&str] = &[
        "a",
        "b",
        "1",
        "2",
        "3",
        "0",
        "-1",
        "",
        "STORE",
        "storedist",
        "KEYS",
        "GET",
        "BY",
        "limit",
        "streams",
        "COUNT",
        "BLOCK",
        "GROUP",
        "SET",
        "INCRBY",
        "OVERFLOW",
        "AUTH",
        "auth2",
        "x",
    ];
    let Some(mut both) = Both::start() else {
        return;
    };
    let mut rng = Rng::seeded(1);
    for resp3 in [false, true] {
        both.speak(resp3);
        for command in &COMMANDS {
            if !both.names.contains(command.name) {
                continue;
            }
            for _ in 0..if command.keys.is_empty() { 2 } else { 25 } {
                let mut words: Vec<&str> = command.name.split('|').collect();
                let arity = usize::from(command.arity.unsigned_abs());
                let length = arity.saturating_sub(1) + rng.below(8);
                while words.len() < length.max(2) {
                    words.push(rng.pick(WORDS));
                }
                compare_keys(&mut both, &words);
            }
        }
        for line in ["nosuch a", "client nosuch", "object freq", "object x y"] {
            compare_keys(&mut both, &line.split(' ').collect::<Vec<_>>());
        }
    }
}

fn compare_keys(both: &mut Both, words: &[&str]) {
    for subcommand in ["GETKEYS", "GETKEYSANDFLAGS"] {
        let asked = request(&[&["COMMAND", subcommand], words].concat());
        let (ours, theirs) = both.ask(&asked);
        assert_eq!(ours, theirs, "{}", typed(&asked));
    }
}

// ---- helpers --------------------------------------------------------------------------------------

/// A client of an engine.
struct Ours {
    driven: Driven,
    id: ConnId,
}

impl Ours {
    fn new() -> Self {
        let mut driven = Driven::new();
        let id = driven.open(Scheme::Resp);
        Ours { driven, id }
    }

    fn ask(&mut self, request: &Request) -> Value {
        self.driven.ask(self.id, request)
    }
}

/// A client of each server.
struct Both {
    ours: Ours,
    theirs: Connection,
    /// The full names of the commands and subcommands that both have.
    names: BTreeSet<String>,
    _redis: Redis,
}

impl Both {
    fn start() -> Option<Self> {
        let redis = Redis::start()?;
        let mut theirs = redis.connect();
        let info = theirs.ask(&["INFO", "SERVER"]);
        let version = String::from_utf8_lossy(info.text().unwrap_or_default()).into_owned();
        if !version.contains("redis_version:7.0.") {
            eprintln!("skipped: the redis-server on the PATH is not a 7.0");
            return None;
        }
        let listed = theirs.ask(&["COMMAND", "LIST"]);
        let listed: BTreeSet<&[u8]> = listed.items().iter().filter_map(Value::text).collect();
        let names = COMMANDS.iter().map(|command| command.name.to_owned());
        // Since 7.2 these take WITHSCORE, which the 7.0 beside us does not know.
        let newer = ["zrank", "zrevrank"];
        let names: BTreeSet<String> = names
            .filter(|name| listed.contains(name.as_bytes()) && !newer.contains(&&**name))
            .collect();
        assert!(names.len() > 100, "only {} in common", names.len());
        Some(Both {
            ours: Ours::new(),
            theirs,
            names,
            _redis: redis,
        })
    }

    fn speak(&mut self, resp3: bool) {
        let (ours, theirs) = self.ask(&request(&["HELLO", if resp3 { "3" } else { "2" }]));
        for reply in [ours, theirs] {
            assert_eq!(matches!(reply, Value::Map(_)), resp3);
        }
    }

    fn ask(&mut self, request: &Request) -> (Value, Value) {
        (self.ours.ask(request), self.theirs.ask(request))
    }
}
