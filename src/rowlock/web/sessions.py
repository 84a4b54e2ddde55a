"""Sessions, which identify holders: cookies for browsers, and session ids that integrators send.

A browser's cookie is a signed random value; the holder's key is a hash of it, so that nothing in the database or the
log can be used as a cookie. Integrators' session ids are used unchanged and must not begin like such a key.
"""

from functools import lru_cache
from hashlib import sha256
from secrets import token_urlsafe

from itsdangerous import BadSignature, Signer

COOKIE = "rowlock_session"
BROWSER_PREFIX = "web_"
MAX_AGE_SECONDS = 30 * 24 * 3600


class Sessions:
    """Makes and reads session cookies, signed with the instance's secret key."""

    def __init__(self, secret_key: str, *, secure: bool) -> None:
        self._signer = Signer(secret_key, salt="rowlock.session", digest_method=sha256)
        self._secure = secure
        # A browser sends the same cookie many times; the result for a cookie never changes.
        self.holder_of = lru_cache(maxsize=10_000)(self._holder_of)

    def start(self) -> tuple[str, bytes]:
        """A new session: its holder key, and the Set-Cookie header value."""
        secret = token_urlsafe(24).encode()
        value = self._signer.sign(secret).decode()
        attributes = f"Path=/; HttpOnly; SameSite=Lax; Max-Age={MAX_AGE_SECONDS}"
        if self._secure:
            attributes += "; Secure"
        return self._key(secret), f"{COOKIE}={value}; {attributes}".encode()

    def _holder_of(self, cookie_header: str) -> str | None:
        for part in cookie_header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE:
                try:
                    return self._key(self._signer.unsign(value))
                except BadSignature:
                    return None
        return None

    @staticmethod
    def _key(secret: bytes) -> str:
        return BROWSER_PREFIX + sha256(secret).hexdigest()[:32]
