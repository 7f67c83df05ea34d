//! Commands of the host's own: how they are described, kept beside the built-in ones, and run.
//!
//! What the host writes is trusted to mean well, and not to be right: a handler that panics, or that writes no reply or
//! two, costs its client an error and nobody else anything.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, TryLockError};

use super::command::{Command, Group, KeySpec, access, flag};
use super::{Args, CommandError, Reply, ReplyRef};
use crate::buffer::Output;
use crate::client::{NameKind, Peer};
use crate::clock::Now;
use crate::keyspace::Db;
use crate::protocol::Cx;
use crate::store::Store;

/// What `COMMAND` says of a command of the host's own, beside its name. A request with another number of arguments is
/// refused before the handler sees it.
///
/// ```
/// use pentad::CommandSpec;
///
/// const SPEC: CommandSpec = CommandSpec::new(-3)
///     .writes_key()
///     .summary("Adds numbers to a total.")
///     .arguments("key number...");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    row: Row,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    arity: i16,
    flags: u32,
    keys: &'static [KeySpec],
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
    arguments: &'static str,
}

const READS_FIRST: &[KeySpec] = &[KeySpec::one(1, access::RO | access::ACCESS)];
const WRITES_FIRST: &[KeySpec] = &[KeySpec::one(
    1,
    access::RW | access::ACCESS | access::UPDATE | access::INSERT,
)];

impl CommandSpec {
    /// A command with this number of arguments, its name included; negative: at least that many.
    pub const fn new(arity: i16) -> Self {
        CommandSpec {
            row: Row {
                arity,
                flags: 0,
                keys: &[],
                since: "",
                complexity: "",
                summary: "",
                arguments: "",
            },
        }
    }

    /// The first argument is a key that it only reads.
    pub const fn reads_key(self) -> Self {
        self.flags(flag::READONLY).keys(READS_FIRST)
    }

    /// The first argument is a key that it may change.
    pub const fn writes_key(self) -> Self {
        self.flags(flag::WRITE | flag::DENYOOM).keys(WRITES_FIRST)
    }

    /// Its keys, where they are not just the first argument.
    pub const fn keys(mut self, keys: &'static [KeySpec]) -> Self {
        self.row.keys = keys;
        self
    }

    /// What it may do: more of the bits of [`flag`].
    pub const fn flags(mut self, flags: u32) -> Self {
        self.row.flags |= flags;
        self
    }

    /// What it does, in one sentence.
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.row.summary = summary;
        self
    }

    /// The version that had it first.
    pub const fn since(mut self, since: &'static str) -> Self {
        self.row.since = since;
        self
    }

    /// How long it takes: `O(1)`.
    pub const fn complexity(mut self, complexity: &'static str) -> Self {
        self.row.complexity = complexity;
        self
    }

    /// The grammar of its arguments, in the notation of [`super::arguments`].
    pub const fn arguments(mut self, arguments: &'static str) -> Self {
        self.row.arguments = arguments;
        self
    }
}

/// Why a command could not be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterError {
    /// A name is 1 to 64 printable characters, without blanks and `|`.
    BadName(&'static str),
    /// There is a command of this name.
    Taken(&'static str),
    /// An arity of 0 leaves no room for the name.
    BadArity,
    /// The notation of the arguments is wrong: at this byte, this was expected.
    BadArguments(usize, &'static str),
}

impl std::fmt::Display for RegisterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RegisterError::BadName(name) => write!(f, "{name:?} cannot be a command's name"),
            RegisterError::Taken(name) => write!(f, "there is a command {name:?} already"),
            RegisterError::BadArity => f.write_str("a command has at least one argument, its name"),
            RegisterError::BadArguments(at, expected) => {
                write!(f, "arguments: {expected} expected at byte {at}")
            }
        }
    }
}

impl std::error::Error for RegisterError {}

type Run = dyn FnMut(&mut CommandCx<'_>, Args<'_>) -> Result<(), CommandError> + Send;

/// A command of the host's own.
pub struct Registered {
    pub(super) row: Command,
    /// Never waited for: the loop has one thread, so whoever finds it locked has been called by itself.
    run: Mutex<Box<Run>>,
}

impl Registered {
    pub(crate) fn new(
        name: &'static str,
        spec: CommandSpec,
        run: Box<Run>,
    ) -> Result<Self, RegisterError> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'|';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_plain) {
            return Err(RegisterError::BadName(name));
        }
        let row = spec.row;
        if row.arity == 0 {
            return Err(RegisterError::BadArity);
        }
        super::arguments::parse(row.arguments)
            .map_err(|error| RegisterError::BadArguments(error.at, error.expected))?;
        Ok(Registered {
            row: Command {
                name,
                arity: row.arity,
                flags: row.flags,
                keys: row.keys,
                since: row.since,
                group: Group::Module,
                complexity: row.complexity,
                summary: row.summary,
                arguments: row.arguments,
                handler: call,
                ..Command::EMPTY
            },
            run: Mutex::new(run),
        })
    }
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered")
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

/// A command of a server's table: one that every server has, or one that this server's host has registered.
#[derive(Clone, Debug)]
pub enum CommandRef {
    /// A row of the built-in table.
    BuiltIn(&'static Command),
    /// A command of the host's own.
    Registered(Arc<Registered>),
}

impl Deref for CommandRef {
    type Target = Command;

    #[inline]
    fn deref(&self) -> &Command {
        match self {
            CommandRef::BuiltIn(command) => command,
            CommandRef::Registered(registered) => &registered.row,
        }
    }
}

/// What a command of the host's own is run with.
pub struct CommandCx<'a> {
    cx: Cx<'a>,
    reply: &'a mut Output,
}

impl CommandCx<'_> {
    /// The data, in the client's database. What is changed is one group, which watchers, waiters, caches and the journal
    /// hear of when the command is done.
    pub fn store(&mut self) -> Store<'_> {
        Store::inside(&mut self.cx)
    }

    /// Where the reply is written: exactly one, unless an error is returned.
    pub fn reply(&mut self) -> Reply<'_> {
        Reply {
            resp3: self.cx.client.resp3,
            out: self.reply,
        }
    }

    /// What time it is: the same for the whole turn.
    pub fn now(&self) -> Now {
        self.cx.hub.now
    }

    /// The client's database.
    pub fn db(&self) -> Db {
        self.cx.client.db
    }

    /// The client's number, as CLIENT ID gives it; 0 for the host itself.
    pub fn client_id(&self) -> u64 {
        self.cx.client.id
    }

    /// The name that the client has given itself; empty when it has not.
    pub fn client_name(&self) -> &[u8] {
        self.cx.client.name(NameKind::Connection)
    }

    /// Where the client is.
    pub fn peer(&self) -> Peer {
        self.cx.client.peer
    }
}

/// The handler of all registered commands: finds out which one it is, and calls it.
fn call(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let Some(CommandRef::Registered(registered)) = cx.client.last_command.clone() else {
        return Ok(());
    };
    let name = registered.row.name;
    let mut run = match registered.run.try_lock() {
        Ok(run) => run,
        // It has panicked before. What it keeps for itself is its own affair.
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => {
            return Err(CommandError::err(format_args!("'{name}' calls itself")));
        }
    };
    let mut reply = Output::default();
    let mut inner = CommandCx {
        cx: Cx {
            keyspace: cx.keyspace,
            hub: cx.hub,
            client: cx.client,
            out: cx.out,
        },
        reply: &mut reply,
    };
    // The keyspace's operations are whole before the handler can panic, so there is nothing half done to be seen.
    match catch_unwind(AssertUnwindSafe(|| run(&mut inner, args))) {
        Ok(result) => result?,
        Err(_) => {
            log::error!("the handler of command {name:?} has panicked");
            return Err(CommandError::err(format_args!("'{name}' has failed")));
        }
    }
    let mut bytes = Vec::new();
    reply.move_to(&mut bytes);
    match ReplyRef::read(&bytes) {
        Some((_, [])) => {
            cx.out.tail().extend_from_slice(&bytes);
            Ok(())
        }
        _ => {
            log::error!("command {name:?} has not written exactly one reply");
            Err(CommandError::err(format_args!("'{name}' gave no reply")))
        }
    }
}
