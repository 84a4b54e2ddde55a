"""Random histories of a show: the database answers as the model does, and leaves the claims that the model leaves."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from rowlock.base.dsns import Dsns
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
from tests.support.answers import Request, Reserved, Show
from tests.support.scale import Scale
from tests.support.seatdb import SeatDb
from tests.support.steps import Mutant, load_test_build

T = TypeVar("T")

HISTORIES = settings(
    max_examples=60, stateful_step_count=50, derandomize=True, deadline=None, database=None,
    report_multiple_bugs=False, print_blob=True,
)  # fmt: skip

# The search ends with the first difference; on average it comes after 20 histories.
FIRST_MISTAKE = settings(HISTORIES, max_examples=400, phases=[Phase.generate])

HOLDERS = ["anna", "ben", "carl", "dora", "emil"]
NONSENSE = [[], [2, 2], list(range(1, MAX_SEATS + 2)), [SEATS, SEATS + 1]]
# How often what happens: such that each outcome comes up several times in 60 histories.
WEIGHTS = {
    "reserve": 8, "reserve_batch": 2, "age": 7, "extend": 3, "change": 4, "release": 2, "order": 5, "complete": 5,
    "cleanup": 2, "block": 1, "unblock": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Open:
    """An event loop and a database to play in."""

    runner: asyncio.Runner
    db: SeatDb
    # How often each operation had each outcome, over all histories.
    seen: Counter[str] = field(default_factory=Counter)


class SeatMachine(RuleBasedStateMachine):
    """Each rule does one thing to both, and compares what they answer."""

    def __init__(self, opened: Open) -> None:
        super().__init__()
        self.opened = opened
        self.db = opened.db
        self.steps = 0
        self.made: dict[int, Reserved] = {}
        self.orders: dict[int, UUID] = {}
        self.asked: dict[int, Wish] = {}
        self.ids: dict[int, UUID] = {}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.opened.runner.run(coroutine)

    @initialize(
        max_extensions=st.sampled_from([1, 3]),
        max_hold_minutes=st.sampled_from([12, 25, 60]),
        history=st.integers(0, 2**24 - 1),
    )
    def open_the_show(self, max_extensions: int, max_hold_minutes: int, history: int) -> None:
        self.history = history
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
        # Only cleanup looks beyond one show: without this it would find holds of the history before.
        self.run(self.db.cleanup())

    @rule(seed=st.integers(0, 2**24 - 1))
    def step(self, seed: int) -> None:
        """One thing happens. Hypothesis chooses and shrinks steps; what a step is comes evenly from its history, seed
        and place. Chosen by Hypothesis itself, a few operations are repeated again and again, and holds rarely run
        out. It prefers small numbers where a range has more than 24 bits."""
        self.steps += 1
        self.random = Random(f"{self.history} {seed} {self.steps}")
        operation = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        getattr(self, operation)()

    def saw(self, operation: str, outcome: object) -> None:
        self.opened.seen[f"{operation} {outcome}"] += 1

    def some_seats(self, at_most: int) -> list[int]:
        return self.random.sample(range(1, SEATS + 1), self.random.randint(1, at_most))

    def some_hold(self) -> int | None:
        """The number of a hold, more often than not of one that has not ended yet."""
        numbers = sorted(self.made)
        active = [number for number in numbers if self.model.holds[number].status == "active"]
        return self.random.choice(numbers + 3 * active) if numbers else None

    def wish(self) -> Wish:
        """A request of its own, or one that was made before, as after a lost answer; sometimes its id comes with other
        seats. One in ten is nonsense."""
        if self.asked and self.random.random() < 0.15:
            # More often than not one that made a hold.
            repeated = self.random.choice([*self.asked.values(), *[self.asked[number] for number in self.made] * 2])
            if self.random.random() < 0.3:
                return replace(repeated, seats=self.some_seats(at_most=3))
            return repeated
        number = len(self.asked)
        seats = self.random.choice(NONSENSE) if self.random.random() < 0.1 else self.some_seats(at_most=3)
        self.ids[number] = uuid4()
        self.asked[number] = Wish(number, self.random.choice(HOLDERS), seats)
        return self.asked[number]

    def reserve(self) -> None:
        wish = self.wish()
        answer = self.run(
            self.db.reserve(self.show, seats=wish.seats, holder=wish.holder, reservation_id=self.ids[wish.number])
        )
        self.compare_reserved([answer], [self.model.reserve(wish)])

    def reserve_batch(self) -> None:
        wishes = [self.wish() for _ in range(self.random.randint(2, 4))]
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
            self.saw("reserve", answer.outcome)
            if answer.outcome == "OK":
                self.made.setdefault(numbers[answer.reservation_id], answer)

    def age(self) -> None:
        number, minutes = self.some_hold(), self.random.choice([4, 6, 11])
        if number is not None and self.model.holds[number].status == "active":
            self.run(self.db.age(self.made[number], minutes=minutes))
            self.model.holds[number].minutes_left -= minutes
            self.model.holds[number].minutes_at_most -= minutes

    def extend(self) -> None:
        if (number := self.some_hold()) is not None:
            hold = self.model.holds[number]
            answer = self.run(self.db.extend(self.made[number]))
            assert answer.outcome == self.model.extend(hold).outcome
            assert answer.extension_count == hold.extensions
            if hold.live:
                assert answer.expires_at is not None
                left = (answer.expires_at - answer.server_time).total_seconds()
                assert 60 * hold.minutes_left - 59 < left <= 60 * hold.minutes_left
            self.saw("extend", answer.outcome)

    def change(self) -> None:
        if (number := self.some_hold()) is not None:
            add, remove = self.random.choice([[], [SEATS + 1], *[self.some_seats(at_most=3)] * 6]), self.some_seats(2)
            add = [seat for seat in add if seat not in remove or self.random.random() < 0.2]
            answer = self.run(self.db.change(self.made[number], add=add, remove=remove))
            told = Answer(answer.outcome, answer.seat_ids or [], answer.unavailable_seat_ids)
            assert told == self.model.change(self.model.holds[number], add, remove)
            self.saw("change", answer.outcome)

    def release(self) -> None:
        if (number := self.some_hold()) is not None:
            refused = self.run(self.db.release(self.made[number], holder="mallory"))
            assert refused.outcome == "RESERVATION_NOT_FOUND"
            repeated = self.model.holds[number].status == "released"
            answer = self.run(self.db.release(self.made[number]))
            expected = self.model.release(self.model.holds[number])
            assert answer.outcome == expected.outcome
            if not repeated:
                assert answer.released_seat_ids == expected.seats
            self.saw("release", answer.outcome)

    def order(self) -> None:
        number = self.some_hold()
        if number is not None and number not in self.orders:
            hold = self.model.holds[number]
            seats = hold.seats[1:] if len(hold.seats) > 1 and self.random.random() < 0.5 else list(hold.seats)
            self.orders[number] = self.run(self.db.order(self.made[number], seats=seats))
            self.model.orders[number] = Order(hold, seats)

    def complete(self) -> None:
        if self.orders:
            number = self.random.choice(sorted(self.orders))
            answer = self.run(self.db.complete(self.show, self.orders[number]))
            told = Answer(answer.outcome, answer.seat_ids, answer.unavailable_seat_ids)
            assert told == self.model.complete(self.model.orders[number])
            self.saw("complete", answer.outcome)

    def cleanup(self) -> None:
        cleaned = self.run(self.db.cleanup())
        counted = (cleaned.total_reservations_expired, cleaned.total_seats_released)
        assert counted == self.model.cleanup()
        self.saw("cleanup", "some" if counted[0] else "none")

    def block(self) -> None:
        seats = self.some_seats(at_most=2)
        answer = self.run(self.db.block(self.show, seats=seats))
        assert Answer(answer.outcome, answer.seat_ids, answer.unavailable_seat_ids) == self.model.block(seats)
        self.saw("block", answer.outcome)

    def unblock(self) -> None:
        seats = self.some_seats(at_most=SEATS)
        answer = self.run(self.db.unblock(self.show, seats=seats))
        assert Answer(answer.outcome, answer.seat_ids) == self.model.unblock(seats)
        self.saw("unblock", "some" if answer.seat_ids else "none")

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

    def teardown(self) -> None:
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


@pytest.mark.soak
def test_every_history_comes_out_as_in_the_model(dsns: Dsns, scale: Scale) -> None:
    with open_database(dsns, []) as opened:
        run_state_machine_as_test(
            machine(opened),
            settings=settings(HISTORIES, max_examples=scale.histories, derandomize=scale.repeatable),
        )

    # The histories came into every corner: each outcome that a single caller can meet was met, and compared.
    outcomes = {
        "reserve": "OK INVALID_INPUT TOO_MANY_SEATS DUPLICATE_RESERVATION SEATS_NOT_FOUND SEATS_UNAVAILABLE "
        "IDEMPOTENCY_KEY_REUSED RESERVATION_EXPIRED RESERVATION_NOT_ACTIVE",
        "extend": "OK MAX_EXTENSIONS_REACHED RESERVATION_EXPIRED RESERVATION_NOT_ACTIVE",
        "change": "OK INVALID_INPUT TOO_MANY_SEATS SEATS_NOT_FOUND SEATS_UNAVAILABLE RESERVATION_EXPIRED "
        "RESERVATION_NOT_ACTIVE",
        "release": "OK RESERVATION_EXPIRED RESERVATION_NOT_ACTIVE",
        "complete": "OK SEATS_UNAVAILABLE ORDER_NOT_PAYABLE",
        "block": "OK SEATS_UNAVAILABLE",
        "unblock": "some none",
        "cleanup": "some none",
    }
    expected = {f"{operation} {outcome}" for operation, all_of_it in outcomes.items() for outcome in all_of_it.split()}
    assert expected - opened.seen.keys() == set(), opened.seen


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
        "change_seats_within_limits",
        "cardinality(v_add) > 0 and cardinality(v_after) > v_show.max_seats_per_reservation",
        "false",
    ),
    "an audit row that forgets a seat": Mutant(
        "block_seats_atomic", "p_show_id, 'blocked', v_seats,", "p_show_id, 'blocked', v_seats[2:],"
    ),
    "an id that is answered whatever it asks for": Mutant(
        "tell_repeated_requests", "when k.wish_hash <> u.wish_hash then 'IDEMPOTENCY_KEY_REUSED'", ""
    ),
    "a hold that ended and is told as if it lived": Mutant(
        "tell_repeated_requests", "when k.status <> 'active' then 'RESERVATION_NOT_ACTIVE'", ""
    ),
    "a completed order without a seat of its hold": Mutant(
        "complete_order_atomic",
        "or v_seats is distinct from array(select s from unnest(v_hold.seat_ids) as s order by s)", "",
    ),
}  # fmt: skip


@pytest.mark.soak("pg15", full=True)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_seen(dsns: Dsns, mistake: str) -> None:
    with open_database(dsns, [MISTAKES[mistake]]) as opened, pytest.raises((AssertionError, psycopg.IntegrityError)):
        run_state_machine_as_test(machine(opened), settings=FIRST_MISTAKE)
