//! The rows of the scripting commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::{ACCESS, RO, RW, UPDATE};
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::scripting;

/// The scripting commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "eval",
        arity: -3,
        flags: flag::NOSCRIPT | flag::STALE | flag::SKIP_MONITOR | flag::NO_MANDATORY_KEYS,
        keys: &[KeySpec::counted(2, RW | ACCESS | UPDATE).note(
            "We cannot tell how the keys will be used so we assume the \
                    worst, RW and UPDATE",
        )],
        since: "2.6.0",
        group: Group::Scripting,
        complexity: "Depends on the script that is executed.",
        summary: "Execute a Lua script server side",
        arguments: "script numkeys:integer [key@0...] [arg...]",
        handler: scripting::eval,
        ..Command::EMPTY
    },
    Command {
        name: "eval_ro",
        arity: -3,
        flags: flag::READONLY
            | flag::NOSCRIPT
            | flag::STALE
            | flag::SKIP_MONITOR
            | flag::NO_MANDATORY_KEYS,
        keys: &[KeySpec::counted(2, RO | ACCESS).note(
            "We cannot tell how the keys will be used so we assume the \
                    worst, RO and ACCESS",
        )],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "Depends on the script that is executed.",
        summary: "Execute a read-only Lua script server side",
        arguments: "script numkeys:integer [key@0...] [arg...]",
        handler: scripting::eval_ro,
        ..Command::EMPTY
    },
    Command {
        name: "evalsha",
        arity: -3,
        flags: flag::NOSCRIPT | flag::STALE | flag::SKIP_MONITOR | flag::NO_MANDATORY_KEYS,
        keys: &[KeySpec::counted(2, RW | ACCESS | UPDATE)],
        since: "2.6.0",
        group: Group::Scripting,
        complexity: "Depends on the script that is executed.",
        summary: "Execute a Lua script server side",
        arguments: "sha1 numkeys:integer [key@0...] [arg...]",
        handler: scripting::evalsha,
        ..Command::EMPTY
    },
    Command {
        name: "evalsha_ro",
        arity: -3,
        flags: flag::READONLY
            | flag::NOSCRIPT
            | flag::STALE
            | flag::SKIP_MONITOR
            | flag::NO_MANDATORY_KEYS,
        keys: &[KeySpec::counted(2, RO | ACCESS)],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "Depends on the script that is executed.",
        summary: "Execute a read-only Lua script server side",
        arguments: "sha1 numkeys:integer [key@0...] [arg...]",
        handler: scripting::evalsha_ro,
        ..Command::EMPTY
    },
    Command {
        name: "fcall",
        arity: -3,
        flags: flag::NOSCRIPT | flag::STALE | flag::SKIP_MONITOR | flag::NO_MANDATORY_KEYS,
        keys: &[KeySpec::counted(2, RW | ACCESS | UPDATE).note(
            "We cannot tell how the keys will be used so we assume the \
                    worst, RW and UPDATE",
        )],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "Depends on the function that is executed.",
        summary: "Invoke a function",
        arguments: "function numkeys:integer [key@0...] [arg...]",
        handler: scripting::fcall,
        ..Command::EMPTY
    },
    Command {
        name: "fcall_ro",
        arity: -3,
        flags: flag::READONLY
            | flag::NOSCRIPT
            | flag::STALE
            | flag::SKIP_MONITOR
            | flag::NO_MANDATORY_KEYS,
        keys: &[KeySpec::counted(2, RO | ACCESS).note(
            "We cannot tell how the keys will be used so we assume the \
                    worst, RO and ACCESS",
        )],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "Depends on the function that is executed.",
        summary: "Invoke a read-only function",
        arguments: "function numkeys:integer [key@0...] [arg...]",
        handler: scripting::fcall_ro,
        ..Command::EMPTY
    },
    Command {
        name: "function",
        arity: -2,
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "Depends on subcommand.",
        summary: "A container for function commands",
        subcommands: FUNCTION,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "script",
        arity: -2,
        since: "2.6.0",
        group: Group::Scripting,
        complexity: "Depends on subcommand.",
        summary: "A container for Lua scripts management commands",
        subcommands: SCRIPT,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
];

/// The subcommands of `FUNCTION`.
const FUNCTION: &[Command] = &[
    Command {
        name: "function|delete",
        arity: 3,
        flags: flag::WRITE | flag::NOSCRIPT,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "O(1)",
        summary: "Delete a function by name",
        arguments: "library-name",
        handler: scripting::function_delete,
        ..Command::EMPTY
    },
    Command {
        name: "function|dump",
        arity: 2,
        flags: flag::NOSCRIPT,
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "O(N) where N is the number of functions",
        summary: "Dump all functions into a serialized binary payload",
        handler: scripting::function_dump,
        ..Command::EMPTY
    },
    Command {
        name: "function|flush",
        arity: -2,
        flags: flag::WRITE | flag::NOSCRIPT,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "O(N) where N is the number of functions deleted",
        summary: "Deleting all functions",
        arguments: "[async(ASYNC | SYNC)]",
        handler: scripting::function_flush,
        ..Command::EMPTY
    },
    Command {
        name: "function|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: scripting::function_help,
        ..Command::EMPTY
    },
    Command {
        name: "function|kill",
        arity: 2,
        flags: flag::NOSCRIPT | flag::ALLOW_BUSY,
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "O(1)",
        summary: "Kill the function currently in execution.",
        handler: scripting::function_kill,
        ..Command::EMPTY
    },
    Command {
        name: "function|list",
        arity: -2,
        flags: flag::NOSCRIPT,
        tips: &["nondeterministic_output_order"],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "O(N) where N is the number of functions",
        summary: "List information about all the functions",
        arguments: "[LIBRARYNAME=library-name-pattern] [WITHCODE]",
        handler: scripting::function_list,
        ..Command::EMPTY
    },
    Command {
        name: "function|load",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::NOSCRIPT,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "O(1) (considering compilation time is redundant)",
        summary: "Create a function with the given arguments (name, code, description)",
        arguments: "[REPLACE] function-code",
        handler: scripting::function_load,
        ..Command::EMPTY
    },
    Command {
        name: "function|restore",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::NOSCRIPT,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "O(N) where N is the number of functions on the payload",
        summary: "Restore all the functions on the given payload",
        arguments: "serialized-value [policy(FLUSH | APPEND | REPLACE)]",
        handler: scripting::function_restore,
        ..Command::EMPTY
    },
    Command {
        name: "function|stats",
        arity: 2,
        flags: flag::NOSCRIPT | flag::ALLOW_BUSY,
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        since: "7.0.0",
        group: Group::Scripting,
        complexity: "O(1)",
        summary: "Return information about the function currently running (name, \
            description, duration)",
        handler: scripting::function_stats,
        ..Command::EMPTY
    },
];

/// The subcommands of `SCRIPT`.
const SCRIPT: &[Command] = &[
    Command {
        name: "script|debug",
        arity: 3,
        flags: flag::NOSCRIPT,
        since: "3.2.0",
        group: Group::Scripting,
        complexity: "O(1)",
        summary: "Set the debug mode for executed scripts.",
        arguments: "mode(YES | SYNC | NO)",
        handler: scripting::script_debug,
        ..Command::EMPTY
    },
    Command {
        name: "script|exists",
        arity: -3,
        flags: flag::NOSCRIPT,
        tips: &[
            "request_policy:all_shards",
            "response_policy:agg_logical_and",
        ],
        since: "2.6.0",
        group: Group::Scripting,
        complexity: "O(N) with N being the number of scripts to check (so checking a \
            single script is an O(1) operation).",
        summary: "Check existence of scripts in the script cache.",
        arguments: "sha1...",
        handler: scripting::script_exists,
        ..Command::EMPTY
    },
    Command {
        name: "script|flush",
        arity: -2,
        flags: flag::NOSCRIPT,
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.6.0",
        group: Group::Scripting,
        complexity: "O(N) with N being the number of scripts in cache",
        summary: "Remove all the scripts from the script cache.",
        history: &[(
            "6.2.0",
            "Added the `ASYNC` and `SYNC` flushing mode modifiers.",
        )],
        arguments: "[async(ASYNC | SYNC) since=6.2.0]",
        handler: scripting::script_flush,
        ..Command::EMPTY
    },
    Command {
        name: "script|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "5.0.0",
        group: Group::Scripting,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: scripting::script_help,
        ..Command::EMPTY
    },
    Command {
        name: "script|kill",
        arity: 2,
        flags: flag::NOSCRIPT | flag::ALLOW_BUSY,
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        since: "2.6.0",
        group: Group::Scripting,
        complexity: "O(1)",
        summary: "Kill the script currently in execution.",
        handler: scripting::script_kill,
        ..Command::EMPTY
    },
    Command {
        name: "script|load",
        arity: 3,
        flags: flag::NOSCRIPT | flag::STALE,
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "2.6.0",
        group: Group::Scripting,
        complexity: "O(N) with N being the length in bytes of the script body.",
        summary: "Load the specified Lua script into the script cache.",
        arguments: "script",
        handler: scripting::script_load,
        ..Command::EMPTY
    },
];
