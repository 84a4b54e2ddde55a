"""Sessions, which identify holders: cookies for browsers, and session ids that integrators send.

A browser's cookie is a signed random value; the holder's key is a hash of it, so that nothing in the database or the
log can be used as a cookie. A session id without a key has to be one that nobody can guess, and is used unchanged. With
an integrator's key any id will do: the holder's key is put together of the organization and the id, so that one
integrator's "anna" is not another's. Who has no key cannot name a holder of either kind.
"""

import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from secrets import token_urlsafe
from time import time

from itsdangerous import BadSignature, TimestampSigner

from rowlock.base.integrator import Integrator
from rowlock.web.problems import ProblemError

COOKIE = "rowlock_session"
# A browser takes a cookie of this name only from this host, over HTTPS and for every path: no other host of the domain
# can set it, nor anybody who changes plain HTTP.
SECURE_COOKIE = f"__Host-{COOKIE}"
BROWSER_PREFIX = "web_"
INTEGRATOR_PREFIX = "org_"
UNGUESSABLE_LENGTH = 32
"""Characters of a session id without a key, at least: as many as a UUID has without its hyphens."""
HOLDERS_LIMIT = 10_000
VALUE_LENGTH = 100  # A value of ours, with its age and signature, has 83 characters.
MAX_AGE_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """Who a request comes from.

    key        identifies the holder within a show; it is stored with holds and in the log.
    name       what the client calls itself: its session id, or the value of its cookie. It is secret, and not stored.
    token_key  32 secret bytes, of which the secrets of the tokens of this browser's holds are made; it is not stored.
               None where there was a session id.
    """

    key: str
    name: str = field(repr=False)
    token_key: bytes | None = field(default=None, repr=False)


def named_session(session_id: str, integrator: Integrator | None) -> Session:
    """The session of a session id, in the namespace of the integrator's organization. Raises ProblemError."""
    if integrator is not None:
        return Session(f"{INTEGRATOR_PREFIX}{integrator.organization_id.hex}_{session_id}", session_id)
    for prefix in (BROWSER_PREFIX, INTEGRATOR_PREFIX):
        if session_id.startswith(prefix):
            raise ProblemError("INVALID_INPUT", f"session_id must not begin with {prefix!r}. Use another one.")
    if len(session_id) < UNGUESSABLE_LENGTH:
        raise ProblemError(
            "INVALID_INPUT",
            f"session_id is too short: who guesses it can keep its holder from reserving. Send a random UUID, or at "
            f"least {UNGUESSABLE_LENGTH} random characters. With a key in X-Rowlock-Key any id of your system will do.",
        )
    return Session(session_id, session_id)


def cookie_name(*, secure: bool) -> str:
    """What the session cookie of a server is called."""
    return SECURE_COOKIE if secure else COOKIE


class Sessions:
    """Makes and reads session cookies, signed with the instance's secret key."""

    def __init__(self, secret_key: str, *, secure: bool) -> None:
        self._secret_key = secret_key.encode()
        self._signer = TimestampSigner(secret_key, salt="rowlock.session", digest_method=sha256)
        self._secure = secure
        self._cookie = cookie_name(secure=secure)
        # A browser sends the same cookie many times; what it says never changes, only its age.
        self._of_value = lru_cache(maxsize=HOLDERS_LIMIT)(self._unsigned)

    def start(self) -> tuple[Session, bytes]:
        """A new session, and the Set-Cookie header value."""
        secret = token_urlsafe(24).encode()
        value = self._signer.sign(secret).decode()
        attributes = f"Path=/; HttpOnly; SameSite=Lax; Max-Age={MAX_AGE_SECONDS}"
        if self._secure:
            attributes += "; Secure"
        return self._session(secret, value), f"{self._cookie}={value}; {attributes}".encode()

    def find(self, cookie_header: str) -> Session | None:
        """The session in a Cookie header; None when there is none, it was not made here, or is older than its age."""
        for part in cookie_header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._cookie:
                # Other cookies of the header are not kept, and neither is a value that cannot be ours.
                found = self._of_value(value) if len(value) <= VALUE_LENGTH else None
                return None if found is None or time() - found[1] > MAX_AGE_SECONDS else found[0]
        return None

    def _unsigned(self, value: str) -> tuple[Session, float] | None:
        """The session of a value, and when it was signed."""
        try:
            secret, signed_at = self._signer.unsign(value, return_timestamp=True)
        except BadSignature:
            return None
        return self._session(secret, value), signed_at.timestamp()

    def _session(self, secret: bytes, value: str) -> Session:
        token_key = hmac.digest(self._secret_key, b"rowlock.token\0" + secret, "sha256")
        return Session(BROWSER_PREFIX + sha256(secret).hexdigest()[:32], value, token_key)
