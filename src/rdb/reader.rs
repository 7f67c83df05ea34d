//! Reads RDB files, record by record, in memory for one string at a time.
//!
//! ```text
//! REDIS0011 | record | record | ... | end | checksum of all before, 8 bytes
//!
//! record: opcode, and what belongs to it; or [expiry] [last use] type key value
//! ```

use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;

use super::decode::decode_kind;
use super::module::skip_module_aux;
use super::{RdbError, Source, VERSION_MAX, opcode};
use crate::checksum::crc64;
use crate::keyspace::{Content, Settings};

const MAGIC: &[u8] = b"REDIS";
/// The versions of files that are read: those of Redis 2.2 to 7.4.
pub const VERSIONS: RangeInclusive<u16> = 1..=VERSION_MAX;
/// From this version on files end in a checksum.
const CHECKSUM_SINCE: u16 = 5;

/// Why a file cannot be read on, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// How many bytes have been read.
    pub offset: u64,
    /// The key whose value was being read.
    pub key: Option<Vec<u8>>,
    /// Why.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is no RDB file.
    NotRdb,
    /// It is one of a version that is not known: its four digits.
    Version(String),
    /// Its checksum is another one.
    Checksum,
    /// A record is not as it should be.
    Record(RdbError),
    /// There is no database of this number.
    NoSuchDatabase(u64),
    /// The key is there already.
    KeyExists,
}

impl From<RdbError> for Problem {
    fn from(error: RdbError) -> Self {
        Problem::Record(error)
    }
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.problem {
            Problem::NotRdb => return f.write_str("this is no RDB file"),
            Problem::Version(version) => {
                return write!(
                    f,
                    "this is an RDB file of version {version:?}; versions {} to {} can be read",
                    VERSIONS.start(),
                    VERSIONS.end()
                );
            }
            Problem::Checksum => f.write_str("the checksum of the whole file is wrong")?,
            Problem::Record(error) => error.fmt(f)?,
            Problem::NoSuchDatabase(db) => write!(f, "there is no database {db}")?,
            Problem::KeyExists => f.write_str("the key exists already")?,
        }
        write!(f, ", at byte {}", self.offset)?;
        match &self.key {
            Some(key) => write!(f, ", in key \"{}\"", key.escape_ascii()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {}

/// A record of a file.
#[derive(Debug)]
pub enum Item<'a> {
    /// Something that is good to know, such as `redis-ver`.
    Aux {
        /// What it is.
        name: Vec<u8>,
        /// And what it is like.
        value: Vec<u8>,
    },
    /// The keys that follow are in this database.
    Database(u64),
    /// How many keys will follow in this database, about.
    Sizes {
        /// All of them.
        keys: u64,
        /// Those that expire.
        expires: u64,
    },
    /// A library of functions, as FUNCTION LOAD takes it.
    Function(Vec<u8>),
    /// A key.
    Key(KeyItem<'a>),
}

/// A key of a file.
#[derive(Debug)]
pub struct KeyItem<'a> {
    /// Its name.
    pub key: &'a [u8],
    /// Unix time in ms at which it ceases to be.
    pub expires_ms: Option<i64>,
    /// For how many seconds it has not been used.
    pub idle_s: Option<u64>,
    /// Its value; `None` for a collection without elements, which is better left out.
    pub content: Option<Content<'a>>,
}

/// A file that is being read.
#[derive(Debug)]
pub struct Reader<R> {
    feed: Feed<R>,
    version: u16,
    key: Vec<u8>,
    is_in_key: bool,
    is_over: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the head of a file. There is no need to buffer `input`.
    pub fn new(input: R) -> Result<Self, FileError> {
        let mut feed = Feed {
            input,
            buffer: Vec::new(),
            at: 0,
            summed_to: 0,
            before: 0,
            crc: 0,
        };
        let problem = |problem| FileError {
            offset: 0,
            key: None,
            problem,
        };
        let head = match feed.take(MAGIC.len() + 4) {
            Ok(head) => head,
            Err(RdbError::Truncated) => return Err(problem(Problem::NotRdb)),
            Err(error) => return Err(problem(Problem::Record(error))),
        };
        let Some(digits) = head.strip_prefix(MAGIC) else {
            return Err(problem(Problem::NotRdb));
        };
        let digits = String::from_utf8_lossy(digits).into_owned();
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(version) if is_number && VERSIONS.contains(&version) => Ok(Reader {
                feed,
                version,
                key: Vec::new(),
                is_in_key: false,
                is_over: false,
            }),
            _ => Err(problem(Problem::Version(digits))),
        }
    }

    /// The version of the file's format.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// How many bytes have been read.
    pub fn offset(&self) -> u64 {
        self.feed.before + self.feed.at as u64
    }

    /// The next record, `None` at the end; then the checksum has been found right. Collections get the form that suits
    /// `settings`. Where it went wrong, [`Reader::error`] tells.
    pub fn next(&mut self, settings: &Settings) -> Result<Option<Item<'_>>, Problem> {
        if self.is_over {
            return Ok(None);
        }
        self.is_in_key = false;
        match self.read_head()? {
            Head::Item(item) => Ok(Some(item)),
            // A server that was told not to compute it writes 0.
            Head::End(stored) if stored != 0 && stored != self.feed.crc => Err(Problem::Checksum),
            Head::End(_) => {
                self.is_over = true;
                Ok(None)
            }
            Head::Key {
                kind,
                expires_ms,
                idle_s,
            } => {
                self.is_in_key = true;
                let content = decode_kind(kind, &mut self.feed, settings)?;
                Ok(Some(Item::Key(KeyItem {
                    key: &self.key,
                    expires_ms,
                    idle_s,
                    content,
                })))
            }
        }
    }

    /// An error at this place.
    pub fn error(&self, problem: Problem) -> FileError {
        FileError {
            offset: self.offset(),
            key: self.is_in_key.then(|| self.key.clone()),
            problem,
        }
    }

    /// Reads up to the next thing to be told, or to the value of a key.
    fn read_head(&mut self) -> Result<Head, RdbError> {
        let feed = &mut self.feed;
        let (mut expires_ms, mut idle_s) = (None, None);
        loop {
            let item = match feed.byte()? {
                opcode::EXPIRY_MS => {
                    expires_ms = Some(i64::from_le_bytes(feed.array()?));
                    continue;
                }
                opcode::EXPIRY_S => {
                    expires_ms = Some(i64::from(i32::from_le_bytes(feed.array()?)) * 1000);
                    continue;
                }
                opcode::IDLE => {
                    idle_s = Some(feed.length()?);
                    continue;
                }
                opcode::FREQUENCY => {
                    feed.byte()?;
                    continue;
                }
                opcode::MODULE_AUX => {
                    skip_module_aux(feed)?;
                    continue;
                }
                opcode::SLOT_INFO => {
                    for _ in 0..3 {
                        feed.length()?;
                    }
                    continue;
                }
                opcode::AUX => Item::Aux {
                    name: feed.string()?.to_vec(),
                    value: feed.string()?.to_vec(),
                },
                opcode::SELECT_DB => Item::Database(feed.length()?),
                opcode::SIZES => Item::Sizes {
                    keys: feed.length()?,
                    expires: feed.length()?,
                },
                opcode::FUNCTION => Item::Function(feed.string()?.to_vec()),
                opcode::END => {
                    feed.sum();
                    let sum = match self.version {
                        CHECKSUM_SINCE.. => feed.read_checksum()?,
                        _ => 0,
                    };
                    return Ok(Head::End(sum));
                }
                kind => {
                    self.key.clear();
                    self.key
                        .extend_from_slice(feed.string()?.as_bytes(&mut [0; 20]));
                    return Ok(Head::Key {
                        kind,
                        expires_ms,
                        idle_s,
                    });
                }
            };
            return Ok(Head::Item(item));
        }
    }
}

/// What a record begins with.
enum Head {
    Item(Item<'static>),
    /// The checksum that the file has.
    End(u64),
    Key {
        kind: u8,
        expires_ms: Option<i64>,
        idle_s: Option<u64>,
    },
}

/// The bytes of a file, of which a piece is in memory.
#[derive(Debug)]
struct Feed<R> {
    input: R,
    buffer: Vec<u8>,
    /// What has been taken of the buffer.
    at: usize,
    /// What of that is in the checksum.
    summed_to: usize,
    /// What was in the buffer before.
    before: u64,
    crc: u64,
}

/// How much is read at a time.
const PIECE_BYTES: usize = 64 << 10;
/// A buffer that a long string has made larger than this is not kept.
const BUFFER_BYTES_MAX: usize = 1 << 20;

impl<R: Read> Feed<R> {
    /// Brings at least `len` bytes into the buffer, reading no more than twice of what has come so far ahead of them: a
    /// length that is a lie costs nothing.
    #[cold]
    fn fill(&mut self, len: usize) -> Result<(), RdbError> {
        self.sum();
        self.buffer.drain(..self.at);
        self.before += self.at as u64;
        (self.at, self.summed_to) = (0, 0);
        if self.buffer.capacity() > BUFFER_BYTES_MAX && len < BUFFER_BYTES_MAX {
            self.buffer.shrink_to(BUFFER_BYTES_MAX / 2);
        }
        while self.buffer.len() < len {
            let there = self.buffer.len();
            self.buffer.resize(there + there.max(PIECE_BYTES), 0);
            let read = self.input.read(&mut self.buffer[there..]);
            self.buffer.truncate(there + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(RdbError::Truncated),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(RdbError::Read(error.kind())),
            }
        }
        Ok(())
    }

    /// Brings the checksum up to what has been taken.
    fn sum(&mut self) {
        self.crc = crc64(self.crc, &self.buffer[self.summed_to..self.at]);
        self.summed_to = self.at;
    }

    /// Takes a checksum, which is not part of itself.
    fn read_checksum(&mut self) -> Result<u64, RdbError> {
        let crc = self.crc;
        let stored = u64::from_le_bytes(self.array()?);
        self.crc = crc;
        self.summed_to = self.at;
        Ok(stored)
    }
}

impl<R: Read> Source for Feed<R> {
    #[inline]
    fn take(&mut self, len: usize) -> Result<&[u8], RdbError> {
        if self.buffer.len() - self.at < len {
            self.fill(len)?;
        }
        let from = self.at;
        self.at += len;
        Ok(&self.buffer[from..self.at])
    }

    fn string_bytes_max(&self) -> u64 {
        // What a position in a sequence can say.
        u64::from(u32::MAX)
    }
}
