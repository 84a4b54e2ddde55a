"""Choosing the best seats, compared with a simple reference that tries every place in turn."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rowlock.catalogue.model import Category, Row, Seat, SeatingPlan, SeatKind, Section
from rowlock.catalogue.showcase import stadium, theatre
from rowlock.reservations.best_available import Chooser
from rowlock.reservations.hall import Bench, Hall
from tests.reservations.best_available_reference import Reference, check
from tests.support.halls import GROUP_SIZES

KINDS: dict[str, SeatKind] = {"s": "standard", "w": "wheelchair", "c": "companion"}
CATEGORIES = (Category("Stalls"), Category("Balcony"), Category("Crew", for_sale=False))


def plan(*rows: str, categories: Sequence[int] | None = None) -> SeatingPlan:
    """A plan of rows from the stage backwards: s a seat, w a wheelchair place, c a companion place, _ an aisle.

    Seats are numbered in reading order from 1. All rows are centred. A row that begins with @ is a round table.
    """
    seats: list[Seat] = []
    run = 0
    for row, text in enumerate(rows):
        position = 0
        is_table = text.startswith("@")
        text = text.removeprefix("@")
        for column, letter in enumerate(text):
            turn = 2 * math.pi * column / len(text)
            if letter == "_":
                run += 1
                continue
            seats.append(
                Seat(
                    seat_id=len(seats) + 1,
                    row=row,
                    run=run,
                    position=position,
                    number=str(position + 1),
                    label=f"{row}-{position}",
                    x=math.sin(turn) if is_table else column - (len(text) - 1) / 2,
                    y=10.0 * row + 5.0 - math.cos(turn) if is_table else 10.0 * row + 1.0,
                    category=categories[row] if categories else 0,
                    source_id=f"{row}-{position}",
                    kind=KINDS[letter],
                )
            )
            position += 1
        run += 1
    return SeatingPlan(
        "Hall", 100.0, 100.0, (0.0, 0.0), CATEGORIES, (Section("Hall"),),
        tuple(Row(0, str(row)) for row in range(len(rows))), tuple(seats),
    )  # fmt: skip


def chooser(*rows: str, taken: Iterable[int] = (), categories: Sequence[int] | None = None) -> Chooser:
    made = Chooser(Hall(plan(*rows, categories=categories)))
    for seat_id in taken:
        made.set_free(seat_id, free=False)
    return made


def sell(chooser: Chooser, seats: Sequence[int] | None) -> Sequence[int]:
    assert seats is not None
    for seat_id in seats:
        chooser.set_free(seat_id, free=False)
    return seats


# The rules, one by one.


def test_a_group_sits_in_the_middle_of_the_best_row() -> None:
    assert chooser("sssssssss", "sssssssss").choose(3) == (4, 5, 6)


def test_the_next_group_sits_beside_the_first() -> None:
    hall = chooser("ssssssssss", "ssssssssss")
    assert sell(hall, hall.choose(2)) == (5, 6)
    assert sell(hall, hall.choose(2)) == (3, 4)
    assert sell(hall, hall.choose(2)) == (7, 8)


def test_the_block_in_the_middle_comes_before_those_at_the_sides_and_these_are_filled_from_the_aisle() -> None:
    hall = chooser("ssss_ssss_ssss")
    assert sell(hall, hall.choose(4)) == (5, 6, 7, 8)
    assert sell(hall, hall.choose(2)) == (3, 4)
    assert sell(hall, hall.choose(2)) == (1, 2)
    assert sell(hall, hall.choose(2)) == (9, 10)


def test_a_row_beside_the_stage_is_filled_from_its_middle_too() -> None:
    rows = plan("sssssssss")
    beside = tuple(replace(seat, x=50.0, y=seat.x) for seat in rows.seats)
    assert Chooser(Hall(replace(rows, seats=beside))).choose(3) == (4, 5, 6)


def test_a_group_never_sits_across_an_aisle_while_another_row_seats_it_together() -> None:
    assert chooser("sss_sss", "ssss").choose(4) == (7, 8, 9, 10)


def test_no_seat_is_left_single_while_that_can_be_avoided_elsewhere() -> None:
    # In the first row two of the three free seats would leave one alone.
    assert chooser("sss", "ssss").choose(2) in {(4, 5), (6, 7)}
    # In the middle of five, one would leave two on either side; anywhere else there is a better place.
    assert chooser("sssss").choose(1) == (3,)
    assert chooser("sssss").choose(2) == (1, 2)


def test_a_single_seat_is_left_when_the_group_would_be_refused_otherwise() -> None:
    hall = chooser("sss", "sss")
    assert sell(hall, hall.choose(2)) == (1, 2)


def test_a_group_that_cannot_sit_together_sits_in_rows_near_each_other_and_no_part_is_one_person() -> None:
    # Three and three, in a row of three and the row behind it, where the other two of its five stay together.
    assert chooser("sss", "sssss", "s", "sss").choose(6) in {(1, 2, 3, 4, 5, 6), (1, 2, 3, 6, 7, 8)}
    # Five are not split into four and one: the row of four gives two or three.
    seats = chooser("ssss", "ssss").choose(5)
    assert seats is not None
    assert sorted([sum(s <= 4 for s in seats), sum(s > 4 for s in seats)]) == [2, 3]


def test_a_split_group_sits_in_as_few_parts_as_can_be() -> None:
    seats = chooser("ss_ss_ss_ss", "ss_ss_ss_ss", "sss", "sss").choose(6)
    assert seats == (17, 18, 19, 20, 21, 22)


def test_none_only_when_fewer_seats_are_left() -> None:
    hall = chooser("s_s_s", "s_s", taken=[2])
    assert hall.choose(5) is None
    assert sell(hall, hall.choose(4)) == (1, 3, 4, 5)
    assert hall.choose(1) is None


def test_only_seats_of_the_category_are_chosen() -> None:
    hall = chooser("ssss", "ssss", categories=[0, 1])
    assert hall.choose(2, category=1) in {(5, 6), (7, 8)}
    assert hall.choose(5, category=1) is None
    assert hall.choose(5) is not None


def test_benches_are_of_one_category_and_what_is_not_for_sale_is_never_chosen() -> None:
    hall = chooser("ssss", "ssss", categories=[2, 0])
    assert hall.choose(4) == (5, 6, 7, 8)
    assert hall.choose(5) is None
    hall.set_free(1, free=True)  # Seats that are not for sale cannot be set free.
    assert hall.choose(5) is None


def test_a_category_of_the_hall_is_found_by_its_name() -> None:
    hall = Hall(plan("ss"))
    assert (hall.category("Balcony"), hall.category("Moon")) == (1, None)


# Accessible places.


def test_wheelchair_and_companion_places_are_chosen_only_on_request() -> None:
    hall = chooser("wcsswc", "ss")
    assert sell(hall, hall.choose(2)) == (3, 4)
    assert sell(hall, hall.choose(2)) == (7, 8)
    assert hall.choose(1) is None


def test_an_accessible_request_gets_a_wheelchair_place_and_its_companion() -> None:
    hall = chooser("ssssss", "ssssssssssssswc")
    assert hall.choose(1, accessible=True) == (20,)
    assert sell(hall, hall.choose(2, accessible=True)) == (20, 21)
    # No wheelchair place is left: a standard seat is no substitute, so the request is refused.
    assert hall.choose(1, accessible=True) is None
    assert hall.choose(1) is not None


def test_an_accessible_group_takes_one_wheelchair_place_and_leaves_the_others_their_companions() -> None:
    # Not places 1 to 4, which would use both wheelchair places, nor 2 and 3, which would part both pairs.
    assert chooser("wcwcsssss").choose(4, accessible=True) == (3, 4, 5, 6)
    assert chooser("wcwcsssss").choose(2, accessible=True) in {(1, 2), (3, 4)}


def test_an_accessible_group_leaves_no_standard_seat_single_while_that_can_be_avoided() -> None:
    assert chooser("wcsss_", "wcssss").choose(4, accessible=True) == (6, 7, 8, 9)


def test_an_accessible_group_takes_more_wheelchair_places_rather_than_be_refused() -> None:
    assert chooser("wcwc").choose(4, accessible=True) == (1, 2, 3, 4)


def test_an_accessible_group_that_cannot_sit_in_one_row_has_its_others_nearby() -> None:
    # Only one of the two pairs is used; the others sit in the standard seats behind and not in the far row.
    assert chooser("wc_wc", "ssss", *["ssss"] * 4).choose(6, accessible=True) == (1, 2, 5, 6, 7, 8)
    # When standard seats are too few, the other places are for this group too.
    assert chooser("wc_wc", "s").choose(5, accessible=True) == (1, 2, 3, 4, 5)


def test_accessible_places_of_another_category_are_not_chosen() -> None:
    hall = chooser("wcss", "ssss", categories=[0, 1])
    assert hall.choose(2, accessible=True, category=1) is None
    assert hall.choose(2, accessible=True, category=0) == (1, 2)


# Tables.


def test_at_a_round_table_the_last_seat_is_beside_the_first() -> None:
    for pair in ((6, 1), (5, 6), (1, 2)):
        # The pair in the row behind would be together, so two single seats at the table would lose.
        made = chooser("@ssssss", "ss", taken={1, 2, 3, 4, 5, 6} - set(pair))
        assert made.choose(2) == tuple(sorted(pair))


def test_a_group_as_large_as_the_table_gets_the_table() -> None:
    assert chooser("@ssssss", "ssss").choose(6) == (1, 2, 3, 4, 5, 6)


def test_no_seat_of_a_table_is_left_single_while_that_can_be_avoided_elsewhere() -> None:
    # Five would leave one seat, which has the group on both sides; four leave the two that are beside each other.
    assert chooser("@ssssss", "sssss").choose(5) == (7, 8, 9, 10, 11)
    assert len(set(chooser("@ssssss", "ssss").choose(4) or ()) & {1, 2, 3, 4, 5, 6}) == 4
    # Of three free seats around the end of the numbers, two would leave one.
    assert chooser("@ssssss", "ss", taken=[3, 4, 5]).choose(2) == (7, 8)


def test_the_seat_beside_a_wheelchair_place_may_be_on_the_other_side_of_the_end_of_the_numbers() -> None:
    assert chooser("@wsssss", "ws", taken=[2, 3]).choose(2, accessible=True) == (1, 6)


def test_a_table_with_an_open_side_has_two_ends() -> None:
    assert chooser("@ssss__", "ss", taken=[2, 3]).choose(2) == (5, 6)


def test_a_price_that_changes_at_a_table_ends_a_group_there_and_the_end_of_the_numbers_does_not() -> None:
    table = plan("@ssssss", "ss")
    seats = tuple(
        replace(seat, category=1) if seat.seat_id in {3, 4} else replace(seat, category=0) for seat in table.seats
    )
    made = Chooser(Hall(replace(table, seats=seats)))
    assert made.choose(4, category=0) == (1, 2, 5, 6)
    assert [len(bench.seats) for bench in Hall(replace(table, seats=seats)).benches] == [4, 2, 2]
    assert made.choose(2, category=1) == (3, 4)


# Compared with the reference.


ROWS = st.text(alphabet="ssssss_wc", min_size=1, max_size=12).filter(lambda text: text.strip("_"))
TABLES = st.text(alphabet="ssssss_wc", min_size=3, max_size=10).map("@{}".format)
PLANS = st.lists(
    st.tuples(ROWS | TABLES.filter(lambda text: text.strip("@_")), st.sampled_from([0, 0, 1, 2])),
    min_size=1,
    max_size=5,
).map(lambda rows: plan(*(text for text, _ in rows), categories=[category for _, category in rows]))


@settings(max_examples=400, deadline=None)
@given(
    made=PLANS,
    taken=st.sets(st.integers(1, 60)),
    quantity=st.integers(1, 10),
    category=st.sampled_from([None, 0, 1]),
    accessible=st.booleans(),
)
def test_every_choice_follows_the_rules(
    made: SeatingPlan, taken: set[int], quantity: int, category: int | None, *, accessible: bool
) -> None:
    hall = Hall(made)
    reference, choosing = Reference(hall), Chooser(hall)
    for seat_id in taken:
        reference.free.discard(seat_id)
        choosing.set_free(seat_id, free=False)
    check(reference, choosing, quantity, category, accessible=accessible)


class CachedAndFreshChoices(RuleBasedStateMachine):
    """Seats are taken and freed between choices: each choice equals that of a new chooser without any cached state."""

    @initialize(made=PLANS)
    def open(self, made: SeatingPlan) -> None:
        self.hall = Hall(made)
        self.reference = Reference(self.hall)
        self.chooser = Chooser(self.hall)

    @rule(seats=st.sets(st.integers(1, 60), max_size=8))
    def take(self, seats: set[int]) -> None:
        for seat in seats:
            self.reference.free.discard(seat)
            self.chooser.set_free(seat, free=False)

    @rule(seats=st.sets(st.integers(1, 60), max_size=8))
    def free(self, seats: set[int]) -> None:
        for seat in seats & self.hall.place.keys():
            self.reference.free.add(seat)
        for seat in seats:
            self.chooser.set_free(seat, free=True)

    @rule(quantity=st.integers(1, 10), category=st.sampled_from([None, 0, 1]), accessible=st.booleans())
    def sell(self, quantity: int, category: int | None, *, accessible: bool) -> None:
        check(self.reference, self.chooser, quantity, category, accessible=accessible)
        for seat in self.chooser.choose(quantity, category=category, accessible=accessible) or ():
            self.reference.free.discard(seat)
            self.chooser.set_free(seat, free=False)

    @invariant()
    @precondition(lambda self: hasattr(self, "hall"))
    def choices_are_equal(self) -> None:
        anew = Chooser(self.hall)
        for seat in self.hall.place.keys() - self.reference.free:
            anew.set_free(seat, free=False)
        for quantity in (1, 2, 3, 5):
            for accessible in (False, True):
                again = self.chooser.choose(quantity, accessible=accessible)
                assert again == anew.choose(quantity, accessible=accessible)


TestCachedAndFreshChoices = CachedAndFreshChoices.TestCase
TestCachedAndFreshChoices.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


# A whole sale.


@cache
def hall_of(name: str) -> Hall:
    return Hall({"theatre": theatre, "stadium": stadium}[name]())


def single_seats(choosing: Chooser, hall: Hall, free: set[int]) -> int:
    """Free standard seats with no free standard seat beside them."""
    alone = 0
    for bench in hall.benches:
        here = [_is_free_standard(bench, bit, free) for bit in range(len(bench.seats))]
        padded = [False, *here, False]
        alone += sum(
            one and not before and not after for before, one, after in zip(padded, padded[1:], padded[2:], strict=False)
        )
    return alone


def _is_free_standard(bench: Bench, bit: int, free: set[int]) -> bool:
    return bench.seats[bit] in free and bool(bench.standard >> bit & 1)


@pytest.mark.parametrize("seed", range(10))
def test_a_show_sells_out_and_leaves_hardly_any_single_seat(seed: int) -> None:
    """Groups of one to eight ask for 120 % of the seats in all; a group is refused when too few are left."""
    hall = hall_of("theatre")
    rng, choosing = random.Random(seed), Chooser(hall)
    free = {seat for bench in hall.benches for bit, seat in enumerate(bench.seats) if bench.standard >> bit & 1}
    seats_total = len(free)
    asked, split, groups, singles = 0, 0, 0, []
    while asked < 1.2 * seats_total:
        (quantity,) = rng.choices(range(1, 9), GROUP_SIZES)
        asked += quantity
        chosen = choosing.choose(quantity)
        if chosen is None:
            assert len(free) < quantity
            continue
        groups += 1
        split += len({hall.place[seat][0] for seat in chosen}) > 1
        free.difference_update(sell(choosing, chosen))
        singles.append(single_seats(choosing, hall, free))
    assert (seats_total - len(free)) / seats_total >= 0.99
    assert singles[-1] / seats_total * 1000 <= 3
    # Nor during the sale: after half of the groups, and on average.
    assert singles[len(singles) // 2] == 0
    assert sum(singles) / len(singles) / seats_total * 1000 <= 3
    assert split / groups <= 0.05


class Counting(Chooser):
    """Counts how often it looks at a bench."""

    looks = 0

    def _standard(self, number: int) -> int:
        self.looks += 1
        return super()._standard(number)


def test_a_stadium_is_sold_out_without_looking_at_every_bench_for_every_group() -> None:
    hall = hall_of("stadium")
    rng, choosing = random.Random(1), Counting(hall)
    groups, sold, most = 0, 0, 0
    while True:
        (quantity,) = rng.choices(range(1, 9), GROUP_SIZES)
        before = choosing.looks
        chosen = choosing.choose(quantity)
        if chosen is None:
            break
        groups += 1
        sold += len(sell(choosing, chosen))
        most = max(most, choosing.looks - before)
    assert sold > 99_000
    assert groups > 25_000
    assert choosing.looks <= 4 * groups  # Each bench at most once for each size of group, and once after a change.
    assert most <= 3 * len(hall.benches)


def test_giving_back_the_best_seats_again_and_again_does_not_make_choosing_slow() -> None:
    # If only the place where the last search ended were stored, each search from the first row would scan full rows.
    hall = hall_of("stadium")
    choosing = Counting(hall)
    for _ in range(2_000):
        sell(choosing, choosing.choose(8))
    choosing.looks = 0
    for _ in range(500):
        for seat in hall.benches[0].seats[:2]:
            choosing.set_free(seat, free=True)
        sell(choosing, choosing.choose(2))
        sell(choosing, choosing.choose(8))
    assert choosing.looks <= 4 * 1_000


def test_a_refusal_in_a_full_hall_looks_at_nothing() -> None:
    hall = hall_of("theatre")
    choosing = Counting(hall)
    sell(choosing, tuple(hall.place))
    choosing.looks = 0
    assert [choosing.choose(quantity, category=category) for quantity in (1, 8) for category in (None, 0)] == [None] * 4
    assert choosing.looks == 0
