//! Random requests out of the command table's argument grammar: mostly sensible, sometimes wrong on purpose.
//!
//! Keys come from a small set, so that commands meet each other's results. What an argument may be is known from its
//! type and, where that says too little, from its name (see `Generator::value`): a new family needs a line there
//! when its arguments have a shape of their own, such as the ids of streams.

use pentad::protocol::resp::COMMANDS;
use pentad::protocol::resp::arguments::{Argument, Kind, arguments_of};
use pentad::protocol::resp::command::{Command, Group};

use super::resp::Request;
use super::rng::Rng;

/// A command with its grammar, read once.
pub struct Rule {
    /// The row of the table.
    pub command: &'static Command,
    arguments: Vec<Argument>,
}

/// All commands of the table that can be run: plain ones and subcommands, not the containers.
pub fn rules() -> Vec<Rule> {
    let leaves = COMMANDS
        .iter()
        .filter(|command| command.subcommands.is_empty());
    let rules = leaves.map(|command| Rule {
        command,
        arguments: arguments_of(command),
    });
    rules.collect()
}

/// Writes requests.
pub struct Generator<'a> {
    /// Where its choices come from.
    pub rng: &'a mut Rng,
    /// What time it is, for points in time: Unix time in seconds.
    pub now_s: i64,
    /// How many of 100 requests are wrong on purpose.
    pub wrong_percent: usize,
    /// How many keys (or weights, or the like) have been announced by a `numkeys`.
    announced: Option<usize>,
    /// Whether the command is one on sorted sets: doubles are scores then.
    of_sorted_set: bool,
    /// The name of the command that is being written.
    command: &'static str,
}

/// What redis-server 7.0.15 dumps: two strings, a list, two sets, a hash, a sorted set, and a stream with a group.
const PAYLOADS: [&[u8]; 8] = [
    b"\x00\x05hello\n\x00cr\xdfve4 \n",
    b"\x00\xc190\n\x00\x9d\x94\xea'\x93\xfc\x08\xb9",
    b"\x12\x01\x02\x12\x12\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81b\x02\xde\xd4\x02\xff\n\x00X>\x1fV\x159V\xf2",
    b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\n\x00\xa5\x02\\\xe2mnM\x1b",
    b"\x02\x03\x01a\xc0\x07\x01b\n\x00\x92\xd0\x84\x93\xcc\x0e\r4",
    b"\x10\x14\x14\x00\x00\x00\x04\x00\x81f\x02\x01\x01\x81g\x02\x83two\x04\xff\n\x00\xe3\x18t+a\xdbo\xdf",
    b"\x11\x1d\x1d\x00\x00\x00\x06\x00\x81c\x02\x84-inf\x05\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff\n\x009\x923\x9b\xe1\x1f2=",
    b"\x13\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01>>\x00\x00\x00\x19\x00\x02\x01\x01\x01\x02\x01\
      \x81a\x02\x81b\x02\x00\x01\x02\x01\x00\x01\x00\x01\x01\x01\x02\x01\x05\x01\x03\x01\x01\x01\xdf\xff\x02\x03\x01\x04\x01\x05\x01\
      \x00\x01\x02\x01\xdf\xff\x02\x01\x01\x81c\x02\x05\x01\x06\x01\xff\x02\x03\x00\x01\x01\x02\x00\x03\x01\x01g\x01\x01\x81\xff\xff\
      \xff\xff\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01Z\x1b\xdb\xfd\xa1\x01\x00\x00\x01\
      \x02\x01cZ\x1b\xdb\xfd\xa1\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x01d`\x1b\xdb\xfd\xa1\
      \x01\x00\x00\x00\n\x00\xb5l \x8e\xb0\xf7\xec\"",
];

/// The keys that requests are about.
pub const KEYS: [&str; 6] = ["a", "b", "c", "d", "key:{e}", "f"];

const WORDS: &[&str] = &[
    "x",
    "y",
    "z",
    "one",
    "two",
    "three",
    "foo",
    "bar",
    "Foo",
    "hello world",
];
const INTEGERS: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "7", "10", "-1", "-2", "-3", "100",
];
const EDGE_INTEGERS: &[&str] = &[
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775807",
    "4294967296",
    "2147483648",
    "-2147483649",
    "536870912",
    "00",
    "+1",
    "1.0",
    " 1",
    "1 ",
    "0x10",
    "-0",
    "1e2",
    "",
    "abc",
];
const DOUBLES: &[&str] = &[
    "0", "1", "2", "-1", "1.5", "-0.5", "3.14", "10", "100", "0.1", "5.0e3", "2.50",
];
const EDGE_DOUBLES: &[&str] = &[
    "inf",
    "-inf",
    "+inf",
    "nan",
    "1e308",
    "-1e308",
    "1e-300",
    "1e17",
    "123456789012345678",
    "-0",
    "0x1p3",
    "1e400",
    "",
    " 1",
    "1 ",
    "abc",
    "1.7976931348623157e308",
    "0.30000000000000004",
    "3.0e-5",
];
/// Scores and weights that the printing of every version of Redis agrees on.
const SCORES: &[&str] = &[
    "0", "1", "2", "3", "-1", "-2", "1.5", "-0.5", "0.25", "10", "100", "2.50", "5.0e3", "inf",
    "-inf",
];
const EDGE_SCORES: &[&str] = &[
    "+inf", "infinity", "nan", "-0", "0x1p3", "1e400", "", " 1", "1 ", "abc", "1e16", "1\0", "0x",
];
/// Ends of ranges of scores and of members, with the mistakes one can make there.
const SCORE_BOUNDS: &[&str] = &[
    "-inf", "+inf", "inf", "(-inf", "(inf", "0", "1", "2", "(0", "(1", "(2", "-1", "(-1", "1.5",
    "(1.5", "10", "5000",
];
const LEX_BOUNDS: &[&str] = &[
    "-", "+", "[", "(", "[1", "(1", "[a", "[f", "(foo", "[foo", "[one", "(one", "[x", "(x", "[z",
    "[-1", "(2",
];
const EDGE_BOUNDS: &[&str] = &[
    "", "(", "((1", "nan", "abc", "1e400", "(-1e400", " 1", "1 ", "( 1", "--", "++", "a", "0x1p1",
    "1\0x",
];
const PATTERNS: &[&str] = &[
    "*", "a*", "?", "[a-c]", "[^a]", "key:*", "k?y*", "\\a", "", "nosuch", "[", "*o*", "**",
    "f[o-z]*",
];
const JSON_PATHS: &[&str] = &[
    "$",
    ".",
    "$",
    "$.a",
    "$.a",
    ".a",
    "a",
    "$.a.b",
    "$..b",
    "$..*",
    "$.*",
    "$.b",
    "$.a[0]",
    ".a[1]",
    "$[*]",
    "$[-1]",
    "$.a[1:]",
    "$..[0]",
    "$['a','c']",
    "$..[?(@.a)]",
    "$..[?(@>1)]",
    "$.[",
    ".c",
];
const JSON_VALUES: &[&str] = &[
    "{}",
    "[]",
    "1",
    "-2.50",
    "true",
    "null",
    "\"x\"",
    "\"7\"",
    "[1, 2, [3]]",
    r#"{"a":{"b":1,"c":[1,2]},"b":"x"}"#,
    r#" {"a" : [1, "\u00e4", {"b": true}], "a": {"b": null}, "c": 1e2} "#,
    r#"{"a":[[1,2],[3,{"b":[]}]],"b":9223372036854775807}"#,
    r#"{"a":null,"b":{"a":2}}"#,
    "{",
];

impl<'a> Generator<'a> {
    /// One that tells points in time from `now_s` on.
    pub fn new(rng: &'a mut Rng, now_s: i64) -> Self {
        Generator {
            rng,
            now_s,
            wrong_percent: 6,
            announced: None,
            of_sorted_set: false,
            command: "",
        }
    }

    /// A request of a command.
    pub fn request(&mut self, rule: &Rule) -> Request {
        let mut request: Request = Vec::new();
        for part in rule.command.name.split('|') {
            let part = if self.rng.chance(90) {
                part.to_ascii_uppercase()
            } else {
                part.to_owned()
            };
            request.push(part.into_bytes());
        }
        let words = request.len();
        self.announced = None;
        self.of_sorted_set = rule.command.group == Group::SortedSet;
        self.command = rule.command.name;
        self.arguments(&rule.arguments, &mut request);
        if self.rng.chance(self.wrong_percent) {
            self.spoil(&mut request, words);
        }
        request
    }

    /// Any key; most are of the small set.
    pub fn key(&mut self) -> Vec<u8> {
        let is_of_few = self.command.starts_with('x') || self.command.starts_with("json.");
        if is_of_few && self.rng.chance(90) {
            // There is much to be done to one stream, or to one document.
            return self.rng.pick(&KEYS[..2]).as_bytes().to_vec();
        }
        match self.rng.below(60) {
            0 => Vec::new(),
            1 => vec![b'k'; 300],
            2 => b"\x00\xff\r\n".to_vec(),
            _ => self.rng.pick(&KEYS).as_bytes().to_vec(),
        }
    }

    /// Any string: words, numbers, and some that are long or binary.
    pub fn string(&mut self) -> Vec<u8> {
        match self.rng.below(40) {
            0 => Vec::new(),
            1 => vec![b'v'; 44 + self.rng.below(2)],
            2 => vec![b'v'; 511 + self.rng.below(3)],
            3 => vec![b'w'; 63 + self.rng.below(3)],
            4 => {
                let count = self.rng.below(20);
                self.rng.bytes(count)
            }
            5 | 6 => self.rng.pick(EDGE_INTEGERS).as_bytes().to_vec(),
            7 | 8 => self.rng.pick(EDGE_DOUBLES).as_bytes().to_vec(),
            9..=12 => self.rng.pick(DOUBLES).as_bytes().to_vec(),
            // Patterns of SORT find keys by such elements.
            13 => self.rng.pick(&KEYS).as_bytes().to_vec(),
            14..=20 => self.rng.pick(INTEGERS).as_bytes().to_vec(),
            _ => self.rng.pick(WORDS).as_bytes().to_vec(),
        }
    }

    fn arguments(&mut self, arguments: &[Argument], request: &mut Request) {
        // Options may stand in any order; what is not optional has its place.
        let options = arguments
            .iter()
            .rev()
            .take_while(|argument| argument.optional);
        let (fixed, options) = arguments.split_at(arguments.len() - options.count());
        for argument in fixed {
            self.argument(argument, request);
        }
        let mut options: Vec<&Argument> = options.iter().collect();
        if self.rng.chance(25) {
            self.rng.shuffle(&mut options);
        }
        for option in options {
            self.argument(option, request);
        }
    }

    fn argument(&mut self, argument: &Argument, request: &mut Request) {
        if argument.optional && !self.rng.chance(35) {
            return;
        }
        let counted =
            matches!(argument.kind, Kind::Key) || matches!(&*argument.name, "weight" | "id");
        if argument.name == "streams" {
            // As many ids as keys, mostly.
            self.announced = self.rng.chance(95).then(|| 1 + self.rng.below(2));
        }
        let times = match self.announced {
            _ if !argument.multiple => 1,
            Some(announced) if counted => announced,
            _ => 1 + self.rng.below(3),
        };
        for time in 0..times {
            if let Some(token) = argument.token
                && (time == 0 || argument.multiple_token)
            {
                let token = match self.rng.below(8) {
                    0 => token.to_ascii_lowercase(),
                    _ => token.to_owned(),
                };
                request.push(token.into_bytes());
            }
            match argument.kind {
                Kind::PureToken => {}
                Kind::OneOf => {
                    let choice = self.rng.below(argument.inner.len());
                    self.argument(&argument.inner[choice], request);
                }
                Kind::Block => self.arguments(&argument.inner, request),
                _ => {
                    let value = self.value(argument);
                    request.push(value);
                }
            }
        }
    }

    /// A value for an argument, by its name where that tells more than its type.
    fn value(&mut self, argument: &Argument) -> Vec<u8> {
        let text = match (&*argument.name, argument.kind) {
            (_, Kind::Key) => return self.key(),
            ("numkeys" | "numlocal", _) => {
                let count = 1 + self.rng.below(3);
                self.announced = Some(count);
                match self.rng.below(15) {
                    0 => self.rng.pick(EDGE_INTEGERS).to_string(),
                    1 => self.rng.pick(INTEGERS).to_string(),
                    _ => count.to_string(),
                }
            }
            ("db" | "index" | "index1" | "index2" | "destination-db", _) => {
                match self.rng.below(12) {
                    0 => self.rng.pick(EDGE_INTEGERS).to_string(),
                    1 => self.rng.pick(&["16", "-1", "15"]).to_string(),
                    _ => self.rng.below(2).to_string(),
                }
            }
            // What expires does so long after the test, or at once: two servers' clocks are never the same.
            ("seconds", _) => self.time(&["100", "1000", "5000", "0", "-1", "-100"]),
            ("milliseconds", _) if argument.token == Some("BLOCK") => self.time(&["1", "2", "-1"]),
            ("milliseconds", _) => {
                self.time(&["100000", "1000000", "5000123", "0", "-1", "-100000"])
            }
            ("timeout", Kind::Integer) => self.time(&["1", "2", "-1"]),
            ("timeout", _) => self.time(&["0.001", "0.002", "0.003", "-1", "1e400"]),
            ("unix-time-milliseconds", _) => self.point_in_time(1000),
            ("cursor", _) => "0".to_owned(),
            (_, Kind::UnixTime) => self.point_in_time(1),
            ("protover", _) => self.rng.pick(&["2", "3", "3", "1", "4", "x"]).to_string(),
            ("encoding", _) => self.encoding(),
            // Of PFDEBUG.
            ("subcommand", _) => self
                .rng
                .pick(&["GETREG", "DECODE", "ENCODING", "TODENSE", "todense", "x"])
                .to_string(),
            ("operation", Kind::String) => self
                .rng
                .pick(&["AND", "OR", "XOR", "NOT", "and", "NAND"])
                .to_string(),
            ("offset", Kind::Integer) if self.rng.chance(10) => self
                .rng
                .pick(&[
                    "8388607", "8388608", "8388600", "#1", "#3", "#", "#-1", "#8388607",
                ])
                .to_string(),
            ("offset", Kind::Integer) if self.rng.chance(60) => {
                self.rng.pick(&["0", "1", "3", "10", "600"]).to_string()
            }
            ("timestamp" | "from-timestamp" | "to-timestamp", _) => self
                .rng
                .pick(&["0", "1", "2", "3", "10", "20", "-", "+", "x", "-1"])
                .to_string(),
            ("score" | "weight" | "increment", _) if self.of_sorted_set => {
                self.mostly(SCORES, EDGE_SCORES)
            }
            ("min" | "max", _) if self.of_sorted_set => self.bound(),
            ("start" | "stop", Kind::String) if self.of_sorted_set => match self.rng.below(3) {
                0 => self.bound(),
                _ => self.rng.pick(INTEGERS).to_string(),
            },
            ("group" | "groupname", Kind::String) => {
                self.rng.pick(&["g", "g", "g", "h"]).to_string()
            }
            ("consumer" | "consumername", Kind::String) => {
                self.rng.pick(&["c", "d", "e"]).to_string()
            }
            ("min-idle-time" | "ms", _) => self.time(&["0", "0", "-1", "100000", "300000"]),
            ("id" | "last-id" | "max_deleted_entry_id", Kind::String) => self.stream_id(),
            ("start" | "end", Kind::String) => match self.rng.below(3) {
                0 if argument.name == "end" => "+".to_owned(),
                0 => "-".to_owned(),
                1 => format!("({}", self.stream_id()),
                _ => self.stream_id(),
            },
            ("threshold", _) if self.rng.chance(20) => self.stream_id(),
            ("threshold", _) => self.rng.pick(&["0", "1", "2", "3", "5"]).to_string(),
            (_, Kind::Integer) => match self.rng.below(12) {
                0 => self.rng.pick(EDGE_INTEGERS).to_string(),
                _ => self.rng.pick(INTEGERS).to_string(),
            },
            (_, Kind::Double) => match self.rng.below(8) {
                0 => self.rng.pick(EDGE_DOUBLES).to_string(),
                _ => self.rng.pick(DOUBLES).to_string(),
            },
            (_, Kind::Pattern) if matches!(argument.token, Some("BY" | "GET")) => self
                .rng
                .pick(&[
                    "*", "*", "#", "nosort", "*->x", "*->one", "key:{*}", "a*", "*->",
                ])
                .to_string(),
            (_, Kind::Pattern) => self.rng.pick(PATTERNS).to_string(),
            ("serialized-value", _) => {
                let mut payload = self.rng.pick(&PAYLOADS).to_vec();
                if self.rng.chance(10) {
                    let at = self.rng.below(payload.len());
                    payload[at] ^= 1 << self.rng.below(8);
                }
                return payload;
            }
            ("username", _) => "default".to_owned(),
            ("path", _) => self.rng.pick(JSON_PATHS).to_string(),
            ("value", Kind::String) if self.command.starts_with("json.") && self.rng.chance(90) => {
                self.rng.pick(JSON_VALUES).to_string()
            }
            ("command-name", _) => self
                .rng
                .pick(&["get", "SET", "nosuch", "object|freq"])
                .to_string(),
            _ => return self.string(),
        };
        text.into_bytes()
    }

    /// An end of a range of scores or of members.
    fn bound(&mut self) -> String {
        let usual = if self.rng.chance(50) {
            SCORE_BOUNDS
        } else {
            LEX_BOUNDS
        };
        self.mostly(usual, EDGE_BOUNDS)
    }

    fn mostly(&mut self, usual: &[&str], edges: &[&str]) -> String {
        let texts = if self.rng.below(8) == 0 { edges } else { usual };
        self.rng.pick(texts).to_string()
    }

    /// The type of a field of BITFIELD.
    fn encoding(&mut self) -> String {
        match self.rng.below(12) {
            0 => self
                .rng
                .pick(&["u64", "i65", "u0", "i", "U8", "x8", "i08", "", "u-1"])
                .to_string(),
            1..5 => self.rng.pick(&["u8", "i8", "u63", "i64"]).to_string(),
            _ => format!("{}{}", self.rng.pick(&["u", "i"]), 1 + self.rng.below(63)),
        }
    }

    /// An id of the command's kind; most are of a few entries.
    fn stream_id(&mut self) -> String {
        const EDGES: &[&str] = &[
            "18446744073709551615",
            "18446744073709551615-18446744073709551614",
            "18446744073709551615-18446744073709551615",
            "18446744073709551616",
            "0-0",
            "0",
            "-",
            "+",
            "$",
            ">",
            "(1",
            "1-",
            "-1",
            "1-1-1",
            " 1",
            "+1-01",
            "x",
        ];
        let (ms, seq) = (self.rng.below(4), self.rng.pick(&[0, 0, 1, 1, 2, 3]));
        match (self.rng.below(30), self.command) {
            (0, _) => self.rng.pick(EDGES).to_string(),
            (1..=20, "xadd") => format!("{ms}-*"),
            (1..=20, "xreadgroup") => ">".to_owned(),
            (1..=5, "xread") => "$".to_owned(),
            (1..=9, "xread" | "xgroup|create" | "xgroup|setid") => "0".to_owned(),
            (21 | 22, _) => ms.to_string(),
            _ => format!("{ms}-{seq}"),
        }
    }

    fn time(&mut self, usual: &[&str]) -> String {
        match self.rng.below(12) {
            0 => self.rng.pick(EDGE_INTEGERS).to_string(),
            _ => self.rng.pick(usual).to_string(),
        }
    }

    fn point_in_time(&mut self, units_per_s: i64) -> String {
        match self.rng.below(12) {
            0 => self.rng.pick(EDGE_INTEGERS).to_string(),
            1 => self.rng.pick(&["0", "-1", "1"]).to_string(),
            _ => {
                let s = self.now_s + self.rng.pick(&[-1000, 1000, 2000, 5000, 100_000]);
                (s * units_per_s).to_string()
            }
        }
    }

    /// Makes a request wrong in one of the usual ways. The first `words` words are its name.
    fn spoil(&mut self, request: &mut Request, words: usize) {
        let count = request.len() - words;
        let any = words + self.rng.below(count);
        match self.rng.below(6) {
            0 if count > 0 => {
                request.pop();
            }
            1 if count > 0 => {
                let wrong = self.string();
                request[any] = wrong;
            }
            2 if count > 0 => {
                request.remove(any);
            }
            3 if count > 0 => {
                // An option again, with or without its value.
                let end = (any + 1 + self.rng.below(2)).min(request.len());
                request.extend_from_within(any..end);
            }
            4 if count > 1 => {
                let last = request.len() - 1;
                request.swap(any, last);
            }
            _ => {
                let extra = self.string();
                request.push(extra);
            }
        }
    }
}
