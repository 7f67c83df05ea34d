//! What the server knows of scripts besides the machine that runs them: their texts, the libraries of functions, the one
//! that is running, and what they may use.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[cfg(feature = "lua")]
use super::machine::Machine;
use crate::buffer::Output;
use crate::change::{Change, Changes, Class, Detail, Group, Target};
use crate::keyspace::Db;

/// See the module's head.
#[derive(Debug)]
pub struct Scripting {
    /// How long a script may run before others are told that the server is busy, in ms; 0: for ever.
    pub time_limit_ms: u64,
    /// Bytes of memory that all scripts together may have.
    pub memory_limit_bytes: usize,
    /// The scripts that were loaded or run, by the SHA-1 of their text in hexadecimal digits.
    pub(crate) scripts: HashMap<[u8; 40], Script>,
    /// The libraries of functions, by name.
    pub(crate) libraries: BTreeMap<Vec<u8>, Library>,
    /// The script that is running.
    pub(crate) running: Option<Running>,
    /// What the client whose script is running is told meanwhile; it comes behind the reply.
    pub(crate) messages: Output,
    /// Runs them; made when the first one is.
    #[cfg(feature = "lua")]
    pub(crate) machine: Option<Box<Machine>>,
}

impl Default for Scripting {
    fn default() -> Self {
        Scripting {
            time_limit_ms: 5000,
            memory_limit_bytes: 64 * 1024 * 1024,
            scripts: HashMap::new(),
            libraries: BTreeMap::new(),
            running: None,
            messages: Output::default(),
            #[cfg(feature = "lua")]
            machine: None,
        }
    }
}

impl Scripting {
    /// Does a step of collecting what scripts have left behind; true when more is due.
    pub(crate) fn maintain(&self) -> bool {
        #[cfg(feature = "lua")]
        return self
            .machine
            .as_ref()
            .is_some_and(|machine| machine.collect_some());
        #[cfg(not(feature = "lua"))]
        return false;
    }

    /// Bytes that the machine has for scripts and functions; 0 while it is not there, or running one.
    pub(crate) fn machine_bytes(&self) -> usize {
        #[cfg(feature = "lua")]
        return self
            .machine
            .as_ref()
            .map_or(0, |machine| machine.used_bytes());
        #[cfg(not(feature = "lua"))]
        return 0;
    }

    /// Whether [`Scripting::maintain`] has something to do.
    pub(crate) fn needs_maintenance(&self) -> bool {
        #[cfg(feature = "lua")]
        return self
            .machine
            .as_ref()
            .is_some_and(|machine| machine.has_garbage());
        #[cfg(not(feature = "lua"))]
        return false;
    }
}

/// A script that can be called by its SHA-1.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub text: Arc<[u8]>,
    /// `None`: it has no `#!` line, and may do what scripts could do before there was one.
    pub flags: Option<ScriptFlags>,
}

/// A library of functions.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    /// All of its text, the `#!` line included.
    pub code: Arc<[u8]>,
    /// In the order in which they were registered.
    pub functions: Vec<FunctionInfo>,
}

/// A function of a library.
#[derive(Clone, Debug)]
pub(crate) struct FunctionInfo {
    pub name: Vec<u8>,
    pub description: Option<Vec<u8>>,
    pub flags: ScriptFlags,
}

/// What a script says that it does, or does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScriptFlags(u8);

impl ScriptFlags {
    pub const NO_WRITES: ScriptFlags = ScriptFlags(1);
    /// In Redis's order, which is the order in which they are shown.
    pub const ALLOW_OOM: ScriptFlags = ScriptFlags(2);

    pub const NAMES: [(ScriptFlags, &'static str); 4] = [
        (ScriptFlags::NO_WRITES, "no-writes"),
        (ScriptFlags::ALLOW_OOM, "allow-oom"),
        (ScriptFlags(4), "allow-stale"),
        (ScriptFlags(8), "no-cluster"),
    ];

    /// The flag of this name, in exactly these letters.
    pub fn named(name: &[u8]) -> Option<Self> {
        let mut names = Self::NAMES.iter();
        let (flag, _) = names.find(|(_, known)| known.as_bytes() == name)?;
        Some(*flag)
    }

    /// These and those.
    pub fn with(self, other: ScriptFlags) -> Self {
        ScriptFlags(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub fn has(self, other: ScriptFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The script that is running, as other clients may ask for it.
#[derive(Debug)]
pub(crate) struct Running {
    pub name: Name,
    /// It has run a command that may write: it cannot be killed any more.
    pub wrote: bool,
    /// A client (or the host) has asked for its end.
    pub killed: bool,
    /// Monotonic.
    pub started_us: u64,
    /// The command that runs it; kept when it has run for too long.
    pub request: Vec<Vec<u8>>,
}

/// What is run.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    /// A script, by its SHA-1.
    Script([u8; 40]),
    /// A function.
    Function(Arc<[u8]>),
}

impl Name {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Name::Script(sha) => sha,
            Name::Function(name) => name,
        }
    }

    pub fn is_script(&self) -> bool {
        matches!(self, Name::Script(_))
    }
}

/// Tells that the libraries are others now, with the command that makes them so.
pub(crate) fn push_libraries_change(changes: &mut Changes, db: Db, command: &[&[u8]]) {
    changes.push(Change {
        db,
        target: Target::Nothing,
        class: Class::Generic,
        event: "",
        command,
    });
}

impl Scripting {
    /// The library that has a function of this name, and the function.
    pub(crate) fn function(&self, name: &[u8]) -> Option<(&Library, &FunctionInfo)> {
        self.libraries.values().find_map(|library| {
            let mut functions = library.functions.iter();
            let function = functions.find(|function| function.name == name)?;
            Some((library, function))
        })
    }

    /// The changes that make the libraries where there are none.
    pub(crate) fn changes(&self) -> Group {
        let mut changes = Changes::default();
        changes.listen(Detail::Commands);
        for library in self.libraries.values() {
            push_libraries_change(&mut changes, 0, &[b"FUNCTION", b"LOAD", &library.code]);
        }
        changes.take(Group::default())
    }

    /// What a client is told that may not disturb the script which is running.
    pub fn busy_text(&self) -> &'static str {
        let is_script = |running: &Running| running.name.is_script();
        if self.running.as_ref().is_none_or(is_script) {
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
        } else {
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
        }
    }
}
