#!/usr/bin/env python3
"""How long others wait while a hostile script runs: for each script, the time of answers beyond lua-time-limit.

    tools/lua_latency.py target/release/pentad [SECONDS]

A client runs the script; another asks GET every 2 ms for SECONDS (3) beyond the limit of 200 ms, and is to be told BUSY soon;
then it is killed, and the other goes on for half a second.
Needs nothing but Python. No figure of it decides a test: another program on the same core is in it too.
"""
import socket
import subprocess
import sys
import threading
import time

LIMIT_MS = 200
SCRIPTS = {
    "loop": "while true do end",
    "loop that catches": "while true do pcall(function() while true do end end) end",
    "pattern": "return string.find(string.rep('a', 60), string.rep('a?', 60) .. string.rep('a', 61))",
    "gsub": "while true do string.gsub(string.rep('a', 100000), '.-b', 'x') end",
    "rep": "while true do local s = string.rep('x', 8e6) end",
    "upper": "local s = string.rep('x', 8e6) while true do local t = string.upper(s) end",
    "reverse": "local s = string.rep('x', 8e6) while true do local t = string.reverse(s) end",
    "sort": "local t = {} for i = 1, 1e6 do t[i] = (i * 7919) % 1000003 end while true do table.sort(t) end",
    "concat": "local t = {} for i = 1, 1e5 do t[i] = 'abc' end while true do local s = table.concat(t) end",
    "..": "local s = string.rep('x', 8e6) while true do local t = s .. s end",
    "table.remove": "local t = {} for i = 1, 1e6 do t[i] = i end while true do table.remove(t, 1) table.insert(t, 1, 1) end",
    "table.insert": "local t = {} for i = 1, 9e4 do t[i] = i end while true do table.insert(t, 1, 1) t[#t] = nil end",
    "a growing table": "while true do pcall(function() local t = {} for i = 1, 1e8 do t[i] = i end end) end",
    "many tables": "local t = {} for i = 1, 4e5 do t[i] = {} end while true do collectgarbage() end",
    "loadstring": "local s = string.rep('x=1 ', 2e6) while true do loadstring(s) end",
    "sub": "local s = string.rep('x', 8e6) while true do local t = s:sub(2) end",
    "tonumber": "local s = string.rep('1', 8e6) while true do local n = tonumber(s) end",
    "format": "local s = string.rep('x', 8e6) while true do local t = string.format('%s', s) end",
    "redis.call, huge": "local s = string.rep('x', 8e6) while true do redis.call('ECHO', s) end",
    "unpack": "local t = {} for i = 1, 7000 do t[i] = i end while true do local n = select('#', unpack(t)) end",
    "garbage": "while true do local t = {} for i = 1, 1e5 do t[i] = {i} end end",
    "cjson.encode": "local t = {} for i = 1, 1e6 do t[i] = i end while true do local s = cjson.encode(t) end",
    "cjson.decode": "local s = '[' .. string.rep('{\"a\":1},', 1e5) .. '1]' while true do cjson.decode(s) end",
    "cmsgpack.pack": "local t = {} for i = 1, 1e6 do t[i] = i end while true do local s = cmsgpack.pack(t) end",
    "redis.sha1hex": "local s = string.rep('x', 8e6) while true do redis.sha1hex(s) end",
    "redis.call": "while true do redis.call('GET', 'k') end",
    "redis.call, long": "local t = {} for i = 1, 7000 do t[i] = 'k' .. i end while true do redis.call('MGET', unpack(t)) end",
}


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        words = [str(word).encode() for word in words]
        request = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self.socket.sendall(request)
        line = self.file.readline().rstrip(b"\r\n")
        if line[:1] == b"$" and line != b"$-1":
            line += self.file.read(int(line[1:]) + 2)
        return line.decode(errors="replace")


def measure(port, script, seconds):
    """Milliseconds that answers took beyond the limit, in order, and what the last was."""
    observer, runner = Client(port), Client(port)
    started = time.monotonic()
    limit = started + LIMIT_MS / 1000
    thread = threading.Thread(target=runner.ask, args=("EVAL", script, 0))
    thread.start()
    beyond, answer = [], ""
    while time.monotonic() < limit + seconds:
        sent = time.monotonic()
        answer = observer.ask("GET", "k")
        answered = time.monotonic()
        if answered > limit:
            beyond.append((answered - max(sent, limit)) * 1000)
        time.sleep(0.002)
    observer.ask("SCRIPT", "KILL")
    thread.join(60)
    # What it has left is cleared away.
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        sent = time.monotonic()
        observer.ask("GET", "k")
        beyond.append((time.monotonic() - sent) * 1000)
        time.sleep(0.002)
    return sorted(beyond), answer


def main():
    program = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3
    server = subprocess.Popen(
        [program, "--listen", "resp://127.0.0.1:0", "--log-level", "error"], stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        Client(port).ask("CONFIG", "SET", "lua-time-limit", LIMIT_MS)
        print(f"{'script':18} {'answers':>8} {'p50':>8} {'p99':>8} {'max, ms':>8}")
        for name, script in SCRIPTS.items():
            beyond, answer = measure(port, script, seconds)
            p50, p99 = beyond[len(beyond) // 2], beyond[len(beyond) * 99 // 100]
            print(f"{name:18} {len(beyond):8} {p50:8.2f} {p99:8.2f} {beyond[-1]:8.2f}  {answer[:20]}", flush=True)
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
