"""Fixtures: a server for all tests of a session, empty for each.

``pentad_server``   the server, with the keys it had at the beginning of the session (none), its clock running
``redis_url``       its address, for any Redis client
``pentad_options``  what the server is made with: override it in ``conftest.py``

Between two tests nothing is started: what the last one wrote is gone in microseconds. Clients stay connected.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pentad


@pytest.fixture(scope="session")
def pentad_options() -> dict[str, Any]:
    """Keyword arguments of the session's server, and under "listen" its URLs."""
    return {}


@pytest.fixture(scope="session")
def pentad_session_server(pentad_options: dict[str, Any]) -> Iterator[pentad.Server]:
    """The server that all tests of the session share. Tests use ``pentad_server``, which is empty for each."""
    options = dict(pentad_options)
    listen = options.pop("listen", ())
    with pentad.Server(*listen, **options) as server:
        yield server


@pytest.fixture(scope="session")
def _pentad_start(pentad_session_server: pentad.Server) -> tuple[pentad.Snapshot, bool]:
    return pentad_session_server.snapshot(), pentad_session_server.clock.running


@pytest.fixture
def pentad_server(
    pentad_session_server: pentad.Server, _pentad_start: tuple[pentad.Snapshot, bool]
) -> pentad.Server:
    """A server with nothing in it."""
    server, (snapshot, running) = pentad_session_server, _pentad_start
    server.delay_replies(0)
    server.refuse_next(0)
    if running:
        server.clock.run()
    else:
        server.clock.stop()
    server.restore(snapshot)
    return server


@pytest.fixture
def redis_url(pentad_server: pentad.Server) -> str:
    """Where it is to be found: ``redis.Redis.from_url(redis_url)``."""
    return pentad_server.url
