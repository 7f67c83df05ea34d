//! What a server can be told: where to listen, and every limit.
//!
//! Everything has a default, and everything is checked before anything is opened. This module must not know how
//! settings arrive (flags, file, an embedder's code).

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;

use crate::acl::Access;
use crate::keyspace::{Policy, Seed};
use crate::timer::moment;
use crate::tls::TlsOptions;

/// The key of a counter listener that names none.
const DEFAULT_COUNTER_KEY: &[u8] = b"counter";

/// A server's settings.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where to listen. Empty: nowhere, which is what an embedder may want; the daemon then takes
    /// [`Listen::defaults`].
    pub listen: Vec<Listen>,
    /// All limits.
    pub limits: Limits,
    /// Who may do what.
    pub access: Access,
    /// What TLS listeners show and ask for.
    pub tls: TlsOptions,
    /// Hash keys and random choices; `None`: from the system.
    pub seed: Option<Seed>,
}

/// Every limit of the server, with what happens at it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at the same time. Further ones get an error in their protocol, where it has one, and are closed.
    pub clients_max: usize,
    /// Bytes of one request (and of one string value). A larger one is refused; the connection stays if the protocol
    /// can skip it.
    pub request_bytes_max: usize,
    /// Bytes of one line of the metrics and counter protocols, and of an inline RESP command.
    pub line_bytes_max: usize,
    /// Bytes of unsent output of one connection; above, it is dropped. It must hold the largest value. At half of it
    /// (64 MiB at most) the connection is not read any more, until half of that is left.
    pub output_bytes_max: usize,
    /// Seconds without any progress in sending, after which a connection that has output waiting is dropped.
    pub output_stall_timeout_s: u64,
    /// Seconds after which a connection that sends nothing is closed; 0: never.
    pub idle_timeout_s: u64,
    /// Seconds that a request may take to come in whole, and one more for each 16 KiB of it; 0: any time.
    pub request_timeout_s: u64,
    /// Connections from one address; 0: no limit.
    pub clients_per_address_max: usize,
    /// Unsent output of clients of each class (normal, replica, pubsub), beside `output_bytes_max`.
    pub output_limits: [OutputLimit; 3],
    /// Seconds of silence after which the system asks whether a TCP client is still there; 0: it does not.
    pub tcp_keepalive_s: u64,
    /// Clients that may wait to be accepted, as far as the system allows.
    pub tcp_backlog: u32,
    /// Bytes in use above which keys are evicted, or writes refused; 0: no limit. Needs [`crate::allocator`].
    pub memory_bytes_max: usize,
    /// Which keys are evicted.
    pub eviction_policy: Policy,
    /// Bytes that the buffers of all connections together may hold; above, the largest are closed. 0: no limit.
    pub clients_bytes_max: usize,
    /// Requests of one connection that are run in one turn; what is left waits for the next.
    pub requests_per_turn: usize,
    /// Numbered databases, 1 to 128.
    pub databases: u8,
}

/// How much unsent output a client may have: never more than `hard_bytes`, and more than `soft_bytes` no longer than
/// `soft_s`. 0: no such limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Above this it is dropped at once.
    pub hard_bytes: usize,
    /// Above this it is dropped after a while.
    pub soft_bytes: usize,
    /// The while, in seconds.
    pub soft_s: u64,
}

impl OutputLimit {
    /// No limit.
    pub const NONE: OutputLimit = OutputLimit::new(0, 0, 0);

    /// These limits.
    pub const fn new(hard_bytes: usize, soft_bytes: usize, soft_s: u64) -> Self {
        OutputLimit {
            hard_bytes,
            soft_bytes,
            soft_s,
        }
    }

    /// Whether a client with so much unsent output is to be dropped. `above_since_ms` is when it came above the soft limit,
    /// kept from call to call.
    pub fn is_passed(
        self,
        bytes: usize,
        now_ms: u64,
        above_since_ms: &mut Option<NonZeroU64>,
    ) -> bool {
        if self.hard_bytes > 0 && bytes > self.hard_bytes {
            return true;
        }
        if self.soft_bytes == 0 || bytes <= self.soft_bytes {
            *above_since_ms = None;
            return false;
        }
        let since_ms = above_since_ms.get_or_insert(moment(now_ms)).get();
        now_ms.saturating_sub(since_ms) > self.soft_s.saturating_mul(1000)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            clients_max: 10_000,
            request_bytes_max: 512 * 1024 * 1024,
            line_bytes_max: 64 * 1024,
            output_bytes_max: 1024 * 1024 * 1024,
            output_stall_timeout_s: 60,
            idle_timeout_s: 0,
            request_timeout_s: 60,
            clients_per_address_max: 0,
            output_limits: [
                OutputLimit::NONE,
                OutputLimit::new(256 << 20, 64 << 20, 60),
                OutputLimit::new(32 << 20, 8 << 20, 60),
            ],
            tcp_keepalive_s: 300,
            tcp_backlog: 1024,
            memory_bytes_max: 0,
            eviction_policy: Policy::NoEviction,
            clients_bytes_max: 0,
            requests_per_turn: 512,
            databases: 16,
        }
    }
}

impl Limits {
    /// The largest that a request can be made: positions in it are kept in 32 bits.
    pub const REQUEST_BYTES_CEILING: usize = 2 * 1024 * 1024 * 1024;

    /// Bytes of unsent output above which a connection is not read any more.
    pub fn high_water_bytes(&self) -> usize {
        const HIGH_WATER_BYTES_MAX: usize = 64 * 1024 * 1024;
        (self.output_bytes_max / 2).min(HIGH_WATER_BYTES_MAX)
    }

    /// Bytes of unsent output at which it is read again.
    pub fn low_water_bytes(&self) -> usize {
        self.high_water_bytes() / 2
    }

    /// Checks what cannot work.
    pub fn check(&self) -> Result<(), LimitError> {
        let ranges = [
            ("max-clients", self.clients_max, 1, 1_000_000),
            (
                "max-request-bytes",
                self.request_bytes_max,
                1024,
                Self::REQUEST_BYTES_CEILING,
            ),
            (
                "max-line-bytes",
                self.line_bytes_max,
                64,
                Self::REQUEST_BYTES_CEILING,
            ),
            ("max-output-bytes", self.output_bytes_max, 1024, usize::MAX),
            ("databases", usize::from(self.databases), 1, 128),
            ("requests-per-turn", self.requests_per_turn, 1, usize::MAX),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(LimitError {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}

/// A limit outside of what can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError {
    /// The limit, as its flag is named.
    pub name: &'static str,
    /// What it was set to.
    pub value: usize,
    /// The smallest value that works.
    pub least: usize,
    /// The largest.
    pub most: usize,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, but must be {} to {}",
            self.name, self.value, self.least, self.most
        )
    }
}

impl std::error::Error for LimitError {}

/// The protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RESP, the protocol of Redis.
    Resp,
    /// `put` and `get` of samples.
    Metrics,
    /// `get`, `incr`, `decr`, `add` of one integer.
    Counter,
    /// `s<key>:<value>` and `r<key>`, delimited by `\r\n`.
    Lab,
    /// The same, framed by one length byte.
    LabByte,
    /// The same, framed by one ASCII digit.
    LabDigit,
    /// JSON behind a 4-byte length.
    Speicher,
    /// A protocol of the host's own (see [`Protocol`](crate::Protocol)).
    Custom(SchemeName),
}

/// The name of a protocol of the host's own: 1 to 15 small letters, digits, `-` and `.`, a letter first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SchemeName {
    bytes: [u8; 15],
    len: u8,
}

impl SchemeName {
    /// The name; `None` when it cannot be one, or is one of the built-in schemes.
    pub fn new(name: &str) -> Option<Self> {
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        let mut bytes = [0; 15];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        let is_good = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(is_plain)
            && Scheme::ALL.iter().all(|row| row.1 != name);
        is_good.then_some(SchemeName {
            bytes,
            len: name.len() as u8,
        })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for SchemeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Scheme {
    const ALL: [(Scheme, &'static str, u16); 7] = [
        (Scheme::Resp, "resp", 6379),
        (Scheme::Metrics, "metrics", 8888),
        (Scheme::Counter, "counter", 4444),
        (Scheme::Lab, "lab", 7777),
        (Scheme::LabByte, "lab+byte", 7778),
        (Scheme::LabDigit, "lab+digit", 7779),
        (Scheme::Speicher, "speicher", 14567),
    ];

    /// How it is written in a URL.
    pub fn name(&self) -> &str {
        match self {
            Scheme::Custom(name) => name.as_str(),
            _ => self.row().1,
        }
    }

    /// Whether the protocol has a word for a password; of the host's own protocols the host has to know.
    pub(crate) fn has_password(self) -> bool {
        matches!(self, Scheme::Resp | Scheme::Custom(_))
    }

    fn row(&self) -> &'static (Scheme, &'static str, u16) {
        Self::ALL
            .iter()
            .find(|row| row.0 == *self)
            .unwrap_or(&Self::ALL[0])
    }

    /// The scheme of this name, built in or one of `custom`.
    fn find(name: &str, custom: &[SchemeName]) -> Option<Self> {
        let built_in = Self::ALL.iter().find(|row| row.1 == name);
        let own = || custom.iter().find(|own| own.as_str() == name);
        built_in
            .map(|row| row.0)
            .or_else(|| own().map(|own| Scheme::Custom(*own)))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One listener: `scheme://host:port?option=value` or `scheme+unix:///path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The protocol that is spoken.
    pub scheme: Scheme,
    /// Where.
    pub address: Address,
    /// `+tls`: what is sent is encrypted.
    pub tls: bool,
    /// `?db=N`: the database that its connections start in.
    pub db: u8,
    /// `?key=NAME`: the key of the counter protocol.
    pub key: Vec<u8>,
    /// `?user=NAME`: who its connections are, without a password.
    pub user: Option<Box<str>>,
    /// `?readonly=yes`: its connections may not write.
    pub read_only: bool,
    /// `?open=yes`: it serves clients of other hosts, though nothing keeps them from anything.
    pub open: bool,
    /// `?mode=660`: the permissions of a Unix socket.
    pub mode: Option<u32>,
    /// `?owner=USER`, `?owner=USER:GROUP` or `?owner=:GROUP`, as names or numbers: whose a Unix socket is.
    pub owner: Option<Box<str>>,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host (name or IP address) and a port; port 0 takes a free one.
    Tcp(String, u16),
    /// A Unix socket's path.
    Unix(PathBuf),
    /// A listening socket that the process was started with, at this descriptor: systemd's socket activation.
    Inherited(u32),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
            Address::Inherited(number) => write!(f, "{number}"),
        }
    }
}

/// Why a listener's URL was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// There is no `://`.
    NoScheme,
    /// Nobody speaks this scheme.
    UnknownScheme(String),
    /// There is no port behind the host.
    NoPort,
    /// The port is no number from 0 to 65535.
    BadPort(String),
    /// There is no host before the port.
    NoHost,
    /// A Unix socket needs an absolute path.
    NoPath,
    /// An inherited socket is a number from 3 on.
    NoDescriptor,
    /// This option is not known for this scheme.
    UnknownOption(String),
    /// This option's value cannot be used.
    BadOption(String, String),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenError::NoScheme => f.write_str("expected scheme://host:port"),
            ListenError::UnknownScheme(scheme) => {
                write!(f, "unknown scheme {scheme:?}, expected one of ")?;
                let names: Vec<_> = Scheme::ALL.iter().map(|row| row.1).collect();
                write!(
                    f,
                    "{} (each also with +unix, +fd or +tls)",
                    names.join(", ")
                )
            }
            ListenError::NoPort => {
                f.write_str("expected :port behind the host (0 takes a free one)")
            }
            ListenError::BadPort(port) => {
                write!(f, "port {port:?} is not a number from 0 to 65535")
            }
            ListenError::NoHost => f.write_str("expected a host name or address before the port"),
            ListenError::NoPath => {
                f.write_str("expected an absolute path, as in resp+unix:///run/pentad.sock")
            }
            ListenError::NoDescriptor => {
                f.write_str("expected the number of a descriptor, as in resp+fd://3")
            }
            ListenError::UnknownOption(option) => write!(f, "unknown option {option:?}"),
            ListenError::BadOption(option, value) => {
                write!(f, "option {option} cannot be {value:?}")
            }
        }
    }
}

impl std::error::Error for ListenError {}

/// As a URL that reads back as the same.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.address {
            Address::Tcp(..) => "",
            Address::Unix(_) => "+unix",
            Address::Inherited(_) => "+fd",
        };
        let tls = if self.tls { "+tls" } else { "" };
        write!(f, "{}{tls}{place}://{}", self.scheme, self.address)?;
        let key = String::from_utf8_lossy(&self.key);
        let yes = |is: bool| is.then(|| "yes".to_owned());
        let options = [
            ("db", (self.db != 0).then(|| self.db.to_string())),
            (
                "key",
                (self.key != DEFAULT_COUNTER_KEY).then(|| key.into_owned()),
            ),
            ("user", self.user.as_deref().map(str::to_owned)),
            ("readonly", yes(self.read_only)),
            ("open", yes(self.open)),
            ("mode", self.mode.map(|mode| format!("{mode:o}"))),
            ("owner", self.owner.as_deref().map(str::to_owned)),
        ];
        let mut between = '?';
        for (name, value) in options {
            if let Some(value) = value {
                write!(f, "{between}{name}={value}")?;
                between = '&';
            }
        }
        Ok(())
    }
}

impl Listen {
    /// A listener with no options.
    pub fn new(scheme: Scheme, address: Address) -> Self {
        Listen {
            scheme,
            address,
            tls: false,
            db: 0,
            key: DEFAULT_COUNTER_KEY.to_vec(),
            user: None,
            read_only: false,
            open: false,
            mode: None,
            owner: None,
        }
    }

    /// The five listeners of a daemon that is told nothing, all on loopback.
    pub fn defaults() -> Vec<Listen> {
        [
            Scheme::Resp,
            Scheme::Metrics,
            Scheme::Counter,
            Scheme::Lab,
            Scheme::Speicher,
        ]
        .map(|scheme| Listen::new(scheme, Address::Tcp("127.0.0.1".to_owned(), scheme.row().2)))
        .to_vec()
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(url: &str) -> Result<Self, ListenError> {
        Listen::parse(url, &[])
    }
}

impl Listen {
    /// Reads a URL whose scheme may be one of `custom`, too.
    pub fn parse(url: &str, custom: &[SchemeName]) -> Result<Self, ListenError> {
        let (scheme, rest) = url.split_once("://").ok_or(ListenError::NoScheme)?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (name, address) = if let Some(name) = scheme.strip_suffix("+unix") {
            (name, unix_address(place))
        } else if let Some(name) = scheme.strip_suffix("+fd") {
            (name, inherited_address(place))
        } else {
            (scheme, tcp_address(place))
        };
        // A Unix socket's bytes do not leave the machine.
        let tls_name = name
            .strip_suffix("+tls")
            .filter(|_| !scheme.ends_with("+unix"));
        let Some(scheme) = Scheme::find(tls_name.unwrap_or(name), custom) else {
            return Err(ListenError::UnknownScheme(scheme.to_owned()));
        };
        let mut listen = Listen::new(scheme, address?);
        listen.tls = tls_name.is_some();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            listen.set_option(option)?;
        }
        Ok(listen)
    }

    fn set_option(&mut self, option: &str) -> Result<(), ListenError> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let is_unix = matches!(self.address, Address::Unix(_));
        let bad = || ListenError::BadOption(name.to_owned(), value.to_owned());
        match name {
            "db" => self.db = value.parse().map_err(|_| bad())?,
            "key" if self.scheme == Scheme::Counter && value.is_empty() => return Err(bad()),
            "key" if self.scheme == Scheme::Counter => self.key = value.as_bytes().to_vec(),
            "user" | "owner" if value.is_empty() => return Err(bad()),
            "user" => self.user = Some(value.into()),
            "readonly" => self.read_only = yes_or_no(value).ok_or_else(bad)?,
            "open" => self.open = yes_or_no(value).ok_or_else(bad)?,
            "mode" if is_unix => {
                let mode = u32::from_str_radix(value, 8).ok();
                self.mode = Some(mode.filter(|mode| *mode <= 0o777).ok_or_else(bad)?);
            }
            "owner" if is_unix => self.owner = Some(value.into()),
            _ => return Err(ListenError::UnknownOption(name.to_owned())),
        }
        Ok(())
    }
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn inherited_address(place: &str) -> Result<Address, ListenError> {
    let number = place.strip_suffix('/').unwrap_or(place).parse().ok();
    // The first three are the standard streams.
    let number = number.filter(|number| (3..=1_000_000).contains(number));
    number
        .map(Address::Inherited)
        .ok_or(ListenError::NoDescriptor)
}

fn tcp_address(place: &str) -> Result<Address, ListenError> {
    let place = place.strip_suffix('/').unwrap_or(place);
    let (host, port) = place.rsplit_once(':').ok_or(ListenError::NoPort)?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() {
        return Err(ListenError::NoHost);
    }
    let port = port
        .parse()
        .map_err(|_| ListenError::BadPort(port.to_owned()))?;
    Ok(Address::Tcp(host.to_owned(), port))
}

fn unix_address(place: &str) -> Result<Address, ListenError> {
    if place.len() < 2 || !place.starts_with('/') {
        return Err(ListenError::NoPath);
    }
    Ok(Address::Unix(PathBuf::from(place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_where_and_what() {
        let listen: Listen = "counter://[::1]:0?key=hits&db=3".parse().unwrap();
        assert_eq!(listen.scheme, Scheme::Counter);
        assert_eq!(listen.address, Address::Tcp("::1".to_owned(), 0));
        assert_eq!((&listen.key[..], listen.db), (&b"hits"[..], 3));
        assert_eq!(listen.to_string(), "counter://[::1]:0?db=3&key=hits");
        let url = "lab+byte+tls+fd://4?db=2";
        let listen: Listen = url.parse().unwrap();
        assert_eq!(listen.address, Address::Inherited(4));
        assert!(listen.tls && listen.to_string() == url);
        let listen: Listen = "speicher+tls://[::1]:0".parse().unwrap();
        assert_eq!(listen.to_string(), "speicher+tls://[::1]:0");
        let url = "resp+unix:///x?user=u&readonly=yes&open=yes&mode=660&owner=a:b";
        assert_eq!(url.parse::<Listen>().unwrap().to_string(), url);
        let listen: Listen = "lab+byte+unix:///tmp/x.sock".parse().unwrap();
        assert_eq!(
            (listen.scheme, listen.address.clone()),
            (Scheme::LabByte, Address::Unix("/tmp/x.sock".into()))
        );
        assert_eq!(listen.to_string(), "lab+byte+unix:///tmp/x.sock");
    }

    #[test]
    fn a_wrong_url_is_refused_with_the_reason() {
        for (url, error) in [
            ("127.0.0.1:6379", ListenError::NoScheme),
            (
                "http://127.0.0.1:80",
                ListenError::UnknownScheme("http".into()),
            ),
            ("resp://localhost", ListenError::NoPort),
            ("resp://localhost:", ListenError::BadPort("".into())),
            (
                "resp://localhost:70000",
                ListenError::BadPort("70000".into()),
            ),
            ("resp://:6379", ListenError::NoHost),
            ("resp+unix://", ListenError::NoPath),
            ("resp+fd://2", ListenError::NoDescriptor),
            (
                "resp+tls+unix:///x",
                ListenError::UnknownScheme("resp+tls+unix".into()),
            ),
            ("resp+unix://tmp/x", ListenError::NoPath),
            ("resp://h:1?key=x", ListenError::UnknownOption("key".into())),
            (
                "resp://h:1?mode=600",
                ListenError::UnknownOption("mode".into()),
            ),
            (
                "resp+unix:///x?mode=999",
                ListenError::BadOption("mode".into(), "999".into()),
            ),
            (
                "lab://h:1?open=maybe",
                ListenError::BadOption("open".into(), "maybe".into()),
            ),
            (
                "counter://h:1?key=",
                ListenError::BadOption("key".into(), "".into()),
            ),
            (
                "resp://h:1?db=300",
                ListenError::BadOption("db".into(), "300".into()),
            ),
        ] {
            assert_eq!(url.parse::<Listen>(), Err(error), "{url}");
        }
    }

    #[test]
    fn a_soft_limit_gives_some_time() {
        let limit = OutputLimit::new(100, 50, 2);
        let mut since = None;
        assert!(limit.is_passed(101, 0, &mut since));
        assert!(!limit.is_passed(60, 1000, &mut since));
        assert!(!limit.is_passed(60, 3000, &mut since));
        assert!(limit.is_passed(60, 3001, &mut since));
        assert!(!limit.is_passed(50, 3002, &mut since), "it has read on");
        assert!(!limit.is_passed(60, 5002, &mut since));
    }

    #[test]
    fn the_limits_that_are_there_by_default_are_in_range() {
        Limits::default().check().unwrap();
        let limits = Limits {
            databases: 0,
            ..Limits::default()
        };
        assert_eq!(
            limits.check().unwrap_err().to_string(),
            "databases is 0, but must be 1 to 128"
        );
    }
}
