"""One client that asks one thing after the other: how long an answer takes when nobody else is there."""

import time
from collections.abc import Callable, Iterable, Sequence

from bench.generators.http import Answer, Connection
from bench.histogram import Histogram


class UnexpectedAnswerError(Exception):
    """The server answered something else than the measurement is about."""


def ask(connection: Connection, request: bytes, *, expect: int) -> Answer:
    """Ask, and insist on a status. Raises UnexpectedAnswerError."""
    answer = connection.ask(request)
    if answer.status != expect:
        raise UnexpectedAnswerError(f"{answer.status} instead of {expect}: {answer.body[:500]!r}")
    return answer


def time_in_turns(sides: Sequence[Iterable[Callable[[], object]]]) -> list[Histogram]:
    """How long the calls of each side took, when the sides take turns with every call.

    What disturbs the machine for longer than a call then disturbs all sides alike.
    """
    histograms = [Histogram() for _ in sides]
    for calls in zip(*sides, strict=True):
        for histogram, call in zip(histograms, calls, strict=True):
            began = time.perf_counter()
            call()
            histogram.add(time.perf_counter() - began)
    return histograms
