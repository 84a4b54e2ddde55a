"""Reserves in one batch through the service, on a real database: each is answered as if it were sent alone."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from rowlock.base.dsns import Dsns
from rowlock.base.holder import Holder
from rowlock.base.outcomes import Outcome
from rowlock.database import calls
from rowlock.database.calls import BusyError, LockedError, OutcomeUnknownError
from rowlock.database.pool import PooledDatabase
from rowlock.reservations import store
from rowlock.reservations.model import Intent, ReservationResult, ReservationToken, SeatIds
from rowlock.reservations.service import Reservations
from tests.reservations.availability.conftest import processes, reservations_on, until_a_service_waits
from tests.support.answers import Show
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

pytestmark = pytest.mark.usefixtures("clean_check")


def request(show: Show, *seats: int, by: str, user_agent: str | None = None) -> Intent[SeatIds]:
    return Intent(ReservationToken.mint(show.show_id), Holder(by, by, None, user_agent), seats)


async def at_once(reservations: Reservations, requests: Sequence[Intent[SeatIds]]) -> list[Any]:
    """Submit all in the same moment, in this order; the result or error of each."""
    return await asyncio.gather(*(reservations.reserve(one) for one in requests), return_exceptions=True)


def said(results: Sequence[Any]) -> list[tuple[str, list[int]]]:
    """The answer to each: the outcome, and the seats that were unavailable."""
    assert all(isinstance(result, ReservationResult) for result in results), results
    return [(str(result.outcome), list(result.unavailable_seat_ids)) for result in results]


def leaves_a_row(results: Sequence[Any]) -> bool:
    """Whether the log has a row of at least one of these requests: what needs the catalogue alone is only counted."""
    return any(result.outcome not in ("SEATS_NOT_FOUND", "TOO_MANY_SEATS", "SHOW_NOT_ON_SALE") for result in results)


async def transactions(db: SeatDb, show: Show) -> int:
    """How many transactions the requests of a show were answered in, of those that leave a row."""
    cursor = await db.owner.execute(
        "select count(distinct xid) from rowlock.seat_reservation_audit_log where show_id = %s", [show.show_id]
    )
    (count,) = await cursor.fetchone() or (0,)
    return int(count)


async def test_requests_for_the_same_seats_in_one_batch_are_decided_in_order_of_arrival(
    db: SeatDb, show: Show, reservations: Reservations
) -> None:
    results = await at_once(
        reservations,
        [
            request(show, 1, 2, by="anna"),
            request(show, 2, 3, by="ben"),
            request(show, 3, 4, by="cem"),  # Ben gets nothing, so seat 3 is free for Cem.
            request(show, 4, by="dora"),
            request(show, 5, by="anna"),
        ],
    )

    assert said(results) == [
        ("OK", []),
        ("SEATS_UNAVAILABLE", [2]),
        ("OK", []),
        ("SEATS_UNAVAILABLE", [4]),
        ("DUPLICATE_RESERVATION", []),
    ]
    assert await db.claims(show) == {1: "anna", 2: "anna", 3: "cem", 4: "cem"}
    assert await transactions(db, show) == 1


# Against a model: half of the requests conflict with each other and with holds that are there.

SEATS = 12
HOLDERS = [f"buyer-{number}" for number in range(8)]


@dataclass(frozen=True)
class Wish:
    holder: str
    seats: tuple[int, ...]


class Model:
    """The claims of a show when requests are handled one after the other."""

    def __init__(self) -> None:
        self.claims: dict[int, str] = {}

    def answer(self, wish: Wish) -> tuple[str, list[int]]:
        if wish.holder in self.claims.values():
            return "DUPLICATE_RESERVATION", []
        if max(wish.seats) > SEATS:
            return "SEATS_NOT_FOUND", []
        taken = sorted(seat for seat in wish.seats if seat in self.claims)
        return ("SEATS_UNAVAILABLE", taken) if taken else ("OK", [])

    def reserve(self, wish: Wish) -> tuple[str, list[int]]:
        answer = self.answer(wish)
        if answer[0] == "OK":
            self.claims |= dict.fromkeys(wish.seats, wish.holder)
        return answer

    def reserve_batch(self, wishes: Sequence[Wish]) -> list[tuple[str, list[int]]]:
        """In the serial order that equals a batch: first the requests that are refused in any case, then all others."""
        refused = {number: answer for number, wish in enumerate(wishes) if (answer := self.answer(wish))[0] != "OK"}
        return [refused.get(number) or self.reserve(wish) for number, wish in enumerate(wishes)]


WISHES = st.lists(
    st.builds(
        Wish,
        st.sampled_from(HOLDERS),
        st.lists(st.integers(1, SEATS) | st.just(SEATS + 1), min_size=1, max_size=4, unique=True).map(tuple),
    ),
    max_size=16,
)
IN_A_DATABASE = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@IN_A_DATABASE
@given(before=WISHES, wishes=WISHES)
async def test_a_batch_full_of_conflicts_is_decided_as_in_a_serial_order(
    db: SeatDb, reservations: Reservations, before: list[Wish], wishes: list[Wish]
) -> None:
    show, model, rows = await db.make_show(seats=SEATS), Model(), 0
    for wish in before:
        result = await reservations.reserve(request(show, *wish.seats, by=wish.holder))
        assert said([result]) == [model.reserve(wish)]
        rows += leaves_a_row([result])

    results = await at_once(reservations, [request(show, *wish.seats, by=wish.holder) for wish in wishes])

    assert said(results) == model.reserve_batch(wishes)
    assert await db.claims(show) == model.claims
    assert await db.check(show) == []
    assert await transactions(db, show) == rows + leaves_a_row(results)


# Requests that the database refuses to read.


@pytest.mark.parametrize(
    "bad",
    [
        {"by": "bad", "user_agent": "a NUL \0 byte"},
        {"by": "bad", "user_agent": "half a character \ud800"},
        {"by": "bad\0"},
        {"by": "bad", "seats": [2**31]},
        {"by": "bad", "seats": [2**63]},
    ],
    ids=["NUL in the user agent", "no UTF-8", "NUL in the holder", "no integer", "no number at all"],
)
async def test_a_request_that_the_database_cannot_read_fails_alone(
    db: SeatDb, show: Show, reservations: Reservations, bad: dict[str, Any]
) -> None:
    seats, who = bad.get("seats", [5]), {name: value for name, value in bad.items() if name != "seats"}
    results = await at_once(
        reservations,
        [
            request(show, 1, by="anna"),
            request(show, *seats, **who),
            request(show, 1, 2, by="ben"),
            request(show, 3, by="cem"),
        ],
    )

    assert isinstance(results[1], (psycopg.Error, UnicodeError))
    assert said([results[0], *results[2:]]) == [("OK", []), ("SEATS_UNAVAILABLE", [1]), ("OK", [])]
    assert await db.claims(show) == {1: "anna", 3: "cem"}
    assert await db.check(show) == []


async def test_texts_are_stored_unchanged(db: SeatDb, show: Show, reservations: Reservations) -> None:
    texts = ['"', "\\", '\\"}', "{a,b}", "NULL", "null", "", " ", "a\nb\tc", "é 🎭", "%s $1 ';--", '","']
    requests = [
        request(show, number, by=f"buyer-{number}", user_agent=text) for number, text in enumerate(texts, start=1)
    ]
    assert said(await at_once(reservations, requests)) == [("OK", [])] * len(texts)
    told = {row.seat_ids[0]: row.user_agent for row in await db.audit(show)}
    assert told == dict(enumerate(texts, start=1))

    other = await db.make_show()
    holders = [text for text in texts if text]
    requests = [request(other, number, by=text) for number, text in enumerate(holders, start=1)]
    assert said(await at_once(reservations, requests)) == [("OK", [])] * len(holders)
    assert await db.claims(other) == dict(enumerate(holders, start=1))


async def test_a_request_that_waits_for_a_lock_does_not_delay_other_shows(
    db: SeatDb, show: Show, reservations: Reservations, owner: psycopg.AsyncConnection
) -> None:
    other = await db.make_show()
    async with db.another() as holding, db.another() as watcher, holding.app.transaction(force_rollback=True):
        await holding.reserve(show, seats=[1], holder="other")
        waits = asyncio.create_task(reservations.reserve(request(show, 1, by="anna")))
        await until_a_service_waits(watcher)
        assert said([await reservations.reserve(request(other, 1, by="ben"))]) == [("OK", [])]
        assert not waits.done()
    assert said([await waits]) == [("OK", [])]


# Lost connections.


async def test_a_batch_whose_connection_is_cut_before_its_commit_is_repeated(
    db: SeatDb, show: Show, reservations: Reservations, server: TestServer
) -> None:
    requests = [
        request(show, 1, 2, by="anna"),
        request(show, 2, 3, by="ben"),
        request(show, 3, 4, by="cem"),
    ]
    async with db.another() as holding:
        async with holding.app.transaction(force_rollback=True):
            await holding.reserve(show, seats=[4], holder="other")
            answers = asyncio.create_task(at_once(reservations, requests))
            pid = await until_a_service_waits(db)
            async with await psycopg.AsyncConnection.connect(
                server.superuser_dsn(db.app.info.dbname), autocommit=True
            ) as admin:
                await admin.execute("select pg_terminate_backend(%s, 60000)", [pid])
        results = await answers

    await assert_each_once(db, show, requests, results)


async def test_a_batch_whose_answer_is_lost_after_the_commit_is_repeated(
    db: SeatDb, show: Show, database: PooledDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[UUID]] = []
    reserve_batch = store.reserve_batch

    async def loses_the_first_answer(
        connection: psycopg.AsyncConnection, show_id: UUID, requests: Sequence[Intent[SeatIds]], **more: Any
    ) -> list[ReservationResult]:
        answers = await reserve_batch(connection, show_id, requests, **more)
        batches.append([one.token.reservation_id for one in requests])
        if len(batches) == 1:
            await connection.close()
            raise OperationalError("the connection is lost")
        return answers

    monkeypatch.setattr(store, "reserve_batch", loses_the_first_answer)
    reservations = reservations_on(database)
    requests = [
        request(show, 1, 2, by="anna"),
        request(show, 2, 3, by="ben"),
        request(show, 3, 4, by="cem"),
    ]

    results = await at_once(reservations, requests)

    assert batches == [[one.token.reservation_id for one in requests]] * 2
    await assert_each_once(db, show, requests, results)


async def test_a_batch_that_is_lost_after_its_commit_for_good_is_not_said_to_have_done_nothing(
    db: SeatDb, show: Show, database: PooledDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve_batch = store.reserve_batch

    @asynccontextmanager
    async def no_connection() -> AsyncIterator[psycopg.AsyncConnection]:
        raise PoolTimeout("the database is away")
        yield

    async def commits_and_is_lost(
        connection: psycopg.AsyncConnection, show_id: UUID, requests: Sequence[Intent[SeatIds]], **more: Any
    ) -> list[ReservationResult]:
        await reserve_batch(connection, show_id, requests, **more)
        monkeypatch.setattr(database, "app", no_connection)
        await connection.close()
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(store, "reserve_batch", commits_and_is_lost)
    monkeypatch.setattr(calls, "PAUSES_SECONDS", (0.0,))
    requests = [request(show, 1, by="anna"), request(show, 2, by="ben"), request(show, 3, by="cem")]

    results = await at_once(reservations_on(database), requests)

    assert [type(result) for result in results] == [OutcomeUnknownError] * 3
    assert await db.claims(show) == {1: "anna", 2: "ben", 3: "cem"}


async def assert_each_once(db: SeatDb, show: Show, requests: Sequence[Intent[SeatIds]], results: Sequence[Any]) -> None:
    """Anna and Cem have their seats, each by one reservation of the id that was asked for; Ben has none."""
    assert [outcome for outcome, _ in said(results)] == ["OK", "SEATS_UNAVAILABLE", "OK"]
    assert 2 in results[1].unavailable_seat_ids  # And seat 3, when the batch was repeated after Cem's commit.
    assert [result.reservation_id for result in results] == [one.token.reservation_id for one in requests]
    assert await db.claims(show) == {1: "anna", 2: "anna", 3: "cem", 4: "cem"}
    created = [row.reservation_id for row in await db.audit(show) if row.event == "created"]
    assert created == [requests[0].token.reservation_id, requests[2].token.reservation_id]
    assert len(await db.reservations(show)) == 2
    assert await db.check(show) == []


# Several processes on one database.


@pytest.mark.parametrize("seed", range(3))
async def test_several_processes_on_one_database_never_sell_a_seat_twice(
    db: SeatDb, show: Show, dsns: Dsns, seed: int
) -> None:
    rng = random.Random(seed)
    requests = [
        request(show, *rng.sample(range(1, 41), rng.randint(1, 3)), by=f"buyer-{number}") for number in range(200)
    ]
    async with processes(dsns, 3) as services:
        results = await asyncio.gather(*(services[number % 3].reserve(one) for number, one in enumerate(requests)))

    owners: dict[int, str] = {}
    for one, result in zip(requests, results, strict=True):
        assert result.outcome in (Outcome.OK, Outcome.SEATS_UNAVAILABLE)
        if result.outcome == Outcome.OK:
            assert not owners.keys() & set(one.wish), "sold twice"
            owners |= dict.fromkeys(one.wish, one.holder.key)
    assert await db.claims(show) == dict(sorted(owners.items()))
    for one, result in zip(requests, results, strict=True):
        if result.outcome != Outcome.OK:
            assert set(result.unavailable_seat_ids) <= set(one.wish) & owners.keys(), "refused without a reason"
            assert result.unavailable_seat_ids
    assert await db.check(show) == []


async def test_four_hundred_requests_in_three_processes_for_ten_seats_sell_each_seat_once(
    db: SeatDb, show: Show, dsns: Dsns
) -> None:
    requests = [request(show, number % 10 + 1, by=f"buyer-{number}") for number in range(400)]
    async with processes(dsns, 3) as services:
        results = await asyncio.gather(*(services[number % 3].reserve(one) for number, one in enumerate(requests)))
    winners = [one for one, result in zip(requests, results, strict=True) if result.outcome == Outcome.OK]
    assert sorted(seat for one in winners for seat in one.wish) == list(range(1, 11))
    assert await db.claims(show) == {seat: one.holder.key for one in winners for seat in one.wish}
    assert await db.check(show) == []


# A lock that is held too long.


async def test_a_request_that_waits_too_long_for_a_lock_is_busy_and_nothing_happened(
    db: SeatDb, show: Show, reservations: Reservations, owner: psycopg.AsyncConnection
) -> None:
    await owner.execute("alter function rowlock.reserve_seats_batch set lock_timeout = '50ms'")
    async with db.another() as holding:
        async with holding.app.transaction(force_rollback=True):
            await holding.reserve(show, seats=[2], holder="other")
            results = await at_once(reservations, [request(show, 2, by="ben")])
        assert [type(result) for result in results] == [LockedError]
        assert await db.claims(show) == {}
    assert said(await at_once(reservations, [request(show, 2, by="ben")])) == [("OK", [])]


# A seat that another transaction has locked.


async def test_of_a_batch_only_the_requests_for_a_locked_seat_are_busy(
    db: SeatDb, show: Show, reservations: Reservations
) -> None:
    """A program that holds a lock for long, such as a person's psql, must not stop the sale of the other seats."""
    async with db.another() as holding, holding.app.transaction(force_rollback=True):
        await holding.reserve(show, seats=[5], holder="psql")

        results = await at_once(reservations, [request(show, number, by=f"buyer {number}") for number in range(1, 11)])

    outcomes = [type(r).__name__ if isinstance(r, Exception) else str(r.outcome) for r in results]
    assert outcomes == ["OK"] * 4 + ["LockedError"] + ["OK"] * 5
    assert isinstance(results[4], BusyError)
    assert sorted(await db.claims(show)) == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert await db.check(show) == []
