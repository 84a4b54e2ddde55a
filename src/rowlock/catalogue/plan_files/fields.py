"""Typed access to the JSON of a plan file, for all JSON formats.

Every error has its JSON path; every harmless deviation (a number written as text) becomes a finding.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from rowlock.catalogue.plan_files import limits, marks
from rowlock.catalogue.plan_files.draft import DraftSeat
from rowlock.catalogue.plan_files.errors import PlanError, describe, wrong_type
from rowlock.catalogue.plan_files.findings import Findings

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_HEX_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")
_NAMED_COLOR = re.compile(r"[a-zA-Z]{3,24}")
_RGB_COLOR = re.compile(r"rgba?\(\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*(?:,[\s0-9.%]*)?\)")


_BLANKS = re.compile(" +")
_JOINERS = frozenset("\u200c\u200d")
_FIRST_JOINED = "\u0590"
"""Scripts and emoji with joiners are all beyond this; Latin, Greek and Cyrillic, which have none, are before it."""
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""What Python calls printable and nobody can see: fillers, a blank Braille pattern, a grapheme joiner."""


class Fields:
    """One JSON object, with the path that leads to it (`zones[0].rows[3]`, or "" for the whole file).

    A member that is null is treated as missing everywhere.
    """

    __slots__ = ("_findings", "_members", "path")

    def __init__(self, value: object, path: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        self._members: dict[str, Any] = value
        self._findings = findings
        self.path = path

    def place(self, key: str) -> str:
        """Return the path of a member."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Say whether the member is there and not null."""
        return self._members.get(key) is not None

    def report_unknown(self, known: frozenset[str], seats: Sequence[DraftSeat] | None = None) -> None:
        """Record a warning for each member that is not in `known`.

        seats  what the object's marks are about: those with a meaning are used.
        """
        if self._members.keys() <= known:
            return
        for key, value in self._members.items():
            if key in known:
                continue
            name = clean(key[: limits.MAX_TEXT])[:40]
            if seats is None:
                self._findings.unknown_key(self.path, name)
            elif not marks.use(name, value, seats, self.place(name), self._findings):
                self._findings.unknown_key(self.path, name, len(seats))

    def is_set(self, key: str) -> bool:
        """Say whether the member says anything: it is there, and neither null, false nor empty."""
        return bool(self._members.get(key))

    def is_text(self, key: str) -> bool:
        """Say whether the member is text, for members that are text in old files and objects in new ones."""
        return isinstance(self._members.get(key), str)

    def text(self, key: str) -> str:
        """Return a text on one line, "" when missing; a number is read as text and reported."""
        value = self._members.get(key)
        if value is None:
            return ""
        if isinstance(value, dict):
            value = self._translated(key, value)
        if not isinstance(value, str):
            value = self._number_as_text(key, value)
        return clean_text(value, self.place(key), self._findings)

    def key(self, key: str) -> str:
        """Return a key that the format allows to be a text or a whole number, "" when missing."""
        value = self._members.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return f"{in_range(value, self.place(key)):.0f}"
        return self.text(key)

    def number(self, key: str) -> float | None:
        """Return a finite number, None when missing; a number written as text is read and reported."""
        value = self._members.get(key)
        if value is None:
            return None
        if isinstance(value, bool):
            raise wrong_type(self.place(key), "a number", value)
        if isinstance(value, str):
            value = self._text_as_number(key, value)
        if not isinstance(value, int | float):
            raise wrong_type(self.place(key), "a number", value)
        return in_range(value, self.place(key))

    def flag(self, key: str) -> bool:
        """Return true or false; missing is false."""
        value = self._members.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise wrong_type(self.place(key), "true or false", value)
        return value

    def color(self, key: str) -> str:
        """Return a color that is safe in HTML, "" when missing or unreadable."""
        text = self.text(key)
        if not text:
            return ""
        color = safe_color(text)
        if not color:
            self._findings.repaired(
                "COLOR_UNREADABLE", self.place(key), f'"{text[:40]}" is not a color', "The default color is used."
            )
        return color

    def point(self, key: str) -> tuple[float, float] | None:
        """Return the x and y of a member, None when missing."""
        if not self.has(key):
            return None
        return self.child(key).xy()

    def xy(self) -> tuple[float, float]:
        """Return this object's own x and y; both are required."""
        x, y = self.number("x"), self.number("y")
        if x is None or y is None:
            raise PlanError("FIELD_MISSING", self.place("x" if x is None else "y"), "expected a number, found nothing")
        return x, y

    def child(self, key: str) -> "Fields":
        """Return a member that must be an object."""
        return Fields(self._members.get(key), self.place(key), self._findings)

    def children(self, key: str) -> Iterator["Fields"]:
        """Yield the objects of a list; a missing list is empty."""
        place = self.place(key)
        for index, value in enumerate(self._list(key)):
            yield Fields(value, f"{place}[{index}]", self._findings)

    def length(self, key: str) -> int:
        """Return the length of a list; a missing list is empty."""
        return len(self._list(key))

    def _list(self, key: str) -> list[Any]:
        value = self._members.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise wrong_type(self.place(key), "a list", value)
        return value

    def _number_as_text(self, key: str, value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(self.place(key), "text", value)
        number = in_range(value, self.place(key))
        text = str(int(number)) if number == int(number) else str(number)
        self._findings.repaired("TEXT_AS_NUMBER", self.place(key), describe(value), f'Read as text "{text}".')
        return text

    def _translated(self, key: str, value: dict[str, Any]) -> object:
        """Return one text of `{"de": "Saal", "en": "Hall"}`: the English one, or else the first."""
        languages = [language for language in value if _LANGUAGE.fullmatch(language)]
        if not value or len(languages) < len(value) or not all(isinstance(text, str) for text in value.values()):
            return value
        chosen = next((language for language in languages if language.startswith("en")), languages[0])
        if len(languages) > 1:
            found = f"a text in {len(languages)} languages ({', '.join(languages[:5])})"
            self._findings.repaired("TEXT_TRANSLATED", self.place(key), found, f'The one in "{chosen}" is read.')
        return value[chosen]

    def _text_as_number(self, key: str, value: str) -> float:
        number = parse_number(value)
        if number is None:
            raise wrong_type(self.place(key), "a number", value)
        self._findings.repaired("NUMBER_AS_TEXT", self.place(key), describe(value), "Read as a number.")
        return number


def parse_number(text: str) -> float | None:
    """Return the number in a text of digits, sign, point and exponent, or None."""
    text = text.strip()
    return float(text) if len(text) <= limits.MAX_TEXT and _NUMBER.fullmatch(text) else None


def in_range(value: float, place: str) -> float:
    """Return the number if it fits on a plan; raises PlanError OUT_OF_RANGE, also for NaN."""
    if not abs(value) <= limits.MAX_COORDINATE:
        raise PlanError(
            "OUT_OF_RANGE",
            place,
            f"expected a number between -{limits.MAX_COORDINATE:,.0f} and {limits.MAX_COORDINATE:,.0f}, "
            f"found {describe(value)}",
        )
    return float(value)


def clean(text: str) -> str:
    """Return the text on one line in NFC, without what cannot be printed or seen, or stored.

    Joiners stay within words of scripts and emoji that need them: without them Persian and Hindi words are misspelt.
    """
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if line.isascii() and line.isprintable():
        return line
    return "".join(letter for index, letter in enumerate(line) if _is_kept(line, index)).strip()


def _is_kept(line: str, index: int) -> bool:
    letter = line[index]
    if letter in _JOINERS:
        before, after = line[index - 1 : index], line[index + 1 : index + 2]
        return min(before, after) >= _FIRST_JOINED and not {before, after} & _JOINERS
    return letter.isprintable() and letter not in _BLANK_LETTERS


def clean_text(text: str, place: str, findings: Findings) -> str:
    """Return `clean(text)`, with a finding if it removed more than outer blanks; raises PlanError TEXT_TOO_LONG.

    Two spellings of one letter in Unicode are one text and no finding.
    """
    if len(text) > limits.MAX_TEXT:
        raise PlanError(
            "TEXT_TOO_LONG",
            place,
            f"expected at most {limits.MAX_TEXT} characters, found {len(text):,}. Shorten the text",
        )
    trimmed_text = text.strip()
    if trimmed_text.isascii() and trimmed_text.isprintable() and "  " not in trimmed_text:
        return trimmed_text  # Nearly every text of nearly every file.
    cleaned_text = clean(trimmed_text)
    if cleaned_text != _BLANKS.sub(" ", unicodedata.normalize("NFC", trimmed_text)):
        findings.repaired(
            "TEXT_CLEANED",
            place,
            "the text has line breaks or invisible characters",
            f'Read as "{cleaned_text[:40]}".',
        )
    return cleaned_text


def safe_color(text: str) -> str:
    """Return a CSS color (hex, or a plain name), or "" when the text is not a color."""
    if _HEX_COLOR.fullmatch(text) or _NAMED_COLOR.fullmatch(text):
        return text
    if match := _RGB_COLOR.fullmatch(text):
        return "#" + "".join(f"{min(int(part), 255):02x}" for part in match.groups())
    return ""
