"""What `rowlock plan` prints, does and exits with: checking a file, publishing it, saying what it does not."""

from pathlib import Path
from typing import Any

import pytest

from rowlock.cli.exits import ExitCode
from tests.cli.conftest import Invoke, plan_file


def test_a_plan_is_checked_without_a_database(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("plan", "check", plan_file(tmp_path))

    assert done.code == 0
    assert "Little hall (pretix): 4 seats, 1 row" in done.out
    assert "CATEGORY_NOT_FOR_SALE" in done.out


def test_a_file_that_is_no_plan_is_refused_with_its_place(invoke: Invoke, tmp_path: Path) -> None:
    broken = tmp_path / "hall.json"
    broken.write_text('{"zones": [', encoding="utf-8")

    done = invoke("plan", "check", broken, "--json")

    assert done.code == ExitCode.BAD_FILE
    assert done.out == ""
    assert "TRUNCATED" in done.err
    assert "line 1" in done.err


def test_a_file_is_read_as_the_format_that_was_named(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("plan", "check", plan_file(tmp_path), "--format", "pretix").code == 0
    assert invoke("plan", "check", plan_file(tmp_path), "--format", "csv").code == ExitCode.BAD_FILE
    assert invoke("plan", "check", plan_file(tmp_path), "--format", "excel").code == ExitCode.USAGE


def test_the_operator_says_which_categories_are_never_sold_or_accessible(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("plan", "check", plan_file(tmp_path), "--wheelchair", "Stalls", "--not-for-sale", "stalls")

    assert done.code == 0
    assert "3 seats of the category" in done.out
    assert "As you said" in done.out
    refused = invoke("plan", "check", plan_file(tmp_path), "--companion", "Loge")
    assert refused.code == ExitCode.BAD_FILE
    assert 'no category "Loge". It has "Stalls"' in refused.err


def test_strict_fails_on_a_warning_and_publishes_nothing(rowlock: Invoke, tmp_path: Path) -> None:
    hall = tmp_path / "hall.csv"
    hall.write_text("row,seat,category\nA,1,Stalls\nA,2,Gesperrt\n", encoding="utf-8")
    publish = ("plan", "import", hall, "--venue", "Strict house", "--strict", "--stage", "top")

    assert rowlock("plan", "check", hall).code == 0
    checked = rowlock("plan", "check", hall, "--strict", "--stage", "top")
    imported = rowlock(*publish)
    decided = rowlock(*publish, "--not-for-sale", "Gesperrt")

    assert (checked.code, imported.code) == (ExitCode.BAD_FILE, ExitCode.BAD_FILE)
    assert "SALE_DOUBTFUL" in checked.out
    assert "1 warning, and --strict allows none. Nothing was published." in imported.err
    assert '--not-for-sale "Gesperrt"' in imported.err
    assert decided.code == 0, decided.err


def test_a_guess_of_the_stage_fails_strict_until_the_operator_says_where_it_is(invoke: Invoke, tmp_path: Path) -> None:
    guessed = invoke("plan", "check", plan_file(tmp_path), "--strict")

    assert guessed.code == ExitCode.BAD_FILE
    assert "FOCAL_POINT_GUESSED" in guessed.err
    assert "--stage" in guessed.err
    assert invoke("plan", "check", plan_file(tmp_path), "--strict", "--stage", "top").code == 0
    assert invoke("plan", "check", plan_file(tmp_path), "--strict", "--focal-point", "50,-20").code == 0


def test_a_plan_is_imported_and_listed(rowlock: Invoke, tmp_path: Path) -> None:
    done = rowlock(
        "plan", "import", plan_file(tmp_path), "--venue", "Playhouse", "--organization", "Moonlight", "--json"
    )

    assert done.code == 0, done.err
    assert (done.document["seats"], done.document["repairs"], done.document["version"]) == (4, 0, 1)
    assert (done.document["organization"], done.document["venue"]) == ("Moonlight", "Playhouse")
    [listed] = rowlock("plan", "list", "--json").document["plans"]
    assert (listed["plan_id"], listed["seats_total"]) == (done.document["plan_id"], 4)
    assert done.document["plan_id"] in rowlock("plan", "list").out


def test_importing_for_people_says_what_to_do_next(rowlock: Invoke, tmp_path: Path) -> None:
    done = rowlock("plan", "import", plan_file(tmp_path), "--venue", "Playhouse")

    assert "Published Little hall, version 1" in done.out
    assert "rowlock show create --plan" in done.out


def test_the_operator_says_where_the_stage_is(invoke: Invoke, tmp_path: Path) -> None:
    def codes(*options: str) -> set[str]:
        done = invoke("plan", "check", plan_file(tmp_path), *options, "--json")
        return {finding["code"] for finding in done.document["findings"]}

    assert "FOCAL_POINT_GUESSED" in codes()
    assert "FOCAL_POINT_GIVEN" in codes("--stage", "bottom")
    assert "FOCAL_POINT_GIVEN" in codes("--focal-point", "-5.5,20")


@pytest.mark.parametrize(
    "options",
    [("--stage", "upstairs"), ("--focal-point", "5"), ("--stage", "top", "--focal-point", "5,5")],
)
def test_a_stage_that_cannot_be_is_refused(invoke: Invoke, tmp_path: Path, options: tuple[str, ...]) -> None:
    assert invoke("plan", "check", plan_file(tmp_path), *options).code == ExitCode.USAGE


def test_the_same_file_with_another_stage_is_the_next_version(rowlock: Invoke, tmp_path: Path) -> None:
    def publish(*options: str) -> dict[str, Any]:
        command = ("plan", "import", plan_file(tmp_path), "--venue", "Playhouse", *options, "--json")
        document: dict[str, Any] = rowlock(*command).document
        return document

    guessed, corrected = publish(), publish("--stage", "bottom")

    assert (guessed["version"], corrected["version"]) == (1, 2)
    assert guessed["plan_id"] != corrected["plan_id"]
    assert guessed["checksum"] != corrected["checksum"]
