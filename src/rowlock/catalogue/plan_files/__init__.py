"""Reads plan files (pretix, seats.io, CSV), repairs them with the plan doctor, and returns a SeatingPlan.

`read_plan` is the entry point. A file that cannot be read raises PlanError, with the place in the file and what to do;
what can be repaired is repaired and listed in the report. `catalogue.store` publishes plans.
"""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from rowlock.catalogue.model import SeatingPlan
from rowlock.catalogue.plan_files import csvfile, intake, plan_doctor, pretix, seatsio
from rowlock.catalogue.plan_files.assemble import assemble
from rowlock.catalogue.plan_files.choices import NO_CHOICES, Choices
from rowlock.catalogue.plan_files.draft import Draft
from rowlock.catalogue.plan_files.errors import ErrorCode, PlanError
from rowlock.catalogue.plan_files.fields import clean
from rowlock.catalogue.plan_files.findings import DoctorReport, Finding, FindingCode, Findings, Severity, render
from rowlock.catalogue.plan_files.front_rows import Side
from rowlock.catalogue.plan_files.intake import PlanFormat
from rowlock.catalogue.plan_files.limits import MAX_BYTES, MAX_SEATS, MAX_TEXT
from rowlock.catalogue.plan_files.plan_doctor import NOT_GIVEN
from rowlock.catalogue.plan_files.stage import GivenStage, read_point
from rowlock.catalogue.ranking import best_first, focal_point_of_sections, middle_of

__all__ = [
    "MAX_BYTES",
    "MAX_SEATS",
    "Choices",
    "DoctorReport",
    "ErrorCode",
    "Finding",
    "FindingCode",
    "GivenStage",
    "PlanError",
    "PlanFormat",
    "PlanReading",
    "Severity",
    "Side",
    "detect_format",
    "read_plan",
    "read_plan_file",
    "read_point",
    "render",
]

_SEATS_NAMED = 3
_HOW_TO_CORRECT = (
    "If they are not, read the file again with --stage top, bottom, left, right or middle, or with --focal-point X,Y."
)


@dataclass(frozen=True, slots=True)
class PlanReading:
    """A plan that was read, and the plan doctor's report on it."""

    plan: SeatingPlan
    report: DoctorReport


def read_plan(
    data: bytes,
    *,
    name: str,
    format: PlanFormat | None = None,  # noqa: A002  # The name of the command's option.
    given: GivenStage = NOT_GIVEN,
    choices: Choices = NO_CHOICES,
) -> PlanReading:
    """Return the plan in a file's bytes, and the doctor's report.

    name    the file's name; its ending identifies CSV, and it is the name of a plan without one.
    format  None detects it from the contents.
    given   where the stage is, if the operator says so; it counts more than what the file says.
    choices what else the operator decided about it.

    Raises PlanError, and no other exception, for data that is not a usable plan.
    """
    text = intake.decode(data)
    tree, found = _open(name, text)
    if format is not None and format != found:
        raise intake.wrong_format(format, found)
    findings = Findings()
    title = clean(PurePath(name).stem)[:MAX_TEXT] or "Seating plan"
    if tree is None:
        draft = csvfile.read(text, title, findings)
    else:
        draft = (seatsio if found == "seatsio" else pretix).read(tree, findings)
    draft.name = draft.name or title
    return _finish(draft, findings, found, given, choices)


def read_plan_file(
    path: Path,
    format: PlanFormat | None = None,  # noqa: A002  # The name of the command's option.
    given: GivenStage = NOT_GIVEN,
    choices: Choices = NO_CHOICES,
) -> PlanReading:
    """Return the plan in a file; the file's size is checked before it is read. Raises PlanError."""
    return read_plan(intake.load_file(path), name=path.name, format=format, given=given, choices=choices)


def detect_format(name: str, data: bytes) -> PlanFormat:
    """Return the format of a file by its contents, and by its name's ending for CSV. Raises PlanError."""
    return _open(name, intake.decode(data))[1]


def _open(name: str, text: str) -> tuple[dict[str, Any] | None, PlanFormat]:
    """Return the parsed JSON (None for CSV) and the format."""
    if intake.looks_like_json(text):
        tree = intake.parse_json(text)
        return tree, intake.format_of_json(tree)
    intake.check_csv(name, text)
    return None, "csv"


def _finish(
    draft: Draft, findings: Findings, plan_format: PlanFormat, given: GivenStage, choices: Choices
) -> PlanReading:
    seen = plan_doctor.repair(draft, findings, given, choices)
    plan = assemble(draft)
    if seen.doubt:
        findings.warn("FOCAL_POINT_GUESSED", "", seen.doubt, f"{seen.done} {_what_sells_first(plan)} {_HOW_TO_CORRECT}")
    report = findings.report(
        name=plan.name,
        plan_format=plan_format,
        sections=len(plan.sections),
        rows=len(plan.rows),
        seats=len(plan.seats),
    )
    return PlanReading(plan, report)


def _what_sells_first(plan: SeatingPlan) -> str:
    """Name the first seats that best available would sell, so that a person sees at once whether the guess is right."""
    focal_points = focal_point_of_sections(plan)
    benches = best_first(plan)
    # Wheelchair and companion places are sold only to those who ask for them.
    for_all = [bench for bench in benches if any(seat.kind == "standard" for seat in bench)]
    seats = [
        bench[int(middle_of(bench, focal_points[plan.rows[bench[0].row].section]))]
        for bench in (for_all or benches)[:_SEATS_NAMED]
    ]
    names = "; then ".join(seat.label for seat in seats)
    return f"So the best seats would be around {names}." if names else "No seat of the plan is for sale."
