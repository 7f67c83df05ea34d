#!/usr/bin/env python3
"""Writes the rows of the command table from what a running redis-server says of its commands.

Usage:
    redis-server --port 7400 --save '' &
    python3 tools/command_table.py --port 7400 --out src/protocol/resp/rows && cargo fmt

Needs redis-py, and Redis 7.0 (the reference for the rows: Debian's 7.0.15). For each group of
commands it writes <out>/<group>.rs. Rows are edited by hand from there on: the script is for
starting afresh and for showing where each text comes from. Commands that Redis 7.0 does not have
stand in ADDITIONS, in the form of the rows; whole groups of them (time series, JSON) are written
by hand.
"""

import argparse
import pathlib
import re
import sys

import redis

WIDTH = 100  # of a line of Rust source

# Redis's group -> (our file and family of handlers, the variant of `Group`)
GROUPS = {
    "string": ("string", "String"),
    "generic": ("generic", "Generic"),
    "list": ("list", "List"),
    "hash": ("hash", "Hash"),
    "set": ("set", "Set"),
    "sorted-set": ("sorted_set", "SortedSet"),
    "stream": ("stream", "Stream"),
    "bitmap": ("bitmap", "Bitmap"),
    "hyperloglog": ("hyperloglog", "HyperLogLog"),
    "geo": ("geo", "Geo"),
    "pubsub": ("pubsub", "PubSub"),
    "transactions": ("transactions", "Transactions"),
    "scripting": ("scripting", "Scripting"),
    "connection": ("connection", "Connection"),
    "server": ("server", "Server"),
    "cluster": ("cluster", "Cluster"),
}

# The ACL category a group implies; must agree with `Group::category`.
CATEGORY_OF_GROUP = {
    "string": "string",
    "generic": "keyspace",
    "list": "list",
    "hash": "hash",
    "set": "set",
    "sorted-set": "sortedset",
    "stream": "stream",
    "bitmap": "bitmap",
    "hyperloglog": "hyperloglog",
    "geo": "geo",
    "transactions": "transaction",
    "scripting": "scripting",
    "connection": "connection",
}

# What a key specification may say is done to a key, as `command::access` names it.
ACCESSES = [
    "ACCESS",
    "DELETE",
    "INCOMPLETE",
    "INSERT",
    "NOT_KEY",
    "OW",
    "RM",
    "RO",
    "RW",
    "UPDATE",
    "VARIABLE_FLAGS",
]

# Words that Rust keeps for itself.
KEYWORDS = {"move", "type"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the row files")
    options = parser.parse_args()

    rows = read_rows(options.host, options.port)
    add_rows(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    for group, (family, _) in GROUPS.items():
        chosen = [row for row in rows if row["group"] == group]
        (options.out / f"{family}.rs").write_text(file_text(family, chosen))
        print(f"{family}.rs: {len(chosen)} commands", file=sys.stderr)


# ---- reading ------------------------------------------------------------------------------------


def read_rows(host, port):
    """One dict per command, in the terms of the Rust row, sorted by name."""
    connection = redis.Connection(host=host, port=port, protocol=3, decode_responses=True)
    connection.connect()

    def ask(*words):
        connection.send_command(*words)
        return connection.read_response()

    docs = ask("COMMAND", "DOCS")
    infos = ask("COMMAND")
    return sorted((row_of(info, docs[info[0]]) for info in infos), key=lambda row: row["name"])


def row_of(info, docs):
    """The row of one command, from its COMMAND INFO and its COMMAND DOCS."""
    name, arity, flags, _, _, _, categories, tips, keys, subcommands = info
    marks = docs.get("doc_flags", [])
    flags = [flag for flag in flags if flag != "movablekeys"]
    if "syscmd" in marks:
        flags.append("system")
    deprecated = None
    if "deprecated" in marks:
        deprecated = (docs["deprecated_since"], docs["replaced_by"])
    row = {
        "name": name,
        "arity": arity,
        "flags": flags,
        "categories": explicit_categories(info, docs["group"]),
        "keys": [key_spec(spec) for spec in keys],
        "tips": list(tips),
        "since": docs["since"],
        "group": docs["group"],
        "complexity": docs.get("complexity", ""),
        "summary": docs["summary"],
        "history": [tuple(entry) for entry in docs.get("history", [])],
        "deprecated": deprecated,
        "arguments": notation(docs.get("arguments", [])),
        "subcommands": [],
    }
    for sub in sorted(subcommands, key=lambda sub: sub[0]):
        row["subcommands"].append(row_of(sub, docs["subcommands"][sub[0]]))
    return row


def explicit_categories(info, group):
    """The categories that neither the flags nor the group imply, in Redis's order."""
    flags, categories, is_container = info[2], [name[1:] for name in info[6]], bool(info[9])
    implied = {"fast" if "fast" in flags else "slow"}
    for flag, names in {
        "write": ["write"],
        "readonly": ["read"],
        "admin": ["admin", "dangerous"],
        "pubsub": ["pubsub"],
        "blocking": ["blocking"],
    }.items():
        if flag in flags:
            implied.update(names)
    own = CATEGORY_OF_GROUP.get(group)
    if own and own in categories and not is_container:
        implied.add(own)
    return [name for name in categories if name not in implied]


def key_spec(spec):
    """A key specification as a Rust expression."""
    access = " | ".join(spec["flags"]).upper()
    begin, find = spec["begin_search"], spec["find_keys"]
    at, how = begin["spec"], find["spec"]
    shape = (begin["type"], find["type"], tuple(how.values()))
    match shape:
        case ("index", "range", (0, 1, 0)):
            text = f"KeySpec::one({at['index']}, {access})"
        case ("index", "range", (last, step, 0)):
            text = f"KeySpec::range({at['index']}, {last}, {step}, {access})"
        case ("index", "keynum", (0, 1, 1)):
            text = f"KeySpec::counted({at['index']}, {access})"
        case ("keyword", "range", (0, 1, 0)):
            text = f"KeySpec::after({quoted(at['keyword'])}, {at['startfrom']}, {access})"
        case ("keyword", "range", (last, step, limit)):
            text = (
                f"KeySpec::new(Begin::Keyword({quoted(at['keyword'])}, {at['startfrom']}), "
                f"Find::Range {{ last: {last}, step: {step}, limit: {limit} }}, {access})"
            )
        case ("unknown", "unknown", ()):
            text = f"KeySpec::unknown({access})"
        case _:
            raise ValueError(f"a key specification of a new kind: {spec}")
    if "notes" in spec:
        text += f".note({wrapped(spec['notes'], 5)})"
    return text


# ---- the notation of arguments (see the head of arguments.rs) ------------------------------------


def notation(arguments):
    return " ".join(argument_text(argument) for argument in arguments)


def argument_text(argument):
    flags = set(argument.get("flags", []))
    kind, token = argument["type"], argument.get("token")
    text = ""
    if kind == "pure-token" and argument["name"] == token.lower() and "multiple_token" not in flags:
        text = token_text(token)
    else:
        if token is not None:
            text = token_text(token) + ("..." if "multiple_token" in flags else "") + "="
        text += name_text(argument["name"])
        index = argument.get("key_spec_index")
        if kind == "pure-token":
            text += ":token"
        elif kind not in ("string", "oneof", "block") and not (kind == "key" and index is not None):
            text += f":{kind}"
        if index is not None:
            text += f"@{index}"
        inner = [argument_text(inner) for inner in argument.get("arguments", [])]
        if kind == "oneof":
            text += "(" + " | ".join(inner) + ")"
        elif kind == "block":
            text += "{" + " ".join(inner) + "}"
    if "multiple" in flags:
        text += "..."
    for key, word in (("since", "since"), ("deprecated_since", "deprecated")):
        if key in argument:
            text += f" {word}={argument[key]}"
    for key, word in (("summary", "summary"), ("display_text", "display")):
        if key in argument:
            text += f" {word}='{argument[key]}'"
    return f"[{text}]" if "optional" in flags else text


def token_text(token):
    return token if re.fullmatch(r"[A-Z][A-Z0-9_-]*", token) else f"'{token}'"


def name_text(name):
    return name if re.fullmatch(r"[a-z][a-z0-9_-]*", name) else f"`{name}`"


# ---- writing ------------------------------------------------------------------------------------


def file_text(family, rows):
    tables = [table_text("pub const COMMANDS", f"The {family.replace('_', ' ')} commands.", rows)]
    for row in rows:
        if row["subcommands"]:
            what = f"The subcommands of `{row['name'].upper()}`."
            tables.append(table_text(f"const {row['name'].upper()}", what, row["subcommands"]))
    body = "\n".join(tables)
    names = ["Begin", "Command", "Find", "Group", "KeySpec", "category", "flag"]
    names = [name for name in names if name == "Command" or f"{name}::" in body]
    specs = " ".join(spec for row in every(rows) for spec in row["keys"])
    accesses = [name for name in ACCESSES if re.search(rf"[ (]{name}[ )]", specs)]
    what = f"the {family.replace('_', ' ')} commands"
    lines = [
        f"//! The rows of {what}: what each is, and which function runs it.",
        "",
        f"use super::command::{{{', '.join(names)}}};",
        f"use super::{family};",
    ]
    if accesses:
        lines.insert(2, f"use super::command::access::{{{', '.join(accesses)}}};")
    return "\n".join(lines) + "\n\n" + body


def every(rows):
    """The rows and their subcommands."""
    for row in rows:
        yield row
        yield from row["subcommands"]


def table_text(declaration, what, rows):
    lines = [f"/// {what}", f"{declaration}: &[Command] = &["]
    for row in rows:
        lines += row_lines(row)
    return "\n".join(lines + ["];", ""])


def row_lines(row):
    lines = ["    Command {"]

    def field(name, value):
        lines.append(f"        {name}: {value},")

    field("name", quoted(row["name"]))
    field("arity", row["arity"])
    if row["flags"]:
        field("flags", bits("flag", row["flags"]))
    if row["categories"]:
        field("categories", bits("category", row["categories"]))
    if row["keys"]:
        field("keys", f"&[{', '.join(row['keys'])}]")
    if row["tips"]:
        field("tips", f"&[{', '.join(quoted(tip) for tip in row['tips'])}]")
    field("since", quoted(row["since"]))
    field("group", f"Group::{GROUPS[row['group']][1]}")
    if row["complexity"]:
        field("complexity", wrapped(row["complexity"]))
    field("summary", wrapped(row["summary"]))
    if row["history"]:
        entries = [f"({quoted(since)}, {wrapped(what, 4)})" for since, what in row["history"]]
        field("history", f"&[{', '.join(entries)}]")
    if row["deprecated"]:
        since, instead = row["deprecated"]
        field("deprecated", f"Some(({quoted(since)}, {wrapped(instead)}))")
    if row["arguments"]:
        field("arguments", wrapped(row["arguments"]))
    if row["subcommands"]:
        field("subcommands", row["name"].upper())
    field("handler", handler(row))
    lines += ["        ..Command::EMPTY", "    },"]
    return lines


def handler(row):
    """The path of the function that runs a command; a container that can stand alone has one."""
    if row["subcommands"] and row["arity"] != -1:
        return "super::container"
    function = re.sub(r"[^a-z0-9]", "_", row["name"])
    return f"{GROUPS[row['group']][0]}::{function}{'_' if function in KEYWORDS else ''}"


def bits(module, names):
    return " | ".join(f"{module}::{name.upper()}" for name in names) or "0"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def wrapped(text, depth=3):
    """A string literal, broken at blanks (Rust skips the indentation) so that lines stay short."""
    room = WIDTH - 4 * depth - 3
    if len(text) + 14 <= room:
        return quoted(text)
    lines, line = [], ""
    for word in re.findall(r"(?:\| )?\S+\s*", text):
        if line and len(quoted(line + word)) > room - (14 if not lines else 0):
            lines.append(line)
            line = ""
        line += word
    lines.append(line)
    return '"' + ("\\\n" + " " * 4 * depth).join(quoted(line)[1:-1] for line in lines) + '"'


# ---- what Redis 7.0 does not have ---------------------------------------------------------------

BLANK = {
    "flags": [],
    "categories": [],
    "keys": [],
    "tips": [],
    "history": [],
    "deprecated": None,
    "arguments": "",
    "subcommands": [],
}

ADDITIONS = [
    {
        "name": "client|no-touch",
        "arity": 3,
        "flags": ["noscript", "loading", "stale"],
        "since": "7.2.0",
        "group": "connection",
        "complexity": "O(1)",
        "summary": "Sets whether this connection's commands count as a use of the keys they read.",
        "arguments": "enabled(ON | OFF)",
    },
    {
        "name": "client|setinfo",
        "arity": 4,
        "flags": ["noscript", "loading", "stale"],
        "tips": ["request_policy:all_nodes", "response_policy:all_succeeded"],
        "since": "7.2.0",
        "group": "connection",
        "complexity": "O(1)",
        "summary": "Tells the server the name or the version of the client's library.",
        "arguments": "attr(LIB-NAME=libname | LIB-VER=libver)",
    },
    {
        "name": "delete",
        "arity": -2,
        "flags": ["write"],
        "keys": ["KeySpec::range(1, -1, 1, RM | DELETE)"],
        "tips": ["request_policy:multi_shard", "response_policy:agg_sum"],
        "since": "7.2.0",
        "group": "generic",
        "complexity": "O(N) where N is the number of keys and of the elements they hold.",
        "summary": "Another name of DEL: removes keys and says how many there were.",
        "arguments": "key@0...",
    },
    {
        "name": "flush",
        "arity": 1,
        "flags": ["write"],
        "categories": ["keyspace", "dangerous"],
        "tips": ["request_policy:all_shards", "response_policy:all_succeeded"],
        "since": "7.2.0",
        "group": "server",
        "complexity": "O(N) where N is the number of keys in the selected database.",
        "summary": "Another name of FLUSHDB without arguments: empties the selected database.",
    },
    {
        "name": "waitaof",
        "arity": 4,
        "flags": ["noscript"],
        "categories": ["connection"],
        "tips": ["request_policy:all_shards", "response_policy:agg_min"],
        "since": "7.2.0",
        "group": "generic",
        "complexity": "O(1)",
        "summary": "Waits until this connection's writes are on disk, here and on replicas.",
        "arguments": "numlocal:integer numreplicas:integer timeout:integer",
    },
]


def add_rows(rows):
    for addition in ADDITIONS:
        row = BLANK | addition
        container, bar, _ = row["name"].partition("|")
        target = next(r["subcommands"] for r in rows if r["name"] == container) if bar else rows
        if all(row["name"] != other["name"] for other in target):
            target.append(row)
            target.sort(key=lambda row: row["name"])


if __name__ == "__main__":
    main()
