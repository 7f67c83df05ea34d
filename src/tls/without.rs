//! There is no TLS in this build: nothing of this can come to be.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use mio::net::TcpStream;

use super::{TlsError, TlsOptions};
use crate::session::Filled;

#[derive(Debug)]
pub struct Acceptor(Infallible);

impl Acceptor {
    pub fn new(_: &TlsOptions, _: &Path, _: &Path) -> Result<Self, TlsError> {
        Err(TlsError::NotBuilt)
    }

    pub fn accept(&self, _: TcpStream) -> Option<TlsStream> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub struct TlsStream(Infallible);

impl TlsStream {
    pub fn tcp(&mut self) -> &mut TcpStream {
        match self.0 {}
    }

    pub fn into_tcp(self) -> TcpStream {
        match self.0 {}
    }

    pub fn is_handshaking(&self) -> bool {
        match self.0 {}
    }

    pub fn wants_write(&self) -> bool {
        match self.0 {}
    }

    pub fn take_peer_name(&mut self) -> Option<Vec<u8>> {
        match self.0 {}
    }

    pub fn fill(&mut self, _: &mut [u8]) -> (Filled, bool) {
        match self.0 {}
    }

    pub fn flush(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn push(&mut self) -> io::Result<bool> {
        match self.0 {}
    }
}
