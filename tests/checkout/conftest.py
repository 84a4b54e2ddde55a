"""Fixtures of the tests of checkout."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.mail_settings import SmtpServer
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.mail.post import Post
from rowlock.mail.smtp import SmtpDelivery
from tests.checkout.notice_world import SENDER, World
from tests.support.mail_sink import mail_sink
from tests.support.seatdb import SeatDb
from tests.support.stripe_simulator import StripeSimulator, simulated_stripe

Connection = psycopg.AsyncConnection


@pytest.fixture
async def world(db: SeatDb, dsns: Dsns, worker: Connection) -> AsyncIterator[World]:
    show = await db.make_show()
    await db.owner.execute(
        "update rowlock.venues set name = 'Playhouse', address = E'12 Harbor Street\\nPortland', "
        "time_zone = 'America/New_York'"
    )
    await db.owner.execute("update rowlock.organizations set name = 'Moonlight Dance Studio'")
    await db.owner.execute(
        "update rowlock.shows set title = 'An Evening of Dance', starts_at = '2026-12-20 00:30+00', "
        "doors_at = '2026-12-20 00:00+00'"
    )
    async with mail_sink() as sink:
        cells = Cells(DirectDatabase(dsns, application_name="test"))
        delivery = SmtpDelivery(SmtpServer.parse(sink.url), answer_seconds=2.0, send_seconds=3.0)
        yield World(db, show, sink, worker, cells, Post(cells, delivery, SENDER), delivery)
        await delivery.close()


@pytest.fixture(scope="module")
def stripe_server() -> Iterator[StripeSimulator]:
    """One simulator of Stripe for the tests of a file."""
    with simulated_stripe() as simulator:
        yield simulator


@pytest.fixture
def simulator(stripe_server: StripeSimulator) -> Iterator[StripeSimulator]:
    """The simulator, which is afterwards as it was but for the payments that it keeps."""
    yield stripe_server
    stripe_server.faults.clear()
    stripe_server.requests.clear()
    stripe_server.has_search = True
    stripe_server.platform.refunds_pending = False
