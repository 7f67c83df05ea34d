//! Lua as Redis has it: the sandbox, and the libraries that it gives scripts.
//!
//! | file | idea |
//! |---|---|
//! | `sandbox.lua` | what scripts see, and that they cannot change it |
//! | `pattern.rs`, `strings.rs` | Lua's patterns, in steps that can be counted and interrupted |
//! | `bit.rs`, `cjson.rs`, `cmsgpack.rs`, `structs.rs` | the libraries, to the byte as Redis's |
//! | `arguments.rs` | the arguments of a function written in Rust, and what is wrong with them |
//!
//! This module must not know commands, keys or clients.

mod arguments;
mod bit;
mod cjson;
mod cmsgpack;
mod long_texts;
mod pattern;
mod random;
mod strings;
mod structs;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mlua::{Lua, LuaOptions, StdLib, Table, Value};

pub use arguments::{Arguments, as_number, number_text};
pub use structs::to_c_long;

/// What an error of a function written in Rust is, until a script sees it.
#[derive(Clone, Debug)]
pub enum Raised {
    /// A text, with its place in the script in front.
    Text(Vec<u8>),
    /// What a command answered: a table with `err` for scripts.
    Reply(String),
}

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Raised::Text(text) => f.write_str(&String::from_utf8_lossy(text)),
            Raised::Reply(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Raised {}

/// Called by functions that may take long, every so many steps: an error ends the script.
pub type Pulse = Arc<dyn Fn(&Lua) -> mlua::Result<()> + Send + Sync>;

/// Steps of work in functions of the sandbox after which the pulse is felt.
const STEPS_PER_PULSE: u64 = 100_000;
/// A long text is gone through in pieces of so many bytes, with a pulse for each.
pub const PIECE_BYTES: usize = 128 * 1024;

/// Values after which a function written in Rust feels the pulse, and bytes that count as one.
const VALUES_PER_PULSE: usize = 1000;
/// See [`VALUES_PER_PULSE`].
const BYTES_PER_VALUE: usize = 64;
/// Bytes of what a function written in Rust makes, at most: so much is no longer counted by Lua, which gets all of it
/// at once, and may have grown from few strings that were named often.
pub const MADE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The work of one call of a function written in Rust, which may be long: it can be interrupted, and what it makes is
/// bounded.
pub struct Work<'l> {
    lua: &'l Lua,
    values: usize,
    bytes: usize,
}

impl<'l> Work<'l> {
    /// Work that begins.
    pub fn new(lua: &'l Lua) -> Self {
        Work {
            lua,
            values: 0,
            bytes: 0,
        }
    }

    /// Another value, with which so many bytes are made or read. An error ends the call.
    pub fn step(&mut self, bytes: usize) -> mlua::Result<()> {
        if bytes > MADE_BYTES_MAX {
            return Err(mlua::Error::MemoryError("not enough memory".to_owned()));
        }
        self.values += 1 + bytes.saturating_sub(self.bytes) / BYTES_PER_VALUE;
        self.bytes = bytes;
        if self.values >= VALUES_PER_PULSE {
            self.values = 0;
            return feel_pulse(self.lua);
        }
        Ok(())
    }
}

/// Feels the pulse, in a function that takes long.
pub fn feel_pulse(lua: &Lua) -> mlua::Result<()> {
    let pulse = lua
        .app_data_ref::<Pulse>()
        .map(|pulse| Pulse::clone(&pulse));
    pulse.map_or(Ok(()), |pulse| pulse(lua))
}

/// What the sandbox is made with.
#[derive(Debug)]
pub struct Host {
    /// The functions of `redis`, and its constants.
    pub redis: Table,
    /// `redis.register_function`.
    pub register_function: mlua::Function,
}

/// A machine with nothing in it but Lua's own safe libraries.
pub fn new() -> mlua::Result<Lua> {
    // Of `os` the sandbox hands nothing on but `os.clock`.
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
    Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(true))
}

/// Sets the sandbox up; what it returns is described at its end (`sandbox.lua`).
pub fn open(lua: &Lua, host: &Host, pulse: &Pulse) -> mlua::Result<Table> {
    lua.set_app_data(Pulse::clone(pulse));
    let native = lua.create_table()?;
    native.raw_set("told", lua.create_function(told)?)?;
    native.raw_set("place", lua.create_function(place)?)?;
    native.raw_set("copy", lua.create_function(copy)?)?;
    native.raw_set("chunk_name", lua.create_function(chunk_name)?)?;
    let (work_pulse, since_pulse) = (Arc::clone(pulse), AtomicU64::new(0));
    native.raw_set(
        "work",
        lua.create_function(move |lua, steps: u64| {
            if since_pulse.fetch_add(steps, Ordering::Relaxed) + steps >= STEPS_PER_PULSE {
                since_pulse.store(0, Ordering::Relaxed);
                work_pulse(lua)?;
            }
            Ok(())
        })?,
    )?;
    native.raw_set("MUCH", STEPS_PER_PULSE)?;
    native.raw_set("PIECE_BYTES", PIECE_BYTES)?;
    native.raw_set("redis", &host.redis)?;
    native.raw_set("register_function", &host.register_function)?;
    native.raw_set("bit", bit::open(lua)?)?;
    native.raw_set("cjson", cjson::open(lua)?)?;
    native.raw_set("cmsgpack", cmsgpack::open(lua)?)?;
    native.raw_set("struct", structs::open(lua)?)?;
    native.raw_set("math", random::open(lua)?)?;
    strings::open(lua, &native, pulse)?;
    long_texts::open(lua, &native)?;
    let sandbox = lua
        .load(include_str!("sandbox.lua"))
        .set_name("=redis")
        .call(native)?;
    // Nobody looks there any more but mlua: at every error of a function written in Rust, for the name of each function on
    // the stack, of which nobody is told.
    lua.globals().clear()?;
    Ok(sandbox)
}

/// An error at the place of the script that called the function which is running.
pub fn raise(lua: &Lua, text: impl AsRef<[u8]>) -> mlua::Error {
    let mut placed = caller(lua).into_bytes();
    placed.extend_from_slice(text.as_ref());
    mlua::Error::external(Raised::Text(placed))
}

/// `user_script:1: `, where the function that is running was called from; empty when that is not known. The sandbox's
/// own functions are passed over.
fn caller(lua: &Lua) -> String {
    const LEVELS_MAX: usize = 8;
    for level in 1..LEVELS_MAX {
        let found = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let name = source.short_src.as_deref().unwrap_or_default().to_owned();
            (
                source.what == "Lua" || source.what == "main",
                name,
                debug.current_line(),
            )
        });
        match found {
            Some((_, name, _)) if name == "redis" => {}
            Some((true, name, Some(line))) => return format!("{name}:{line}: "),
            _ => break,
        }
    }
    String::new()
}

/// The source and the line of the innermost function that is a script's own.
fn place(lua: &Lua, (): ()) -> mlua::Result<(Option<String>, Option<usize>)> {
    const LEVELS_MAX: usize = 64;
    for level in 1..LEVELS_MAX {
        let found = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let is_own =
                matches!(source.what, "Lua" | "main") && source.source.as_deref() != Some("=redis");
            is_own.then(|| (source.source.map(String::from), debug.current_line()))
        });
        match found {
            Some(Some(place)) => return Ok(place),
            Some(None) => {}
            None => break,
        }
    }
    Ok((None, None))
}

/// An error as scripts know it.
fn told(lua: &Lua, error: Value) -> mlua::Result<Value> {
    let Value::Error(error) = error else {
        return Ok(error);
    };
    if let Some(raised) = error.downcast_ref::<Raised>() {
        return match raised {
            Raised::Text(text) => lua.create_string(text).map(Value::String),
            Raised::Reply(text) => error_table(lua, text).map(Value::Table),
        };
    }
    let text = match cause(&error) {
        mlua::Error::MemoryError(_) => "not enough memory".to_owned(),
        mlua::Error::RuntimeError(text) => without_traceback(text).to_owned(),
        other => without_traceback(&other.to_string()).to_owned(),
    };
    lua.create_string(text).map(Value::String)
}

/// The text of an error without the calls that mlua lists behind it.
pub fn without_traceback(text: &str) -> &str {
    text.split("\nstack traceback:").next().unwrap_or(text)
}

fn cause(error: &mlua::Error) -> &mlua::Error {
    match error {
        mlua::Error::CallbackError { cause: inner, .. } => cause(inner),
        other => other,
    }
}

/// What scripts get when a command fails.
pub fn error_table(lua: &Lua, text: &str) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", text)?;
    table.raw_set("ignore_error_stats_update", true)?;
    Ok(table)
}

fn copy(lua: &Lua, table: Table) -> mlua::Result<Table> {
    let copy = lua.create_table()?;
    table.for_each(|key: Value, value: Value| copy.raw_set(key, value))?;
    Ok(copy)
}

/// How Lua shows where a chunk comes from that has this name.
fn chunk_name(lua: &Lua, name: mlua::LuaString) -> mlua::Result<mlua::LuaString> {
    const SHOWN_BYTES_MAX: usize = 60;
    let name = name.as_bytes();
    let shown = match name.first() {
        Some(b'=' | b'@') => name[1..].to_vec(),
        _ => {
            let line = name.split(|byte| matches!(byte, b'\n' | b'\r')).next();
            let line = line.unwrap_or_default();
            let room = SHOWN_BYTES_MAX - "[string \"...\"]\0".len();
            let mut shown = b"[string \"".to_vec();
            shown.extend_from_slice(&line[..line.len().min(room)]);
            if line.len() < name.len() {
                shown.extend_from_slice(b"...");
            }
            shown.extend_from_slice(b"\"]");
            shown
        }
    };
    lua.create_string(shown)
}
