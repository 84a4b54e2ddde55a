"""What receipts and credit notes of orders are made of: lines that add up to the money, by tax rate."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowlock.base.dsns import Dsns
from rowlock.checkout import store
from rowlock.checkout.model import NoticeShow, Order, OrderLine
from rowlock.checkout.notices import Notices, no_documents, no_link
from rowlock.checkout.order_documents import (
    OrderDocuments,
    credit_lines,
    paper_of,
    price_type_name,
    receipt_lines,
    tax_lines,
)
from rowlock.checkout.receipt_pdf import ReceiptLine
from rowlock.checkout.taxes import order_tax, spread
from rowlock.checkout.ticket_keys import TicketKeys
from rowlock.checkout.typesetting import Paper
from rowlock.database.access import DirectDatabase
from rowlock.database.calls import call
from rowlock.database.cells import Cells
from rowlock.mail.post import make_post
from tests.checkout.orders import PRICE, paid
from tests.support.pdf import page_texts
from tests.support.seatdb import SeatDb

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
SHOW = NoticeShow(UUID(int=1), "Gala", NOW, None, "on_sale", "Playhouse", None, "Europe/Berlin", "Moonlight")
RATES = (0, 700, 1900)

lines = st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(RATES)), min_size=1, max_size=12)


def order(sold: Sequence[tuple[int, int]], *, fee: int = 0) -> Order:
    """An order of seats, each an amount and a tax rate, with a fee of its own."""
    return Order(
        show_id=SHOW.show_id,
        order_id=UUID(int=2),
        order_code="K7M2XQ4T",
        reservation_id=UUID(int=3),
        status="paid",
        customer_name="Anna",
        customer_email="anna@example.org",
        total_minor=sum(amount for amount, _ in sold) + fee,
        fee_minor=fee,
        currency="EUR",
        created_at=NOW,
        expires_at=None,
        server_time=NOW,
        lines=[
            OrderLine(seat, f"Seat {seat}", "Stalls", "adult", amount, 0, rate, None)
            for seat, (amount, rate) in enumerate(sold, 1)
        ],
    )


def by_rate(lines: Sequence[ReceiptLine]) -> dict[Decimal, int]:
    found: dict[Decimal, int] = {}
    for line in lines:
        found[line.tax_percent] = found.get(line.tax_percent, 0) + line.amount_minor
    return found


@given(lines, st.integers(0, 500))
def test_a_receipt_adds_up_to_the_order_and_has_the_tax_that_the_order_was_told(
    sold: list[tuple[int, int]], fee: int
) -> None:
    made = order(sold, fee=fee)

    printed = receipt_lines(made, SHOW)

    assert sum(line.amount_minor for line in printed) == made.total_minor
    assert sum(line.quantity for line in printed if line.description != "Booking fee") == len(sold)
    assert sum(tax.tax_minor for tax in tax_lines(printed)) == order_tax(made)
    assert {t.tax_percent: t.net_minor + t.tax_minor for t in tax_lines(printed)} == by_rate(printed)


@given(lines, st.integers(0, 500), st.data())
def test_a_credit_note_adds_up_to_what_was_given_back(
    sold: list[tuple[int, int]], fee: int, data: st.DataObject
) -> None:
    made = order(sold, fee=fee)
    seats = data.draw(st.sets(st.sampled_from([line.seat_id for line in made.lines])))
    refunded = {line.seat_id: line.amount_minor for line in made.lines if line.seat_id in seats}
    rest = data.draw(st.integers(0, made.total_minor - sum(refunded.values())))

    printed = credit_lines(made, SHOW, refunded, sum(refunded.values()) + rest)

    assert sum(line.amount_minor for line in printed) == sum(refunded.values()) + rest
    assert all(line.amount_minor > 0 for line in printed)
    assert set(by_rate(printed)) <= {Decimal(rate) / 100 for rate in {0, *(rate for _, rate in sold)}}


@given(st.integers(0, 10**9), st.dictionaries(st.integers(), st.integers(1, 10**6), min_size=1, max_size=8))
def test_an_amount_is_spread_to_the_last_cent_and_no_part_is_off_by_one(amount: int, weights: dict[int, int]) -> None:
    parts = spread(amount, weights)

    assert sum(parts.values()) == amount
    total = sum(weights.values())
    for key, part in parts.items():
        assert abs(part * total - amount * weights[key]) < total


def test_the_fee_per_order_is_taxed_as_its_tickets_in_proportion_to_what_they_cost() -> None:
    made = order([(3000, 1900), (1000, 700), (0, 0)], fee=200)

    fees = [line for line in receipt_lines(made, SHOW) if line.description == "Booking fee"]

    assert {line.tax_percent: line.amount_minor for line in fees} == {Decimal(19): 150, Decimal(7): 50}
    # 30.00 and 1.50 have 4.79 and 0.24 of tax, 10.00 and 0.50 have 0.65 and 0.03.
    assert order_tax(made) == 479 + 24 + 65 + 3


def test_equal_tickets_are_one_line_that_names_their_seats() -> None:
    [line] = receipt_lines(order([(2500, 700), (2500, 700)]), SHOW)

    assert (line.description, line.quantity) == ("Gala: Stalls, Adult (Seat 1, Seat 2)", 2)


def test_words_and_paper_are_those_of_the_buyer() -> None:
    assert price_type_name("senior-citizen") == "Senior citizen"
    assert (paper_of("USD"), paper_of("EUR"), paper_of("JPY")) == (Paper.LETTER, Paper.A4, Paper.A4)


@pytest.fixture
def cells(dsns: Dsns) -> Cells:
    return Cells(DirectDatabase(dsns, application_name="rowlock test"))


async def test_the_files_of_an_order_and_of_its_refund(db: SeatDb, cells: Cells, tmp_path: Path) -> None:
    show = await db.make_show()
    order_id = await paid(db, show, 1, 2)
    notices = Notices(cells, make_post(cells, None, None), no_documents, no_link)
    documents = OrderDocuments(cells, TicketKeys(tmp_path / "keys.json"))

    async def read() -> Order:
        found = await call(
            cells.of(show.show_id).worker,
            lambda connection: store.order_details(connection, show.show_id, order_id),
            repeatable=True,
        )
        assert found is not None
        return found

    receipt = await notices.issue_receipt(show.show_id, order_id)
    made = await documents.attachments("order_paid", await read(), receipt)
    refund = await db.refund(show, order_id, seat_ids=[1])
    await db.owner.execute(
        "select * from rowlock.settle_refund_atomic(%s, %s, 'succeeded', null, null)", [show.show_id, refund.refund_id]
    )
    credit = await notices.issue_receipt(show.show_id, order_id, refund.refund_id)
    after = await documents.attachments("refund_succeeded", await read(), credit)

    assert [attachment.content_type for attachment in made] == ["application/pdf", "text/calendar", "application/pdf"]
    assert len(page_texts(made[0].content)) == 2
    [text] = page_texts(made[2].content)
    assert receipt is not None
    assert receipt.label in text
    assert f"{(2 * PRICE) / 100:.2f}" in text
    [note] = [page_texts(attachment.content)[0] for attachment in after]
    assert credit is not None
    assert "Credit note" in note
    assert credit.label in note
    assert receipt.label in note, "a credit note names the receipt that it corrects"
    tickets = await documents.tickets(await read())
    assert tickets is not None
    assert len(page_texts(tickets)) == 1, "the ticket that was given back is not printed"


async def test_a_receipt_keeps_the_seller_of_its_day(db: SeatDb, cells: Cells, tmp_path: Path) -> None:
    show = await db.make_show()
    first, second = await paid(db, show, 1), await paid(db, show, 2, by="ben")
    notices = Notices(cells, make_post(cells, None, None), no_documents, no_link)
    documents = OrderDocuments(cells, TicketKeys(tmp_path / "keys.json"))

    async def printed(order_id: UUID) -> tuple[str, bytes]:
        receipt = await notices.issue_receipt(show.show_id, order_id)
        assert receipt is not None
        sold = replace(order([(PRICE, 0)], fee=receipt.amount_minor - PRICE), show_id=show.show_id)
        file = await documents.receipt(sold, receipt)
        return receipt.seller_name or "", file

    async def told(legal_name: str, address: str, tax_id: str) -> None:
        await db.owner.execute(
            "update rowlock.organizations set legal_name = %s, address = %s, tax_id = %s", [legal_name, address, tax_id]
        )

    await told("Moonlight Dance GmbH", "Mill Lane 1\n10115 Berlin", "DE123456789")
    _, before = await printed(first)
    await told("Sunrise Ltd", "Quay 2\nDublin", "IE9999999X")

    assert await printed(first) == ("Moonlight Dance GmbH", before)
    [text] = page_texts(before)
    assert all(words in text for words in ("Moonlight Dance GmbH", "Mill Lane 1", "10115 Berlin", "Tax ID DE123456789"))
    name, after = await printed(second)
    assert name == "Sunrise Ltd"
    assert "Dublin" in page_texts(after)[0]


async def test_without_a_legal_name_the_seller_is_the_organization(db: SeatDb, cells: Cells) -> None:
    show = await db.make_show()
    cursor = await db.owner.execute("select name from rowlock.organizations")
    [(organization,)] = await cursor.fetchall()

    receipt = await Notices(cells, make_post(cells, None, None), no_documents, no_link).issue_receipt(
        show.show_id, await paid(db, show, 1)
    )

    assert receipt is not None
    assert (receipt.seller_name, receipt.seller_address, receipt.seller_tax_id) == (organization, None, None)
