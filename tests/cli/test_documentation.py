"""The reference pages and the program say the same: every command, option, exit code and setting is documented."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from rowlock.cli import app
from rowlock.cli.exits import ExitCode
from rowlock.operations.model import INVARIANTS
from rowlock.settings import Settings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
CLI_PAGE = (REFERENCE / "cli.md").read_text(encoding="utf-8")
SETTINGS_PAGE = (REFERENCE / "settings.md").read_text(encoding="utf-8")
RUNBOOKS = REFERENCE.parent / "runbooks"

COMMAND_HEADING = re.compile(r"^### `rowlock (.+?)`$", re.MULTILINE)


def commands() -> Iterator[tuple[str, list[str], str]]:
    """Every command by its full name, with its options and the end of its help."""

    def walk(command: object, path: list[str]) -> Iterator[tuple[str, list[str], str]]:
        subcommands = getattr(command, "commands", None) or {}
        for name, sub in subcommands.items():
            yield from walk(sub, [*path, name])
        if not subcommands or (path and getattr(command, "invoke_without_command", False)):
            options = [
                option
                for parameter in getattr(command, "params", [])
                for option in parameter.opts
                if option.startswith("--") and option != "--help"
            ]
            yield " ".join(path), options, str(getattr(command, "epilog", "") or "")

    yield from walk(typer.main.get_command(app), [])


COMMANDS = {name: (options, epilog) for name, options, epilog in commands()}
SECTIONS = dict(zip(COMMAND_HEADING.findall(CLI_PAGE), COMMAND_HEADING.split(CLI_PAGE)[2::2], strict=True))
SERVERS = {"up", "serve", "worker"}


def test_the_commands_are_those_of_the_page() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_of_a_command_is_on_the_page_and_the_other_way_round(name: str) -> None:
    documented = set(re.findall(r"^\| `(--[a-z-]+)", SECTIONS[name], re.MULTILINE))

    # These two are described once for all.
    assert documented == set(COMMANDS[name][0]) - {"--data-dir", "--json"}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_takes_a_data_folder_and_ends_its_help_with_an_example(name: str) -> None:
    options, epilog = COMMANDS[name]

    assert "--data-dir" in options
    assert ("--json" in options) == (name not in SERVERS)
    assert epilog.startswith("Example: ")
    assert f"rowlock {name}" in epilog


def test_each_exit_code_is_on_the_page() -> None:
    assert set(re.findall(r"^\| `(\d+)` \|", CLI_PAGE, re.MULTILINE)) == {str(int(code)) for code in ExitCode}


def test_each_check_is_on_the_page() -> None:
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|$", CLI_PAGE, re.MULTILINE))

    assert table == {check.code: check.sentence for check in INVARIANTS}


def test_each_setting_is_on_its_page_with_its_default() -> None:
    documented = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \|", SETTINGS_PAGE, re.MULTILINE))

    expected = {}
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"ROWLOCK_{name.upper()}")
        default = field.default
        expected[variable] = (
            "none" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        )
    assert {name: documented.get(name) for name in expected} == expected


def test_what_else_the_settings_page_names_is_read_by_a_program() -> None:
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", SETTINGS_PAGE, re.MULTILINE))
    known = {str(f.validation_alias or f"ROWLOCK_{n.upper()}") for n, f in Settings.model_fields.items()}

    assert documented - known == {"ROWLOCK_PG_BIN"}


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.name)
def test_runbooks_name_only_commands_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:^|`|\$\()rowlock ((?:[a-z]+)(?: [a-z]+)?)", text, re.MULTILINE)
    first_words = {name.split()[0] for name in COMMANDS}

    assert {name for name in named if name.split()[0] not in first_words} == set()


def test_every_page_that_a_message_names_exists() -> None:
    root = REFERENCE.parents[1]
    named = {
        match
        for path in (root / "src" / "rowlock").rglob("*.py")
        for match in re.findall(r"docs/[a-z/-]+\.md", path.read_text(encoding="utf-8"))
        if match.startswith(("docs/runbooks", "docs/reference/cli", "docs/reference/settings"))
    }

    assert named
    assert [name for name in sorted(named) if not (root / name).is_file()] == []
