"""Delivers the sandbox's webhooks over HTTP, with retries, and writes down what its banks have decided."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from rowlock.checkout.providers import store
from rowlock.checkout.providers.model import Change
from rowlock.checkout.providers.sandbox.signing import HEADER, sign
from rowlock.database.connections import Connection

if TYPE_CHECKING:
    import httpx

PATH = "/api/webhooks/sandbox"
AT_ONCE = 20
TIMEOUT_SECONDS = 5.0
LEASE_SECONDS = 30.0
"""A worker that has not said what became of a delivery by then has ended: another one delivers again."""
LONGEST_PAUSE_SECONDS = 3600.0
GIVE_UP_SECONDS = 3 * 86400.0
IDLE_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class SandboxDeliveries:
    """The work of a loop, for any number of workers.

    base_url    the address of a server of this installation.
    public_url  the site's address, when requests have to be for its host.
    """

    def __init__(self, secret: bytes, base_url: str, public_url: str | None = None) -> None:
        self._secret = secret
        self._url = base_url.rstrip("/") + PATH
        self._host = None if public_url is None else urlsplit(public_url).netloc
        self._client: httpx.AsyncClient | None = None

    async def work(self, connection: Connection) -> float:
        """One round. Returns the seconds until the next."""
        for account, reference in await store.settling(connection, AT_ONCE):
            await store.change_payment(connection, store.SANDBOX, account, reference, Change)
        due = await store.claim_events(connection, AT_ONCE, LEASE_SECONDS)
        if not due:
            return IDLE_SECONDS
        failures = await asyncio.gather(*(self._deliver(event) for event in due))
        for event, failure in zip(due, failures, strict=True):
            if failure is None:
                await store.event_delivered(connection, event.event_id)
                continue
            pause = min(2.0 ** (event.attempts - 1), LONGEST_PAUSE_SECONDS)
            _log.warning("sandbox_webhook_failed", event_id=event.event_id, failure=failure, again_in_seconds=pause)
            await store.event_failed(
                connection, event.event_id, failure, pause_seconds=pause, give_up_seconds=GIVE_UP_SECONDS
            )
        return 0.0

    async def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _deliver(self, event: store.DueEvent) -> str | None:
        """Why a delivery failed, or None."""
        import httpx  # Imported here because commands import this module, and deliver nothing.

        if self._client is None:
            self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)
        body = event.body.encode()
        headers = {"content-type": "application/json", HEADER: sign(body, self._secret, datetime.now(UTC))}
        if self._host is not None:
            headers["host"] = self._host
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}"
        return None if answer.is_success else f"status {answer.status_code}"
