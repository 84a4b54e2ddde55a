"""Receipts and credit notes as PDF: what they say, in which currency, and that wrong sums are refused."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from rowlock.checkout.receipt_pdf import (
    MAX_LINES,
    Party,
    Receipt,
    ReceiptKind,
    ReceiptLine,
    TaxLine,
    percent,
    render_receipt,
)
from rowlock.checkout.typesetting import Paper
from tests.support.pdf import page_texts, pdf_ua_verdicts, tags

NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
SEVEN, NINETEEN = Decimal(7), Decimal(19)

PLAIN = Receipt(
    kind=ReceiptKind.RECEIPT,
    number="MDS-2026-00042",
    issued_on="1 December 2026",
    seller=Party(name="Moonlight Dance Studio", address=("4 Mill Lane", "Portland, ME 04101"), tax_id="DE123456789"),
    buyer=Party(name="Anna Kowalska", address=("Kwiatowa 7", "30-001 Kraków")),
    order_code="KJ4-7WM",
    currency="EUR",
    lines=[
        ReceiptLine(
            description="An Evening of Dance: Stalls, row G, seats 13 and 14 (Adult)",
            quantity=2,
            unit_minor=5250,
            amount_minor=10500,
            tax_percent=SEVEN,
        ),
        ReceiptLine(description="Programme", quantity=1, unit_minor=1190, amount_minor=1190, tax_percent=NINETEEN),
    ],
    taxes=[
        TaxLine(tax_percent=SEVEN, net_minor=9813, tax_minor=687),
        TaxLine(tax_percent=NINETEEN, net_minor=1000, tax_minor=190),
    ],
    total_minor=11690,
    paid_with="Visa ending in 4242",
)
CREDIT = replace(
    PLAIN, kind=ReceiptKind.CREDIT_NOTE, number="MDS-2026-00043", refers_to=PLAIN.number, note="Returned: both seats."
)
MANY = replace(
    PLAIN,
    lines=[
        ReceiptLine(
            description=f"舞蹈之夜, مساء الرقص, row {seat} " + "W" * 200,
            quantity=1,
            unit_minor=100,
            amount_minor=100,
            tax_percent=SEVEN,
        )
        for seat in range(120)
    ],
    taxes=[TaxLine(tax_percent=SEVEN, net_minor=11_215, tax_minor=785)],
    total_minor=12_000,
    seller=Party(name="Gesellschaft " * 40, address=("Straße " * 40,) * 20, tax_id="X" * 90),
    note="Note. " * 400,
)


def words(receipt: Receipt) -> str:
    return " ".join(" ".join(page_texts(render_receipt(receipt, created_at=NOW))).replace("\xa0", " ").split())


def test_a_receipt_says_who_sold_what_to_whom_and_the_tax() -> None:
    told = words(PLAIN)

    for expected in (
        *("Receipt MDS-2026-00042", "1 December 2026", "KJ4-7WM", "Visa ending in 4242"),
        *("Seller", "Moonlight Dance Studio", "4 Mill Lane", "Tax ID DE123456789", "Buyer", "Anna Kowalska"),
        *("52.50 EUR", "105.00 EUR", "Total paid", "116.90 EUR", "All amounts include tax."),
        *("7 %", "98.13 EUR", "6.87 EUR", "19 %", "10.00 EUR", "1.90 EUR", "11.90 EUR"),
    ):
        assert expected in told


def test_a_credit_note_names_the_receipt_that_it_corrects() -> None:
    told = words(CREDIT)

    assert "Credit note MDS-2026-00043" in told
    assert "Corrects receipt MDS-2026-00042" in told
    assert "Total returned" in told
    assert "Returned to Visa" in told


@pytest.mark.parametrize(
    ("currency", "total"), [("JPY", "11,690 JPY"), ("USD", "116.90 USD"), ("KWD", "11.690 KWD"), ("CLP", "11,690 CLP")]
)
def test_amounts_have_the_decimals_of_their_currency(currency: str, total: str) -> None:
    assert total in words(replace(PLAIN, currency=currency))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (replace(PLAIN, total_minor=11691), "11690, not 11691"),
        (replace(PLAIN, lines=[replace(PLAIN.lines[0], amount_minor=10499), PLAIN.lines[1]]), "is not 10499"),
        (replace(PLAIN, taxes=[replace(PLAIN.taxes[0], tax_minor=688), PLAIN.taxes[1]]), "tax lines add up"),
        (replace(PLAIN, taxes=PLAIN.taxes[:1]), "tax lines add up"),
        (replace(PLAIN, taxes=[*PLAIN.taxes, PLAIN.taxes[1]]), "tax lines add up"),
        (replace(PLAIN, lines=[replace(PLAIN.lines[0], quantity=-2, amount_minor=-10500)]), "never negative"),
        (replace(PLAIN, lines=[replace(PLAIN.lines[0], unit_minor=-1, amount_minor=-2)]), "never negative"),
        (replace(PLAIN, lines=[]), "0 lines"),
        (replace(PLAIN, lines=[PLAIN.lines[0]] * (MAX_LINES + 1)), f"{MAX_LINES + 1} lines"),
    ],
)
def test_amounts_that_do_not_add_up_are_refused(wrong: Receipt, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render_receipt(wrong, created_at=NOW)


def test_a_rate_may_be_written_in_two_ways() -> None:
    lines = [PLAIN.lines[0], replace(PLAIN.lines[1], tax_percent=Decimal("19.00"))]

    assert "116.90 EUR" in words(replace(PLAIN, lines=lines))


@pytest.mark.parametrize(("rate", "shown"), [("19.00", "19"), ("7.70", "7.7"), ("0", "0"), ("100", "100")])
def test_a_rate_is_written_without_needless_zeros(rate: str, shown: str) -> None:
    assert percent(Decimal(rate)) == f"{shown}\u00a0%"


def test_the_same_receipt_makes_the_same_bytes() -> None:
    assert render_receipt(PLAIN, created_at=NOW) == render_receipt(PLAIN, created_at=NOW)


def test_a_screen_reader_is_told_tables_with_their_headings() -> None:
    names = [tag.name for tag in tags(render_receipt(PLAIN, created_at=NOW))]

    assert names.count("H1") == 1
    assert names.count("Table") == 2
    assert names.count("TH") == 9


def test_the_files_pass_every_rule_of_pdf_ua_on_several_pages_too(tmp_path: Path) -> None:
    files = []
    for name, receipt in {"receipt": PLAIN, "credit": CREDIT, "many": MANY}.items():
        for paper in Paper:
            files.append(tmp_path / f"{name}-{paper}.pdf")
            files[-1].write_bytes(render_receipt(receipt, created_at=NOW, paper=paper))
    verdicts = pdf_ua_verdicts(files)

    assert len(page_texts(files[-1].read_bytes())) > 3
    assert {file.name: verdict.failed for file, verdict in verdicts.items() if not verdict.compliant} == {}
