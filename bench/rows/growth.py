"""Whether a reserve gets slower as the business grows: big halls, many shows, many live claims, a long audit log.

Both databases are asked by one client at a time, over HTTP and in pgbench. The row has the worse of the two ratios.
"""

from collections.abc import Callable

from bench.cluster import Database
from bench.context import Bench
from bench.generators.http import Connection, reserve_request
from bench.generators.pgbench import Pgbench
from bench.generators.wrk import RESERVE_V2
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
from bench.measuring import figures, interleave, ratio
from bench.report import Row
from bench.scale import Scale
from bench.server import Server, rowlock_server
from bench.single import time_requests
from bench.wishes import SEATS_PER_RESERVATION, Supply, Wishes

Take = Callable[[int], Wishes]


class _Side:
    """One of the two databases with its server. `take` gives wishes for so many requests that nobody has made yet."""

    def __init__(self, bench: Bench, database: Database, server: Server, take: Take) -> None:
        self._samples = bench.scale.samples
        self._database = database
        self._address = ("127.0.0.1", server.port)
        self._pgbench = Pgbench(bench.tools.pgbench, database.dsns.app)
        self._take = take

    def http(self) -> float:
        """Median of requests over HTTP one after the other, in milliseconds."""
        wishes = self._take(self._samples)
        requests = [reserve_request(self._address, RESERVE_V2, wishes, number) for number in range(self._samples)]
        self._database.settle()
        connection = Connection(self._address)
        try:
            histogram = time_requests(connection, requests, expect=201)
        finally:
            connection.close()
        self._database.ledger.add(self._samples)
        return histogram.percentile(50) * 1000

    def call(self) -> float:
        """Median of calls from one pgbench client, in milliseconds."""
        wishes = self._take(self._samples)
        self._database.settle()
        result = self._pgbench.run(wishes, clients=1, transactions=self._samples, latencies=True)
        self._database.ledger.add(result.transactions)
        assert result.latencies is not None, "they were asked for"
        return result.latencies.percentile(50) * 1000


def measure(bench: Bench) -> list[Row]:
    """growth."""
    scale = bench.scale
    bench.say("growth: filling the grown database")
    with (
        bench.cluster.database(grown_template(bench.cluster, scale.growth_shows)) as grown,
        bench.cluster.database(hall_template(bench.cluster)) as small,
    ):
        first_pair = _fill(grown, scale)
        with rowlock_server(grown, bench.folder) as grown_server, rowlock_server(small, bench.folder) as small_server:
            big = _Side(bench, grown, grown_server, _takes_turns(scale.growth_shows, first_pair))
            little = _Side(bench, small, small_server, Supply(SHOWS_OF_THE_HALL, SEATS_OF_THE_HALL).take)
            sides = {"grown_http": big.http, "small_http": little.http, "grown_sql": big.call, "small_sql": little.call}
            for warm_up in sides.values():
                warm_up()
            rounds = interleave(sides, scale.rounds)
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
    return [Row("growth", max(http, call), detail)]


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


def _takes_turns(shows: int, first_pair: int) -> Take:
    """Wishes that go round all shows, each run where the one before has ended."""
    asked = 0

    def take(requests: int) -> Wishes:
        nonlocal asked
        wishes = Wishes(
            GROWN_FROM, SEATS_OF_THE_STADIUM // 2 - first_pair, at_once=shows, first_pair=first_pair, skip=asked
        )
        asked += requests
        return wishes

    return take
