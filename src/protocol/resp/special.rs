//! Requests of clients that are in a special state: in a transaction, subscribed, tracked, muted; or watched by MONITOR.
//!
//! All others pass by this module: it must cost them nothing.

use super::command::{Command, access, flag};
use super::keys::keys_of;
use super::{Args, CommandError, CommandRef, KeptRequest, check_gate, permit, reject, resolve};
use crate::buffer::Output;
use crate::client::{Peer, Replies};
use crate::protocol::Cx;

/// Runs or queues a request, as the client's state and the command ask for.
pub(super) fn dispatch(command: Option<CommandRef>, args: Args<'_>, cx: &mut Cx<'_>) {
    match cx
        .client
        .extras()
        .map_or(Replies::On, |extras| extras.replies)
    {
        Replies::On => answer(command, args, cx),
        muted => {
            // What it would be answered goes nowhere, unless this request switches answers on again.
            let mut out = Output::default();
            let mut aside = Cx {
                keyspace: cx.keyspace,
                hub: cx.hub,
                client: cx.client,
                out: &mut out,
            };
            answer(command, args, &mut aside);
            let extras = cx.client.extras_mut();
            match (muted, extras.replies) {
                (_, Replies::On) => out.move_to(cx.out.tail()),
                (Replies::SkipNext, Replies::SkipNext) => {
                    extras.replies = Replies::On;
                    cx.client.settle();
                }
                _ => {}
            }
        }
    }
}

fn answer(command: Option<CommandRef>, args: Args<'_>, cx: &mut Cx<'_>) {
    let resolved = resolve(command.as_ref(), args).and_then(|command| {
        permit::check(&command, args, cx)?;
        check_room(&command, cx)?;
        check_storage(&command, cx)?;
        check_subscribed(&command, cx)?;
        check_busy(&command, cx)?;
        Ok(command)
    });
    match resolved {
        Err(error) => reject(command, args, &error, cx),
        Ok(command) if is_queued(&command, cx) => {
            if command.has(flag::NO_MULTI) {
                if let Some(transaction) = &mut cx.client.extras_mut().transaction {
                    transaction.broken = true;
                }
                cx.hub.command_stats.count_rejected(command.number);
                return cx.refuse(&CommandError::text(
                    "ERR Command not allowed inside a transaction",
                ));
            }
            if let Some(transaction) = &mut cx.client.extras_mut().transaction {
                transaction
                    .queued
                    .push(KeptRequest::new(command, args.iter_from(0)));
            }
            cx.reply().simple("QUEUED");
        }
        Ok(command) => run(command, args, cx),
    }
}

/// Runs a command, shows it to monitors, and remembers what it read if the client wants to hear of changes.
pub(super) fn run(command: CommandRef, args: Args<'_>, cx: &mut Cx<'_>) {
    cx.keyspace.reads_count_as_use =
        command.name == "touch" || cx.client.extras().is_none_or(|extras| !extras.no_touch);
    super::run(command.clone(), args, cx);
    cx.keyspace.reads_count_as_use = true;
    // Afterwards, as Redis does: a monitor that resets itself is told of it no more.
    if !cx.hub.monitors.is_empty() && !command.has(flag::SKIP_MONITOR | flag::ADMIN) {
        show_to_monitors(args, cx);
    }
    remember_reads(&command, args, cx);
}

/// There is no room for what a request would add.
pub(super) const OUT_OF_MEMORY: CommandError =
    CommandError::text("OOM command not allowed when used memory > 'maxmemory'.");

/// Makes room for what is written, and refuses it when there is none; in a transaction everything that is kept.
pub(super) fn check_room(command: &Command, cx: &mut Cx<'_>) -> Result<(), CommandError> {
    if cx.has_room() {
        return Ok(());
    }
    let transaction = cx
        .client
        .extras()
        .and_then(|extras| extras.transaction.as_ref());
    let adds = match (transaction, command.name) {
        (Some(transaction), "exec") => {
            let mut queued = transaction.queued.iter();
            queued.any(|request| request.command.has(flag::DENYOOM))
        }
        (Some(_), name) => !matches!(name, "discard" | "quit" | "reset"),
        (None, _) => command.has(flag::DENYOOM),
    };
    if adds {
        return Err(OUT_OF_MEMORY);
    }
    Ok(())
}

fn is_queued(command: &Command, cx: &Cx<'_>) -> bool {
    cx.client
        .extras()
        .is_some_and(|extras| extras.transaction.is_some() && !extras.in_exec)
        && !matches!(
            command.name,
            "exec" | "discard" | "multi" | "watch" | "quit" | "reset"
        )
}

/// Whether the storage lets the command run; EXEC is what it has queued.
fn check_storage(command: &Command, cx: &Cx<'_>) -> Result<(), CommandError> {
    check_gate(command, cx)?;
    let transaction = cx
        .client
        .extras()
        .and_then(|extras| extras.transaction.as_ref());
    match transaction {
        Some(transaction) if command.name == "exec" => transaction
            .queued
            .iter()
            .try_for_each(|request| check_gate(&request.command, cx)),
        _ => Ok(()),
    }
}

/// While a script runs for too long, little else may be done than to end it.
fn check_busy(command: &Command, cx: &Cx<'_>) -> Result<(), CommandError> {
    if cx.hub.busy && !command.has(flag::ALLOW_BUSY) {
        return Err(CommandError::text(cx.hub.scripting.busy_text()));
    }
    Ok(())
}

/// Shows a command that runs a script to monitors, before the commands of the script are shown.
#[cfg(feature = "lua")]
pub(super) fn show_script(args: Args<'_>, cx: &mut Cx<'_>) {
    if !cx.hub.monitors.is_empty() {
        show_to_monitors(args, cx);
    }
}

/// In RESP2 a client that has subscribed could not tell a reply from a message.
fn check_subscribed(command: &Command, cx: &Cx<'_>) -> Result<(), CommandError> {
    let subscribed = !cx.client.resp3
        && cx
            .client
            .extras()
            .is_some_and(|extras| !extras.subscriptions.is_empty());
    let allowed = matches!(
        command.name,
        "subscribe"
            | "unsubscribe"
            | "psubscribe"
            | "punsubscribe"
            | "ssubscribe"
            | "sunsubscribe"
            | "ping"
            | "quit"
            | "reset"
    );
    if subscribed && !allowed {
        return Err(CommandError::err(format_args!(
            "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            command.name
        )));
    }
    Ok(())
}

fn remember_reads(command: &Command, args: Args<'_>, cx: &mut Cx<'_>) {
    const KEYS_MAX: usize = 1_000_000;
    let is_about_client = command.name.starts_with("client|");
    let Some(tracking) = cx
        .client
        .extras()
        .and_then(|extras| extras.tracking.as_ref())
    else {
        return;
    };
    let caching = tracking.caching;
    let wants = !tracking.broadcast
        && match (tracking.opt_in, tracking.opt_out) {
            (true, _) => caching == Some(true),
            (_, true) => caching != Some(false),
            _ => true,
        };
    if wants && command.has(flag::READONLY) && !is_about_client {
        let request: Vec<&[u8]> = args.iter_from(0).collect();
        for key in keys_of(command, &request) {
            if key.access & access::NOT_KEY == 0 {
                // The command may have made a change itself (PFCOUNT keeps its count, a key is found to have expired).
                cx.hub.tracking.remember_after(
                    cx.keyspace.changes.len(),
                    &args[key.index],
                    (cx.client.slot, cx.client.id),
                );
            }
        }
        while let Some(key) = cx.hub.tracking.excess(KEYS_MAX) {
            cx.scene().invalidate(&key);
        }
    }
    // CLIENT CACHING holds for the next command that is not CLIENT, or the next transaction.
    if caching.is_some()
        && !is_about_client
        && cx
            .client
            .extras()
            .is_some_and(|extras| extras.transaction.is_none() && !extras.in_exec)
        && let Some(tracking) = &mut cx.client.extras_mut().tracking
    {
        tracking.caching = None;
    }
}

/// One line a request: time, database, address, arguments.
fn show_to_monitors(args: Args<'_>, cx: &mut Cx<'_>) {
    let now_us = cx.hub.now.unix_us;
    let address = match cx.client.peer {
        _ if cx.client.in_script.is_some() => "lua".to_owned(),
        Peer::Tcp(address) => address.to_string(),
        Peer::Unix => "unix:".to_owned(),
        Peer::InProcess => "in-process".to_owned(),
    };
    let mut line = format!(
        "{}.{:06} [{} {address}]",
        now_us.div_euclid(1_000_000),
        now_us.rem_euclid(1_000_000),
        cx.client.db
    );
    let secrets = permit::secrets(args);
    for (index, arg) in args.iter_from(0).enumerate() {
        let arg = match secrets.contains(&index) {
            true => permit::REDACTED,
            false => arg,
        };
        line.push_str(" \"");
        for &byte in arg {
            match byte {
                b'"' => line.push_str("\\\""),
                b'\\' => line.push_str("\\\\"),
                b'\n' => line.push_str("\\n"),
                b'\r' => line.push_str("\\r"),
                b'\t' => line.push_str("\\t"),
                7 => line.push_str("\\a"),
                8 => line.push_str("\\b"),
                b' '..=b'~' => line.push(byte as char),
                other => line.push_str(&format!("\\x{other:02x}")),
            }
        }
        line.push('"');
    }
    for slot in cx.hub.monitors.clone() {
        cx.scene().deliver(slot, |reply| reply.simple(&line));
    }
}
