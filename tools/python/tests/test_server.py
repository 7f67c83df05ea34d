"""The server in this process, from Python and over its sockets."""

import gc
import os
import socket
import threading
import time

import pytest
import redis

import pentad


@pytest.fixture
def server():
    with pentad.Server(seed=1) as server:
        yield server


def test_a_redis_client_and_the_process_see_the_same_keys(server):
    client = redis.Redis(port=server.port)
    assert client.set("greeting", "hello")
    assert server.get("greeting") == b"hello"
    server.set(b"any\x00bytes", b"\xff\x00")
    assert client.get(b"any\x00bytes") == b"\xff\x00"
    assert server.get("nothing") is None
    assert sorted(client.keys()) == server.keys() == [b"any\x00bytes", b"greeting"]
    assert len(server) == 2
    assert redis.Redis.from_url(server.url).dbsize() == 2


def test_keys_are_deleted_and_expire(server):
    server.set("a", 1)
    server.set("b", 2.5)
    server.set("c", bytearray(b"x"), px=1000)
    assert [server.get(key) for key in ("a", b"b", memoryview(b"c"))] == [b"1", b"2.5", b"x"]
    assert server.delete("a", "b", "nothing") == 2
    assert server.exists("c") and not server.exists("a")
    server.clock.advance(1001)
    assert not server.exists("c")
    server.set("d", "")
    server.flush()
    assert server.keys() == []


def test_databases_are_apart():
    with pentad.Server(databases=4) as server:
        server.set("k", "in 3", db=3)
        assert (server.get("k"), server.get("k", db=3)) == (None, b"in 3")
        assert server.keys(db=3) == [b"k"] and server.delete("k", db=3) == 1
        assert redis.Redis(port=server.port, db=3).set("other", 1)
        assert server.exists("other", db=3)
        with pytest.raises(ValueError, match="no database 4"):
            server.get("k", db=4)


def test_data_is_kept_and_loaded(tmp_path):
    with pentad.Server(data=tmp_path / "data") as server:
        server.set("k", "in the process")
        redis.Redis(port=server.port).rpush("l", "by", "a client")
        with pytest.raises(OSError, match="in use"):
            pentad.Server(data=tmp_path / "data")
    with pentad.Server(data=str(tmp_path / "data"), fsync="always") as server:
        assert server.get("k") == b"in the process"
        assert server.execute("LRANGE", "l", 0, -1) == [b"by", b"a client"]
    with pytest.raises(ValueError, match="always, everysec or no"):
        pentad.Server(data=tmp_path, fsync="sometimes")


def test_settings_are_what_config_set_takes():
    settings = {"maxmemory": 1 << 20, "maxmemory-policy": "allkeys-lru", "requirepass": b"secret"}
    with pentad.Server(settings=settings) as server:
        assert server.execute("CONFIG", "GET", "maxmemory*")[b"maxmemory"] == b"1048576"
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.port).ping()
        assert redis.Redis(port=server.port, password="secret").ping()
    with pytest.raises(ValueError, match="nonsense"):
        pentad.Server(settings={"nonsense": 1})
    with pytest.raises(ValueError, match="TLS needs a certificate"):
        pentad.Server("resp+tls://127.0.0.1:0")


def test_listeners_can_have_tls(tmp_path):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "server.key")
    with open(tmp_path / "server.pem", "wb") as file:
        for pem in certificate.cert_chain_pems:
            file.write(pem.bytes())
    settings = {
        "tls-cert-file": str(tmp_path / "server.pem"),
        "tls-key-file": str(tmp_path / "server.key"),
        "tls-auth-clients": "no",
    }
    with pentad.Server("resp+tls://localhost:0", settings=settings) as server:
        ca = str(tmp_path / "ca.pem")
        client = redis.Redis("localhost", server.port, ssl=True, ssl_ca_certs=ca, ssl_check_hostname=True)
        client.set("greeting", "hello")
        assert server.get("greeting") == b"hello"


def test_every_type_of_reply_has_one_of_pythons(server):
    run = server.execute
    assert run("SET", "k", "v") == "OK"
    assert run("GET", "k") == b"v"
    assert run("GET", "nothing") is None
    assert run("INCRBY", "n", -5) == -5
    assert run("ZADD", "board", 1.5, "ada") == 1
    assert run("ZSCORE", "board", "ada") == 1.5
    assert run("ZRANGE", "board", 0, -1, "WITHSCORES") == [[b"ada", 1.5]]
    assert run("SADD", "tags", "a", "b") == 2
    assert run("SMEMBERS", "tags") == {b"a", b"b"}
    assert run("HSET", "h", "f", "1") == 1
    assert run("HGETALL", "h") == {b"f": b"1"}
    assert run("LRANGE", "nothing", 0, -1) == []
    assert "server_name:pentad" in run("INFO", "server")
    assert run("COMMAND", "INFO", "get", "nonsense")[1] is None
    assert {name for name in run("COMMAND", "DOCS", "get")} == {b"get"}


def test_an_error_reply_is_an_exception_with_its_code(server):
    server.set("k", "v")
    with pytest.raises(pentad.ReplyError, match="wrong kind of value") as raised:
        server.execute("LPUSH", "k", "x")
    assert raised.value.code == "WRONGTYPE"
    assert isinstance(raised.value, pentad.Error)
    with pytest.raises(pentad.ReplyError) as raised:
        server.execute("NONSENSE")
    assert raised.value.code == "ERR"
    with pytest.raises(pentad.ReplyError):
        server.execute("SUBSCRIBE", "channel")
    with pytest.raises(pentad.ReplyError):
        server.execute()


def test_what_is_no_argument_is_refused(server):
    for wrong in (None, True, object(), ["k"]):
        with pytest.raises(TypeError):
            server.execute("GET", wrong)
    with pytest.raises(TypeError):
        server.get(None)


def test_the_clock_stands_still_when_told_to():
    with pentad.Server(manual_clock=True) as server:
        before = server.clock.unix_ms
        assert not server.clock.running
        assert server.execute("TIME")[0] == str(before // 1000).encode()
        time.sleep(0.01)
        assert server.clock.unix_ms == before
        server.clock.advance(1500)
        assert server.clock.unix_ms == before + 1500
        server.clock.unix_ms = 2_000_000_000_000
        assert server.execute("TIME")[0] == b"2000000000"
        server.clock.run()
        time.sleep(0.01)
        assert server.clock.unix_ms > 2_000_000_000_000
        server.clock.stop()
        stopped = server.clock.unix_ms
        time.sleep(0.01)
        assert server.clock.unix_ms == stopped


def test_the_clock_goes_with_the_systems_unless_told_otherwise(server):
    assert server.clock.running
    assert abs(server.clock.unix_ms - time.time() * 1000) < 5000
    # And a client that waits for a second waits for a second.
    client = redis.Redis(port=server.port)
    started = time.monotonic()
    assert client.blpop("nothing", timeout=0.2) is None
    assert 0.15 < time.monotonic() - started < 10


def test_a_waiting_client_is_served_by_a_clock_that_is_advanced():
    with pentad.Server(manual_clock=True) as server:
        client = redis.Redis(port=server.port)
        waited = []
        thread = threading.Thread(target=lambda: waited.append(client.blpop("nothing", timeout=3600)))
        thread.start()
        while server.execute("INFO", "clients").find("blocked_clients:1") < 0:
            time.sleep(0.005)
        server.clock.advance(3_600_001)
        thread.join(10)
        assert waited == [None]


def test_a_snapshot_is_gone_back_to_and_clients_stay(server):
    client = redis.Redis(port=server.port)
    client.set("k", "before")
    snapshot = server.snapshot()
    client.set("k", "after")
    client.set("other", 1)
    server.restore(snapshot)
    assert client.mget("k", "other") == [b"before", None]
    with pentad.Server(seed=2, databases=3) as another:
        with pytest.raises(ValueError):
            another.restore(snapshot)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def ask(connection):
    """Whether a connection is answered; one that was closed is not."""
    try:
        connection.sendall(b"PING\r\n")
        return connection.recv(10) == b"+PONG\r\n"
    except ConnectionError:
        return False


def test_faults_come_when_asked_for(server):
    with connect(server) as first:
        assert ask(first)
        server.drop_clients()
        assert not ask(first)
    server.refuse_next(1)
    with connect(server) as refused, connect(server) as accepted:
        assert not ask(refused)
        assert ask(accepted)
        server.delay_replies(100)
        started = time.monotonic()
        assert ask(accepted)
        assert time.monotonic() - started > 0.09
        # What waits already goes out when there is no delay any more.
        server.delay_replies(3_600_000)
        accepted.sendall(b"ECHO a\r\n")
        server.delay_replies(0)
        assert accepted.recv(10) == b"$1\r\na\r\n"


def test_all_protocols_can_be_listened_for(tmp_path):
    path = tmp_path / "resp.sock"
    listen = ("metrics://127.0.0.1:0", f"resp+unix://{path}", "resp://127.0.0.1:0")
    with pentad.Server(*listen) as server:
        assert [scheme for scheme, _ in server.addresses] == ["metrics", "resp", "resp"]
        assert server.url == f"unix://{path}"
        assert redis.Redis.from_url(server.url).ping()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as metrics:
            metrics.sendall(b"put cpu 10.5 1\n")
            assert metrics.recv(100) == b"ok\n\n"
        assert server.execute("TS.GET", "cpu") == [1, 10.5]
    assert not path.exists()
    with pentad.Server("metrics://127.0.0.1:0") as server:
        with pytest.raises(ValueError, match="no RESP listener"):
            server.url


def test_what_cannot_be_opened_says_why(server):
    with pytest.raises(ValueError, match="nonsense"):
        pentad.Server("nonsense://127.0.0.1:0")
    with pytest.raises(ValueError, match="databases"):
        pentad.Server(databases=200)
    with pytest.raises(OSError, match="cannot listen"):
        pentad.Server(f"resp://127.0.0.1:{server.port}")


def test_a_closed_server_says_so():
    server = pentad.Server()
    port = server.port
    assert not server.closed and str(port) in repr(server)
    server.close()
    server.close()
    assert server.closed and "closed" in repr(server)
    for call in (lambda: server.get("k"), lambda: server.snapshot(), lambda: server.refuse_next(1)):
        with pytest.raises(pentad.ClosedError):
            call()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


def test_a_stop_answers_what_has_been_received():
    server = pentad.Server(manual_clock=True)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"PING\r\n" * 100)
        server.close()
        received = b""
        while chunk := client.recv(10_000):
            received += chunk
        assert received == b"+PONG\r\n" * 100


def test_a_server_ends_with_the_last_reference():
    server = pentad.Server()
    port = server.port
    del server
    gc.collect()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


def test_other_threads_of_python_go_on_while_one_waits(server):
    """Sixteen threads, each with a client and with calls of its own, on one server."""
    failures = []

    def work(number):
        try:
            client = redis.Redis(port=server.port)
            for _ in range(100):
                client.incr("total")
                server.execute("INCR", "total")
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert server.get("total") == b"3200"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_no_part_in_the_server(server):
    child = os.fork()
    if child == 0:
        try:
            server.get("k")
        except pentad.ClosedError:
            server.close()
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    server.set("k", "still here")
    assert server.get("k") == b"still here"
