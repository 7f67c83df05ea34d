//! Bytes on their way: what came from a client and is not processed, what is for it and not sent.
//!
//! Both hold no memory when they are empty, so that an idle connection costs none. This module must not know protocols
//! or sockets.

use std::collections::VecDeque;
use std::sync::Arc;

/// Input that is not processed yet: the beginning of a request, or requests beyond the connection's share.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
}

impl Input {
    /// The unprocessed bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Number of unprocessed bytes.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Appends bytes that came in. O(bytes) amortised.
    pub fn extend(&mut self, more: &[u8]) {
        if self.start > 0 && self.bytes.len() + more.len() > self.bytes.capacity() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// Drops the first `count` unprocessed bytes; frees the memory when none are left.
    pub fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.is_empty() {
            *self = Input::default();
        }
    }

    /// Makes sure that `count` bytes fit without growing step by step: a request has said how long it will be.
    pub fn reserve(&mut self, count: usize) {
        if count > self.bytes.capacity() - self.start {
            self.bytes.drain(..self.start);
            self.start = 0;
            self.bytes
                .reserve_exact(count.saturating_sub(self.bytes.len()));
        }
    }

    /// Bytes of memory that it holds.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Output that is not sent yet.
///
/// Replies are appended to one buffer; a long value is not copied but shared, which splits the output in pieces.
#[derive(Debug, Default)]
pub struct Output {
    /// Finished pieces in front of `tail`; few outputs have any, and there may be many outputs.
    queue: Option<Box<Queue>>,
    tail: Vec<u8>,
    /// How much of the first piece (of `tail`, if there is none) has been sent.
    sent: usize,
}

/// Pieces, never none, and their bytes in all.
#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

#[derive(Debug)]
enum Piece {
    Owned(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Owned(bytes) => bytes,
            Piece::Shared(bytes) => bytes,
        }
    }
}

/// Values from this length on are shared instead of copied.
const SHARE_FROM_BYTES: usize = 64 * 1024;
/// A buffer that grew above this is given back, not kept for the next reply.
const KEEP_BYTES_MAX: usize = 256 * 1024;
/// A buffer up to this is cheap enough to keep many of.
const SMALL_BYTES_MAX: usize = 16 * 1024;

impl Output {
    /// Where replies are appended.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends a value that is kept elsewhere too, without copying it if it is long.
    pub fn push_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() < SHARE_FROM_BYTES {
            self.tail.extend_from_slice(bytes);
            return;
        }
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.queue(Piece::Owned(tail));
        }
        self.queue(Piece::Shared(Arc::clone(bytes)));
    }

    fn queue(&mut self, piece: Piece) {
        // What was sent of the tail was sent of this piece, if it is the first.
        let queue = self.queue.get_or_insert_default();
        queue.bytes += piece.bytes().len();
        queue.pieces.push_back(piece);
    }

    fn queued(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.bytes)
    }

    /// Number of bytes not sent.
    pub fn len(&self) -> usize {
        self.queued() + self.tail.len() - self.sent
    }

    /// Whether all is sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next bytes to send: as many as lie together. Empty when all is sent.
    pub fn next(&self) -> &[u8] {
        let first = self.queue.as_ref().and_then(|queue| queue.pieces.front());
        &first.map_or(&self.tail[..], Piece::bytes)[self.sent..]
    }

    /// A copy of all that is not sent.
    pub fn to_vec(&self) -> Vec<u8> {
        let pieces = self.queue.iter().flat_map(|queue| &queue.pieces);
        let pieces = pieces.map(Piece::bytes);
        let all: Vec<&[u8]> = pieces.chain([&self.tail[..]]).collect();
        all.concat().split_off(self.sent)
    }

    /// Says that `count` of the bytes that [`Output::next`] gave are sent. Empty memory is given back with
    /// [`Output::recycle`].
    pub fn advance(&mut self, count: usize) {
        self.sent += count;
        let Some(queue) = &mut self.queue else {
            if self.sent >= self.tail.len() {
                self.tail.clear();
                self.sent = 0;
            }
            return;
        };
        let first_bytes = queue.pieces.front().map_or(0, |piece| piece.bytes().len());
        if self.sent >= first_bytes {
            self.sent = 0;
            queue.bytes -= first_bytes;
            queue.pieces.pop_front();
            if queue.pieces.is_empty() {
                self.queue = None;
            }
        }
    }

    /// Takes all that is not sent, and appends it to `bytes`. The buffer is kept for the next, unless it is large.
    pub fn move_to(&mut self, bytes: &mut Vec<u8>) {
        while !self.is_empty() {
            let next = self.next();
            let count = next.len();
            bytes.extend_from_slice(next);
            self.advance(count);
        }
        if self.tail.capacity() > KEEP_BYTES_MAX {
            self.clear();
        }
    }

    /// Takes a buffer to append to, if it has none.
    pub fn supply(&mut self, spare: &mut Vec<Vec<u8>>) {
        if self.tail.capacity() == 0
            && let Some(buffer) = spare.pop()
        {
            self.tail = buffer;
        }
    }

    /// Gives its empty buffer to `spare` for the next connection, so that idle ones hold none. No more than 2 MiB are kept.
    pub fn recycle(&mut self, spare: &mut Vec<Vec<u8>>) {
        if self.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            let bytes = tail.capacity();
            let spare_max = if bytes <= SMALL_BYTES_MAX { 64 } else { 4 };
            if (1..=KEEP_BYTES_MAX).contains(&bytes) && spare.len() < spare_max {
                spare.push(tail);
            }
        }
    }

    /// Forgets what is not sent, and keeps the memory for what comes next.
    pub fn clear_kept(&mut self) {
        self.queue = None;
        self.sent = 0;
        self.tail.clear();
    }

    /// Forgets what is not sent, and frees it.
    pub fn clear(&mut self) {
        *self = Output::default();
    }

    /// Bytes of memory that it holds; shared values count, since they would go if it did not hold them.
    pub fn heap_bytes(&self) -> usize {
        self.queued() + self.tail.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_keeps_what_is_not_consumed_and_frees_when_empty() {
        let mut input = Input::default();
        input.extend(b"abc");
        input.consume(1);
        input.extend(b"de");
        assert_eq!(input.bytes(), b"bcde");
        input.consume(4);
        assert_eq!((input.bytes(), input.heap_bytes()), (&b""[..], 0));
    }

    #[test]
    fn output_gives_pieces_in_order_however_little_is_sent_at_a_time() {
        let long = Arc::new(vec![b'x'; SHARE_FROM_BYTES]);
        for step in [1, 7, 1000, usize::MAX] {
            let mut output = Output::default();
            let mut expected = Vec::new();
            for part in [&b"first "[..], b"second "] {
                output.tail().extend_from_slice(part);
                expected.extend_from_slice(part);
                output.push_shared(&long);
                expected.extend_from_slice(&long);
            }
            output.tail().extend_from_slice(b"end");
            expected.extend_from_slice(b"end");
            let mut sent = Vec::new();
            while !output.is_empty() {
                let next = output.next();
                let count = next.len().min(step);
                sent.extend_from_slice(&next[..count]);
                output.advance(count);
                assert_eq!(output.len(), expected.len() - sent.len());
            }
            assert!(sent == expected, "step {step}");
        }
    }

    #[test]
    fn a_value_shared_while_half_of_the_tail_is_sent_comes_after_it() {
        let long = Arc::new(vec![b'x'; SHARE_FROM_BYTES]);
        let mut output = Output::default();
        output.tail().extend_from_slice(b"0123456789");
        output.advance(4);
        output.push_shared(&long);
        assert_eq!(output.len(), 6 + long.len());
        assert_eq!(output.next(), b"456789");
        output.advance(6);
        assert_eq!(output.next().len(), long.len());
    }
}
