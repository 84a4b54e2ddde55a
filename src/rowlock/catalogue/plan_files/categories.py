"""The part of the plan doctor for categories, and the meaning of their names: not for sale, wheelchair, companion.

No plan format has a field for "not for sale", and pretix has none for wheelchair places, so organizers write it into
the category's name. This module has the rules for reading and for writing such names.
"""

import re
from collections import Counter
from collections.abc import Iterator

from rowlock.catalogue.model import Seat, SeatingPlan, SeatKind
from rowlock.catalogue.plan_files import limits
from rowlock.catalogue.plan_files.draft import Draft, DraftCategory, DraftSeat
from rowlock.catalogue.plan_files.errors import PlanError
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import Names, count_of

DEFAULT_COLOR = "#64748b"
UNCATEGORIZED = "Uncategorized"

NOT_FOR_SALE_PHRASES = (
    "not for sale",
    "not available",
    "unavailable",
    "no sale",
    "blocked",
    "closed",
    "crew",
    "camera",
    "out of order",
    "broken",
    "gesperrt",
    "blockiert",
    "kein verkauf",
    "nicht verfügbar",
    "nicht im verkauf",
    "unverkäuflich",
    "kamera",
    "defekt",
)
"""A category is never for sale when its name has one of these as whole words: "Gesperrt (Regie)", not "Block D"."""

WHEELCHAIR_WORDS = ("wheelchair", "rollstuhl")
COMPANION_WORDS = ("companion", "carer", "begleit")
"""A name means a kind of seat when one of its words begins with one of these: "Rollstuhlplätze"."""

_KIND_SUFFIXES: dict[SeatKind, str] = {"wheelchair": " (wheelchair)", "companion": " (companion)"}
_NOT_FOR_SALE_SUFFIX = " (not for sale)"
_WORD = re.compile(r"\w+")


def is_for_sale(name: str) -> bool:
    """Say whether seats of a category with this name are for sale."""
    words = f" {' '.join(_words(name))} "
    return not any(f" {phrase} " in words for phrase in NOT_FOR_SALE_PHRASES)


def kind_of(name: str) -> SeatKind | None:
    """Return the kind of seat that a category's name means; None if it means none, or both."""
    words = _words(name)
    wheelchair = any(word.startswith(WHEELCHAIR_WORDS) for word in words)
    companion = any(word.startswith(COMPANION_WORDS) for word in words)
    if wheelchair == companion:
        return None
    return "wheelchair" if wheelchair else "companion"


def base_name(name: str) -> str:
    """Return "Stalls" for "Stalls (wheelchair)", and any other name as it is."""
    for suffix in _KIND_SUFFIXES.values():
        if name.endswith(suffix) and len(name) > len(suffix):
            return name.removesuffix(suffix)
    return name


def _words(name: str) -> list[str]:
    return _WORD.findall(name.casefold())


class WrittenNames:
    """The category names under which a plan's seats are written to a format without fields for kind and sale."""

    def __init__(self, plan: SeatingPlan) -> None:
        self._names = [
            category.name + ("" if category.for_sale or not is_for_sale(category.name) else _NOT_FOR_SALE_SUFFIX)
            for category in plan.categories
        ]
        self._colors = [category.color for category in plan.categories]
        self._used = {(seat.category, seat.kind) for seat in plan.seats}

    def of(self, seat: Seat) -> str:
        """Return the category name to write for a seat."""
        return self._name(seat.category, seat.kind)

    def declared(self) -> Iterator[tuple[str, str]]:
        """Yield name and color of every category to declare; those for special kinds of seats follow their base."""
        for index, (name, color) in enumerate(zip(self._names, self._colors, strict=True)):
            yield name, color
            for kind in _KIND_SUFFIXES:
                if (index, kind) in self._used and self._name(index, kind) != name:
                    yield self._name(index, kind), color

    def _name(self, category: int, kind: SeatKind) -> str:
        name = self._names[category]
        if kind == "standard" or kind_of(name) == kind:
            return name
        return name + _KIND_SUFFIXES[kind]


def repair(draft: Draft, findings: Findings) -> None:
    """Make categories unique and declared, and mark those not for sale. Raises PlanError for too many categories."""
    _merge_categories(draft, findings)
    _declare_categories(draft, findings)
    _fold_kinds(draft, findings)
    seats = Counter(seat.category for seat in draft.seats())
    for category in draft.categories:
        category.color = category.color or DEFAULT_COLOR
        count = seats[category.key]
        if not count:
            findings.info(
                "CATEGORY_UNUSED", category.place, f'no seat is in the category "{category.name}"', "It is kept."
            )
        elif category.for_sale and not is_for_sale(category.name):
            category.for_sale = False
            findings.repaired(
                "CATEGORY_NOT_FOR_SALE",
                category.place,
                f'the name "{category.name}" means that its {count_of(count)} are not for sale',
                "The category is marked as not for sale.",
            )
    if len(draft.categories) > limits.MAX_CATEGORIES:
        raise PlanError(
            "TOO_MANY_CATEGORIES",
            "",
            f"the plan has {len(draft.categories):,} categories; at most {limits.MAX_CATEGORIES} are allowed. "
            "A category is a part of the hall with one price, not a row or a seat",
        )


def _merge_categories(draft: Draft, findings: Findings) -> None:
    """Merge categories with the same key, and rename those with the same name."""
    by_key: dict[str, DraftCategory] = {}
    names = Names()
    for category in draft.categories:
        if category.key in by_key:
            findings.repaired(
                "CATEGORY_DUPLICATE",
                category.place,
                f'the category "{category.name}" is declared again',
                f"Merged with the one at {by_key[category.key].place}.",
            )
            continue
        name = names.take(category.name or UNCATEGORIZED)
        if category.name and name != category.name:
            findings.repaired(
                "CATEGORY_DUPLICATE",
                category.place,
                f'another category is called "{category.name}" too',
                f'Renamed to "{name}".',
            )
        elif name != category.name:
            findings.repaired("CATEGORY_MISSING", category.place, "the category has no name", f'Named "{name}".')
        category.name = name
        by_key[category.key] = category
    draft.categories = list(by_key.values())


def _declare_categories(draft: Draft, findings: Findings) -> None:
    """Declare the categories that seats refer to, and one for seats without a category."""
    declared_keys = {category.key for category in draft.categories}
    names = Names({category.name for category in draft.categories})
    first: dict[str, DraftSeat] = {}
    counts: Counter[str] = Counter()
    for seat in draft.seats():
        if seat.category not in declared_keys:
            first.setdefault(seat.category, seat)
            counts[seat.category] += 1
    for key, seat in first.items():
        name = names.take(key or UNCATEGORIZED)
        if key:
            findings.repaired(
                "CATEGORY_UNDECLARED",
                seat.place,
                f'the category "{key}" of {count_of(counts[key])} is not declared',
                f'Declared as "{name}".',
            )
        else:
            findings.repaired(
                "CATEGORY_MISSING",
                seat.place,
                f"{count_of(counts[key])} without a category",
                f'Put into a new category "{name}": give it a price.',
            )
        draft.categories.append(DraftCategory(key, name, "", seat.place))


def _fold_kinds(draft: Draft, findings: Findings) -> None:
    """Set the kind of seats from category names; seats of "Stalls (wheelchair)" go into "Stalls"."""
    by_name = {category.name: category for category in draft.categories}
    kinds: dict[str, SeatKind] = {}
    folded: dict[str, str] = {}
    for category in draft.categories:
        kind = kind_of(category.name)
        if kind is None:
            continue
        kinds[category.key] = kind
        base = by_name.get(base_name(category.name), category)
        if base is not category:
            folded[category.key] = base.key
    changed: Counter[str] = Counter()
    for seat in draft.seats():
        if seat.category in kinds:
            key = seat.category
            changed[key] += seat.kind != kinds[key] or key in folded
            seat.kind = kinds[key]
            seat.category = folded.get(key, key)
    for category in draft.categories:
        if changed[category.key]:
            # "Stalls (wheelchair)" is the form that `pretix.write` uses; any other name is an interpretation.
            spelled = category.key in folded
            of_base = f' of the category "{base_name(category.name)}"' if spelled else ""
            findings.add(
                "KIND_FROM_CATEGORY",
                "info" if spelled else "repaired",
                category.place,
                f'{count_of(changed[category.key])} in the category "{category.name}"',
                f"Read as {kinds[category.key]} places{of_base}.",
            )
    draft.categories = [category for category in draft.categories if category.key not in folded]
