//! The rows of the stream commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::{ACCESS, DELETE, INSERT, RO, RW, UPDATE};
use crate::protocol::resp::command::{Begin, Command, Find, Group, KeySpec, flag};
use crate::protocol::resp::stream;

/// The stream commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xack",
        arity: -4,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1) for each message ID processed.",
        summary: "Marks a pending message as correctly processed, effectively removing \
            it from the pending entries list of the consumer group. Return value of the \
            command is the number of messages successfully acknowledged, that is, the IDs we \
            were actually able to resolve in the PEL.",
        arguments: "key@0 group id...",
        handler: stream::xack,
        ..Command::EMPTY
    },
    Command {
        name: "xadd",
        arity: -5,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE).note(
            "UPDATE instead of INSERT because of the optional trimming \
                    feature",
        )],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the \
            number of entries evicted.",
        summary: "Appends a new entry to a stream",
        history: &[
            (
                "6.2.0",
                "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the \
                `LIMIT` option.",
            ),
            ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ],
        arguments: "key@0 [NOMKSTREAM since=6.2.0] [trim{strategy(MAXLEN | MINID \
            since=6.2.0) [operator('='=equal:token | '~'=approximately:token)] threshold \
            [LIMIT=count:integer since=6.2.0]}] id_or_auto('*'=auto_id:token | id) \
            field_value{field value}...",
        handler: stream::xadd,
        ..Command::EMPTY
    },
    Command {
        name: "xautoclaim",
        arity: -6,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | DELETE)],
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        group: Group::Stream,
        complexity: "O(1) if COUNT is small.",
        summary: "Changes (or acquires) ownership of messages in a consumer group, as \
            if the messages were delivered to the specified consumer.",
        history: &[(
            "7.0.0",
            "Added an element to the reply array, containing deleted entries \
                the command cleared from the PEL",
        )],
        arguments: "key@0 group consumer min-idle-time start [COUNT=count:integer] [JUSTID]",
        handler: stream::xautoclaim,
        ..Command::EMPTY
    },
    Command {
        name: "xclaim",
        arity: -6,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(log N) with N being the number of messages in the PEL of the \
            consumer group.",
        summary: "Changes (or acquires) ownership of a message in a consumer group, as \
            if the message was delivered to the specified consumer.",
        arguments: "key@0 group consumer min-idle-time id... [IDLE=ms:integer] \
            [TIME=unix-time-milliseconds:unix-time] [RETRYCOUNT=count:integer] [FORCE] \
            [JUSTID] [LASTID=id]",
        handler: stream::xclaim,
        ..Command::EMPTY
    },
    Command {
        name: "xdel",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1) for each single item to delete in the stream, regardless of the \
            stream size.",
        summary: "Removes the specified entries from the stream. Returns the number of \
            items actually deleted, that may be different from the number of IDs passed in \
            case certain IDs do not exist.",
        arguments: "key@0 id...",
        handler: stream::xdel,
        ..Command::EMPTY
    },
    Command {
        name: "xgroup",
        arity: -2,
        since: "5.0.0",
        group: Group::Stream,
        complexity: "Depends on subcommand.",
        summary: "A container for consumer groups commands",
        subcommands: XGROUP,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "xinfo",
        arity: -2,
        since: "5.0.0",
        group: Group::Stream,
        complexity: "Depends on subcommand.",
        summary: "A container for stream introspection commands",
        subcommands: XINFO,
        handler: crate::protocol::resp::container,
        ..Command::EMPTY
    },
    Command {
        name: "xlen",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "Return the number of entries in a stream",
        arguments: "key@0",
        handler: stream::xlen,
        ..Command::EMPTY
    },
    Command {
        name: "xpending",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(N) with N being the number of elements returned, so asking for a \
            small fixed number of entries per call is O(1). O(M), where M is the total number \
            of entries scanned when used with the IDLE filter. When the command returns just \
            the summary and the list of consumers is small, it runs in O(1) time; otherwise, \
            an additional O(N) time for iterating every consumer.",
        summary: "Return information and entries from a stream consumer group pending \
            entries list, that are messages fetched but never acknowledged.",
        history: &[(
            "6.2.0",
            "Added the `IDLE` option and exclusive range intervals.",
        )],
        arguments: "key@0 group [filters{[IDLE=min-idle-time:integer since=6.2.0] start \
            end count:integer [consumer]}]",
        handler: stream::xpending,
        ..Command::EMPTY
    },
    Command {
        name: "xrange",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(N) with N being the number of elements being returned. If N is \
            constant (e.g. always asking for the first 10 elements with COUNT), you can \
            consider it O(1).",
        summary: "Return a range of elements in a stream, with IDs matching the \
            specified IDs interval",
        history: &[("6.2.0", "Added exclusive ranges.")],
        arguments: "key@0 start end [COUNT=count:integer]",
        handler: stream::xrange,
        ..Command::EMPTY
    },
    Command {
        name: "xread",
        arity: -4,
        flags: flag::READONLY | flag::BLOCKING,
        keys: &[KeySpec::new(
            Begin::Keyword("STREAMS", 1),
            Find::Range {
                last: -1,
                step: 1,
                limit: 2,
            },
            RO | ACCESS,
        )],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "For each stream mentioned: O(N) with N being the number of elements \
            being returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when \
            the BLOCK option is used, XADD will pay O(M) time in order to serve the M clients \
            blocked on the stream getting new data.",
        summary: "Return never seen elements in multiple streams, with IDs greater \
            than the ones reported by the caller for each stream. Can block.",
        arguments: "[COUNT=count:integer] [BLOCK=milliseconds:integer] \
            STREAMS=streams{key@0... id...}",
        handler: stream::xread,
        ..Command::EMPTY
    },
    Command {
        name: "xreadgroup",
        arity: -7,
        flags: flag::WRITE | flag::BLOCKING,
        keys: &[KeySpec::new(
            Begin::Keyword("STREAMS", 4),
            Find::Range {
                last: -1,
                step: 1,
                limit: 2,
            },
            RO | ACCESS,
        )],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "For each stream mentioned: O(M) with M being the number of elements \
            returned. If M is constant (e.g. always asking for the first 10 elements with \
            COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD \
            will pay the O(N) time in order to serve the N clients blocked on the stream \
            getting new data.",
        summary: "Return new entries from a stream using a consumer group, or access \
            the history of the pending entries for a given consumer. Can block.",
        arguments: "GROUP=group_consumer{group consumer} [COUNT=count:integer] \
            [BLOCK=milliseconds:integer] [NOACK] STREAMS=streams{key@0... id...}",
        handler: stream::xreadgroup,
        ..Command::EMPTY
    },
    Command {
        name: "xrevrange",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(N) with N being the number of elements returned. If N is constant \
            (e.g. always asking for the first 10 elements with COUNT), you can consider it \
            O(1).",
        summary: "Return a range of elements in a stream, with IDs matching the \
            specified IDs interval, in reverse order (from greater to smaller IDs) compared to \
            XRANGE",
        history: &[("6.2.0", "Added exclusive ranges.")],
        arguments: "key@0 end start [COUNT=count:integer]",
        handler: stream::xrevrange,
        ..Command::EMPTY
    },
    Command {
        name: "xsetid",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "An internal command for replicating stream values",
        history: &[(
            "7.0.0",
            "Added the `entries_added` and `max_deleted_entry_id` arguments.",
        )],
        arguments: "key@0 last-id [ENTRIESADDED=entries_added:integer since=7.0.0] \
            [MAXDELETEDID=max_deleted_entry_id since=7.0.0]",
        handler: stream::xsetid,
        ..Command::EMPTY
    },
    Command {
        name: "xtrim",
        arity: -4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, RW | DELETE)],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(N), with N being the number of evicted entries. Constant times are \
            very small however, since entries are organized in macro nodes containing multiple \
            entries that can be released with a single deallocation.",
        summary: "Trims the stream to (approximately if '~' is passed) a certain size",
        history: &[(
            "6.2.0",
            "Added the `MINID` trimming strategy and the `LIMIT` option.",
        )],
        arguments: "key@0 trim{strategy(MAXLEN | MINID since=6.2.0) \
            [operator('='=equal:token | '~'=approximately:token)] threshold \
            [LIMIT=count:integer since=6.2.0]}",
        handler: stream::xtrim,
        ..Command::EMPTY
    },
];

/// The subcommands of `XGROUP`.
const XGROUP: &[Command] = &[
    Command {
        name: "xgroup|create",
        arity: -5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(2, RW | INSERT)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "Create a consumer group.",
        history: &[("7.0.0", "Added the `entries_read` named argument.")],
        arguments: "key@0 groupname id(id | '$'=new_id:token) [MKSTREAM] \
            [ENTRIESREAD=entries_read:integer]",
        handler: stream::xgroup_create,
        ..Command::EMPTY
    },
    Command {
        name: "xgroup|createconsumer",
        arity: 5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(2, RW | INSERT)],
        since: "6.2.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "Create a consumer in a consumer group.",
        arguments: "key@0 groupname consumername",
        handler: stream::xgroup_createconsumer,
        ..Command::EMPTY
    },
    Command {
        name: "xgroup|delconsumer",
        arity: 5,
        flags: flag::WRITE,
        keys: &[KeySpec::one(2, RW | DELETE)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "Delete a consumer from a consumer group.",
        arguments: "key@0 groupname consumername",
        handler: stream::xgroup_delconsumer,
        ..Command::EMPTY
    },
    Command {
        name: "xgroup|destroy",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(2, RW | DELETE)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(N) where N is the number of entries in the group's pending entries \
            list (PEL).",
        summary: "Destroy a consumer group.",
        arguments: "key@0 groupname",
        handler: stream::xgroup_destroy,
        ..Command::EMPTY
    },
    Command {
        name: "xgroup|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: stream::xgroup_help,
        ..Command::EMPTY
    },
    Command {
        name: "xgroup|setid",
        arity: -5,
        flags: flag::WRITE,
        keys: &[KeySpec::one(2, RW | UPDATE)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "Set a consumer group to an arbitrary last delivered ID value.",
        history: &[("7.0.0", "Added the optional `entries_read` argument.")],
        arguments: "key@0 groupname id(id | '$'=new_id:token) \
            [ENTRIESREAD=entries_read:integer]",
        handler: stream::xgroup_setid,
        ..Command::EMPTY
    },
];

/// The subcommands of `XINFO`.
const XINFO: &[Command] = &[
    Command {
        name: "xinfo|consumers",
        arity: 4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(2, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "List the consumers in a consumer group",
        arguments: "key@0 groupname",
        handler: stream::xinfo_consumers,
        ..Command::EMPTY
    },
    Command {
        name: "xinfo|groups",
        arity: 3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(2, RO | ACCESS)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "List the consumer groups of a stream",
        history: &[("7.0.0", "Added the `entries-read` and `lag` fields")],
        arguments: "key@0",
        handler: stream::xinfo_groups,
        ..Command::EMPTY
    },
    Command {
        name: "xinfo|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "Show helpful text about the different subcommands",
        handler: stream::xinfo_help,
        ..Command::EMPTY
    },
    Command {
        name: "xinfo|stream",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(2, RO | ACCESS)],
        since: "5.0.0",
        group: Group::Stream,
        complexity: "O(1)",
        summary: "Get information about a stream",
        history: &[
            ("6.0.0", "Added the `FULL` modifier."),
            (
                "7.0.0",
                "Added the `max-deleted-entry-id`, `entries-added`, \
                `recorded-first-entry-id`, `entries-read` and `lag` fields",
            ),
        ],
        arguments: "key@0 [FULL=full{[COUNT=count:integer]}]",
        handler: stream::xinfo_stream,
        ..Command::EMPTY
    },
];
