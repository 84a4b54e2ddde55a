"""Commands for maintenance and statistics: cleanup, stats."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from rowlock.cli.common import DataDir, Json, fields, print_result, with_services

RUN_BY = "cli"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("cleanup", epilog="Example: rowlock cleanup --json")(cleanup)
    app.command("stats", epilog="Example: rowlock stats --hours 2")(stats)


def cleanup(data_dir: DataDir = None, json: Json = False) -> None:
    """Retire holds that have run out. Bookkeeping only: their seats can be sold without it."""
    result = with_services(
        data_dir,
        lambda services: services.reservations.clean_up_all(run_by=RUN_BY),
        name="rowlock cleanup",
    )
    document = {
        "total_reservations_expired": result.reservations_expired,
        "total_seats_released": result.seats_released,
        "reservation_ids": result.reservation_ids,
    }
    text = f"{result.reservations_expired:,} reservations expired, {result.seats_released:,} seats released."
    print_result(document, text, as_json=json)


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
