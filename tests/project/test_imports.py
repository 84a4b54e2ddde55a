"""The import contracts of pyproject.toml: each is shown a violation that it has to see, and none leaves a noun out."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "rowlock"
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]

# Contract → violations: a module, and the import that it must not have.
VIOLATIONS = {
    "between": [
        ("catalogue/service.py", "import rowlock.reservations.service"),
        ("web/problems.py", "import rowlock.catalogue.model"),
        ("base/ids.py", "import rowlock.database.calls"),
        ("operations/service.py", "import rowlock.reporting.service"),
        ("newcomer.py", "import rowlock.app"),
    ],
    "inside-catalogue": [
        ("catalogue/store.py", "import rowlock.catalogue.service"),
        ("catalogue/newcomer.py", "import rowlock.catalogue.api"),
    ],
    "inside-reservations": [
        ("reservations/model.py", "import rowlock.reservations.store"),
        ("reservations/service.py", "import rowlock.reservations.version1.service"),
    ],
    "inside-reservations-parts": [
        ("reservations/availability/show.py", "import rowlock.reservations.availability.service"),
        ("reservations/version1/store.py", "import rowlock.reservations.version1.service"),
    ],
    "inside-checkout": [
        ("checkout/store.py", "import rowlock.checkout.service"),
        ("checkout/ticket_codes.py", "import rowlock.checkout.ticket_keys"),
    ],
    "inside-checkout-parts": [
        ("checkout/reconciliation/model.py", "import rowlock.checkout.reconciliation.store"),
        ("checkout/version1/store.py", "import rowlock.checkout.version1.service"),
    ],
    "inside-checkout-providers": [
        ("checkout/providers/manual.py", "import rowlock.checkout.providers.sandbox"),
        ("checkout/providers/newcomer.py", "import rowlock.checkout.providers.payment_provider"),
    ],
    "inside-integrators": [("integrators/model.py", "import rowlock.integrators.service")],
    "inside-reporting": [("reporting/model.py", "import rowlock.reporting.store")],
    "inside-operations": [("operations/doctor.py", "import rowlock.operations.store")],
    "inside-mail": [("mail/composition.py", "import rowlock.mail.post")],
    "inside-web": [("web/problems.py", "import rowlock.web.fast_path")],
    "inside-database": [("database/connections.py", "import rowlock.database.pool")],
    "service-and-model-only": [
        ("checkout/service.py", "import rowlock.reservations.store"),
        ("cli/shows.py", "from rowlock.catalogue import prices"),
        ("reservations/service.py", "import rowlock.catalogue.plan_files.geometry"),
    ],
    "settings-are-a-leaf": [("settings.py", "import rowlock.catalogue.model")],
    "one-place-for-the-driver": [
        ("reservations/service.py", "import psycopg"),
        ("catalogue/api.py", "from psycopg_pool import PoolTimeout"),
        ("services.py", "import psycopg.errors"),
    ],
    "one-place-for-smtp": [("mail/post.py", "import aiosmtplib")],
    "one-place-for-stripe": [("checkout/service.py", "import stripe")],
}
# A service that is there when others start is a noun's.
NOUNS = sorted(path.parent.name for path in SOURCE.glob("*/service.py"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, to plant something in."""
    folder = tmp_path / "src"
    shutil.copytree(SOURCE, folder / "rowlock", ignore=shutil.ignore_patterns("__pycache__", "*.sql"))
    return folder


def broken(folder: Path, contract: str) -> bool:
    """Whether import-linter finds the contract broken in the package below the folder."""
    finished = subprocess.run(
        [
            *(sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
            *("--config", str(ROOT / "pyproject.toml"), "--contract", contract, "--no-cache"),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = finished.stdout + finished.stderr
    assert "1 kept, 0 broken" in told or "0 kept, 1 broken" in told or "Missing" in told or "newcomer" in told, told
    return finished.returncode != 0


@pytest.mark.parametrize("contract", [contract["id"] for contract in CONTRACTS])
def test_each_contract_sees_each_violation(contract: str, copy: Path) -> None:
    assert not broken(copy, contract), "The package as it is keeps the contract."
    for module, violation in VIOLATIONS[contract]:
        path = copy / "rowlock" / module
        before = path.read_text(encoding="utf-8") if path.exists() else None
        path.write_text(f"{before or ''}\n{violation}\n", encoding="utf-8")

        assert broken(copy, contract), f"{violation} in {module} was not seen"

        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")


def test_the_contracts_leave_no_noun_out() -> None:
    by_id = {contract["id"]: contract for contract in CONTRACTS}

    assert NOUNS == ["catalogue", "checkout", "integrators", "operations", "reporting", "reservations"]
    assert sorted(by_id["service-and-model-only"]["protected_modules"]) == [f"rowlock.{noun}" for noun in NOUNS]
    assert {f"inside-{noun}" for noun in NOUNS} <= set(by_id)
    layered = [contract for contract in CONTRACTS if contract["type"] == "layers"]
    assert all(contract["exhaustive"] for contract in layered)
    assert set(VIOLATIONS) == set(by_id)


def test_only_stores_among_the_modules_of_nouns_name_the_driver() -> None:
    knowing = {
        path.relative_to(SOURCE).as_posix()
        for noun in NOUNS
        for path in (SOURCE / noun).rglob("*.py")
        if "psycopg" in path.read_text(encoding="utf-8")
    }

    assert {path for path in knowing if not path.endswith("/store.py")} == set()
    assert knowing
