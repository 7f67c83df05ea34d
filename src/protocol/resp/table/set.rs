//! The rows of the set commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::{ACCESS, DELETE, INSERT, OW, RO, RW, UPDATE};
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::set;

/// The set commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(1) for each element added, so O(N) to add N elements when the \
            command is called with multiple arguments.",
        summary: "Add one or more members to a set",
        history: &[("2.4.0", "Accepts multiple `member` arguments.")],
        arguments: "key@0 member...",
        handler: set::sadd,
        ..Command::EMPTY
    },
    Command {
        name: "scard",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO)],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(1)",
        summary: "Get the number of members in a set",
        arguments: "key@0",
        handler: set::scard,
        ..Command::EMPTY
    },
    Command {
        name: "sdiff",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::range(1, -1, 1, RO | ACCESS)],
        tips: &["nondeterministic_output_order"],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Subtract multiple sets",
        arguments: "key@0...",
        handler: set::sdiff,
        ..Command::EMPTY
    },
    Command {
        name: "sdiffstore",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, OW | UPDATE),
            KeySpec::range(2, -1, 1, RO | ACCESS),
        ],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Subtract multiple sets and store the resulting set in a key",
        arguments: "destination@0 key@1...",
        handler: set::sdiffstore,
        ..Command::EMPTY
    },
    Command {
        name: "sinter",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::range(1, -1, 1, RO | ACCESS)],
        tips: &["nondeterministic_output_order"],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and \
            M is the number of sets.",
        summary: "Intersect multiple sets",
        arguments: "key@0...",
        handler: set::sinter,
        ..Command::EMPTY
    },
    Command {
        name: "sintercard",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        since: "7.0.0",
        group: Group::Set,
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and \
            M is the number of sets.",
        summary: "Intersect multiple sets and return the cardinality of the result",
        arguments: "numkeys:integer key@0... [LIMIT=limit:integer]",
        handler: set::sintercard,
        ..Command::EMPTY
    },
    Command {
        name: "sinterstore",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, RW | UPDATE),
            KeySpec::range(2, -1, 1, RO | ACCESS),
        ],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and \
            M is the number of sets.",
        summary: "Intersect multiple sets and store the resulting set in a key",
        arguments: "destination@0 key@1...",
        handler: set::sinterstore,
        ..Command::EMPTY
    },
    Command {
        name: "sismember",
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO)],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(1)",
        summary: "Determine if a given value is a member of a set",
        arguments: "key@0 member",
        handler: set::sismember,
        ..Command::EMPTY
    },
    Command {
        name: "smembers",
        arity: 2,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        tips: &["nondeterministic_output_order"],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(N) where N is the set cardinality.",
        summary: "Get all the members in a set",
        arguments: "key@0",
        handler: set::smembers,
        ..Command::EMPTY
    },
    Command {
        name: "smismember",
        arity: -3,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "6.2.0",
        group: Group::Set,
        complexity: "O(N) where N is the number of elements being checked for membership",
        summary: "Returns the membership associated with the given elements for a set",
        arguments: "key@0 member...",
        handler: set::smismember,
        ..Command::EMPTY
    },
    Command {
        name: "smove",
        arity: 4,
        flags: flag::WRITE | flag::FAST,
        keys: &[
            KeySpec::one(1, RW | ACCESS | DELETE),
            KeySpec::one(2, RW | INSERT),
        ],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(1)",
        summary: "Move a member from one set to another",
        arguments: "source@0 destination@1 member",
        handler: set::smove,
        ..Command::EMPTY
    },
    Command {
        name: "spop",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
        tips: &["nondeterministic_output"],
        since: "1.0.0",
        group: Group::Set,
        complexity: "Without the count argument O(1), otherwise O(N) where N is the value \
            of the passed count.",
        summary: "Remove and return one or multiple random members from a set",
        history: &[("3.2.0", "Added the `count` argument.")],
        arguments: "key@0 [count:integer since=3.2.0]",
        handler: set::spop,
        ..Command::EMPTY
    },
    Command {
        name: "srandmember",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        since: "1.0.0",
        group: Group::Set,
        complexity: "Without the count argument O(1), otherwise O(N) where N is the \
            absolute value of the passed count.",
        summary: "Get one or multiple random members from a set",
        history: &[("2.6.0", "Added the optional `count` argument.")],
        arguments: "key@0 [count:integer since=2.6.0]",
        handler: set::srandmember,
        ..Command::EMPTY
    },
    Command {
        name: "srem",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(N) where N is the number of members to be removed.",
        summary: "Remove one or more members from a set",
        history: &[("2.4.0", "Accepts multiple `member` arguments.")],
        arguments: "key@0 member...",
        handler: set::srem,
        ..Command::EMPTY
    },
    Command {
        name: "sscan",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        group: Group::Set,
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough \
            command calls for the cursor to return back to 0. N is the number of elements \
            inside the collection..",
        summary: "Incrementally iterate Set elements",
        arguments: "key@0 cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer]",
        handler: set::sscan,
        ..Command::EMPTY
    },
    Command {
        name: "sunion",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::range(1, -1, 1, RO | ACCESS)],
        tips: &["nondeterministic_output_order"],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Add multiple sets",
        arguments: "key@0...",
        handler: set::sunion,
        ..Command::EMPTY
    },
    Command {
        name: "sunionstore",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, OW | UPDATE),
            KeySpec::range(2, -1, 1, RO | ACCESS),
        ],
        since: "1.0.0",
        group: Group::Set,
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Add multiple sets and store the resulting set in a key",
        arguments: "destination@0 key@1...",
        handler: set::sunionstore,
        ..Command::EMPTY
    },
];
