"""Settings that sessions start with because of a role or the database, not of Rowlock: finding and resetting them.

The settings of every connection of Rowlock are in `database.connections`, and precede these. The others, such as
work_mem or row_security, would act on requests only, where nobody looks for them.
"""

import re
from dataclasses import dataclass
from typing import LiteralString

import psycopg

from rowlock.database.connections import LIMITS, ROLES, SETTINGS

# Of Rowlock's own roles every setting but those that `_is_as_ours` leaves out, for none of them is meant for anything
# else. Of the database and of its owner only what decides how a transaction is run: the rest is tuning, which
# belongs to the administrator.
_FIND: LiteralString = """
    select
        concat(
            case when s.setrole <> 0 then format('role %%I', r.rolname) when s.setdatabase = 0 then 'role all' end,
            case when s.setrole <> 0 and s.setdatabase <> 0 then ' in ' end,
            case when s.setdatabase <> 0 then format('database %%I', current_database()) end
        ) as target,
        c.name,
        c.value,
        coalesce(r.rolname = any(%(roles)s), false) as is_ours
    from pg_db_role_setting as s
    left join pg_roles as r on r.oid = s.setrole
    cross join lateral (
        select split_part(line, '=', 1) as name, substr(line, strpos(line, '=') + 1) as value
        from unnest(s.setconfig) as line
    ) as c
    where s.setdatabase in (0, (select d.oid from pg_database as d where d.datname = current_database()))
        and (s.setrole = 0 or r.rolname = any(%(roles)s) or r.rolname = current_user)
        and c.name <> 'search_path'
        and (c.name <> 'synchronous_commit' or c.value in ('off', 'local'))
        and (
            coalesce(r.rolname = any(%(roles)s), false)
            or c.name like 'default_transaction_%%'
            or c.name in ('synchronous_commit', 'session_replication_role', 'row_security')
        )
    order by target, c.name
"""


@dataclass(frozen=True, slots=True)
class RoleSetting:
    """A setting of a role or a database that Rowlock has not made.

    target   what has it, in the words of SQL, such as `role rowlock_app in database shop`.
    is_ours  whether it is a setting of one of Rowlock's own roles.
    """

    target: str
    name: str
    value: str
    is_ours: bool

    def __str__(self) -> str:
        """The setting in words."""
        return f"{self.target} has {self.name} = {self.value}"

    @property
    def reset(self) -> str:
        """The statement that takes it away."""
        return f"alter {self.target} reset {self.name}"


async def find_settings(connection: psycopg.AsyncConnection) -> tuple[RoleSetting, ...]:
    """The settings of Rowlock's roles, the connected user and the database that may change how seats are sold."""
    cursor = await connection.execute(_FIND, {"roles": list(ROLES)})
    found = [RoleSetting(*row) for row in await cursor.fetchall()]
    return tuple(setting for setting in found if not _is_as_ours(setting))


def _is_as_ours(setting: RoleSetting) -> bool:
    """Whether it is what Rowlock's connections set themselves, which they cannot through a transaction pooler."""
    ours = {name.lower(): value for name, value in (SETTINGS | LIMITS).items()}.get(setting.name.lower())
    return setting.is_ours and ours is not None and _plain(setting.value) == _plain(ours)


def _plain(value: str) -> str:
    """A value as it can be compared: times in milliseconds, as PostgreSQL counts these, and no difference of case."""
    if match := re.fullmatch(r"\s*(\d+)\s*(ms|s|min)?\s*", value):
        return str(int(match[1]) * {"ms": 1, "s": 1000, "min": 60_000}[match[2] or "ms"])
    return value.strip().lower()


async def reset_settings(connection: psycopg.AsyncConnection) -> tuple[RoleSetting, ...]:
    """Take away the settings of Rowlock's own roles, as far as the connected user may; those that are gone.

    A refusal is not an error: `find_settings` says what is left.
    """
    found = await find_settings(connection)
    return tuple([setting for setting in found if setting.is_ours and await _reset(connection, setting)])


async def _reset(connection: psycopg.AsyncConnection, setting: RoleSetting) -> bool:
    try:
        async with connection.transaction():
            # The server has quoted the target, and the name of a setting needs no quotes.
            await connection.execute(setting.reset.encode())
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True
