//! The commands on ranges of a sorted set: by rank, by score, by the members' bytes.

use super::{Args, CommandError, Cx, Done, Shape};
use crate::keyspace::collections::zset::{LexBound, ScoreBound};
use crate::keyspace::{ZRange, ZRangeBy, ZSet};
use crate::number::parse_f64_loosely;

/// What a range is of, when the command's name or an option has said it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rank,
    Score,
    Lex,
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub fn zrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    Request::parse(args, 1, None, None, true)?.answer(cx)
}

pub fn zrevrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    Request::parse(args, 1, Some(Kind::Rank), Some(true), true)?.answer(cx)
}

pub fn zrangebyscore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    Request::parse(args, 1, Some(Kind::Score), Some(false), true)?.answer(cx)
}

pub fn zrevrangebyscore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    Request::parse(args, 1, Some(Kind::Score), Some(true), true)?.answer(cx)
}

pub fn zrangebylex(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    Request::parse(args, 1, Some(Kind::Lex), Some(false), true)?.answer(cx)
}

pub fn zrevrangebylex(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    Request::parse(args, 1, Some(Kind::Lex), Some(true), true)?.answer(cx)
}

/// `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub fn zrangestore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let request = Request::parse(args, 2, None, None, false)?;
    let (to, from) = (cx.key(&args[1]), cx.key(request.key));
    let len = cx.keyspace.zset_store_range(&to, &from, &request.range)?;
    cx.reply().count(len);
    Ok(())
}

/// Members that are asked for.
struct Request<'a> {
    key: &'a [u8],
    range: ZRange<'a>,
    with_scores: bool,
}

impl<'a> Request<'a> {
    /// Parses from the key on, which is at `at`; `kind` and `reverse` where the command's name says them.
    fn parse(
        args: Args<'a>,
        at: usize,
        mut kind: Option<Kind>,
        mut reverse: Option<bool>,
        may_have_scores: bool,
    ) -> Result<Self, CommandError> {
        let mut with_scores = false;
        let (mut offset, mut count) = (0, -1);
        let mut option = at + 3;
        while option < args.len() {
            if may_have_scores && args.is(option, "withscores") {
                with_scores = true;
            } else if args.is(option, "limit") && option + 2 < args.len() {
                offset = args.integer(option + 1)?;
                count = args.integer(option + 2)?;
                option += 2;
            } else if reverse.is_none() && args.is(option, "rev") {
                reverse = Some(true);
            } else if kind.is_none() && args.is(option, "bylex") {
                kind = Some(Kind::Lex);
            } else if kind.is_none() && args.is(option, "byscore") {
                kind = Some(Kind::Score);
            } else {
                return Err(CommandError::Syntax);
            }
            option += 1;
        }
        let kind = kind.unwrap_or(Kind::Rank);
        let reverse = reverse.unwrap_or(false);
        if kind == Kind::Rank && count != -1 {
            return Err(CommandError::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if kind == Kind::Lex && with_scores {
            return Err(CommandError::text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        if kind == Kind::Rank {
            offset = 0;
        }
        // Backwards, bounds are given from the upper one on; ranks are counted from the end.
        let (first, last) = if reverse && kind != Kind::Rank {
            (at + 2, at + 1)
        } else {
            (at + 1, at + 2)
        };
        let by = match kind {
            Kind::Rank => ranks(args, first)?,
            Kind::Score => scores(args, first, last)?,
            Kind::Lex => members(args, first, last)?,
        };
        Ok(Request {
            key: args.get(at).unwrap_or_default(),
            range: ZRange {
                by,
                reverse,
                offset,
                count,
            },
            with_scores,
        })
    }

    fn answer(&self, cx: &mut Cx<'_>) -> Done {
        let key = cx.key(self.key);
        let (keyspace, mut reply) = cx.split();
        let Some(set) = keyspace.read::<ZSet>(&key)? else {
            reply.array(0);
            return Ok(());
        };
        let members = set.range(self.range.ranks(set));
        let shape = Shape::of(&reply, self.with_scores);
        shape.begin(&mut reply, members.len());
        let show = |(member, score)| shape.member(&mut reply, member, score);
        if self.range.reverse {
            members.rev().for_each(show);
        } else {
            members.for_each(show);
        }
        Ok(())
    }
}

pub fn zcount(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    count(cx, args, scores(args, 2, 3)?)
}

pub fn zlexcount(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    count(cx, args, members(args, 2, 3)?)
}

fn count(cx: &mut Cx<'_>, args: Args<'_>, by: ZRangeBy<'_>) -> Done {
    let key = cx.key(&args[1]);
    let set = cx.keyspace.read::<ZSet>(&key)?;
    let count = set.map_or(0, |set| ZRange::all(by).ranks(set).len());
    cx.reply().count(count);
    Ok(())
}

pub fn zremrangebyrank(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    remove(cx, args, ranks(args, 2)?)
}

pub fn zremrangebyscore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    remove(cx, args, scores(args, 2, 3)?)
}

pub fn zremrangebylex(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    remove(cx, args, members(args, 2, 3)?)
}

fn remove(cx: &mut Cx<'_>, args: Args<'_>, by: ZRangeBy<'_>) -> Done {
    let key = cx.key(&args[1]);
    let removed = cx.keyspace.zset_remove_range(&key, by)?;
    cx.reply().count(removed);
    Ok(())
}

fn ranks(args: Args<'_>, at: usize) -> Result<ZRangeBy<'static>, CommandError> {
    let (start, stop) = (args.integer(at)?, args.integer(at + 1)?);
    Ok(ZRangeBy::Rank { start, stop })
}

fn scores(args: Args<'_>, min: usize, max: usize) -> Result<ZRangeBy<'static>, CommandError> {
    let bound = |at: usize| {
        let (exclusive, number) = match &args[at] {
            [b'(', number @ ..] => (true, number),
            number => (false, number),
        };
        let value =
            parse_f64_loosely(number).ok_or(CommandError::text("ERR min or max is not a float"))?;
        Ok::<_, CommandError>(ScoreBound { value, exclusive })
    };
    let (min, max) = (bound(min)?, bound(max)?);
    Ok(ZRangeBy::Score { min, max })
}

fn members(args: Args<'_>, min: usize, max: usize) -> Result<ZRangeBy<'_>, CommandError> {
    let bound = |at| match args.get(at) {
        Some([b'-']) => Ok(LexBound::Min),
        Some([b'+']) => Ok(LexBound::Max),
        Some([b'[', member @ ..]) => Ok(LexBound::Inclusive(member)),
        Some([b'(', member @ ..]) => Ok(LexBound::Exclusive(member)),
        _ => Err(CommandError::text(
            "ERR min or max not valid string range item",
        )),
    };
    let (min, max) = (bound(min)?, bound(max)?);
    Ok(ZRangeBy::Lex { min, max })
}
