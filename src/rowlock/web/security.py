"""Who may call an endpoint, as OpenAPI says it: the security schemes, and the ways in which they are combined."""

from typing import Any

INTEGRATOR_KEY = "IntegratorKey"
OPERATOR_KEY = "OperatorKey"
ORDER_TOKEN = "OrderToken"  # noqa: S105 - the name of a scheme.
SESSION_COOKIE = "SessionCookie"

Security = tuple[dict[str, list[str]], ...]
"""The alternatives of which one is enough; an empty one needs nothing. Without any, nothing of it is looked at."""

PUBLIC: Security = ()
HOLDER: Security = ({}, {SESSION_COOKIE: []}, {INTEGRATOR_KEY: []})
BROWSER: Security = ({SESSION_COOKIE: []},)
BUYER_OR_SELLER: Security = ({}, {INTEGRATOR_KEY: []})
BUYER: Security = ({}, {ORDER_TOKEN: []})
"""The id of the order is enough, which tells nothing of it; a token has to fit."""
LINK_OR_TOKEN: Security = ({}, {ORDER_TOKEN: []})
"""The secret is in the address, or it is the token."""
BUYER_OR_STAFF: Security = ({ORDER_TOKEN: []}, {OPERATOR_KEY: []}, {INTEGRATOR_KEY: []})
STAFF: Security = ({OPERATOR_KEY: []}, {INTEGRATOR_KEY: []})


def stated(security: Security) -> dict[str, Any]:
    """The `openapi_extra` of a route of FastAPI that says who may call it."""
    return {"security": [dict(way) for way in security]}


def schemes(cookie: str) -> dict[str, dict[str, str]]:
    """The security schemes of the document. `cookie` is the name of the session cookie of this server."""
    return {
        INTEGRATOR_KEY: {
            "type": "apiKey",
            "in": "header",
            "name": "X-Rowlock-Key",
            "description": "The key of an integrator, for the shows of its organization: made by `rowlock key create`.",
        },
        OPERATOR_KEY: {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "The admin key: ROWLOCK_ADMIN_API_KEY, or the one `up` printed.",
        },
        ORDER_TOKEN: {
            "type": "http",
            "scheme": "bearer",
            "description": "The secret of an order, `order_token`, which is told when the order is made.",
        },
        SESSION_COOKIE: {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "The session of a browser, set with the answer to its first request to reserve.",
        },
    }
