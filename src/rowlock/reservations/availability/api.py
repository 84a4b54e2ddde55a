"""The status of every seat of a show: as JSON, or as an array of 2 bits per seat for seat maps."""

from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import msgspec
from msgspec import Struct

from rowlock.base.lru import Lru
from rowlock.base.outcomes import Outcome
from rowlock.reservations.availability.service import Availability
from rowlock.reservations.availability.status_array import STATUSES, StatusArray
from rowlock.web.fast_path import JSON, Endpoint, Reply, Request
from rowlock.web.json_types import Instant
from rowlock.web.parameters import parse_show_id
from rowlock.web.problems import ProblemError
from rowlock.web.security import PUBLIC

OCTETS = b"application/octet-stream"
ENCODED_LIMIT = 32
"""Shows whose seats are kept as JSON."""
_CACHING = ((b"cache-control", b"no-cache"), (b"vary", b"accept"))


class SeatStatus(Struct):
    """One seat. `status` is available, reserved, sold or blocked."""

    seat_id: int
    status: str


class SeatStatuses(Struct, kw_only=True):
    """Every seat of a show, in order of seat_id, and the plan that these ids are of. Equal states have the same
    `version`."""

    show_id: UUID
    plan_id: UUID
    version: str
    server_time: Instant
    seats_total: int
    seats_available: int
    seats: list[SeatStatus]


class SeatStatusEndpoints:
    """The handler of GET /api/shows/{show_id}/seats."""

    def __init__(self, availability: Availability) -> None:
        self._availability = availability
        # The version of a show's seats, and these as JSON: at 40 bytes a seat, some megabytes for a stadium.
        self._encoded = Lru[UUID, tuple[str, msgspec.Raw]](ENCODED_LIMIT)

    def endpoints(self) -> list[Endpoint]:
        """The endpoint, for the fast path."""
        return [
            Endpoint(
                "GET",
                "/api/shows/{show_id}/seats",
                self.seats,
                "Status of every seat",
                "JSON, or with `Accept: application/octet-stream` 2 bits per seat by seat_id (0 available, 1 reserved, "
                "2 sold, 3 blocked; seat 1 in the lowest bits of the first byte). Send the ETag back in If-None-Match.",
                gives=SeatStatuses,
                problems=(Outcome.SHOW_NOT_FOUND, "UNAUTHORIZED"),
                other_responses={
                    "304": {"description": "Nothing has changed since the version in If-None-Match."},
                },
                tag="shows",
                operation_id="listSeatStatuses",
                security=PUBLIC,
            )
        ]

    async def seats(self, request: Request) -> Reply:
        """GET the status of every seat."""
        show_id = parse_show_id(request.value)
        show = self._availability.current(show_id) or await self._availability.get(show_id)
        if show is None:
            raise ProblemError(Outcome.SHOW_NOT_FOUND)
        statuses = show.current()
        as_bits = OCTETS in request.headers.get(b"accept", b"")
        version = show.version()
        etag, caching = _etag_and_caching(version, as_bits)
        if etag in request.headers.get(b"if-none-match", b""):
            return Reply(304, b"", list(caching))
        if as_bits:
            return Reply(200, statuses.packed(), [(b"content-type", OCTETS), *caching])
        answer = {  # As SeatStatuses.
            "show_id": show_id,
            "plan_id": show.plan_id,
            "version": version,
            "server_time": datetime.fromtimestamp(show.now(), UTC),
            "seats_total": statuses.seats_total,
            "seats_available": statuses.seats_available,
            "seats": self._seats(show_id, version, statuses),
        }
        return Reply(200, msgspec.json.encode(answer), [JSON, *caching])

    def _seats(self, show_id: UUID, version: str, statuses: StatusArray) -> msgspec.Raw:
        """The seats as JSON, made once for each version of them."""
        kept = self._encoded.get(show_id)
        if kept is not None and kept[0] == version:
            return kept[1]
        seats = [SeatStatus(seat, STATUSES[statuses.status(seat)]) for seat in range(1, statuses.seats_total + 1)]
        encoded = msgspec.Raw(msgspec.json.encode(seats))
        return self._encoded.put(show_id, (version, encoded))[1]


@lru_cache(maxsize=1_000)
def _etag_and_caching(version: str, as_bits: bool) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    """The ETag of a state, and its caching headers."""
    # The two representations of a state have different bytes, so they need different ETags.
    etag = f'"{version}{"-b" if as_bits else ""}"'.encode()
    return etag, ((b"etag", etag), *_CACHING)
