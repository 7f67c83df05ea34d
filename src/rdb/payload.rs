//! The footer of a DUMP payload (and of FUNCTION DUMP's): the version of the format, and a checksum of all before it.
//!
//! ```text
//! | body ... | version, 2 bytes | CRC-64, 8 bytes |      both little-endian
//! ```

use std::fmt;

use crate::checksum::crc64;

use super::VERSION_MAX;

const FOOTER_BYTES: usize = 10;
const CHECKSUM_BYTES: usize = 8;

/// Why a payload was refused. Redis has one text for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// It is shorter than the footer.
    Truncated,
    /// It is of a version of the format that is not known.
    Version(u16),
    /// The checksum is another one.
    Checksum,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DUMP payload version or checksum are wrong")
    }
}

impl std::error::Error for PayloadError {}

/// Puts the footer behind a body. O(length).
pub fn seal(body: &mut Vec<u8>, version: u16) {
    body.extend_from_slice(&version.to_le_bytes());
    let checksum = crc64(0, body);
    body.extend_from_slice(&checksum.to_le_bytes());
}

/// Checks the footer and gives the body before it. O(length).
pub fn open(payload: &[u8]) -> Result<&[u8], PayloadError> {
    let body_len = payload
        .len()
        .checked_sub(FOOTER_BYTES)
        .ok_or(PayloadError::Truncated)?;
    let (summed, checksum) = payload.split_at(payload.len() - CHECKSUM_BYTES);
    let (body, version) = summed.split_at(body_len);
    let version = u16::from_le_bytes([version[0], version[1]]);
    if version > VERSION_MAX {
        return Err(PayloadError::Version(version));
    }
    if crc64(0, summed).to_le_bytes() != checksum {
        return Err(PayloadError::Checksum);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_body_opens_and_a_changed_one_does_not() {
        // SET d foo, DUMP d, on Redis 7.0.15.
        let payload = b"\x00\x03foo\x0a\x00\x73\x49\x39\xdb\x4d\xc1\xba\x97";
        assert_eq!(open(payload), Ok(&b"\x00\x03foo"[..]));
        let mut sealed = b"\x00\x03foo".to_vec();
        seal(&mut sealed, 10);
        assert_eq!(sealed, payload);
        for at in 0..payload.len() {
            for bit in 0..8 {
                let mut bad = payload.to_vec();
                bad[at] ^= 1 << bit;
                assert!(open(&bad).is_err(), "bit {bit} of byte {at}");
            }
        }
        for end in 0..payload.len() {
            assert!(open(&payload[..end]).is_err());
        }
        let mut newer = b"\x00\x03foo".to_vec();
        seal(&mut newer, 13);
        assert_eq!(open(&newer), Err(PayloadError::Version(13)));
    }
}
