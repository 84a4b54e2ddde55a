"""Which version serves a session: the rollout percentage, its override at run time, and service without functions."""

import asyncio
from collections.abc import Iterable, Iterator

import httpx
import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.ids import mint_id
from rowlock.database.schema import rollback
from rowlock.reservations.model import ReservationToken
from rowlock.reservations.version1 import service as version1
from tests.api.conftest import put_on_sale
from tests.api.writer_logins import record_writer_logins, writer_logins
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, Api, held, outcome, problem, running, session
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer
from tests.support.steps import functions

SESSIONS = [f"session-{number}" for number in range(40)]
V1, V2 = "rowlock_v1", "rowlock_app"


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """A database for each test: the override and the functions belong to all of it."""
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture
async def recording_owner(owner: psycopg.AsyncConnection) -> psycopg.AsyncConnection:
    """The owner of a database that records which login writes each reservation."""
    await record_writer_logins(owner)
    return owner


async def _served(owner: psycopg.AsyncConnection, client: Api, sessions: Iterable[str]) -> dict[str, str]:
    """The login that wrote the reservation of each session, in a new show."""
    show = await put_on_sale(owner)
    buyers = enumerate(sessions, start=1)
    answers = await asyncio.gather(
        *(client.reserve(show, [seat], by=by, version=1, accessible=True) for seat, by in buyers)
    )
    assert {answer.status_code for answer in answers} == {201}
    return await writer_logins(owner, show)


async def _override(owner: psycopg.AsyncConnection, percent: int | None) -> None:
    await owner.execute("delete from rowlock.runtime_settings")
    if percent is not None:
        await owner.execute(
            "insert into rowlock.runtime_settings (name, value) values ('v2_rollout_percent', %s)", [str(percent)]
        )


async def test_the_percentage_decides_and_raising_it_moves_no_session_back(
    dsns: Dsns, recording_owner: psycopg.AsyncConnection
) -> None:
    on_version_2: list[set[str]] = []
    for percent in (0, 10, 50, 100):
        async with running(dsns, v2_rollout_percent=percent) as application, application.client() as client:
            first = await _served(recording_owner, client, SESSIONS)
            again = await _served(recording_owner, client, reversed(SESSIONS))
        assert first == again, f"A session changed its version at {percent} %."
        on_version_2.append({holder for holder, login in first.items() if login == V2})
        assert set(first.values()) <= {V1, V2}

    at_0, at_10, at_50, at_100 = on_version_2
    assert at_0 == set()
    assert at_0 < at_10 < at_50 < at_100 == {session(name) for name in SESSIONS}
    assert len(at_10) <= 10


async def test_an_override_takes_effect_within_two_seconds_and_so_does_its_removal(
    dsns: Dsns, recording_owner: psycopg.AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(version1, "monotonic", lambda: now)
    told = []
    async with running(dsns, v2_rollout_percent=100) as application, application.client() as client:
        told.append(await _served(recording_owner, client, SESSIONS[:3]))
        await _override(recording_owner, 0)
        now += 1.9
        told.append(await _served(recording_owner, client, SESSIONS[:3]))
        now += 0.2
        told.append(await _served(recording_owner, client, SESSIONS[:3]))
        await _override(recording_owner, None)
        now += 2.1
        told.append(await _served(recording_owner, client, SESSIONS[:3]))

    assert [set(logins.values()) for logins in told] == [{V2}, {V2}, {V1}, {V2}]


async def test_an_override_holds_from_the_first_requests_after_a_start(
    dsns: Dsns, recording_owner: psycopg.AsyncConnection
) -> None:
    await _override(recording_owner, 0)

    async with running(dsns, v2_rollout_percent=100) as application, application.client() as client:
        served = await _served(recording_owner, client, SESSIONS[:8])

    assert set(served.values()) == {V1}


async def test_an_override_that_is_no_number_is_ignored(dsns: Dsns, recording_owner: psycopg.AsyncConnection) -> None:
    await recording_owner.execute(
        "insert into rowlock.runtime_settings (name, value) values ('v2_rollout_percent', 'half')"
    )

    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        served = await _served(recording_owner, client, SESSIONS[:2])

    assert set(served.values()) == {V1}


async def test_without_its_functions_version_2_says_what_is_missing_and_version_1_serves_all_sessions(
    dsns: Dsns, recording_owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    show = await put_on_sale(recording_owner)
    async with running(dsns) as application, application.client() as client:
        before = await client.reserve(show, [1], by="before")
        token = before.json()["reservation_token"]
        await rollback.full(recording_owner)
        await _override(recording_owner, None)  # Version 1 serves also when there is no override.

        refused = [
            await client.reserve(show, [2], by="anna"),
            await client.best(show, 2, session_id=session("anna")),
            await client.extend(token),
            await client.change(token, add=[3]),
            await client.release(reservation_token=token),
            await client.release(reservation_id=before.json()["reservation_id"], session_id=session("before")),
        ]
        for answer in refused:
            assert "rowlock migrate" in problem(answer, 503, "FUNCTIONS_MISSING")["detail"], answer.request.url
        not_ready = await client.get("/health/ready")
        assert "rowlock migrate" in problem(not_ready, 503, "NOT_READY")["detail"]
        for answer in await _office(client, show):
            assert answer.status_code == 200, answer.request.url

        made = await client.reserve(show, [2], by="anna", version=1)
        assert outcome(made) == (201, None)
        assert (await writer_logins(recording_owner, show))[session("anna")] == V1
        assert outcome(await client.reserve(show, [1, 2], by="ben", version=1)) == (409, "SEATS_UNAVAILABLE")
        assert outcome(await client.hold(token)) == (200, None)
        assert (await client.get(f"/api/shows/{show.show_id}/seats")).json()["seats_available"] == 38
        assert (await client.get("/api/shows")).status_code == 200
        assert (await client.release(reservation_token=token, version=1)).json()["released_seat_ids"] == [1]
        by_id = await client.release(
            reservation_id=made.json()["reservation_id"], session_id=session("anna"), version=1
        )
        assert by_id.json()["released_seat_ids"] == [2]
        assert await db.claims(show) == {}

        await rollback.undo(recording_owner)

        assert (await client.get("/health/ready")).status_code == 200
        assert outcome(await client.reserve(show, [5], by="carl")) == (201, None)
        assert outcome(await client.best(show, 2, session_id=session("dora"))) == (201, None)
    assert await db.check(show) == []


async def test_after_the_full_rollback_a_seat_is_sold_through_version_1(
    dsns: Dsns, recording_owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    show = await put_on_sale(recording_owner)
    async with running(dsns) as application, application.client() as client:
        await rollback.full(recording_owner)
        made = held(show, await client.reserve(show, [2, 3], by="anna", version=1), "anna")
        order = await db.order(made, price_minor=2500, fee_minor=100)
        intent = (await db.begin_payment(show, order, mint_id(show.show_id))).payment_intent_id
        assert intent is not None

        paying = await client.release(reservation_id=str(made.reservation_id), session_id=session("anna"), version=1)
        assert outcome(paying) == (409, "ORDER_BEING_PAID")
        await db.set_intent(show, intent, "authorized")
        sold = await db.complete(show, order, intent)
        assert (sold.outcome, sold.status, len(sold.ticket_ids)) == ("OK", "confirmed", 2)
        assert (await db.pay(show, order, intent)).status == "paid"
        assert (await db.refund(show, order, seat_ids=[3])).status == "partially_refunded"

        assert outcome(await client.reserve(show, [2], by="ben", version=1)) == (409, "SEATS_UNAVAILABLE")
        assert outcome(await client.reserve(show, [3], by="ben", version=1)) == (201, None)
    assert await db.claims(show) == {2: "sold", 3: session("ben")}
    assert await db.check(show) == []


async def test_without_any_function_version_1_and_the_seat_map_work_and_the_office_is_told_what_is_missing(
    dsns: Dsns, recording_owner: psycopg.AsyncConnection
) -> None:
    show = await put_on_sale(recording_owner)
    async with running(dsns) as application, application.client() as client:
        assert outcome(await client.reserve(show, [1], by="before")) == (201, None)
        for name in functions():
            await recording_owner.execute(f"drop function rowlock.{name}".encode())

        for answer in await _office(client, show):
            assert "rowlock migrate" in problem(answer, 503, "FUNCTIONS_MISSING")["detail"], answer.request.url
        assert outcome(await client.reserve(show, [2], by="anna", version=1)) == (201, None)
        assert outcome(await client.reserve(show, [1, 2], by="ben", version=1)) == (409, "SEATS_UNAVAILABLE")
        assert (await client.get(f"/api/shows/{show.show_id}/seats")).json()["seats_available"] == 38


async def _office(client: Api, show: Show) -> list[httpx.Response]:
    """The answers to what operators and staff do besides holds."""
    admin = {"x-api-key": ADMIN_KEY}
    block = {"seat_ids": [9], "reason": "camera"}
    return [
        await client.post("/api/admin/cleanup", headers=admin),
        await client.get("/api/admin/statistics", headers=admin),
        await client.post(f"/api/admin/shows/{show.show_id}/block", json=block, headers=admin),
        await client.post(
            f"/api/admin/shows/{show.show_id}/unblock", json={"seat_ids": block["seat_ids"]}, headers=admin
        ),
    ]


async def _claims_are_written(owner: psycopg.AsyncConnection) -> bool:
    """Whether a transaction that has not ended has written claims."""
    cursor = await owner.execute(
        "select exists (select from pg_locks where relation = 'rowlock.show_seats'::regclass "
        "and mode = 'RowExclusiveLock' and pid <> pg_backend_pid())"
    )
    return await cursor.fetchone() == (True,)


async def test_buyers_of_both_versions_never_get_the_same_seat(
    dsns: Dsns, recording_owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    async with (
        running(dsns, v2_rollout_percent=0) as old,
        running(dsns) as new,
        old.client() as first,
        new.client() as second,
    ):
        versions = set()
        for version_first in (1, 2, 1, 2, 1, 2):
            show = await put_on_sale(recording_owner)
            rivals = [(1, first), (2, second)] if version_first == 1 else [(2, second), (1, first)]
            # Version 1 takes many round trips, so on every other show one of its requests has the seats first.
            ahead = asyncio.ensure_future(rivals[0][1].reserve(show, [6, 7], by="ahead", version=version_first))
            while version_first == 1 and not ahead.done() and not await _claims_are_written(recording_owner):
                pass
            answers = await asyncio.gather(
                ahead,
                *(
                    client.reserve(show, [6, 7] if number % 2 else [7, 8], by=f"{version}-{number}", version=version)
                    for number in range(6)
                    for version, client in rivals
                ),
            )
            assert sorted(answer.status_code for answer in answers) == [201] + [409] * 12
            assert {answer.json().get("code") for answer in answers} == {None, "SEATS_UNAVAILABLE"}
            assert await db.check(show) == []
            versions |= set((await writer_logins(recording_owner, show)).values())
        assert versions == {V1, V2}, "One version made no reservation, so nothing was compared."


async def test_a_hold_of_one_version_can_be_used_with_the_other(
    dsns: Dsns, owner: psycopg.AsyncConnection, db: SeatDb
) -> None:
    show: Show = await put_on_sale(owner)
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        old = (await client.reserve(show, [1, 2], by="anna", version=1)).json()
        new = (await client.reserve(show, [3, 4], by="ben")).json()

        assert outcome(await client.reserve(show, [5], by="anna")) == (409, "DUPLICATE_RESERVATION")
        assert outcome(await client.reserve(show, [5], by="ben", version=1)) == (409, "DUPLICATE_RESERVATION")
        assert (await client.extend(old["reservation_token"])).json()["extension_count"] == 1
        assert (await client.change(old["reservation_token"], add=[5], remove=[1])).json()["seat_ids"] == [2, 5]
        assert (await client.release(reservation_token=old["reservation_token"])).json()["released_seat_ids"] == [2, 5]
        released = await client.release(reservation_token=new["reservation_token"], version=1)
        assert released.json()["released_seat_ids"] == [3, 4]

    assert ReservationToken.parse(old["reservation_token"]) is not None
    assert await db.claims(show) == {}
    assert await db.check(show) == []


async def test_a_key_is_the_same_request_to_both_versions(dsns: Dsns, owner: psycopg.AsyncConnection) -> None:
    """A session that the rollout moves to version 2 between a request and its repetition."""
    show = await put_on_sale(owner)
    async with running(dsns, v2_rollout_percent=0) as application, application.client() as client:
        answers = await asyncio.gather(
            *(client.reserve(show, [1, 2], by="anna", key="order-1", version=number % 2 + 1) for number in range(6))
        )

    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.json()["reservation_token"] for answer in answers}) == 1
