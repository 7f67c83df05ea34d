//! The commands that change JSON documents.

use super::{Done, at_most, missing_path_or, path_at};
use crate::keyspace::json::edit::{
    Arithmetic, EditError, array_append, array_insert, array_pop, array_trim, calculate,
    push_number, string_append,
};
use crate::keyspace::json::path::Path;
use crate::keyspace::json::text::{Number, inner, len};
use crate::keyspace::{
    Condition, EditValue, Edited, Expiry, Growth, Json, JsonKind, NewValue, Telling, Type,
    WrongType,
};
use crate::protocol::Cx;
use crate::protocol::resp::{Args, CommandError, Reply};

/// `JSON.SET key path value [NX | XX]`
pub fn json_set(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let condition = match args.len() {
        4 => Condition::Always,
        5 if args.is(4, "nx") => Condition::IfMissing,
        5 if args.is(4, "xx") => Condition::IfExists,
        _ => return Err(CommandError::Syntax),
    };
    let is_set = set(cx, &args[1], &args[2], &args[3], condition, "json.set")?;
    if is_set {
        cx.reply().ok();
    } else {
        cx.reply().null();
    }
    Ok(())
}

fn set(
    cx: &mut Cx<'_>,
    key: &[u8],
    path_text: &[u8],
    value: &[u8],
    condition: Condition,
    event: &'static str,
) -> Result<bool, CommandError> {
    let path = Path::parse(path_text)?;
    refuse_other_types(cx, key)?;
    if path.is_root() {
        // At the root, the text stays as it was sent.
        let value = Json::parse(value)?;
        let key = cx.key(key);
        // RedisJSON keeps the expiry of a document it replaces.
        return Ok(cx
            .keyspace
            .set_json_as(&key, value, condition, Expiry::Keep, event));
    }
    let value = Json::parse_canonical(value)?;
    let new = NewValue {
        text: &value,
        len_max: cx.hub.limits.request_bytes_max,
    };
    let telling = Telling {
        event,
        command: &[b"JSON.SET", key, path_text, &value],
    };
    let key = cx.key(key);
    Ok(cx
        .keyspace
        .json_set_path(&key, &path, new, condition, telling)?)
}

fn refuse_other_types(cx: &mut Cx<'_>, key: &[u8]) -> Done {
    let key = cx.key(key);
    match cx.keyspace.type_of(&key) {
        None | Some(Type::String | Type::Json) => Ok(()),
        Some(found) => Err(WrongType { found }.into()),
    }
}

/// `JSON.MSET {key path value}...`: whatever is wrong with one, none is set.
pub fn json_mset(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if !(args.len() - 1).is_multiple_of(3) {
        return Err(CommandError::Arity("json.mset".into()));
    }
    let len_max = cx.hub.limits.request_bytes_max;
    for at in (1..args.len()).step_by(3) {
        let path = Path::parse(&args[at + 1])?;
        refuse_other_types(cx, &args[at])?;
        let value = Json::parse_canonical(&args[at + 2])?;
        if !path.is_root() {
            let new = NewValue {
                text: &value,
                len_max,
            };
            let key = cx.key(&args[at]);
            cx.keyspace.json_try_set_path(&key, &path, new)?;
        }
    }
    let mut all = true;
    for at in (1..args.len()).step_by(3) {
        let (key, path, value) = (&args[at], &args[at + 1], &args[at + 2]);
        // What was possible may be no more, after what was set before: that is answered, but is no error.
        all &= matches!(
            set(cx, key, path, value, Condition::Always, "json.mset"),
            Ok(true)
        );
    }
    if all {
        cx.reply().ok();
    } else {
        cx.reply().null();
    }
    Ok(())
}

/// `JSON.MERGE key path value`
pub fn json_merge(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let path = Path::parse(&args[2])?;
    refuse_other_types(cx, &args[1])?;
    let value = Json::parse_canonical(&args[3])?;
    let key = cx.key(&args[1]);
    let is_merged = if path.is_root() && cx.keyspace.type_of(&key).is_none() {
        let value = Json::parse(&value)?;
        cx.keyspace
            .set_json_as(&key, value, Condition::Always, Expiry::Keep, "json.merge")
    } else {
        let patch = NewValue {
            text: &value,
            len_max: cx.hub.limits.request_bytes_max,
        };
        let telling = Telling {
            event: "json.merge",
            command: &[b"JSON.MERGE", key.bytes, &args[2], &value],
        };
        cx.keyspace.json_merge(&key, &path, patch, telling)?
    };
    if is_merged {
        cx.reply().ok();
    } else {
        cx.reply().null();
    }
    Ok(())
}

/// `JSON.DEL key [path]`; without a path, or with nothing left in the root, the key goes.
pub fn json_del(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    delete(cx, args, "json.del")
}

/// Another name of it.
pub fn json_forget(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    delete(cx, args, "json.forget")
}

fn delete(cx: &mut Cx<'_>, args: Args<'_>, name: &'static str) -> Done {
    at_most(args, 3, name)?;
    let path = path_at(args, 2)?;
    refuse_other_types(cx, &args[1])?;
    let key = cx.key(&args[1]);
    let count = if path.is_root() {
        cx.keyspace.json_delete_key(&key, "json.del")
    } else {
        let telling = Telling {
            event: "json.del",
            command: &[b"JSON.DEL", key.bytes, args.get(2).unwrap_or(b"$")],
        };
        cx.keyspace.json_delete(&key, &path, telling)?
    };
    cx.reply().count(count);
    Ok(())
}

/// An edit of all values of one kind that a path selects.
struct Edit<'a, R> {
    key: &'a [u8],
    path: Path,
    kinds: &'static [JsonKind],
    /// What an older path is told that selects no such value.
    or: &'static str,
    deepens: bool,
    telling: Telling<'a>,
    edit: &'a mut EditValue<'a, R>,
}

impl<R> Edit<'_, R> {
    /// What each value that was selected gave; `None` for those of another kind.
    fn all(self, cx: &mut Cx<'_>) -> Result<Vec<Option<R>>, CommandError> {
        let growth = Growth {
            len_max: cx.hub.limits.request_bytes_max,
            deepens: self.deepens,
        };
        let fits = |value: &[u8]| self.kinds.contains(&JsonKind::of(value));
        let key = cx.key(self.key);
        let results =
            cx.keyspace
                .json_edit(&key, &self.path, growth, fits, self.edit, self.telling)?;
        if self.path.is_legacy && results.iter().all(Option::is_none) {
            return Err(missing_path_or(&self.path, self.or));
        }
        Ok(results)
    }

    /// Does it and answers: an array, or for an older path what the last value gave.
    fn answer(self, cx: &mut Cx<'_>, write: impl Fn(&mut Reply<'_>, R)) -> Done {
        let is_legacy = self.path.is_legacy;
        let results = self.all(cx)?;
        let mut reply = cx.reply();
        if is_legacy {
            if let Some(last) = results.into_iter().flatten().next_back() {
                write(&mut reply, last);
            }
            return Ok(());
        }
        reply.array(results.len());
        for result in results {
            match result {
                Some(result) => write(&mut reply, result),
                None => reply.null(),
            }
        }
        Ok(())
    }
}

pub fn json_numincrby(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    arithmetic(cx, args, Arithmetic::Add, "json.numincrby")
}

pub fn json_nummultby(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    arithmetic(cx, args, Arithmetic::Multiply, "json.nummultby")
}

pub fn json_numpowby(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    arithmetic(cx, args, Arithmetic::Power, "json.numpowby")
}

/// `JSON.NUMINCRBY key path number` and its like. In RESP2 the results are JSON text; in RESP3 an array of numbers.
fn arithmetic(
    cx: &mut Cx<'_>,
    args: Args<'_>,
    arithmetic: Arithmetic,
    event: &'static str,
) -> Done {
    let mut path = Path::parse(&args[2])?;
    // In RESP3 both notations are answered alike, as RedisJSON does it.
    path.is_legacy &= !cx.client.resp3;
    let number = Json::parse_canonical(&args[3])?;
    let number = Number::of(&number).ok_or(CommandError::text("ERR bad input number"))?;
    if !number.to_f64().is_finite() {
        return Err(CommandError::text("ERR number out of range"));
    }
    let name = event.to_ascii_uppercase();
    let is_legacy = path.is_legacy;
    let edit = Edit {
        key: &args[1],
        path,
        kinds: &[JsonKind::Integer, JsonKind::Number],
        or: "does not contains a number",
        deepens: false,
        telling: Telling {
            event,
            command: &[name.as_bytes(), &args[1], &args[2], &args[3]],
        },
        edit: &mut |old, out| {
            let old = Number::of(old).ok_or(EditError::NotANumber)?;
            let new = calculate(old, arithmetic, number)?;
            push_number(out, new);
            Ok(Edited::Changed(new))
        },
    };
    if cx.client.resp3 {
        let results = edit.all(cx)?;
        let mut reply = cx.reply();
        reply.array(results.len());
        for result in results {
            match result {
                Some(Number::Integer(integer)) => reply.integer(integer),
                Some(Number::Float(float)) => reply.double(float),
                None => reply.null(),
            }
        }
        return Ok(());
    }
    let results = edit.all(cx)?;
    let mut text = Vec::new();
    if is_legacy {
        if let Some(last) = results.into_iter().flatten().next_back() {
            push_number(&mut text, last);
        }
    } else {
        for result in results {
            text.push(if text.is_empty() { b'[' } else { b',' });
            match result {
                Some(number) => push_number(&mut text, number),
                None => text.extend_from_slice(b"null"),
            }
        }
        if text.is_empty() {
            text.push(b'[');
        }
        text.push(b']');
    }
    cx.reply().bulk(&text);
    Ok(())
}

/// `JSON.TOGGLE key path`
pub fn json_toggle(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let path = Path::parse(&args[2])?;
    let is_legacy = path.is_legacy;
    let edit = Edit {
        key: &args[1],
        path,
        kinds: &[JsonKind::Boolean],
        or: "not a bool",
        deepens: false,
        telling: Telling {
            event: "json.toggle",
            command: &[b"JSON.TOGGLE", &args[1], &args[2]],
        },
        edit: &mut |old, out| {
            let new = old != b"true";
            out.extend_from_slice(if new { b"true" } else { b"false" });
            Ok(Edited::Changed(new))
        },
    };
    edit.answer(cx, |reply, new| match (is_legacy, new) {
        (true, true) => reply.bulk(b"true"),
        (true, false) => reply.bulk(b"false"),
        (false, new) => reply.integer(i64::from(new)),
    })
}

/// `JSON.STRAPPEND key [path] value`
pub fn json_strappend(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    at_most(args, 4, "json.strappend")?;
    let (path, suffix) = match args.get(3) {
        Some(suffix) => (&args[2], suffix),
        None => (&b"."[..], &args[2]),
    };
    let value = Json::parse_canonical(suffix)?;
    if JsonKind::of(&value) != JsonKind::String {
        return Err(super::expected(JsonKind::String, &value));
    }
    let edit = Edit {
        key: &args[1],
        path: Path::parse(path)?,
        kinds: &[JsonKind::String],
        or: "not a string",
        deepens: false,
        telling: Telling {
            event: "json.strappend",
            command: &[b"JSON.STRAPPEND", &args[1], path, &value],
        },
        edit: &mut |old, out| Ok(Edited::Changed(string_append(old, inner(&value), out))),
    };
    edit.answer(cx, |reply, len| reply.count(len))
}

/// The values from `from` on, with commas between them.
fn values_from(args: Args<'_>, from: usize) -> Result<Vec<u8>, CommandError> {
    let mut values = Vec::new();
    for value in args.iter_from(from) {
        if !values.is_empty() {
            values.push(b',');
        }
        values.append(&mut Json::parse_canonical(value)?);
    }
    Ok(values)
}

/// `JSON.ARRAPPEND key path value [value ...]`
pub fn json_arrappend(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let values = values_from(args, 3)?;
    let count = args.len() - 3;
    let edit = Edit {
        key: &args[1],
        path: Path::parse(&args[2])?,
        kinds: &[JsonKind::Array],
        or: "not an array",
        deepens: true,
        telling: Telling {
            event: "json.arrappend",
            command: &words(b"JSON.ARRAPPEND", args),
        },
        edit: &mut |old, out| {
            array_append(old, &values, out);
            Ok(Edited::Changed(len(old) + count))
        },
    };
    edit.answer(cx, |reply, len| reply.count(len))
}

/// The command as it was sent, with its name as it is told.
fn words<'a>(name: &'a [u8], args: Args<'a>) -> Vec<&'a [u8]> {
    std::iter::once(name).chain(args.iter_from(1)).collect()
}

/// `JSON.ARRINSERT key path index value [value ...]`
pub fn json_arrinsert(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let path = Path::parse(&args[2])?;
    let index = args.integer(3)?;
    let values = values_from(args, 4)?;
    let count = args.len() - 4;
    let edit = Edit {
        key: &args[1],
        path,
        kinds: &[JsonKind::Array],
        or: "not an array",
        deepens: true,
        telling: Telling {
            event: "json.arrinsert",
            command: &words(b"JSON.ARRINSERT", args),
        },
        edit: &mut |old, out| {
            array_insert(old, index, &values, out)?;
            Ok(Edited::Changed(len(old) + count))
        },
    };
    edit.answer(cx, |reply, len| reply.count(len))
}

/// `JSON.ARRPOP key [path [index]]`
pub fn json_arrpop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    at_most(args, 4, "json.arrpop")?;
    let path = path_at(args, 2)?;
    let index = match args.get(3) {
        Some(_) => args.integer(3)?,
        None => -1,
    };
    let edit = Edit {
        key: &args[1],
        path,
        kinds: &[JsonKind::Array],
        or: "not an array",
        deepens: false,
        telling: Telling {
            event: "json.arrpop",
            command: &words(b"JSON.ARRPOP", args),
        },
        edit: &mut |old, out| {
            Ok(match array_pop(old, index, out) {
                Some(element) => Edited::Changed(Some(element)),
                None => Edited::Same(None),
            })
        },
    };
    edit.answer(cx, |reply, element| match element {
        Some(element) => reply.bulk(&element),
        None => reply.null(),
    })
}

/// `JSON.ARRTRIM key path start stop`
pub fn json_arrtrim(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let path = Path::parse(&args[2])?;
    let (start, stop) = (args.integer(3)?, args.integer(4)?);
    let edit = Edit {
        key: &args[1],
        path,
        kinds: &[JsonKind::Array],
        or: "not an array",
        deepens: false,
        telling: Telling {
            event: "json.arrtrim",
            command: &words(b"JSON.ARRTRIM", args),
        },
        edit: &mut |old, out| Ok(Edited::Changed(array_trim(old, start, stop, out))),
    };
    edit.answer(cx, |reply, len| reply.count(len))
}

/// `JSON.CLEAR key [path]`: gives how many values were emptied or set to 0; those that were that already do not count.
pub fn json_clear(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    at_most(args, 3, "json.clear")?;
    let mut path = path_at(args, 2)?;
    // There is no value to be answered, so that both notations mean all that is selected.
    path.is_legacy = false;
    let edit = Edit {
        key: &args[1],
        path,
        kinds: &[
            JsonKind::Array,
            JsonKind::Object,
            JsonKind::Integer,
            JsonKind::Number,
        ],
        or: "",
        deepens: false,
        telling: Telling {
            event: "json.clear",
            command: &words(b"JSON.CLEAR", args),
        },
        edit: &mut |old, out| {
            let empty: &[u8] = match JsonKind::of(old) {
                JsonKind::Array => b"[]",
                JsonKind::Object => b"{}",
                _ => b"0",
            };
            let is_empty = match Number::of(old) {
                Some(number) => number.to_f64() == 0.0,
                None => old == empty,
            };
            out.extend_from_slice(if is_empty { old } else { empty });
            Ok(if is_empty {
                Edited::Same(0)
            } else {
                Edited::Changed(1)
            })
        },
    };
    let results: Vec<Option<usize>> = edit.all(cx)?;
    cx.reply().count(results.into_iter().flatten().sum());
    Ok(())
}
