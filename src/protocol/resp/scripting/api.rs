//! `redis`: what scripts can ask the server for.

use std::sync::Arc;

use log::{debug, info, warn};
use mlua::{Function, Lua, MultiValue, Table, Value};

use super::run::RunFamily;
use super::sha1::{sha1_hex, sha1_hex_in_pieces};
use crate::lent::Lent;
use crate::lua::{Raised, error_table, feel_pulse};
use crate::protocol::resp::server::REDIS_VERSION;

type Calls = Arc<Lent<RunFamily>>;

/// The functions and constants of `redis`.
pub fn open(lua: &Lua, lent: &Calls) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    redis.raw_set("call", call(lua, lent, true)?)?;
    redis.raw_set("pcall", call(lua, lent, false)?)?;
    redis.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    redis.raw_set("error_reply", lua.create_function(error_reply)?)?;
    redis.raw_set("status_reply", lua.create_function(status_reply)?)?;
    redis.raw_set("log", lua.create_function(log)?)?;
    redis.raw_set("setresp", set_resp(lua, lent)?)?;
    redis.raw_set("set_repl", set_repl(lua, lent)?)?;
    redis.raw_set("acl_check_cmd", acl_check_cmd(lua, lent)?)?;
    let constants = [
        ("LOG_DEBUG", 0),
        ("LOG_VERBOSE", 1),
        ("LOG_NOTICE", 2),
        ("LOG_WARNING", 3),
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
    ];
    for (name, value) in constants {
        redis.raw_set(name, value)?;
    }
    redis.raw_set("REDIS_VERSION", REDIS_VERSION)?;
    let mut parts = REDIS_VERSION.split('.').map(|part| part.parse::<u32>());
    let number = (0..3).fold(0, |number, _| {
        number << 8 | parts.next().and_then(Result::ok).unwrap_or(0)
    });
    redis.raw_set("REDIS_VERSION_NUM", number)?;
    Ok(redis)
}

fn call(lua: &Lua, lent: &Calls, raises: bool) -> mlua::Result<Function> {
    let lent = Arc::clone(lent);
    lua.create_function(move |lua, values: MultiValue| {
        let called = lent.borrow(|run| match run.load_time_ms {
            None => run.call(lua, &values, raises),
            Some(_) => Err(outside("redis.call/pcall")),
        });
        called.unwrap_or_else(|| Err(outside("redis.call/pcall")))
    })
}

fn outside(name: &str) -> mlua::Error {
    raised(&format!(
        "{name} can only be called inside a script invocation"
    ))
}

/// An error as a table with `err`.
fn raised(text: &str) -> mlua::Error {
    mlua::Error::external(Raised::Reply(format!("ERR {text}")))
}

fn sha1hex(lua: &Lua, values: MultiValue) -> mlua::Result<mlua::LuaString> {
    if values.len() != 1 {
        return Err(raised("wrong number of arguments"));
    }
    let sha = match values.front() {
        Some(Value::String(text)) => sha1_hex_in_pieces(&text.as_bytes(), || feel_pulse(lua))?,
        Some(value @ (Value::Integer(_) | Value::Number(_))) => {
            let number = crate::lua::as_number(value).unwrap_or_default();
            sha1_hex(&crate::lua::number_text(number))
        }
        _ => sha1_hex(b""),
    };
    lua.create_string(sha)
}

/// A table with an error; it has a code in front, `ERR` unless the text has one.
fn error_reply(lua: &Lua, values: MultiValue) -> mlua::Result<Table> {
    let (1, Some(Value::String(text))) = (values.len(), values.front()) else {
        return error_table(lua, "ERR wrong number or type of arguments");
    };
    let text = text.as_bytes();
    // To C it ends at a NUL.
    let end = memchr::memchr(0, &text).unwrap_or(text.len());
    let text = &text[..end];
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let trim = |mut text: &[u8]| {
        while let [rest @ .., last] = text
            && is_break(last)
        {
            text = rest;
        }
        while let [first, rest @ ..] = text
            && is_break(first)
        {
            text = rest;
        }
        text.to_vec()
    };
    let (code, text) = match memchr::memchr(b' ', text) {
        Some(at) => (&text[..at], trim(&text[at + 1..])),
        None => (&b"ERR"[..], trim(text)),
    };
    let table = lua.create_table()?;
    let whole = [code, b" ", &text].concat();
    table.raw_set("err", lua.create_string(whole)?)?;
    Ok(table)
}

fn status_reply(lua: &Lua, values: MultiValue) -> mlua::Result<Table> {
    let (1, Some(text @ Value::String(_))) = (values.len(), values.front()) else {
        return error_table(lua, "ERR wrong number or type of arguments");
    };
    let table = lua.create_table()?;
    table.raw_set("ok", text)?;
    Ok(table)
}

/// Of what scripts have logged more is left out.
const LOGGED_VALUES_MAX: usize = 100;
/// Bytes of one value.
const LOGGED_BYTES_MAX: usize = 1024;

fn log(_: &Lua, values: MultiValue) -> mlua::Result<()> {
    if values.len() < 2 {
        return Err(raised("redis.log() requires two arguments or more."));
    }
    let Some(level) = values.front().and_then(crate::lua::as_number) else {
        return Err(raised("First argument must be a number (log level)."));
    };
    let words: Vec<String> = values
        .iter()
        .skip(1)
        .take(LOGGED_VALUES_MAX)
        .filter_map(|value| match value {
            Value::String(text) => {
                let text = text.as_bytes();
                let shown = &text[..text.len().min(LOGGED_BYTES_MAX)];
                Some(String::from_utf8_lossy(shown).into_owned())
            }
            value => crate::lua::as_number(value)
                .map(|number| String::from_utf8_lossy(&crate::lua::number_text(number)).into()),
        })
        .collect();
    let text = words.join(" ");
    match level as i64 {
        0 | 1 => debug!("{text}"),
        2 => info!("{text}"),
        3 => warn!("{text}"),
        _ => return Err(raised("Invalid debug level.")),
    }
    Ok(())
}

fn set_resp(lua: &Lua, lent: &Calls) -> mlua::Result<Function> {
    let lent = Arc::clone(lent);
    lua.create_function(move |_, values: MultiValue| {
        if values.len() != 1 {
            return Err(raised("redis.setresp() requires one argument."));
        }
        let version = values.front().and_then(crate::lua::as_number);
        let resp3 = match version.map(|version| version as i64) {
            Some(2) => false,
            Some(3) => true,
            _ => return Err(raised("RESP version must be 2 or 3.")),
        };
        lent.borrow(|run| run.cx.client.resp3 = resp3)
            .ok_or_else(|| outside("redis.setresp"))
    })
}

/// There is no replication by scripts: their effects are what is kept. It is checked, and has no meaning.
fn set_repl(lua: &Lua, lent: &Calls) -> mlua::Result<Function> {
    let lent = Arc::clone(lent);
    lua.create_function(move |_, values: MultiValue| {
        lent.borrow(|_| ())
            .ok_or_else(|| outside("redis.set_repl"))?;
        if values.len() != 1 {
            return Err(raised("redis.set_repl() requires two arguments."));
        }
        let flags = values.front().and_then(crate::lua::as_number);
        if !(0..=3).contains(&(flags.unwrap_or(0.0) as i64)) {
            return Err(raised(
                "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            ));
        }
        Ok(())
    })
}

fn acl_check_cmd(lua: &Lua, lent: &Calls) -> mlua::Result<Function> {
    let lent = Arc::clone(lent);
    lua.create_function(move |_, values: MultiValue| {
        let found = lent
            .borrow(|run| run.is_allowed(&values))
            .ok_or_else(|| outside("redis.acl_check_cmd"))?;
        match found.map_err(|text| mlua::Error::external(Raised::Reply(text)))? {
            Some(is_allowed) => Ok(is_allowed),
            None => Err(raised("Invalid command passed to redis.acl_check_cmd()")),
        }
    })
}
