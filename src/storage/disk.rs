//! The files of one directory, as a journal needs them: so that tests can put a disk in their place that fails.
//!
//! This module must not know what is in the files.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use slab::Slab;

use super::StorageError;

/// Names an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId(pub u32);

/// Stands for the directory itself where files are synced.
pub const DIRECTORY: FileId = FileId(u32::MAX);

/// Names a sync that goes on in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncId(pub u64);

/// The files of one directory.
///
/// What was appended may be lost in a crash until it is synced; what was created, renamed or removed, until
/// [`DIRECTORY`] is.
pub trait Disk: Send {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// The names of all files.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file, in place of one that has this name.
    fn create(&mut self, name: &str) -> io::Result<FileId>;

    /// Opens a file to be read and cut.
    fn open(&mut self, name: &str) -> io::Result<FileId>;

    /// Bytes in a file.
    fn size(&mut self, file: FileId) -> io::Result<u64>;

    /// Reads some bytes from `at`; 0 at the end.
    fn read_at(&mut self, file: FileId, at: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Appends some of the bytes (at least one), and says how many.
    fn append(&mut self, file: FileId, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts a file.
    fn truncate(&mut self, file: FileId, bytes: u64) -> io::Result<()>;

    /// Makes durable what is in the files.
    fn sync(&mut self, files: &[FileId]) -> io::Result<()>;

    /// Begins to do the same in the background.
    fn sync_start(&mut self, files: &[FileId]) -> io::Result<SyncId>;

    /// What became of it; `None` while it goes on. Once it has been told, it is forgotten.
    fn sync_poll(&mut self, sync: SyncId) -> Option<io::Result<()>>;

    /// Waits for it.
    fn sync_wait(&mut self, sync: SyncId) -> io::Result<()>;

    /// Gives a file another name, in place of the file that has it.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Needs an open file no more.
    fn close(&mut self, file: FileId);
}

/// A directory of the file system, which this process alone uses.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    handle: Arc<File>,
    files: Slab<Arc<File>>,
    helper: Option<Helper>,
    syncs: u64,
    done: Vec<Report>,
    #[expect(dead_code, reason = "its lock is held as long as it is open")]
    lock: File,
}

impl Directory {
    /// Opens a directory, which is made if it is missing, and keeps others out of it. Syncs in the background are done
    /// on the spot.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let failed = |error| StorageError::Io {
            what: "open",
            file: path.display().to_string(),
            error,
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let lock = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let place = path.display().to_string();
                return Err(StorageError::Locked { place });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Directory {
            path: path.to_owned(),
            handle: Arc::new(File::open(path).map_err(failed)?),
            files: Slab::new(),
            helper: None,
            syncs: 0,
            done: Vec::new(),
            lock,
        })
    }

    /// Has syncs in the background done by a thread, which knows nothing but the files that it is to sync.
    pub fn with_helper(mut self) -> io::Result<Self> {
        let (orders, received) = channel::<Order>();
        let reports = Arc::new(Reports::default());
        let report = Arc::clone(&reports);
        let thread = std::thread::Builder::new()
            .name("pentad-sync".to_owned())
            .spawn(move || {
                for Order { id, files } in received {
                    let result = match id {
                        Some(_) => files.iter().try_for_each(|file| file.sync_data()),
                        None => Ok(()),
                    };
                    // The last handle of a removed file gives its blocks back: that can take long, too.
                    drop(files);
                    if let Some(id) = id {
                        report.push((id, result));
                    }
                }
            })?;
        self.helper = Some(Helper {
            orders: Some(orders),
            reports,
            thread: Some(thread),
        });
        Ok(self)
    }

    fn handle(&self, file: FileId) -> io::Result<&Arc<File>> {
        if file == DIRECTORY {
            return Ok(&self.handle);
        }
        self.files
            .get(file.0 as usize)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The thread that syncs.
#[derive(Debug)]
struct Helper {
    /// None when it is to end.
    orders: Option<Sender<Order>>,
    reports: Arc<Reports>,
    thread: Option<JoinHandle<()>>,
}

type Report = (SyncId, io::Result<()>);

/// What became of syncs, for who asked for them. Not a channel: to wait for one leaves something in a thread that is not
/// Rust's for as long as that lives.
#[derive(Debug, Default)]
struct Reports {
    list: Mutex<Vec<Report>>,
    pushed: Condvar,
}

impl Reports {
    fn push(&self, report: Report) {
        self.list().push(report);
        self.pushed.notify_one();
    }

    /// All that there are; with `wait`, one at least.
    fn take(&self, wait: bool) -> Vec<Report> {
        let mut list = self.list();
        while wait && list.is_empty() {
            let woken = self.pushed.wait(list);
            list = woken.unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut list)
    }

    fn list(&self) -> MutexGuard<'_, Vec<Report>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Helper {
    fn order(&self, order: Order) -> io::Result<()> {
        let ended = || io::Error::other("the thread that syncs has ended");
        let orders = self.orders.as_ref().ok_or_else(ended)?;
        orders.send(order).map_err(|_| ended())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It cannot panic; and if it did, nobody waits for what it was to do.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Order {
    /// `None`: nobody waits for it, and it need not be synced.
    id: Option<SyncId>,
    files: Vec<Arc<File>>,
}

impl Disk for Directory {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&mut self, name: &str) -> io::Result<FileId> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file = options
            .create_new(true)
            .append(true)
            .read(true)
            .open(path)?;
        Ok(FileId(self.files.insert(Arc::new(file)) as u32))
    }

    fn open(&mut self, name: &str) -> io::Result<FileId> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(self.path.join(name))?;
        Ok(FileId(self.files.insert(Arc::new(file)) as u32))
    }

    fn size(&mut self, file: FileId) -> io::Result<u64> {
        Ok(self.handle(file)?.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&mut self, file: FileId, at: u64, into: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&**self.handle(file)?, into, at)
    }

    #[cfg(not(unix))]
    fn read_at(&mut self, file: FileId, at: u64, into: &mut [u8]) -> io::Result<usize> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = &**self.handle(file)?;
        file.seek(SeekFrom::Start(at))?;
        file.read(into)
    }

    fn append(&mut self, file: FileId, bytes: &[u8]) -> io::Result<usize> {
        use std::io::Write;
        let mut file = &**self.handle(file)?;
        match file.write(bytes) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            other => other,
        }
    }

    fn truncate(&mut self, file: FileId, bytes: u64) -> io::Result<()> {
        self.handle(file)?.set_len(bytes)
    }

    fn sync(&mut self, files: &[FileId]) -> io::Result<()> {
        files
            .iter()
            .try_for_each(|file| self.handle(*file)?.sync_data())
    }

    fn sync_start(&mut self, files: &[FileId]) -> io::Result<SyncId> {
        self.syncs += 1;
        let id = SyncId(self.syncs);
        match &self.helper {
            None => {
                let result = self.sync(files);
                self.done.push((id, result));
            }
            Some(helper) => {
                let files = files.iter().map(|file| self.handle(*file).cloned());
                let order = Order {
                    id: Some(id),
                    files: files.collect::<io::Result<_>>()?,
                };
                helper.order(order)?;
            }
        }
        Ok(id)
    }

    fn sync_poll(&mut self, sync: SyncId) -> Option<io::Result<()>> {
        if let Some(helper) = &self.helper {
            self.done.extend(helper.reports.take(false));
        }
        let index = self.done.iter().position(|(id, _)| *id == sync)?;
        Some(self.done.swap_remove(index).1)
    }

    fn sync_wait(&mut self, sync: SyncId) -> io::Result<()> {
        loop {
            if let Some(result) = self.sync_poll(sync) {
                return result;
            }
            match &self.helper {
                Some(helper) => self.done.extend(helper.reports.take(true)),
                None => return Err(io::Error::other("there is no such sync")),
            }
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        let file = self.helper.as_ref().and_then(|_| File::open(&path).ok());
        std::fs::remove_file(&path)?;
        if let (Some(helper), Some(file)) = (&self.helper, file) {
            // Whoever closes it last waits until its blocks are free.
            let _ = helper.order(Order {
                id: None,
                files: vec![Arc::new(file)],
            });
        }
        Ok(())
    }

    fn close(&mut self, file: FileId) {
        if self.files.contains(file.0 as usize) {
            self.files.remove(file.0 as usize);
        }
    }
}
