"""The integrator that a request comes from, known by its key, and what it may do."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Scope(StrEnum):
    """What a key may do for the shows of its organization."""

    # Reserve, change, extend and release seats for end users.
    SELL = "sell"
    # What /api/admin does for one show.
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Integrator:
    """What a key that was not revoked says of the program that sends it."""

    key_id: UUID
    organization_id: UUID
    name: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ShowOwner:
    """The organization of a show. `is_draft`: buyers are not told that there is such a show."""

    organization_id: UUID
    is_draft: bool
