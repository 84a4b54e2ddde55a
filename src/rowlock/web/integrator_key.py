"""The keys of integrators in requests: X-Rowlock-Key, and the refusals of what a key may not do.

The look-ups themselves are another's: see `Keys`.
"""

from typing import Protocol
from uuid import UUID

from rowlock.base.integrator import Integrator, Scope, ShowOwner
from rowlock.base.outcomes import Outcome
from rowlock.web.problems import ProblemError

HEADER = b"x-rowlock-key"


class Keys(Protocol):
    """Who a key belongs to, and who a show belongs to."""

    async def find(self, key: bytes) -> Integrator | None:
        """The integrator of a key; None when it is malformed, unknown or revoked."""

    async def owner_of(self, show_id: UUID) -> ShowOwner | None:
        """The organization of a show; None when there is no such show."""


class KeyGuard:
    """Finds the integrator of a request, and refuses what it may not do."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def identify(self, key: bytes) -> Integrator:
        """The integrator of a key that a request has sent. Raises ProblemError UNAUTHORIZED."""
        found = await self._keys.find(key)
        if found is None:
            raise ProblemError(
                "UNAUTHORIZED",
                "The key in X-Rowlock-Key is malformed, unknown or revoked. Send one that is good, or leave it out.",
            )
        return found

    async def check(
        self, integrator: Integrator | None, scope: Scope, show_id: UUID, *, unknown: str = Outcome.SHOW_NOT_FOUND
    ) -> None:
        """Raise ProblemError FORBIDDEN unless a key may do this for a show. Without a key nothing is checked.

        `unknown` is the code where there is no such show. Another organization's draft is not told of either.
        """
        if integrator is None:
            return
        require(integrator, scope)
        owner = await self._keys.owner_of(show_id)
        is_own = owner is not None and owner.organization_id == integrator.organization_id
        if owner is None or (owner.is_draft and not is_own):
            raise ProblemError(unknown)
        if not is_own:
            raise ProblemError(
                "FORBIDDEN",
                "The key in X-Rowlock-Key is for the shows of another organization. Send a key of the organization "
                "of this show.",
            )


def require(integrator: Integrator, scope: Scope) -> None:
    """Raise ProblemError FORBIDDEN for a key without this scope."""
    if scope not in integrator.scopes:
        has = " and ".join(sorted(integrator.scopes))
        raise ProblemError(
            "FORBIDDEN",
            f"This takes a key with the scope {scope}, and the one in X-Rowlock-Key has {has}. Send another one, or "
            f"have one made with `rowlock key create --scope {scope}`.",
        )
