"""move_show_atomic: a show goes to another plan only if every claimed seat stays the seat that it is."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue.model import Category, SeatingPlan, ShowInput
from rowlock.catalogue.price_list import Price, PriceChanges, PriceList
from rowlock.database.connections import connect
from rowlock.operations.store import find_violations
from tests.support.answers import Show
from tests.support.halls import hall, put_on_sale, services_on
from tests.support.seatdb import SeatDb

Connection = psycopg.AsyncConnection


async def publish(owner: Connection, plan: SeatingPlan, venue: str = "Playhouse") -> UUID:
    imported = await services_on(owner).catalogue.import_plan(plan, source_format="test", venue=venue)
    return imported.plan.plan_id


async def plan_of(owner: Connection, show: Show) -> UUID:
    cursor = await owner.execute("select plan_id from rowlock.shows where show_id = %s", [show.show_id])
    row = await cursor.fetchone()
    assert row is not None
    return UUID(str(row[0]))


@pytest.fixture
async def show(owner: Connection) -> Show:
    return await put_on_sale(owner, hall(10))


def with_seat(plan: SeatingPlan, seat_id: int, **changes: object) -> SeatingPlan:
    seats = [replace(s, **changes) if s.seat_id == seat_id else s for s in plan.seats]  # type: ignore[arg-type] # A field of Seat.
    return replace(plan, seats=tuple(seats))


async def test_a_show_moves_to_a_larger_plan_and_keeps_what_is_claimed(
    owner: Connection, db: SeatDb, show: Show
) -> None:
    sold = await db.reserve(show, seats=[1], holder="anna")
    assert (await db.complete(show, await db.order(sold))).outcome == "OK"
    held = await db.reserve(show, seats=[2, 3], holder="ben")
    await db.block(show, seats=[4], reason="camera")
    larger = await publish(owner, hall(12))
    before = await db.claims(show)

    moved = await db.move(show, larger)

    assert (moved.outcome, moved.plan_id, moved.seats_total) == ("OK", larger, 12)
    assert await db.claims(show) == before
    assert (await db.reserve(Show(show.show_id, 12), seats=[12], holder="carl")).outcome == "OK"
    assert (await db.extend(held)).outcome == "OK"
    assert await plan_of(owner, show) == larger
    row = next(row for row in await db.audit(show) if row.event == "moved")
    assert (row.actor, row.metadata["to_plan_id"]) == ("box office", str(larger))
    assert await find_violations(owner) == []


async def test_moving_again_changes_nothing(owner: Connection, db: SeatDb, show: Show) -> None:
    larger = await publish(owner, hall(12))
    await db.move(show, larger)
    events = await db.events(show)

    assert (await db.move(show, larger)).outcome == "OK"
    assert await db.events(show) == events


@pytest.mark.parametrize("state", ["sold", "held", "blocked", "pending"])
@pytest.mark.parametrize(
    ("change", "is_in_the_way"),
    [
        (lambda plan: with_seat(plan, 10, label="Row B, seat 1"), True),
        (lambda plan: with_seat(plan, 10, kind="wheelchair"), True),
        (lambda plan: replace(plan, seats=plan.seats[:9]), True),
        (lambda plan: with_seat(plan, 9, label="Row B, seat 1"), False),
        (lambda plan: with_seat(plan, 10, x=3.5, source_id="new"), False),
        (lambda plan: replace(plan, focal_point=(1.0, 2.0)), False),
    ],
)
async def test_a_claimed_seat_that_would_be_another_is_in_the_way(
    owner: Connection,
    db: SeatDb,
    show: Show,
    state: str,
    change: Callable[[SeatingPlan], SeatingPlan],
    is_in_the_way: bool,
) -> None:
    if state == "blocked":
        await db.block(show, seats=[10])
    else:
        hold = await db.reserve(show, seats=[10], holder="anna")
        order_id = None if state == "held" else await db.order(hold)
        if state == "sold" and order_id is not None:
            await db.complete(show, order_id)
        if state == "pending":  # The hold has run out, and its order can still be paid.
            await db.age(hold, minutes=11)
            await db.cleanup()
    plan_id, before, events = await publish(owner, change(hall(10))), await db.claims(show), await db.events(show)
    plan_before = await plan_of(owner, show)

    moved = await db.move(show, plan_id)

    assert (moved.outcome, moved.seat_ids) == (("SEATS_IN_THE_WAY", [10]) if is_in_the_way else ("OK", []))
    assert await db.claims(show) == before
    if is_in_the_way:
        assert await plan_of(owner, show) == plan_before
        assert await db.events(show) == events
    assert await find_violations(owner) == []


async def test_seats_of_a_hold_that_ran_out_are_not_in_the_way(owner: Connection, db: SeatDb, show: Show) -> None:
    lapsed = await db.reserve(show, seats=[9, 10], holder="anna")
    await db.age(lapsed, minutes=11)
    smaller = await publish(owner, hall(8))

    assert (await db.move(show, smaller)).outcome == "OK"

    assert await db.claims(show) == {}
    assert ("expired", [9, 10], None) in await db.events(show)
    assert (await db.reserve(show, seats=[9], holder="ben")).outcome == "SEATS_NOT_FOUND"
    assert await find_violations(owner) == []


async def test_what_the_plan_does_not_sell_is_blocked_anew(owner: Connection, db: SeatDb) -> None:
    show = await put_on_sale(owner, hall(10, crew=3))
    await db.reserve(show, seats=[1], holder="anna")
    other = await publish(owner, hall(11, crew=1))

    assert (await db.move(show, other)).outcome == "OK"

    assert await db.claims(show) == {1: "anna", 11: "blocked"}
    assert ("unblocked", [8, 9, 10], None) in await db.events(show)
    assert ("blocked", [11], None) in await db.events(show)
    assert await find_violations(owner) == []


async def test_prices_follow_the_names_of_categories(owner: Connection, db: SeatDb) -> None:
    plan = replace(hall(4), categories=(Category("Stalls"), Category("Box")))
    plan = with_seat(plan, 4, category=1)
    imported = await services_on(owner).catalogue.import_plan(plan, source_format="test", venue="Playhouse")
    given = ShowInput(imported.plan.plan_id, "Gala", "2100-01-01T20:00", {"Stalls": 1000, "Box": 9000})
    created = await services_on(owner).catalogue.create_show(given)
    show = Show(created.show_id, 4)
    await db.reserve(show, seats=[4], holder="anna")
    swapped = replace(plan, categories=(Category("Box"), Category("Stalls"), Category("Loge")))
    plan_id = await publish(owner, swapped)

    # The held seat would go from Box to Stalls.
    assert (await db.move(show, plan_id)).categories == ["Loge"]
    assert (await db.move(show, plan_id, {"Loge": 500})).seat_ids == [4]
    added = await publish(owner, replace(plan, categories=(Category("Stalls"), Category("Box"), Category("Loge"))))
    assert (await db.move(show, added, {"Loge": 500, "Stalls": 1})).outcome == "OK"

    found = await services_on(owner).catalogue.find_show(show.show_id)
    assert found is not None
    assert {price.category: price.amount_minor for price in found[1]} == {"Stalls": 1000, "Box": 9000, "Loge": 500}


async def test_holds_keep_prices_by_name_and_have_one_for_new_categories(owner: Connection, db: SeatDb) -> None:
    catalogue = services_on(owner).catalogue
    plan = with_seat(replace(hall(4), categories=(Category("Stalls"), Category("Box"))), 4, category=1)
    imported = await catalogue.import_plan(plan, source_format="test", venue="Playhouse")
    given = ShowInput(imported.plan.plan_id, "Gala", "2100-01-01T20:00", {"Stalls": 1000, "Box": 9000})
    show = Show((await catalogue.create_show(given)).show_id, 6)
    early = await db.reserve(show, seats=[1], holder="anna")
    await catalogue.update_show(show.show_id, {}, PriceChanges({"Stalls": 1100, "Box": 9900}))
    late = await db.reserve(show, seats=[2], holder="ben")
    # Box is the third category now. Seats 5 and 6 are of the new one, which has the number that Box had.
    larger = replace(hall(6), categories=(Category("Stalls"), Category("Loge"), Category("Box")))
    larger = with_seat(with_seat(with_seat(larger, 4, category=2), 5, category=1), 6, category=1)

    assert (await db.move(show, await publish(owner, larger), {"Loge": 500})).outcome == "OK"
    assert await find_violations(owner) == []
    assert (await db.change(early, add=[4, 5])).outcome == "OK"
    assert (await db.change(late, add=[6])).outcome == "OK"

    cursor = await owner.execute(
        "select h.seat_id, p.amount_minor from rowlock.seat_reservations as r "
        "cross join lateral unnest(r.seat_ids) as h (seat_id) join rowlock.shows as s using (show_id) "
        "join rowlock.seats as t on t.plan_id = s.plan_id and t.seat_id = h.seat_id "
        "left join rowlock.show_prices as p on p.show_id = r.show_id and p.price_version = r.price_version "
        "and p.category = t.category order by h.seat_id"
    )
    assert await cursor.fetchall() == [(1, 1000), (2, 1100), (4, 9000), (5, 500), (6, 500)]
    assert await find_violations(owner) == []


async def test_types_fees_and_taxes_go_along_and_a_new_category_gets_the_fee(owner: Connection, db: SeatDb) -> None:
    catalogue = services_on(owner).catalogue
    imported = await catalogue.import_plan(hall(4), source_format="test", venue="Playhouse")
    given = ShowInput(
        imported.plan.plan_id, "Gala", "2100-01-01T20:00", {"Stalls": 1000, "Stalls/child": 0},
        fee_per_ticket_minor=150, fee_per_order_minor=200, tax_basis_points={"adult": 1900, "child": 700},
    )  # fmt: skip
    show_id = (await catalogue.create_show(given)).show_id
    plan = replace(hall(4), categories=(Category("Loge"), Category("Stalls"), Category("Standing")))

    moved = await db.move(Show(show_id, 4), await publish(owner, plan), {"Loge": 500, "Standing": 0})

    assert moved.outcome == "OK"
    assert (await catalogue.pause_show(show_id)).price_list == PriceList(
        (
            Price("Loge", "adult", 650, 150, 1900),
            Price("Stalls", "adult", 1150, 150, 1900),
            Price("Stalls", "child", 0, 0, 700),
            Price("Standing", "adult", 0, 0, 1900),
        ),
        200,
    )
    cursor = await owner.execute("select price_version, fee_per_order_minor from rowlock.show_price_lists order by 1")
    assert await cursor.fetchall() == [(1, 200), (2, 200)]


async def test_only_plans_of_the_venue_and_shows_that_exist(owner: Connection, db: SeatDb, show: Show) -> None:
    elsewhere = await publish(owner, hall(10), venue="Barn")

    assert (await db.move(show, elsewhere)).outcome == "PLAN_NOT_FOUND"
    assert (await db.move(show, uuid4())).outcome == "PLAN_NOT_FOUND"
    assert (await db.move(Show(uuid4(), 1), elsewhere)).outcome == "SHOW_NOT_FOUND"


CLAIMS = {
    "reserve": "select outcome from rowlock.reserve_seats_atomic(%(show)s, '{10}', 'anna')",
    "block": "select outcome from rowlock.block_seats_atomic(%(show)s, '{10}', 'camera')",
    "change": "select outcome "
    "from rowlock.change_seats_atomic(%(show)s, %(hold)s, '{10}', '{}', p_reserved_by => 'ben')",
}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_claim_in_flight_and_a_move_wait_for_each_other(
    dsns: Dsns, owner: Connection, db: SeatDb, show: Show, claim: str
) -> None:
    """A claim that has read the old plan, and is not committed yet, cannot be seen: the move waits for it."""
    hold = await db.reserve(show, seats=[1], holder="ben")
    smaller = await publish(owner, hall(9))
    given = {"show": show.show_id, "hold": hold.reservation_id}
    async with await connect(dsns.owner) as other, other.transaction():
        assert await (await other.execute(CLAIMS[claim].encode(), given)).fetchone() == ("OK",)
        moving = asyncio.create_task(db.move(show, smaller))
        await _waits(owner, "move_show_atomic")
    assert ((moved := await moving).outcome, moved.seat_ids) == ("SEATS_IN_THE_WAY", [10])

    await owner.execute("delete from rowlock.show_seats where seat_id = 10")
    await owner.execute("update rowlock.seat_reservations set seat_ids = '{1}' where seat_ids = '{1,10}'")
    async with await connect(dsns.owner) as other:
        async with owner.transaction():
            await owner.execute("select * from rowlock.move_show_atomic(%s, %s)", [show.show_id, smaller])
            claiming = asyncio.create_task(other.execute(CLAIMS[claim].encode(), given))
            async with await connect(dsns.owner) as watching:
                await _waits(watching, f"{claim}_seats_atomic")
        row = await (await claiming).fetchone()
        assert row is not None
        assert row[0] != "OK"


async def _waits(connection: Connection, function: str) -> None:
    """Until a session waits for a lock in a call of the function."""
    for _ in range(500):
        cursor = await connection.execute(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like %s and datname = "
            "current_database()",
            [f"%{function}%"],
        )
        if await cursor.fetchone():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"no session waits in {function}")
