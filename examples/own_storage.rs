//! A storage of the program's own: here a list in memory that outlives the server, in place of an appliance's flash, a queue
//! or a store of objects.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pentad::change::Group;
use pentad::persistence::Loader;
use pentad::storage::group::push_group;
use pentad::storage::{Load, Status, Storage, StorageError};
use pentad::{Keyspace, Now, Server};

/// Each entry is the changes of one request.
type Log = Arc<Mutex<Vec<Vec<u8>>>>;

fn entries(log: &Log) -> MutexGuard<'_, Vec<Vec<u8>>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

struct OwnStorage {
    log: Log,
    /// How much of the log has been loaded.
    loaded: usize,
    /// What has not been committed.
    pending: Vec<Vec<u8>>,
}

impl Storage for OwnStorage {
    fn load(&mut self, into: &mut Loader<'_>) -> Result<Load, StorageError> {
        // Some at a time, so that clients can be told meanwhile that this is going on.
        for group in entries(&self.log).iter().skip(self.loaded).take(1000) {
            if into.replay(group)?.is_err() {
                return Err(StorageError::Damaged {
                    file: "the log".to_owned(),
                    offset: self.loaded as u64,
                    why: "an entry makes no sense".to_owned(),
                    advice: "begin with an empty log".to_owned(),
                });
            }
            self.loaded += 1;
        }
        let all = self.loaded == entries(&self.log).len();
        Ok(if all { Load::Done } else { Load::More })
    }

    fn append(&mut self, group: &Group) {
        let mut bytes = Vec::new();
        if push_group(&mut bytes, group) {
            self.pending.push(bytes);
        }
    }

    /// No reply to what was appended leaves before. Whatever can fail gives its error here, and is asked again by `retry`.
    fn commit(&mut self, _: &Keyspace, _: Now) -> Result<(), StorageError> {
        entries(&self.log).append(&mut self.pending);
        Ok(())
    }

    fn retry(&mut self, keyspace: &Keyspace, now: Now) -> Result<(), StorageError> {
        self.commit(keyspace, now)
    }

    fn status(&self) -> Status {
        Status {
            kind: "own",
            ..Status::default()
        }
    }
}

fn server(log: &Log) -> Result<Server, Box<dyn Error>> {
    let mut server = Server::builder().build()?;
    server.engine_mut().set_storage(Box::new(OwnStorage {
        log: Arc::clone(log),
        loaded: 0,
        pending: Vec::new(),
    }));
    while server.engine().is_loading() {
        server.turn(Some(Duration::ZERO))?;
    }
    Ok(server)
}

fn main() -> Result<(), Box<dyn Error>> {
    let log = Log::default();
    let mut first = server(&log)?;
    first.store().set("greeting", "hello");
    first.store().execute(["RPUSH", "list", "a", "b"])?;
    first.turn(Some(Duration::ZERO))?;
    drop(first);

    let mut second = server(&log)?;
    assert_eq!(second.store().len(), 2);
    println!(
        "{} changes brought {} keys back",
        entries(&log).len(),
        second.store().len()
    );
    Ok(())
}
