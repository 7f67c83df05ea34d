//! A server in a thread of its own, and sockets to it.
//!
//! Whenever the server has nothing left to do it says how much it has received and sent: so a client knows exactly what has
//! still to come, and no test waits for a time to pass.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pentad::Handle;
use pentad::{Clock, Config, Now, Server};

use crate::engine::now;
use crate::replay::{START_MS, Transport};
use crate::script::{Script, allocated_bytes};

/// Longer than any answer takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct SocketTransport {
    clock: Arc<AtomicU64>,
    handle: Handle,
    thread: Option<JoinHandle<std::io::Result<()>>>,
    reports: Arc<Reports>,
    /// Where each listener listens.
    addresses: Vec<String>,
    connections: Vec<Connection>,
    /// How many bytes the server has to receive, of all connections.
    sent_bytes: u64,
    /// How many bytes have come from it, of connections that it accepted.
    received_bytes: u64,
    /// How many connections are over, of those that it accepted.
    ended: u64,
}

#[derive(Default)]
struct Connection {
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

struct ManualClock(Arc<AtomicU64>);

impl Clock for ManualClock {
    fn now(&self) -> Now {
        now(self.0.load(Ordering::SeqCst))
    }
}

/// What the server said last.
#[derive(Default)]
struct Reports {
    last: Mutex<Report>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Report {
    /// From 1.
    number: u64,
    requests: u64,
    input_bytes: u64,
    output_bytes: u64,
    accepted: u64,
    rejected: u64,
    open: u64,
}

impl SocketTransport {
    pub fn new(script: &Script, config: &Config) -> Result<Self, String> {
        let clock = Arc::new(AtomicU64::new(START_MS));
        let mut server =
            Server::bind_with_clock(config.clone(), Box::new(ManualClock(Arc::clone(&clock))))
                .map_err(|error| error.to_string())?;
        server.engine_mut().set_allocated(allocated_bytes);
        let handle = server.handle();
        let addresses = server
            .addresses()
            .map(|(_, address)| address.to_owned())
            .collect();
        let reports = Arc::<Reports>::default();
        let to_report = Arc::clone(&reports);
        Ok(SocketTransport {
            clock,
            handle,
            thread: Some(std::thread::spawn(move || serve(server, &to_report))),
            reports,
            addresses,
            connections: script
                .connections
                .iter()
                .map(|_| Connection::default())
                .collect(),
            sent_bytes: 0,
            received_bytes: 0,
            ended: 0,
        })
    }

    /// Reads until the server has nothing left to do, and all that it sent is here.
    fn settle(&mut self) -> Result<(), String> {
        self.settle_when(|_, report, sent_bytes| report.input_bytes >= sent_bytes)
    }

    fn settle_when(&mut self, is_done: impl Fn(&Self, &Report, u64) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut report = self.reports.get();
        loop {
            for index in 0..self.connections.len() {
                self.read(index);
            }
            if is_done(self, &report, self.sent_bytes)
                && self.received_bytes == report.output_bytes
                && self.ended == report.accepted - report.open
            {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return Err(format!(
                    "the server does not answer: {report:?}, but {} bytes were sent, {} came, {} connections are over",
                    self.sent_bytes, self.received_bytes, self.ended
                ));
            }
            // What the server has reported as sent may take a moment to arrive, without a new report.
            report = self.reports.wait(report.number, Duration::from_millis(1));
        }
    }

    fn wait_for_a_report(&mut self) -> Result<(), String> {
        let number = self.reports.get().number;
        self.handle.wake();
        self.settle_when(|_, report, _| report.number > number)
    }

    fn read(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let Some(stream) = &mut connection.stream else {
            return;
        };
        let mut buffer = [0; 16 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    connection.received.extend_from_slice(&buffer[..count]);
                    self.received_bytes += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A server that closes while more is on its way to it resets the connection.
                Err(_) => break,
            }
        }
        connection.stream = None;
        self.ended += 1;
    }

    fn stream(&mut self, connection: usize) -> Result<&mut TcpStream, String> {
        let stream = self.connections[connection].stream.as_mut();
        stream.ok_or_else(|| "the connection is closed".to_owned())
    }
}

impl Transport for SocketTransport {
    fn open(&mut self, connection: usize, listener: usize) -> Result<(), String> {
        let before = self.reports.get();
        let known = before.accepted + before.rejected;
        let open = || -> std::io::Result<TcpStream> {
            let stream = TcpStream::connect(&self.addresses[listener])?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        let mut stream = open().map_err(|error| error.to_string())?;
        self.settle_when(|_, report, _| report.accepted + report.rejected > known)?;
        if self.reports.get().rejected > before.rejected {
            // The last word to it is in no report.
            stream
                .set_nonblocking(false)
                .and_then(|()| stream.read_to_end(&mut self.connections[connection].received))
                .map_err(|error| error.to_string())?;
            return Ok(());
        }
        self.connections[connection].stream = Some(stream);
        self.settle()
    }

    fn send(&mut self, connection: usize, bytes: &[u8]) -> Result<(), String> {
        let stream = self.stream(connection)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                // It is found closed when it is read.
                Err(_) => break,
            }
        }
        self.sent_bytes += bytes.len() as u64;
        self.settle_when(|transport, report, sent_bytes| {
            report.input_bytes >= sent_bytes || transport.is_closed(connection)
        })?;
        // What a closed connection has not received it never will.
        self.sent_bytes = self.reports.get().input_bytes;
        Ok(())
    }

    fn half_close(&mut self, connection: usize) -> Result<(), String> {
        let shut = self.stream(connection)?.shutdown(Shutdown::Write);
        shut.map_err(|error| error.to_string())?;
        self.settle_when(|transport, _, _| transport.is_closed(connection))
    }

    fn close(&mut self, connection: usize) -> Result<(), String> {
        self.stream(connection)?;
        self.connections[connection].stream = None;
        self.ended += 1;
        let ended = self.ended;
        self.settle_when(|_, report, _| report.accepted - report.open >= ended)
    }

    fn advance_clock(&mut self, ms: u64) -> Result<(), String> {
        self.clock.fetch_add(ms, Ordering::SeqCst);
        // A turn that is under way may have read the clock before; the one after the next has not.
        self.wait_for_a_report()?;
        self.wait_for_a_report()
    }

    fn is_closed(&self, connection: usize) -> bool {
        self.connections[connection].stream.is_none()
    }

    fn take_received(&mut self, connection: usize) -> Vec<u8> {
        std::mem::take(&mut self.connections[connection].received)
    }
}

impl Drop for SocketTransport {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Turns until it is told to stop, and reports whenever there is nothing left to do.
fn serve(mut server: Server, reports: &Reports) -> std::io::Result<()> {
    while !server.is_stopping() {
        server.turn(None)?;
        // What did not fit into one turn (many requests, one that was kept waiting) goes on in the next ones.
        let mut report = Report::of(&server);
        loop {
            server.turn(Some(Duration::ZERO))?;
            let after = Report::of(&server);
            if after == report {
                break;
            }
            report = after;
        }
        reports.say(report);
    }
    Ok(())
}

impl Report {
    fn of(server: &Server) -> Self {
        let engine = server.engine();
        let stats = &engine.hub.stats;
        Report {
            number: 0,
            requests: stats.requests,
            input_bytes: stats.input_bytes,
            output_bytes: stats.output_bytes,
            accepted: stats.connections_received,
            rejected: stats.connections_rejected,
            open: engine.connections() as u64,
        }
    }
}

impl Reports {
    fn get(&self) -> Report {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, report: Report) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let number = last.number + 1;
        *last = Report { number, ..report };
        self.changed.notify_all();
    }

    /// A report after the one of this number; the old one if none comes in time.
    fn wait(&self, number: u64, at_most: Duration) -> Report {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(last, at_most, |last| last.number <= number);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
