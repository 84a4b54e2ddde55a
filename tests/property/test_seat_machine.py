"""Random histories of a show: the database answers as the model does, and leaves the claims that the model leaves."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rowlock.domain.database import Dsns
from tests.property.model import (
    EXTENSION_MINUTES,
    HOLD_MINUTES,
    MAX_SEATS,
    SEATS,
    Answer,
    Model,
    Order,
    Wish,
)
from tests.support.seatdb import Request, Reserved, SeatDb, Show
from tests.support.steps import Mutant, load_test_build

T = TypeVar("T")

HISTORIES = settings(
    max_examples=60, stateful_step_count=30, derandomize=True, deadline=None, database=None, report_multiple_bugs=False
)

holders = st.sampled_from(["anna", "ben", "carl"])
# Also more seats than allowed, the same seat twice, none at all, and one that is not there.
wanted = st.lists(st.integers(1, SEATS), min_size=1, max_size=3, unique=True) | st.sampled_from(
    [[], [2, 2], list(range(1, MAX_SEATS + 2)), [SEATS, SEATS + 1]]
)
some_seats = st.lists(st.integers(1, SEATS), max_size=3)
picks = st.integers(0, 99)


@dataclass(frozen=True)
class Open:
    """An event loop and a database to play in."""

    runner: asyncio.Runner
    db: SeatDb


class SeatMachine(RuleBasedStateMachine):
    """Each rule does one thing to both, and compares what they answer."""

    def __init__(self, opened: Open) -> None:
        super().__init__()
        self.opened = opened
        self.db = opened.db
        self.made: dict[int, Reserved] = {}
        self.orders: dict[int, UUID] = {}
        self.asked: dict[int, Wish] = {}
        self.ids: dict[int, UUID] = {}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.opened.runner.run(coroutine)

    @initialize(max_extensions=st.sampled_from([1, 3]), max_hold_minutes=st.sampled_from([12, 25, 60]))
    def open_the_show(self, max_extensions: int, max_hold_minutes: int) -> None:
        self.model = Model(max_extensions, max_hold_minutes)
        self.show: Show = self.run(
            self.db.make_show(
                seats=SEATS,
                max_seats_per_reservation=MAX_SEATS,
                hold_seconds=60 * HOLD_MINUTES,
                extension_seconds=60 * EXTENSION_MINUTES,
                max_extensions=max_extensions,
                max_hold_seconds=60 * max_hold_minutes,
            )
        )
        # Only cleanup looks beyond one show, and holds of the history before are none of this one's.
        self.run(self.db.cleanup())

    def wish(self, holder: str, seats: list[int], again: int | None) -> Wish:
        """A request of its own, or one that was made before, as after a lost answer."""
        if again is not None and self.asked:
            return self.asked[again % len(self.asked)]
        number = len(self.asked)
        self.ids[number] = uuid4()
        self.asked[number] = Wish(number, holder, seats)
        return self.asked[number]

    @rule(holder=holders, seats=wanted, again=st.none() | st.none() | picks)
    def reserve(self, holder: str, seats: list[int], again: int | None) -> None:
        wish = self.wish(holder, seats, again)
        answer = self.run(
            self.db.reserve(self.show, seats=wish.seats, holder=wish.holder, reservation_id=self.ids[wish.number])
        )
        self.compare_reserved([answer], [self.model.reserve(wish)])

    @rule(requests=st.lists(st.tuples(holders, wanted, st.none() | picks), min_size=2, max_size=4))
    def reserve_batch(self, requests: list[tuple[str, list[int], int | None]]) -> None:
        wishes = [self.wish(*request) for request in requests]
        answers = self.run(
            self.db.reserve_batch(
                self.show, [Request(wish.seats, wish.holder, self.ids[wish.number]) for wish in wishes]
            )
        )
        self.compare_reserved(answers, self.model.reserve_batch(wishes))

    def compare_reserved(self, answers: list[Reserved], expected: list[Answer]) -> None:
        # No seats at all come back as null.
        told = [Answer(a.outcome, a.seat_ids or [], a.unavailable_seat_ids) for a in answers]
        assert told == expected
        numbers = {reservation_id: number for number, reservation_id in self.ids.items()}
        for answer in answers:
            if answer.outcome == "OK":
                self.made.setdefault(numbers[answer.reservation_id], answer)

    @precondition(lambda self: self.made)
    @rule(pick=picks)
    def extend(self, pick: int) -> None:
        number = self.pick(pick)
        answer = self.run(self.db.extend(self.made[number]))
        hold = self.model.holds[number]
        assert answer.outcome == self.model.extend(hold).outcome
        assert answer.extension_count == hold.extensions
        if hold.live:
            assert answer.expires_at is not None
            left = (answer.expires_at - answer.server_time).total_seconds()
            assert 60 * hold.minutes_left - 59 < left <= 60 * hold.minutes_left

    @precondition(lambda self: self.made)
    @rule(pick=picks, add=some_seats | st.sampled_from([[SEATS + 1], list(range(1, MAX_SEATS + 2))]), remove=some_seats)
    def change(self, pick: int, add: list[int], remove: list[int]) -> None:
        number = self.pick(pick)
        answer = self.run(self.db.change(self.made[number], add=add, remove=remove))
        told = Answer(answer.outcome, answer.seat_ids or [], answer.unavailable_seat_ids)
        assert told == self.model.change(self.model.holds[number], add, remove)

    @precondition(lambda self: self.made)
    @rule(pick=picks, stranger=st.booleans())
    def release(self, pick: int, stranger: bool) -> None:
        number = self.pick(pick)
        if stranger:
            refused = self.run(self.db.release(self.made[number], holder="mallory"))
            assert refused.outcome == "RESERVATION_NOT_FOUND"
            return
        released_before = self.model.holds[number].status == "released"
        answer = self.run(self.db.release(self.made[number]))
        expected = self.model.release(self.model.holds[number])
        assert answer.outcome == expected.outcome
        if not released_before:
            assert answer.released_seat_ids == expected.seats

    @precondition(lambda self: self.made)
    @rule(pick=picks, minutes=st.sampled_from([4, 6, 11]))
    def age(self, pick: int, minutes: int) -> None:
        number = self.pick(pick)
        hold = self.model.holds[number]
        if hold.status == "active":
            self.run(self.db.age(self.made[number], minutes=minutes))
            hold.minutes_left -= minutes
            hold.minutes_at_most -= minutes

    @rule()
    def cleanup(self) -> None:
        cleaned = self.run(self.db.cleanup())
        assert (cleaned.total_reservations_expired, cleaned.total_seats_released) == self.model.cleanup()

    @rule(seats=st.lists(st.integers(1, SEATS), min_size=1, max_size=2))
    def block(self, seats: list[int]) -> None:
        answer = self.run(self.db.block(self.show, seats=seats))
        assert Answer(answer.outcome, answer.seat_ids, answer.unavailable_seat_ids) == self.model.block(seats)

    @rule(seats=st.lists(st.integers(1, SEATS), min_size=1, max_size=4))
    def unblock(self, seats: list[int]) -> None:
        answer = self.run(self.db.unblock(self.show, seats=seats))
        assert Answer(answer.outcome, answer.seat_ids) == self.model.unblock(seats)

    @precondition(lambda self: self.made)
    @rule(pick=picks, but_one=st.booleans())
    def order(self, pick: int, but_one: bool) -> None:
        number = self.pick(pick)
        hold = self.model.holds[number]
        if number not in self.orders:
            seats = hold.seats[1:] if but_one and len(hold.seats) > 1 else list(hold.seats)
            self.orders[number] = self.run(self.db.order(self.made[number], seats=seats))
            self.model.orders[number] = Order(hold, seats)

    @precondition(lambda self: self.orders)
    @rule(pick=picks)
    def complete(self, pick: int) -> None:
        number = sorted(self.orders)[pick % len(self.orders)]
        answer = self.run(self.db.complete(self.show, self.orders[number]))
        told = Answer(answer.outcome, answer.seat_ids, answer.unavailable_seat_ids)
        assert told == self.model.complete(self.model.orders[number])

    def pick(self, pick: int) -> int:
        """A hold, more often than not one that has not ended yet."""
        numbers = sorted(self.made)
        active = [number for number in numbers if self.model.holds[number].status == "active"]
        return (numbers + 3 * active)[pick % (len(numbers) + 3 * len(active))]

    @invariant()
    def the_same_claims_and_holds(self) -> None:
        numbers = {reservation_id: number for number, reservation_id in self.ids.items()}
        numbers |= {order_id: number for number, order_id in self.orders.items()}
        claims = {
            seat: (status, None if whose is None else numbers[whose])
            for seat, (status, whose) in self.run(self.db.claim_rows(self.show)).items()
        }
        assert claims == self.model.claims
        holds = {
            numbers[row["reservation_id"]]: (row["reserved_by"], row["status"], row["seat_ids"], row["extension_count"])
            for row in self.run(self.db.reservations(self.show))
        }
        assert holds == {
            number: (hold.holder, hold.status, hold.seats, hold.extensions) for number, hold in self.model.holds.items()
        }

    @invariant()
    def nothing_contradicts_itself(self) -> None:
        assert self.run(self.db.check(self.show)) == []


@contextmanager
def open_database(dsns: Dsns, mutants: list[Mutant]) -> Iterator[Open]:
    async def connect(stack: AsyncExitStack) -> SeatDb:
        db = await stack.enter_async_context(SeatDb.connect(dsns))
        if mutants:
            await load_test_build(db.owner, mutants=mutants)
        return db

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield Open(runner, runner.run(connect(stack)))
        finally:
            runner.run(stack.aclose())


def machine(opened: Open) -> type[RuleBasedStateMachine]:
    """The machine as Hypothesis asks for it: a class that needs no argument."""
    return cast("type[RuleBasedStateMachine]", partial(SeatMachine, opened))


def test_every_history_comes_out_as_in_the_model(dsns: Dsns) -> None:
    with open_database(dsns, []) as opened:
        run_state_machine_as_test(machine(opened), settings=HISTORIES)


MISTAKES = {
    "a fourth extension": Mutant(
        "extend_reservation_atomic", "v_hold.extension_count >= v_show.max_extensions or ", ""
    ),
    "an extension of a hold that ran out": Mutant(
        "extend_reservation_atomic", "v_hold.expires_at <= v_now or v_claims < cardinality(v_hold.seat_ids)", "false"
    ),
    "a cleanup of live holds": Mutant(
        "cleanup_expired_seat_reservations", "and a.expires_at <= v_started", ""
    ),
    "a release of seats that others have now": Mutant(
        "release_seats_batch", "and c.reservation_id = any(v_releasing) and c.status = 'reserved'", ""
    ),
    "a change without an end": Mutant(
        "change_seats_atomic", "cardinality(v_after) > v_show.max_seats_per_reservation", "false"
    ),
    "an audit row that forgets a seat": Mutant(
        "block_seats_atomic", "case v_outcome when 'OK' then 'blocked' else 'failed' end, v_seats,",
        "case v_outcome when 'OK' then 'blocked' else 'failed' end, v_seats[2:],",
    ),
    "a completed order that leaves its other seats reserved": Mutant(
        "complete_order_atomic", "c.seat_id = any(v_hold.seat_ids) and c.status = 'reserved'", "false"
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_seen(dsns: Dsns, mistake: str) -> None:
    with open_database(dsns, [MISTAKES[mistake]]) as opened, pytest.raises(AssertionError):
        run_state_machine_as_test(machine(opened), settings=settings(HISTORIES, phases=[Phase.generate]))
