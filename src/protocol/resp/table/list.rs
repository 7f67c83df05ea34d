//! The rows of the list commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::{ACCESS, DELETE, INSERT, RO, RW, UPDATE};
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::list;

/// The list commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "blmove",
        arity: 6,
        flags: flag::WRITE | flag::DENYOOM | flag::NOSCRIPT | flag::BLOCKING,
        keys: &[
            KeySpec::one(1, RW | ACCESS | DELETE),
            KeySpec::one(2, RW | INSERT),
        ],
        since: "6.2.0",
        group: Group::List,
        complexity: "O(1)",
        summary: "Pop an element from a list, push it to another list and return it; \
            or block until one is available",
        arguments: "source@0 destination@1 wherefrom(LEFT | RIGHT) whereto(LEFT | RIGHT) \
            timeout:double",
        handler: list::blmove,
        ..Command::EMPTY
    },
    Command {
        name: "blmpop",
        arity: -5,
        flags: flag::WRITE | flag::BLOCKING,
        keys: &[KeySpec::counted(2, RW | ACCESS | DELETE)],
        since: "7.0.0",
        group: Group::List,
        complexity: "O(N+M) where N is the number of provided keys and M is the number of \
            elements returned.",
        summary: "Pop elements from a list, or block until one is available",
        arguments: "timeout:double numkeys:integer key@0... where(LEFT | RIGHT) \
            [COUNT=count:integer]",
        handler: list::blmpop,
        ..Command::EMPTY
    },
    Command {
        name: "blpop",
        arity: -3,
        flags: flag::WRITE | flag::NOSCRIPT | flag::BLOCKING,
        keys: &[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)],
        since: "2.0.0",
        group: Group::List,
        complexity: "O(N) where N is the number of provided keys.",
        summary: "Remove and get the first element in a list, or block until one is \
            available",
        history: &[(
            "6.0.0",
            "`timeout` is interpreted as a double instead of an integer.",
        )],
        arguments: "key@0... timeout:double",
        handler: list::blpop,
        ..Command::EMPTY
    },
    Command {
        name: "brpop",
        arity: -3,
        flags: flag::WRITE | flag::NOSCRIPT | flag::BLOCKING,
        keys: &[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)],
        since: "2.0.0",
        group: Group::List,
        complexity: "O(N) where N is the number of provided keys.",
        summary: "Remove and get the last element in a list, or block until one is \
            available",
        history: &[(
            "6.0.0",
            "`timeout` is interpreted as a double instead of an integer.",
        )],
        arguments: "key@0... timeout:double",
        handler: list::brpop,
        ..Command::EMPTY
    },
    Command {
        name: "brpoplpush",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM | flag::NOSCRIPT | flag::BLOCKING,
        keys: &[
            KeySpec::one(1, RW | ACCESS | DELETE),
            KeySpec::one(2, RW | INSERT),
        ],
        since: "2.2.0",
        group: Group::List,
        complexity: "O(1)",
        summary: "Pop an element from a list, push it to another list and return it; \
            or block until one is available",
        history: &[(
            "6.0.0",
            "`timeout` is interpreted as a double instead of an integer.",
        )],
        deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
        arguments: "source@0 destination@1 timeout:double",
        handler: list::brpoplpush,
        ..Command::EMPTY
    },
    Command {
        name: "lindex",
        arity: 3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(N) where N is the number of elements to traverse to get to the \
            element at index. This makes asking for the first or the last element of the list \
            O(1).",
        summary: "Get an element from a list by its index",
        arguments: "key@0 index:integer",
        handler: list::lindex,
        ..Command::EMPTY
    },
    Command {
        name: "linsert",
        arity: 5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "2.2.0",
        group: Group::List,
        complexity: "O(N) where N is the number of elements to traverse before seeing the \
            value pivot. This means that inserting somewhere on the left end on the list \
            (head) can be considered O(1) and inserting somewhere on the right end (tail) is \
            O(N).",
        summary: "Insert an element before or after another element in a list",
        arguments: "key@0 where(BEFORE | AFTER) pivot element",
        handler: list::linsert,
        ..Command::EMPTY
    },
    Command {
        name: "llen",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(1)",
        summary: "Get the length of a list",
        arguments: "key@0",
        handler: list::llen,
        ..Command::EMPTY
    },
    Command {
        name: "lmove",
        arity: 5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, RW | ACCESS | DELETE),
            KeySpec::one(2, RW | INSERT),
        ],
        since: "6.2.0",
        group: Group::List,
        complexity: "O(1)",
        summary: "Pop an element from a list, push it to another list and return it",
        arguments: "source@0 destination@1 wherefrom(LEFT | RIGHT) whereto(LEFT | RIGHT)",
        handler: list::lmove,
        ..Command::EMPTY
    },
    Command {
        name: "lmpop",
        arity: -4,
        flags: flag::WRITE,
        keys: &[KeySpec::counted(1, RW | ACCESS | DELETE)],
        since: "7.0.0",
        group: Group::List,
        complexity: "O(N+M) where N is the number of provided keys and M is the number of \
            elements returned.",
        summary: "Pop elements from a list",
        arguments: "numkeys:integer key@0... where(LEFT | RIGHT) [COUNT=count:integer]",
        handler: list::lmpop,
        ..Command::EMPTY
    },
    Command {
        name: "lpop",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(N) where N is the number of elements returned",
        summary: "Remove and get the first elements in a list",
        history: &[("6.2.0", "Added the `count` argument.")],
        arguments: "key@0 [count:integer since=6.2.0]",
        handler: list::lpop,
        ..Command::EMPTY
    },
    Command {
        name: "lpos",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "6.0.6",
        group: Group::List,
        complexity: "O(N) where N is the number of elements in the list, for the average \
            case. When searching for elements near the head or the tail of the list, or when \
            the MAXLEN option is provided, the command may run in constant time.",
        summary: "Return the index of matching elements on a list",
        arguments: "key@0 element [RANK=rank:integer] [COUNT=num-matches:integer] \
            [MAXLEN=len:integer]",
        handler: list::lpos,
        ..Command::EMPTY
    },
    Command {
        name: "lpush",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(1) for each element added, so O(N) to add N elements when the \
            command is called with multiple arguments.",
        summary: "Prepend one or multiple elements to a list",
        history: &[("2.4.0", "Accepts multiple `element` arguments.")],
        arguments: "key@0 element...",
        handler: list::lpush,
        ..Command::EMPTY
    },
    Command {
        name: "lpushx",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "2.2.0",
        group: Group::List,
        complexity: "O(1) for each element added, so O(N) to add N elements when the \
            command is called with multiple arguments.",
        summary: "Prepend an element to a list, only if the list exists",
        history: &[("4.0.0", "Accepts multiple `element` arguments.")],
        arguments: "key@0 element...",
        handler: list::lpushx,
        ..Command::EMPTY
    },
    Command {
        name: "lrange",
        arity: 4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(S+N) where S is the distance of start offset from HEAD for small \
            lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of \
            elements in the specified range.",
        summary: "Get a range of elements from a list",
        arguments: "key@0 start:integer stop:integer",
        handler: list::lrange,
        ..Command::EMPTY
    },
    Command {
        name: "lrem",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(N+M) where N is the length of the list and M is the number of \
            elements removed.",
        summary: "Remove elements from a list",
        arguments: "key@0 count:integer element",
        handler: list::lrem,
        ..Command::EMPTY
    },
    Command {
        name: "lset",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(N) where N is the length of the list. Setting either the first or \
            the last element of the list is O(1).",
        summary: "Set the value of an element in a list by its index",
        arguments: "key@0 index:integer element",
        handler: list::lset,
        ..Command::EMPTY
    },
    Command {
        name: "ltrim",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(N) where N is the number of elements to be removed by the operation.",
        summary: "Trim a list to the specified range",
        arguments: "key@0 start:integer stop:integer",
        handler: list::ltrim,
        ..Command::EMPTY
    },
    Command {
        name: "rpop",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(N) where N is the number of elements returned",
        summary: "Remove and get the last elements in a list",
        history: &[("6.2.0", "Added the `count` argument.")],
        arguments: "key@0 [count:integer since=6.2.0]",
        handler: list::rpop,
        ..Command::EMPTY
    },
    Command {
        name: "rpoplpush",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, RW | ACCESS | DELETE),
            KeySpec::one(2, RW | INSERT),
        ],
        since: "1.2.0",
        group: Group::List,
        complexity: "O(1)",
        summary: "Remove the last element in a list, prepend it to another list and \
            return it",
        deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
        arguments: "source@0 destination@1",
        handler: list::rpoplpush,
        ..Command::EMPTY
    },
    Command {
        name: "rpush",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "1.0.0",
        group: Group::List,
        complexity: "O(1) for each element added, so O(N) to add N elements when the \
            command is called with multiple arguments.",
        summary: "Append one or multiple elements to a list",
        history: &[("2.4.0", "Accepts multiple `element` arguments.")],
        arguments: "key@0 element...",
        handler: list::rpush,
        ..Command::EMPTY
    },
    Command {
        name: "rpushx",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "2.2.0",
        group: Group::List,
        complexity: "O(1) for each element added, so O(N) to add N elements when the \
            command is called with multiple arguments.",
        summary: "Append an element to a list, only if the list exists",
        history: &[("4.0.0", "Accepts multiple `element` arguments.")],
        arguments: "key@0 element...",
        handler: list::rpushx,
        ..Command::EMPTY
    },
];
