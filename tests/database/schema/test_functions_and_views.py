from pathlib import Path

import psycopg
import pytest

from rowlock.database.schema.definitions import status
from rowlock.database.schema.migrate import MigrationError, migrate

Connection = psycopg.AsyncConnection

GREET = """
create or replace function rowlock.greet({arguments})
returns {result} language plpgsql security definer set search_path = rowlock, pg_temp
as $$ begin return {body}; end $$;
comment on function rowlock.greet is 'Says hello.';
revoke all on function rowlock.greet from public;
"""

GRANT = """
do $$ begin
    if to_regproc('rowlock.greet') is not null then
        grant execute on function rowlock.greet to rowlock_app;
    end if;
end $$;
"""


def write_greet(file: Path, *, arguments: str, result: str, body: str) -> None:
    file.write_text(GREET.format(arguments=arguments, result=result, body=body))


def remove(file: Path) -> None:
    file.unlink()


@pytest.fixture
async def greeted(owner: Connection, sql_dir: Path) -> Path:
    """The file of a small function that is applied to the database."""
    file = sql_dir / "functions/greet.sql"
    write_greet(file, arguments="p_name text", result="text", body="'Hello ' || p_name")
    grants = sql_dir / "grants.sql"
    grants.write_text(grants.read_text() + GRANT)
    await migrate(owner, sql_dir=sql_dir)
    return file


async def rows(connection: Connection, question: str) -> list[tuple[object, ...]]:
    return await (await connection.execute(question.encode())).fetchall()


async def signatures(connection: Connection) -> list[tuple[object, ...]]:
    return await rows(connection, "select oid::regprocedure::text from pg_proc where proname = 'greet'")


async def test_a_changed_body_is_replaced_in_place(
    owner: Connection, app: Connection, sql_dir: Path, greeted: Path
) -> None:
    oid = await rows(owner, "select 'rowlock.greet'::regproc::oid")
    write_greet(greeted, arguments="p_name text", result="text", body="'Good evening ' || p_name")
    assert {s.path: s.state for s in await status(owner, sql_dir=sql_dir)}["functions/greet.sql"] == "changed"

    report = await migrate(owner, sql_dir=sql_dir)

    assert report.objects == ("functions/greet.sql", "grants.sql")
    assert await rows(owner, "select 'rowlock.greet'::regproc::oid") == oid, "sessions keep their prepared calls"
    assert await rows(app, "select rowlock.greet('Anna')") == [("Good evening Anna",)]


async def test_a_changed_signature_leaves_no_second_function_behind(
    owner: Connection, app: Connection, sql_dir: Path, greeted: Path
) -> None:
    write_greet(greeted, arguments="p_name text, p_times integer", result="text", body="p_name")

    await migrate(owner, sql_dir=sql_dir)

    assert await signatures(owner) == [("greet(text,integer)",)]
    assert await rows(app, "select rowlock.greet('Anna', 2)") == [("Anna",)], "and the application may call it"


async def test_a_changed_result_or_argument_name_is_applied(
    owner: Connection, app: Connection, sql_dir: Path, greeted: Path
) -> None:
    write_greet(greeted, arguments="p_who text", result="integer", body="length(p_who)")

    await migrate(owner, sql_dir=sql_dir)

    assert await rows(app, "select rowlock.greet(p_who => 'Anna')") == [(4,)]


async def test_a_function_that_fails_to_apply_leaves_all_as_it_was(
    owner: Connection, app: Connection, sql_dir: Path, greeted: Path
) -> None:
    write_greet(greeted, arguments="p_name text", result="text", body="'Hi'")
    (sql_dir / "functions/zzz.sql").write_text("create or replace function rowlock.zzz() nonsense;\n")

    with pytest.raises(MigrationError, match=r"(?s)functions/zzz.sql .*syntax error"):
        await migrate(owner, sql_dir=sql_dir)

    assert await rows(app, "select rowlock.greet('Anna')") == [("Hello Anna",)]


async def test_a_function_whose_file_is_gone_is_dropped(owner: Connection, sql_dir: Path, greeted: Path) -> None:
    remove(greeted)

    report = await migrate(owner, sql_dir=sql_dir)

    assert report.objects == ("functions/greet.sql", "grants.sql")
    assert await signatures(owner) == []
    assert not (await migrate(owner, sql_dir=sql_dir)).changed


async def test_a_function_that_was_dropped_by_hand_is_made_again_with_its_grants(
    owner: Connection, app: Connection
) -> None:
    await owner.execute("drop function rowlock.release_seats_atomic")
    assert {s.path: s.state for s in await status(owner)}["functions/release_seats_atomic.sql"] == "missing"

    report = await migrate(owner)

    assert report.objects == ("functions/release_seats_atomic.sql", "grants.sql")
    answer = await rows(app, "select outcome from rowlock.release_seats_atomic(gen_random_uuid(), gen_random_uuid())")
    assert answer == [("RESERVATION_NOT_FOUND",)]


async def test_a_view_that_was_dropped_by_hand_is_made_again_with_its_grants(
    owner: Connection, app: Connection
) -> None:
    await owner.execute("drop view rowlock.seat_states cascade")

    await migrate(owner)

    assert await rows(app, "select * from rowlock.seat_states") == []
    assert await rows(app, "select * from rowlock.show_listing") == []


async def test_a_view_with_other_columns_is_replaced_with_the_views_that_depend_on_it(
    owner: Connection, app: Connection, sql_dir: Path
) -> None:
    file = sql_dir / "views/seat_states.sql"
    file.write_text(file.read_text().replace("select show_id, seat_id,", "select seat_id, show_id,"))

    await migrate(owner, sql_dir=sql_dir)

    columns = "select array_agg(attname::text order by attnum) from pg_attribute"
    assert await rows(owner, f"{columns} where attrelid = 'rowlock.seat_states'::regclass and attnum > 0") == [
        (["seat_id", "show_id", "status"],)
    ]
    assert await rows(app, "select * from rowlock.show_listing") == []


async def test_views_outside_the_schema_that_depend_on_ours_are_never_dropped(owner: Connection, sql_dir: Path) -> None:
    await owner.execute("create schema reports")
    await owner.execute("create view reports.taken as select * from rowlock.seat_states")
    file = sql_dir / "views/seat_states.sql"
    file.write_text(file.read_text().replace("select show_id, seat_id,", "select seat_id, show_id,"))

    with pytest.raises(MigrationError, match=r"(?s)dropping .*seat_states.*reports.taken.*make them again"):
        await migrate(owner, sql_dir=sql_dir)

    assert await rows(owner, "select * from reports.taken") == []


async def test_a_view_whose_file_is_gone_is_dropped(owner: Connection, sql_dir: Path) -> None:
    file = sql_dir / "views/zebra.sql"
    file.write_text("create or replace view rowlock.zebra as select 1 as stripes;\n")
    await migrate(owner, sql_dir=sql_dir)
    file.unlink()

    await migrate(owner, sql_dir=sql_dir)

    assert await rows(owner, "select to_regclass('rowlock.zebra') is null") == [(True,)]


async def test_views_are_made_in_the_order_in_which_they_need_each_other(owner: Connection, sql_dir: Path) -> None:
    (sql_dir / "views/aaa.sql").write_text("create or replace view rowlock.aaa as select * from rowlock.zzz;\n")
    (sql_dir / "views/zzz.sql").write_text("create or replace view rowlock.zzz as select 1 as one;\n")

    await migrate(owner, sql_dir=sql_dir)

    assert await rows(owner, "select * from rowlock.aaa") == [(1,)]


async def test_changed_grants_are_applied(owner: Connection, app: Connection, sql_dir: Path) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await app.execute("select * from rowlock.webhook_events")
    file = sql_dir / "grants.sql"
    file.write_text(file.read_text() + "grant select on rowlock.webhook_events to rowlock_app;\n")

    report = await migrate(owner, sql_dir=sql_dir)

    assert report.objects == ("grants.sql",)
    assert await rows(app, "select * from rowlock.webhook_events") == []
