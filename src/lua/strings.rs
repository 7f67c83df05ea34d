//! The functions of `string` that match patterns, as Lua 5.1 has them.

use std::sync::Arc;

use mlua::{Lua, LuaString, MultiValue, Table, Value};

use super::pattern::{Capture, Failed, Matcher};
use super::{Arguments, Pulse, raise};

/// Puts `pattern` (functions that replace those of `string`) and what `sandbox.lua` makes others with into `native`.
pub fn open(lua: &Lua, native: &Table, pulse: &Pulse) -> mlua::Result<()> {
    let functions = lua.create_table()?;
    let own = Arc::clone(pulse);
    functions.raw_set(
        "find",
        lua.create_function(move |lua, values: MultiValue| {
            find(&Arguments::new(lua, "find", &values), &own)
        })?,
    )?;
    let own = Arc::clone(pulse);
    functions.raw_set(
        "match",
        lua.create_function(move |lua, values: MultiValue| {
            find_captures(&Arguments::new(lua, "match", &values), &own)
        })?,
    )?;
    native.raw_set("pattern", functions)?;
    let own = Arc::clone(pulse);
    native.raw_set(
        "gsub",
        lua.create_function(move |lua, values: MultiValue| {
            gsub(&Arguments::new(lua, "gsub", &values), &own)
        })?,
    )?;
    let own = Arc::clone(pulse);
    native.raw_set(
        "next_match",
        lua.create_function(
            move |lua, (text, pattern, at, is_anchor): (LuaString, LuaString, usize, bool)| {
                next_match(lua, &own, &text, &pattern, at, is_anchor)
            },
        )?,
    )?;
    native.raw_set("two_strings", lua.create_function(two_strings)?)?;
    native.raw_set("gsub_arguments", lua.create_function(gsub_arguments)?)
}

fn wrong(lua: &Lua, failed: Failed<mlua::Error>) -> mlua::Error {
    match failed {
        Failed::Pattern(what) => raise(lua, what),
        Failed::Stopped(error) => error,
    }
}

/// `^` in front, and the rest of a pattern.
fn split_anchor(pattern: &[u8]) -> (bool, &[u8]) {
    match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    }
}

/// Where a search begins: places count from 1, or from the end if they are negative.
fn start_of(arguments: &Arguments<'_>, place: usize, len: usize) -> mlua::Result<usize> {
    let init = arguments.integer_or(place, 1)?;
    let from_start = if init < 0 {
        init.saturating_add(len as i64).max(-1)
    } else {
        init.saturating_sub(1)
    };
    let from_start = if init < 0 {
        from_start
    } else {
        from_start.max(0)
    };
    Ok(usize::try_from(from_start).unwrap_or(0).min(len))
}

/// `string.find`
fn find(arguments: &Arguments<'_>, pulse: &Pulse) -> mlua::Result<MultiValue> {
    let lua = arguments.lua;
    let (text, pattern) = (arguments.string(1)?, arguments.string(2)?);
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let start = start_of(arguments, 3, text.len())?;
    let is_plain = !matches!(arguments.value(4), Value::Nil | Value::Boolean(false));
    let c_pattern = memchr::memchr(0, &pattern).map_or(&pattern[..], |nul| &pattern[..nul]);
    if is_plain || !c_pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte)) {
        let found = memchr::memmem::find(&text[start..], &pattern);
        return Ok(MultiValue::from_vec(match found {
            Some(at) => vec![
                place_value(start + at + 1),
                place_value(start + at + pattern.len()),
            ],
            None => vec![Value::Nil],
        }));
    }
    let (anchored, rest) = split_anchor(&pattern);
    let mut matcher = Matcher::new(&text, rest, || pulse(lua));
    let found = matcher
        .find(start, anchored)
        .map_err(|failed| wrong(lua, failed))?;
    let Some((from, to)) = found else {
        return Ok(MultiValue::from_vec(vec![Value::Nil]));
    };
    let mut results = vec![place_value(from + 1), place_value(to)];
    for index in 0..matcher.captures() {
        let capture = matcher.capture(index, from, to);
        results.push(capture_value(lua, &text, capture)?);
    }
    Ok(MultiValue::from_vec(results))
}

/// `string.match`
fn find_captures(arguments: &Arguments<'_>, pulse: &Pulse) -> mlua::Result<MultiValue> {
    let lua = arguments.lua;
    let (text, pattern) = (arguments.string(1)?, arguments.string(2)?);
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let start = start_of(arguments, 3, text.len())?;
    let (anchored, rest) = split_anchor(&pattern);
    let mut matcher = Matcher::new(&text, rest, || pulse(lua));
    let found = matcher
        .find(start, anchored)
        .map_err(|failed| wrong(lua, failed))?;
    let Some((from, to)) = found else {
        return Ok(MultiValue::from_vec(vec![Value::Nil]));
    };
    let mut results = Vec::with_capacity(matcher.captures().max(1));
    for index in 0..matcher.captures().max(1) {
        let capture = matcher.capture(index, from, to);
        results.push(capture_value(lua, &text, capture)?);
    }
    Ok(MultiValue::from_vec(results))
}

/// The match at place `at` or later: its first and last place and its captures; nothing when there is none.
fn next_match(
    lua: &Lua,
    pulse: &Pulse,
    text: &LuaString,
    pattern: &LuaString,
    at: usize,
    is_anchor: bool,
) -> mlua::Result<MultiValue> {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (anchored, rest) = match is_anchor {
        true => split_anchor(&pattern),
        false => (false, &pattern[..]),
    };
    let start = at.saturating_sub(1);
    if start > text.len() {
        return Ok(MultiValue::new());
    }
    let mut matcher = Matcher::new(&text, rest, || pulse(lua));
    let found = matcher
        .find(start, anchored)
        .map_err(|failed| wrong(lua, failed))?;
    let Some((from, to)) = found else {
        return Ok(MultiValue::new());
    };
    let mut results = vec![place_value(from + 1), place_value(to)];
    for index in 0..matcher.captures().max(1) {
        let capture = matcher.capture(index, from, to);
        results.push(capture_value(lua, &text, capture)?);
    }
    Ok(MultiValue::from_vec(results))
}

/// `string.gsub` with a string in place of each match.
fn gsub(arguments: &Arguments<'_>, pulse: &Pulse) -> mlua::Result<MultiValue> {
    let lua = arguments.lua;
    let (text, pattern) = (arguments.string(1)?, arguments.string(2)?);
    if !matches!(
        arguments.value(3),
        Value::String(_) | Value::Integer(_) | Value::Number(_)
    ) {
        return Err(arguments.wrong(3, "string/function/table expected"));
    }
    let new = arguments.string(3)?;
    let (text, pattern, new) = (text.as_bytes(), pattern.as_bytes(), new.as_bytes());
    let most = arguments.integer_or(4, text.len() as i64 + 1)?;
    let (anchored, rest) = split_anchor(&pattern);
    let mut matcher = Matcher::new(&text, rest, || pulse(lua));
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut count) = (0, 0);
    while count < most {
        let found = matcher.match_at(at).map_err(|failed| wrong(lua, failed))?;
        if let Some(end) = found {
            count += 1;
            let mut news = new.iter();
            while let Some(&byte) = news.next() {
                if byte != b'%' {
                    out.push(byte);
                    continue;
                }
                match news.next().copied().unwrap_or(0) {
                    b'0' => out.extend_from_slice(&text[at..end]),
                    digit @ b'1'..=b'9' => {
                        let index = usize::from(digit - b'1');
                        match matcher
                            .capture(index, at, end)
                            .map_err(|failed| wrong(lua, failed))?
                        {
                            Capture::Text(from, to) => out.extend_from_slice(&text[from..to]),
                            Capture::Position(place) | Capture::Open(place) => {
                                out.extend_from_slice((place + 1).to_string().as_bytes());
                            }
                        }
                    }
                    other => out.push(other),
                }
            }
            check_size(lua, &out)?;
        }
        match found {
            Some(end) if end > at => at = end,
            _ if at < text.len() => {
                out.push(text[at]);
                at += 1;
            }
            _ => break,
        }
        if anchored {
            break;
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    let replaced = lua.create_string(out)?;
    Ok(MultiValue::from_vec(vec![
        Value::String(replaced),
        Value::Integer(count),
    ]))
}

/// What grows in Rust's memory while Lua does not see it must not outgrow what Lua may have.
pub(super) fn check_size(lua: &Lua, out: &[u8]) -> mlua::Result<()> {
    const LOOK_FROM_BYTES: usize = 1024 * 1024;
    if out.len() < LOOK_FROM_BYTES {
        return Ok(());
    }
    let limit = lua.set_memory_limit(0)?;
    lua.set_memory_limit(limit)?;
    if limit > 0 && lua.used_memory() + out.len() > limit {
        return Err(mlua::Error::MemoryError("not enough memory".to_owned()));
    }
    Ok(())
}

fn two_strings(lua: &Lua, values: MultiValue) -> mlua::Result<(LuaString, LuaString)> {
    let arguments = Arguments::new(lua, "gmatch", &values);
    Ok((arguments.string(1)?, arguments.string(2)?))
}

fn gsub_arguments(lua: &Lua, values: MultiValue) -> mlua::Result<(LuaString, LuaString, i64)> {
    let arguments = Arguments::new(lua, "gsub", &values);
    let (text, pattern) = (arguments.string(1)?, arguments.string(2)?);
    let len = text.as_bytes().len() as i64;
    let most = arguments.integer_or(4, len + 1)?;
    Ok((text, pattern, most))
}

fn place_value(place: usize) -> Value {
    Value::Integer(place as i64)
}

fn capture_value(
    lua: &Lua,
    text: &[u8],
    capture: Result<Capture, Failed<mlua::Error>>,
) -> mlua::Result<Value> {
    match capture.map_err(|failed| wrong(lua, failed))? {
        Capture::Text(from, to) => lua.create_string(&text[from..to]).map(Value::String),
        Capture::Position(place) | Capture::Open(place) => Ok(place_value(place + 1)),
    }
}
