"""The SQL of integrators' keys."""

from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from rowlock.base.integrator import Integrator, ShowOwner
from rowlock.database.connections import Connection
from rowlock.database.queries import query
from rowlock.integrators.model import KeyListing


async def find_key(connection: Connection, key_hash: bytes) -> Integrator | None:
    """The integrator of a key that was not revoked, or None."""
    cursor = await connection.execute(query("integrators.find_key"), (key_hash,))
    row = await cursor.fetchone()
    return None if row is None else Integrator(row[0], row[1], row[2], frozenset(row[3]))


async def owner_of_show(connection: Connection, show_id: UUID) -> ShowOwner | None:
    """The organization of a show, or None when there is no such show."""
    async with connection.cursor(row_factory=class_row(ShowOwner)) as cursor:
        await cursor.execute(query("integrators.owner_of_show"), (show_id,))
        return await cursor.fetchone()


async def find_organizations(connection: Connection, organization: str) -> list[tuple[UUID, str]]:
    """Id and name of the organizations of that name or slug."""
    cursor = await connection.execute(query("integrators.find_organization"), {"organization": organization})
    return [(organization_id, name) for organization_id, name in await cursor.fetchall()]


async def add_key(
    connection: Connection, key_id: UUID, organization_id: UUID, name: str, scopes: list[str], key_hash: bytes
) -> datetime:
    """Store a new key. Returns when it was made."""
    given = {
        "key_id": key_id,
        "organization_id": organization_id,
        "name": name,
        "scopes": scopes,
        "key_hash": key_hash,
    }
    cursor = await connection.execute(query("integrators.add_key"), given)
    row = await cursor.fetchone()
    assert row is not None, "insert … returning returns the row"
    created_at: datetime = row[0]
    return created_at


async def list_keys(connection: Connection, organization_id: UUID | None) -> list[KeyListing]:
    """Every key, or those of an organization."""
    async with connection.cursor(row_factory=class_row(KeyListing)) as cursor:
        await cursor.execute(query("integrators.list_keys"), {"organization_id": organization_id})
        return await cursor.fetchall()


async def revoke_key(connection: Connection, key_id: UUID) -> KeyListing | None:
    """Revoke a key; None when there is none of that id."""
    async with connection.cursor(row_factory=class_row(KeyListing)) as cursor:
        await cursor.execute(query("integrators.revoke_key"), (key_id,))
        return await cursor.fetchone()
