//! pentad for Python: `pentad._native`, of which `python/pentad/__init__.py` makes the package.
//!
//! The server turns on a thread of its own, which never needs the interpreter; whoever waits for it here has released
//! the interpreter's lock. This crate must not know what commands do.

mod value;

use std::alloc::System;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pentad::allocator::{Counting, allocated_bytes};
use pentad::keyspace::{Db, Seed};
use pentad::storage::Fsync;
use pentad::testing::{self, ManualClock, TestServer};
use pentad::{ErrorReply, Handle, RespValue, Store, SubmitError};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use value::{bytes_of, reply_error, to_python};

pyo3::create_exception!(
    pentad,
    Error,
    pyo3::exceptions::PyException,
    "What pentad has to say."
);
pyo3::create_exception!(
    pentad,
    ReplyError,
    Error,
    "An error reply: its first word is `code` (\"ERR\", \"WRONGTYPE\" ...)."
);
pyo3::create_exception!(pentad, ClosedError, Error, "The server has been closed.");

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("Error", py.get_type::<Error>())?;
    module.add("ReplyError", py.get_type::<ReplyError>())?;
    module.add("ClosedError", py.get_type::<ClosedError>())?;
    module.add_class::<Server>()?;
    module.add_class::<Clock>()?;
    module.add_class::<Snapshot>()
}

/// Exact, for any number of threads may come, change something and end. What is Python's own is not counted.
#[global_allocator]
static ALLOCATOR: Counting<System, 0> = Counting(System);

/// A server in this process, on a thread of its own. It listens at the given URLs, or else for RESP (Redis) at a free
/// port of loopback, and ends with `close`, with its `with` block, or when nobody refers to it any more.
///
/// With `data` all data is kept in files of that directory (made if it is missing), loaded from there at first, and on the
/// disk as `fsync` says: "always" before a change is answered, "everysec" a second later at most, "no" when the system
/// likes. `settings` are what CONFIG SET can set, such as `{"maxmemory": "100mb"}`. `seed` makes what is drawn at random the
/// same in each run. With `manual_clock` the clock stands still until it is advanced.
#[pyclass(frozen, module = "pentad")]
struct Server {
    /// `None` once it is closed.
    inner: RwLock<Option<TestServer>>,
    addresses: Vec<(String, String)>,
    clock: ManualClock,
    /// A copy of this process has no copy of the server's thread.
    process: u32,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (*listen, databases=16, clients_max=10000, seed=None, manual_clock=false, grace_ms=5000, data=None, fsync="everysec", settings=None))]
    #[expect(clippy::too_many_arguments, reason = "each has a name in Python")]
    fn new(
        py: Python<'_>,
        listen: Vec<String>,
        databases: u8,
        clients_max: usize,
        seed: Option<u64>,
        manual_clock: bool,
        grace_ms: u64,
        data: Option<PathBuf>,
        fsync: &str,
        settings: Option<Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let fsync = Fsync::parse(fsync)
            .ok_or_else(|| PyValueError::new_err("fsync is always, everysec or no"))?;
        let limits = pentad::Limits {
            databases,
            clients_max,
            ..pentad::Limits::default()
        };
        let mut builder = pentad::Server::builder()
            .limits(limits)
            .allocated(allocated_bytes)
            .grace(Duration::from_millis(grace_ms));
        if let Some(seed) = seed {
            builder = builder.seed(Seed::fixed(seed));
        }
        if let Some(dir) = data {
            builder = builder.data(dir, fsync).sync_thread();
        }
        for (name, value) in settings.into_iter().flatten() {
            builder = builder.setting(&name.extract::<String>()?, bytes_of(&value)?);
        }
        let listen = if listen.is_empty() {
            vec!["resp://127.0.0.1:0".to_owned()]
        } else {
            listen
        };
        for url in listen {
            builder = builder.listen(url);
        }
        let clock = ManualClock::default();
        if !manual_clock {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let unix_ms = now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
            clock.set_unix_ms(unix_ms);
            clock.run();
        }
        let server = py
            .detach(|| testing::start_with(builder, clock.clone()))
            .map_err(|error| match error {
                testing::StartError::Build(pentad::BuildError::Bind(pentad::BindError::Bind(
                    ..,
                )))
                | testing::StartError::Build(pentad::BuildError::Data(_))
                | testing::StartError::Spawn(_) => PyOSError::new_err(error.to_string()),
                testing::StartError::Build(_) => PyValueError::new_err(error.to_string()),
            })?;
        let addresses = server.running().addresses();
        Ok(Server {
            addresses: addresses
                .map(|(scheme, address)| (scheme.to_string(), address.to_owned()))
                .collect(),
            inner: RwLock::new(Some(server)),
            clock,
            process: std::process::id(),
        })
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (exc_type=None, exc=None, traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<Bound<'_, PyAny>>,
        exc: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) {
        // How the block ended is nothing to the server.
        let _ = (exc_type, exc, traceback);
        self.close(py);
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, 0, |store| store.len())
    }

    fn __repr__(&self) -> String {
        let state = if self.closed() { ", closed" } else { "" };
        let addresses: Vec<String> = self
            .addresses
            .iter()
            .map(|(scheme, address)| format!("{scheme}://{address}"))
            .collect();
        format!("<pentad.Server {}{state}>", addresses.join(" "))
    }

    /// The listeners, in the order in which they were given: protocol, and address or path.
    #[getter]
    fn addresses(&self) -> Vec<(String, String)> {
        self.addresses.clone()
    }

    /// The port of the first listener that has one.
    #[getter]
    fn port(&self) -> PyResult<u16> {
        let port = |address: &str| address.rsplit_once(':')?.1.parse().ok();
        self.addresses
            .iter()
            .find_map(|(_, address)| port(address))
            .ok_or_else(|| PyValueError::new_err("no listener has a port"))
    }

    /// The first RESP listener's address, as Redis clients take it: "redis://127.0.0.1:41234" or "unix:///path".
    #[getter]
    fn url(&self) -> PyResult<String> {
        let mut resp = self.addresses.iter().filter(|(scheme, _)| scheme == "resp");
        match resp.next() {
            Some((_, path)) if path.starts_with('/') => Ok(format!("unix://{path}")),
            Some((_, address)) => Ok(format!("redis://{address}")),
            None => Err(PyValueError::new_err("there is no RESP listener")),
        }
    }

    /// What time it is for the server.
    #[getter]
    fn clock(&self) -> Clock {
        Clock {
            clock: self.clock.clone(),
        }
    }

    /// Whether it has been closed.
    #[getter]
    fn closed(&self) -> bool {
        let inner = self.inner.read();
        inner.unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// GET: the string under the key; None when there is none.
    #[pyo3(signature = (key, *, db=0))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Bound<'py, PyAny>,
        db: Db,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, db, vec![b"GET".to_vec(), bytes_of(&key)?])
    }

    /// SET: stores a string in place of whatever the key holds; with `px` for so many ms.
    #[pyo3(signature = (key, value, *, px=None, db=0))]
    fn set(
        &self,
        py: Python<'_>,
        key: Bound<'_, PyAny>,
        value: Bound<'_, PyAny>,
        px: Option<i64>,
        db: Db,
    ) -> PyResult<()> {
        let mut args = vec![b"SET".to_vec(), bytes_of(&key)?, bytes_of(&value)?];
        if let Some(px) = px {
            args.extend([b"PX".to_vec(), px.to_string().into_bytes()]);
        }
        self.call(py, db, args).map(drop)
    }

    /// DEL: gives how many of the keys there were.
    #[pyo3(signature = (*keys, db=0))]
    fn delete(&self, py: Python<'_>, keys: Bound<'_, PyTuple>, db: Db) -> PyResult<usize> {
        let keys: Vec<Vec<u8>> = keys
            .iter()
            .map(|key| bytes_of(&key))
            .collect::<PyResult<_>>()?;
        self.with(py, db, move |store| {
            store.group(|store| keys.iter().filter(|key| store.delete(key)).count())
        })
    }

    /// EXISTS.
    #[pyo3(signature = (key, *, db=0))]
    fn exists(&self, py: Python<'_>, key: Bound<'_, PyAny>, db: Db) -> PyResult<bool> {
        let key = bytes_of(&key)?;
        self.with(py, db, move |store| store.exists(&key))
    }

    /// All keys, in order.
    #[pyo3(signature = (*, db=0))]
    fn keys<'py>(&self, py: Python<'py>, db: Db) -> PyResult<Bound<'py, PyAny>> {
        let keys = self.with(py, db, |store| store.keys())?;
        let keys = keys.into_iter().map(RespValue::Bulk);
        to_python(py, &RespValue::Array(keys.collect()))
    }

    /// Runs any command, as a client would; an error reply is raised as ReplyError. Byte strings are bytes, short texts
    /// ("OK") str, maps dict, sets set. Commands that need a conversation (MULTI, SUBSCRIBE ...) are refused, those that
    /// would wait (BLPOP ...) answer at once.
    #[pyo3(signature = (*args, db=0))]
    fn execute<'py>(
        &self,
        py: Python<'py>,
        args: Bound<'py, PyTuple>,
        db: Db,
    ) -> PyResult<Bound<'py, PyAny>> {
        let args: PyResult<Vec<Vec<u8>>> = args.iter().map(|arg| bytes_of(&arg)).collect();
        self.call(py, db, args?)
    }

    /// FLUSHALL.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, 0, |store| store.flush_all())
    }

    /// All data as it is now, to go back to.
    fn snapshot(&self, py: Python<'_>) -> PyResult<Snapshot> {
        let snapshot = self.with(py, 0, |store| store.snapshot())?;
        Ok(Snapshot { snapshot })
    }

    /// Goes back to a snapshot of this server. Clients stay connected.
    fn restore(&self, py: Python<'_>, snapshot: &Snapshot) -> PyResult<()> {
        let snapshot = snapshot.snapshot.clone();
        self.with(py, 0, move |store| store.restore(&snapshot))?
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// For tests: closes all connections, whatever their clients are doing; when it returns, they are closed.
    fn drop_clients(&self, py: Python<'_>) -> PyResult<()> {
        let handle = self.server(|server| server.running().handle().clone())?;
        py.detach(|| pentad::testing::drop_clients(&handle))
            .map_err(not_done)
    }

    /// For tests: closes the next `count` connections as soon as they are made.
    fn refuse_next(&self, count: u32) -> PyResult<()> {
        self.server(|server| server.refuse_next(count))
    }

    /// For tests: holds replies back for so long, by the server's clock; 0: no longer.
    fn delay_replies(&self, ms: u64) -> PyResult<()> {
        self.server(|server| server.delay_replies(Duration::from_millis(ms)))
    }

    /// Stops the server: what has been received is answered, and then all connections are closed. Does nothing when it
    /// is closed.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.end());
    }
}

impl Server {
    fn server<R>(&self, run: impl FnOnce(&TestServer) -> R) -> PyResult<R> {
        if std::process::id() != self.process {
            let text = "the server belongs to the process that this one was forked from";
            return Err(ClosedError::new_err(text));
        }
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.as_ref().map(run).ok_or_else(closed)
    }

    /// Has something done by the server's thread, and waits for it without the interpreter's lock.
    fn with<R: Send + 'static>(
        &self,
        py: Python<'_>,
        db: Db,
        run: impl FnOnce(&mut Store<'_>) -> R + Send + 'static,
    ) -> PyResult<R> {
        let handle: Handle = self.server(|server| server.running().handle().clone())?;
        let done = py.detach(|| {
            let job =
                move |store: &mut Store<'_>| store.database(db).map(|mut store| run(&mut store));
            handle.submit(job).wait()
        });
        match done {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(PyValueError::new_err(error.to_string())),
            Err(error) => Err(not_done(error)),
        }
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        db: Db,
        args: Vec<Vec<u8>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let reply: Result<RespValue, ErrorReply> =
            self.with(py, db, move |store| store.execute(&args))?;
        match reply {
            Ok(value) => to_python(py, &value),
            Err(error) => Err(reply_error(py, &error)),
        }
    }

    fn end(&self) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let server = inner.take();
        drop(inner);
        if std::process::id() == self.process {
            // Stops it, and waits for its thread.
            drop(server);
        } else {
            // That thread is the other process's.
            std::mem::forget(server);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn closed() -> PyErr {
    ClosedError::new_err("the server is closed")
}

fn not_done(error: SubmitError) -> PyErr {
    match error {
        SubmitError::Gone => closed(),
        error => Error::new_err(error.to_string()),
    }
}

/// All data of a server at one time.
#[pyclass(frozen, module = "pentad")]
struct Snapshot {
    snapshot: pentad::Snapshot,
}

/// What time it is for a server: expiry, timeouts, ids of streams and TIME follow it at once.
#[pyclass(frozen, module = "pentad")]
struct Clock {
    clock: ManualClock,
}

#[pymethods]
impl Clock {
    /// Unix time in ms. To set it is what an administrator does: keys expire by it, and timeouts do not care.
    #[getter]
    fn unix_ms(&self) -> i64 {
        pentad::Clock::now(&self.clock).unix_ms()
    }

    #[setter]
    fn set_unix_ms(&self, value: i64) {
        self.clock.set_unix_ms(value);
    }

    /// Whether it goes on by itself.
    #[getter]
    fn running(&self) -> bool {
        self.clock.is_running()
    }

    /// Lets so many ms pass at once: for keys and for timeouts.
    fn advance(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    /// Lets it stand still, until it is advanced.
    fn stop(&self) {
        self.clock.stop();
    }

    /// Lets it go on by itself, from the time that it shows.
    fn run(&self) {
        self.clock.run();
    }
}
