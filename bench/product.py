"""Everything that the benchmark imports of Rowlock, so that a module which moves there is followed here alone.

All else drives the product as its users do: over HTTP, by its SQL functions and by the `rowlock` command.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID, uuid4

from rowlock.base.dsns import Dsns
from rowlock.catalogue.model import SeatingPlan
from rowlock.catalogue.showcase import stadium, theatre
from rowlock.checkout.providers.payment_provider import PaymentWish
from rowlock.checkout.providers.sandbox import SandboxProvider
from rowlock.database.access import DirectDatabase, OneConnection
from rowlock.database.cells import Cells
from rowlock.database.connections import connect, connection_string
from rowlock.database.schema.migrate import migrate
from rowlock.embedded import EmbeddedServer
from rowlock.reservations.best_available import Chooser
from rowlock.reservations.hall import Hall
from rowlock.services import Services, make_services

__all__ = ["Dsns", "EmbeddedServer", "SeatingPlan", "stadium", "theatre"]
_NAME = "rowlock bench"


def as_application(app_dsn: str) -> str:
    """A connection string with the session settings that the server's own connections have."""
    return connection_string(app_dsn, application_name=_NAME)


def chooser(plan: SeatingPlan) -> Chooser:
    """What chooses the best available seats, of an empty hall."""
    return Chooser(Hall(plan))


def migrate_and_publish(owner_dsn: str, plans: Sequence[SeatingPlan]) -> None:
    """Make Rowlock's tables in an empty database, and publish seating plans."""

    async def work() -> None:
        async with await connect(owner_dsn, application_name=_NAME) as connection:
            await migrate(connection)
            catalogue = make_services(Cells(OneConnection(connection))).catalogue
            for plan in plans:
                await catalogue.import_plan(plan, source_format="rowlock", venue="Bench")

    asyncio.run(work())


@contextlib.contextmanager
def sandbox(worker_dsn: str) -> Iterator[Callable[[str], object]]:
    """What makes a payment for a show at the sandbox, as the server's process does, each time that it is called."""
    with asyncio.Runner() as runner:
        connection = runner.run(connect(worker_dsn, application_name=_NAME))
        provider = SandboxProvider(Cells(OneConnection(connection)), "bench", secret=b"not for webhooks")

        def make(show_id: str) -> object:
            order_id, intent = uuid4(), uuid4()
            wish = PaymentWish(
                key=f"payment-{intent}", show_id=UUID(show_id), order_id=order_id, payment_intent_id=intent,
                amount_minor=5_000, currency="USD", description="bench", customer_email="bench@example.org",
            )  # fmt: skip
            return runner.run(provider.create(wish))

        yield make
        runner.run(connection.close())


def retire_expired(worker_dsn: str) -> int:
    """Retire every hold that has run out, as `rowlock cleanup` does but without starting a process; how many."""
    return asyncio.run(_services(worker_dsn).reservations.clean_up_all(run_by="bench")).reservations_expired


def violations(owner_dsn: str) -> list[str]:
    """What `rowlock check` finds wrong, a sentence for each invariant that does not hold."""
    report = asyncio.run(_services(owner_dsn).operations.check_invariants())
    failed = [result for result in report.results if result.violations]
    return [f"{each.invariant.code}: {each.violations_total} times, first: {each.violations[0]}" for each in failed]


def _services(dsn: str) -> Services:
    return make_services(Cells(DirectDatabase(Dsns.same(dsn), application_name=_NAME)))
