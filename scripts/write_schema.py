"""Writes src/rowlock/sql/schema.sql: migrates an empty database and describes what came out.

The state diagrams of docs/explanation/states.md are drawn from the table `state_changes` of the same database.

Uses a PostgreSQL server of its own in a temporary folder, or the empty database that --dsn names.
"""

import argparse
import asyncio
import contextlib
import re
import tempfile
from pathlib import Path

from rowlock.database.connections import connect
from rowlock.database.schema.definitions import SQL_DIR
from rowlock.database.schema.description import describe
from rowlock.database.schema.migrate import migrate
from rowlock.embedded import EmbeddedServer

TARGET = SQL_DIR / "schema.sql"
STATES = SQL_DIR.parents[2] / "docs/explanation/states.md"
_DIAGRAM = re.compile(
    r"(?P<subject><!-- state_changes of (?P<table>\w+)(?:, from (?P<first>[\w ]+))? -->\n)```mermaid\n.*?```\n",
    re.DOTALL,
)


async def migrated_schema(dsn: str) -> str:
    """The schema of the database at `dsn`, brought up to date first."""
    async with await connect(dsn, application_name="rowlock schema") as connection:
        await migrate(connection)
        return await describe(connection)


async def drawn_states(dsn: str, page: str) -> str:
    """The page of states, its diagrams drawn anew from the migrated database at `dsn`.

    A diagram stands below a comment that names its table, and the states in which a row begins.
    """
    changes: dict[str, list[tuple[str, str]]] = {}
    async with await connect(dsn, application_name="rowlock schema") as connection:
        cursor = await connection.execute("select * from rowlock.state_changes order by subject, from_state, to_state")
        for subject, before, after in await cursor.fetchall():
            changes.setdefault(subject, []).append((before, after))

    def draw(found: re.Match[str]) -> str:
        begin = [f"    [*] --> {state}" for state in found["first"].split()]
        lines = [*begin, *(f"    {before} --> {after}" for before, after in changes[found["table"]])]
        return found["subject"] + "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])

    return _DIAGRAM.sub(draw, page)


def main() -> None:
    """Write the files and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", help="an empty database to use instead of a server of our own")
    dsn = parser.parse_args().dsn
    with contextlib.ExitStack() as stack:
        if dsn is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rowlock-schema-")))
            folder.chmod(0o711)  # When root runs this, the server's own user has to get to its data.
            dsn = stack.enter_context(EmbeddedServer(folder / "data", settings={"fsync": "off"})).dsns.owner
        schema = asyncio.run(migrated_schema(dsn))
        states = asyncio.run(drawn_states(dsn, STATES.read_text(encoding="utf-8")))
    TARGET.write_text(schema, encoding="utf-8")
    STATES.write_text(states, encoding="utf-8")
    print(f"{TARGET} and {STATES} are written.")


if __name__ == "__main__":
    main()
