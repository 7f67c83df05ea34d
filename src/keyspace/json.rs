//! JSON documents: any JSON value but a string, kept as text.
//!
//! A document is kept as it was sent, because values must come back that way: integers of any size, `1.0` as `1.0`, the
//! order of names. Text is also the smallest form, and the fastest to give out whole. There is no tree: paths are
//! evaluated on the text, and an edit is a new text. For that the text is *canonical*, and one that is not is made so
//! first: no blanks, no name twice in an object (the last value counts, in the place of the first), strings as short as they
//! can be written. Numbers keep their spelling.
//!
//! | file | idea |
//! |---|---|
//! | `canonical.rs` | from valid text to canonical text |
//! | `text.rs` | finding one's way in canonical text |
//! | `path.rs`, `select.rs` | what a path says, and what it selects |
//! | `edit.rs` | new texts from old ones |
//! | `print.rs` | text for people |
//!
//! This module must not know keys or protocols.

use std::borrow::Cow;

use serde_json::value::RawValue;

mod canonical;
pub mod edit;
pub mod path;
pub mod print;
pub mod select;
pub mod text;

#[cfg(test)]
mod tests;

/// Arrays and objects within each other, at most.
pub const DEPTH_MAX: usize = 128;

/// A JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json {
    text: Box<[u8]>,
    is_canonical: bool,
}

/// What kind of JSON value a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number without fraction and exponent.
    Integer,
    /// Any other number.
    Number,
    /// `"..."`
    String,
    /// `[...]`
    Array,
    /// `{...}`
    Object,
}

/// A text that is no JSON value, or one with too many arrays and objects in each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidJson {
    /// What is wrong, and where.
    message: Box<str>,
}

impl std::fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidJson {}

/// A JSON value, as it is to be stored: strings are plain strings of the keyspace, all else is a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The bytes that a JSON string stands for.
    String(String),
    /// A document.
    Document(Json),
}

impl Json {
    /// Parses one JSON value with nothing behind it. O(length).
    pub fn parse(text: &[u8]) -> Result<Parsed, InvalidJson> {
        Json::from_raw(raw(text)?)
    }

    /// The same for a part of a document that has been parsed already.
    pub fn from_raw(raw: &RawValue) -> Result<Parsed, InvalidJson> {
        let text = raw.get();
        if text.starts_with('"') {
            return serde_json::from_str(text)
                .map(Parsed::String)
                .map_err(invalid);
        }
        let canonical = canonical::canonical(text.as_bytes()).ok_or_else(too_deep)?;
        Ok(Parsed::Document(Json {
            is_canonical: canonical == text.as_bytes(),
            text: text.as_bytes().into(),
        }))
    }

    /// Parses one JSON value of any kind to its canonical text. O(length).
    pub fn parse_canonical(text: &[u8]) -> Result<Vec<u8>, InvalidJson> {
        let text = raw(text)?.get();
        if text.starts_with('"') {
            // Its meaning must be a text.
            serde_json::from_str::<Cow<'_, str>>(text).map_err(invalid)?;
        }
        canonical::canonical(text.as_bytes()).ok_or_else(too_deep)
    }

    /// A document from canonical text that is no string.
    pub(super) fn from_canonical(text: Vec<u8>) -> Self {
        Json {
            text: text.into(),
            is_canonical: true,
        }
    }

    /// The text, as it was sent.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The canonical text. O(1) if it was sent that way, or has been edited; O(length) if not.
    pub fn canonical(&self) -> Cow<'_, [u8]> {
        if self.is_canonical {
            return Cow::Borrowed(&self.text);
        }
        // It was not too deep when it was parsed.
        Cow::Owned(canonical::canonical(&self.text).unwrap_or_default())
    }

    /// What kind of value it is. O(length of a number), O(1) for the others.
    pub fn kind(&self) -> JsonKind {
        JsonKind::of(&self.text)
    }

    /// Bytes of memory behind the structure. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.text.len()
    }
}

impl JsonKind {
    /// The kind of the value with this text. O(length of a number), O(1) for the others.
    pub fn of(value: &[u8]) -> Self {
        match value.first() {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b't' | b'f') => JsonKind::Boolean,
            Some(b'n') | None => JsonKind::Null,
            Some(_)
                if value
                    .iter()
                    .all(|byte| byte.is_ascii_digit() || *byte == b'-') =>
            {
                JsonKind::Integer
            }
            Some(_) => JsonKind::Number,
        }
    }

    /// What JSON.TYPE calls it.
    pub fn name(self) -> &'static str {
        match self {
            JsonKind::Null => "null",
            JsonKind::Boolean => "boolean",
            JsonKind::Integer => "integer",
            JsonKind::Number => "number",
            JsonKind::String => "string",
            JsonKind::Array => "array",
            JsonKind::Object => "object",
        }
    }
}

/// Appends `bytes` as a JSON string, if they are UTF-8.
pub fn push_string(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), std::str::Utf8Error> {
    let text = std::str::from_utf8(bytes)?;
    // Writing into a Vec cannot fail, and a str always has a JSON form.
    let _ = serde_json::to_writer(out, text);
    Ok(())
}

fn raw(text: &[u8]) -> Result<&RawValue, InvalidJson> {
    serde_json::from_slice(text).map_err(invalid)
}

fn invalid(error: serde_json::Error) -> InvalidJson {
    InvalidJson {
        message: error.to_string().into(),
    }
}

fn too_deep() -> InvalidJson {
    InvalidJson {
        message: "recursion limit exceeded".into(),
    }
}
