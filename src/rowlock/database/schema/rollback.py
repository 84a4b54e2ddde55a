"""Two ways to switch from version 2 to 1 (`quick`, `full`), and `undo`, which switches to 2 again.

All three work while shows are on sale. `quick` and `full` do not change a claim, an order or the audit log, and the
constraints that refuse a double booking stay in force. Tables stay as they are: there are no backward migrations.
"""

from pathlib import Path

import psycopg

from rowlock.database.schema.definitions import SQL_DIR
from rowlock.database.schema.migrate import MigrationReport, migrate, migration_lock

ROLLOUT_SETTING = "v2_rollout_percent"

HOLD_FUNCTIONS = (
    "reserve_seats_atomic",
    "reserve_seats_batch",
    "extend_reservation_atomic",
    "change_seats_atomic",
    "change_seats_within_limits",
    "release_seats_atomic",
    "release_seats_batch",
    "release_holds_atomic",
)
"""Version 2 of what makes, changes and ends holds. Version 1 has statements of its own for it, and for nothing else."""


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
    """Do what `quick` does and drop `HOLD_FUNCTIONS`; returns their signatures.

    Tables, views, constraints and all data stay, and so do the functions that version 1 needs to sell what it holds:
    orders and their money, cleanup, house seats, statistics. Calls of a dropped function fail with "does not exist".
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
            where p.pronamespace = 'rowlock'::regnamespace and p.proname = any(%s)
            order by 1
            """,
            [list(HOLD_FUNCTIONS)],
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
