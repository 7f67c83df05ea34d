//! The commands on several sorted sets: unions, intersections and differences.

use super::{Args, CommandError, Cx, Done, Shape};
use crate::keyspace::{Aggregate, Entry, Key, ZCombination, ZSetOp};
use crate::number::{parse_f64, parse_i64};

pub fn zunion(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    combine(cx, args, ZSetOp::Union, "zunion")
}

pub fn zinter(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    combine(cx, args, ZSetOp::Inter, "zinter")
}

pub fn zdiff(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    combine(cx, args, ZSetOp::Diff, "zdiff")
}

/// `ZUNION numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
fn combine(cx: &mut Cx<'_>, args: Args<'_>, op: ZSetOp, name: &'static str) -> Done {
    let (what, with_scores) = parse(cx, args, 1, op, name)?;
    let (keyspace, mut reply) = cx.split();
    let members = keyspace.zset_combine(&what)?;
    let shape = Shape::of(&reply, with_scores);
    shape.begin(&mut reply, members.len());
    for (member, score) in members {
        shape.member(&mut reply, Entry::Bytes(&member), score);
    }
    Ok(())
}

pub fn zunionstore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    store(cx, args, ZSetOp::Union, "zunionstore")
}

pub fn zinterstore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    store(cx, args, ZSetOp::Inter, "zinterstore")
}

pub fn zdiffstore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    store(cx, args, ZSetOp::Diff, "zdiffstore")
}

/// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX]`
fn store(cx: &mut Cx<'_>, args: Args<'_>, op: ZSetOp, name: &'static str) -> Done {
    let (what, _) = parse(cx, args, 2, op, name)?;
    let to = cx.key(&args[1]);
    let len = cx.keyspace.zset_store_combined(&to, &what)?;
    cx.reply().count(len);
    Ok(())
}

/// Parses from the number of keys on, which is at `at`; the second result is whether scores are wanted, for which only
/// commands ask that have no destination.
fn parse<'a>(
    cx: &mut Cx<'_>,
    args: Args<'a>,
    at: usize,
    op: ZSetOp,
    name: &'static str,
) -> Result<(ZCombination<'a>, bool), CommandError> {
    let (keys, mut option) = source_keys(cx, args, at, name)?;
    let (mut weights, mut aggregate, mut with_scores) = (Vec::new(), Aggregate::Sum, false);
    let may_have_scores = at == 1;
    while option < args.len() {
        let left = args.len() - option - 1;
        if op != ZSetOp::Diff && left >= keys.len() && args.is(option, "weights") {
            let texts = args.iter_from(option + 1).take(keys.len());
            weights = texts
                .map(parse_f64)
                .collect::<Option<_>>()
                .ok_or(CommandError::text("ERR weight value is not a float"))?;
            option += keys.len();
        } else if op != ZSetOp::Diff && left >= 1 && args.is(option, "aggregate") {
            option += 1;
            aggregate = match () {
                () if args.is(option, "sum") => Aggregate::Sum,
                () if args.is(option, "min") => Aggregate::Min,
                () if args.is(option, "max") => Aggregate::Max,
                () => return Err(CommandError::Syntax),
            };
        } else if may_have_scores && args.is(option, "withscores") {
            with_scores = true;
        } else {
            return Err(CommandError::Syntax);
        }
        option += 1;
    }
    let what = ZCombination {
        op,
        keys,
        weights,
        aggregate,
    };
    Ok((what, with_scores))
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`
pub fn zintercard(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (keys, mut option) = source_keys(cx, args, 1, "zintercard")?;
    let mut limit = usize::MAX;
    while option < args.len() {
        if option + 1 == args.len() || !args.is(option, "limit") {
            return Err(CommandError::Syntax);
        }
        let number = parse_i64(&args[option + 1]).filter(|limit| *limit >= 0);
        let number = number.ok_or(CommandError::text("ERR LIMIT can't be negative"))?;
        limit = match usize::try_from(number) {
            Ok(limit) if limit > 0 => limit,
            _ => usize::MAX,
        };
        option += 2;
    }
    let len = cx.keyspace.zset_inter_len(&keys, limit)?;
    cx.reply().count(len);
    Ok(())
}

/// The keys whose number stands at `at`, and the place behind them. Redis looks at what they hold before it goes on.
fn source_keys<'a>(
    cx: &mut Cx<'_>,
    args: Args<'a>,
    at: usize,
    name: &'static str,
) -> Result<(Vec<Key<'a>>, usize), CommandError> {
    let count = args.integer(at)?;
    if count < 1 {
        return Err(CommandError::err(format_args!(
            "at least 1 input key is needed for '{name}' command"
        )));
    }
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count < args.len() - at)
        .ok_or(CommandError::Syntax)?;
    let names = args.iter_from(at + 1).take(count);
    let keys: Vec<Key<'a>> = names.map(|name| cx.key(name)).collect();
    cx.keyspace.zset_check_sources(&keys)?;
    Ok((keys, at + 1 + count))
}
