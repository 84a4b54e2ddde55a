"""Two ways to switch from version 2 to 1 (`quick`, `full`), and `undo`, which switches to 2 again.

All three work while shows are on sale. `quick` and `full` do not change a claim, an order or the audit log, and the
constraints that refuse a double booking stay in force. Tables stay as they are: there are no backward migrations.
"""

from pathlib import Path

import psycopg

from rowlock.database.schema.definitions import SQL_DIR
from rowlock.database.schema.migrate import MigrationReport, migrate, migration_lock

ROLLOUT_SETTING = "v2_rollout_percent"


async def quick(connection: psycopg.AsyncConnection) -> None:
    """Set the share of version 1 requests that version 2 code serves to 0. Servers read this setting within seconds.

    `connection` is the owner's, in autocommit. The same applies to `full` and `undo`.
    """
    await connection.execute(
        "insert into rowlock.runtime_settings (name, value) values (%s, '0') "
        "on conflict (name) do update set value = excluded.value, changed_at = excluded.changed_at",
        [ROLLOUT_SETTING],
    )


async def full(connection: psycopg.AsyncConnection, *, wait_seconds: float = 10) -> list[str]:
    """Do what `quick` does and drop Rowlock's functions; returns their signatures.

    Tables, views, constraints and all data stay. Calls of a function then fail with "does not exist".
    Raises psycopg.errors.LockNotAvailable when a migration is running for longer than `wait_seconds`.
    """
    async with migration_lock(connection, wait_seconds), connection.transaction():
        await quick(connection)
        # Only functions that `migrate` has recorded: `undo` could not restore others in this schema.
        cursor = await connection.execute(
            """
            select p.oid::regprocedure::text
            from pg_proc as p
            join rowlock.schema_objects as o on o.path = 'functions/' || p.proname || '.sql'
            where p.pronamespace = 'rowlock'::regnamespace
            order by 1
            """
        )
        functions = [str(row[0]) for row in await cursor.fetchall()]
        for function in functions:
            await connection.execute(f"drop function {function}".encode())
    return functions


async def undo(connection: psycopg.AsyncConnection, *, sql_dir: Path = SQL_DIR) -> MigrationReport:
    """Restore the functions, then delete the setting of `quick`, so that the value of the environment applies."""
    report = await migrate(connection, sql_dir=sql_dir)
    await connection.execute("delete from rowlock.runtime_settings where name = %s", [ROLLOUT_SETTING])
    return report
