"""The functions of the last release can stay beside those of today, while its processes still run.

A change that cannot is seen here, and not only when somebody deploys it. `released/` has the declarations of the last
release; a new release replaces the file by its own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.schema.migrate import MigrationError, migrate

Connection = psycopg.AsyncConnection

[RELEASED] = (Path(__file__).parent / "released").glob("*.sql")
VERSION = RELEASED.stem


async def as_released(owner: Connection) -> None:
    """Put the functions of the last release in place of today's, as its migration left them."""
    cursor = await owner.execute(
        "select oid::regprocedure::text from pg_proc where pronamespace = 'rowlock'::regnamespace"
    )
    for (function,) in await cursor.fetchall():
        await owner.execute(f"drop function {function}".encode())
    await owner.execute(RELEASED.read_text(encoding="utf-8").encode())
    await owner.execute("update rowlock.schema_objects set checksum = 'released' where path like 'functions/%'")


@asynccontextmanager
async def process_of_the_last_release(dsns: Dsns) -> AsyncIterator[None]:
    name = f"rowlock serve {VERSION}/00000000"
    async with await Connection.connect(dsns.app, autocommit=True, application_name=name):
        yield


async def test_todays_functions_can_be_applied_while_the_last_release_runs(owner: Connection, dsns: Dsns) -> None:
    await as_released(owner)
    async with process_of_the_last_release(dsns):
        report = await migrate(owner)

        cursor = await owner.execute(
            "select count(*) from pg_proc where pronamespace = 'rowlock'::regnamespace and prosrc like '%of release%'"
        )
        assert await cursor.fetchone() == (len(report.old_functions.kept),)


async def test_a_change_that_cannot_is_seen(owner: Connection, dsns: Dsns) -> None:
    await as_released(owner)
    await owner.execute("drop function rowlock.mint_id")
    await owner.execute(
        "create function rowlock.mint_id(p_show_id uuid) returns text language plpgsql as 'begin return null; end'"
    )
    async with process_of_the_last_release(dsns):
        with pytest.raises(MigrationError, match="mint_id"):
            await migrate(owner)
