"""Parses time zones, and dates and times in the time zone of a venue."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rowlock.catalogue.model import CatalogueError


def check_time_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises CatalogueError."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise CatalogueError(
            f"{name!r} is not a time zone. Use an IANA name, such as Europe/Berlin or America/New_York."
        ) from error


def read_instant(text: str, time_zone: str) -> datetime:
    """The instant of an ISO 8601 text; a text without an offset is read in `time_zone`.

    Raises CatalogueError, also for a time that does not exist there because summer time starts.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise CatalogueError(
            f"{text!r} is not a date and time. Use ISO 8601, such as 2027-06-12T19:30 or 2027-06-12T19:30+02:00."
        ) from error
    if parsed.tzinfo is not None:
        return parsed
    zone = check_time_zone(time_zone)
    local = parsed.replace(tzinfo=zone)
    # A time that the clock skips does not survive the conversion to UTC and back.
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != parsed:
        raise CatalogueError(
            f"{text} does not exist in {time_zone}: clocks are put forward then. Add the offset to say which "
            "instant you mean, such as +02:00."
        )
    return local
