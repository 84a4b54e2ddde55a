"""extend_reservation_atomic: five more minutes, three times at most, and never for a hold that ran out."""

from datetime import timedelta

import pytest

from tests.support.answers import Show, missing_hold, said, token
from tests.support.seatdb import SeatDb


async def test_an_extension_moves_the_deadline_of_the_hold_and_its_seats_by_five_minutes(
    db: SeatDb, show: Show
) -> None:
    anna = await db.reserve(show, seats=[1, 2], holder="anna", session="s-1")
    assert anna.expires_at is not None

    extended = await db.extend(anna)

    assert said(extended) == {
        "outcome": "OK",
        "expires_at": anna.expires_at + timedelta(minutes=5),
        "extension_count": 1,
        "extensions_remaining": 2,
    }
    row = await db.reservation(anna)
    assert (row["expires_at"], row["extension_count"], row["status"]) == (extended.expires_at, 1, "active")
    assert await db.check() == []  # Also that the deadlines of the claims are equal.
    audit = (await db.audit(show))[-1]
    assert (audit.event, audit.seat_ids, audit.session_id, audit.error_code) == ("extended", [1, 2], "s-1", None)
    assert audit.metadata["operation"] == "extend"


async def test_the_fourth_extension_is_refused(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna")

    answers = [await db.extend(anna) for _ in range(4)]

    assert [(a.outcome, a.extension_count, a.extensions_remaining) for a in answers] == [
        ("OK", 1, 2),
        ("OK", 2, 1),
        ("OK", 3, 0),
        ("MAX_EXTENSIONS_REACHED", 3, 0),
    ]
    assert answers[3].expires_at == answers[2].expires_at
    row = await db.reservation(anna)
    assert (row["expires_at"] - row["created_at"]).total_seconds() == 1500
    assert [error for _, _, error in await db.events(show)] == [None] * 4 + ["MAX_EXTENSIONS_REACHED"]
    assert await db.check() == []


async def test_no_hold_lasts_longer_than_its_show_allows(db: SeatDb) -> None:
    show = await db.make_show(max_extensions=100, hold_seconds=600, extension_seconds=400, max_hold_seconds=1500)
    anna = await db.reserve(show, seats=[1], holder="anna")

    answers = [await db.extend(anna) for _ in range(4)]

    created = (await db.reservation(anna))["created_at"]
    assert [(a.outcome, (a.expires_at - created).total_seconds()) for a in answers if a.expires_at] == [
        ("OK", 1000),
        ("OK", 1400),
        ("OK", 1500),
        ("MAX_EXTENSIONS_REACHED", 1500),
    ]
    assert await db.check() == []


@pytest.mark.parametrize("cleaned", [False, True])
async def test_a_hold_that_ran_out_is_not_extended(db: SeatDb, show: Show, cleaned: bool) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna")
    await db.age(anna, minutes=10)
    if cleaned:
        await db.cleanup()

    assert (await db.extend(anna)).outcome == "RESERVATION_EXPIRED"
    assert await db.claims(show) == {}
    assert (await db.events(show))[-1] == ("failed", [1], "RESERVATION_EXPIRED")
    assert await db.check() == []


async def test_a_hold_whose_seat_was_taken_over_is_not_extended(db: SeatDb, show: Show) -> None:
    """Even if its own deadline should say otherwise."""
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.owner.execute("delete from rowlock.show_seats where seat_id = 2")

    assert (await db.extend(anna)).outcome == "RESERVATION_EXPIRED"


@pytest.mark.parametrize("end", ["released", "completed"])
async def test_a_hold_that_has_ended_is_not_extended(db: SeatDb, show: Show, end: str) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna")
    if end == "released":
        await db.release(anna)
    else:
        await db.complete(show, await db.order(anna))

    assert (await db.extend(anna)).outcome == "RESERVATION_NOT_ACTIVE"
    assert (await db.events(show))[-1] == ("failed", [1], "RESERVATION_NOT_ACTIVE")
    assert (await db.reservation(anna))["extension_count"] == 0


@pytest.mark.parametrize("foreign", [{"holder": "mallory"}, {"secret": token("mallory's")}])
async def test_to_another_holder_the_hold_does_not_exist(
    db: SeatDb, show: Show, foreign: dict[str, str | bytes]
) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna", secret=token("anna's"))

    to_foreign = await db.extend(anna, **foreign)  # type: ignore[arg-type]  # One of two keywords.
    to_missing = await db.extend(missing_hold(show), **foreign)  # type: ignore[arg-type]  # One of two keywords.

    assert to_foreign.outcome == "RESERVATION_NOT_FOUND"
    assert said(to_foreign) == said(to_missing)
    assert len(await db.audit(show)) == 1
    assert (await db.extend(anna, secret=token("anna's"))).outcome == "OK"


async def test_a_repeated_call_that_names_the_count_it_has_seen_extends_once(db: SeatDb, show: Show) -> None:
    anna = await db.reserve(show, seats=[1], holder="anna")

    answers = []
    for seen in (0, 0, 1):
        cursor = await db.app.execute(
            "select outcome, extension_count, expires_at from rowlock.extend_reservation_atomic("
            "%s, %s, p_reserved_by => 'anna', p_seen_extension_count => %s)",
            [show.show_id, anna.reservation_id, seen],
        )
        answers += await cursor.fetchall()

    assert [(outcome, count) for outcome, count, _ in answers] == [("OK", 1), ("OK", 1), ("OK", 2)]
    assert answers[0] == answers[1]
    assert [event for event, _, _ in await db.events(show)] == ["created", "extended", "extended"]
