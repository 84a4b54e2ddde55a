import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.schema import rollback
from rowlock.database.schema.definitions import status
from rowlock.database.schema.description import describe
from rowlock.database.schema.migrate import migrate
from rowlock.reservations.version1.store import rollout_override
from tests.database.schema.conftest import Connect
from tests.database.schema.test_earlier_versions import contents
from tests.support.answers import Show
from tests.support.seatdb import SeatDb
from tests.support.steps import functions

Connection = psycopg.AsyncConnection


@pytest.fixture
async def busy(db: SeatDb, show: Show) -> Show:
    """A show in the middle of its sale: held, sold and blocked seats."""
    await db.reserve(show, seats=[1, 2], holder="anna")
    bought = await db.reserve(show, seats=[3], holder="ben")
    assert (await db.complete(show, await db.order(bought))).outcome == "OK"
    await db.block(show, seats=[4])
    return show


async def test_the_quick_rollback_serves_all_sessions_with_version_1_and_keeps_version_2(
    db: SeatDb, busy: Show, owner: Connection, app: Connection
) -> None:
    assert await rollout_override(app) is None

    await rollback.quick(owner)

    assert await rollout_override(app) == 0
    assert (await db.reserve(busy, seats=[5], holder="carla")).outcome == "OK"


async def test_the_quick_rollback_can_be_repeated(owner: Connection, app: Connection) -> None:
    await rollback.quick(owner)
    await rollback.quick(owner)

    assert await rollout_override(app) == 0


async def test_the_full_rollback_drops_the_functions_of_holds_and_keeps_all_others_and_all_data(
    busy: Show, owner: Connection, app: Connection
) -> None:
    before = await contents(owner)

    dropped = await rollback.full(owner)

    cursor = await owner.execute("select proname::text from pg_proc where pronamespace = 'rowlock'::regnamespace")
    left = {str(row[0]) for row in await cursor.fetchall()}
    assert left == set(functions()) - set(rollback.HOLD_FUNCTIONS)
    assert len(dropped) == len(rollback.HOLD_FUNCTIONS)
    missing = {s.path for s in await status(owner) if s.state == "missing"}
    assert missing == {f"functions/{name}.sql" for name in rollback.HOLD_FUNCTIONS}
    after = await contents(owner)
    assert after.pop("runtime_settings") != before.pop("runtime_settings"), "the override is a row of it"
    assert after == before
    assert await rollout_override(app) == 0


async def test_after_the_full_rollback_constraints_still_refuse_a_second_claim(
    busy: Show, owner: Connection, dsns: Dsns, connect: Connect
) -> None:
    await rollback.full(owner)
    v1 = await connect(dsns.v1)
    claim = (
        "insert into rowlock.show_seats (show_id, seat_id, status, reservation_id, reserved_by, reserved_until) "
        "values (%s, %s, 'reserved', gen_random_uuid(), 'dora', now() + interval '10 minutes')"
    )

    await v1.execute(claim, [busy.show_id, 6])
    for taken in (1, 3, 4, 6):
        with pytest.raises(psycopg.errors.UniqueViolation, match="idx_show_seats_no_double_booking"):
            await v1.execute(claim, [busy.show_id, taken])


async def test_after_the_full_rollback_seats_can_still_be_read_and_version_2_cannot_be_called(
    busy: Show, owner: Connection, app: Connection
) -> None:
    await rollback.full(owner)

    cursor = await app.execute("select seat_id, status from rowlock.seat_states where show_id = %s", [busy.show_id])
    assert dict(await cursor.fetchall()) == {1: "reserved", 2: "reserved", 3: "sold", 4: "blocked"}
    with pytest.raises(psycopg.errors.UndefinedFunction):
        await app.execute(
            "select * from rowlock.reserve_seats_atomic(%s, '{5}', 'carla', p_token_hash => %s)",
            [busy.show_id, bytes(32)],
        )


async def test_after_the_full_rollback_rows_can_be_added_to_the_audit_log_and_not_deleted(
    busy: Show, owner: Connection, dsns: Dsns, connect: Connect
) -> None:
    await rollback.full(owner)
    v1 = await connect(dsns.v1)

    await v1.execute(
        "insert into rowlock.seat_reservation_audit_log (show_id, event) values (%s, 'created')", [busy.show_id]
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await owner.execute("delete from rowlock.seat_reservation_audit_log")


async def test_the_full_rollback_can_be_repeated(owner: Connection) -> None:
    await rollback.full(owner)

    assert await rollback.full(owner) == []


async def test_the_full_rollback_leaves_functions_alone_that_are_not_ours(owner: Connection) -> None:
    await owner.execute("create function rowlock.seats_of(text) returns integer language sql as 'select 1'")

    await rollback.full(owner)

    assert await (await owner.execute("select rowlock.seats_of('anna')")).fetchone() == (1,)


async def test_migrating_makes_the_functions_again_and_leaves_the_override(
    db: SeatDb, busy: Show, owner: Connection, app: Connection
) -> None:
    before = await describe(owner)
    await rollback.full(owner)

    await migrate(owner)

    assert await describe(owner) == before
    assert (await db.reserve(busy, seats=[5], holder="carla")).outcome == "OK"
    assert await rollout_override(app) == 0


async def test_undo_restores_the_schema_and_the_data(
    db: SeatDb, busy: Show, owner: Connection, app: Connection
) -> None:
    schema, data = await describe(owner), await contents(owner)
    dropped = await rollback.full(owner)

    report = await rollback.undo(owner)

    assert len([path for path in report.objects if path.startswith("functions/")]) == len(dropped)
    assert await describe(owner) == schema
    assert await contents(owner) == data
    assert await rollout_override(app) is None
    assert (await db.reserve(busy, seats=[5], holder="carla")).outcome == "OK"
