//! How a command waits for a key.
//!
//! A command that finds nothing calls [`Cx::block`]. It is run again, from the beginning, when one of its keys has
//! changed, in the order in which clients began to wait; so a handler has no state but its arguments.

use super::{Args, CommandError, CommandRef, KeptRequest, flag_pauses};
use crate::client::{Blocked, OnTimeout, Replies};
use crate::keyspace::Type;
use crate::protocol::Cx;

/// What a command waits for.
pub(super) struct Wait<'a> {
    /// The keys, any of which will do.
    pub keys: Vec<&'a [u8]>,
    /// The type that a key must have; `None`: any change will do.
    pub wants: Option<Type>,
    /// How long, in ms; `None`: for ever.
    pub timeout_ms: Option<u64>,
    /// What is answered when the time is up, or at once in a transaction.
    pub on_timeout: OnTimeout,
}

impl Cx<'_> {
    /// Lets the client wait; the handler returns right afterwards, without a reply.
    pub(super) fn block(&mut self, args: Args<'_>, wait: Wait<'_>) {
        self.block_as(args.iter_from(0), wait);
    }

    /// The same with other arguments to be run again, in which what means something else by then (the `$` of XREAD)
    /// has been replaced by what it means now.
    pub(super) fn block_as<'a>(&mut self, args: impl Iterator<Item = &'a [u8]>, wait: Wait<'_>) {
        if self.client.denies_blocking() {
            return wait.on_timeout.answer(&mut self.reply());
        }
        if let Some(blocked) = &mut self.client.extras_mut().blocked {
            // It was run again in vain, and keeps its place.
            blocked.retried = false;
            return;
        }
        let Some(command) = self.client.last_command.clone() else {
            return;
        };
        let (db, slot) = (self.client.db, self.client.slot);
        let keys: Vec<Box<[u8]>> = wait.keys.into_iter().map(Box::from).collect();
        let deadline_ms = wait
            .timeout_ms
            .map(|timeout_ms| self.hub.now.monotonic_ms().saturating_add(timeout_ms));
        self.hub.waiting.add(db, &keys, deadline_ms, slot);
        self.client.extras_mut().blocked = Some(Blocked {
            request: KeptRequest::new(command, args),
            db,
            keys,
            deadline_ms,
            on_timeout: wait.on_timeout,
            wants: wait.wants,
            retried: false,
        });
        self.refresh_interest();
    }

    /// Keeps just as much of changes as somebody wants to know.
    pub(crate) fn refresh_interest(&mut self) {
        let detail = self.hub.wanted_detail();
        self.keyspace.changes.listen(detail);
    }

    /// Whether CLIENT PAUSE lets the request wait.
    pub(super) fn is_held_up(&self, command: Option<&CommandRef>) -> bool {
        let Some(pause) = self.hub.pause else {
            return false;
        };
        self.hub.now.monotonic_ms() < pause.until_ms
            && self
                .client
                .extras()
                .is_none_or(|extras| extras.replies == Replies::On)
            && command.is_some_and(|command| flag_pauses(command, pause.writes_only, self.client))
    }
}

impl OnTimeout {
    pub(crate) fn answer(self, reply: &mut super::Reply<'_>) {
        match self {
            OnTimeout::NullArray => reply.null_array(),
            OnTimeout::Null => reply.null(),
            OnTimeout::Integer(value) => reply.integer(value),
        }
    }
}

/// A timeout in seconds, possibly with a fraction, as BLPOP takes it; 0 means for ever.
pub(super) fn parse_timeout_s(text: &[u8]) -> Result<Option<u64>, CommandError> {
    const OUT_OF_RANGE: CommandError = CommandError::text("ERR timeout is out of range");
    let seconds = crate::extended_float::ExtendedFloat::parse(text)
        .and_then(|_| crate::number::parse_f64(text))
        .ok_or(CommandError::text(
            "ERR timeout is not a float or out of range",
        ))?;
    if seconds < 0.0 {
        return Err(CommandError::text("ERR timeout is negative"));
    }
    let timeout_ms = (seconds * 1000.0).ceil();
    if timeout_ms >= i64::MAX as f64 {
        return Err(OUT_OF_RANGE);
    }
    Ok((timeout_ms > 0.0).then_some(timeout_ms as u64))
}

/// A timeout in ms, as XREAD takes it; 0 means for ever. `now_ms` is Unix time: the end must be one too.
pub(super) fn parse_timeout_ms(text: &[u8], now_ms: i64) -> Result<Option<u64>, CommandError> {
    let timeout_ms = crate::number::parse_i64(text).ok_or(CommandError::text(
        "ERR timeout is not an integer or out of range",
    ))?;
    match u64::try_from(timeout_ms) {
        Ok(0) => Ok(None),
        Ok(_) if timeout_ms > i64::MAX - now_ms.max(0) => {
            Err(CommandError::text("ERR timeout is out of range"))
        }
        Ok(timeout_ms) => Ok(Some(timeout_ms)),
        Err(_) => Err(CommandError::text("ERR timeout is negative")),
    }
}
