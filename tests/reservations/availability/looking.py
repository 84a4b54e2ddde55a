"""What a snapshot says and what the tables say, and readings that a test holds up in the middle."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from rowlock.base.holder import Holder
from rowlock.reservations import store
from rowlock.reservations.availability.service import Availability
from rowlock.reservations.availability.status_array import STATUSES
from rowlock.reservations.model import Intent, ReservationToken, SeatChanges, SeatIds
from tests.support.answers import Show
from tests.support.seatdb import SeatDb


async def taken(availability: Availability, show: Show, **options: bool) -> dict[int, str]:
    """The seats that are not available according to the snapshot, with their status."""
    known = await availability.get(show.show_id, **options)
    assert known is not None
    statuses = known.current()
    assert statuses.seats_available == show.seats_total - len(statuses.taken())
    return {seat: STATUSES[statuses.status(seat)] for seat in statuses.taken()}


async def in_the_tables(db: SeatDb, show: Show) -> dict[int, str]:
    """The same, from the tables."""
    states = {"sold": "sold", "blocked": "blocked"}
    return {seat: states.get(claim, "reserved") for seat, claim in (await db.claims(show)).items()}


def intent_for(show: Show, *seats: int) -> Intent[SeatIds]:
    return Intent(ReservationToken.mint(show.show_id), Holder(uuid4().hex), seats)


class HeldUp:
    """Readings that have their answer from the database, and return it only when the test lets them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answered = asyncio.Event()
        self.go_on = asyncio.Event()
        read = vars(store)["seat_changes"]  # It may be the counting one.

        async def held_up(connection: Any, show_id: UUID, after_id: int | None = None) -> SeatChanges | None:
            changes: SeatChanges | None = await read(connection, show_id, after_id)
            self.answered.set()
            await self.go_on.wait()
            return changes

        monkeypatch.setattr(store, "seat_changes", held_up)
