"""The fixtures, in sessions of pytest's own."""

pytest_plugins = ["pytester"]


def test_each_test_begins_with_an_empty_server_that_runs(pytester):
    pytester.makepyfile(
        """
        import pytest, redis

        @pytest.mark.parametrize("round", range(3))
        def test_nothing_is_left_of_the_last_one(redis_url, pentad_server, round):
            client = redis.Redis.from_url(redis_url)
            assert client.dbsize() == 0 and client.ping()
            assert pentad_server.clock.running
            client.set("k", round)
            assert pentad_server.get("k") == str(round).encode()
            # What a test leaves behind is nothing to the next.
            pentad_server.clock.stop()
            pentad_server.delay_replies(3_600_000)
            pentad_server.refuse_next(5)

        def test_the_server_is_the_same(pentad_server, pentad_session_server):
            assert pentad_server is pentad_session_server
        """
    )
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=4)


def test_options_are_overridden_in_conftest(pytester):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def pentad_options():
            return {"listen": ["metrics://127.0.0.1:0", "resp://127.0.0.1:0"], "manual_clock": True, "databases": 2}
        """
    )
    pytester.makepyfile(
        """
        import redis

        def test_it_is_as_it_was_asked_for(pentad_server, redis_url):
            assert [scheme for scheme, _ in pentad_server.addresses] == ["metrics", "resp"]
            assert redis_url.startswith("redis://127.0.0.1:")
            assert not pentad_server.clock.running
            assert pentad_server.execute("CONFIG", "GET", "databases") == {b"databases": b"2"}
            pentad_server.clock.run()

        def test_and_again(pentad_server):
            assert not pentad_server.clock.running
        """
    )
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)


def test_nothing_is_started_for_tests_that_do_not_ask(pytester):
    pytester.makepyfile(
        """
        import threading

        def test_no_server():
            assert threading.active_count() == 1
        """
    )
    result = pytester.runpytest_subprocess("-q", "--fixtures")
    result.stdout.fnmatch_lines(["*pentad_server*", "*redis_url*"])
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)
