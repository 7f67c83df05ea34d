//! The SHA-1 by which scripts are called. Nothing is kept secret with it.

use sha1::{Digest, Sha1};

/// The 40 hexadecimal digits of the SHA-1 of `bytes`, in lower case.
pub fn sha1_hex(bytes: &[u8]) -> [u8; 40] {
    hex(Sha1::digest(bytes).into())
}

/// The same, with a call of `before` ahead of each piece of the bytes, of which there may be many: its error ends it.
#[cfg(feature = "lua")]
pub fn sha1_hex_in_pieces<E>(
    bytes: &[u8],
    mut before: impl FnMut() -> Result<(), E>,
) -> Result<[u8; 40], E> {
    let mut sha1 = Sha1::new();
    for piece in bytes.chunks(crate::lua::PIECE_BYTES) {
        before()?;
        sha1.update(piece);
    }
    Ok(hex(sha1.finalize().into()))
}

fn hex(digest: [u8; 20]) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_examples_come_out() {
        let million = vec![b'a'; 1_000_000];
        let cases: [(&[u8], &str); 5] = [
            (b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (&[b'x'; 64], "bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163"),
            (&million, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        ];
        for (bytes, digest) in cases {
            assert_eq!(sha1_hex(bytes), digest.as_bytes(), "{} bytes", bytes.len());
        }
    }

    #[test]
    #[cfg(feature = "lua")]
    fn in_pieces_it_is_the_same() {
        let million = vec![b'a'; 1_000_000];
        let mut pieces = 0;
        let digest = sha1_hex_in_pieces(&million, || {
            pieces += 1;
            Ok::<(), ()>(())
        });
        assert_eq!((digest, pieces), (Ok(sha1_hex(&million)), 8));
        assert_eq!(sha1_hex_in_pieces(&million, || Err(1)), Err(1));
    }
}
