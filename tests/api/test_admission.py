"""X-Admission: with ROWLOCK_ADMISSION_KEY only those reserve whom a program in front of Rowlock has admitted.

Admissions are signed by the very example of docs/how-to/let-a-queue-admit.md.
"""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from rowlock.base.integrator import Scope
from rowlock.web.sessions import COOKIE
from tests.api.test_integrator_keys import make
from tests.support.answers import Show
from tests.support.http import RESERVATIONS, Api, Application, outcome, problem, running, session
from tests.support.seatdb import SeatDb

pytestmark = pytest.mark.usefixtures("clean_check")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "let-a-queue-admit.md"
KEY = "admission-key-of-the-tests-0123456789"
ANNA = session("anna")

Sign = Callable[..., str]
Call = Callable[[Api], Awaitable[httpx.Response]]


@pytest.fixture
def admission(monkeypatch: pytest.MonkeyPatch) -> Sign:
    """The function of the documentation."""
    monkeypatch.setenv("ROWLOCK_ADMISSION_KEY", KEY)
    [example] = re.findall(r"^```python\n(.+?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 10
    names: dict[str, Sign] = {}
    exec(example, names)
    return names["admission"]


@pytest.fixture
async def guarded(db: SeatDb) -> AsyncIterator[Application]:
    """The application with a key for admissions."""
    async with running(db.dsns, admission_key=KEY) as application:
        yield application


def wishes(show: Show, session_id: str | None = None) -> list[Call]:
    """One call of each endpoint that reserves, each for a seat of its own."""
    by = {} if session_id is None else {"session_id": session_id}
    body = {"show_id": str(show.show_id)} | by
    return [
        lambda client: client.post(f"{RESERVATIONS}/reserve-v2", json=body | {"seat_ids": [1]}),
        lambda client: client.post(f"{RESERVATIONS}/reserve", json=body | {"seat_ids": [2]}),
        lambda client: client.best(show, 1, **by),
    ]


async def test_who_was_admitted_reserves_and_needs_no_admission_for_the_rest(
    guarded: Application, show: Show, admission: Sign, db: SeatDb
) -> None:
    for wish in wishes(show, ANNA):
        async with guarded.client(headers={"x-admission": admission(str(show.show_id), ANNA)}) as admitted:
            made = await wish(admitted)
        assert outcome(made) == (201, None)
        token = made.json()["reservation_token"]
        async with guarded.client() as client:
            assert (await client.hold(token)).status_code == 200
            assert (await client.extend(token)).status_code == 200
            assert (await client.change(token, add=[30])).status_code == 200
            assert (await client.release(reservation_token=token)).status_code == 200
    assert await db.claims(show) == {}


async def test_a_session_may_have_colons(guarded: Application, show: Show, admission: Sign) -> None:
    name = f"shop:1:{'x' * 32}:9"
    async with guarded.client(headers={"x-admission": admission(str(show.show_id), name)}) as client:
        assert outcome(await wishes(show, name)[0](client)) == (201, None)


async def test_what_is_wrong_with_an_admission_is_told(
    guarded: Application, show: Show, admission: Sign, db: SeatDb
) -> None:
    other = await db.make_show()
    good = admission(str(show.show_id), ANNA)
    head, _, signature = good.rpartition(":")
    show_id, name, expires = head.split(":")
    refused = {
        None: "is missing",
        "": "has not the form",
        "yes": "has not the form",
        head: "has not the form",
        good + "0": "has not the form",
        f"{show_id}:{name}:-1:{signature}": "has not the form",
        f"{show_id}:{name}:{'9' * 13}:{signature}": "has not the form",
        f"{show_id}::{expires}:{signature}": "has not the form",
        f"{head}:{signature[:-1]}{'0' if signature[-1] != '0' else '1'}": "signature of X-Admission is wrong",
        f"{show_id}:{name}:{int(expires) + 1}:{signature}": "signature of X-Admission is wrong",
        f"{other.show_id}:{name}:{expires}:{signature}": "signature of X-Admission is wrong",
        f"{show_id}:{session('ben')}:{expires}:{signature}": "signature of X-Admission is wrong",
        admission(str(other.show_id), ANNA): "for another show",
        admission(str(show.show_id), session("ben")): "for another session",
        admission(str(show.show_id), ANNA, seconds=25 * 3600): "more than 24 hours",
        admission(str(show.show_id), ANNA, seconds=-1): "has expired",
    }
    for value, told in refused.items():
        headers = {} if value is None else {"x-admission": value}
        async with guarded.client(headers=headers) as client:
            for wish in wishes(show, ANNA):
                answer = await wish(client)
                assert told in problem(answer, 403, "ADMISSION_REQUIRED")["detail"], value
                assert "set-cookie" not in answer.headers
    assert await db.claims(show) == {}
    assert await db.audit(show) == []


async def test_an_admission_of_another_key_is_worth_nothing(show: Show, admission: Sign, db: SeatDb) -> None:
    headers = {"x-admission": admission(str(show.show_id), ANNA)}
    async with running(db.dsns, admission_key=KEY + "x") as application, application.client(headers=headers) as client:
        told = problem(await wishes(show, ANNA)[0](client), 403, "ADMISSION_REQUIRED")
    assert "signature" in told["detail"]


async def test_an_admission_ends(
    guarded: Application, show: Show, admission: Sign, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with guarded.client(headers={"x-admission": admission(str(show.show_id), ANNA, seconds=600)}) as client:
        later = time.time() + 601
        monkeypatch.setattr("rowlock.web.admission.time", lambda: later)
        told = problem(await wishes(show, ANNA)[0](client), 403, "ADMISSION_REQUIRED")
    assert "expired" in told["detail"]


async def test_a_browser_gets_its_cookie_with_the_refusal_and_is_admitted_by_its_value(
    guarded: Application, show: Show, admission: Sign, db: SeatDb
) -> None:
    for wish in wishes(show):
        async with guarded.client(browser=True) as browser:
            refused = await wish(browser)
            problem(refused, 403, "ADMISSION_REQUIRED")
            value = browser.cookies[COOKIE]
            again = await wish(browser)
            problem(again, 403, "ADMISSION_REQUIRED")
            assert "set-cookie" in refused.headers
            assert "set-cookie" not in again.headers
            browser.headers["x-admission"] = admission(str(show.show_id), value)
            assert outcome(await wish(browser)) == (201, None)
    assert len(set((await db.claims(show)).values())) == 3


async def test_an_admission_of_one_browser_is_of_no_use_to_another(
    guarded: Application, show: Show, admission: Sign
) -> None:
    async with guarded.client(browser=True) as browser, guarded.client(browser=True) as other:
        for each in (browser, other):
            await wishes(show)[0](each)
        other.headers["x-admission"] = admission(str(show.show_id), browser.cookies[COOKIE])
        told = problem(await wishes(show)[0](other), 403, "ADMISSION_REQUIRED")
    assert "another session" in told["detail"]


async def test_an_integrator_with_a_key_to_sell_needs_none(
    guarded: Application, show: Show, owner: psycopg.AsyncConnection
) -> None:
    sell, _ = await make(owner, Scope.SELL)
    staff, _ = await make(owner, Scope.STAFF)
    async with guarded.client(headers={"x-rowlock-key": sell}) as shop:
        assert outcome(await wishes(show, "anna")[0](shop)) == (201, None)
    async with guarded.client(headers={"x-rowlock-key": staff}) as box_office:
        problem(await wishes(show, "ben")[0](box_office), 403, "FORBIDDEN")


async def test_without_the_setting_the_header_means_nothing(client: Api, show: Show) -> None:
    client.headers["x-admission"] = "yes"
    for number, wish in enumerate(wishes(show)):
        assert outcome(await wish(client)) == (201, None), number


async def test_the_document_has_the_header_where_it_counts(client: Api) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    with_header = {
        path
        for path, methods in paths.items()
        for operation in methods.values()
        if any(parameter["name"] == "X-Admission" for parameter in operation.get("parameters", ()))
    }
    assert with_header == {f"{RESERVATIONS}/{name}" for name in ("reserve-v2", "reserve", "best-available")}


async def test_a_show_that_does_not_exist_is_no_way_around(guarded: Application) -> None:
    async with guarded.client() as client:
        body = {"show_id": str(uuid4()), "seat_ids": [1], "session_id": ANNA}
        problem(await client.post(f"{RESERVATIONS}/reserve-v2", json=body), 403, "ADMISSION_REQUIRED")
