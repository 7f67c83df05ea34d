//! Encryption by rustls under one connection, and what makes it.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

use log::debug;
use mio::net::TcpStream;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::name::common_name;
use super::{AuthClients, TlsError, TlsOptions};
use crate::session::Filled;

/// Bytes that are encrypted at once: they count as unsent until all of them have left.
const ENCRYPTED_BYTES: usize = 64 * 1024;
/// Reads from the socket in one turn: what gives no bytes must not go on for ever.
const READS_MAX: usize = 64;

/// What new connections get.
#[derive(Clone, Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    names_users: bool,
}

impl Acceptor {
    /// Reads the files that the options name.
    pub fn new(options: &TlsOptions, cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let unfit = |error: &dyn std::fmt::Display| TlsError::Unfit(format!("TLS: {error}"));
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(&error))?;
        let builder = match (options.auth_clients, &options.ca_cert_file) {
            (AuthClients::No, _) | (_, None) => builder.with_no_client_auth(),
            (choice, Some(ca)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(ca)? {
                    roots.add(certificate).map_err(|error| file(ca, &error))?;
                }
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if choice == AuthClients::Optional {
                    verifier = verifier.allow_unauthenticated();
                }
                builder.with_client_cert_verifier(verifier.build().map_err(|error| unfit(&error))?)
            }
        };
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, &error))?;
        let config = builder
            .with_single_cert(certificates(cert)?, private)
            .map_err(|error| unfit(&error))?;
        Ok(Acceptor {
            config: Arc::new(config),
            names_users: options.clients_are_users,
        })
    }

    /// Encryption for a connection that has just come.
    pub fn accept(&self, tcp: TcpStream) -> Option<TlsStream> {
        let tls = ServerConnection::new(Arc::clone(&self.config));
        Some(TlsStream {
            tcp,
            tls: tls.inspect_err(|error| debug!("no TLS: {error}")).ok()?,
            encrypted: 0,
            names_user: self.names_users,
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| file(path, &error))?
        .collect();
    match found.map_err(|error| file(path, &error))? {
        found if found.is_empty() => Err(file(path, &"there is no certificate in it")),
        found => Ok(found),
    }
}

fn file(path: &Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::File(path.to_owned(), why.to_string())
}

/// A socket with encryption.
#[derive(Debug)]
pub struct TlsStream {
    tcp: TcpStream,
    tls: ServerConnection,
    /// Bytes of the output that are encrypted, but not all sent.
    encrypted: usize,
    /// The name in the client's certificate is still to be told.
    names_user: bool,
}

impl TlsStream {
    pub fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// The socket, after a word to the other end that nothing more comes.
    pub fn into_tcp(mut self) -> TcpStream {
        self.tls.send_close_notify();
        // Who does not get it sees the end of the stream.
        let _ = self.push();
        self.tcp
    }

    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether something waits to be sent, whatever the output says.
    pub fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// The name in the client's certificate, once, if that is who it is to be.
    pub fn take_peer_name(&mut self) -> Option<Vec<u8>> {
        if !self.names_user || self.tls.is_handshaking() {
            return None;
        }
        self.names_user = false;
        common_name(self.tls.peer_certificates()?.first()?).map(<[u8]>::to_vec)
    }

    /// Reads what has come; and whether there may be more.
    pub fn fill(&mut self, buffer: &mut [u8]) -> (Filled, bool) {
        let mut filled = 0;
        let so_far = |filled: usize, or: Filled| match filled {
            0 => or,
            filled => Filled::Bytes(filled),
        };
        for _ in 0..READS_MAX {
            while filled < buffer.len() {
                match self.tls.reader().read(&mut buffer[filled..]) {
                    Ok(count) if count > 0 => filled += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // The end, announced or not; it will be found again after what came before it.
                    Ok(_) | Err(_) => return (so_far(filled, Filled::Eof), filled > 0),
                }
            }
            if filled == buffer.len() {
                return (Filled::Bytes(filled), true);
            }
            match self.tls.read_tls(&mut self.tcp) {
                Ok(0) => return (so_far(filled, Filled::Eof), filled > 0),
                Ok(_) => {
                    let processed = self.tls.process_new_packets();
                    let pushed = self.push();
                    if let Err(error) = processed {
                        debug!("TLS: {error}");
                        return (Filled::Broken, false);
                    }
                    if pushed.is_err() {
                        return (Filled::Broken, false);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return (so_far(filled, Filled::Nothing), false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return (Filled::Broken, false),
            }
        }
        (so_far(filled, Filled::Nothing), true)
    }

    /// Sends some bytes; gives how many of them have left. Until they have, they are to be given again.
    pub fn flush(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.encrypted == 0 && !self.is_handshaking() {
            let share = bytes.len().min(ENCRYPTED_BYTES);
            self.encrypted = self.tls.writer().write(&bytes[..share])?;
        }
        match self.push()? {
            true => Ok(std::mem::take(&mut self.encrypted)),
            false => Ok(0),
        }
    }

    /// Sends what is encrypted; false when the socket takes no more for now.
    pub fn push(&mut self) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.tcp) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
