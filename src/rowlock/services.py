"""Composition: makes each service once, for HTTP, background loops and the command line."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from rowlock.base.dsns import Dsns
from rowlock.base.hold_limits import HoldLimits
from rowlock.catalogue.service import Catalogue
from rowlock.checkout.disputes.service import DisputeLoop, Disputes
from rowlock.checkout.document_links import DocumentLinks
from rowlock.checkout.exchanges import Exchanges
from rowlock.checkout.jobs import Handler, InboxLoop, OutboxLoop, ReconcileLoop, money_handlers
from rowlock.checkout.model import Message, NoticeShow, Order
from rowlock.checkout.notices import Links, mail_handlers
from rowlock.checkout.order_documents import OrderDocuments
from rowlock.checkout.provider_calls import WORKER_LIMIT_SECONDS
from rowlock.checkout.providers.payment_provider import Providers
from rowlock.checkout.providers.provider_account import ProviderSettingsError
from rowlock.checkout.providers.registry import Installation, PaymentProviders, make_providers
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.checkout.purchase import Purchases
from rowlock.checkout.reconciliation.service import Reconciliation
from rowlock.checkout.service import Checkout
from rowlock.checkout.ticket_keys import FILE_NAME, TicketKeys
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.instance import InstanceError
from rowlock.integrators.service import Integrators
from rowlock.jobs.loops import Loop
from rowlock.mail.post import Mails, make_post
from rowlock.operations.facts import PaymentFacts
from rowlock.operations.service import Operations
from rowlock.reporting.service import Reporting
from rowlock.reservations.jobs import CleanupLoop, ensure_partitions
from rowlock.reservations.service import Reservations
from rowlock.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """One of each service, on the same cells."""

    catalogue: Catalogue
    reservations: Reservations
    checkout: Checkout
    disputes: Disputes
    reconciliation: Reconciliation
    exchanges: Exchanges
    reporting: Reporting
    operations: Operations
    integrators: Integrators
    mails: Mails


def make_services(
    cells: Cells,
    limits: HoldLimits | None = None,
    *,
    providers: Providers | None = None,
    secret_key: str = "",
    public_url: str | None = None,
) -> Services:
    """The services of one process.

    limits      of clients that reserve; commands have none.
    providers   payment accounts; a process without them can look at orders, and neither make nor pay any.
    secret_key  derives the tokens of orders.
    public_url  where buyers come back to from a page of a provider.
    """
    catalogue = Catalogue(cells)
    reservations = Reservations(cells, catalogue, limits)
    return Services(
        catalogue=catalogue,
        reservations=reservations,
        checkout=Checkout(cells, providers, secret_key=secret_key, public_url=public_url),
        disputes=Disputes(cells, providers),
        reconciliation=Reconciliation(cells, providers),
        exchanges=Exchanges(cells, reservations, secret_key=secret_key),
        reporting=Reporting(cells),
        operations=Operations(cells),
        integrators=Integrators(cells),
        mails=Mails(cells),
    )


def make_payment_providers(settings: Settings, cells: Cells, secret_key: str) -> PaymentProviders:
    """The accounts at payment providers. Raises InstanceError when their settings are incomplete."""
    installation = Installation(
        provider=settings.payment_provider,
        settings=settings.of_provider,
        data_dir=settings.data_dir,
        secret=secret_key,
        public_url=settings.public_url,
        cells=cells,
    )
    try:
        return make_providers(installation)
    except ProviderSettingsError as error:
        raise InstanceError(str(error)) from error


def payment_facts(settings: Settings) -> PaymentFacts:
    """What the doctor judges of payments; asks neither database nor providers."""
    cells = Cells(DirectDatabase(Dsns.same(""), application_name="rowlock doctor"))
    try:
        providers = make_payment_providers(settings, cells, "")
    except InstanceError as error:
        return PaymentFacts(frozenset(), settings.public_url, str(error))
    return PaymentFacts(frozenset(provider.name for provider in providers.every()), settings.public_url)


def payment_loops(
    providers: PaymentProviders, cells: Cells, settings: Settings, base_url: str | None = None, *, secret_key: str
) -> list[Loop]:
    """New background loops for payments: outbox, inbox and reconciler, and the sandbox's webhooks.

    secret_key  signs the addresses in mails.
    base_url    the address of a server in this process; without it ROWLOCK_SANDBOX_WEBHOOK_URL or ROWLOCK_PUBLIC_URL.
    """
    purchases = Purchases(cells, providers, public_url=settings.public_url, limit_seconds=WORKER_LIMIT_SECONDS)
    disputes = Disputes(cells, providers)
    loops = [
        Loop("outbox", OutboxLoop(_handlers(purchases, cells, settings, secret_key)).work),
        Loop("webhooks", InboxLoop(purchases, disputes).work),
        Loop("disputes", DisputeLoop(disputes, lambda: datetime.now(UTC)).work),
        Loop("reconciler", ReconcileLoop(purchases, monotonic).work),
    ]
    sandboxes = [provider for provider in providers.named("sandbox") if isinstance(provider, SandboxProvider)]
    if not sandboxes:
        return loops
    base_url = settings.sandbox_webhook_url or base_url or settings.public_url or "http://127.0.0.1:8000"
    return [*loops, Loop("sandbox webhooks", sandboxes[0].deliveries(base_url, settings.public_url).work)]


def _handlers(purchases: Purchases, cells: Cells, settings: Settings, secret_key: str) -> dict[str, list[Handler]]:
    """What is done for each kind of message: the money first, so that a mail server that is down delays none."""
    smtp_url = None if settings.smtp_url is None else settings.smtp_url.get_secret_value()
    post = make_post(cells, smtp_url, settings.mail_from)
    documents = OrderDocuments(cells, TicketKeys(ticket_keys_file(settings)))
    money = money_handlers(purchases, Exchanges(cells))
    mail = mail_handlers(
        cells, post, documents=documents.attachments, links=_links(DocumentLinks(secret_key, settings.public_url))
    )
    ending = {"show_cancelled": [_ending_of_cancelled_shows(Catalogue(cells))]}
    return {kind: [*money.get(kind, ()), *mail.get(kind, ())] for kind in {**money, **mail}} | ending


def _links(links: DocumentLinks) -> Links:
    def to_tickets(order: Order, show: NoticeShow) -> str | None:
        """Good until the end of the day after the show begins: it may end after midnight."""
        if not links.are_whole:
            return None
        return links.tickets(order.order_id, until=show.starts_at + timedelta(days=1))

    return to_tickets


def _ending_of_cancelled_shows(catalogue: Catalogue) -> Handler:
    async def end(message: Message) -> None:
        """End the holds and orders that are left of a cancelled show."""
        reason, actor = message.payload.get("reason"), message.payload.get("actor")
        await catalogue.cancel_show(message.show_id, str(reason or "cancelled"), str(actor or "worker"))

    return end


def ticket_keys_file(settings: Settings) -> Path:
    """The file of the keys that sign tickets."""
    return settings.ticket_keys_file or settings.data_dir / FILE_NAME


def standard_loops() -> list[Loop]:
    """New background loops for one worker. Any number of workers may run at once."""
    return [Loop("cleanup", CleanupLoop().work), Loop("partitions", ensure_partitions)]
