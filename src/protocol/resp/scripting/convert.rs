//! Replies as Lua values, and Lua values as replies: Redis's rules.

use std::borrow::Cow;

use mlua::{Lua, LuaString, Table, Value};

use crate::lua::to_c_long;
use crate::number::{parse_f64_prefix, parse_i64};
use crate::protocol::resp::Reply;

/// Tables in one another that a reply may be made of.
const DEPTH_MAX: usize = 1000;
/// Values that a reply may be made of.
const VALUES_MAX: usize = 10_000_000;

/// The text of an error, if a reply is one.
pub fn error_of(reply: &[u8]) -> Option<Cow<'static, str>> {
    let line = reply.strip_prefix(b"-")?;
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    Some(String::from_utf8_lossy(line).into_owned().into())
}

/// A reply (RESP2 or RESP3) as a value.
pub fn to_lua(lua: &Lua, reply: &[u8]) -> Result<Value, Cow<'static, str>> {
    let mut reader = Reader { lua, rest: reply };
    reader
        .value()
        .map_err(|_| "ERR not enough memory for the reply".into())
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let len = len.min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(len);
        self.rest = rest.get(2..).unwrap_or_default();
        bytes
    }

    fn value(&mut self) -> mlua::Result<Value> {
        let line = self.line();
        let Some((&kind, text)) = line.split_first() else {
            return Ok(Value::Nil);
        };
        match kind {
            b'$' => match length(text) {
                Some(len) => {
                    let bytes = self.bytes(len);
                    self.string(bytes)
                }
                None => Ok(Value::Boolean(false)),
            },
            b':' => Ok(Value::Number(parse_i64(text).unwrap_or_default() as f64)),
            b'+' => self.named("ok", text),
            b'-' => {
                let text = String::from_utf8_lossy(text);
                crate::lua::error_table(self.lua, &text).map(Value::Table)
            }
            b'*' | b'>' => match length(text) {
                Some(len) => {
                    let table = self.lua.create_table_with_capacity(len, 0)?;
                    for place in 1..=len {
                        table.raw_set(place, self.value()?)?;
                    }
                    Ok(Value::Table(table))
                }
                None => Ok(Value::Boolean(false)),
            },
            b'%' => {
                let map = self.lua.create_table()?;
                for _ in 0..length(text).unwrap_or(0) {
                    let key = self.value()?;
                    let value = self.value()?;
                    if !key.is_nil() {
                        map.raw_set(key, value)?;
                    }
                }
                self.wrapped("map", Value::Table(map))
            }
            b'~' => {
                let set = self.lua.create_table()?;
                for _ in 0..length(text).unwrap_or(0) {
                    let member = self.value()?;
                    if !member.is_nil() {
                        set.raw_set(member, true)?;
                    }
                }
                self.wrapped("set", Value::Table(set))
            }
            b'#' => Ok(Value::Boolean(text == b"t")),
            b',' => {
                let number = parse_f64_prefix(text).map_or(f64::NAN, |(number, _)| number);
                self.wrapped("double", Value::Number(number))
            }
            b'(' => self.named("big_number", text),
            b'=' => {
                let bytes = self.bytes(length(text).unwrap_or(0));
                let table = self.lua.create_table()?;
                let (format, string) = bytes.split_at(bytes.len().min(3));
                table.raw_set("format", self.lua.create_string(format)?)?;
                let string = string.strip_prefix(b":").unwrap_or(string);
                table.raw_set("string", self.lua.create_string(string)?)?;
                self.wrapped("verbatim_string", Value::Table(table))
            }
            _ => Ok(Value::Nil),
        }
    }

    fn string(&self, bytes: &[u8]) -> mlua::Result<Value> {
        self.lua.create_string(bytes).map(Value::String)
    }

    fn named(&self, name: &str, text: &[u8]) -> mlua::Result<Value> {
        let text = self.string(text)?;
        self.wrapped(name, text)
    }

    fn wrapped(&self, name: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }
}

/// A length; `None`: nothing is there.
fn length(text: &[u8]) -> Option<usize> {
    parse_i64(text).and_then(|len| usize::try_from(len).ok())
}

/// Writes what a script gives as a reply, of so many bytes at most. `resp3`: the script has asked for RESP3
/// (`redis.setresp`). After an error some of it may have been written.
pub fn to_reply(
    reply: &mut Reply<'_>,
    value: &Value,
    resp3: bool,
    bytes_max: usize,
) -> mlua::Result<()> {
    let mut room = Room {
        values: VALUES_MAX,
        end: reply.out.len().saturating_add(bytes_max),
        resp3,
    };
    write(reply, value, &mut room, 0)
}

/// How much more can be written. Few tables that are in one another several times are a reply without end.
struct Room {
    values: usize,
    /// How long the output may become.
    end: usize,
    resp3: bool,
}

fn write(reply: &mut Reply<'_>, value: &Value, room: &mut Room, depth: usize) -> mlua::Result<()> {
    let resp3 = room.resp3;
    room.values = room.values.saturating_sub(1);
    if room.values == 0 || reply.out.len() > room.end {
        return Err(mlua::Error::runtime("the reply is too long"));
    }
    match value {
        Value::String(string) => reply.bulk(&string.as_bytes()),
        Value::Boolean(value) if resp3 => reply.boolean(*value),
        Value::Boolean(true) => reply.integer(1),
        Value::Integer(integer) => reply.integer(*integer),
        Value::Number(number) => reply.integer(to_c_long(*number)),
        Value::Table(_) if depth >= DEPTH_MAX => reply.error("ERR reached lua stack limit"),
        Value::Table(table) => write_table(reply, table, room, depth)?,
        _ => reply.null(),
    }
    Ok(())
}

fn write_table(
    reply: &mut Reply<'_>,
    table: &Table,
    room: &mut Room,
    depth: usize,
) -> mlua::Result<()> {
    if let Value::String(text) = table.raw_get("err")? {
        reply.error_bytes(&text.as_bytes());
        return Ok(());
    }
    if let Value::String(text) = table.raw_get("ok")? {
        reply.simple_bytes(&c_text(&text));
        return Ok(());
    }
    match table.raw_get("double")? {
        Value::Number(number) => {
            reply.double(number);
            return Ok(());
        }
        Value::Integer(integer) => {
            reply.double(integer as f64);
            return Ok(());
        }
        _ => {}
    }
    if let Value::String(text) = table.raw_get("big_number")? {
        reply.big_number(&text.as_bytes());
        return Ok(());
    }
    if let Value::Table(verbatim) = table.raw_get("verbatim_string")?
        && let Value::String(format) = verbatim.raw_get("format")?
        && let Value::String(string) = verbatim.raw_get("string")?
    {
        reply.verbatim_as(&c_text(&format), &string.as_bytes());
        return Ok(());
    }
    if let Value::Table(map) = table.raw_get("map")? {
        reply.map(map.pairs::<Value, Value>().count());
        for pair in map.pairs::<Value, Value>() {
            let (key, value) = pair?;
            write(reply, &key, room, depth + 1)?;
            write(reply, &value, room, depth + 1)?;
        }
        return Ok(());
    }
    if let Value::Table(set) = table.raw_get("set")? {
        reply.set(set.pairs::<Value, Value>().count());
        for pair in set.pairs::<Value, Value>() {
            write(reply, &pair?.0, room, depth + 1)?;
        }
        return Ok(());
    }
    // They are looked at twice: Lua can only hold some thousand values for others at once.
    let mut count = 0;
    while !table.raw_get::<Value>(count + 1)?.is_nil() {
        count += 1;
    }
    reply.array(count);
    for place in 1..=count {
        write(reply, &table.raw_get(place)?, room, depth + 1)?;
    }
    Ok(())
}

/// A string up to its first NUL, where C would see its end.
fn c_text(string: &LuaString) -> Vec<u8> {
    let bytes = string.as_bytes();
    let end = memchr::memchr(0, &bytes).unwrap_or(bytes.len());
    bytes[..end].to_vec()
}
