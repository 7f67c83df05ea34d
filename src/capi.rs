//! The server for C, and for all that can call C: `include/pentad.h` is made of this (`tools/header`).
//!
//! Whatever a caller does wrong that can be seen - a null pointer, two threads in one server, a server that has
//! panicked - is an error with a text, and no panic crosses the boundary. This module must not know commands or sockets.
//!
//! All `unsafe` code of the boundary is here and in `capi/reply.rs`.
#![allow(unsafe_code)]

mod reply;

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

#[cfg(libpentad)]
use crate::allocator::{Counting, allocated_bytes};
use crate::handle::Handle;
use crate::keyspace::{Db, Seed};
use crate::protocol::resp::ReplyBuffer;
use crate::server::Server;
use crate::storage::Fsync;

pub use reply::{Reply, ReplyType};

/// The allocator of the library for C: any number of threads may come, change something and end. As part of a program in
/// Rust, it is for that to have one.
#[cfg(libpentad)]
#[global_allocator]
static ALLOCATOR: Counting<std::alloc::System, 0> = Counting(std::alloc::System);

/// How a server is to be. Zeros and null pointers are the defaults: begin with `pentad_options options = {0};`.
#[repr(C)]
pub struct Options {
    /// Where to listen, as URLs: "resp://127.0.0.1:6379", "metrics+unix:///run/metrics.sock" ... Port 0 takes a free one.
    pub listen: *const *const c_char,
    /// How many URLs there are. None: nobody can connect, and the data is the program's alone.
    pub listen_count: usize,
    /// Numbered databases, 1 to 128; 0: 16.
    pub databases: u8,
    /// Connections at the same time; 0: 10000.
    pub clients_max: usize,
    /// Bytes of one request, and of one string value; 0: 512 MiB.
    pub request_bytes_max: usize,
    /// What random choices and hashes begin with, so that they are the same in each run; 0: something from the system.
    pub seed: u64,
    /// The directory in whose files all data is kept, made if it is missing; null: data is in memory only. What is there
    /// is loaded by pentad_open. What clients change is on the disk as `fsync` says, what pentad_execute changes with the
    /// next pentad_turn.
    pub data: *const c_char,
    /// When changes are on the disk: "always" before they are answered, "everysec" (and null) a second later at most, "no"
    /// when the system likes.
    pub fsync: *const c_char,
    /// Other than 0: a thread of the library's own syncs those files once a second, and no turn waits for the disk then. 0:
    /// the library has no thread.
    pub sync_thread: u8,
    /// What CONFIG SET can set, names and values in turn: "maxmemory", "100mb", "tls-cert-file", "server.pem" ... It is set
    /// before anything listens.
    pub settings: *const *const c_char,
    /// How many strings these are: two for each setting.
    pub settings_count: usize,
}

/// A server. One thread may use it at a time; any may stop or wake it meanwhile.
pub struct CServer {
    handle: Handle,
    addresses: Vec<CString>,
    inner: Mutex<Inner>,
}

struct Inner {
    server: Server,
    db: Db,
    buffer: ReplyBuffer,
}

/// Opens a server: loads its data, if any is kept, and binds its listeners. Nobody is served before the first turn.
///
/// `options` may be null, for the defaults and no listeners. Gives null when it cannot be opened (see
/// pentad_last_error). To be closed with pentad_close.
///
/// # Safety
/// `options` is null or points to options, whose `listen` and `settings` point to so many strings; `data` and `fsync` are
/// strings or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_open(options: *const Options) -> *mut CServer {
    guard(std::ptr::null_mut(), || {
        let mut builder = Server::builder();
        #[cfg(libpentad)]
        {
            builder = builder.allocated(allocated_bytes);
        }
        // SAFETY: null or valid, by this function's contract.
        if let Some(options) = unsafe { options.as_ref() } {
            // SAFETY: `listen` points to so many strings, by this function's contract.
            for url in unsafe { strings(options.listen, options.listen_count, "listen") }? {
                builder = builder.listen(url);
            }
            // SAFETY: `settings` points to so many strings, by this function's contract.
            let settings =
                unsafe { strings(options.settings, options.settings_count, "settings") }?;
            let (pairs, []) = settings.as_chunks() else {
                return Err("settings has a name without a value".to_owned());
            };
            for [name, value] in pairs {
                builder = builder.setting(name, *value);
            }
            let mut limits = crate::config::Limits::default();
            let unless_zero = |value: usize, or: usize| if value == 0 { or } else { value };
            limits.clients_max = unless_zero(options.clients_max, limits.clients_max);
            limits.request_bytes_max =
                unless_zero(options.request_bytes_max, limits.request_bytes_max);
            if options.databases > 0 {
                limits.databases = options.databases;
            }
            builder = builder.limits(limits);
            if options.seed != 0 {
                builder = builder.seed(Seed::fixed(options.seed));
            }
            // SAFETY: null or strings, by this function's contract.
            let (data, fsync) = unsafe { (string(options.data), string(options.fsync)) };
            let fsync = match fsync {
                Some(name) => name
                    .to_str()
                    .ok()
                    .and_then(Fsync::parse)
                    .ok_or("fsync is always, everysec or no")?,
                None => Fsync::default(),
            };
            if let Some(dir) = data {
                let dir = dir.to_str().map_err(|_| "data is not UTF-8")?;
                builder = builder.data(dir, fsync);
                if options.sync_thread != 0 {
                    builder = builder.sync_thread();
                }
            }
        }
        let server = builder.build().map_err(|error| error.to_string())?;
        let addresses = server.addresses().map(|(_, address)| c_string(address));
        Ok(Box::into_raw(Box::new(CServer {
            handle: server.handle(),
            addresses: addresses.collect(),
            inner: Mutex::new(Inner {
                server,
                db: 0,
                buffer: ReplyBuffer::default(),
            }),
        })))
    })
}

/// Closes a server at once: listeners, connections, data, which is on the disk then if it is kept at all. To have clients
/// answered first, pentad_stop and pentad_run. Null is ignored. Gives 0; 1 when it is closed, and not all data could be
/// written (see pentad_last_error); -1 when another thread is using it: then it stays open.
///
/// # Safety
/// `server` is null or what pentad_open gave, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_close(server: *mut CServer) -> c_int {
    guard(-1, || {
        if server.is_null() {
            return Ok(0);
        }
        // SAFETY: open, by this function's contract; the loan ends here.
        if let Err(TryLockError::WouldBlock) = unsafe { open(server) }?.inner.try_lock() {
            return Err(IN_USE.to_owned());
        }
        // SAFETY: it came from Box::into_raw in pentad_open, and is not used afterwards, by this function's contract.
        let server = unsafe { Box::from_raw(server) };
        // One that has panicked can be closed, but what it has in memory is not to be trusted.
        let closed = match server.inner.into_inner() {
            Ok(inner) => inner.server.close(),
            Err(_) => Ok(()),
        };
        Ok(match closed {
            Ok(()) => 0,
            Err(error) => {
                remember(&error.to_string());
                1
            }
        })
    })
}

/// One turn of the loop: waits for something to do for so many ms at most (-1: as long as it takes; 0: not at all), and
/// does it. Gives 0, or -1 when the system's poller fails.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_turn(server: *mut CServer, timeout_ms: c_int) -> c_int {
    guard(-1, || {
        // SAFETY: by this function's contract.
        let mut inner = unsafe { lock(server) }?;
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        inner
            .server
            .turn(timeout)
            .map_err(|error| error.to_string())?;
        Ok(0)
    })
}

/// Turns until the server is stopped; then accepts no more and answers what has been received, for so many ms at most.
/// Gives 0 when all was sent, 1 when some was not, -1 when it failed.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_run(server: *mut CServer, grace_ms: u32) -> c_int {
    guard(-1, || {
        // SAFETY: by this function's contract.
        let mut inner = unsafe { lock(server) }?;
        let run = inner.server.run(Duration::from_millis(u64::from(grace_ms)));
        Ok(c_int::from(!run.map_err(|error| error.to_string())?))
    })
}

/// Asks the server to end: pentad_run returns soon, pentad_stopping gives 1. From any thread, or a signal handler.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_stop(server: *const CServer) {
    // SAFETY: by this function's contract. No guard: a signal handler may neither allocate nor look at a thread's own.
    if let Some(server) = unsafe { server.as_ref() } {
        server.handle.stop();
    }
}

/// Ends the wait that a turn is in. From any thread, or a signal handler.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_wake(server: *const CServer) {
    // SAFETY: by this function's contract. No guard: see pentad_stop.
    if let Some(server) = unsafe { server.as_ref() } {
        server.handle.wake();
    }
}

/// Whether the end was asked for, by pentad_stop or by a client (SHUTDOWN): 1 or 0. A program that turns the server
/// itself calls pentad_run then, which only answers what is left. -1 when the server cannot be used.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_stopping(server: *const CServer) -> c_int {
    guard(-1, || {
        // SAFETY: by this function's contract.
        let inner = unsafe { lock(server) }?;
        Ok(c_int::from(inner.server.is_stopping()))
    })
}

/// The descriptor of the server's poller, to be watched for reading in the program's own (level-triggered): when it is
/// readable, or pentad_next_timeout is over, there is a turn to make. -1 where the system has none.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_fd(server: *const CServer) -> c_int {
    guard(-1, || {
        // SAFETY: by this function's contract.
        let inner = unsafe { lock(server) }?;
        #[cfg(unix)]
        return Ok(std::os::fd::AsRawFd::as_raw_fd(&inner.server));
        #[cfg(not(unix))]
        Err(format!("no descriptor on this system: {:?}", inner.server))
    })
}

/// How many ms the server can be left alone while its descriptor is not readable, as epoll_wait and poll take it: -1 as
/// long as it takes, 0 not at all. To be asked anew before each wait.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_next_timeout(server: *const CServer) -> c_int {
    guard(0, || {
        // SAFETY: by this function's contract.
        let inner = unsafe { lock(server) }?;
        // Rounded up: who comes too early has to come again.
        Ok(inner.server.next_timeout().map_or(-1, |timeout| {
            c_int::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
        }))
    })
}

/// The port of a listener, which are numbered from 0 in the order of the options. -1 when there is none, or it has no
/// port.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_port(server: *const CServer, listener: usize) -> c_int {
    guard(-1, || {
        // SAFETY: by this function's contract.
        let address = unsafe { open(server) }?.address(listener)?;
        let port = address.to_str().ok().and_then(|address| {
            let port = address.rsplit_once(':')?.1;
            port.parse::<u16>().ok()
        });
        port.map(c_int::from)
            .ok_or_else(|| format!("listener {listener} has no port"))
    })
}

/// The address of a listener, "127.0.0.1:41234" or a path; null when there is none. It lives as long as the server.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_address(server: *const CServer, listener: usize) -> *const c_char {
    guard(std::ptr::null(), || {
        // SAFETY: by this function's contract.
        let address = unsafe { open(server) }?.address(listener)?;
        Ok(address.as_ptr())
    })
}

/// Sets the database that pentad_execute works in; 0 at first. Gives 0, or -1 when there is no such database.
///
/// # Safety
/// `server` is null or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_select(server: *mut CServer, db: u8) -> c_int {
    guard(-1, || {
        // SAFETY: by this function's contract.
        let mut inner = unsafe { lock(server) }?;
        inner
            .server
            .store()
            .database(db)
            .map_err(|error| error.to_string())?;
        inner.db = db;
        Ok(0)
    })
}

/// Runs a command as a client would, at once and without a connection, and gives its reply, an error reply too.
///
/// The arguments, the command's name first, are `argc` pointers in `argv` with their lengths in `argvlen`, and may hold
/// any bytes; without `argvlen` (null) each ends with a zero byte. Commands that need a conversation (MULTI, SUBSCRIBE ...)
/// are refused, those that would wait (BLPOP ...) answer at once.
///
/// Null when no command could be run (see pentad_last_error). To be freed with pentad_reply_free.
///
/// # Safety
/// `server` is null or open; `argv` and `argvlen` (or null) point to `argc` values, and each argument to its length of
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_execute(
    server: *mut CServer,
    argc: usize,
    argv: *const *const c_char,
    argvlen: *const usize,
) -> *mut Reply {
    guard(std::ptr::null_mut(), || {
        // SAFETY: by this function's contract.
        let mut inner = unsafe { lock(server) }?;
        // SAFETY: by this function's contract.
        let args = unsafe { arguments(argc, argv, argvlen) }?;
        let Inner { server, db, buffer } = &mut *inner;
        let mut store = server.store();
        let mut store = store.database(*db).map_err(|error| error.to_string())?;
        let reply = store.execute_into(args, buffer);
        Ok(Box::into_raw(Box::new(Reply::new(reply))))
    })
}

/// Frees a reply that pentad_execute gave, and all that is in it. Null is ignored.
///
/// # Safety
/// `reply` is null or what pentad_execute gave (not an item of it), and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pentad_reply_free(reply: *mut Reply) {
    guard((), || {
        if !reply.is_null() {
            // SAFETY: it came from Box::into_raw in pentad_execute, by this function's contract.
            drop(unsafe { Box::from_raw(reply) });
        }
        Ok(())
    });
}

/// Why the last call on this thread that failed did; an empty text before that. It lives until the next that fails.
#[unsafe(no_mangle)]
pub extern "C" fn pentad_last_error() -> *const c_char {
    LAST_ERROR
        .try_with(|text| text.borrow().as_ptr())
        .unwrap_or(c"".as_ptr())
}

/// The version of the library, "1.2.3". It lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn pentad_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

const IN_USE: &str = "the server is in use by another thread";

impl CServer {
    fn address(&self, listener: usize) -> Result<&CStr, String> {
        self.addresses
            .get(listener)
            .map(|address| &**address)
            .ok_or_else(|| format!("there is no listener {listener}"))
    }
}

/// Runs one call from outside: what goes wrong is remembered, and `failed` given.
fn guard<R>(failed: R, run: impl FnOnce() -> Result<R, String>) -> R {
    let error = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(result)) => return result,
        Ok(Err(error)) => error,
        Err(_) => "pentad has panicked, which is a bug; the server can only be closed".to_owned(),
    };
    remember(&error);
    failed
}

fn remember(error: &str) {
    // A thread that is ending has nobody left to ask.
    let _ = LAST_ERROR.try_with(|text| *text.borrow_mut() = c_string(error));
}

fn c_string(text: &str) -> CString {
    let bytes = text.bytes().filter(|byte| *byte != 0);
    CString::new(bytes.collect::<Vec<u8>>()).unwrap_or_default()
}

/// # Safety
/// `server` is null or open, and stays open for as long as the loan.
unsafe fn open<'s>(server: *const CServer) -> Result<&'s CServer, String> {
    // SAFETY: null or valid, by this function's contract. It is only ever lent shared, whoever calls.
    unsafe { server.as_ref() }.ok_or_else(|| "the server is a null pointer".to_owned())
}

/// The server, for this thread alone.
///
/// # Safety
/// As for [`open`].
unsafe fn lock<'s>(server: *const CServer) -> Result<MutexGuard<'s, Inner>, String> {
    // SAFETY: by this function's contract.
    match unsafe { open(server) }?.inner.try_lock() {
        Ok(inner) => Ok(inner),
        Err(TryLockError::WouldBlock) => Err(IN_USE.to_owned()),
        Err(TryLockError::Poisoned(_)) => {
            Err("the server has panicked, and can only be closed".to_owned())
        }
    }
}

/// # Safety
/// `first` is null or points to `count` pointers, each null or to a string that ends with a zero byte.
unsafe fn strings<'s>(
    first: *const *const c_char,
    count: usize,
    list: &str,
) -> Result<Vec<&'s str>, String> {
    // SAFETY: by this function's contract.
    let pointers =
        unsafe { slice(first, count) }.ok_or_else(|| format!("{list} is a null pointer"))?;
    pointers
        .iter()
        .enumerate()
        .map(|(index, &text)| {
            // SAFETY: null or a string, by this function's contract.
            let text = unsafe { string(text) }
                .ok_or_else(|| format!("{list}[{index}] is a null pointer"))?;
            text.to_str()
                .map_err(|_| format!("{list}[{index}] is not UTF-8"))
        })
        .collect()
}

/// # Safety
/// `start` is null or points to a string that ends with a zero byte.
unsafe fn string<'s>(start: *const c_char) -> Option<&'s CStr> {
    // SAFETY: not null, so a string by this function's contract.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start) })
}

/// # Safety
/// As [`pentad_execute`] says of its arguments.
unsafe fn arguments<'s>(
    argc: usize,
    argv: *const *const c_char,
    argvlen: *const usize,
) -> Result<Vec<&'s [u8]>, String> {
    // SAFETY: by this function's contract.
    let pointers = unsafe { slice(argv, argc) }.ok_or("argv is a null pointer")?;
    let lengths = if argvlen.is_null() {
        None
    } else {
        // SAFETY: by this function's contract.
        unsafe { slice(argvlen, argc) }
    };
    let one = |(index, &arg): (usize, &*const c_char)| {
        let len = lengths.map(|lengths| lengths[index]);
        if arg.is_null() && len != Some(0) {
            return Err(format!("argument {index} is a null pointer"));
        }
        Ok(match len {
            // SAFETY: so many bytes, by this function's contract.
            Some(len) => unsafe { slice(arg.cast::<u8>(), len) }.unwrap_or_default(),
            // SAFETY: not null, so a string that ends with a zero byte, by this function's contract.
            None => unsafe { CStr::from_ptr(arg) }.to_bytes(),
        })
    };
    pointers.iter().enumerate().map(one).collect()
}

/// A slice; `None` when it is a null pointer to something, empty when to nothing.
///
/// # Safety
/// `first` is null or points to `count` values.
unsafe fn slice<'s, T>(first: *const T, count: usize) -> Option<&'s [T]> {
    if count == 0 {
        return Some(&[]);
    }
    // SAFETY: not null, and so many values, by this function's contract.
    (!first.is_null()).then(|| unsafe { std::slice::from_raw_parts(first, count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_error() -> String {
        // SAFETY: it lives until the next failure.
        let text = unsafe { CStr::from_ptr(pentad_last_error()) };
        text.to_string_lossy().into_owned()
    }

    #[test]
    fn arguments_are_taken_with_and_without_lengths() {
        let argv = [c"GET".as_ptr(), c"key".as_ptr(), std::ptr::null()];
        let lengths = [3, 2, 0];
        // SAFETY: as many as there are.
        let counted = unsafe { arguments(3, argv.as_ptr(), lengths.as_ptr()) };
        assert_eq!(counted.unwrap(), [&b"GET"[..], b"ke", b""]);
        // SAFETY: two strings.
        let ended = unsafe { arguments(2, argv.as_ptr(), std::ptr::null()) };
        assert_eq!(ended.unwrap(), [&b"GET"[..], b"key"]);
        // SAFETY: the null pointer is found before it is followed.
        assert!(unsafe { arguments(3, argv.as_ptr(), std::ptr::null()) }.is_err());
        // SAFETY: the same.
        assert!(unsafe { arguments(1, std::ptr::null(), std::ptr::null()) }.is_err());
        // SAFETY: there is nothing to look at.
        assert!(unsafe { arguments(0, std::ptr::null(), std::ptr::null()) }.is_ok());
    }

    #[test]
    #[cfg_attr(miri, ignore = "a server takes minutes there")]
    fn a_panic_is_an_error_and_the_server_can_only_be_closed() {
        assert_eq!(guard(-1, || panic!("on purpose")), -1);
        assert!(last_error().contains("panicked"));
        // SAFETY: all of it on an open server, which is closed once.
        unsafe {
            let server = pentad_open(std::ptr::null());
            assert!(!server.is_null());
            let in_use = lock(server).unwrap();
            assert_eq!(pentad_turn(server, 0), -1);
            assert!(last_error().contains("in use"));
            drop(in_use);
            assert_eq!(pentad_turn(server, 0), 0);
            assert_eq!(
                guard(-1, || {
                    let _lock = lock(server);
                    panic!("in a turn")
                }),
                -1
            );
            assert_eq!(pentad_turn(server, 0), -1);
            assert!(last_error().contains("can only be closed"));
            assert_eq!(pentad_close(server), 0);
        }
    }
}
