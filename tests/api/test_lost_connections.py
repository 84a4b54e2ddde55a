"""What a client is answered when a database connection is lost during a call, and what the tables say then."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from rowlock.base.dsns import Dsns
from rowlock.database import connections, pool
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, outcome, problem, running, said, session
from tests.support.lossy_proxy import LossyProxy, lossy_proxy
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

pytestmark = pytest.mark.usefixtures("clean_check")

COMES_WITHIN_SECONDS = 20.0


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """A database for each test: its connections are terminated."""
    with server.database() as name:
        yield server.dsns(name)


@dataclass
class Operator:
    """A superuser, who may close a database and terminate the connections of other roles."""

    connection: psycopg.AsyncConnection
    database: str

    async def pids(self, *, waiting: bool = False) -> list[int]:
        """The application's connections; only those that wait for a lock, if asked."""
        cursor = await self.connection.execute(
            """
            select pid from pg_stat_activity
            where datname = %s and application_name like 'rowlock%%'
                and usename in ('rowlock_app', 'rowlock_v1') and (not %s or wait_event_type = 'Lock')
            """,
            [self.database, waiting],
        )
        return [pid for (pid,) in await cursor.fetchall()]

    async def terminate(self, pids: list[int]) -> None:
        """End connections, and wait until they have ended."""
        for pid in pids:
            await self.connection.execute("select pg_terminate_backend(%s, 10000)", [pid])

    async def allow_connections(self, allow: bool) -> None:
        """Let the database accept new connections, or refuse them."""
        await self.connection.execute(
            sql.SQL("alter database {} allow_connections {}").format(sql.Identifier(self.database), sql.Literal(allow))
        )


@pytest.fixture
async def superuser(server: TestServer, dsns: Dsns) -> AsyncIterator[Operator]:
    """The superuser, in a database of its own."""
    name = str(conninfo_to_dict(dsns.owner)["dbname"])
    async with await psycopg.AsyncConnection.connect(server.superuser_dsn(), autocommit=True) as connection:
        yield Operator(connection, name)


async def _until(look: Callable[[], Awaitable[Any]]) -> Any:
    """Call `look` until it returns something; what it returned."""
    deadline = time.monotonic() + COMES_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if found := await look():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("It never returned anything.")


@asynccontextmanager
async def _locked(dsns: Dsns, show: Show) -> AsyncIterator[psycopg.AsyncConnection]:
    """A transaction that writes the seats of a show and does not end before the block does; then it is undone."""
    async with await psycopg.AsyncConnection.connect(dsns.owner) as locker:
        await locker.execute("select from rowlock.seat_reservations where show_id = %s for update", [show.show_id])
        await locker.execute(
            "insert into rowlock.show_seats (show_id, seat_id, status, block_reason) "
            "select %s, n, 'blocked', 'lock' from generate_series(1, 9) as n on conflict do nothing",
            [show.show_id],
        )
        yield locker
        await locker.rollback()


async def _cut_while_waiting(dsns: Dsns, superuser: Operator, show: Show, *calls: Awaitable[Any]) -> list[Any]:
    """Start calls that come to wait for a lock, terminate their connections there, and release the lock."""
    async with _locked(dsns, show) as locker:
        running_calls = [asyncio.ensure_future(call) for call in calls]

        async def all_wait() -> list[int] | None:
            pids = await superuser.pids(waiting=True)
            return pids if len(pids) == len(calls) else None

        await superuser.terminate(await _until(all_wait))
        await locker.rollback()
        return await asyncio.gather(*running_calls)


@pytest.mark.parametrize("version", [1, 2])
async def test_a_reserve_whose_connection_is_lost_before_its_commit_is_repeated(
    dsns: Dsns, superuser: Operator, show: Show, db: SeatDb, version: int
) -> None:
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        (answer,) = await _cut_while_waiting(
            dsns, superuser, show, client.reserve(show, [1, 2], by="anna", version=version)
        )

    assert outcome(answer) == (201, None)
    assert await db.claims(show) == {1: session("anna"), 2: session("anna")}
    assert await db.events(show) == [("created", [1, 2], None)]


async def test_changes_and_releases_whose_connection_is_lost_before_their_commit_are_repeated(
    dsns: Dsns, superuser: Operator, show: Show, db: SeatDb
) -> None:
    async with running(dsns) as application, application.client() as client:
        tokens = [
            (await client.reserve(show, [seat], by=f"buyer-{seat}")).json()["reservation_token"] for seat in (11, 12)
        ]
        changed, released = await _cut_while_waiting(
            dsns,
            superuser,
            show,
            client.change(tokens[0], add=[13]),
            client.release(reservation_token=tokens[1]),
        )

    assert changed.json()["seat_ids"] == [11, 13]
    assert released.json()["released_seat_ids"] == [12]
    assert await db.claims(show) == {11: session("buyer-11"), 13: session("buyer-11")}
    assert [event for event, _, _ in await db.events(show)].count("changed") == 1
    assert await db.check(show) == []


async def test_an_extension_whose_connection_is_lost_has_an_unknown_outcome_unless_it_names_the_count(
    dsns: Dsns, superuser: Operator, show: Show, db: SeatDb
) -> None:
    async with running(dsns) as application, application.client() as client:
        token = (await client.reserve(show, [11], by="anna")).json()["reservation_token"]

        (unknown,) = await _cut_while_waiting(dsns, superuser, show, client.extend(token))
        problem(unknown, 503, "OUTCOME_UNKNOWN")
        assert unknown.headers["retry-after"] == "1"
        assert (await client.hold(token)).json()["extension_count"] == 0

        (known,) = await _cut_while_waiting(dsns, superuser, show, client.extend(token, seen=0))
        assert known.json()["extension_count"] == 1
        assert (await client.hold(token)).json()["extension_count"] == 1


async def _losing(proxy: LossyProxy, call: Awaitable[Any], *, to: bytes = b"") -> Any:
    """Make a call whose answer is lost after its commit."""
    before = proxy.lost
    proxy.lose_the_answer(to)
    answer = await call
    assert proxy.lost == before + 1, "No answer was lost, so nothing was tested."
    return answer


async def test_a_reserve_whose_answer_is_lost_after_its_commit_is_answered_correctly(
    dsns: Dsns, show: Show, db: SeatDb
) -> None:
    async with (
        lossy_proxy(dsns) as proxy,
        running(proxy.dsns, pool_size=1) as application,
        application.client() as client,
    ):
        # The first call prepares its statement in a round trip of its own, which must not be the one that is lost.
        await client.reserve(show, [39], by="warm-up")

        answer = await _losing(proxy, client.reserve(show, [1, 2], by="anna"))
        again = await client.reserve(show, [1, 2], by="anna")

    assert outcome(answer) == (201, None)
    assert answer.json()["seat_ids"] == [1, 2]
    assert outcome(again) == (409, "DUPLICATE_RESERVATION")
    assert (await db.events(show))[1:] == [("created", [1, 2], None), ("failed", [1, 2], "DUPLICATE_RESERVATION")]
    assert await db.check(show) == []


async def test_a_batch_whose_answer_is_lost_after_its_commit_answers_each_request_correctly(
    dsns: Dsns, show: Show, db: SeatDb
) -> None:
    async with (
        lossy_proxy(dsns) as proxy,
        running(proxy.dsns, pool_size=1) as application,
        application.client() as client,
    ):
        await client.reserve(show, [39], by="warm-up")

        answers = await _losing(
            proxy,
            asyncio.gather(*(client.reserve(show, [1 + number // 2], by=f"b-{number}") for number in range(12))),
        )

    assert sorted(answer.status_code for answer in answers) == [201] * 6 + [409] * 6
    claims = await db.claims(show)
    for number, answer in enumerate(answers):
        assert (claims[1 + number // 2] == session(f"b-{number}")) == (answer.status_code == 201)
    assert [event for event, _, _ in await db.events(show)].count("created") == 7
    assert await db.check(show) == []


async def test_a_version_1_reserve_whose_commit_is_not_confirmed_is_answered_correctly(
    dsns: Dsns, show: Show, db: SeatDb
) -> None:
    async with (
        lossy_proxy(dsns) as proxy,
        running(proxy.dsns, pool_size=1, v2_rollout_percent=0) as application,
        application.client() as client,
    ):
        answer = await _losing(proxy, client.reserve(show, [1, 2], by="anna", version=1), to=b"COMMIT")
        released = await _losing(
            proxy, client.release(reservation_token=answer.json()["reservation_token"], version=1), to=b"COMMIT"
        )

    assert outcome(answer) == (201, None)
    assert released.json()["released_seat_ids"] == [1, 2]
    assert await db.events(show) == [("created", [1, 2], None), ("released", [1, 2], None)]
    assert await db.check(show) == []


async def test_other_calls_whose_answer_is_lost_after_their_commit(dsns: Dsns, show: Show, db: SeatDb) -> None:
    async with (
        lossy_proxy(dsns) as proxy,
        running(proxy.dsns, pool_size=1) as application,
        application.client() as client,
    ):

        async def warmed_up(by: str, seat: int) -> str:
            """A hold, made while the one connection has every statement prepared."""
            other = (await client.reserve(show, [seat + 20], by=f"{by}-warm-up")).json()["reservation_token"]
            await client.extend(other)
            await client.change(other, add=[seat + 21])
            await client.release(reservation_token=other)
            return str((await client.reserve(show, [seat], by=by)).json()["reservation_token"])

        token = await warmed_up("anna", 1)
        unknown = await _losing(proxy, client.extend(token))
        problem(unknown, 503, "OUTCOME_UNKNOWN")
        assert (await client.hold(token)).json()["extension_count"] == 1

        token = await warmed_up("ben", 3)
        known = await _losing(proxy, client.extend(token, seen=0))
        assert (known.json()["extension_count"], known.json()["extensions_remaining"]) == (1, 2)

        token = await warmed_up("carl", 5)
        changed = await _losing(proxy, client.change(token, add=[6, 7], remove=[5]))
        assert changed.json()["seat_ids"] == [6, 7]

        token = await warmed_up("dora", 9)
        released = await _losing(proxy, client.release(reservation_token=token))
        assert released.json()["released_seat_ids"] == [9]
        assert said(await client.release(reservation_token=token)) == said(released)

    assert await db.claims(show) == {1: session("anna"), 3: session("ben"), 6: session("carl"), 7: session("carl")}
    events = [(row.event, row.seat_ids) for row in await db.audit(show)]
    for event in (("extended", [1]), ("extended", [3]), ("changed", [6, 7]), ("released", [9])):
        assert events.count(event) == 1, event
    assert await db.check(show) == []


async def test_connections_that_broke_while_idle_cause_no_error(dsns: Dsns, superuser: Operator, show: Show) -> None:
    """A restart of the database breaks every connection of the pool at once; the next request must not fail for it."""
    async with running(dsns) as application, application.client() as client:
        await client.reserve(show, [20], by="anna")
        async with _locked(dsns, show) as locker:
            # Four extensions of one hold that is locked: the pool grows to its four connections.
            token = (await client.reserve(show, [21], by="ben")).json()["reservation_token"]
            async with await psycopg.AsyncConnection.connect(dsns.owner) as second:
                await second.execute(
                    "select from rowlock.seat_reservations where show_id = %s for update skip locked", [show.show_id]
                )
                waiting = [asyncio.ensure_future(client.extend(token)) for _ in range(4)]

                async def all_wait() -> bool:
                    return len(await superuser.pids(waiting=True)) == 4

                await _until(all_wait)
                await second.rollback()
            await locker.rollback()
            await asyncio.gather(*waiting)
        pids = await superuser.pids()
        assert len(pids) == 4

        await superuser.terminate(pids)
        started = time.monotonic()
        answer = await client.reserve(show, [1], by="carl")

        assert outcome(answer) == (201, None)
        assert time.monotonic() - started < 2
        assert (await client.get("/health/ready")).status_code == 200


async def test_while_the_database_is_down_requests_are_refused_as_busy_and_later_served_again(
    dsns: Dsns, superuser: Operator, show: Show, db: SeatDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "CONNECTION_TIMEOUT_SECONDS", 0.5)
    admin = {"x-api-key": ADMIN_KEY}
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]
        await client.reserve(show, [2], by="ben", version=1)
        await superuser.allow_connections(False)
        await superuser.terminate(await superuser.pids())

        def write() -> list[Awaitable[httpx.Response]]:
            return [
                client.reserve(show, [3], by="carl"),
                client.reserve(show, [4], by="dora", version=1),
                client.best(show, 2, session_id=session("emil")),
                client.change(token, add=[5]),
                client.release(reservation_token=token),
                client.release(reservation_token=token, version=1),
                client.post("/api/admin/cleanup", headers=admin),
            ]

        def read() -> list[Awaitable[httpx.Response]]:
            return [
                client.hold(token),
                client.get("/api/shows"),
                client.get(f"/api/shows/{show.show_id}/seats"),
                client.get("/api/admin/statistics", headers=admin),
            ]

        # The outcome is unknown to the request whose connection was cut; all others are refused as busy.
        for answer in await asyncio.gather(*write()):
            assert outcome(answer) in {(503, "BUSY"), (503, "OUTCOME_UNKNOWN")}
            assert answer.headers["retry-after"] == "1"
        for answer in await asyncio.gather(*write(), *read()):
            problem(answer, 503, "BUSY")
            assert answer.headers["retry-after"] == "1"
        not_ready = await client.get("/health/ready")
        assert "does not answer" in problem(not_ready, 503, "NOT_READY")["detail"]
        assert (await client.get("/health/live")).status_code == 200

        await superuser.allow_connections(True)

        async def served(version: int) -> bool:
            return (await client.reserve(show, [6 + version], by=f"late-{version}", version=version)).status_code == 201

        await _until(lambda: served(2))
        await _until(lambda: served(1))
        assert (await client.get("/health/ready")).status_code == 200

    assert await db.claims(show) == {1: session("anna"), 2: session("ben"), 7: session("late-1"), 8: session("late-2")}
    assert await db.check(show) == []


async def test_a_request_for_a_seat_that_stays_locked_is_refused_as_busy_and_changes_nothing(
    dsns: Dsns, show: Show, db: SeatDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.LIMITS, "lock_timeout", "200ms")
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        async with _locked(dsns, show):
            answers: list[Any] = [
                await client.reserve(show, [1, 10], by="anna"),
                await client.reserve(show, [1, 10], by="anna", version=1),
            ]

        for answer in answers:
            problem(answer, 503, "BUSY")
            assert answer.headers["retry-after"] == "1"
        assert await db.claims(show) == {}
        assert outcome(await client.reserve(show, [1, 10], by="anna")) == (201, None)


async def test_a_client_that_lost_its_answer_may_repeat_the_request_with_its_key(
    dsns: Dsns, show: Show, db: SeatDb
) -> None:
    """The client's own connection breaks: the same key returns the same hold."""
    async with running(dsns) as application:
        async with application.client() as client:
            lost: asyncio.Future[Any] = asyncio.ensure_future(client.reserve(show, [1], by="anna", key="order-1"))
            await asyncio.sleep(0)
            lost.cancel()
            await asyncio.gather(lost, return_exceptions=True)
        async with application.client() as client:
            answer = await client.reserve(show, [1], by="anna", key="order-1")

    assert outcome(answer) == (201, None)
    assert await db.events(show) == [("created", [1], None)]
