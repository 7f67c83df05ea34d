//! One run of a script: the commands it calls, and whether it may go on.

use std::borrow::Cow;

use log::warn;
use mlua::{Lua, MultiValue, Value};

use super::convert;
use super::machine::INSTRUCTIONS_PER_PULSE;
use crate::buffer::Output;
use crate::engine::Engine;
use crate::hub::Hub;
use crate::keyspace::Keyspace;
use crate::lent::Family;
use crate::lua::{Raised, error_table};
use crate::number::push_f64_g17;
use crate::protocol::Cx;
use crate::protocol::resp::command::flag;
use crate::protocol::resp::{Args, CommandRef, check_gate, permit, special};

/// How long other clients wait at most, in us, while a script runs past its time.
const BUSY_TURN_INTERVAL_US: u64 = 1000;
/// Between two looks at the clock there should not be more, in us.
const SLOW_PULSE_US: u64 = 2000;
/// The shortest way between two looks, in instructions of Lua.
const SLOW_INSTRUCTIONS_PER_PULSE: u32 = 10;
/// Looks after which a script is ended that no clock can time.
const PULSES_MAX: u64 = 1_000_000;

/// A [`Run`], to be lent.
pub struct RunFamily;

impl Family for RunFamily {
    type Of<'a> = Run<'a>;
}

/// A script that is running.
pub struct Run<'a> {
    /// Everything that its commands can touch; what they answer goes into an output of its own.
    pub cx: Cx<'a>,
    /// The request that runs it.
    pub request: Args<'a>,
    /// Where its keys stand in the request, and how many there are; behind them its arguments.
    pub keys_from: usize,
    /// See `keys_from`.
    pub keys: usize,
    /// It may not write.
    pub read_only: bool,
    /// It may add to what there is although there is no room.
    pub allows_oom: bool,
    /// It is no script, but the code of a library that is loaded: it has no commands, and only so much time (0: as much
    /// as it takes).
    pub load_time_ms: Option<u64>,
    /// The arguments of the command that it calls.
    pub words: Words,
    /// When there was a look at the clock last, and when others were served last. Monotonic; 0: not yet.
    pub looked_us: u64,
    /// See `looked_us`.
    pub served_us: u64,
    /// Looks so far.
    pub pulses: u64,
    /// Instructions between two looks.
    pub pace: u32,
    /// Why it is to end.
    pub ended: Option<&'static str>,
}

/// Arguments, one behind another.
#[derive(Debug, Default)]
pub struct Words {
    bytes: Vec<u8>,
    spans: Vec<(u32, u32)>,
}

/// Whether a script may go on.
pub enum Verdict {
    /// It may.
    GoOn,
    /// It may, with another number of instructions until the next look.
    Pace(u32),
    /// It is to end, with this error.
    End(&'static str),
}

/// What a script says when somebody ended it.
pub const KILLED: &str = "ERR Script killed by user with SCRIPT KILL...";
const LOAD_TIMEOUT: &str = "ERR FUNCTION LOAD timeout";
const TOO_LONG: &str = "ERR Script killed: it ran for too long, and nobody could have ended it";

impl Run<'_> {
    /// Bytes of memory that the machine may have while it runs; 0: all there is.
    pub fn memory_limit_bytes(&self) -> usize {
        self.cx.hub.scripting.memory_limit_bytes
    }

    /// Whether the clock was not looked at at the usual pace.
    pub fn was_paced(&self) -> bool {
        self.pace != INSTRUCTIONS_PER_PULSE || self.ended.is_some()
    }

    /// `redis.call` and `redis.pcall`: the reply as a value, or the error.
    pub fn call(&mut self, lua: &Lua, values: &MultiValue, raises: bool) -> mlua::Result<Value> {
        let error = match self.run_command(values) {
            Err(text) => text,
            Ok(()) => {
                let bytes = whole(self.cx.out);
                let value = match convert::error_of(&bytes) {
                    Some(text) => Err(text),
                    None => convert::to_lua(lua, &bytes),
                };
                drop(bytes);
                self.cx.out.clear_kept();
                match value {
                    Ok(value) => return Ok(value),
                    Err(text) => text,
                }
            }
        };
        if raises {
            Err(mlua::Error::external(Raised::Reply(error.into_owned())))
        } else {
            error_table(lua, &error).map(Value::Table)
        }
    }

    /// What `redis.acl_check_cmd` is asked for: whether the command may be run; `None` when there is no such command.
    pub fn is_allowed(&mut self, values: &MultiValue) -> Result<Option<bool>, String> {
        self.words
            .fill(values, self.cx.hub.limits.request_bytes_max)
            .map_err(|text| format!("ERR {text}"))?;
        let args = self.words.args();
        let command = find(args, self.cx.hub);
        Ok(command.map(|command| permit::is_allowed(&command, args, &self.cx)))
    }

    fn run_command(&mut self, values: &MultiValue) -> Result<(), Cow<'static, str>> {
        let bytes_max = self.cx.hub.limits.request_bytes_max;
        if let Err(text) = self.words.fill(values, bytes_max) {
            return Err(text.into());
        }
        let args = self.words.args();
        let Some(command) = find(args, self.cx.hub) else {
            let text = "ERR Unknown Redis command called from script";
            self.cx.hub.stats.count_error(text);
            return Err(text.into());
        };
        let number = command.number;
        if let Err(text) = check(&command, args, self.rights(), &mut self.cx) {
            self.cx.hub.stats.count_error(&text);
            self.cx.hub.command_stats.count_rejected(number);
            return Err(text);
        }
        if command.has(flag::WRITE)
            && let Some(running) = &mut self.cx.hub.scripting.running
        {
            running.wrote = true;
        }
        self.cx.hub.stats.requests += 1;
        if self.cx.client.special || !self.cx.hub.monitors.is_empty() {
            special::run(command, args, &mut self.cx);
            return Ok(());
        }
        let handler = command.handler;
        self.cx.client.last_command = Some(command);
        let ran = handler(&mut self.cx, args);
        self.cx.hub.command_stats.count(number);
        ran.map_err(|error| {
            // Nothing was written: a handler that fails has not begun its reply.
            let text = error.to_string();
            self.cx.hub.stats.count_error(&text);
            self.cx.hub.command_stats.count_failed(number);
            text.into()
        })
    }

    fn rights(&self) -> Rights {
        Rights {
            read_only: self.read_only,
            allows_oom: self.allows_oom,
        }
    }

    /// A look at the clock: whether the script may go on, after others were served if it is time for that.
    pub fn pulse(&mut self) -> Verdict {
        if let Some(why) = self.ended {
            return Verdict::End(why);
        }
        self.pulses += 1;
        let started_us = match &self.cx.hub.scripting.running {
            Some(running) => running.started_us,
            None => self.cx.hub.now.monotonic_us,
        };
        let limit_ms = self
            .load_time_ms
            .unwrap_or(self.cx.hub.scripting.time_limit_ms);
        let Some(clock) = &self.cx.hub.clock else {
            return match self.pulses > PULSES_MAX && limit_ms > 0 {
                true => self.end(TOO_LONG),
                false => Verdict::GoOn,
            };
        };
        let now_us = clock.now().monotonic_us;
        let since_us = now_us.saturating_sub(self.looked_us.max(started_us));
        self.looked_us = now_us;
        if limit_ms > 0 && now_us.saturating_sub(started_us) >= limit_ms.saturating_mul(1000) {
            if self.load_time_ms.is_some() {
                return self.end(LOAD_TIMEOUT);
            }
            if now_us.saturating_sub(self.served_us) >= BUSY_TURN_INTERVAL_US {
                if let Some(why) = self.serve_others(now_us) {
                    return self.end(why);
                }
                let clock = self.cx.hub.clock.as_ref();
                self.served_us = clock.map_or(now_us, |clock| clock.now().monotonic_us);
                self.looked_us = self.served_us;
            }
        }
        let pace = match since_us {
            0..SLOW_PULSE_US => INSTRUCTIONS_PER_PULSE,
            _ => SLOW_INSTRUCTIONS_PER_PULSE,
        };
        if pace < self.pace || pace > self.pace && since_us < SLOW_PULSE_US / 100 {
            self.pace = pace;
            return Verdict::Pace(pace);
        }
        Verdict::GoOn
    }

    fn end(&mut self, why: &'static str) -> Verdict {
        self.ended = Some(why);
        Verdict::End(why)
    }

    /// Lets the host serve others for a moment: they are told that the server is busy. Why the script is to end, if it
    /// is.
    fn serve_others(&mut self, now_us: u64) -> Option<&'static str> {
        let hub = &mut *self.cx.hub;
        if let Some(running) = &mut hub.scripting.running
            && running.request.is_empty()
        {
            running.request = self.request.iter_from(0).map(<[u8]>::to_vec).collect();
            let elapsed_ms = now_us.saturating_sub(running.started_us) / 1000;
            warn!(
                "a script is still running after {elapsed_ms} ms: SCRIPT KILL or FUNCTION KILL ends it"
            );
        }
        let host = std::sync::Arc::clone(&hub.host);
        let aside = Aside::new(self.cx.keyspace, hub);
        let served = host.borrow(|host| aside.with(|engine| host.0.busy_turn(engine)));
        match served {
            // There is no host, or it is busy with another server's script: nobody could ever end this one.
            None => Some(TOO_LONG),
            Some(wants_end) => {
                let running = self.cx.hub.scripting.running.as_ref();
                let is_killed = running.is_some_and(|running| running.killed);
                if wants_end && running.is_some_and(|running| running.wrote) {
                    // Nobody will see how far it came: what is kept must not have half of its changes.
                    drop(self.cx.keyspace.changes.set_aside());
                    self.cx.hub.persistence.save_at_end = false;
                }
                (is_killed || wants_end).then_some(KILLED)
            }
        }
    }
}

/// Keyspace and hub as an engine, for the time in which the host serves others.
struct Aside<'a> {
    keyspace: &'a mut Keyspace,
    hub: &'a mut Hub,
}

impl<'a> Aside<'a> {
    fn new(keyspace: &'a mut Keyspace, hub: &'a mut Hub) -> Self {
        Aside { keyspace, hub }
    }

    fn with<R>(self, serve: impl FnOnce(&mut Engine) -> R) -> R {
        // For the script time stands still, and its changes are a group of their own.
        let frozen = self.hub.now;
        let group = self.keyspace.changes.set_aside();
        // What is known of the batch that the script is part of; others have batches of their own.
        let known_keys = std::mem::take(&mut self.hub.known_keys);
        self.hub.busy = true;
        let mut engine = Engine::stand_in();
        let exchange = |engine: &mut Engine, keyspace: &mut Keyspace, hub: &mut Hub| {
            std::mem::swap(&mut engine.keyspace, keyspace);
            std::mem::swap(&mut engine.hub, hub);
        };
        exchange(&mut engine, self.keyspace, self.hub);
        // A panic must not leave the stand-ins where the real ones belong.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| serve(&mut engine)));
        exchange(&mut engine, self.keyspace, self.hub);
        self.hub.busy = false;
        self.hub.now = frozen;
        self.hub.known_keys = known_keys;
        self.keyspace.set_now(frozen.unix_ms());
        self.keyspace.changes.put_back(group);
        self.keyspace.changes.listen(self.hub.wanted_detail());
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Words {
    /// Takes a command's arguments from a script: no more bytes than a request may have.
    fn fill(&mut self, values: &MultiValue, bytes_max: usize) -> Result<(), &'static str> {
        self.bytes.clear();
        self.spans.clear();
        if values.is_empty() {
            return Err("ERR Please specify at least one argument for this redis lib call");
        }
        for value in values {
            const TOO_LONG: &str = "ERR Lua redis lib command arguments are too long";
            let start = self.bytes.len();
            match value {
                Value::String(string)
                    if string.as_bytes().len() > bytes_max - start.min(bytes_max) =>
                {
                    return Err(TOO_LONG);
                }
                Value::String(string) => self.bytes.extend_from_slice(&string.as_bytes()),
                Value::Integer(integer) => push_f64_g17(&mut self.bytes, *integer as f64),
                Value::Number(number) => {
                    if number.is_nan() && number.is_sign_negative() {
                        self.bytes.push(b'-');
                    }
                    push_f64_g17(&mut self.bytes, *number);
                }
                _ => {
                    return Err("ERR Lua redis lib command arguments must be strings or integers");
                }
            }
            let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(self.bytes.len()))
            else {
                return Err(TOO_LONG);
            };
            self.spans.push((start, end));
        }
        Ok(())
    }

    fn args(&self) -> Args<'_> {
        Args {
            bytes: &self.bytes,
            spans: &self.spans,
        }
    }
}

/// What a script may do, whoever runs it.
#[derive(Clone, Copy)]
struct Rights {
    read_only: bool,
    allows_oom: bool,
}

/// Whether a script may run the command now.
fn check(
    command: &CommandRef,
    args: Args<'_>,
    rights: Rights,
    cx: &mut Cx<'_>,
) -> Result<(), Cow<'static, str>> {
    if !command.accepts(args.len()) {
        return Err("ERR Wrong number of args calling Redis command from script".into());
    }
    if command.has(flag::NOSCRIPT) {
        return Err("ERR This Redis command is not allowed from script".into());
    }
    permit::check(command, args, cx).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("NOPERM ") {
            Some(why) => format!("NOPERM ACL failure in script: {why}"),
            None => text,
        }
    })?;
    if command.has(flag::WRITE) && rights.read_only {
        return Err("ERR Write commands are not allowed from read-only scripts.".into());
    }
    if command.has(flag::DENYOOM) && !rights.allows_oom && cx.is_full() {
        // What has begun is not left half done.
        let running = cx.hub.scripting.running.as_ref();
        if !running.is_some_and(|running| running.wrote) {
            return Err(special::OUT_OF_MEMORY.to_string().into());
        }
    }
    check_gate(command, cx).map_err(|error| error.to_string().into())
}

fn find(args: Args<'_>, hub: &Hub) -> Option<CommandRef> {
    let first = [&args[0], args.get(1).unwrap_or_default()];
    hub.commands.find_request(&first[..args.len().min(2)])
}

/// All of an output at once.
fn whole(out: &Output) -> Cow<'_, [u8]> {
    let first = out.next();
    if first.len() == out.len() {
        Cow::Borrowed(first)
    } else {
        Cow::Owned(out.to_vec())
    }
}
