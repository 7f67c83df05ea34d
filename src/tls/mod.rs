//! TLS: what listeners show of themselves, what they ask clients for, and the encryption under a connection's bytes.
//!
//! All of it is done by the loop, without waiting: a handshake is bytes like any others. Without the feature `tls` there is
//! nothing that could be built. This module must not know protocols or users.

use std::fmt;
use std::path::PathBuf;

#[cfg(not(feature = "tls"))]
#[path = "without.rs"]
mod stream;
#[cfg(feature = "tls")]
mod stream;

#[cfg(feature = "tls")]
mod name;

use stream::Acceptor;
pub(crate) use stream::TlsStream;

/// What TLS listeners show and ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificate of the server, and those behind it up to one that clients know: a PEM file.
    pub cert_file: Option<PathBuf>,
    /// Its private key: a PEM file.
    pub key_file: Option<PathBuf>,
    /// The certificates of those whose signature clients' certificates must have: a PEM file.
    pub ca_cert_file: Option<PathBuf>,
    /// Whether clients have to show a certificate.
    pub auth_clients: AuthClients,
    /// Whether a client is the user whose name its certificate bears (as CN), if there is one.
    pub clients_are_users: bool,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthClients {
    /// All have to.
    #[default]
    Yes,
    /// They may.
    Optional,
    /// They are not asked.
    No,
}

impl AuthClients {
    /// Its name, as settings have it.
    pub fn name(self) -> &'static str {
        match self {
            AuthClients::Yes => "yes",
            AuthClients::Optional => "optional",
            AuthClients::No => "no",
        }
    }

    /// What settings call so.
    pub fn by_name(name: &str) -> Option<Self> {
        [AuthClients::Yes, AuthClients::Optional, AuthClients::No]
            .into_iter()
            .find(|choice| choice.name().eq_ignore_ascii_case(name))
    }
}

/// Why there can be no TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The library was built without it.
    NotBuilt,
    /// This setting is needed.
    Missing(&'static str),
    /// A file cannot be used.
    File(PathBuf, String),
    /// What the files say does not fit together.
    Unfit(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::NotBuilt => f.write_str("built without TLS (the feature \"tls\")"),
            TlsError::Missing(name) => write!(f, "TLS needs {name}"),
            TlsError::File(path, why) => write!(f, "{}: {why}", path.display()),
            TlsError::Unfit(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for TlsError {}

/// TLS as the server has it: what is wanted, and what new connections get.
#[derive(Debug, Default)]
pub struct Tls {
    /// What is wanted; in force after [`Tls::apply`].
    pub options: TlsOptions,
    acceptor: Option<Acceptor>,
}

impl Tls {
    /// Reads all files anew and has new connections get what they and the options say. After an error everything stays as it
    /// was. Reads files: for the start, and for administrators.
    pub fn apply(&mut self) -> Result<(), TlsError> {
        let options = &self.options;
        self.acceptor = match (&options.cert_file, &options.key_file) {
            (None, None) => None,
            (None, _) => return Err(TlsError::Missing("tls-cert-file")),
            (_, None) => return Err(TlsError::Missing("tls-key-file")),
            (Some(cert), Some(key)) => {
                if options.ca_cert_file.is_none() && options.auth_clients != AuthClients::No {
                    return Err(TlsError::Missing(
                        "tls-ca-cert-file, or tls-auth-clients no",
                    ));
                }
                Some(Acceptor::new(options, cert, key)?)
            }
        };
        Ok(())
    }

    /// Whether connections can be had.
    pub fn is_ready(&self) -> bool {
        self.acceptor.is_some()
    }

    /// Whether nobody comes in without a certificate.
    pub(crate) fn admits_only_known(&self) -> bool {
        self.options.auth_clients == AuthClients::Yes
    }

    /// Encryption for a new connection; `None` when there is none to be had.
    pub(crate) fn accept(&self, tcp: mio::net::TcpStream) -> Option<TlsStream> {
        self.acceptor.as_ref()?.accept(tcp)
    }
}
