//! What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER share: a count that says how elements are drawn.

use super::{Args, CommandError, Reply};

/// How many elements are drawn, and how.
#[derive(Clone, Copy)]
pub(super) enum Draw {
    /// So many different ones, or all there are.
    Distinct(usize),
    /// So many, each from all of them.
    Repeated(usize),
}

impl Draw {
    /// Reads the count at `at`: a negative one lets elements repeat.
    pub fn parse(args: Args<'_>, at: usize) -> Result<Self, CommandError> {
        let count = args.negatable_integer(at)?;
        let number = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        Ok(if count < 0 {
            Draw::Repeated(number)
        } else {
            Draw::Distinct(number)
        })
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
