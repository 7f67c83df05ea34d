//! The keyed hash of every table here. It must not know where the key comes from: whoever owns the keyspace
//! draws it once, so that a client cannot choose members that collide.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

/// The 128-bit key of a SipHash-1-3; equal keys give equal hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedState {
    /// First half of the key.
    pub k0: u64,
    /// Second half of the key.
    pub k1: u64,
}

impl KeyedState {
    /// The hash of `bytes` alone: no length or terminator is mixed in, unlike `Hash for [u8]`.
    pub fn hash_bytes(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.k0, self.k1).hash(bytes)
    }
}

impl BuildHasher for KeyedState {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.k0, self.k1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher;

    #[test]
    fn key_decides_the_hash() {
        let one = KeyedState { k0: 1, k1: 2 };
        let other = KeyedState { k0: 1, k1: 3 };
        assert_eq!(one.hash_bytes(b"member"), one.hash_bytes(b"member"));
        assert_ne!(one.hash_bytes(b"member"), other.hash_bytes(b"member"));
    }

    #[test]
    fn both_ways_to_hash_agree() {
        let state = KeyedState { k0: 7, k1: 9 };
        let mut hasher = state.build_hasher();
        hasher.write(b"member");
        assert_eq!(hasher.finish(), state.hash_bytes(b"member"));
    }
}
