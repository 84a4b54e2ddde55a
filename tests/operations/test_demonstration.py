"""The demonstration of the first start: three shows as documented, sold so that every invariant holds."""

import asyncio
import itertools
from datetime import UTC, datetime

from rowlock.base.dsns import Dsns
from rowlock.catalogue.store import list_every_show, list_plans
from rowlock.database.connections import Connection, connect
from rowlock.demonstration import DemoShow, ensure_demo
from rowlock.operations.store import find_violations
from tests.support.halls import hall, services_on


async def test_an_empty_database_gets_three_shows(owner: Connection) -> None:
    now = datetime.now(UTC)

    made = await ensure_demo(owner, now=now)

    shows = {show.show_id: show for show in await list_every_show(owner)}
    open_now, nearly_sold_out, later = (shows[show.show_id] for show in made)
    assert (open_now.status, open_now.seats_available) == ("on_sale", 600)
    assert (nearly_sold_out.status, nearly_sold_out.seats_available) == ("on_sale", 12)
    assert (later.status, later.seats_available) == ("announced", 600)
    assert all(show.starts_at > now for show in shows.values())
    assert {show.seats_total for show in shows.values()} == {600}
    assert await find_violations(owner) == []


async def test_what_was_sold_has_orders_at_the_shows_prices_and_tickets(owner: Connection) -> None:
    made = await ensure_demo(owner, now=datetime.now(UTC))

    cursor = await owner.execute(
        """
        select
            (select count(*) from rowlock.tickets where show_id = %(show)s and status = 'valid'),
            (select sum(total_minor) from rowlock.ticket_orders where show_id = %(show)s and status = 'paid'),
            (
                select sum(p.amount_minor)
                from rowlock.show_seats as c
                join rowlock.shows as s using (show_id)
                join rowlock.seats as t on t.plan_id = s.plan_id and t.seat_id = c.seat_id
                join rowlock.show_prices as p
                    on p.show_id = c.show_id and p.category = t.category and p.price_type = 'adult'
                where c.show_id = %(show)s and c.status = 'sold'
            )
        """,
        {"show": made[1].show_id},
    )
    row = await cursor.fetchone()
    assert row is not None
    tickets, income, worth = row
    assert tickets == 588
    assert income == worth > 0


async def test_the_seats_that_are_left_are_spread_evenly_over_the_hall(owner: Connection) -> None:
    made = await ensure_demo(owner, now=datetime.now(UTC))

    cursor = await owner.execute(
        """
        select n from generate_series(1, 600) as n
        where not exists (select from rowlock.show_seats where show_id = %s and seat_id = n)
        """,
        [made[1].show_id],
    )
    free = [seat for (seat,) in await cursor.fetchall()]
    assert len(free) == 12
    assert all(45 <= after - before <= 55 for before, after in itertools.pairwise(free))


async def test_a_database_with_a_plan_is_left_alone(owner: Connection) -> None:
    await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Playhouse")

    assert await ensure_demo(owner, now=datetime.now(UTC)) == []
    assert len(await list_plans(owner)) == 1


async def test_of_two_processes_that_start_at_once_one_makes_the_demonstration(dsns: Dsns, owner: Connection) -> None:
    async def start() -> list[DemoShow]:
        async with await connect(dsns.owner) as connection:
            return await ensure_demo(connection, now=datetime.now(UTC))

    made = await asyncio.gather(start(), start())

    assert sorted(len(shows) for shows in made) == [0, 3]
    assert len(await list_every_show(owner)) == 3


async def test_a_demonstration_can_be_made_in_a_small_hall(owner: Connection) -> None:
    made = await ensure_demo(owner, now=datetime.now(UTC), plan=hall(30, crew=2))

    shows = {show.show_id: show.seats_available for show in await list_every_show(owner)}
    assert shows[made[0].show_id] == 28
    assert shows[made[1].show_id] == 12
    assert await find_violations(owner) == []
