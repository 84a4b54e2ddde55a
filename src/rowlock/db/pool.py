"""Connections: one pool for each database role, with the session settings that every connection of ours has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from rowlock.domain.database import Dsns

APP_ROLE = "rowlock_app"
V1_ROLE = "rowlock_v1"

# A buyer who waits longer than these has gone. They bound what one stuck transaction can do to all others.
LOCK_TIMEOUT = "3s"
STATEMENT_TIMEOUT = "10s"
IDLE_IN_TRANSACTION_TIMEOUT = "10s"
CONNECTION_TIMEOUT_SECONDS = 5.0
# A pool doubles its pause after each attempt to connect that failed. It gives up and starts afresh after this, so that
# it is back seconds after the database, however long that was away.
RECONNECT_SECONDS = 5.0


def connection_string(dsn: str, *, application_name: str, role: str | None = None) -> str:
    """`dsn` with the session settings of a server process, and optionally a role to take on connecting."""
    options = [
        str(conninfo_to_dict(dsn).get("options") or ""),
        "-c search_path=rowlock,public",
        "-c timezone=UTC",
        f"-c lock_timeout={LOCK_TIMEOUT}",
        f"-c statement_timeout={STATEMENT_TIMEOUT}",
        f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT}",
        f"-c role={role}" if role else "",
    ]
    return make_conninfo(
        dsn, application_name=application_name, options=" ".join(filter(None, options)), connect_timeout=5
    )


async def connect(dsn: str, *, application_name: str = "rowlock", role: str | None = None) -> AsyncConnection:
    """One connection outside the pools, in autocommit, for commands and migrations."""
    options = f"{conninfo_to_dict(dsn).get('options') or ''} -c search_path=rowlock,public -c timezone=UTC"
    if role:
        options += f" -c role={role}"
    conninfo = make_conninfo(dsn, application_name=application_name, options=options, connect_timeout=5)
    return await AsyncConnection.connect(conninfo, autocommit=True)


async def _prepare_at_once(connection: AsyncConnection) -> None:
    connection.prepare_threshold = 0


class Database:
    """The pools of one process: `app` for everything, `v1` for the version 1 fallback, opened when first used.

    Connections are in autocommit, so that one call of a function is one transaction, and prepare every statement.
    """

    def __init__(self, dsns: Dsns, *, pool_size: int = 4) -> None:
        self._app = self._pool(dsns.app, "rowlock", pool_size)
        self._v1 = self._pool(dsns.v1, "rowlock v1", pool_size)
        self._v1_opened = False
        self._checks: set[asyncio.Task[None]] = set()

    @staticmethod
    def _pool(dsn: str, name: str, size: int) -> AsyncConnectionPool[AsyncConnection]:
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
        """Close every connection; calls still running finish first."""
        for check in self._checks:
            check.cancel()
        await self._app.close()
        await self._v1.close()

    @asynccontextmanager
    async def app(self) -> AsyncIterator[AsyncConnection]:
        """A connection of the application role. Raises psycopg_pool.PoolTimeout after 5 seconds without one."""
        async with self._from(self._app) as connection:
            yield connection

    @asynccontextmanager
    async def v1(self) -> AsyncIterator[AsyncConnection]:
        """A connection of the version 1 role."""
        if not self._v1_opened:
            await self._v1.open()
            self._v1_opened = True
        async with self._from(self._v1) as connection:
            yield connection

    @asynccontextmanager
    async def _from(self, pool: AsyncConnectionPool[AsyncConnection]) -> AsyncIterator[AsyncConnection]:
        async with pool.connection() as connection:
            try:
                yield connection
            finally:
                if connection.closed and not self._checks:
                    # Connections are rarely lost one by one. Without a look at the idle ones, whoever repeats a call
                    # would be handed the next dead one each time.
                    check = asyncio.create_task(pool.check())
                    self._checks.add(check)
                    check.add_done_callback(self._checks.discard)
