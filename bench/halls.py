"""The halls and shows that are on sale in the benchmark, and databases that look as if they had sold for years.

Plans are published through the product. Shows and old reservations are written in SQL by the hundred thousand, in the
state that the functions would have left: the auditor checks them together with what the load adds.
"""

import asyncio
from dataclasses import dataclass

from bench.cluster import Cluster, Database
from bench.wishes import SEATS_PER_RESERVATION, SHOW_NUMBERS_FROM
from rowlock.db.pool import connect
from rowlock.domain.plan import Category, Row, Seat, SeatingPlan, Section
from rowlock.plans.showcase import stadium
from rowlock.services.programme import import_plan

SHOWS_OF_THE_HALL = 2_000
SEATS_OF_THE_HALL = 20_000
SEATS_OF_THE_STADIUM = 100_000
HERD_SEATS = 8_000
GROWN_FROM = 100
_SEATS_A_ROW = 100

_ADD_SHOWS = """
    insert into rowlock.shows
        (show_id, plan_id, slug, title, starts_at, currency, seats_total, hold_seconds, max_hold_seconds)
    select
        ('00000000-0000-4000-8000-' || n.number)::uuid, p.plan_id, 'show-' || n.number, 'Show ' || n.number,
        clock_timestamp() + interval '30 days', 'USD', p.seats_total, %(hold_seconds)s, greatest(1500, %(hold_seconds)s)
    from rowlock.seating_plans as p, generate_series(%(first)s::bigint, %(first)s::bigint + %(shows)s - 1) as n (number)
"""
_ADD_PRICES = """
    insert into rowlock.show_prices (show_id, category, amount_minor)
    select s.show_id, c.number - 1, 2500
    from rowlock.shows as s
    join rowlock.seating_plans as p using (plan_id),
        lateral generate_series(1, jsonb_array_length(p.layout -> 'categories')) as c (number)
    on conflict do nothing
"""

# Holds number first … first + holds - 1, two seats each, dealt out to the shows in turn.
_DEAL = """
    create temporary table dealt as
    select
        ('00000000-0000-4000-8000-' || (%(first_show)s + n.number %% %(shows)s))::uuid as show_id,
        md5(%(word)s || n.number)::uuid as reservation_id,
        %(word)s || n.number as reserved_by,
        array[
            (2 * (%(first_pair)s + n.number / %(shows)s) + 1)::integer,
            (2 * (%(first_pair)s + n.number / %(shows)s) + 2)::integer
        ] as seat_ids,
        clock_timestamp() - make_interval(secs => %(age_seconds)s) as created_at
    from generate_series(0::bigint, %(holds)s - 1) as n (number)
"""
_ADD_RESERVATIONS = """
    insert into rowlock.seat_reservations
        (show_id, reservation_id, token_hash, reserved_by, session_id, seat_ids, status, created_at, expires_at,
        ended_at)
    select
        d.show_id, d.reservation_id, sha256(d.reserved_by::bytea), d.reserved_by, d.reserved_by, d.seat_ids,
        case when %(ended)s then 'released' else 'active' end, d.created_at,
        d.created_at + make_interval(secs => s.hold_seconds), case when %(ended)s then d.created_at end
    from dealt as d
    join rowlock.shows as s using (show_id)
"""
_ADD_CLAIMS = """
    insert into rowlock.show_seats (show_id, seat_id, status, reservation_id, reserved_by, reserved_until)
    select r.show_id, c.seat_id, 'reserved', r.reservation_id, r.reserved_by, r.expires_at
    from dealt as d
    join rowlock.seat_reservations as r using (show_id, reservation_id),
        lateral unnest(d.seat_ids) as c (seat_id)
    order by r.show_id, c.seat_id
"""
_ADD_EVENTS = """
    insert into rowlock.seat_reservation_audit_log
        (at, show_id, reservation_id, event, seat_ids, session_id, ip_address, user_agent, error_code)
    select
        d.created_at, d.show_id, d.reservation_id, e.event, d.seat_ids, d.reserved_by, '127.0.0.1', 'rowlock-bench',
        case when e.event = 'failed' then 'SEATS_UNAVAILABLE' end
    from dealt as d
    cross join unnest(%(events)s::text[]) with ordinality as e (event, place)
    order by d.created_at, d.reservation_id, e.place
"""


@dataclass(frozen=True, slots=True)
class Past:
    """Holds that were made before the measurement, two seats each, dealt out to `shows` shows from `first_show` on.

    word        makes their holders different from those of other pasts.
    first_pair  the first pair of seats of each show that they take.
    kind        "live" holds; "released" ones, which left two events and no claims; "failed" attempts: one event each.
    """

    word: str
    kind: str
    holds: int
    shows: int
    first_show: int = 0
    first_pair: int = 0
    age_seconds: int = 0


def hall_template(cluster: Cluster) -> str:
    """A plain hall of 20,000 seats with thousands of shows: the on-sale."""
    return cluster.template("hall", lambda database: _fill(database, grid(SEATS_OF_THE_HALL), SHOWS_OF_THE_HALL))


def herd_template(cluster: Cluster) -> str:
    """A plain hall of 8,000 seats."""
    return cluster.template("herd", lambda database: _fill(database, grid(HERD_SEATS), 10))


def stadium_template(cluster: Cluster) -> str:
    """A stadium of 100,000 seats with a few shows."""
    return cluster.template("stadium", lambda database: _fill(database, stadium(SEATS_OF_THE_STADIUM), 10))


def grown_template(cluster: Cluster, shows: int) -> str:
    """The stadium with very many shows more, from number GROWN_FROM on, whose holds live for a day."""

    def fill(database: Database) -> None:
        add_shows(database, GROWN_FROM, shows, hold_seconds=86_400)

    return cluster.template("grown", fill, base=stadium_template(cluster))


def grid(seats: int) -> SeatingPlan:
    """A plain hall: straight rows of 100 seats, one category."""
    rows = seats // _SEATS_A_ROW
    return SeatingPlan(
        name=f"Hall of {seats}",
        width=_SEATS_A_ROW * 25.0,
        height=rows * 40.0 + 200.0,
        focal_point=(_SEATS_A_ROW * 12.5, 0.0),
        categories=(Category("Seats"),),
        sections=(Section("Hall"),),
        rows=tuple(Row(0, str(row + 1)) for row in range(rows)),
        seats=tuple(
            Seat(
                seat_id=row * _SEATS_A_ROW + place + 1,
                row=row,
                run=row,
                position=place,
                number=str(place + 1),
                label=f"Row {row + 1}, seat {place + 1}",
                x=place * 25.0,
                y=200.0 + row * 40.0,
                category=0,
                source_id=f"{row + 1}-{place + 1}",
            )
            for row in range(rows)
            for place in range(_SEATS_A_ROW)
        ),
    )


def _fill(database: Database, plan: SeatingPlan, shows: int) -> None:
    asyncio.run(_publish(database.dsns.owner, plan))
    add_shows(database, 0, shows)


async def _publish(owner_dsn: str, plan: SeatingPlan) -> None:
    async with await connect(owner_dsn, application_name="rowlock bench") as connection:
        await import_plan(connection, plan, source_format="rowlock", venue="Bench")


def add_shows(database: Database, first: int, shows: int, *, hold_seconds: int = 600) -> None:
    """Put shows number `first` and following on sale in the database's one plan."""
    with database.owner() as connection:
        connection.execute(
            _ADD_SHOWS, {"first": SHOW_NUMBERS_FROM + first, "shows": shows, "hold_seconds": hold_seconds}
        )
        connection.execute(_ADD_PRICES)


def add_past(database: Database, past: Past) -> None:
    """Write a past into the database, with the events that belong to it."""
    events = {"live": ["created"], "released": ["created", "released"], "failed": ["failed"]}[past.kind]
    with database.owner() as connection, connection.transaction():
        connection.execute("set local work_mem = '256MB'")
        connection.execute(
            _DEAL,
            {
                "word": past.word,
                "first_show": SHOW_NUMBERS_FROM + past.first_show,
                "shows": past.shows,
                "holds": past.holds,
                "first_pair": past.first_pair,
                "age_seconds": past.age_seconds,
            },
        )
        if past.kind != "failed":
            connection.execute(_ADD_RESERVATIONS, {"ended": past.kind == "released"})
        if past.kind == "live":
            connection.execute(_ADD_CLAIMS)
        connection.execute(_ADD_EVENTS, {"events": events})
        connection.execute("drop table dealt")


def pairs_needed(holds: int, shows: int) -> int:
    """How many pairs of each show `holds` holds take when they are dealt out to `shows` shows."""
    return -(-holds // shows)


def shows_needed(holds: int) -> int:
    """How many shows of the hall so many holds of two seats fill."""
    return -(-holds * SEATS_PER_RESERVATION // SEATS_OF_THE_HALL)
