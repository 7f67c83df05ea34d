//! Keys from and to RDB files: `--load-rdb`, `pentad import`, `pentad export`. So people come and go freely.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use pentad::rdb::{SavedCounts, Version, Writer, save};
use pentad::{RespValue, Server};

use super::settings::Place;
use super::{data, load};
use pentad::storage::Fsync;

/// Fills a server from a file before it serves anybody. If it keeps its data, there must be none yet, and what was filled is
/// kept when this returns. False: a stop was asked for before it was done, and nothing of it is kept.
pub fn fill(server: &mut Server, file: &Path) -> Result<bool, Box<dyn Error>> {
    let refuse = |error: &dyn std::fmt::Display| format!("--load-rdb {error}");
    fill_from(server, file)
        .map(|loaded| loaded.is_some())
        .map_err(|error| refuse(&error).into())
}

fn fill_from(
    server: &mut Server,
    file: &Path,
) -> Result<Option<pentad::rdb::Loaded>, Box<dyn Error>> {
    server.engine_mut().load_all()?;
    let keys = server.engine_mut().keyspace.len();
    if keys > 0 {
        let file = file.display();
        return Err(format!(
            "{file}: there are {keys} keys already, and only an empty place can be filled"
        )
        .into());
    }
    server.engine_mut().tell_no_changes();
    let Some(loaded) = load::load(file, server)? else {
        return Ok(None);
    };
    server.engine_mut().keep_all()?;
    Ok(Some(loaded))
}

/// A server that serves nobody, with a place to keep its data.
fn open(place: &Place) -> Result<Server, Box<dyn Error>> {
    let mut server = Server::builder().build()?;
    if let Some(storage) = data::open(place, Fsync::EverySecond)? {
        server.engine_mut().set_storage(storage);
    }
    Ok(server)
}

/// `pentad import`
pub fn import(file: &Path, place: &Place) -> Result<String, Box<dyn Error>> {
    let mut server = open(place)?;
    let loaded = fill_from(&mut server, file)?.unwrap_or_default();
    server.engine_mut().close_storage()?;
    let mut told = format!("{} keys are kept now\n", loaded.keys);
    for (count, what) in [
        (loaded.functions.len() as u64, "libraries of functions too"),
        (loaded.expired, "more keys had expired"),
        (loaded.empty, "more keys had nothing in them"),
    ] {
        if count > 0 {
            told.push_str(&format!("{count} {what}\n"));
        }
    }
    Ok(told)
}

/// `pentad export`
pub fn export(file: &Path, place: &Place, modules: bool) -> Result<String, Box<dyn Error>> {
    let (Place::Journal(path) | Place::Sqlite(path)) = place else {
        return Err("nothing is kept in memory".into());
    };
    // Opening it would make it.
    let named = |error: io::Error, path: &Path| format!("{}: {error}", path.display());
    path.metadata().map_err(|error| named(error, path))?;
    let mut server = open(place)?;
    server.engine_mut().load_all()?;
    let mut name = file.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = Path::new(&name);
    // It has its name only when it is whole.
    let counts = write(&mut server, temporary, modules)
        .and_then(|counts| std::fs::rename(temporary, file).map(|()| counts))
        .map_err(|error| {
            let _ = std::fs::remove_file(temporary);
            named(error, file)
        })?;
    server.engine_mut().close_storage()?;
    let mut told = format!("{} keys are in {} now\n", counts.keys, file.display());
    if counts.left_out > 0 {
        told.push_str(&format!(
            "{} JSON documents and time series are not (--modules)\n",
            counts.left_out
        ));
    }
    Ok(told)
}

fn write(server: &mut Server, file: &Path, modules: bool) -> io::Result<SavedCounts> {
    let mut writer = Writer::new(BufWriter::new(File::create(file)?), Version::V10)?;
    for code in libraries(server) {
        writer.function(&code)?;
    }
    let counts = save(&server.engine_mut().keyspace, &mut writer, !modules)?;
    let mut out = writer.finish()?;
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok(counts)
}

/// The code of all libraries of functions.
fn libraries(server: &mut Server) -> Vec<Vec<u8>> {
    // Without scripting there are none.
    let Ok(RespValue::Array(libraries)) = server.store().execute(["FUNCTION", "LIST", "WITHCODE"])
    else {
        return Vec::new();
    };
    let code = |library: RespValue| {
        let pairs = match library {
            RespValue::Map(pairs) => pairs,
            RespValue::Array(words) => {
                let mut words = words.into_iter();
                std::iter::from_fn(|| Some((words.next()?, words.next()?))).collect()
            }
            _ => return None,
        };
        let found = pairs
            .into_iter()
            .find(|(name, _)| name.as_bytes() == Some(b"library_code"));
        Some(found?.1.as_bytes()?.to_vec())
    };
    libraries.into_iter().filter_map(code).collect()
}
