"""Mistakes to plant in the functions, one at a time: which pair of operations sees each, and from which state."""

from tests.concurrency.exchange_mistakes import EXCHANGE_MISTAKES
from tests.support.steps import Mutant

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
