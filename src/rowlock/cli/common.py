"""Shared by all commands: common options, output as text or JSON, and access to the database."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from rowlock.base.currencies import amount
from rowlock.base.dsns import Dsns
from rowlock.cli.exits import CommandError, ExitCode
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection, connect
from rowlock.instance import find_dsns, load_instance, owner_dsn
from rowlock.services import Services, make_payment_providers, make_services
from rowlock.settings import Settings

T = TypeVar("T")

APPLICATION_NAME = "rowlock cli"

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of the embedded database and of this installation's secrets. "
        "[default: ROWLOCK_DATA_DIR, or .rowlock]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs, and nothing else.")]


def load_settings(data_dir: Path | None) -> Settings:
    """The settings of the environment, with the data folder of the command line if one is given."""
    settings = Settings()
    return settings if data_dir is None else settings.model_copy(update={"data_dir": data_dir})


def say(text: str) -> None:
    """Print a line on standard output and flush it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def warn(text: str) -> None:
    """Print a line on standard error and flush it."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_result(document: object, text: str, *, as_json: bool) -> None:
    """Print the result of a command: `document` for programs, or `text` for people."""
    say(json.dumps(document, default=_plain, ensure_ascii=False, indent=2) if as_json else text)


def _plain(value: object) -> str | float:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID | Path):
        return str(value)
    return float(str(value))  # Decimals, of statistics.


def with_database(data_dir: Path | None, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` on a connection of the owner, in autocommit: for commands that change the schema."""
    settings = load_settings(data_dir)

    async def run() -> T:
        async with await connect(owner_dsn(settings, settings.data_dir), application_name=APPLICATION_NAME) as owner:
            return await work(owner)

    return asyncio.run(run())


def with_services(
    data_dir: Path | None,
    work: Callable[[Services], Awaitable[T]],
    *,
    as_owner: bool = False,
    with_payments: bool = False,
    name: str = APPLICATION_NAME,
) -> T:
    """Run `work` with services that connect as the role that each needs, or all as the owner.

    with_payments  they can ask payment providers, too.
    name           the application_name of the connections.
    """
    settings = load_settings(data_dir)

    async def run() -> T:
        if as_owner:
            dsns = Dsns.same(owner_dsn(settings, settings.data_dir))
        else:
            dsns = await find_dsns(settings, settings.data_dir)
        cells = Cells(DirectDatabase(dsns, application_name=name))
        if not with_payments:
            return await work(make_services(cells))
        secret_key = load_instance(settings).secret_key
        providers = make_payment_providers(settings, cells, secret_key)
        await providers.open()
        try:
            return await work(make_services(cells, providers=providers, secret_key=secret_key))
        finally:
            await providers.close()

    return asyncio.run(run())


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> str:
    """Rows as aligned columns, or the sentence `empty`."""
    if not rows:
        return empty
    cells = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def local(instant: datetime, time_zone: str) -> str:
    """An instant in the time zone of the venue, with its offset and the name of the zone."""
    return instant.astimezone(ZoneInfo(time_zone)).isoformat(timespec="minutes") + f" ({time_zone})"


def money(amount_minor: int | None, currency: str) -> str:
    """An amount in the major unit of its currency, such as 25.00 EUR."""
    return "no price" if amount_minor is None else amount(amount_minor, currency)


def fields(values: Mapping[str, object]) -> str:
    """Names and values, one a line."""
    width = max(len(name) for name in values)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in values.items())


def refuse(message: str) -> CommandError:
    """The error of a valid command that cannot be carried out."""
    return CommandError(ExitCode.REFUSED, message)
