"""The glossary has every public noun, each once and in order, and no word that was retired."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.test_rules import RETIRED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
SCHEMA = (ROOT / "src" / "rowlock" / "sql" / "schema.sql").read_text(encoding="utf-8")

NOUNS = {
    *("organization", "venue", "seating plan", "section", "row", "seat", "show", "price category", "price type"),
    *("claim", "hold", "reservation", "holder", "house seat", "ticket order", "payment intent", "refund", "ticket"),
    *("outcome", "problem", "audit log", "change feed", "seat availability", "snapshot", "coalescer", "batch"),
    *(
        "in flight",
        "fast path",
        "middleware",
        "cell",
        "invariant",
        "cleanup",
        "migration",
        "worker",
        "loop",
        "integrator",
        "scope",
    ),
}


def terms(page: str) -> list[str]:
    """The terms of the table, in its order."""
    return re.findall(r"^\| \*\*(.+?)\*\* \|", page, re.MULTILINE)


def complaints(page: str) -> Iterator[str]:
    found = terms(page)
    yield from (f"{noun} is missing" for noun in sorted(NOUNS - set(found)))
    yield from (f"{term} is there twice" for term in sorted({term for term in found if found.count(term) > 1}))
    if found != sorted(found, key=str.lower):
        yield "the terms are not in alphabetical order"
    yield from (
        f"{term} is a retired word" for term in found if term != "in flight" and set(term.lower().split()) & RETIRED
    )
    tables = re.findall(r"^create table (\w+) \(", SCHEMA, re.MULTILINE)
    yield from (f"the table {table} is not named" for table in tables if f"`{table}" not in page)


def test_the_glossary_has_every_public_noun() -> None:
    assert list(complaints(PAGE)) == []


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("| **claim** |", "| **claiming** |", "claim is missing"),
        ("| **cell** |", "| **claim** |", "claim is there twice"),
        ("| **admin key** |", "| **zebra** |", "the terms are not in alphabetical order"),
        ("| **bench** |", "| **board** |", "board is a retired word"),
        ("`show_seats", "`shows_seats", "the table show_seats is not named"),
    ],
)
def test_what_is_wrong_with_a_glossary_is_seen(right: str, wrong: str, complaint: str) -> None:
    assert right in PAGE
    assert complaint in list(complaints(PAGE.replace(right, wrong)))
