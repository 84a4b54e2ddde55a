"""Commands that look for trouble: check proves the invariants, doctor examines machine and database."""

import asyncio

import typer

from rowlock.cli.common import DataDir, Json, answer, load_settings
from rowlock.cli.exits import ExitCode
from rowlock.instance import NoDatabaseError, owner_dsn
from rowlock.ops import checks
from rowlock.ops import doctor as examination
from rowlock.ops.doctor import Diagnosis


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("check", epilog="Example: rowlock check --json")(check)
    app.command("doctor", epilog="Example: rowlock doctor")(doctor)


def check(data_dir: DataDir = None, json: Json = False) -> None:
    """Prove that no seat is sold twice and that claims, orders, tickets and audit log agree. Exit 1 if not."""
    settings = load_settings(data_dir)
    found = asyncio.run(checks.run_checks(owner_dsn(settings, settings.data_dir)))
    answer(checks.as_json(found), checks.as_text(found), as_json=json)
    if found.violations_total:
        raise typer.Exit(ExitCode.REFUSED)


def doctor(data_dir: DataDir = None, json: Json = False) -> None:
    """Examine this machine and the database, and say what to do about what is not well. Exit 1 on a problem."""
    settings = load_settings(data_dir)
    diagnoses = examination.examine_machine(settings.data_dir)
    try:
        dsn = owner_dsn(settings, settings.data_dir)
    except NoDatabaseError as error:
        found, _, advice = str(error).partition(". ")
        diagnoses.append(Diagnosis("connection", "warning", found + ".", advice))
    else:
        diagnoses += asyncio.run(examination.examine_database(dsn, pool_size=settings.pool_size))
    answer(examination.as_json(diagnoses), examination.as_text(diagnoses), as_json=json)
    if examination.worst(diagnoses) == "problem":
        raise typer.Exit(ExitCode.REFUSED)
