"""The PostgreSQL server under test: the embedded one with its production settings, and fresh databases on it.

Each measurement gets a database of its own, cloned from a template. When it is done with it, the ledger is checked.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench import invariants
from bench.invariants import Ledger
from rowlock.db.migrate import migrate
from rowlock.db.pool import connect
from rowlock.domain.database import Dsns
from rowlock.embedded import EmbeddedServer

_MOST_CONNECTIONS = 120

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(slots=True)
class Database:
    """One database and what was done to it. `superuser` is for checkpoints and vacuum, never for load."""

    name: str
    dsns: Dsns
    superuser: str = field(repr=False)
    ledger: Ledger = field(default_factory=Ledger)

    def owner(self) -> Connection:
        """A connection of the owner in autocommit."""
        return psycopg.connect(self.dsns.owner, autocommit=True, options="-c search_path=rowlock,public")

    def settle(self) -> None:
        """Write out what earlier work has left in memory, and let the planner know of it, as autovacuum would.

        Autovacuum looks every 10 seconds, and a round may be shorter.
        """
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            connection.execute("analyze rowlock.show_seats, rowlock.seat_reservations")
            connection.execute("checkpoint")

    def vacuum(self) -> None:
        """Leave a database that was filled in one go as autovacuum would leave it after a while."""
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            connection.execute("vacuum analyze")
            connection.execute("checkpoint")


class Cluster:
    """A running server. `folder` is removed by whoever made it."""

    def __init__(self, folder: Path) -> None:
        self._embedded = EmbeddedServer(folder / "data")
        self._templates: dict[str, str] = {}

    def __enter__(self) -> "Cluster":
        self._embedded.start()
        # The HTTP servers of all rows keep their connections while they wait for their turns.
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            connection.execute(sql.SQL("alter system set max_connections = {}").format(_MOST_CONNECTIONS))
        self._embedded.stop()
        self._embedded.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._embedded.stop()

    @property
    def pid(self) -> int:
        """Process id of the server; its children are the backends."""
        return self._embedded.pid

    @property
    def bin_dir(self) -> Path:
        """PostgreSQL's programs, pgbench among them."""
        return self._embedded.binaries.bin_dir

    @property
    def home(self) -> Path:
        """The folder that the data is in."""
        return self._embedded.home

    @property
    def superuser(self) -> str:
        """The superuser's connection string."""
        return self._embedded.superuser_dsn

    def template(self, name: str, fill: Callable[[Database], None], *, base: str | None = None) -> str:
        """The template called `name`, made from `base` or anew when it is first asked for."""
        if name not in self._templates:
            database = self._create(f"bench_{name}", base or self._migrated())
            fill(database)
            database.vacuum()
            self._templates[name] = database.name
        return self._templates[name]

    def _migrated(self) -> str:
        if "" not in self._templates:
            database = self._create("bench_migrated", "template0")
            asyncio.run(_migrate(database.dsns.owner))
            self._templates[""] = database.name
        return self._templates[""]

    @contextlib.contextmanager
    def database(self, template: str, *, audited: bool = True, checked: bool = True) -> Iterator[Database]:
        """A fresh database for a measurement. At the end its invariants are checked, then it is dropped.

        audited  False for a database whose functions write no audit log on purpose.
        checked  False for one that is changed behind the back of the functions.

        Raises BrokenInvariantError.
        """
        database = self._create(f"bench_{secrets.token_hex(4)}", template)
        try:
            yield database
            if checked:
                invariants.check(database.dsns.owner, database.ledger, audited=audited)
        finally:
            with psycopg.connect(self.superuser, autocommit=True) as connection:
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database.name)))

    def _create(self, name: str, template: str) -> Database:
        identifier = sql.Identifier(name)
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} owner rowlock_owner template {} strategy file_copy").format(
                    identifier, sql.Identifier(template)
                )
            )
            # Neither access rights nor settings of a database come along with its clone.
            connection.execute(sql.SQL("revoke all on database {} from public").format(identifier))
            connection.execute(sql.SQL("grant connect on database {} to rowlock_app, rowlock_v1").format(identifier))
            connection.execute(sql.SQL("alter database {} set search_path = rowlock, public").format(identifier))
        base = self._embedded.dsns
        dsns = Dsns(
            owner=make_conninfo(base.owner, dbname=name),
            app=make_conninfo(base.app, dbname=name),
            v1=make_conninfo(base.v1, dbname=name),
        )
        return Database(name, dsns, make_conninfo(self.superuser, dbname=name))


async def _migrate(owner_dsn: str) -> None:
    async with await connect(owner_dsn, application_name="rowlock bench") as connection:
        await migrate(connection)
