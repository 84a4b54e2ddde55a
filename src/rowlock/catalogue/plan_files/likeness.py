"""The part of the plan doctor for names that people cannot tell apart: "A" and the Cyrillic "А", "1" and "01".

Nothing is changed, because both may be meant. But a guest with a ticket for one will sit in the other.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from rowlock.catalogue.plan_files.draft import Draft
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import count_of, spelling

_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТУХԚԜЁΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "ABESIJKMHOPCTYXQWEABEZHIKMNOPTYX",
)
"""Capital letters of Cyrillic and Greek that look like Latin ones."""

_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_WORD = re.compile(r"[^\W\d_]+")
_LISTED = 3


def look(name: str) -> str:
    """Return what a name looks like; two names of one look are hard to tell apart."""
    if name.isascii():
        return _LEADING_ZEROS.sub("", "".join(name.split()).upper())
    return _LEADING_ZEROS.sub("", spelling(name).upper().translate(_ALIKE))


def is_mixed(name: str) -> bool:
    """Say whether a word has Latin letters and letters of another script that look like Latin ones."""
    if name.isascii():
        return False
    return any(
        any("LATIN" in unicodedata.name(letter, "") for letter in word)
        and any(letter.upper().translate(_ALIKE) != letter.upper() for letter in word)
        for word in _WORD.findall(name)
    )


def report(draft: Draft, findings: Findings) -> None:
    """Warn of names of categories, sections, rows and seats that look like another's, with their seats."""
    seats: defaultdict[str, int] = defaultdict(int)
    for seat in draft.seats():
        seats[seat.category] += 1
    used = ((c.name, seats[c.key], c.place) for c in draft.categories if seats[c.key])
    _report("category", "", used, findings)
    sections = ((s.name, sum(len(row.seats) for row in s.rows), s.place) for s in draft.sections)
    _report("section", "", sections, findings)
    for section in draft.sections:
        of_section = f' of section "{section.name}"' if len(draft.sections) > 1 else ""
        _report("row", of_section, ((row.label, len(row.seats), row.place) for row in section.rows), findings)
        for row in section.rows:
            if all(_is_plain(seat.number) for seat in row.seats):
                continue
            within = f' of row "{row.label}"{of_section}'
            _report("seat", within, ((seat.number, 1, seat.place) for seat in row.seats), findings)


def _is_plain(number: str) -> bool:
    """Say whether a number looks like no other: digits without a leading zero."""
    return number.isascii() and number.isdigit() and not number.startswith("0")


def _report(what: str, within: str, names: Iterable[tuple[str, int, str]], findings: Findings) -> None:
    by_look: defaultdict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
    for name, seats, place in names:
        known, first = by_look[look(name)].get(name, (0, place))
        by_look[look(name)][name] = known + seats, first
    for alike in by_look.values():
        if len(alike) > 1:
            first, *others = alike
            said = ", ".join(f'"{name}"' for name in others[:_LISTED])
            count = sum(seats for seats, _ in alike.values())
            findings.warn(
                "LOOK_ALIKE",
                alike[others[0]][1],
                f'the {what} "{first}"{within} looks like {said}: {count_of(count)}',
                "Both are kept. If they are one, spell them alike in the file; if not, give one another name.",
            )
        for name, (seats, place) in alike.items():
            if is_mixed(name) and len(alike) == 1:
                findings.warn(
                    "LOOK_ALIKE",
                    place,
                    f'the {what} "{name}"{within} has letters of two scripts in one word: {count_of(seats)}',
                    "Kept. Searches will not find it as it looks: type the word again in one script.",
                )
