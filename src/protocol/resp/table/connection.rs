//! The rows of the connection commands: what each is, and which function runs it.

use crate::protocol::resp::command::{Command, Group, flag};
use crate::protocol::resp::connection;

/// The connection commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "auth",
        arity: -2,
        flags: flag::NOSCRIPT
            | flag::LOADING
            | flag::STALE
            | flag::FAST
            | flag::NO_AUTH
            | flag::ALLOW_BUSY,
        since: "1.0.0",
        group: Group::Connection,
        complexity: "O(N) where N is the number of passwords defined for the user",
        summary: "Authenticate to the server",
        history: &[("6.0.0", "Added ACL style (username and password).")],
        arguments: "[username since=6.0.0] password",
        handler: connection::auth,
        ..Command::EMPTY
    },
    Command {
        name: "client",
        arity: -2,
        since: "2.4.0",
        group: Group::Connection,
        complexity: "Depends on subcommand.",
        summary: "A container for client connection commands",
        subcommands: CLIENT,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "echo",
        arity: 2,
        flags: flag::LOADING | flag::STALE | flag::FAST,
        since: "1.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Echo the given string",
        arguments: "message",
        handler: connection::echo,
        ..Command::EMPTY
    },
    Command {
        name: "hello",
        arity: -1,
        flags: flag::NOSCRIPT
            | flag::LOADING
            | flag::STALE
            | flag::FAST
            | flag::NO_AUTH
            | flag::ALLOW_BUSY,
        since: "6.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Handshake with Redis",
        history: &[(
            "6.2.0",
            "`protover` made optional; when called without arguments the \
                command reports the current connection's context.",
        )],
        arguments: "[arguments{protover:integer [AUTH=username_password{username \
            password}] [SETNAME=clientname]}]",
        handler: connection::hello,
        ..Command::EMPTY
    },
    Command {
        name: "ping",
        arity: -1,
        flags: flag::FAST,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        since: "1.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Ping the server",
        arguments: "[message]",
        handler: connection::ping,
        ..Command::EMPTY
    },
    Command {
        name: "quit",
        arity: -1,
        flags: flag::NOSCRIPT
            | flag::LOADING
            | flag::STALE
            | flag::FAST
            | flag::NO_AUTH
            | flag::ALLOW_BUSY,
        since: "1.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Close the connection",
        handler: connection::quit,
        ..Command::EMPTY
    },
    Command {
        name: "reset",
        arity: 1,
        flags: flag::NOSCRIPT
            | flag::LOADING
            | flag::STALE
            | flag::FAST
            | flag::NO_AUTH
            | flag::ALLOW_BUSY,
        since: "6.2.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Reset the connection",
        handler: connection::reset,
        ..Command::EMPTY
    },
    Command {
        name: "select",
        arity: 2,
        flags: flag::LOADING | flag::STALE | flag::FAST,
        since: "1.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Change the selected database for the current connection",
        arguments: "index:integer",
        handler: connection::select,
        ..Command::EMPTY
    },
];

/// The subcommands of `CLIENT`.
const CLIENT: &[Command] = &[
    Command {
        name: "client|caching",
        arity: 3,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Instruct the server about tracking or not keys in the next request",
        arguments: "mode(YES | NO)",
        handler: connection::client_caching,
        ..Command::EMPTY
    },
    Command {
        name: "client|getname",
        arity: 2,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.6.9",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Get the current connection name",
        handler: connection::client_getname,
        ..Command::EMPTY
    },
    Command {
        name: "client|getredir",
        arity: 2,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Get tracking notifications redirection client ID if any",
        handler: connection::client_getredir,
        ..Command::EMPTY
    },
    Command {
        name: "client|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "5.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: connection::client_help,
        ..Command::EMPTY
    },
    Command {
        name: "client|id",
        arity: 2,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "5.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Returns the client ID for the current connection",
        handler: connection::client_id,
        ..Command::EMPTY
    },
    Command {
        name: "client|info",
        arity: 2,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Returns information about the current client connection.",
        handler: connection::client_info,
        ..Command::EMPTY
    },
    Command {
        name: "client|kill",
        arity: -3,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.4.0",
        group: Group::Connection,
        complexity: "O(N) where N is the number of client connections",
        summary: "Kill the connection of a client",
        history: &[
            ("2.8.12", "Added new filter format."),
            ("2.8.12", "`ID` option."),
            ("3.2.0", "Added `master` type in for `TYPE` option."),
            (
                "5.0.0",
                "Replaced `slave` `TYPE` with `replica`. `slave` still supported \
                for backward compatibility.",
            ),
            ("6.2.0", "`LADDR` option."),
        ],
        arguments: "filter(`ip:port` deprecated=2.8.12 \
            | new-format([ID=client-id:integer since=2.8.12] \
            | [TYPE=normal_master_slave_pubsub(NORMAL | MASTER since=3.2.0 | SLAVE | REPLICA \
            since=5.0.0 | PUBSUB) since=2.8.12] | [USER=username] | [ADDR=`ip:port`] \
            | [LADDR=`ip:port` since=6.2.0] | [SKIPME=`yes/no`])...)",
        handler: connection::client_kill,
        ..Command::EMPTY
    },
    Command {
        name: "client|list",
        arity: -2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        tips: &["nondeterministic_output"],
        since: "2.4.0",
        group: Group::Connection,
        complexity: "O(N) where N is the number of client connections",
        summary: "Get the list of client connections",
        history: &[
            ("2.8.12", "Added unique client `id` field."),
            ("5.0.0", "Added optional `TYPE` filter."),
            ("6.0.0", "Added `user` field."),
            (
                "6.2.0",
                "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the \
                optional `ID` filter.",
            ),
            (
                "7.0.0",
                "Added `resp`, `multi-mem`, `rbs` and `rbp` fields.",
            ),
            ("7.0.3", "Added `ssub` field."),
        ],
        arguments: "[TYPE=normal_master_replica_pubsub(NORMAL | MASTER | REPLICA \
            | PUBSUB) since=5.0.0] [ID=id{client-id:integer...} since=6.2.0]",
        handler: connection::client_list,
        ..Command::EMPTY
    },
    Command {
        name: "client|no-evict",
        arity: 3,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "7.0.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Set client eviction mode for the current connection",
        arguments: "enabled(ON | OFF)",
        handler: connection::client_no_evict,
        ..Command::EMPTY
    },
    Command {
        name: "client|no-touch",
        arity: 3,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "7.2.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Sets whether this connection's commands count as a use of the keys \
            they read.",
        arguments: "enabled(ON | OFF)",
        handler: connection::client_no_touch,
        ..Command::EMPTY
    },
    Command {
        name: "client|pause",
        arity: -3,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.9.50",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Stop processing commands from clients for some time",
        history: &[(
            "6.2.0",
            "`CLIENT PAUSE WRITE` mode added along with the `mode` option.",
        )],
        arguments: "timeout:integer [mode(WRITE | ALL) since=6.2.0]",
        handler: connection::client_pause,
        ..Command::EMPTY
    },
    Command {
        name: "client|reply",
        arity: 3,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "3.2.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Instruct the server whether to reply to commands",
        arguments: "on_off_skip(ON | OFF | SKIP)",
        handler: connection::client_reply,
        ..Command::EMPTY
    },
    Command {
        name: "client|setinfo",
        arity: 4,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        since: "7.2.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Tells the server the name or the version of the client's library.",
        arguments: "attr(LIB-NAME=libname | LIB-VER=libver)",
        handler: connection::client_setinfo,
        ..Command::EMPTY
    },
    Command {
        name: "client|setname",
        arity: 3,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "2.6.9",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Set the current connection name",
        arguments: "connection-name",
        handler: connection::client_setname,
        ..Command::EMPTY
    },
    Command {
        name: "client|tracking",
        arity: -3,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.0.0",
        group: Group::Connection,
        complexity: "O(1). Some options may introduce additional complexity.",
        summary: "Enable or disable server assisted client side caching support",
        arguments: "status(ON | OFF) [REDIRECT=client-id:integer] [PREFIX...=prefix...] \
            [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
        handler: connection::client_tracking,
        ..Command::EMPTY
    },
    Command {
        name: "client|trackinginfo",
        arity: 2,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.2.0",
        group: Group::Connection,
        complexity: "O(1)",
        summary: "Return information about server assisted client side caching for the \
            current connection",
        handler: connection::client_trackinginfo,
        ..Command::EMPTY
    },
    Command {
        name: "client|unblock",
        arity: -3,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "5.0.0",
        group: Group::Connection,
        complexity: "O(log N) where N is the number of client connections",
        summary: "Unblock a client blocked in a blocking command from a different \
            connection",
        arguments: "client-id:integer [timeout_error(TIMEOUT | ERROR)]",
        handler: connection::client_unblock,
        ..Command::EMPTY
    },
    Command {
        name: "client|unpause",
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        since: "6.2.0",
        group: Group::Connection,
        complexity: "O(N) Where N is the number of paused clients",
        summary: "Resume processing of clients that were paused",
        handler: connection::client_unpause,
        ..Command::EMPTY
    },
];
