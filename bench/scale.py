"""How long and how large a run is: the full one, and the quick one that only shows that everything works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of one kind of run. Seconds are for each round of each side; wrk takes whole ones only.

    rounds              rounds of each comparison; the sides take turns.
    pgbench_clients     client counts tried for pgbench's best rate.
    http_connections    connection counts tried for the best rate over HTTP.
    latency_percents    offered rates of the open loop, in percent of the closed loop's peak.
    growth_shows        shows of 100,000 seats in the grown database, with so many live claims and audit rows.
    expired_holds       holds that run out together.
    audit_rounds        rounds of the audit log's cost, of audit_seconds each: it is small beside the noise, so they are
                        many and short.
    samples             requests of one client for each side, where single answers are timed.
    theatre_seasons     sold-out seasons of the theatre (and stadium_seasons of the stadium) whose seating is judged.
    """

    name: str
    rounds: int
    round_seconds: int
    warm_up_seconds: int
    sweep_seconds: int
    pgbench_clients: tuple[int, ...]
    http_connections: tuple[int, ...]
    latency_rounds: int
    latency_seconds: int
    latency_percents: tuple[int, ...]
    growth_shows: int
    growth_live_claims: int
    growth_audit_rows: int
    expired_holds: int
    expiry_rounds: int
    audit_rounds: int
    audit_seconds: int
    samples: int
    theatre_seasons: int
    stadium_seasons: int


FULL = Scale(
    name="full",
    rounds=5,
    round_seconds=5,
    warm_up_seconds=3,
    sweep_seconds=3,
    pgbench_clients=(2, 4, 8, 12, 16, 24, 32),
    http_connections=(64, 128, 256, 512),
    latency_rounds=3,
    latency_seconds=6,
    latency_percents=(25, 50, 70, 90, 110, 200),
    growth_shows=5_000,
    growth_live_claims=500_000,
    growth_audit_rows=2_000_000,
    expired_holds=100_000,
    expiry_rounds=3,
    audit_rounds=10,
    audit_seconds=2,
    samples=1_500,
    theatre_seasons=20,
    stadium_seasons=2,
)

QUICK = Scale(
    name="quick",
    rounds=2,
    round_seconds=1,
    warm_up_seconds=1,
    sweep_seconds=1,
    pgbench_clients=(8, 16),
    http_connections=(64, 256),
    latency_rounds=1,
    latency_seconds=1,
    latency_percents=(50, 90, 200),
    growth_shows=500,
    growth_live_claims=20_000,
    growth_audit_rows=80_000,
    expired_holds=10_000,
    expiry_rounds=1,
    audit_rounds=4,
    audit_seconds=1,
    samples=200,
    theatre_seasons=4,
    stadium_seasons=1,
)
