"""An ASGI application that does nothing, in Rowlock's own HTTP server: the most that the server could answer.

`python -m bench.plaintext` runs it on a free port and prints the address.
"""

import sys

from starlette.types import Receive, Scope, Send

from rowlock.cli.server import StopEvent, base_url, listen, run_until_signal, serve_http

_BODY = b"ok"
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")],
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with two bytes."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send(_START)
    await send({"type": "http.response.body", "body": _BODY})


def main() -> None:
    """Serve until SIGTERM."""
    listening = listen("127.0.0.1", 0)

    async def serve(stop: StopEvent) -> None:
        sys.stdout.write(base_url(listening) + "\n")
        sys.stdout.flush()
        await serve_http(app, listening, stop, forwarded_allow_ips="127.0.0.1")

    run_until_signal(serve)


if __name__ == "__main__":
    main()
