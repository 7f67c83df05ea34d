//! Hashes as keys: what the hash commands do to them. What a hash *is* stands in
//! `collections/hash.rs`.

use super::{Entry, Hash, IncrError, Key, Keyspace, WrongType};
use crate::change::Class;
use crate::extended_float::ExtendedFloat;
use crate::number::{INT_TEXT, format_i64, parse_i64};

impl Keyspace {
    /// HSET: gives fields their values; gives how many of the fields are new. O(number of pairs).
    pub fn hash_set<'a>(
        &mut self,
        key: &Key<'a>,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Result<usize, WrongType> {
        let count = pairs.clone().count();
        if count == 0 {
            return Ok(0);
        }
        let open = self.open_or_create(key, |_| Hash::new())?;
        open.value.expect(count, open.settings);
        let mut added = 0;
        for (field, value) in pairs.clone() {
            added += usize::from(open.value.set(field, value, open.settings));
        }
        self.changed_by(key, Class::Hash, "hset", |args| {
            args.extend([b"HSET", key.bytes]);
            args.extend(pairs.flat_map(|(field, value)| [field, value]));
        });
        Ok(added)
    }

    /// HSETNX: gives a field a value if it has none; gives whether it did. O(1).
    pub fn hash_set_if_missing(
        &mut self,
        key: &Key<'_>,
        field: &[u8],
        value: &[u8],
    ) -> Result<bool, WrongType> {
        let open = self.open_or_create(key, |_| Hash::new())?;
        if open.value.contains(field) {
            return Ok(false);
        }
        open.value.set(field, value, open.settings);
        let command: [&[u8]; 4] = [b"HSET", key.bytes, field, value];
        self.changed(key, Class::Hash, "hset", &command);
        Ok(true)
    }

    /// HDEL: takes fields out; gives how many there were. O(number of fields).
    pub fn hash_remove<'a>(
        &mut self,
        key: &Key<'a>,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, WrongType> {
        let Some(open) = self.open::<Hash>(key)? else {
            return Ok(0);
        };
        let mut removed = 0;
        for field in fields.clone() {
            removed += usize::from(open.value.remove(field));
        }
        if removed > 0 {
            self.changed_by(key, Class::Hash, "hdel", |args| {
                args.extend([b"HDEL", key.bytes]);
                args.extend(fields);
            });
            self.remove_if_empty::<Hash>(key);
        }
        Ok(removed)
    }

    /// HINCRBY: adds to the integer that a field has (0 where there is none). O(1).
    pub fn hash_incr_by(&mut self, key: &Key<'_>, field: &[u8], by: i64) -> Result<i64, IncrError> {
        // On a new hash nothing can go wrong any more, so that none is left behind empty.
        let open = self.open_or_create(key, |_| Hash::new())?;
        let old = match open.value.get(field) {
            Some(Entry::Int(int)) => int,
            Some(Entry::Bytes(bytes)) => parse_i64(bytes).ok_or(IncrError::NotANumber)?,
            None => 0,
        };
        let new = old.checked_add(by).ok_or(IncrError::Overflow)?;
        let (mut new_digits, mut by_digits) = (INT_TEXT, INT_TEXT);
        let text = format_i64(new, &mut new_digits);
        open.value.set(field, text, open.settings);
        let by = format_i64(by, &mut by_digits);
        let command: [&[u8]; 4] = [b"HINCRBY", key.bytes, field, by];
        self.changed(key, Class::Hash, "hincrby", &command);
        Ok(new)
    }

    /// HINCRBYFLOAT: the same in `long double` arithmetic; gives the new value's text. O(1).
    pub fn hash_incr_by_float(
        &mut self,
        key: &Key<'_>,
        field: &[u8],
        by: ExtendedFloat,
    ) -> Result<Vec<u8>, IncrError> {
        if !by.is_finite() {
            return Err(IncrError::NotFinite);
        }
        // On a new hash nothing can go wrong any more, so that none is left behind empty.
        let open = self.open_or_create(key, |_| Hash::new())?;
        let old = match open.value.get(field) {
            Some(Entry::Int(int)) => ExtendedFloat::from_i64(int),
            Some(Entry::Bytes(bytes)) => {
                ExtendedFloat::parse(bytes).ok_or(IncrError::NotANumber)?
            }
            None => ExtendedFloat::from_i64(0),
        };
        let new = old.checked_add(by).map_err(|_| IncrError::NotFinite)?;
        if !new.is_finite() {
            return Err(IncrError::NotFinite);
        }
        let mut text = Vec::new();
        new.push(&mut text);
        open.value.set(field, &text, open.settings);
        let command: [&[u8]; 4] = [b"HSET", key.bytes, field, &text];
        self.changed(key, Class::Hash, "hincrbyfloat", &command);
        Ok(text)
    }
}
