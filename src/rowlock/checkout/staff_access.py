"""What only staff may do with orders: by the admin key, or an integrator's key for the shows of its organization."""

from uuid import UUID

from rowlock.base.integrator import Scope
from rowlock.base.outcomes import Outcome
from rowlock.checkout.model import Order
from rowlock.checkout.service import Checkout
from rowlock.web.admin_key import API_KEY, admit
from rowlock.web.fast_path import Request
from rowlock.web.integrator_key import KeyGuard
from rowlock.web.problems import ProblemError


class StaffAccess:
    """Lets requests of staff at orders and shows."""

    def __init__(self, checkout: Checkout, keys: KeyGuard, admin_key_hash: bytes | None) -> None:
        self._checkout = checkout
        self._keys = keys
        self._admin_key_hash = admin_key_hash

    async def order(self, request: Request, order_id: str) -> Order:
        """The order of a request of staff. Raises ProblemError; to any other caller there is no such order."""
        if request.integrator is None and API_KEY not in request.headers:
            raise ProblemError("ORDER_NOT_FOUND")
        admit(self._admin_key_hash, request.headers.get(API_KEY), request.integrator)
        try:
            order = await self._checkout.find_for_staff(UUID(order_id))
        except ValueError as error:
            raise ProblemError("ORDER_NOT_FOUND") from error
        if order is None:
            raise ProblemError("ORDER_NOT_FOUND")
        await self._keys.check(request.integrator, Scope.STAFF, order.show_id, unknown="ORDER_NOT_FOUND")
        return order

    async def show(self, request: Request, show_id: UUID) -> None:
        """Refuse a request that is not of staff of this show. Raises ProblemError."""
        await self._keys.check(request.integrator, Scope.STAFF, show_id, unknown=Outcome.SHOW_NOT_FOUND)


def actor(request: Request) -> str:
    """Who is named in the audit log for a request of staff."""
    return "staff" if request.integrator is None else f"key: {request.integrator.name}"
