"""Reads the switches that an operator may turn while servers run."""

from psycopg import AsyncConnection

from rowlock.db.queries import query


async def rollout_override(connection: AsyncConnection) -> int | None:
    """The operator's override of v2_rollout_percent, or None when there is none."""
    cursor = await connection.execute(query("runtime/rollout_override"))
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def functions_present(connection: AsyncConnection) -> bool:
    """Whether the stored functions are installed."""
    cursor = await connection.execute(query("runtime/functions_present"))
    row = await cursor.fetchone()
    return row is not None and bool(row[0])
