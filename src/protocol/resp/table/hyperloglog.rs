//! The rows of the hyperloglog commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::{ACCESS, INSERT, RO, RW};
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::hyperloglog;

/// The hyperloglog commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "pfadd",
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "2.8.9",
        group: Group::HyperLogLog,
        complexity: "O(1) to add every element.",
        summary: "Adds the specified elements to the specified HyperLogLog.",
        arguments: "key@0 [element...]",
        handler: hyperloglog::pfadd,
        ..Command::EMPTY
    },
    Command {
        name: "pfcount",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::range(1, -1, 1, RW | ACCESS).note(
            "RW because it may change the internal representation of the \
                    key, and propagate to replicas",
        )],
        since: "2.8.9",
        group: Group::HyperLogLog,
        complexity: "O(1) with a very small average constant time when called with a \
            single key. O(N) with N being the number of keys, and much bigger constant times, \
            when called with multiple keys.",
        summary: "Return the approximated cardinality of the set(s) observed by the \
            HyperLogLog at key(s).",
        arguments: "key@0...",
        handler: hyperloglog::pfcount,
        ..Command::EMPTY
    },
    Command {
        name: "pfdebug",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::ADMIN | flag::SYSTEM,
        keys: &[KeySpec::one(2, RW | ACCESS)],
        since: "2.8.9",
        group: Group::HyperLogLog,
        complexity: "N/A",
        summary: "Internal commands for debugging HyperLogLog values",
        arguments: "subcommand key@0",
        handler: hyperloglog::pfdebug,
        ..Command::EMPTY
    },
    Command {
        name: "pfmerge",
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, RW | ACCESS | INSERT),
            KeySpec::range(2, -1, 1, RO | ACCESS),
        ],
        since: "2.8.9",
        group: Group::HyperLogLog,
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        summary: "Merge N different HyperLogLogs into a single one.",
        arguments: "destkey@0 sourcekey@1...",
        handler: hyperloglog::pfmerge,
        ..Command::EMPTY
    },
    Command {
        name: "pfselftest",
        arity: 1,
        flags: flag::ADMIN | flag::SYSTEM,
        since: "2.8.9",
        group: Group::HyperLogLog,
        complexity: "N/A",
        summary: "An internal command for testing HyperLogLog values",
        handler: hyperloglog::pfselftest,
        ..Command::EMPTY
    },
];
