"""How many reservations a second, without a pooler and through PgBouncer: `python -m tests.support.pooler_rate`.

64 buyers at once reserve a seat and release it, again and again: together, through the reservation service of one
process, which puts requests of one show into one call, and one by one, with a call each. Direct and pooled runs take
turns, and the best of each counts.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import LiteralString

from rowlock.base.dsns import Dsns
from rowlock.base.holder import Holder
from rowlock.base.outcomes import Outcome
from rowlock.database.cells import Cells
from rowlock.database.pool import PooledDatabase
from rowlock.reservations.model import Intent, ReservationToken
from rowlock.services import make_services
from tests.support.answers import Show
from tests.support.pgbouncer import pgbouncer
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServers

BUYERS = 64
SECONDS = 5.0
ROUNDS = 3
POOL_SIZE = 4

_RESERVE: LiteralString = (
    "select outcome, reservation_id from rowlock.reserve_seats_atomic(%s::uuid, %s::integer[], %s::text)"
)
_RELEASE: LiteralString = "select outcome from rowlock.release_seats_atomic(%s::uuid, %s::uuid, %s::bytea, %s::text)"

Buy = Callable[[int], Awaitable[None]]


async def rate(buy: Buy) -> float:
    """Reservations a second of all buyers together."""
    done = 0
    began = time.monotonic()

    async def buyer(number: int) -> None:
        nonlocal done
        while time.monotonic() < began + SECONDS:
            await buy(number)
            done += 1

    await asyncio.gather(*(buyer(number) for number in range(1, BUYERS + 1)))
    return done / (time.monotonic() - began)


async def rates(dsns: Dsns, show: Show) -> tuple[float, float]:
    """The rates together and one by one, of one process."""
    database = PooledDatabase(dsns, pool_size=POOL_SIZE)
    await database.open()
    reservations = make_services(Cells(database)).reservations

    async def together(seat: int) -> None:
        token = ReservationToken.mint(show.show_id)
        holder = Holder(f"buyer-{seat}")
        result = await reservations.reserve(Intent(token, holder, (seat,)))
        assert result.outcome == Outcome.OK, result
        await reservations.release(token, holder)

    async def one_by_one(seat: int) -> None:
        async with database.app() as connection:
            cursor = await connection.execute(_RESERVE, [show.show_id, [seat], f"buyer-{seat}"])
            [(outcome, reservation_id)] = await cursor.fetchall()
            assert outcome == "OK", outcome
            await connection.execute(_RELEASE, [show.show_id, reservation_id, None, f"buyer-{seat}"])

    try:
        return await rate(together), await rate(one_by_one)
    finally:
        await reservations.close()
        await database.close()


async def main() -> None:
    """Print both rates, for each way."""
    servers = TestServers()
    try:
        server = servers.get("pg18")
        with server.database() as name:
            direct = server.dsns(name)
            async with SeatDb.connect(direct) as db:
                show = await db.make_show(seats=BUYERS)
            with pgbouncer(direct, "transaction", size=POOL_SIZE) as pooler:
                ways = {"direct": direct, "through PgBouncer": replace(pooler.dsns, owner=direct.owner)}
                found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
                for _ in range(ROUNDS):
                    for way, dsns in ways.items():
                        found[way].append(await rates(dsns, show))
        for way, measured in found.items():
            together, alone = (max(rates_) for rates_ in zip(*measured, strict=True))
            print(f"{way}: {together:,.0f}/s together, {alone:,.0f}/s one by one")
    finally:
        servers.stop()


if __name__ == "__main__":
    asyncio.run(main())
