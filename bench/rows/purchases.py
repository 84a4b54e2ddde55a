"""Purchases: what the server adds to the payment provider's own time, and whole orders from the hold to the tickets."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from statistics import median
from typing import Any

import psycopg

from bench.context import Bench, measures
from bench.figures import Figure, figure, percentile, ratio, times_in_turns
from bench.generators.http import Client, post, reserve_request
from bench.halls import Wishes
from bench.loads import Sale
from bench.product import as_application, sandbox
from bench.report import RowKind

_INTENT = "/api/ticket-orders/payment-intent-v2"
_BUYERS = 16
_MOST_ORDERS_PER_SECOND = 2_000
# What the server cannot do without: the order is read, and the payment recorded before and after the provider is asked.
_BARE = (
    "select n from public.bare where id = 1",
    "update public.bare set n = n + 1 where id = 1",
    "update public.bare set n = n + 1 where id = 2",
)


@measures("checkout", RowKind("payment_intent_overhead", "ratio", "≤ 3", "p99 without the provider ÷ three SQL calls"))
def measure_overhead(bench: Bench) -> Mapping[str, Figure]:
    """Payments of new orders over HTTP, in turns with the sandbox alone and with three bare calls of SQL."""
    samples, rounds = bench.scale.samples, bench.scale.rounds
    orders = samples * (rounds + 1)  # The first round warms up.
    with bench.sale() as sale, closing(Client(sale.server.port)) as client, sandbox(sale.database.dsns.worker) as make:
        wishes = sale.supply.take(orders)
        show = wishes.get(0)[0]
        waiting = [post(_INTENT, json.dumps({"order_id": _order(client, wishes, n)})) for n in range(orders)]
        sale.database.ledger.add(orders)
        with sale.database.owner() as owner:
            owner.execute("create table public.bare (id integer primary key, n integer not null)")
            owner.execute("insert into public.bare values (1, 0), (2, 0)")
            owner.execute("grant select, update on public.bare to rowlock_app")
        with psycopg.connect(as_application(sale.database.dsns.app), autocommit=True, prepare_threshold=0) as bare:
            sale.rest()
            sides = {
                "intent": lambda number: client.ask(waiting[number], expect=200),
                "provider": lambda _: make(show),
                "bare": lambda _: [bare.execute(statement) for statement in _BARE],
            }
            times = times_in_turns(sides, samples, rounds)
    provider = [median(each) for each in times["provider"]]
    beyond = [percentile(each, 99) - own for each, own in zip(times["intent"], provider, strict=True)]
    p99_bare = [percentile(each, 99) for each in times["bare"]]
    p50 = {f"{name}_p50_ms": median(map(median, by_round)) for name, by_round in times.items()}
    return {"payment_intent_overhead": ratio(("beyond_p99_ms", beyond), ("bare_p99_ms", p99_bare), **p50)}


@measures("checkout", RowKind("orders_per_second", "1/s", "≥ 20", "orders from the hold to their tickets"))
def measure_orders(bench: Bench) -> Mapping[str, Figure]:
    """Buyers of two seats each, who begin again when they have their tickets, with mails, webhooks and all."""
    with bench.sale(busy_after=True) as sale:
        rates = [_orders_a_second(sale, bench.scale.rush_seconds) for _ in range(bench.scale.rounds)]
    return {"orders_per_second": figure(rates, buyers=_BUYERS)}


def _orders_a_second(sale: Sale, seconds: int) -> float:
    wishes, numbers = sale.supply.take(seconds * _MOST_ORDERS_PER_SECOND), count()
    began = time.perf_counter()

    def buy(_: int) -> int:
        bought = 0
        with closing(Client(sale.server.port)) as client:
            while time.perf_counter() < began + seconds:
                _purchase(client, wishes, next(numbers))
                bought += 1
        return bought

    with ThreadPoolExecutor(_BUYERS) as buyers:
        bought = sum(buyers.map(buy, range(_BUYERS)))
    took = time.perf_counter() - began
    sale.database.ledger.add(bought)
    return bought / took


def _order(client: Client, wishes: Wishes, number: int) -> str:
    """Hold two seats and order them; the id of the order."""
    hold = _ask(client, reserve_request(wishes, number), 201)
    customer = {"name": "Ada Buyer", "email": f"buyer-{number}@example.org"}
    body = {"reservation_token": hold["reservation_token"], "customer": customer}
    return str(_ask(client, post("/api/ticket-orders", json.dumps(body)), 201)["order_id"])


def _purchase(client: Client, wishes: Wishes, number: int) -> None:
    """A whole purchase. Raises ValueError unless the order is paid and has its tickets."""
    order = {"order_id": _order(client, wishes, number)}
    payment = _ask(client, post(_INTENT, json.dumps(order)), 200)["payment_intent_id"]
    _ask(client, post(f"/api/sandbox/payment-intents/{payment}/authorize", '{"outcome":"succeed"}'), 200)
    body = json.dumps(order | {"payment_intent_id": payment})
    done = _ask(client, post("/api/ticket-orders/confirm", body), 200)
    if done["status"] != "paid" or len(done["tickets"]) != len(wishes.get(number)[1]):
        raise ValueError(f"order {number} came to {done}")


def _ask(client: Client, request: bytes, status: int) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(client.ask(request, expect=status).body)
    return answer
