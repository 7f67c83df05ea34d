//! The commands on the entries of streams, and what all stream commands share.
//!
//! | file | idea |
//! |---|---|
//! | `stream/read.rs` | XREAD and XREADGROUP, which may wait |
//! | `stream/groups.rs` | XGROUP |
//! | `stream/pending.rs` | what was delivered: XACK, XPENDING, XCLAIM, XAUTOCLAIM |
//! | `stream/info.rs` | XINFO |

mod groups;
mod info;
mod pending;
mod read;

pub use groups::{
    xgroup_create, xgroup_createconsumer, xgroup_delconsumer, xgroup_destroy, xgroup_help,
    xgroup_setid,
};
pub use info::{xinfo_consumers, xinfo_groups, xinfo_help, xinfo_stream};
pub use pending::{xack, xautoclaim, xclaim, xpending};
pub use read::{xread, xreadgroup};

use super::{Args, CommandError, Reply};
use crate::keyspace::stream::{
    BoundError, Entry, InvalidId, Keep, NewId, StreamId, TRIM_LIMIT_DEFAULT, Trim,
};
use crate::keyspace::{Stream, StreamAdd, StreamError};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

const NO_SUCH_KEY: CommandError = CommandError::text("ERR no such key");

/// `XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value ...]`
pub fn xadd(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let options = add_options(args, true)?;
    let first = options.id_at + 1;
    if args.len() < first + 2 || (args.len() - first) % 2 == 1 {
        return Err(CommandError::Arity("xadd".into()));
    }
    if options.id == NewId::Exact(StreamId::MIN) {
        return Err(CommandError::text(
            "ERR The ID specified in XADD must be greater than 0-0",
        ));
    }
    let key = args
        .get(1)
        .map(|key| cx.key(key))
        .ok_or(CommandError::Syntax)?;
    let fields = args.iter_from(first).step_by(2);
    let fields = fields.zip(args.iter_from(first + 1).step_by(2));
    let add = StreamAdd {
        id: options.id,
        trim: options.trim,
        if_exists: options.if_exists,
    };
    match cx.keyspace.stream_add(&key, add, fields)? {
        Some(id) => cx.reply().stream_id(id),
        None => cx.reply().null(),
    }
    Ok(())
}

/// `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]`
pub fn xtrim(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let trim = add_options(args, false)?.trim.ok_or(CommandError::Syntax)?;
    let key = cx.key(&args[1]);
    let trimmed = cx.keyspace.stream_trim(&key, trim)?;
    cx.reply().integer(trimmed.cast_signed());
    Ok(())
}

/// What stands between the key and the fields of XADD, and behind the key of XTRIM.
struct AddOptions {
    /// Where the id stands.
    id_at: usize,
    id: NewId,
    trim: Option<Trim>,
    if_exists: bool,
}

fn add_options(args: Args<'_>, is_add: bool) -> Result<AddOptions, CommandError> {
    let (mut keep, mut is_approximate, mut limit) = (None, false, None);
    let mut options = AddOptions {
        id_at: args.len(),
        id: NewId::Auto,
        trim: None,
        if_exists: false,
    };
    let mut at = 2;
    while at < args.len() {
        let has_more = at + 1 < args.len();
        let by_length = args.is(at, "maxlen");
        if is_add && &args[at] == b"*" {
            options.id_at = at;
            break;
        } else if has_more && (by_length || args.is(at, "minid")) {
            if keep.is_some() {
                return Err(CommandError::text(
                    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                ));
            }
            at += 1;
            if at + 1 < args.len() && matches!(&args[at], b"~" | b"=") {
                is_approximate = &args[at] == b"~";
                at += 1;
            }
            keep = Some(if by_length {
                let len = u64::try_from(args.integer(at)?)
                    .map_err(|_| CommandError::text("ERR The MAXLEN argument must be >= 0."))?;
                Keep::Last(len)
            } else {
                Keep::From(StreamId::parse(&args[at], 0)?)
            });
        } else if has_more && args.is(at, "limit") {
            at += 1;
            limit = Some(
                u64::try_from(args.integer(at)?)
                    .map_err(|_| CommandError::text("ERR The LIMIT argument must be >= 0."))?,
            );
        } else if is_add && args.is(at, "nomkstream") {
            options.if_exists = true;
        } else if is_add {
            options.id = NewId::parse(&args[at])?;
            options.id_at = at;
            break;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    if keep.is_none() && limit.is_some_and(|limit| limit > 0) {
        return Err(CommandError::text(
            "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        ));
    }
    if keep.is_none() && !is_add {
        return Err(CommandError::text(
            "ERR syntax error, XTRIM must be called with a trimming strategy",
        ));
    }
    if limit.is_some() && !is_approximate {
        return Err(CommandError::text(
            "ERR syntax error, LIMIT cannot be used without the special ~ option",
        ));
    }
    options.trim = keep.map(|keep| Trim {
        keep,
        approximate: is_approximate.then(|| limit.unwrap_or(TRIM_LIMIT_DEFAULT)),
    });
    Ok(options)
}

pub fn xdel(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    // The key is looked at before the ids.
    let exists = cx.keyspace.read::<Stream>(&key)?.is_some();
    let deleted = if exists {
        let ids = ids_from(args, 2)?;
        cx.keyspace.stream_delete(&key, &ids)?
    } else {
        0
    };
    cx.reply().count(deleted);
    Ok(())
}

pub fn xlen(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let stream = cx.keyspace.read::<Stream>(&key)?;
    let len = stream.map_or(0, |stream| stream.log.len());
    cx.reply().integer(len.cast_signed());
    Ok(())
}

/// `XRANGE key start end [COUNT count]`
pub fn xrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    range(cx, args, false)
}

/// `XREVRANGE key end start [COUNT count]`
pub fn xrevrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    range(cx, args, true)
}

fn range(cx: &mut Cx<'_>, args: Args<'_>, reverse: bool) -> Done {
    let (start, end) = if reverse {
        (&args[3], &args[2])
    } else {
        (&args[2], &args[3])
    };
    let (start, end) = (
        StreamId::parse_range_start(start)?,
        StreamId::parse_range_end(end)?,
    );
    let mut count = None;
    let mut at = 4;
    while at < args.len() {
        if !args.is(at, "count") || at + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        count = Some(usize::try_from(args.integer(at + 1)?).unwrap_or(0));
        at += 2;
    }
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    match keyspace.read::<Stream>(&key)? {
        None => reply.array(0),
        Some(_) if count == Some(0) => reply.null_array(),
        Some(stream) => {
            let entries = stream.log.range(start, end);
            let count = count.unwrap_or(usize::MAX);
            if reverse {
                reply.stream_entries(entries.rev().take(count));
            } else {
                reply.stream_entries(entries.take(count));
            }
        }
    }
    Ok(())
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
pub fn xsetid(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let id = StreamId::parse(&args[2], 0)?;
    let (mut entries_added, mut max_deleted_id) = (None, None);
    let mut at = 3;
    while at < args.len() {
        let has_more = at + 1 < args.len();
        if has_more && args.is(at, "entriesadded") {
            entries_added = Some(
                u64::try_from(args.integer(at + 1)?)
                    .map_err(|_| CommandError::text("ERR entries_added must be positive"))?,
            );
        } else if has_more && args.is(at, "maxdeletedid") {
            let max = StreamId::parse(&args[at + 1], 0)?;
            if id < max {
                return Err(CommandError::text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted_id = Some(max);
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let key = cx.key(&args[1]);
    cx.keyspace
        .stream_set_last_id(&key, id, entries_added, max_deleted_id)?;
    cx.reply().ok();
    Ok(())
}

/// The ids that stand from `at` on.
fn ids_from(args: Args<'_>, at: usize) -> Result<Vec<StreamId>, InvalidId> {
    let texts = args.iter_from(at);
    texts.map(|text| StreamId::parse(text, 0)).collect()
}

/// An integer that says how many; with `None` for one that means all of them, 0 or less.
fn positive(number: i64) -> usize {
    match usize::try_from(number) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(count) => count,
    }
}

/// An argument as Redis shows it in an error: C prints up to a NUL.
fn shown(arg: &[u8]) -> std::borrow::Cow<'_, str> {
    let end = memchr::memchr(0, arg).unwrap_or(arg.len());
    String::from_utf8_lossy(&arg[..end])
}

/// There is no such group, as the commands on what was delivered say it.
fn no_key_or_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (shown(key), shown(group));
    let text = format!("NOGROUP No such key '{key}' or consumer group '{group}'");
    CommandError::Other(text.into())
}

/// There is no such group, as XGROUP and XINFO say it.
fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (shown(key), shown(group));
    let text = format!("NOGROUP No such consumer group '{group}' for key name '{key}'");
    CommandError::Other(text.into())
}

/// What a subcommand says to options it does not know.
fn unknown_options(container: &str, args: Args<'_>) -> CommandError {
    const SHOWN_BYTES_MAX: usize = 128;
    let name = &args[1][..args[1].len().min(SHOWN_BYTES_MAX)];
    let name = String::from_utf8_lossy(name);
    CommandError::err(format_args!(
        "unknown subcommand or wrong number of arguments for '{name}'. Try {container} HELP."
    ))
}

impl Reply<'_> {
    /// The id of an entry.
    fn stream_id(&mut self, id: StreamId) {
        self.bulk(id.text().as_bytes());
    }

    /// An entry: its id, and its names and values by turns.
    fn stream_entry(&mut self, entry: &Entry<'_>) {
        self.array(2);
        self.stream_id(entry.id);
        let fields = entry.fields();
        self.array(2 * fields.len());
        for (name, value) in fields {
            self.bulk(name);
            self.bulk(value);
        }
    }

    fn stream_entries<'e>(&mut self, entries: impl Iterator<Item = Entry<'e>>) {
        let entries: Vec<Entry<'e>> = entries.collect();
        self.array(entries.len());
        for entry in &entries {
            self.stream_entry(entry);
        }
    }

    fn stream_entry_or_null(&mut self, entry: Option<Entry<'_>>) {
        match entry {
            Some(entry) => self.stream_entry(&entry),
            None => self.null(),
        }
    }

    /// A number that may not be known.
    fn integer_or_null(&mut self, number: Option<i64>) {
        match number {
            Some(number) => self.integer(number),
            None => self.null(),
        }
    }
}

macro_rules! refused_with_its_text {
    ($($error:ty),+) => {
        $(impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                CommandError::err(error)
            }
        })+
    };
}

refused_with_its_text!(InvalidId, BoundError);

impl From<StreamError> for CommandError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::WrongType(error) => error.into(),
            StreamError::NoSuchKey => NO_SUCH_KEY,
            StreamError::NoSuchGroup => CommandError::text("NOGROUP No such consumer group"),
            StreamError::GroupExists(error) => {
                CommandError::Other(format!("BUSYGROUP {error}").into())
            }
            StreamError::Append(error) => CommandError::err(error),
            StreamError::SetId(error) => CommandError::err(error),
        }
    }
}
