"""The endpoint that cancels a show, for the operator and for staff."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from rowlock.base.integrator import Scope
from rowlock.base.outcomes import Outcome
from rowlock.catalogue.service import Catalogue
from rowlock.web.admin_key import AdminGuards, integrator_of
from rowlock.web.integrator_key import KeyGuard
from rowlock.web.openapi import problems
from rowlock.web.parameters import ShowId, parse_show_id
from rowlock.web.problems import ProblemError
from rowlock.web.texts import LINE


class Cancellation(BaseModel):
    """Why a show is cancelled. It is written down with every refund."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=LINE)]


class Cancelled(BaseModel):
    """What this call has ended, and what is left. A worker ends it; the same call again tells how far it is."""

    success: bool = True
    show_id: UUID
    holds_released: int
    orders_ended: Annotated[int, Field(description="Orders that were refunded, voided or cancelled.")]
    holds_left: int
    orders_left: int


def cancel_router(catalogue: Catalogue, guards: AdminGuards, keys: KeyGuard) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/api/admin", tags=["admin"])

    @routes.post(
        "/shows/{show_id}/cancel",
        summary="Cancel a show",
        operation_id="cancelShow",
        dependencies=[Depends(guards.staff)],
        responses=problems(Outcome.SHOW_NOT_FOUND, "UNAUTHORIZED", "FORBIDDEN", "FUNCTIONS_MISSING", "LOGIN_MISSING"),
    )
    async def cancel(show_id: ShowId, body: Cancellation, request: Request) -> Cancelled:
        """Cancel a show for ever: nothing is sold from now on, its holds end, and its orders are refunded, voided or
        cancelled in the background. Repeatable.
        """
        show, integrator = parse_show_id(show_id), integrator_of(request)
        await keys.check(integrator, Scope.STAFF, show)
        actor = "box office" if integrator is None else f"key: {integrator.name}"
        done = await catalogue.begin_cancelling(show, body.reason, actor)
        if done is None:
            raise ProblemError(Outcome.SHOW_NOT_FOUND)
        return Cancelled(
            show_id=show,
            holds_released=done.holds_released,
            orders_ended=done.orders_ended,
            holds_left=done.holds_left,
            orders_left=done.orders_left,
        )

    return routes
