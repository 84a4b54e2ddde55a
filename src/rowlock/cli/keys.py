"""Commands about the keys of integrators: make, list and revoke them. They are for the owner of the database."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from rowlock.base.integrator import Scope
from rowlock.cli.common import DataDir, Json, fields, print_result, table, warn, with_services
from rowlock.integrators.model import KeyListing


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Keys of integrators: programs that sell for an organization or work for its staff.")
    group.command("create", epilog='Example: rowlock key create --organization Moonlight --scope sell --name "Shop"')(
        create
    )
    group.command("list", epilog="Example: rowlock key list --organization Moonlight")(list_)
    group.command("revoke", epilog="Example: rowlock key revoke KEY_ID")(revoke)
    app.add_typer(group, name="key")


def create(
    organization: Annotated[
        str, typer.Option("--organization", help="Whose shows it is for: a name, or the slug if two have that name.")
    ],
    scope: Annotated[
        list[Scope],
        typer.Option(
            "--scope",
            help="sell: hold seats for end users. staff: block seats and read statistics. May be given again.",
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="What the key is called, in lists and the audit log.")] = "key",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Make a key, and show it once: only its hash is kept."""
    made = with_services(
        data_dir, lambda services: services.integrators.create(organization, scope, name), as_owner=True
    )
    text = _as_text(made.listing) + f"\n\n{made.key}"
    print_result({**asdict(made.listing), "key": made.key}, text, as_json=json)
    if not json:
        warn("This is the only time that the key is shown. Requests send it in the header X-Rowlock-Key.")


def list_(
    organization: Annotated[
        str | None, typer.Option("--organization", help="Only the keys of this one.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List every key, also those that were revoked; what a key opens with is not stored."""
    keys = with_services(data_dir, lambda services: services.integrators.list_keys(organization), as_owner=True)
    rows = [(key.key_id, key.organization, key.name, ", ".join(key.scopes), _state(key)) for key in keys]
    text = table(
        ("key", "organization", "name", "scopes", "state"),
        rows,
        empty="There is no key. `rowlock key create` makes one.",
    )
    print_result({"keys": [asdict(key) for key in keys]}, text, as_json=json)


def revoke(
    key: Annotated[UUID, typer.Argument(metavar="KEY_ID", help="The key; see `rowlock key list`.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Revoke a key for ever. Servers notice within five seconds. Holds that were made with it stay. Repeatable."""
    revoked = with_services(data_dir, lambda services: services.integrators.revoke(key), as_owner=True)
    print_result(asdict(revoked), _as_text(revoked), as_json=json)


def _as_text(key: KeyListing) -> str:
    return fields(
        {
            "key": key.key_id,
            "organization": key.organization,
            "name": key.name,
            "scopes": ", ".join(key.scopes),
            "state": _state(key),
        }
    )


def _state(key: KeyListing) -> str:
    return "good" if key.revoked_at is None else f"revoked {key.revoked_at.isoformat(timespec='seconds')}"
