"""A private server from first start to stop: roles, rights, settings, restarts, refusals."""

import fcntl
import os
import stat
import subprocess
from pathlib import Path

import psycopg
import pytest
from tests.embedded.support import ServerMaker

from rowlock.base.dsns import Dsns
from rowlock.embedded import AlreadyRunningError, EmbeddedError, EmbeddedServer, StartError
from rowlock.embedded.configuration import MIB, render, settings
from rowlock.embedded.data_folder import Home

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


def ask(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_each_role_connects_to_a_fresh_server_with_its_own_connection_string(
    make_server: ServerMaker, empty_dir: Path
) -> None:
    dsns = make_server(empty_dir).start()

    for role in ("owner", "app", "v1"):
        dsn = getattr(dsns, role)
        assert ask(dsn, "select current_user") == f"rowlock_{role}"
        assert ask(dsn, "select current_database()") == "rowlock"
        assert ask(dsn, "show search_path") == "rowlock, public"


def test_every_login_needs_the_right_password(server: EmbeddedServer) -> None:
    rules = (server.home / "pg_hba.conf").read_text().splitlines()
    methods = {line.split()[-1] for line in rules if line and not line.startswith("#")}
    assert methods == {"scram-sha-256"}

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.dsns.app, password="wrong")


def test_passwords_are_stored_for_the_owner_of_the_data_only_and_are_not_in_a_repr(
    server: EmbeddedServer,
) -> None:
    passwords = server.home / "passwords.json"

    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
    assert passwords.stat().st_uid == os.geteuid()
    assert repr(server.dsns) == "Dsns()"


def test_a_commit_is_flushed_to_disk_before_it_is_confirmed(server: EmbeddedServer) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert ask(server.dsns.app, f"show {setting}") == "on"


def test_the_server_keeps_personal_data_out_of_its_log(server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsns.owner, autocommit=True) as connection:
        connection.execute("create table public.buyers (mail text unique)")
        insert = "insert into public.buyers values (%s)"
        connection.execute(insert, ["anna@example.org"])
        with pytest.raises(psycopg.errors.UniqueViolation, match=r"anna@example\.org"):
            connection.execute(insert, ["anna@example.org"])

    log = server.log_path.read_text()
    assert "duplicate key value" in log
    assert "anna" not in log


def test_text_is_utf8_and_case_folds_beyond_ascii(server: EmbeddedServer) -> None:
    assert ask(server.dsns.app, "show server_encoding") == "UTF8"
    assert ask(server.dsns.app, "select lower('ÄÉ')") == "äé"


def test_the_application_roles_may_connect_and_nothing_else(server: EmbeddedServer) -> None:
    for dsn in (server.dsns.app, server.dsns.v1):
        with psycopg.connect(dsn, autocommit=True) as connection:
            for forbidden in (
                b"create table public.t (i int)",
                b"create temporary table t (i int)",
                b"create schema s",
                b"create role r",
                b"create database d",
                b"set role rowlock_owner",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(forbidden)
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(dsn, dbname="postgres")


def test_the_owner_owns_the_database_and_administers_the_application_roles(server: EmbeddedServer) -> None:
    assert ask(server.dsns.owner, "show is_superuser") == "off"
    with psycopg.connect(server.dsns.owner, autocommit=True) as connection:
        connection.execute("create schema rowlock")
        connection.execute("create table plain_name (i int)")
        connection.execute("create role rowlock_reader")
        connection.execute("grant rowlock_app to rowlock_reader")
        connection.execute("grant usage on schema rowlock to rowlock_app")
        connection.execute("grant select on plain_name to rowlock_app")

    assert ask(server.dsns.app, "select count(*) from rowlock.plain_name") == 0
    assert ask(server.dsns.app, "select 'plain_name'::regclass::text") == "plain_name"


def test_the_connection_strings_work_for_psql_and_pgbench(server: EmbeddedServer, folder: Path) -> None:
    script = folder / "script.sql"
    script.write_text("select 1;\n")
    bin_dir = server.binaries.bin_dir

    psql = subprocess.run([bin_dir / "psql", "-XAtc", "select 40 + 2", server.dsns.app], capture_output=True, text=True)
    pgbench = subprocess.run(
        [bin_dir / "pgbench", "-n", "-c", "2", "-t", "5", "-f", script, server.dsns.app],
        capture_output=True,
        text=True,
    )

    assert (psql.stdout, psql.stderr) == ("42\n", "")
    assert "number of transactions actually processed: 10/10" in pgbench.stdout


def test_a_restart_keeps_data_and_connection_strings(make_server: ServerMaker, data_dir: Path) -> None:
    first = make_server(data_dir)
    before = first.start()
    with psycopg.connect(before.owner) as connection:
        connection.execute("create table public.kept as select 7 as number")
    first.stop()

    second = make_server(data_dir)
    after = second.start()

    assert after == before
    assert ask(after.owner, "select number from public.kept") == 7


def test_start_and_stop_may_be_repeated(make_server: ServerMaker, data_dir: Path) -> None:
    server = make_server(data_dir)
    first = server.start()
    pid = server.pid
    assert server.start() == first
    assert server.pid == pid

    server.stop()
    server.stop()
    assert not server.is_alive()
    with pytest.raises(EmbeddedError, match=r"was not started. Call start\(\) first"):
        _ = server.dsns

    assert server.start() == first


def test_stop_ends_open_sessions_and_leaves_a_clean_shutdown_in_the_log(server: EmbeddedServer) -> None:
    log = server.log_path
    with psycopg.connect(server.dsns.app) as connection:
        connection.execute("select 1")

        server.stop()

        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
        connection.close()
    assert log.read_text().rstrip().endswith("database system is shut down")
    assert not (Home(log.parent).cluster / "postmaster.pid").exists()


def test_a_second_start_on_the_same_folder_is_refused_and_names_the_process_that_runs_it(
    server: EmbeddedServer, make_server: ServerMaker, data_dir: Path
) -> None:
    with pytest.raises(
        AlreadyRunningError, match=rf"already run by process {os.getpid()}\. Use the running"
    ) as refusal:
        make_server(data_dir).start()

    assert refusal.value.pid == os.getpid()
    assert ask(server.dsns.app, "select 1") == 1


def test_a_lock_that_a_forked_child_keeps_after_its_process_ended_names_no_process(
    make_server: ServerMaker, data_dir: Path
) -> None:
    with (data_dir / "lock").open("w") as held_elsewhere:
        fcntl.flock(held_elsewhere, fcntl.LOCK_EX)
        held_elsewhere.write(f"{2**22 + 1}\n")  # Beyond the largest process id of Linux.
        held_elsewhere.flush()

        with pytest.raises(AlreadyRunningError, match=r"by another process\. .*find and stop it \(fuser") as refusal:
            make_server(data_dir).start()

    assert refusal.value.pid is None


def test_settings_can_be_overridden_and_the_supervisors_own_cannot(make_server: ServerMaker, data_dir: Path) -> None:
    dsns = make_server(data_dir, settings={"work_mem": "3MB", "fsync": "off"}).start()

    assert ask(dsns.app, "show work_mem") == "3MB"
    assert ask(dsns.app, "show fsync") == "off"
    with pytest.raises(ValueError, match="unix_socket_directories belong to the supervisor"):
        EmbeddedServer(data_dir, settings={"unix_socket_directories": "/elsewhere"})


def test_the_error_of_a_server_that_cannot_start_quotes_postgresql(make_server: ServerMaker, data_dir: Path) -> None:
    server = make_server(data_dir, settings={"shared_buffers": "nonsense"})

    with pytest.raises(StartError, match=r"(?s)ended while starting.*postgres\.log.*nonsense.*then start again"):
        server.start()

    assert not server.is_alive()
    assert isinstance(make_server(data_dir).start(), Dsns)


def test_a_lost_password_file_is_reported_and_not_replaced(make_server: ServerMaker, data_dir: Path) -> None:
    server = make_server(data_dir)
    server.start()
    passwords = server.home / "passwords.json"
    server.stop()
    kept = passwords.read_text()
    passwords.unlink()

    with pytest.raises(EmbeddedError, match=r"passwords\.json is missing.*Restore the file"):
        make_server(data_dir).start()

    passwords.write_text(kept)
    assert isinstance(make_server(data_dir).start(), Dsns)


def test_a_data_folder_below_a_file_is_refused_with_a_reason(folder: Path, make_server: ServerMaker) -> None:
    (folder / "file").write_text("")

    with pytest.raises(EmbeddedError, match="cannot be made"):
        make_server(folder / "file" / "data").start()
    with pytest.raises(EmbeddedError, match=r"is a file\. Name a folder"):
        make_server(folder / "file").start()


@pytest.mark.parametrize("name", ["d" * 120, "a, b", "with space", 'qu"ote'])
def test_a_data_folder_may_have_a_name_that_no_socket_can_have(
    make_server: ServerMaker, folder: Path, system_dir: Path, name: str
) -> None:
    server = make_server(folder / name / "data", system_dir=system_dir)

    dsns = server.start()

    assert ask(dsns.app, "select current_user") == "rowlock_app"
    psql = [str(server.binaries.bin_dir / "psql"), "-XAtc", "select 1", dsns.app]
    assert subprocess.run(psql, capture_output=True, text=True).stdout == "1\n"


@pytest.mark.skipif(not DEBIAN_15.is_dir(), reason="needs Debian's postgresql-15")
def test_the_oldest_supported_version_from_debian_works_too(make_server: ServerMaker, empty_dir: Path) -> None:
    server = make_server(empty_dir, bin_dir=DEBIAN_15)
    dsns = server.start()
    assert str(ask(dsns.app, "show server_version")).startswith("15.")
    assert ask(dsns.app, "select lower('ÄÉ')") == "äé"
    server.stop()

    assert make_server(empty_dir).start() == dsns, "the programs were searched for by the version of the data"


@pytest.mark.skipif(not DEBIAN_15.is_dir(), reason="needs Debian's postgresql-15")
def test_programs_of_another_version_are_refused_before_they_touch_the_data(
    server: EmbeddedServer, make_server: ServerMaker, data_dir: Path
) -> None:
    server.stop()

    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 18, and .* is 15\.\d+. Use programs"):
        make_server(data_dir, bin_dir=DEBIAN_15).start()


def test_the_settings_fit_small_and_large_machines_and_each_has_a_reason() -> None:
    machines = {gib: settings(memory_bytes=gib * 1024 * MIB, has_lz4=False) for gib in (1, 2, 24)}
    buffers = {
        gib: next(line.value for line in lines if line.name == "shared_buffers") for gib, lines in machines.items()
    }

    assert buffers == {1: "128MB", 2: "256MB", 24: "1024MB"}
    assert all(line.why.endswith(".") for line in machines[1])
    assert "\nfsync = 'on'\n" in render(machines[1])


@pytest.mark.parametrize("role", ["app", "office", "worker", "v1"])
def test_no_login_can_fill_the_disk_beside_our_tables(server: EmbeddedServer, role: str) -> None:
    """Large objects and temporary tables belong to no table of ours, so that no grant limits them."""
    server.start()
    with psycopg.connect(getattr(server.dsns, role), autocommit=True) as connection:
        for statement in (
            "select lo_create(0)",
            "select lo_creat(-1)",
            "select lo_from_bytea(0, 'x')",
            "select lo_put(1, 0, 'x')",
            "create temporary table t ()",
            "create table public.t ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
