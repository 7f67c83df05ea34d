//! SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, SHUTDOWN, and what INFO says of persistence.
//!
//! There is one kind of snapshot, taken by the loop itself: BGSAVE and BGREWRITEAOF both ask for it, and SAVE waits.

use super::{Args, CommandError};
use crate::protocol::Cx;
use crate::storage::Status;

type Done = Result<(), CommandError>;

const IN_MEMORY: CommandError = CommandError::text(
    "ERR there is nowhere to save to: all data is in memory only (start pentad with --data DIR)",
);

/// Takes a snapshot while everybody waits.
pub fn save(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    check(cx)?;
    if cx.hub.persistence.is_saving() {
        return Err(CommandError::text(
            "ERR Background save already in progress",
        ));
    }
    match cx
        .hub
        .persistence
        .save(cx.keyspace, &cx.hub.scripting, cx.hub.now)
    {
        Ok(_) => {
            cx.reply().ok();
            Ok(())
        }
        Err(error) => Err(CommandError::err(error)),
    }
}

/// `BGSAVE [SCHEDULE]`
pub fn bgsave(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let schedule = match args.len() {
        1 => false,
        2 if args.is(1, "schedule") => true,
        _ => return Err(CommandError::Syntax),
    };
    check(cx)?;
    if cx.hub.persistence.is_saving() {
        if !schedule {
            return Err(CommandError::text(
                "ERR Background save already in progress",
            ));
        }
        cx.hub.persistence.want_snapshot();
        cx.reply().simple("Background saving scheduled");
        return Ok(());
    }
    cx.hub.persistence.want_snapshot();
    cx.reply().simple("Background saving started");
    Ok(())
}

pub fn bgrewriteaof(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    check(cx)?;
    if cx.hub.persistence.is_saving() {
        return Err(CommandError::text(
            "ERR Background append only file rewriting already in progress",
        ));
    }
    cx.hub.persistence.want_snapshot();
    cx.reply()
        .simple("Background append only file rewriting started");
    Ok(())
}

pub fn lastsave(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let seconds = cx.hub.persistence.last_save_s;
    cx.reply().integer(seconds);
    Ok(())
}

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`. There are no replicas to wait for, so NOW changes nothing, and there
/// is never anything to abort.
pub fn shutdown(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (mut save, mut no_save, mut force, mut now, mut abort) =
        (false, false, false, false, false);
    for at in 1..args.len() {
        let flag = match args[at].to_ascii_lowercase().as_slice() {
            b"save" => &mut save,
            b"nosave" => &mut no_save,
            b"force" => &mut force,
            b"now" => &mut now,
            b"abort" => &mut abort,
            _ => return Err(CommandError::Syntax),
        };
        *flag = true;
    }
    if save && no_save || abort && args.len() > 2 {
        return Err(CommandError::Syntax);
    }
    if abort {
        return Err(CommandError::text("ERR No shutdown in progress."));
    }
    if cx.hub.busy && !no_save {
        return Err(CommandError::text(cx.hub.scripting.busy_text()));
    }
    if cx.hub.persistence.failure().is_some() && !no_save && !force {
        return Err(CommandError::text(
            "ERR Errors trying to SHUTDOWN. Check logs.",
        ));
    }
    cx.hub.persistence.save_at_end = !no_save;
    cx.hub.stop_requested = true;
    // Success is told by the connection's end.
    cx.client.closing = true;
    Ok(())
}

fn check(cx: &Cx<'_>) -> Done {
    let persistence = &cx.hub.persistence;
    if persistence.status().is_none() {
        return Err(IN_MEMORY);
    }
    match persistence.failure() {
        Some(reason) => Err(CommandError::err(format_args!("cannot save: {reason}"))),
        None => Ok(()),
    }
}

/// INFO's section.
pub(super) fn info(cx: &Cx<'_>, mut field: impl FnMut(&str, &dyn std::fmt::Display)) {
    let persistence = &cx.hub.persistence;
    let loading = cx.hub.gate == crate::hub::Gate::Loading;
    let status = persistence.status();
    let saving = u8::from(persistence.is_saving());
    let took_s = persistence
        .last_save_took_ms
        .map_or(-1, |ms| ms.div_ceil(1000) as i64);
    let ok = if persistence.last_save_ok {
        "ok"
    } else {
        "err"
    };
    let written = if persistence.failure().is_some() {
        "err"
    } else {
        "ok"
    };
    field("loading", &u8::from(loading));
    field("async_loading", &0);
    field(
        "rdb_changes_since_last_save",
        &persistence.changes_since_save(cx.keyspace),
    );
    field("rdb_bgsave_in_progress", &saving);
    field("rdb_last_save_time", &persistence.last_save_s);
    field("rdb_last_bgsave_status", &ok);
    field("rdb_last_bgsave_time_sec", &took_s);
    field("rdb_last_load_keys_loaded", &cx.hub.loaded.0);
    field("aof_enabled", &u8::from(status.is_some()));
    field("aof_rewrite_in_progress", &saving);
    field(
        "aof_rewrite_scheduled",
        &u8::from(persistence.is_save_wanted()),
    );
    field("aof_last_rewrite_time_sec", &took_s);
    field("aof_last_bgrewrite_status", &ok);
    field("aof_last_write_status", &written);
    if let Some(status) = status {
        info_storage(&status, cx, &mut field);
        if loading {
            let (total, read) = status.load_bytes;
            field("loading_start_time", &(cx.hub.started.unix_us / 1_000_000));
            field("loading_total_bytes", &total);
            field("loading_loaded_bytes", &read);
            let percent = read as f64 * 100.0 / total.max(1) as f64;
            field("loading_loaded_perc", &format_args!("{percent:.2}"));
        }
    }
}

fn info_storage(
    status: &Status,
    cx: &Cx<'_>,
    field: &mut impl FnMut(&str, &dyn std::fmt::Display),
) {
    field("storage", &status.kind);
    field(
        "aof_current_size",
        &(status.journal_bytes + status.snapshot_bytes),
    );
    field("aof_base_size", &status.snapshot_bytes);
    field("aof_buffer_length", &status.pending_bytes);
    field(
        "snapshot_waiting_bytes",
        &cx.keyspace.snapshot_waiting_bytes(),
    );
    field(
        "snapshot_keys_before_their_turn",
        &cx.keyspace.snapshot_records_before_change(),
    );
    if let Some(reason) = cx.hub.persistence.failure() {
        field("storage_failure", &reason);
    }
}
