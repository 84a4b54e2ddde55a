"""What one client may hold over HTTP, by the address that it comes from, and what is left for others."""

import asyncio
import random
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue.showcase import theatre
from tests.support.answers import Show
from tests.support.halls import put_on_sale as put_hall_on_sale
from tests.support.halls import services_on
from tests.support.http import Api, Application, outcome, problem, running
from tests.support.scale import Scale
from tests.support.seatdb import SeatDb

pytestmark = pytest.mark.usefixtures("clean_check")

ADDRESS = "203.0.113.9"
VERSIONS = pytest.mark.parametrize("version", [2, 1])


@pytest.fixture
async def strict(dsns: Dsns, version: int) -> AsyncIterator[Application]:
    """An application that lets one address hold five seats. Version 1 serves its own endpoints."""
    percent = 0 if version == 1 else 100
    async with running(dsns, hold_limits="seats=5 share=0", v2_rollout_percent=percent) as application:
        yield application


async def reserve(client: Api, show: Show, *seats: int, version: int = 2) -> tuple[int, str | None]:
    return outcome(await client.reserve(show, seats, by=uuid4().hex, version=version))


@VERSIONS
async def test_an_address_is_told_why_it_gets_no_more(strict: Application, show: Show, version: int) -> None:
    async with strict.client(address=ADDRESS) as client:
        assert await reserve(client, show, 1, 2, 3, version=version) == (201, None)

        refused = await client.reserve(show, [4, 5, 6], by=uuid4().hex, version=version)

        told = problem(refused, 429, "TOO_MANY_HOLDS")
        assert "release what you hold" in told["detail"]
        assert int(refused.headers["retry-after"]) > 0
        assert await reserve(client, show, 4, 5, version=version) == (201, None)


@VERSIONS
@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("203.0.113.9", "203.0.113.10", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("not an address", "a proxy may send anything", True),
        ("fe80::1%eth0", "fe80::1%eth1", True),
    ],
)
async def test_what_one_client_is(
    strict: Application, show: Show, version: int, first: str, second: str, same: bool
) -> None:
    async with strict.client(address=first) as one, strict.client(address=second) as two:
        assert await reserve(one, show, 1, 2, 3, version=version) == (201, None)
        expected = (429, "TOO_MANY_HOLDS") if same else (201, None)
        assert await reserve(two, show, 4, 5, 6, version=version) == expected


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@VERSIONS
async def test_the_machine_itself_has_no_limits(strict: Application, show: Show, version: int, address: str) -> None:
    async with strict.client(address=address) as client:
        for seat in range(1, 12):
            assert await reserve(client, show, seat, version=version) == (201, None)


async def test_an_operator_can_switch_them_off(dsns: Dsns, show: Show) -> None:
    async with running(dsns, hold_limits="off") as application, application.client(address=ADDRESS) as client:
        for first in range(1, 31, 10):
            assert await reserve(client, show, *range(first, first + 10)) == (201, None)


@VERSIONS
async def test_best_available_and_added_seats_count_too(strict: Application, show: Show, version: int) -> None:
    async with strict.client(address=ADDRESS) as client:
        mine, theirs = uuid4().hex, uuid4().hex
        made = (await client.reserve(show, [1, 2, 3], by=mine, version=version)).json()

        assert outcome(await client.best(show, 3, session_id=theirs)) == (429, "TOO_MANY_HOLDS")
        token = made["reservation_token"]
        assert outcome(await client.change(token, add=[4, 5, 6])) == (429, "TOO_MANY_HOLDS")
        assert outcome(await client.change(token, add=[4, 5])) == (200, None)


@VERSIONS
async def test_a_wheelchair_place_has_to_be_asked_for(
    strict: Application, show: Show, db: SeatDb, version: int
) -> None:
    async with strict.client() as client:
        refused = await client.reserve(show, [39, 40], by=uuid4().hex, version=version)

        told = problem(refused, 409, "ACCESSIBLE_SEATS")
        assert told["accessible_seat_ids"] == [40]
        assert told["detail"].startswith("Seat 40 is a wheelchair or companion place. If you need it, ask with")
        made = await client.reserve(show, [38], by=uuid4().hex, version=version)
        token = made.json()["reservation_token"]
        assert outcome(await client.change(token, add=[40])) == (409, "ACCESSIBLE_SEATS")
        assert outcome(await client.change(token, add=[40], accessible=True)) == (200, None)
        assert await db.counted_refusals(show) == {"ACCESSIBLE_SEATS": 2}
        other = await client.reserve(show, [40], by=uuid4().hex, version=version, accessible=True)
        assert outcome(other) == (409, "SEATS_UNAVAILABLE")


class Greed:
    """One client that takes what it can get: in every way there is, with a new session each time."""

    def __init__(self, client: Api, show: Show) -> None:
        self._client = client
        self._show = show
        self._random = random.Random(7)
        self._tokens: list[str] = []
        self.answers: dict[int, int] = {}

    async def take(self, until: float) -> None:
        """Take seats, give some back, take these again and add to holds, as fast as the answers come."""
        while monotonic() < until:
            await self._random.choice((self._reserve, self._best, self._grow, self._swap))()

    async def _note(self, call: Any) -> None:
        answer = await call
        self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
        if answer.status_code == 201:
            self._tokens.append(answer.json()["reservation_token"])

    async def _reserve(self) -> None:
        seats = self._random.sample(range(1, self._show.seats_total + 1), self._random.choice((1, 2, 10)))
        await self._note(self._client.reserve(self._show, seats, by=uuid4().hex))

    async def _best(self) -> None:
        await self._note(self._client.best(self._show, self._random.choice((1, 2, 10)), session_id=uuid4().hex))

    async def _grow(self) -> None:
        if self._tokens:
            seats = self._random.sample(range(1, self._show.seats_total + 1), 5)
            await self._note(self._client.change(self._random.choice(self._tokens), add=seats))

    async def _swap(self) -> None:
        if self._tokens:
            token = self._tokens.pop(self._random.randrange(len(self._tokens)))
            hold = (await self._client.hold(token)).json()
            await self._note(self._client.release(reservation_token=token))
            await self._note(self._client.reserve(self._show, hold["seat_ids"], by=uuid4().hex))


MOST_ROUNDS = 12
"""Of five seconds, until a client without limits has the hall: one does on an idle machine."""


@pytest.mark.soak
@pytest.mark.parametrize("limits", ["as they are", "off"])
async def test_after_a_greedy_client_fifty_others_get_seats(
    dsns: Dsns, owner: psycopg.AsyncConnection, db: SeatDb, scale: Scale, limits: str
) -> None:
    """In a hall of 600. Without the limits the same client leaves nothing, so that the test sees what they are for."""
    show = await put_hall_on_sale(owner, theatre())
    assert show.seats_total == 600
    settings = {} if limits == "as they are" else {"hold_limits": "off"}
    async with running(dsns, **settings) as application:
        async with application.client(address=ADDRESS) as client:
            greed = Greed(client, show)
            taken = 0
            for _ in range(1 if limits == "as they are" else MOST_ROUNDS):
                until = monotonic() + (scale.greedy_seconds if limits == "as they are" else 5)
                await asyncio.gather(*(greed.take(until) for _ in range(50)))
                taken = len(await db.claims(show))
                if taken > 500:
                    break

        async def buy(number: int) -> int:
            async with application.client(address=f"198.51.100.{number}") as buyer:
                return (await buyer.best(show, 2, session_id=uuid4().hex)).status_code

        bought = await asyncio.gather(*(buy(number) for number in range(50)))

    print(f"taken: {taken} of {show.seats_total} seats, answers: {greed.answers}")
    if limits == "as they are":
        assert greed.answers[429] > 0
        assert taken <= 600 // 5  # A quarter of what is free then.
        assert bought == [201] * 50
    else:
        assert taken > 500
        assert 409 in bought
    assert await db.check(show) == []
    report = await services_on(owner).operations.check_invariants()
    assert report.violations_total == 0
