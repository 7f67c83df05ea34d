//! Tells systemd how the daemon is: ready, alive, about to end. Elsewhere, and started by hand, it tells nobody.
//!
//! A message is a datagram to the socket that the environment names; there is no answer to wait for.

use std::time::{Duration, Instant};

/// Whom to tell, if there is anybody.
#[derive(Debug, Default)]
pub struct Notifier {
    #[cfg(target_os = "linux")]
    socket: Option<std::os::unix::net::UnixDatagram>,
    /// How often it is to be told that the loop goes round.
    interval: Option<Duration>,
    told: Option<Instant>,
}

impl Notifier {
    /// As the environment says.
    #[cfg(target_os = "linux")]
    pub fn from_environment() -> Self {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::net::{SocketAddr, UnixDatagram};

        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
            return Notifier::default();
        };
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&name),
        };
        let connected = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&address)?;
            // A supervisor that does not read must not hold up the loop.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let socket = connected
            .inspect_err(|error| log::warn!("NOTIFY_SOCKET: {error}"))
            .ok();
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_for_us =
            number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let limit = number("WATCHDOG_USEC").filter(|us| is_for_us && *us > 0 && socket.is_some());
        Notifier {
            socket,
            // Twice in the time after which it would be ended.
            interval: limit.map(|us| Duration::from_micros(us / 2)),
            told: None,
        }
    }

    /// There is nobody.
    #[cfg(not(target_os = "linux"))]
    pub fn from_environment() -> Self {
        Notifier::default()
    }

    /// Says something, such as `READY=1`.
    pub fn tell(&self, what: &str) {
        #[cfg(target_os = "linux")]
        if let Some(socket) = &self.socket {
            // Whoever cannot be told will find out.
            let _ = socket.send(what.as_bytes());
        }
        #[cfg(not(target_os = "linux"))]
        let _ = what;
    }

    /// Says that the loop goes round, if it is time to; how long the loop may wait until the next call.
    pub fn tell_alive(&mut self) -> Option<Duration> {
        let interval = self.interval?;
        let now = Instant::now();
        let due = self.told.map_or(now, |told| told + interval);
        if now < due {
            return Some(due - now);
        }
        self.told = Some(now);
        self.tell("WATCHDOG=1");
        Some(interval)
    }
}
