"""The application over HTTP through PgBouncer: every call, with fewer sessions of the server than clients.

Each role has a login of its own, as docs/how-to/hosted-postgresql.md says.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database import pooler
from rowlock.database.connections import with_role
from rowlock.jobs.loops import run_loops
from rowlock.services import standard_loops
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, RESERVATIONS, Api, held, outcome, running, session
from tests.support.pgbouncer import PgBouncer, pgbouncer
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

RETIRED_WITHIN_SECONDS = 20.0


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """A database for each test: statistics are about all that is in it."""
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture(params=["transaction", "session"])
def between(request: pytest.FixtureRequest, dsns: Dsns) -> Iterator[PgBouncer]:
    """A pooler in either mode. In session mode each of the process's connections needs a place for itself."""
    with pgbouncer(dsns, request.param, size=2 if request.param == "transaction" else 10) as started:
        yield started


def through(started: PgBouncer, dsns: Dsns) -> Dsns:
    """As processes get it that serve through the pooler, while commands of the owner go past it."""
    return replace(started.dsns, owner=dsns.owner)


@pytest.fixture
async def client(between: PgBouncer, dsns: Dsns) -> AsyncIterator[Api]:
    """A client of an application that has nothing but the pooler's addresses, with the operator's key."""
    async with (
        running(through(between, dsns)) as application,
        application.client(headers={"x-api-key": ADMIN_KEY}) as api,
    ):
        yield api


async def test_every_call_does_what_it_does_without_a_pooler(client: Api, show: Show, db: SeatDb) -> None:
    show_path = f"/api/admin/shows/{show.show_id}"
    for _ in range(2):  # The second time everything would be prepared already.
        hold = await client.reserve(show, [1, 2], by="anna")
        token = hold.json()["reservation_token"]
        old = await client.reserve(show, [3], by="ben", version=1)
        best = await client.best(show, 2, session_id=session("carl"))
        answers = [
            hold,
            await client.reserve(show, [2], by="dora"),
            await client.hold(token),
            await client.extend(token),
            await client.change(token, add=[20], remove=[1]),
            old,
            best,
            await client.get(f"/api/shows/{show.show_id}/seats"),
            await client.get("/api/shows"),
            await client.post(f"{show_path}/block", json={"seat_ids": [1], "reason": "camera"}),
            await client.post(f"{show_path}/unblock", json={"seat_ids": [1]}),
            await client.post("/api/admin/cleanup"),
            await client.get("/api/admin/statistics"),
            await client.get("/health/ready"),
        ]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [201, 409, 200, 200, 200, 201, 201, 200, 200, 200, 200, 200, 200, 200], [
            answer.text for answer in answers if answer.status_code >= 400
        ]
        assert await db.check(show) == []
        for ended in (
            await client.release(reservation_token=token),
            await client.release(version=1, reservation_id=old.json()["reservation_id"], session_id=session("ben")),
            await client.release(reservation_token=best.json()["reservation_token"]),
        ):
            assert ended.status_code == 200, ended.text
        assert await db.claims(show) == {}
    assert await db.check(show) == []


@pytest.mark.parametrize("rollout", [100, 0])
async def test_of_many_clients_at_once_one_gets_each_seat(
    between: PgBouncer, dsns: Dsns, show: Show, db: SeatDb, rollout: int
) -> None:
    """Version 2, and version 1 by statements of its own, each with eight connections for two sessions."""
    version = 2 if rollout else 1
    async with (
        running(through(between, dsns), v2_rollout_percent=rollout, pool_size=8) as application,
        application.client() as client,
    ):
        asked = [(seat, f"buyer-{number}-{seat}") for number in range(6) for seat in range(1, 11)]
        answers = await asyncio.gather(
            *(client.reserve(show, [seat], by=holder, version=version) for seat, holder in asked)
        )

    got = {
        seat: session(holder)
        for (seat, holder), answer in zip(asked, answers, strict=True)
        if answer.status_code == 201
    }
    assert Counter(answer.status_code for answer in answers) == {201: 10, 409: 50}, [a.text for a in answers][:3]
    assert await db.claims(show) == got
    assert await db.check(show) == []


async def test_readers_and_writers_at_once_see_no_error(between: PgBouncer, dsns: Dsns, show: Show, db: SeatDb) -> None:
    async def visit(client: Api, number: int) -> list[httpx.Response]:
        taken = await client.best(show, 1, session_id=session(f"buyer-{number}"))
        token = taken.json()["reservation_token"]
        return [
            taken,
            await client.hold(token),
            await client.extend(token),
            await client.get(f"/api/shows/{show.show_id}/seats"),
            await client.post("/api/admin/cleanup"),
            await client.get("/api/admin/statistics"),
            await client.release(reservation_token=token),
        ]

    async with (
        running(through(between, dsns), pool_size=8) as application,
        application.client(headers={"x-api-key": ADMIN_KEY}) as client,
    ):
        visits = await asyncio.gather(*(visit(client, number) for number in range(30)))

    assert [answer.text for answers in visits for answer in answers if answer.status_code not in (200, 201)] == []
    assert await db.claims(show) == {}
    assert await db.check(show) == []


async def test_the_worker_retires_holds_through_a_pooler(
    between: PgBouncer, dsns: Dsns, client: Api, show: Show, db: SeatDb
) -> None:
    lapsed = held(show, await client.reserve(show, [1], by="anna"), "anna")
    await db.age(lapsed, minutes=11)
    stop = asyncio.Event()
    worker = asyncio.create_task(run_loops(through(between, dsns).worker, standard_loops(), stop))
    try:
        async with asyncio.timeout(RETIRED_WITHIN_SECONDS):
            while (await db.reservation(lapsed))["status"] != "expired":
                assert not worker.done(), worker
                await asyncio.sleep(0.02)
    finally:
        stop.set()
        await worker
    assert await db.check(show) == []


async def as_without_a_pooler(_: psycopg.AsyncConnection) -> pooler.Pooling:
    """What `recognise` would say if it recognised nothing."""
    return pooler.Pooling.NONE


@pytest.fixture
def unrecognised(dsns: Dsns, monkeypatch: pytest.MonkeyPatch) -> Iterator[PgBouncer]:
    """A pooler in transaction mode, and no recognition: the faults that were found."""
    monkeypatch.setattr(pooler, "recognise", as_without_a_pooler)
    with pgbouncer(dsns, "transaction", {"ignore_startup_parameters": "options"}) as started:
        yield started


async def test_without_recognition_requests_fail(unrecognised: PgBouncer, show: Show) -> None:
    """And so the tests before can fail."""
    async with running(unrecognised.dsns, pool_size=8) as application, application.client() as client:
        answers = await asyncio.gather(
            *(client.post(f"{RESERVATIONS}/{path}", json=body) for path, body in _calls(show) for _ in range(10))
        )

    assert any(answer.status_code in (500, 503) for answer in answers), [outcome(answer) for answer in answers]


def _calls(show: Show) -> list[tuple[str, dict[str, object]]]:
    given: dict[str, object] = {"show_id": str(show.show_id)}
    return [("reserve-v2", given | {"seat_ids": [1]}), ("best-available", given | {"quantity": 1})]


async def test_without_recognition_requests_are_served_as_the_owner(unrecognised: PgBouncer, show: Show) -> None:
    owner = unrecognised.dsns.owner
    async with await psycopg.AsyncConnection.connect(with_role(owner, "rowlock_app"), autocommit=True) as connection:
        cursor = await connection.execute("select current_user")
        assert await cursor.fetchone() == ("rowlock_owner",)
