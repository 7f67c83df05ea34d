//! Copies of a whole keyspace, to go back to: between the cases of a test.
//!
//! A copy is made segment by segment, without looking at what lies in one: O(bytes of data), and a few microseconds for
//! a small keyspace.

use super::databases::Databases;
use super::series_ops::SeriesIndex;
use super::table::Table;
use super::{Keyspace, Rng};

/// All that a keyspace held at some moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    table: Table,
    databases: Databases,
    series: SeriesIndex,
    rng: Rng,
}

impl Keyspace {
    /// A copy of all keys, values and expiries, and of the random generator's state.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            table: self.table.clone(),
            databases: self.databases.clone(),
            series: self.series.clone(),
            rng: self.rng.clone(),
        }
    }

    /// Goes back to what the snapshot holds; false, and nothing done, when it is of a keyspace with another seed or
    /// another number of databases. Tells no change: the caller does.
    pub fn go_back(&mut self, snapshot: &Snapshot) -> bool {
        let fits = self.table.is_akin(&snapshot.table)
            && self.databases.count() == snapshot.databases.count();
        if fits {
            let old = std::mem::replace(&mut self.table, snapshot.table.clone());
            self.garbage.throw_table(old);
            self.databases = snapshot.databases.clone();
            self.series = snapshot.series.clone();
            self.rng = snapshot.rng.clone();
        }
        fits
    }
}
