"""A batch comes out as its requests would one after the other on an identical show.

The order in which they are compared: first those that what was there before refuses anyway, then the others as they
arrived. So no request is refused because of one that is itself refused.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rowlock.base.dsns import Dsns
from tests.support.answers import Request, Reserved, Show, said
from tests.support.scale import Scale
from tests.support.seatdb import SeatDb
from tests.support.steps import Mutant, load_test_build

SEATS = 8
HOLDERS = ["anna", "ben", "carl", "dora", "emil"]
EXAMPLES = settings(max_examples=80, derandomize=True, deadline=None, database=None, print_blob=True)


@dataclass(frozen=True)
class Before:
    """A hold that is there when the batch comes."""

    holder: str
    seats: list[int]
    fate: str


@dataclass(frozen=True)
class Wish:
    """A request of the batch; `repeats` makes it the retry of an earlier one, if there is one, or gives it its id."""

    holder: str
    seats: list[int]
    repeats: int | None
    another_wish: bool


seats = st.lists(st.integers(1, SEATS), min_size=1, max_size=3, unique=True)
befores = st.lists(
    st.builds(Before, st.sampled_from(HOLDERS), seats, st.sampled_from(["live", "lapsed", "lapsed", "released"])),
    max_size=4,
)
wishes = st.lists(
    st.builds(
        Wish,
        st.sampled_from(HOLDERS),
        seats | st.sampled_from([[1, 1], [], [SEATS + 1]]),
        st.none() | st.none() | st.integers(0, 8),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


BATCHES = given(before=befores, blocked=st.lists(st.integers(1, SEATS), max_size=2, unique=True), wishes=wishes)


async def prepare(db: SeatDb, before: list[Before], blocked: list[int], ids: list[UUID]) -> tuple[Show, list[Reserved]]:
    """A show in a state of its own; two with the same arguments are alike but for the ids."""
    show = await db.make_show(seats=SEATS)
    if blocked:
        await db.block(show, seats=blocked)
    made = []
    for one, reservation_id in zip(before, ids, strict=True):
        hold = await db.reserve(show, seats=one.seats, holder=one.holder, reservation_id=reservation_id)
        if hold.outcome == "OK":
            made.append(hold)
            if one.fate == "released":
                await db.release(hold)
            elif one.fate == "lapsed":
                await db.age(hold, minutes=11)
    return show, made


def requests_of(wishes: list[Wish], made: list[Reserved]) -> list[Request]:
    """The requests; a retry names what was asked for under its id, among the holds that are there and the batch, or the
    id alone, with another wish of the same holder."""
    asked = [Request(hold.seat_ids or [], hold.holder, hold.reservation_id) for hold in made]
    requests = []
    for wish in wishes:
        if wish.repeats is not None and wish.repeats < len(asked):
            request = asked[wish.repeats]
            if wish.another_wish:
                request = replace(request, seats=wish.seats)
        else:
            request = Request(wish.seats, wish.holder, uuid4())
        asked.append(request)
        requests.append(request)
    return requests


async def one_alone(db: SeatDb, show: Show, request: Request) -> Reserved:
    return await db.reserve(show, seats=request.seats, holder=request.holder, reservation_id=request.reservation_id)


async def one_by_one(db: SeatDb, show: Show, requests: list[Request]) -> list[Reserved]:
    hopeless = []
    for number, request in enumerate(requests):
        async with db.app.transaction(force_rollback=True):
            if (await one_alone(db, show, request)).outcome != "OK":
                hopeless.append(number)
    answers = {}
    for number in hopeless + [n for n in range(len(requests)) if n not in hopeless]:
        answers[number] = await one_alone(db, show, requests[number])
    return [answers[number] for number in range(len(requests))]


def told(answer: Reserved) -> dict[str, Any]:
    """An answer without its moment."""
    deadline = answer.expires_at and round((answer.expires_at - answer.server_time).total_seconds() / 60)
    return said(answer) | {"expires_at": deadline}


async def standing(db: SeatDb, show: Show) -> list[tuple[str, str, list[int]]]:
    """The holds of a show. One that ran out counts as expired, retired or not."""
    cursor = await db.owner.execute(
        """
        select reserved_by,
            case when status = 'active' and expires_at <= clock_timestamp() then 'expired' else status end, seat_ids
        from rowlock.seat_reservations where show_id = %s order by 1, 2, 3
        """,
        [show.show_id],
    )
    return await cursor.fetchall()


async def compare(db: SeatDb, before: list[Before], blocked: list[int], wishes: list[Wish]) -> None:
    ids = [uuid4() for _ in before]
    batch_show, made = await prepare(db, before, blocked, ids)
    serial_show, _ = await prepare(db, before, blocked, ids)
    requests = requests_of(wishes, made)

    together = await db.reserve_batch(batch_show, requests)
    apart = await one_by_one(db, serial_show, requests)

    assert [told(answer) for answer in together] == [told(answer) for answer in apart]
    assert await db.claims(batch_show) == await db.claims(serial_show)
    assert await standing(db, batch_show) == await standing(db, serial_show)
    assert await db.check(batch_show) == []
    assert await db.check(serial_show) == []


def compare_many(dsns: Dsns, examples: settings, mutants: list[Mutant]) -> None:
    """Compare random batches with their requests one by one, all in one database."""

    async def open_db(stack: AsyncExitStack) -> SeatDb:
        db = await stack.enter_async_context(SeatDb.connect(dsns))
        if mutants:
            await load_test_build(db.owner, mutants=mutants)
        return db

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            db = runner.run(open_db(stack))

            @examples
            @BATCHES
            def search(before: list[Before], blocked: list[int], wishes: list[Wish]) -> None:
                runner.run(compare(db, before, blocked, wishes))

            search()
        finally:
            runner.run(stack.aclose())


@pytest.mark.soak
def test_a_batch_comes_out_as_its_requests_one_by_one(dsns: Dsns, scale: Scale) -> None:
    compare_many(dsns, settings(EXAMPLES, max_examples=scale.batches, derandomize=scale.repeatable), [])


MISTAKES = {
    "a seat is given to every request for it": Mutant(
        "reserve_seats_batch", "array(select l from unnest(v_locked) as l where l <> all(v_seats))", "v_locked"
    ),
    "the last to arrive comes first": Mutant(
        "reserve_seats_batch",
        "for v_request in 1 .. cardinality(v_outcomes) loop",
        "for v_request in reverse cardinality(v_outcomes) .. 1 loop",
    ),
    "a refused request keeps its hold": Mutant(
        "reserve_seats_batch",
        "where u.outcome = 'OK' and u.reservation_id = a.reservation_id and u.seat_list::integer[] = a.seat_ids",
        "",
    ),
    "a lapsed hold is retired without freeing its seats": Mutant(
        "reserve_seats_batch", "and c.seat_id = any(v_stale_seats) and c.reservation_id = any(v_stale)", "and false"
    ),
}


@pytest.mark.soak("pg15", full=True)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_seen(dsns: Dsns, mistake: str) -> None:
    first_will_do = settings(EXAMPLES, phases=[Phase.generate], report_multiple_bugs=False)

    with pytest.raises((AssertionError, psycopg.IntegrityError)):
        compare_many(dsns, first_will_do, [MISTAKES[mistake]])
