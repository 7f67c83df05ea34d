//! Writes RDB files, key by key.

use std::io::{self, Write};

use super::encode::{Head, encode_behind};
use super::{Sink, Version, opcode};
use crate::checksum::crc64;
use crate::keyspace::{Data, Db};

/// A file that is being written. It may be written in as many steps as there are keys.
#[derive(Debug)]
pub struct Writer<W> {
    out: Output<W>,
    version: Version,
    db: Option<Db>,
}

impl<W: Write> Writer<W> {
    /// Writes the head of a file of this version.
    pub fn new(output: W, version: Version) -> io::Result<Self> {
        let mut writer = Writer {
            out: Output {
                inner: output,
                buffer: Vec::new(),
                crc: 0,
                error: None,
            },
            version,
            db: None,
        };
        writer
            .out
            .put(format!("REDIS{:04}", version.number()).as_bytes());
        writer.out.check()?;
        Ok(writer)
    }

    /// Says something that is good to know; see [`Item::Aux`](super::Item::Aux).
    pub fn aux(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.out.put(&[opcode::AUX]);
        self.out.put_string(name.as_bytes());
        self.out.put_string(value.as_bytes());
        self.out.check()
    }

    /// Writes a library of functions.
    pub fn function(&mut self, code: &[u8]) -> io::Result<()> {
        self.out.put(&[opcode::FUNCTION]);
        self.out.put_string(code);
        self.out.check()
    }

    /// Says how many keys will come in a database, so that whoever reads it can make room.
    pub fn sizes(&mut self, db: Db, keys: u64, expires: u64) -> io::Result<()> {
        self.select(db);
        self.out.put(&[opcode::SIZES]);
        self.out.put_length(keys);
        self.out.put_length(expires);
        self.out.check()
    }

    /// Writes a key. O(size); what does not fit the buffer is written to the output.
    pub fn key(
        &mut self,
        db: Db,
        key: &[u8],
        expires_ms: Option<i64>,
        data: Data<'_>,
    ) -> io::Result<()> {
        self.select(db);
        if let Some(ms) = expires_ms {
            self.out.put(&[opcode::EXPIRY_MS]);
            self.out.put(&ms.to_le_bytes());
        }
        encode_behind(Head { key: Some(key) }, data, self.version, &mut self.out);
        self.out.check()
    }

    /// Writes the end, and gives the output back, flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.put(&[opcode::END]);
        self.out.flush();
        let crc = self.out.crc;
        self.out.put(&crc.to_le_bytes());
        self.out.flush();
        self.out.check()?;
        self.out.inner.flush()?;
        Ok(self.out.inner)
    }

    fn select(&mut self, db: Db) {
        if self.db != Some(db) {
            self.db = Some(db);
            self.out.put(&[opcode::SELECT_DB]);
            self.out.put_length(u64::from(db));
        }
    }
}

/// Collects bytes and the checksum of all that was written. After an error nothing more is.
#[derive(Debug)]
struct Output<W> {
    inner: W,
    buffer: Vec<u8>,
    crc: u64,
    error: Option<io::Error>,
}

const BUFFER_BYTES: usize = 64 << 10;

impl<W: Write> Output<W> {
    fn flush(&mut self) {
        self.crc = crc64(self.crc, &self.buffer);
        if self.error.is_none() {
            self.error = self.inner.write_all(&self.buffer).err();
        }
        self.buffer.clear();
    }

    /// Whether all went well since the last time.
    fn check(&mut self) -> io::Result<()> {
        match &self.error {
            None => Ok(()),
            // The error stays: no file is whole behind a gap.
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }
}

impl<W: Write> Sink for Output<W> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush();
        }
        if bytes.len() > BUFFER_BYTES {
            self.crc = crc64(self.crc, bytes);
            if self.error.is_none() {
                self.error = self.inner.write_all(bytes).err();
            }
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }
}
