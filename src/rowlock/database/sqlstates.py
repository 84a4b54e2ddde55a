"""What each SQLSTATE tells about a call that failed: whether it may have been committed, and whether to run it again.

The classes of the driver do not tell it: a full disk, a deadlock and a lost connection are all OperationalError, and
a server that has become read-only is an InternalError.
"""

from enum import Enum, auto

from psycopg import Error, OperationalError


class Then(Enum):
    """What to do after an error. Only after LOST can something have been changed."""

    REPEAT = auto()
    """Run the call again."""

    RENEW = auto()
    """Close the connection, and run the call again on another one."""

    REFUSE = auto()
    """Tell the caller to come back later: run at once, the call would only add to the load."""

    LOST = auto()
    """The connection ended before the answer, so the call may have been committed."""

    RAISE = auto()
    """A bug of ours, or a limit that the same call meets every time."""


# By SQLSTATE, or by its class, which is its first two characters. What is in neither is Then.RAISE. An ERROR is an
# answer: the transaction was rolled back. A FATAL error ends the connection, also between commit and answer.
_TABLE = {
    # The connection failed, or the server itself does not know how the statement ended (08007, 40003). PgBouncer tells
    # with 08P01 that the server's connection broke.
    "08": Then.LOST,
    "40003": Then.LOST,
    # The server was shut down, has crashed or ended the session: it may do so while a commit waits for its standby.
    "57P01": Then.LOST,
    "57P02": Then.LOST,
    # A session that sent nothing in time was ended, so the call, or its commit, came too late to run.
    "25P03": Then.REPEAT,
    "57P05": Then.REPEAT,
    # The server starts or stops, and has not accepted the connection.
    "57P03": Then.REPEAT,
    # Deadlocks, serialization failures, and queries in the way of a standby: they succeed when they are run again.
    "40": Then.REPEAT,
    # The server has become read-only under an open connection, as after a failover: only a new one can reach the new
    # primary.
    "25006": Then.RENEW,
    # Prepared statements that the session has lost, or has already, because of a pooler between: a new one has none.
    "26000": Then.RENEW,
    "42P05": Then.RENEW,
    # Too slow: lock_timeout, statement_timeout or an operator's cancel, transaction_timeout.
    "55P03": Then.REFUSE,
    "57014": Then.REFUSE,
    "25P04": Then.REFUSE,
    # Resources: a full disk, no memory, no place in the lock table, no connection; and input and output that fail.
    # They need an operator, or time. The limits of class 54 are not among them: they depend on the statement alone.
    "53300": Then.REFUSE,
    "53": Then.REFUSE,
    "58": Then.REFUSE,
}
_ENDS_THE_CONNECTION = ("FATAL", "PANIC")


def needs_resources(error: Error) -> bool:
    """Whether the server lacks disk, memory or another resource, or cannot read or write: an operator has to look."""
    return error.sqlstate is not None and error.sqlstate[:2] in ("53", "58")


def then(error: Error | OSError) -> Then:
    """What to do after an error of a call that had begun.

    Without a SQLSTATE the error is that of the driver or the network: the connection broke, or was never made. A FATAL
    error that the table does not have by its full code is LOST, because it tells only that the connection has ended.
    """
    if isinstance(error, OSError) or error.sqlstate is None:
        return Then.LOST if isinstance(error, OSError | OperationalError) else Then.RAISE
    if (exact := _TABLE.get(error.sqlstate)) is not None:
        return exact
    if error.diag.severity_nonlocalized in _ENDS_THE_CONNECTION:
        return Then.LOST
    return _TABLE.get(error.sqlstate[:2], Then.RAISE)
