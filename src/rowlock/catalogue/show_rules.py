"""What can be told of a show: the texts, the instants that are possible together, and the currency; and what keeps it
from another plan."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from uuid import UUID

from rowlock.base.currencies import DECIMALS
from rowlock.catalogue.instants import check_bounds, read_instant
from rowlock.catalogue.model import CatalogueError, DetailInput, ShowDetails

INSTANTS = ("doors_at", "starts_at", "ends_at", "sales_start_at", "sales_end_at")

_TITLE_LENGTH = 200
_DESCRIPTION_LENGTH = 10_000
_URL_LENGTH = 2_000
_SEATS_NAMED = 20
_IMAGE_URL = re.compile(r"https?://[^\s/]\S*")


def read_details(
    given: Mapping[str, DetailInput], time_zone: str, now: datetime, *, before: ShowDetails | None = None
) -> ShowDetails:
    """The details of a show: those that are given, and for the others those that it had before.

    Text for an instant is read in `time_zone`. Raises CatalogueError. A start in the past is refused where a start is
    given, so that the description of a show that has begun can still be corrected.
    """
    values = {} if before is None else asdict(before)
    for name in (field.name for field in fields(ShowDetails)):
        if name in given:
            values[name] = _read(name, given[name], time_zone)
    if values.get("starts_at") is None:
        raise CatalogueError("The show has no start. Say when it begins.")
    details = ShowDetails(**values)
    _check_texts(details)
    if "starts_at" in given and details.starts_at <= now:
        raise CatalogueError(f"The show would start at {_told(details.starts_at)}, which is past. Give a time to come.")
    _check_times(details)
    return details


def check_currency(code: str) -> str:
    """The code of a currency. Raises CatalogueError when it is not that of one in use."""
    if code not in DECIMALS:
        raise CatalogueError(
            f"{code!r} is not a currency. Use the ISO 4217 code of one that is in use, such as USD or EUR."
        )
    return code


def _read(name: str, value: DetailInput, time_zone: str) -> DetailInput:
    if name in INSTANTS and value is not None:
        return read_instant(value, time_zone) if isinstance(value, str) else check_bounds(value)
    if isinstance(value, str):
        return value.strip() or None
    return value


def _check_texts(details: ShowDetails) -> None:
    if not details.title:
        raise CatalogueError("The show has no title. Say what is shown.")
    for what, text, most in (
        ("title", details.title, _TITLE_LENGTH),
        ("description", details.description, _DESCRIPTION_LENGTH),
        ("address of the image", details.image_url, _URL_LENGTH),
    ):
        if text is not None and len(text) > most:
            raise CatalogueError(f"The {what} has {len(text):,} characters. It may have {most:,}.")
    if details.image_url is not None and not _IMAGE_URL.fullmatch(details.image_url):
        raise CatalogueError(
            f"{details.image_url!r} is not the address of an image. Use one that begins with https://."
        )


def _check_times(details: ShowDetails) -> None:
    starts, ends = details.starts_at, details.ends_at
    opens, closes = details.sales_start_at, details.sales_end_at
    if details.doors_at is not None and details.doors_at > starts:
        raise CatalogueError(f"The doors would open at {_told(details.doors_at)}, after the start at {_told(starts)}.")
    if ends is not None and ends <= starts:
        raise CatalogueError(f"The show would end at {_told(ends)}, before it starts at {_told(starts)}.")
    if opens is not None and opens >= starts:
        raise CatalogueError(
            f"Sales would open at {_told(opens)}, when the show has begun at {_told(starts)}. Open them earlier."
        )
    if opens is not None and closes is not None and closes <= opens:
        raise CatalogueError(f"Sales would end at {_told(closes)}, before they start at {_told(opens)}.")
    if closes is not None and closes > (ends or starts):
        raise CatalogueError(
            f"Sales would end at {_told(closes)}, after the show. They end by themselves when it starts at "
            f"{_told(starts)}; to sell to latecomers, give the end of the show, too."
        )


def _told(instant: datetime) -> str:
    return instant.isoformat(timespec="minutes")


def no_show(show_id: UUID) -> CatalogueError:
    """The error for a show that does not exist."""
    return CatalogueError(f"There is no show {show_id}. `rowlock show list` shows what there is.")


def cannot_move(show_id: UUID, plan_id: UUID, outcome: str, told: Sequence[str]) -> CatalogueError:
    """The error for an outcome of move_show_atomic, with the seats in the way or the categories without price."""
    match outcome:
        case "SHOW_NOT_FOUND":
            return no_show(show_id)
        case "PLAN_NOT_FOUND":
            return CatalogueError(
                f"The venue of the show has no seating plan {plan_id}. `rowlock plan list` shows what there is."
            )
        case "PRICES_MISSING":
            return CatalogueError(
                f"The show has no price for: {', '.join(told)}. Give one for each, such as --price {told[0]}=2500."
            )
    some = "; ".join(told[:_SEATS_NAMED]) + ("; …" if len(told) > _SEATS_NAMED else "")
    verb = " is" if len(told) == 1 else "s are"
    return CatalogueError(
        f"{len(told):,} seat{verb} in the way: {some}. A seat that is sold, held or blocked must have the same number, "
        "label and kind in the new plan, and until it is paid the same category. Wait until holds have run out, "
        "unblock or refund these seats, or publish a plan that keeps them."
    )
