"""The families under way: who goes on next, what a failure of one means for the others, and how long each took."""

import time
import traceback
from collections.abc import Sequence

from bench.context import Bench
from bench.invariants import BrokenInvariantError
from bench.report import Row
from bench.rows import Family


class Measurement:
    """A family under way. `share` of its rounds are done; its rows are there when it has ended.

    The rows of a family that failed say so, and the others are measured all the same.
    """

    def __init__(self, bench: Bench, family: Family) -> None:
        self._bench = bench
        self._ids = family.ids
        self._turns = family.measure(bench)
        self._seconds = 0.0
        self.share = 0.0
        self.ended = False
        self.rows: list[Row] = []

    def go_on(self) -> None:
        """Have one turn."""
        began = time.monotonic()
        try:
            self.share = next(self._turns)
        except StopIteration as end:
            self._end(end.value)
        except BrokenInvariantError as error:
            self._bench.say(f"BROKEN INVARIANT in {', '.join(self._ids)}: {error}")
            self._end([Row(name, None, {"error": f"broken invariant: {error}"}) for name in self._ids])
        except Exception as error:  # noqa: BLE001 - whatever went wrong with one row, the others are still wanted.
            traceback.print_exc()
            self._end([Row(name, None, {"error": f"{type(error).__name__}: {error}"}) for name in self._ids])
        self._seconds += time.monotonic() - began
        if self.ended:
            seconds = round(self._seconds, 1)
            self._bench.say(f"{', '.join(self._ids)}: {seconds} s in all")
            self.rows = [Row(row.id, row.value, {**row.detail, "seconds": seconds}) for row in self.rows]

    def _end(self, rows: list[Row]) -> None:
        self.ended = True
        self.rows = rows

    def close(self) -> None:
        """Stop what it started, when the run is broken off."""
        self._turns.close()


def take_turns(measurements: Sequence[Measurement]) -> None:
    """Measure all to their end. Whoever has done the smallest share goes on, so that everybody's rounds are spread
    over the whole run.
    """
    while waiting := [measurement for measurement in measurements if not measurement.ended]:
        min(waiting, key=lambda measurement: measurement.share).go_on()
