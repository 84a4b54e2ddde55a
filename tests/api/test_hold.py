"""GET a hold by its token: seats, prices and deadline; without the right token the answer is 404."""

from datetime import datetime, timedelta

from rowlock.reservations.model import ReservationToken
from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.http import Api, held, problem, said
from tests.support.seatdb import SeatDb


async def test_a_hold_shows_its_seats_with_prices_and_its_deadline(client: Api, show: Show) -> None:
    made = (await client.reserve(show, [21, 2], by="anna")).json()

    answer = await client.hold(made["reservation_token"])

    assert answer.status_code == 200
    hold = answer.json()
    assert {name: hold[name] for name in ("reservation_id", "show_id", "seat_ids", "expires_at")} == {
        name: made[name] for name in ("reservation_id", "show_id", "seat_ids", "expires_at")
    }
    assert hold["seats"] == [
        {"seat_id": 2, "label": "Stalls, row A, seat 2", "category": "Stalls", "price_minor": 5000},
        {"seat_id": 21, "label": "Balcony, row A, seat 1", "category": "Balcony", "price_minor": 3000},
    ]
    assert (hold["status"], hold["total_minor"], hold["currency"]) == ("active", 8000, "USD")
    assert (hold["extension_count"], hold["extensions_remaining"]) == (0, 3)
    lived = datetime.fromisoformat(hold["server_time"]) - datetime.fromisoformat(hold["created_at"])
    assert timedelta() < lived < timedelta(minutes=1)


async def test_a_hold_without_a_price_has_no_total(client: Api, show: Show, db: SeatDb) -> None:
    await db.owner.execute("delete from rowlock.show_prices where show_id = %s and category = 1", [show.show_id])
    token = (await client.reserve(show, [1, 21], by="anna")).json()["reservation_token"]

    hold = (await client.hold(token)).json()

    assert [seat["price_minor"] for seat in hold["seats"]] == [5000, None]
    assert hold["total_minor"] is None


async def test_a_hold_says_how_it_ended(client: Api, show: Show, db: SeatDb) -> None:
    lapsed = await client.reserve(show, [1], by="anna")
    given_back = await client.reserve(show, [2], by="ben")
    paid = await client.reserve(show, [3], by="carl")
    await db.age(held(show, lapsed, "anna"), minutes=11)
    await client.release(reservation_token=given_back.json()["reservation_token"])
    await db.complete(show, await db.order(held(show, paid, "carl")))

    statuses = [
        (await client.hold(answer.json()["reservation_token"])).json()["status"]
        for answer in (lapsed, given_back, paid)
    ]

    assert statuses == ["expired", "released", "completed"]


async def test_foreign_malformed_and_missing_tokens_answer_alike(client: Api, show: Show) -> None:
    token = ReservationToken.parse((await client.reserve(show, [1], by="anna")).json()["reservation_token"])
    assert token is not None
    unknown = [
        ReservationToken(token.show_id, token.reservation_id, bytes(16)),  # The hold exists; the secret is wrong.
        ReservationToken(UNKNOWN_ID, token.reservation_id, token.secret),
        ReservationToken(token.show_id, UNKNOWN_ID, token.secret),
        ReservationToken.mint(token.show_id),
        ReservationToken.mint(UNKNOWN_ID),
        "x",
        "x" * 64,
        "x" * 65,
        "%C3%BC" * 64,
        "%00",
        "%FF" * 64,
        str(token)[:-1],
        str(token)[:-1] + "!",
        f"{token}%0A",
    ]

    answers = [await client.hold(str(each)) for each in unknown]

    told = problem(answers[0], 404, "RESERVATION_NOT_FOUND")
    assert "unavailable_seat_ids" not in told
    for each, answer in zip(unknown, answers, strict=True):
        assert (answer.status_code, said(answer)) == (404, said(answers[0])), each
        assert _headers(answer) == _headers(answers[0]), each


def _headers(answer: object) -> list[tuple[bytes, bytes]]:
    """The headers of an answer but the request's id, which has a length of its own."""
    raw: list[tuple[bytes, bytes]] = answer.headers.raw  # type: ignore[attr-defined] # httpx.Response has them.
    return [(name, value) for name, value in raw if name not in (b"x-request-id", b"content-length")]
