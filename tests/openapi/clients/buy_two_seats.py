"""Buys two seats with the client that openapi-python-client generates: buy_two_seats.py URL PDF_FILE.

Prints what was bought as JSON. Run by test_generated_clients.py, in an environment that has nothing of ours.
"""

import json
import sys
import time
import uuid
from pathlib import Path
from typing import TypeVar

from rowlock_client import AuthenticatedClient, Client
from rowlock_client.api.orders import confirm_payment, create_order, create_payment_intent, get_order, get_tickets_pdf
from rowlock_client.api.reservations import reserve_seats
from rowlock_client.api.sandbox import authorize_sandbox_payment
from rowlock_client.api.shows import get_show, list_seat_statuses, list_shows
from rowlock_client.models import (
    CardGiven,
    CardOutcome,
    ConfirmBody,
    Customer,
    OrderBody,
    PaymentBody,
    Problem,
    ReserveBody,
    TicketWish,
)

T = TypeVar("T")


def granted(answer: T | Problem | None) -> T:
    """The answer, unless it is a refusal."""
    if answer is None or isinstance(answer, Problem):
        sys.exit(f"refused: {answer}")
    return answer


url, pdf_file = sys.argv[1:]
client = Client(base_url=url)

show = next(show for show in granted(list_shows.sync(client=client)).shows if show.status == "on_sale")
prices = granted(get_show.sync(show.show_id, client=client)).prices
seats = granted(list_seat_statuses.sync(str(show.show_id), client=client)).seats
wanted = [seat.seat_id for seat in seats if seat.status == "available"][:2]

hold = granted(
    reserve_seats.sync(
        client=client,
        body=ReserveBody(show.show_id, wanted, session_id=str(uuid.uuid4())),
        idempotency_key=str(uuid.uuid4()),
    )
)
order = granted(
    create_order.sync(
        client=client,
        body=OrderBody(
            hold.reservation_token, Customer("Anna Bauer", "anna@example.org"), [TicketWish(wanted[0], "child")]
        ),
    )
)
owner = AuthenticatedClient(base_url=url, token=order.order_token)
payment = granted(create_payment_intent.sync(client=owner, body=PaymentBody(order.order_id)))
granted(
    authorize_sandbox_payment.sync(
        str(payment.payment_intent_id), client=client, body=CardGiven(CardOutcome.DELAY, after_seconds=0.3)
    )
)
deadline = time.monotonic() + 20
while True:
    purchase = granted(confirm_payment.sync(client=owner, body=ConfirmBody(order.order_id, payment.payment_intent_id)))
    if purchase.status == "paid" or time.monotonic() > deadline:
        break
    time.sleep(0.05)
bought = granted(get_order.sync(str(order.order_id), client=owner))
Path(pdf_file).write_bytes(granted(get_tickets_pdf.sync(order.order_id, client=owner)).payload.read())

tariff = {(price.category, price.price_type): price.amount_minor for price in prices}
assert bought.server_time.tzinfo is not None
print(
    json.dumps(
        {
            "order_id": str(bought.order_id),
            "status": bought.status,
            "seat_ids": [ticket.seat_id for ticket in bought.tickets],
            "total_minor": bought.total_minor,
            "expected_minor": sum(tariff[line.category, line.price_type] for line in bought.lines) + bought.fee_minor,
        }
    )
)
