"""A buyer whose connection is cut asks again with the same reservation id: answered the same, reserved once."""

from uuid import uuid4

import psycopg
import pytest

from tests.support.answers import Reserved, Show, token
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer
from tests.support.steps import load_test_build, stepping


async def test_a_retry_after_the_commit_answers_the_same_and_reserves_nothing(
    db: SeatDb, show: Show, server: TestServer
) -> None:
    reservation_id = uuid4()
    lost = await psycopg.AsyncConnection.connect(db.dsns.app, autocommit=True)
    # Sent, and never read: what a client has done whose connection breaks before the answer comes.
    lost.pgconn.send_query_params(
        b"select * from rowlock.reserve_seats_atomic($1, $2, 'anna', p_reservation_id => $3)",
        [str(show.show_id).encode(), b"{1,2}", str(reservation_id).encode()],
    )
    while lost.pgconn.flush():
        pass
    while not await db.claims(show):
        pass
    await cut(server, lost)
    lost.pgconn.finish()

    retry = await db.reserve(show, seats=[1, 2], holder="anna", reservation_id=reservation_id)

    await assert_reserved_once(db, retry, reservation_id)
    row = await db.reservation(retry)
    assert retry.expires_at == row["expires_at"]


async def test_a_retry_after_a_cut_before_the_commit_reserves(db: SeatDb, show: Show, server: TestServer) -> None:
    await load_test_build(db.owner)
    reservation_id = uuid4()
    async with stepping(db, sessions=1) as steps:
        (lost,) = steps.sessions
        await lost.start(lambda own: own.reserve(show, seats=[1, 2], holder="anna", reservation_id=reservation_id))
        await lost.run_to("written")
        await cut(server, lost.db.app)
        assert lost.task is not None
        with pytest.raises(psycopg.OperationalError):
            await lost.task

    retry = await db.reserve(show, seats=[1, 2], holder="anna", reservation_id=reservation_id)

    await assert_reserved_once(db, retry, reservation_id)


@pytest.mark.parametrize("fate", ["commits", "dies"])
async def test_a_retry_that_meets_its_own_first_try_waits_for_it(
    db: SeatDb, show: Show, server: TestServer, fate: str
) -> None:
    await load_test_build(db.owner)
    reservation_id = uuid4()
    async with stepping(db, sessions=2) as steps:
        first, second = steps.sessions
        for session in (first, second):
            await session.start(
                lambda own: own.reserve(
                    show, seats=[1, 2], holder="anna", reservation_id=reservation_id, secret=token("anna's")
                )
            )
        await first.run_to("written")
        await second.step()
        assert second.blocked
        if fate == "dies":
            await cut(server, first.db.app)
        else:
            assert (await first.finish()).outcome == "OK"
        await steps.settle()
        retry = await second.finish()

    await assert_reserved_once(db, retry, reservation_id)


async def test_each_other_call_may_be_repeated_after_its_answer_was_lost(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")

    changes = [await db.change(anna, add=[3], remove=[1]) for _ in range(2)]
    assert [(c.outcome, c.seat_ids) for c in changes] == [("OK", [2, 3])] * 2
    releases = [await db.release(anna) for _ in range(2)]
    assert [(r.outcome, r.released_seat_ids) for r in releases] == [("OK", [2, 3])] * 2
    blocks = [await db.block(show, seats=[1]) for _ in range(2)]
    assert [b.outcome for b in blocks] == ["OK"] * 2
    unblocks = [await db.unblock(show, seats=[1]) for _ in range(2)]
    assert [(u.outcome, u.seat_ids) for u in unblocks] == [("OK", [1]), ("OK", [])]
    assert [event for event, _, _ in await db.events(show)] == [
        "created", "changed", "released", "blocked", "blocked", "unblocked",
    ]  # fmt: skip


async def cut(server: TestServer, connection: psycopg.AsyncConnection) -> None:
    """End the server's side of a connection, and wait until it is gone."""
    pid = connection.info.backend_pid
    dsn = server.superuser_dsn(connection.info.dbname)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
        await admin.execute("select pg_terminate_backend(%s, 60000)", [pid])


async def assert_reserved_once(db: SeatDb, retry: Reserved, reservation_id: object) -> None:
    assert (retry.outcome, retry.reservation_id, retry.seat_ids) == ("OK", reservation_id, [1, 2])
    assert await db.claims(retry.show) == {1: "anna", 2: "anna"}
    assert await db.events(retry.show) == [("created", [1, 2], None)]
    assert len(await db.reservations(retry.show)) == 1
    assert await db.check() == []
