//! What was delivered to consumers and not acknowledged: XACK, XPENDING, XCLAIM, XAUTOCLAIM.

use super::{Done, ids_from, no_key_or_group, shown};
use crate::keyspace::stream::{
    AutoClaim, Claim, Claimed, DeliveredAt, Group, PendingQuery, StreamId,
};
use crate::keyspace::{Key, Keyspace, Stream};
use crate::number::parse_i64;
use crate::protocol::Cx;
use crate::protocol::resp::{Args, CommandError, Reply};

/// `XACK key group id [id ...]`
pub fn xack(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    // Key and group are looked at before the ids.
    let stream = cx.keyspace.read::<Stream>(&key)?;
    let acknowledged = if stream.is_some_and(|stream| stream.group(&args[2]).is_ok()) {
        let ids = ids_from(args, 3)?;
        cx.keyspace.stream_acknowledge(&key, &args[2], &ids)?
    } else {
        0
    };
    cx.reply().count(acknowledged);
    Ok(())
}

/// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`
pub fn xpending(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    if args.len() == 3 {
        let (keyspace, mut reply) = cx.split();
        summarize(group(keyspace, &key, &args[2])?, &mut reply);
        return Ok(());
    }
    if !(6..=9).contains(&args.len()) {
        return Err(CommandError::Syntax);
    }
    let (mut at, mut min_idle_ms) = (3, 0);
    if args.is(3, "idle") {
        min_idle_ms = args.integer(4)?;
        if args.len() < 8 {
            return Err(CommandError::Syntax);
        }
        at = 5;
    }
    let count = usize::try_from(args.integer(at + 2)?).unwrap_or(0);
    let now_ms = cx.keyspace.now_ms();
    let query = PendingQuery {
        start: StreamId::parse_range_start(&args[at])?,
        end: StreamId::parse_range_end(&args[at + 1])?,
        consumer: args.get(at + 3),
        min_idle_ms,
        now_ms,
    };
    let (keyspace, mut reply) = cx.split();
    let pending = group(keyspace, &key, &args[2])?.pending(&query);
    let pending: Vec<_> = pending.take(count).collect();
    reply.array(pending.len());
    for entry in pending {
        reply.array(4);
        reply.stream_id(entry.id);
        reply.bulk(entry.consumer);
        reply.integer(entry.idle_ms(now_ms));
        reply.integer(entry.delivery_count.cast_signed());
    }
    Ok(())
}

/// How many entries are pending, from where to where, and how many for whom.
fn summarize(group: &Group, reply: &mut Reply<'_>) {
    reply.array(4);
    reply.count(group.pending_len());
    let Some((first, last)) = group.pending_bounds() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply.stream_id(first);
    reply.stream_id(last);
    let having = group.consumers().filter(|consumer| consumer.pending > 0);
    let having: Vec<_> = having.collect();
    reply.array(having.len());
    for consumer in having {
        reply.array(2);
        reply.bulk(consumer.name);
        reply.bulk_integer(i64::try_from(consumer.pending).unwrap_or(i64::MAX));
    }
}

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-ms] [RETRYCOUNT count] [FORCE] [JUSTID]
/// [LASTID id]`
pub fn xclaim(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    group(cx.keyspace, &key, &args[2])?;
    let mut claim = Claim {
        min_idle_ms: min_idle_ms(args, "XCLAIM")?,
        ..Claim::default()
    };
    // Whatever is no id begins the options.
    let mut ids = Vec::new();
    let mut at = 5;
    while let Some(Ok(id)) = args.get(at).map(|text| StreamId::parse(text, 0)) {
        ids.push(id);
        at += 1;
    }
    while at < args.len() {
        let has_more = at + 1 < args.len();
        let number = |name: &str| {
            parse_i64(&args[at + 1]).ok_or_else(|| {
                CommandError::err(format_args!("Invalid {name} option argument for XCLAIM"))
            })
        };
        let mut has_value = true;
        if args.is(at, "force") {
            (claim.force, has_value) = (true, false);
        } else if args.is(at, "justid") {
            (claim.just_id, has_value) = (true, false);
        } else if has_more && args.is(at, "idle") {
            claim.delivered = DeliveredAt::Ago(number("IDLE")?);
        } else if has_more && args.is(at, "time") {
            claim.delivered = DeliveredAt::Time(number("TIME")?);
        } else if has_more && args.is(at, "retrycount") {
            claim.delivery_count = u64::try_from(number("RETRYCOUNT")?).ok();
        } else if has_more && args.is(at, "lastid") {
            claim.last_id = Some(StreamId::parse(&args[at + 1], 0)?);
        } else {
            return Err(CommandError::err(format_args!(
                "Unrecognized XCLAIM option '{}'",
                shown(&args[at])
            )));
        }
        at += 1 + usize::from(has_value);
    }
    let (keyspace, mut reply) = cx.split();
    let claimed = keyspace.stream_claim(&key, &args[2], &args[3], &claim, &ids)?;
    write_claimed(keyspace, &key, &claimed, claim.just_id, &mut reply)
}

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`
pub fn xautoclaim(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    /// The array of the ids that Redis would look at fits the address space.
    const COUNT_MAX: i64 = i64::MAX / 16;
    let mut claim = AutoClaim {
        min_idle_ms: min_idle_ms(args, "XAUTOCLAIM")?,
        start: StreamId::parse_range_start(&args[5])?,
        count: 100,
        just_id: false,
    };
    let mut at = 6;
    while at < args.len() {
        if args.is(at, "count") && at + 1 < args.len() {
            let count = parse_i64(&args[at + 1]).filter(|count| (1..=COUNT_MAX).contains(count));
            claim.count = count
                .ok_or(CommandError::text("ERR COUNT must be > 0"))?
                .cast_unsigned();
            at += 1;
        } else if args.is(at, "justid") {
            claim.just_id = true;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    group(keyspace, &key, &args[2])?;
    let claimed = keyspace.stream_autoclaim(&key, &args[2], &args[3], &claim)?;
    reply.array(3);
    reply.stream_id(claimed.cursor);
    write_claimed(keyspace, &key, &claimed, claim.just_id, &mut reply)?;
    reply.array(claimed.deleted.len());
    for id in &claimed.deleted {
        reply.stream_id(*id);
    }
    Ok(())
}

fn write_claimed(
    keyspace: &mut Keyspace,
    key: &Key<'_>,
    claimed: &Claimed,
    just_id: bool,
    reply: &mut Reply<'_>,
) -> Done {
    if just_id {
        reply.array(claimed.ids.len());
        for id in &claimed.ids {
            reply.stream_id(*id);
        }
    } else {
        let stream = keyspace.read::<Stream>(key)?;
        let entries = stream.map(|stream| claimed.ids.iter().filter_map(|id| stream.log.get(*id)));
        reply.stream_entries(entries.into_iter().flatten());
    }
    Ok(())
}

fn min_idle_ms(args: Args<'_>, name: &str) -> Result<i64, CommandError> {
    parse_i64(&args[4])
        .ok_or_else(|| CommandError::err(format_args!("Invalid min-idle-time argument for {name}")))
}

/// The group of this name, which must be there.
fn group<'k>(
    keyspace: &'k mut Keyspace,
    key: &Key<'_>,
    name: &[u8],
) -> Result<&'k Group, CommandError> {
    let stream = keyspace.read::<Stream>(key)?;
    stream
        .and_then(|stream| stream.group(name).ok())
        .ok_or_else(|| no_key_or_group(key.bytes, name))
}
