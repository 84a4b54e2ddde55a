"""Expiry is a fact: an expired seat is sold to the next holder who asks, and a hold that ran out while its owner waited
for a lock can no longer be used.

Time passes by a clock of the test's own, or by moving a deadline under a lock. Each rule is tried with a planted
mistake as well, which must break it.
"""

import asyncio

import pytest

from tests.support.answers import Reserved, Show
from tests.support.seatdb import SeatDb
from tests.support.steps import Mutant, load_test_build, stepping, wait_until_blocked


async def test_an_expired_hold_can_be_taken_while_every_cleanup_is_off(db: SeatDb, show: Show) -> None:
    first = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(first, minutes=11)

    second = await db.reserve(show, seats=[2, 3], holder="ben")

    assert second.outcome == "OK"
    assert await db.claims(show) == {2: "ben", 3: "ben"}  # Seat 1 is free.
    assert await db.cleanup_runs() == []
    assert await db.check() == []


async def test_the_last_moment_of_a_hold_is_its_holders(db: SeatDb, show: Show) -> None:
    await load_test_build(db.owner, clock=True)
    async with stepping(db, sessions=1) as steps:
        anna = await db.reserve(show, seats=[1], holder="anna")

        await steps.set_clock_ahead(seconds=570)
        assert (await db.reserve(show, seats=[1], holder="ben")).outcome == "SEATS_UNAVAILABLE"
        await steps.set_clock_ahead(seconds=601)
        assert (await db.extend(anna)).outcome == "RESERVATION_EXPIRED"
        assert (await db.reserve(show, seats=[1], holder="ben")).outcome == "OK"


async def extend(db: SeatDb, hold: Reserved) -> str:
    return (await db.extend(hold)).outcome


async def change(db: SeatDb, hold: Reserved) -> str:
    return (await db.change(hold, add=[3])).outcome


# What a holder may do too late, and the function that has to refuse it.
LATE = {"extend": ("extend_reservation_atomic", extend), "change": ("change_seats_within_limits", change)}


@pytest.mark.parametrize("operation", LATE)
@pytest.mark.parametrize("clock", ["clock_timestamp()", "now()"])
async def test_a_hold_that_runs_out_while_its_lock_is_awaited_is_lost(
    db: SeatDb, show: Show, operation: str, clock: str
) -> None:
    function, call = LATE[operation]
    planted = [Mutant(function, "clock_timestamp()", clock)] if clock == "now()" else []
    await load_test_build(db.owner, mutants=planted)
    hold = await db.reserve(show, seats=[1, 2], holder="anna")

    async with db.another() as anna:
        async with db.owner.transaction():
            await db.owner.execute("select from rowlock.seat_reservations for update")
            answer = asyncio.ensure_future(call(anna, hold))
            await wait_until_blocked(db.owner, anna.app)
            await db.owner.execute("update rowlock.seat_reservations set expires_at = clock_timestamp()")
            await db.owner.execute("update rowlock.show_seats set reserved_until = clock_timestamp()")
        outcome = await answer

    assert outcome == ("RESERVATION_EXPIRED" if clock == "clock_timestamp()" else "OK")


SEATS_LOCKED = "    -- step: seats_locked\n\n    v_now := clock_timestamp();\n"


@pytest.mark.parametrize(
    ("operation", "planted"),
    [
        ("extend", []),
        ("change", []),
        (
            "extend",
            [
                Mutant("extend_reservation_atomic", SEATS_LOCKED, "    -- step: seats_locked\n"),
                Mutant(
                    "extend_reservation_atomic",
                    "    -- step: reservation_locked\n",
                    "    v_now := clock_timestamp();\n    -- step: reservation_locked\n",
                ),
            ],
        ),
        (
            "change",
            [Mutant("change_seats_within_limits", "v_now := clock_timestamp();\n        v_missing", "v_missing")],
        ),
    ],
)
async def test_a_hold_that_runs_out_while_its_seats_are_awaited_is_lost(
    db: SeatDb, show: Show, operation: str, planted: list[Mutant]
) -> None:
    _, call = LATE[operation]
    await load_test_build(db.owner, clock=True, mutants=planted)
    hold = await db.reserve(show, seats=[1, 2], holder="anna")

    async with stepping(db, sessions=1) as steps:
        (anna,) = steps.sessions
        await steps.set_clock_ahead(seconds=570)
        await anna.start(lambda own: call(own, hold))
        await anna.run_to("seats_locked")
        await steps.set_clock_ahead(seconds=601)
        outcome = await anna.finish()

    assert outcome == ("OK" if planted else "RESERVATION_EXPIRED")
    if not planted:
        assert [row.error_code for row in await db.audit(show)] == [None, "RESERVATION_EXPIRED"]
        assert set(await db.claim_rows(show)) == {1, 2}


NO_GUARD = Mutant(
    "reserve_seats_batch",
    "where c.status = 'reserved' and c.reserved_until <= clock_timestamp()\n            returning",
    "returning",
)


@pytest.mark.parametrize("planted", [[], [NO_GUARD]], ids=["", "no_guard"])
async def test_an_extension_that_commits_first_is_never_overrun(db: SeatDb, show: Show, planted: list[Mutant]) -> None:
    await load_test_build(db.owner, clock=True, mutants=planted)
    hold = await db.reserve(show, seats=[1, 2], holder="anna")

    async with stepping(db, sessions=2) as steps:
        anna, ben = steps.sessions
        await steps.set_clock_ahead(seconds=570)
        await anna.start(lambda own: own.extend(hold))
        await anna.run_to("written")
        # By what is committed the hold has run out, so ben goes for its seats, and waits for anna's extension.
        await steps.set_clock_ahead(seconds=601)
        await ben.start(lambda own: own.reserve(show, seats=[2, 3], holder="ben"))
        await ben.run_to("holders_locked")
        await ben.step()
        assert ben.blocked
        extended = await anna.finish()
        reserved = await ben.finish()

    assert extended.outcome == "OK"
    if planted:
        assert reserved.outcome == "OK"
    else:
        assert (reserved.outcome, reserved.unavailable_seat_ids) == ("SEATS_UNAVAILABLE", [2])
        assert set(await db.claim_rows(show)) == {1, 2}
        assert await db.check() == []


async def test_the_holder_cannot_renew_by_reserving_while_an_extension_commits(db: SeatDb, show: Show) -> None:
    await load_test_build(db.owner, clock=True)
    hold = await db.reserve(show, seats=[1], holder="anna")

    async with stepping(db, sessions=2) as steps:
        one, two = steps.sessions
        await steps.set_clock_ahead(seconds=570)
        await one.start(lambda own: own.extend(hold))
        await one.run_to("written")
        await steps.set_clock_ahead(seconds=601)
        await two.start(lambda own: own.reserve(show, seats=[2], holder="anna"))
        await two.run_to("judged")
        await two.step()
        assert two.blocked
        assert (await one.finish()).outcome == "OK"
        assert (await two.finish()).outcome == "DUPLICATE_RESERVATION"

    assert set(await db.claim_rows(show)) == {1}


async def test_waiting_for_locks_costs_the_buyer_no_time_of_the_hold(db: SeatDb, show: Show) -> None:
    await load_test_build(db.owner, clock=True)

    async with stepping(db, sessions=1) as steps:
        (anna,) = steps.sessions
        await anna.start(lambda own: own.reserve(show, seats=[1, 2], holder="anna"))
        await anna.run_to("holders_locked")
        await steps.set_clock_ahead(seconds=90)
        reserved = await anna.finish()

    assert 599 < reserved.hold.total_seconds() <= 600
    row = await db.reservation(reserved)
    assert (row["expires_at"], (row["expires_at"] - row["created_at"]).total_seconds()) == (reserved.expires_at, 600)
    assert await db.check() == []


async def test_an_expired_hold_is_no_excuse_for_a_live_one_of_another_holder(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(anna, minutes=11)
    await db.reserve(show, seats=[2], holder="ben")

    assert (await db.reserve(show, seats=[1, 2], holder="carl")).unavailable_seat_ids == [2]
    assert (await db.extend(anna)).outcome == "RESERVATION_EXPIRED"
    assert (await db.change(anna, add=[5])).outcome == "RESERVATION_EXPIRED"
    assert await db.claims(show) == {2: "ben"}
