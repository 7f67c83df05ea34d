//! Frames of a journal that no server would write.

/// A payload as it lies in a file.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut checked = Vec::new();
    pentad::varint::push_bytes(&mut checked, payload);
    [&crc32c::crc32c(&checked).to_le_bytes()[..], &checked].concat()
}
