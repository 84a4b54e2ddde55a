"""Brings a database to the state that the files in sql/ describe: tables, then functions and views, then grants.

Numbered migrations run once and never change. Functions, views and grants have one file each; it is applied again
when its text has changed or the object is missing. `rollback` goes back to version 1.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import errors, sql

from rowlock.database.pooler import require_session
from rowlock.database.schema.definitions import (
    SQL_DIR,
    DefinitionError,
    SqlFile,
    existing_roles,
    for_roles,
    read_files,
    recorded,
    states_of,
)
from rowlock.database.schema.old_functions import OldFunctions, OldFunctionsReport, StillCalledError
from rowlock.database.schema.role_settings import find_settings, reset_settings
from rowlock.database.schema.roles import RoleReport, ensure_roles, inspect_roles

OLDEST_SERVER = 15

# An arbitrary number that every version of Rowlock must use: "rowlock" in ASCII.
ADVISORY_LOCK = 0x726F776C6F636B

_SETTINGS = ("lock_timeout", "statement_timeout", "search_path")

_FIND_VIEWS: LiteralString = """
    select oid::regclass::text from pg_class
    where relnamespace = 'rowlock'::regnamespace and relkind = 'v' and relname = any(%s)
"""

_TRACKING = """
    create table rowlock.schema_migrations (
        version    integer not null,
        name       text not null,
        checksum   text not null,
        applied_at timestamptz not null default clock_timestamp(),
        constraint schema_migrations_pkey primary key (version)
    );
    comment on table rowlock.schema_migrations is
        'Migrations that were applied, each once. checksum: SHA-256 of the file, in hexadecimal.';
    create table rowlock.schema_objects (
        path       text not null,
        checksum   text not null,
        applied_at timestamptz not null default clock_timestamp(),
        constraint schema_objects_pkey primary key (path)
    );
    comment on table rowlock.schema_objects is
        'Functions, views and grants as they were last applied. A file with another checksum is applied again.';
"""

# Release 0.1 did not have it.
_TRACKING_OF_OLD_FUNCTIONS = """
    create table rowlock.schema_old_functions (
        signature   text not null,
        replaced_at timestamptz not null default clock_timestamp(),
        constraint schema_old_functions_pkey primary key (signature)
    );
    comment on table rowlock.schema_old_functions is
        'Functions of earlier releases that are kept while a process of another version runs, which may call them.';
"""


class MigrationError(Exception):
    """The database is not up to date. Says which step failed, why, and what to do; that step was rolled back."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What `migrate` did.

    migrations, objects  paths below sql/, in the order in which they were applied.
    partitions           tables made for the audit log.
    old_functions        functions of earlier releases that were dropped, or are kept for processes that still run.
    resets               settings of Rowlock's own roles that were taken away, each as a sentence without its full stop.
    warnings             guarantees that are weaker in this database, each with its remedy.
    """

    migrations: tuple[str, ...]
    objects: tuple[str, ...]
    partitions: tuple[str, ...]
    old_functions: OldFunctionsReport
    resets: tuple[str, ...]
    roles: RoleReport
    warnings: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.migrations or self.objects or self.partitions or self.old_functions.dropped or self.resets)


async def migrate(
    connection: psycopg.AsyncConnection,
    *,
    sql_dir: Path = SQL_DIR,
    lock_timeout_seconds: float = 5,
    statement_timeout_seconds: float = 300,
    wait_seconds: float = 120,
) -> MigrationReport:
    """Bring the database of `connection`, an autocommit connection of its owner, up to date.

    lock_timeout_seconds       how long a step waits for a lock; other transactions queue behind that wait.
    statement_timeout_seconds  how long one statement may run.
    wait_seconds               how long to wait for another migrator, which probably applies the same files.

    Each migration is one transaction; all functions, views and grants together are one. Raises MigrationError;
    the steps before the failed one stay committed. Through a pooler in transaction mode it raises
    TransactionPoolerError: the lock against a second migrator belongs to the session.
    """
    if not connection.autocommit:
        raise ValueError("migrate() makes its own transactions: give it a connection in autocommit.")
    check_server_version(connection.info.server_version)
    try:
        migrator = _Migrator(connection, read_files(sql_dir))
    except DefinitionError as error:
        raise MigrationError(str(error)) from error
    try:
        async with migration_lock(connection, wait_seconds):
            await _set(connection, "lock_timeout", _milliseconds(lock_timeout_seconds))
            await _set(connection, "statement_timeout", _milliseconds(statement_timeout_seconds))
            return await migrator.run()
    except StillCalledError as error:
        raise MigrationError(f"{migrator.step} was not applied. {error}") from error
    except psycopg.Error as error:
        raise MigrationError(await _explanation(connection, migrator.step, error)) from error


def check_server_version(server_version: int) -> None:
    """Raise MigrationError for a server that is too old, by libpq's version number: 150018 is PostgreSQL 15.18."""
    major = server_version // 10000
    if major < OLDEST_SERVER:
        raise MigrationError(
            f"The server is PostgreSQL {major}, and Rowlock needs {OLDEST_SERVER} or newer. Upgrade the server, "
            "or set DATABASE_URL to another one; without DATABASE_URL, Rowlock brings its own."
        )


class _Migrator:
    """One migration run on one database. `step` names the current step for error messages."""

    def __init__(self, connection: psycopg.AsyncConnection, files: list[SqlFile]) -> None:
        self.connection = connection
        self.files = files
        self.old_functions = OldFunctions(connection, files)
        self.step = "waiting for another migrator to finish"

    async def run(self) -> MigrationReport:
        self.step = "making the schema"
        await self._ensure_tracking()
        self.step = "making the roles"
        await ensure_roles(self.connection)
        migrations = await self._apply_migrations()
        objects, old_functions = await self._apply_objects()
        partitions = await self._ensure_partitions()
        self.step = "setting the search path"
        warnings = await self._ensure_search_path()
        self.step = "resetting the settings of roles"
        resets = tuple(str(setting) for setting in await reset_settings(self.connection))
        warnings += [
            f"The {left}. Let an administrator run: {left.reset}." for left in await find_settings(self.connection)
        ]
        roles = await inspect_roles(self.connection)
        warnings += roles.weaknesses
        return MigrationReport(
            tuple(migrations), tuple(objects), tuple(partitions), old_functions, resets, roles, tuple(warnings)
        )

    async def _ensure_tracking(self) -> None:
        async with self.connection.transaction():
            if await self._is_true("select to_regnamespace('rowlock') is null"):
                await self.connection.execute("create schema rowlock")
            if await self._is_true("select to_regclass('rowlock.schema_objects') is null"):
                await self.connection.execute(_TRACKING)
            if await self._is_true("select to_regclass('rowlock.schema_old_functions') is null"):
                await self.connection.execute(_TRACKING_OF_OLD_FUNCTIONS)

    async def _apply_migrations(self) -> list[str]:
        self.step = "comparing migrations"
        records = await recorded(self.connection)
        migrations = [file for file in self.files if file.kind == "migration"]
        paths = {file.path for file in migrations}
        newer = [path for path in records if path.startswith("migrations/") and path not in paths]
        if newer:
            raise MigrationError(
                f"The database was migrated by a newer Rowlock: it has {', '.join(newer)}, which this one does "
                "not know. Upgrade this installation before you migrate."
            )
        for file in migrations:
            record = records.get(file.path)
            if record and record.checksum != file.checksum:
                raise MigrationError(
                    f"{file.path} is not what was applied to this database at {record.applied_at:%Y-%m-%d %H:%M}. "
                    "A migration never changes once it was applied: restore the file, and put the change into a "
                    "new migration."
                )
        pending = [file for file in migrations if file.path not in records]
        for file in pending:
            async with self.connection.transaction():
                self.step = file.path
                # Inserted first: the primary key stops a second migrator if the lock fails to.
                await self.connection.execute(
                    "insert into rowlock.schema_migrations (version, name, checksum) values (%s, %s, %s)",
                    [file.version, file.name, file.checksum],
                )
                await self._apply(file)
        return [file.path for file in pending]

    async def _apply_objects(self) -> tuple[list[str], OldFunctionsReport]:
        self.step = "comparing functions and views"
        records = await recorded(self.connection)
        files = for_roles(self.files, await existing_roles(self.connection))
        states = await states_of(self.connection, files, records)
        stale = [file for file in files if file.kind != "migration" and states[file.path] != "applied"]
        removed = [SqlFile(path, "", "") for path in records if path not in states]
        old = await self.old_functions.recorded()
        if not stale and not removed:
            running = await self.old_functions.running() if old else ()
            if running or not old:
                return [], OldFunctionsReport(kept=tuple(old), running=running)
        functions = [file for file in stale if file.kind == "function"]
        # Views depend on each other, so all are replaced or none.
        views = [file for file in files if file.kind == "view" and any(f.kind == "view" for f in stale)]
        grants = [files[-1]] if stale or removed else []
        # One transaction, so that no session sees a function without its grants, or old views together with new ones.
        async with self.connection.transaction():
            await self.old_functions.put_aside(old)
            for file in functions:
                await self._replace_function(file)
            await self._replace_views(views, [file for file in removed if file.kind == "view"])
            for file in removed:
                if file.kind == "function":
                    await self.old_functions.put_aside(await self.old_functions.signatures(file.name))
                await self.connection.execute("delete from rowlock.schema_objects where path = %s", [file.path])
            for file in grants:
                await self._apply(file)
            for file in (*functions, *views, *grants):
                await self._record(file)
            self.step = "keeping or dropping old functions"
            report = await self.old_functions.settle()
        return [file.path for file in (*functions, *views, *removed, *grants)], report

    async def _replace_function(self, file: SqlFile) -> None:
        """Replace a function in place, which does not disturb sessions that call it. Where its result or the names of
        its parameters have changed, PostgreSQL makes us drop it first."""
        self.step = file.path
        await self.old_functions.make_way(file)
        try:
            async with self.connection.transaction():
                await self._apply(file)
        except errors.InvalidFunctionDefinition:
            await self.old_functions.drop_replaced(file.name)
            await self._apply(file)

    async def _replace_views(self, views: Sequence[SqlFile], removed: Sequence[SqlFile]) -> None:
        """Replace all views in place, or drop all and make them anew where other columns forbid that."""
        try:
            async with self.connection.transaction():
                for file in views:
                    await self._apply(file)
        except errors.InvalidTableDefinition:
            await self._drop_views([*views, *removed])
            for file in views:
                await self._apply(file)
        else:
            await self._drop_views(removed)

    async def _drop_views(self, files: Sequence[SqlFile]) -> None:
        """Drop views together. Fails if other objects depend on them."""
        names = [file.name for file in files]
        cursor = await self.connection.execute(_FIND_VIEWS, [names])
        identities = [row[0] for row in await cursor.fetchall()]
        if identities:
            self.step = f"dropping {', '.join(names)}"
            await self.connection.execute(f"drop view {', '.join(identities)}".encode())

    async def _apply(self, file: SqlFile) -> None:
        self.step = file.path
        await self.connection.execute(file.text.encode())

    async def _record(self, file: SqlFile) -> None:
        await self.connection.execute(
            "insert into rowlock.schema_objects (path, checksum) values (%s, %s) "
            "on conflict (path) do update set checksum = excluded.checksum, applied_at = excluded.applied_at",
            [file.path, file.checksum],
        )

    async def _ensure_partitions(self) -> list[str]:
        self.step = "making partitions of the audit log"
        if not any(file.name == "ensure_audit_log_partitions" for file in self.files):
            return []  # The files of a release without partitions of the audit log.
        cursor = await self.connection.execute("select * from rowlock.ensure_audit_log_partitions()")
        return [str(row[0]) for row in await cursor.fetchall()]

    async def _ensure_search_path(self) -> list[str]:
        """Set the search path, so that psql, pg_cron and other clients find our names without a prefix."""
        cursor = await self.connection.execute(
            """
            select
                d.datname,
                pg_has_role(current_user, d.datdba, 'usage'),
                exists (
                    select
                    from pg_db_role_setting as s, unnest(s.setconfig) as c
                    where s.setdatabase in (0, d.oid) and s.setrole in (0, r.oid)
                        and c ~ '^search_path="?rowlock"?(,|$)'
                )
            from pg_database as d, pg_roles as r
            where d.datname = current_database() and r.rolname = current_user
            """
        )
        [(database, is_ours, is_set)] = await cursor.fetchall()
        if is_set:
            return []
        target = "alter database {}" if is_ours else "alter role current_user in database {}"
        statement = sql.SQL(target + " set search_path = rowlock, public").format(sql.Identifier(database))
        await self.connection.execute(statement)
        if is_ours:
            return []
        warning = (
            f"The database {database} belongs to another role, so only you find Rowlock's names without a "
            "prefix. Other users write rowlock.show_seats, or set their search_path."
        )
        return [warning]

    async def _is_true(self, question: LiteralString) -> bool:
        cursor = await self.connection.execute(question)
        return await cursor.fetchone() == (True,)


@asynccontextmanager
async def migration_lock(connection: psycopg.AsyncConnection, wait_seconds: float) -> AsyncIterator[None]:
    """Hold the lock that only one migrator can have; restore the session settings afterwards.

    Raises TransactionPoolerError where the session is not the connection's own.
    """
    await require_session(connection)
    cursor = await connection.execute("select " + ", ".join(f"current_setting('{name}')" for name in _SETTINGS))
    [before] = await cursor.fetchall()
    try:
        await _set(connection, "lock_timeout", _milliseconds(wait_seconds))
        await _set(connection, "statement_timeout", "0")
        await _set(connection, "search_path", "rowlock, pg_temp")
        await connection.execute("select pg_advisory_lock(%s)", [ADVISORY_LOCK])
        try:
            yield
        finally:
            if not connection.closed:
                await connection.execute("select pg_advisory_unlock(%s)", [ADVISORY_LOCK])
    finally:
        if not connection.closed:
            for name, value in zip(_SETTINGS, before, strict=True):
                await _set(connection, name, value)


async def _set(connection: psycopg.AsyncConnection, name: str, value: str) -> None:
    await connection.execute("select set_config(%s, %s, false)", [name, value])


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


async def _explanation(connection: psycopg.AsyncConnection, step: str, error: psycopg.Error) -> str:
    reason = f"{step} failed and was rolled back: {str(error).strip()}"
    if isinstance(error, errors.LockNotAvailable | errors.QueryCanceled):
        reason += "\nIt stopped so that buyers do not queue behind it. Run it again when there is less traffic."
        if not connection.closed:
            reason += await _oldest_transaction(connection)
    elif isinstance(error, errors.InsufficientPrivilege):
        reason += f"\nConnect as a user that owns the database and the schema rowlock; this is {connection.info.user}."
    elif isinstance(error, errors.DependentObjectsStillExist):
        reason += "\nDrop the objects that depend on it, migrate, and make them again."
    return reason


async def _oldest_transaction(connection: psycopg.AsyncConnection) -> str:
    cursor = await connection.execute(
        """
        select pid, coalesce(nullif(application_name, ''), usename), extract(epoch from clock_timestamp() - xact_start)
        from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
        order by xact_start
        limit 1
        """
    )
    row = await cursor.fetchone()
    return "" if row is None else f" The oldest open transaction is process {row[0]} ({row[1]}), for {row[2]:.0f} s."
