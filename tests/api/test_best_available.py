"""POST best-available: the best free seats for a group, chosen and reserved in one call."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rowlock.reservations.best_available import Chooser
from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, outcome, problem, said, session
from tests.support.seatdb import SeatDb


async def test_a_group_sits_together_in_the_best_row(client: Api, show: Show, db: SeatDb) -> None:
    answer = await client.best(show, 4, session_id=session("anna"))

    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == set((await client.reserve(show, [39], by="ben")).json())
    seats = made["seat_ids"]
    assert seats == list(range(seats[0], seats[0] + 4))
    assert {(seat - 1) // 10 for seat in seats} == {0}
    assert {seat: by for seat, by in (await db.claims(show)).items() if by == session("anna")} == dict.fromkeys(
        seats, session("anna")
    )


async def test_groups_at_the_same_time_get_different_seats(client: Api, show: Show, db: SeatDb) -> None:
    answers = await asyncio.gather(
        *(client.best(show, 3, session_id=session(f"group-{number}")) for number in range(8))
    )

    assert [answer.status_code for answer in answers] == [201] * 8
    seats = [seat for answer in answers for seat in answer.json()["seat_ids"]]
    assert len(seats) == len(set(seats)) == 24
    assert await db.check(show) == []


async def test_a_category_is_respected(client: Api, show: Show) -> None:
    made = (await client.best(show, 2, category="Balcony", session_id=session("anna"))).json()

    assert all(21 <= seat <= 40 for seat in made["seat_ids"])


async def test_an_unknown_category_is_refused_with_a_list_of_the_categories(client: Api, show: Show) -> None:
    told = problem(await client.best(show, 2, category="Moon\0", session_id=session("anna")), 400, "INVALID_INPUT")

    assert "Stalls, Balcony" in told["detail"]


async def test_a_wheelchair_place_is_given_only_on_request(client: Api, show: Show, db: SeatDb) -> None:
    await db.set_show(show, max_seats_per_reservation=40)

    told = problem(await client.best(show, 40, session_id=session("anna")), 409, "SEATS_UNAVAILABLE")
    assert told["detail"].startswith("The hall has 39 seats besides its accessible places, and 40 were asked for.")
    made = (await client.best(show, 40, accessible=True, session_id=session("ben"))).json()

    assert made["seat_ids"] == list(range(1, 41))


async def test_a_sold_out_category_is_unavailable(client: Api, show: Show) -> None:
    for number in range(2):
        await client.reserve(show, range(number * 10 + 1, number * 10 + 11), by=f"buyer-{number}")

    told = problem(await client.best(show, 1, category="Stalls", session_id=session("anna")), 409, "SEATS_UNAVAILABLE")

    assert "taken by another customer" in told["detail"]
    assert "unavailable_seat_ids" not in told
    assert outcome(await client.best(show, 1, session_id=session("anna"))) == (201, None)


async def test_best_available_has_the_refusals_of_a_reserve(client: Api, show: Show, db: SeatDb) -> None:
    problem(await client.best(UNKNOWN_ID, 2, session_id=session("anna")), 404, "SHOW_NOT_FOUND")
    problem(await client.best(show, 11, session_id=session("anna")), 400, "TOO_MANY_SEATS")
    await client.best(show, 2, session_id=session("anna"))
    problem(await client.best(show, 2, session_id=session("anna")), 409, "DUPLICATE_RESERVATION")
    await db.set_show(show, status="paused")
    problem(await client.best(show, 2, session_id=session("ben")), 409, "SHOW_NOT_ON_SALE")


async def test_a_repeated_request_with_its_key_answers_the_same(client: Api, show: Show, db: SeatDb) -> None:
    body = {"show_id": str(show.show_id), "quantity": 2, "session_id": session("anna")}

    answers = await asyncio.gather(
        *(
            client.post(f"{RESERVATIONS}/best-available", json=body, headers={"idempotency-key": "request-1"})
            for _ in range(5)
        )
    )
    again = await client.post(f"{RESERVATIONS}/best-available", json=body, headers={"idempotency-key": "request-1"})

    assert [answer.status_code for answer in (*answers, again)] == [201] * 6, [answer.text for answer in answers]
    assert all(said(answer) == said(again) for answer in answers)
    assert len(await db.claims(show)) == 2


async def test_an_invalid_body_is_refused_with_the_place_of_the_error(client: Api) -> None:
    some = str(UNKNOWN_ID)
    malformed: list[tuple[dict[str, Any], str]] = [
        ({"show_id": some}, "quantity"),
        ({"quantity": 2}, "show_id"),
        ({"show_id": some, "quantity": 0}, "$.quantity"),
        ({"show_id": some, "quantity": 1001}, "$.quantity"),
        ({"show_id": some, "quantity": "2"}, "$.quantity"),
        ({"show_id": some, "quantity": 2, "category": ""}, "$.category"),
        ({"show_id": some, "quantity": 2, "category": 7}, "$.category"),
        ({"show_id": some, "quantity": 2, "accessible": "yes"}, "$.accessible"),
        ({"show_id": some, "quantity": 2, "session_id": "web_1"}, "session_id"),
    ]

    for body, place in malformed:
        answer = await client.post(f"{RESERVATIONS}/best-available", json=body)
        assert place in problem(answer, 400, "INVALID_INPUT")["detail"], body


async def test_a_section_is_respected(client: Api, show: Show) -> None:
    made = (await client.best(show, 2, section="Balcony", session_id=session("anna"))).json()

    assert all(21 <= seat <= 40 for seat in made["seat_ids"])


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"section": "Nowhere"}, "no section 'Nowhere'; it has Stalls, Balcony"),
        ({"max_price_minor": 5}, "unknown field `max_price_minor`"),
        ({"Section": "Balcony"}, "unknown field `Section`"),
    ],
)
async def test_a_wish_that_is_not_understood_is_refused_and_holds_nothing(
    client: Api, show: Show, db: SeatDb, wish: dict[str, Any], told: str
) -> None:
    assert (
        told in problem(await client.best(show, 2, session_id=session("anna"), **wish), 400, "INVALID_INPUT")["detail"]
    )
    assert await db.claims(show) == {}


@pytest.mark.parametrize(
    ("taken", "wish", "told"),
    [
        ((), {"quantity": 50}, "The hall has 39 seats besides its accessible places, and 50 were asked for."),
        ((), {"quantity": 21, "section": "Stalls"}, "The section Stalls has 20 seats, and 21 were asked for."),
        (
            (),
            {"quantity": 1, "section": "Stalls", "category": "Balcony"},
            "The category Balcony of the section Stalls has 0 seats, and 1 were asked for.",
        ),
        ((), {"quantity": 1, "section": "Stalls", "accessible": True}, "In the section Stalls there is no wheelchair"),
        ((), {"quantity": 41, "accessible": True}, "The hall has 40 seats, and 41 were asked for."),
        ((40,), {"quantity": 2, "accessible": True}, "No wheelchair place is left in the hall: each was taken by"),
        (range(2, 21), {"quantity": 2, "category": "Stalls"}, "Only 1 of the 20 seats in the category Stalls is left"),
        (range(1, 21), {"quantity": 1, "section": "Stalls"}, "None of the 20 seats in the section Stalls is left"),
    ],
)
async def test_a_refusal_is_true(
    client: Api, show: Show, db: SeatDb, taken: Sequence[int], wish: dict[str, Any], told: str
) -> None:
    await db.set_show(show, max_seats_per_reservation=60)
    if taken:
        await db.reserve(show, seats=list(taken), holder="ben")

    answer = await client.best(show, session_id=session("anna"), **wish)

    assert problem(answer, 409, "SEATS_UNAVAILABLE")["detail"].startswith(told)


async def test_the_same_key_with_another_section_is_another_wish(client: Api, show: Show) -> None:
    async def best(**wish: Any) -> int:
        body = {"show_id": str(show.show_id), "quantity": 2, "session_id": session("anna"), **wish}
        answer = await client.post(f"{RESERVATIONS}/best-available", json=body, headers={"idempotency-key": "k"})
        return answer.status_code

    assert [await best(section="Stalls"), await best(section="Stalls"), await best(section="Balcony")] == [
        201,
        201,
        422,
    ]
    assert await best() == 422


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("reserve-v2", {"seat_ids": [1]}),
        ("reserve", {"seat_ids": [1]}),
        ("release-v2", {"reservation_token": "x"}),
        ("release", {"reservation_token": "x"}),
        ("x/seats", {"add": [1]}),
        ("x/extend", {}),
    ],
)
async def test_unknown_members_are_refused_in_every_body(
    client: Api, show: Show, path: str, body: dict[str, Any]
) -> None:
    whole = body | ({"show_id": str(show.show_id)} if "reserve" in path else {}) | {"surprise": 1}

    told = problem(await client.post(f"{RESERVATIONS}/{path}", json=whole), 400, "INVALID_INPUT")["detail"]

    assert "unknown field `surprise`" in told


@pytest.mark.usefixtures("clean_check")
async def test_a_wish_above_the_limit_is_refused_without_choosing(
    client: Api, show: Show, db: SeatDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before: in a hall of 5,000 seats a wish for 1,000 stopped the process for 0.8 s."""
    chosen: list[int] = []
    choose = Chooser.choose

    def counted(chooser: Chooser, quantity: int, **wish: Any) -> Any:
        chosen.append(quantity)
        return choose(chooser, quantity, **wish)

    monkeypatch.setattr(Chooser, "choose", counted)
    for _ in range(2):  # The first request reads the show, the second finds it in memory.
        problem(await client.best(show, 1_000, session_id=session("anna")), 400, "TOO_MANY_SEATS")
    assert chosen == []
    assert await db.claims(show) == {}

    await db.set_show(show, max_seats_per_reservation=12)
    assert (await client.best(show, 12, session_id=session("anna"))).status_code == 201  # A new limit counts at once.


async def test_a_repeated_wish_is_told_its_hold_also_when_the_limit_is_lower_now(
    client: Api, show: Show, db: SeatDb
) -> None:
    wish = {"show_id": str(show.show_id), "quantity": 5, "session_id": session("anna")}
    first = await client.post(f"{RESERVATIONS}/best-available", json=wish, headers={"idempotency-key": "once"})
    await db.set_show(show, max_seats_per_reservation=2)

    again = await client.post(f"{RESERVATIONS}/best-available", json=wish, headers={"idempotency-key": "once"})

    assert first.status_code == 201
    assert said(again) == said(first)
