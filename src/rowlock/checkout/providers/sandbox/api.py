"""Endpoints of the sandbox: its payment page, and the call with which programs pay."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from rowlock.checkout.providers.model import CardOutcome, KeptPayment, PaymentNotOpenError
from rowlock.checkout.providers.payment_provider import (
    PaymentStatus,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from rowlock.checkout.providers.sandbox import PAGE, SandboxProvider
from rowlock.checkout.providers.sandbox.pages import content_security_policy, missing_page, payment_page
from rowlock.web.openapi import problems
from rowlock.web.problems import ProblemError
from rowlock.web.security import PUBLIC, stated

_DECLINED = "declined"
_MOST_SECONDS = 7 * 86400

_ID = r"[A-Za-z0-9_-]{1,100}"

PaymentId = Annotated[
    str,
    Path(
        alias="id",
        pattern=f"^{_ID}$",
        description="The id of the payment intent, or the sandbox's reference.",
    ),
]


class CardGiven(BaseModel):
    """What the buyer's bank is to say."""

    model_config = ConfigDict(extra="forbid")

    outcome: Annotated[
        CardOutcome,
        Field(
            description="`succeed`, `decline` (another card may follow), `delay` (five seconds), `three_d_secure`, "
            "`late` (15 minutes), `lost_webhook`, `repeated_webhook`, `refund_fails`."
        ),
    ]
    after_seconds: Annotated[
        float | None, Field(ge=0, le=_MOST_SECONDS, description="How long `delay` and `late` take.")
    ] = None


class SandboxPayment(BaseModel):
    """A payment of the sandbox as it is now."""

    success: bool = True
    reference: str
    payment_intent_id: UUID
    status: PaymentStatus
    amount_minor: int
    currency: str
    last_error: str | None
    page_url: str | None


class BankAction(BaseModel):
    """What the buyer's bank does with money that was captured."""

    model_config = ConfigDict(extra="forbid")

    action: Annotated[
        Literal["open", "win", "lose"],
        Field(description="`open` takes it back, `win` gives it to the seller again, `lose` does not."),
    ]


class SandboxDispute(BaseModel):
    """A chargeback of the sandbox. `status` is opened, won or lost."""

    success: bool = True
    reference: str
    status: str
    amount_minor: int
    currency: str


def router(sandboxes: Sequence[SandboxProvider]) -> APIRouter:
    """The routes, for every account of the sandbox."""
    routes = APIRouter()

    async def find(id_: str) -> tuple[SandboxProvider, KeptPayment] | None:
        if re.fullmatch(_ID, id_) is None:
            return None
        try:
            for sandbox in sandboxes:
                if (payment := await sandbox.find(id_)) is not None:
                    return sandbox, payment
        except ProviderUnavailableError as error:
            raise ProblemError("BUSY") from error
        return None

    async def pay(
        sandbox: SandboxProvider, payment: KeptPayment, outcome: CardOutcome, after_seconds: float | None = None
    ) -> KeptPayment:
        try:
            return await sandbox.authorize(payment.reference, outcome, after_seconds=after_seconds)
        except ProviderUnavailableError as error:
            raise ProblemError("BUSY") from error

    @routes.post(
        "/api/sandbox/payment-intents/{id}/authorize",
        tags=["sandbox"],
        summary="Pay with a test card",
        operation_id="authorizeSandboxPayment",
        openapi_extra=stated(PUBLIC),
        responses=problems("INVALID_INPUT", "UNAUTHORIZED", "NOT_FOUND", "PAYMENT_NOT_OPEN"),
    )
    async def authorize(id_: PaymentId, given: CardGiven) -> SandboxPayment:
        """Let the buyer's bank answer, as the sandbox's page does. There without a live provider only.

        A payment that the bank has agreed to stays so, and the call may be repeated.
        """
        found = await find(id_)
        if found is None:
            raise ProblemError("NOT_FOUND", "The sandbox has no payment of this id or reference.")
        sandbox, payment = found
        try:
            paid = await pay(sandbox, payment, given.outcome, given.after_seconds)
        except PaymentNotOpenError as error:
            raise ProblemError("PAYMENT_NOT_OPEN", f"This payment is {payment.status}, and takes no card.") from error
        return SandboxPayment(
            reference=paid.reference,
            payment_intent_id=paid.payment_intent_id,
            status=PaymentStatus(paid.status),
            amount_minor=paid.amount_minor,
            currency=paid.currency,
            last_error=paid.last_error,
            page_url=sandbox.page_url(paid),
        )

    @routes.post(
        "/api/sandbox/payment-intents/{id}/dispute",
        tags=["sandbox"],
        summary="Dispute a payment",
        operation_id="disputeSandboxPayment",
        openapi_extra=stated(PUBLIC),
        responses=problems("INVALID_INPUT", "UNAUTHORIZED", "NOT_FOUND", "PAYMENT_NOT_OPEN"),
    )
    async def dispute(id_: PaymentId, given: BankAction) -> SandboxDispute:
        """Let the buyer's bank take captured money back, and decide later. There without a live provider only.

        `open` twice is one dispute, and one that has ended stays as it is.
        """
        found = await find(id_)
        if found is None:
            raise ProblemError("NOT_FOUND", "The sandbox has no payment of this id or reference.")
        sandbox, payment = found
        try:
            made = await sandbox.dispute(payment.reference, given.action)
        except ProviderUnavailableError as error:
            raise ProblemError("BUSY") from error
        except ProviderRefusedError as error:
            raise ProblemError("PAYMENT_NOT_OPEN", f"This payment cannot be disputed: {error}.") from error
        if made is None:
            raise ProblemError("NOT_FOUND", 'The payment has no dispute. Open one with {"action":"open"}.')
        return SandboxDispute(
            reference=made.reference, status=made.status, amount_minor=made.amount_minor, currency=made.currency
        )

    @routes.get(f"{PAGE}/{{reference}}", include_in_schema=False)
    async def show_page(reference: str, request: Request) -> Response:
        found = await find(reference)
        if found is None:
            return _page(missing_page(), None, status=404)
        _, payment = found
        declined = request.url.query == _DECLINED and payment.last_error is not None
        return _page(payment_page(payment, declined=declined), payment.return_url)

    @routes.post(f"{PAGE}/{{reference}}", include_in_schema=False)
    async def take_card(reference: str, request: Request) -> Response:
        """The form of the page: it leads back to the page, or to the order once the bank agreed."""
        found = await find(reference)
        if found is None:
            return _page(missing_page(), None, status=404)
        sandbox, payment = found
        body = (await request.body()).decode("ascii", "replace")
        page = f"{PAGE}/{payment.reference}"
        try:
            given = parse_qs(body, max_num_fields=10)
            outcome = CardOutcome(given.get("outcome", [""])[0])
            paid = await pay(sandbox, payment, outcome)
        except (ValueError, PaymentNotOpenError):
            # An old page, or no form of ours: what the page shows now is the answer.
            return RedirectResponse(page, 303)
        if paid.last_error is not None:
            return RedirectResponse(f"{page}?{_DECLINED}", 303)
        if paid.status == PaymentStatus.AUTHORIZED and paid.return_url is not None:
            return RedirectResponse(paid.return_url, 303)
        return RedirectResponse(page, 303)

    return routes


def _page(html: str, return_url: str | None, *, status: int = 200) -> HTMLResponse:
    headers = {"content-security-policy": content_security_policy(return_url), "cache-control": "no-store"}
    return HTMLResponse(html, status, headers)
