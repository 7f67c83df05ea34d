//! The commands on hashes.

use super::draw::{Draw, draw_in_slices};
use super::scan::scan_elements;
use super::{Args, CommandError};
use crate::extended_float::ExtendedFloat;
use crate::keyspace::{Entry, Hash, IncrError};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

pub fn hset(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let added = set_fields(cx, args, "hset")?;
    cx.reply().count(added);
    Ok(())
}

pub fn hmset(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    set_fields(cx, args, "hmset")?;
    cx.reply().ok();
    Ok(())
}

/// `HSET key field value [field value ...]`
fn set_fields(cx: &mut Cx<'_>, args: Args<'_>, name: &'static str) -> Result<usize, CommandError> {
    if args.len() % 2 == 1 {
        return Err(CommandError::Arity(name.into()));
    }
    let key = cx.key(&args[1]);
    let pairs = args.iter_from(2).zip(args.iter_from(3)).step_by(2);
    Ok(cx.keyspace.hash_set(&key, pairs)?)
}

pub fn hsetnx(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let done = cx.keyspace.hash_set_if_missing(&key, &args[2], &args[3])?;
    cx.reply().integer(i64::from(done));
    Ok(())
}

pub fn hget(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let hash = keyspace.read::<Hash>(&key)?;
    reply.entry_or_null(hash.and_then(|hash| hash.get(&args[2])));
    Ok(())
}

pub fn hmget(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let hash = keyspace.read::<Hash>(&key)?;
    reply.array(args.len() - 2);
    for field in args.iter_from(2) {
        reply.entry_or_null(hash.and_then(|hash| hash.get(field)));
    }
    Ok(())
}

pub fn hgetall(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let hash = keyspace.read::<Hash>(&key)?;
    reply.map(hash.map_or(0, Hash::len));
    for (field, value) in hash.into_iter().flat_map(Hash::iter) {
        reply.entry(field);
        reply.entry(value);
    }
    Ok(())
}

pub fn hkeys(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    show_column(cx, args, |(field, _)| field)
}

pub fn hvals(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    show_column(cx, args, |(_, value)| value)
}

fn show_column(
    cx: &mut Cx<'_>,
    args: Args<'_>,
    column: for<'a> fn((Entry<'a>, Entry<'a>)) -> Entry<'a>,
) -> Done {
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let hash = keyspace.read::<Hash>(&key)?;
    reply.array(hash.map_or(0, Hash::len));
    for pair in hash.into_iter().flat_map(Hash::iter) {
        reply.entry(column(pair));
    }
    Ok(())
}

pub fn hlen(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let len = cx.keyspace.read::<Hash>(&key)?.map_or(0, Hash::len);
    cx.reply().count(len);
    Ok(())
}

pub fn hstrlen(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let hash = cx.keyspace.read::<Hash>(&key)?;
    let len = hash.map_or(0, |hash| hash.value_len(&args[2]));
    cx.reply().count(len);
    Ok(())
}

pub fn hexists(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let hash = cx.keyspace.read::<Hash>(&key)?;
    let exists = hash.is_some_and(|hash| hash.contains(&args[2]));
    cx.reply().integer(i64::from(exists));
    Ok(())
}

pub fn hdel(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let removed = cx.keyspace.hash_remove(&key, args.iter_from(2))?;
    cx.reply().count(removed);
    Ok(())
}

pub fn hincrby(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let by = args.integer(3)?;
    let key = cx.key(&args[1]);
    match cx.keyspace.hash_incr_by(&key, &args[2], by) {
        Ok(value) => cx.reply().integer(value),
        Err(IncrError::NotANumber) => {
            return Err(CommandError::text("ERR hash value is not an integer"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

pub fn hincrbyfloat(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let by = ExtendedFloat::parse(&args[3]).ok_or(CommandError::NotFloat)?;
    if !by.is_finite() {
        return Err(CommandError::text("ERR value is NaN or Infinity"));
    }
    let key = cx.key(&args[1]);
    match cx.keyspace.hash_incr_by_float(&key, &args[2], by) {
        Ok(text) => cx.reply().bulk(&text),
        Err(IncrError::NotANumber) => {
            return Err(CommandError::text("ERR hash value is not a float"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// `HRANDFIELD key [count [WITHVALUES]]`
pub fn hrandfield(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    if args.len() == 2 {
        let (keyspace, mut reply) = cx.split();
        match keyspace.read_at_random::<Hash>(&key)? {
            Some((hash, rng)) => hash.random_distinct(1, rng, |field, _| reply.entry(field)),
            None => reply.null(),
        }
        return Ok(());
    }
    let draw = Draw::parse(args, 2, cx)?;
    let with_values = args.len() == 4;
    if args.len() > 4 || with_values && !args.is(3, "withvalues") {
        return Err(CommandError::Syntax);
    }
    if with_values && draw.count() > usize::MAX / 4 {
        return Err(CommandError::text("ERR value is out of range"));
    }
    let output_bytes_max = cx.hub.limits.output_bytes_max;
    let (keyspace, mut reply) = cx.split();
    let Some((hash, rng)) = keyspace.read_at_random::<Hash>(&key)? else {
        reply.array(0);
        return Ok(());
    };
    let drawn = draw.drawn_from(hash.len());
    let pairs_are_arrays = with_values && reply.resp3;
    reply.array(if with_values && !pairs_are_arrays {
        drawn * 2
    } else {
        drawn
    });
    let show = |reply: &mut super::Reply<'_>, field: Entry<'_>, value: Entry<'_>| {
        if pairs_are_arrays {
            reply.array(2);
        }
        reply.entry(field);
        if with_values {
            reply.entry(value);
        }
    };
    match draw {
        Draw::Distinct(count) => {
            hash.random_distinct(count, rng, |field, value| show(&mut reply, field, value));
        }
        Draw::Repeated(count) => {
            draw_in_slices(count, &mut reply, output_bytes_max, |slice, reply| {
                hash.random_repeated(slice, rng, |field, value| show(reply, field, value));
            });
        }
    }
    Ok(())
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`
pub fn hscan(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    scan_elements::<Hash>(cx, args, |hash, cursor, options, found| {
        hash.scan(cursor, options.count, |field, value| {
            if options.matches_entry(field) {
                found.add_entry(field);
                found.add_entry(value);
            }
        })
    })
}
