"""A histogram of durations in buckets that grow by 1 %, so that a percentile is right within 1 % at any size."""

from collections import Counter
from collections.abc import Mapping
from math import ceil, inf, log

GROWTH = 1.01
SMALLEST_SECONDS = 1e-6
_LOG_GROWTH = log(GROWTH)


class Histogram:
    """Counts durations in seconds. Durations of failed requests go in as infinity: nobody waited less than for ever."""

    def __init__(self, buckets: Mapping[int, int] | None = None, failures: int = 0) -> None:
        self._buckets = Counter(buckets or {})
        self._failures = failures

    def __len__(self) -> int:
        return sum(self._buckets.values()) + self._failures

    @property
    def buckets(self) -> Mapping[int, int]:
        """Counts by bucket; bucket n ends at SMALLEST_SECONDS * GROWTH ** n."""
        return self._buckets

    @property
    def failures(self) -> int:
        """How many never ended."""
        return self._failures

    def add(self, seconds: float) -> None:
        """Count one duration."""
        if seconds == inf:
            self._failures += 1
        else:
            self._buckets[ceil(log(max(seconds, SMALLEST_SECONDS) / SMALLEST_SECONDS) / _LOG_GROWTH)] += 1

    def merge(self, other: "Histogram") -> None:
        """Take in everything that another histogram counted."""
        self._buckets.update(other.buckets)
        self._failures += other.failures

    def percentile(self, percent: float) -> float:
        """The duration, in seconds, that `percent` of all were at most as long as.

        It is the upper bound of its bucket; infinity when that many failed. Raises ValueError when nothing was counted.
        """
        if not len(self):
            raise ValueError("nothing was counted, so there is no percentile")
        wanted = max(1, ceil(len(self) * percent / 100))
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return SMALLEST_SECONDS * GROWTH**bucket
        return inf

    def as_json(self) -> dict[str, object]:
        """The histogram for another process; `from_json` reads it."""
        return {"buckets": dict(self._buckets), "failures": self._failures}

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "Histogram":
        """What `as_json` wrote, after a trip through JSON."""
        buckets, failures = document["buckets"], document["failures"]
        assert isinstance(buckets, dict)
        assert isinstance(failures, int)
        return cls({int(bucket): int(count) for bucket, count in buckets.items()}, failures)
