"""Loads the SQL that Python sends: one statement a file in sql/queries, named by its path."""

from functools import cache
from importlib.resources import files
from typing import LiteralString

SQL = files("rowlock") / "sql"


@cache
def query(name: str) -> LiteralString:
    """The text of sql/queries/{name}.sql, for example `query("reservations/reserve_batch")`.

    Raises FileNotFoundError when there is no such file. The text is part of the program, never of a request, which is
    what the literal type tells psycopg.
    """
    path = SQL / "queries" / f"{name}.sql"
    text: LiteralString = path.read_text(encoding="utf-8")
    return text
