//! JSON values as keys: a JSON string is a string of the keyspace, any other value a document.
//!
//! What a document *is* stands in `json.rs`; this file must not know protocols.

use super::table::NewData;
use super::{Condition, Expiry, Key, Keyspace, Parsed, Value};
use crate::change::Class;

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
                if self.changes.wants_commands() {
                    // A reader of the journal has no JSON.SET that clears an expiry: make it two commands.
                    if expiry == Expiry::Clear
                        && found.is_some_and(|at| self.table.expires_ms(at).is_some())
                    {
                        self.changed(key, Class::Generic, "", &[b"PERSIST", key.bytes]);
                    }
                    self.changed(
                        key,
                        Class::Module,
                        "json.set",
                        &[b"JSON.SET", key.bytes, b"$", json.text()],
                    );
                } else {
                    self.changed(key, Class::Module, "json.set", &[]);
                }
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
}
