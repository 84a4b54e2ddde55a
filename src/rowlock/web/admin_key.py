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


def admin_guard(key_hash: bytes | None) -> AdminGuard:
    """A FastAPI dependency that refuses requests without the key of this SHA-256; without a hash, all requests."""

    async def guard(key: Annotated[str | None, Security(_api_key)]) -> None:
        given = sha256((key or "").encode()).digest()
        if key_hash is None or not hmac.compare_digest(given, key_hash):
            raise ProblemError("UNAUTHORIZED")

    return guard
