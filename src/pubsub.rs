//! Who has subscribed to what: channels, patterns, shard channels.
//!
//! Connections are named by their slots. This module must not know messages or protocols.

use std::collections::HashMap;

use crate::glob;
use crate::subscription::{Subscribers, Subscription, Topic};

/// The three kinds of subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SUBSCRIBE: one channel.
    Channel,
    /// PSUBSCRIBE: all channels that match a pattern.
    Pattern,
    /// SSUBSCRIBE: one shard channel.
    Shard,
}

/// All subscriptions.
#[derive(Debug, Default)]
pub struct PubSub {
    channels: Topics,
    patterns: Topics,
    shards: Topics,
    /// The host's own subscriptions.
    pub(crate) in_process: Subscribers,
}

type Topics = HashMap<Box<[u8]>, Vec<u32>>;

/// One connection's subscriptions, in the order in which it made them.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: Vec<Box<[u8]>>,
    patterns: Vec<Box<[u8]>>,
    shards: Vec<Box<[u8]>>,
}

impl Subscriptions {
    /// The topics of one kind.
    pub fn of(&self, kind: Kind) -> &[Box<[u8]>] {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut Vec<Box<[u8]>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }
}

impl PubSub {
    fn topics(&self, kind: Kind) -> &Topics {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }

    fn topics_mut(&mut self, kind: Kind) -> &mut Topics {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }

    /// Whether anybody would get a message of an ordinary channel.
    pub fn is_idle(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && !self.in_process.want_published()
    }

    /// Adds a subscription of the host's own.
    pub(crate) fn subscribe_in_process(&mut self, topic: Topic, capacity: usize) -> Subscription {
        self.in_process.add(topic, capacity)
    }

    /// Adds a subscription; false when the connection has it already.
    pub fn subscribe(
        &mut self,
        kind: Kind,
        topic: &[u8],
        slot: u32,
        own: &mut Subscriptions,
    ) -> bool {
        let subscribers = self.topics_mut(kind).entry(topic.into()).or_default();
        if subscribers.contains(&slot) {
            return false;
        }
        subscribers.push(slot);
        own.of_mut(kind).push(topic.into());
        true
    }

    /// Removes a subscription; false when the connection does not have it.
    pub fn unsubscribe(
        &mut self,
        kind: Kind,
        topic: &[u8],
        slot: u32,
        own: &mut Subscriptions,
    ) -> bool {
        let topics = self.topics_mut(kind);
        let Some(subscribers) = topics.get_mut(topic) else {
            return false;
        };
        let Some(at) = subscribers
            .iter()
            .position(|subscriber| *subscriber == slot)
        else {
            return false;
        };
        subscribers.remove(at);
        if subscribers.is_empty() {
            topics.remove(topic);
        }
        own.of_mut(kind).retain(|known| **known != *topic);
        true
    }

    /// Removes all of a connection's subscriptions: it has gone.
    pub fn remove(&mut self, slot: u32, own: &mut Subscriptions) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for topic in std::mem::take(own.of_mut(kind)) {
                self.unsubscribe(kind, &topic, slot, own);
            }
        }
    }

    /// Who has subscribed to exactly this channel (or shard channel), in the order in which they did.
    pub fn subscribers(&self, kind: Kind, topic: &[u8]) -> &[u32] {
        self.topics(kind).get(topic).map_or(&[], Vec::as_slice)
    }

    /// The patterns that match a channel, with their subscribers. O(number of patterns).
    pub fn matching(&self, channel: &[u8]) -> impl Iterator<Item = (&[u8], &[u32])> {
        self.patterns
            .iter()
            .filter(move |(pattern, _)| glob::matches(pattern, channel, false))
            .map(|(pattern, subscribers)| (&**pattern, &subscribers[..]))
    }

    /// The channels (or shard channels) that have subscribers.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.topics(kind).keys().map(|name| &**name)
    }

    /// Number of different patterns that have subscribers.
    pub fn pattern_count(&self) -> usize {
        self.patterns.len()
    }
}
