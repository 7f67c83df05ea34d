//! The loop: polls, and in each turn serves who is ready, commits, flushes, and lets new clients in.
//!
//! ```text
//! turn:  poll ─▶ fill ready sessions, run their requests ─▶ flush what has output ─▶ close ─▶ accept ─▶ maintain
//! ```
//!
//! Every step of a turn is bounded, so that the next poll is never far. This module must not know protocols or data.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use mio::net::TcpListener;
#[cfg(unix)]
use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use crate::acl::AccessError;
use crate::builder::Builder;
use crate::client::Peer;
use crate::clock::{Clock, Now, SystemClock};
use crate::config::{Address, Config, LimitError, Limits, Listen, Scheme};
use crate::conn::Flow;
use crate::engine::{BusyHost, ConnId, Engine};
use crate::faults::HeldBack;
use crate::handle::Handle;
use crate::session::{Filled, Session, Stream};
use crate::storage::StorageError;
use crate::store::Store;
use crate::timer::Deadlines;
use crate::tls::TlsError;

/// Bytes read from one connection in one turn, at most.
const READ_BYTES: usize = 64 * 1024;
/// Events taken from one poll, and sessions served in one turn.
const EVENTS_PER_TURN: usize = 256;
/// Clients accepted in one turn from one listener.
const ACCEPTS_PER_TURN: usize = 64;
/// How long no client is accepted after the system had no room for one.
const ACCEPT_BACKOFF_MS: u64 = 100;
/// How often background work is looked for when nothing else happens.
const MAINTENANCE_INTERVAL_MS: u64 = 100;
/// Steps of background work in one turn.
const MAINTENANCE_STEPS: usize = 8;
/// Jobs of other threads that are run in one turn.
const JOBS_PER_TURN: usize = 256;
/// How long one turn loads what was kept.
const LOAD_US_PER_TURN: u64 = 5000;

/// How long what a client sends is thrown away after its last answer, how often that is looked at, and for how many.
const LINGER_MS: u64 = 1000;
const LINGER_STEP_MS: u64 = 20;
const LINGERING_MAX: usize = 256;

/// Bytes that are sent in one go: to all who have something new to be told, of whom each gets some however many they are, and to
/// all for whom that was not enough. Sending costs the time of copying: who asks for much must not hold up the others.
const FLUSH_BYTES: usize = 1024 * 1024;
const FLUSH_BYTES_MIN: usize = 16 * 1024;

/// How long a TLS handshake may take at most (it may not take longer than a request may), and how many reads of handshakes there are in one turn: each may cost a millisecond of
/// arithmetic.
const HANDSHAKE_MS: u64 = 10_000;
const HANDSHAKES_PER_TURN: usize = 4;

const WAKE: Token = Token(usize::MAX);
/// Tokens from here on are listeners; below are connections.
const LISTENERS: usize = usize::MAX - 1 - u16::MAX as usize;

/// A server: listeners, connections, keyspace, and the loop over them.
///
/// ```
/// use std::io::{Read, Write};
/// use std::time::Duration;
/// use pentad::{Config, Server};
///
/// let config = Config { listen: vec!["resp://127.0.0.1:0".parse()?], ..Config::default() };
/// let mut server = Server::bind(config)?;
/// let mut client = std::net::TcpStream::connect(server.addresses().next().unwrap().1)?;
/// client.write_all(b"SET greeting hello\r\n")?;
///
/// // The host turns the loop, whenever it likes.
/// while server.engine().connections() == 0 || server.engine().keyspace.is_empty() {
///     server.turn(Some(Duration::from_millis(10)))?;
/// }
/// let mut reply = [0; 5];
/// client.read_exact(&mut reply)?;
/// assert_eq!(&reply, b"+OK\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    engine: Engine,
    net: Net,
    maintained_ms: u64,
    maintenance_due: bool,
    /// How long it may take to answer what has been received, once it is on a thread of its own and stopped.
    grace: Duration,
}

/// The server's sockets: all of it but the engine, so that a script which runs for too long can have others served.
struct Net {
    poll: Poll,
    events: Events,
    handle: Handle,
    clock: Arc<dyn Clock>,
    listeners: Vec<Listener>,
    sessions: Slab<Session>,
    /// Which session a connection has: by the connection's slot.
    session_of: Vec<u32>,
    /// Sessions that have something to be read or run.
    ready: VecDeque<ConnId>,
    touched: Vec<ConnId>,
    /// Those for whom a share of a turn's sending was not enough.
    backlog: VecDeque<ConnId>,
    /// Connections whose output a test holds back.
    held_back: HeldBack,
    read_buffer: Vec<u8>,
    deadlines: Deadlines,
    /// No client is accepted before this time.
    accept_not_before_ms: u64,
    /// Streams that have been answered for the last time, and until when (monotonic ms) what they still send is read.
    /// Closing with unread input would throw away what the client has not read yet.
    lingering: VecDeque<(u64, Stream)>,
    /// Handshakes that may go on in this turn.
    handshakes_left: usize,
    /// There were too many clients: none is accepted until a tenth has gone.
    crowded: bool,
}

/// Why a server could not be set up.
#[derive(Debug)]
pub enum BindError {
    /// A limit is out of range.
    Limit(LimitError),
    /// A listener starts in a database that there is not.
    NoSuchDatabase(Box<Listen>),
    /// The host's name says no address.
    Resolve(Box<Listen>, io::Error),
    /// The address cannot be listened on.
    Bind(Box<Listen>, io::Error),
    /// Other hosts could reach a listener whose protocol has no word for a password.
    Unguarded(Box<Listen>),
    /// The listener names a user that there is not.
    NoSuchUser(Box<Listen>),
    /// The users are not in order.
    Access(AccessError),
    /// There can be no TLS.
    Tls(TlsError),
    /// A listener is to have TLS, and there are no certificates.
    NoCertificate(Box<Listen>),
    /// The system has no poller for us.
    Poll(io::Error),
}

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BindError::Limit(error) => write!(f, "{error}"),
            BindError::NoSuchDatabase(listen) => {
                write!(f, "{listen}: there is no database {}", listen.db)
            }
            BindError::Resolve(listen, error) => {
                write!(f, "{listen}: cannot resolve the host: {error}")
            }
            BindError::Bind(listen, error) => write!(f, "{listen}: cannot listen: {error}"),
            BindError::Unguarded(listen) => write!(
                f,
                "{listen}: other hosts could reach it, and {} has no word for a password: listen on loopback or on a \
                 Unix socket, or add ?open=yes",
                listen.scheme
            ),
            BindError::NoSuchUser(listen) => {
                let user = listen.user.as_deref().unwrap_or_default();
                write!(f, "{listen}: there is no user {user}")
            }
            BindError::Access(error) => write!(f, "{error}"),
            BindError::Tls(error) => write!(f, "{error}"),
            BindError::NoCertificate(listen) => write!(
                f,
                "{listen}: TLS needs a certificate: tls-cert-file and tls-key-file"
            ),
            BindError::Poll(error) => write!(f, "cannot create a poller: {error}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BindError::Limit(error) => Some(error),
            BindError::NoSuchDatabase(_)
            | BindError::Unguarded(_)
            | BindError::NoSuchUser(_)
            | BindError::NoCertificate(_) => None,
            BindError::Access(error) => Some(error),
            BindError::Tls(error) => Some(error),
            BindError::Resolve(_, error) | BindError::Bind(_, error) | BindError::Poll(error) => {
                Some(error)
            }
        }
    }
}

#[derive(Debug)]
enum Acceptor {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "kept for what it does when it is dropped")] Option<UnixPath>,
    ),
}

/// Removes a Unix socket's file when the listener is gone, if it is still the one that was made.
#[cfg(unix)]
#[derive(Debug)]
struct UnixPath {
    path: std::path::PathBuf,
    inode: u64,
}

#[cfg(unix)]
impl Drop for UnixPath {
    fn drop(&mut self) {
        use std::os::unix::fs::MetadataExt;
        if std::fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            // If it cannot be removed, the next server to listen there will say so.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[derive(Debug)]
struct Listener {
    acceptor: Acceptor,
    tls: bool,
    scheme: Scheme,
    bound: String,
    /// Clients may be waiting.
    readable: bool,
}

impl Server {
    /// Binds all listeners. No client is served before the first turn.
    pub fn bind(config: Config) -> Result<Self, BindError> {
        Server::bind_with_clock(config, Box::new(SystemClock::default()))
    }

    /// The same, with another clock than the system's.
    pub fn bind_with_clock(config: Config, clock: Box<dyn Clock>) -> Result<Self, BindError> {
        config.limits.check().map_err(BindError::Limit)?;
        let poll = Poll::new().map_err(BindError::Poll)?;
        let waker = Waker::new(poll.registry(), WAKE).map_err(BindError::Poll)?;
        let clock: Arc<dyn Clock> = Arc::from(clock);
        let mut engine = Engine::new(&config, clock.now());
        engine.set_clock(Arc::clone(&clock));
        engine
            .set_access(&config.access)
            .map_err(BindError::Access)?;
        engine.hub.tls.options = config.tls;
        engine.hub.tls.apply().map_err(BindError::Tls)?;
        let mut server = Server {
            engine,
            net: Net {
                poll,
                events: Events::with_capacity(EVENTS_PER_TURN),
                handle: Handle::new(waker),
                clock,
                listeners: Vec::new(),
                sessions: Slab::new(),
                session_of: Vec::new(),
                ready: VecDeque::new(),
                touched: Vec::new(),
                backlog: VecDeque::new(),
                held_back: HeldBack::default(),
                read_buffer: vec![0; READ_BYTES],
                deadlines: Deadlines::default(),
                accept_not_before_ms: 0,
                lingering: VecDeque::new(),
                handshakes_left: HANDSHAKES_PER_TURN,
                crowded: false,
            },
            maintained_ms: 0,
            maintenance_due: false,
            grace: Duration::from_secs(5),
        };
        server.net.clock.attach(&server.net.handle);
        for listen in config.listen {
            server.listen(listen)?;
        }
        Ok(server)
    }

    /// A server that is put together piece by piece: listeners, limits, clock, commands and protocols of the host's own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Adds a listener. Returns where it listens (of port 0, the port it was given).
    pub fn listen(&mut self, listen: Listen) -> Result<String, BindError> {
        if listen.db >= self.engine.limits().databases {
            return Err(BindError::NoSuchDatabase(Box::new(listen)));
        }
        if listen.tls && !self.engine.hub.tls.is_ready() {
            return Err(BindError::NoCertificate(Box::new(listen)));
        }
        let is_guarded = listen.open
            || listen.scheme.has_password()
            || listen.tls && self.engine.hub.tls.admits_only_known();
        let acl = &self.engine.hub.acl;
        match &listen.user {
            Some(user) if acl.user(user.as_bytes()).is_none() => {
                return Err(BindError::NoSuchUser(Box::new(listen)));
            }
            None if !listen.scheme.has_password() && !acl.default_user().is_open() => warn!(
                "{listen}: the default user needs a password, for which this protocol has no word: nothing will be \
                 allowed there unless the listener is given a user, as in ?user=NAME"
            ),
            _ => {}
        }
        let (mut acceptor, bound) = match &listen.address {
            Address::Tcp(host, port) => bind_tcp(
                &listen,
                is_guarded,
                host,
                *port,
                self.engine.limits().tcp_backlog,
            )?,
            #[cfg(unix)]
            Address::Inherited(number) => inherit(*number, is_guarded, &listen)?,
            #[cfg(unix)]
            Address::Unix(path) => bind_unix(path, &listen)
                .map_err(|error| BindError::Bind(Box::new(listen.clone()), error))?,
            #[cfg(not(unix))]
            Address::Unix(_) | Address::Inherited(_) => {
                return Err(BindError::Bind(
                    Box::new(listen),
                    io::ErrorKind::Unsupported.into(),
                ));
            }
        };
        let token = Token(LISTENERS + self.net.listeners.len());
        let registered = match &mut acceptor {
            Acceptor::Tcp(tcp) => self
                .net
                .poll
                .registry()
                .register(tcp, token, Interest::READABLE),
            #[cfg(unix)]
            Acceptor::Unix(unix, _) => {
                self.net
                    .poll
                    .registry()
                    .register(unix, token, Interest::READABLE)
            }
        };
        registered.map_err(|error| BindError::Bind(Box::new(listen.clone()), error))?;
        self.engine.add_listener(listen.clone(), bound.clone());
        self.net.listeners.push(Listener {
            acceptor,
            tls: listen.tls,
            scheme: listen.scheme,
            bound: bound.clone(),
            readable: false,
        });
        Ok(bound)
    }

    /// Has all limits, the eviction policy and TLS be as in `config`, as far as they can be changed while the server runs: the
    /// number of databases, the backlog, users and listeners stay as they are. Certificates are read anew, and shown to those
    /// who come from now on. After an error nothing has changed.
    pub fn reconfigure(&mut self, config: &Config) -> Result<(), BindError> {
        config.limits.check().map_err(BindError::Limit)?;
        let tls = &mut self.engine.hub.tls;
        let before = std::mem::replace(&mut tls.options, config.tls.clone());
        let needs_tls = self.net.listeners.iter().any(|listener| listener.tls);
        let has_tls = config.tls.cert_file.is_some();
        let applied = match needs_tls && !has_tls {
            true => Err(TlsError::Missing("tls-cert-file")),
            false => tls.apply(),
        };
        if let Err(error) = applied {
            tls.options = before;
            return Err(BindError::Tls(error));
        }
        let limits = &mut self.engine.hub.limits;
        *limits = Limits {
            databases: limits.databases,
            tcp_backlog: limits.tcp_backlog,
            ..config.limits.clone()
        };
        let policy = config.limits.eviction_policy;
        if self.engine.keyspace.eviction.policy != policy {
            self.engine.keyspace.eviction.set_policy(policy);
        }
        Ok(())
    }

    /// The listeners, in the order in which they were added: protocol, and address (or path).
    pub fn addresses(&self) -> impl Iterator<Item = (Scheme, &str)> {
        self.net
            .listeners
            .iter()
            .map(|listener| (listener.scheme, &*listener.bound))
    }

    /// A way to reach the server from elsewhere.
    pub fn handle(&self) -> Handle {
        self.net.handle.clone()
    }

    /// The data, typed, at the cost of a function call. The time is read once, here: keys expire by it for as long as the
    /// store is held. What is sent to clients on account of it leaves with the next turn, which does not wait then.
    pub fn store(&mut self) -> Store<'_> {
        self.engine.set_now(self.net.clock.now());
        let waker = Some(&self.net.handle.shared.waker);
        self.engine.store_with(waker)
    }

    /// The server without its sockets: keyspace, counters, limits.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The same, to be changed.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Turns until [`Handle::stop`] is called; then accepts no more, answers what has been received, and returns when
    /// all is sent or `grace` is over. True when nothing was left unsent.
    pub fn run(&mut self, grace: Duration) -> io::Result<bool> {
        while !self.is_stopping() {
            self.turn(None)?;
        }
        self.shut_down(grace)
    }

    /// Ends at once: makes durable what is kept (with a snapshot if anything is new), and closes all connections, whatever has
    /// been received. The error says that not all could be kept.
    pub fn close(mut self) -> Result<(), StorageError> {
        self.close_storage()
    }

    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    pub(crate) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// Whether [`Handle::stop`] was called, or a client asked for the end.
    pub fn is_stopping(&self) -> bool {
        self.net.handle.shared.stop.load(Ordering::Acquire) || self.engine.stop_requested()
    }

    /// One turn. Waits for something to do until `timeout` at most (`None`: as long as it takes).
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = self.wait_at_most(timeout);
        match self.net.poll.poll(&mut self.net.events, timeout) {
            Ok(()) => {}
            // A signal: whoever handles it has had its word, and the host may want to look.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        let now = self.net.clock.now();
        self.engine.set_now(now);
        self.engine.settle();
        self.net.note_events(&self.engine);
        self.run_jobs();
        self.load()?;
        self.net.serve_ready(&mut self.engine);
        self.net.flush_touched(&mut self.engine);
        self.net.accept_all(&mut self.engine, now);
        self.net.check_deadlines(&mut self.engine, now);
        self.engine.check_waits();
        self.net.drain_lingering(now);
        self.maintain(now);
        self.engine.tend_storage();
        // What came due or was accepted in this turn need not wait for the next poll.
        self.net.flush_touched(&mut self.engine);
        Ok(())
    }

    /// Loads for some ms of what the storage has kept.
    fn load(&mut self) -> io::Result<()> {
        let until_us = self.net.clock.now().monotonic_us + LOAD_US_PER_TURN;
        while self.engine.is_loading() {
            self.engine.load_some().map_err(io::Error::other)?;
            let now = self.net.clock.now();
            self.engine.set_now(now);
            if now.monotonic_us >= until_us {
                break;
            }
        }
        Ok(())
    }

    /// How long the server can be left alone when nothing comes: a host that polls the descriptor itself turns it
    /// when that is readable, or when this time is over. Zero: at once; `None`: there is nothing to wait for but events.
    /// Ask anew after each turn and each use of the [`store`](Server::store).
    pub fn next_timeout(&self) -> Option<Duration> {
        let has_output = !self.net.touched.is_empty()
            || !self.net.backlog.is_empty()
            || self.engine.has_touched();
        if !self.net.ready.is_empty()
            || self.maintenance_due
            || has_output
            || self.net.handle.shared.has_jobs()
            || self.is_stopping()
        {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.net.deadlines.next_ms(),
            self.engine.next_wait_deadline_ms(),
            self.net
                .held_back
                .next_ms(self.net.handle.shared.faults.delay_us()),
            self.engine.storage_wake_ms(),
        ];
        let mut wake_ms = deadlines.into_iter().flatten().min();
        let mut wake_by =
            |at_ms: u64| wake_ms = Some(wake_ms.map_or(at_ms, |wake_ms| wake_ms.min(at_ms)));
        if self.net.listeners.iter().any(|listener| listener.readable) && !self.net.crowded {
            wake_by(self.net.accept_not_before_ms);
        }
        if !self.net.lingering.is_empty() {
            wake_by(self.net.clock.now().monotonic_ms() + LINGER_STEP_MS);
        }
        if self.engine.needs_maintenance() {
            wake_by(self.maintained_ms + MAINTENANCE_INTERVAL_MS);
        }
        // The host may have been busy since the last turn, whose time is not now's any more.
        let wake_us = wake_ms?.saturating_mul(1000);
        let now_us = self.net.clock.now().monotonic_us;
        Some(Duration::from_micros(wake_us.saturating_sub(now_us)))
    }

    fn wait_at_most(&self, timeout: Option<Duration>) -> Option<Duration> {
        match (timeout, self.next_timeout()) {
            (Some(timeout), Some(wake)) => Some(timeout.min(wake)),
            (timeout, wake) => timeout.or(wake),
        }
    }

    /// Runs what other threads have submitted, a turn's share of it.
    fn run_jobs(&mut self) {
        for _ in 0..JOBS_PER_TURN {
            if !self.net.handle.shared.has_jobs() {
                break;
            }
            let Some(job) = self.net.handle.shared.take_job() else {
                break;
            };
            // Whoever submits a job after having moved a clock expects it to see that.
            self.engine.set_now(self.net.clock.now());
            self.engine
                .with_host(&mut self.net, |engine| job(&mut engine.store()));
        }
    }

    fn maintain(&mut self, now: Now) {
        let due = now.monotonic_ms() >= self.maintained_ms + MAINTENANCE_INTERVAL_MS;
        if !self.maintenance_due && !due {
            return;
        }
        self.maintained_ms = now.monotonic_ms();
        self.maintenance_due = (0..MAINTENANCE_STEPS).all(|_| self.engine.maintain());
    }

    fn shut_down(&mut self, grace: Duration) -> io::Result<bool> {
        let all_sent = self.answer_all(grace)?;
        self.close_storage().map_err(io::Error::other)?;
        Ok(all_sent)
    }

    fn close_storage(&mut self) -> Result<(), StorageError> {
        self.engine.set_now(self.net.clock.now());
        self.engine.close_storage()
    }

    fn answer_all(&mut self, grace: Duration) -> io::Result<bool> {
        let grace_us = u64::try_from(grace.as_micros()).unwrap_or(u64::MAX);
        // Time as it really goes by counts, too: a clock of the host's may stand still.
        let started = Instant::now();
        let now = self.net.clock.now();
        self.engine.set_now(now);
        // Who is connected and what lies in the sockets has been received, as far as its senders can tell.
        for listener in &mut self.net.listeners {
            listener.readable = true;
        }
        self.net.accept_all(&mut self.engine, now);
        self.net.listeners.clear();
        // Half of the time at most goes to those who never stop sending; the rest is for the answers.
        let read_until_us = now.monotonic_us.saturating_add(grace_us / 2);
        self.net.read_out(&mut self.engine, |clock| {
            clock.now().monotonic_us >= read_until_us || started.elapsed() >= grace / 2
        });
        self.engine.finish_all();
        let deadline_us = now.monotonic_us.saturating_add(grace_us);
        loop {
            self.net.flush_touched(&mut self.engine);
            let now_us = self.net.clock.now().monotonic_us;
            let left = Duration::from_micros(deadline_us.saturating_sub(now_us))
                .min(grace.saturating_sub(started.elapsed()));
            if self.net.sessions.is_empty() || left.is_zero() {
                return Ok(self.net.sessions.is_empty());
            }
            self.turn(Some(left))?;
            self.engine.finish_all();
        }
    }
}

impl Net {
    fn note_events(&mut self, engine: &Engine) {
        for event in &self.events {
            match event.token() {
                WAKE => {}
                Token(token) if token >= LISTENERS => {
                    if let Some(listener) = self.listeners.get_mut(token - LISTENERS) {
                        listener.readable = true;
                    }
                }
                Token(token) => {
                    let id = ConnId::from_u64(token as u64);
                    // An event of a connection that has gone finds another one's session here, or none.
                    let Some(&index) = self.session_of.get(id.slot as usize) else {
                        continue;
                    };
                    let Some(session) = self.sessions.get_mut(index as usize) else {
                        continue;
                    };
                    if session.id != id {
                        continue;
                    }
                    session.note(event);
                    if !session.listed {
                        session.listed = true;
                        self.ready.push_back(id);
                    }
                    // Room in the socket may be what its output waits for.
                    let has_output = !engine.output(id).is_empty() || session.wants_write();
                    if event.is_writable() && has_output {
                        self.touched.push(id);
                    }
                }
            }
        }
    }

    fn session(&mut self, id: ConnId) -> Option<&mut Session> {
        let index = *self.session_of.get(id.slot as usize)?;
        self.sessions
            .get_mut(index as usize)
            .filter(|session| session.id == id)
    }

    fn serve_ready(&mut self, engine: &mut Engine) {
        self.handshakes_left = HANDSHAKES_PER_TURN;
        // One by one, so that those behind a script that runs for too long can be told so.
        for _ in 0..self.ready.len().min(EVENTS_PER_TURN) {
            let Some(id) = self.ready.pop_front() else {
                break;
            };
            if self.serve(engine, id)
                && let Some(session) = self.session(id)
            {
                session.listed = true;
                self.ready.push_back(id);
            }
        }
    }

    /// Gives one connection its share of the turn; true when it could use another.
    fn serve(&mut self, engine: &mut Engine, id: ConnId) -> bool {
        let Some(&index) = self.session_of.get(id.slot as usize) else {
            return false;
        };
        let Some(session) = self
            .sessions
            .get_mut(index as usize)
            .filter(|session| session.id == id)
        else {
            return false;
        };
        session.listed = false;
        match engine.flow(id) {
            Some(Flow::Turn) => engine.with_host(self, |engine| engine.resume(id)),
            // Above the high-water mark it is not read; once it is done it need not be.
            _ if !session.is_readable() || !engine.takes_input(id) => {}
            _ if self.handshakes_left == 0 && session.is_handshaking() => return true,
            _ => {
                self.handshakes_left -= usize::from(session.is_handshaking());
                // It is needed again while a script that runs for too long has others served.
                let mut buffer = std::mem::take(&mut self.read_buffer);
                buffer.resize(READ_BYTES, 0);
                let filled = session.fill(&mut buffer);
                if let Some(name) = session.take_peer_name()
                    && !engine.identify(id, &name)
                {
                    debug!("no user is called {:?}", name.escape_ascii().to_string());
                }
                match filled {
                    Filled::Bytes(count) => {
                        engine.with_host(self, |engine| engine.receive(id, &buffer[..count]));
                        if engine.has_partial_request(id) {
                            self.watch(engine, id);
                        }
                    }
                    Filled::Nothing => {}
                    Filled::Eof => engine.receive_eof(id),
                    Filled::Broken => self.close(engine, id),
                }
                self.read_buffer = buffer;
            }
        }
        engine.flow(id) == Some(Flow::Turn)
            || engine.takes_input(id)
                && self
                    .session(id)
                    .is_some_and(|session| session.is_readable())
    }

    /// Sends what connections have to say, and closes those that are finished.
    fn flush_touched(&mut self, engine: &mut Engine) {
        let mut touched = std::mem::take(&mut self.touched);
        engine.take_touched(&mut touched);
        let now_us = engine.hub.now.monotonic_us;
        let delay_us = self.handle.shared.faults.delay_us();
        self.held_back.exchange(&mut touched, delay_us, now_us);
        let share = |count: usize| (FLUSH_BYTES / count.max(1)).max(FLUSH_BYTES_MIN);
        let fresh_share = share(touched.len());
        // Who has been sent much already waits behind those who have not.
        let mut left = FLUSH_BYTES;
        let backlog_share = share(self.backlog.len());
        let backlog = self.backlog.len();
        for id in touched.drain(..) {
            self.flush_share(engine, id, fresh_share);
        }
        self.touched = touched;
        for _ in 0..backlog {
            let Some(id) = self.backlog.pop_front() else {
                break;
            };
            if let Some(session) = self.session(id) {
                session.in_backlog = false;
                self.flush_share(engine, id, backlog_share);
                left = left.saturating_sub(backlog_share);
            }
            if left == 0 {
                break;
            }
        }
    }

    /// Sends a share of a connection's output, and remembers who could take another.
    fn flush_share(&mut self, engine: &mut Engine, id: ConnId, share: usize) {
        if self.flush(engine, id, share)
            && let Some(session) = self.session(id)
            && !session.in_backlog
        {
            session.in_backlog = true;
            self.backlog.push_back(id);
        }
    }

    /// Sends so many bytes of a connection's output, or a little more; true when its socket would take another share.
    fn flush(&mut self, engine: &mut Engine, id: ConnId, share: usize) -> bool {
        let Some(&index) = self.session_of.get(id.slot as usize) else {
            return false;
        };
        let Some(session) = self
            .sessions
            .get_mut(index as usize)
            .filter(|session| session.id == id)
        else {
            return false;
        };
        if session.push().is_err() {
            self.close(engine, id);
            return false;
        }
        let mut left = share;
        while left > 0 {
            let bytes = engine.output(id);
            if bytes.is_empty() || engine.is_finished(id) {
                break;
            }
            match session.flush(&bytes[..bytes.len().min(left)]) {
                Ok(0) => break,
                Ok(count) => {
                    engine.sent(id, count);
                    left = left.saturating_sub(count);
                }
                Err(_) => {
                    self.close(engine, id);
                    return false;
                }
            }
        }
        if engine.is_finished(id) {
            self.close(engine, id);
            return false;
        }
        if engine.flow(id) == Some(Flow::Turn) && !session.listed {
            session.listed = true;
            self.ready.push_back(id);
        }
        if !engine.output(id).is_empty() {
            // What did not go out at once is watched, in case it never does.
            self.watch(engine, id);
        }
        left == 0 && !engine.output(id).is_empty()
    }

    /// Sees to it that the connection is looked at when its next deadline comes.
    fn watch(&mut self, engine: &mut Engine, id: ConnId) {
        let now_ms = engine.hub.now.monotonic_ms();
        let handshake_ms = self
            .session(id)
            .filter(|session| session.is_handshaking())
            .map(|session| session.handshake_until_ms);
        if handshake_ms.is_some_and(|until_ms| until_ms <= now_ms) {
            debug!("a TLS handshake took too long");
            return self.close(engine, id);
        }
        let deadlines = [engine.check_deadline(id), handshake_ms];
        let Some(deadline_ms) = deadlines.into_iter().flatten().min() else {
            return;
        };
        if let Some(session) = self.session(id)
            && deadline_ms < session.deadline_ms
        {
            session.deadline_ms = deadline_ms;
            self.deadlines.add(deadline_ms, id.to_u64());
        }
    }

    fn close(&mut self, engine: &mut Engine, id: ConnId) {
        let was_answered = engine.flow(id) == Some(Flow::Done) && engine.output(id).is_empty();
        engine.close(id);
        let Some(&index) = self.session_of.get(id.slot as usize) else {
            return;
        };
        if self
            .sessions
            .get(index as usize)
            .is_some_and(|session| session.id == id)
        {
            let mut session = self.sessions.remove(index as usize);
            self.session_of[id.slot as usize] = u32::MAX;
            // The system forgets the descriptor when it is closed, right below.
            let _ = self.poll.registry().deregister(session.source());
            if was_answered
                && self.lingering.len() < LINGERING_MAX
                && let Some(stream) = session.into_lingering()
            {
                let until_ms = engine.hub.now.monotonic_ms() + LINGER_MS;
                self.lingering.push_back((until_ms, stream));
            }
            debug!("connection closed, {} left", self.sessions.len());
        }
        let limit = engine.limits().clients_max;
        if self.crowded && self.sessions.len() <= limit - limit.div_ceil(10) {
            self.crowded = false;
        }
    }

    fn accept_all(&mut self, engine: &mut Engine, now: Now) {
        if self.crowded || now.monotonic_ms() < self.accept_not_before_ms {
            return;
        }
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                if !self.listeners[index].readable || self.crowded {
                    break;
                }
                match self.listeners[index].acceptor.accept() {
                    Ok((stream, peer)) => self.admit(engine, index, stream, peer),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.listeners[index].readable = false
                    }
                    Err(error) if is_about_one_client(&error) => {}
                    Err(error) => {
                        warn!(
                            "cannot accept a client, trying again in {ACCEPT_BACKOFF_MS} ms: {error}"
                        );
                        self.accept_not_before_ms = now.monotonic_ms() + ACCEPT_BACKOFF_MS;
                        return;
                    }
                }
            }
        }
    }

    fn admit(&mut self, engine: &mut Engine, listener: usize, stream: Stream, peer: Peer) {
        if self.handle.shared.faults.takes_connection() {
            return;
        }
        if let Stream::Tcp(tcp) = &stream {
            // Replies leave when they are flushed; without this the kernel would wait for more.
            let _ = tcp.set_nodelay(true);
            let keepalive_s = engine.limits().tcp_keepalive_s;
            if keepalive_s > 0 {
                let asked = TcpKeepalive::new()
                    .with_time(Duration::from_secs(keepalive_s))
                    .with_interval(Duration::from_secs((keepalive_s / 3).max(1)))
                    .with_retries(3);
                // Without it a client that has vanished is noticed later.
                let _ = SockRef::from(tcp).set_tcp_keepalive(&asked);
            }
        }
        let Some(id) = engine.open(listener, peer) else {
            if !self.listeners[listener].tls {
                stream.say_and_close(engine.refusal());
            }
            if engine.connections() < engine.limits().clients_max {
                return;
            }
            if !self.crowded {
                info!(
                    "{} clients are too many: no more are accepted for now",
                    self.sessions.len()
                );
            }
            self.crowded = true;
            return;
        };
        let stream = match stream {
            Stream::Tcp(tcp) if self.listeners[listener].tls => {
                let Some(tls) = engine.hub.tls.accept(tcp) else {
                    return engine.close(id);
                };
                Stream::Tls(Box::new(tls))
            }
            stream => stream,
        };
        let mut session = Session::new(id, stream);
        if session.is_handshaking() {
            let request_ms = match engine.limits().request_timeout_s {
                0 => HANDSHAKE_MS,
                limit_s => limit_s.saturating_mul(1000),
            };
            let now_ms = engine.hub.now.monotonic_ms();
            session.handshake_until_ms = now_ms + request_ms.min(HANDSHAKE_MS);
        }
        let index = self.sessions.insert(session);
        if self.session_of.len() <= id.slot as usize {
            self.session_of.resize(id.slot as usize + 1, u32::MAX);
        }
        self.session_of[id.slot as usize] = index as u32;
        let session = &mut self.sessions[index];
        if let Err(error) = session.register(self.poll.registry(), Token(id.to_u64() as usize)) {
            warn!("cannot watch a connection: {error}");
            return self.close(engine, id);
        }
        self.watch(engine, id);
    }

    fn check_deadlines(&mut self, engine: &mut Engine, now: Now) {
        while let Some((deadline_ms, number)) = self.deadlines.pop_due(now.monotonic_ms()) {
            let id = ConnId::from_u64(number);
            // Of several deadlines that a session got, only the earliest is looked at.
            if let Some(session) = self.session(id)
                && session.deadline_ms == deadline_ms
            {
                session.deadline_ms = u64::MAX;
                self.watch(engine, id);
            }
        }
    }

    fn drain_lingering(&mut self, now: Now) {
        let buffer = &mut self.read_buffer;
        self.lingering.retain_mut(|(until_ms, stream)| {
            now.monotonic_ms() < *until_ms && stream.drain(buffer)
        });
    }

    /// Serves every session until its socket is empty, share by share, so that none waits for another.
    fn read_out(&mut self, engine: &mut Engine, is_over: impl Fn(&dyn Clock) -> bool) {
        self.ready.clear();
        let mut left: Vec<ConnId> = Vec::with_capacity(self.sessions.len());
        for (_, session) in &mut self.sessions {
            // Something may have come since the last poll.
            session.assume_readable();
            left.push(session.id);
        }
        while !left.is_empty() && !is_over(&*self.clock) {
            left.retain(|&id| {
                let wants_more = self.serve(engine, id);
                if let Some(session) = self.session(id) {
                    session.listed = wants_more;
                }
                wants_more
            });
            self.flush_touched(engine);
        }
        self.ready.extend(left);
    }
}

impl BusyHost for Net {
    fn busy_turn(&mut self, engine: &mut Engine) -> bool {
        if self
            .poll
            .poll(&mut self.events, Some(Duration::ZERO))
            .is_ok()
        {
            self.note_events(engine);
        }
        let now = self.clock.now();
        engine.set_now(now);
        self.serve_ready(engine);
        self.flush_touched(engine);
        self.accept_all(engine, now);
        self.handle.shared.stop.load(Ordering::Acquire) || engine.stop_requested()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.net.listeners)
            .field("engine", &self.engine)
            .finish()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever waits for a job that was never run is told.
        self.net.handle.shared.close();
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Server {
    /// The poller's descriptor (an epoll or kqueue): readable when a turn has something to do. To be watched for reading,
    /// level-triggered; see [`Server::next_timeout`] for what it does not tell.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.net.poll.as_raw_fd()
    }
}

impl Acceptor {
    fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Acceptor::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                Ok((Stream::Tcp(stream), Peer::Tcp(address)))
            }
            #[cfg(unix)]
            Acceptor::Unix(listener, _) => Ok((Stream::Unix(listener.accept()?.0), Peer::Unix)),
        }
    }
}

/// Whether only the one client that was to be accepted is lost.
fn is_about_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

fn bind_tcp(
    listen: &Listen,
    is_guarded: bool,
    host: &str,
    port: u16,
    backlog: u32,
) -> Result<(Acceptor, String), BindError> {
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| BindError::Resolve(Box::new(listen.clone()), error))?
        .collect();
    if !is_guarded && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(BindError::Unguarded(Box::new(listen.clone())));
    }
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match listen_tcp(address, backlog)
            .and_then(|listener| Ok((listener.local_addr()?, listener)))
        {
            Ok((bound, listener)) => return Ok((Acceptor::Tcp(listener), bound.to_string())),
            Err(error) => failure = error,
        }
    }
    Err(BindError::Bind(Box::new(listen.clone()), failure))
}

/// As the standard library does it, but with a backlog of our own.
fn listen_tcp(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // On Windows it would let others take the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Takes a socket that the process was started with.
#[cfg(unix)]
fn inherit(
    number: u32,
    is_guarded: bool,
    listen: &Listen,
) -> Result<(Acceptor, String), BindError> {
    let failed = |error| BindError::Bind(Box::new(listen.clone()), error);
    let taken = || -> io::Result<_> {
        let socket = Socket::from(crate::descriptor::inherited(number)?);
        // Apple's systems do not tell; there the first `accept` does.
        #[cfg(not(target_vendor = "apple"))]
        if !socket.is_listener()? {
            let why = "the descriptor is no listening socket";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    let (socket, address) = taken().map_err(failed)?;
    match address.as_socket() {
        Some(address) if !is_guarded && !address.ip().is_loopback() => {
            Err(BindError::Unguarded(Box::new(listen.clone())))
        }
        Some(address) => {
            let listener = TcpListener::from_std(socket.into());
            Ok((Acceptor::Tcp(listener), address.to_string()))
        }
        // A Unix socket's bytes do not leave the machine: see `Listen::parse`.
        None if listen.tls => Err(failed(io::ErrorKind::Unsupported.into())),
        None => {
            let path = address.as_pathname();
            let bound =
                path.map_or_else(|| format!("fd {number}"), |path| path.display().to_string());
            let listener = UnixListener::from_std(socket.into());
            // Whoever made the socket keeps its file.
            Ok((Acceptor::Unix(listener, None), bound))
        }
    }
}

#[cfg(unix)]
fn bind_unix(path: &std::path::Path, listen: &Listen) -> io::Result<(Acceptor, String)> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
    // A socket that nobody listens on any more is what a crash leaves behind. Any other error than a refusal, such as
    // a full backlog, comes from one that is in use. (This connects without waiting.)
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && mio::net::UnixStream::connect(path).is_err_and(is_refused) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let file = UnixPath {
        path: path.to_owned(),
        inode: std::fs::metadata(path)?.ino(),
    };
    if let Some(mode) = listen.mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    if let Some(owner) = &listen.owner {
        let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
        let user = number_of(user, "/etc/passwd")?;
        std::os::unix::fs::chown(path, user, number_of(group, "/etc/group")?)?;
    }
    Ok((
        Acceptor::Unix(listener, Some(file)),
        path.display().to_string(),
    ))
}

/// The number of a user or group, given as such or by a name that stands in `file`; `None` for an empty name.
#[cfg(unix)]
fn number_of(name: &str, file: &str) -> io::Result<Option<u32>> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let text = std::fs::read_to_string(file)?;
    let number = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{file} has no {name:?}"));
    number.map(Some).ok_or_else(missing)
}
