//! The speicher protocol: JSON behind a signed 4-byte big-endian length, `SET`, `GET`, `DEL`, `RST`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Cx, Step};
use crate::hub::Gate;
use crate::keyspace::json::push_string;
use crate::keyspace::{Condition, Expiry, Json, View};

/// Said to a client for which there is no room, frame and all.
pub const UNAVAILABLE: &[u8] = b"\0\0\0\x13{\"status_code\":503}";

const HEADER_BYTES: usize = 4;

/// A conversation.
#[derive(Debug, Default)]
pub struct Speicher {
    /// Bytes of a frame over the limit that are still to come, and to be dropped.
    skip: usize,
    /// The length of the frame that has begun.
    expected: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok = 200,
    BadRequest = 400,
    Forbidden = 403,
    NotFound = 404,
    Unavailable = 503,
}

impl Speicher {
    pub fn step(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Step {
        if self.skip > 0 {
            let skipped = self.skip.min(input.len());
            self.skip -= skipped;
            return Step::Done(skipped);
        }
        let Some((header, rest)) = input.split_first_chunk::<HEADER_BYTES>() else {
            return Step::NeedMore;
        };
        let len = match usize::try_from(i32::from_be_bytes(*header)) {
            Ok(len) if len > 0 => len,
            _ => {
                reply(Status::BadRequest, cx);
                return Step::Done(HEADER_BYTES);
            }
        };
        if len > cx.hub.limits.request_bytes_max {
            reply(Status::BadRequest, cx);
            self.skip = len;
            return Step::Done(HEADER_BYTES);
        }
        let Some(body) = rest.get(..len) else {
            self.expected = Some(HEADER_BYTES + len);
            return Step::NeedMore;
        };
        self.expected = None;
        match Request::parse(body) {
            Some(_) if cx.hub.busy => cx.out.tail().extend_from_slice(UNAVAILABLE),
            Some(request) => request.run(cx),
            None => reply(Status::BadRequest, cx),
        }
        Step::Done(HEADER_BYTES + len)
    }

    pub fn expected_bytes(&self) -> Option<usize> {
        self.expected
    }
}

fn reply(status: Status, cx: &mut Cx<'_>) {
    let body: &[u8] = match status {
        Status::Unavailable => UNAVAILABLE,
        Status::Ok => b"\0\0\0\x13{\"status_code\":200}",
        Status::BadRequest => b"\0\0\0\x13{\"status_code\":400}",
        Status::Forbidden => b"\0\0\0\x13{\"status_code\":403}",
        Status::NotFound => b"\0\0\0\x13{\"status_code\":404}",
    };
    cx.out.tail().extend_from_slice(body);
}

/// A request whose fields are in order.
enum Request<'a> {
    Set(Cow<'a, str>, &'a RawValue),
    Get(Cow<'a, str>),
    Delete(Cow<'a, str>),
    Reset,
}

impl<'a> Request<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        // All of it, for the parser does not look into strings that it skips.
        let body = std::str::from_utf8(body).ok()?;
        let mut parser = serde_json::Deserializer::from_str(body);
        let fields = serde::de::Deserializer::deserialize_map(&mut parser, FieldsVisitor).ok()?;
        parser.end().ok()?;
        let command = string(fields.command?)?;
        if command == "RST" {
            return Some(Request::Reset);
        }
        let key = string(fields.key?)?;
        if key.is_empty() {
            return None;
        }
        match &*command {
            "SET" => Some(Request::Set(key, fields.value?)),
            "GET" => Some(Request::Get(key)),
            "DEL" => Some(Request::Delete(key)),
            _ => None,
        }
    }

    /// Whether the listener's user may do it, by the RESP command that it stands for.
    fn is_allowed(&self, cx: &mut Cx<'_>) -> bool {
        match self {
            Request::Set(key, _) => cx.may_write("set", key.as_bytes()),
            Request::Get(key) => cx.may_read("get", key.as_bytes()),
            Request::Delete(key) => cx.may_write("del", key.as_bytes()),
            Request::Reset => cx.may_write("flushdb", b""),
        }
    }

    fn run(self, cx: &mut Cx<'_>) {
        if !self.is_allowed(cx) {
            return reply(Status::Forbidden, cx);
        }
        if matches!(self, Request::Set(..)) && !cx.has_room() {
            return reply(Status::Unavailable, cx);
        }
        let db = cx.client.db;
        let refused = match cx.hub.gate {
            Gate::Open => false,
            Gate::Loading => true,
            Gate::ReadOnly => !matches!(self, Request::Get(_)),
        };
        if refused {
            return reply(Status::Unavailable, cx);
        }
        let status = match self {
            Request::Set(key, value) => {
                let key = cx.keyspace.key(db, key.as_bytes());
                match Json::from_raw(value) {
                    Ok(value) => {
                        cx.keyspace
                            .set_json(&key, value, Condition::Always, Expiry::Clear);
                        Status::Ok
                    }
                    Err(_) => Status::BadRequest,
                }
            }
            Request::Get(key) => {
                if get(key.as_bytes(), cx) {
                    return;
                }
                let key = cx.keyspace.key(db, key.as_bytes());
                if cx.keyspace.type_of(&key).is_some() {
                    Status::BadRequest
                } else {
                    Status::NotFound
                }
            }
            Request::Delete(key) => {
                let key = cx.keyspace.key(db, key.as_bytes());
                if cx.keyspace.delete(&key) {
                    Status::Ok
                } else {
                    Status::NotFound
                }
            }
            Request::Reset => {
                cx.keyspace.flush(db);
                Status::Ok
            }
        };
        reply(status, cx);
    }
}

/// Replies with the key's value; false, and nothing is written, when it has none that is JSON.
fn get(key: &[u8], cx: &mut Cx<'_>) -> bool {
    let key = cx.keyspace.key(cx.client.db, key);
    let Some(view) = cx.keyspace.view(&key) else {
        return false;
    };
    let out = cx.out.tail();
    let start = out.len();
    out.extend_from_slice(b"\0\0\0\0{\"status_code\":200,\"value\":");
    let written = match view {
        View::String(string) => push_string(out, string.as_bytes(&mut [0; 20])).is_ok(),
        View::Json(json) => {
            out.extend_from_slice(json.text());
            true
        }
        View::Other(_) => false,
    };
    out.push(b'}');
    match i32::try_from(out.len() - start - HEADER_BYTES) {
        Ok(len) if written => {
            out[start..start + HEADER_BYTES].copy_from_slice(&len.to_be_bytes());
            true
        }
        _ => {
            out.truncate(start);
            false
        }
    }
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    match text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str(text).ok().map(Cow::Owned),
        None => None,
    }
}

/// The fields of a request that matter, unparsed; of a field that is there twice, the last.
#[derive(Default)]
struct Fields<'a> {
    command: Option<&'a RawValue>,
    key: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match &*name {
                "command" => fields.command = Some(map.next_value()?),
                "key" => fields.key = Some(map.next_value()?),
                "value" => fields.value = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}
