"""Changing, pausing, resuming and cancelling a show, and changing what is told of a venue."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from rowlock.catalogue.model import ALL_CATEGORIES, CatalogueError, DetailInput, ShowInput, VenueChanges
from rowlock.catalogue.service import Catalogue
from rowlock.database.connections import Connection
from rowlock.operations.store import find_violations
from tests.support.answers import Request, Show
from tests.support.halls import hall, services_on
from tests.support.seatdb import SeatDb

STARTS_AT = datetime(2100, 6, 12, 19, 30, tzinfo=UTC)


@pytest.fixture
def catalogue(owner: Connection) -> Catalogue:
    return services_on(owner).catalogue


@pytest.fixture
async def show_id(catalogue: Catalogue) -> UUID:
    imported = await catalogue.import_plan(hall(10), source_format="test", venue="Playhouse")
    given = ShowInput(imported.plan.plan_id, "Swan Lake", STARTS_AT, {ALL_CATEGORIES: 2500})
    return (await catalogue.create_show(given)).show_id


async def venue_id(catalogue: Catalogue) -> UUID:
    [venue] = await catalogue.list_venues()
    return venue.venue_id


async def test_a_show_is_changed_where_something_is_given(catalogue: Catalogue, show_id: UUID) -> None:
    await catalogue.update_show(show_id, {"description": "In three acts.", "doors_at": "2100-06-12T19:00"})
    changed = await catalogue.update_show(show_id, {"title": " Giselle ", "starts_at": "2100-06-13T19:30"})

    assert changed.details.title == "Giselle"
    assert changed.details.description == "In three acts."
    assert changed.details.starts_at == changed.sales_close_at == STARTS_AT + timedelta(days=1)
    [listed] = await catalogue.list_every_show()
    assert (listed.title, listed.starts_at) == ("Giselle", STARTS_AT + timedelta(days=1))
    assert (await catalogue.update_show(show_id, {"description": None})).details.description is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"starts_at": None}, "no start"),
        ({"title": None}, "no title"),
        ({"starts_at": "2020-01-01T10:00"}, "which is past"),
        ({"sales_end_at": STARTS_AT + timedelta(seconds=1)}, "after the show"),
        ({"ends_at": "9999-12-31T23:59-12:00"}, "out of bounds"),
        ({"doors_at": "2100-06-12T19.00"}, "ISO 8601"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    catalogue: Catalogue, show_id: UUID, changes: dict[str, DetailInput], told: str
) -> None:
    before = await catalogue.list_every_show()

    with pytest.raises(CatalogueError, match=told):
        await catalogue.update_show(show_id, {"description": "new", **changes})

    assert await catalogue.list_every_show() == before


async def test_a_show_that_has_begun_can_still_be_described(catalogue: Catalogue, show_id: UUID, db: SeatDb) -> None:
    await db.set_show(Show(show_id, 10), starts_at=datetime.now(UTC) - timedelta(minutes=5))

    changed = await catalogue.update_show(show_id, {"description": "With an interval."})

    assert changed.details.description == "With an interval."


async def test_a_paused_show_sells_nothing_until_it_is_resumed(catalogue: Catalogue, show_id: UUID, db: SeatDb) -> None:
    show = Show(show_id, 10)
    for _ in range(2):
        assert (await catalogue.pause_show(show_id)).status == "paused"
        assert (await db.reserve(show, seats=[1], holder="anna")).outcome == "SHOW_NOT_ON_SALE"
    for _ in range(2):
        assert (await catalogue.resume_show(show_id)).status == "on_sale"
    assert (await db.reserve(show, seats=[1], holder="anna")).outcome == "OK"


@pytest.mark.parametrize("status", ["draft", "closed", "cancelled"])
async def test_only_a_show_on_sale_is_paused_and_resumed(
    catalogue: Catalogue, show_id: UUID, db: SeatDb, status: str
) -> None:
    await db.set_show(Show(show_id, 10), status=status)

    with pytest.raises(CatalogueError, match=f"The show is {status}"):
        await catalogue.pause_show(show_id)
    with pytest.raises(CatalogueError, match=f"The show is {status}"):
        await catalogue.resume_show(show_id)


async def test_a_show_that_has_begun_is_not_resumed(catalogue: Catalogue, show_id: UUID, db: SeatDb) -> None:
    await db.set_show(Show(show_id, 10), status="paused", starts_at=datetime.now(UTC) - timedelta(minutes=5))

    with pytest.raises(CatalogueError, match="Sales of this show ended at"):
        await catalogue.resume_show(show_id)


async def test_cancelling_goes_on_until_no_hold_and_no_order_is_left(
    catalogue: Catalogue, show_id: UUID, db: SeatDb, owner: Connection
) -> None:
    show = Show(show_id, 10)
    await db.order(await db.reserve(show, seats=[1], holder="anna"), price_minor=2500)
    for number in range(2, 6):
        await db.reserve(show, seats=[number], holder=f"holder-{number}")

    done = await catalogue.cancel_show(show_id, "The singer is ill")
    again = await catalogue.cancel_show(show_id, "The singer is ill")

    assert (done.holds_released, done.orders_ended) == (5, 1)
    assert (again.holds_released, again.orders_ended) == (0, 0)
    assert await db.claims(show) == {}
    assert {event.actor for event in await db.audit(show) if event.event == "released"} == {"box office"}
    assert await find_violations(owner) == []


async def test_a_big_show_is_cancelled_in_steps(catalogue: Catalogue, owner: Connection, db: SeatDb) -> None:
    imported = await catalogue.import_plan(hall(600), source_format="test", venue="Arena")
    created = await catalogue.create_show(ShowInput(imported.plan.plan_id, "Gala", STARTS_AT, {ALL_CATEGORIES: 1}))
    show = Show(created.show_id, 600)
    await db.reserve_batch(show, [Request([seat], f"holder-{seat}") for seat in range(1, 601)])

    # One call of the function ends 100.
    assert (await catalogue.cancel_show(created.show_id, "Fire")).holds_released == 600
    assert await db.claims(show) == {}


async def test_what_does_not_exist_is_refused(catalogue: Catalogue) -> None:
    nothing = uuid4()
    for attempt in (
        catalogue.update_show(nothing, {"title": "x"}),
        catalogue.pause_show(nothing),
        catalogue.resume_show(nothing),
        catalogue.cancel_show(nothing, "fire"),
    ):
        with pytest.raises(CatalogueError, match="There is no show"):
            await attempt
    with pytest.raises(CatalogueError, match="There is no venue"):
        await catalogue.update_venue(nothing, VenueChanges(address="x"))
    with pytest.raises(CatalogueError, match="no reason"):
        await catalogue.cancel_show(nothing, " ")


async def test_the_time_zone_of_a_venue_is_mended(catalogue: Catalogue, show_id: UUID) -> None:
    changed = await catalogue.update_venue(await venue_id(catalogue), VenueChanges(time_zone="Europe/Berlin"))

    assert changed.time_zone == "Europe/Berlin"
    [listed] = await catalogue.list_every_show()
    assert (listed.time_zone, listed.starts_at) == ("Europe/Berlin", STARTS_AT)
    # The zone that was refused before is that of the venue now.
    await catalogue.import_plan(hall(10), source_format="test", venue="Playhouse", time_zone="Europe/Berlin")
    moved = await catalogue.update_show(show_id, {"starts_at": "2100-06-12T19:30"})
    assert moved.details.starts_at == STARTS_AT - timedelta(hours=2)


@pytest.mark.usefixtures("show_id")
async def test_a_venue_tells_how_to_get_in(catalogue: Catalogue) -> None:
    venue = await venue_id(catalogue)

    await catalogue.update_venue(venue, VenueChanges(address="Mill Lane 1", step_free_sections=["Stalls", "Stalls"]))
    changed = await catalogue.update_venue(venue, VenueChanges(access_notes="Ramp at the side."))

    assert (changed.address, changed.access_notes) == ("Mill Lane 1", "Ramp at the side.")
    assert changed.step_free_sections == ["Stalls"]
    cleared = await catalogue.update_venue(venue, VenueChanges(address="", step_free_sections=[]))
    assert (cleared.address, cleared.step_free_sections) == (None, [])
    assert await catalogue.list_venues() == [cleared]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (VenueChanges(time_zone="localtime"), "not a time zone"),
        (VenueChanges(step_free_sections=["Loge"]), "has a section 'Loge'. It has: "),
        (VenueChanges(address="x" * 2_001), "2,000 characters"),
    ],
)
@pytest.mark.usefixtures("show_id")
async def test_a_venue_is_not_changed_to_what_cannot_be(catalogue: Catalogue, changes: VenueChanges, told: str) -> None:
    before = await catalogue.list_venues()

    with pytest.raises(CatalogueError, match=told):
        await catalogue.update_venue(before[0].venue_id, changes)

    assert await catalogue.list_venues() == before
