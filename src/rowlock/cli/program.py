"""Combines the groups of commands, and converts their exceptions to messages and exit codes."""

import sys
from collections.abc import Callable
from importlib.metadata import version as version_of
from typing import Annotated

import typer
from pydantic import ValidationError

from rowlock.catalogue.model import CatalogueError
from rowlock.checkout.provider_calls import PaymentUnavailableError
from rowlock.checkout.providers.payment_provider import ProviderError
from rowlock.checkout.ticket_keys import TicketKeysError
from rowlock.cli import (
    health,
    holds,
    keys,
    mails,
    money_checks,
    orders,
    organizations,
    plans,
    running,
    schema,
    shows,
    tickets,
    upkeep,
    venues,
)
from rowlock.cli.common import say, warn
from rowlock.cli.exits import CommandError, ExitCode
from rowlock.database.calls import BusyError, FunctionsMissingError, LoginMissingError, OutcomeUnknownError
from rowlock.database.connections import DATABASE_ERRORS, UNREACHABLE
from rowlock.database.pooler import TransactionPoolerError
from rowlock.database.schema.definitions import DefinitionError
from rowlock.database.schema.migrate import MigrationError
from rowlock.embedded import EmbeddedError
from rowlock.instance import InstanceError, NoDatabaseError
from rowlock.integrators.model import KeyRefusedError

app = typer.Typer(
    name="rowlock",
    help="Sells reserved seats, and cannot sell one twice. `rowlock up` starts a demonstration.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"rowlock {version_of('rowlock')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Sells reserved seats, and cannot sell one twice. `rowlock up` starts a demonstration."""


_MODULES = (
    running,
    schema,
    plans,
    organizations,
    venues,
    shows,
    holds,
    orders,
    tickets,
    keys,
    mails,
    money_checks,
    upkeep,
    health,
)
for module in _MODULES:
    module.register(app)


def main() -> None:
    """Run the command line of this process; never returns."""
    sys.exit(run(app))


def run(command: Callable[[], object]) -> int:
    """Run a command and return its exit code; the message of an exception goes to standard error."""
    try:
        command()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else ExitCode.OK
    except KeyboardInterrupt:
        warn("Interrupted.")
        return 130  # What shells report for a program that SIGINT ended.
    except BrokenPipeError:
        return ExitCode.OK  # The reader of the output has closed the pipe, as in `rowlock show list | head -1`.
    except Exception as error:
        code, message = explain(error)
        if message is None:
            raise
        warn(f"rowlock: {message}")
        return code
    return ExitCode.OK


def explain(error: Exception) -> tuple[ExitCode, str | None]:
    """The exit code for an error and its message; None for a bug, whose traceback is shown."""
    match error:
        case CommandError():
            return error.code, str(error)
        case CatalogueError() | EmbeddedError() | InstanceError() | MigrationError() | DefinitionError():
            return ExitCode.REFUSED, str(error)
        case TransactionPoolerError() | KeyRefusedError() | TicketKeysError():
            return ExitCode.REFUSED, str(error)
        case PaymentUnavailableError() | ProviderError():
            return ExitCode.REFUSED, f"{error}. Nothing is lost: run the same command again later."
        case NoDatabaseError():
            return ExitCode.NO_DATABASE, str(error)
        case BusyError() | FunctionsMissingError() | LoginMissingError() | OutcomeUnknownError() if isinstance(
            error.__cause__, Exception
        ):
            return explain(error.__cause__)
        case ValidationError():
            return ExitCode.USAGE, _wrong_settings(error)
        case _ if isinstance(error, DATABASE_ERRORS):
            return _explain_database_error(error)
        case _:
            return ExitCode.REFUSED, None


def _wrong_settings(error: ValidationError) -> str:
    lines = ["Settings in the environment are wrong:"]
    for wrong in error.errors():
        name = str(wrong["loc"][0])
        variable = name if name.isupper() else f"ROWLOCK_{name.upper()}"
        lines.append(f"  {variable}: {wrong['msg']}")
    lines.append("docs/reference/settings.md describes each.")
    return "\n".join(lines)


def _explain_database_error(error: Exception) -> tuple[ExitCode, str]:
    reason = str(error).strip() or type(error).__name__
    state = getattr(error, "sqlstate", None)
    if state is None and isinstance(error, UNREACHABLE):
        return ExitCode.NO_DATABASE, f"The database cannot be reached: {reason}"
    if state in ("42P01", "42883", "3F000"):
        advice = "The database is not migrated, or was rolled back: `rowlock migrate` or `rowlock rollback undo`."
        return ExitCode.REFUSED, f"{reason}\n{advice}"
    return ExitCode.REFUSED, f"The database refused: {reason}"
