"""The report: exact counts, a bounded list, as JSON and as text."""

import dataclasses
import json
from pathlib import Path

from tests.catalogue.plan_files.builders import pretix_plan, pretix_row, pretix_zone, read

from rowlock.catalogue.plan_files import DoctorReport, GivenStage, render
from rowlock.catalogue.plan_files.findings import LISTED_PER_CODE, Findings, all_codes

ROOT = Path(__file__).resolve().parents[3]


def report_of(collected: Findings) -> DoctorReport:
    return collected.report(name="Hall", plan_format="csv", sections=1, rows=2, seats=30)


def test_repairs_are_the_findings_that_changed_something() -> None:
    collected = Findings()
    collected.repaired("ROW_EMPTY", "a", "x", "y.")
    collected.warn("SEATS_OVERLAP", "b", "x", "y.")
    collected.info("CATEGORY_UNUSED", "c", "x", "y.")

    report = report_of(collected)

    assert (report.repairs, report.warnings) == (1, 1)
    assert report.counts == {"CATEGORY_UNUSED": 1, "ROW_EMPTY": 1, "SEATS_OVERLAP": 1}


def test_findings_beyond_the_listed_ones_are_counted() -> None:
    collected = Findings()
    for number in range(LISTED_PER_CODE + 5):
        collected.repaired("ROW_EMPTY", f"row {number}", "it has no seats", "Left out.")

    report = report_of(collected)

    assert len(report.findings) == LISTED_PER_CODE
    assert report.repairs == report.counts["ROW_EMPTY"] == LISTED_PER_CODE + 5
    assert "… and 5 more." in render(report)


def test_many_findings_of_a_code_do_not_hide_a_graver_one() -> None:
    collected = Findings()
    for number in range(LISTED_PER_CODE + 5):
        collected.info("LINE_IGNORED", f"line {number}", "a comment", "Left out.")
    collected.warn("LINE_IGNORED", "line 90", "a line", "Left out.")

    text = render(report_of(collected))

    assert "WARNING LINE_IGNORED, once\n  line 90: a line. Left out." in text
    assert f"INFO LINE_IGNORED, {LISTED_PER_CODE + 5} times" in text


def test_one_fact_about_many_seats_is_one_finding_with_their_number() -> None:
    collected = Findings()
    for number in range(3):
        collected.of_seats("FIELD_IGNORED", "warning", f"seats[{number}]", "with a mark", "Ignored.", seats=2)

    report = report_of(collected)

    assert (report.warnings, report.counts) == (1, {"FIELD_IGNORED": 1})
    assert [(finding.place, finding.found) for finding in report.findings] == [("seats[0]", "6 seats with a mark")]


def test_a_report_is_plain_data() -> None:
    report = read(pretix_plan(unknown=1)).report

    assert json.loads(json.dumps(dataclasses.asdict(report)))["findings"][-1]["code"] == "UNKNOWN_KEY"


def test_the_text_puts_repairs_first_and_says_what_was_done() -> None:
    plan = pretix_plan(
        pretix_zone("Hall", pretix_row("A", 50, (50, 75)), pretix_row("B", 80, ())), unknown=1, categories=[]
    )

    text = render(read(plan, given=GivenStage("top")).report)

    assert text.startswith("Little hall (pretix): 2 seats, 1 row, 1 section.\n2 repairs, 1 warning.\n")
    assert 'zones[0].rows[1]: row "B" has no seats. Left out.' in text
    assert text.index("REPAIRED CATEGORY_UNDECLARED") < text.index("WARNING UNKNOWN_KEY") < text.index("INFO ")


def test_a_plan_without_findings_says_so() -> None:
    stage = {
        "position": {"x": 0, "y": 0},
        "circle": {"radius": 5},
        "text": {"text": "Stage", "position": {"x": 0, "y": 0}},
    }
    report = read(pretix_plan(pretix_zone("Hall", pretix_row("A", 50, (50, 75)), areas=[stage]))).report

    assert report.repairs == report.warnings == 0
    assert not [finding for finding in report.findings if finding.code != "STAGE_FOUND"]


def test_every_finding_is_explained_in_the_documentation() -> None:
    page = (ROOT / "docs" / "explanation" / "plan-doctor.md").read_text()

    assert [code for code in all_codes() if f"`{code}`" not in page] == []
