//! JSON values as keys: a JSON string is a string of the keyspace, any other value a document.
//!
//! What a document *is* stands in `json.rs`; this file must not know protocols.

use super::table::{NewData, Position};
use super::{Condition, Expiry, Key, Keyspace, Parsed, Type, Value};
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
                self.tell_set_json(key, found, json.text(), expiry);
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
    ) {
        if !self.changes.wants_commands() {
            self.changed(key, Class::Module, "json.set", &[]);
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
            "json.set",
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
