"""The PostgreSQL server under test, with its production settings, and databases that are checked after every load."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench.product import Dsns, EmbeddedServer, violations

SEATS_PER_RESERVATION = 2

_COUNTS = """
    select
        (select count(*) from seat_reservation_audit_log where event = 'created'),
        (select count(*) from seat_reservations),
        (select count(*) from show_seats)
"""
# Neither access rights nor settings of a database come along with its clone.
_CREATE = (
    "create database {0} owner rowlock_owner template {1} strategy file_copy",
    "revoke all on database {0} from public",
    "grant connect on database {0} to rowlock_app, rowlock_office, rowlock_worker, rowlock_v1",
    "alter database {0} set search_path = rowlock, public",
)


class BrokenInvariantError(Exception):
    """`rowlock check` or the load generators' accounts found a fault: whatever was measured is worth nothing."""


class Counts(NamedTuple):
    """What a database holds: created events, reservations and claims."""

    created: int
    reservations: int
    claims: int


@dataclass(slots=True)
class Ledger:
    """What the load generators know about one database.

    before     what was there when the load began.
    in_pairs   every reservation has two seats that it still holds.
    confirmed  reservations that a client was told to have.
    cut_off    requests whose answer is unknown, most of them because a generator stopped: served or not.
    """

    before: Counts
    in_pairs: bool = True
    confirmed: int = 0
    cut_off: int = 0

    def add(self, confirmed: int, cut_off: int = 0) -> None:
        """Enter what one run of a generator came to."""
        self.confirmed += confirmed
        self.cut_off += cut_off

    def differences(self, after: Counts) -> list[str]:
        """What the generators' account and the database's disagree about, as sentences; empty when all is well."""
        created, reservations, claims = (now - then for now, then in zip(after, self.before, strict=True))
        found = []
        if not self.confirmed <= reservations <= self.confirmed + self.cut_off:
            told = f"{self.confirmed} reservations were confirmed and {self.cut_off} requests cut off"
            found.append(f"{told}, but the database has {reservations} reservations")
        if created != reservations:
            found.append(f"there are {reservations} reservations, but {created} created events")
        if self.in_pairs and claims != SEATS_PER_RESERVATION * reservations:
            found.append(f"{reservations} reservations of two seats hold {claims} seats")
        return found


@dataclass(slots=True)
class Database:
    """One database and what is done to it. `superuser` is for checkpoints and vacuum, never for load."""

    name: str
    dsns: Dsns
    superuser: str = field(repr=False)
    ledger: Ledger = field(default_factory=lambda: Ledger(Counts(0, 0, 0)))

    def owner(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the owner in autocommit."""
        return psycopg.connect(self.dsns.owner, autocommit=True, options="-c search_path=rowlock,public")

    def counts(self, query: str = _COUNTS) -> list[int]:
        """The row of numbers that a query answers with; by default what `Counts` has."""
        with self.owner() as connection:
            return [int(str(number)) for row in connection.execute(query.encode()) for number in row]

    def settle(self, first: str = "analyze rowlock.show_seats, rowlock.seat_reservations") -> None:
        """Write out what earlier work left in memory, and let the planner know of it, sooner than autovacuum would."""
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            connection.execute(first.encode())
            connection.execute("checkpoint")

    @contextlib.contextmanager
    def checked(self, *, in_pairs: bool = True) -> Iterator[None]:
        """A measurement with a ledger of its own; at its end it is checked. Raises BrokenInvariantError."""
        self.ledger = Ledger(Counts(*self.counts()), in_pairs)
        yield
        if found := self.ledger.differences(Counts(*self.counts())) + violations(self.dsns.owner):
            raise BrokenInvariantError("; ".join(found))


class Cluster:
    """The server, which others start and stop, and its databases. `folder` is removed by whoever made it."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedServer(folder / "data")
        self._templates: dict[str, str] = {}

    def template(self, name: str, fill: Callable[[Database], None], *, base: str = "template0") -> str:
        """The template called `name`, made from `base` when it is first asked for."""
        if name not in self._templates:
            database = self._create(f"bench_{name}", base)
            fill(database)
            database.settle("vacuum analyze")  # As autovacuum would leave it after a while.
            self._templates[name] = database.name
        return self._templates[name]

    @contextlib.contextmanager
    def database(self, template: str) -> Iterator[Database]:
        """A fresh database, which is dropped at the end."""
        database = self._create(f"bench_{secrets.token_hex(4)}", template)
        try:
            yield database
        finally:
            self._execute("drop database {0} with (force)", database.name)

    def _create(self, name: str, template: str) -> Database:
        for statement in _CREATE:
            self._execute(statement, name, template)
        dsns = self.server.dsns.each(lambda dsn: make_conninfo(dsn, dbname=name))
        return Database(name, dsns, make_conninfo(self.server.superuser_dsn, dbname=name))

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.server.superuser_dsn, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
