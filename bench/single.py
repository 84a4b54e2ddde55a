"""One client that asks one thing after the other: how long an answer takes when nobody else is there."""

import time
from collections.abc import Iterable, Sequence

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


def time_requests(connection: Connection, requests: Iterable[bytes], *, expect: int) -> Histogram:
    """How long each answer took."""
    histogram = Histogram()
    for request in requests:
        began = time.perf_counter()
        ask(connection, request, expect=expect)
        histogram.add(time.perf_counter() - began)
    return histogram


def time_in_turns(connection: Connection, sides: Sequence[Sequence[bytes]], *, expect: int) -> list[Histogram]:
    """How long the answers of each side took, when the sides take turns with every request."""
    histograms = [Histogram() for _ in sides]
    for requests in zip(*sides, strict=True):
        for histogram, request in zip(histograms, requests, strict=True):
            histogram.merge(time_requests(connection, [request], expect=expect))
    return histograms
