"""Each attack that docs/explanation/attacks.md lists has a test, and that test ends with `rowlock check`."""

import ast
import re

import pytest

from tests.project.test_rules import ROOT

PAGE = ROOT / "docs" / "explanation" / "attacks.md"
CHECKS = ("clean_check", "assert_clean_check", "assert_that_the_committed_hold_is_all_there_is", '"check"')
"""What a test says that ends with the check: the fixture, what calls it, or the command itself."""
WITHOUT_DATABASE = "tests/catalogue/plan_files/"

TESTS = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", PAGE.read_text(encoding="utf-8"))


def ends_with_check(text: str, name: str) -> bool:
    """Whether a test of a file ends with the check. Raises StopIteration when there is no such test."""
    body = ast.parse(text).body
    functions = (node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    test = ast.unparse(next(node for node in functions if node.name == name)).replace("'", '"')
    marks = [
        ast.unparse(n.value) for n in body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "pytestmark"
    ]
    return any(check in test for check in CHECKS) or any("clean_check" in mark for mark in marks)


def test_the_page_names_tests() -> None:
    assert len(TESTS) > 20


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_an_attack_has_a_test_that_ends_with_the_check(path: str, name: str) -> None:
    found = ends_with_check((ROOT / path).read_text(encoding="utf-8"), name)

    assert found or path.startswith(WITHOUT_DATABASE)


@pytest.mark.parametrize("text", ["def test_x(): pass", "pytestmark = pytest.mark.slow\ndef test_x(): pass"])
def test_a_test_without_the_check_is_found(text: str) -> None:
    assert not ends_with_check(text, "test_x")
    assert ends_with_check(text + "\npytestmark = pytest.mark.usefixtures('clean_check')", "test_x")


def test_a_test_that_does_not_exist_is_found() -> None:
    with pytest.raises(StopIteration):
        ends_with_check("def test_x(): pass", "test_y")
