//! XGROUP: groups of consumers and their names.

use super::{Done, no_group, unknown_options};
use crate::keyspace::Stream;
use crate::keyspace::stream::StreamId;
use crate::protocol::Cx;
use crate::protocol::resp::{Args, CommandError};

const NO_STREAM: CommandError = CommandError::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);

/// `XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read]`
pub fn xgroup_create(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    const ARGS_MAX: usize = 8;
    let options = Options::parse(args, true)?;
    let key = cx.key(&args[2]);
    let last_id = last_id(cx, args)?;
    if last_id.is_none() && !options.create {
        return Err(NO_STREAM);
    }
    if args.len() > ARGS_MAX {
        return Err(unknown_options("XGROUP", args));
    }
    let id = match &args[4] {
        b"$" => last_id.unwrap_or(StreamId::MIN),
        text => StreamId::parse(text, 0)?,
    };
    cx.keyspace
        .stream_create_group(&key, &args[3], id, options.entries_read, options.create)?;
    cx.reply().ok();
    Ok(())
}

/// `XGROUP SETID key group id | $ [ENTRIESREAD entries-read]`
pub fn xgroup_setid(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    const ARGS_MAX: usize = 7;
    let options = Options::parse(args, false)?;
    let last_id = existing_group(cx, args)?;
    if args.len() > ARGS_MAX {
        return Err(unknown_options("XGROUP", args));
    }
    let id = match &args[4] {
        b"$" => last_id,
        text => StreamId::parse_or_extreme(text, 0)?,
    };
    let key = cx.key(&args[2]);
    cx.keyspace
        .stream_set_group_id(&key, &args[3], id, options.entries_read)?;
    cx.reply().ok();
    Ok(())
}

pub fn xgroup_destroy(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if last_id(cx, args)?.is_none() {
        return Err(NO_STREAM);
    }
    let key = cx.key(&args[2]);
    let destroyed = cx.keyspace.stream_destroy_group(&key, &args[3])?;
    cx.reply().integer(i64::from(destroyed));
    Ok(())
}

pub fn xgroup_createconsumer(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    existing_group(cx, args)?;
    let key = cx.key(&args[2]);
    let created = cx
        .keyspace
        .stream_create_consumer(&key, &args[3], &args[4])?;
    cx.reply().integer(i64::from(created));
    Ok(())
}

pub fn xgroup_delconsumer(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    existing_group(cx, args)?;
    let key = cx.key(&args[2]);
    let pending = cx
        .keyspace
        .stream_delete_consumer(&key, &args[3], &args[4])?;
    cx.reply().count(pending);
    Ok(())
}

/// What may stand behind the id.
#[derive(Default)]
struct Options {
    /// A missing stream is made.
    create: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: Args<'_>, is_create: bool) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut at = 5;
        while at < args.len() {
            if is_create && args.is(at, "mkstream") {
                options.create = true;
                at += 1;
            } else if args.is(at, "entriesread") && at + 1 < args.len() {
                let number = args.integer(at + 1)?;
                if number < -1 {
                    return Err(CommandError::text(
                        "ERR value for ENTRIESREAD must be positive or -1",
                    ));
                }
                options.entries_read = u64::try_from(number).ok();
                at += 2;
            } else {
                return Err(unknown_options("XGROUP", args));
            }
        }
        Ok(options)
    }
}

/// The last id of the stream, if there is one.
fn last_id(cx: &mut Cx<'_>, args: Args<'_>) -> Result<Option<StreamId>, CommandError> {
    let key = cx.key(&args[2]);
    let stream = cx.keyspace.read::<Stream>(&key)?;
    Ok(stream.map(|stream| stream.log.last_id()))
}

/// Makes sure that there are stream and group, and gives the stream's last id.
fn existing_group(cx: &mut Cx<'_>, args: Args<'_>) -> Result<StreamId, CommandError> {
    let key = cx.key(&args[2]);
    let stream = cx.keyspace.read::<Stream>(&key)?.ok_or(NO_STREAM)?;
    match stream.group(&args[3]) {
        Ok(_) => Ok(stream.log.last_id()),
        Err(_) => Err(no_group(&args[2], &args[3])),
    }
}

pub fn xgroup_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    crate::protocol::resp::server::help(
        cx,
        &[
            "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CREATE <key> <groupname> <id|$> [option]",
            "    Create a new consumer group. Options are:",
            "    * MKSTREAM",
            "      Create the empty stream if it does not exist.",
            "    * ENTRIESREAD entries_read",
            "      Set the group's entries_read counter (internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Create a new consumer in the specified group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove the specified consumer.",
            "DESTROY <key> <groupname>",
            "    Remove the specified group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set the current group ID and entries_read counter.",
            "HELP",
            "    Print this help.",
        ],
    )
}
