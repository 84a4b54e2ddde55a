"""Runs sessions through the database functions one named step at a time, so that a test decides how they interleave.

A test build of the functions is loaded from their own files: every `-- step: NAME` comment becomes a call that waits
at a gate, an advisory lock which the test holds. A session that waits for a lock of another session is found in
pg_locks. So every interleaving can be run, the same way each time, and nothing depends on the speed of the machine.

The test build may also read a clock of the test's own in place of clock_timestamp(), and may have a mistake planted
in it (a Mutant): a harness that does not find a planted mistake proves nothing about others.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, LiteralString

import psycopg

from tests.support.seatdb import SeatDb

# So many gates ahead of a session are closed: more than the steps of any function.
GATES = 12
# The most sessions that one test drives.
SESSIONS = 8
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

-- The gates of a session are numbered by a sequence of its own: no rollback takes a number back.
create sequence if not exists rowlock_test.gate_1;
create sequence if not exists rowlock_test.gate_2;
create sequence if not exists rowlock_test.gate_3;
create sequence if not exists rowlock_test.gate_4;
create sequence if not exists rowlock_test.gate_5;
create sequence if not exists rowlock_test.gate_6;
create sequence if not exists rowlock_test.gate_7;
create sequence if not exists rowlock_test.gate_8;

-- Stops a session that a test drives at its next gate; any other pauses at random when rowlock_test.shaken is set.
create or replace function rowlock_test.step(p_function text, p_step text) returns boolean
language plpgsql security definer
as $$
declare
    v_session integer := nullif(current_setting('rowlock_test.session', true), '')::integer;
    v_gate    integer;
begin
    if v_session is not null then
        v_gate := nextval('rowlock_test.gate_' || v_session);
        perform set_config('application_name', p_step, false);
        perform pg_advisory_lock_shared(v_session, v_gate);
        perform pg_advisory_unlock_shared(v_session, v_gate);
    elsif current_setting('rowlock_test.shaken', true) = 'yes' and random() < 0.25 then
        perform pg_sleep(0.00005);
    end if;
    return true;
end
$$;

-- Opens a gate, closes a later one in its place, and waits until each session stands at a gate, waits for the lock of
-- another session or has ended what it began at p_since. The server's views are not read at one moment, so a result
-- counts only if it is consistent: no blocked session waits for one that has ended, or for the session with the gates.
create or replace function rowlock_test.settle(
    p_open_session integer, p_open_gate integer, p_ahead integer, p_pids integer[], p_since timestamptz[]
)
returns table (pid integer, state text, step text, gate integer)
language plpgsql
as $$
#variable_conflict use_column
declare
    v_deadline timestamptz := clock_timestamp() + interval '60 s';
    v_states   text[];
    v_gates    integer[];
    v_ended    integer[];
    v_waited   integer[];  -- the sessions that others wait for
begin
    if p_open_gate is not null then
        perform pg_advisory_lock(p_open_session, p_open_gate + p_ahead);
        perform pg_advisory_unlock(p_open_session, p_open_gate);
    end if;
    loop
        perform pg_stat_clear_snapshot();
        select array_agg(w.state order by w.place), array_agg(w.gate order by w.place),
            array_agg(w.pid) filter (where w.state = 'ended')
        into v_states, v_gates, v_ended
        from (
            select s.place, s.pid, l.objid::integer as gate,
                case
                    when a.pid is null or (a.state = 'idle' and a.state_change > s.since) then 'ended'
                    -- A gate has two keys; the advisory lock of a show, for which a function may wait, has one.
                    when l.locktype = 'advisory' and l.objsubid = 2 then 'at gate'
                    when l.pid is not null then 'blocked'
                    else 'running'
                end as state
            from unnest(p_pids, p_since) with ordinality as s (pid, since, place)
            left join pg_stat_get_activity(null) as a on a.pid = s.pid
            left join pg_locks as l on l.pid = s.pid and not l.granted
        ) as w;
        if v_states && array['blocked'] then
            select array_agg(b.pid)
            into v_waited
            from unnest(p_pids, v_states) as s (pid, state), unnest(pg_blocking_pids(s.pid)) as b (pid)
            where s.state = 'blocked';
        else
            v_waited := null;
        end if;
        exit when 'running' <> all(v_states)
            and ('blocked' <> all(v_states) or v_waited is not null)
            and not coalesce(v_waited && (coalesce(v_ended, '{}') || pg_backend_pid()), false)
            -- Sessions that all wait for each other are a deadlock: the server aborts one, and another goes on.
            and (v_states && array['at gate', 'ended'] or not v_waited <@ p_pids);
        -- Looking takes the processor from those that are looked at.
        perform pg_sleep(0.0002);
        if clock_timestamp() > v_deadline then
            raise exception 'sessions hang: %, waiting for %', v_states, v_waited;
        end if;
    end loop;
    -- A session sets the name of its step before it waits at the gate, so for a session at a gate the name is right.
    perform pg_stat_clear_snapshot();
    return query
    select s.pid, s.state, a.application_name, s.gate
    from unnest(p_pids, v_states, v_gates) as s (pid, state, gate)
    left join pg_stat_get_activity(null) as a on a.pid = s.pid;
end
$$;
"""


@dataclass(frozen=True)
class Mutant:
    """A mistake to plant on purpose: the text `old` of a function, which must be there, becomes `new`."""

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
                    f"{function}.sql has no text {mutant.old!r} any more, so this mutant changes nothing. "
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
    """A session that a test drives: a connection that calls one function at a time."""

    number: int
    db: SeatDb
    steps: "Steps" = field(repr=False)
    pid: int
    task: asyncio.Task[Any] | None = None
    since: datetime | None = None
    at: str | None = None
    gate: int = 0
    blocked: bool = False

    @property
    def done(self) -> bool:
        return self.task is not None and self.task.done()

    async def start(self, call: Callable[[SeatDb], Awaitable[Any]]) -> None:
        """Begin one call of one function, and come to its first step, a lock of another session, or its end."""
        assert self.task is None or self.task.done(), "The session is still busy with the call before."
        self.since = datetime.now(UTC)
        self.task = asyncio.ensure_future(call(self.db))
        await self.steps.settle()

    async def step(self) -> None:
        """Go on from the gate where it stands, to the next step, a lock of another session, or the end."""
        assert self.at is not None, f"Session {self.number} does not stand at a step."
        await self.steps.settle(opening=self)

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
    """The sessions of one test and their gates."""

    def __init__(self, controller: psycopg.AsyncConnection) -> None:
        self.controller = controller
        self.sessions: list[Session] = []

    async def add(self, db: SeatDb) -> None:
        """Drive this connection from now on."""
        number = len(self.sessions) + 1
        assert number <= SESSIONS, f"A test can drive {SESSIONS} sessions at most."
        await self.controller.execute("select setval(%s, 1, false)", [f"rowlock_test.gate_{number}"])
        await self.controller.execute(
            "select pg_advisory_lock(%s, gate) from generate_series(1, %s) as gate", [number, GATES]
        )
        # One message a call, so that the server is not seen idle in the middle of it.
        db.app.prepare_threshold = None
        await db.app.execute("select set_config('rowlock_test.session', %s, false)", [str(number)])
        self.sessions.append(Session(number, db, self, db.app.info.backend_pid))

    async def set_clock_ahead(self, **by: float) -> None:
        """Set the clock of a test build with clock=True, such as minutes=11 ahead of the real time."""
        await self.controller.execute("update rowlock_test.clock_ahead set by = %s", [timedelta(**by)])

    async def settle(self, *, opening: Session | None = None) -> None:
        """Wait until every session stands at a step, waits for another session, or has ended."""
        gate = (opening.number, opening.gate) if opening else (None, None)
        while busy := {session.pid: session for session in self.sessions if session.task and not session.done}:
            cursor = await self.controller.execute(
                "select * from rowlock_test.settle(%s, %s, %s, %s, %s)",
                [*gate, GATES, list(busy), [session.since for session in busy.values()]],
            )
            gate, ended = (None, None), []
            for pid, state, step, number in await cursor.fetchall():
                session = busy[pid]
                session.at = step if state == "at gate" else None
                session.gate = number if state == "at gate" else 0
                session.blocked = state == "blocked"
                if state == "ended" and session.task:
                    ended.append(session.task)
            # The server is idle also between two messages of one call: only the client knows that a call has ended.
            if not ended or not (await asyncio.wait(ended, timeout=1))[1]:
                return


@asynccontextmanager
async def stepping(db: SeatDb, *, sessions: int) -> AsyncIterator[Steps]:
    """So many sessions to drive, each on a connection of its own. Load the test build before."""
    async with AsyncExitStack() as stack:
        controller = await stack.enter_async_context(
            await psycopg.AsyncConnection.connect(db.dsns.owner, autocommit=True)
        )
        steps = Steps(controller)
        for _ in range(sessions):
            await steps.add(await stack.enter_async_context(db.another()))
        try:
            yield steps
        finally:
            await controller.execute("select pg_advisory_unlock_all()")
            await asyncio.gather(*(s.task for s in steps.sessions if s.task), return_exceptions=True)


Call = Callable[[SeatDb], Awaitable[Any]]


@dataclass(frozen=True)
class Schedule:
    """One interleaving that was run: which session moved to which step, and what each call returned or raised."""

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
            assert chosen < len(free), "The same moves led to another place: something depends on timing."
            choices.append((chosen, len(free)))
            session = free[chosen]
            if session.task is None:
                await session.start(calls[session.number - 1])
            else:
                await session.step()
            moves.append(f"{session.number} {'done' if session.done else 'waits' if session.blocked else session.at}")
        assert all(session.done for session in steps.sessions)
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
    """Wait until every one of these connections is seen waiting for a lock."""
    deadline = time.monotonic() + HANGS_AFTER_SECONDS
    pids = [connection.info.backend_pid for connection in waiting]
    while time.monotonic() < deadline:
        cursor = await asking.execute(
            "select bool_and(cardinality(pg_blocking_pids(pid)) > 0) from unnest(%s::int[]) as pid", [pids]
        )
        if await cursor.fetchone() == (True,):
            return
    raise AssertionError(f"{len(waiting)} connections did not come to wait for a lock in time.")
