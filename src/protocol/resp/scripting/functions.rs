//! FCALL and FUNCTION: libraries of functions, which are data of the server like its keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlua::Function;

use super::eval::{What, allows_oom, count_keys, in_script, may_only_read, take_machine, with_run};
use super::machine::{Ended, Machine};
use super::state::{FunctionInfo, Library, Name, ScriptFlags, push_libraries_change};
use super::{Done, loading, payload, shebang};
use crate::glob;
use crate::hub::Gate;
use crate::protocol::Cx;
use crate::protocol::resp::{Args, CommandError, special};

/// How long the code of a library may run when it is loaded. (For one that is loaded again there is no such limit: it must
/// not depend on how fast the system is whether what was kept can be loaded.)
const LOAD_TIME_MS: u64 = 500;

/// `FCALL function numkeys [key ...] [arg ...]`
pub fn fcall(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    call(cx, args, false)
}

/// `FCALL_RO`: the same, and it may not write.
pub fn fcall_ro(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    call(cx, args, true)
}

fn call(cx: &mut Cx<'_>, args: Args<'_>, read_only: bool) -> Done {
    special::show_script(args, cx);
    let name = &args[1];
    let Some((_, function)) = cx.hub.scripting.function(name) else {
        return Err(CommandError::text("ERR Function not found"));
    };
    let flags = function.flags;
    let keys = count_keys(args, CommandError::text("ERR Bad number of keys provided"))?;
    let allows_oom = allows_oom(Some(flags), cx)?;
    let read_only = may_only_read(Some(flags), read_only)?;
    let mut machine = take_machine(cx)?;
    let what = What {
        name: Name::Function(name.into()),
        keys,
        read_only,
        allows_oom,
        load_time_ms: None,
    };
    let answered = with_run(cx, args, what, |run| machine.run_function(name, run));
    cx.hub.scripting.machine = Some(machine);
    answered
}

/// A library that was compiled and run, and is not in force yet.
struct Loaded {
    name: Vec<u8>,
    library: Library,
    functions: Vec<(FunctionInfo, Function)>,
}

/// Compiles and runs a library's code.
fn load(
    cx: &mut Cx<'_>,
    machine: &mut Machine,
    args: Args<'_>,
    code: &[u8],
) -> Result<Loaded, CommandError> {
    let (name, engine) = shebang::library(code)?;
    if !loading::is_name(&name) {
        return Err(CommandError::text(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character \
             long",
        ));
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(CommandError::err(format_args!(
            "Engine '{}' not found",
            String::from_utf8_lossy(&engine)
        )));
    }
    let load_time_ms = match cx.hub.gate {
        Gate::Loading => 0,
        _ => LOAD_TIME_MS,
    };
    let what = What {
        name: Name::Function(name.as_slice().into()),
        keys: 0,
        read_only: true,
        allows_oom: true,
        load_time_ms: Some(load_time_ms),
    };
    let mut loaded = Err(String::new());
    in_script(cx, args, what, |run| {
        loaded = machine.load_library(code, run);
        Ended::Value(mlua::Value::Nil)
    });
    let functions = loaded.map_err(CommandError::err)?;
    if functions.is_empty() {
        return Err(CommandError::text("ERR No functions registered"));
    }
    let library = Library {
        code: Arc::from(code),
        functions: functions.iter().map(|(info, _)| info.clone()).collect(),
    };
    Ok(Loaded {
        name,
        library,
        functions,
    })
}

/// The first of these functions that one of these libraries has.
fn collision<'a>(
    functions: &'a [FunctionInfo],
    mut libraries: impl Iterator<Item = &'a Library> + Clone,
) -> Option<&'a [u8]> {
    functions.iter().find_map(|function| {
        let is_there = libraries.by_ref().clone().any(|library| {
            library
                .functions
                .iter()
                .any(|known| known.name == function.name)
        });
        is_there.then_some(&*function.name)
    })
}

fn exists(function: &[u8]) -> CommandError {
    let function = String::from_utf8_lossy(function);
    CommandError::err(format_args!("Function {function} already exists"))
}

/// See [`push_libraries_change`].
fn changed(cx: &mut Cx<'_>, command: &[&[u8]]) {
    push_libraries_change(&mut cx.keyspace.changes, cx.client.db, command);
}

/// `FUNCTION LOAD [REPLACE] code`
pub fn function_load(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let last = args.len() - 1;
    let mut replace = false;
    for at in 2..last {
        if !args.is(at, "replace") {
            return Err(CommandError::err(format_args!(
                "Unknown option given: {}",
                String::from_utf8_lossy(&args[at])
            )));
        }
        replace = true;
    }
    let code = &args[last];
    let (name, _) = shebang::library(code)?;
    let is_known = cx.hub.scripting.libraries.contains_key(&name);
    let mut machine = take_machine(cx)?;
    let loaded = if is_known && !replace && loading::is_name(&name) {
        Err(CommandError::err(format_args!(
            "Library '{}' already exists",
            String::from_utf8_lossy(&name)
        )))
    } else {
        load(cx, &mut machine, args, code)
    };
    let done = loaded.and_then(|loaded| {
        let libraries = &mut cx.hub.scripting.libraries;
        let others = libraries
            .iter()
            .filter(|(known, _)| **known != loaded.name)
            .map(|(_, library)| library);
        if let Some(function) = collision(&loaded.library.functions, others) {
            return Err(exists(function));
        }
        put(libraries, &mut machine, loaded);
        Ok(())
    });
    cx.hub.scripting.machine = Some(machine);
    done?;
    changed(cx, &[b"FUNCTION", b"LOAD", b"REPLACE", code]);
    cx.reply().bulk(&name);
    Ok(())
}

/// Puts a library in force, in the place of one of the same name.
fn put(libraries: &mut BTreeMap<Vec<u8>, Library>, machine: &mut Machine, loaded: Loaded) {
    if let Some(old) = libraries.insert(loaded.name, loaded.library) {
        machine.forget_functions(old.functions.iter().map(|info| &*info.name));
    }
    machine.keep_functions(loaded.functions);
}

/// `FUNCTION DELETE library`
pub fn function_delete(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let Some(library) = cx.hub.scripting.libraries.remove(&args[2]) else {
        return Err(CommandError::text("ERR Library not found"));
    };
    if let Some(machine) = &mut cx.hub.scripting.machine {
        machine.forget_functions(library.functions.iter().map(|info| &*info.name));
    }
    changed(cx, &[b"FUNCTION", b"DELETE", &args[2]]);
    cx.reply().ok();
    Ok(())
}

/// `FUNCTION FLUSH [ASYNC | SYNC]`
pub fn function_flush(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() > 3 {
        return Err(CommandError::subcommand_arguments("FUNCTION", &args[1]));
    }
    super::check_mode(args, "FUNCTION")?;
    forget_all(cx);
    changed(cx, &[b"FUNCTION", b"FLUSH"]);
    cx.reply().ok();
    Ok(())
}

fn forget_all(cx: &mut Cx<'_>) {
    let libraries = std::mem::take(&mut cx.hub.scripting.libraries);
    if let Some(machine) = &mut cx.hub.scripting.machine {
        for library in libraries.values() {
            machine.forget_functions(library.functions.iter().map(|info| &*info.name));
        }
    }
}

/// `FUNCTION DUMP`
pub fn function_dump(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let libraries = cx.hub.scripting.libraries.values();
    let dump = payload::dump(libraries.map(|library| &*library.code));
    cx.reply().bulk(&dump);
    Ok(())
}

/// `FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]`: all of its libraries, or none.
pub fn function_restore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() > 4 {
        return Err(CommandError::subcommand_arguments("FUNCTION", &args[1]));
    }
    let (flush, replace) = match args.get(3) {
        None => (false, false),
        Some(_) if args.is(3, "append") => (false, false),
        Some(_) if args.is(3, "replace") => (false, true),
        Some(_) if args.is(3, "flush") => (true, false),
        Some(_) => {
            return Err(CommandError::text(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let codes = payload::restore(&args[2], cx.hub.limits.request_bytes_max as u64)
        .map_err(CommandError::text)?;
    let mut machine = take_machine(cx)?;
    let mut all: Vec<Loaded> = Vec::new();
    let mut failure = None;
    for code in &codes {
        match load(cx, &mut machine, args, code) {
            Ok(loaded) => {
                let before = all.iter().map(|loaded| &loaded.library);
                if all.iter().any(|known| known.name == loaded.name) {
                    failure = Some(CommandError::err(format_args!(
                        "Library '{}' already exists",
                        String::from_utf8_lossy(&loaded.name)
                    )));
                } else if let Some(function) = collision(&loaded.library.functions, before) {
                    failure = Some(exists(function));
                }
                all.push(loaded);
            }
            Err(error) => failure = Some(error),
        }
        if failure.is_some() {
            break;
        }
    }
    if failure.is_none() && !flush {
        failure = check_join(&cx.hub.scripting.libraries, &all, replace).err();
    }
    if failure.is_none() {
        if flush {
            let old = std::mem::take(&mut cx.hub.scripting.libraries);
            for library in old.values() {
                machine.forget_functions(library.functions.iter().map(|info| &*info.name));
            }
        }
        for loaded in all {
            put(&mut cx.hub.scripting.libraries, &mut machine, loaded);
        }
    }
    cx.hub.scripting.machine = Some(machine);
    if let Some(error) = failure {
        return Err(error);
    }
    let policy: &[u8] = if flush { b"FLUSH" } else { b"REPLACE" };
    changed(cx, &[b"FUNCTION", b"RESTORE", &args[2], policy]);
    cx.reply().ok();
    Ok(())
}

/// Whether libraries can be added to those that there are.
fn check_join(
    libraries: &BTreeMap<Vec<u8>, Library>,
    all: &[Loaded],
    replace: bool,
) -> Result<(), CommandError> {
    let is_replaced = |name: &Vec<u8>| all.iter().any(|loaded| loaded.name == *name);
    if !replace && let Some(name) = libraries.keys().find(|name| is_replaced(name)) {
        let name = String::from_utf8_lossy(name);
        return Err(CommandError::err(format_args!(
            "Library {name} already exists"
        )));
    }
    let others = libraries
        .iter()
        .filter(|(name, _)| !is_replaced(name))
        .map(|(_, library)| library);
    for loaded in all {
        if let Some(function) = collision(&loaded.library.functions, others.clone()) {
            return Err(exists(function));
        }
    }
    Ok(())
}

/// `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`
pub fn function_list(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (mut pattern, mut with_code) = (None, false);
    let mut at = 2;
    while let Some(option) = args.get(at) {
        if !with_code && args.is(at, "withcode") {
            with_code = true;
        } else if pattern.is_none() && args.is(at, "libraryname") {
            at += 1;
            pattern = Some(args.get(at).ok_or(CommandError::text(
                "ERR library name argument was not given",
            ))?);
        } else {
            return Err(CommandError::err(format_args!(
                "Unknown argument {}",
                String::from_utf8_lossy(option)
            )));
        }
        at += 1;
    }
    let is_wanted = |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, true));
    let found: Vec<(Vec<u8>, Library)> = cx
        .hub
        .scripting
        .libraries
        .iter()
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, library)| (name.clone(), library.clone()))
        .collect();
    let mut reply = cx.reply();
    reply.array(found.len());
    for (name, library) in found {
        reply.map(if with_code { 4 } else { 3 });
        reply.bulk(b"library_name");
        reply.bulk(&name);
        reply.bulk(b"engine");
        reply.bulk(b"LUA");
        reply.bulk(b"functions");
        reply.array(library.functions.len());
        for function in &library.functions {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&function.name);
            reply.bulk(b"description");
            match &function.description {
                Some(description) => reply.bulk(description),
                None => reply.null(),
            }
            reply.bulk(b"flags");
            let flags: Vec<&str> = ScriptFlags::NAMES
                .iter()
                .filter(|(flag, _)| function.flags.has(*flag))
                .map(|(_, name)| *name)
                .collect();
            reply.set(flags.len());
            for flag in flags {
                reply.simple(flag);
            }
        }
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(&library.code);
        }
    }
    Ok(())
}

/// `FUNCTION STATS`: the function that is running, and how many there are.
pub fn function_stats(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    let scripting = &cx.hub.scripting;
    if scripting
        .running
        .as_ref()
        .is_some_and(|running| running.name.is_script())
    {
        return Err(CommandError::text(scripting.busy_text()));
    }
    let now_us = cx
        .hub
        .clock
        .as_ref()
        .map_or(cx.hub.now.monotonic_us, |clock| clock.now().monotonic_us);
    let running = scripting.running.as_ref().map(|running| {
        let duration_ms = now_us.saturating_sub(running.started_us) / 1000;
        (
            running.name.bytes().to_vec(),
            running.request.clone(),
            duration_ms,
        )
    });
    let libraries = scripting.libraries.len();
    let count = |library: &Library| library.functions.len();
    let functions: usize = scripting.libraries.values().map(count).sum();
    let mut reply = cx.reply();
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        None => reply.null(),
        Some((name, request, duration_ms)) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&name);
            reply.bulk(b"command");
            reply.array(request.len());
            for word in &request {
                reply.bulk(word);
            }
            reply.bulk(b"duration_ms");
            reply.count(duration_ms as usize);
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.count(libraries);
    reply.bulk(b"functions_count");
    reply.count(functions);
    Ok(())
}
