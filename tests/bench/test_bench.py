"""The pure parts of the benchmark: a wrong formula there would be believed for years."""

from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import cast

import pytest
from bench.__main__ import choose, exit_code
from bench.cluster import BrokenInvariantError, Counts, Ledger
from bench.context import FULL, MEASUREMENTS, QUICK, Bench, Measurement, measures
from bench.figures import Figure, exact, figure, interleave, medians_in_turns, percentile, ratio, spread
from bench.halls import Supply, Wishes, groups, groups_for, show_id
from bench.product import SeatingPlan, theatre
from bench.report import Row, RowKind, results, table
from bench.rows import GROUPS
from bench.rows.best_available import count_orphans, play

ROOT = Path(__file__).resolve().parents[2]
MORE_IS_BETTER = RowKind("hot_show", "ratio", "≥ 0.8", "reservations/s")
LESS_IS_BETTER = RowKind("growth", "ratio", "≤ 1.15", "p50 of a reserve")
ROWS = {kind.id: kind for measurement in MEASUREMENTS for kind in measurement.rows}


def row(kind: RowKind, *rounds: float) -> Row:
    return Row(kind, "seats", figure(rounds))


@pytest.mark.parametrize(
    ("percent", "value"), [(0.1, 1), (1, 10), (50, 500), (90, 900), (99, 990), (99.9, 999), (100, 1000)]
)
def test_a_percentile_is_the_smallest_value_that_so_many_are_not_above(percent: float, value: float) -> None:
    values = list(range(1, 1001))
    Random(1).shuffle(values)

    assert percentile(values, percent) == value


def test_requests_that_failed_are_the_slowest() -> None:
    assert percentile([0.001, inf, 0.001, 0.001], 75) == 0.001
    assert percentile([0.001, inf, 0.001, 0.001], 76) == inf


def test_when_nothing_came_back_the_percentile_is_infinite() -> None:
    assert percentile([], 50) == inf


@pytest.mark.parametrize("at_once", [1, 7])
def test_no_two_requests_want_the_same_seat_or_come_from_the_same_session(at_once: int) -> None:
    wishes = Wishes(first_show=3, pairs=50, at_once=at_once)
    seen = [wishes.get(number) for number in range(1_000)]
    seats = [(show, seat) for show, pair, _ in seen for seat in pair]

    assert len(set(seats)) == 2_000
    assert len({session for _, _, session in seen}) == 1_000
    assert {seat for _, seat in seats} == set(range(1, 101))


def test_an_on_sale_fills_one_show_before_the_next() -> None:
    wishes = Wishes(first_show=3, pairs=2)

    assert [wishes.get(number)[0] for number in range(4)] == [show_id(3), show_id(3), show_id(4), show_id(4)]


def test_a_series_can_be_continued() -> None:
    assert Wishes(0, 50, skip=70).get(5) == Wishes(0, 50).get(75)


def test_a_series_goes_on_behind_old_holds_that_were_dealt_out_to_the_same_shows() -> None:
    shows, holds = 10, 103  # Old hold n has pair n // shows of show n % shows.
    old = {(show_id(number % shows), 2 * (number // shows) + 1) for number in range(holds)}
    new = {(show, seats[0]) for show, seats, _ in (Wishes(0, 50, shows, skip=holds).get(n) for n in range(50))}

    assert len(new) == 50
    assert not old & new


def test_show_ids_are_what_sql_makes_of_a_number() -> None:
    assert show_id(12) == "00000000-0000-4000-8000-100000000012"


def test_a_supply_gives_every_run_shows_of_its_own() -> None:
    supply = Supply(shows=300, seats=200)

    first, second, spread_out = supply.take(250), supply.take(1), supply.take(150, at_once=100)

    assert (first.first_show, second.first_show, spread_out.first_show) == (0, 3, 4)
    assert spread_out.at_once == 100
    with pytest.raises(ValueError, match="300 shows were made"):
        supply.take(20_000)


def test_sides_take_turns_and_no_side_always_comes_last() -> None:
    order: list[str] = []

    def side(name: str) -> int:
        order.append(name)
        return len(order)

    samples = interleave({"a": lambda: side("a"), "b": lambda: side("b")}, 3)

    assert order == ["a", "b", "b", "a", "a", "b"]
    assert samples == {"a": [1, 4, 5], "b": [2, 3, 6]}


def test_single_requests_take_turns_and_the_first_round_is_not_counted() -> None:
    asked: list[tuple[str, int]] = []

    def side(name: str) -> Callable[[int], None]:
        return lambda number: asked.append((name, number))

    medians = medians_in_turns({"a": side("a"), "b": side("b")}, samples=20, rounds=2)

    assert {name: len(rounds) for name, rounds in medians.items()} == {"a": 2, "b": 2}
    assert [number for _, number in asked] == [number for number in range(60) for _ in "ab"]
    assert {asked[i][0] for i in range(0, 120, 2)} == {"a", "b"}, "neither side always comes first"


def test_a_figure_is_the_median_and_the_range_of_its_rounds() -> None:
    assert figure([3.0, 1.0, 2.0], seats=5) == Figure(2.0, 1.0, 3.0, {"rounds": [3.0, 1.0, 2.0], "seats": 5})
    assert figure([4.0, 1.0])[:3] == (2.5, 1.0, 4.0)
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "low": 1.0, "high": 3.0, "rounds": [3.0, 1.0, 2.0]}


def test_a_ratio_is_the_median_of_the_ratios_of_its_rounds() -> None:
    made = ratio(("http", [2.0, 8.0, 9.0]), ("pgbench", [2.0, 2.0, 4.0]), clients=4)

    assert made[:3] == (2.25, 1.0, 4.0)
    assert made.detail["rounds"] == [1.0, 4.0, 2.25]
    assert made.detail["http"]["median"] == 8.0
    assert made.detail["pgbench"]["rounds"] == [2.0, 2.0, 4.0]
    assert made.detail["clients"] == 4


def test_nothing_looks_well_beside_a_broken_yardstick() -> None:
    with pytest.raises(ValueError, match="pgbench came to"):
        ratio(("http", [1.0, 1.0]), ("pgbench", [0.0, 0.0]))


@pytest.mark.parametrize("goal", ["≤ 2", "≥ 1.5"])
def test_a_machine_too_busy_for_the_yardstick_leaves_the_ratio_unclear(goal: str) -> None:
    """Not a failure: nothing is broken. Not a success either, whichever way the goal points."""
    row = Row(RowKind("p99", "ratio", goal, "a latency"), "seats", ratio(("http", [1.0, 1.0]), ("pgbench", [1.0, inf])))

    assert not row.met
    assert exit_code([row]) == 0
    assert "unclear" in table([row])
    assert results([row], {})["rows"][0]["value"] is None


def test_one_broken_round_makes_the_range_infinite() -> None:
    made = ratio(("http", [1.0, 1.0, 1.0, 1.0]), ("pgbench", [1.0, 0.0, 1.0, 2.0]))

    assert made[:3] == (1.0, 0.5, inf)


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
    ledger = Ledger(Counts(0, 0, 0))
    ledger.add(10, cut_off=2)

    found = ledger.differences(after)

    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_what_was_there_before_is_not_counted() -> None:
    assert not Ledger(Counts(5, 4, 8), confirmed=1).differences(Counts(6, 5, 10))


def test_seats_that_change_hands_are_no_measure_of_reservations() -> None:
    ledger = Ledger(Counts(0, 0, 0), in_pairs=False, confirmed=10)

    assert not ledger.differences(Counts(created=10, reservations=10, claims=4))
    assert ledger.differences(Counts(created=9, reservations=10, claims=4))


def measurement(measure: Callable[[Bench], Mapping[str, Figure]]) -> list[Row]:
    bench = cast("Bench", SimpleNamespace(say=lambda _: None))
    return Measurement("seats", (MORE_IS_BETTER, LESS_IS_BETTER), measure).take(bench)


def test_a_measurement_gives_a_row_for_each_of_its_figures() -> None:
    rows = measurement(lambda _: {"growth": figure([1.0]), "hot_show": figure([2.0])})

    assert [(each.kind.id, each.group, each.figure and each.figure.value) for each in rows] == [
        ("hot_show", "seats", 2.0),
        ("growth", "seats", 1.0),
    ]


@pytest.mark.parametrize("error", [BrokenInvariantError("a seat is claimed twice"), RuntimeError("a seat is gone")])
def test_a_measurement_that_fails_says_so_in_each_of_its_rows(error: Exception) -> None:
    def fails(_: Bench) -> Mapping[str, Figure]:
        raise error

    rows = measurement(fails)

    assert [each.figure for each in rows] == [None, None]
    assert all(each.error == f"{type(error).__name__}: {error}" for each in rows)
    assert exit_code(rows) == 1


def test_later_nouns_bring_rows_under_a_group_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = RowKind("page_view", "ms", "≤ 5", "a page")
    monkeypatch.setattr("bench.context.MEASUREMENTS", made := list[Measurement]())

    @measures("web", kind)
    def measure_page(_: Bench) -> Mapping[str, Figure]:
        return {"page_view": exact(3)}

    assert made == [Measurement("web", (kind,), measure_page)]
    monkeypatch.setattr("bench.__main__.MEASUREMENTS", [*MEASUREMENTS, *made])
    assert choose(None, "web") == (made, {"page_view"})
    assert "page_view" in choose(None, None)[1]
    assert choose(None, "seats")[0] == [each for each in MEASUREMENTS if each.group == "seats"]
    with pytest.raises(ValueError, match="no row 'hot_show' in the group web"):
        choose("hot_show", "web")


def test_every_row_belongs_to_one_measurement_and_has_a_goal_that_can_be_read() -> None:
    listed = [kind for measurement in MEASUREMENTS for kind in measurement.rows]

    assert GROUPS == ["seats", "checkout"]
    assert len(ROWS) == len(listed)
    for kind in listed:
        bound = float(kind.goal.split()[1])
        assert kind.goal[:2] in ("≥ ", "≤ ")
        assert kind.is_met_by(bound)


def test_single_rows_can_be_chosen() -> None:
    chosen, wanted = choose("hot_show, expire_100k_p99, status_bytes", None)

    assert wanted == {"hot_show", "expire_100k_p99", "status_bytes"}
    assert {kind.id for each in chosen for kind in each.rows} == {
        *wanted, "status_vs_plaintext_200", "status_vs_plaintext_304",
    }  # fmt: skip


@pytest.mark.parametrize("only", ["", "hot_shoe", "hot_show,nothing"])
def test_an_unknown_row_is_refused_with_the_list_of_rows(only: str) -> None:
    with pytest.raises(ValueError, match="best_available_herd"):
        choose(only, None)


def test_every_row_is_explained_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "benchmarks.md").read_text(encoding="utf-8")

    assert not [name for name in ROWS if f"`{name}`" not in page]
    assert not [kind.id for kind in ROWS.values() if f"| `{kind.id}` | {kind.goal}" not in page.replace(",", "")]


def test_the_benchmark_stays_within_its_2200_lines() -> None:
    files = [path for path in (ROOT / "bench").rglob("*") if path.suffix in (".py", ".lua", ".sql")]

    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) <= 2_200


def test_the_product_is_imported_in_one_place() -> None:
    importing = [
        path.name
        for path in (ROOT / "bench").rglob("*.py")
        if any(line.startswith(("from rowlock", "import rowlock")) for line in path.read_text("utf-8").splitlines())
    ]

    assert importing == ["product.py"]


def test_groups_come_in_all_sizes_and_fill_a_hall_exactly() -> None:
    sizes = list(groups_for(8_000, Random(1)))

    assert sum(sizes) == 8_000
    assert set(sizes) == set(range(1, 9))
    assert next(groups(Random(1))) == sizes[0]


def plan_of(*runs: int) -> SeatingPlan:
    """A plan with runs of so many seats, numbered one after the other."""
    numbers = [(run, place) for run, length in enumerate(runs) for place in range(length)]
    seats = [
        SimpleNamespace(seat_id=n, run=run, position=place, category=0) for n, (run, place) in enumerate(numbers, 1)
    ]
    return cast("SeatingPlan", SimpleNamespace(seats=seats))


def test_orphans_are_free_seats_without_a_free_neighbour() -> None:
    plan = plan_of(100, 100)

    assert count_orphans(plan, set(range(1, 201))) == 0
    assert count_orphans(plan, {1, 3, 4, 100, 101}) == 3, "3 and 4 are neighbours; 100 and 101 are in different rows"
    assert count_orphans(plan, {2, 200}) == 2
    assert count_orphans(plan, set()) == 0


def test_a_season_adds_up() -> None:
    season = play(theatre(), seed=1)

    assert season.sold == season.capacity == 588
    assert season == play(theatre(), seed=1)


def test_holds_that_run_out_make_a_season_harder_to_fill() -> None:
    seasons = [play(theatre(), seed, restless_share=0.3) for seed in range(3)]

    assert all(season.sold <= season.capacity for season in seasons)
    assert sum(season.orphans for season in seasons) > 0


def test_the_full_run_is_at_least_as_thorough_as_the_quick_one_everywhere() -> None:
    assert FULL.seats == (8_000, 100_000)
    assert FULL.grown == (5_000, 500_000, 2_000_000)
    assert FULL.expired_holds == 100_000
    for name in ("rounds", "long_rounds", "latency_rounds", "seconds", "rush_seconds", "samples"):
        assert getattr(FULL, name) >= getattr(QUICK, name)
    assert not FULL.shared
