//! What SCAN, HSCAN, SSCAN and ZSCAN share: cursor, options and reply.
//!
//! This module must not know how a walk goes on from a cursor.

use super::{Args, CommandError};
use crate::glob;
use crate::keyspace::{Collection, Entry, Type};
use crate::number::INT_TEXT;
use crate::protocol::Cx;

/// `XSCAN key cursor [MATCH pattern] [COUNT count]`: has `walk` show what it finds from the cursor
/// on and tell where to go on, and answers that.
pub(super) fn scan_elements<T: Collection>(
    cx: &mut Cx<'_>,
    args: Args<'_>,
    walk: impl FnOnce(&T, u64, &ScanOptions<'_>, &mut Found) -> u64,
) -> Result<(), CommandError> {
    let cursor = parse_cursor(&args[2])?;
    let key = cx.key(&args[1]);
    let mut found = Found::default();
    let next = match cx.keyspace.read::<T>(&key)? {
        Some(it) => walk(it, cursor, &ScanOptions::parse(args, 3, false)?, &mut found),
        // Without a key, the options are not looked at.
        None => 0,
    };
    found.reply_with_cursor(cx, next);
    Ok(())
}

/// What is wanted of a walk.
pub(super) struct ScanOptions<'a> {
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
    /// About how many elements are visited.
    pub count: usize,
}

impl<'a> ScanOptions<'a> {
    /// Parses the arguments from `at` on; TYPE only makes sense among keys.
    pub fn parse(args: Args<'a>, mut at: usize, among_keys: bool) -> Result<Self, CommandError> {
        let mut options = ScanOptions {
            pattern: None,
            type_name: None,
            count: 10,
        };
        while at < args.len() {
            if at + 1 == args.len() {
                return Err(CommandError::Syntax);
            }
            if args.is(at, "count") {
                let count = args.integer(at + 1)?;
                if count < 1 {
                    return Err(CommandError::Syntax);
                }
                options.count = usize::try_from(count).unwrap_or(usize::MAX);
            } else if args.is(at, "match") {
                options.pattern = args.get(at + 1).filter(|pattern| *pattern != b"*");
            } else if args.is(at, "type") && among_keys {
                options.type_name = args.get(at + 1);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 2;
        }
        Ok(options)
    }

    /// Whether a key or an element has the form that is wanted.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob::matches(pattern, text, false))
    }

    /// The same for an element as it is stored.
    pub fn matches_entry(&self, entry: Entry<'_>) -> bool {
        self.pattern.is_none() || self.matches(entry.text(&mut INT_TEXT.clone()))
    }

    /// Whether keys of this type are wanted.
    pub fn wants_type(&self, found: Type) -> bool {
        self.type_name
            .is_none_or(|name| name.eq_ignore_ascii_case(found.name().as_bytes()))
    }
}

/// Reads a cursor as Redis does, with C's `strtoul`: a sign is allowed, nothing at all is 0, and a
/// NUL ends it.
pub(super) fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    const INVALID: CommandError = CommandError::text("ERR invalid cursor");
    let text = memchr::memchr(0, text).map_or(text, |nul| &text[..nul]);
    let (is_negative, digits) = match text {
        [] => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(INVALID);
    }
    let number: u64 = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(INVALID)?;
    Ok(if is_negative {
        number.wrapping_neg()
    } else {
        number
    })
}

/// What a walk has found, in one buffer: its number must be said before it.
#[derive(Default)]
pub(super) struct Found {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Found {
    /// Adds a key.
    pub fn add(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    /// Adds an element as it is stored.
    pub fn add_entry(&mut self, entry: Entry<'_>) {
        self.add(entry.text(&mut INT_TEXT.clone()));
    }

    /// Answers what was found.
    pub fn reply(&self, cx: &mut Cx<'_>) {
        let mut reply = cx.reply();
        reply.array(self.ends.len());
        let mut start = 0;
        for &end in &self.ends {
            reply.bulk(&self.bytes[start..end]);
            start = end;
        }
    }

    /// Answers where to go on, and what was found.
    pub fn reply_with_cursor(&self, cx: &mut Cx<'_>, next: u64) {
        let mut reply = cx.reply();
        reply.array(2);
        reply.bulk(next.to_string().as_bytes());
        self.reply(cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_what_strtoul_takes() {
        let read: &[(&[u8], u64)] = &[
            (b"0", 0),
            (b"17", 17),
            (b"007", 7),
            (b"+5", 5),
            (b"-1", u64::MAX),
            (b"18446744073709551615", u64::MAX),
            (b"", 0),
            (b"\0x", 0),
            (b"8\0x", 8),
        ];
        for (text, cursor) in read {
            assert_eq!(parse_cursor(text), Ok(*cursor), "{}", text.escape_ascii());
        }
        for text in [
            "-",
            "+",
            "+-1",
            " 1",
            "1 ",
            "x",
            "1x",
            "0x1",
            "18446744073709551616",
        ] {
            assert!(parse_cursor(text.as_bytes()).is_err(), "{text}");
        }
    }
}
