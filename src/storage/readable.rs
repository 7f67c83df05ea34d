//! Values as text that a person can read, or a query can look into: strings as they are, everything else as JSON.
//!
//! | type | text |
//! |---|---|
//! | string, JSON document | itself |
//! | list, set | `["element", …]` |
//! | hash | `{"field": "value", …}` |
//! | sorted set | `{"member": score, …}`, from the least score on |
//! | stream | `[["1-1", {"field": "value"}], …]` |
//! | series | `[[timestamp, value], …]` |
//!
//! Bytes that are no UTF-8 stand in JSON as Rust and Python write them (`\xff`), and scores and values that are no JSON
//! numbers as strings (`"inf"`): who needs them exactly does not read text.

use crate::keyspace::stream::StreamId;
use crate::keyspace::{Data, Value};
use crate::number::push_f64;

/// A value as text, or, for a string that is no text, its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readable {
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Writes a value as text; `None` when that takes more than about `bytes_max`. O(size, and no more than `bytes_max`).
pub fn readable(data: Data<'_>, bytes_max: usize) -> Option<Readable> {
    match data {
        Data::Int(int) => Some(Readable::Text(int.to_string())),
        Data::Bytes { bytes, .. } => plain(bytes, bytes_max),
        Data::Value(Value::String(bytes)) => plain(bytes, bytes_max),
        Data::Value(Value::Json(json)) => plain(json.text(), bytes_max),
        Data::Value(value) => {
            let mut json = Json {
                text: Vec::new(),
                bytes_max,
            };
            json.value(value)?;
            String::from_utf8(json.text).ok().map(Readable::Text)
        }
    }
}

fn plain(bytes: &[u8], bytes_max: usize) -> Option<Readable> {
    (bytes.len() <= bytes_max).then(|| match std::str::from_utf8(bytes) {
        // The C library that prints a column ends it there.
        Ok(text) if !text.contains('\0') => Readable::Text(text.to_owned()),
        _ => Readable::Bytes(bytes.to_vec()),
    })
}

struct Json {
    text: Vec<u8>,
    bytes_max: usize,
}

impl Json {
    fn value(&mut self, value: &Value) -> Option<()> {
        let mut room = [0; 20];
        let mut other = [0; 20];
        match value {
            Value::List(list) => self.all(b"[]", list.iter(), |json, entry| {
                json.string(entry.text(&mut room));
            }),
            Value::Set(set) => self.all(b"[]", set.iter(), |json, entry| {
                json.string(entry.text(&mut room));
            }),
            Value::Hash(hash) => self.all(b"{}", hash.iter(), |json, (field, value)| {
                json.pair(field.text(&mut room), value.text(&mut other));
            }),
            Value::SortedSet(zset) => self.all(b"{}", zset.iter(), |json, (member, score)| {
                json.string(member.text(&mut room));
                json.text.push(b':');
                json.number(score);
            }),
            Value::Stream(stream) => {
                let entries = stream.log.range(StreamId::MIN, StreamId::MAX);
                self.all(b"[]", entries, |json, entry| {
                    json.text
                        .extend_from_slice(format!("[\"{}\",{{", entry.id).as_bytes());
                    for (index, (field, value)) in entry.fields().enumerate() {
                        if index > 0 {
                            json.text.push(b',');
                        }
                        json.pair(field, value);
                    }
                    json.text.extend_from_slice(b"}]");
                })
            }
            Value::Series(series) => {
                self.all(b"[]", series.range(i64::MIN..=i64::MAX), |json, sample| {
                    json.text
                        .extend_from_slice(format!("[{},", sample.timestamp).as_bytes());
                    json.number(sample.value);
                    json.text.push(b']');
                })
            }
            Value::String(bytes) => {
                self.string(bytes);
                Some(())
            }
            Value::Json(document) => {
                self.text.extend_from_slice(document.text());
                Some(())
            }
        }
    }

    fn all<T>(
        &mut self,
        brackets: &[u8; 2],
        items: impl Iterator<Item = T>,
        mut push: impl FnMut(&mut Self, T),
    ) -> Option<()> {
        self.text.push(brackets[0]);
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            push(self, item);
            if self.text.len() > self.bytes_max {
                return None;
            }
        }
        self.text.push(brackets[1]);
        Some(())
    }

    fn pair(&mut self, name: &[u8], value: &[u8]) {
        self.string(name);
        self.text.push(b':');
        self.string(value);
    }

    fn string(&mut self, bytes: &[u8]) {
        let escaped;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => {
                escaped = bytes.escape_ascii().to_string();
                &escaped
            }
        };
        // Into memory, and a string is always a JSON string.
        let _ = serde_json::to_writer(&mut self.text, text);
    }

    fn number(&mut self, number: f64) {
        if number.is_finite() {
            push_f64(&mut self.text, number);
        } else {
            self.text
                .extend_from_slice(format!("\"{number}\"").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;

    fn text(commands: &[&str]) -> Option<Readable> {
        let mut server = Server::builder().build().unwrap();
        for command in commands {
            server.store().execute(command.split(' ')).unwrap();
        }
        peek(&mut server)
    }

    fn peek(server: &mut Server) -> Option<Readable> {
        let keyspace = &server.engine_mut().keyspace;
        let saved = keyspace.saved(&keyspace.key(0, b"k")).unwrap();
        readable(saved.data, 100)
    }

    #[test]
    fn every_type_is_text() {
        for (commands, expected) in [
            (&["SET k hello"][..], "hello"),
            (&["SET k -5"], "-5"),
            (&["RPUSH k a 1 \"\u{e4}"], "[\"a\",\"1\",\"\\\"\u{e4}\"]"),
            (&["SADD k 3"], r#"["3"]"#),
            (&["HSET k f v"], r#"{"f":"v"}"#),
            (
                &["ZADD k 1.5 b -inf a 2 c"],
                r#"{"a":"-inf","b":1.5,"c":2}"#,
            ),
            (
                &["XADD k 1-1 f v g w", "XADD k 2-0 f v"],
                r#"[["1-1",{"f":"v","g":"w"}],["2-0",{"f":"v"}]]"#,
            ),
            (&["JSON.SET k $ [1,{\"a\":null}]"], r#"[1,{"a":null}]"#),
            (&["TS.ADD k 5 0.25", "TS.ADD k 7 3"], "[[5,0.25],[7,3]]"),
        ] {
            assert_eq!(text(commands), Some(Readable::Text(expected.to_owned())));
        }
    }

    #[test]
    fn what_is_no_text_is_bytes_and_what_is_long_is_left_out() {
        let long = "x".repeat(101);
        assert_eq!(text(&[&format!("SET k {long}")]), None);
        assert_eq!(text(&[&format!("RPUSH k {long}")]), None);
        assert_eq!(text(&["SETBIT k 0 1"]), Some(Readable::Bytes(vec![0x80])));
        let mut server = Server::builder().build().unwrap();
        let request = [&b"RPUSH"[..], b"k", b"\xff"];
        server.store().execute(request).unwrap();
        let escaped = r#"["\\xff"]"#.to_owned();
        assert_eq!(peek(&mut server), Some(Readable::Text(escaped)));
    }
}
