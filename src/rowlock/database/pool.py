"""The connections of a server process: one pool for each role it serves requests with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from psycopg.errors import ReadOnlySqlTransaction
from psycopg_pool import AsyncConnectionPool

from rowlock.base.dsns import Dsns
from rowlock.database.access import Connections
from rowlock.database.connections import Connection, Session, connection_string

CONNECTION_TIMEOUT_SECONDS = 5.0
# A pool doubles its pause after each failed attempt to connect. After this time it starts over with the shortest pause,
# so that it reconnects within seconds of the database's return, however long the outage was.
RECONNECT_SECONDS = 5.0
# Staff and the operator are few, and what they do in HTTP is short.
OFFICE_CONNECTIONS = 2
# What anyone may read is read once for all who ask at the same time, so few connections are enough, and more readings
# than these can only be of shows that nobody else looks at. They are refused as busy.
READS_WAITING = 100


async def _prepare_at_once(connection: Connection) -> None:
    if connection.prepare_threshold is not None:  # Behind a pooler in transaction mode.
        connection.prepare_threshold = 0


class _Pool(AsyncConnectionPool[Connection]):
    """A pool whose `check` replaces broken connections, and those to a server that has become read-only."""

    @staticmethod
    async def check_connection(conn: Connection) -> None:
        """Raise when a connection is of no more use. A new one may reach the primary that another server has become."""
        cursor = await conn.execute("show transaction_read_only", prepare=False)
        if await cursor.fetchone() != ("off",):
            await conn.close()
            raise ReadOnlySqlTransaction("the server has become read-only")


class PooledDatabase:
    """A `Database` for a server: a pool for `app`, and one for `reads` and each other role, opened when first used.

    Every statement is prepared at its first use, but not through a pooler in transaction mode.
    """

    def __init__(self, dsns: Dsns, *, pool_size: int = 4) -> None:
        few = min(pool_size, OFFICE_CONNECTIONS)
        self._app = self._pool(dsns.app, "rowlock", pool_size)
        self._reads = self._pool(dsns.app, "rowlock reads", few, max_waiting=READS_WAITING)
        self._office = self._pool(dsns.office, "rowlock office", few)
        self._worker = self._pool(dsns.worker, "rowlock worker", few)
        self._v1 = self._pool(dsns.v1, "rowlock v1", pool_size)
        self._checks: set[asyncio.Task[None]] = set()

    @staticmethod
    def _pool(dsn: str, name: str, size: int, *, max_waiting: int = 0) -> _Pool:
        return _Pool(
            connection_string(dsn, application_name=name),
            connection_class=Session,
            min_size=1,
            max_size=size,
            max_waiting=max_waiting,
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
        for pool in (self._app, self._reads, self._office, self._worker, self._v1):
            await pool.close()

    def app(self) -> AbstractAsyncContextManager[Connection]:
        """A connection of the application role. Raises psycopg_pool.PoolTimeout after 5 seconds without one."""
        return self._connection_of(self._app)

    def reads(self) -> AbstractAsyncContextManager[Connection]:
        """As `app`, from a pool of its own. Raises psycopg_pool.TooManyRequests when READS_WAITING wait already."""
        return self._connection_of(self._reads)

    def office(self) -> AbstractAsyncContextManager[Connection]:
        """A connection of the office role."""
        return self._connection_of(self._office)

    def worker(self) -> AbstractAsyncContextManager[Connection]:
        """A connection of the worker role."""
        return self._connection_of(self._worker)

    def v1(self) -> AbstractAsyncContextManager[Connection]:
        """A connection of the version 1 role."""
        return self._connection_of(self._v1)

    def serving(self) -> tuple[Connections, ...]:
        """The pools that are open."""
        pools = (
            (self._app, self.app),
            (self._reads, self.reads),
            (self._office, self.office),
            (self._worker, self.worker),
            (self._v1, self.v1),
        )
        return tuple(connections for pool, connections in pools if not pool.closed)

    def owner(self) -> AbstractAsyncContextManager[Connection]:
        """Raises RuntimeError: a server does not use the owner's rights."""
        raise RuntimeError("no request is served as the owner of the database")

    @asynccontextmanager
    async def _connection_of(self, pool: _Pool) -> AsyncIterator[Connection]:
        if pool.closed:
            await pool.open()  # Does nothing if another request has opened it meanwhile.
        async with pool.connection() as connection:
            try:
                yield connection
            finally:
                if connection.closed and not self._checks:
                    # Connections are usually lost, or become read-only, together. Without this check of the idle ones,
                    # each retry of a call could get another one that is of no use.
                    check = asyncio.create_task(pool.check())
                    self._checks.add(check)
                    check.add_done_callback(self._checks.discard)
