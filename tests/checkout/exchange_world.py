"""Two shows of one organization, a buyer with paid tickets, a provider in memory, and staff who exchange tickets."""

from dataclasses import dataclass, field
from uuid import UUID

from rowlock.base.holder import Holder
from rowlock.base.ids import mint_id
from rowlock.catalogue.service import Catalogue
from rowlock.checkout.exchange_model import Exchanged, Wish
from rowlock.checkout.exchanges import Exchanges
from rowlock.checkout.jobs import ReconcileLoop, money_handlers
from rowlock.checkout.model import Message, Order, OrderWish
from rowlock.checkout.purchase import Purchases
from rowlock.checkout.service import Checkout
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.reservations.service import Reservations
from tests.checkout.orders import violations
from tests.support.answers import Show, token
from tests.support.scripted_provider import OneProvider, ScriptedProvider
from tests.support.seatdb import SeatDb

SECRET = token("hold")
PRICE, DEAR, CHEAP, FEE = 2500, 4000, 1000, 150
"""The prices of seats 1 to 20, 31 to 40, and 21 to 30, and the fee per order."""


@dataclass
class ExchangeWorld:
    """`here` is the show of the old tickets, `there` another of the same organization."""

    db: SeatDb
    here: Show
    there: Show
    provider: ScriptedProvider = field(default_factory=ScriptedProvider)

    def __post_init__(self) -> None:
        self.cells = Cells(DirectDatabase(self.db.dsns, application_name="rowlock test"))
        self.checkout = Checkout(self.cells, OneProvider(self.provider), secret_key="key")
        self.exchanges = self.staff()

    @classmethod
    async def make(cls, db: SeatDb) -> "ExchangeWorld":
        here, there = await db.make_show(), await db.make_show()
        await db.owner.execute(
            "update rowlock.shows set organization_id = "
            "(select min(organization_id::text)::uuid from rowlock.organizations)"
        )
        await db.owner.execute(
            "update rowlock.seats set category = case when seat_id > 30 then 1 when seat_id > 20 then 2 else 0 end"
        )
        await db.owner.execute(
            "insert into rowlock.show_prices (show_id, category, price_type, amount_minor) "
            "select s.show_id, p.category, 'adult', p.amount from rowlock.shows as s "
            "cross join (values (0, %s), (1, %s), (2, %s)) as p (category, amount) "
            "on conflict (show_id, price_version, category, price_type) do update "
            "set amount_minor = excluded.amount_minor",
            [PRICE, DEAR, CHEAP],
        )
        await db.owner.execute(
            "insert into rowlock.show_price_lists (show_id, price_version, fee_per_order_minor) "
            "select show_id, 1, 150 from rowlock.shows on conflict (show_id, price_version) do update "
            "set fee_per_order_minor = 150"
        )
        return cls(db, here, there)

    def staff(self) -> Exchanges:
        """Another process, with nothing in memory."""
        return Exchanges(self.cells, Reservations(self.cells, Catalogue(self.cells)), secret_key="key")

    async def buy(self, *seats: int, holder: str = "anna", show: Show | None = None) -> Order:
        """A paid order."""
        show = show or self.here
        hold = await self.db.reserve(
            show, seats=seats, holder=holder, reservation_id=mint_id(show.show_id), secret=SECRET
        )
        assert hold.outcome == "OK"
        wish = OrderWish(show.show_id, hold.reservation_id, SECRET, "Anna", "anna@example.org", {})
        _, order_token = await self.checkout.order(wish, Holder(holder))
        assert order_token is not None
        order = await self.checkout.find(order_token)
        assert order is not None
        return order if order.status == "paid" else await self.pay(order)

    async def pay(self, order: Order) -> Order:
        """What the buyer does: pay what is due."""
        outcome, payment = await self.checkout.pay(order)
        assert payment is not None, outcome
        assert payment.reference is not None
        self.provider.authorize(payment.reference)
        await self.checkout.confirm(order, payment.payment_intent_id)
        return await self.order(order.show_id, order.order_id)

    async def order(self, show_id: UUID, order_id: UUID) -> Order:
        orders = await self.checkout.find_by_name(str(order_id))
        assert [order.show_id for order in orders] == [show_id]
        return orders[0]

    def wish(
        self, old: Order, seats: dict[int, int], *, to: Show | None = None, key: str = "k", **more: object
    ) -> Wish:
        to_show = (to or self.here).show_id
        return Wish(old.show_id, old.order_id, to_show, seats, key, "asked for it", "staff")

    async def exchange(self, old: Order, seats: dict[int, int], *, to: Show | None = None, key: str = "k") -> Exchanged:
        return await self.exchanges.exchange(self.wish(old, seats, to=to, key=key))

    async def tickets(self) -> dict[str, list[int]]:
        """The seats with good tickets of paid orders, by show: what admits to the hall."""
        return {
            name: [
                row["seat_id"]
                for row in await self.db._owner_rows(
                    "select t.seat_id from rowlock.tickets as t "
                    "join rowlock.ticket_orders as o using (show_id, order_id) "
                    "where t.show_id = %s and t.status = 'valid' and o.paid_at is not null order by t.seat_id",
                    show.show_id,
                )
            ]
            for name, show in (("here", self.here), ("there", self.there))
        }

    async def work_off(self) -> None:
        """What the worker does, until nothing is left to do."""
        purchases = Purchases(self.cells, OneProvider(self.provider))
        loop = ReconcileLoop(purchases, lambda: 0.0)
        handlers = money_handlers(purchases, Exchanges(self.cells))
        for _ in range(4):
            await self.db.owner.execute(
                "update rowlock.payment_intents set updated_at = updated_at - interval '1 minute'"
            )
            async with self.cells.of(self.here.show_id).worker() as connection:
                await loop.work(connection)
            cursor = await self.db.owner.execute(
                "select message_id, show_id, order_id, kind, payload, attempts, created_at "
                "from rowlock.outbox_messages where done_at is null order by message_id"
            )
            for row in await cursor.fetchall():
                for handler in handlers.get(row[3], ()):
                    await handler(Message(*row))
                await self.db.owner.execute(
                    "update rowlock.outbox_messages set done_at = clock_timestamp() where message_id = %s", [row[0]]
                )

    async def assert_settled(self) -> None:
        """The provider keeps what was paid for tickets and fees; the ledger and all invariants agree."""
        await self.work_off()
        cursor = await self.db.owner.execute(
            "select coalesce(sum(amount_minor) filter (where account = 'provider'), 0)::bigint, "
            "coalesce(sum(amount_minor) filter (where account in ('credit', 'owed')), 0)::bigint, "
            "coalesce(sum(amount_minor), 0)::bigint from rowlock.ledger_entries"
        )
        assert await cursor.fetchall() == [(self.provider.kept_minor(), 0, 0)]
        cursor = await self.db.owner.execute(
            "select coalesce(sum(i.amount_minor), 0)::bigint from rowlock.tickets as t "
            "join rowlock.ticket_order_items as i using (show_id, order_id, seat_id) where t.status <> 'void'"
        )
        [(tickets,)] = await cursor.fetchall()
        fees = self.provider.kept_minor() - tickets
        assert fees >= 0
        assert fees % FEE == 0
        assert not [p for p in self.provider.payments.values() if p.status == "authorized"], "money is still reserved"
        assert await violations(self.db) == []
        assert await self.db.check() == []
