"""What each command prints, does and exits with, on a real database; `plan` has a file of its own."""

import json
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.cli.exits import CommandError, ExitCode
from rowlock.cli.show_prices import parse_prices
from tests.cli.conftest import Invoke, Result, plan_file, run_process

STARTS_AT = "2027-06-12T19:30"


@pytest.fixture
def plan_id(rowlock: Invoke, tmp_path: Path) -> str:
    done = rowlock(
        "plan", "import", plan_file(tmp_path), "--venue", "Playhouse", "--time-zone", "Europe/Berlin", "--json"
    )
    return str(done.document["plan_id"])


def create(rowlock: Invoke, plan_id: str, *more: object) -> Result:
    return rowlock("show", "create", "--plan", plan_id, "--title", "Swan Lake", "--starts-at", STARTS_AT, *more)


def test_a_show_is_put_on_sale_in_the_venues_time(rowlock: Invoke, plan_id: str) -> None:
    done = create(
        rowlock, plan_id, "--price", "2500", "--currency", "eur", "--sales-end-at", "2027-06-12T18:00", "--json"
    )

    assert done.code == 0, done.err
    assert done.document["starts_at"] == "2027-06-12T19:30:00+02:00"
    assert done.document["sales_end_at"] == "2027-06-12T18:00:00+02:00"
    assert done.document["currency"] == "EUR"
    assert done.document["prices_minor"] == {"Stalls": 2500}
    assert done.document["seats_blocked"] == {"Crew (not for sale)": 1}
    [listed] = rowlock("show", "list", "--json").document["shows"]
    assert (listed["show_id"], listed["seats_available"]) == (done.document["show_id"], 3)


def test_people_see_a_shows_times_in_full(rowlock: Invoke, plan_id: str) -> None:
    done = create(rowlock, plan_id, "--price", "Stalls=2500", "--sales-start-at", "2027-01-01T10:00Z")

    assert "2027-06-12T19:30+02:00 (Europe/Berlin)" in done.out
    assert "2027-01-01T11:00+01:00 (Europe/Berlin)" in done.out
    assert "1 Crew (not for sale)" in done.out
    assert "Swan Lake" in rowlock("show", "list").out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "No price was given for: Stalls"),
        (("--price", "Loge=1"), "no category 'Loge'. It has: Stalls"),
        (("--price", "Crew (not for sale)=1", "--price", "1"), "Crew (not for sale) is not for sale"),
        (("--price", "1", "--currency", "dollars"), "not a currency"),
        (("--price", "1", "--starts-at", "soon"), "ISO 8601"),
    ],
)
def test_a_show_that_cannot_be_is_refused(rowlock: Invoke, plan_id: str, more: tuple[str, ...], told: str) -> None:
    done = create(rowlock, plan_id, *more)

    assert (done.code, done.out) == (ExitCode.REFUSED, "")
    assert told in done.err
    assert rowlock("show", "list", "--json").document == {"shows": []}


def test_an_unknown_plan_is_refused(rowlock: Invoke) -> None:
    done = create(rowlock, "00000000-0000-4000-8000-000000000000", "--price", "1")

    assert done.code == ExitCode.REFUSED
    assert "rowlock plan list" in done.err


@pytest.mark.parametrize(
    ("texts", "prices"),
    [
        (["2500"], {"": 2500}),
        (["Stalls=2500", "Box A=4=100", "0"], {"Stalls": 2500, "Box A=4": 100, "": 0}),
        (["/child=1", "A=4/child=2", "A/B = 3"], {"/child": 1, "A=4/child": 2, "A/B": 3}),
    ],
)
def test_prices_are_read_with_or_without_a_category(texts: list[str], prices: dict[str, int]) -> None:
    assert parse_prices(texts) == prices


@pytest.mark.parametrize("texts", [["25.00"], ["-1"], ["Stalls="], ["=5"], ["1", "2"], ["A=1", "A=2"], ["٣"]])
def test_a_price_that_is_none_is_a_wrong_command_line(texts: list[str]) -> None:
    with pytest.raises(CommandError) as caught:
        parse_prices(texts)
    assert caught.value.code is ExitCode.USAGE


def hold_that_lapsed(dsns: Dsns, show_id: str) -> None:
    with psycopg.connect(dsns.owner, autocommit=True) as owner:
        owner.execute("update rowlock.shows set hold_seconds = 1 where show_id = %s", [show_id])
        row = owner.execute(
            "select outcome from rowlock.reserve_seats_atomic(%s, '{1,2}', 'anna')", [show_id]
        ).fetchone()
        assert row == ("OK",)
        owner.execute(
            "update rowlock.seat_reservations set created_at = created_at - interval '5 s', "
            "expires_at = expires_at - interval '5 s'"
        )
        owner.execute(
            "update rowlock.show_seats set reserved_until = reserved_until - interval '5 s' where status = 'reserved'"
        )


def test_cleanup_retires_holds_and_stats_count_them(rowlock: Invoke, plan_id: str, dsns: Dsns) -> None:
    show_id = create(rowlock, plan_id, "--price", "1", "--json").document["show_id"]
    hold_that_lapsed(dsns, show_id)

    cleaned = rowlock("cleanup", "--json").document
    told = rowlock("stats", "--show", show_id, "--hours", "1", "--json").document

    assert (cleaned["total_reservations_expired"], cleaned["total_seats_released"]) == (1, 2)
    assert len(cleaned["reservation_ids"]) == 1
    assert (told["total_created"], told["total_expired"], told["expiration_rate"]) == (1, 1, 1.0)
    assert told["avg_hold_time_seconds"] == pytest.approx(1.0)
    assert "0 reservations expired, 0 seats released." in rowlock("cleanup").out
    assert "100.0%" in rowlock("stats").out
    with psycopg.connect(dsns.owner) as owner:
        runners = owner.execute("select distinct run_by from rowlock.reservation_cleanup_runs").fetchall()
    assert runners == [("cli",)]


def test_a_paused_cleanup_retires_nothing_and_says_the_way_out(rowlock: Invoke, plan_id: str, dsns: Dsns) -> None:
    show_id = create(rowlock, plan_id, "--price", "1", "--json").document["show_id"]
    hold_that_lapsed(dsns, show_id)

    paused = rowlock("cleanup", "--pause", "--json").document
    again = rowlock("cleanup", "--pause")
    refused = rowlock("cleanup")
    refused_json = rowlock("cleanup", "--json")

    assert paused["paused"] is True
    assert again.code == 0
    assert datetime.fromisoformat(paused["paused_since"]).isoformat(timespec="seconds") in again.out
    assert "sold at once" in again.out
    assert refused.code == refused_json.code == ExitCode.REFUSED
    assert "rowlock cleanup --resume" in refused.err
    assert refused_json.document["paused"] is True
    assert refused_json.document["total_reservations_expired"] == 0
    with psycopg.connect(dsns.owner, autocommit=True) as owner:
        sold = owner.execute("select outcome from rowlock.reserve_seats_atomic(%s, '{1}', 'ben')", [show_id])
        assert sold.fetchone() == ("OK",)

    resumed = rowlock("cleanup", "--resume", "--json").document
    again = rowlock("cleanup", "--resume")
    cleaned = rowlock("cleanup", "--json").document

    assert resumed == {"paused": False, "paused_since": None}
    assert (again.code, "not paused" in again.out) == (0, True)
    assert (cleaned["total_reservations_expired"], cleaned["total_seats_released"], cleaned["paused"]) == (1, 1, False)


def test_pause_and_resume_exclude_each_other(rowlock: Invoke, dsns: Dsns) -> None:
    refused = rowlock("cleanup", "--pause", "--resume")

    assert refused.code == ExitCode.USAGE
    assert "exclude each other" in refused.err
    with psycopg.connect(dsns.owner) as owner:
        assert owner.execute("select from rowlock.runtime_settings").fetchall() == []


def test_a_rollback_names_the_pause_of_the_cleanup_and_going_forward_does_not_end_it(rowlock: Invoke) -> None:
    assert "rowlock cleanup --pause" in rowlock("rollback", "quick").out
    assert rowlock("cleanup", "--pause").code == 0

    undone = rowlock("rollback", "undo")

    assert undone.code == 0
    assert "still paused" in undone.err
    assert rowlock("cleanup").code == ExitCode.REFUSED
    assert rowlock("cleanup", "--resume").code == 0
    assert "paused" not in rowlock("rollback", "undo").err


def test_check_is_content_with_a_sound_database(rowlock: Invoke, plan_id: str) -> None:
    create(rowlock, plan_id, "--price", "1")

    assert "every invariant holds" in rowlock("check").out
    assert rowlock("check", "--json").document["ok"] is True


def test_check_names_each_violation_and_exits_with_one(rowlock: Invoke, plan_id: str, dsns: Dsns) -> None:
    show_id = create(rowlock, plan_id, "--price", "1", "--json").document["show_id"]
    with psycopg.connect(dsns.owner, autocommit=True) as owner:
        owner.execute("update rowlock.show_seats set block_reason = ''")

    done = rowlock("check")
    programs = rowlock("check", "--json")

    assert done.code == programs.code == ExitCode.REFUSED
    assert "BLOCKED_WITHOUT_REASON" in done.out
    assert f"show {show_id}, seat 4" in done.out
    [broken] = [check for check in programs.document["checks"] if check["violations"]]
    assert (broken["code"], broken["violations"][0]["seat_id"]) == ("BLOCKED_WITHOUT_REASON", 4)


def test_doctor_exits_with_one_on_a_problem(rowlock: Invoke) -> None:
    # The servers of the tests do not flush to disk, which is one.
    done = rowlock("doctor", "--json")

    assert done.code == ExitCode.REFUSED
    assert done.document["verdict"] == "problem"
    assert "problem  durability" in rowlock("doctor").out


def test_doctor_says_how_to_get_a_database(invoke: Invoke) -> None:
    done = invoke("doctor")

    assert done.code == 0
    assert "warning  connection" in done.out
    assert "rowlock up" in done.out


def test_migrate_fills_an_empty_database_and_then_finds_nothing_to_do(
    invoke: Invoke, empty_dsns: Dsns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsns.owner)

    before = invoke("migrate", "--status", "--json")
    first = invoke("migrate", "--json")
    second = invoke("migrate")
    after = invoke("migrate", "--status")

    assert (before.code, before.document["up_to_date"]) == (ExitCode.REFUSED, False)
    assert {file["state"] for file in before.document["files"]} == {"pending"}
    assert "migrations/0001_catalogue.sql" in first.document["migrations"]
    assert second.out == "The database is up to date.\n"
    assert after.code == 0
    assert "applied  migrations/0001_catalogue.sql" in after.out


def test_migrate_says_what_it_keeps_for_which_processes_and_later_what_it_drops(rowlock: Invoke, dsns: Dsns) -> None:
    with psycopg.connect(dsns.owner, autocommit=True) as owner:
        owner.execute("create function rowlock.farewell(text) returns text language sql as 'select $1'")
        owner.execute("insert into rowlock.schema_objects (path, checksum) values ('functions/farewell.sql', '')")
        with psycopg.connect(dsns.app, application_name="rowlock worker cleanup 0.9.1/4fa1c02d") as old:
            pid = old.info.backend_pid
            kept = rowlock("migrate", "--json").document["old_functions"]
            said = rowlock("migrate").out
        while owner.execute("select from pg_stat_activity where pid = %s", [pid]).fetchone():
            pass  # The server ends a session a moment after its client.
    dropped = rowlock("migrate").out

    assert kept == {"dropped": [], "kept": ["farewell(text)"], "running": ["rowlock worker cleanup 0.9.1"]}
    assert said == (
        "The database is up to date.\n"
        "Kept for processes of another version that are connected: farewell(text). "
        "The processes: rowlock worker cleanup 0.9.1. "
        "Replace them by this version, then run `rowlock migrate` again: it drops what was kept.\n"
    )
    assert dropped == "dropped farewell(text)\nThe database is up to date.\n"


def test_a_command_on_an_empty_database_says_that_it_has_to_be_migrated(
    invoke: Invoke, empty_dsns: Dsns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsns.owner)

    for command in (("show", "list"), ("check",), ("stats",)):
        done = invoke(*command)
        assert done.code == ExitCode.REFUSED
        assert "rowlock migrate" in done.err


def test_rollback_goes_back_and_forward(rowlock: Invoke, dsns: Dsns) -> None:
    def override() -> list[tuple[str]]:
        with psycopg.connect(dsns.owner) as owner:
            return owner.execute("select value from rowlock.runtime_settings").fetchall()

    assert rowlock("rollback", "quick").code == 0
    assert override() == [("0",)]

    full = rowlock("rollback", "full", "--json").document
    assert any("reserve_seats_atomic" in function for function in full["dropped"])
    assert not any("complete_order_atomic" in function for function in full["dropped"])
    assert rowlock("cleanup").code == 0
    assert rowlock("check").code == 0
    with psycopg.connect(dsns.owner) as owner:
        owner.execute("drop function rowlock.cleanup_expired_seat_reservations")
    refused = rowlock("cleanup")
    assert refused.code == ExitCode.REFUSED
    assert "rowlock rollback undo" in refused.err

    assert rowlock("rollback", "undo").code == 0
    assert override() == []
    assert rowlock("cleanup").code == 0


def test_db_url_is_a_way_in_and_nothing_else(rowlock: Invoke) -> None:
    printed = rowlock("db", "url")

    assert printed.out.count("\n") == 1
    with psycopg.connect(printed.out.strip()) as connection:
        assert connection.execute("select current_user").fetchone() == ("rowlock_owner",)
    assert rowlock("db", "url", "--json").document == {"url": printed.out.strip()}


@pytest.mark.parametrize(
    "command",
    [("show", "list"), ("cleanup",), ("stats",), ("check",), ("migrate",), ("db", "url"), ("worker",), ("serve",)],
    ids=" ".join,
)
def test_without_a_database_every_command_says_how_to_get_one(invoke: Invoke, command: tuple[str, ...]) -> None:
    extra = ("--port", "0") if command == ("serve",) else ()

    done = invoke(*command, *extra)

    assert (done.code, done.out) == (ExitCode.NO_DATABASE, "")
    assert "rowlock up" in done.err
    assert "DATABASE_URL" in done.err


def test_a_server_that_is_not_there_is_told_from_a_refusal(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://rowlock@127.0.0.1:1/rowlock")

    done = invoke("show", "list")

    assert done.code == ExitCode.NO_DATABASE
    assert "cannot be reached" in done.err


def test_a_wrong_setting_is_named(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWLOCK_POOL_SIZE", "many")

    done = invoke("show", "list")

    assert done.code == ExitCode.USAGE
    assert "ROWLOCK_POOL_SIZE" in done.err


@pytest.mark.parametrize("command", [(), ("nope",), ("show", "create"), ("stats", "--hours", "0"), ("plan", "check")])
def test_a_wrong_command_line_is_told_from_everything_else(invoke: Invoke, command: tuple[str, ...]) -> None:
    assert invoke(*command).code == ExitCode.USAGE


@pytest.mark.soak("pg15")  # The tests above run each command on both versions.
def test_each_command_works_as_a_process(dsns: Dsns, tmp_path: Path, data_dir: Path) -> None:
    env = {"DATABASE_URL": dsns.owner, "ROWLOCK_DATA_DIR": str(data_dir)}
    file = plan_file(tmp_path)

    assert "rowlock" in run_process("--version", env=env).out
    run_process("migrate", env=env)
    run_process("migrate", "--status", env=env)
    run_process("plan", "check", file, env=env)
    imported = run_process("plan", "import", file, "--venue", "Playhouse", "--json", env=env).document
    shown = run_process(
        "show", "create", "--plan", imported["plan_id"], "--title", "Swan Lake", "--starts-at", STARTS_AT,
        "--price", "2500", "--json", env=env,
    ).document  # fmt: skip
    assert shown["show_id"] in run_process("show", "list", env=env).out
    assert imported["plan_id"] in run_process("plan", "list", env=env).out
    run_process("cleanup", env=env)
    run_process("stats", "--show", shown["show_id"], "--hours", "2", env=env)
    run_process("check", env=env)
    run_process("doctor", env=env, code=1)
    run_process("rollback", "quick", env=env)
    run_process("rollback", "full", env=env)
    run_process("rollback", "undo", env=env)
    assert run_process("db", "url", env=env).out.strip() == dsns.owner
    assert json.loads(run_process("check", "--json", env=env).out)["ok"] is True


def test_a_command_uses_the_login_of_the_role_that_it_needs(
    dsns: Dsns, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWLOCK_APP_DATABASE_URL", dsns.app)
    monkeypatch.setenv("ROWLOCK_OFFICE_DATABASE_URL", dsns.office)

    assert invoke("show", "list").code == 0
    assert invoke("stats").code == 0
    assert "permission denied for function cleanup_expired_seat_reservations" in invoke("cleanup").err
    monkeypatch.setenv("ROWLOCK_WORKER_DATABASE_URL", dsns.worker)
    assert invoke("cleanup").code == 0
    assert invoke("check").code == ExitCode.NO_DATABASE
