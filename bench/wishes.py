"""Which seats the n-th request of a run asks for: the one rule that pgbench, wrk and our own generators follow.

Every request wants two seats that nobody else asks for, so that each one can succeed. generators/reserve.lua and
generators/pgbench.py repeat the rule in their own languages; the ledger finds out when they do not agree.
"""

from dataclasses import dataclass

SEATS_PER_RESERVATION = 2
SHOW_NUMBERS_FROM = 100_000_000_000
SESSIONS_FROM = 4_000_000_000_000
_SHOW_ID_HEAD = "00000000-0000-4000-8000-"


class SoldOutError(Exception):
    """The shows that were made beforehand do not last; make more of them."""


def show_id(number: int) -> str:
    """The id of show `number`: twelve decimal digits are also twelve hexadecimal ones, so SQL and Lua need no more
    than to append the number."""
    return f"{_SHOW_ID_HEAD}{SHOW_NUMBERS_FROM + number}"


@dataclass(frozen=True, slots=True)
class Wishes:
    """An endless series of requests for two seats each.

    first_show  number of the show it begins with.
    pairs       pairs of neighbouring seats a show has to give; then the next shows follow.
    at_once     shows that take turns: 1 is an on-sale in which everybody wants the same show.
    first_pair  where in each show it begins.
    skip        requests of the series that were made before.
    """

    first_show: int
    pairs: int
    at_once: int = 1
    first_pair: int = 0
    skip: int = 0

    def get(self, number: int) -> tuple[str, tuple[int, int], str]:
        """Show id, seat ids and session id of request `number`, counted from 0."""
        number += self.skip
        lap, place = divmod(number, self.at_once * self.pairs)
        show = self.first_show + lap * self.at_once + place % self.at_once
        pair = self.first_pair + place // self.at_once
        return show_id(show), (2 * pair + 1, 2 * pair + 2), str(SESSIONS_FROM + number)


class Supply:
    """Hands out shows that nobody has asked for yet, so that each run begins in an empty hall."""

    def __init__(self, shows: int, seats: int) -> None:
        self._shows = shows
        self._pairs = seats // SEATS_PER_RESERVATION
        self._next = 0

    def take(self, requests: int, *, at_once: int = 1) -> Wishes:
        """Wishes for so many requests. Raises SoldOutError."""
        laps = -(-requests // (self._pairs * at_once))
        wishes = Wishes(self._next, self._pairs, at_once)
        self._next += laps * at_once
        if self._next > self._shows:
            raise SoldOutError(f"{self._shows} shows were made, and {self._next} are needed. Make more in halls.py.")
        return wishes
