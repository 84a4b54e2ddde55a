"""Commands about seating plans: check a file, publish it, list what is published."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from rowlock.catalogue.model import PlanImported
from rowlock.catalogue.plan_files import (
    Choices,
    GivenStage,
    PlanError,
    PlanFormat,
    PlanReading,
    Side,
    read_plan_file,
    read_point,
    render,
)
from rowlock.cli.common import DataDir, Json, print_result, table, with_services
from rowlock.cli.exits import CommandError, ExitCode

File = Annotated[Path, typer.Argument(help="The plan: a pretix or seats.io JSON file, or a CSV file.")]
Format = Annotated[
    PlanFormat | None,
    typer.Option("--format", help="What the file is. [default: detected]", show_default=False),
]
Stage = Annotated[
    Side | None,
    typer.Option(
        "--stage",
        help="Where the stage is on the plan, if the file does not say so or is wrong. [default: as found]",
        show_default=False,
    ),
]
FocalPoint = Annotated[
    str | None,
    typer.Option(
        "--focal-point",
        metavar="X,Y",
        help="The same as a point, in the units of the file: x to the right, y downwards.",
        show_default=False,
    ),
]

NotForSale = Annotated[
    list[str] | None,
    typer.Option("--not-for-sale", metavar="CATEGORY", help="A category that is never sold; may be repeated."),
]
Wheelchair = Annotated[
    list[str] | None,
    typer.Option("--wheelchair", metavar="CATEGORY", help="A category of wheelchair places; may be repeated."),
]
Companion = Annotated[
    list[str] | None,
    typer.Option("--companion", metavar="CATEGORY", help="A category of companion seats; may be repeated."),
]
NameBlocks = Annotated[
    bool,
    typer.Option("--name-blocks", help="Make sections of blocks that repeat row labels: Left, Centre, Right."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Fail when the plan doctor warns of anything.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Seating plans: check a file, publish it, list what is published.")
    group.command("check", epilog="Example: rowlock plan check theatre.json")(check)
    group.command("import", epilog='Example: rowlock plan import theatre.json --venue "Playhouse"')(import_)
    group.command("list", epilog="Example: rowlock plan list --json")(list_)
    app.add_typer(group, name="plan")


def check(
    file: File,
    plan_format: Format = None,
    stage: Stage = None,
    focal_point: FocalPoint = None,
    not_for_sale: NotForSale = None,
    wheelchair: Wheelchair = None,
    companion: Companion = None,
    name_blocks: NameBlocks = False,
    strict: Strict = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Read a plan file and report what the plan doctor finds and repairs. Publishes nothing."""
    choices = _choices(not_for_sale, wheelchair, companion, name_blocks=name_blocks)
    reading = _read(file, plan_format, _given_stage(stage, focal_point), choices)
    print_result(asdict(reading.report), render(reading.report).rstrip(), as_json=json)
    if strict:
        _refuse_warnings(file, reading, "")


def import_(
    file: File,
    venue: Annotated[str, typer.Option("--venue", help="The building it belongs to; made when it is new.")],
    organization: Annotated[
        str | None,
        typer.Option(
            "--organization",
            help="Who sells there; made when it is new. [default: the only one there is, or the venue's name]",
            show_default=False,
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option("--time-zone", help="IANA time zone of a new venue. [default: UTC]", show_default=False),
    ] = None,
    plan_format: Format = None,
    stage: Stage = None,
    focal_point: FocalPoint = None,
    not_for_sale: NotForSale = None,
    wheelchair: Wheelchair = None,
    companion: Companion = None,
    name_blocks: NameBlocks = False,
    strict: Strict = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Publish a plan file as the next version of the plan of its name. A published version never changes."""
    choices = _choices(not_for_sale, wheelchair, companion, name_blocks=name_blocks)
    reading = _read(file, plan_format, _given_stage(stage, focal_point), choices)
    if strict:
        _refuse_warnings(file, reading, "Nothing was published. ")
    imported = with_services(
        data_dir,
        lambda services: services.catalogue.import_plan(
            reading.plan,
            source_format=reading.report.format,
            venue=venue,
            organization=organization,
            time_zone=time_zone,
        ),
    )
    print_result(_as_json(imported, reading), _as_text(imported, reading), as_json=json)


def _choices(
    not_for_sale: list[str] | None, wheelchair: list[str] | None, companion: list[str] | None, *, name_blocks: bool
) -> Choices:
    return Choices(tuple(not_for_sale or ()), tuple(wheelchair or ()), tuple(companion or ()), name_blocks)


def _refuse_warnings(file: Path, reading: PlanReading, consequence: str) -> None:
    """End the command when the report has a warning, and name the warnings."""
    warnings = [finding for finding in reading.report.findings if finding.severity == "warning"]
    if warnings:
        named = "\n".join(
            f"  {finding.code}: {f'{finding.place}: ' if finding.place else ''}{finding.found}. {finding.done}"
            for finding in warnings
        )
        count = reading.report.warnings
        raise CommandError(
            ExitCode.BAD_FILE,
            f"{file} has {count} warning{'' if count == 1 else 's'}, and --strict allows none. {consequence}"
            f"Mend the file, or decide with the options that the warnings name.\n{named}",
        )


def _given_stage(side: Side | None, focal_point: str | None) -> GivenStage:
    """Return what the options say about the stage. Raises typer.BadParameter."""
    if focal_point is None:
        return GivenStage(side)
    if side is not None:
        raise typer.BadParameter("give --stage or --focal-point, not both")
    try:
        return GivenStage(focal_point=read_point(focal_point))
    except ValueError as error:
        raise typer.BadParameter(f"{error}. Give two numbers, such as --focal-point 525,460") from error


def _read(file: Path, plan_format: PlanFormat | None, given: GivenStage, choices: Choices) -> PlanReading:
    try:
        return read_plan_file(file, plan_format, given, choices)
    except PlanError as error:
        raise CommandError(ExitCode.BAD_FILE, f"{file} was refused ({error.code}). {error}") from error


def _as_json(imported: PlanImported, reading: PlanReading) -> dict[str, Any]:
    return {
        "plan_id": imported.plan.plan_id,
        "version": imported.plan.version,
        "seats": len(reading.plan.seats),
        "repairs": reading.report.repairs,
        "checksum": imported.plan.checksum,
        "organization": imported.organization.name,
        "venue": imported.venue.name,
        "time_zone": imported.venue.time_zone,
        "report": asdict(reading.report),
    }


def _as_text(imported: PlanImported, reading: PlanReading) -> str:
    plan = imported.plan
    return (
        f"{render(reading.report)}\n"
        f"Published {reading.plan.name}, version {plan.version}, in {imported.venue.name} "
        f"({imported.organization.name}, {imported.venue.time_zone}): {len(reading.plan.seats):,} seats.\n"
        f"plan {plan.plan_id}\n"
        f"Put it on sale: rowlock show create --plan {plan.plan_id} --title … --starts-at … --price …"
    )


def list_(data_dir: DataDir = None, json: Json = False) -> None:
    """List every published plan version."""
    plans = with_services(data_dir, lambda services: services.catalogue.list_plans())
    rows = [
        (plan.plan_id, f"{plan.name} v{plan.version}", f"{plan.seats_total:,}", plan.venue, plan.organization)
        for plan in plans
    ]
    text = table(
        ("plan", "name", "seats", "venue", "organization"),
        rows,
        empty="No plan is published yet. `rowlock plan import` publishes one.",
    )
    print_result({"plans": [asdict(plan) for plan in plans]}, text, as_json=json)
