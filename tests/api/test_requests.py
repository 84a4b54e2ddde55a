"""What every endpoint does with a request as such: methods, bodies, request ids and headers, with and without
the fast path."""

import asyncio
import json
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import httpx
from starlette.types import Message

from tests.api.conftest import UNKNOWN_ID
from tests.support.answers import Show
from tests.support.http import ADMIN_KEY, RESERVATIONS, Api, Application, Served, problem, session
from tests.support.seatdb import SeatDb

JSON = {"content-type": "application/json"}
TOKEN = "x" * 64
WITH_BODY = (
    f"{RESERVATIONS}/reserve-v2",
    f"{RESERVATIONS}/best-available",
    f"{RESERVATIONS}/release-v2",
    f"{RESERVATIONS}/reserve",
    f"{RESERVATIONS}/release",
    f"{RESERVATIONS}/{TOKEN}/seats",
    f"{RESERVATIONS}/{TOKEN}/extend",
    f"/api/admin/shows/{UNKNOWN_ID}/block",
    f"/api/admin/shows/{UNKNOWN_ID}/unblock",
)
MALFORMED: tuple[bytes, ...] = (
    b"{",
    b"nonsense",
    b'{"show_id": }',
    b"{} {}",
    b"[]",
    b"1",
    b"null",
    b'"text"',
    b"\x00",
    b"{}\x00",
    b'{"show_id": "\xff\xfe"}',
    b'\xef\xbb\xbf{"seat_ids": 1}',
    b'{"seat_ids": "\\ud800"}',
    b'{"seat_ids": [1e999]}',
    b'{"seat_ids": [' + b"9" * 5000 + b"]}",
    b'{"seat_ids": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    b'{"other": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
)


async def test_a_malformed_body_is_a_problem_and_never_a_failure(admin: Api) -> None:
    for path in WITH_BODY:
        for body in MALFORMED:
            answer = await admin.post(path, content=body, headers=JSON)
            # Unknown members do not count, and extend needs no others: it goes on to look for the token.
            extends = path.endswith("/extend") and answer.status_code == 404
            status, code = (404, "RESERVATION_NOT_FOUND") if extends else (400, "INVALID_INPUT")
            problem(answer, status, code)


async def test_malformed_json_is_refused_with_the_place_of_the_error(client: Api) -> None:
    for body, place in (
        (b'{"show_id": }', "byte 12"),
        (b"{", "truncated"),
        (b'{"session_id": "\xff"}', "position"),
    ):
        answer = await client.post(f"{RESERVATIONS}/reserve-v2", content=body, headers=JSON)
        assert place in problem(answer, 400, "INVALID_INPUT")["detail"], answer.text


async def test_only_json_is_accepted(client: Api) -> None:
    for path in WITH_BODY[:7]:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", "multipart/form-data"):
            problem(
                await client.post(path, content=b"{}", headers={"content-type": kind}), 415, "UNSUPPORTED_MEDIA_TYPE"
            )


async def test_the_content_type_may_be_spelt_in_every_way_that_http_allows(client: Api, show: Show) -> None:
    body = f'{{"show_id": "{show.show_id}", "seat_ids": [1]}}'.encode()
    for kind in ("application/json", "Application/JSON", "application/json; charset=utf-8", " application/json ;x=y"):
        answer = await client.post(f"{RESERVATIONS}/reserve-v2", content=body, headers={"content-type": kind})
        assert answer.status_code == 201, kind
        await client.release(reservation_token=answer.json()["reservation_token"])


async def test_a_body_that_is_too_large_is_refused_with_and_without_the_fast_path(admin: Api) -> None:
    async def in_pieces() -> Any:
        for _ in range(40):
            yield b" " * 8192

    for path in WITH_BODY:
        for content in (b" " * 300_000, in_pieces()):
            answer = await admin.post(path, content=content, headers=JSON)
            assert "KiB" in problem(answer, 413, "PAYLOAD_TOO_LARGE")["detail"]


async def test_a_body_of_one_large_piece_is_refused_whatever_its_length_says(application: Application) -> None:
    for length in (None, b"10", b"9" * 5000, b"-1", b"x"):
        statuses: list[int] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b" " * 300_000, "more_body": False}

        async def send(message: Message, statuses: list[int] = statuses) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        headers = [(b"content-type", b"application/json"), *([(b"content-length", length)] if length else [])]
        await application.asgi(_scope(f"{RESERVATIONS}/reserve-v2", headers), receive, send)
        assert statuses == [413], length


async def test_a_request_whose_body_is_incomplete_does_nothing(
    application: Application, show: Show, db: SeatDb
) -> None:
    """The first part of a body, or an empty one, may be valid by itself."""
    async with application.client() as client:
        token = (await client.reserve(show, [1], by="anna")).json()["reservation_token"]
    whole = json.dumps({"show_id": str(show.show_id), "seat_ids": [2], "session_id": session("ben")}).encode()
    for path, began in (
        (f"{RESERVATIONS}/{token}/extend", b""),
        (f"{RESERVATIONS}/{token}/extend", b"{}"),
        (f"{RESERVATIONS}/reserve-v2", whole),
    ):
        messages: list[Message] = [
            {"type": "http.request", "body": began, "more_body": True},
            {"type": "http.disconnect"},
        ]

        async def receive(messages: list[Message] = messages) -> Message:
            return messages.pop(0)

        async def send(_: Message) -> None:
            pass

        await application.asgi(_scope(path, [(b"content-type", b"application/json")]), receive, send)

    assert await db.claims(show) == {1: session("anna")}
    assert len(await db.events(show)) == 1


def _scope(path: str, headers: list[tuple[bytes, bytes]], client: tuple[str, int] | None = None) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": client,
        "server": ("rowlock.test", 80),
    }


async def test_a_method_that_is_not_allowed_is_refused_with_those_that_are(client: Api) -> None:
    for method, path, allow in (
        ("PUT", f"{RESERVATIONS}/reserve-v2", "POST"),
        ("GET", f"{RESERVATIONS}/reserve-v2", "POST"),
        ("GET", f"{RESERVATIONS}/{TOKEN}/extend", "POST"),
        ("DELETE", f"{RESERVATIONS}/{TOKEN}", "GET, HEAD"),
        ("POST", f"/api/shows/{UNKNOWN_ID}/seats", "GET, HEAD"),
        ("POST", "/api/shows", "GET, HEAD"),
        ("OPTIONS", "/api/shows", "GET, HEAD"),
        ("HEAD", f"{RESERVATIONS}/reserve-v2", "POST"),
        ("HEAD", "/api/admin/cleanup", "POST"),
        ("GET", "/api/admin/cleanup", "POST"),
        ("POST", "/health/live", "GET, HEAD"),
        ("QUERY", f"{RESERVATIONS}/release-v2", "POST"),
    ):
        answer = await client.request(method, path, headers={"x-api-key": ADMIN_KEY})
        assert (answer.status_code, answer.headers["allow"]) == (405, allow), (method, path)
        if method != "HEAD":
            assert allow in problem(answer, 405, "METHOD_NOT_ALLOWED")["detail"]


def test_head_answers_as_get_without_a_body(served: Served, show: Show) -> None:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=10)
    paths = [
        "/health/live", "/health/ready", "/api/shows", f"/api/shows/{show.show_id}", f"/api/shows/{show.show_id}/seats",
        f"/api/shows/{show.show_id}/seats/status", f"/api/shows/{UNKNOWN_ID}", f"{RESERVATIONS}/{TOKEN}",
        "/openapi.json", "/docs", "/problems", "/nope",
    ]  # fmt: skip
    for path in paths:
        answers = []
        # Twice on one connection: a body after a HEAD would be read as the head of the next answer.
        for method in ("HEAD", "GET", "HEAD"):
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            assert bool(body) == (method == "GET"), (method, path)
            own = ("x-request-id", "date", "age")
            answers.append((answer.status, {k.lower(): v for k, v in answer.getheaders() if k.lower() not in own}))
        assert answers[0] == answers[1] == answers[2], path
    connection.close()


async def test_head_is_answered_without_a_body_and_logged_as_head(application: Application, client: Api) -> None:
    for path in ("/health/live", "/api/shows"):
        answer = await client.head(path)

        assert (answer.status_code, answer.content) == (200, b"")
    assert [line["method"] for line in application.access_lines()] == ["HEAD", "HEAD"]


async def test_an_unknown_path_is_a_problem(client: Api) -> None:
    for path in ("/nope", "/api", f"{RESERVATIONS}", f"{RESERVATIONS}/{TOKEN}/nope", f"{RESERVATIONS}//extend", "/%00"):
        problem(await client.get(path), 404, "NOT_FOUND")


async def test_a_request_keeps_the_id_it_came_with(client: Api) -> None:
    for path in ("/health/live", f"{RESERVATIONS}/{TOKEN}", "/nope", "/docs"):
        for name in ("abc-123", "A_b.c-9", "x" * 64):
            answer = await client.get(path, headers={"x-request-id": name})
            assert answer.headers.get_list("x-request-id") == [name], path


async def test_an_invalid_request_id_is_replaced(client: Api) -> None:
    invalid: list[str | bytes] = ["", "a b", "x" * 65, "<script>", "a\tb", b"\xff", '"', "ü".encode(), "a,b"]
    for name in invalid:
        spelt = name if isinstance(name, bytes) else name.encode()
        answer = await client.get(f"{RESERVATIONS}/{TOKEN}", headers={b"x-request-id": spelt})
        given = answer.headers["x-request-id"]
        assert given.encode() != spelt
        assert answer.json()["request_id"] == given


async def test_requests_without_an_id_get_different_ones(client: Api) -> None:
    answers = [await client.get("/health/live") for _ in range(5)]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 5


async def test_every_answer_forbids_guessing_its_type(client: Api, show: Show) -> None:
    for path in ("/health/live", "/docs", "/nope", f"/api/shows/{show.show_id}/seats", f"{RESERVATIONS}/{TOKEN}"):
        answer = await client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "same-origin", path


async def test_the_audit_log_keeps_the_address_and_agent_of_a_client_if_it_has_any(
    application: Application, show: Show, db: SeatDb
) -> None:
    """A proxy passes on whatever a client claims its address is; that must not make the reservation fail."""
    clients = [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.9"),
        ("fe80::1%eth0", None),
        ("1.2.3", None),
        ("999.1.1.1", None),
        (":::", None),
        ("unknown", None),
        ("", None),
    ]
    for seat, (host, _) in enumerate(clients, start=1):
        transport = httpx.ASGITransport(application.asgi, client=(host, 1234))
        async with Api(transport=transport, base_url="http://rowlock.test") as client:
            answer = await client.post(
                f"{RESERVATIONS}/reserve-v2",
                json={"show_id": str(show.show_id), "seat_ids": [seat], "session_id": session(f"buyer-{seat}")},
                headers={b"user-agent": b"Browser \xff" + b"x" * 1000},
            )
            assert answer.status_code == 201, host
            blocked = await client.post(
                f"/api/admin/shows/{show.show_id}/block",
                json={"seat_ids": [40], "reason": "camera"},
                headers={"x-api-key": ADMIN_KEY},
            )
            assert blocked.status_code == 200, host

    rows = await db.audit(show)
    assert [row.ip_address for row in rows if row.event == "created"] == [address for _, address in clients]
    assert [row.ip_address for row in rows if row.event == "blocked"] == [address for _, address in clients]
    agents = {row.user_agent for row in rows if row.event == "created"}
    assert agents == {("Browser ÿ" + "x" * 1000)[:400]}


async def test_a_real_server_gives_the_same_answers(served: Served, show: Show) -> None:
    async with served.client() as client:
        made = await client.reserve(show, [1], by="anna")
        assert made.status_code == 201
        answers = await asyncio.gather(*(client.reserve(show, [2], by=f"buyer-{number}") for number in range(10)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
        seats = f"/api/shows/{show.show_id}/seats"
        etag = (await client.get(seats)).headers["etag"]
        unchanged = await client.get(seats, headers={"if-none-match": etag})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert "content-length" not in unchanged.headers
        assert (await client.head(seats)).headers["etag"] == etag
        problem(await client.get(f"{RESERVATIONS}/{TOKEN}"), 404, "RESERVATION_NOT_FOUND")


async def test_a_client_that_disconnects_in_the_middle_of_its_body_reserves_nothing(
    served: Served, show: Show, db: SeatDb
) -> None:
    def half_a_request() -> None:
        body = json.dumps({"show_id": str(show.show_id), "seat_ids": [3], "session_id": session("carl")}).encode()
        connection = HTTPConnection("127.0.0.1", served.port)
        connection.connect()
        assert connection.sock is not None
        # Chunked: every byte of the body is sent, but not the empty chunk that ends it.
        head = (
            f"POST {RESERVATIONS}/reserve-v2 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"transfer-encoding: chunked\r\n\r\n{len(body):x}\r\n"
        ).encode()
        connection.sock.sendall(head + body + b"\r\n")
        connection.close()

    await asyncio.to_thread(half_a_request)
    async with served.client() as client:
        assert (await client.reserve(show, [4], by="anna")).status_code == 201
    lines = await _until(lambda: [line for line in served.application.access_lines() if line["status"] == 400])

    assert len(lines) == 1
    assert await db.claims(show) == {4: session("anna")}


async def _until(look: Callable[[], Any]) -> Any:
    """Call `look` until it returns something, and return that: the server runs in a thread of its own."""
    for _ in range(1000):
        if found := look():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("It never returned anything.")
