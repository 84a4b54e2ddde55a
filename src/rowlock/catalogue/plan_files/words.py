"""Names that sound like accessible places, or like seats that are not sold: named in the report, never acted upon.

A word proves nothing: "Closed Caption View" and "Mötley Crew Fan Zone" are sold, and "Begleitung" may be an
orchestra's. So the operator decides (`choices`), and this module makes sure that they know.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from rowlock.catalogue.plan_files.draft import Draft, DraftSeat
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import count_of

_ACCESSIBLE_WORDS = frozenset({"ada", "pmr", "pcd", "pmd", "dda", "hc", "whc"})
"""Abbreviations, as whole words, such as Americans with Disabilities Act and personne à mobilité réduite."""

_ACCESSIBLE_BEGINNINGS = (
    *("wheelchair", "accessib", "handicap", "disab", "mobility", "ambulant", "companion", "carer", "caregiver"),
    *("rollstuhl", "rollator", "behindert", "schwerbehindert", "barrierefrei", "begleitperson", "begleitplatz"),
    *("begleitung", "roulant", "accompagnant", "invalid", "ruedas", "movilidad", "discapacit", "discapacid", "minusv"),
    *("acompañante", "rotelle", "carrozz", "disabil", "accompagnator", "cadeirante", "cadeira", "mobilidade"),
    *("rolstoel", "mindervalid", "begeleider", "kørestol", "handikap", "rullstol", "rullestol", "ledsage", "pyörätuol"),
    *(
        "wózk",
        "wózek",
        "niepełnospraw",
        "vozíčk",
        "vozičk",
        "invalidsk",
        "kerekessz",
        "mozgáss",
        "tekerlekli",
        "engelli",
    ),
    *("scaun rulant", "dizabil", "инвалид", "коляс", "візок", "αναπηρ", "αμεα", "αμαξίδ"),
)
_ACCESSIBLE_PARTS = (
    *(
        "♿",
        "🦽",
        "🦼",
        "车椅",
        "車椅",
        "轮椅",
        "輪椅",
        "无障碍",
        "無障礙",
        "バリアフリー",
        "휠체어",
        "장애인",
        "व्हीलचेयर",
        "विकलांग",
        "दिव्यांग",
    ),
    *("วีลแชร์", "xe lăn", "kursi roda", "متحرك", "معاق", "ویلچر", "معلول", "גלגלים", "נכים"),
)
"""Written without blanks between words, or in a script where words take prefixes: looked for anywhere."""

_UNSOLD_PHRASES = (
    *("not for sale", "not available", "unavailable", "no sale", "do not sell", "blocked", "out of order", "gesperrt"),
    *("blockiert", "kein verkauf", "nicht verfügbar", "nicht im verkauf", "unverkäuflich", "hors vente", "bloqué"),
    *("no disponible", "bloqueado", "non in vendita", "niet te koop", "geblokkeerd"),
)
_UNSOLD_SHORT_NAMES = ("closed", "crew", "camera", "broken", "kamera", "defekt", "regie", "technik", "house seats")
"""Words that mean this as a name of at most two words: "Kamera links", and not "Mötley Crew Fan Zone"."""

_WORD = re.compile(r"\w+")


def sounds_accessible(name: str) -> bool:
    """Say whether a name speaks of wheelchairs, companions or reduced mobility, in one of some twenty languages."""
    folded = name.casefold()
    words = _WORD.findall(folded)
    return (
        any(word in _ACCESSIBLE_WORDS or word.startswith(_ACCESSIBLE_BEGINNINGS) for word in words)
        or any(beginning in folded for beginning in _ACCESSIBLE_BEGINNINGS if " " in beginning)
        or any(part in folded for part in _ACCESSIBLE_PARTS)
    )


def sounds_unsold(name: str) -> bool:
    """Say whether a name speaks of seats that are not sold."""
    words = _WORD.findall(name.casefold())
    text = f" {' '.join(words)} "
    phrases = _UNSOLD_PHRASES + (_UNSOLD_SHORT_NAMES if len(words) <= 2 else ())
    return any(f" {phrase} " in text for phrase in phrases)


def report(draft: Draft, findings: Findings) -> None:
    """Warn of names that sound as if their seats were accessible or not sold, and are neither."""
    seats_of: defaultdict[str, list[DraftSeat]] = defaultdict(list)
    for seat in draft.seats():
        seats_of[seat.category].append(seat)
    for category in draft.categories:
        seats = seats_of[category.key]
        ordinary = _ordinary(seats)
        if ordinary and sounds_accessible(category.name):
            findings.warn(
                "ACCESSIBILITY_UNUSED",
                category.place,
                f'the category "{category.name}" speaks of accessible places, and its {_are_ordinary(ordinary)}',
                f'If they are wheelchair places, import with --wheelchair "{category.name}"; if they are companion '
                f'seats, with --companion "{category.name}". If they are both, give each a category of its own.',
            )
        if seats and category.for_sale and sounds_unsold(category.name):
            findings.warn(
                "SALE_DOUBTFUL",
                category.place,
                f'the category "{category.name}" with {count_of(len(seats))} sounds as if it were not sold',
                f'It is for sale. If it is never sold, import with --not-for-sale "{category.name}".',
            )
    _report_parts(draft, findings)


def _report_parts(draft: Draft, findings: Findings) -> None:
    """Warn of sections and rows whose name speaks of accessible places, when not one of their seats is one."""
    for section in draft.sections:
        if sounds_accessible(section.name):
            _report_part(f'section "{section.name}"', section.place, list(section.seats()), findings)
            continue
        for row in section.rows:
            if sounds_accessible(row.label) or sounds_accessible(row.row_text):
                _report_part(f'row "{row.label}"', row.place, row.seats, findings)


def _report_part(part: str, place: str, seats: list[DraftSeat], findings: Findings) -> None:
    ordinary = _ordinary(seats)
    if ordinary and ordinary == len(seats):
        findings.warn(
            "ACCESSIBILITY_UNUSED",
            place,
            f"{part} speaks of accessible places, and its {_are_ordinary(ordinary)}",
            "If they are wheelchair places or companion seats, say so in the file, or give them a category of their "
            "own and import with --wheelchair or --companion.",
        )


def _are_ordinary(seats: int) -> str:
    return f"{count_of(seats)} {'is an ordinary one' if seats == 1 else 'are ordinary ones'}"


def _ordinary(seats: Iterable[DraftSeat]) -> int:
    return sum(seat.kind == "standard" for seat in seats)
