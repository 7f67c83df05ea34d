//! Values as a whole: seen, to be saved, and put in as they were saved. How they are written is the matter of
//! [`crate::rdb`]; this file must not know protocols and files.

use std::borrow::Cow;

use super::table::{INLINE_VALUE_BYTES_MAX, NewData};
use super::{Data, Db, Expiry, Key, Keyspace, Value};
use crate::change::{Change, Changes, Class, Detail, Group, Target};
use crate::number::{INT_TEXT, format_i64, parse_i64};
use crate::rdb::{self, Version};

/// A value on its way into the keyspace.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// A string.
    Bytes(Cow<'a, [u8]>),
    /// A string that is the canonical decimal of this integer.
    Int(i64),
    /// Anything else.
    Value(Value),
}

impl<'a> Content<'a> {
    /// A string, as an integer where it is the canonical decimal of one.
    pub fn string(bytes: Cow<'a, [u8]>) -> Self {
        match parse_i64(&bytes) {
            Some(int) => Content::Int(int),
            None => Content::Bytes(bytes),
        }
    }

    /// The same, with bytes of its own.
    pub fn into_owned(self) -> Content<'static> {
        match self {
            Content::Bytes(bytes) => Content::Bytes(Cow::Owned(bytes.into_owned())),
            Content::Int(int) => Content::Int(int),
            Content::Value(value) => Content::Value(value),
        }
    }

    /// It, seen as what a record holds.
    pub fn data(&self) -> Data<'_> {
        match self {
            Content::Bytes(bytes) => Data::Bytes { bytes, raw: false },
            Content::Int(int) => Data::Int(*int),
            Content::Value(value) => Data::Value(value),
        }
    }

    fn hand_to<R>(self, store: impl FnOnce(NewData<'_>) -> R) -> R {
        match self {
            Content::Bytes(Cow::Owned(bytes)) if bytes.len() > INLINE_VALUE_BYTES_MAX => {
                store(NewData::Value(Value::string(bytes)))
            }
            Content::Bytes(bytes) => store(NewData::Bytes {
                bytes: &bytes,
                raw: false,
            }),
            Content::Int(int) => store(NewData::Int(int)),
            Content::Value(value) => store(NewData::Value(value)),
        }
    }
}

/// A key and all that is to be saved of it.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// Its database.
    pub db: Db,
    /// The key.
    pub key: &'a [u8],
    /// Unix time in ms at which it ceases to be.
    pub expires_ms: Option<i64>,
    /// What it holds.
    pub data: Data<'a>,
}

/// How a value is to be put in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// In place of whatever is there.
    pub replace: bool,
    /// Unix time in ms at which it ceases to be.
    pub expires_ms: Option<i64>,
    /// For how many seconds it has not been used.
    pub idle_s: u32,
}

/// There is a value already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyKey;

impl std::fmt::Display for BusyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the key exists already")
    }
}

impl std::error::Error for BusyKey {}

impl Keyspace {
    /// What the key holds, to be saved; `None` when it does not exist. Counts as a read. O(1).
    pub fn whole(&mut self, key: &Key<'_>) -> Option<Data<'_>> {
        let at = self.find_for_read(key)?;
        Some(self.table.record(at).data)
    }

    /// Puts a value in. One that has expired already only removes what it would replace. Gives whether the key has it
    /// now. O(1), and the value's size if anybody wants to know how it came.
    pub fn restore(
        &mut self,
        key: &Key<'_>,
        content: Content<'_>,
        options: RestoreOptions,
    ) -> Result<bool, BusyKey> {
        let found = self.find(key);
        if found.is_some() && !options.replace {
            return Err(BusyKey);
        }
        if options
            .expires_ms
            .is_some_and(|ms| ms <= self.expired_by_ms)
        {
            if let Some(at) = found {
                self.remove_at(key, at);
                self.changed(key, Class::Generic, "del", &[b"DEL", key.bytes]);
            }
            return Ok(false);
        }
        let mut payload = Vec::new();
        if self.changes.wants_commands() {
            rdb::encode(content.data(), Version::V11, &mut payload);
            rdb::payload::seal(&mut payload, Version::V11.number());
        }
        let expiry = options.expires_ms.map_or(Expiry::Clear, Expiry::At);
        content.hand_to(|data| self.store(key, found, data, expiry));
        if options.idle_s > 0
            && !self.eviction.policy.counts_uses()
            && let Some(at) = self.table.find(key)
        {
            let clock = self.access_clock().wrapping_sub(options.idle_s) & 0xff_ffff;
            self.table.touch(at, clock);
        }
        let mut digits = INT_TEXT;
        let expires = format_i64(options.expires_ms.unwrap_or(0), &mut digits);
        self.changed(
            key,
            Class::Generic,
            "restore",
            &[
                b"RESTORE", key.bytes, expires, &payload, b"REPLACE", b"ABSTTL",
            ],
        );
        Ok(true)
    }

    /// The live keys of one of the [`parts`](Self::parts) as the changes that make them.
    pub(crate) fn part_as_changes(&self, part: usize) -> Group {
        let mut changes = Changes::default();
        changes.listen(Detail::Commands);
        self.visit_part(part, |saved| {
            let mut payload = Vec::new();
            rdb::encode(saved.data, Version::V11, &mut payload);
            rdb::payload::seal(&mut payload, Version::V11.number());
            let mut digits = INT_TEXT;
            let expires = format_i64(saved.expires_ms.unwrap_or(0), &mut digits);
            changes.push(Change {
                db: saved.db,
                target: Target::Key(saved.key),
                class: Class::Generic,
                event: "restore",
                command: &[
                    b"RESTORE", saved.key, expires, &payload, b"REPLACE", b"ABSTTL",
                ],
            });
        });
        changes.take(Group::default())
    }

    /// How many parts the keyspace can be visited in, see [`visit_part`](Self::visit_part).
    pub fn parts(&self) -> usize {
        self.table.segments()
    }

    /// Visits all live keys of one of the [`parts`](Self::parts), in no order. Each key is in one part; which, may change
    /// with every write.
    pub fn visit_part(&self, part: usize, mut visit: impl FnMut(Saved<'_>)) {
        self.table.visit_segment(part, |record| {
            let is_live = record.expires_ms.is_none_or(|ms| ms > self.expired_by_ms)
                && !self.databases.is_retired(record.space);
            if is_live {
                visit(Saved {
                    db: self.databases.number(record.space),
                    key: record.key,
                    expires_ms: record.expires_ms,
                    data: record.data,
                });
            }
        });
    }
}
