//! Why bytes are not a value, or not one that can be kept.

use std::fmt;
use std::io::ErrorKind;

use super::lzf::LzfError;
use crate::keyspace::stream::BuildError;

/// Why something was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RdbError {
    /// The input ends too soon.
    Truncated,
    /// The input could not be read.
    Read(ErrorKind),
    /// The bytes are not what Redis writes.
    Corrupt(&'static str),
    /// A compressed string is not.
    Compression(LzfError),
    /// The entries of a stream are none.
    Stream(BuildError),
    /// A string is longer than it may be.
    StringTooLong {
        /// Its length in bytes.
        len: u64,
        /// The most there may be.
        max: u64,
    },
    /// There is no such type of value (or of record in a file).
    UnknownType(u8),
    /// The value is of a module that pentad has nothing like.
    UnknownModule {
        /// The name of its type.
        name: String,
        /// The version in which the module wrote it.
        version: u16,
    },
    /// A hash has fields that expire by themselves: pentad has no such fields.
    FieldExpiry,
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RdbError::Truncated => f.write_str("it ends too soon"),
            RdbError::Read(kind) => write!(f, "it cannot be read: {kind}"),
            RdbError::Corrupt(what) => f.write_str(what),
            RdbError::Compression(error) => error.fmt(f),
            RdbError::Stream(error) => error.fmt(f),
            RdbError::StringTooLong { len, max } => {
                write!(f, "a string of {len} bytes is longer than {max}")
            }
            RdbError::UnknownType(kind) => write!(f, "there is no type {kind}"),
            RdbError::UnknownModule { name, version } => {
                write!(f, "a value of the module type {name}, version {version}")
            }
            RdbError::FieldExpiry => f.write_str("a hash has fields that expire"),
        }
    }
}

impl std::error::Error for RdbError {}

impl From<BuildError> for RdbError {
    fn from(error: BuildError) -> Self {
        RdbError::Stream(error)
    }
}

impl From<LzfError> for RdbError {
    fn from(error: LzfError) -> Self {
        RdbError::Compression(error)
    }
}
