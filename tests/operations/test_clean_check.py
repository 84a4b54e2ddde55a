"""What tests of attacks end with can fail: it finds a claim without its hold, and a changed plan."""

import pytest

from rowlock.base.dsns import Dsns
from tests.support.answers import Show
from tests.support.clean_check import assert_clean_check
from tests.support.seatdb import SeatDb


async def test_the_check_after_an_attack_finds_what_an_attack_left(db: SeatDb, dsns: Dsns, show: Show) -> None:
    hold = await db.reserve(show, seats=[1, 2], holder="anna")
    await assert_clean_check(dsns)
    await db.owner.execute("delete from rowlock.seat_reservations where reservation_id = %s", [hold.reservation_id])

    with pytest.raises(AssertionError, match="CLAIM_WITHOUT_RESERVATION"):
        await assert_clean_check(dsns)


async def test_a_plan_that_was_changed_is_found_as_well(db: SeatDb, dsns: Dsns, show: Show) -> None:
    await assert_clean_check(dsns)
    await db.owner.execute("update rowlock.seats set label = 'moved' where seat_id = 1")

    with pytest.raises(AssertionError, match="PLAN_CHANGED"):
        await assert_clean_check(dsns)
