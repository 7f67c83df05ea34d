//! The lab protocol: `s<key>:<value>` sets, `r<key>` reads, `x` or an empty message ends the conversation.
//!
//! There are three framings of its messages; the rest is the same for all.

use log::warn;

use super::line::{Line, Lines};
use super::{Cx, Step};
use crate::buffer::Output;
use crate::hub::Gate;
use crate::keyspace::View;

/// How a message's end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It is a line; replies end in `\r\n`.
    Line,
    /// One byte before it is its length, both ways.
    Byte,
    /// One ASCII digit before it is its length; replies are bare.
    Digit,
}

/// A conversation.
#[derive(Debug)]
pub struct Lab {
    framing: Framing,
    lines: Lines,
}

impl Lab {
    pub fn new(framing: Framing) -> Self {
        Lab {
            framing,
            lines: Lines::default(),
        }
    }

    pub fn step(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Step {
        let (message, consumed) = match self.framing {
            Framing::Line => match self.lines.next(input, cx.hub.limits.request_bytes_max) {
                Line::NeedMore => return Step::NeedMore,
                // A message that is too long is none of those that are known.
                Line::Skip(_) | Line::TooLong(_) => return Step::Close,
                Line::Ready(line, consumed) => (line, consumed),
            },
            Framing::Byte | Framing::Digit => {
                let len = match (self.framing, input[0]) {
                    (Framing::Digit, digit @ b'0'..=b'9') => usize::from(digit - b'0'),
                    (Framing::Digit, _) => return Step::Close,
                    (_, len) => usize::from(len),
                };
                let Some(message) = input.get(1..1 + len) else {
                    return Step::NeedMore;
                };
                (message, 1 + len)
            }
        };
        // There is no word for "not now": whoever gets no answer must not think that it was one.
        let refused = match cx.hub.gate {
            Gate::Open => false,
            Gate::Loading => true,
            Gate::ReadOnly => message.first() == Some(&b's'),
        };
        if refused {
            return Step::Close;
        }
        match message.split_first() {
            // A write that cannot be done now must not be lost in silence.
            Some((b's', _)) if cx.hub.busy => Step::Close,
            Some((b'r', _)) if cx.hub.busy => {
                self.reply(b"", cx.out);
                Step::Done(consumed)
            }
            Some((b's', rest)) => {
                let Some(colon) = memchr::memchr(b':', rest) else {
                    return Step::Close;
                };
                // There is no reply that could say no.
                if !cx.may_write("set", &rest[..colon]) || !cx.has_room() {
                    return Step::Close;
                }
                let key = cx.keyspace.key(cx.client.db, &rest[..colon]);
                cx.keyspace.put(&key, &rest[colon + 1..]);
                Step::Done(consumed)
            }
            Some((b'r', key)) => {
                self.read(key, cx);
                Step::Done(consumed)
            }
            _ => Step::Close,
        }
    }

    fn read(&self, name: &[u8], cx: &mut Cx<'_>) {
        let allowed = cx.may_read("get", name);
        let key = cx.keyspace.key(cx.client.db, name);
        let view = cx.keyspace.view(&key);
        let mut digits = [0; 20];
        let value = match &view {
            _ if !allowed => b"",
            Some(View::String(string)) => string.as_bytes(&mut digits),
            Some(View::Json(json)) => json.text(),
            // A value of another type reads as a missing one.
            Some(View::Other(_)) | None => b"",
        };
        if !self.reply(value, cx.out) {
            warn!(
                "lab: the value of {:?} does not fit the framing and was sent as an empty message",
                name.escape_ascii().to_string()
            );
            self.reply(b"", cx.out);
        }
    }

    /// Writes a message; false, and nothing is written, when the framing has no way to say it.
    fn reply(&self, value: &[u8], out: &mut Output) -> bool {
        let out = out.tail();
        match self.framing {
            Framing::Line if memchr::memchr(b'\n', value).is_some() => return false,
            Framing::Line => {
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
            Framing::Byte => {
                let Ok(len) = u8::try_from(value.len()) else {
                    return false;
                };
                out.push(len);
                out.extend_from_slice(value);
            }
            Framing::Digit => out.extend_from_slice(value),
        }
        true
    }
}
