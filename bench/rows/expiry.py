"""Many holds that run out together: how long the cleanup takes, and what a buyer notices of it."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import count

import psycopg

from bench.cluster import Database
from bench.context import Bench, OnSale, find_peak
from bench.generators.openloop import OpenLoopResult
from bench.halls import Past, add_past, hall_template, shows_needed
from bench.invariants import Counts
from bench.invariants import count as count_rows
from bench.measuring import figures, ratio
from bench.report import Row
from bench.server import rowlock_server
from bench.turns import Turns, interleave
from rowlock.db.pool import connect
from rowlock.db.upkeep import CLEANUP_BATCH, cleanup, cleanup_once
from rowlock.workers.reaper import BATCH, PAUSE_FACTOR, Reaper
from rowlock.workers.runner import Loop, run_loops

_AGO_SECONDS = 1_200  # Holds live for 600 seconds, so these ran out ten minutes ago.
_PERCENT_OF_PEAK = 25

_BARE_UPDATE = """
    update rowlock.seat_reservations set status = 'expired', ended_at = clock_timestamp()
    where status = 'active' and expires_at <= clock_timestamp()
"""

Run = Callable[[str], Coroutine[None, None, None]]


def measure(bench: Bench) -> Turns[list[Row]]:
    """expire_100k."""
    scale = bench.scale
    template = _template(bench)
    bench.say(f"expiry: {scale.expired_holds:,} holds")

    def clean(run: Run) -> float:
        with bench.cluster.database(template) as database:
            _prepare(database)
            return _clean(bench, database, run)

    def update() -> float:
        # The statement leaves a state that no function would: it is the yardstick, and nothing is checked after it.
        with bench.cluster.database(template, checked=False) as database:
            database.settle()
            with psycopg.connect(database.superuser, autocommit=True) as connection:
                began = time.perf_counter()
                connection.execute(_BARE_UPDATE)
                return time.perf_counter() - began

    rounds = yield from interleave({"cleanup": lambda: clean(_as_the_command), "update": update}, scale.expiry_rounds)
    value, spread = ratio(rounds["cleanup"], rounds["update"])
    alone = clean(_on_one_connection)
    detail = {
        **spread,
        "holds": scale.expired_holds,
        "claims": scale.expired_holds * 2,
        "cleanup_seconds": figures(rounds["cleanup"], 3),
        "bare_update_seconds": figures(rounds["update"], 3),
        "once_on_one_connection_seconds": round(alone, 3),
        "holds_per_transaction": CLEANUP_BATCH,
    }
    return [Row("expire_100k", value, detail)]


def _template(bench: Bench) -> str:
    holds = bench.scale.expired_holds

    def fill(database: Database) -> None:
        add_past(database, Past("expired", "live", holds, shows_needed(holds), age_seconds=_AGO_SECONDS))

    return bench.cluster.template("expired", fill, base=hall_template(bench.cluster))


def _prepare(database: Database) -> Counts:
    database.ledger.in_pairs = False
    database.ledger.before = count_rows(database.dsns.owner)
    database.settle()
    return database.ledger.before


def _clean(bench: Bench, database: Database, run: Run) -> float:
    """Seconds until `run` has retired every hold."""
    began = time.perf_counter()
    asyncio.run(run(database.dsns.app))
    seconds = time.perf_counter() - began
    retired = _retired(database)
    assert retired == bench.scale.expired_holds, f"{retired} holds were cleaned up"
    bench.say(f"expiry: cleaned up in {seconds:.2f} s")
    return seconds


async def _as_the_command(app_dsn: str) -> None:
    await cleanup(app_dsn, run_by="bench")


async def _on_one_connection(app_dsn: str) -> None:
    async with await connect(app_dsn, application_name="rowlock bench") as connection:
        while (await cleanup_once(connection, run_by="bench")).reservations_expired == CLEANUP_BATCH:
            pass


def measure_latency(bench: Bench) -> Turns[list[Row]]:
    """expire_100k_p99: a reserve at a quarter of the peak while the worker cleans up and while it rests, in turns."""
    template = _template(bench)
    peak = find_peak(bench)
    rate = peak.http_per_second * _PERCENT_OF_PEAK / 100
    seconds = bench.scale.expiry_seconds
    without, meanwhile = list[OpenLoopResult](), list[OpenLoopResult]()
    rounds = bench.scale.expiry_latency_rounds
    while len(meanwhile) < rounds:  # On a fast machine one cleanup is over before there are enough.
        with bench.cluster.database(template) as database:
            _prepare(database)
            with rowlock_server(database, bench.folder) as server:
                onsale = OnSale(bench, database, server)
                onsale.supply.take(bench.scale.expired_holds)
                onsale.http(peak.connections, bench.scale.warm_up_seconds)
                onsale.offer(rate, bench.scale.warm_up_seconds)
                for _ in _latency_rounds(bench, onsale, rate, without, meanwhile):
                    yield len(meanwhile) / rounds
                    if len(meanwhile) == rounds:
                        break
    value, spread = ratio(_p99(meanwhile), _p99(without))
    detail = {
        **spread,
        "rate_per_s": round(rate, 1),
        "without_p99_ms": figures(_p99(without), 3),
        "meanwhile_p99_ms": figures(_p99(meanwhile), 3),
        "without_p50_ms": figures([result.all.percentile(50) * 1000 for result in without], 3),
        "meanwhile_p50_ms": figures([result.all.percentile(50) * 1000 for result in meanwhile], 3),
        "seconds_of_cleanup": seconds * len(meanwhile),
        "holds_per_transaction": BATCH,
        "pause_after_each_in_times_it_took": PAUSE_FACTOR,
        "not_accepted": sum(result.due - result.statuses.get("201", 0) for result in (*without, *meanwhile)),
    }
    return [Row("expire_100k_p99", value, detail)]


def _latency_rounds(
    bench: Bench, onsale: OnSale, rate: float, without: list[OpenLoopResult], meanwhile: list[OpenLoopResult]
) -> Iterator[None]:
    """Rounds until all holds are retired: each adds a result to each list."""
    seconds, holds, app_dsn = bench.scale.expiry_seconds, bench.scale.expired_holds, onsale.database.dsns.app
    sides: list[Callable[[], None]] = [
        lambda: without.append(onsale.offer(rate, seconds)),
        # The worker begins after the rest, so that buyers are there for all that it does.
        lambda: meanwhile.append(onsale.offer(rate, seconds, beside=_worker(app_dsn))),
    ]
    for number in count(1):
        for side in sides:
            side()
        sides.reverse()  # So that each side comes first as often as the other.
        retired = _retired(onsale.database)
        bench.say(f"expiry: {retired:,} holds retired by the worker")
        if retired == holds and number > 1:  # In the last of several rounds the cleanup came to its end.
            without.pop()
            meanwhile.pop()
        yield
        if retired == holds:
            return


def _p99(results: list[OpenLoopResult]) -> list[float]:
    return [result.all.percentile(99) * 1000 for result in results]


def _retired(database: Database) -> int:
    with database.owner() as connection:
        row = connection.execute("select count(*) from rowlock.seat_reservations where status = 'expired'").fetchone()
    assert row is not None, "count answers with one row"
    return int(str(row[0]))


@contextmanager
def _worker(app_dsn: str) -> Iterator[None]:
    """The reaper at work in its runner, as in `rowlock worker`, until the block ends."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    work = run_loops(app_dsn, [Loop("reaper", Reaper().work)], stop)
    thread = threading.Thread(target=loop.run_until_complete, args=[work])
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
