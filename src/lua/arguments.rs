//! The arguments of a function written in Rust, checked as Lua's own library checks them, in its words.

use std::borrow::Cow;

use mlua::{Lua, LuaString, MultiValue, Value};

use super::raise;
use crate::number::{parse_f64_prefix, push_f64_g};

/// What a function was called with.
pub struct Arguments<'l> {
    /// The machine.
    pub lua: &'l Lua,
    name: &'static str,
    values: &'l MultiValue,
}

impl<'l> Arguments<'l> {
    /// The arguments of the function called `name`.
    pub fn new(lua: &'l Lua, name: &'static str, values: &'l MultiValue) -> Self {
        Arguments { lua, name, values }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The argument at `place`, from 1 on; nil when there is none.
    pub fn value(&self, place: usize) -> &Value {
        self.values.get(place - 1).unwrap_or(&Value::Nil)
    }

    /// A number, or a string that is one.
    pub fn number(&self, place: usize) -> mlua::Result<f64> {
        as_number(self.value(place)).ok_or_else(|| self.wrong_type(place, "number"))
    }

    /// The same as a C `int` or `ptrdiff_t` has it: without its fraction.
    pub fn integer(&self, place: usize) -> mlua::Result<i64> {
        self.number(place).map(|number| number as i64)
    }

    /// The same, with what it is when there is none.
    pub fn integer_or(&self, place: usize, default: i64) -> mlua::Result<i64> {
        match self.value(place) {
            Value::Nil => Ok(default),
            _ => self.integer(place),
        }
    }

    /// A string, or the text of a number.
    pub fn string(&self, place: usize) -> mlua::Result<LuaString> {
        match self.value(place) {
            Value::String(string) => Ok(string.clone()),
            Value::Integer(_) | Value::Number(_) => {
                let number = as_number(self.value(place)).unwrap_or_default();
                self.lua.create_string(number_text(number))
            }
            _ => Err(self.wrong_type(place, "string")),
        }
    }

    /// An error about the argument at `place`.
    pub fn wrong(&self, place: usize, why: &str) -> mlua::Error {
        raise(
            self.lua,
            format!("bad argument #{place} to '{}' ({why})", self.name),
        )
    }

    /// The error that the argument at `place` is not of the type that it should be.
    pub fn wrong_type(&self, place: usize, expected: &str) -> mlua::Error {
        let got: Cow<'_, str> = match self.values.get(place - 1) {
            None => "no value".into(),
            Some(value) => type_name(value).into(),
        };
        self.wrong(place, &format!("{expected} expected, got {got}"))
    }
}

/// The name of a value's type as Lua's `type` says it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Number(_) => "number",
        Value::LightUserData(_) | Value::UserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}

/// A value as a number, if it is one or a string that is one.
pub fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Number(number) => Some(*number),
        Value::String(string) => {
            let bytes = string.as_bytes();
            let text = bytes.trim_ascii();
            let (number, length) = parse_f64_prefix(text)?;
            (length == text.len()).then_some(number)
        }
        _ => None,
    }
}

/// The text of a number as Lua prints it: `%.14g`.
pub fn number_text(number: f64) -> Vec<u8> {
    let mut text = Vec::with_capacity(24);
    push_number(&mut text, number, 14);
    text
}

/// Appends a number with so many digits, as C does: NaN has a sign.
pub fn push_number(out: &mut Vec<u8>, number: f64, digits: usize) {
    if number.is_nan() && number.is_sign_negative() {
        out.push(b'-');
    }
    push_f64_g(out, number, digits);
}
