//! The arguments of a request: borrowed from the input, or kept for later.

use std::sync::Arc;

use super::parse::Span;
use super::{CommandError, CommandRef};

/// The arguments of a request, the command's name first.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// The arguments that lie in `bytes` where the spans say.
    pub(crate) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Args { bytes, spans }
    }

    /// How many there are, the name included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none, not even a name.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let (start, end) = *self.spans.get(index)?;
        Some(&self.bytes[start as usize..end as usize])
    }

    /// The argument at `index` as an integer.
    #[inline]
    pub fn integer(&self, index: usize) -> Result<i64, CommandError> {
        crate::number::parse_i64(&self[index]).ok_or(CommandError::NotInteger)
    }

    /// The same, but not the one integer whose negative is none.
    pub fn negatable_integer(&self, index: usize) -> Result<i64, CommandError> {
        match self.integer(index)? {
            i64::MIN => Err(CommandError::text(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            )),
            integer => Ok(integer),
        }
    }

    /// Whether the argument at `index` is this word, in any case.
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.get(index)
            .is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The arguments from `from` on.
    pub fn iter_from(&self, from: usize) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let Args { bytes, spans } = *self;
        spans
            .iter()
            .skip(from)
            .map(move |&(start, end)| &bytes[start as usize..end as usize])
    }
}

impl std::ops::Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        let (start, end) = self.spans[index];
        &self.bytes[start as usize..end as usize]
    }
}

/// A request that is run later: queued by MULTI, or blocked. A clone shares the arguments.
#[derive(Clone, Debug)]
pub struct KeptRequest {
    /// The command it names.
    pub command: CommandRef,
    bytes: Arc<[u8]>,
    spans: Arc<[Span]>,
}

impl KeptRequest {
    /// Copies the arguments, the command's name first.
    pub fn new<'a>(command: CommandRef, args: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut bytes = Vec::new();
        let mut spans = Vec::with_capacity(args.size_hint().0);
        for arg in args {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(arg);
            spans.push((start, bytes.len() as u32));
        }
        KeptRequest {
            command,
            bytes: bytes.into(),
            spans: spans.into(),
        }
    }

    /// The arguments, as they were kept.
    pub fn args(&self) -> Args<'_> {
        Args {
            bytes: &self.bytes,
            spans: &self.spans,
        }
    }
}
