"""The connections of a server process: one pool for each role it serves requests with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from psycopg_pool import AsyncConnectionPool

from rowlock.base.dsns import Dsns
from rowlock.database.connections import Connection, connection_string

CONNECTION_TIMEOUT_SECONDS = 5.0
# A pool doubles its pause after each failed attempt to connect. After this time it starts over with the shortest pause,
# so that it reconnects within seconds of the database's return, however long the outage was.
RECONNECT_SECONDS = 5.0


async def _prepare_at_once(connection: Connection) -> None:
    connection.prepare_threshold = 0


class PooledDatabase:
    """A `Database` for a server: a pool for `app`, and one for `v1`, which is opened when first used.

    Every statement is prepared at its first use.
    """

    def __init__(self, dsns: Dsns, *, pool_size: int = 4) -> None:
        self._app = self._pool(dsns.app, "rowlock", pool_size)
        self._v1 = self._pool(dsns.v1, "rowlock v1", pool_size)
        self._v1_opened = False
        self._checks: set[asyncio.Task[None]] = set()

    @staticmethod
    def _pool(dsn: str, name: str, size: int) -> AsyncConnectionPool[Connection]:
        return AsyncConnectionPool(
            connection_string(dsn, application_name=name),
            min_size=1,
            max_size=size,
            open=False,
            timeout=CONNECTION_TIMEOUT_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            kwargs={"autocommit": True},
            configure=_prepare_at_once,
            name=name,
        )

    async def open(self) -> None:
        """Connect; raises psycopg_pool.PoolTimeout when the database cannot be reached within 5 seconds."""
        await self._app.open(wait=True, timeout=CONNECTION_TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Close idle connections now; a connection in use is closed when its call returns it."""
        for check in self._checks:
            check.cancel()
        await self._app.close()
        await self._v1.close()

    @asynccontextmanager
    async def app(self) -> AsyncIterator[Connection]:
        """A connection of the application role. Raises psycopg_pool.PoolTimeout after 5 seconds without one."""
        async with self._connection_of(self._app) as connection:
            yield connection

    @asynccontextmanager
    async def v1(self) -> AsyncIterator[Connection]:
        """A connection of the version 1 role."""
        if not self._v1_opened:
            await self._v1.open()
            self._v1_opened = True
        async with self._connection_of(self._v1) as connection:
            yield connection

    def owner(self) -> AbstractAsyncContextManager[Connection]:
        """Raises RuntimeError: a server does not use the owner's rights."""
        raise RuntimeError("no request is served as the owner of the database")

    @asynccontextmanager
    async def _connection_of(self, pool: AsyncConnectionPool[Connection]) -> AsyncIterator[Connection]:
        async with pool.connection() as connection:
            try:
                yield connection
            finally:
                if connection.closed and not self._checks:
                    # Connections are usually lost together. Without this check of the idle ones, each retry of a
                    # call could get another dead connection.
                    check = asyncio.create_task(pool.check())
                    self._checks.add(check)
                    check.add_done_callback(self._checks.discard)
