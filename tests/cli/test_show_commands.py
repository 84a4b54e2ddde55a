"""The commands that change a show or a venue: what they print, do and exit with, on a real database."""

from pathlib import Path
from typing import Any

import pytest

from rowlock.cli.exits import ExitCode
from tests.cli.conftest import Invoke, plan_file

STARTS_AT = "2100-06-12T19:30"


@pytest.fixture
def plan_id(rowlock: Invoke, tmp_path: Path) -> str:
    return str(rowlock("plan", "import", plan_file(tmp_path), "--venue", "Playhouse", "--json").document["plan_id"])


@pytest.fixture
def show_id(rowlock: Invoke, plan_id: str) -> str:
    made = rowlock(
        "show", "create", "--plan", plan_id, "--title", "Gala", "--starts-at", STARTS_AT, "--price", "2500", "--json"
    )
    return str(made.document["show_id"])


def test_a_show_is_updated_paused_resumed_and_cancelled(rowlock: Invoke, show_id: str) -> None:
    done = rowlock(
        "show", "update", show_id, "--title", "Gala!", "--doors-at", "2100-06-12T19:00",
        "--ends-at", "2100-06-12T22:00", "--description", "A night.",
        "--image-url", "https://example.org/a.jpg", "--json",
    )  # fmt: skip

    assert done.code == 0, done.err
    assert (done.document["title"], done.document["description"]) == ("Gala!", "A night.")
    assert done.document["doors_at"] == "2100-06-12T19:00:00+00:00"
    assert rowlock("show", "update", show_id, "--description", "", "--json").document["description"] is None
    assert rowlock("show", "pause", show_id, "--json").document["status"] == "paused"
    assert "on_sale" in rowlock("show", "resume", show_id).out
    cancelled = rowlock("show", "cancel", show_id, "--reason", "ill", "--json")
    assert cancelled.document == {"show_id": show_id, "holds_released": 0, "orders_ended": 0}
    [listed] = rowlock("show", "list", "--json").document["shows"]
    assert (listed["title"], listed["status"]) == ("Gala!", "cancelled")


@pytest.mark.parametrize(
    ("currency", "stalls", "child", "fee", "order"),
    [
        ("JPY", "2,650 JPY", "1,150 JPY", "150 JPY", "200 JPY"),
        ("USD", "26.50 USD", "11.50 USD", "1.50 USD", "2.00 USD"),
        ("KWD", "2.650 KWD", "1.150 KWD", "0.150 KWD", "0.200 KWD"),
    ],
)
def test_prices_and_fees_are_printed_in_the_digits_of_the_currency(
    rowlock: Invoke, plan_id: str, currency: str, stalls: str, child: str, fee: str, order: str
) -> None:
    done = rowlock(
        "show", "create", "--plan", plan_id, "--title", "Gala", "--starts-at", STARTS_AT, "--currency", currency,
        "--price", "2500", "--price", "Stalls/child=1000", "--fee-per-ticket", "150", "--fee-per-order", "200",
        "--tax", "7.25",
    )  # fmt: skip

    assert done.code == 0, done.err
    told = dict(line.split("  ", maxsplit=1) for line in done.out.splitlines())
    assert told["prices"].strip() == f"Stalls {stalls} (child {child})"
    assert told["fees"].strip() == f"{fee} per ticket, within these prices; {order} per order, besides them"
    assert told["taxes"].strip() == "adult 7.25 %, child 7.25 %, within these prices"
    show_id = rowlock("show", "list", "--json").document["shows"][0]["show_id"]
    assert f"Stalls {stalls} (child {child})" in rowlock("show", "update", show_id, "--title", "Gala!").out


def test_the_prices_of_a_show_are_changed(rowlock: Invoke, show_id: str) -> None:
    fee = rowlock("show", "update", show_id, "--fee-per-ticket", "150", "--json").document
    types = rowlock(
        "show", "update", show_id, "--price", "/child=1000", "--tax", "adult=19", "--tax", "child=7.5", "--json"
    ).document
    fewer = rowlock("show", "update", show_id, "--price", "Stalls/child=", "--fee-per-order", "200", "--json").document

    def told(document: dict[str, Any]) -> list[tuple[object, ...]]:
        return [tuple(price.values()) for price in document["prices"]]

    assert told(fee) == [("Stalls", "adult", 2650, 150, 0, 0)]
    assert told(types) == [("Stalls", "adult", 2650, 150, 1900, 423), ("Stalls", "child", 1150, 150, 750, 80)]
    assert told(fewer) == [("Stalls", "adult", 2650, 150, 1900, 423)]
    assert (types["price_types"], fewer["price_types"]) == (["adult", "child"], ["adult"])
    assert (types["fee_per_order_minor"], fewer["fee_per_order_minor"]) == (0, 200)
    [listed] = rowlock("show", "list", "--json").document["shows"]
    assert listed["price_from_minor"] == 2650


@pytest.mark.parametrize(
    ("option", "text", "told"),
    [
        ("--fee-per-ticket", "1.50", "Write 150 for 1.50"),
        ("--fee-per-order", "-1", "not an amount"),
        ("--fee-per-order", "1_000", "not an amount"),
        ("--tax", "7,5", "not a rate in percent"),
        ("--tax", "7.555", "at most two decimals"),
        ("--tax", "adult=", "not a rate in percent"),
        ("--tax", "=7", "not a rate in percent"),
        ("--price", "9" * 5000, "not an amount"),
        ("--price", "Stalls/child=1e3", "not an amount"),
    ],
)
def test_an_amount_or_a_rate_that_is_none_is_misuse(
    rowlock: Invoke, show_id: str, option: str, text: str, told: str
) -> None:
    done = rowlock("show", "update", show_id, option, text)

    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert told in done.err


def test_an_update_without_a_change_is_misuse(rowlock: Invoke, show_id: str) -> None:
    done = rowlock("show", "update", show_id)

    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "Give at least one option" in done.err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("update", "--starts-at", "2100-06-12T19.30"), "ISO 8601"),
        (("update", "--starts-at", ""), "no start"),
        (("move", "--plan", "00000000-0000-4000-8000-000000000000"), "no seating plan"),
        (("cancel", "--reason", " "), "no reason"),
        (("update", "--price", "Loge=1"), "no category 'Loge'"),
        (("update", "--price", "Stalls="), "cannot be taken away"),
        (("update", "--price", "1000000000001"), "from 0 to 1,000,000,000,000 minor units"),
        (("update", "--fee-per-order", "9" * 40), "The fee per order would be 9,999,"),
        (("update", "--tax", "child=7"), "no price of the type child"),
        (("update", "--tax", "100.01"), "out of bounds"),
    ],
)
def test_what_cannot_be_is_refused(rowlock: Invoke, show_id: str, more: tuple[str, ...], told: str) -> None:
    done = rowlock("show", more[0], show_id, *more[1:])

    assert (done.code, done.out) == (ExitCode.REFUSED, "")
    assert told in done.err


def test_a_show_is_moved_to_the_next_version_of_its_plan(rowlock: Invoke, show_id: str, tmp_path: Path) -> None:
    plan = rowlock("plan", "import", plan_file(tmp_path), "--venue", "Playhouse", "--json").document["plan_id"]

    done = rowlock("show", "move", show_id, "--plan", plan, "--json")

    assert done.code == 0, done.err
    assert done.document == {"show_id": show_id, "plan_id": plan, "seats_total": 4}
    assert f"is in the plan {plan} now" in rowlock("show", "move", show_id, "--plan", plan).out
    assert rowlock("show", "move", show_id, "--plan", plan, "--price", "2500").code == ExitCode.USAGE


def test_a_venue_is_listed_and_its_time_zone_mended(rowlock: Invoke, show_id: str) -> None:
    [venue] = rowlock("venue", "list", "--json").document["venues"]
    assert (venue["name"], venue["time_zone"]) == ("Playhouse", "UTC")

    done = rowlock(
        "venue", "update", venue["venue_id"], "--time-zone", "Europe/Berlin", "--address", "Mill Lane 1",
        "--access-notes", "Ramp.", "--json",
    )  # fmt: skip

    assert done.code == 0, done.err
    assert done.document["time_zone"] == "Europe/Berlin"
    assert "2100-06-12T21:30+02:00 (Europe/Berlin)" in rowlock("show", "list").out
    assert show_id in rowlock("show", "list").out
    assert "Mill Lane 1" in rowlock("venue", "update", venue["venue_id"], "--access-notes", "").out
    assert rowlock("venue", "update", venue["venue_id"]).code == ExitCode.USAGE
    refused = rowlock("venue", "update", venue["venue_id"], "--time-zone", "posixrules")
    assert refused.code == ExitCode.REFUSED
    assert "not a time zone" in refused.err
