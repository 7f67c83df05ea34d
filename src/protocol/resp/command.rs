//! What a RESP command *is*: one row of the command table.
//!
//! The table is the one place where a command is described. Dispatch, arity checks, `COMMAND INFO`,
//! `COMMAND DOCS`, `COMMAND GETKEYS`, ACL categories and the README's table are all read from it.
//! A row holds only what cannot be derived: what its flags, its group and its key specifications
//! imply is computed here. This module must not know what any command does.

use super::Handler;

/// One command, or one subcommand of a container such as `CLIENT`.
///
/// Names are lower case, as `COMMAND` prints them. The texts are the ones clients and `redis-cli`
/// show to people. A row names what it has and takes the rest from [`Command::EMPTY`].
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Which of all commands of a server it is, for sets and counters of commands. A row does not state it: the table
    /// gives it.
    pub number: usize,
    /// Lower-case name; of a subcommand the full one, container included: `client|setname`.
    pub name: &'static str,
    /// Number of arguments, the name (and subcommand) included; negative: at least that many.
    pub arity: i16,
    /// What the command may do, as a set of [`flag`]s. `movablekeys` is derived, never stated.
    pub flags: u32,
    /// The ACL categories it belongs to beyond the ones its flags and group imply, as a set of
    /// [`category`] bits; see [`Command::acl_categories`].
    pub categories: u32,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// Hints for clients and proxies, such as `request_policy:all_shards`.
    pub tips: &'static [&'static str],
    /// The Redis version that had it first.
    pub since: &'static str,
    /// The family it is listed under.
    pub group: Group,
    /// Time complexity, for people; "" when nobody says.
    pub complexity: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Versions in which its behaviour changed, and how.
    pub history: &'static [(&'static str, &'static str)],
    /// `Some((since, replaced_by))` when it is deprecated.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// The grammar of its arguments; see [`super::arguments`] for the notation.
    pub arguments: &'static str,
    /// Its subcommands; empty for a plain command.
    pub subcommands: &'static [Command],
    /// The function that runs it.
    pub handler: Handler,
}

impl Command {
    /// What a row does not mention.
    pub const EMPTY: Command = Command {
        number: 0,
        name: "",
        arity: 1,
        flags: 0,
        categories: 0,
        keys: &[],
        tips: &[],
        since: "",
        group: Group::Generic,
        complexity: "",
        summary: "",
        history: &[],
        deprecated: None,
        arguments: "",
        subcommands: &[],
        handler: super::container,
    };

    /// Whether a request of `count` arguments, the name (and subcommand) included, has the right
    /// number of them.
    pub const fn accepts(&self, count: usize) -> bool {
        let stated = self.arity.unsigned_abs() as usize;
        count == stated || (self.arity < 0 && count > stated)
    }

    /// The name without its container: `setname` of `client|setname`.
    pub fn own_name(&self) -> &'static str {
        match self.name.rsplit_once('|') {
            Some((_, own)) => own,
            None => self.name,
        }
    }

    /// Whether it is a subcommand of a container.
    pub fn is_subcommand(&self) -> bool {
        self.name.contains('|')
    }

    /// Whether any of the given [`flag`]s is set. Does not see the derived `movablekeys`.
    pub const fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// All the [`flag`]s that `COMMAND INFO` shows: the row's own and the derived `movablekeys`.
    pub fn all_flags(&self) -> u32 {
        match self.range().1 {
            true => self.flags | flag::MOVABLEKEYS,
            false => self.flags,
        }
    }

    /// All the [`category`] bits of the command: the row's own, the ones its flags imply and the
    /// one its group implies.
    ///
    /// A row that names a category of the kind a group implies (`SORT`: lists, sets, sorted sets)
    /// thereby replaces the group's own. A container belongs to no group's category.
    pub const fn acl_categories(&self) -> u32 {
        let mut set = self.categories;
        if self.subcommands.is_empty() && set & category::OF_GROUPS == 0 {
            set |= self.group.category();
        }
        if self.has(flag::WRITE) {
            set |= category::WRITE;
        }
        if self.has(flag::READONLY) && set & category::SCRIPTING == 0 {
            set |= category::READ;
        }
        if self.has(flag::ADMIN) {
            set |= category::ADMIN | category::DANGEROUS;
        }
        if self.has(flag::PUBSUB) {
            set |= category::PUBSUB;
        }
        if self.has(flag::BLOCKING) {
            set |= category::BLOCKING;
        }
        set | match self.has(flag::FAST) {
            true => category::FAST,
            false => category::SLOW,
        }
    }

    /// The key positions in the form of Redis before 7.0: first key, last key (negative: counted
    /// from the end) and step; three zeros when there is no such range.
    pub fn key_range(&self) -> (i32, i32, i32) {
        self.range().0
    }

    /// The range of [`Command::key_range`], and whether it leaves keys out.
    fn range(&self) -> ((i32, i32, i32), bool) {
        if let [spec] = self.keys
            && let (Begin::Index(first), Find::Range { last, step, .. }) = (&spec.begin, &spec.find)
        {
            let last = if *last >= 0 { first + last } else { *last };
            return ((*first, last, *step), spec.access & access::INCOMPLETE != 0);
        }
        let (mut first_key, mut last_key, mut movable) = (0, 0, false);
        for spec in self.keys {
            match (&spec.begin, &spec.find) {
                // Only a range that continues the one before it can be told in three numbers.
                (Begin::Index(first), Find::Range { last, step: 1, .. })
                    if last_key == 0 || last_key == first - 1 =>
                {
                    movable |= spec.access & access::INCOMPLETE != 0;
                    if first_key == 0 {
                        first_key = *first;
                    }
                    last_key = if *last >= 0 { first + last } else { *last };
                }
                _ => movable = true,
            }
        }
        match first_key {
            0 => ((0, 0, 0), movable),
            _ => ((first_key, last_key, 1), movable),
        }
    }
}

/// The family a command is listed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is what its name says.
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Geo,
    Stream,
    Bitmap,
    TimeSeries,
    Json,
    Module,
}

impl Group {
    /// The name `COMMAND DOCS` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::HyperLogLog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::TimeSeries => "timeseries",
            Group::Json => "json",
            Group::Module => "module",
        }
    }

    /// The ACL [`category`] that its commands belong to; 0 when there is none.
    const fn category(self) -> u32 {
        match self {
            Group::Generic => category::KEYSPACE,
            Group::String => category::STRING,
            Group::List => category::LIST,
            Group::Set => category::SET,
            Group::SortedSet => category::SORTEDSET,
            Group::Hash => category::HASH,
            Group::Transactions => category::TRANSACTION,
            Group::Connection => category::CONNECTION,
            Group::Scripting => category::SCRIPTING,
            Group::HyperLogLog => category::HYPERLOGLOG,
            Group::Geo => category::GEO,
            Group::Stream => category::STREAM,
            Group::Bitmap => category::BITMAP,
            // Pub/sub goes by the flag: `PUBSUB HELP` has neither. The others have no category.
            Group::PubSub
            | Group::Server
            | Group::Cluster
            | Group::TimeSeries
            | Group::Json
            | Group::Module => 0,
        }
    }
}

/// Where a command's keys are among its arguments, and what is done to them (Redis's "key
/// specifications").
#[derive(Debug)]
pub struct KeySpec {
    /// What happens to the keys, as a set of [`access`] bits.
    pub access: u32,
    /// Where the first key is found.
    pub begin: Begin,
    /// Which arguments from there on are keys.
    pub find: Find,
    /// A remark for people, or "".
    pub notes: &'static str,
}

impl KeySpec {
    /// The one key at `index` (0 is the command's name).
    pub const fn one(index: i32, access: u32) -> Self {
        Self::range(index, 0, 1, access)
    }

    /// The keys from `index` up to `last` (relative; negative: from the end), every `step`-th.
    pub const fn range(index: i32, last: i32, step: i32, access: u32) -> Self {
        Self::new(
            Begin::Index(index),
            Find::Range {
                last,
                step,
                limit: 0,
            },
            access,
        )
    }

    /// A count at `index`, and that many keys right behind it.
    pub const fn counted(index: i32, access: u32) -> Self {
        Self::new(
            Begin::Index(index),
            Find::KeyNumber {
                number: 0,
                first: 1,
                step: 1,
            },
            access,
        )
    }

    /// The one key behind the word `keyword`, which is searched from the argument `from`.
    pub const fn after(keyword: &'static str, from: i32, access: u32) -> Self {
        Self::new(
            Begin::Keyword(keyword, from),
            Find::Range {
                last: 0,
                step: 1,
                limit: 0,
            },
            access,
        )
    }

    /// Keys that only the command itself can find.
    pub const fn unknown(access: u32) -> Self {
        Self::new(Begin::Unknown, Find::Unknown, access)
    }

    /// The general form.
    pub const fn new(begin: Begin, find: Find, access: u32) -> Self {
        KeySpec {
            access,
            begin,
            find,
            notes: "",
        }
    }

    /// Adds a remark for people.
    pub const fn note(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }
}

/// How the first key is found.
#[derive(Debug)]
pub enum Begin {
    /// At this argument (0 is the command's name).
    Index(i32),
    /// After this word, searched from the given argument (negative: from the end, backwards).
    Keyword(&'static str, i32),
    /// Only the command itself knows.
    Unknown,
}

/// Which arguments, from the first key on, are keys.
#[derive(Debug)]
pub enum Find {
    /// Up to `last` (relative; negative: from the end), every `step`-th; `limit` as Redis defines it.
    Range {
        /// The last key, relative to the first; negative: counted from the last argument.
        last: i32,
        /// Distance between keys.
        step: i32,
        /// With `last` -1: 0 or 1 means to the end, 2 only the first half, and so on.
        limit: i32,
    },
    /// A number of keys stands at `number`, the keys from `first` on, every `step`-th (all relative).
    KeyNumber {
        /// Where the count stands, relative to the start.
        number: i32,
        /// Where the first key stands, relative to the start.
        first: i32,
        /// Distance between keys.
        step: i32,
    },
    /// Only the command itself knows.
    Unknown,
}

/// A set's names in the order in which Redis prints them: `(bit, name)`.
pub type Names = [(u32, &'static str)];

/// What a command may do. The bits follow the order in which Redis prints them.
#[allow(missing_docs)] // The names are Redis's own; see <https://redis.io/docs/latest/commands/command/#flags>.
pub mod flag {
    pub const WRITE: u32 = 1 << 0;
    pub const READONLY: u32 = 1 << 1;
    pub const DENYOOM: u32 = 1 << 2;
    pub const ADMIN: u32 = 1 << 3;
    pub const PUBSUB: u32 = 1 << 4;
    pub const NOSCRIPT: u32 = 1 << 5;
    pub const BLOCKING: u32 = 1 << 6;
    pub const LOADING: u32 = 1 << 7;
    pub const STALE: u32 = 1 << 8;
    pub const SKIP_MONITOR: u32 = 1 << 9;
    pub const SKIP_SLOWLOG: u32 = 1 << 10;
    pub const ASKING: u32 = 1 << 11;
    pub const FAST: u32 = 1 << 12;
    pub const NO_AUTH: u32 = 1 << 13;
    pub const NO_MANDATORY_KEYS: u32 = 1 << 14;
    pub const NO_ASYNC_LOADING: u32 = 1 << 15;
    pub const NO_MULTI: u32 = 1 << 16;
    /// Derived from the key specifications: never written in a row.
    pub const MOVABLEKEYS: u32 = 1 << 17;
    pub const ALLOW_BUSY: u32 = 1 << 18;
    /// Not for clients: `COMMAND INFO` hides it, `COMMAND DOCS` calls it `syscmd`.
    pub const SYSTEM: u32 = 1 << 31;

    /// The printable ones, in Redis's order.
    pub const NAMES: &super::Names = &[
        (WRITE, "write"),
        (READONLY, "readonly"),
        (DENYOOM, "denyoom"),
        (ADMIN, "admin"),
        (PUBSUB, "pubsub"),
        (NOSCRIPT, "noscript"),
        (BLOCKING, "blocking"),
        (LOADING, "loading"),
        (STALE, "stale"),
        (SKIP_MONITOR, "skip_monitor"),
        (SKIP_SLOWLOG, "skip_slowlog"),
        (ASKING, "asking"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (NO_ASYNC_LOADING, "no_async_loading"),
        (NO_MULTI, "no_multi"),
        (MOVABLEKEYS, "movablekeys"),
        (ALLOW_BUSY, "allow_busy"),
    ];
}

/// The ACL categories. The bits follow the order in which Redis prints them.
#[allow(missing_docs)] // The names are Redis's own; see <https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/#command-categories>.
pub mod category {
    pub const KEYSPACE: u32 = 1 << 0;
    pub const READ: u32 = 1 << 1;
    pub const WRITE: u32 = 1 << 2;
    pub const SET: u32 = 1 << 3;
    pub const SORTEDSET: u32 = 1 << 4;
    pub const LIST: u32 = 1 << 5;
    pub const HASH: u32 = 1 << 6;
    pub const STRING: u32 = 1 << 7;
    pub const BITMAP: u32 = 1 << 8;
    pub const HYPERLOGLOG: u32 = 1 << 9;
    pub const GEO: u32 = 1 << 10;
    pub const STREAM: u32 = 1 << 11;
    pub const PUBSUB: u32 = 1 << 12;
    pub const ADMIN: u32 = 1 << 13;
    pub const FAST: u32 = 1 << 14;
    pub const SLOW: u32 = 1 << 15;
    pub const BLOCKING: u32 = 1 << 16;
    pub const DANGEROUS: u32 = 1 << 17;
    pub const CONNECTION: u32 = 1 << 18;
    pub const TRANSACTION: u32 = 1 << 19;
    pub const SCRIPTING: u32 = 1 << 20;

    /// The ones that a group can imply.
    pub(super) const OF_GROUPS: u32 = KEYSPACE
        | SET
        | SORTEDSET
        | LIST
        | HASH
        | STRING
        | BITMAP
        | HYPERLOGLOG
        | GEO
        | STREAM
        | CONNECTION
        | TRANSACTION
        | SCRIPTING;

    /// All of them, in Redis's order, with the leading `@` that `COMMAND INFO` shows and `ACL CAT`
    /// does not.
    pub const NAMES: &super::Names = &[
        (KEYSPACE, "@keyspace"),
        (READ, "@read"),
        (WRITE, "@write"),
        (SET, "@set"),
        (SORTEDSET, "@sortedset"),
        (LIST, "@list"),
        (HASH, "@hash"),
        (STRING, "@string"),
        (BITMAP, "@bitmap"),
        (HYPERLOGLOG, "@hyperloglog"),
        (GEO, "@geo"),
        (STREAM, "@stream"),
        (PUBSUB, "@pubsub"),
        (ADMIN, "@admin"),
        (FAST, "@fast"),
        (SLOW, "@slow"),
        (BLOCKING, "@blocking"),
        (DANGEROUS, "@dangerous"),
        (CONNECTION, "@connection"),
        (TRANSACTION, "@transaction"),
        (SCRIPTING, "@scripting"),
    ];

    /// The bit of the category called `name` (without `@`, in any case); `None` if there is none.
    pub fn by_name(name: &[u8]) -> Option<u32> {
        let is = |text: &str| text.as_bytes()[1..].eq_ignore_ascii_case(name);
        NAMES.iter().find(|(_, text)| is(text)).map(|(bit, _)| *bit)
    }
}

/// What a command does to a key. The bits follow the order in which Redis prints them.
#[allow(missing_docs)] // The names are Redis's own; see <https://redis.io/docs/latest/develop/reference/key-specs/#flags>.
pub mod access {
    pub const RO: u32 = 1 << 0;
    pub const RW: u32 = 1 << 1;
    pub const OW: u32 = 1 << 2;
    pub const RM: u32 = 1 << 3;
    pub const ACCESS: u32 = 1 << 4;
    pub const UPDATE: u32 = 1 << 5;
    pub const INSERT: u32 = 1 << 6;
    pub const DELETE: u32 = 1 << 7;
    pub const NOT_KEY: u32 = 1 << 8;
    pub const INCOMPLETE: u32 = 1 << 9;
    pub const VARIABLE_FLAGS: u32 = 1 << 10;

    /// All of them, in Redis's order.
    pub const NAMES: &super::Names = &[
        (RO, "RO"),
        (RW, "RW"),
        (OW, "OW"),
        (RM, "RM"),
        (ACCESS, "access"),
        (UPDATE, "update"),
        (INSERT, "insert"),
        (DELETE, "delete"),
        (NOT_KEY, "not_key"),
        (INCOMPLETE, "incomplete"),
        (VARIABLE_FLAGS, "variable_flags"),
    ];
}
