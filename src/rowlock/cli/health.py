"""Commands that look for problems: check tests the invariants, doctor examines machine and database."""

import asyncio

import typer

from rowlock.cli.common import DataDir, Json, load_settings, print_result, with_services
from rowlock.cli.exits import ExitCode
from rowlock.database.connections import without_secrets
from rowlock.instance import NoDatabaseError, owner_dsn
from rowlock.operations.model import (
    Diagnosis,
    diagnoses_as_json,
    diagnoses_as_text,
    report_as_json,
    report_as_text,
    worst,
)
from rowlock.operations.service import Operations
from rowlock.services import payment_facts


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("check", epilog="Example: rowlock check --json")(check)
    app.command("doctor", epilog="Example: rowlock doctor")(doctor)


def check(data_dir: DataDir = None, json: Json = False) -> None:
    """Prove that no seat is sold twice and that claims, orders, tickets and audit log agree. Exit 1 if not."""
    found = with_services(
        data_dir, lambda services: services.operations.check_invariants(), as_owner=True, name="rowlock check"
    )
    print_result(report_as_json(found), report_as_text(found), as_json=json)
    if found.violations_total:
        raise typer.Exit(ExitCode.REFUSED)


def doctor(data_dir: DataDir = None, json: Json = False) -> None:
    """Examine this machine and the database, and give advice for each problem and warning. Exit 1 on a problem."""
    settings = load_settings(data_dir)
    diagnoses = Operations.examine_machine(settings.data_dir)
    try:
        dsn = owner_dsn(settings, settings.data_dir)
    except NoDatabaseError as error:
        found, _, advice = str(error).partition(". ")
        diagnoses.append(Diagnosis("connection", "warning", found + ".", advice))
    else:
        diagnoses += with_services(
            data_dir,
            lambda services: services.operations.examine_database(without_secrets(dsn), pool_size=settings.pool_size),
            as_owner=True,
            name="rowlock doctor",
        )
    addresses = settings.addresses()
    if any(found.name == "connection" and found.verdict == "problem" for found in diagnoses):
        addresses.pop("DATABASE_URL", None)  # That it cannot be reached has been said.
    diagnoses += asyncio.run(Operations.examine_addresses(addresses))
    diagnoses += Operations.examine_payments(payment_facts(settings))
    print_result(diagnoses_as_json(diagnoses), diagnoses_as_text(diagnoses), as_json=json)
    if worst(diagnoses) == "problem":
        raise typer.Exit(ExitCode.REFUSED)
