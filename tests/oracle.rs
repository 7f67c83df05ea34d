//! The differential test: random sequences of commands, the same to pentad and to a redis-server that runs beside it.
//! Every reply is equal, byte for byte, and so is what the keys hold in the end.
//!
//! Requests are generated from the command table's own grammar for every command that both have, a test per family so
//! that they run in parallel. What differs on purpose stands in `oracle/differences.txt`, with the reason. When
//! something else differs, the sequence is shortened as far as it still does and printed for redis-cli.
//!
//! `PENTAD_ORACLE_SEQUENCES` is the number of sequences per family, `PENTAD_ORACLE_COMMANDS` (names with commas between)
//! are the only commands that they have, `PENTAD_SEED` runs a single one, and with
//! `PENTAD_REQUIRE_REDIS=1` it is an error when there is no redis-server.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::grammar::{Generator, KEYS, Rule, rules};
use common::redis::{Redis, STRING_BYTES_MAX};
use common::resp::{Request, Value, encode_into, read_whole, request, typed};
use common::rng::{for_each_seed, number_from_env};
use common::{Driven, Rng};
use pentad::config::{Config, Limits, Scheme};
use pentad::protocol::resp::Table;
use pentad::protocol::resp::command::{Group, flag};
use pentad::rdb::{Loader, Reader, Version, Writer, save};
use pentad::{Clock, SystemClock};

/// Sequences per family, unless the environment says another number.
const SEQUENCES: u64 = 400;
/// Differences of one family that are told; the rest can wait until these are gone.
const REPORTED_MAX: usize = 10;

macro_rules! families {
    ($($test:ident => $group:ident,)+) => {
        $(#[test]
        fn $test() {
            compare_family(Group::$group);
        })+

        /// Does not compile when a group is not in the list.
        const _: fn(Group) = |group| match group {
            $(Group::$group => {})+
            // Of the host's own: redis-server has none of them.
            Group::Module => {}
        };
    };
}

families! {
    bitmaps => Bitmap,
    cluster => Cluster,
    connection => Connection,
    generic => Generic,
    geo => Geo,
    hashes => Hash,
    hyperloglogs => HyperLogLog,
    json => Json,
    lists => List,
    pubsub => PubSub,
    scripting => Scripting,
    server => Server,
    sets => Set,
    sorted_sets => SortedSet,
    streams => Stream,
    strings => String,
    timeseries => TimeSeries,
    transactions => Transactions,
}

fn compare_family(group: Group) {
    let Some(redis) = Redis::start() else { return };
    let oracle = Oracle::new(redis);
    let (family, others): (Vec<&Rule>, Vec<&Rule>) = oracle
        .rules
        .iter()
        .partition(|rule| rule.command.group == group);
    if family.is_empty() {
        return eprintln!("{}: no command that both have", group.name());
    }
    let sequences = cases();
    let mut found = BTreeMap::new();
    for_each_seed(sequences, |seed| {
        let mut rng = Rng::seeded(seed);
        let resp3 = rng.chance(50);
        let mut sequence = sequence(&mut rng, &family, &others);
        sequence.retain(|request| {
            !oracle.is_skipped(request)
                && !expires_too_soon(request)
                && !oracle.blocks_too_long(request)
                && !answers_too_much(request)
                && !goes_on_with_a_scan(request)
        });
        oracle.part(&mut sequence);
        if found.len() < REPORTED_MAX
            && let Some(difference) = oracle.difference(&sequence, resp3)
        {
            let (sequence, difference) = oracle.shorten(sequence, resp3, difference);
            let resp = if resp3 { 3 } else { 2 };
            let typed: String = sequence
                .iter()
                .map(|request| typed(request) + "\n")
                .collect();
            let told = format!("seed {seed}, RESP{resp}\n{typed}=> {difference}\n");
            found.entry(difference.kind()).or_insert(told);
        }
    });
    let told: Vec<String> = found.into_values().collect();
    assert!(
        told.is_empty(),
        "{} differences\n\n{}",
        group.name(),
        told.join("\n")
    );
}

/// What one of them dumps the other restores, and then it reads the same there.
#[test]
fn dumps_move_between_both() {
    let Some(redis) = Redis::start() else { return };
    let oracle = Oracle::new(redis);
    let rules = oracle.writes();
    for_each_seed(cases(), |seed| {
        let mut rng = Rng::seeded(seed);
        let now_s = SystemClock::default().now().unix_ms() / 1000;
        let mut sequence = large_values(&mut rng);
        for _ in 0..60 {
            let rule = rules[rng.below(rules.len())];
            let request = Generator::new(&mut rng, now_s).request(rule);
            if !expires_too_soon(&request) {
                sequence.push(request);
            }
        }
        let mut ours = Driven::with(Oracle::config());
        ours.set_now(SystemClock::default().now());
        oracle.ask_theirs(&[request(&["FLUSHALL"])]);
        let restores = if rng.chance(50) {
            oracle.ask_theirs(&sequence);
            restores(|requests: &[Request]| oracle.ask_theirs(requests))
        } else {
            oracle.ask_ours(&mut ours, &sequence);
            restores(|requests: &[Request]| oracle.ask_ours(&mut ours, requests))
        };
        // Whose values they were restores them too: not all of how a value is kept is in a dump.
        let mut replies = oracle.ask_theirs(&restores);
        replies.extend(oracle.ask_ours(&mut ours, &restores));
        for (reply, request) in replies.iter().zip(restores.iter().chain(&restores)) {
            assert_eq!(reply.text(), Some(&b"OK"[..]), "{}", typed(request));
        }
        if let Some(difference) = oracle.state_difference(&mut ours) {
            panic!("{difference}");
        }
    });
}

/// What redis-server saves pentad loads, and what pentad saves redis-server starts with.
#[test]
fn files_move_between_both() {
    // Each takes a redis-server of its own.
    let rounds = cases().div_ceil(20);
    for_each_seed(rounds, |seed| {
        let Some(redis) = Redis::start() else { return };
        let mut oracle = Oracle::new(redis);
        let mut rng = Rng::seeded(seed);
        let now = SystemClock::default().now();
        let mut sequence = large_values(&mut rng);
        sequence.push(request(&["SELECT", "1"]));
        let rules = oracle.writes();
        for _ in 0..200 {
            let rule = rules[rng.below(rules.len())];
            let request = Generator::new(&mut rng, now.unix_ms() / 1000).request(rule);
            if !expires_too_soon(&request) {
                sequence.push(request);
            }
        }
        oracle.ask_theirs(&sequence);
        let mut ours = Driven::with(Oracle::config());
        ours.set_now(now);
        load(&oracle.redis.save(), &mut ours);

        let mut writer = Writer::new(Vec::new(), Version::V10).expect("memory");
        let saved = save(&ours.engine.keyspace, &mut writer, true).expect("memory");
        let file = writer.finish().expect("memory");
        assert!(saved.keys > 5 && saved.left_out == 0, "{saved:?}");
        let Some(redis) = Redis::start_with(Some(&file)) else {
            return;
        };
        oracle.redis = redis;
        if let Some(difference) = oracle.state_difference(&mut ours) {
            panic!("{difference}");
        }
    });
}

fn load(file: &[u8], into: &mut Driven) {
    let reader = Reader::new(file).expect("a file");
    let mut loader = Loader::new(reader, false);
    loop {
        match loader.step(&mut into.engine.keyspace, 10) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// How many cases of the tests that are not of a family.
fn cases() -> u64 {
    number_from_env("PENTAD_ORACLE_SEQUENCES").unwrap_or(SEQUENCES)
}

/// The requests that restore elsewhere what the keys hold.
fn restores(mut ask: impl FnMut(&[Request]) -> Vec<Value>) -> Vec<Request> {
    let mut restores = vec![request(&["FLUSHALL"])];
    let keys = ask(&[request(&["KEYS", "*"])]);
    for key in keys[0].items().iter().filter_map(Value::text) {
        let replies = ask(&[request(&[b"DUMP", key]), request(&[b"PEXPIRETIME", key])]);
        let (Some(payload), Value::Integer(expires_ms)) = (replies[0].text(), &replies[1]) else {
            panic!("{replies:?}");
        };
        let expires_ms = (*expires_ms).max(0).to_string();
        let words: [&[u8]; 6] = [
            b"RESTORE",
            key,
            expires_ms.as_bytes(),
            payload,
            b"ABSTTL",
            b"REPLACE",
        ];
        restores.push(request(&words));
    }
    restores
}

/// Requests that make values beyond what is kept compactly, or at its border.
fn large_values(rng: &mut Rng) -> Vec<Request> {
    let mut requests = Vec::new();
    for key in [
        "l1", "l2", "h1", "h2", "s1", "s2", "s3", "z1", "z2", "x1", "t1", "t2",
    ] {
        let len = rng.pick(&[1, 2, 127, 128, 129, 300, 511, 512, 513, 2000]);
        let long = rng.pick(&[1, 10, 63, 64, 65, 300]);
        let word = |rng: &mut Rng, index: usize| match rng.below(5) {
            0 => index.to_string().into_bytes(),
            1 => format!("{index}").repeat(1 + long / 4).into_bytes(),
            2 => rng.bytes(long),
            _ => format!("word{index}").into_bytes(),
        };
        let mut many: Request = match &key[..1] {
            "l" => request(&["RPUSH", key]),
            "h" => request(&["HSET", key]),
            "s" => request(&["SADD", key]),
            "z" => request(&["ZADD", key]),
            "t" => request(&["SET", key]),
            _ => request(&["XADD", key]),
        };
        match key {
            "t1" | "t2" => {
                let value = (0..rng.below(50))
                    .flat_map(|index| word(rng, index))
                    .collect();
                many.push(value);
                requests.push(many);
                continue;
            }
            "x1" => {
                for index in 0..len {
                    let mut add = many.clone();
                    add.push(format!("{}-{index}", index / 3 + 1).into_bytes());
                    let names: &[&str] = rng.pick(&[&["a", "b"][..], &["a"], &["12", "a", "b"]]);
                    for name in names {
                        add.push(name.as_bytes().to_vec());
                        add.push(word(rng, index));
                    }
                    requests.push(add);
                }
                for group in ["g", "h"] {
                    requests.push(request(&["XGROUP", "CREATE", key, group, "0"]));
                    for consumer in ["c", "d"] {
                        let count = rng.below(len + 1).to_string();
                        let words = ["XREADGROUP", "GROUP", group, consumer, "COUNT", &count];
                        requests.push(request(&[&words[..], &["STREAMS", key, ">"]].concat()));
                    }
                }
                for _ in 0..rng.below(40) {
                    let index = rng.below(len);
                    let id = format!("{}-{index}", index / 3 + 1);
                    requests.push(request(&["XDEL", key, &id]));
                    requests.push(request(&["XACK", key, "g", &id]));
                }
                continue;
            }
            _ => {}
        }
        for index in 0..len {
            match &key[..1] {
                "h" => {
                    many.push(word(rng, index));
                    many.push(word(rng, index * 7));
                }
                "z" => {
                    let score = rng.pick(&["0", "1", "-3", "0.1", "1e300", "inf", "-inf", "7"]);
                    many.push(score.as_bytes().to_vec());
                    many.push(word(rng, index));
                }
                _ if key == "s3" => many.push((index * index * 77_777).to_string().into_bytes()),
                _ => many.push(word(rng, index)),
            }
        }
        requests.push(many);
    }
    requests
}

/// Some twenty requests, most of one family, on keys that all of them share.
fn sequence(rng: &mut Rng, family: &[&Rule], others: &[&Rule]) -> Vec<Request> {
    let now_s = SystemClock::default().now().unix_ms() / 1000;
    // What the others of a family find nothing without: the first of these most of all.
    const VITAL: [&str; 5] = ["xadd", "xadd", "xadd", "xgroup|create", "xreadgroup"];
    let of_family = |name: &&str| family.iter().find(|rule| rule.command.name == *name);
    let vital: Vec<&Rule> = VITAL.iter().filter_map(of_family).copied().collect();
    let mut sequence = Vec::new();
    if vital.iter().any(|rule| rule.command.group == Group::Stream) && rng.chance(80) {
        for key in &KEYS[..2] {
            sequence.push(request(&["XGROUP", "CREATE", key, "g", "0", "MKSTREAM"]));
        }
    }
    for _ in 0..5 + rng.below(30) {
        let of = if !vital.is_empty() && rng.chance(35) {
            &vital
        } else if others.is_empty() || rng.chance(80) {
            family
        } else {
            others
        };
        let rule = of[rng.below(of.len())];
        if rng.chance(2) {
            sequence.push(nonsense(rng, rule));
        } else {
            sequence.push(Generator::new(rng, now_s).request(rule));
        }
    }
    sequence
}

/// Makes every consumer before it is used: as in 7.2 it is made by the attempt to read or claim, while 7.0 makes it when
/// there is something to be had.
fn with_consumers(sequence: &[Request]) -> Vec<Request> {
    let mut whole = Vec::new();
    for asked in sequence {
        let is = |name: &str| asked[0].eq_ignore_ascii_case(name.as_bytes());
        let mut add = |key: &[u8], group: &[u8], consumer: &[u8]| {
            let words: [&[u8]; 5] = [b"XGROUP", b"CREATECONSUMER", key, group, consumer];
            whole.push(request(&words));
        };
        let place = |word: &str| {
            let mut words = asked.iter().skip(1);
            let found = words.position(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
            found.map(|at| at + 1)
        };
        if is("XREADGROUP")
            && let (Some(group), Some(streams)) = (place("GROUP"), place("STREAMS"))
            && let Some([group, consumer]) = asked.get(group + 1..group + 3)
        {
            let streams = &asked[streams + 1..];
            for key in &streams[..streams.len() / 2] {
                add(key, group, consumer);
            }
        } else if (is("XCLAIM") || is("XAUTOCLAIM"))
            && let [_, key, group, consumer, _, _, ..] = &asked[..]
        {
            add(key, group, consumer);
        }
        whole.push(asked.clone());
    }
    whole
}

/// Whether a request gives a key a few milliseconds to live: it would depend on luck who still sees it.
fn expires_too_soon(request: &Request) -> bool {
    let is_one_of = |word: &[u8], words: &[&str]| {
        words
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    };
    let is_few = |word: &[u8]| {
        let text = std::str::from_utf8(word).unwrap_or_default();
        text.parse().is_ok_and(|ms: i64| (1..1000).contains(&ms))
    };
    let in_ms = is_one_of(&request[0], &["PSETEX", "PEXPIRE", "RESTORE"]);
    let mut pairs = request.windows(2);
    pairs.any(|pair| is_few(&pair[1]) && (in_ms || is_one_of(&pair[0], &["PX"])))
}

/// Whether a request asks for the same members over and over, more than anybody can read.
fn answers_too_much(request: &Request) -> bool {
    let name = request[0].to_ascii_lowercase();
    let is_random = name.ends_with(b"randmember") || name.ends_with(b"randfield");
    let is_many = |word: &Vec<u8>| {
        let text = std::str::from_utf8(word).unwrap_or_default();
        text.parse().is_ok_and(|count: i64| count < -1000)
    };
    is_random && request.iter().any(is_many)
}

/// Whether a request has a cursor that is not the beginning: cursors are the server's own.
fn goes_on_with_a_scan(request: &Request) -> bool {
    let cursor = request.get(2).map_or(&b""[..], |word| word);
    let number: Option<i128> = std::str::from_utf8(cursor)
        .ok()
        .and_then(|text| text.parse().ok());
    request[0].to_ascii_lowercase().ends_with(b"scan") && number.is_some_and(|cursor| cursor != 0)
}

/// A request that names no command.
fn nonsense(rng: &mut Rng, rule: &Rule) -> Request {
    let (container, _) = rule.command.name.split_once('|').unwrap_or(("nosuch", ""));
    let words: &[&str] = match rng.below(4) {
        0 => &[],
        1 => &["nosuch"],
        2 => &["nosuch", "a", "b"],
        _ => &["\r\n", "\0x"],
    };
    request(&[&[container], words].concat())
}

// ---- two servers ----------------------------------------------------------------------------------

/// Both servers, and what may differ.
struct Oracle {
    redis: Redis,
    table: Table,
    allowed: Vec<Allowed>,
    /// The commands that both have, without those that are not to be run.
    rules: Vec<Rule>,
}

/// What is different.
struct Difference {
    /// The request, or what else was looked at, as text.
    request: String,
    ours: String,
    theirs: String,
}

impl Difference {
    fn new(request: String, ours: &[u8], theirs: &[u8]) -> Self {
        Difference {
            request,
            ours: ours.escape_ascii().to_string(),
            theirs: theirs.escape_ascii().to_string(),
        }
    }

    /// What tells it from the others: the command's name, and how the replies begin.
    fn kind(&self) -> [String; 3] {
        let name = self.request.split(' ').next().unwrap_or_default();
        let begin = |text: &str| text.chars().take(8).collect();
        [name.to_owned(), begin(&self.ours), begin(&self.theirs)]
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Difference {
            request,
            ours,
            theirs,
        } = self;
        write!(f, "{request}\nours   {ours}\ntheirs {theirs}")
    }
}

impl Oracle {
    fn new(redis: Redis) -> Self {
        let listed = redis.connect().ask(&["COMMAND", "LIST"]);
        let theirs: BTreeSet<&[u8]> = listed.items().iter().filter_map(Value::text).collect();
        let allowed = read_differences();
        let only = std::env::var("PENTAD_ORACLE_COMMANDS").unwrap_or_default();
        let mut rules = rules();
        rules.retain(|rule| {
            let name = rule.command.name;
            let is_skipped = allowed
                .iter()
                .any(|a| a.is_for(name) && a.kind == Kind::Skip);
            let is_wanted = only.is_empty() || only.split(',').any(|wanted| wanted == name);
            theirs.contains(name.as_bytes()) && !is_skipped && is_wanted
        });
        Oracle {
            redis,
            table: Table::default(),
            allowed,
            rules,
        }
    }

    /// The commands that fill and change keys.
    fn writes(&self) -> Vec<&Rule> {
        const OTHERS: [&str; 3] = ["flushall", "flushdb", "swapdb"];
        let is_write = |rule: &&Rule| {
            let command = rule.command;
            command.has(flag::WRITE)
                && !command.has(flag::BLOCKING)
                && !OTHERS.contains(&command.name)
        };
        self.rules.iter().filter(is_write).collect()
    }

    /// How pentad is set to be like redis-server.
    fn config() -> Config {
        Config {
            limits: Limits {
                request_bytes_max: STRING_BYTES_MAX,
                ..Limits::default()
            },
            ..Config::default()
        }
    }

    /// Whether a request has a word with which its command is not to be run.
    fn is_skipped(&self, request: &Request) -> bool {
        self.allowed_for(request).any(|allowed| match allowed.kind {
            Kind::SkipWith("(nothing)") => request.len() == 1,
            Kind::SkipWith(word) => {
                let mut words = request.iter().skip(1);
                words.any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
            }
            _ => false,
        })
    }

    /// Leaves out of a sequence what must not be in one with another command.
    fn part(&self, sequence: &mut Vec<Request>) {
        let is = |request: &Request, name: &str| {
            let words: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
            let command = self.table.find_request(&words);
            command.is_some_and(|command| command.name == name)
        };
        for allowed in &self.allowed {
            if let Kind::Apart(other) = allowed.kind
                && sequence.iter().any(|request| is(request, other))
            {
                sequence.retain(|request| !is(request, allowed.command));
            }
        }
    }

    /// Whether a request may wait for a key (or a replica) for longer than a test can.
    fn blocks_too_long(&self, request: &Request) -> bool {
        const WAIT_S_MAX: f64 = 0.05;
        let words: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        let Some(command) = self.table.find_request(&words) else {
            return false;
        };
        let is_wait = command.name.starts_with("wait");
        if !command.has(flag::BLOCKING) && !is_wait {
            return false;
        }
        let is_block = |word: &&[u8]| word.eq_ignore_ascii_case(b"BLOCK");
        let (timeout, unit_s) = match command.name {
            "blmpop" | "bzmpop" => (words.get(1), 1.0),
            "xread" | "xreadgroup" => {
                let at = words.iter().position(is_block);
                (at.and_then(|at| words.get(at + 1)), 0.001)
            }
            _ if is_wait => (words.last(), 0.001),
            _ => (words.last(), 1.0),
        };
        let text = timeout.map_or("", |text| std::str::from_utf8(text).unwrap_or_default());
        match text.parse::<f64>() {
            // Zero is forever.
            Ok(timeout) => timeout == 0.0 || timeout * unit_s > WAIT_S_MAX,
            // C reads hexadecimal numbers.
            Err(_) => text.contains('x'),
        }
    }

    /// What the file says of a request's command.
    fn allowed_for(&self, request: &Request) -> impl Iterator<Item = &Allowed> {
        let words: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        let command = self.table.find_request(&words);
        let name = command.map_or("", |command| command.name);
        self.allowed
            .iter()
            .filter(move |allowed| allowed.is_for(name))
    }

    /// Runs a sequence on both, from an empty keyspace on; what differs, if something does.
    fn difference(&self, sequence: &[Request], resp3: bool) -> Option<Difference> {
        let begin = [
            request(&["FLUSHALL"]),
            request(&["HELLO", if resp3 { "3" } else { "2" }]),
        ];
        // A transaction that was begun is ended, so that the reply for the end is seen.
        let end = [request(&["DISCARD"])];
        let mut driven = Driven::with(Oracle::config());
        let sequence = with_consumers(sequence);
        let requests = [&begin[..], &sequence, &end].concat();
        let (ours, theirs) = self.run(&mut driven, &requests);
        let (ours, theirs) = (Value::read_all(&ours), Value::read_all(&theirs));
        // With pushes and the like there is another number of replies: any request's may be the one then.
        let is_aligned = ours.len() == requests.len() + 1;
        for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let request = requests.get(index).filter(|_| is_aligned);
            let candidates = request.map_or(&requests[..], std::slice::from_ref);
            let is_exec = candidates
                .iter()
                .any(|request| request[0].eq_ignore_ascii_case(b"exec"));
            if self.ends(candidates, ours.1, theirs.1) {
                return None;
            }
            let is_allowed = self.is_allowed(candidates, ours, theirs)
                || is_exec && self.is_transaction_allowed(&requests, ours, theirs);
            if !is_allowed {
                let request = request.map_or("(unclear which request)".to_owned(), |r| typed(r));
                return Some(Difference::new(request, ours.1, theirs.1));
            }
        }
        if ours.len() != theirs.len() {
            let number = |replies: &[Seen<'_>]| replies.len().to_string().into_bytes();
            let what = "number of replies".to_owned();
            return Some(Difference::new(what, &number(&ours), &number(&theirs)));
        }
        self.state_difference(&mut driven)
    }

    /// Compares what the keys hold, by reading every one.
    fn state_difference(&self, driven: &mut Driven) -> Option<Difference> {
        const DATABASES: [&str; 2] = ["0", "1"];
        let listings: Vec<Request> = DATABASES
            .iter()
            .flat_map(|db| [request(&["SELECT", db]), request(&["KEYS", "*"])])
            .collect();
        let (mut ours, mut theirs) = (self.ask_ours(driven, &listings), self.ask_theirs(&listings));
        ours.iter_mut().chain(&mut theirs).for_each(Value::sort);
        if ours != theirs {
            return Some(Difference {
                request: "keys of databases 0 and 1 in the end".to_owned(),
                ours: format!("{ours:?}"),
                theirs: format!("{theirs:?}"),
            });
        }
        let mut of_keys = Vec::new();
        for (db, keys) in DATABASES.iter().zip(ours.chunks(2)) {
            of_keys.push(request(&["SELECT", db]));
            for key in keys[1].items().iter().filter_map(Value::text) {
                for command in ["TYPE", "PTTL"] {
                    of_keys.push(request(&[command.as_bytes(), key]));
                }
                of_keys.push(request(&[&b"OBJECT"[..], b"ENCODING", key]));
            }
        }
        let types = self.ask_theirs(&of_keys);
        let mut reads = Vec::new();
        for (asked, kind) in of_keys.iter().zip(&types) {
            reads.push(asked.clone());
            if asked[0] == b"TYPE" {
                reads.extend(read_whole(kind.text().unwrap_or(b"none"), &asked[1]));
            }
        }
        let (ours, theirs) = self.run(driven, &reads);
        let (ours, theirs) = (Value::read_all(&ours), Value::read_all(&theirs));
        assert_eq!(ours.len(), theirs.len(), "one reply to each read");
        let read =
            reads
                .iter()
                .zip(ours.iter().zip(&theirs))
                .find_map(|(request, (ours, theirs))| {
                    let is_allowed = self.is_allowed(std::slice::from_ref(request), ours, theirs);
                    (!is_allowed).then(|| {
                        let request = format!("{} in the end", typed(request));
                        Difference::new(request, ours.1, theirs.1)
                    })
                });
        read.or_else(|| self.scan_difference(driven, &of_keys, &types))
    }

    /// Compares what the scans of collections give from beginning to end: cursors and order are the server's own.
    fn scan_difference(
        &self,
        driven: &mut Driven,
        of_keys: &[Request],
        types: &[Value],
    ) -> Option<Difference> {
        let id = driven.open(Scheme::Resp);
        let mut connection = self.redis.connect();
        let mut found = None;
        for (asked, kind) in of_keys.iter().zip(types) {
            let scan = match kind.text() {
                _ if asked[0] == b"SELECT" => {
                    driven.ask(id, asked);
                    connection.ask(asked);
                    continue;
                }
                Some(b"hash") if asked[0] == b"TYPE" => "HSCAN",
                Some(b"set") if asked[0] == b"TYPE" => "SSCAN",
                Some(b"zset") if asked[0] == b"TYPE" => "ZSCAN",
                _ => continue,
            };
            let ours = scan_whole(scan, &asked[1], |request| driven.ask(id, request));
            let theirs = scan_whole(scan, &asked[1], |request| connection.ask(request));
            if ours != theirs {
                found = Some(Difference {
                    request: format!("{scan} {} in the end", asked[1].escape_ascii()),
                    ours: format!("{ours:?}"),
                    theirs: format!("{theirs:?}"),
                });
                break;
            }
        }
        driven.engine.close(id);
        found
    }

    /// Runs requests on a new connection of each, and gives what they answered, a last reply for the end included.
    fn run(&self, driven: &mut Driven, requests: &[Request]) -> (Vec<u8>, Vec<u8>) {
        const MARK: &[u8] = b"that is all";
        let mut bytes = Vec::new();
        for request in requests {
            encode_into(&mut bytes, request);
        }
        encode_into(&mut bytes, &[b"PING", MARK]);
        driven.set_now(SystemClock::default().now());
        let id = driven.open(Scheme::Resp);
        let mut ours = driven.send(id, &bytes);
        // Those who wait for a key get their answer when their time is over.
        while let Some(deadline_ms) = driven.engine.next_wait_deadline_ms() {
            let now_ms = driven.now().monotonic_ms();
            driven.advance_ms(deadline_ms.saturating_sub(now_ms));
            ours.extend(driven.resume(id));
        }
        driven.engine.close(id);
        (ours, self.redis.connect().run(requests, MARK))
    }

    fn ask_ours(&self, driven: &mut Driven, requests: &[Request]) -> Vec<Value> {
        let id = driven.open(Scheme::Resp);
        let replies = requests
            .iter()
            .map(|request| driven.ask(id, request))
            .collect();
        driven.engine.close(id);
        replies
    }

    fn ask_theirs(&self, requests: &[Request]) -> Vec<Value> {
        let mut connection = self.redis.connect();
        requests
            .iter()
            .map(|request| connection.ask(request))
            .collect()
    }

    /// Whether two replies to one of these requests are equal, or different as they may be.
    fn is_allowed(&self, requests: &[Request], ours: &Seen<'_>, theirs: &Seen<'_>) -> bool {
        let mut allowed = requests
            .iter()
            .flat_map(|request| self.allowed_for(request));
        ours.1 == theirs.1 || allowed.any(|allowed| allowed.kind.allows(ours, theirs))
    }

    /// Whether the servers go different ways from these replies on.
    fn ends(&self, requests: &[Request], ours: &[u8], theirs: &[u8]) -> bool {
        let has = |bytes: &[u8], text| memchr::memmem::find(bytes, str::as_bytes(text)).is_some();
        let is_queued = requests
            .iter()
            .any(|request| request[0].eq_ignore_ascii_case(b"exec"));
        self.allowed.iter().any(|allowed| match allowed.kind {
            Kind::Ends(text) => {
                let is_asked = requests
                    .iter()
                    .any(|request| request[0].eq_ignore_ascii_case(allowed.command.as_bytes()));
                (is_asked || is_queued) && has(ours, text) && !has(theirs, text)
            }
            _ => false,
        })
    }

    /// Whether two replies of a transaction consist of replies to these requests that may differ as they do.
    fn is_transaction_allowed(
        &self,
        requests: &[Request],
        ours: &Seen<'_>,
        theirs: &Seen<'_>,
    ) -> bool {
        let items = |bytes: &'_ [u8]| {
            bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(0, |line| line + 1)
        };
        if !matches!((&ours.0, &theirs.0), (Value::Array(_), Value::Array(_))) {
            return false;
        }
        let ours = Value::read_all(&ours.1[items(ours.1)..]);
        let theirs = Value::read_all(&theirs.1[items(theirs.1)..]);
        let mut pairs = ours.iter().zip(&theirs);
        ours.len() == theirs.len()
            && pairs.all(|(ours, theirs)| self.is_allowed(requests, ours, theirs))
    }

    /// Leaves out of a sequence what is not needed for a difference, and gives the one that is left.
    fn shorten(
        &self,
        mut sequence: Vec<Request>,
        resp3: bool,
        mut difference: Difference,
    ) -> (Vec<Request>, Difference) {
        let mut size = sequence.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < sequence.len() {
                let mut shorter = sequence.clone();
                shorter.drain(at..(at + size).min(sequence.len()));
                match self.difference(&shorter, resp3) {
                    Some(still) => (sequence, difference) = (shorter, still),
                    None => at += size,
                }
            }
            size /= 2;
        }
        (sequence, difference)
    }
}

/// What a scan gives from beginning to end: each member once, with its value or score.
fn scan_whole(
    scan: &str,
    key: &[u8],
    mut ask: impl FnMut(&Request) -> Value,
) -> BTreeMap<Value, Value> {
    let per_member = if scan == "SSCAN" { 1 } else { 2 };
    let mut cursor = b"0".to_vec();
    let mut whole = BTreeMap::new();
    loop {
        let reply = ask(&request(&[scan.as_bytes(), key, &cursor, b"COUNT", b"7"]));
        let [Value::Bulk(next), items] = reply.items() else {
            panic!("{scan} answered {reply:?}");
        };
        for member in items.items().chunks(per_member) {
            let value = member.get(1).map_or(Value::Null, with_plain_doubles);
            whole.insert(member[0].clone(), value);
        }
        if next == b"0" {
            return whole;
        }
        cursor.clone_from(next);
    }
}

/// A reply and its bytes.
type Seen<'a> = (Value, &'a [u8]);

// ---- what may differ ------------------------------------------------------------------------------

/// A line of `oracle/differences.txt`.
struct Allowed {
    command: &'static str,
    kind: Kind,
}

/// What may be different; see the file.
#[derive(PartialEq)]
enum Kind {
    Told,
    Skip,
    SkipWith(&'static str),
    Apart(&'static str),
    Unchecked,
    Unordered,
    Scanned,
    Doubles,
    About(u64),
    Newer(&'static str, u64),
    Ends(&'static str),
    Differs(&'static str, &'static str),
}

impl Allowed {
    fn is_for(&self, command: &str) -> bool {
        self.command == command || self.command == "*"
    }
}

impl Kind {
    fn allows(&self, ours: &Seen<'_>, theirs: &Seen<'_>) -> bool {
        match self {
            Kind::Told | Kind::Skip | Kind::Ends(_) | Kind::SkipWith(_) | Kind::Apart(_) => false,
            Kind::Unchecked => !ours.0.is_error() && !theirs.0.is_error(),
            Kind::Unordered => {
                let (mut ours, mut theirs) = (ours.0.clone(), theirs.0.clone());
                ours.sort();
                theirs.sort();
                ours == theirs
            }
            Kind::Scanned => match (scanned(&ours.0), scanned(&theirs.0)) {
                (Some(ours), Some(theirs)) => ours == theirs,
                _ => !ours.0.is_error() && !theirs.0.is_error(),
            },
            Kind::Doubles => with_plain_doubles(&ours.0) == with_plain_doubles(&theirs.0),
            Kind::About(distance) => are_about(&ours.0, &theirs.0, *distance),
            Kind::Newer(field, distance) => {
                let mut ours = ours.0.clone();
                ours.leave_out(&[field]);
                are_about(&ours, &theirs.0, *distance)
            }
            Kind::Differs(our_pattern, their_pattern) => {
                fits(our_pattern, &ours.1.escape_ascii().to_string())
                    && fits(their_pattern, &theirs.1.escape_ascii().to_string())
            }
        }
    }
}

/// The items of a scan that came to its end at once, sorted; `None` when there are more, or it is no scan's reply.
fn scanned(value: &Value) -> Option<Value> {
    match value.items() {
        [Value::Bulk(cursor), items] if cursor == b"0" => {
            let mut items = with_plain_doubles(items);
            items.sort();
            Some(items)
        }
        _ => None,
    }
}

/// Whether two replies are equal but for integers that may differ by so much.
fn are_about(ours: &Value, theirs: &Value, distance: u64) -> bool {
    match (ours, theirs) {
        (Value::Integer(ours), Value::Integer(theirs)) => {
            // Negative ones are answers of another kind.
            (*ours < 0) == (*theirs < 0) && ours.abs_diff(*theirs) <= distance
        }
        (Value::Array(ours), Value::Array(theirs)) | (Value::Map(ours), Value::Map(theirs)) => {
            // How often an entry was delivered, behind a time.
            let is_delivery =
                matches!(ours.len(), 3 | 4) && matches!(ours.last(), Some(Value::Integer(_)));
            ours.len() == theirs.len()
                && (!is_delivery || ours.last() == theirs.last())
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| are_about(ours, theirs, distance))
        }
        _ => ours == theirs,
    }
}

/// Whether a text is the pattern, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return text.is_empty();
    };
    for part in parts {
        match text.split_once(part) {
            Some((_, rest)) => text = rest,
            None => return false,
        }
    }
    text.ends_with(last)
}

fn read_differences() -> Vec<Allowed> {
    let lines = include_str!("oracle/differences.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&'static str> = line.split(" | ").map(str::trim).collect();
            let (command, kind) = match fields[..] {
                ["skip", command, _] => (command, Kind::Skip),
                ["skip", command, word, _] => (command, Kind::SkipWith(word)),
                ["apart", command, other, _] => (command, Kind::Apart(other)),
                ["unchecked", command, _] => (command, Kind::Unchecked),
                ["unordered", command, _] => (command, Kind::Unordered),
                ["scanned", command, _] => (command, Kind::Scanned),
                ["doubles", command, _] => (command, Kind::Doubles),
                ["about", command, distance, _] => (
                    command,
                    Kind::About(distance.parse().expect("a distance in differences.txt")),
                ),
                ["newer", command, field, distance, _] => (
                    command,
                    Kind::Newer(
                        field,
                        distance.parse().expect("a distance in differences.txt"),
                    ),
                ),
                ["ends", command, text, _] => (command, Kind::Ends(text)),
                ["differs", command, ours, theirs, _] => (command, Kind::Differs(ours, theirs)),
                ["told", command, _] => (command, Kind::Told),
                _ => panic!("what does this line of differences.txt say? {line}"),
            };
            Allowed { command, kind }
        })
        .collect()
}

/// A reply in which every number is printed in the same way.
fn with_plain_doubles(value: &Value) -> Value {
    let plain = |text: &[u8]| {
        let number = std::str::from_utf8(text).ok()?.parse::<f64>().ok()?;
        Some(number.to_string().into_bytes())
    };
    match value {
        Value::Bulk(text) => Value::Bulk(plain(text).unwrap_or_else(|| text.clone())),
        Value::Double(text) => Value::Double(plain(text).unwrap_or_else(|| text.clone())),
        Value::Array(items) => Value::Array(items.iter().map(with_plain_doubles).collect()),
        other => other.clone(),
    }
}

#[test]
fn every_difference_is_of_a_command_that_exists() {
    let table = Table::default();
    for Allowed { command, .. } in read_differences() {
        let exists = command == "*" || table.find_full(command.as_bytes()).is_some();
        assert!(exists, "differences.txt names {command}");
    }
}

#[test]
fn patterns_of_differences_fit_whole_replies() {
    for (pattern, text, expected) in [
        ("-ERR a\\r\\n", "-ERR a\\r\\n", true),
        ("-ERR a", "-ERR a\\r\\n", false),
        ("-ERR *", "-ERR a\\r\\n", true),
        ("*b*", "abc", true),
        ("a*b*c", "axxbyyc", true),
        ("a*b*c", "ac", false),
        ("ab*bc", "abc", false),
        ("*", "", true),
    ] {
        assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
    }
}
