"""The part of the plan doctor for categories, and the endings of their names: not for sale, wheelchair, companion.

No plan format has a field for "not for sale", and pretix has none for wheelchair places, so both are written as an
ending of the category's name, in brackets. Other words of a name mean nothing here: `words` warns of them, `choices`
decides.
"""

from collections import Counter
from collections.abc import Iterator

from rowlock.catalogue.model import Seat, SeatingPlan, SeatKind
from rowlock.catalogue.plan_files import choices, labels, limits, words
from rowlock.catalogue.plan_files.draft import Draft, DraftCategory, DraftSeat
from rowlock.catalogue.plan_files.errors import PlanError
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import Names, count_of

DEFAULT_COLOR = "#64748b"
UNCATEGORIZED = "Uncategorized"

_KIND_SUFFIXES: dict[SeatKind, str] = {"wheelchair": " (wheelchair)", "companion": " (companion)"}
_NOT_FOR_SALE_SUFFIX = " (not for sale)"


def is_for_sale(name: str) -> bool:
    """Say whether seats of a category with this name are for sale: not those of "Box (not for sale)"."""
    return not _without_kind(name).casefold().endswith(_NOT_FOR_SALE_SUFFIX)


def kind_of(name: str) -> SeatKind | None:
    """Return the kind of seat that the ending of a category's name means: "wheelchair" for "Stalls (wheelchair)"."""
    return next((kind for kind, suffix in _KIND_SUFFIXES.items() if name.casefold().endswith(suffix)), None)


def not_for_sale(name: str) -> str:
    """Return the name of the category for seats of this one that are not for sale."""
    return name + _NOT_FOR_SALE_SUFFIX


def base_name(name: str) -> str:
    """Return "Stalls" for "Stalls (wheelchair)", and any other name as it is."""
    return _without_kind(name) or name


def _without_kind(name: str) -> str:
    kind = kind_of(name)
    return name[: -len(_KIND_SUFFIXES[kind])] if kind else name


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


def repair(draft: Draft, chosen: choices.Choices, findings: Findings) -> None:
    """Make categories unique and declared, and mark those not for sale.

    Raises PlanError for too many categories, and for a choice about a category that is not there.
    """
    _merge_categories(draft, findings)
    _declare_categories(draft, findings)
    _fold_kinds(draft, findings)
    _close_by_name(draft, findings)
    _part_unsold(draft)
    choices.apply(draft, chosen, findings)
    words.report(draft, findings)
    seats = Counter(seat.category for seat in draft.seats())
    for category in draft.categories:
        category.color = category.color or DEFAULT_COLOR
        if not seats[category.key]:
            findings.info(
                "CATEGORY_UNUSED", category.place, f'no seat is in the category "{category.name}"', "It is kept."
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
    merged = _merge_spellings(draft, first, counts, findings)
    for key, seat in first.items():
        if key in merged:
            continue
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


def _merge_spellings(
    draft: Draft, first: dict[str, DraftSeat], counts: Counter[str], findings: Findings
) -> dict[str, str]:
    """Put seats of an undeclared category into the declared one whose name differs only in spelling."""
    by_spelling = {labels.spelling(category.name): category for category in reversed(draft.categories)}
    merged: dict[str, str] = {}
    for key, seat in first.items():
        declared = by_spelling.get(labels.spelling(key)) if key else None
        if declared is not None:
            merged[key] = declared.key
            findings.repaired(
                "SPELLING_MERGED",
                seat.place,
                f'{count_of(counts[key])} in the category "{key}", which is declared as "{declared.name}"',
                f'Put into "{declared.name}".',
            )
    for seat in draft.seats():
        seat.category = merged.get(seat.category, seat.category)
    return merged


def _close_by_name(draft: Draft, findings: Findings) -> None:
    """Mark categories whose names end in the words that `pretix.write` uses."""
    seats = Counter(seat.category for seat in draft.seats())
    for category in draft.categories:
        if is_for_sale(category.name):
            continue
        category.for_sale = False
        if seats[category.key]:
            findings.info(
                "CATEGORY_NOT_FOR_SALE",
                category.place,
                f'{count_of(seats[category.key])} in the category "{category.name}"',
                "Marked as not for sale, as its name says.",
            )


def _part_unsold(draft: Draft) -> None:
    """Put seats that the file marks as not for sale into a category of their own, which the marks' findings tell of."""
    by_key = {category.key: category for category in draft.categories}
    by_name = {category.name: category for category in draft.categories}
    keys = {category.key for category in draft.categories}
    for seat in draft.seats():
        category = by_key[seat.category]
        if seat.for_sale or not is_for_sale(category.name):
            continue
        name = not_for_sale(category.name)
        if name not in by_name:
            key = Names(keys).take(name)
            keys.add(key)
            by_name[name] = DraftCategory(key, name, category.color, seat.place, for_sale=False)
            draft.categories.append(by_name[name])
            by_key[key] = by_name[name]
        seat.category = by_name[name].key


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
            of_base = f' of the category "{base_name(category.name)}"' if category.key in folded else ""
            findings.info(
                "KIND_FROM_CATEGORY",
                category.place,
                f'{count_of(changed[category.key])} in the category "{category.name}"',
                f"Read as {kinds[category.key]} places{of_base}.",
            )
    draft.categories = [category for category in draft.categories if category.key not in folded]
