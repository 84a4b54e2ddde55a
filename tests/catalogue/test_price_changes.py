"""A change of prices is a new version of all of them: holds keep theirs, and no change is lost to another one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import LiteralString
from uuid import UUID

import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue import store
from rowlock.catalogue.model import CatalogueError, Category, ShowInput
from rowlock.catalogue.price_list import ALL_TYPES, Price, PriceChanges, PriceList
from rowlock.catalogue.service import Catalogue
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection, connect
from rowlock.database.queries import query
from rowlock.operations.store import find_violations
from rowlock.services import make_services
from tests.support.answers import Show
from tests.support.halls import hall, services_on
from tests.support.seatdb import SeatDb

STARTS_AT = "2100-06-12T19:30"
BEFORE = PriceList((Price("Stalls", "adult", 2650, 150, 700), Price("Stalls", "child", 1150, 150, 700)), 200)


@pytest.fixture
def catalogue(owner: Connection) -> Catalogue:
    return services_on(owner).catalogue


@pytest.fixture
async def show_id(catalogue: Catalogue) -> UUID:
    imported = await catalogue.import_plan(hall(10, crew=1), source_format="test", venue="Playhouse")
    given = ShowInput(
        imported.plan.plan_id, "Swan Lake", STARTS_AT, {"": 2500, "/child": 1000},
        fee_per_ticket_minor=150, fee_per_order_minor=200, tax_basis_points={ALL_TYPES: 700},
    )  # fmt: skip
    created = await catalogue.create_show(given)
    assert created.price_list == BEFORE
    return created.show_id


async def versions(owner: Connection, show_id: UUID) -> list[tuple[int, int | None]]:
    """Each version of the prices of a show, with its fee per order; None when it has no row of its own."""
    cursor = await owner.execute(
        """
        select p.price_version, min(l.fee_per_order_minor)
        from rowlock.show_prices as p
        left join rowlock.show_price_lists as l using (show_id, price_version)
        where p.show_id = %s
        group by p.price_version
        order by p.price_version
        """,
        [show_id],
    )
    return await cursor.fetchall()


async def test_a_changed_price_is_a_new_version_of_all_prices(
    owner: Connection, catalogue: Catalogue, show_id: UUID
) -> None:
    changed = await catalogue.update_show(show_id, {}, PriceChanges({"Stalls/child": 1200}, fee_per_order_minor=0))

    assert changed.price_list == PriceList((BEFORE.prices[0], replace(BEFORE.prices[1], amount_minor=1350)))
    assert (await catalogue.pause_show(show_id)).price_list == changed.price_list
    assert await versions(owner, show_id) == [(1, 200), (2, 0)]
    assert await find_violations(owner) == []


async def test_what_is_asked_for_again_makes_no_new_version(
    owner: Connection, catalogue: Catalogue, show_id: UUID
) -> None:
    for _ in range(2):
        await catalogue.update_show(show_id, {"title": "Giselle"}, PriceChanges({"": 3000}, tax_basis_points={"": 700}))

    assert await versions(owner, show_id) == [(1, 200), (2, 200)]


async def test_holds_and_their_orders_keep_the_version_that_they_were_made_under(
    owner: Connection, catalogue: Catalogue, show_id: UUID, db: SeatDb
) -> None:
    show = Show(show_id, 10)
    before = await db.reserve(show, seats=[1], holder="anna")

    await catalogue.update_show(show_id, {}, PriceChanges({"": 9000}))
    after = await db.reserve(show, seats=[2], holder="ben")

    assert [(await db.reservation(hold))["price_version"] for hold in (before, after)] == [1, 2]
    cursor = await owner.execute("select amount_minor from rowlock.show_prices where price_version = 1 order by 1")
    assert await cursor.fetchall() == [(1150,), (2650,)]


async def test_a_refused_change_of_prices_changes_nothing(
    owner: Connection, catalogue: Catalogue, show_id: UUID
) -> None:
    with pytest.raises(CatalogueError, match="no category 'Loge'"):
        await catalogue.update_show(show_id, {"title": "Giselle"}, PriceChanges({"Loge": 1}))

    assert [listed.title for listed in await catalogue.list_every_show()] == ["Swan Lake"]
    assert await versions(owner, show_id) == [(1, 200)]


async def test_a_version_of_an_earlier_release_has_no_fee_per_order(
    owner: Connection, catalogue: Catalogue, show_id: UUID
) -> None:
    await owner.execute("delete from rowlock.show_price_lists")

    assert (await catalogue.pause_show(show_id)).price_list == PriceList(BEFORE.prices)
    changed = await catalogue.update_show(show_id, {}, PriceChanges(fee_per_order_minor=100))

    assert changed.price_list == PriceList(BEFORE.prices, 100)
    assert await versions(owner, show_id) == [(1, None), (2, 100)]


async def at_once(dsns: Dsns, show_id: UUID, *changes: PriceChanges) -> PriceList:
    """Make all changes at once: each has begun before the first can end. The price list afterwards."""

    async def change(prices: PriceChanges) -> None:
        async with await connect(dsns.owner) as connection:
            await services_on(connection).catalogue.update_show(show_id, {}, prices)

    async with await connect(dsns.owner) as other:
        async with other.transaction():
            await other.execute("select from rowlock.shows for update")
            changing = [asyncio.create_task(change(prices)) for prices in changes]
            await until_waiting(dsns, len(changing))
        await asyncio.gather(*changing)
        return (await services_on(other).catalogue.pause_show(show_id)).price_list


async def until_waiting(dsns: Dsns, sessions: int) -> None:
    async with await connect(dsns.owner) as watching:
        for _ in range(1000):
            cursor = await watching.execute(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            )
            if await cursor.fetchone() == (sessions,):
                return
            await asyncio.sleep(0.01)
    raise AssertionError(f"there are not {sessions} sessions that wait for a lock")


DEARER, FEE = PriceChanges({"": 3000}), PriceChanges(fee_per_ticket_minor=0)
BOTH = PriceList((Price("Stalls", "adult", 3000, 0, 700), Price("Stalls", "child", 1000, 0, 700)), 200)


async def test_of_two_changes_at_once_none_is_lost(dsns: Dsns, owner: Connection, show_id: UUID) -> None:
    assert await at_once(dsns, show_id, DEARER, FEE) == BOTH
    assert await versions(owner, show_id) == [(1, 200), (2, 200), (3, 200)]


async def test_without_the_lock_a_change_is_lost(dsns: Dsns, show_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same test, where the show is read without its lock."""

    def unlocked(name: str) -> LiteralString:
        text = query(name)
        return text.replace(" for update", "") if name == "catalogue.lock_show" else text

    monkeypatch.setattr(store, "query", unlocked)

    assert await at_once(dsns, show_id, DEARER, FEE) != BOTH


async def test_a_change_that_waited_for_a_move_is_of_the_new_plan(
    dsns: Dsns, owner: Connection, catalogue: Catalogue, show_id: UUID
) -> None:
    plan = replace(hall(10), categories=(Category("Loge"), Category("Stalls")))
    imported = await catalogue.import_plan(plan, source_format="test", venue="Playhouse")
    loge = PriceChanges({"Loge": 500})
    async with await connect(dsns.owner) as other:
        async with owner.transaction():
            moved = await catalogue.move_show(show_id, imported.plan.plan_id, {"Loge": 7000})
            change: Callable[[UUID, dict[str, None], PriceChanges], Awaitable[object]] = services_on(
                other
            ).catalogue.update_show
            changing = asyncio.ensure_future(change(show_id, {}, loge))
            await until_waiting(dsns, 1)
        await changing

    assert moved.plan_id == imported.plan.plan_id
    prices = (await catalogue.pause_show(show_id)).price_list.prices
    assert prices == (Price("Loge", "adult", 650, 150, 700), *BEFORE.prices)


async def test_staff_may_change_prices_with_their_own_rights(dsns: Dsns, show_id: UUID) -> None:
    services = make_services(Cells(DirectDatabase(dsns, application_name="rowlock cli")))

    changed = await services.catalogue.update_show(show_id, {}, FEE)

    assert changed.price_list.fee_per_ticket_minor == 0
