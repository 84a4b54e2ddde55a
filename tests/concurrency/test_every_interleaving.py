"""Every pair of operations on overlapping seats, interleaved at every named step: always as in some serial order."""

import pytest

from tests.concurrency.interleaving import PAIRS, STATES, explore_pair
from tests.support.seatdb import SeatDb
from tests.support.steps import load_test_build, stepping


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
async def test_two_operations_come_out_as_one_after_the_other(db: SeatDb, pair: tuple[str, str]) -> None:
    await load_test_build(db.owner)
    async with stepping(db, sessions=2) as steps:
        for state in STATES:
            found = await explore_pair(db, steps, pair=pair, state=state)
            print(state, found.schedules)
            assert found.violations == []
            assert found.schedules >= 2
