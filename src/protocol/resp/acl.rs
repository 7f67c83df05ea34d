//! AUTH and ACL: who a client is, and what users may do. The rules themselves stand in `crate::acl`.

use std::sync::Arc;

use super::command::{Command, category};
use super::{Args, CommandError, permit};
use crate::acl::{Context, DEFAULT_USER, Form, Request, Selector, User};
use crate::client::Client;
use crate::protocol::Cx;
use crate::pubsub::Kind;
use crate::timer::moment;

type Done = Result<(), CommandError>;

/// Wrong passwords of one connection that cost nothing; each further one costs twice as much as the one before.
const FREE_FAILURES: u32 = 2;
const FIRST_HOLD_MS: u64 = 100;
const HOLD_MS_MAX: u64 = 5_000;

/// Makes the client the user that it says it is, if the password is right.
pub(super) fn log_in(cx: &mut Cx<'_>, args: Args<'_>, user: &[u8], password: &[u8]) -> Done {
    if let Some(user) = cx.hub.acl.authenticate(user, password) {
        cx.client.user = user;
        cx.client.authenticated = true;
        cx.client.failed_logins = 0;
        cx.client.update_rights(&cx.hub.acl);
        return Ok(());
    }
    let context = match cx.client.extras() {
        Some(extras) if extras.transaction.is_some() || extras.in_exec => Context::Multi,
        _ => Context::TopLevel,
    };
    permit::add_entry("auth", context, args[0].to_vec(), user.to_vec(), cx);
    cx.client.failed_logins = cx.client.failed_logins.saturating_add(1);
    if let Some(doublings) = cx.client.failed_logins.checked_sub(FREE_FAILURES + 1) {
        let hold_ms = (FIRST_HOLD_MS << doublings.min(16)).min(HOLD_MS_MAX);
        cx.client.held_until_ms = Some(moment(cx.hub.now.monotonic_ms() + hold_ms));
    }
    Err(CommandError::text(
        "WRONGPASS invalid username-password pair or user is disabled.",
    ))
}

/// Makes the client what it was when it came.
pub(super) fn log_out(cx: &mut Cx<'_>) {
    let listener = cx.hub.listeners.get(usize::from(cx.client.listener));
    let named = listener.and_then(|info| cx.hub.acl.user(info.listen.user.as_ref()?.as_bytes()));
    cx.client.authenticated = named.is_some() || cx.hub.acl.default_user().is_open();
    cx.client.user = Arc::clone(named.unwrap_or(cx.hub.acl.default_user()));
    cx.client.update_rights(&cx.hub.acl);
}

/// Tells all clients that users have changed: those whose user is gone are closed, and so are those that have subscribed
/// to channels which are not theirs any more.
pub(super) fn users_changed(cx: &mut Cx<'_>) {
    let mut doomed = Vec::new();
    for (slot, conn) in cx.hub.conns.iter_mut() {
        let Some(conn) = conn.as_deref_mut() else {
            continue;
        };
        if !follow(&mut conn.client, &cx.hub.acl) {
            conn.client.doomed = true;
            doomed.push(slot as u32);
        }
    }
    for slot in doomed {
        cx.hub.touch(slot);
    }
    if !follow(cx.client, &cx.hub.acl) {
        cx.client.closing = true;
    }
}

/// Gives a client its user as it is now; false when it cannot stay.
fn follow(client: &mut Client, acl: &crate::acl::Acl) -> bool {
    let Some(user) = acl.user(client.user.name()) else {
        return false;
    };
    let mut stays = true;
    if !Arc::ptr_eq(user, &client.user) {
        stays = client.extras().is_none_or(|extras| {
            [Kind::Channel, Kind::Pattern, Kind::Shard]
                .into_iter()
                .all(|kind| {
                    let mut topics = extras.subscriptions.of(kind).iter();
                    topics.all(|topic| user.allows_channel(topic, kind == Kind::Pattern))
                })
        });
        client.user = Arc::clone(user);
    }
    client.update_rights(acl);
    stays
}

/// `ACL SETUSER username [rule ...]`
pub fn acl_setuser(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let name = &args[2];
    if !User::is_name(name) {
        return Err(CommandError::text(
            "ERR Usernames can't contain spaces or null characters",
        ));
    }
    let rules: Vec<&[u8]> = args.iter_from(3).collect();
    let table = &cx.hub.commands;
    let user = match cx.hub.acl.user(name) {
        Some(user) => User::clone(user),
        None => cx.hub.acl.new_user(name, table),
    };
    let user = user.with_rules(&rules, table).map_err(CommandError::err)?;
    cx.hub.acl.put(user);
    users_changed(cx);
    cx.reply().ok();
    Ok(())
}

/// `ACL DELUSER username [username ...]`
pub fn acl_deluser(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args
        .iter_from(2)
        .any(|name| name == DEFAULT_USER.as_bytes())
    {
        return Err(CommandError::text(
            "ERR The 'default' user cannot be removed",
        ));
    }
    let mut removed = 0;
    for name in args.iter_from(2) {
        removed += usize::from(cx.hub.acl.remove(name));
    }
    users_changed(cx);
    cx.reply().count(removed);
    Ok(())
}

/// `ACL GETUSER username`
pub fn acl_getuser(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let Some(user) = cx.hub.acl.user(&args[2]).map(Arc::clone) else {
        cx.reply().null();
        return Ok(());
    };
    let mut selectors = user.selectors();
    cx.reply().map(6);
    let mut reply = cx.reply();
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"passwords");
    reply.array(user.passwords().len());
    for hash in user.passwords() {
        reply.bulk(hash.to_hex().as_bytes());
    }
    if let Some(root) = selectors.next() {
        show_selector(cx, root);
    }
    let mut reply = cx.reply();
    reply.bulk(b"selectors");
    let others: Vec<&Selector> = selectors.collect();
    reply.array(others.len());
    for selector in others {
        cx.reply().map(3);
        show_selector(cx, selector);
    }
    Ok(())
}

fn show_selector(cx: &mut Cx<'_>, selector: &Selector) {
    let mut reply = cx.reply();
    for (name, rules) in [
        ("commands", selector.command_rules()),
        ("keys", selector.key_rules(Form::Shown)),
        ("channels", selector.channel_rules()),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(&rules);
    }
}

pub fn acl_list(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let lines: Vec<Vec<u8>> = cx
        .hub
        .acl
        .users()
        .map(|user| user.describe(Form::Shown))
        .collect();
    show_all(cx, &lines)
}

pub fn acl_users(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let names: Vec<Vec<u8>> = cx
        .hub
        .acl
        .users()
        .map(|user| user.name().to_vec())
        .collect();
    show_all(cx, &names)
}

fn show_all(cx: &mut Cx<'_>, lines: &[Vec<u8>]) -> Done {
    let mut reply = cx.reply();
    reply.array(lines.len());
    for line in lines {
        reply.bulk(line);
    }
    Ok(())
}

pub fn acl_whoami(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let name = cx.client.user.name().to_vec();
    cx.reply().bulk(&name);
    Ok(())
}

/// `ACL CAT [category]`
pub fn acl_cat(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let names: Vec<&str> = match args.get(2) {
        None => category::NAMES.iter().map(|(_, name)| &name[1..]).collect(),
        Some(_) if args.len() > 3 => {
            return Err(CommandError::subcommand_arguments("ACL", &args[1]));
        }
        Some(name) => {
            let bit = category::by_name(name).ok_or_else(|| {
                let name = String::from_utf8_lossy(&name[..name.len().min(128)]);
                CommandError::err(format_args!("Unknown category '{name}'"))
            })?;
            let commands = cx.hub.commands.commands();
            let of_category = |command: &&Command| command.acl_categories() & bit != 0;
            commands
                .filter(of_category)
                .map(|command| command.name)
                .collect()
        }
    };
    let mut reply = cx.reply();
    reply.array(names.len());
    for name in names {
        reply.bulk(name.as_bytes());
    }
    Ok(())
}

/// `ACL DRYRUN username command [arg ...]`
pub fn acl_dryrun(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let quoted = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let Some(user) = cx.hub.acl.user(&args[2]).map(Arc::clone) else {
        let name = quoted(&args[2]);
        return Err(CommandError::err(format_args!("User '{name}' not found")));
    };
    let request: Vec<&[u8]> = args.iter_from(3).collect();
    let Some(command) = cx.hub.commands.find_request(&request) else {
        let name = quoted(&args[3]);
        return Err(CommandError::err(format_args!(
            "Command '{name}' not found"
        )));
    };
    if !command.accepts(request.len()) {
        return Err(CommandError::Arity(command.name.into()));
    }
    let checked = user.check(Request {
        command: &command,
        args: &request,
        keys: &permit::keys_to_check(&command, &request),
    });
    match checked {
        Ok(()) => cx.reply().ok(),
        Err(denied) => {
            let why = permit::reason(denied, &command, &request, user.name());
            cx.reply().bulk(why.as_bytes());
        }
    }
    Ok(())
}

/// `ACL GENPASS [bits]`
pub fn acl_genpass(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    const BITS_MAX: i64 = 4096;
    if args.len() > 3 {
        return Err(CommandError::subcommand_arguments("ACL", &args[1]));
    }
    let bits = match args.get(2) {
        Some(_) => args.integer(2)?,
        None => 256,
    };
    if !(1..=BITS_MAX).contains(&bits) {
        return Err(CommandError::err(format_args!(
            "ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {BITS_MAX}"
        )));
    }
    // Not from the keyspace's generator: whoever knows a few of its numbers knows them all.
    let mut bytes = [0; BITS_MAX as usize / 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        CommandError::err(format_args!("the system has no randomness: {error}"))
    })?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let count = (bits as usize).div_ceil(4);
    cx.reply().bulk(&digits.as_bytes()[..count]);
    Ok(())
}

/// `ACL LOG [count | RESET]`
pub fn acl_log(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() > 3 {
        return Err(CommandError::subcommand_arguments("ACL", &args[1]));
    }
    if args.is(2, "reset") {
        cx.hub.acl.log.clear();
        cx.reply().ok();
        return Ok(());
    }
    let count = match args.get(2) {
        Some(_) => usize::try_from(args.integer(2)?).unwrap_or(0),
        None => 10,
    };
    let now_ms = cx.hub.now.unix_ms();
    let entries: Vec<_> = cx.hub.acl.log.entries().take(count).cloned().collect();
    cx.reply().array(entries.len());
    for entry in entries {
        let mut reply = cx.reply();
        reply.map(10);
        reply.bulk(b"count");
        reply.integer(entry.count as i64);
        for (name, value) in [
            ("reason", entry.reason.as_bytes()),
            ("context", entry.context.name().as_bytes()),
            ("object", &entry.object),
            ("username", &entry.user),
        ] {
            reply.bulk(name.as_bytes());
            reply.bulk(value);
        }
        reply.bulk(b"age-seconds");
        reply.double((now_ms - entry.updated_ms) as f64 / 1000.0);
        reply.bulk(b"client-info");
        reply.bulk(entry.client.as_bytes());
        for (name, value) in [
            ("entry-id", entry.id as i64),
            ("timestamp-created", entry.created_ms),
            ("timestamp-last-updated", entry.updated_ms),
        ] {
            reply.bulk(name.as_bytes());
            reply.integer(value);
        }
    }
    Ok(())
}

fn check_file(cx: &Cx<'_>) -> Done {
    if cx.hub.acl.file.is_some() {
        return Ok(());
    }
    Err(CommandError::text(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
         command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
         users in the Redis configuration.",
    ))
}

pub fn acl_load(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    check_file(cx)?;
    let table = &cx.hub.commands;
    let users = cx.hub.acl.read_file(table).map_err(CommandError::err)?;
    cx.hub.acl.replace_all(users, table);
    users_changed(cx);
    cx.reply().ok();
    Ok(())
}

pub fn acl_save(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    check_file(cx)?;
    cx.hub.acl.write_file().map_err(|error| {
        log::warn!("cannot save the users: {error}");
        CommandError::text(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    cx.reply().ok();
    Ok(())
}

pub fn acl_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CAT [<category>]",
            "    List all commands that belong to <category>, or all command categories",
            "    when no category is specified.",
            "DELUSER <username> [<username> ...]",
            "    Delete a list of users.",
            "DRYRUN <username> <command> [<arg> ...]",
            "    Returns whether the user can execute the given command without executing the command.",
            "GETUSER <username>",
            "    Get the user's details.",
            "GENPASS [<bits>]",
            "    Generate a secure 256-bit user password. The optional `bits` argument can",
            "    be used to specify a different size.",
            "LIST",
            "    Show users details in config file format.",
            "LOAD",
            "    Reload users from the ACL file.",
            "LOG [<count> | RESET]",
            "    Show the ACL log entries.",
            "SAVE",
            "    Save the current config to the ACL file.",
            "SETUSER <username> <attribute> [<attribute> ...]",
            "    Create or modify a user with the specified attributes.",
            "USERS",
            "    List all the registered usernames.",
            "WHOAMI",
            "    Return the current connection username.",
            "HELP",
            "    Print this help.",
        ],
    )
}
