"""The doctor: every diagnosis on a real server, with and without the problem."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from rowlock.base.dsns import Dsns
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.database.connections import without_secrets
from rowlock.database.schema import rollback
from rowlock.operations import doctor
from rowlock.operations.doctor import examine_machine
from rowlock.operations.facts import PaymentFacts, ServerFacts
from rowlock.operations.model import Diagnosis, diagnoses_as_json, diagnoses_as_text, worst
from rowlock.operations.service import Operations
from rowlock.services import payment_facts
from rowlock.settings import Settings
from tests.support.answers import Show
from tests.support.seatdb import SeatDb
from tests.support.servers import TestServer

Alter = Callable[[str, str], None]


async def examine_database(owner_dsn: str, *, pool_size: int) -> list[Diagnosis]:
    """As `rowlock doctor` does it."""
    cells = Cells(DirectDatabase(Dsns.same(owner_dsn), application_name="rowlock doctor"))
    return await Operations(cells).examine_database(without_secrets(owner_dsn), pool_size=pool_size)


@pytest.fixture
def alter(server: TestServer, dsns: Dsns) -> Alter:
    """Set a setting for every new session of the test's database, as a superuser may."""
    name = str(conninfo_to_dict(dsns.owner)["dbname"])

    def set_for_database(setting: str, value: str) -> None:
        with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("alter database {} set {} = {}").format(
                    sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)
                )
            )

    return set_for_database


async def diagnosis(dsns: Dsns, name: str, *, pool_size: int = 4) -> Diagnosis:
    [found] = [d for d in await examine_database(dsns.owner, pool_size=pool_size) if d.name == name]
    return found


async def test_a_migrated_database_with_a_worker_is_ok_but_for_the_settings_of_test_servers(
    dsns: Dsns, db: SeatDb
) -> None:
    await db.cleanup(run_by="worker")

    found = await examine_database(dsns.owner, pool_size=4)

    # The servers of the tests do not flush to disk, and do not vacuum.
    assert {d.name: d.verdict for d in found if d.verdict != "ok"} == {
        "durability": "problem",
        "session defaults": "warning",
    }


async def test_a_server_that_does_not_flush_is_a_problem(dsns: Dsns) -> None:
    found = await diagnosis(dsns, "durability")

    assert found.verdict == "problem"
    assert "fsync, full_page_writes" in found.found


def test_commits_that_a_crash_can_lose_are_a_problem_by_themselves() -> None:
    facts = ServerFacts(
        server_version=180004,
        user_name="rowlock_owner",
        in_recovery=False,
        fsync="on",
        full_page_writes="on",
        synchronous_commit="off",
        autovacuum="on",
        server_encoding="UTF8",
        lock_timeout="0",
        statement_timeout="0",
        max_connections=100,
        connections_free=90,
        knows_time_zones=True,
    )

    assert [d.verdict for d in doctor._server(facts, 4)] == ["ok", "problem", "ok", "ok", "ok"]


async def test_an_empty_database_has_pending_migrations(empty_dsns: Dsns) -> None:
    found = await diagnosis(empty_dsns, "migrations")

    assert found.verdict == "problem"
    assert "migrations/0001_catalogue.sql" in found.found
    assert "rowlock migrate" in found.advice


async def test_functions_that_were_rolled_back_are_reported_as_missing(
    dsns: Dsns, owner: psycopg.AsyncConnection
) -> None:
    await rollback.full(owner)

    found = await diagnosis(dsns, "migrations")

    assert found.verdict == "problem"
    assert "functions/" in found.found


async def test_cleanup_that_never_ran_is_reported(dsns: Dsns) -> None:
    assert (await diagnosis(dsns, "cleanup")).found == "has never run"


async def test_cleanup_that_ran_long_ago_is_reported(dsns: Dsns, db: SeatDb) -> None:
    await db.cleanup()
    assert (await diagnosis(dsns, "cleanup")).verdict == "ok"

    await db.owner.execute("update rowlock.reservation_cleanup_runs set finished_at = now() - interval '11 minutes'")

    assert (await diagnosis(dsns, "cleanup")).verdict == "warning"


async def test_cleanup_that_failed_is_reported_with_its_error(dsns: Dsns, db: SeatDb) -> None:
    await db.owner.execute(
        "insert into rowlock.reservation_cleanup_runs (run_by, started_at, finished_at, status, error) "
        "values ('worker', now(), now(), 'failed', 'P0001: broken')"
    )

    found = await diagnosis(dsns, "cleanup")

    assert found.verdict == "warning"
    assert "P0001: broken" in found.found


async def test_a_pause_of_the_cleanup_is_reported_with_its_beginning_and_the_way_out(
    dsns: Dsns, db: SeatDb, show: Show
) -> None:
    await db.cleanup()
    await db.age(await db.reserve(show, seats=[1], holder="anna"), minutes=11)
    await db.pause_cleanup()
    await db.owner.execute("update rowlock.runtime_settings set changed_at = '2026-05-04 20:15:00+00'")

    found = await diagnosis(dsns, "cleanup")

    assert found.verdict == "warning"
    assert found.found == "paused since 2026-05-04T20:15:00+00:00, 1 holds waiting"
    assert "rowlock cleanup --resume" in found.advice

    await db.resume_cleanup()
    assert (await diagnosis(dsns, "cleanup")).verdict == "ok"


async def test_a_missing_partition_is_reported(dsns: Dsns, owner: psycopg.AsyncConnection) -> None:
    cursor = await owner.execute("select to_char(now() at time zone 'UTC', 'YYYY_MM')")
    row = await cursor.fetchone()
    assert row is not None
    await owner.execute(sql.SQL("drop table rowlock.{}").format(sql.Identifier(f"seat_reservation_audit_log_{row[0]}")))

    found = await diagnosis(dsns, "audit log partitions")

    assert found.verdict == "warning"
    assert row[0] in found.found


async def test_rows_in_the_default_partition_are_reported(
    dsns: Dsns, show: Show, owner: psycopg.AsyncConnection
) -> None:
    await owner.execute(
        "insert into rowlock.seat_reservation_audit_log (at, show_id, event) values ('1999-01-01', %s, 'failed')",
        [show.show_id],
    )

    assert "default partition holds rows" in (await diagnosis(dsns, "audit log partitions")).found


async def test_settings_that_change_how_seats_are_sold_are_told_with_what_takes_them_away(
    server: TestServer, dsns: Dsns, alter: Alter
) -> None:
    assert (await diagnosis(dsns, "role settings")).verdict == "ok"
    name = str(conninfo_to_dict(dsns.owner)["dbname"])
    alter("default_transaction_isolation", "serializable")
    alter("default_statistics_target", "10")  # Tuning, which docs/how-to/use-your-own-postgresql.md advises.
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as superuser:
        superuser.execute(f"alter role rowlock_app in database {name} set work_mem = '64kB'".encode())

    found = [d for d in await examine_database(dsns.owner, pool_size=4) if d.name == "role settings"]

    assert [(d.verdict, d.found) for d in found] == [
        ("warning", f"database {name} has default_transaction_isolation = serializable"),
        ("warning", f"role rowlock_app in database {name} has work_mem = 64kB"),
    ]
    assert f"alter role rowlock_app in database {name} reset work_mem;" in found[1].advice
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as superuser:
        for each in found:
            superuser.execute(each.advice.partition(": ")[2].encode())
    assert (await diagnosis(dsns, "role settings")).verdict == "ok"


async def test_a_pool_larger_than_the_server_is_reported(dsns: Dsns) -> None:
    assert (await diagnosis(dsns, "connections", pool_size=100)).verdict == "warning"


async def test_a_superuser_as_owner_is_reported(server: TestServer, dsns: Dsns) -> None:
    name = str(conninfo_to_dict(dsns.owner)["dbname"])

    found = await examine_database(server.superuser_dsn(name), pool_size=4)

    roles = [d for d in found if d.name == "roles"]
    assert any("superuser" in d.found and d.verdict == "warning" for d in roles)


async def test_a_server_that_is_not_there_is_a_problem_and_its_password_is_not_shown() -> None:
    found = await examine_database("postgresql://rowlock:secret@127.0.0.1:1/rowlock", pool_size=4)

    assert [(d.name, d.verdict) for d in found] == [("connection", "problem")]
    assert "secret" not in diagnoses_as_text(found)


async def test_clocks_that_differ_are_reported(dsns: Dsns, monkeypatch: pytest.MonkeyPatch) -> None:
    import time as clock

    now = clock.time
    monkeypatch.setattr("rowlock.operations.store.time.time", lambda: now() - 60)

    found = await diagnosis(dsns, "clocks")

    assert found.verdict == "warning"
    assert "60.0 seconds" in found.found


def test_the_machine_of_the_tests_has_no_problem(tmp_path: Path) -> None:
    found = examine_machine(tmp_path / "not" / "yet" / "made")

    assert [d.name for d in found] == ["Python", "PostgreSQL programs", "time zone data", "open files", "disk"]
    assert worst(found) != "problem"
    assert not (tmp_path / "not").exists()


def test_few_open_files_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "file_limits", lambda: (1_024, 2_048))
    [few] = [d for d in examine_machine(tmp_path) if d.name == "open files"]
    monkeypatch.setattr(doctor, "file_limits", lambda: (1_024, 1_048_576))
    [enough] = [d for d in examine_machine(tmp_path) if d.name == "open files"]

    assert (few.verdict, enough.verdict) == ("warning", "ok")
    assert few.found.startswith("1,024 may be open, and a server raises that to 2,048")
    assert enough.found == "1,024 may be open, and a server raises that to 65,536"


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_DISK_PROBLEM_BYTES", 1 << 62)

    assert worst(examine_machine(tmp_path)) == "problem"


def test_a_machine_without_postgresql_can_still_use_a_server_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWLOCK_PG_BIN", str(tmp_path))

    [found] = [d for d in examine_machine(tmp_path) if d.name == "PostgreSQL programs"]

    assert found.verdict == "warning"


def test_the_json_has_the_worst_verdict_and_the_text_has_the_advice() -> None:
    found = [Diagnosis("a", "ok", "fine"), Diagnosis("b", "warning", "hm", "Do this.")]

    assert diagnoses_as_json(found)["verdict"] == "warning"
    assert "→ Do this." in diagnoses_as_text(found)


@pytest.mark.parametrize(
    ("address", "sessions", "verdict", "told"),
    [
        ("127.0.0.1", 25, "warning", "no client is limited"),
        ("172.18.0.2", 25, "warning", "all share the limits of one client"),
        ("172.18.0.2", 5, "ok", ""),
        ("8.8.8.8", 25, "ok", ""),
    ],
)
async def test_buyers_that_seem_to_come_from_one_private_address_are_reported(
    dsns: Dsns, db: SeatDb, show: Show, address: str, sessions: int, verdict: str, told: str
) -> None:
    for seat in range(1, sessions + 1):
        await db.reserve(show, seats=[seat], holder=f"holder {seat}", session=f"session {seat}", ip=address)
    await db.reserve(show, seats=[40], holder="other", session="other", ip="9.9.9.9")

    found = await diagnosis(dsns, "addresses of buyers")

    assert found.verdict == verdict
    assert told in found.found
    assert ("ROWLOCK_FORWARDED_ALLOW_IPS" in found.advice) == (verdict == "warning")


async def test_one_private_address_among_many_others_is_no_proxy(dsns: Dsns, db: SeatDb, show: Show) -> None:
    for seat in range(1, 41):
        ip = "10.0.0.1" if seat % 2 and seat < 38 else f"9.9.9.{seat}"
        await db.reserve(show, seats=[seat], holder=f"holder {seat}", session=f"session {seat}", ip=ip)

    assert (await diagnosis(dsns, "addresses of buyers")).verdict == "ok"


@pytest.mark.parametrize(
    ("providers", "url", "verdict"),
    [
        ({"sandbox"}, None, "ok"),
        ({"sandbox"}, "http://tickets.example.org", "ok"),
        ({"sandbox"}, "https://localhost:8000", "ok"),
        ({"sandbox"}, "https://10.0.0.7", "ok"),
        ({"sandbox"}, "https://box-office.internal", "ok"),
        ({"sandbox"}, "https://tickets.example.org", "problem"),
        ({"sandbox", "manual"}, "https://tickets.example.org", "problem"),
        ({"sandbox"}, "https://8.8.8.8", "problem"),
        ({"sandbox"}, "https://[2001:4860:4860::8888]:8443", "problem"),
        ({"manual", "stripe"}, "https://tickets.example.org", "ok"),
    ],
)
def test_the_sandbox_is_a_problem_on_a_public_address(providers: set[str], url: str | None, verdict: str) -> None:
    assert doctor.examine_payments(PaymentFacts(frozenset(providers), url)).verdict == verdict


def test_payment_accounts_that_cannot_be_used_are_a_problem(tmp_path: Path) -> None:
    found = doctor.examine_payments(payment_facts(Settings(data_dir=tmp_path, payment_provider="stripe")))

    assert found.verdict == "problem"
    assert "ROWLOCK_STRIPE_SECRET_KEY is missing" in found.found
    assert doctor.examine_payments(payment_facts(Settings(data_dir=tmp_path))).verdict == "ok"
