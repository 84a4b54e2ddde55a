"""Putting shows on sale: times, seats that are not for sale, and what is refused before anything is written."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest

from rowlock.base.currencies import DECIMALS, amount
from rowlock.catalogue import store
from rowlock.catalogue.instants import check_time_zone, read_instant, time_zones
from rowlock.catalogue.model import ALL_CATEGORIES, CatalogueError, ShowInput
from rowlock.catalogue.show_rules import check_currency
from rowlock.catalogue.slugs import slugs
from rowlock.database.connections import Connection
from rowlock.operations.store import find_violations
from tests.support.answers import Show
from tests.support.halls import hall, services_on
from tests.support.seatdb import SeatDb

STARTS_AT = datetime(2027, 6, 12, 19, 30, tzinfo=UTC)


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
        # How half of Europe writes half past seven. Python reads 19:00 and a bit.
        ("2027-06-12T19.30", "UTC", "ISO 8601"),
        ("2027-06-12T19,30", "UTC", "ISO 8601"),
        ("2027-06-12T19", "UTC", "ISO 8601"),
        ("2027-06-12T1930", "UTC", "ISO 8601"),
        ("2027-06-12T25:00", "UTC", "ISO 8601"),
        ("2027-06-31T19:30", "UTC", "ISO 8601"),
        ("2027-06-12", "UTC", "has no time. Add it, such as 2027-06-12T19:30"),
        ("20270612", "UTC", "ISO 8601"),
        ("2027-10-31T02:30", "Europe/Berlin", r"2027-10-31T02:30\+02:00 for the first time"),
        ("2027-11-07T01:30", "America/New_York", "comes twice"),
        ("9999-12-31T23:59", "America/New_York", "out of bounds"),
        ("0001-01-01T00:00", "Asia/Tokyo", "out of bounds"),
        ("1999-12-31T23:59Z", "UTC", "out of bounds"),
        ("2200-01-01T00:00Z", "UTC", "out of bounds"),
    ],
)
def test_a_time_that_means_nothing_is_refused(text: str, zone: str, told: str) -> None:
    with pytest.raises(CatalogueError, match=told):
        read_instant(text, zone)


@pytest.mark.parametrize(
    ("text", "utc"), [("2027-10-31T02:30+02:00", "2027-10-31T00:30"), ("2027-10-31T02:30+01:00", "2027-10-31T01:30")]
)
def test_the_double_hour_of_autumn_is_read_with_its_offset(text: str, utc: str) -> None:
    assert read_instant(text, "Europe/Berlin") == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["localtime", "posixrules", "Factory", "right/Europe/Berlin", "posix/UTC", "europe/berlin", "CET-1", ""]
)
def test_a_time_zone_that_depends_on_the_machine_is_refused(name: str) -> None:
    with pytest.raises(CatalogueError, match="not a time zone"):
        check_time_zone(name)


def test_every_time_zone_of_the_database_can_be_used() -> None:
    assert len(time_zones()) > 400
    for name in time_zones():
        assert check_time_zone(name).key == name


def test_currencies_have_their_minor_units() -> None:
    assert (amount(1250, "EUR"), amount(1250, "JPY"), amount(1250, "BHD")) == ("12.50 EUR", "1,250 JPY", "1.250 BHD")
    assert amount(123_456_789_012_345_678, "USD") == "1,234,567,890,123,456.78 USD"
    assert amount(5, "DEM") == "5 DEM minor"
    assert all(len(code) == 3 and code.isupper() for code in DECIMALS)
    for code in ("ERU", "XXX", "XTS", "XAU", "DEM", "eur", ""):
        with pytest.raises(CatalogueError, match="not a currency"):
            check_currency(code)


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
        (
            {"sales_start_at": STARTS_AT - timedelta(days=1), "sales_end_at": STARTS_AT - timedelta(days=2)},
            "before they start",
        ),
        ({"currency": "ERU"}, "'ERU' is not a currency"),
        ({"currency": "XXX"}, "'XXX' is not a currency"),
        ({"starts_at": datetime(2020, 1, 1, 10, tzinfo=UTC)}, "which is past"),
        ({"starts_at": "0202-06-12T19:30"}, "out of bounds"),
        ({"starts_at": "9999-12-31T23:59-12:00"}, "out of bounds"),
        ({"starts_at": "0001-01-01T00:00+10:00"}, "out of bounds"),
        ({"starts_at": datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))}, "out of bounds"),
        ({"sales_end_at": "9999-12-31T23:59"}, "leave out a date that stands for never"),
        ({"sales_start_at": STARTS_AT}, "when the show has begun"),
        ({"sales_end_at": STARTS_AT + timedelta(hours=1)}, "after the show"),
        ({"doors_at": STARTS_AT + timedelta(minutes=1)}, "doors would open"),
        ({"ends_at": STARTS_AT}, "before it starts"),
        ({"image_url": "file:///etc/passwd"}, "not the address of an image"),
        ({"description": "x" * 10_001}, "10,001 characters"),
        ({"title": "x" * 201}, "201 characters"),
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
