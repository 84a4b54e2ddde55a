"""GET shows, one show with its prices, and the seat map of its plan."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue.price_list import ALL_TYPES, PriceChanges
from tests.api.conftest import UNKNOWN_ID, hall, put_on_sale
from tests.support.answers import Show
from tests.support.halls import services_on
from tests.support.http import Api, held, problem
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

NO_SHOWS = (UNKNOWN_ID, "x", "%00", "x" * 90, "{}", "1" * 31)


@pytest.fixture
def dsns(server: TestServer) -> Iterator[Dsns]:
    """A database for each test: the listing shows all that is in it."""
    with server.database() as name:
        yield server.dsns(name)


async def test_shows_are_listed_by_their_start_without_drafts(
    client: Api, show: Show, db: SeatDb, owner: psycopg.AsyncConnection
) -> None:
    sooner, draft = await put_on_sale(owner, "Giselle"), await put_on_sale(owner, "Draft")
    await db.set_show(sooner, starts_at=datetime.now(UTC) + timedelta(days=3))
    await db.set_show(draft, status="draft")

    answer = await client.get("/api/shows")

    assert answer.status_code == 200
    shows = answer.json()["shows"]
    assert [listed["show_id"] for listed in shows] == [str(sooner.show_id), str(show.show_id)]
    listed = shows[1]
    assert (listed["title"], listed["venue"], listed["organization"]) == ("Swan Lake", "Playhouse", "Moonlight")
    assert (listed["currency"], listed["price_from_minor"]) == ("USD", 3000)
    assert (listed["seats_total"], listed["seats_available"], listed["status"]) == (40, 40, "on_sale")
    assert listed["slug"].startswith("swan-lake-")
    assert (listed["max_seats_per_reservation"], listed["hold_seconds"]) == (10, 600)
    assert (listed["extension_seconds"], listed["max_extensions"]) == (300, 3)


async def test_no_shows_are_an_empty_list(client: Api) -> None:
    assert (await client.get("/api/shows")).json() == {"shows": [], "next_cursor": None}


async def test_seats_of_expired_holds_count_as_available(client: Api, show: Show, db: SeatDb) -> None:
    lapsed = await client.reserve(show, [1, 2], by="anna")
    await client.reserve(show, [3, 4, 5], by="ben")
    await db.age(held(show, lapsed, "anna"), minutes=11)

    (listed,) = (await client.get("/api/shows")).json()["shows"]

    assert listed["seats_available"] == 37


async def test_one_show_is_returned_with_its_prices(client: Api, show: Show) -> None:
    one = (await client.get(f"/api/shows/{show.show_id}")).json()
    (listed,) = (await client.get("/api/shows")).json()["shows"]

    assert one.pop("prices") == [
        {
            "category": category,
            "price_type": "adult",
            "amount_minor": amount,
            "fee_minor": 0,
            "tax_basis_points": 0,
            "tax_minor": 0,
        }
        for category, amount in (("Stalls", 5000), ("Balcony", 3000))
    ]
    assert one.pop("price_types") == ["adult"]
    assert one == listed


async def test_prices_are_told_with_types_fees_and_taxes_within_them_and_a_hold_keeps_its_own(
    client: Api, show: Show, owner: psycopg.AsyncConnection
) -> None:
    token = (await client.reserve(show, [1, 21], by="anna")).json()["reservation_token"]

    changes = PriceChanges({"/child": 2000, "Balcony/child": 0}, 150, 200, {ALL_TYPES: 700, "child": 0})
    await services_on(owner).catalogue.update_show(show.show_id, {}, changes)
    one = (await client.get(f"/api/shows/{show.show_id}")).json()
    (listed,) = (await client.get("/api/shows")).json()["shows"]

    assert [tuple(price.values()) for price in one["prices"]] == [
        ("Stalls", "adult", 5150, 150, 700, 337),
        ("Stalls", "child", 2150, 150, 0, 0),
        ("Balcony", "adult", 3150, 150, 700, 206),
        ("Balcony", "child", 0, 0, 0, 0),
    ]
    assert one["price_types"] == ["adult", "child"]
    for told in (one, listed):
        assert (told["price_from_minor"], told["fee_per_order_minor"]) == (0, 200)
    hold = (await client.hold(token)).json()
    assert [seat["price_minor"] for seat in hold["seats"]] == [5000, 3000]
    later = (await client.hold((await client.reserve(show, [2], by="ben")).json()["reservation_token"])).json()
    assert later["total_minor"] == 5150


async def test_the_sales_status_follows_the_clock(client: Api, show: Show, db: SeatDb) -> None:
    now = datetime.now(UTC)
    told = []
    for columns in (
        {"sales_start_at": now + timedelta(hours=1)},
        {"sales_start_at": now - timedelta(hours=2), "sales_end_at": now - timedelta(hours=1)},
        {"sales_end_at": None, "status": "paused"},
        {"status": "cancelled"},
    ):
        await db.set_show(show, **columns)
        told.append((await client.get(f"/api/shows/{show.show_id}")).json()["status"])

    assert told == ["announced", "closed", "paused", "cancelled"]


@pytest.mark.parametrize("tail", ["", "/seat-map", "/seats"])
async def test_unknown_shows_and_drafts_are_not_found(client: Api, show: Show, db: SeatDb, tail: str) -> None:
    await db.set_show(show, status="draft")

    for each in (show.show_id, *NO_SHOWS):
        problem(await client.get(f"/api/shows/{each}{tail}"), 404, "SHOW_NOT_FOUND")


async def test_the_seat_map_is_the_plan_as_it_was_published(client: Api, show: Show) -> None:
    answer = await client.get(f"/api/shows/{show.show_id}/seat-map", headers={"accept-encoding": "identity"})

    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
    seat_map, plan = answer.json(), hall()
    assert seat_map["name"] == "Small hall"
    assert seat_map["plan_version"] == 1
    assert (seat_map["width"], seat_map["height"], seat_map["focal_point"]) == (110.0, 60.0, [55.0, 0.0])
    assert [category["name"] for category in seat_map["categories"]] == ["Stalls", "Balcony"]
    assert [section["name"] for section in seat_map["sections"]] == ["Stalls", "Balcony"]
    assert [(row["section"], row["label"]) for row in seat_map["rows"]] == [(0, "A"), (0, "B"), (1, "A"), (1, "B")]
    assert seat_map["seats_total"] == len(seat_map["seats"]) == 40
    for seat, published in zip(seat_map["seats"], plan.seats, strict=True):
        assert seat == {name: getattr(published, name) for name in seat}


async def test_the_seat_map_is_cached_by_its_version_and_sent_compressed(client: Api, show: Show) -> None:
    path = f"/api/shows/{show.show_id}/seat-map"
    path += f"?plan_id={(await client.get(path)).json()['plan_id']}"

    compressed = await client.get(path, headers={"accept-encoding": "gzip"})
    plain = await client.get(path, headers={"accept-encoding": "identity"})
    known = await client.get(path, headers={"if-none-match": compressed.headers["etag"]})
    outdated = await client.get(path, headers={"if-none-match": '"0123"'})

    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.json() == plain.json()
    assert "immutable" in compressed.headers["cache-control"]
    assert "accept-encoding" in compressed.headers["vary"]
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["etag"] == compressed.headers["etag"]
    assert outdated.status_code == 200


async def test_shows_in_one_plan_have_one_seat_map(client: Api, show: Show, owner: psycopg.AsyncConnection) -> None:
    again = await put_on_sale(owner, "Giselle")
    etags = [
        answer.headers["etag"]
        for answer in await asyncio.gather(
            *(client.get(f"/api/shows/{each.show_id}/seat-map") for each in (show, again, show, again))
        )
    ]

    # put_on_sale publishes the plan again, and equal seat maps have equal ETags.
    assert len(set(etags)) == 1


async def test_a_show_tells_what_its_page_needs(
    client: Api, show: Show, db: SeatDb, owner: psycopg.AsyncConnection
) -> None:
    starts_at = datetime(2100, 6, 12, 17, 30, tzinfo=UTC)
    await db.set_show(
        show,
        description="In three acts.",
        image_url="https://example.org/swan.jpg",
        starts_at=starts_at,
        doors_at=starts_at - timedelta(minutes=30),
        ends_at=starts_at + timedelta(hours=2),
    )
    await owner.execute(
        "update rowlock.venues set address = 'Mill Lane 1', access_notes = 'Ramp at the side.', "
        "step_free_sections = '{Stalls}'"
    )

    told = (await client.get(f"/api/shows/{show.show_id}")).json()

    assert (told["description"], told["image_url"]) == ("In three acts.", "https://example.org/swan.jpg")
    assert (told["doors_at"], told["ends_at"]) == ("2100-06-12T17:00:00Z", "2100-06-12T19:30:00Z")
    assert told["sales_close_at"] == "2100-06-12T17:30:00Z"
    assert (told["venue_address"], told["venue_access_notes"]) == ("Mill Lane 1", "Ramp at the side.")
    assert told["step_free_sections"] == ["Stalls"]


async def test_a_show_that_has_begun_is_closed_and_one_that_is_over_leaves_the_list(
    client: Api, show: Show, db: SeatDb
) -> None:
    now = datetime.now(UTC)

    async def told() -> tuple[list[str], str, str]:
        listed = [each["status"] for each in (await client.get("/api/shows")).json()["shows"]]
        answer = await client.reserve(show, [1], by="anna")
        return (
            listed,
            (await client.get(f"/api/shows/{show.show_id}")).json()["status"],
            answer.json().get("code", "OK"),
        )

    await db.set_show(show, starts_at=now - timedelta(minutes=1), ends_at=now + timedelta(hours=1))
    assert await told() == (["closed"], "closed", "SHOW_NOT_ON_SALE")
    await db.set_show(show, sales_end_at=now + timedelta(minutes=30))
    assert await told() == (["on_sale"], "on_sale", "OK")
    await db.set_show(show, starts_at=now - timedelta(hours=3), ends_at=now - timedelta(minutes=1))
    assert await told() == ([], "closed", "SHOW_NOT_ON_SALE")


@pytest.mark.parametrize("column", ["starts_at", "sales_start_at", "sales_end_at", "doors_at", "ends_at"])
@pytest.mark.parametrize("instant", ["1999-12-31 23:59+00", "2200-01-01 00:00+00", "infinity", "-infinity"])
async def test_no_instant_that_would_break_the_list_can_be_stored(
    show: Show, owner: psycopg.AsyncConnection, column: str, instant: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        await owner.execute(
            f"update rowlock.shows set {column} = %s where show_id = %s".encode(), [instant, show.show_id]
        )


async def test_the_list_comes_in_pages(client: Api, show: Show, db: SeatDb, owner: psycopg.AsyncConnection) -> None:
    shows = [show, *[await put_on_sale(owner, f"Show {number}") for number in range(4)]]
    at = datetime(2100, 1, 1, tzinfo=UTC)
    for number, each in enumerate(shows):
        await db.set_show(each, starts_at=at + timedelta(days=number // 2))  # Two pairs at one time.
    whole = [each["show_id"] for each in (await client.get("/api/shows")).json()["shows"]]

    found, cursor, pages = [], None, 0
    while cursor is not None or pages == 0:
        answer = await client.get("/api/shows", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        found += [each["show_id"] for each in answer.json()["shows"]]
        cursor, pages = answer.json()["next_cursor"], pages + 1

    assert found == whole
    assert sorted(found) == sorted(str(each.show_id) for each in shows)
    assert pages == 3


async def test_the_list_is_filtered(client: Api, show: Show, db: SeatDb, owner: psycopg.AsyncConnection) -> None:
    giselle, over = await put_on_sale(owner, "Giselle"), await put_on_sale(owner, "Over")
    await db.set_show(show, starts_at=datetime(2100, 1, 1, 20, tzinfo=UTC))
    await db.set_show(giselle, starts_at=datetime(2100, 1, 2, 20, tzinfo=UTC), status="paused")
    await db.set_show(over, starts_at=datetime(2020, 1, 1, 20, tzinfo=UTC))

    async def titles(query: str) -> list[str]:
        return [each["title"] for each in (await client.get(f"/api/shows?{query}")).json()["shows"]]

    assert await titles("status=paused") == ["Giselle"]
    assert await titles("from=2100-01-02T20:00:00Z") == ["Giselle"]
    assert await titles("to=2100-01-02T20:00:00Z") == ["Over", "Swan Lake"]
    assert await titles("from=2100-01-02T22:00+02:00") == ["Giselle"]  # The plus sign arrives as a blank.
    assert await titles("from=2100-01-01T00:00Z&to=2100-01-02T00:00Z&status=on_sale") == ["Swan Lake"]
    assert await titles("venue=Playhouse&organization=Moonlight") == ["Swan Lake", "Giselle"]
    assert await titles("venue=Barn") == await titles("organization=Barn") == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("page=2", "page"),
        ("Limit=2", "Limit"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("status=draft", "status"),
        ("from=2027-06-12", "date, time and offset"),
        ("to=2027-06-12T19:30", "date, time and offset"),
        ("from=2027-06-12T19.30Z", "date, time and offset"),
        ("from=2027-06-31T19:30Z", "date, time and offset"),
        ("venue=", "venue"),
        ("venue=%00", "character"),
        ("cursor=x", "next_cursor"),
        ("cursor=f" + "_" * 31, "next_cursor"),
        ("cursor=%C3%A4", "next_cursor"),
    ],
)
async def test_a_wrong_or_unknown_parameter_of_the_list_is_refused(client: Api, query: str, told: str) -> None:
    assert told in problem(await client.get(f"/api/shows?{query}"), 400, "INVALID_INPUT")["detail"]
