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
use crate::tls::TlsStream;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Tls(Box<TlsStream>),
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
    /// It is among those for whom a share of a turn's sending was not enough.
    pub in_backlog: bool,
    /// The earliest of its deadlines that are being watched, in monotonic ms; `u64::MAX`: none is.
    pub deadline_ms: u64,
    /// By when a handshake has to be done, in monotonic ms.
    pub handshake_until_ms: u64,
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
            in_backlog: false,
            deadline_ms: u64::MAX,
            handshake_until_ms: u64::MAX,
        }
    }

    /// Whether it is still being agreed upon how to encrypt.
    pub fn is_handshaking(&self) -> bool {
        matches!(&self.stream, Stream::Tls(tls) if tls.is_handshaking())
    }

    /// The name that a client's certificate gives it, once, when it is to be the user of this name.
    pub fn take_peer_name(&mut self) -> Option<Vec<u8>> {
        match &mut self.stream {
            Stream::Tls(tls) => tls.take_peer_name(),
            _ => None,
        }
    }

    /// Whether something besides the connection's output waits to be sent.
    pub fn wants_write(&self) -> bool {
        matches!(&self.stream, Stream::Tls(tls) if tls.wants_write())
    }

    /// Sends of that what the socket takes. An error means that the connection is broken.
    pub fn push(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tls(tls) if self.writable => tls.push().map(|all| self.writable = all),
            _ => Ok(()),
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
        if let Stream::Tls(tls) = &mut self.stream {
            let (filled, may_be_more) = tls.fill(buffer);
            self.readable = may_be_more;
            self.eof |= matches!(filled, Filled::Eof);
            return filled;
        }
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
        let stream = match self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Tls(tls) => tls.into_tcp(),
            // What a Unix socket was sent stays readable whatever was not read here.
            #[cfg(unix)]
            Stream::Unix(_) => return None,
        };
        let ended = stream.shutdown(Shutdown::Write);
        ended.is_ok().then_some(Stream::Tcp(stream))
    }

    /// Writes once; gives how many bytes the socket took. An error means that the connection is broken.
    pub fn flush(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.writable {
            return Ok(0);
        }
        if let Stream::Tls(tls) = &mut self.stream {
            let count = tls.flush(bytes)?;
            self.writable = count > 0;
            return Ok(count);
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
            Stream::Tls(tls) => tls.tcp(),
        }
    }

    /// Tries to send a last word to a client that is not let in.
    pub fn say_and_close(mut self, bytes: &[u8]) {
        // Whether it arrives is the client's luck: there is no room to wait for it, nor for a handshake.
        let _ = self.write(bytes);
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.read(buffer),
            // Bytes as they are, which is good enough for what is thrown away.
            Stream::Tls(tls) => tls.tcp().read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.write(bytes),
            // Not in the clear.
            Stream::Tls(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
