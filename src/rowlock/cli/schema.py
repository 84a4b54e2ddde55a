"""Commands about the database itself: migrate, rollback, and the connection string for psql."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from rowlock.cli.common import DataDir, Json, load_settings, print_result, table, warn, with_database, with_services
from rowlock.database.schema import rollback
from rowlock.database.schema.definitions import ObjectStatus, status
from rowlock.database.schema.migrate import MigrationReport, migrate
from rowlock.instance import owner_dsn

_DONE = {"applied"}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("migrate", epilog="Example: rowlock migrate --status")(migrate_command)
    rollback_app = typer.Typer(
        help="Go back from version 2 to version 1 while shows are on sale, and return to version 2."
    )
    rollback_app.command("quick", epilog="Example: rowlock rollback quick")(rollback_quick)
    rollback_app.command("full", epilog="Example: rowlock rollback full")(rollback_full)
    rollback_app.command("undo", epilog="Example: rowlock rollback undo")(rollback_undo)
    app.add_typer(rollback_app, name="rollback")
    db_app = typer.Typer(help="How to connect to the database.")
    db_app.callback()(_db)
    db_app.command("url", epilog='Example: psql "$(rowlock db url)"')(db_url)
    app.add_typer(db_app, name="db")


def migrate_command(
    data_dir: DataDir = None,
    status_only: Annotated[
        bool, typer.Option("--status", help="Change nothing; exit 1 when something has yet to be applied.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring the database up to date: tables, functions, views and rights. Safe while shows are on sale."""
    if status_only:
        _show_status(with_database(data_dir, status), as_json=json)
        return
    report = with_database(data_dir, migrate)
    print_result(migration_as_json(report), migration_as_text(report), as_json=json)
    for weakness in report.warnings:
        warn(f"Note: {weakness}")


def migration_as_json(report: MigrationReport) -> dict[str, Any]:
    """A migration report as JSON."""
    return {
        "changed": report.changed,
        "migrations": report.migrations,
        "objects": report.objects,
        "partitions": report.partitions,
        "old_functions": asdict(report.old_functions),
        "resets": report.resets,
        "warnings": report.warnings,
    }


def migration_as_text(report: MigrationReport) -> str:
    """A migration report as text: what was applied and dropped, one per line, and what is kept for whom."""
    applied = [*report.migrations, *report.objects, *(f"partition {name}" for name in report.partitions)]
    return "\n".join(
        [
            *(f"applied {path}" for path in applied),
            *(f"dropped {signature}" for signature in report.old_functions.dropped),
            *(f"reset: the {setting}" for setting in report.resets),
            "The database is up to date.",
            *_kept(report),
        ]
    )


def migration_summary(report: MigrationReport) -> str:
    """A migration report in one line, and one more when old functions are kept."""
    summary = "The database is up to date."
    if report.changed:
        functions = sum(path.startswith("functions/") for path in report.objects)
        summary = (
            f"The database is up to date: applied {len(report.migrations)} migrations, {functions} functions and "
            f"{len(report.objects) - functions} files of views and rights."
        )
    return "\n".join([summary, *_kept(report)])


def _kept(report: MigrationReport) -> list[str]:
    old = report.old_functions
    if not old.kept:
        return []
    sentence = (
        f"Kept for processes of another version that are connected: {', '.join(old.kept)}. "
        f"The processes: {', '.join(old.running)}. Replace them by this version, then run `rowlock migrate` again: "
        "it drops what was kept."
    )
    return [sentence]


def _show_status(files: list[ObjectStatus], *, as_json: bool) -> None:
    document = {
        "up_to_date": all(file.state in _DONE for file in files),
        "files": [
            {"path": file.path, "kind": file.kind, "state": file.state, "applied_at": file.applied_at} for file in files
        ],
    }
    rows = [
        (file.state, file.path, file.applied_at.isoformat(timespec="seconds") if file.applied_at else "")
        for file in files
    ]
    print_result(document, table(("state", "file", "applied"), rows, empty=""), as_json=as_json)
    if not document["up_to_date"]:
        raise typer.Exit(1)


def rollback_quick(data_dir: DataDir = None, json: Json = False) -> None:
    """Serve all calls of version 1 with version 1. Servers apply it within seconds."""
    with_database(data_dir, rollback.quick)
    print_result(
        {"v2_rollout_percent": 0},
        "Version 1 serves all calls of version 1 from now on. `rowlock rollback undo` returns to version 2.\n"
        "The cleanup goes on; `rowlock cleanup --pause` stops it as well.",
        as_json=json,
    )


def rollback_full(data_dir: DataDir = None, json: Json = False) -> None:
    """Do what `quick` does, and drop the functions of version 2 that make, change and release holds."""
    functions = with_database(data_dir, rollback.full)
    text = [f"dropped {function}" for function in functions]
    text.append("Only version 1 makes holds now; orders, cleanup and statistics go on.")
    text.append("`rowlock rollback undo` returns to version 2.")
    print_result({"v2_rollout_percent": 0, "dropped": functions}, "\n".join(text), as_json=json)


def rollback_undo(data_dir: DataDir = None, json: Json = False) -> None:
    """Restore the functions, and apply ROWLOCK_V2_ROLLOUT_PERCENT again. A pause of the cleanup stays."""
    report = with_database(data_dir, rollback.undo)
    print_result(migration_as_json(report), migration_as_text(report), as_json=json)
    if with_services(data_dir, lambda services: services.reservations.cleanup_paused_since()):
        warn("Note: the cleanup is still paused. `rowlock cleanup --resume` ends the pause.")


def _db() -> None:
    """How to connect to the database."""


def db_url(data_dir: DataDir = None, json: Json = False) -> None:
    """Print the owner's connection string, for psql and pg_dump. It contains the password."""
    settings = load_settings(data_dir)
    url = owner_dsn(settings, settings.data_dir)
    print_result({"url": url}, url, as_json=json)
