"""Reads time zones, and dates and times in the time zone of a venue."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from rowlock.catalogue.model import CatalogueError

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Every instant of a show lies between these two, as chk_show_instants says. Beyond them a time zone's offset can lead
out of the years that Python and browsers know."""

# Stricter than datetime.fromisoformat, which reads 19.30 and 19,30 as 19:00 and a bit, and a date as its midnight.
_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

# A name of the tz database that stands for "nobody has set the time zone".
_NO_ZONES = {"Factory"}


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """Every name of the tz database, from the package tzdata: the same names on every machine.

    The folder of a machine has more, such as localtime, posixrules and right/Europe/Berlin, which mean something else
    on the next one.
    """
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split()) - _NO_ZONES


def check_time_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises CatalogueError for any other name, also for localtime."""
    if name not in time_zones():
        raise CatalogueError(
            f"{name!r} is not a time zone. Use a name of the IANA tz database, such as Europe/Berlin or "
            "America/New_York."
        )
    return ZoneInfo(name)


def check_bounds(instant: datetime) -> datetime:
    """The instant, which has a zone. Raises CatalogueError unless it lies between EARLIEST and LATEST."""
    if not EARLIEST <= instant < LATEST:
        raise CatalogueError(
            f"{instant.isoformat(timespec='minutes')} is out of bounds. Use a year from {EARLIEST.year} to "
            f"{LATEST.year - 1}; leave out a date that stands for never."
        )
    return instant


def read_instant(text: str, time_zone: str) -> datetime:
    """The instant of an ISO 8601 text with a date and a time; a text without an offset is read in `time_zone`.

    Raises CatalogueError: for a date alone, for 19.30 instead of 19:30, for a year out of bounds, and for a time that
    does not exist or comes twice there because the clocks are changed.
    """
    parsed = _parse(text)
    if parsed.tzinfo is not None:
        return check_bounds(parsed)
    # Before the zone: the conversion of a year at the edge would fail.
    check_bounds(parsed.replace(tzinfo=UTC))
    zone = check_time_zone(time_zone)
    local = parsed.replace(tzinfo=zone)
    # A time that the clock skips does not survive the conversion to UTC and back.
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != parsed:
        raise CatalogueError(
            f"{text} does not exist in {time_zone}: clocks are put forward then. Add the offset to say which "
            "instant you mean, such as +02:00."
        )
    later = local.replace(fold=1)
    if local.utcoffset() != later.utcoffset():
        first, second = (each.isoformat(timespec="minutes") for each in (local, later))
        raise CatalogueError(
            f"{text} comes twice in {time_zone}: clocks are put back then. Write {first} for the first time, or "
            f"{second} for the second."
        )
    return check_bounds(local)


def _parse(text: str) -> datetime:
    if _DATE.fullmatch(text):
        raise CatalogueError(f"{text} has no time. Add it, such as {text}T19:30.")
    # `fromisoformat` of Python 3.11 checks the numbers: no 31 June, no 25:00.
    if _ISO_8601.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise CatalogueError(
        f"{text!r} is not a date and time. Use ISO 8601, such as 2027-06-12T19:30 or 2027-06-12T19:30+02:00."
    )
