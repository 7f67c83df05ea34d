//! The commands that take members off an end of a sorted set, and wait for them.

use super::super::blocking::{Wait, parse_timeout_s};
use super::super::counted_keys;
use super::{Args, CommandError, Cx, Done, Shape};
use crate::client::OnTimeout;
use crate::keyspace::{Extreme, Key, Type, ZSet};
use crate::number::parse_i64;

pub fn zpopmin(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    pop(cx, args, Extreme::Min)
}

pub fn zpopmax(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    pop(cx, args, Extreme::Max)
}

/// `ZPOPMIN key [count]`
fn pop(cx: &mut Cx<'_>, args: Args<'_>, side: Extreme) -> Done {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = match args.get(2) {
        None => None,
        Some(text) => {
            let count = parse_i64(text).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::text(
                "ERR value is out of range, must be positive",
            ))?)
        }
    };
    let key = cx.key(&args[1]);
    let len = cx.keyspace.read::<ZSet>(&key)?.map_or(0, ZSet::len);
    let popped = count.unwrap_or(1).min(len);
    let mut reply = cx.reply();
    let shape = match count {
        Some(_) => Shape::of(&reply, true),
        None => Shape::Flat,
    };
    shape.begin(&mut reply, popped);
    pop_into_reply(cx, &key, side, popped, shape)
}

fn pop_into_reply(
    cx: &mut Cx<'_>,
    key: &Key<'_>,
    side: Extreme,
    count: usize,
    shape: Shape,
) -> Done {
    let (keyspace, mut reply) = cx.split();
    keyspace.zset_pop(key, side, count, |member, score| {
        shape.member(&mut reply, member, score);
    })?;
    Ok(())
}

pub fn bzpopmin(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    pop_or_wait(cx, args, Extreme::Min)
}

pub fn bzpopmax(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    pop_or_wait(cx, args, Extreme::Max)
}

/// `BZPOPMIN key [key ...] timeout`
fn pop_or_wait(cx: &mut Cx<'_>, args: Args<'_>, side: Extreme) -> Done {
    let timeout_ms = parse_timeout_s(&args[args.len() - 1])?;
    let keys: Vec<&[u8]> = args.iter_from(1).take(args.len() - 2).collect();
    for name in &keys {
        let key = cx.key(name);
        if cx.keyspace.read::<ZSet>(&key)?.is_some() {
            let mut reply = cx.reply();
            reply.array(3);
            reply.bulk(name);
            return pop_into_reply(cx, &key, side, 1, Shape::Flat);
        }
    }
    wait(cx, args, keys, timeout_ms);
    Ok(())
}

fn wait(cx: &mut Cx<'_>, args: Args<'_>, keys: Vec<&[u8]>, timeout_ms: Option<u64>) {
    let wait = Wait {
        keys,
        wants: Some(Type::SortedSet),
        timeout_ms,
        on_timeout: OnTimeout::NullArray,
    };
    cx.block(args, wait);
}

/// `ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]`
pub fn zmpop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if !MultiPop::parse(args, 1)?.run(cx)? {
        cx.reply().null_array();
    }
    Ok(())
}

/// `BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]`
pub fn bzmpop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let request = MultiPop::parse(args, 2)?;
    let timeout_ms = parse_timeout_s(&args[1])?;
    if !request.run(cx)? {
        wait(cx, args, request.keys, timeout_ms);
    }
    Ok(())
}

/// Members to be popped from the first of several sorted sets that has any.
struct MultiPop<'a> {
    keys: Vec<&'a [u8]>,
    side: Extreme,
    count: usize,
}

impl<'a> MultiPop<'a> {
    /// Parses from the number of keys on, which is at `at`.
    fn parse(args: Args<'a>, at: usize) -> Result<Self, CommandError> {
        let (keys, mut at) = counted_keys(args, at)?;
        let side = match () {
            () if args.is(at, "min") => Extreme::Min,
            () if args.is(at, "max") => Extreme::Max,
            () => return Err(CommandError::Syntax),
        };
        let mut count = None;
        at += 1;
        while at < args.len() {
            if !args.is(at, "count") || count.is_some() || at + 1 == args.len() {
                return Err(CommandError::Syntax);
            }
            let number = parse_i64(&args[at + 1]).filter(|count| *count > 0);
            count = Some(number.ok_or(CommandError::text("ERR count should be greater than 0"))?);
            at += 2;
        }
        Ok(MultiPop {
            keys,
            side,
            count: usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX),
        })
    }

    /// Pops and answers; false, and nothing is answered, when there is nothing.
    fn run(&self, cx: &mut Cx<'_>) -> Result<bool, CommandError> {
        for name in &self.keys {
            let key = cx.key(name);
            let Some(len) = cx.keyspace.read::<ZSet>(&key)?.map(ZSet::len) else {
                continue;
            };
            let count = self.count.min(len);
            let mut reply = cx.reply();
            reply.array(2);
            reply.bulk(name);
            Shape::Pairs.begin(&mut reply, count);
            pop_into_reply(cx, &key, self.side, count, Shape::Pairs)?;
            return Ok(true);
        }
        Ok(false)
    }
}
