//! Canonical text with blanks and line breaks, for people. This module must not know where it goes.

use super::text::string_end;

/// What stands between the parts of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout<'a> {
    /// At the beginning of a line, for each level.
    pub indent: &'a [u8],
    /// Before each element or member, and before the end of what has any.
    pub newline: &'a [u8],
    /// Between a colon and a value.
    pub space: &'a [u8],
}

/// What is written would be longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Appends a canonical text in a layout, to no more than about `len_max` bytes. O(length of what is written).
pub fn push_laid_out(
    out: &mut Vec<u8>,
    text: &[u8],
    layout: Layout<'_>,
    len_max: usize,
) -> Result<(), TooLong> {
    let mut level: usize = 0;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if out.len() > len_max {
            return Err(TooLong);
        }
        match byte {
            b'"' => {
                let end = string_end(text, at);
                out.extend_from_slice(&text[at..end]);
                at = end;
                continue;
            }
            b'{' | b'[' => {
                out.push(*byte);
                level += 1;
                if !matches!(text.get(at + 1), Some(b'}' | b']')) {
                    push_line(out, level, layout);
                }
            }
            b'}' | b']' => {
                level = level.saturating_sub(1);
                if !matches!(
                    at.checked_sub(1).and_then(|at| text.get(at)),
                    Some(b'{' | b'[')
                ) {
                    push_line(out, level, layout);
                }
                out.push(*byte);
            }
            b',' => {
                out.push(b',');
                push_line(out, level, layout);
            }
            b':' => {
                out.push(b':');
                out.extend_from_slice(layout.space);
            }
            byte => out.push(*byte),
        }
        at += 1;
    }
    Ok(())
}

fn push_line(out: &mut Vec<u8>, level: usize, layout: Layout<'_>) {
    out.extend_from_slice(layout.newline);
    for _ in 0..level {
        out.extend_from_slice(layout.indent);
    }
}
