//! What a key's value must be: bytes derived from key and version, so that any reply can be checked by itself.
//!
//! A value of 16 bytes and more is a head of 8 characters for the version, 8 characters for a hash of key,
//! version and seed, and a slice of a fixed pseudo-random pool chosen by that hash: made and compared at the
//! speed of a memory copy. A shorter value is the start of the hash's characters. All characters are `a`..`p`,
//! which no protocol here has to escape.

use crate::random::{Rng, mix64};
use crate::sizes::Sizes;

/// Small enough to stay in the first-level cache; the head already tells all values apart.
const POOL_LEN: usize = 1 << 12;
const HEAD_LEN: usize = 16;

/// Makes and recognises values.
#[derive(Clone, Debug)]
pub struct Values {
    pool: Vec<u8>,
    sizes: Sizes,
    seed: u64,
}

impl Values {
    /// Values of these sizes; another seed gives other values for the same key and version.
    pub fn new(sizes: Sizes, seed: u64) -> Self {
        let mut rng = Rng::new(0x706f_6f6c);
        // A chunk may begin anywhere in the first POOL_LEN bytes and is at most POOL_LEN long.
        let mut pool = Vec::with_capacity(2 * POOL_LEN);
        while pool.len() < 2 * POOL_LEN {
            pool.extend_from_slice(&letters(rng.next()));
        }
        Values { pool, sizes, seed }
    }

    /// The sizes values are drawn from.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// The length of the value of `key` at `version`.
    #[inline]
    pub fn len_of(&self, key: u64, version: u32) -> usize {
        self.sizes
            .fixed()
            .unwrap_or_else(|| self.sizes.pick(self.hash(key, version).rotate_left(17)))
    }

    /// Appends the value of `key` at `version`.
    #[inline]
    pub fn write(&self, key: u64, version: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.len_of(key, version), 0);
        self.fill(key, version, &mut out[start..]);
    }

    /// Writes the value of `key` at `version` into room of its length.
    #[inline]
    pub fn fill(&self, key: u64, version: u32, room: &mut [u8]) {
        let hash = self.hash(key, version);
        if room.len() < HEAD_LEN {
            room.copy_from_slice(&short(hash)[..room.len()]);
            return;
        }
        let (front, body) = room.split_at_mut(HEAD_LEN);
        front.copy_from_slice(&head(hash, version));
        let at = pool_offset(hash);
        for chunk in body.chunks_mut(POOL_LEN) {
            chunk.copy_from_slice(&self.pool[at..at + chunk.len()]);
        }
    }

    /// Whether `bytes` is the value of `key` at `version`.
    #[inline]
    pub fn matches(&self, key: u64, version: u32, bytes: &[u8]) -> bool {
        if bytes.len() != self.len_of(key, version) {
            return false;
        }
        let hash = self.hash(key, version);
        if bytes.len() < HEAD_LEN {
            return bytes == &short(hash)[..bytes.len()];
        }
        let at = pool_offset(hash);
        bytes[..HEAD_LEN] == head(hash, version)
            && bytes[HEAD_LEN..]
                .chunks(POOL_LEN)
                .all(|chunk| *chunk == self.pool[at..at + chunk.len()])
    }

    /// The version a value claims to be; `None` where it is too short to say or no value of ours.
    #[inline]
    pub fn claimed_version(&self, bytes: &[u8]) -> Option<u32> {
        if bytes.len() < HEAD_LEN {
            return None;
        }
        let mut version = 0u32;
        for &letter in &bytes[..8] {
            let nibble = letter.wrapping_sub(b'a');
            if nibble > 15 {
                return None;
            }
            version = version << 4 | u32::from(nibble);
        }
        Some(version)
    }

    #[inline]
    fn hash(&self, key: u64, version: u32) -> u64 {
        mix64(
            self.seed
                ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ^ (u64::from(version) << 32 | u64::from(version)),
        )
    }
}

#[inline]
fn pool_offset(hash: u64) -> usize {
    (hash >> 32) as usize & (POOL_LEN - 1)
}

#[inline]
fn head(hash: u64, version: u32) -> [u8; HEAD_LEN] {
    let mut head = [0; HEAD_LEN];
    let spread = |x: u32| {
        let x = u64::from(x);
        let x = (x | x << 16) & 0x0000_ffff_0000_ffff;
        let x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
        (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f
    };
    head[..8].copy_from_slice(&(spread(version) + 0x6161_6161_6161_6161).to_be_bytes());
    head[8..].copy_from_slice(&letters(hash));
    head
}

#[inline]
fn short(hash: u64) -> [u8; HEAD_LEN] {
    let mut out = [0; HEAD_LEN];
    out[..8].copy_from_slice(&letters(hash));
    out[8..].copy_from_slice(&letters(hash >> 4));
    out
}

#[inline]
fn letters(bits: u64) -> [u8; 8] {
    ((bits & 0x0f0f_0f0f_0f0f_0f0f) + 0x6161_6161_6161_6161).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(values: &Values, key: u64, version: u32) -> Vec<u8> {
        let mut out = Vec::new();
        values.write(key, version, &mut out);
        out
    }

    #[test]
    fn a_value_is_recognised_and_nothing_else_is() {
        for size in ["1", "7", "15", "16", "17", "32", "1000", "200000", "5-3000"] {
            let values = Values::new(Sizes::parse(size).expect("size"), 42);
            let bytes = make(&values, 17, 3);
            assert!(values.matches(17, 3, &bytes), "{size}");
            assert!(!values.matches(17, 3, &bytes[..bytes.len() - 1]), "{size}");
            if bytes.len() >= 7 {
                assert!(!values.matches(17, 4, &bytes), "{size}");
                assert!(!values.matches(18, 3, &bytes), "{size}");
            }
            for at in [0, bytes.len() / 2, bytes.len() - 1] {
                let mut broken = bytes.clone();
                broken[at] ^= 1;
                assert!(!values.matches(17, 3, &broken), "{size} at {at}");
            }
            assert!(bytes.iter().all(|b| (b'a'..=b'p').contains(b)));
        }
    }

    #[test]
    fn the_version_can_be_read_back() {
        let values = Values::new(Sizes::Fixed(16), 1);
        for version in [0, 1, 77, 0xdead_beef, u32::MAX] {
            assert_eq!(
                values.claimed_version(&make(&values, 5, version)),
                Some(version)
            );
        }
        assert_eq!(values.claimed_version(b"hello, what is this"), None);
        assert_eq!(values.claimed_version(b"abc"), None);
    }
}
