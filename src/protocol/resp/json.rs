//! The commands on JSON documents, in the words of RedisJSON.
//!
//! A JSON string is a string of the keyspace (so that RESP clients, lab and speicher share it), any other value a
//! document.

use super::{Args, CommandError};
use crate::keyspace::json::push_string;
use crate::keyspace::{Condition, Expiry, Json, JsonKind, View};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

/// The root of a document, in the two notations of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    /// `$`: results are lists of matches.
    Dollar,
    /// `.`, the older notation: results are bare.
    Dot,
}

/// Only the root can be named: any other path is refused.
fn root(path: Option<&[u8]>) -> Result<Root, CommandError> {
    match path {
        None | Some(b".") => Ok(Root::Dot),
        Some(b"$") => Ok(Root::Dollar),
        Some(path) => {
            let path = String::from_utf8_lossy(path);
            Err(CommandError::err(format_args!(
                "path '{path}' is not supported: only the root, '$' or '.', is"
            )))
        }
    }
}

/// `JSON.SET key path value [NX | XX]`
pub fn json_set(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    root(args.get(2))?;
    let condition = match args.len() {
        4 => Condition::Always,
        5 if args.is(4, "nx") => Condition::IfMissing,
        5 if args.is(4, "xx") => Condition::IfExists,
        _ => return Err(CommandError::Syntax),
    };
    let value = Json::parse(&args[3]).map_err(|error| {
        CommandError::err(format_args!(
            "invalid JSON at line {} column {}",
            error.line, error.column
        ))
    })?;
    let key = cx.key(&args[1]);
    // RedisJSON answers a value of another type like this, and keeps the expiry of a document it replaces.
    if matches!(cx.keyspace.view(&key), Some(View::Other(_))) {
        return Err(CommandError::text("ERR Existing key has wrong Redis type"));
    }
    if cx.keyspace.set_json(&key, value, condition, Expiry::Keep) {
        cx.reply().ok();
    } else {
        cx.reply().null();
    }
    Ok(())
}

/// The JSON text of what a key holds, and its kind; `None` when it does not exist.
fn text_of(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<(Vec<u8>, JsonKind)>, CommandError> {
    let key = cx.key(key);
    match cx.keyspace.view(&key) {
        None => Ok(None),
        Some(View::Json(json)) => Ok(Some((json.text().to_vec(), json.kind()))),
        Some(View::String(string)) => {
            let mut text = Vec::new();
            push_string(&mut text, string.as_bytes(&mut [0; 20])).map_err(|_| {
                CommandError::text("ERR the string is not UTF-8 and has no JSON form")
            })?;
            Ok(Some((text, JsonKind::String)))
        }
        Some(View::Other(_)) => Err(CommandError::text("ERR Existing key has wrong Redis type")),
    }
}

/// `JSON.GET key [path]`
pub fn json_get(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() > 3 {
        return Err(CommandError::text(
            "ERR only one path, the root, is supported",
        ));
    }
    let root = root(args.get(2))?;
    match text_of(cx, &args[1])? {
        None => cx.reply().null(),
        Some((text, _)) if root == Root::Dollar => {
            cx.reply().bulk(&[b"[", &text[..], b"]"].concat())
        }
        Some((text, _)) => cx.reply().bulk(&text),
    }
    Ok(())
}

/// `JSON.DEL key [path]`
pub fn json_del(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    root(args.get(2))?;
    let existed = text_of(cx, &args[1])?.is_some();
    if existed {
        let key = cx.key(&args[1]);
        cx.keyspace.delete(&key);
    }
    cx.reply().integer(i64::from(existed));
    Ok(())
}

/// `JSON.TYPE key [path]`
pub fn json_type(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let root = root(args.get(2))?;
    let kind = text_of(cx, &args[1])?.map(|(_, kind)| match kind {
        JsonKind::Null => "null",
        JsonKind::Boolean => "boolean",
        JsonKind::Integer => "integer",
        JsonKind::Number => "number",
        JsonKind::String => "string",
        JsonKind::Array => "array",
        JsonKind::Object => "object",
    });
    let mut reply = cx.reply();
    match (kind, root) {
        (None, _) => reply.null(),
        (Some(kind), Root::Dot) => reply.bulk(kind.as_bytes()),
        (Some(kind), Root::Dollar) => {
            // RESP3 has one more level, as RedisJSON answers it.
            if reply.resp3 {
                reply.array(1);
            }
            reply.array(1);
            reply.bulk(kind.as_bytes());
        }
    }
    Ok(())
}
