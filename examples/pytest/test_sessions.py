"""A suite on a server of its own: `pip install ./tools/python redis pytest && pytest examples/pytest`.

The fixtures `pentad_server` and `redis_url` come with the package; each test begins with an empty server.
"""

import pytest
import redis
from sessions import SESSION_S, Hits, Sessions


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_who_logs_in_is_known(client):
    sessions = Sessions(client)
    ada, bob = sessions.log_in("ada"), sessions.log_in("bob")
    assert (sessions.user_of(ada), sessions.user_of(bob)) == ("ada", "bob")
    sessions.log_out(ada)
    assert (sessions.user_of(ada), sessions.user_of(bob)) == (None, "bob")


def test_a_session_ends_half_an_hour_after_it_was_used(client, pentad_server):
    sessions = Sessions(client)
    token = sessions.log_in("ada")
    pentad_server.clock.advance((SESSION_S - 10) * 1000)
    assert sessions.user_of(token) == "ada"
    pentad_server.clock.advance((SESSION_S - 10) * 1000)
    assert sessions.user_of(token) == "ada", "it was used in between"
    pentad_server.clock.advance((SESSION_S + 1) * 1000)
    assert sessions.user_of(token) is None


def test_the_most_seen_page_is_first(client, pentad_server):
    hits = Hits(client)
    for page in ["/", "/about", "/", "/shop", "/", "/shop"]:
        hits.count(page)
    assert hits.top(2) == [("/", 3), ("/shop", 2)]
    # The same without a socket, with floats as RESP3 has them.
    assert pentad_server.execute("ZSCORE", "hits", "/") == 3.0


def test_a_lost_connection_is_made_again(client, pentad_server):
    sessions = Sessions(client)
    token = sessions.log_in("ada")
    pentad_server.drop_clients()
    assert sessions.user_of(token) == "ada"


def test_nothing_is_left_of_the_others(client):
    assert client.dbsize() == 0
