"""Reservations under load: rate, processor time and latency against pgbench; overload; crowds for the same seats."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from statistics import median

from bench.context import Bench, Peak, measures
from bench.figures import Figure, exact, interleave, percentile, ratio, spread
from bench.generators.http import RESERVE_V1
from bench.halls import HOT_SHOW, SEATS_OF_THE_HALL, Wishes
from bench.loads import Load
from bench.report import RowKind

_SLOW_SECONDS = 2
"""Of a round with version 1, which answers its connections one after the other, or with pgbench, whose first calls in
each connection plan everything: within a second, some would not get any answer."""

_LATENCY_RAMP_SECONDS = 0.5
"""Counted, these first calls would be pgbench's 99th percentile, and beside it the server, which keeps its connections,
would look too well."""

_TIMES_PEAK = 5
_PATIENT, _IMPATIENT = 2_000, 1_000
"""Buyers for whom the server has places to wait, and buyers beyond those, who ask again after short pauses."""

_MANY, _FEW = 800, 8
_HOT_SEATS = 10
_RAMP_SECONDS = 1.0
# No one comes back for more: every run has sessions of its own.
_sessions = count(0, 10_000_000)

# With more connections the hundred shows gather larger batches.
_SPREAD_CLIENTS, _SPREAD_SHOWS = 256, 100

# A seat is sold twice when it was given away before the hold of another had run out: no one gives seats back here.
_DOUBLE_SALES = """
    select count(*)
    from (
        select
            r.created_at,
            lag(r.expires_at) over (partition by r.show_id, s.seat_id order by r.created_at) as taken_until
        from seat_reservations as r, lateral unnest(r.seat_ids) as s (seat_id)
        where r.show_id in (select show_id from shows where hold_seconds = 1)
    ) as sale
    where sale.created_at < sale.taken_until
"""


@measures(
    "seats",
    RowKind("http_reserve_vs_pgbench", "ratio", "≥ 1.5", "reservations/s over HTTP ÷ pgbench's best rate"),
    RowKind("cpu_per_reservation", "ratio", "≤ 1", "CPU of an HTTP reservation ÷ of a pgbench call"),
    RowKind("http_reserve_vs_v1", "ratio", "≥ 4", "reservations/s over HTTP: version 2 ÷ version 1"),
)
def measure_rates(bench: Bench) -> Mapping[str, Figure]:
    """Every count of connections and of pgbench's clients has its rounds, and the best of each side are compared."""
    scale = bench.scale
    with bench.sale() as sale:
        sides: dict[tuple[str, int], Callable[[], Load]] = {}
        sides |= {("http", n): partial(sale.http, n, 1) for n in scale.http_connections}
        sides |= {("calls", n): partial(sale.calls, n, _SLOW_SECONDS) for n in scale.pgbench_clients}
        sides["v1", 0] = partial(sale.http, scale.http_connections[0], _SLOW_SECONDS, path=RESERVE_V1)
        sale.warm_up(scale.http_connections[0], scale.seconds)
        rounds = interleave(sides, scale.rounds)
    rates = {side: [load.per_second for load in loads] for side, loads in rounds.items()}
    costs = {side: [load.microseconds for load in loads] for side, loads in rounds.items()}
    connections = max(scale.http_connections, key=lambda n: median(rates["http", n]))
    clients = max(scale.pgbench_clients, key=lambda n: median(rates["calls", n]))
    # Few clients make calls the cheapest, while many counts are about equally fast: the stricter yardstick.
    thrifty = min(scale.pgbench_clients, key=lambda n: median(costs["calls", n]))
    http, calls = rates["http", connections], rates["calls", clients]
    bench.peak = Peak(connections, median(http), clients, median(calls))
    medians = {" ".join(map(str, side)): median(values) for side, values in rates.items()}
    chosen = {"http_connections": connections, "pgbench_clients": clients, "medians_per_s": medians}
    cost = ("http_microseconds", costs["http", connections]), ("pgbench_microseconds", costs["calls", thrifty])
    return {
        "http_reserve_vs_pgbench": ratio(("http_per_s", http), ("pgbench_per_s", calls), **chosen),
        "cpu_per_reservation": ratio(*cost, pgbench_clients=thrifty),
        "http_reserve_vs_v1": ratio(("v2_per_s", http), ("v1_per_s", rates["v1", 0])),
    }


def find_peak(bench: Bench) -> Peak:
    """Where both sides are at their best. When the rates are no rows of this run, they are measured for it."""
    if bench.peak is None:
        measure_rates(bench)
    assert bench.peak is not None, "it has just been measured"
    return bench.peak


@measures("seats", RowKind("latency_p99_vs_pgbench", "ratio", "≤ 2", "p99 at half of pgbench's peak: HTTP ÷ pgbench"))
def measure_latency(bench: Bench) -> Mapping[str, Figure]:
    """At half of ours pgbench, which is slower, would be overloaded, and anything would look well beside it."""
    peak = find_peak(bench)
    rate, seconds = min(peak.http_per_second, peak.pgbench_per_second) / 2, bench.scale.seconds
    with bench.sale() as sale:
        sale.warm_up(peak.connections, seconds)
        offer = partial(sale.offer, rate, seconds, ramp_seconds=_LATENCY_RAMP_SECONDS)
        call = partial(sale.calls, peak.clients, seconds, rate=rate, ramp_seconds=_LATENCY_RAMP_SECONDS)
        sides: dict[str, Callable[[], list[float]]] = {"http": offer, "pgbench": lambda: call().milliseconds}
        rounds = interleave(sides, bench.scale.latency_rounds)
    p50, p99 = ({name: [percentile(each, n) for each in all_] for name, all_ in rounds.items()} for n in (50, 99))
    both = ("http_p99_ms", p99["http"]), ("pgbench_p99_ms", p99["pgbench"])
    p50_ms = {name: spread(values) for name, values in p50.items()}
    return {"latency_p99_vs_pgbench": ratio(*both, rate_per_s=rate, pgbench_clients=peak.clients, p50_ms=p50_ms)}


@measures("seats", RowKind("overload_goodput", "ratio", "≥ 0.7", "reservations/s when 5 × the peak is offered ÷ peak"))
def measure_overload(bench: Bench) -> Mapping[str, Figure]:
    """Reservations a second when five times the peak is asked for, and at the peak."""
    peak = find_peak(bench)
    offered = _TIMES_PEAK * peak.http_per_second
    pause = _IMPATIENT / (offered - peak.http_per_second)
    with bench.sale() as sale:
        # Half of it, until every buyer is connected and the queues are as long as they get, does not count.
        ramp = partial(sale.http, seconds=2 * bench.scale.rush_seconds, ramp_seconds=bench.scale.rush_seconds)
        sale.warm_up(peak.connections, bench.scale.seconds)
        overload = partial(ramp, _PATIENT + _IMPATIENT, pause_seconds=pause)
        rounds = interleave({"peak": partial(ramp, peak.connections), "overload": overload}, bench.scale.long_rounds)
    accepted = {name: [load.late_rate("201") for load in loads] for name, loads in rounds.items()}
    return {
        "overload_goodput": ratio(
            ("accepted_per_s", accepted["overload"]),
            ("peak_per_s", accepted["peak"]),
            offered_per_s=offered,
            asked_per_s=spread([load.late_rate(*load.late) for load in rounds["overload"]]),
            answers=[load.late for load in rounds["overload"]],
        )
    }


@measures(
    "seats",
    RowKind("hot_seats", "ratio", "≥ 0.8", "attempts/s on 10 seats: 800 clients ÷ 8 clients"),
    RowKind("hot_seats_double_sales", "seats", "≤ 0", "seats that were sold twice in that rush"),
)
def measure_hot_seats(bench: Bench) -> Mapping[str, Figure]:
    """Holds of these shows live for a second, so the seats change hands all the time and the rush never ends."""
    # Claims of holds that ran out stay until their seats are sold again, so they are no measure of reservations.
    with bench.sale(in_pairs=False) as sale:

        def rush(show: int, clients: int) -> Load:
            wishes = Wishes(show, SEATS_OF_THE_HALL // 2, skip=next(_sessions))
            seconds = max(2, bench.scale.rush_seconds)
            return sale.http(clients, seconds, wishes=wishes, hot_seats=_HOT_SEATS, ramp_seconds=_RAMP_SECONDS)

        sale.warm_up(_FEW, bench.scale.seconds)
        sides = {"many": partial(rush, HOT_SHOW, _MANY), "few": partial(rush, HOT_SHOW + 1, _FEW)}
        rounds = interleave(sides, bench.scale.rounds)
        (double_sales,) = sale.database.counts(_DOUBLE_SALES)
        reservations = sale.database.ledger.confirmed
    # Won or lost; a 503 is no attempt at a seat.
    attempts = {name: [load.late_rate("201", "409") for load in loads] for name, loads in rounds.items()}
    many, few = ((f"attempts_per_s_of_{n}", attempts[name]) for name, n in (("many", _MANY), ("few", _FEW)))
    answers, p99 = [load.late for load in rounds["many"]], spread([load.p99_ms for load in rounds["many"]])
    return {
        "hot_seats": ratio(many, few, p99_ms_of_many=p99, answers_to_many=answers),
        "hot_seats_double_sales": exact(double_sales, reservations=reservations),
    }


@measures("seats", RowKind("hot_show", "ratio", "≥ 0.8", "reservations/s: all on one show ÷ spread over 100"))
def measure_hot_show(bench: Bench) -> Mapping[str, Figure]:
    """The rate when everyone wants one show, and when requests are dealt out to a hundred."""
    with bench.sale() as sale:
        load = partial(sale.http, _SPREAD_CLIENTS, bench.scale.seconds)
        sale.warm_up(_SPREAD_CLIENTS, bench.scale.seconds)
        sides = {"hot": load, "spread": partial(load, at_once=_SPREAD_SHOWS)}
        loads = interleave(sides, bench.scale.rounds)
    rounds = {name: [load.per_second for load in each] for name, each in loads.items()}
    hot, spread_out = ("one_show_per_s", rounds["hot"]), (f"{_SPREAD_SHOWS}_shows_per_s", rounds["spread"])
    return {"hot_show": ratio(hot, spread_out, connections=_SPREAD_CLIENTS)}
