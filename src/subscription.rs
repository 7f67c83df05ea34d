//! Messages for the program around the server: what is published, and what happens to keys.
//!
//! A subscription is a bounded queue. The loop puts messages in and never waits; the host takes them out on whatever
//! thread it likes. This module must not know how messages come about.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::glob;
use crate::keyspace::Db;

/// What a subscription is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Messages published to this channel.
    Channel(Vec<u8>),
    /// Messages published to any channel that matches this glob.
    Pattern(Vec<u8>),
    /// What happens to keys of all databases whose names match this glob, whatever `notify-keyspace-events` says.
    Keys(Vec<u8>),
}

impl Topic {
    /// Messages published to a channel.
    pub fn channel(name: impl AsRef<[u8]>) -> Self {
        Topic::Channel(name.as_ref().to_vec())
    }

    /// Messages published to any channel that matches a glob.
    pub fn pattern(glob: impl AsRef<[u8]>) -> Self {
        Topic::Pattern(glob.as_ref().to_vec())
    }

    /// What happens to keys whose names match a glob: `*` for all.
    pub fn keys(glob: impl AsRef<[u8]>) -> Self {
        Topic::Keys(glob.as_ref().to_vec())
    }
}

/// What a subscription tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Something was published.
    Published {
        /// Where.
        channel: Vec<u8>,
        /// What.
        payload: Vec<u8>,
    },
    /// Something happened to a key.
    Key {
        /// The key's database.
        db: Db,
        /// What happened, as keyspace events call it: `set`, `del`, `expired`, `lpush` ...
        event: &'static str,
        /// The key.
        key: Vec<u8>,
    },
    /// A database was emptied, exchanged or restored as a whole: any of its keys may be different.
    Database(Db),
}

/// A queue of messages; see [`Store::subscribe`](crate::Store::subscribe). It ends when this is dropped.
#[derive(Debug)]
pub struct Subscription {
    queue: Arc<Queue>,
}

impl Subscription {
    /// The oldest message that has not been taken.
    pub fn try_next(&self) -> Option<Message> {
        self.queue.lock().messages.pop_front()
    }

    /// The same, and waits for one. The loop has to be turned by another thread meanwhile.
    pub fn wait(&self, timeout: Duration) -> Option<Message> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.queue.lock();
        loop {
            if let Some(message) = state.messages.pop_front() {
                return Some(message);
            }
            let left = match deadline {
                Some(deadline) => deadline.checked_duration_since(Instant::now())?,
                None => timeout,
            };
            let waited = self.queue.filled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How many messages were lost because the queue was full.
    pub fn missed(&self) -> u64 {
        self.queue.lock().missed
    }
}

#[derive(Debug)]
struct Queue {
    capacity: usize,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    missed: u64,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, message: Message) {
        let mut state = self.lock();
        if state.messages.len() < self.capacity {
            state.messages.push_back(message);
            self.filled.notify_one();
        } else {
            state.missed += 1;
        }
    }
}

/// All subscriptions of the host.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    list: Vec<(Topic, Weak<Queue>)>,
}

impl Subscribers {
    pub fn add(&mut self, topic: Topic, capacity: usize) -> Subscription {
        self.list.retain(|(_, queue)| queue.strong_count() > 0);
        let queue = Arc::new(Queue {
            capacity,
            state: Mutex::default(),
            filled: Condvar::new(),
        });
        self.list.push((topic, Arc::downgrade(&queue)));
        Subscription { queue }
    }

    /// Whether anybody may want what is published.
    pub fn want_published(&self) -> bool {
        self.list
            .iter()
            .any(|(topic, _)| !matches!(topic, Topic::Keys(_)))
    }

    /// Whether anybody may want what happens to keys.
    pub fn want_keys(&self) -> bool {
        self.list
            .iter()
            .any(|(topic, _)| matches!(topic, Topic::Keys(_)))
    }

    /// Gives a message to all who want it; gives to how many.
    pub fn publish(&mut self, channel: &[u8], payload: &[u8]) -> usize {
        self.put(
            |topic| match topic {
                Topic::Channel(name) => name == channel,
                Topic::Pattern(glob) => glob::matches(glob, channel, false),
                Topic::Keys(_) => false,
            },
            || Message::Published {
                channel: channel.to_vec(),
                payload: payload.to_vec(),
            },
        )
    }

    /// Tells what happened to a key.
    pub fn tell_key(&mut self, db: Db, event: &'static str, key: &[u8]) {
        self.put(
            |topic| matches!(topic, Topic::Keys(glob) if glob::matches(glob, key, false)),
            || Message::Key {
                db,
                event,
                key: key.to_vec(),
            },
        );
    }

    /// Tells that a whole database is different.
    pub fn tell_database(&mut self, db: Db) {
        self.put(
            |topic| matches!(topic, Topic::Keys(_)),
            || Message::Database(db),
        );
    }

    fn put(&mut self, wants: impl Fn(&Topic) -> bool, message: impl Fn() -> Message) -> usize {
        let mut told = 0;
        self.list.retain(|(topic, queue)| {
            let Some(queue) = queue.upgrade() else {
                return false;
            };
            if wants(topic) {
                queue.put(message());
                told += 1;
            }
            true
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gets_what_it_wants_until_it_is_full_or_gone() {
        let mut all = Subscribers::default();
        let one = all.add(Topic::channel("news"), 2);
        let many = all.add(Topic::pattern("n*"), 100);
        let keys = all.add(Topic::keys("user:*"), 100);
        for payload in [&b"1"[..], b"2", b"3"] {
            assert_eq!(all.publish(b"news", payload), 2);
        }
        assert_eq!(all.publish(b"nothing", b"4"), 1);
        all.tell_key(3, "set", b"user:1");
        all.tell_key(3, "set", b"other");
        all.tell_database(0);
        let published = |channel: &str, payload: &str| Message::Published {
            channel: channel.into(),
            payload: payload.into(),
        };
        assert_eq!(one.try_next(), Some(published("news", "1")));
        assert_eq!(one.try_next(), Some(published("news", "2")));
        assert_eq!((one.try_next(), one.missed()), (None, 1));
        assert_eq!(std::iter::from_fn(|| many.try_next()).count(), 4);
        let key = Message::Key {
            db: 3,
            event: "set",
            key: b"user:1".to_vec(),
        };
        assert_eq!(keys.wait(Duration::ZERO), Some(key));
        assert_eq!(keys.try_next(), Some(Message::Database(0)));
        assert_eq!(keys.wait(Duration::ZERO), None);
        drop((one, many));
        assert_eq!(all.publish(b"news", b""), 0);
        assert!(!all.want_published() && all.want_keys());
    }
}
