"""Addresses of the documents of an order: with a signed secret that expires, made when the address is given away.

So a ticket can be opened from a mail or by a program without the order's token, which gives more rights and never
expires. An address lasts a week; one in a mail lasts until the show is over, when that is later.
"""

import hmac
import re
from datetime import UTC, datetime
from uuid import UUID

from itsdangerous import Signer

LIFETIME_DAYS = 7
_DAY_SECONDS = 86_400
_DAY = re.compile(r"(\d{1,9})\.", re.ASCII)


class DocumentLinks:
    """Makes and checks the addresses.

    secret_key  signs them; all processes of an installation have the same.
    public_url  what addresses begin with; without it they are paths.
    """

    def __init__(self, secret_key: str, public_url: str | None = None) -> None:
        self._signer = Signer(secret_key, salt="rowlock.documents")
        self._base = (public_url or "").rstrip("/")

    @property
    def are_whole(self) -> bool:
        """Whether addresses are whole, so that they can stand in a mail."""
        return bool(self._base)

    def tickets(
        self,
        order_id: UUID,
        ticket_id: UUID | None = None,
        *,
        until: datetime | None = None,
        now: datetime | None = None,
    ) -> str:
        """The address of one ticket of an order as PDF, or of all.

        It expires at the end of a day, so that the answers to repeated requests are the same: in a week, or at the end
        of the day of `until` if that is later.
        """
        name = "tickets.pdf" if ticket_id is None else f"tickets/{ticket_id}.pdf"
        day = max(_day(now or datetime.now(UTC)) + LIFETIME_DAYS, 0 if until is None else _day(until)) + 1
        return f"{self._base}/api/ticket-orders/{order_id}/{name}?key={self._key(order_id, day)}"

    def opens(self, key: str, order_id: UUID, *, now: datetime | None = None) -> bool:
        """Whether the secret of an address is good for an order, and not too old."""
        day = _DAY.match(key)
        if day is None or (now or datetime.now(UTC)).timestamp() >= int(day[1]) * _DAY_SECONDS:
            return False
        # The whole text is compared: a signature in base64 can be written in several ways.
        return hmac.compare_digest(key.encode(), self._key(order_id, int(day[1])).encode())

    def _key(self, order_id: UUID, until_day: int) -> str:
        return f"{until_day}.{self._signer.get_signature(f'{order_id.hex}.{until_day}').decode()}"


def _day(instant: datetime) -> int:
    return int(instant.timestamp()) // _DAY_SECONDS
