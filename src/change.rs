//! One mutation as a value: what journal, replicas, keyspace events, WATCH and blocked clients all hang on.
//!
//! Every write to the keyspace ends in one [`Change`] (or, for an operation on several keys, in one per key). It carries
//! the canonical RESP command that reproduces it, so `SPOP` is written as the `SREM` it turned out to be, `EXPIRE` as
//! `PEXPIREAT`, a metrics `put` as `TS.ADD`. The changes of one request are one group: all or nothing.
//!
//! This module must not know who listens, nor how a mutation was asked for.

/// The classes of keyspace events, as `notify-keyspace-events` spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `g`: commands on keys of any type.
    Generic,
    /// `$`: strings.
    String,
    /// `x`: a key expired.
    Expired,
    /// `d`: types that are modules in Redis (series and JSON).
    Module,
}

/// One mutation of one key (or, with an empty key, of a whole database).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The database, as clients number it.
    pub db: u8,
    /// The class of its event.
    pub class: Class,
    /// The name of its event, as Redis publishes it, such as `set`.
    pub event: &'static str,
    /// The key that is different now; empty when the whole database is.
    pub key: &'a [u8],
    /// The command that does the same to a copy of the keyspace; empty when an earlier change of the group says it.
    pub command: &'a [&'a [u8]],
}

/// Where the keyspace writes its changes, and a listener reads them group by group.
///
/// With nobody listening it only counts, so that a write costs an increment.
#[derive(Debug, Default)]
pub struct Changes {
    count: u64,
    listening: bool,
    bytes: Vec<u8>,
    lengths: Vec<u32>,
    heads: Vec<Head>,
}

#[derive(Debug)]
struct Head {
    db: u8,
    class: Class,
    event: &'static str,
    key_len: u32,
    args: u32,
}

impl Changes {
    /// Starts or stops keeping the changes that are made.
    pub fn listen(&mut self, listening: bool) {
        self.listening = listening;
        if !listening {
            self.clear();
        }
    }

    /// How many changes there were since the start.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether changes are kept: when not, a caller need not work out the command.
    pub fn is_listening(&self) -> bool {
        self.listening
    }

    /// Adds a change to the group.
    #[inline]
    pub fn push(&mut self, change: Change<'_>) {
        self.count += 1;
        if self.listening {
            self.keep(change);
        }
    }

    #[cold]
    fn keep(&mut self, change: Change<'_>) {
        self.bytes.extend_from_slice(change.key);
        for arg in change.command {
            self.bytes.extend_from_slice(arg);
            self.lengths.push(arg.len() as u32);
        }
        self.heads.push(Head {
            db: change.db,
            class: change.class,
            event: change.event,
            key_len: change.key.len() as u32,
            args: change.command.len() as u32,
        });
    }

    /// Whether the group holds a change.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Shows the group's changes in order, and ends the group.
    pub fn drain(&mut self, mut each: impl FnMut(Change<'_>)) {
        let (mut at, mut arg) = (0, 0);
        let mut command = Vec::new();
        for head in &self.heads {
            let key = &self.bytes[at..at + head.key_len as usize];
            at += head.key_len as usize;
            command.clear();
            for &len in &self.lengths[arg..arg + head.args as usize] {
                command.push(&self.bytes[at..at + len as usize]);
                at += len as usize;
            }
            arg += head.args as usize;
            each(Change {
                db: head.db,
                class: head.class,
                event: head.event,
                key,
                command: &command,
            });
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.lengths.clear();
        self.heads.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_as_they_were_pushed_and_only_once() {
        let mut changes = Changes::default();
        let change = Change {
            db: 3,
            class: Class::String,
            event: "set",
            key: b"k",
            command: &[b"SET", b"k", b"", b"\r\n"],
        };
        let flush = Change {
            db: 0,
            class: Class::Generic,
            event: "flushdb",
            key: b"",
            command: &[],
        };
        changes.push(change);
        assert!(changes.is_empty(), "nobody listens");
        changes.listen(true);
        changes.push(change);
        changes.push(flush);
        let mut seen = 0;
        changes.drain(|got| {
            assert_eq!(got, [change, flush][seen]);
            seen += 1;
        });
        assert_eq!((seen, changes.count(), changes.is_empty()), (2, 3, true));
    }
}
