"""Commands about money at providers: compare it with the ledger, and list chargebacks."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from rowlock.cli.common import DataDir, Json, money, print_result, table, with_services
from rowlock.cli.exits import CommandError, ExitCode

_LOOK_BACK = timedelta(days=30)
_ACTOR = "rowlock reconcile"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("reconcile", epilog="Example: rowlock reconcile --since 2026-11-01")(reconcile)
    app.command("disputes", epilog="Example: rowlock disputes --all")(disputes)


def reconcile(
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="The day or instant, in UTC unless it says otherwise. [default: 30 days ago]",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Compare every payment and refund at the providers with the ledger, to the cent. Exit 1 if they differ."""
    began = _instant(since)
    report = with_services(
        data_dir, lambda services: services.reconciliation.reconcile(began, _ACTOR), with_payments=True, name=_ACTOR
    )
    print_result(report.as_json(), report.as_text(), as_json=json)
    if not report.is_clean:
        raise typer.Exit(ExitCode.REFUSED)


def disputes(
    include_ended: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List chargebacks: payments that a buyer's bank has taken back."""
    found = with_services(data_dir, lambda services: services.disputes.all(include_ended=include_ended))
    rows = [
        (
            one.order_code,
            one.status,
            money(one.amount_minor, one.currency),
            one.reason,
            "" if one.respond_until is None else f"{one.respond_until.astimezone(UTC):%Y-%m-%d %H:%M}",
            one.reference,
        )
        for one in found
    ]
    empty = "There are no disputes." if include_ended else "No dispute is open."
    text = table(("ORDER", "STATUS", "AMOUNT", "REASON", "RESPOND BY (UTC)", "AT THE PROVIDER"), rows, empty=empty)
    print_result([asdict(one) for one in found], text, as_json=json)


def _instant(since: str | None) -> datetime:
    if since is None:
        return datetime.now(UTC) - _LOOK_BACK
    try:
        found = datetime.fromisoformat(since)
    except ValueError as error:
        raise CommandError(
            ExitCode.USAGE, f"--since is a day or an instant such as 2026-11-01 or 2026-11-01T08:00Z, not {since!r}."
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
