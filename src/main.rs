//! The daemon: flags to [`Config`], logger, signals, exit codes. Everything else is the library.
//!
//! Exit codes: 0 after a stop that was asked for, 1 when it could not run, 2 for wrong flags or settings.

mod daemon;

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use daemon::notify::Notifier;
use daemon::{data, footprint, limits, logger, settings, signals, transfer, usage};
use log::{info, warn};
use pentad::allocator::{Counting, allocated_bytes};
use pentad::{BindError, Server};

/// Returns memory to the system sooner and wastes less than the system's own allocator; counted for `maxmemory`.
#[global_allocator]
static ALLOCATOR: Counting<mimalloc::MiMalloc> = Counting(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let settings = match settings::from_command_line() {
        Ok(settings::Outcome::Run(settings)) => *settings,
        Ok(settings::Outcome::Shown(text)) => {
            tell(&text);
            return ExitCode::SUCCESS;
        }
        Ok(settings::Outcome::Tool(tool)) => {
            return match data::run(tool) {
                Ok(text) => {
                    tell(&text);
                    ExitCode::SUCCESS
                }
                Err(error) => fail(1, error),
            };
        }
        Err(error) => return fail(2, error),
    };
    if settings.check {
        tell("configuration is valid\n");
        return ExitCode::SUCCESS;
    }
    if let Err(error) = logger::start(settings.log_level) {
        return fail(1, error);
    }
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, error),
    }
}

fn run(settings: settings::Settings) -> Result<(), Box<dyn std::error::Error>> {
    if let Err(error) = limits::raise_open_files(settings.config.limits.clients_max) {
        warn!("{error}");
    }
    if settings.has_secrets() {
        limits::forbid_core_dumps();
    }
    let storage = data::open(&settings.place, settings.fsync)?;
    let mut server = Server::bind(settings.config).map_err(|error| match error {
        BindError::Limit(_) | BindError::Poll(_) | BindError::Access(_) | BindError::Tls(_) => {
            error.to_string()
        }
        BindError::NoSuchDatabase(_)
        | BindError::NoSuchUser(_)
        | BindError::Unguarded(_)
        | BindError::NoCertificate(_)
        | BindError::Resolve(..)
        | BindError::Bind(..) => {
            format!("--listen {error}")
        }
    })?;
    server.engine_mut().set_usage(usage::read);
    if let Some(storage) = storage {
        server.engine_mut().set_storage(storage);
    }
    server.engine_mut().set_allocated(allocated_bytes);
    signals::stop_on_signal(&server.handle())?;
    let hangup = signals::note_hangups(&server.handle())?;
    // With the ports taken, so that a busy one is told at once; whoever connects waits for the answer.
    if let Some(path) = &settings.load_rdb
        && !transfer::fill(&mut server, path)?
    {
        return Ok(());
    }
    for (scheme, address) in server.addresses() {
        tell(&format!("listening {scheme} {address}\n"));
    }
    let state = if server.engine().is_loading() {
        "loads its data"
    } else {
        "is ready"
    };
    info!("pentad {} {state}", env!("CARGO_PKG_VERSION"));
    footprint::release_start_code();
    turn_until_stopped(&mut server, &hangup)?;
    // A client that does not read must not decide how the daemon ends.
    if !server.run(Duration::from_millis(settings.grace_ms))? {
        warn!("some clients were not answered in time");
    }
    info!("stopped");
    Ok(())
}

/// Turns the server until it is to stop, tells systemd how it is, and reads the settings anew when a SIGHUP asks for that.
fn turn_until_stopped(server: &mut Server, hangup: &AtomicBool) -> std::io::Result<()> {
    let mut notifier = Notifier::from_environment();
    let mut is_ready = false;
    while !server.is_stopping() {
        if !is_ready && !server.engine().is_loading() {
            notifier.tell("READY=1");
            is_ready = true;
        }
        if hangup.swap(false, Ordering::AcqRel) {
            reload(server);
        }
        let timeout = notifier.tell_alive();
        server.turn(timeout)?;
    }
    notifier.tell("STOPPING=1");
    Ok(())
}

fn reload(server: &mut Server) {
    let settings = match settings::from_command_line() {
        Ok(settings::Outcome::Run(settings)) => settings,
        Ok(_) => return,
        Err(error) => return warn!("nothing is changed, the settings are not in order: {error}"),
    };
    if let Err(error) = limits::raise_open_files(settings.config.limits.clients_max) {
        warn!("{error}");
    }
    match server.reconfigure(&settings.config) {
        Ok(()) => {
            log::set_max_level(settings.log_level);
            info!("limits, log level and certificates are as in the settings now");
        }
        Err(error) => warn!("nothing is changed: {error}"),
    }
}

/// Says something on standard output. Whoever closed it does not want to read it.
fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn fail(code: u8, error: impl std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "pentad: {error}");
    ExitCode::from(code)
}
