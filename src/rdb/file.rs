//! Whole keyspaces from and to RDB files, as much at a time as one likes.

use std::io::{self, Read, Write};

use super::{FileError, Item, Problem, Reader, Writer};
use crate::keyspace::{Data, Db, Keyspace, RestoreOptions, Value};

/// What has been loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Keys that are in the keyspace now.
    pub keys: u64,
    /// Keys whose time had come before they were loaded, and which are not there.
    pub expired: u64,
    /// Collections without elements, which are not there either.
    pub empty: u64,
    /// Libraries of functions, as FUNCTION LOAD takes them.
    pub functions: Vec<Vec<u8>>,
}

/// Loads a file into a keyspace, step by step. What else is in the keyspace stays.
///
/// ```
/// use pentad::keyspace::{Keyspace, Seed};
/// use pentad::rdb::{Loader, Reader, Version, Writer, save};
///
/// let mut keyspace = Keyspace::new(Seed::fixed(1), 16);
/// keyspace.put(&keyspace.key(0, b"greeting"), b"hello");
/// let mut writer = Writer::new(Vec::new(), Version::V10)?;
/// save(&keyspace, &mut writer, true)?;
/// let file = writer.finish()?;
///
/// let mut copy = Keyspace::new(Seed::fixed(2), 16);
/// let mut loader = Loader::new(Reader::new(&file[..])?, false);
/// while loader.step(&mut copy, 1000)? {}
/// assert_eq!(loader.loaded().keys, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Loader<R> {
    reader: Reader<R>,
    db: u64,
    replace: bool,
    loaded: Loaded,
}

impl<R: Read> Loader<R> {
    /// Begins with the first record of a file. Keys that are in the keyspace already are an error unless `replace`.
    pub fn new(reader: Reader<R>, replace: bool) -> Self {
        Loader {
            reader,
            db: 0,
            replace,
            loaded: Loaded::default(),
        }
    }

    /// What has been loaded so far.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// How many bytes of the file have been read.
    pub fn offset(&self) -> u64 {
        self.reader.offset()
    }

    /// Loads `count` keys, or as many as there are; gives whether there may be more. Every key is a change of the
    /// keyspace, so whoever wants to know of changes may take them after each step. After an error the keys before it
    /// are there.
    pub fn step(&mut self, keyspace: &mut Keyspace, count: usize) -> Result<bool, FileError> {
        for _ in 0..count {
            match self.load_one(keyspace) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(problem) => return Err(self.reader.error(problem)),
            }
        }
        Ok(true)
    }

    /// Loads a key; false when there are no more.
    fn load_one(&mut self, keyspace: &mut Keyspace) -> Result<bool, Problem> {
        while let Some(item) = self.reader.next(&keyspace.settings)? {
            let item = match item {
                Item::Database(db) => {
                    self.db = db;
                    continue;
                }
                Item::Function(code) => {
                    self.loaded.functions.push(code);
                    continue;
                }
                Item::Aux { .. } | Item::Sizes { .. } => continue,
                Item::Key(item) => item,
            };
            let db = Db::try_from(self.db)
                .ok()
                .filter(|db| *db < keyspace.databases())
                .ok_or(Problem::NoSuchDatabase(self.db))?;
            let Some(content) = item.content else {
                self.loaded.empty += 1;
                return Ok(true);
            };
            let key = keyspace.key(db, item.key);
            let options = RestoreOptions {
                replace: self.replace,
                expires_ms: item.expires_ms,
                idle_s: item
                    .idle_s
                    .map_or(0, |idle_s| u32::try_from(idle_s).unwrap_or(u32::MAX)),
            };
            match keyspace.restore(&key, content, options) {
                Ok(true) => self.loaded.keys += 1,
                Ok(false) => self.loaded.expired += 1,
                Err(_) => return Err(Problem::KeyExists),
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// What has been saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SavedCounts {
    /// Keys that are in the file.
    pub keys: u64,
    /// Keys that are not, because Redis would not take them.
    pub left_out: u64,
}

/// Writes all live keys of a keyspace. With `for_redis` those are left out with which a Redis without modules does not
/// start: time series and JSON documents. O(databases that have keys × keys).
pub fn save<W: Write>(
    keyspace: &Keyspace,
    writer: &mut Writer<W>,
    for_redis: bool,
) -> io::Result<SavedCounts> {
    let mut saved = SavedCounts::default();
    writer.aux("redis-bits", "64")?;
    writer.aux("ctime", &(keyspace.now_ms() / 1000).to_string())?;
    for db in 0..keyspace.databases() {
        let counts = keyspace.counts(db);
        if counts.keys == 0 {
            continue;
        }
        writer.sizes(db, counts.keys as u64, counts.expires as u64)?;
        for part in 0..keyspace.parts() {
            let mut result = Ok(());
            keyspace.visit_part(part, |key| {
                if key.db != db || result.is_err() {
                    return;
                }
                if for_redis && is_of_module(key.data) {
                    saved.left_out += 1;
                    return;
                }
                saved.keys += 1;
                result = writer.key(db, key.key, key.expires_ms, key.data);
            });
            result?;
        }
    }
    Ok(saved)
}

/// Whether Redis knows such a value only from a module.
fn is_of_module(data: Data<'_>) -> bool {
    matches!(data, Data::Value(Value::Json(_) | Value::Series(_)))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::super::{RdbError, Version};
    use super::*;
    use crate::keyspace::collections::list::End;
    use crate::keyspace::series::Series;
    use crate::keyspace::{Content, List, Seed, Ttl};

    const NOW_MS: i64 = 1_700_000_000_000;

    fn keyspace() -> Keyspace {
        let mut keyspace = Keyspace::new(Seed::fixed(3), 16);
        keyspace.set_now(NOW_MS);
        keyspace
    }

    /// A few keys of two databases.
    fn filled() -> Keyspace {
        let mut keyspace = keyspace();
        let mut list = List::new();
        for index in 0..50 {
            let element = format!("element {index}");
            list.push(End::Back, element.as_bytes(), &keyspace.settings);
        }
        let values = [
            (0, "text", Content::string(b"hello"[..].into())),
            (0, "number", Content::Int(-7)),
            (0, "long", Content::string(vec![b'x'; 5000].into())),
            (3, "list", Content::Value(Value::List(Box::new(list)))),
            (3, "series", Content::Value(Value::Series(Box::default()))),
        ];
        for (db, name, content) in values {
            let key = keyspace.key(db, name.as_bytes());
            let options = RestoreOptions {
                expires_ms: (name == "text").then_some(NOW_MS + 1000),
                ..RestoreOptions::default()
            };
            keyspace.restore(&key, content, options).unwrap();
        }
        keyspace
    }

    fn saved(keyspace: &Keyspace, for_redis: bool) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), Version::V10).unwrap();
        save(keyspace, &mut writer, for_redis).unwrap();
        writer.finish().unwrap()
    }

    fn load(mut file: &[u8], keyspace: &mut Keyspace) -> Result<Loaded, FileError> {
        let mut loader = Loader::new(Reader::new(&mut file)?, false);
        while loader.step(keyspace, 2)? {}
        Ok(loader.loaded().clone())
    }

    fn problem(file: &[u8]) -> Option<Problem> {
        load(file, &mut keyspace()).err().map(|error| error.problem)
    }

    #[test]
    fn a_keyspace_comes_back() {
        let file = saved(&filled(), false);
        let mut copy = keyspace();
        assert_eq!(load(&file, &mut copy).unwrap().keys, 5);
        let key = copy.key(0, b"text");
        assert_eq!(copy.ttl(&key), Ttl::At(NOW_MS + 1000));
        let key = copy.key(3, b"list");
        assert_eq!(copy.read::<List>(&key).unwrap().unwrap().len(), 50);
        assert_eq!(saved(&copy, false).len(), file.len());

        let without = saved(&filled(), true);
        assert_eq!(load(&without, &mut keyspace()).unwrap().keys, 4);

        let mut later = keyspace();
        later.set_now(NOW_MS + 1000);
        let loaded = load(&file, &mut later).unwrap();
        assert_eq!((loaded.keys, loaded.expired), (4, 1));
    }

    #[test]
    fn every_cut_is_refused() {
        let file = saved(&filled(), false);
        for end in 0..file.len() {
            assert!(load(&file[..end], &mut keyspace()).is_err(), "{end}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let file = saved(&filled(), false);
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 1 << (at % 8);
            let error = load(&bad, &mut keyspace()).expect_err("a checksum");
            assert!(error.offset <= bad.len() as u64, "{error}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused_by_name() {
        assert_eq!(problem(b"REDIS0"), Some(Problem::NotRdb));
        assert_eq!(problem(b"REDIX0010\xff"), Some(Problem::NotRdb));
        for version in ["0000", "0013", "0080", "00x1"] {
            let file = format!("REDIS{version}rest");
            let expected = Problem::Version(version.to_owned());
            assert_eq!(problem(file.as_bytes()), Some(expected));
        }
        let key = b"REDIS0010\xfe\x10\x00\x01a\x01b";
        assert_eq!(problem(key), Some(Problem::NoSuchDatabase(16)));
        let twice = b"REDIS0010\x00\x01a\x01b\x00\x01a\x01b";
        assert_eq!(problem(twice), Some(Problem::KeyExists));
        let error = load(b"REDIS0010\x00\x03key\x19rest", &mut keyspace()).unwrap_err();
        assert_eq!(
            error,
            FileError {
                offset: 15,
                key: Some(b"key".to_vec()),
                problem: Problem::Record(RdbError::Truncated),
            }
        );
        let text = "it ends too soon, at byte 15, in key \"key\"";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn records_of_all_kinds_are_read_in_old_files_and_new_ones() {
        // Before version 5 there is no checksum, and 0 is none.
        for (version, end) in [("0001", &b"\xff"[..]), ("0012", b"\xff\0\0\0\0\0\0\0\0")] {
            let records = [
                &b"\xfa\x09redis-ver\x057.4.0"[..],
                // A module of a name that we do not know, with a part of each kind.
                b"\xf7\x81\0\0\0\0\0\0\0\x07\x02\x02\x01\x05\x02\x40\x41\x03abcd\x04abcdefgh\x05\x01x\x00",
                b"\xf5\x06#!lua\n",
                b"\xfe\x01\xfb\x02\x01",
                b"\xf4\x05\x01\x00",
                b"\xfd\x00\x00\x00\x7f\x00\x01a\x01b",
                b"\xfc\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01c\x01d",
                b"\xf8\x3c\x00\x01e\x01f",
                b"\xf9\xff\x00\x01g\x01h",
                b"\x01\x05empty\x00",
            ];
            let file = [format!("REDIS{version}").as_bytes(), &records.concat(), end].concat();
            let mut keyspace = keyspace();
            let loaded = load(&file, &mut keyspace).unwrap();
            assert_eq!((loaded.keys, loaded.expired, loaded.empty), (3, 1, 1));
            assert_eq!(loaded.functions, [b"#!lua\n"]);
            let ttl = keyspace.ttl(&keyspace.key(1, b"a"));
            assert_eq!(ttl, Ttl::At(0x7f00_0000 * 1000));
            let idle_s = keyspace.idle_seconds(&keyspace.key(1, b"e"));
            assert_eq!(idle_s, Some(60));
        }
    }

    /// Gives a byte at a time, and is interrupted between them.
    struct Slow<'a>(&'a [u8], bool);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let count = 1.min(into.len());
            self.0.read(&mut into[..count])
        }
    }

    #[test]
    fn files_may_come_in_pieces() {
        let file = saved(&filled(), false);
        let mut copy = keyspace();
        let reader = Reader::new(Slow(&file, false)).unwrap();
        let mut loader = Loader::new(reader, false);
        while loader.step(&mut copy, 1).unwrap() {}
        assert_eq!(loader.offset(), file.len() as u64);
        assert_eq!(saved(&copy, false).len(), file.len());
    }

    #[test]
    fn promises_of_bytes_cost_no_memory() {
        // A key of 4 GB less one, of which there is not one byte.
        let file = b"REDIS0010\x00\x80\xff\xff\xff\xffabc";
        assert_eq!(problem(file), Some(Problem::Record(RdbError::Truncated)));
        let more = b"REDIS0010\x00\x81\0\0\x01\0\0\0\0\0abc";
        let too_long = Problem::Record(RdbError::StringTooLong {
            len: 1 << 40,
            max: u64::from(u32::MAX),
        });
        assert_eq!(problem(more), Some(too_long));
    }

    /// Takes so many bytes and then no more.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.0);
            self.0 -= count;
            match count {
                0 => Err(ErrorKind::StorageFull.into()),
                count => Ok(count),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told() {
        let mut keyspace = filled();
        let mut series = Series::new();
        for n in 0..100_000 {
            series.add(n, f64::from(n as i32).sqrt(), None).unwrap();
        }
        let key = keyspace.key(0, b"large");
        let content = Content::Value(Value::Series(Box::new(series)));
        keyspace
            .restore(&key, content, RestoreOptions::default())
            .unwrap();
        let whole = saved(&keyspace, false).len();
        for room in [0, 10, 1000, 100_000, whole - 1] {
            let mut writer = Writer::new(Full(room), Version::V10).unwrap();
            let result = save(&keyspace, &mut writer, false).and_then(|_| writer.finish());
            let kind = result.err().map(|error| error.kind());
            assert_eq!(kind, Some(ErrorKind::StorageFull), "{room} of {whole}");
        }
    }
}
