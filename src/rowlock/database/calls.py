"""One call to the database, with its retries, and with driver errors translated into four exceptions of our own.

After a lost connection the outcome of a call is unknown. A repeatable call is repeated on a new connection; any other
raises OutcomeUnknownError. `sqlstates` tells a lost connection from what the server refused, which changed nothing.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

import structlog
from psycopg import Error, errors
from psycopg_pool import PoolTimeout, TooManyRequests

from rowlock.database.access import Connections, Database
from rowlock.database.connections import Connection
from rowlock.database.refusals import resource_refusals
from rowlock.database.sqlstates import Then, needs_resources, then

T = TypeVar("T")
Item = TypeVar("Item")
Answer = TypeVar("Answer")
log = structlog.get_logger(__name__)

# Four attempts over about three seconds are enough for a restart of the database, and as long as a buyer should wait.
PAUSES_SECONDS = (0.05, 0.5, 2.0)
# The server gives up a statement after 10 seconds. One that does not answer for longer hangs, and so would its caller.
CALL_LIMIT_SECONDS = 12.0
# A call is not repeated when it has lasted so long already.
REPEAT_WITHIN_SECONDS = 10.0


class BusyError(Exception):
    """The database could not run the call in time. Nothing was changed; the caller may retry."""


class LockedError(BusyError):
    """Another transaction has locked a row that the call needs, for longer than a caller waits."""


class OutcomeUnknownError(Exception):
    """The connection was lost while the call ran, and it could not be repeated. The caller should read the state."""


class FunctionsMissingError(Exception):
    """The stored functions do not exist: never migrated, or rolled back. Version 1 still works."""


class LoginMissingError(Exception):
    """The login of the connection may not do this: it belongs to another role, or the grants are not applied."""


async def call(
    connections: Connections,
    operation: Callable[[Connection], Awaitable[T]],
    *,
    repeatable: bool,
    reads: bool = False,
    limit_seconds: float = CALL_LIMIT_SECONDS,
) -> T:
    """Run `operation` on a connection; after a lost connection run it again if it is `repeatable`.

    reads          it writes nothing, so a lost connection leaves no unknown outcome.
    limit_seconds  how long it may last on a connection; then the connection is cut off, and counts as lost.

    What the server refused as a whole is run again also if it is not repeatable, on a new connection where the old one
    is of no more use. Raises BusyError, OutcomeUnknownError, FunctionsMissingError or LoginMissingError; other errors
    are bugs and are not converted.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    lost = False  # Whether a connection was lost after the call had begun, so that it may have been committed.
    for pause in (*PAUSES_SECONDS, None):  # None: the last attempt.
        started = False
        try:
            async with connections() as connection:
                started = True
                return await _run(connection, operation, limit_seconds)
        except (PoolTimeout, TooManyRequests) as error:
            raise _failure(lost, "no database connection became free in time") from error
        except errors.UndefinedFunction as error:
            raise FunctionsMissingError(str(error)) from error
        except errors.InsufficientPrivilege as error:
            log.warning("database_login_missing", error=str(error).strip())
            raise LoginMissingError(str(error)) from error
        except Error as error:
            after = then(error)
            if after is Then.RAISE:
                raise
            facts = {"error": type(error).__name__, "sqlstate": error.sqlstate}
            lost = lost or (after is Then.LOST and started and not reads)
            too_late = after is Then.LOST and loop.time() - began > REPEAT_WITHIN_SECONDS
            if after is Then.REFUSE or pause is None or too_late or (lost and not repeatable):
                log.warning("database_call_refused", outcome_unknown=lost, **facts)
                if needs_resources(error):
                    resource_refusals.note(error.diag.message_primary or str(error).strip())
                raise _failure(lost, str(error), locked=isinstance(error, errors.LockNotAvailable)) from error
            log.warning("database_call_repeated", **facts)
            await asyncio.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


async def _run(connection: Connection, operation: Callable[[Connection], Awaitable[T]], limit_seconds: float) -> T:
    """Run an operation; where its error spoils the connection, close it, so that its pool makes a new one."""
    timer = asyncio.get_running_loop().call_later(limit_seconds, _cut_off, connection)
    try:
        return await operation(connection)
    except Error as error:
        if then(error) is Then.RENEW:
            await connection.close()
        raise
    finally:
        timer.cancel()


def _cut_off(connection: Connection) -> None:
    """End the connection to a server that does not answer. The driver cannot be cancelled while it waits for one."""
    log.warning("database_does_not_answer")
    with suppress(OSError, Error), socket.socket(fileno=os.dup(connection.fileno())) as stream:
        stream.shutdown(socket.SHUT_RDWR)


async def call_batch(
    database: Database,
    operation: Callable[[Connection, UUID, Sequence[Item]], Awaitable[Sequence[Answer]]],
    show_id: UUID,
    items: Sequence[Item],
) -> Sequence[Answer]:
    """Run a repeatable operation on many items of one show in one round trip; raises as `call` does, LockedError when
    one of the items needs a row that is locked."""
    return await call(database.app, lambda connection: operation(connection, show_id, items), repeatable=True)


def _failure(lost: bool, reason: str, *, locked: bool = False) -> BusyError | OutcomeUnknownError:
    """BusyError, which means that nothing was changed, unless a connection was lost during the call."""
    if lost:
        return OutcomeUnknownError(reason)
    return LockedError(reason) if locked else BusyError(reason)
