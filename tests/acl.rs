//! Users beside redis-server: random rules, random commands by users who may do some of them. Whatever redis-server says of a
//! user (GETUSER, LIST), of a request (DRYRUN) and to a request, pentad says too, but for the texts that 7.2 words otherwise
//! than the 7.0 that runs here.

mod common;

use std::collections::BTreeSet;

use common::redis::Redis;
use common::resp::{Request, Value, encode, request, typed};
use common::rng::{for_each_seed, number_from_env};
use common::{Driven, Rng};
use pentad::config::Scheme;

/// Sequences, unless the environment says another number.
const SEQUENCES: u64 = 300;

const COMMANDS: &[&str] = &[
    "get",
    "set",
    "del",
    "lpush",
    "sadd",
    "hset",
    "zadd",
    "config",
    "config|get",
    "config|set",
    "acl|whoami",
    "client",
    "client|id",
    "subscribe",
    "publish",
    "psubscribe",
    "sort",
    "mget",
    "copy",
    "ping",
    "echo",
    "select",
    "object|encoding",
    "getex",
    "setrange",
    "exists",
    "multi",
    "exec",
    "bitop",
    "xadd",
    "memory|usage",
];
const CATEGORIES: &[&str] = &[
    "read",
    "write",
    "string",
    "list",
    "set",
    "hash",
    "fast",
    "slow",
    "keyspace",
    "pubsub",
    "admin",
    "dangerous",
    "connection",
    "transaction",
    "all",
    "nosuch",
    "STRING",
];
const PATTERNS: &[&str] = &["*", "a*", "b", "k:*", "?", "[ab]", "c\\*", ""];

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.below(from.len())]
}

/// A rule about commands, keys or channels.
fn selector_rule(rng: &mut Rng) -> String {
    let sign = if rng.chance(65) { '+' } else { '-' };
    match rng.below(16) {
        0..=4 => format!("{sign}{}", pick(rng, COMMANDS)),
        5..=7 => format!("{sign}@{}", pick(rng, CATEGORIES)),
        8 => pick(
            rng,
            &[
                "+select|0",
                "+select|1",
                "+SELECT|0",
                "+config|GET",
                "+config|nosuch",
                "-select|0",
                "+get|",
                "+config|get|x",
            ],
        )
        .to_owned(),
        9 | 10 => format!("~{}", pick(rng, PATTERNS)),
        11 => format!("%R~{}", pick(rng, PATTERNS)),
        12 => format!("%W~{}", pick(rng, PATTERNS)),
        13 => format!("&{}", pick(rng, PATTERNS)),
        14 => pick(
            rng,
            &[
                "allkeys",
                "resetkeys",
                "allchannels",
                "resetchannels",
                "allcommands",
                "nocommands",
                "+@all",
                "-@all",
                "~*",
                "&*",
            ],
        )
        .to_owned(),
        _ => pick(
            rng,
            &[
                "%RW~x*", "%RR~x", "%X~x", "%~x", "~a b", "foo", "%rw~y", "+", "-", "+@", "&a\tb",
            ],
        )
        .to_owned(),
    }
}

fn rule(rng: &mut Rng) -> Vec<String> {
    match rng.below(20) {
        0 => vec![
            pick(
                rng,
                &[
                    "on",
                    "off",
                    "nopass",
                    "resetpass",
                    "reset",
                    "clearselectors",
                    "skip-sanitize-payload",
                    "",
                ],
            )
            .to_owned(),
        ],
        1 => vec![
            pick(
                rng,
                &[
                    ">pw",
                    ">other",
                    "<pw",
                    "#2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
                    "!2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
                    "#zz",
                    "!zz",
                ],
            )
            .to_owned(),
        ],
        2 | 3 => {
            let mut rules: Vec<String> = (0..rng.below(4)).map(|_| selector_rule(rng)).collect();
            rules.retain(|rule| !rule.contains([' ', '\t']));
            let text = format!("({})", rules.join(" "));
            match rng.below(4) {
                0 => text.split(' ').map(str::to_owned).collect(),
                _ => vec![text],
            }
        }
        _ => vec![selector_rule(rng)],
    }
}

fn command(rng: &mut Rng) -> Request {
    let keys = ["a", "ab", "b", "k:1", "c*", "x1", "other"];
    let mut key = || pick(rng, &keys).to_owned();
    let (k, l, m) = (key(), key(), key());
    let words: Vec<&str> = match rng.below(24) {
        0 => vec!["GET", &k],
        1 => vec!["SET", &k, "v"],
        2 => vec!["SET", &k, "v", "GET"],
        3 => vec!["DEL", &k, &l],
        4 => vec!["MGET", &k, &l, &m],
        5 => vec!["COPY", &k, &l],
        6 => vec!["LPUSH", &k, "x"],
        7 => vec!["SADD", &k, "x"],
        8 => vec!["CONFIG", "GET", "nosuch"],
        9 => vec!["CONFIG", "SET", "nosuch", "x"],
        10 => vec!["SELECT", "0"],
        11 => vec!["SELECT", "1"],
        12 => vec!["PUBLISH", &k, "x"],
        13 => vec!["ECHO", "x"],
        14 => vec!["PING"],
        15 => vec!["SORT", &k],
        16 => vec!["SORT", &k, "BY", "w*", "STORE", &l],
        17 => vec!["SORT", &k, "GET", "#"],
        18 => vec!["EXISTS", &k],
        19 => vec!["BITOP", "AND", &k, &l, &m],
        20 => vec!["OBJECT", "ENCODING", &k],
        21 => vec!["NOSUCH", &k],
        22 => vec!["GET"],
        _ => vec!["ACL", "WHOAMI"],
    };
    request(&words)
}

/// What both say: without the rules about commands, which 7.0 works out from what they allow and 7.2 keeps as they were
/// given (DRYRUN shows that they mean the same), and without what the versions word otherwise.
fn normal(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    if let Some(rest) = text.strip_prefix("-NOPERM ") {
        let what = match rest {
            _ if rest.contains(" command") => rest.split('\'').nth(1).unwrap_or_default(),
            _ if rest.contains("channel") => "(channel)",
            _ => "(key)",
        };
        return format!("NOPERM {what}");
    }
    let lines = text
        .split("\r\n")
        .filter(|line| !line.starts_with(['$', '*', '~']));
    let mut words: Vec<&str> = lines.flat_map(|line| line.split(' ')).collect();
    words.retain(|word| {
        !matches!(
            *word,
            "sanitize-payload" | "This" | "this" | "user" | "User" | "u"
        )
    });
    words.retain(|word| {
        !word.trim_start_matches('(').starts_with(['+', '-']) || word.starts_with("-ERR")
    });
    let words: Vec<&str> = words
        .into_iter()
        .map(|word| word.trim_matches(['(', ')']))
        .collect();
    words.join(" ")
}

#[test]
fn users_are_those_of_redis() {
    let Some(redis) = Redis::start() else { return };
    let sequences = number_from_env("PENTAD_ORACLE_SEQUENCES").unwrap_or(SEQUENCES);
    for_each_seed(sequences, |seed| {
        let mut rng = Rng::seeded(seed);
        let mut admin = redis.connect();
        admin.ask(&["ACL", "DELUSER", "u"]);
        admin.ask(&["FLUSHALL"]);
        let mut theirs = redis.connect();
        let mut driven = Driven::new();
        let ours_admin = driven.open(Scheme::Resp);
        let ours = driven.open(Scheme::Resp);
        let mut told = String::new();
        let mut compare = |whose: &str, asked: Request| {
            let (theirs, ours) = match whose {
                "admin" => (&mut admin, ours_admin),
                _ => (&mut theirs, ours),
            };
            let expected = theirs.ask_raw(&asked);
            let got = driven.send(ours, &encode(&asked));
            told.push_str(&format!("{whose}> {}\n", typed(&asked)));
            assert_eq!(normal(&got), normal(&expected), "seed {seed}\n{told}");
        };
        compare("admin", request(&["ACL", "SETUSER", "u", "on", "nopass"]));
        compare("u", request(&["AUTH", "u", "x"]));
        for _ in 0..30 {
            match rng.below(10) {
                0..=3 => {
                    let mut words = vec!["ACL".to_owned(), "SETUSER".into(), "u".into()];
                    for _ in 0..1 + rng.below(4) {
                        words.extend(rule(&mut rng));
                    }
                    compare("admin", request(&words));
                    compare("admin", request(&["ACL", "LIST"]));
                    compare("admin", request(&["ACL", "GETUSER", "u"]));
                }
                4..=6 => {
                    let mut words = request(&["ACL", "DRYRUN", "u"]);
                    words.extend(command(&mut rng));
                    compare("admin", words);
                }
                _ => {
                    let asked = command(&mut rng);
                    compare("u", asked);
                }
            }
        }
    });
}

/// The texts of an array.
fn texts(reply: Value) -> Vec<String> {
    let Value::Array(items) = reply else {
        panic!("{reply:?} is no array");
    };
    let text = |item| match item {
        Value::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
        other => format!("{other:?}"),
    };
    items.into_iter().map(text).collect()
}

#[test]
fn categories_hold_the_same_commands() {
    let Some(redis) = Redis::start() else { return };
    let mut theirs = redis.connect();
    let mut driven = Driven::new();
    let ours = driven.open(Scheme::Resp);
    let categories = texts(theirs.ask(&["ACL", "CAT"]));
    assert_eq!(
        texts(driven.ask(ours, &request(&["ACL", "CAT"]))),
        categories
    );
    let mut sets = Vec::new();
    for category in &categories {
        let asked = request(&["ACL", "CAT", category]);
        let theirs: BTreeSet<String> = texts(theirs.ask(&asked)).into_iter().collect();
        let ours: BTreeSet<String> = texts(driven.ask(ours, &asked)).into_iter().collect();
        sets.push((category, ours, theirs));
    }
    let all_ours: BTreeSet<String> = sets.iter().flat_map(|set| set.1.clone()).collect();
    let all_theirs: BTreeSet<String> = sets.iter().flat_map(|set| set.2.clone()).collect();
    let known: BTreeSet<_> = all_ours.intersection(&all_theirs).collect();
    assert!(known.len() > 250, "only {} commands in common", known.len());
    for (category, ours, theirs) in &sets {
        let ours: BTreeSet<_> = ours.iter().filter(|name| known.contains(name)).collect();
        let theirs: BTreeSet<_> = theirs.iter().filter(|name| known.contains(name)).collect();
        assert_eq!(ours, theirs, "@{category}");
    }
}

#[test]
fn the_log_tells_the_same() {
    let Some(redis) = Redis::start() else { return };
    let (mut admin, mut theirs) = (redis.connect(), redis.connect());
    let mut driven = Driven::new();
    let (ours_admin, ours) = (driven.open(Scheme::Resp), driven.open(Scheme::Resp));
    let script = "return redis.pcall('DEL', 'a')";
    for (is_admin, words) in [
        (
            true,
            &[
                "ACL", "SETUSER", "logged", "on", ">pw", "~a", "+@all", "-del",
            ][..],
        ),
        (false, &["AUTH", "logged", "wrong"]),
        (false, &["AUTH", "nobody", "pw"]),
        (false, &["AUTH", "logged", "pw"]),
        (false, &["GET", "b"]),
        (false, &["GET", "b"]),
        (false, &["DEL", "a"]),
        (false, &["PUBLISH", "there", "x"]),
        (false, &["MULTI"]),
        (false, &["GET", "b"]),
        (false, &["DISCARD"]),
        (false, &["EVAL", script, "0"]),
    ] {
        let asked = request(words);
        let (theirs, ours) = match is_admin {
            true => (&mut admin, ours_admin),
            false => (&mut theirs, ours),
        };
        let (theirs, ours) = (theirs.ask(&asked), driven.ask(ours, &asked));
        let is_error = |reply: &Value| matches!(reply, Value::Error(_));
        assert_eq!(
            is_error(&ours),
            is_error(&theirs),
            "{words:?}: {ours:?}, {theirs:?}"
        );
    }
    let shape = |reply: Value| -> Vec<Vec<String>> {
        let Value::Array(entries) = reply else {
            panic!("{reply:?} is no array");
        };
        // What 7.2 has more stands behind; age and client are not the same.
        let shown = |entry| texts(entry).into_iter().take(10).collect();
        entries.into_iter().map(shown).collect()
    };
    let asked = request(&["ACL", "LOG"]);
    let theirs = shape(admin.ask(&asked));
    assert_eq!(theirs.len(), 7, "{theirs:?}");
    assert_eq!(shape(driven.ask(ours_admin, &asked)), theirs);
    for asked in [
        &["ACL", "LOG", "RESET"][..],
        &["ACL", "LOG"],
        &["ACL", "DELUSER", "logged"],
    ] {
        let asked = request(asked);
        assert_eq!(driven.ask(ours_admin, &asked), admin.ask(&asked));
    }
}
