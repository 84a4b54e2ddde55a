"""What the benchmark tells: goals, the table, the results, and the comparison with an earlier run."""

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest
from bench.__main__ import exit_code
from bench.figures import exact, figure
from bench.report import Row, RowKind, comparison, noise, read_earlier, results, table, worse, write

MORE_IS_BETTER = RowKind("hot_show", "ratio", "≥ 0.8", "reservations/s")
LESS_IS_BETTER = RowKind("growth", "ratio", "≤ 1.15", "p50 of a reserve")


def row(kind: RowKind, *rounds: float) -> Row:
    return Row(kind, "seats", figure(rounds))


@pytest.mark.parametrize(
    ("goal", "value", "met"), [("≥ 1.5", 1.5, True), ("≥ 1.5", 1.49, False), ("≤ 2", 2.0, True), ("≤ 2", 2.01, False)]
)
def test_a_goal_is_reached_at_its_bound(goal: str, value: float, met: bool) -> None:
    assert RowKind("hot_show", "ratio", goal, "").is_met_by(value) is met


def test_a_missed_goal_is_marked_and_does_not_fail_the_command() -> None:
    rows = [row(MORE_IS_BETTER, 0.5), row(LESS_IS_BETTER, 1.0)]

    assert [each.met for each in rows] == [False, True]
    assert ["MISSED" in line for line in table(rows).splitlines()[2:]] == [True, False]
    assert exit_code(rows) == 0


def test_a_row_that_could_not_be_measured_fails_the_command() -> None:
    failed = Row(MORE_IS_BETTER, "seats", None, "BrokenInvariantError: a seat is claimed twice")

    assert exit_code([row(LESS_IS_BETTER, 1.0), failed]) == 1
    assert failed.met is False
    assert "failed" in table([failed])
    assert results([failed], {})["rows"][0]["detail"] == {"error": "BrokenInvariantError: a seat is claimed twice"}


def test_the_table_has_the_range_of_rows_with_rounds() -> None:
    lines = table([row(MORE_IS_BETTER, 2.0, 1.5, 3.25), Row(LESS_IS_BETTER, "seats", exact(25_000))]).splitlines()

    assert [cell.strip() for cell in lines[2].split("|")[2:4]] == ["2", "1.5 to 3.25"]
    assert [cell.strip() for cell in lines[3].split("|")[2:4]] == ["25,000", ""]


def test_results_have_the_agreed_shape_and_are_json_even_when_nothing_came_back() -> None:
    facts: dict[str, Any] = {"machine": {"cores": 2}, "versions": {}, "durability": {}}
    document = results([Row(MORE_IS_BETTER, "seats", figure([1.0, inf, 1.23456]))], facts)

    read = json.loads(json.dumps(document, allow_nan=False))

    assert read.keys() == {"machine", "versions", "durability", "rows"}
    assert read["rows"] == [
        {
            "id": "hot_show",
            "group": "seats",
            "value": 1.2346,
            "unit": "ratio",
            "goal": "≥ 0.8",
            "met": True,
            "low": 1.0,
            "high": None,
            "detail": {"rounds": [1.0, None, 1.2346]},
        }
    ]


def test_what_is_written_tells_commit_and_machine_and_can_be_compared_with_later(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"mode": "full", "started_at": "2026-11-28T18:00:00+00:00", "seconds": 400.0}
    facts |= {"machine": {"cpu": "EPYC"}, "versions": {"commit": "abc1234"}, "durability": {"fsync": "on"}}

    write([row(MORE_IS_BETTER, 2.0, 2.1)], facts, "Against nothing:", tmp_path)

    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert all(words in text for words in ("abc1234", "cpu: EPYC", "fsync: on", "hot_show", "Against nothing:"))
    earlier = read_earlier(tmp_path / "results.json")
    assert earlier["rows"].keys() == {"hot_show"}
    assert worse([row(MORE_IS_BETTER, 1.0, 1.2)], earlier)
    assert "abc1234" in comparison([row(MORE_IS_BETTER, 2.0, 2.2)], earlier, "full")


def earlier_run(*rows: dict[str, Any], mode: str = "full") -> dict[str, Any]:
    versions = {"commit": "abc1234"}
    return {"mode": mode, "started_at": "yesterday", "versions": versions, "rows": {each["id"]: each for each in rows}}


NEW_FORMAT = {"id": "hot_show", "value": 2.0, "low": 1.8, "high": 2.2, "detail": {"rounds": [1.8, 2.0, 2.2]}}
OLD_FORMAT = {"id": "hot_show", "value": 2.0, "detail": {"ratio_median": 1.99, "ratio_min": 1.8, "ratio_max": 2.2}}


@pytest.mark.parametrize("then", [NEW_FORMAT, OLD_FORMAT])
@pytest.mark.parametrize(
    ("rounds", "is_worse"),
    [
        ((1.5, 1.6, 1.7), True),
        ((1.5, 1.6, 1.9), False),  # The ranges overlap.
        ((1.9, 2.0, 2.1), False),
        ((2.9, 3.0, 3.1), False),  # It is better.
    ],
)
def test_a_row_that_got_worse_beyond_noise_is_named(
    then: dict[str, Any], rounds: tuple[float, ...], is_worse: bool
) -> None:
    found = worse([row(MORE_IS_BETTER, *rounds)], earlier_run(then))

    assert len(found) == is_worse
    assert all("hot_show: 1.6 (1.5 to 1.7), before 2 (1.8 to 2.2)" in sentence for sentence in found)


@pytest.mark.parametrize(("rounds", "is_worse"), [((1.3, 1.4, 1.5), True), ((1.05, 1.2), False), ((0.8, 0.9), False)])
def test_where_less_is_better_more_is_worse(rounds: tuple[float, ...], is_worse: bool) -> None:
    then = {"id": "growth", "value": 1.03, "low": 1.0, "high": 1.1, "detail": {}}

    assert bool(worse([row(LESS_IS_BETTER, *rounds)], earlier_run(then))) is is_worse


def test_the_range_of_an_old_row_that_had_the_worse_of_two_ratios_is_found() -> None:
    http, sql = (
        {"ratio": 1.01, "ratio_min": 0.99, "ratio_max": 1.02},
        {"ratio": 1.03, "ratio_min": 1.0, "ratio_max": 1.1},
    )

    assert noise({"id": "growth", "value": 1.0303, "detail": {"http": http, "sql": sql, "seconds": 12}}) == (1.0, 1.1)


@pytest.mark.parametrize("detail", [{}, None, {"seconds": 1.0, "rounds": [2.0]}, {"ratio_min": None, "ratio_max": 3.0}])
def test_a_range_that_is_not_known_is_taken_for_15_percent(detail: dict[str, Any] | None) -> None:
    assert noise({"id": "hot_show", "value": 2.0, "detail": detail}) == pytest.approx((1.7, 2.3))


def test_a_single_round_tells_nothing_of_the_noise() -> None:
    then = NEW_FORMAT | {"low": 2.0, "high": 2.0, "detail": {"rounds": [2.0]}}

    assert not worse([row(MORE_IS_BETTER, 1.5)], earlier_run(then))
    assert worse([row(MORE_IS_BETTER, 1.4)], earlier_run(then))


def test_what_is_counted_once_has_no_noise() -> None:
    then = {"id": "growth", "value": 25_000, "low": 25_000, "high": 25_000, "detail": {"seats": 100_000}}

    assert worse([Row(LESS_IS_BETTER, "seats", exact(25_001))], earlier_run(then))
    assert not worse([Row(LESS_IS_BETTER, "seats", exact(25_000))], earlier_run(then))


def test_a_row_that_can_no_longer_be_measured_is_worse_and_a_new_one_is_not() -> None:
    failed = Row(MORE_IS_BETTER, "seats", None, "RuntimeError: no")

    assert "nothing could be measured" in worse([failed], earlier_run(NEW_FORMAT))[0]
    assert not worse([failed, row(LESS_IS_BETTER, 9.0)], earlier_run())


def test_a_comparison_of_a_quick_run_with_a_full_one_says_so() -> None:
    told = comparison([row(MORE_IS_BETTER, 2.0, 2.1)], earlier_run(NEW_FORMAT), "quick")

    assert "no row got worse" in told
    assert "this is a quick run" in told
    assert "this is" not in comparison([], earlier_run(NEW_FORMAT), "full")


@pytest.mark.parametrize("text", [None, "", "[]", '{"rows": [{}]}', '{"rows": 5}', '{"rows": [{"id": "a"}]}'])
def test_a_file_that_is_no_earlier_run_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "results.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=r"is not the results\.json"):
        read_earlier(path)
