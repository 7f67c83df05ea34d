//! The commands on keys of any type.

use super::blocking::{Wait, parse_timeout_ms};
use super::scan::{Found, ScanOptions, parse_cursor};
use super::{Args, CommandError};
use crate::client::OnTimeout;
use crate::glob;
use crate::keyspace::{BusyKey, CopyError, Db, ExpireCondition, RenameError, RestoreOptions, Ttl};
use crate::protocol::Cx;
use crate::rdb;

pub use super::sort::{sort, sort_ro};

type Done = Result<(), CommandError>;

const NO_SUCH_KEY: CommandError = CommandError::text("ERR no such key");
const SAME_KEY: CommandError =
    CommandError::text("ERR source and destination objects are the same");
const BUSY_KEY: CommandError = CommandError::text("BUSYKEY Target key name already exists.");
const BAD_FORMAT: CommandError = CommandError::text("ERR Bad data format");
const DB_OUT_OF_RANGE: CommandError = CommandError::text("ERR DB index is out of range");

pub fn del(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut deleted = 0;
    for key in args.iter_from(1) {
        let key = cx.key(key);
        deleted += i64::from(cx.keyspace.delete(&key));
    }
    cx.reply().integer(deleted);
    Ok(())
}

pub fn unlink(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    del(cx, args)
}

pub fn delete(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    del(cx, args)
}

pub fn exists(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut found = 0;
    for key in args.iter_from(1) {
        let key = cx.key(key);
        found += i64::from(cx.keyspace.exists(&key));
    }
    cx.reply().integer(found);
    Ok(())
}

pub fn touch(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    exists(cx, args)
}

pub fn type_(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let name = cx
        .keyspace
        .type_of(&key)
        .map_or("none", |found| found.name());
    cx.reply().simple(name);
    Ok(())
}

pub fn randomkey(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    match cx.keyspace.random_key(cx.client.db) {
        Some(key) => cx.reply().bulk(&key),
        None => cx.reply().null(),
    }
    Ok(())
}

pub fn rename(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    rename_key(cx, args, false)?;
    cx.reply().ok();
    Ok(())
}

pub fn renamenx(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let done = rename_key(cx, args, true)?;
    cx.reply().integer(i64::from(done));
    Ok(())
}

fn rename_key(cx: &mut Cx<'_>, args: Args<'_>, if_missing: bool) -> Result<bool, CommandError> {
    let (from, to) = (cx.key(&args[1]), cx.key(&args[2]));
    cx.keyspace
        .rename(&from, &to, if_missing)
        .map_err(|RenameError::NoSuchKey| NO_SUCH_KEY)
}

/// The database that the argument at `at` names.
pub(super) fn database(cx: &Cx<'_>, args: Args<'_>, at: usize) -> Result<Db, CommandError> {
    let number = args.integer(at)?;
    // Redis reads it as a C int.
    let number = i32::try_from(number).map_err(|_| {
        CommandError::err(format_args!(
            "value is out of range, value must between {} and {}",
            i32::MIN,
            i32::MAX
        ))
    })?;
    existing_database(cx, number)
}

/// The database of this number, if it exists.
pub(super) fn existing_database(cx: &Cx<'_>, number: i32) -> Result<Db, CommandError> {
    match Db::try_from(number) {
        Ok(db) if db < cx.keyspace.databases() => Ok(db),
        _ => Err(DB_OUT_OF_RANGE),
    }
}

pub fn move_(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let db = database(cx, args, 2)?;
    let key = cx.key(&args[1]);
    let moved = cx
        .keyspace
        .move_to(&key, db)
        .map_err(|CopyError::SameKey| SAME_KEY)?;
    cx.reply().integer(i64::from(moved));
    Ok(())
}

/// `COPY source destination [DB destination-db] [REPLACE]`
pub fn copy(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut db = cx.client.db;
    let mut replace = false;
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "replace") {
            replace = true;
        } else if args.is(at, "db") && at + 1 < args.len() {
            db = database(cx, args, at + 1)?;
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    let from = cx.key(&args[1]);
    let to = cx.keyspace.key(db, &args[2]);
    let copied = cx
        .keyspace
        .copy(&from, &to, replace)
        .map_err(|CopyError::SameKey| SAME_KEY)?;
    cx.reply().integer(i64::from(copied));
    Ok(())
}

/// `DUMP key`: the value as Redis 7.0 writes it, so that older ones than 7.2 can take it too.
pub fn dump(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    match cx.keyspace.whole(&key) {
        Some(data) => {
            let version = rdb::Version::V10;
            let mut payload = Vec::new();
            rdb::encode(data, version, &mut payload);
            rdb::payload::seal(&mut payload, version.number());
            cx.reply().bulk(&payload);
        }
        None => cx.reply().null(),
    }
    Ok(())
}

/// `RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
pub fn restore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let options = RestoreArguments::parse(args)?;
    let key = cx.key(&args[1]);
    if !options.replace && cx.keyspace.exists_quietly(&key) {
        return Err(BUSY_KEY);
    }
    let ttl_ms = args.integer(2)?;
    if ttl_ms < 0 {
        return Err(CommandError::text("ERR Invalid TTL value, must be >= 0"));
    }
    let body = rdb::payload::open(&args[3]).map_err(CommandError::err)?;
    /// What a string that was made by requests may be longer than one of them: BITFIELD adds some bytes, and the
    /// sequence around an element has a header and other elements.
    const SPARE_BYTES: u64 = 64 << 10;
    let string_bytes_max = cx.hub.limits.request_bytes_max as u64 + SPARE_BYTES;
    let content = match rdb::decode_whole(body, string_bytes_max, &cx.keyspace.settings) {
        Ok(Some(content)) => content,
        Ok(None) | Err(_) => return Err(BAD_FORMAT),
    };
    let base_ms = if options.absolute {
        0
    } else {
        cx.keyspace.now_ms()
    };
    let restored = cx.keyspace.restore(
        &key,
        content,
        RestoreOptions {
            replace: options.replace,
            // A time beyond all times is long past, as in Redis.
            expires_ms: (ttl_ms > 0).then(|| ttl_ms.wrapping_add(base_ms)),
            idle_s: options.idle_s,
        },
    );
    restored.map_err(|BusyKey| BUSY_KEY)?;
    cx.reply().ok();
    Ok(())
}

/// What stands behind the payload of RESTORE.
#[derive(Default)]
struct RestoreArguments {
    replace: bool,
    absolute: bool,
    idle_s: u32,
}

impl RestoreArguments {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = RestoreArguments::default();
        let (mut has_idle, mut has_freq) = (false, false);
        let mut at = 4;
        while at < args.len() {
            let has_value = at + 1 < args.len();
            if args.is(at, "replace") {
                options.replace = true;
            } else if args.is(at, "absttl") {
                options.absolute = true;
            } else if args.is(at, "idletime") && has_value && !has_freq {
                let idle_s = args.integer(at + 1)?;
                if idle_s < 0 {
                    return Err(CommandError::text(
                        "ERR Invalid IDLETIME value, must be >= 0",
                    ));
                }
                options.idle_s = u32::try_from(idle_s).unwrap_or(u32::MAX);
                has_idle = true;
                at += 1;
            } else if args.is(at, "freq") && has_value && !has_idle {
                // Checked and forgotten: keys are not told apart by how often they are used.
                if !(0..=255).contains(&args.integer(at + 1)?) {
                    return Err(CommandError::text(
                        "ERR Invalid FREQ value, must be >= 0 and <= 255",
                    ));
                }
                has_freq = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

/// How the time of an expiry is given and shown.
#[derive(Clone, Copy)]
struct TimeForm {
    /// Milliseconds in a unit.
    unit_ms: i64,
    /// Counted from now, not from 1970.
    relative: bool,
}

const SECONDS: TimeForm = TimeForm {
    unit_ms: 1000,
    relative: true,
};
const MILLISECONDS: TimeForm = TimeForm {
    unit_ms: 1,
    relative: true,
};
const UNIX_SECONDS: TimeForm = TimeForm {
    unit_ms: 1000,
    relative: false,
};
const UNIX_MILLISECONDS: TimeForm = TimeForm {
    unit_ms: 1,
    relative: false,
};

pub fn expire(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    set_expiry(cx, args, SECONDS, "expire")
}

pub fn pexpire(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    set_expiry(cx, args, MILLISECONDS, "pexpire")
}

pub fn expireat(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    set_expiry(cx, args, UNIX_SECONDS, "expireat")
}

pub fn pexpireat(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    set_expiry(cx, args, UNIX_MILLISECONDS, "pexpireat")
}

/// `EXPIRE key time [NX | XX | GT | LT]` in all four forms of time.
fn set_expiry(cx: &mut Cx<'_>, args: Args<'_>, form: TimeForm, command: &str) -> Done {
    let condition = expire_condition(args)?;
    let time = args.integer(2)?;
    let base = if form.relative {
        cx.keyspace.now_ms()
    } else {
        0
    };
    let at_ms = time
        .checked_mul(form.unit_ms)
        .and_then(|ms| ms.checked_add(base))
        .ok_or_else(|| {
            CommandError::err(format_args!("invalid expire time in '{command}' command"))
        })?;
    let key = cx.key(&args[1]);
    let done = cx.keyspace.expire_at(&key, at_ms, condition);
    cx.reply().integer(i64::from(done));
    Ok(())
}

fn expire_condition(args: Args<'_>) -> Result<ExpireCondition, CommandError> {
    let mut condition = ExpireCondition::default();
    for at in 3..args.len() {
        let flag = match () {
            () if args.is(at, "nx") => &mut condition.if_none,
            () if args.is(at, "xx") => &mut condition.if_any,
            () if args.is(at, "gt") => &mut condition.if_later,
            () if args.is(at, "lt") => &mut condition.if_earlier,
            () => {
                let option = String::from_utf8_lossy(&args[at]);
                return Err(CommandError::err(format_args!(
                    "Unsupported option {option}"
                )));
            }
        };
        *flag = true;
    }
    let ExpireCondition {
        if_none,
        if_any,
        if_later,
        if_earlier,
    } = condition;
    if if_none && (if_any || if_later || if_earlier) {
        return Err(CommandError::text(
            "ERR NX and XX, GT or LT options at the same time are not compatible",
        ));
    }
    if if_later && if_earlier {
        return Err(CommandError::text(
            "ERR GT and LT options at the same time are not compatible",
        ));
    }
    Ok(condition)
}

pub fn ttl(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    show_expiry(cx, args, SECONDS)
}

pub fn pttl(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    show_expiry(cx, args, MILLISECONDS)
}

pub fn expiretime(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    show_expiry(cx, args, UNIX_SECONDS)
}

pub fn pexpiretime(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    show_expiry(cx, args, UNIX_MILLISECONDS)
}

fn show_expiry(cx: &mut Cx<'_>, args: Args<'_>, form: TimeForm) -> Done {
    let key = cx.key(&args[1]);
    let base = if form.relative {
        cx.keyspace.now_ms()
    } else {
        0
    };
    let shown = match cx.keyspace.ttl(&key) {
        Ttl::Missing => -2,
        Ttl::Forever => -1,
        // Rounded, as Redis rounds it.
        Ttl::At(ms) => {
            ms.saturating_sub(base)
                .max(0)
                .saturating_add(form.unit_ms / 2)
                / form.unit_ms
        }
    };
    cx.reply().integer(shown);
    Ok(())
}

/// There are no replicas: as many as are asked for never come, so it waits for as long as it may.
pub fn wait(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let wanted = args.integer(1)?;
    let timeout_ms = parse_timeout_ms(&args[2], cx.keyspace.now_ms())?;
    if wanted <= 0 {
        cx.reply().integer(0);
    } else {
        let wait = Wait {
            keys: Vec::new(),
            wants: None,
            timeout_ms,
            on_timeout: OnTimeout::Integer(0),
        };
        cx.block(args, wait);
    }
    Ok(())
}

pub fn persist(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let done = cx.keyspace.persist(&key);
    cx.reply().integer(i64::from(done));
    Ok(())
}

pub fn keys(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let pattern = &args[1];
    let mut found = Found::default();
    cx.keyspace.for_each_key(cx.client.db, |key, _| {
        if pattern == b"*" || glob::matches(pattern, key, false) {
            found.add(key);
        }
    });
    found.reply(cx);
    Ok(())
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub fn scan(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let cursor = parse_cursor(&args[1])?;
    let options = ScanOptions::parse(args, 2, true)?;
    let mut found = Found::default();
    let db = cx.client.db;
    let next = cx.keyspace.scan(db, cursor, options.count, |key, kind| {
        if options.wants_type(kind) && options.matches(key) {
            found.add(key);
        }
    });
    found.reply_with_cursor(cx, next);
    Ok(())
}

pub fn object_encoding(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[2]);
    match cx.keyspace.encoding(&key) {
        Some(encoding) => cx.reply().bulk(encoding.as_bytes()),
        None => cx.reply().null(),
    }
    Ok(())
}

pub fn object_idletime(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[2]);
    if cx.keyspace.eviction.policy.counts_uses() && cx.keyspace.type_of(&key).is_some() {
        return Err(CommandError::text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    match cx.keyspace.idle_seconds(&key) {
        Some(seconds) => cx.reply().integer(i64::from(seconds)),
        None => cx.reply().null(),
    }
    Ok(())
}

pub fn object_refcount(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[2]);
    match cx.keyspace.encoding(&key) {
        // Small integers are shared in Redis, and then say so with this number.
        Some("int") if is_shared_integer(cx, &key) => cx.reply().integer(i64::from(i32::MAX)),
        Some(_) => cx.reply().integer(1),
        None => cx.reply().null(),
    }
    Ok(())
}

fn is_shared_integer(cx: &mut Cx<'_>, key: &crate::keyspace::Key<'_>) -> bool {
    let value = cx.keyspace.get(key);
    matches!(value, Ok(Some(string)) if string.to_i64().is_some_and(|int| (0..10_000).contains(&int)))
}

pub fn object_freq(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[2]);
    if cx.keyspace.type_of(&key).is_none() {
        cx.reply().null();
        return Ok(());
    }
    if cx.keyspace.eviction.policy.counts_uses()
        && let Some(counter) = cx.keyspace.use_counter(&key)
    {
        cx.reply().integer(counter.into());
        return Ok(());
    }
    Err(CommandError::text(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
         between policies at runtime LRU and LFU data will take some time to adjust.",
    ))
}

pub fn object_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "ENCODING <key>",
            "    Return the kind of internal representation used in order to store the value",
            "    associated with a <key>.",
            "FREQ <key>",
            "    Return the access frequency index of the <key>. The returned integer is",
            "    proportional to the logarithm of the recent access frequency of the key.",
            "IDLETIME <key>",
            "    Return the idle time of the <key>, that is the approximated number of",
            "    seconds elapsed since the last access to the key.",
            "REFCOUNT <key>",
            "    Return the number of references of the value associated with the specified",
            "    <key>.",
            "HELP",
            "    Print this help.",
        ],
    )
}
