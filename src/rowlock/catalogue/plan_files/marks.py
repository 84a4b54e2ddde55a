"""Marks on single seats that no plan format defines but many files have: status, sold, accessible, price and the like.

A mark that says something about the seat itself (blocked, unpublished, a wheelchair place) is used. A mark about one
show (sold, held) is not, because a plan is for every show; it is named with the number of seats, as is a price. So
nothing that a file says of a seat is dropped in silence.
"""

from collections.abc import Sequence

from rowlock.catalogue.model import SeatKind
from rowlock.catalogue.plan_files.draft import DraftSeat
from rowlock.catalogue.plan_files.errors import describe
from rowlock.catalogue.plan_files.findings import Findings

_STATUS = frozenset({"status", "state", "availability", "sale status", "sales status", "seat status"})
_OFF_SALE_IF = frozenset({"blocked", "killed", "disabled", "broken", "unavailable", "not for sale", "gesperrt", "kill"})
_OFF_SALE_UNLESS = frozenset({"published", "for sale", "available", "enabled", "sellable", "bookable"})
_TAKEN_IF = frozenset({"sold", "reserved", "held", "booked", "taken", "occupied", "hold", "verkauft", "reserviert"})
_WHEELCHAIR_IF = frozenset({"accessible", "wheelchair", "ada", "handicap", "disabled access", "rollstuhl"})
_COMPANION_IF = frozenset({"companion", "companion seat", "carer"})
_PRICE = frozenset({"price", "prices", "amount", "cost", "preis", "prix", "precio", "price minor"})

_OFF_SALE_VALUES = _OFF_SALE_IF | frozenset({"blockiert", "defekt", "removed", "out of order", "closed", "unpublished"})
_TAKEN_VALUES = _TAKEN_IF
_FREE_VALUES = frozenset({"available", "free", "open", "on sale", "onsale", "for sale", "frei", "verfügbar", "vacant"})
_YES = frozenset({"true", "yes", "y", "1", "x", "ja", "j", "oui", "si", "sí", "sim", "✓", "✔"})
_NO = frozenset({"false", "no", "n", "0", "nein", "non", "não", "nee", "-"})

_BLOCK_IN_SHOW = (
    "Not imported, because a plan is for every show: the seats are for sale. Block them in the show that they are "
    "taken in, before its sales start."
)
_PRICES_ELSEWHERE = "Not imported: prices belong to a show. Give them with rowlock show create --price CATEGORY=AMOUNT."


def use(name: str, value: object, seats: Sequence[DraftSeat], place: str, findings: Findings) -> bool:
    """Use or name the mark `name` with its value on these seats; False when the name is not known.

    value  of JSON, or the text of a cell. None and empty text are no mark.
    """
    title = _title(name)
    if title not in _KNOWN:
        return False
    text = _as_text(value)
    if not seats or text == "":
        return True
    marks = _Marks(seats, f"with {name} {_described(value)}", place, findings)
    if title in _PRICE:
        findings.of_seats("SEAT_MARK_IGNORED", "warning", place, f"with a {name}", _PRICES_ELSEWHERE, seats=len(seats))
    elif title in _STATUS:
        marks.status(text)
    elif text not in _YES | _NO:
        marks.not_understood()
    elif title in _OFF_SALE_UNLESS:
        if text in _NO:
            marks.off_sale()
    elif text in _YES:
        marks.yes(title)
    return True


def knows(name: str) -> bool:
    """Say whether a key or a column is a mark."""
    return _title(name) in _KNOWN


def _title(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


_KNOWN = _STATUS | _OFF_SALE_IF | _OFF_SALE_UNLESS | _TAKEN_IF | _WHEELCHAIR_IF | _COMPANION_IF | _PRICE


def _as_text(value: object) -> str:
    """Return a value as a word to compare; what is neither a word nor a number is a word that nothing knows."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float | str):
        return " ".join(str(value).replace("_", " ").casefold().split())
    return "?"


def _described(value: object) -> str:
    return f'"{value[:40]}"' if isinstance(value, str) and value.isprintable() else describe(value)


class _Marks:
    """One mark on some seats."""

    def __init__(self, seats: Sequence[DraftSeat], found: str, place: str, findings: Findings) -> None:
        self._seats = seats
        self._found = found
        self._place = place
        self._findings = findings

    def status(self, text: str) -> None:
        """Use a status in words."""
        if text in _OFF_SALE_VALUES:
            self.off_sale()
        elif text in _TAKEN_VALUES:
            self._warn(_BLOCK_IN_SHOW)
        elif text not in _FREE_VALUES:
            self.not_understood()

    def yes(self, title: str) -> None:
        """Use a mark that is set."""
        if title in _OFF_SALE_IF:
            self.off_sale()
        elif title in _TAKEN_IF:
            self._warn(_BLOCK_IN_SHOW)
        else:
            self._kind("wheelchair" if title in _WHEELCHAIR_IF else "companion")

    def _kind(self, kind: SeatKind) -> None:
        """Make the seats accessible places; what the format itself says of a seat's kind counts more."""
        changed = [seat for seat in self._seats if seat.kind == "standard"]
        for seat in changed:
            seat.kind = kind
        if changed:
            done = f"Read as {'wheelchair places' if kind == 'wheelchair' else 'companion seats'}."
            self._findings.of_seats("KIND_FROM_MARK", "info", self._place, self._found, done, seats=len(changed))

    def off_sale(self) -> None:
        """Take the seats off sale."""
        for seat in self._seats:
            seat.for_sale = False
        done = 'Put into a category of their own that is not for sale, such as "Stalls (not for sale)".'
        self._findings.of_seats(
            "SEATS_NOT_FOR_SALE", "repaired", self._place, self._found, done, seats=len(self._seats)
        )

    def not_understood(self) -> None:
        """Name a value that means nothing here."""
        self._warn("Not understood and not imported: the seats are as if they had no such mark.")

    def _warn(self, done: str) -> None:
        self._findings.of_seats("SEAT_MARK_IGNORED", "warning", self._place, self._found, done, seats=len(self._seats))
