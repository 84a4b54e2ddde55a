"""The rows of the table. A new module is imported here, and its measurements follow those of the modules before it."""

from bench.context import MEASUREMENTS
from bench.rows import answers, best_available, load, purchases, size

__all__ = ["answers", "best_available", "load", "purchases", "size"]

GROUPS = list(dict.fromkeys(measurement.group for measurement in MEASUREMENTS))
