//! Staying below `maxmemory`: what is in use, and making room before something is added.
//!
//! This module must not know commands or protocols: they ask for room, and say no in their own words.

use crate::hub::Hub;
use crate::keyspace::Keyspace;
use crate::protocol::Cx;

/// Keys that are evicted before one request, at most: the rest is done between requests, while they are let through.
const EVICTIONS_MAX: usize = 64;

/// Whether there is room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is.
    Enough,
    /// There is not yet, but keys are being evicted.
    Soon,
    /// There is none, and nothing that could be evicted.
    None,
}

/// Bytes in use that `maxmemory` is about: what is allocated or comes from the system, but for what waits to be used again. 0 when the host does not
/// count.
pub(crate) fn used_bytes(keyspace: &Keyspace, hub: &Hub) -> usize {
    hub.allocated.map_or(0, |read| {
        (read() + keyspace.mapped_bytes()).saturating_sub(keyspace.reusable_bytes())
    })
}

/// Evicts keys until there is room, within bounds.
pub(crate) fn make_room(keyspace: &mut Keyspace, hub: &Hub) -> Room {
    let limit = hub.limits.memory_bytes_max;
    if limit == 0 {
        return Room::Enough;
    }
    for _ in 0..EVICTIONS_MAX {
        if used_bytes(keyspace, hub) <= limit {
            return Room::Enough;
        }
        // What has been evicted already counts until it is freed.
        if !keyspace.free_garbage() && !keyspace.evict_one() {
            return Room::None;
        }
    }
    Room::Soon
}

/// The system has no memory for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoMemory;

/// Asks the system whether it has memory for a value of this size, where that is worth asking: a request may name any size in
/// a few bytes, and running out of memory later would end the process.
pub(crate) fn check_available(bytes: usize) -> Result<(), NoMemory> {
    const WORTH_ASKING_BYTES: usize = 1024 * 1024;
    let mut probe: Vec<u8> = Vec::new();
    match bytes {
        0..WORTH_ASKING_BYTES => Ok(()),
        _ => probe.try_reserve_exact(bytes).map_err(|_| NoMemory),
    }
}

/// Closes the clients with the largest buffers while all together hold more than `maxmemory-clients`. O(clients) when there
/// is such a limit.
pub(crate) fn limit_clients(hub: &mut Hub) {
    let limit = hub.limits.clients_bytes_max;
    if limit == 0 {
        return;
    }
    let mut held: Vec<(usize, u32)> = hub
        .others()
        .filter(|conn| !conn.client.doomed)
        .map(|conn| (conn.buffer_bytes(), conn.client.slot))
        .collect();
    let mut sum: usize = held.iter().map(|(bytes, _)| bytes).sum();
    if sum <= limit {
        return;
    }
    held.sort_unstable();
    while sum > limit
        && let Some((bytes, slot)) = held.pop()
    {
        let Some(Some(conn)) = hub.conns.get_mut(slot as usize) else {
            continue;
        };
        if conn.client.extras().is_some_and(|extras| extras.no_evict) {
            continue;
        }
        conn.client.doomed = true;
        sum -= bytes;
        hub.evicted_clients += 1;
        hub.touch(slot);
    }
}

impl Cx<'_> {
    /// Whether something may be added: for the protocols that have no table of commands.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        if self.hub.limits.memory_bytes_max == 0 {
            return true;
        }
        self.hub.is_full = make_room(self.keyspace, self.hub) == Room::None;
        !self.hub.is_full
    }

    /// Whether there was no room when the request that is being run began.
    #[cfg(feature = "lua")]
    pub(crate) fn is_full(&self) -> bool {
        self.hub.is_full && self.hub.limits.memory_bytes_max > 0
    }
}
