"""A database's schema as text that is the same on every server version: the contents of sql/schema.sql.

It is for reading and comparing, not for running: migrations make the schema. It leaves out the bodies of functions
and views, which have their own files, and the audit log's monthly partitions, which depend on the date.
"""

import re
from collections import defaultdict
from typing import LiteralString

import psycopg

from rowlock.database.queries import query

_HEADER = """\
-- The schema that all migrations, functions, views and grants make together. Written by `make schema`: do not edit.
"""
_MONTHLY_PARTITION = re.compile(r"seat_reservation_audit_log_\d{4}_\d{2}(_failed|_kept)?")


async def describe(connection: psycopg.AsyncConnection) -> str:
    """The schema `rowlock` of the connected database, as text that ends with a newline."""
    async with connection.transaction():
        # PostgreSQL prints names without a schema only if they are found on the search path.
        await connection.execute("set local search_path = rowlock")
        # It prints instants of constraints in the session's time zone.
        await connection.execute("set local timezone = 'UTC'")
        tables, views, functions = [
            await (await connection.execute(statement)).fetchall()
            for statement in (
                query("database.describe_tables"),
                query("database.describe_views"),
                query("database.describe_functions"),
            )
        ]
        columns, constraints, indexes, comments, rights = [
            await _lines(connection, statement)
            for statement in (
                query("database.describe_columns"),
                query("database.describe_constraints"),
                query("database.describe_indexes"),
                query("database.describe_comments"),
                query("database.describe_rights"),
            )
        ]

    blocks = []
    for name, partition_of, suffix in tables:
        if _MONTHLY_PARTITION.fullmatch(name):
            continue
        if partition_of:
            lines = [f"create table {name} partition of {partition_of};"]
        else:
            body = ",\n".join(f"    {line}" for line in columns[name] + constraints[name])
            lines = [f"create table {name} (", body, f"){suffix};", *indexes[name]]
        blocks.append([*lines, *comments[name], *rights[name]])
    for (name,) in views:
        lines = [f"-- view {name}:", *(f"--     {column}" for column in columns[name])]
        blocks.append([*lines, *comments[name], *rights[name]])
    for name, declaration in functions:
        blocks.append([declaration, *comments[name], *rights[name]])
    return _HEADER + "".join("\n" + "\n".join(block) + "\n" for block in blocks)


async def _lines(connection: psycopg.AsyncConnection, statement: LiteralString) -> dict[str, list[str]]:
    """The lines that a query returns for each table, view or function, in its order."""
    lines: dict[str, list[str]] = defaultdict(list)
    cursor = await connection.execute(statement)
    for name, line, *_ in await cursor.fetchall():
        lines[name].append(line)
    return lines
