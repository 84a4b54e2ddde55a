"""Whether a reserve gets slower as the business grows: big halls, many shows, many live claims, a long audit log.

Both databases are asked by one client, over HTTP and by calling the function; the four take turns with every request.
The row has the worse of the two ratios.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial

import psycopg

from bench.cluster import Connection as DatabaseConnection
from bench.cluster import Database
from bench.context import Bench
from bench.generators.http import Connection, reserve_request
from bench.generators.wrk import RESERVE_V2, USER_AGENT
from bench.halls import (
    GROWN_FROM,
    SEATS_OF_THE_HALL,
    SEATS_OF_THE_STADIUM,
    SHOWS_OF_THE_HALL,
    Past,
    add_past,
    grown_template,
    hall_template,
    pairs_needed,
)
from bench.invariants import count
from bench.measuring import figures, ratio
from bench.report import Row
from bench.scale import Scale
from bench.server import Server, rowlock_server
from bench.single import UnexpectedAnswerError, ask, time_in_turns
from bench.wishes import SEATS_PER_RESERVATION, Wishes
from rowlock.db.pool import connection_string

_SIDES = ("grown_http", "small_http", "grown_sql", "small_sql")
_CALL = """
    select outcome
    from rowlock.reserve_seats_atomic(%b::uuid, %b::int4[], %b::text, %b::text, %b::inet, %b::text, uuidv7(), %b::bytea)
"""
_TOKEN_HASH = bytes(range(16)) * 2

Calls = Iterator[Callable[[], object]]


class _Side:
    """One of the two databases with its server. Nobody asks twice for the same seats, over HTTP or directly."""

    def __init__(self, database: Database, server: Server, wishes: Wishes, stack: ExitStack) -> None:
        self._address = ("127.0.0.1", server.port)
        self._http = stack.enter_context(closing(Connection(self._address)))
        dsn = connection_string(database.dsns.app, application_name="rowlock bench")
        self._database: DatabaseConnection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        self._wishes = wishes
        self._next = 0

    def requests(self, calls: int) -> Calls:
        """So many reservations over HTTP."""
        for number in self._numbers(calls):
            yield partial(ask, self._http, reserve_request(self._address, RESERVE_V2, self._wishes, number), expect=201)

    def calls(self, calls: int) -> Calls:
        """So many calls of the function, with the same arguments."""
        for number in self._numbers(calls):
            show, seats, session = self._wishes.get(number)
            yield partial(self._call, (show, list(seats), session, session, "127.0.0.1", USER_AGENT, _TOKEN_HASH))

    def _call(self, arguments: tuple[object, ...]) -> None:
        row = self._database.execute(_CALL, arguments, prepare=True, binary=True).fetchone()
        if row != ("OK",):
            raise UnexpectedAnswerError(f"{row} instead of OK for {arguments}")

    def _numbers(self, calls: int) -> range:
        numbers = range(self._next, self._next + calls)
        self._next = numbers.stop
        return numbers


def measure(bench: Bench) -> list[Row]:
    """growth."""
    scale = bench.scale
    bench.say("growth: filling the grown database")
    with (
        bench.cluster.database(grown_template(bench.cluster, scale.growth_shows)) as grown,
        bench.cluster.database(hall_template(bench.cluster)) as small,
    ):
        first_pair = _fill(grown, scale)
        pairs = SEATS_OF_THE_STADIUM // 2 - first_pair
        with ExitStack() as stack:
            servers = [stack.enter_context(rowlock_server(database, bench.folder)) for database in (grown, small)]
            big = _Side(grown, servers[0], Wishes(GROWN_FROM, pairs, scale.growth_shows, first_pair), stack)
            little = _Side(small, servers[1], Wishes(0, SEATS_OF_THE_HALL // 2), stack)
            rounds: dict[str, list[float]] = {name: [] for name in _SIDES}
            for number in range(scale.steady_rounds + 1):
                n = scale.samples
                timed = time_in_turns([big.requests(n), little.requests(n), big.calls(n), little.calls(n)])
                for database in (grown, small):
                    database.ledger.add(2 * n)
                    database.settle()
                if number:  # The first round warms up.
                    for name, histogram in zip(_SIDES, timed, strict=True):
                        rounds[name].append(histogram.percentile(50) * 1000)
    return [_row(bench, rounds)]


def _row(bench: Bench, rounds: dict[str, list[float]]) -> Row:
    scale = bench.scale
    http, http_spread = ratio(rounds["grown_http"], rounds["small_http"])
    call, call_spread = ratio(rounds["grown_sql"], rounds["small_sql"])
    bench.say(f"growth: HTTP {http:.3f}, SQL {call:.3f}")
    detail = {
        "http": {"ratio": round(http, 3), **http_spread},
        "sql": {"ratio": round(call, 3), **call_spread},
        **{f"{name}_p50_ms": figures(values, 3) for name, values in rounds.items()},
        "grown": {
            "shows": scale.growth_shows,
            "seats_a_show": SEATS_OF_THE_STADIUM,
            "live_claims": scale.growth_live_claims,
            "audit_rows": scale.growth_audit_rows,
        },
        "small": {"shows": SHOWS_OF_THE_HALL, "seats_a_show": SEATS_OF_THE_HALL, "live_claims": 0, "audit_rows": 0},
    }
    return Row("growth", max(http, call), detail)


def _fill(database: Database, scale: Scale) -> int:
    """Write the past: live holds, and released holds and failed attempts for the rest of the audit log.

    Returns the first pair of seats that nobody holds in any show.
    """
    shows = scale.growth_shows
    live = scale.growth_live_claims // SEATS_PER_RESERVATION
    failed = (scale.growth_audit_rows - live) // 3
    released = (scale.growth_audit_rows - live - failed) // 2
    free_from = pairs_needed(live, shows)
    add_past(database, Past("released", "released", released, shows, first_show=GROWN_FROM, first_pair=free_from))
    add_past(database, Past("failed", "failed", failed, shows, first_show=GROWN_FROM))
    add_past(database, Past("live", "live", live, shows, first_show=GROWN_FROM))
    database.vacuum()
    database.ledger.before = count(database.dsns.owner)
    return free_from
