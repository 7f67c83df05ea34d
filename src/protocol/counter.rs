//! The counter text protocol: `get`, `incr`, `decr`, `add N`, `quit` on one integer.
//!
//! The counter is a string of the keyspace, under the key that the listener names.

use super::line::{Line, Lines};
use super::{Cx, Step};
use crate::hub::Gate;
use crate::number::{parse_i64, push_i64};

/// The one error there is.
pub const ERROR: &[u8] = b"err\n";

/// A conversation, and the key it is about.
#[derive(Debug)]
pub struct Counter {
    lines: Lines,
    key: Box<[u8]>,
}

enum Reply {
    Ok,
    Error,
    Quit,
}

impl Counter {
    pub fn new(key: &[u8]) -> Self {
        Counter {
            lines: Lines::default(),
            key: key.into(),
        }
    }

    pub fn step(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Step {
        let (line, consumed) = match self.lines.next(input, cx.hub.limits.line_bytes_max) {
            Line::NeedMore => return Step::NeedMore,
            Line::Skip(consumed) => return Step::Done(consumed),
            Line::TooLong(consumed) => {
                cx.out.tail().extend_from_slice(ERROR);
                return Step::Done(consumed);
            }
            Line::Ready(line, consumed) => (line, consumed),
        };
        let mut words = line
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty());
        let Some(command) = words.next() else {
            return Step::Close;
        };
        let (argument, rest) = (words.next(), words.next());
        let is = |name: &str| command.eq_ignore_ascii_case(name.as_bytes());
        let reply = match (argument, rest) {
            _ if cx.hub.busy && !is("quit") => Reply::Error,
            (None, None) if is("get") && cx.hub.gate != Gate::Loading => {
                return self.get(cx, consumed);
            }
            (None, None) if is("incr") => self.add(1, cx),
            (None, None) if is("decr") => self.add(-1, cx),
            (None, None) if is("quit") => Reply::Quit,
            (Some(number), None) if is("add") => {
                parse_number(number).map_or(Reply::Error, |by| self.add(by, cx))
            }
            _ => Reply::Error,
        };
        cx.out.tail().extend_from_slice(match reply {
            Reply::Ok => b"ok\n",
            Reply::Error => ERROR,
            Reply::Quit => b"quit\n",
        });
        if let Reply::Quit = reply {
            Step::Close
        } else {
            Step::Done(consumed)
        }
    }

    fn get(&self, cx: &mut Cx<'_>, consumed: usize) -> Step {
        let key = cx.keyspace.key(cx.client.db, &self.key);
        let allowed = cx.may_read("get", &self.key);
        let value = match cx.keyspace.string(&key) {
            _ if !allowed => None,
            Ok(None) => Some(0),
            Ok(Some(string)) => string.to_i64(),
            Err(_) => None,
        };
        let out = cx.out.tail();
        match value {
            Some(value) => {
                out.extend_from_slice(b"val ");
                push_i64(out, value);
                out.push(b'\n');
            }
            None => out.extend_from_slice(ERROR),
        }
        Step::Done(consumed)
    }

    fn add(&self, by: i64, cx: &mut Cx<'_>) -> Reply {
        let may_add = cx.may_write("incrby", &self.key);
        if cx.hub.gate != Gate::Open || !may_add || !cx.has_room() {
            return Reply::Error;
        }
        let key = cx.keyspace.key(cx.client.db, &self.key);
        match cx.keyspace.incr_by(&key, by) {
            Ok(_) => Reply::Ok,
            Err(_) => Reply::Error,
        }
    }
}

fn parse_number(word: &[u8]) -> Option<i64> {
    parse_i64(word).or_else(|| std::str::from_utf8(word).ok()?.parse().ok())
}
