//! CONFIG: what can be asked and changed while the server runs, under Redis's names.
//!
//! Each parameter is a row: its name, how it is read, and (unless it cannot be changed) how it is set.

use super::{Args, CommandError};
use crate::config::OutputLimit;
use crate::glob;
use crate::hub::Stats;
use crate::keyspace::Policy;
use crate::number::{parse_bytes, parse_i64};
use crate::protocol::Cx;
use crate::reactions::Notify;
use crate::storage::Fsync;
use crate::tls::AuthClients;

type Done = Result<(), CommandError>;
type Read = fn(&Cx<'_>) -> String;
/// Sets a parameter; an error says why the value cannot be used.
type Write = fn(&mut Cx<'_>, &[u8]) -> Result<(), String>;

struct Parameter {
    name: &'static str,
    read: Read,
    write: Option<Write>,
}

const fn fixed(name: &'static str, read: Read) -> Parameter {
    Parameter {
        name,
        read,
        write: None,
    }
}

const fn changeable(name: &'static str, read: Read, write: Write) -> Parameter {
    Parameter {
        name,
        read,
        write: Some(write),
    }
}

/// A number that lies in a field, with its bounds.
macro_rules! number {
    ($name:literal, $from:literal ..= $to:expr, |$cx:ident| $field:expr) => {
        changeable(
            $name,
            |$cx| $field.to_string(),
            |$cx, text| {
                $field = parse_number(text, $from, $to)?
                    .try_into()
                    .map_err(|_| out_of_range($from, $to))?;
                Ok(())
            },
        )
    };
}

/// A number of bytes that lies in a field; units such as `64mb` are understood.
macro_rules! bytes {
    ($name:literal, $from:literal ..= $to:expr, |$cx:ident| $field:expr) => {
        changeable(
            $name,
            |$cx| $field.to_string(),
            |$cx, text| {
                $field = bytes_within(text, $from, $to)?
                    .try_into()
                    .map_err(|_| out_of_range($from, $to))?;
                Ok(())
            },
        )
    };
}

/// A file's path that lies in a field; empty: none.
macro_rules! file {
    ($name:literal, |$cx:ident| $field:expr) => {
        changeable(
            $name,
            |$cx| {
                let path = $field.as_ref();
                path.map_or(String::new(), |path| path.display().to_string())
            },
            |$cx, text| {
                let path = std::str::from_utf8(text).map_err(|_| "a path is UTF-8")?;
                $field = Some(path).filter(|path| !path.is_empty()).map(Into::into);
                Ok(())
            },
        )
    };
}

/// In alphabetical order.
const PARAMETERS: &[Parameter] = &[
    changeable(
        "acl-pubsub-default",
        |cx| match cx.hub.acl.all_channels_by_default {
            true => "allchannels".to_owned(),
            false => "resetchannels".to_owned(),
        },
        |cx, text| {
            cx.hub.acl.all_channels_by_default = one_of(text, "resetchannels", "allchannels")?;
            Ok(())
        },
    ),
    fixed("aclfile", |cx| {
        let file = cx.hub.acl.file.as_ref();
        file.map_or(String::new(), |file| file.display().to_string())
    }),
    number!("acllog-max-len", 0..=i64::MAX, |cx| cx
        .hub
        .acl
        .log
        .entries_max),
    changeable(
        "appendfsync",
        |cx| {
            let fsync = cx.hub.persistence.status().map(|status| status.fsync);
            fsync.unwrap_or_default().name().to_owned()
        },
        |cx, text| {
            let fsync = Fsync::parse(&String::from_utf8_lossy(text))
                .ok_or("argument(s) must be one of the following: everysec, always, no")?;
            cx.hub.persistence.set_fsync(fsync);
            Ok(())
        },
    ),
    fixed("appendonly", |cx| {
        let kept = cx.hub.persistence.status().is_some();
        (if kept { "yes" } else { "no" }).to_owned()
    }),
    bytes!("auto-aof-rewrite-min-size", 0..=i64::MAX, |cx| cx
        .hub
        .persistence
        .growth_bytes_min),
    number!("auto-aof-rewrite-percentage", 0..=2_147_483_647, |cx| cx
        .hub
        .persistence
        .growth_percent),
    fixed("bind", |_| "127.0.0.1".to_owned()),
    number!("busy-reply-threshold", 0..=i64::MAX, |cx| cx
        .hub
        .scripting
        .time_limit_ms),
    changeable(
        "client-output-buffer-limit",
        |cx| show_output_limits(&cx.hub.limits.output_limits),
        |cx, text| {
            cx.hub.limits.output_limits = parse_output_limits(text, cx.hub.limits.output_limits)?;
            Ok(())
        },
    ),
    bytes!(
        "client-query-buffer-limit",
        1_048_576..=2_147_483_648,
        |cx| cx.hub.limits.request_bytes_max
    ),
    fixed("databases", |cx| cx.keyspace.databases().to_string()),
    number!("hash-max-listpack-entries", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .hash_max_listpack_entries),
    number!("hash-max-listpack-value", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .hash_max_listpack_value),
    number!("hash-max-ziplist-entries", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .hash_max_listpack_entries),
    number!("hash-max-ziplist-value", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .hash_max_listpack_value),
    number!("latency-monitor-threshold", 0..=i64::MAX, |cx| cx
        .hub
        .latency
        .threshold_ms),
    fixed("latency-tracking", |_| "yes".to_owned()),
    changeable(
        "latency-tracking-info-percentiles",
        |cx| {
            let texts: Vec<String> = cx
                .hub
                .latency_percentiles
                .iter()
                .map(f64::to_string)
                .collect();
            texts.join(" ")
        },
        |cx, text| {
            cx.hub.latency_percentiles = parse_percentiles(text)?;
            Ok(())
        },
    ),
    number!("lfu-decay-time", 0..=2_147_483_647, |cx| cx
        .keyspace
        .eviction
        .lfu_decay_minutes),
    number!("lfu-log-factor", 0..=2_147_483_647, |cx| cx
        .keyspace
        .eviction
        .lfu_log_factor),
    number!("list-max-listpack-size", -5..=2_147_483_647, |cx| cx
        .keyspace
        .settings
        .list_max_listpack_size),
    number!("list-max-ziplist-size", -5..=2_147_483_647, |cx| cx
        .keyspace
        .settings
        .list_max_listpack_size),
    bytes!("lua-memory-limit", 0..=i64::MAX, |cx| cx
        .hub
        .scripting
        .memory_limit_bytes),
    number!("lua-time-limit", 0..=i64::MAX, |cx| cx
        .hub
        .scripting
        .time_limit_ms),
    number!("maxclients", 1..=1_000_000, |cx| cx.hub.limits.clients_max),
    changeable(
        "maxmemory",
        |cx| cx.hub.limits.memory_bytes_max.to_string(),
        |cx, text| {
            let bytes = bytes_within(text, 0, i64::MAX)? as usize;
            if bytes > 0 && cx.hub.allocated.is_none() {
                return Err(
                    "the program that this server is part of does not count its memory".into(),
                );
            }
            cx.hub.limits.memory_bytes_max = bytes;
            Ok(())
        },
    ),
    bytes!("maxmemory-clients", 0..=i64::MAX, |cx| cx
        .hub
        .limits
        .clients_bytes_max),
    changeable(
        "maxmemory-policy",
        |cx| cx.keyspace.eviction.policy.name().to_owned(),
        |cx, text| {
            let policy = Policy::by_name(text).ok_or_else(|| {
                let names = Policy::NAMES.map(|(_, name)| name).join(", ");
                format!("argument(s) must be one of the following: {names}")
            })?;
            cx.keyspace.eviction.set_policy(policy);
            Ok(())
        },
    ),
    number!("maxmemory-samples", 1..=64, |cx| cx
        .keyspace
        .eviction
        .samples),
    changeable(
        "notify-keyspace-events",
        |cx| cx.hub.notify.show(),
        |cx, text| {
            let wrong = || "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned();
            cx.hub.notify = Notify::parse(text).ok_or_else(wrong)?;
            cx.refresh_interest();
            Ok(())
        },
    ),
    fixed("port", |cx| super::server::tcp_port(cx).to_owned()),
    bytes!("proto-max-bulk-len", 1_048_576..=2_147_483_648, |cx| cx
        .hub
        .limits
        .request_bytes_max),
    changeable(
        "protected-mode",
        |cx| if cx.hub.unprotected { "no" } else { "yes" }.to_owned(),
        |cx, text| {
            cx.hub.unprotected = one_of(text, "yes", "no")?;
            Ok(())
        },
    ),
    changeable(
        "requirepass",
        |cx| String::from_utf8_lossy(&cx.hub.acl.password).into_owned(),
        |cx, text| {
            cx.hub.acl.set_password(text, &cx.hub.commands);
            super::acl::users_changed(cx);
            Ok(())
        },
    ),
    fixed("save", |_| String::new()),
    number!("set-max-intset-entries", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .set_max_intset_entries),
    number!("set-max-listpack-entries", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .set_max_listpack_entries),
    number!("set-max-listpack-value", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .set_max_listpack_value),
    number!("slowlog-log-slower-than", -1..=i64::MAX, |cx| cx
        .hub
        .slowlog
        .threshold_us),
    number!("slowlog-max-len", 0..=i64::MAX, |cx| cx
        .hub
        .slowlog
        .entries_max),
    fixed("tcp-backlog", |cx| cx.hub.limits.tcp_backlog.to_string()),
    number!("tcp-keepalive", 0..=2_147_483_647, |cx| cx
        .hub
        .limits
        .tcp_keepalive_s),
    number!("timeout", 0..=i64::MAX, |cx| cx.hub.limits.idle_timeout_s),
    changeable(
        "tls-auth-clients",
        |cx| cx.hub.tls.options.auth_clients.name().to_owned(),
        |cx, text| {
            let choice = AuthClients::by_name(&String::from_utf8_lossy(text));
            cx.hub.tls.options.auth_clients =
                choice.ok_or("argument(s) must be one of the following: no, yes, optional")?;
            Ok(())
        },
    ),
    changeable(
        "tls-auth-clients-user",
        |cx| match cx.hub.tls.options.clients_are_users {
            true => "CN".to_owned(),
            false => "off".to_owned(),
        },
        |cx, text| {
            cx.hub.tls.options.clients_are_users = one_of(text, "off", "cn")?;
            Ok(())
        },
    ),
    file!("tls-ca-cert-file", |cx| cx.hub.tls.options.ca_cert_file),
    file!("tls-cert-file", |cx| cx.hub.tls.options.cert_file),
    file!("tls-key-file", |cx| cx.hub.tls.options.key_file),
    number!("zset-max-listpack-entries", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .zset_max_listpack_entries),
    number!("zset-max-listpack-value", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .zset_max_listpack_value),
    number!("zset-max-ziplist-entries", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .zset_max_listpack_entries),
    number!("zset-max-ziplist-value", 0..=i64::MAX, |cx| cx
        .keyspace
        .settings
        .zset_max_listpack_value),
];

fn out_of_range(from: i64, to: i64) -> String {
    format!("argument must be between {from} and {to} inclusive")
}

const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

fn show_output_limits(limits: &[OutputLimit; 3]) -> String {
    let parts = CLASSES.iter().zip(limits).map(|(class, limit)| {
        format!(
            "{class} {} {} {}",
            limit.hard_bytes, limit.soft_bytes, limit.soft_s
        )
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// `class hard soft seconds`, once or more; the classes that are not named keep what they have.
fn parse_output_limits(
    text: &[u8],
    mut limits: [OutputLimit; 3],
) -> Result<[OutputLimit; 3], String> {
    let words: Vec<&[u8]> = text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect();
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    for limit in words.chunks_exact(4) {
        let is = |class: &str| limit[0].eq_ignore_ascii_case(class.as_bytes());
        let class = match CLASSES.iter().position(|class| is(class)) {
            Some(class) => class,
            None if is("replica") => 1,
            None => {
                return Err(
                    "Invalid client class specified in buffer limit configuration.".to_owned(),
                );
            }
        };
        let wrong = |_| {
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.".to_owned()
        };
        let hard = bytes_within(limit[1], 0, i64::MAX).map_err(wrong)?;
        let soft = bytes_within(limit[2], 0, i64::MAX).map_err(wrong)?;
        let soft_s = parse_number(limit[3], 0, i64::MAX).map_err(wrong)?;
        limits[class] = OutputLimit::new(hard as usize, soft as usize, soft_s as u64);
    }
    Ok(limits)
}

/// False for the first of two words, true for the second.
fn one_of(text: &[u8], first: &str, second: &str) -> Result<bool, String> {
    match () {
        () if text.eq_ignore_ascii_case(first.as_bytes()) => Ok(false),
        () if text.eq_ignore_ascii_case(second.as_bytes()) => Ok(true),
        () if first == "yes" || first == "no" => Err("argument must be 'yes' or 'no'".to_owned()),
        () => Err(format!(
            "argument(s) must be one of the following: {second}, {first}"
        )),
    }
}

fn parse_number(text: &[u8], from: i64, to: i64) -> Result<i64, String> {
    let number = parse_i64(text).ok_or("argument couldn't be parsed into an integer")?;
    if (from..=to).contains(&number) {
        Ok(number)
    } else {
        Err(out_of_range(from, to))
    }
}

fn bytes_within(text: &[u8], from: i64, to: i64) -> Result<i64, String> {
    let bytes = parse_bytes(text).ok_or("argument must be a memory value")?;
    if (from..=to).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(out_of_range(from, to))
    }
}

fn parse_percentiles(text: &[u8]) -> Result<Vec<f64>, String> {
    let words = text
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            let percent = crate::number::parse_f64(word)
                .filter(|percent| (0.0..=100.0).contains(percent))
                .ok_or(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
                )?;
            Ok(percent)
        })
        .collect()
}

/// `CONFIG GET parameter [parameter ...]`; patterns are understood.
pub fn config_get(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let is_asked = |name: &str| {
        args.iter_from(2)
            .any(|pattern| glob::matches(pattern, name.as_bytes(), true))
    };
    let found: Vec<(&str, String)> = PARAMETERS
        .iter()
        .filter(|row| is_asked(row.name))
        .map(|row| (row.name, (row.read)(cx)))
        .collect();
    let mut reply = cx.reply();
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    Ok(())
}

/// `CONFIG SET parameter value [parameter value ...]`: all of them, or none.
pub fn config_set(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("config|set".into()));
    }
    let failed = |name: &str, why: &str| {
        CommandError::err(format_args!(
            "CONFIG SET failed (possibly related to argument '{name}') - {why}"
        ))
    };
    let mut changes: Vec<(&Parameter, Write, &[u8])> = Vec::new();
    for at in (2..args.len()).step_by(2) {
        let name = String::from_utf8_lossy(&args[at]).into_owned();
        let Some(row) = PARAMETERS
            .iter()
            .find(|row| row.name.eq_ignore_ascii_case(&name))
        else {
            return Err(CommandError::err(format_args!(
                "Unknown option or number of arguments for CONFIG SET - '{name}'"
            )));
        };
        let write = row
            .write
            .ok_or_else(|| failed(&name, "can't set immutable config"))?;
        if changes.iter().any(|(known, ..)| known.name == row.name) {
            return Err(failed(&name, "duplicate parameter"));
        }
        changes.push((row, write, args.get(at + 1).unwrap_or_default()));
    }
    let before: Vec<String> = changes.iter().map(|(row, ..)| (row.read)(cx)).collect();
    let undo = |cx: &mut Cx<'_>, count: usize| {
        for ((_, write, _), old) in changes.iter().zip(&before).take(count) {
            // What was in force can be set again.
            let _ = write(cx, old.as_bytes());
        }
    };
    for (index, (row, write, value)) in changes.iter().enumerate() {
        if let Err(why) = write(cx, value) {
            undo(cx, index);
            return Err(failed(row.name, &why));
        }
    }
    let mut rows = changes.iter().map(|(row, ..)| row.name);
    // All of them at once: a certificate and its key belong together.
    if let Some(name) = rows.find(|name| name.starts_with("tls-"))
        && let Err(error) = cx.hub.tls.apply()
    {
        undo(cx, changes.len());
        return Err(failed(name, &error.to_string()));
    }
    cx.reply().ok();
    Ok(())
}

pub fn config_resetstat(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    cx.hub.stats = Stats::default();
    cx.hub.command_stats.clear();
    cx.keyspace.reset_stats();
    cx.reply().ok();
    Ok(())
}

pub fn config_rewrite(_: &mut Cx<'_>, _: Args<'_>) -> Done {
    Err(CommandError::text(
        "ERR The server is running without a config file",
    ))
}

pub fn config_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
            "HELP",
            "    Print this help.",
        ],
    )
}
