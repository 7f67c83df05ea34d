//! Changes in files: segments of a journal, and from time to time a snapshot that makes the older ones superfluous.
//!
//! ```text
//! DIR/lock                            held by the process that uses the directory
//! DIR/snapshot-<n>.pentad             what there was before group n
//! DIR/journal-<n>.pentad              a segment: groups from number n on (and more segments behind it)
//! DIR/snapshot-<n>.tmp                a snapshot that is not complete; so are segments that are written anew
//! ```
//!
//! A *group* is the changes of one request; groups are numbered from 1. The groups of one turn are one frame, so that
//! one write and one sync do for all. A frame says how many of the groups before it were not yet synced when it was made:
//! so it is known of a bad place whether a crash has left it (what was there had not been synced), or whether something
//! has been lost that must not be.
//!
//! After a failed write or sync, the files that are in doubt are left as they are, and all groups that are not known to
//! be on the disk are written anew to another segment; so they are after every start, for a failed sync may have been the
//! last thing that happened. Groups that are there twice are told by their numbers.
//!
//! This module must not know what a group means. What a crash leaves is read in `recovery.rs`.

mod frame;
mod recovery;
mod snapshot;

pub use recovery::{Found, Repaired, check, repair};

use std::io;
use std::path::Path;

use log::warn;

use super::disk::{DIRECTORY, Directory, Disk, FileId, SyncId};
use super::group::push_group;
use super::{Fsync, Load, Status, Storage, StorageError};
use crate::change::Group;
use crate::clock::Now;
use crate::keyspace::Keyspace;
use crate::persistence::Loader;
use crate::varint::push_u64;
use frame::{HEADER_BYTES, JOURNAL_MAGIC, header, push_frame};
use recovery::Recovery;
use snapshot::Picture;

/// A frame is closed when it has this many bytes, even within a turn.
const FRAME_BYTES: usize = 1024 * 1024;
/// Under `everysec`, what is not synced is kept in memory, in case the sync fails: up to here, and then the loop waits.
const UNSYNCED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Under `everysec`, a sync begins this long after the one before.
const SYNC_INTERVAL_MS: u64 = 1000;
/// How often a sync in the background is asked for its result.
const POLL_INTERVAL_MS: u64 = 5;

/// How a journal is kept.
#[derive(Clone, Copy, Debug)]
pub struct JournalOptions {
    /// When changes have to be durable.
    pub fsync: Fsync,
    /// A new segment is begun when one has this many bytes.
    pub segment_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        JournalOptions {
            fsync: Fsync::default(),
            segment_bytes: 64 * 1024 * 1024,
        }
    }
}

/// See the module's head.
#[derive(Debug)]
pub struct Journal<D> {
    disk: D,
    options: JournalOptions,
    /// What is being read; `None` when all is.
    recovery: Option<Box<Recovery>>,
    /// The segment that is written to; none before everything has been read.
    segment: Option<Segment>,
    /// All segments that are there.
    segments: Vec<String>,
    /// The snapshot that counts.
    snapshot: Option<String>,
    /// Files that are not needed any more.
    garbage: Vec<String>,
    /// The number of the next group.
    next: u64,
    /// All groups before this one are on the disk.
    synced: u64,
    /// The groups of the frame that is being filled, and the first one's number.
    frame: Vec<u8>,
    frame_first: u64,
    /// Frames that are not known to be on the disk, and their first group.
    out: Vec<u8>,
    out_first: u64,
    /// How much of `out` has been written.
    written: usize,
    /// Files that were written to since they were synced, the segment's among them.
    unsynced: Vec<FileId>,
    /// Files were made since the directory was synced.
    directory_unsynced: bool,
    syncing: Option<Syncing>,
    sync_started_ms: u64,
    /// What failed: nothing is written until a retry succeeds.
    broken: Option<String>,
    picture: Option<Picture>,
    journal_bytes: u64,
    /// How many they were when the snapshot was begun.
    journal_bytes_before: u64,
    snapshot_bytes: u64,
    now_ms: u64,
    /// A group on its way into the frame.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    file: FileId,
    first: u64,
    bytes: u64,
}

/// A sync in the background.
#[derive(Debug)]
struct Syncing {
    id: SyncId,
    files: Vec<FileId>,
    /// How much of `out` it covers, and up to which group.
    bytes: usize,
    groups: u64,
}

impl Journal<Directory> {
    /// A journal in the files of a directory, which is made if it is missing, and kept from others. With `sync_thread`
    /// syncs that nobody waits for are done by [a thread](Directory::with_helper).
    pub fn in_directory(
        path: &Path,
        fsync: Fsync,
        sync_thread: bool,
    ) -> Result<Self, StorageError> {
        let mut disk = Directory::open(path)?;
        if sync_thread {
            disk = disk.with_helper().map_err(|error| StorageError::Io {
                what: "start a thread for",
                file: path.display().to_string(),
                error,
            })?;
        }
        let options = JournalOptions {
            fsync,
            ..JournalOptions::default()
        };
        Journal::open(disk, options)
    }
}

impl<D: Disk> Journal<D> {
    /// A journal in the files of `disk`, which are read by [`Storage::load`]. An error says that they cannot be.
    pub fn open(mut disk: D, options: JournalOptions) -> Result<Self, StorageError> {
        let recovery = Recovery::begin(&mut disk)?;
        Ok(Journal {
            disk,
            options,
            recovery: Some(Box::new(recovery)),
            segment: None,
            segments: Vec::new(),
            snapshot: None,
            garbage: Vec::new(),
            next: 1,
            synced: 1,
            frame: Vec::new(),
            frame_first: 1,
            out: Vec::new(),
            out_first: 1,
            written: 0,
            unsynced: Vec::new(),
            directory_unsynced: false,
            syncing: None,
            sync_started_ms: 0,
            broken: None,
            picture: None,
            journal_bytes: 0,
            journal_bytes_before: 0,
            snapshot_bytes: 0,
            now_ms: 0,
            scratch: Vec::new(),
        })
    }

    /// The files, which a test may want to look at.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Everything has been read: from now on it is written.
    fn begin_writing(&mut self, found: recovery::End) -> Result<(), StorageError> {
        self.next = found.next;
        self.synced = found.synced;
        self.out_first = found.next;
        self.segments = found.segments;
        self.snapshot = found.snapshot;
        self.garbage = found.garbage;
        self.journal_bytes = found.journal_bytes;
        self.snapshot_bytes = found.snapshot_bytes;
        let doubtful = found.doubtful;
        let begun = recovery::remove_temporary(&mut self.disk);
        let begun = begun.and_then(|()| match (doubtful.front(), self.options.fsync) {
            (Some(_), Fsync::No) => self.begin_segment(found.next),
            (Some(oldest), _) => self.write_segment(oldest.first, |disk, file| {
                recovery::copy_frames(disk, &doubtful, file)
            }),
            (None, _) => self
                .begin_segment(found.next)
                .and_then(|()| self.sync_all()),
        });
        for file in found.open {
            self.disk.close(file);
        }
        begun.map_err(|error| self.error("begin a segment in", error))
    }

    fn error(&self, what: &'static str, error: io::Error) -> StorageError {
        StorageError::Io {
            what,
            file: self.disk.place(),
            error,
        }
    }

    fn fail(&mut self, what: &'static str, error: io::Error) -> StorageError {
        let error = self.error(what, error);
        self.broken = Some(error.reason());
        error
    }

    /// Makes a new segment, and writes to it from now on.
    fn begin_segment(&mut self, first: u64) -> io::Result<()> {
        let name = segment_name(first);
        let file = self.disk.create(&name)?;
        // A segment without groups that was found at the start has the name of the next one.
        self.garbage.retain(|old| *old != name);
        self.directory_unsynced = true;
        self.unsynced.push(file);
        append_all(
            &mut self.disk,
            file,
            &header(JOURNAL_MAGIC, [first, self.synced]),
        )?;
        if !self.segments.contains(&name) {
            self.segments.push(name);
        }
        self.segment = Some(Segment {
            file,
            first,
            bytes: HEADER_BYTES as u64,
        });
        Ok(())
    }

    /// Makes a segment of groups that are in another, perhaps in one of the same name: so it has its name only when it is
    /// on the disk. It is written to from now on; all groups that there are, are on the disk.
    fn write_segment(
        &mut self,
        first: u64,
        fill: impl FnOnce(&mut D, FileId) -> io::Result<u64>,
    ) -> io::Result<()> {
        let name = segment_name(first);
        let temporary = name.replace(".pentad", ".tmp");
        let file = self.disk.create(&temporary)?;
        let head = header(JOURNAL_MAGIC, [first, self.synced]);
        let disk = &mut self.disk;
        let filled = append_all(disk, file, &head).and_then(|()| fill(disk, file));
        let written = filled.and_then(|bytes| {
            disk.sync(&[file])?;
            disk.rename(&temporary, &name)?;
            disk.sync(&[DIRECTORY])?;
            Ok(bytes)
        });
        let bytes = written.inspect_err(|_| self.disk.close(file))?;
        self.garbage.retain(|old| *old != name);
        if !self.segments.contains(&name) {
            self.segments.push(name);
        }
        self.journal_bytes += bytes;
        self.segment = Some(Segment {
            file,
            first,
            bytes: HEADER_BYTES as u64 + bytes,
        });
        self.directory_unsynced = false;
        self.synced = self.next;
        Ok(())
    }

    /// Closes the frame that is being filled.
    fn seal(&mut self) {
        if self.frame.is_empty() {
            return;
        }
        let mut head = Vec::new();
        push_u64(&mut head, self.frame_first);
        push_u64(&mut head, self.frame_first - self.synced);
        if self.out.is_empty() {
            self.out_first = self.frame_first;
        }
        push_frame(&mut self.out, &[&head, &self.frame]);
        self.frame.clear();
    }

    /// Writes what is not written yet.
    fn write_out(&mut self) -> io::Result<()> {
        let Some(segment) = &mut self.segment else {
            return Ok(());
        };
        while self.written < self.out.len() {
            let count = self.disk.append(segment.file, &self.out[self.written..])?;
            self.written += count;
            segment.bytes += count as u64;
            self.journal_bytes += count as u64;
            if !self.unsynced.contains(&segment.file) {
                self.unsynced.push(segment.file);
            }
        }
        Ok(())
    }

    /// Waits until everything that was written is on the disk.
    fn sync_all(&mut self) -> io::Result<()> {
        if let Some(syncing) = &self.syncing {
            // A failure is told once, and to whoever asks first.
            self.disk.sync_wait(syncing.id)?;
        }
        let mut files = self.unsynced.clone();
        if self.directory_unsynced {
            files.push(DIRECTORY);
        }
        if !files.is_empty() {
            self.disk.sync(&files)?;
        }
        self.directory_unsynced = false;
        self.synced = self.next;
        self.out.clear();
        self.written = 0;
        let files = std::mem::take(&mut self.unsynced);
        let before = self.syncing.take().map(|syncing| syncing.files);
        self.close_others(files.into_iter().chain(before.into_iter().flatten()));
        Ok(())
    }

    /// Closes the files that are not written to any more.
    fn close_others(&mut self, files: impl Iterator<Item = FileId>) {
        let current = self.segment.as_ref().map(|segment| segment.file);
        for file in files {
            if Some(file) != current && !self.unsynced.contains(&file) {
                self.disk.close(file);
            }
        }
    }

    fn start_sync(&mut self) -> io::Result<()> {
        self.sync_started_ms = self.now_ms;
        let files = std::mem::take(&mut self.unsynced);
        let mut order = files.clone();
        if std::mem::take(&mut self.directory_unsynced) {
            order.push(DIRECTORY);
        }
        self.syncing = Some(Syncing {
            id: self.disk.sync_start(&order)?,
            files,
            bytes: self.written,
            groups: self.next,
        });
        self.finish_sync()
    }

    /// Looks whether the sync in the background is done.
    fn finish_sync(&mut self) -> io::Result<()> {
        let Some(syncing) = &self.syncing else {
            return Ok(());
        };
        let Some(result) = self.disk.sync_poll(syncing.id) else {
            return Ok(());
        };
        let Some(done) = self.syncing.take() else {
            return Ok(());
        };
        if let Err(error) = result {
            self.unsynced.extend(done.files);
            return Err(error);
        }
        self.synced = done.groups;
        self.out.drain(..done.bytes);
        self.written -= done.bytes;
        self.out_first = done.groups;
        self.close_others(done.files.into_iter());
        Ok(())
    }

    fn write_and_sync(&mut self) -> io::Result<()> {
        self.seal();
        self.write_out()?;
        match self.options.fsync {
            Fsync::Always => {
                if !self.out.is_empty() || !self.unsynced.is_empty() {
                    self.sync_all()?;
                }
            }
            Fsync::EverySecond => {
                if self.out.len() > UNSYNCED_BYTES_MAX {
                    self.sync_all()?;
                } else if self.is_sync_due() {
                    self.start_sync()?;
                }
            }
            Fsync::No if self.syncing.is_none() => {
                self.out.clear();
                self.written = 0;
            }
            Fsync::No => {}
        }
        if let Some(segment) = &self.segment
            && segment.bytes >= self.options.segment_bytes
        {
            self.rotate()?;
        }
        Ok(())
    }

    fn is_sync_due(&self) -> bool {
        self.syncing.is_none()
            && !self.out.is_empty()
            && self.now_ms >= self.sync_started_ms + SYNC_INTERVAL_MS
    }

    /// Begins another segment, unless there is nothing in this one. Everything has been written.
    fn rotate(&mut self) -> io::Result<()> {
        match &self.segment {
            Some(segment) if segment.first < self.next => {
                let old = segment.file;
                self.begin_segment(self.next)?;
                if self.options.fsync == Fsync::No {
                    self.unsynced.retain(|file| *file != old);
                }
                let syncing = self.syncing.iter().any(|sync| sync.files.contains(&old));
                if !syncing && !self.unsynced.contains(&old) {
                    self.disk.close(old);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes everything that is not known to be on the disk to a new segment.
    fn write_anew(&mut self) -> io::Result<()> {
        self.seal();
        if let Some(syncing) = self.syncing.take() {
            self.unsynced.extend(syncing.files);
        }
        let mut files = std::mem::take(&mut self.unsynced);
        if let Some(segment) = self.segment.take() {
            files.push(segment.file);
        }
        files.sort_unstable_by_key(|file| file.0);
        files.dedup();
        for file in files {
            self.disk.close(file);
        }
        if self.out.is_empty() {
            self.out_first = self.next;
        }
        self.written = 0;
        let out = std::mem::take(&mut self.out);
        let written = self.write_segment(self.out_first, |disk, file| {
            append_all(disk, file, &out)?;
            Ok(out.len() as u64)
        });
        self.out = out;
        written?;
        self.out.clear();
        Ok(())
    }
}

impl<D: Disk> Storage for Journal<D> {
    fn load(&mut self, into: &mut Loader<'_>) -> Result<Load, StorageError> {
        let Some(recovery) = &mut self.recovery else {
            return Ok(Load::Done);
        };
        let Some(end) = recovery.read_some(&mut self.disk, into)? else {
            return Ok(Load::More);
        };
        for cut in &end.cuts {
            warn!(
                "{}: the last {} bytes had not been written completely when the system or the process ended, and are cut",
                cut.name, cut.bytes
            );
            recovery::cut(&mut self.disk, cut)?;
        }
        self.recovery = None;
        self.begin_writing(end)?;
        Ok(Load::Done)
    }

    fn append(&mut self, group: &Group) {
        self.scratch.clear();
        if !push_group(&mut self.scratch, group) {
            return;
        }
        if self.frame.len() >= FRAME_BYTES {
            self.seal();
        }
        if self.frame.is_empty() {
            self.frame_first = self.next;
        }
        crate::varint::push_bytes(&mut self.frame, &self.scratch);
        self.next += 1;
        if self.scratch.capacity() > FRAME_BYTES {
            self.scratch = Vec::new();
        }
    }

    fn commit(&mut self, _: &Keyspace, now: Now) -> Result<(), StorageError> {
        self.now_ms = now.monotonic_ms();
        if self.frame.is_empty() && self.out.is_empty() || self.recovery.is_some() {
            return Ok(());
        }
        if let Some(reason) = self.broken.clone() {
            return Err(self.error("write to", io::Error::other(reason)));
        }
        self.write_and_sync()
            .map_err(|error| self.fail("write to", error))
    }

    fn retry(&mut self, _: &Keyspace, now: Now) -> Result<(), StorageError> {
        self.now_ms = now.monotonic_ms();
        self.write_anew()
            .map_err(|error| self.fail("write to", error))?;
        self.broken = None;
        Ok(())
    }

    fn tend(&mut self, now: Now) -> Result<(), StorageError> {
        self.now_ms = now.monotonic_ms();
        if self.broken.is_some() || self.recovery.is_some() {
            return Ok(());
        }
        if let Some(name) = self.garbage.pop()
            && let Err(error) = self.disk.remove(&name)
        {
            warn!("{name} is not needed any more, but cannot be removed: {error}");
        }
        let synced = self.finish_sync().and_then(|()| {
            if self.options.fsync == Fsync::EverySecond && self.is_sync_due() {
                self.start_sync()?;
            }
            Ok(())
        });
        synced.map_err(|error| self.fail("sync", error))
    }

    fn snapshot_begin(
        &mut self,
        keyspace: &Keyspace,
        beside: &Group,
    ) -> Result<bool, StorageError> {
        if self.recovery.is_some() || self.broken.is_some() {
            return Ok(false);
        }
        self.snapshot_abort();
        self.journal_bytes_before = self.journal_bytes;
        self.rotate()
            .map_err(|error| self.fail("begin a segment in", error))?;
        self.scratch.clear();
        push_group(&mut self.scratch, beside);
        let records = keyspace.len() as u64;
        let picture = Picture::begin(&mut self.disk, self.next, records, &self.scratch)
            .map_err(|error| self.error("begin a snapshot in", error))?;
        self.picture = Some(picture);
        Ok(true)
    }

    fn snapshot_write(&mut self, images: &[u8]) -> Result<(), StorageError> {
        match &mut self.picture {
            Some(picture) => picture
                .write(&mut self.disk, images)
                .map_err(|error| self.error("write a snapshot to", error)),
            None => Ok(()),
        }
    }

    fn snapshot_is_busy(&mut self) -> bool {
        self.picture
            .as_mut()
            .is_some_and(|picture| picture.is_busy(&mut self.disk))
    }

    fn snapshot_end(&mut self, records: u64, wait: bool) -> Result<bool, StorageError> {
        let Some(picture) = &mut self.picture else {
            return Ok(true);
        };
        match picture.end(&mut self.disk, records, wait) {
            Ok(false) => Ok(false),
            Ok(true) => {
                self.snapshot_bytes = picture.bytes();
                let (name, first) = (picture.name(), picture.first());
                self.picture = None;
                // Groups of the snapshot may be on their way to the disk still: they need not get there.
                self.journal_bytes -= self.journal_bytes_before;
                let needed = segment_name(first);
                let current = self
                    .segment
                    .as_ref()
                    .map(|segment| segment_name(segment.first));
                let garbage = &mut self.garbage;
                self.segments.retain(|segment| {
                    let keep = *segment >= needed || Some(segment) == current.as_ref();
                    if !keep {
                        garbage.push(segment.clone());
                    }
                    keep
                });
                if let Some(before) = self.snapshot.replace(name.clone())
                    && before != name
                {
                    self.garbage.push(before);
                }
                Ok(true)
            }
            Err(error) => Err(self.error("finish a snapshot in", error)),
        }
    }

    fn snapshot_abort(&mut self) {
        if let Some(picture) = self.picture.take() {
            picture.abort(&mut self.disk);
        }
    }

    fn status(&self) -> Status {
        let poll = self.syncing.is_some() || self.picture.as_ref().is_some_and(Picture::is_syncing);
        let wake_ms = if !self.garbage.is_empty() {
            Some(self.now_ms)
        } else if poll {
            Some(self.now_ms + POLL_INTERVAL_MS)
        } else if self.options.fsync == Fsync::EverySecond
            && !self.out.is_empty()
            && self.broken.is_none()
        {
            Some(self.sync_started_ms + SYNC_INTERVAL_MS)
        } else {
            None
        };
        Status {
            kind: "journal",
            fsync: self.options.fsync,
            wake_ms,
            journal_bytes: self.journal_bytes,
            snapshot_bytes: self.snapshot_bytes,
            pending_bytes: (self.out.len() + self.frame.len()) as u64,
            load_bytes: self
                .recovery
                .as_ref()
                .map_or((0, 0), |recovery| recovery.progress()),
        }
    }

    fn set_fsync(&mut self, fsync: Fsync) {
        self.options.fsync = fsync;
    }

    fn close(&mut self, _: &Keyspace, now: Now) -> Result<(), StorageError> {
        self.now_ms = now.monotonic_ms();
        self.snapshot_abort();
        if self.recovery.is_some() {
            return Ok(());
        }
        if self.broken.is_some() {
            self.write_anew()
        } else {
            self.seal();
            self.write_out().and_then(|()| self.sync_all())
        }
        .map_err(|error| self.fail("write to", error))?;
        self.broken = None;
        for name in std::mem::take(&mut self.garbage) {
            // What stays is removed at the next start.
            let _ = self.disk.remove(&name);
        }
        Ok(())
    }
}

fn segment_name(first: u64) -> String {
    format!("journal-{first:016x}.pentad")
}

fn snapshot_name(first: u64) -> String {
    format!("snapshot-{first:016x}.pentad")
}

fn append_all<D: Disk>(disk: &mut D, file: FileId, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = disk.append(file, bytes)?;
        bytes = &bytes[count..];
    }
    Ok(())
}
