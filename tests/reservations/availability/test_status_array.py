"""The status array of a show compared with a dictionary: statuses, deadlines, the packed form and its version."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rowlock.reservations.availability import status_array
from rowlock.reservations.availability.status_array import (
    AVAILABLE,
    BLOCKED,
    CODES,
    RESERVED,
    SOLD,
    STATUSES,
    StatusArray,
)

MOST_SEATS = 21
SEATS = st.sets(st.integers(1, MOST_SEATS), max_size=6)
STATES = st.sampled_from(range(4))
# Few instants, so that deadlines meet each other and the clock.
INSTANTS = st.integers(0, 12).map(float)
DEADLINES = st.none() | INSTANTS


def unpack(packed: bytes, seats_total: int) -> list[int]:
    """What docs/reference/seat-status-format.md says of the bytes: seat 1 in the lowest bits of the first."""
    return [packed[(seat - 1) // 4] >> (seat - 1) % 4 * 2 & 0b11 for seat in range(1, seats_total + 1)]


class ArrayAndDictionary(RuleBasedStateMachine):
    """After every operation the status array equals a dictionary of (status, deadline)."""

    @initialize(seats_total=st.integers(1, MOST_SEATS))
    def start(self, seats_total: int) -> None:
        self.seats_total = seats_total
        self.notified: set[int] = set()
        self.statuses = StatusArray(seats_total, self.notified.update)
        self.model: dict[int, tuple[int, float | None]] = {}
        self.now = 0.0

    def _change(self, after: dict[int, tuple[int, float | None]]) -> None:
        changed = {
            seat
            for seat in range(1, self.seats_total + 1)
            if self.model.get(seat, (AVAILABLE, None))[0] != after.get(seat, (AVAILABLE, None))[0]
        }
        assert changed == self.notified
        self.notified.clear()
        self.model = after

    @rule(seats=SEATS, status=STATES, until=DEADLINES)
    def put(self, seats: set[int], status: int, until: float | None) -> None:
        mine = [seat for seat in sorted(seats) if seat <= self.seats_total]
        self.statuses.put(mine, status, until)
        state = (status, until if status == RESERVED else None)
        self._change({**self.model, **dict.fromkeys(mine, state)})

    @rule(states=st.dictionaries(st.integers(1, MOST_SEATS), st.tuples(STATES, DEADLINES)), keep=SEATS)
    def replace(self, states: dict[int, tuple[int, float | None]], keep: set[int]) -> None:
        named = {seat: state for seat, state in states.items() if seat <= self.seats_total}
        self.statuses.replace([(seat, status, until) for seat, (status, until) in named.items()], keep=keep)
        kept = {seat: state for seat, state in self.model.items() if seat in keep}
        taken_over = {
            seat: (status, until if status == RESERVED else None)
            for seat, (status, until) in named.items()
            if seat not in keep
        }
        self._change(kept | taken_over)

    @rule(passes=st.integers(0, 4))
    def expire(self, passes: int) -> None:
        self.now += passes
        self.statuses.expire(self.now)
        self._change(
            {seat: (status, until) for seat, (status, until) in self.model.items() if until is None or until > self.now}
        )

    @invariant()
    def is_equal(self) -> None:
        statuses = [self.model.get(seat, (AVAILABLE, None))[0] for seat in range(1, self.seats_total + 1)]
        taken = [seat for seat, status in enumerate(statuses, start=1) if status != AVAILABLE]
        assert [self.statuses.status(seat) for seat in range(1, self.seats_total + 1)] == statuses
        assert self.statuses.taken() == taken
        assert self.statuses.seats_available == self.seats_total - len(taken)
        packed = self.statuses.packed()
        assert unpack(packed, self.seats_total) == statuses
        assert len(packed) == (self.seats_total + 3) // 4
        assert packed[-1] >> ((self.seats_total - 1) % 4 + 1) * 2 == 0  # Bits after the last seat are 0.

        # The version depends on the statuses only, and not on how they came about.
        fresh = StatusArray(self.seats_total)
        for seat, status in enumerate(statuses, start=1):
            fresh.put((seat,), status)
        assert fresh.version == self.statuses.version


TestArrayAndDictionary = ArrayAndDictionary.TestCase
TestArrayAndDictionary.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


@settings(deadline=None)
@given(one=st.lists(STATES, min_size=8, max_size=8), other=st.lists(STATES, min_size=8, max_size=8))
def test_two_states_have_one_version_only_when_they_are_the_same(one: list[int], other: list[int]) -> None:
    arrays = []
    for statuses in (one, other):
        array = StatusArray(8)
        for seat, status in enumerate(statuses, start=1):
            array.put((seat,), status)
        arrays.append(array)
    assert (arrays[0].version == arrays[1].version) == (one == other)


def test_the_codes_are_those_of_the_documented_format() -> None:
    assert STATUSES == ("available", "reserved", "sold", "blocked")
    assert (AVAILABLE, RESERVED, SOLD, BLOCKED) == (0, 1, 2, 3)
    assert CODES == {"available": 0, "reserved": 1, "sold": 2, "blocked": 3}


def test_the_example_of_the_documentation() -> None:
    statuses = StatusArray(6)
    statuses.put([1], RESERVED)
    statuses.put([2], SOLD)
    assert statuses.packed() == bytes.fromhex("0900")


def test_a_hold_that_is_put_again_and_again_is_stored_once() -> None:
    # Recent events are read from the change feed again and again; each must not add a deadline.
    statuses = StatusArray(4)
    for _ in range(1_000):
        statuses.put([1, 2], RESERVED, 10.0)
    assert len(statuses._deadlines) == 2
    statuses.expire(10.0)
    assert statuses.seats_available == 4


def test_deadlines_of_holds_that_ended_early_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seat may be held and given back many times a second, and the deadline of each hold is minutes away."""
    monkeypatch.setattr(status_array, "DEADLINES_LEFT", 10)
    statuses = StatusArray(4)
    statuses.put([1], RESERVED, 20.0)
    for number in range(1_000):
        statuses.put([2], RESERVED, 10.0 + number / 1000)
        assert len(statuses._deadlines) <= 2 * 2 + 10 + 1
        if number < 999:
            statuses.put([2], AVAILABLE)
    statuses.expire(11.0)
    assert (statuses.status(1), statuses.status(2)) == (RESERVED, AVAILABLE)
    statuses.expire(20.0)
    assert statuses.seats_available == 4


def test_seats_of_an_extended_hold_are_reserved_until_its_new_deadline() -> None:
    statuses = StatusArray(4)
    statuses.put([1], RESERVED, 10.0)
    statuses.put([1], RESERVED, 20.0)
    statuses.expire(19.0)
    assert statuses.status(1) == RESERVED
    statuses.expire(20.0)
    assert statuses.status(1) == AVAILABLE


def test_a_stadium_fits_into_25_kilobytes() -> None:
    assert len(StatusArray(100_000).packed()) == 25_000
