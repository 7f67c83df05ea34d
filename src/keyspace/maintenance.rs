//! Work that is done a little every turn, so that no turn is long: active expiry, sweeping flushed databases, freeing.
//!
//! This module must not decide *when* it is called; it is given a budget and says whether work is left.

use std::collections::VecDeque;

use super::table::Table;
use super::{Keyspace, Value};

/// Values above this size are freed over several turns.
const BIG_VALUE_BYTES: usize = 64 * 1024;
/// Elements of a big value, or values of a flushed table, that are freed in one step.
const FREE_STEP: usize = 256;
/// Segments of which one step of active expiry looks when they need it, and slots of one that it goes through.
const EXPIRY_SEGMENTS: usize = 64;
const EXPIRY_SLOTS: usize = 128;
/// Segments of which one step removes the records of flushed databases.
const SWEEP_SEGMENTS: usize = 2;
/// Records that are moved in one step, out of memory that is mostly unused.
const TIDY_RECORDS: usize = 64;

/// What has left the keyspace and is not freed yet.
#[derive(Debug, Default)]
pub struct Garbage {
    tables: Vec<Table>,
    values: VecDeque<Value>,
    sweep_at: usize,
    expire_at: usize,
    /// Slots of that segment that active expiry has not gone through; 0: all of them.
    expire_slots: usize,
}

impl Garbage {
    /// Takes a value to be freed: at once when it is small, at leisure when it is big.
    pub fn throw(&mut self, value: Value) {
        if value.heap_bytes() > BIG_VALUE_BYTES {
            self.values.push_back(value);
        }
    }

    /// Takes a whole table.
    pub fn throw_table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Frees a step's worth; true when something is left.
    fn free_some(&mut self) -> bool {
        if let Some(value) = self.values.front_mut() {
            if value.drop_some(FREE_STEP) {
                self.values.pop_front();
            }
        } else if let Some(mut table) = self.tables.pop() {
            let values = &mut self.values;
            let left = table.drop_some(|value| {
                if value.heap_bytes() > BIG_VALUE_BYTES {
                    values.push_back(value);
                }
            });
            if left {
                self.tables.push(table);
            }
        }
        !self.values.is_empty() || !self.tables.is_empty()
    }
}

impl Keyspace {
    /// Whether [`Keyspace::maintain`] may find something to do now or later.
    pub fn needs_maintenance(&self) -> bool {
        !self.garbage.values.is_empty()
            || !self.garbage.tables.is_empty()
            || self.databases.has_retired()
            || self.databases.any_expires()
            || self.table.is_untidy()
    }

    /// Frees a step's worth of what has left the keyspace; false when there was nothing to be freed.
    pub fn free_garbage(&mut self) -> bool {
        let had_some = !self.garbage.values.is_empty() || !self.garbage.tables.is_empty();
        self.garbage.free_some();
        had_some
    }

    /// Does one bounded step of what is due (well below 100 us); true when another would find work too.
    pub fn maintain(&mut self) -> bool {
        let garbage = self.garbage.free_some();
        let sweep = self.databases.has_retired() && self.sweep_some();
        let expiry = self.expire_some();
        let tidy = self.table.tidy(TIDY_RECORDS);
        garbage || sweep || expiry || tidy
    }

    /// Removes keys whose time has come from a part of a segment; true when there may be more of them.
    fn expire_some(&mut self) -> bool {
        let due_at = |table: &Table, index| table.next_expiry_ms(index) <= self.expired_by_ms;
        let segments = self.table.segments();
        let first = self.garbage.expire_at;
        let candidates = (first..first + EXPIRY_SEGMENTS.min(segments)).map(|at| at % segments);
        let Some(index) = candidates.clone().find(|index| due_at(&self.table, *index)) else {
            self.garbage.expire_at = first + EXPIRY_SEGMENTS;
            self.garbage.expire_slots = 0;
            return false;
        };
        // From the last slots to the first: what a removal moves, it moves to where this has not been yet.
        let slots = self.table.slots(index);
        let end = match self.garbage.expire_slots {
            left if index == first % segments && left > 0 => left.min(slots),
            _ => slots,
        };
        let start = end.saturating_sub(EXPIRY_SLOTS);
        let mut due = Vec::new();
        self.table.visit_slots(index, start..end, |record| {
            if record.expires_ms.is_some_and(|ms| ms <= self.expired_by_ms) {
                due.push((record.space, record.key.to_vec()));
            }
        });
        for (space, bytes) in &due {
            let key = self.table.key(*space, bytes);
            if self.databases.is_retired(*space) {
                // Nobody is told: for clients this key went with its database.
                if let Some(at) = self.table.find(&key) {
                    self.remove_at(&key, at);
                }
            } else {
                self.find(&key);
            }
        }
        (self.garbage.expire_at, self.garbage.expire_slots) = (index, start);
        if start == 0 {
            // Removals may have merged segments.
            if index < self.table.segments() {
                self.table.refresh_next_expiry(index);
            }
            self.garbage.expire_at = index + 1;
        }
        true
    }

    /// Removes the records of flushed databases from some segments; true while a round is not complete.
    fn sweep_some(&mut self) -> bool {
        for _ in 0..SWEEP_SEGMENTS {
            // The table may shrink meanwhile, which moves records to lower segments: go from the last to the first.
            let index = self.garbage.sweep_at.min(self.table.segments());
            let Some(index) = index.checked_sub(1) else {
                self.garbage.sweep_at = usize::MAX;
                self.databases.release_swept();
                return self.databases.has_retired();
            };
            self.garbage.sweep_at = index;
            let (databases, garbage) = (&mut self.databases, &mut self.garbage);
            let mut removed = Vec::new();
            self.table.retain_segment(
                index,
                |record| {
                    let retired = databases.is_retired(record.space);
                    if retired {
                        removed.push((record.space, record.expires_ms.is_some()));
                    }
                    !retired
                },
                |value| garbage.throw(value),
            );
            for (space, expires) in removed {
                databases.removed(space, expires);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
