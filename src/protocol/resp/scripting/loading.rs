//! `redis.register_function`: what a library says of its functions while it is loaded.

use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Function, Lua, MultiValue, Table, Value};

use super::state::{FunctionInfo, ScriptFlags};
use crate::lua::{Raised, as_number, number_text};

/// The functions of the library that is being loaded; `None` when none is.
pub type Registered = Arc<Mutex<Option<Vec<(FunctionInfo, Function)>>>>;

/// Collects functions from now on.
pub fn begin(registered: &Registered) {
    *lock(registered) = Some(Vec::new());
}

/// Collects no more, and gives those that were registered.
pub fn end(registered: &Registered) -> Vec<(FunctionInfo, Function)> {
    lock(registered).take().unwrap_or_default()
}

fn lock(
    registered: &Registered,
) -> std::sync::MutexGuard<'_, Option<Vec<(FunctionInfo, Function)>>> {
    registered.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The function for libraries.
pub fn register_function(lua: &Lua, registered: &Registered) -> mlua::Result<Function> {
    let registered = Arc::clone(registered);
    lua.create_function(move |_, values: MultiValue| {
        let mut place = lock(&registered);
        let Some(functions) = place.as_mut() else {
            return Err(raised(
                "redis.register_function can only be called on FUNCTION LOAD command",
            ));
        };
        let (info, function) = read(&values).map_err(raised)?;
        if !is_name(&info.name) {
            return Err(raised(
                "Library names can only contain letters, numbers, or underscores(_) and must be at least one \
                 character long",
            ));
        }
        if functions.iter().any(|(known, _)| known.name == info.name) {
            return Err(raised("Function already exists in the library"));
        }
        functions.push((info, function));
        Ok(())
    })
}

fn raised(text: &str) -> mlua::Error {
    mlua::Error::external(Raised::Reply(format!("ERR {text}")))
}

/// Whether this can be the name of a library or a function.
pub fn is_name(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    !name.is_empty() && name.iter().all(is_part)
}

fn read(values: &MultiValue) -> Result<(FunctionInfo, Function), &'static str> {
    match (values.len(), values.front(), values.get(1)) {
        (1, Some(Value::Table(table)), _) => read_named(table),
        (1, ..) => Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing \
             named arguments).",
        ),
        (2, Some(name), Some(function)) => {
            let name = text_of(name)
                .ok_or("first argument to redis.register_function must be a string")?;
            let Value::Function(function) = function else {
                return Err("second argument to redis.register_function must be a function");
            };
            let info = FunctionInfo {
                name,
                description: None,
                flags: ScriptFlags::default(),
            };
            Ok((info, function.clone()))
        }
        _ => Err("wrong number of arguments to redis.register_function"),
    }
}

fn read_named(table: &Table) -> Result<(FunctionInfo, Function), &'static str> {
    let (mut name, mut description, mut function) = (None, None, None);
    let mut flags = ScriptFlags::default();
    for pair in table.pairs::<Value, Value>() {
        let Ok((key, value)) = pair else {
            return Err("unknown argument given to redis.register_function");
        };
        let key = text_of(&key)
            .ok_or("named argument key given to redis.register_function is not a string")?;
        match &*key.to_ascii_lowercase() {
            b"function_name" => {
                name = Some(text_of(&value).ok_or(
                    "function_name argument given to redis.register_function must be a string",
                )?);
            }
            b"description" => {
                description = Some(text_of(&value).ok_or(
                    "description argument given to redis.register_function must be a string",
                )?);
            }
            b"callback" => match value {
                Value::Function(callback) => function = Some(callback),
                _ => {
                    return Err(
                        "callback argument given to redis.register_function must be a function",
                    );
                }
            },
            b"flags" => match value {
                Value::Table(names) => flags = read_flags(&names)?,
                _ => {
                    return Err(
                        "flags argument to redis.register_function must be a table representing function flags",
                    );
                }
            },
            _ => return Err("unknown argument given to redis.register_function"),
        }
    }
    let info = FunctionInfo {
        name: name.ok_or("redis.register_function must get a function name argument")?,
        description,
        flags,
    };
    let function = function.ok_or("redis.register_function must get a callback argument")?;
    Ok((info, function))
}

fn read_flags(names: &Table) -> Result<ScriptFlags, &'static str> {
    const UNKNOWN: &str = "unknown flag given";
    let mut flags = ScriptFlags::default();
    for place in 1.. {
        match names.raw_get(place) {
            Ok(Value::Nil) => break,
            Ok(name) => {
                let name = text_of(&name).ok_or(UNKNOWN)?.to_ascii_lowercase();
                flags = flags.with(ScriptFlags::named(&name).ok_or(UNKNOWN)?);
            }
            Err(_) => return Err(UNKNOWN),
        }
    }
    Ok(flags)
}

fn text_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => as_number(value).map(number_text),
        _ => None,
    }
}
