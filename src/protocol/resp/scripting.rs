//! The commands of scripts and functions: EVAL and its kind, SCRIPT, FCALL, FUNCTION.
//!
//! | file | idea |
//! |---|---|
//! | `state.rs` | what the server knows of scripts |
//! | `shebang.rs`, `payload.rs`, `sha1.rs` | the `#!` line, FUNCTION DUMP's form, the name of a script |
//! | `machine.rs`, `run.rs` | what runs scripts, and one run of one |
//! | `api.rs`, `loading.rs` | what scripts and libraries can ask for |
//! | `convert.rs` | replies to Lua values and back |
//!
//! Without the feature `lua` the commands are there and say so.

#[cfg(feature = "lua")]
mod api;
#[cfg(feature = "lua")]
mod convert;
#[cfg(feature = "lua")]
mod eval;
#[cfg(feature = "lua")]
mod functions;
#[cfg(feature = "lua")]
mod loading;
#[cfg(feature = "lua")]
mod machine;
#[cfg(feature = "lua")]
mod payload;
#[cfg(feature = "lua")]
mod run;
#[cfg(feature = "lua")]
mod sha1;
#[cfg(feature = "lua")]
mod shebang;
#[cfg_attr(
    not(feature = "lua"),
    expect(dead_code, reason = "only a script uses all of it")
)]
mod state;

pub use state::Scripting;

#[cfg(feature = "lua")]
pub use eval::{eval, eval_ro, evalsha, evalsha_ro, script_exists, script_flush, script_load};
#[cfg(feature = "lua")]
pub use functions::{
    fcall, fcall_ro, function_delete, function_dump, function_flush, function_list, function_load,
    function_restore, function_stats,
};

use super::{Args, CommandError};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

/// `SCRIPT KILL`
pub fn script_kill(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    kill(cx, true)
}

/// `FUNCTION KILL`
pub fn function_kill(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    kill(cx, false)
}

/// Asks for the end of the script that is running, which others can do only when it has run for too long.
fn kill(cx: &mut Cx<'_>, is_script: bool) -> Done {
    let busy_text = cx.hub.scripting.busy_text();
    let Some(running) = &mut cx.hub.scripting.running else {
        return Err(CommandError::text(
            "NOTBUSY No scripts in execution right now.",
        ));
    };
    if running.wrote {
        return Err(CommandError::text(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the \
             script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        ));
    }
    if running.name.is_script() != is_script {
        return Err(CommandError::text(busy_text));
    }
    running.killed = true;
    cx.reply().ok();
    Ok(())
}

/// There is no debugger; to say so only when one is asked for lets clients switch it off.
pub fn script_debug(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.is(2, "no") {
        cx.reply().ok();
        Ok(())
    } else if args.is(2, "yes") || args.is(2, "sync") {
        Err(CommandError::text(
            "ERR SCRIPT DEBUG is not supported: there is no debugger",
        ))
    } else {
        Err(CommandError::text("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
    }
}

pub fn script_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "DEBUG (YES|SYNC|NO)",
            "    Set the debug mode for subsequent scripts executed.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Return information about the existence of the scripts in the script cache.",
            "FLUSH [ASYNC|SYNC]",
            "    Flush the Lua scripts cache. Very dangerous on replicas.",
            "    When called without the optional mode argument, the behavior is determined",
            "    by the lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the scripts cache.",
            "    * SYNC: Synchronously flush the scripts cache.",
            "KILL",
            "    Kill the currently executing Lua script.",
            "LOAD <script>",
            "    Load a script into the scripts cache without executing it.",
            "HELP",
            "    Print this help.",
        ],
    )
}

pub fn function_help(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    super::server::help(
        cx,
        &[
            "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "LOAD [REPLACE] <FUNCTION CODE>",
            "    Create a new library with the given library name and code.",
            "DELETE <LIBRARY NAME>",
            "    Delete the given library.",
            "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            "    Return general information on all the libraries:",
            "    * Library name",
            "    * The engine used to run the Library",
            "    * Functions list",
            "    * Library code (if WITHCODE is given)",
            "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
            "STATS",
            "    Return information about the current function running:",
            "    * Function name",
            "    * Command used to run the function",
            "    * Duration in MS that the function is running",
            "    If no function is running, return nil",
            "    In addition, returns a list of available engines.",
            "KILL",
            "    Kill the current running function.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all the libraries.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the libraries.",
            "    * SYNC: Synchronously flush the libraries.",
            "DUMP",
            "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
            "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
            "    control how to handle existing libraries (default APPEND):",
            "    * FLUSH: delete all existing libraries.",
            "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
            "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
            "      libraries with the new libraries (notice that even on this option there is a chance of failure",
            "      in case of functions name collision with another library).",
            "HELP",
            "    Print this help.",
        ],
    )
}

/// SYNC and ASYNC are the same: there is not much to be freed.
#[cfg(feature = "lua")]
fn check_mode(args: Args<'_>, container: &str) -> Done {
    let is_known = match args.len() {
        2 => true,
        3 => args.is(2, "sync") || args.is(2, "async"),
        _ => false,
    };
    match is_known {
        true => Ok(()),
        false => Err(CommandError::err(format_args!(
            "{container} FLUSH only support{} SYNC|ASYNC option",
            if container == "FUNCTION" { "s" } else { "" }
        ))),
    }
}

macro_rules! without_lua {
    ($($name:ident)+) => {
        $(
            #[cfg(not(feature = "lua"))]
            pub fn $name(_: &mut Cx<'_>, _: Args<'_>) -> Done {
                Err(CommandError::text("ERR this server was built without scripts (the feature \"lua\")"))
            }
        )+
    };
}

without_lua! {
    eval eval_ro evalsha evalsha_ro script_exists script_flush script_load
    fcall fcall_ro function_delete function_dump function_flush function_list function_load function_restore
    function_stats
}

#[cfg(all(test, not(feature = "lua")))]
mod tests {
    use crate::protocol::resp::RespValue;
    use crate::{Config, Engine, Now};

    #[test]
    fn whoever_wants_a_script_run_is_told_why_it_is_not() {
        let mut engine = Engine::new(&Config::default(), Now::default());
        let mut store = engine.store();
        let requests: [&[&str]; 4] = [
            &["EVAL", "return 1", "0"],
            &["FCALL", "f", "0"],
            &["SCRIPT", "LOAD", "return 1"],
            &["FUNCTION", "LIST"],
        ];
        for request in requests {
            let error = store.execute(request.iter()).expect_err("there is no Lua");
            assert!(error.to_string().contains("without scripts"), "{error}");
        }
        assert_eq!(
            store.execute(["PING"]),
            Ok(RespValue::Simple("PONG".into()))
        );
    }
}
