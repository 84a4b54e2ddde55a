"""Six webhooks in every order, each of them twice, worked off by several workers; and none of them at all.

An event is a hint. Whatever order they come in, and whoever works on them, the end is the same: one buyer has paid
and has a ticket, and the money of another, whose seat was gone, was let go.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from time import monotonic

import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout.jobs import InboxLoop, ReconcileLoop
from rowlock.checkout.purchase import Purchases
from rowlock.database.access import DirectDatabase, OneConnection
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection, connect
from tests.checkout.test_purchases import PRICE, Buyer, assert_settled, buyer
from tests.support.answers import Show
from tests.support.scale import Scale
from tests.support.scripted_provider import OneProvider, ScriptedProvider
from tests.support.seatdb import SeatDb

WEBHOOKS = tuple((who, kind) for who in ("anna", "ben") for kind in ("created", "authorized", "settled"))
WORKERS = 3
SIGNED = {"scripted-signature": "right"}


async def priced_show(db: SeatDb) -> Show:
    show = await db.make_show()
    await db.owner.execute(
        "insert into rowlock.show_prices (show_id, category, amount_minor) values (%s, 0, %s) "
        "on conflict (show_id, price_version, category, price_type) do update set amount_minor = excluded.amount_minor",
        [show.show_id, PRICE],
    )
    return show


async def world(db: SeatDb) -> tuple[ScriptedProvider, Show, dict[str, Buyer]]:
    """Anna has a live hold; ben's has run out, and a rival holds his seat. Both have begun to pay."""
    show, provider = await priced_show(db), ScriptedProvider()
    buyers = {"anna": await buyer(db, show, provider, 1), "ben": await buyer(db, show, provider, 2, holder="ben")}
    await db.age(buyers["ben"].hold, minutes=30)
    assert (await db.reserve(show, seats=[2], holder="rival")).outcome == "OK"
    return provider, show, buyers


async def deliver(one: Buyer, kind: str, copies: int = 2) -> None:
    """The provider sends an event, as often as that; only the first is new."""
    body = f'{{"id": "{kind} {one.reference}", "kind": "{kind}", "reference": "{one.reference}"}}'.encode()
    new = [await one.checkout.receive("scripted", SIGNED, body, datetime.now(UTC)) for _ in range(copies)]
    assert new == [True] + [False] * (copies - 1)


async def work_at_once(workers: Sequence[Connection], provider: ScriptedProvider) -> None:
    """A round of several workers at once, each on a connection of its own."""

    async def one_round(connection: Connection) -> None:
        purchases = Purchases(Cells(OneConnection(connection)), OneProvider(provider))
        await InboxLoop(purchases).work(connection)

    await asyncio.gather(*(one_round(connection) for connection in workers))


@pytest.fixture
async def workers(dsns: Dsns) -> AsyncIterator[list[Connection]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(await connect(dsns.worker, application_name="rowlock test"))
            for _ in range(WORKERS)
        ]


async def end_state(db: SeatDb, provider: ScriptedProvider, show: Show, buyers: dict[str, Buyer]) -> dict[str, object]:
    tickets = await db._owner_rows(
        "select count(*) as n from rowlock.tickets where show_id = %s and status = 'valid'", show.show_id
    )
    left = await db._owner_rows("select count(*) as n from rowlock.webhook_events where processed_at is null")
    return {
        "orders": {name: await one.status() for name, one in buyers.items()},
        "payments": {name: str(provider.payments[one.reference].status) for name, one in buyers.items()},
        "kept": provider.kept_minor(),
        "claims": await db.claims(show),
        "tickets": tickets[0]["n"],
        "events to do": left[0]["n"],
    }


EXPECTED = {
    "orders": {"anna": "paid", "ben": "cancelled"},
    "payments": {"anna": "captured", "ben": "cancelled"},
    "kept": PRICE,
    "claims": {1: "sold", 2: "rival"},
    "tickets": 1,
    "events to do": 0,
}


async def run_order(
    db: SeatDb, workers: Sequence[Connection], order: Sequence[tuple[str, str]], *, reads_the_provider: bool = True
) -> dict[str, object]:
    """Deliver webhooks in this order. Each buyer pays at the moment when that is told."""
    provider, show, buyers = await world(db)
    if not reads_the_provider:
        kept = dict(provider.payments)

        async def believe(reference: str) -> object:
            return kept[reference]

        provider.fetch = believe  # type: ignore[method-assign, assignment] # The planted mistake.
    for who, kind in order:
        if kind == "authorized":
            provider.authorize(buyers[who].reference)
        await deliver(buyers[who], kind)
        await work_at_once(workers, provider)
    return await end_state(db, provider, show, buyers)


@pytest.mark.soak
async def test_six_webhooks_in_any_order_and_twice_lead_to_the_same_end(
    db: SeatDb, workers: list[Connection], scale: Scale
) -> None:
    orders = list(itertools.permutations(WEBHOOKS))
    assert len(orders) == 720
    for order in random.Random(6).sample(orders, scale.webhook_orders):
        assert await run_order(db, workers, order) == EXPECTED, order
    assert await db.check() == []


async def test_without_any_webhook_the_reconciler_leads_to_the_same_end(db: SeatDb) -> None:
    provider, show, buyers = await world(db)
    for one in buyers.values():
        provider.authorize(one.reference)
    cells = Cells(DirectDatabase(db.dsns, application_name="rowlock test"))
    await db.owner.execute("update rowlock.payment_intents set updated_at = updated_at - interval '1 minute'")
    async with cells.catalogue.worker() as connection:
        await ReconcileLoop(Purchases(cells, OneProvider(provider)), monotonic).work(connection)

    assert await end_state(db, provider, show, buyers) == EXPECTED
    await assert_settled(db, provider, show)


async def test_what_was_true_when_an_event_was_sent_is_not_believed(db: SeatDb, workers: list[Connection]) -> None:
    """The control: a worker that knows only what was so at the beginning does not come to that end."""
    assert await run_order(db, workers, WEBHOOKS, reads_the_provider=False) != EXPECTED
