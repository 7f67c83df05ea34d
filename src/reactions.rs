//! What follows from a change: watchers are told, events published, caches invalidated, waiters served.
//!
//! All of it hangs on the one point where every write ends (`change.rs`), so that a write behaves the same whatever
//! protocol and command it came by. This module must not know how a mutation was made.

use crate::buffer::Output;
use crate::change::{Change, Class, Target};
use crate::client::{Blocked, Client, OnTimeout};
use crate::conn::{Conn, Flow};
use crate::hub::Hub;
use crate::keyspace::{Db, Keyspace};
use crate::protocol::Cx;
use crate::protocol::resp::{self, Reply};
use crate::pubsub::Kind;

/// Everything that requests can touch. The connection whose request is being run, if any, is not in the hub.
pub(crate) struct Scene<'a> {
    pub keyspace: &'a mut Keyspace,
    pub hub: &'a mut Hub,
    pub me: Option<Me<'a>>,
}

/// The connection whose request is being run.
pub(crate) struct Me<'a> {
    pub client: &'a mut Client,
    pub out: &'a mut Output,
}

impl Cx<'_> {
    /// Lets follow what follows from the request's changes.
    #[inline]
    pub(crate) fn react(&mut self) {
        if !self.keyspace.changes.is_empty() {
            self.scene().react();
        }
    }

    /// The same connection, among all others.
    pub(crate) fn scene(&mut self) -> Scene<'_> {
        Scene {
            keyspace: self.keyspace,
            hub: self.hub,
            me: Some(Me {
                client: self.client,
                out: self.out,
            }),
        }
    }
}

impl Scene<'_> {
    /// Lets follow what follows from the changes since the last call, and from what follows, and so on.
    pub fn react(&mut self) {
        while !self.keyspace.changes.is_empty() {
            let spare = std::mem::take(&mut self.hub.spare_group);
            let group = self.keyspace.changes.take(spare);
            if let Some(sink) = &mut self.hub.change_sink {
                sink.take(&group);
            }
            let writer = self.me.as_ref().map(|me| (me.client.slot, me.client.id));
            self.hub.persistence.append(&group, writer);
            let mut reacted_to = 0;
            group.for_each(|change| {
                self.react_to(&change);
                reacted_to += 1;
                self.hub.tracking.reacted_to(reacted_to);
            });
            self.hub.spare_group = group;
            self.serve_waiting();
        }
    }

    fn react_to(&mut self, change: &Change<'_>) {
        match change.target {
            Target::Nothing => return,
            Target::Key(key) => {
                self.hub.waiting.signal(change.db, key);
                for slot in self.hub.watchers.of(change.db, key).to_vec() {
                    self.break_watch(slot);
                }
            }
            Target::Beside(key) => {
                if !change.event.is_empty() {
                    self.hub.waiting.signal(change.db, key);
                    self.notify_if_wanted(change, key);
                }
                return;
            }
            Target::Database => self.react_to_database(change.db),
            Target::Everything => {
                for db in 0..self.keyspace.databases() {
                    self.react_to_database(db);
                }
            }
        }
        if !self.hub.tracking.is_idle() {
            match change.target {
                Target::Key(key) => self.invalidate(key),
                _ => self.invalidate_all(),
            }
        }
        if let Target::Key(key) = change.target {
            self.notify_if_wanted(change, key);
        }
    }

    fn notify_if_wanted(&mut self, change: &Change<'_>, key: &[u8]) {
        if !change.event.is_empty() {
            let in_process = &mut self.hub.pubsub.in_process;
            in_process.tell_key(change.db, change.event, key);
        }
        if !change.event.is_empty()
            && self.hub.notify.wants(change.class)
            && !self.hub.pubsub.is_idle()
        {
            self.notify(change.db, change.event, key);
        }
    }

    fn react_to_database(&mut self, db: Db) {
        self.hub.pubsub.in_process.tell_database(db);
        self.hub.waiting.signal_database(db);
        let watchers: Vec<(Box<[u8]>, u32)> = self
            .hub
            .watchers
            .of_database(db)
            .flat_map(|(key, slots)| slots.iter().map(move |slot| (Box::from(key), *slot)))
            .collect();
        for (key, slot) in watchers {
            // A key that was missing is still missing after a flush. After a swap it may be there.
            let now = self.keyspace.key(db, &key);
            let exists = self.keyspace.exists_quietly(&now);
            let existed =
                self.client(slot)
                    .and_then(Client::extras)
                    .is_some_and(|extras| {
                        extras.watched.iter().any(|watched| {
                            watched.db == db && watched.key == key && watched.existed
                        })
                    });
            if exists || existed {
                self.break_watch(slot);
            }
        }
    }

    fn break_watch(&mut self, slot: u32) {
        if let Some(client) = self.client_mut(slot) {
            client.extras_mut().watch_broken = true;
        }
    }

    /// Publishes a keyspace event, in the two forms that are switched on.
    fn notify(&mut self, db: Db, event: &'static str, key: &[u8]) {
        if self.hub.notify.keyspace {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(Kind::Channel, &channel, event.as_bytes());
        }
        if self.hub.notify.keyevent {
            let channel = format!("__keyevent@{db}__:{event}");
            self.publish(Kind::Channel, channel.as_bytes(), key);
        }
    }

    /// Sends a message to all who have subscribed to the channel, or to a pattern that it matches. Gives how many
    /// have got it.
    pub fn publish(&mut self, kind: Kind, channel: &[u8], message: &[u8]) -> usize {
        let direct = self.hub.pubsub.subscribers(kind, channel).to_vec();
        let word: &[u8] = if kind == Kind::Shard {
            b"smessage"
        } else {
            b"message"
        };
        for &slot in &direct {
            self.deliver(slot, |reply| {
                reply.push(3);
                for part in [word, channel, message] {
                    reply.bulk(part);
                }
            });
        }
        if kind == Kind::Shard {
            return direct.len();
        }
        let matching: Vec<(Vec<u8>, Vec<u32>)> = self
            .hub
            .pubsub
            .matching(channel)
            .map(|(pattern, slots)| (pattern.to_vec(), slots.to_vec()))
            .collect();
        let mut received = direct.len() + self.hub.pubsub.in_process.publish(channel, message);
        for (pattern, slots) in matching {
            received += slots.len();
            for slot in slots {
                self.deliver(slot, |reply| {
                    reply.push(4);
                    for part in [&b"pmessage"[..], &pattern, channel, message] {
                        reply.bulk(part);
                    }
                });
            }
        }
        received
    }

    /// Tells those who cache a key that it has changed.
    pub fn invalidate(&mut self, key: &[u8]) {
        let mut told = self.hub.tracking.of_prefixes(key);
        for (slot, id) in self.hub.tracking.take_readers(key) {
            if self.client(slot).is_some_and(|client| client.id == id) {
                told.push(slot);
            }
        }
        for slot in told {
            self.tell_invalid(slot, Some(key));
        }
    }

    /// Tells all who cache anything that everything has changed.
    fn invalidate_all(&mut self) {
        self.hub.tracking.forget_readers();
        let others: Vec<u32> = self.hub.others().map(|conn| conn.client.slot).collect();
        let me = self.me.as_ref().map(|me| me.client.slot);
        for slot in others.into_iter().chain(me) {
            self.tell_invalid(slot, None);
        }
    }

    /// Tells a connection that tracks (or the one it redirects to) that a key, or all of them, are not what they were.
    fn tell_invalid(&mut self, slot: u32, key: Option<&[u8]>) {
        let Some(tracking) = self
            .client(slot)
            .and_then(|client| client.extras()?.tracking.clone())
        else {
            return;
        };
        let is_me = self.me.as_ref().is_some_and(|me| me.client.slot == slot);
        if is_me && tracking.no_loop && key.is_some() {
            return;
        }
        let target = match tracking.redirect {
            None => slot,
            Some(id) => {
                let is_mine = |me: &&Me<'_>| me.client.id == id;
                match self.hub.slot_of(id).or(self
                    .me
                    .as_ref()
                    .filter(is_mine)
                    .map(|me| me.client.slot))
                {
                    Some(target) => target,
                    None => return self.tell_redirection_broken(slot, id),
                }
            }
        };
        let Some(receiver) = self.client(target) else {
            return;
        };
        // In RESP2 it comes as a message, to those who have subscribed to it.
        let as_message = !receiver.resp3;
        let subscribed = receiver.extras().is_some_and(|extras| {
            extras
                .subscriptions
                .of(Kind::Channel)
                .iter()
                .any(|name| **name == *INVALIDATE_CHANNEL)
        });
        if as_message && !subscribed {
            return;
        }
        self.deliver(target, |reply| {
            if as_message {
                reply.push(3);
                reply.bulk(b"message");
                reply.bulk(INVALIDATE_CHANNEL);
            } else {
                reply.push(2);
                reply.bulk(b"invalidate");
            }
            match key {
                Some(key) => {
                    reply.array(1);
                    reply.bulk(key);
                }
                None => reply.null_array(),
            }
        });
    }

    fn tell_redirection_broken(&mut self, slot: u32, id: u64) {
        if self.client(slot).is_some_and(|client| client.resp3) {
            self.deliver(slot, |reply| {
                reply.push(2);
                reply.bulk(b"tracking-redir-broken");
                reply.integer(id as i64);
            });
        }
    }

    /// Appends something to a connection's output that is no reply to a request of its own.
    pub fn deliver(&mut self, slot: u32, write: impl FnOnce(&mut Reply<'_>)) {
        match &mut self.me {
            Some(me) if me.client.slot == slot => match me.client.in_script {
                // Its output is what the script reads.
                Some(resp3) => write(&mut Reply {
                    resp3,
                    out: &mut self.hub.scripting.messages,
                }),
                None => write(&mut Reply {
                    resp3: me.client.resp3,
                    out: me.out,
                }),
            },
            _ => {
                let Some(mut conn) = self.hub.conns.get_mut(slot as usize).and_then(Option::take)
                else {
                    return;
                };
                if conn.client.doomed || conn.client.closing {
                    self.hub.conns[slot as usize] = Some(conn);
                    return;
                }
                conn.out.supply(&mut self.hub.spare_buffers);
                if conn.out.is_empty() {
                    conn.progress_ms = self.hub.now.monotonic_ms();
                }
                write(&mut Reply {
                    resp3: conn.client.resp3,
                    out: &mut conn.out,
                });
                conn.check_output(self.hub);
                self.hub.conns[slot as usize] = Some(conn);
                self.hub.touch(slot);
            }
        }
    }

    fn client(&self, slot: u32) -> Option<&Client> {
        match &self.me {
            Some(me) if me.client.slot == slot => Some(me.client),
            _ => self
                .hub
                .conns
                .get(slot as usize)?
                .as_ref()
                .map(|conn| &conn.client),
        }
    }

    fn client_mut(&mut self, slot: u32) -> Option<&mut Client> {
        match &mut self.me {
            Some(me) if me.client.slot == slot => Some(me.client),
            _ => self
                .hub
                .conns
                .get_mut(slot as usize)?
                .as_mut()
                .map(|conn| &mut conn.client),
        }
    }

    /// Runs again the requests that wait for keys that have changed.
    fn serve_waiting(&mut self) {
        while let Some((db, key)) = self.hub.waiting.take_ready() {
            for slot in self.hub.waiting.of(db, &key) {
                let name = self.keyspace.key(db, &key);
                let found = self.keyspace.type_of(&name);
                let is_wanted = self
                    .client(slot)
                    .and_then(|client| client.extras()?.blocked.as_ref())
                    .is_some_and(|blocked| blocked.wants.is_none() || blocked.wants == found);
                if is_wanted {
                    self.retry(slot);
                }
            }
        }
    }

    /// Runs a blocked request again: either it is served, or it goes on waiting in its place.
    fn retry(&mut self, slot: u32) {
        self.with_blocked(slot, |conn, keyspace, hub, mut blocked| {
            blocked.retried = true;
            let request = blocked.request.clone();
            // By this the handler knows that it waits already, should it block again.
            conn.client.extras_mut().blocked = Some(blocked);
            let mut cx = Cx {
                keyspace,
                hub,
                client: &mut conn.client,
                out: &mut conn.out,
            };
            // What it may do can have changed while it waited.
            match resp::permit::check(&request.command, request.args(), &mut cx) {
                Ok(()) => resp::run_again(request.command.clone(), request.args(), &mut cx),
                Err(error) => cx.refuse(&error),
            }
            let waits = conn
                .client
                .extras()
                .and_then(|extras| extras.blocked.as_ref())
                .is_some_and(|blocked| !blocked.retried);
            if !waits {
                hub.persistence
                    .note_writer((conn.client.slot, conn.client.id));
                conn.unblock(hub);
            }
        });
    }

    /// Ends the wait of a connection, with the answer it gets for that.
    pub fn end_wait(&mut self, slot: u32, answer: impl FnOnce(&mut Reply<'_>, OnTimeout)) {
        self.with_blocked(slot, |conn, _, hub, blocked| {
            let on_timeout = blocked.on_timeout;
            conn.client.extras_mut().blocked = Some(blocked);
            conn.unblock(hub);
            answer(
                &mut Reply {
                    resp3: conn.client.resp3,
                    out: &mut conn.out,
                },
                on_timeout,
            );
        });
    }

    /// Takes a blocked connection out of the hub, with its request, and puts it back.
    fn with_blocked(
        &mut self,
        slot: u32,
        run: impl FnOnce(&mut Conn, &mut Keyspace, &mut Hub, Blocked),
    ) {
        let Some(mut conn) = self.hub.conns.get_mut(slot as usize).and_then(Option::take) else {
            return;
        };
        if conn.client.is_blocked()
            && let Some(blocked) = conn.client.extras_mut().blocked.take()
        {
            conn.out.supply(&mut self.hub.spare_buffers);
            if conn.out.is_empty() {
                conn.progress_ms = self.hub.now.monotonic_ms();
            }
            run(&mut conn, self.keyspace, self.hub, blocked);
        }
        if let Some(place) = self.hub.conns.get_mut(slot as usize) {
            *place = Some(conn);
        }
        self.hub.touch(slot);
    }
}

impl Conn {
    /// Waits no longer, and goes on with its input.
    pub fn unblock(&mut self, hub: &mut Hub) {
        let slot = self.client.slot;
        if let Some(blocked) = self.client.extras_mut().blocked.take() {
            hub.waiting
                .remove(blocked.db, &blocked.keys, blocked.deadline_ms, slot);
        }
        if self.flow == Flow::Blocked {
            self.flow = Flow::Turn;
        }
    }
}

impl Conn {
    /// Undoes all that the rest of the server knows of this connection: it has gone.
    pub fn leave(&mut self, hub: &mut Hub) {
        let slot = self.client.slot;
        if self.client.extras().is_none() {
            return;
        }
        self.unblock(hub);
        let extras = self.client.extras_mut();
        hub.pubsub.remove(slot, &mut extras.subscriptions);
        for key in std::mem::take(&mut extras.watched) {
            hub.watchers.remove(key.db, &key.key, slot);
        }
        if extras.tracking.take().is_some() {
            hub.tracking.clients -= 1;
            hub.tracking.remove_prefixes(slot);
        }
        hub.monitors.retain(|known| *known != slot);
    }
}

/// Where RESP2 clients hear of keys that are not what they were.
pub(crate) const INVALIDATE_CHANNEL: &[u8] = b"__redis__:invalidate";

/// `notify-keyspace-events`: which events are published, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `K`: as `__keyspace@<db>__:<key>`.
    pub keyspace: bool,
    /// `E`: as `__keyevent@<db>__:<event>`.
    pub keyevent: bool,
    /// The letters of the classes that are published.
    classes: Vec<u8>,
}

/// The classes, in the order in which CONFIG GET shows them; `A` stands for all up to `d`.
const CLASSES: &[u8] = b"g$lshzxetdnm";
const ALL: &[u8] = b"g$lshzxetd";

impl Notify {
    /// Reads the setting; `None` when it has a letter that means nothing.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut notify = Notify::default();
        for &letter in text {
            match letter {
                b'K' => notify.keyspace = true,
                b'E' => notify.keyevent = true,
                b'A' => notify.classes.extend_from_slice(ALL),
                letter if CLASSES.contains(&letter) => notify.classes.push(letter),
                _ => return None,
            }
        }
        Some(notify)
    }

    /// Whether events of this class are published.
    pub fn wants(&self, class: Class) -> bool {
        (self.keyspace || self.keyevent) && self.classes.contains(&class.letter())
    }

    /// Whether any event is published.
    pub fn is_on(&self) -> bool {
        (self.keyspace || self.keyevent) && !self.classes.is_empty()
    }

    /// The setting as CONFIG GET shows it.
    pub fn show(&self) -> String {
        let mut text = String::new();
        let has = |letter: &u8| self.classes.contains(letter);
        if ALL.iter().all(has) {
            text.push('A');
        } else {
            text.extend(
                ALL.iter()
                    .filter(|letter| has(letter))
                    .map(|letter| *letter as char),
            );
        }
        if self.keyspace {
            text.push('K');
        }
        if self.keyevent {
            text.push('E');
        }
        text.extend(
            b"mn"
                .iter()
                .filter(|letter| has(letter))
                .map(|letter| *letter as char),
        );
        text
    }
}
