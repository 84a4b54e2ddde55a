"""A crowd: so many connections at once, which share a list of requests: each takes the next when it is answered."""

import select
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.generators.http import Address, Connection


@dataclass(frozen=True, slots=True)
class CrowdAnswer:
    """The answer to one request of the list, and how long it took."""

    number: int
    status: int
    seconds: float
    body: bytes


def run_crowd(address: Address, requests: Sequence[bytes], connections: int) -> list[CrowdAnswer]:
    """Send all requests from so many connections; answers in the order in which they came."""
    answers: list[CrowdAnswer] = []
    epoll = select.epoll()
    crowd = {c.socket.fileno(): c for c in (Connection(address) for _ in range(connections))}
    under_way: dict[int, tuple[int, float]] = {}
    waiting = iter(enumerate(requests))

    def ask_next(descriptor: int) -> None:
        following = next(waiting, None)
        if following is not None:
            number, request = following
            under_way[descriptor] = number, time.perf_counter()
            crowd[descriptor].send(request)

    try:
        for descriptor in crowd:
            epoll.register(descriptor, select.EPOLLIN)
            ask_next(descriptor)
        while under_way:
            for descriptor, _ in epoll.poll():
                answer = crowd[descriptor].receive()
                if answer is not None:
                    number, began = under_way.pop(descriptor)
                    answers.append(CrowdAnswer(number, answer.status, time.perf_counter() - began, answer.body))
                    ask_next(descriptor)
    finally:
        for connection in crowd.values():
            connection.close()
        epoll.close()
    return answers
