//! Line framing: bounded, resumable, with `\n` or `\r\n`.
//!
//! This module must not know what a line means.

use memchr::memchr;

/// Finds lines. Remembers how far it has looked, so that no byte is looked at twice however slowly a line comes.
#[derive(Debug, Default)]
pub struct Lines {
    scanned: usize,
    /// The line is over its limit: what comes until its end is dropped.
    skipping: bool,
}

/// What is at the beginning of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// No whole line.
    NeedMore,
    /// A line without its end, and how many bytes it takes with it.
    Ready(&'a [u8], usize),
    /// Part of a line that is over the limit; drop so many bytes.
    Skip(usize),
    /// The end of a line that was over the limit, and how many bytes it takes.
    TooLong(usize),
}

impl Lines {
    /// Looks for a line of at most `len_max` bytes, its end not counted.
    pub fn next<'a>(&mut self, input: &'a [u8], len_max: usize) -> Line<'a> {
        match memchr(b'\n', &input[self.scanned..]) {
            Some(found) => {
                let end = self.scanned + found;
                self.scanned = 0;
                let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
                if std::mem::take(&mut self.skipping) || line.len() > len_max {
                    Line::TooLong(end + 1)
                } else {
                    Line::Ready(line, end + 1)
                }
            }
            // One byte more than the limit may be the `\r` of a line that is as long as it may be.
            None if self.skipping || input.len() > len_max + 1 => {
                self.scanned = 0;
                self.skipping = true;
                if input.is_empty() {
                    Line::NeedMore
                } else {
                    Line::Skip(input.len())
                }
            }
            None => {
                self.scanned = input.len();
                Line::NeedMore
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_either_way_and_are_found_however_they_come() {
        let text = b"one\r\ntwo\n\nlast";
        for split in 0..text.len() {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            let mut at = 0;
            for end in [split, text.len()] {
                while let Line::Ready(line, consumed) = lines.next(&text[at..end], 10) {
                    got.push(line);
                    at += consumed;
                }
            }
            assert_eq!(got, [&b"one"[..], b"two", b""], "split at {split}");
            assert_eq!(&text[at..], b"last");
        }
    }

    #[test]
    fn a_line_over_the_limit_is_dropped_as_it_comes_and_told_once() {
        let mut lines = Lines::default();
        assert_eq!(lines.next(b"12345", 4), Line::NeedMore);
        assert_eq!(lines.next(b"123456", 4), Line::Skip(6));
        assert_eq!(lines.next(b"", 4), Line::NeedMore);
        assert_eq!(lines.next(b"789", 4), Line::Skip(3));
        assert_eq!(lines.next(b"0\nab\n", 4), Line::TooLong(2));
        assert_eq!(lines.next(b"ab\n", 4), Line::Ready(b"ab", 3));
        assert_eq!(lines.next(b"abcd\r\n", 4), Line::Ready(b"abcd", 6));
        assert_eq!(lines.next(b"abcde\r\n", 4), Line::TooLong(7));
    }
}
