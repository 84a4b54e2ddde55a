"""Signatures of the sandbox's webhooks: HMAC-SHA256 over the instant and the raw body, in the form that Stripe uses."""

import hmac
import re
from datetime import datetime
from hashlib import sha256

from rowlock.checkout.providers.payment_provider import WebhookRefusedError

HEADER = "rowlock-sandbox-signature"
TOLERANCE_SECONDS = 300
_FORM = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def sign(body: bytes, secret: bytes, now: datetime) -> str:
    """The header's value for a body that is sent now."""
    instant = str(int(now.timestamp()))
    return f"t={instant},v1={_digest(instant, body, secret)}"


def verify(header: str | None, body: bytes, secret: bytes, now: datetime) -> None:
    """Raise WebhookRefusedError unless the sandbox signed this body within five minutes of now."""
    found = _FORM.fullmatch(header or "")
    if found is None or not hmac.compare_digest(found[2], _digest(found[1], body, secret)):
        raise WebhookRefusedError("the webhook is not signed by the sandbox")
    if abs(now.timestamp() - int(found[1])) > TOLERANCE_SECONDS:
        raise WebhookRefusedError(f"the webhook was signed more than {TOLERANCE_SECONDS} seconds ago or ahead")


def _digest(instant: str, body: bytes, secret: bytes) -> str:
    return hmac.digest(secret, instant.encode() + b"." + body, sha256).hex()
