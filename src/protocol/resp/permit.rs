//! Whether a client may do what it asks for. Those who may do everything never come here: see `Client::restricted`.

use super::command::{Command, access, flag};
use super::keys::keys_of;
use super::{Args, CommandError, CommandRef};
use crate::acl::{Context, Denied, Entry, Request};
use crate::client::Extras;
use crate::protocol::Cx;

/// What stands for an argument that is nobody's business.
pub(super) const REDACTED: &[u8] = b"(redacted)";

/// Checks a request of a client. What is refused is kept for ACL LOG.
pub(crate) fn check(
    command: &Command,
    args: Args<'_>,
    cx: &mut Cx<'_>,
) -> Result<(), CommandError> {
    if !cx.client.restricted {
        return Ok(());
    }
    if cx.client.needs_login(&cx.hub.acl) {
        return match command.has(flag::NO_AUTH) {
            true => Ok(()),
            false => Err(CommandError::text("NOAUTH Authentication required.")),
        };
    }
    if cx.client.read_only && command.has(flag::WRITE) {
        return Err(CommandError::text(
            "READONLY You can't write by a listener that is read only.",
        ));
    }
    let args: Vec<&[u8]> = args.iter_from(0).collect();
    let keys = keys_to_check(command, &args);
    let request = Request {
        command,
        args: &args,
        keys: &keys,
    };
    let Err(denied) = cx.client.user.check(request) else {
        return Ok(());
    };
    let is_transaction = |extras: &Extras| extras.transaction.is_some() || extras.in_exec;
    let context = match cx.client.extras() {
        _ if cx.client.in_script.is_some() => Context::Lua,
        Some(extras) if is_transaction(extras) => Context::Multi,
        _ => Context::TopLevel,
    };
    log(denied, command, &args, context, cx);
    Err(match denied {
        Denied::Command => CommandError::Other(
            format!(
                "NOPERM {}",
                reason(denied, command, &args, cx.client.user.name())
            )
            .into(),
        ),
        Denied::Key(_) => CommandError::text("NOPERM No permissions to access a key"),
        Denied::Channel(_) => CommandError::text("NOPERM No permissions to access a channel"),
    })
}

/// Checks a request that EXEC is about to run: it was allowed when it was queued.
pub(super) fn check_queued(
    command: &Command,
    args: Args<'_>,
    cx: &mut Cx<'_>,
) -> Result<(), CommandError> {
    check(command, args, cx).map_err(|error| {
        let text = error.to_string();
        let why = match text.strip_prefix("NOPERM ") {
            None => return error,
            Some(why) if why.ends_with("a key") => "no permission to touch the specified keys",
            Some(why) if why.ends_with("a channel") => {
                "no permission to access one of the channels used as arguments to the command"
            }
            Some(_) => "no permission to execute the command or subcommand",
        };
        CommandError::Other(
            format!(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                 command is no longer allowed for the following reason: {why}"
            )
            .into(),
        )
    })
}

/// Whether a script may run this request in the client's name; nothing is kept of the question.
#[cfg(feature = "lua")]
pub(super) fn is_allowed(command: &Command, args: Args<'_>, cx: &Cx<'_>) -> bool {
    if !cx.client.restricted {
        return true;
    }
    let args: Vec<&[u8]> = args.iter_from(0).collect();
    let checked = cx.client.user.check(Request {
        command,
        args: &args,
        keys: &keys_to_check(command, &args),
    });
    checked.is_ok() && !(cx.client.read_only && command.has(flag::WRITE))
}

/// Whether the client may run this request, and read every key besides.
pub(super) fn reads_all_keys(args: Args<'_>, cx: &Cx<'_>) -> bool {
    let Some(command) = cx
        .client
        .last_command
        .as_deref()
        .filter(|_| cx.client.restricted)
    else {
        return true;
    };
    let args: Vec<&[u8]> = args.iter_from(0).collect();
    let keys = keys_to_check(command, &args);
    cx.client.user.reads_all_keys_by(Request {
        command,
        args: &args,
        keys: &keys,
    })
}

pub(super) fn keys_to_check(command: &Command, args: &[&[u8]]) -> Vec<(usize, u32)> {
    let keys = keys_of(command, args).into_iter();
    keys.map(|key| (key.index, key.access)).collect()
}

/// Why a user may not do something, in full.
pub(super) fn reason(denied: Denied, command: &Command, args: &[&[u8]], user: &[u8]) -> String {
    let user = String::from_utf8_lossy(user);
    let arg = |index: usize| String::from_utf8_lossy(args.get(index).copied().unwrap_or_default());
    match denied {
        Denied::Command => format!(
            "User {user} has no permissions to run the '{}' command",
            command.name
        ),
        Denied::Key(index) => {
            format!(
                "User {user} has no permissions to access the '{}' key",
                arg(index)
            )
        }
        Denied::Channel(index) => {
            format!(
                "User {user} has no permissions to access the '{}' channel",
                arg(index)
            )
        }
    }
}

fn log(denied: Denied, command: &Command, args: &[&[u8]], context: Context, cx: &mut Cx<'_>) {
    let arg = |index: usize| args.get(index).copied().unwrap_or_default().to_vec();
    let (reason, object) = match denied {
        Denied::Command => ("command", command.name.as_bytes().to_vec()),
        Denied::Key(index) => ("key", arg(index)),
        Denied::Channel(index) => ("channel", arg(index)),
    };
    let user = cx.client.user.name().to_vec();
    add_entry(reason, context, object, user, cx);
}

/// Keeps for ACL LOG what was refused.
pub(super) fn add_entry(
    reason: &'static str,
    context: Context,
    object: Vec<u8>,
    user: Vec<u8>,
    cx: &mut Cx<'_>,
) {
    let now_ms = cx.hub.now.unix_ms();
    let client = super::connection::describe_asking(cx);
    cx.hub.acl.log.add(Entry {
        count: 0,
        reason,
        context,
        object,
        user,
        client,
        id: 0,
        created_ms: now_ms,
        updated_ms: now_ms,
    });
}

/// The arguments that are secrets: passwords, and what is said of users.
pub(super) fn secrets(args: Args<'_>) -> std::ops::Range<usize> {
    match () {
        () if args.is(0, "auth") => 1..args.len(),
        () if args.is(0, "acl")
            && ["setuser", "deluser", "getuser"]
                .iter()
                .any(|word| args.is(1, word)) =>
        {
            2..args.len()
        }
        () if args.is(0, "config") && args.is(1, "set") => {
            let named = (2..args.len())
                .step_by(2)
                .find(|at| args.is(*at, "requirepass"));
            named.map_or(0..0, |at| at + 1..at + 2)
        }
        () if args.is(0, "hello") => {
            let auth = (2..args.len()).find(|at| args.is(*at, "auth"));
            auth.map_or(0..0, |at| at + 1..at + 3)
        }
        () => 0..0,
    }
}

/// For the protocols that have no users of their own: what they do stands for a RESP command.
impl Cx<'_> {
    /// Whether the client may read a key by this command.
    #[inline]
    pub(crate) fn may_read(&mut self, command: &str, key: &[u8]) -> bool {
        !self.client.restricted || self.may(command, key, access::ACCESS)
    }

    /// Whether the client may write a key by this command.
    #[inline]
    pub(crate) fn may_write(&mut self, command: &str, key: &[u8]) -> bool {
        !self.client.restricted || self.may(command, key, access::UPDATE)
    }

    /// Whether a key that was not asked for may be shown: it is not worth an entry of ACL LOG.
    #[inline]
    pub(crate) fn may_see(&self, command: &str, key: &[u8]) -> bool {
        let allowed = || matches!(self.check_other(command, key, access::ACCESS), Some(Ok(())));
        !self.client.restricted || allowed()
    }

    #[cold]
    fn may(&mut self, name: &str, key: &[u8], access: u32) -> bool {
        match self.check_other(name, key, access) {
            None => false,
            Some(Ok(())) => true,
            Some(Err((denied, command))) => {
                let args = [name.as_bytes(), key];
                log(denied, &command, &args, Context::TopLevel, self);
                false
            }
        }
    }

    /// Whether the user may do it; `None`: nobody may, at this listener.
    fn check_other(
        &self,
        name: &str,
        key: &[u8],
        access: u32,
    ) -> Option<Result<(), (Denied, CommandRef)>> {
        let command = self.hub.commands.find(name.as_bytes())?;
        if self.client.needs_login(&self.hub.acl)
            || self.client.read_only && access == access::UPDATE
        {
            return None;
        }
        let args = [name.as_bytes(), key];
        let keys = [(1, access)];
        let request = Request {
            command: &command,
            args: &args,
            // A command without a key is about all of them, as its category says.
            keys: if command.keys.is_empty() { &[] } else { &keys },
        };
        let checked = self.client.user.check(request);
        Some(checked.map_err(|denied| (denied, command)))
    }
}
