//! The changes of one request as bytes.
//!
//! A change is the command that repeats it. The most usual ones have a number of their own, and no words:
//!
//! ```text
//! 0 command      count, byte strings        4 DEL        key
//! 1 SET          key, value                 5 PEXPIREAT  key, Unix time in ms
//! 2 SET PXAT     key, value, Unix ms        6 INCRBY     key, number
//! 3 SET KEEPTTL  key, value                 7 PERSIST    key
//! 8 the next change is of another database than 0: its number
//! ```
//!
//! Numbers and byte strings are those of `varint.rs`. This module must not know where the bytes go.

use crate::change::{Change, Group};
use crate::keyspace::Db;
use crate::number::parse_i64;
use crate::varint::{Malformed, Reader, push_bytes, push_i64, push_u64};

const COMMAND: u8 = 0;
const SET: u8 = 1;
const SET_PXAT: u8 = 2;
const SET_KEEPTTL: u8 = 3;
const DEL: u8 = 4;
const PEXPIREAT: u8 = 5;
const INCRBY: u8 = 6;
const PERSIST: u8 = 7;
const DB: u8 = 8;

/// One change that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept<'a> {
    /// Any command; its arguments lie in these bytes, where the spans say.
    Command(&'a [u8]),
    /// SET, with what becomes of the expiry.
    Set(&'a [u8], &'a [u8], KeptExpiry),
    /// DEL of one key.
    Delete(&'a [u8]),
    /// PEXPIREAT.
    ExpireAt(&'a [u8], i64),
    /// INCRBY.
    IncrBy(&'a [u8], i64),
    /// PERSIST.
    Persist(&'a [u8]),
}

/// What SET makes of the expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptExpiry {
    /// It goes.
    Clear,
    /// It stays.
    Keep,
    /// It is this Unix time in ms.
    At(i64),
}

/// Appends the commands of a group; false when it has none.
pub fn push_group(out: &mut Vec<u8>, group: &Group) -> bool {
    let before = out.len();
    group.for_each(|change| push_change(out, &change));
    out.len() > before
}

/// Appends the command of one change, if it has one.
pub fn push_change(out: &mut Vec<u8>, change: &Change<'_>) {
    if !change.command.is_empty() {
        if change.db != 0 {
            out.extend_from_slice(&[DB, change.db]);
        }
        push_command(out, change.command);
    }
}

fn push_command(out: &mut Vec<u8>, command: &[&[u8]]) {
    match *command {
        [b"SET", key, value] => {
            out.push(SET);
            push_bytes(out, key);
            push_bytes(out, value);
        }
        [b"SET", key, value, b"KEEPTTL"] => {
            out.push(SET_KEEPTTL);
            push_bytes(out, key);
            push_bytes(out, value);
        }
        [b"DEL", key] => {
            out.push(DEL);
            push_bytes(out, key);
        }
        [b"PERSIST", key] => {
            out.push(PERSIST);
            push_bytes(out, key);
        }
        _ => push_numbered(out, command),
    }
}

/// Those with a number at the end, and all others.
fn push_numbered(out: &mut Vec<u8>, command: &[&[u8]]) {
    let number = command.last().and_then(|last| parse_i64(last));
    match (command, number) {
        ([b"INCRBY", key, _], Some(by)) => {
            out.push(INCRBY);
            push_bytes(out, key);
            push_i64(out, by);
        }
        ([b"PEXPIREAT", key, _], Some(ms)) => {
            out.push(PEXPIREAT);
            push_bytes(out, key);
            push_i64(out, ms);
        }
        ([b"SET", key, value, b"PXAT", _], Some(ms)) => {
            out.push(SET_PXAT);
            push_bytes(out, key);
            push_bytes(out, value);
            push_i64(out, ms);
        }
        _ => {
            out.push(COMMAND);
            push_u64(out, command.len() as u64);
            for arg in command {
                push_bytes(out, arg);
            }
        }
    }
}

/// Reads the next change of a group; of a [`Kept::Command`] the places of its arguments, the name first, go to `spans`.
pub fn read_change<'a>(
    reader: &mut Reader<'a>,
    spans: &mut Vec<(u32, u32)>,
) -> Result<(Db, Kept<'a>), Malformed> {
    let mut kind = reader.u8()?;
    let mut db = 0;
    if kind == DB {
        db = reader.u8()?;
        kind = reader.u8()?;
    }
    let kept = match kind {
        SET => Kept::Set(reader.bytes()?, reader.bytes()?, KeptExpiry::Clear),
        SET_KEEPTTL => Kept::Set(reader.bytes()?, reader.bytes()?, KeptExpiry::Keep),
        SET_PXAT => {
            let (key, value) = (reader.bytes()?, reader.bytes()?);
            Kept::Set(key, value, KeptExpiry::At(reader.i64()?))
        }
        DEL => Kept::Delete(reader.bytes()?),
        PEXPIREAT => Kept::ExpireAt(reader.bytes()?, reader.i64()?),
        INCRBY => Kept::IncrBy(reader.bytes()?, reader.i64()?),
        PERSIST => Kept::Persist(reader.bytes()?),
        COMMAND => {
            let count = reader.usize()?;
            let bytes = reader.rest();
            spans.clear();
            for _ in 0..count {
                let arg = reader.bytes()?;
                let end = bytes.len() - reader.rest().len();
                let span = (end - arg.len(), end);
                spans.push((
                    u32::try_from(span.0).map_err(|_| Malformed)?,
                    u32::try_from(span.1).map_err(|_| Malformed)?,
                ));
            }
            if count == 0 {
                return Err(Malformed);
            }
            Kept::Command(bytes)
        }
        _ => return Err(Malformed),
    };
    Ok((db, kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Changes, Class, Detail, Target};

    #[test]
    fn groups_read_back_as_the_commands_that_they_were() {
        let commands: [(Db, &[&[u8]]); 9] = [
            (0, &[b"SET", b"k", b"v"]),
            (3, &[b"SET", b"k", b"", b"PXAT", b"1750000000000"]),
            (0, &[b"SET", b"k", b"v", b"KEEPTTL"]),
            (0, &[b"DEL", b"k"]),
            (1, &[b"PEXPIREAT", b"k", b"-5"]),
            (0, &[b"INCRBY", b"k", b"-9223372036854775808"]),
            (0, &[b"PERSIST", b"k"]),
            (2, &[b"RPUSH", b"k", b"", b"\r\n"]),
            (0, &[b"INCRBY", b"k", b"+1"]),
        ];
        let mut changes = Changes::default();
        changes.listen(Detail::Commands);
        for (db, command) in commands {
            changes.push(Change {
                db,
                target: Target::Key(b"k"),
                class: Class::Generic,
                event: "",
                command,
            });
        }
        let mut bytes = Vec::new();
        assert!(push_group(&mut bytes, &changes.take(Group::default())));
        let mut reader = Reader::new(&bytes);
        let mut spans = Vec::new();
        let mut read = Vec::new();
        while !reader.is_empty() {
            let (db, kept) = read_change(&mut reader, &mut spans).unwrap();
            let words = match kept {
                Kept::Command(bytes) => spans
                    .iter()
                    .map(|&(from, to)| {
                        String::from_utf8_lossy(&bytes[from as usize..to as usize]).into_owned()
                    })
                    .collect::<Vec<_>>()
                    .join(" "),
                other => format!("{other:?}"),
            };
            read.push((db, words));
        }
        let set = |expiry: &str, value: &str| format!("Set([107], {value}, {expiry})");
        assert_eq!(
            read,
            [
                (0, set("Clear", "[118]")),
                (3, set("At(1750000000000)", "[]")),
                (0, set("Keep", "[118]")),
                (0, "Delete([107])".to_owned()),
                (1, "ExpireAt([107], -5)".to_owned()),
                (0, "IncrBy([107], -9223372036854775808)".to_owned()),
                (0, "Persist([107])".to_owned()),
                (2, "RPUSH k  \r\n".to_owned()),
                (0, "INCRBY k +1".to_owned()),
            ]
        );
    }
}
