"""Runs a server, or looks for a running one, in a process of its own; with --user after giving up root permanently.

Everything is imported before the user changes, because Python itself may be installed where only root can read.
"""

import argparse
import json
import os
import pwd
import signal
import sys
from pathlib import Path

import psycopg

from rowlock.embedded import EmbeddedError, EmbeddedServer, running


def switch_to_user(name: str) -> None:
    entry = pwd.getpwnam(name)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def report(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def serve(data_dir: Path, bin_dir: Path | None, statement: str) -> None:
    with EmbeddedServer(data_dir, bin_dir=bin_dir) as server:
        with psycopg.connect(server.dsns.owner, autocommit=True) as connection:
            connection.execute(statement.encode())
        report(pid=server.pid, cluster=str(server.home / "cluster"), uid=os.geteuid())
        sys.stdin.read()


def ask(data_dir: Path) -> None:
    try:
        dsns = running(data_dir)
    except EmbeddedError as error:
        report(error=str(error))
    else:
        report(owner=dsns.owner if dsns else None)


def main() -> None:
    # A shell that runs the tests in the background lets everything below it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = argparse.ArgumentParser()
    arguments.add_argument("action", choices=["serve", "ask"])
    arguments.add_argument("data_dir", type=Path)
    arguments.add_argument("--bin-dir", type=Path)
    arguments.add_argument("--user")
    arguments.add_argument("--commit", metavar="STATEMENT", default="select 1")
    arguments.add_argument("--exit-on-term", action="store_true")
    given = arguments.parse_args()
    if given.user:
        switch_to_user(given.user)
    if given.exit_on_term:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if given.action == "serve":
        serve(given.data_dir, given.bin_dir, given.commit)
    else:
        ask(given.data_dir)


if __name__ == "__main__":
    main()
