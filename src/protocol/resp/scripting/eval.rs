//! EVAL, EVALSHA, SCRIPT LOAD, EXISTS and FLUSH; and how anything that is run is prepared and answered.

use std::borrow::Cow;
use std::sync::Arc;

use log::warn;
use mlua::Value;

use super::machine::{Ended, INSTRUCTIONS_PER_PULSE, Machine};
use super::run::{Run, Words};
use super::sha1::sha1_hex;
use super::state::{Name, Running, Script, ScriptFlags};
use super::{Done, convert, shebang};
use crate::buffer::Output;
use crate::protocol::Cx;
use crate::protocol::resp::{Args, CommandError, special};

const NO_SCRIPT: CommandError = CommandError::text("NOSCRIPT No matching script. Please use EVAL.");

/// `EVAL script numkeys [key ...] [arg ...]`
pub fn eval(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    eval_text(cx, args, false)
}

/// `EVAL_RO`: the same, and it may not write.
pub fn eval_ro(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    eval_text(cx, args, true)
}

/// `EVALSHA sha1 numkeys [key ...] [arg ...]`
pub fn evalsha(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    eval_known(cx, args, false)
}

/// `EVALSHA_RO`: the same, and it may not write.
pub fn evalsha_ro(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    eval_known(cx, args, true)
}

fn eval_text(cx: &mut Cx<'_>, args: Args<'_>, read_only: bool) -> Done {
    special::show_script(args, cx);
    let keys = count_keys(args, CommandError::NotInteger)?;
    let sha = sha1_hex(&args[1]);
    if !cx.hub.scripting.scripts.contains_key(&sha) {
        add_script(cx, sha, &args[1])?;
    }
    run_script(cx, args, sha, keys, read_only)
}

fn eval_known(cx: &mut Cx<'_>, args: Args<'_>, read_only: bool) -> Done {
    special::show_script(args, cx);
    let sha: [u8; 40] = args[1].try_into().map_err(|_| NO_SCRIPT)?;
    let sha = sha.map(|digit| digit.to_ascii_lowercase());
    let keys = count_keys(args, CommandError::NotInteger)?;
    if !cx.hub.scripting.scripts.contains_key(&sha) {
        return Err(NO_SCRIPT);
    }
    run_script(cx, args, sha, keys, read_only)
}

/// How many of the arguments are keys.
pub fn count_keys(args: Args<'_>, no_number: CommandError) -> Result<usize, CommandError> {
    let count = args.integer(2).map_err(|_| no_number)?;
    match usize::try_from(count) {
        Ok(count) if count <= args.len() - 3 => Ok(count),
        Ok(_) => Err(CommandError::text(
            "ERR Number of keys can't be greater than number of args",
        )),
        Err(_) => Err(CommandError::text("ERR Number of keys can't be negative")),
    }
}

/// Compiles a script, and keeps it if that worked.
fn add_script(cx: &mut Cx<'_>, sha: [u8; 40], text: &[u8]) -> Done {
    let script = Script {
        text: Arc::from(text),
        flags: shebang::script_flags(text)?,
    };
    let mut machine = take_machine(cx)?;
    let compiled = machine.compile(&sha, &script);
    cx.hub.scripting.machine = Some(machine);
    compiled.map_err(|error| {
        CommandError::err(format_args!(
            "Error compiling script (new function): {error}"
        ))
    })?;
    cx.hub.scripting.scripts.insert(sha, script);
    Ok(())
}

/// The machine, out of the hub for as long as it is used; made if there is none.
pub fn take_machine(cx: &mut Cx<'_>) -> Result<Box<Machine>, CommandError> {
    if cx.hub.scripting.running.is_some() {
        // A command of the host's own, or a host that serves others meanwhile, could get here.
        return Err(CommandError::text("ERR scripts cannot run other scripts"));
    }
    if let Some(machine) = cx.hub.scripting.machine.take() {
        return Ok(machine);
    }
    Machine::new()
        .map(Box::new)
        .map_err(|error| CommandError::err(format_args!("the machine for scripts failed: {error}")))
}

fn run_script(
    cx: &mut Cx<'_>,
    args: Args<'_>,
    sha: [u8; 40],
    keys: usize,
    read_only: bool,
) -> Done {
    let flags = cx
        .hub
        .scripting
        .scripts
        .get(&sha)
        .and_then(|script| script.flags);
    let allows_oom = allows_oom(flags, cx)?;
    let read_only = may_only_read(flags, read_only)?;
    let mut machine = take_machine(cx)?;
    let what = What {
        name: Name::Script(sha),
        keys,
        read_only,
        allows_oom,
        load_time_ms: None,
    };
    let answered = with_run(cx, args, what, |run| machine.run_script(&sha, run));
    cx.hub.scripting.machine = Some(machine);
    answered
}

/// Whether what says this of itself may not write; an error when it may, and must not.
pub fn may_only_read(flags: Option<ScriptFlags>, read_only: bool) -> Result<bool, CommandError> {
    match flags {
        Some(flags) if flags.has(ScriptFlags::NO_WRITES) => Ok(true),
        Some(_) if read_only => Err(CommandError::text(
            "ERR Can not execute a script with write flag using *_ro command.",
        )),
        _ => Ok(read_only),
    }
}

/// Whether what says this of itself may add to what there is when there is no room; an error when there is none, and it did
/// not say.
pub fn allows_oom(flags: Option<ScriptFlags>, cx: &Cx<'_>) -> Result<bool, CommandError> {
    match flags {
        Some(flags) if flags.has(ScriptFlags::ALLOW_OOM) => Ok(true),
        Some(flags) if flags.has(ScriptFlags::NO_WRITES) => Ok(true),
        Some(_) if cx.is_full() => Err(special::OUT_OF_MEMORY),
        _ => Ok(false),
    }
}

/// What is to be run.
pub struct What {
    /// What errors call it.
    pub name: Name,
    /// How many of the arguments are keys.
    pub keys: usize,
    /// It may not write.
    pub read_only: bool,
    /// It may add to what there is although there is no room.
    pub allows_oom: bool,
    /// It is the code of a library, and has so much time; 0: as much as it takes.
    pub load_time_ms: Option<u64>,
}

/// Runs something with the client that asked for it in the state that scripts see, and answers what it gave.
pub fn with_run(
    cx: &mut Cx<'_>,
    args: Args<'_>,
    what: What,
    run: impl FnOnce(&mut Run<'_>) -> Ended,
) -> Done {
    let name = what.name.clone();
    let (ended, resp3) = in_script(cx, args, what, run);
    let answered = match ended {
        Ended::Value(value) => {
            let before = cx.out.len();
            let bytes_max = cx.hub.limits.output_bytes_max;
            match convert::to_reply(&mut cx.reply(), &value, resp3, bytes_max) {
                Ok(()) => Ok(()),
                Err(error) if cx.out.len() == before => Err(CommandError::err(format_args!(
                    "Error running script: {error}"
                ))),
                Err(error) => {
                    // What has been written of it is no reply.
                    warn!("a client is dropped because of what its script gave: {error}");
                    cx.hub.stats.output_limit_disconnections += 1;
                    cx.client.doomed = true;
                    Ok(())
                }
            }
        }
        Ended::Error(error) => {
            let text = describe(&error, &name);
            cx.hub.stats.count_error(&String::from_utf8_lossy(&text));
            cx.reply().error_bytes(&text);
            Ok(())
        }
        Ended::Killed(why) => Err(CommandError::text(why)),
        Ended::Failed(error) => {
            let name = String::from_utf8_lossy(name.bytes()).into_owned();
            let error: String = error.to_string().chars().take(100).collect();
            Err(CommandError::err(format_args!(
                "Error running script {name}, {error}"
            )))
        }
    };
    // What others had to say to this client meanwhile comes behind its reply.
    if !cx.hub.scripting.messages.is_empty() {
        let messages = std::mem::take(&mut cx.hub.scripting.messages);
        cx.out.tail().extend_from_slice(&messages.to_vec());
    }
    answered
}

/// The same without the answer; also whether the script asked for RESP3.
pub fn in_script(
    cx: &mut Cx<'_>,
    args: Args<'_>,
    what: What,
    run: impl FnOnce(&mut Run<'_>) -> Ended,
) -> (Ended, bool) {
    // The time at which a script starts is the time of the turn, unless somebody wants to know how long it takes.
    let now = cx.hub.now;
    let started_us = match &cx.hub.clock {
        Some(clock) => clock.now().monotonic_us,
        None => now.monotonic_us,
    };
    cx.hub.scripting.running = Some(Running {
        name: what.name,
        wrote: false,
        killed: false,
        started_us,
        request: Vec::new(),
    });
    let before = (cx.client.db, cx.client.resp3, cx.client.last_command.take());
    cx.client.in_script = Some(before.1);
    cx.client.resp3 = false;
    let mut out = Output::default();
    out.supply(&mut cx.hub.spare_buffers);
    let mut this = Run {
        cx: Cx {
            keyspace: cx.keyspace,
            hub: cx.hub,
            client: cx.client,
            out: &mut out,
        },
        request: args,
        keys_from: 3,
        keys: what.keys,
        read_only: what.read_only,
        allows_oom: what.allows_oom,
        load_time_ms: what.load_time_ms,
        words: Words::default(),
        looked_us: 0,
        served_us: 0,
        pulses: 0,
        pace: INSTRUCTIONS_PER_PULSE,
        ended: None,
    };
    let ended = run(&mut this);
    out.clear_kept();
    out.recycle(&mut cx.hub.spare_buffers);
    let resp3 = cx.client.resp3;
    (cx.client.db, cx.client.resp3, cx.client.last_command) = before;
    cx.client.in_script = None;
    cx.hub.scripting.running = None;
    (ended, resp3)
}

/// An error of a script as a client is told it.
fn describe(error: &Value, name: &Name) -> Vec<u8> {
    let Value::Table(table) = error else {
        let text: Cow<'_, str> = match error {
            Value::String(text) => text.to_string_lossy().into(),
            _ => "execution failure".into(),
        };
        let name = String::from_utf8_lossy(name.bytes());
        let text: String = text.chars().take(100).collect();
        return format!("ERR Error running script {name}, {text}").into_bytes();
    };
    let text_of = |name: &str| match table.raw_get(name) {
        Ok(Value::String(text)) => Some(text.as_bytes().to_vec()),
        Ok(value @ (Value::Integer(_) | Value::Number(_))) => {
            crate::lua::as_number(&value).map(crate::lua::number_text)
        }
        _ => None,
    };
    let mut text = text_of("err").unwrap_or_else(|| b"ERR unknown error".to_vec());
    if let (Some(source), Some(line)) = (text_of("source"), text_of("line")) {
        text.extend_from_slice(b" script: ");
        text.extend_from_slice(name.bytes());
        text.extend_from_slice(b", on ");
        text.extend_from_slice(&source);
        text.push(b':');
        text.extend_from_slice(&line);
        text.push(b'.');
    }
    text
}

/// `SCRIPT LOAD script`
pub fn script_load(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let sha = sha1_hex(&args[2]);
    if !cx.hub.scripting.scripts.contains_key(&sha) {
        add_script(cx, sha, &args[2])?;
    }
    cx.reply().bulk(&sha);
    Ok(())
}

/// `SCRIPT EXISTS sha1 [sha1 ...]`
pub fn script_exists(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let known: Vec<bool> = args
        .iter_from(2)
        .map(|sha| {
            let sha: Option<[u8; 40]> = sha.try_into().ok();
            let sha = sha.map(|sha| sha.map(|digit| digit.to_ascii_lowercase()));
            sha.is_some_and(|sha| cx.hub.scripting.scripts.contains_key(&sha))
        })
        .collect();
    let mut reply = cx.reply();
    reply.array(known.len());
    for is_known in known {
        reply.integer(is_known.into());
    }
    Ok(())
}

/// `SCRIPT FLUSH [ASYNC | SYNC]`
pub fn script_flush(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    super::check_mode(args, "SCRIPT")?;
    cx.hub.scripting.scripts.clear();
    if let Some(machine) = &mut cx.hub.scripting.machine {
        machine.forget_scripts();
    }
    cx.reply().ok();
    Ok(())
}
