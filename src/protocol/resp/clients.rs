//! CLIENT: what clients know and do about clients, beyond their own connection.

use super::{Args, CommandError};
use crate::client::{OnTimeout, Replies};
use crate::hub::Pause;
use crate::number::parse_i64;
use crate::protocol::Cx;
use crate::tracking::TrackingOptions;

type Done = Result<(), CommandError>;

/// `CLIENT REPLY ON | OFF | SKIP`
pub fn client_reply(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let replies = match () {
        () if args.is(2, "on") => Replies::On,
        () if args.is(2, "off") => Replies::Off,
        () if args.is(2, "skip") => Replies::SkipNext,
        () => return Err(CommandError::Syntax),
    };
    let extras = cx.client.extras_mut();
    // SKIP means nothing to a client that gets no replies at all.
    if !(extras.replies == Replies::Off && replies == Replies::SkipNext) {
        extras.replies = replies;
    }
    cx.client.settle();
    if replies == Replies::On {
        cx.reply().ok();
    }
    Ok(())
}

/// `CLIENT PAUSE timeout [WRITE | ALL]`
pub fn client_pause(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let writes_only = match args.len() {
        3 => false,
        4 if args.is(3, "write") => true,
        4 if args.is(3, "all") => false,
        4 => {
            return Err(CommandError::text(
                "ERR CLIENT PAUSE mode must be WRITE or ALL",
            ));
        }
        _ => return Err(CommandError::Syntax),
    };
    let timeout_ms = parse_i64(&args[2]).ok_or(CommandError::text(
        "ERR timeout is not an integer or out of range",
    ))?;
    let timeout_ms =
        u64::try_from(timeout_ms).map_err(|_| CommandError::text("ERR timeout is negative"))?;
    let until_ms = cx.hub.now.monotonic_ms().saturating_add(timeout_ms);
    // Of two pauses the later end and the stricter kind hold.
    cx.hub.pause = Some(match cx.hub.pause {
        Some(pause) => Pause {
            until_ms: pause.until_ms.max(until_ms),
            writes_only: pause.writes_only && writes_only,
        },
        None => Pause {
            until_ms,
            writes_only,
        },
    });
    cx.reply().ok();
    Ok(())
}

pub fn client_unpause(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    cx.hub.end_pause();
    cx.reply().ok();
    Ok(())
}

/// `CLIENT UNBLOCK client-id [TIMEOUT | ERROR]`
pub fn client_unblock(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let with_error = match args.len() {
        3 => false,
        4 if args.is(3, "timeout") => false,
        4 if args.is(3, "error") => true,
        _ => {
            return Err(CommandError::text(
                "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
    };
    let id = args.integer(2)?;
    let slot = u64::try_from(id).ok().and_then(|id| cx.hub.slot_of(id));
    let waits = |slot: &u32| {
        cx.hub
            .conns
            .get(*slot as usize)
            .is_some_and(|conn| conn.as_ref().is_some_and(|conn| conn.client.is_blocked()))
    };
    let Some(slot) = slot.filter(waits) else {
        cx.reply().integer(0);
        return Ok(());
    };
    cx.scene().end_wait(slot, |reply, on_timeout: OnTimeout| {
        if with_error {
            reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
        } else {
            on_timeout.answer(reply);
        }
    });
    cx.refresh_interest();
    cx.reply().integer(1);
    Ok(())
}

/// `CLIENT NO-EVICT ON | OFF`
pub fn client_no_evict(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    cx.client.extras_mut().no_evict = switch(args)?;
    cx.reply().ok();
    Ok(())
}

/// `CLIENT NO-TOUCH ON | OFF`
pub fn client_no_touch(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    cx.client.extras_mut().no_touch = switch(args)?;
    cx.client.settle();
    cx.reply().ok();
    Ok(())
}

fn switch(args: Args<'_>) -> Result<bool, CommandError> {
    match () {
        () if args.is(2, "on") => Ok(true),
        () if args.is(2, "off") => Ok(false),
        () => Err(CommandError::Syntax),
    }
}

/// `CLIENT TRACKING ON | OFF [REDIRECT client-id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`
pub fn client_tracking(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut wanted = TrackingOptions::default();
    let mut at = 3;
    while at < args.len() {
        let next = args.get(at + 1);
        match () {
            () if args.is(at, "redirect") && next.is_some() => {
                at += 1;
                if wanted.redirect.is_some() {
                    return Err(CommandError::text(
                        "ERR A client can only redirect to a single other client",
                    ));
                }
                let id = u64::try_from(args.integer(at)?).unwrap_or(0);
                if id == 0 || cx.client.id != id && cx.hub.slot_of(id).is_none() {
                    return Err(CommandError::text(
                        "ERR The client ID you want redirect to does not exist",
                    ));
                }
                wanted.redirect = Some(id);
            }
            () if args.is(at, "prefix") && next.is_some() => {
                at += 1;
                wanted.prefixes.push(args[at].into());
            }
            () if args.is(at, "bcast") => wanted.broadcast = true,
            () if args.is(at, "optin") => wanted.opt_in = true,
            () if args.is(at, "optout") => wanted.opt_out = true,
            () if args.is(at, "noloop") => wanted.no_loop = true,
            () => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    match () {
        () if args.is(2, "on") => switch_tracking_on(cx, wanted)?,
        () if args.is(2, "off") => switch_tracking_off(cx),
        () => return Err(CommandError::Syntax),
    }
    cx.client.settle();
    cx.refresh_interest();
    cx.reply().ok();
    Ok(())
}

fn switch_tracking_on(cx: &mut Cx<'_>, mut wanted: TrackingOptions) -> Done {
    if !wanted.broadcast && !wanted.prefixes.is_empty() {
        return Err(CommandError::text(
            "ERR PREFIX option requires BCAST mode to be enabled",
        ));
    }
    let current = cx
        .client
        .extras()
        .and_then(|extras| extras.tracking.clone());
    if let Some(current) = &current
        && current.broadcast != wanted.broadcast
    {
        return Err(CommandError::text(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
             re-enabling it with a different mode.",
        ));
    }
    if wanted.broadcast && (wanted.opt_in || wanted.opt_out) {
        return Err(CommandError::text(
            "ERR OPTIN and OPTOUT are not compatible with BCAST",
        ));
    }
    if wanted.opt_in && wanted.opt_out {
        return Err(CommandError::text(
            "ERR You can't specify both OPTIN mode and OPTOUT mode",
        ));
    }
    if let Some(current) = &current
        && (current.opt_in && wanted.opt_out || current.opt_out && wanted.opt_in)
    {
        return Err(CommandError::text(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
             re-enabling it with a different mode.",
        ));
    }
    if wanted.broadcast {
        let known = current
            .as_ref()
            .map_or(&[][..], |current| &current.prefixes[..]);
        check_prefixes(known, &wanted.prefixes)?;
        if wanted.prefixes.is_empty() {
            wanted.prefixes.push(Box::default());
        }
        let slot = cx.client.slot;
        for prefix in &wanted.prefixes {
            cx.hub.tracking.add_prefix(prefix, slot);
        }
        wanted.prefixes.extend_from_slice(known);
    }
    if current.is_none() {
        cx.hub.tracking.clients += 1;
    }
    cx.client.extras_mut().tracking = Some(wanted);
    Ok(())
}

/// A key must not be told twice: no prefix may begin with another.
fn check_prefixes(known: &[Box<[u8]>], new: &[Box<[u8]>]) -> Done {
    for (index, prefix) in new.iter().enumerate() {
        let others = known.iter().map(|other| (other, "an existing prefix"));
        let siblings = new[index + 1..]
            .iter()
            .map(|other| (other, "another provided prefix"));
        for (other, what) in others.chain(siblings) {
            if prefix.starts_with(other) || other.starts_with(prefix) {
                let (prefix, other) = (
                    String::from_utf8_lossy(prefix),
                    String::from_utf8_lossy(other),
                );
                return Err(CommandError::err(format_args!(
                    "Prefix '{prefix}' overlaps with {what} '{other}'. Prefixes for a single client must not overlap."
                )));
            }
        }
    }
    Ok(())
}

/// Switches tracking off, if it is on.
pub(super) fn switch_tracking_off(cx: &mut Cx<'_>) {
    let slot = cx.client.slot;
    if cx
        .client
        .extras()
        .is_some_and(|extras| extras.tracking.is_some())
    {
        cx.client.extras_mut().tracking = None;
        cx.hub.tracking.clients -= 1;
        cx.hub.tracking.remove_prefixes(slot);
    }
}

/// `CLIENT CACHING YES | NO`
pub fn client_caching(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let Some(tracking) = &mut cx.client.extras_mut().tracking else {
        return Err(CommandError::text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    };
    tracking.caching = match () {
        () if args.is(2, "yes") && tracking.opt_in => Some(true),
        () if args.is(2, "no") && tracking.opt_out => Some(false),
        () if args.is(2, "yes") => {
            return Err(CommandError::text(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        () if args.is(2, "no") => {
            return Err(CommandError::text(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        () => return Err(CommandError::Syntax),
    };
    cx.reply().ok();
    Ok(())
}

/// The client that invalidations are redirected to; 0 for none, -1 without tracking.
pub fn client_getredir(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let redirect = redirect(cx);
    cx.reply().integer(redirect);
    Ok(())
}

fn redirect(cx: &Cx<'_>) -> i64 {
    match cx
        .client
        .extras()
        .and_then(|extras| extras.tracking.as_ref())
    {
        Some(tracking) => tracking.redirect.map_or(0, |id| id as i64),
        None => -1,
    }
}

pub fn client_trackinginfo(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let redirect_id = redirect(cx);
    let broken = redirect_id > 0
        && cx.client.id != redirect_id as u64
        && cx.hub.slot_of(redirect_id as u64).is_none();
    let tracking = cx
        .client
        .extras()
        .and_then(|extras| extras.tracking.clone());
    let mut flags = vec![if tracking.is_some() { "on" } else { "off" }];
    let tracking = tracking.unwrap_or_default();
    let shown = [
        (tracking.broadcast, "bcast"),
        (tracking.opt_in, "optin"),
        (
            tracking.opt_in && tracking.caching == Some(true),
            "caching-yes",
        ),
        (tracking.opt_out, "optout"),
        (
            tracking.opt_out && tracking.caching == Some(false),
            "caching-no",
        ),
        (tracking.no_loop, "noloop"),
        (broken, "broken_redirect"),
    ];
    flags.extend(
        shown
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, flag)| flag),
    );
    let mut reply = cx.reply();
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"redirect");
    reply.integer(redirect_id);
    reply.bulk(b"prefixes");
    reply.array(tracking.prefixes.len());
    for prefix in &tracking.prefixes {
        reply.bulk(prefix);
    }
    Ok(())
}

pub fn client_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CACHING (YES|NO)",
            "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
            "GETREDIR",
            "    Return the client ID we are redirecting to when tracking is enabled.",
            "GETNAME",
            "    Return the name of the current connection.",
            "ID",
            "    Return the ID of the current connection.",
            "INFO",
            "    Return information about the current client connection.",
            "KILL <ip:port>",
            "    Kill connection made from <ip:port>.",
            "KILL <option> <value> [<option> <value> [...]]",
            "    Kill connections. Options are:",
            "    * ADDR (<ip:port>|<unixsocket>:0)",
            "      Kill connections made from the specified address",
            "    * LADDR (<ip:port>|<unixsocket>:0)",
            "      Kill connections made to specified local address",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            "      Kill connections by type.",
            "    * USER <username>",
            "      Kill connections authenticated by <username>.",
            "    * SKIPME (YES|NO)",
            "      Skip killing current connection (default: yes).",
            "LIST [options ...]",
            "    Return information about client connections. Options:",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            "      Return clients of specified type.",
            "UNPAUSE",
            "    Stop the current client pause, resuming traffic.",
            "PAUSE <timeout> [WRITE|ALL]",
            "    Suspend all, or just write, clients for <timeout> milliseconds.",
            "REPLY (ON|OFF|SKIP)",
            "    Control the replies sent to the current connection.",
            "SETNAME <name>",
            "    Assign the name <name> to the current connection.",
            "SETINFO <option> <value>",
            "    Set client meta attr. Options are:",
            "    * LIB-NAME: the client lib name.",
            "    * LIB-VER: the client lib version.",
            "UNBLOCK <clientid> [TIMEOUT|ERROR]",
            "    Unblock the specified blocked client.",
            "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
            "         [OPTIN] [OPTOUT] [NOLOOP]",
            "    Control server assisted client side caching.",
            "TRACKINGINFO",
            "    Report tracking status for the current connection.",
            "NO-EVICT (ON|OFF)",
            "    Protect current client connection from eviction.",
            "NO-TOUCH (ON|OFF)",
            "    Will not touch LRU/LFU stats when this mode is on.",
            "HELP",
            "    Print this help.",
        ],
    )
}
