"""Many requests for one show at once, over HTTP: batches, overload, and a thousand viewers."""

import asyncio
import gc
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.reservations import store
from rowlock.reservations.availability import service
from rowlock.reservations.availability import show as availability_show
from rowlock.reservations.coalescer import Coalescer
from rowlock.reservations.model import SeatChanges
from rowlock.web.fast_path import Request
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, outcome, problem, running, said, session
from tests.support.seatdb import SeatDb

VIEWERS = 1_000


async def test_requests_at_the_same_time_are_one_transaction_and_the_first_gets_the_seat(
    client: Api, show: Show, db: SeatDb
) -> None:
    answers = await asyncio.gather(
        client.reserve(show, [1, 2], by="anna"),
        client.reserve(show, [2, 3], by="ben"),
        client.reserve(show, [3, 4], by="cem"),
    )

    assert [outcome(answer) for answer in answers] == [(201, None), (409, "SEATS_UNAVAILABLE"), (201, None)]
    assert answers[1].json()["unavailable_seat_ids"] == [2]
    cursor = await db.owner.execute(
        "select count(distinct xid) from rowlock.seat_reservation_audit_log where show_id = %s", [show.show_id]
    )
    assert await cursor.fetchone() == (1,)


async def test_refusals_leave_no_cycles_for_the_garbage_collector_which_would_stop_all_requests(
    client: Api, show: Show
) -> None:
    await client.reserve(show, [1, 2], by="anna")
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        taken = [await client.reserve(show, [1], by=f"buyer-{number}") for number in range(3)]
        unknown = await client.reserve(show, [9_999], by="ben")
        malformed = await client.reserve(show, [3, 3], by="ben")
        gc.collect()
        left = [found for found in gc.garbage if isinstance(found, (Exception, Request))]
    finally:
        gc.set_debug(0)
        gc.enable()
        gc.garbage.clear()

    assert {outcome(answer) for answer in taken} == {(409, "SEATS_UNAVAILABLE")}
    assert [outcome(unknown), outcome(malformed)] == [(404, "SEATS_NOT_FOUND"), (400, "INVALID_INPUT")]
    assert left == []


async def test_past_the_limit_a_reserve_is_refused_at_once_and_those_that_wait_are_served(
    dsns: Dsns, show: Show, db: SeatDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = Coalescer.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "waiting_limit", 4)
    async with running(dsns) as application, application.client() as client, db.another() as other:
        async with other.app.transaction(force_rollback=True):
            # The show's one batch in flight waits for a seat that another transaction has claimed and not committed;
            # four more requests may wait.
            await other.reserve(show, seats=[1], holder="other")
            in_flight = asyncio.create_task(client.reserve(show, [1], by="in-flight"))
            await until_services_wait(db, 1)
            others = [asyncio.create_task(client.reserve(show, [10 + n], by=f"buyer-{n}")) for n in range(5)]
            refused, waiting = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)

            assert len(refused) == 1, "One request was too many, and was refused while all others still waited."
            answer = refused.pop().result()
            told = problem(answer, 503, "BUSY")
            assert "again" in told["detail"]
            assert answer.headers["retry-after"] == "1"
            # It never reached the database; nor do the next ones, however many they are.
            more = await asyncio.gather(*(client.reserve(show, [30], by=f"late-{n}") for n in range(100)))
            assert {outcome(each) for each in more} == {(503, "BUSY")}
            assert not any(task.done() for task in (in_flight, *waiting))

        served = await asyncio.gather(in_flight, *waiting)
        assert [outcome(each) for each in served] == [(201, None)] * 5
        assert outcome(await client.reserve(show, [30], by="after")) == (201, None)
    asked = [row for row in await db.audit(show) if row.session_id and row.session_id.startswith("late-")]
    assert asked == []
    assert await db.check(show) == []


async def until_services_wait(db: SeatDb, count: int) -> None:
    """Wait until so many connections of the application wait for a lock."""
    async with asyncio.timeout(30):
        while True:
            cursor = await db.owner.execute(
                "select count(*) from pg_stat_activity where datname = current_database() "
                "and application_name ~ '^rowlock [0-9]' and cardinality(pg_blocking_pids(pid)) > 0"
            )
            if await cursor.fetchone() == (count,):
                return


async def test_a_thousand_viewers_cost_the_database_one_query(
    client: Api, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[UUID] = []
    read = store.seat_changes

    async def counted(connection: Any, show_id: UUID, after_id: int | None = None) -> SeatChanges | None:
        asked.append(show_id)
        return await read(connection, show_id, after_id)

    stopped_clock = monotonic()
    monkeypatch.setattr(service, "monotonic", lambda: stopped_clock)
    monkeypatch.setattr(availability_show, "monotonic", lambda: stopped_clock)
    monkeypatch.setattr(store, "seat_changes", counted)
    path = f"/api/shows/{show.show_id}/seats"
    first, *others = await asyncio.gather(*(client.get(path) for _ in range(VIEWERS)))
    tag = {"if-none-match": first.headers["etag"]}
    again = await asyncio.gather(*(client.get(path, headers=tag) for _ in range(VIEWERS)))

    assert {(answer.status_code, answer.headers["etag"]) for answer in (first, *others)} == {
        (200, first.headers["etag"])
    }
    assert {answer.status_code for answer in again} == {304}
    assert asked == [show.show_id]


async def test_two_processes_show_the_same_version(client: Api, show: Show, dsns: Dsns, db: SeatDb) -> None:
    await client.reserve(show, [1, 2], by="anna")
    await db.block(show, seats=[9])
    async with running(dsns) as another, another.client() as elsewhere:
        path = f"/api/shows/{show.show_id}/seats"
        here, there = await client.get(path), await elsewhere.get(path)
        assert here.headers["etag"] == there.headers["etag"]
        same = await elsewhere.get(path, headers={"if-none-match": here.headers["etag"]})
        assert same.status_code == 304


async def test_a_request_that_succeeded_can_be_repeated_with_its_key_when_no_seat_is_left(
    client: Api, show: Show, db: SeatDb
) -> None:
    body = {"show_id": str(show.show_id), "quantity": 2, "session_id": session("anna")}
    key = {"idempotency-key": "request-1"}
    first = await client.post(f"{RESERVATIONS}/best-available", json=body, headers=key)
    await db.set_show(show, max_seats_per_reservation=40)
    left = sorted(set(range(1, 41)) - set(first.json()["seat_ids"]))
    assert (await db.reserve(show, seats=left, holder="elsewhere")).outcome == "OK"

    again = await client.post(f"{RESERVATIONS}/best-available", json=body, headers=key)
    another = await client.post(
        f"{RESERVATIONS}/best-available", json=body | {"session_id": session("ben")}, headers=key
    )

    assert (again.status_code, said(again)) == (201, said(first))
    problem(another, 409, "SEATS_UNAVAILABLE")


async def test_when_a_stored_function_is_missing_every_request_of_the_batch_is_refused(
    dsns: Dsns, show: Show, owner: psycopg.AsyncConnection
) -> None:
    async with running(dsns) as application, application.client() as client:
        await owner.execute("alter function rowlock.reserve_seats_batch rename to gone")
        try:
            answers = await asyncio.gather(*(client.reserve(show, [n], by=f"buyer-{n}") for n in range(1, 6)))
            assert {outcome(answer) for answer in answers} == {(503, "FUNCTIONS_MISSING")}
        finally:
            await owner.execute("alter function rowlock.gone rename to reserve_seats_batch")
        assert outcome(await client.reserve(show, [1], by="anna")) == (201, None)
