"""How much the exhaustive and the random tests do: a small instance in a plain run, all of it in `make soak`.

All sizes are here. What a test does with its size, and that it is marked `soak`, is left to the test.
"""

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Scale:
    """The sizes of one kind of run.

    storms            how often the deadlock test runs, each time with other random numbers
    storm_operations  its operations, by version of PostgreSQL, in thousands: each show has 2,000
    histories         random histories of a show that are compared with the model
    batches           random batches that are compared with their requests one by one
    mutated_codes     ticket codes that are changed and have to be refused
    webhook_orders    orders of six webhooks, out of 720
    cancelled_orders  orders of a show that is cancelled while its worker is killed
    hostile_bodies    bodies of orders, payments and refunds that are made to do harm
    greedy_seconds    how long one client takes what it can before others come
    events_every      of the orders in which the events of a purchase may come, each so many-th is tried
    purchases         of a buyer, alone and in a crowd
    kills             of `serve`, `worker`, PostgreSQL and single backends, while buyers buy
    crowd_factor      how many times as long as alone one in a hundred of them may take in a crowd
    seconds_limit     after which a test that is marked `soak` counts as hanging
    repeatable        whether the histories and batches are the same in each run, or new ones
    """

    storms: int
    storm_operations: dict[str, int]
    histories: int
    batches: int
    mutated_codes: int
    webhook_orders: int
    cancelled_orders: int
    hostile_bodies: int
    greedy_seconds: float
    events_every: int
    purchases: int
    kills: int
    crowd_factor: float
    seconds_limit: int
    repeatable: bool = True

    def __str__(self) -> str:
        operations = " or ".join(f"{operations:,} ({name})" for name, operations in self.storm_operations.items())
        kind = "the same" if self.repeatable else "new ones"
        return (
            f"{self.storms} storms of {operations} operations, {self.histories:,} histories and {self.batches:,} "
            f"batches, {kind} in each run, {self.mutated_codes:,} mutated ticket codes, "
            f"{self.webhook_orders} orders of webhooks, {self.cancelled_orders:,} orders of a cancelled show, "
            f"{self.hostile_bodies:,} hostile bodies, "
            f"{self.greedy_seconds:g} s of greed, one in {self.events_every} orders of events and {self.purchases} "
            f"purchases in a crowd, {self.kills} kills of processes"
        )


# Fewer histories would not come to every outcome, which their test asks for.
PLAIN = Scale(
    1,
    {"pg18": 10_000, "pg15": 4_000},
    histories=60,
    batches=30,
    mutated_codes=3_000,
    webhook_orders=8,
    cancelled_orders=30,
    hostile_bodies=300,
    greedy_seconds=2,
    events_every=36,
    purchases=100,
    kills=4,
    crowd_factor=8,
    seconds_limit=300,
)
SHORT_SOAK = Scale(
    1,
    {"pg18": 20_000, "pg15": 10_000},
    # Fewer would not come to every outcome here either.
    histories=150,
    batches=60,
    mutated_codes=20_000,
    webhook_orders=24,
    cancelled_orders=60,
    hostile_bodies=1_000,
    greedy_seconds=10,
    events_every=36,
    purchases=200,
    kills=12,
    crowd_factor=5,
    seconds_limit=900,
)
SOAK = Scale(
    10,
    {"pg18": 100_000, "pg15": 100_000},
    histories=1_000,
    batches=2_000,
    mutated_codes=100_000,
    webhook_orders=720,
    cancelled_orders=1_000,
    hostile_bodies=20_000,
    greedy_seconds=60,
    events_every=1,
    purchases=500,
    kills=80,
    crowd_factor=5,
    seconds_limit=3_600,
    repeatable=False,
)


def scale_of(config: pytest.Config) -> Scale:
    """The scale that the command line asks for."""
    if not config.getoption("--soak"):
        return PLAIN
    return SHORT_SOAK if config.getoption("--short") else SOAK
