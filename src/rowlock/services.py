"""Composition: makes each service once, for HTTP, background loops and the command line."""

from dataclasses import dataclass

from rowlock.base.hold_limits import HoldLimits
from rowlock.catalogue.service import Catalogue
from rowlock.checkout.service import Checkout
from rowlock.database.cells import Cells
from rowlock.integrators.service import Integrators
from rowlock.jobs.loops import Loop
from rowlock.mail.post import Mails
from rowlock.operations.service import Operations
from rowlock.reporting.service import Reporting
from rowlock.reservations.jobs import CleanupLoop, ensure_partitions
from rowlock.reservations.service import Reservations


@dataclass(frozen=True, slots=True)
class Services:
    """One of each service, on the same cells."""

    catalogue: Catalogue
    reservations: Reservations
    checkout: Checkout
    reporting: Reporting
    operations: Operations
    integrators: Integrators
    mails: Mails


def make_services(cells: Cells, limits: HoldLimits | None = None) -> Services:
    """The services of one process. `limits` are those of clients that reserve; commands have none."""
    catalogue = Catalogue(cells)
    return Services(
        catalogue=catalogue,
        reservations=Reservations(cells, catalogue, limits),
        checkout=Checkout(cells),
        reporting=Reporting(cells),
        operations=Operations(cells),
        integrators=Integrators(cells),
        mails=Mails(cells),
    )


def standard_loops() -> list[Loop]:
    """New background loops for one worker. Any number of workers may run at once."""
    return [Loop("cleanup", CleanupLoop().work), Loop("partitions", ensure_partitions)]
