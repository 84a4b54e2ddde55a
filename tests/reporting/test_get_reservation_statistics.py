"""get_reservation_statistics: what happened to reservations, counted from the audit log."""

from decimal import Decimal

from tests.support.answers import Show, Statistics
from tests.support.seatdb import SeatDb


async def make_holds_that_end_in_every_way(db: SeatDb, show: Show) -> None:
    """Six holds: one is live, one is paid for, one is released, three expire. Three requests are refused."""
    await db.reserve(show, seats=[1], holder="live")
    paid = await db.reserve(show, seats=[2], holder="paid")
    await db.age(paid, minutes=2)
    await db.complete(show, await db.order(paid))
    given_back = await db.reserve(show, seats=[3], holder="released")
    await db.age(given_back, minutes=3)
    await db.release(given_back)
    for seat in (4, 5, 6):
        await db.age(await db.reserve(show, seats=[seat], holder=f"late {seat}"), minutes=20)
    await db.cleanup()
    await db.reserve(show, seats=[1], holder="refused")
    await db.reserve(show, seats=[41], holder="refused")
    await db.extend(given_back)


async def test_everything_is_counted_exactly_once(db: SeatDb, show: Show) -> None:
    await make_holds_that_end_in_every_way(db, show)

    statistics = await db.statistics(show)

    assert (
        statistics.total_created,
        statistics.total_completed,
        statistics.total_expired,
        statistics.total_released,
        statistics.total_failed,
    ) == (6, 1, 3, 1, 3)
    assert statistics.expiration_rate == Decimal("0.6000")
    # (120 + 180 + 3 x 600) / 5, and the time that the test itself took.
    assert 420 <= statistics.avg_hold_time_seconds < 432


async def test_blocks_extensions_and_changes_are_not_counted(db: SeatDb, show: Show) -> None:
    await db.block(show, seats=[1])
    await db.unblock(show, seats=[1])
    anna = await db.reserve(show, seats=[1], holder="anna")
    await db.extend(anna)
    await db.change(anna, add=[2])

    assert await db.statistics(show) == Statistics(1, 0, 0, 0, 0, None, None)


async def test_a_show_without_holds_has_no_mean_and_no_rate(db: SeatDb, show: Show) -> None:
    assert await db.statistics(show) == Statistics(0, 0, 0, 0, 0, None, None)


async def test_without_a_show_all_shows_are_counted(db: SeatDb, show: Show) -> None:
    other = await db.make_show()
    await make_holds_that_end_in_every_way(db, show)
    await db.reserve(other, seats=[1], holder="anna")

    assert (await db.statistics()).total_created == 7
    assert (await db.statistics(other)).total_created == 1


async def test_a_hold_that_its_holders_next_request_retires_counts_as_expired(db: SeatDb, show: Show) -> None:
    await db.age(await db.reserve(show, seats=[1], holder="anna"), minutes=11)
    await db.reserve(show, seats=[2], holder="anna")

    statistics = await db.statistics(show)

    assert (statistics.total_created, statistics.total_expired) == (2, 1)
    assert (statistics.avg_hold_time_seconds, statistics.expiration_rate) == (600, 1)


async def test_events_before_the_given_hours_are_not_counted(db: SeatDb, show: Show) -> None:
    await db.owner.execute(
        """
        insert into rowlock.seat_reservation_audit_log (show_id, event, at)
        select %s, 'created', clock_timestamp() - h * interval '1 hour' from unnest(array[0.5, 1.5, 23.5, 24.5]) as h
        """,
        [show.show_id],
    )

    assert [(await db.statistics(show, hours=hours)).total_created for hours in (1, 2, 24, 48)] == [1, 2, 3, 4]
