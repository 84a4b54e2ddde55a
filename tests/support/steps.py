"""Drives sessions through the database functions one named step at a time, so that races happen on purpose.

A test build of the functions is loaded from their own files: every `-- step: NAME` comment becomes a call that waits
at a gate, an advisory lock which the test holds. A session that waits for a lock of another session is found in
pg_locks. So every interleaving can be run, the same way each time, and nothing here depends on how fast anything is.

The test build may also read a clock of the test's own in place of clock_timestamp(), and may have a mistake planted
in it (a Mutant): a harness that cannot see a planted mistake proves nothing about the absence of others.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from typing import Any, LiteralString

import psycopg

from rowlock.domain.database import Dsns
from tests.support.seatdb import SeatDb

# More than the steps of any function.
GATES = 12
# A session that has neither stopped, blocked nor ended by then hangs. Nothing waits this long in a passing test.
HANGS_AFTER_SECONDS = 60.0

_TEST_SCHEMA: LiteralString = """
create schema if not exists rowlock_test;

create table if not exists rowlock_test.clock_ahead (by interval not null);
delete from rowlock_test.clock_ahead;
insert into rowlock_test.clock_ahead values ('0');

-- Volatile, so that it sees a change of the clock even in the middle of a statement.
create or replace function rowlock_test.clock() returns timestamptz
language plpgsql volatile security definer
as $$ begin return clock_timestamp() + (select by from rowlock_test.clock_ahead); end $$;

-- Stops a driven session at its next gate; makes any other yield for a moment when it asked to be shaken.
create or replace function rowlock_test.step(p_function text, p_step text) returns boolean
language plpgsql security definer
as $$
declare
    v_session integer := nullif(current_setting('rowlock_test.session', true), '')::integer;
    v_stop    integer;
begin
    if v_session is not null then
        v_stop := current_setting('rowlock_test.stop')::integer + 1;
        perform set_config('rowlock_test.stop', v_stop::text, false);
        perform set_config('application_name', p_step, false);
        perform pg_advisory_lock_shared(v_session, v_stop);
        perform pg_advisory_unlock_shared(v_session, v_stop);
    elsif current_setting('rowlock_test.shaken', true) = 'yes' and random() < 0.25 then
        perform pg_sleep(0.00005);
    end if;
    return true;
end
$$;
"""

_WAITING: LiteralString = """
select l.pid, l.locktype = 'advisory' as at_gate, l.objid::integer as gate, a.application_name, b.pids
from pg_locks as l,
    lateral pg_blocking_pids(l.pid) as b (pids),
    lateral pg_stat_get_activity(l.pid) as a
where l.pid = any(%s) and not l.granted
"""


@dataclass(frozen=True)
class Mutant:
    """A mistake to plant: the text `old` of a function, which must be there, becomes `new`."""

    function: str
    old: str
    new: str


def source(function: str) -> str:
    """The text of a function's file."""
    return (files("rowlock") / "sql" / "functions" / f"{function}.sql").read_text(encoding="utf-8")


def functions() -> list[str]:
    """The names of all function files."""
    return sorted(
        entry.name.removesuffix(".sql")
        for entry in (files("rowlock") / "sql" / "functions").iterdir()
        if entry.name.endswith(".sql")
    )


def steps_of(function: str) -> list[str]:
    """The named steps of a function, in the order of its text."""
    return re.findall(r"^ *-- step: (\w+)$", source(function), flags=re.MULTILINE)


def instrument(function: str, *, clock: bool = False, mutants: Sequence[Mutant] = ()) -> str:
    """The test build of a function.

    A step is an ASSERT and not a PERFORM, because PERFORM would set FOUND.
    """
    text = source(function)
    for mutant in mutants:
        if mutant.function == function:
            if mutant.old not in text:
                raise LookupError(
                    f"{function}.sql has no text {mutant.old!r} any more, so this mutant plants nothing. "
                    "Write it anew for the present text, or drop it with the rule it was about."
                )
            text = text.replace(mutant.old, mutant.new)
    text = re.sub(
        r"^( *)-- step: (\w+)$", rf"\1assert rowlock_test.step('{function}', '\2');", text, flags=re.MULTILINE
    )
    return text.replace("clock_timestamp()", "rowlock_test.clock()") if clock else text


async def load_test_build(
    owner: psycopg.AsyncConnection, *, clock: bool = False, mutants: Sequence[Mutant] = ()
) -> None:
    """Replace the functions of a test's own database by their test build."""
    unknown = {mutant.function for mutant in mutants} - set(functions())
    assert not unknown, f"There is no function {unknown}."
    await owner.execute(_TEST_SCHEMA)
    for function in functions():
        await owner.execute(instrument(function, clock=clock, mutants=mutants).encode())


@dataclass
class Session:
    """A session that is driven: somebody with a connection, who does one thing at a time."""

    number: int
    db: SeatDb
    steps: "Steps" = field(repr=False)
    task: asyncio.Task[Any] | None = None
    at: str | None = None
    gate: int = 0
    blocked: bool = False
    closed: set[int] = field(default_factory=set)

    @property
    def pid(self) -> int:
        return self.db.app.info.backend_pid

    @property
    def done(self) -> bool:
        return self.task is not None and self.task.done()

    async def start(self, call: Callable[[SeatDb], Awaitable[Any]]) -> None:
        """Begin, and come to the first step, a lock of another session, or the end."""
        assert self.task is None or self.task.done(), "The session is still busy with the call before."
        await self.db.app.execute(
            "select set_config('rowlock_test.session', %s, false), set_config('rowlock_test.stop', '0', false)",
            [str(self.number)],
        )
        await self.steps.close_gates(self)
        self.task = asyncio.ensure_future(call(self.db))
        await self.steps.settle()

    async def step(self) -> None:
        """Go on from the gate where it stands, to the next step, a lock of another session, or the end."""
        assert self.at is not None, f"Session {self.number} does not stand at a step."
        await self.steps.open_gate(self)
        await self.steps.settle()

    async def run_to(self, step: str) -> None:
        """Go on until it stands at the step of this name."""
        while self.at != step:
            assert not self.done, f"Session {self.number} ended and never came to step {step}."
            await self.step()

    async def finish(self) -> Any:
        """Go on to the end; returns what the call returned, or raises what it raised."""
        assert self.task is not None
        while not self.done:
            await self.step()
        return await self.task


class Steps:
    """The sessions of one test and the gates in their way."""

    def __init__(self, dsns: Dsns, controller: psycopg.AsyncConnection) -> None:
        self.dsns = dsns
        self.controller = controller
        self.sessions: list[Session] = []

    async def close_gates(self, session: Session) -> None:
        """Make sure that the session stops at each step from its first one."""
        await self.controller.execute(
            "select pg_advisory_lock(%s, gate) from unnest(%s::int[]) as gate",
            [session.number, sorted(set(range(1, GATES + 1)) - session.closed)],
        )
        session.closed = set(range(1, GATES + 1))
        session.at, session.gate, session.blocked = None, 0, False

    async def open_gate(self, session: Session) -> None:
        """Let the session go on."""
        session.at = None
        session.closed.discard(session.gate)
        await self.controller.execute("select pg_advisory_unlock(%s, %s)", [session.number, session.gate])

    async def set_clock_ahead(self, **by: float) -> None:
        """Set the clock of a test build with clock=True, such as minutes=11 ahead of the real time."""
        await self.controller.execute("update rowlock_test.clock_ahead set by = %s", [timedelta(**by)])

    async def settle(self) -> None:
        """Wait until every session stands at a step, waits for another session, or has ended."""
        deadline = time.monotonic() + HANGS_AFTER_SECONDS
        while True:
            await asyncio.sleep(0)
            # Who ended before the question was asked holds no lock any more when it is answered.
            busy = {session.pid: session for session in self.sessions if session.task and not session.done}
            for session in self.sessions:
                if session.pid not in busy:
                    session.at, session.blocked = None, False
            if not busy:
                return
            cursor = await self.controller.execute(_WAITING, [list(busy)])
            waiting = {row[0]: row[1:] for row in await cursor.fetchall()}
            outside = False
            for pid, session in busy.items():
                at_gate, gate, name, blockers = waiting.get(pid, (False, 0, "", []))
                session.at = name if at_gate else None
                session.gate = gate if at_gate else session.gate
                session.blocked = not at_gate and bool(blockers)
                outside |= bool(set(blockers) - busy.keys()) and not at_gate
            # Sessions that all wait for each other are the server's to part; then one of them goes on.
            can_go_on = outside or any(session.at for session in busy.values())
            if can_go_on and all(session.at or session.blocked for session in busy.values()):
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"These sessions hang: {list(busy.values())}, waiting for {waiting}.")


@asynccontextmanager
async def stepping(db: SeatDb, *, sessions: int) -> AsyncIterator[Steps]:
    """So many sessions to drive, each on a connection of its own. Load the test build before."""
    async with AsyncExitStack() as stack:
        controller = await stack.enter_async_context(
            await psycopg.AsyncConnection.connect(db.dsns.owner, autocommit=True)
        )
        steps = Steps(db.dsns, controller)
        for number in range(1, sessions + 1):
            own = await stack.enter_async_context(db.another())
            steps.sessions.append(Session(number, own, steps))
        try:
            yield steps
        finally:
            await controller.execute("select pg_advisory_unlock_all()")
            await asyncio.gather(*(s.task for s in steps.sessions if s.task), return_exceptions=True)


Call = Callable[[SeatDb], Awaitable[Any]]


@dataclass(frozen=True)
class Schedule:
    """One interleaving that was run: who moved, to where, and what each call returned or raised."""

    moves: tuple[str, ...]
    results: tuple[Any, ...]


async def explore(steps: Steps, prepare: Callable[[], Awaitable[Sequence[Call]]]) -> AsyncIterator[Schedule]:
    """Run every interleaving of one call for each session, depth first.

    `prepare` makes the state anew and returns the calls; the caller looks at the result between two schedules.
    A session that waits for another one cannot move, so interleavings that the locks rule out do not come up.
    """
    choices: list[tuple[int, int]] = []  # (which of the sessions that could move did, how many could)
    while True:
        calls = await prepare()
        forced, choices, moves = [chosen for chosen, _ in choices], [], []
        for session in steps.sessions:
            session.task = None
        while True:
            free = [s for s in steps.sessions if s.task is None or s.at is not None]
            if not free:
                break
            chosen = forced[len(choices)] if len(choices) < len(forced) else 0
            assert chosen < len(free), "The same moves led to another place: something depends on time."
            choices.append((chosen, len(free)))
            session = free[chosen]
            if session.task is None:
                await session.start(calls[session.number - 1])
            else:
                await session.step()
            moves.append(f"{session.number} {'done' if session.done else 'waits' if session.blocked else session.at}")
        tasks = [session.task for session in steps.sessions if session.task]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        yield Schedule(tuple(moves), tuple(results))
        while choices and choices[-1][0] == choices[-1][1] - 1:
            choices.pop()
        if not choices:
            return
        last, width = choices[-1]
        choices[-1] = (last + 1, width)


async def wait_until_blocked(asking: psycopg.AsyncConnection, *waiting: psycopg.AsyncConnection) -> None:
    """Wait until every one of these connections is seen waiting for a lock that somebody holds."""
    deadline = time.monotonic() + HANGS_AFTER_SECONDS
    pids = [connection.info.backend_pid for connection in waiting]
    while time.monotonic() < deadline:
        cursor = await asking.execute(
            "select bool_and(cardinality(pg_blocking_pids(pid)) > 0) from unnest(%s::int[]) as pid", [pids]
        )
        if await cursor.fetchone() == (True,):
            return
    raise AssertionError(f"{len(waiting)} connections never came to wait for a lock.")
