"""One call to the database, with its retries, and with driver errors translated into three exceptions of our own.

After a lost connection the outcome of a call is unknown. A repeatable call is repeated on a new connection; any other
raises OutcomeUnknownError.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar
from uuid import UUID

import structlog
from psycopg import OperationalError, errors
from psycopg_pool import PoolTimeout, TooManyRequests

from rowlock.database.access import Database
from rowlock.database.connections import Connection

T = TypeVar("T")
Item = TypeVar("Item")
Answer = TypeVar("Answer")
log = structlog.get_logger(__name__)

# Four attempts over about three seconds are enough for a restart of the database, and as long as a buyer should wait.
PAUSES_SECONDS = (0.05, 0.5, 2.0)

BUSY = (errors.LockNotAvailable, errors.QueryCanceled, errors.TooManyConnections)
# The transaction was rolled back as a whole, so it is safe to repeat.
ROLLED_BACK = (errors.DeadlockDetected, errors.SerializationFailure)


class BusyError(Exception):
    """The database could not run the call in time. Nothing was changed; the caller may retry."""


class OutcomeUnknownError(Exception):
    """The connection was lost while the call ran, and it could not be repeated. The caller should read the state."""


class FunctionsMissingError(Exception):
    """The stored functions do not exist: never migrated, or rolled back. Version 1 still works."""


async def call(
    connections: Callable[[], AbstractAsyncContextManager[Connection]],
    operation: Callable[[Connection], Awaitable[T]],
    *,
    repeatable: bool,
    reads: bool = False,
) -> T:
    """Run `operation` on a connection; after a lost connection run it again if it is `repeatable`.

    reads  it writes nothing, so a lost connection leaves no unknown outcome.

    Raises BusyError, OutcomeUnknownError or FunctionsMissingError; other errors are bugs and are not converted.
    """
    lost = False  # Whether a connection was lost after the call had begun, so that it may have been committed.
    for pause in (*PAUSES_SECONDS, None):  # None: the last attempt.
        started = False
        try:
            async with connections() as connection:
                started = True
                return await operation(connection)
        except (PoolTimeout, TooManyRequests) as error:
            raise _failure(lost, "no database connection became free in time") from error
        except BUSY as error:
            raise _failure(lost, str(error)) from error
        except errors.UndefinedFunction as error:
            raise FunctionsMissingError(str(error)) from error
        except OperationalError as error:
            lost = lost or (started and not reads and not isinstance(error, ROLLED_BACK))
            if pause is None or (lost and not repeatable):
                raise _failure(lost, str(error)) from error
            log.warning("database_call_repeated", error=type(error).__name__, sqlstate=error.sqlstate)
            await asyncio.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


async def call_batch(
    database: Database,
    operation: Callable[[Connection, UUID, Sequence[Item]], Awaitable[Sequence[Answer]]],
    show_id: UUID,
    items: Sequence[Item],
) -> Sequence[Answer]:
    """Run a repeatable operation on many items of one show in one round trip; raises as `call` does."""
    return await call(database.app, lambda connection: operation(connection, show_id, items), repeatable=True)


def _failure(lost: bool, reason: str) -> BusyError | OutcomeUnknownError:
    """BusyError, which means that nothing was changed, unless a connection was lost during the call."""
    return OutcomeUnknownError(reason) if lost else BusyError(reason)
