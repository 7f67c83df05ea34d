//! The command table: every command there is, a file per family. What a row means is said in [`super::command`].
//!
//! The rows of commands that Redis has are written by `tools/command_table.py` from a running redis-server, so that
//! what `COMMAND` says is what clients expect.

mod bitmap;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod json;
mod list;
mod pubsub;
mod scripting;
mod server;
mod set;
mod sorted_set;
mod stream;
mod string;
mod timeseries;
mod transactions;

use super::command::Command;

/// All commands, family by family.
///
/// A `static`, for rows are told from each other by their addresses: of a constant there may be copies.
pub static FAMILIES: &[&[Command]] = &[
    bitmap::COMMANDS,
    connection::COMMANDS,
    generic::COMMANDS,
    geo::COMMANDS,
    hash::COMMANDS,
    hyperloglog::COMMANDS,
    json::COMMANDS,
    list::COMMANDS,
    pubsub::COMMANDS,
    scripting::COMMANDS,
    server::COMMANDS,
    set::COMMANDS,
    sorted_set::COMMANDS,
    stream::COMMANDS,
    string::COMMANDS,
    timeseries::COMMANDS,
    transactions::COMMANDS,
];
