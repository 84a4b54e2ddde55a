"""The sandbox's payment page: HTML without scripts, in the look of the buyer's pages."""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from urllib.parse import urlsplit

from rowlock.base.currencies import amount
from rowlock.checkout.providers.model import CardOutcome, KeptPayment
from rowlock.checkout.providers.payment_provider import PaymentStatus

_LIGHT = (
    "color-scheme:light;--bg:#f3f1ec;--surface:#fff;--ink:#14231d;--ink-2:#3c4b44;--line:#d8d4c9;"
    "--line-strong:#6f7b74;--brand:#14463a;--on-brand:#fff;--link:#0f5040;--curtain:#6b1222;--danger:#a8200d;"
    "--danger-soft:#fdebe6;--ok:#155c38;--ok-soft:#e0f1e6;--warn:#6d4300;--warn-soft:#fdf0cf;--focus:#14231d;"
    "--halo:#f5bd41"
)
_DARK = (
    "color-scheme:dark;--bg:#0e1613;--surface:#17211d;--ink:#f3f0e8;--ink-2:#c0c9c2;--line:#2f3c36;"
    "--line-strong:#84928a;--brand:#f5bd41;--on-brand:#241900;--link:#9fdcc2;--curtain:#5c1120;--danger:#ffab9b;"
    "--danger-soft:#431a13;--ok:#8fdcae;--ok-soft:#12331f;--warn:#f7cd76;--warn-soft:#3a2e10;--focus:#f5bd41;"
    "--halo:#14231d"
)
STYLE = f"""
:root{{{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
@media (prefers-contrast:more){{:root{{--line:var(--line-strong);--ink-2:var(--ink)}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--bg);color:var(--ink);font:1.0625rem/1.55 "Atkinson Hyperlegible Next","Atkinson \
Hyperlegible",system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;overflow-wrap:anywhere}}
.pelmet{{height:13px;background:linear-gradient(var(--curtain) 0 0) 0 0/100% 4px no-repeat,radial-gradient(14.5px 9px \
at 14px 0,var(--curtain) 96%,transparent 100%) 0 4px/28px 9px repeat-x}}
main{{max-width:34rem;margin:0 auto;padding:1.5rem 1rem 3rem}}
h1,.total{{font-family:"Young Serif","Iowan Old Style",Palatino,Georgia,serif;font-weight:400}}
h1{{font-size:clamp(1.75rem,1.45rem + 1.4vw,2.25rem);line-height:1.15;margin:0 0 1rem}}
h2{{font-size:1.25rem;margin:0 0 .5rem}}
p{{margin:0 0 1rem}}
.card{{background:var(--surface);border:1px solid var(--line);border-radius:1rem;padding:1rem;margin:0 0 1rem}}
.lines{{display:flex;justify-content:space-between;gap:1rem;margin:0}}
.total{{font-size:1.25rem;white-space:nowrap}}
.note{{border:1px solid currentColor;border-radius:.625rem;padding:.75rem 1rem;margin:0 0 1rem}}
.note strong{{display:block}}
.warn{{background:var(--warn-soft);color:var(--warn)}}
.bad{{background:var(--danger-soft);color:var(--danger)}}
.good{{background:var(--ok-soft);color:var(--ok)}}
.cards{{list-style:none;margin:0;padding:0;display:grid;gap:.5rem}}
button,.button{{display:block;width:100%;min-height:3.375rem;padding:.5rem 1rem;border-radius:.625rem;text-align:left;\
border:2px solid var(--line-strong);background:var(--surface);color:var(--ink);font:inherit;cursor:pointer;\
text-decoration:none}}
button.go,.button.go{{background:var(--brand);color:var(--on-brand);border-color:var(--brand);font-weight:700}}
button span{{display:block;font-size:.9375rem;font-weight:400}}
button:hover{{border-color:var(--ink)}}
a{{color:var(--link)}}
.button.go{{color:var(--on-brand)}}
:focus-visible{{outline:3px solid var(--focus);outline-offset:2px;box-shadow:0 0 0 6px var(--halo)}}
.small{{font-size:.9375rem;color:var(--ink-2)}}
"""
_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class TestCard:
    """A button of the page."""

    __test__ = False  # No test, whatever its name says to pytest.

    outcome: CardOutcome
    number: str
    label: str
    hint: str


CARDS = (
    TestCard(CardOutcome.SUCCEED, "4242 4242 4242 4242", "", "The bank agrees at once."),
    TestCard(CardOutcome.DECLINE, "4000 0000 0000 0002", "Is declined", "Nothing is charged; another card can follow."),
    TestCard(
        CardOutcome.THREE_D_SECURE, "4000 0027 6000 3184", "Asks the bank first", "A step to confirm (3-D Secure)."
    ),
    TestCard(CardOutcome.DELAY, "4000 0000 0000 9001", "Takes a few seconds", "The bank agrees after five seconds."),
    TestCard(CardOutcome.LATE, "4000 0000 0000 9002", "Comes too late", "The bank agrees after fifteen minutes."),
    TestCard(CardOutcome.LOST_WEBHOOK, "4000 0000 0000 9003", "Pays, and no message arrives", "Its webhooks get lost."),
    TestCard(
        CardOutcome.REPEATED_WEBHOOK,
        "4000 0000 0000 9004",
        "Pays, and messages arrive three times",
        "Its webhooks are repeated.",
    ),
    TestCard(
        CardOutcome.REFUND_FAILS, "4000 0000 0000 9005", "Pays, and cannot be refunded", "A refund fails later on."
    ),
)


def content_security_policy(return_url: str | None) -> str:
    """What the page may load and where its form may lead: nothing but itself, and back to the order."""
    back = ""
    if return_url is not None and (parts := urlsplit(return_url)).netloc:
        back = f" {parts.scheme}://{parts.netloc}"
    return (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self'{back}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def payment_page(payment: KeptPayment, *, declined: bool = False) -> str:
    """The page of a payment as it is now. `declined`: whether that has just happened."""
    sum_ = amount(payment.amount_minor, payment.currency)
    status = PaymentStatus(payment.status)
    if status is PaymentStatus.OPEN:
        title = "Confirm the payment" if payment.step else f"Pay {sum_}"
        act = _bank_step(sum_) if payment.step else _cards(sum_)
    else:
        title, act = _ended(status), _back(payment)
    alert = ""
    if status is PaymentStatus.OPEN and payment.last_error:
        role = ' role="alert"' if declined else ""
        alert = (
            f'<p class="note bad"{role}><strong>The bank declined this card</strong>Nothing was charged, and your '
            "seats stay yours until the time you were told. Take another card.</p>"
        )
    heading = f"Declined: {title}" if declined else title
    return _document(
        heading,
        f"<h1>{escape(title)}</h1>{alert}"
        '<p class="note warn"><strong>Sandbox</strong>No real card, no real money.</p>'
        f'<div class="card"><h2>Your order</h2><p class="lines"><span>{escape(payment.description)}</span>'
        f'<span class="total">{escape(sum_)}</span></p></div>{act}',
    )


def missing_page() -> str:
    """There is no such payment."""
    return _document(
        "No such payment",
        "<h1>There is no such payment</h1><p>The address is not complete, or it is from another installation. Nothing "
        "was charged. Go back to your order, and choose to pay again.</p>",
    )


def _cards(sum_: str) -> str:
    buttons = "".join(
        f'<li><button name="outcome" value="{card.outcome}"{" class=go" if not card.label else ""}>'
        f"{escape(card.label or f'Pay {sum_}')}<span>{card.number}. {escape(card.hint)}</span></button></li>"
        for card in CARDS
    )
    listed = f'<ul class="cards" aria-labelledby="cards">{buttons}</ul>'
    return f'<form method="post"><h2 id="cards">Test cards</h2>{listed}</form>'


def _bank_step(sum_: str) -> str:
    return (
        '<form method="post"><h2 id="bank">Your bank asks</h2>'
        f"<p>Do you want to pay {escape(sum_)}? Nothing was charged so far.</p>"
        '<ul class="cards" aria-labelledby="bank"><li><button class="go" name="outcome" value="succeed">Yes, confirm'
        '</button></li><li><button name="outcome" value="decline">No, this is not me</button></li></ul></form>'
    )


_ENDED = {
    PaymentStatus.PROCESSING: (
        "Your bank is taking its time",
        '<p class="note warn"><strong>The bank has not answered yet</strong>You may close this page.</p>',
    ),
    PaymentStatus.AUTHORIZED: (
        "The bank agreed",
        '<p class="note good"><strong>The bank agreed</strong>You are charged once your seats are confirmed.</p>',
    ),
    PaymentStatus.CAPTURED: (
        "Paid",
        '<p class="note good"><strong>This is paid</strong>There is nothing more to do here.</p>',
    ),
    PaymentStatus.CANCELLED: (
        "This payment has ended",
        '<p class="note warn"><strong>The payment was let go</strong>Nothing is charged. Your order says why.</p>',
    ),
}


def _ended(status: PaymentStatus) -> str:
    return _ENDED[status][0]


def _back(payment: KeptPayment) -> str:
    note = _ENDED[PaymentStatus(payment.status)][1]
    if payment.return_url is None or urlsplit(payment.return_url).scheme not in ("", "http", "https"):
        return note
    return f'{note}<p><a class="button go" href="{escape(payment.return_url)}">Back to your order</a></p>'


def _document(title: str, main: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · Sandbox</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<link rel="icon" href="data:,"><style>{STYLE}</style></head><body><div class="pelmet"></div>'
        f'<main>{main}<p class="small">Box office by Rowlock</p></main></body></html>'
    )
