"""Creates Rowlock's roles and its empty database in a new server, and restores their attributes at later starts.

The migrations create what is in the database: schema, tables, grants.
"""

from collections.abc import Mapping
from typing import LiteralString

import psycopg
from psycopg import sql

DATABASE = "rowlock"
_PLAIN: LiteralString = "login nosuperuser nocreatedb nocreaterole noreplication nobypassrls"
_ROLES: dict[str, LiteralString] = {
    "rowlock_owner": "login nosuperuser nocreatedb createrole noreplication nobypassrls",
    "rowlock_app": _PLAIN,
    "rowlock_office": _PLAIN,
    "rowlock_worker": _PLAIN,
    "rowlock_v1": _PLAIN,
}
_SERVING: LiteralString = "rowlock_app, rowlock_office, rowlock_worker, rowlock_v1"

# Large objects belong to no table, so no grant on tables limits them: by default any login may fill the disk with them.
_LARGE_OBJECT_FUNCTIONS: LiteralString = """
    select oid::regprocedure::text from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and proname ~ '^(lo_|loread$|lowrite$)'
"""


def bootstrap(superuser_dsn: str, passwords: Mapping[str, str]) -> None:
    """Create or correct roles, database and access rights; repeatable, also after an interruption."""
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        for role, attributes in _ROLES.items():
            _ensure_role(connection, role, attributes, passwords[role])
        connection.execute(f"grant {_SERVING} to rowlock_owner with admin option")
        _ensure_database(connection)
    with psycopg.connect(superuser_dsn, dbname=DATABASE, autocommit=True) as connection:
        connection.execute("revoke all on schema public from public")
        revoke_large_objects(connection)


def revoke_large_objects(superuser: psycopg.Connection[tuple[object, ...]]) -> None:
    """Let no login but superusers make large objects in the connected database."""
    for (function,) in superuser.execute(_LARGE_OBJECT_FUNCTIONS).fetchall():
        superuser.execute(f"revoke execute on function {function} from public".encode())


def _ensure_role(
    connection: psycopg.Connection[tuple[object, ...]], role: str, attributes: LiteralString, password: str
) -> None:
    # Hashed by the client, so that the password appears in no log and no statistics view of the server.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    role_exists = connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
    connection.execute(
        sql.SQL("{verb} role {role} {attributes} password {verifier}").format(
            verb=sql.SQL("alter" if role_exists else "create"),
            role=sql.Identifier(role),
            attributes=sql.SQL(attributes),
            verifier=sql.Literal(verifier.decode()),
        )
    )


def _ensure_database(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
        connection.execute("create database rowlock owner rowlock_owner template template0")
    # By default PUBLIC may connect to each database and create temporary tables, which could shadow real ones.
    connection.execute("revoke all on database postgres, template1, rowlock from public")
    connection.execute(f"grant connect on database rowlock to {_SERVING}")
    connection.execute("alter database rowlock set search_path = rowlock, public")
