"""Commands about shows: create, list and change them; pause, resume and cancel their sales."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer

from rowlock.catalogue.model import ALL_CATEGORIES, DEFAULT_CURRENCY, ShowCreated, ShowInput, ShowState
from rowlock.catalogue.price_list import DEFAULT_TYPE, PriceChanges
from rowlock.cli.common import DataDir, Json, fields, local, print_result, table, with_services
from rowlock.cli.exits import CommandError, ExitCode
from rowlock.cli.show_prices import (
    FeePerOrder,
    FeePerTicket,
    Prices,
    Taxes,
    parse_fee,
    parse_price_changes,
    parse_prices,
    parse_taxes,
    prices_as_json,
    prices_as_text,
)

DoorsAt = Annotated[str | None, typer.Option("--doors-at", help="When the doors open.", show_default=False)]
EndsAt = Annotated[
    str | None,
    typer.Option("--ends-at", help="When the show is over; sales may go on until then.", show_default=False),
]
Description = Annotated[
    str | None, typer.Option("--description", help="Plain text for the page of the show.", show_default=False)
]
ImageUrl = Annotated[
    str | None, typer.Option("--image-url", help="Address of a picture for that page.", show_default=False)
]

ShowId = Annotated[UUID, typer.Argument(metavar="SHOW_ID", help="The show; see `rowlock show list`.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Shows: put one on sale, list them, change, pause and cancel them.")
    group.command(
        "create",
        epilog='Example: rowlock show create --plan PLAN_ID --title "Swan Lake" --starts-at 2027-06-12T19:30 '
        "--price Stalls=4500 --price Balcony=2500 --price /child=1500 --currency EUR",
    )(create)
    group.command("list", epilog="Example: rowlock show list")(list_)
    group.command(
        "update", epilog="Example: rowlock show update SHOW_ID --starts-at 2027-06-13T19:30 --price Stalls=4000"
    )(update)
    group.command("pause", epilog="Example: rowlock show pause SHOW_ID")(pause)
    group.command("resume", epilog="Example: rowlock show resume SHOW_ID")(resume)
    group.command("move", epilog="Example: rowlock show move SHOW_ID --plan PLAN_ID")(move)
    group.command("cancel", epilog='Example: rowlock show cancel SHOW_ID --reason "The singer is ill"')(cancel)
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
    price: Prices = None,
    fee_per_ticket: FeePerTicket = None,
    fee_per_order: FeePerOrder = None,
    tax: Taxes = None,
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217 code.")] = DEFAULT_CURRENCY,
    sales_start_at: Annotated[
        str | None, typer.Option("--sales-start-at", help="When sales open. [default: at once]", show_default=False)
    ] = None,
    sales_end_at: Annotated[
        str | None, typer.Option("--sales-end-at", help="When sales close. [default: at the start]", show_default=False)
    ] = None,
    doors_at: DoorsAt = None,
    ends_at: EndsAt = None,
    description: Description = None,
    image_url: ImageUrl = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put a show on sale. Seats of categories that the plan does not sell are blocked."""
    given = ShowInput(
        plan_id=plan,
        title=title,
        starts_at=starts_at,
        prices_minor=parse_prices(price or []),
        fee_per_ticket_minor=parse_fee("--fee-per-ticket", fee_per_ticket) or 0,
        fee_per_order_minor=parse_fee("--fee-per-order", fee_per_order) or 0,
        tax_basis_points=parse_taxes(tax or []),
        currency=currency.upper(),
        sales_start_at=sales_start_at,
        sales_end_at=sales_end_at,
        doors_at=doors_at,
        ends_at=ends_at,
        description=description,
        image_url=image_url,
    )
    created = with_services(data_dir, lambda services: services.catalogue.create_show(given))
    print_result(_as_json(created), _as_text(created), as_json=json)


def _as_json(created: ShowCreated) -> dict[str, Any]:
    return {
        "show_id": created.show_id,
        "slug": created.slug,
        "title": created.details.title,
        "description": created.details.description,
        "image_url": created.details.image_url,
        "plan_id": created.plan.plan_id,
        "venue": created.plan.venue,
        "time_zone": created.plan.time_zone,
        "doors_at": created.details.doors_at,
        "starts_at": created.details.starts_at,
        "ends_at": created.details.ends_at,
        "sales_start_at": created.details.sales_start_at,
        "sales_end_at": created.details.sales_end_at,
        "currency": created.currency,
        "prices_minor": {
            price.category: price.amount_minor
            for price in created.price_list.prices
            if price.price_type == DEFAULT_TYPE
        },
        **prices_as_json(created.price_list),
        "seats_total": created.plan.seats_total,
        "seats_blocked": dict(created.blocked),
    }


def _as_text(created: ShowCreated) -> str:
    zone, details = created.plan.time_zone, created.details
    values: dict[str, object] = {
        "show": created.show_id,
        "title": details.title,
        "venue": f"{created.plan.venue}, {created.plan.name} v{created.plan.version}",
        "starts": local(details.starts_at, zone),
        "sales open": "now" if details.sales_start_at is None else local(details.sales_start_at, zone),
        "sales close": local(details.sales_end_at or details.starts_at, zone),
        **prices_as_text(created.price_list, created.currency),
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


def update(
    show: ShowId,
    title: Annotated[str | None, typer.Option("--title", help="What is shown.", show_default=False)] = None,
    starts_at: Annotated[str | None, typer.Option("--starts-at", help="When it starts.", show_default=False)] = None,
    sales_start_at: Annotated[
        str | None, typer.Option("--sales-start-at", help="When sales open.", show_default=False)
    ] = None,
    sales_end_at: Annotated[
        str | None, typer.Option("--sales-end-at", help="When sales close.", show_default=False)
    ] = None,
    doors_at: DoorsAt = None,
    ends_at: EndsAt = None,
    description: Description = None,
    image_url: ImageUrl = None,
    price: Prices = None,
    fee_per_ticket: FeePerTicket = None,
    fee_per_order: FeePerOrder = None,
    tax: Taxes = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Change what is told of a show, or its prices. An empty value ("") takes away what was there. Nobody is told of
    the change, and who holds or has bought seats keeps the prices of then."""
    given = {
        "title": title,
        "starts_at": starts_at,
        "sales_start_at": sales_start_at,
        "sales_end_at": sales_end_at,
        "doors_at": doors_at,
        "ends_at": ends_at,
        "description": description,
        "image_url": image_url,
    }
    changes = {name: value or None for name, value in given.items() if value is not None}
    prices = PriceChanges(
        parse_price_changes(price or []),
        parse_fee("--fee-per-ticket", fee_per_ticket),
        parse_fee("--fee-per-order", fee_per_order),
        parse_taxes(tax or []),
    )
    priced = prices if prices != PriceChanges() else None
    if not changes and priced is None:
        raise CommandError(ExitCode.USAGE, "Nothing is to be changed. Give at least one option, such as --title.")
    state = with_services(data_dir, lambda services: services.catalogue.update_show(show, changes, priced))
    _print_state(state, as_json=json)


def pause(show: ShowId, data_dir: DataDir = None, json: Json = False) -> None:
    """Stop the sales of a show until `resume`. Holds stay, and can be paid for. Repeatable."""
    _print_state(with_services(data_dir, lambda services: services.catalogue.pause_show(show)), as_json=json)


def resume(show: ShowId, data_dir: DataDir = None, json: Json = False) -> None:
    """Let the sales of a paused show go on. Repeatable."""
    _print_state(with_services(data_dir, lambda services: services.catalogue.resume_show(show)), as_json=json)


def move(
    show: ShowId,
    plan: Annotated[UUID, typer.Option("--plan", help="The plan version to take it to; see `rowlock plan list`.")],
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price",
            help="CATEGORY=2500, for a category that the show has no price for. May be given again.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Take a show to another plan of its venue, which keeps every sold, held and blocked seat. Repeatable."""
    prices = parse_prices(price or [])
    if ALL_CATEGORIES in prices:
        raise CommandError(ExitCode.USAGE, "--price needs a category here. Write CATEGORY=2500.")
    moved = with_services(data_dir, lambda services: services.catalogue.move_show(show, plan, prices))
    text = f"The show {show} is in the plan {moved.plan_id} now, with {moved.seats_total:,} seats."
    print_result(asdict(moved), text, as_json=json)


def cancel(
    show: ShowId,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is written down with every refund.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Cancel a show for ever: end its holds, and refund, void or cancel its orders. Repeatable."""
    done = with_services(data_dir, lambda services: services.catalogue.cancel_show(show, reason))
    text = (
        f"The show {show} is cancelled. Holds that ended: {done.holds_released:,}. Orders that were refunded, voided "
        f"or cancelled: {done.orders_ended:,}."
    )
    document = {"show_id": show, "holds_released": done.holds_released, "orders_ended": done.orders_ended}
    print_result(document, text, as_json=json)


def _print_state(show: ShowState, *, as_json: bool) -> None:
    document: dict[str, Any] = asdict(show)
    document |= document.pop("details")
    del document["price_list"]
    document |= prices_as_json(show.price_list)
    values: dict[str, object] = {
        "show": show.show_id,
        "title": show.details.title,
        "starts": local(show.details.starts_at, show.time_zone),
        "sales close": local(show.sales_close_at, show.time_zone),
        "status": show.status,
        **prices_as_text(show.price_list, show.currency),
    }
    print_result(document, fields(values), as_json=as_json)
