//! The table, and all SQL.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql, params};

use super::super::StorageError;
use super::super::group::push_change;
use super::super::readable::Readable;
use crate::change::{Change, Target};
use crate::keyspace::Db;
use crate::varint::Malformed;

/// Says that a database is one of ours: "pntd".
const APPLICATION_ID: i64 = 0x706e_7464;
/// The version of the table.
const VERSION: i64 = 1;
/// How long another program that writes to the database is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// A database number that no key has.
const NOWHERE: i64 = -1;

const CREATE: &str = "
    CREATE TABLE keys (
        db INTEGER NOT NULL,
        key NOT NULL,
        type TEXT NOT NULL,
        value,
        expires_ms INTEGER,
        image BLOB NOT NULL,
        PRIMARY KEY (db, key)
    );
    CREATE TABLE functions (
        id INTEGER PRIMARY KEY,
        command TEXT NOT NULL,
        change BLOB NOT NULL
    );";
const PUT: &str = "
    INSERT INTO keys (db, key, type, value, expires_ms, image) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (db, key) DO UPDATE SET
        type = excluded.type, value = excluded.value, expires_ms = excluded.expires_ms, image = excluded.image";
const REMOVE: &str = "DELETE FROM keys WHERE db = ?1 AND key = ?2";
const READ: &str = "SELECT rowid, db, image FROM keys WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

/// Something that happens to whole databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Nothing is left in any.
    All,
    /// Nothing is left in this one.
    One(Db),
    /// These two are exchanged.
    Swap(Db, Db),
}

impl Sweep {
    /// What a change of whole databases does to them; `None` if another change of the group says it.
    pub fn of(change: &Change<'_>) -> Option<Self> {
        let number = |arg: &[u8]| std::str::from_utf8(arg).ok()?.parse().ok();
        match change.command {
            [] => None,
            [b"SWAPDB", one, other] => Some(Sweep::Swap(number(one)?, number(other)?)),
            _ if change.target == Target::Everything => Some(Sweep::All),
            _ => Some(Sweep::One(change.db)),
        }
    }

    /// The database that what was in `db` is in now.
    pub fn new_number(self, db: Db) -> Option<Db> {
        match self {
            Sweep::All => None,
            Sweep::One(one) => (one != db).then_some(db),
            Sweep::Swap(one, other) if db == one => Some(other),
            Sweep::Swap(one, other) if db == other => Some(one),
            Sweep::Swap(..) => Some(db),
        }
    }
}

/// A command on libraries of functions.
#[derive(Clone, Debug)]
pub struct FunctionChange {
    /// Those before it count no more.
    pub is_flush: bool,
    /// As a person reads it.
    pub command: String,
    /// As it is repeated.
    pub change: Vec<u8>,
}

impl FunctionChange {
    /// It, if the change is one.
    pub fn of(change: &Change<'_>) -> Option<Self> {
        let [b"FUNCTION", rest @ ..] = change.command else {
            return None;
        };
        let words = change.command.iter();
        let words: Vec<_> = words.map(|word| String::from_utf8_lossy(word)).collect();
        let mut bytes = Vec::new();
        push_change(&mut bytes, change);
        Some(FunctionChange {
            is_flush: matches!(rest, [b"FLUSH", ..] | [b"RESTORE", .., b"FLUSH"]),
            command: words.join(" ").replace('\0', "\u{fffd}"),
            change: bytes,
        })
    }
}

/// What is written in one transaction: first the sweeps, in their order, then the rows.
#[derive(Debug)]
pub struct Batch {
    pub sweeps: Vec<Sweep>,
    pub rows: Vec<Row>,
    pub functions: Vec<FunctionChange>,
    /// The disk has it when it is written.
    pub synced: bool,
}

/// What a key holds now; nothing, and its row goes.
#[derive(Debug)]
pub struct Row {
    pub db: Db,
    pub key: Vec<u8>,
    pub content: Option<Content>,
}

#[derive(Debug)]
pub struct Content {
    pub kind: &'static str,
    pub value: Option<Readable>,
    pub expires_ms: Option<i64>,
    pub image: Vec<u8>,
}

impl Batch {
    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        let content = |content: &Content| {
            let value = match &content.value {
                Some(Readable::Text(text)) => text.len(),
                Some(Readable::Bytes(bytes)) => bytes.len(),
                None => 0,
            };
            content.image.len() + value
        };
        let row =
            |row: &Row| size_of::<Row>() + row.key.len() + row.content.as_ref().map_or(0, content);
        self.rows.iter().map(row).sum()
    }
}

/// Text where it is UTF-8.
struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let is_text = std::str::from_utf8(self.0).is_ok_and(|text| !text.contains('\0'));
        Ok(ToSqlOutput::Borrowed(if is_text {
            ValueRef::Text(self.0)
        } else {
            ValueRef::Blob(self.0)
        }))
    }
}

impl ToSql for Readable {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Readable::Text(text) => ValueRef::Text(text.as_bytes()),
            Readable::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A database with the table in it.
#[derive(Debug)]
pub struct Table {
    connection: Connection,
    path: String,
    read_to: i64,
}

impl Table {
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let name = path.display().to_string();
        let opened = Connection::open(path).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get(0));
            let (application, version): (i64, i64) =
                (number("application_id")?, number("user_version")?);
            let tables: i64 =
                connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            Ok((connection, application, version, tables))
        });
        let (connection, application, version, tables) =
            opened.map_err(|error| io_error("open", &name, error))?;
        let table = Table {
            connection,
            path: name.clone(),
            read_to: i64::MIN,
        };
        match (application, version, tables) {
            (APPLICATION_ID, VERSION, _) => {}
            (APPLICATION_ID, other, _) => {
                return Err(StorageError::Version {
                    file: name,
                    found: other.to_string(),
                    known: "1",
                });
            }
            (0, 0, 0) => table
                .create()
                .map_err(|error| io_error("make a table in", &name, error))?,
            _ => {
                let other = io::Error::other("it is a database of another program");
                return Err(StorageError::Io {
                    what: "use",
                    file: name,
                    error: other,
                });
            }
        }
        Ok(table)
    }

    fn create(&self) -> rusqlite::Result<()> {
        // So that whoever reads and whoever writes do not wait for each other.
        self.connection
            .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        let transaction = self.connection.unchecked_transaction()?;
        transaction.execute_batch(CREATE)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()
    }

    /// Bytes of all rows, and of what was deleted.
    pub fn bytes(&self) -> u64 {
        let number = |pragma| -> rusqlite::Result<u64> {
            self.connection
                .pragma_query_value(None, pragma, |row| row.get(0))
        };
        // It is for messages only.
        number("page_count").unwrap_or(0) * number("page_size").unwrap_or(0)
    }

    /// Reads the next rows; gives how many bytes they had, and 0 at the end.
    pub fn read(
        &mut self,
        rows_max: usize,
        mut restore: impl FnMut(Db, &[u8]) -> Result<(), Malformed>,
    ) -> Result<u64, StorageError> {
        let refuse = |error| io_error("read", &self.path, error);
        let mut statement = self.connection.prepare(READ).map_err(refuse)?;
        let mut rows = statement
            .query(params![self.read_to, rows_max as i64])
            .map_err(refuse)?;
        let mut bytes = 0;
        while let Some(row) = rows.next().map_err(refuse)? {
            let rowid: i64 = row.get(0).map_err(refuse)?;
            // The one in the image is that of the time before databases were swapped.
            let db: Db = row.get(1).map_err(refuse)?;
            let image = row.get_ref(2).map_err(refuse)?;
            let restored = image
                .as_blob()
                .map_err(|_| Malformed)
                .and_then(|image| restore(db, image));
            if restored.is_err() {
                return Err(StorageError::Damaged {
                    file: self.path.clone(),
                    offset: 0,
                    why: format!("the image in row {rowid} of the table keys makes no sense"),
                    advice: format!(
                        "DELETE FROM keys WHERE rowid = {rowid} lets the rest be loaded"
                    ),
                });
            }
            bytes += image.as_blob().map_or(0, <[u8]>::len) as u64;
            self.read_to = rowid;
        }
        Ok(bytes)
    }

    /// The commands on libraries of functions, in their order.
    pub fn functions(&self) -> Result<Vec<Vec<u8>>, StorageError> {
        let read = || -> rusqlite::Result<Vec<Vec<u8>>> {
            let mut statement = self
                .connection
                .prepare("SELECT change FROM functions ORDER BY id")?;
            let changes = statement.query_map([], |row| row.get(0))?;
            changes.collect()
        };
        read().map_err(|error| io_error("read", &self.path, error))
    }

    /// Writes batches, in their order, in one transaction.
    pub fn write(&mut self, batches: &[Batch]) -> io::Result<()> {
        self.try_write(batches).map_err(to_io)
    }

    fn try_write(&mut self, batches: &[Batch]) -> rusqlite::Result<()> {
        // FULL waits for the disk with every transaction, NORMAL only now and then; neither harms the database.
        let synced = batches.iter().any(|batch| batch.synced);
        let synchronous = if synced { "FULL" } else { "NORMAL" };
        self.connection
            .pragma_update(None, "synchronous", synchronous)?;
        let transaction = self.connection.transaction()?;
        {
            let mut put = transaction.prepare(PUT)?;
            let mut remove = transaction.prepare(REMOVE)?;
            for batch in batches {
                for sweep in &batch.sweeps {
                    do_sweep(&transaction, *sweep)?;
                }
                for function in &batch.functions {
                    put_function(&transaction, function)?;
                }
                for Row { db, key, content } in &batch.rows {
                    match content {
                        Some(content) => put.execute(params![
                            db,
                            Text(key),
                            content.kind,
                            content.value,
                            content.expires_ms,
                            content.image
                        ])?,
                        None => remove.execute(params![db, Text(key)])?,
                    };
                }
            }
        }
        transaction.commit()
    }

    /// Brings everything into the one file.
    pub fn finish(&mut self) -> io::Result<()> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .optional()
            .map(|_| ())
            .map_err(to_io)
    }

    /// For tests, which let it run out of room.
    #[cfg(test)]
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

fn do_sweep(connection: &Connection, sweep: Sweep) -> rusqlite::Result<()> {
    let renumber = |from: i64, to: i64| {
        connection.execute("UPDATE keys SET db = ?2 WHERE db = ?1", [from, to])
    };
    match sweep {
        Sweep::All => connection.execute("DELETE FROM keys", [])?,
        Sweep::One(db) => connection.execute("DELETE FROM keys WHERE db = ?1", [db])?,
        Sweep::Swap(one, other) => {
            renumber(one.into(), NOWHERE)?;
            renumber(other.into(), one.into())?;
            renumber(NOWHERE, other.into())?
        }
    };
    Ok(())
}

fn put_function(connection: &Connection, function: &FunctionChange) -> rusqlite::Result<()> {
    if function.is_flush {
        connection.execute("DELETE FROM functions", [])?;
    }
    connection.execute(
        "INSERT INTO functions (command, change) VALUES (?1, ?2)",
        params![function.command, function.change],
    )?;
    Ok(())
}

fn io_error(what: &'static str, file: &str, error: rusqlite::Error) -> StorageError {
    StorageError::Io {
        what,
        file: file.to_owned(),
        error: to_io(error),
    }
}

fn to_io(error: rusqlite::Error) -> io::Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => io::Error::new(io::ErrorKind::StorageFull, error),
        _ => io::Error::other(error),
    }
}
