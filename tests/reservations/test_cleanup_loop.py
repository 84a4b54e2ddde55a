"""The cleanup loop: retires expired holds, records a heartbeat, and retries less and less often what is locked."""

from uuid import UUID

from psycopg import AsyncConnection
from structlog.testing import capture_logs

from rowlock.reservations.jobs import CleanupLoop
from tests.support.answers import Reserved, Show
from tests.support.seatdb import SeatDb


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.seconds_a_look = 0.0

    def __call__(self) -> float:
        self.seconds += self.seconds_a_look
        return self.seconds


async def lapsed(db: SeatDb, show: Show, seats: list[int], holder: str) -> Reserved:
    hold = await db.reserve(show, seats=seats, holder=holder)
    await db.age(hold, minutes=11)
    return hold


async def runs(db: SeatDb) -> list[tuple[str, int]]:
    """(run by, reservations expired) of the cleanup runs, newest first."""
    return [(run["run_by"], run["reservations_expired"]) for run in await db.cleanup_runs()]


async def after_first_heartbeat(connection: AsyncConnection, clock: Clock, **options: int) -> CleanupLoop:
    """A loop that has recorded its first heartbeat, so that the next is a minute away."""
    loop = CleanupLoop(clock=clock, **options)
    await loop.work(connection)
    return loop


async def test_a_hold_that_ran_out_is_retired_at_the_next_look(db: SeatDb, show: Show, worker: AsyncConnection) -> None:
    loop = await after_first_heartbeat(worker, Clock())
    hold = await lapsed(db, show, [1, 2], "anna")
    live = await db.reserve(show, seats=[3], holder="ben")

    assert await loop.work(worker) == 1.0

    assert (await db.reservation(hold))["status"] == "expired"
    assert (await db.reservation(live))["status"] == "active"
    assert await db.claims(show) == {3: "ben"}
    assert (await db.events(show))[-1] == ("expired", [1, 2], None)
    assert await runs(db) == [("worker", 1), ("worker", 0)]
    assert await db.check() == []


async def test_a_look_that_finds_no_expired_hold_writes_nothing(
    db: SeatDb, show: Show, worker: AsyncConnection
) -> None:
    clock = Clock()
    loop = await after_first_heartbeat(worker, clock)
    await db.reserve(show, seats=[1], holder="anna")

    for _ in range(59):
        clock.seconds += 1
        assert await loop.work(worker) == 1.0

    assert await runs(db) == [("worker", 0)]


async def test_a_run_is_recorded_each_minute_as_a_heartbeat(db: SeatDb, worker: AsyncConnection) -> None:
    clock = Clock()
    loop = await after_first_heartbeat(worker, clock)

    for _ in range(120):
        clock.seconds += 1
        await loop.work(worker)

    assert await runs(db) == [("worker", 0)] * 3


async def test_a_backlog_is_retired_batch_by_batch_with_pauses_for_other_transactions(
    db: SeatDb, show: Show, worker: AsyncConnection
) -> None:
    clock = Clock()
    loop = await after_first_heartbeat(worker, clock, batch=2, pause_factor=3)
    clock.seconds_a_look = 0.5
    for seat in range(1, 6):
        await lapsed(db, show, [seat], f"holder {seat}")

    with capture_logs() as log:
        pauses = [await loop.work(worker) for _ in range(3)]

    assert pauses == [1.5, 1.5, 1.0], "three times what a batch took, and a whole second when all is done"
    assert [(line["event"], line["reservations"], line["seats"]) for line in log] == [("holds_expired", 5, 5)]
    assert await runs(db) == [("worker", 1), ("worker", 2), ("worker", 2), ("worker", 0)]
    assert await db.claims(show) == {}


async def test_a_backlog_of_whole_batches_ends_with_a_look_that_finds_none(
    db: SeatDb, show: Show, worker: AsyncConnection
) -> None:
    loop = await after_first_heartbeat(worker, Clock(), batch=2)
    for seat in range(1, 3):
        await lapsed(db, show, [seat], f"holder {seat}")

    assert [await loop.work(worker) for _ in range(2)] == [0.0, 1.0]


async def test_holds_that_another_transaction_has_locked_are_retried_less_and_less_often(
    db: SeatDb, show: Show, worker: AsyncConnection
) -> None:
    loop = await after_first_heartbeat(worker, Clock())
    hold = await lapsed(db, show, [1], "anna")

    async with await AsyncConnection.connect(db.dsns.owner) as other:
        await other.execute(
            "select from rowlock.seat_reservations where reservation_id = %s for update", [hold.reservation_id]
        )
        pauses = [await loop.work(worker) for _ in range(8)]
        await other.rollback()

    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert await loop.work(worker) == 1.0
    assert (await db.reservation(hold))["status"] == "expired"


async def test_a_cleanup_that_fails_is_tried_again_later(db: SeatDb, show: Show, worker: AsyncConnection) -> None:
    loop = await after_first_heartbeat(worker, Clock())
    await lapsed(db, show, [1], "anna")
    await db.owner.execute(
        "alter table rowlock.seat_reservations add constraint no_expired_status check (status <> 'expired')"
    )

    assert await loop.work(worker) == 2.0

    [newest, *_] = await db.cleanup_runs()
    assert newest["status"] == "failed"
    await db.owner.execute("alter table rowlock.seat_reservations drop constraint no_expired_status")
    assert await loop.work(worker) == 1.0
    assert await db.claims(show) == {}


async def test_while_paused_it_retires_nothing_and_only_asks_each_second(
    db: SeatDb, show: Show, worker: AsyncConnection
) -> None:
    clock = Clock()
    loop = await after_first_heartbeat(worker, clock)
    hold = await lapsed(db, show, [1], "anna")
    await db.pause_cleanup()

    with capture_logs() as log:
        for _ in range(120):
            clock.seconds += 1
            assert await loop.work(worker) == 1.0

    assert [(line["event"], line["log_level"]) for line in log] == [("cleanup_paused", "info")]
    assert (await db.reservation(hold))["status"] == "active"
    assert await runs(db) == [("worker", 0)], "the heartbeat from before the pause"


async def test_the_first_look_after_a_pause_retires_what_ran_out(
    db: SeatDb, show: Show, worker: AsyncConnection
) -> None:
    loop = await after_first_heartbeat(worker, Clock())
    await lapsed(db, show, [1, 2], "anna")
    await db.pause_cleanup()
    await loop.work(worker)

    await db.resume_cleanup()
    with capture_logs() as log:
        assert await loop.work(worker) == 1.0

    assert {line["event"] for line in log} == {"holds_expired", "cleanup_resumed"}
    assert await db.claim_rows(show) == {}
    assert await runs(db) == [("worker", 1), ("worker", 0)]


async def test_the_first_look_after_a_pause_records_a_run_also_without_work(
    db: SeatDb, worker: AsyncConnection
) -> None:
    clock = Clock()
    loop = await after_first_heartbeat(worker, clock)
    await db.pause_cleanup()
    clock.seconds += 60
    await loop.work(worker)
    await db.resume_cleanup()
    await loop.work(worker)
    await loop.work(worker)

    assert await runs(db) == [("worker", 0)] * 2


async def test_a_pause_stops_a_backlog_between_two_batches(db: SeatDb, show: Show, worker: AsyncConnection) -> None:
    loop = await after_first_heartbeat(worker, Clock(), batch=2)
    for seat in range(1, 6):
        await lapsed(db, show, [seat], f"holder {seat}")

    with capture_logs() as log:
        await loop.work(worker)
        await db.pause_cleanup()
        assert await loop.work(worker) == 1.0
        assert len(await db.claim_rows(show)) == 3
        await db.resume_cleanup()
        await loop.work(worker)
        await loop.work(worker)

    assert await db.claim_rows(show) == {}
    assert [(line["event"], line.get("reservations")) for line in log] == [
        ("holds_expired", 2),
        ("cleanup_paused", None),
        ("cleanup_resumed", None),
        ("holds_expired", 3),
    ]


async def test_two_loops_share_the_work_and_count_nothing_twice(
    db: SeatDb, show: Show, worker: AsyncConnection
) -> None:
    one, other = await after_first_heartbeat(worker, Clock()), await after_first_heartbeat(worker, Clock())
    holds = [await lapsed(db, show, [seat], f"holder {seat}") for seat in range(1, 4)]

    await one.work(worker)
    await other.work(worker)

    events = [row.reservation_id for row in await db.audit(show) if row.event == "expired"]
    expected: list[UUID | None] = [hold.reservation_id for hold in holds]
    assert sorted(map(str, events)) == sorted(map(str, expected))
