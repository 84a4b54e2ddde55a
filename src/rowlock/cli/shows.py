"""Commands about shows: create one, with its prices; list them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer

from rowlock.catalogue.model import ALL_CATEGORIES, DEFAULT_CURRENCY, ShowCreated, ShowInput
from rowlock.cli.common import DataDir, Json, fields, local, money, print_result, table, with_services
from rowlock.cli.exits import CommandError, ExitCode


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Shows: put one on sale, list them.")
    group.command(
        "create",
        epilog='Example: rowlock show create --plan PLAN_ID --title "Swan Lake" --starts-at 2027-06-12T19:30 '
        "--price Stalls=4500 --price Balcony=2500 --currency EUR",
    )(create)
    group.command("list", epilog="Example: rowlock show list")(list_)
    app.add_typer(group, name="show")


def create(
    plan: Annotated[UUID, typer.Option("--plan", help="The plan version to sell; see `rowlock plan list`.")],
    title: Annotated[str, typer.Option("--title", help="What is shown.")],
    starts_at: Annotated[
        str,
        typer.Option(
            "--starts-at", help="ISO 8601, such as 2027-06-12T19:30; in the venue's time zone if it has none."
        ),
    ],
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price",
            help="In minor units: 2500 for every category, CATEGORY=2500 for one. May be given again.",
            show_default=False,
        ),
    ] = None,
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217 code.")] = DEFAULT_CURRENCY,
    sales_start_at: Annotated[
        str | None, typer.Option("--sales-start-at", help="When sales open. [default: at once]", show_default=False)
    ] = None,
    sales_end_at: Annotated[
        str | None, typer.Option("--sales-end-at", help="When sales close. [default: never]", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put a show on sale. Seats of categories that the plan does not sell are blocked."""
    prices = parse_prices(price or [])

    given = ShowInput(
        plan_id=plan,
        title=title,
        starts_at=starts_at,
        prices_minor=prices,
        currency=currency.upper(),
        sales_start_at=sales_start_at,
        sales_end_at=sales_end_at,
    )
    created = with_services(data_dir, lambda services: services.catalogue.create_show(given))
    print_result(_as_json(created), _as_text(created), as_json=json)


def parse_prices(texts: Sequence[str]) -> dict[str, int]:
    """The prices given with --price: category name → minor units, ALL_CATEGORIES for an amount alone.

    Raises CommandError for text that is not a price, and for two prices of one category.
    """
    prices: dict[str, int] = {}
    for text in texts:
        name, equals, amount = text.rpartition("=")  # A category's name may contain an equals sign.
        category = name.strip() if equals else ALL_CATEGORIES
        if equals and not name.strip():
            raise CommandError(
                ExitCode.USAGE, f"--price {text} names no category. Write CATEGORY=2500, or 2500 for all."
            )
        if not amount.strip().isascii() or not amount.strip().isdigit():
            raise CommandError(
                ExitCode.USAGE,
                f"--price {text} is not an amount in minor units. Write 2500 for 25.00, or CATEGORY=2500.",
            )
        if category in prices:
            what = "every category" if category == ALL_CATEGORIES else category
            raise CommandError(ExitCode.USAGE, f"--price {text}: {what} has a price already.")
        prices[category] = int(amount)
    return prices


def _as_json(created: ShowCreated) -> dict[str, Any]:
    return {
        "show_id": created.show_id,
        "slug": created.slug,
        "title": created.title,
        "plan_id": created.plan.plan_id,
        "venue": created.plan.venue,
        "time_zone": created.plan.time_zone,
        "starts_at": created.starts_at,
        "sales_start_at": created.sales_start_at,
        "sales_end_at": created.sales_end_at,
        "currency": created.currency,
        "prices_minor": dict(created.prices_minor),
        "seats_total": created.plan.seats_total,
        "seats_blocked": dict(created.blocked),
    }


def _as_text(created: ShowCreated) -> str:
    zone = created.plan.time_zone
    values: dict[str, object] = {
        "show": created.show_id,
        "title": created.title,
        "venue": f"{created.plan.venue}, {created.plan.name} v{created.plan.version}",
        "starts": local(created.starts_at, zone),
        "sales open": "now" if created.sales_start_at is None else local(created.sales_start_at, zone),
        "sales close": "never" if created.sales_end_at is None else local(created.sales_end_at, zone),
        "prices": ", ".join(
            f"{name} {money(amount, created.currency)}" for name, amount in created.prices_minor.items()
        ),
        "seats": f"{created.plan.seats_total:,}",
    }
    if created.blocked:
        values["not for sale"] = ", ".join(f"{count:,} {name}" for name, count in created.blocked.items())
    return fields(values)


def list_(data_dir: DataDir = None, json: Json = False) -> None:
    """List every show in order of its start."""
    shows = with_services(data_dir, lambda services: services.catalogue.list_every_show())
    rows = [
        (
            show.show_id,
            show.title,
            local(show.starts_at, show.time_zone),
            show.status,
            f"{show.seats_available:,} of {show.seats_total:,} free",
        )
        for show in shows
    ]
    text = table(
        ("show", "title", "starts", "status", "seats"),
        rows,
        empty="There is no show yet. `rowlock show create` puts one on sale.",
    )
    print_result({"shows": [asdict(show) for show in shows]}, text, as_json=json)
