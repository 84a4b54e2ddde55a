"""Statistics of several cells as one: sums, and means weighted by the holds that ended in each cell."""

from decimal import Decimal

from rowlock.reporting.model import ReservationStatistics
from rowlock.reporting.service import together

# 4 holds ended, of which 3 expired; they were held for 300 seconds on average.
SMALL = ReservationStatistics(6, 1, 3, 0, 2, Decimal("300.000"), Decimal("0.7500"))
# 16 holds ended, of which 1 expired; they were held for 100 seconds on average.
LARGE = ReservationStatistics(20, 10, 1, 5, 7, Decimal("100.000"), Decimal("0.0625"))
# Holds were made, and none has ended.
NONE_ENDED = ReservationStatistics(3, 0, 0, 0, 1, None, None)


def test_counts_are_added_and_means_are_weighted_by_the_holds_that_ended() -> None:
    found = together([SMALL, LARGE])

    assert (found.total_created, found.total_failed) == (26, 9)
    assert (found.total_completed, found.total_expired, found.total_released) == (11, 4, 5)
    assert found.avg_hold_time_seconds == Decimal(140)  # (4 x 300 + 16 x 100) / 20, and not (300 + 100) / 2.
    assert found.expiration_rate == Decimal("0.2")  # 4 / 20, and not the mean of both rates.


def test_the_order_of_the_cells_does_not_matter() -> None:
    assert together([SMALL, NONE_ENDED, LARGE]) == together([LARGE, SMALL, NONE_ENDED])


def test_a_cell_in_which_no_hold_ended_adds_its_counts_and_no_weight() -> None:
    found = together([SMALL, NONE_ENDED])

    assert (found.total_created, found.total_failed) == (9, 3)
    assert (found.avg_hold_time_seconds, found.expiration_rate) == (Decimal(300), Decimal("0.75"))


def test_without_a_hold_that_ended_in_any_cell_there_is_no_mean_and_no_rate() -> None:
    assert together([NONE_ENDED, NONE_ENDED]) == ReservationStatistics(6, 0, 0, 0, 2, None, None)


def test_means_are_rounded_as_those_of_one_database_are() -> None:
    one_second = ReservationStatistics(1, 1, 0, 0, 0, Decimal("1.000"), Decimal("0.0000"))
    two_expired = ReservationStatistics(2, 0, 2, 0, 0, Decimal("0.000"), Decimal("1.0000"))

    found = together([one_second, two_expired])

    assert (str(found.avg_hold_time_seconds), str(found.expiration_rate)) == ("0.333", "0.6667")


def test_the_statistics_of_one_cell_are_returned_unchanged() -> None:
    assert together([SMALL]) is SMALL
