"""Real processes that are killed with SIGKILL and started again: `serve`, `worker`, PostgreSQL, one of its backends.

The server is the test's own. It does not flush to disk: a process that is killed loses nothing that the kernel has.
"""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.rows import dict_row

from rowlock.database.schema.migrate import migrate
from rowlock.embedded import EmbeddedServer
from tests.cli.conftest import ROWLOCK, Running, run_process
from tests.support.answers import Show
from tests.support.halls import hall, put_on_sale
from tests.support.http import session
from tests.support.servers import run_in_thread

RESERVE = "/api/seat-reservations/reserve-v2"
ORDERS = "/api/ticket-orders"
ANNA = {"name": "Anna Bauer", "email": "anna@example.org"}
VICTIMS = ("serve", "worker", "postgres", "backend")
READY = {"serve": "Rowlock serves", "worker": "worker runs"}
SETTINGS = {"fsync": "off", "autovacuum": "off", "shared_buffers": "32MB", "max_connections": "100"}
KEY_SECONDS = 30.0
"""How long the key of a request whose process died may be in use."""
DRAINS_WITHIN_SECONDS = 90.0
AGAIN_SECONDS = 0.1
PAUSE_SECONDS = (0.1, 0.5)
LEFT_TO_DO = """
    select
        (select count(*) from rowlock.ticket_orders where status in ('pending', 'confirmed')) as orders,
        (
            select count(*) from rowlock.payment_intents
            where status in ('requires_payment', 'sent', 'in_doubt', 'authorized')
        ) as payments,
        (select count(*) from rowlock.refunds where status in ('pending', 'in_doubt')) as refunds,
        (select count(*) from rowlock.outbox_messages where done_at is null) as messages,
        (select count(*) from rowlock.webhook_events where processed_at is null) as events,
        (
            select count(*) from rowlock.payment_idempotency_keys
            where answer is null and locked_until > clock_timestamp()
        ) as keys
"""
PURCHASES = """
    select
        o.order_id::text, o.status, o.total_minor,
        (select count(*) from rowlock.ticket_order_items as i where (i.show_id, i.order_id) = (o.show_id, o.order_id))
            as seats,
        (
            select count(*) from rowlock.show_seats as c
            where (c.show_id, c.order_id) = (o.show_id, o.order_id) and c.status = 'sold'
        ) as sold,
        (
            select count(*) from rowlock.tickets as t
            where (t.show_id, t.order_id) = (o.show_id, o.order_id) and t.status = 'valid'
        ) as tickets,
        (
            select count(distinct m.kind) filter (where m.kind = 'order_paid')
            from rowlock.mails as m where (m.show_id, m.order_id) = (o.show_id, o.order_id)
        ) as mails,
        p.payments, p.captured, p.captured_minor, p.reserved
    from rowlock.ticket_orders as o
    cross join lateral (
        select
            count(*) as payments, count(*) filter (where s.status = 'captured') as captured,
            coalesce(sum(s.captured_minor), 0)::bigint as captured_minor,
            count(*) filter (where s.status in ('open', 'authorized')) as reserved
        from rowlock.sandbox_payments as s
        where s.show_id = o.show_id and s.order_id = o.order_id
    ) as p
"""


@dataclass
class Purchase:
    """What one buyer wants, how far it has come, and what was answered.

    leaves_after  the step after which the buyer is not seen again; None for one who stays.
    told          the status of the order in the answer to confirm, or why it was refused; None when there was none.
    has_ended     the buyer has tickets, was refused, or has left.
    """

    show: Show
    seats: list[int]
    leaves_after: str | None
    name: str = field(default_factory=lambda: uuid4().hex)
    token: str | None = None
    order_id: str | None = None
    payment_id: str | None = None
    told: str | None = None
    has_ended: bool = False


class Machines:
    """The processes of an installation, each of which can be killed and started again."""

    def __init__(self, folder: Path, stack: ExitStack, program: Sequence[object] = (ROWLOCK,), **env: str) -> None:
        self._stack = stack
        self._program = program
        self.postgres = EmbeddedServer(folder / "postgres", settings=SETTINGS)
        stack.callback(self.postgres.stop)
        dsns = self.postgres.start()
        self.owner_dsn = dsns.owner
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "DATABASE_URL": dsns.owner,
            "ROWLOCK_APP_DATABASE_URL": dsns.app,
            "ROWLOCK_OFFICE_DATABASE_URL": dsns.office,
            "ROWLOCK_WORKER_DATABASE_URL": dsns.worker,
            "ROWLOCK_V1_DATABASE_URL": dsns.v1,
            "ROWLOCK_DATA_DIR": str(folder / "data"),
            "ROWLOCK_SANDBOX_WEBHOOK_URL": self.url,
            "ROWLOCK_HOLD_LIMITS": "off",
            "ROWLOCK_LOG_LEVEL": "WARNING",
            **env,
        }
        self._running: dict[str, Running] = {}

    def start(self, *names: str) -> None:
        """Start what is named of `postgres`, `serve` and `worker`, the last two at once, and wait until it is ready."""
        if "postgres" in names:
            self.postgres.start()
        commands = [name for name in READY if name in names]
        for name in commands:
            if name == "serve":
                started = Running("serve", "--port", self.port, env=self.env, program=self._program)
            else:
                started = Running(name, env=self.env)
            self._running[name] = self._stack.enter_context(started)
        for name in commands:
            self._running[name].line_with(READY[name])

    def has_ended(self, name: str) -> bool:
        return self._running[name].process.poll() is not None

    def kill(self, name: str, choose: random.Random) -> None:
        """Kill a process with SIGKILL, and wait for its end. A backend is any of those that serve our processes."""
        match name:
            case "postgres":
                os.kill(self.postgres.pid, signal.SIGKILL)
                while self.postgres.is_alive():
                    time.sleep(0.01)
            case "backend":
                with psycopg.connect(self.postgres.superuser_dsn) as superuser:
                    found = superuser.execute(
                        "select pid from pg_stat_activity where backend_type = 'client backend' "
                        "and pid <> pg_backend_pid() and usename <> 'rowlock_owner' order by pid"
                    ).fetchall()
                for (pid,) in choose.sample(found, len(found)):
                    # One that has ended by itself meanwhile is no victim.
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        break
            case _:
                self._running[name].process.kill()
                self._running[name].ended()

    def owner(self) -> psycopg.Connection:
        """A connection of the owner, once the server takes one: after a backend was killed, all of them start again."""
        deadline = time.monotonic() + DRAINS_WITHIN_SECONDS
        while True:
            try:
                return psycopg.connect(self.owner_dsn, autocommit=True)
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL does not take connections again"
                time.sleep(AGAIN_SECONDS)

    def prepare(self, *, shows: int, seats: int) -> list[Show]:
        """Migrate the empty database, and put shows on sale."""

        async def run() -> list[Show]:
            async with await psycopg.AsyncConnection.connect(self.owner_dsn, autocommit=True) as owner:
                await migrate(owner)
                return [await put_on_sale(owner, hall(seats), f"Show {number}") for number in range(shows)]

        return run_in_thread(run)


@contextmanager
def machines(folder: Path, program: Sequence[object] = (ROWLOCK,), **env: str) -> Iterator[Machines]:
    """An installation on a server of its own; everything is stopped at the end."""
    with ExitStack() as stack:
        yield Machines(folder, stack, program, **env)


class Buyers:
    """Buyers over HTTP. Each sends a request until the answer is not "later". Answers that are a bug are kept."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._gives_up_at = float("inf")
        self.purchases: list[Purchase] = []
        self.bugs: list[str] = []
        self.longest_wait_for_key = 0.0

    def give_up_in(self, seconds: float) -> None:
        """From then on no purchase is begun, and what has no answer yet is left as it is."""
        self._gives_up_at = time.monotonic() + seconds

    @property
    def unfinished(self) -> list[Purchase]:
        return [purchase for purchase in self.purchases if not purchase.has_ended]

    async def buy_on(self, shows: Sequence[Show], choose: random.Random) -> None:
        """Buy one or two seats after another. Not all buyers stay until they have their tickets."""
        while time.monotonic() < self._gives_up_at:
            show = choose.choice(shows)
            first = choose.randrange(1, show.seats_total)
            [leaves_after] = choose.choices([None, "order", "payment", "authorized"], [7, 1, 1, 1])
            purchase = Purchase(show, [first, first + 1][: choose.choice([1, 2])], leaves_after)
            self.purchases.append(purchase)
            await self.buy(purchase)
            await asyncio.sleep(choose.uniform(*PAUSE_SECONDS))

    async def buy(self, purchase: Purchase) -> None:
        """Buy, or go on where it was left, as a page does that is loaded again."""
        async with httpx.AsyncClient(base_url=self._url, timeout=10) as client:
            purchase.has_ended = await self._buy(client, purchase)

    async def _buy(self, client: httpx.AsyncClient, purchase: Purchase) -> bool:
        """Whether the buyer is done: has tickets, was refused, or has left."""
        if purchase.token is None:
            body = {
                "show_id": str(purchase.show.show_id),
                "seat_ids": purchase.seats,
                "session_id": session(purchase.name),
            }
            held = await self._send(client, RESERVE, body, key=purchase.name)
            if held is None or held.status_code != 201:
                return held is not None
            purchase.token = held.json()["reservation_token"]
        if purchase.order_id is None:
            ordered = await self._send(client, ORDERS, {"reservation_token": purchase.token, "customer": ANNA})
            if ordered is None or ordered.status_code not in (200, 201):
                return ordered is not None
            purchase.order_id = ordered.json()["order_id"]
            if purchase.leaves_after == "order":
                return True
        if purchase.payment_id is None:
            body = {"order_id": purchase.order_id}
            paying = await self._send(client, f"{ORDERS}/payment-intent-v2", body, key=f"{purchase.name} pays")
            if paying is None or paying.status_code != 200:
                return paying is not None
            purchase.payment_id = paying.json()["payment_intent_id"]
            if purchase.leaves_after == "payment":
                return True
        card = {"outcome": "succeed"}
        if await self._send(client, f"/api/sandbox/payment-intents/{purchase.payment_id}/authorize", card) is None:
            return False
        if purchase.leaves_after == "authorized":
            return True
        body = {"order_id": purchase.order_id, "payment_intent_id": purchase.payment_id}
        confirmed = await self._send(client, f"{ORDERS}/confirm", body)
        if confirmed is None:
            return False
        purchase.told = confirmed.json().get("status") if confirmed.status_code == 200 else confirmed.json()["code"]
        return True

    async def _send(
        self, client: httpx.AsyncClient, path: str, body: dict[str, Any], *, key: str | None = None
    ) -> httpx.Response | None:
        """The answer, or None when there was none but "later" before the buyer gave up."""
        waits_since: float | None = None
        while True:
            try:
                answer = await client.post(path, json=body, headers={"idempotency-key": key} if key else None)
            except httpx.TransportError:
                pass  # The process was killed, or is not there yet.
            else:
                if answer.status_code == 500:
                    self.bugs.append(f"{path}: {answer.text}")
                is_in_use = answer.status_code == 409 and answer.json()["code"] == "IDEMPOTENCY_KEY_CONFLICT"
                if answer.status_code < 500 and not is_in_use:
                    return answer
                if is_in_use:
                    waits_since = waits_since or time.monotonic()
                    self.longest_wait_for_key = max(self.longest_wait_for_key, time.monotonic() - waits_since)
            if time.monotonic() > self._gives_up_at:
                return None
            await asyncio.sleep(AGAIN_SECONDS)


# Time passes in the database, not on a clock.


def a_minute_passes(owner: psycopg.Connection) -> None:
    """What a process that is dead had taken may be taken again, and its keys are free."""
    owner.execute("update rowlock.payment_intents set updated_at = updated_at - interval '1 minute'")
    for table in (b"outbox_messages", b"webhook_events"):
        owner.execute(
            b"update rowlock." + table + b" set next_attempt_at = next_attempt_at - interval '61 seconds' "
            b"where next_attempt_at < '9999-12-31'"
        )
    owner.execute("update rowlock.payment_idempotency_keys set locked_until = locked_until - interval '30 seconds'")


def hours_pass(owner: psycopg.Connection) -> None:
    """Holds, and orders that were not paid, have run out long ago."""
    owner.execute(
        "update rowlock.ticket_orders set created_at = created_at - %(by)s, expires_at = expires_at - %(by)s "
        "where status = 'pending'",
        {"by": timedelta(hours=2)},
    )
    owner.execute(
        "update rowlock.seat_reservations set created_at = created_at - %(by)s, expires_at = expires_at - %(by)s "
        "where status = 'active'",
        {"by": timedelta(hours=2)},
    )
    owner.execute(
        "update rowlock.show_seats set reserved_until = reserved_until - %(by)s where status = 'reserved'",
        {"by": timedelta(hours=2)},
    )


# What is left.


def wait_until_nothing_is_left_to_do(owner: psycopg.Connection) -> None:
    """The worker finishes or unwinds every purchase by itself."""
    deadline = time.monotonic() + DRAINS_WITHIN_SECONDS
    while True:
        a_minute_passes(owner)
        with owner.cursor(row_factory=dict_row) as cursor:
            left = cursor.execute(LEFT_TO_DO).fetchone()
        assert left is not None
        if not any(left.values()):
            return
        assert time.monotonic() < deadline, f"still to be done: {left}"
        time.sleep(0.5)


def assert_every_purchase_is_whole(owner: psycopg.Connection, purchases: Sequence[Purchase]) -> int:
    """Every order is paid once and has its seats and tickets once, or has none of them. Returns how many are paid."""
    with owner.cursor(row_factory=dict_row) as cursor:
        orders = {row["order_id"]: row for row in cursor.execute(PURCHASES).fetchall()}
    for row in orders.values():
        is_paid = row["status"] == "paid"
        assert is_paid or row["status"] in ("expired", "cancelled", "voided"), row
        assert row["payments"] <= 1, f"the provider has more than one payment of an order: {row}"
        assert row["captured"] == is_paid, row
        assert row["captured_minor"] == (row["total_minor"] if is_paid else 0), row
        assert row["tickets"] == row["sold"] == (row["seats"] if is_paid else 0), row
        assert row["mails"] == is_paid, row
        assert row["reserved"] == 0, f"money of a buyer is still reserved: {row}"
    for purchase in purchases:
        if purchase.told == "paid":
            assert purchase.order_id is not None
            assert orders[purchase.order_id]["status"] == "paid", purchase
    ledger = owner.execute(
        "select coalesce(sum(amount_minor) filter (where account = 'provider'), 0)::bigint, "
        "coalesce(sum(amount_minor), 0)::bigint from rowlock.ledger_entries"
    ).fetchone()
    assert ledger == (sum(row["captured_minor"] for row in orders.values()), 0)
    return sum(row["status"] == "paid" for row in orders.values())


def assert_commands_find_nothing(machines: Machines) -> None:
    """`rowlock check` and `rowlock reconcile` agree that all is well."""
    for command in ("check", "reconcile"):
        run_process(command, env=machines.env)
