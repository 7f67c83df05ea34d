//! A snapshot on its way to the disk: a little every turn, under another name until all of it is there.
//!
//! The file is frames: `2` and the changes that make what is in no record (if there is any such thing), `0` and images of
//! records, and at the end one of `1` and the number of records.

use std::io;

use super::super::disk::{DIRECTORY, Disk, FileId, SyncId};
use super::frame::{SNAPSHOT_MAGIC, header, push_frame};
use super::{append_all, snapshot_name};
use crate::varint::push_u64;

/// A frame of images.
pub const IMAGES: u8 = 0;
/// The last frame.
pub const END: u8 = 1;
/// A frame of changes.
pub const BESIDE: u8 = 2;
/// A sync is begun when this much has been written since the one before, so that the end need not wait for all.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;
/// With this much not synced, no more is taken until a sync is done.
const UNSYNCED_BYTES_MAX: u64 = 32 * 1024 * 1024;

#[derive(Debug)]
pub struct Picture {
    file: FileId,
    first: u64,
    bytes: u64,
    unsynced_bytes: u64,
    sync: Option<SyncId>,
    /// What a sync came to that was only looked at.
    failure: Option<io::Error>,
    stage: Stage,
    frame: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Writing,
    SyncingFile,
    SyncingName,
}

impl Picture {
    /// Of what there is before group `first`, some `records`; the changes in `beside` make what is in none of them.
    pub fn begin<D: Disk>(
        disk: &mut D,
        first: u64,
        records: u64,
        beside: &[u8],
    ) -> io::Result<Self> {
        let file = disk.create(&temporary_name(first))?;
        let mut picture = Picture {
            file,
            first,
            bytes: 0,
            unsynced_bytes: 0,
            sync: None,
            failure: None,
            stage: Stage::Writing,
            frame: Vec::new(),
        };
        let head = header(SNAPSHOT_MAGIC, [first, records]);
        let mut begun = picture.append(disk, &head);
        if begun.is_ok() && !beside.is_empty() {
            begun = picture.push(disk, &[&[BESIDE], beside]);
        }
        match begun {
            Ok(()) => Ok(picture),
            Err(error) => {
                disk.close(file);
                Err(error)
            }
        }
    }

    pub fn name(&self) -> String {
        snapshot_name(self.first)
    }

    pub fn first(&self) -> u64 {
        self.first
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn is_syncing(&self) -> bool {
        self.sync.is_some()
    }

    pub fn write<D: Disk>(&mut self, disk: &mut D, images: &[u8]) -> io::Result<()> {
        if !images.is_empty() {
            self.push(disk, &[&[IMAGES], images])?;
        }
        self.poll(disk).transpose()?;
        if self.unsynced_bytes >= SYNC_BYTES && self.sync.is_none() {
            self.unsynced_bytes = 0;
            self.sync = Some(disk.sync_start(&[self.file])?);
        }
        Ok(())
    }

    pub fn is_busy<D: Disk>(&mut self, disk: &mut D) -> bool {
        if self.unsynced_bytes < UNSYNCED_BYTES_MAX {
            return false;
        }
        match self.poll(disk) {
            // It would not show again: a later sync has forgotten what this one lost.
            Some(Err(error)) => {
                self.failure = Some(error);
                false
            }
            _ => self.sync.is_some(),
        }
    }

    /// Goes on with the end; true when it is over.
    pub fn end<D: Disk>(&mut self, disk: &mut D, records: u64, wait: bool) -> io::Result<bool> {
        loop {
            if wait && let Some(sync) = self.sync.take() {
                disk.sync_wait(sync)?;
            }
            match self.poll(disk) {
                None if self.sync.is_some() => return Ok(false),
                None => {}
                Some(result) => result?,
            }
            match self.stage {
                Stage::Writing => {
                    let mut end = vec![END];
                    push_u64(&mut end, records);
                    self.push(disk, &[&end])?;
                    self.stage = Stage::SyncingFile;
                    self.sync = Some(disk.sync_start(&[self.file])?);
                }
                Stage::SyncingFile => {
                    disk.rename(&temporary_name(self.first), &self.name())?;
                    self.stage = Stage::SyncingName;
                    self.sync = Some(disk.sync_start(&[DIRECTORY])?);
                }
                Stage::SyncingName => {
                    disk.close(self.file);
                    return Ok(true);
                }
            }
        }
    }

    pub fn abort<D: Disk>(self, disk: &mut D) {
        disk.close(self.file);
        // If it cannot be removed, the next start will try. One that has its name already is a snapshot like any other.
        if self.stage != Stage::SyncingName {
            let _ = disk.remove(&temporary_name(self.first));
        }
    }

    /// The result of the sync in the background, if there is one by now.
    fn poll<D: Disk>(&mut self, disk: &mut D) -> Option<io::Result<()>> {
        if let Some(error) = self.failure.take() {
            return Some(Err(error));
        }
        let result = disk.sync_poll(self.sync?)?;
        self.sync = None;
        Some(result)
    }

    fn push<D: Disk>(&mut self, disk: &mut D, parts: &[&[u8]]) -> io::Result<()> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        push_frame(&mut frame, parts);
        let result = self.append(disk, &frame);
        self.frame = frame;
        result
    }

    fn append<D: Disk>(&mut self, disk: &mut D, bytes: &[u8]) -> io::Result<()> {
        append_all(disk, self.file, bytes)?;
        self.bytes += bytes.len() as u64;
        self.unsynced_bytes += bytes.len() as u64;
        Ok(())
    }
}

fn temporary_name(first: u64) -> String {
    snapshot_name(first).replace(".pentad", ".tmp")
}
