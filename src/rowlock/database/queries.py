"""Loads the SQL that Python sends: named statements with a scope and a comment, in the files of sql/queries."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import LiteralString

SQL = files("rowlock") / "sql"

_NAME = re.compile(r"^(?=[ \t]*--[ \t]*name:)", re.MULTILINE)
_STATEMENT = re.compile(
    r"-- name: (?P<name>[a-z][a-z0-9_]*)\n"
    r"-- scope: (?P<scope>show|cell|catalogue)\n"
    r"(?P<comment>(?:-- (?!scope:)\S.*\n)+)"
    r"(?P<text>[a-z][^;]*(?:;(?!\s*$)[^;]*)*)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Query:
    """A statement. Its scope is what it works on: one show, all shows of one database server, or the catalogue."""

    name: str
    scope: str
    comment: str
    text: LiteralString


def parse(source: str) -> dict[str, Query]:
    """The statements of a file by name. Raises ValueError when it is not in the form that CONTRIBUTING.md shows."""
    head, *blocks = _NAME.split(source)
    if not head.strip() or any(line and not line.startswith("-- ") for line in head.splitlines()):
        raise ValueError(
            "the file must start with a comment on its contents, with nothing else before the first statement"
        )
    found: dict[str, Query] = {}
    for block in blocks:
        match = _STATEMENT.fullmatch(block.rstrip())
        if match is None or "\n--" in match["text"]:
            raise ValueError(
                f"a statement must be a name, a scope, a comment and SQL without a semicolon: {block[:60]!r}"
            )
        if match["name"] in found:
            raise ValueError(f"two statements have the name {match['name']}")
        found[match["name"]] = Query(**match.groupdict())
    return found


@cache
def queries(file_name: str) -> dict[str, Query]:
    """The statements of sql/queries/{file_name}.sql by name."""
    return parse((SQL / "queries" / f"{file_name}.sql").read_text(encoding="utf-8"))


@cache
def query(name: str) -> LiteralString:
    """The text of a statement without its comment, for example `query("reservations.reserve_batch")`.

    Raises LookupError when there is none of that name. The type tells psycopg that the text is part of the program and
    contains nothing of a request.
    """
    file_name, _, statement = name.partition(".")
    try:
        return queries(file_name)[statement].text
    except (FileNotFoundError, KeyError):
        raise LookupError(f"there is no statement {name} in sql/queries") from None
