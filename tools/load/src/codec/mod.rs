//! Reading replies: one incremental reader per protocol. A reader sees the bytes from the start of the oldest
//! unread reply and says *more*, *bad*, or *one reply of this length*. It knows no requests and no sockets.

mod counter;
mod lab;
mod metrics;
mod resp;
mod speicher;
#[cfg(test)]
mod transcripts;

use crate::target::Protocol;

/// One reply, borrowed from the input.
#[derive(Debug, PartialEq)]
pub enum Reply<'a> {
    /// Done, and nothing more to say.
    Ok,
    /// The bytes asked for.
    Value(&'a [u8]),
    /// There is no such key.
    Missing,
    /// A number.
    Int(i64),
    /// The target refused or failed; its words.
    Error(&'a [u8]),
    /// The rows of a series, each ending in `\n`.
    Rows(&'a [u8]),
    /// Anything else that is well-formed.
    Other(&'a [u8]),
}

/// Bytes that are no reply in this protocol.
#[derive(Debug, PartialEq)]
pub struct Bad(pub &'static str);

/// What a reader found: the reply and the number of bytes it took, or `None` when more bytes are needed.
pub type Found<'a> = Result<Option<(usize, Reply<'a>)>, Bad>;

/// A reply longer than this is not waited for.
pub const REPLY_LEN_MAX: usize = 512 << 20;

/// The reader of one connection.
#[derive(Debug)]
pub enum Reader {
    Resp(resp::RespReader),
    Metrics(metrics::MetricsReader),
    Counter,
    Lab(lab::LabReader),
    Speicher(speicher::SpeicherReader),
}

impl Reader {
    /// A reader at the start of a connection.
    pub fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Resp => Reader::Resp(resp::RespReader::default()),
            Protocol::Metrics => Reader::Metrics(metrics::MetricsReader::default()),
            Protocol::Counter => Reader::Counter,
            Protocol::Lab(framing) => Reader::Lab(lab::LabReader::new(framing)),
            Protocol::Speicher => Reader::Speicher(speicher::SpeicherReader::default()),
        }
    }

    /// The next reply at the start of `input`. `expected_len` is the length of the value asked for: the only
    /// way to know where a bare reply ends. After *more*, call again with the same bytes and some after them.
    #[inline]
    pub fn next<'a>(&'a mut self, input: &'a [u8], expected_len: usize) -> Found<'a> {
        match self {
            Reader::Resp(reader) => reader.next(input),
            Reader::Metrics(reader) => reader.next(input),
            Reader::Counter => counter::next(input),
            Reader::Lab(reader) => reader.next(input, expected_len),
            Reader::Speicher(reader) => reader.next(input),
        }
    }
}

/// Feeds `bytes` cut at every place and, second, one byte at a time: the replies must not depend on it.
#[cfg(test)]
pub fn split_everywhere(protocol: Protocol, bytes: &[u8], expected_len: usize) -> Vec<String> {
    let read = |cuts: &[usize]| {
        let mut reader = Reader::new(protocol);
        let (mut start, mut replies) = (0, Vec::new());
        for &end in cuts {
            loop {
                if start == end {
                    break;
                }
                match reader.next(&bytes[start..end], expected_len) {
                    Ok(Some((used, reply))) => {
                        replies.push(format!("{reply:?}"));
                        start += used;
                    }
                    Ok(None) => break,
                    Err(bad) => {
                        replies.push(format!("{bad:?}"));
                        return replies;
                    }
                }
            }
        }
        replies
    };
    let whole = read(&[bytes.len()]);
    for cut in 0..=bytes.len() {
        assert_eq!(read(&[cut, bytes.len()]), whole, "cut at {cut}");
    }
    assert_eq!(
        read(&(0..=bytes.len()).collect::<Vec<_>>()),
        whole,
        "byte by byte"
    );
    whole
}
