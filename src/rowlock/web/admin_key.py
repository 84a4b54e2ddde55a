"""The admin key, which every endpoint under /api/admin requires."""

import hmac
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Security
from fastapi.security import APIKeyHeader

from rowlock.web.problems import ProblemError

_api_key = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The admin key: ROWLOCK_ADMIN_API_KEY, or the one `up` printed."
)

AdminGuard = Callable[[str | None], Coroutine[Any, Any, None]]
ADMIN_PATHS = "/api/admin"


def opens(key_hash: bytes | None, key: bytes | None) -> bool:
    """Whether a key is the one of this SHA-256. Without a hash no key is, and an empty key never is."""
    return bool(key) and key_hash is not None and hmac.compare_digest(sha256(key or b"").digest(), key_hash)


def admin_guard(key_hash: bytes | None) -> AdminGuard:
    """A FastAPI dependency that refuses requests without the key of this SHA-256; without a hash, all requests.

    The middleware has asked before the body was read; this declares the key, and guards a route whatever serves it.
    """

    async def guard(key: Annotated[str | None, Security(_api_key)]) -> None:
        if not opens(key_hash, (key or "").encode("latin-1", "replace")):
            raise ProblemError("UNAUTHORIZED")

    return guard
