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

/// Their rows as they are written down, from which [`COMMANDS`] is made.
const FAMILIES: &[&[Command]] = &[
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

/// All commands, family by family, and their subcommands: those of a command stand behind it. Where one stands is its
/// [`Command::number`].
pub static COMMANDS: [Command; count_all()] = number_all(&COMMANDS);

const fn count_all() -> usize {
    let mut count = 0;
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut row = 0;
        while row < FAMILIES[family].len() {
            count += 1 + FAMILIES[family][row].subcommands.len();
            row += 1;
        }
        family += 1;
    }
    count
}

/// `all` is where they are going to stand: nothing is read there, but a command's subcommands are what follows it.
const fn number_all(all: &'static [Command]) -> [Command; count_all()] {
    let mut commands = [Command::EMPTY; count_all()];
    let mut number = 0;
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut row = 0;
        while row < FAMILIES[family].len() {
            let command = FAMILIES[family][row];
            let (_, behind) = all.split_at(number + 1);
            let (subcommands, _) = behind.split_at(command.subcommands.len());
            commands[number] = Command {
                number,
                subcommands,
                ..command
            };
            number += 1;
            let mut subcommand = 0;
            while subcommand < command.subcommands.len() {
                commands[number] = Command {
                    number,
                    ..command.subcommands[subcommand]
                };
                number += 1;
                subcommand += 1;
            }
            row += 1;
        }
        family += 1;
    }
    commands
}
