import difflib

import psycopg

from rowlock.database.schema.definitions import SQL_DIR
from rowlock.database.schema.description import describe


async def test_schema_sql_is_what_all_migrations_together_make(owner: psycopg.AsyncConnection) -> None:
    written = (SQL_DIR / "schema.sql").read_text(encoding="utf-8")

    made = await describe(owner)

    difference = "\n".join(difflib.unified_diff(written.splitlines(), made.splitlines(), "schema.sql", "made", n=1))
    assert not difference, f"Run `make schema` and read what it changes.\n{difference}"


async def test_the_description_does_not_depend_on_the_session(owner: psycopg.AsyncConnection) -> None:
    before = await describe(owner)
    await owner.execute("set search_path = pg_catalog")
    await owner.execute("set timezone = 'Asia/Tokyo'")

    assert await describe(owner) == before


async def test_the_description_notices_small_changes(owner: psycopg.AsyncConnection) -> None:
    for change in (
        "alter table rowlock.show_seats alter column reserved_by set default 'anna'",
        "alter table rowlock.show_seats drop constraint chk_show_seat_status",
        "alter table rowlock.shows alter column title drop not null",
        "create index on rowlock.shows (title)",
        "grant select on rowlock.refunds to public",
        "grant execute on function rowlock.release_seats_atomic to public",
        "alter function rowlock.release_seats_atomic reset search_path",
        "alter function rowlock.release_seats_atomic security invoker",
        "comment on table rowlock.shows is 'Changed.'",
        "grant delete on rowlock.seat_reservation_audit_log to current_user",
        "alter view rowlock.seat_states rename column status to state",
    ):
        before = await describe(owner)
        await owner.execute(change.encode())
        assert await describe(owner) != before, change
