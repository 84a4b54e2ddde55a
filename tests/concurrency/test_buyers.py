"""Buyers who want the same seats at the same time.

Where two meet, every interleaving is run, and the same is done with an implementation that gets it wrong (checks
first and inserts then, without a key that could refuse): there the search must find the double sale.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, LiteralString

import pytest

from tests.support.answers import Reserved, Show
from tests.support.seatdb import SeatDb
from tests.support.steps import Call, Mutant, explore, load_test_build, stepping, wait_until_blocked

_NAIVE: LiteralString = """
create table rowlock_test.naive_claims (show_id uuid, seat_id integer, holder text);
create function rowlock_test.naive_reserve(p_show uuid, p_seats integer[], p_holder text) returns text
language plpgsql security definer
as $$
declare v_seat integer;
begin
    foreach v_seat in array p_seats loop
        if exists (select from rowlock_test.naive_claims where show_id = p_show and seat_id = v_seat) then
            return 'SEATS_UNAVAILABLE';
        end if;
        assert rowlock_test.step('naive_reserve', 'checked');
        insert into rowlock_test.naive_claims values (p_show, v_seat, p_holder);
    end loop;
    return 'OK';
end
$$;
grant usage on schema rowlock_test to rowlock_app;
"""


async def naive_reserve(db: SeatDb, show: Show, seats: Sequence[int], holder: str) -> str:
    cursor = await db.app.execute("select rowlock_test.naive_reserve(%s, %s, %s)", [show.show_id, list(seats), holder])
    row = await cursor.fetchone()
    assert row is not None
    return str(row[0])


async def naive_claims(db: SeatDb, show: Show) -> list[tuple[int, str]]:
    cursor = await db.owner.execute(
        "select seat_id, holder from rowlock_test.naive_claims where show_id = %s order by 1, 2", [show.show_id]
    )
    return await cursor.fetchall()


Ending = tuple[tuple[str, str], Any]
Buyer = Callable[[SeatDb, Show], Awaitable[str]]


class Race:
    """Two buyers, and what each interleaving of theirs came to: the two outcomes and the claims left."""

    def __init__(self, db: SeatDb) -> None:
        self.db = db
        self.endings: list[Ending] = []

    async def run(
        self,
        one: Sequence[int],
        two: Sequence[int],
        *,
        names: tuple[str, str] = ("anna", "ben"),
        until: Ending | None = None,
    ) -> None:
        """Run both against the real functions, in every interleaving or until one comes to this ending."""
        await self._run(
            lambda db, show: _outcome(db.reserve(show, seats=one, holder=names[0])),
            lambda db, show: _outcome(db.reserve(show, seats=two, holder=names[1])),
            self.db.claims,
            until,
        )
        assert await self.db.check() == []

    async def run_naively(self, anna: Sequence[int], ben: Sequence[int], *, until: Ending) -> None:
        """Run both against the implementation that checks first, until one interleaving comes to this ending."""
        await self.db.owner.execute(_NAIVE)
        await self._run(
            lambda db, show: naive_reserve(db, show, anna, "anna"),
            lambda db, show: naive_reserve(db, show, ben, "ben"),
            lambda show: naive_claims(self.db, show),
            until,
        )

    async def _run(
        self, one: Buyer, two: Buyer, claims: Callable[[Show], Awaitable[Any]], until: Ending | None
    ) -> None:
        show = await self.db.make_show(seats=4)

        async def prepare() -> Sequence[Call]:
            nonlocal show
            show = await self.db.make_show(seats=4)
            return [lambda db: one(db, show), lambda db: two(db, show)]

        async with stepping(self.db, sessions=2) as steps:
            async for schedule in explore(steps, prepare):
                ending = ((schedule.results[0], schedule.results[1]), await claims(show))
                self.endings.append(ending)
                if ending == until:
                    return


@pytest.fixture
async def race(db: SeatDb) -> Race:
    await load_test_build(db.owner)
    return Race(db)


async def test_one_of_two_buyers_of_a_seat_gets_it(race: Race) -> None:
    await race.run([1], [1])

    assert_each_is_one_of(
        race,
        (("OK", "SEATS_UNAVAILABLE"), {1: "anna"}),
        (("SEATS_UNAVAILABLE", "OK"), {1: "ben"}),
    )


async def test_checking_first_sells_a_seat_to_both(race: Race) -> None:
    sold_twice = (("OK", "OK"), [(1, "anna"), (1, "ben")])

    await race.run_naively([1], [1], until=sold_twice)

    assert race.endings[-1] == sold_twice


@pytest.mark.soak("pg15", full=True)
async def test_of_two_overlapping_requests_one_wins_and_the_other_holds_nothing(race: Race) -> None:
    await race.run([1, 2], [3, 2])

    assert_each_is_one_of(
        race,
        (("OK", "SEATS_UNAVAILABLE"), {1: "anna", 2: "anna"}),
        (("SEATS_UNAVAILABLE", "OK"), {2: "ben", 3: "ben"}),
    )


async def test_seat_by_seat_the_loser_is_left_with_a_part(race: Race) -> None:
    left_over = (("OK", "SEATS_UNAVAILABLE"), [(1, "anna"), (2, "anna"), (3, "ben")])

    await race.run_naively([1, 2], [3, 2], until=left_over)

    assert race.endings[-1] == left_over


@pytest.mark.soak("pg15", full=True)
async def test_buyers_of_different_seats_never_refuse_each_other(race: Race) -> None:
    await race.run([1, 3], [2, 4])

    assert_each_is_one_of(race, (("OK", "OK"), {1: "anna", 2: "ben", 3: "anna", 4: "ben"}))


async def test_a_holder_gets_one_of_two_reservations_made_at_once(race: Race) -> None:
    await race.run([1], [2], names=("anna", "anna"))

    assert_each_is_one_of(
        race,
        (("OK", "DUPLICATE_RESERVATION"), {1: "anna"}),
        (("DUPLICATE_RESERVATION", "OK"), {2: "anna"}),
    )


async def test_without_its_unique_index_a_holder_gets_both(race: Race) -> None:
    await race.db.owner.execute("drop index rowlock.idx_one_active_reservation_per_holder")

    both = (("OK", "OK"), {1: "anna", 2: "anna"})

    await race.run([1], [2], names=("anna", "anna"), until=both)

    assert race.endings[-1] == both


async def test_a_second_reservation_is_refused_while_the_first_lives(db: SeatDb, show: Show) -> None:
    first = await db.reserve(show, seats=[1], holder="anna")

    assert (await db.reserve(show, seats=[2], holder="anna")).outcome == "DUPLICATE_RESERVATION"
    await db.release(first)
    assert (await db.reserve(show, seats=[2], holder="anna")).outcome == "OK"
    assert await db.claims(show) == {2: "anna"}


async def test_of_ten_at_once_on_one_seat_one_wins_and_nine_are_refused(db: SeatDb, show: Show) -> None:
    answers = await all_at_once(db, show, [[7]] * 10)

    assert Counter(a.outcome for a in answers) == {"OK": 1, "SEATS_UNAVAILABLE": 9}
    assert [a.unavailable_seat_ids for a in answers if a.outcome != "OK"] == [[7]] * 9
    assert await db.claims(show) == {7: next(a.holder for a in answers if a.outcome == "OK")}
    assert await db.check() == []


async def test_twenty_at_once_on_twenty_seats_all_win(db: SeatDb, show: Show) -> None:
    answers = await all_at_once(db, show, [[seat] for seat in range(1, 21)])

    assert [a.outcome for a in answers] == ["OK"] * 20
    assert await db.claims(show) == {seat: f"buyer {seat - 1}" for seat in range(1, 21)}
    assert await db.check() == []


async def test_many_buyers_of_overlapping_pairs_never_share_a_seat(db: SeatDb, show: Show) -> None:
    answers = await all_at_once(db, show, [[seat, seat % 20 + 1] for seat in range(1, 21)])

    won = Counter(seat for a in answers if a.outcome == "OK" for seat in a.seat_ids or [])
    assert set(won.values()) == {1}
    assert sorted(won) == sorted(await db.claims(show))
    # Each refusal names a seat that another buyer has won.
    assert all(won.keys() & set(a.unavailable_seat_ids or []) for a in answers if a.outcome != "OK")
    assert await db.check() == []


async def test_extensions_at_once_never_exceed_the_limit(db: SeatDb, show: Show) -> None:
    await load_test_build(db.owner)
    hold = await db.reserve(show, seats=[1, 2], holder="anna")

    outcomes = await extend_all_at_once(db, hold, sessions=5)

    assert outcomes == {"OK": 3, "MAX_EXTENSIONS_REACHED": 2}
    row = await db.reservation(hold)
    assert row["extension_count"] == 3
    assert (row["expires_at"] - row["created_at"]).total_seconds() == 1500
    assert await db.check() == []


async def test_without_the_row_lock_more_extensions_are_granted_than_allowed(db: SeatDb, show: Show) -> None:
    mistake = Mutant(
        "extend_reservation_atomic",
        "for update;\n    -- step: reservation_locked",
        ";\n    -- step: reservation_locked",
    )
    await load_test_build(db.owner, mutants=[mistake])
    hold = await db.reserve(show, seats=[1, 2], holder="anna")

    assert await extend_all_at_once(db, hold, sessions=5) == {"OK": 5}


async def extend_all_at_once(db: SeatDb, hold: Reserved, *, sessions: int) -> Counter[str]:
    """All begin before any of them may end: each stands at its first step or waits for the one that does."""
    async with stepping(db, sessions=sessions) as steps:
        for session in steps.sessions:
            await session.start(lambda own: own.extend(hold))
        while moving := [session for session in steps.sessions if session.at]:
            await moving[0].step()
        return Counter([(await session.finish()).outcome for session in steps.sessions])


async def all_at_once(db: SeatDb, show: Show, wanted: Sequence[Sequence[int]]) -> list[Reserved]:
    """One connection a buyer. A table lock holds the claims of all back until every one of them waits to claim."""
    async with AsyncExitStack() as stack:
        buyers = [await stack.enter_async_context(db.another()) for _ in wanted]
        async with db.owner.transaction():
            await db.owner.execute("lock table rowlock.show_seats in exclusive mode")
            answers = [
                asyncio.ensure_future(buyer.reserve(show, seats=seats, holder=f"buyer {number}"))
                for number, (buyer, seats) in enumerate(zip(buyers, wanted, strict=True))
            ]
            await wait_until_blocked(db.owner, *(buyer.app for buyer in buyers))
        return await asyncio.gather(*answers)


def assert_each_is_one_of(race: Race, *allowed: tuple[tuple[str, str], Any]) -> None:
    assert [ending for ending in race.endings if ending not in allowed] == []
    # Every allowed ending came up, so the search was no search of one path.
    assert [ending for ending in allowed if ending not in race.endings] == []


async def _outcome(answer: Awaitable[Reserved]) -> str:
    return (await answer).outcome
