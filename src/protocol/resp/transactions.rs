//! The commands of transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use super::command::Command;
use super::{Args, CommandError, permit, special};
use crate::client::{Transaction, WatchedKey};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

pub fn multi(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let extras = cx.client.extras_mut();
    if extras.transaction.is_some() {
        return Err(CommandError::text("ERR MULTI calls can not be nested"));
    }
    extras.transaction = Some(Transaction::default());
    cx.client.settle();
    cx.reply().ok();
    Ok(())
}

/// Runs what was queued, as one group of changes: unless a request could not be queued, or a watched key has changed.
pub fn exec(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let Some(transaction) = cx.client.extras_mut().transaction.take() else {
        return Err(CommandError::text("ERR EXEC without MULTI"));
    };
    let broken_watch = check_watched(cx);
    forget_watched(cx);
    if transaction.broken {
        cx.client.settle();
        return Err(CommandError::text(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    if broken_watch {
        cx.client.settle();
        cx.reply().null_array();
        return Ok(());
    }
    cx.client.extras_mut().in_exec = true;
    cx.reply().array(transaction.queued.len());
    for request in &transaction.queued {
        match permit::check_queued(&request.command, request.args(), cx) {
            Ok(()) => special::run(request.command.clone(), request.args(), cx),
            Err(error) => cx.refuse(&error),
        }
    }
    cx.client.extras_mut().in_exec = false;
    cx.client.settle();
    Ok(())
}

/// Refuses a request that names no command, or has too few or too many arguments. EXEC ends its transaction even so.
pub(super) fn refuse(command: Option<&Command>, error: &CommandError, cx: &mut Cx<'_>) {
    let is_exec = command.is_some_and(|command| command.name == "exec");
    // A client in no special state has no transaction.
    if cx.client.special {
        let transaction = &mut cx.client.extras_mut().transaction;
        if is_exec {
            *transaction = None;
            cx.client.settle();
        } else if let Some(transaction) = transaction {
            transaction.broken = true;
        }
    }
    if !is_exec {
        return cx.refuse(error);
    }
    forget_watched(cx);
    let text = error.to_string();
    let text = text.strip_prefix("ERR ").unwrap_or(&text);
    let text = format!("EXECABORT Transaction discarded because of: {text}");
    cx.refuse(&CommandError::Other(text.into()));
}

pub fn discard(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    if cx.client.extras_mut().transaction.take().is_none() {
        return Err(CommandError::text("ERR DISCARD without MULTI"));
    }
    forget_watched(cx);
    cx.client.settle();
    cx.reply().ok();
    Ok(())
}

pub fn watch(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if cx
        .client
        .extras()
        .is_some_and(|extras| extras.transaction.is_some())
    {
        return Err(CommandError::text("ERR WATCH inside MULTI is not allowed"));
    }
    let db = cx.client.db;
    for key in args.iter_from(1) {
        let known = cx.client.extras().is_some_and(|extras| {
            extras
                .watched
                .iter()
                .any(|watched| watched.db == db && *watched.key == *key)
        });
        if !known {
            let name = cx.key(key);
            let existed = cx.keyspace.exists_quietly(&name);
            cx.client.extras_mut().watched.push(WatchedKey {
                db,
                key: key.into(),
                existed,
            });
            cx.hub.watchers.add(db, key, cx.client.slot);
        }
    }
    // A key that had expired by now was removed on the way: that is a change others may want to know of, not this one.
    cx.react();
    cx.refresh_interest();
    cx.reply().ok();
    Ok(())
}

pub fn unwatch(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    forget_watched(cx);
    cx.reply().ok();
    Ok(())
}

/// Whether a watched key is not what it was.
fn check_watched(cx: &mut Cx<'_>) -> bool {
    // A key whose time has come meanwhile counts as changed: looking at it removes it, which is told.
    let watched = std::mem::take(&mut cx.client.extras_mut().watched);
    for key in &watched {
        let name = cx.keyspace.key(key.db, &key.key);
        cx.keyspace.exists_quietly(&name);
    }
    cx.client.extras_mut().watched = watched;
    cx.react();
    cx.client.extras_mut().watch_broken
}

/// Watches nothing any more.
pub(super) fn forget_watched(cx: &mut Cx<'_>) {
    if cx
        .client
        .extras()
        .is_none_or(|extras| extras.watched.is_empty())
    {
        return;
    }
    let slot = cx.client.slot;
    let extras = cx.client.extras_mut();
    for key in std::mem::take(&mut extras.watched) {
        cx.hub.watchers.remove(key.db, &key.key, slot);
    }
    cx.client.extras_mut().watch_broken = false;
    cx.refresh_interest();
}
