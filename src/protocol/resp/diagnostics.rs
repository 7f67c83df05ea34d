//! The commands that show what is slow and what is large: SLOWLOG, LATENCY, MEMORY, DEBUG.

use super::command::{Command, flag};
use super::connection::address_of;
use super::{Args, CommandError};
use crate::client::NameKind;
use crate::number::parse_i64;
use crate::protocol::Cx;
use crate::slowlog::SlowEntry;

type Done = Result<(), CommandError>;

/// When a command begins to run, if it is one that may take long. Reading the clock costs as much as a small command:
/// those that cannot take long are not timed.
#[inline]
pub(super) fn start(command: &Command, cx: &Cx<'_>) -> Option<u64> {
    if command.has(flag::FAST) || command.name == "set" {
        return None;
    }
    Some(cx.hub.clock.as_ref()?.now().monotonic_us)
}

/// Remembers how long a command took that began at `started_us`.
pub(super) fn finish(command: &Command, args: Args<'_>, started_us: u64, cx: &mut Cx<'_>) {
    let Some(clock) = &cx.hub.clock else { return };
    let duration_us = clock.now().monotonic_us.saturating_sub(started_us);
    let unix_s = cx.hub.now.unix_us.div_euclid(1_000_000);
    cx.hub
        .command_stats
        .count_duration(command.number, duration_us);
    cx.hub.latency.add("command", unix_s, duration_us);
    if !cx.hub.slowlog.wants(duration_us) || command.has(flag::SKIP_SLOWLOG | flag::BLOCKING) {
        return;
    }
    let entry = SlowEntry {
        id: 0,
        unix_s,
        duration_us,
        args: shorten(args),
        address: address_of(cx.client),
        name: cx.client.name(NameKind::Connection).to_vec(),
    };
    cx.hub.slowlog.add(entry);
}

/// The arguments, as far as the slow log keeps them: 32 of them, 128 bytes of each.
fn shorten(args: Args<'_>) -> Vec<Vec<u8>> {
    const ARGS_MAX: usize = 32;
    const ARG_BYTES_MAX: usize = 128;
    let shown = if args.len() > ARGS_MAX {
        ARGS_MAX - 1
    } else {
        args.len()
    };
    let secrets = super::permit::secrets(args);
    let mut kept: Vec<Vec<u8>> = args
        .iter_from(0)
        .enumerate()
        .take(shown)
        .map(|(index, arg)| match secrets.contains(&index) {
            true => super::permit::REDACTED,
            false => arg,
        })
        .map(|arg| match arg.len().checked_sub(ARG_BYTES_MAX) {
            None | Some(0) => arg.to_vec(),
            Some(more) => [
                &arg[..ARG_BYTES_MAX],
                format!("... ({more} more bytes)").as_bytes(),
            ]
            .concat(),
        })
        .collect();
    if shown < args.len() {
        kept.push(format!("... ({} more arguments)", args.len() - shown).into_bytes());
    }
    kept
}

/// `SLOWLOG GET [count]`
pub fn slowlog_get(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() > 3 {
        return Err(CommandError::subcommand_arguments("SLOWLOG", &args[1]));
    }
    let count = match args.get(2) {
        None => 10,
        Some(text) => {
            let count = parse_i64(text).filter(|count| *count >= -1);
            count.ok_or(CommandError::text(
                "ERR count should be greater than or equal to -1",
            ))?
        }
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let entries: Vec<SlowEntry> = cx.hub.slowlog.entries().take(count).cloned().collect();
    let mut reply = cx.reply();
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.unix_s);
        reply.integer(i64::try_from(entry.duration_us).unwrap_or(i64::MAX));
        reply.array(entry.args.len());
        for arg in &entry.args {
            reply.bulk(arg);
        }
        reply.bulk(entry.address.as_bytes());
        reply.bulk(&entry.name);
    }
    Ok(())
}

pub fn slowlog_len(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let len = cx.hub.slowlog.entries().len();
    cx.reply().count(len);
    Ok(())
}

pub fn slowlog_reset(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    cx.hub.slowlog.clear();
    cx.reply().ok();
    Ok(())
}

pub fn slowlog_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "GET [<count>]",
            "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
            "    Entries are made of:",
            "    id, timestamp, time in microseconds, arguments array, client IP and port,",
            "    client name",
            "LEN",
            "    Return the length of the slowlog.",
            "RESET",
            "    Reset the slowlog.",
            "HELP",
            "    Print this help.",
        ],
    )
}

pub fn latency_latest(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let rows: Vec<_> = cx
        .hub
        .latency
        .events()
        .map(|(name, event)| {
            (
                name,
                event.samples.back().copied().unwrap_or_default(),
                event.longest_ms,
            )
        })
        .collect();
    let mut reply = cx.reply();
    reply.array(rows.len());
    for (name, (unix_s, latest_ms), longest_ms) in rows {
        reply.array(4);
        reply.bulk(name.as_bytes());
        reply.integer(unix_s);
        reply.integer(latest_ms as i64);
        reply.integer(longest_ms as i64);
    }
    Ok(())
}

pub fn latency_history(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let samples: Vec<(i64, u64)> = cx
        .hub
        .latency
        .event(&args[2])
        .map_or_else(Vec::new, |event| event.samples.iter().copied().collect());
    let mut reply = cx.reply();
    reply.array(samples.len());
    for (unix_s, duration_ms) in samples {
        reply.array(2);
        reply.integer(unix_s);
        reply.integer(duration_ms as i64);
    }
    Ok(())
}

/// `LATENCY RESET [event ...]`
pub fn latency_reset(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let forgotten = if args.len() == 2 {
        cx.hub.latency.clear()
    } else {
        args.iter_from(2)
            .filter(|name| cx.hub.latency.forget(name))
            .count()
    };
    cx.reply().count(forgotten);
    Ok(())
}

/// `LATENCY HISTOGRAM [command ...]`: commands that are not timed (see `start`) do not appear. A container stands for its
/// subcommands.
pub fn latency_histogram(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let is_asked = |name: &str| {
        let container = name.split('|').next().unwrap_or_default();
        args.len() == 2
            || args.iter_from(2).any(|asked| {
                asked.eq_ignore_ascii_case(name.as_bytes())
                    || asked.eq_ignore_ascii_case(container.as_bytes())
            })
    };
    let mut rows: Vec<_> = cx
        .hub
        .command_stats
        .called(&cx.hub.commands)
        .map(|(command, _, details)| (command.name, details.histogram))
        .filter(|(name, histogram)| histogram.calls() > 0 && is_asked(name))
        .map(|(name, histogram)| (name, histogram.calls(), histogram.cumulative()))
        .collect();
    rows.sort_unstable_by_key(|(name, ..)| *name);
    let mut reply = cx.reply();
    reply.map(rows.len());
    for (name, calls, buckets) in rows {
        reply.bulk(name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.integer(calls as i64);
        reply.bulk(b"histogram_usec");
        reply.map(buckets.len());
        for (bound_us, count) in buckets {
            reply.integer(bound_us as i64);
            reply.integer(count as i64);
        }
    }
    Ok(())
}

pub fn latency_doctor(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let latency = &cx.hub.latency;
    let text = if latency.threshold_ms == 0 {
        "Latency monitoring is disabled. Enable it with CONFIG SET latency-monitor-threshold <milliseconds>.\n".to_owned()
    } else if latency.events().len() == 0 {
        format!(
            "No event has taken {} ms or longer.\n",
            latency.threshold_ms
        )
    } else {
        let line = |(name, event): (&str, &crate::slowlog::Event)| {
            format!(
                "{name}: {} seconds with one, the longest took {} ms.\n",
                event.samples.len(),
                event.longest_ms
            )
        };
        latency.events().map(line).collect()
    };
    cx.reply().verbatim(&text);
    Ok(())
}

pub fn latency_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "DOCTOR",
            "    Return a human readable latency analysis report.",
            "HISTORY <event>",
            "    Return time-latency samples for the <event> class.",
            "LATEST",
            "    Return the latest latency samples for all events.",
            "RESET [<event> ...]",
            "    Reset latency data of one or more <event> classes.",
            "    (default: reset all data for all event classes)",
            "HISTOGRAM [COMMAND ...]",
            "    Return a cumulative distribution of commands in histogram format.",
            "HELP",
            "    Print this help.",
        ],
    )
}

/// `MEMORY USAGE key [SAMPLES count]`; the size is exact, so samples do not matter.
pub fn memory_usage(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    match args.len() {
        3 => {}
        5 if args.is(3, "samples") => {
            if args.integer(4)? < 0 {
                return Err(CommandError::Syntax);
            }
        }
        _ => return Err(CommandError::Syntax),
    }
    let key = cx.key(&args[2]);
    match cx.keyspace.memory_usage_bytes(&key) {
        Some(bytes) => cx.reply().count(bytes),
        None => cx.reply().null(),
    }
    Ok(())
}

pub fn memory_stats(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let clients: usize = cx.hub.others().map(|conn| conn.buffer_bytes()).sum();
    let table = cx.keyspace.table_bytes();
    let keys = cx.keyspace.len();
    let rows = [
        ("total.allocated", table + clients),
        ("clients.normal", clients),
        ("keys.count", keys),
        ("keys.bytes-per-key", table.checked_div(keys).unwrap_or(0)),
        ("dataset.bytes", table),
    ];
    let mut reply = cx.reply();
    reply.map(rows.len());
    for (name, value) in rows {
        reply.bulk(name.as_bytes());
        reply.count(value);
    }
    Ok(())
}

pub fn memory_doctor(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let text = if cx.keyspace.is_empty() {
        "There are no keys yet: nothing to be said of memory."
    } else {
        "No memory problem is known: freed records are compacted as they come, segment by segment."
    };
    cx.reply().verbatim(text);
    Ok(())
}

/// Nothing is kept back that could be purged.
pub fn memory_purge(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    cx.reply().ok();
    Ok(())
}

pub fn memory_malloc_stats(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    cx.reply().verbatim("The allocator gives no statistics.");
    Ok(())
}

pub fn memory_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "DOCTOR",
            "    Return memory problems reports.",
            "MALLOC-STATS",
            "    Return internal statistics report from the memory allocator.",
            "PURGE",
            "    Attempt to purge dirty pages for reclamation by the allocator.",
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return memory in bytes used by <key> and its value. Nested values are",
            "    sampled up to <count> times (default: 5, 0 means sample all).",
            "HELP",
            "    Print this help.",
        ],
    )
}

/// `DEBUG SLEEP`, and what else is harmless of it. Sleeping stops the one loop, as in Redis: that is its use.
pub fn debug(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.is(1, "sleep") && args.len() == 3 {
        const SLEEP_S_MAX: f64 = 3600.0;
        let seconds =
            crate::number::parse_f64(&args[2]).filter(|s| (0.0..=SLEEP_S_MAX).contains(s));
        std::thread::sleep(std::time::Duration::from_secs_f64(
            seconds.ok_or(CommandError::NotFloat)?,
        ));
    } else if !(args.is(1, "jmap") && args.len() == 2) {
        let name = String::from_utf8_lossy(args.get(1).unwrap_or_default()).into_owned();
        return Err(CommandError::err(format_args!(
            "unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP."
        )));
    }
    cx.reply().ok();
    Ok(())
}
