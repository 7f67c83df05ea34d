//! The metrics text protocol: `put <key> <value> <timestamp>`, `get <key>`, `get *`.
//!
//! Replies begin with `ok` or `error` and end with an empty line. A key is a time series of the keyspace.

use super::line::{Line, Lines};
use super::{Cx, Step};
use crate::hub::Gate;
use crate::keyspace::series::{DuplicatePolicy, format_metric_value};
use crate::number::{parse_i64, push_i64};

/// The one error there is.
pub const ERROR: &[u8] = b"error\nwrong command\n\n";

/// A conversation: nothing but where the next line begins.
#[derive(Debug, Default)]
pub struct Metrics {
    lines: Lines,
}

impl Metrics {
    pub fn step(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Step {
        match self.lines.next(input, cx.hub.limits.line_bytes_max) {
            Line::NeedMore => Step::NeedMore,
            Line::Skip(consumed) => Step::Done(consumed),
            Line::TooLong(consumed) => {
                cx.out.tail().extend_from_slice(ERROR);
                Step::Done(consumed)
            }
            Line::Ready(line, consumed) => {
                if run(line, cx).is_none() {
                    cx.out.tail().extend_from_slice(ERROR);
                }
                Step::Done(consumed)
            }
        }
    }
}

/// Runs one line; `None` is the error.
fn run(line: &[u8], cx: &mut Cx<'_>) -> Option<()> {
    if cx.hub.busy {
        return None;
    }
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    let command = words.next()?;
    let key = words.next()?;
    match command {
        b"put" => {
            let value = parse_value(words.next()?)?;
            let timestamp = parse_timestamp(words.next()?)?;
            if words.next().is_some() {
                return None;
            }
            (cx.may_write("ts.add", key) && cx.has_room()).then_some(())?;
            put(key, value, timestamp, cx)
        }
        b"get" if words.next().is_none() && cx.hub.gate != Gate::Loading => {
            // Of all keys, those are shown that may be read.
            (key == b"*" || cx.may_read("ts.range", key)).then_some(())?;
            get(key, cx);
            Some(())
        }
        _ => None,
    }
}

fn put(key: &[u8], value: f64, timestamp: i64, cx: &mut Cx<'_>) -> Option<()> {
    if cx.hub.gate != Gate::Open {
        return None;
    }
    let key = cx.keyspace.key(cx.client.db, key);
    cx.keyspace
        .series_add(&key, timestamp, value, Some(DuplicatePolicy::Last))
        .ok()?;
    cx.out.tail().extend_from_slice(b"ok\n\n");
    Some(())
}

fn get(key: &[u8], cx: &mut Cx<'_>) {
    cx.out.tail().extend_from_slice(b"ok\n");
    if key == b"*" {
        for key in cx.keyspace.series_keys(cx.client.db) {
            if cx.may_see("ts.range", &key) {
                push_series(&key, cx);
            }
        }
    } else {
        push_series(key, cx);
    }
    cx.out.tail().push(b'\n');
}

fn push_series(name: &[u8], cx: &mut Cx<'_>) {
    let key = cx.keyspace.key(cx.client.db, name);
    // A key that is missing or of another type has no samples.
    let Ok(Some(series)) = cx.keyspace.series(&key) else {
        return;
    };
    let out = cx.out.tail();
    for sample in series.range(i64::MIN..=i64::MAX) {
        out.extend_from_slice(name);
        out.push(b' ');
        format_metric_value(sample.value, out);
        out.push(b' ');
        push_i64(out, sample.timestamp);
        out.push(b'\n');
    }
}

fn parse_value(word: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(word).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Like Rust's own parser, but quick for what is usual.
fn parse_timestamp(word: &[u8]) -> Option<i64> {
    parse_i64(word).or_else(|| std::str::from_utf8(word).ok()?.parse().ok())
}
