"""Best-available: choose the best free seats for a party and reserve them, in one call."""

from datetime import UTC, datetime
from uuid import UUID

from rowlock.domain.outcomes import Outcome
from rowlock.domain.reservations import Holder, ReservationResult, ReservationToken, ReserveRequest
from rowlock.services.catalogue import Catalogue
from rowlock.services.reserving import Reserving

# Each attempt that loses a seat to somebody else looks again. A rush that wins ten times in a row against one buyer
# has left little to sell.
ATTEMPTS = 10


class UnknownCategoryError(ValueError):
    """The plan has no category of that name."""


class BestAvailable:
    """Chooses with what is free now, and lets the database decide."""

    def __init__(self, catalogue: Catalogue, reserving: Reserving) -> None:
        self._catalogue = catalogue
        self._reserving = reserving

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
        show_id: UUID = token.show_id
        published = await self._catalogue.plan_of(show_id)
        if published is None:
            return None
        index = published.hall.category(category) if category is not None else None
        if category is not None and index is None:
            names = ", ".join(c.name for c in published.plan.categories if c.for_sale)
            raise UnknownCategoryError(f"this show has no category {category!r}; it has {names}")
        result: ReservationResult | None = None
        for _ in range(ATTEMPTS):
            states = await self._catalogue.seat_states(show_id)
            if states is None:
                return None
            chosen = published.hall.choose(quantity, states[1], category=index, accessible=accessible)
            if chosen is None:
                return ReservationResult(Outcome.SEATS_UNAVAILABLE, token.reservation_id, datetime.now(UTC))
            result = await self._reserving.reserve(ReserveRequest(token, chosen, holder))
            if result.outcome != Outcome.SEATS_UNAVAILABLE:
                return result
        return result
