//! Which arguments of a request are keys, and what the command does to them.
//!
//! The key specifications of the row answer for nearly all commands. A few cannot be described by
//! them in full (`SORT`'s `STORE` may stand anywhere), or not exactly (`SET` reads its key only with
//! `GET`); `irregular` knows these. This module must not know what is stored under a key.

use super::command::{Begin, Command, Find, KeySpec, access};

/// A key among the arguments of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which argument it is; 0 is the command's name.
    pub index: usize,
    /// What the command does to it, as a set of [`access`] bits.
    pub access: u32,
}

/// Whether requests of this command can name keys.
pub fn may_have_keys(command: &Command) -> bool {
    command.keys.iter().any(is_key)
}

/// The keys of a request, in the order of the specifications, as Redis finds them; none if there are
/// none or the request is malformed. `request` starts with the command's name. O(number of arguments).
pub fn keys_of(command: &Command, request: &[&[u8]]) -> Vec<Key> {
    if !command.accepts(request.len()) {
        return Vec::new();
    }
    let is_exact = |spec: &KeySpec| spec.access & access::VARIABLE_FLAGS == 0;
    let described = match command.keys.iter().all(is_exact) {
        true => regular(command, request),
        false => None,
    };
    described.unwrap_or_else(|| irregular(command, request))
}

/// What the specifications say; `None` where they do not fit the request or do not suffice.
fn regular(command: &Command, request: &[&[u8]]) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    for spec in command.keys.iter().filter(|spec| is_key(spec)) {
        let start = match spec.begin {
            Begin::Index(index) => index,
            Begin::Keyword(word, from) => match find_word(request, word, from) {
                Some(index) => index + 1,
                None => continue,
            },
            Begin::Unknown => return None,
        };
        let (first, last, step) = extent(spec, start, request)?;
        if last < first || last >= request.len() || spec.access & access::INCOMPLETE != 0 {
            return None;
        }
        let found = (first..=last).step_by(step);
        keys.extend(found.map(|index| Key {
            index,
            access: spec.access,
        }));
    }
    Some(keys)
}

/// The first and the last argument of a specification that starts at `start`, and the step.
fn extent(spec: &KeySpec, start: i32, request: &[&[u8]]) -> Option<(usize, usize, usize)> {
    let start = i64::from(start);
    let count = i64::try_from(request.len()).ok()?;
    let (first, last, step) = match spec.find {
        Find::Range { last, step, .. } if last >= 0 => (start, start + i64::from(last), step),
        Find::Range {
            last,
            step,
            limit: 0,
        } => (start, count + i64::from(last), step),
        Find::Range { last, step, limit } => (
            start,
            start + (count - start) / i64::from(limit) + i64::from(last),
            step,
        ),
        Find::KeyNumber {
            number,
            first,
            step,
        } => {
            let number = usize::try_from(start + i64::from(number)).ok()?;
            let keys: i64 = std::str::from_utf8(request.get(number)?)
                .ok()?
                .parse()
                .ok()?;
            let first = start + i64::from(first);
            (first, first.checked_add(keys)? - 1, step)
        }
        Find::Unknown => return None,
    };
    Some((
        first.try_into().ok()?,
        last.try_into().ok()?,
        step.try_into().ok()?,
    ))
}

/// Where `word` stands, from the argument `from` on; backwards if that is negative. As in Redis, the
/// last argument, or the first ones, do not count: nothing could follow, or a name would be taken.
fn find_word(request: &[&[u8]], word: &str, from: i32) -> Option<i32> {
    let is_word = |index: &usize| request[*index].eq_ignore_ascii_case(word.as_bytes());
    let distance = from.unsigned_abs() as usize;
    let found = match from > 0 {
        true => (distance..request.len().saturating_sub(1)).find(is_word),
        false => (2..(request.len() + 1).saturating_sub(distance))
            .rev()
            .find(is_word),
    };
    found.and_then(|index| i32::try_from(index).ok())
}

/// The keys of the commands whose specifications do not tell. The request has the arguments that the
/// command needs at least.
fn irregular(command: &Command, request: &[&[u8]]) -> Vec<Key> {
    let key = |index, access| Key { index, access };
    let is = |index: usize, word: &str| request[index].eq_ignore_ascii_case(word.as_bytes());
    match command.name {
        "set" => match (3..request.len()).any(|index| is(index, "get")) {
            true => vec![key(1, access::RW | access::ACCESS | access::UPDATE)],
            false => vec![key(1, access::OW | access::UPDATE)],
        },
        "bitfield" => match only_reads_bits(request) {
            true => vec![key(1, access::RO | access::ACCESS)],
            false => vec![key(1, access::RW | access::ACCESS | access::UPDATE)],
        },
        "sort" => {
            let mut keys = vec![key(1, access::RO | access::ACCESS)];
            let destination = sort_destination(request);
            keys.extend(destination.map(|index| key(index, access::OW | access::UPDATE)));
            keys
        }
        "sort_ro" => vec![key(1, access::RO | access::ACCESS)],
        "migrate" => {
            let access = access::RW | access::ACCESS | access::DELETE;
            migrated(request).map(|index| key(index, access)).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a `BITFIELD` has nothing but `GET`s.
fn only_reads_bits(request: &[&[u8]]) -> bool {
    let mut index = 2;
    while let Some(word) = request.get(index) {
        let operands = request.len() - index - 1;
        index += match word {
            _ if word.eq_ignore_ascii_case(b"get") && operands >= 2 => 3,
            _ if word.eq_ignore_ascii_case(b"overflow") && operands >= 1 => 2,
            _ => return false,
        };
    }
    true
}

/// Where the last `STORE` of a `SORT` puts its result.
fn sort_destination(request: &[&[u8]]) -> Option<usize> {
    let mut destination = None;
    let mut index = 2;
    while let Some(word) = request.get(index) {
        index += match word {
            _ if word.eq_ignore_ascii_case(b"limit") => 3,
            _ if word.eq_ignore_ascii_case(b"get") || word.eq_ignore_ascii_case(b"by") => 2,
            _ => {
                if word.eq_ignore_ascii_case(b"store") && index + 1 < request.len() {
                    destination = Some(index + 1);
                }
                1
            }
        };
    }
    destination
}

/// The arguments that a `MIGRATE` moves: the third, or the ones behind `KEYS`.
fn migrated(request: &[&[u8]]) -> std::ops::Range<usize> {
    let mut index = 6;
    while let Some(word) = request.get(index) {
        index += match word {
            _ if word.eq_ignore_ascii_case(b"keys") => {
                return match request[3].is_empty() {
                    true => index + 1..request.len(),
                    false => 0..0,
                };
            }
            _ if word.eq_ignore_ascii_case(b"auth") => 2,
            _ if word.eq_ignore_ascii_case(b"auth2") => 3,
            _ => 1,
        };
    }
    3..4
}

fn is_key(spec: &KeySpec) -> bool {
    spec.access & access::NOT_KEY == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::{ACCESS, INCOMPLETE, NOT_KEY, OW, RO, RW, UPDATE, VARIABLE_FLAGS};

    /// The indexes and access bits of the keys of a request, written with blanks.
    fn keys(name: &'static str, specs: &'static [KeySpec], request: &str) -> Vec<(usize, u32)> {
        let command = Command {
            name,
            arity: -1,
            keys: specs,
            ..Command::EMPTY
        };
        let request: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        keys_of(&command, &request)
            .iter()
            .map(|key| (key.index, key.access))
            .collect()
    }

    fn indexes(specs: &'static [KeySpec], request: &str) -> Vec<usize> {
        keys("x", specs, request)
            .into_iter()
            .map(|(index, _)| index)
            .collect()
    }

    #[test]
    fn ranges_end_where_they_say() {
        assert_eq!(indexes(const { &[KeySpec::one(1, RO)] }, "x a b"), [1]);
        assert_eq!(
            indexes(const { &[KeySpec::one(3, RO)] }, "x a b"),
            [0_usize; 0]
        );
        assert_eq!(
            indexes(const { &[KeySpec::range(1, -1, 1, RO)] }, "x a b c"),
            [1, 2, 3]
        );
        assert_eq!(
            indexes(const { &[KeySpec::range(1, -2, 1, RO)] }, "x a b c"),
            [1, 2]
        );
        assert_eq!(
            indexes(const { &[KeySpec::range(1, -1, 2, RO)] }, "x a 1 b 2"),
            [1, 3]
        );
        assert_eq!(
            indexes(const { &[KeySpec::range(1, -1, 1, RO)] }, "x"),
            [0_usize; 0]
        );
    }

    #[test]
    fn counts_must_fit() {
        const COUNTED: &[KeySpec] = &[KeySpec::one(1, OW), KeySpec::counted(2, RO)];
        assert_eq!(indexes(COUNTED, "x to 2 a b WEIGHTS"), [1, 3, 4]);
        for count in [
            "0",
            "4",
            "-1",
            "z",
            "9223372036854775807",
            "99999999999999999999",
            "",
        ] {
            assert_eq!(
                indexes(COUNTED, &format!("x to {count} a b c")),
                [0_usize; 0],
                "{count}"
            );
        }
    }

    #[test]
    fn words_are_searched_in_their_direction() {
        const STREAMS: &[KeySpec] = &[KeySpec::new(
            Begin::Keyword("STREAMS", 1),
            Find::Range {
                last: -1,
                step: 1,
                limit: 2,
            },
            RO,
        )];
        assert_eq!(indexes(STREAMS, "x COUNT 1 streams a b 0 0"), [4, 5]);
        assert_eq!(indexes(STREAMS, "x COUNT 1 STREAMS"), [0_usize; 0]);
        assert_eq!(indexes(STREAMS, "x STREAMS a"), [0_usize; 0]);
        const KEYS: &[KeySpec] = &[KeySpec::new(
            Begin::Keyword("KEYS", -2),
            Find::Range {
                last: -1,
                step: 1,
                limit: 0,
            },
            RO,
        )];
        assert_eq!(indexes(KEYS, "x keys a KEYS b c"), [4, 5]);
        assert_eq!(
            indexes(KEYS, "x KEYS a"),
            [0_usize; 0],
            "the first argument is not searched"
        );
        assert_eq!(indexes(KEYS, "x y a KEYS"), [0_usize; 0], "nor is the last");
        assert_eq!(indexes(KEYS, "x"), [0_usize; 0]);
    }

    #[test]
    fn what_is_no_key_is_left_out() {
        const SPECS: &[KeySpec] = &[KeySpec::one(1, NOT_KEY), KeySpec::one(2, RO)];
        assert_eq!(indexes(SPECS, "x a b"), [2]);
        const CHANNEL: &[KeySpec] = &[KeySpec::one(1, NOT_KEY)];
        let publish = Command {
            keys: CHANNEL,
            ..Command::EMPTY
        };
        assert!(!may_have_keys(&publish));
    }

    #[test]
    fn irregular_commands_are_looked_into() {
        const SET: &[KeySpec] = &[KeySpec::one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)];
        assert_eq!(keys("set", SET, "set get v"), [(1, OW | UPDATE)]);
        assert_eq!(
            keys("set", SET, "set k v EX 1 Get"),
            [(1, RW | ACCESS | UPDATE)]
        );

        let reads = [(1, RO | ACCESS)];
        assert_eq!(
            keys("bitfield", SET, "bitfield k GET u8 0 OVERFLOW SAT get u8 1"),
            reads
        );
        let writes = [(1, RW | ACCESS | UPDATE)];
        assert_eq!(
            keys("bitfield", SET, "bitfield k GET u8 0 INCRBY u8 0 1"),
            writes
        );
        assert_eq!(
            keys("bitfield", SET, "bitfield k GET u8"),
            writes,
            "malformed"
        );

        const SORT: &[KeySpec] = &[KeySpec::one(1, RO | ACCESS), KeySpec::unknown(OW)];
        assert_eq!(keys("sort", SORT, "sort k"), reads);
        let stores = [(1, RO | ACCESS), (8, OW | UPDATE)];
        assert_eq!(
            keys("sort", SORT, "sort k BY store LIMIT 0 1 STORE to"),
            stores
        );
        assert_eq!(
            keys("sort", SORT, "sort k STORE a ASC ALPHA DESC STORE to")[1],
            stores[1]
        );
        assert_eq!(keys("sort", SORT, "sort k STORE"), reads);
        assert_eq!(keys("sort_ro", SORT, "sort_ro k"), reads);

        const MIGRATE: &[KeySpec] = &[KeySpec::unknown(RW | INCOMPLETE)];
        let moved = |request| -> Vec<usize> {
            keys("migrate", MIGRATE, request)
                .into_iter()
                .map(|(index, _)| index)
                .collect()
        };
        assert_eq!(moved("migrate host 1 k 0 9 COPY"), [3]);
        assert_eq!(
            moved("migrate host 1  0 9 AUTH2 keys keys KEYS a b"),
            [10, 11]
        );
        assert_eq!(moved("migrate host 1 k 0 9 KEYS a b"), [0_usize; 0]);
    }
}
