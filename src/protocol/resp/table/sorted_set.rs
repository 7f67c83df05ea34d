//! The rows of the sorted set commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::{ACCESS, DELETE, OW, RO, RW, UPDATE};
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::sorted_set;

/// The sorted set commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bzmpop",
        arity: -5,
        flags: flag::WRITE | flag::BLOCKING,
        keys: &[KeySpec::counted(2, RW | ACCESS | DELETE)],
        since: "7.0.0",
        group: Group::SortedSet,
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being \
            the number of elements in the sorted set, and M being the number of elements \
            popped.",
        summary: "Remove and return members with scores in a sorted set or block until \
            one is available",
        arguments: "timeout:double numkeys:integer key@0... where(MIN | MAX) \
            [COUNT=count:integer]",
        handler: sorted_set::bzmpop,
        ..Command::EMPTY
    },
    Command {
        name: "bzpopmax",
        arity: -3,
        flags: flag::WRITE | flag::NOSCRIPT | flag::BLOCKING | flag::FAST,
        keys: &[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)],
        since: "5.0.0",
        group: Group::SortedSet,
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Remove and return the member with the highest score from one or more \
            sorted sets, or block until one is available",
        history: &[(
            "6.0.0",
            "`timeout` is interpreted as a double instead of an integer.",
        )],
        arguments: "key@0... timeout:double",
        handler: sorted_set::bzpopmax,
        ..Command::EMPTY
    },
    Command {
        name: "bzpopmin",
        arity: -3,
        flags: flag::WRITE | flag::NOSCRIPT | flag::BLOCKING | flag::FAST,
        keys: &[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)],
        since: "5.0.0",
        group: Group::SortedSet,
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Remove and return the member with the lowest score from one or more \
            sorted sets, or block until one is available",
        history: &[(
            "6.0.0",
            "`timeout` is interpreted as a double instead of an integer.",
        )],
        arguments: "key@0... timeout:double",
        handler: sorted_set::bzpopmin,
        ..Command::EMPTY
    },
    Command {
        name: "zadd",
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "1.2.0",
        group: Group::SortedSet,
        complexity: "O(log(N)) for each item added, where N is the number of elements in \
            the sorted set.",
        summary: "Add one or more members to a sorted set, or update its score if it \
            already exists",
        history: &[
            ("2.4.0", "Accepts multiple elements."),
            ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
            ("6.2.0", "Added the `GT` and `LT` options."),
        ],
        arguments: "key@0 [condition(NX | XX) since=3.0.2] [comparison(GT | LT) \
            since=6.2.0] [CH=change:token since=3.0.2] [INCR=increment:token since=3.0.2] \
            score_member{score:double member}...",
        handler: sorted_set::zadd,
        ..Command::EMPTY
    },
    Command {
        name: "zcard",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO)],
        since: "1.2.0",
        group: Group::SortedSet,
        complexity: "O(1)",
        summary: "Get the number of members in a sorted set",
        arguments: "key@0",
        handler: sorted_set::zcard,
        ..Command::EMPTY
    },
    Command {
        name: "zcount",
        arity: 4,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.0.0",
        group: Group::SortedSet,
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Count the members in a sorted set with scores within the given values",
        arguments: "key@0 min:double max:double",
        handler: sorted_set::zcount,
        ..Command::EMPTY
    },
    Command {
        name: "zdiff",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        since: "6.2.0",
        group: Group::SortedSet,
        complexity: "O(L + (N-K)log(N)) worst case where L is the total number of \
            elements in all the sets, N is the size of the first set, and K is the size of the \
            result set.",
        summary: "Subtract multiple sorted sets",
        arguments: "numkeys:integer key@0... [WITHSCORES]",
        handler: sorted_set::zdiff,
        ..Command::EMPTY
    },
    Command {
        name: "zdiffstore",
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, OW | UPDATE),
            KeySpec::counted(2, RO | ACCESS),
        ],
        since: "6.2.0",
        group: Group::SortedSet,
        complexity: "O(L + (N-K)log(N)) worst case where L is the total number of \
            elements in all the sets, N is the size of the first set, and K is the size of the \
            result set.",
        summary: "Subtract multiple sorted sets and store the resulting sorted set in \
            a new key",
        arguments: "destination@0 numkeys:integer key@1...",
        handler: sorted_set::zdiffstore,
        ..Command::EMPTY
    },
    Command {
        name: "zincrby",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "1.2.0",
        group: Group::SortedSet,
        complexity: "O(log(N)) where N is the number of elements in the sorted set.",
        summary: "Increment the score of a member in a sorted set",
        arguments: "key@0 increment:integer member",
        handler: sorted_set::zincrby,
        ..Command::EMPTY
    },
    Command {
        name: "zinter",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        since: "6.2.0",
        group: Group::SortedSet,
        complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted \
            set, K being the number of input sorted sets and M being the number of elements in \
            the resulting sorted set.",
        summary: "Intersect multiple sorted sets",
        arguments: "numkeys:integer key@0... [WEIGHTS=weight:integer...] \
            [AGGREGATE=aggregate(SUM | MIN | MAX)] [WITHSCORES]",
        handler: sorted_set::zinter,
        ..Command::EMPTY
    },
    Command {
        name: "zintercard",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        since: "7.0.0",
        group: Group::SortedSet,
        complexity: "O(N*K) worst case with N being the smallest input sorted set, K \
            being the number of input sorted sets.",
        summary: "Intersect multiple sorted sets and return the cardinality of the result",
        arguments: "numkeys:integer key@0... [LIMIT=limit:integer]",
        handler: sorted_set::zintercard,
        ..Command::EMPTY
    },
    Command {
        name: "zinterstore",
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, OW | UPDATE),
            KeySpec::counted(2, RO | ACCESS),
        ],
        since: "2.0.0",
        group: Group::SortedSet,
        complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted \
            set, K being the number of input sorted sets and M being the number of elements in \
            the resulting sorted set.",
        summary: "Intersect multiple sorted sets and store the resulting sorted set in \
            a new key",
        arguments: "destination@0 numkeys:integer key@1... [WEIGHTS=weight:integer...] \
            [AGGREGATE=aggregate(SUM | MIN | MAX)]",
        handler: sorted_set::zinterstore,
        ..Command::EMPTY
    },
    Command {
        name: "zlexcount",
        arity: 4,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.8.9",
        group: Group::SortedSet,
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Count the number of members in a sorted set between a given \
            lexicographical range",
        arguments: "key@0 min max",
        handler: sorted_set::zlexcount,
        ..Command::EMPTY
    },
    Command {
        name: "zmpop",
        arity: -4,
        flags: flag::WRITE,
        keys: &[KeySpec::counted(1, RW | ACCESS | DELETE)],
        since: "7.0.0",
        group: Group::SortedSet,
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being \
            the number of elements in the sorted set, and M being the number of elements \
            popped.",
        summary: "Remove and return members with scores in a sorted set",
        arguments: "numkeys:integer key@0... where(MIN | MAX) [COUNT=count:integer]",
        handler: sorted_set::zmpop,
        ..Command::EMPTY
    },
    Command {
        name: "zmscore",
        arity: -3,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "6.2.0",
        group: Group::SortedSet,
        complexity: "O(N) where N is the number of members being requested.",
        summary: "Get the score associated with the given members in a sorted set",
        arguments: "key@0 member...",
        handler: sorted_set::zmscore,
        ..Command::EMPTY
    },
    Command {
        name: "zpopmax",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
        since: "5.0.0",
        group: Group::SortedSet,
        complexity: "O(log(N)*M) with N being the number of elements in the sorted set, \
            and M being the number of elements popped.",
        summary: "Remove and return members with the highest scores in a sorted set",
        arguments: "key@0 [count:integer]",
        handler: sorted_set::zpopmax,
        ..Command::EMPTY
    },
    Command {
        name: "zpopmin",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
        since: "5.0.0",
        group: Group::SortedSet,
        complexity: "O(log(N)*M) with N being the number of elements in the sorted set, \
            and M being the number of elements popped.",
        summary: "Remove and return members with the lowest scores in a sorted set",
        arguments: "key@0 [count:integer]",
        handler: sorted_set::zpopmin,
        ..Command::EMPTY
    },
    Command {
        name: "zrandmember",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        since: "6.2.0",
        group: Group::SortedSet,
        complexity: "O(N) where N is the number of elements returned",
        summary: "Get one or multiple random elements from a sorted set",
        arguments: "key@0 [options{count:integer [WITHSCORES]}]",
        handler: sorted_set::zrandmember,
        ..Command::EMPTY
    },
    Command {
        name: "zrange",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.2.0",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements returned.",
        summary: "Return a range of members in a sorted set",
        history: &[(
            "6.2.0",
            "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.",
        )],
        arguments: "key@0 start stop [sortby(BYSCORE | BYLEX) since=6.2.0] [REV \
            since=6.2.0] [LIMIT=offset_count{offset:integer count:integer} since=6.2.0] \
            [WITHSCORES]",
        handler: sorted_set::zrange,
        ..Command::EMPTY
    },
    Command {
        name: "zrangebylex",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.8.9",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements being returned. If M is constant (e.g. always asking \
            for the first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary: "Return a range of members in a sorted set, by lexicographical range",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
        arguments: "key@0 min max [LIMIT=offset_count{offset:integer count:integer}]",
        handler: sorted_set::zrangebylex,
        ..Command::EMPTY
    },
    Command {
        name: "zrangebyscore",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.0.5",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements being returned. If M is constant (e.g. always asking \
            for the first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary: "Return a range of members in a sorted set, by score",
        history: &[("2.0.0", "Added the `WITHSCORES` modifier.")],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
        arguments: "key@0 min:double max:double [WITHSCORES since=2.0.0] \
            [LIMIT=offset_count{offset:integer count:integer}]",
        handler: sorted_set::zrangebyscore,
        ..Command::EMPTY
    },
    Command {
        name: "zrangestore",
        arity: -5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, OW | UPDATE), KeySpec::one(2, RO | ACCESS)],
        since: "6.2.0",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements stored into the destination key.",
        summary: "Store a range of members from sorted set into another key",
        arguments: "dst@0 src@1 min max [sortby(BYSCORE | BYLEX)] [REV] \
            [LIMIT=offset_count{offset:integer count:integer}]",
        handler: sorted_set::zrangestore,
        ..Command::EMPTY
    },
    Command {
        name: "zrank",
        arity: -3,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.0.0",
        group: Group::SortedSet,
        complexity: "O(log(N))",
        summary: "Determine the index of a member in a sorted set",
        history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
        arguments: "key@0 member [WITHSCORE since=7.2.0]",
        handler: sorted_set::zrank,
        ..Command::EMPTY
    },
    Command {
        name: "zrem",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "1.2.0",
        group: Group::SortedSet,
        complexity: "O(M*log(N)) with N being the number of elements in the sorted set \
            and M the number of elements to be removed.",
        summary: "Remove one or more members from a sorted set",
        history: &[("2.4.0", "Accepts multiple elements.")],
        arguments: "key@0 member...",
        handler: sorted_set::zrem,
        ..Command::EMPTY
    },
    Command {
        name: "zremrangebylex",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "2.8.9",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements removed by the operation.",
        summary: "Remove all members in a sorted set between the given lexicographical \
            range",
        arguments: "key@0 min max",
        handler: sorted_set::zremrangebylex,
        ..Command::EMPTY
    },
    Command {
        name: "zremrangebyrank",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "2.0.0",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements removed by the operation.",
        summary: "Remove all members in a sorted set within the given indexes",
        arguments: "key@0 start:integer stop:integer",
        handler: sorted_set::zremrangebyrank,
        ..Command::EMPTY
    },
    Command {
        name: "zremrangebyscore",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "1.2.0",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements removed by the operation.",
        summary: "Remove all members in a sorted set within the given scores",
        arguments: "key@0 min:double max:double",
        handler: sorted_set::zremrangebyscore,
        ..Command::EMPTY
    },
    Command {
        name: "zrevrange",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.2.0",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements returned.",
        summary: "Return a range of members in a sorted set, by index, with scores \
            ordered from high to low",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
        arguments: "key@0 start:integer stop:integer [WITHSCORES]",
        handler: sorted_set::zrevrange,
        ..Command::EMPTY
    },
    Command {
        name: "zrevrangebylex",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.8.9",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements being returned. If M is constant (e.g. always asking \
            for the first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary: "Return a range of members in a sorted set, by lexicographical range, \
            ordered from higher to lower strings.",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
        arguments: "key@0 max min [LIMIT=offset_count{offset:integer count:integer}]",
        handler: sorted_set::zrevrangebylex,
        ..Command::EMPTY
    },
    Command {
        name: "zrevrangebyscore",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.2.0",
        group: Group::SortedSet,
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set \
            and M the number of elements being returned. If M is constant (e.g. always asking \
            for the first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary: "Return a range of members in a sorted set, by score, with scores \
            ordered from high to low",
        history: &[("2.1.6", "`min` and `max` can be exclusive.")],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
        arguments: "key@0 max:double min:double [WITHSCORES] \
            [LIMIT=offset_count{offset:integer count:integer}]",
        handler: sorted_set::zrevrangebyscore,
        ..Command::EMPTY
    },
    Command {
        name: "zrevrank",
        arity: -3,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "2.0.0",
        group: Group::SortedSet,
        complexity: "O(log(N))",
        summary: "Determine the index of a member in a sorted set, with scores ordered \
            from high to low",
        history: &[("7.2.0", "Added the optional `WITHSCORE` argument.")],
        arguments: "key@0 member [WITHSCORE since=7.2.0]",
        handler: sorted_set::zrevrank,
        ..Command::EMPTY
    },
    Command {
        name: "zscan",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        since: "2.8.0",
        group: Group::SortedSet,
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough \
            command calls for the cursor to return back to 0. N is the number of elements \
            inside the collection..",
        summary: "Incrementally iterate sorted sets elements and associated scores",
        arguments: "key@0 cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer]",
        handler: sorted_set::zscan,
        ..Command::EMPTY
    },
    Command {
        name: "zscore",
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.2.0",
        group: Group::SortedSet,
        complexity: "O(1)",
        summary: "Get the score associated with the given member in a sorted set",
        arguments: "key@0 member",
        handler: sorted_set::zscore,
        ..Command::EMPTY
    },
    Command {
        name: "zunion",
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        since: "6.2.0",
        group: Group::SortedSet,
        complexity: "O(N)+O(M*log(M)) with N being the sum of the sizes of the input \
            sorted sets, and M being the number of elements in the resulting sorted set.",
        summary: "Add multiple sorted sets",
        arguments: "numkeys:integer key@0... [WEIGHTS=weight:integer...] \
            [AGGREGATE=aggregate(SUM | MIN | MAX)] [WITHSCORES]",
        handler: sorted_set::zunion,
        ..Command::EMPTY
    },
    Command {
        name: "zunionstore",
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, OW | UPDATE),
            KeySpec::counted(2, RO | ACCESS),
        ],
        since: "2.0.0",
        group: Group::SortedSet,
        complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input \
            sorted sets, and M being the number of elements in the resulting sorted set.",
        summary: "Add multiple sorted sets and store the resulting sorted set in a new \
            key",
        arguments: "destination@0 numkeys:integer key@1... [WEIGHTS=weight:integer...] \
            [AGGREGATE=aggregate(SUM | MIN | MAX)]",
        handler: sorted_set::zunionstore,
        ..Command::EMPTY
    },
];
