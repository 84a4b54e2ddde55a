"""One client that asks one thing after the other: how long an answer takes when nobody else is there."""

import random
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
    """How long the calls of each side took, when the sides take turns with every call, in random order.

    What disturbs the machine for longer than a call then disturbs all sides alike. In a fixed order the side that comes
    after another of its kind would find the processor's caches warm, and be up to a quarter faster.
    """
    histograms = [Histogram() for _ in sides]
    order = random.Random(1)  # noqa: S311 - the order has to be random, not secret.
    for calls in zip(*sides, strict=True):
        turn = list(zip(histograms, calls, strict=True))
        order.shuffle(turn)
        for histogram, call in turn:
            began = time.perf_counter()
            call()
            histogram.add(time.perf_counter() - began)
    return histograms
