//! The rows of the generic commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::{ACCESS, DELETE, INSERT, OW, RM, RO, RW, UPDATE};
use crate::protocol::resp::command::{Command, Group, KeySpec, category, flag};
use crate::protocol::resp::generic;

/// The generic commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "copy",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RO | ACCESS), KeySpec::one(2, OW | UPDATE)],
        since: "6.2.0",
        group: Group::Generic,
        complexity: "O(N) worst case for collections, where N is the number of nested \
            items. O(1) for string values.",
        summary: "Copy a key",
        arguments: "source@0 destination@1 [DB=destination-db:integer] [REPLACE]",
        handler: generic::copy,
        ..Command::EMPTY
    },
    Command {
        name: "del",
        arity: -2,
        flags: flag::WRITE,
        keys: &[KeySpec::range(1, -1, 1, RM | DELETE)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(N) where N is the number of keys that will be removed. When a key \
            to remove holds a value other than a string, the individual complexity for this \
            key is O(M) where M is the number of elements in the list, set, sorted set or \
            hash. Removing a single key that holds a string value is O(1).",
        summary: "Delete a key",
        arguments: "key@0...",
        handler: generic::del,
        ..Command::EMPTY
    },
    Command {
        name: "delete",
        arity: -2,
        flags: flag::WRITE,
        keys: &[KeySpec::range(1, -1, 1, RM | DELETE)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        since: "7.2.0",
        group: Group::Generic,
        complexity: "O(N) where N is the number of keys and of the elements they hold.",
        summary: "Another name of DEL: removes keys and says how many there were.",
        arguments: "key@0...",
        handler: generic::delete,
        ..Command::EMPTY
    },
    Command {
        name: "dump",
        arity: 2,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        group: Group::Generic,
        complexity: "O(1) to access the key and additional O(N*M) to serialize it, where \
            N is the number of Redis objects composing the value and M their average size. For \
            small string values the time complexity is thus O(1)+O(1*M) where M is small, so \
            simply O(1).",
        summary: "Return a serialized version of the value stored at the specified key.",
        arguments: "key@0",
        handler: generic::dump,
        ..Command::EMPTY
    },
    Command {
        name: "exists",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::range(1, -1, 1, RO)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(N) where N is the number of keys to check.",
        summary: "Determine if a key exists",
        history: &[("3.0.3", "Accepts multiple `key` arguments.")],
        arguments: "key@0...",
        handler: generic::exists,
        ..Command::EMPTY
    },
    Command {
        name: "expire",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Set a key's time to live in seconds",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        arguments: "key@0 seconds:integer [condition(NX | XX | GT | LT) since=7.0.0]",
        handler: generic::expire,
        ..Command::EMPTY
    },
    Command {
        name: "expireat",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "1.2.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Set the expiration for a key as a UNIX timestamp",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        arguments: "key@0 unix-time-seconds:unix-time [condition(NX | XX | GT | LT) \
            since=7.0.0]",
        handler: generic::expireat,
        ..Command::EMPTY
    },
    Command {
        name: "expiretime",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "7.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Get the expiration Unix timestamp for a key",
        arguments: "key@0",
        handler: generic::expiretime,
        ..Command::EMPTY
    },
    Command {
        name: "keys",
        arity: 2,
        flags: flag::READONLY,
        categories: category::DANGEROUS,
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(N) with N being the number of keys in the database, under the \
            assumption that the key names in the database and the given pattern have limited \
            length.",
        summary: "Find all keys matching the given pattern",
        arguments: "pattern:pattern",
        handler: generic::keys,
        ..Command::EMPTY
    },
    Command {
        name: "move",
        arity: 3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Move a key to another database",
        arguments: "key@0 db:integer",
        handler: generic::move_,
        ..Command::EMPTY
    },
    Command {
        name: "object",
        arity: -2,
        since: "2.2.3",
        group: Group::Generic,
        complexity: "Depends on subcommand.",
        summary: "A container for object introspection commands",
        subcommands: OBJECT,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "persist",
        arity: 2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "2.2.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Remove the expiration from a key",
        arguments: "key@0",
        handler: generic::persist,
        ..Command::EMPTY
    },
    Command {
        name: "pexpire",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "2.6.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Set a key's time to live in milliseconds",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        arguments: "key@0 milliseconds:integer [condition(NX | XX | GT | LT) since=7.0.0]",
        handler: generic::pexpire,
        ..Command::EMPTY
    },
    Command {
        name: "pexpireat",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "2.6.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Set the expiration for a key as a UNIX timestamp specified in \
            milliseconds",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        arguments: "key@0 unix-time-milliseconds:unix-time [condition(NX | XX | GT | LT) \
            since=7.0.0]",
        handler: generic::pexpireat,
        ..Command::EMPTY
    },
    Command {
        name: "pexpiretime",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "7.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Get the expiration Unix timestamp for a key in milliseconds",
        arguments: "key@0",
        handler: generic::pexpiretime,
        ..Command::EMPTY
    },
    Command {
        name: "pttl",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Get the time to live for a key in milliseconds",
        history: &[("2.8.0", "Added the -2 reply.")],
        arguments: "key@0",
        handler: generic::pttl,
        ..Command::EMPTY
    },
    Command {
        name: "randomkey",
        arity: 1,
        flags: flag::READONLY,
        tips: &["request_policy:all_shards", "nondeterministic_output"],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Return a random key from the keyspace",
        handler: generic::randomkey,
        ..Command::EMPTY
    },
    Command {
        name: "rename",
        arity: 3,
        flags: flag::WRITE,
        keys: &[
            KeySpec::one(1, RW | ACCESS | DELETE),
            KeySpec::one(2, OW | UPDATE),
        ],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Rename a key",
        arguments: "key@0 newkey@1",
        handler: generic::rename,
        ..Command::EMPTY
    },
    Command {
        name: "renamenx",
        arity: 3,
        flags: flag::WRITE | flag::FAST,
        keys: &[
            KeySpec::one(1, RW | ACCESS | DELETE),
            KeySpec::one(2, OW | INSERT),
        ],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Rename a key, only if the new key does not exist",
        history: &[(
            "3.2.0",
            "The command no longer returns an error when source and \
                destination names are the same.",
        )],
        arguments: "key@0 newkey@1",
        handler: generic::renamenx,
        ..Command::EMPTY
    },
    Command {
        name: "restore",
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM,
        categories: category::DANGEROUS,
        keys: &[KeySpec::one(1, OW | UPDATE)],
        since: "2.6.0",
        group: Group::Generic,
        complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the \
            serialized value, where N is the number of Redis objects composing the value and M \
            their average size. For small string values the time complexity is thus \
            O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the \
            complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
        summary: "Create a key using the provided serialized value, previously \
            obtained using DUMP.",
        history: &[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ],
        arguments: "key@0 ttl:integer serialized-value [REPLACE since=3.0.0] [ABSTTL \
            since=5.0.0] [IDLETIME=seconds:integer since=5.0.0] [FREQ=frequency:integer \
            since=5.0.0]",
        handler: generic::restore,
        ..Command::EMPTY
    },
    Command {
        name: "scan",
        arity: -2,
        flags: flag::READONLY,
        tips: &["nondeterministic_output", "request_policy:special"],
        since: "2.8.0",
        group: Group::Generic,
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough \
            command calls for the cursor to return back to 0. N is the number of elements \
            inside the collection.",
        summary: "Incrementally iterate the keys space",
        history: &[("6.0.0", "Added the `TYPE` subcommand.")],
        arguments: "cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer] \
            [TYPE=type since=6.0.0]",
        handler: generic::scan,
        ..Command::EMPTY
    },
    Command {
        name: "sort",
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM,
        categories: category::SET | category::SORTEDSET | category::LIST | category::DANGEROUS,
        keys: &[
            KeySpec::one(1, RO | ACCESS),
            KeySpec::unknown(RO | ACCESS).note(
                "For the optional BY/GET keyword. It is marked 'unknown' \
                    because the key names derive from the content of the key we sort",
            ),
            KeySpec::unknown(OW | UPDATE).note(
                "For the optional STORE keyword. It is marked 'unknown' \
                    because the keyword can appear anywhere in the argument array",
            ),
        ],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(N+M*log(M)) where N is the number of elements in the list or set \
            to sort, and M the number of returned elements. When the elements are not sorted, \
            complexity is O(N).",
        summary: "Sort the elements in a list, set or sorted set",
        arguments: "key@0 [BY=pattern:pattern@1] [LIMIT=offset_count{offset:integer \
            count:integer}] [GET...=pattern:pattern@1...] [order(ASC | DESC)] \
            [ALPHA=sorting:token] [STORE=destination@2]",
        handler: generic::sort,
        ..Command::EMPTY
    },
    Command {
        name: "sort_ro",
        arity: -2,
        flags: flag::READONLY,
        categories: category::SET | category::SORTEDSET | category::LIST | category::DANGEROUS,
        keys: &[
            KeySpec::one(1, RO | ACCESS),
            KeySpec::unknown(RO | ACCESS).note(
                "For the optional BY/GET keyword. It is marked 'unknown' \
                    because the key names derive from the content of the key we sort",
            ),
        ],
        since: "7.0.0",
        group: Group::Generic,
        complexity: "O(N+M*log(M)) where N is the number of elements in the list or set \
            to sort, and M the number of returned elements. When the elements are not sorted, \
            complexity is O(N).",
        summary: "Sort the elements in a list, set or sorted set. Read-only variant of \
            SORT.",
        arguments: "key@0 [BY=pattern:pattern@1] [LIMIT=offset_count{offset:integer \
            count:integer}] [GET...=pattern:pattern@1...] [order(ASC | DESC)] \
            [ALPHA=sorting:token]",
        handler: generic::sort_ro,
        ..Command::EMPTY
    },
    Command {
        name: "touch",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::range(1, -1, 1, RO)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        since: "3.2.1",
        group: Group::Generic,
        complexity: "O(N) where N is the number of keys that will be touched.",
        summary: "Alters the last access time of a key(s). Returns the number of \
            existing keys specified.",
        arguments: "key@0...",
        handler: generic::touch,
        ..Command::EMPTY
    },
    Command {
        name: "ttl",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Get the time to live for a key in seconds",
        history: &[("2.8.0", "Added the -2 reply.")],
        arguments: "key@0",
        handler: generic::ttl,
        ..Command::EMPTY
    },
    Command {
        name: "type",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO)],
        since: "1.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Determine the type stored at key",
        arguments: "key@0",
        handler: generic::type_,
        ..Command::EMPTY
    },
    Command {
        name: "unlink",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::range(1, -1, 1, RM | DELETE)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        since: "4.0.0",
        group: Group::Generic,
        complexity: "O(1) for each key removed regardless of its size. Then the command \
            does O(N) work in a different thread in order to reclaim memory, where N is the \
            number of allocations the deleted objects where composed of.",
        summary: "Delete a key asynchronously in another thread. Otherwise it is just \
            as DEL, but non blocking.",
        arguments: "key@0...",
        handler: generic::unlink,
        ..Command::EMPTY
    },
    Command {
        name: "wait",
        arity: 3,
        flags: flag::NOSCRIPT,
        categories: category::CONNECTION,
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        since: "3.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Wait for the synchronous replication of all the write commands sent \
            in the context of the current connection",
        arguments: "numreplicas:integer timeout:integer",
        handler: generic::wait,
        ..Command::EMPTY
    },
];

/// The subcommands of `OBJECT`.
const OBJECT: &[Command] = &[
    Command {
        name: "object|encoding",
        arity: 3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(2, RO)],
        tips: &["nondeterministic_output"],
        since: "2.2.3",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Inspect the internal encoding of a Redis object",
        arguments: "key@0",
        handler: generic::object_encoding,
        ..Command::EMPTY
    },
    Command {
        name: "object|freq",
        arity: 3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(2, RO)],
        tips: &["nondeterministic_output"],
        since: "4.0.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Get the logarithmic access frequency counter of a Redis object",
        arguments: "key@0",
        handler: generic::object_freq,
        ..Command::EMPTY
    },
    Command {
        name: "object|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "6.2.0",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: generic::object_help,
        ..Command::EMPTY
    },
    Command {
        name: "object|idletime",
        arity: 3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(2, RO)],
        tips: &["nondeterministic_output"],
        since: "2.2.3",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Get the time since a Redis object was last accessed",
        arguments: "key@0",
        handler: generic::object_idletime,
        ..Command::EMPTY
    },
    Command {
        name: "object|refcount",
        arity: 3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(2, RO)],
        tips: &["nondeterministic_output"],
        since: "2.2.3",
        group: Group::Generic,
        complexity: "O(1)",
        summary: "Get the number of references to the value of the key",
        arguments: "key@0",
        handler: generic::object_refcount,
        ..Command::EMPTY
    },
];
