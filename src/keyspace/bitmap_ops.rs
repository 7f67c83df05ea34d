//! Bitmaps as keys: what SETBIT, BITFIELD and BITOP do to strings. What a bit string *is* stands in `bits.rs`.

use std::borrow::Cow;

use super::bits::{self, Field, Operation, Overflow};
use super::table::{INLINE_VALUE_BYTES_MAX, NewData};
use super::{Expiry, Key, Keyspace, Value, WrongType};
use crate::change::Class;
use crate::number::{INT_TEXT, format_i64};

/// One step of BITFIELD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldStep {
    /// GET: the field's value.
    Get(Field),
    /// SET: puts a value into the field; the old one is the result.
    Set(Field, i64, Overflow),
    /// INCRBY: adds to the field's value; the new one is the result.
    Increment(Field, i64, Overflow),
}

impl FieldStep {
    /// Its field, if it may write to it.
    pub fn written_field(&self) -> Option<Field> {
        match *self {
            FieldStep::Get(_) => None,
            FieldStep::Set(field, ..) | FieldStep::Increment(field, ..) => Some(field),
        }
    }
}

impl Keyspace {
    /// SETBIT: gives the bit that was there before. The string grows with zeros to reach it, even to clear a bit; the
    /// offset has been bounded by [`bits::parse_offset`]. O(1) in a long string, but for the growth.
    pub fn set_bit(&mut self, key: &Key<'_>, offset: u64, on: bool) -> Result<bool, WrongType> {
        let edited = self.edit_string(key, |bytes| bits::set(bytes, offset, on))?;
        if edited.grown || edited.result != on {
            let mut digits = INT_TEXT;
            let offset = format_i64(offset as i64, &mut digits);
            let bit: &[u8] = if on { b"1" } else { b"0" };
            self.changed(
                key,
                Class::String,
                "setbit",
                &[b"SETBIT", key.bytes, offset, bit],
            );
        }
        Ok(edited.result)
    }

    /// BITFIELD: takes the steps one after the other and shows the result of each, `None` for a write that would
    /// overflow and must not. Where any step may write, the string is first made long enough for all of them.
    /// O(number of steps), but for the growth.
    pub fn bit_field(
        &mut self,
        key: &Key<'_>,
        steps: &[FieldStep],
        mut show: impl FnMut(Option<i64>),
    ) -> Result<(), WrongType> {
        let last = steps
            .iter()
            .filter_map(FieldStep::written_field)
            .max_by_key(|field| field.last_bit());
        let Some(last) = last else {
            let string = self.string(key)?;
            let mut digits = INT_TEXT;
            let bytes = string
                .as_ref()
                .map_or(&b""[..], |string| string.as_bytes(&mut digits));
            for step in steps {
                if let FieldStep::Get(field) = step {
                    show(Some(field.get(bytes)));
                }
            }
            return Ok(());
        };
        let mut is_different = false;
        let mut written = Vec::new();
        let edited = self.edit_string(key, |bytes| {
            bits::reach(bytes, last.last_bit());
            for step in steps {
                let (field, done) = match *step {
                    FieldStep::Get(field) => {
                        show(Some(field.get(bytes)));
                        continue;
                    }
                    FieldStep::Set(field, value, overflow) => {
                        let done = field.set(bytes, value, overflow);
                        show(done.map(|done| done.old));
                        (field, done)
                    }
                    FieldStep::Increment(field, by, overflow) => {
                        let done = field.increment(bytes, by, overflow);
                        show(done.map(|done| done.new));
                        (field, done)
                    }
                };
                if let Some(done) = done {
                    is_different |= done.new != done.old;
                    written.push((field, done.new));
                }
            }
        })?;
        if edited.grown || is_different {
            // Where all writes failed Redis says nothing, though the string has grown; a copy must hear of it.
            let event = if written.is_empty() { "" } else { "setbit" };
            self.tell_bit_field(key, event, edited.grown.then_some(last), &written);
        }
        Ok(())
    }

    /// Tells of fields that were set, as values and not as increments.
    fn tell_bit_field(
        &mut self,
        key: &Key<'_>,
        event: &'static str,
        grown_to: Option<Field>,
        written: &[(Field, i64)],
    ) {
        let mut words = Vec::new();
        if self.changes.wants_commands() {
            let mut step = |word: &str, field: &Field, value: i64| {
                words.extend([word.to_owned(), field.kind().to_string()]);
                words.extend([field.offset().to_string(), value.to_string()]);
            };
            if let Some(last) = &grown_to {
                // Makes the string as long, and changes nothing else. The field may end beyond the limit of offsets, and
                // then no other one reaches as far.
                step("INCRBY", last, 0);
            }
            for (field, value) in written {
                step("SET", field, *value);
            }
        }
        self.changed_by(key, Class::String, event, |args| {
            args.extend([b"BITFIELD", key.bytes]);
            args.extend(words.iter().map(String::as_bytes));
        });
    }

    /// BITOP: puts what the operation makes of the sources into `to`, in place of whatever it holds and without an
    /// expiry; an empty result removes it. Gives the result's length. A missing source is empty.
    /// O(sources × length).
    pub fn bit_operation(
        &mut self,
        operation: Operation,
        to: &Key<'_>,
        sources: &[Key<'_>],
    ) -> Result<usize, WrongType> {
        for source in sources {
            self.string(source)?;
        }
        let texts: Vec<Cow<'_, [u8]>> = sources.iter().map(|source| self.text_of(source)).collect();
        let texts: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
        let result = bits::operate(operation, &texts);
        let len = result.len();
        if len == 0 {
            self.delete(to);
            return Ok(0);
        }
        let found = self.find(to);
        let data = if len > INLINE_VALUE_BYTES_MAX {
            NewData::Value(Value::string(result))
        } else {
            NewData::Bytes {
                bytes: &result,
                raw: true,
            }
        };
        self.store(to, found, data, Expiry::Clear);
        // The command itself and not its result, which may be long: it depends on nothing but what the sources hold.
        self.changed_by(to, Class::String, "set", |args| {
            args.extend([b"BITOP", operation.name().as_bytes(), to.bytes]);
            args.extend(sources.iter().map(|source| source.bytes));
        });
        Ok(len)
    }
}
