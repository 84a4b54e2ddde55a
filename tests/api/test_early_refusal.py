"""How many requests are let in before they are parsed: as many as there is room for, however many come at once."""

import asyncio

from rowlock.http.front import AccessLog, Front
from rowlock.http.lean import LeanRoutes
from rowlock.http.sessions import Sessions

BODY = b'{"show_id": "0", "seat_ids": [1]}'
RESERVE = (
    b"POST /api/seat-reservations/reserve-v2 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
LOOK = b"GET /api/shows/0/seats HTTP/1.1\r\nHost: x\r\n\r\n"


def a_front(room: list[int]) -> Front:
    """A front that serves nobody, with as many places to wait as the list says at that moment."""

    async def nobody(*_: object) -> None:
        raise AssertionError("nobody is served here")

    return Front(LeanRoutes((), Sessions("k" * 32, secure=False)), nobody, AccessLog(lambda _: None), lambda: room[0])


async def refused(front: Front, requests: int) -> list[bool]:
    """Which of so many requests that arrive in one turn of the loop are refused."""
    return [front.refuse_early(RESERVE) is not None for _ in range(requests)]


async def test_a_burst_is_let_in_up_to_the_room_there_is() -> None:
    front = a_front([2])

    assert await refused(front, 5) == [False, False, True, True, True]


async def test_those_let_in_count_until_the_turn_in_which_they_are_served_is_over() -> None:
    room = [2]
    front = a_front(room)
    await refused(front, 2)
    room[0] = 1  # One of them has found its place, the other was refused for what it wants.
    await asyncio.sleep(0)

    assert await refused(front, 3) == [False, True, True]


async def test_requests_for_anything_else_neither_take_a_place_nor_are_refused() -> None:
    front = a_front([1])

    assert [front.refuse_early(LOOK) for _ in range(3)] == [None] * 3
    assert await refused(front, 2) == [False, True]


async def test_a_request_in_pieces_is_left_to_the_parser() -> None:
    front = a_front([0])

    assert front.refuse_early(RESERVE[:-1]) is None
    assert front.refuse_early(RESERVE + LOOK) is None
    assert await refused(front, 1) == [True]
