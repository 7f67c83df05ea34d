//! SIGINT and SIGTERM: the first asks the server to end, the second ends the process at once. SIGHUP asks for the settings to
//! be read anew.
#![allow(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pentad::Handle;

/// Installs the handlers.
#[cfg(unix)]
pub fn stop_on_signal(handle: &Handle) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Handlers run in the order of their registration: the first signal finds the flag unset, and sets it.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&asked))?;
        signal_hook::flag::register(signal, Arc::clone(&asked))?;
        let handle = handle.clone();
        // SAFETY: the action is async-signal-safe. Handle::stop stores to an atomic and writes to an eventfd (or
        // pipe) that is open as long as the handle lives; it takes no lock and does not allocate.
        unsafe { signal_hook::low_level::register(signal, move || handle.stop())? };
    }
    Ok(())
}

/// Elsewhere the system's own handling has to do.
#[cfg(not(unix))]
pub fn stop_on_signal(_: &Handle) -> io::Result<()> {
    Ok(())
}

/// A flag that SIGHUP sets, after which the server's poll ends.
#[cfg(unix)]
pub fn note_hangups(handle: &Handle) -> io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::SIGHUP;

    let asked = Arc::new(AtomicBool::new(false));
    // Handlers run in the order of their registration.
    signal_hook::flag::register(SIGHUP, Arc::clone(&asked))?;
    let handle = handle.clone();
    // SAFETY: the action is async-signal-safe, as above: Handle::wake writes to an eventfd (or pipe).
    unsafe { signal_hook::low_level::register(SIGHUP, move || handle.wake())? };
    Ok(asked)
}

/// Elsewhere there is no such signal.
#[cfg(not(unix))]
pub fn note_hangups(_: &Handle) -> io::Result<Arc<AtomicBool>> {
    Ok(Arc::default())
}
