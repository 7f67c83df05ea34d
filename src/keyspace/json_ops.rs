//! JSON values as keys: a JSON string is a string of the keyspace, any other value a document.
//!
//! What a document *is* stands in `json.rs`; this file must not know protocols.

use std::borrow::Cow;

use super::json::edit::{EditError, add_member, merge, outermost, remove, rewrite};
use super::json::path::{Path, Select};
use super::json::select::{Match, TooMuch, select, select_parent};
use super::json::text::{depth, inner, items, meaning};
use super::json::{DEPTH_MAX, push_string};
use super::string::new_string;
use super::table::{NewData, Position};
use super::{
    Condition, Expiry, Json, JsonKind, Key, Keyspace, Parsed, Type, Value, View, WrongType,
};
use crate::change::Class;
use crate::number::format_i64;

impl Keyspace {
    /// Stores a JSON value in place of whatever the key holds, if the condition allows it; gives whether it did.
    /// O(length).
    pub fn set_json(
        &mut self,
        key: &Key<'_>,
        value: Parsed,
        condition: Condition,
        expiry: Expiry,
    ) -> bool {
        self.set_json_as(key, value, condition, expiry, "json.set")
    }

    /// The same, told as another event, where the value is a document.
    pub fn set_json_as(
        &mut self,
        key: &Key<'_>,
        value: Parsed,
        condition: Condition,
        expiry: Expiry,
        event: &'static str,
    ) -> bool {
        let found = self.find(key);
        let refused = match condition {
            Condition::Always => false,
            Condition::IfMissing => found.is_some(),
            Condition::IfExists => found.is_none(),
        };
        if refused {
            return false;
        }
        match value {
            Parsed::String(text) => self.set_found(key, found, text.as_bytes(), expiry),
            Parsed::Document(json) => {
                self.tell_set_json(key, found, json.text(), expiry, event);
                self.store(
                    key,
                    found,
                    NewData::Value(Value::Json(Box::new(json))),
                    expiry,
                );
            }
        }
        true
    }

    /// Tells of a document that is about to be stored. JSON.SET keeps the key's expiry and replaces nothing but strings
    /// and documents, so that other commands may have to stand before or behind it.
    fn tell_set_json(
        &mut self,
        key: &Key<'_>,
        found: Option<Position>,
        text: &[u8],
        expiry: Expiry,
        event: &'static str,
    ) {
        if !self.changes.wants_commands() {
            self.changed(key, Class::Module, event, &[]);
            return;
        }
        let old_ms = found.and_then(|at| self.table.expires_ms(at));
        let new_ms = match expiry {
            Expiry::Clear => None,
            Expiry::Keep => old_ms,
            Expiry::At(ms) => Some(ms),
        };
        let is_in_the_way =
            found.is_some_and(|at| !matches!(self.type_at(at), Type::String | Type::Json));
        if is_in_the_way {
            self.changed(key, Class::Generic, "", &[b"DEL", key.bytes]);
        } else if new_ms.is_none() && old_ms.is_some() {
            self.changed(key, Class::Generic, "", &[b"PERSIST", key.bytes]);
        }
        self.changed(
            key,
            Class::Module,
            event,
            &[b"JSON.SET", key.bytes, b"$", text],
        );
        if let Some(ms) = new_ms
            && (is_in_the_way || new_ms != old_ms)
        {
            let mut digits = [0; 20];
            let at = format_i64(ms, &mut digits);
            self.changed(key, Class::Generic, "", &[b"PEXPIREAT", key.bytes, at]);
        }
    }
}

/// Why an operation on a part of a document was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// The key holds another type.
    WrongType(WrongType),
    /// The key holds a string that is not UTF-8, and so has no JSON form.
    NotText,
    /// There is no such key.
    MissingKey,
    /// There is no such key, and a path within a document that is not there.
    MissingRoot,
    /// A path that may select several values cannot say what is to be created.
    NotStatic,
    /// What is to be created is an element of an array.
    MissingElement,
    /// The path would select more than the server is willing to look at.
    TooMuch,
    /// Arrays and objects would be nested too deeply.
    TooDeep,
    /// The edit itself.
    Edit(EditError),
}

impl From<TooMuch> for JsonError {
    fn from(_: TooMuch) -> Self {
        JsonError::TooMuch
    }
}

impl From<EditError> for JsonError {
    fn from(error: EditError) -> Self {
        JsonError::Edit(error)
    }
}

/// How an edit is told.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The name of its event.
    pub event: &'static str,
    /// The command that does the same to a copy.
    pub command: &'a [&'a [u8]],
}

/// How a document may grow by an edit.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Bytes that it may have then.
    pub len_max: usize,
    /// Whether arrays or objects are added, so that there may be more of them within each other.
    pub deepens: bool,
}

/// What is to be written, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct NewValue<'a> {
    /// Canonical text.
    pub text: &'a [u8],
    /// Bytes that the document may have then.
    pub len_max: usize,
}

/// An edit of a value: it is told its text, and writes the new one.
pub type EditValue<'a, R> = dyn FnMut(&[u8], &mut Vec<u8>) -> Result<Edited<R>, EditError> + 'a;

/// What an edit did to one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited<R> {
    /// It is another now.
    Changed(R),
    /// It is what it was.
    Same(R),
}

impl Keyspace {
    /// The canonical text of the JSON value at the key: a document's, or a string's. Counts as a read. O(length), or O(1)
    /// for a document that is canonical.
    pub fn json(&mut self, key: &Key<'_>) -> Result<Option<Cow<'_, [u8]>>, JsonError> {
        match self.view(key) {
            None => Ok(None),
            Some(View::Json(json)) => Ok(Some(json.canonical())),
            Some(View::String(string)) => {
                let mut text = Vec::new();
                push_string(&mut text, string.as_bytes(&mut [0; 20]))
                    .map_err(|_| JsonError::NotText)?;
                Ok(Some(Cow::Owned(text)))
            }
            Some(View::Other(found)) => Err(JsonError::WrongType(WrongType { found })),
        }
    }

    /// Sets what a path within a document selects, or creates the one member that it names. Gives whether anything
    /// was set. O(length).
    pub fn json_set_path(
        &mut self,
        key: &Key<'_>,
        path: &Path,
        value: NewValue<'_>,
        condition: Condition,
        telling: Telling<'_>,
    ) -> Result<bool, JsonError> {
        let new = match self.json(key)? {
            Some(text) => with_value(&text, path, value, condition, Put::Replace)?,
            None if condition == Condition::IfExists => None,
            None => return Err(JsonError::MissingRoot),
        };
        Ok(self.store_if_some(key, new, telling))
    }

    /// What [`Keyspace::json_set_path`] would say, without doing it.
    pub fn json_try_set_path(
        &mut self,
        key: &Key<'_>,
        path: &Path,
        value: NewValue<'_>,
    ) -> Result<(), JsonError> {
        let text = self.json(key)?.ok_or(JsonError::MissingRoot)?;
        with_value(&text, path, value, Condition::Always, Put::Replace)?;
        Ok(())
    }

    /// Merges a value into what a path selects, as RFC 7396 has it, or creates the one member that it names. Gives
    /// whether anything was done. O(length), times the logarithm of the number of names.
    pub fn json_merge(
        &mut self,
        key: &Key<'_>,
        path: &Path,
        patch: NewValue<'_>,
        telling: Telling<'_>,
    ) -> Result<bool, JsonError> {
        let new = match self.json(key)? {
            Some(text) => with_value(&text, path, patch, Condition::Always, Put::Merge)?,
            None => return Err(JsonError::MissingRoot),
        };
        Ok(self.store_if_some(key, new, telling))
    }

    /// Removes what a path selects, and the key when nothing is left in its array or object; gives how many values are
    /// gone, not counting those within others. O(length).
    pub fn json_delete(
        &mut self,
        key: &Key<'_>,
        path: &Path,
        telling: Telling<'_>,
    ) -> Result<usize, JsonError> {
        let (count, new) = match self.json(key)? {
            None => return Ok(0),
            Some(text) => {
                let matches = outermost(select(&text, path)?);
                let is_root = |one: &Match| one.value == (0..text.len());
                let new = match matches.first() {
                    None => return Ok(0),
                    Some(first) if is_root(first) => Vec::new(),
                    Some(_) => remove(&text, &matches),
                };
                (matches.len(), new)
            }
        };
        if matches!(&new[..], b"" | b"{}" | b"[]") {
            self.json_delete_key(key, telling.event);
        } else {
            self.store_json(key, new, telling);
        }
        Ok(count)
    }

    /// Removes a key that holds a JSON value, whatever it is; gives how many were removed. O(1).
    pub fn json_delete_key(&mut self, key: &Key<'_>, event: &'static str) -> usize {
        let Some(at) = self.find(key) else { return 0 };
        self.remove_at(key, at);
        self.changed(key, Class::Module, event, &[b"DEL", key.bytes]);
        1
    }

    /// Edits what a path selects, as far as it is of the right kind; for each value, in the order of selection, what
    /// the edit gave, or `None` if it is of another kind. O(length).
    pub fn json_edit<R>(
        &mut self,
        key: &Key<'_>,
        path: &Path,
        growth: Growth,
        fits: impl Fn(&[u8]) -> bool,
        edit: &mut EditValue<'_, R>,
        telling: Telling<'_>,
    ) -> Result<Vec<Option<R>>, JsonError> {
        let mut results;
        let mut is_changed = false;
        let new = {
            let text = self.json(key)?.ok_or(JsonError::MissingKey)?;
            let matches = select(&text, path)?;
            results = Vec::from_iter(matches.iter().map(|_| None));
            let (places, fitting): (Vec<usize>, Vec<Match>) = matches
                .into_iter()
                .enumerate()
                .filter(|(_, one)| text.get(one.value.clone()).is_some_and(&fits))
                .unzip();
            rewrite(&text, &fitting, growth.len_max, &mut |at, old, out| {
                let result = match edit(old, out)? {
                    Edited::Changed(result) => {
                        is_changed = true;
                        result
                    }
                    Edited::Same(result) => result,
                };
                results[places[at]] = Some(result);
                Ok(())
            })?
        };
        if is_changed {
            if growth.deepens && depth(&new) > DEPTH_MAX {
                return Err(JsonError::TooDeep);
            }
            self.store_json(key, new, telling);
        }
        Ok(results)
    }

    fn store_if_some(
        &mut self,
        key: &Key<'_>,
        text: Option<Vec<u8>>,
        telling: Telling<'_>,
    ) -> bool {
        let Some(text) = text else { return false };
        self.store_json(key, text, telling);
        true
    }

    /// Puts canonical text in the place of the JSON value at a key, which is there, and tells it.
    fn store_json(&mut self, key: &Key<'_>, text: Vec<u8>, telling: Telling<'_>) {
        let found = self.find(key);
        if JsonKind::of(&text) == JsonKind::String {
            let string = meaning(inner(&text));
            self.store(key, found, new_string(&string), Expiry::Keep);
        } else {
            let json = Json::from_canonical(text);
            let place = found.and_then(|at| {
                self.mark_used(at);
                self.value_mut_at(at)
            });
            match place {
                Some(Value::Json(old)) => **old = json,
                _ => {
                    let data = NewData::Value(Value::Json(Box::new(json)));
                    self.store(key, found, data, Expiry::Keep);
                }
            }
        }
        self.changed(key, Class::Module, telling.event, telling.command);
    }
}

/// What becomes of a value that a path selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Replace,
    Merge,
}

/// The text with what the path selects replaced or merged, or else with the new member that it names; `None` if neither
/// can be.
fn with_value(
    text: &[u8],
    path: &Path,
    value: NewValue<'_>,
    condition: Condition,
    put: Put,
) -> Result<Option<Vec<u8>>, JsonError> {
    let mut matches = match condition {
        Condition::IfMissing => Vec::new(),
        _ => select(text, path)?,
    };
    if put == Put::Replace {
        matches = outermost(matches);
    }
    let new = if !matches.is_empty() {
        let mut edit = |_, old: &[u8], out: &mut Vec<u8>| {
            match put {
                Put::Replace => out.extend_from_slice(value.text),
                Put::Merge => merge(Some(old), value.text, out),
            }
            Ok(())
        };
        rewrite(text, &matches, value.len_max, &mut edit)?
    } else if condition == Condition::IfExists {
        return Ok(None);
    } else {
        match with_new_member(text, path, value)? {
            Some(new) => new,
            None => return Ok(None),
        }
    };
    let is_nested = matches!(JsonKind::of(value.text), JsonKind::Array | JsonKind::Object);
    if is_nested && depth(&new) > DEPTH_MAX {
        return Err(JsonError::TooDeep);
    }
    Ok(Some(new))
}

fn with_new_member(
    text: &[u8],
    path: &Path,
    value: NewValue<'_>,
) -> Result<Option<Vec<u8>>, JsonError> {
    if !path.is_static() {
        return Err(JsonError::NotStatic);
    }
    let name = match path.steps.last().map(|step| &step.select) {
        Some(Select::Names(names)) => names.first(),
        Some(Select::Indices(_)) if select(text, path)?.is_empty() => {
            return Err(JsonError::MissingElement);
        }
        _ => None,
    };
    let (Some(name), Some(parent)) = (name, select_parent(text, path)?) else {
        return Ok(None);
    };
    let object = text.get(parent.value.clone()).unwrap_or_default();
    if JsonKind::of(object) != JsonKind::Object || items(object).any(|(other, _)| *other == **name)
    {
        return Ok(None);
    }
    let new = rewrite(text, &[parent], value.len_max, &mut |_, old, out| {
        add_member(old, name, value.text, out);
        Ok(())
    })?;
    Ok(Some(new))
}
