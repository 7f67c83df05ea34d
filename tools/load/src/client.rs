//! One connection to a target: its socket, what is still to be written, what is still to be answered.
//! It moves bytes; what to send and what to make of a reply is the worker's.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Duration;

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use crate::check::Pending;
use crate::codec::Reader;
use crate::target::{Address, Protocol, Target};

/// A connection and the state of its conversation.
#[derive(Debug)]
pub struct Client {
    /// Which of the run's loads it belongs to.
    pub load: usize,
    pub phase: Phase,
    pub reader: Reader,
    /// Requests sent and not answered, oldest first.
    pub pending: VecDeque<Pending>,
    /// Requests that follow from replies: operation and key.
    pub follow: VecDeque<(usize, u64)>,
    /// The request answered last, which a repeated reply would belong to.
    pub last: Option<Pending>,
    /// Bytes to send, of which the first `written` are gone.
    pub out: Vec<u8>,
    written: usize,
    /// Received bytes that are not a whole reply yet.
    pub rest: Vec<u8>,
    /// A write split on purpose: not beyond this byte before that time (ns of the run).
    hold: Option<(usize, u64)>,
    stream: Option<Stream>,
    token: Token,
    /// Whether the poll tells when the socket takes bytes again. Only while it does not: a Unix socket would
    /// otherwise wake us each time the target has read something.
    watches_writable: bool,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Not connected; to be tried again at this time.
    Down {
        retry_ns: u64,
    },
    /// Waiting for the connection, since then.
    Connecting {
        since_ns: u64,
    },
    /// Waiting for so many replies to the greeting.
    Greeting {
        left: usize,
        since_ns: u64,
    },
    Ready,
    /// Our side is closed on purpose; what was asked must still be answered.
    HalfClosed {
        since_ns: u64,
    },
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Client {
    /// A connection that has not been opened.
    pub fn new(load: usize, token: Token, protocol: Protocol, pipeline: usize) -> Self {
        Client {
            load,
            phase: Phase::Down { retry_ns: 0 },
            reader: Reader::new(protocol),
            pending: VecDeque::with_capacity(pipeline + 1),
            follow: VecDeque::new(),
            last: None,
            out: Vec::new(),
            written: 0,
            rest: Vec::new(),
            hold: None,
            stream: None,
            token,
            watches_writable: false,
        }
    }

    /// Begins to connect. The outcome comes as a writable event.
    pub fn connect(&mut self, target: &Target, registry: &Registry, now_ns: u64) -> io::Result<()> {
        let mut stream = match &target.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(*address)?;
                if address.ip().is_loopback() {
                    // A pacing congestion control (BBR) on loopback would measure its timers. Reno paces nothing
                    // and is always allowed; where it is not there, the system's own choice stays.
                    let _ = rustix::net::sockopt::set_tcp_congestion(&stream, "reno");
                }
                Stream::Tcp(stream)
            }
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        match &mut stream {
            Stream::Tcp(s) => registry.register(s, self.token, interest)?,
            Stream::Unix(s) => registry.register(s, self.token, interest)?,
        }
        self.stream = Some(stream);
        self.watches_writable = true;
        self.phase = Phase::Connecting { since_ns: now_ns };
        Ok(())
    }

    /// Whether a connection begun is open now: `false` while it is still on its way.
    pub fn connected(&mut self) -> io::Result<bool> {
        match &self.stream {
            Some(Stream::Tcp(stream)) => {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
                match stream.peer_addr() {
                    Ok(_) => {
                        stream.set_nodelay(true)?;
                        Ok(true)
                    }
                    Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
                    Err(e) => Err(e),
                }
            }
            Some(Stream::Unix(stream)) => match stream.take_error()? {
                Some(error) => Err(error),
                None => Ok(true),
            },
            None => Ok(false),
        }
    }

    /// Reads what is there into `buffer`; 0 bytes is the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Some(Stream::Tcp(stream)) => stream.read(buffer),
            Some(Stream::Unix(stream)) => stream.read(buffer),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes as much as the socket takes, and as a hold allows. Gives the number of bytes written.
    pub fn flush(&mut self, now_ns: u64) -> io::Result<usize> {
        let mut total = 0;
        loop {
            let end = match self.hold {
                Some((end, until_ns)) if now_ns < until_ns => end,
                _ => {
                    self.hold = None;
                    self.out.len()
                }
            };
            if self.written >= end {
                break;
            }
            let bytes = &self.out[self.written..end];
            let result = match &mut self.stream {
                Some(Stream::Tcp(stream)) => stream.write(bytes),
                Some(Stream::Unix(stream)) => stream.write(bytes),
                None => return Ok(total),
            };
            match result {
                Ok(n) => {
                    self.written += n;
                    total += n;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
        Ok(total)
    }

    /// Has the poll tell of room to write if, and only if, there is something that did not fit.
    #[inline]
    pub fn watch(&mut self, registry: &Registry) -> io::Result<()> {
        let wanted = !self.flushed() && self.hold.is_none();
        if wanted == self.watches_writable {
            return Ok(());
        }
        self.watches_writable = wanted;
        let interest = if wanted {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        match &mut self.stream {
            Some(Stream::Tcp(s)) => registry.reregister(s, self.token, interest),
            Some(Stream::Unix(s)) => registry.reregister(s, self.token, interest),
            None => Ok(()),
        }
    }

    /// Whether everything has been written.
    pub fn flushed(&self) -> bool {
        self.out.is_empty()
    }

    /// Splits the write to come after so many of its bytes, until that time.
    pub fn hold(&mut self, bytes: usize, until_ns: u64) {
        self.hold = Some((self.written + bytes, until_ns));
    }

    /// When the rest of a split write may go.
    pub fn held_until(&self) -> Option<u64> {
        self.hold.map(|(_, until_ns)| until_ns)
    }

    /// Closes our side only.
    pub fn half_close(&mut self, now_ns: u64) {
        // If it fails the connection is gone, which the next read tells.
        let _ = match &self.stream {
            Some(Stream::Tcp(stream)) => stream.shutdown(Shutdown::Write),
            Some(Stream::Unix(stream)) => stream.shutdown(Shutdown::Write),
            None => Ok(()),
        };
        self.phase = Phase::HalfClosed { since_ns: now_ns };
    }

    /// Makes the close to come a reset: nothing is delivered any more, in either direction.
    pub fn make_abortive(&self) {
        let fd = match &self.stream {
            Some(Stream::Tcp(stream)) => stream.as_fd(),
            // A Unix socket knows no reset; closing it with unread data does the same.
            _ => return,
        };
        let _ = rustix::net::sockopt::set_socket_linger(fd, Some(Duration::ZERO));
    }

    /// Drops the socket and everything half-done. The requests without an answer stay in `pending`.
    pub fn close(&mut self, retry_ns: u64, protocol: Protocol) {
        self.stream = None;
        self.reader = Reader::new(protocol);
        self.out.clear();
        self.written = 0;
        self.rest.clear();
        self.hold = None;
        self.last = None;
        self.follow.clear();
        self.phase = Phase::Down { retry_ns };
    }
}
