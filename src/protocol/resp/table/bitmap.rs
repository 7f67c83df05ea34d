//! The rows of the bitmap commands: what each is, and which function runs it.

use crate::protocol::resp::bitmap;
use crate::protocol::resp::command::access::{ACCESS, OW, RO, RW, UPDATE, VARIABLE_FLAGS};
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};

/// The bitmap commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bitcount",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.6.0",
        group: Group::Bitmap,
        complexity: "O(N)",
        summary: "Count set bits in a string",
        history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
        arguments: "key@0 [index{start:integer end:integer [index_unit(BYTE | BIT) \
            since=7.0.0]}]",
        handler: bitmap::bitcount,
        ..Command::EMPTY
    },
    Command {
        name: "bitfield",
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)
            .note("This command allows both access and modification of the key")],
        since: "3.2.0",
        group: Group::Bitmap,
        complexity: "O(1) for each subcommand specified",
        summary: "Perform arbitrary bitfield integer operations on strings",
        arguments: "key@0 [operation(GET=encoding_offset{encoding offset:integer} \
            | write{[OVERFLOW=wrap_sat_fail(WRAP | SAT | FAIL)] \
            write_operation(SET=encoding_offset_value{encoding offset:integer value:integer} \
            | INCRBY=encoding_offset_increment{encoding offset:integer \
            increment:integer})})...]",
        handler: bitmap::bitfield,
        ..Command::EMPTY
    },
    Command {
        name: "bitfield_ro",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "6.0.0",
        group: Group::Bitmap,
        complexity: "O(1) for each subcommand specified",
        summary: "Perform arbitrary bitfield integer operations on strings. Read-only \
            variant of BITFIELD",
        arguments: "key@0 [GET...=encoding_offset{encoding offset:integer}...]",
        handler: bitmap::bitfield_ro,
        ..Command::EMPTY
    },
    Command {
        name: "bitop",
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(2, OW | UPDATE),
            KeySpec::range(3, -1, 1, RO | ACCESS),
        ],
        since: "2.6.0",
        group: Group::Bitmap,
        complexity: "O(N)",
        summary: "Perform bitwise operations between strings",
        arguments: "operation destkey@0 key@1...",
        handler: bitmap::bitop,
        ..Command::EMPTY
    },
    Command {
        name: "bitpos",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.8.7",
        group: Group::Bitmap,
        complexity: "O(N)",
        summary: "Find first bit set or clear in a string",
        history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
        arguments: "key@0 bit:integer [index{start:integer [end_index{end:integer \
            [index_unit(BYTE | BIT) since=7.0.0]}]}]",
        handler: bitmap::bitpos,
        ..Command::EMPTY
    },
    Command {
        name: "getbit",
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.2.0",
        group: Group::Bitmap,
        complexity: "O(1)",
        summary: "Returns the bit value at offset in the string value stored at key",
        arguments: "key@0 offset:integer",
        handler: bitmap::getbit,
        ..Command::EMPTY
    },
    Command {
        name: "setbit",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "2.2.0",
        group: Group::Bitmap,
        complexity: "O(1)",
        summary: "Sets or clears the bit at offset in the string value stored at key",
        arguments: "key@0 offset:integer value:integer",
        handler: bitmap::setbit,
        ..Command::EMPTY
    },
];
