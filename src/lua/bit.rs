//! `bit`: operations on 32 bits (Lua BitOp).

use mlua::{Lua, MultiValue, Table, Value};

use super::Arguments;

/// The library.
pub fn open(lua: &Lua) -> mlua::Result<Table> {
    let bit = lua.create_table()?;
    let unary = |name: &'static str, f: fn(u32) -> u32| {
        let function = lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new(lua, name, &values);
            Ok(signed(f(bits(&arguments, 1)?)))
        })?;
        bit.raw_set(name, function)
    };
    unary("tobit", |x| x)?;
    unary("bnot", |x| !x)?;
    unary("bswap", u32::swap_bytes)?;
    let chained = |name: &'static str, f: fn(u32, u32) -> u32| {
        let function = lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new(lua, name, &values);
            let mut result = bits(&arguments, 1)?;
            for place in 2..=arguments.len() {
                result = f(result, bits(&arguments, place)?);
            }
            Ok(signed(result))
        })?;
        bit.raw_set(name, function)
    };
    chained("band", |x, y| x & y)?;
    chained("bor", |x, y| x | y)?;
    chained("bxor", |x, y| x ^ y)?;
    let shift = |name: &'static str, f: fn(u32, u32) -> u32| {
        let function = lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new(lua, name, &values);
            let count = bits(&arguments, 2)? & 31;
            Ok(signed(f(bits(&arguments, 1)?, count)))
        })?;
        bit.raw_set(name, function)
    };
    shift("lshift", |x, count| x << count)?;
    shift("rshift", |x, count| x >> count)?;
    shift("arshift", |x, count| (x as i32 >> count) as u32)?;
    shift("rol", u32::rotate_left)?;
    shift("ror", u32::rotate_right)?;
    bit.raw_set("tohex", lua.create_function(to_hex)?)?;
    Ok(bit)
}

fn to_hex(lua: &Lua, values: MultiValue) -> mlua::Result<String> {
    let arguments = Arguments::new(lua, "tohex", &values);
    let value = bits(&arguments, 1)?;
    let digits = match arguments.value(2) {
        Value::Nil if arguments.len() < 2 => 8,
        _ => bits(&arguments, 2)? as i32,
    };
    let count = digits.unsigned_abs().min(8) as usize;
    let text = if digits < 0 {
        format!("{value:08X}")
    } else {
        format!("{value:08x}")
    };
    Ok(text[8 - count..].to_owned())
}

/// The argument's lowest 32 bits, rounded to the nearest integer.
fn bits(arguments: &Arguments<'_>, place: usize) -> mlua::Result<u32> {
    // Adding this puts the integer into the lowest bits of the number.
    const TO_LOWEST_BITS: f64 = 6_755_399_441_055_744.0;
    let number = arguments.number(place)?;
    Ok((number + TO_LOWEST_BITS).to_bits() as u32)
}

fn signed(bits: u32) -> i32 {
    bits as i32
}
