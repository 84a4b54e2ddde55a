"""What is left when processes are killed: all committed data, and no process that was started.

The data are a hold, in a database in which a show is on sale, and after each kill `rowlock check` finds nothing wrong.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.embedded.conftest import open_folder
from tests.embedded.support import ParentMaker, ServerMaker, wait_until
from tests.support.clean_check import assert_clean_check
from tests.support.halls import put_on_sale

from rowlock.base.dsns import Dsns
from rowlock.database.connections import connect
from rowlock.database.schema.migrate import migrate
from rowlock.embedded import EmbeddedServer, StartError, account, postmaster
from rowlock.embedded.data_folder import Home

RESERVE = "select outcome from rowlock.reserve_seats_atomic((select show_id from rowlock.shows), '{{{}}}', '{}')"
COMMITTED = (7, "anna")


@pytest.fixture(scope="module")
def stopped_server(stopped_server: Path) -> Iterator[Path]:
    """The data folder of a server with a show on sale."""
    with open_folder() as made:
        subprocess.run(["cp", "-a", stopped_server, made / "data"], check=True)
        with EmbeddedServer(made / "data") as server:
            asyncio.run(put_a_show_on_sale(server.dsns))
        yield made / "data"


async def put_a_show_on_sale(dsns: Dsns) -> None:
    async with await connect(dsns.owner) as owner:
        await migrate(owner)
        await put_on_sale(owner)


def reserve(connection: psycopg.Connection, seat: int, holder: str) -> None:
    assert connection.execute(RESERVE.format(seat, holder).encode()).fetchone() == ("OK",)


def commit_a_hold(dsns: Dsns) -> None:
    with psycopg.connect(dsns.owner) as connection:
        reserve(connection, *COMMITTED)


def serving(data_dir: Path) -> tuple[str, ...]:
    """Arguments of a parent that starts the server and commits the hold."""
    return ("serve", str(data_dir), "--commit", RESERVE.format(*COMMITTED))


def assert_that_the_committed_hold_is_all_there_is(dsns: Dsns) -> None:
    """And that `rowlock check` is clean."""
    with psycopg.connect(dsns.owner) as connection:
        held = connection.execute("select seat_id, reserved_by from rowlock.show_seats").fetchall()
    assert held == [COMMITTED]
    asyncio.run(assert_clean_check(dsns))


def kill(server: EmbeddedServer) -> None:
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.is_alive(), "the killed server has ended")


def test_data_committed_before_a_kill_of_the_server_is_there_after_the_next_start(
    server: EmbeddedServer,
) -> None:
    commit_a_hold(server.dsns)
    log = server.log_path
    with psycopg.connect(server.dsns.owner) as open_transaction:
        reserve(open_transaction, 8, "ben")

        kill(server)
        dsns = server.start()

        open_transaction.close()
    assert "database system was not properly shut down; automatic recovery in progress" in log.read_text()
    assert_that_the_committed_hold_is_all_there_is(dsns)


def test_a_start_waits_for_backends_that_a_killed_server_left_running(server: EmbeddedServer) -> None:
    commit_a_hold(server.dsns)
    log = server.log_path
    with psycopg.connect(server.dsns.owner) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)  # So it cannot notice that its server has ended.
        kill(server)
        refused = "is still in use"

        def wake_up_once_refused() -> None:
            try:
                wait_until(
                    lambda: refused in log.read_text(), "the new server has been refused because of the old backend"
                )
            finally:
                os.kill(backend, signal.SIGCONT)

        waker = threading.Thread(target=wake_up_once_refused)
        waker.start()
        dsns = server.start()
        waker.join()
        connection.close()

    assert refused in log.read_text()
    assert_that_the_committed_hold_is_all_there_is(dsns)


def stale_pid_file_with_the_id_of_another_process(server: EmbeddedServer) -> tuple[int, Callable[[], None]]:
    """Kill the server and make its pid file name a process of the same user that is no server."""
    pid_file = Home(server.home).cluster / "postmaster.pid"
    owner = account.service_account(pid_file.stat().st_uid)
    kill(server)
    other_process = account.spawn(owner, ["/bin/sleep", "600"], stdin=0, output=1)
    pid_file.write_text(f"{other_process.pid}\n" + pid_file.read_text().partition("\n")[2])

    def end_other_process() -> None:
        other_process.kill()
        other_process.wait()

    return other_process.pid, end_other_process


def test_a_stale_pid_file_whose_number_is_used_again_does_not_prevent_a_start(
    server: EmbeddedServer,
) -> None:
    commit_a_hold(server.dsns)
    other_process, end_other_process = stale_pid_file_with_the_id_of_another_process(server)
    try:
        dsns = server.start()
        assert postmaster.command_line(other_process) == ["/bin/sleep", "600"]
    finally:
        end_other_process()
    assert_that_the_committed_hold_is_all_there_is(dsns)


def test_negative_control_postgresql_itself_refuses_such_a_pid_file(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, end_other_process = stale_pid_file_with_the_id_of_another_process(server)
    monkeypatch.setattr(postmaster, "replace_stale_pid", lambda *_: None)
    try:
        with pytest.raises(StartError, match=r'lock file "postmaster\.pid" already exists'):
            server.start()
    finally:
        end_other_process()


def test_a_pid_file_cut_short_by_a_power_failure_does_not_prevent_a_start(server: EmbeddedServer) -> None:
    commit_a_hold(server.dsns)
    pid_file = Home(server.home).cluster / "postmaster.pid"
    kill(server)
    pid_file.write_text("")

    assert_that_the_committed_hold_is_all_there_is(server.start())


def test_an_initdb_that_was_cut_short_leaves_nothing_behind(make_server: ServerMaker, empty_dir: Path) -> None:
    unfinished = empty_dir / "cluster-0badc0de.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    make_server(empty_dir).start()

    assert not unfinished.exists()


def test_the_server_of_a_killed_parent_stops_and_the_next_start_finds_the_data(
    make_parent: ParentMaker, make_server: ServerMaker, data_dir: Path
) -> None:
    parent = make_parent(*serving(data_dir))

    parent.signal(signal.SIGKILL)

    wait_until(parent.server_has_ended, "the server of the killed parent has ended")
    assert (data_dir / "postgres.log").read_text().rstrip().endswith("database system is shut down")
    assert_that_the_committed_hold_is_all_there_is(make_server(data_dir).start())


def test_a_server_whose_parent_and_watchdog_were_killed_is_stopped_by_the_next_start(
    make_parent: ParentMaker, make_server: ServerMaker, data_dir: Path
) -> None:
    parent = make_parent(*serving(data_dir))
    parent.kill_without_watchdog()
    assert not parent.server_has_ended(), "the server must still run, or this test shows nothing"

    server = make_server(data_dir)
    dsns = server.start()

    assert server.pid != parent.server_pid
    assert parent.server_has_ended()
    assert "database system is shut down" in server.log_path.read_text()
    assert_that_the_committed_hold_is_all_there_is(dsns)


def test_a_start_may_follow_a_kill_of_the_parent_at_once(
    make_parent: ParentMaker, make_server: ServerMaker, data_dir: Path
) -> None:
    make_parent(*serving(data_dir)).signal(signal.SIGKILL)

    assert_that_the_committed_hold_is_all_there_is(make_server(data_dir).start())


@pytest.mark.parametrize(
    ("number", "options"),
    [
        pytest.param(signal.SIGINT, [], id="Ctrl-C"),
        pytest.param(signal.SIGTERM, ["--exit-on-term"], id="TERM that the program handles"),
        pytest.param(signal.SIGTERM, [], id="TERM that ends the program at once"),
    ],
)
def test_a_signal_to_the_parent_shuts_the_server_down_cleanly(
    make_parent: ParentMaker, data_dir: Path, number: signal.Signals, options: list[str]
) -> None:
    parent = make_parent(*serving(data_dir), *options)
    cluster = Path(parent.reported["cluster"])

    status = parent.signal(number)

    if status != -signal.SIGTERM:
        assert parent.server_has_ended(), "a parent that ends in good order waits for its server"
    wait_until(parent.server_has_ended, "the server has ended")
    assert (data_dir / "postgres.log").read_text().rstrip().endswith("database system is shut down")
    assert not (cluster / "postmaster.pid").exists()


def test_ctrl_c_in_the_terminal_is_a_signal_to_the_parent_only(make_parent: ParentMaker, data_dir: Path) -> None:
    parent = make_parent(*serving(data_dir))

    sessions = {os.getsid(pid) for pid in parent.children()}

    assert len(sessions) == len(parent.children()) == 2
    assert os.getsid(parent.process.pid) not in sessions


def test_a_parent_that_exits_without_stop_still_stops_its_server(make_server: ServerMaker, data_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rowlock.embedded import EmbeddedServer;"
        "server = EmbeddedServer(Path(sys.argv[1])); server.start()"
    )
    subprocess.run([sys.executable, "-c", code, str(data_dir)], check=True)

    assert postmaster.recorded_pid(data_dir / "cluster") is None
    assert (data_dir / "postgres.log").read_text().rstrip().endswith("database system is shut down")
