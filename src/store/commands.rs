//! What is not about one key: commands, messages, snapshots, clients.

use super::Store;
use crate::change::{Change, Class, Target};
use crate::keyspace::Snapshot;
use crate::protocol::resp::in_process::{self, Scope};
use crate::protocol::resp::{ErrorReply, ReplyBuffer, ReplyRef, RespValue};
use crate::pubsub::Kind;
use crate::reactions::Me;
use crate::subscription::{Subscription, Topic};

/// Why a snapshot could not be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// Changes are being recorded, and this one cannot be written as commands.
    Recorded,
    /// The snapshot is of a server with another seed or number of databases.
    OtherServer,
}

impl std::fmt::Display for RestoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RestoreError::Recorded => "a snapshot cannot be restored while changes are recorded",
            RestoreError::OtherServer => "the snapshot is of another server",
        })
    }
}

impl std::error::Error for RestoreError {}

impl Store<'_> {
    /// Runs any command as a client would, in this store's database, and gives its reply; an error reply is an `Err`.
    ///
    /// Each command stands for itself. Those that would change a conversation (MULTI, WATCH, SUBSCRIBE, HELLO ...) are
    /// refused: they need a connection, such as [`Engine::open`](crate::Engine::open) gives. Those that would wait
    /// (BLPOP ...) do as in a transaction: they answer at once. CLIENT PAUSE does not hold the host up.
    pub fn execute<A: AsRef<[u8]>>(
        &mut self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<RespValue, ErrorReply> {
        self.run(args, in_process::to_result)
    }

    /// The same without a tree: the reply is left in `buffer`, whose memory the next one uses again.
    pub fn execute_into<'b, A: AsRef<[u8]>>(
        &mut self,
        args: impl IntoIterator<Item = A>,
        buffer: &'b mut ReplyBuffer,
    ) -> ReplyRef<'b> {
        buffer.bytes.clear();
        self.run(args, |bytes| buffer.bytes.extend_from_slice(bytes));
        buffer.reply()
    }

    fn run<A: AsRef<[u8]>, R>(
        &mut self,
        args: impl IntoIterator<Item = A>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> R {
        let before = self.hub.touched.len();
        let scope = Scope {
            keyspace: self.keyspace,
            hub: self.hub,
            db: self.db,
            me: self.me.as_mut().map(|me| Me {
                client: me.client,
                out: me.out,
            }),
            react: !self.deferred,
        };
        let result = in_process::execute(scope, args, read);
        self.wake_if_more(before);
        result
    }

    /// PUBLISH: sends a message to all who have subscribed to the channel, or to a pattern that matches it; gives to how
    /// many.
    pub fn publish(&mut self, channel: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> usize {
        let (channel, message) = (channel.as_ref(), message.as_ref());
        self.speak(|scene| scene.publish(Kind::Channel, channel, message))
    }

    /// Has messages, or what happens to keys, put into a queue for the host, from now until the subscription is dropped.
    /// The queue holds `capacity` of them; what comes while it is full is counted, and lost.
    pub fn subscribe(&mut self, topic: Topic, capacity: usize) -> Subscription {
        let subscription = self.hub.pubsub.subscribe_in_process(topic, capacity);
        let detail = self.hub.wanted_detail();
        self.keyspace.changes.listen(detail);
        subscription
    }

    /// All keys, values and expiries of all databases, and the state of the random generator, as they are now.
    /// O(bytes of data): a few microseconds when there is little.
    pub fn snapshot(&self) -> Snapshot {
        self.keyspace.snapshot()
    }

    /// Puts all that the snapshot holds in place of what there is. Clients stay connected; for them everything has
    /// changed (watched keys, cached keys, keys that are waited for). O(bytes of data).
    ///
    /// Times at which keys expire are absolute: what was to expire meanwhile is gone.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), RestoreError> {
        if self.hub.change_sink.is_some() {
            return Err(RestoreError::Recorded);
        }
        if !self.keyspace.go_back(snapshot) {
            return Err(RestoreError::OtherServer);
        }
        self.keyspace.changes.push(Change {
            db: 0,
            target: Target::Everything,
            class: Class::Generic,
            event: "",
            command: &[],
        });
        self.settle();
        Ok(())
    }

    /// Closes the connection of the client with this number (CLIENT ID) with the next turn, whatever it is doing; false
    /// when there is none. O(clients).
    pub fn drop_client(&mut self, id: u64) -> bool {
        let Some(slot) = self.hub.slot_of(id) else {
            return false;
        };
        if let Some(Some(conn)) = self.hub.conns.get_mut(slot as usize) {
            conn.client.doomed = true;
        }
        let before = self.hub.touched.len();
        self.hub.touch(slot);
        self.wake_if_more(before);
        true
    }

    /// The numbers of all clients that are connected, in no particular order.
    pub fn clients(&self) -> Vec<u64> {
        self.hub.others().map(|conn| conn.client.id).collect()
    }
}
