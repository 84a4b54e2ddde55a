"""The query parameters of the list of shows, and the cursors of its pages."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from rowlock.catalogue.model import ShowCursor, ShowFilter
from rowlock.web.problems import ProblemError

PAGE_LIMIT = 200
PAGE_DEFAULT = 50

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# RFC 3339 with the offset, which names an instant wherever the venues are. A plus sign that was not encoded arrives as
# a blank.
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?:([Zz])|([ +-]\d\d:\d\d))", re.ASCII)

Name = Annotated[str, Field(min_length=1, max_length=200)]
InstantText = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]


class ShowParameters(BaseModel):
    """Which shows, and how many. Any other parameter is refused."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT, description="The most shows of one answer.")] = PAGE_DEFAULT
    cursor: Annotated[
        str | None, Field(max_length=100, description="`next_cursor` of the answer before, for the next page.")
    ] = None
    status: Annotated[
        Literal["announced", "on_sale", "paused", "closed", "cancelled"] | None,
        Field(description="Shows with this status."),
    ] = None
    starts_from: Annotated[
        InstantText | None,
        Field(alias="from", description="Shows that start then or later, as RFC 3339, such as 2027-06-12T00:00:00Z."),
    ] = None
    starts_before: Annotated[InstantText | None, Field(alias="to", description="Shows that start before.")] = None
    venue: Annotated[Name | None, Field(description="Shows in the venue of this name.")] = None
    organization: Annotated[Name | None, Field(description="Shows of the organization of this name.")] = None

    def as_filter(self) -> ShowFilter:
        """The filter for the catalogue. Raises ProblemError INVALID_INPUT."""
        return ShowFilter(
            limit=self.limit,
            after=None if self.cursor is None else read_cursor(self.cursor),
            status=self.status,
            starts_from=_instant("from", self.starts_from),
            starts_before=_instant("to", self.starts_before),
            venue=_name("venue", self.venue),
            organization=_name("organization", self.organization),
        )


def write_cursor(cursor: ShowCursor) -> str:
    """The cursor as clients get it: 32 characters of base64url."""
    starts_at, show_id = cursor
    microseconds = (starts_at - _EPOCH) // _MICROSECOND
    return urlsafe_b64encode(microseconds.to_bytes(8, signed=True) + show_id.bytes).decode()


def read_cursor(text: str) -> ShowCursor:
    """The cursor in `text`. Raises ProblemError INVALID_INPUT when it is none of ours."""
    try:
        raw = urlsafe_b64decode(text)
        return _EPOCH + int.from_bytes(raw[:8], signed=True) * _MICROSECOND, UUID(bytes=raw[8:])
    except (ValueError, OverflowError) as error:
        raise ProblemError(
            "INVALID_INPUT", "This cursor is not valid. Send next_cursor of the answer before, or none."
        ) from error


def _instant(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    match = _INSTANT.fullmatch(text)
    if match is not None:
        try:
            offset = "+00:00" if match[3] else match[4].replace(" ", "+")
            return datetime.fromisoformat(f"{match[1]}T{match[2]}{offset}")
        except ValueError:
            pass  # There is no such day or hour.
    raise ProblemError(
        "INVALID_INPUT",
        f"`{name}` is not an instant. Write date, time and offset, such as 2027-06-12T19:30Z or "
        "2027-06-12T19:30:00+02:00.",
    )


def _name(name: str, text: str | None) -> str | None:
    if text is not None and "\x00" in text:
        raise ProblemError("INVALID_INPUT", f"`{name}` contains a character that no name has. Write the name alone.")
    return text
