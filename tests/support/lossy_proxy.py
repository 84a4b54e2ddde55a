"""A proxy between the application and PostgreSQL that loses the answer to a call after the call was committed.

It forwards bytes from a Unix socket of its own. On demand it forwards one call, waits until PostgreSQL reports that it
is ready again (which it does after the commit), drops that answer and closes the connection.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rowlock.base.dsns import Dsns

_READY = b"Z\x00\x00\x00\x05"


@dataclass
class LossyProxy:
    """The proxy; `dsns` lead to it."""

    dsns: Dsns
    lost: int = 0
    _marker: bytes | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def lose_the_answer(self, to: bytes = b"") -> None:
        """Lose the answer to the next call that contains these bytes; by default to the next call."""
        self._marker = to

    async def _forward(self, target: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(target)
        answer_is_lost = asyncio.Event()

        async def to_server() -> None:
            while data := await reader.read(65536):
                if self._marker is not None and self._marker in data:
                    self._marker = None
                    answer_is_lost.set()
                server_writer.write(data)
                await server_writer.drain()

        async def to_client() -> None:
            while data := await server_reader.read(65536):
                if not answer_is_lost.is_set():
                    writer.write(data)
                    await writer.drain()
                elif data[-6:-1] == _READY:
                    self.lost += 1
                    return

        directions = [asyncio.create_task(to_server()), asyncio.create_task(to_client())]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            writer.close()
            server_writer.close()


@asynccontextmanager
async def lossy_proxy(dsns: Dsns) -> AsyncIterator[LossyProxy]:
    """A proxy to the database of `dsns` for the length of a block. The owner does not connect through it."""
    given = conninfo_to_dict(dsns.app)
    target = Path(str(given["host"])) / f".s.PGSQL.{given.get('port', 5432)}"
    # The path of a socket has at most some hundred characters, so it is not in pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="rowlock-proxy-"))
    made = LossyProxy(
        Dsns(
            owner=dsns.owner,
            app=make_conninfo(dsns.app, host=str(folder)),
            office=make_conninfo(dsns.office, host=str(folder)),
            worker=make_conninfo(dsns.worker, host=str(folder)),
            v1=make_conninfo(dsns.v1, host=str(folder)),
        )
    )

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        made._tasks.add(task)
        try:
            await made._forward(target, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            writer.close()
        finally:
            made._tasks.discard(task)

    server = await asyncio.start_unix_server(connected, folder / target.name)
    try:
        yield made
    finally:
        server.close()
        for task in list(made._tasks):
            task.cancel()
        await asyncio.gather(*made._tasks, return_exceptions=True)
        shutil.rmtree(folder, ignore_errors=True)
