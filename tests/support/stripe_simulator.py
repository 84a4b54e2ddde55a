"""A simulator of Stripe's API: a real HTTP server in a thread, for the real SDK.

Beside the objects (`stripe_state`) it has what makes the real one hard: answers that are stored under idempotency keys,
server errors among them; conflicts of concurrent calls; rate limits; errors after the work was done; answers that come
late or never; and signed webhooks that are repeated, out of order, or lost.
"""

import asyncio
import contextlib
import hmac
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.support.asgi_server import asgi_served
from tests.support.stripe_state import Json, StripeAccount, StripeError, invalid, new_id

SECRET_KEY = "sk_test_simulator"
PUBLISHABLE_KEY = "pk_test_simulator"
WEBHOOK_SECRET = "whsec_simulator"


@dataclass
class Fault:
    """What goes wrong with the next requests.

    kind   "429", "500" (nothing is done), "500_after" (it is done, and the error is stored under the key), "503" (no
           JSON, as from a proxy), "late" (it is done, and the answer takes `seconds`).
    times  how many requests; None for all.
    only   a part of the method and path, such as "POST /v1/refunds".
    """

    kind: str
    times: int | None = 1
    only: str = ""
    seconds: float = 0.0

    def applies(self, what: str) -> bool:
        if self.only not in what or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class Stored:
    """An answer under an idempotency key."""

    fingerprint: str
    status: int | None = None
    body: Json = field(default_factory=dict)


@dataclass
class StripeSimulator:
    """The server. Tests look at and change everything here; requests are served in another thread."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    accounts: dict[str | None, StripeAccount] = field(default_factory=lambda: {None: StripeAccount()})
    keys: dict[tuple[str | None, str], Stored] = field(default_factory=dict)
    has_search: bool = True
    delivered: dict[str, int] = field(default_factory=dict)

    @property
    def platform(self) -> StripeAccount:
        return self.accounts[None]

    def connect(self, account: str) -> StripeAccount:
        """A connected account."""
        return self.accounts.setdefault(account, StripeAccount(account))

    def forget_keys(self) -> None:
        """More than 24 hours have passed."""
        self.keys.clear()

    async def deliver(
        self,
        url: str,
        *,
        secret: str = WEBHOOK_SECRET,
        account: str | None = None,
        disorder: random.Random | None = None,
        duplicates: int = 1,
        tries: int = 3,
        lost: float = 0.0,
    ) -> None:
        """Deliver every event of an account that was not taken yet, each up to `tries` times until it is answered 2xx.

        disorder    shuffles them.
        duplicates  how often each is sent.
        lost        the share that never arrives; needs `disorder`.
        """
        events = [event for event in self.accounts[account].events if event["id"] not in self.delivered] * duplicates
        if disorder is not None:
            disorder.shuffle(events)
            events = [event for event in events if disorder.random() >= lost]
        async with httpx.AsyncClient(timeout=10) as client:
            for event in events:
                for attempt in range(tries):
                    body = json.dumps(event).encode()
                    headers = {"content-type": "application/json", "stripe-signature": signature(body, secret)}
                    answer = await client.post(url, content=body, headers=headers)
                    if answer.is_success:
                        self.delivered[event["id"]] = self.delivered.get(event["id"], 0) + 1
                        break
                    await asyncio.sleep(0.01 * 2**attempt)

    async def serve(self, request: Request) -> Response:
        """Any request."""
        what = f"{request.method} {request.url.path}"
        self.requests.append(what)
        fault = next((fault for fault in self.faults if fault.applies(what)), None)
        kind = fault.kind if fault else ""
        if kind == "503":
            return PlainTextResponse("upstream connect error", 503)
        try:
            account = self._account(request)
            if request.method == "GET" or kind == "429":
                answer = self._answer(request, account, _decode(request.url.query), kind)
                return await self._send(200, answer, fault)
            return await self._write(request, account, fault)
        except StripeError as error:
            headers = {"retry-after": "2"} if error.status == 429 else {}
            return await self._send(error.status, error.body, fault, headers)

    async def _write(self, request: Request, account: StripeAccount, fault: Fault | None) -> Response:
        body = (await request.body()).decode()
        key = request.headers.get("idempotency-key")
        fingerprint = f"{request.url.path}?{sorted(parse_qsl(body))}"
        if key is None:
            return await self._send(
                200, self._answer(request, account, _decode(body), fault.kind if fault else ""), fault
            )
        stored = self.keys.get((account.account, key))
        if stored is not None:
            if stored.fingerprint != fingerprint:
                message = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used with."
                )
                raise StripeError(400, "idempotency_error", message)
            if stored.status is None:
                message = "There is currently another in-progress request using this idempotency key."
                raise StripeError(409, "idempotency_error", message, "idempotency_key_in_use")
            return await self._send(stored.status, stored.body, None, {"idempotent-replayed": "true"})
        stored = self.keys[account.account, key] = Stored(fingerprint)
        try:
            status, answer = self._execute(request, account, body, fault)
        except StripeError as error:
            if error.body["error"]["code"] is None:  # Validation, before anything was executed.
                del self.keys[account.account, key]
                raise
            status, answer = error.status, error.body
        if fault is not None and fault.kind == "late":
            await asyncio.sleep(fault.seconds)
        stored.status, stored.body = status, json.loads(json.dumps(answer))
        return await self._send(status, answer, None)

    def _execute(self, request: Request, account: StripeAccount, body: str, fault: Fault | None) -> tuple[int, Json]:
        kind = fault.kind if fault else ""
        failure = {"error": {"type": "api_error", "message": "An unknown error occurred", "code": None}}
        if kind == "500":
            return 500, failure
        answer = self._answer(request, account, _decode(body), "")
        return (500, failure) if kind == "500_after" else (200, answer)

    @staticmethod
    async def _send(status: int, body: Json, fault: Fault | None, headers: dict[str, str] | None = None) -> Response:
        if fault is not None and fault.kind == "late":
            await asyncio.sleep(fault.seconds)
        return JSONResponse(body, status, {"request-id": new_id("req"), **(headers or {})})

    def _account(self, request: Request) -> StripeAccount:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not sent.startswith("sk_"):
            raise StripeError(401, "invalid_request_error", "Invalid API Key provided")
        account = request.headers.get("stripe-account")
        if account not in self.accounts:
            raise StripeError(403, "invalid_request_error", "The provided key does not have access to this account")
        return self.accounts[account]

    def _answer(self, request: Request, account: StripeAccount, params: Json, kind: str) -> Json:
        if kind == "429":
            raise StripeError(429, "invalid_request_error", "Too many requests", "rate_limit")
        if kind in ("500", "500_after"):
            raise StripeError(500, "api_error", "An unknown error occurred")
        expand = params.pop("expand", [])
        expand = list(expand.values()) if isinstance(expand, dict) else expand
        path = request.url.path.removeprefix("/v1/").split("/")
        answer = self._route(request.method, path, account, params)
        return _expanded(account, answer, expand)

    def _route(self, method: str, path: list[str], account: StripeAccount, params: Json) -> Json:
        match method, path:
            case "POST", ["payment_intents"]:
                return account.create_intent(params)
            case "GET", ["payment_intents"]:
                return _page(account.intents, params, "/v1/payment_intents")
            case "GET", ["payment_intents", "search"]:
                return self._search(account, params)
            case "GET", ["payment_intents", id_]:
                return account.intent(id_)
            case "POST", ["payment_intents", id_, "confirm"]:
                return account.confirm(id_, params["payment_method"])
            case "POST", ["payment_intents", id_, "capture"]:
                return account.capture(id_)
            case "POST", ["payment_intents", id_, "cancel"]:
                return account.cancel(id_)
            case "POST", ["refunds"]:
                return account.refund(params)
            case "GET", ["refunds"]:
                of = params.get("payment_intent")
                found = {
                    id_: refund for id_, refund in account.refunds.items() if of in (None, refund["payment_intent"])
                }
                return _page(found, params, "/v1/refunds")
            case "GET", ["refunds" | "disputes" as kind, id_]:
                objects = account.refunds if kind == "refunds" else account.disputes
                if id_ not in objects:
                    raise invalid(f"No such {kind[:-1]}: '{id_}'", "resource_missing", 404)
                return objects[id_]
            case "GET", ["disputes"]:
                return _page(account.disputes, params, "/v1/disputes")
            case "GET", ["events"]:
                return _page({event["id"]: event for event in account.events}, params, "/v1/events")
        raise invalid(f"Unrecognized request URL ({method}: /v1/{'/'.join(path)})", None, 404)

    def _search(self, account: StripeAccount, params: Json) -> Json:
        if not self.has_search:
            raise invalid("Search is not available for your account")
        wanted = re.fullmatch(r"metadata\['(\w+)'\]:'([^']+)'", params["query"])
        if wanted is None:
            raise invalid("The query cannot be parsed")
        found = [intent for intent in account.intents.values() if intent["metadata"].get(wanted[1]) == wanted[2]]
        return {"object": "search_result", "data": found, "has_more": False, "url": "/v1/payment_intents/search"}


def _page(objects: dict[str, Json], params: Json, url: str) -> Json:
    newest_first = [*objects.values()][::-1]
    if "created" in params:
        newest_first = [each for each in newest_first if each["created"] >= int(params["created"].get("gte", 0))]
    if "starting_after" in params:
        ids = [each["id"] for each in newest_first]
        newest_first = newest_first[ids.index(params["starting_after"]) + 1 :]
    limit = int(params.get("limit", 10))
    return {"object": "list", "data": newest_first[:limit], "has_more": len(newest_first) > limit, "url": url}


def _expanded(account: StripeAccount, answer: Json, expand: list[str]) -> Json:
    def with_charge(intent: Json) -> Json:
        return {**intent, "latest_charge": account.charges.get(intent["latest_charge"], None)}

    if "latest_charge" in expand:
        return with_charge(answer)
    if "data.latest_charge" in expand:
        return {**answer, "data": [with_charge(intent) for intent in answer["data"]]}
    return answer


def _decode(text: str) -> Json:
    """Form fields such as a[b]=c as nested dictionaries."""
    found: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        place = found
        *folders, last = [part.rstrip("]") for part in name.split("[")]
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return found


def signature(body: bytes, secret: str, at: float | None = None) -> str:
    """The header Stripe-Signature."""
    instant = int(time.time() if at is None else at)
    digest = hmac.digest(secret.encode(), f"{instant}.".encode() + body, sha256).hex()
    return f"t={instant},v1={digest}"


@contextlib.contextmanager
def simulated_stripe() -> Iterator[StripeSimulator]:
    """A simulator on a free port of 127.0.0.1."""
    simulator = StripeSimulator()
    with asgi_served(Starlette(routes=[Route("/{path:path}", simulator.serve, methods=["GET", "POST"])])) as url:
        simulator.url = url
        yield simulator
