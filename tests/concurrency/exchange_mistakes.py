"""Mistakes to plant in the functions of exchanges, disputes, refunds by hand and reissued tickets, one at a time."""

from tests.support.steps import Mutant

# A step between what a refund may give back and which payments give it, where a dispute may come.
STOPS_AFTER_ITS_JUDGEMENT = Mutant(
    "refund_order_atomic",
    "    if v_outcome = 'OK' then\n        select array_agg",
    "    if v_outcome = 'OK' then\n        perform rowlock_test.step('refund_order_atomic', 'judged');\n"
    "        select array_agg",
)
_ORDER = "where o.show_id = p_show_id and o.order_id = p_order_id\n    for update;"
_NO_ORDER = "where o.show_id = p_show_id and o.order_id = p_order_id;"

EXCHANGE_MISTAKES: dict[str, tuple[tuple[str, str], str, list[Mutant]]] = {
    "an exchange begins without the lock of its order": (
        ("begin_exchange", "begin_exchange"),
        "held",
        [Mutant("begin_exchange_atomic", _ORDER, _NO_ORDER)],
    ),
    "an order in exchange is made anew while it is paid for": (
        ("complete_paid", "make_exchange"),
        "held",
        [Mutant("make_exchange_order_atomic", "if v_made.outcome = 'OK' and v_made.is_new then", "if true then")],
    ),
    "an exchange is decided by what was known before the lock": (
        ("give_up", "give_up"),
        "held",
        [
            Mutant(
                "give_up_tickets_atomic",
                "    -- step: order_locked\n    select * into v_exchange from ticket_exchanges as x where "
                "x.show_id = p_show_id and x.to_order_id = p_to_order_id;",
                "    -- step: order_locked\n",
            )
        ],
    ),
    "tickets are given up without the locks of their order and its money": (
        ("refund", "give_up"),
        "held",
        [
            Mutant(
                "give_up_tickets_atomic",
                "where o.show_id = p_show_id and o.order_id = v_exchange.order_id\n    for update;",
                "where o.show_id = p_show_id and o.order_id = v_exchange.order_id;",
            ),
            Mutant("give_up_tickets_atomic", "perform lock_payments(p_show_id, array[v_exchange.order_id]);", ""),
        ],
    ),
    "the credit of an exchange comes twice": (
        ("finish_exchange", "finish_exchange"),
        "held",
        [Mutant("finish_exchange_atomic", _ORDER, _NO_ORDER)],
    ),
    "a ticket gets two new codes for one": (
        ("reissue", "reissue"),
        "held",
        [
            Mutant("reissue_ticket_atomic", _ORDER, _NO_ORDER),
            Mutant(
                "reissue_ticket_atomic",
                "and t.order_id = p_order_id\n    for update;",
                "and t.order_id = p_order_id;",
            ),
        ],
    ),
    "a refund by hand is written down twice": (
        ("by_hand", "by_hand"),
        "held",
        [
            Mutant("record_refund_atomic", "\n    for update of o;", ";"),
            Mutant("record_refund_atomic", "\n    for update;", ";"),
        ],
    ),
    "a dispute is written down twice": (
        ("dispute", "dispute"),
        "held",
        [
            Mutant("record_dispute_atomic", "\n    for update of o;", ";"),
            Mutant(
                "record_dispute_atomic",
                "i.payment_intent_id = p_payment_intent_id\n    for update;",
                "i.payment_intent_id = p_payment_intent_id;",
            ),
        ],
    ),
    "a dispute ends while its show is cancelled, and neither sees the other": (
        ("cancel_show", "dispute"),
        "held",
        [Mutant("record_dispute_atomic", "\n        for share of s", "")],
    ),
    "money of another order is refunded while its dispute opens": (
        ("refund_exchanged", "dispute"),
        "held",
        [STOPS_AFTER_ITS_JUDGEMENT, Mutant("lock_payments", "\n        for update of i", "")],
    ),
}
