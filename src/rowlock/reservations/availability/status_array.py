"""The status of every seat of one show, in memory: two bits per seat, and the deadlines of holds.

It may lag behind the database, which alone decides every sale.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from hashlib import blake2b
from heapq import heappop, heappush

STATUSES = ("available", "reserved", "sold", "blocked")
CODES = {status: code for code, status in enumerate(STATUSES)}
AVAILABLE, RESERVED, SOLD, BLOCKED = range(4)

# Deadlines of holds that have ended, over as many as there are holds, before they are dropped all at once.
DEADLINES_LEFT = 1_000


class StatusArray:
    """Two bits per seat, seat 1 in the lowest bits of the first byte. Instants are seconds of any one clock.

    `on_change` is called with the ids of seats whose status has changed.
    """

    def __init__(self, seats_total: int, on_change: Callable[[Sequence[int]], None] | None = None) -> None:
        self.seats_total = seats_total
        self._bits = bytearray((seats_total + 3) // 4)
        self._until: dict[int, float] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._taken = 0
        self._packed: bytes | None = None
        self._version = ""
        self._on_change = on_change

    def status(self, seat_id: int) -> int:
        """The status code of a seat."""
        index = seat_id - 1
        return self._bits[index >> 2] >> (index & 3) * 2 & 3

    @property
    def seats_available(self) -> int:
        """How many seats are available."""
        return self.seats_total - self._taken

    def put(self, seat_ids: Iterable[int], status: int, until: float | None = None) -> None:
        """Set the status of seats. `expire` makes reserved seats available from `until` on."""
        changed_seats = []
        bits = self._bits
        for seat_id in seat_ids:
            index = seat_id - 1
            byte, shift = index >> 2, (index & 3) * 2
            old_status = bits[byte] >> shift & 3
            if status == RESERVED and until is not None:
                if self._until.get(seat_id) != until:
                    self._until[seat_id] = until
                    heappush(self._deadlines, (until, seat_id))
            else:
                self._until.pop(seat_id, None)
            if old_status != status:
                bits[byte] = bits[byte] & ~(3 << shift) | status << shift
                self._taken += (status != AVAILABLE) - (old_status != AVAILABLE)
                changed_seats.append(seat_id)
        if len(self._deadlines) > 2 * len(self._until) + DEADLINES_LEFT:
            # Most are of holds that have ended before their deadline, which may be days away.
            self._deadlines[:] = sorted((until, seat_id) for seat_id, until in self._until.items())
        if changed_seats:
            self._packed = None
            if self._on_change is not None:
                self._on_change(changed_seats)

    def replace(self, states: Iterable[tuple[int, int, float | None]], keep: Collection[int] = ()) -> None:
        """Apply a whole snapshot: seats that are not listed are available. Seats in `keep` stay as they are."""
        new_states = {seat_id: (status, until) for seat_id, status, until in states if seat_id not in keep}
        self.put([s for s in self.taken() if s not in new_states and s not in keep], AVAILABLE)
        for seat_id, (status, until) in new_states.items():
            if self.status(seat_id) != status or self._until.get(seat_id) != until:
                self.put((seat_id,), status, until)

    def taken(self) -> list[int]:
        """The seats that are not available, in order."""
        return [
            seat_id
            for index, byte in enumerate(self._bits)
            if byte
            for seat_id in range(index * 4 + 1, index * 4 + 5)
            if self.status(seat_id) != AVAILABLE
        ]

    def expire(self, now: float) -> None:
        """Make the seats of every hold that has run out by `now` available."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            until, seat_id = heappop(deadlines)
            if self._until.get(seat_id) == until:
                self.put((seat_id,), AVAILABLE)

    def packed(self) -> bytes:
        """All seats, two bits each."""
        if self._packed is None:
            self._packed = bytes(self._bits)
            self._version = blake2b(self._packed, digest_size=8).hexdigest()
        return self._packed

    @property
    def version(self) -> str:
        """Identifies this state: equal states have the same version in every process."""
        self.packed()
        return self._version
