//! The command line and the configuration file: two ways to say the same things. Flags win.

use std::fmt;
use std::net::ToSocketAddrs;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use log::LevelFilter;
use pentad::Address;
use pentad::acl::{Access, AccessError, Acl};
use pentad::config::{Config, Limits, Listen};
use pentad::keyspace::Policy;
use pentad::number::parse_bytes;
use pentad::protocol::resp::Table;
use pentad::storage::Fsync;
use pentad::tls::{AuthClients, Tls, TlsError, TlsOptions};
use serde::Deserialize;

/// What the daemon is to do.
#[derive(Debug)]
pub struct Settings {
    /// For the library.
    pub config: Config,
    /// What is logged.
    pub log_level: LevelFilter,
    /// How long the end may take, in ms.
    pub grace_ms: u64,
    /// The file of which the keys are loaded first.
    pub load_rdb: Option<PathBuf>,
    /// Only say whether the settings are valid.
    pub check: bool,
    /// Where data is kept.
    pub place: Place,
    /// When it has to be on the disk.
    pub fsync: Fsync,
}

impl Settings {
    /// Whether the process knows passwords or keys.
    pub fn has_secrets(&self) -> bool {
        let access = &self.config.access;
        let has_passwords =
            access.password.is_some() || access.file.is_some() || !access.users.is_empty();
        has_passwords || self.config.tls.key_file.is_some()
    }
}

/// Where data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    Memory,
    /// In the files of a directory.
    Journal(PathBuf),
    /// In a table of a SQLite database.
    Sqlite(PathBuf),
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Outcome {
    /// To run.
    Run(Box<Settings>),
    /// To be told something: help, or the version.
    Shown(String),
    /// To look after files.
    Tool(Tool),
}

/// A server of five protocols on one keyspace: RESP (Redis), metrics, counter, lab and speicher.
///
/// With no --listen it listens on loopback: resp 6379, metrics 8888, counter 4444, lab 7777, speicher 14567.
#[derive(Debug, Default, Parser, Deserialize)]
#[command(
    name = "pentad",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Flags {
    /// Where to listen, and for which protocol; repeatable. SCHEME://HOST:PORT or SCHEME+unix:///PATH, with
    /// SCHEME one of resp, metrics, counter, lab, lab+byte, lab+digit, speicher; ?db=N sets the database,
    /// ?key=NAME the counter's key, ?user=NAME who its clients are, ?readonly=yes takes no writes, ?open=yes serves
    /// other hosts without a password, ?mode=660 and ?owner=USER:GROUP are a Unix socket's. Port 0 takes a free one
    #[arg(long, value_name = "URL")]
    #[serde(default)]
    listen: Vec<String>,

    /// Read settings from a TOML file: the same names, without the dashes; flags win
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,

    /// What is logged to standard error: off, error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LevelFilter>,

    /// How long a stop may take to answer what has been received, in ms [default: 5000]
    #[arg(long, value_name = "MS")]
    grace_ms: Option<u64>,

    /// Connections at the same time [default: 10000]
    #[arg(long, value_name = "N")]
    max_clients: Option<usize>,

    /// Bytes of one request and of one string value [default: 536870912]
    #[arg(long, value_name = "BYTES")]
    max_request_bytes: Option<usize>,

    /// Bytes of one line of the metrics and counter protocols, and of an inline RESP command [default: 65536]
    #[arg(long, value_name = "BYTES")]
    max_line_bytes: Option<usize>,

    /// Bytes of unsent output of one connection, above which it is dropped; at half of it (64 MiB at most) the connection
    /// is not read any more, until half of that is left [default: 1073741824]
    #[arg(long, value_name = "BYTES")]
    max_output_bytes: Option<usize>,

    /// Seconds without any progress in sending, after which a connection that has output waiting is dropped;
    /// 0: never [default: 60]
    #[arg(long, value_name = "S")]
    output_stall_timeout_s: Option<u64>,

    /// Seconds after which a connection that sends nothing is closed; 0: never [default: 0]
    #[arg(long, value_name = "S")]
    idle_timeout_s: Option<u64>,

    /// Seconds that a request may take to come in whole, and one more for each 16 KiB of it; 0: any time [default: 60]
    #[arg(long, value_name = "S")]
    request_timeout_s: Option<u64>,

    /// Connections from one address; 0: no limit [default: 0]
    #[arg(long, value_name = "N")]
    max_clients_per_address: Option<usize>,

    /// Seconds of silence after which the system asks whether a TCP client is still there; 0: never [default: 300]
    #[arg(long, value_name = "S")]
    tcp_keepalive_s: Option<u64>,

    /// Clients that may wait to be accepted, as far as the system allows [default: 1024]
    #[arg(long, value_name = "N")]
    tcp_backlog: Option<u32>,

    /// Bytes of memory in use, above which keys are evicted or writes refused; 0: no limit. Units as in 100mb are understood
    /// [default: 0]
    #[arg(long, value_name = "BYTES")]
    maxmemory: Option<Bytes>,

    /// Which keys are evicted: noeviction, allkeys-lru, allkeys-lfu, allkeys-random, volatile-lru, volatile-lfu,
    /// volatile-random, volatile-ttl [default: noeviction]
    #[arg(long, value_name = "POLICY")]
    maxmemory_policy: Option<String>,

    /// Bytes that the buffers of all connections together may hold, above which the largest are closed; 0: no limit
    /// [default: 0]
    #[arg(long, value_name = "BYTES")]
    maxmemory_clients: Option<Bytes>,

    /// Numbered databases, 1 to 128 [default: 16]
    #[arg(long, value_name = "N")]
    databases: Option<u8>,

    /// Load the keys and functions of an RDB file (of Redis 2.2 to 7.4) before anybody is served
    #[arg(long, value_name = "FILE")]
    load_rdb: Option<PathBuf>,

    /// Keep all data in files of this directory; without it, everything is in memory only
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Keep all data there: journal:DIR (the same as --data DIR), sqlite:PATH (a database with a table that can be
    /// queried), memory [default: memory]
    #[arg(long, value_name = "KIND")]
    storage: Option<String>,

    /// When a change has to be on the disk: always (before it is answered), everysec (a second later), no (when the
    /// system likes) [default: everysec]
    #[arg(long, value_name = "WHEN")]
    fsync: Option<String>,
    /// A password that RESP clients of the default user must give. Other users of the machine can see flags: the
    /// settings file or --aclfile is the better place
    #[arg(long, value_name = "PASSWORD")]
    requirepass: Option<String>,

    /// A file with that password in its first line; without it, the environment's PENTAD_REQUIREPASS is the password
    #[arg(long, value_name = "FILE", conflicts_with = "requirepass")]
    requirepass_file: Option<PathBuf>,

    /// The certificate that +tls listeners show, and those behind it, as PEM; read anew after SIGHUP
    #[arg(long, value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,

    /// Its private key, as PEM
    #[arg(long, value_name = "FILE")]
    tls_key_file: Option<PathBuf>,

    /// The certificates of those who may sign clients' certificates, as PEM
    #[arg(long, value_name = "FILE")]
    tls_ca_cert_file: Option<PathBuf>,

    /// Whether clients of +tls listeners have to show a certificate: yes, optional, no [default: yes]
    #[arg(long, value_name = "WHEN")]
    tls_auth_clients: Option<String>,

    /// Whether a client is the user whose name its certificate bears: off, or CN [default: off]
    #[arg(long, value_name = "OFF|CN")]
    tls_auth_clients_user: Option<String>,

    /// A user, as `NAME RULE ...` in the rule language of Redis's ACLs; repeatable
    #[arg(long, value_name = "RULES")]
    #[serde(default)]
    user: Vec<String>,

    /// The file that ACL LOAD and ACL SAVE mean, with a line `user NAME RULE ...` for each user; it is loaded at the start
    #[arg(long, value_name = "FILE")]
    aclfile: Option<PathBuf>,

    /// Whether RESP clients of other hosts are refused as long as the default user has no password: yes or no
    /// [default: yes]
    #[arg(long, value_name = "YES|NO")]
    protected_mode: Option<String>,

    /// Check all settings, say whether they are valid, and exit
    #[arg(long)]
    #[serde(skip)]
    check: bool,

    #[command(subcommand)]
    #[serde(skip)]
    tool: Option<Tool>,
}

/// What can be done with the place where data is kept while no daemon uses it.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Read all files of a data directory, and tell what is in them and whether they are whole
    Check {
        /// The directory, as in --data
        dir: PathBuf,
    },
    /// Set aside what cannot be read of a journal, and what is behind it, so that the rest can be loaded
    Repair {
        /// The directory, as in --data
        dir: PathBuf,
    },
    /// Fill an empty place with the keys of an RDB file (of Redis 2.2 to 7.4)
    Import {
        /// The RDB file
        file: PathBuf,
        #[command(flatten)]
        place: PlaceFlags,
    },
    /// Write all keys to an RDB file that redis-server 7.0 and later load
    Export {
        /// The RDB file
        file: PathBuf,
        #[command(flatten)]
        place: PlaceFlags,
        /// JSON documents and time series too, which only a redis-server with their modules loads
        #[arg(long)]
        modules: bool,
    },
}

/// Where data is kept, on the command line.
#[derive(Debug, Args)]
pub struct PlaceFlags {
    /// A data directory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// journal:DIR or sqlite:PATH
    #[arg(long, value_name = "KIND")]
    storage: Option<String>,
}

impl PlaceFlags {
    /// The place that they name.
    pub fn place(self) -> Result<Place, SettingsError> {
        match Place::of(self.data, self.storage)? {
            Place::Memory => Err(SettingsError::Usage(
                "--data DIR or --storage KIND has to say where the keys are kept".to_owned(),
            )),
            place => Ok(place),
        }
    }
}

/// A number of bytes, with a unit or without: `1048576`, `1mb`, `1m` (a million).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
struct Bytes(usize);

impl std::str::FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = parse_bytes(text.as_bytes());
        bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .map(Bytes)
            .ok_or_else(|| "expected bytes, as in 1048576 or 1mb".to_owned())
    }
}

impl TryFrom<toml::Value> for Bytes {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => text.parse(),
            other => other.to_string().parse(),
        }
    }
}

/// What is wrong with the settings; one line.
#[derive(Debug)]
pub enum SettingsError {
    /// The command line is not understood.
    Usage(String),
    /// The file cannot be read.
    ReadFile(PathBuf, std::io::Error),
    /// The file is not understood.
    ParseFile(PathBuf, String),
    /// A setting cannot be used: its name, its value, and why.
    Value(&'static str, String, String),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Usage(text) => write!(f, "{text} (pentad --help tells all flags)"),
            SettingsError::ReadFile(path, error) => {
                write!(f, "--config {}: {error}", path.display())
            }
            SettingsError::ParseFile(path, error) => {
                write!(f, "--config {}: {error}", path.display())
            }
            SettingsError::Value(name, value, why) => write!(f, "--{name} {value}: {why}"),
        }
    }
}

impl Place {
    /// What the two flags say, of which only one can.
    fn of(data: Option<PathBuf>, storage: Option<String>) -> Result<Self, SettingsError> {
        match (data, storage) {
            (Some(_), Some(storage)) => {
                let why = "--data says already where".to_owned();
                Err(SettingsError::Value("storage", storage, why))
            }
            (Some(dir), None) => Ok(Place::Journal(dir)),
            (None, Some(storage)) => Place::parse(&storage).ok_or_else(|| {
                let why = "must be memory, journal:DIR or sqlite:PATH".to_owned();
                SettingsError::Value("storage", storage, why)
            }),
            (None, None) => Ok(Place::Memory),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "memory" {
            return Some(Place::Memory);
        }
        match text.split_once(':')? {
            (_, "") => None,
            ("journal", dir) => Some(Place::Journal(dir.into())),
            ("sqlite", path) => Some(Place::Sqlite(path.into())),
            _ => None,
        }
    }
}

impl std::error::Error for SettingsError {}

/// Reads flags, and the file that they name.
pub fn from_command_line() -> Result<Outcome, SettingsError> {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            return Ok(Outcome::Shown(error.render().to_string()));
        }
        Err(error) => {
            return Err(SettingsError::Usage(first_paragraph(
                &error.render().to_string(),
            )));
        }
    };
    if let Some(tool) = flags.tool {
        return Ok(Outcome::Tool(tool));
    }
    let file = match &flags.config {
        Some(path) => read_file(path)?,
        None => Flags::default(),
    };
    let settings = flags.over(file).into_settings()?;
    Ok(Outcome::Run(Box::new(settings)))
}

/// Clap explains at length; the first paragraph says what is wrong.
fn first_paragraph(text: &str) -> String {
    let lines = text
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .map(str::trim);
    let joined = lines.collect::<Vec<_>>().join(" ");
    joined.strip_prefix("error: ").unwrap_or(&joined).to_owned()
}

fn read_file(path: &PathBuf) -> Result<Flags, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SettingsError::ReadFile(path.clone(), error))?;
    toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        let message = error
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        SettingsError::ParseFile(path.clone(), format!("line {line}: {message}"))
    })
}

impl Flags {
    /// What is said here, and what `other` says where nothing is.
    fn over(self, other: Flags) -> Flags {
        // Both say where data is kept: one here, and none of the file's counts.
        let places = if self.data.is_some() || self.storage.is_some() {
            (self.data, self.storage)
        } else {
            (other.data, other.storage)
        };
        Flags {
            listen: if self.listen.is_empty() {
                other.listen
            } else {
                self.listen
            },
            config: self.config,
            log_level: self.log_level.or(other.log_level),
            grace_ms: self.grace_ms.or(other.grace_ms),
            max_clients: self.max_clients.or(other.max_clients),
            max_request_bytes: self.max_request_bytes.or(other.max_request_bytes),
            max_line_bytes: self.max_line_bytes.or(other.max_line_bytes),
            max_output_bytes: self.max_output_bytes.or(other.max_output_bytes),
            output_stall_timeout_s: self.output_stall_timeout_s.or(other.output_stall_timeout_s),
            idle_timeout_s: self.idle_timeout_s.or(other.idle_timeout_s),
            request_timeout_s: self.request_timeout_s.or(other.request_timeout_s),
            max_clients_per_address: self
                .max_clients_per_address
                .or(other.max_clients_per_address),
            tcp_keepalive_s: self.tcp_keepalive_s.or(other.tcp_keepalive_s),
            tcp_backlog: self.tcp_backlog.or(other.tcp_backlog),
            maxmemory: self.maxmemory.or(other.maxmemory),
            maxmemory_policy: self.maxmemory_policy.or(other.maxmemory_policy),
            maxmemory_clients: self.maxmemory_clients.or(other.maxmemory_clients),
            databases: self.databases.or(other.databases),
            load_rdb: self.load_rdb.or(other.load_rdb),
            data: places.0,
            storage: places.1,
            fsync: self.fsync.or(other.fsync),
            requirepass_file: match self.requirepass {
                Some(_) => None,
                None => self.requirepass_file.or(other.requirepass_file),
            },
            requirepass: self.requirepass.or(other.requirepass),
            tls_cert_file: self.tls_cert_file.or(other.tls_cert_file),
            tls_key_file: self.tls_key_file.or(other.tls_key_file),
            tls_ca_cert_file: self.tls_ca_cert_file.or(other.tls_ca_cert_file),
            tls_auth_clients: self.tls_auth_clients.or(other.tls_auth_clients),
            tls_auth_clients_user: self.tls_auth_clients_user.or(other.tls_auth_clients_user),
            user: if self.user.is_empty() {
                other.user
            } else {
                self.user
            },
            aclfile: self.aclfile.or(other.aclfile),
            protected_mode: self.protected_mode.or(other.protected_mode),
            check: self.check,
            tool: None,
        }
    }

    /// The default user's password: where other users of the machine cannot see it, if the settings are kind.
    fn password(&self) -> Result<Option<String>, SettingsError> {
        let Some(path) = &self.requirepass_file else {
            let from_environment = || std::env::var("PENTAD_REQUIREPASS").ok();
            let given = self.requirepass.clone().or_else(from_environment);
            return Ok(given.filter(|password| !password.is_empty()));
        };
        let refuse =
            |why: String| SettingsError::Value("requirepass-file", path.display().to_string(), why);
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        match text.lines().next().unwrap_or_default() {
            "" => Err(refuse("its first line is empty".to_owned())),
            password => Ok(Some(password.to_owned())),
        }
    }

    fn tls(&self) -> Result<TlsOptions, SettingsError> {
        let auth_clients = self.tls_auth_clients.as_deref().unwrap_or("yes");
        let refuse = |name, value: &str, why: &str| {
            SettingsError::Value(name, value.to_owned(), why.to_owned())
        };
        let user = self.tls_auth_clients_user.as_deref().unwrap_or("off");
        let options = TlsOptions {
            cert_file: self.tls_cert_file.clone(),
            key_file: self.tls_key_file.clone(),
            ca_cert_file: self.tls_ca_cert_file.clone(),
            auth_clients: AuthClients::by_name(auth_clients).ok_or_else(|| {
                refuse(
                    "tls-auth-clients",
                    auth_clients,
                    "must be yes, optional or no",
                )
            })?,
            clients_are_users: match user {
                "off" => false,
                "CN" | "cn" => true,
                other => return Err(refuse("tls-auth-clients-user", other, "must be off or CN")),
            },
        };
        let mut tls = Tls::default();
        tls.options = options;
        match tls.apply() {
            Ok(()) => Ok(tls.options),
            Err(TlsError::File(path, why)) => Err(SettingsError::Usage(format!(
                "TLS: {}: {why}",
                path.display()
            ))),
            Err(error) => Err(SettingsError::Usage(error.to_string())),
        }
    }

    fn access(&self) -> Result<Access, SettingsError> {
        let unprotected = match self.protected_mode.as_deref() {
            None | Some("yes") => false,
            Some("no") => true,
            Some(other) => {
                let why = "must be yes or no".to_owned();
                return Err(SettingsError::Value(
                    "protected-mode",
                    other.to_owned(),
                    why,
                ));
            }
        };
        let access = Access {
            users: self.user.clone(),
            file: self.aclfile.clone(),
            password: self.password()?,
            unprotected,
        };
        let table = Table::default();
        match Acl::new(&table).configure(&access, &table) {
            Ok(()) => Ok(access),
            Err(error @ AccessError::File(_)) => {
                let file = self.aclfile.clone().unwrap_or_default();
                let file = file.display().to_string();
                Err(SettingsError::Value("aclfile", file, error.to_string()))
            }
            Err(error) => Err(SettingsError::Usage(format!("--user: {error}"))),
        }
    }

    fn into_settings(self) -> Result<Settings, SettingsError> {
        let or = Limits::default();
        let eviction_policy = match &self.maxmemory_policy {
            None => or.eviction_policy,
            Some(name) => Policy::by_name(name.as_bytes()).ok_or_else(|| {
                let names = Policy::NAMES.map(|(_, name)| name).join(", ");
                let why = format!("must be one of {names}");
                SettingsError::Value("maxmemory-policy", name.clone(), why)
            })?,
        };
        let limits = Limits {
            clients_max: self.max_clients.unwrap_or(or.clients_max),
            request_bytes_max: self.max_request_bytes.unwrap_or(or.request_bytes_max),
            line_bytes_max: self.max_line_bytes.unwrap_or(or.line_bytes_max),
            output_bytes_max: self.max_output_bytes.unwrap_or(or.output_bytes_max),
            output_stall_timeout_s: self
                .output_stall_timeout_s
                .unwrap_or(or.output_stall_timeout_s),
            idle_timeout_s: self.idle_timeout_s.unwrap_or(or.idle_timeout_s),
            memory_bytes_max: self.maxmemory.map_or(or.memory_bytes_max, |bytes| bytes.0),
            eviction_policy,
            request_timeout_s: self.request_timeout_s.unwrap_or(or.request_timeout_s),
            clients_per_address_max: self
                .max_clients_per_address
                .unwrap_or(or.clients_per_address_max),
            tcp_keepalive_s: self.tcp_keepalive_s.unwrap_or(or.tcp_keepalive_s),
            tcp_backlog: self.tcp_backlog.unwrap_or(or.tcp_backlog),
            clients_bytes_max: self
                .maxmemory_clients
                .map_or(or.clients_bytes_max, |bytes| bytes.0),
            databases: self.databases.unwrap_or(or.databases),
            ..or
        };
        limits.check().map_err(|error| {
            let why = format!("must be {} to {}", error.least, error.most);
            SettingsError::Value(error.name, error.value.to_string(), why)
        })?;
        let access = self.access()?;
        let tls = self.tls()?;
        let mut listen = Vec::new();
        for url in &self.listen {
            let refuse = |why: String| SettingsError::Value("listen", url.clone(), why);
            let one: Listen = url
                .parse()
                .map_err(|error: pentad::config::ListenError| refuse(error.to_string()))?;
            if one.db >= limits.databases {
                return Err(refuse(format!(
                    "there is no database {}, only 0 to {}",
                    one.db,
                    limits.databases - 1
                )));
            }
            if let Address::Tcp(host, port) = &one.address {
                (host.as_str(), *port)
                    .to_socket_addrs()
                    .map_err(|error| refuse(format!("cannot resolve {host:?}: {error}")))?;
            }
            listen.push(one);
        }
        if listen.is_empty() {
            listen = Listen::defaults();
        }
        let fsync = match &self.fsync {
            None => Fsync::default(),
            Some(name) => Fsync::parse(name).ok_or_else(|| {
                let why = "must be always, everysec or no".to_owned();
                SettingsError::Value("fsync", name.clone(), why)
            })?,
        };
        let place = Place::of(self.data, self.storage)?;
        Ok(Settings {
            config: Config {
                listen,
                limits,
                access,
                tls,
                seed: None,
            },
            log_level: self.log_level.unwrap_or(LevelFilter::Info),
            grace_ms: self.grace_ms.unwrap_or(5000),
            load_rdb: self.load_rdb,
            check: self.check,
            place,
            fsync,
        })
    }
}
