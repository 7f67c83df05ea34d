//! Where data is kept: opened for the daemon, looked after by `pentad check`, `repair`, `import` and `export`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use pentad::storage::disk::Directory;
use pentad::storage::journal::{self, Journal};
use pentad::storage::sqlite::Sqlite;
use pentad::storage::{Fsync, Storage, StorageError};

use super::settings::{Place, Tool};
use super::transfer;

/// Opens what all data is to be kept in, if there is anything.
pub fn open(place: &Place, fsync: Fsync) -> Result<Option<Box<dyn Storage>>, StorageError> {
    match place {
        Place::Memory => Ok(None),
        Place::Journal(dir) => Ok(Some(Box::new(Journal::in_directory(dir, fsync, true)?))),
        Place::Sqlite(path) => Ok(Some(Box::new(Sqlite::open(path, fsync)?.with_helper()))),
    }
}

/// Runs `pentad check` and the like; gives what is to be said.
pub fn run(tool: Tool) -> Result<String, Box<dyn Error>> {
    match tool {
        Tool::Check { dir } => Ok(check(&dir)?),
        Tool::Repair { dir } => Ok(repair(&dir)?),
        Tool::Import { file, place } => transfer::import(&file, &place.place()?),
        Tool::Export {
            file,
            place,
            modules,
        } => transfer::export(&file, &place.place()?, modules),
    }
}

fn existing(dir: &Path) -> Result<Directory, StorageError> {
    std::fs::read_dir(dir).map_err(|error| StorageError::Io {
        what: "open",
        file: dir.display().to_string(),
        error,
    })?;
    Directory::open(dir)
}

fn check(dir: &Path) -> Result<String, StorageError> {
    let found = journal::check(&mut existing(dir)?)?;
    let mut text = String::new();
    // Writing to a String cannot fail.
    if let Some(snapshot) = &found.snapshot {
        let _ = writeln!(text, "{snapshot}: {} keys", found.records);
    }
    let _ = writeln!(
        text,
        "{} segments of the journal: {} groups of changes",
        found.segments, found.groups
    );
    for (name, bytes) in &found.cuts {
        let _ = writeln!(
            text,
            "{name}: the last {bytes} bytes were not written completely, and will be cut"
        );
    }
    text.push_str("nothing that had been written is missing\n");
    Ok(text)
}

fn repair(dir: &Path) -> Result<String, StorageError> {
    let repaired = journal::repair(&mut existing(dir)?)?;
    let mut text = String::new();
    for file in &repaired {
        let _ = writeln!(
            text,
            "{}: {} bytes are now in {}",
            file.name, file.bytes, file.aside
        );
    }
    text.push_str(if repaired.is_empty() {
        "nothing is damaged\n"
    } else {
        "what was before them can be loaded\n"
    });
    Ok(text)
}
