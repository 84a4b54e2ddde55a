"""Who may use /api/admin: the operator with the admin key, and for single shows an integrator with a key for staff."""

import hmac
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import APIKeyHeader

from rowlock.base.integrator import Integrator, Scope
from rowlock.web.integrator_key import require
from rowlock.web.problems import ProblemError
from rowlock.web.security import INTEGRATOR_KEY, OPERATOR_KEY

# Described in rowlock.web.security, like all others.
_api_key = APIKeyHeader(name="X-API-Key", scheme_name=OPERATOR_KEY, auto_error=False)
_integrator_key = APIKeyHeader(name="X-Rowlock-Key", scheme_name=INTEGRATOR_KEY, auto_error=False)

AdminGuard = Callable[..., Coroutine[Any, Any, None]]
ADMIN_PATHS = "/api/admin"
API_KEY = b"x-api-key"


@dataclass(frozen=True, slots=True)
class AdminGuards:
    """FastAPI dependencies that refuse requests without the right key.

    operator  for what concerns all organizations: the admin key alone.
    staff     for what concerns one show: the admin key, or an integrator's with the scope staff. The endpoint itself
              asks whether the show is of the key's organization.
    """

    operator: AdminGuard
    staff: AdminGuard


def opens(key_hash: bytes | None, key: bytes | None) -> bool:
    """Whether a key is the one of this SHA-256. Without a hash no key is, and an empty key never is."""
    return bool(key) and key_hash is not None and hmac.compare_digest(sha256(key or b"").digest(), key_hash)


def admit(key_hash: bytes | None, key: bytes | None, integrator: Integrator | None) -> None:
    """Raise ProblemError unless a request may use /api/admin: by the admin key, or as an integrator for staff."""
    if integrator is None:
        if not opens(key_hash, key):
            raise ProblemError("UNAUTHORIZED")
    elif key is not None:
        raise ProblemError("INVALID_INPUT", "X-API-Key and X-Rowlock-Key are both there. Send the one that is meant.")
    else:
        require(integrator, Scope.STAFF)


def integrator_of(request: Request) -> Integrator | None:
    """The integrator that the middleware has found for a request."""
    found: Integrator | None = request.scope["state"].get("integrator")
    return found


def admin_guards(key_hash: bytes | None) -> AdminGuards:
    """The guards for the admin key of this SHA-256; without a hash they refuse the operator.

    The middleware has asked before the body was read; these declare the keys, and guard a route whatever serves it.
    """

    def check(request: Request, key: str | None) -> Integrator | None:
        integrator = integrator_of(request)
        admit(key_hash, None if key is None else key.encode("latin-1", "replace"), integrator)
        return integrator

    async def operator(request: Request, key: Annotated[str | None, Security(_api_key)]) -> None:
        if check(request, key) is not None:
            raise ProblemError(
                "FORBIDDEN",
                "This concerns the shows of every organization, so it takes the admin key in X-API-Key.",
            )

    async def staff(
        request: Request,
        key: Annotated[str | None, Security(_api_key)],
        _: Annotated[str | None, Security(_integrator_key)],
    ) -> None:
        check(request, key)

    return AdminGuards(operator, staff)
