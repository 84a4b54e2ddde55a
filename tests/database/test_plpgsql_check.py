"""Every function body, checked against the tables by plpgsql_check: PostgreSQL alone finds such errors at run time.

Only on PostgreSQL 15, for which Debian has the extension. It is loaded from a folder and installed nowhere.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.servers import ServerNotAvailableError, TestServer, TestServers

CHECK = """
    select format('%%s line %%s: %%s %%s: %%s', c.functionid, c.lineno, c.level, c.statement, c.message)
    from pg_proc as p, checker.plpgsql_check_function_tb(
        p.oid::regprocedure,
        fatal_errors => false,
        performance_warnings => true,
        extra_warnings => true,
        security_warnings => true
    ) as c
    where p.pronamespace = 'rowlock'::regnamespace and p.proname ~ %s
    order by 1
"""


@pytest.fixture
def pg15(servers: TestServers) -> TestServer:
    try:
        return servers.get("pg15")
    except ServerNotAvailableError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


def plpgsql_check_folder() -> Path:
    named = os.environ.get("ROWLOCK_TEST_PLPGSQL_CHECK")
    if named:
        return Path(named)
    problem = "ROWLOCK_TEST_PLPGSQL_CHECK names no folder with plpgsql_check: `make test-tools` fetches it."
    if os.environ.get("CI") == "true":
        pytest.fail(problem)
    pytest.skip(problem)


@pytest.fixture
def checked(pg15: TestServer) -> Iterator[psycopg.Connection]:
    """A connection of the superuser to a migrated database with plpgsql_check in the schema `checker`."""
    folder = plpgsql_check_folder()
    [script] = folder.glob("plpgsql_check--*.sql")
    # What `create extension` does, without a place in the server's own folders.
    text = re.sub(r"(?m)^\\.*$", "", script.read_text(encoding="utf-8"))
    library = str(folder.resolve() / "plpgsql_check.so")
    text = text.replace("MODULE_PATHNAME", library).replace("@extschema@", "checker")
    with pg15.database() as name, psycopg.connect(pg15.superuser_dsn(name), autocommit=True) as connection:
        connection.execute("create schema checker; set search_path = checker")
        connection.execute(text.encode())
        connection.execute("set search_path = rowlock, public")
        yield connection


def complaints(connection: psycopg.Connection, functions: str = ".*") -> list[str]:
    return [row[0] for row in connection.execute(CHECK.encode(), [functions]).fetchall()]


def test_no_function_has_an_error_or_a_warning(checked: psycopg.Connection) -> None:
    count = checked.execute("select count(*) from pg_proc where pronamespace = 'rowlock'::regnamespace").fetchone()
    assert count is not None
    assert count[0] >= 11, "there are functions to check"

    assert complaints(checked) == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("begin delete from show_seats where seat = 1; end", 'column "seat" does not exist'),
        ("declare v_unused integer; begin perform 1; end", 'unused variable "v_unused"'),
        ("declare v integer; begin select now() into v; end", "target type is different type than source type"),
        ("begin execute 'select ' || p_text; end", "text type variable is not sanitized"),
    ],
)
def test_the_check_finds(checked: psycopg.Connection, body: str, complaint: str) -> None:
    checked.execute(
        f"create function rowlock.wrong(p_text text) returns void language plpgsql as $$ {body} $$".encode()
    )

    assert [text for text in complaints(checked, "^wrong$") if complaint in text], complaints(checked, "^wrong$")
