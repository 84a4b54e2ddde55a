"""Runs the HTTP server and the worker's loops in one event loop, and stops them in order.

HTTP stops first, so that running requests can end, then the worker. A database that was started for them is stopped
after both.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from functools import partial
from typing import Any

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from rowlock.base.file_limit import RESERVED_FILES, raise_file_limit
from rowlock.cli.exits import CommandError, ExitCode
from rowlock.embedded import EmbeddedError, EmbeddedServer
from rowlock.jobs.loops import Loop, run_loops
from rowlock.services import standard_loops
from rowlock.web.protocol import BoundedProtocol, ConnectionLimits

# How long running requests may take to end when the server stops; then their connections are closed.
_DRAIN_SECONDS = 5
_BACKLOG = 2048
_LIMITS = ConnectionLimits()

# Generation 0 is collected after 20,000 new objects, 1 after 20 collections of 0, 2 after 50 of 1.
_GARBAGE_THRESHOLDS = (20_000, 20, 50)

# How often `up` looks whether its PostgreSQL runs, and how long it waits before it starts it again.
_WATCH_SECONDS = 0.5
_RESTART_PAUSES_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0)
_QUIET_SECONDS = 60.0

StopEvent = asyncio.Event

_log = structlog.get_logger(__name__)


class HttpServer(uvicorn.Server):
    """uvicorn without its own signal handlers: `serve_http` stops it."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Install no signal handlers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then call `on_ready`."""
        await super().startup(sockets)
        if self.started:
            _collect_garbage_rarely()
            self._on_ready()


def _collect_garbage_rarely() -> None:
    """Run the cyclic garbage collector rarely, and never on the objects that exist at the start.

    Requests leave almost no cycles: reference counting frees them. With Python's defaults the collector would visit
    thousands of connections and running requests every few milliseconds under heavy load, and use a quarter of a core.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises CommandError when the address is not available."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CommandError(
            ExitCode.REFUSED,
            f"Cannot listen on {host} port {port}: {error.strerror or error}. Choose another port with --port "
            "(0 takes a free one), or stop the process that uses it.",
        ) from error


def base_url(listener: socket.socket) -> str:
    """The URL of a listening socket for a browser on this machine."""
    host, port = listener.getsockname()[:2]
    url_host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound.
    return f"http://{url_host}:{port}"


def connection_limits(connections: int) -> ConnectionLimits:
    """The limits of a server, after raising the limit of open files as far as it goes: each connection is one file."""
    files = raise_file_limit()
    possible = max(files - RESERVED_FILES, files // 2)
    if possible < connections:
        _log.warning("fewer_connections_than_set", set=connections, possible=possible, open_files=files)
    return ConnectionLimits(connections=min(connections, possible))


async def serve_http(
    app: ASGIApp,
    listener: socket.socket,
    stop: StopEvent,
    *,
    forwarded_allow_ips: str,
    on_ready: Callable[[], None] = lambda: None,
    limits: ConnectionLimits = _LIMITS,
) -> None:
    """Serve until `stop` is set and running requests have ended. Raises CommandError when the app does not start."""
    config = uvicorn.Config(
        app,
        http=partial(BoundedProtocol, limits=limits),  # type: ignore[arg-type] # uvicorn calls it, and no more.
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=forwarded_allow_ips,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    server = HttpServer(config, on_ready)
    server_task = asyncio.create_task(server.serve(sockets=[listener]))
    stop_task = asyncio.create_task(stop.wait())
    await asyncio.wait([server_task, stop_task], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await server_task
    stop_task.cancel()
    if not server.started:
        raise CommandError(ExitCode.REFUSED, "The HTTP server did not start; the log above says why.")


async def serve_all(
    serve: Callable[[StopEvent], Coroutine[Any, Any, None]],
    worker_dsn: str,
    stop: StopEvent,
    *,
    embedded: EmbeddedServer | None = None,
    loops: Sequence[Loop] = (),
) -> None:
    """Run HTTP and the worker's loops until `stop` is set or one of them ends with an error.

    loops     further loops of the worker, beside the standard ones.
    embedded  the server of their database, if it is ours: it is started again when it ends. Raises EmbeddedError when
              it does not start.
    """
    worker_stop = asyncio.Event()
    http_task = asyncio.create_task(serve(stop))
    worker_task = asyncio.create_task(run_worker(worker_dsn, worker_stop, loops))
    tasks = [http_task, worker_task]
    if embedded is not None:
        tasks.append(asyncio.create_task(keep_running(embedded, stop)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        try:
            await http_task
        finally:
            worker_stop.set()
            await worker_task
            for task in tasks[2:]:
                await task


async def keep_running(server: EmbeddedServer, stop: StopEvent) -> None:
    """Start the embedded PostgreSQL again whenever it has ended by itself, until `stop` is set.

    After each end within a minute of the one before, it waits longer. Raises EmbeddedError when it does not start, or
    has ended too often.
    """
    ends, last_end = 0, float("-inf")
    while not await _is_set(stop, _WATCH_SECONDS):
        if server.is_alive():
            continue
        now = time.monotonic()
        ends = ends + 1 if now - last_end < _QUIET_SECONDS else 1
        last_end = now
        _log.error("embedded_database_ended", times=ends)
        if ends > len(_RESTART_PAUSES_SECONDS):
            raise EmbeddedError(f"PostgreSQL has ended {ends} times within minutes. {server.log_path} says why.")
        if await _is_set(stop, _RESTART_PAUSES_SECONDS[ends - 1]):
            return
        try:
            await asyncio.to_thread(server.start)
        except EmbeddedError as error:
            if ends == len(_RESTART_PAUSES_SECONDS):
                raise
            _log.warning("embedded_database_does_not_start", error=str(error))
        else:
            _log.warning("embedded_database_started_again")


async def _is_set(stop: StopEvent, seconds: float) -> bool:
    """Wait so long, or until `stop` is set; whether it is."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


async def run_worker(dsn: str, stop: StopEvent, loops: Sequence[Loop] = ()) -> None:
    """Run the worker's standard loops and `loops` until `stop` is set."""
    await run_loops(dsn, [*standard_loops(), *loops], stop)


def run_until_signal(main: Callable[[StopEvent], Coroutine[Any, Any, None]]) -> None:
    """Run `main` in an event loop, with an event that Ctrl-C and SIGTERM set."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await main(stop)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    finally:
        # A second SIGTERM must not interrupt the stop.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class StopRequested(BaseException):
    """SIGTERM arrived in a `stoppable` block, outside an event loop."""


@contextlib.contextmanager
def stoppable() -> Generator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that what the block has started is stopped."""

    def stop(_signal: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise StopRequested

    previous_handler = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
