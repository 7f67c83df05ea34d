//! The rows of the string commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::{
    ACCESS, DELETE, INSERT, OW, RO, RW, UPDATE, VARIABLE_FLAGS,
};
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::string;

/// The string commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "append",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "2.0.0",
        group: Group::String,
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended \
            value is small and the already present value is of any size, since the dynamic \
            string library used by Redis will double the free space available on every \
            reallocation.",
        summary: "Append a value to a key",
        arguments: "key@0 value",
        handler: string::append,
        ..Command::EMPTY
    },
    Command {
        name: "decr",
        arity: 2,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Decrement the integer value of a key by one",
        arguments: "key@0",
        handler: string::decr,
        ..Command::EMPTY
    },
    Command {
        name: "decrby",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Decrement the integer value of a key by the given number",
        arguments: "key@0 decrement:integer",
        handler: string::decrby,
        ..Command::EMPTY
    },
    Command {
        name: "get",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Get the value of a key",
        arguments: "key@0",
        handler: string::get,
        ..Command::EMPTY
    },
    Command {
        name: "getdel",
        arity: 2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
        since: "6.2.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Get the value of a key and delete the key",
        arguments: "key@0",
        handler: string::getdel,
        ..Command::EMPTY
    },
    Command {
        name: "getex",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[
            KeySpec::one(1, RW | ACCESS | UPDATE).note("RW and UPDATE because it changes the TTL")
        ],
        since: "6.2.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Get the value of a key and optionally set its expiration",
        arguments: "key@0 [expiration(EX=seconds:integer | PX=milliseconds:integer \
            | EXAT=unix-time-seconds:unix-time | PXAT=unix-time-milliseconds:unix-time \
            | PERSIST)]",
        handler: string::getex,
        ..Command::EMPTY
    },
    Command {
        name: "getrange",
        arity: 4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.4.0",
        group: Group::String,
        complexity: "O(N) where N is the length of the returned string. The complexity is \
            ultimately determined by the returned length, but because creating a substring \
            from an existing string is very cheap, it can be considered O(1) for small strings.",
        summary: "Get a substring of the string stored at a key",
        arguments: "key@0 start:integer end:integer",
        handler: string::getrange,
        ..Command::EMPTY
    },
    Command {
        name: "getset",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Set the string value of a key and return its old value",
        deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
        arguments: "key@0 value",
        handler: string::getset,
        ..Command::EMPTY
    },
    Command {
        name: "incr",
        arity: 2,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Increment the integer value of a key by one",
        arguments: "key@0",
        handler: string::incr,
        ..Command::EMPTY
    },
    Command {
        name: "incrby",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Increment the integer value of a key by the given amount",
        arguments: "key@0 increment:integer",
        handler: string::incrby,
        ..Command::EMPTY
    },
    Command {
        name: "incrbyfloat",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "2.6.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Increment the float value of a key by the given amount",
        arguments: "key@0 increment:double",
        handler: string::incrbyfloat,
        ..Command::EMPTY
    },
    Command {
        name: "lcs",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::range(1, 1, 1, RO | ACCESS)],
        since: "7.0.0",
        group: Group::String,
        complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        summary: "Find longest common substring",
        arguments: "key1@0 key2@0 [LEN] [IDX] [MINMATCHLEN=len:integer] [WITHMATCHLEN]",
        handler: string::lcs,
        ..Command::EMPTY
    },
    Command {
        name: "mget",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::range(1, -1, 1, RO | ACCESS)],
        tips: &["request_policy:multi_shard"],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(N) where N is the number of keys to retrieve.",
        summary: "Get the values of all the given keys",
        arguments: "key@0...",
        handler: string::mget,
        ..Command::EMPTY
    },
    Command {
        name: "mset",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::range(1, -1, 2, OW | UPDATE)],
        tips: &[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ],
        since: "1.0.1",
        group: Group::String,
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Set multiple keys to multiple values",
        arguments: "key_value{key@0 value}...",
        handler: string::mset,
        ..Command::EMPTY
    },
    Command {
        name: "msetnx",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::range(1, -1, 2, OW | INSERT)],
        tips: &["request_policy:multi_shard", "response_policy:agg_min"],
        since: "1.0.1",
        group: Group::String,
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Set multiple keys to multiple values, only if none of the keys exist",
        arguments: "key_value{key@0 value}...",
        handler: string::msetnx,
        ..Command::EMPTY
    },
    Command {
        name: "psetex",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, OW | UPDATE)],
        since: "2.6.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Set the value and expiration in milliseconds of a key",
        arguments: "key@0 milliseconds:integer value",
        handler: string::psetex,
        ..Command::EMPTY
    },
    Command {
        name: "set",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)
            .note("RW and ACCESS due to the optional `GET` argument")],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Set the string value of a key",
        history: &[
            ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
            ("6.0.0", "Added the `KEEPTTL` option."),
            ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
            (
                "7.0.0",
                "Allowed the `NX` and `GET` options to be used together.",
            ),
        ],
        arguments: "key@0 value [condition(NX | XX) since=2.6.12] [GET since=6.2.0] \
            [expiration(EX=seconds:integer since=2.6.12 | PX=milliseconds:integer since=2.6.12 \
            | EXAT=unix-time-seconds:unix-time since=6.2.0 \
            | PXAT=unix-time-milliseconds:unix-time since=6.2.0 | KEEPTTL since=6.0.0)]",
        handler: string::set,
        ..Command::EMPTY
    },
    Command {
        name: "setex",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, OW | UPDATE)],
        since: "2.0.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Set the value and expiration of a key",
        arguments: "key@0 seconds:integer value",
        handler: string::setex,
        ..Command::EMPTY
    },
    Command {
        name: "setnx",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, OW | INSERT)],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Set the value of a key, only if the key does not exist",
        arguments: "key@0 value",
        handler: string::setnx,
        ..Command::EMPTY
    },
    Command {
        name: "setrange",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "2.2.0",
        group: Group::String,
        complexity: "O(1), not counting the time taken to copy the new string in place. \
            Usually, this string is very small so the amortized complexity is O(1). Otherwise, \
            complexity is O(M) with M being the length of the value argument.",
        summary: "Overwrite part of a string at key starting at the specified offset",
        arguments: "key@0 offset:integer value",
        handler: string::setrange,
        ..Command::EMPTY
    },
    Command {
        name: "strlen",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO)],
        since: "2.2.0",
        group: Group::String,
        complexity: "O(1)",
        summary: "Get the length of the value stored in a key",
        arguments: "key@0",
        handler: string::strlen,
        ..Command::EMPTY
    },
    Command {
        name: "substr",
        arity: 4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.0.0",
        group: Group::String,
        complexity: "O(N) where N is the length of the returned string. The complexity is \
            ultimately determined by the returned length, but because creating a substring \
            from an existing string is very cheap, it can be considered O(1) for small strings.",
        summary: "Get a substring of the string stored at a key",
        deprecated: Some(("2.0.0", "`GETRANGE`")),
        arguments: "key@0 start:integer end:integer",
        handler: string::substr,
        ..Command::EMPTY
    },
];
