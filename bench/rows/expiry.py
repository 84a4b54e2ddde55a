"""Many holds that run out together: how long the cleanup takes, and what a buyer notices of it."""

import asyncio
import time
from collections.abc import Callable, Coroutine

import psycopg

from bench.cluster import Database
from bench.context import Bench, OnSale, peak_of
from bench.generators.openloop import OpenLoopResult, Plan, Running
from bench.generators.wrk import RESERVE_V2
from bench.halls import Past, add_past, hall_template, shows_needed
from bench.invariants import Counts, count
from bench.measuring import figures, interleave, ratio
from bench.report import Row
from bench.server import rowlock_server
from bench.wishes import Wishes
from rowlock.db.connections import Connection
from rowlock.db.pool import connect
from rowlock.db.upkeep import CLEANUP_BATCH, cleanup
from rowlock.workers.reaper import BATCH, LOOK_SECONDS, PAUSE_FACTOR, Reaper
from rowlock.workers.runner import Loop, run_loops

_AGO_SECONDS = 1_200  # Holds live for 600 seconds, so these ran out ten minutes ago.
_PERCENT_OF_PEAK = 25
_CONNECTIONS = 1_000
_SHORTEST_NORMAL_SECONDS = 3

_BARE_UPDATE = """
    update rowlock.seat_reservations set status = 'expired', ended_at = clock_timestamp()
    where status = 'active' and expires_at <= clock_timestamp()
"""
_BARE_UPDATE_OF_CLAIMS = """
    update rowlock.show_seats set reserved_until = clock_timestamp()
    where status = 'reserved' and reserved_until <= clock_timestamp()
"""


def measure(bench: Bench) -> list[Row]:
    """expire_100k and expire_100k_p99."""
    scale = bench.scale
    template = _template(bench)
    bench.say(f"expiry: {scale.expired_holds:,} holds")

    def clean() -> float:
        with bench.cluster.database(template) as database:
            _prepare(database)
            return _clean(bench, database)

    def bare(statement: str) -> float:
        # The statement leaves a state that no function would: it is the yardstick, and nothing is checked after it.
        with bench.cluster.database(template, checked=False) as database:
            database.settle()
            with psycopg.connect(database.superuser, autocommit=True) as connection:
                began = time.perf_counter()
                connection.execute(statement.encode())
                return time.perf_counter() - began

    rounds = interleave(
        {"cleanup": clean, "update": lambda: bare(_BARE_UPDATE), "claims": lambda: bare(_BARE_UPDATE_OF_CLAIMS)},
        scale.expiry_rounds,
    )
    value, spread = ratio(rounds["cleanup"], rounds["update"])
    both = [update + claims for update, claims in zip(rounds["update"], rounds["claims"], strict=True)]
    detail = {
        **spread,
        "holds": scale.expired_holds,
        "claims": scale.expired_holds * 2,
        "cleanup_seconds": figures(rounds["cleanup"], 3),
        "bare_update_of_holds_seconds": figures(rounds["update"], 3),
        "bare_update_of_their_claims_seconds": figures(rounds["claims"], 3),
        "ratio_to_bare_updates_of_holds_and_claims": round(ratio(rounds["cleanup"], both)[0], 3),
        "holds_per_transaction": CLEANUP_BATCH,
    }
    return [Row("expire_100k", value, detail), _latency(bench, template)]


def _template(bench: Bench) -> str:
    holds = bench.scale.expired_holds

    def fill(database: Database) -> None:
        add_past(database, Past("expired", "live", holds, shows_needed(holds), age_seconds=_AGO_SECONDS))

    return bench.cluster.template("expired", fill, base=hall_template(bench.cluster))


def _prepare(database: Database) -> Counts:
    database.ledger.in_pairs = False
    database.ledger.before = count(database.dsns.owner)
    database.settle()
    return database.ledger.before


def _clean(bench: Bench, database: Database, run: Callable[[str], Coroutine[None, None, None]] | None = None) -> float:
    """Seconds until every hold is retired: in one go like the command, or by `run`."""
    began = time.perf_counter()
    asyncio.run((run or _as_the_command)(database.dsns.app))
    seconds = time.perf_counter() - began
    with database.owner() as connection:
        row = connection.execute("select count(*) from rowlock.seat_reservations where status = 'expired'").fetchone()
    assert row == (bench.scale.expired_holds,), f"{row} holds were cleaned up"
    bench.say(f"expiry: cleaned up in {seconds:.2f} s")
    return seconds


async def _as_the_command(app_dsn: str) -> None:
    await cleanup(app_dsn, run_by="bench")


async def _as_the_worker(app_dsn: str) -> None:
    """The reaper in its runner, until it has no more batches to do."""
    stop = asyncio.Event()
    reaper = Reaper()

    async def work(connection: Connection) -> float:
        seconds = await reaper.work(connection)
        if seconds == LOOK_SECONDS:
            stop.set()
        return seconds

    await run_loops(app_dsn, [Loop("reaper", work)], stop)


def _latency(bench: Bench, template: str) -> Row:
    """p99 of a reserve at a quarter of the peak, before the worker's cleanup and while it runs."""
    peak = peak_of(bench)
    rate = peak.http_per_second * _PERCENT_OF_PEAK / 100
    before, during, cleanups = [], [], []
    for _ in range(bench.scale.latency_rounds):
        with bench.cluster.database(template) as database:
            _prepare(database)
            with rowlock_server(database, bench.folder) as server:
                onsale = OnSale(bench, database, server)
                onsale.supply.take(bench.scale.expired_holds)
                onsale.http(peak.connections, bench.scale.warm_up_seconds)
                onsale.rest()
                normal = _open_loop(onsale, rate)
                time.sleep(max(_SHORTEST_NORMAL_SECONDS, 2 * bench.scale.latency_seconds))
                before.append(onsale.enter(normal.result(stop=True)))
                rush = _open_loop(onsale, rate)
                cleanups.append(_clean(bench, database, _as_the_worker))
                during.append(onsale.enter(rush.result(stop=True)))
    value, spread = ratio(_p99(during), _p99(before))
    detail = {
        **spread,
        "rate_per_s": round(rate, 1),
        "before_p99_ms": figures(_p99(before), 3),
        "during_p99_ms": figures(_p99(during), 3),
        "before_p50_ms": figures([result.accepted.percentile(50) * 1000 for result in before], 3),
        "during_p50_ms": figures([result.accepted.percentile(50) * 1000 for result in during], 3),
        "cleanup_seconds": figures(cleanups, 2),
        "holds_per_transaction": BATCH,
        "pause_after_each_in_times_it_took": PAUSE_FACTOR,
        "not_accepted": sum(result.due - result.statuses.get("201", 0) for result in (*before, *during)),
    }
    return Row("expire_100k_p99", value, detail)


def _p99(results: list[OpenLoopResult]) -> list[float]:
    return [result.all.percentile(99) * 1000 for result in results]


def _open_loop(onsale: OnSale, rate: float) -> Running:
    longest = 120
    wishes: Wishes = onsale.supply.take(int(rate * longest))
    return Running(
        Plan(
            port=onsale.server.port,
            path=RESERVE_V2,
            rate=rate,
            seconds=longest,
            connections=_CONNECTIONS,
            first_show=wishes.first_show,
            pairs=wishes.pairs,
        )
    )
