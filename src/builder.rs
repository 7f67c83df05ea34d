//! How a server is put together.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Limits, Listen, ListenError, SchemeName};
use crate::engine::Engine;
use crate::keyspace::Seed;
use crate::protocol::custom::{Protocol, Protocols};
use crate::protocol::resp::{Args, CommandCx, CommandError, CommandSpec, RegisterError};
use crate::server::{BindError, Server};
use crate::storage::journal::Journal;
use crate::storage::{Fsync, StorageError};

/// A server to be; see [`Server::builder`].
///
/// ```
/// use pentad::{Server, testing::ManualClock};
///
/// let server = Server::builder()
///     .listen("resp://127.0.0.1:0")
///     .listen("metrics://127.0.0.1:0?db=1")
///     .databases(4)
///     .clock(ManualClock::default())
///     .build()?;
/// assert_eq!(server.addresses().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Builder {
    urls: Vec<String>,
    config: Config,
    clock: Box<dyn Clock>,
    grace: Duration,
    data: Option<(PathBuf, Fsync)>,
    sync_thread: bool,
    allocated: Option<fn() -> usize>,
    /// Names and values in turn.
    settings: Vec<Vec<u8>>,
    protocols: Protocols,
    commands: Vec<Register>,
    error: Option<BuildError>,
}

type Register = Box<dyn FnOnce(&mut Engine) -> Result<(), RegisterError> + Send>;

/// How long [`Running`](crate::Running) lets a server answer what it has received when it is stopped.
const GRACE: Duration = Duration::from_secs(5);

impl Default for Builder {
    fn default() -> Self {
        Builder {
            urls: Vec::new(),
            config: Config::default(),
            clock: Box::new(SystemClock::default()),
            grace: GRACE,
            data: None,
            sync_thread: false,
            allocated: None,
            settings: Vec::new(),
            protocols: Protocols::default(),
            commands: Vec::new(),
            error: None,
        }
    }
}

/// Why a server could not be built.
#[derive(Debug)]
pub enum BuildError {
    /// A listener's URL is not understood.
    Listen(String, ListenError),
    /// A protocol's name cannot be one, or is taken.
    Protocol(String),
    /// A command cannot be registered.
    Command(RegisterError),
    /// A limit is out of range, or an address cannot be listened on.
    Bind(BindError),
    /// The data cannot be kept there, or what is kept there cannot be loaded.
    Data(StorageError),
    /// A setting is none, or cannot be set to that: what `CONFIG SET` says of it.
    Setting(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Listen(url, error) => write!(f, "{url}: {error}"),
            BuildError::Protocol(name) => {
                write!(f, "{name:?} cannot be a protocol's name, or is taken")
            }
            BuildError::Command(error) => write!(f, "{error}"),
            BuildError::Bind(error) => write!(f, "{error}"),
            BuildError::Data(error) => write!(f, "{error}"),
            BuildError::Setting(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BuildError::Listen(_, error) => Some(error),
            BuildError::Protocol(_) | BuildError::Setting(_) => None,
            BuildError::Command(error) => Some(error),
            BuildError::Bind(error) => Some(error),
            BuildError::Data(error) => Some(error),
        }
    }
}

impl From<BindError> for BuildError {
    fn from(error: BindError) -> Self {
        BuildError::Bind(error)
    }
}

impl Builder {
    /// Listens at this URL, such as `resp://127.0.0.1:6379`; port 0 takes a free one. Without any, nobody can connect,
    /// and the data is the host's alone.
    pub fn listen(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// All limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Says how many bytes the program has allocated: without that there is no `maxmemory`. See [`crate::allocator`], whose
    /// [`allocated_bytes`](crate::allocator::allocated_bytes) is meant for this.
    pub fn allocated(mut self, read: fn() -> usize) -> Self {
        self.allocated = Some(read);
        self
    }

    /// Sets what `CONFIG SET` can set: `maxmemory`, `requirepass`, the certificates of TLS ... All of it is set at once, when
    /// the [data](Builder::data) is loaded and before anything listens.
    ///
    /// ```
    /// use std::alloc::System;
    /// use pentad::{Server, allocator::{Counting, allocated_bytes}};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: Counting<System> = Counting(System);
    ///
    /// let mut server = Server::builder()
    ///     .allocated(allocated_bytes)
    ///     .setting("maxmemory", "100mb")
    ///     .setting("maxmemory-policy", "allkeys-lfu")
    ///     .build()?;
    /// let reply = server.store().execute(["CONFIG", "GET", "maxmemory"])?;
    /// assert_eq!(reply.field("maxmemory").and_then(|value| value.as_str()), Some("104857600"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn setting(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.settings.extend([name.into(), value.into()]);
        self
    }

    /// How many numbered databases there are: 1 to 128.
    pub fn databases(mut self, databases: u8) -> Self {
        self.config.limits.databases = databases;
        self
    }

    /// Hash keys and random choices; from the system unless told.
    pub fn seed(mut self, seed: Seed) -> Self {
        self.config.seed = Some(seed);
        self
    }

    /// What time it is; the system's clock unless told.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// How long a [spawned](Server::spawn) server that is stopped may take to answer what it has received: 5 s unless
    /// told.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Keeps all data in files of this directory, which is made if it is missing; no other server can use it meanwhile.
    /// [`build`](Builder::build) loads what is there, and takes as long as that takes. What requests change is on the disk
    /// before they are answered, or up to a second later, as `fsync` says; what the host itself changes, with the next
    /// [turn](Server::turn). To be ended with [`Server::run`] or [`Server::close`].
    ///
    /// There is no thread for this: once a second or before replies, as `fsync` says, a turn waits for the disk; see
    /// [`sync_thread`](Builder::sync_thread).
    ///
    /// A host that cannot wait for loading, or keeps data elsewhere, hands a [`Storage`](crate::storage::Storage) to
    /// [`Engine::set_storage`] instead: then turns load it, and clients are told so.
    ///
    /// ```
    /// use pentad::{Server, storage::Fsync};
    ///
    /// # let folder = std::env::temp_dir().join(format!("pentad-builder-{}", std::process::id()));
    /// let open = || Server::builder().data(&folder, Fsync::EverySecond).build();
    /// let mut server = open()?;
    /// server.store().set("greeting", "hello");
    /// server.close()?;
    /// assert!(open()?.store().exists("greeting"));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn data(mut self, dir: impl Into<PathBuf>, fsync: Fsync) -> Self {
        self.data = Some((dir.into(), fsync));
        self
    }

    /// Has the files of the [data](Builder::data) synced by a thread, which knows nothing but them. Turns wait for the disk
    /// only where replies have to (`always`).
    pub fn sync_thread(mut self) -> Self {
        self.sync_thread = true;
        self
    }

    /// Adds a command that RESP clients (and [`Store::execute`](crate::Store::execute)) can run. It appears in COMMAND
    /// like any other. `run` gets the arguments, the command's name first, writes one reply to
    /// [`CommandCx::reply`], or returns an error before it has written or changed anything. If it panics, its client is
    /// answered an error.
    ///
    /// ```
    /// use pentad::{CommandSpec, Server};
    ///
    /// let spec = CommandSpec::new(3).writes_key().summary("Adds to a total, and gives twice of it.");
    /// let mut server = Server::builder()
    ///     .command("MY.ADD", spec, |cx, args| {
    ///         let by = args.integer(2)?;
    ///         let total = cx.store().incr_by(&args[1], by)?;
    ///         cx.reply().integer(total * 2);
    ///         Ok(())
    ///     })
    ///     .build()?;
    /// let reply = server.store().execute(["my.add", "total", "21"])?;
    /// assert_eq!(reply.as_i64(), Some(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn command(
        mut self,
        name: &'static str,
        spec: CommandSpec,
        run: impl FnMut(&mut CommandCx<'_>, Args<'_>) -> Result<(), CommandError> + Send + 'static,
    ) -> Self {
        self.commands.push(Box::new(move |engine| {
            engine.register_command(name, spec, run)
        }));
        self
    }

    /// Adds a protocol, to be spoken by listeners whose URL begins with `name`; see [`Protocol`]. `make` makes one for
    /// each connection. A name has 1 to 15 small letters, digits, `-` and `.`, a letter first.
    pub fn protocol<P: Protocol + 'static>(
        mut self,
        name: &str,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        let added = SchemeName::new(name).is_some_and(|name| self.protocols.add(name, make));
        if !added {
            self.error
                .get_or_insert_with(|| BuildError::Protocol(name.to_owned()));
        }
        self
    }

    /// Checks everything, loads the [data](Builder::data), sets the [settings](Builder::setting), and binds all listeners. No
    /// client is served before the first turn.
    pub fn build(self) -> Result<Server, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let names = self.protocols.names();
        let mut listen = self.config.listen;
        for url in self.urls {
            match Listen::parse(&url, &names) {
                Ok(one) => listen.push(one),
                Err(error) => return Err(BuildError::Listen(url, error)),
            }
        }
        let config = Config {
            listen: Vec::new(),
            ..self.config
        };
        let mut server = Server::bind_with_clock(config, self.clock)?;
        server.set_grace(self.grace);
        let engine = server.engine_mut();
        engine.hub.allocated = self.allocated;
        engine.hub.protocols = self.protocols;
        for register in self.commands {
            register(engine).map_err(BuildError::Command)?;
        }
        if let Some((dir, fsync)) = self.data {
            let journal = Journal::in_directory(&dir, fsync, self.sync_thread);
            engine.set_storage(Box::new(journal.map_err(BuildError::Data)?));
            engine.load_all().map_err(BuildError::Data)?;
        }
        if !self.settings.is_empty() {
            let command = [b"CONFIG".to_vec(), b"SET".to_vec()];
            let set = server
                .store()
                .execute(command.into_iter().chain(self.settings));
            set.map_err(|error| BuildError::Setting(error.text().to_owned()))?;
        }
        for one in listen {
            server.listen(one)?;
        }
        Ok(server)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("urls", &self.urls)
            .field("config", &self.config)
            .field("data", &self.data)
            .field("sync_thread", &self.sync_thread)
            .field("protocols", &self.protocols)
            .field("commands", &self.commands.len())
            .finish_non_exhaustive()
    }
}
