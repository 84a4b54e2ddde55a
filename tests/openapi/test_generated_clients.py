"""Clients that others' generators make of the OpenAPI document buy two seats of a real server, without a warning.

The document is the one that the server serves. The programs that buy are in `clients`, as a user would write them.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.operations.store import find_violations
from tests.openapi.test_document_for_generators import NODE, QUIET, node_modules
from tests.support.pdf import page_texts
from tests.support.rowlock_up import Up, rowlock_up
from tests.support.servers import TestServers

PYTHON_VARIABLE = "ROWLOCK_TEST_PYTHON_CLIENT"
PROGRAMS = Path(__file__).parent / "clients"
PATIENCE_SECONDS = 60
# It parses JSON and bytes, and has to be told that a PDF is bytes. Formatting what it writes is nothing we need.
PYTHON_CONFIG = "post_hooks: []\ncontent_type_overrides:\n  application/pdf: application/octet-stream\n"

pytestmark = pytest.mark.xdist_group("openapi")

Document = dict[str, Any]
Program = tuple[str | Path, ...]
Make = Callable[[Document, Path], Program]


class GenerationError(Exception):
    """A generator, a compiler or a program complains; the message is what it prints."""


def run(*command: str | Path, folder: Path) -> str:
    """What a command prints on standard output. Raises GenerationError."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **QUIET},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    if done.returncode != 0 or "arning" in done.stdout + done.stderr:
        raise GenerationError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def in_python(document: Document, folder: Path) -> Program:
    """A program in Python on a client of openapi-python-client."""
    python = os.environ.get(PYTHON_VARIABLE)
    if not python:
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"{PYTHON_VARIABLE} is not set")
        pytest.skip(f"{PYTHON_VARIABLE} is not set: `make test-tools` sets it.")
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "config.yaml").write_text(PYTHON_CONFIG, encoding="utf-8")
    options = ("--path", "openapi.json", "--config", "config.yaml", "--meta", "none", "--fail-on-warning")
    run(python, "-m", "openapi_python_client", "generate", *options, "--output-path", "rowlock_client", folder=folder)
    # What a program imports is looked for next to it.
    return python, shutil.copy(PROGRAMS / "buy_two_seats.py", folder)


def in_typescript(document: Document, folder: Path) -> Program:
    """A program in TypeScript, on openapi-fetch and the types of openapi-typescript."""
    modules = node_modules()
    (folder / "node_modules").symlink_to(modules)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    for name in ("buy_two_seats.ts", "tsconfig.json"):
        shutil.copy(PROGRAMS / name, folder)
    run(NODE, modules / "openapi-typescript/bin/cli.js", "openapi.json", "--output", "rowlock.d.ts", folder=folder)
    run(NODE, modules / "typescript/bin/tsc", folder=folder)
    return NODE, folder / "buy_two_seats.js"


LANGUAGES = pytest.mark.parametrize("make", [in_python, in_typescript])


@pytest.fixture(scope="module")
def dsns(servers: TestServers) -> Iterator[Dsns]:
    """On one version of PostgreSQL: the clients know nothing of it."""
    server = servers.get("pg18")
    with server.database() as name:
        yield server.dsns(name)


@pytest.fixture(scope="module")
def up(dsns: Dsns) -> Iterator[Up]:
    with rowlock_up(dsns) as up:
        yield up


@pytest.fixture(scope="module")
def document(up: Up) -> Document:
    answer: Document = httpx.get(f"{up.url}/openapi.json").raise_for_status().json()
    return answer


@LANGUAGES
async def test_a_generated_client_buys_two_seats(
    make: Make, up: Up, document: Document, dsns: Dsns, tmp_path: Path
) -> None:
    program = make(document, tmp_path)

    bought = json.loads(run(*program, up.url, "tickets.pdf", folder=tmp_path))

    assert (bought["status"], len(bought["seat_ids"])) == ("paid", 2)
    assert bought["total_minor"] == bought["expected_minor"] > 0
    assert len(page_texts((tmp_path / "tickets.pdf").read_bytes())) == 2
    async with await psycopg.AsyncConnection.connect(dsns.owner, autocommit=True) as owner:
        cursor = await owner.execute(
            "select array_agg(t.seat_id order by t.seat_id) from rowlock.tickets as t where t.order_id = %s "
            "and t.status = 'valid'",
            [bought["order_id"]],
        )
        assert await cursor.fetchone() == (bought["seat_ids"],)
        assert await find_violations(owner) == []


@LANGUAGES
def test_an_operation_that_is_missing_is_seen(make: Make, up: Up, document: Document, tmp_path: Path) -> None:
    paths = {path: methods for path, methods in document["paths"].items() if path != "/api/ticket-orders/confirm"}

    with pytest.raises(GenerationError, match="confirm"):
        run(*make(document | {"paths": paths}, tmp_path), up.url, "tickets.pdf", folder=tmp_path)


def test_a_warning_of_a_generator_is_seen(document: Document, tmp_path: Path) -> None:
    schemas = {name: schema for name, schema in document["components"]["schemas"].items() if name != "PaymentView"}

    with pytest.raises(GenerationError, match="PaymentView"):
        in_python(document | {"components": document["components"] | {"schemas": schemas}}, tmp_path)
