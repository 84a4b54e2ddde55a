"""The files in sql/ that define the schema, and which of them a given database has applied. Changes nothing."""

import graphlib
import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import psycopg

from rowlock.database.connections import ROLES

SQL_DIR = Path(__file__).parents[2] / "sql"

Kind = Literal["migration", "function", "view", "grants"]
State = Literal["applied", "pending", "changed", "missing", "unknown"]
_KINDS: dict[str, Kind] = {"migrations": "migration", "functions": "function", "views": "view"}


class DefinitionError(Exception):
    """The files contradict each other, independently of any database."""


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A file below sql/: its path there, its text, and the SHA-256 of that text in hexadecimal."""

    path: str
    text: str
    checksum: str

    @property
    def name(self) -> str:
        """The file name without its ending, which is the name of the function or view that the file creates."""
        return Path(self.path).stem

    @property
    def kind(self) -> Kind:
        """The kind of object that the file creates, by its folder."""
        return _KINDS.get(self.path.partition("/")[0], "grants")

    @property
    def version(self) -> int:
        """The number of a migration."""
        return int(self.name.partition("_")[0])


@dataclass(frozen=True, slots=True)
class Record:
    """The record in the database of a file that was applied to it."""

    path: str
    checksum: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """A file of sql/ and its state in the database.

    state  applied; pending (never applied); changed (another text was applied, which for a migration is an
           error); missing (applied, but the object no longer exists); unknown (applied, but there is no such file).
    """

    path: str
    kind: Kind
    state: State
    applied_at: datetime | None


def read_files(sql_dir: Path = SQL_DIR) -> list[SqlFile]:
    """Every file that describes the database, in the order in which they are applied; grants.sql is last.

    Raises DefinitionError when two migrations have the same number.
    """
    migrations = _read(sql_dir, "migrations/*.sql")
    for before, after in itertools.pairwise(migrations):
        if before.version == after.version:
            raise DefinitionError(f"{before.path} and {after.path} have the same number. Renumber the newer one.")
    views = _in_order_of_dependency(_read(sql_dir, "views/*.sql"))
    return [*migrations, *_read(sql_dir, "functions/*.sql"), *views, *_read(sql_dir, "grants.sql")]


def _read(sql_dir: Path, pattern: str) -> list[SqlFile]:
    files = []
    for path in sorted(sql_dir.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        files.append(SqlFile(path.relative_to(sql_dir).as_posix(), text, checksum))
    return files


def _in_order_of_dependency(views: list[SqlFile]) -> list[SqlFile]:
    by_name = {view.name: view for view in views}
    uses = {
        name: (set(re.findall(r"\browlock\.(\w+)", view.text)) & by_name.keys()) - {name}
        for name, view in by_name.items()
    }
    return [by_name[name] for name in graphlib.TopologicalSorter(uses).static_order()]


def for_roles(files: list[SqlFile], roles: Sequence[str]) -> list[SqlFile]:
    """The same files for a server with these roles. Grants skip a role that does not exist, so their checksum depends
    on the roles: they are applied again once a role exists."""
    grants = files[-1]
    checksum = f"{grants.checksum} for {','.join(roles) or 'nobody'}"
    return [*files[:-1], SqlFile(grants.path, grants.text, checksum)]


async def existing_roles(connection: psycopg.AsyncConnection) -> list[str]:
    """Which of our roles this server has."""
    cursor = await connection.execute(
        "select rolname from pg_roles where rolname = any(%s) order by rolname", [list(ROLES)]
    )
    return [row[0] for row in await cursor.fetchall()]


async def status(connection: psycopg.AsyncConnection, *, sql_dir: Path = SQL_DIR) -> list[ObjectStatus]:
    """The state of each file of sql/ in the database; without our schema all are pending."""
    files = for_roles(read_files(sql_dir), await existing_roles(connection))
    records = await recorded(connection)
    states = await states_of(connection, files, records)
    statuses = [
        ObjectStatus(file.path, file.kind, states[file.path], _applied_at(records.get(file.path))) for file in files
    ]
    paths = {file.path for file in files}
    unknown_statuses = [
        ObjectStatus(record.path, SqlFile(record.path, "", "").kind, "unknown", record.applied_at)
        for record in records.values()
        if record.path not in paths
    ]
    return statuses + unknown_statuses


def _applied_at(record: Record | None) -> datetime | None:
    return record.applied_at if record else None


async def recorded(connection: psycopg.AsyncConnection) -> dict[str, Record]:
    """What was applied so far, by path."""
    cursor = await connection.execute("select to_regclass('rowlock.schema_objects') is not null")
    if await cursor.fetchone() != (True,):
        return {}
    cursor = await connection.execute(
        """
        select 'migrations/' || name || '.sql' as path, checksum, applied_at from rowlock.schema_migrations
        union all
        select path, checksum, applied_at from rowlock.schema_objects
        order by path
        """
    )
    return {path: Record(path, checksum, at) for path, checksum, at in await cursor.fetchall()}


async def states_of(
    connection: psycopg.AsyncConnection, files: list[SqlFile], records: dict[str, Record]
) -> dict[str, State]:
    """The state of each file, by path. A function that is only there in an earlier version is missing."""
    cursor = await connection.execute(
        """
        select 'function', p.proname::text
        from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
        where n.nspname = 'rowlock' and not exists (
            select from unnest(%s::text[]) as old (signature) where to_regprocedure('rowlock.' || old.signature) = p.oid
        )
        union
        select 'view', c.relname::text
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname = 'rowlock' and c.relkind = 'v'
        """,
        [await _old_signatures(connection)],
    )
    present = set(await cursor.fetchall())

    def state(file: SqlFile) -> State:
        record = records.get(file.path)
        if record is None:
            return "pending"
        if file.kind in ("function", "view") and (file.kind, file.name) not in present:
            return "missing"
        return "applied" if record.checksum == file.checksum else "changed"

    return {file.path: state(file) for file in files}


async def _old_signatures(connection: psycopg.AsyncConnection) -> list[str]:
    # The first migration makes the table, and at its end lets the application read it.
    cursor = await connection.execute(
        "select has_table_privilege(to_regclass('rowlock.schema_old_functions'), 'select')"
    )
    if await cursor.fetchone() != (True,):
        return []
    cursor = await connection.execute("select signature from rowlock.schema_old_functions")
    return [str(row[0]) for row in await cursor.fetchall()]
