"""`kill -9` of real processes at random moments, while buyers buy over HTTP.

Afterwards every purchase has finished or unwound by itself. The moments are random; their seed is printed.
"""

import asyncio
import os
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from tests.cli.killed_processes import (
    KEY_SECONDS,
    VICTIMS,
    Buyers,
    Machines,
    Purchase,
    a_minute_passes,
    assert_commands_find_nothing,
    assert_every_purchase_is_whole,
    hours_pass,
    machines,
    wait_until_nothing_is_left_to_do,
)
from tests.support.answers import Show
from tests.support.scale import Scale
from tests.support.servers import IN_MEMORY

BUYERS = 6
SEATS_A_SHOW = 200
BETWEEN_KILLS_SECONDS = (0.1, 1.0)
COME_BACK_SECONDS = 30.0
MISTAKEN_SERVE = (sys.executable, Path(__file__).with_name("mistaken_serve.py"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory if there is any: no test here simulates a power failure. PostgreSQL's own user can enter it."""
    made = Path(tempfile.mkdtemp(prefix="rowlock-killed-", dir=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None))
    made.chmod(0o711)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def kill_and_start(running: Machines, victims: Sequence[str], choose: random.Random) -> None:
    """Kill these at once, and start them again. After a backend is killed, PostgreSQL does that by itself."""
    for victim in victims:
        running.kill(victim, choose)
    running.start(*victims)


async def buyers_and_kills(
    running: Machines, buyers: Buyers, shows: Sequence[Show], kills: int, choose: random.Random
) -> None:
    tasks = [asyncio.create_task(buyers.buy_on(shows, random.Random(choose.random()))) for _ in range(BUYERS)]
    for number in range(kills):
        await asyncio.sleep(choose.uniform(*BETWEEN_KILLS_SECONDS))
        # Each is killed as often as the others; now and then one more with it.
        victims = {VICTIMS[number % len(VICTIMS)], *(choose.sample(VICTIMS, 1) if choose.random() < 0.3 else ())}
        print(f"kill {number + 1}: {', '.join(sorted(victims))} at {time.monotonic():.3f}")
        await asyncio.to_thread(kill_and_start, running, sorted(victims), choose)
        ended = [name for name in ("serve", "worker") if running.has_ended(name)]
        assert not ended, f"not killed, and ended: {ended}"
    await asyncio.sleep(BETWEEN_KILLS_SECONDS[1])
    buyers.give_up_in(0)
    await asyncio.gather(*tasks)


async def come_back(buyers: Buyers, purchases: Sequence[Purchase]) -> None:
    buyers.give_up_in(COME_BACK_SECONDS)
    await asyncio.gather(*(buyers.buy(purchase) for purchase in purchases))


def finish(running: Machines, owner: psycopg.Connection) -> None:
    """Hours later, with a worker that starts now and knows nothing of what was before."""
    hours_pass(owner)
    running.start("worker")
    wait_until_nothing_is_left_to_do(owner)


@pytest.mark.soak
def test_purchases_end_whole_whatever_is_killed(folder: Path, scale: Scale) -> None:
    seed = 18 if scale.repeatable else secrets.randbits(32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    with machines(folder) as running:
        shows = running.prepare(shows=max(1, scale.kills // 8), seats=SEATS_A_SHOW)
        running.start("serve")
        running.start("worker")
        buyers = Buyers(running.url)

        asyncio.run(buyers_and_kills(running, buyers, shows, scale.kills, choose))
        with running.owner() as owner:
            in_use = owner.execute(
                "select count(*) from rowlock.payment_idempotency_keys "
                "where locked_until > clock_timestamp() + make_interval(secs => %s)",
                [KEY_SECONDS],
            ).fetchone()
            assert in_use == (0,)
            a_minute_passes(owner)
            # Half of those who have no answer come back; of the others nothing is heard again.
            returning = [purchase for purchase in buyers.unfinished if choose.random() < 0.5]
            asyncio.run(come_back(buyers, returning))
            assert [purchase for purchase in returning if not purchase.has_ended] == []
            running.kill("worker", choose)
            finish(running, owner)

            paid = assert_every_purchase_is_whole(owner, buyers.purchases)
        assert_commands_find_nothing(running)
    assert buyers.bugs == []
    assert buyers.longest_wait_for_key < KEY_SECONDS + 1
    assert paid >= scale.kills, f"{paid} of {len(buyers.purchases)} purchases were paid"
    print(
        f"{paid} of {len(buyers.purchases)} purchases paid, longest wait for a key {buyers.longest_wait_for_key:.1f} s"
    )


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(False, id="as it is", marks=pytest.mark.soak(None, full=True)),
        pytest.param(True, id="with a new key on each attempt"),
    ],
)
def test_a_payment_that_was_made_before_the_kill_is_taken_up(folder: Path, mistake: bool) -> None:
    """The control: where a repeated payment has another key, the checks above find it. So they do not as it is."""
    with machines(folder, MISTAKEN_SERVE, ROWLOCK_TEST_MISTAKE="1" if mistake else "0") as running:
        [show] = running.prepare(shows=1, seats=4)
        running.start("serve")
        buyers = Buyers(running.url)
        purchase = Purchase(show, [1, 2], None)
        buyers.give_up_in(1.0)
        asyncio.run(buyers.buy(purchase))
        assert running.has_ended("serve"), "it was not killed"
        running.start("serve")
        with running.owner() as owner:
            a_minute_passes(owner)
            asyncio.run(come_back(buyers, [purchase]))
            assert purchase.told == "paid"
            finish(running, owner)

            if mistake:
                with pytest.raises(AssertionError, match="more than one payment"):
                    assert_every_purchase_is_whole(owner, [purchase])
            else:
                assert assert_every_purchase_is_whole(owner, [purchase]) == 1
