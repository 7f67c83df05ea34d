//! Faults that tests ask for: connections refused, replies held back. Without them they cost a comparison a turn.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::engine::ConnId;

/// What is to go wrong; set from any thread.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    refuse: AtomicU32,
    delay_us: AtomicU64,
}

impl Faults {
    pub fn refuse_next(&self, count: u32) {
        self.refuse.store(count, Ordering::Release);
    }

    pub fn delay_replies(&self, delay_us: u64) {
        self.delay_us.store(delay_us, Ordering::Release);
    }

    /// Whether the connection that has just been accepted is to be refused.
    pub fn takes_connection(&self) -> bool {
        let one_less = |count: u32| count.checked_sub(1);
        self.refuse
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less)
            .is_ok()
    }

    pub fn delay_us(&self) -> u64 {
        self.delay_us.load(Ordering::Acquire)
    }
}

/// Connections whose output waits for its time.
#[derive(Debug, Default)]
pub(crate) struct HeldBack {
    /// Since when, in monotonic microseconds, and who; in the order in which they came.
    queue: VecDeque<(u64, ConnId)>,
}

impl HeldBack {
    /// Puts the connections that have output behind those that wait, and leaves those that have waited for so long. When
    /// that gets shorter, it does for those that wait already.
    #[inline]
    pub fn exchange(&mut self, touched: &mut Vec<ConnId>, delay_us: u64, now_us: u64) {
        if delay_us > 0 || !self.queue.is_empty() {
            self.queue.extend(touched.drain(..).map(|id| (now_us, id)));
            while let Some(&(since_us, id)) = self.queue.front()
                && since_us.saturating_add(delay_us) <= now_us
            {
                self.queue.pop_front();
                touched.push(id);
            }
        }
    }

    /// When the first of them is due, in monotonic ms, rounded up.
    pub fn next_ms(&self, delay_us: u64) -> Option<u64> {
        let (since_us, _) = self.queue.front()?;
        Some(since_us.saturating_add(delay_us).div_ceil(1000))
    }
}
