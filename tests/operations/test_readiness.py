"""What the readiness check makes of what it finds. tests/api has the same with a database and its pools."""

import pytest

from rowlock.operations.facts import Readiness


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Readiness(has_functions=True, is_read_only=True, is_standby=True), "a read-only standby"),
        (Readiness(has_functions=True, is_read_only=True, is_standby=False), "is read-only"),
        (Readiness(has_functions=False, is_read_only=False, is_standby=False), "rowlock migrate"),
    ],
)
def test_each_obstacle_is_a_sentence_that_says_what_to_do(found: Readiness, words: str) -> None:
    assert found.obstacle is not None
    assert words in found.obstacle
    assert found.obstacle.endswith(".")


def test_a_connection_that_can_write_and_has_the_functions_is_no_obstacle() -> None:
    assert Readiness(has_functions=True, is_read_only=False, is_standby=False).obstacle is None
