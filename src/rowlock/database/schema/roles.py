"""The database roles that the application sets, and which guarantees are weaker where they cannot be used.

sql/grants.sql has the rights of each role; this module creates the roles.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from rowlock.database.connections import APP_ROLE, OFFICE_ROLE, ROLES, V1_ROLE, WORKER_ROLE

# SET is a separate privilege since PostgreSQL 16; before, every member could set a role.
_SET_IS_GRANTED_SINCE = 160000

# These roles write them through functions only.
_FENCED_ROLES = (APP_ROLE, OFFICE_ROLE, WORKER_ROLE)
_GUARDED_TABLES = (
    "show_seats",
    "seat_reservations",
    "seat_reservation_audit_log",
    "ticket_orders",
    "ticket_order_items",
    "payment_intents",
    "refunds",
    "tickets",
)


@dataclass(frozen=True, slots=True)
class RoleState:
    """One role: whether it exists, and whether the connected user may set it."""

    name: str
    exists: bool
    usable: bool


@dataclass(frozen=True, slots=True)
class RoleReport:
    """The roles of a database as `user` sees them.

    weaknesses  one sentence for each guarantee that does not hold here, with what to do about it; empty when
                all hold.
    """

    user: str
    superuser: bool
    roles: tuple[RoleState, ...]
    weaknesses: tuple[str, ...]

    def usable(self, name: str) -> bool:
        """Whether the connected user may `set role` to this role."""
        return any(role.usable for role in self.roles if role.name == name)


async def ensure_roles(connection: psycopg.AsyncConnection) -> None:
    """Create the roles that are missing and let the connected user set them, if it has the rights.

    A refusal is not an error: `inspect_roles` says which guarantee is weaker without the role.
    """
    for name in ROLES:
        if not (await _state(connection, name)).exists:
            await _try(connection, sql.SQL("create role {} nologin").format(sql.Identifier(name)))
        state = await _state(connection, name)
        if state.exists and not state.usable:
            # Membership is for `set role` only; the owner must not inherit the rights of these roles.
            options = " with set true, inherit false" if connection.info.server_version >= _SET_IS_GRANTED_SINCE else ""
            await _try(
                connection,
                sql.SQL("grant {} to current_user" + options).format(sql.Identifier(name)),
            )


async def inspect_roles(connection: psycopg.AsyncConnection) -> RoleReport:
    """The state of the roles in this database, without changing anything."""
    cursor = await connection.execute("select rolname, rolsuper from pg_roles where rolname = current_user")
    [(user, superuser)] = await cursor.fetchall()
    roles = tuple([await _state(connection, name) for name in ROLES])
    weaknesses = [_how_to_get(role, user) for role in roles if not role.usable]
    if superuser:
        weaknesses.append(
            f"The owner {user} is a superuser, to which no revoke applies: the audit log is not protected from this "
            "user. Run Rowlock as an ordinary user that owns the database."
        )
    weaknesses += await _excess_rights(connection)
    weaknesses += await _open_to_any_login(connection)
    return RoleReport(user, superuser, roles, tuple(weaknesses))


def _how_to_get(role: RoleState, user: str) -> str:
    consequence = {
        APP_ROLE: f"Buyers are served as {user}, who owns the tables: the constraints still refuse a second "
        "claim to a seat, but a bug in Python could write the seat tables without the functions.",
        OFFICE_ROLE: f"Staff are served as {user}, who owns the tables, and could write more than the catalogue.",
        WORKER_ROLE: f"Money, jobs and cleanup run as {user}, who owns the tables, and could write them without the "
        "functions.",
        V1_ROLE: f"The version 1 fallback runs as {user}, who owns the tables, and may write more than it needs.",
    }[role.name]
    create = "" if role.exists else f"create role {role.name} nologin; "
    return f"{consequence} Let an administrator run: {create}grant {role.name} to {user}; then migrate again."


async def _excess_rights(connection: psycopg.AsyncConnection) -> list[str]:
    cursor = await connection.execute(
        """
        select r.rolname, string_agg(c.relname, ', ' order by c.relname)
        from pg_roles as r
        join pg_class as c on has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate')
        join pg_namespace as n on n.oid = c.relnamespace
        where r.rolname = any(%(roles)s) and n.nspname = 'rowlock' and c.relname = any(%(tables)s)
        group by r.rolname
        order by r.rolname
        """,
        {"tables": list(_GUARDED_TABLES), "roles": list(_FENCED_ROLES)},
    )
    return [
        f"{role} may write {tables} directly, so a bug in Python could write them without the functions. Revoke those "
        "rights, and every role or superuser attribute that grants them."
        for role, tables in await cursor.fetchall()
    ]


async def _open_to_any_login(connection: psycopg.AsyncConnection) -> list[str]:
    """What PostgreSQL lets any login do by default, and none of Rowlock's needs: each can fill the disk."""
    cursor = await connection.execute(
        """
        select
            has_function_privilege(oid, 'pg_catalog.lo_create(oid)', 'execute'),
            has_database_privilege(oid, current_database(), 'temporary'),
            quote_ident(current_database())
        from pg_roles
        where rolname = %s
        """,
        [APP_ROLE],
    )
    weaknesses = []
    for large_objects, temporary_tables, database in await cursor.fetchall():
        if large_objects:
            weaknesses.append(
                f"{APP_ROLE} may make large objects, which no grant on tables limits, and fill the disk. Let a "
                "superuser run in this database: revoke execute on function lo_creat(integer), lo_create(oid), "
                "lo_from_bytea(oid, bytea), lo_put(oid, bigint, bytea), lowrite(integer, bytea) from public"
            )
        if temporary_tables:
            weaknesses.append(
                f"{APP_ROLE} may make temporary tables and fill the disk. Let the database's owner run: "
                f"revoke temporary on database {database} from public"
            )
    return weaknesses


async def _state(connection: psycopg.AsyncConnection, name: str) -> RoleState:
    privilege = "SET" if connection.info.server_version >= _SET_IS_GRANTED_SINCE else "MEMBER"
    cursor = await connection.execute(
        "select pg_has_role(current_user, oid, %s) from pg_roles where rolname = %s", [privilege, name]
    )
    row = await cursor.fetchone()
    return RoleState(name, exists=row is not None, usable=row is not None and row[0])


async def _try(connection: psycopg.AsyncConnection, statement: sql.Composed) -> None:
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.DuplicateObject,  # A concurrent migration of another database has created it.
        psycopg.errors.UniqueViolation,
    ):
        return
