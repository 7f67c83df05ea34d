//! What must come back, as something that bytes can be compared with.

use std::fmt;

/// Bytes that must come, mostly word by word.
#[derive(Default)]
pub struct Pattern(Vec<Piece>);

pub enum Piece {
    Bytes(Vec<u8>),
    /// Any bytes, or none.
    Anything,
    /// All of these, in whatever order.
    AnyOrder(Vec<Vec<u8>>),
}

impl Pattern {
    /// Appends a piece, to the last one if they are of a kind.
    pub fn push(&mut self, piece: Piece) {
        match (self.0.last_mut(), piece) {
            (Some(Piece::Bytes(last)), Piece::Bytes(more)) => last.extend(more),
            (Some(Piece::AnyOrder(last)), Piece::AnyOrder(more)) => last.extend(more),
            (_, piece) => self.0.push(piece),
        }
    }

    pub fn matches(&self, bytes: &[u8]) -> bool {
        matches(&self.0, bytes)
    }
}

fn matches(pieces: &[Piece], bytes: &[u8]) -> bool {
    let Some((first, rest)) = pieces.split_first() else {
        return bytes.is_empty();
    };
    match first {
        Piece::Bytes(wanted) => bytes
            .strip_prefix(&wanted[..])
            .is_some_and(|bytes| matches(rest, bytes)),
        Piece::Anything => (0..=bytes.len()).any(|skipped| matches(rest, &bytes[skipped..])),
        Piece::AnyOrder(wanted) => {
            let mut left: Vec<&[u8]> = wanted.iter().map(|text| &text[..]).collect();
            let mut bytes = bytes;
            while let Some(found) = left.iter().position(|text| bytes.starts_with(text)) {
                bytes = &bytes[left.swap_remove(found).len()..];
            }
            left.is_empty() && matches(rest, bytes)
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Bytes(bytes) => write!(f, "{}", bytes.escape_ascii())?,
                Piece::Anything => f.write_str("\\*")?,
                Piece::AnyOrder(texts) => {
                    f.write_str("{in any order: ")?;
                    for text in texts {
                        write!(f, "{} ", text.escape_ascii())?;
                    }
                    f.write_str("}")?;
                }
            }
        }
        Ok(())
    }
}
