"""`running` finds the server of another process, and reports only a server that answers."""

import json
import os
import signal
from pathlib import Path

import psycopg
from tests.embedded.support import ParentMaker, ServerMaker, wait_until

from rowlock.embedded import EmbeddedServer, running
from rowlock.embedded.data_folder import Home


def test_nothing_runs_where_nothing_was_ever_started(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "file").write_text("")

    assert running(folder / "missing") is None
    assert running(folder / "empty") is None
    assert running(folder / "file") is None


def test_a_running_server_is_found_by_its_data_folder(server: EmbeddedServer, data_dir: Path) -> None:
    assert running(data_dir) == server.dsns


def test_a_running_server_is_found_by_another_process(
    make_parent: ParentMaker, server: EmbeddedServer, data_dir: Path
) -> None:
    assert make_parent("ask", str(data_dir)).reported == {"owner": server.dsns.owner}


def test_a_running_server_is_found_through_a_symbolic_link(
    server: EmbeddedServer, data_dir: Path, folder: Path
) -> None:
    (folder / "link").symlink_to(data_dir)

    assert running(folder / "link") == server.dsns


def test_a_stopped_server_is_not_running(server: EmbeddedServer, data_dir: Path) -> None:
    server.stop()

    assert running(data_dir) is None


def test_a_killed_server_is_not_running_although_its_files_say_so(server: EmbeddedServer, data_dir: Path) -> None:
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.is_alive(), "the killed server has ended")

    assert Home(data_dir).state.exists()
    assert running(data_dir) is None


def test_a_stale_record_with_the_id_of_another_running_process_is_ignored(
    server: EmbeddedServer, data_dir: Path
) -> None:
    state = Home(data_dir).state
    record = json.loads(state.read_text())
    server.stop()
    state.write_text(json.dumps({**record, "pid": os.getpid()}))

    assert running(data_dir) is None


def test_a_damaged_record_is_ignored(server: EmbeddedServer, data_dir: Path) -> None:
    for text in ("", "[]", '{"pid": "many"}'):
        Home(data_dir).state.write_text(text)

        assert running(data_dir) is None


def test_a_full_server_still_counts_as_running(data_dir: Path, make_server: ServerMaker) -> None:
    few = {"max_connections": "2", "superuser_reserved_connections": "0", "max_wal_senders": "0"}
    server = make_server(data_dir, settings=few)
    dsns = server.start()
    with psycopg.connect(dsns.app), psycopg.connect(dsns.app):
        assert running(data_dir) == dsns
