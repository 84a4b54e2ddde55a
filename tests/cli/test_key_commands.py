"""rowlock key: create, list and revoke the keys of integrators."""

from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.cli.exits import ExitCode
from tests.cli.conftest import Invoke, plan_file

CREATE = ("key", "create", "--organization", "Moonlight")


@pytest.fixture
def organization(rowlock: Invoke, tmp_path: Path) -> str:
    venue = ("--venue", "Playhouse", "--organization", "Moonlight")
    return str(rowlock("plan", "import", plan_file(tmp_path), *venue, "--json").document["organization"])


def test_a_key_is_made_listed_and_revoked(rowlock: Invoke, organization: str, dsns: Dsns) -> None:
    made = rowlock(*CREATE, "--scope", "sell", "--scope", "staff", "--name", "Shop", "--json")

    assert (made.code, made.err) == (0, "")
    key = made.document.pop("key")
    listed = made.document
    listed.pop("key")
    assert key.startswith("rk_")
    assert (listed["organization"], listed["name"], listed["scopes"]) == ("Moonlight", "Shop", ["sell", "staff"])
    assert rowlock("key", "list", "--json").document == {"keys": [listed]}
    assert key not in rowlock("key", "list", "--organization", organization).out
    with psycopg.connect(dsns.owner) as owner:
        assert key not in repr(owner.execute("select * from rowlock.integrator_keys").fetchall())

    revoked = rowlock("key", "revoke", listed["key_id"], "--json").document

    assert revoked["revoked_at"] is not None
    assert rowlock("key", "revoke", listed["key_id"], "--json").document == revoked
    assert "revoked" in rowlock("key", "list").out


def test_a_key_is_shown_to_people_once_with_a_word_on_that(rowlock: Invoke, organization: str) -> None:
    made = rowlock(*CREATE, "--scope", "sell")

    assert made.code == 0
    assert made.out.splitlines()[-1].startswith("rk_")
    assert "the only time" in made.err
    assert "good" in rowlock("key", "list").out


def test_what_cannot_be_made_or_revoked_is_refused(rowlock: Invoke) -> None:
    unknown = rowlock(*CREATE, "--scope", "sell")
    gone = rowlock("key", "revoke", "00000000-0000-4000-8000-000000000000")

    assert (unknown.code, gone.code) == (ExitCode.REFUSED, ExitCode.REFUSED)
    assert "There is no organization 'Moonlight'" in unknown.err
    assert "There is no key" in gone.err
    assert rowlock("key", "list").out.startswith("There is no key.")
    assert rowlock(*CREATE).code == ExitCode.USAGE
    assert rowlock(*CREATE, "--scope", "all").code == ExitCode.USAGE
