"""Commands for maintenance and statistics: cleanup, stats."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from rowlock.cli.common import DataDir, Json, fields, print_result, refuse, with_services
from rowlock.cli.exits import CommandError, ExitCode

RUN_BY = "cli"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("cleanup", epilog="Example: rowlock cleanup --json")(cleanup)
    app.command("stats", epilog="Example: rowlock stats --hours 2")(stats)


def cleanup(
    pause: Annotated[
        bool,
        typer.Option("--pause", help="Let no cleanup retire holds until --resume: worker, pg_cron, HTTP or command."),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="End the pause.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Retire holds that have run out. Bookkeeping only: their seats can be sold without it."""
    if pause and resume:
        raise CommandError(ExitCode.USAGE, "--pause and --resume exclude each other. Nothing was changed.")
    if pause:
        _pause_cleanup(data_dir, as_json=json)
    elif resume:
        _resume_cleanup(data_dir, as_json=json)
    else:
        _clean_up(data_dir, as_json=json)


def _pause_cleanup(data_dir: Path | None, *, as_json: bool) -> None:
    since = with_services(data_dir, lambda services: services.reservations.pause_cleanup())
    text = (
        f"The cleanup is paused since {since.isoformat(timespec='seconds')}: no call of it retires holds. "
        "Seats of expired holds can be sold at once all the same. `rowlock cleanup --resume` ends the pause."
    )
    print_result({"paused": True, "paused_since": since}, text, as_json=as_json)


def _resume_cleanup(data_dir: Path | None, *, as_json: bool) -> None:
    with_services(data_dir, lambda services: services.reservations.resume_cleanup())
    text = "The cleanup is not paused: a running worker retires expired holds within seconds, pg_cron when it is due."
    print_result({"paused": False, "paused_since": None}, text, as_json=as_json)


def _clean_up(data_dir: Path | None, *, as_json: bool) -> None:
    """Print what was retired. A pause is a refusal for who asks for a cleanup here, unlike for a worker or HTTP."""
    result = with_services(
        data_dir,
        lambda services: services.reservations.clean_up_all(run_by=RUN_BY),
        name="rowlock cleanup",
    )
    document = {
        "total_reservations_expired": result.reservations_expired,
        "total_seats_released": result.seats_released,
        "reservation_ids": result.reservation_ids,
        "paused": result.paused,
    }
    text = f"{result.reservations_expired:,} reservations expired, {result.seats_released:,} seats released."
    print_result(document, text, as_json=as_json)
    if result.paused:
        raise refuse(
            "The cleanup is paused. Seats of expired holds can be sold all the same. "
            "`rowlock cleanup --resume` ends the pause."
        )


def stats(
    show: Annotated[
        UUID | None, typer.Option("--show", help="Only this show. [default: all]", show_default=False)
    ] = None,
    hours: Annotated[int, typer.Option("--hours", min=1, max=24 * 366, help="How far back to look.")] = 24,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Count reservation events of the last hours."""
    found = with_services(data_dir, lambda services: services.reporting.statistics(show_id=show, hours=hours))
    rate = "no hold ended" if found.expiration_rate is None else f"{found.expiration_rate:.1%}"
    average = "no hold ended" if found.avg_hold_time_seconds is None else f"{found.avg_hold_time_seconds} s"
    text = fields(
        {
            "last hours": hours,
            "created": found.total_created,
            "completed": found.total_completed,
            "expired": found.total_expired,
            "released": found.total_released,
            "refused": found.total_failed,
            "average hold": average,
            "expiration rate": rate,
        }
    )
    print_result({"show_id": show, "hours": hours, **asdict(found)}, text, as_json=json)
