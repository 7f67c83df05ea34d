//! One mutation as a value: what journal, replicas, keyspace events, WATCH and blocked clients all hang on.
//!
//! Every write to the keyspace ends in one [`Change`] (or, for an operation on several keys, in one per key). It
//! carries the canonical RESP command that reproduces it, so `SPOP` is written as the `SREM` it turned out to be,
//! `EXPIRE` as `PEXPIREAT`, a metrics `put` as `TS.ADD`. The changes of one request are one group: all or nothing.
//!
//! This module must not know who listens, nor how a mutation was asked for.

/// The classes of keyspace events, as `notify-keyspace-events` spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `g`: commands on keys of any type.
    Generic,
    /// `$`: strings.
    String,
    /// `l`: lists.
    List,
    /// `s`: sets.
    Set,
    /// `h`: hashes.
    Hash,
    /// `z`: sorted sets.
    SortedSet,
    /// `t`: streams.
    Stream,
    /// `x`: a key expired.
    Expired,
    /// `e`: a key was evicted to make room.
    Evicted,
    /// `d`: types that are modules in Redis (series and JSON).
    Module,
}

impl Class {
    /// The letter that stands for it in `notify-keyspace-events`.
    pub fn letter(self) -> u8 {
        match self {
            Class::Generic => b'g',
            Class::String => b'$',
            Class::List => b'l',
            Class::Set => b's',
            Class::Hash => b'h',
            Class::SortedSet => b'z',
            Class::Stream => b't',
            Class::Expired => b'x',
            Class::Evicted => b'e',
            Class::Module => b'd',
        }
    }
}

/// What is different after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// One key of the change's database.
    Key(&'a [u8]),
    /// All of the change's database.
    Database,
    /// All databases.
    Everything,
    /// Something of one key that neither those who watch it nor those who cache it have to know, such as how far a group
    /// of readers has come in a stream. Those who wait for the key are told if there is an event.
    Beside(&'a [u8]),
    /// Nothing that another change of the group does not name: this one only carries a command.
    Nothing,
}

/// One mutation of one key (or of a whole database).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The database, as clients number it.
    pub db: u8,
    /// What is different now.
    pub target: Target<'a>,
    /// The class of its event.
    pub class: Class,
    /// The name of its event, as Redis publishes it, such as `set`; empty when there is none.
    pub event: &'static str,
    /// The command that does the same to a copy of the keyspace; empty when an earlier change of the group says it.
    pub command: &'a [&'a [u8]],
}

/// How much of a change is kept for those who listen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nobody listens: changes are only counted, so that a write costs an increment.
    #[default]
    Nothing,
    /// All but the commands.
    Keys,
    /// Everything.
    Commands,
}

/// Where the keyspace writes its changes, and a listener reads them group by group.
#[derive(Debug, Default)]
pub struct Changes {
    count: u64,
    detail: Detail,
    group: Group,
}

/// The changes of one request.
#[derive(Debug, Default)]
pub struct Group {
    bytes: Vec<u8>,
    lengths: Vec<u32>,
    heads: Vec<Head>,
}

#[derive(Debug)]
struct Head {
    db: u8,
    scope: Scope,
    class: Class,
    event: &'static str,
    key_len: u32,
    args: u32,
}

#[derive(Clone, Copy, Debug)]
enum Scope {
    Key,
    Beside,
    Database,
    Everything,
    Nothing,
}

impl Changes {
    /// Says how much of the changes to come is kept.
    pub fn listen(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// How many changes there were since the start.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether commands are kept: when not, a caller need not work them out.
    pub fn wants_commands(&self) -> bool {
        self.detail == Detail::Commands
    }

    /// Adds a change to the group.
    #[inline]
    pub fn push(&mut self, change: Change<'_>) {
        self.count += 1;
        if self.detail != Detail::Nothing {
            let command = if self.detail == Detail::Commands {
                change.command
            } else {
                &[]
            };
            self.group.keep(Change { command, ..change });
        }
    }

    /// Whether the group holds a change.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.group.heads.is_empty()
    }

    /// How many changes the group holds.
    pub fn len(&self) -> usize {
        self.group.heads.len()
    }

    /// Ends the group and takes it; `spare` is the memory for the next one.
    pub fn take(&mut self, spare: Group) -> Group {
        let group = std::mem::replace(&mut self.group, spare);
        self.group.clear();
        group
    }

    /// Sets the group aside that has begun, so that others can be made and taken meanwhile.
    #[cfg(feature = "lua")]
    pub(crate) fn set_aside(&mut self) -> Group {
        std::mem::take(&mut self.group)
    }

    /// Goes on with a group that was set aside.
    #[cfg(feature = "lua")]
    pub(crate) fn put_back(&mut self, group: Group) {
        self.group = group;
    }

    /// Shows the group's changes in order, and ends it.
    pub fn drain(&mut self, each: impl FnMut(Change<'_>)) {
        self.group.for_each(each);
        self.group.clear();
    }
}

impl Group {
    #[cold]
    fn keep(&mut self, change: Change<'_>) {
        let (scope, key) = match change.target {
            Target::Key(key) => (Scope::Key, key),
            Target::Beside(key) => (Scope::Beside, key),
            Target::Database => (Scope::Database, &b""[..]),
            Target::Everything => (Scope::Everything, &b""[..]),
            Target::Nothing => (Scope::Nothing, &b""[..]),
        };
        self.bytes.extend_from_slice(key);
        for arg in change.command {
            self.bytes.extend_from_slice(arg);
            self.lengths.push(arg.len() as u32);
        }
        self.heads.push(Head {
            db: change.db,
            scope,
            class: change.class,
            event: change.event,
            key_len: key.len() as u32,
            args: change.command.len() as u32,
        });
    }

    /// Shows the changes in order.
    pub fn for_each(&self, mut each: impl FnMut(Change<'_>)) {
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
            let target = match head.scope {
                Scope::Key => Target::Key(key),
                Scope::Beside => Target::Beside(key),
                Scope::Database => Target::Database,
                Scope::Everything => Target::Everything,
                Scope::Nothing => Target::Nothing,
            };
            each(Change {
                db: head.db,
                target,
                class: head.class,
                event: head.event,
                command: &command,
            });
        }
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
            target: Target::Key(b"k"),
            class: Class::String,
            event: "set",
            command: &[b"SET", b"k", b"", b"\r\n"],
        };
        let beside = Change {
            target: Target::Beside(b"other"),
            event: "",
            ..change
        };
        let flush = Change {
            db: 0,
            target: Target::Database,
            class: Class::Generic,
            event: "",
            command: &[b"FLUSHDB"],
        };
        changes.push(change);
        assert!(changes.is_empty(), "nobody listens");
        changes.listen(Detail::Commands);
        for change in [change, beside, flush] {
            changes.push(change);
        }
        let mut seen = 0;
        changes.drain(|got| {
            assert_eq!(got, [change, beside, flush][seen]);
            seen += 1;
        });
        assert_eq!((seen, changes.count(), changes.is_empty()), (3, 4, true));
    }

    #[test]
    fn who_wants_keys_only_gets_no_commands() {
        let mut changes = Changes::default();
        changes.listen(Detail::Keys);
        let change = Change {
            db: 0,
            target: Target::Key(b"k"),
            class: Class::List,
            event: "lpush",
            command: &[b"LPUSH"],
        };
        changes.push(change);
        changes.drain(|got| {
            assert_eq!(
                got,
                Change {
                    command: &[],
                    ..change
                }
            )
        });
    }
}
