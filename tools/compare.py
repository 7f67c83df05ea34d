#!/usr/bin/env python3
"""pentad beside redis-server and the I/O floor, on this machine: speed, memory, the small protocols, the tail.

usage: tools/compare.py [speed] [memory] [protocols] [tail] [--rounds N] [--cases GET,...] [--keys N] [PENTAD [REDIS_SERVER]]

Prints tables in Markdown, with the figures that the project asks of itself beside them; without a name of a table, all of them. The
servers run on the first CPU, the load on the last. They are started in turn, every round anew (A B C, A B C, ...), so that a drift of the
machine meets all alike; a figure is the median of the rounds, a ratio the ratio of medians.

speed      CPU of the server per request (user + system, from /proc), load from redis-benchmark; the floor is tools/floor.c
protocols  the same operation over pentad's five protocols, load from pentad-load
tail       open loop at half of redis-server's rate of saturation, load from pentad-load
memory     RSS: of the daemon, of a key, of an idle connection, and after most keys have gone; and the time from exec to accept

Linux; it needs redis-server and redis-benchmark, cc for the floor, and for two of the tables target/release/pentad-load.
"""

import argparse
import csv
import datetime
import io
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
LAST_CPU = os.cpu_count() - 1
VALUE_BYTES = 32


class Case:
    """A load: redis-benchmark's test, requests, pipeline, connections and keys; sizes of request and reply; what is asked."""

    def __init__(self, name, test, requests, pipeline, clients, keys, sizes, asked, filled=False):
        self.name, self.test, self.requests, self.pipeline = name, test, requests, pipeline
        self.clients, self.keys, self.sizes, self.asked, self.filled = clients, keys, sizes, asked, filled


CASES = [
    Case("GET", "get", 150_000, 1, 50, 100_000, (36, 39), 0.88, True),
    Case("SET", "set", 150_000, 1, 50, 100_000, (75, 5), 0.88),
    Case("GET, pipeline 16", "get", 1_500_000, 16, 50, 100_000, (36, 39), 0.50, True),
    Case("SET, pipeline 16", "set", 1_500_000, 16, 50, 100_000, (75, 5), 0.50),
    Case("GET, pipeline 64, 1 M keys", "get", 3_000_000, 64, 50, 1_000_000, (36, 39), 0.33, True),
    Case("SET, pipeline 64, 1 M keys", "set", 3_000_000, 64, 50, 1_000_000, (75, 5), 0.36),
    Case("PING, pipeline 16", "ping_mbulk", 1_500_000, 16, 50, 1, (14, 7), 0.40),
    Case("INCR, pipeline 16", "incr", 1_500_000, 16, 50, 100_000, (41, 5), 0.60),
    Case("LPUSH, pipeline 16", "lpush", 1_000_000, 16, 50, 100_000, (66, 9), 0.60),
    Case("HSET, pipeline 16", "hset", 1_000_000, 16, 50, 100_000, (92, 4), 0.60),
    Case("ZADD, pipeline 16", "zadd", 800_000, 16, 50, 100_000, (72, 4), 0.60),
    Case("MSET of 10, pipeline 16", "mset", 150_000, 16, 50, 100_000, (635, 5), 0.60),
    Case("LRANGE of 100, pipeline 16", "lrange_100", 60_000, 16, 50, 100_000, (43, 3906), 0.60),
    Case("GET, one client", "get", 30_000, 1, 1, 100_000, (36, 39), None, True),
]


class Server:
    """A process on the first CPU that listens on a port."""

    def __init__(self, command, port):
        self.port = port
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, {0})
        )
        while True:
            try:
                self.connect().close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > self.started + 20:
                    sys.exit(f"{command[0]} does not listen")
                time.sleep(0.0005)
        self.accepted_ms = (time.monotonic() - self.started) * 1e3

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 60)

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self):
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Peers:
    """How the servers that are compared are started."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder

    def pentad(self, scheme="resp"):
        port = free_port()
        return Server([self.options.pentad, "--listen", f"{scheme}://127.0.0.1:{port}"], port)

    def redis(self):
        port = free_port()
        return Server([self.options.redis, "--port", str(port), "--save", "", "--dir", self.folder], port)

    def floor(self, request_bytes, reply_bytes):
        port = free_port()
        return Server([f"{self.folder}/floor", str(port), str(request_bytes), str(reply_bytes)], port)


def benchmark(server, test, requests, pipeline, clients, keys):
    """redis-benchmark on the last CPU; gives its row of figures."""
    command = ["taskset", "-c", str(LAST_CPU), "redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port)]
    command += ["-t", test, "-n", str(requests), "-P", str(pipeline), "-c", str(clients), "-r", str(keys)]
    said = subprocess.run(command + ["-d", str(VALUE_BYTES), "--csv"], capture_output=True, text=True, timeout=600)
    rows = [row for row in csv.reader(io.StringIO(said.stdout)) if len(row) > 6 and row[0] != "test"]
    if not rows:
        sys.exit(f"redis-benchmark: {said.stderr[-500:] or said.stdout[-500:]}")
    # A test that needs a list fills it first, which is a row of its own.
    return {"rps": float(rows[-1][1]), "p50_ms": float(rows[-1][4]), "rows": len(rows)}


def loaded(server, case):
    """CPU of the server per request in µs, and the client's median latency in ms."""
    if case.test.startswith("lrange"):
        # What the test would push is not part of it.
        benchmark(server, "lpush", 1_000, 1, 1, 1)
        return with_command(server, case, ["LRANGE", "mylist", "0", "99"])
    before = server.cpu_s()
    row = benchmark(server, case.test, case.requests, case.pipeline, case.clients, case.keys)
    return (server.cpu_s() - before) / case.requests * 1e6, row["p50_ms"]


def fill(server, keys):
    """The keys that redis-benchmark asks for."""
    with server.connect() as one:
        for at in range(0, keys, 1000):
            send(one, [resp(b"SET", b"key:%012d" % key, b"x" * VALUE_BYTES) for key in range(at, min(at + 1000, keys))])


def with_command(server, case, words):
    command = ["taskset", "-c", str(LAST_CPU), "redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-n", str(case.requests)]
    before = server.cpu_s()
    subprocess.run(
        command + ["-P", str(case.pipeline), "-c", str(case.clients), "-q", *words], stdout=subprocess.DEVNULL, check=True, timeout=600
    )
    return (server.cpu_s() - before) / case.requests * 1e6, float("nan")


def speed(peers, options):
    floor_built = shutil.which("cc") and not subprocess.run(["cc", "-O2", "-o", f"{peers.folder}/floor", str(ROOT / "tools/floor.c")]).returncode
    chosen = [case for case in CASES if not options.cases or case.name.startswith(tuple(options.cases.split(";")))]
    got = {}
    for _ in range(options.rounds):
        for who in ["redis-server", "pentad"]:
            with peers.redis() if who == "redis-server" else peers.pentad() as server:
                for case in chosen:
                    if case.filled:
                        fill(server, case.keys)
                    got.setdefault((case.name, who), []).append(loaded(server, case))
                    print(f"{case.name}, {who}: {got[case.name, who][-1][0]:.3f} µs", file=sys.stderr)
        for case in chosen if floor_built else []:
            with peers.floor(*case.sizes) as server:
                if case.test.startswith("lrange"):
                    figures = with_command(server, case, ["LRANGE", "mylist", "0", "99"])
                else:
                    figures = loaded(server, case)
                got.setdefault((case.name, "floor"), []).append(figures)
                print(f"{case.name}, floor: {figures[0]:.3f} µs", file=sys.stderr)
    print("| CPU of the server per request, µs | redis-server | pentad | floor | pentad / redis-server | asked |")
    print("|---|--:|--:|--:|--:|--:|")
    for case in chosen:
        cpu = {who: statistics.median(c for c, _ in got.get((case.name, who), [(float("nan"), 0)])) for who in ["redis-server", "pentad", "floor"]}
        asked = f"≤ {case.asked}" if case.asked else ""
        print(
            f"| {case.name} | {cpu['redis-server']:.2f} | {cpu['pentad']:.2f} | {cpu['floor']:.2f} "
            f"| **{cpu['pentad'] / cpu['redis-server']:.2f}** | {asked} |"
        )
    one = [case for case in chosen if case.clients == 1]
    for case in one:
        ms = {who: statistics.median(p for _, p in got[case.name, who]) for who in ["redis-server", "pentad"]}
        print(f"\n{case.name}, no pipeline: median latency {ms['pentad'] * 1e3:.0f} µs, redis-server's {ms['redis-server'] * 1e3:.0f} µs (asked: not more).")
    print()


def pentad_load(*arguments):
    """Runs pentad-load on the last CPU, and gives what it writes as JSON."""
    program = ROOT / "target/release/pentad-load"
    if not program.exists():
        sys.exit("target/release/pentad-load is not there: cargo build --release --workspace")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = ["taskset", "-c", str(LAST_CPU), str(program), *arguments, "--json", file.name]
        said = subprocess.run(command, capture_output=True, text=True, timeout=600)
        text = pathlib.Path(file.name).read_text()
        if not text:
            sys.exit(f"pentad-load: {said.stderr[-500:]}")
        return json.loads(text)


# Scheme, and the operation that is the same one over RESP.
PROTOCOLS = [
    ("speicher", "set", 2.0),
    ("speicher", "get", 2.0),
    ("lab", "set", 1.3),
    ("lab", "get", 1.3),
    ("metrics", "put", 1.3),
    ("counter", "incr", 1.3),
]


def protocols(peers, options):
    """Over the connection of one protocol and of RESP in turn."""
    print("| operation | RESP, µs | this protocol, µs | ratio | asked |")
    print("|---|--:|--:|--:|--:|")
    for scheme, operation, asked in PROTOCOLS:
        cpu = {}
        for _ in range(options.rounds):
            for which in ["resp", scheme]:
                with peers.pentad(which) as server:
                    cpu.setdefault(which, []).append(raw_load(server, which, operation))
        resp, this = statistics.median(cpu["resp"]), statistics.median(cpu[scheme])
        print(f"| {scheme} {operation} | {resp:.2f} | {this:.2f} | **{this / resp:.2f}** | ≤ {asked} |", flush=True)
    print()


def resp(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def framed(text):
    return len(text).to_bytes(4, "big") + text


def raw_load(server, scheme, operation, pipeline=16, connections=50, requests=800_000):
    """Batches from ready-made bytes: CPU of the server per request in µs. What comes back is counted by bytes."""
    keys, value = [b"key:%012d" % key for key in range(2_000)], b"x" * VALUE_BYTES
    make = {
        ("resp", "set"): lambda key, n: resp(b"SET", key, value),
        ("resp", "get"): lambda key, n: resp(b"GET", key),
        ("resp", "put"): lambda key, n: resp(b"TS.ADD", key, b"%d" % (1_700_000_000 + n), b"1.5"),
        ("resp", "incr"): lambda key, n: resp(b"INCR", b"counter"),
        ("speicher", "set"): lambda key, n: framed(b'{"command":"SET","key":"%s","value":"%s"}' % (key, value)),
        ("speicher", "get"): lambda key, n: framed(b'{"command":"GET","key":"%s"}' % key),
        ("lab", "set"): lambda key, n: b"s%s:%s\r\n" % (key, value),
        ("lab", "get"): lambda key, n: b"r%s\r\n" % key,
        ("metrics", "put"): lambda key, n: b"put %s 1.5 %d\n" % (key, 1_700_000_000 + n),
        ("counter", "incr"): lambda key, n: b"INCR\n",
    }
    if operation == "get":
        exchange(server, [make[scheme, "set"](key, 0) for key in keys], 1)
    request = make[scheme, operation]
    batches = [
        b"".join(request(keys[(at + n * 7) % len(keys)], at + n) for n in range(pipeline)) for at in range(0, 64 * pipeline, pipeline)
    ]
    sockets = [server.connect() for _ in range(connections)]
    for one in sockets:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The bytes of each batch's answer: as many as come until nothing more does.
    sizes = [answered(sockets[0], batch) for batch in batches]
    before = server.cpu_s()
    turns = requests // (pipeline * connections)
    for turn in range(turns):
        for one in sockets:
            one.sendall(batches[turn % len(batches)])
        # A counter's answers grow by a digit now and then.
        for one in sockets:
            left = sizes[turn % len(batches)]
            while left > 0:
                left -= len(one.recv(1 << 16))
    used = server.cpu_s() - before
    for one in sockets:
        one.close()
    return used / (turns * pipeline * connections) * 1e6


def answered(one, batch):
    one.sendall(batch)
    one.settimeout(0.02)
    count = 0
    try:
        while True:
            count += len(one.recv(1 << 16))
    except TimeoutError:
        one.settimeout(60)
        return count


def exchange(server, requests, line_ends):
    """Sends requests in batches, and takes as many line ends as each is answered with, or (length-prefixed) anything."""
    with server.connect() as one:
        for at in range(0, len(requests), 500):
            answered(one, b"".join(requests[at : at + 500]))


def tail(peers, options):
    with peers.redis() as server:
        most = benchmark(server, "get", 300_000, 1, 50, 100_000)["rps"]
    rate = int(most / 2 // 1000 * 1000)
    got = {}
    for _ in range(options.rounds):
        for who in ["redis-server", "pentad"]:
            with peers.redis() if who == "redis-server" else peers.pentad() as server:
                arguments = ["--target", f"resp://127.0.0.1:{server.port}", "--connections", "50", "--rate", str(rate), "--duration", "10s"]
                got.setdefault(who, []).append(pentad_load(*arguments))
    print(f"Open loop, {rate:,} requests/s (half of what redis-server can):\n")
    print("| latency from the intended time of sending, µs | p50 | p99 | p99.9 |")
    print("|---|--:|--:|--:|")
    for who, runs in got.items():
        latencies = [run["total"]["latency"] for run in runs]
        values = [statistics.median(latency[at] for latency in latencies) for at in ("p50_us", "p99_us", "p99_9_us")]
        print(f"| {who} | " + " | ".join(f"{value:.0f}" for value in values) + " |")
    print()


def memory(peers, options):
    print("| memory and start | pentad | redis-server | asked of pentad |")
    print("|---|--:|--:|--:|")
    figures = {}
    for who in ["pentad", "redis-server"]:
        start = peers.pentad if who == "pentad" else peers.redis
        figures[who] = footprint(start, options)
    asked = {
        "idle daemon, MiB of RSS": "≤ 4",
        "from exec to accept, ms": "≤ 10",
        "idle connection that has spoken once, bytes": "≤ 400",
        f"overhead of a key ({options.keys:,} keys), bytes": "≤ 28",
        "the same with a TTL, bytes": "≤ 40",
        "RSS of its peak after 90 % of the keys have gone": "< 0.40",
    }
    for name, wanted in asked.items():
        ours, theirs = (figures[who][name] for who in ["pentad", "redis-server"])
        print(f"| {name} | **{ours:.3g}** | {theirs:.3g} | {wanted} |")
    print()


def footprint(start, options):
    figures = {}
    starts = []
    for _ in range(5):
        with start() as server:
            starts.append(server.accepted_ms)
    figures["from exec to accept, ms"] = statistics.median(starts)
    with start() as server:
        time.sleep(0.5)
        figures["idle daemon, MiB of RSS"] = server.rss() / (1 << 20)
        count = 9_000
        # What the first ones cost is not theirs alone.
        kept = speakers(server, 200)
        before = server.rss()
        kept += speakers(server, count)
        time.sleep(1.5)
        figures["idle connection that has spoken once, bytes"] = (server.rss() - before) / count
        for one in kept:
            one.close()
    for name, ttl in [(f"overhead of a key ({options.keys:,} keys), bytes", False), ("the same with a TTL, bytes", True)]:
        with start() as server, server.connect() as one:
            before = server.rss()
            for at in range(0, options.keys, 1000):
                words = [(b"SET", b"%016d" % key, b"x" * VALUE_BYTES) for key in range(at, min(at + 1000, options.keys))]
                send(one, [resp(*set_, b"EX", b"100000") if ttl else resp(*set_) for set_ in words])
            peak = server.rss()
            figures[name] = (peak - before) / options.keys - 16 - VALUE_BYTES
            if not ttl:
                for at in range(0, options.keys, 1000):
                    send(one, [resp(b"DEL", b"%016d" % key) for key in range(at, min(at + 1000, options.keys)) if key % 10])
                time.sleep(3)
                figures["RSS of its peak after 90 % of the keys have gone"] = server.rss() / peak
    return figures


def speakers(server, count):
    """Connections that have each said PING."""
    sockets = []
    for _ in range(count):
        one = server.connect()
        send(one, [resp(b"PING")])
        sockets.append(one)
    return sockets


def send(one, requests):
    """Sends requests at once that are answered with a line each."""
    one.sendall(b"".join(requests))
    left = len(requests)
    while left > 0:
        left -= one.recv(1 << 16).count(b"\n")


def machine(options):
    model = platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    said = subprocess.run([options.redis, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"v=(\S+)", said)
    return f"{datetime.date.today()}, {model}, {os.cpu_count()} CPUs, Linux {platform.release()}, redis-server {version[1] if version else said.strip()}"


TABLES = {"speed": speed, "memory": memory, "protocols": protocols, "tail": tail}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="speed, memory, protocols, tail; then the programs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", default="", help="beginnings of names of the speed table's rows, with ; between")
    parser.add_argument("--keys", type=int, default=3_000_000, help="keys of the memory table")
    options = parser.parse_intermixed_args()
    programs = [word for word in options.tables if word not in TABLES]
    options.pentad = programs[0] if programs else str(ROOT / "target/release/pentad")
    options.redis = programs[1] if len(programs) > 1 else "redis-server"
    chosen = [word for word in options.tables if word in TABLES] or list(TABLES)
    os.sched_setaffinity(0, {LAST_CPU})
    print(f"{machine(options)}; {options.rounds} round(s)\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            TABLES[name](Peers(options, folder), options)


main()
