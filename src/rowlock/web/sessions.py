"""Sessions, which identify holders: cookies for browsers, and session ids that integrators send.

A browser's cookie is a signed random value; the holder's key is a hash of it, so that nothing in the database or the
log can be used as a cookie. Integrators' session ids are used unchanged and must not begin like such a key.
"""

import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from secrets import token_urlsafe

from itsdangerous import BadSignature, Signer

COOKIE = "rowlock_session"
BROWSER_PREFIX = "web_"
HOLDERS_LIMIT = 10_000
VALUE_LENGTH = 100  # A value of ours, with its signature, has 76 characters.
MAX_AGE_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """Who a request comes from.

    key        identifies the holder within a show; it is stored with holds and in the log.
    token_key  32 secret bytes, of which the secrets of the tokens of this browser's holds are made; it is not stored.
               None for the session id of an integrator.
    """

    key: str
    token_key: bytes | None = field(default=None, repr=False)


class Sessions:
    """Makes and reads session cookies, signed with the instance's secret key."""

    def __init__(self, secret_key: str, *, secure: bool) -> None:
        self._secret_key = secret_key.encode()
        self._signer = Signer(secret_key, salt="rowlock.session", digest_method=sha256)
        self._secure = secure
        # A browser sends the same cookie many times; the result for a cookie never changes.
        self._of_value = lru_cache(maxsize=HOLDERS_LIMIT)(self._unsigned)

    def start(self) -> tuple[Session, bytes]:
        """A new session, and the Set-Cookie header value."""
        secret = token_urlsafe(24).encode()
        value = self._signer.sign(secret).decode()
        attributes = f"Path=/; HttpOnly; SameSite=Lax; Max-Age={MAX_AGE_SECONDS}"
        if self._secure:
            attributes += "; Secure"
        return self._session(secret), f"{COOKIE}={value}; {attributes}".encode()

    def find(self, cookie_header: str) -> Session | None:
        """The session in a Cookie header; None when there is none, or it was not made here."""
        for part in cookie_header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE:
                # Other cookies of the header are not kept, and neither is a value that cannot be ours.
                return self._of_value(value) if len(value) <= VALUE_LENGTH else None
        return None

    def _unsigned(self, value: str) -> Session | None:
        try:
            return self._session(self._signer.unsign(value))
        except BadSignature:
            return None

    def _session(self, secret: bytes) -> Session:
        token_key = hmac.digest(self._secret_key, b"rowlock.token\0" + secret, "sha256")
        return Session(BROWSER_PREFIX + sha256(secret).hexdigest()[:32], token_key)
