"""Every pair of operations on overlapping seats, interleaved at every named step: always as in some serial order.

The second half plants mistakes in the functions, one at a time. Each must be seen by the very same search, or the
first half would prove nothing.

A plain run has some pairs on PostgreSQL 18, which have every operation, and a few on both versions; the short soak has
others on both, and `make soak` has all of them on both.
"""

from collections.abc import Sequence

import pytest
from _pytest.mark.structures import ParameterSet

from tests.concurrency.exchange_mistakes import STOPS_AFTER_ITS_JUDGEMENT
from tests.concurrency.interleaving import explore_pair
from tests.concurrency.planted_mistakes import MISTAKES, STOPS_IN_ITS_SEARCH
from tests.concurrency.racing_operations import (
    ALL_OPERATIONS,
    CHECKOUT_PAIRS,
    EXCHANGE_PAIRS,
    MONEY_PAIRS,
    OPERATIONS,
    PAIRS,
    states_for,
)
from tests.support.seatdb import SeatDb
from tests.support.steps import functions, load_test_build, stepping, steps_of

EVERY_PAIR = [*PAIRS, *MONEY_PAIRS, *CHECKOUT_PAIRS, *EXCHANGE_PAIRS]

# Pairs of operations that lock different rows before they meet at the claims; together they have every operation.
ON_BOTH_VERSIONS = [
    ("reserve", "change"),
    ("reserve_again", "block"),
    ("extend", "release"),
    ("complete", "cleanup"),
    ("reserve", "move"),
]

# What a plain run has on PostgreSQL 18 besides: where most is at stake, and every operation with one of its rivals.
IN_A_PLAIN_RUN = [
    ("reserve", "reserve"),
    ("reserve", "cleanup"),
    ("reserve_again", "complete"),
    ("change", "change"),
    ("release", "cleanup"),
    ("complete", "complete"),
    ("reserve_again", "complete_paid"),
    ("cleanup", "complete_paid"),
    ("complete_paid", "cancel_show"),
    ("pay", "void"),
    ("refund", "refund"),
    ("refund", "reserve_sold"),
    ("block", "unblock"),
    ("change", "create"),
    ("create", "begin"),
    ("release", "begin"),
    ("cleanup", "begin"),
    ("complete_paid", "record"),
    ("complete_paid", "end"),
    ("capture", "end"),
    ("capture", "expire"),
    ("record", "expire"),
    ("cancel_show", "capture"),
    ("refund", "settle"),
    ("refund", "retry"),
    ("receipt", "credit_note"),
    ("outbox", "outbox"),
    ("reissue", "give_up"),
    ("by_hand", "begin_exchange"),
    ("complete_paid", "make_exchange"),
    ("finish_exchange", "finish_exchange"),
    ("refund_exchanged", "dispute"),
]

# Of the rest the short soak has one in so many.
SHARE_OF_A_SHORT_SOAK = 24


def parameters() -> list[ParameterSet]:
    """Every pair, with the mark that says which runs have it."""
    left = [pair for pair in EVERY_PAIR if pair not in ON_BOTH_VERSIONS and pair not in IN_A_PLAIN_RUN]
    marks: dict[tuple[str, str], Sequence[pytest.MarkDecorator]] = dict.fromkeys(ON_BOTH_VERSIONS, ())
    marks |= {pair: [pytest.mark.soak("pg15", full=True)] for pair in IN_A_PLAIN_RUN}
    marks |= {pair: [pytest.mark.soak("pg15", "pg18", full=True)] for pair in left}
    marks |= {pair: [pytest.mark.soak("pg15", "pg18")] for pair in left[::SHARE_OF_A_SHORT_SOAK]}
    return [pytest.param(pair, id="-".join(pair), marks=marks[pair]) for pair in EVERY_PAIR]


def test_a_plain_run_has_every_operation() -> None:
    assert {*ON_BOTH_VERSIONS, *IN_A_PLAIN_RUN} <= set(EVERY_PAIR)
    assert {operation for pair in ON_BOTH_VERSIONS for operation in pair} == set(OPERATIONS)
    assert {operation for pair in IN_A_PLAIN_RUN for operation in pair} | set(OPERATIONS) == set(ALL_OPERATIONS)


@pytest.mark.parametrize("pair", parameters())
async def test_two_operations_come_out_as_one_after_the_other(db: SeatDb, pair: tuple[str, str]) -> None:
    await load_test_build(db.owner)
    async with stepping(db, sessions=2) as steps:
        for state in states_for(pair):
            found = await explore_pair(db, steps, pair=pair, state=state)
            assert found.violations == [], state
            # At the very least one before the other, each way, and neither is cut short by an error.
            assert found.schedules >= (6 if pair in PAIRS else 2), state


def test_every_function_that_locks_has_steps() -> None:
    without = {name for name in functions() if not steps_of(name)}

    assert without == {
        "announce_show_moved",
        "book_money",
        "cancel_pending_order",
        "change_seats_atomic",
        "end_order_of_cancelled_show",
        "ensure_audit_log_partitions",
        "find_integrator_key",
        "find_order",
        "find_reservation",
        "finish_outbox_message",
        "free_seats_of_orders",
        "get_reservation_statistics",
        "judge_exchange",
        "keep_prices_of_holds",
        "lock_pending_order",
        "lock_payments",
        "log_refusals",
        "mint_id",
        "payments_left",
        "release_holds_atomic",
        "release_seats_atomic",
        "reserve_seats_atomic",
        "seat_changes_since",
        "split_refund",
        "tell_repeated_requests",
    }


@pytest.mark.soak("pg15", full=True)
@pytest.mark.parametrize("mistake", MISTAKES)
async def test_the_search_sees_a_planted_mistake(db: SeatDb, mistake: str) -> None:
    pair, state, mutants = MISTAKES[mistake]
    await load_test_build(db.owner, mutants=mutants)
    async with stepping(db, sessions=2) as steps:
        found = await explore_pair(db, steps, pair=pair, state=state, until_found=True)

    assert found.violations != []


async def test_money_that_comes_while_orders_expire_is_seen(db: SeatDb) -> None:
    """Also between the moment that the search looks from and the lock."""
    await load_test_build(db.owner, mutants=[STOPS_IN_ITS_SEARCH])
    async with stepping(db, sessions=2) as steps:
        found = await explore_pair(db, steps, pair=("capture", "expire"), state="lapsed")

    assert found.violations == []
    assert found.schedules >= 6


async def test_a_dispute_that_opens_while_its_money_is_refunded_of_another_order_waits(db: SeatDb) -> None:
    """Also between the moment that decides about the refund and the one that takes the money."""
    await load_test_build(db.owner, mutants=[STOPS_AFTER_ITS_JUDGEMENT])
    async with stepping(db, sessions=2) as steps:
        found = await explore_pair(db, steps, pair=("refund_exchanged", "dispute"), state="held")

    assert found.violations == []
    assert found.schedules >= 6
