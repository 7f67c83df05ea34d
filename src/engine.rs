//! The whole server without its sockets: connections, keyspace, and what they share.
//!
//! Whoever owns the transport opens a connection, hands in what it received and sends what lies in the output:
//!
//! ```text
//!   open ─▶ receive / receive_eof ─▶ (resume) ─▶ output … sent ─▶ close
//! ```
//!
//! Time comes in by [`Engine::set_now`], once a turn. This module must not know sockets.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use mio::Waker;
use slab::Slab;

use crate::accounting::{self, Room};
use crate::acl::{Access, AccessError, Acl, User};
use crate::change::Group;
use crate::client::{Client, Peer};
use crate::clock::{Clock, Now};
use crate::command_stats::CommandStats;
use crate::config::{Config, Limits, Listen, Scheme, SchemeName};
use crate::conn::{Conn, Flow};
use crate::hub::{ChangeSink, Gate, Hub, ListenerInfo, Stats, Usage};
use crate::keyspace::{Keyspace, Rng, Seed};
use crate::lent::Family;
use crate::persistence::Persistence;
use crate::protocol::custom::{Protocol, Protocols};
use crate::protocol::resp::{
    Args, Batch, CommandCx, CommandError, CommandSpec, KnownKeys, RegisterError, Registered,
    Scripting, Table,
};
use crate::protocol::{Refusal, State};
use crate::pubsub::PubSub;
use crate::reactions::{Notify, Scene};
use crate::slowlog::{Latency, SlowLog};
use crate::store::Store;
use crate::tls::Tls;
use crate::tracking::Tracking;
use crate::watch::{Waiting, Watchers};

/// Names a connection. A closed connection's name is never given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnId {
    pub(crate) slot: u32,
    generation: u32,
}

impl ConnId {
    /// As one number, for pollers that carry one.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The inverse of [`ConnId::to_u64`].
    pub fn from_u64(number: u64) -> Self {
        ConnId {
            slot: number as u32,
            generation: (number >> 32) as u32,
        }
    }
}

/// What of a request must come in a second, beyond the time that every request has.
const REQUEST_BYTES_PER_S: u64 = 16 * 1024;

/// See the module's head.
#[derive(Debug)]
pub struct Engine {
    /// All data.
    pub keyspace: Keyspace,
    /// All else.
    pub hub: Hub,
    refusal: &'static [u8],
}

/// Serves others while a script runs for too long: whoever owns the transport.
pub trait BusyHost {
    /// Takes what has come in meanwhile, gives it to the engine (which answers that it is busy, or ends the script), and
    /// sends the answers; without waiting, and in a bounded time. True when the script is to end.
    fn busy_turn(&mut self, engine: &mut Engine) -> bool;
}

/// A [`BusyHost`], to be lent.
pub(crate) struct HostFamily;

impl Family for HostFamily {
    type Of<'a> = Host<'a>;
}

/// See [`HostFamily`].
#[cfg_attr(
    not(feature = "lua"),
    expect(dead_code, reason = "only a script uses all of it")
)]
pub(crate) struct Host<'a>(pub &'a mut dyn BusyHost);

impl Engine {
    /// An engine with no connections and no keys, at the given time.
    pub fn new(config: &Config, now: Now) -> Self {
        let seed = config.seed.unwrap_or_else(Seed::from_system);
        let mut keyspace = Keyspace::new(seed, config.limits.databases);
        keyspace.set_now(now.unix_ms());
        keyspace.eviction.policy = config.limits.eviction_policy;
        let mut ids = Rng::seeded(seed.random ^ seed.hash.0);
        let run_id: String = (0..5)
            .map(|_| format!("{:08x}", ids.next_u64() as u32))
            .collect();
        let commands = Table::default();
        Engine {
            keyspace,
            hub: Hub {
                acl: Acl::new(&commands),
                tls: Tls::default(),
                unprotected: config.access.unprotected,
                limits: config.limits.clone(),
                stats: Stats::default(),
                now,
                started: now,
                run_id,
                listeners: Vec::new(),
                command_stats: CommandStats::default(),
                latency_percentiles: vec![50.0, 99.0, 99.9],
                commands,
                clock: None,
                slowlog: SlowLog::default(),
                latency: Latency::default(),
                allocated: None,
                is_full: false,
                evicted_clients: 0,
                usage: None,
                conns: Slab::new(),
                addresses: HashMap::new(),
                touched: Vec::new(),
                spare_buffers: Vec::new(),
                batch: Batch::default(),
                known_keys: KnownKeys::default(),
                pubsub: PubSub::default(),
                watchers: Watchers::default(),
                waiting: Waiting::default(),
                tracking: Tracking::default(),
                notify: Notify::default(),
                monitors: Vec::new(),
                pause: None,
                paused: Vec::new(),
                held: Vec::new(),
                spare_group: Group::default(),
                change_sink: None,
                in_process: None,
                protocols: Protocols::default(),
                persistence: Persistence::new(now),
                gate: Gate::Open,
                loaded: (0, 0),
                stop_requested: false,
                scripting: Scripting::default(),
                busy: false,
                host: Arc::default(),
                next_client: 1,
            },
            refusal: b"",
        }
    }

    /// An engine that stands where another belongs while that one is used elsewhere.
    #[cfg(feature = "lua")]
    pub(crate) fn stand_in() -> Self {
        let config = Config {
            seed: Some(Seed::fixed(0)),
            ..Config::default()
        };
        Engine::new(&config, Now::default())
    }

    /// Calls `run` with this engine, with somebody at hand who serves others should a script run for too long. Without a
    /// host such a script is ended.
    pub fn with_host<R>(
        &mut self,
        host: &mut dyn BusyHost,
        run: impl FnOnce(&mut Engine) -> R,
    ) -> R {
        let lent = Arc::clone(&self.hub.host);
        lent.lend(&mut Host(host), || run(self))
    }

    /// Adds a listener, from which connections take protocol and options; `bound` says where it really is.
    pub fn add_listener(&mut self, listen: Listen, bound: String) -> usize {
        self.hub.listeners.push(ListenerInfo { listen, bound });
        self.hub.listeners.len() - 1
    }

    /// Sets up the users that the settings name: before the first connection. Without this there is the default user
    /// alone, who may do everything.
    pub fn set_access(&mut self, access: &Access) -> Result<(), AccessError> {
        self.hub.unprotected = access.unprotected;
        self.hub.acl.configure(access, &self.hub.commands)
    }

    /// Says how the process's use of memory and CPU can be read.
    pub fn set_usage(&mut self, usage: fn() -> Usage) {
        self.hub.usage = Some(usage);
    }

    /// Says how many bytes the process has allocated: see [`crate::allocator`].
    pub fn set_allocated(&mut self, allocated: fn() -> usize) {
        self.hub.allocated = Some(allocated);
    }

    /// Says by which clock commands that may take long are timed.
    pub fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.hub.clock = Some(clock);
    }

    /// Says what time it is. For keys time stands still while a script runs.
    pub fn set_now(&mut self, now: Now) {
        self.hub.now = now;
        if self.is_loading() {
            self.keyspace.suspend_expiry(now.unix_ms());
        } else if !self.hub.busy {
            self.keyspace.set_now(now.unix_ms());
        }
    }

    /// Whether a script runs for too long, and others are told so.
    pub fn is_busy(&self) -> bool {
        self.hub.busy
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.hub.limits
    }

    /// Number of connections.
    pub fn connections(&self) -> usize {
        self.hub.conns.len()
    }

    /// A new connection at a listener (its number, as [`Engine::add_listener`] gave it). `None` when there are too
    /// many, or no such listener: [`Engine::refusal`] says what to tell the client then.
    pub fn open(&mut self, listener: usize, peer: Peer) -> Option<ConnId> {
        self.refusal = b"";
        let listen = &self.hub.listeners.get(listener)?.listen;
        let (user, authenticated) = match self.admit(listen, peer) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.refusal = refusal;
                self.hub.stats.connections_rejected += 1;
                return None;
            }
        };
        let state = State::new(listen, &self.hub.protocols)?;
        let entry = self.hub.conns.vacant_entry();
        let slot = entry.key() as u32;
        let id = self.hub.next_client;
        self.hub.next_client += 1;
        let mut client = Client::new(id, slot, listener as u16, peer, listen.db, user);
        client.authenticated = authenticated;
        client.read_only = listen.read_only;
        client.update_rights(&self.hub.acl);
        client.created_ms = self.hub.now.unix_ms();
        client.active_ms = self.hub.now.monotonic_ms();
        entry.insert(Some(Box::new(Conn::new(client, state))));
        self.hub.stats.connections_received += 1;
        if let Some(address) = peer.address() {
            *self.hub.addresses.entry(address).or_default() += 1;
        }
        Some(ConnId {
            slot,
            generation: id as u32,
        })
    }

    /// Who a new connection is, and whether it need not say so; or what it is told that is not let in.
    fn admit(&self, listen: &Listen, peer: Peer) -> Result<(Arc<User>, bool), &'static [u8]> {
        let refuse = |why| Err(State::refusal(listen.scheme, why));
        let hub = &self.hub;
        if hub.conns.len() >= hub.limits.clients_max {
            return refuse(Refusal::TooManyClients);
        }
        if let Some(address) = peer.address()
            && hub.limits.clients_per_address_max > 0
            && hub
                .addresses
                .get(&address)
                .is_some_and(|count| *count >= hub.limits.clients_per_address_max)
        {
            return refuse(Refusal::TooManyFromAddress);
        }
        let user = hub.acl.default_user();
        let is_foreign =
            matches!(peer, Peer::Tcp(address) if !address.ip().to_canonical().is_loopback());
        let is_guarded = listen.open || listen.tls && hub.tls.admits_only_known();
        let needs_nothing = listen.user.is_some() || user.needs_no_password();
        // A listener that is not to be open to all was guarded by certificates when it was made: it must not be open when
        // these are not asked for any more.
        let is_protected = match listen.scheme {
            Scheme::Resp => !hub.unprotected && needs_nothing,
            scheme => !scheme.has_password(),
        };
        if is_foreign && is_protected && !is_guarded {
            return refuse(Refusal::Protected);
        }
        if let Some(name) = &listen.user {
            let user = hub.acl.user(name.as_bytes());
            return match user.filter(|user| user.is_enabled()) {
                Some(user) => Ok((Arc::clone(user), true)),
                None => refuse(Refusal::NoUser),
            };
        }
        Ok((Arc::clone(user), user.is_open()))
    }

    /// What the client is told that was not let in last.
    pub fn refusal(&self) -> &'static [u8] {
        self.refusal
    }

    /// Says who a connection's client has proved to be, before anything of what it says is looked at; false when there is no
    /// such user. Where the listener names a user, it is that one.
    pub fn identify(&mut self, id: ConnId, user: &[u8]) -> bool {
        let hub = &mut self.hub;
        let user = hub.acl.user(user).filter(|user| user.is_enabled());
        let (Some(user), Some(Some(conn))) = (user, hub.conns.get_mut(id.slot as usize)) else {
            return false;
        };
        let listener = hub.listeners.get(usize::from(conn.client.listener));
        let is_named = listener.is_some_and(|info| info.listen.user.is_some());
        if conn.client.id as u32 != id.generation || is_named {
            return false;
        }
        conn.client.user = Arc::clone(user);
        conn.client.authenticated = true;
        conn.client.update_rights(&hub.acl);
        true
    }

    /// Takes bytes from a connection and runs the requests in them.
    pub fn receive(&mut self, id: ConnId, bytes: &[u8]) {
        self.hub.stats.input_bytes += bytes.len() as u64;
        self.with(id, |conn, keyspace, hub| {
            conn.client.active_ms = hub.now.monotonic_ms();
            conn.receive(bytes, keyspace, hub);
        });
    }

    /// Takes the news that a connection's other end sends no more.
    pub fn receive_eof(&mut self, id: ConnId) {
        self.with(id, |conn, _, _| conn.receive_eof());
    }

    /// Lets a connection run on with input that it holds: its next share of requests.
    pub fn resume(&mut self, id: ConnId) {
        self.with(id, |conn, keyspace, hub| conn.resume(keyspace, hub));
    }

    /// What the connection waits for; `None` when it is not open.
    pub fn flow(&self, id: ConnId) -> Option<Flow> {
        self.conn(id).map(|conn| conn.flow)
    }

    /// Whether bytes for the connection are welcome: not when it is above its high-water mark or done. One that waits
    /// for a key takes some, so that its end is noticed.
    pub fn takes_input(&self, id: ConnId) -> bool {
        const HELD_BYTES_MAX: usize = 64 * 1024;
        self.conn(id).is_some_and(|conn| match conn.flow {
            Flow::Input => true,
            Flow::Blocked | Flow::Paused | Flow::Held => conn.input_len() < HELD_BYTES_MAX,
            Flow::Turn | Flow::Output | Flow::Done => false,
        })
    }

    /// Whether a request of the connection has begun to come in and is not complete: it has a deadline then.
    pub fn has_partial_request(&self, id: ConnId) -> bool {
        self.conn(id)
            .is_some_and(|conn| conn.partial_since_ms.is_some())
    }

    /// The next bytes to be sent to a connection; empty when there are none (or no such connection).
    pub fn output(&self, id: ConnId) -> &[u8] {
        self.conn(id).map_or(b"", |conn| conn.out.next())
    }

    /// Says that the first `count` of the bytes that [`Engine::output`] gave have been sent.
    pub fn sent(&mut self, id: ConnId, count: usize) {
        let hub = &mut self.hub;
        hub.stats.output_bytes += count as u64;
        if let Some(Some(conn)) = hub.conns.get_mut(id.slot as usize)
            && conn.client.id as u32 == id.generation
        {
            conn.progress_ms = hub.now.monotonic_ms();
            conn.out.advance(count);
            conn.out.recycle(&mut hub.spare_buffers);
            if conn.flow == Flow::Output && conn.out.len() <= hub.limits.low_water_bytes() {
                conn.flow = Flow::Turn;
            }
        }
    }

    /// Whether the connection is over: its owner sends no more and calls [`Engine::close`].
    pub fn is_finished(&self, id: ConnId) -> bool {
        self.conn(id)
            .is_none_or(|conn| conn.client.doomed || conn.client.closing && conn.out.is_empty())
    }

    /// The connections that have something to be sent, or are finished, since the last call. What they changed is
    /// committed first.
    pub fn take_touched(&mut self, into: &mut Vec<ConnId>) {
        self.commit();
        for slot in self.hub.touched.drain(..) {
            if let Some(Some(conn)) = self.hub.conns.get_mut(slot as usize) {
                conn.listed = false;
                into.push(ConnId {
                    slot,
                    generation: conn.client.id as u32,
                });
            }
        }
    }

    /// Whether a connection has something to be sent, or is finished, which [`Engine::take_touched`] has not said yet.
    pub(crate) fn has_touched(&self) -> bool {
        !self.hub.touched.is_empty()
    }

    /// The data, typed, and with all that follows from a change to it. The time is the one that was told last.
    pub fn store(&mut self) -> Store<'_> {
        self.store_with(None)
    }

    /// Lets follow what follows from what reads of the host have found to be expired.
    pub(crate) fn settle(&mut self) {
        if !self.keyspace.changes.is_empty() {
            self.scene().react();
        }
    }

    pub(crate) fn store_with<'a>(&'a mut self, waker: Option<&'a Waker>) -> Store<'a> {
        Store::new(&mut self.keyspace, &mut self.hub, waker)
    }

    /// Adds a command of the host's own to those that RESP clients can run; see
    /// [`Builder::command`](crate::Builder::command).
    pub fn register_command(
        &mut self,
        name: &'static str,
        spec: CommandSpec,
        run: impl FnMut(&mut CommandCx<'_>, Args<'_>) -> Result<(), CommandError> + Send + 'static,
    ) -> Result<(), RegisterError> {
        let registered = Registered::new(name, spec, Box::new(run))?;
        if self.hub.commands.insert(registered) {
            self.hub.command_added();
            Ok(())
        } else {
            Err(RegisterError::Taken(name))
        }
    }

    /// Adds a protocol of the host's own, which listeners can be of whose scheme is `name`; false when there is one of
    /// this name already.
    pub fn register_protocol<P: Protocol + 'static>(
        &mut self,
        name: SchemeName,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> bool {
        self.hub.protocols.add(name, make)
    }

    /// Forgets a connection, and all that it waited for, watched or had subscribed to.
    pub fn close(&mut self, id: ConnId) {
        if self.conn(id).is_none() {
            return;
        }
        if let Some(mut conn) = self.hub.conns.remove(id.slot as usize) {
            conn.leave(&mut self.hub);
            if let Some(address) = conn.client.peer.address()
                && let Entry::Occupied(mut count) = self.hub.addresses.entry(address)
            {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
            self.keyspace.changes.listen(self.hub.wanted_detail());
        }
    }

    /// Has all changes told to `sink`, group by group, from now on.
    pub fn set_change_sink(&mut self, sink: Option<Box<dyn ChangeSink>>) {
        self.hub.change_sink = sink;
        self.keyspace.changes.listen(self.hub.wanted_detail());
    }

    /// Takes no more requests from any connection but answers what is complete; for the end of the server.
    pub fn finish_all(&mut self) {
        for (slot, conn) in &mut self.hub.conns {
            if let Some(conn) = conn {
                conn.receive_eof();
                if !conn.listed {
                    conn.listed = true;
                    self.hub.touched.push(slot as u32);
                }
            }
        }
    }

    /// Whether a client asked for the server's end.
    pub fn stop_requested(&self) -> bool {
        self.hub.stop_requested
    }

    /// Whether [`Engine::maintain`] may find something to do now or later.
    pub fn needs_maintenance(&self) -> bool {
        let limits = &self.hub.limits;
        self.keyspace.needs_maintenance()
            || self.hub.scripting.needs_maintenance()
            || limits.clients_bytes_max > 0
            || limits.memory_bytes_max > 0
                && accounting::used_bytes(&self.keyspace, &self.hub) > limits.memory_bytes_max
    }

    /// Does a bounded step of background work; true when more is due.
    pub fn maintain(&mut self) -> bool {
        let more = self.hub.scripting.maintain() | self.keyspace.maintain();
        let more = accounting::make_room(&mut self.keyspace, &self.hub) == Room::Soon || more;
        accounting::limit_clients(&mut self.hub);
        self.scene().react();
        more
    }

    /// The monotonic time in ms at which [`Engine::check_waits`] has something to do.
    pub fn next_wait_deadline_ms(&self) -> Option<u64> {
        let pause = self
            .hub
            .pause
            .filter(|_| !self.hub.paused.is_empty())
            .map(|pause| pause.until_ms);
        let held = self.hub.held.iter().map(|held| held.0).min();
        [self.hub.waiting.next_deadline_ms(), pause, held]
            .into_iter()
            .flatten()
            .min()
    }

    /// Answers those who have waited for a key for as long as they wanted, and lets those go on that CLIENT PAUSE held
    /// up.
    pub fn check_waits(&mut self) {
        let now_ms = self.hub.now.monotonic_ms();
        while let Some(slot) = self.hub.waiting.overdue(now_ms) {
            self.scene()
                .end_wait(slot, |reply, on_timeout| on_timeout.answer(reply));
        }
        self.hub.release_held(now_ms);
        if self.hub.pause.is_some_and(|pause| pause.until_ms <= now_ms) {
            self.hub.end_pause();
        }
    }

    fn scene(&mut self) -> Scene<'_> {
        Scene {
            keyspace: &mut self.keyspace,
            hub: &mut self.hub,
            me: None,
        }
    }

    /// The monotonic time in ms at which the connection has idled or stalled for too long, if there is such a limit.
    /// A connection that has reached it is given up here, and counted.
    pub fn check_deadline(&mut self, id: ConnId) -> Option<u64> {
        let hub = &mut self.hub;
        let conn = hub.conns.get_mut(id.slot as usize)?.as_deref_mut()?;
        if conn.client.id as u32 != id.generation || conn.client.doomed {
            return None;
        }
        let now_ms = hub.now.monotonic_ms();
        let idle_ms = hub.limits.idle_timeout_s.saturating_mul(1000);
        let stall_ms = hub.limits.output_stall_timeout_s.saturating_mul(1000);
        // Whoever still takes a long answer in is not idle, nor is whoever waits to be told something.
        let active_ms = if conn.client.awaits_messages() {
            now_ms
        } else {
            conn.client.active_ms.max(conn.progress_ms)
        };
        let idle = (idle_ms > 0).then(|| active_ms.saturating_add(idle_ms));
        let stall = (stall_ms > 0 && !conn.out.is_empty())
            .then(|| conn.progress_ms.saturating_add(stall_ms));
        if stall.is_some_and(|deadline| deadline <= now_ms) {
            hub.stats.output_limit_disconnections += 1;
            conn.client.doomed = true;
        } else if idle.is_some_and(|deadline| deadline <= now_ms) {
            hub.stats.idle_disconnections += 1;
            conn.client.doomed = true;
        }
        let partial = conn
            .partial_since_ms
            .filter(|_| hub.limits.request_timeout_s > 0);
        let partial = partial.map(|since_ms| {
            let expected_ms = conn.input_len() as u64 * 1000 / REQUEST_BYTES_PER_S;
            since_ms.get() + hub.limits.request_timeout_s.saturating_mul(1000) + expected_ms
        });
        if partial.is_some_and(|deadline| deadline <= now_ms) {
            hub.stats.slow_request_disconnections += 1;
            conn.client.doomed = true;
        }
        if conn.client.doomed {
            hub.touch(id.slot);
            return None;
        }
        [idle, stall, partial].into_iter().flatten().min()
    }

    fn conn(&self, id: ConnId) -> Option<&Conn> {
        let conn = self.hub.conns.get(id.slot as usize)?.as_deref()?;
        (conn.client.id as u32 == id.generation).then_some(conn)
    }

    /// Runs a connection, which is out of the hub meanwhile, so that it can be changed beside it.
    fn with(&mut self, id: ConnId, run: impl FnOnce(&mut Conn, &mut Keyspace, &mut Hub)) {
        if self.conn(id).is_none() {
            return;
        }
        let Some(mut conn) = self
            .hub
            .conns
            .get_mut(id.slot as usize)
            .and_then(Option::take)
        else {
            return;
        };
        let silent = conn.out.is_empty();
        run(&mut conn, &mut self.keyspace, &mut self.hub);
        let speaks = !conn.out.is_empty();
        if silent && speaks {
            conn.progress_ms = self.hub.now.monotonic_ms();
        }
        if !speaks {
            conn.out.recycle(&mut self.hub.spare_buffers);
        }
        if conn.flow == Flow::Paused && !self.hub.paused.contains(&id.slot) {
            self.hub.paused.push(id.slot);
        }
        if conn.flow == Flow::Held
            && let Some(until_ms) = conn.client.held_until_ms
            && !self.hub.held.iter().any(|held| held.2 == conn.client.id)
        {
            self.hub
                .held
                .push((until_ms.get(), id.slot, conn.client.id));
        }
        if (speaks || conn.client.closing || conn.client.doomed) && !conn.listed {
            conn.listed = true;
            self.hub.touched.push(id.slot);
        }
        if let Some(place) = self.hub.conns.get_mut(id.slot as usize) {
            *place = Some(conn);
        }
    }
}
