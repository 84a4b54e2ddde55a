"""Functions with a signature of an earlier release, which stay beside the new ones while a process may call them.

`migrate` puts old functions aside under another name, so that the files, which name functions without their parameters,
mean the new ones. At the end it gives them their names back, or drops them. All this is one transaction, and other
sessions see only its end.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString

import psycopg

from rowlock.database.contract import contract_of, read_stamp
from rowlock.database.schema.definitions import SqlFile

_SIGNATURES: LiteralString = """
    select oid::regprocedure::text from pg_proc
    where pronamespace = 'rowlock'::regnamespace and proname = %s
    order by 1
"""

# Only sessions of this database count. pg_stat_activity shows their names to every role.
_SESSIONS: LiteralString = """
    select application_name from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and application_name like 'rowlock %'
"""

_EXECUTORS: LiteralString = """
    select a.grantee, coalesce(quote_ident(r.rolname), 'public')
    from pg_proc as p
    cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
    left join pg_roles as r on r.oid = a.grantee
    where p.oid = %s
"""

_PARAMETERS: LiteralString = """
    select
        string_to_array(p.proargtypes::text, ' '),
        array(
            select coalesce(a.name, '')
            from unnest(p.proargnames, p.proargmodes) with ordinality as a (name, mode, place)
            where coalesce(a.mode, 'i') in ('i', 'b', 'v')
            order by a.place
        ),
        p.pronargs - p.pronargdefaults
    from pg_proc as p
    where p.oid = %s
"""


class StillCalledError(Exception):
    """A new function cannot stand beside an old one that running processes may call."""


@dataclass(frozen=True, slots=True)
class OldFunctionsReport:
    """What became of old functions.

    dropped, kept  signatures, as in `greet(text,integer)`.
    running        the processes of other versions for which they are kept, as in `rowlock worker cleanup 0.2.0`.
    """

    dropped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    running: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a function: their types, their names, and how many of them have no default. Those are first."""

    types: tuple[str, ...]
    names: tuple[str, ...]
    required: int


def confusable(one: Parameters, other: Parameters) -> bool:
    """Whether some call fits both functions, by name or by position. PostgreSQL refuses such a call as not unique.

    A call gives the first arguments by position, each with its type, and others by name. It fits a function that has
    all these parameters, and defaults for the rest.
    """

    def may_omit(function: Parameters, beside: Parameters, positions: int) -> bool:
        return set(function.names[positions : function.required]) <= set(beside.names[positions:])

    for positions in range(min(len(one.types), len(other.types)) + 1):
        if one.types[:positions] != other.types[:positions]:
            return False
        if may_omit(one, other, positions) and may_omit(other, one, positions):
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Aside:
    """A function that has another name for the moment, and the roles that may execute it, by oid."""

    oid: int
    name: str
    signature: str
    executors: dict[int, str]


class OldFunctions:
    """The old functions of one database, during a migration to the functions of `files`.

    The search path of the connection is rowlock, as signatures have no prefix.
    """

    def __init__(self, connection: psycopg.AsyncConnection, files: Iterable[SqlFile]) -> None:
        self._connection = connection
        self._contract = contract_of(file.text for file in files if file.kind == "function")
        self._aside: dict[str, _Aside] = {}

    async def recorded(self) -> list[str]:
        """The signatures of those that earlier migrations have kept. Forgets what was dropped by hand."""
        await self._connection.execute(
            "delete from rowlock.schema_old_functions where to_regprocedure(signature) is null"
        )
        cursor = await self._connection.execute("select signature from rowlock.schema_old_functions order by signature")
        return [str(row[0]) for row in await cursor.fetchall()]

    async def running(self) -> tuple[str, ...]:
        """The connected processes with another contract, each with its version."""
        # A transaction would otherwise see the sessions of the moment when it first looked.
        await self._connection.execute("select pg_stat_clear_snapshot()")
        cursor = await self._connection.execute(_SESSIONS)
        stamps = [read_stamp(name) for (name,) in await cursor.fetchall()]
        return tuple(sorted({f"{s.name} {s.version}" for s in stamps if s and s.contract != self._contract}))

    async def signatures(self, name: str) -> list[str]:
        """The signatures of the functions that have this name now."""
        cursor = await self._connection.execute(_SIGNATURES, [name])
        return [str(row[0]) for row in await cursor.fetchall()]

    async def put_aside(self, signatures: Iterable[str]) -> None:
        """Give functions another name until `settle`."""
        for signature in signatures:
            oid = await self._oid(signature)
            name, _, _ = signature.partition("(")
            self._aside[signature] = _Aside(oid, name, signature, await self._executors(oid))
            await self._rename(oid, f"old_function_{oid}")

    async def make_way(self, file: SqlFile) -> None:
        """Put aside what has the name of `file` and another signature than the function that it makes.

        One with the same signature is left in its place: the file replaces it.
        """
        present = await self.signatures(file.name)
        recorded = [old.signature for old in self._aside.values() if old.name == file.name]
        if not present and not recorded:
            return
        made = await self._signatures_made_by(file, present)
        for signature in set(recorded) & set(made):  # The release of before is deployed again.
            await self._bring_back(self._aside.pop(signature))
            await self._forget([signature])
        await self.put_aside(signature for signature in present if signature not in made)

    async def settle(self) -> OldFunctionsReport:
        """Drop what was put aside, or keep it if a process of another version runs.

        Raises StillCalledError if such a process could no longer call what it calls now.
        """
        if not self._aside:
            return OldFunctionsReport()
        signatures = tuple(sorted(self._aside))
        running = await self.running()
        if not running:
            for old in self._aside.values():
                await self._alter("drop function {}", old.oid)
            await self._forget(signatures)
            return OldFunctionsReport(dropped=signatures)
        for old in self._aside.values():
            await self._refuse_if_confusable(old, running)
            await self._bring_back(old)
            await self._connection.execute(
                "insert into rowlock.schema_old_functions (signature) values (%s) on conflict do nothing",
                [old.signature],
            )
        return OldFunctionsReport(kept=signatures, running=running)

    async def drop_replaced(self, name: str) -> None:
        """Drop the functions of this name: the new one takes the same arguments, and PostgreSQL cannot keep both.

        Raises StillCalledError if a process of another version runs.
        """
        for signature in await self.signatures(name):
            if running := await self.running():
                raise _still_called(signature, running, "the new function takes the same arguments")
            await self._alter("drop function {}", await self._oid(signature))

    async def _signatures_made_by(self, file: SqlFile, present: list[str]) -> list[str]:
        """What the file would create if nothing had its name, found by trying."""
        async with self._connection.transaction(force_rollback=True):
            for signature in present:
                oid = await self._oid(signature)
                await self._rename(oid, f"old_function_{oid}")
            await self._connection.execute(file.text.encode())
            return await self.signatures(file.name)

    async def _refuse_if_confusable(self, old: _Aside, running: tuple[str, ...]) -> None:
        parameters = await self._parameters(old.oid)
        for signature in await self.signatures(old.name):
            if confusable(parameters, await self._parameters(await self._oid(signature))):
                raise _still_called(old.signature, running, "some calls would fit the new function as well")

    async def _bring_back(self, old: _Aside) -> None:
        """Give a function its name back, and the rights it had: the grants were for the functions of this release."""
        executors = await self._executors(old.oid)
        for role in executors.keys() - old.executors.keys():
            await self._alter(f"revoke execute on function {{}} from {executors[role]}", old.oid)
        for role in old.executors.keys() - executors.keys():
            await self._alter(f"grant execute on function {{}} to {old.executors[role]}", old.oid)
        await self._rename(old.oid, old.name)

    async def _forget(self, signatures: Iterable[str]) -> None:
        await self._connection.execute(
            "delete from rowlock.schema_old_functions where signature = any(%s)", [list(signatures)]
        )

    async def _executors(self, oid: int) -> dict[int, str]:
        cursor = await self._connection.execute(_EXECUTORS, [oid])
        return {int(role): str(name) for role, name in await cursor.fetchall()}

    async def _parameters(self, oid: int) -> Parameters:
        cursor = await self._connection.execute(_PARAMETERS, [oid])
        [(types, names, required)] = await cursor.fetchall()
        return Parameters(tuple(types), tuple(names), required)

    async def _oid(self, signature: str) -> int:
        cursor = await self._connection.execute("select %s::regprocedure::oid", [signature])
        [(oid,)] = await cursor.fetchall()
        return int(oid)

    async def _rename(self, oid: int, name: str) -> None:
        await self._alter("alter function {} rename to " + name, oid)

    async def _alter(self, statement: str, oid: int) -> None:
        """Run a statement with the present signature of a function in it."""
        cursor = await self._connection.execute("select %s::oid::regprocedure::text", [oid])
        [(signature,)] = await cursor.fetchall()
        await self._connection.execute(statement.format(signature).encode())


def _still_called(signature: str, running: Iterable[str], why: str) -> StillCalledError:
    return StillCalledError(
        f"{signature} may be called by processes of another version: {', '.join(running)}. It cannot be kept for them, "
        f"because {why}. Stop those processes and migrate again, or give the new function another name, or a new "
        "parameter without a default. No function, view or right was changed."
    )
