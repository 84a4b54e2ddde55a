"""What the database has refused lately for want of disk, memory or another resource, for the readiness check.

A probe that only reads would not notice a full disk, and one that writes would add to it.
"""

from collections.abc import Callable
from time import monotonic

REMEMBERED_SECONDS = 10.0


class ResourceRefusals:
    """Remembers the last refusal for a while, so that no traffic is sent here; then calls are tried again.

    clock  seconds, from any starting point.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._last = ""
        self._until = 0.0

    def note(self, reason: str) -> None:
        """Remember what the server said."""
        self._last, self._until = reason, self._clock() + REMEMBERED_SECONDS

    def forget(self) -> None:
        """Forget the last refusal."""
        self._until = 0.0

    def recent(self) -> str | None:
        """What the server said in the last REMEMBERED_SECONDS; None when it refused nothing."""
        return self._last if self._clock() < self._until else None


resource_refusals = ResourceRefusals()
"""Those of this process."""
