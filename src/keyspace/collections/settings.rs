//! What the collections of one keyspace share: when a compact one upgrades, and the key its table
//! is hashed with.

use super::hasher::KeyedState;

/// The limits under which a collection stays compact, under Redis's names, and the hash key. A
/// change takes effect at the next write to a collection; nothing is converted at once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The key of every table that is made under these settings.
    pub hash_state: KeyedState,
    /// One node of a list: elements where positive; -1 to -5 stand for 4, 8, 16, 32 and 64 KiB.
    pub list_max_listpack_size: i32,
    /// Fields of a compact hash.
    pub hash_max_listpack_entries: usize,
    /// Bytes of a field or value of a compact hash.
    pub hash_max_listpack_value: usize,
    /// Members of a set of integers.
    pub set_max_intset_entries: usize,
    /// Members of a compact set.
    pub set_max_listpack_entries: usize,
    /// Bytes of a member of a compact set.
    pub set_max_listpack_value: usize,
    /// Members of a compact sorted set.
    pub zset_max_listpack_entries: usize,
    /// Bytes of a member of a compact sorted set.
    pub zset_max_listpack_value: usize,
}

impl Settings {
    /// Redis 7.2's defaults.
    pub fn new(hash_state: KeyedState) -> Settings {
        Settings {
            hash_state,
            list_max_listpack_size: -2,
            hash_max_listpack_entries: 128,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
        }
    }

    /// What one node of a list may hold.
    pub fn list_node_limit(&self) -> NodeLimit {
        const SAFETY_BYTES: usize = 8 << 10;
        match self.list_max_listpack_size {
            count @ 0.. => NodeLimit {
                bytes: SAFETY_BYTES,
                count: count.max(1) as usize,
            },
            class => NodeLimit {
                bytes: (4 << 10) << (class.max(-5).unsigned_abs() - 1),
                count: usize::MAX,
            },
        }
    }
}

/// The most that one node of a list holds; a single element may be larger and then has a node of
/// its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimit {
    /// Encoded bytes.
    pub bytes: usize,
    /// Elements.
    pub count: usize,
}

impl NodeLimit {
    /// Whether a node of this content is within the limit.
    pub fn allows(&self, bytes: usize, count: usize) -> bool {
        bytes <= self.bytes && count <= self.count
    }

    /// Half of it: a list turns compact again only below this, lest it flip at the border.
    pub fn half(&self) -> NodeLimit {
        NodeLimit {
            bytes: self.bytes / 2,
            count: self.count / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_node_limit_follows_redis() {
        let mut settings = Settings::new(KeyedState { k0: 0, k1: 0 });
        let mut limit = |size| {
            settings.list_max_listpack_size = size;
            let limit = settings.list_node_limit();
            (limit.bytes, limit.count)
        };
        assert_eq!(limit(-2), (8192, usize::MAX));
        assert_eq!(limit(-1), (4096, usize::MAX));
        assert_eq!(limit(-5), (65536, usize::MAX));
        assert_eq!(limit(-99), (65536, usize::MAX));
        assert_eq!(limit(0), (8192, 1));
        assert_eq!(limit(16), (8192, 16));
    }
}
