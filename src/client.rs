//! What the server knows of one connection besides its bytes: who it is, what it has set, what is to become of it.
//!
//! This module must not know sockets or how a protocol is parsed.

use std::net::SocketAddr;

use crate::config::Scheme;
use crate::keyspace::Db;
use crate::protocol::resp::command::Command;

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

/// One client, for as long as its connection lasts.
#[derive(Debug)]
pub struct Client {
    /// Its number, never given to another: what CLIENT ID answers.
    pub id: u64,
    /// Its place among the connections.
    pub(crate) slot: u32,
    /// The listener it came in by.
    pub(crate) listener: u16,
    /// The protocol it speaks.
    pub scheme: Scheme,
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
    /// Whether it asked that its reads do not count as use of keys (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// When it came, Unix time in ms.
    pub created_ms: i64,
    /// When it last sent something, monotonic ms.
    pub active_ms: u64,
    /// The command it ran last.
    pub last_command: Option<&'static Command>,
    /// What few clients set.
    names: Option<Box<Names>>,
}

#[derive(Debug, Default)]
struct Names {
    name: Box<[u8]>,
    lib_name: Box<[u8]>,
    lib_version: Box<[u8]>,
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
        scheme: Scheme,
        peer: Peer,
        db: Db,
    ) -> Self {
        Client {
            id,
            slot,
            listener,
            scheme,
            peer,
            db,
            resp3: false,
            closing: false,
            doomed: false,
            no_touch: false,
            created_ms: 0,
            active_ms: 0,
            last_command: None,
            names: None,
        }
    }

    /// A name it has given itself; empty when it has not.
    pub fn name(&self, kind: NameKind) -> &[u8] {
        let Some(names) = &self.names else { return b"" };
        match kind {
            NameKind::Connection => &names.name,
            NameKind::Library => &names.lib_name,
            NameKind::LibraryVersion => &names.lib_version,
        }
    }

    /// Gives it a name; an empty one takes it away.
    pub fn set_name(&mut self, kind: NameKind, name: &[u8]) {
        let names = self.names.get_or_insert_default();
        *match kind {
            NameKind::Connection => &mut names.name,
            NameKind::Library => &mut names.lib_name,
            NameKind::LibraryVersion => &mut names.lib_version,
        } = name.into();
    }
}
