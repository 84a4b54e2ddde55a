"""Seat labels for tickets and mails, such as "Balcony, row C, seat 12", and unique names.

This module makes labels and splits them again, so that `pretix.write` can restore their parts.
"""

import re
import unicodedata

DEFAULT_SEAT_TEXT = "seat %s"

_WORDS = ("row", "table", "booth")
_FLOAT = re.compile(r"[0-9]+\.0+")
_RANGE = re.compile(r"([0-9]{1,5})\s*(?:-|–|—|\.\.|…|to|bis)\s*([0-9]{1,5})", re.IGNORECASE)
_LONGEST_RANGE = 500
_JOINERS = "\u200c\u200d"
_REPETITION = re.compile(r" \([0-9]+\)$")


def default_row_text(word: str) -> str:
    """Return the text on tickets for a row, a table or a booth, with "%s" for its label."""
    return f"{word} %s"


def section_text(name: str, sections: int) -> str:
    """Return the section's part of a label: nothing in a plan with a single section."""
    return name if sections > 1 else ""


def seat_label(section: str, row_text: str, row_label: str, seat_text: str, number: str) -> str:
    """Return the label of a seat; parts that are empty are left out, and it starts with a capital letter."""
    row = row_text.replace("%s", row_label) if row_label or "%s" not in row_text else ""
    label = ", ".join(part for part in (section, row, seat_text.replace("%s", number)) if part)
    return label[:1].upper() + label[1:]


def texts_of(label: str, section: str, row_label: str, number: str) -> tuple[str, str]:
    """Return the row text and seat text that made this label, the default ones if they cannot be derived."""
    single = _REPETITION.sub("", label)
    for word in _WORDS:
        text = default_row_text(word)
        if seat_label(section, text, row_label, DEFAULT_SEAT_TEXT, number) in {label, single}:
            return text, DEFAULT_SEAT_TEXT
    rest = single.removeprefix(f"{section}, ") if section else single
    row, comma, seat = rest.rpartition(", ")
    if comma and number and seat.endswith(number):
        return row, f"{seat.removesuffix(number)}%s"
    return default_row_text("row"), DEFAULT_SEAT_TEXT


def spelling(name: str) -> str:
    """Return what two names share that differ only in case, blanks, joiners or the form of their letters in Unicode."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in folded if not letter.isspace() and letter not in _JOINERS)


def whole_number(text: str) -> str:
    """Return "12" for the "12.0" that spreadsheets and data frames write, and any other text as it is."""
    return text.partition(".")[0] if _FLOAT.fullmatch(text) else text


def range_of(number: str) -> range | None:
    """Return the numbers of "1-10" or "10-1", in this order; None for what is no range of up to some hundred."""
    match = _RANGE.fullmatch(number)
    if match is None:
        return None
    first, last = int(match.group(1)), int(match.group(2))
    if first == last or abs(first - last) >= _LONGEST_RANGE:
        return None
    step = 1 if first < last else -1
    return range(first, last + step, step)


def looks_like_range(number: str) -> bool:
    """Say whether a text is two numbers with a hyphen or the like, however far apart."""
    match = _RANGE.fullmatch(number)
    return match is not None and match.group(1) != match.group(2)


def count_of(seats: int) -> str:
    """Return "1 seat" or "1,252 seats"."""
    return f"{seats:,} seat{'' if seats == 1 else 's'}"


class Names:
    """Makes unique names: "Block A", then "Block A (2)", in constant time each."""

    def __init__(self, taken: set[str] | None = None, pattern: str = "{} ({})") -> None:
        self._taken = set(taken or ())
        self._pattern = pattern
        self._ordinals: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """Return `wanted` if it is free, else the first free variant of it."""
        name = wanted
        while name in self._taken:
            ordinal = self._ordinals.get(wanted, 1) + 1
            self._ordinals[wanted] = ordinal
            name = self._pattern.format(wanted, ordinal)
        self._taken.add(name)
        return name
