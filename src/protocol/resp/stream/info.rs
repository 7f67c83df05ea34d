//! XINFO: what there is to know of a stream, its groups and their consumers.

use super::{Done, NO_SUCH_KEY, no_group, positive, unknown_options};
use crate::keyspace::stream::{ConsumerInfo, Group, GroupInfo, PendingQuery, StreamId};
use crate::keyspace::{Keyspace, Stream};
use crate::protocol::Cx;
use crate::protocol::resp::{Args, CommandError, Reply};

/// How many of anything XINFO STREAM FULL shows unless told.
const FULL_COUNT: i64 = 10;

/// `XINFO STREAM key [FULL [COUNT count]]`
pub fn xinfo_stream(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[2]);
    let (keyspace, mut reply) = cx.split();
    let stream = existing(keyspace, &key)?;
    let full_count = match args.len() {
        3 => None,
        4 if args.is(3, "full") => Some(positive(FULL_COUNT)),
        6 if args.is(3, "full") && args.is(4, "count") => {
            let count = args.integer(5)?;
            Some(positive(if count < 0 { FULL_COUNT } else { count }))
        }
        _ => return Err(unknown_options("XINFO", args)),
    };
    let info = stream.info();
    reply.map(if full_count.is_some() { 9 } else { 10 });
    reply.bulk(b"length");
    reply.integer(info.length.cast_signed());
    reply.bulk(b"radix-tree-keys");
    reply.count(info.radix_tree_keys);
    reply.bulk(b"radix-tree-nodes");
    reply.count(info.radix_tree_nodes);
    for (name, id) in [
        ("last-generated-id", info.last_generated_id),
        ("max-deleted-entry-id", info.max_deleted_entry_id),
    ] {
        reply.bulk(name.as_bytes());
        reply.stream_id(id);
    }
    reply.bulk(b"entries-added");
    reply.integer(info.entries_added.cast_signed());
    reply.bulk(b"recorded-first-entry-id");
    reply.stream_id(info.recorded_first_entry_id);
    if let Some(count) = full_count {
        reply.bulk(b"entries");
        let entries = stream.log.range(StreamId::MIN, StreamId::MAX);
        reply.stream_entries(entries.take(count));
        reply.bulk(b"groups");
        reply.array(info.groups);
        for group in stream.groups() {
            group_in_full(&group, count, &mut reply);
        }
    } else {
        reply.bulk(b"groups");
        reply.count(info.groups);
        reply.bulk(b"first-entry");
        reply.stream_entry_or_null(info.first_entry);
        reply.bulk(b"last-entry");
        reply.stream_entry_or_null(info.last_entry);
    }
    Ok(())
}

fn group_in_full(info: &GroupInfo<'_>, count: usize, reply: &mut Reply<'_>) {
    let group = info.group;
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(info.name);
    position(info, reply);
    reply.bulk(b"pel-count");
    reply.count(group.pending_len());
    reply.bulk(b"pending");
    let pending: Vec<_> = group.pending(&PendingQuery::ALL).take(count).collect();
    reply.array(pending.len());
    for entry in pending {
        reply.array(4);
        reply.stream_id(entry.id);
        reply.bulk(entry.consumer);
        reply.integer(entry.delivery_ms);
        reply.integer(entry.delivery_count.cast_signed());
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers_len());
    for consumer in group.consumers() {
        consumer_in_full(group, &consumer, count, reply);
    }
}

fn consumer_in_full(
    group: &Group,
    consumer: &ConsumerInfo<'_>,
    count: usize,
    reply: &mut Reply<'_>,
) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name);
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen_ms);
    reply.bulk(b"active-time");
    reply.integer(consumer.active_ms.unwrap_or(-1));
    reply.bulk(b"pel-count");
    reply.count(consumer.pending);
    reply.bulk(b"pending");
    let own = PendingQuery {
        consumer: Some(consumer.name),
        ..PendingQuery::ALL
    };
    let pending: Vec<_> = group.pending(&own).take(count).collect();
    reply.array(pending.len());
    for entry in pending {
        reply.array(3);
        reply.stream_id(entry.id);
        reply.integer(entry.delivery_ms);
        reply.integer(entry.delivery_count.cast_signed());
    }
}

/// How far a group has read.
fn position(info: &GroupInfo<'_>, reply: &mut Reply<'_>) {
    reply.bulk(b"last-delivered-id");
    reply.stream_id(info.group.last_delivered_id());
    reply.bulk(b"entries-read");
    reply.integer_or_null(info.group.entries_read().map(u64::cast_signed));
    reply.bulk(b"lag");
    reply.integer_or_null(info.lag);
}

/// `XINFO GROUPS key`
pub fn xinfo_groups(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[2]);
    let (keyspace, mut reply) = cx.split();
    let stream = existing(keyspace, &key)?;
    reply.array(stream.groups_len());
    for info in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(info.name);
        reply.bulk(b"consumers");
        reply.count(info.group.consumers_len());
        reply.bulk(b"pending");
        reply.count(info.group.pending_len());
        position(&info, &mut reply);
    }
    Ok(())
}

/// `XINFO CONSUMERS key group`
pub fn xinfo_consumers(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[2]);
    let now_ms = cx.keyspace.now_ms();
    let (keyspace, mut reply) = cx.split();
    let stream = existing(keyspace, &key)?;
    let group = stream.group(&args[3]);
    let group = group.map_err(|_| no_group(&args[2], &args[3]))?;
    reply.array(group.consumers_len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name);
        reply.bulk(b"pending");
        reply.count(consumer.pending);
        reply.bulk(b"idle");
        reply.integer(consumer.idle_ms(now_ms));
        reply.bulk(b"inactive");
        reply.integer(consumer.inactive_ms(now_ms));
    }
    Ok(())
}

fn existing<'k>(
    keyspace: &'k mut Keyspace,
    key: &crate::keyspace::Key<'_>,
) -> Result<&'k Stream, CommandError> {
    keyspace.read::<Stream>(key)?.ok_or(NO_SUCH_KEY)
}

pub fn xinfo_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    crate::protocol::resp::server::help(
        cx,
        &[
            "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CONSUMERS <key> <groupname>",
            "    Show consumers of <groupname>.",
            "GROUPS <key>",
            "    Show the stream consumer groups.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    Show information about the stream.",
            "HELP",
            "    Print this help.",
        ],
    )
}
