"""The background loops of checkout: the outbox, the inbox of webhooks, and the reconciler.

Everything that they do may be repeated: a message or an event is taken for a while, and taken up by another worker when
that is over. What fails is tried again, with growing pauses; what can never succeed stays listed with its error.
"""

from collections.abc import Awaitable, Callable, Mapping
from itertools import zip_longest
from time import monotonic
from uuid import UUID

import structlog

from rowlock.checkout import refund_store, store
from rowlock.checkout.disputes.service import Disputes
from rowlock.checkout.exchanges import Exchanges
from rowlock.checkout.model import InboxEvent, Message
from rowlock.checkout.provider_calls import PaymentUnavailableError
from rowlock.checkout.providers.payment_provider import ProviderError
from rowlock.checkout.purchase import Purchases
from rowlock.database.calls import BusyError, OutcomeUnknownError
from rowlock.database.connections import Connection

Handler = Callable[[Message], Awaitable[None]]
Look = Callable[[UUID, UUID], Awaitable[None]]
"""Looks at a payment or refund of a show, once, and logs what fails."""

POLL_SECONDS = 0.5
TAKEN_SECONDS = 60
BATCH = 20
ROUND_SECONDS = 25.0
"""A round begins nothing more after this; what it has begun takes less than the rest of TAKEN_SECONDS. So with a slow
provider or mail server this worker does not work on what others have taken meanwhile, and its loop is not cut off."""
RECONCILE_SECONDS = 5.0
UNTOUCHED_SECONDS = 15.0
"""A payment that was not looked at for so long is looked at by the reconciler, whether or not a webhook comes."""
AGAIN_SECONDS = 30.0
"""How long the reconciler then leaves a payment or refund to others, also when nothing could be found out about it."""
LONGEST_UNTOUCHED_SECONDS = 3600.0
"""A refund may be on its way for days. It is looked at again after a quarter of its age, at least once an hour."""
HOUSEKEEPING_SECONDS = 60.0
EVENT_ATTEMPTS = 10
_LONGEST_PAUSE_SECONDS = 600

_log = structlog.get_logger(__name__)


class NeverError(Exception):
    """A message cannot be worked on, however often it is tried. The text is kept with it."""


def pause_seconds(attempts: int) -> int:
    """How long to wait after so many attempts: 1, 2, 4 … seconds, at most ten minutes."""
    return min(_LONGEST_PAUSE_SECONDS, 1 << min(attempts - 1, 10))


_EXPECTED = (PaymentUnavailableError, ProviderError, BusyError, OutcomeUnknownError, OSError)
"""What fails without a fault of ours. Anything else is a bug, and is logged with its traceback."""


def _tell(event: str, error: Exception, **facts: object) -> None:
    """Log a failure. One message, event or payment that meets a bug holds up none of the others."""
    if isinstance(error, _EXPECTED):
        _log.warning(event, error=_text(error), **facts)
    else:
        _log.exception(event, error=_text(error), **facts)


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


class OutboxLoop:
    """Works off the outbox: for each kind of message its handlers, in order."""

    def __init__(self, handlers: Mapping[str, list[Handler]]) -> None:
        self._handlers = handlers

    async def work(self, connection: Connection) -> float:
        """Work on the messages that are due. Returns the seconds until the next call."""
        messages = await store.take_messages(connection, limit=BATCH, seconds=TAKEN_SECONDS)
        ends_at = monotonic() + ROUND_SECONDS
        for number, message in enumerate(messages):
            if number and monotonic() > ends_at:
                # The others are due again when their time is over.
                break
            await self._work_on(connection, message)
        return 0.0 if len(messages) == BATCH else POLL_SECONDS

    async def _work_on(self, connection: Connection, message: Message) -> None:
        facts = {"message_id": message.message_id, "kind": message.kind, "attempts": message.attempts}
        try:
            for handler in self._handlers.get(message.kind, ()):
                await handler(message)
        except NeverError as error:
            _log.error("message_failed_for_good", error=str(error), **facts)
            await store.finish_message(connection, message.message_id, error=str(error))
        except Exception as error:  # noqa: BLE001 - a bug with one must not hold up the others; it is logged.
            _tell("message_failed", error, **facts)
            await store.finish_message(
                connection, message.message_id, error=_text(error), retry_seconds=pause_seconds(message.attempts)
            )
        else:
            await store.finish_message(connection, message.message_id)


class InboxLoop:
    """Works off the inbox. An event is a hint: the payment that it names is fetched, and so are its open refunds."""

    def __init__(self, purchases: Purchases, disputes: Disputes | None = None) -> None:
        self._purchases = purchases
        self._disputes = disputes

    async def work(self, connection: Connection) -> float:
        """Work on the events that are due. Returns the seconds until the next call."""
        events = await store.take_webhook_events(connection, limit=BATCH, seconds=TAKEN_SECONDS)
        ends_at = monotonic() + ROUND_SECONDS
        for number, event in enumerate(events):
            if number and monotonic() > ends_at:
                # The others are due again when their time is over.
                break
            await self._work_on(connection, event)
        return 0.0 if len(events) == BATCH else POLL_SECONDS

    async def _work_on(self, connection: Connection, event: InboxEvent) -> None:
        reference = event.payload.get("reference")
        try:
            if isinstance(reference, str):
                found = await store.payment_of_reference(connection, event.provider, reference)
                if found is None and event.attempts < EVENT_ATTEMPTS:
                    # The answer to the call that made the payment may still be on its way.
                    await store.finish_webhook_event(
                        connection,
                        event,
                        error="No such payment yet.",
                        retry_seconds=pause_seconds(event.attempts),
                    )
                    return
                if found is not None:
                    await self._purchases.advance(found[0], found[2])
                    for show_id, refund_id in await refund_store.open_refunds_of_reference(
                        connection, event.provider, reference
                    ):
                        await self._purchases.refunds.advance(show_id, refund_id)
                    dispute = event.payload.get("dispute")
                    if self._disputes is not None and isinstance(dispute, str):
                        await self._disputes.follow(found[0], found[2], dispute)
        except Exception as error:  # noqa: BLE001 - a bug with one must not hold up the others; it is logged.
            _tell("webhook_not_processed", error, event_id=event.event_id)
            await store.finish_webhook_event(
                connection, event, error=_text(error), retry_seconds=pause_seconds(event.attempts)
            )
        else:
            await store.finish_webhook_event(connection, event)


class ReconcileLoop:
    """Finds out what has become of every payment and refund that is not settled, also when no webhook ever comes."""

    def __init__(self, purchases: Purchases, clock: Callable[[], float]) -> None:
        self._purchases = purchases
        self._clock = clock
        self._next_housekeeping = float("-inf")
        self._again_at: dict[UUID, float] = {}

    async def work(self, connection: Connection) -> float:
        """Look at what was not looked at for a while. Returns the seconds until the next call."""
        began = self._clock()
        self._again_at = {id_: at for id_, at in self._again_at.items() if at > began}
        for look_at, show_id, id_ in await self._due(connection):
            if self._clock() > began + ROUND_SECONDS:
                break
            await look_at(show_id, id_)
        await store.expire_orders(connection, 100)
        if self._clock() >= self._next_housekeeping:
            await store.forget_payment_keys(connection)
            self._next_housekeeping = self._clock() + HOUSEKEEPING_SECONDS
        return RECONCILE_SECONDS

    async def _due(self, connection: Connection) -> list[tuple[Look, UUID, UUID]]:
        """What this round looks at: payments and refunds by turns, so that neither waits for the other."""
        but = list(self._again_at)
        payments = await store.unsettled_payments(connection, untouched_seconds=UNTOUCHED_SECONDS, limit=BATCH, but=but)
        refunds = await refund_store.refunds_to_ask_about(
            connection,
            untouched_seconds=UNTOUCHED_SECONDS,
            longest_seconds=LONGEST_UNTOUCHED_SECONDS,
            limit=BATCH,
            but=but,
        )
        of_payments = [(self._look_at_payment, show_id, payment_id) for show_id, _, payment_id in payments]
        of_refunds = [(self._look_at_refund, show_id, refund_id) for show_id, refund_id in refunds]
        return [look for pair in zip_longest(of_payments, of_refunds) for look in pair if look is not None]

    async def _look_at_payment(self, show_id: UUID, payment_id: UUID) -> None:
        # One that nothing can be found out about stays the longest untouched. It must not keep others from their turn.
        self._again_at[payment_id] = self._clock() + AGAIN_SECONDS
        try:
            await self._purchases.advance(show_id, payment_id)
        except Exception as error:  # noqa: BLE001 - a bug with one must not hold up the others; it is logged.
            _tell("payment_not_reconciled", error, payment_intent_id=str(payment_id))

    async def _look_at_refund(self, show_id: UUID, refund_id: UUID) -> None:
        self._again_at[refund_id] = self._clock() + AGAIN_SECONDS
        try:
            await self._purchases.refunds.advance(show_id, refund_id)
        except Exception as error:  # noqa: BLE001 - a bug with one must not hold up the others; it is logged.
            _tell("refund_not_reconciled", error, refund_id=str(refund_id))


def money_handlers(purchases: Purchases, exchanges: Exchanges) -> dict[str, list[Handler]]:
    """What is done with the money for each kind of message."""

    async def refund(message: Message) -> None:
        await purchases.refunds.advance(message.show_id, _id(message, "refund_id"))

    async def settle(message: Message) -> None:
        assert message.order_id is not None, "these messages are about an order"
        await purchases.settle(message.show_id, message.order_id)

    async def exchange(message: Message) -> None:
        assert message.order_id is not None, "these messages are about an order"
        await exchanges.finish(message.show_id, message.order_id)

    return {
        "refund_requested": [refund],
        "order_confirmed": [settle],
        "order_voided": [settle],
        "order_lost": [settle],
        "exchange_due": [exchange],
    }


def _id(message: Message, name: str) -> UUID:
    try:
        return UUID(str(message.payload[name]))
    except (KeyError, ValueError) as error:
        raise NeverError(f"the message has no {name}") from error
