//! Commands that the program around the server runs itself, without a connection.
//!
//! Each stands for itself: there is no conversation in which MULTI, WATCH or SUBSCRIBE would mean something. What would
//! wait does as in a transaction: it answers at once.

use super::{Args, CommandError, CommandRef, ErrorReply, ReplyRef, resolve, run, special};
use crate::buffer::Output;
use crate::client::{Client, Extras};
use crate::hub::Hub;
use crate::keyspace::{Db, Keyspace};
use crate::protocol::Cx;
use crate::reactions::Me;

/// The host as a client, and the memory of its requests and replies.
#[derive(Debug)]
pub(crate) struct InProcess {
    client: Client,
    out: Output,
    args: Vec<u8>,
    spans: Vec<super::parse::Span>,
}

impl Default for InProcess {
    fn default() -> Self {
        let mut client = Client::host();
        client.extras_mut().in_exec = true;
        InProcess {
            client,
            out: Output::default(),
            args: Vec::new(),
            spans: Vec::new(),
        }
    }
}

/// What a command is run on.
pub(crate) struct Scope<'a> {
    pub keyspace: &'a mut Keyspace,
    pub hub: &'a mut Hub,
    pub db: Db,
    /// The client on whose behalf it is run; `None`: the host itself.
    pub me: Option<Me<'a>>,
    /// Whether what follows from its changes follows at once.
    pub react: bool,
}

/// Runs one command and shows its reply, in RESP3, to `read`.
pub(crate) fn execute<A: AsRef<[u8]>, R>(
    scope: Scope<'_>,
    args: impl IntoIterator<Item = A>,
    read: impl FnOnce(&[u8]) -> R,
) -> R {
    // A command of the host's own may run others: each has a place of its own.
    let mut own = scope.hub.in_process.take().unwrap_or_default();
    own.args.clear();
    own.spans.clear();
    for arg in args {
        let start = own.args.len() as u32;
        own.args.extend_from_slice(arg.as_ref());
        own.spans.push((start, own.args.len() as u32));
    }
    let InProcess {
        client,
        out,
        args,
        spans,
    } = &mut *own;
    let args = Args { bytes: args, spans };
    let Scope {
        keyspace,
        hub,
        db,
        me,
        react,
    } = scope;
    let mut messages = None;
    match me {
        None => {
            client.db = db;
            client.resp3 = true;
            let mut cx = Cx {
                keyspace,
                hub,
                client,
                out,
            };
            answer(args, &mut cx);
            if react {
                cx.react();
            }
            // CLIENT KILL by its number, or by what all clients have in common.
            client.closing = false;
            client.doomed = false;
        }
        Some(me) => {
            let before = Before::take(me.client);
            me.client.db = db;
            let mut cx = Cx {
                keyspace,
                hub,
                client: me.client,
                out,
            };
            answer(args, &mut cx);
            before.put_back(me.client);
            messages = Some(me.out);
        }
    }
    let mut whole = Vec::new();
    let mut bytes = out.next();
    if bytes.len() < out.len() {
        out.move_to(&mut whole);
        bytes = &whole;
    }
    // What the client was told on the way (RESP3 messages) is not the reply.
    while bytes.first() == Some(&b'>')
        && let Some((_, rest)) = ReplyRef::read(bytes)
    {
        if let Some(messages) = &mut messages {
            messages
                .tail()
                .extend_from_slice(&bytes[..bytes.len() - rest.len()]);
        }
        bytes = rest;
    }
    let result = read(bytes);
    let unread = out.next().len();
    out.advance(unread);
    if out.heap_bytes() > KEEP_BYTES_MAX {
        out.clear();
    }
    if own.args.capacity() > KEEP_BYTES_MAX {
        own.args = Vec::new();
    }
    hub.in_process = Some(own);
    result
}

/// Memory that grew above this is given back, not kept for the next command.
const KEEP_BYTES_MAX: usize = 256 * 1024;

/// The reply as a value; an error if it is one as a whole.
pub(crate) fn to_result(bytes: &[u8]) -> Result<super::RespValue, ErrorReply> {
    match ReplyRef::read(bytes) {
        Some((ReplyRef::Error(text), _)) => {
            Err(ErrorReply::new(String::from_utf8_lossy(text).into_owned()))
        }
        Some((reply, _)) => Ok(reply.to_value()),
        // CLIENT REPLY is refused, and all other commands answer.
        None => Ok(super::RespValue::Null),
    }
}

fn answer(args: Args<'_>, cx: &mut Cx<'_>) {
    cx.hub.stats.requests += 1;
    if args.is_empty() {
        return cx.refuse(&CommandError::text("ERR no command"));
    }
    let command = cx.hub.commands.find(&args[0]);
    let resolved = resolve(command.as_ref(), args).and_then(|command| {
        special::check_room(&command, cx)?;
        check(command)
    });
    match resolved {
        Err(error) => cx.refuse(&error),
        Ok(command) if cx.hub.monitors.is_empty() => run(command, args, cx),
        Ok(command) => special::run(command, args, cx),
    }
}

/// Refuses what would change a conversation that there is not.
fn check(command: CommandRef) -> Result<CommandRef, CommandError> {
    let is_conversation = matches!(
        command.name,
        "multi"
            | "exec"
            | "discard"
            | "watch"
            | "unwatch"
            | "subscribe"
            | "psubscribe"
            | "ssubscribe"
            | "unsubscribe"
            | "punsubscribe"
            | "sunsubscribe"
            | "monitor"
            | "reset"
            | "quit"
            | "hello"
            | "auth"
            | "select"
            | "client|reply"
            | "client|tracking"
            | "client|caching"
            | "client|setname"
            | "client|setinfo"
            | "client|no-evict"
            | "client|no-touch"
    );
    if is_conversation {
        return Err(CommandError::err(format_args!(
            "'{}' needs a connection",
            command.name
        )));
    }
    Ok(command)
}

/// What a client is besides, while a command runs another on its behalf.
struct Before {
    db: Db,
    resp3: bool,
    in_exec: bool,
    last_command: Option<CommandRef>,
}

impl Before {
    fn take(client: &mut Client) -> Self {
        let extras: &mut Extras = client.extras_mut();
        let in_exec = std::mem::replace(&mut extras.in_exec, true);
        Before {
            db: client.db,
            resp3: std::mem::replace(&mut client.resp3, true),
            in_exec,
            last_command: client.last_command.clone(),
        }
    }

    fn put_back(self, client: &mut Client) {
        client.db = self.db;
        client.resp3 = self.resp3;
        client.extras_mut().in_exec = self.in_exec;
        client.last_command = self.last_command;
    }
}
