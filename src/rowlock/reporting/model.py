"""Statistics of reservations."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ReservationStatistics:
    """Counts of reservation events in a period.

    avg_hold_time_seconds and expiration_rate (0 to 1) cover holds that ended in it; None when none did.
    """

    total_created: int
    total_completed: int
    total_expired: int
    total_released: int
    total_failed: int
    avg_hold_time_seconds: Decimal | None
    expiration_rate: Decimal | None

    @property
    def total_ended(self) -> int:
        """Holds that ended in the period: completed, expired or released."""
        return self.total_completed + self.total_expired + self.total_released
