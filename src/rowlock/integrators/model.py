"""The keys of integrators: how one is made, what it looks like, and how it is listed.

A key is `rk_` and 256 random bits in base64url. It is shown once; only its SHA-256 is stored. A plain hash will do, as
nobody can try 2²⁵⁶ keys.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID

PREFIX = "rk_"
_RANDOM_BYTES = 32
_FORM = re.compile(rb"rk_[A-Za-z0-9_-]{43}")
NAME_LENGTH = 100


class KeyRefusedError(Exception):
    """A key cannot be made or revoked; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class KeyListing:
    """A key as it is listed: all but what it opens with. `scopes` are of base.integrator.Scope."""

    key_id: UUID
    organization: str
    name: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with its text, which nobody can be told again."""

    listing: KeyListing
    key: str = field(repr=False)


def make_key() -> str:
    """A new key."""
    return PREFIX + token_urlsafe(_RANDOM_BYTES)


def hash_of(key: bytes) -> bytes | None:
    """The SHA-256 of a key; None for a text that cannot be one, for which no database need be asked."""
    return sha256(key).digest() if _FORM.fullmatch(key) else None
