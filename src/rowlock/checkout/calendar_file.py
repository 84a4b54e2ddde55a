"""A show as a calendar file (iCalendar, RFC 5545), from plain values: `order_documents` has them from the database.

Written here rather than with a library: one event with UTC times needs no recurrence and no time zone definitions,
which is what calendar libraries are for.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

MEDIA_TYPE = "text/calendar; charset=utf-8; method=PUBLISH"
MOST_OCTETS = 75
"""Of a line, without its line break (RFC 5545, section 3.1)."""
MAX_SEQUENCE = 2**31 - 1

_PRODUCT = "-//Rowlock//Rowlock//EN"
_MOST_CHARACTERS = 2_000
_ESCAPED = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_LINE_BREAKS = re.compile(r"\r\n|[\r\x85\u2028\u2029]")
_ADDRESS = re.compile(r"https?://[!-~]{1,1990}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent:
    """What a calendar is told about a show.

    show_id      the event's identity: a later file for it replaces the earlier one.
    sequence     grows with each change of time or place; calendars keep the highest.
    changed_at   aware; when this was last changed. Not the present time, so that the same show makes the same file.
    ends_at      None leaves the end out, and calendars show a moment.
    url          the order's or the show's page; None, or an http address.
    """

    show_id: UUID
    sequence: int
    changed_at: datetime
    title: str
    starts_at: datetime
    ends_at: datetime | None
    venue: str
    address: str | None
    description: str | None = None
    url: str | None = None
    cancelled: bool = False


def calendar_file(event: CalendarEvent) -> bytes:
    """The file, in UTF-8 with CRLF. Its times are UTC, which each calendar shows in its owner's zone."""
    assert 0 <= event.sequence <= MAX_SEQUENCE, "an integer of the database"
    place = event.venue if not event.address else f"{event.venue}, {event.address}"
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{_PRODUCT}",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{event.show_id}",
        f"DTSTAMP:{_utc(event.changed_at)}",
        f"LAST-MODIFIED:{_utc(event.changed_at)}",
        f"SEQUENCE:{event.sequence}",
        f"DTSTART:{_utc(event.starts_at)}",
        *([f"DTEND:{_utc(event.ends_at)}"] if event.ends_at is not None else []),
        f"SUMMARY:{_text(event.title)}",
        f"LOCATION:{_text(place)}",
        *([f"DESCRIPTION:{_text(event.description)}"] if event.description else []),
        *([f"URL:{event.url}"] if event.url and _ADDRESS.fullmatch(event.url) else []),
        f"STATUS:{'CANCELLED' if event.cancelled else 'CONFIRMED'}",
        "TRANSP:OPAQUE",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return b"".join(_folded(line) for line in lines)


def _utc(instant: datetime) -> str:
    assert instant.tzinfo is not None, "instants are aware"
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    """A text with what has a meaning in the format escaped; a line break in it cannot end the property."""
    plain = _CONTROLS.sub(" ", _LINE_BREAKS.sub("\n", text[:_MOST_CHARACTERS]))
    # Half a surrogate pair, which JSON can carry, has no form in UTF-8.
    return plain.encode("utf-8", "replace").decode().translate(_ESCAPED)


def _folded(line: str) -> bytes:
    """The line with its breaks: continuations start with a blank, and no character is torn apart."""
    parts: list[bytes] = [b""]
    for character in line:
        encoded = character.encode()
        if len(parts[-1]) + len(encoded) > MOST_OCTETS:
            parts.append(b" ")
        parts[-1] += encoded
    return b"\r\n".join(parts) + b"\r\n"
