"""Errors of PostgreSQL on demand: writes that fail with an error code, and sessions that cannot write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection


@asynccontextmanager
async def failing_writes(owner: AsyncConnection, sqlstate: str) -> AsyncIterator[None]:
    """For the length of a block every write of a hold, by whichever version, fails with `sqlstate`, for all sessions.

    A disk cannot be filled in a test; the server raises what it would raise then. Only for a database of one test.
    """
    await owner.execute(
        f"""
        create function public.fail() returns trigger language plpgsql as
        $$ begin raise exception 'planted' using errcode = '{sqlstate}'; end $$;
        create trigger fail before insert or update on rowlock.seat_reservations execute function public.fail()
        """.encode()
    )
    try:
        yield
    finally:
        await owner.execute("drop function public.fail cascade")


async def forbid_writing(connection: AsyncConnection) -> None:
    """Make an open session read-only, as a failover does to every session of the server that was the primary."""
    await connection.execute("set default_transaction_read_only = on")
