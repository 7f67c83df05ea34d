//! The rows of the pubsub commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::NOT_KEY;
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::pubsub;

/// The pubsub commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "psubscribe",
        arity: -2,
        flags: flag::PUBSUB | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.0.0",
        group: Group::PubSub,
        complexity: "O(N) where N is the number of patterns the client is already \
            subscribed to.",
        summary: "Listen for messages published to channels matching the given patterns",
        arguments: "pattern{pattern:pattern}...",
        handler: pubsub::psubscribe,
        ..Command::EMPTY
    },
    Command {
        name: "publish",
        arity: 3,
        flags: flag::PUBSUB | flag::LOADING | flag::STALE | flag::FAST,
        since: "2.0.0",
        group: Group::PubSub,
        complexity: "O(N+M) where N is the number of clients subscribed to the receiving \
            channel and M is the total number of subscribed patterns (by any client).",
        summary: "Post a message to a channel",
        arguments: "channel message",
        handler: pubsub::publish,
        ..Command::EMPTY
    },
    Command {
        name: "pubsub",
        arity: -2,
        since: "2.8.0",
        group: Group::PubSub,
        complexity: "Depends on subcommand.",
        summary: "A container for Pub/Sub commands",
        subcommands: PUBSUB,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "punsubscribe",
        arity: -1,
        flags: flag::PUBSUB | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.0.0",
        group: Group::PubSub,
        complexity: "O(N+M) where N is the number of patterns the client is already \
            subscribed and M is the number of total patterns subscribed in the system (by any \
            client).",
        summary: "Stop listening for messages posted to channels matching the given \
            patterns",
        arguments: "[pattern:pattern...]",
        handler: pubsub::punsubscribe,
        ..Command::EMPTY
    },
    Command {
        name: "spublish",
        arity: 3,
        flags: flag::PUBSUB | flag::LOADING | flag::STALE | flag::FAST,
        keys: &[KeySpec::one(1, NOT_KEY)],
        since: "7.0.0",
        group: Group::PubSub,
        complexity: "O(N) where N is the number of clients subscribed to the receiving \
            shard channel.",
        summary: "Post a message to a shard channel",
        arguments: "shardchannel message",
        handler: pubsub::spublish,
        ..Command::EMPTY
    },
    Command {
        name: "ssubscribe",
        arity: -2,
        flags: flag::PUBSUB | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        keys: &[KeySpec::range(1, -1, 1, NOT_KEY)],
        since: "7.0.0",
        group: Group::PubSub,
        complexity: "O(N) where N is the number of shard channels to subscribe to.",
        summary: "Listen for messages published to the given shard channels",
        arguments: "shardchannel...",
        handler: pubsub::ssubscribe,
        ..Command::EMPTY
    },
    Command {
        name: "subscribe",
        arity: -2,
        flags: flag::PUBSUB | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.0.0",
        group: Group::PubSub,
        complexity: "O(N) where N is the number of channels to subscribe to.",
        summary: "Listen for messages published to the given channels",
        arguments: "channel...",
        handler: pubsub::subscribe,
        ..Command::EMPTY
    },
    Command {
        name: "sunsubscribe",
        arity: -1,
        flags: flag::PUBSUB | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        keys: &[KeySpec::range(1, -1, 1, NOT_KEY)],
        since: "7.0.0",
        group: Group::PubSub,
        complexity: "O(N) where N is the number of clients already subscribed to a shard \
            channel.",
        summary: "Stop listening for messages posted to the given shard channels",
        arguments: "[shardchannel...]",
        handler: pubsub::sunsubscribe,
        ..Command::EMPTY
    },
    Command {
        name: "unsubscribe",
        arity: -1,
        flags: flag::PUBSUB | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.0.0",
        group: Group::PubSub,
        complexity: "O(N) where N is the number of clients already subscribed to a channel.",
        summary: "Stop listening for messages posted to the given channels",
        arguments: "[channel...]",
        handler: pubsub::unsubscribe,
        ..Command::EMPTY
    },
];

/// The subcommands of `PUBSUB`.
const PUBSUB: &[Command] = &[
    Command {
        name: "pubsub|channels",
        arity: -2,
        flags: flag::PUBSUB | flag::LOADING | flag::STALE,
        since: "2.8.0",
        group: Group::PubSub,
        complexity: "O(N) where N is the number of active channels, and assuming constant \
            time pattern matching (relatively short channels and patterns)",
        summary: "List active channels",
        arguments: "[pattern:pattern]",
        handler: pubsub::pubsub_channels,
        ..Command::EMPTY
    },
    Command {
        name: "pubsub|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "6.2.0",
        group: Group::PubSub,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: pubsub::pubsub_help,
        ..Command::EMPTY
    },
    Command {
        name: "pubsub|numpat",
        arity: 2,
        flags: flag::PUBSUB | flag::LOADING | flag::STALE,
        since: "2.8.0",
        group: Group::PubSub,
        complexity: "O(1)",
        summary: "Get the count of unique patterns pattern subscriptions",
        handler: pubsub::pubsub_numpat,
        ..Command::EMPTY
    },
    Command {
        name: "pubsub|numsub",
        arity: -2,
        flags: flag::PUBSUB | flag::LOADING | flag::STALE,
        since: "2.8.0",
        group: Group::PubSub,
        complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested \
            channels",
        summary: "Get the count of subscribers for channels",
        arguments: "[channel...]",
        handler: pubsub::pubsub_numsub,
        ..Command::EMPTY
    },
    Command {
        name: "pubsub|shardchannels",
        arity: -2,
        flags: flag::PUBSUB | flag::LOADING | flag::STALE,
        since: "7.0.0",
        group: Group::PubSub,
        complexity: "O(N) where N is the number of active shard channels, and assuming \
            constant time pattern matching (relatively short shard channels).",
        summary: "List active shard channels",
        arguments: "[pattern:pattern]",
        handler: pubsub::pubsub_shardchannels,
        ..Command::EMPTY
    },
    Command {
        name: "pubsub|shardnumsub",
        arity: -2,
        flags: flag::PUBSUB | flag::LOADING | flag::STALE,
        since: "7.0.0",
        group: Group::PubSub,
        complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of \
            requested shard channels",
        summary: "Get the count of subscribers for shard channels",
        arguments: "[shardchannel...]",
        handler: pubsub::pubsub_shardnumsub,
        ..Command::EMPTY
    },
];
