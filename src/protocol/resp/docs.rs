//! What `COMMAND` answers: the table, shown to clients.
//!
//! Each function writes one whole reply, in the shapes of Redis: sets where order has no meaning,
//! maps where names stand before values, simple strings for flags. The arity of `COMMAND`'s
//! subcommands has been checked by the time they are called. This module must not know what the
//! commands do, nor how a reply looks on the wire.

use super::CommandRef;
use super::arguments::{Argument, Kind, arguments_of};
use super::command::{Begin, Command, Find, KeySpec, Names, access, category, flag};
use super::keys::{keys_of, may_have_keys};
use super::lookup::Table;
use super::reply::Reply;
use crate::glob;

/// `COMMAND COUNT`: the number of commands, subcommands not counted.
pub fn count(reply: &mut Reply, table: &Table) {
    reply.integer(top_level(table).count() as i64);
}

/// `COMMAND` and `COMMAND INFO [name ...]`: the traits of the named commands (null for an unknown
/// one), or of all.
pub fn info(reply: &mut Reply, table: &Table, names: &[&[u8]]) {
    if names.is_empty() {
        reply.array(top_level(table).count());
        for command in top_level(table) {
            command_info(reply, command);
        }
        return;
    }
    reply.array(names.len());
    for name in names {
        match table.find_full(name) {
            Some(command) => command_info(reply, &command),
            None => reply.null(),
        }
    }
}

/// `COMMAND DOCS [name ...]`: the texts and arguments of the named commands that exist, or of all.
pub fn docs(reply: &mut Reply, table: &Table, names: &[&[u8]]) {
    let found: Vec<CommandRef> = names
        .iter()
        .filter_map(|name| table.find_full(name))
        .collect();
    let commands: Vec<&Command> = match names.is_empty() {
        true => top_level(table).collect(),
        false => found.iter().map(|command| &**command).collect(),
    };
    reply.map(commands.len());
    for command in commands {
        text(reply, command.name);
        command_docs(reply, command);
    }
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`: the full names of the
/// commands and subcommands, or of those that match. `options` is what follows `LIST`.
pub fn list(reply: &mut Reply, table: &Table, options: &[&[u8]]) {
    let is = |option: &[u8], word: &str| option.eq_ignore_ascii_case(word.as_bytes());
    match options {
        [] => names(reply, table, |_| true),
        // No command comes from a module.
        [by, filter, _] if is(by, "filterby") && is(filter, "module") => {
            names(reply, table, |_| false);
        }
        [by, filter, wanted] if is(by, "filterby") && is(filter, "aclcat") => {
            let wanted = category::by_name(wanted).unwrap_or(0);
            names(reply, table, |command| {
                command.acl_categories() & wanted != 0
            });
        }
        [by, filter, pattern] if is(by, "filterby") && is(filter, "pattern") => {
            let ignore_case = true;
            names(reply, table, |command| {
                glob::matches(pattern, command.name.as_bytes(), ignore_case)
            });
        }
        _ => reply.error("ERR syntax error"),
    }
}

/// `COMMAND GETKEYS request ...`: the keys of a request.
pub fn get_keys(reply: &mut Reply, table: &Table, request: &[&[u8]]) {
    keys(reply, table, request, |reply, key, _| reply.bulk(key));
}

/// `COMMAND GETKEYSANDFLAGS request ...`: the keys of a request, each with what is done to it.
pub fn get_keys_and_flags(reply: &mut Reply, table: &Table, request: &[&[u8]]) {
    keys(reply, table, request, |reply, key, access| {
        reply.array(2);
        reply.bulk(key);
        bits(reply, access, access::NAMES);
    });
}

fn keys(
    reply: &mut Reply,
    table: &Table,
    request: &[&[u8]],
    write: impl Fn(&mut Reply, &[u8], u32),
) {
    let Some(command) = table.find_request(request) else {
        return reply.error("ERR Invalid command specified");
    };
    if !may_have_keys(&command) {
        return reply.error("ERR The command has no key arguments");
    }
    if !command.accepts(request.len()) {
        return reply.error("ERR Invalid number of arguments specified for command");
    }
    let keys = keys_of(&command, request);
    if keys.is_empty() && !command.has(flag::NO_MANDATORY_KEYS) {
        return reply.error("ERR Invalid arguments specified for command");
    }
    reply.array(keys.len());
    for key in keys {
        write(reply, request[key.index], key.access);
    }
}

/// All commands but subcommands, which are shown with their containers.
fn top_level(table: &Table) -> impl Iterator<Item = &Command> {
    table.commands().filter(|command| !command.is_subcommand())
}

fn names(reply: &mut Reply, table: &Table, wanted: impl Fn(&Command) -> bool) {
    let commands = table.commands().filter(|command| wanted(command));
    let found: Vec<&str> = commands.map(|command| command.name).collect();
    reply.array(found.len());
    for name in found {
        text(reply, name);
    }
}

fn command_info(reply: &mut Reply, command: &Command) {
    let (first, last, step) = command.key_range();
    reply.array(10);
    text(reply, command.name);
    reply.integer(command.arity.into());
    bits(reply, command.all_flags(), flag::NAMES);
    reply.integer(first.into());
    reply.integer(last.into());
    reply.integer(step.into());
    bits(reply, command.acl_categories(), category::NAMES);
    reply.set(command.tips.len());
    for tip in command.tips {
        text(reply, tip);
    }
    reply.set(command.keys.len());
    for spec in command.keys {
        key_spec(reply, spec);
    }
    // Redis writes no subcommands as an empty set, but some as an array.
    match command.subcommands {
        [] => reply.set(0),
        subcommands => reply.array(subcommands.len()),
    }
    for subcommand in command.subcommands {
        command_info(reply, subcommand);
    }
}

fn key_spec(reply: &mut Reply, spec: &KeySpec) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        pair(reply, "notes", spec.notes);
    }
    text(reply, "flags");
    bits(reply, spec.access, access::NAMES);

    text(reply, "begin_search");
    match spec.begin {
        Begin::Index(index) => method(reply, "index", &[("index", index)]),
        Begin::Keyword(keyword, from) => {
            reply.map(2);
            pair(reply, "type", "keyword");
            text(reply, "spec");
            reply.map(2);
            pair(reply, "keyword", keyword);
            text(reply, "startfrom");
            reply.integer(from.into());
        }
        Begin::Unknown => method(reply, "unknown", &[]),
    }

    text(reply, "find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            method(
                reply,
                "range",
                &[("lastkey", last), ("keystep", step), ("limit", limit)],
            );
        }
        Find::KeyNumber {
            number,
            first,
            step,
        } => {
            let fields = [
                ("keynumidx", number),
                ("firstkey", first),
                ("keystep", step),
            ];
            method(reply, "keynum", &fields);
        }
        Find::Unknown => method(reply, "unknown", &[]),
    }
}

/// How keys are found, and the numbers that go with it.
fn method(reply: &mut Reply, name: &str, fields: &[(&str, i32)]) {
    reply.map(2);
    pair(reply, "type", name);
    text(reply, "spec");
    reply.map(fields.len());
    for (name, value) in fields {
        text(reply, name);
        reply.integer((*value).into());
    }
}

fn command_docs(reply: &mut Reply, command: &Command) {
    let arguments = arguments_of(command);
    let is_system = command.has(flag::SYSTEM);
    let (deprecated_since, replaced_by) = command.deprecated.unwrap_or_default();
    let texts_before = [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group.name()),
        ("complexity", command.complexity),
    ];
    let texts_after = [
        ("deprecated_since", deprecated_since),
        ("replaced_by", replaced_by),
    ];
    let marks = [
        ("deprecated", command.deprecated.is_some()),
        ("syscmd", is_system),
    ];

    let has_marks = marks.iter().any(|(_, set)| *set);
    let optional = [
        has_marks,
        !command.history.is_empty(),
        !arguments.is_empty(),
        !command.subcommands.is_empty(),
    ];
    let texts = texts_before
        .iter()
        .chain(&texts_after)
        .filter(|(_, value)| !value.is_empty());
    reply.map(texts.count() + optional.iter().filter(|present| **present).count());

    pairs(reply, &texts_before);
    if has_marks {
        text(reply, "doc_flags");
        labels(reply, &marks);
    }
    pairs(reply, &texts_after);
    if !command.history.is_empty() {
        text(reply, "history");
        reply.set(command.history.len());
        for (version, change) in command.history {
            reply.array(2);
            text(reply, version);
            text(reply, change);
        }
    }
    if !arguments.is_empty() {
        text(reply, "arguments");
        argument_list(reply, &arguments);
    }
    if !command.subcommands.is_empty() {
        text(reply, "subcommands");
        reply.map(command.subcommands.len());
        for subcommand in command.subcommands {
            text(reply, subcommand.name);
            command_docs(reply, subcommand);
        }
    }
}

fn argument_list(reply: &mut Reply, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        argument_docs(reply, argument);
    }
}

fn argument_docs(reply: &mut Reply, argument: &Argument) {
    let is_nested = matches!(argument.kind, Kind::OneOf | Kind::Block);
    let texts = [
        ("summary", argument.summary),
        ("since", argument.since),
        ("deprecated_since", argument.deprecated_since),
    ];
    let marks = [
        ("optional", argument.optional),
        ("multiple", argument.multiple),
        ("multiple_token", argument.multiple_token),
    ];
    let has_marks = marks.iter().any(|(_, set)| *set);
    let optional = [
        !argument.display.is_empty(),
        argument.key_spec.is_some(),
        argument.token.is_some(),
        has_marks,
        is_nested,
    ];
    let fields = optional.iter().filter(|present| **present).count()
        + texts.iter().filter(|(_, value)| !value.is_empty()).count();
    reply.map(2 + fields);

    pair(reply, "name", &argument.name);
    pair(reply, "type", argument.kind.name());
    pairs(reply, &[("display_text", argument.display)]);
    if let Some(number) = argument.key_spec {
        text(reply, "key_spec_index");
        reply.integer(number.into());
    }
    if let Some(token) = argument.token {
        pair(reply, "token", token);
    }
    pairs(reply, &texts);
    if has_marks {
        text(reply, "flags");
        labels(reply, &marks);
    }
    if is_nested {
        text(reply, "arguments");
        argument_list(reply, &argument.inner);
    }
}

/// The names of the bits that are set.
fn bits(reply: &mut Reply, set: u32, names: &Names) {
    let present = || names.iter().filter(|(bit, _)| set & bit != 0);
    reply.set(present().count());
    for (_, name) in present() {
        reply.simple(name);
    }
}

/// The labels that apply.
fn labels(reply: &mut Reply, labels: &[(&str, bool)]) {
    let present = || labels.iter().filter(|(_, set)| *set);
    reply.set(present().count());
    for (name, _) in present() {
        reply.simple(name);
    }
}

/// Names and texts, but no empty text.
fn pairs(reply: &mut Reply, pairs: &[(&str, &str)]) {
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        pair(reply, name, value);
    }
}

fn pair(reply: &mut Reply, name: &str, value: &str) {
    text(reply, name);
    text(reply, value);
}

fn text(reply: &mut Reply, text: &str) {
    reply.bulk(text.as_bytes());
}
