"""Composition of the HTTP application: the routes of every feature on one set of services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

import rowlock.catalogue.api as catalogue_api
import rowlock.checkout.providers.sandbox.api as sandbox_api
import rowlock.mail.pages as mailbox_pages
import rowlock.operations.api as operations_api
import rowlock.reporting.api as reporting_api
from rowlock.base.dsns import Dsns
from rowlock.base.hold_limits import parse_limits
from rowlock.catalogue.cancel_api import cancel_router
from rowlock.checkout import document_api
from rowlock.checkout.api import CheckoutEndpoints
from rowlock.checkout.document_links import DocumentLinks
from rowlock.checkout.exchange_api import ExchangeEndpoints
from rowlock.checkout.order_documents import OrderDocuments
from rowlock.checkout.providers.payment_provider import Providers
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.checkout.reissue_api import ReissueEndpoints
from rowlock.checkout.staff_access import StaffAccess
from rowlock.checkout.staff_api import StaffEndpoints
from rowlock.checkout.ticket_keys import TicketKeys
from rowlock.checkout.version1.service import Version1Payments
from rowlock.checkout.version1_api import Version1PaymentEndpoints
from rowlock.database.cells import Cells
from rowlock.database.pool import PooledDatabase
from rowlock.mail.post import Mailbox
from rowlock.reservations import admin_api
from rowlock.reservations.api import ReservationEndpoints
from rowlock.reservations.availability.api import SeatStatusEndpoints
from rowlock.reservations.version1.service import Version1
from rowlock.services import make_payment_providers, make_services, ticket_keys_file
from rowlock.settings import Settings
from rowlock.web.access_log import AccessLog
from rowlock.web.admin_key import admin_guards
from rowlock.web.admission import Admissions
from rowlock.web.fast_path import FastPath
from rowlock.web.framework import add_problem_page, answer_with_problems, describe
from rowlock.web.integrator_key import KeyGuard
from rowlock.web.middleware import RequestMiddleware
from rowlock.web.origins import Origins
from rowlock.web.sessions import Sessions, cookie_name

# In the order of the documentation page.
TAGS = [
    {"name": "shows", "description": "Shows, their seat maps, and which seats are available."},
    {"name": "reservations", "description": "Holding seats for the time it takes to pay."},
    {"name": "orders", "description": "Orders for holds, their payments and refunds."},
    {
        "name": "admin",
        "description": "For the operator and the box office, with the admin key or a key for staff.",
    },
    {"name": "sandbox", "description": "Paying with test cards, where no live payment provider is configured."},
    {"name": "health", "description": "For probes."},
]


def create_app(
    settings: Settings,
    dsns: Dsns,
    *,
    secret_key: str,
    admin_api_key_hash: bytes | None = None,
    access_log: AccessLog | None = None,
    providers: Providers | None = None,
) -> ASGIApp:
    """The ASGI application of one process. Its lifespan opens and closes the database pools.

    secret_key          signs session cookies and derives the answers to repeated requests.
    admin_api_key_hash  SHA-256 of the admin key; without it /api/admin refuses every request.
    access_log          where requests are logged; by default on standard error.
    providers           payment accounts in place of those that the settings name.
    """
    database = PooledDatabase(dsns, pool_size=settings.pool_size)
    cells = Cells(database)
    accounts = make_payment_providers(settings, cells, secret_key) if providers is None else None
    services = make_services(
        cells,
        parse_limits(settings.hold_limits),
        providers=providers or accounts,
        secret_key=secret_key,
        public_url=settings.public_url,
    )
    keys = KeyGuard(services.integrators)
    links = DocumentLinks(secret_key, settings.public_url)
    admission_key = settings.admission_key
    admissions = None if admission_key is None else Admissions(admission_key.get_secret_value())
    version1 = Version1(cells, services.reservations, settings.v2_rollout_percent)
    staff = StaffAccess(services.checkout, keys, admin_api_key_hash)
    paying = CheckoutEndpoints(services.checkout, services.disputes, keys, staff, links)
    sold_with = providers or accounts
    assert sold_with is not None, "accounts are made where none are given"
    version1_payments = Version1Payments(
        cells,
        sold_with,
        begin=services.checkout.pay,
        organization_of=services.checkout.organization_of,
        is_served_by_version2=version1.is_served_by_version2,
        public_url=settings.public_url,
    )
    fast_path = FastPath(
        [
            *ReservationEndpoints(services.reservations, version1, secret_key, keys, admissions).endpoints(),
            *SeatStatusEndpoints(services.reservations.availability).endpoints(),
            *paying.endpoints(),
            *StaffEndpoints(services.checkout, staff, links).endpoints(),
            *ReissueEndpoints(services.checkout, staff).endpoints(),
            *Version1PaymentEndpoints(services.checkout, paying, version1_payments).endpoints(),
            *ExchangeEndpoints(services.exchanges, staff, links).endpoints(),
            *operations_api.endpoints(),
        ],
        Sessions(secret_key, secure=settings.secure_cookies),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await database.open()
        try:
            if accounts is not None:
                await accounts.open()
            yield
        finally:
            await services.reservations.close()
            if accounts is not None:
                await accounts.close()
            await database.close()

    app = FastAPIOffline(
        title="Rowlock",
        version=version("rowlock"),
        description="Reserved seating that cannot sell a seat twice. Refusals are problems with a stable code.",
        contact={"name": "The Rowlock authors"},
        servers=[{"url": (settings.public_url or "").rstrip("/") or "/", "description": "This server."}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        redoc_url=None,
        openapi_tags=TAGS,
    )
    guards = admin_guards(admin_api_key_hash)
    app.include_router(catalogue_api.router(services.catalogue))
    app.include_router(cancel_router(services.catalogue, guards, keys))
    app.include_router(admin_api.admin_router(services.reservations, guards, keys))
    app.include_router(reporting_api.admin_router(services.reporting, guards, keys))
    documents = OrderDocuments(cells, TicketKeys(ticket_keys_file(settings)))
    app.include_router(document_api.router(services.checkout, documents, links))
    app.include_router(operations_api.router(services.operations))
    named = () if accounts is None else accounts.named("sandbox")
    if sandboxes := [provider for provider in named if isinstance(provider, SandboxProvider)]:
        app.include_router(sandbox_api.router(sandboxes))
        if settings.smtp_url is None:
            app.include_router(mailbox_pages.router(Mailbox(cells)))
    add_problem_page(app)
    answer_with_problems(app)
    describe(app, fast_path, cookie_name(secure=settings.secure_cookies))
    return RequestMiddleware(
        fast_path,
        app,
        access_log or AccessLog(),
        admin_key_hash=admin_api_key_hash,
        origins=Origins(settings.hosts()),
        keys=keys,
    )
