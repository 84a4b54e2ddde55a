"""The order of a request that only staff may make."""

from uuid import UUID

from rowlock.base.integrator import Scope
from rowlock.checkout.model import Order
from rowlock.checkout.service import Checkout
from rowlock.web.admin_key import API_KEY, admit
from rowlock.web.fast_path import Request
from rowlock.web.integrator_key import KeyGuard
from rowlock.web.problems import ProblemError


async def order_for_staff(
    checkout: Checkout, keys: KeyGuard, admin_key_hash: bytes | None, request: Request, order_id: str
) -> Order:
    """The order of a request of staff. Raises ProblemError; to any other caller there is no such order."""
    if request.integrator is None and API_KEY not in request.headers:
        raise ProblemError("ORDER_NOT_FOUND")
    admit(admin_key_hash, request.headers.get(API_KEY), request.integrator)
    try:
        order = await checkout.find_for_staff(UUID(order_id))
    except ValueError as error:
        raise ProblemError("ORDER_NOT_FOUND") from error
    if order is None:
        raise ProblemError("ORDER_NOT_FOUND")
    await keys.check(request.integrator, Scope.STAFF, order.show_id, unknown="ORDER_NOT_FOUND")
    return order
