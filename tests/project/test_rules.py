"""The rules that no linter knows, as tests: what modules, SQL files, scripts and lint exceptions look like.

Every file of the tree is held against each rule, and each rule is shown examples that break it, so that a rule
which has stopped seeing anything fails too. Who may import whom is checked by test_imports.py.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "rowlock"
SQL = SOURCE / "sql"
MOST_LINES = 450
# What tools and servers make: skipped where there is no git to ask.
NOT_OURS = {".cache", ".git", ".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache"}
NOT_OURS |= {".rowlock", ".ruff_cache", ".schemathesis", ".venv", "__pycache__", "dist"}


def files_of_the_tree() -> list[Path]:
    """Every file that is, or could be, committed. A tree from an archive has no git to ask, so it is walked."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(git, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        paths = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in ROOT.rglob("*") if not NOT_OURS & set(path.relative_to(ROOT).parts)]
    return sorted({path for path in paths if path.is_file()})


TREE = files_of_the_tree()


def tree(folder: Path, *suffixes: str) -> list[Path]:
    """The tree's files with one of these suffixes, anywhere below a folder."""
    return [path for path in TREE if path.suffix in suffixes and path.is_relative_to(folder)]


def missing_docstring(text: str) -> Iterator[str]:
    if not ast.get_docstring(ast.parse(text)):
        yield "starts with no docstring that says what it is responsible for and what it leaves to others"


def too_long(text: str) -> Iterator[str]:
    lines = len(text.splitlines())
    if lines > MOST_LINES:
        yield f"has {lines} lines, more than the {MOST_LINES} that fit a sitting: give a responsibility its own file"


def unexplained_lint_exceptions(text: str) -> Iterator[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    for line, comment in ((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT):
        for exception in re.findall(r"(?:noqa|type:\s*ignore).*?(?=#\s*(?:noqa|type:)|$)", comment):
            coded = re.match(r"noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|type:\s*ignore\[[a-z0-9, -]+\]", exception)
            if coded is None:
                yield f"line {line} switches off a check without its code: {comment}"
            elif len(exception[coded.end() :].strip(" #-–—:").split()) < 2:
                yield f"line {line} switches off a check without a reason behind its code: {comment}"


def places_on_one_machine(text: str) -> Iterator[str]:
    for place in re.findall(r"(?<![\w.~/-])/(?:work|home|Users)/[\w.]+|\.\./shared\b", text):
        yield f"names {place}, which exists on one machine only"


def third_party_imports(text: str) -> Iterator[str]:
    own = {"rowlock", *(path.stem for path in tree(ROOT / "scripts", ".py"))}
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            if name.split(".")[0] not in sys.stdlib_module_names | own:
                yield f"imports {name}; only the standard library is allowed here"


def unsafe_or_unexplained_function(text: str) -> Iterator[str]:
    header = "".join(re.findall(r"\A(?:--.*\n)+", text))
    for word in ("Locks", "Outcomes", "Writes"):
        if not re.search(rf"^-- {word} +\S", header, re.MULTILINE):
            yield f"has no line `-- {word} …` in its header"
    code = re.sub(r"--.*", "", text)
    parts = re.split(r"\bcreate (?:or replace )?(?:function|procedure) ([\w.]+)", code, flags=re.IGNORECASE)
    definitions = dict(zip(parts[1::2], parts[2::2], strict=True))
    if not definitions:
        yield "defines no function"
    for name, definition in definitions.items():
        if not re.search(r"\bsecurity definer\b", definition, re.IGNORECASE):
            yield f"{name} is not security definer: its callers have no rights on the tables"
        if not re.search(r"^set search_path (?:=|to) .*\bpg_temp$", definition, re.IGNORECASE | re.MULTILINE):
            yield f"{name} has no `set search_path = …, pg_temp`: a caller's temporary tables could pose as ours"
        if not re.search(rf"\bcomment on function {re.escape(name)}\b", code, re.IGNORECASE):
            yield f"{name} has no `comment on function`"
        revoke = rf"\brevoke (?:all|execute) on function {re.escape(name)}\b[^;]* from public\b"
        if not re.search(revoke, code, re.IGNORECASE):
            yield f"{name} is not revoked from public: every database user could call it"


def functions_and_views_in_a_migration(text: str) -> Iterator[str]:
    code = re.sub(r"--.*", "", text)
    for kind in re.findall(r"\bcreate (?:or replace )?(function|procedure|view)\b", code, re.IGNORECASE):
        yield f"creates a {kind}: those live in functions/ and views/, where each has one place and is re-applied"


# Images that made a reader translate, and names of what is gone. The glossary has the words in use.
RETIRED = {
    *("lean", "lane", "lanes", "flight", "flights", "flying", "passenger", "passengers", "board", "boards", "reaper"),
    *("somebody", "anybody", "nobody", "everybody", "whoever", "herd", "programme", "picture", "pictures", "room"),
    "rooms",
}


def retired_words(text: str) -> Iterator[str]:
    """Of the identifiers of a Python text, those with a retired word in them. Comments and strings are free text."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    for token in (token for token in tokens if token.type == tokenize.NAME):
        # snake_case and CamelCase alike: the words of the name.
        name = token.string.replace("in_flight", "")  # A batch in flight is the field's term.
        words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
        if found := words & RETIRED:
            yield f"line {token.start[0]}: {token.string} carries a retired word ({', '.join(sorted(found))})"


@dataclass(frozen=True)
class Rule:
    """A rule's name, the files it is for, the complaints it has about a text, and texts that break it."""

    name: str
    files: list[Path]
    complaints: Callable[[str], Iterator[str]]
    broken_by: tuple[str, ...]


GOOD_FUNCTION = """-- f: does something.
--
-- Locks     the show.
-- Outcomes  OK.
-- Writes    one audit row.
create or replace function rowlock.f(p_show_id uuid)
returns text
language plpgsql
security definer
set search_path = rowlock, pg_temp
as $$ begin return 'OK'; end $$;
comment on function rowlock.f is 'Something.';
revoke all on function rowlock.f from public;
"""

RULES = [
    Rule(
        "every module says what it is responsible for",
        tree(SOURCE, ".py"),
        missing_docstring,
        ("", "import os\n", "# A comment is no docstring.\n"),
    ),
    Rule(
        "every file can be read in a sitting",
        [
            path
            for path in tree(SOURCE, ".py", ".sql", ".js", ".css", ".html")
            # schema.sql is generated; vendored files are as their authors made them.
            if path != SQL / "schema.sql" and "vendor" not in path.parts
        ],
        too_long,
        ("x = 1\n" * (MOST_LINES + 1),),
    ),
    Rule(
        "every exception to a check carries its code and its reason",
        tree(SOURCE, ".py") + tree(ROOT / "scripts", ".py"),
        unexplained_lint_exceptions,
        (
            "x = 1  # noqa\n",
            "x = 1  # noqa: S608\n",
            "x = 1  # noqa: S608, S603 -\n",
            "x = 1  # type: ignore\n",
            "x = 1  # type: ignore[arg-type]\n",
            "x = 1  # type: ignore[arg-type]  # noqa: S608 - a reason for one of two.\n",
        ),
    ),
    Rule(
        "no identifier carries a retired word",
        tree(SOURCE, ".py") + tree(ROOT / "tests", ".py") + tree(ROOT / "bench", ".py") + tree(ROOT / "scripts", ".py"),
        retired_words,
        (
            "class SeatBoard:\n    pass\n",
            "lean_road = 1\n",
            "def test_nobody_is_told():\n    pass\n",
            "x = flights[0]\n",
        ),
    ),
    Rule(
        "nothing depends on where one machine keeps things",
        [path for path in TREE if b"\0" not in path.read_bytes() and path.name != "uv.lock"],
        places_on_one_machine,
        # Put together, so that this file keeps the rule itself.
        ("see /" + "home/anna/notes", 'open("/' + 'work/x")', "../" + "shared/x"),
    ),
    Rule(
        "base needs nothing but the standard library",
        tree(SOURCE / "base", ".py"),
        third_party_imports,
        ("import msgspec\n", "from psycopg.rows import dict_row\n", "def f():\n    import uuid, yaml\n"),
    ),
    Rule(
        "scripts need nothing but the standard library",
        tree(ROOT / "scripts", ".py"),
        third_party_imports,
        ("import httpx\n", "from packaging.tags import sys_tags\n"),
    ),
    Rule(
        "every SQL function is explained, and safe for callers without rights",
        tree(SQL / "functions", ".sql"),
        unsafe_or_unexplained_function,
        (
            "select 1;\n",
            GOOD_FUNCTION.replace("-- Locks ", "-- Takes "),
            GOOD_FUNCTION.replace("-- Outcomes  OK.\n", ""),
            GOOD_FUNCTION.replace("-- Writes    one audit row.", "-- Writes"),
            GOOD_FUNCTION.replace("security definer", "-- security definer"),
            GOOD_FUNCTION.replace("rowlock, pg_temp", "rowlock"),
            GOOD_FUNCTION.replace("set search_path = rowlock, pg_temp\n", ""),
            GOOD_FUNCTION.replace("comment on function rowlock.f ", "comment on function rowlock.g "),
            GOOD_FUNCTION.replace("from public", "from rowlock_app"),
            GOOD_FUNCTION + GOOD_FUNCTION.replace("rowlock.f", "rowlock.g").replace("revoke", "grant"),
        ),
    ),
    Rule(
        "functions and views have one home, which is not a migration",
        tree(SQL / "migrations", ".sql"),
        functions_and_views_in_a_migration,
        ("create function f() returns int as '';", "CREATE OR REPLACE VIEW v AS SELECT 1;"),
    ),
]
BROKEN = [
    pytest.param(rule, text, id=f"{rule.name}, example {number}")
    for rule in RULES
    for number, text in enumerate(rule.broken_by, start=1)
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_house_keeps_its_rules(rule: Rule) -> None:
    complaints = [
        f"{path.relative_to(ROOT)} {complaint}"
        for path in rule.files
        for complaint in rule.complaints(path.read_text(encoding="utf-8"))
    ]
    assert not complaints, "\n".join([rule.name, *complaints])


@pytest.mark.parametrize(("rule", "text"), BROKEN)
def test_each_rule_sees_what_breaks_it(rule: Rule, text: str) -> None:
    assert list(rule.complaints(text))


def test_a_good_function_file_is_not_complained_about() -> None:
    assert not list(unsafe_or_unexplained_function(GOOD_FUNCTION))


def gaps_in_numbering(names: list[str]) -> list[str]:
    """Names of migrations that are not NNNN_words.sql with NNNN counting up from 0001."""
    return [
        name
        for number, name in enumerate(sorted(names), start=1)
        if not re.fullmatch(rf"{number:04}_[a-z0-9_]+\.sql", name)
    ]


def test_migrations_are_numbered_without_gaps() -> None:
    assert not gaps_in_numbering([path.name for path in tree(SQL / "migrations", ".sql")])


@pytest.mark.parametrize(
    "names",
    [["0002_b.sql"], ["0001_a.sql", "0003_c.sql"], ["0001_a.sql", "0001_b.sql"], ["1_a.sql"], ["0001_A b.sql"]],
)
def test_a_gap_in_the_numbering_of_migrations_is_seen(names: list[str]) -> None:
    assert gaps_in_numbering(names)


# The same name means the same thing in each noun; every other module has a name of its own.
SHARED_NAMES = {"__init__", "admin_api", "api", "errors", "jobs", "model", "pages", "service", "store"}


def repeated_names(paths: list[Path]) -> list[str]:
    """Modules that share their name with another one, though it is none of those that every noun has."""
    names = [path.stem for path in paths]
    return sorted({name for name in names if names.count(name) > 1} - SHARED_NAMES)


def test_no_two_modules_have_one_name() -> None:
    assert repeated_names(tree(SOURCE, ".py")) == []


def test_a_repeated_name_is_seen() -> None:
    paths = [Path(path) for path in ("a/doctor.py", "b/doctor.py", "a/service.py", "b/service.py", "a/__init__.py")]

    assert repeated_names(paths) == ["doctor"]


@pytest.mark.parametrize("folder", ["src", "tests", "bench", "scripts", "docs"])
def test_no_file_name_carries_a_retired_word(folder: str) -> None:
    names = {path.relative_to(ROOT).as_posix() for path in tree(ROOT / folder, ".py", ".sql", ".md", ".lua", ".toml")}

    assert {name for name in names if set(re.findall(r"[a-z]+", name.lower())) & RETIRED} == set()
