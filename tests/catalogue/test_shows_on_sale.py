"""Putting shows on sale: prices, times, seats that are not for sale, and what is refused before anything is written."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from rowlock.catalogue import store
from rowlock.catalogue.instants import read_instant
from rowlock.catalogue.model import ALL_CATEGORIES, CatalogueError, Category, ShowInput
from rowlock.catalogue.prices import resolve_prices
from rowlock.catalogue.slugs import slugs
from rowlock.database.connections import Connection
from rowlock.operations.store import find_violations
from tests.support.halls import hall, services_on
from tests.support.seatdb import SeatDb, Show

CATEGORIES = (Category("Stalls"), Category("Balcony"), Category("Crew", for_sale=False))
STARTS_AT = datetime(2027, 6, 12, 19, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({ALL_CATEGORIES: 2500}, {0: 2500, 1: 2500}),
        ({"Stalls": 4500, "Balcony": 0}, {0: 4500, 1: 0}),
        ({"Stalls": 4500, ALL_CATEGORIES: 2000}, {0: 4500, 1: 2000}),
    ],
)
def test_every_category_for_sale_gets_its_price(given: dict[str, int], expected: dict[int, int]) -> None:
    assert resolve_prices(CATEGORIES, given) == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "No price was given for: Stalls, Balcony"),
        ({"Stalls": 1}, "No price was given for: Balcony"),
        ({"Stall": 1}, "no category 'Stall'. It has: Stalls, Balcony"),
        ({"Crew": 1, ALL_CATEGORIES: 1}, "Crew is not for sale"),
        ({ALL_CATEGORIES: -1}, "-1 is negative"),
    ],
)
def test_a_wrong_price_is_refused_with_the_name_of_its_category(given: dict[str, int], told: str) -> None:
    with pytest.raises(CatalogueError, match=told):
        resolve_prices(CATEGORIES, given)


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2027-06-12T19:30", "Europe/Berlin", "2027-06-12T17:30"),
        ("2027-06-12T19:30", "UTC", "2027-06-12T19:30"),
        ("2027-06-12T19:30+05:00", "Europe/Berlin", "2027-06-12T14:30"),
        ("2027-06-12T19:30Z", "Europe/Berlin", "2027-06-12T19:30"),
        ("2027-06-12 19:30", "America/New_York", "2027-06-12T23:30"),
    ],
)
def test_a_time_without_a_zone_is_in_the_zone_of_the_venue(text: str, zone: str, utc: str) -> None:
    assert read_instant(text, zone) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "told"),
    [
        ("tomorrow", "UTC", "ISO 8601"),
        ("2027-03-28T02:30", "Europe/Berlin", "clocks are put forward"),
        ("2027-06-12T19:30", "Europe/Nowhere", "not a time zone"),
        ("2027-06-12T19:30", "../etc/passwd", "not a time zone"),
    ],
)
def test_a_time_that_means_nothing_is_refused(text: str, zone: str, told: str) -> None:
    with pytest.raises(CatalogueError, match=told):
        read_instant(text, zone)


def test_slugs_are_made_of_plain_letters_and_are_numbered_without_end() -> None:
    assert slugs("Zoë & the Swan's  Lake!")[:3] == [
        "zoe-the-swan-s-lake",
        "zoe-the-swan-s-lake-2",
        "zoe-the-swan-s-lake-3",
    ]
    assert slugs("椅子")[0] == "untitled"
    assert len(slugs("a" * 500)[0]) <= 60


async def test_a_show_is_on_sale_with_what_is_not_for_sale_blocked(owner: Connection, db: SeatDb) -> None:
    imported = await services_on(owner).catalogue.import_plan(hall(10, crew=2), source_format="test", venue="Playhouse")

    given = ShowInput(imported.plan.plan_id, "Swan Lake", STARTS_AT, {"Stalls": 4500}, currency="EUR")
    created = await services_on(owner).catalogue.create_show(given)

    [listed] = await store.list_every_show(owner)
    assert (listed.show_id, listed.status, listed.currency) == (created.show_id, "on_sale", "EUR")
    assert (listed.price_from_minor, listed.seats_total, listed.seats_available) == (4500, 10, 8)
    assert created.blocked == {"Crew": 2}
    assert await db.claims(Show(created.show_id, 10)) == {9: "blocked", 10: "blocked"}
    [event] = await db.audit(Show(created.show_id, 10))
    assert event.metadata["reason"] == "not for sale: Crew"
    assert await find_violations(owner) == []


async def test_two_shows_of_one_title_on_one_day_have_slugs_of_their_own(owner: Connection) -> None:
    imported = await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Playhouse")
    given = ShowInput(imported.plan.plan_id, "Swan Lake", STARTS_AT, {ALL_CATEGORIES: 1})

    made = [(await services_on(owner).catalogue.create_show(given)).slug for _ in range(3)]

    assert made == ["swan-lake-2027-06-12", "swan-lake-2027-06-12-2", "swan-lake-2027-06-12-3"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": "  "}, "no title"),
        ({"currency": "euro"}, "not a currency"),
        ({"sales_start_at": STARTS_AT, "sales_end_at": STARTS_AT - timedelta(days=1)}, "before they start"),
        ({"plan_id": uuid4()}, "no seating plan"),
        ({"prices_minor": {"Loge": 1}}, "no category 'Loge'"),
    ],
)
async def test_a_refused_show_leaves_nothing_behind(owner: Connection, changes: dict[str, object], told: str) -> None:
    imported = await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Playhouse")
    wanted: dict[str, object] = {
        "plan_id": imported.plan.plan_id,
        "title": "Swan Lake",
        "starts_at": STARTS_AT,
        "prices_minor": {ALL_CATEGORIES: 1},
    }

    with pytest.raises(CatalogueError, match=told):
        await services_on(owner).catalogue.create_show(ShowInput(**(wanted | changes)))  # type: ignore[arg-type] # One field is wrong on purpose.

    assert await store.list_every_show(owner) == []


async def test_organizations_and_venues_are_made_once(owner: Connection) -> None:
    first = await services_on(owner).catalogue.import_plan(
        hall(3), source_format="test", venue="Playhouse", time_zone="Europe/Berlin"
    )
    again = await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Playhouse")

    assert first.organization.name == "Playhouse"
    assert (again.organization, again.venue) == (first.organization, first.venue)
    assert again.venue.time_zone == "Europe/Berlin"


async def test_with_several_organizations_one_has_to_be_named(owner: Connection) -> None:
    for name in ("Moonlight", "Sunshine"):
        await services_on(owner).catalogue.import_plan(
            hall(3), source_format="test", venue="Playhouse", organization=name
        )

    with pytest.raises(CatalogueError, match="Moonlight, Sunshine"):
        await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Playhouse")


async def test_a_venue_does_not_move_to_another_time_zone(owner: Connection) -> None:
    await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Playhouse")

    with pytest.raises(CatalogueError, match="is in the time zone UTC, not in Europe/Berlin"):
        await services_on(owner).catalogue.import_plan(
            hall(3), source_format="test", venue="Playhouse", time_zone="Europe/Berlin"
        )

    assert [plan.version for plan in await store.list_plans(owner)] == [1]
