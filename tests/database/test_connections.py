"""The session settings of every connection, which no default of a role or of the database changes."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rowlock.base.dsns import Dsns
from rowlock.database.connections import Connection, connect, connection_string
from tests.support.servers import TestServer

WANTED = {
    "search_path": "rowlock,public",
    "TimeZone": "UTC",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
}
OTHERS = {
    "search_path": "pg_catalog",
    "TimeZone": "Europe/Berlin",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
}


async def of_a_server(dsn: str) -> Connection:
    """A connection as the pools make it."""
    return await psycopg.AsyncConnection.connect(connection_string(dsn, application_name="test"), autocommit=True)


@pytest.fixture
async def other_defaults(server: TestServer, dsns: Dsns) -> None:
    """Another default for each setting, of the database and of the role in it. They end with the database."""
    name = conninfo_to_dict(dsns.app)["dbname"]
    async with await psycopg.AsyncConnection.connect(server.superuser_dsn(), autocommit=True) as superuser:
        for setting, value in OTHERS.items():
            for target in (f"database {name}", f"role rowlock_app in database {name}"):
                await superuser.execute(f"alter {target} set {setting} = '{value}'".encode())


@pytest.mark.parametrize("make", [connect, of_a_server])
@pytest.mark.usefixtures("other_defaults")
async def test_the_settings_of_a_connection_precede_those_of_its_role_and_database(dsns: Dsns, make: object) -> None:
    assert callable(make)
    # An option of the connection string itself: Rowlock's own come after it, and leave others alone.
    dsn = make_conninfo(dsns.app, options=r"-c default_transaction_isolation=repeatable\ read -c work_mem=5MB")
    async with await make(dsn) as connection:
        shown = {name: (await (await connection.execute(f"show {name}".encode())).fetchone())[0] for name in WANTED}
        work_mem = await (await connection.execute("show work_mem")).fetchone()

    assert shown == WANTED
    assert work_mem == ("5MB",)


@pytest.mark.usefixtures("other_defaults")
async def test_the_defaults_are_other_ones_without_the_settings_of_a_connection(dsns: Dsns) -> None:
    async with await psycopg.AsyncConnection.connect(dsns.app, autocommit=True) as connection:
        shown = {name: (await (await connection.execute(f"show {name}".encode())).fetchone()) for name in OTHERS}

    assert shown == {name: (value,) for name, value in OTHERS.items()}
