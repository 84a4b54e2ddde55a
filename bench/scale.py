"""How long and how large a run is: the full one, and the quick one that only shows that everything works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of one kind of run. Seconds are for each round of each side; wrk takes whole ones only.

    rounds              rounds of each comparison; the sides take turns. Many short ones, because a shared machine
                        changes its speed within seconds. Fewer where a round has to be long (long_rounds), or where
                        ratios of rounds hardly differ (steady_rounds); more of the rush for few seats (rush_rounds),
                        whose ratios differ most.
    pgbench_clients     client counts tried for pgbench's best rate.
    http_connections    connection counts tried for the best rate over HTTP.
    latency_clients     client counts tried for pgbench's best 99th percentile, in latency_tries rounds; then it is
                        compared in latency_rounds of latency_seconds each.
    curve_rounds        rounds of curve_seconds each of the open loop, at curve_percents of the closed loop's peak.
    growth_shows        shows of 100,000 seats in the grown database, with so many live claims and audit rows.
    expired_holds       holds that run out together. Cleaned up expiry_rounds times; and expiry_latency_rounds of
                        expiry_seconds with buyers meanwhile.
    status_rounds       rounds of status_seconds each.
    samples             requests of one client for each side and round, where single answers are timed.
    theatre_seasons     sold-out seasons of the theatre (and stadium_seasons of the stadium) whose seating is judged.
    """

    name: str
    rounds: int
    long_rounds: int
    rush_rounds: int
    steady_rounds: int
    round_seconds: int
    warm_up_seconds: int
    sweep_rounds: int
    sweep_seconds: int
    pgbench_clients: tuple[int, ...]
    http_connections: tuple[int, ...]
    latency_clients: tuple[int, ...]
    latency_tries: int
    latency_rounds: int
    latency_seconds: int
    curve_rounds: int
    curve_seconds: int
    curve_percents: tuple[int, ...]
    overload_rounds: int
    growth_shows: int
    growth_live_claims: int
    growth_audit_rows: int
    expired_holds: int
    expiry_rounds: int
    expiry_latency_rounds: int
    expiry_seconds: int
    status_rounds: int
    status_seconds: int
    samples: int
    theatre_seasons: int
    stadium_seasons: int


FULL = Scale(
    name="full",
    rounds=16,
    long_rounds=12,
    rush_rounds=20,
    steady_rounds=10,
    round_seconds=1,
    warm_up_seconds=3,
    sweep_rounds=4,
    sweep_seconds=1,
    pgbench_clients=(2, 4, 8, 12, 16, 24),
    http_connections=(64, 128, 256, 512),
    latency_clients=(4, 12),
    latency_tries=3,
    latency_rounds=30,
    latency_seconds=2,
    curve_rounds=3,
    curve_seconds=2,
    curve_percents=(25, 50, 70, 90, 110, 200),
    overload_rounds=6,
    growth_shows=5_000,
    growth_live_claims=500_000,
    growth_audit_rows=2_000_000,
    expired_holds=100_000,
    expiry_rounds=9,
    expiry_latency_rounds=50,
    expiry_seconds=1,
    status_rounds=10,
    status_seconds=3,
    samples=500,
    theatre_seasons=20,
    stadium_seasons=2,
)

QUICK = Scale(
    name="quick",
    rounds=2,
    long_rounds=1,
    rush_rounds=1,
    steady_rounds=2,
    round_seconds=1,
    warm_up_seconds=1,
    sweep_rounds=1,
    sweep_seconds=1,
    pgbench_clients=(8, 16),
    http_connections=(64, 256),
    latency_clients=(4,),
    latency_tries=1,
    latency_rounds=1,
    latency_seconds=2,
    curve_rounds=1,
    curve_seconds=1,
    curve_percents=(50, 90, 200),
    overload_rounds=1,
    growth_shows=500,
    growth_live_claims=20_000,
    growth_audit_rows=80_000,
    expired_holds=10_000,
    expiry_rounds=1,
    expiry_latency_rounds=1,
    expiry_seconds=2,
    status_rounds=1,
    status_seconds=2,
    samples=200,
    theatre_seasons=4,
    stadium_seasons=1,
)
