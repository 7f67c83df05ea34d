//! What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER share: a count that says how elements are drawn.

use super::{Args, CommandError, Reply};
use crate::protocol::Cx;

/// How many elements are drawn, and how.
#[derive(Clone, Copy)]
pub(super) enum Draw {
    /// So many different ones, or all there are.
    Distinct(usize),
    /// So many, each from all of them.
    Repeated(usize),
}

impl Draw {
    /// Reads the count at `at`: a negative one lets elements repeat. More of those than a client can be sent are
    /// refused (Redis would fill its memory with them).
    pub fn parse(args: Args<'_>, at: usize, cx: &Cx<'_>) -> Result<Self, CommandError> {
        const ELEMENT_BYTES_MIN: usize = b"$0\r\n\r\n".len();
        let count = args.negatable_integer(at)?;
        let number = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count >= 0 {
            Ok(Draw::Distinct(number))
        } else if number <= cx.hub.limits.output_bytes_max / ELEMENT_BYTES_MIN {
            Ok(Draw::Repeated(number))
        } else {
            Err(CommandError::text("ERR value is out of range"))
        }
    }

    /// How many are asked for.
    pub fn count(self) -> usize {
        match self {
            Draw::Distinct(count) | Draw::Repeated(count) => count,
        }
    }

    /// How many elements come out of a collection of `len`, which is not empty.
    pub fn drawn_from(self, len: usize) -> usize {
        match self {
            Draw::Distinct(count) => count.min(len),
            Draw::Repeated(count) => count,
        }
    }
}

/// Has `draw` answer `count` elements, a slice at a time, and stops when the reply is longer than a
/// client may have to get (it is dropped then): a count of a few bytes must not fill the memory.
pub(super) fn draw_in_slices(
    mut count: usize,
    reply: &mut Reply<'_>,
    output_bytes_max: usize,
    mut draw: impl FnMut(usize, &mut Reply<'_>),
) {
    const SLICE: usize = 1000;
    while count > 0 && reply.out.len() <= output_bytes_max {
        let slice = count.min(SLICE);
        draw(slice, reply);
        count -= slice;
    }
}
