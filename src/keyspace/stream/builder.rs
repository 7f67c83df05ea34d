//! Puts the entries of a stream together from what was saved of them, block by block: where the blocks end decides what
//! approximate trimming removes, and so must be as it was.
//!
//! This module must not know how it was saved.

use std::collections::BTreeMap;
use std::fmt;

use super::block::{Block, Size};
use super::id::StreamId;
use super::log::{ENTRY_BYTES_MAX, Log};

/// Why what was saved is no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// An id is not above the one before.
    IdTooSmall,
    /// The names and values of an entry have more than [`ENTRY_BYTES_MAX`] bytes.
    TooLarge,
    /// The last id, or the largest deleted one, is below an entry's.
    LastIdTooSmall,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BuildError::IdTooSmall => "the ids of a stream's entries do not go up",
            BuildError::TooLarge => "an entry of a stream is too large",
            BuildError::LastIdTooSmall => "a stream has entries above its last id",
        })
    }
}

impl std::error::Error for BuildError {}

/// A log that is being put together.
#[derive(Debug, Default)]
pub struct LogBuilder {
    blocks: BTreeMap<StreamId, Block>,
    open: Option<Block>,
    top_id: StreamId,
}

impl LogBuilder {
    /// Begins with no entries.
    pub fn new() -> Self {
        LogBuilder::default()
    }

    /// Says that the next entry is the first of a block.
    pub fn end_block(&mut self) {
        if let Some(mut block) = self.open.take()
            && block.live() > 0
        {
            block.close();
            self.blocks.insert(block.base(), block);
        }
    }

    /// Adds an entry, or the mark of one that was deleted.
    pub fn push<'f, F>(
        &mut self,
        id: StreamId,
        is_deleted: bool,
        fields: F,
    ) -> Result<(), BuildError>
    where
        F: Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
    {
        if id <= self.top_id {
            return Err(BuildError::IdTooSmall);
        }
        let size = Size::of(fields.clone());
        if size.bytes > ENTRY_BYTES_MAX {
            return Err(BuildError::TooLarge);
        }
        self.top_id = id;
        // Redis may be told to make larger ones than a block can be.
        if self.open.as_ref().is_some_and(|block| !block.can_grow()) {
            self.end_block();
        }
        let block = match &mut self.open {
            Some(block) => {
                block.push(id, size, fields);
                block
            }
            open => open.insert(Block::new(id, size, fields)),
        };
        if is_deleted {
            block.delete(block.len() - 1);
        }
        Ok(())
    }

    /// The log, complete.
    pub fn finish(
        mut self,
        last_id: StreamId,
        max_deleted_id: StreamId,
        entries_added: u64,
    ) -> Result<Log, BuildError> {
        self.end_block();
        let log = Log::from_blocks(self.blocks, last_id, max_deleted_id, entries_added);
        if last_id < max_deleted_id || log.top_id().is_some_and(|top| last_id < top) {
            return Err(BuildError::LastIdTooSmall);
        }
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Keep, NewId, Trim};
    use super::*;

    fn rebuilt(log: &Log) -> Log {
        let mut builder = LogBuilder::new();
        for block in log.iter_blocks() {
            for entry in block.entries() {
                builder
                    .push(entry.id, entry.is_deleted(), entry.fields())
                    .unwrap();
            }
            builder.end_block();
        }
        builder
            .finish(log.last_id(), log.max_deleted_id(), log.entries_added())
            .unwrap()
    }

    #[test]
    fn a_rebuilt_log_is_trimmed_like_the_first() {
        let mut log = Log::default();
        for n in 1..1000u64 {
            let text = n.to_string();
            let fields = [
                (&b"n"[..], text.as_bytes()),
                (if n % 7 == 0 { b"m" } else { b"l" }, b"x"),
            ];
            let id = NewId::Exact(StreamId::new(n / 3 + 1, n));
            log.append(id, 0, fields.into_iter()).unwrap();
            if n % 5 == 0 {
                log.delete(StreamId::new(n / 3 + 1, n));
            }
        }
        // The whole of a block in the middle, and the front of the first.
        for n in 300..420 {
            log.delete(StreamId::new(n / 3 + 1, n));
        }
        for n in 1..30 {
            log.delete(StreamId::new(n / 3 + 1, n));
        }
        let mut copy = rebuilt(&log);
        let shown = |log: &Log| -> Vec<String> {
            log.range(StreamId::MIN, StreamId::MAX)
                .map(|entry| format!("{} {:?}", entry.id, entry.fields().collect::<Vec<_>>()))
                .collect()
        };
        for keep in [600, 400, 111, 100, 3, 0] {
            assert_eq!(shown(&copy), shown(&log));
            assert_eq!(
                (copy.len(), copy.first_id(), copy.blocks()),
                (log.len(), log.first_id(), log.blocks())
            );
            let trim = Trim {
                keep: Keep::Last(keep),
                approximate: Some(0),
            };
            assert_eq!(copy.trim(trim), log.trim(trim), "{keep}");
        }
    }

    #[test]
    fn blocks_larger_than_ours_become_several() {
        let mut builder = LogBuilder::new();
        let value = vec![b'v'; 1000];
        for n in 1..=400 {
            let fields = [(&b"n"[..], &value[..])].into_iter();
            // Only the marks of deleted entries in what becomes a block of its own.
            let is_deleted = (100..300).contains(&n);
            builder
                .push(StreamId::new(n, 0), is_deleted, fields)
                .unwrap();
        }
        let log = builder
            .finish(StreamId::new(400, 0), StreamId::MIN, 400)
            .unwrap();
        assert!(log.blocks() > 2 && log.iter_blocks().all(|block| block.live() > 0));
        assert_eq!(log.len(), 200);
        assert_eq!(log.range(StreamId::MIN, StreamId::MAX).count(), 200);
    }

    #[test]
    fn ids_out_of_order_are_refused() {
        let one = || [(&b"a"[..], &b"b"[..])].into_iter();
        let mut builder = LogBuilder::new();
        assert_eq!(
            builder.push(StreamId::MIN, false, one()),
            Err(BuildError::IdTooSmall)
        );
        builder.push(StreamId::new(5, 0), false, one()).unwrap();
        builder.end_block();
        let again = builder.push(StreamId::new(5, 0), false, one());
        assert_eq!(again, Err(BuildError::IdTooSmall));
        let too_low = builder.finish(StreamId::new(4, 9), StreamId::MIN, 1);
        assert_eq!(too_low.err(), Some(BuildError::LastIdTooSmall));
    }
}
