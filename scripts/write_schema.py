"""Writes src/rowlock/sql/schema.sql: migrates an empty database and describes what came out.

Uses a PostgreSQL server of its own in a temporary folder, or the empty database that --dsn names.
"""

import argparse
import asyncio
import contextlib
import tempfile
from pathlib import Path

from rowlock.database.connections import connect
from rowlock.database.schema.definitions import SQL_DIR
from rowlock.database.schema.description import describe
from rowlock.database.schema.migrate import migrate
from rowlock.embedded import EmbeddedServer

TARGET = SQL_DIR / "schema.sql"


async def migrated_schema(dsn: str) -> str:
    """The schema of the database at `dsn`, brought up to date first."""
    async with await connect(dsn, application_name="rowlock schema") as connection:
        await migrate(connection)
        return await describe(connection)


def main() -> None:
    """Write the file and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", help="an empty database to use instead of a server of our own")
    dsn = parser.parse_args().dsn
    with contextlib.ExitStack() as stack:
        if dsn is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rowlock-schema-")))
            folder.chmod(0o711)  # When root runs this, the server's own user has to get to its data.
            dsn = stack.enter_context(EmbeddedServer(folder / "data", settings={"fsync": "off"})).dsns.owner
        schema = asyncio.run(migrated_schema(dsn))
    TARGET.write_text(schema, encoding="utf-8")
    print(f"{TARGET} is written.")


if __name__ == "__main__":
    main()
