"""The code under test: sessions of a website, and how often each page was seen, in any Redis."""

from __future__ import annotations

import json
import secrets

import redis

SESSION_S = 30 * 60


class Sessions:
    """Who is logged in. A session ends half an hour after it was last used."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def log_in(self, user: str) -> str:
        token = secrets.token_hex(16)
        self.client.set(f"session:{token}", json.dumps({"user": user}), ex=SESSION_S)
        return token

    def user_of(self, token: str) -> str | None:
        session = self.client.getex(f"session:{token}", ex=SESSION_S)
        return json.loads(session)["user"] if session else None

    def log_out(self, token: str) -> None:
        self.client.delete(f"session:{token}")


class Hits:
    """How often pages were seen."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def count(self, page: str) -> None:
        self.client.zincrby("hits", 1, page)

    def top(self, count: int) -> list[tuple[str, int]]:
        pages = self.client.zrevrange("hits", 0, count - 1, withscores=True)
        return [(page.decode(), int(hits)) for page, hits in pages]
