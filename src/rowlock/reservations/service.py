"""The operations on seats: reserve, extend, change, release and block them, and retire expired holds.

The database decides each outcome. This service sends requests that arrive together in one batch, repeats calls where
that is safe, and updates `availability` after its own writes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from rowlock.base.hold_limits import HoldLimits
from rowlock.base.holder import Holder
from rowlock.base.ids import show_key
from rowlock.base.lru import Lru
from rowlock.base.outcomes import Outcome
from rowlock.catalogue.service import PLANS_LIMIT, Catalogue
from rowlock.database.access import Database
from rowlock.database.calls import BusyError, call, call_batch
from rowlock.database.cells import Cells
from rowlock.reservations import store
from rowlock.reservations.availability.service import Availability
from rowlock.reservations.availability.show import ShowAvailability
from rowlock.reservations.coalescer import Coalescer
from rowlock.reservations.hall import Area, Hall
from rowlock.reservations.model import (
    BestSeats,
    BlockResult,
    CleanupResult,
    ClientHolds,
    Hold,
    HoldsReleased,
    Intent,
    ReleaseRequest,
    ReleaseResult,
    ReservationResult,
    ReservationToken,
    SeatIds,
    SeatsLeft,
)
from rowlock.reservations.store import without_waiting

CLEANUP_BATCH = 2000
"""Holds that one call of a big cleanup retires: some tens of milliseconds of work. A thousand cost a tenth more."""

RELEASE_BATCH = 500
"""Holds that one call gives back for an operator."""

# Attempts to reserve the best seats. After one that lost its seats to another process, they are chosen again from fresh
# seat availability; each lost attempt means that another buyer has succeeded.
BEST_AVAILABLE_ATTEMPTS = 50


_OUTCOME_OF_STATUS = {"active": Outcome.OK, "expired": Outcome.RESERVATION_EXPIRED}


class UnknownAreaError(ValueError):
    """The plan has no category for sale, or no section, of that name; the message says what it has."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How to choose seats for a wish: the hall, and the part of it that the wish is limited to."""

    hall: Hall
    area: Area
    wish: BestSeats

    def of(self, seats: ShowAvailability) -> SeatIds | None:
        """The best free seats; None when there are not enough."""
        category, section = self.area
        return seats.chooser(self.hall).choose(
            self.wish.quantity, category=category, section=section, accessible=self.wish.accessible
        )

    def left(self, seats: ShowAvailability) -> SeatsLeft:
        """How many seats there are for the wish."""
        return seats.chooser(self.hall).seats_left(self.area, accessible=self.wish.accessible)


class Reservations:
    """The operations on seats. Every method raises database.calls.BusyError when the database cannot answer."""

    def __init__(self, cells: Cells, catalogue: Catalogue, limits: HoldLimits | None = None) -> None:
        self.availability = Availability(cells)
        self.limits = limits
        self._cells = cells
        self._catalogue = catalogue
        # All requests of a batch go to the same cell.
        reserve_batch = partial(store.reserve_batch, limits=limits)
        self._reserves = {
            cell: Coalescer(
                partial(call_batch, cell, reserve_batch),
                send_alone=partial(call_batch, cell, without_waiting(reserve_batch)),
            )
            for cell in cells.each()
        }
        self._releases = {
            cell: Coalescer(
                partial(call_batch, cell, store.release_batch),
                send_alone=partial(call_batch, cell, without_waiting(store.release_batch)),
                in_flight=1,
            )
            for cell in cells.each()
        }
        self._halls = Lru[UUID, Hall](PLANS_LIMIT)

    async def close(self) -> None:
        """Wait for the batches in flight, and refuse waiting requests."""
        await asyncio.gather(*(coalescer.close() for coalescer in self._reserves.values()))
        await asyncio.gather(*(coalescer.close() for coalescer in self._releases.values()))

    def is_full(self) -> bool:
        """Whether so many requests wait that every further reserve is refused with BusyError."""
        return all(coalescer.is_full() for coalescer in self._reserves.values())

    async def reserve(self, intent: Intent[SeatIds]) -> ReservationResult:
        """Reserve all seats of the intent or none. Repeating it returns the same."""
        show_id = intent.token.show_id
        result = await self._reserves[self._cells.of(show_id)].submit(show_id, intent)
        if intent.idempotency_key is not None:
            # The hold of an intent that was answered before may have ended since.
            self.availability.changed(show_id)
        elif result.outcome == Outcome.OK and result.expires_at is not None:
            self.availability.claimed(show_id, result.seat_ids, result.expires_at)
        return result

    async def reserve_best(self, intent: Intent[BestSeats]) -> ReservationResult | None:
        """Choose the best free seats and reserve them; None when there is no such show.

        The choice is made in memory. Until the database has decided, no other request of this process is offered the
        same seats. Of several processes that choose the same seats, the losers choose again. TOO_MANY_SEATS means that
        a hold of this show may not have so many, SEATS_UNAVAILABLE that there are not enough left. Raises
        UnknownAreaError; BusyError when other processes took the seats in every attempt.
        """
        show_id = intent.token.show_id

        def claim(seat_ids: SeatIds) -> Intent[SeatIds]:
            return Intent(
                intent.token, intent.holder, seat_ids, intent.idempotency_key, intent.wish.hash, intent.wish.accessible
            )

        # Seats in memory may be out of date; they are read again only before a refusal.
        seats = self.availability.known(show_id) or await self.availability.get(show_id)
        if seats is not None and intent.wish.quantity > seats.seats_limit:
            # To choose a thousand seats takes most of a second, in which nobody else is served.
            seats = await self.availability.get(show_id, fresh=True)
            if seats is not None and intent.wish.quantity > seats.seats_limit:
                return await self._best_refusal(intent, Outcome.TOO_MANY_SEATS)
        for _ in range(BEST_AVAILABLE_ATTEMPTS):
            if seats is None:
                return None
            # In each attempt anew: the show may have been moved to another plan.
            choice = await self._choice(show_id, seats.plan_id, intent.wish)
            seat_ids = choice.of(seats)
            if seat_ids is None:
                seats = await self.availability.get(show_id, fresh=True)
                if seats is None:
                    return None
                choice = await self._choice(show_id, seats.plan_id, intent.wish)
                seat_ids = await _choose_after_decisions(seats, choice)
            if seat_ids is None:
                return await self._best_refusal(intent, Outcome.SEATS_UNAVAILABLE, choice.left(seats))
            result = await self._claim(seats, claim(seat_ids))
            if result.outcome != Outcome.SEATS_UNAVAILABLE:
                return result
            seats = await self.availability.get(show_id, fresh=True)
        raise BusyError("other processes took the seats in every attempt")

    async def _choice(self, show_id: UUID, plan_id: UUID, wish: BestSeats) -> Choice:
        """How to choose seats for a wish in a plan. Raises UnknownAreaError."""
        hall = self._halls.get(plan_id)
        if hall is None:
            plan = await self._catalogue.plan(show_id, plan_id)
            # Another request may have made it meanwhile, and nothing else runs while a hall is made.
            hall = self._halls.get(plan_id) or self._halls.put(plan_id, Hall(plan.plan))
        return Choice(hall, _area(hall, wish), wish)

    async def _claim(self, seats: ShowAvailability, intent: Intent[SeatIds]) -> ReservationResult:
        seats.hold_back(intent.wish)
        try:
            result = await self.reserve(intent)
            if result.outcome == Outcome.SEATS_UNAVAILABLE:
                seats.lost(result.unavailable_seat_ids)
            return result
        finally:
            seats.let_go(intent.wish)

    async def _best_refusal(
        self, intent: Intent[BestSeats], refusal: Outcome, left: SeatsLeft | None = None
    ) -> ReservationResult:
        """The result when no seats can be chosen: a repeated intent is told its hold, any other gets the refusal, with
        how many seats there are."""
        hold = await self.find(intent.token) if intent.idempotency_key is not None else None
        if hold is None:
            return ReservationResult(refusal, intent.token.reservation_id, datetime.now(UTC), left=left)
        if hold.wish_hash != intent.wish.hash:
            outcome = Outcome.IDEMPOTENCY_KEY_REUSED
        else:
            outcome = _OUTCOME_OF_STATUS.get(hold.status, Outcome.RESERVATION_NOT_ACTIVE)
        return ReservationResult(
            outcome,
            hold.reservation_id,
            hold.server_time,
            status=hold.status,
            seat_ids=tuple(seat.seat_id for seat in hold.seats),
            expires_at=hold.expires_at,
            extension_count=hold.extension_count,
            extensions_remaining=hold.extensions_remaining,
        )

    async def extend(
        self, token: ReservationToken, holder: Holder, seen_extension_count: int | None = None
    ) -> ReservationResult:
        """Extend a hold. Without the count the caller has seen, a lost connection raises OutcomeUnknownError."""
        result = await call(
            self._cells.of(token.show_id).app,
            lambda connection: store.extend(connection, token, holder, seen_extension_count),
            repeatable=seen_extension_count is not None,
        )
        self.availability.changed(token.show_id)
        return result

    async def change(
        self,
        token: ReservationToken,
        add: Sequence[int],
        remove: Sequence[int],
        holder: Holder,
        *,
        accessible: bool = False,
    ) -> ReservationResult:
        """Add and drop seats of a hold in one step; wheelchair and companion places only if `accessible`."""
        result = await call(
            self._cells.of(token.show_id).app,
            lambda connection: store.change(
                connection, token, add, remove, holder, accessible=accessible, limits=self.limits
            ),
            repeatable=True,
        )
        self.availability.changed(token.show_id)
        return result

    async def release(self, token: ReservationToken, holder: Holder) -> ReleaseResult:
        """Release the hold of a token."""
        return await self._release(token.show_id, ReleaseRequest(token.reservation_id, token.secret, None, holder))

    async def release_by_id(self, reservation_id: UUID, holder: Holder) -> ReleaseResult:
        """Release a hold by its id, for its holder. The id contains the key of its show."""
        key = show_key(reservation_id)
        shows = await call(
            self._cells.catalogue.app,
            lambda connection: store.shows_of_key(connection, key),
            repeatable=True,
            reads=True,
        )
        for show_id in shows:
            result = await self._release(show_id, ReleaseRequest(reservation_id, None, holder.key, holder))
            if result.outcome != Outcome.RESERVATION_NOT_FOUND:
                return result
        return ReleaseResult(Outcome.RESERVATION_NOT_FOUND, reservation_id)

    async def _release(self, show_id: UUID, request: ReleaseRequest) -> ReleaseResult:
        result = await self._releases[self._cells.of(show_id)].submit(show_id, request)
        self.availability.changed(show_id)
        return result

    async def find(self, token: ReservationToken) -> Hold | None:
        """The hold of a token, or None."""
        return await call(
            self._cells.of(token.show_id).reads,
            lambda connection: store.find_hold(connection, token),
            repeatable=True,
            reads=True,
        )

    async def find_live(self, show_id: UUID, holder: Holder) -> Hold | None:
        """The live hold of a holder in a show, or None."""
        return await call(
            self._cells.of(show_id).reads,
            lambda connection: store.find_live_hold(connection, show_id, holder.key),
            repeatable=True,
            reads=True,
        )

    async def block(
        self, show_id: UUID, seat_ids: Sequence[int], reason: str, ip_address: str | None, actor: str = "box office"
    ) -> BlockResult:
        """Keep seats from sale (house seats), all or nothing. The audit log names the actor."""
        result = await call(
            self._cells.of(show_id).office,
            lambda connection: store.block(connection, show_id, seat_ids, reason, ip_address, actor),
            repeatable=True,
        )
        self.availability.changed(show_id)
        return result

    async def unblock(
        self, show_id: UUID, seat_ids: Sequence[int], ip_address: str | None, actor: str = "box office"
    ) -> BlockResult:
        """Put blocked seats back on sale."""
        result = await call(
            self._cells.of(show_id).office,
            lambda connection: store.unblock(connection, show_id, seat_ids, ip_address, actor),
            repeatable=True,
        )
        self.availability.changed(show_id)
        return result

    async def holds_by_client(self, show_id: UUID | None = None) -> list[ClientHolds]:
        """The live holds of each client address in each show, or in one, those with most seats first."""
        found = [
            await call(
                cell.office,
                lambda connection: store.holds_by_client(connection, show_id),
                repeatable=True,
                reads=True,
            )
            for cell in self._cells.each()
        ]
        return sorted((one for holds in found for one in holds), key=lambda one: -one.seats)

    async def release_holds(
        self, client: str | None, reservation_ids: Sequence[UUID] | None, show_id: UUID | None = None
    ) -> HoldsReleased:
        """Give back the seats of the live holds of a client address, or of those with these ids, as the operator."""
        done = HoldsReleased(0, 0, 0)
        for cell in self._cells.each():
            shows = await call(
                cell.office,
                lambda connection: store.holds_to_release(connection, client, reservation_ids or (), show_id),
                repeatable=True,
                reads=True,
            )
            for of_show, reservations in shows:
                for start in range(0, len(reservations), RELEASE_BATCH):
                    some = reservations[start : start + RELEASE_BATCH]
                    release = partial(store.release_holds, show_id=of_show, reservation_ids=some)
                    released = await call(cell.office, release, repeatable=True)
                    done = HoldsReleased(
                        done.holds + released.holds,
                        done.seats + released.seats,
                        done.being_paid + released.being_paid,
                    )
                self.availability.changed(of_show)
        return done

    async def clean_up(self, *, limit: int, run_by: str) -> CleanupResult:
        """Retire up to `limit` expired holds of each cell, oldest first, in one transaction."""
        results = [
            await call(
                cell.worker,
                lambda connection: store.cleanup_once(connection, run_by=run_by, limit=limit),
                repeatable=True,
            )
            for cell in self._cells.each()
        ]
        self.availability.changed(None)
        return _sum(results)

    async def clean_up_all(self, *, run_by: str, batch: int = CLEANUP_BATCH) -> CleanupResult:
        """Retire every expired hold, batch by batch. At least one run is recorded in each cell."""
        results = [await _clean_up_cell(cell, run_by=run_by, batch=batch) for cell in self._cells.each()]
        self.availability.changed(None)
        return _sum(results)

    async def pause_cleanup(self) -> datetime:
        """Stop the cleanup, whoever calls it, until `resume_cleanup`. As the owner. Returns since when it is paused."""
        since = []
        for cell in self._cells.each():
            async with cell.owner() as connection:
                since.append(await store.pause_cleanup(connection))
        return min(since)

    async def resume_cleanup(self) -> None:
        """End a pause of the cleanup, if there is one. As the owner."""
        for cell in self._cells.each():
            async with cell.owner() as connection:
                await store.resume_cleanup(connection)

    async def cleanup_paused_since(self) -> datetime | None:
        """Since when the cleanup of a cell is paused, None when it is paused nowhere. As the owner."""
        since = []
        for cell in self._cells.each():
            async with cell.owner() as connection:
                since.append(await store.cleanup_paused_since(connection))
        return min((instant for instant in since if instant is not None), default=None)


def _area(hall: Hall, wish: BestSeats) -> Area:
    """The part of the hall that a wish is limited to. Raises UnknownAreaError."""
    category = None if wish.category is None else hall.category(wish.category)
    if wish.category is not None and category is None:
        names = ", ".join(hall.category_names)
        raise UnknownAreaError(f"This show has no category {wish.category!r} on sale; it has {names}.")
    section = None if wish.section is None else hall.section(wish.section)
    if wish.section is not None and section is None:
        names = ", ".join(hall.section_names)
        raise UnknownAreaError(f"This hall has no section {wish.section!r}; it has {names}.")
    return category, section


async def _choose_after_decisions(seats: ShowAvailability, choice: Choice) -> SeatIds | None:
    """Choose when requests in progress have been decided: if some are refused, their seats are available again."""
    while (chosen := choice.of(seats)) is None:
        if not await seats.decision():
            return None
    return chosen


async def _clean_up_cell(cell: Database, *, run_by: str, batch: int) -> CleanupResult:
    """Clean up one cell. With more than one batch to do, two connections share the work: the limit is the server's
    processor time, and each call skips the holds that the other has locked."""
    async with cell.worker() as one:
        results = [await store.cleanup_once(one, run_by=run_by, limit=batch)]
        if results[0].reservations_expired == batch:
            async with cell.worker() as two:
                shares = await asyncio.gather(
                    *(store.cleanup_rest(connection, run_by=run_by, limit=batch) for connection in (one, two))
                )
            results += [result for share in shares for result in share]
    return _sum(results)


def _sum(results: Sequence[CleanupResult]) -> CleanupResult:
    return CleanupResult(
        sum(result.reservations_expired for result in results),
        sum(result.seats_released for result in results),
        any(result.paused for result in results),
        tuple(id_ for result in results for id_ in result.reservation_ids),
    )
