//! The rows of the JSON commands, after RedisJSON.

use crate::protocol::resp::command::access::{ACCESS, DELETE, RO, RW, UPDATE};
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::json;

/// The JSON commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "json.del",
        arity: -2,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "1.0.0",
        group: Group::Json,
        complexity: "O(N) where N is the number of values the path matches.",
        summary: "Removes the values at a path; without one, the key.",
        arguments: "key@0 [path]",
        handler: json::json_del,
        ..Command::EMPTY
    },
    Command {
        name: "json.get",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.0.0",
        group: Group::Json,
        complexity: "O(N) where N is the size of the values returned.",
        summary: "Returns the values at one or more paths as JSON text.",
        arguments: "key@0 [INDENT=indent] [NEWLINE=newline] [SPACE=space] [path...]",
        handler: json::json_get,
        ..Command::EMPTY
    },
    Command {
        name: "json.set",
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "1.0.0",
        group: Group::Json,
        complexity: "O(N) where N is the size of the document and of the new value.",
        summary: "Sets the values at a path.",
        arguments: "key@0 path value [condition(NX | XX)]",
        handler: json::json_set,
        ..Command::EMPTY
    },
    Command {
        name: "json.type",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO)],
        since: "1.0.0",
        group: Group::Json,
        complexity: "O(N) where N is the number of values the path matches.",
        summary: "Returns the types of the values at a path.",
        arguments: "key@0 [path]",
        handler: json::json_type,
        ..Command::EMPTY
    },
];
