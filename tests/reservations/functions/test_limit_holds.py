"""limit_holds: what one client address, and one session, may hold in one show."""

import asyncio
import random
from collections.abc import Sequence
from uuid import uuid4

import pytest

from rowlock.base.hold_limits import HoldLimits
from tests.support.answers import Request, Reserved, Show
from tests.support.seatdb import SeatDb
from tests.support.steps import Mutant, load_test_build, wait_until_blocked

pytestmark = pytest.mark.usefixtures("clean_check")

ADDRESS = "203.0.113.9"
OTHER = "203.0.113.10"
MANY = 1_000_000


def limits(
    *, seats: int = MANY, holds: int = MANY, new: int = MANY, session: int = MANY, share: int = 0
) -> Sequence[int]:
    """The parameter of the functions, with everything allowed that is not given."""
    return HoldLimits(seats, holds, new, session, share).for_database


async def reserve(
    db: SeatDb, show: Show, seats: Sequence[int], holder: str, given: Sequence[int], client: str | None = ADDRESS
) -> Reserved:
    [answer] = await db.reserve_batch(show, [Request(seats, holder, client=client)], given)
    return answer


async def outcomes(db: SeatDb, show: Show, given: Sequence[int], *requests: Request) -> list[str]:
    return [answer.outcome for answer in await db.reserve_batch(show, requests, given)]


async def test_an_address_holds_so_many_seats_and_no_more(db: SeatDb, show: Show) -> None:
    given = limits(seats=4)

    assert (await reserve(db, show, [1, 2], "anna", given)).outcome == "OK"
    assert (await reserve(db, show, [3, 4, 5], "ben", given)).outcome == "TOO_MANY_HOLDS"
    assert (await reserve(db, show, [3, 4], "ben", given)).outcome == "OK"
    assert (await reserve(db, show, [5], "carl", given)).outcome == "TOO_MANY_HOLDS"
    assert (await reserve(db, show, [5], "dora", given, OTHER)).outcome == "OK"
    assert (await reserve(db, show, [6], "emil", given, None)).outcome == "OK"
    assert await db.claims(show) == {1: "anna", 2: "anna", 3: "ben", 4: "ben", 5: "dora", 6: "emil"}
    assert await db.counted_refusals(show) == {"TOO_MANY_HOLDS": 2}
    assert await db.check() == []


async def test_an_address_has_so_many_live_holds(db: SeatDb, show: Show) -> None:
    given = limits(holds=2)

    first = await reserve(db, show, [1], "anna", given)
    assert (await reserve(db, show, [2], "ben", given)).outcome == "OK"
    assert (await reserve(db, show, [3], "carl", given)).outcome == "TOO_MANY_HOLDS"
    await db.release(first)
    assert (await reserve(db, show, [3], "carl", given)).outcome == "OK"


async def test_a_hold_that_ran_out_is_not_held(db: SeatDb, show: Show) -> None:
    given = limits(seats=2)
    hold = await reserve(db, show, [1, 2], "anna", given)

    await db.age(hold, minutes=20)

    assert (await reserve(db, show, [3, 4], "ben", given)).outcome == "OK"


async def test_another_show_is_another_matter(db: SeatDb, show: Show) -> None:
    given, other = limits(seats=1), await db.make_show()
    await reserve(db, show, [1], "anna", given)

    assert (await reserve(db, other, [1], "anna", given)).outcome == "OK"


@pytest.mark.parametrize("share", [25, 50])
async def test_a_share_of_the_free_seats_may_be_held_if_that_is_more(db: SeatDb, show: Show, share: int) -> None:
    """40 seats, all free: a quarter is 10."""
    given = limits(seats=2, share=share)
    allowed = show.seats_total * share // 100

    assert (await reserve(db, show, range(1, 9), "anna", given)).outcome == "OK"
    left = (show.seats_total - 8) * share // 100 - 8  # Free are those that nobody holds.
    expected = "OK" if left > 0 else "TOO_MANY_HOLDS"
    assert allowed >= 8
    assert (await reserve(db, show, [20], "ben", given)).outcome == expected


async def test_of_a_batch_the_first_requests_get_what_is_allowed(db: SeatDb, show: Show) -> None:
    requests = [Request([seat], f"holder {seat}", client=ADDRESS) for seat in range(1, 6)]
    requests.insert(3, Request([9], "other", client=OTHER))

    assert await outcomes(db, show, limits(seats=3), *requests) == [
        "OK",
        "OK",
        "OK",
        "OK",
        "TOO_MANY_HOLDS",
        "TOO_MANY_HOLDS",
    ]
    assert await db.check() == []


async def test_new_holds_are_counted_within_a_minute(db: SeatDb, show: Show) -> None:
    given = limits(new=3)
    holds = [await reserve(db, show, [seat], f"holder {seat}", given) for seat in (1, 2, 3)]

    assert (await reserve(db, show, [4], "dora", given)).outcome == "TOO_MANY_HOLDS"
    for hold in holds:
        await db.release(hold)
    assert (await reserve(db, show, [4], "dora", given)).outcome == "TOO_MANY_HOLDS"
    await db.age(holds[0], minutes=1)
    assert (await reserve(db, show, [4], "dora", given)).outcome == "OK"


async def test_to_take_again_what_was_just_let_go_weighs_five_holds(db: SeatDb, show: Show) -> None:
    given = limits(new=6)
    await db.release(await reserve(db, show, [1, 2], "anna", given))

    assert (await reserve(db, show, [2, 3], "ben", given)).outcome == "OK"
    assert [row["weight"] for row in await weights(db, show)] == [2, 10]
    assert (await reserve(db, show, [4], "carl", given)).outcome == "TOO_MANY_HOLDS"


async def test_other_seats_or_an_hour_later_is_no_re_take(db: SeatDb, show: Show) -> None:
    given = limits()
    hold = await reserve(db, show, [1, 2], "anna", given)
    await db.release(hold)

    await reserve(db, show, [3], "ben", given)
    await db.owner.execute(
        "update rowlock.seat_reservations set ended_at = ended_at - interval '61 s' where ended_at is not null"
    )
    await reserve(db, show, [1], "carl", given)

    assert [row["weight"] for row in await weights(db, show)] == [2, 2, 2]


async def test_one_session_has_a_limit_of_its_own(db: SeatDb, show: Show) -> None:
    given = limits(session=2)
    for seat in (1, 2):
        await db.release(await reserve(db, show, [seat], "anna", given))

    assert (await reserve(db, show, [3], "anna", given)).outcome == "TOO_MANY_HOLDS"
    assert (await reserve(db, show, [3], "ben", given)).outcome == "OK"


async def test_holds_that_were_bought_count_no_more_and_their_session_weighs_less(db: SeatDb, show: Show) -> None:
    given = limits(new=1, session=1)
    bought = await reserve(db, show, [1, 2], "anna", given)
    assert (await db.complete(show, await db.order(bought))).outcome == "OK"

    assert (await reserve(db, show, [3], "anna", given)).outcome == "OK"
    assert [row["weight"] for row in await weights(db, show)] == [2, 1]


async def test_a_repeated_request_is_not_limited(db: SeatDb, show: Show) -> None:
    request = Request([1, 2], "anna", uuid4(), client=ADDRESS)
    given = limits(seats=2, holds=1, new=1)

    assert await outcomes(db, show, given, request) == ["OK"]
    assert await outcomes(db, show, given, request) == ["OK"]
    assert len(await db.reservations(show)) == 1


async def test_two_connections_cannot_exceed_a_limit_together(db: SeatDb, show: Show) -> None:
    """Each of two processes sends a batch of one address at the same time, twenty times."""
    given = limits(seats=10)

    async def batches(other: SeatDb, first_seat: int) -> list[str]:
        found: list[str] = []
        for seat in range(first_seat, first_seat + 20):
            found += await outcomes(other, show, given, Request([seat], f"holder {seat}", client=ADDRESS))
        return found

    async with db.another() as one, db.another() as two:
        found = await asyncio.gather(batches(one, 1), batches(two, 21))

    assert sorted(found[0] + found[1]) == ["OK"] * 10 + ["TOO_MANY_HOLDS"] * 30
    assert len(await db.claims(show)) == 10


async def test_a_batch_waits_for_one_of_the_same_address_and_for_no_other(db: SeatDb, show: Show) -> None:
    given = limits(seats=1)
    async with db.another() as one, db.another() as two:
        async with one.app.transaction():
            assert await outcomes(one, show, given, Request([1], "anna", client=ADDRESS)) == ["OK"]
            assert await outcomes(two, show, given, Request([2], "ben", client=OTHER)) == ["OK"]
            waiting = asyncio.create_task(outcomes(two, show, given, Request([3], "carl", client=ADDRESS)))
            await wait_until_blocked(db.owner, two.app)
        assert await waiting == ["TOO_MANY_HOLDS"]


async def weights(db: SeatDb, show: Show) -> list[dict[str, object]]:
    return sorted(await db.reservations(show), key=lambda row: str(row["created_at"]))


WITHOUT_LOCK = Mutant("limit_holds", "    perform pg_advisory_xact_lock(k.key)\n", "    perform k.key\n")


async def test_without_the_lock_of_the_client_two_batches_exceed_a_limit(db: SeatDb, show: Show) -> None:
    """The control of the test before: it would see this."""
    await load_test_build(db.owner, mutants=[WITHOUT_LOCK])
    given = limits(seats=1)
    async with db.another() as one, db.another() as two, one.app.transaction():
        assert await outcomes(one, show, given, Request([1], "anna", client=ADDRESS)) == ["OK"]
        assert await outcomes(two, show, given, Request([3], "carl", client=ADDRESS)) == ["OK"]


async def test_seats_added_to_a_hold_count_too(db: SeatDb, show: Show) -> None:
    given = limits(seats=4, holds=1, new=1)
    hold = await reserve(db, show, [1, 2], "anna", given)

    assert (await db.change_within_limits(hold, add=[3, 4, 5], limits=given)).outcome == "TOO_MANY_HOLDS"
    assert (await db.change_within_limits(hold, add=[3, 4], limits=given)).outcome == "OK"
    assert (await db.change_within_limits(hold, add=[5], limits=given)).outcome == "TOO_MANY_HOLDS"
    assert (await db.change_within_limits(hold, add=[5], remove=[1], limits=given)).outcome == "OK"
    assert (await db.change_within_limits(hold, remove=[2], limits=limits(seats=1))).outcome == "OK"
    assert (await db.change_within_limits(hold, add=[6, 7, 8], limits=None)).outcome == "OK"
    assert await db.counted_refusals(show) == {"TOO_MANY_HOLDS": 2}
    assert await db.check() == []


async def test_a_change_of_a_client_without_limits_is_not_limited(db: SeatDb, show: Show) -> None:
    hold = await reserve(db, show, [1], "anna", limits(seats=1), None)

    assert (await db.change_within_limits(hold, add=[2], limits=limits(seats=1))).outcome == "OK"


ALL_COUNTED = Mutant("limit_holds", "not v_counts and v_clients", "false and v_clients")
NOTHING_COUNTED = Mutant("limit_holds", "not v_counts and v_clients", "true or v_clients")


async def story(db: SeatDb, show: Show, seed: int) -> tuple[list[list[str]], list[tuple[object, ...]]]:
    """The outcomes of random batches of few clients, some of which let seats go; and all holds with their weights."""
    rng = random.Random(seed)
    given = limits(seats=5, holds=3, new=4, session=2)
    told, holds = [], []
    for _ in range(20):
        requests = [
            Request(
                rng.sample(range(1, 41), rng.choice((1, 1, 2, 3, 6))),
                f"holder {rng.randrange(20)}",
                client=rng.choice((ADDRESS, OTHER, "203.0.113.11", "203.0.113.12", "2001:db8::/64", None)),
            )
            for _ in range(rng.randint(1, 4))
        ]
        answers = await db.reserve_batch(show, requests, given)
        told.append([answer.outcome for answer in answers])
        holds += [answer for answer in answers if answer.outcome == "OK"]
        if holds and rng.random() < 0.5:
            await db.release(holds.pop(rng.randrange(len(holds))))
    rows = await db.reservations(show)
    return told, sorted((row["reserved_by"], row["seat_ids"], row["status"], row["weight"]) for row in rows)


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_decided_without_counting_is_what_counting_decides(db: SeatDb, show: Show, seed: int) -> None:
    short = await story(db, show, seed)
    await load_test_build(db.owner, mutants=[ALL_COUNTED])
    counted = await story(db, await db.make_show(), seed)

    assert short == counted
    assert {"OK", "TOO_MANY_HOLDS"} <= {outcome for batch in counted[0] for outcome in batch}
    await load_test_build(db.owner, mutants=[NOTHING_COUNTED])
    assert await story(db, await db.make_show(), seed) != counted, "the comparison sees nothing"
