"""Admission: who may reserve is decided in front of Rowlock, by a queue or a proof that there is a human, and signed.

`X-Admission` is `<show_id>:<session>:<expires>:<signature>`: the session is a `session_id` or the value of a session
cookie, `expires` is in seconds since 1970, and the signature is the HMAC-SHA256, in hexadecimal, of what stands before
the last colon. docs/how-to/let-a-queue-admit.md has an example.
"""

import hmac
import re
from time import time
from uuid import UUID

HEADER = b"x-admission"
MAX_AHEAD_SECONDS = 24 * 3600
# A session may have colons in it; neither the show nor what follows the session has.
_FORM = re.compile(
    rb"(?P<signed>(?P<show>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(?P<session>[!-~]{1,128}):(?P<expires>\d{1,12}))"
    rb":(?P<signature>[0-9a-f]{64})",
    re.IGNORECASE,
)


class Admissions:
    """Checks admissions that were signed with a key."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def why_not(self, header: bytes | None, show_id: UUID, session: str) -> str | None:
        """Why a session may not reserve seats of a show, as a sentence with what to do; None when it may.

        The signature is asked first: of what nobody has signed, nothing is told.
        """
        if header is None:
            return (
                "Reserving takes an admission here, and X-Admission is missing. Get one for this show and session from "
                "the page or the queue in front of this server."
            )
        found = _FORM.fullmatch(header)
        if found is None:
            return (
                "X-Admission has not the form <show_id>:<session>:<expires>:<signature>, with the expiry in seconds "
                "since 1970 and the signature in 64 hexadecimal digits. Send it as it was given out."
            )
        signature = hmac.digest(self._key, found["signed"], "sha256").hex().encode()
        if not hmac.compare_digest(signature, found["signature"].lower()):
            return (
                "The signature of X-Admission is wrong: something in it was changed, or it was signed with another "
                "key. Get a new one."
            )
        if UUID(found["show"].decode()) != show_id:
            return "X-Admission is for another show. Get one for this show."
        if found["session"].decode() != session:
            return "X-Admission is for another session. Get one for the session that this request has."
        ahead = int(found["expires"]) - time()
        if ahead > MAX_AHEAD_SECONDS:
            return "X-Admission expires more than 24 hours from now, which is not taken. Get one that ends sooner."
        if ahead <= 0:
            return "X-Admission has expired. Get a new one."
        return None
