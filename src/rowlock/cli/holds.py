"""Commands about live holds: list them by address, and give back those of one address."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from rowlock.base.networks import UNKNOWN_NETWORK, client_network
from rowlock.cli.common import DataDir, Json, local, print_result, refuse, table, with_services
from rowlock.cli.exits import CommandError, ExitCode

OWN = "this machine"

Show = Annotated[
    UUID | None, typer.Option("--show", help="Only this show; see `rowlock show list`.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Live holds: list them by address, or free them.")
    group.callback(invoke_without_command=True, epilog="Example: rowlock holds --show SHOW_ID")(list_)
    group.command("release", epilog="Example: rowlock holds release --address 203.0.113.9")(release)
    app.add_typer(group, name="holds")


def list_(context: typer.Context, show: Show = None, data_dir: DataDir = None, json: Json = False) -> None:
    """List live holds by the network address that made them, those with most seats first."""
    if context.invoked_subcommand is not None:
        return
    found = with_services(data_dir, lambda services: services.reservations.holds_by_client(show))
    text = table(
        ("ADDRESS", "HOLDS", "SEATS", "SINCE", "LAST ENDS", "SHOW"),
        [
            (
                one.client or OWN,
                one.holds,
                one.seats,
                local(one.since, one.time_zone),
                local(one.until, one.time_zone),
                one.title,
            )
            for one in found
        ],
        empty="No seats are held now.",
    )
    print_result([asdict(one) for one in found], text, as_json=json)


def release(
    address: Annotated[
        str | None,
        typer.Option("--address", help="Free all holds of this address, as it is listed.", show_default=False),
    ] = None,
    reservation: Annotated[
        list[UUID] | None,
        typer.Option("--reservation", help="Free this hold. May be given again.", show_default=False),
    ] = None,
    show: Show = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give back the seats of live holds. Holds whose order is being paid stay, and are counted."""
    if (address is None) == (not reservation):
        raise CommandError(ExitCode.USAGE, "Name the holds: by --address, or each by --reservation.")
    network = None if address is None else client_network(address.partition("/")[0])
    if address is not None and network in (None, UNKNOWN_NETWORK) and address != UNKNOWN_NETWORK:
        raise CommandError(
            ExitCode.USAGE,
            f"{address} is not an address of clients. `rowlock holds` lists them; holds of this machine are named by "
            "--reservation.",
        )
    done = with_services(data_dir, lambda services: services.reservations.release_holds(network, reservation, show))
    text = f"{done.holds:,} holds were released, {done.seats:,} seats are free again."
    if done.being_paid:
        text += f" {done.being_paid:,} holds stay: their orders are being paid."
    print_result(asdict(done), text, as_json=json)
    if not done.holds and not done.being_paid:
        raise refuse("No live hold was found. `rowlock holds` lists them.")
