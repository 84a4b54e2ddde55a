"""A database with every kind of claim, hold and order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from rowlock.base.dsns import Dsns
from tests.support.answers import Reserved, Show
from tests.support.halls import put_on_sale
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer


@pytest.fixture
async def superuser(server: TestServer, dsns: Dsns) -> AsyncIterator[psycopg.AsyncConnection]:
    """A superuser in the test's database, in autocommit."""
    name = str(conninfo_to_dict(dsns.owner)["dbname"])
    async with await psycopg.AsyncConnection.connect(server.superuser_dsn(name), autocommit=True) as connection:
        yield connection


@dataclass(frozen=True)
class Busy:
    """A show in which everything that can happen to a seat has happened.

    live      anna's hold of seats 1 and 2.
    taken     ben's hold of seats 3 and 4, which lapsed; seat 4 is carl's now, with seat 5 (`taker`).
    paid      a free order for seats 10 and 11, of a hold that had 12 once.
    money     an order for seats 33 and 34 at 2500 each, with a payment (`intent`) that was captured.
    released  a hold that was given back.
    expired   a hold that a cleanup retired.
    late      an order for seats 16 and 17, completed after its hold had been retired.

    Seat 20 is blocked, seat 21 was blocked once.
    """

    show: Show
    live: Reserved
    taken: Reserved
    taker: Reserved
    released: Reserved
    expired: Reserved
    paid: UUID
    money: UUID
    intent: UUID
    late: UUID


@pytest.fixture
async def busy(db: SeatDb) -> Busy:
    show = await put_on_sale(db.owner)

    expired = await db.reserve(show, seats=[30, 31], holder="eve")
    late = await db.reserve(show, seats=[16, 17], holder="leo")
    late_order = await db.order(late)
    await db.age(expired, minutes=11)
    await db.age(late, minutes=12)
    assert (await db.cleanup()).total_reservations_expired == 2
    assert (await db.complete(show, late_order)).outcome == "OK"

    live = await db.reserve(show, seats=[1, 3], holder="anna")
    assert (await db.change(live, add=[2], remove=[3])).outcome == "OK"
    assert (await db.extend(live)).outcome == "OK"
    taken = await db.reserve(show, seats=[3, 4], holder="ben")
    await db.age(taken, minutes=11)
    taker = await db.reserve(show, seats=[4, 5], holder="carl")

    buyer = await db.reserve(show, seats=[10, 11, 12], holder="dora")
    assert (await db.change(buyer, remove=[12])).outcome == "OK"
    paid = await db.order(buyer, seats=[10, 11])
    assert (await db.complete(show, paid)).outcome == "OK"

    money = await db.order(await db.reserve(show, seats=[33, 34], holder="hans"), price_minor=2500)
    intent = await db.intent(show, money)
    assert (await db.complete(show, money, intent)).status == "confirmed"
    assert (await db.pay(show, money, intent)).status == "paid"

    released = await db.reserve(show, seats=[7], holder="finn")
    assert (await db.release(released)).outcome == "OK"
    assert (await db.reserve(show, seats=[1], holder="gina")).outcome == "SEATS_UNAVAILABLE"
    assert (await db.block(show, seats=[20, 21])).outcome == "OK"
    assert (await db.unblock(show, seats=[21])).outcome == "OK"
    assert taker.outcome == released.outcome == "OK"
    return Busy(show, live, taken, taker, released, expired, paid, money, intent, late_order)
