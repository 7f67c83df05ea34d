#!/usr/bin/env python3
"""Fills a draft of a RESP transcript (tests/wire/README.md) with what a redis-server answers.

    redis-server --port 7390 --save '' &
    tools/fill_transcript.py 7390 draft.txt > tests/wire/resp_family.txt

A draft has no lines with '<'. Each line with '>' is sent for itself, and all that comes back on any connection is
written below it. 'clock' waits in real time. The server is emptied first: use one of your own.

What Redis 7.2 or pentad answers differently (versions, ids, absolute times) is left to the editor, and so is the
judgement of whether the draft asks the right things.
"""

import re
import select
import socket
import sys
import time

IDLE_S = 0.06


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.input = b""
        self.closed = False

    def line(self):
        line, end, rest = self.input.partition(b"\r\n")
        if not end:
            raise ValueError(f"half a reply: {self.input!r}")
        self.input = rest
        return line


def receive(connections):
    """Reads until nothing has come on any connection for a moment."""
    while True:
        by_socket = {c.socket: c for c in connections.values() if not c.closed}
        ready, _, _ = select.select(list(by_socket), [], [], IDLE_S)
        if not ready:
            return
        for sock in ready:
            try:
                data = sock.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            by_socket[sock].input += data
            by_socket[sock].closed = not data


def shown(mark, indent, prefix, content):
    """One line of a reply, as bytes if it cannot be shown as text."""
    try:
        text = content.decode()
        plain = text.isprintable() and not text.endswith(" ")
    except UnicodeDecodeError:
        plain = False
    if plain:
        blank = " " if prefix else ""
        return f"{mark}< {'  ' * indent}{prefix}{blank}{text}"
    escaped = "".join(
        {13: "\\r", 10: "\\n", 9: "\\t", 92: "\\\\"}.get(byte)
        or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
        for byte in content
    )
    end = "\\r\\n" if prefix else ""
    return f"{mark}<| {prefix}{end}{escaped}\\r\\n"


def replies(connection, mark, indent=0):
    """The lines of the next reply."""
    line = connection.line()
    kind, rest = line[:1], line[1:]
    if kind in b"$=!" and rest != b"-1":
        length = int(rest)
        content, connection.input = connection.input[:length], connection.input[length + 2 :]
        if not content:
            return [f"{mark}< {'  ' * indent}{line.decode()}", f"{mark}<"]
        return [shown(mark, indent, line.decode(), content)]
    lines = [shown(mark, indent, "", line)]
    if kind in b"*~>%" and rest != b"-1":
        count = int(rest) * (2 if kind == b"%" else 1)
        for _ in range(count):
            lines += replies(connection, mark, indent + 1)
    return lines


def unescape(text):
    return re.sub(
        rb"\\(x(..)|.)",
        lambda m: bytes([int(m[2], 16)]) if m[2] else {b"r": b"\r", b"n": b"\n", b"t": b"\t"}.get(m[1], m[1]),
        text.encode(),
    )


def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    connections = {}

    def open_connection(name):
        connections[name] = Connection(port)

    with open(path, encoding="utf-8") as draft:
        lines = draft.read().splitlines()
    emptying = Connection(port)
    emptying.socket.sendall(b"FLUSHALL\r\n")
    receive({"": emptying})
    for line in lines:
        print(line)
        words = line.split()
        sent = re.match(r"^([A-Za-z0-9]*)>(\|?)(?: (.*))?$", line)
        if sent:
            name, raw, text = sent.groups()
            data = unescape(text or "") if raw else (text or "").encode() + b"\r\n"
            connections[name].socket.sendall(data)
        elif words[:1] == ["listen"]:
            open_connection(words[3] if len(words) > 3 else "")
        elif words[:1] == ["open"]:
            open_connection(words[1] if len(words) > 1 else "")
        elif words[:1] == ["half-close"]:
            connections[words[1] if len(words) > 1 else ""].socket.shutdown(socket.SHUT_WR)
        elif words[:1] == ["close"]:
            connections.pop(words[1] if len(words) > 1 else "").socket.close()
        elif words[:1] == ["clock"]:
            time.sleep(int(words[1].strip("+ms")) / 1000)
        else:
            continue
        receive(connections)
        for name, connection in list(connections.items()):
            while connection.input:
                print("\n".join(replies(connection, name)))
            if connection.closed:
                print(f"{name}< (closed)")
                del connections[name]


main()
