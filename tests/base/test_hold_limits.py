"""How an operator writes the limits of holds."""

import pytest
from pydantic import ValidationError

from rowlock.base.hold_limits import HoldLimits, parse_limits
from rowlock.settings import Settings


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", HoldLimits()),
        ("seats=60", HoldLimits(seats=60)),
        ("seats=60 new=100", HoldLimits(seats=60, new=100)),
        ("share=0,holds=1, session=3", HoldLimits(share=0, holds=1, session=3)),
        ("off", None),
        (" OFF ", None),
        (str(HoldLimits(1, 2, 3, 4, 5)), HoldLimits(1, 2, 3, 4, 5)),
    ],
)
def test_limits_are_read(text: str, limits: HoldLimits | None) -> None:
    assert parse_limits(text) == limits


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seats", "'seats' is no limit"),
        ("seats=-1", "'seats=-1' is no limit"),
        ("chairs=3", "some of seats, holds, new, session, share"),
        ("seats=1 seats=2", "'seats=2' is no limit"),
        ("seats=0", "each other limit from 1 to 1,000,000"),
        ("share=101", "share is at most 100"),
        ("on", "Write off"),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_limits(text)
    with pytest.raises(ValidationError, match=told):
        Settings(hold_limits=text)


def test_the_database_weighs_an_ordinary_hold_as_two() -> None:
    assert HoldLimits().for_database == [40, 25, 120, 20, 25]
