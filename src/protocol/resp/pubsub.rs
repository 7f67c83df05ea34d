//! The commands of publish and subscribe.

use super::{Args, CommandError};
use crate::glob;
use crate::protocol::Cx;
use crate::pubsub::{Kind, Subscriptions};

type Done = Result<(), CommandError>;

pub fn subscribe(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    add(cx, args, Kind::Channel, "subscribe")
}

pub fn psubscribe(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    add(cx, args, Kind::Pattern, "psubscribe")
}

pub fn ssubscribe(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    add(cx, args, Kind::Shard, "ssubscribe")
}

pub fn unsubscribe(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    remove(cx, args, Kind::Channel, "unsubscribe")
}

pub fn punsubscribe(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    remove(cx, args, Kind::Pattern, "punsubscribe")
}

pub fn sunsubscribe(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    remove(cx, args, Kind::Shard, "sunsubscribe")
}

fn add(cx: &mut Cx<'_>, args: Args<'_>, kind: Kind, word: &str) -> Done {
    // In a transaction nobody can tell the messages from the replies. Redis lets the two older ones be all the same.
    if cx.client.denies_blocking() && matches!(kind, Kind::Shard) {
        return Err(CommandError::text(
            "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client",
        ));
    }
    let slot = cx.client.slot;
    for topic in args.iter_from(1) {
        cx.hub
            .pubsub
            .subscribe(kind, topic, slot, &mut cx.client.extras_mut().subscriptions);
        confirm(cx, kind, word, Some(topic));
    }
    cx.client.settle();
    cx.refresh_interest();
    Ok(())
}

fn remove(cx: &mut Cx<'_>, args: Args<'_>, kind: Kind, word: &str) -> Done {
    let slot = cx.client.slot;
    let topics: Vec<Box<[u8]>> = if args.len() > 1 {
        args.iter_from(1).map(Box::from).collect()
    } else {
        cx.client.extras_mut().subscriptions.of(kind).to_vec()
    };
    for topic in &topics {
        cx.hub
            .pubsub
            .unsubscribe(kind, topic, slot, &mut cx.client.extras_mut().subscriptions);
        confirm(cx, kind, word, Some(topic));
    }
    if topics.is_empty() {
        confirm(cx, kind, word, None);
    }
    cx.client.settle();
    cx.refresh_interest();
    Ok(())
}

/// Says what has been done about a topic, and how many are left (shard channels are counted for themselves).
fn confirm(cx: &mut Cx<'_>, kind: Kind, word: &str, topic: Option<&[u8]>) {
    let left = cx
        .client
        .extras()
        .map_or(0, |extras| count(&extras.subscriptions, kind));
    let mut reply = cx.reply();
    reply.push(3);
    reply.bulk(word.as_bytes());
    match topic {
        Some(topic) => reply.bulk(topic),
        None => reply.null(),
    }
    reply.count(left);
}

fn count(subscriptions: &Subscriptions, kind: Kind) -> usize {
    match kind {
        Kind::Shard => subscriptions.of(Kind::Shard).len(),
        Kind::Channel | Kind::Pattern => {
            subscriptions.of(Kind::Channel).len() + subscriptions.of(Kind::Pattern).len()
        }
    }
}

pub fn publish(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let received = cx.scene().publish(Kind::Channel, &args[1], &args[2]);
    cx.reply().count(received);
    Ok(())
}

pub fn spublish(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let received = cx.scene().publish(Kind::Shard, &args[1], &args[2]);
    cx.reply().count(received);
    Ok(())
}

pub fn pubsub_channels(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    channels(cx, args, Kind::Channel)
}

pub fn pubsub_shardchannels(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    channels(cx, args, Kind::Shard)
}

fn channels(cx: &mut Cx<'_>, args: Args<'_>, kind: Kind) -> Done {
    if args.len() > 3 {
        return Err(CommandError::subcommand_arguments("PUBSUB", &args[1]));
    }
    let pattern = args.get(2);
    let names: Vec<Vec<u8>> = cx
        .hub
        .pubsub
        .names(kind)
        .filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name, false)))
        .map(<[u8]>::to_vec)
        .collect();
    let mut reply = cx.reply();
    reply.array(names.len());
    for name in names {
        reply.bulk(&name);
    }
    Ok(())
}

pub fn pubsub_numsub(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    subscriber_counts(cx, args, Kind::Channel)
}

pub fn pubsub_shardnumsub(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    subscriber_counts(cx, args, Kind::Shard)
}

fn subscriber_counts(cx: &mut Cx<'_>, args: Args<'_>, kind: Kind) -> Done {
    cx.reply().array((args.len() - 2) * 2);
    for channel in args.iter_from(2) {
        let subscribers = cx.hub.pubsub.subscribers(kind, channel).len();
        let mut reply = cx.reply();
        reply.bulk(channel);
        reply.count(subscribers);
    }
    Ok(())
}

pub fn pubsub_numpat(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let patterns = cx.hub.pubsub.pattern_count();
    cx.reply().count(patterns);
    Ok(())
}

pub fn pubsub_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CHANNELS [<pattern>]",
            "    Return the currently active channels matching a <pattern> (default: '*').",
            "NUMPAT",
            "    Return number of subscriptions to patterns.",
            "NUMSUB [<channel> ...]",
            "    Return the number of subscribers for the specified channels, excluding",
            "    pattern subscriptions(default: no channels).",
            "SHARDCHANNELS [<pattern>]",
            "    Return the currently active shard level channels matching a <pattern> (default: '*').",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return the number of subscribers for the specified shard level channel(s)",
            "HELP",
            "    Print this help.",
        ],
    )
}
