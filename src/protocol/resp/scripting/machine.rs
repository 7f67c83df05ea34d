//! The machine that runs scripts: what it keeps compiled, and how a script comes to its commands.
//!
//! There is one for all scripts and functions of a server, made when it is first needed. While a script runs, its
//! [`Run`] is lent to the functions of `redis`.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, Table, Value, VmState};

use super::run::{Run, RunFamily, Verdict};
use super::state::{FunctionInfo, Script};
use super::{api, loading};
use crate::lent::Lent;
use crate::lua;

/// Instructions of Lua between two looks at the clock.
pub const INSTRUCTIONS_PER_PULSE: u32 = 200;

/// See the module's head.
pub struct Machine {
    lua: Lua,
    lent: Arc<Lent<RunFamily>>,
    globals: Table,
    script_environment: Table,
    function_environment: Table,
    run: Function,
    run_function: Function,
    load_library: Function,
    /// Scripts, by the SHA-1 of their text.
    scripts: HashMap<[u8; 40], Function>,
    /// Functions, by their names.
    functions: HashMap<Vec<u8>, Function>,
    registered: loading::Registered,
    garbage: Garbage,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("scripts", &self.scripts.len())
            .field("functions", &self.functions.len())
            .finish()
    }
}

/// How a script ended.
pub enum Ended {
    /// It gave this.
    Value(Value),
    /// It raised this.
    Error(Value),
    /// Somebody ended it, with this error.
    Killed(&'static str),
    /// The machine failed.
    Failed(mlua::Error),
}

impl Machine {
    /// A new machine, which knows no scripts.
    pub fn new() -> mlua::Result<Self> {
        let lua = lua::new()?;
        let lent = Arc::new(Lent::<RunFamily>::default());
        let registered = loading::Registered::default();
        let host = lua::Host {
            redis: api::open(&lua, &lent)?,
            register_function: loading::register_function(&lua, &registered)?,
        };
        let at = Arc::clone(&lent);
        let pulse: lua::Pulse = Arc::new(move |lua| feel_pulse(lua, &at));
        let sandbox = lua::open(&lua, &host, &pulse)?;
        arm(&lua, &lent, INSTRUCTIONS_PER_PULSE)?;
        Ok(Machine {
            lent,
            globals: sandbox.raw_get("globals")?,
            script_environment: sandbox.raw_get("script_environment")?,
            function_environment: sandbox.raw_get("function_environment")?,
            run: sandbox.raw_get("run")?,
            run_function: sandbox.raw_get("run_function")?,
            load_library: sandbox.raw_get("load_library")?,
            scripts: HashMap::new(),
            functions: HashMap::new(),
            registered,
            garbage: Garbage::default(),
            lua,
        })
    }

    /// Compiles a script's text (without its `#!` line) unless it is known.
    pub fn compile(&mut self, sha: &[u8; 40], script: &Script) -> Result<(), String> {
        if self.scripts.contains_key(sha) {
            return Ok(());
        }
        let compiled = self
            .lua
            .load(super::shebang::body(&script.text))
            .set_name("@user_script")
            .set_mode(ChunkMode::Text)
            .set_environment(self.script_environment.clone())
            .into_function();
        match compiled {
            Ok(function) => {
                self.scripts.insert(*sha, function);
                Ok(())
            }
            Err(error) => Err(message(&error)),
        }
    }

    /// Forgets all scripts.
    pub fn forget_scripts(&mut self) {
        self.scripts.clear();
        self.garbage.expect();
    }

    /// Runs a compiled script with the keys and arguments of `run`.
    pub fn run_script(&mut self, sha: &[u8; 40], run: &mut Run<'_>) -> Ended {
        let Some(function) = self.scripts.get(sha) else {
            return Ended::Failed(mlua::Error::runtime("no such script"));
        };
        let prepared = self.arguments(run).and_then(|(keys, args)| {
            self.globals.raw_set("KEYS", keys)?;
            self.globals.raw_set("ARGV", args)
        });
        match prepared {
            Ok(()) => self.run_with(run, || self.run.call(function)),
            Err(error) => Ended::Failed(error),
        }
    }

    /// Runs a function of a library with the keys and arguments of `run`.
    pub fn run_function(&mut self, name: &[u8], run: &mut Run<'_>) -> Ended {
        let Some(function) = self.functions.get(name) else {
            return Ended::Failed(mlua::Error::runtime("no such function"));
        };
        match self.arguments(run) {
            Ok((keys, args)) => {
                self.run_with(run, || self.run_function.call((function, keys, args)))
            }
            Err(error) => Ended::Failed(error),
        }
    }

    fn run_with(
        &self,
        run: &mut Run<'_>,
        call: impl FnOnce() -> mlua::Result<(bool, Value)>,
    ) -> Ended {
        // What the server itself puts into the machine is not counted; what the script does is.
        let limit = run.memory_limit_bytes();
        let _ = self.lua.set_memory_limit(limit);
        let result = self.lent.lend(run, || {
            self.collect_before(limit)?;
            call()
        });
        let _ = self.lua.set_memory_limit(0);
        self.garbage.look(self.lua.used_memory(), limit);
        if run.was_paced() {
            // If this fails, the next script is looked at more often than it need be.
            let _ = arm(&self.lua, &self.lent, INSTRUCTIONS_PER_PULSE);
        }
        if let Some(why) = run.ended {
            return Ended::Killed(why);
        }
        match result {
            Ok((true, value)) => Ended::Value(value),
            Ok((false, error)) => Ended::Error(error),
            Err(error) => Ended::Failed(error),
        }
    }

    /// Collects what scripts before this one have left, if it could leave this one little room: Lua 5.1 does not collect
    /// when memory runs out, it fails. That is part of this script's time.
    fn collect_before(&self, limit_bytes: usize) -> mlua::Result<()> {
        let is_scarce = || limit_bytes > 0 && self.lua.used_memory() > limit_bytes / 2;
        while self.garbage.is_due() && is_scarce() {
            self.collect_some();
            feel_pulse(&self.lua, &self.lent)?;
        }
        Ok(())
    }

    /// Does a step of collecting what scripts have left (well below 100 us); true when more is due.
    pub fn collect_some(&self) -> bool {
        const STEPS: usize = 8;
        for _ in 0..STEPS {
            if !self.garbage.is_due() {
                return false;
            }
            // What a finalizer of a script raises is its own business; there are none in the sandbox.
            if self.lua.gc_step().unwrap_or(true) {
                self.garbage.end_cycle(self.lua.used_memory());
            }
        }
        self.garbage.is_due()
    }

    /// Bytes that all of it has, garbage included.
    pub fn used_bytes(&self) -> usize {
        self.lua.used_memory()
    }

    /// Whether [`Machine::collect_some`] has something to do.
    pub fn has_garbage(&self) -> bool {
        self.garbage.is_due()
    }

    fn arguments(&self, run: &Run<'_>) -> mlua::Result<(Table, Table)> {
        let make = |from: usize, to: usize| {
            let table = self.lua.create_table_with_capacity(to - from, 0)?;
            for at in from..to {
                let string = self.lua.create_string(&run.request[at])?;
                table.raw_set(at - from + 1, string)?;
            }
            Ok::<Table, mlua::Error>(table)
        };
        let (keys_from, args_from) = (run.keys_from, run.keys_from + run.keys);
        Ok((
            make(keys_from, args_from)?,
            make(args_from, run.request.len())?,
        ))
    }

    /// Runs the code of a library and gives the functions that it registers; they can be called only when they have been
    /// kept ([`Machine::keep_functions`]).
    pub fn load_library(
        &mut self,
        code: &[u8],
        run: &mut Run<'_>,
    ) -> Result<Vec<(FunctionInfo, Function)>, String> {
        let chunk = self
            .lua
            .load(super::shebang::body(code))
            .set_name("@user_function")
            .set_mode(ChunkMode::Text)
            .set_environment(self.function_environment.clone())
            .into_function()
            .map_err(|error| format!("Error compiling function: {}", message(&error)))?;
        loading::begin(&self.registered);
        let ended = self.run_with(run, || self.load_library.call(chunk));
        let functions = loading::end(&self.registered);
        let problem = match ended {
            Ended::Value(_) => return Ok(functions),
            Ended::Error(Value::String(text)) => format!("ERR {}", text.to_string_lossy()),
            Ended::Error(Value::Table(table)) => {
                table.raw_get::<mlua::LuaString>("err").map_or_else(
                    |_| "ERR unknown error".to_owned(),
                    |text| text.to_string_lossy(),
                )
            }
            Ended::Error(_) => "ERR unknown error".to_owned(),
            Ended::Killed(why) => why.to_owned(),
            Ended::Failed(error) => format!("ERR {}", message(&error)),
        };
        Err(format!("Error registering functions: {problem}"))
    }

    /// Takes functions in, so that they can be called.
    pub fn keep_functions(&mut self, functions: Vec<(FunctionInfo, Function)>) {
        for (info, function) in functions {
            self.functions.insert(info.name, function);
        }
    }

    /// Forgets functions.
    pub fn forget_functions<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) {
        for name in names {
            self.functions.remove(name);
        }
    }
}

/// Whether garbage is to be collected between scripts, and how far that is.
#[derive(Default)]
struct Garbage {
    /// Cycles of the collector that are to be ended.
    cycles_due: Cell<u32>,
    /// What was there after the last of them.
    kept_bytes: Cell<usize>,
}

impl Garbage {
    /// So much is there after a script, which may have left much of it behind.
    fn look(&self, used_bytes: usize, limit_bytes: usize) {
        let much_bytes = (limit_bytes / 4).max(2 * self.kept_bytes.get());
        if limit_bytes > 0 && used_bytes > much_bytes {
            self.expect();
        }
    }

    /// Something that was held is not any more.
    fn expect(&self) {
        // The cycle under way may have passed by what is garbage now.
        self.cycles_due.set(2);
    }

    fn end_cycle(&self, used_bytes: usize) {
        self.cycles_due.set(self.cycles_due.get().saturating_sub(1));
        self.kept_bytes.set(used_bytes);
    }

    fn is_due(&self) -> bool {
        self.cycles_due.get() > 0
    }
}

/// Has the hook look at the clock every `instructions` of them, in the coroutine that runs and those to come.
fn arm(lua: &Lua, lent: &Arc<Lent<RunFamily>>, instructions: u32) -> mlua::Result<()> {
    let at = Arc::clone(lent);
    let triggers = HookTriggers::new().every_nth_instruction(instructions);
    lua.set_global_hook(triggers, move |lua, _| {
        feel_pulse(lua, &at).map(|()| VmState::Continue)
    })
}

/// Looks whether the script that is running may go on.
fn feel_pulse(lua: &Lua, lent: &Arc<Lent<RunFamily>>) -> mlua::Result<()> {
    match lent.borrow(|run| run.pulse()) {
        None | Some(Verdict::GoOn) => Ok(()),
        Some(Verdict::Pace(instructions)) => arm(lua, lent, instructions),
        Some(Verdict::End(why)) => {
            // No `pcall` can go on after this: the next instruction is the next look.
            arm(lua, lent, 1)?;
            Err(mlua::Error::external(lua::Raised::Reply(why.to_owned())))
        }
    }
}

/// What Lua says is wrong, without what mlua adds to it.
fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        mlua::Error::RuntimeError(message) => lua::without_traceback(message).to_owned(),
        mlua::Error::MemoryError(_) => "not enough memory".to_owned(),
        mlua::Error::CallbackError { cause, .. } => message(cause),
        other => other
            .downcast_ref::<lua::Raised>()
            .map_or_else(|| other.to_string(), ToString::to_string),
    }
}
