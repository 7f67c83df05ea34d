//! Where bytes go, and how lengths, strings and numbers are written. Nothing here knows types of values.

use super::{form, lzf};
use crate::keyspace::Entry;
use crate::number::{INT_TEXT, format_i64, parse_i64};

/// Takes the bytes of values.
pub trait Sink {
    /// Takes these bytes, behind those before.
    fn put(&mut self, bytes: &[u8]);

    /// A length, or any other number without sign.
    fn put_length(&mut self, len: u64) {
        match len {
            0..=0x3f => self.put(&[form::LEN_6 << 6 | len as u8]),
            0x40..=0x3fff => self.put(&[form::LEN_14 << 6 | (len >> 8) as u8, len as u8]),
            0x4000..=0xffff_ffff => {
                self.put(&[form::LEN_32]);
                self.put(&(len as u32).to_be_bytes());
            }
            _ => {
                self.put(&[form::LEN_64]);
                self.put(&len.to_be_bytes());
            }
        }
    }

    /// A string, as an integer or compressed where that is shorter. O(length).
    fn put_string(&mut self, bytes: &[u8]) {
        /// Longer texts are no integers of 32 bits.
        const INT_BYTES_MAX: usize = 11;
        /// Shorter strings are not worth the attempt to compress them.
        const COMPRESSED_BYTES_MIN: usize = 21;
        /// What a compressed string must be shorter by.
        const GAIN_BYTES_MIN: usize = 4;
        if bytes.len() <= INT_BYTES_MAX
            && let Some(int) = parse_i64(bytes)
            && self.put_short_int(int)
        {
            return;
        }
        if bytes.len() >= COMPRESSED_BYTES_MIN
            && let Some(compressed) = lzf::compress(bytes, bytes.len() - GAIN_BYTES_MIN)
        {
            self.put(&[form::SPECIAL << 6 | form::LZF]);
            self.put_length(compressed.len() as u64);
            self.put_length(bytes.len() as u64);
            return self.put(&compressed);
        }
        self.put_length(bytes.len() as u64);
        self.put(bytes);
    }

    /// A string that is the decimal of an integer.
    fn put_int(&mut self, int: i64) {
        if !self.put_short_int(int) {
            let mut digits = INT_TEXT;
            let text = format_i64(int, &mut digits);
            self.put_length(text.len() as u64);
            self.put(text);
        }
    }

    /// The same, if the integer has no more than 32 bits: returns whether it was written.
    fn put_short_int(&mut self, int: i64) -> bool {
        let special = |form| form::SPECIAL << 6 | form;
        if let Ok(int) = i8::try_from(int) {
            self.put(&[special(form::INT_8), int as u8]);
        } else if let Ok(int) = i16::try_from(int) {
            self.put(&[special(form::INT_16)]);
            self.put(&int.to_le_bytes());
        } else if let Ok(int) = i32::try_from(int) {
            self.put(&[special(form::INT_32)]);
            self.put(&int.to_le_bytes());
        } else {
            return false;
        }
        true
    }

    /// An element of a collection, as a string.
    fn put_entry(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Int(int) => self.put_int(int),
            Entry::Bytes(bytes) => self.put_string(bytes),
        }
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
