//! RESP, the protocol of Redis: the conversation, the batch, the dispatch.
//!
//! | file | idea |
//! |---|---|
//! | `parse.rs` | requests out of bytes |
//! | `reply.rs`, `error.rs` | replies and errors as bytes |
//! | `command.rs`, `table/`, `lookup.rs` | what a command is, all of them, and how one is found by name |
//! | `arguments.rs`, `docs.rs`, `keys.rs` | what COMMAND says of them |
//! | `string.rs`, `generic.rs` … | the functions that run them, a file per family |
//!
//! # How to add a command
//! A row in `table/` (see [`command::Command`]) and the function it names in the family's file; a transcript in
//! `tests/wire/`.

mod acl;
mod args;
pub mod arguments;
mod bitmap;
mod blocking;
mod clients;
pub mod command;
mod configuration;
mod connection;
mod diagnostics;
mod docs;
mod draw;
mod error;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
pub(crate) mod in_process;
mod json;
mod keys;
mod list;
mod lookup;
pub mod parse;
pub(crate) mod permit;
mod prefetch;
mod pubsub;
mod registered;
mod reply;
mod saving;
mod scan;
mod scripting;
mod server;
mod set;
mod sort;
mod sorted_set;
mod special;
mod stream;
mod string;
mod table;
mod timeseries;
mod transactions;
mod value;

pub(crate) use in_process::InProcess;

pub use args::{Args, KeptRequest};
pub use error::CommandError;
pub use lookup::Table;
pub use registered::{CommandCx, CommandRef, CommandSpec, RegisterError, Registered};
pub use reply::Reply;
pub use scripting::Scripting;
pub use table::COMMANDS;
pub use value::{ErrorReply, Items, ReplyBuffer, ReplyRef, RespValue};

use command::Command;
use parse::{ParseLimits, Parsed, Parser, ProtocolError, Span, split_inline};
pub(crate) use prefetch::KnownKeys;

use log::warn;

use super::{Cx, Step};
use crate::hub::Gate;
use crate::keyspace::{Key, Keyspace};

/// A function that runs a command. The number of arguments has been checked against the table. An error must be
/// returned before anything has been changed or written.
pub type Handler = fn(&mut Cx<'_>, Args<'_>) -> Result<(), CommandError>;

impl Cx<'_> {
    /// Where the reply to a RESP command is written.
    #[inline]
    pub fn reply(&mut self) -> Reply<'_> {
        Reply {
            resp3: self.client.resp3,
            out: self.out,
        }
    }

    /// The keyspace and the reply at once.
    #[inline]
    pub fn split(&mut self) -> (&mut Keyspace, Reply<'_>) {
        (
            self.keyspace,
            Reply {
                resp3: self.client.resp3,
                out: self.out,
            },
        )
    }

    /// Answers an error, and counts it.
    #[cold]
    pub(crate) fn refuse(&mut self, error: &CommandError) {
        let text = error.to_string();
        self.hub.stats.count_error(&text);
        self.reply().error(&text);
    }

    /// A key of the client's database.
    #[inline]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        let space = self.keyspace.space(self.client.db);
        match self.hub.known_keys.find(space, bytes) {
            Some(key) => key,
            None => self.keyspace.key(self.client.db, bytes),
        }
    }
}

/// Requests that are parsed ahead and run together.
const BATCH_REQUESTS: usize = 16;

/// Where pipelined requests are parsed to: one for the whole server, since requests are run before the next are read.
#[derive(Debug, Default)]
pub struct Batch {
    spans: Vec<Span>,
    requests: Vec<Request>,
    /// The unquoted arguments of inline commands.
    inline: Vec<u8>,
}

#[derive(Debug)]
struct Request {
    /// Where the bytes of its arguments begin, in the input or in `inline`.
    start: usize,
    is_inline: bool,
    /// Its arguments: from this span to the next request's.
    first_span: usize,
    /// How much of the input is done with after it.
    consumed: usize,
    command: Option<CommandRef>,
    /// Its keys: from this known one to the next request's.
    first_key: usize,
}

/// A conversation in RESP.
#[derive(Debug, Default)]
pub struct Resp {
    parser: Parser,
}

impl Resp {
    /// Bytes that the request which has begun will have at least, if that is known.
    pub(crate) fn expected_bytes(&self) -> Option<usize> {
        self.parser.expected_bytes()
    }

    pub(crate) fn step(&mut self, input: &[u8], cx: &mut Cx<'_>, budget: &mut usize) -> Step {
        let mut batch = std::mem::take(&mut cx.hub.batch);
        let step = self.run_batch(&mut batch, input, cx, budget);
        batch.spans.clear();
        batch.requests.clear();
        batch.inline.clear();
        cx.hub.batch = batch;
        cx.hub.known_keys.clear();
        step
    }

    /// Parses some requests, has the memory fetch what they will look at, and runs them.
    fn run_batch(
        &mut self,
        batch: &mut Batch,
        input: &[u8],
        cx: &mut Cx<'_>,
        budget: &mut usize,
    ) -> Step {
        let (consumed, invalid) = self.parse_batch(batch, input, cx, *budget);
        batch.prefetch(input, cx);
        let high_water = cx.hub.limits.high_water_bytes();
        let count = batch.requests.len();
        for index in 0..count {
            let request = &mut batch.requests[index];
            let (command, consumed) = (request.command.take(), request.consumed);
            let request = &batch.requests[index];
            let args = batch.args(index, input);
            if cx.is_held_up(command.as_ref()) {
                let before = index
                    .checked_sub(1)
                    .map_or(0, |last| batch.requests[last].consumed);
                self.parser = Parser::default();
                return Step::Paused(before);
            }
            *budget -= 1;
            cx.hub.stats.requests += 1;
            if command.is_none() && is_from_browser(&args[0]) {
                warn!(
                    "a client speaks HTTP to a RESP listener: somebody may be attacking by way of a browser. Closed."
                );
                return Step::Close;
            }
            let next_key = batch.requests.get(index + 1).map(|next| next.first_key);
            let keys_end = next_key.unwrap_or(cx.hub.known_keys.len());
            cx.hub.known_keys.turn_to(request.first_key..keys_end);
            dispatch(command, args, cx);
            let stop = cx.client.closing
                || cx.client.doomed
                || cx.client.is_blocked()
                || cx.client.held_until_ms.is_some()
                || cx.out.len() > high_water;
            if stop && index + 1 < count {
                // The rest will be parsed again, if at all.
                self.parser = Parser::default();
                return Step::Done(consumed);
            }
        }
        match invalid {
            Some(error) if !cx.client.closing && !cx.client.is_blocked() => {
                let text = format!("ERR {error}");
                cx.hub.stats.count_error(&text);
                cx.reply().error(&text);
                Step::Close
            }
            _ if consumed == 0 => Step::NeedMore,
            _ => Step::Done(consumed),
        }
    }

    fn parse_batch(
        &mut self,
        batch: &mut Batch,
        input: &[u8],
        cx: &Cx<'_>,
        budget: usize,
    ) -> (usize, Option<ProtocolError>) {
        let limits = ParseLimits {
            request_bytes_max: cx.hub.limits.request_bytes_max,
            line_bytes_max: cx.hub.limits.line_bytes_max,
            stranger: cx.client.restricted && cx.client.needs_login(&cx.hub.acl),
        };
        let mut at = 0;
        while batch.requests.len() < budget.min(BATCH_REQUESTS) {
            let first_span = batch.spans.len();
            let mut request = Request {
                start: at,
                is_inline: false,
                first_span,
                consumed: 0,
                command: None,
                first_key: 0,
            };
            match self.parser.parse(&input[at..], &mut batch.spans, limits) {
                Parsed::NeedMore => break,
                Parsed::Invalid(error) => {
                    batch.spans.truncate(first_span);
                    return (at, Some(error));
                }
                Parsed::Ready { consumed } => at += consumed,
                Parsed::Inline { line, consumed } => {
                    request.is_inline = true;
                    request.start = batch.inline.len();
                    let line = &input[at..at + line];
                    let before = batch.inline.len();
                    let Batch { inline, spans, .. } = batch;
                    let mut words = Vec::new();
                    if let Err(error) = split_inline(line, &mut words, spans) {
                        spans.truncate(first_span);
                        inline.truncate(before);
                        return (at, Some(error));
                    }
                    inline.extend_from_slice(&words);
                    at += consumed;
                }
            }
            if batch.spans.len() > first_span {
                request.consumed = at;
                let bytes = if request.is_inline {
                    &batch.inline[request.start..]
                } else {
                    &input[request.start..]
                };
                let args = Args {
                    bytes,
                    spans: &batch.spans[first_span..],
                };
                request.command = cx.hub.commands.find(&args[0]);
                batch.requests.push(request);
            } else {
                // An empty line or array is nothing; those before it count as consumed with it.
                if let Some(last) = batch.requests.last_mut() {
                    last.consumed = at;
                }
                if batch.requests.is_empty() && at >= input.len() {
                    break;
                }
            }
        }
        (at, None)
    }
}

impl Batch {
    /// The arguments of the request at `index`.
    #[inline]
    fn args<'a>(&'a self, index: usize, input: &'a [u8]) -> Args<'a> {
        let request = &self.requests[index];
        let end = self
            .requests
            .get(index + 1)
            .map_or(self.spans.len(), |next| next.first_span);
        let bytes = if request.is_inline {
            &self.inline
        } else {
            input
        };
        Args {
            bytes: &bytes[request.start..],
            spans: &self.spans[request.first_span..end],
        }
    }

    /// Has the memory fetch what the requests' keys will need.
    fn prefetch(&mut self, input: &[u8], cx: &mut Cx<'_>) {
        let known = &mut cx.hub.known_keys;
        for index in 0..self.requests.len() {
            self.requests[index].first_key = known.len();
            if let Some(command) = self.requests[index].command.as_deref() {
                known.add(command, self.args(index, input), cx.client.db, cx.keyspace);
            }
        }
        if known.len() > 1 {
            cx.keyspace.prefetch(known.hashes());
            let wanted = (0..self.requests.len()).filter_map(|index| {
                let request = &self.requests[index];
                let args = self.args(index, input);
                let member = prefetch::member_of(request.command.as_deref()?, args)?;
                Some((known.at(request.first_key, args.get(1)?)?, member))
            });
            prefetch::fetch_members(wanted, cx.keyspace);
        }
    }
}

/// Whether this is a line of an HTTP request. A page on the web can have a browser send one to any port, with commands in
/// its body: none of them may be run. (A GET without `Host:` cannot carry any.)
#[cold]
fn is_from_browser(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"host:") || name.eq_ignore_ascii_case(b"post")
}

/// Runs one request, or queues it, and lets follow what follows. Whatever is wrong with it is answered.
#[inline]
fn dispatch(command: Option<CommandRef>, args: Args<'_>, cx: &mut Cx<'_>) {
    let hub = &*cx.hub;
    let is_limited = hub.limits.memory_bytes_max > 0 || hub.busy || hub.gate != Gate::Open;
    if cx.client.special || !hub.monitors.is_empty() || is_limited {
        special::dispatch(command, args, cx);
    } else {
        match resolve(command.as_ref(), args) {
            Ok(command) => run(command, args, cx),
            Err(error) => reject(command, args, &error, cx),
        }
    }
    cx.react();
}

/// The command or subcommand that a request names, if it has the right number of arguments for it.
#[inline]
fn resolve(command: Option<&CommandRef>, args: Args<'_>) -> Result<CommandRef, CommandError> {
    let Some(mut command) = command.cloned() else {
        return Err(unknown_command(args));
    };
    if !command.subcommands.is_empty()
        && let Some(name) = args.get(1)
    {
        command = lookup::find_subcommand(&command, name)
            .map(CommandRef::BuiltIn)
            .ok_or_else(|| unknown_subcommand(&command, name))?;
    }
    if command.accepts(args.len()) {
        Ok(command)
    } else {
        Err(CommandError::Arity(command.name.into()))
    }
}

/// Counts and answers a request that is not run.
#[cold]
fn reject(command: Option<CommandRef>, args: Args<'_>, error: &CommandError, cx: &mut Cx<'_>) {
    let command = command.as_deref();
    let named = command.and_then(|command| match args.get(1) {
        Some(name) if !command.subcommands.is_empty() => lookup::find_subcommand(command, name),
        _ => Some(command),
    });
    if let Some(named) = named {
        cx.hub.command_stats.count_rejected(named.number);
    }
    transactions::refuse(command, error, cx);
}

/// Runs a command whose number of arguments is right.
#[inline]
pub(crate) fn run(command: CommandRef, args: Args<'_>, cx: &mut Cx<'_>) {
    let number = command.number;
    run_again(command, args, cx);
    // Afterwards: INFO does not count itself, and CONFIG RESETSTAT does.
    cx.hub.command_stats.count(number);
}

/// As [`run`], for a call that has waited and been counted.
#[inline]
pub(crate) fn run_again(command: CommandRef, args: Args<'_>, cx: &mut Cx<'_>) {
    let Command {
        handler, number, ..
    } = *command;
    let timed = diagnostics::start(&command, cx).map(|started_us| (started_us, command.clone()));
    cx.client.last_command = Some(command);
    if let Err(error) = handler(cx, args) {
        cx.hub.command_stats.count_failed(number);
        cx.refuse(&error);
    }
    if let Some((started_us, command)) = timed {
        diagnostics::finish(&command, args, started_us, cx);
    }
}

/// Runs a command of the past again. Nobody hears of it, and it is no request.
pub(crate) fn repeat(args: Args<'_>, cx: &mut Cx<'_>) {
    match resolve(cx.hub.commands.find(&args[0]).as_ref(), args) {
        Ok(command) => {
            if let Err(error) = (command.handler)(cx, args) {
                cx.reply().error(&error.to_string());
            }
        }
        Err(error) => cx.reply().error(&error.to_string()),
    }
}

/// Why a command cannot be run now, if the storage is the reason: everything is still being loaded, or nothing can be
/// kept.
pub(crate) fn check_gate(command: &Command, cx: &Cx<'_>) -> Result<(), CommandError> {
    match cx.hub.gate {
        Gate::Loading if !command.has(command::flag::LOADING) => Err(CommandError::text(
            "LOADING Redis is loading the dataset in memory",
        )),
        Gate::ReadOnly if command.has(command::flag::WRITE) || command.name == "ping" => {
            let reason = cx.hub.persistence.failure().unwrap_or("unknown error");
            Err(CommandError::Other(
                format!("MISCONF Errors writing to the AOF file: {reason}").into(),
            ))
        }
        _ => Ok(()),
    }
}

/// Whether a command waits while CLIENT PAUSE lasts: all do, or those that may write or publish.
fn flag_pauses(command: &Command, writes_only: bool, client: &crate::client::Client) -> bool {
    if matches!(command.name, "client" | "quit" | "reset" | "hello" | "auth") {
        return false;
    }
    let in_transaction = client.extras().is_some_and(|extras| {
        extras.transaction.as_ref().is_some_and(|transaction| {
            transaction
                .queued
                .iter()
                .any(|request| may_write(&request.command))
        })
    });
    !writes_only || may_write(command) || command.name == "exec" && in_transaction
}

fn may_write(command: &Command) -> bool {
    command.has(command::flag::WRITE)
        || matches!(
            command.name,
            "publish" | "spublish" | "pfcount" | "eval" | "evalsha" | "fcall"
        )
}

/// The keys whose number stands at `at`, and the place behind them; at least one argument must follow.
fn counted_keys<'a>(args: Args<'a>, at: usize) -> Result<(Vec<&'a [u8]>, usize), CommandError> {
    const INVALID: CommandError = CommandError::text("ERR numkeys should be greater than 0");
    let count = crate::number::parse_i64(&args[at])
        .filter(|count| *count > 0)
        .ok_or(INVALID)?;
    let end = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_add(at + 1));
    match end {
        Some(end) if end < args.len() => {
            Ok((args.iter_from(at + 1).take(end - at - 1).collect(), end))
        }
        _ => Err(CommandError::Syntax),
    }
}

/// What a container (CLIENT, OBJECT ...) does when it is called without a subcommand: nothing, its arity forbids it.
fn container(_: &mut Cx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    Err(CommandError::Arity(
        String::from_utf8_lossy(&args[0])
            .to_ascii_lowercase()
            .into(),
    ))
}

fn unknown_command(args: Args<'_>) -> CommandError {
    const SHOWN_BYTES_MAX: usize = 128;
    let clip = |bytes: &[u8], max: usize| {
        let shown = &bytes[..bytes.len().min(max)];
        // C prints up to a NUL.
        let shown = memchr::memchr(0, shown).map_or(shown, |nul| &shown[..nul]);
        String::from_utf8_lossy(shown).into_owned()
    };
    let mut shown = String::new();
    for arg in args.iter_from(1) {
        if shown.len() >= SHOWN_BYTES_MAX {
            break;
        }
        let rest = SHOWN_BYTES_MAX - shown.len();
        shown.push_str(&format!("'{}' ", clip(arg, rest)));
    }
    let name = clip(&args[0], SHOWN_BYTES_MAX);
    CommandError::err(format_args!(
        "unknown command '{name}', with args beginning with: {shown}"
    ))
}

fn unknown_subcommand(container: &Command, name: &[u8]) -> CommandError {
    let name = String::from_utf8_lossy(&name[..name.len().min(128)]);
    CommandError::err(format_args!(
        "unknown subcommand '{name}'. Try {} HELP.",
        container.name.to_ascii_uppercase()
    ))
}
