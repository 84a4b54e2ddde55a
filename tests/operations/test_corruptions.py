"""The invariant check finds exactly what was broken on purpose: each planted corruption, by the right invariants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from rowlock.operations.model import INVARIANTS
from rowlock.operations.store import find_violations
from tests.operations.conftest import Busy
from tests.support.seatdb import SeatDb

LOG = "rowlock.seat_reservation_audit_log"


@dataclass(frozen=True)
class Corruption:
    """Statements that break one thing, and the invariants that have to report it, each that many times."""

    what: str
    statements: tuple[str, ...]
    seen: dict[str, int]
    where: Callable[[Busy], dict[str, object]] = lambda _: {}


def names(busy: Busy) -> dict[str, Any]:
    return {
        "show": busy.show.show_id,
        "live": busy.live.reservation_id,
        "taken": busy.taken.reservation_id,
        "taker": busy.taker.reservation_id,
        "released": busy.released.reservation_id,
        "paid": busy.paid,
        "money": busy.money,
        "intent": busy.intent,
        "new": uuid4(),
    }


CORRUPTIONS = [
    Corruption(
        "a unique index is dropped",
        ("drop index rowlock.idx_one_active_reservation_per_holder",),
        {"GUARD_MISSING": 1},
    ),
    Corruption(
        "the primary key of claims is there but not kept up",
        (
            (
                "update pg_index set indisready = false "
                "where indexrelid = 'rowlock.idx_show_seats_no_double_booking'::regclass"
            ),
        ),
        {"GUARD_MISSING": 1},
    ),
    Corruption(
        "a constraint of claims is dropped",
        ("alter table rowlock.show_seats drop constraint chk_reserved_by_required",),
        {"GUARD_MISSING": 1},
    ),
    Corruption(
        "a seat is sold twice",
        (
            "alter table rowlock.show_seats drop constraint idx_show_seats_no_double_booking",
            "insert into rowlock.show_seats select * from rowlock.show_seats where show_id = %(show)s and seat_id = 10",
        ),
        {"GUARD_MISSING": 1, "SEAT_CLAIMED_TWICE": 1},
        lambda busy: {"seat_id": 10},
    ),
    Corruption(
        "a seat is claimed that the plan does not have",
        (
            (
                "insert into rowlock.show_seats (show_id, seat_id, status, block_reason) "
                "values (%(show)s, 41, 'blocked', 'ghost')"
            ),
            f"insert into {LOG} (show_id, event, seat_ids) values (%(show)s, 'blocked', '{{41}}')",
        ),
        {"SEAT_NOT_IN_PLAN": 1},
        lambda busy: {"seat_id": 41},
    ),
    Corruption(
        "a seat is claimed in a show that does not exist",
        (
            (
                "insert into rowlock.show_seats (show_id, seat_id, status, block_reason) "
                "values (%(new)s, 1, 'blocked', 'ghost')"
            ),
        ),
        {"SEAT_NOT_IN_PLAN": 1},
    ),
    Corruption(
        "a claim names another holder than its reservation",
        ("update rowlock.show_seats set reserved_by = 'mallory' where show_id = %(show)s and seat_id = 1",),
        {"CLAIM_WITHOUT_RESERVATION": 1},
        lambda busy: {"seat_id": 1, "reservation_id": busy.live.reservation_id},
    ),
    Corruption(
        "a claim lasts longer than its reservation",
        (
            (
                "update rowlock.show_seats set reserved_until = reserved_until + interval '1 second' "
                "where show_id = %(show)s and seat_id = 2"
            ),
        ),
        {"CLAIM_WITHOUT_RESERVATION": 1},
        lambda busy: {"seat_id": 2},
    ),
    Corruption(
        "a reservation vanishes and leaves its claims",
        ("delete from rowlock.seat_reservations where show_id = %(show)s and reservation_id = %(live)s",),
        {"CLAIM_WITHOUT_RESERVATION": 2},
    ),
    Corruption(
        "a reservation does not list a seat that is claimed for it",
        (
            (
                "update rowlock.seat_reservations set seat_ids = '{2}' "
                "where show_id = %(show)s and reservation_id = %(live)s"
            ),
        ),
        {"CLAIM_WITHOUT_RESERVATION": 1},
        lambda busy: {"seat_id": 1},
    ),
    Corruption(
        "a live reservation loses a seat, and the log agrees",
        (
            "delete from rowlock.show_seats where show_id = %(show)s and seat_id = 1",
            f"insert into {LOG} (show_id, event, seat_ids) values (%(show)s, 'unblocked', '{{1}}')",
        ),
        {"RESERVATION_WITHOUT_CLAIM": 1},
        lambda busy: {"seat_id": 1, "reservation_id": busy.live.reservation_id},
    ),
    Corruption(
        "a holder has two reservations",
        (
            "drop index rowlock.idx_one_active_reservation_per_holder",
            (
                "update rowlock.seat_reservations set reserved_by = 'anna' "
                "where show_id = %(show)s and reservation_id = %(taker)s"
            ),
            (
                "update rowlock.show_seats set reserved_by = 'anna' "
                "where show_id = %(show)s and reservation_id = %(taker)s"
            ),
        ),
        {"GUARD_MISSING": 1, "HOLDER_HOLDS_TWICE": 1},
    ),
    Corruption(
        "a reservation was extended too often",
        (
            (
                "update rowlock.seat_reservations set extension_count = 4 "
                "where show_id = %(show)s and reservation_id = %(live)s"
            ),
        ),
        {"LIMIT_EXCEEDED": 1},
        lambda busy: {"reservation_id": busy.live.reservation_id},
    ),
    Corruption(
        "a reservation has more seats than any show allows",
        (
            (
                "update rowlock.seat_reservations set seat_ids = array(select generate_series(1, 1001)) "
                "where show_id = %(show)s and reservation_id = %(taken)s"
            ),
        ),
        {"LIMIT_EXCEEDED": 1},
        lambda busy: {"reservation_id": busy.taken.reservation_id},
    ),
    Corruption(
        "a reservation lasts longer than any show allows",
        (
            (
                "update rowlock.seat_reservations set expires_at = created_at + interval '172801 seconds' "
                "where show_id = %(show)s and reservation_id = %(taker)s"
            ),
            (
                "update rowlock.show_seats as c set reserved_until = r.expires_at from rowlock.seat_reservations as r "
                "where r.reservation_id = %(taker)s and c.reservation_id = %(taker)s"
            ),
        ),
        {"LIMIT_EXCEEDED": 1},
    ),
    Corruption(
        "a reservation lasts longer than its extension made it",
        (
            (
                "update rowlock.seat_reservations set expires_at = created_at + interval '1501 seconds' "
                "where show_id = %(show)s and reservation_id = %(live)s"
            ),
            (
                "update rowlock.show_seats as c set reserved_until = r.expires_at from rowlock.seat_reservations as r "
                "where r.reservation_id = %(live)s and c.reservation_id = %(live)s"
            ),
        ),
        {"LIMIT_EXCEEDED": 1},
    ),
    Corruption(
        "a seat is blocked for no reason",
        ("update rowlock.show_seats set block_reason = '' where show_id = %(show)s and seat_id = 20",),
        {"BLOCKED_WITHOUT_REASON": 1},
        lambda busy: {"seat_id": 20},
    ),
    Corruption(
        "an order is cancelled and its seats stay sold",
        (
            (
                "update rowlock.ticket_orders set status = 'cancelled', confirmed_at = null, paid_at = null "
                "where order_id = %(paid)s"
            ),
        ),
        {"SOLD_WITHOUT_ORDER": 2, "ORDER_WITHOUT_TICKET": 2},
    ),
    Corruption(
        "a ticket is void and its seat stays sold",
        ("update rowlock.tickets set status = 'void' where order_id = %(paid)s and seat_id = 11",),
        {"SOLD_WITHOUT_TICKET": 1},
        lambda busy: {"seat_id": 11, "order_id": busy.paid},
    ),
    Corruption(
        "a paid order contains a seat that is not sold to it",
        (
            (
                "insert into rowlock.ticket_order_items (show_id, order_id, seat_id, price_type, amount_minor) "
                "values (%(show)s, %(paid)s, 35, 'adult', 0)"
            ),
        ),
        {"ORDER_WITHOUT_SEAT": 1, "ORDER_WITHOUT_TICKET": 1},
        lambda busy: {"seat_id": 35, "order_id": busy.paid},
    ),
    Corruption(
        "a ticket is valid for a seat that is not sold",
        (
            (
                "insert into rowlock.ticket_orders (show_id, order_id, order_code, idempotency_key, reservation_id, "
                "customer_name, customer_email, status, total_minor, currency) "
                "values (%(show)s, %(new)s, 'x', 'x', %(released)s, 'Finn', 'finn@example.org', 'cancelled', 0, 'USD')"
            ),
            (
                "insert into rowlock.ticket_order_items (show_id, order_id, seat_id, price_type, amount_minor) "
                "values (%(show)s, %(new)s, 7, 'adult', 0)"
            ),
            (
                "insert into rowlock.tickets (show_id, ticket_id, order_id, seat_id) "
                "values (%(show)s, %(new)s, %(new)s, 7)"
            ),
        ),
        {"TICKET_WITHOUT_SEAT": 1, "ORDER_WITHOUT_TICKET": 1},
        lambda busy: {"seat_id": 7},
    ),
    Corruption(
        "an order costs less than its items",
        ("update rowlock.ticket_orders set total_minor = total_minor - 1 where order_id = %(money)s",),
        {"ORDER_TOTAL_WRONG": 1},
        lambda busy: {"order_id": busy.money},
    ),
    Corruption(
        "an order is in another currency than its show and its payment",
        ("update rowlock.ticket_orders set currency = 'EUR' where order_id = %(money)s",),
        {"CURRENCY_DIFFERS": 2, "LEDGER_UNBALANCED": 1},
        lambda busy: {"order_id": busy.money},
    ),
    Corruption(
        "a payment is in another currency than its order",
        ("update rowlock.payment_intents set currency = 'EUR' where payment_intent_id = %(intent)s",),
        {"CURRENCY_DIFFERS": 1},
    ),
    Corruption(
        "the payment of a paid order failed",
        ("update rowlock.payment_intents set status = 'failed' where payment_intent_id = %(intent)s",),
        {"ORDER_WITHOUT_MONEY": 1, "LEDGER_CAPTURED_WRONG": 1},
        lambda busy: {"order_id": busy.money},
    ),
    Corruption(
        "money is captured for an order that was cancelled",
        (
            (
                "insert into rowlock.ticket_orders (show_id, order_id, order_code, idempotency_key, reservation_id, "
                "customer_name, customer_email, status, total_minor, currency) "
                "values (%(show)s, %(new)s, 'x', 'x', %(released)s, 'Finn', 'finn@example.org', 'cancelled', 0, 'USD')"
            ),
            (
                "insert into rowlock.payment_intents (show_id, payment_intent_id, order_id, provider, amount_minor, "
                "currency, status) values (%(show)s, %(new)s, %(new)s, 'test', 700, 'USD', 'captured')"
            ),
        ),
        {"MONEY_WITHOUT_ORDER": 1, "LEDGER_CAPTURED_WRONG": 1},
    ),
    Corruption(
        "an entry of the ledger vanishes",
        ("delete from rowlock.ledger_entries where movement_id = %(intent)s and account = 'sales'",),
        {"LEDGER_UNBALANCED": 1, "LEDGER_CAPTURED_WRONG": 1},
        lambda busy: {"order_id": busy.money},
    ),
    Corruption(
        "the ledger has another amount than the payment, in balance",
        ("update rowlock.ledger_entries set amount_minor = sign(amount_minor) * 1 where movement_id = %(intent)s",),
        {"LEDGER_CAPTURED_WRONG": 1},
        lambda busy: {"order_id": busy.money},
    ),
    Corruption(
        "the ledger has a movement of nothing",
        (
            (
                "insert into rowlock.ledger_entries (show_id, movement_id, account, order_id, amount_minor, currency) "
                "values (%(show)s, %(new)s, 'provider', %(money)s, 5, 'USD'), "
                "(%(show)s, %(new)s, 'sales', %(money)s, -5, 'USD')"
            ),
        ),
        {"LEDGER_UNBALANCED": 1},
    ),
    Corruption(
        "a refund succeeded and the ledger does not have it",
        (
            (
                "insert into rowlock.refunds (show_id, refund_id, order_id, payment_intent_id, idempotency_key, "
                "amount_minor, reason, status) "
                "values (%(show)s, %(new)s, %(money)s, %(intent)s, 'x', 5, 'x', 'succeeded')"
            ),
        ),
        {"LEDGER_REFUNDED_WRONG": 1},
        lambda busy: {"order_id": busy.money},
    ),
    Corruption(
        "a bank withdrew money and the ledger does not have it",
        (
            (
                "insert into rowlock.disputes (show_id, dispute_id, payment_intent_id, provider, provider_reference, "
                "provider_status, amount_minor, withdrawn_minor, currency, reason) "
                "values (%(show)s, %(new)s, %(intent)s, 'test', 'dp', 'lost', 5, 5, 'USD', 'x')"
            ),
        ),
        {"LEDGER_DISPUTED_WRONG": 1},
        lambda busy: {"order_id": busy.money},
    ),
    Corruption(
        "more is refunded than was captured",
        (
            (
                "insert into rowlock.refunds (show_id, refund_id, order_id, payment_intent_id, idempotency_key, "
                "amount_minor, reason) values (%(show)s, %(new)s, %(money)s, %(intent)s, 'x', 5001, 'x')"
            ),
        ),
        {"REFUND_EXCEEDS_PAYMENT": 1},
        lambda busy: {"order_id": busy.money},
    ),
    Corruption(
        "a refund is of the payment of another order",
        (
            (
                "insert into rowlock.refunds (show_id, refund_id, order_id, payment_intent_id, idempotency_key, "
                "amount_minor, reason) values (%(show)s, %(new)s, %(paid)s, %(intent)s, 'x', 5, 'x')"
            ),
        ),
        {"REFUND_EXCEEDS_PAYMENT": 1},
    ),
    Corruption(
        "the ticket of a sold seat vanishes",
        ("delete from rowlock.tickets where order_id = %(money)s and seat_id = 33",),
        {"SOLD_WITHOUT_TICKET": 1, "ORDER_WITHOUT_TICKET": 1},
        lambda busy: {"seat_id": 33},
    ),
    Corruption(
        "a seat was refunded and stays sold",
        (
            (
                "insert into rowlock.refunds (show_id, refund_id, order_id, payment_intent_id, idempotency_key, "
                "amount_minor, reason) values (%(show)s, %(new)s, %(money)s, %(intent)s, 'x', 2500, 'x')"
            ),
            (
                "insert into rowlock.refund_items (show_id, refund_id, order_id, seat_id, amount_minor) "
                "values (%(show)s, %(new)s, %(money)s, 33, 2500)"
            ),
        ),
        {"REFUNDED_SEAT_SOLD": 1},
        lambda busy: {"seat_id": 33},
    ),
    Corruption(
        "a category for sale loses its price, and so does a hold",
        ("delete from rowlock.show_prices where show_id = %(show)s and category = 0",),
        {"PRICE_MISSING": 5},
    ),
    Corruption(
        "new prices are without one for adults, and holds keep theirs",
        (
            (
                "insert into rowlock.show_prices (show_id, price_version, category, price_type, amount_minor) "
                "values (%(show)s, 2, 0, 'child', 1)"
            ),
            "update rowlock.shows set price_version = 2 where show_id = %(show)s",
        ),
        {"PRICE_MISSING": 1},
        lambda busy: {"show_id": busy.show.show_id},
    ),
    Corruption(
        "a fee is more than its price",
        (
            "alter table rowlock.show_prices drop constraint chk_price_fee_within_amount",
            "update rowlock.show_prices set fee_minor = amount_minor + 1 where show_id = %(show)s",
        ),
        {"PRICE_WRONG": 1},
    ),
    Corruption(
        "a receipt is lost, and another is beyond its counter",
        (
            (
                "insert into rowlock.receipt_counters (organization_id, year, last_number) "
                "select organization_id, 2026, 2 from rowlock.organizations limit 1"
            ),
            (
                "insert into rowlock.receipts "
                "(organization_id, year, number, show_id, order_id, amount_minor, currency, issued_at) "
                "select organization_id, year, 3, %(show)s, %(paid)s, 1, 'USD', clock_timestamp() "
                "from rowlock.receipt_counters"
            ),
        ),
        {"RECEIPT_GAP": 3},
    ),
    Corruption(
        "tickets were given up for an order that never gets their money",
        (
            (
                "insert into rowlock.ticket_exchanges (show_id, to_order_id, to_show_id, to_reservation_id, order_id, "
                "seat_ids, idempotency_key, wish_hash, reason, status, decided_at) "
                "select show_id, order_id, show_id, reservation_id, order_id, '{}', 'k', '', 'r', 'given_up', "
                "clock_timestamp() from rowlock.ticket_orders where show_id = %(show)s and order_id = %(paid)s"
            ),
        ),
        {"EXCHANGE_BROKEN": 1},
    ),
    Corruption(
        "a blocked seat is freed and the log does not say so",
        ("delete from rowlock.show_seats where show_id = %(show)s and seat_id = 20",),
        {"AUDIT_LOG_DISAGREES": 1},
        lambda busy: {"seat_id": 20},
    ),
    Corruption(
        "the log says that another holder has a seat",
        (
            (
                f"insert into {LOG} (show_id, reservation_id, event, seat_ids) "
                "values (%(show)s, %(new)s, 'created', '{5}')"
            ),
        ),
        {"AUDIT_LOG_DISAGREES": 1},
        lambda busy: {"seat_id": 5},
    ),
    Corruption(
        "the event that created a reservation is deleted",
        (f"delete from {LOG} where reservation_id = %(released)s and event = 'created'",),
        {"RESERVATION_EVENT_MISSING": 1},
        lambda busy: {"reservation_id": busy.released.reservation_id},
    ),
    Corruption(
        "a released reservation is said to have expired",
        (f"update {LOG} set event = 'expired' where reservation_id = %(released)s and event = 'released'",),
        {"RESERVATION_EVENT_MISSING": 1},
        lambda busy: {"reservation_id": busy.released.reservation_id},
    ),
    Corruption(
        "an id of the log is used again",
        (
            (
                f"insert into {LOG} (id, show_id, event) overriding system value "
                f"select max(id), %(show)s, 'failed' from {LOG}"
            ),
        ),
        {"AUDIT_ID_REPEATED": 1},
    ),
    Corruption(
        "a role may delete from the log",
        (f"grant delete on {LOG}_default to rowlock_app",),
        {"AUDIT_LOG_CHANGEABLE": 1},
    ),
    Corruption(
        "a seat of a published plan is moved",
        ("update rowlock.seats set y = y + 1e-15 where seat_id = 1",),
        {"PLAN_CHANGED": 1},
    ),
    Corruption(
        "a category of a published plan is renamed",
        ("""update rowlock.seating_plans set layout = jsonb_set(layout, '{categories,0,name}', '"Gold"')""",),
        {"PLAN_CHANGED": 1},
    ),
    Corruption(
        "a show counts a seat that its plan does not have",
        ("update rowlock.shows set seats_total = 41 where show_id = %(show)s",),
        {"SEAT_COUNT_WRONG": 1},
    ),
]


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.what)
async def test_each_corruption_is_found_by_the_right_invariants(
    corruption: Corruption, busy: Busy, db: SeatDb, superuser: psycopg.AsyncConnection
) -> None:
    named = names(busy)
    for statement in corruption.statements:
        await superuser.execute(statement.encode(), named)

    found = await find_violations(db.owner)

    seen = {check.code: sum(violation.code == check.code for violation in found) for check in INVARIANTS}
    assert {code: times for code, times in seen.items() if times} == corruption.seen, "\n".join(map(str, found))
    for name, expected in corruption.where(busy).items():
        told = [v for v in found if v.code != "GUARD_MISSING"]
        assert getattr(told[0], name) == expected


def test_every_check_is_tried_with_a_corruption() -> None:
    tried = {code for corruption in CORRUPTIONS for code in corruption.seen}
    assert tried == {check.code for check in INVARIANTS}
