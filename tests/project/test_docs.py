"""The documentation says what the code says: links lead somewhere, and nothing public is left out or made up.

Each check is a function from a text to complaints. The real pages are held against it, and so are pages that are wrong
on purpose, so that a check which has stopped seeing anything fails too.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from rowlock.app import create_app
from rowlock.base.dsns import Dsns
from rowlock.base.outcomes import Outcome
from rowlock.settings import Settings
from rowlock.web.problems import PROBLEM_TYPES

ROOT = Path(__file__).resolve().parents[2]
SQL = ROOT / "src" / "rowlock" / "sql"
REFERENCE = ROOT / "docs" / "reference"

# Folders whose files are named in prose; a name with a placeholder in it is no file.
NAMED_FOLDERS = "src|tests|scripts|docs|bench|deploy"
# These may happen to every request, and the page says so once for all.
EVERYWHERE = {
    *("INTERNAL_ERROR", "BUSY", "REQUEST_TOO_SLOW", "HEAD_TOO_LARGE", "WRONG_HOST", "CROSS_SITE"),
    *("PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"),
}
CODE = re.compile(r"`([A-Z][A-Z_]+)`")


def pages() -> list[Path]:
    """Every Markdown file that is, or could be, committed."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    try:
        listed = subprocess.run(git, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        found = {ROOT / name for name in listed if name}
    except (OSError, subprocess.CalledProcessError):
        # A tree from an archive has no git to ask.
        found = {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")}
    return sorted(path for path in found if path.is_file())


PAGES = pages()
page_by_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """The text without its code blocks."""
    return re.sub(r"^( *)(```+)[^\n]*\n.*?^\1\2$", "", text, flags=re.MULTILINE | re.DOTALL)


def sections(text: str, level: int = 3) -> dict[str, str]:
    """The text below each heading of that level, by the heading without its backticks."""
    parts = re.split(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)
    bodies = (re.split(rf"^#{{1,{level}}} ", body, maxsplit=1, flags=re.MULTILINE)[0] for body in parts[2::2])
    return {heading.replace("`", "").strip(): body for heading, body in zip(parts[1::2], bodies, strict=True)}


def differences(documented: Iterable[str], real: Iterable[str], what: str) -> Iterator[str]:
    """What is missing on a page, and what the page has made up."""
    documented, real = set(documented), set(real)
    for name in sorted(real - documented):
        yield f"{what} {name} is not described"
    for name in sorted(documented - real):
        yield f"{what} {name} is described, and there is no such thing"


# Links and file names


def anchors(text: str) -> set[str]:
    """What a fragment may name: a heading in lower case, punctuation dropped, spaces as hyphens."""
    headings = re.findall(r"^#{1,6} (.+)$", prose(text), flags=re.MULTILINE)
    plain = [re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def broken_links(text: str, page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = unquote(target).partition("#")
        place = (page.parent / name).resolve() if name else page
        if not place.exists():
            yield f"links to {target}, which is not there"
        elif fragment and fragment not in anchors(text if place == page else read(place)):
            yield f"links to {target}, and no heading there is called {fragment}"


# Written by `make bench`, and not part of the repository.
GENERATED = {"bench/results.json", "bench/results.md"}


def missing_files(text: str) -> Iterator[str]:
    for name in re.findall(rf"`((?:{NAMED_FOLDERS})/[\w./-]*)`", prose(text)):
        if "NNNN" not in name and name not in GENERATED and not (ROOT / name).exists():
            yield f"names {name}, which is not there"


def unreachable_pages(index: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if f"]({name})" not in index:
            yield f"docs/README.md has no link to {name}"


@page_by_page
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(read(page), page)) == []


@page_by_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    assert list(missing_files(read(page))) == []


def test_every_page_can_be_found_from_the_index() -> None:
    docs = ROOT / "docs"
    names = [page.relative_to(docs).as_posix() for page in PAGES if page.is_relative_to(docs)]

    assert list(unreachable_pages(read(docs / "README.md"), set(names) - {"README.md"})) == []


@pytest.mark.parametrize(
    "text",
    ["[a](nowhere.md)", "[a](docs/README.md#no-such-heading)", "# Here\n[a](#there)", "![picture](no.png)"],
)
def test_a_broken_link_is_seen(text: str) -> None:
    assert list(broken_links(text, ROOT / "README.md"))


@pytest.mark.parametrize(
    "text",
    ["[a](docs/README.md#how-to)", "[a](https://example.org/x)", "# Here `x`\n[a](#here-x)", "```\n[a](no.md)\n```\n"],
)
def test_a_good_link_is_left_alone(text: str) -> None:
    assert not list(broken_links(text, ROOT / "README.md"))


def test_a_file_that_is_gone_is_seen() -> None:
    assert list(missing_files("see `src/rowlock/no_such.py`"))
    assert not list(missing_files("see `src/rowlock/py.typed` and `src/rowlock/sql/migrations/NNNN_words.sql`"))


def test_a_page_without_a_way_to_it_is_seen() -> None:
    assert list(unreachable_pages("[a](how-to/a.md)", ["how-to/a.md", "how-to/b.md"])) == [
        "docs/README.md has no link to how-to/b.md"
    ]


# Outcomes and problem codes


def table_of_codes(text: str) -> dict[str, str]:
    """Code to status, from rows such as `| `BUSY` | 503 | …`."""
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (\d{3}|200, 201|none) \|", text, flags=re.MULTILINE))


def wrong_codes(text: str, expected: Mapping[str, str]) -> Iterator[str]:
    documented = table_of_codes(text)
    yield from differences(documented, expected, "the code")
    for code in documented.keys() & expected.keys():
        if documented[code] != expected[code]:
            yield f"{code} has the status {expected[code]}, not {documented[code]}"


def outcomes_in_order(header: str) -> list[str]:
    """The outcomes that a function's header names, in their precedence."""
    told = re.search(r"^-- Outcomes +in precedence: (.+(?:\n--  {4,}.+)*)", header, flags=re.MULTILINE)
    return re.findall(r"\b(?:[A-Z]+_[A-Z_]+|OK)\b", told[1].partition("OK.")[0] + "OK") if told else []


FUNCTIONS = {path.stem: read(path) for path in sorted((SQL / "functions").glob("*.sql"))}
STATUSES = {str(kind.code): str(kind.status) for kind in PROBLEM_TYPES.values()}
SQL_OUTCOMES = {name for text in FUNCTIONS.values() for name in outcomes_in_order(text)}


def test_every_problem_code_is_in_the_http_reference_with_its_status() -> None:
    assert list(wrong_codes(read(REFERENCE / "http-api.md"), STATUSES)) == []


def test_every_outcome_and_code_is_explained_with_its_status() -> None:
    silent = {str(outcome) for outcome in Outcome} | SQL_OUTCOMES
    expected = dict.fromkeys(silent, "none") | {"OK": "200, 201"} | STATUSES

    assert list(wrong_codes(read(REFERENCE / "outcomes.md"), expected)) == []


@pytest.mark.parametrize("row", ["", "| `BUSY` | 500 | Busy |", "| `BUSY` | 503 | Busy |\n| `LAZY` | 503 | Lazy |"])
def test_a_wrong_table_of_codes_is_seen(row: str) -> None:
    assert list(wrong_codes(f"| code | status |\n{row}\n", {"BUSY": "503"}))


def events_of(functions: Iterable[str]) -> set[str]:
    """The events that functions write into the audit log."""
    text = "\n".join(functions)
    judged = re.findall(r"'OK' then '([a-z]+)' else '([a-z]+)' end", text)
    orders = r"p_order_id|v_order(?:\.order_id)?|e\.order_id"
    plain = re.findall(rf"(?:reservation_id(?:, (?:{orders}))?|p_show_id), '([a-z_]+)'(?:[,)]| from)", text)
    chosen = [event for line in re.findall(r"v_event := (.+);", text) for event in re.findall(r"'([a-z_]+)'", line)]
    statuses = set(re.findall(r"v_event := case p_status when '([a-z_]+)'", text))
    return {event for pair in judged for event in pair} | set(plain) | (set(chosen) - statuses)


def wrong_events(text: str, functions: Iterable[str]) -> Iterator[str]:
    table = sections(text, level=2).get("Audit events", "")
    documented = re.findall(r"^\| `([a-z_]+)` \|", table, flags=re.MULTILINE)
    yield from differences(documented, events_of(functions), "the event")


def test_every_audit_event_is_explained() -> None:
    assert list(wrong_events(read(REFERENCE / "outcomes.md"), FUNCTIONS.values())) == []


@pytest.mark.parametrize("rows", ["", "| `held` |", "| `held` |\n| `failed` |\n| `lost` |\n"])
def test_a_wrong_table_of_events_is_seen(rows: str) -> None:
    functions = ["values (p_show_id, case v_outcome when 'OK' then 'held' else 'failed' end, v_seats)"]

    assert list(wrong_events("## Audit events\n\n| `held` |\n| `failed` |\n", functions)) == []
    assert list(wrong_events(f"## Audit events\n\n{rows}", functions))


# SQL functions, tables and views


def wrong_functions(text: str, functions: Mapping[str, str]) -> Iterator[str]:
    described = sections(text)
    yield from differences(described, functions, "the function")
    for name in described.keys() & functions.keys():
        real = outcomes_in_order(functions[name])
        line = re.search(r"^- Outcomes: (.+(?:\n  .+)*)", described[name], flags=re.MULTILINE)
        if line is None:
            yield f"{name} has no line of outcomes"
        elif real and CODE.findall(line[1])[: len(real)] != real:
            yield f"{name} has the outcomes {', '.join(real)}, in this order"
        for fact in ("Locks", "Writes"):
            if f"- {fact}: " not in described[name]:
                yield f"{name} has no line `- {fact}: …`"
        signature = re.search(r"```sql\n(.+?)```", described[name], flags=re.DOTALL)
        if signature is None or parameters(signature[1]) != parameters(functions[name]):
            yield f"{name} is described with another signature"


def parameters(text: str) -> list[str]:
    """Parameters with types and defaults, and the columns that are returned, in order."""
    code = re.sub(r"--.*", "", text)
    declared = re.search(
        r"\w+\((.*?)\)\s*returns (?:table \((.*?)\n?\)|((?:setof )?\w+(?:\[\])?))", code, flags=re.DOTALL
    )
    assert declared is not None, "a signature declares what it takes and returns"
    parts = ",".join(part for part in declared.groups() if part is not None).split(",")
    return [" ".join(part.split()) for part in parts]


def described_columns(text: str) -> dict[str, list[tuple[str, str]]]:
    """Table or view to its (column, type), in order."""
    row = re.compile(r"^\| `(\w+)` \| `([\w\[\]]+)` \|", flags=re.MULTILINE)
    text = text.replace("double precision", "float8")
    return {name: row.findall(body) for name, body in sections(text).items()}


def columns_of_schema(text: str) -> dict[str, list[tuple[str, str]]]:
    """The same from schema.sql. A partition has the columns of its table."""
    text = text.replace("timestamp with time zone", "timestamptz").replace("double precision", "float8")
    found = {}
    for name, body in re.findall(r"^create table (\w+) \(\n(.*?)\n\)", text, flags=re.MULTILINE | re.DOTALL):
        lines = [line.split() for line in body.splitlines() if not line.startswith("    constraint ")]
        found[name] = [(words[0].strip('"'), words[1].rstrip(",")) for words in lines]
    for name, body in re.findall(r"^-- view (\w+):\n((?:--     .+\n)+)", text, flags=re.MULTILINE):
        found[name] = [(words[1], words[2]) for words in map(str.split, body.splitlines())]
    return found


def wrong_columns(text: str, schema: str) -> Iterator[str]:
    described, real = described_columns(text), columns_of_schema(schema)
    yield from differences(described, real, "the table or view")
    for name in described.keys() & real.keys():
        if described[name] != real[name]:
            yield f"{name} has the columns {real[name]}"


def test_every_function_is_described_with_its_signature_and_outcomes() -> None:
    assert list(wrong_functions(read(REFERENCE / "sql-functions.md"), FUNCTIONS)) == []


def test_every_table_and_view_is_described_with_its_columns() -> None:
    assert list(wrong_columns(read(REFERENCE / "tables.md"), read(SQL / "schema.sql"))) == []


FUNCTION = """-- f: does something.
-- Locks     nothing.
-- Outcomes  in precedence: INVALID_INPUT, NOT_THERE (when it is not there),
--           OK. More of it.
-- Writes    nothing.
create or replace function rowlock.f(p_id uuid, p_limit integer default 1)
returns table (
    outcome text
)
"""
DESCRIPTION = """### `f`

```sql
f(p_id uuid, p_limit integer default 1)
returns table (outcome text)
```

- Outcomes: `INVALID_INPUT`,
  `NOT_THERE`, `OK`.
- Locks: nothing.
- Writes: nothing.
"""


def test_a_good_description_of_a_function_is_left_alone() -> None:
    assert list(wrong_functions(DESCRIPTION, {"f": FUNCTION})) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("### `f`", "### `g`"),
        ("`INVALID_INPUT`,\n  `NOT_THERE`", "`NOT_THERE`, `INVALID_INPUT`"),
        ("  `NOT_THERE`, `OK`", "  `OK`"),
        ("- Locks: nothing.\n", ""),
        ("default 1", "default 2"),
        ("(outcome text)", "(outcome text, seats integer)"),
    ],
)
def test_a_wrong_description_of_a_function_is_seen(old: str, new: str) -> None:
    assert old in DESCRIPTION
    assert list(wrong_functions(DESCRIPTION.replace(old, new), {"f": FUNCTION}))


SCHEMA = (
    "create table t (\n    id uuid not null,\n    at timestamp with time zone,\n    constraint c PRIMARY KEY (id)\n);\n"
)
COLUMNS = "### `t`\n\n| `id` | `uuid` | |\n| `at` | `timestamptz` | |\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [("`t`", "`s`"), ("| `at` | `timestamptz` | |\n", ""), ("`timestamptz`", "`date`"), ("`at`", "`until`")],
)
def test_a_wrong_description_of_a_table_is_seen(old: str, new: str) -> None:
    assert list(wrong_columns(COLUMNS, SCHEMA)) == []
    assert list(wrong_columns(COLUMNS.replace(old, new), SCHEMA))


# Endpoints


async def openapi() -> dict[str, dict[str, dict[str, dict[str, dict[str, str]]]]]:
    """The paths of the OpenAPI document: path → method → operation. No database is asked."""
    app = create_app(Settings(), Dsns.same(""), secret_key="no secret")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://rowlock") as client:
        answer = await client.get("/openapi.json")
    paths: dict[str, dict[str, dict[str, dict[str, dict[str, str]]]]] = answer.json()["paths"]
    return paths


def wrong_endpoints(text: str, refusals: Mapping[str, set[str]]) -> Iterator[str]:
    described = {heading: body for heading, body in sections(text).items() if re.match(r"[A-Z]+ /", heading)}
    yield from differences(described, refusals, "the endpoint")
    for name in described.keys() & refusals.keys():
        told = re.search(r"^Refuses with (.+(?:\n.+)*)", described[name], flags=re.MULTILINE)
        codes = set(CODE.findall(told[1])) if told else set()
        yield from (f"{name}: {complaint}" for complaint in differences(codes, refusals[name], "the refusal"))


async def test_every_endpoint_is_described_with_its_refusals() -> None:
    refusals = {
        f"{method.upper()} {path}": {
            code
            for response in operation["responses"].values()
            for code in re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", response["description"].rpartition(": ")[2])
            if code in PROBLEM_TYPES and code not in EVERYWHERE
        }
        for path, methods in (await openapi()).items()
        for method, operation in methods.items()
    }

    assert len(refusals) > 10
    assert list(wrong_endpoints(read(REFERENCE / "http-api.md"), refusals)) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "### `GET /a`\n",
        "### `GET /a`\n\nRefuses with `SHOW_NOT_FOUND`, `NOT_READY`.\n",
        "### `GET /a`\n\nRefuses with `SHOW_NOT_FOUND`.\n\n### `GET /b`\n",
    ],
)
def test_a_wrong_description_of_an_endpoint_is_seen(text: str) -> None:
    good = "### `GET /a`\n\nRefuses with `SHOW_NOT_FOUND`.\n"
    assert list(wrong_endpoints(good, {"GET /a": {"SHOW_NOT_FOUND"}})) == []
    assert list(wrong_endpoints(text, {"GET /a": {"SHOW_NOT_FOUND"}}))


# The Makefile, and decisions


def targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, flags=re.MULTILINE))


def undescribed_targets(makefile: str, text: str) -> Iterator[str]:
    yield from differences(re.findall(r"`make ([a-z][\w-]*)`", text), targets(makefile), "the target")


def test_every_make_target_is_described_to_contributors() -> None:
    assert list(undescribed_targets(read(ROOT / "Makefile"), read(ROOT / "CONTRIBUTING.md"))) == []


def test_a_target_that_is_not_described_is_seen() -> None:
    makefile = "PYTHON := python3\nrun: setup ## run\n\techo\ntest-all:\n"

    assert list(undescribed_targets(makefile, "`make run` and `make test-all`")) == []
    assert list(undescribed_targets(makefile, "`make run`"))
    assert list(undescribed_targets(makefile, "`make run`, `make test-all`, `make love`"))


def incomplete_decision(text: str, number: int) -> Iterator[str]:
    if not re.match(rf"# {number}\. \S", text):
        yield f"does not begin with its number, {number}, and the decision"
    found = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    if found != ["Context", "Decision", "Consequences", "What enforces it"]:
        yield f"has the parts {found}"


def test_decisions_are_numbered_and_complete() -> None:
    records = [page for page in PAGES if page.parent.name == "adr"]

    assert records
    for number, record in enumerate(records, start=1):
        assert record.name.startswith(f"{number:04}-")
        assert list(incomplete_decision(read(record), number)) == []


@pytest.mark.parametrize(("old", "new"), [("# 1.", "# 2."), ("## Decision", "## Choice"), ("## Consequences\n", "")])
def test_an_incomplete_decision_is_seen(old: str, new: str) -> None:
    good = "# 1. Do it\n\n## Context\n\n## Decision\n\n## Consequences\n\n## What enforces it\n"
    assert list(incomplete_decision(good, 1)) == []
    assert list(incomplete_decision(good.replace(old, new), 1))
