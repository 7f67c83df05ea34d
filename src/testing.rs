//! For tests: a server in one line, a clock that is set by hand, a state to go back to, faults on demand.
//!
//! ```
//! use std::time::Duration;
//!
//! let server = pentad::testing::server();
//! let port = server.port();                   // hand it to any Redis client ...
//! server.with(|store| store.set_for("session", "ada", Duration::from_secs(60)));
//! server.clock().advance(Duration::from_secs(61));
//! assert!(!server.with(|store| store.exists("session")));
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::clock::{Clock, Now};
use crate::handle::{Handle, Shared, SubmitError};
use crate::keyspace::{Seed, Snapshot};
use crate::server::Server;
use crate::spawn::Running;
use crate::store::Store;
use crate::{BuildError, Builder};

/// A clock that stands still until it is set, advanced, or let run. Clones are the same clock; any number of servers may go by it,
/// and look at it at once when it is changed.
///
/// All that a server does by time follows: expiry, timeouts of blocking commands, ids of streams, TIME, idle clients.
#[derive(Clone)]
pub struct ManualClock {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// What it showed when it was touched last.
    now: Now,
    /// When that was, while it runs.
    running_since: Option<Instant>,
    servers: Vec<Weak<Shared>>,
}

/// When a clock starts that is not told otherwise: 2025-01-01T00:00:00Z, in ms.
const START_UNIX_MS: i64 = 1_735_689_600_000;

impl Default for ManualClock {
    fn default() -> Self {
        ManualClock::at_unix_ms(START_UNIX_MS)
    }
}

impl ManualClock {
    /// A clock that shows this Unix time in ms.
    pub fn at_unix_ms(unix_ms: i64) -> Self {
        let now = Now {
            unix_us: unix_ms.saturating_mul(1000),
            monotonic_us: 1_000_000,
        };
        let servers = Vec::new();
        ManualClock {
            inner: Arc::new(Mutex::new(Inner {
                now,
                running_since: None,
                servers,
            })),
        }
    }

    /// Lets time pass: for keys and for timeouts.
    pub fn advance(&self, time: Duration) {
        let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.change(|now| {
            let signed_us = i64::try_from(time_us).unwrap_or(i64::MAX);
            now.unix_us = now.unix_us.saturating_add(signed_us);
            now.monotonic_us = now.monotonic_us.saturating_add(time_us);
        });
    }

    /// Sets the Unix time, in ms, forwards or back, as an administrator does: keys expire by it, and timeouts do not
    /// care.
    pub fn set_unix_ms(&self, unix_ms: i64) {
        self.change(|now| now.unix_us = unix_ms.saturating_mul(1000));
    }

    /// Lets it go on by itself, from the time that it shows. It can be set and advanced all the same.
    pub fn run(&self) {
        self.touch(|inner| inner.running_since = Some(Instant::now()));
    }

    /// Lets it stand still at the time that it shows.
    pub fn stop(&self) {
        self.touch(|inner| inner.running_since = None);
    }

    /// Whether it goes on by itself.
    pub fn is_running(&self) -> bool {
        self.lock().running_since.is_some()
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        self.touch(|inner| change(&mut inner.now));
    }

    fn touch(&self, touch: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        inner.now = inner.now();
        if inner.running_since.is_some() {
            inner.running_since = Some(Instant::now());
        }
        touch(&mut inner);
        inner.servers.retain(|server| match server.upgrade() {
            Some(server) => server.waker.wake().is_ok(),
            None => false,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn now(&self) -> Now {
        let passed = self
            .running_since
            .map_or(Duration::ZERO, |since| since.elapsed());
        let passed_us = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        let signed_us = i64::try_from(passed_us).unwrap_or(i64::MAX);
        Now {
            unix_us: self.now.unix_us.saturating_add(signed_us),
            monotonic_us: self.now.monotonic_us.saturating_add(passed_us),
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        self.lock().now()
    }

    fn attach(&self, server: &Handle) {
        self.lock().servers.push(server.downgrade());
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}

/// A server for one test: RESP on a free port of loopback, a [`ManualClock`], a fixed seed, on a thread of its own. It is
/// stopped when it is dropped.
///
/// # Panics
/// When the system has no free port, or no thread; [`start`] gives the error instead.
pub fn server() -> TestServer {
    match start(Server::builder().listen("resp://127.0.0.1:0")) {
        Ok(server) => server,
        Err(error) => panic!("cannot start a server for tests: {error}"),
    }
}

/// The same from a builder, with listeners, commands and limits of the test's own. Clock and seed are set here.
pub fn start(builder: Builder) -> Result<TestServer, StartError> {
    start_with(builder.seed(Seed::fixed(0)), ManualClock::default())
}

/// The same with a clock of the test's own, which may be shared, or running. The seed is the builder's.
pub fn start_with(builder: Builder, clock: ManualClock) -> Result<TestServer, StartError> {
    let server = builder
        .clock(clock.clone())
        .build()
        .map_err(StartError::Build)?;
    let running = server.spawn().map_err(StartError::Spawn)?;
    Ok(TestServer { running, clock })
}

/// Why a server for tests could not be started.
#[derive(Debug)]
pub enum StartError {
    /// It could not be built.
    Build(BuildError),
    /// The system has no thread for it.
    Spawn(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Build(error) => write!(f, "{error}"),
            StartError::Spawn(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Closes the connections of all clients that there are, whatever they are doing; when it returns, they are closed. Not on
/// the thread that turns the loop: it would wait for itself.
///
/// # Errors
/// When the server has ended.
pub fn drop_clients(server: &Handle) -> Result<(), SubmitError> {
    let drop_all = |store: &mut Store<'_>| {
        let clients = store.clients();
        for id in &clients {
            store.drop_client(*id);
        }
        clients.into_iter().max()
    };
    let last = server.submit(drop_all).wait()?;
    // They are closed at the end of a turn.
    let any_left =
        move |store: &mut Store<'_>| store.clients().into_iter().any(|id| Some(id) <= last);
    while server.submit(any_left).wait()? {}
    Ok(())
}

/// A server for one test; see [`server`].
#[derive(Debug)]
pub struct TestServer {
    running: Running,
    clock: ManualClock,
}

impl TestServer {
    /// The port of the first listener; 0 when there is none with a port.
    pub fn port(&self) -> u16 {
        self.running
            .address()
            .and_then(|address| address.rsplit_once(':')?.1.parse().ok())
            .unwrap_or(0)
    }

    /// The first listener's address as Redis clients take it: `redis://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.running.address().unwrap_or_default())
    }

    /// Its clock, which stands still until the test moves it.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The server, as its thread has it.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Runs something on the server's data, and waits for the result.
    ///
    /// # Panics
    /// When `run` does.
    pub fn with<R: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Store<'_>) -> R + Send + 'static,
    ) -> R {
        match self.running.handle().submit(run).wait() {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// All data as it is now, to go back to.
    pub fn snapshot(&self) -> Snapshot {
        self.with(|store| store.snapshot())
    }

    /// Goes back to a snapshot. Clients stay connected.
    ///
    /// # Panics
    /// When the snapshot is of another server.
    pub fn restore(&self, snapshot: &Snapshot) {
        let snapshot = snapshot.clone();
        if let Err(error) = self.with(move |store| store.restore(&snapshot)) {
            panic!("{error}");
        }
    }

    /// Closes all connections, whatever their clients are doing; when it returns, they are closed.
    pub fn drop_clients(&self) {
        if let Err(error) = drop_clients(self.running.handle()) {
            panic!("{error}");
        }
    }

    /// Closes the next `count` connections as soon as they are made.
    pub fn refuse_next(&self, count: u32) {
        self.faults().refuse_next(count);
    }

    /// Holds replies back for so long, by the server's clock; zero: no longer. What a client is answered meanwhile goes
    /// out with the first of it.
    pub fn delay_replies(&self, delay: Duration) {
        let delay_us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.faults().delay_replies(delay_us);
        // What is held back already may be free to go.
        self.running.handle().wake();
    }

    fn faults(&self) -> &crate::faults::Faults {
        &self.running.handle().shared.faults
    }
}
