"""Commands about venues: list them, and change what is told of them."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from rowlock.catalogue.model import VenueChanges, VenueListing
from rowlock.cli.common import DataDir, Json, fields, print_result, table, with_services
from rowlock.cli.exits import CommandError, ExitCode


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Venues: list them, and change what is told of them.")
    group.command("list", epilog="Example: rowlock venue list")(list_)
    group.command("update", epilog="Example: rowlock venue update VENUE_ID --time-zone Europe/Berlin")(update)
    app.add_typer(group, name="venue")


def list_(data_dir: DataDir = None, json: Json = False) -> None:
    """List every venue by organization and name."""
    venues = with_services(data_dir, lambda services: services.catalogue.list_venues())
    rows = [(venue.venue_id, venue.name, venue.organization, venue.time_zone) for venue in venues]
    text = table(
        ("venue", "name", "organization", "time zone"),
        rows,
        empty="There is no venue yet. `rowlock plan import` makes one.",
    )
    print_result({"venues": [asdict(venue) for venue in venues]}, text, as_json=json)


def update(
    venue: Annotated[UUID, typer.Argument(metavar="VENUE_ID", help="The venue; see `rowlock venue list`.")],
    time_zone: Annotated[
        str | None,
        typer.Option(
            "--time-zone",
            help="IANA time zone. The instants of its shows stay, so look at their times afterwards.",
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="Where it is, as on an envelope.", show_default=False)
    ] = None,
    access_notes: Annotated[
        str | None,
        typer.Option("--access-notes", help="How to get in and to a seat without steps.", show_default=False),
    ] = None,
    step_free: Annotated[
        list[str] | None,
        typer.Option(
            "--step-free",
            help="A section that is reached without steps; may be given again, and replaces those before.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Change what is told of a venue. An empty value ("") takes away what was there."""
    sections = None if step_free is None else [name for name in step_free if name]
    changes = VenueChanges(time_zone, address, access_notes, sections)
    if changes == VenueChanges():
        raise CommandError(ExitCode.USAGE, "Nothing is to be changed. Give at least one option, such as --time-zone.")
    changed = with_services(data_dir, lambda services: services.catalogue.update_venue(venue, changes))
    print_result(asdict(changed), _as_text(changed), as_json=json)


def _as_text(venue: VenueListing) -> str:
    return fields(
        {
            "venue": venue.venue_id,
            "name": f"{venue.name}, {venue.organization}",
            "time zone": venue.time_zone,
            "address": venue.address or "none",
            "access notes": venue.access_notes or "none",
            "step-free": ", ".join(venue.step_free_sections) or "none",
        }
    )
