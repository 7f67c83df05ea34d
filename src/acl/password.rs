//! Passwords: only their SHA-256 is kept, and comparing takes the same time wherever the difference is.

use sha2::{Digest, Sha256};

/// The SHA-256 of a password.
#[derive(Clone, Copy, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Of a password in the clear.
    pub fn of(password: &[u8]) -> Self {
        Hash(Sha256::digest(password).into())
    }

    /// From 64 lower-case hexadecimal digits.
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Hash(hash))
    }

    /// As 64 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        // Every byte is looked at, so that the time tells nothing of where they differ.
        let difference = pairs.fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
        difference == 0
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_that_everybody_knows() {
        let hex = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        assert_eq!(Hash::of(b"x").to_hex(), hex);
        assert_eq!(Hash::from_hex(hex.as_bytes()), Some(Hash::of(b"x")));
        assert!(Hash::of(b"x") != Hash::of(b"y"));
        assert_eq!(Hash::from_hex(&hex.as_bytes()[1..]), None);
        assert_eq!(Hash::from_hex(hex.to_uppercase().as_bytes()), None);
    }
}
