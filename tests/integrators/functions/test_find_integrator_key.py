"""find_integrator_key: what a key may do, by its hash; nothing for a key that is unknown or revoked."""

from hashlib import sha256

import psycopg
import pytest
from psycopg import errors

from rowlock.base.dsns import Dsns

HASH = sha256(b"the key").digest()


@pytest.fixture
async def key_id(owner: psycopg.AsyncConnection) -> object:
    """A key of an organization, with the hash above."""
    cursor = await owner.execute(
        "with o as (insert into rowlock.organizations (name, slug) values ('Moonlight', 'moonlight') returning *) "
        "insert into rowlock.integrator_keys (key_id, organization_id, name, scopes, key_hash) "
        "select gen_random_uuid(), organization_id, 'Shop', '{sell}', %s from o returning key_id",
        [HASH],
    )
    row = await cursor.fetchone()
    assert row is not None
    return row[0]


async def test_buyers_role_finds_a_key_by_its_hash_until_it_is_revoked(
    owner: psycopg.AsyncConnection, dsns: Dsns, key_id: object
) -> None:
    ask = "select key_id, name, scopes from rowlock.find_integrator_key(%s)"
    async with await psycopg.AsyncConnection.connect(dsns.app, autocommit=True) as app:
        assert await (await app.execute(ask, [HASH])).fetchall() == [(key_id, "Shop", ["sell"])]
        assert await (await app.execute(ask, [sha256(HASH).digest()])).fetchall() == []
        assert await (await app.execute(ask, [None])).fetchall() == []

        await owner.execute("update rowlock.integrator_keys set revoked_at = clock_timestamp()")

        assert await (await app.execute(ask, [HASH])).fetchall() == []
        with pytest.raises(errors.InsufficientPrivilege):
            await app.execute("select key_hash from rowlock.integrator_keys")


@pytest.mark.parametrize(
    ("column", "value"), [("scopes", []), ("scopes", ["all"]), ("name", ""), ("key_hash", b"the key")]
)
async def test_a_key_that_makes_no_sense_is_not_stored(
    owner: psycopg.AsyncConnection, key_id: object, column: str, value: object
) -> None:
    with pytest.raises(errors.CheckViolation):
        await owner.execute(f"update rowlock.integrator_keys set {column} = %s".encode(), [value])
