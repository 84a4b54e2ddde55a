"""The calendar file of a show, read back by a parser that had no part in writing it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowlock.checkout.calendar_file import MOST_OCTETS, CalendarEvent, calendar_file

START = datetime(2026, 12, 19, 19, 30, tzinfo=timezone(timedelta(hours=-5)))
EVENT = CalendarEvent(
    show_id=UUID("01234567-89ab-8def-8123-456789abcdef"),
    sequence=2,
    changed_at=datetime(2026, 11, 28, 8, 0, tzinfo=UTC),
    title="An Evening of Dance",
    starts_at=START,
    ends_at=START + timedelta(hours=2, minutes=15),
    venue="Playhouse",
    address="12 Harbor Street, Portland",
    description="Stalls, row G, seat 13\nDoors open at 7:00 PM; order KJ4-7WM",
    url="https://tickets.example.org/orders/KJ4-7WM?t=a,b;c",
)


def read(event: CalendarEvent) -> icalendar.Event:
    calendar = icalendar.Calendar.from_ical(calendar_file(event))
    assert isinstance(calendar, icalendar.Calendar)
    assert calendar.errors == []
    assert str(calendar["version"]) == "2.0"
    assert str(calendar["method"]) == "PUBLISH"
    (found,) = calendar.walk("VEVENT")
    assert isinstance(found, icalendar.Event)
    assert found.errors == []
    return found


def test_a_parser_reads_back_what_the_show_is() -> None:
    found = read(EVENT)

    assert found.decoded("dtstart") == START
    assert found.decoded("dtend") == START + timedelta(hours=2, minutes=15)
    assert found.decoded("dtstamp") == EVENT.changed_at
    assert found.decoded("sequence") == 2
    assert str(found["uid"]) == str(EVENT.show_id)
    assert str(found["summary"]) == EVENT.title
    assert str(found["location"]) == "Playhouse, 12 Harbor Street, Portland"
    assert str(found["description"]) == EVENT.description
    assert str(found["url"]) == EVENT.url
    assert str(found["status"]) == "CONFIRMED"


def test_a_change_keeps_the_identity_and_a_cancelled_show_says_so() -> None:
    later = read(replace(EVENT, sequence=3, starts_at=START + timedelta(days=1), cancelled=True))

    assert later["uid"] == read(EVENT)["uid"]
    assert later.decoded("sequence") == 3
    assert str(later["status"]) == "CANCELLED"


def test_the_same_show_makes_the_same_bytes() -> None:
    assert calendar_file(EVENT) == calendar_file(EVENT)


def test_what_is_not_known_is_left_out() -> None:
    found = read(replace(EVENT, ends_at=None, address=None, description=None, url=None))

    assert {"dtend", "duration", "description", "url"}.isdisjoint(key.lower() for key in found)
    assert str(found["location"]) == "Playhouse"


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "https://example.org/\r\nATTENDEE:mailto:a@example.org", "https://ex ample.org", "/x"],
)
def test_what_is_no_address_of_the_web_is_left_out(url: str) -> None:
    data = calendar_file(replace(EVENT, url=url))

    assert b"URL:" not in data
    assert b"ATTENDEE" not in data


def test_a_line_break_in_a_text_starts_no_property() -> None:
    title = "Dance\r\nATTENDEE:mailto:a@example.org\nEND:VEVENT\u2028BEGIN:VALARM\x0b\x00"
    data = calendar_file(replace(EVENT, title=title))

    assert not re.search(rb"^(ATTENDEE|BEGIN:VALARM)", data, re.MULTILINE)
    assert data.count(b"END:VEVENT\r\n") == 1
    assert str(read(replace(EVENT, title=title))["summary"]).startswith("Dance\nATTENDEE")


@given(
    title=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), min_size=1, max_size=200),
    venue=st.sampled_from(["舞蹈之夜" * 20, "مسرح" * 40, "🎭" * 60, "a;b,c\\d\\n:" * 12, "x"]),
)
def test_long_lines_are_folded_between_characters_and_read_back(title: str, venue: str) -> None:
    event = replace(EVENT, title=title, venue=venue, address=None)
    lines = calendar_file(event).split(b"\r\n")

    assert lines[-1] == b""
    assert all(len(line) <= MOST_OCTETS and b"\n" not in line for line in lines)
    for line in lines:
        line.decode()
    assert str(read(event)["summary"]) == title
    assert str(read(event)["location"]) == venue


def test_a_text_has_a_bound_and_broken_characters_are_replaced() -> None:
    data = calendar_file(replace(EVENT, description="x\ud800" * 1_000_000))

    assert len(data) < 5_000
    assert "x?x?" in str(read(replace(EVENT, description="x\ud800x\ud800"))["description"])
