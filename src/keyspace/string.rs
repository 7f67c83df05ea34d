//! Strings: bytes, or an integer kept as one.
//!
//! This module must not know protocols; commands' arguments arrive parsed.

use std::borrow::Cow;
use std::sync::Arc;

use super::table::{INLINE_VALUE_BYTES_MAX, NewData, Position};
use super::{Data, Json, Key, Keyspace, Type, Value, WrongType};
use crate::change::Class;
use crate::extended_float::ExtendedFloat;
use crate::number::{format_i64, parse_i64};

/// A string, seen.
#[derive(Clone, Copy, Debug)]
pub enum Str<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// An integer, which reads as its decimal.
    Int(i64),
    /// A long one, which a reply may share instead of copying it.
    Shared(&'a Arc<Vec<u8>>),
}

impl Str<'_> {
    /// Its bytes; `digits` is where an integer is written out.
    pub fn as_bytes<'b>(&'b self, digits: &'b mut [u8; 20]) -> &'b [u8] {
        match self {
            Str::Bytes(bytes) => bytes,
            Str::Shared(bytes) => bytes,
            Str::Int(int) => format_i64(*int, digits),
        }
    }

    /// A copy of its bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.as_bytes(&mut [0; 20]).to_vec()
    }

    /// The integer that it is, if it is the canonical decimal of one.
    pub fn to_i64(&self) -> Option<i64> {
        match self {
            Str::Int(int) => Some(*int),
            Str::Bytes(bytes) => parse_i64(bytes),
            Str::Shared(_) => None,
        }
    }
}

/// What a key holds, for a protocol that shows several types.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// A string.
    String(Str<'a>),
    /// A JSON document.
    Json(&'a Json),
    /// A value of another type.
    Other(Type),
}

/// Whether SET may go ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// In any case.
    #[default]
    Always,
    /// NX: only when the key does not exist.
    IfMissing,
    /// XX: only when it does.
    IfExists,
}

/// What becomes of the key's expiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// It has none afterwards.
    #[default]
    Clear,
    /// It keeps the one it has.
    Keep,
    /// It expires at this Unix time in ms.
    At(i64),
}

/// The options of SET.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// NX or XX.
    pub condition: Condition,
    /// EX, PX, EXAT, PXAT (already made absolute) or KEEPTTL.
    pub expiry: Expiry,
    /// GET: an old value of another type is an error.
    pub get: bool,
}

/// What SET did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetOutcome {
    /// Whether the value was stored.
    pub stored: bool,
    /// The old value, if it was asked for and there was one.
    pub old: Option<Vec<u8>>,
}

/// Why an operation on a string was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringError {
    /// The key holds another type.
    WrongType(WrongType),
    /// The result would be longer than the limit handed in.
    TooLong,
}

/// Why an increment was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncrError {
    /// The key holds another type.
    WrongType(WrongType),
    /// The value is no integer (or, for a float increment, no float) within range.
    NotANumber,
    /// The result does not fit 64 bits.
    Overflow,
    /// The result is not finite.
    NotFinite,
}

impl From<WrongType> for StringError {
    fn from(error: WrongType) -> Self {
        StringError::WrongType(error)
    }
}

impl From<WrongType> for IncrError {
    fn from(error: WrongType) -> Self {
        IncrError::WrongType(error)
    }
}

impl Keyspace {
    /// What the key holds; `None` when it does not exist. O(1). Counts as a read.
    #[inline]
    pub fn view(&mut self, key: &Key<'_>) -> Option<View<'_>> {
        let at = self.find_for_read(key)?;
        Some(match self.table.record(at).data {
            Data::Bytes { bytes, .. } => View::String(Str::Bytes(bytes)),
            Data::Int(int) => View::String(Str::Int(int)),
            Data::Value(Value::String(bytes)) => View::String(Str::Shared(bytes)),
            Data::Value(Value::Json(json)) => View::Json(json),
            Data::Value(value) => View::Other(value.type_of()),
        })
    }

    /// GET: the string, or the text of a JSON document. O(1).
    #[inline]
    pub fn get(&mut self, key: &Key<'_>) -> Result<Option<Str<'_>>, WrongType> {
        match self.view(key) {
            None => Ok(None),
            Some(View::String(string)) => Ok(Some(string)),
            Some(View::Json(json)) => Ok(Some(Str::Bytes(json.text()))),
            Some(View::Other(found)) => Err(WrongType { found }),
        }
    }

    /// The string and nothing but a string: what the operations on parts of one read. O(1).
    #[inline]
    pub fn string(&mut self, key: &Key<'_>) -> Result<Option<Str<'_>>, WrongType> {
        match self.view(key) {
            None => Ok(None),
            Some(View::String(string)) => Ok(Some(string)),
            Some(View::Json(_)) => Err(WrongType { found: Type::Json }),
            Some(View::Other(found)) => Err(WrongType { found }),
        }
    }

    /// SET: stores a string in place of whatever the key holds. O(length).
    pub fn set(
        &mut self,
        key: &Key<'_>,
        value: &[u8],
        options: SetOptions,
    ) -> Result<SetOutcome, WrongType> {
        let found = self.find(key);
        let old = match found {
            Some(at) if options.get => Some(self.string_at(at)?.to_vec()),
            _ => None,
        };
        let refused = match options.condition {
            Condition::Always => false,
            Condition::IfMissing => found.is_some(),
            Condition::IfExists => found.is_none(),
        };
        if refused {
            return Ok(SetOutcome { stored: false, old });
        }
        self.set_found(key, found, value, options.expiry);
        Ok(SetOutcome { stored: true, old })
    }

    /// Stores a string under a key, in place of whatever is there, and clears its expiry. O(length).
    #[inline]
    pub fn put(&mut self, key: &Key<'_>, value: &[u8]) {
        let found = self.find(key);
        self.set_found(key, found, value, Expiry::Clear);
    }

    /// GETDEL. O(1).
    pub fn get_delete(&mut self, key: &Key<'_>) -> Result<Option<Vec<u8>>, WrongType> {
        let value = self.string(key)?.map(|string| string.to_vec());
        if value.is_some() {
            self.delete(key);
        }
        Ok(value)
    }

    /// INCRBY: adds to the integer that the key holds (0 when it does not exist). O(1).
    pub fn incr_by(&mut self, key: &Key<'_>, by: i64) -> Result<i64, IncrError> {
        let found = self.find(key);
        let old = match found {
            Some(at) => self.string_at(at)?.to_i64().ok_or(IncrError::NotANumber)?,
            None => 0,
        };
        let new = old.checked_add(by).ok_or(IncrError::Overflow)?;
        self.store(key, found, NewData::Int(new), Expiry::Keep);
        let mut digits = [0; 20];
        self.changed(
            key,
            Class::String,
            "incrby",
            &[b"INCRBY", key.bytes, format_i64(by, &mut digits)],
        );
        Ok(new)
    }

    /// INCRBYFLOAT: the same in `long double` arithmetic; gives the new value's text. O(1).
    pub fn incr_by_float(
        &mut self,
        key: &Key<'_>,
        by: ExtendedFloat,
    ) -> Result<Vec<u8>, IncrError> {
        let found = self.find(key);
        let old = match found {
            Some(at) => {
                let string = self.string_at(at)?;
                let mut digits = [0; 20];
                ExtendedFloat::parse(string.as_bytes(&mut digits)).ok_or(IncrError::NotANumber)?
            }
            None => ExtendedFloat::from_i64(0),
        };
        let new = old.checked_add(by).map_err(|_| IncrError::NotFinite)?;
        let mut text = Vec::new();
        new.push(&mut text);
        // Redis keeps the result as raw bytes, even when it reads as an integer.
        self.store(
            key,
            found,
            NewData::Bytes {
                bytes: &text,
                raw: false,
            },
            Expiry::Keep,
        );
        self.changed(
            key,
            Class::String,
            "incrbyfloat",
            &[b"SET", key.bytes, &text, b"KEEPTTL"],
        );
        Ok(text)
    }

    /// APPEND: gives the new length. O(length of what is appended), amortised.
    pub fn append(
        &mut self,
        key: &Key<'_>,
        suffix: &[u8],
        len_max: usize,
    ) -> Result<usize, StringError> {
        let Some(at) = self.find(key) else {
            if suffix.len() > len_max {
                return Err(StringError::TooLong);
            }
            self.insert(key, new_string(suffix), None);
            self.changed(
                key,
                Class::String,
                "append",
                &[b"APPEND", key.bytes, suffix],
            );
            return Ok(suffix.len());
        };
        let len = self.string_len(at)?;
        if len.saturating_add(suffix.len()) > len_max {
            return Err(StringError::TooLong);
        }
        self.edit(key, at, len + suffix.len(), |bytes| {
            bytes.extend_from_slice(suffix)
        });
        self.changed(
            key,
            Class::String,
            "append",
            &[b"APPEND", key.bytes, suffix],
        );
        Ok(len + suffix.len())
    }

    /// SETRANGE: overwrites from `offset`, with zeros in between where the string is shorter; gives the new length.
    /// O(length of the patch), plus the zeros.
    pub fn set_range(
        &mut self,
        key: &Key<'_>,
        offset: usize,
        patch: &[u8],
        len_max: usize,
    ) -> Result<usize, StringError> {
        let found = self.find(key);
        let len = match found {
            Some(at) => self.string_len(at)?,
            None => 0,
        };
        if patch.is_empty() {
            return Ok(len);
        }
        let end = offset.saturating_add(patch.len());
        if end > len_max {
            return Err(StringError::TooLong);
        }
        let at = match found {
            Some(at) => at,
            None => self.insert(
                key,
                NewData::Bytes {
                    bytes: b"",
                    raw: true,
                },
                None,
            ),
        };
        self.edit(key, at, end.max(len), |bytes| {
            bytes.resize(bytes.len().max(end), 0);
            bytes[offset..end].copy_from_slice(patch);
        });
        let offset = offset.to_string();
        self.changed(
            key,
            Class::String,
            "setrange",
            &[b"SETRANGE", key.bytes, offset.as_bytes(), patch],
        );
        Ok(end.max(len))
    }

    /// Stores a string under a key whose record has been looked for.
    #[inline]
    pub(super) fn set_found(
        &mut self,
        key: &Key<'_>,
        found: Option<Position>,
        value: &[u8],
        expiry: Expiry,
    ) {
        self.store(key, found, new_string(value), expiry);
        match expiry {
            Expiry::Clear => self.changed(key, Class::String, "set", &[b"SET", key.bytes, value]),
            Expiry::Keep => self.changed(
                key,
                Class::String,
                "set",
                &[b"SET", key.bytes, value, b"KEEPTTL"],
            ),
            Expiry::At(ms) => {
                let mut digits = [0; 20];
                let at = format_i64(ms, &mut digits);
                self.changed(
                    key,
                    Class::String,
                    "set",
                    &[b"SET", key.bytes, value, b"PXAT", at],
                );
                self.changed(key, Class::Generic, "expire", &[]);
            }
        }
    }

    /// Puts data under the key, whether something was found there or not.
    pub(super) fn store(
        &mut self,
        key: &Key<'_>,
        found: Option<Position>,
        data: NewData<'_>,
        expiry: Expiry,
    ) {
        match found {
            None => {
                let expires_ms = if let Expiry::At(ms) = expiry {
                    Some(ms)
                } else {
                    None
                };
                self.insert(key, data, expires_ms);
            }
            Some(mut at) => {
                match expiry {
                    Expiry::Keep => {}
                    Expiry::Clear => self.set_expires_at(key, &mut at, None),
                    Expiry::At(ms) => self.set_expires_at(key, &mut at, Some(ms)),
                }
                self.replace_at(key, &mut at, data);
                self.mark_used(at);
            }
        }
    }

    fn string_at(&self, at: Position) -> Result<Str<'_>, WrongType> {
        match self.table.record(at).data {
            Data::Bytes { bytes, .. } => Ok(Str::Bytes(bytes)),
            Data::Int(int) => Ok(Str::Int(int)),
            Data::Value(Value::String(bytes)) => Ok(Str::Shared(bytes)),
            Data::Value(value) => Err(WrongType {
                found: value.type_of(),
            }),
        }
    }

    fn string_len(&self, at: Position) -> Result<usize, WrongType> {
        Ok(self.string_at(at)?.as_bytes(&mut [0; 20]).len())
    }

    /// The string's bytes, if the key holds one; nothing otherwise. Expired keys have been looked for before.
    pub(super) fn text_of(&self, key: &Key<'_>) -> Cow<'_, [u8]> {
        match self.table.find(key).map(|at| self.table.record(at).data) {
            Some(Data::Bytes { bytes, .. }) => Cow::Borrowed(bytes),
            Some(Data::Int(int)) => Cow::Owned(format_i64(int, &mut [0; 20]).to_vec()),
            Some(Data::Value(Value::String(bytes))) => Cow::Borrowed(bytes),
            Some(Data::Value(_)) | None => Cow::Borrowed(b""),
        }
    }

    /// Edits the bytes of a string, of an empty one that is made where there is none. The change is told by the
    /// caller. O(1) and the edit in a long string.
    pub(super) fn edit_string<R>(
        &mut self,
        key: &Key<'_>,
        edit: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<Edited<R>, WrongType> {
        let found = self.find(key);
        let len = found.map(|at| self.string_len(at)).transpose()?;
        let empty = NewData::Bytes {
            bytes: b"",
            raw: true,
        };
        let at = match found {
            Some(at) => at,
            None => self.insert(key, empty, None),
        };
        let (result, new_len) = self.edit(key, at, len.unwrap_or(0), |bytes| {
            let result = edit(bytes);
            (result, bytes.len())
        });
        Ok(Edited {
            result,
            grown: len.is_none_or(|len| new_len > len),
        })
    }

    /// Edits the string's bytes; `len` is how long it will be. One that is long already is edited in place.
    pub(super) fn edit<R>(
        &mut self,
        key: &Key<'_>,
        mut at: Position,
        len: usize,
        edit: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> R {
        if let Some(Value::String(bytes)) = self.value_mut_at(at) {
            return edit(Arc::make_mut(bytes));
        }
        let mut bytes = Vec::with_capacity(len);
        match self.table.record(at).data {
            Data::Bytes { bytes: old, .. } => bytes.extend_from_slice(old),
            Data::Int(int) => bytes.extend_from_slice(format_i64(int, &mut [0; 20])),
            Data::Value(_) => {}
        }
        let result = edit(&mut bytes);
        if bytes.len() > INLINE_VALUE_BYTES_MAX {
            self.replace_at(key, &mut at, NewData::Value(Value::string(bytes)));
        } else {
            self.replace_at(
                key,
                &mut at,
                NewData::Bytes {
                    bytes: &bytes,
                    raw: true,
                },
            );
        }
        result
    }
}

/// What came of an edit.
pub(super) struct Edited<R> {
    /// What the edit returned.
    pub result: R,
    /// Whether the string is longer than before, or new.
    pub grown: bool,
}

/// How a string is stored: as an integer when it is the canonical decimal of one.
#[inline]
pub(super) fn new_string(value: &[u8]) -> NewData<'_> {
    match parse_i64(value) {
        Some(int) => NewData::Int(int),
        None => NewData::Bytes {
            bytes: value,
            raw: false,
        },
    }
}
