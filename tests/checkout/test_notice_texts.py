"""Instants in mails: local to the venue, exact, and with the zone."""

from datetime import UTC, datetime

import pytest

from rowlock.checkout.notice_texts import when


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("UTC", "Sunday, October 25, 2026, 12:30 AM (UTC)"),
        ("Europe/Berlin", "Sunday, October 25, 2026, 2:30 AM (Europe/Berlin, UTC+02:00)"),
        ("Asia/Kathmandu", "Sunday, October 25, 2026, 6:15 AM (Asia/Kathmandu, UTC+05:45)"),
        ("America/St_Johns", "Saturday, October 24, 2026, 10:00 PM (America/St_Johns, UTC-02:30)"),
    ],
)
def test_an_instant_is_told_at_the_venue(zone: str, told: str) -> None:
    assert when(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), zone) == told


def test_an_hour_that_comes_twice_is_told_apart_by_its_offset() -> None:
    first, second = (when(datetime(2026, 10, 25, hour, 30, tzinfo=UTC), "Europe/Berlin") for hour in (0, 1))

    assert first.replace("+02:00", "+01:00") == second
    assert first != second
