"""Best-available: choose the best free seats for a party and claim them before anybody else is offered the same.

The choice is made on the live picture and held back from all other choices of this process until the database has
decided, so a rush is never offered the same seats. Between processes the database decides, and the loser looks again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from rowlock.domain.best_available import Chooser
from rowlock.domain.outcomes import Outcome
from rowlock.domain.reservations import Holder, ReservationResult, ReservationToken, ReserveRequest
from rowlock.domain.seat_board import BLOCKED
from rowlock.services.catalogue import Catalogue
from rowlock.services.reserving import Reserving

# Each attempt that loses seats to another process learns which, so it cannot lose to the same claim twice.
ATTEMPTS = 50


class UnknownCategoryError(ValueError):
    """The plan has no category of that name."""


class Picture(Protocol):
    """The live picture of one show, as choosing needs it."""

    @property
    def chooser(self) -> Chooser:
        """Chooses among the seats that are free in the picture."""

    def picture(self) -> object:
        """Bring the picture up to now."""

    def hold_back(self, seat_ids: Sequence[int]) -> None:
        """Offer these seats to nobody else for now."""

    def let_go(self, seat_ids: Sequence[int]) -> None:
        """Offer them again if they are available."""

    def write(self, seat_ids: Sequence[int], status: int, until: datetime | None = None) -> None:
        """Take in the status of seats."""


class Pictures(Protocol):
    """The live pictures of all shows."""

    async def get(self, show_id: UUID, *, fresh: bool = False) -> Picture | None:
        """The picture of a show, or None when there is no such show."""

    def known(self, show_id: UUID) -> Picture | None:
        """The picture as it is in memory."""


class BestAvailable:
    """Chooses with what is free now, and lets the database decide."""

    def __init__(self, catalogue: Catalogue, reserving: Reserving, pictures: Pictures) -> None:
        self._catalogue = catalogue
        self._reserving = reserving
        self._pictures = pictures

    async def reserve(
        self,
        token: ReservationToken,
        quantity: int,
        holder: Holder,
        *,
        category: str | None = None,
        accessible: bool = False,
    ) -> ReservationResult | None:
        """Reserve the best `quantity` seats, or None when there is no such show.

        SEATS_UNAVAILABLE means that there are not so many left. Raises UnknownCategoryError.
        """
        index = None
        if category is not None:
            published = await self._catalogue.plan_of(token.show_id)
            if published is None:
                return None
            index = published.hall.category(category)
            if index is None:
                names = ", ".join(c.name for c in published.plan.categories if c.for_sale)
                raise UnknownCategoryError(f"this show has no category {category!r}; it has {names}")

        def choose(picture: Picture) -> tuple[int, ...] | None:
            picture.picture()
            return picture.chooser.choose(quantity, category=index, accessible=accessible)

        # What is in memory is good enough to propose from; only a refusal is worth a look at the database.
        picture = self._pictures.known(token.show_id) or await self._pictures.get(token.show_id)
        for _ in range(ATTEMPTS):
            if picture is None:
                return None
            chosen = choose(picture)
            if chosen is None:
                picture = await self._pictures.get(token.show_id, fresh=True)
                chosen = choose(picture) if picture is not None else None
            if picture is None or chosen is None:
                break
            result = await self._claim(picture, chosen, ReserveRequest(token, chosen, holder))
            if result.outcome != Outcome.SEATS_UNAVAILABLE:
                return result
        if picture is None:
            return None
        return ReservationResult(Outcome.SEATS_UNAVAILABLE, token.reservation_id, datetime.now(UTC))

    async def _claim(self, picture: Picture, chosen: Sequence[int], request: ReserveRequest) -> ReservationResult:
        picture.hold_back(chosen)
        try:
            result = await self._reserving.reserve(request)
            if result.outcome == Outcome.INVALID_INPUT:
                # This very request, sent twice at once, was offered other seats each time and travelled in one batch.
                # The first of the two is committed now, and this one answers the same.
                result = await self._reserving.reserve(request)
            if result.outcome == Outcome.SEATS_UNAVAILABLE:
                # Whoever has them, they are not for us; the change feed will say what they are.
                picture.write(result.unavailable_seat_ids, BLOCKED)
            return result
        finally:
            picture.let_go(chosen)
