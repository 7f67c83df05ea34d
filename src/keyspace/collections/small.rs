//! Owned bytes that live in place while they are short. Most fields and members are: a table of
//! them then needs no allocation per entry, and a comparison touches no second cache line.

use std::fmt;

/// The longest bytes that need no allocation.
pub const INLINE_BYTES_MAX: usize = 22;

/// An immutable-length byte string of 24 bytes, of which up to 22 are content; longer ones are on
/// the heap.
#[derive(Clone)]
pub struct SmallBytes(Repr);

#[derive(Clone)]
enum Repr {
    Inline {
        len: u8,
        bytes: [u8; INLINE_BYTES_MAX],
    },
    Heap(Box<[u8]>),
}

impl SmallBytes {
    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> SmallBytes {
        SmallBytes::concat(&[bytes])
    }

    /// The parts, one after the other, copied once.
    pub fn concat(parts: &[&[u8]]) -> SmallBytes {
        let len = parts.iter().map(|part| part.len()).sum();
        if len > INLINE_BYTES_MAX {
            let mut heap = Vec::with_capacity(len);
            parts.iter().for_each(|part| heap.extend_from_slice(part));
            return SmallBytes(Repr::Heap(heap.into_boxed_slice()));
        }
        let mut bytes = [0; INLINE_BYTES_MAX];
        let mut at = 0;
        for part in parts {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        SmallBytes(Repr::Inline {
            len: len as u8,
            bytes,
        })
    }

    /// The content.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }

    /// The content, to be overwritten in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Repr::Inline { len, bytes } => &mut bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }

    /// What it holds outside of itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } => 0,
            Repr::Heap(bytes) => allocation_bytes(bytes.len()),
        }
    }
}

impl fmt::Debug for SmallBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

/// About what an allocator sets aside for `len` bytes: the next multiple of 16, as the size classes
/// of the common allocators have it for small sizes.
pub fn allocation_bytes(len: usize) -> usize {
    len.next_multiple_of(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_three_words() {
        assert_eq!(size_of::<SmallBytes>(), 24);
        assert_eq!(size_of::<Option<SmallBytes>>(), 24);
    }

    #[test]
    fn holds_any_length() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in [0, 1, 21, 22, 23, 24, 100, 256] {
            for cut in [0, len / 3, len] {
                let mut small = SmallBytes::concat(&[&bytes[..cut], &bytes[cut..len]]);
                assert_eq!(small.as_slice(), &bytes[..len]);
                assert_eq!(small.heap_bytes() > 0, len > INLINE_BYTES_MAX);
                small.as_mut_slice().fill(7);
                assert!(small.clone().as_slice().iter().all(|&byte| byte == 7));
            }
        }
    }
}
