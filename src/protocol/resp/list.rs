//! The commands on lists.

use super::blocking::{Wait, parse_timeout_s};
use super::{Args, CommandError};
use crate::client::OnTimeout;
use crate::keyspace::collections::list::{End, Side};
use crate::keyspace::{Key, Keyspace, List, ListSetError, Type, list_absolute, list_range};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

const MUST_BE_POSITIVE: CommandError =
    CommandError::text("ERR value is out of range, must be positive");

pub fn lpush(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    push(cx, args, End::Front, false)
}

pub fn rpush(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    push(cx, args, End::Back, false)
}

pub fn lpushx(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    push(cx, args, End::Front, true)
}

pub fn rpushx(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    push(cx, args, End::Back, true)
}

fn push(cx: &mut Cx<'_>, args: Args<'_>, end: End, if_exists: bool) -> Done {
    let key = args
        .get(1)
        .map(|key| cx.key(key))
        .ok_or(CommandError::Syntax)?;
    let len = cx
        .keyspace
        .list_push(&key, end, args.iter_from(2), if_exists)?;
    cx.reply().count(len);
    Ok(())
}

pub fn lpop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    pop(cx, args, End::Front, "lpop")
}

pub fn rpop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    pop(cx, args, End::Back, "rpop")
}

/// `LPOP key [count]`
fn pop(cx: &mut Cx<'_>, args: Args<'_>, end: End, name: &'static str) -> Done {
    if args.len() > 3 {
        return Err(CommandError::Arity(name.into()));
    }
    let count = match args.get(2) {
        None => None,
        Some(_) => Some(count_argument(args, 2)?),
    };
    let key = cx.key(&args[1]);
    let len = cx.keyspace.read::<List>(&key)?.map(List::len);
    match (len, count) {
        (None, None) => cx.reply().null(),
        (None, Some(_)) => cx.reply().null_array(),
        (Some(_), None) => pop_into_reply(cx, &key, end, 1)?,
        (Some(len), Some(count)) => {
            let count = count.min(len);
            cx.reply().array(count);
            pop_into_reply(cx, &key, end, count)?;
        }
    }
    Ok(())
}

fn count_argument(args: Args<'_>, at: usize) -> Result<usize, CommandError> {
    let count = crate::number::parse_i64(&args[at]).ok_or(MUST_BE_POSITIVE)?;
    usize::try_from(count).map_err(|_| MUST_BE_POSITIVE)
}

fn pop_into_reply(cx: &mut Cx<'_>, key: &Key<'_>, end: End, count: usize) -> Done {
    let (keyspace, mut reply) = cx.split();
    keyspace.list_pop(key, end, count, |entry| reply.entry(entry))?;
    Ok(())
}

pub fn llen(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let len = cx.keyspace.read::<List>(&key)?.map_or(0, List::len);
    cx.reply().count(len);
    Ok(())
}

pub fn lindex(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    // The key is looked at before the index.
    cx.keyspace.read::<List>(&key)?;
    let index = args.integer(2);
    let (keyspace, mut reply) = cx.split();
    let Some(list) = keyspace.read::<List>(&key)? else {
        reply.null();
        return Ok(());
    };
    match list_absolute(index?, list.len()).and_then(|index| list.get(index)) {
        Some(entry) => reply.entry(entry),
        None => reply.null(),
    }
    Ok(())
}

pub fn lset(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    // The key is looked at before the index.
    if cx.keyspace.read::<List>(&key)?.is_none() {
        return Err(CommandError::text("ERR no such key"));
    }
    match cx.keyspace.list_set(&key, args.integer(2)?, &args[3]) {
        Ok(()) => cx.reply().ok(),
        Err(ListSetError::WrongType(error)) => return Err(error.into()),
        Err(ListSetError::NoSuchKey) => return Err(CommandError::text("ERR no such key")),
        Err(ListSetError::OutOfRange) => return Err(CommandError::text("ERR index out of range")),
    }
    Ok(())
}

pub fn lrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (start, stop) = (args.integer(2)?, args.integer(3)?);
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let Some(list) = keyspace.read::<List>(&key)? else {
        reply.array(0);
        return Ok(());
    };
    let range = list_range(start, stop, list.len());
    reply.array(range.len());
    list.visit_range(range, |entry| reply.entry(entry));
    Ok(())
}

pub fn ltrim(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (start, stop) = (args.integer(2)?, args.integer(3)?);
    let key = cx.key(&args[1]);
    cx.keyspace.list_trim(&key, start, stop)?;
    cx.reply().ok();
    Ok(())
}

pub fn lrem(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let count = args.integer(2)?;
    let key = cx.key(&args[1]);
    let removed = cx.keyspace.list_remove(&key, count, &args[3])?;
    cx.reply().count(removed);
    Ok(())
}

/// `LINSERT key BEFORE | AFTER pivot element`
pub fn linsert(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let side = match () {
        () if args.is(2, "before") => Side::Before,
        () if args.is(2, "after") => Side::After,
        () => return Err(CommandError::Syntax),
    };
    let key = cx.key(&args[1]);
    let len = cx.keyspace.list_insert(&key, side, &args[3], &args[4])?;
    cx.reply().integer(len);
    Ok(())
}

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub fn lpos(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (mut rank, mut count, mut len_max) = (1, None, 0);
    let mut at = 3;
    while at < args.len() {
        if at + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        if args.is(at, "rank") {
            rank = args.negatable_integer(at + 1)?;
            if rank == 0 {
                return Err(CommandError::text(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                     negative to start from the end of the list",
                ));
            }
        } else if args.is(at, "count") {
            let number = crate::number::parse_i64(&args[at + 1]).filter(|count| *count >= 0);
            count = Some(number.ok_or(CommandError::text("ERR COUNT can't be negative"))?);
        } else if args.is(at, "maxlen") {
            let number = crate::number::parse_i64(&args[at + 1]).filter(|len| *len >= 0);
            len_max = number.ok_or(CommandError::text("ERR MAXLEN can't be negative"))?;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let list = keyspace.read::<List>(&key)?;
    let limit = |number: i64| {
        if number == 0 {
            usize::MAX
        } else {
            usize::try_from(number).unwrap_or(usize::MAX)
        }
    };
    let from = if rank < 0 { End::Back } else { End::Front };
    let skip = usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let positions: Vec<usize> = list.map_or_else(Vec::new, |list| {
        let found = list.positions(&args[2], from, limit(len_max)).skip(skip);
        found.take(count.map_or(1, limit)).collect()
    });
    match (count, positions.first()) {
        (Some(_), _) => {
            reply.array(positions.len());
            for position in positions {
                reply.count(position);
            }
        }
        (None, Some(&position)) => reply.count(position),
        (None, None) => reply.null(),
    }
    Ok(())
}

fn end(args: Args<'_>, at: usize) -> Result<End, CommandError> {
    match () {
        () if args.is(at, "left") => Ok(End::Front),
        () if args.is(at, "right") => Ok(End::Back),
        () => Err(CommandError::Syntax),
    }
}

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`
pub fn lmove(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (from_end, to_end) = (end(args, 3)?, end(args, 4)?);
    if !move_element(cx, args, from_end, to_end)? {
        cx.reply().null();
    }
    Ok(())
}

pub fn rpoplpush(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if !move_element(cx, args, End::Back, End::Front)? {
        cx.reply().null();
    }
    Ok(())
}

/// Moves an element and answers it; false, and nothing is answered, when there is none.
fn move_element(
    cx: &mut Cx<'_>,
    args: Args<'_>,
    from_end: End,
    to_end: End,
) -> Result<bool, CommandError> {
    let (from, to) = (cx.key(&args[1]), cx.key(&args[2]));
    match cx.keyspace.list_move(&from, from_end, &to, to_end)? {
        Some(element) => {
            cx.reply().bulk(&element);
            Ok(true)
        }
        None => Ok(false),
    }
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`
pub fn blmove(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (from_end, to_end) = (end(args, 3)?, end(args, 4)?);
    let timeout_ms = parse_timeout_s(&args[5])?;
    move_or_wait(cx, args, from_end, to_end, timeout_ms)
}

pub fn brpoplpush(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let timeout_ms = parse_timeout_s(&args[3])?;
    move_or_wait(cx, args, End::Back, End::Front, timeout_ms)
}

fn move_or_wait(
    cx: &mut Cx<'_>,
    args: Args<'_>,
    from_end: End,
    to_end: End,
    timeout_ms: Option<u64>,
) -> Done {
    if !move_element(cx, args, from_end, to_end)? {
        // In a transaction Redis answers a null string, and a null array when the time is up.
        if cx.client.denies_blocking() {
            cx.reply().null();
            return Ok(());
        }
        let keys = args.iter_from(1).take(1).collect();
        let wait = Wait {
            keys,
            wants: Some(Type::List),
            timeout_ms,
            // In a transaction Redis says that there is no element, after a timeout that there is no list of them.
            on_timeout: if cx.client.denies_blocking() {
                OnTimeout::Null
            } else {
                OnTimeout::NullArray
            },
        };
        cx.block(args, wait);
    }
    Ok(())
}

pub fn blpop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    pop_or_wait(cx, args, End::Front)
}

pub fn brpop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    pop_or_wait(cx, args, End::Back)
}

/// `BLPOP key [key ...] timeout`
fn pop_or_wait(cx: &mut Cx<'_>, args: Args<'_>, end: End) -> Done {
    let timeout_ms = parse_timeout_s(&args[args.len() - 1])?;
    let keys: Vec<&[u8]> = args.iter_from(1).take(args.len() - 2).collect();
    for name in &keys {
        let key = cx.key(name);
        if has_elements(cx.keyspace, &key)? {
            let mut reply = cx.reply();
            reply.array(2);
            reply.bulk(name);
            return pop_into_reply(cx, &key, end, 1);
        }
    }
    cx.block(
        args,
        Wait {
            keys,
            wants: Some(Type::List),
            timeout_ms,
            on_timeout: OnTimeout::NullArray,
        },
    );
    Ok(())
}

fn has_elements(keyspace: &mut Keyspace, key: &Key<'_>) -> Result<bool, CommandError> {
    Ok(keyspace.read::<List>(key)?.is_some())
}

/// `LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count]`
pub fn lmpop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let request = MultiPop::parse(args, 1)?;
    if !request.run(cx)? {
        cx.reply().null_array();
    }
    Ok(())
}

/// `BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count]`
pub fn blmpop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let request = MultiPop::parse(args, 2)?;
    let timeout_ms = parse_timeout_s(&args[1])?;
    if !request.run(cx)? {
        let wait = Wait {
            keys: request.keys,
            wants: Some(Type::List),
            timeout_ms,
            on_timeout: OnTimeout::NullArray,
        };
        cx.block(args, wait);
    }
    Ok(())
}

/// Elements to be popped from the first of several lists that has any.
struct MultiPop<'a> {
    keys: Vec<&'a [u8]>,
    end: End,
    count: usize,
}

impl<'a> MultiPop<'a> {
    /// Parses from the number of keys on, which is at `at`.
    fn parse(args: Args<'a>, at: usize) -> Result<Self, CommandError> {
        let (keys, mut at) = super::counted_keys(args, at)?;
        let end = end(args, at)?;
        let mut count = None;
        at += 1;
        while at < args.len() {
            if !args.is(at, "count") || count.is_some() || at + 1 == args.len() {
                return Err(CommandError::Syntax);
            }
            let number = crate::number::parse_i64(&args[at + 1]).filter(|count| *count > 0);
            count = Some(number.ok_or(CommandError::text("ERR count should be greater than 0"))?);
            at += 2;
        }
        Ok(MultiPop {
            keys,
            end,
            count: usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX),
        })
    }

    /// Pops and answers; false, and nothing is answered, when there is nothing.
    fn run(&self, cx: &mut Cx<'_>) -> Result<bool, CommandError> {
        for name in &self.keys {
            let key = cx.key(name);
            let Some(len) = cx.keyspace.read::<List>(&key)?.map(List::len) else {
                continue;
            };
            let count = self.count.min(len);
            let mut reply = cx.reply();
            reply.array(2);
            reply.bulk(name);
            reply.array(count);
            pop_into_reply(cx, &key, self.end, count)?;
            return Ok(true);
        }
        Ok(false)
    }
}
