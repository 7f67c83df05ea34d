//! `cmsgpack`: MessagePack.

use mlua::{Lua, MultiValue, Table, Value};

use super::{Arguments, Work, raise};

/// Tables in tables beyond this depth are written as nil.
const ENCODE_DEPTH_MAX: usize = 16;
/// Arrays and maps in one another that are read.
const DECODE_DEPTH_MAX: usize = 1000;

/// The library.
pub fn open(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("pack", lua.create_function(pack)?)?;
    library.raw_set("unpack", lua.create_function(unpack)?)?;
    library.raw_set("unpack_one", lua.create_function(unpack_one)?)?;
    library.raw_set("unpack_limit", lua.create_function(unpack_limit)?)?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    library.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(library)
}

fn pack(lua: &Lua, values: MultiValue) -> mlua::Result<mlua::LuaString> {
    if values.is_empty() {
        return Err(Arguments::new(lua, "pack", &values).wrong(0, "MessagePack pack needs input."));
    }
    let (mut out, mut work) = (Vec::new(), Work::new(lua));
    for value in &values {
        encode(&mut out, &mut work, value, 0)?;
    }
    lua.create_string(out)
}

fn encode(out: &mut Vec<u8>, work: &mut Work<'_>, value: &Value, depth: usize) -> mlua::Result<()> {
    work.step(out.len())?;
    match value {
        Value::String(string) => {
            let bytes = string.as_bytes();
            match bytes.len() {
                len @ 0..32 => out.push(0xA0 | len as u8),
                len => header(out, len, [Some(0xD9), Some(0xDA), Some(0xDB)]),
            }
            out.extend_from_slice(&bytes);
        }
        Value::Boolean(value) => out.push(if *value { 0xC3 } else { 0xC2 }),
        Value::Integer(integer) => encode_integer(out, *integer),
        Value::Number(number) => encode_number(out, *number),
        Value::Table(table) if depth < ENCODE_DEPTH_MAX => encode_table(out, work, table, depth)?,
        _ => out.push(0xC0),
    }
    Ok(())
}

/// A length of one, two or four bytes, the shortest that there is a code for.
fn header(out: &mut Vec<u8>, len: usize, codes: [Option<u8>; 3]) {
    match (len, codes) {
        (0..=0xFF, [Some(code), ..]) => out.extend_from_slice(&[code, len as u8]),
        (0..=0xFFFF, [_, Some(code), _]) => {
            out.push(code);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        (_, [_, _, code]) => {
            out.push(code.unwrap_or_default());
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

fn encode_integer(out: &mut Vec<u8>, integer: i64) {
    match integer {
        0..=0x7F => out.push(integer as u8),
        0x80..=0xFF => out.extend_from_slice(&[0xCC, integer as u8]),
        0x100..=0xFFFF => {
            out.push(0xCD);
            out.extend_from_slice(&(integer as u16).to_be_bytes());
        }
        0x1_0000..=0xFFFF_FFFF => {
            out.push(0xCE);
            out.extend_from_slice(&(integer as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xCF);
            out.extend_from_slice(&integer.to_be_bytes());
        }
        -32..0 => out.push(integer as i8 as u8),
        -0x80..-32 => out.extend_from_slice(&[0xD0, integer as i8 as u8]),
        -0x8000..-0x80 => {
            out.push(0xD1);
            out.extend_from_slice(&(integer as i16).to_be_bytes());
        }
        -0x8000_0000..-0x8000 => {
            out.push(0xD2);
            out.extend_from_slice(&(integer as i32).to_be_bytes());
        }
        _ => {
            out.push(0xD3);
            out.extend_from_slice(&integer.to_be_bytes());
        }
    }
}

fn encode_number(out: &mut Vec<u8>, number: f64) {
    let integer = super::structs::to_c_long(number);
    if integer as f64 == number {
        return encode_integer(out, integer);
    }
    let short = number as f32;
    if f64::from(short) == number {
        out.push(0xCA);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(0xCB);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn encode_table(
    out: &mut Vec<u8>,
    work: &mut Work<'_>,
    table: &Table,
    depth: usize,
) -> mlua::Result<()> {
    let mut count = 0_usize;
    let mut most = Some(0.0_f64);
    table.for_each(|key: Value, _: Value| {
        count += 1;
        let place = match key {
            Value::Integer(place) if place > 0 => Some(place as f64),
            _ => None,
        };
        most = most.zip(place).map(|(most, place)| most.max(place));
        work.step(out.len())
    })?;
    if most == Some(count as f64) {
        match count {
            0..16 => out.push(0x90 | count as u8),
            _ => header(out, count, [None, Some(0xDC), Some(0xDD)]),
        }
        for place in 1..=count {
            encode(out, work, &table.get(place)?, depth + 1)?;
        }
        return Ok(());
    }
    match count {
        0..16 => out.push(0x80 | count as u8),
        _ => header(out, count, [None, Some(0xDE), Some(0xDF)]),
    }
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        encode(out, work, &key, depth + 1)?;
        encode(out, work, &value, depth + 1)?;
    }
    Ok(())
}

fn unpack(lua: &Lua, values: MultiValue) -> mlua::Result<MultiValue> {
    unpack_some(&Arguments::new(lua, "unpack", &values), 0, 0)
}

fn unpack_one(lua: &Lua, values: MultiValue) -> mlua::Result<MultiValue> {
    let arguments = Arguments::new(lua, "unpack_one", &values);
    let offset = arguments.integer_or(2, 0)?;
    unpack_some(&arguments, 1, offset)
}

fn unpack_limit(lua: &Lua, values: MultiValue) -> mlua::Result<MultiValue> {
    let arguments = Arguments::new(lua, "unpack_limit", &values);
    let limit = arguments.integer(2)?;
    let offset = arguments.integer_or(3, 0)?;
    unpack_some(&arguments, limit as i32, offset)
}

fn unpack_some(arguments: &Arguments<'_>, limit: i32, offset: i64) -> mlua::Result<MultiValue> {
    const RESULTS_MAX: usize = 7990;
    let lua = arguments.lua;
    let is_all = limit == 0 && offset == 0;
    let data = arguments.string(1)?;
    let data = data.as_bytes();
    let offset = offset as i32;
    let Ok(start) = usize::try_from(offset) else {
        return Err(invalid_request(lua, offset, data.len()));
    };
    if limit < 0 {
        return Err(invalid_request(lua, offset, data.len()));
    }
    if start > data.len() {
        let len = data.len();
        return Err(raise(
            lua,
            format!("Start offset {start} greater than input length {len}."),
        ));
    }
    let most = if is_all { i32::MAX } else { limit } as usize;
    let mut decoder = Decoder {
        lua,
        data: &data[start..],
        work: Work::new(lua),
    };
    let mut results = Vec::new();
    while !decoder.data.is_empty() && results.len() < most {
        if results.len() > RESULTS_MAX {
            return Err(raise(lua, "stack overflow (in function mp_unpack_full)"));
        }
        results.push(decoder.value(0)?);
    }
    if !is_all {
        let next = if decoder.data.is_empty() {
            -1.0
        } else {
            (data.len() - decoder.data.len()) as f64
        };
        results.insert(0, Value::Number(next));
    }
    Ok(MultiValue::from_vec(results))
}

fn invalid_request(lua: &Lua, offset: i32, len: usize) -> mlua::Error {
    let text = format!("Invalid request to unpack with offset of {offset} and limit of {len}.");
    raise(lua, text)
}

struct Decoder<'a> {
    lua: &'a Lua,
    data: &'a [u8],
    work: Work<'a>,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, depth: usize) -> mlua::Result<Value> {
        self.work.step(0)?;
        let [code] = self.take()?;
        Ok(match code {
            0x00..=0x7F => Value::Integer(code.into()),
            0x80..=0x8F => self.map(usize::from(code & 15), depth)?,
            0x90..=0x9F => self.array(usize::from(code & 15), depth)?,
            0xA0..=0xBF => self.string(usize::from(code & 31))?,
            0xC0 => Value::Nil,
            0xC2 => Value::Boolean(false),
            0xC3 => Value::Boolean(true),
            0xCA => Value::Number(f32::from_be_bytes(self.take()?).into()),
            0xCB => Value::Number(f64::from_be_bytes(self.take()?)),
            0xCC => Value::Integer(u8::from_be_bytes(self.take()?).into()),
            0xCD => Value::Integer(u16::from_be_bytes(self.take()?).into()),
            0xCE => Value::Integer(u32::from_be_bytes(self.take()?).into()),
            0xCF => Value::Number(u64::from_be_bytes(self.take()?) as f64),
            0xD0 => Value::Integer(i8::from_be_bytes(self.take()?).into()),
            0xD1 => Value::Integer(i16::from_be_bytes(self.take()?).into()),
            0xD2 => Value::Integer(i32::from_be_bytes(self.take()?).into()),
            0xD3 => Value::Number(i64::from_be_bytes(self.take()?) as f64),
            0xD9 => {
                let len = u8::from_be_bytes(self.take()?).into();
                self.string(len)?
            }
            0xDA => {
                let len = u16::from_be_bytes(self.take()?).into();
                self.string(len)?
            }
            0xDB => {
                let len = u32::from_be_bytes(self.take()?) as usize;
                self.string(len)?
            }
            0xDC => {
                let len = u16::from_be_bytes(self.take()?).into();
                self.array(len, depth)?
            }
            0xDD => {
                let len = u32::from_be_bytes(self.take()?) as usize;
                self.array(len, depth)?
            }
            0xDE => {
                let len = u16::from_be_bytes(self.take()?).into();
                self.map(len, depth)?
            }
            0xDF => {
                let len = u32::from_be_bytes(self.take()?) as usize;
                self.map(len, depth)?
            }
            0xE0..=0xFF => Value::Integer((code as i8).into()),
            _ => return Err(raise(self.lua, "Bad data format in input.")),
        })
    }

    fn take<const N: usize>(&mut self) -> mlua::Result<[u8; N]> {
        match self.data.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.data = rest;
                Ok(*bytes)
            }
            None => Err(self.missing()),
        }
    }

    fn missing(&self) -> mlua::Error {
        raise(self.lua, "Missing bytes in input.")
    }

    fn string(&mut self, len: usize) -> mlua::Result<Value> {
        if len > self.data.len() {
            return Err(self.missing());
        }
        let (string, rest) = self.data.split_at(len);
        self.data = rest;
        self.lua.create_string(string).map(Value::String)
    }

    fn array(&mut self, len: usize, depth: usize) -> mlua::Result<Value> {
        self.check(depth)?;
        let table = self.lua.create_table()?;
        for place in 1..=len {
            table.raw_set(place, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> mlua::Result<Value> {
        self.check(depth)?;
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            match key {
                Value::Nil => return Err(mlua::Error::runtime("table index is nil")),
                Value::Number(key) if key.is_nan() => {
                    return Err(mlua::Error::runtime("table index is NaN"));
                }
                key => table.raw_set(key, value)?,
            }
        }
        Ok(Value::Table(table))
    }

    fn check(&self, depth: usize) -> mlua::Result<()> {
        if depth < DECODE_DEPTH_MAX {
            return Ok(());
        }
        Err(raise(
            self.lua,
            "stack overflow (in function mp_decode_to_lua_type)",
        ))
    }
}
