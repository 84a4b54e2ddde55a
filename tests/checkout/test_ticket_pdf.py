"""Tickets as PDF: what is on a page, that its code can be read, and that nothing that people write breaks it."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import ImageFilter

from rowlock.checkout import typesetting
from rowlock.checkout.ticket_codes import TicketCode, key_id_of, sign, verify
from rowlock.checkout.ticket_pdf import QUIET_ZONE, TicketPage, render_tickets
from rowlock.checkout.typesetting import Paper, printable
from tests.support.pdf import page_images, page_texts, pdf_ua_verdicts, qr_box, qr_codes, tags

KEY = Ed25519PrivateKey.generate()
PUBLIC = {key_id_of(KEY.public_key()): KEY.public_key()}
NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
START = datetime(2026, 12, 20, 0, 30, tzinfo=UTC)

PLAIN = TicketPage(
    organization="Moonlight Dance Studio",
    title="An Evening of Dance",
    starts_at=START,
    doors_at=START - timedelta(minutes=30),
    time_zone="America/New_York",
    venue="Playhouse",
    address="12 Harbor Street",
    section="Stalls",
    row="G",
    seat="13",
    category="Best seats",
    price_type="Adult",
    price_minor=5250,
    currency="USD",
    holder="Anna Kowalska",
    order_code="KJ4-7WM",
    number=1,
    of=2,
    code=sign(uuid4(), uuid4(), 1, KEY),
    access_note="Main entrance, ground floor, step-free.",
    good_to_know="Late? Ushers let you in at the first pause.",
)
LONG = replace(
    PLAIN,
    organization="The Very Long-Named Society of the Friends of Contemporary and Historical Dance e. V. " * 2,
    title="Die wunderbaren und schrecklichen Abenteuer des Freiherrn von Münchhausen zu Wasser und zu Lande " * 5,
    venue="Donaudampfschifffahrtsgesellschaftskapitänssaal" * 6,
    address="Straße des Siebzehnten Juni 135, Hinterhof, dritter Aufgang, Berlin " * 9,
    section="Balcony Left Upper Tier Standing Places",
    row="W" * 60,
    seat="1024B/LEFT-" * 8,
    category="M" * 300,
    price_type="Reduced (students, seniors) " * 20,
    price_minor=10**15,
    currency="KWD",
    holder="Maximiliane-Charlotte Freifrau von und zu Hohenstein-Wolkenburg " * 4,
    order_code="WWWW-WWWW-WWWW",
    number=199,
    of=200,
    access_note="Entrance B in the courtyard, two steps, ramp at the left. " * 60,
    good_to_know="Mäntel" * 900,
    time_zone="America/Argentina/Buenos_Aires",
)
ARABIC = replace(
    PLAIN,
    organization="استوديو ضوء القمر",
    title="مساء الرقص: حفلة 2026 في قاعة القمر",
    venue="المسرح الوطني",
    address="شارع الميناء 12، عمّان",
    section="الصالة",
    row="ج",
    category="المقاعد الأولى",
    price_type="بالغ",
    holder="ליאת כהן",
    access_note="כניסה ראשית, קומת קרקע, ללא מדרגות.",
    time_zone="Asia/Amman",
)
EAST_ASIAN = replace(
    PLAIN,
    organization="月光舞蹈工作室",
    title="舞蹈之夜 ダンスの夕べ 춤의 밤 🎭💃🏽👨‍👩‍👧",
    venue="国家大剧院",
    address="北京市西城区西长安街2号",
    section="池座 1층",
    row="七",
    holder="山田 太郎, 김민준, Київ, Αθήνα, एक शाम, กรุงเทพ, საღამო, Երեկո",
    time_zone="Asia/Shanghai",
)
SPARSE = replace(
    PLAIN, row=None, address=None, doors_at=None, holder=None, access_note=None, good_to_know=None, price_minor=0
)
HOSTILE = replace(
    PLAIN,
    title="#panic() $x$ *bold* \\ <script> \u202egnp.\u2066 \x00\x07 a" + "\u0301" * 400,
    holder="\U0010fffd \ud800 \ue000 \u0378 ⏩ ꙮ ಠ_ಠ a\u20dd \u115f",
    venue="\n\n\n",
    section=" \t",
    category='#import "/etc/passwd"',
    access_note="@ref /* // ` ~ --- " * 3,
)
_WIDE, _SPACED = "龍" * 1_000, "龍龍 " * 1_000
WIDE = replace(
    LONG,
    organization=_WIDE,
    title=_WIDE,
    venue=_WIDE,
    address=_WIDE,
    section=_WIDE,
    row=_WIDE,
    seat=_WIDE,
    category=_WIDE,
    price_type=_WIDE,
    holder=_SPACED,
    access_note=_SPACED,
    good_to_know=_SPACED,
)
CASES = {
    "plain": PLAIN,
    "long": LONG,
    "wide": WIDE,
    "arabic and hebrew": ARABIC,
    "east asian": EAST_ASIAN,
    "sparse": SPARSE,
    "hostile": HOSTILE,
}
each_case = pytest.mark.parametrize("ticket", CASES.values(), ids=CASES.keys())
each_paper = pytest.mark.parametrize("paper", Paper)


def render(tickets: Sequence[TicketPage], paper: Paper = Paper.A4) -> bytes:
    return render_tickets(tickets, created_at=NOW, paper=paper)


@each_paper
@each_case
def test_each_ticket_has_one_page_whose_code_verifies_offline(ticket: TicketPage, paper: Paper) -> None:
    (page,) = page_images(render([ticket], paper))

    (read,) = qr_codes(page)
    assert read == ticket.code
    assert isinstance(verify(read, PUBLIC), TicketCode)


def test_the_code_is_read_from_a_bad_print_too() -> None:
    (page,) = page_images(render([PLAIN]), dpi=110)
    page = page.convert("L").filter(ImageFilter.GaussianBlur(0.8)).rotate(7, fillcolor=255)

    assert qr_codes(page) == [PLAIN.code]


def test_the_code_is_read_from_a_page_that_fills_a_phone() -> None:
    # A screen of 360 points at three dots a point.
    (page,) = page_images(render([PLAIN]), dpi=round(360 * 3 / 8.27))

    assert qr_codes(page) == [PLAIN.code]


def test_a_code_has_error_correction_of_m_at_least() -> None:
    symbol = segno.make(PLAIN.code, error="m", micro=False)

    assert symbol.mode == "alphanumeric"
    assert symbol.error in ("M", "Q", "H")
    assert symbol.version == 7


def test_four_modules_around_a_code_are_white() -> None:
    (page,) = page_images(render([PLAIN]), dpi=300)
    left, top, right, bottom = qr_box(page)
    module = (right - left) / 45
    margin = int(QUIET_ZONE * module)

    around = page.convert("L").crop((left - margin, top - margin, right + margin, bottom + margin))
    # The code itself, and what its edges leave in the pixels beside it.
    edge = round(module / 2)
    around.paste(255, (margin - edge, margin - edge, around.width - margin + edge, around.height - margin + edge))

    assert module / 300 * 25.4 > 0.8, "millimetres of a module on paper"
    assert around.getextrema() == (255, 255)


def test_many_tickets_have_a_page_each_in_their_order() -> None:
    tickets = [
        replace(PLAIN, seat=str(seat), number=seat, of=12, code=sign(uuid4(), uuid4(), 1, KEY)) for seat in range(1, 13)
    ]
    pages = page_images(render(tickets), dpi=110)

    assert [qr_codes(page) for page in pages] == [[ticket.code] for ticket in tickets]


def test_the_page_says_what_a_visitor_needs() -> None:
    (text,) = page_texts(render([PLAIN], Paper.LETTER))
    words = " ".join(text.split())

    for expected in (
        *("Moonlight Dance Studio", "An Evening of Dance", "Playhouse", "12 Harbor Street"),
        *("Saturday, December 19, 2026, 7:30 PM", "Doors open at 7:00 PM", "America/New_York"),
        *("Section", "Stalls", "Row", "Seat", "13", "Best seats", "Adult", "52.50 USD, fees included"),
        *("Anna Kowalska", "KJ4-7WM", "Ticket 1 of 2", "Main entrance, ground floor, step-free."),
    ):
        assert expected in words.replace("\xa0", " ")
    assert PLAIN.code in "".join(words.split()), "the code is there as text, too"


def test_the_text_of_the_code_fits_two_lines_on_both_papers() -> None:
    for paper in Paper:
        (text,) = page_texts(render([PLAIN], paper))
        (start,) = [n for n, line in enumerate(text.splitlines()) if line.startswith("Ticket code:")]
        assert len([line for line in text.splitlines()[start:] if line.strip()]) == 2


@pytest.mark.parametrize(
    ("paper", "doors_before", "expected"),
    [
        (Paper.A4, timedelta(minutes=45), ["Saturday, 19 December 2026, 19:30", "Doors open at 18:45"]),
        (Paper.A4, timedelta(hours=20), ["Doors open at Friday, 18 December 2026, 23:30"]),
        (Paper.LETTER, timedelta(hours=7, minutes=30), ["Doors open at 12:00 PM"]),
    ],
)
def test_times_are_those_at_the_venue(paper: Paper, doors_before: timedelta, expected: list[str]) -> None:
    (text,) = page_texts(render([replace(PLAIN, doors_at=START - doors_before)], paper))

    for words in expected:
        assert words in " ".join(text.replace("\xa0", " ").split())


@pytest.mark.parametrize(
    ("currency", "price_minor", "shown"),
    [("JPY", 5250, "5,250 JPY"), ("EUR", 5, "0.05 EUR"), ("KWD", 5250, "5.250 KWD"), ("USD", 0, "Free")],
)
def test_prices_have_the_decimals_of_their_currency(currency: str, price_minor: int, shown: str) -> None:
    (text,) = page_texts(render([replace(PLAIN, currency=currency, price_minor=price_minor)]))

    assert shown in text


def test_the_same_tickets_make_the_same_bytes_and_the_date_is_the_given_one() -> None:
    first = render([PLAIN, EAST_ASIAN])

    assert render([PLAIN, EAST_ASIAN]) == first
    assert render_tickets([PLAIN, EAST_ASIAN], created_at=NOW + timedelta(days=1)) != first
    assert b"20261201093000" in first or b"2026-12-01T09:30:00" in first


def test_many_threads_make_the_same_ticket_at_once() -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: render([PLAIN]), range(12)))

    assert set(made) == {render([PLAIN])}


def test_a_screen_reader_is_told_the_title_first_and_what_the_code_is() -> None:
    found = tags(render([PLAIN, replace(PLAIN, number=2)]))

    assert [tag.name for tag in found if tag.name in ("H1", "H2")] == ["H1", "H2", "H2"] * 2
    assert [tag.alt for tag in found if tag.name == "Figure"] == [f"QR code with the ticket code {PLAIN.code}"] * 2


def test_the_files_pass_every_rule_of_pdf_ua(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = {}
    with caplog.at_level(logging.WARNING):
        for name, ticket in CASES.items():
            for paper in Paper:
                file = tmp_path / f"{name.replace(' ', '-')}-{paper}.pdf"
                file.write_bytes(render([ticket], paper))
                files[file] = name
    verdicts = pdf_ua_verdicts(list(files))

    assert caplog.messages == [], "no file was made without the standard"
    assert {file.name: verdict.failed for file, verdict in verdicts.items() if not verdict.compliant} == {}
    assert all(verdict.checks > 500 for verdict in verdicts.values())


def test_the_checker_sees_a_file_that_is_not_accessible(tmp_path: Path) -> None:
    file = tmp_path / "untagged.pdf"
    file.write_bytes(render([PLAIN]).replace(b"/Marked true", b"/Marked null"))

    (verdict,) = pdf_ua_verdicts([file]).values()

    assert not verdict.compliant
    assert verdict.failed


def test_a_text_that_no_font_can_set_still_makes_a_ticket(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typesetting, "printable", lambda text, _limit: text or "")
    with caplog.at_level(logging.WARNING):
        (page,) = page_images(render([replace(PLAIN, holder="ಅನ್ನಾ")]))

    assert qr_codes(page) == [PLAIN.code]
    assert ["does not reach ua-1" in message for message in caplog.messages] == [True]
    assert "ಅ" not in caplog.text


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        (None, 9, ""),
        ("  a \n\t b  ", 9, "a b"),
        ("e\u0301", 9, "é"),
        ("x" + "\u0323\u0331\u0332\u0324" * 9, 9, "x\u0323\u0331"),
        ("\u202eevil\u2069", 9, "evil"),
        ("\U0001f3ad\ufe0f", 9, "\U0001f3ad\ufe0f"),
        ("\u0f00", 9, "\u25fb"),
        ("one two three", 9, "one two…"),
        ("abcdefghijklmnop", 9, "abcdefgh…"),
        ("one, two, three", 11, "one, two…"),
    ],
)
def test_text_that_people_wrote_is_made_printable(text: str | None, limit: int, expected: str) -> None:
    assert printable(text, limit) == expected
