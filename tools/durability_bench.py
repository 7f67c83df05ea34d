#!/usr/bin/env python3
"""Compares pentad's journal with redis-server's AOF on the same disk: CPU per SET, throughput with a sync per turn, bytes
per change, time to restart.

Usage: durability_bench.py PENTAD [DIR] [KEYS]     DIR is where both keep their files (default /tmp), KEYS of the restart.
Needs redis-server, redis-cli and redis-benchmark."""
import os, re, shutil, socket, subprocess, sys, time

PENTAD = sys.argv[1]
BASE = sys.argv[2] if len(sys.argv) > 2 else "/tmp"
KEYS = int(sys.argv[3]) if len(sys.argv) > 3 else 5_000_000


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    def __init__(self, kind, fsync, folder):
        self.kind, self.port, self.folder = kind, free_port(), folder
        os.makedirs(folder, exist_ok=True)
        if kind == "redis":
            args = ["redis-server", "--port", str(self.port), "--dir", folder, "--save", "", "--appendonly", "yes",
                    "--appendfsync", fsync, "--enable-debug-command", "yes", "--auto-aof-rewrite-percentage", "0"]
        else:
            args = [PENTAD, "--listen", f"resp://127.0.0.1:{self.port}", "--data", folder, "--fsync", fsync,
                    "--log-level", "warn"]
        self.started = time.time()
        self.process = subprocess.Popen(args, stdout=subprocess.DEVNULL)
        while b"PONG" not in self.cli("ping"):
            time.sleep(0.01)
        self.ready_s, self.ready_cpu_s = time.time() - self.started, self.cpu_s()
        if kind == "pentad":
            self.cli("config", "set", "auto-aof-rewrite-percentage", "0")

    def cli(self, *words):
        asked = subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True)
        return asked.stdout + asked.stderr

    def cpu_s(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def bytes(self):
        return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(self.folder) for name in names)

    def load(self, *args):
        """Runs redis-benchmark; gives requests a second."""
        command = ["redis-benchmark", "-p", str(self.port), "-q", *args]
        text = subprocess.run(command, capture_output=True, text=True).stdout
        return float(re.findall(r"([\d.]+) requests per second", text)[-1])

    def end(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()


def measure(kind):
    folder = os.path.join(BASE, f"durability-bench-{os.getpid()}-{kind}")
    result = {}
    try:
        server = Server(kind, "everysec", folder)
        before, count = server.cpu_s(), 1_000_000
        bytes_before = server.bytes()
        server.load("-t", "set", "-n", str(count), "-r", "100000", "-P", "16", "-d", "16")
        result["SET everysec P16, CPU us"] = (server.cpu_s() - before) * 1e6 / count
        time.sleep(1.5)
        result["bytes per SET"] = (server.bytes() - bytes_before) / count
        server.kill()
        shutil.rmtree(folder)
        server = Server(kind, "always", folder)
        result["SET always, 50 clients, 1/s"] = server.load("-t", "set", "-n", "30000", "-r", "100000", "-c", "50")
        result["the same, its CPU us"] = server.cpu_s() * 1e6 / 30000
        server.kill()
        shutil.rmtree(folder)
        server = Server(kind, "no", folder)
        server.load("-n", str(KEYS), "-P", "64", "-r", "2000000000", "set", "key:__rand_int__", "value-of-16-byte")
        keys = int(server.cli("dbsize"))
        server.kill()
        server = Server(kind, "everysec", folder)
        result[f"restart from the log, {KEYS} SETs, s"] = server.ready_s
        result["the same, CPU s"] = server.ready_cpu_s
        result["keys"] = keys
        server.cli("bgrewriteaof")
        while b"rewrite_in_progress:1" in (info := server.cli("info", "persistence")) or b"scheduled:1" in info:
            time.sleep(0.1)
        server.kill()
        server = Server(kind, "everysec", folder)
        result["restart from a snapshot, s"] = server.ready_s
        result["the same again, CPU s"] = server.ready_cpu_s
        server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result


redis, pentad = measure("redis"), measure("pentad")
print(f"{'':42}{'redis':>14}{'pentad':>14}{'ratio':>8}")
for name in redis:
    print(f"{name:42}{redis[name]:14.2f}{pentad[name]:14.2f}{pentad[name] / redis[name]:8.2f}")
