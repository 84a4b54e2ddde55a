"""Errors describe what they found in words, and every code is in the documentation."""

from pathlib import Path
from typing import get_args

import pytest

from rowlock.catalogue.plan_files.errors import ErrorCode, describe

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "true"),
        ("abc", 'text "abc"'),
        ("x" * 60, f'text "{"x" * 40}…"'),
        ("a\x00\ud800b", 'text "a\ufffd\ufffdb"'),
        ([1, 2], "a list of 2"),
        ({}, "an object"),
        (12.5, "the number 12.5"),
        (10**400, "a number that is far too large"),
        (float("inf"), "a number that is far too large"),
    ],
)
def test_values_are_described_in_words(value: object, words: str) -> None:
    assert describe(value) == words


def test_every_error_code_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "plan-formats.md").read_text()

    assert [code for code in get_args(ErrorCode) if f"`{code}`" not in page] == []
