//! Replies as bytes, in RESP2 and RESP3.
//!
//! Whoever writes a reply says what it is (a map, a double, nothing); how that looks in the client's version of the
//! protocol is decided here. This module must not know commands.

use std::sync::Arc;

use crate::buffer::Output;
use crate::extended_float::ExtendedFloat;
use crate::keyspace::{Entry, Str};
use crate::number::{INT_TEXT, format_i64, push_f64, push_i64};

/// A client's output, and the version of the protocol it speaks.
pub struct Reply<'a> {
    pub(crate) out: &'a mut Output,
    pub(crate) resp3: bool,
}

impl<'a> Reply<'a> {
    /// Appends to `out`, in RESP3 or in RESP2.
    pub fn new(out: &'a mut Output, resp3: bool) -> Self {
        Reply { out, resp3 }
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.tail().extend_from_slice(b"+OK\r\n");
    }

    /// A short text without line breaks.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error, its code in front; line breaks become blanks.
    pub fn error(&mut self, text: &str) {
        let out = self.out.tail();
        out.push(b'-');
        out.extend(text.trim_end_matches(['\r', '\n']).bytes().map(|byte| {
            if matches!(byte, b'\r' | b'\n') {
                b' '
            } else {
                byte
            }
        }));
        out.extend_from_slice(b"\r\n");
    }

    /// A short text as a script has it, whatever bytes it is made of; line breaks become blanks.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.one_line(b'+', text);
    }

    /// An error as a script has it, its code in front; line breaks become blanks.
    pub fn error_bytes(&mut self, text: &[u8]) {
        let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
        self.one_line(b'-', &text[..end.map_or(0, |last| last + 1)]);
    }

    fn one_line(&mut self, kind: u8, text: &[u8]) {
        let without_breaks = |byte: &u8| match byte {
            b'\r' | b'\n' => b' ',
            byte => *byte,
        };
        let out = self.out.tail();
        out.push(kind);
        out.extend(text.iter().map(without_breaks));
        out.extend_from_slice(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        let out = self.out.tail();
        out.push(b':');
        push_i64(out, value);
        out.extend_from_slice(b"\r\n");
    }

    /// A number of things.
    #[inline]
    pub fn count(&mut self, value: usize) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A byte string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len());
        let out = self.out.tail();
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }

    /// A byte string that is made of these parts.
    pub fn bulk_of(&mut self, parts: &[&[u8]]) {
        self.header(b'$', parts.iter().map(|part| part.len()).sum());
        let out = self.out.tail();
        for part in parts {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// A byte string that is kept elsewhere too: a long one is not copied.
    pub fn bulk_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        self.header(b'$', bytes.len());
        self.out.push_shared(bytes);
        self.out.tail().extend_from_slice(b"\r\n");
    }

    /// An integer as a byte string.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(format_i64(value, &mut [0; 20]));
    }

    /// A string of the keyspace.
    #[inline]
    pub fn string(&mut self, string: Str<'_>) {
        match string {
            Str::Bytes(bytes) => self.bulk(bytes),
            Str::Int(int) => self.bulk_integer(int),
            Str::Shared(bytes) => self.bulk_shared(bytes),
        }
    }

    /// A string of the keyspace, or nothing.
    #[inline]
    pub fn string_or_null(&mut self, string: Option<Str<'_>>) {
        match string {
            Some(string) => self.string(string),
            None => self.null(),
        }
    }

    /// An element of a collection.
    #[inline]
    pub fn entry(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Bytes(bytes) => self.bulk(bytes),
            Entry::Int(_) => self.bulk(entry.text(&mut INT_TEXT.clone())),
        }
    }

    /// An element of a collection, or nothing.
    #[inline]
    pub fn entry_or_null(&mut self, entry: Option<Entry<'_>>) {
        match entry {
            Some(entry) => self.entry(entry),
            None => self.null(),
        }
    }

    /// Text for people: marked as such in RESP3.
    pub fn verbatim(&mut self, text: &str) {
        if self.resp3 {
            self.header(b'=', text.len() + 4);
            let out = self.out.tail();
            out.extend_from_slice(b"txt:");
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text.as_bytes());
        }
    }

    /// Text of any format (three letters, as `txt`); in RESP2 a byte string.
    pub fn verbatim_as(&mut self, format: &[u8], text: &[u8]) {
        if !self.resp3 {
            return self.bulk(text);
        }
        self.header(b'=', text.len() + 4);
        let out = self.out.tail();
        // It is three letters whatever was given.
        let letters = format.iter().copied().chain(std::iter::repeat(b' '));
        out.extend(letters.take(3));
        out.push(b':');
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }

    /// An integer of any size, as its digits; in RESP2 a byte string.
    pub fn big_number(&mut self, digits: &[u8]) {
        if self.resp3 {
            self.one_line(b'(', digits);
        } else {
            self.bulk(digits);
        }
    }

    /// Nothing, where there could be a value.
    #[inline]
    pub fn null(&mut self) {
        self.out
            .tail()
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Nothing, where there could be an array.
    pub fn null_array(&mut self) {
        self.out
            .tail()
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// A floating-point number; in RESP2 its text.
    pub fn double(&mut self, value: f64) {
        let mut text = Vec::with_capacity(24);
        push_f64(&mut text, value);
        if self.resp3 {
            self.line(b',', &text)
        } else {
            self.bulk(&text)
        }
    }

    /// A finite floating-point number with all the digits that matter, as Redis prints coordinates; in RESP2 its text.
    pub fn exact_double(&mut self, value: f64) {
        let mut text = Vec::with_capacity(24);
        if let Some(value) = ExtendedFloat::from_f64(value) {
            value.push(&mut text);
        }
        if self.resp3 {
            self.line(b',', &text)
        } else {
            self.bulk(&text)
        }
    }

    /// A truth value; in RESP2 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        if self.resp3 {
            self.line(b'#', if value { b"t" } else { b"f" });
        } else {
            self.integer(i64::from(value));
        }
    }

    /// The beginning of an array of `len` things.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// The beginning of a map of `len` pairs; in RESP2 an array of twice as many things.
    pub fn map(&mut self, len: usize) {
        if self.resp3 {
            self.header(b'%', len)
        } else {
            self.array(len * 2)
        }
    }

    /// The beginning of a set of `len` things; in RESP2 an array.
    pub fn set(&mut self, len: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, len);
    }

    /// The beginning of a message of `len` things that is no reply; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, len);
    }

    #[inline]
    fn header(&mut self, kind: u8, len: usize) {
        let out = self.out.tail();
        // Most are short: each of these is one store.
        if len < 10 {
            out.extend_from_slice(&[kind, b'0' + len as u8, b'\r', b'\n']);
        } else if len < 100 {
            let (tens, ones) = (len as u8 / 10, len as u8 % 10);
            out.extend_from_slice(&[kind, b'0' + tens, b'0' + ones, b'\r', b'\n']);
        } else {
            out.push(kind);
            push_i64(out, i64::try_from(len).unwrap_or(i64::MAX));
            out.extend_from_slice(b"\r\n");
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        let out = self.out.tail();
        out.push(kind);
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(resp3: bool, write: impl Fn(&mut Reply<'_>)) -> String {
        let mut out = Output::default();
        write(&mut Reply {
            out: &mut out,
            resp3,
        });
        String::from_utf8_lossy(out.next()).replace("\r\n", "|")
    }

    #[test]
    fn each_kind_looks_as_the_version_has_it() {
        type Write = fn(&mut Reply<'_>);
        let both: [(Write, &str, &str); 12] = [
            (|r| r.ok(), "+OK|", "+OK|"),
            (|r| r.error("ERR a\r\nb"), "-ERR a  b|", "-ERR a  b|"),
            (|r| r.integer(-42), ":-42|", ":-42|"),
            (|r| r.bulk(b"a\0b"), "$3|a\0b|", "$3|a\0b|"),
            (
                |r| r.bulk(&[b'x'; 10]),
                "$10|xxxxxxxxxx|",
                "$10|xxxxxxxxxx|",
            ),
            (|r| r.null(), "$-1|", "_|"),
            (|r| r.null_array(), "*-1|", "_|"),
            (|r| r.double(1.5), "$3|1.5|", ",1.5|"),
            (|r| r.boolean(true), ":1|", "#t|"),
            (|r| r.map(3), "*6|", "%3|"),
            (|r| r.set(12), "*12|", "~12|"),
            (|r| r.verbatim("hi"), "$2|hi|", "=6|txt:hi|"),
        ];
        for (write, resp2, resp3) in both {
            assert_eq!(
                (&*written(false, write), &*written(true, write)),
                (resp2, resp3)
            );
        }
        assert_eq!(written(true, |r| r.push(2)), ">2|");
    }
}
