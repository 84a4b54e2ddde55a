"""The halls and shows that are on sale, holds made before the measurement, and which seats its n-th request asks for.

Plans are published through the product. Shows and old holds are written in SQL by the hundred thousand, in the state
that the functions would have left: the auditor checks them together with what the load adds.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from bench.cluster import SEATS_PER_RESERVATION, Cluster, Database
from bench.product import migrate_and_publish, stadium

SHOW_NUMBERS_FROM = 100_000_000_000
SESSIONS_FROM = 400_000_000_000
SEATS_OF_THE_HALL = 20_000
SHOWS_OF_THE_HALL = 4_000
# Numbers of the first show of each kind.
HOT_SHOW, SMALL_HALL, STADIUM, GROWN = 10_000, 20_000, 30_000, 40_000
_HOT_SHOW_HOLD_SECONDS = 1

_GROUP_SIZES = {1: 10, 2: 40, 3: 14, 4: 20, 5: 6, 6: 6, 7: 2, 8: 2}
"""Groups of each size that come to a show, in percent: an assumption, with couples first and families second."""

_ADD_SHOWS = """
    with added as (
        insert into rowlock.shows
            (show_id, plan_id, slug, title, starts_at, currency, seats_total, hold_seconds, max_hold_seconds)
        select
            ('00000000-0000-4000-8000-' || n.number)::uuid, p.plan_id, 'show-' || n.number, 'Show ' || n.number,
            clock_timestamp() + interval '30 days', 'USD', p.seats_total, %(hold_seconds)s,
            greatest(1500, %(hold_seconds)s)
        from rowlock.seating_plans as p,
            generate_series(%(first)s::bigint, %(first)s::bigint + %(shows)s - 1) as n (number)
        where p.seats_total = %(seats)s
        returning show_id, plan_id
    )
    insert into rowlock.show_prices (show_id, category, amount_minor)
    select a.show_id, c.number - 1, 2500
    from added as a
    join rowlock.seating_plans as p using (plan_id),
        lateral generate_series(1, jsonb_array_length(p.layout -> 'categories')) as c (number)
"""
# Holds number 0 … holds - 1, two seats each, dealt out to the shows in turn. Of failed ones there is the event alone.
_ADD_PAST = """
    with dealt as materialized (
        select
            s.show_id, md5(%(word)s || n.number)::uuid as reservation_id, %(word)s || n.number as holder,
            array[2 * (n.number / %(shows)s) + 1, 2 * (n.number / %(shows)s) + 2]::integer[] as seat_ids,
            now() - make_interval(secs => %(age_seconds)s) as created_at,
            now() - make_interval(secs => %(age_seconds)s - s.hold_seconds) as expires_at
        from generate_series(0::bigint, %(holds)s - 1) as n (number)
        join rowlock.shows as s
            on s.show_id = ('00000000-0000-4000-8000-' || (%(first_show)s + n.number %% %(shows)s))::uuid
    ), reserved as (
        insert into rowlock.seat_reservations
            (show_id, reservation_id, token_hash, reserved_by, session_id, seat_ids, status, created_at, expires_at)
        select
            show_id, reservation_id, sha256(holder::bytea), holder, holder, seat_ids, 'active', created_at, expires_at
        from dealt
        where not %(failed)s
    ), claimed as (
        insert into rowlock.show_seats (show_id, seat_id, status, reservation_id, reserved_by, reserved_until)
        select d.show_id, c.seat_id, 'reserved', d.reservation_id, d.holder, d.expires_at
        from dealt as d, lateral unnest(d.seat_ids) as c (seat_id)
        where not %(failed)s
        order by d.show_id, c.seat_id
    )
    insert into rowlock.seat_reservation_audit_log
        (at, show_id, reservation_id, event, seat_ids, session_id, ip_address, user_agent, error_code)
    select
        created_at, show_id, reservation_id, case when %(failed)s then 'failed' else 'created' end, seat_ids, holder,
        '127.0.0.1', 'rowlock-bench', case when %(failed)s then 'SEATS_UNAVAILABLE' end
    from dealt
    order by reservation_id
"""


def show_id(number: int) -> str:
    """The id of a show. Its number has decimal digits only, which are also hexadecimal: SQL and Lua just append it."""
    return f"00000000-0000-4000-8000-{SHOW_NUMBERS_FROM + number}"


def halls(cluster: Cluster, seats: tuple[int, int]) -> str:
    """The template with shows on sale: thousands of the hall, some of a small one and a stadium with so many seats."""
    small, large = seats

    def fill(database: Database) -> None:
        migrate_and_publish(database.dsns.owner, [stadium(size) for size in {SEATS_OF_THE_HALL, small, large}])
        add_shows(database, 0, SHOWS_OF_THE_HALL, SEATS_OF_THE_HALL)
        add_shows(database, HOT_SHOW, 2, SEATS_OF_THE_HALL, hold_seconds=_HOT_SHOW_HOLD_SECONDS)
        add_shows(database, SMALL_HALL, 10, small)
        add_shows(database, STADIUM, 10, large)

    return cluster.template("halls", fill)


def add_shows(database: Database, first: int, shows: int, seats: int, *, hold_seconds: int = 600) -> None:
    """Put shows number `first` and following on sale, in the hall that has so many seats."""
    values = {"first": SHOW_NUMBERS_FROM + first, "shows": shows, "seats": seats, "hold_seconds": hold_seconds}
    with database.owner() as connection:
        connection.execute(_ADD_SHOWS, values)


def add_past(
    database: Database, holds: int, shows: int, first_show: int = 0, *, age_seconds: int = 0, failed: bool = False
) -> None:
    """Write holds of two seats, dealt out to so many shows, and their events; of `failed` attempts the events alone."""
    values = {"holds": holds, "shows": shows, "first_show": SHOW_NUMBERS_FROM + first_show, "failed": failed}
    with database.owner() as connection, connection.transaction():
        connection.execute("set local work_mem = '256MB'")
        connection.execute(_ADD_PAST, values | {"age_seconds": age_seconds, "word": secrets.token_hex(4)})


@dataclass(frozen=True, slots=True)
class Wishes:
    """An endless series of requests for two seats each that no other asks for, so that each can succeed.

    generators/reserve.lua and reserve.sql repeat the rule; the ledger finds out when they do not agree.

    first_show  number of the show it begins with.
    pairs       pairs of neighbouring seats a show has to give; then the next shows follow.
    at_once     shows that take turns: 1 is an on-sale in which everyone wants the same show.
    skip        requests of the series that were made before.
    """

    first_show: int
    pairs: int
    at_once: int = 1
    skip: int = 0

    def get(self, number: int) -> tuple[str, tuple[int, int], str]:
        """Show id, seat ids and session id of request `number`, counted from 0."""
        number += self.skip
        lap, place = divmod(number, self.at_once * self.pairs)
        show = self.first_show + lap * self.at_once + place % self.at_once
        pair = place // self.at_once
        return show_id(show), (2 * pair + 1, 2 * pair + 2), f"00000000-0000-4000-9000-{SESSIONS_FROM + number}"


class Supply:
    """Hands out shows that no run has asked for yet, so that each begins in an empty hall."""

    def __init__(self, shows: int, seats: int) -> None:
        self._shows = shows
        self._pairs = seats // SEATS_PER_RESERVATION
        self._next = 0

    def take(self, requests: int, *, at_once: int = 1) -> Wishes:
        """Wishes for so many requests. Raises ValueError when the shows that were made do not last."""
        wishes = Wishes(self._next, self._pairs, at_once)
        self._next += -(-requests // (self._pairs * at_once)) * at_once
        if self._next > self._shows:
            raise ValueError(f"{self._shows} shows were made, and {self._next} are needed. Make more in halls.py.")
        return wishes


def groups(chance: Random) -> Iterator[int]:
    """Sizes of groups as they arrive, without end."""
    while True:
        yield from chance.choices(list(_GROUP_SIZES), list(_GROUP_SIZES.values()), k=1_000)


def groups_for(seats: int, chance: Random) -> Iterator[int]:
    """Sizes of groups that want exactly `seats` seats together: the last one is as small as it has to be."""
    arriving = groups(chance)
    while seats:
        yield (size := min(next(arriving), seats))
        seats -= size
