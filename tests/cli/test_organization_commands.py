"""The commands that say who sells: what they print, write and refuse, on a real database."""

from pathlib import Path

import pytest

from rowlock.cli.exits import ExitCode
from tests.cli.conftest import Invoke, plan_file


@pytest.fixture
def organization(rowlock: Invoke, tmp_path: Path) -> str:
    venue = ("--venue", "Playhouse", "--organization", "Moonlight")
    return str(rowlock("plan", "import", plan_file(tmp_path), *venue, "--json").document["organization"])


def test_the_seller_is_told_changed_and_cleared(rowlock: Invoke, organization: str) -> None:
    address = "Mill Lane 1\n\n 10115 Berlin "
    given = ("--legal-name", "Moonlight Dance GmbH", "--address", address, "--tax-id", "DE123456789")

    done = rowlock("organization", "update", organization, *given, "--json")

    assert done.code == 0, done.err
    assert done.document["address"] == "Mill Lane 1\n10115 Berlin"
    assert rowlock("organization", "list", "--json").document["organizations"] == [done.document]
    assert "Moonlight Dance GmbH" in rowlock("organization", "list").out
    cleared = rowlock("organization", "update", "moonlight", "--address", "", "--json").document
    assert cleared == done.document | {"address": None}
    assert rowlock("organization", "update", organization).code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--legal-name", "x" * 121), "at most 120 characters"),
        (("--tax-id", "DE1\n2"), "one line"),
        (("--address", "line\n" * 7), "at most 6 lines"),
    ],
)
def test_what_a_receipt_cannot_print_is_refused(
    rowlock: Invoke, organization: str, given: tuple[str, str], words: str
) -> None:
    refused = rowlock("organization", "update", organization, *given)

    assert refused.code == ExitCode.REFUSED
    assert words in refused.err


def test_an_organization_that_is_not_there_is_named(rowlock: Invoke, organization: str) -> None:
    refused = rowlock("organization", "update", organization + "x", "--tax-id", "1")

    assert refused.code == ExitCode.REFUSED
    assert "There is no organization 'Moonlightx'" in refused.err
