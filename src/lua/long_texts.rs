//! What Lua's own C code would do to a long text in one go, in pieces. This module must not know who waits.

use mlua::{Lua, LuaString, Table};

use super::strings::check_size;
use super::{PIECE_BYTES, feel_pulse};

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
    in_pieces(lua, text.as_bytes().chunks(PIECE_BYTES), |made, piece| {
        made.extend(piece.iter().map(|byte| map(*byte)));
    })
}

fn reversed(lua: &Lua, text: LuaString) -> mlua::Result<LuaString> {
    in_pieces(lua, text.as_bytes().rchunks(PIECE_BYTES), |made, piece| {
        made.extend(piece.iter().rev());
    })
}

fn in_pieces<'t>(
    lua: &Lua,
    pieces: impl Iterator<Item = &'t [u8]>,
    add: impl Fn(&mut Vec<u8>, &[u8]),
) -> mlua::Result<LuaString> {
    let mut made = Vec::new();
    for piece in pieces {
        feel_pulse(lua)?;
        add(&mut made, piece);
        check_size(lua, &made)?;
    }
    lua.create_string(made)
}
