"""change_seats_atomic: adding and dropping seats of a live hold in one step."""

from collections.abc import Sequence

import pytest

from tests.support.answers import Show, missing_hold, said, token
from tests.support.seatdb import SeatDb


async def test_seats_are_swapped_while_the_rest_stays_held(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna", session="s-1")

    changed = await db.change(anna, add=[4, 3], remove=[1])

    assert said(changed) == {
        "outcome": "OK",
        "seat_ids": [2, 3, 4],
        "unavailable_seat_ids": None,
        "expires_at": anna.expires_at,
        "extension_count": 0,
        "extensions_remaining": 3,
    }
    assert await db.claims(show) == {2: "anna", 3: "anna", 4: "anna"}
    assert (await db.reservation(anna))["seat_ids"] == [2, 3, 4]
    row = (await db.audit(show))[-1]
    assert (row.event, row.seat_ids, row.session_id) == ("changed", [2, 3, 4], "s-1")
    assert row.metadata == {"operation": "change", "added": [3, 4], "removed": [1]}
    assert await db.check() == []


async def test_the_deadline_does_not_move(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna")
    await db.age(anna, minutes=7)

    changed = await db.change(anna, add=[2])

    assert changed.expires_at is not None
    assert 170 < (changed.expires_at - changed.server_time).total_seconds() <= 180
    assert await db.check() == []


async def test_changing_twice_answers_the_same_and_is_written_once(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")

    first = await db.change(anna, add=[3], remove=[1])
    again = await db.change(anna, add=[3], remove=[1])

    assert said(first) == said(again)
    assert [event for event, _, _ in await db.events(show)] == ["created", "changed"]


INVALID: list[tuple[Sequence[int | None] | None, Sequence[int | None] | None]] = [
    ([], []),
    (None, None),
    ([3], [3]),
    ([0], []),
    ([], [-1]),
    ([3, None], []),
    ([3], [None]),
    ([], [1, 2]),
]


@pytest.mark.parametrize(("add", "remove"), INVALID)
async def test_invalid_arguments_and_dropping_the_last_seat_are_refused(
    db: SeatDb, show: Show, add: Sequence[int | None] | None, remove: Sequence[int | None] | None
) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")

    assert (await db.change(anna, add=add, remove=remove)).outcome == "INVALID_INPUT"
    assert await db.claims(show) == {1: "anna", 2: "anna"}
    assert len(await db.audit(show)) == 1


async def test_every_refusal_in_the_order_of_precedence(db: SeatDb, show: Show) -> None:
    """One request that is wrong in every way; each repair brings out the next refusal."""
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.reserve(show, seats=[12], holder="ben")
    await db.set_show(show, status="paused")
    many = [*range(12, 24), 99]

    assert (await db.change(anna, add=[*many, 0], holder="mallory")).outcome == "INVALID_INPUT"
    assert (await db.change(anna, add=many, holder="mallory")).outcome == "RESERVATION_NOT_FOUND"
    await db.age(anna, minutes=11)
    assert (await db.change(anna, add=many)).outcome == "RESERVATION_EXPIRED"
    await db.age(anna, minutes=-11)
    assert (await db.change(anna, add=many)).outcome == "TOO_MANY_SEATS"
    assert (await db.change(anna, add=[12, 99])).outcome == "SEATS_NOT_FOUND"
    assert (await db.change(anna, add=[12, 13])).outcome == "SHOW_NOT_ON_SALE"
    await db.set_show(show, status="on_sale")
    refused = await db.change(anna, add=[12, 13], remove=[1])
    assert (refused.outcome, refused.seat_ids, refused.unavailable_seat_ids) == ("SEATS_UNAVAILABLE", [1, 2], [12])
    assert await db.claims(show) == {1: "anna", 2: "anna", 12: "ben"}
    assert (await db.change(anna, add=[13], remove=[1])).outcome == "OK"

    assert [(event, error) for event, _, error in await db.events(show)][2:] == [
        ("failed", "RESERVATION_EXPIRED"),
        ("failed", "SEATS_UNAVAILABLE"),
        ("changed", None),
    ]
    assert await db.counted_refusals(show) == {"SEATS_NOT_FOUND": 1, "SHOW_NOT_ON_SALE": 1, "TOO_MANY_SEATS": 1}
    assert await db.check() == []


async def test_seats_can_be_dropped_when_the_show_is_not_on_sale(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.set_show(show, status="closed")

    assert (await db.change(anna, remove=[2])).outcome == "OK"
    assert await db.claims(show) == {1: "anna"}


async def test_ten_seats_are_counted_after_the_change(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=range(1, 11), holder="anna")

    assert (await db.change(anna, add=[11])).outcome == "TOO_MANY_SEATS"
    assert (await db.change(anna, add=[11], remove=[1])).outcome == "OK"
    assert sorted(await db.claims(show)) == list(range(2, 12))


async def test_an_expired_seat_of_another_holder_can_be_added(db: SeatDb, show: Show) -> None:
    ben = await db.reserve(show, seats=[3, 4], holder="ben")
    await db.age(ben, minutes=11)
    anna = await db.reserve(show, seats=[1], holder="anna")

    assert (await db.change(anna, add=[3])).outcome == "OK"
    assert await db.claims(show) == {1: "anna", 3: "anna"}
    assert (await db.release(ben)).released_seat_ids == [4]
    assert await db.check() == []


async def test_an_expired_hold_cannot_be_changed_although_its_seats_are_free(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(anna, minutes=11)
    ben = await db.reserve(show, seats=[1], holder="ben")
    await db.release(ben)

    assert (await db.change(anna, add=[3])).outcome == "RESERVATION_EXPIRED"
    assert await db.claims(show) == {}
    assert await db.check() == []


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("released", "RESERVATION_NOT_ACTIVE"),
        ("completed", "RESERVATION_NOT_ACTIVE"),
        ("cleaned", "RESERVATION_EXPIRED"),
    ],
)
async def test_a_hold_that_has_ended_is_not_changed(db: SeatDb, show: Show, end: str, outcome: str) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna")
    if end == "released":
        await db.release(anna)
    elif end == "completed":
        await db.complete(show, await db.order(anna))
    else:
        await db.age(anna, minutes=11)
        await db.cleanup()

    assert (await db.change(anna, add=[2])).outcome == outcome
    assert (await db.events(show))[-1] == ("failed", [2], outcome)
    assert 2 not in await db.claim_rows(show)


@pytest.mark.parametrize("foreign", [{"holder": "mallory"}, {"secret": token("mallory's")}])
@pytest.mark.parametrize("add", [[2], [99], []])
async def test_to_another_holder_the_hold_does_not_exist(
    db: SeatDb, show: Show, foreign: dict[str, str | bytes], add: list[int]
) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna", secret=token("anna's"))

    to_foreign = await db.change(anna, add=add, **foreign)  # type: ignore[arg-type]  # One of two keywords.
    to_missing = await db.change(missing_hold(show), add=add, **foreign)  # type: ignore[arg-type]  # One of two keywords.

    assert to_foreign.outcome == ("RESERVATION_NOT_FOUND" if add else "INVALID_INPUT")
    assert said(to_foreign) == said(to_missing)
    assert len(await db.audit(show)) == 1


async def test_a_token_changes_without_a_holder_key(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna", secret=token("anna's"))

    assert (await db.change(anna, add=[2], secret=token("anna's"))).outcome == "OK"
    assert await db.claims(show) == {1: "anna", 2: "anna"}


async def test_a_limit_that_was_lowered_since_does_not_keep_a_holder_from_giving_seats_back(
    db: SeatDb, show: Show
) -> None:
    anna = await db.reserve(show, seats=[1, 2, 3, 4], holder="anna")
    await db.set_show(show, max_seats_per_reservation=2)

    assert (await db.change(anna, add=[5], remove=[1])).outcome == "TOO_MANY_SEATS"
    fewer = await db.change(anna, remove=[1])
    assert (fewer.outcome, fewer.seat_ids) == ("OK", [2, 3, 4])
    assert (await db.change(anna, add=[5], remove=[2, 3, 4])).outcome == "OK"
    assert await db.claims(show) == {5: "anna"}
