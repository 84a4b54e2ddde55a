"""Orders with a price, as far as a test needs them: held, confirmed or paid; and the rows that they left behind."""

from typing import Any
from uuid import UUID

from rowlock.operations.model import Violation
from rowlock.operations.store import find_violations
from tests.support.answers import Reserved, Show
from tests.support.seatdb import SeatDb

PRICE = 2500


async def rows(db: SeatDb, table: str, order_id: UUID) -> list[dict[str, Any]]:
    return await db._owner_rows(f"select * from rowlock.{table} where order_id = %s", order_id)


async def violations(db: SeatDb) -> list[Violation]:
    """What `rowlock check` finds; a test's own halls have no checksum."""
    return [violation for violation in await find_violations(db.owner) if violation.code != "PLAN_CHANGED"]


async def held(db: SeatDb, show: Show, *seats: int, by: str = "anna") -> tuple[Reserved, UUID]:
    hold = await db.reserve(show, seats=list(seats), holder=by)
    return hold, await db.order(hold, price_minor=PRICE, fee_minor=150)


async def confirmed(db: SeatDb, show: Show, *seats: int, by: str = "anna") -> tuple[UUID, UUID]:
    _, order_id = await held(db, show, *seats, by=by)
    intent = await db.intent(show, order_id)
    assert (await db.complete(show, order_id, intent)).outcome == "OK"
    return order_id, intent


async def paid(db: SeatDb, show: Show, *seats: int, by: str = "anna") -> UUID:
    order_id, intent = await confirmed(db, show, *seats, by=by)
    assert (await db.pay(show, order_id, intent)).status == "paid"
    return order_id
