//! The sorted array of integers that a small set of them is.
//!
//! ```text
//! | bytes of an integer, 4 | integers, 4 | integer | integer | ...      all little-endian
//! ```

use super::RdbError;

const HEADER_BYTES: usize = 8;

/// The integers, checked to be ascending.
pub fn read_intset(bytes: &[u8]) -> Result<impl Iterator<Item = i64> + Clone, RdbError> {
    let (header, content) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(RdbError::Corrupt("an intset is shorter than its header"))?;
    let [a, b, c, d, e, f, g, h] = *header;
    let width = match u32::from_le_bytes([a, b, c, d]) {
        width @ (2 | 4 | 8) => width as usize,
        _ => return Err(RdbError::Corrupt("an intset has integers of unknown width")),
    };
    let count = u32::from_le_bytes([e, f, g, h]) as usize;
    if content.len() / width != count || content.len() % width != 0 {
        return Err(RdbError::Corrupt("an intset has another size than it says"));
    }
    let ints = content.chunks_exact(width).map(move |int| {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(int);
        // In the highest bytes: the shift brings the sign along.
        i64::from_le_bytes(wide) >> (64 - 8 * width)
    });
    if ints.clone().is_sorted_by(|a, b| a < b) {
        Ok(ints)
    } else {
        Err(RdbError::Corrupt("an intset is not in order"))
    }
}

/// Writes these integers, `count` of them, ascending, as wide as the widest needs.
pub fn write_intset(ints: impl Iterator<Item = i64> + Clone, count: usize) -> Vec<u8> {
    let width = ints.clone().fold(2, |width, int| match int {
        -0x8000..=0x7fff => width,
        -0x8000_0000..=0x7fff_ffff => width.max(4),
        _ => 8,
    });
    let mut bytes = Vec::with_capacity(HEADER_BYTES + count * width);
    bytes.extend((width as u32).to_le_bytes());
    bytes.extend((count as u32).to_le_bytes());
    for int in ints {
        bytes.extend_from_slice(&int.to_le_bytes()[..width]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<i64>, RdbError> {
        Ok(read_intset(bytes)?.collect())
    }

    #[test]
    fn integers_come_back_as_narrow_as_they_can_be() {
        for (ints, width) in [
            (vec![], 2),
            (vec![i64::from(i16::MIN), -1, 0, i64::from(i16::MAX)], 2),
            (vec![-3, 40_000], 4),
            (vec![i64::from(i32::MIN), i64::from(i32::MAX)], 4),
            (vec![i64::MIN, -1, 0, i64::MAX], 8),
        ] {
            let bytes = write_intset(ints.iter().copied(), ints.len());
            assert_eq!(bytes.len(), 8 + width * ints.len());
            assert_eq!(read(&bytes), Ok(ints));
        }
    }

    #[test]
    fn what_is_no_ascending_array_is_refused() {
        for bytes in [
            &b"\x02\0\0\0\x01\0\0"[..],
            b"\x03\0\0\0\0\0\0\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0",
            b"\x02\0\0\0\x01\0\0\0\x01\0\x02",
            b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
            b"\x02\0\0\0\xff\xff\xff\xff",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
