"""Commands about organizations: list them, and change what receipts say of the seller."""

from dataclasses import asdict
from typing import Annotated

import typer

from rowlock.catalogue.model import Seller, SellerChanges
from rowlock.cli.common import DataDir, Json, fields, print_result, table, with_services
from rowlock.cli.exits import CommandError, ExitCode


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Organizations: list them, and change what receipts say of the seller.")
    group.command("list", epilog="Example: rowlock organization list")(list_)
    group.command("update", epilog="Example: rowlock organization update Moonlight --tax-id DE123456789")(update)
    app.add_typer(group, name="organization")


def list_(data_dir: DataDir = None, json: Json = False) -> None:
    """List every organization by name."""
    sellers = with_services(data_dir, lambda services: services.catalogue.list_sellers())
    rows = [(seller.slug, seller.name, seller.legal_name or seller.name, seller.tax_id or "none") for seller in sellers]
    text = table(
        ("organization", "name", "on receipts", "tax id"),
        rows,
        empty="There is no organization yet. `rowlock plan import` makes one.",
    )
    print_result({"organizations": [asdict(seller) for seller in sellers]}, text, as_json=json)


def update(
    organization: Annotated[
        str, typer.Argument(metavar="ORGANIZATION", help="A name, or the slug if two have that name.")
    ],
    legal_name: Annotated[
        str | None, typer.Option("--legal-name", help="Its name on receipts.", show_default=False)
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="For receipts, in at most six lines.", show_default=False)
    ] = None,
    tax_id: Annotated[
        str | None, typer.Option("--tax-id", help="Its VAT number or the like, for receipts.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Change what new receipts say of the seller. An empty value ("") takes away what was there."""
    changes = SellerChanges(legal_name, address, tax_id)
    if changes == SellerChanges():
        raise CommandError(ExitCode.USAGE, "Nothing is to be changed. Give at least one option, such as --tax-id.")
    changed = with_services(data_dir, lambda services: services.catalogue.update_seller(organization, changes))
    print_result(asdict(changed), _as_text(changed), as_json=json)


def _as_text(seller: Seller) -> str:
    return fields(
        {
            "organization": seller.slug,
            "name": seller.name,
            "legal name": seller.legal_name or "none",
            "address": seller.address or "none",
            "tax id": seller.tax_id or "none",
        }
    )
