//! The commands that are about the connection itself.

use super::generic::database;
use super::{Args, CommandError};
use crate::acl::DEFAULT_USER;
use crate::client::{Client, NameKind, Peer, Replies};
use crate::config::Scheme;
use crate::conn::Conn;
use crate::hub::Hub;
use crate::protocol::Cx;

pub use super::clients::{
    client_caching, client_getredir, client_help, client_no_evict, client_no_touch, client_pause,
    client_reply, client_tracking, client_trackinginfo, client_unblock, client_unpause,
};

type Done = Result<(), CommandError>;

pub fn ping(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() > 2 {
        return Err(CommandError::Arity("ping".into()));
    }
    let subscribed = cx
        .client
        .extras()
        .is_some_and(|extras| !extras.subscriptions.is_empty());
    let mut reply = cx.reply();
    match args.get(1) {
        // Among messages the reply has to look like one.
        message if subscribed && !reply.resp3 => {
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(message.unwrap_or_default());
        }
        None => reply.simple("PONG"),
        Some(message) => reply.bulk(message),
    }
    Ok(())
}

pub fn echo(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    cx.reply().bulk(&args[1]);
    Ok(())
}

/// `AUTH [username] password`
pub fn auth(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    match args.len() {
        2 if cx.hub.acl.default_user().needs_no_password() => Err(CommandError::text(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        )),
        2 => super::acl::log_in(cx, args, DEFAULT_USER.as_bytes(), &args[1]),
        3 => super::acl::log_in(cx, args, &args[1], &args[2]),
        _ => Err(CommandError::Syntax),
    }?;
    cx.reply().ok();
    Ok(())
}

pub fn quit(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    cx.reply().ok();
    cx.client.closing = true;
    Ok(())
}

/// Makes the connection what it was when it came.
pub fn reset(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::transactions::forget_watched(cx);
    super::clients::switch_tracking_off(cx);
    let slot = cx.client.slot;
    let db = cx
        .hub
        .listeners
        .get(usize::from(cx.client.listener))
        .map_or(0, |info| info.listen.db);
    let extras = cx.client.extras_mut();
    extras.transaction = None;
    extras.replies = Replies::On;
    extras.no_evict = false;
    extras.no_touch = false;
    extras.monitor = false;
    cx.hub.pubsub.remove(slot, &mut extras.subscriptions);
    cx.hub.monitors.retain(|known| *known != slot);
    cx.client.set_name(NameKind::Connection, b"");
    cx.client.resp3 = false;
    cx.client.db = db;
    super::acl::log_out(cx);
    cx.refresh_interest();
    cx.reply().simple("RESET");
    Ok(())
}

pub fn select(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    cx.client.db = database(cx, args, 1)?;
    cx.reply().ok();
    Ok(())
}

/// `HELLO [protover [AUTH username password] [SETNAME clientname]]`
pub fn hello(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut resp3 = cx.client.resp3;
    if args.len() > 1 {
        let version = crate::number::parse_i64(&args[1]).ok_or(CommandError::text(
            "ERR Protocol version is not an integer or out of range",
        ))?;
        resp3 = match version {
            2 => false,
            3 => true,
            _ => return Err(CommandError::text("NOPROTO unsupported protocol version")),
        };
    }
    let mut name = None;
    let mut login = None;
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "auth") && at + 2 < args.len() {
            login = Some((&args[at + 1], &args[at + 2]));
            at += 3;
        } else if args.is(at, "setname") && at + 1 < args.len() {
            name = Some(valid_name(&args[at + 1], "Client names")?);
            at += 2;
        } else {
            let option = String::from_utf8_lossy(&args[at]);
            return Err(CommandError::err(format_args!(
                "Syntax error in HELLO option '{option}'"
            )));
        }
    }
    if let Some((user, password)) = login {
        super::acl::log_in(cx, args, user, password)?;
    }
    if cx.client.needs_login(&cx.hub.acl) {
        return Err(CommandError::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        ));
    }
    if let Some(name) = name {
        cx.client.set_name(NameKind::Connection, name);
    }
    cx.client.resp3 = resp3;
    let id = cx.client.id as i64;
    let mut reply = cx.reply();
    reply.map(7);
    for (field, value) in [
        ("server", "redis"),
        ("version", super::server::REDIS_VERSION),
    ] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(if resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(id);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}

/// A name may hold printable characters only, and no blank: lists of clients are split at blanks.
fn valid_name<'a>(name: &'a [u8], what: &str) -> Result<&'a [u8], CommandError> {
    if name.iter().all(u8::is_ascii_graphic) {
        Ok(name)
    } else {
        Err(CommandError::err(format_args!(
            "{what} cannot contain spaces, newlines or special characters."
        )))
    }
}

pub fn client_id(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let id = cx.client.id as i64;
    cx.reply().integer(id);
    Ok(())
}

pub fn client_getname(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let name = cx.client.name(NameKind::Connection).to_vec();
    if name.is_empty() {
        cx.reply().null()
    } else {
        cx.reply().bulk(&name)
    }
    Ok(())
}

pub fn client_setname(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let name = valid_name(&args[2], "Client names")?;
    cx.client.set_name(NameKind::Connection, name);
    cx.reply().ok();
    Ok(())
}

pub fn client_setinfo(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (kind, what) = if args.is(2, "lib-name") {
        (NameKind::Library, "lib-name")
    } else if args.is(2, "lib-ver") {
        (NameKind::LibraryVersion, "lib-ver")
    } else {
        let option = String::from_utf8_lossy(&args[2]);
        return Err(CommandError::err(format_args!(
            "Unrecognized option '{option}'"
        )));
    };
    let name = valid_name(&args[3], what)?;
    cx.client.set_name(kind, name);
    cx.reply().ok();
    Ok(())
}

/// The line of the client that asks.
pub(super) fn describe_asking(cx: &Cx<'_>) -> String {
    let buffers = Buffers {
        input: 0,
        output: cx.out.len(),
        bytes: 0,
    };
    describe(cx.client, buffers, cx.hub)
}

pub fn client_info(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let line = describe_asking(cx);
    cx.reply().verbatim(&line);
    Ok(())
}

/// `CLIENT LIST [TYPE NORMAL | MASTER | REPLICA | PUBSUB] [ID client-id ...]`
pub fn client_list(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut ids: Option<Vec<u64>> = None;
    let mut kind = None;
    if args.len() > 2 {
        if args.is(2, "type") && args.len() == 4 {
            kind = Some(ClientType::parse(&args[3])?);
        } else if args.is(2, "id") && args.len() > 3 {
            let parsed = args
                .iter_from(3)
                .map(parse_client_id)
                .collect::<Result<_, _>>()?;
            ids = Some(parsed);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let is_wanted = |client: &Client| {
        ids.as_ref().is_none_or(|ids| ids.contains(&client.id))
            && kind.is_none_or(|kind| kind == ClientType::Normal)
    };
    let mut lines = Vec::new();
    if is_wanted(cx.client) {
        lines.push((cx.client.id, describe_asking(cx)));
    }
    for conn in cx.hub.others().filter(|conn| is_wanted(&conn.client)) {
        lines.push((
            conn.client.id,
            describe(&conn.client, Buffers::of(conn), cx.hub),
        ));
    }
    lines.sort_unstable();
    let text: String = lines.into_iter().map(|(_, line)| line).collect();
    cx.reply().verbatim(&text);
    Ok(())
}

/// The kinds of clients that lists and kills can be narrowed to. All are normal ones so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientType {
    Normal,
    Master,
    Replica,
    PubSub,
}

impl ClientType {
    fn parse(name: &[u8]) -> Result<Self, CommandError> {
        let lower = name.to_ascii_lowercase();
        match &lower[..] {
            b"normal" => Ok(ClientType::Normal),
            b"master" => Ok(ClientType::Master),
            b"replica" | b"slave" => Ok(ClientType::Replica),
            b"pubsub" => Ok(ClientType::PubSub),
            _ => {
                let name = String::from_utf8_lossy(name);
                Err(CommandError::err(format_args!(
                    "Unknown client type '{name}'"
                )))
            }
        }
    }
}

fn parse_client_id(text: &[u8]) -> Result<u64, CommandError> {
    crate::number::parse_i64(text)
        // Nobody has a negative one: it names none.
        .map(|id| u64::try_from(id).unwrap_or(0))
        .ok_or(CommandError::text("ERR Invalid client ID"))
}

/// `CLIENT KILL ip:port`, or `CLIENT KILL <filter> <value> ...` with the filters ID, ADDR, LADDR, TYPE, USER, SKIPME.
pub fn client_kill(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut filter = KillFilter::default();
    if args.len() == 3 {
        filter.address = Some(args[2].to_vec());
        filter.skip_me = false;
        if kill(cx, &filter) == 0 {
            return Err(CommandError::text("ERR No such client"));
        }
        cx.reply().ok();
        return Ok(());
    }
    let mut at = 2;
    while at < args.len() {
        let Some(value) = args.get(at + 1) else {
            return Err(CommandError::Syntax);
        };
        if args.is(at, "id") {
            let id = crate::number::parse_i64(value).filter(|id| *id > 0);
            filter.id = Some(
                id.ok_or(CommandError::text("ERR client-id should be greater than 0"))? as u64,
            );
        } else if args.is(at, "type") {
            filter.kind = Some(ClientType::parse(value)?);
        } else if args.is(at, "addr") {
            filter.address = Some(value.to_vec());
        } else if args.is(at, "laddr") {
            filter.local_address = Some(value.to_vec());
        } else if args.is(at, "user") {
            if cx.hub.acl.user(value).is_none() {
                let user = String::from_utf8_lossy(value);
                return Err(CommandError::err(format_args!("No such user '{user}'")));
            }
            filter.user = Some(value.to_vec());
        } else if args.is(at, "skipme") && value.eq_ignore_ascii_case(b"yes") {
            filter.skip_me = true;
        } else if args.is(at, "skipme") && value.eq_ignore_ascii_case(b"no") {
            filter.skip_me = false;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let killed = kill(cx, &filter);
    cx.reply().count(killed);
    Ok(())
}

struct KillFilter {
    id: Option<u64>,
    address: Option<Vec<u8>>,
    local_address: Option<Vec<u8>>,
    kind: Option<ClientType>,
    user: Option<Vec<u8>>,
    skip_me: bool,
}

impl Default for KillFilter {
    fn default() -> Self {
        KillFilter {
            id: None,
            address: None,
            local_address: None,
            kind: None,
            user: None,
            skip_me: true,
        }
    }
}

impl KillFilter {
    fn matches(&self, client: &Client, hub: &Hub) -> bool {
        self.id.is_none_or(|id| id == client.id)
            && self
                .address
                .as_ref()
                .is_none_or(|address| address_of(client).as_bytes() == address)
            && self
                .local_address
                .as_ref()
                .is_none_or(|address| local_address_of(client, hub).as_bytes() == address)
            && self.kind.is_none_or(|kind| kind == ClientType::Normal)
            && self
                .user
                .as_ref()
                .is_none_or(|user| client.user.name() == user)
    }
}

/// Ends the clients that match, the asking one only after its reply. Gives how many there are.
fn kill(cx: &mut Cx<'_>, filter: &KillFilter) -> usize {
    let slots: Vec<u32> = cx
        .hub
        .others()
        .filter(|conn| !conn.client.doomed && filter.matches(&conn.client, cx.hub))
        .map(|conn| conn.client.slot)
        .collect();
    for &slot in &slots {
        if let Some(Some(conn)) = cx.hub.conns.get_mut(slot as usize) {
            conn.client.doomed = true;
        }
        cx.hub.touch(slot);
    }
    let myself = !filter.skip_me && filter.matches(cx.client, cx.hub);
    cx.client.closing |= myself;
    slots.len() + usize::from(myself)
}

/// What a client's buffers hold.
struct Buffers {
    input: usize,
    output: usize,
    bytes: usize,
}

impl Buffers {
    fn of(conn: &Conn) -> Self {
        Buffers {
            input: conn.input_len(),
            output: conn.out.len(),
            bytes: conn.buffer_bytes(),
        }
    }
}

/// One client's line, as CLIENT LIST and CLIENT INFO give it.
fn describe(client: &Client, buffers: Buffers, hub: &Hub) -> String {
    let text = |kind| String::from_utf8_lossy(client.name(kind)).into_owned();
    let listener = hub.listeners.get(usize::from(client.listener));
    let scheme = listener.map_or(Scheme::Resp, |listener| listener.listen.scheme);
    let command = match &scheme {
        Scheme::Resp => client
            .last_command
            .as_ref()
            .map_or("NULL", |command| command.name),
        other => other.name(),
    };
    format!(
        "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 multi=-1 qbuf={} \
         qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl={} oll=0 omem={} tot-mem={} events=r cmd={command} \
         user={} redir=-1 resp={} lib-name={} lib-ver={}\n",
        client.id,
        address_of(client),
        local_address_of(client, hub),
        text(NameKind::Connection),
        (hub.now.unix_ms() - client.created_ms).max(0) / 1000,
        hub.now.monotonic_ms().saturating_sub(client.active_ms) / 1000,
        if client.peer == Peer::Unix { "U" } else { "N" },
        client.db,
        buffers.input,
        buffers.output,
        buffers.output,
        buffers.bytes + size_of::<Conn>(),
        String::from_utf8_lossy(client.user.name()),
        if client.resp3 { 3 } else { 2 },
        text(NameKind::Library),
        text(NameKind::LibraryVersion),
    )
}

pub(super) fn address_of(client: &Client) -> String {
    match client.peer {
        Peer::Tcp(address) => address.to_string(),
        Peer::Unix => "unix:0".to_owned(),
        Peer::InProcess => "in-process:0".to_owned(),
    }
}

fn local_address_of(client: &Client, hub: &Hub) -> String {
    let bound = hub
        .listeners
        .get(usize::from(client.listener))
        .map_or("", |info| &info.bound);
    if client.peer == Peer::Unix {
        format!("{bound}:0")
    } else {
        bound.to_owned()
    }
}
