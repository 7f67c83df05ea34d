//! How records lie in a file: each with its length and a checksum.
//!
//! ```text
//! file    magic "PENTADJ1" or "PENTADS1" · u64 · u64 · CRC-32C of all that, u32        (little endian)
//!         the first number is that of the first group behind it; the second, of a journal, that of the first group which
//!         need not be on the disk, and of a snapshot, how many records it is going to have
//! frame   CRC-32C of what follows, u32 · length of the payload (varint) · payload
//! ```
//!
//! This module must not know what is in a payload.

use crc32c::{crc32c, crc32c_append};

use crate::varint::{Reader, push_u64};

/// What a journal's segments begin with; the last byte is the version.
pub const JOURNAL_MAGIC: &[u8; 8] = b"PENTADJ1";
/// What snapshots begin with.
pub const SNAPSHOT_MAGIC: &[u8; 8] = b"PENTADS1";
/// Bytes before the first frame.
pub const HEADER_BYTES: usize = 28;
/// A frame's checksum.
const CRC_BYTES: usize = 4;

/// A file's header: what it is, and two numbers.
pub fn header(magic: &[u8; 8], numbers: [u64; 2]) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(magic);
    bytes[8..16].copy_from_slice(&numbers[0].to_le_bytes());
    bytes[16..24].copy_from_slice(&numbers[1].to_le_bytes());
    let crc = crc32c(&bytes[..24]);
    bytes[24..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What a file begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// What it should, with these numbers.
    Good([u64; 2]),
    /// The same in another version.
    Version(String),
    /// Something else.
    Bad,
}

/// Reads a file's header.
pub fn read_header(magic: &[u8; 8], bytes: &[u8]) -> Header {
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Header::Bad;
    };
    if head[..7] == magic[..7] && head[7] != magic[7] && head[7].is_ascii_digit() {
        return Header::Version(char::from(head[7]).to_string());
    }
    let number = |at: usize| {
        head[at..]
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    if *head == header(magic, [number(8), number(16)]) {
        Header::Good([number(8), number(16)])
    } else {
        Header::Bad
    }
}

/// Appends a frame whose payload is `parts`, one after the other.
pub fn push_frame(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let start = out.len();
    out.extend_from_slice(&[0; CRC_BYTES]);
    push_u64(out, parts.iter().map(|part| part.len() as u64).sum());
    let mut crc = crc32c(&out[start + CRC_BYTES..]);
    for part in parts {
        crc = crc32c_append(crc, part);
        out.extend_from_slice(part);
    }
    out[start..start + CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A frame of so many bytes, with this payload.
    Whole(&'a [u8], usize),
    /// The beginning of one that needs this many bytes at least, if it is one.
    Short(usize),
    /// No frame.
    Bad,
}

/// Looks for a frame at the beginning of `bytes`.
pub fn read_frame(bytes: &[u8]) -> Frame<'_> {
    let Some((crc, rest)) = bytes.split_first_chunk::<CRC_BYTES>() else {
        return Frame::Short(CRC_BYTES + 1);
    };
    let mut reader = Reader::new(rest);
    let Ok(len) = reader.usize() else {
        return if rest.len() < 10 {
            Frame::Short(bytes.len() + 1)
        } else {
            Frame::Bad
        };
    };
    // There is always something in a frame, so that zeros are none.
    if len == 0 {
        return Frame::Bad;
    }
    let head = rest.len() - reader.rest().len();
    let Ok(payload) = reader.take(len) else {
        return Frame::Short((CRC_BYTES + head).saturating_add(len));
    };
    if u32::from_le_bytes(*crc) == crc32c(&rest[..head + len]) {
        Frame::Whole(payload, CRC_BYTES + head + len)
    } else {
        Frame::Bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_and_any_flipped_bit_or_cut_shows() {
        let mut bytes = Vec::new();
        push_frame(&mut bytes, &[b"pay", b"load"]);
        assert_eq!(read_frame(&bytes), Frame::Whole(b"payload", bytes.len()));
        for cut in 0..bytes.len() {
            assert!(
                matches!(read_frame(&bytes[..cut]), Frame::Short(_)),
                "{cut}"
            );
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(read_frame(&flipped), Frame::Whole(..)), "{bit}");
        }
        assert_eq!(read_frame(&[0; 64]), Frame::Bad);
    }

    #[test]
    fn a_header_tells_other_versions_from_other_things() {
        let good = header(JOURNAL_MAGIC, [7, 9]);
        assert_eq!(read_header(JOURNAL_MAGIC, &good), Header::Good([7, 9]));
        assert_eq!(read_header(SNAPSHOT_MAGIC, &good), Header::Bad);
        let mut other = good;
        other[7] = b'2';
        assert_eq!(
            read_header(JOURNAL_MAGIC, &other),
            Header::Version("2".to_owned())
        );
        other = good;
        other[20] ^= 1;
        assert_eq!(read_header(JOURNAL_MAGIC, &other), Header::Bad);
    }
}
