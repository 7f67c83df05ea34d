//! The commands on strings.

use super::{Args, CommandError};
use crate::accounting::check_available;
use crate::extended_float::ExtendedFloat;
use crate::keyspace::{Condition, Expiry, IncrError, SetOptions, Ttl};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

pub fn get(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    reply.string_or_null(keyspace.get(&key)?);
    Ok(())
}

/// `SET key value [NX | XX] [GET] [EX seconds | PX ms | EXAT unix-seconds | PXAT unix-ms | KEEPTTL]`
pub fn set(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() == 3 {
        let key = cx.key(&args[1]);
        cx.keyspace.put(&key, &args[2]);
        cx.reply().ok();
        return Ok(());
    }
    let mut options = SetOptions::default();
    let mut deadline = None;
    let mut keep = false;
    let mut at = 3;
    while at < args.len() {
        // The same word twice is no contradiction in Redis, NX and XX or EX and PX is.
        if args.is(at, "nx") && options.condition != Condition::IfExists {
            options.condition = Condition::IfMissing;
        } else if args.is(at, "xx") && options.condition != Condition::IfMissing {
            options.condition = Condition::IfExists;
        } else if args.is(at, "get") {
            options.get = true;
        } else if args.is(at, "keepttl") && deadline.is_none() {
            keep = true;
        } else if let Some(unit) = TimeUnit::of(args, at)
            && !keep
            && deadline.is_none_or(|(other, _)| other == unit)
            && at + 1 < args.len()
        {
            deadline = Some((unit, at + 1));
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    if let Some((unit, at)) = deadline {
        options.expiry = Expiry::At(unit.deadline_ms(cx, args, at, "set")?);
    } else if keep {
        options.expiry = Expiry::Keep;
    }
    let key = cx.key(&args[1]);
    let outcome = cx.keyspace.set(&key, &args[2], options)?;
    let mut reply = cx.reply();
    match outcome.old {
        Some(old) => reply.bulk(&old),
        None if options.get || !outcome.stored => reply.null(),
        None => reply.ok(),
    }
    Ok(())
}

pub fn setnx(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let options = SetOptions {
        condition: Condition::IfMissing,
        ..SetOptions::default()
    };
    let outcome = cx.keyspace.set(&key, &args[2], options)?;
    cx.reply().integer(i64::from(outcome.stored));
    Ok(())
}

pub fn setex(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    set_with_expiry(cx, args, TimeUnit::Seconds, "setex")
}

pub fn psetex(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    set_with_expiry(cx, args, TimeUnit::Milliseconds, "psetex")
}

fn set_with_expiry(cx: &mut Cx<'_>, args: Args<'_>, unit: TimeUnit, command: &str) -> Done {
    let expiry = Expiry::At(unit.deadline_ms(cx, args, 2, command)?);
    let key = cx.key(&args[1]);
    cx.keyspace.set(
        &key,
        &args[3],
        SetOptions {
            expiry,
            ..SetOptions::default()
        },
    )?;
    cx.reply().ok();
    Ok(())
}

pub fn getset(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let outcome = cx.keyspace.set(
        &key,
        &args[2],
        SetOptions {
            get: true,
            ..SetOptions::default()
        },
    )?;
    match outcome.old {
        Some(old) => cx.reply().bulk(&old),
        None => cx.reply().null(),
    }
    Ok(())
}

pub fn getdel(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    match cx.keyspace.get_delete(&key)? {
        Some(old) => cx.reply().bulk(&old),
        None => cx.reply().null(),
    }
    Ok(())
}

/// `GETEX key [EX seconds | PX ms | EXAT unix-seconds | PXAT unix-ms | PERSIST]`
pub fn getex(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut deadline = None;
    let mut persist = false;
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "persist") && deadline.is_none() {
            persist = true;
        } else if let Some(unit) = TimeUnit::of(args, at)
            && !persist
            && deadline.is_none_or(|(other, _)| other == unit)
            && at + 1 < args.len()
        {
            deadline = Some((unit, at + 1));
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    let key = cx.key(&args[1]);
    if cx.keyspace.string(&key)?.is_none() {
        cx.reply().null();
        return Ok(());
    }
    let deadline_ms = match deadline {
        Some((unit, at)) => Some(unit.deadline_ms(cx, args, at, "getex")?),
        None => None,
    };
    let (keyspace, mut reply) = cx.split();
    reply.string_or_null(keyspace.string(&key)?);
    if let Some(at_ms) = deadline_ms {
        keyspace.expire_at(&key, at_ms, Default::default());
    } else if persist {
        keyspace.persist(&key);
    }
    Ok(())
}

pub fn mget(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    cx.reply().array(args.len() - 1);
    for key in args.iter_from(1) {
        let key = cx.key(key);
        let (keyspace, mut reply) = cx.split();
        // A key of another type reads as a missing one here.
        reply.string_or_null(keyspace.get(&key).unwrap_or(None));
    }
    Ok(())
}

pub fn mset(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    set_pairs(cx, args, "mset")?;
    cx.reply().ok();
    Ok(())
}

pub fn msetnx(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("msetnx".into()));
    }
    for key in args.iter_from(1).step_by(2) {
        let key = cx.key(key);
        if cx.keyspace.ttl(&key) != Ttl::Missing {
            cx.reply().integer(0);
            return Ok(());
        }
    }
    set_pairs(cx, args, "msetnx")?;
    cx.reply().integer(1);
    Ok(())
}

fn set_pairs(cx: &mut Cx<'_>, args: Args<'_>, command: &'static str) -> Done {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Arity(command.into()));
    }
    for at in (1..args.len()).step_by(2) {
        let key = cx.key(&args[at]);
        cx.keyspace.put(&key, &args[at + 1]);
    }
    Ok(())
}

pub fn incr(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    add(cx, args, 1)
}

pub fn decr(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    add(cx, args, -1)
}

pub fn incrby(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    add(cx, args, args.integer(2)?)
}

pub fn decrby(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let by = args.integer(2)?.checked_neg();
    add(
        cx,
        args,
        by.ok_or(CommandError::text("ERR decrement would overflow"))?,
    )
}

fn add(cx: &mut Cx<'_>, args: Args<'_>, by: i64) -> Done {
    let key = cx.key(&args[1]);
    let value = cx.keyspace.incr_by(&key, by)?;
    cx.reply().integer(value);
    Ok(())
}

pub fn incrbyfloat(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let Some(by) = ExtendedFloat::parse(&args[2]) else {
        // The type of the key is looked at first.
        if !cx
            .keyspace
            .type_of(&key)
            .is_none_or(|found| found == crate::keyspace::Type::String)
        {
            return Err(CommandError::WrongType);
        }
        return Err(CommandError::NotFloat);
    };
    match cx.keyspace.incr_by_float(&key, by) {
        Ok(text) => cx.reply().bulk(&text),
        Err(IncrError::NotANumber) => return Err(CommandError::NotFloat),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

pub fn append(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let len = cx
        .keyspace
        .append(&key, &args[2], cx.hub.limits.request_bytes_max)?;
    cx.reply().count(len);
    Ok(())
}

pub fn strlen(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let len = cx
        .keyspace
        .string(&key)?
        .map_or(0, |string| string.as_bytes(&mut [0; 20]).len());
    cx.reply().count(len);
    Ok(())
}

pub fn setrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let offset = args.integer(2)?;
    let Ok(offset) = usize::try_from(offset) else {
        return Err(CommandError::text("ERR offset is out of range"));
    };
    if !args[3].is_empty() && offset < cx.hub.limits.request_bytes_max {
        check_available(offset + args[3].len())?;
    }
    let key = cx.key(&args[1]);
    let len = cx
        .keyspace
        .set_range(&key, offset, &args[3], cx.hub.limits.request_bytes_max)?;
    cx.reply().count(len);
    Ok(())
}

pub fn getrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (start, end) = (args.integer(2)?, args.integer(3)?);
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let string = keyspace.string(&key)?;
    let mut digits = [0; 20];
    let bytes = string
        .as_ref()
        .map_or(&b""[..], |string| string.as_bytes(&mut digits));
    reply.bulk(slice(bytes, start, end));
    Ok(())
}

pub fn substr(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    getrange(cx, args)
}

/// The bytes from `start` to `end`, both included, negative ones counted from the end.
fn slice(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    let len = bytes.len() as i64;
    if len == 0 || (start < 0 && end < 0 && start > end) {
        return b"";
    }
    let start = if start < 0 {
        start.saturating_add(len).max(0)
    } else {
        start
    };
    let end = if end < 0 {
        end.saturating_add(len).max(0)
    } else {
        end
    }
    .min(len - 1);
    if start > end {
        b""
    } else {
        &bytes[start as usize..=end as usize]
    }
}

/// The unit of a time among the arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TimeUnit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl TimeUnit {
    /// The unit that the option at `at` names, if it is one.
    fn of(args: Args<'_>, at: usize) -> Option<Self> {
        [
            ("ex", TimeUnit::Seconds),
            ("px", TimeUnit::Milliseconds),
            ("exat", TimeUnit::UnixSeconds),
            ("pxat", TimeUnit::UnixMilliseconds),
        ]
        .into_iter()
        .find(|(name, _)| args.is(at, name))
        .map(|(_, unit)| unit)
    }

    /// The time at `at` as Unix time in ms; it must be positive.
    fn deadline_ms(
        self,
        cx: &Cx<'_>,
        args: Args<'_>,
        at: usize,
        command: &str,
    ) -> Result<i64, CommandError> {
        let value = args.integer(at)?;
        let in_ms = match self {
            TimeUnit::Seconds | TimeUnit::UnixSeconds => value.checked_mul(1000),
            TimeUnit::Milliseconds | TimeUnit::UnixMilliseconds => Some(value),
        };
        let base = match self {
            TimeUnit::Seconds | TimeUnit::Milliseconds => cx.keyspace.now_ms(),
            TimeUnit::UnixSeconds | TimeUnit::UnixMilliseconds => 0,
        };
        in_ms
            .filter(|ms| *ms > 0)
            .and_then(|ms| ms.checked_add(base))
            .ok_or_else(|| {
                CommandError::err(format_args!("invalid expire time in '{command}' command"))
            })
    }
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]`: the longest common subsequence.
pub fn lcs(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut read = |key: &[u8]| {
        let key = cx.key(key);
        match cx.keyspace.string(&key) {
            Ok(string) => Ok(string.map(|string| string.to_vec()).unwrap_or_default()),
            Err(_) => Err(CommandError::text(
                "ERR The specified keys must contain string values",
            )),
        }
    };
    let (a, b) = (read(&args[1])?, read(&args[2])?);
    let (mut with_len, mut with_index, mut with_match_len, mut match_len_min) =
        (false, false, false, 0);
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "idx") {
            with_index = true;
        } else if args.is(at, "len") {
            with_len = true;
        } else if args.is(at, "withmatchlen") {
            with_match_len = true;
        } else if args.is(at, "minmatchlen") && at + 1 < args.len() {
            match_len_min = args.integer(at + 1)?.max(0);
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    if with_len && with_index {
        return Err(CommandError::text(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    let cells = (a.len() as u64 + 1).saturating_mul(b.len() as u64 + 1);
    if cells.saturating_mul(4) > cx.hub.limits.request_bytes_max as u64 {
        return Err(CommandError::text(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    check_available(cells.saturating_mul(4) as usize)?;
    let common = CommonSubsequence::of(&a, &b);
    let mut reply = cx.reply();
    if with_len {
        reply.count(common.bytes.len());
    } else if with_index {
        let matches: Vec<_> = common
            .matches
            .iter()
            .filter(|found| found.len as i64 >= match_len_min)
            .collect();
        reply.map(2);
        reply.bulk(b"matches");
        reply.array(matches.len());
        for found in matches {
            reply.array(if with_match_len { 3 } else { 2 });
            for start in [found.in_a, found.in_b] {
                reply.array(2);
                reply.count(start);
                reply.count(start + found.len - 1);
            }
            if with_match_len {
                reply.count(found.len);
            }
        }
        reply.bulk(b"len");
        reply.count(common.bytes.len());
    } else {
        reply.bulk(&common.bytes);
    }
    Ok(())
}

/// The longest common subsequence of two strings, and its runs, the last one first.
struct CommonSubsequence {
    bytes: Vec<u8>,
    matches: Vec<Match>,
}

/// A run that both strings have.
struct Match {
    in_a: usize,
    in_b: usize,
    len: usize,
}

impl CommonSubsequence {
    /// O(length of a * length of b) time and memory.
    fn of(a: &[u8], b: &[u8]) -> Self {
        let width = b.len() + 1;
        let mut lengths = vec![0_u32; (a.len() + 1) * width];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                lengths[i * width + j] = if a[i - 1] == b[j - 1] {
                    lengths[(i - 1) * width + j - 1] + 1
                } else {
                    lengths[(i - 1) * width + j].max(lengths[i * width + j - 1])
                };
            }
        }
        let mut bytes = Vec::new();
        let mut matches: Vec<Match> = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                i -= 1;
                j -= 1;
                bytes.push(a[i]);
                match matches.last_mut() {
                    Some(run) if run.in_a == i + 1 && run.in_b == j + 1 => {
                        *run = Match {
                            in_a: i,
                            in_b: j,
                            len: run.len + 1,
                        };
                    }
                    _ => matches.push(Match {
                        in_a: i,
                        in_b: j,
                        len: 1,
                    }),
                }
            } else if lengths[(i - 1) * width + j] > lengths[i * width + j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        bytes.reverse();
        CommonSubsequence { bytes, matches }
    }
}
