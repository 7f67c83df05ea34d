//! The rows of the server commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::RO;
use crate::protocol::resp::command::{Command, Group, KeySpec, category, flag};
use crate::protocol::resp::server;

/// The server commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "acl",
        arity: -2,
        since: "6.0.0",
        group: Group::Server,
        complexity: "Depends on subcommand.",
        summary: "A container for Access List Control commands ",
        subcommands: ACL,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "bgrewriteaof",
        arity: 1,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::NO_ASYNC_LOADING,
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Asynchronously rewrite the append-only file",
        handler: server::bgrewriteaof,
        ..Command::EMPTY
    },
    Command {
        name: "bgsave",
        arity: -1,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::NO_ASYNC_LOADING,
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Asynchronously save the dataset to disk",
        history: &[("3.2.2", "Added the `SCHEDULE` option.")],
        arguments: "[SCHEDULE since=3.2.2]",
        handler: server::bgsave,
        ..Command::EMPTY
    },
    Command {
        name: "command",
        arity: -1,
        flags: flag::LOADING | flag::STALE,
        categories: category::CONNECTION,
        tips: &["nondeterministic_output_order"],
        since: "2.8.13",
        group: Group::Server,
        complexity: "O(N) where N is the total number of Redis commands",
        summary: "Get array of Redis command details",
        subcommands: COMMAND,
        handler: server::command,
        ..Command::EMPTY
    },
    Command {
        name: "config",
        arity: -2,
        since: "2.0.0",
        group: Group::Server,
        complexity: "Depends on subcommand.",
        summary: "A container for server configuration commands",
        subcommands: CONFIG,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "dbsize",
        arity: 1,
        flags: flag::READONLY | flag::FAST,
        categories: category::KEYSPACE,
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Return the number of keys in the selected database",
        handler: server::dbsize,
        ..Command::EMPTY
    },
    Command {
        name: "debug",
        arity: -2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::SYSTEM,
        since: "1.0.0",
        group: Group::Server,
        complexity: "Depends on subcommand.",
        summary: "A container for debugging commands",
        handler: server::debug,
        ..Command::EMPTY
    },
    Command {
        name: "flush",
        arity: 1,
        flags: flag::WRITE,
        categories: category::KEYSPACE | category::DANGEROUS,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.2.0",
        group: Group::Server,
        complexity: "O(N) where N is the number of keys in the selected database.",
        summary: "Another name of FLUSHDB without arguments: empties the selected \
            database.",
        handler: server::flush,
        ..Command::EMPTY
    },
    Command {
        name: "flushall",
        arity: -1,
        flags: flag::WRITE,
        categories: category::KEYSPACE | category::DANGEROUS,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Remove all keys from all databases",
        history: &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
        arguments: "[async(ASYNC since=4.0.0 | SYNC since=6.2.0)]",
        handler: server::flushall,
        ..Command::EMPTY
    },
    Command {
        name: "flushdb",
        arity: -1,
        flags: flag::WRITE,
        categories: category::KEYSPACE | category::DANGEROUS,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(N) where N is the number of keys in the selected database",
        summary: "Remove all keys from the current database",
        history: &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
        arguments: "[async(ASYNC since=4.0.0 | SYNC since=6.2.0)]",
        handler: server::flushdb,
        ..Command::EMPTY
    },
    Command {
        name: "info",
        arity: -1,
        flags: flag::LOADING | flag::STALE,
        categories: category::DANGEROUS,
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Get information and statistics about the server",
        history: &[(
            "7.0.0",
            "Added support for taking multiple section arguments.",
        )],
        arguments: "[section...]",
        handler: server::info,
        ..Command::EMPTY
    },
    Command {
        name: "lastsave",
        arity: 1,
        flags: flag::LOADING | flag::STALE | flag::FAST,
        categories: category::ADMIN | category::DANGEROUS,
        tips: &["nondeterministic_output"],
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Get the UNIX time stamp of the last successful save to disk",
        handler: server::lastsave,
        ..Command::EMPTY
    },
    Command {
        name: "latency",
        arity: -2,
        since: "2.8.13",
        group: Group::Server,
        complexity: "Depends on subcommand.",
        summary: "A container for latency diagnostics commands",
        subcommands: LATENCY,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "lolwut",
        arity: -1,
        flags: flag::READONLY | flag::FAST,
        since: "5.0.0",
        group: Group::Server,
        summary: "Display some computer art and the Redis version",
        arguments: "[VERSION=version:integer]",
        handler: server::lolwut,
        ..Command::EMPTY
    },
    Command {
        name: "memory",
        arity: -2,
        since: "4.0.0",
        group: Group::Server,
        complexity: "Depends on subcommand.",
        summary: "A container for memory diagnostics commands",
        subcommands: MEMORY,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "monitor",
        arity: 1,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "1.0.0",
        group: Group::Server,
        summary: "Listen for all requests received by the server in real time",
        handler: server::monitor,
        ..Command::EMPTY
    },
    Command {
        name: "save",
        arity: 1,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::NO_ASYNC_LOADING | flag::NO_MULTI,
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Synchronously save the dataset to disk",
        handler: server::save,
        ..Command::EMPTY
    },
    Command {
        name: "shutdown",
        arity: -1,
        flags: flag::ADMIN
            | flag::NOSCRIPT
            | flag::LOADING
            | flag::STALE
            | flag::NO_MULTI
            | flag::ALLOW_BUSY,
        since: "1.0.0",
        group: Group::Server,
        complexity: "O(N) when saving, where N is the total number of keys in all \
            databases when saving data, otherwise O(1)",
        summary: "Synchronously save the dataset to disk and then shut down the server",
        history: &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
        arguments: "[nosave_save(NOSAVE | SAVE)] [NOW since=7.0.0] [FORCE since=7.0.0] \
            [ABORT since=7.0.0]",
        handler: server::shutdown,
        ..Command::EMPTY
    },
    Command {
        name: "slowlog",
        arity: -2,
        since: "2.2.12",
        group: Group::Server,
        complexity: "Depends on subcommand.",
        summary: "A container for slow log commands",
        subcommands: SLOWLOG,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "swapdb",
        arity: 3,
        flags: flag::WRITE | flag::FAST,
        categories: category::KEYSPACE | category::DANGEROUS,
        since: "4.0.0",
        group: Group::Server,
        complexity: "O(N) where N is the count of clients watching or blocking on keys \
            from both databases.",
        summary: "Swaps two Redis databases",
        arguments: "index1:integer index2:integer",
        handler: server::swapdb,
        ..Command::EMPTY
    },
    Command {
        name: "time",
        arity: 1,
        flags: flag::LOADING | flag::STALE | flag::FAST,
        tips: &["nondeterministic_output"],
        since: "2.6.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Return the current server time",
        handler: server::time,
        ..Command::EMPTY
    },
];

/// The subcommands of `ACL`.
const ACL: &[Command] = &[
    Command {
        name: "acl|cat",
        arity: -2,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(1) since the categories and commands are a fixed set.",
        summary: "List the ACL categories or the commands inside a category",
        arguments: "[categoryname]",
        handler: server::acl_cat,
        ..Command::EMPTY
    },
    Command {
        name: "acl|deluser",
        arity: -3,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(1) amortized time considering the typical user.",
        summary: "Remove the specified ACL users and the associated rules",
        arguments: "username...",
        handler: server::acl_deluser,
        ..Command::EMPTY
    },
    Command {
        name: "acl|dryrun",
        arity: -4,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "7.0.0",
        group: Group::Server,
        complexity: "O(1).",
        summary: "Returns whether the user can execute the given command without \
            executing the command.",
        arguments: "username command [arg...]",
        handler: server::acl_dryrun,
        ..Command::EMPTY
    },
    Command {
        name: "acl|genpass",
        arity: -2,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Generate a pseudorandom secure password to use for ACL users",
        arguments: "[bits:integer]",
        handler: server::acl_genpass,
        ..Command::EMPTY
    },
    Command {
        name: "acl|getuser",
        arity: 3,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(N). Where N is the number of password, command and pattern rules \
            that the user has.",
        summary: "Get the rules for a specific ACL user",
        history: &[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            (
                "7.0.0",
                "Added selectors and changed the format of key and channel \
                patterns from a list to their rule representation.",
            ),
        ],
        arguments: "username",
        handler: server::acl_getuser,
        ..Command::EMPTY
    },
    Command {
        name: "acl|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: server::acl_help,
        ..Command::EMPTY
    },
    Command {
        name: "acl|list",
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(N). Where N is the number of configured users.",
        summary: "List the current ACL rules in ACL config file format",
        handler: server::acl_list,
        ..Command::EMPTY
    },
    Command {
        name: "acl|load",
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Reload the ACLs from the configured ACL file",
        handler: server::acl_load,
        ..Command::EMPTY
    },
    Command {
        name: "acl|log",
        arity: -2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(N) with N being the number of entries shown.",
        summary: "List latest events denied because of ACLs in place",
        arguments: "[operation(count:integer | RESET)]",
        handler: server::acl_log,
        ..Command::EMPTY
    },
    Command {
        name: "acl|save",
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Save the current ACL rules in the configured ACL file",
        handler: server::acl_save,
        ..Command::EMPTY
    },
    Command {
        name: "acl|setuser",
        arity: -3,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(N). Where N is the number of rules provided.",
        summary: "Modify or create the rules for a specific ACL user",
        history: &[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            ("7.0.0", "Added selectors and key based permissions."),
        ],
        arguments: "username [rule...]",
        handler: server::acl_setuser,
        ..Command::EMPTY
    },
    Command {
        name: "acl|users",
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(N). Where N is the number of configured users.",
        summary: "List the username of all the configured ACL rules",
        handler: server::acl_users,
        ..Command::EMPTY
    },
    Command {
        name: "acl|whoami",
        arity: 2,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Return the name of the user associated to the current connection",
        handler: server::acl_whoami,
        ..Command::EMPTY
    },
];

/// The subcommands of `COMMAND`.
const COMMAND: &[Command] = &[
    Command {
        name: "command|count",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        categories: category::CONNECTION,
        since: "2.8.13",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Get total number of Redis commands",
        handler: server::command_count,
        ..Command::EMPTY
    },
    Command {
        name: "command|docs",
        arity: -2,
        flags: flag::LOADING | flag::STALE,
        categories: category::CONNECTION,
        tips: &["nondeterministic_output_order"],
        since: "7.0.0",
        group: Group::Server,
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Get array of specific Redis command documentation",
        arguments: "[command-name...]",
        handler: server::command_docs,
        ..Command::EMPTY
    },
    Command {
        name: "command|getkeys",
        arity: -4,
        flags: flag::LOADING | flag::STALE,
        categories: category::CONNECTION,
        since: "2.8.13",
        group: Group::Server,
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extract keys given a full Redis command",
        handler: server::command_getkeys,
        ..Command::EMPTY
    },
    Command {
        name: "command|getkeysandflags",
        arity: -4,
        flags: flag::LOADING | flag::STALE,
        categories: category::CONNECTION,
        since: "7.0.0",
        group: Group::Server,
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extract keys and access flags given a full Redis command",
        handler: server::command_getkeysandflags,
        ..Command::EMPTY
    },
    Command {
        name: "command|info",
        arity: -2,
        flags: flag::LOADING | flag::STALE,
        categories: category::CONNECTION,
        tips: &["nondeterministic_output_order"],
        since: "2.8.13",
        group: Group::Server,
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Get array of specific Redis command details, or all when no argument \
            is given.",
        history: &[(
            "7.0.0",
            "Allowed to be called with no argument to get info on all commands.",
        )],
        arguments: "[command-name...]",
        handler: server::command_info,
        ..Command::EMPTY
    },
    Command {
        name: "command|list",
        arity: -2,
        flags: flag::LOADING | flag::STALE,
        categories: category::CONNECTION,
        tips: &["nondeterministic_output_order"],
        since: "7.0.0",
        group: Group::Server,
        complexity: "O(N) where N is the total number of Redis commands",
        summary: "Get an array of Redis command names",
        arguments: "[FILTERBY=filterby(MODULE=module-name | ACLCAT=category \
            | PATTERN=pattern:pattern)]",
        handler: server::command_list,
        ..Command::EMPTY
    },
];

/// The subcommands of `CONFIG`.
const CONFIG: &[Command] = &[
    Command {
        name: "config|get",
        arity: -3,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.0.0",
        group: Group::Server,
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Get the values of configuration parameters",
        history: &[(
            "7.0.0",
            "Added the ability to pass multiple pattern parameters in one call",
        )],
        arguments: "parameter{parameter}...",
        handler: server::config_get,
        ..Command::EMPTY
    },
    Command {
        name: "config|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "5.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: server::config_help,
        ..Command::EMPTY
    },
    Command {
        name: "config|resetstat",
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Reset the stats returned by INFO",
        handler: server::config_resetstat,
        ..Command::EMPTY
    },
    Command {
        name: "config|rewrite",
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.8.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Rewrite the configuration file with the in memory configuration",
        handler: server::config_rewrite,
        ..Command::EMPTY
    },
    Command {
        name: "config|set",
        arity: -4,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.0.0",
        group: Group::Server,
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Set configuration parameters to the given values",
        history: &[(
            "7.0.0",
            "Added the ability to set multiple parameters in one call.",
        )],
        arguments: "parameter_value{parameter value}...",
        handler: server::config_set,
        ..Command::EMPTY
    },
];

/// The subcommands of `LATENCY`.
const LATENCY: &[Command] = &[
    Command {
        name: "latency|doctor",
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        tips: &[
            "nondeterministic_output",
            "request_policy:all_nodes",
            "response_policy:special",
        ],
        since: "2.8.13",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Return a human readable latency analysis report.",
        handler: server::latency_doctor,
        ..Command::EMPTY
    },
    Command {
        name: "latency|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "2.8.13",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands.",
        handler: server::latency_help,
        ..Command::EMPTY
    },
    Command {
        name: "latency|histogram",
        arity: -2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        tips: &[
            "nondeterministic_output",
            "request_policy:all_nodes",
            "response_policy:special",
        ],
        since: "7.0.0",
        group: Group::Server,
        complexity: "O(N) where N is the number of commands with latency information \
            being retrieved.",
        summary: "Return the cumulative distribution of latencies of a subset of \
            commands or all.",
        arguments: "[command...]",
        handler: server::latency_histogram,
        ..Command::EMPTY
    },
    Command {
        name: "latency|history",
        arity: 3,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        tips: &[
            "nondeterministic_output",
            "request_policy:all_nodes",
            "response_policy:special",
        ],
        since: "2.8.13",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Return timestamp-latency samples for the event.",
        arguments: "event",
        handler: server::latency_history,
        ..Command::EMPTY
    },
    Command {
        name: "latency|latest",
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        tips: &[
            "nondeterministic_output",
            "request_policy:all_nodes",
            "response_policy:special",
        ],
        since: "2.8.13",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Return the latest latency samples for all events.",
        handler: server::latency_latest,
        ..Command::EMPTY
    },
    Command {
        name: "latency|reset",
        arity: -2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.8.13",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Reset latency data for one or more events.",
        arguments: "[event...]",
        handler: server::latency_reset,
        ..Command::EMPTY
    },
];

/// The subcommands of `MEMORY`.
const MEMORY: &[Command] = &[
    Command {
        name: "memory|doctor",
        arity: 2,
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        since: "4.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Outputs memory problems report",
        handler: server::memory_doctor,
        ..Command::EMPTY
    },
    Command {
        name: "memory|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "4.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: server::memory_help,
        ..Command::EMPTY
    },
    Command {
        name: "memory|malloc-stats",
        arity: 2,
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        since: "4.0.0",
        group: Group::Server,
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Show allocator internal stats",
        handler: server::memory_malloc_stats,
        ..Command::EMPTY
    },
    Command {
        name: "memory|purge",
        arity: 2,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "4.0.0",
        group: Group::Server,
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Ask the allocator to release memory",
        handler: server::memory_purge,
        ..Command::EMPTY
    },
    Command {
        name: "memory|stats",
        arity: 2,
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        since: "4.0.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Show memory usage details",
        handler: server::memory_stats,
        ..Command::EMPTY
    },
    Command {
        name: "memory|usage",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(2, RO)],
        since: "4.0.0",
        group: Group::Server,
        complexity: "O(N) where N is the number of samples.",
        summary: "Estimate the memory usage of a key",
        arguments: "key@0 [SAMPLES=count:integer]",
        handler: server::memory_usage,
        ..Command::EMPTY
    },
];

/// The subcommands of `SLOWLOG`.
const SLOWLOG: &[Command] = &[
    Command {
        name: "slowlog|get",
        arity: -2,
        flags: flag::ADMIN | flag::LOADING | flag::STALE,
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        since: "2.2.12",
        group: Group::Server,
        complexity: "O(N) where N is the number of entries returned",
        summary: "Get the slow log's entries",
        history: &[(
            "4.0.0",
            "Added client IP address, port and name to the reply.",
        )],
        arguments: "[count:integer]",
        handler: server::slowlog_get,
        ..Command::EMPTY
    },
    Command {
        name: "slowlog|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "6.2.0",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: server::slowlog_help,
        ..Command::EMPTY
    },
    Command {
        name: "slowlog|len",
        arity: 2,
        flags: flag::ADMIN | flag::LOADING | flag::STALE,
        tips: &[
            "request_policy:all_nodes",
            "response_policy:agg_sum",
            "nondeterministic_output",
        ],
        since: "2.2.12",
        group: Group::Server,
        complexity: "O(1)",
        summary: "Get the slow log's length",
        handler: server::slowlog_len,
        ..Command::EMPTY
    },
    Command {
        name: "slowlog|reset",
        arity: 2,
        flags: flag::ADMIN | flag::LOADING | flag::STALE,
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.2.12",
        group: Group::Server,
        complexity: "O(N) where N is the number of entries in the slowlog",
        summary: "Clear all entries from the slow log",
        handler: server::slowlog_reset,
        ..Command::EMPTY
    },
];
