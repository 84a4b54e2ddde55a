"""sql/optional/pg_cron.sql: the job it makes, the one it replaces, and what the job's statement does.

pg_cron is no part of PostgreSQL, and its library has to be loaded when a server starts. So a schema `cron` stands in
for it here, with the table and the functions that the file uses, and with pg_cron's answer to a job that is not there.
"""

import psycopg
import pytest
from psycopg.rows import dict_row

from rowlock.database.schema.definitions import SQL_DIR
from tests.support.answers import Show
from tests.support.seatdb import SeatDb

FILE = SQL_DIR / "optional" / "pg_cron.sql"
NAME = "cleanup-expired-reservations"
OLD_NAME = "rowlock-cleanup-expired-seat-reservations"

# After pg_cron 1.4: a job is known by its name and user, schedule() with a known name replaces that job, and
# unschedule() raises an error when the user has no job of that name.
STAND_IN = """
create schema cron;
create table cron.job (
    jobid    bigint generated always as identity primary key,
    schedule text not null,
    command  text not null,
    nodename text not null default 'localhost',
    nodeport integer not null default current_setting('port')::integer,
    database text not null default current_database(),
    username text not null default current_user,
    active   boolean not null default true,
    jobname  text,
    constraint jobname_username_uniq unique (jobname, username)
);
create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as $$
    insert into cron.job (jobname, schedule, command) values (job_name, schedule, command)
    on conflict on constraint jobname_username_uniq do update
    set schedule = excluded.schedule, command = excluded.command
    returning jobid
$$;
create function cron.unschedule(job_name name) returns boolean language plpgsql as $$
begin
    delete from cron.job as j where j.jobname = job_name and j.username = current_user;
    if not found then
        raise exception 'could not find valid entry for job "%"', job_name;
    end if;
    return true;
end
$$;
"""


@pytest.fixture
async def cron(owner: psycopg.AsyncConnection) -> psycopg.AsyncConnection:
    """The owner's connection to a database that has the stand-in."""
    await owner.execute(STAND_IN)
    return owner


async def install(connection: psycopg.AsyncConnection) -> None:
    """Run the file."""
    await connection.execute(FILE.read_bytes())


async def jobs(connection: psycopg.AsyncConnection) -> list[tuple[str, str]]:
    """(name, user) of every job."""
    cursor = await connection.execute("select jobname, username from cron.job order by jobname, username")
    return list(await cursor.fetchall())


async def run_job(connection: psycopg.AsyncConnection) -> dict[str, object]:
    """Run the job's statement as the user whose job it is, and return its row."""
    cursor = await connection.execute("select command from cron.job where jobname = %s", [NAME])
    row = await cursor.fetchone()
    assert row is not None
    async with connection.cursor(row_factory=dict_row) as rows:
        await rows.execute(row[0])
        [result] = await rows.fetchall()
    return result


async def test_the_file_makes_one_job_also_when_it_is_run_again(cron: psycopg.AsyncConnection) -> None:
    await install(cron)
    await install(cron)

    assert await jobs(cron) == [(NAME, "rowlock_owner")]


async def test_the_job_of_the_old_name_is_unscheduled(cron: psycopg.AsyncConnection) -> None:
    await cron.execute("select cron.schedule(%s, '*/5 * * * *', 'select 1')", [OLD_NAME])

    await install(cron)

    assert await jobs(cron) == [(NAME, "rowlock_owner")]


async def test_a_job_of_that_name_that_does_something_else_is_replaced(cron: psycopg.AsyncConnection) -> None:
    await cron.execute("select cron.schedule(%s, '* * * * *', 'select 1')", [NAME])

    await install(cron)

    cursor = await cron.execute("select schedule, command from cron.job")
    [(schedule, command)] = await cursor.fetchall()
    assert schedule == "*/5 * * * *"
    assert "rowlock.cleanup_expired_seat_reservations" in command


async def test_jobs_of_other_users_stay(cron: psycopg.AsyncConnection) -> None:
    await cron.execute(
        "insert into cron.job (jobname, username, schedule, command) values (%s, 'other', '* * * * *', 'select 1')",
        [OLD_NAME],
    )

    await install(cron)

    assert await jobs(cron) == [(NAME, "rowlock_owner"), (OLD_NAME, "other")]


async def test_the_job_retires_holds_and_obeys_the_pause(cron: psycopg.AsyncConnection, db: SeatDb, show: Show) -> None:
    await install(cron)
    anna = await db.reserve(show, seats=[1, 2], holder="anna")
    await db.age(anna, minutes=11)
    await db.pause_cleanup()

    paused = await run_job(cron)

    assert paused == {"total_reservations_expired": 0, "total_seats_released": 0, "reservation_ids": []}
    assert (await db.reservation(anna))["status"] == "active"
    assert (await db.reserve(show, seats=[1], holder="ben")).outcome == "OK"

    await db.resume_cleanup()
    resumed = await run_job(cron)

    assert resumed == {
        "total_reservations_expired": 1,
        "total_seats_released": 1,
        "reservation_ids": [anna.reservation_id],
    }
    assert [run["run_by"] for run in await db.cleanup_runs()] == ["pg_cron"]
