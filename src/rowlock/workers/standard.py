"""Which loops a worker runs."""

from rowlock.workers.partitions import ensure_partitions
from rowlock.workers.reaper import Reaper
from rowlock.workers.runner import Loop


def standard_loops() -> list[Loop]:
    """New loops for one worker. Any number of workers may run at once."""
    return [Loop("reaper", Reaper().work), Loop("partitions", ensure_partitions)]
