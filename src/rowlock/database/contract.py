"""The function contract of a process and its database: which functions, with which signatures, the process calls.

Every connection carries the contract's fingerprint in its name. So `rowlock migrate` sees in pg_stat_activity whether a
process runs that may call functions with the signatures of another version.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files

_DECLARATION = re.compile(r"^create or replace function\s+(.+?)\blanguage\b", re.MULTILINE | re.DOTALL)
_STAMPED = re.compile(r"(?P<name>rowlock\b.*) (?P<version>\S+)/(?P<contract>[0-9a-f]{8})")
# PostgreSQL cuts longer names off at the end.
_LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the name of a connection says: which kind of process, of which version, and the contract's fingerprint."""

    name: str
    version: str
    contract: str


def contract_of(sources: Iterable[str]) -> str:
    """The fingerprint of the functions that these SQL texts make: 8 hexadecimal digits.

    It depends on their names, parameters and results, and not on their bodies or on the order of the texts.
    """
    declarations = sorted(
        " ".join(re.sub(r"--.*", "", declaration).split())
        for source in sources
        for declaration in _DECLARATION.findall(source)
    )
    return hashlib.sha256("\n".join(declarations).encode()).hexdigest()[:8]


@cache
def own_contract() -> str:
    """The fingerprint of the functions that this installation calls."""
    functions = files("rowlock") / "sql" / "functions"
    return contract_of(file.read_text(encoding="utf-8") for file in functions.iterdir() if file.name.endswith(".sql"))


@cache
def stamped(application_name: str) -> str:
    """A connection's name with version and contract, as in `rowlock worker cleanup 0.2.0/4fa1c02d`."""
    end = f"/{own_contract()}"
    return f"{application_name} {version('rowlock')}"[: _LONGEST_NAME - len(end)] + end


def read_stamp(application_name: str) -> Stamp | None:
    """What the name of a connection says; None when Rowlock did not make it."""
    match = _STAMPED.fullmatch(application_name)
    return Stamp(**match.groupdict()) if match else None
