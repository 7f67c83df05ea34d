//! The commands that are about the server.

use std::fmt::Write as _;

use super::generic::existing_database;
use super::{Args, CommandError, docs};
use crate::client::Client;
use crate::config::Scheme;
use crate::hub::Usage;
use crate::protocol::Cx;

pub use super::acl::{
    acl_cat, acl_deluser, acl_dryrun, acl_genpass, acl_getuser, acl_help, acl_list, acl_load,
    acl_log, acl_save, acl_setuser, acl_users, acl_whoami,
};
pub use super::configuration::{
    config_get, config_help, config_resetstat, config_rewrite, config_set,
};
pub use super::diagnostics::{
    debug, latency_doctor, latency_help, latency_histogram, latency_history, latency_latest,
    latency_reset, memory_doctor, memory_help, memory_malloc_stats, memory_purge, memory_stats,
    memory_usage, slowlog_get, slowlog_help, slowlog_len, slowlog_reset,
};

pub use super::saving::{bgrewriteaof, bgsave, lastsave, save, shutdown};

type Done = Result<(), CommandError>;

/// The version of Redis whose commands and replies these are: clients choose features by it.
pub const REDIS_VERSION: &str = "7.2.4";

pub fn time(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let now_us = cx.hub.now.unix_us;
    let mut reply = cx.reply();
    reply.array(2);
    reply.bulk_integer(now_us.div_euclid(1_000_000));
    reply.bulk_integer(now_us.rem_euclid(1_000_000));
    Ok(())
}

pub fn dbsize(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let keys = cx.keyspace.counts(cx.client.db).keys;
    cx.reply().count(keys);
    Ok(())
}

/// `FLUSHDB [ASYNC | SYNC]`; both are constant time here.
pub fn flushdb(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    check_flush_mode(args)?;
    cx.keyspace.flush(cx.client.db);
    cx.reply().ok();
    Ok(())
}

pub fn flushall(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    check_flush_mode(args)?;
    cx.keyspace.flush_all();
    cx.reply().ok();
    Ok(())
}

pub fn flush(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    cx.keyspace.flush(cx.client.db);
    cx.reply().ok();
    Ok(())
}

fn check_flush_mode(args: Args<'_>) -> Done {
    match args.len() {
        1 => Ok(()),
        2 if args.is(1, "async") || args.is(1, "sync") => Ok(()),
        _ => Err(CommandError::Syntax),
    }
}

/// Shows every request that is run from now on.
pub fn monitor(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let slot = cx.client.slot;
    if !cx.hub.monitors.contains(&slot) {
        cx.hub.monitors.push(slot);
    }
    cx.client.extras_mut().monitor = true;
    cx.client.settle();
    cx.reply().ok();
    Ok(())
}

pub fn lolwut(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let text = format!(
        "pentad {}: five voices, one thread, and nobody waits for long.\nRedis ver. {REDIS_VERSION}\n",
        env!("CARGO_PKG_VERSION")
    );
    cx.reply().verbatim(&text);
    Ok(())
}

pub fn swapdb(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    // Both must be numbers before either has to be in range.
    let number = |at, text| {
        let number = args.integer(at).ok();
        let number = number.and_then(|number| i32::try_from(number).ok());
        number.ok_or(CommandError::text(text))
    };
    let first = number(1, "ERR invalid first DB index")?;
    let second = number(2, "ERR invalid second DB index")?;
    let (first, second) = (
        existing_database(cx, first)?,
        existing_database(cx, second)?,
    );
    cx.keyspace.swap_databases(first, second);
    cx.reply().ok();
    Ok(())
}

/// Writes the lines of a HELP subcommand.
pub(super) fn help(cx: &mut Cx<'_>, lines: &[&str]) -> Done {
    let mut reply = cx.reply();
    reply.array(lines.len());
    for line in lines {
        reply.simple(line);
    }
    Ok(())
}

/// `INFO [section ...]`
pub fn info(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    type Section = fn(&Cx<'_>, &mut String);
    const SECTIONS: [(&str, Section); 12] = [
        ("Server", info_server),
        ("Clients", info_clients),
        ("Memory", info_memory),
        ("Persistence", info_persistence),
        ("Stats", info_stats),
        ("Replication", info_replication),
        ("CPU", info_cpu),
        ("Commandstats", info_commandstats),
        ("Errorstats", info_errorstats),
        ("Latencystats", info_latencystats),
        ("Cluster", info_cluster),
        ("Keyspace", info_keyspace),
    ];
    let is_asked = |word: &str| {
        args.iter_from(1)
            .any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    // The statistics of commands are long: they are shown to those who ask for them.
    const NOT_BY_DEFAULT: [&str; 2] = ["Commandstats", "Latencystats"];
    let everything = ["all", "everything"].into_iter().any(is_asked);
    let default = args.len() == 1 || is_asked("default");
    let mut text = String::new();
    for (name, write) in SECTIONS {
        if everything || default && !NOT_BY_DEFAULT.contains(&name) || is_asked(name) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            line(&mut text, "#", name, " ");
            write(cx, &mut text);
        }
    }
    cx.reply().verbatim(&text);
    Ok(())
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display, between: &str) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{name}{between}{value}\r\n");
}

macro_rules! fields {
    ($text:expr, $($name:literal: $value:expr),+ $(,)?) => {
        $(line($text, $name, $value, ":");)+
    };
}

/// The port of the first RESP listener; 0 when there is none.
pub(super) fn tcp_port<'a>(cx: &'a Cx<'_>) -> &'a str {
    let resp = cx
        .hub
        .listeners
        .iter()
        .find(|info| info.listen.scheme == Scheme::Resp);
    resp.and_then(|info| info.bound.rsplit_once(':'))
        .map_or("0", |(_, port)| port)
}

fn info_server(cx: &Cx<'_>, text: &mut String) {
    let uptime_s = cx
        .hub
        .now
        .monotonic_us
        .saturating_sub(cx.hub.started.monotonic_us)
        / 1_000_000;
    fields!(text,
        "redis_version": REDIS_VERSION,
        "server_name": "pentad",
        "pentad_version": env!("CARGO_PKG_VERSION"),
        "redis_mode": "standalone",
        "os": std::env::consts::OS,
        "arch_bits": usize::BITS,
        "multiplexing_api": "mio",
        "process_id": std::process::id(),
        "run_id": &cx.hub.run_id,
        "tcp_port": tcp_port(cx),
        "server_time_usec": cx.hub.now.unix_us,
        "uptime_in_seconds": uptime_s,
        "uptime_in_days": uptime_s / 86_400,
    );
    for (index, info) in cx.hub.listeners.iter().enumerate() {
        let value = format!(
            "name={},bind={},db={}",
            info.listen.scheme, info.bound, info.listen.db
        );
        line(text, &format!("listener{index}"), value, ":");
    }
}

fn info_clients(cx: &Cx<'_>, text: &mut String) {
    let has_subscribed = |client: &Client| {
        client
            .extras()
            .is_some_and(|extras| !extras.subscriptions.is_empty())
    };
    let pubsub_clients = cx
        .hub
        .others()
        .filter(|conn| has_subscribed(&conn.client))
        .count();
    let longest_input = cx
        .hub
        .others()
        .map(|conn| conn.input_len())
        .max()
        .unwrap_or(0);
    let longest_output = cx
        .hub
        .others()
        .map(|conn| conn.out.len())
        .max()
        .unwrap_or(0);
    fields!(text,
        "connected_clients": cx.hub.conns.len(),
        "cluster_connections": 0,
        "maxclients": cx.hub.limits.clients_max,
        "client_recent_max_input_buffer": longest_input,
        "client_recent_max_output_buffer": longest_output,
        "blocked_clients": cx.hub.waiting.len(),
        "tracking_clients": cx.hub.tracking.clients,
        "pubsub_clients": pubsub_clients,
    );
}

fn usage(cx: &Cx<'_>) -> Usage {
    cx.hub.usage.map_or_else(Usage::default, |read| read())
}

fn info_memory(cx: &Cx<'_>, text: &mut String) {
    let buffers: usize = cx.hub.others().map(|conn| conn.buffer_bytes()).sum();
    let table = cx.keyspace.table_bytes();
    let scripting = &cx.hub.scripting;
    fields!(text,
        "used_memory": match crate::accounting::used_bytes(cx.keyspace, cx.hub) {
            0 => table + buffers,
            used => used,
        },
        "allocator_allocated": cx.hub.allocated.map_or(0, |read| read()),
        "used_memory_rss": usage(cx).rss_bytes,
        "used_memory_dataset": table,
        "mem_clients_normal": buffers,
        "mem_reusable": cx.keyspace.reusable_bytes(),
        "used_memory_lua": scripting.machine_bytes(),
        "used_memory_vm_total": scripting.machine_bytes(),
        "number_of_cached_scripts": scripting.scripts.len(),
        "number_of_functions": scripting.libraries.values().map(|library| library.functions.len()).sum::<usize>(),
        "number_of_libraries": scripting.libraries.len(),
        "maxmemory": cx.hub.limits.memory_bytes_max,
        "maxmemory_policy": cx.keyspace.eviction.policy.name(),
    );
}

fn info_persistence(cx: &Cx<'_>, text: &mut String) {
    super::saving::info(cx, |name, value| line(text, name, value, ":"));
}

fn info_stats(cx: &Cx<'_>, text: &mut String) {
    let (stats, keys) = (&cx.hub.stats, cx.keyspace.stats());
    fields!(text,
        "total_connections_received": stats.connections_received,
        "total_commands_processed": stats.requests,
        "total_net_input_bytes": stats.input_bytes,
        "total_net_output_bytes": stats.output_bytes,
        "rejected_connections": stats.connections_rejected,
        "expired_keys": keys.expired,
        "evicted_keys": keys.evicted,
        "evicted_clients": cx.hub.evicted_clients,
        "keyspace_hits": keys.hits,
        "keyspace_misses": keys.misses,
        "total_error_replies": stats.errors.iter().map(|(_, count)| count).sum::<u64>(),
        "client_output_buffer_limit_disconnections": stats.output_limit_disconnections,
        "client_idle_timeout_disconnections": stats.idle_disconnections,
        "client_slow_request_disconnections": stats.slow_request_disconnections,
    );
    for (reason, count) in &cx.hub.acl.log.counts {
        let reason = if *reason == "command" { "cmd" } else { reason };
        line(text, &format!("acl_access_denied_{reason}"), count, ":");
    }
}

fn info_replication(cx: &Cx<'_>, text: &mut String) {
    fields!(text,
        "role": "master",
        "connected_slaves": 0,
        "master_replid": &cx.hub.run_id,
        "master_repl_offset": 0,
    );
}

fn info_cpu(cx: &Cx<'_>, text: &mut String) {
    let Usage {
        system_cpu_us,
        user_cpu_us,
        ..
    } = usage(cx);
    fields!(text,
        "used_cpu_sys": system_cpu_us as f64 / 1e6,
        "used_cpu_user": user_cpu_us as f64 / 1e6,
    );
}

/// Calls are exact. The time is that of the calls that were timed (see `diagnostics::start`): 0 for all others.
fn info_commandstats(cx: &Cx<'_>, text: &mut String) {
    for (command, calls, details) in cx.hub.command_stats.called(&cx.hub.commands) {
        let timed = &details.histogram;
        let per_call_us = timed.total_us() as f64 / timed.calls().max(1) as f64;
        let value = format!(
            "calls={calls},usec={},usec_per_call={per_call_us:.2},rejected_calls={},failed_calls={}",
            timed.total_us(),
            details.rejected,
            details.failed
        );
        line(text, &format!("cmdstat_{}", command.name), value, ":");
    }
}

fn info_latencystats(cx: &Cx<'_>, text: &mut String) {
    for (command, _, details) in cx.hub.command_stats.called(&cx.hub.commands) {
        if details.histogram.calls() == 0 {
            continue;
        }
        let percentile = |percent: &f64| {
            let us = details.histogram.percentile_us(*percent);
            format!("p{percent}={us}.000")
        };
        let percentiles: Vec<String> = cx.hub.latency_percentiles.iter().map(percentile).collect();
        let name = format!("latency_percentiles_usec_{}", command.name);
        line(text, &name, percentiles.join(","), ":");
    }
}

fn info_errorstats(cx: &Cx<'_>, text: &mut String) {
    for (kind, count) in &cx.hub.stats.errors {
        line(
            text,
            &format!("errorstat_{kind}"),
            format_args!("count={count}"),
            ":",
        );
    }
}

fn info_cluster(_: &Cx<'_>, text: &mut String) {
    fields!(text, "cluster_enabled": 0);
}

fn info_keyspace(cx: &Cx<'_>, text: &mut String) {
    for db in 0..cx.keyspace.databases() {
        let counts = cx.keyspace.counts(db);
        if counts.keys > 0 {
            let value = format!("keys={},expires={},avg_ttl=0", counts.keys, counts.expires);
            line(text, &format!("db{db}"), value, ":");
        }
    }
}

macro_rules! about_commands {
    ($($name:ident => $write:path, $from:literal;)+) => {
        $(pub fn $name(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
            let rest: Vec<&[u8]> = args.iter_from($from).collect();
            let Cx { hub, client, out, .. } = cx;
            $write(&mut super::Reply { out, resp3: client.resp3 }, &hub.commands, &rest);
            Ok(())
        })+
    };
}

about_commands! {
    command_info => docs::info, 2;
    command_docs => docs::docs, 2;
    command_list => docs::list, 2;
    command_getkeys => docs::get_keys, 2;
    command_getkeysandflags => docs::get_keys_and_flags, 2;
}

pub fn command(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let Cx {
        hub, client, out, ..
    } = cx;
    docs::info(
        &mut super::Reply {
            out,
            resp3: client.resp3,
        },
        &hub.commands,
        &[],
    );
    Ok(())
}

pub fn command_count(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let Cx {
        hub, client, out, ..
    } = cx;
    docs::count(
        &mut super::Reply {
            out,
            resp3: client.resp3,
        },
        &hub.commands,
    );
    Ok(())
}
