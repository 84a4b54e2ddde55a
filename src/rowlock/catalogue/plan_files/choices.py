"""What the operator decides about a plan file, because no file can say it and no word of a name proves it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from rowlock.catalogue.model import SeatKind
from rowlock.catalogue.plan_files.draft import Draft, DraftCategory
from rowlock.catalogue.plan_files.errors import PlanError
from rowlock.catalogue.plan_files.findings import Findings
from rowlock.catalogue.plan_files.labels import count_of, spelling


@dataclass(frozen=True, slots=True)
class Choices:
    """The operator's word.

    not_for_sale  names of categories whose seats are never sold.
    wheelchair    names of categories whose seats are wheelchair places.
    companion     names of categories whose seats are companion seats.
    name_blocks   make sections of blocks that repeat each other's row labels, named by where they stand.
    """

    not_for_sale: tuple[str, ...] = ()
    wheelchair: tuple[str, ...] = ()
    companion: tuple[str, ...] = ()
    name_blocks: bool = False


NO_CHOICES = Choices()


def apply(draft: Draft, choices: Choices, findings: Findings) -> None:
    """Do with categories what the operator said. Raises PlanError for a category that the plan does not have."""
    seats = Counter(seat.category for seat in draft.seats())
    for category in _named(draft, choices.not_for_sale):
        category.for_sale = False
        found = f'the {count_of(seats[category.key])} of the category "{category.name}" are never sold'
        findings.info("CATEGORY_NOT_FOR_SALE", category.place, found, "As you said: the category is not for sale.")
    kinds: dict[str, SeatKind] = {category.key: "wheelchair" for category in _named(draft, choices.wheelchair)}
    for category in _named(draft, choices.companion):
        if category.key in kinds:
            raise PlanError(
                "CATEGORY_CHOICE",
                "",
                f'the category "{category.name}" was chosen for wheelchair places and for companion seats. Give each a '
                "category of its own in the file",
            )
        kinds[category.key] = "companion"
    for seat in draft.seats():
        seat.kind = kinds.get(seat.category, seat.kind)
    for category in draft.categories:
        if category.key in kinds:
            found = f'the {count_of(seats[category.key])} of the category "{category.name}"'
            findings.info("KIND_FROM_CATEGORY", category.place, found, f"As you said: {kinds[category.key]} places.")


def _named(draft: Draft, names: tuple[str, ...]) -> Iterator[DraftCategory]:
    by_spelling = {spelling(category.name): category for category in reversed(draft.categories)}
    by_name = {category.name: category for category in draft.categories}
    for name in names:
        category = by_name.get(name) or by_spelling.get(spelling(name))
        if category is None:
            known = ", ".join(f'"{category.name}"' for category in draft.categories[:20])
            raise PlanError("CATEGORY_CHOICE", "", f'the plan has no category "{name}". It has {known or "none"}')
        yield category
