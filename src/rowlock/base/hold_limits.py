"""The limits of what one client may hold in one show, so that it cannot keep a hall from others.

The database applies them, in the function limit_holds; here are their values and how an operator writes them.
"""

import re
from dataclasses import asdict, dataclass, fields

ORDINARY_WEIGHT = 2
"""What a new hold counts; the function limit_holds has it too, with the weights of a re-take and after a purchase."""
_LARGEST = 1_000_000
_PART = re.compile(r"([a-z_]+)=(\d{1,7})")


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """What one client address may hold in one show.

    seats    seats in live holds.
    holds    live holds.
    new      new holds within a minute, of which a re-take of seats just let go counts as five.
    session  the same for one session.
    share    percent of the free seats: so many seats may be held if that is more than `seats`, and half as many holds
             may live or be new if that is more than `holds` or `new`.
    """

    seats: int = 40
    holds: int = 25
    new: int = 60
    session: int = 10
    share: int = 25

    def __str__(self) -> str:
        """As `parse` reads them."""
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())

    @property
    def for_database(self) -> list[int]:
        """The parameter p_limits of limit_holds."""
        return [self.seats, self.holds, self.new * ORDINARY_WEIGHT, self.session * ORDINARY_WEIGHT, self.share]


def parse_limits(text: str) -> HoldLimits | None:
    """The limits in `text`, such as "seats=60 new=100"; those not named keep their default. None for "off".

    Raises ValueError with a message for the operator.
    """
    if text.strip().lower() == "off":
        return None
    names = [field.name for field in fields(HoldLimits)]
    given: dict[str, int] = {}
    for part in text.replace(",", " ").split():
        match = _PART.fullmatch(part)
        if match is None or match[1] not in names or match[1] in given:
            raise ValueError(f"{part!r} is no limit. Write off, or some of {', '.join(names)} like seats=60 new=100")
        given[match[1]] = int(match[2])
    limits = HoldLimits(**given)
    if limits.share > 100 or not all(1 <= getattr(limits, name) <= _LARGEST for name in names if name != "share"):
        raise ValueError(
            f"share is at most 100, and each other limit from 1 to {_LARGEST:,}. To limit nothing, write off"
        )
    return limits
