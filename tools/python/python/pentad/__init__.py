"""A server with one keyspace and five protocols, RESP (Redis) among them, in this process.

    import pentad, redis

    with pentad.Server() as server:
        client = redis.Redis(port=server.port)
        client.set("greeting", "hello")
        assert server.get("greeting") == b"hello"

The server turns on a thread of its own, without the interpreter's lock.
"""

from ._native import (
    Clock,
    ClosedError,
    Error,
    ReplyError,
    Server,
    Snapshot,
    __version__,
)

__all__ = ["Clock", "ClosedError", "Error", "ReplyError", "Server", "Snapshot", "__version__"]
