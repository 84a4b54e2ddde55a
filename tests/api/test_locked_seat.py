"""One seat is locked by another program for long, as by a person's psql: who wants another seat gets it, over HTTP."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database import connections
from rowlock.reservations import coalescer, store
from rowlock.reservations.model import Intent, ReservationResult, SeatIds
from tests.reservations.availability.conftest import until_a_service_waits
from tests.support.answers import Show
from tests.support.http import Api, outcome, running, session
from tests.support.seatdb import SeatDb

pytestmark = pytest.mark.usefixtures("clean_check")

LOCKED = 5
SEATS = range(1, 11)
BUSY = (503, "BUSY")


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The seats of every batch that is sent. Locks are waited for briefly."""
    monkeypatch.setitem(connections.LIMITS, "lock_timeout", "300ms")
    sent: list[list[int]] = []
    reserve_batch = store.reserve_batch

    async def noted(
        connection: psycopg.AsyncConnection, show_id: UUID, requests: Sequence[Intent[SeatIds]], **more: Any
    ) -> list[ReservationResult]:
        sent.append([seat for one in requests for seat in one.wish])
        return await reserve_batch(connection, show_id, requests, **more)

    monkeypatch.setattr(store, "reserve_batch", noted)
    return sent


async def reserve_while_a_seat_is_locked(client: Api, db: SeatDb, show: Show) -> list[httpx.Response]:
    """A buyer meets the lock; ten others, one of them for the same seat, come meanwhile and are sent together."""
    async with db.another() as psql, psql.app.transaction(force_rollback=True):
        await psql.reserve(show, seats=[LOCKED], holder="psql")
        first = asyncio.ensure_future(client.reserve(show, [LOCKED], by="first"))
        await until_a_service_waits(db)
        answers = await asyncio.gather(*(client.reserve(show, [seat], by=f"buyer-{seat}") for seat in SEATS))
        assert outcome(await first) == BUSY
    return answers


async def test_of_a_batch_only_the_buyer_of_the_locked_seat_is_told_to_come_back(
    dsns: Dsns, db: SeatDb, show: Show, batches: list[list[int]]
) -> None:
    async with running(dsns) as application, application.client() as client:
        answers = await reserve_while_a_seat_is_locked(client, db, show)
        again = await client.reserve(show, [LOCKED], by=f"buyer-{LOCKED}")

    assert batches == [[LOCKED], list(SEATS), *([seat] for seat in SEATS), [LOCKED]]
    told = {seat: outcome(answer) for seat, answer in zip(SEATS, answers, strict=True)}
    assert told == {seat: BUSY if seat == LOCKED else (201, None) for seat in SEATS}
    assert answers[LOCKED - 1].headers["retry-after"] == "1"
    assert outcome(again) == (201, None)
    assert await db.claims(show) == {seat: session(f"buyer-{seat}") for seat in SEATS}


async def test_if_a_lock_concerned_the_whole_batch_none_of_it_would_get_a_seat(
    dsns: Dsns, db: SeatDb, show: Show, batches: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the repetition one by one all ten are refused."""
    monkeypatch.setattr(coalescer, "LockedError", ZeroDivisionError)  # So it is one of the errors of the whole batch.
    async with running(dsns) as application, application.client() as client:
        answers = await reserve_while_a_seat_is_locked(client, db, show)

    assert batches == [[LOCKED], list(SEATS)]
    assert {outcome(answer) for answer in answers} == {BUSY}
    assert await db.claims(show) == {}
