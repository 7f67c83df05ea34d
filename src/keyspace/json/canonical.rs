//! From valid JSON text to canonical text: see [`super`].

use std::collections::BTreeMap;

use super::DEPTH_MAX;
use super::text::{Span, string_end_and_escapes};

/// The canonical form of a valid JSON text; `None` if its arrays and objects are nested too deeply. O(length).
pub fn canonical(text: &[u8]) -> Option<Vec<u8>> {
    let mut writer = Writer {
        text,
        at: 0,
        out: Vec::with_capacity(text.len()),
        members: Vec::new(),
    };
    writer.value(0)?;
    Some(writer.out)
}

/// Objects with more names than this look for doubles in a map.
const FEW_NAMES: usize = 8;

struct Writer<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    /// The members of the objects that have begun, the inner ones last.
    members: Vec<Member>,
}

impl Writer<'_> {
    /// The next byte that is no blank.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes the next byte that is no blank as it stands.
    fn copy_byte(&mut self) {
        let byte = self.peek();
        self.out.extend(byte);
        self.at += 1;
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' => self.container(depth, true),
            b'[' => self.container(depth, false),
            b'"' => {
                self.string();
                Some(())
            }
            _ => {
                let rest = &self.text[self.at..];
                let is_end =
                    |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                let len = rest.iter().position(is_end).unwrap_or(rest.len());
                self.out.extend_from_slice(&rest[..len]);
                self.at += len;
                Some(())
            }
        }
    }

    fn container(&mut self, depth: usize, is_object: bool) -> Option<()> {
        if depth >= DEPTH_MAX {
            return None;
        }
        let start = self.out.len();
        let first_member = self.members.len();
        self.copy_byte();
        while !matches!(self.peek()?, b']' | b'}') {
            let name_start = self.out.len();
            if is_object {
                self.string();
                self.copy_byte();
            }
            let value_start = self.out.len();
            self.value(depth + 1)?;
            if is_object {
                self.members.push(Member {
                    name: name_start..value_start,
                    value: value_start..self.out.len(),
                });
            }
            if self.peek()? == b',' {
                self.copy_byte();
            }
        }
        self.copy_byte();
        if self.members.len() > first_member + 1 {
            self.drop_doubles(start, first_member);
        }
        self.members.truncate(first_member);
        Some(())
    }

    /// Writes the object that begins at `start` again if it has a name twice.
    fn drop_doubles(&mut self, start: usize, first_member: usize) {
        let members = &self.members[first_member..];
        // Where each name stands first, and the value that it has last.
        let mut last: Vec<(Span, Span)> = Vec::new();
        if members.len() <= FEW_NAMES {
            let name = |member: &Member| &self.out[member.name.clone()];
            let is_double = |(at, member): (usize, &Member)| {
                members[..at]
                    .iter()
                    .any(|other| name(other) == name(member))
            };
            if !members.iter().enumerate().any(is_double) {
                return;
            }
        }
        let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
        for member in members {
            let name = &self.out[member.name.clone()];
            match places.get(name) {
                Some(place) => last[*place].1 = member.value.clone(),
                None => {
                    places.insert(name, last.len());
                    last.push((member.name.clone(), member.value.clone()));
                }
            }
        }
        if last.len() == members.len() {
            return;
        }
        let mut object = vec![b'{'];
        for (at, (name, value)) in last.into_iter().enumerate() {
            if at > 0 {
                object.push(b',');
            }
            object.extend_from_slice(&self.out[name]);
            object.extend_from_slice(&self.out[value]);
        }
        object.push(b'}');
        self.out.truncate(start);
        self.out.append(&mut object);
    }

    fn string(&mut self) {
        // A name may have blanks before it.
        self.peek();
        let (end, has_escapes) = string_end_and_escapes(self.text, self.at);
        let string = &self.text[self.at..end];
        self.at = end;
        if !has_escapes {
            return self.out.extend_from_slice(string);
        }
        match serde_json::from_slice::<String>(string) {
            // Writing into a Vec cannot fail.
            Ok(meaning) => drop(serde_json::to_writer(&mut self.out, &meaning)),
            // Half of a surrogate pair: valid JSON, but no text. It stays as it was written.
            Err(_) => self.out.extend_from_slice(string),
        }
    }
}

/// A name with its colon, and a value.
struct Member {
    name: Span,
    value: Span,
}
