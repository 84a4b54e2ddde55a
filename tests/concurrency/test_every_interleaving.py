"""Every pair of operations on overlapping seats, interleaved at every named step: always as in some serial order.

The second half plants mistakes in the functions, one at a time. Each must be seen by the very same search, or the
first half would prove nothing.

On PostgreSQL 18 a plain run has all of it but most pairs with orders and with a move, on 15 a few pairs; `make soak`
has the rest.
"""

from collections.abc import Sequence

import pytest

from tests.concurrency.interleaving import MONEY_PAIRS, OPERATIONS, PAIRS, STATES, explore_pair
from tests.support.seatdb import SeatDb
from tests.support.steps import Mutant, functions, load_test_build, stepping, steps_of

# Pairs of operations that lock different rows before they meet at the claims; together they have every operation.
ON_BOTH_VERSIONS = [
    ("reserve", "change"),
    ("reserve_again", "block"),
    ("extend", "release"),
    ("complete", "cleanup"),
    ("reserve", "move"),
]

# Of the pairs with a move a plain run has these, on PostgreSQL 18; `make soak` has all of them on both, in full only.
MOVES_OF_A_PLAIN_RUN = [("reserve", "move"), ("change", "move"), ("complete", "move"), ("block", "move")]


def left_out(pair: tuple[str, str]) -> Sequence[pytest.MarkDecorator]:
    """The mark of a pair that a plain run leaves out, on PostgreSQL 15 or on both versions."""
    if pair in ON_BOTH_VERSIONS:
        return []
    if "move" in pair and pair not in MOVES_OF_A_PLAIN_RUN:
        return [pytest.mark.soak("pg15", "pg18", full=True)]
    return [pytest.mark.soak("pg15")]


def test_the_pairs_for_both_versions_have_every_operation() -> None:
    assert set(ON_BOTH_VERSIONS) < set(PAIRS)
    assert {operation for pair in ON_BOTH_VERSIONS for operation in pair} == set(OPERATIONS)


@pytest.mark.parametrize(
    "pair",
    [pytest.param(pair, id="-".join(pair), marks=left_out(pair)) for pair in PAIRS],
)
async def test_two_operations_come_out_as_one_after_the_other(db: SeatDb, pair: tuple[str, str]) -> None:
    await load_test_build(db.owner)
    async with stepping(db, sessions=2) as steps:
        for state in STATES:
            found = await explore_pair(db, steps, pair=pair, state=state)
            assert found.violations == [], state
            # At the very least one before the other, each way, and neither is cut short by an error.
            assert found.schedules >= 6, state


# Pairs with orders that are paid for, which a plain run has on PostgreSQL 18; `make soak` has all of them on both, in
# full only: they take a quarter of an hour.
MONEY_PAIRS_OF_A_PLAIN_RUN = [
    ("reserve_again", "complete_paid"),
    ("cleanup", "complete_paid"),
    ("complete_paid", "cancel_show"),
    ("pay", "void"),
    ("refund", "refund"),
    ("refund", "reserve_sold"),
    ("release", "complete_paid"),
    ("reserve", "unblock"),
]


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(
            pair,
            id="-".join(pair),
            marks=pytest.mark.soak("pg15", full=True)
            if pair in MONEY_PAIRS_OF_A_PLAIN_RUN
            else pytest.mark.soak("pg15", "pg18", full=True),
        )
        for pair in MONEY_PAIRS
    ],
)
async def test_two_operations_on_paid_orders_come_out_as_one_after_the_other(db: SeatDb, pair: tuple[str, str]) -> None:
    await load_test_build(db.owner)
    async with stepping(db, sessions=2) as steps:
        for state in STATES:
            found = await explore_pair(db, steps, pair=pair, state=state)
            assert found.violations == [], state
            assert found.schedules >= 2, state


def test_every_function_that_locks_has_steps() -> None:
    without = {name for name in functions() if not steps_of(name)}

    assert without == {
        "announce_show_moved",
        "cancel_pending_order",
        "change_seats_atomic",
        "end_order_of_cancelled_show",
        "ensure_audit_log_partitions",
        "expire_orders_atomic",
        "find_integrator_key",
        "find_order",
        "find_reservation",
        "finish_outbox_message",
        "free_seats_of_orders",
        "get_reservation_statistics",
        "judge_exchange",
        "keep_prices_of_holds",
        "lock_pending_order",
        "log_refusals",
        "mint_id",
        "release_holds_atomic",
        "release_seats_atomic",
        "reserve_seats_atomic",
        "seat_changes_since",
        "split_refund",
        "take_outbox_messages",
        "tell_repeated_requests",
    }


SHARED = "perform pg_advisory_xact_lock_shared(hashtextextended(p_show_id::text, 0));"
NO_LOCK = ("for update;\n    -- step: reservation_locked", ";\n    -- step: reservation_locked")

MISTAKES: dict[str, tuple[tuple[str, str], str, list[Mutant]]] = {
    "reserve takes a claim without asking whether it ran out": (
        ("reserve", "reserve"),
        "free",
        [
            Mutant(
                "reserve_seats_batch",
                "where c.status = 'reserved' and c.reserved_until <= clock_timestamp()\n            returning",
                "returning",
            )
        ],
    ),
    "reserve keeps the seats of a request it refuses": (
        ("reserve", "reserve"),
        "free",
        [
            Mutant(
                "reserve_seats_batch",
                "where c.show_id = p_show_id and c.seat_id = any(v_locked) and c.reserved_until = v_until",
                "where false",
            )
        ],
    ),
    "reserve retires a hold that another transaction has ended meanwhile": (
        ("reserve_again", "release"),
        "lapsed",
        [
            Mutant(
                "reserve_seats_batch",
                "and a.status = 'active' and a.expires_at <= v_started\n                order by a.reservation_id",
                "order by a.reservation_id",
            )
        ],
    ),
    "extend does not lock the hold": (
        ("extend", "extend"),
        "held",
        [Mutant("extend_reservation_atomic", *NO_LOCK)],
    ),
    "change does not lock the hold": (
        ("change", "change"),
        "held",
        [Mutant("change_seats_within_limits", "for update;\n    v_paying :=", ";\n    v_paying :=")],
    ),
    "change takes a seat from a live hold": (
        ("reserve", "change"),
        "free",
        [
            Mutant(
                "change_seats_within_limits",
                "and (c.reservation_id = p_reservation_id or c.reserved_until <= clock_timestamp())",
                "",
            )
        ],
    ),
    "change keeps the added seats when one of them is taken": (
        ("reserve", "change"),
        "free",
        [
            Mutant(
                "change_seats_within_limits",
                "where c.show_id = p_show_id and c.seat_id = any(v_fresh) and c.reservation_id = p_reservation_id;",
                "where false;",
            )
        ],
    ),
    "release does not lock the hold": (
        ("extend", "release"),
        "held",
        [
            Mutant(
                "release_seats_batch",
                "for update\n    ) as l;\n    if v_ids is not null then",
                ") as l;\n    if v_ids is not null then",
            )
        ],
    ),
    "release frees a seat that another holder has now": (
        ("reserve", "release"),
        "lapsed",
        [Mutant("release_seats_batch", "and c.reservation_id = any(v_releasing) and c.status = 'reserved'", "")],
    ),
    "cleanup does not lock the holds that it read": (
        ("release", "cleanup"),
        "lapsed",
        [
            Mutant("cleanup_expired_seat_reservations", "for update skip locked", ""),
            Mutant("cleanup_expired_seat_reservations", "a.ctid = any(v_rows)", "a.reservation_id = any(v_ids)"),
        ],
    ),
    "cleanup frees a seat that another holder has now": (
        ("reserve", "cleanup"),
        "lapsed",
        [
            Mutant("cleanup_expired_seat_reservations", " and c.status = 'reserved'", ""),
            Mutant("cleanup_expired_seat_reservations", "and (c.reservation_id in (select unnest(v_ids))) is true", ""),
        ],
    ),
    "complete does not lock the hold and the order": (
        ("complete", "complete"),
        "held",
        [
            Mutant(
                "complete_order_atomic",
                "order by a.reservation_id\n                for update\n            ) as l;",
                "order by a.reservation_id\n            ) as l;",
            ),
            Mutant(
                "complete_order_atomic",
                "where o.show_id = p_show_id and o.order_id = p_order_id\n            for update;",
                "where o.show_id = p_show_id and o.order_id = p_order_id;",
            ),
        ],
    ),
    "complete takes a seat from a live hold": (
        ("reserve", "complete"),
        "lapsed",
        [
            Mutant(
                "complete_order_atomic",
                "and (c.reservation_id = any(v_mine) or c.reserved_until <= clock_timestamp())",
                "",
            )
        ],
    ),
    "complete does not look for a hold that its holder made meanwhile": (
        ("reserve_again", "complete_paid"),
        "lapsed",
        [Mutant("complete_order_atomic", "and attempt < 5 then 'RW001'", "and false then 'RW001'")],
    ),
    "refund does not lock the order": (
        ("refund", "refund"),
        "held",
        [
            Mutant(
                "refund_order_atomic",
                "where o.show_id = p_show_id and o.order_id = p_order_id\n    for update;",
                "where o.show_id = p_show_id and o.order_id = p_order_id;",
            )
        ],
    ),
    "cleanup frees a seat that was paid for": (
        ("complete", "cleanup"),
        "lapsed",
        [
            Mutant("cleanup_expired_seat_reservations", "for update skip locked", ""),
            Mutant("cleanup_expired_seat_reservations", "a.ctid = any(v_rows)", "a.reservation_id = any(v_ids)"),
            Mutant("cleanup_expired_seat_reservations", " and c.status = 'reserved'", ""),
        ],
    ),
    "reserve does not wait for a move": (
        ("reserve", "move"),
        "lapsed",
        [Mutant("reserve_seats_batch", SHARED, "")],
    ),
    "change does not wait for a move": (
        ("change", "move"),
        "held",
        [Mutant("change_seats_within_limits", SHARED, "")],
    ),
    "block does not wait for a move": (
        ("block", "move"),
        "lapsed",
        [Mutant("block_seats_atomic", SHARED, "")],
    ),
    "move does not wait for those who have read the old plan": (
        ("reserve", "move"),
        "lapsed",
        [Mutant("move_show_atomic", "perform pg_advisory_xact_lock(hashtextextended(p_show_id::text, 0));", "")],
    ),
    "move does not lock the holds": (
        ("release", "move"),
        "lapsed",
        [Mutant("move_show_atomic", "order by a.reservation_id\n        for update", "order by a.reservation_id")],
    ),
    "block overruns a live hold": (
        ("reserve", "block"),
        "free",
        [Mutant("block_seats_atomic", "where c.status = 'blocked' or c.reserved_until <= clock_timestamp()", "")],
    ),
    "block keeps seats when it is refused": (
        ("reserve", "block"),
        "free",
        [Mutant("block_seats_atomic", "and c.seat_id = any(v_locked) and c.reservation_id = v_call", "and false")],
    ),
}


@pytest.mark.soak("pg15")
@pytest.mark.parametrize("mistake", MISTAKES)
async def test_the_search_sees_a_planted_mistake(db: SeatDb, mistake: str) -> None:
    pair, state, mutants = MISTAKES[mistake]
    await load_test_build(db.owner, mutants=mutants)
    async with stepping(db, sessions=2) as steps:
        found = await explore_pair(db, steps, pair=pair, state=state, until_found=True)

    assert found.violations != []
