"""The OpenAPI document, the HTML pages, and the health probes."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from rowlock.base.outcomes import Outcome
from rowlock.web.problems import MEDIA_TYPE, PROBLEM_TYPES
from tests.support.http import Api


class Links(HTMLParser):
    """What a page loads by itself, and the ids of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.loads.append(str(given["src"]))
        if tag == "link" and given.get("href"):
            self.loads.append(str(given["href"]))
        if given.get("id"):
            self.ids.append(str(given["id"]))


@pytest.fixture
async def document(client: Api) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    made: dict[str, Any] = answer.json()
    return made


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def test_every_endpoint_is_documented(document: dict[str, Any]) -> None:
    base = "/api/seat-reservations"
    assert {(method, path) for method, path, _ in operations(document)} >= {
        ("get", "/api/shows"),
        ("get", "/api/shows/{show_id}"),
        ("get", "/api/shows/{show_id}/seat-map"),
        ("get", "/api/shows/{show_id}/seats"),
        ("post", f"{base}/reserve-v2"),
        ("post", f"{base}/best-available"),
        ("get", f"{base}/{{token}}"),
        ("post", f"{base}/{{token}}/extend"),
        ("post", f"{base}/{{token}}/seats"),
        ("post", f"{base}/release-v2"),
        ("post", f"{base}/reserve"),
        ("post", f"{base}/release"),
        ("post", "/api/admin/cleanup"),
        ("get", "/api/admin/statistics"),
        ("post", "/api/admin/shows/{show_id}/block"),
        ("post", "/api/admin/shows/{show_id}/unblock"),
        ("get", "/health/live"),
        ("get", "/health/ready"),
    }


async def test_every_operation_has_an_id_of_its_own_a_summary_and_a_tag(document: dict[str, Any]) -> None:
    found = operations(document)

    assert len({operation["operationId"] for _, _, operation in found}) == len(found)
    for method, path, operation in found:
        assert operation["summary"], (method, path)
        assert operation["tags"], (method, path)


async def test_every_refusal_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == [MEDIA_TYPE], (method, path, status)
                schema = response["content"][MEDIA_TYPE]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, (method, path, status)
        if "422" in operation["responses"]:  # Not FastAPI's, for which we have 400.
            assert "IDEMPOTENCY_KEY_REUSED" in operation["responses"]["422"]["description"], (method, path)


async def test_every_outcome_of_reserve_is_documented(document: dict[str, Any]) -> None:
    responses = document["paths"]["/api/seat-reservations/reserve-v2"]["post"]["responses"]
    told = " ".join(response["description"] for response in responses.values())

    for code in (
        "INVALID_INPUT",
        "TOO_MANY_SEATS",
        "SHOW_NOT_FOUND",
        "SEATS_NOT_FOUND",
        "SHOW_NOT_ON_SALE",
        "DUPLICATE_RESERVATION",
        "SEATS_UNAVAILABLE",
        "FUNCTIONS_MISSING",
        "BUSY",
    ):
        assert code in told


async def test_who_may_call_an_endpoint_is_said(document: dict[str, Any]) -> None:
    staff: list[dict[str, list[str]]] = [{"OperatorKey": []}, {"IntegratorKey": []}]
    for method, path, operation in operations(document):
        if path.startswith("/api/admin"):
            assert operation["security"] == (staff if path != "/api/admin/cleanup" else staff[:1]), (method, path)
        # An integrator's key that is wrong is refused wherever it is sent, but for probes.
        assert ("401" in operation["responses"]) != path.startswith("/health"), (method, path)


async def test_every_schema_that_is_referred_to_exists(document: dict[str, Any]) -> None:
    for name in re.findall(r"'\$ref': '#/components/schemas/(\w+)'", repr(document)):
        assert name in document["components"]["schemas"]


async def test_every_outcome_has_a_problem_and_an_entry_on_the_problems_page(client: Api) -> None:
    page = (await client.get("/problems")).text

    assert {str(outcome) for outcome in Outcome} - {"OK"} <= PROBLEM_TYPES.keys()
    assert set(PROBLEM_TYPES) <= set(Links(page).ids)
    for kind in PROBLEM_TYPES.values():
        assert str(kind.status) in page
        assert kind.title in page


@pytest.mark.parametrize("path", ["/docs", "/problems"])
async def test_a_page_loads_nothing_from_other_servers(client: Api, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert not re.search(r"(?:https?:)?//(?!www\.w3\.org/)[\w.-]+\.\w+", _without_text(answer.text))
    for address in set(Links(answer.text).loads) - {"data:,"}:  # An empty icon, so that browsers request none.
        assert not re.match(r"\w+:|//", address), address
        asset = await client.get(address)
        assert asset.status_code == 200, address
        assert len(asset.content) > 100, address
        assert "cdn" not in address


def _without_text(page: str) -> str:
    """A page's tags, scripts and styles: addresses in its prose load nothing."""
    return re.sub(r">[^<]*<(?!/(?:script|style))", "><", page)


async def test_the_docs_page_shows_the_openapi_document(client: Api) -> None:
    page = (await client.get("/docs")).text

    assert "/openapi.json" in page
    assert any(address.endswith(".js") for address in Links(page).loads)
    assert any(address.endswith(".css") for address in Links(page).loads)


async def test_a_healthy_service_is_live_and_ready(client: Api) -> None:
    live, ready = await client.get("/health/live"), await client.get("/health/ready")

    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
