"""The exchange of tickets for other seats, of the same show or of another, with the difference charged or refunded.

The two shows may be in two databases, so there is no transaction over both. Every step is one call to one of them, and
can be repeated; who finds an exchange half done does the next one. The order of the steps:

    begin    in the old show: the wish and the ids of the new order and its hold are written down
    hold     in the new show: the seats are held, as any buyer holds them
    order    in the new show: an order for them, of which the credit is paid with the old tickets
    pay      by the buyer, if the new seats cost more: authorized, seats sold (the order is confirmed), captured
    give up  in the old show: the one decision. The old tickets are void, their seats free, their money is credited
    finish   in the new show: the order is paid, with the credit, and its tickets are mailed

Before the decision the old tickets are good, and the new ones are not told; after it, it is the other way round. If the
old tickets cannot be given up any more, the new order is taken back, and a difference that was paid goes back.
"""

import hmac
from dataclasses import replace
from uuid import UUID, uuid4

import structlog

from rowlock.base.holder import Holder
from rowlock.base.ids import mint_id
from rowlock.base.outcomes import Outcome
from rowlock.checkout import exchange_store, store
from rowlock.checkout.exchange_model import Decision, Exchanged, Link, Making, Started, Wish
from rowlock.checkout.model import Order, OrderOutcome, OrderToken, mint_order_code
from rowlock.database.calls import call
from rowlock.database.cells import Cells
from rowlock.reservations.model import SECRET_BYTES, Intent, ReservationToken
from rowlock.reservations.service import Reservations

_CODE_ATTEMPTS = 5
_log = structlog.get_logger(__name__)


class Exchanges:
    """The operations. Methods raise database.calls.BusyError. A worker needs no reservations and no secret key."""

    def __init__(self, cells: Cells, reservations: Reservations | None = None, *, secret_key: str = "") -> None:
        self._cells = cells
        self._reservations = reservations
        self._secret_key = secret_key.encode()

    async def exchange(self, wish: Wish) -> Exchanged:
        """Exchange tickets, as far as that is possible now: the buyer may have to pay first. Repeatable by its key."""
        old = await self._order(wish.show_id, wish.order_id)
        if old is None:
            return Exchanged(OrderOutcome.ORDER_NOT_FOUND)
        here = await self._terms(wish.show_id)
        there = await self._terms(wish.to_show_id)
        if there is None:
            return Exchanged(Outcome.SHOW_NOT_FOUND)
        if here != there:
            return Exchanged(OrderOutcome.SHOWS_DIFFER)
        begun = await call(
            self._cells.of(wish.show_id).worker,
            lambda connection: exchange_store.begin_exchange(
                connection, wish, mint_id(wish.to_show_id), mint_id(wish.to_show_id)
            ),
            repeatable=True,
        )
        if begun.outcome != Outcome.OK:
            return Exchanged(begun.outcome)
        token = self._token(wish.to_show_id, begun)
        order = await self._order(wish.to_show_id, begun.to_order_id)
        if order is None:
            refusal = await self._make(wish, old, begun, token)
            if refusal is not None:
                return refusal
        return await self._go_on(wish, begun, token)

    async def finish(self, show_id: UUID, order_id: UUID) -> None:
        """Do what is left of the exchange that a new order is of: give the old tickets up, or take the order back."""
        order = await self._order(show_id, order_id)
        if order is None or order.exchange_of_show_id is None or not await self._is_due(order):
            return
        is_confirmed, credit_minor, old_show = (
            order.status == "confirmed",
            order.credit_minor,
            order.exchange_of_show_id,
        )
        given = await call(
            self._cells.of(old_show).worker,
            lambda connection: exchange_store.give_up_tickets(
                connection, old_show, order_id, credit_minor, is_confirmed=is_confirmed
            ),
            repeatable=True,
        )
        worker = self._cells.of(show_id).worker
        if given.outcome == Outcome.OK:
            await call(
                worker,
                lambda connection: exchange_store.finish_exchange(connection, show_id, order_id, given),
                repeatable=True,
            )
        elif is_confirmed:
            _log.info("exchange_refused", order_id=str(order_id), outcome=given.outcome)
            reason = f"not exchanged: {given.outcome}"
            await call(
                worker, lambda connection: store.void_order(connection, show_id, order_id, reason), repeatable=True
            )

    async def decision(self, order: Order) -> Decision | None:
        """What was decided of the exchange that an order is of; None for any other order."""
        old_show = order.exchange_of_show_id
        if old_show is None:
            return None
        return await call(
            self._cells.of(old_show).worker,
            lambda connection: exchange_store.decision(connection, old_show, order.order_id),
            repeatable=True,
            reads=True,
        )

    async def of_order(self, order: Order) -> list[Link]:
        """What tickets of an order were exchanged for, the first one first."""
        return await call(
            self._cells.of(order.show_id).worker,
            lambda connection: exchange_store.exchanges_of(connection, order.show_id, order.order_id),
            repeatable=True,
            reads=True,
        )

    async def _make(self, wish: Wish, old: Order, begun: Started, token: OrderToken) -> Exchanged | None:
        """Hold the new seats and order them; the refusal, if there is one."""
        assert self._reservations is not None, "this process has no reservations"
        hold = self._hold_token(wish.to_show_id, begun)
        session = f"exchange:{begun.to_order_id}"
        holder = Holder(session, session, wish.ip_address)
        seats = tuple(sorted(wish.seats.values()))
        held = await self._reservations.reserve(Intent(hold, holder, seats, session.encode(), None, accessible=True))
        if held.outcome != Outcome.OK:
            return Exchanged(held.outcome, refused=held.unavailable_seat_ids)
        types = {line.seat_id: line.price_type for line in old.lines}
        making = Making(
            old=old,
            hold=hold,
            token=token,
            code="",
            price_types={new: wish.price_types.get(new, types[was]) for was, new in wish.seats.items()},
            wish_hash=wish.hash,
            worth_minor=begun.worth_minor,
            session_id=session,
            ip_address=wish.ip_address,
        )
        outcome, refused = await self._order_held(making)
        if outcome == Outcome.OK:
            return None
        await self._reservations.release(hold, holder)
        return Exchanged(outcome, refused=refused)

    async def _order_held(self, making: Making) -> tuple[str, tuple[int, ...]]:
        outcome, refused = await self._order_with(replace(making, code=mint_order_code()))
        for _ in range(_CODE_ATTEMPTS - 1):
            if outcome != OrderOutcome.ORDER_CODE_TAKEN:
                break
            outcome, refused = await self._order_with(replace(making, code=mint_order_code()))
        return outcome, refused

    async def _order_with(self, making: Making) -> tuple[str, tuple[int, ...]]:
        return await call(
            self._cells.of(making.token.show_id).worker,
            lambda connection: exchange_store.make_exchange_order(connection, making),
            repeatable=True,
        )

    async def _go_on(self, wish: Wish, begun: Started, token: OrderToken) -> Exchanged:
        """Sell the new seats if there is nothing to pay, and finish what is due."""
        order = await self._known(wish.to_show_id, begun.to_order_id)
        due_minor = order.total_minor - order.credit_minor
        if order.status == "pending" and due_minor == 0:
            outcome, gone = await self._sell(order)
            if outcome != Outcome.OK:
                return Exchanged(outcome, refused=gone)
        await self.finish(order.show_id, order.order_id)
        order = await self._known(wish.to_show_id, begun.to_order_id)
        decided = await self.decision(order)
        assert decided is not None, "it was begun"
        if decided.refusal is not None:
            return Exchanged(decided.refusal)
        if order.status in ("expired", "cancelled", "voided"):
            return Exchanged(OrderOutcome.ORDER_NOT_PAYABLE)
        surplus_minor = decided.surplus_minor
        if decided.status == "begun":
            surplus_minor = begun.worth_minor - order.credit_minor
        return Exchanged(Outcome.OK, order, token, due_minor if order.status == "pending" else 0, max(0, surplus_minor))

    async def _sell(self, order: Order) -> tuple[str, tuple[int, ...]]:
        """Sell the new seats, for which nothing is to be paid; an order that cannot be completed ends."""
        worker = self._cells.of(order.show_id).worker
        outcome, _, gone = await call(
            worker,
            lambda connection: store.complete_order(connection, order.show_id, order.order_id, None),
            repeatable=True,
        )
        if outcome != Outcome.OK:
            await call(
                worker,
                lambda connection: store.end_order(connection, order.show_id, order.order_id, outcome),
                repeatable=True,
            )
        return outcome, gone

    async def _is_due(self, order: Order) -> bool:
        """Whether an exchange can be decided: the new seats are sold and what they cost more is captured, or the order
        has ended, and it is to be seen what was decided before.
        """
        if order.status in ("voided", "cancelled", "expired"):
            return True
        if order.status != "confirmed":
            return False
        captured = await call(
            self._cells.of(order.show_id).worker,
            lambda connection: exchange_store.difference_captured(connection, order.show_id, order.order_id),
            repeatable=True,
            reads=True,
        )
        return captured >= order.total_minor - order.credit_minor

    def _hold_token(self, show_id: UUID, begun: Started) -> ReservationToken:
        assert self._secret_key, "this process has no secret key"
        message = b"rowlock.exchange\0" + begun.to_order_id.bytes
        secret = hmac.digest(self._secret_key, message, "sha256")[:SECRET_BYTES]
        return ReservationToken(show_id, begun.to_reservation_id, secret)

    def _token(self, show_id: UUID, begun: Started) -> OrderToken:
        hold = self._hold_token(show_id, begun)
        return OrderToken.of_hold(show_id, begun.to_order_id, hold.secret, self._secret_key)

    async def _terms(self, show_id: UUID) -> tuple[UUID, str] | None:
        return await call(
            self._cells.of(show_id).worker,
            lambda connection: exchange_store.show_terms(connection, show_id),
            repeatable=True,
            reads=True,
        )

    async def _known(self, show_id: UUID, order_id: UUID) -> Order:
        order = await self._order(show_id, order_id)
        assert order is not None, "orders are never deleted"
        return order

    async def _order(self, show_id: UUID, order_id: UUID) -> Order | None:
        return await call(
            self._cells.of(show_id).worker,
            lambda connection: store.order_details(connection, show_id, order_id),
            repeatable=True,
            reads=True,
        )


def new_key() -> str:
    """The key of an exchange whose client sent none."""
    return f"exchange-{uuid4()}"
