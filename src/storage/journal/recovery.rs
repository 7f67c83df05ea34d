//! Reads what is there, tells what a crash left from what is damaged, and can set damaged parts aside.
//!
//! Groups are applied in the order of their numbers; one that has been applied is skipped when it comes again. What
//! cannot be read ends its file, but what stands behind it is still looked at: if any frame says that a group was on the
//! disk which now is nowhere, something has been lost, and nothing is done about it without being told.
//!
//! That a group can be read does not mean that it is on the disk: when a sync fails, a system may show the bytes all the
//! same, hold them for written, and lose them in the next crash. So groups that nothing says to have been on the disk are
//! written anew before anybody is served.

use std::collections::VecDeque;
use std::io;

use log::info;

use super::super::StorageError;
use super::super::disk::{DIRECTORY, Disk, FileId};
use super::frame::{
    Frame, HEADER_BYTES, Header, JOURNAL_MAGIC, SNAPSHOT_MAGIC, read_frame, read_header,
};
use super::snapshot::{BESIDE, END, IMAGES};
use crate::persistence::Loader;
use crate::varint::{Malformed, Reader};

/// Bytes read at once, and handled in one step.
const READ_BYTES: usize = 1024 * 1024;
/// Bytes of the shortest record's image.
const RECORD_BYTES_MIN: u64 = 3;
/// Bytes that are checked for frames behind a bad place, at most.
const SEARCH_BYTES: usize = 256 * 1024 * 1024;
/// Bytes of frames that are written anew at most. There are more only if nobody cared for syncs (`no`).
const DOUBTFUL_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// What to do when damage is found.
const ADVICE: &str = "pentad check DIR shows all, pentad repair DIR sets aside what cannot be read, and what is behind it";

/// What `check` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The snapshot, if there is one.
    pub snapshot: Option<String>,
    /// Its records.
    pub records: u64,
    /// Segments of the journal.
    pub segments: usize,
    /// The groups of changes in them that are not in the snapshot.
    pub groups: u64,
    /// Unfinished ends that a crash left: file and bytes.
    pub cuts: Vec<(String, u64)>,
}

/// What `repair` did to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The file.
    pub name: String,
    /// Bytes that are no longer in it.
    pub bytes: u64,
    /// Where they are now.
    pub aside: String,
}

/// Reading, as far as it has come.
#[derive(Debug)]
pub struct Recovery {
    snapshot: Option<(String, u64)>,
    segments: Vec<(String, u64)>,
    /// The next one to be read.
    at: usize,
    source: Option<Source>,
    reads_snapshot: bool,
    next: u64,
    /// All groups before this one are said to have been on the disk.
    required: u64,
    /// The first place that could not be read, or after which groups are missing.
    bad: Option<Bad>,
    cuts: Vec<Cut>,
    /// Segments with nothing in them that the snapshot does not have.
    garbage: Vec<String>,
    open: Vec<FileId>,
    /// Frames with groups that nothing says to have been on the disk.
    doubtful: VecDeque<Doubtful>,
    doubtful_bytes: u64,
    bytes_total: u64,
    bytes_read: u64,
    snapshot_bytes: u64,
    journal_bytes: u64,
}

#[derive(Clone, Debug)]
struct Bad {
    name: String,
    offset: u64,
    why: String,
}

/// An end of a file that is to be cut.
#[derive(Clone, Debug)]
pub struct Cut {
    pub name: String,
    pub offset: u64,
    pub bytes: u64,
}

/// A frame whose groups may be lost in the next crash, though they can be read.
#[derive(Clone, Copy, Debug)]
pub struct Doubtful {
    file: FileId,
    offset: u64,
    bytes: u64,
    /// The first group that no frame before it had. It may have some of those once more.
    pub first: u64,
    end: u64,
}

/// What reading came to.
#[derive(Debug)]
pub struct End {
    /// The number of the next group.
    pub next: u64,
    /// All groups before this one are known to be on the disk.
    pub synced: u64,
    /// Frames with the groups from there on; no more than are worth the time.
    pub doubtful: VecDeque<Doubtful>,
    /// The segments' files, which are to be closed.
    pub open: Vec<FileId>,
    pub segments: Vec<String>,
    pub snapshot: Option<String>,
    pub garbage: Vec<String>,
    pub cuts: Vec<Cut>,
    pub snapshot_bytes: u64,
    pub journal_bytes: u64,
}

/// A file that is being read.
#[derive(Debug)]
struct Source {
    name: String,
    file: FileId,
    size: u64,
    /// Where `bytes` begins in the file.
    start: u64,
    bytes: Vec<u8>,
    at: usize,
    /// The first place that could not be read: from there on frames are only looked at.
    bad_at: Option<u64>,
    searched: usize,
    /// The last group in it, plus one.
    groups_end: u64,
}

fn io_error(what: &'static str, name: &str, error: io::Error) -> StorageError {
    StorageError::Io {
        what,
        file: name.to_owned(),
        error,
    }
}

impl Recovery {
    /// Looks at what files there are, and removes those that never counted.
    pub fn begin<D: Disk>(disk: &mut D) -> Result<Self, StorageError> {
        let place = disk.place();
        let names = disk
            .list()
            .map_err(|error| io_error("list the files of", &place, error))?;
        let (mut snapshots, mut segments) = (Vec::new(), Vec::new());
        for name in names {
            if let Some(number) = numbered(&name, "snapshot-", ".pentad") {
                snapshots.push((name, number));
            } else if let Some(number) = numbered(&name, "journal-", ".pentad") {
                segments.push((name, number));
            }
        }
        snapshots.sort_by_key(|file| file.1);
        segments.sort_by_key(|file| file.1);
        let snapshot = snapshots.pop();
        let mut bytes_total = 0;
        for (name, _) in segments.iter().chain(&snapshot) {
            let file = disk
                .open(name)
                .map_err(|error| io_error("open", name, error))?;
            bytes_total += disk
                .size(file)
                .map_err(|error| io_error("read", name, error))?;
            disk.close(file);
        }
        Ok(Recovery {
            snapshot,
            segments,
            at: 0,
            source: None,
            reads_snapshot: true,
            next: 1,
            required: 1,
            bad: None,
            cuts: Vec::new(),
            garbage: snapshots.into_iter().map(|file| file.0).collect(),
            open: Vec::new(),
            doubtful: VecDeque::new(),
            doubtful_bytes: 0,
            bytes_total,
            bytes_read: 0,
            snapshot_bytes: 0,
            journal_bytes: 0,
        })
    }

    /// Bytes in all, and read so far.
    pub fn progress(&self) -> (u64, u64) {
        (self.bytes_total, self.bytes_read)
    }

    /// Reads a bounded part; the end when there is no more.
    pub fn read_some<D: Disk>(
        &mut self,
        disk: &mut D,
        into: &mut Loader<'_>,
    ) -> Result<Option<End>, StorageError> {
        match self.read_files(disk, into)? {
            false => Ok(None),
            true => {
                if self.next < self.required {
                    return Err(self.damage());
                }
                self.finish(disk).map(Some)
            }
        }
    }

    /// As [`Recovery::read_some`], without an opinion on what is missing; true at the end.
    fn read_files<D: Disk>(
        &mut self,
        disk: &mut D,
        into: &mut Loader<'_>,
    ) -> Result<bool, StorageError> {
        if self.source.is_none() {
            let file = if self.reads_snapshot {
                self.snapshot.clone()
            } else if let Some(file) = self.segments.get(self.at) {
                Some(file.clone())
            } else {
                return Ok(true);
            };
            let Some((name, first)) = file else {
                self.reads_snapshot = false;
                return Ok(false);
            };
            self.source = Some(self.open(disk, name, first, into)?);
        }
        let Some(mut source) = self.source.take() else {
            return Ok(false);
        };
        let before = source.offset();
        let done = if self.reads_snapshot {
            self.read_snapshot(disk, &mut source, into)?
        } else {
            self.read_segment(disk, &mut source, into)?
        };
        self.bytes_read += source.offset() - before;
        if !done {
            self.source = Some(source);
            return Ok(false);
        }
        if self.reads_snapshot {
            self.snapshot_bytes = source.size;
            self.reads_snapshot = false;
            disk.close(source.file);
            return Ok(false);
        }
        self.open.push(source.file);
        self.at += 1;
        self.end_of_segment(&source);
        Ok(false)
    }

    fn end_of_segment(&mut self, source: &Source) {
        let (name, bytes) = (source.name.clone(), source.size);
        let snapshot_first = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.1);
        match source.bad_at {
            Some(offset) if offset < HEADER_BYTES as u64 => {
                // An empty file is what a segment is before its header is written.
                if bytes > 0 {
                    self.cuts.push(Cut {
                        name,
                        offset: 0,
                        bytes,
                    });
                } else {
                    self.garbage.push(name);
                }
            }
            Some(offset) => {
                self.journal_bytes += offset;
                self.cuts.push(Cut {
                    name,
                    offset,
                    bytes: bytes - offset,
                });
            }
            None if source.groups_end <= snapshot_first => self.garbage.push(name),
            None => self.journal_bytes += bytes,
        }
    }

    fn open<D: Disk>(
        &mut self,
        disk: &mut D,
        name: String,
        first: u64,
        into: &mut Loader<'_>,
    ) -> Result<Source, StorageError> {
        let file = disk
            .open(&name)
            .map_err(|error| io_error("open", &name, error))?;
        let size = disk
            .size(file)
            .map_err(|error| io_error("read", &name, error))?;
        let mut source = Source {
            name,
            file,
            size,
            start: 0,
            bytes: Vec::new(),
            at: 0,
            bad_at: None,
            searched: 0,
            groups_end: 0,
        };
        source.fill(disk, HEADER_BYTES)?;
        let magic = if self.reads_snapshot {
            SNAPSHOT_MAGIC
        } else {
            JOURNAL_MAGIC
        };
        match read_header(magic, &source.bytes) {
            Header::Good([number, records]) if number == first && self.reads_snapshot => {
                // No record is shorter than that, whatever the header says.
                into.expect(records.min(source.size / RECORD_BYTES_MIN));
            }
            Header::Good([number, durable]) if number == first => {
                self.required = self.required.max(durable);
            }
            Header::Version(found) => {
                return Err(StorageError::Version {
                    file: source.name,
                    found,
                    known: "1",
                });
            }
            _ if self.reads_snapshot => {
                return Err(snapshot_damage(
                    &source.name,
                    0,
                    "it does not begin as a snapshot does",
                ));
            }
            _ => {
                source.bad_at = Some(0);
                self.note_bad(&source.name, 0, "it does not begin as a journal does");
            }
        }
        source.at = HEADER_BYTES.min(source.bytes.len());
        Ok(source)
    }

    fn note_bad(&mut self, name: &str, offset: u64, why: impl Into<String>) {
        if self.bad.is_none() {
            self.bad = Some(Bad {
                name: name.to_owned(),
                offset,
                why: why.into(),
            });
        }
    }

    fn damage(&self) -> StorageError {
        let bad = self.bad.clone().unwrap_or(Bad {
            name: "the journal".to_owned(),
            offset: 0,
            why: String::new(),
        });
        let lost = format!(
            "groups {} to {} had been written, and are not there",
            self.next,
            self.required - 1
        );
        StorageError::Damaged {
            file: bad.name,
            offset: bad.offset,
            why: if bad.why.is_empty() {
                lost
            } else {
                format!("{}; {lost}", bad.why)
            },
            advice: ADVICE.to_owned(),
        }
    }

    /// Reads some frames of the snapshot; true at its end.
    fn read_snapshot<D: Disk>(
        &mut self,
        disk: &mut D,
        source: &mut Source,
        into: &mut Loader<'_>,
    ) -> Result<bool, StorageError> {
        let mut handled = 0;
        while handled < READ_BYTES {
            let offset = source.offset();
            let damage = |why| snapshot_damage(&source.name, offset, why);
            let (payload, len) = match read_frame(&source.bytes[source.at..]) {
                Frame::Whole(payload, len) => (payload, len),
                Frame::Short(need) if source.fits(need) => {
                    source.fill(disk, need)?;
                    continue;
                }
                Frame::Short(_) => return Err(damage("it ends in the middle of a frame")),
                Frame::Bad => return Err(damage("a checksum is wrong")),
            };
            let mut reader = Reader::new(payload);
            let malformed = |_: Malformed| damage("a record makes no sense");
            match reader.u8().map_err(malformed)? {
                IMAGES => into.restore(reader.rest()).map_err(malformed)?,
                BESIDE => into.complete(reader.rest())?.map_err(malformed)?,
                END => {
                    let records = reader.u64().map_err(malformed)?;
                    if records != into.records || offset + len as u64 != source.size {
                        return Err(damage("the number of records is wrong"));
                    }
                    source.at += len;
                    self.next = self.snapshot.as_ref().map_or(1, |snapshot| snapshot.1);
                    info!("{}: {records} keys", source.name);
                    return Ok(true);
                }
                _ => return Err(damage("a frame of an unknown kind")),
            }
            source.at += len;
            handled += len;
        }
        Ok(false)
    }

    /// Reads some frames of a segment; true at its end.
    fn read_segment<D: Disk>(
        &mut self,
        disk: &mut D,
        source: &mut Source,
        into: &mut Loader<'_>,
    ) -> Result<bool, StorageError> {
        let mut handled = 0;
        while handled < READ_BYTES {
            let offset = source.offset();
            if offset == source.size {
                return Ok(true);
            }
            let rest = &source.bytes[source.at..];
            if source.bad_at.is_some() && !self.is_plausible(rest) {
                if !source.skip_byte(disk)? {
                    return Ok(true);
                }
                handled += 1;
                continue;
            }
            let (payload, len) = match read_frame(rest) {
                Frame::Whole(payload, len) => (payload, len),
                Frame::Short(need)
                    if source.fits(need) && (source.bad_at.is_none() || need <= 4 * READ_BYTES) =>
                {
                    source.fill(disk, need)?;
                    continue;
                }
                frame => {
                    if source.bad_at.is_none() {
                        source.bad_at = Some(offset);
                        let why = match frame {
                            Frame::Short(_) => "a frame ends in the middle",
                            _ => "a checksum is wrong",
                        };
                        self.note_bad(&source.name, offset, why);
                    }
                    let cost = rest.len().min(READ_BYTES / 16);
                    source.searched += cost;
                    if source.searched > SEARCH_BYTES || !source.skip_byte(disk)? {
                        return Ok(true);
                    }
                    handled += 1;
                    continue;
                }
            };
            let first = Reader::new(payload).u64().unwrap_or(0);
            if source.bad_at.is_none() && first > self.next {
                // It continues what a crash has taken. It must go, or it would seem to continue what comes instead.
                source.bad_at = Some(if source.groups_end == 0 { 0 } else { offset });
                self.note_bad(&source.name, offset, "the groups before it are missing");
            }
            let before = self.next;
            let read = self.read_groups(payload, source.bad_at.is_none(), into);
            match read? {
                Ok(end) => source.groups_end = source.groups_end.max(end),
                Err(Malformed) => {
                    return Err(StorageError::Damaged {
                        file: source.name.clone(),
                        offset,
                        why: "a group of changes makes no sense".to_owned(),
                        advice: ADVICE.to_owned(),
                    });
                }
            }
            if self.bad.is_none() && self.required > self.next {
                self.bad = Some(Bad {
                    name: source.name.clone(),
                    offset,
                    why: String::new(),
                });
            }
            if self.next > before {
                self.note_doubtful(Doubtful {
                    file: source.file,
                    offset,
                    bytes: len as u64,
                    first: before,
                    end: self.next,
                });
            }
            source.at += len;
            handled += len;
        }
        Ok(false)
    }

    /// Keeps a frame in mind that was applied, and forgets those that are known to be on the disk.
    fn note_doubtful(&mut self, frame: Doubtful) {
        self.doubtful_bytes += frame.bytes;
        self.doubtful.push_back(frame);
        while let Some(oldest) = self.doubtful.front()
            && (oldest.end <= self.required || self.doubtful_bytes > DOUBTFUL_BYTES_MAX)
        {
            self.doubtful_bytes -= oldest.bytes;
            self.doubtful.pop_front();
        }
    }

    /// Whether a frame of a segment may begin here: a quick look, where most places are none.
    fn is_plausible(&self, bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes.get(4..).unwrap_or_default());
        let (Ok(len), Ok(first), Ok(unsynced)) = (reader.u64(), reader.u64(), reader.u64()) else {
            // Too near to the end to say.
            return bytes.len() < 40;
        };
        len > 2 && first >= unsynced && first > 0 && first < self.next + (1 << 40)
    }

    /// Applies the groups of a frame whose turn it is; gives the number of the last, plus one.
    fn read_groups(
        &mut self,
        payload: &[u8],
        apply: bool,
        into: &mut Loader<'_>,
    ) -> Result<Result<u64, Malformed>, StorageError> {
        let mut reader = Reader::new(payload);
        let head = reader.u64().and_then(|first| Ok((first, reader.u64()?)));
        let (first, unsynced) = match head {
            Ok((first, unsynced)) if unsynced <= first => (first, unsynced),
            _ => return Ok(Err(Malformed)),
        };
        self.required = self.required.max(first - unsynced);
        let mut number = first;
        while !reader.is_empty() {
            let group = match reader.bytes() {
                Ok(group) => group,
                Err(error) => return Ok(Err(error)),
            };
            if apply && number == self.next {
                if let Err(error) = into.replay(group)? {
                    return Ok(Err(error));
                }
                self.next += 1;
            }
            number += 1;
        }
        Ok(Ok(number))
    }

    /// Everything has been read: makes sure that it stays.
    fn finish<D: Disk>(&mut self, disk: &mut D) -> Result<End, StorageError> {
        // Only the process may have crashed, and what was read may not be on the disk yet.
        let open = std::mem::take(&mut self.open);
        let mut files = open.clone();
        files.push(DIRECTORY);
        let place = disk.place();
        disk.sync(&files)
            .map_err(|error| io_error("sync", &place, error))?;
        let segments = self.segments.iter().map(|file| file.0.clone());
        let segments = segments
            .filter(|name| !self.garbage.contains(name))
            .filter(|name| {
                !self
                    .cuts
                    .iter()
                    .any(|cut| cut.offset == 0 && cut.name == *name)
            });
        Ok(End {
            next: self.next,
            synced: self.required,
            doubtful: std::mem::take(&mut self.doubtful),
            open,
            segments: segments.collect(),
            snapshot: self.snapshot.take().map(|file| file.0),
            garbage: std::mem::take(&mut self.garbage),
            cuts: std::mem::take(&mut self.cuts),
            snapshot_bytes: self.snapshot_bytes,
            journal_bytes: self.journal_bytes,
        })
    }
}

impl Source {
    fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// Whether the file has so many bytes from here on.
    fn fits(&self, need: usize) -> bool {
        self.offset()
            .checked_add(need as u64)
            .is_some_and(|end| end <= self.size)
    }

    /// Reads on until `need` bytes lie in the buffer, and some more, or the file ends.
    fn fill<D: Disk>(&mut self, disk: &mut D, need: usize) -> Result<(), StorageError> {
        self.bytes.drain(..self.at);
        self.start += self.at as u64;
        self.at = 0;
        let wanted = need.max(READ_BYTES);
        let mut have = self.bytes.len();
        let left = usize::try_from(self.size - self.start).unwrap_or(usize::MAX);
        self.bytes.resize(wanted.min(left).max(have), 0);
        while have < self.bytes.len() {
            let count = disk
                .read_at(self.file, self.start + have as u64, &mut self.bytes[have..])
                .map_err(|error| io_error("read", &self.name, error))?;
            if count == 0 {
                break;
            }
            have += count;
        }
        self.bytes.truncate(have);
        if have < need.min(left) {
            return Err(io_error(
                "read",
                &self.name,
                io::ErrorKind::UnexpectedEof.into(),
            ));
        }
        Ok(())
    }

    /// Goes on by a byte, in search of a frame; false at the end.
    fn skip_byte<D: Disk>(&mut self, disk: &mut D) -> Result<bool, StorageError> {
        self.at += 1;
        if self.offset() >= self.size {
            return Ok(false);
        }
        if self.bytes.len() - self.at < 64 && self.start + (self.bytes.len() as u64) < self.size {
            self.fill(disk, 64)?;
        }
        Ok(true)
    }
}

fn snapshot_damage(name: &str, offset: u64, why: &str) -> StorageError {
    StorageError::Damaged {
        file: name.to_owned(),
        offset,
        why: why.to_owned(),
        advice: "put a copy of the file in its place; a snapshot cannot be repaired".to_owned(),
    }
}

/// The number in a file's name.
fn numbered(name: &str, prefix: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (digits.len() == 16)
        .then(|| u64::from_str_radix(digits, 16).ok())
        .flatten()
}

/// Cuts the end of a file; all of it, and the file goes.
pub fn cut<D: Disk>(disk: &mut D, cut: &Cut) -> Result<(), StorageError> {
    let result = if cut.offset == 0 {
        disk.remove(&cut.name)
    } else {
        disk.open(&cut.name).and_then(|file| {
            let result = disk
                .truncate(file, cut.offset)
                .and_then(|()| disk.sync(&[file]));
            disk.close(file);
            result
        })
    };
    result.map_err(|error| io_error("cut", &cut.name, error))
}

/// Appends frames to another file; gives how many bytes they were.
pub fn copy_frames<D: Disk>(
    disk: &mut D,
    frames: &VecDeque<Doubtful>,
    to: FileId,
) -> io::Result<u64> {
    let largest = frames.iter().map(|frame| frame.bytes).max().unwrap_or(0);
    let largest = usize::try_from(largest).unwrap_or(usize::MAX);
    let mut buffer = vec![0; largest.min(READ_BYTES)];
    let mut copied = 0;
    for frame in frames {
        let mut left = frame.bytes;
        while left > 0 {
            let most = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let at = frame.offset + frame.bytes - left;
            let count = disk.read_at(frame.file, at, &mut buffer[..most])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            super::append_all(disk, to, &buffer[..count])?;
            left -= count as u64;
        }
        copied += frame.bytes;
    }
    Ok(copied)
}

/// Removes what snapshots and segments that were not finished have left.
pub fn remove_temporary<D: Disk>(disk: &mut D) -> io::Result<()> {
    for name in disk.list()? {
        let mut kinds = ["snapshot-", "journal-"].into_iter();
        if kinds.any(|kind| numbered(&name, kind, ".tmp").is_some()) {
            disk.remove(&name)?;
        }
    }
    Ok(())
}

/// Reads everything, and changes nothing. Damage is an error.
pub fn check<D: Disk>(disk: &mut D) -> Result<Found, StorageError> {
    let mut recovery = Recovery::begin(disk)?;
    let mut loader = Loader::dry();
    let segments = recovery.segments.len();
    while !recovery.read_files(disk, &mut loader)? {}
    if recovery.next < recovery.required {
        return Err(recovery.damage());
    }
    Ok(Found {
        snapshot: recovery.snapshot.take().map(|file| file.0),
        records: loader.records,
        segments,
        groups: loader.groups,
        cuts: recovery
            .cuts
            .into_iter()
            .map(|cut| (cut.name, cut.bytes))
            .collect(),
    })
}

/// Sets aside what cannot be read of the journal and what is behind it, so that what is before it can be loaded. What was
/// moved is told; nothing when nothing was damaged.
pub fn repair<D: Disk>(disk: &mut D) -> Result<Vec<Repaired>, StorageError> {
    let mut recovery = Recovery::begin(disk)?;
    let mut loader = Loader::dry();
    while !recovery.read_files(disk, &mut loader)? {}
    let (true, Some(bad)) = (recovery.next < recovery.required, recovery.bad.clone()) else {
        return Ok(Vec::new());
    };
    let mut repaired = Vec::new();
    let from = recovery.segments.iter().position(|file| file.0 == bad.name);
    for (name, _) in recovery.segments.iter().skip(from.unwrap_or(0)) {
        let aside = format!("{name}.damaged");
        let offset = if *name == bad.name { bad.offset } else { 0 };
        let moved = set_aside(disk, name, offset, &aside);
        let bytes = moved.map_err(|error| io_error("set aside", name, error))?;
        repaired.push(Repaired {
            name: name.clone(),
            bytes,
            aside,
        });
    }
    Ok(repaired)
}

/// Moves what is behind `offset` to another file.
fn set_aside<D: Disk>(disk: &mut D, name: &str, offset: u64, aside: &str) -> io::Result<u64> {
    let from = disk.open(name)?;
    let size = disk.size(from)?;
    if offset == 0 {
        disk.close(from);
        disk.rename(name, aside)?;
        disk.sync(&[DIRECTORY])?;
        return Ok(size);
    }
    let to = disk.create(aside)?;
    let rest = usize::try_from(size - offset).unwrap_or(usize::MAX);
    let mut buffer = vec![0; rest.min(READ_BYTES)];
    let mut at = offset;
    while at < size {
        let count = disk.read_at(from, at, &mut buffer)?;
        if count == 0 {
            break;
        }
        super::append_all(disk, to, &buffer[..count])?;
        at += count as u64;
    }
    disk.sync(&[to, DIRECTORY])?;
    disk.truncate(from, offset)?;
    disk.sync(&[from])?;
    disk.close(to);
    disk.close(from);
    Ok(size - offset)
}
