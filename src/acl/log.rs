//! What was refused lately: ACL LOG.

use std::collections::VecDeque;

/// Entries that are as good as the same when they come within this time of each other.
const SAME_WITHIN_MS: i64 = 60_000;
/// How many of the latest entries are looked through for one that is as good as the same.
const LOOKED_THROUGH: usize = 10;

/// Where the refused request stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// By itself.
    TopLevel,
    /// In a transaction.
    Multi,
    /// In a script.
    Lua,
}

impl Context {
    /// As ACL LOG names it.
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How often.
    pub count: u64,
    /// `command`, `key`, `channel` or `auth`.
    pub reason: &'static str,
    /// Where.
    pub context: Context,
    /// The command, key or channel.
    pub object: Vec<u8>,
    /// Who.
    pub user: Vec<u8>,
    /// The line that describes the client.
    pub client: String,
    /// Its number.
    pub id: u64,
    /// Unix time in ms.
    pub created_ms: i64,
    /// Unix time in ms.
    pub updated_ms: i64,
}

/// The latest entries, newest first, and how many there were of each kind.
#[derive(Debug)]
pub struct Log {
    entries: VecDeque<Entry>,
    /// How many are kept.
    pub entries_max: usize,
    next_id: u64,
    /// Refused commands, keys, channels and passwords since the start.
    pub counts: [(&'static str, u64); 4],
}

impl Default for Log {
    fn default() -> Self {
        Log {
            entries: VecDeque::new(),
            entries_max: 128,
            next_id: 0,
            counts: ["auth", "command", "key", "channel"].map(|reason| (reason, 0)),
        }
    }
}

impl Log {
    /// Adds an entry, or counts it with one that is as good as the same. Its count, number and creation are set here.
    pub fn add(&mut self, mut new: Entry) {
        for (reason, count) in &mut self.counts {
            *count += u64::from(*reason == new.reason);
        }
        let same = self.entries.iter().take(LOOKED_THROUGH).position(|known| {
            known.reason == new.reason
                && known.context == new.context
                && (known.updated_ms - new.updated_ms).abs() <= SAME_WITHIN_MS
                && known.object == new.object
                && known.user == new.user
        });
        match same.and_then(|at| self.entries.remove(at)) {
            Some(known) => {
                new.count = known.count + 1;
                new.id = known.id;
                new.created_ms = known.created_ms;
            }
            None => {
                new.count = 1;
                new.id = self.next_id;
                new.created_ms = new.updated_ms;
                self.next_id += 1;
            }
        }
        self.entries.push_front(new);
        self.entries.truncate(self.entries_max);
    }

    /// The entries, newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}
