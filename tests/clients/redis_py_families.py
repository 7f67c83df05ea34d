"""What programs do with every family of commands through redis-py, against a server that runs already and is empty.

    python3 tests/clients/redis_py_families.py PORT

Every result is printed, so that two servers can be compared by `diff`. What depends on the server's own order, time or numbers
is sorted or left out before. Each idiom is run with RESP2 and RESP3, with redis-py's own parser and with hiredis (if it is
installed), and those that are the same to asyncio are run with that, too. To add one, write a function whose name begins with
`idiom_`; it yields its results. `await` is left to the runner: an idiom yields the calls themselves.
"""

import asyncio
import contextlib
import inspect
import sys
import threading
import time

import redis
import redis.asyncio
from redis._parsers import _AsyncHiredisParser, _AsyncRESP2Parser, _AsyncRESP3Parser
from redis._parsers import _HiredisParser, _RESP2Parser, _RESP3Parser

PORT = int(sys.argv[1])

try:
    import hiredis  # noqa: F401

    PARSERS = ("plain", "hiredis")
except ImportError:
    PARSERS = ("plain",)


def in_order(value):
    """A value whose order means nothing, in one that does."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value, key=repr)}
    if isinstance(value, (set, frozenset, list, tuple)):
        return sorted(value, key=repr)
    return value


# ---- idioms ---------------------------------------------------------------------------------------
# Each yields (what is done with the reply, the call); a bare call's reply is shown as it is.


def idiom_strings(r):
    yield r.set("k", "v", ex=100, nx=True)
    yield r.set("k", "v2", get=True)
    yield r.set("k", "v3", keepttl=True)
    yield r.getex("k", persist=True)
    yield r.ttl("k")
    yield r.getrange("k", 0, -2)
    yield r.setrange("k", 6, "x")
    yield r.mset({"a": 1, "b": b"\x00\xff"})
    yield r.msetnx({"a": 2, "z": 1})
    yield r.mget("a", "b", "none")
    yield r.incr("a", 5)
    yield r.decrby("a", 2)
    yield r.incrbyfloat("a", 0.1)
    yield r.append("k", "tail")
    yield r.strlen("k")
    yield r.getdel("a")
    yield r.lcs("k", "b")
    yield r.setex("s", 10, "x")
    yield r.psetex("s", 10_000, "x")
    yield r.substr("k", 0, 1)


def idiom_bits(r):
    yield r.setbit("bits", 7, 1)
    yield r.getbit("bits", 7)
    yield r.bitcount("bits", 0, -1)
    yield r.bitpos("bits", 1)
    yield r.set("x", b"\xff\x0f")
    yield r.bitop("AND", "both", "bits", "x")
    yield r.bitcount("x", 0, 8, mode="BIT")
    yield r.bitfield("field").set("u8", 8, 255).incrby("i5", 100, 1).get("u4", 0).execute()
    yield r.bitfield("field", default_overflow="FAIL").incrby("u2", 0, 5).execute()
    yield r.bitfield_ro("field", "u8", 8)


def idiom_keys(r):
    yield r.mset({"a": 1, "b": 2, "c": 3})
    yield in_order, r.keys("*")
    yield r.exists("a", "b", "none", "a")
    yield r.expire("a", 100)
    yield r.expire("a", 50, gt=True)
    yield r.expireat("b", 33177117420)
    yield r.expiretime("b")
    yield r.pexpireat("b", 33177117420000)
    yield r.pexpiretime("b")
    yield r.persist("b")
    yield r.rename("a", "d")
    yield r.renamenx("d", "b")
    yield r.type("b")
    yield r.copy("b", "e")
    yield r.copy("b", "e", replace=True)
    yield r.touch("b", "c", "none")
    yield r.unlink("b", "none")
    yield r.move("c", 5)
    yield r.dbsize()
    yield r.object("encoding", "e")
    yield r.object("refcount", "none")
    yield r.delete("e", "d")
    yield (lambda reply: (reply[0], in_order(reply[1]))), r.scan(count=1000)


def idiom_lists(r):
    yield r.rpush("l", "1", "2", "3", "4", "3")
    yield r.lpushx("none", "x")
    yield r.lrange("l", 0, -1)
    yield r.lindex("l", -1)
    yield r.linsert("l", "after", "2", "2.5")
    yield r.lset("l", 0, "one")
    yield r.lrem("l", -1, "3")
    yield r.lpos("l", "3", rank=1, count=0)
    yield r.lmove("l", "m", "RIGHT", "LEFT")
    yield r.rpoplpush("l", "m")
    yield r.lmpop(2, "none", "m", direction="LEFT", count=2)
    yield r.ltrim("l", 1, 2)
    yield r.lpop("l", 5)
    yield r.rpop("none")
    yield r.rpush("l", "x", "y")
    yield r.blpop(["none", "l"], timeout=1)
    yield r.brpop("l", timeout=1)
    yield r.blpop("l", timeout=0.01)
    yield r.blmpop(0.01, 1, "l", direction="LEFT")
    yield r.sort("l", alpha=True, desc=True)
    yield r.rpush("n", 3, 1, 2)
    yield r.sort("n", store="sorted")
    yield r.sort("n", start=0, num=2, get=["#", "w_*"])


def idiom_hashes(r):
    yield r.hset("h", mapping={"a": 1, "b": "2", "c": b"\xff"})
    yield r.hset("h", "a", "new")
    yield r.hset("h", items=["x", 1, "y", 2])
    yield in_order, r.hgetall("h")
    yield r.hmget("h", "a", "none")
    yield r.hsetnx("h", "a", 3)
    yield r.hincrby("h", "b", 40)
    yield r.hincrbyfloat("h", "b", 0.5)
    yield in_order, r.hkeys("h")
    yield in_order, r.hvals("h")
    yield r.hexists("h", "none")
    yield r.hstrlen("h", "a")
    yield len, r.hrandfield("h", -7, withvalues=True)
    yield r.hdel("h", "a", "none")
    yield r.hlen("h")
    yield (lambda reply: (reply[0], in_order(reply[1]))), r.hscan("h")


def idiom_sets(r):
    yield r.sadd("s", "a", "b", "c")
    yield r.sadd("t", "b", "c", "d")
    for name in ("sinter", "sunion", "sdiff"):
        yield in_order, getattr(r, name)("s", "t")
        yield getattr(r, name + "store")("to", "s", "t")
    yield r.sintercard(2, ["s", "t"], limit=1)
    yield r.sismember("s", "a")
    yield r.smismember("s", ["a", "x"])
    yield r.smove("s", "t", "a")
    yield in_order, r.smembers("t")
    yield len, r.srandmember("t", -9)
    yield r.srem("t", "a", "x")
    yield r.scard("t")
    yield in_order, r.spop("t", 10)
    yield (lambda reply: (reply[0], in_order(reply[1]))), r.sscan("s", match="*")


def idiom_sorted_sets(r):
    yield r.zadd("z", {"a": 1, "b": 2.5, "c": 3, "d": "inf"})
    yield r.zadd("z", {"a": 5}, gt=True, ch=True)
    yield r.zadd("z", {"a": 1}, incr=True)
    yield r.zadd("z", {"a": 0}, nx=True, incr=True)
    yield r.zrange("z", 0, -1, withscores=True)
    yield r.zrange("z", "(2", "+inf", byscore=True, offset=0, num=2)
    yield r.zrange("z", 0, 1, desc=True)
    yield r.zrevrangebyscore("z", 6, 2, withscores=True)
    yield r.zcount("z", "-inf", 5)
    yield r.zrank("z", "b")
    yield r.zrevrank("z", "none")
    yield r.zmscore("z", ["a", "none"])
    yield r.zincrby("z", 2, "b")
    yield r.zscore("z", "b")
    yield r.zpopmin("z")
    yield r.zpopmax("z", 2)
    yield r.zadd("x", {"a": 1, "b": 2})
    yield r.zadd("y", {"b": 3, "c": 4})
    yield r.zunion(["x", "y"], withscores=True)
    yield r.zinter({"x": 2, "y": 3}, aggregate="MAX", withscores=True)
    yield r.zdiff(["x", "y"])
    yield r.zunionstore("to", ["x", "y"])
    yield r.zintercard(2, ["x", "y"])
    yield r.zrangestore("copy", "to", 0, 1)
    yield r.zadd("lex", {"a": 0, "b": 0, "c": 0})
    yield r.zrangebylex("lex", "[a", "(c")
    yield r.zlexcount("lex", "-", "+")
    yield r.zremrangebylex("lex", "[a", "[a")
    yield r.zremrangebyrank("lex", 0, 0)
    yield r.zremrangebyscore("lex", 0, 1)
    yield r.zmpop(1, ["x"], min=True)
    yield r.bzpopmin("x", timeout=1)
    yield r.bzpopmax("x", timeout=0.01)
    yield len, r.zrandmember("y", -5)
    yield (lambda reply: (reply[0], in_order(reply[1]))), r.zscan("y")
    yield r.zrem("y", "b", "none")


def idiom_streams(r):
    yield r.xadd("st", {"a": 1}, id="1-1")
    yield r.xadd("st", {"a": 2, "b": b"\xff"}, id="2-*")
    yield r.xadd("st", {"a": 3}, id="3-1", maxlen=2, approximate=False)
    yield r.xlen("st")
    yield r.xrange("st")
    yield r.xrevrange("st", count=1)
    yield r.xread({"st": "0"}, count=1)
    yield r.xread({"st": "$"}, block=10)
    yield r.xgroup_create("st", "g", id="0")
    yield r.xgroup_createconsumer("st", "g", "w1")
    yield r.xreadgroup("g", "w1", {"st": ">"})
    yield r.xreadgroup("g", "w1", {"st": "0"})
    yield r.xpending("st", "g")
    yield (lambda rows: [(row["message_id"], row["consumer"], row["times_delivered"]) for row in rows]), r.xpending_range(
        "st", "g", "-", "+", 10
    )
    yield r.xclaim("st", "g", "w2", 0, ["2-0"], justid=True)
    yield r.xautoclaim("st", "g", "w2", 0)
    yield r.xack("st", "g", "2-0")
    yield (lambda rows: [(row["name"], row["pending"], row["entries-read"], row["lag"]) for row in rows]), r.xinfo_groups("st")
    yield (lambda rows: [(row["name"], row["pending"]) for row in rows]), r.xinfo_consumers("st", "g")
    yield (lambda info: (info["length"], info["first-entry"], info["last-generated-id"])), r.xinfo_stream("st")
    yield r.xgroup_delconsumer("st", "g", "w2")
    yield r.xgroup_setid("st", "g", "0")
    yield r.xgroup_destroy("st", "g")
    yield r.xdel("st", "2-0")
    yield r.xtrim("st", maxlen=0)


def idiom_geo(r):
    yield r.geoadd("p", (2.19, 41.43, "barcelona", 2.18, 41.40, b"place\xff"))
    yield r.geodist("p", "barcelona", b"place\xff", unit="km")
    yield r.geohash("p", "barcelona", "none")
    yield r.geopos("p", "barcelona", "none")
    yield r.geosearch("p", longitude=2.191, latitude=41.433, radius=1000, unit="m", withdist=True)
    yield r.geosearch("p", member="barcelona", width=100, height=100, unit="km", sort="DESC")
    yield r.geosearchstore("q", "p", longitude=2.191, latitude=41.433, radius=10, unit="km", storedist=False)
    yield r.georadius("p", 2.191, 41.433, 1, unit="km", withcoord=True)
    yield r.georadiusbymember("p", "barcelona", 10, unit="km", count=1)


def idiom_hyperloglogs(r):
    yield r.pfadd("v", *range(1000))
    yield r.pfadd("w", "a", "b")
    yield r.pfcount("v")
    yield r.pfmerge("x", "v", "w")
    yield r.pfcount("x", "w")


def idiom_errors(r):
    yield r.set("text", "x")
    for call in (
        lambda: r.incr("text"),
        lambda: r.lpush("text", 1),
        lambda: r.execute_command("NOSUCH", 1),
        lambda: r.execute_command("GET"),
        lambda: r.zadd("z", {"a": "nan"}),
        lambda: r.xadd("st", {"a": 1}, id="0-0"),
        lambda: r.xreadgroup("g", "w", {"none": ">"}),
        lambda: r.expire("text", 2**63 - 1),
        lambda: r.setrange("text", 2**40, "x"),
        lambda: r.hincrby("h", "f", "x"),
        lambda: r.rename("none", "other"),
        lambda: r.select(99) if isinstance(r, redis.Redis) else r.execute_command("SELECT", 99),
        lambda: r.object("help", "me"),
        lambda: r.config_set("maxclients", "x"),
        lambda: r.execute_command("CLIENT", "NOSUCH"),
    ):
        yield call


def idiom_pipelines(r):
    yield r.pipeline().set("a", 1).incr("a").lrange("none", 0, -1).get("a").execute()
    yield r.pipeline(transaction=False).set("b", 1).incr("b").execute()
    yield r.set("c", "x")
    yield lambda: r.pipeline().set("c", 1).lpush("c", 1).execute()
    yield r.pipeline(transaction=False).set("c", 1).lpush("c", 1).incr("c").execute(raise_on_error=False)


def idiom_server(r):
    yield r.ping()
    yield r.echo("hello")
    yield r.client_setname("me")
    yield r.client_getname()
    yield r.config_set("maxclients", 5000)
    yield r.config_get("maxclients")
    yield r.config_set("maxclients", 10000)
    yield (lambda entries: isinstance(entries, list)), r.slowlog_get()
    yield r.command_getkeys("MSET", "a", 1, "b", 2)
    yield r.info("keyspace")
    yield (lambda number: number > 0), r.client_id()
    yield r.swapdb(3, 4)
    yield r.wait(0, 10)
    yield r.flushdb()


IDIOMS = [(name[6:], idiom) for name, idiom in list(globals().items()) if name.startswith("idiom_")]


# ---- how they are run -----------------------------------------------------------------------------


def told(look, reply):
    return repr(look(reply)) if not isinstance(reply, Exception) else f"{type(reply).__name__}: {reply}"


def parts(step):
    """What is to be done with the reply, and the call or the reply itself."""
    if isinstance(step, tuple) and len(step) == 2 and callable(step[0]) and not inspect.isawaitable(step[0]):
        return step
    return (lambda reply: reply), step


def run(parser, protocol, decode):
    kind = {"plain": {2: _RESP2Parser, 3: _RESP3Parser}[protocol], "hiredis": _HiredisParser}[parser]
    pool = redis.ConnectionPool(
        host="127.0.0.1", port=PORT, protocol=protocol, decode_responses=decode, parser_class=kind, encoding_errors="replace"
    )
    with redis.Redis(connection_pool=pool) as r:
        for name, idiom in IDIOMS:
            r.flushall()
            for number, step in enumerate(idiom(r)):
                look, reply = parts(step)
                if callable(reply):
                    try:
                        reply = reply()
                    except redis.RedisError as error:
                        reply = error
                print(f"sync {parser} RESP{protocol} {name} {number}: {told(look, reply)}")


async def run_async(parser, protocol):
    kind = {"plain": {2: _AsyncRESP2Parser, 3: _AsyncRESP3Parser}[protocol], "hiredis": _AsyncHiredisParser}[parser]
    pool = redis.asyncio.ConnectionPool(host="127.0.0.1", port=PORT, protocol=protocol, parser_class=kind)
    async with redis.asyncio.Redis(connection_pool=pool) as r:
        for name, idiom in IDIOMS:
            await r.flushall()
            for number, step in enumerate(idiom(r)):
                look, reply = parts(step)
                try:
                    reply = reply() if callable(reply) else reply
                    reply = await reply if inspect.isawaitable(reply) else reply
                except redis.RedisError as error:
                    reply = error
                print(f"async {parser} RESP{protocol} {name} {number}: {told(look, reply)}")
    await pool.disconnect()


# ---- what needs more than one connection ----------------------------------------------------------


def pool_of_threads():
    """More threads than connections: each waits for one, and all get their own answers."""
    pool = redis.BlockingConnectionPool(host="127.0.0.1", port=PORT, max_connections=4, timeout=20)
    r = redis.Redis(connection_pool=pool)
    r.flushall()
    wrong = []

    def work(number):
        for turn in range(50):
            r.set(f"of:{number}", turn)
            if int(r.get(f"of:{number}")) != turn:
                wrong.append((number, turn))
            r.incr("all")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("threads:", int(r.get("all")), wrong)
    r.close()


def optimistic_transactions():
    r = redis.Redis(port=PORT, decode_responses=True)
    r.flushall()

    def add(pipeline):
        value = int(pipeline.get("n") or 0)
        pipeline.multi()
        pipeline.set("n", value + 1)

    threads = [threading.Thread(target=lambda: [r.transaction(add, "n") for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("transactions:", r.get("n"))
    r.close()


def messages_in_a_thread(protocol):
    r = redis.Redis(port=PORT, decode_responses=True, protocol=protocol)
    got = []
    subscription = r.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(news=lambda message: got.append(("news", message["data"])))
    subscription.psubscribe(**{"n*": lambda message: got.append((message["channel"], message["data"]))})
    thread = subscription.run_in_thread(sleep_time=0.01)
    while r.pubsub_numsub("news") != [("news", 1)]:
        time.sleep(0.01)
    while r.pubsub_numpat() != 1:
        time.sleep(0.01)
    receivers = [r.publish("news", "one"), r.publish("none", "two")]
    while len(got) < 3:
        time.sleep(0.01)
    thread.stop()
    thread.join()
    print(f"messages RESP{protocol}:", receivers, sorted(got))
    r.close()


def keyspace_events(protocol):
    r = redis.Redis(port=PORT, decode_responses=True, protocol=protocol)
    r.config_set("notify-keyspace-events", "KEA")
    subscription = r.pubsub(ignore_subscribe_messages=True)
    subscription.psubscribe("__key*__:*")
    subscription.get_message(timeout=1)
    r.set("k", 1)
    r.lpush("l", 1)
    r.delete("k")
    r.hset("h", "f", 1)
    got = []
    deadline = time.monotonic() + 5
    while len(got) < 8 and time.monotonic() < deadline:
        message = subscription.get_message(timeout=0.2)
        if message:
            got.append((message["channel"], message["data"]))
    r.config_set("notify-keyspace-events", "")
    print(f"events RESP{protocol}:", got)
    subscription.close()
    r.close()


def blocked_and_served():
    r = redis.Redis(port=PORT, decode_responses=True)
    r.flushall()
    got = []
    threads = [threading.Thread(target=lambda: got.append(r.blpop("jobs", timeout=10))) for _ in range(5)]
    for thread in threads:
        thread.start()
    while int(r.info("clients")["blocked_clients"]) < 5:
        time.sleep(0.01)
    r.rpush("jobs", *range(5))
    for thread in threads:
        thread.join()
    print("blocked:", sorted(got))
    r.close()


async def many_at_once():
    r = redis.asyncio.Redis(port=PORT, decode_responses=True, max_connections=50)
    await r.flushall()

    async def one(number):
        async with r.pipeline(transaction=True) as pipeline:
            return await pipeline.set(f"k{number}", number).get(f"k{number}").incr("all").execute()

    limit = asyncio.Semaphore(50)

    async def limited(number):
        async with limit:
            return await one(number)

    results = await asyncio.gather(*(limited(number) for number in range(500)))
    right = sum(result[1] == str(number) for number, result in enumerate(results))
    found = {key async for key in r.scan_iter("k*", count=50)}
    async with r.pubsub() as subscription:
        await subscription.subscribe("news")
        await subscription.get_message(timeout=1)
        await r.publish("news", "one")
        message = await subscription.get_message(ignore_subscribe_messages=True, timeout=5)
    print("asyncio:", right, await r.get("all"), len(found), message["data"])
    await r.aclose()


def main():
    for parser in PARSERS:
        for protocol in (2, 3):
            for decode in (False, True):
                run(parser, protocol, decode)
            asyncio.run(run_async(parser, protocol))
    pool_of_threads()
    optimistic_transactions()
    for protocol in (2, 3):
        messages_in_a_thread(protocol)
        with contextlib.closing(redis.Redis(port=PORT)) as r:
            r.flushall()
        keyspace_events(protocol)
    blocked_and_served()
    asyncio.run(many_at_once())


main()
