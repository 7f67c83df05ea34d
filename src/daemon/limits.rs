//! The process's own limits.

use std::fmt;

/// Descriptors that are not connections: standard streams, poller, listeners, files.
const OTHER_FILES: u64 = 64;

/// The system does not let us open as many files as there may be clients.
#[derive(Debug)]
pub struct TooFewFiles {
    wanted: u64,
    allowed: u64,
}

impl fmt::Display for TooFewFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooFewFiles { wanted, allowed } = self;
        write!(
            f,
            "only {allowed} files can be open, but --max-clients needs {wanted}: beyond that clients will have to wait \
             (raise the limit with ulimit -n)"
        )
    }
}

/// Raises the number of files that may be open to what `clients_max` connections need.
#[cfg(unix)]
pub fn raise_open_files(clients_max: usize) -> Result<(), TooFewFiles> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = clients_max as u64 + OTHER_FILES;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    // Only root may raise the hard limit: if that fails, go as far as it allows.
    let maximum = now.maximum.map(|maximum| maximum.max(wanted));
    if setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(wanted),
            maximum,
        },
    )
    .is_ok()
    {
        return Ok(());
    }
    let allowed = now.maximum.unwrap_or(wanted).min(wanted);
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(allowed),
            maximum: now.maximum,
        },
    )
    .is_ok();
    let allowed = if raised {
        allowed
    } else {
        now.current.unwrap_or(allowed)
    };
    if allowed >= wanted {
        Ok(())
    } else {
        Err(TooFewFiles { wanted, allowed })
    }
}

/// Elsewhere there is no such limit to raise.
#[cfg(not(unix))]
pub fn raise_open_files(_: usize) -> Result<(), TooFewFiles> {
    Ok(())
}

/// Sees to it that the process leaves no picture of its memory behind when it crashes: there are secrets in it.
pub fn forbid_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = Rlimit {
            current: Some(0),
            maximum: getrlimit(Resource::Core).maximum,
        };
        // It may always be lowered.
        let _ = setrlimit(Resource::Core, limit);
    }
}
