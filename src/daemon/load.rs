//! Fills the keyspace from a file of Redis's.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log::info;
use pentad::Server;
use pentad::protocol::resp::ErrorReply;
use pentad::rdb::{FileError, Loaded, Loader, Reader};

/// How often a long load says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Keys that are loaded before the next look at clock and signals.
const KEYS_PER_STEP: usize = 1000;

/// The file was not loaded.
#[derive(Debug)]
pub struct LoadError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Open(std::io::Error),
    File(FileError),
    Function(ErrorReply),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.why {
            Why::Open(error) => error.fmt(f),
            Why::File(error) => error.fmt(f),
            Why::Function(error) => write!(f, "a library of functions: {error}"),
        }
    }
}

impl std::error::Error for LoadError {}

/// Loads the file; gives what it had. A stop that is asked for meanwhile ends it, and then it gives nothing.
pub fn load(path: &Path, server: &mut Server) -> Result<Option<Loaded>, LoadError> {
    let refuse = |why| LoadError {
        path: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(|error| refuse(Why::Open(error)))?;
    let file_bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let reader = Reader::new(file).map_err(|error| refuse(Why::File(error)))?;
    let mut loader = Loader::new(reader, false);
    let started = Instant::now();
    let mut told = started;
    while loader
        .step(&mut server.engine_mut().keyspace, KEYS_PER_STEP)
        .map_err(|error| refuse(Why::File(error)))?
    {
        if server.is_stopping() {
            return Ok(None);
        }
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let percent = loader.offset() * 100 / file_bytes.max(1);
            info!(
                "loading {}: {percent} %, {} keys",
                path.display(),
                loader.loaded().keys
            );
        }
    }
    let loaded = loader.loaded();
    for code in &loaded.functions {
        server
            .store()
            .execute([&b"FUNCTION"[..], b"LOAD", code])
            .map_err(|error| refuse(Why::Function(error)))?;
    }
    info!(
        "loaded {}: {} keys and {} libraries of functions in {:.1} s, {} more keys had expired",
        path.display(),
        loaded.keys,
        loaded.functions.len(),
        started.elapsed().as_secs_f64(),
        loaded.expired
    );
    Ok(Some(loaded.clone()))
}
