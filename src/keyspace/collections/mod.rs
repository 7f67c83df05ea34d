//! The four collection types of the keyspace and what they are built from.
//!
//! ```text
//!   List          Hash        Set          ZSet          what a key holds
//!    |             |         / |          /    \
//!    |             |  IntSet   |         /      CountedTree    order and rank
//!    |             +-----------+--------+
//!    |             |           |
//!    +-- Compact --+     Dict<Entry>                     small form | large form
//!                            |
//!                         Segments                        arrays that grow without a copy
//! ```
//!
//! A collection starts as one contiguous blob and upgrades when it passes a limit of [`Settings`]. Nothing
//! here knows a key, a protocol, a clock, or a source of randomness of its own: settings (with the hash key)
//! and generators are handed in.

pub mod compact;
pub mod dict;
pub mod hash;
pub mod hasher;
pub mod intset;
pub mod list;
pub mod segments;
pub mod set;
pub mod set_algebra;
pub mod settings;
pub mod small;
pub mod tree;
pub mod zset;

pub use compact::Entry;
pub use hash::Hash;
pub use hasher::KeyedState;
pub use list::List;
pub use set::Set;
pub use settings::Settings;
pub use zset::ZSet;
