"""docs/how-to/buy-tickets-from-a-program.md, run as it stands against `rowlock up`: it prints what the page says.

The demonstration of a fresh database is always the same, so seats and amounts are, too. Only where the server listens
and its admin key are not those of the page.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.operations.store import find_violations
from tests.support.pdf import page_texts
from tests.support.rowlock_up import rowlock_up
from tests.support.servers import TestServers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "buy-tickets-from-a-program.md"
PROGRAMS = ("bash", "curl", "jq", "openssl")
OUTPUTS = ("json", "text")
PATIENCE_SECONDS = 60
STEP = "=== step {number} ==="

Block = tuple[str, str]


def blocks(text: str) -> list[Block]:
    """The code blocks of a page, as (language, text)."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def steps(found: list[Block], language: str) -> Iterator[tuple[str, str]]:
    """What is to be run of a language, each with the output that the page has right below it."""
    for (spoken, code), (below, output) in pairwise(found):
        if spoken == language:
            assert below in OUTPUTS, f"no output is told of:\n{code}"
            yield code, output


def run(command: list[str], folder: Path, env: dict[str, str]) -> str:
    """What a command prints. Fails when it does."""
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_in_one_shell(codes: list[str], folder: Path, env: dict[str, str]) -> list[str]:
    """What each piece of a shell script prints; a command that fails ends it."""
    script = "set -euo pipefail\n" + "".join(
        f"{code}\necho; echo '{STEP.format(number=number)}'\n" for number, code in enumerate(codes)
    )
    printed = run(["bash", "-c", script], folder, env)
    outputs = re.split(STEP.format(number=r"\d+"), printed)
    return [output.strip() for output in outputs[: len(codes)]]


@pytest.fixture(scope="module")
def dsns(servers: TestServers) -> Iterator[Dsns]:
    """On one version of PostgreSQL: the page says nothing of it."""
    server = servers.get("pg18")
    with server.database() as name:
        yield server.dsns(name)


async def test_the_example_of_a_purchase_runs_as_it_stands(dsns: Dsns, tmp_path: Path) -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"{', '.join(missing)} is not installed.")
    settings, *found = blocks(PAGE.read_text(encoding="utf-8"))
    in_shell, in_python = list(steps(found, "bash")), list(steps(found, "python"))
    assert (len(in_shell), len(in_python)) == (9, 1)

    with rowlock_up(dsns) as up:
        env = {"URL": up.url, "ADMIN_KEY": up.admin_key}
        assert re.findall(r"^export (\w+)=", settings[1], re.MULTILINE) == list(env)
        env["PATH"] = os.environ["PATH"]
        told = run_in_one_shell([code for code, _ in in_shell], tmp_path, env)
        assert len(page_texts((tmp_path / "tickets.pdf").read_bytes())) == 2
        (tmp_path / "tickets.pdf").unlink()
        told += [run([sys.executable, "-c", code], tmp_path, env) for code, _ in in_python]
        assert len(page_texts((tmp_path / "tickets.pdf").read_bytes())) == 2

    for (code, expected), output in zip([*in_shell, *in_python], told, strict=True):
        assert output.strip() == expected.strip(), f"printed by:\n{code}"
    async with await psycopg.AsyncConnection.connect(dsns.owner, autocommit=True) as owner:
        cursor = await owner.execute(
            "select o.status, array_agg(t.status order by t.seat_id) from rowlock.ticket_orders as o "
            "join rowlock.tickets as t using (show_id, order_id) where o.customer_email = 'anna@example.org' "
            "group by o.order_id, o.status"
        )
        assert await cursor.fetchall() == [("partially_refunded", ["void", "valid"])] * 2
        assert await find_violations(owner) == []


def test_a_page_that_says_something_else_is_seen(tmp_path: Path) -> None:
    page = '```bash\nexport A=1\n```\n\n```bash\nB=2\n```\n\n```json\n2\n```\n\n```bash\necho "$B"\n```\n'

    with pytest.raises(AssertionError, match="no output is told of"):
        list(steps(blocks(page), "bash"))
    assert run_in_one_shell(["B=2; echo b", 'echo "$B"'], tmp_path, dict(os.environ)) == ["b", "2"]
    with pytest.raises(AssertionError):
        run_in_one_shell(["false", "true"], tmp_path, dict(os.environ))
