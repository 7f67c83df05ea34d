//! The commands on members of a sorted set; those on ranges, pops and several sets have files of their own.

mod combine;
mod pop;
mod range;

pub use combine::{zdiff, zdiffstore, zinter, zintercard, zinterstore, zunion, zunionstore};
pub use pop::{bzmpop, bzpopmax, bzpopmin, zmpop, zpopmax, zpopmin};
pub use range::{zcount, zlexcount, zrange, zrangebylex, zrangebyscore, zrangestore};
pub use range::{zremrangebylex, zremrangebyrank, zremrangebyscore};
pub use range::{zrevrange, zrevrangebylex, zrevrangebyscore};

use super::draw::{Draw, draw_in_slices};
use super::scan::scan_elements;
use super::{Args, CommandError, Reply};
use crate::keyspace::collections::zset::Form;
use crate::keyspace::{Entry, ZAddError, ZAddOptions, ZSet};
use crate::number::{parse_f64, push_f64, push_f64_g17};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

impl From<ZAddError> for CommandError {
    fn from(error: ZAddError) -> Self {
        match error {
            ZAddError::WrongType(error) => error.into(),
            ZAddError::NotANumber => {
                CommandError::text("ERR resulting score is not a number (NaN)")
            }
        }
    }
}

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`
pub fn zadd(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    add(cx, args, ZAddOptions::default())
}

/// `ZINCRBY key increment member`
pub fn zincrby(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let options = ZAddOptions {
        increment: true,
        ..ZAddOptions::default()
    };
    add(cx, args, options)
}

fn add(cx: &mut Cx<'_>, args: Args<'_>, mut options: ZAddOptions) -> Done {
    let mut counts_changed = false;
    let mut at = 2;
    loop {
        let option = match () {
            () if args.is(at, "nx") => &mut options.if_absent,
            () if args.is(at, "xx") => &mut options.if_present,
            () if args.is(at, "gt") => &mut options.if_greater,
            () if args.is(at, "lt") => &mut options.if_less,
            () if args.is(at, "incr") => &mut options.increment,
            () if args.is(at, "ch") => &mut counts_changed,
            () => break,
        };
        *option = true;
        at += 1;
    }
    let pairs = args.len() - at;
    if pairs == 0 || pairs % 2 == 1 {
        return Err(CommandError::Syntax);
    }
    if options.if_absent && options.if_present {
        return Err(CommandError::text(
            "ERR XX and NX options at the same time are not compatible",
        ));
    }
    let comparisons = [options.if_absent, options.if_greater, options.if_less];
    if comparisons.into_iter().filter(|is_set| *is_set).count() > 1 {
        return Err(CommandError::text(
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ));
    }
    if options.increment && pairs > 2 {
        return Err(CommandError::text(
            "ERR INCR option supports a single increment-element pair",
        ));
    }
    let members: Vec<(f64, &[u8])> = (at..args.len())
        .step_by(2)
        .map(|at| {
            let score = parse_f64(&args[at]).ok_or(CommandError::NotFloat)?;
            Ok((score, args.get(at + 1).unwrap_or_default()))
        })
        .collect::<Result<_, CommandError>>()?;
    let key = cx.key(&args[1]);
    let done = cx.keyspace.zset_add(&key, &members, options)?;
    let mut reply = cx.reply();
    match (options.increment, counts_changed) {
        (true, _) => reply.double_or_null(done.score),
        (false, true) => reply.count(done.added + done.changed),
        (false, false) => reply.count(done.added),
    }
    Ok(())
}

pub fn zrem(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let removed = cx.keyspace.zset_remove(&key, args.iter_from(2))?;
    cx.reply().count(removed);
    Ok(())
}

pub fn zcard(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let len = cx.keyspace.read::<ZSet>(&key)?.map_or(0, ZSet::len);
    cx.reply().count(len);
    Ok(())
}

pub fn zscore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let set = cx.keyspace.read::<ZSet>(&key)?;
    let score = set.and_then(|set| set.score(&args[2]));
    cx.reply().double_or_null(score);
    Ok(())
}

pub fn zmscore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let set = keyspace.read::<ZSet>(&key)?;
    reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        reply.double_or_null(set.and_then(|set| set.score(member)));
    }
    Ok(())
}

pub fn zrank(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    rank(cx, args, false, "zrank")
}

pub fn zrevrank(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    rank(cx, args, true, "zrevrank")
}

/// `ZRANK key member [WITHSCORE]`
fn rank(cx: &mut Cx<'_>, args: Args<'_>, reverse: bool, name: &'static str) -> Done {
    if args.len() > 4 {
        return Err(CommandError::Arity(name.into()));
    }
    let with_score = args.len() == 4;
    if with_score && !args.is(3, "withscore") {
        return Err(CommandError::Syntax);
    }
    let member = &args[2];
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let set = keyspace.read::<ZSet>(&key)?;
    match set.and_then(|set| Some((set, set.rank(member)?))) {
        Some((set, rank)) => {
            if with_score {
                reply.array(2);
            }
            reply.count(if reverse { set.len() - 1 - rank } else { rank });
            if with_score {
                reply.double_or_null(set.score(member));
            }
        }
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
    Ok(())
}

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub fn zrandmember(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    if args.len() == 2 {
        let (keyspace, mut reply) = cx.split();
        match keyspace.read_at_random::<ZSet>(&key)? {
            Some((set, rng)) => set.random_repeated(1, rng, |member, _| reply.entry(member)),
            None => reply.null(),
        }
        return Ok(());
    }
    let draw = Draw::parse(args, 2, cx)?;
    let with_scores = args.len() == 4;
    if args.len() > 4 || with_scores && !args.is(3, "withscores") {
        return Err(CommandError::Syntax);
    }
    if with_scores && draw.count() > i64::MAX as usize / 2 {
        return Err(CommandError::text("ERR value is out of range"));
    }
    let output_bytes_max = cx.hub.limits.output_bytes_max;
    let (keyspace, mut reply) = cx.split();
    let Some((set, rng)) = keyspace.read_at_random::<ZSet>(&key)? else {
        reply.array(0);
        return Ok(());
    };
    let shape = Shape::of(&reply, with_scores);
    shape.begin(&mut reply, draw.drawn_from(set.len()));
    match draw {
        // From the highest to the lowest, as Redis has it.
        Draw::Distinct(count) if count >= set.len() => {
            let members = set.iter().rev();
            members.for_each(|(member, score)| shape.member(&mut reply, member, score));
        }
        Draw::Distinct(count) => set.random_distinct(count, rng, |member, score| {
            shape.member(&mut reply, member, score);
        }),
        Draw::Repeated(count) => {
            draw_in_slices(count, &mut reply, output_bytes_max, |slice, reply| {
                set.random_repeated(slice, rng, |member, score| {
                    shape.member(reply, member, score);
                });
            });
        }
    }
    Ok(())
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub fn zscan(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    scan_elements::<ZSet>(cx, args, |set, cursor, options, found| {
        // Redis 7.2 prints the scores of its two forms in two ways here.
        let push_score = match set.form() {
            Form::Compact => push_f64,
            Form::Large => push_f64_g17,
        };
        let mut text = Vec::new();
        set.scan(cursor, options.count, |member, score| {
            if options.matches_entry(member) {
                found.add_entry(member);
                text.clear();
                push_score(&mut text, score);
                found.add(&text);
            }
        })
    })
}

/// How members are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Without their scores.
    Members,
    /// Members and scores in turn.
    Flat,
    /// An array for each member and its score.
    Pairs,
}

impl Shape {
    /// The usual one: with scores, it is pairs in RESP3.
    fn of(reply: &Reply<'_>, with_scores: bool) -> Self {
        match (with_scores, reply.resp3) {
            (false, _) => Shape::Members,
            (true, false) => Shape::Flat,
            (true, true) => Shape::Pairs,
        }
    }

    /// The beginning of an array of `len` members.
    fn begin(self, reply: &mut Reply<'_>, len: usize) {
        // A length that does not fit is that of a reply which does not fit either.
        reply.array(if self == Shape::Flat {
            len.saturating_mul(2)
        } else {
            len
        });
    }

    fn member(self, reply: &mut Reply<'_>, member: Entry<'_>, score: f64) {
        if self == Shape::Pairs {
            reply.array(2);
        }
        reply.entry(member);
        if self != Shape::Members {
            reply.double(score);
        }
    }
}

impl Reply<'_> {
    /// A floating-point number, or nothing.
    fn double_or_null(&mut self, value: Option<f64>) {
        match value {
            Some(value) => self.double(value),
            None => self.null(),
        }
    }
}
