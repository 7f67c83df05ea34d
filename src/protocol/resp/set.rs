//! The commands on sets.

use super::draw::{Draw, draw_in_slices};
use super::scan::scan_elements;
use super::{Args, CommandError};
use crate::keyspace::{Key, Set, SetOp};
use crate::number::parse_i64;
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

pub fn sadd(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let added = cx.keyspace.set_add(&key, args.iter_from(2))?;
    cx.reply().count(added);
    Ok(())
}

pub fn srem(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let removed = cx.keyspace.set_remove(&key, args.iter_from(2))?;
    cx.reply().count(removed);
    Ok(())
}

pub fn scard(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let len = cx.keyspace.read::<Set>(&key)?.map_or(0, Set::len);
    cx.reply().count(len);
    Ok(())
}

pub fn sismember(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let set = cx.keyspace.read::<Set>(&key)?;
    let is_member = set.is_some_and(|set| set.contains(&args[2]));
    cx.reply().integer(i64::from(is_member));
    Ok(())
}

pub fn smismember(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let set = keyspace.read::<Set>(&key)?;
    reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

pub fn smembers(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let set = keyspace.read::<Set>(&key)?;
    reply.set(set.map_or(0, Set::len));
    for member in set.into_iter().flat_map(Set::iter) {
        reply.entry(member);
    }
    Ok(())
}

pub fn smove(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (from, to) = (cx.key(&args[1]), cx.key(&args[2]));
    let is_moved = cx.keyspace.set_move(&from, &to, &args[3])?;
    cx.reply().integer(i64::from(is_moved));
    Ok(())
}

/// `SPOP key [count]`
pub fn spop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = match args.get(2) {
        Some(text) => Some(
            parse_i64(text)
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(CommandError::text(
                    "ERR value is out of range, must be positive",
                ))?,
        ),
        None => None,
    };
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let len = keyspace.read::<Set>(&key)?.map_or(0, Set::len);
    match count {
        Some(count) => reply.set(count.min(len)),
        None if len == 0 => reply.null(),
        None => {}
    }
    keyspace.set_pop(&key, count.unwrap_or(1), |member| reply.entry(member))?;
    Ok(())
}

/// `SRANDMEMBER key [count]`
pub fn srandmember(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let draw = match args.len() {
        2 => None,
        3 => Some(Draw::parse(args, 2, cx)?),
        _ => return Err(CommandError::Syntax),
    };
    let key = cx.key(&args[1]);
    let output_bytes_max = cx.hub.limits.output_bytes_max;
    let (keyspace, mut reply) = cx.split();
    let found = keyspace.read_at_random::<Set>(&key)?;
    match (found, draw) {
        (None, None) => reply.null(),
        (None, Some(_)) => reply.array(0),
        (Some((set, rng)), None) => reply.entry_or_null(set.random(rng)),
        (Some((set, rng)), Some(draw)) => {
            reply.array(draw.drawn_from(set.len()));
            match draw {
                Draw::Distinct(count) => {
                    set.random_distinct(count, rng, |member| reply.entry(member));
                }
                Draw::Repeated(count) => {
                    draw_in_slices(count, &mut reply, output_bytes_max, |slice, reply| {
                        set.random_repeated(slice, rng, |member| reply.entry(member));
                    });
                }
            }
        }
    }
    Ok(())
}

pub fn sunion(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    combine(cx, args, SetOp::Union)
}

pub fn sinter(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    combine(cx, args, SetOp::Intersection)
}

pub fn sdiff(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    combine(cx, args, SetOp::Difference)
}

/// `SUNION key [key ...]`
fn combine(cx: &mut Cx<'_>, args: Args<'_>, op: SetOp) -> Done {
    let keys = keys_from(cx, args, 1);
    let (keyspace, mut reply) = cx.split();
    let members = keyspace.set_combine(op, &keys)?;
    reply.set(members.len());
    members.for_each(|member| reply.entry(member));
    Ok(())
}

pub fn sunionstore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    combine_into(cx, args, SetOp::Union)
}

pub fn sinterstore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    combine_into(cx, args, SetOp::Intersection)
}

pub fn sdiffstore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    combine_into(cx, args, SetOp::Difference)
}

/// `SUNIONSTORE destination key [key ...]`
fn combine_into(cx: &mut Cx<'_>, args: Args<'_>, op: SetOp) -> Done {
    let (to, keys) = (cx.key(&args[1]), keys_from(cx, args, 2));
    let len = cx.keyspace.set_combine_into(op, &to, &keys)?;
    cx.reply().count(len);
    Ok(())
}

fn keys_from<'a>(cx: &Cx<'_>, args: Args<'a>, from: usize) -> Vec<Key<'a>> {
    args.iter_from(from).map(|key| cx.key(key)).collect()
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`
pub fn sintercard(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let count = parse_i64(&args[1])
        .filter(|count| *count > 0)
        .ok_or(CommandError::text("ERR numkeys should be greater than 0"))?;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= args.len() - 2)
        .ok_or(CommandError::text(
            "ERR Number of keys can't be greater than number of args",
        ))?;
    let mut limit = 0;
    let mut at = 2 + count;
    while at < args.len() {
        if !args.is(at, "limit") || at + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        limit = parse_i64(&args[at + 1])
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(CommandError::text("ERR LIMIT can't be negative"))?;
        at += 2;
    }
    let limit = if limit == 0 { usize::MAX } else { limit };
    let keys: Vec<Key<'_>> = keys_from(cx, args, 2).into_iter().take(count).collect();
    let len = cx.keyspace.set_intersection_len(&keys, limit)?;
    cx.reply().count(len);
    Ok(())
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub fn sscan(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    scan_elements::<Set>(cx, args, |set, cursor, options, found| {
        set.scan(cursor, options.count, |member| {
            if options.matches_entry(member) {
                found.add_entry(member);
            }
        })
    })
}
