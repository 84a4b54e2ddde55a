"""Any ASGI application behind a real HTTP server, in a thread on a free port of 127.0.0.1."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

STARTS_WITHIN_SECONDS = 20.0


@contextlib.contextmanager
def asgi_served(app: ASGIApp) -> Iterator[str]:
    """Serve for the length of a block; gives the address."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), name="served", daemon=True)
        thread.start()
        until = time.monotonic() + STARTS_WITHIN_SECONDS
        while not server.started:
            assert time.monotonic() < until, "The server did not start."
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STARTS_WITHIN_SECONDS)
            assert not thread.is_alive(), "The server did not stop."
