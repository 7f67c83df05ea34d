//! The commands on JSON documents, in the words of RedisJSON: those that read, and what all share.
//!
//! A JSON string is a string of the keyspace (so that RESP clients, lab and speicher share it), any other value a
//! document. A path that begins with `$` selects any number of values, and is answered with an array; an older path means
//! the first value, which is answered bare.

mod edit;

use super::{Args, CommandError, Reply};
use crate::keyspace::json::edit::EditError;
use crate::keyspace::json::path::{InvalidPath, Path};
use crate::keyspace::json::print::{Layout, push_laid_out};
use crate::keyspace::json::select::{Match, TooMuch, select, select_first};
use crate::keyspace::json::text::{Number, equal, inner, items, len, meaning};
use crate::keyspace::json::{InvalidJson, push_string};
use crate::keyspace::{Json, JsonError, JsonKind, StringError};
use crate::protocol::Cx;

pub use edit::{
    json_arrappend, json_arrinsert, json_arrpop, json_arrtrim, json_clear, json_del, json_forget,
    json_merge, json_mset, json_numincrby, json_nummultby, json_numpowby, json_set, json_strappend,
    json_toggle,
};

type Done = Result<(), CommandError>;

const MISSING_KEY: CommandError =
    CommandError::text("ERR could not perform this operation on a key that doesn't exist");

impl From<InvalidPath> for CommandError {
    fn from(error: InvalidPath) -> Self {
        CommandError::err(error)
    }
}

impl From<InvalidJson> for CommandError {
    fn from(error: InvalidJson) -> Self {
        CommandError::err(error)
    }
}

impl From<TooMuch> for CommandError {
    fn from(_: TooMuch) -> Self {
        CommandError::text("ERR the path selects more than the server is willing to look at")
    }
}

impl From<EditError> for CommandError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::TooLong => StringError::TooLong.into(),
            EditError::Overflow => CommandError::text("ERR numeric overflow"),
            EditError::NotANumber => CommandError::text("ERR result is not a number"),
            EditError::OutOfBounds => CommandError::text("ERR index out of bounds"),
        }
    }
}

impl From<JsonError> for CommandError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::WrongType(error) => error.into(),
            JsonError::NotText => {
                CommandError::text("ERR the string is not UTF-8 and has no JSON form")
            }
            JsonError::MissingKey => MISSING_KEY,
            JsonError::MissingRoot => {
                CommandError::text("ERR new objects must be created at the root")
            }
            JsonError::NotStatic => CommandError::text("ERR wrong static path"),
            JsonError::MissingElement => CommandError::text("ERR array index out of range"),
            JsonError::TooMuch => TooMuch.into(),
            JsonError::TooDeep => CommandError::text("ERR recursion limit exceeded"),
            JsonError::Edit(error) => error.into(),
        }
    }
}

/// The path at `index`, or the root in the older notation.
fn path_at(args: Args<'_>, index: usize) -> Result<Path, CommandError> {
    match args.get(index) {
        Some(path) => Ok(Path::parse(path)?),
        None => Ok(Path::root()),
    }
}

/// Refuses arguments from `max` on.
fn at_most(args: Args<'_>, max: usize, name: &'static str) -> Done {
    if args.len() > max {
        return Err(CommandError::Arity(name.into()));
    }
    Ok(())
}

fn missing_path(path: &Path) -> CommandError {
    CommandError::err(format_args!("Path '{}' does not exist", path.text))
}

fn missing_path_or(path: &Path, or: &str) -> CommandError {
    CommandError::err(format_args!("Path '{}' does not exist or {or}", path.text))
}

fn expected(kind: JsonKind, found: &[u8]) -> CommandError {
    let (kind, found) = (kind.name(), JsonKind::of(found).name());
    CommandError::Other(
        format!("WRONGTYPE wrong type of path value - expected {kind} but found {found}").into(),
    )
}

fn value_of<'t>(text: &'t [u8], one: &Match) -> &'t [u8] {
    text.get(one.value.clone()).unwrap_or_default()
}

/// Writes `[`, the values with commas between, `]`.
fn push_array<'t>(out: &mut Vec<u8>, values: impl Iterator<Item = &'t [u8]>) {
    out.push(b'[');
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value);
    }
    out.push(b']');
}

/// `JSON.GET key [INDENT indent] [NEWLINE newline] [SPACE space] [path ...]`
pub fn json_get(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    // Documents as wholes are what is asked for most.
    let is_whole = match args.get(2) {
        None | Some(b".") => Some(&[&b""[..], b""]),
        Some(b"$") => Some(&[&b"["[..], b"]"]),
        Some(_) => None,
    };
    if let (Some([before, behind]), ..=3) = (is_whole, args.len()) {
        let key = cx.key(&args[1]);
        let (keyspace, mut reply) = cx.split();
        match keyspace.json(&key)? {
            Some(text) => reply.bulk_of(&[before, &text, behind]),
            None => reply.null(),
        }
        return Ok(());
    }
    let mut layout = Layout::default();
    let mut paths = Vec::new();
    let mut at = 2;
    while at < args.len() {
        let option = match () {
            () if args.is(at, "indent") => &mut layout.indent,
            () if args.is(at, "newline") => &mut layout.newline,
            () if args.is(at, "space") => &mut layout.space,
            // Of the first version: it does nothing since.
            () if args.is(at, "noescape") => {
                at += 1;
                continue;
            }
            () => {
                paths.push((&args[at], Path::parse(&args[at])?));
                at += 1;
                continue;
            }
        };
        *option = args
            .get(at + 1)
            .ok_or(CommandError::Arity("json.get".into()))?;
        at += 2;
    }
    if paths.is_empty() {
        paths.push((b".", Path::root()));
    }
    let len_max = cx.hub.limits.output_bytes_max / 2;
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let Some(text) = keyspace.json(&key)? else {
        reply.null();
        return Ok(());
    };
    let bare = paths.iter().all(|(_, path)| path.is_legacy);
    let mut out = Vec::new();
    match &paths[..] {
        [(_, path)] => push_selected(&mut out, &text, path, bare, len_max)?,
        _ => {
            out.push(b'{');
            for (place, (name, path)) in paths.iter().enumerate() {
                // A path that was given twice is answered once.
                if paths[..place].iter().any(|(other, _)| other == name) {
                    continue;
                }
                if place > 0 {
                    out.push(b',');
                }
                // It was read as a path, and so is UTF-8.
                let _ = push_string(&mut out, name);
                out.push(b':');
                push_selected(&mut out, &text, path, bare, len_max)?;
            }
            out.push(b'}');
        }
    }
    if layout == Layout::default() {
        reply.bulk(&out);
    } else {
        let mut laid_out = Vec::new();
        push_laid_out(&mut laid_out, &out, layout, len_max)
            .map_err(|_| CommandError::from(EditError::TooLong))?;
        reply.bulk(&laid_out);
    }
    Ok(())
}

/// Writes what a path selects: the first value, or an array of all.
fn push_selected(out: &mut Vec<u8>, text: &[u8], path: &Path, bare: bool, len_max: usize) -> Done {
    if bare {
        let first = select_first(text, path)?.ok_or_else(|| missing_path(path))?;
        out.extend_from_slice(value_of(text, &first));
    } else {
        let matches = select(text, path)?;
        push_array(out, matches.iter().map(|one| value_of(text, one)));
    }
    if out.len() > len_max {
        return Err(EditError::TooLong.into());
    }
    Ok(())
}

/// `JSON.MGET key [key ...] path`: nothing for a key that does not exist, holds another type, or has no such value.
pub fn json_mget(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let last = args.len() - 1;
    let path = Path::parse(&args[last])?;
    let len_max = cx.hub.limits.output_bytes_max / 2;
    let mut values: Vec<Option<Vec<u8>>> = Vec::with_capacity(last - 1);
    let mut len = 0;
    for index in 1..last {
        let key = cx.key(&args[index]);
        let value = match cx.keyspace.json(&key) {
            Ok(Some(text)) => {
                let mut out = Vec::new();
                push_selected(&mut out, &text, &path, path.is_legacy, len_max)
                    .is_ok()
                    .then_some(out)
            }
            Ok(None) | Err(_) => None,
        };
        len += value.as_ref().map_or(0, Vec::len);
        if len > len_max {
            return Err(EditError::TooLong.into());
        }
        values.push(value);
    }
    let mut reply = cx.reply();
    reply.array(values.len());
    for value in values {
        match value {
            Some(value) => reply.bulk(&value),
            None => reply.null(),
        }
    }
    Ok(())
}

/// `JSON.TYPE key [path]`; RESP3 has one more level, as RedisJSON answers it.
pub fn json_type(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    at_most(args, 3, "json.type")?;
    let path = path_at(args, 2)?;
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let name = |text: &[u8], one: &Match| JsonKind::of(value_of(text, one)).name();
    match keyspace.json(&key)? {
        None => {
            wrap(&mut reply);
            reply.null();
        }
        Some(text) if path.is_legacy => {
            let first = select_first(&text, &path)?;
            wrap(&mut reply);
            match first {
                Some(first) => reply.bulk(name(&text, &first).as_bytes()),
                None => reply.null(),
            }
        }
        Some(text) => {
            let matches = select(&text, &path)?;
            wrap(&mut reply);
            reply.array(matches.len());
            for one in &matches {
                reply.bulk(name(&text, one).as_bytes());
            }
        }
    }
    Ok(())
}

fn wrap(reply: &mut Reply<'_>) {
    if reply.resp3 {
        reply.array(1);
    }
}

/// A command that says something of values of one kind.
struct Question {
    name: &'static str,
    kind: JsonKind,
    /// What an older path gets that selects nothing: an error, or nothing.
    missing_is_error: bool,
    /// What an older path gets that selects another kind: that it is none of these, or which kind was expected.
    or: Option<&'static str>,
    answer: fn(&mut Reply<'_>, &[u8]),
}

/// `JSON.STRLEN key [path]`
pub fn json_strlen(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let question = Question {
        name: "json.strlen",
        kind: JsonKind::String,
        missing_is_error: true,
        or: None,
        answer: |reply, value| reply.count(meaning(inner(value)).len()),
    };
    question.ask(cx, args)
}

/// `JSON.ARRLEN key [path]`
pub fn json_arrlen(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let question = Question {
        name: "json.arrlen",
        kind: JsonKind::Array,
        missing_is_error: true,
        or: Some("not an array"),
        answer: |reply, value| reply.count(len(value)),
    };
    question.ask(cx, args)
}

/// `JSON.OBJLEN key [path]`
pub fn json_objlen(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let question = Question {
        name: "json.objlen",
        kind: JsonKind::Object,
        missing_is_error: false,
        or: None,
        answer: |reply, value| reply.count(len(value)),
    };
    question.ask(cx, args)
}

/// `JSON.OBJKEYS key [path]`
pub fn json_objkeys(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let question = Question {
        name: "json.objkeys",
        kind: JsonKind::Object,
        missing_is_error: false,
        or: Some("not an object"),
        answer: |reply, value| {
            reply.array(len(value));
            for (name, _) in items(value) {
                reply.bulk(&meaning(name));
            }
        },
    };
    question.ask(cx, args)
}

impl Question {
    fn ask(&self, cx: &mut Cx<'_>, args: Args<'_>) -> Done {
        at_most(args, 3, self.name)?;
        let path = path_at(args, 2)?;
        let key = cx.key(&args[1]);
        let (keyspace, mut reply) = cx.split();
        let Some(text) = keyspace.json(&key)? else {
            return match path.is_legacy {
                true => {
                    reply.null();
                    Ok(())
                }
                false if self.name == "json.objlen" => Err(missing_path_or(&path, "not an object")),
                false => Err(MISSING_KEY),
            };
        };
        let matches = select(&text, &path)?;
        let fits = |value: &[u8]| JsonKind::of(value) == self.kind;
        if !path.is_legacy {
            reply.array(matches.len());
            for one in &matches {
                let value = value_of(&text, one);
                if fits(value) {
                    (self.answer)(&mut reply, value);
                } else {
                    reply.null();
                }
            }
            return Ok(());
        }
        match matches.first().map(|first| value_of(&text, first)) {
            Some(value) if fits(value) => (self.answer)(&mut reply, value),
            Some(value) => {
                return Err(match self.or {
                    Some(or) => missing_path_or(&path, or),
                    None => expected(self.kind, value),
                });
            }
            None if self.missing_is_error => return Err(missing_path(&path)),
            None => reply.null(),
        }
        Ok(())
    }
}

/// `JSON.ARRINDEX key path value [start [stop]]`: from `start` to before `stop`, where 0 stands for the end.
pub fn json_arrindex(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    at_most(args, 6, "json.arrindex")?;
    let path = Path::parse(&args[2])?;
    let value = Json::parse_canonical(&args[3])?;
    let bound = |index: usize| match args.get(index) {
        Some(_) => args.integer(index),
        None => Ok(0),
    };
    let (start, stop) = (bound(4)?, bound(5)?);
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let text = keyspace.json(&key)?.ok_or_else(|| missing_path(&path))?;
    let matches = select(&text, &path)?;
    if path.is_legacy {
        let first = matches.first().ok_or_else(|| missing_path(&path))?;
        let array = value_of(&text, first);
        let index = index_in(array, &value, start, stop);
        reply.integer(index.ok_or_else(|| expected(JsonKind::Array, array))?);
        return Ok(());
    }
    reply.array(matches.len());
    for one in &matches {
        match index_in(value_of(&text, one), &value, start, stop) {
            Some(index) => reply.integer(index),
            None => reply.null(),
        }
    }
    Ok(())
}

/// The index of the first element that equals `value`, or -1; `None` if it is no array.
fn index_in(array: &[u8], value: &[u8], start: i64, stop: i64) -> Option<i64> {
    if JsonKind::of(array) != JsonKind::Array {
        return None;
    }
    let count = i64::try_from(len(array)).unwrap_or(i64::MAX);
    let start = match start {
        start if start < 0 => (count.saturating_add(start)).max(0),
        start => start.min(count - 1),
    };
    let stop = match stop {
        0 => count,
        stop if stop < 0 => (count.saturating_add(stop)).max(0),
        stop => stop.min(count),
    };
    let is_it = |(index, (_, element)): (i64, (&[u8], &[u8]))| {
        (start..stop).contains(&index) && equal(element, value)
    };
    Some(
        (0..)
            .zip(items(array))
            .position(is_it)
            .map_or(-1, |index| i64::try_from(index).unwrap_or(i64::MAX)),
    )
}

/// `JSON.RESP key [path]`
pub fn json_resp(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    at_most(args, 3, "json.resp")?;
    let path = path_at(args, 2)?;
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let Some(text) = keyspace.json(&key)? else {
        reply.null();
        return Ok(());
    };
    if path.is_legacy {
        let first = select_first(&text, &path)?.ok_or_else(|| missing_path(&path))?;
        write_resp(&mut reply, value_of(&text, &first));
        return Ok(());
    }
    let matches = select(&text, &path)?;
    reply.array(matches.len());
    for one in &matches {
        write_resp(&mut reply, value_of(&text, one));
    }
    Ok(())
}

/// Writes a value in RESP's own types. It is nested no deeper than documents are.
fn write_resp(reply: &mut Reply<'_>, value: &[u8]) {
    match JsonKind::of(value) {
        JsonKind::Null => reply.null(),
        JsonKind::Boolean => reply.simple(if value == b"true" { "true" } else { "false" }),
        JsonKind::Integer | JsonKind::Number => match Number::of(value) {
            Some(Number::Integer(integer)) => reply.integer(integer),
            Some(Number::Float(float)) => reply.double(float),
            None => reply.null(),
        },
        JsonKind::String => reply.bulk(&meaning(inner(value))),
        JsonKind::Array => {
            reply.array(len(value) + 1);
            reply.simple("[");
            for (_, element) in items(value) {
                write_resp(reply, element);
            }
        }
        JsonKind::Object => {
            reply.array(len(value) * 2 + 1);
            reply.simple("{");
            for (name, member) in items(value) {
                reply.bulk(&meaning(name));
                write_resp(reply, member);
            }
        }
    }
}

/// `JSON.DEBUG MEMORY key [path]`: bytes of the values' text, which is all that they take.
pub fn json_debug_memory(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    at_most(args, 4, "json.debug|memory")?;
    let path = path_at(args, 3)?;
    let key = cx.key(&args[2]);
    let (keyspace, mut reply) = cx.split();
    match keyspace.json(&key)? {
        None if path.is_legacy => reply.integer(0),
        None => reply.array(0),
        Some(text) if path.is_legacy => {
            let first = select_first(&text, &path)?.ok_or_else(|| missing_path(&path))?;
            reply.count(first.value.len());
        }
        Some(text) => {
            let matches = select(&text, &path)?;
            reply.array(matches.len());
            for one in &matches {
                reply.count(one.value.len());
            }
        }
    }
    Ok(())
}

pub fn json_debug_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let mut reply = cx.reply();
    reply.array(2);
    reply.bulk(b"MEMORY <key> [path] - reports memory usage");
    reply.bulk(b"HELP                - this message");
    Ok(())
}
