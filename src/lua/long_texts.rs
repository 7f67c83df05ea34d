//! What Lua's own C code would do to a long text in one go, in pieces. This module must not know who waits.

use mlua::{Lua, LuaString, Table};

use super::feel_pulse;
use super::strings::check_size;

/// Bytes between two pulses.
const PIECE_BYTES: usize = 128 * 1024;

/// Puts `long` (functions that do as those of `string`, of a text alone) into `native`.
pub fn open(lua: &Lua, native: &Table) -> mlua::Result<()> {
    let functions = lua.create_table()?;
    let upper = |lua: &Lua, text: LuaString| mapped(lua, &text, |byte| byte.to_ascii_uppercase());
    functions.raw_set("upper", lua.create_function(upper)?)?;
    let lower = |lua: &Lua, text: LuaString| mapped(lua, &text, |byte| byte.to_ascii_lowercase());
    functions.raw_set("lower", lua.create_function(lower)?)?;
    functions.raw_set("reverse", lua.create_function(reversed)?)?;
    native.raw_set("long", functions)
}

fn mapped(lua: &Lua, text: &LuaString, map: impl Fn(u8) -> u8) -> mlua::Result<LuaString> {
    let text = text.as_bytes();
    let mut made = Vec::new();
    for piece in text.chunks(PIECE_BYTES) {
        feel_pulse(lua)?;
        made.extend(piece.iter().map(|byte| map(*byte)));
        check_size(lua, &made)?;
    }
    lua.create_string(made)
}

fn reversed(lua: &Lua, text: LuaString) -> mlua::Result<LuaString> {
    let text = text.as_bytes();
    let mut made = Vec::new();
    for piece in text.rchunks(PIECE_BYTES) {
        feel_pulse(lua)?;
        made.extend(piece.iter().rev());
        check_size(lua, &made)?;
    }
    lua.create_string(made)
}
