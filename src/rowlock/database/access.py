"""The interface that services have to a database: a connection of one of its roles. Two simple implementations.

`pool` has a third one, with connection pools, for servers.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeAlias

from rowlock.base.dsns import Dsns
from rowlock.database.connections import UNREACHABLE, Connection, connect

Connections: TypeAlias = Callable[[], AbstractAsyncContextManager[Connection]]
"""Gives a connection for the length of a block, as `Database.app` does."""


class Database(Protocol):
    """One PostgreSQL database. Connections are in autocommit: one call of a function is one transaction."""

    def app(self) -> AbstractAsyncContextManager[Connection]:
        """A connection as rowlock_app, for what buyers do."""

    def reads(self) -> AbstractAsyncContextManager[Connection]:
        """A connection as rowlock_app, for what anyone may read: who reserves does not wait for who looks."""

    def office(self) -> AbstractAsyncContextManager[Connection]:
        """A connection as rowlock_office, for what staff do."""

    def worker(self) -> AbstractAsyncContextManager[Connection]:
        """A connection as rowlock_worker, for money, jobs and cleanup."""

    def v1(self) -> AbstractAsyncContextManager[Connection]:
        """A connection as rowlock_v1, with which version 1 writes the tables directly."""

    def owner(self) -> AbstractAsyncContextManager[Connection]:
        """A connection as the owner of the schema. No request is served with it."""

    def serving(self) -> tuple[Connections, ...]:
        """What requests are served with now, for the readiness check: `app`, and other roles once they are used."""


class CannotConnectError(OSError):
    """A command could not connect; the message is the driver's. The command does not retry."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error).strip() or type(error).__name__)
        self.sqlstate: str | None = getattr(error, "sqlstate", None)


class DirectDatabase:
    """Opens a connection for each use: for commands, which need one or two in all."""

    def __init__(self, dsns: Dsns, *, application_name: str) -> None:
        self._dsns = dsns
        self._application_name = application_name

    def app(self) -> AbstractAsyncContextManager[Connection]:
        """See Database. This and the others raise CannotConnectError."""
        return self._connection(self._dsns.app)

    reads = app

    def office(self) -> AbstractAsyncContextManager[Connection]:
        """See Database."""
        return self._connection(self._dsns.office)

    def worker(self) -> AbstractAsyncContextManager[Connection]:
        """See Database."""
        return self._connection(self._dsns.worker)

    def v1(self) -> AbstractAsyncContextManager[Connection]:
        """See Database."""
        return self._connection(self._dsns.v1)

    def owner(self) -> AbstractAsyncContextManager[Connection]:
        """See Database."""
        return self._connection(self._dsns.owner)

    def serving(self) -> tuple[Connections, ...]:
        """See Database."""
        return (self.app,)

    @asynccontextmanager
    async def _connection(self, dsn: str) -> AsyncIterator[Connection]:
        try:
            new_connection = await connect(dsn, application_name=self._application_name)
        except UNREACHABLE as error:
            raise CannotConnectError(error) from error
        async with new_connection as connection:
            yield connection


class OneConnection:
    """Uses one connection for everything, so that calls of several services can be one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def app(self) -> AsyncIterator[Connection]:
        """The connection, with the role that it has."""
        yield self._connection

    reads = office = worker = v1 = owner = app

    def serving(self) -> tuple[Connections, ...]:
        """See Database."""
        return (self.app,)
