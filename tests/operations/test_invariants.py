"""The invariant check finds nothing in a consistent database, however busy, and counts what it finds elsewhere."""

import asyncio
import random

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.operations.model import INVARIANTS, LISTED_PER_INVARIANT, InvariantReport, report_as_json, report_as_text
from rowlock.operations.service import Operations
from rowlock.operations.store import check_invariants, find_violations
from tests.operations.conftest import Busy
from tests.support.answers import Show
from tests.support.halls import put_on_sale
from tests.support.seatdb import SeatDb

LOG = "rowlock.seat_reservation_audit_log"


async def test_nothing_is_wrong_with_a_busy_database(busy: Busy, db: SeatDb) -> None:
    found = await check_invariants(db.owner)

    assert found.violations_total == 0, report_as_text(found)
    assert [result.invariant for result in found.results] == list(INVARIANTS)


async def check(dsns: Dsns) -> InvariantReport:
    """As `rowlock check` does it: the service, on a connection of its own."""
    return await Operations(Cells(DirectDatabase(dsns, application_name="rowlock check"))).check_invariants()


async def test_an_empty_database_is_in_order(dsns: Dsns) -> None:
    assert (await check(dsns)).violations_total == 0


async def test_a_lapsed_hold_may_have_lost_seats_to_others(busy: Busy, db: SeatDb) -> None:
    claims = await db.claim_rows(busy.show)

    assert claims[3] == ("reserved", busy.taken.reservation_id)
    assert claims[4] == ("reserved", busy.taker.reservation_id)
    assert await find_violations(db.owner) == []


@pytest.mark.parametrize(
    "limits",
    [
        {"max_seats_per_reservation": 1},
        {"max_extensions": 0},
        {"extension_seconds": 0},
        {"hold_seconds": 1, "max_hold_seconds": 1},
    ],
    ids=str,
)
async def test_limits_that_were_lowered_after_holds_were_made_are_no_violation(
    busy: Busy, db: SeatDb, limits: dict[str, object]
) -> None:
    await db.set_show(busy.show, **limits)

    assert await find_violations(db.owner) == []
    assert await db.check(busy.show) == []


async def test_extensions_that_were_logged_in_an_archived_partition_are_no_violation(
    busy: Busy, db: SeatDb, superuser: psycopg.AsyncConnection
) -> None:
    await superuser.execute(f"delete from {LOG} where event = 'extended'")
    assert [violation.code for violation in await find_violations(db.owner)] == ["LIMIT_EXCEEDED"]

    await db.age(busy.live, minutes=90 * 24 * 60)

    assert await find_violations(db.owner) == []


async def test_many_violations_are_counted_and_the_first_are_listed(
    dsns: Dsns, db: SeatDb, superuser: psycopg.AsyncConnection
) -> None:
    show = await put_on_sale(db.owner)
    await superuser.execute(
        "insert into rowlock.show_seats (show_id, seat_id, status, block_reason) "
        "select %s, 1000 + n, 'blocked', 'ghost' from generate_series(1, %s) as n",
        [show.show_id, LISTED_PER_INVARIANT + 5],
    )

    found = await check(dsns)

    result = next(result for result in found.results if result.invariant.code == "SEAT_NOT_IN_PLAN")
    assert result.violations_total == LISTED_PER_INVARIANT + 5
    assert len(result.violations) == LISTED_PER_INVARIANT
    assert "… and 5 more." in report_as_text(found)
    assert report_as_json(found)["ok"] is False


async def test_shows_whose_first_events_are_in_an_archived_partition_are_no_violation(
    busy: Busy, db: SeatDb, superuser: psycopg.AsyncConnection
) -> None:
    await superuser.execute("update rowlock.shows set created_at = created_at - interval '3 months'")
    await superuser.execute(
        "update rowlock.seat_reservations set created_at = created_at - interval '3 months' where status <> 'active'"
    )
    await superuser.execute(f"delete from {LOG} where event = 'created' and seat_ids && '{{10,16,7,30,33}}'")

    assert await find_violations(db.owner) == []


async def test_the_invariant_check_finds_nothing_while_sales_go_on(dsns: Dsns, db: SeatDb) -> None:
    show = await put_on_sale(db.owner)
    done = asyncio.Event()

    async def sell_at_random(number: int) -> None:
        rng = random.Random(number)
        async with db.another() as buyer:
            for turn in range(40):
                await _one_sale(buyer, show, rng, f"{number}-{turn}")

    async def keep_checking() -> list[int]:
        totals = []
        while not done.is_set():
            totals.append((await check(dsns)).violations_total)
        return totals

    checking = asyncio.create_task(keep_checking())
    try:
        await asyncio.gather(*(sell_at_random(number) for number in range(4)))
    finally:
        done.set()
    totals = await checking

    assert len(totals) > 1
    assert not any(totals)
    assert await find_violations(db.owner) == []


async def _one_sale(buyer: SeatDb, show: Show, rng: random.Random, holder: str) -> None:
    seats = rng.sample(range(1, 41), rng.randint(1, 4))
    hold = await buyer.reserve(show, seats=seats, holder=holder)
    if hold.outcome != "OK":
        return
    match rng.randint(0, 4):
        case 0:
            await buyer.complete(show, await buyer.order(hold))
        case 1:
            await buyer.change(hold, add=[rng.randint(1, 40)])
            await buyer.release(hold)
        case 2:
            await buyer.age(hold, minutes=11)
        case 3:
            await buyer.extend(hold)
            await buyer.release(hold)
        case _:
            await buyer.cleanup()
            await buyer.release(hold)
