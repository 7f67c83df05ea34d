//! Redis's way to write values: what DUMP gives, RESTORE takes, and RDB files consist of.
//!
//! ```text
//!   DUMP payload   type value                       | version checksum
//!   RDB file       REDIS0010 { [expiry] type key value }* EOF checksum
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `encode.rs`, `decode.rs` | one value of any type, and back |
//! | `stream.rs`, `module.rs` | the same for streams, and for the types that are modules in Redis |
//! | `sink.rs`, `source.rs` | lengths, strings and numbers; where bytes go and come from |
//! | `listpack.rs`, `ziplist.rs`, `zipmap.rs`, `intset.rs` | the sequences that Redis writes as one string |
//! | `lzf.rs` | the compression of strings |
//! | `payload.rs` | the checksummed footer of DUMP payloads |
//! | `reader.rs`, `writer.rs` | the records of files |
//! | `file.rs` | whole keyspaces from and to files |
//!
//! What is read may be anybody's: lengths are compared with what there is, nothing is allocated for a promise, and a value
//! is made by the same operations that commands use, so that it is whole or an [`RdbError`]. Here nothing is known of
//! sockets, commands or the clock.

mod decode;
mod encode;
mod error;
mod file;
mod intset;
mod listpack;
pub mod lzf;
mod module;
pub mod payload;
mod reader;
mod sink;
mod source;
mod stream;
mod writer;
mod ziplist;
mod zipmap;

pub use decode::{decode, decode_whole};
pub use encode::encode;
pub use error::RdbError;
pub use file::{Loaded, Loader, SavedCounts, save};
pub use reader::{FileError, Item, KeyItem, Problem, Reader, VERSIONS};
pub use sink::Sink;
pub use source::{Slice, Source};
pub use writer::Writer;

/// The newest version of the format that is read: that of Redis 7.4.
pub const VERSION_MAX: u16 = 12;

/// The versions of the format that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// What Redis 7.0 and all later ones read.
    #[default]
    V10,
    /// What Redis 7.2 and all later ones read: it also keeps when a consumer was last active, and that a set is a listpack.
    V11,
}

impl Version {
    /// The version's number.
    pub fn number(self) -> u16 {
        match self {
            Version::V10 => 10,
            Version::V11 => 11,
        }
    }
}

/// The first byte of a value: how the rest is to be read.
mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    /// Scores as text.
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    /// Scores in binary.
    pub const ZSET_2: u8 = 5;
    pub const MODULE_2: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    /// Of ziplists.
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM_LISTPACKS: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    /// Of listpacks and plain strings.
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// With the first and the largest deleted id, and how many entries were added and read.
    pub const STREAM_LISTPACKS_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    /// With the time at which a consumer was last active.
    pub const STREAM_LISTPACKS_3: u8 = 21;
    /// Hashes with fields that expire, in the four forms of Redis 7.4 and its release candidates.
    pub const HASH_WITH_FIELD_EXPIRY: std::ops::RangeInclusive<u8> = 22..=25;
}

/// What a record of a file begins with, unless it is a key without anything before its type.
mod opcode {
    /// How many keys are in a slot of a cluster.
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION: u8 = 245;
    /// What a module keeps beside the keys.
    pub const MODULE_AUX: u8 = 247;
    /// For how many seconds the key has not been used.
    pub const IDLE: u8 = 248;
    /// How often the key is used.
    pub const FREQUENCY: u8 = 249;
    pub const AUX: u8 = 250;
    pub const SIZES: u8 = 251;
    pub const EXPIRY_MS: u8 = 252;
    pub const EXPIRY_S: u8 = 253;
    pub const SELECT_DB: u8 = 254;
    pub const END: u8 = 255;
}

/// How the nodes of [`kind::LIST_QUICKLIST_2`] begin.
mod node {
    /// The one element of the node.
    pub const PLAIN: u64 = 1;
    /// A listpack.
    pub const PACKED: u64 = 2;
}

/// How lengths are written, and strings that are not plain bytes.
mod form {
    /// The length in six bits of its first byte.
    pub const LEN_6: u8 = 0b00;
    /// In these and the next byte.
    pub const LEN_14: u8 = 0b01;
    /// The first byte of a length of 32 bits.
    pub const LEN_32: u8 = 0x80;
    /// The first byte of a length of 64 bits.
    pub const LEN_64: u8 = 0x81;
    /// No length: six bits say how the string is written.
    pub const SPECIAL: u8 = 0b11;
    pub const INT_8: u8 = 0;
    pub const INT_16: u8 = 1;
    pub const INT_32: u8 = 2;
    pub const LZF: u8 = 3;
}

#[cfg(test)]
mod tests;
