//! A disk in memory that fails as disks do: what was not synced may be lost in a crash, torn or in another order; writes
//! are short, or find no room; syncs fail, and forget what they were to sync.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use pentad::storage::disk::{DIRECTORY, Disk, FileId, SyncId};

use crate::common::Rng;

/// A handle; all clones are of one disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

pub struct State {
    rng: Rng,
    files: Vec<SimFile>,
    /// Names as they are seen, and changes to them since the directory was synced.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    renames: Vec<BTreeMap<String, usize>>,
    open: BTreeMap<u32, usize>,
    next_open: u32,
    syncs: BTreeMap<u64, Pending>,
    next_sync: u64,
    /// Operations left until the power goes; then nothing works.
    pub ops_left: Option<u64>,
    /// Bytes that can still be written.
    pub room: Option<u64>,
    /// In percent: how often a sync fails.
    pub sync_failures: u32,
    /// In percent: how often a write is short.
    pub short_writes: u32,
    /// In percent: how often a write fails.
    pub write_failures: u32,
    /// How often a sync in the background has to be asked for, at most.
    pub slowness: u32,
}

struct Pending {
    files: Vec<FileId>,
    polls: u32,
}

#[derive(Clone, Default)]
struct SimFile {
    /// As it is seen.
    bytes: Vec<u8>,
    /// What is on the disk.
    durable: Vec<u8>,
    /// Written and not synced: place and bytes.
    unsynced: Vec<(usize, Vec<u8>)>,
}

fn failure(text: &str) -> io::Error {
    io::Error::other(text.to_owned())
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        SimDisk(Arc::new(Mutex::new(State {
            rng: Rng::seeded(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renames: Vec::new(),
            open: BTreeMap::new(),
            next_open: 0,
            syncs: BTreeMap::new(),
            next_sync: 0,
            ops_left: None,
            room: None,
            sync_failures: 0,
            short_writes: 0,
            write_failures: 0,
            slowness: 0,
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no test panics while it holds the disk")
    }

    /// Whether the power has gone.
    pub fn is_off(&self) -> bool {
        self.state().ops_left == Some(0)
    }

    /// What is left after the power went: of what was not synced any part, sector by sector; of changes to names, those
    /// up to some moment. The faults are gone.
    pub fn crash(&self) {
        const SECTOR: usize = 64;
        let mut state = self.state();
        let State { rng, files, .. } = &mut *state;
        for file in files {
            let mut durable = std::mem::take(&mut file.durable);
            for (at, bytes) in file.unsynced.drain(..) {
                for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                    if rng.chance(50) {
                        let at = at + index * SECTOR;
                        let end = at + sector.len();
                        durable.resize(durable.len().max(end), 0);
                        durable[at..end].copy_from_slice(sector);
                    }
                }
            }
            file.bytes.clone_from(&durable);
            file.durable = durable;
        }
        let changes = state.renames.len();
        let kept = state.rng.below(changes + 1);
        if let Some(names) = kept.checked_sub(1).map(|last| state.renames[last].clone()) {
            state.durable_names = names;
        }
        state.names = state.durable_names.clone();
        state.renames.clear();
        state.open.clear();
        state.syncs.clear();
        state.heal();
    }

    /// What is left after only the process ended: everything.
    pub fn kill(&self) {
        let mut state = self.state();
        state.open.clear();
        state.syncs.clear();
        state.heal();
    }

    /// The names of all files, and what is in them.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let file = |index: &usize| state.files[*index].bytes.clone();
        state
            .names
            .iter()
            .map(|(name, index)| (name.clone(), file(index)))
            .collect()
    }

    /// Changes what is in a file, on the disk itself.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let index = state.names[name];
        let file = &mut state.files[index];
        change(&mut file.bytes);
        file.durable.clone_from(&file.bytes);
    }
}

impl State {
    /// No more faults.
    pub fn heal(&mut self) {
        self.ops_left = None;
        self.room = None;
        self.sync_failures = 0;
        self.short_writes = 0;
        self.write_failures = 0;
        self.slowness = 0;
    }

    fn step(&mut self) -> io::Result<()> {
        match &mut self.ops_left {
            Some(0) => Err(failure("the power is off")),
            Some(left) => {
                *left -= 1;
                if *left == 0 {
                    Err(failure("the power is off"))
                } else {
                    Ok(())
                }
            }
            None => Ok(()),
        }
    }

    fn file(&mut self, id: FileId) -> io::Result<&mut SimFile> {
        let index = *self.open.get(&id.0).ok_or(io::ErrorKind::NotFound)?;
        Ok(&mut self.files[index])
    }

    fn open_index(&mut self, index: usize) -> FileId {
        self.next_open += 1;
        self.open.insert(self.next_open, index);
        FileId(self.next_open)
    }

    fn named(&mut self) {
        let names = self.names.clone();
        self.renames.push(names);
    }

    fn sync_now(&mut self, files: &[FileId]) -> io::Result<()> {
        for &id in files {
            self.step()?;
            let fails = self.rng.chance(self.sync_failures as usize);
            if id == DIRECTORY {
                if fails {
                    return Err(failure("cannot sync the directory"));
                }
                self.durable_names = self.names.clone();
                self.renames.clear();
                continue;
            }
            let file = self.file(id)?;
            if fails {
                // What was to be synced is forgotten, as some kernels do: another sync would say that all is well.
                file.unsynced.clear();
                return Err(failure("cannot sync"));
            }
            for (at, bytes) in std::mem::take(&mut file.unsynced) {
                let end = at + bytes.len();
                file.durable.resize(file.durable.len().max(end), 0);
                file.durable[at..end].copy_from_slice(&bytes);
            }
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn place(&self) -> String {
        "a disk in memory".to_owned()
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn create(&mut self, name: &str) -> io::Result<FileId> {
        let mut state = self.state();
        state.step()?;
        if state.room == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.files.push(SimFile::default());
        let index = state.files.len() - 1;
        state.names.insert(name.to_owned(), index);
        state.named();
        Ok(state.open_index(index))
    }

    fn open(&mut self, name: &str) -> io::Result<FileId> {
        let mut state = self.state();
        let index = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.open_index(index))
    }

    fn size(&mut self, file: FileId) -> io::Result<u64> {
        Ok(self.state().file(file)?.bytes.len() as u64)
    }

    fn read_at(&mut self, file: FileId, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        let most = 1 + state.rng.below(into.len().max(1));
        let bytes = &state.file(file)?.bytes;
        let from = bytes.get(at as usize..).unwrap_or_default();
        let count = from.len().min(into.len()).min(most);
        into[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn append(&mut self, file: FileId, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        let powered = state.step();
        let mut count = bytes.len();
        let (short, fails) = (state.short_writes, state.write_failures);
        if powered.is_err() || state.rng.chance(short as usize) {
            count = 1 + state.rng.below(bytes.len());
        }
        if state.rng.chance(fails as usize) {
            return Err(failure("cannot write"));
        }
        if let Some(room) = &mut state.room {
            count = count.min(*room as usize);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= count as u64;
        }
        let file = state.file(file)?;
        file.unsynced
            .push((file.bytes.len(), bytes[..count].to_vec()));
        file.bytes.extend_from_slice(&bytes[..count]);
        powered.map(|()| count)
    }

    fn truncate(&mut self, file: FileId, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let file = state.file(file)?;
        file.bytes.truncate(bytes as usize);
        file.durable.truncate(bytes as usize);
        file.unsynced.clear();
        Ok(())
    }

    fn sync(&mut self, files: &[FileId]) -> io::Result<()> {
        self.state().sync_now(files)
    }

    fn sync_start(&mut self, files: &[FileId]) -> io::Result<SyncId> {
        let mut state = self.state();
        state.step()?;
        state.next_sync += 1;
        let slowness = state.slowness as usize;
        let polls = state.rng.below(slowness + 1) as u32;
        let id = state.next_sync;
        let files = files.to_vec();
        state.syncs.insert(id, Pending { files, polls });
        Ok(SyncId(id))
    }

    fn sync_poll(&mut self, sync: SyncId) -> Option<io::Result<()>> {
        let mut state = self.state();
        let pending = state.syncs.get_mut(&sync.0)?;
        if pending.polls > 0 {
            pending.polls -= 1;
            return None;
        }
        let pending = state.syncs.remove(&sync.0)?;
        Some(state.sync_now(&pending.files))
    }

    fn sync_wait(&mut self, sync: SyncId) -> io::Result<()> {
        loop {
            if let Some(result) = self.sync_poll(sync) {
                return result;
            }
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let index = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), index);
        state.named();
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.named();
        Ok(())
    }

    fn close(&mut self, file: FileId) {
        self.state().open.remove(&file.0);
    }
}
