"""What programs do through redis-py, against a pentad that runs already.

    python3 tests/clients/redis_py.py PORT

Each function below is one idiom. It gets a client of an empty server, and is run with RESP2 and RESP3, with and without
decoding of replies. To add one, write a function whose name begins with `check_`.
"""

import datetime
import sys
import threading
import time

import redis

PORT = int(sys.argv[1])


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, socket_timeout=10, **options)


def fails(kind, text, call, *args, **options):
    """The call must fail with this kind of error, whose text has this in it."""
    try:
        result = call(*args, **options)
    except kind as error:
        assert text in str(error), f"{error!r} does not say {text!r}"
    else:
        raise AssertionError(f"no error, but {result!r}")


# ---- connections ---------------------------------------------------------------------------------


def check_connection(r, same):
    assert r.ping() is True
    assert r.echo("hello") == same("hello")
    assert r.client_setname("worker-1")
    assert r.client_getname() in ("worker-1", b"worker-1")
    number = r.client_id()
    (me,) = [client for client in r.client_list() if int(client["id"]) == number]
    assert me["name"] == "worker-1" and me["lib-name"] == "redis-py"
    assert r.client_info()["id"] == number
    now = datetime.datetime.now().timestamp()
    assert abs(r.time()[0] - now) < 60


def check_info(r, same):
    r.set("key", 1, ex=100)
    info = r.info()
    assert info["redis_version"].startswith("7.2")
    assert info["server_name"] == "pentad"
    assert info["connected_clients"] >= 1
    assert info["db0"]["keys"] == 1 and info["db0"]["expires"] == 1
    assert set(r.info("clients")) >= {"connected_clients", "maxclients"}
    assert int(r.config_get("maxclients")["maxclients"]) > 0


def check_commands(r, same):
    commands = r.command()
    assert commands["get"]["arity"] == 2
    assert "readonly" in [str(flag) for flag in commands["get"]["flags"]]
    assert r.command_count() == len(commands)
    assert same("get") in r.command_list()


def check_killed_client_comes_back(r, same):
    victim = connect(single_connection_client=True)
    killed = r.client_kill_filter(_id=victim.client_id())
    assert killed == 1
    # The client notices, and connects again by itself.
    assert victim.ping()
    victim.close()


def check_databases(r, same):
    with connect(db=5) as other:
        other.flushdb()
        other.set("here", 1)
        assert r.exists("here") == 0 and r.dbsize() == 0
        assert other.dbsize() == 1
        assert other.move("here", 0)
        assert r.get("here") == same("1")
        assert r.swapdb(0, 5)
        assert other.get("here") == same("1") or other.get("here") == b"1"
    fails(redis.ResponseError, "out of range", r.select, 99)


# ---- strings -------------------------------------------------------------------------------------


def check_strings(r, same):
    assert r.set("key", "value") is True
    assert r.get("key") == same("value")
    assert r["key"] == same("value")
    r["other"] = "x"
    assert "other" in r
    del r["other"]
    assert "other" not in r and r.get("other") is None
    assert r.set("key", "new", nx=True) is None
    assert r.set("none", "new", xx=True) is None
    assert r.set("key", "newer", get=True) == same("value")
    assert r.getset("key", "newest") == same("newer")
    assert r.setnx("key", "no") is False
    assert r.append("key", "!") == 7
    assert r.strlen("key") == 7
    assert r.getrange("key", -3, -1) == same("st!")
    assert r.setrange("key", 6, "?") == 7
    assert r.getdel("key") == same("newest?")
    assert r.get("key") is None


def check_many_strings(r, same):
    assert r.mset({"a": 1, "b": 2}) is True
    assert r.mget("a", "missing", "b") == [same("1"), None, same("2")]
    assert r.msetnx({"b": 3, "c": 4}) is False
    assert r.exists("a", "b", "c") == 2
    assert r.delete("a", "b", "c") == 2


def check_numbers(r, same):
    assert r.incr("n") == 1
    assert r.incrby("n", 9) == 10
    assert r.decr("n", 3) == 7
    assert abs(r.incrbyfloat("n", 0.5) - 7.5) < 1e-9
    fails(redis.ResponseError, "not an integer", r.incr, "n")


def check_binary(r, same):
    with connect() as raw:
        value = bytes(range(256)) * 1000
        assert raw.set(b"\x00\xff", value)
        assert raw.get(b"\x00\xff") == value
    with connect(decode_responses=True) as text:
        text.set("schlüssel", "значение 値")
        assert text.get("schlüssel") == "значение 値"


def check_errors(r, same):
    r.rpush("list", 1)
    fails(redis.ResponseError, "WRONGTYPE", r.get, "list")
    fails(redis.ResponseError, "unknown command", r.execute_command, "NONSENSE", 1)
    fails(redis.ResponseError, "wrong number of arguments", r.execute_command, "GET")
    assert r.ping(), "the connection stays"


# ---- keys ----------------------------------------------------------------------------------------


def check_expiry(r, same):
    r.set("key", 1, ex=100)
    assert 99 <= r.ttl("key") <= 100
    assert r.persist("key") and r.ttl("key") == -1
    assert r.ttl("missing") == -2
    assert r.expire("key", datetime.timedelta(hours=1)) and r.ttl("key") > 3500
    assert r.expire("key", 10, nx=True) in (0, False)
    soon = datetime.datetime.now() + datetime.timedelta(seconds=50)
    assert r.expireat("key", soon) and 0 < r.ttl("key") <= 50
    assert abs(r.expiretime("key") - soon.timestamp()) <= 1
    assert r.getex("key", persist=True) == same("1")
    r.set("gone", 1, px=20)
    while r.exists("gone"):
        time.sleep(0.005)
    r.set("kept", 1, ex=100)
    r.set("kept", 2, keepttl=True)
    assert r.ttl("kept") > 0


def check_keys(r, same):
    r.mset({f"user:{number}": number for number in range(20)})
    assert len(r.keys("user:1?")) == 10
    assert r.randomkey().startswith(same("user:"))
    assert r.rename("user:0", "admin") and not r.exists("user:0")
    assert r.renamenx("user:1", "user:2") in (0, False)
    assert r.copy("admin", "copy") and r.get("copy") == same("0")
    assert r.type("admin") == same("string")
    assert r.unlink("copy", "admin") == 2
    fails(redis.ResponseError, "no such key", r.rename, "missing", "x")
    assert r.object("encoding", "user:2") in ("int", b"int")


def check_scan(r, same):
    keys = {same(f"key:{number}") for number in range(1000)}
    pipe = r.pipeline(transaction=False)
    for number in range(1000):
        pipe.set(f"key:{number}", number)
    pipe.execute()
    r.rpush("list", 1)
    assert set(r.scan_iter(match="key:*", count=100)) == keys
    assert list(r.scan_iter(_type="list")) == [same("list")]
    cursor, some = r.scan(count=10)
    assert cursor != 0 and some


# ---- pipelines and transactions ------------------------------------------------------------------


def check_pipeline(r, same):
    for transaction in (False, True):
        r.flushdb()
        with r.pipeline(transaction=transaction) as pipe:
            pipe.set("a", 1).incr("a").get("a").get("missing")
            assert pipe.execute() == [True, 2, same("2"), None]
    pipe = r.pipeline(transaction=False)
    pipe.set("s", "x").incr("s").get("s")
    done, error, value = pipe.execute(raise_on_error=False)
    assert done is True and isinstance(error, redis.ResponseError) and value == same("x")
    pipe = r.pipeline(transaction=False)
    for number in range(20_000):
        pipe.echo(number)
    assert pipe.execute() == [same(str(number)) for number in range(20_000)]


def check_transaction(r, same):
    def increment(pipe):
        value = int(pipe.get("counter") or 0)
        pipe.multi()
        pipe.set("counter", value + 1)

    threads = [
        threading.Thread(target=lambda: [r.transaction(increment, "counter") for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("counter") == same("80")

    with r.pipeline() as pipe:
        pipe.watch("counter")
        r.set("counter", "changed")
        pipe.multi()
        pipe.set("counter", "lost")
        fails(redis.WatchError, "", pipe.execute)
    assert r.get("counter") == same("changed")


# ---- lists, and waiting for them -----------------------------------------------------------------


def check_lists(r, same):
    assert r.rpush("list", *range(5)) == 5
    assert r.lpush("list", "first") == 6
    assert r.lrange("list", 0, -1) == [same(text) for text in ["first", "0", "1", "2", "3", "4"]]
    assert r.lpop("list") == same("first") and r.rpop("list", 2) == [same("4"), same("3")]
    assert r.llen("list") == 3 and r.lindex("list", -1) == same("2")
    assert r.lset("list", 0, "zero") and r.lpos("list", "1") == 1
    assert r.linsert("list", "before", "1", "half") == 4
    assert r.lrem("list", 0, "half") == 1 and r.ltrim("list", 0, 1)
    assert r.lmove("list", "other", "LEFT", "RIGHT") == same("zero")


def check_queue(r, same):
    got = []
    worker = threading.Thread(target=lambda: got.append(r.blpop(["jobs", "others"], timeout=10)))
    worker.start()
    while r.info("clients")["blocked_clients"] == 0:
        time.sleep(0.005)
    r.rpush("others", "job")
    worker.join()
    assert [list(answer) for answer in got] == [[same("others"), same("job")]]
    assert r.blpop("jobs", timeout=0.02) is None


# ---- messages ------------------------------------------------------------------------------------


def check_pubsub(r, same):
    pubsub = r.pubsub()
    pubsub.subscribe("news")
    pubsub.psubscribe("log.*")
    assert [pubsub.get_message(timeout=10)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert r.publish("news", "hello") == 1 and r.publish("log.x", "line") == 1
    assert r.publish("nobody", "x") == 0
    first, second = pubsub.get_message(timeout=10), pubsub.get_message(timeout=10)
    assert (first["type"], first["channel"], first["data"]) == ("message", same("news"), same("hello"))
    assert (second["type"], second["pattern"]) == ("pmessage", same("log.*"))
    assert r.pubsub_channels() == [same("news")]
    pubsub.unsubscribe()
    pubsub.punsubscribe()
    pubsub.close()


# ---- running them --------------------------------------------------------------------------------


def main():
    checks = [(name, call) for name, call in globals().items() if name.startswith("check_")]
    failed = 0
    for protocol in (2, 3):
        for decode in (False, True):
            for name, check in checks:
                same = (lambda text: text) if decode else str.encode
                with connect(protocol=protocol, decode_responses=decode) as r:
                    r.flushall()
                    try:
                        check(r, same)
                    except Exception as error:
                        failed += 1
                        how = f"RESP{protocol}, decode_responses={decode}"
                        where = error.__traceback__
                        while where.tb_next and where.tb_next.tb_frame.f_code.co_filename == __file__:
                            where = where.tb_next
                        print(f"FAILED {name} ({how}), line {where.tb_lineno}: {error!r}")
    print(f"redis-py {redis.__version__}: {4 * len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
