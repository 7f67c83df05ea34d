#!/usr/bin/env python3
"""What operations on structures cost: in pentad's process alone, and as requests to pentad and to redis-server.

usage: tools/structures.py [--max N] [--rounds N] [PENTAD [REDIS_SERVER]]

The first column is what `cargo bench --bench structures` says (it is run here), in ns per operation. The others are the server's
time on the CPU per request, from /proc, with 64 requests sent at once on one connection: reading, parsing, running, answering. Sizes
go from 10 to N elements (a million). Linux only. Prints a table in Markdown.
"""

import argparse
import datetime
import os
import pathlib
import platform
import random
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PIPELINE = 64
REQUESTS = 128_000
SIZES = [10, 1_000, 100_000, 1_000_000, 10_000_000]


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def element(number):
    return b"element:%012d" % number


# Name in benches/structures.rs -> how the key is filled (words behind the key, per element), and a request (its turn, a random
# element); with how many line ends the answer comes.
OPERATIONS = {
    "sorted set insert": (
        ("ZADD", lambda n, size: (n * 0x9E3779B9 % size, element(n))),
        lambda turn, size: (encode("ZADD", "key", random.getrandbits(32), element(random.randrange(size))), 1),
    ),
    "sorted set rank": (
        ("ZADD", lambda n, size: (n * 0x9E3779B9 % size, element(n))),
        lambda turn, size: (encode("ZRANK", "key", element(random.randrange(size))), 1),
    ),
    "list ends": (
        ("RPUSH", lambda n, size: (element(n),)),
        lambda turn, size: (
            (encode("LPOP", "key"), 2) if turn % 2 else (encode("RPUSH", "key", element(random.randrange(size))), 1)
        ),
    ),
    "hash get": (
        ("HSET", lambda n, size: (element(n), "x" * 16)),
        lambda turn, size: (encode("HGET", "key", element(random.randrange(size))), 2),
    ),
    "hash set": (
        ("HSET", lambda n, size: (element(n), "x" * 16)),
        lambda turn, size: (encode("HSET", "key", element(random.randrange(size)), "y" * 16), 1),
    ),
    "stream append": (
        ("XADD", None),
        lambda turn, size: (encode("XADD", "key", "MAXLEN", "~", size, "*", "field", element(random.randrange(size))), 2),
    ),
}


class Server:
    """A server on a port of its own, on the first CPU."""

    def __init__(self, command, port):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(self.process.pid, {0})
        deadline = time.monotonic() + 10
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port))
                break
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit(f"{command[0]} does not listen")
                time.sleep(0.02)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, requests, line_ends):
        """Sends requests at once, and waits until the answers have as many line ends as they must."""
        self.socket.sendall(requests)
        got = b""
        while line_ends > 0:
            data = self.socket.recv(1 << 20)
            if not data:
                sys.exit("the server closed the connection")
            if data.startswith(b"-") or b"\r\n-ERR" in data:
                sys.exit(f"the server answered {data[:200]!r}")
            # A line end may be cut in two.
            line_ends -= (got[-1:] + data).count(b"\r\n")
            got = data

    def cpu_ns(self):
        """Time on the CPU of all its threads."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

    def end(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()


def fill(server, operation, size):
    server.send(encode("FLUSHALL"), 1)
    command, words = operation[0]
    if words is None:
        requests = [operation[1](turn, size) for turn in range(size)]
        for at in range(0, size, PIPELINE):
            chunk = requests[at : at + PIPELINE]
            server.send(b"".join(bytes_ for bytes_, _ in chunk), sum(ends for _, ends in chunk))
        return
    for at in range(0, size, 500):
        elements = [word for n in range(at, min(at + 500, size)) for word in words(n, size)]
        server.send(encode(command, "key", *elements), 1)


def measure(server, operation, size, rounds):
    """The least of several rounds: all above it is what else the machine did."""
    fill(server, operation, size)
    least = float("inf")
    for _ in range(rounds):
        batches = []
        for at in range(0, REQUESTS, PIPELINE):
            requests = [operation[1](turn, size) for turn in range(at, at + PIPELINE)]
            batches.append((b"".join(bytes_ for bytes_, _ in requests), sum(ends for _, ends in requests)))
        before = server.cpu_ns()
        for requests, line_ends in batches:
            server.send(requests, line_ends)
        least = min(least, (server.cpu_ns() - before) / REQUESTS)
    return least


def alone(most):
    """What the bench says, by name and size."""
    env = {**os.environ, "PENTAD_STRUCTURES_MAX": str(most)}
    command = ["cargo", "bench", "--quiet", "--bench", "structures"]
    said = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = {}
    for line in said.splitlines()[1:]:
        name, size, ns = line[:20].strip(), *line[20:].split()
        rows[name, int(size)] = float(ns)
    return rows


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pentad", nargs="?", default=str(ROOT / "target/release/pentad"))
    parser.add_argument("redis", nargs="?", default="redis-server")
    parser.add_argument("--max", type=int, default=1_000_000, help="elements of the largest")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    in_process = alone(options.max)
    os.sched_setaffinity(0, {os.cpu_count() - 1})
    version = subprocess.run([options.redis, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[2]
    with tempfile.TemporaryDirectory() as folder:
        ports = free_port(), free_port()
        servers = [
            Server([options.pentad, "--listen", f"resp://127.0.0.1:{ports[0]}"], ports[0]),
            Server([options.redis, "--port", str(ports[1]), "--save", "", "--dir", folder], ports[1]),
        ]
        print(f"{datetime.date.today()}, {cpu()}, {os.cpu_count()} CPUs, redis-server {version.removeprefix('v=')}\n")
        print("| operation | elements | in process, ns | pentad, ns of CPU per request | redis-server, ns of CPU per request | ratio |")
        print("|---|--:|--:|--:|--:|--:|")
        for name, operation in OPERATIONS.items():
            for size in (size for size in SIZES if size <= options.max):
                ours, theirs = (measure(server, operation, size, options.rounds) for server in servers)
                within = in_process.get((name, size), float("nan"))
                print(f"| {name} | {size:,} | {within:.0f} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} |", flush=True)
        for server in servers:
            server.end()


def cpu():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


main()
