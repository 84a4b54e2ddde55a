"""Makes, lists and revokes the keys of integrators, and finds out for a request what its key may do.

What was found is good for some seconds, so that a key costs next to nothing, and a revoked one stops working soon.
Keys that nobody has made are asked about at a bounded rate, and never take the place of good ones in memory.
"""

from collections.abc import Collection
from time import monotonic
from uuid import UUID, uuid4

from rowlock.base.brief import Brief
from rowlock.base.integrator import Integrator, Scope, ShowOwner
from rowlock.base.lru import Lru
from rowlock.database.calls import BusyError, call
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection
from rowlock.integrators import store
from rowlock.integrators.model import NAME_LENGTH, KeyListing, KeyRefusedError, NewKey, hash_of, make_key

KEY_SECONDS = 5.0
"""How long an answer about a key or a show is good. A revoked key works this long at most."""
KEYS_LIMIT = 1_000
SHOWS_LIMIT = 1_000
UNPROVEN_LIMIT = 100
UNPROVEN_A_SECOND = 20
"""Look-ups of keys that were not good before, in a second. More are refused: they are guesses."""


class Integrators:
    """The keys of integrators. The methods of requests raise database.calls.BusyError when the database cannot answer;
    those of commands are for the owner, and raise KeyRefusedError."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        # By hash, like the readings below: whether a key was good when it was asked about last.
        self._proven = Lru[bytes, bool](KEYS_LIMIT)
        self._good = Brief[bytes, Integrator | None](KEYS_LIMIT, KEY_SECONDS)
        self._unproven = Brief[bytes, Integrator | None](UNPROVEN_LIMIT, KEY_SECONDS)
        self._second, self._asked = 0.0, 0
        self._shows = Brief[UUID, ShowOwner | None](SHOWS_LIMIT, KEY_SECONDS)

    async def find(self, key: bytes) -> Integrator | None:
        """The integrator of a key; None when it is malformed, unknown or revoked."""
        key_hash = hash_of(key)
        if key_hash is None:
            return None
        if self._proven.get(key_hash):
            found = await self._good.get(key_hash, lambda: self._read(key_hash))
        else:
            found = await self._unproven.get(key_hash, lambda: self._read_unproven(key_hash))
        if found is not None or self._proven.get(key_hash):
            self._proven.put(key_hash, found is not None)
        return found

    async def _read_unproven(self, key_hash: bytes) -> Integrator | None:
        now = monotonic()
        if now - self._second >= 1.0:
            self._second, self._asked = now, 0
        self._asked += 1
        if self._asked > UNPROVEN_A_SECOND:
            raise BusyError("too many unknown keys")
        return await self._read(key_hash)

    async def _read(self, key_hash: bytes) -> Integrator | None:
        async def operation(connection: Connection) -> Integrator | None:
            return await store.find_key(connection, key_hash)

        return await call(self._cells.catalogue.app, operation, repeatable=True, reads=True)

    async def owner_of(self, show_id: UUID) -> ShowOwner | None:
        """The organization of a show; None when there is no such show."""

        async def operation(connection: Connection) -> ShowOwner | None:
            return await store.owner_of_show(connection, show_id)

        cell = self._cells.of(show_id)
        return await self._shows.get(show_id, lambda: call(cell.app, operation, repeatable=True, reads=True))

    async def create(self, organization: str, scopes: Collection[Scope], name: str) -> NewKey:
        """A new key for the organization of that name or slug."""
        name = name.strip()
        if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
            raise KeyRefusedError(f"The name of a key has 1 to {NAME_LENGTH} printable characters.")
        key = make_key()
        key_hash = hash_of(key.encode())
        assert key_hash is not None, "a key that was made has the form of one"
        key_id, granted = uuid4(), sorted({str(scope) for scope in scopes})
        async with self._cells.catalogue.owner() as connection:
            organization_id, organization_name = await _one(connection, organization)
            created_at = await store.add_key(connection, key_id, organization_id, name, granted, key_hash)
        return NewKey(KeyListing(key_id, organization_name, name, granted, created_at, None), key)

    async def list_keys(self, organization: str | None = None) -> list[KeyListing]:
        """Every key, or those of the organization of that name or slug; revoked ones, too."""
        async with self._cells.catalogue.owner() as connection:
            organization_id = None if organization is None else (await _one(connection, organization))[0]
            return await store.list_keys(connection, organization_id)

    async def revoke(self, key_id: UUID) -> KeyListing:
        """Revoke a key. Repeatable."""
        async with self._cells.catalogue.owner() as connection:
            revoked = await store.revoke_key(connection, key_id)
        if revoked is None:
            raise KeyRefusedError(f"There is no key {key_id}. `rowlock key list` shows what there is.")
        return revoked


async def _one(connection: Connection, organization: str) -> tuple[UUID, str]:
    """Id and name of the one organization of that name or slug. Raises KeyRefusedError."""
    found = await store.find_organizations(connection, organization)
    if not found:
        raise KeyRefusedError(
            f"There is no organization {organization!r}. `rowlock venue list` shows what there is; "
            "`rowlock plan import --organization` makes one."
        )
    if len(found) > 1:
        raise KeyRefusedError(f"{len(found)} organizations are called {organization!r}. Give the slug of one of them.")
    return found[0]
