"""Best-available: choose the best free seats for a party and claim them before anybody else is offered the same.

The choice is made on the live picture and held back from all other choices of this process until the database has
decided, so a rush is never offered the same seats. Between processes the database decides, and the loser looks again.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from rowlock.db.calls import BusyError
from rowlock.domain.best_available import Chooser
from rowlock.domain.hall import Hall
from rowlock.domain.outcomes import Outcome
from rowlock.domain.reservations import Holder, ReservationResult, ReservationToken, ReserveRequest
from rowlock.services.catalogue import Catalogue, PublishedPlan
from rowlock.services.reserving import Reserving

# Each attempt that loses seats to another process is followed by a look at what is left, and somebody has won.
ATTEMPTS = 50


class UnknownCategoryError(ValueError):
    """The plan has no category of that name."""


class Picture(Protocol):
    """The live picture of one show, as choosing needs it."""

    def chooser(self, hall: Hall) -> Chooser:
        """Chooses among the seats that are free now."""

    def hold_back(self, seat_ids: Sequence[int]) -> None:
        """Offer these seats to nobody else for now."""

    def let_go(self, seat_ids: Sequence[int]) -> None:
        """Offer them again if they are available."""

    async def decision(self) -> bool:
        """Wait until seats that are held back are let go; False when there are none."""

    def lost(self, seat_ids: Sequence[int]) -> None:
        """Somebody else has these seats."""


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
        repeated: bool = False,
    ) -> ReservationResult | None:
        """Reserve the best `quantity` seats, or None when there is no such show.

        SEATS_UNAVAILABLE means that there are not so many left. With `repeated` the token may have been served before,
        and then the answer is the same again. Raises UnknownCategoryError; db.calls.BusyError when other processes
        were faster every time.
        """
        show_id = token.show_id
        published = await self._catalogue.plan_of(show_id)
        if published is None:
            return None
        index = _category(published, category)

        def choose(picture: Picture) -> tuple[int, ...] | None:
            return picture.chooser(published.hall).choose(quantity, category=index, accessible=accessible)

        # What is in memory is good enough to propose from; only a refusal is worth a look at the database.
        picture = self._pictures.known(show_id) or await self._pictures.get(show_id)
        for _ in range(ATTEMPTS):
            if picture is None:
                return None
            chosen = choose(picture)
            if chosen is None:
                picture = await self._pictures.get(show_id, fresh=True)
                chosen = await self._last_chance(picture, choose) if picture is not None else None
            if picture is None or chosen is None:
                return await self._refusal(token, repeated=repeated)
            result = await self._claim(picture, chosen, ReserveRequest(token, chosen, holder, repeated))
            if result.outcome != Outcome.SEATS_UNAVAILABLE:
                return result
            picture = await self._pictures.get(show_id, fresh=True)
        raise BusyError("other processes took the seats first, every time")

    @staticmethod
    async def _last_chance(
        picture: Picture, choose: Callable[[Picture], tuple[int, ...] | None]
    ) -> tuple[int, ...] | None:
        """What can be chosen once others have decided: those who seem to take the last seats may be refused."""
        while (chosen := choose(picture)) is None:
            if not await picture.decision():
                return None
        return chosen

    async def _claim(self, picture: Picture, chosen: Sequence[int], request: ReserveRequest) -> ReservationResult:
        picture.hold_back(chosen)
        try:
            result = await self._reserving.reserve(request)
            if result.outcome == Outcome.INVALID_INPUT:
                # This very request, sent twice at once, was offered other seats each time and travelled in one batch.
                # The first of the two has been decided, and now this one answers the same.
                result = await self._reserving.reserve(request)
            if result.outcome == Outcome.SEATS_UNAVAILABLE:
                picture.lost(result.unavailable_seat_ids)
            return result
        finally:
            picture.let_go(chosen)

    async def _refusal(self, token: ReservationToken, *, repeated: bool) -> ReservationResult:
        hold = await self._reserving.find(token) if repeated else None
        if hold is None:
            return ReservationResult(Outcome.SEATS_UNAVAILABLE, token.reservation_id, datetime.now(UTC))
        return ReservationResult(
            Outcome.OK,
            hold.reservation_id,
            hold.server_time,
            seat_ids=tuple(seat.seat_id for seat in hold.seats),
            expires_at=hold.expires_at,
            extension_count=hold.extension_count,
            extensions_remaining=hold.extensions_remaining,
        )


def _category(published: PublishedPlan, name: str | None) -> int | None:
    if name is None:
        return None
    index = published.hall.category(name)
    if index is None:
        names = ", ".join(category.name for category in published.plan.categories if category.for_sale)
        raise UnknownCategoryError(f"this show has no category {name!r}; it has {names}")
    return index
