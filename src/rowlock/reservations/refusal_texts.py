"""What a client is told when its wish is refused: what is so, and what to ask for instead."""

from collections.abc import Sequence

from rowlock.base.outcomes import Outcome
from rowlock.reservations.model import BestSeats, ReservationResult, SeatsLeft
from rowlock.web.problems import ProblemError


def too_few(wish: BestSeats, left: SeatsLeft) -> str:
    """Why there are no seats for a wish, and what to ask for instead."""
    parts = [wish.section and f"the section {wish.section}", wish.category and f"the category {wish.category}"]
    where = " of ".join(part for part in reversed(parts) if part) or "the hall"
    elsewhere = "another part of the hall" if any(parts) else "another show"
    seats = f"{left.in_plan:,} seat{'' if left.in_plan == 1 else 's'}"
    if wish.accessible and not left.wheelchair_in_plan:
        place = f"In {where} there" if any(parts) else "In this plan there"
        return f"{place} is no wheelchair place. Ask for {elsewhere}, or without `accessible`."
    if left.in_plan < wish.quantity:
        others = "" if wish.accessible or not left.wheelchair_in_plan else " besides its accessible places"
        told = f"{where[0].upper()}{where[1:]} has {seats}{others}, and {wish.quantity:,} were asked for."
        return f"{told} Ask for fewer, or for {elsewhere}."
    if wish.accessible and not left.wheelchair_free:
        return (
            f"No wheelchair place is left in {where}: each was taken by another customer, or is not on sale. "
            f"Ask for {elsewhere}, or again later."
        )
    free = f"Only {left.free:,} of the {seats} in {where} {'is' if left.free == 1 else 'are'} left"
    if not left.free:
        free = f"None of the {seats} in {where} is left"
    return f"{free}: the others were taken by another customer, or are not on sale. Ask for fewer, or for {elsewhere}."


def seats_text(seat_ids: Sequence[int]) -> str:
    """Seats by their numbers, in a sentence: "Seats 4 and 6"."""
    if len(seat_ids) == 1:
        return f"Seat {seat_ids[0]}"
    return f"Seats {', '.join(map(str, seat_ids[:-1]))} and {seat_ids[-1]}"


def refuse(result: ReservationResult) -> None:
    """Raise the problem for an outcome that is not OK."""
    if result.outcome == Outcome.OK:
        return
    if result.outcome == Outcome.SEATS_UNAVAILABLE and result.unavailable_seat_ids:
        seats = list(result.unavailable_seat_ids)
        verb = "was" if len(seats) == 1 else "were"
        raise ProblemError(
            Outcome.SEATS_UNAVAILABLE,
            f"{seats_text(seats)} {verb} taken by another customer. Choose other seats.",
            {"unavailable_seat_ids": seats},
        )
    if result.outcome == Outcome.ACCESSIBLE_SEATS and result.unavailable_seat_ids:
        seats = list(result.unavailable_seat_ids)
        are = "is a wheelchair or companion place" if len(seats) == 1 else "are wheelchair or companion places"
        need = "it" if len(seats) == 1 else "them"
        raise ProblemError(
            Outcome.ACCESSIBLE_SEATS,
            f"{seats_text(seats)} {are}. If you need {need}, ask with `accessible`: true; else choose other seats.",
            {"accessible_seat_ids": seats},
        )
    raise ProblemError(result.outcome)
