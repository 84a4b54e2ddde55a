"""Poolers between Rowlock and PostgreSQL: recognising them and their mode, and what a session needs behind one.

docs/adr/0020-transaction-poolers.md says why it is done in this way.
"""

import asyncio
import re
from enum import Enum

from psycopg import AsyncConnection, OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row

# A pooler answers as quickly as the server, or has no connection to a server left.
_ANSWER_SECONDS = 5.0
# In session mode the server ends an idle session after the first, and the client sees it long before the second.
_IDLE_MILLISECONDS = 20
_END_SECONDS = 1.0

_OPTION = re.compile(r"(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\\\s])*)")

ALONE = (
    "DATABASE_URL leads through a pooler in transaction mode, where the role that a session takes on does not last: "
    "set it to the direct address or the pooler's session address, or set ROWLOCK_APP_DATABASE_URL, "
    "ROWLOCK_OFFICE_DATABASE_URL, ROWLOCK_WORKER_DATABASE_URL and ROWLOCK_V1_DATABASE_URL to logins of their own."
)
NO_SESSION = (
    "DATABASE_URL leads through a pooler in transaction mode, and this command needs a session of its own: set it to "
    "the direct address or the pooler's session address."
)
_ROLE = (
    "A connection string takes on the role {role} by its options, which does not last through a pooler in transaction "
    "mode: let it name a login of its own, or the direct or session address."
)


class Pooling(Enum):
    """What is between a connection and PostgreSQL."""

    NONE = "none"
    """Nothing, or what passes everything on."""

    SESSION = "session"
    """A pooler that gives a client one session of the server until the client leaves."""

    TRANSACTION = "transaction"
    """A pooler that gives a client a session for one transaction, so that nothing set in a session can be relied on."""


class TransactionPoolerError(Exception):
    """What was asked for does not work through a pooler in transaction mode; the message says what to set."""


_recognised: dict[tuple[object, ...], Pooling] = {}
"""The poolers that this process has met, by address and login. A pooler's mode changes only with its configuration."""


async def recognise(connection: AsyncConnection) -> Pooling:
    """What is between `connection`, which has to be in autocommit, and PostgreSQL.

    One round trip where there is no pooler, or a known one. Raises OperationalError, or TimeoutError when there is no
    answer within seconds.
    """
    async with asyncio.timeout(_ANSWER_SECONDS):
        # Poolers make up the process id with which clients cancel.
        if await _pid(connection) == connection.info.backend_pid:
            return Pooling.NONE
    info = connection.info
    address = (info.host, info.hostaddr, info.port, info.dbname, info.user)
    if address not in _recognised:
        _recognised[address] = await _mode(connection)
    return _recognised[address]


async def require_session(connection: AsyncConnection, otherwise: str = NO_SESSION) -> None:
    """Raise TransactionPoolerError, with the message `otherwise`, when a pooler in transaction mode is between."""
    if await recognise(connection) is Pooling.TRANSACTION:
        raise TransactionPoolerError(otherwise)


async def adapt(connection: AsyncConnection, conninfo: str) -> None:
    """Make up for what a pooler has kept from a new connection of `conninfo`: the settings of its options.

    In transaction mode they are those of the login, and no statement is prepared. Raises TransactionPoolerError when
    the options have a role.
    """
    pooling = await recognise(connection)
    if pooling is Pooling.TRANSACTION:
        if role := settings_of(conninfo).get("role"):
            raise TransactionPoolerError(_ROLE.format(role=role))
        connection.prepare_threshold = None
    elif pooling is Pooling.SESSION:
        for name, value in settings_of(conninfo).items():
            await connection.execute("select set_config(%s, %s, false)", [name, value], prepare=False)


def refuses_options(error: OperationalError) -> bool:
    """Whether a connection was refused by a pooler that accepts no options."""
    return "unsupported startup parameter" in str(error)


def without_options(conninfo: str) -> str:
    """A connection string without the settings of its options."""
    return make_conninfo("", **{name: value for name, value in conninfo_to_dict(conninfo).items() if name != "options"})


def settings_of(conninfo: str) -> dict[str, str]:
    """The settings in the options of a connection string. Of one that is there twice the last counts, as in libpq."""
    options = str(conninfo_to_dict(conninfo).get("options") or "")
    return {name.replace("-", "_"): re.sub(r"\\(.)", r"\1", value) for name, value in _OPTION.findall(options)}


async def _mode(connection: AsyncConnection) -> Pooling:
    """The mode of the pooler that is between, from the behaviour of one more client beside `connection`."""
    info = connection.info
    dsn = make_conninfo(without_options(info.dsn), host=info.host, port=info.port, password=info.password or None)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            probe = await AsyncConnection.connect(dsn, autocommit=True)
    except TimeoutError as error:
        raise _no_place() from error
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            if await _share(connection, probe):
                return Pooling.TRANSACTION
        return Pooling.SESSION if await _ends_when_idle(probe) else Pooling.TRANSACTION
    except TimeoutError as error:
        raise _no_place() from error
    finally:
        await probe.close()


async def _share(one: AsyncConnection, other: AsyncConnection) -> bool:
    """Whether two clients were seen to share sessions of the server, which proves transaction mode.

    A pooler that takes turns shows it by the second statement of one client, any other by the first of the other.
    """
    ones = {await _pid(one), await _pid(one)}
    others = {await _pid(other), await _pid(other)}
    ones.add(await _pid(one))
    return len(ones) > 1 or len(others) > 1 or ones == others


async def _ends_when_idle(probe: AsyncConnection) -> bool:
    """Whether a client is cut off when the server ends an idle session, which proves that the session is its own.

    Clients of a pooler with several processes may never have been on the same one, so `_share` cannot prove it.
    """
    try:
        await probe.execute(f"set idle_session_timeout = {_IDLE_MILLISECONDS}", prepare=False)
        async for _ in probe.notifies(timeout=_END_SECONDS):
            pass
        await _pid(probe)
    except OperationalError:
        return True
    return False


async def _pid(connection: AsyncConnection) -> int:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("select pg_backend_pid()", prepare=False)
        row = await cursor.fetchone()
    assert row is not None, "every session has a process"
    return int(row[0])


def _no_place() -> OperationalError:
    return OperationalError(
        "the pooler gave no second connection to the server within 5 seconds: its pool is full, or has one place only"
    )
