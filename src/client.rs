//! What the server knows of one connection besides its bytes: who it is, what it has set, what is to become of it.
//!
//! This module must not know sockets or how a protocol is parsed.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::acl::{Acl, DEFAULT_USER, User};
use crate::keyspace::{Db, Type};
use crate::protocol::resp::{CommandRef, KeptRequest, Table};
use crate::pubsub::Subscriptions;
use crate::tracking::TrackingOptions;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP socket.
    Tcp(SocketAddr),
    /// A Unix socket: the other end has no address.
    Unix,
    /// A program that feeds bytes itself.
    InProcess,
}

impl Peer {
    /// Its address, by which connections are counted; IPv4 in IPv6 counts as IPv4.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Peer::Tcp(address) => Some(address.ip().to_canonical()),
            Peer::Unix | Peer::InProcess => None,
        }
    }
}

/// One client, for as long as its connection lasts.
#[derive(Debug)]
pub struct Client {
    /// Its number, never given to another: what CLIENT ID answers.
    pub id: u64,
    /// Its place among the connections.
    pub(crate) slot: u32,
    /// The listener it came in by.
    pub(crate) listener: u16,
    /// Its other end.
    pub peer: Peer,
    /// The database it has selected.
    pub db: Db,
    /// Whether it speaks RESP3 (HELLO 3).
    pub resp3: bool,
    /// Whether what follows in its input is ignored and the connection ends when its output is sent.
    pub closing: bool,
    /// Whether the connection ends at once, output or not.
    pub doomed: bool,
    /// Whether its requests are to be looked at more closely than usual: some of `extras` is in force.
    pub(crate) special: bool,
    /// Who it is.
    pub(crate) user: Arc<User>,
    /// Whether it has said so, or did not need to.
    pub(crate) authenticated: bool,
    /// Whether its listener takes no writes.
    pub(crate) read_only: bool,
    /// Whether there is anything that it may not do.
    pub(crate) restricted: bool,
    /// How often it has given a wrong password.
    pub(crate) failed_logins: u32,
    /// Monotonic ms until which its next request has to wait, after wrong passwords.
    pub(crate) held_until_ms: Option<NonZeroU64>,
    /// When it came, Unix time in ms.
    pub created_ms: i64,
    /// When it last sent something, monotonic ms.
    pub active_ms: u64,
    /// The command it ran last.
    pub last_command: Option<CommandRef>,
    /// While its script runs: whether it speaks RESP3 itself, whatever the script has asked for.
    pub(crate) in_script: Option<bool>,
    /// What few clients have.
    extras: Option<Box<Extras>>,
}

/// What few clients have: names, a transaction, subscriptions, and the like.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    name: Box<[u8]>,
    lib_name: Box<[u8]>,
    lib_version: Box<[u8]>,
    /// What MULTI has queued so far.
    pub transaction: Option<Transaction>,
    /// What it watches (WATCH).
    pub watched: Vec<WatchedKey>,
    /// A key that it watches has changed.
    pub watch_broken: bool,
    /// It runs the commands of a transaction: nothing may block.
    pub in_exec: bool,
    /// What it has subscribed to.
    pub subscriptions: Subscriptions,
    /// The request that waits for a key.
    pub blocked: Option<Blocked>,
    /// CLIENT TRACKING.
    pub tracking: Option<TrackingOptions>,
    /// CLIENT REPLY.
    pub replies: Replies,
    /// It gets every request that is run (MONITOR).
    pub monitor: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH: its reads do not count as use of keys.
    pub no_touch: bool,
}

/// What MULTI has queued.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub queued: Vec<KeptRequest>,
    /// A request could not be queued: EXEC will refuse.
    pub broken: bool,
}

/// A key of WATCH.
#[derive(Debug)]
pub(crate) struct WatchedKey {
    pub db: Db,
    pub key: Box<[u8]>,
    /// It existed when it was first watched: only then is flushing its database a change.
    pub existed: bool,
}

/// A request that waits for one of its keys.
#[derive(Debug)]
pub(crate) struct Blocked {
    pub request: KeptRequest,
    pub db: Db,
    pub keys: Vec<Box<[u8]>>,
    /// Monotonic ms; `None`: for ever.
    pub deadline_ms: Option<u64>,
    pub on_timeout: OnTimeout,
    /// The type that a key must have for the request to be tried again; `None`: any change will do.
    pub wants: Option<Type>,
    /// Set while it is tried again, and cleared when it blocks anew.
    pub retried: bool,
}

/// What a blocked request is answered when its time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnTimeout {
    NullArray,
    Null,
    /// A number (WAIT).
    Integer(i64),
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Replies {
    #[default]
    On,
    Off,
    /// The next request gets no reply.
    SkipNext,
}

/// The names that a client can give itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// CLIENT SETNAME.
    Connection,
    /// CLIENT SETINFO LIB-NAME.
    Library,
    /// CLIENT SETINFO LIB-VER.
    LibraryVersion,
}

impl Client {
    /// A client that has just come.
    pub(crate) fn new(
        id: u64,
        slot: u32,
        listener: u16,
        peer: Peer,
        db: Db,
        user: Arc<User>,
    ) -> Self {
        Client {
            id,
            slot,
            listener,
            peer,
            db,
            resp3: false,
            closing: false,
            doomed: false,
            special: false,
            user,
            authenticated: false,
            read_only: false,
            restricted: false,
            failed_logins: 0,
            held_until_ms: None,
            created_ms: 0,
            active_ms: 0,
            last_command: None,
            in_script: None,
            extras: None,
        }
    }

    /// What few clients have, if this one has any of it.
    pub(crate) fn extras(&self) -> Option<&Extras> {
        self.extras.as_deref()
    }

    /// The same, to be changed; call [`Client::settle`] afterwards.
    pub(crate) fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Works out anew whether its requests have to be looked at more closely.
    pub(crate) fn settle(&mut self) {
        let of_note = |extras: &Extras| {
            extras.transaction.is_some()
                || !extras.subscriptions.is_empty()
                || extras.tracking.is_some()
                || extras.replies != Replies::On
                || extras.monitor
                || extras.no_touch
        };
        self.special = self.restricted || self.extras.as_deref().is_some_and(of_note);
    }

    /// The host itself, which is no connection and may do everything.
    pub(crate) fn host() -> Self {
        let user = User::all_powerful(DEFAULT_USER.as_bytes(), &Table::default());
        // No connection has this number or place, and it came in by no listener.
        let mut client = Client::new(0, u32::MAX, u16::MAX, Peer::InProcess, 0, Arc::new(user));
        client.authenticated = true;
        client
    }

    /// Works out anew what it may do: it is another user now, or users have changed.
    pub(crate) fn update_rights(&mut self, acl: &Acl) {
        let is_host = self.id == 0;
        self.restricted =
            !is_host && (self.read_only || self.needs_login(acl) || !self.user.allows_all());
        self.settle();
    }

    /// Whether it has to say who it is before it may do anything.
    pub(crate) fn needs_login(&self, acl: &Acl) -> bool {
        !self.authenticated && !acl.default_user().is_open()
    }

    /// Whether it waits for a key.
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.extras
            .as_ref()
            .is_some_and(|extras| extras.blocked.is_some())
    }

    /// Whether it is silent because it waits: for a key, for messages, for the requests of others.
    pub(crate) fn awaits_messages(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| {
            extras.blocked.is_some() || !extras.subscriptions.is_empty() || extras.monitor
        })
    }

    /// The class that its output is limited by: its place in `Limits::output_limits`.
    pub(crate) fn output_class(&self) -> usize {
        const NORMAL: usize = 0;
        const PUBSUB: usize = 2;
        let has_subscribed = |extras: &Extras| !extras.subscriptions.is_empty();
        match self.extras.as_deref().is_some_and(has_subscribed) {
            true => PUBSUB,
            false => NORMAL,
        }
    }

    /// Whether nothing may block: its request is part of a transaction or of a script.
    pub(crate) fn denies_blocking(&self) -> bool {
        self.in_script.is_some() || self.extras.as_ref().is_some_and(|extras| extras.in_exec)
    }

    /// A name it has given itself; empty when it has not.
    pub fn name(&self, kind: NameKind) -> &[u8] {
        let Some(extras) = &self.extras else {
            return b"";
        };
        match kind {
            NameKind::Connection => &extras.name,
            NameKind::Library => &extras.lib_name,
            NameKind::LibraryVersion => &extras.lib_version,
        }
    }

    /// Gives it a name; an empty one takes it away.
    pub fn set_name(&mut self, kind: NameKind, name: &[u8]) {
        let extras = self.extras_mut();
        *match kind {
            NameKind::Connection => &mut extras.name,
            NameKind::Library => &mut extras.lib_name,
            NameKind::LibraryVersion => &mut extras.lib_version,
        } = name.into();
    }
}
