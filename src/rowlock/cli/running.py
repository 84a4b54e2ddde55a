"""Commands that keep running: up for everything at once, serve for HTTP, worker for the background loops."""

import asyncio
import contextlib
import logging
import shlex
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rowlock.base.dsns import Dsns
from rowlock.cli.common import DataDir, load_settings, local, refuse, say, warn
from rowlock.cli.processes import (
    StopEvent,
    StopRequested,
    base_url,
    connection_limits,
    listen,
    run_until_signal,
    run_worker,
    serve_all,
    serve_http,
    stoppable,
)
from rowlock.cli.schema import migration_summary
from rowlock.database.access import DirectDatabase, OneConnection
from rowlock.database.cells import Cells
from rowlock.database.connections import connect
from rowlock.database.schema.definitions import status
from rowlock.database.schema.migrate import MigrationReport, migrate
from rowlock.demonstration import DemoShow, ensure_demo
from rowlock.embedded import EmbeddedServer
from rowlock.instance import Instance, keep_admin_api_key, load_instance, new_admin_api_key, resolve_dsns
from rowlock.jobs.loops import Loop
from rowlock.operations.logs import configure_logging
from rowlock.services import make_payment_providers, make_services, payment_loops
from rowlock.settings import Settings

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
DEFAULT_DATA_DIR = Path(".rowlock")
_SHOWS_LISTED = 5

Host = Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for every network.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("up", epilog="Example: rowlock up --port 9000")(up)
    app.command("serve", epilog="Example: rowlock serve --host 0.0.0.0 --port 8000")(serve)
    app.command("worker", epilog="Example: rowlock worker")(worker)


def up(
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Leave an empty database empty.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Run everything in one process: database, migrations, HTTP and worker. Ctrl-C stops it.

    The database is DATABASE_URL, or an embedded PostgreSQL in the data folder. An empty one gets a demonstration.
    """
    settings = _begin(data_dir, for_people=True)
    with contextlib.suppress(StopRequested, KeyboardInterrupt), stoppable(), contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(host, port))
        owner, embedded = _database(settings, stack)
        shows = asyncio.run(_prepare(owner, demo=not no_demo))
        dsns = resolve_dsns(settings, settings.data_dir)
        instance = load_instance(settings)
        new_key = None
        if instance.admin_api_key_hash is None:
            new_key, key_hash = new_admin_api_key()
            instance = replace(instance, admin_api_key_hash=key_hash)

        def announce() -> None:
            if new_key is not None and instance.admin_api_key_hash is not None:
                # Not earlier, so that a key that was not printed is never in force.
                keep_admin_api_key(settings.data_dir, instance.admin_api_key_hash)
            _announce(base_url(listener), settings, shows, new_key)

        async def http(stop: StopEvent) -> None:
            await _http(settings, dsns, instance, listener, stop, announce)

        async def everything(stop: StopEvent) -> None:
            loops = await _payment_loops(settings, dsns, instance, base_url(listener))
            await serve_all(http, dsns.worker, stop, embedded=embedded, loops=loops)

        run_until_signal(everything)
        say("Stopping.")


def serve(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT, data_dir: DataDir = None) -> None:
    """Serve HTTP only, on a migrated database. Any number of processes may run behind a load balancer."""
    settings = _begin(data_dir)
    with contextlib.suppress(StopRequested, KeyboardInterrupt), stoppable(), contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(host, port))
        dsns = resolve_dsns(settings, settings.data_dir)
        asyncio.run(_require_migrated(dsns.app))
        instance = load_instance(settings)

        def announce() -> None:
            say(f"Rowlock serves {base_url(listener)}")

        async def http(stop: StopEvent) -> None:
            await _http(settings, dsns, instance, listener, stop, announce)

        run_until_signal(http)


def worker(data_dir: DataDir = None) -> None:
    """Run the background loops only: retire expired holds, make audit log partitions."""
    settings = _begin(data_dir)
    with contextlib.suppress(StopRequested, KeyboardInterrupt), stoppable():
        dsns = resolve_dsns(settings, settings.data_dir)
        asyncio.run(_require_migrated(dsns.worker))
        instance = load_instance(settings)

        async def loops(stop: StopEvent) -> None:
            for_payments = await _payment_loops(settings, dsns, instance)
            say("Rowlock's worker runs.")
            await run_worker(dsns.worker, stop, for_payments)

        run_until_signal(loops)


def _begin(data_dir: Path | None, *, for_people: bool = False) -> Settings:
    settings = load_settings(data_dir)
    format_is_set = "log_format" in settings.model_fields_set
    configure_logging(settings.log_format if format_is_set or not for_people else "console", settings.log_level)
    # Requests have a separate access log, and the commands print their own start messages.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return settings


def _database(settings: Settings, stack: contextlib.ExitStack) -> tuple[str, EmbeddedServer | None]:
    """The owner's connection string of the database, and its server, which is started, if it is an embedded one."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value(), None
    server = EmbeddedServer(settings.data_dir)
    say(f"Starting PostgreSQL in {settings.data_dir} …")
    stack.callback(server.stop)
    return server.start().owner, server


async def _prepare(owner: str, *, demo: bool) -> list[tuple[str, str]]:
    """Migrate, fill an empty database with the demonstration, and return some shows as (id, description)."""
    async with await connect(owner, application_name="rowlock up") as connection:
        say("Migrating the database …")
        report: MigrationReport = await migrate(connection)
        say(migration_summary(report))
        for setting in report.resets:
            say(f"Reset: the {setting}.")
        for weakness in report.warnings:
            warn(f"Note: {weakness}")
        demo_shows: list[DemoShow] = await ensure_demo(connection, now=datetime.now(UTC)) if demo else []
        if demo_shows:
            say("Made a demonstration: a theatre of 600 seats with three shows.")
            return [(str(show.show_id), f"{show.title}: {show.what}") for show in demo_shows]
        shows = await make_services(Cells(OneConnection(connection))).catalogue.list_every_show()
        upcoming_shows = [show for show in shows if show.status in ("on_sale", "announced")]
        return [
            (str(show.show_id), f"{show.title}, {local(show.starts_at, show.time_zone)}")
            for show in upcoming_shows[:_SHOWS_LISTED]
        ]


async def _require_migrated(dsn: str) -> None:
    """Refuse a database with pending migrations. Functions may be missing: version 1 does not need them."""
    async with await connect(dsn, application_name="rowlock") as connection:
        files = await status(connection)
    migrations = [file.path for file in files if file.kind == "migration" and file.state == "pending"]
    if migrations:
        raise refuse(
            f"The database is not migrated: {', '.join(migrations)} to be applied. Run `rowlock migrate` first."
        )


async def _payment_loops(settings: Settings, dsns: Dsns, instance: Instance, url: str | None = None) -> list[Loop]:
    cells = Cells(DirectDatabase(dsns, application_name="rowlock worker"))
    providers = make_payment_providers(settings, cells, instance.secret_key)
    await providers.open()
    return payment_loops(providers, cells, settings, url, secret_key=instance.secret_key)


async def _http(
    settings: Settings,
    dsns: Dsns,
    instance: Instance,
    listener: socket.socket,
    stop: StopEvent,
    on_ready: Callable[[], None],
) -> None:
    from rowlock.app import create_app  # Imported here because the import takes longer than most commands.

    app = create_app(settings, dsns, secret_key=instance.secret_key, admin_api_key_hash=instance.admin_api_key_hash)
    await serve_http(
        app,
        listener,
        stop,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        on_ready=on_ready,
        limits=connection_limits(settings.max_connections),
    )


def _announce(url: str, settings: Settings, shows: list[tuple[str, str]], admin_key: str | None) -> None:
    """Print the addresses, the new admin key and how to connect, once everything works."""
    lines = ["", f"Rowlock is ready at {url}", f"  {url}/docs  every call of the API, to try out"]
    lines += [f"  {url}/api/shows/{show_id}  {words}" for show_id, words in shows]
    if admin_key is not None:
        lines += [
            "",
            f"Admin key, shown this once: {admin_key}",
            f'  curl -X POST -H "X-API-Key: {admin_key}" {url}/api/admin/cleanup',
        ]
    database = 'psql "$(rowlock db url)"' if settings.data_dir == DEFAULT_DATA_DIR else None
    database = database or f'psql "$(rowlock db url --data-dir {shlex.quote(str(settings.data_dir))})"'
    lines += ["", f"The database: {database}", "Ctrl-C stops everything.", ""]
    say("\n".join(lines))
