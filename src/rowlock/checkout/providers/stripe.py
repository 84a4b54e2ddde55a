"""Stripe, through its official SDK. No other module knows it.

PaymentIntents are captured after the seats were sold, so that a buyer who comes too late is never charged. With
`ROWLOCK_STRIPE_CAPTURE=mixed`, methods that cannot be captured later are offered too: such a payment is CAPTURED as
soon as it succeeds, and is refunded when the seats are gone.

The SDK repeats nothing by itself: whether a call is repeated, and when, is decided where its outcome is written down.
Stripe keeps the answer to a key for 24 hours, server errors included. So after a server error, and for a key that may
be older, what the call was to do is looked for before it is sent again.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import stripe

from rowlock.checkout.providers.payment_provider import (
    PaymentStatus,
    PaymentWish,
    ProviderDispute,
    ProviderError,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    ProviderRefusedError,
    ProviderUnavailableError,
    WebhookRefusedError,
)
from rowlock.checkout.providers.provider_account import ProviderAccount, ProviderSettingsError
from rowlock.checkout.providers.stripe_amounts import to_stripe
from rowlock.checkout.providers.stripe_objects import (
    dispute_of,
    event_of,
    made_at,
    payment_of,
    refund_of,
    wish_as_params,
)

T = TypeVar("T")

CONNECT_SECONDS = 3.0
CALL_SECONDS = 10.0
TOLERANCE_SECONDS = 300
KEY_AGE = timedelta(hours=23)
"""Stripe may forget a key after 24 hours."""
CLOCK_SKEW = timedelta(minutes=5)
KEYS_FOR_ONE_CALL = 3
KEY_WINDOW_SECONDS = 60.0
"""How long a call has the same key after these: an outage with stored errors may spend any number of keys."""
PAGE = 100
MOST_PAGES = 50

# At the level DEBUG the SDK logs whole answers, with secrets of buyers in them.
logging.getLogger("stripe").setLevel(logging.WARNING)
stripe.enable_telemetry = False


class _StoredFailureError(ProviderUnavailableError):
    """A server error that Stripe has stored under the key of the call: the key gets no other answer any more."""


class StripeProvider:
    """One account at Stripe.

    webhook_secrets  of the endpoint; several while they are rotated.
    stripe_account   the connected account that is paid, when the key is the platform's.
    mixed            also offer methods that cannot be captured later.
    """

    name = "stripe"

    def __init__(
        self,
        secret_key: str,
        *,
        publishable_key: str | None,
        webhook_secrets: tuple[str, ...],
        api_base: str | None = None,
        stripe_account: str | None = None,
        mixed: bool = False,
    ) -> None:
        self.publishable_key = publishable_key
        self.stripe_account = stripe_account
        self.is_live = "_live_" in secret_key
        self._webhook_secrets = webhook_secrets
        self._mixed = mixed
        self._http = stripe.HTTPXClient(timeout=httpx.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS))
        client = stripe.StripeClient(
            secret_key,
            stripe_account=stripe_account,
            base_addresses={} if api_base is None else {"api": api_base.rstrip("/")},
            max_network_retries=0,
            http_client=self._http,
        )
        # The SDK's parameters are typed dictionaries of hundreds of members; ours are checked by the tests.
        self._intents: Any = client.v1.payment_intents
        self._refunds: Any = client.v1.refunds
        self._disputes: Any = client.v1.disputes

    async def create(self, wish: PaymentWish) -> ProviderPayment:
        """See PaymentProvider."""
        params = {**wish_as_params(wish, mixed=self._mixed), "expand": ["latest_charge"]}
        if datetime.now(UTC) - made_at(wish.payment_intent_id) > KEY_AGE:
            found = await self._find_old(wish)
            if found is not None:
                return found
        intent = await self._with_key(
            wish.key,
            lambda key: self._intents.create_async(params=params, options={"idempotency_key": key}),
            lambda: self._find_recent(wish),
        )
        return intent if isinstance(intent, ProviderPayment) else payment_of(intent)

    async def fetch(self, reference: str) -> ProviderPayment | None:
        """See PaymentProvider."""
        return await self._fetch(payment_of, self._intents.retrieve_async, reference, {"expand": ["latest_charge"]})

    async def capture(self, reference: str, *, key: str) -> ProviderPayment:
        """See PaymentProvider."""
        return await self._move(reference, key, self._intents.capture_async, PaymentStatus.CAPTURED, {})

    async def cancel(self, reference: str, *, key: str) -> ProviderPayment:
        """See PaymentProvider."""
        params = {"cancellation_reason": "abandoned"}
        return await self._move(reference, key, self._intents.cancel_async, PaymentStatus.CANCELLED, params)

    async def refund(self, reference: str, amount_minor: int, *, key: str) -> ProviderRefund:
        """See PaymentProvider. The key is in the refund's metadata, so that it is found however old it is."""
        payment = await self.fetch(reference)
        if payment is None:
            raise ProviderRefusedError(f"Stripe has no payment {reference}", "resource_missing")
        made = await self._find_refund(reference, key)
        if made is None:
            params = {
                "payment_intent": reference,
                "amount": to_stripe(amount_minor, payment.currency),
                "metadata": {"key": key},
            }
            answer = await self._with_key(
                key,
                lambda key_now: self._refunds.create_async(params=params, options={"idempotency_key": key_now}),
                lambda: self._find_refund(reference, key),
            )
            made = answer if isinstance(answer, ProviderRefund) else refund_of(answer)
        if made.amount_minor != amount_minor:
            raise ProviderRefusedError("this key has made another refund", "key_reused")
        return made

    async def fetch_refund(self, reference: str) -> ProviderRefund | None:
        """See PaymentProvider."""
        return await self._fetch(refund_of, self._refunds.retrieve_async, reference, {})

    async def list_since(self, since: datetime) -> AsyncIterator[ProviderPayment]:
        """See PaymentProvider. Newest first, in pages."""
        params = {"created": {"gte": int(since.timestamp())}, "limit": PAGE, "expand": ["data.latest_charge"]}
        while True:
            page = await self._send(self._intents.list_async(params=params))
            for intent in page["data"]:
                yield payment_of(intent)
            if not page["has_more"]:
                return
            params["starting_after"] = page["data"][-1]["id"]

    async def fetch_dispute(self, reference: str) -> ProviderDispute | None:
        """See TellsDisputes."""
        return await self._fetch(dispute_of, self._disputes.retrieve_async, reference, {})

    async def list_disputes(self, since: datetime) -> AsyncIterator[ProviderDispute]:
        """See TellsDisputes. Newest first, in pages."""
        params: dict[str, Any] = {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
        while True:
            page = await self._send(self._disputes.list_async(params=params))
            for dispute in page["data"]:
                yield dispute_of(dispute)
            if not page["has_more"]:
                return
            params["starting_after"] = page["data"][-1]["id"]

    def parse_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """See PaymentProvider."""
        header = headers.get("stripe-signature", "")
        if not any(_is_signed(body, header, secret) for secret in self._webhook_secrets):
            raise WebhookRefusedError("the webhook is not signed by Stripe for this account")
        if abs(now.timestamp() - _signed_at(header)) > TOLERANCE_SECONDS:
            raise WebhookRefusedError(f"the webhook was signed more than {TOLERANCE_SECONDS} seconds ago or ahead")
        try:
            event = json.loads(body)
        except ValueError as error:
            raise WebhookRefusedError("the webhook is no JSON") from error
        if not isinstance(event, dict) or event.get("object") != "event":
            raise WebhookRefusedError("the webhook is no event of Stripe")
        # One endpoint may get the events of all connected accounts, and live and test events.
        if event.get("account") != self.stripe_account:
            raise WebhookRefusedError("the webhook is about another account")
        if bool(event.get("livemode")) != self.is_live:
            raise WebhookRefusedError("the webhook is of live mode, and the key of test mode, or the other way round")
        return event_of(event)

    async def close(self) -> None:
        """See PaymentProvider."""
        await self._http.close_async()  # type: ignore[no-untyped-call] # The SDK has no types here.

    async def _move(
        self,
        reference: str,
        key: str,
        call: Callable[..., Awaitable[Any]],
        goal: PaymentStatus,
        params: Mapping[str, object],
    ) -> ProviderPayment:
        """Capture or cancel. When Stripe refuses, what the payment is now decides."""
        expanded = {**params, "expand": ["latest_charge"]}

        async def arrived() -> ProviderPayment | None:
            payment = await self.fetch(reference)
            return payment if payment is not None and payment.status is goal else None

        try:
            answer = await self._with_key(
                key, lambda key: call(reference, params=expanded, options={"idempotency_key": key}), arrived
            )
        except ProviderRefusedError as error:
            payment = await self.fetch(reference)
            if payment is not None and payment.status is goal:
                return payment
            if payment is not None and payment.status is PaymentStatus.PROCESSING:
                raise ProviderUnavailableError(f"Stripe still works on {reference}") from error
            raise
        return answer if isinstance(answer, ProviderPayment) else payment_of(answer)

    async def _with_key(
        self, key: str, call: Callable[[str], Awaitable[Any]], look: Callable[[], Awaitable[T | None]]
    ) -> Any:
        """Call with a key. Once it is known to be spent on a server error, look, and go on with the next key."""
        window = int(datetime.now(UTC).timestamp() / KEY_WINDOW_SECONDS)
        further = [f"{key}/{number}" for number in range(2, KEYS_FOR_ONE_CALL + 1)]
        for key_now in (key, *further, f"{key}/at-{window}"):
            try:
                return await self._send(call(key_now))
            except _StoredFailureError:
                found = await look()
                if found is not None:
                    return found
        raise ProviderUnavailableError("Stripe has stored a server error for each of our keys")

    async def _fetch(
        self, convert: Callable[[Any], T], retrieve: Callable[..., Awaitable[Any]], reference: str, params: object
    ) -> T | None:
        try:
            return convert(await self._send(retrieve(reference, params=params)))
        except ProviderRefusedError as error:
            if error.code == "resource_missing":
                return None
            raise

    async def _find_old(self, wish: PaymentWish) -> ProviderPayment | None:
        """The payment that a key made more than a day ago, by its metadata."""
        query = f"metadata['payment_intent_id']:'{wish.payment_intent_id}'"
        try:
            params = {"query": query, "limit": 1, "expand": ["data.latest_charge"]}
            page = await self._send(self._intents.search_async(params=params))
        except ProviderRefusedError:
            # Accounts in some countries have no search.
            return await self._find_recent(wish)
        return payment_of(page["data"][0]) if page["data"] else None

    async def _find_recent(self, wish: PaymentWish) -> ProviderPayment | None:
        """The payment of a wish, among those that were made since. Raises ProviderUnavailableError when not sure."""
        since = int((made_at(wish.payment_intent_id) - CLOCK_SKEW).timestamp())
        params: dict[str, Any] = {"created": {"gte": since}, "limit": PAGE, "expand": ["data.latest_charge"]}
        for _ in range(MOST_PAGES):
            page = await self._send(self._intents.list_async(params=params))
            for intent in page["data"]:
                if (intent.get("metadata") or {}).get("payment_intent_id") == str(wish.payment_intent_id):
                    return payment_of(intent)
            if not page["has_more"]:
                return None
            params["starting_after"] = page["data"][-1]["id"]
        raise ProviderUnavailableError(
            f"{wish.payment_intent_id} is not among Stripe's last {PAGE * MOST_PAGES} payments"
        )

    async def _find_refund(self, reference: str, key: str) -> ProviderRefund | None:
        params: dict[str, Any] = {"payment_intent": reference, "limit": PAGE}
        while True:
            page = await self._send(self._refunds.list_async(params=params))
            for refund in page["data"]:
                if (refund.get("metadata") or {}).get("key") == key:
                    return refund_of(refund)
            if not page["has_more"]:
                return None
            params["starting_after"] = page["data"][-1]["id"]

    @staticmethod
    async def _send(request: Awaitable[Any]) -> Any:
        """The answer to a request, as plain dictionaries. Raises ProviderError."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await request
        except TimeoutError as error:
            raise ProviderUnavailableError(f"Stripe did not answer within {CALL_SECONDS:g} seconds") from error
        except stripe.StripeError as error:
            raise _translated(error) from error
        return answer.to_dict()


def _translated(error: stripe.StripeError) -> ProviderError:
    """What an error of the SDK means for the caller: later, or never."""
    status = error.http_status or 0
    code = error.code or (error.error.code if error.error is not None else None) or ""
    message = f"Stripe: {error.user_message or type(error).__name__} (status {status or 'none'}, {error.request_id})"
    headers = error.headers or {}
    if isinstance(error, stripe.RateLimitError):
        return ProviderUnavailableError(message, _seconds(headers.get("retry-after")) or 1.0)
    if status >= 500 and headers.get("idempotent-replayed") == "true":
        return _StoredFailureError(message)
    if isinstance(error, stripe.IdempotencyError):
        return ProviderRefusedError(message, "key_reused")
    if isinstance(error, (stripe.InvalidRequestError, stripe.CardError)):
        return ProviderRefusedError(message, code)
    # Beside server errors and lost connections: 409, another call with this key is under way; 424, a bank does not
    # answer; 401 and 403, a key was revoked or may too little. The operator mends that, and then the call goes through.
    return ProviderUnavailableError(message, _seconds(headers.get("retry-after")))


def _seconds(text: str | None) -> float | None:
    with suppress(TypeError, ValueError):
        return min(max(float(text or ""), 0.0), 600.0)
    return None


def _is_signed(body: bytes, header: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _signed_at(header: str) -> int:
    """The instant of a header that has been verified: the one that was signed."""
    return next(int(part.removeprefix("t=")) for part in header.split(",") if part.startswith("t="))


_SETTINGS = ("secret_key", "publishable_key", "webhook_secret", "api_base", "capture", "stripe_account")
_BEGINNINGS = {"secret_key": ("sk_", "rk_"), "publishable_key": ("pk_",), "webhook_secret": ("whsec_",)}


def make(account: ProviderAccount) -> StripeProvider:
    """The entry point. An organization has keys of its own, or a connected account that the platform's keys are for."""
    account.refuse_unknown(*_SETTINGS)
    settings = _with_platform(account)
    found = {name: settings.get(name, "").strip() for name in _SETTINGS}
    _check_keys(account, found)
    if found["stripe_account"] and not found["stripe_account"].startswith("acct_"):
        raise ProviderSettingsError(f"{account.name_of('stripe_account')} has to begin with acct_.")
    if found["capture"] not in ("", "later", "mixed"):
        raise ProviderSettingsError(f"{account.name_of('capture')} is later or mixed.")
    return StripeProvider(
        found["secret_key"],
        publishable_key=found["publishable_key"],
        webhook_secrets=tuple(part.strip() for part in found["webhook_secret"].split(",")),
        api_base=_api_base(account, found["api_base"]),
        stripe_account=found["stripe_account"] or None,
        mixed=found["capture"] == "mixed",
    )


def _with_platform(account: ProviderAccount) -> Mapping[str, str]:
    """The settings of an account. Only one that names a connected account uses the platform's keys."""
    if account.is_of_installation or "secret_key" in account.settings:
        return account.settings
    if not account.settings.get("stripe_account"):
        raise ProviderSettingsError(
            f"{account.name_of('secret_key')} is missing. Give it keys of its own (secret_key, publishable_key and "
            "webhook_secret), or a stripe_account that is connected to the platform."
        )
    if not account.platform.get("secret_key"):
        raise ProviderSettingsError(
            f"{account.name_of('stripe_account')} needs the platform's keys. Set ROWLOCK_STRIPE_SECRET_KEY, "
            "ROWLOCK_STRIPE_PUBLISHABLE_KEY and ROWLOCK_STRIPE_WEBHOOK_SECRET."
        )
    return {**account.platform, **account.settings}


def _check_keys(account: ProviderAccount, found: Mapping[str, str]) -> None:
    for name, beginnings in _BEGINNINGS.items():
        if not found[name]:
            account.required(name)
        for part in found[name].split(","):
            if not part.strip().startswith(beginnings):
                raise ProviderSettingsError(f"{account.name_of(name)} has to begin with {' or '.join(beginnings)}.")
    if ("_live_" in found["secret_key"]) != ("_live_" in found["publishable_key"]):
        raise ProviderSettingsError(
            f"{account.name_of('secret_key')} and {account.name_of('publishable_key')} are not of one mode: one is a "
            "live, the other a test key."
        )


def _api_base(account: ProviderAccount, url: str) -> str | None:
    if not url:
        return None
    parts = urlsplit(url)
    is_near = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme not in ("http", "https") or not parts.hostname or (parts.scheme == "http" and not is_near):
        raise ProviderSettingsError(
            f"{account.name_of('api_base')} has to be an address with https, or with http on this machine. The secret "
            "key is sent there."
        )
    return url
