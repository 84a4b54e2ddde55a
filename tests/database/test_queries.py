"""The statements that Python sends: each has a scope and a comment, is used, and is SQL that the server accepts.

Each check is a function from statements or program text to complaints, so tests can give it mistakes.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg
import pytest

from rowlock.database.queries import SQL, Query, parse, queries, query
from rowlock.operations.model import INVARIANTS

SOURCE = Path(__file__).resolve().parents[2] / "src"
FILES = sorted(file.name.removesuffix(".sql") for file in (SQL / "queries").iterdir())
STATEMENTS = {f"{file}.{name}": statement for file in FILES for name, statement in queries(file).items()}

# The only name that is put together while the program runs: one statement per invariant.
INVARIANT = "f'{invariant.file}.{invariant.code.lower()}'"

GOOD = """\
-- A file for the tests.

-- name: first
-- scope: show
-- What it returns.
select 1 -- seats
from rowlock.shows where show_id = %s

-- name: second
-- scope: cell
-- Two lines
-- of comment.
select ';' as mark
"""


def called(program: str) -> Iterator[str]:
    """The statements that a program names in its calls of `query`."""
    for node in ast.walk(ast.parse(program)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "query"):
            continue
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield name.value
        elif ast.unparse(name) == INVARIANT:
            yield from (f"{invariant.file}.{invariant.code.lower()}" for invariant in INVARIANTS)
        else:
            yield f"a name that cannot be read from the text: {ast.unparse(name)}"


def without_show_id(statements: Iterable[Query]) -> Iterator[str]:
    """The statements of scope show that are not given the id of their show."""
    for statement in statements:
        if statement.scope != "show":
            continue
        by_name = re.search(r"\bshow_id = %s|%\(show_id\)s", statement.text)
        # Without a name the id is the first parameter of a function whose first parameter it is.
        call = re.search(r"\browlock\.(\w+)\(\s*%s::uuid", statement.text)
        if not by_name and not (call and first_parameter(call[1]) == "p_show_id"):
            yield statement.name


def without_type(statements: Iterable[Query]) -> Iterator[str]:
    """The arguments of our functions that have neither a type, nor a name, nor a column's type.

    While two versions of a function stand side by side, such an argument could fit the wrong one.
    """
    for statement in statements:
        for function, arguments in re.findall(r"\browlock\.(\w+)\(([^()]*(?:\(\w+\)[^()]*)*)\)", statement.text):
            if not (SQL / "functions" / f"{function}.sql").is_file():
                continue  # A table: insert into rowlock.shows (…).
            for argument in filter(None, map(str.strip, arguments.split(","))):
                if not re.search(r"::|=>|^\w+\.\w+$", argument):
                    yield f"{statement.name}: {argument}"


def first_parameter(function: str) -> str:
    definition = (SQL / "functions" / f"{function}.sql").read_text(encoding="utf-8")
    match = re.search(rf"function rowlock\.{function}\(\s*(\w+)", definition)
    assert match, function
    return match[1]


def numbered(text: str) -> str:
    """The statement with $1, $2 … for its parameters, as the driver sends it.

    A %s within a string, for format(), becomes other text in that string, which changes nothing here.
    """
    numbers: dict[str, int] = {}
    return re.sub(
        r"%\((\w+)\)s|%s",
        lambda match: f"${numbers.setdefault(match[1] or str(match.start()), len(numbers) + 1)}",
        text,
    )


def test_the_names_of_the_files_are_these() -> None:
    assert FILES == [
        "catalogue",
        "checkout",
        "database",
        "disputes",
        "exchanges",
        "integrators",
        "invariants",
        "mail",
        "manual",
        "money_invariants",
        "operations",
        "payment_accounts",
        "reconciliation",
        "reporting",
        "reservations",
        "sandbox",
        "version1",
        "version1_payments",
    ]


@pytest.mark.parametrize("name", STATEMENTS)
def test_each_statement_has_a_scope_and_a_comment(name: str) -> None:
    statement = STATEMENTS[name]

    assert statement.scope in ("show", "cell", "catalogue")
    assert statement.comment.removeprefix("-- ").strip()
    assert query(name) == statement.text
    assert not statement.text.startswith("--")


def test_the_program_and_the_files_name_the_same_statements() -> None:
    programs = [path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")]

    assert {name for program in programs for name in called(program)} == set(STATEMENTS)


def test_calls_are_found_and_names_that_cannot_be_read_are_reported() -> None:
    program = 'query("a.b")\nexecute(query(\n    "c.d"\n), 1)\nquery(f"e.{kind}")\nother("f.g")\n'

    assert list(called(program)) == ["a.b", "a name that cannot be read from the text: f'e.{kind}'", "c.d"]


def test_statements_about_one_show_take_its_id() -> None:
    assert list(without_show_id(STATEMENTS.values())) == []


@pytest.mark.parametrize(
    "text",
    [
        "select show_id from rowlock.shows where show_key = %s",
        "select * from rowlock.cleanup_expired_seat_reservations(%s::uuid)",
        "select show_id from rowlock.shows",
    ],
)
def test_a_statement_without_the_id_of_its_show_is_found(text: str) -> None:
    assert list(without_show_id([Query("lost", "show", "-- No id.\n", text)])) == ["lost"]


def test_each_argument_of_a_function_has_a_type_or_a_name() -> None:
    calls = [name for name, statement in STATEMENTS.items() if re.search(r"rowlock\.\w+_atomic\(", statement.text)]
    assert len(calls) > 4, "there are calls to look at"
    assert list(without_type(STATEMENTS.values())) == []


@pytest.mark.parametrize("argument", ["null", "%s", "%(show_id)s", "'demo'", "5"])
def test_an_argument_without_a_type_or_a_name_is_found(argument: str) -> None:
    for text in ("({},\n %s::text)", "(%s::uuid, {})", "(%(show_id)s::uuid, {}, p_limit => 5)"):
        call = "select * from rowlock.extend_reservation_atomic" + text.format(argument)
        assert list(without_type([Query("lost", "show", "-- A call.\n", call)])) == [f"lost: {argument}"]


async def test_the_server_accepts_each_statement(owner: psycopg.AsyncConnection) -> None:
    for name, statement in STATEMENTS.items():
        if statement.text.startswith("copy "):
            continue  # PostgreSQL prepares no COPY; publishing a plan uses it in other tests.
        try:
            await owner.execute(f"prepare accepted as {numbered(statement.text)}".encode())
        except psycopg.Error as error:
            pytest.fail(f"{name}: {error}")
        await owner.execute("deallocate accepted")


def test_a_file_is_read_into_statements() -> None:
    assert parse(GOOD) == {
        "first": Query(
            "first",
            "show",
            "-- What it returns.\n",
            "select 1 -- seats\nfrom rowlock.shows where show_id = %s",
        ),
        "second": Query("second", "cell", "-- Two lines\n-- of comment.\n", "select ';' as mark"),
    }


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("-- scope: show\n", "", id="no scope"),
        pytest.param("-- scope: show\n", "-- scope: planet\n", id="unknown scope"),
        pytest.param("-- scope: show\n", "-- scope: show\n-- scope: cell\n", id="two scopes"),
        pytest.param("-- What it returns.\n", "", id="no comment"),
        pytest.param("-- What it returns.\n", "--\n", id="empty comment"),
        pytest.param("-- name: second\n", "-- name: first\n", id="one name twice"),
        pytest.param("-- name: second\n", "", id="no name"),
        pytest.param("-- name: second\n", "-- name:\n", id="empty name"),
        pytest.param("-- name: second\n", "--name: second\n", id="name in another form"),
        pytest.param("-- name: second\n", "-- name: Second one\n", id="name that is no identifier"),
        pytest.param("select ';' as mark\n", "", id="no SQL"),
        pytest.param("as mark\n", "as mark;\n", id="semicolon"),
        pytest.param("as mark\n", "as mark;\nselect 2\n", id="two statements"),
        pytest.param("-- A file for the tests.\n", "", id="no comment of the file"),
        pytest.param("-- A file for the tests.\n", "-- A file.\nselect 1\n", id="SQL before the first name"),
    ],
)
def test_the_parser_refuses(right: str, wrong: str) -> None:
    assert GOOD.count(right) == 1

    with pytest.raises(ValueError, match="statement"):
        parse(GOOD.replace(right, wrong))


@pytest.mark.parametrize("name", ["reservations.nothing", "nothing.reserve_batch", "reservations", ""])
def test_an_unknown_name_is_a_lookup_error(name: str) -> None:
    with pytest.raises(LookupError, match=re.escape(f"there is no statement {name} in sql/queries")):
        query(name)
