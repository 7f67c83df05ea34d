#!/usr/bin/env python3
"""Writes src/protocol/resp/table/ from rows, of which it takes those whose handlers exist.

usage: tools/implemented_rows.py ROWS

ROWS is a folder with a file of rows per family: what tools/command_table.py writes from a running redis-server, and
those of tools/command_rows/, which are written by hand since Redis has no such commands. A handler exists when
src/protocol/resp/<family>.rs, or a file in the folder <family>/, has a `pub fn` (or `pub use`) of its name.

By hand since: ZRANK and ZREVRANK in sorted_set.rs take WITHSCORE, as Redis 7.2 has it.
"""
import os, re, sys
rows_folder = sys.argv[1]
main = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
R = main + "/src/protocol/resp"
fams = []
def have(fam):
    fns = set()
    for p in [f"{R}/{fam}.rs"] + ([f"{R}/{fam}/{x}" for x in os.listdir(f"{R}/{fam}")] if os.path.isdir(f"{R}/{fam}") else []):
        if os.path.exists(p):
            s = open(p).read()
            fns |= set(re.findall(r"^pub fn (\w+)", s, re.M))
            for m in re.findall(r"^    (\w+) => docs::", s, re.M): fns.add(m)
            for m in re.findall(r"^pub use [\w:]+::\{([^}]*)\};", s, re.M): fns |= {n.strip() for n in m.split(",")}
    return fns
for f in sorted(os.listdir(rows_folder)):
    fam = f[:-3]
    src = open(f"{rows_folder}/{f}").read()
    fns = have(fam)
    # split into header and const items (with doc comments)
    parts = re.split(r"(?m)^(?=///)", src)
    head, items = parts[0], parts[1:]
    blocks = {}
    order = []
    for it in items:
        m = re.search(r"(?m)^(?:pub )?const (\w+): (&\[Command\]|&str)", it)
        blocks[m.group(1)] = (m.group(2), it); order.append(m.group(1))
    out = {}
    kept_subs = {}
    def handler_ok(r):
        m = re.search(r"(?m)^        handler: (?:super::)?\w+::(\w+),$", r)
        return bool(m and m.group(1) in fns)
    def filt(name):
        it = blocks[name][1]
        pre, body = it.split("= &[\n", 1)
        body, tail = body.rsplit("];", 1)
        rows = re.split(r"(?m)^    Command \{\n", body)[1:]
        keep = []
        for r in rows:
            r = "    Command {\n" + r
            sm = re.search(r"(?m)^        subcommands: (\w+),\n", r)
            if sm:
                if sm.group(1) not in out: filt(sm.group(1))
                if kept_subs[sm.group(1)]: keep.append(r)
                elif handler_ok(r): keep.append(r.replace(sm.group(0), ""))
            elif handler_ok(r): keep.append(r)
        kept_subs[name] = len(keep)
        out[name] = pre + "= &[\n" + "".join(keep) + "];" + tail
    filt("COMMANDS")
    p = f"{R}/table/{f}"
    if not kept_subs["COMMANDS"]:
        if os.path.exists(p): os.remove(p)
        continue
    text = head
    for n in order:
        if blocks[n][0] == "&str":
            used = any(n in t for t in out.values())
            if used: text += blocks[n][1]
        elif n in out and kept_subs[n]: text += out[n]
    text = text.rstrip() + "\n"
    def prune(pattern, text):
        m = re.search(pattern, text)
        if not m: return text
        names = [n.strip() for n in m.group(1).strip("{}").split(",") if n.strip()]
        rest = text.replace(m.group(0), "")
        code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', rest, flags=re.S)
        used = [n for n in names if re.search(r"\b%s\b" % n, code)]
        line = m.group(0).replace(m.group(1), "{" + ", ".join(used) + "}") if used else ""
        return text.replace(m.group(0), line)
    text = prune(r"use super::command::access::(\{[^}]*\}|\w+);\n", text)
    text = prune(r"use super::command::(\{[^}]*\});\n", text)
    text = text.replace("use super::command", "use crate::protocol::resp::command").replace(f"use super::{fam};", f"use crate::protocol::resp::{fam};").replace("super::container", "crate::protocol::resp::container")
    open(p, "w").write(text)
    fams.append(fam)
path = f"{R}/table/mod.rs"
mod = open(path).read()
mod = re.sub(r"(mod \w+;\n)+", "".join(f"mod {f};\n" for f in fams), mod, count=1)
mod = re.sub(r"( +\w+::COMMANDS,\n)+", "".join(f"    {f}::COMMANDS,\n" for f in fams), mod, count=1)
open(path, "w").write(mod)
print(fams)
