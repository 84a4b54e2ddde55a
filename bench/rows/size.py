"""What size and upkeep cost: a reserve in a database that has grown, and many holds that run out together."""

import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

import psycopg

from bench.cluster import SEATS_PER_RESERVATION, Database
from bench.context import Bench, measures
from bench.figures import Figure, interleave, medians_in_turns, percentile, ratio
from bench.generators.http import USER_AGENT
from bench.halls import GROWN, SEATS_OF_THE_HALL, Wishes, add_past, add_shows
from bench.processes import rowlock
from bench.product import as_application, retire_expired
from bench.report import RowKind
from bench.rows.load import find_peak

_CALL = """
    select outcome
    from rowlock.reserve_seats_atomic(%b::uuid, %b::int4[], %b::text, %b::text, %b::inet, %b::text, uuidv7(), %b::bytea)
"""
_TOKEN_HASH = bytes(range(16)) * 2

_EXPIRED_SECONDS_AGO = 1_200  # Holds live for 600 seconds.
_SHARE_OF_PEAK = 0.25
_BARE_UPDATE = """
    update seat_reservations set status = 'expired', ended_at = clock_timestamp()
    where status = 'active' and expires_at <= clock_timestamp()
"""
_LAPSED = "select count(*) from seat_reservations where status = 'active' and expires_at <= clock_timestamp()"


@measures("seats", RowKind("growth", "ratio", "≤ 1.15", "p50 of a reserve: grown database ÷ small one"))
def measure_growth(bench: Bench) -> Mapping[str, Figure]:
    """One client calls the function in both, in turns. Over HTTP, where the server adds its time, they differ less."""
    seats, (shows, claims, audit_rows) = bench.scale.seats[1], bench.scale.grown
    live, samples, rounds = claims // SEATS_PER_RESERVATION, bench.scale.samples, bench.scale.rounds

    def grow(database: Database) -> None:
        add_shows(database, GROWN, shows, seats, hold_seconds=86_400)
        add_past(database, audit_rows - live, shows, GROWN, failed=True)
        add_past(database, live, shows, GROWN)
        database.settle("vacuum analyze")

    # Old holds are dealt out by the same rule, so in the grown database the series goes on behind them.
    wishes = {"grown": Wishes(GROWN, seats // 2, shows, skip=live), "small": Wishes(0, SEATS_OF_THE_HALL // 2)}
    with ExitStack() as stack:
        sides = {}
        for name, series in wishes.items():
            database = stack.enter_context(bench.cluster.database(bench.halls()))
            if name == "grown":
                grow(database)
            stack.enter_context(database.checked())
            connection = psycopg.connect(as_application(database.dsns.app), autocommit=True)
            sides[name] = partial(_call, stack.enter_context(connection), series)
            database.ledger.add(samples * (rounds + 1))
        p50 = medians_in_turns(sides, samples, rounds)
    return {"growth": ratio(("grown_p50_ms", p50["grown"]), ("small_p50_ms", p50["small"]))}


def _call(connection: psycopg.Connection[tuple[object, ...]], wishes: Wishes, number: int) -> None:
    show, seats, session = wishes.get(number)
    arguments = (show, list(seats), session, session, "127.0.0.1", USER_AGENT, _TOKEN_HASH)
    row = connection.execute(_CALL, arguments, prepare=True, binary=True).fetchone()
    assert row == ("OK",), f"{row} instead of OK for {arguments}"


def _expired(bench: Bench, database: Database, first_show: int = 0) -> None:
    """Many holds that have run out."""
    holds = bench.scale.expired_holds
    shows = -(-holds * SEATS_PER_RESERVATION // SEATS_OF_THE_HALL)
    add_past(database, holds, shows, first_show, age_seconds=_EXPIRED_SECONDS_AGO)


@measures("seats", RowKind("expire_100k", "ratio", "≤ 2", "cleaning up expired holds ÷ a bare UPDATE of them"))
def measure_cleanup(bench: Bench) -> Mapping[str, Figure]:
    """How long a cleanup takes, against a bare UPDATE of the same reservations."""
    template = bench.cluster.template("expired", partial(_expired, bench), base=bench.halls())
    holds = bench.scale.expired_holds

    def clean() -> float:
        with bench.cluster.database(template) as database, database.checked(in_pairs=False):
            database.settle()
            began = time.perf_counter()
            retired = retire_expired(database.dsns.worker)
            seconds = time.perf_counter() - began
        assert retired == holds, f"{retired} holds were cleaned up"
        return seconds

    def update() -> float:
        # The statement leaves a state that no function would: it is the yardstick, and nothing is checked after it.
        with bench.cluster.database(template) as database:
            database.settle()
            with database.owner() as connection:
                began = time.perf_counter()
                connection.execute(_BARE_UPDATE)
                return time.perf_counter() - began

    rounds = interleave({"cleanup": clean, "update": update}, bench.scale.long_rounds)
    sides = ("cleanup_seconds", rounds["cleanup"]), ("bare_update_seconds", rounds["update"])
    return {"expire_100k": ratio(*sides, holds=holds)}


@measures("seats", RowKind("expire_100k_p99", "ratio", "≤ 1.5", "p99 of a reserve during the cleanup ÷ without"))
def measure_expiry_latency(bench: Bench) -> Mapping[str, Figure]:
    """A reserve at a quarter of the peak while the worker cleans up and while it is stopped, in turns."""
    peak, holds, seconds = find_peak(bench), bench.scale.expired_holds, bench.scale.seconds
    rate = peak.http_per_second * _SHARE_OF_PEAK
    with bench.sale(in_pairs=False) as sale:
        sale.warm_up(peak.connections, seconds)
        _expired(bench, sale.database, sale.supply.take(holds).first_show)
        sale.database.ledger.add(holds)
        lapsed = sale.database.counts(_LAPSED)
        with rowlock(["worker"], sale.database, bench.folder, {}) as (worker, log):
            while sale.database.counts(_LAPSED) == lapsed:
                assert worker.poll() is None, f"the worker ended: {log.read_text()[-2000:]}"
                time.sleep(0.05)
            # It may be stopped at any time: between two statements it holds no locks.
            worker.send_signal(signal.SIGSTOP)

            def meanwhile() -> float:
                worker.send_signal(signal.SIGCONT)
                latencies = sale.offer(rate, seconds)
                worker.send_signal(signal.SIGSTOP)
                return percentile(latencies, 99)

            rounds: list[tuple[float, float]] = []
            while len(rounds) < bench.scale.latency_rounds:
                pair = meanwhile(), percentile(sale.offer(rate, seconds), 99)
                # The round in which the cleanup comes to its end tells of both, so only the first may be it.
                over = sale.database.counts(_LAPSED) == [0]
                rounds += [pair] if not (over and rounds) else []
                if over:
                    break
    with_cleanup, without = zip(*rounds, strict=True)
    sides = ("meanwhile_p99_ms", with_cleanup), ("without_p99_ms", without)
    return {"expire_100k_p99": ratio(*sides, rate_per_s=rate, holds=holds)}
