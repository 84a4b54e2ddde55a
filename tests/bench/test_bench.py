"""The pure parts of the benchmark: a wrong formula there would be believed for years."""

import json
from math import exp, inf
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import cast

import pytest
from bench.__main__ import choose, exit_code
from bench.context import Bench
from bench.halls import grid, pairs_needed, shows_needed
from bench.histogram import Histogram
from bench.invariants import BrokenInvariantError, Counts, Ledger, differences
from bench.measurement import Measurement, take_turns
from bench.measuring import NothingToCompareError, figures, ratio
from bench.parties import arrivals, sizes_for
from bench.report import ROWS, Row, at_least, at_most, results, table
from bench.rows import FAMILIES, Family
from bench.rows.audit_cost import FunctionChangedError, without_audit
from bench.rows.quality import count_orphans, play
from bench.scale import FULL, QUICK
from bench.turns import Turns, interleave, without_a_break
from bench.wishes import SoldOutError, Supply, Wishes, show_id

from rowlock.catalogue.showcase import theatre
from rowlock.database.queries import SQL
from rowlock.reservations.hall import Hall

ROOT = Path(__file__).resolve().parents[2]


def histogram(*seconds: float) -> Histogram:
    made = Histogram()
    for duration in seconds:
        made.add(duration)
    return made


def test_a_percentile_is_right_within_one_percent() -> None:
    durations = [number / 10_000 for number in range(1, 1_001)]
    made = histogram(*durations)

    for percent in (1, 50, 90, 99, 100):
        exact = durations[10 * percent - 1]
        assert exact <= made.percentile(percent) <= exact * 1.0101


def test_requests_that_failed_are_the_slowest() -> None:
    made = histogram(0.001, 0.001, 0.001, inf)

    assert made.percentile(75) < 0.0011
    assert made.percentile(76) == inf


def test_a_histogram_without_durations_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing was counted"):
        Histogram().percentile(50)


def test_a_histogram_survives_json_and_adds_up() -> None:
    made = histogram(0.002, 0.5, inf)
    read = Histogram.from_json(json.loads(json.dumps(made.as_json())))
    read.merge(histogram(0.001))

    assert len(read) == 4
    assert read.percentile(50) == made.percentile(33)
    assert read.percentile(100) == inf


@pytest.mark.parametrize("at_once", [1, 7])
def test_no_two_requests_want_the_same_seat_or_come_from_the_same_session(at_once: int) -> None:
    wishes = Wishes(first_show=3, pairs=50, at_once=at_once, first_pair=10)
    seen = [wishes.get(number) for number in range(1_000)]
    seats = [(show, seat) for show, pair, _ in seen for seat in pair]

    assert len(set(seats)) == 2_000
    assert len({session for _, _, session in seen}) == 1_000
    assert {seat for _, seat in seats} == set(range(21, 121))


def test_an_on_sale_fills_one_show_before_the_next() -> None:
    wishes = Wishes(first_show=3, pairs=2)

    assert [wishes.get(number)[0] for number in range(4)] == [show_id(3), show_id(3), show_id(4), show_id(4)]


def test_a_series_can_be_continued() -> None:
    assert Wishes(0, 50, skip=70).get(5) == Wishes(0, 50).get(75)


def test_show_ids_are_what_sql_makes_of_a_number() -> None:
    assert show_id(12) == "00000000-0000-4000-8000-100000000012"


def test_a_supply_gives_every_run_shows_of_its_own() -> None:
    supply = Supply(shows=300, seats=200)

    first, second, spread = supply.take(250), supply.take(1), supply.take(150, at_once=100)

    assert (first.first_show, second.first_show, spread.first_show) == (0, 3, 4)
    assert spread.at_once == 100
    with pytest.raises(SoldOutError):
        supply.take(20_000)


def test_sides_take_turns_and_no_side_always_comes_last() -> None:
    order: list[str] = []

    def side(name: str) -> int:
        order.append(name)
        return len(order)

    samples = without_a_break(interleave({"a": lambda: side("a"), "b": lambda: side("b")}, 3))

    assert order == ["a", "b", "b", "a", "a", "b"]
    assert samples == {"a": [1, 4, 5], "b": [2, 3, 6]}


class Families:
    """Families of the benchmark whose rounds only write down their names."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.open: set[str] = set()

    def measurement(self, name: str, rounds: int, *, fails_in: int | None = None) -> Measurement:
        def measure(_bench: Bench) -> Turns[list[Row]]:
            self.open.add(name)
            try:
                yield from interleave({"": lambda: self._round(name, fails_in)}, rounds)
            finally:
                self.open.remove(name)
            return [Row(name, 1.0)]

        return Measurement(cast("Bench", SimpleNamespace(say=lambda _: None)), Family((name,), measure))

    def _round(self, name: str, fails_in: int | None) -> None:
        self.order.append(name)
        if self.order.count(name) == fails_in:
            raise BrokenInvariantError("a seat is claimed twice")


def test_the_rounds_of_all_families_are_spread_over_the_whole_run() -> None:
    families = Families()

    take_turns([families.measurement("growth", 6), families.measurement("hot_show", 3)])

    assert "".join(name[0] for name in families.order) == "ghgghgghg"
    assert not families.open


def test_a_family_that_fails_says_so_and_the_others_are_measured_all_the_same() -> None:
    families = Families()
    broken, whole = families.measurement("growth", 3, fails_in=2), families.measurement("hot_show", 3)

    take_turns([broken, whole])

    assert [row.value for row in (*broken.rows, *whole.rows)] == [None, 1.0]
    assert "claimed twice" in broken.rows[0].detail["error"]
    assert whole.rows[0].detail["seconds"] >= 0


def test_a_run_that_is_broken_off_leaves_nothing_open() -> None:
    families = Families()
    measurement = families.measurement("growth", 3)
    measurement.go_on()
    assert families.open

    measurement.close()

    assert not families.open


def test_a_ratio_is_the_median_of_the_geometric_means_of_all_pairs_of_rounds() -> None:
    value, detail = ratio([2.0, 8.0, 9.0], [2.0, 2.0, 4.0])

    # The rounds came to 1, 4 and 2.25, and their pairs to 1, 1.5, 2, 2.25, 3 and 4: the middle is between 2 and 2.25.
    assert value == pytest.approx((2.0 * 2.25) ** 0.5)
    assert (detail["ratio_median"], detail["ratio_min"], detail["ratio_max"]) == (2.25, 1.0, 4.0)
    assert figures([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0, "rounds": [3.0, 1.0, 2.0]}


def test_a_ratio_tells_how_far_it_may_be_off() -> None:
    _, detail = ratio([1.0, exp(0.2)], [1.0, 1.0])

    # Two logarithms that are 0.2 apart have a standard deviation of 0.1 √2, and their mean a standard error of 0.1.
    assert detail["ratio_error"] == pytest.approx(0.1)
    assert "ratio_error" not in ratio([1.0], [1.0])[1], "one round tells nothing of the next"
    assert "±" in table([Row("hot_show", 2.0, detail)])
    assert "10.0%" in table([Row("hot_show", 2.0, detail)])


def test_a_ratio_and_its_reciprocal_tell_the_same() -> None:
    one, other = [1.0, 3.0, 2.0, 8.0], [2.0, 2.0, 5.0, 2.0]

    assert ratio(one, other)[0] == pytest.approx(1 / ratio(other, one)[0])


def test_a_side_that_came_to_nothing_in_some_rounds_is_still_compared() -> None:
    value, detail = ratio([0.0, 0.0, 0.0, 4.0], [1.0, 1.0, 0.0, 1.0])

    assert value == pytest.approx(0.0)
    assert detail["ratio_min"] == 0.0
    assert detail["ratio_max"] == inf
    assert "ratio_error" not in detail


@pytest.mark.parametrize("yardstick", [[1.0, inf], [0.0, 0.0]])
def test_nothing_looks_well_beside_a_broken_yardstick(yardstick: list[float]) -> None:
    with pytest.raises(NothingToCompareError):
        ratio([1.0, 1.0], yardstick)


def test_one_broken_round_makes_the_range_infinite() -> None:
    value, detail = ratio([1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 2.0])

    assert value == 1.0
    assert detail["ratio_max"] == inf


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (Counts(created=10, reservations=10, claims=20), []),
        (Counts(created=12, reservations=12, claims=24), []),
        (Counts(created=9, reservations=9, claims=18), ["were confirmed"]),
        (Counts(created=13, reservations=13, claims=26), ["were confirmed"]),
        (Counts(created=11, reservations=10, claims=20), ["created events"]),
        (Counts(created=10, reservations=10, claims=19), ["hold 19 seats"]),
    ],
)
def test_the_ledger_finds_what_was_lost_invented_or_not_logged(after: Counts, words: list[str]) -> None:
    ledger = Ledger()
    ledger.add(10, cut_off=2)

    found = differences(ledger, Counts(0, 0, 0), after, audited=True)

    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_what_was_there_before_is_not_counted() -> None:
    ledger = Ledger(confirmed=1)

    assert not differences(ledger, Counts(5, 4, 8), Counts(6, 5, 10), audited=True)


def test_the_audit_insert_can_be_cut_out_of_the_function_as_it_is() -> None:
    definition = (SQL / "functions" / "reserve_seats_batch.sql").read_text(encoding="utf-8")

    silent = without_audit(definition)

    removed = len(definition) - len(silent)
    assert 300 < removed < 1_000
    assert "'failed'" in definition
    assert "'failed'" not in silent


@pytest.mark.parametrize("inserts", [0, 2])
def test_another_function_is_not_cut(inserts: int) -> None:
    with pytest.raises(FunctionChangedError, match=f"has {inserts} audit inserts"):
        without_audit("begin\n" + "    insert into seat_reservation_audit_log\n    values (1);\n" * inserts + "end\n")


def test_every_row_belongs_to_one_family_and_every_family_to_the_table() -> None:
    listed = [name for family in FAMILIES for name in family.ids]

    assert sorted(listed) == sorted(ROWS)


def test_single_rows_can_be_chosen() -> None:
    chosen = choose("hot_show, expire_100k_p99")

    assert [names for _, names in chosen] == [("hot_show",), ("expire_100k_p99",)]


@pytest.mark.parametrize("only", ["", "hot_shoe", "hot_show,nothing"])
def test_an_unknown_row_is_refused_with_the_list_of_rows(only: str) -> None:
    with pytest.raises(ValueError, match="best_available_herd"):
        choose(only)


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [(at_least(1.5), 1.5, True), (at_least(1.5), 1.49, False), (at_most(2), 2.0, True), (at_most(2), 2.01, False)],
)
def test_a_goal_is_reached_at_its_bound(goal: object, value: float, met: bool) -> None:
    assert goal.is_met_by(value) is met  # type: ignore[attr-defined]


def test_a_missed_goal_is_marked_and_does_not_fail_the_command() -> None:
    rows = [Row("hot_show", 0.5, {}), Row("open_loop", 3.0, {})]

    assert "MISSED" in table(rows)
    assert [row.met for row in rows] == [False, None]
    assert exit_code(rows) == 0


def test_a_row_that_could_not_be_measured_fails_the_command() -> None:
    row = Row("hot_show", None, {"error": "broken invariant: a seat is claimed twice"})

    assert exit_code([Row("open_loop", 3.0, {}), row]) == 1
    assert row.met is False
    assert "failed" in table([row])


def test_a_row_without_a_value_is_no_failure_when_there_was_nothing_to_measure() -> None:
    row = Row("overload_refusal_cost", None, {"note": "nothing was refused"})

    assert row.met is None
    assert exit_code([row]) == 0
    assert "failed" not in table([row])
    assert "MISSED" not in table([row])


def test_results_have_the_agreed_shape_and_are_json_even_when_nothing_came_back() -> None:
    facts: dict[str, object] = {"machine": {}, "versions": {}, "durability": {}}
    document = results([Row("open_loop", inf, {"p99_ms": [1.0, inf]})], facts)

    read = json.loads(json.dumps(document, allow_nan=False))

    assert read.keys() >= {"machine", "versions", "durability", "rows"}
    assert read["rows"][0].keys() >= {"id", "value", "unit", "goal", "detail"}
    assert read["rows"][0]["value"] is None
    assert read["rows"][0]["detail"] == {"p99_ms": [1.0, None]}


def test_every_row_is_explained_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "benchmarks.md").read_text(encoding="utf-8")

    missing = [name for name in ROWS if f"`{name}`" not in page]

    assert not missing


def test_parties_come_in_all_sizes_and_fill_a_hall_exactly() -> None:
    parties = sizes_for(8_000, Random(1))

    assert sum(parties) == 8_000
    assert set(parties) == set(range(1, 9))
    assert next(arrivals(Random(1))) == parties[0]


def test_a_grid_is_a_plan_with_dense_seats() -> None:
    plan = grid(300)

    assert [seat.seat_id for seat in plan.seats] == list(range(1, 301))
    assert len({seat.label for seat in plan.seats}) == len({seat.source_id for seat in plan.seats}) == 300
    assert len(plan.rows) == 3


def test_holds_are_dealt_out_to_enough_shows() -> None:
    assert shows_needed(10_000) == 1
    assert shows_needed(10_001) == 2
    assert pairs_needed(101, 10) == 11


def test_orphans_are_free_seats_without_a_free_neighbour() -> None:
    hall = Hall(grid(200))
    first, second = (set(range(start, start + 100)) for start in (1, 101))

    assert count_orphans(hall, first | second) == 0
    assert count_orphans(hall, {1, 3, 4, 100, 101}) == 3
    assert count_orphans(hall, set()) == 0


def test_a_season_adds_up() -> None:
    season = play(theatre(), seed=1)

    assert season.sold == season.capacity == 588
    assert season.refused == 0
    assert season == play(theatre(), seed=1)


def test_holds_that_run_out_make_a_season_harder_to_fill() -> None:
    season = play(theatre(), seed=1, restless_share=0.3)

    assert season.parties > play(theatre(), seed=1).parties
    assert season.sold <= season.capacity


def test_the_full_run_is_at_least_as_thorough_as_the_quick_one_everywhere() -> None:
    assert FULL.growth_live_claims == 500_000
    assert FULL.growth_audit_rows == 2_000_000
    assert FULL.growth_shows == 5_000
    assert FULL.expired_holds == 100_000
    assert FULL.rounds >= QUICK.rounds
    assert set(QUICK.curve_percents) <= set(FULL.curve_percents) == {25, 50, 70, 90, 110, 200}
