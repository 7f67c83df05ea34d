"""Locks and rate limits as programs build them from scripts, through a server that runs already and is empty: the locks of
redis-py, a token bucket that many take from at once, and functions.

    python3 tests/clients/locks.py PORT

Prints what came of it, so that two servers can be compared by `diff`.
"""

import sys
import threading
import time

import redis
from redis.exceptions import LockError, NoScriptError, ResponseError

PORT = int(sys.argv[1])
THREADS, TAKES = 8, 250

# Time is an argument, so that what is granted does not depend on how fast the machine is.
TOKEN_BUCKET = """
local capacity, per_second, now, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(state[1]) or capacity, tonumber(state[2]) or now
tokens = math.min(capacity, tokens + math.max(0, now - at) * per_second)
local granted = tokens >= wanted
if granted then tokens = tokens - wanted end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', math.max(now, at))
redis.call('EXPIRE', KEYS[1], math.ceil(capacity / per_second))
return {granted and 1 or 0, tostring(tokens)}
"""

LIBRARY = """#!lua name=counters
local function add(keys, args)
  local sum = 0
  for i, key in ipairs(keys) do sum = sum + redis.call('INCRBY', key, args[i] or 1) end
  return sum
end
redis.register_function('add_all', add)
redis.register_function{function_name = 'peek', flags = {'no-writes'}, callback = function(keys) return redis.call('MGET', unpack(keys)) end}
"""


def main():
    server = redis.Redis(port=PORT, decode_responses=True)
    for part in (locks, contended_lock, token_bucket, scripts, functions):
        server.flushall()
        part(server)


def outcome(call, *args):
    try:
        return call(*args)
    except (LockError, ResponseError) as error:
        return f"{type(error).__name__}: {error}"


def locks(server):
    mine, theirs = server.lock("lock", timeout=10), server.lock("lock", timeout=10, blocking=False)
    print("taken:", mine.acquire(), theirs.acquire(), mine.locked(), mine.owned(), theirs.owned())
    print("extended:", mine.extend(50), 50 < server.ttl("lock") <= 60, mine.reacquire(), server.ttl("lock") <= 10)
    print("not theirs:", outcome(theirs.release))
    server.set("lock", "somebody else")
    print("lost:", outcome(mine.release), outcome(server.lock("none").release))
    server.delete("lock")
    short = server.lock("lock", timeout=0.05)
    short.acquire()
    time.sleep(0.1)
    print("expired:", server.exists("lock"), theirs.acquire(), outcome(short.release), theirs.release())


def contended_lock(server):
    """A counter that only the lock keeps whole."""

    def work():
        mine = redis.Redis(port=PORT, decode_responses=True)
        for _ in range(20):
            with mine.lock("lock", timeout=30, sleep=0.001):
                count = int(mine.get("count") or 0)
                mine.set("count", count + 1)

    in_threads(work)
    print("counted under a lock:", server.get("count"))


def token_bucket(server):
    granted = []

    def work():
        mine = redis.Redis(port=PORT)
        bucket = mine.register_script(TOKEN_BUCKET)
        granted.extend(bucket(keys=["bucket"], args=[500, 10, second // 25, 1])[0] for second in range(TAKES))

    in_threads(work)
    print("granted:", sum(granted), "of", len(granted))
    bucket = server.register_script(TOKEN_BUCKET)
    print("later:", [bucket(keys=["bucket"], args=[500, 10, now, wanted]) for now, wanted in ((9, 1), (10, 4.5), (99, 500), (99, 1))])
    print("what is left:", server.hgetall("bucket"), 0 < server.ttl("bucket") <= 50)


def scripts(server):
    sha = server.script_load("return {KEYS[1], ARGV[1], 1.9, false, true, {1, 'x', {err = 'no'}}}")
    print("loaded:", sha, server.script_exists(sha, "0" * 40), server.evalsha(sha, 1, "k", "a"))
    print("flushed:", server.script_flush(), outcome(lambda: server.evalsha(sha, 0)))
    pipeline = server.pipeline(transaction=True)
    pipeline.set("n", 1).eval("return redis.call('INCRBY', KEYS[1], 41)", 1, "n").get("n")
    print("in a transaction:", pipeline.execute())
    print("an error:", outcome(server.eval, "return redis.call('LPUSH', KEYS[1], 1)", 1, "n"))
    try:
        server.evalsha("f" * 40, 0)
    except NoScriptError as error:
        print("unknown:", error)


def functions(server):
    server.function_flush()
    print("loaded:", server.function_load(LIBRARY), outcome(server.function_load, LIBRARY))
    print("called:", server.fcall("add_all", 2, "a", "b", 5), server.fcall_ro("peek", 2, "a", "b"))
    print("refused:", outcome(server.fcall_ro, "add_all", 1, "a"))
    names = sorted(function[1] for library in server.function_list() for function in library[5])
    print("listed:", names)
    dump = redis.Redis(port=PORT).function_dump()
    server.function_flush()
    print("restored:", server.function_restore(dump), server.fcall("add_all", 1, "a"))
    server.function_flush()


def in_threads(work):
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
