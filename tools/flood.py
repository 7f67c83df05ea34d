#!/usr/bin/env python3
"""How long a well-behaved client waits while others do not behave.

    tools/flood.py [--bin target/release/pentad] [--clients 10000] [--seconds 10]

Starts a daemon and measures one client that sends a PING every two milliseconds, in four phases: alone; beside CLIENTS
connections that each send a request byte by byte; beside these and a flood of connections that come and go as quickly as they
can; beside the slow ones and as many that ask for an answer of a megabyte and do not read it. Prints a row for each.
"""

import argparse
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import time


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def politely(work, *args):
    """What the others do costs this machine's CPUs as well; it must not be the scheduler that is measured."""
    os.nice(5)
    work(*args)


def be_slow(port, count, ready, stop):
    """Holds `count` connections, of which every one sends a byte of a request every five seconds."""
    clients = []
    for _ in range(count):
        client = connect(port)
        client.sendall(b"*2\r\n$4\r\nECHO\r\n$100000\r\n")
        clients.append(client)
    ready.value = len(clients)
    pause_s = 5 / max(count, 1)
    while not stop.is_set():
        begun = time.monotonic()
        for at, client in enumerate(clients):
            if stop.is_set():
                break
            client.send(b"x")
            ahead_s = begun + at * pause_s - time.monotonic()
            if ahead_s > 0.005:
                time.sleep(ahead_s)


def flood(port, made, stop):
    """Connects and goes, again and again."""
    count = 0
    while not stop.is_set():
        try:
            connect(port).close()
            count += 1
        except OSError:
            pass
        made.value = count


def be_greedy(port, count, ready, stop):
    """Asks for much, and reads nothing."""
    clients = []
    for _ in range(count):
        client = connect(port)
        client.sendall(b"GET large\r\n" * 8)
        clients.append(client)
    ready.value = len(clients)
    stop.wait()


def measure(port, seconds):
    client = connect(port)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waits = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.perf_counter()
        client.sendall(b"PING\r\n")
        assert client.recv(64) == b"+PONG\r\n"
        waits.append(time.perf_counter() - begun)
        time.sleep(0.002)
    client.close()
    return sorted(waits)


def show(name, waits, more=""):
    at = lambda share: waits[min(len(waits) - 1, int(len(waits) * share))] * 1000
    print(
        f"{name:<34} p50 {at(0.5):7.3f}  p99 {at(0.99):7.3f}  p99.9 {at(0.999):7.3f}  max {waits[-1] * 1000:8.3f} ms"
        f"  ({len(waits)} requests{more})",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="target/release/pentad")
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = min(options.clients, hard - 200)
    if clients < options.clients:
        print(f"only {clients} connections: the system allows {hard} files")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ["--listen", f"resp://127.0.0.1:{port}", "--max-clients", str(clients + 2000)]
    daemon = subprocess.Popen([options.bin, *flags], stdout=subprocess.PIPE)
    others = []

    def start(work, *args):
        other = multiprocessing.Process(target=politely, args=(work, port, *args), daemon=True)
        other.start()
        others.append(other)

    try:
        daemon.stdout.readline()
        print(f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}, {clients} slow clients")
        show("alone", measure(port, options.seconds))
        stop, ready = multiprocessing.Event(), multiprocessing.Value("i", 0)
        start(be_slow, clients, ready, stop)
        while ready.value < clients:
            time.sleep(0.1)
        show("beside slow clients", measure(port, options.seconds))
        flood_stop, made = multiprocessing.Event(), multiprocessing.Value("i", 0)
        start(flood, made, flood_stop)
        waits = measure(port, options.seconds)
        show("beside these and a connect flood", waits, f", {made.value / options.seconds:.0f} connects/s")
        flood_stop.set()
        with connect(port) as client:
            client.sendall(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$1000000\r\n" + b"x" * 1_000_000 + b"\r\n")
            assert client.recv(64) == b"+OK\r\n"
        ready.value = 0
        start(be_greedy, min(500, clients), ready, stop)
        waits = measure(port, options.seconds)
        show("beside slow and greedy clients", waits)
        stop.set()
    finally:
        for other in others:
            other.terminate()
        daemon.terminate()
        daemon.wait()


if __name__ == "__main__":
    sys.exit(main())
