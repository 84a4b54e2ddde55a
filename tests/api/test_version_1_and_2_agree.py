"""One table of scenarios, run against version 2, against version 1, and against version 1 after the full rollback.

Every test here says what both versions answer, and what they leave in the seat tables and in the audit log. A trigger
in the test's own database records which login wrote each reservation, so that a test of one version cannot be served
by the other unnoticed.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.schema import rollback
from rowlock.reservations.model import ReservationToken
from tests.api.conftest import UNKNOWN_ID
from tests.api.writer_logins import record_writer_logins, writer_logins
from tests.support.answers import Show
from tests.support.http import Api, Application, held, outcome, problem, running, said, session
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer, run_in_thread


@dataclass(frozen=True)
class Variant:
    """Which endpoints are called, what share of them version 2 serves, and whether the functions are there."""

    name: str
    version: int
    percent: int
    rolled_back: bool
    login: str

    def __str__(self) -> str:
        return self.name


VARIANTS = (
    Variant("version 2", 2, 100, False, "rowlock_app"),
    Variant("version 1", 1, 0, False, "rowlock_v1"),
    Variant("version 1 after the full rollback", 1, 100, True, "rowlock_v1"),
)


@dataclass
class Buyer:
    """Reserves and releases through the endpoints of one variant."""

    client: Api
    variant: Variant

    async def reserve(self, show: Any, seats: Sequence[Any], by: str, key: str | None = None) -> httpx.Response:
        return await self.client.reserve(show, seats, by=by, key=key, version=self.variant.version)

    async def release(self, **what: Any) -> httpx.Response:
        return await self.client.release(version=self.variant.version, **what)


@pytest.fixture(scope="module", params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> Variant:
    chosen: Variant = request.param
    return chosen


@pytest.fixture(scope="module")
def dsns(server: TestServer, variant: Variant) -> Iterator[Dsns]:
    """A database for each variant: the rollback is not undone."""

    async def prepare(dsns: Dsns) -> None:
        async with await psycopg.AsyncConnection.connect(dsns.owner, autocommit=True) as owner:
            await record_writer_logins(owner)
            if variant.rolled_back:
                await rollback.full(owner)

    with server.database() as name:
        dsns = server.dsns(name)
        run_in_thread(lambda: prepare(dsns))
        yield dsns


@pytest.fixture
async def application(dsns: Dsns, variant: Variant) -> AsyncIterator[Application]:
    async with running(dsns, v2_rollout_percent=variant.percent) as application:
        yield application


@pytest.fixture
async def buyer(client: Api, variant: Variant, show: Show, db: SeatDb) -> AsyncIterator[Buyer]:
    """A buyer of this variant; afterwards every reservation of the show must have been made by its login."""
    yield Buyer(client, variant)
    assert set((await writer_logins(db.owner, show)).values()) <= {variant.login}
    assert await db.check(show) == []


async def _retire(db: SeatDb, show: Show, answer: httpx.Response, by: str) -> None:
    """What a cleanup does to a hold that has run out. After the rollback there is no cleanup function to call."""
    await db.age(held(show, answer, by), minutes=11)
    await db.owner.execute(
        """
        with retired as (
            update rowlock.seat_reservations set status = 'expired', ended_at = clock_timestamp()
            where show_id = %(show)s and reserved_by = %(by)s and status = 'active' returning reservation_id
        ), freed as (
            delete from rowlock.show_seats where show_id = %(show)s and reserved_by = %(by)s returning seat_id
        )
        insert into rowlock.seat_reservation_audit_log (show_id, reservation_id, event, seat_ids)
        select %(show)s, reservation_id, 'expired', array(select seat_id from freed order by 1) from retired
        """,
        {"show": show.show_id, "by": session(by)},
    )


async def test_a_reservation_and_what_is_kept_of_it(buyer: Buyer, show: Show, db: SeatDb) -> None:
    answer = await buyer.reserve(show, [3, 1, 2], by="anna")

    assert answer.status_code == 201
    made = answer.json()
    until, now = datetime.fromisoformat(made["expires_at"]), datetime.fromisoformat(made["server_time"])
    assert timedelta(minutes=9, seconds=55) < until - now <= timedelta(minutes=10)
    assert {name: made[name] for name in ("success", "seat_ids", "extension_count", "extensions_remaining")} == {
        "success": True,
        "seat_ids": [1, 2, 3],
        "extension_count": 0,
        "extensions_remaining": 3,
    }
    (row,) = await db.reservations(show)
    assert (row["reserved_by"], row["session_id"], row["seat_ids"], row["status"]) == (
        session("anna"),
        session("anna"),
        [1, 2, 3],
        "active",
    )
    assert row["expires_at"] == until
    (logged,) = await db.audit(show)
    assert (logged.event, logged.seat_ids, logged.session_id) == ("created", [1, 2, 3], session("anna"))
    assert (logged.ip_address, logged.error_code, logged.metadata) == ("127.0.0.1", None, {})
    assert logged.user_agent is not None
    assert (await buyer.client.hold(made["reservation_token"])).json()["status"] == "active"


REFUSALS: tuple[tuple[str, Callable[[Show], Sequence[int]], tuple[int, str], list[int] | None], ...] = (
    ("one seat too far", lambda show: [40, 41], (404, "SEATS_NOT_FOUND"), None),
    ("eleven seats", lambda show: range(1, 12), (400, "TOO_MANY_SEATS"), None),
    ("eleven seats that are not there", lambda show: range(41, 52), (400, "TOO_MANY_SEATS"), None),
    ("taken and too far", lambda show: [1, 41], (404, "SEATS_NOT_FOUND"), None),
    ("a taken one", lambda show: [1, 5], (409, "SEATS_UNAVAILABLE"), [1]),
    ("a sold and a blocked one", lambda show: [37, 38, 39], (409, "SEATS_UNAVAILABLE"), [38, 39]),
    ("a wheelchair place", lambda show: [39, 40], (409, "ACCESSIBLE_SEATS"), None),
)


async def test_refusals_and_their_precedence(buyer: Buyer, show: Show, db: SeatDb) -> None:
    await buyer.reserve(show, [1], by="ben")
    await db.owner.execute(
        "insert into rowlock.show_seats (show_id, seat_id, status, order_id) values (%s, 38, 'sold', %s)",
        [show.show_id, UNKNOWN_ID],
    )
    await db.owner.execute(
        "insert into rowlock.show_seats (show_id, seat_id, status, block_reason) values (%s, 39, 'blocked', 'camera')",
        [show.show_id],
    )

    for name, seats, refusal, unavailable in REFUSALS:
        answer = await buyer.reserve(show, list(seats(show)), by="anna")
        told = problem(answer, *refusal)
        assert told.get("unavailable_seat_ids") == unavailable, name
        if refusal[1] == "SEATS_UNAVAILABLE":
            assert (await db.events(show))[-1] == ("failed", sorted(seats(show)), refusal[1]), name
    assert await db.counted_refusals(show) == {
        "SEATS_NOT_FOUND": 2,
        "TOO_MANY_SEATS": 2,
        "ACCESSIBLE_SEATS": 1,
    }
    assert outcome(await buyer.reserve(UNKNOWN_ID, [1], by="anna")) == (404, "SHOW_NOT_FOUND")
    # A holder is told of the hold there is before anything of the seats, but not before sales are open.
    assert outcome(await buyer.reserve(show, [41], by="ben")) == (409, "DUPLICATE_RESERVATION")
    await db.set_show(show, status="paused")
    assert outcome(await buyer.reserve(show, [2], by="ben")) == (409, "SHOW_NOT_ON_SALE")
    await db.set_show(show, status="on_sale", sales_start_at=datetime.now(UTC) + timedelta(days=1))
    assert outcome(await buyer.reserve(show, [2], by="anna")) == (409, "SHOW_NOT_ON_SALE")
    await db.set_show(show, sales_start_at=None, sales_end_at=datetime.now(UTC))
    assert outcome(await buyer.reserve(show, [2], by="anna")) == (409, "SHOW_NOT_ON_SALE")
    await db.owner.execute("delete from rowlock.show_seats where show_id = %s and seat_id >= 38", [show.show_id])


async def test_a_lapsed_hold_loses_its_seats_to_others(buyer: Buyer, show: Show, db: SeatDb) -> None:
    first = await buyer.reserve(show, [1, 2, 3], by="anna")
    await db.age(held(show, first, "anna"), minutes=11)

    second = await buyer.reserve(show, [2, 3, 4], by="ben")

    assert outcome(second) == (201, None)
    assert await db.claims(show) == {2: session("ben"), 3: session("ben"), 4: session("ben")}
    assert (await buyer.release(reservation_token=first.json()["reservation_token"])).json()["released_seat_ids"] == [1]
    assert await db.events(show) == [
        ("created", [1, 2, 3], None),
        ("created", [2, 3, 4], None),
        ("released", [1], None),
    ]


async def test_a_lapsed_hold_is_replaced_by_its_holders_next(buyer: Buyer, show: Show, db: SeatDb) -> None:
    first = await buyer.reserve(show, [1, 2, 3], by="anna")
    await db.age(held(show, first, "anna"), minutes=11)

    second = await buyer.reserve(show, [3, 4], by="anna")

    assert outcome(second) == (201, None)
    assert await db.claims(show) == {3: session("anna"), 4: session("anna")}
    assert [(row["status"], row["seat_ids"]) for row in await db.reservations(show)] == [
        ("expired", [1, 2, 3]),
        ("active", [3, 4]),
    ]
    assert await db.events(show) == [
        ("created", [1, 2, 3], None),
        ("expired", [1, 2], None),
        ("created", [3, 4], None),
    ]


async def test_a_lapsed_hold_stays_when_its_holders_next_fails(buyer: Buyer, show: Show, db: SeatDb) -> None:
    await buyer.reserve(show, [9], by="ben")
    first = await buyer.reserve(show, [1], by="anna")
    await db.age(held(show, first, "anna"), minutes=11)

    problem(await buyer.reserve(show, [1, 9], by="anna"), 409, "SEATS_UNAVAILABLE")

    assert await db.claims(show) == {9: session("ben")}


async def test_a_holder_has_one_hold_a_show_and_one_in_each(buyer: Buyer, show: Show, db: SeatDb) -> None:
    other = await db.make_show()

    answers = [
        await buyer.reserve(show, [1], by="anna"),
        await buyer.reserve(show, [2], by="anna"),
        await buyer.reserve(other, [1], by="anna"),
    ]

    assert [outcome(answer) for answer in answers] == [(201, None), (409, "DUPLICATE_RESERVATION"), (201, None)]


async def test_a_repeated_request_answers_the_same(buyer: Buyer, show: Show, db: SeatDb) -> None:
    first = await buyer.reserve(show, [1, 2], by="anna", key="order-1")
    again = await buyer.reserve(show, [1, 2], by="anna", key="order-1")
    # By hand, because after the full rollback there is no function that extends.
    extended_in_between = await db.owner.execute(
        "with extended as (update rowlock.seat_reservations set extension_count = 1 where show_id = %s returning *) "
        "insert into rowlock.seat_reservation_audit_log (show_id, reservation_id, event, seat_ids) "
        "select show_id, reservation_id, 'extended', seat_ids from extended",
        [show.show_id],
    )
    later = await buyer.reserve(show, [1, 2], by="anna", key="order-1")

    assert said(first) == said(again)
    assert extended_in_between.rowcount == 1
    assert (later.json()["extension_count"], later.json()["extensions_remaining"]) == (1, 2)
    assert await db.events(show) == [("created", [1, 2], None), ("extended", [1, 2], None)]


async def test_a_key_that_comes_with_another_wish_is_refused(buyer: Buyer, show: Show, db: SeatDb) -> None:
    first = await buyer.reserve(show, [1, 2], by="anna", key="order-1")
    other = await buyer.reserve(show, [3], by="anna", key="order-1")
    await buyer.release(reservation_token=first.json()["reservation_token"])
    ended = await buyer.reserve(show, [3], by="anna", key="order-1")

    for answer in (other, ended):
        problem(answer, 422, "IDEMPOTENCY_KEY_REUSED")
    assert "reservation_token" not in other.text
    assert await db.claims(show) == {}


async def test_a_holder_who_is_refused_is_told_her_own_hold(buyer: Buyer, show: Show, db: SeatDb) -> None:
    first = (await buyer.reserve(show, [1, 2], by="anna")).json()

    own = problem(await buyer.reserve(show, [3], by="anna"), 409, "DUPLICATE_RESERVATION")

    assert {name: own[name] for name in ("reservation_id", "seat_ids", "reservation_status", "expires_at")} == {
        "reservation_id": first["reservation_id"],
        "seat_ids": [1, 2],
        "reservation_status": "active",
        "expires_at": first["expires_at"],
    }
    assert "reservation_token" not in own, "who knows a session id of an integrator is not given its token"


async def test_a_request_repeated_after_its_hold_lapsed_is_told_so(buyer: Buyer, show: Show, db: SeatDb) -> None:
    first = await buyer.reserve(show, [1, 2], by="anna", key="order-1")
    await db.age(held(show, first, "anna"), minutes=11)
    await _retire(db, show, first, "anna")
    await buyer.reserve(show, [1], by="ben")

    again = await buyer.reserve(show, [1, 2], by="anna", key="order-1")

    own = problem(again, 410, "RESERVATION_EXPIRED")
    assert (own["reservation_id"], own["reservation_status"]) == (first.json()["reservation_id"], "expired")
    assert own["expires_at"] < own["server_time"]
    assert await db.claims(show) == {1: session("ben")}


async def test_a_late_repetition_leaves_the_holders_next_hold_alone(buyer: Buyer, show: Show, db: SeatDb) -> None:
    first = await buyer.reserve(show, [1], by="anna", key="order-1")
    await buyer.release(reservation_token=first.json()["reservation_token"])
    second = await buyer.reserve(show, [2], by="anna", key="order-2")
    await db.age(held(show, second, "anna"), minutes=11)

    again = await buyer.reserve(show, [1], by="anna", key="order-1")

    own = problem(again, 410, "RESERVATION_NOT_ACTIVE")
    assert (own["reservation_id"], own["reservation_status"]) == (first.json()["reservation_id"], "released")
    assert [row["status"] for row in await db.reservations(show)] == ["active", "released"]
    assert [event for event, _, _ in await db.events(show)] == ["created", "released", "created"]


async def test_releases(buyer: Buyer, show: Show, db: SeatDb) -> None:
    first = (await buyer.reserve(show, [2, 1], by="anna")).json()
    token = ReservationToken.parse(first["reservation_token"])
    assert token is not None
    foreign = str(ReservationToken(token.show_id, token.reservation_id, bytes(16)))

    answers = [
        await buyer.release(reservation_token=foreign),
        await buyer.release(reservation_token="x"),
        await buyer.release(reservation_token=str(ReservationToken.mint(UNKNOWN_ID))),
        await buyer.release(reservation_id=first["reservation_id"], session_id=session("ben")),
        await buyer.release(reservation_id=str(UNKNOWN_ID), session_id=session("anna")),
    ]
    assert all(said(answer) == said(answers[0]) for answer in answers)
    assert outcome(answers[0]) == (404, "RESERVATION_NOT_FOUND")
    assert await db.claims(show) == {1: session("anna"), 2: session("anna")}

    by_id = await buyer.release(reservation_id=first["reservation_id"], session_id=session("anna"))
    repeated = await buyer.release(reservation_token=first["reservation_token"])

    assert by_id.json() == repeated.json() == {"success": True, "released_seat_ids": [1, 2]}
    assert await db.claims(show) == {}
    events = await db.audit(show)
    assert [event.event for event in events] == ["created", "released"]
    assert (events[1].seat_ids, events[1].session_id, list(events[1].metadata)) == (
        [1, 2],
        session("anna"),
        ["held_seconds"],
    )


async def test_releases_of_what_has_ended(buyer: Buyer, show: Show, db: SeatDb) -> None:
    retired = await buyer.reserve(show, [1], by="anna")
    await _retire(db, show, retired, "anna")

    problem(await buyer.release(reservation_token=retired.json()["reservation_token"]), 410, "RESERVATION_EXPIRED")

    last = (await db.audit(show))[-1]
    assert (last.event, last.error_code) == ("failed", "RESERVATION_EXPIRED")
    assert last.metadata == {"operation": "release", "seats": 1}
    assert (last.session_id, last.seat_ids) == (session("anna"), [1])


async def test_a_release_of_a_paid_hold(buyer: Buyer, show: Show, db: SeatDb) -> None:
    paid = await buyer.reserve(show, [1], by="anna")
    await db.owner.execute(
        "update rowlock.seat_reservations set status = 'completed', ended_at = clock_timestamp() where show_id = %s",
        [show.show_id],
    )

    problem(await buyer.release(reservation_token=paid.json()["reservation_token"]), 410, "RESERVATION_NOT_ACTIVE")

    assert await db.claims(show) == {1: session("anna")}
    # There is no paid order: the row is put back, so that the invariants hold after the test.
    await db.owner.execute(
        "update rowlock.seat_reservations set status = 'active', ended_at = null where show_id = %s", [show.show_id]
    )


async def test_malformed_bodies(buyer: Buyer, show: Show) -> None:
    for seats in ([], [0], [1, 1], ["x"], [None], [2**31]):
        problem(await buyer.reserve(show, seats, by="anna"), 400, "INVALID_INPUT")
    problem(await buyer.reserve(show, [1], by="web_x"), 400, "INVALID_INPUT")
    problem(await buyer.release(), 400, "INVALID_INPUT")
    problem(await buyer.release(reservation_token="x", reservation_id=str(UNKNOWN_ID)), 400, "INVALID_INPUT")
