"""Ticket codes: what they say, that each change of one is refused, and that people may type them."""

import random
import re
import time
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from rowlock.base.ids import mint_id
from rowlock.checkout.ticket_codes import (
    CODE_LENGTH,
    MAX_REVISION,
    PREFIX,
    CodeRefused,
    Refusal,
    TicketCode,
    key_id_of,
    sign,
    tidy,
    verify,
)
from tests.support.scale import Scale

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = {key_id_of(KEY.public_key()): KEY.public_key()}
SHOW = UUID("01234567-89ab-8def-8123-456789abcdef")
TICKET = UUID("019b0000-0000-8000-8000-0000deadbeef")
CODE = sign(SHOW, TICKET, 3, KEY)

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Of ISO/IEC 18004, the characters of the alphanumeric mode.
QR_ALPHANUMERIC = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


def refusal(code: str) -> Refusal:
    found = verify(code, PUBLIC)
    assert isinstance(found, CodeRefused), f"{code!r} was accepted"
    return found.reason


def test_a_code_says_its_show_ticket_revision_and_key() -> None:
    assert verify(CODE, PUBLIC) == TicketCode(SHOW, TICKET, 3, key_id_of(KEY.public_key()))


@given(show=st.uuids(), ticket=st.uuids(), revision=st.integers(1, MAX_REVISION))
def test_every_code_is_verified_and_has_the_same_length_and_alphabet(show: UUID, ticket: UUID, revision: int) -> None:
    code = sign(show, ticket, revision, KEY)

    assert verify(code, PUBLIC) == TicketCode(show, ticket, revision, key_id_of(KEY.public_key()))
    assert re.fullmatch(f"{PREFIX}[{ALPHABET}]{{168}}", code)
    assert len(code) == CODE_LENGTH
    assert set(code) <= QR_ALPHANUMERIC


def test_the_same_ticket_always_has_the_same_code() -> None:
    assert sign(SHOW, TICKET, 3, KEY) == CODE


def test_the_form_of_a_code_does_not_change_between_releases() -> None:
    assert CODE == (
        "RT-05B4EPN7000000R14D2PF2DBHQQR28T5CY4TQKFF06DG000002001000000DXBDYXWDM4JTP60YKBZPA0XCKQN1"
        "4985Z2633QD70N1D14YB169T2GM8JEFWBEB0DN97C0R8R7DR3Z2X8KFQP6F692GRXBT4PWDSYPRGE4B88"
    )


def test_each_single_character_changed_to_each_other_one_is_refused() -> None:
    accepted = [
        (at, other)
        for at in range(len(CODE))
        # One of three, which moves on with the place: all 171 × 31 take a second and a half.
        for other in (*ALPHABET[at % 3 :: 3], "O", "i", "-", " ", "é", "\0")
        if other != CODE[at] and isinstance(verify(CODE[:at] + other + CODE[at + 1 :], PUBLIC), TicketCode)
    ]

    assert accepted == []


@pytest.mark.soak
def test_mutated_codes_are_refused(scale: Scale) -> None:
    numbers = random.Random(18 if scale.repeatable else time.time_ns())
    codes = [sign(show := uuid4(), mint_id(show), numbers.randint(1, 9), KEY) for _ in range(20)]
    for _ in range(scale.mutated_codes):
        code = numbers.choice(codes)
        mutated = numbers.choice(MUTATIONS)(code, numbers, codes)
        if mutated not in codes:
            refusal(mutated)


def _replace(code: str, numbers: random.Random, codes: list[str]) -> str:
    changed = list(code)
    for _ in range(numbers.randint(1, 4)):
        changed[numbers.randrange(len(code))] = numbers.choice(ALPHABET)
    return "".join(changed)


def _swap(code: str, numbers: random.Random, _: list[str]) -> str:
    first, second = sorted(numbers.sample(range(len(code)), 2))
    return code[:first] + code[second] + code[first + 1 : second] + code[first] + code[second + 1 :]


def _insert(code: str, numbers: random.Random, _: list[str]) -> str:
    at = numbers.randrange(len(code) + 1)
    return code[:at] + numbers.choice(ALPHABET + "=- \n\u200b") + code[at:]


def _delete(code: str, numbers: random.Random, _: list[str]) -> str:
    at = numbers.randrange(len(code))
    return code[:at] + code[at + 1 :]


def _lower(code: str, numbers: random.Random, _: list[str]) -> str:
    letters = [at for at, character in enumerate(code) if character.isalpha()]
    at = numbers.choice(letters)
    return code[:at] + code[at].lower() + code[at + 1 :]


def _splice(code: str, numbers: random.Random, codes: list[str]) -> str:
    """The payload of one code with the signature of another, or any other seam."""
    at = numbers.randrange(4, len(code))
    return code[:at] + numbers.choice(codes)[at:]


MUTATIONS = (_replace, _swap, _insert, _delete, _lower, _splice)


def test_a_signature_with_the_group_order_added_is_refused() -> None:
    """R, S and R, S + L satisfy the same equation; a verifier that does not look makes a second code of each."""
    from base64 import b32decode, b32encode

    crockford, rfc = ALPHABET, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    content = b32decode(CODE[len(PREFIX) :].translate(str.maketrans(crockford, rfc)))
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = (int.from_bytes(content[-32:], "little") + order).to_bytes(32, "little")
    twin = PREFIX + b32encode(content[:-32] + scalar).decode().translate(str.maketrans(rfc, crockford))

    assert twin != CODE
    assert refusal(twin) is Refusal.WRONG_SIGNATURE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Refusal.NOT_A_TICKET_CODE),
        ("https://example.org/", Refusal.NOT_A_TICKET_CODE),
        (CODE.lower(), Refusal.NOT_A_TICKET_CODE),
        (" " + CODE, Refusal.NOT_A_TICKET_CODE),
        (PREFIX, Refusal.WRONG_LENGTH),
        (CODE[:-1], Refusal.WRONG_LENGTH),
        (CODE + "0", Refusal.WRONG_LENGTH),
        (CODE + "=", Refusal.WRONG_LENGTH),
        (CODE + "\n", Refusal.WRONG_LENGTH),
        (CODE[:-1] + "U", Refusal.WRONG_CHARACTER),
        (CODE[:-1] + "=", Refusal.WRONG_CHARACTER),
        (CODE[:-1] + "\uff10", Refusal.WRONG_CHARACTER),
        (PREFIX + CODE[len(PREFIX) :].lower(), Refusal.WRONG_CHARACTER),
        (PREFIX + "Z" + CODE[len(PREFIX) + 1 :], Refusal.UNKNOWN_VERSION),
        (CODE[:-1] + ("0" if CODE[-1] != "0" else "1"), Refusal.WRONG_SIGNATURE),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, reason: Refusal) -> None:
    assert refusal(text) is reason


def test_a_code_of_another_key_is_refused_and_its_key_named() -> None:
    other = Ed25519PrivateKey.generate()
    code = sign(SHOW, TICKET, 1, other)

    assert verify(code, PUBLIC) == CodeRefused(Refusal.UNKNOWN_KEY, key_id_of(other.public_key()))


def test_a_code_that_names_one_key_and_is_signed_with_another_is_refused() -> None:
    other = Ed25519PrivateKey.generate()
    code = sign(SHOW, TICKET, 1, other)

    found = verify(code, {key_id_of(other.public_key()): KEY.public_key()})

    assert found == CodeRefused(Refusal.WRONG_SIGNATURE, key_id_of(other.public_key()))


def test_a_huge_text_costs_nothing() -> None:
    huge = PREFIX + "0" * 20_000_000
    before = time.perf_counter()
    refusal(huge)
    assert tidy(huge) is huge
    # Measured: microseconds. A second is a hundred times what reading the text takes.
    assert time.perf_counter() - before < 1


@given(st.text(max_size=300))
def test_any_text_is_refused_or_tidied_without_an_error(text: str) -> None:
    refusal(text)
    refusal(tidy(text))


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        CODE.lower(),
        f"  {CODE}\n",
        " ".join(CODE[at : at + 6] for at in range(0, len(CODE), 6)),
        "\r\n".join(CODE[at : at + 40] for at in range(0, len(CODE), 40)),
        "-".join(CODE),
        CODE.replace("-", "\u2013"),
        CODE.replace("0", "O"),
        CODE.replace("0", "o").replace("1", "l"),
        CODE.replace("1", "I"),
    ],
)
def test_what_a_person_types_is_tidied_to_the_code(typed: str) -> None:
    assert tidy(typed) == CODE


def test_tidying_makes_no_code_of_another_one() -> None:
    assert refusal(tidy(CODE.replace("2", "Z"))) is Refusal.WRONG_SIGNATURE
