"""What a refusal says of a text in the wrong form: words, and never a pattern."""

import re
from typing import Annotated

import msgspec
import pytest

from rowlock.web.texts import LINE, MAIL_ADDRESS, VISIBLE_ASCII, in_words, whole, words_of
from tests.support.http import Api


def refused(pattern: str, text: str) -> str:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert([text], list[Annotated[str, msgspec.Meta(pattern=pattern)]])
    return in_words(str(caught.value))


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        *((LINE, text) for text in ("", " ", "\t", "a\0", "a\nb", "a\n", "\x7f", "\0")),
        *((MAIL_ADDRESS, text) for text in ("anna", "a@b", "a b@c.d", "<a@b.c>", "a@b.c\n", "a\0@b.c", "a@b@c.d")),
        *((VISIBLE_ASCII, text) for text in ("", "a b", "ü", "a\n", "\0")),
    ],
)
def test_a_wrong_text_is_refused_in_words_that_name_the_place(pattern: str, wrong: str) -> None:
    told = refused(whole(pattern), wrong)

    assert told == f"Expected {words_of(pattern)} - at `$[0]`"
    assert not re.search(r"regex|\\|\^", told)


@pytest.mark.parametrize(
    ("pattern", "right"),
    [(LINE, "Zoë's  choir"), (LINE, "李"), (MAIL_ADDRESS, "anna+x@mail.example.org"), (VISIBLE_ASCII, "a-1")],
)
def test_a_right_text_is_taken(pattern: str, right: str) -> None:
    assert msgspec.convert(right, Annotated[str, msgspec.Meta(pattern=whole(pattern))]) == right


def test_a_pattern_without_words_is_not_shown_either() -> None:
    assert refused("^x{3}$", "y") == "Expected text in the form that /docs describes - at `$[0]`"
    assert words_of("^x{3}$") == "text in the form that /docs describes"


def test_other_messages_stay_as_they_are() -> None:
    message = "Expected `int`, got `str` - at `$.seat_ids[0]`"

    assert in_words(message) == message


async def test_buyers_and_staff_are_told_in_words(client: Api, admin: Api) -> None:
    wish = {"reservation_token": "x", "customer": {"name": "Anna", "email": "anna"}}
    reason = {"seat_ids": [1], "reason": "\t"}

    order = (await client.post("/api/ticket-orders", json=wish)).json()
    block = (await admin.post("/api/admin/shows/01890000-0000-8000-8000-000000000000/block", json=reason)).json()

    assert f"Expected {words_of(MAIL_ADDRESS)} - at `$.customer.email`." in order["detail"]
    assert f"body.reason: Expected {words_of(LINE)}." in block["detail"]
