"""A server that keeps every webhook that it gets, in a thread on a free port of 127.0.0.1."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Inbox:
    """What has arrived: headers with lower-case names, and bodies. `status` is what is answered."""

    url: str = ""
    status: int = 200
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[tuple[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def inbox_running() -> Iterator[Inbox]:
    """An inbox for the length of a block."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            inbox.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            inbox.paths.append((self.path, self.command))
            self.send_response(inbox.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # Workers deliver many at once; the default of 5 would refuse some.

    server = Server(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="inbox", daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
