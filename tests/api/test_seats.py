"""GET seats: the status of every seat as JSON and as an array of bits, and 304 while nothing has changed."""

from datetime import UTC, datetime, timedelta

from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, Api, held
from tests.support.seatdb import SeatDb

OCTETS = {"accept": "application/octet-stream"}
STATUSES = ("available", "reserved", "sold", "blocked")


def unpack(bits: bytes, seats_total: int) -> list[str]:
    """The statuses in an array of two bits a seat, as its documentation describes it."""
    return [STATUSES[bits[(seat - 1) // 4] >> (seat - 1) % 4 * 2 & 3] for seat in range(1, seats_total + 1)]


async def _some_of_each(client: Api, show: Show, db: SeatDb) -> list[str]:
    """Seats 1 and 2 reserved, 3 sold, 39 and 40 blocked, and seat 5 held once; the expected statuses."""
    await client.reserve(show, [1, 2], by="anna")
    sold = await client.reserve(show, [3], by="ben")
    lapsed = await client.reserve(show, [5], by="carl")
    await db.complete(show, await db.order(held(show, sold, "ben")))
    await db.block(show, seats=[39, 40])
    await db.age(held(show, lapsed, "carl"), minutes=11)
    return ["reserved", "reserved", "sold", *["available"] * 35, "blocked", "blocked"]


async def test_every_seat_is_listed_with_its_status(client: Api, show: Show, db: SeatDb) -> None:
    expected = await _some_of_each(client, show, db)

    answer = await client.get(f"/api/shows/{show.show_id}/seats")

    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert [(seat["seat_id"], seat["status"]) for seat in told["seats"]] == list(enumerate(expected, start=1))
    assert (told["show_id"], told["seats_total"], told["seats_available"]) == (str(show.show_id), 40, 35)
    assert abs(datetime.fromisoformat(told["server_time"]) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_the_statuses_are_also_sent_as_two_bits_a_seat(client: Api, show: Show, db: SeatDb) -> None:
    expected = await _some_of_each(client, show, db)

    answer = await client.get(f"/api/shows/{show.show_id}/seats", headers=OCTETS)

    assert answer.headers["content-type"] == "application/octet-stream"
    assert len(answer.content) == 10
    assert answer.content[0] == 0b00_10_01_01
    assert unpack(answer.content, 40) == expected


async def test_the_statuses_name_neither_holders_nor_reservations(client: Api, show: Show) -> None:
    made = (await client.reserve(show, [1], by="anna")).json()

    text = (await client.get(f"/api/shows/{show.show_id}/seats")).text

    assert "anna" not in text
    assert made["reservation_id"] not in text


async def test_an_unchanged_state_is_not_sent_again(client: Api, show: Show) -> None:
    path = f"/api/shows/{show.show_id}/seats"
    for headers in ({}, OCTETS):
        first = await client.get(path, headers=headers)
        again = await client.get(path, headers=headers | {"if-none-match": first.headers["etag"]})
        weak = await client.get(path, headers=headers | {"if-none-match": f'"x", W/{first.headers["etag"]}'})

        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert "content-length" not in again.headers
        assert weak.status_code == 304


async def test_a_change_has_another_version_and_undoing_it_restores_the_first_one(client: Api, show: Show) -> None:
    path = f"/api/shows/{show.show_id}/seats"
    before = await client.get(path)

    made = (await client.reserve(show, [1], by="anna")).json()
    during = await client.get(path, headers={"if-none-match": before.headers["etag"]})
    await client.release(reservation_token=made["reservation_token"])
    after = await client.get(path, headers={"if-none-match": before.headers["etag"]})

    assert during.status_code == 200
    assert during.json()["version"] != before.json()["version"]
    assert after.status_code == 304


async def test_caches_keep_the_two_forms_apart(client: Api, show: Show) -> None:
    path = f"/api/shows/{show.show_id}/seats"
    json, octets = await client.get(path), await client.get(path, headers=OCTETS)

    assert json.headers["etag"] != octets.headers["etag"]
    assert json.headers["vary"] == octets.headers["vary"] == "accept"
    assert json.headers["cache-control"] == "no-cache"
    assert (await client.get(path, headers=OCTETS | {"if-none-match": json.headers["etag"]})).status_code == 200


async def test_a_blocked_seat_shows_at_once(client: Api, show: Show) -> None:
    await client.post(
        f"/api/admin/shows/{show.show_id}/block",
        json={"seat_ids": [7], "reason": "camera"},
        headers={"x-api-key": ADMIN_KEY},
    )

    told = (await client.get(f"/api/shows/{show.show_id}/seats")).json()

    assert told["seats"][6]["status"] == "blocked"
