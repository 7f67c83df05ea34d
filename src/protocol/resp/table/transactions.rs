//! The rows of the transactions commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::RO;
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::transactions;

/// The transactions commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "discard",
        arity: 1,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::ALLOW_BUSY,
        since: "2.0.0",
        group: Group::Transactions,
        complexity: "O(N), when N is the number of queued commands",
        summary: "Discard all commands issued after MULTI",
        handler: transactions::discard,
        ..Command::EMPTY
    },
    Command {
        name: "exec",
        arity: 1,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::SKIP_SLOWLOG,
        since: "1.2.0",
        group: Group::Transactions,
        complexity: "Depends on commands in the transaction",
        summary: "Execute all commands issued after MULTI",
        handler: transactions::exec,
        ..Command::EMPTY
    },
    Command {
        name: "multi",
        arity: 1,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::ALLOW_BUSY,
        since: "1.2.0",
        group: Group::Transactions,
        complexity: "O(1)",
        summary: "Mark the start of a transaction block",
        handler: transactions::multi,
        ..Command::EMPTY
    },
    Command {
        name: "unwatch",
        arity: 1,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::ALLOW_BUSY,
        since: "2.2.0",
        group: Group::Transactions,
        complexity: "O(1)",
        summary: "Forget about all watched keys",
        handler: transactions::unwatch,
        ..Command::EMPTY
    },
    Command {
        name: "watch",
        arity: -2,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::ALLOW_BUSY,
        keys: &[KeySpec::range(1, -1, 1, RO)],
        since: "2.2.0",
        group: Group::Transactions,
        complexity: "O(1) for every key.",
        summary: "Watch the given keys to determine execution of the MULTI/EXEC block",
        arguments: "key@0...",
        handler: transactions::watch,
        ..Command::EMPTY
    },
];
