"""Mails to buyers when workers die, servers refuse, and several workers send at once."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.checkout import jobs, store
from rowlock.checkout.jobs import OutboxLoop
from rowlock.checkout.model import Order, Receipt
from rowlock.checkout.notices import mail_handlers
from rowlock.mail.model import Attachment
from rowlock.mail.post import GIVE_UP_AFTER, Delivery, Mails, Post
from tests.checkout.notice_world import SENDER, World, pdf
from tests.checkout.orders import paid, rows

Connection = psycopg.AsyncConnection


class WorkerDiedError(BaseException):
    """Ends a worker as a signal does: nothing catches it."""


@dataclass
class DiesAfterwards:
    """Delivers, and ends the worker before it can write anything down."""

    delivery: Delivery

    async def deliver(self, message: EmailMessage, sender: str, to: str) -> None:
        await self.delivery.deliver(message, sender, to)
        raise WorkerDiedError


async def test_a_worker_that_dies_before_it_has_finished_leaves_one_message_id(world: World) -> None:
    """It dies after the mail server has the mail, and before that is on record: the mail goes out again."""
    order_id = await paid(world.db, world.show, 1)
    dying = Post(world.cells, DiesAfterwards(world.delivery), SENDER)
    for _ in range(2):
        with pytest.raises(WorkerDiedError):
            await OutboxLoop(mail_handlers(world.cells, dying)).work(world.connection)
        await world.due_again()
    assert await Mails(world.cells).list_mails() == []

    await world.work()
    await world.due_again()
    assert await world.work() == []

    assert len(world.sink.mails) == 3
    assert len({mail["Message-ID"] for mail in world.sink.mails}) == 1
    assert len(await Mails(world.cells).list_mails()) == 1
    assert [row["number"] for row in await rows(world.db, "receipts", order_id)] == [1]


WORKER = """
import asyncio, sys
from rowlock.base.dsns import Dsns
from rowlock.checkout.jobs import OutboxLoop
from rowlock.checkout.notices import mail_handlers
from rowlock.database.access import DirectDatabase
from rowlock.database.cells import Cells
from rowlock.database.connections import connect
from rowlock.mail.post import make_post

async def main(dsn, url):
    cells = Cells(DirectDatabase(Dsns.same(dsn), application_name="worker"))
    post = make_post(cells, url, "Moonlight <tickets@example.org>")
    async with await connect(dsn, application_name="worker") as connection:
        await OutboxLoop(mail_handlers(cells, post)).work(connection)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_worker_that_is_killed_while_its_mail_is_taken_leaves_one_message_id(world: World, dsns: Dsns) -> None:
    await paid(world.db, world.show, 1)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, dsns.worker, world.sink.url)

    def kill() -> str:
        process.kill()
        return "250 OK"

    world.sink.answer_data = kill
    assert await process.wait() == -signal.SIGKILL
    world.sink.answer_data = lambda: "250 OK"
    assert await Mails(world.cells).list_mails() == []
    await world.due_again()

    await world.work()

    assert len(world.sink.mails) == 2
    assert len({mail["Message-ID"] for mail in world.sink.mails}) == 1
    assert [mail.status for mail in await Mails(world.cells).list_mails()] == ["sent"]


async def test_a_worker_that_dies_after_the_record_sends_nothing_twice(world: World) -> None:
    await paid(world.db, world.show, 1)
    (message,) = [
        one for one in await store.take_messages(world.connection, limit=20, seconds=60) if one.kind == "order_paid"
    ]
    handlers = mail_handlers(world.cells, world.post)
    await handlers["order_paid"][0](message)

    await world.due_again()
    await world.work()

    assert len(world.sink.mails) == 1
    assert await world.errors() == []


async def test_greylisting_is_tried_again_until_the_mail_is_taken(world: World) -> None:
    await paid(world.db, world.show, 1)
    answers = iter(["450 4.2.0 greylisted", "450 4.2.0 greylisted", "250 OK"])
    world.sink.answer_to = lambda _: next(answers)

    assert await world.work() == []
    assert ["450" in error for error in await world.errors()] == [True]
    assert await world.work() == []  # Not due yet.
    assert len(world.sink.asked) == 1
    await world.due_again()
    assert await world.work() == []
    await world.due_again()
    assert len(await world.work()) == 1
    assert await world.errors() == []


async def test_a_refused_recipient_is_recorded_and_listed_and_not_tried_again(world: World) -> None:
    order_id = await paid(world.db, world.show, 1)
    world.sink.answer_to = lambda _: "550 5.1.1 no such user"

    assert await world.work() == []
    await world.due_again()
    assert await world.work() == []

    assert len(world.sink.asked) == 1
    (failed,) = await Mails(world.cells).list_mails(failed=True)
    assert (failed.status, failed.recipient, failed.order_id) == ("refused", "anna@example.org", order_id)
    assert "550 5.1.1 no such user" in (failed.error or "")
    (given_up,) = await Mails(world.cells).list_given_up()
    assert (given_up.kind, given_up.order_id) == ("order_paid", order_id)


async def test_a_mail_that_is_put_off_for_days_counts_as_refused(world: World) -> None:
    await paid(world.db, world.show, 1)
    world.sink.answer_to = lambda _: "452 4.2.2 mailbox full"
    await world.work()
    assert await Mails(world.cells).list_mails(failed=True) == []
    await world.db.owner.execute(
        "update rowlock.outbox_messages set created_at = created_at - %s", [GIVE_UP_AFTER + timedelta(minutes=1)]
    )

    await world.due_again()
    await world.work()

    (failed,) = await Mails(world.cells).list_mails(failed=True)
    assert "452 4.2.2 mailbox full" in (failed.error or "")


async def test_a_mail_that_came_back_is_listed(world: World) -> None:
    await paid(world.db, world.show, 1)
    (mail,) = await world.work()

    assert await Mails(world.cells).note_bounce(mail["Message-ID"], "550 5.1.1 gone")
    assert not await Mails(world.cells).note_bounce("<no.such@example.org>", "550")

    (failed,) = await Mails(world.cells).list_mails(failed=True)
    assert (failed.status, failed.error) == ("bounced", "550 5.1.1 gone")
    await world.due_again()
    assert await world.work() == []


async def test_documents_that_cannot_be_made_stop_no_other_mail(world: World) -> None:
    broken = await paid(world.db, world.show, 1)
    await paid(world.db, world.show, 2, by="ben")

    async def documents(kind: str, order: Order, receipt: Receipt | None) -> Sequence[Attachment]:
        if order.order_id == broken:
            raise ZeroDivisionError("no page")
        return await pdf(kind, order, receipt)

    assert len(await world.work(documents)) == 1
    assert ["no page" in error for error in await world.errors()] == [True]
    await world.due_again()
    assert len(await world.work()) == 1


async def test_a_round_with_a_slow_mail_server_ends_while_its_messages_are_still_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "ROUND_SECONDS", 0.0)
    await paid(world.db, world.show, 1)
    await paid(world.db, world.show, 2, by="ben")

    assert len(await world.work()) <= 1
    for _ in range(6):
        await world.due_again()
        await world.work()

    assert len({mail["Message-ID"] for mail in world.sink.mails}) == len(world.sink.mails) == 2


async def test_two_workers_at_once_send_each_mail_once(world: World, dsns: Dsns) -> None:
    for seat in range(1, 13):
        await paid(world.db, world.show, seat, by=f"buyer {seat}")
    async with await Connection.connect(dsns.worker, autocommit=True) as other:
        first, second = world.loop(), world.loop()
        await asyncio.gather(
            *(loop.work(connection) for loop, connection in ((first, world.connection), (second, other)))
        )
        await asyncio.gather(first.work(world.connection), second.work(other))

    ids = [mail["Message-ID"] for mail in world.sink.mails]
    assert len(ids) == len(set(ids)) == 12
    cursor = await world.db.owner.execute("select array_agg(number order by number) from rowlock.receipts")
    assert await cursor.fetchone() == (list(range(1, 13)),)
