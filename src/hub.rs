//! What requests share besides the keyspace: limits, counters, the time, the other clients.
//!
//! This module must not know sockets or how any protocol is parsed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use slab::Slab;

use crate::acl::Acl;
use crate::change::{Detail, Group};
use crate::clock::{Clock, Now};
use crate::command_stats::CommandStats;
use crate::config::{Limits, Listen};
use crate::conn::{Conn, Flow};
use crate::engine::HostFamily;
use crate::lent::Lent;
use crate::persistence::Persistence;
use crate::protocol::custom::Protocols;
use crate::protocol::resp::{Batch, InProcess, KnownKeys, Scripting, Table};
use crate::pubsub::PubSub;
use crate::reactions::Notify;
use crate::slowlog::{Latency, SlowLog};
use crate::tls::Tls;
use crate::tracking::Tracking;
use crate::watch::{Waiting, Watchers};

/// Counters since the start (or since CONFIG RESETSTAT).
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Connections accepted.
    pub connections_received: u64,
    /// Connections refused because there were too many.
    pub connections_rejected: u64,
    /// Requests run, of all protocols.
    pub requests: u64,
    /// Bytes received.
    pub input_bytes: u64,
    /// Bytes sent.
    pub output_bytes: u64,
    /// Connections dropped because they did not read their output: it passed the limit, or stalled.
    pub output_limit_disconnections: u64,
    /// Connections closed because they sent nothing for too long.
    pub idle_disconnections: u64,
    /// Connections closed because a request of theirs took too long to come in.
    pub slow_request_disconnections: u64,
    /// Error replies of RESP, by their first word.
    pub errors: Vec<(String, u64)>,
}

impl Stats {
    /// Counts an error reply.
    pub(crate) fn count_error(&mut self, text: &str) {
        const KINDS_MAX: usize = 128;
        let kind = text.split(' ').next().unwrap_or_default();
        if let Some((_, count)) = self.errors.iter_mut().find(|(known, _)| known == kind) {
            *count += 1;
        } else if self.errors.len() < KINDS_MAX {
            self.errors.push((kind.to_owned(), 1));
        }
    }
}

/// What the process uses, as the host reads it from the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// CPU time spent in the kernel, in microseconds.
    pub system_cpu_us: u64,
    /// CPU time spent outside of it, in microseconds.
    pub user_cpu_us: u64,
}

/// A listener, as requests see it.
#[derive(Clone, Debug)]
pub struct ListenerInfo {
    /// What it was told.
    pub listen: Listen,
    /// Where it really listens.
    pub bound: String,
}

/// Gets all changes, group by group: a journal, a replica, a test.
pub trait ChangeSink: Send {
    /// Takes the changes of one request: all of them or none are to be kept.
    fn take(&mut self, group: &Group);
}

impl std::fmt::Debug for dyn ChangeSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChangeSink")
    }
}

/// What the storage lets requests do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// Everything.
    #[default]
    Open,
    /// Nothing that has to do with keys: they are still being loaded.
    Loading,
    /// Only read: what they would change could not be kept.
    ReadOnly,
}

/// CLIENT PAUSE.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    /// Monotonic ms.
    pub until_ms: u64,
    /// Only requests that may write are held up.
    pub writes_only: bool,
}

/// See the module's head.
#[derive(Debug)]
pub struct Hub {
    /// All limits.
    pub limits: Limits,
    /// Counters.
    pub stats: Stats,
    /// Who may do what.
    pub acl: Acl,
    /// What TLS listeners show and ask for.
    pub tls: Tls,
    /// Serves RESP clients of other hosts although the default user needs no password.
    pub unprotected: bool,
    /// What time it is.
    pub now: Now,
    /// When the server started.
    pub started: Now,
    /// Forty hexadecimal digits that name this run.
    pub run_id: String,
    /// Where it listens.
    pub listeners: Vec<ListenerInfo>,
    /// For commands that may take long: read before and after. `None`: they are not timed.
    pub clock: Option<Arc<dyn Clock>>,
    /// What took long.
    pub slowlog: SlowLog,
    /// Latency events.
    pub latency: Latency,
    /// How often each command was called.
    pub command_stats: CommandStats,
    /// INFO latencystats shows these.
    pub latency_percentiles: Vec<f64>,
    /// All RESP commands.
    pub commands: Table,
    /// Reads how many bytes the process has allocated, if the host counts them: without it there is no `maxmemory`.
    pub allocated: Option<fn() -> usize>,
    /// There was no room when a request looked for it last.
    pub(crate) is_full: bool,
    /// Connections closed because all of them together held too much.
    pub evicted_clients: u64,
    /// Reads what the process uses, if the host has a way.
    pub usage: Option<fn() -> Usage>,
    /// All connections but the one whose request is being run.
    pub(crate) conns: Slab<Option<Box<Conn>>>,
    /// Connections that are to be looked at when the batch is done: they have output, or are to be closed.
    pub(crate) touched: Vec<u32>,
    /// Empty output buffers, for whoever has something to say.
    pub(crate) spare_buffers: Vec<Vec<u8>>,
    /// How many connections there are from each address, while their number is limited.
    pub(crate) addresses: HashMap<IpAddr, usize>,
    /// Where pipelined RESP requests are parsed to.
    pub(crate) batch: Batch,
    /// The keys of the requests in it.
    pub(crate) known_keys: KnownKeys,
    /// Who has subscribed to what.
    pub(crate) pubsub: PubSub,
    /// Who watches which keys.
    pub(crate) watchers: Watchers,
    /// Who waits for which keys.
    pub(crate) waiting: Waiting,
    /// Who caches which keys.
    pub(crate) tracking: Tracking,
    /// Which keyspace events are published.
    pub(crate) notify: Notify,
    /// Who gets every request that is run (MONITOR).
    pub(crate) monitors: Vec<u32>,
    /// CLIENT PAUSE, while it lasts.
    pub(crate) pause: Option<Pause>,
    /// Who waits for its end.
    pub(crate) paused: Vec<u32>,
    /// Who has to wait after wrong passwords: until when (monotonic ms), where, and the client's number.
    pub(crate) held: Vec<(u64, u32, u64)>,
    /// Memory for the next group of changes.
    pub(crate) spare_group: Group,
    /// Gets all changes, group by group.
    pub(crate) change_sink: Option<Box<dyn ChangeSink>>,
    /// The host as a client; `None` while it runs a command.
    pub(crate) in_process: Option<Box<InProcess>>,
    /// The protocols of the host's own.
    pub(crate) protocols: Protocols,
    /// Where changes are kept.
    pub persistence: Persistence,
    /// What it lets requests do.
    pub gate: Gate,
    /// Records and groups of changes that have been loaded.
    pub(crate) loaded: (u64, u64),
    /// A request asked for the server's end (SHUTDOWN).
    pub(crate) stop_requested: bool,
    /// Scripts and functions.
    pub scripting: Scripting,
    /// A script has run for too long, and stands still while others are told so.
    pub(crate) busy: bool,
    /// Who serves others while a script runs for too long; lent by whoever lets connections run.
    pub(crate) host: Arc<Lent<HostFamily>>,
    /// The number of the next client.
    pub(crate) next_client: u64,
}

impl Hub {
    /// The other clients.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Conn> {
        self.conns.iter().filter_map(|(_, conn)| conn.as_deref())
    }

    /// Ends CLIENT PAUSE: who was held up goes on.
    pub(crate) fn end_pause(&mut self) {
        self.pause = None;
        for slot in std::mem::take(&mut self.paused) {
            if let Some(Some(conn)) = self.conns.get_mut(slot as usize)
                && conn.flow == Flow::Paused
            {
                conn.flow = Flow::Turn;
                self.touch(slot);
            }
        }
    }

    /// Has the counters and the users know of a command that was added to the table.
    pub(crate) fn command_added(&mut self) {
        self.command_stats.command_added(&self.commands);
        self.acl.command_added(&self.commands);
        for (_, conn) in &mut self.conns {
            if let Some(conn) = conn
                && let Some(user) = self.acl.user(conn.client.user.name())
            {
                conn.client.user = Arc::clone(user);
            }
        }
    }

    /// Lets those go on whose time to wait after wrong passwords is over.
    pub(crate) fn release_held(&mut self, now_ms: u64) {
        let mut held = std::mem::take(&mut self.held);
        held.retain(|&(until_ms, slot, id)| {
            if until_ms > now_ms {
                return true;
            }
            if let Some(Some(conn)) = self.conns.get_mut(slot as usize)
                && conn.client.id == id
            {
                conn.client.held_until_ms = None;
                if conn.flow == Flow::Held {
                    conn.flow = Flow::Turn;
                    self.touch(slot);
                }
            }
            false
        });
        self.held = held;
    }

    /// The place of a client that is in the hub, by its id. O(clients).
    pub(crate) fn slot_of(&self, id: u64) -> Option<u32> {
        self.others()
            .find(|conn| conn.client.id == id)
            .map(|conn| conn.client.slot)
    }

    /// How much of changes must be kept, now that somebody has begun or ceased to want to know.
    pub(crate) fn wanted_detail(&self) -> Detail {
        if self.change_sink.is_some() || self.persistence.listens() {
            return Detail::Commands;
        }
        let idle = self.watchers.is_empty()
            && self.waiting.is_empty()
            && self.tracking.is_idle()
            && !self.pubsub.in_process.want_keys()
            && (!self.notify.is_on() || self.pubsub.is_idle());
        if idle { Detail::Nothing } else { Detail::Keys }
    }

    /// Says that another connection has to be looked at after the batch.
    pub(crate) fn touch(&mut self, slot: u32) {
        if let Some(Some(conn)) = self.conns.get_mut(slot as usize)
            && !conn.listed
        {
            conn.listed = true;
            self.touched.push(slot);
        }
    }
}
