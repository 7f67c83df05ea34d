//! JSON documents: any JSON value but a string, kept as the text it came in.
//!
//! Text is kept because values must come back exactly as they were sent: integers of any size, `1.0` as `1.0`, the
//! order of keys. This module must not know keys or protocols.

use serde_json::value::RawValue;

/// A JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json {
    text: Box<[u8]>,
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

/// A text that is no JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidJson {
    /// Where the parser gave up: line, from 1.
    pub line: usize,
    /// And column, from 1.
    pub column: usize,
}

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
        let raw: &RawValue = serde_json::from_slice(text).map_err(invalid)?;
        Json::from_raw(raw)
    }

    /// The same for a part of a document that has been parsed already.
    pub fn from_raw(raw: &RawValue) -> Result<Parsed, InvalidJson> {
        let text = raw.get();
        if text.starts_with('"') {
            return serde_json::from_str(text)
                .map(Parsed::String)
                .map_err(invalid);
        }
        Ok(Parsed::Document(Json {
            text: text.as_bytes().into(),
        }))
    }

    /// The text, as it was sent.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// What kind of value it is. O(length of a number), O(1) for the others.
    pub fn kind(&self) -> JsonKind {
        kind_of(&self.text)
    }

    /// Bytes of memory behind the structure. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.text.len()
    }
}

/// Appends `bytes` as a JSON string, if they are UTF-8.
pub fn push_string(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), std::str::Utf8Error> {
    let text = std::str::from_utf8(bytes)?;
    // Writing into a Vec cannot fail, and a str always has a JSON form.
    let _ = serde_json::to_writer(out, text);
    Ok(())
}

fn kind_of(text: &[u8]) -> JsonKind {
    match text.first() {
        Some(b'{') => JsonKind::Object,
        Some(b'[') => JsonKind::Array,
        Some(b'"') => JsonKind::String,
        Some(b't' | b'f') => JsonKind::Boolean,
        Some(b'n') | None => JsonKind::Null,
        Some(_)
            if text
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'-') =>
        {
            JsonKind::Integer
        }
        Some(_) => JsonKind::Number,
    }
}

fn invalid(error: serde_json::Error) -> InvalidJson {
    InvalidJson {
        line: error.line(),
        column: error.column(),
    }
}
