"""Every pair of operations on overlapping seats, interleaved at every named step: always as in some serial order.

The second half plants mistakes in the functions, one at a time. Each must be seen by the very same search, or the
first half would prove nothing.

A plain run has some pairs on PostgreSQL 18, which have every operation, and a few on both versions; the short soak has
others on both, and `make soak` has all of them on both.
"""

from collections.abc import Sequence

import pytest
from _pytest.mark.structures import ParameterSet

from tests.concurrency.exchange_mistakes import EXCHANGE_MISTAKES, STOPS_AFTER_ITS_JUDGEMENT
from tests.concurrency.interleaving import explore_pair
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
from tests.support.steps import Mutant, functions, load_test_build, stepping, steps_of

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


SHARED = "perform pg_advisory_xact_lock_shared(hashtextextended(p_show_id::text, 0));"
NO_LOCK = ("for update;\n    -- step: reservation_locked", ";\n    -- step: reservation_locked")

LIMIT = "order by o.reservation_id\n        limit p_limit"
# The second look of expire_orders_atomic, and a step in the middle of its search, after which a payment may come.
LOOKS_AGAIN = """
            and not exists (
                select from payment_intents as i
                where i.show_id = o.show_id and i.order_id = o.order_id
                    and i.status in ('sent', 'in_doubt', 'authorized', 'captured')
            )
        returning"""
STOPS_IN_ITS_SEARCH = Mutant(
    "expire_orders_atomic",
    "where o.status = 'pending'\n",
    "where o.status = 'pending' and rowlock_test.step('expire_orders_atomic', 'searching')\n",
)

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
    "an order is made of seats that the hold has no longer": (
        ("change", "create"),
        "held",
        [
            Mutant(
                "create_order_atomic",
                "and a.token_hash = sha256(p_secret)\n    for update;",
                "and a.token_hash = sha256(p_secret);",
            )
        ],
    ),
    "a payment begins for an order without its lock": (
        ("begin", "expire"),
        "held",
        [
            Mutant(
                "begin_payment_atomic",
                "where o.show_id = p_show_id and o.order_id = p_order_id\n    for update;",
                "where o.show_id = p_show_id and o.order_id = p_order_id;",
            )
        ],
    ),
    "a payment begins for a hold without its lock": (
        ("release", "begin"),
        "held",
        [
            Mutant(
                "begin_payment_atomic",
                "and a.reservation_id = v_order.reservation_id\n    for update;",
                "and a.reservation_id = v_order.reservation_id;",
            )
        ],
    ),
    "what a provider says is written down without a lock": (
        ("record", "record"),
        "held",
        [
            Mutant("record_payment_atomic", "\n    for update of o;", ";"),
            Mutant("record_payment_atomic", "\n    for update;", ";"),
        ],
    ),
    "money is recorded for an order without its lock": (
        ("capture", "end"),
        "held",
        [
            Mutant(
                "pay_order_atomic",
                "where o.show_id = p_show_id and o.order_id = p_order_id\n    for update;",
                "where o.show_id = p_show_id and o.order_id = p_order_id;",
            )
        ],
    ),
    "a refund is tried twice at once": (
        ("retry", "retry"),
        "held",
        [
            Mutant(
                "retry_refunds_atomic",
                "where o.show_id = p_show_id and o.order_id = p_order_id\n    for update;",
                "where o.show_id = p_show_id and o.order_id = p_order_id;",
            ),
            Mutant("retry_refunds_atomic", "perform lock_payments(p_show_id, array[p_order_id]);", ""),
        ],
    ),
    "money for an order that has ended is kept": (
        ("capture", "end"),
        "held",
        [
            Mutant(
                "pay_order_atomic",
                "v_owed := v_extra or v_order.status in ('voided', 'cancelled', 'expired');",
                "v_owed := v_extra;",
            )
        ],
    ),
    "void does not lock the order and its payment": (
        ("pay", "void"),
        "held",
        [
            Mutant(
                "void_order_atomic",
                "where o.show_id = p_show_id and o.order_id = p_order_id\n    for update;",
                "where o.show_id = p_show_id and o.order_id = p_order_id;",
            ),
            Mutant(
                "void_order_atomic", "order by i.payment_intent_id\n        for update", "order by i.payment_intent_id"
            ),
        ],
    ),
    "an order ends without its lock": (
        ("complete_paid", "end"),
        "held",
        [
            Mutant(
                "end_order_atomic",
                "where o.show_id = p_show_id and o.order_id = p_order_id\n    for update;",
                "where o.show_id = p_show_id and o.order_id = p_order_id;",
            )
        ],
    ),
    "an order ends and keeps the money that came before": (
        ("capture", "end"),
        "held",
        [Mutant("end_order_atomic", "perform pay_order_atomic(p_show_id, p_order_id", "perform (p_order_id")],
    ),
    "an order expires without its lock": (
        ("capture", "expire"),
        "held",
        [
            Mutant("expire_orders_atomic", "\n        for update of o skip locked", ""),
            Mutant("expire_orders_atomic", LOOKS_AGAIN, "\n        returning"),
        ],
    ),
    "an order expires by what was known before its lock": (
        ("capture", "expire"),
        "held",
        [STOPS_IN_ITS_SEARCH, Mutant("expire_orders_atomic", LOOKS_AGAIN, "\n        returning")],
    ),
    "a refund is settled twice": (
        ("settle", "settle"),
        "held",
        [
            Mutant("settle_refund_atomic", "\n    for update of o;", ";"),
            Mutant("settle_refund_atomic", "\n    for update;", ";"),
        ],
    ),
    "two receipts take their number at once": (
        ("receipt", "credit_note"),
        "held",
        [Mutant("issue_receipt_atomic", "and c.year = v_year\n        for update;", "and c.year = v_year;")],
    ),
    "a show is cancelled without the locks of its orders": (
        ("pay", "cancel_show"),
        "held",
        [Mutant("cancel_show_atomic", "order by o.reservation_id\n        limit p_limit\n        for update", LIMIT)],
    ),
    "money of an order that its show has ended is kept": (
        ("cancel_show", "capture"),
        "held",
        [
            Mutant(
                "end_order_of_cancelled_show", "perform pay_order_atomic(p_show_id, p_order_id", "perform (p_order_id"
            )
        ],
    ),
    "two workers take one message": (
        ("outbox", "outbox"),
        "held",
        [Mutant("take_outbox_messages", "\n        for update skip locked", "")],
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
    **EXCHANGE_MISTAKES,
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
