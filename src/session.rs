//! One socket: its readiness, reading from it, writing to it.
//!
//! Readiness is latched: an event sets it, and only a system call that would have blocked (or came up short) clears
//! it. This module must not know what the bytes mean.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::event::{Event, Source};
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use crate::engine::ConnId;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A connection's socket, and what is known of its readiness.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: ConnId,
    stream: Stream,
    readable: bool,
    writable: bool,
    /// The other end has closed its sending side, or both: a short read is not the last one.
    hung_up: bool,
    eof: bool,
    /// It is in the server's list of sessions to be served.
    pub listed: bool,
    /// The earliest of its deadlines that are being watched, in monotonic ms; `u64::MAX`: none is.
    pub deadline_ms: u64,
}

/// What a read gave.
pub(crate) enum Filled {
    /// So many bytes.
    Bytes(usize),
    /// Nothing, for now.
    Nothing,
    /// The end.
    Eof,
    /// The connection is broken.
    Broken,
}

impl Session {
    /// A session for a socket that has just been accepted: it may have sent something already.
    pub fn new(id: ConnId, stream: Stream) -> Self {
        Session {
            id,
            stream,
            readable: true,
            writable: true,
            hung_up: false,
            eof: false,
            listed: false,
            deadline_ms: u64::MAX,
        }
    }

    pub fn source(&mut self) -> &mut dyn Source {
        self.stream.source()
    }

    /// Registers the socket for all its events.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(
            self.stream.source(),
            token,
            Interest::READABLE | Interest::WRITABLE,
        )
    }

    /// Remembers what an event said.
    pub fn note(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_error() || event.is_read_closed();
        self.writable |= event.is_writable() || event.is_error() || event.is_write_closed();
        self.hung_up |= event.is_read_closed() || event.is_error();
    }

    /// Says that something may have come which no event has told of yet.
    pub fn assume_readable(&mut self) {
        self.readable = true;
    }

    /// Whether a read may give something.
    pub fn is_readable(&self) -> bool {
        self.readable && !self.eof
    }

    /// Reads once.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Filled {
        loop {
            return match self.stream.read(buffer) {
                Ok(0) => {
                    self.eof = true;
                    Filled::Eof
                }
                Ok(count) => {
                    // A short read has emptied the socket: whatever comes now makes a new event. Not so its end,
                    // which may have come already.
                    self.readable = count == buffer.len() || self.hung_up;
                    Filled::Bytes(count)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    Filled::Nothing
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Filled::Broken,
            };
        }
    }

    /// Says that nothing more will be sent; the stream to be drained, unless the other end has said the same.
    pub fn into_lingering(self) -> Option<Stream> {
        if self.eof {
            return None;
        }
        let ended = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            // What a Unix socket was sent stays readable whatever was not read here.
            #[cfg(unix)]
            Stream::Unix(_) => return None,
        };
        ended.is_ok().then_some(self.stream)
    }

    /// Writes once; gives how many bytes the socket took. An error means that the connection is broken.
    pub fn flush(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.writable {
            return Ok(0);
        }
        loop {
            return match self.stream.write(bytes) {
                Ok(count) => {
                    self.writable = count == bytes.len();
                    Ok(count)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writable = false;
                    Ok(0)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

impl Stream {
    /// Throws away what has come, a bounded part of it; false when the other end is done, or gone.
    pub fn drain(&mut self, buffer: &mut [u8]) -> bool {
        const READS: usize = 4;
        for _ in 0..READS {
            match self.read(buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Stream::Tcp(stream) => stream,
            #[cfg(unix)]
            Stream::Unix(stream) => stream,
        }
    }

    /// Tries to send a last word to a client that is not let in.
    pub fn say_and_close(mut self, bytes: &[u8]) {
        // Whether it arrives is the client's luck: there is no room to wait for it.
        let _ = self.write(bytes);
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
