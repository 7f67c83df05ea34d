//! Why a command was refused, and how Redis says so.

use std::borrow::Cow;
use std::fmt;

use crate::keyspace::hyperloglog::HllError;
use crate::keyspace::{HllOpError, IncrError, StringError, WrongType};

/// A command's error. Its text is Redis's, code in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The key holds another type than the command is for.
    WrongType,
    /// An argument should be an integer of 64 bits.
    NotInteger,
    /// An argument should be a number.
    NotFloat,
    /// The options make no sense.
    Syntax,
    /// A command has too few or too many arguments; its full name.
    Arity(Cow<'static, str>),
    /// Anything else; the text with its code.
    Other(Cow<'static, str>),
}

impl CommandError {
    /// An error with this text behind the code `ERR`.
    pub fn err(text: impl fmt::Display) -> Self {
        CommandError::Other(Cow::Owned(format!("ERR {text}")))
    }

    /// A subcommand got more than it takes, in the words of the commands that check this themselves.
    pub(crate) fn subcommand_arguments(container: &str, name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name);
        CommandError::err(format_args!(
            "unknown subcommand or wrong number of arguments for '{name}'. Try {container} HELP."
        ))
    }

    /// An error with this text, code included.
    pub const fn text(text: &'static str) -> Self {
        CommandError::Other(Cow::Borrowed(text))
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::WrongType => {
                f.write_str("WRONGTYPE Operation against a key holding the wrong kind of value")
            }
            CommandError::NotInteger => f.write_str("ERR value is not an integer or out of range"),
            CommandError::NotFloat => f.write_str("ERR value is not a valid float"),
            CommandError::Syntax => f.write_str("ERR syntax error"),
            CommandError::Arity(name) => {
                write!(f, "ERR wrong number of arguments for '{name}' command")
            }
            CommandError::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<WrongType> for CommandError {
    fn from(_: WrongType) -> Self {
        CommandError::WrongType
    }
}

impl From<StringError> for CommandError {
    fn from(error: StringError) -> Self {
        match error {
            StringError::WrongType(_) => CommandError::WrongType,
            StringError::TooLong => {
                CommandError::text("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
            }
        }
    }
}

impl From<crate::accounting::NoMemory> for CommandError {
    fn from(_: crate::accounting::NoMemory) -> Self {
        CommandError::text("OOM the system has no memory for a value of this size")
    }
}

impl From<HllOpError> for CommandError {
    fn from(error: HllOpError) -> Self {
        match error {
            HllOpError::WrongType(_) => CommandError::WrongType,
            HllOpError::Hll(error) => {
                let code = match error {
                    HllError::NotHyperLogLog => "WRONGTYPE",
                    HllError::Corrupted => "INVALIDOBJ",
                };
                CommandError::Other(Cow::Owned(format!("{code} {error}")))
            }
        }
    }
}

impl From<IncrError> for CommandError {
    fn from(error: IncrError) -> Self {
        match error {
            IncrError::WrongType(_) => CommandError::WrongType,
            IncrError::NotANumber => CommandError::NotInteger,
            IncrError::Overflow => CommandError::text("ERR increment or decrement would overflow"),
            IncrError::NotFinite => {
                CommandError::text("ERR increment would produce NaN or Infinity")
            }
        }
    }
}
